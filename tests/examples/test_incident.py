# SPDX-License-Identifier: MIT
"""examples/incident/trouble makes what it says in the end, the commands of docs/incident.md find it, and the remedy
that it names helps. It leaves nothing, and overwrites nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import BASE, PATIENCE_S, REPOSITORY, Client, Clock, Server, free_port, pairs

PROGRAM = REPOSITORY / "examples" / "incident" / "trouble"
PAGE = (REPOSITORY / "docs" / "incident.md").read_text()
SEEDS = {0: "never ends", 1: "used up its day", 2: "calls too fast", 5: "exception", 7: "has blocked it"}


def run(port: int, *options: str, **others) -> subprocess.CompletedProcess:
    command = [str(PROGRAM), "--port", str(port), "--seconds", "0", *options]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL, **others
    )


@contextmanager
def in_trouble(server: Server, *options: str) -> Iterator[subprocess.Popen]:
    """The program while its trouble lasts. It stands still, lest buckets run empty while the clock is held."""
    command = [str(PROGRAM), "--port", str(server.port), "--seconds", "600", *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as program:
        try:
            assert "has begun" in program.stdout.readline()
            program.send_signal(signal.SIGSTOP)
            yield program
        finally:
            program.kill()


def end(program: subprocess.Popen, *, by: signal.Signals | None = None) -> str:
    """Presses Enter, or sends that signal; what the program says then."""
    if by is not None:
        program.send_signal(by)
    program.send_signal(signal.SIGCONT)
    return program.communicate("\n" if by is None else None, timeout=PATIENCE_S)[0]


ANSWER = re.compile(
    r"(?P<who>\S+) on (?P<limiter>\S+), by (?P<label>\S+), since \S+ UTC: (?P<why>.*)\n"
    r'docs/incident\.md, "(?P<row>.*)": (?P<remedy>.*)\n\Z'
)


def answer_of(said: str) -> dict[str, str]:
    return ANSWER.search(said).groupdict()


@pytest.mark.parametrize(("seed", "why"), SEEDS.items())
def test_the_commands_of_the_page_find_the_trouble_and_its_remedy_ends_it(server: Server, seed: int, why: str):
    answer = answer_of(run(server.port, "--seed", str(seed)).stdout)
    assert why in answer["why"]
    with server.client() as db:
        Clock(db).set(BASE)  # a bucket that refilled meanwhile would hide the trouble
        with in_trouble(server, "--seed", str(seed)) as program:
            find(db, answer)
            mend(db, answer)
            assert answer_of(end(program)) == answer


def find(db: Client, answer: dict[str, str]) -> None:
    limiter, who, label = answer["limiter"], answer["who"], answer["label"]
    denied = {key: db.do(f"RL.TOP {key}") for key in db.do("RL.LIMITERS 0 COUNT 1000")[1]}
    assert {key: [name for name, *_ in top] for key, top in denied.items() if top} == {limiter: [who]}
    assert {entry[:2] for entry in map(tuple, db.do(f"RL.LOG {limiter}"))} == {(who, label)}
    about = pairs(db.execute_command("RL.INFO", limiter, "FOR", who))
    assert about["status"] == ("blocked" if label == "blocked" else "denied")
    assert about["exception"] == int("exception" in answer["why"])


def mend(db: Client, answer: dict[str, str]) -> None:
    """By the command that the program names; who calls too fast needs none."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {answer['row']}"))
    remedy = answer["remedy"].removeprefix("nothing, or ")
    assert remedy.split()[0] in row
    db.do(remedy)
    granted = db.ask(f"RL.PEEK {answer['limiter']} FOR {answer['who']}").granted
    assert granted == int(remedy == answer["remedy"])


@pytest.mark.parametrize("by", [None, signal.SIGINT, signal.SIGTERM])
def test_it_deletes_its_limiters_however_it_ends(server: Server, by: signal.Signals | None):
    with server.client() as db, in_trouble(server) as program:
        assert db.dbsize() == 3
        said = end(program, by=by)
        assert (ANSWER.search(said) is None) == (by is signal.SIGTERM)
        assert db.dbsize() == 0


def test_it_overwrites_no_limiter_and_refuses_a_database_that_is_in_use(server: Server):
    with server.client() as db:
        db.set("other", "key")
        refused = run(server.port)
        assert refused.returncode == 1 and "the database is not empty" in refused.stderr
        assert run(server.port, "--force").returncode == 0
        db.do("RL.DEFINE api:free FIXED 7 1h")
        refused = run(server.port, "--force")
        assert refused.returncode == 1 and "is there already" in refused.stderr
        assert db.rl_info("api:free")["limits"][0]["limit"] == "FIXED 7 1h"
        assert sorted(db.keys()) == ["api:free", "other"]


def test_what_it_lacks_is_said_in_one_line(start_server, tmp_path: Path):
    (tmp_path / "redis.py").write_text("raise ImportError('No module named redis')\n")
    without_module = start_server(module=None)
    shadowed = {"env": os.environ | {"PYTHONPATH": str(tmp_path)}}
    for refused in (run(free_port()), run(without_module.port), run(free_port(), **shadowed)):
        assert refused.returncode == 1
        assert re.fullmatch(r"trouble: .*\n", refused.stderr), refused.stderr
    assert "apt-get install python3-redis" in refused.stderr
