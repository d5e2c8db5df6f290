# SPDX-License-Identifier: MIT
"""Time zones that a server lacks: whatever names one is kept, and the log says so.

The window that is open ends when the server said that has the zone. New ones are those of UTC, until the zone is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
import redis

from ears import ReplicaEar, effects
from harness import BASE, DAY, HOUR, MINUTE, SECOND, Client, Clock, Server, eventually
from subjects import fill, nothing_forgotten

ZONE = "Asia/Tokyo"  # nine hours ahead of UTC: BASE is 09:00 there
UNTIL_MIDNIGHT = 15 * HOUR
DAILY = f"QUOTA 100 DAY TZ {ZONE}"


class Pair(NamedTuple):
    db: Client  # of the primary, which has all zones
    copy: Client  # of the replica, which has none
    lacking: Server


@pytest.fixture
def no_zones(tmp_path) -> dict[str, str]:
    return {"TZDIR": str(tmp_path)}


@pytest.fixture
def pair(start_server, no_zones) -> Iterator[Pair]:
    primary = start_server("--repl-diskless-sync-delay", "0")
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port), variables=no_zones)
    with primary.client() as db, replica.client() as copy:
        wait_for_sync(copy)
        hold(BASE, db, copy)
        yield Pair(db, copy, replica)


def wait_for_sync(copy: Client) -> None:
    eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to sync")


def hold(unix_ns: int, *clients: Client) -> None:
    for client in clients:
        Clock(client).set(unix_ns)


def assert_same(db: Client, copy: Client) -> None:
    with nothing_forgotten(db):
        end = db.info("replication")["master_repl_offset"]
        eventually(lambda: copy.info("replication")["slave_repl_offset"] >= end, "the replica to catch up")
        assert copy.do("DEBUG DIGEST") == db.do("DEBUG DIGEST")


LINES = [
    f"RL.QUOTA single 100 DAY TZ {ZONE} COST 40",
    f"RL.QUOTA single 100 DAY TZ {ZONE} COST 1",
    f"RL.CHECK several {DAILY} SLIDING 50 1h CONCURRENT 9 1h COST 2 ID a",
    f"RL.CHECK several {DAILY} SLIDING 50 1h CONCURRENT 9 1h COST 3 ID b",
    f"RL.RESERVE held 1m QUOTA 100 WEEK TZ {ZONE} COST 5 ID h",
    "RL.SETTLE held h 9",
    f"RL.RESERVE ended 1s QUOTA 100 MONTH TZ {ZONE} COST 5 ID h",
    f"RL.CHECK anchored QUOTA 3 DAY ANCHOR 2026-01-31T06:15 TZ {ZONE} COST 3",
    f"RL.CHECK waits QUOTA 3 HOUR TZ {ZONE} COST 3",
    f"RL.CHECK waits QUOTA 3 HOUR TZ {ZONE} COST 2 MAXWAIT 2h",
    f"RL.CHECK dense {DAILY} FOR a COST 7",
    f"RL.CHECK dense {DAILY} FOR b COST 8",
    f"RL.RESERVE dense 1m {DAILY} FOR b COST 8 ID h",
    "RL.REFUND dense 3 FOR a",
    f"RL.DEFINE limiter {DAILY}",
    "RL.CHECK limiter FOR a COST 7",
    "RL.CHECK limiter COST 9",
]


def test_a_replica_that_lacks_a_zone_is_equal_to_the_byte(pair):
    for line in LINES:
        assert pair.db.do(line) is not None
        assert_same(pair.db, pair.copy)
    hold(BASE + UNTIL_MIDNIGHT + MINUTE, pair.db, pair.copy)
    for line in LINES:
        assert pair.db.do(line) is not None
        assert_same(pair.db, pair.copy)


def test_a_replica_that_lacks_a_zone_takes_a_full_synchronisation(start_server, no_zones, pair):
    for line in LINES:
        pair.db.do(line)
    late = start_server("--replicaof", "127.0.0.1", str(pair.db.info("server")["tcp_port"]), variables=no_zones)
    with late.client() as copy:
        wait_for_sync(copy)
        hold(BASE, copy)
        assert_same(pair.db, copy)
    assert f"no time zone {ZONE}" in late.log()


def test_limits_that_change_are_the_same_where_the_zone_is_lacking(pair):
    pair.db.do("RL.DEFINE k FIXED 20 1h")
    fill(pair.db, "k", 500)
    pair.db.do("RL.CHECK k COST 3")
    pair.db.do(f"RL.DEFINE k FIXED 30 1h QUOTA 20 DAY ANCHOR 2026-01-31T17:00 TZ {ZONE} AS day")
    assert_same(pair.db, pair.copy)
    hold(BASE + HOUR, pair.db, pair.copy)
    fill(pair.db, "k", 100)
    pair.db.do(f"RL.DEFINE k QUOTA 10 DAY TZ {ZONE} AS day QUOTA 10 MONTH TZ America/New_York")
    pair.db.do("RL.DEFINE k QUOTA 10 MONTH TZ Europe/Berlin AS day QUOTA 10 WEEK")
    assert_same(pair.db, pair.copy)


def test_the_log_names_zone_and_key_and_not_often(pair):
    for number in range(50):
        pair.db.do(f"RL.QUOTA key:{number} 100 DAY TZ {ZONE}")
    assert_same(pair.db, pair.copy)
    told = [line for line in pair.lacking.log().splitlines() if "no time zone" in line]
    assert len(told) == len(set(told)) == 32
    assert all(ZONE in line and f'"key:{number}"' in line for number, line in enumerate(told))


def test_the_log_names_each_zone_and_key_once(pair):
    for _ in range(3):
        pair.db.do(f"RL.QUOTA tokyo 100 DAY TZ {ZONE}")
        pair.db.do("RL.QUOTA paris 100 DAY TZ Europe/Paris")
    assert_same(pair.db, pair.copy)
    told = [line for line in pair.lacking.log().splitlines() if "no time zone" in line]
    assert len(told) == 2
    assert ZONE in told[0] and '"tokyo"' in told[0]
    assert "Europe/Paris" in told[1] and '"paris"' in told[1]


def test_the_window_that_is_open_ends_when_the_primary_said_and_the_next_is_one_of_utc(pair):
    pair.db.do(f"RL.DEFINE k QUOTA 100 DAY TZ {ZONE}")
    pair.db.do("RL.CHECK k FOR a COST 60")
    pair.db.do(f"RL.QUOTA single 100 MONTH TZ {ZONE} COST 60")
    assert_same(pair.db, pair.copy)
    copy = pair.copy
    month_ms = pair.db.ask("RL.PEEK single").reset_ms
    copy.do("REPLICAOF NO ONE")
    assert copy.ask("RL.PEEK single COST 10").reset_ms == month_ms
    assert copy.do("RL.REFUND single 10") is not None
    assert copy.rl_info("single")["limits"][0]["reset_ms"] == month_ms
    hold(BASE + UNTIL_MIDNIGHT - SECOND, copy)
    assert copy.ask("RL.CHECK k FOR a COST 50")[:4] == (0, 100, 40, 1000)
    hold(BASE + UNTIL_MIDNIGHT, copy)
    assert copy.ask("RL.CHECK k FOR a COST 50")[:5] == (50, 100, 50, 0, 9 * HOUR // 10**6)
    with pytest.raises(redis.ResponseError, match="TZ must be"):
        copy.do(f"RL.QUOTA other 100 DAY TZ {ZONE}")


def test_payloads_of_a_server_that_has_the_zone_are_taken(start_server, no_zones):
    having = start_server()
    lacking = start_server(variables=no_zones)
    with having.client() as db, lacking.client() as copy, having.client(decode_responses=False) as raw:
        hold(BASE, db, copy)
        for line in LINES:
            db.do(line)
        for key in raw.keys():
            copy.restore(key, max(raw.pttl(key), 0), raw.dump(key))
            digests = [client.do(f"DEBUG DIGEST-VALUE {key.decode()}") for client in (db, copy)]
            assert digests[0] == digests[1], key
        before = copy.do("DEBUG DIGEST")
        copy.do("DEBUG RELOAD")
        assert copy.do("DEBUG DIGEST") == before


def test_a_server_that_lacks_the_zone_starts_with_commands_that_name_it(start_server, no_zones):
    server = start_server("--appendonly", "yes", "--aof-use-rdb-preamble", "no")
    with server.client() as db:
        hold(BASE, db)
        for line in LINES:
            db.do(line)
        before = db.do("DEBUG DIGEST")
    server._variables |= no_zones
    server.restart()
    with server.client() as db:
        hold(BASE, db)
        assert db.do("DEBUG DIGEST") == before
        db.do("BGREWRITEAOF")
        eventually(lambda: db.info("persistence")["aof_rewrite_in_progress"] == 0, "the file to be rewritten")
    server._variables = {}
    server.restart()
    with server.client() as db:
        hold(BASE + UNTIL_MIDNIGHT, db)
        assert db.ask("RL.CHECK limiter FOR a")[:5] == (1, 100, 99, 0, DAY // 10**6), "the zone is there again"


def test_a_definition_tells_the_ends_of_windows(start_server):
    server = start_server()
    with server.client() as db:
        hold(BASE, db)
        ear = ReplicaEar(server)
        db.do(f"RL.DEFINE k {DAILY} QUOTA 5 DAY QUOTA 5 HOUR TZ Europe/Berlin")
        (words,) = effects(ear.heard())
        ends = [(BASE + UNTIL_MIDNIGHT).to_bytes(8, "little"), (BASE + HOUR).to_bytes(8, "little")]
        assert words[4].endswith(BASE.to_bytes(8, "little") + b"".join(ends))
        ear.close()
