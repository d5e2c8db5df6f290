"""RDB, DUMP and RESTORE: every state comes back as it was, and no payload, however hostile, brings the server down."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
import redis

from dump import sealed
from harness import BASE, HOUR, MINUTE, SECOND, Client, Clock

LATER = [0, 1, 3 * SECOND, MINUTE, HOUR, 25 * HOUR]


def fill(db: Client) -> list[str]:
    """Keys in states that are worth remembering; their names."""
    db.ask("RL.TOKENBUCKET bucket 7 7 60s COST 6")
    db.ask("RL.TOKENBUCKET largest 4294967295 4294967295 3650d COST 4294967295")
    db.ask("RL.FIXED fixed 10 60s COST 3")
    db.ask("RL.FIXED aligned 10 1h ALIGNED COST 10")
    db.ask("RL.CHECK several TOKENBUCKET 20 10 1m AS burst FIXED 100 1d PER REQUEST SLIDING 50 1h COST 3")
    db.ask("RL.CHECK eight " + " ".join(f"FIXED {size} 60s AS {'l' * 60}{size}" for size in range(10, 18)))
    for cost in (*range(1, 300), 2**32 - 100_000):
        db.do("RL.DEBUG CLOCK ADVANCE 1234567")
        db.ask(f"RL.SLIDING log 4294967295 1h COST {cost}")
    return ["bucket", "largest", "fixed", "aligned", "several", "eight", "log"]


def picture(db: Client, keys: list[str]) -> list:
    """All that can be asked about these keys, now and later."""
    clock, seen = Clock(db), []
    for later in LATER:
        clock.set(BASE + later)
        for key in keys:
            seen += [db.ask(f"RL.PEEK {key}"), db.ask(f"RL.PEEK {key} COST 4"), db.rl_info(key)["limits"]]
            seen += [db.do(f"PEXPIRETIME {key}"), db.digest(key)]
    clock.set(BASE)
    return [*seen, db.do("DEBUG DIGEST")]


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
    for granted, limit, remaining, wait_ms, reset_ms in (peeked[:5], taken):
        assert 0 <= granted <= limit < 2**32
        assert 0 <= remaining <= limit
        assert -1 <= wait_ms <= 2 * 3650 * 86_400_000
        assert 0 <= reset_ms <= 2 * 3650 * 86_400_000
    raw.execute_command("DEBUG DIGEST-VALUE", "k")
    raw.execute_command("DUMP", "k")
    raw.execute_command("COPY", "k", "copy", "REPLACE")
    raw.execute_command("MEMORY USAGE", "k")


def test_a_reload_right_after_hostile_payloads_survives(server, db, clock):
    rng = random.Random(0)
    db.ask("RL.CHECK k TOKENBUCKET 20 10 1m AS burst FIXED 100 1d PER REQUEST SLIDING 50 1h COST 3")
    with server.client(decode_responses=False) as raw:
        payload = raw.dump("k")
        for number in range(500):
            with suppress(redis.ResponseError):
                raw.restore(f"k{number}", 0, hostile(rng, payload))
    before = db.do("DEBUG DIGEST")
    db.do("DEBUG RELOAD")
    assert db.do("DEBUG DIGEST") == before
