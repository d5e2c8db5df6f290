# SPDX-License-Identifier: MIT
"""RL.RESET: one subject is forgotten, as if it had never been seen; everybody else and stored limits stay."""

from __future__ import annotations

import pytest

from harness import BASE, PATIENCE_S, SECOND, Client, Clock, eventually, same_allocator, watching

ALGORITHMS = [
    *("TOKENBUCKET 10 1 6s", "LEAKYBUCKET 10 1 6s", "FIXED 10 60s", "SLIDING 10 60s", "SLIDING 10 60s APPROX"),
    *("QUOTA 10 HOUR", "CONCURRENT 10 60s"),
]
every_limit = pytest.mark.parametrize("limit", ALGORITHMS)
# What a subject may have: used, owed, held, a turn of who waits, a block, accounts of two lists.
STATES = {
    "used": ["RL.CHECK k {limit} COST 4{who}"],
    "in debt": ["RL.CHECK k {limit} COST 400 FORCE{who}"],
    "held": ["RL.RESERVE k 1h {limit} COST 2 ID a{who}"],
    "settled": ["RL.RESERVE k 1h {limit} COST 2 ID a{who}", "RL.SETTLE k a 0{who}"],
    "waiting": ["RL.CHECK k {limit} COST 10{who}", "RL.CHECK k {limit} MAXWAIT 2h{who}"],
    "blocked": ["RL.BLOCK k 1h{who}"],
    "all": [
        *("RL.RESERVE k 1h {limit} COST 10 ID a{who}", "RL.CHECK k {limit} MAXWAIT 2h{who}", "RL.BLOCK k 1h{who}"),
        "RL.CHECK k SLIDING 99 1h FORCE{who}",
    ],
}
every_state = pytest.mark.parametrize("lines", STATES.values(), ids=STATES)


def say(db: Client, lines: list[str], limit: str, who: str = "") -> None:
    for line in lines:
        db.do(line.format(limit=limit, who=who))


@every_limit
@every_state
def test_a_key_that_is_one_subject_is_removed(db, clock, limit, lines):
    say(db, lines, limit)
    assert db.do("RL.RESET k") == 1
    assert db.exists("k") == 0
    assert db.do("RL.RESET k") == 0
    assert db.ask(f"RL.CHECK k {limit} COST 10")[:4] == (10, 10, 0, 0)


@every_limit
@every_state
def test_a_dense_key_loses_this_subject_alone(db, clock, limit, lines):
    say(db, lines, limit, " FOR bob")
    say(db, lines, limit, " FOR alice")
    say(db, lines, limit)
    before = db.do("RL.INFO k FOR alice"), db.rl_info("k")["limits"]
    assert db.do("RL.RESET k FOR bob") == 1
    assert db.do("RL.RESET k FOR bob") == 0
    assert db.do("RL.INFO k FOR bob") is None
    assert (db.do("RL.INFO k FOR alice"), db.rl_info("k")["limits"]) == before
    assert db.rl_info("k")["subjects"] == 1
    assert db.ask(f"RL.CHECK k {limit} FOR bob COST 10").granted == 10


@every_limit
@pytest.mark.parametrize("who", ["", " FOR bob"], ids=["itself", "dense"])
def test_the_limits_of_a_limiter_stay_and_so_do_the_others(db, clock, limit, who):
    db.do(f"RL.DEFINE k {limit}")
    others = [" FOR alice", " FOR bob" if not who else ""]
    for each in (who, *others):
        db.ask(f"RL.CHECK k COST 4 ID a{each}")
    db.do(f"RL.BLOCK k 1h{who}")
    before = [db.do(f"RL.PEEK k{each}") for each in others]
    assert db.do(f"RL.RESET k{who}") == 1
    assert db.do(f"RL.RESET k{who}") == 0
    assert [db.do(f"RL.PEEK k{each}") for each in others] == before
    assert db.rl_info("k")["stored"] == 1
    assert db.ask(f"RL.CHECK k COST 10 ID a{who}").granted == 10


def test_the_key_of_a_dense_table_is_forgotten_as_any(db, clock):
    """Its own subject is one of them; the last one takes the key along."""
    for who in ("", " FOR bob"):
        db.ask(f"RL.FIXED k 10 60s{who} COST 4")
    assert db.do("RL.RESET k") == 1
    assert db.do("RL.PEEK k") is None
    assert db.ask("RL.PEEK k FOR bob")[:3] == (1, 10, 6)
    assert db.do("RL.RESET k FOR bob") == 1
    assert db.exists("k") == 0


def test_of_many_only_one_is_forgotten(db, clock):
    names = [f"s{number}" for number in range(3000)]
    with db.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.execute_command("RL.SLIDING", "k", 10, "1h", "FOR", name, "COST", 3)
        for name in names[::3]:
            pipe.execute_command("RL.RESET", "k", "FOR", name)
        for name in names:
            pipe.execute_command("RL.PEEK", "k", "SLIDING", 10, "1h", "FOR", name)
        replies = pipe.execute()
    assert {reply for reply in replies[3000:4000]} == {1}
    assert [reply[2] for reply in replies[4000:]] == [10, 7, 7] * 1000
    assert db.rl_info("k")["subjects"] == 2000


def test_nothing_is_what_there_is_to_forget_of_nobody(db, clock):
    db.do("RL.DEFINE limiter FIXED 10 60s")
    db.ask("RL.CHECK limiter FOR alice")
    db.ask("RL.CHECK idle TOKENBUCKET 10 1 1s")
    clock.advance(SECOND)
    before = db.changes(), db.do("DEBUG DIGEST")
    for line in ("RL.RESET absent", "RL.RESET absent FOR bob", "RL.RESET limiter", "RL.RESET limiter FOR bob"):
        assert db.do(line) == 0
    assert db.do("RL.RESET idle") == 0
    assert (db.changes(), db.do("DEBUG DIGEST")) == before


def test_a_hold_that_has_ended_is_given_back_first(db, clock):
    db.ask("RL.RESERVE k 10s FIXED 10 1h COST 4 ID a")
    clock.advance(10 * SECOND)
    assert db.do("RL.RESET k") == 0
    assert db.exists("k") == 0


def test_counters_stay_as_long_as_the_key(db, clock):
    db.do("RL.DEFINE k FIXED 2 60s")
    for _ in range(3):
        db.ask("RL.CHECK k FOR bob")
    db.ask("RL.CHECK k")
    db.do("RL.RESET k FOR bob")
    db.do("RL.RESET k")
    info = db.rl_info("k")
    assert (info["granted"], info["denied"]) == (3, 1)
    assert db.do("RL.TOP k") == [["bob", 1, 0]]


def test_del_deletes_keys_and_no_subjects(db, clock):
    """What one may try instead: three keys of those names."""
    db.do("RL.DEFINE api FIXED 10 60s")
    db.ask("RL.CHECK api FOR bob")
    db.set("FOR", "x")
    db.set("bob", "x")
    assert db.do("DEL api FOR bob") == 3
    assert db.do("RL.PEEK api FOR bob") is None


def test_a_key_of_another_type_is_an_error(db, clock):
    db.set("k", "1800000000000000000")  # as redis-cell leaves one: RL.RESET is not for those
    before = db.changes()
    for line in ("RL.RESET k", "RL.RESET k FOR bob"):
        assert db.error(*line.split()).startswith("WRONGTYPE")
    assert db.changes() == before


def test_listeners_hear_of_a_key_that_is_removed(db, clock, server, configure):
    configure("notify-keyspace-events", "KEA")
    db.ask("RL.FIXED k 10 60s")
    db.do("RL.DEFINE limiter FIXED 10 60s")
    db.ask("RL.CHECK limiter FOR bob")
    with server.client() as other:
        heard = other.pubsub()
        heard.psubscribe("__keyspace@0__:*")
        heard.get_message(timeout=PATIENCE_S)
        db.do("RL.RESET k")
        db.do("RL.RESET limiter FOR bob")
        db.do("SET end x")
        messages = []
        while not messages or messages[-1] != ("__keyspace@0__:end", "set"):
            message = heard.get_message(timeout=PATIENCE_S)
            messages.append((message["channel"], message["data"]))
    assert messages == [("__keyspace@0__:k", "del"), ("__keyspace@0__:end", "set")]


@pytest.mark.parametrize("who", ["", " FOR bob"], ids=["itself", "dense"])
def test_a_watching_client_hears_of_a_change_and_of_nothing_else(db, clock, server, who):
    db.do("RL.DEFINE k FIXED 10 60s")
    for is_change in (False, True, False):
        if is_change:
            db.ask(f"RL.CHECK k{who}")
        with watching(server, "k") as watch:
            assert db.do(f"RL.RESET k{who}") == is_change
        assert watch.is_heard == is_change


# --- files and replicas

FORGOTTEN = [
    "RL.SLIDING single 10 1h COST 3",
    "RL.DEFINE limiter SLIDING 10 1h",
    *(f"RL.CHECK limiter{who} COST 3" for who in ("", " FOR bob", " FOR alice")),
    *(f"RL.CHECK dense SLIDING 10 1h{who} COST 3" for who in ("", " FOR bob", " FOR alice")),
    "RL.RESERVE dense 1h SLIDING 10 1h FOR bob ID a",
    "RL.BLOCK limiter 1h FOR bob",
]
RESETS = ["single", "limiter", "limiter FOR bob", "dense FOR bob", "dense"]


def assert_forgotten(db: Client) -> None:
    assert db.exists("single") == 0
    assert [db.rl_info(key)["subjects"] for key in ("limiter", "dense")] == [1, 1]
    assert [db.ask(f"RL.PEEK {key} FOR alice").remaining for key in ("limiter", "dense")] == [7, 7]
    assert db.ask("RL.PEEK limiter").remaining == db.ask("RL.PEEK limiter FOR bob").remaining == 10
    assert db.do("RL.PEEK dense") is None


def test_a_replica_forgets_the_same(start_server):
    primary = start_server()
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port))
    with primary.client() as db, replica.client() as copy:
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to be in sync")
        for each in (db, copy):
            Clock(each).set(BASE)
        for line in FORGOTTEN:
            db.do(line)
        assert [db.do(f"RL.RESET {what}") for what in RESETS] == [1] * len(RESETS)
        eventually(lambda: copy.do("DEBUG DIGEST") == db.do("DEBUG DIGEST"), "the replica to have it all")
        assert_forgotten(db)
        assert_forgotten(copy)
        assert copy.error("RL.RESET", "dense").endswith("read only replica.")


def test_a_restart_does_not_bring_anybody_back(start_server):
    server = start_server("--appendonly", "yes")
    with server.client() as db:
        Clock(db).set(BASE)
        for line in [*FORGOTTEN, *(f"RL.RESET {what}" for what in RESETS)]:
            db.do(line)
        before = db.do("DEBUG DIGEST")
        db.do("DEBUG LOADAOF")
        assert db.do("DEBUG DIGEST") == before
        db.do("DEBUG RELOAD")
        assert db.do("DEBUG DIGEST") == before
        assert_forgotten(db)


HOLDS = """
for hold = 1, 8192 do
    redis.call('RL.RESERVE', KEYS[1], '1h', 'FIXED', '4294967295', '1d', 'CONCURRENT', '4294967295', '1h',
               'ID', 'the-call-with-the-number-' .. hold, unpack(ARGV))
end
"""


@same_allocator
@pytest.mark.parametrize(
    ("subject", "others"), [("", False), ("", True), ("me", True)], ids=["alone", "own", "of many"]
)
def test_what_a_large_subject_had_is_freed_after_the_call(db, clock, subject, others):
    def used() -> int:
        return db.info("memory")["used_memory"]

    who = f" FOR {subject}" if subject else ""
    db.do(f"RL.CHECK k FIXED 10 1d{who}")
    if others:
        db.do("RL.CHECK k FIXED 10 1d FOR other")
    before = used()
    db.eval(HOLDS, 1, "k", *who.split())
    full = used()
    assert full - before > 8192 * 250, "what earlier tests left may be freed meanwhile"
    with db.pipeline(transaction=True) as together:  # no step of the background comes in between
        together.execute_command(*f"RL.RESET k{who}".split())
        together.info("memory")
        forgotten, memory = together.execute()
    assert forgotten == 1
    assert full - memory["used_memory"] < (full - before) / 10, "nothing waits for it"
    eventually(lambda: full - used() > (full - before) * 0.8, "what was forgotten to be freed")


def test_at_maxmemory_one_can_still_be_forgotten(start_server):
    with start_server().client() as db:
        for line in FORGOTTEN:
            db.do(line)
        db.config_set("maxmemory", "1")
        assert db.error("RL.CHECK", "limiter").startswith("OOM")
        assert [db.do(f"RL.RESET {what}") for what in RESETS] == [1] * len(RESETS)
