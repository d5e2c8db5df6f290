# SPDX-License-Identifier: MIT
"""Payloads of dense keys that nobody wrote: cut, flipped, out of order, twice, clustered, without an end.

Each is refused, or makes a key that works like any other: it answers, is saved and loaded again, goes over to other
limits, is forgotten when idle, and leaves no memory behind. RATELIMIT_TEST_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from itertools import accumulate

import pytest
import redis

from harness import BASE, DAY, HOUR, Client, Clock, eventually
from hostile import in_one_go, interesting
from seed import SEED
from subjects import Strings, fill, for_subject, nothing_forgotten, subjects

MUTANTS = int(os.environ.get("RATELIMIT_HOSTILE_PAYLOADS", 1500))

# One of each kind of state, under limits of its own; and, in the other key, under those that are stored.
LINES = [
    "RL.TOKENBUCKET bucket 20 7 60s COST 3",
    "RL.FIXED aligned 100 1d ALIGNED PER REQUEST AS per-day COST 40",
    "RL.SLIDING log 30 1m COST 2",
    "RL.CHECK several TOKENBUCKET 20 10 1m AS burst FIXED 100 1d PER REQUEST SLIDING 50 1h COST 3",
    "RL.TOKENBUCKET debt 20 7 60s COST 33 FORCE",
    "RL.SLIDING approx 100 60s APPROX COST 40",
    "RL.QUOTA zoned 100 DAY TZ Asia/Tokyo COST 40",
    "RL.CONCURRENT leases 10 30s COST 3 ID a",
    "RL.RESERVE holds 2h SLIDING 50 1h COST 4 ID b",
]
STORED = "FIXED 10 1h SLIDING 20 1d"
NAMES = [line.split()[1] for line in LINES]
REFUSED = {"Bad data format"}


@pytest.fixture
def payloads(server, db, clock, configure) -> dict[str, Strings]:
    """A key that stores no limits, and one that does, opened."""
    configure("rdbcompression", "no")
    db.do(f"RL.DEFINE stored {STORED}")
    for line in LINES:
        assert db.do(for_subject(line, "unstored"))[0] > 0
        assert db.do(f"RL.CHECK stored COST 2 FOR {line.split()[1]}")[0] > 0
    with server.client(decode_responses=False) as raw:
        return {key: Strings(raw.dump(key)) for key in ("unstored", "stored")}


def restored(server, payloads: list[bytes]) -> list[str]:
    """The keys that were accepted."""
    with server.client(decode_responses=False) as raw:
        raw.flushall()
        replies = in_one_go(raw, [("RESTORE", f"k{i}", 0, payload) for i, payload in enumerate(payloads)])
    assert {str(reply) for reply in replies if reply != b"OK"} <= REFUSED
    return [f"k{i}" for i, reply in enumerate(replies) if reply == b"OK"]


def questions(key: str) -> list[tuple]:
    names = [("FOR", name) for name in NAMES] + [()]
    asked = [("RL.PEEK", key, *name) for name in names] + [("RL.INFO", key, *name) for name in names]
    return [*asked, ("DEBUG", "DIGEST-VALUE", key), ("PTTL", key), ("MEMORY", "USAGE", key), ("RL.TOP", key)]


def operations(key: str) -> list[tuple]:
    """Under the limits that are there: NOLIMITS is an answer, too."""
    of_each = [
        ("RL.CHECK", "COST", 2),
        ("RL.CHECK", "COST", 3, "MAXWAIT", "1h"),
        ("RL.RESERVE", "1h", "ID", "c"),
        ("RL.SETTLE", "c", 5),
        ("RL.REFUND", 3),
        ("RL.RELEASE", "a"),
        ("RL.BLOCK", "1h"),
        ("RL.CHECK", "COST", 2),
        ("RL.BLOCK", 0),
        ("RL.CHECK", "COST", 4294967295, "FORCE"),
    ]
    names = [("FOR", name) for name in [*NAMES, "new"]] + [()]
    moves = [("RL.TRANSFER", key, f"{key}-2"), ("RL.TRANSFER", f"{key}-2", key)]
    return [
        *((name, key, *words, *subject) for subject in names for name, *words in of_each),
        *((*move, *subject) for move in moves for subject in names),
    ]


def assert_they_work(db: Client, keys: list[str]) -> None:
    """Everything is asked of them, and done to them."""
    assert_no_errors(db, [question for key in keys for question in questions(key)])
    assert_survive_a_reload(db)
    assert_no_errors(db, [operation for key in keys for operation in operations(key)])
    assert_survive_a_reload(db)
    everybody = [("RL.DEFINE", key, "TOKENBUCKET", 5, 5, "1m") for key in keys]
    everybody += [("RL.CHECK", key, "FOR", name) for key in keys for name in [*NAMES, "new"]]
    everybody += [question for key in keys for question in questions(key)]
    assert_no_errors(db, everybody)
    assert_survive_a_reload(db)


def assert_no_errors(db: Client, commands: list[tuple]) -> None:
    for command, reply in zip(commands, in_one_go(db, commands), strict=True):
        is_fault = isinstance(reply, redis.ResponseError) and not str(reply).startswith("NOLIMITS")
        assert not is_fault, (command, str(reply))


def assert_survive_a_reload(db: Client) -> None:
    with nothing_forgotten(db):
        before = db.do("DEBUG DIGEST")
        db.do("DEBUG RELOAD")
        assert db.do("DEBUG DIGEST") == before


def assert_all_are_forgotten(db: Client, keys: list[str]) -> None:
    Clock(db).set(BASE + 36_500 * DAY)
    eventually(lambda: all(subjects(db, key) == 0 for key in keys), "them to be forgotten")
    Clock(db).set(BASE)


@pytest.fixture(params=["unstored", "stored"])
def strings(request, payloads) -> Strings:
    return payloads[request.param]


def test_what_was_written_is_taken(server, db, payloads):
    for key, strings in payloads.items():
        head, chunk, end, history, end_of_history = strings.strings
        assert head and chunk and history and end == end_of_history == b"", key
    keys = restored(server, [strings.sealed(strings.strings) for strings in payloads.values()])
    assert len(keys) == 2
    assert [subjects(db, key) for key in keys] == [len(NAMES)] * 2
    assert_they_work(db, keys)


@pytest.mark.parametrize("which", [0, 1, 3], ids=["head", "chunk", "history"])
def test_a_string_that_is_cut_anywhere_is_refused_or_ends_with_a_subject_or_a_record(server, db, strings, which):
    whole = strings.strings[which]
    cut = []
    for size in range(len(whole)):
        changed = [*strings.strings]
        changed[which] = whole[:size]
        cut.append(strings.sealed(changed))
    keys = restored(server, cut)
    assert len(keys) <= (len(NAMES) if which == 1 else 1)
    assert_they_work(db, keys)


def test_a_payload_that_is_cut_anywhere_is_refused(server, db, strings):
    """The server itself finds most of them too short."""
    body = strings.body(strings.strings)
    keys = restored(server, [strings.sealed_body(body[:size]) for size in range(len(body))])
    assert keys == []


def test_any_bit_that_is_flipped_is_refused_or_harmless(server, db, strings):
    flipped = []
    for which in (0, 1, 3):
        for at in range(len(strings.strings[which])):
            for bit in range(8):
                changed = [bytearray(string) for string in strings.strings]
                changed[which][at] ^= 1 << bit
                flipped.append(strings.sealed([bytes(string) for string in changed]))
    keys = restored(server, flipped)
    assert 0 < len(keys) < len(flipped)
    some = random.Random(SEED).sample(keys, min(len(keys), 100))
    db.delete(*set(keys) - set(some))
    assert_they_work(db, some)
    assert_all_are_forgotten(db, some)


def mutants(rng: random.Random, payloads: list[Strings]) -> Iterator[bytes]:
    """Bytes, numbers at their bounds, pieces of others; strings that are missing, twice, or of another key."""
    while True:
        strings, other = rng.choice(payloads), rng.choice(payloads)
        changed = [bytearray(string) for string in strings.strings]
        for _ in range(rng.choice([1, 1, 2, 3])):
            which = rng.choice([0, 1, 1, 1, 3])
            target = changed[which] if which < len(changed) else bytearray()
            at, piece = rng.randrange(len(target) + 1), rng.randint(1, 24)
            match rng.randrange(8):
                case 0 | 1:
                    number = interesting(rng)
                    target[at : at + len(number)] = number
                case 2:
                    del target[at : at + piece]
                case 3:
                    target[at:at] = target[at : at + piece]
                case 4:
                    donor = rng.choice(other.strings)
                    begin = rng.randrange(len(donor) + 1)
                    target[at : at + piece] = donor[begin : begin + piece]
                case 5:
                    target[at : at + piece] = rng.randbytes(piece)
                case 6:
                    changed.insert(rng.randrange(len(changed) + 1), bytearray(rng.choice(other.strings)))
                case 7:
                    changed[rng.randrange(len(changed))] = bytearray(rng.choice(other.strings))
        yield strings.sealed([bytes(string) for string in changed])


def test_mutated_payloads_are_refused_or_harmless(server, db, payloads):
    print("RATELIMIT_TEST_SEED", SEED)
    stream, accepted = mutants(random.Random(SEED), list(payloads.values())), 0
    for _ in range(0, MUTANTS, 500):
        keys = restored(server, [next(stream) for _ in range(500)])
        assert_they_work(db, keys[:150])
        server.assert_well()
        accepted += len(keys)
    print(f"{accepted} of {MUTANTS} accepted")
    assert MUTANTS / 50 < accepted < MUTANTS


# --- payloads made by hand --------------------------------------------------------------------------

LIMIT = struct.pack("<BBBBq", 2, 0, 10, 0, HOUR)
WINDOW = struct.pack("<qB", BASE + HOUR, 1)
IDLE = struct.pack("<qB", 0, 0)
STORES, SHADOWS, DENSE = 1, 2, 1 << 6
SECRET = bytes(range(16))


def head(flags: int = STORES, count: int = 1 | DENSE) -> bytes:
    """A limiter of FIXED 10 1h that is idle itself."""
    return bytes([1, count]) + LIMIT + IDLE + bytes([flags]) + SECRET


def cell(word: int, body: bytes = b"\0" + WINDOW) -> bytes:
    """A subject, by default one that knows its limits from the key."""
    return struct.pack("<Q", word) + body


def chunk(*cells: bytes) -> bytes:
    return b"\1" + b"".join(cells)


MANY_HOLDS = struct.pack("<qqqI", 0, 0, BASE, 2**32 - 1)
OWN = b"\1" + LIMIT + WINDOW
BY_HAND = {
    "two": ([head(), chunk(cell(2), cell(4)), b""], 2),
    "in two chunks": ([head(), chunk(cell(2)), chunk(cell(4)), b""], 2),
    "the largest hash": ([head(), chunk(cell(2**64 - 2)), b""], 1),
    "nobody": ([head(), b""], 0),
    "nobody, and no limits": ([head(0), b""], 0),
    "limits of its own": ([head(0), chunk(cell(2, OWN)), b""], 1),
    "the limits of the one before": ([head(0), chunk(cell(2, OWN), cell(4)), b""], 2),
    "a hash that is none": ([head(), chunk(cell(3)), b""], None),
    "a hash of nothing": ([head(), chunk(cell(0)), b""], None),
    "out of order": ([head(), chunk(cell(4), cell(2)), b""], None),
    "out of order over chunks": ([head(), chunk(cell(4)), chunk(cell(2)), b""], None),
    "twice": ([head(), chunk(cell(2), cell(2)), b""], None),
    "twice over chunks": ([head(), chunk(cell(2)), chunk(cell(2)), b""], None),
    "the largest twice": ([head(), chunk(cell(2**64 - 2), cell(2**64 - 2)), b""], None),
    "behind the largest": ([head(), chunk(cell(2**64 - 2)), chunk(cell(2)), b""], None),
    "no end": ([head(), chunk(cell(2))], None),
    "no end and nobody": ([head()], None),
    "more behind the end": ([head(), b"", chunk(cell(2))], None),
    "more behind a key that is one subject": ([bytes([1, 1]) + LIMIT + WINDOW, chunk(cell(2)), b""], None),
    "a version that is none": ([head(), b"\2" + cell(2), b""], None),
    "a flag that is none": ([head(4), chunk(cell(2)), b""], None),
    "shadow without limits": ([head(SHADOWS), chunk(cell(2, OWN)), b""], None),
    "limits that nobody knows": ([head(0), chunk(cell(2)), b""], None),
    "other limits than the stored ones": ([head(), chunk(cell(2, OWN.replace(b"\x0a", b"\x0b"))), b""], None),
    "too many limits": ([head(), chunk(cell(2, b"\x09" + LIMIT * 9 + WINDOW * 9)), b""], None),
    "a table in a table": ([head(), chunk(cell(2, bytes([DENSE]) + WINDOW + bytes([0]) + SECRET)), b""], None),
    "limits of no key": ([bytes([1, DENSE]) + bytes([STORES]) + SECRET, chunk(cell(2)), b""], None),
    "a window that never ends": ([head(), chunk(cell(2, b"\0" + struct.pack("<qB", 2**63 - 1, 1))), b""], None),
    "holds without an end": ([head(), chunk(cell(2, b"\x80" + WINDOW + MANY_HOLDS)), b""], None),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_payload_made_by_hand(server, db, payloads, name):
    """Taken with so many subjects, or refused. Behind the end of the subjects comes that of the history."""
    strings, count = BY_HAND[name]
    keys = restored(server, [payloads["stored"].sealed(strings + strings[-1:] if strings[-1] == b"" else strings)])
    assert [subjects(db, key) for key in keys] == ([] if count is None else [count])
    assert_they_work(db, keys)


def words_of_clusters(count: int) -> dict[str, list[int]]:
    top = 0x123456789ABCD << 12
    return {
        "neighbours": [2 + 2 * number for number in range(count)],
        "all with the same top bits": [top + 2 * (number % 2048) + (number // 2048 << 12) for number in range(count)],
        "two clusters": [*range(2, count + 2, 2), *range(2**64 - count, 2**64, 2)],
        "each twice as far as the one before": [2 << n for n in range(62)],
        "at the very end": [2**64 - 2 * (count - number) for number in range(count)],
        "the same gap": list(accumulate([2**64 // count & ~1] * (count - 1), initial=2)),
    }


CLUSTERS = words_of_clusters(8000)


@pytest.mark.parametrize("kind", CLUSTERS)
def test_hashes_that_nobody_could_have_drawn_make_a_table_like_any_other(server, db, payloads, kind):
    """Its size is that of its subjects; new ones find room in it, and all of them are forgotten."""
    words = sorted(set(CLUSTERS[kind]))
    chunks = [chunk(*map(cell, words[begin : begin + 1000])) for begin in range(0, len(words), 1000)]
    (key,) = restored(server, [payloads["stored"].sealed([head(), *chunks, b"", b""])])
    assert subjects(db, key) == len(words)
    assert db.memory_usage(key) < 100 * len(words) + 100_000
    fill(db, key, 3000)
    assert subjects(db, key) == len(words) + 3000
    db.do(f"RL.DEFINE {key} FIXED 5 2h")
    assert_survive_a_reload(db)
    db.do(f"COPY {key} copy")
    assert db.digest("copy") == db.digest(key)
    Clock(db).set(BASE + 2 * HOUR)
    eventually(lambda: subjects(db, key) == subjects(db, "copy") == 0, "them to be forgotten")
    assert db.ask(f"RL.CHECK {key} COST 5 FOR s1").granted == 5


def test_a_payload_that_is_refused_halfway_leaves_nothing_behind(server, db, payloads):
    """A large table of which the last chunk is bad."""
    cells = [cell(2 * number, b"\0" + WINDOW) for number in range(1, 20_001)]
    payload = payloads["stored"].sealed([head(), chunk(*cells), b"\1\1"])
    restored(server, [payload])
    before = db.info("memory")["used_memory"]
    for _ in range(20):
        assert restored(server, [payload]) == []
    assert db.keys() == []
    eventually(lambda: db.info("memory")["used_memory"] - before < 1_000_000, "connections and their buffers to go")
