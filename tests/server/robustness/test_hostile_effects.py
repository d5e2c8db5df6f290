# SPDX-License-Identifier: MIT
"""Effects that no primary sent: of other keys and subjects, out of order, with bytes changed.

Each is refused, or leaves a key that can be read back. So a server starts again, whatever it has accepted: from the
file that it saves, and from the append-only file that it rewrites. RATELIMIT_TEST_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from ears import ReplicaEar, Words, command, effects
from harness import BASE, HOUR, SECOND, Client, Clock, Server, eventually
from hostile import interesting
from seed import SEED
from subjects import Strings, nothing_forgotten

EFFECTS = int(os.environ.get("RATELIMIT_HOSTILE_EFFECTS", 6000))
AT_ONCE = 500
LIMITS = (
    *("TOKENBUCKET 20 7 60s", "TOKENBUCKET 9 1 60s", "FIXED 100 1d ALIGNED PER REQUEST AS per-day", "SLIDING 30 1m"),
    *("SLIDING 100 60s APPROX", "LEAKYBUCKET 10 7 60s", "QUOTA 100 DAY TZ Asia/Tokyo", "CONCURRENT 10 30s"),
    *("TOKENBUCKET 20 10 1m AS burst SLIDING 50 1h", "CONCURRENT 5 1h SLIDING 9 2h FIXED 8 1h"),
)
STORED = (*LIMITS[:4], LIMITS[8])
KEYS = [f"k{number}" for number in range(8)]
LIMITERS = KEYS[:4]
NAMES = ["", "", "a", "b", "c", "d"]


def lines(rng: random.Random) -> Iterator[str]:
    """What clients say."""
    while True:
        key, name, number = rng.choice(KEYS), rng.choice(NAMES), rng.randint(1, 12)
        limits = "" if key in LIMITERS else rng.choice(LIMITS)
        subject = f"FOR {name}" if name else ""
        yield rng.choice(
            [
                f"RL.CHECK {key} {limits} {subject} COST {number} ID x{number}",
                f"RL.CHECK {key} {limits} {subject} COST {number} ID x{number}",
                f"RL.CHECK {key} {limits} {subject} COST {100 * number} FORCE ID x{number}",
                f"RL.CHECK {key} {limits} {subject} COST {number} MAXWAIT 1h ID x{number}",
                f"RL.CHECKEACH {key} {limits} COST {number} FOR {' '.join(rng.choices('abcd', k=3))}",
                f"RL.RESERVE {key} {number}m {limits} {subject} COST {number} ID x{number}",
                f"RL.SETTLE {key} x{number} {number + 2} {subject}",
                f"RL.REFUND {key} {number} {subject}",
                f"RL.RELEASE {key} x{number} {subject}",
                f"RL.BLOCK {key} {rng.choice(['0', '0', '1s', '90s'])} {subject}",
                f"RL.RESET {key} {subject}",
                f"RL.TRANSFER {key} {rng.choice([other for other in KEYS if other != key])} {subject}",
                f"RL.DEFINE {rng.choice(LIMITERS)} {rng.choice(STORED)}",
                f"RL.DEFINE {rng.choice(LIMITERS)} {rng.choice(['', *STORED])} FOR {rng.choice('abcd')}",
                f"DEL {rng.choice(KEYS[len(LIMITERS) :])}" if rng.random() < 0.2 else f"RL.PEEK {key}",
            ]
        )


@pytest.fixture
def heard(server: Server, db: Client, clock: Clock, configure) -> list[Words]:
    """What a primary sends, and its keys as a file has them."""
    rng = random.Random(SEED)
    configure("rdbcompression", "no")
    ear = ReplicaEar(server)
    stream, written = lines(rng), []
    for key in LIMITERS:
        db.do(f"RL.DEFINE {key} {rng.choice(STORED)}")
    for step in range(1500):
        with db.pipeline(transaction=False) as pipe:
            pipe.execute_command(*next(stream).split())
            pipe.execute(raise_on_error=False)
        if rng.random() < 0.1:
            clock.advance(rng.choice([1, SECOND, 70 * SECOND, 2 * HOUR]))
        if step % 100 == 99:
            written += [words for key in KEYS for words in written_of(server, key)]
    said = effects(ear.heard())
    ear.close()
    assert {words[2] for words in said} >= {b"STORE", b"APPLY", b"PERFORM", b"DEFINE", b"FORGET", b"EXCEPT", b"EACH"}
    return said + written


def written_of(server: Server, key: str) -> list[Words]:
    """A key as it is in a file of commands."""
    with server.client(decode_responses=False) as raw:
        payload = raw.dump(key)
    if payload is None:
        return []
    head, *chunks = Strings(payload).strings
    end = chunks.index(b"") if chunks else 0  # behind the subjects comes the history
    kinds = [(b"STORE", head)] + [(b"FILL", chunk) for chunk in chunks[:end]]
    kinds += [(b"HISTORY", chunk) for chunk in chunks[end:] if chunk]
    return [[b"RL._EFFECT", key.encode(), kind, b"0", bytes_] for kind, bytes_ in kinds]


def hostile(rng: random.Random, heard: list[Words]) -> Iterator[Words]:
    hashes = sorted({words[5] for words in heard if len(words) > 5})
    while True:
        _, key, kind, end, payload, *subject = rng.choice(heard)
        match rng.randrange(8):
            case 0:
                key = rng.choice(KEYS).encode()
            case 1 if subject:
                subject = [rng.choice(hashes)]
            case 2:
                at, number = rng.randrange(len(payload) + 1), interesting(rng)
                payload = payload[:at] + number + payload[at + len(number) :]
            case 3:
                at, donor = rng.randrange(len(payload) + 1), rng.choice(heard)[4]
                payload = payload[:at] + donor[at:]
            case 4:
                kind = rng.choice(heard)[2]
        yield [b"RL._EFFECT", key, kind, end, payload, *subject]


def assert_starts_again(db: Client) -> None:
    """From a file, from commands, and from one key after the other."""
    with nothing_forgotten(db):
        before = db.do("DEBUG DIGEST")
        db.do("DEBUG RELOAD")
        assert db.do("DEBUG DIGEST") == before
        db.do("BGREWRITEAOF")
        eventually(lambda: db.info("persistence")["aof_rewrite_in_progress"] == 0, "the file to be rewritten")
        assert db.info("persistence")["aof_last_bgrewrite_status"] == "ok"
        db.do("DEBUG LOADAOF")
        assert db.do("DEBUG DIGEST") == before


def test_what_is_accepted_can_be_read_back(start_server, heard):
    print("RATELIMIT_TEST_SEED", SEED)
    options = ("--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--aof-use-rdb-preamble", "no")
    server = start_server(*options)
    stream, keys = hostile(random.Random(SEED), heard), 0
    with server.client() as db:
        Clock(db).set(BASE)
        for _ in range(0, EFFECTS, AT_ONCE):
            db.flushall()
            file = max(
                (server.directory / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime_ns
            )
            with file.open("ab") as aof:
                aof.write(command([b"SELECT", b"0"]) + b"".join(command(next(stream)) for _ in range(AT_ONCE)))
            db.do("DEBUG LOADAOF")
            keys += db.dbsize()
            assert_starts_again(db)
    assert keys > len(KEYS), "some of it is accepted"
