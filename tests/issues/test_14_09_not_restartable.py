# SPDX-License-Identifier: MIT
"""Report 14, number 9: what is accepted from a primary or a file is refused at the next start."""

from __future__ import annotations

import random
import shutil

from redis import ResponseError

from ears import FileEar, Words, command
from harness import DAY, SECOND, Clock, Server, ServerDied
from seed import SEED

FILE = ("--appendonly", "yes", "--appendfsync", "always")
# A replica of nobody: it forgets no idle subject by itself, which would change its digest.
REPLICA = ("--replicaof", "127.0.0.1 1", "--replica-read-only", "no")
FILES = 40
WHEN = 1_800_000_000 * SECOND
LIMITS = [
    *(
        "TOKENBUCKET 1000 1 1m",
        "FIXED 10 1d",
        "FIXED 10 1d AS a SLIDING 20 1d AS b",
        "SLIDING 30 1d AS b FIXED 9 1d AS a",
    ),
    *(
        "CONCURRENT 5 1d",
        "QUOTA 10 DAY TZ Asia/Kathmandu CONCURRENT 5 1h AS c",
        "LEAKYBUCKET 7 1 1h SLIDING 5 1d APPROX",
    ),
]


def effects_of_limiters(start_server) -> list[Words]:
    """What a server tells of limiters that are used, redefined and copied: copies have the same secret."""
    server, rng = start_server(*FILE), random.Random(f"{SEED} limiters")
    with server.client() as db:
        Clock(db).set(WHEN)
        db.set("first", "a")
        ear = FileEar(server)
        for key in "klm":
            db.do(f"RL.DEFINE {key} {LIMITS[0]}")
        for number in range(60):
            key, limits = rng.choice("klm"), rng.choice(LIMITS)
            for line in (f"RL.DEFINE {key} {limits}", "COPY k l", "COPY l m REPLACE") if number % 6 == 0 else ():
                db.do(line)
            db.do(f"RL.CHECK free {limits} ID a FOR {rng.choice('xyz')}")
            for line in (
                "RL.CHECK {} ID a FOR {}",
                "RL.RESERVE {} 1h ID b FOR {}",
                "RL.CHECK {} COST 9 FORCE ID c FOR {}",
            ):
                db.do(line.format(key, rng.choice("xyz")))
        heard = ear.heard()
        ear.close()
    assert len(heard) > 100
    return heard


def damaged(rng: random.Random, effects: list[Words]) -> list[Words]:
    """Some effects are lost, come twice, change places, or are of another key."""
    changed = list(effects)
    for _ in range(rng.randint(1, 4)):
        first, second = (rng.randrange(len(changed)) for _ in range(2))
        what = rng.randrange(4)
        if what == 0:
            del changed[first]
        elif what == 1:
            changed.insert(first, changed[second])
        elif what == 2:
            changed[first], changed[second] = changed[second], changed[first]
        elif changed[first][0] == b"RL._EFFECT":
            changed[first] = [changed[first][0], rng.choice([b"k", b"l", b"m"]), *changed[first][2:]]
    return changed


def test_what_a_server_accepts_it_takes_back(start_server):
    effects, rng, started = effects_of_limiters(start_server), random.Random(SEED), 0
    for number in range(FILES):
        server = Server(*FILE, *REPLICA, "--save", "")
        try:
            started += takes_back(server, damaged(rng, effects) if number else effects)
        except (AssertionError, ResponseError) as error:
            raise AssertionError(f"RATELIMIT_TEST_SEED={SEED}, file {number}: {error}") from error
        finally:
            server.stop()
    assert started > FILES // 2, "an effect that does not fit is refused, not the file"


def takes_back(server: Server, effects: list[Words]) -> bool:
    directory = server.directory / "appendonlydir"
    directory.mkdir()
    (directory / "appendonly.aof.manifest").write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")
    written = b"".join(map(command, [[b"SELECT", b"0"], *effects]))
    (directory / "appendonly.aof.1.incr.aof").write_bytes(written)
    try:
        server.start()
    except ServerDied:
        return False
    with server.client() as db, server.client(decode_responses=False) as raw:
        Clock(db).set(WHEN + DAY // 2)
        before = db.do("DEBUG DIGEST")
        for key in db.scan_iter(_type="ratelimit"):
            assert raw.execute_command("RESTORE", f"{key}-copy", 0, raw.dump(key)) == b"OK"
            db.delete(f"{key}-copy")
        assert db.do("DEBUG RELOAD") == "OK"
        assert db.do("DEBUG DIGEST") == before
        db.save()
        shutil.copy(server.directory / "dump.rdb", server.directory / "kept.rdb")
    server.restart()
    with server.client() as db:
        assert db.do("DEBUG DIGEST") == before
    return True
