# SPDX-License-Identifier: MIT
"""Idle subjects are forgotten, their memory is given back, and keys that nobody needs are removed: without traffic,
wherever tables went, and never while the server must not change anything.

The background sweep comes by on timers of its own, within some seconds. It decides by the module's clock.
"""

from __future__ import annotations

import time
from itertools import count

import pytest

from ears import ReplicaEar, names
from harness import BASE, DAY, HOUR, MINUTE, Client, Clock, Server, eventually, same_allocator
from subjects import fill, nothing_forgotten, standing, subjects, wait_for_sweep

LIMITS = "FIXED 10 1h"
MANY = 20_000
FLOOD = 200_000
# For a few small tables: "within some seconds". Told by looks, 5 ms apart: where the server starves, so do they.
LOOKS_IN_TIME = 2000


def gone(db: Client, key: str) -> None:
    eventually(lambda: db.exists(key) == 0, f"{key} to be removed")


# --- who is forgotten -------------------------------------------------------------------------------


@same_allocator
def test_idle_subjects_are_forgotten_and_their_memory_is_given_back(db, clock):
    db.do(f"RL.DEFINE k {LIMITS}")
    empty = db.memory_usage("k"), db.rl_info("k")["memory"]
    fill(db, "k", MANY)
    full = db.memory_usage("k"), db.rl_info("k")["memory"]
    assert min(full) > MANY * 16, "a subject has a state of 16 bytes"
    clock.advance(HOUR)
    eventually(lambda: subjects(db, "k") == 0, "them to be forgotten")
    eventually(lambda: db.memory_usage("k") - empty[0] < 4096, "the memory to be given back")
    assert db.rl_info("k")["memory"] - empty[1] < 4096


def test_who_is_in_use_stays_and_who_is_idle_goes(db, clock):
    """To the nanosecond."""
    db.do(f"RL.DEFINE k {LIMITS}")
    fill(db, "k", 500)
    clock.advance(1)
    fill(db, "k", 300, first=500)
    clock.set(BASE + HOUR - 1)
    wait_for_sweep(db)
    assert subjects(db, "k") == 800
    clock.set(BASE + HOUR)
    eventually(lambda: subjects(db, "k") <= 300, "those that are idle to be forgotten")
    assert subjects(db, "k") == 300
    assert standing(db, "k", "s499") is None
    assert standing(db, "k", "s500")["limits"][0]["used"] == 1


def test_a_subject_with_something_pending_stays(db, clock):
    for line in (
        "RL.RESERVE k 3h FIXED 10 1m COST 2 ID a FOR held",
        "RL.CONCURRENT k 10 3h FOR leased",
        "RL.FIXED k 10 2h COST 10 FOR waiting",
        "RL.FIXED k 10 2h COST 1 MAXWAIT 1d FOR waiting",
        "RL.TOKENBUCKET k 10 10 1m COST 2000 FORCE FOR indebted",
        "RL.FIXED k 10 1m FOR idle",
    ):
        assert db.do(line)[0] > 0
    clock.advance(2 * HOUR + 30 * MINUTE)
    eventually(lambda: subjects(db, "k") == 4, "those that are idle to be forgotten")
    assert {name for name in ("held", "leased", "waiting", "indebted", "idle") if standing(db, "k", name)} == {
        *("held", "leased", "waiting", "indebted")
    }
    clock.advance(2 * HOUR)
    gone(db, "k")


@pytest.mark.parametrize("line", ["RL.REFUND k 1 FOR {}", "RL.SETTLE k a 0 FOR {}", "RL.RELEASE k b FOR {}"])
def test_a_subject_that_gave_everything_back_is_forgotten(db, clock, line):
    limits = "CONCURRENT 10 1h" if "RELEASE" in line else LIMITS
    for ttl, name in (("1m", "first"), ("30m", "second")):
        db.do(
            f"RL.RESERVE k {ttl} {limits} ID a FOR {name}"
            if "SETTLE" in line
            else f"RL.CHECK k {limits} ID b FOR {name}"
        )
    db.do(line.format("first"))
    clock.advance(MINUTE)  # so long a settled id is remembered
    eventually(lambda: subjects(db, "k") == 1, "it to be forgotten")
    assert standing(db, "k", "second")
    db.do(line.format("second"))
    clock.advance(29 * MINUTE)
    gone(db, "k")


def test_a_limiter_stays_and_an_unstored_key_goes_with_its_last_subject(db, clock):
    db.do(f"RL.DEFINE stored {LIMITS}")
    for key in ("stored", "unstored", "itself"):
        db.do(f"RL.CHECK {key} {LIMITS} FOR a")
    db.ask("RL.FIXED itself 10 1d")
    clock.advance(HOUR)
    gone(db, "unstored")
    eventually(lambda: subjects(db, "itself") == 0, "its subject to be forgotten")
    assert sorted(db.keys()) == ["itself", "stored"], "a key that is in use itself stays too"
    assert db.rl_info("itself")["limits"][0]["used"] == 1
    assert db.ask("RL.CHECK stored COST 10 FOR a").granted == 10
    clock.advance(DAY)
    gone(db, "itself")
    wait_for_sweep(db)
    assert (db.keys(), db.pttl("stored")) == (["stored"], -1)


def test_it_happens_within_seconds_and_without_traffic(start_server):
    server = start_server()
    with server.client() as db:
        Clock(db).set(BASE)
        for number in range(5):
            fill(db, f"k{number}", 1000, LIMITS)
        Clock(db).advance(HOUR)
        looks = count(1)
        eventually(lambda: next(looks) and db.dbsize() == 0, "all of them to go")
        assert next(looks) < LOOKS_IN_TIME


@same_allocator
def test_a_full_server_gets_its_memory_back(db, clock, configure):
    db.do(f"RL.DEFINE k {LIMITS}")
    empty = db.info("memory")["used_memory"]
    fill(db, "k", 5 * MANY)
    full = db.info("memory")["used_memory"]
    configure("maxmemory-policy", "noeviction")
    configure("maxmemory", str(empty + (full - empty) // 2))
    assert "OOM" in db.error("RL.CHECK", "k", "FOR", "another")
    assert db.do("RL.PEEK k FOR s1")[2] == 9
    clock.advance(HOUR)
    eventually(lambda: subjects(db, "k") == 0, "them to be forgotten")
    # What clients and the server's own tables have taken meanwhile stays.
    eventually(lambda: db.info("memory")["used_memory"] < empty + (full - empty) // 2, "the memory to be given back")
    assert db.ask("RL.CHECK k FOR another").granted == 1


# --- floods -----------------------------------------------------------------------------------------


def flood(db: Client, key: str, wave: int, waves: int) -> None:
    """Names that never come again."""
    fill(db, key, FLOOD // waves, first=wave * (FLOOD // waves), prefix="random-")


def memory_at_rest(server: Server) -> int:
    """Once the server's own tables and buffers have settled. Asked over a new connection: the buffers of one that
    has just carried a flood shrink when the server finds the time."""
    seen: list[int] = []

    with server.client() as db:

        def is_settled() -> bool:
            seen.append(db.info("memory")["used_memory"])
            time.sleep(0.05)
            return len(seen) > 6 and max(seen[-6:]) - min(seen[-6:]) < 4096

        eventually(is_settled, "the memory to settle")
    return seen[-1]


def flood_and_wait(server: Server, waves: int) -> int:
    """What the server used while all of the flood was there, if it came in one wave."""
    with server.client() as db:
        flood(db, "k", 0, waves)
        used = db.info("memory")["used_memory"]
        Clock(db).advance(HOUR)
        eventually(lambda: subjects(db, "k") == 0, "them to be forgotten")
    return used


@same_allocator
def test_a_flood_that_is_over_leaves_the_memory_as_it_was(start_server):
    server = start_server()
    with server.client() as db:
        Clock(db).set(BASE)
        db.do(f"RL.DEFINE k {LIMITS}")
    flood_and_wait(server, 20)  # what the server keeps for scripts and connections is there from now on
    before = memory_at_rest(server)
    assert flood_and_wait(server, 1) - before > FLOOD * 16
    assert memory_at_rest(server) < before * 1.03


def test_a_flood_that_goes_on_takes_no_more_than_those_who_are_in_use(start_server):
    """Room is made for new subjects by forgetting the idle ones, also if the background sweep does not keep up."""
    waves = 20
    with start_server().client() as db:
        clock = Clock(db)
        clock.set(BASE)
        db.do(f"RL.DEFINE k {LIMITS}")
        most = 0
        for wave in range(waves):
            flood(db, "k", wave, waves)
            most = max(most, subjects(db, "k"))
            clock.advance(HOUR)
        assert most < 4 * FLOOD // waves


@pytest.mark.parametrize("way", ["UNLINK k", "FLUSHALL ASYNC", "FLUSHDB ASYNC", "RL.FIXED other 1 1s"])
def test_a_large_table_is_freed_in_the_background(start_server, way):
    """But for the last way, which leaves it alone."""
    with start_server().client() as db:
        Clock(db).set(BASE)
        fill(db, "k", FLOOD // 2, LIMITS)
        db.do(way)
        eventually(lambda: db.info("memory")["lazyfree_pending_objects"] == 0, "it to be freed")
        assert (db.info("memory")["lazyfreed_objects"] > 0) == (db.exists("k") == 0) == (not way.startswith("RL."))


def test_a_large_table_that_is_replaced_or_renamed_over_is_gone(db, clock):
    fill(db, "k", MANY, LIMITS)
    fill(db, "l", MANY, LIMITS)
    db.set("k", "text")
    db.do("RENAME k l")
    wait_for_sweep(db)
    assert db.get("l") == "text"


# --- wherever tables go -----------------------------------------------------------------------------


def move_in_every_way(server: Server, db: Client) -> None:
    """Tables in the keys k0 and so on, each moved in a way of its own."""
    with server.client(decode_responses=False) as raw, server.client(decode_responses=False, db=3) as there:
        payload = raw.dump("k0")
        raw.delete("k0")
        raw.restore("restored", 0, payload)
        there.restore("restored there", 0, payload)
    for line in (
        *("RENAME k1 l1", "RENAME k2 l2", "RENAMENX l2 m2", "COPY k3 l3", "COPY k4 l4", "DEL k4", "COPY k5 k5 DB 1"),
        *("MOVE k6 1", "COPY k7 l7 DB 1", "RENAME k8 k9", "SET k1 text", "DEL k1"),
    ):
        db.do(line)
    db.eval("redis.call('RENAME', 'k7', 'l7') redis.call('COPY', 'l7', 'k7')", 0)


def keys_in_all(db: Client) -> int:
    return sum(database["keys"] for database in db.info("keyspace").values())


@pytest.mark.parametrize("last", ["SWAPDB 0 1", "SWAPDB 0 4", "DEBUG RELOAD"])
def test_tables_are_looked_after_wherever_they_go(server, db, clock, last):
    """One database that they are swapped with has been looked after before, the other never."""
    for number in range(10):
        fill(db, f"k{number}", 200, LIMITS)
    move_in_every_way(server, db)
    db.do(last)
    assert keys_in_all(db) == 14
    clock.advance(HOUR)
    eventually(lambda: keys_in_all(db) == 0, "all of them to go")


@pytest.mark.parametrize(
    ("preamble", "rewrite"),
    [("yes", False), ("yes", True), ("no", True)],
    ids=["as written", "rewritten with a preamble", "rewritten as commands"],
)
def test_tables_are_looked_after_when_they_were_read_from_a_file(start_server, preamble, rewrite):
    server = start_server("--appendonly", "yes", "--aof-use-rdb-preamble", preamble)
    with server.client() as db:
        Clock(db).set(BASE)
        fill(db, "k", 2000, LIMITS)
        db.do(f"RL.DEFINE stored {LIMITS}")
        fill(db, "stored", 2000)
        if rewrite:
            db.bgrewriteaof()
            eventually(lambda: not db.info("persistence")["aof_rewrite_in_progress"], "the file to be written anew")
    server.restart()
    with server.client() as db:
        Clock(db).set(BASE + HOUR - 1)
        assert (subjects(db, "k"), subjects(db, "stored")) == (2000, 2000)
        Clock(db).set(BASE + HOUR)
        gone(db, "k")
        eventually(lambda: subjects(db, "stored") == 0, "them to be forgotten")
    server.restart()
    with server.client() as db:
        assert (db.keys(), subjects(db, "stored")) == (["stored"], 0), "what was forgotten is so in the file"


def test_many_tables_are_looked_after(db, clock):
    with db.pipeline(transaction=False) as pipe:
        for number in range(500):
            pipe.execute_command("RL.CHECK", f"k{number}", *LIMITS.split(), "FOR", "a")
        pipe.execute()
    clock.advance(HOUR)
    eventually(lambda: db.dbsize() == 0, "all of them to go")


# --- when it must keep still ------------------------------------------------------------------------


@pytest.mark.time_runs
def test_nothing_is_forgotten_while_writing_is_paused(start_server):
    """The background sweep comes by about once a second: two of them must pass."""
    server = start_server("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "3600")
    with server.client() as db:
        Clock(db).set(BASE)
        ear = ReplicaEar(server)
        fill(db, "k", 500, LIMITS)
        assert ear.heard()
        with nothing_forgotten(db):
            before = db.info("replication")["master_repl_offset"]
            Clock(db).advance(HOUR)
            time.sleep(2.2)
            assert db.info("replication")["master_repl_offset"] == before
            assert (subjects(db, "k"), standing(db, "k", "s1")) == (500, None)
        gone(db, "k")
        assert "RL._EFFECT SWEEP" in names(ear.heard())
        ear.close()


def test_what_the_sweep_does_disturbs_no_transaction_and_no_recency(db, clock, configure):
    """A walk through a table is no use of its key, and changes nothing that is watched while nobody is idle."""
    configure("maxmemory-policy", "allkeys-lfu")
    configure("lfu-decay-time", "0")  # else it goes down when a minute of the wall clock ends
    fill(db, "k", 500, LIMITS)
    with db.pipeline(transaction=True) as pipe:
        pipe.watch("k")
        before = db.object("FREQ", "k")
        wait_for_sweep(db)
        assert db.object("FREQ", "k") == before
        pipe.multi()
        pipe.execute_command("RL.CHECK", "k", *LIMITS.split(), "FOR", "s1")
        assert pipe.execute()[0][0] == 1
