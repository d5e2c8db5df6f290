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
from harness import BASE, COMPLAINT, DAY, MINUTE, MS, Client, Clock, Server, ServerDied, pairs

PAYLOADS = int(os.environ.get("RATELIMIT_HOSTILE_PAYLOADS", 3000))
FILES = int(os.environ.get("RATELIMIT_HOSTILE_FILES", 20))
SEED = int(os.environ.get("RATELIMIT_TEST_SEED", random.SystemRandom().randrange(2**32)))

BATCH = 500
LONGEST = 3650 * DAY
LATEST = 84_006 * DAY  # 2200-01-01
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


def interesting(rng: random.Random) -> bytes:
    """A number at a bound of the format, as 1, 4 or 8 bytes."""
    form, numbers = rng.choice(
        [
            ("<B", [0, 1, 2, 3, 4, 7, 8, 9, 64, 65, 0x7F, 0x80, 0xFF]),
            ("<I", [0, 1, 2**31, 2**32 - 1, 2**20, 2**20 + 1, rng.randrange(2**32)]),
            ("<q", [0, 1, -1, MS, MS - 1, LONGEST, LONGEST + 1, BASE, BASE - 1, LATEST, LATEST + LONGEST]),
            ("<q", [LATEST + LONGEST + 1, 2**63 - 1, -(2**63), BASE + rng.randrange(10 * MINUTE)]),
        ]
    )
    return struct.pack(form, rng.choice(numbers))


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


def full_span_ms(limit: str) -> int:
    """The longest wait that a limit may tell, as RL.INFO writes the limit."""
    match limit.split():
        case ["TOKENBUCKET", capacity, refill, period, *_]:
            return math.ceil(int(capacity) * milliseconds(period) / int(refill)) + 1
        case [_, _, window, *_]:
            return milliseconds(window) + (milliseconds(window) >> 26) + 1
    raise AssertionError(f"not a limit: {limit}")


def assert_sane_answer(answer: list, longest_ms: int) -> None:
    granted, size, remaining, wait_ms, reset_ms = answer[:5]
    assert 0 <= granted <= size < 2**32
    assert 0 <= remaining <= size
    assert (wait_ms == 0) == (granted > 0), "who is denied waits, and nobody else"
    assert 0 <= wait_ms <= longest_ms
    assert 0 <= reset_ms <= longest_ms


def assert_sane_info(info: dict) -> None:
    assert info["form"] == "single"
    assert 0 < info["memory"] < 10_000_000
    assert 1 <= len(info["limits"]) <= 8
    assert len({limit["label"] for limit in info["limits"]}) == len(info["limits"])
    for limit in info["limits"]:
        assert 0 <= limit["used"] <= limit["size"]
        # A log with no room for an entry has nothing left, whatever is used.
        assert limit["used"] + limit["remaining"] == limit["size"] or limit["remaining"] == 0
        assert 0 <= limit["reset_ms"] <= full_span_ms(limit["limit"])


def in_one_go(db: Client, commands: list[tuple]) -> list:
    with db.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        return pipe.execute(raise_on_error=False)


@dataclass
class Found:
    """A key that exists, and what it says of itself."""

    name: str
    info: dict
    limits: list[str] = field(init=False)
    longest_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.limits = [word for limit in self.info["limits"] for word in limit["limit"].split()]
        self.longest_ms = max(full_span_ms(limit["limit"]) for limit in self.info["limits"])

    def check(self) -> tuple:
        return ("RL.CHECK", self.name, *self.limits)


def infos(db: Client, names: list[str]) -> list[Found]:
    found = []
    for name, flat in zip(names, in_one_go(db, [("RL.INFO", name) for name in names]), strict=True):
        info = pairs(flat)
        found.append(Found(name, info | {"limits": [pairs(limit) for limit in info["limits"]]}))
    return found


def assert_sane(db: Client, names: list[str]) -> None:
    """Asks everything of the keys, and makes calls: one now, and if it is denied another after the wait it was told."""
    Clock(db).set(BASE)
    keys = infos(db, names)
    for key, answer in zip(keys, in_one_go(db, [("RL.PEEK", key.name) for key in keys]), strict=True):
        assert_sane_info(key.info)
        assert_sane_answer(answer, key.longest_ms)
    again = []
    for key, answer in zip(keys, in_one_go(db, [key.check() for key in keys]), strict=True):
        assert_sane_answer(answer, key.longest_ms)
        if answer[0] == 0:
            again += [("RL.DEBUG", "CLOCK", "SET", BASE + answer[3] * MS), key.check()]
    for command, answer in list(zip(again, in_one_go(db, again), strict=True))[1::2]:
        assert answer[0] == 1, f"denied although it waited: {command} {answer}"
    Clock(db).set(BASE)


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
                assert_sane(db, names)
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


MOST_ENTRIES = 1 << 20
LIMIT_OF_A_MINUTE = struct.pack("<BBBBIIq", 1, 1, 3, 0, 2**32 - 1, 0, MINUTE)
BASE_TICK = BASE // 500  # the grid of a minute is 500 ns


def variable(number: int) -> bytes:
    low = b""
    while number >= 0x80:
        low += bytes([number & 0x7F | 0x80])
        number >>= 7
    return low + bytes([number])


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
        assert_sane(db, ["k"])
        with pytest.raises(redis.ResponseError):
            raw.restore("l", 0, dump.with_form(a_log(MOST_ENTRIES + 1, first_tick)))
    assert_survives_a_reload(db)


# --- RDB files --------------------------------------------------------------------------------------


def starts_or_refuses(content: bytes) -> bool:
    """Whether a server runs on that file; then its keys are sane. One that does not says why."""
    server = Server("--rdbchecksum", "no")
    (server.directory / "dump.rdb").write_bytes(content)
    try:
        try:
            server.start()
        except ServerDied:
            assert not COMPLAINT.search(server.log()), server.log_tail()
            assert REFUSED_FILE.search(server.log()), server.log_tail()
            return False
        with server.client(decode_responses=True, encoding_errors="backslashreplace") as db:
            names = [name for name in db.scan_iter(_type="ratelimit") if "\\" not in name]
            assert_sane(db, names)
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
