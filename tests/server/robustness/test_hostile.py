# SPDX-License-Identifier: MIT
"""Payloads and files that nobody wrote: RESTORE with mutated dumps, servers started on mutated RDB files.

Each is refused, or makes a key that is like any other: its answers are within their bounds, it denies nobody for ever,
it is saved and loaded again, and nothing leaks. RATELIMIT_HOSTILE_PAYLOADS and RATELIMIT_HOSTILE_FILES say how many are
tried, RATELIMIT_TEST_SEED repeats a run; `scripts/fuzz hostile` is the long one.
"""

from __future__ import annotations

import math
import os
import random
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import redis

from dump import Dump, sealed
from harness import BASE, COMPLAINT, MINUTE, MS, Client, Clock, Server, ServerDied, pairs
from hostile import in_one_go, interesting
from oracle_limits import LONGEST
from seed import SEED

PAYLOADS = int(os.environ.get("RATELIMIT_HOSTILE_PAYLOADS", 3000))
FILES = int(os.environ.get("RATELIMIT_HOSTILE_FILES", 20))

BATCH = 500
MOST_ENTRIES = 1 << 20
MOST_MEMBERS = 1 << 17  # half of them may have ended
# Limits that are equal are shared, and up to so many are remembered for a while: that is no leak.
REMEMBERED_BYTES = 1_500_000

UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
REFUSED_FILE = re.compile(r"RDB|loading the DB|Terminating|aborting", re.IGNORECASE)


def fill(db: Client) -> dict[str, int]:
    """Keys of every kind, at BASE, and how often each is to be mutated."""
    for line in (
        "RL.TOKENBUCKET bucket 20 7 60s COST 3",
        "RL.TOKENBUCKET odd 1000 999999937 1s COST 999",
        "RL.TOKENBUCKET slow 4294967295 4294967295 3650d COST 4294967295",
        "RL.FIXED fixed 10 60s COST 10",
        "RL.FIXED aligned 100 1d ALIGNED PER REQUEST AS per-day COST 40",
        "RL.SLIDING log 3 1m COST 2",
        "RL.CHECK several TOKENBUCKET 20 10 1m AS burst FIXED 100 1d PER REQUEST SLIDING 50 1h COST 3",
        "RL.CHECK eight" + "".join(f" FIXED {size} {size}h AS limit{size}" for size in range(1, 9)),
        "RL.LEAKYBUCKET queue 20 7 60s COST 3",
        "RL.LEAKYBUCKET deepest 4294967295 4294967295 3650d COST 4294967295",
        "RL.LEAKYBUCKET deepest 4294967295 4294967295 3650d COST 4294967295 FORCE",
        "RL.TOKENBUCKET debt 20 7 60s COST 33 FORCE",
        "RL.SLIDING approx 100 60s APPROX COST 40",
        "RL.QUOTA quota 100 MONTH COST 40",
        "RL.QUOTA anchored 100 QUARTER ANCHOR 2026-01-31T06:00 TZ Asia/Tokyo COST 40",
        "RL.QUOTA zoned 100 DAY TZ Asia/Tokyo AS day COST 40",
        "RL.CONCURRENT leases 10 30s COST 3 ID a",
        "RL.CONCURRENT leases 10 30s COST 2 ID b",
        "RL.CONCURRENT leases 10 20s",
        "RL.CHECK overdrawn FIXED 10 60s SLIDING 5 1h SLIDING 7 1h APPROX QUOTA 3 WEEK COST 9 FORCE",
        "RL.FIXED turn 10 60s COST 10",
        "RL.FIXED turn 10 60s COST 5 MAXWAIT 2m",
        "RL.RESERVE holds 90s SLIDING 50 1h TOKENBUCKET 100 1 1s AS b COST 7 ID a",
        "RL.RESERVE holds 2h SLIDING 50 1h TOKENBUCKET 100 1 1s AS b COST 4 ID b",
        "RL.SLIDING holds 50 1h COST 3",
        "RL.RESERVE uneven 90s SLIDING 50 1h TOKENBUCKET 9 1 1s FIXED 7 1h PER REQUEST COST 40 ID a",
        "RL.RESERVE uneven 2h SLIDING 50 1h COST 4 ID settled",
        "RL.SETTLE uneven settled 3",
        "RL.FIXED accounts 10 60s COST 9",
        "RL.TOKENBUCKET accounts 20 1 1s COST 9",
        "RL.CHECK accounts SLIDING 30 1h CONCURRENT 5 1h COST 3 ID a",
        "RL.CONCURRENT accounts 9 2h COST 2 ID b",
        "RL.RESERVE everything 1h SLIDING 30 1h CONCURRENT 5 1h COST 40 ID a",
        "RL.TOKENBUCKET everything 20 1 1s FORCE",
        "RL.FIXED everything 10 60s COST 9 MAXWAIT 2m",
        "RL.RESERVE llm 2m TOKENBUCKET 900 9 1s SLIDING 6 1m PER REQUEST CONCURRENT 5 2m PER REQUEST COST 600 ID a",
        "RL.CHECK llm TOKENBUCKET 900 9 1s SLIDING 6 1m PER REQUEST CONCURRENT 5 2m PER REQUEST COST 400 MAXWAIT 1h",
    ):
        assert db.do(line)[0] > 0
    for key, entries, step in (("long", 300, 100 * MS), ("longest", 20_000, MS)):
        with db.pipeline(transaction=False) as pipe:
            for number in range(entries):
                pipe.execute_command("RL.DEBUG", "CLOCK", "ADVANCE", step)
                pipe.execute_command("RL.SLIDING", key, entries + 1, "60s", "COST", 1 + number % 2)
            pipe.execute()
        Clock(db).set(BASE)
    often = dict.fromkeys(sorted(db.scan_iter()), 20)
    return often | {"long": 5, "longest": 1}


# --- mutations --------------------------------------------------------------------------------------


def mutated(rng: random.Random, original: bytes, donor: bytes) -> bytes:
    """The bytes with something wrong in them: bits, bytes, numbers, a piece too many or missing, a piece of another."""
    changed = bytearray(original)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        at = rng.randrange(len(changed) + 1)
        piece = rng.randint(1, 16)
        match rng.randrange(8):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(changed):
                changed[at] = (changed[at] + rng.choice([1, -1])) % 256
            case 2 | 3:
                number = interesting(rng)
                changed[at : at + len(number)] = number
            case 4:
                del changed[at : at + piece]
            case 5:
                changed[at:at] = changed[at : at + piece] or rng.randbytes(piece)
            case 6 if donor:
                begin = rng.randrange(len(donor))
                changed[at : at + piece] = donor[begin : begin + piece]
            case _:
                changed[at:] = donor[at:] if rng.random() < 0.5 else b""
    return bytes(changed)


@dataclass
class Mutant:
    payload: bytes
    form: bytes | None  # what the key holds if the payload is accepted; unknown where the frame is mutated


def mutants(rng: random.Random, dumps: list[Dump], weights: list[int]) -> Iterator[Mutant]:
    while True:
        dump, donor = rng.choices(dumps, weights, k=2)
        if rng.random() < 0.85:
            form = mutated(rng, dump.form, donor.form)
            yield Mutant(dump.with_form(form), form)
        else:
            # The head stays: another type would be the server's own, and its own trouble.
            body = dump.head + mutated(rng, dump.tail(dump.form), donor.tail(donor.form))
            yield Mutant(sealed(body) if rng.random() < 0.95 else body, None)


# --- what must hold ---------------------------------------------------------------------------------


def milliseconds(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text).groups()
    return int(number) * UNIT_MS[unit]


def is_queue(limit: str) -> bool:
    return limit.startswith("LEAKYBUCKET")


# A clock that is changed makes it longer by an hour or two; an hour of the wall's clock, by one.
UNIT_OF_QUOTA_MS = {"HOUR": 1, "DAY": 24, "WEEK": 7 * 24, "MONTH": 31 * 24, "QUARTER": 92 * 24, "YEAR": 366 * 24}


def longest_ms_of(limit: dict) -> int:
    """The longest wait and reset that a limit may tell, as RL.INFO writes it, by what is used of it."""
    match limit["limit"].split():
        case ["TOKENBUCKET" | "LEAKYBUCKET", capacity, refill, period, *_]:
            units = max(int(capacity), limit["used"] + 1)
            return math.ceil(units * milliseconds(period) / int(refill)) + 1
        case ["QUOTA", _, unit, *_]:
            return (UNIT_OF_QUOTA_MS[unit] + 2) * UNIT_MS["h"]
        case ["SLIDING", _, window, "APPROX", *_]:
            return 2 * milliseconds(window) + 1
        case ["CONCURRENT", *_]:
            return LONGEST_TURN_MS  # a lease keeps the end that any call gave
        case [_, _, span, *_]:
            return milliseconds(span) + (milliseconds(span) >> 26) + 1
    raise AssertionError(f"not a limit: {limit}")


def assert_sane_answer(answer: list, key: Found) -> None:
    granted, size, remaining, wait_ms, reset_ms = answer[:5]
    assert 0 <= granted <= size < 2**53
    assert 0 <= remaining <= size
    is_closed = (size, wait_ms) == (0, -1)
    assert granted or wait_ms > 0 or is_closed, "who is denied waits"
    assert not granted or wait_ms == 0 or key.has_queue, "who is granted does not, unless there is a queue"
    assert 0 <= wait_ms <= key.longest_ms or is_closed
    assert 0 <= reset_ms <= key.longest_ms


def assert_sane_info(key: Found) -> None:
    info = key.info
    assert info["form"] == "single"
    assert 0 < info["memory"] < 25_000_000
    assert 0 <= info["holds"] < MOST_MEMBERS
    assert (info["holds"] == 0) or key.is_reserved
    assert 1 <= len(info["limits"]) <= 8
    assert len({limit["label"] for limit in info["limits"]}) == len(info["limits"])
    for limit in info["limits"]:
        assert 0 <= limit["used"] < 2**53
        # A log with no room for an entry has nothing left, whatever is used; nor has who waits for a turn.
        assert limit["used"] + limit["remaining"] == limit["size"] or limit["remaining"] == 0
        assert 0 <= limit["reset_ms"] <= key.longest_ms
        assert (limit["reset_ms"] > 0) == (limit["used"] > 0) or key.is_reserved


RESERVED = 1 << 7  # in the number of limits: a turn or holds follow
LONGEST_TURN_MS = LONGEST // MS


@dataclass
class Found:
    """A key that exists, and what it says of itself."""

    name: str
    info: dict
    is_reserved: bool
    limits: list[str] = field(init=False)
    has_queue: bool = field(init=False)
    longest_ms: int = field(init=False)

    def __post_init__(self) -> None:
        texts = [limit["limit"] for limit in self.info["limits"]]
        self.limits = [word for text in texts for word in text.split()]
        self.has_queue = any(map(is_queue, texts))
        self.longest_ms = max(map(longest_ms_of, self.info["limits"])) + (LONGEST_TURN_MS if self.is_reserved else 0)

    def check(self) -> tuple:
        return ("RL.CHECK", self.name, *self.limits)

    def operations(self) -> list[tuple]:
        """All that can be done besides; on ids that are there, or not."""
        return [
            ("RL.CHECK", self.name, *self.limits, "COST", 3, "MAXWAIT", "1h", "ID", "c"),
            ("RL.CHECK", self.name, *self.limits, "COST", 4294967295, "PARTIAL"),
            ("RL.RESERVE", self.name, "1s", *self.limits, "COST", 2, "ID", "c"),
            ("RL.RESERVE", self.name, "1h", *self.limits, "COST", 2),
            ("RL.FIXED", self.name, 3, "10s", "COST", 3),
            ("RL.CHECK", self.name, *self.limits, "COST", 4294967295, "FORCE"),
            ("RL.SETTLE", self.name, "a", 2),
            ("RL.SETTLE", self.name, "c", 4294967295),
            ("RL.REFUND", self.name, 5),
            ("RL.RELEASE", self.name, "b"),
            ("RL.BLOCK", self.name, "1s"),
            ("RL.CHECK", self.name, *self.limits, "COST", 3, "MAXWAIT", "1h", "ID", "c"),
            ("RL.BLOCK", self.name, 0),
            ("RL.TRANSFER", self.name, f"{self.name}-2"),
            ("RL.TRANSFER", f"{self.name}-2", self.name),
        ]


# A key may have limits that no call can name together: of a zone that this server lacks, or accounts of one label. A
# hold may be settled already.
REFUSALS = ("TZ must be", "label must be different", "id is that of a settled reservation")


def is_refusal(reply: object) -> bool:
    return isinstance(reply, redis.ResponseError) and str(reply).startswith(REFUSALS)


def text_of(reply):
    """Ids of holds and leases may be any bytes."""
    if isinstance(reply, list):
        return [text_of(each) for each in reply]
    return reply.decode(errors="replace") if isinstance(reply, bytes) else reply


def infos(raw: Client, names: list[str]) -> list[Found]:
    """The keys of those names that are there; `raw` reads the forms."""
    found = []
    forms = [payload and Dump(payload).form for payload in in_one_go(raw, [("DUMP", name) for name in names])]
    replies = [text_of(reply) for reply in in_one_go(raw, [("RL.INFO", name) for name in names])]
    for name, form, flat in zip(names, forms, replies, strict=True):
        assert (form is None) <= (flat is None), "asked for, but not there"
        if flat is not None:
            info = pairs(flat)
            info |= {"limits": [pairs(limit) for limit in info["limits"]]}
            found.append(Found(name, info, is_reserved=form[1] & RESERVED != 0))
    return found


def assert_sane(db: Client, raw: Client, names: list[str]) -> None:
    """Asks everything of the keys, and makes calls: one now, and if it is denied another after the wait it was told.
    Then everything that is not a plain call.
    """
    Clock(db).set(BASE)
    keys = infos(raw, names)
    for key, answer in zip(keys, in_one_go(db, [("RL.PEEK", key.name) for key in keys]), strict=True):
        assert_sane_info(key)
        assert_sane_answer(answer, key)
    again = []
    for key, answer in zip(keys, in_one_go(db, [key.check() for key in keys]), strict=True):
        if is_refusal(answer):
            continue
        assert_sane_answer(answer, key)
        if answer[0] == 0 and answer[3] > 0:
            again += [("RL.DEBUG", "CLOCK", "SET", BASE + answer[3] * MS), key.check()]
    for command, answer in list(zip(again, in_one_go(db, again), strict=True))[1::2]:
        assert answer[0] == 1, f"denied although it waited: {command} {answer}"
    Clock(db).set(BASE)
    operations = [operation for key in keys for operation in key.operations()]
    for command, reply in zip(operations, in_one_go(db, operations), strict=True):
        assert not isinstance(reply, redis.ResponseError) or is_refusal(reply), (command, reply)
    for key in infos(raw, [key.name for key in keys]):
        assert_sane_info(key)


def assert_survives_a_reload(db: Client) -> None:
    before = db.do("DEBUG DIGEST")
    db.do("DEBUG RELOAD")
    assert db.do("DEBUG DIGEST") == before


# --- RESTORE ----------------------------------------------------------------------------------------


def used_memory(db: Client) -> int:
    db.flushall()
    return db.info("memory")["used_memory"]


def restore(raw: Client, batch: list[Mutant]) -> list[str]:
    """Restores what can be; the names of the keys that are there now."""
    replies = in_one_go(raw, [("RESTORE", f"k{i}", 0, mutant.payload) for i, mutant in enumerate(batch)])
    errors = {str(reply) for reply in replies if reply != b"OK"}
    assert errors <= {"Bad data format", "DUMP payload version or checksum are wrong"}
    accepted = [i for i, reply in enumerate(replies) if reply == b"OK"]
    dumps = in_one_go(raw, [("DUMP", f"k{i}") for i in accepted])
    for i, payload in zip(accepted, dumps, strict=True):
        assert batch[i].form in (None, Dump(payload).form), "accepted, but nobody writes it so"
    return [f"k{i}" for i in accepted]


def test_a_mutated_payload_is_refused_or_harmless(server, db, clock, configure):
    configure("rdbcompression", "no")
    rng = random.Random(SEED)
    often = fill(db)
    with server.client(decode_responses=False) as raw:
        stream = mutants(rng, [Dump(raw.dump(key)) for key in often], list(often.values()))
        accepted, before = 0, 0
        for begin in range(0, PAYLOADS, BATCH):
            batch = [next(stream) for _ in range(min(BATCH, PAYLOADS - begin))]
            db.flushall()
            try:
                names = restore(raw, batch)
                assert_sane(db, raw, names)
                assert_survives_a_reload(db)
                server.assert_well()
            except Exception as error:
                raise AssertionError(f"RATELIMIT_TEST_SEED={SEED}, payloads from {begin} on") from error
            accepted += len(names)
            before = before or used_memory(db)
        grown = used_memory(db) - before
    print(f"\nRATELIMIT_TEST_SEED={SEED}: {PAYLOADS} payloads, {accepted} accepted, memory grew by {grown} bytes")
    assert PAYLOADS / 20 < accepted < PAYLOADS, "mutations that are all refused, or all accepted, test little"
    assert grown < REMEMBERED_BYTES


BASE_TICK = BASE // 500  # the grid of a minute is 500 ns


def variable(number: int) -> bytes:
    low = b""
    while number >= 0x80:
        low += bytes([number & 0x7F | 0x80])
        number >>= 7
    return low + bytes([number])


def a_limit(algorithm: int, size: int, span: int) -> bytes:
    return bytes([algorithm, 0]) + variable(size) + b"\0" + struct.pack("<q", span)


LIMIT_OF_A_MINUTE = b"\1\1" + a_limit(3, 2**32 - 1, MINUTE)


def a_log(entries: int, first_tick: int) -> bytes:
    """The form of a SLIDING over a minute: so many entries of one unit, one a tick."""
    first = variable(first_tick) + b"\1"
    return LIMIT_OF_A_MINUTE + struct.pack("<I", entries) + first + b"\1\1" * (entries - 1)


@pytest.mark.parametrize("first_tick", [0, BASE_TICK - MOST_ENTRIES, BASE_TICK], ids=["long ago", "now", "to come"])
def test_the_largest_log_is_taken_and_one_entry_more_is_not(server, db, clock, configure, first_tick):
    configure("rdbcompression", "no")
    db.ask("RL.SLIDING k 4294967295 60s")
    with server.client(decode_responses=False) as raw:
        dump = Dump(raw.dump("k"))
        assert dump.form.startswith(LIMIT_OF_A_MINUTE)
        raw.restore("k", 0, dump.with_form(a_log(MOST_ENTRIES, first_tick)), replace=True)
        assert_sane(db, raw, ["k"])
        with pytest.raises(redis.ResponseError):
            raw.restore("l", 0, dump.with_form(a_log(MOST_ENTRIES + 1, first_tick)))
    assert_survives_a_reload(db)


NUMBERS = b"\0\1\0"  # of a hold: no newer units, it names the first account, and no flags


def members(count: int, first_end: int, numbers: bytes) -> bytes:
    """So many leases or holds of one unit, one a millisecond."""
    ends = range(first_end, first_end + count * MS, MS)
    rows = (struct.pack("<qB", end, 1) + numbers + b"\4" + struct.pack(">I", number) for number, end in enumerate(ends))
    return struct.pack("<I", count) + b"".join(rows)


def many_leases(count: int, first_end: int) -> bytes:
    limit = a_limit(7, 2**32 - 1, 10 * MINUTE)
    return b"\1\1" + limit + members(count, first_end, b"") + struct.pack("<q", 10 * MINUTE)


def many_holds(count: int, first_end: int) -> bytes:
    limit, window = a_limit(2, 2**53 - 1, MINUTE), struct.pack("<q", BASE + MINUTE) + variable(count)
    return b"\1\x81" + limit + window + struct.pack("<qqqqqB", 0, 0, 0, 0, BASE, 0) + members(count, first_end, NUMBERS)


@pytest.mark.parametrize("form", [many_leases, many_holds])
@pytest.mark.parametrize("first_end", [BASE - MOST_MEMBERS // 2 * MS, BASE - MOST_MEMBERS * MS], ids=["half", "all"])
def test_the_most_leases_and_holds_are_taken_and_one_more_is_not(server, db, clock, configure, form, first_end):
    """Half of them have ended, or all; more cannot last."""
    configure("rdbcompression", "no")
    db.ask("RL.FIXED k 10 60s")
    with server.client(decode_responses=False) as raw:
        dump = Dump(raw.dump("k"))
        raw.restore("k", 0, dump.with_form(form(MOST_MEMBERS, first_end)), replace=True)
        assert_sane(db, raw, ["k"])
        with pytest.raises(redis.ResponseError):
            raw.restore("l", 0, dump.with_form(form(MOST_MEMBERS + 1, first_end)))
    assert_survives_a_reload(db)


# --- RDB files --------------------------------------------------------------------------------------


def starts_or_refuses(content: bytes) -> bool:
    """Whether a server runs on that file; then its keys are sane. One that does not says why."""
    server = Server("--rdbchecksum", "no", "--rdbcompression", "no")
    (server.directory / "dump.rdb").write_bytes(content)
    try:
        try:
            server.start()
        except ServerDied:
            assert not COMPLAINT.search(server.log()), server.log_tail()
            assert REFUSED_FILE.search(server.log()), server.log_tail()
            return False
        with (
            server.client(decode_responses=True, encoding_errors="backslashreplace") as db,
            server.client(decode_responses=False) as raw,
        ):
            names = [name for name in db.scan_iter(_type="ratelimit") if "\\" not in name]
            assert_sane(db, raw, names)
            assert_survives_a_reload(db)
        server.assert_well()
        return True
    finally:
        server.stop()


@pytest.fixture
def rdb_file(start_server) -> bytes:
    """An RDB file with keys of every kind, not compressed and without a checksum."""
    server = start_server("--rdbchecksum", "no", "--rdbcompression", "no")
    with server.client() as db:
        Clock(db).set(BASE)
        fill(db)
        db.delete("longest")
        db.save()
    return (server.directory / "dump.rdb").read_bytes()


def flipped(rng: random.Random, content: bytes) -> bytes:
    """A few bits or bytes changed where the keys are, behind the server's own notes."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at = rng.randrange(120, len(changed))
        changed[at] = changed[at] ^ 1 << rng.randrange(8) if rng.random() < 0.7 else rng.randrange(256)
    return bytes(changed)


def test_a_server_refuses_a_file_with_flipped_bytes_or_is_well(rdb_file):
    assert starts_or_refuses(rdb_file)
    rng = random.Random(SEED)
    running = 0
    for number in range(FILES):
        try:
            running += starts_or_refuses(flipped(rng, rdb_file))
        except (AssertionError, redis.RedisError) as error:
            raise AssertionError(f"RATELIMIT_TEST_SEED={SEED}, file {number}") from error
    print(f"\nRATELIMIT_TEST_SEED={SEED}: {FILES} files, {running} of them started a server")
