# SPDX-License-Identifier: MIT
"""RDB, DUMP and RESTORE: every state comes back as it was, and no payload, however hostile, brings the server down."""

from __future__ import annotations

import random
import time
from contextlib import suppress

import pytest
import redis

from dump import sealed
from harness import BASE, HOUR, Clock
from states import fill, info, picture


def test_the_states_that_are_kept_are_what_they_are_meant_to_be(db, clock):
    keys = fill(db)
    clock.set(BASE)
    infos = {key: info(db, key) for key in keys}
    assert {key: holds for key, (holds, _) in infos.items() if holds} == {
        **{"holds": 3, "everything": 2, "settled": 2, "charged": 3, "crossed": 2}
    }
    in_debt = {key for key, (_, limits) in infos.items() if any(limit["used"] > limit["size"] for limit in limits)}
    assert in_debt == {
        *("debt", "deepest", "overdrawn", "everything", "settled", "accounts", "met", "crossed", "crowd"),
        *("closed", "owing"),
    }
    several = {key: len(infos[key][1]) for key in ("accounts", "met", "crossed", "crowd")}
    assert several == {"accounts": 4, "met": 4, "crossed": 5, "crowd": 3}
    assert db.ask("RL.PEEK turn COST 5")[:4] == (0, 10, 0, 60_000)
    assert (infos["approx"][1][0]["used"], infos["collected"][1][0]["used"], infos["ended"][1][0]["used"]) == (8, 5, 0)


def test_debug_reload_keeps_every_state(db, clock):
    keys = fill(db)
    before = picture(db, keys)
    db.do("DEBUG RELOAD")
    assert picture(db, keys) == before


def test_a_restart_keeps_every_state(start_server):
    server = start_server()
    with server.client() as db:
        Clock(db).set(BASE)
        keys = fill(db)
        before = picture(db, keys)
        db.save()
    server.restart()
    with server.client() as db:
        assert picture(db, keys) == before


def test_a_restart_an_hour_later_goes_on_as_if_it_had_waited(start_server):
    server = start_server()
    with server.client() as db:
        Clock(db).set(BASE)
        db.ask("RL.TOKENBUCKET k 100 50 1h COST 100")
        db.save()
    server.restart()
    with server.client() as db:
        Clock(db).set(BASE + HOUR)
        assert db.ask("RL.TOKENBUCKET k 100 50 1h COST 50") == (50, 100, 0, 0, 7_200_000)


def test_a_key_that_became_idle_while_the_server_was_down_is_not_loaded(start_server):
    server = start_server()
    with server.client() as db:
        db.ask("RL.FIXED k 10 1ms")
        db.ask("RL.FIXED kept 10 1h")
        db.save()
        ends_in_ms = db.pttl("k")
    time.sleep(max(ends_in_ms, 0) / 1000)
    server.restart()
    with server.client() as db:
        assert db.keys() == ["kept"]


def test_dump_and_restore_keep_every_state(server, db, clock):
    keys = fill(db)
    before = picture(db, keys)
    with server.client(decode_responses=False) as raw:
        dumps = {key: (raw.dump(key), db.do(f"PEXPIRETIME {key}")) for key in keys}
        raw.flushall()
        for key, (payload, expires_at) in dumps.items():
            raw.restore(key, expires_at, payload, absttl=True)
    assert picture(db, keys) == before


def test_a_restored_key_without_expiry_still_works(server, db, clock):
    db.ask("RL.FIXED k 10 60s COST 4")
    with server.client(decode_responses=False) as raw:
        payload = raw.dump("k")
        raw.restore("copy", 0, payload)
    assert db.ask("RL.FIXED copy 10 60s") == (1, 10, 5, 0, 60000)
    assert abs(db.pttl("copy") - db.pttl("k")) < 60_000


def test_a_digest_tells_states_apart_and_knows_equal_ones(db, clock):
    for key in ("a", "b"):
        db.ask(f"RL.TOKENBUCKET {key} 10 7 60s COST 4")
    assert db.digest("a") == db.digest("b")
    db.ask("RL.TOKENBUCKET b 10 7 60s")
    assert db.digest("a") != db.digest("b")


HEADER = 1 + 9  # the type and the module's name are the server's to check
FOOTER = 2 + 8  # the version of RDB and the checksum


def hostile(rng: random.Random, payload: bytes) -> bytes:
    """The payload with something wrong in the module's part of it: bits, bytes, a length, an end."""
    version = payload[-FOOTER:-8]
    body = bytearray(payload[HEADER:-FOOTER])
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        at = rng.randrange(len(body))
        match rng.randrange(5):
            case 0:
                body[at] ^= 1 << rng.randrange(8)
            case 1:
                body[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
            case 2:
                body[at : at + 8] = rng.choice([b"\0", b"\xff"]) * len(body[at : at + 8])
            case 3:
                del body[at : at + rng.randint(1, 8)]
                body = body or bytearray(b"\0")
            case 4:
                body[at:at] = rng.randbytes(rng.randint(1, 8))
    return sealed(payload[:HEADER] + bytes(body) + version)


def test_the_checksum_of_these_tests_is_the_servers(server, db, clock):
    with server.client(decode_responses=False) as raw:
        for key in fill(db):
            payload = raw.dump(key)
            assert sealed(payload[:-8]) == payload


@pytest.mark.parametrize("seed", range(4))
def test_a_hostile_payload_is_refused_or_harmless(server, db, clock, seed):
    rng = random.Random(seed)
    keys = fill(db)
    with server.client(decode_responses=False) as raw:
        payloads = [raw.dump(key) for key in keys]
        for _ in range(1000):
            with suppress(redis.ResponseError):
                raw.restore("k", 0, hostile(rng, rng.choice(payloads)), replace=True)
                use(raw, rng)
    assert db.ping()


def use(raw: redis.Redis, rng: random.Random) -> None:
    """Asks everything of a key that came from a hostile payload, and keeps the replies within their bounds."""
    info = raw.execute_command("RL.INFO", "k")
    peeked = raw.execute_command("RL.PEEK", "k", "COST", rng.choice([1, 5, 2**32 - 1]))
    limit = rng.choice(["FIXED k 10 60s", "SLIDING k 10 60s", "TOKENBUCKET k 9 7 60s"])
    taken = raw.execute_command(*f"RL.{limit}".split())
    assert info is not None
    longest_ms = 4 * 3650 * 86_400_000  # a turn, a debt, and until the bucket is full again; rounded generously
    for granted, limit, remaining, wait_ms, reset_ms in (peeked[:5], taken):
        assert 0 <= granted < 2**53 > limit
        assert granted <= limit or "PER REQUEST" in repr(info), "where requests are counted, any cost may be"
        assert 0 <= remaining <= limit
        assert -1 <= wait_ms <= longest_ms
        assert 0 <= reset_ms <= longest_ms
    operate(raw, rng)
    raw.execute_command("DEBUG DIGEST-VALUE", "k")
    raw.execute_command("DUMP", "k")
    raw.execute_command("COPY", "k", "copy", "REPLACE")
    raw.execute_command("MEMORY USAGE", "k")


def operate(raw: redis.Redis, rng: random.Random) -> None:
    """Does one thing to the key that is not a plain check."""
    limit = rng.choice(["FIXED 10 60s", "SLIDING 10 60s APPROX", "LEAKYBUCKET 9 7 60s", "CONCURRENT 9 60s"])
    operation = rng.choice(
        [
            f"RL.CHECK k {limit} COST {rng.choice([1, 4294967295])} FORCE",
            f"RL.CHECK k {limit} COST 9 MAXWAIT {rng.choice(['1ms', '3650d'])}",
            f"RL.RESERVE k {rng.choice(['1ms', '3650d'])} {limit} COST 2 ID a",
            f"RL.SETTLE k {rng.choice('ab')} {rng.choice([0, 1, 4294967295])}",
            f"RL.REFUND k {rng.choice([1, 4294967295])}",
            f"RL.RELEASE k {rng.choice(['a', 'b', 'worker-1'])}",
            f"RL.BLOCK k {rng.choice(['0', '1ms', '3650d'])}",
        ]
    )
    assert raw.execute_command(*operation.split()) is not None


def test_a_reload_right_after_hostile_payloads_survives(server, db, clock):
    rng = random.Random(0)
    fill(db)
    with server.client(decode_responses=False) as raw:
        payloads = [raw.dump(key) for key in ("several", "everything", "crossed", "met")]
        for number in range(1000):
            with suppress(redis.ResponseError):
                raw.restore(f"k{number}", 0, hostile(rng, rng.choice(payloads)))
    before = db.do("DEBUG DIGEST")
    db.do("DEBUG RELOAD")
    assert db.do("DEBUG DIGEST") == before
