"""Effects travel, not questions: replicas and the AOF agree with the primary to the byte; denials never leave it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from harness import BASE, HOUR, SECOND, Client, Clock, Server, eventually

# A replica's timers would move the replication offset while a test looks at it.
QUIET = ("--repl-ping-replica-period", "3600", "--repl-diskless-sync-delay", "0")

LINES = [
    "RL.TOKENBUCKET bucket 7 7 60s COST 3",
    "RL.FIXED fixed 10 60s COST 3",
    "RL.FIXED aligned 10 1h ALIGNED COST 3",
    "RL.SLIDING log 10 60s COST 3",
    "RL.CHECK several TOKENBUCKET 20 10 1m AS burst FIXED 100 1d PER REQUEST SLIDING 50 1h COST 3",
]
KEYS = ["bucket", "fixed", "aligned", "log", "several"]


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


def assert_same(primary: Server, replica: Server) -> None:
    first, second = digests(primary, replica)
    assert first == second
    with primary.client() as db, replica.client() as copy:
        for key in db.keys():
            assert copy.do(f"RL.PEEK {key}") == db.do(f"RL.PEEK {key}")
            assert copy.rl_info(key)["limits"] == db.rl_info(key)["limits"]
            assert copy.do(f"PEXPIRETIME {key}") == db.do(f"PEXPIRETIME {key}")


def test_a_replica_agrees_to_the_byte(pair):
    primary, replica = pair
    with primary.client() as db:
        for _ in range(5):
            Clock(db).advance(1234567891)
            for line in LINES:
                db.ask(line)
        with replica.client() as copy:
            Clock(copy).set(BASE + 5 * 1234567891)
    assert_same(primary, replica)


def test_a_replica_agrees_when_limits_change(pair):
    primary, replica = pair
    with primary.client() as db:
        for limits in ("FIXED 10 60s", "SLIDING 20 60s", "SLIDING 30 60s FIXED 5 1h", "TOKENBUCKET 9 1 1s"):
            assert db.ask(f"RL.CHECK k {limits}").granted == 1
        assert db.ask("RL.SLIDING k 4 60s").granted == 0
    assert_same(primary, replica)


def test_the_replica_sees_the_effect_and_not_the_question(pair):
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        for line in LINES:
            db.ask(line)
        digests(primary, replica)
        seen = {name for name in copy.info("commandstats") if name.startswith("cmdstat_RL.")}
    assert "cmdstat_RL._STORE" in seen
    assert {name for name in seen if not name.startswith("cmdstat_RL._")} == {"cmdstat_RL.DEBUG"}


def test_a_replica_peeks_but_does_not_take(pair):
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        db.ask("RL.FIXED k 10 60s COST 4")
        digests(primary, replica)
        assert copy.ask("RL.PEEK k") == (1, 10, 5, 0, 60000, "fixed")
        with pytest.raises(redis.ReadOnlyError):
            copy.do("RL.FIXED k 10 60s")
        assert copy.ask("RL.PEEK k").remaining == 5


def test_a_denied_call_never_reaches_the_replica(pair):
    primary, _ = pair
    with primary.client() as db:
        for line in LINES:
            db.ask(line)
        before = offset(db)
        for line in LINES:
            assert db.ask(f"{line[:-1]}101").granted == 0
        db.ask("RL.PEEK fixed")
        db.error("RL.FIXED", "k", "none", "60s")
        assert offset(db) == before
        db.ask("RL.FIXED fixed 10 60s")
        assert offset(db) > before


def test_transactions_and_scripts_replicate_their_effects(pair):
    primary, replica = pair
    with primary.client() as db:
        with db.pipeline(transaction=True) as pipe:
            for line in LINES:
                pipe.execute_command(*line.split())
            pipe.execute()
        twice = "redis.call('RL.FIXED', KEYS[1], 10, '60s') redis.call('RL.FIXED', KEYS[1], 10, '60s', 'COST', 11)"
        db.eval(twice, 1, "k")
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


def test_the_internal_store_is_refused_from_clients(db, clock):
    db.ask("RL.FIXED k 10 60s COST 4")
    before = db.digest("k")
    for words in ("k", "k payload", "k 1 payload", "k 1 payload 2"):
        assert db.error("RL._STORE", *words.split())
    assert db.eval("return redis.pcall('RL._STORE', KEYS[1], 'payload').err", 1, "k")
    with db.pipeline(transaction=True) as pipe, pytest.raises(redis.ResponseError):
        pipe.execute_command("RL._STORE", "k", "payload")
        pipe.execute()
    assert db.digest("k") == before


def picture(db: Client) -> list:
    questions = [f"{question} {key}" for key in KEYS for question in ("RL.PEEK", "PEXPIRETIME")]
    return [db.do("DEBUG DIGEST"), *map(db.do, questions)]


def ask_everything(db: Client) -> None:
    for _ in range(3):
        Clock(db).advance(1234567891)
        for line in LINES:
            db.ask(line)
    db.ask("RL.FIXED gone 10 60s")
    db.delete("gone")


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
