# SPDX-License-Identifier: MIT
"""Effects travel, not questions: replicas and the AOF agree with the primary to the byte; denials never leave it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from harness import BASE, HOUR, MINUTE, SECOND, Client, Clock, Server, eventually

# A replica's timers would move the replication offset while a test looks at it.
QUIET = ("--repl-ping-replica-period", "3600", "--repl-diskless-sync-delay", "0")

LINES = [
    "RL.TOKENBUCKET bucket 7 7 60s COST 3",
    "RL.FIXED fixed 10 60s COST 3",
    "RL.FIXED aligned 10 1h ALIGNED COST 3",
    "RL.SLIDING log 10 60s COST 3",
    "RL.CHECK several TOKENBUCKET 20 10 1m AS burst FIXED 100 1d PER REQUEST SLIDING 50 1h COST 3",
    "RL.LEAKYBUCKET queue 7 7 60s COST 3",
    "RL.SLIDING approx 10 60s APPROX COST 3",
    "RL.QUOTA quota 10 WEEK COST 3",
    "RL.QUOTA zoned 10 DAY TZ Europe/Berlin COST 3",
    "RL.QUOTA anchored 10 QUARTER ANCHOR 2026-01-31T06:00 TZ Europe/Berlin COST 3",
    "RL.CONCURRENT leases 10 60s COST 3",
    "RL.CHECK mixed LEAKYBUCKET 20 10 1m SLIDING 50 1h APPROX CONCURRENT 9 1h PER REQUEST QUOTA 99 YEAR COST 3",
]
OPERATIONS = [
    "RL.TOKENBUCKET debt 10 7 60s COST 25 FORCE",
    "RL.SLIDING overdrawn 10 60s COST 7 FORCE",
    "RL.SLIDING part 10 60s COST 7 PARTIAL",
    "RL.FIXED turn 10 60s COST 8 MAXWAIT 1h",
    "RL.RESERVE holds 2s SLIDING 100 60s COST 5 ID short",
    "RL.RESERVE holds 1s SLIDING 100 60s COST 5 ID a",
    "RL.RESERVE holds 1h SLIDING 100 60s COST 6",
    "RL.RESERVE holds 1s SLIDING 100 60s COST 7 ID a",
    "RL.SLIDING holds 100 60s COST 2",
    "RL.SETTLE holds a 2",
    "RL.SETTLE holds nobody 1",
    "RL.REFUND holds 1",
    "RL.CONCURRENT workers 10 60s ID a",
    "RL.CONCURRENT workers 10 60s ID b",
    "RL.RELEASE workers a",
    "RL.SLIDING back 10 60s COST 3",
    "RL.REFUND back 2",
    "RL.RESERVE llm 1s TOKENBUCKET 99 9 1s SLIDING 60 1m PER REQUEST CONCURRENT 5 2m PER REQUEST COST 60 ID req-1",
    "RL.SETTLE llm req-1 70",
    "RL.RESERVE uneven 1h FIXED 100 1d FIXED 40 1h AS small COST 60 ID a",
    "RL.SLIDING uneven 70 1h COST 3",
    # Under two lists, with a log and leases, which travel as operations.
    "RL.SLIDING met 100 60s COST 3",
    "RL.CHECK met CONCURRENT 9 1h SLIDING 20 1h COST 2 ID a",
    "RL.SLIDING met 100 60s COST 3",
    "RL.CHECK met CONCURRENT 9 1h SLIDING 20 1h COST 2 ID b",
    "RL.RELEASE met a",
    "RL.TOKENBUCKET met 5 1 60s FORCE",
    "RL.REFUND met 1",
    "RL.BLOCK blocked 1000d",
    "RL.BLOCK log 1h",
    "RL.BLOCK lifted 1h",
    "RL.FIXED lifted 10 60s FORCE",
    "RL.BLOCK lifted 0",
    "RL.SLIDING forgotten 10 60s",
    "RL.RESET forgotten",
    "RL.SLIDING forgotten 20 60s",
    "RL.SLIDING goes 20 60s",
    "RL.TRANSFER goes gone-to",
    "RL.SLIDING goes 20 60s COST 3",
    "RL.TRANSFER goes gone-to",
    "RL.FIXED goes 20 60s",
]
KEYS = sorted({line.split()[1] for line in LINES + OPERATIONS} | {"gone-to"})


@pytest.fixture
def pair(start_server) -> tuple[Server, Server]:
    """A primary and its replica, in sync, their clocks held at the same instant."""
    primary = start_server(*QUIET)
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port))
    for server in (primary, replica):
        with server.client() as db:
            Clock(db).set(BASE)
    eventually(lambda: is_in_sync(replica), "the replica to sync")
    return primary, replica


def is_in_sync(replica: Server) -> bool:
    with replica.client() as db:
        return db.info("replication")["master_link_status"] == "up"


def digests(primary: Server, replica: Server) -> tuple[str, str]:
    """What each holds, once the replica has everything."""
    with primary.client() as db, replica.client() as copy:
        eventually(lambda: offset(copy) == offset(db), "the replica to catch up")
        return db.do("DEBUG DIGEST"), copy.do("DEBUG DIGEST")


def offset(db: Client) -> int:
    replication = db.info("replication")
    return replication.get("slave_repl_offset", replication["master_repl_offset"])


SAME = ["limits", "holds"]  # counters are each server's own


def assert_same(primary: Server, replica: Server) -> None:
    first, second = digests(primary, replica)
    assert first == second
    with primary.client() as db, replica.client() as copy:
        for key in db.keys():
            assert copy.do(f"RL.PEEK {key}") == db.do(f"RL.PEEK {key}")
            assert [copy.rl_info(key)[name] for name in SAME] == [db.rl_info(key)[name] for name in SAME]
            assert copy.do(f"PEXPIRETIME {key}") == db.do(f"PEXPIRETIME {key}")


def test_a_replica_agrees_to_the_byte(pair):
    primary, replica = pair
    with primary.client() as db:
        for _ in range(5):
            Clock(db).advance(1234567891)
            for line in LINES + OPERATIONS:
                db.do(line)
        assert sorted(db.keys()) == KEYS
        for later in (0, SECOND, MINUTE, HOUR):
            for client in (db, replica.client()):
                Clock(client).set(BASE + 5 * 1234567891 + later)
            assert_same(primary, replica)


def test_a_replica_agrees_when_limits_change(pair):
    primary, replica = pair
    with primary.client() as db:
        for limits in (
            *("FIXED 10 60s", "SLIDING 20 60s", "SLIDING 30 60s FIXED 5 1h", "TOKENBUCKET 9 1 1s"),
            *("LEAKYBUCKET 10 1 1s", "SLIDING 30 60s APPROX CONCURRENT 9 60s", "CONCURRENT 11 1h", "QUOTA 12 DAY"),
        ):
            assert db.ask(f"RL.CHECK k {limits}").granted == 1
        # Accounts beyond eight took the place of others. This one starts with two.
        assert db.ask("RL.SLIDING k 3 60s COST 2").granted == 0
        db.do("RL.RESERVE k 1h QUOTA 20 DAY COST 4 ID a")
        db.ask("RL.CHECK k CONCURRENT 20 1h SLIDING 30 60s")
        assert db.rl_info("k")["holds"] == 1
    assert_same(primary, replica)


def test_the_replica_sees_the_effect_and_not_the_question(pair):
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        for line in LINES + OPERATIONS:
            db.do(line)
        Clock(db).advance(2 * SECOND)  # settled ids are forgotten
        for line in LINES + OPERATIONS:
            db.do(line)
        digests(primary, replica)
        seen = {name for name in copy.info("commandstats") if name.startswith("cmdstat_RL.")}
    assert seen == {f"cmdstat_RL.{name}" for name in ("_EFFECT", "DEBUG")}


def test_a_replica_peeks_but_does_not_take(pair):
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        db.ask("RL.FIXED k 10 60s COST 4")
        digests(primary, replica)
        assert copy.ask("RL.PEEK k") == (1, 10, 6, 0, 60000, "fixed")
        for line in ("RL.FIXED k 10 60s", "RL.REFUND k 1", "RL.RESERVE k 1s", "RL.SETTLE k a 1", "RL.RELEASE k a"):
            with pytest.raises(redis.ReadOnlyError):
                copy.do(line)
        assert copy.ask("RL.PEEK k").remaining == 6


def test_a_replica_counts_without_a_hold_that_has_ended_and_leaves_it_to_the_primary(pair):
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        db.do("RL.RESERVE k 1s FIXED 10 60s COST 4 ID a")
        db.ask("RL.FIXED k 10 60s COST 3")
        digests(primary, replica)
        before = copy.digest("k")
        for client in (db, copy):
            Clock(client).set(BASE + SECOND)
        assert copy.ask("RL.PEEK k") == db.ask("RL.PEEK k") == (1, 10, 7, 0, 59000, "fixed")
        assert copy.rl_info("k")["holds"] == db.rl_info("k")["holds"] == 0
        assert copy.digest("k") == db.digest("k") == before
        assert db.ask("RL.FIXED k 10 60s COST 8").granted == 0
        digests(primary, replica)
        assert copy.digest("k") == db.digest("k") != before


def test_a_denied_call_never_reaches_the_replica(pair):
    primary, _ = pair
    with primary.client() as db:
        for line in LINES:
            db.ask(line)
        before = offset(db)
        for line in LINES:
            assert db.ask(f"{line[:-1]}101").granted == 0
        for quiet in (
            "RL.PEEK fixed",
            "RL.REFUND leases 1",
            "RL.RELEASE leases a",
            "RL.SETTLE absent a 1",
            "RL.RESET absent",
            "RL.TRANSFER absent new",
            "RL.BLOCK fixed 0",
        ):
            db.do(quiet)
        assert db.ask("RL.RESERVE fixed 1s FIXED 10 60s COST 8").granted == 0
        db.error("RL.FIXED", "k", "none", "60s")
        assert offset(db) == before
        db.ask("RL.FIXED fixed 10 60s")
        assert offset(db) > before


def test_transactions_and_scripts_replicate_their_effects(pair):
    primary, replica = pair
    with primary.client() as db:
        with db.pipeline(transaction=True) as pipe:
            for line in LINES + OPERATIONS:
                pipe.execute_command(*line.split())
            pipe.execute()
        twice = "redis.call('RL.FIXED', KEYS[1], 10, '60s') redis.call('RL.FIXED', KEYS[1], 10, '60s', 'COST', 11)"
        db.eval(twice, 1, "k")
        settled = "redis.call('RL.RESERVE', KEYS[1], '9s', 'FIXED', 9, '60s', 'COST', 5, 'ID', 'a')"
        db.eval(f"{settled} return redis.call('RL.SETTLE', KEYS[1], 'a', 2)", 1, "s")
        db.delete("bucket")
    assert_same(primary, replica)


def test_a_promoted_replica_goes_on_where_the_primary_was(pair):
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        db.ask("RL.TOKENBUCKET k 7 7 60s COST 7")
        digests(primary, replica)
        copy.do("REPLICAOF NO ONE")
        Clock(copy).set(BASE + 10 * SECOND)
        assert copy.ask("RL.TOKENBUCKET k 7 7 60s")[:3] == (1, 7, 0)
        assert copy.ask("RL.TOKENBUCKET k 7 7 60s").granted == 0


def test_a_promoted_replica_keeps_what_was_promised(pair):
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        db.ask("RL.FIXED turn 10 60s COST 10")
        assert db.ask("RL.FIXED turn 10 60s COST 4 MAXWAIT 2m").wait_ms == 60_000
        db.do("RL.RESERVE holds 1h FIXED 10 1h COST 8 ID a")
        db.do("RL.CONCURRENT leases 1 1h ID a")
        digests(primary, replica)
        copy.do("REPLICAOF NO ONE")
        Clock(copy).set(BASE + 10 * SECOND)
        assert copy.ask("RL.FIXED turn 10 60s COST 4 MAXWAIT 2m") == (4, 10, 2, 50_000, 110_000)
        assert copy.do("RL.SETTLE holds a 3")[2:] == [7, 0, 3_590_000, "fixed", "settled"]
        assert copy.ask("RL.CONCURRENT leases 1 1h ID b")[:4] == (0, 1, 0, 3_590_000)
        assert copy.ask("RL.CONCURRENT leases 1 1h ID a") == (1, 1, 0, 0, 3_600_000, "a")


def test_a_replica_that_joins_under_traffic_misses_nothing(start_server):
    primary = start_server(*QUIET)
    line = "RL.FIXED k{} 4294967295 1h"

    def traffic(number: int) -> int:
        with primary.client() as db:
            return sum(db.ask_times(20, line.format(key))[0].granted for key in range(number, 1000, 4))

    with primary.client() as db:
        Clock(db).set(BASE)
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(traffic, number) for number in range(4)]
        replica = start_server("--replicaof", "127.0.0.1", str(primary.port))
        eventually(lambda: is_in_sync(replica), "the replica to sync")
        running += [pool.submit(traffic, number) for number in range(4)]
        assert sum(job.result() for job in running) == 2000
    with replica.client() as copy:
        Clock(copy).set(BASE)
        assert_same(primary, replica)
        assert copy.rl_info("k0")["limits"][0]["used"] == 40


@pytest.mark.parametrize("kind", ["STORE", "APPLY", "PERFORM", "any"])
def test_effects_are_refused_from_clients(db, clock, kind):
    name = "RL._EFFECT"
    db.ask("RL.FIXED k 10 60s COST 4")
    before = db.digest("k")
    for words in ("k", f"k {kind}", f"k {kind} payload", f"k {kind} 1 payload", f"k {kind} 1 payload 2"):
        assert db.error(name, *words.split())
    assert db.eval("return redis.pcall(ARGV[1], KEYS[1], ARGV[2], 'payload').err", 1, "k", name, kind)
    with db.pipeline(transaction=True) as pipe:
        pipe.execute_command(name, "k", kind, "payload")
        with pytest.raises(redis.ResponseError):
            pipe.execute()
    assert db.digest("k") == before


def picture(db: Client) -> list:
    questions = [f"{question} {key}" for key in KEYS for question in ("RL.PEEK", "PEXPIRETIME")]
    infos = [db.rl_info(key)[name] for key in KEYS for name in SAME]
    return [db.do("DEBUG DIGEST"), *map(db.do, questions), *infos]


def ask_everything(db: Client) -> None:
    for _ in range(3):
        Clock(db).advance(1234567891)
        for line in LINES + OPERATIONS:
            db.do(line)
    db.ask("RL.FIXED gone 10 60s")
    db.delete("gone")
    db.ask("RL.FIXED given-back 10 60s")
    db.do("RL.REFUND given-back 1")


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("rewrite", [False, True], ids=["as-written", "rewritten"])
def test_the_aof_brings_every_state_back(start_server, preamble, rewrite):
    server = start_server("--appendonly", "yes", "--aof-use-rdb-preamble", preamble)
    with server.client() as db:
        Clock(db).set(BASE)
        ask_everything(db)
        if rewrite:
            db.bgrewriteaof()
            eventually(lambda: not db.info("persistence")["aof_rewrite_in_progress"], "the rewrite to end")
            ask_everything(db)
        Clock(db).set(BASE + 20 * SECOND)
        before = picture(db)
        db.do("DEBUG LOADAOF")
        assert picture(db) == before
    server.restart()
    with server.client() as db:
        Clock(db).set(BASE + 20 * SECOND)
        assert picture(db) == before


def test_a_restart_from_the_aof_an_hour_later_goes_on_as_if_it_had_waited(start_server):
    server = start_server("--appendonly", "yes")
    with server.client() as db:
        Clock(db).set(BASE)
        db.ask("RL.TOKENBUCKET k 100 50 1h COST 100")
    server.restart()
    with server.client() as db:
        Clock(db).set(BASE + HOUR)
        assert db.ask("RL.TOKENBUCKET k 100 50 1h COST 50") == (50, 100, 0, 0, 7_200_000)


def test_an_aof_that_is_switched_on_under_traffic_misses_nothing(start_server):
    server = start_server("--appendonly", "no")
    with server.client() as db:
        Clock(db).set(BASE)
        ask_everything(db)
        db.config_set("appendonly", "yes")
        ask_everything(db)
        eventually(lambda: not db.info("persistence")["aof_rewrite_in_progress"], "the rewrite to end")
        ask_everything(db)
        before = picture(db)
        db.do("DEBUG LOADAOF")
        assert picture(db) == before
