# SPDX-License-Identifier: MIT
"""The playground answers what the module answers: the same conversation with its core in WebAssembly, and with a server
whose clock is held. Each value of each reply, the label, the lease and the HTTP fields.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator

import pytest

from harness import BASE, HOUR, SECOND, Client, Clock, Server
from playground import ask
from seed import SEED

LIMITS = [
    "TOKENBUCKET 20 7 3s",
    "LEAKYBUCKET 10 3 1s",
    "FIXED 30 10s",
    "FIXED 30 10s ALIGNED",
    "SLIDING 25 7s",
    "SLIDING 25 7s APPROX",
    "QUOTA 90 HOUR",
    "QUOTA 200 DAY TZ America/New_York",
    "QUOTA 90 HOUR ANCHOR 2026-01-31T00:30 TZ Australia/Lord_Howe",
    "CONCURRENT 5 4s",
    "FIXED 0 1s",
    "TOKENBUCKET 40 5 1s AS burst SLIDING 100 1m AS minute QUOTA 300 DAY PER REQUEST",
    "CONCURRENT 3 2s AS workers TOKENBUCKET 12 3 1s FIXED 9 5s PER REQUEST",
    "LEAKYBUCKET 8 2 1s SLIDING 12 5s APPROX",
]
MODES = ["deny", "deny", "PARTIAL", "FORCE", "MAXWAIT"]
GAPS = [0, 0, 1, 40_000_000, 300_000_000, SECOND, 3 * SECOND]
CALLS = 400


def conversation(chance: random.Random, limits: str) -> Iterator[dict]:
    """Calls of a few subjects, and holders who let go of leases that they may have."""
    at, leases = BASE, [0]
    for _ in range(CALLS):
        at += chance.choice([*GAPS, SECOND * chance.randrange(20), HOUR * chance.choice([0, 0, 0, 0, 1])])
        subject = chance.randrange(3)
        if "CONCURRENT" in limits and chance.random() < 0.3:
            yield {"at": str(at), "subject": subject, "release": f"lease-{chance.randrange(leases[0] + 1)}"}
            continue
        call = {"at": str(at), "subject": subject, "cost": chance.choice([1, 1, 1, 1, 2, 3, 7, 0, 5000])}
        mode = chance.choice(MODES)
        yield call | {"mode": mode, "wait": str(SECOND * chance.choice([0, 1, 5])) if mode == "MAXWAIT" else "0"}
        leases[0] += call["cost"] > 0


class Module:
    """The other one who is asked."""

    def __init__(self, db: Client, clock: Clock, limits: str) -> None:
        self._db, self._clock, self._limits, self._leases = db, clock, limits, 0

    def answer(self, call: dict) -> list | bool:
        self._clock.set(int(call["at"]))
        subject = f"user:{call['subject']}"
        if "release" in call:
            return self._db.execute_command("RL.RELEASE", "key", call["release"], "FOR", subject) == 1
        words = ["FOR", subject, "COST", call["cost"]]
        words += [] if call["mode"] == "deny" else [call["mode"]]
        words += [int(call["wait"]) // SECOND] if call["mode"] == "MAXWAIT" else []
        if "CONCURRENT" in self._limits and call["cost"] > 0:
            self._leases += 1
            words += ["ID", f"lease-{self._leases}"]
        return self._db.execute_command("RL.CHECK", "key", *self._limits.split(), *words, "HEADERS")


def as_reply(answer: dict | bool, limits: str) -> list | bool:
    if isinstance(answer, bool):
        return answer
    numbers = [answer[name] for name in ("granted", "limit", "remaining", "waitMs", "resetMs")]
    lease = [answer["id"] or None] if "CONCURRENT" in limits else []
    return [*numbers, answer["label"], *lease, [text for field in answer["fields"] for text in field]]


@pytest.mark.parametrize("limits", LIMITS)
def test_each_reply_is_that_of_the_module(db: Client, clock: Clock, limits: str):
    calls = list(conversation(random.Random(f"{SEED} {limits}"), limits))
    module = Module(db, clock, limits)
    answers = ask("answers", {"limits": limits, "calls": calls})
    for number, (call, answer) in enumerate(zip(calls, answers, strict=True)):
        assert as_reply(answer, limits) == module.answer(call), f"call {number}: {call}, {SEED=}"
    replies = [answer for answer in answers if not isinstance(answer, bool)]
    assert any(answer["granted"] == 0 for answer in replies) and any(answer["granted"] > 0 for answer in replies)


@pytest.mark.parametrize(
    ("limits", "mode"),
    [(LIMITS[0], "deny"), (LIMITS[1], "MAXWAIT"), (LIMITS[9], "deny"), (LIMITS[12], "PARTIAL"), (LIMITS[11], "FORCE")],
)
def test_the_command_that_is_shown_prints_the_reply_that_is_shown(server: Server, clock: Clock, limits: str, mode: str):
    chance = random.Random(f"{SEED} {limits}")
    at, calls = BASE, []
    for _ in range(25):
        at += chance.choice(GAPS)
        calls.append({"at": str(at), "subject": chance.randrange(3), "cost": chance.choice([1, 1, 2, 5])})
    for call, shown in zip(
        calls, ask("shown", {"limits": limits, "calls": calls, "mode": mode, "wait": "2s"}), strict=True
    ):
        clock.set(int(call["at"]))
        printed = subprocess.run(
            ["redis-cli", "-s", server.socket, "--no-raw"], input=shown["command"], capture_output=True, text=True
        ).stdout
        assert printed.rstrip("\n") == shown["reply"], shown["command"]
        is_denied = "Retry-After" in printed or '"RateLimit' in printed and "4) (integer) -1" in printed
        assert shown["response"].startswith("HTTP/1.1 429" if is_denied else "HTTP/1.1 200"), printed


WRONG = [
    *("TOKENBUCKET", "TOKENBUCKET 5 1", "TOKENBUCKET 5 1 x", "FIXED 5 10q", "FIXED 5 10s ALIGNED ALIGNED"),
    *("QUOTA 5 DAY TZ Mars/Olympus", "QUOTA 5 DAY TZ Europe/berlin", "QUOTA 5 DAY ANCHOR 2026-02-30"),
    *("SLIDING 5 10s AS", "TOKENBUCKET 4294967295 1 3650d", "FIXED 5 1s AS a FIXED 6 1m AS a"),
    " ".join(["FIXED 5 1s"] * 9),
]


def test_an_error_says_what_the_server_says(db: Client):
    errors = ask("texts", {"limits": WRONG, "durations": []})["limits"]
    for text, read in zip(WRONG, errors, strict=True):
        assert read["error"].removeprefix("ERR ") == db.error("RL.CHECK", "key", *text.split()), text


@pytest.mark.parametrize("limits", LIMITS)
def test_limits_are_written_back_as_they_were_read(limits: str):
    [read] = ask("texts", {"limits": [limits], "durations": []})["limits"]
    assert read["text"] == limits


def test_the_most_within_a_window_is_that_of_all_windows_tried():
    chance = random.Random(f"{SEED} most")
    for window in (1, 7, 30):
        grants = [(chance.randrange(100), chance.randrange(1, 5)) for _ in range(60)]
        tried = [sum(units for at, units in grants if begin <= at < begin + window) for begin in range(-window, 101)]
        assert ask("most", {"grants": grants, "window": window}) == max(tried), f"{grants}, {window}, {SEED=}"
    assert ask("most", {"grants": [], "window": 1}) == 0


LOG = """
1800000001
1800000000.25,ann,3
2027-01-15T08:00:02Z,ben
nonsense
"""


def test_a_log_is_read_by_the_readers_of_the_replay():
    read = ask("log", {"text": LOG})
    second = 1_800_000_000 * SECOND
    assert read["calls"] == [
        [str(second + SECOND // 4), "ann", 3],
        [str(second + SECOND), "all", 1],
        [str(second + 2 * SECOND), "ben", 1],
    ]
    assert (read["format"], read["lines"], read["malformed"]) == ("csv", 5, 1)
    assert [wrong["line"] for wrong in read["first"]] == [5]
    read = ask("log", {"text": "1800000000,17\n1800000001,18\n1800000002"})
    assert [call[1] for call in read["calls"]] == ["17", "18", "all"]
    nginx = '10.32.60.127 - - [16/Jan/2027:00:01:15 +0100] "GET /items/3682 HTTP/1.1" 200 5120 "-" "Mozilla/5.0"\n'
    read = ask("log", {"text": nginx})
    assert read["format"] == "combined" and [call[1:] for call in read["calls"]] == [["10.32.60.127", 1]]
    read = ask(
        "log", {"text": nginx, "subject": "address/24+path/1", "conditions": ["path=/items/*", "", "status!=404"]}
    )
    assert read["calls"][0][1:] == ["10.32.60.0/24 /items", 1] and read["complaint"] == ""
    read = ask("log", {"text": nginx, "conditions": ["path=/other/*"]})
    assert (read["calls"], read["leftOut"], read["malformed"]) == ([], 1, 0)
    assert ask("log", {"text": nginx, "conditions": ["no condition"]})["complaint"].startswith("--where must be ")
    assert ask("log", {"text": ""})["calls"] == [] and ask("log", {"text": "x\n" * 3})["malformed"] == 3
