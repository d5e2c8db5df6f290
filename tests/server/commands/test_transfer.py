# SPDX-License-Identifier: MIT
"""RL.TRANSFER: a subject goes over to another key, where what it used counts from then on."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from harness import BASE, HOUR, MINUTE, MS, PATIENCE_S, SECOND, Client, Clock, eventually, watching
from seed import SEED
from steps import hear
from traffic import Talk

ALGORITHMS = [
    *("TOKENBUCKET {} 1 6s", "LEAKYBUCKET {} 1 6s", "FIXED {} 60s", "FIXED {} 60s ALIGNED", "SLIDING {} 60s"),
    *("SLIDING {} 60s APPROX", "QUOTA {} HOUR", "QUOTA {} MONTH ANCHOR 2026-01-31 TZ Europe/Berlin"),
]
every_limit = pytest.mark.parametrize("limit", ALGORITHMS)
WHO = {"itself": "", "dense": " FOR bob"}
every_subject = pytest.mark.parametrize("who", WHO.values(), ids=WHO)
IN_USE = "the subject is in use in both keys, and in from it has holds, leases or a caller who waits: settle, release "
IN_USE += "or wait first, or forget it in to with RL.RESET"
# What ties a subject to its key: a hold, a settled id, a lease, somebody who waits.
TIES = {
    "hold": ["RL.RESERVE free 30s COST 2 ID a{}"],
    "settled id": ["RL.RESERVE free 30s COST 2 ID a{}", "RL.SETTLE free a 2{}"],
    "lease": ["RL.CHECK free ID a{}"],
    "turn": ["RL.CHECK free COST 10 ID a{}", "RL.RELEASE free a{}", "RL.CHECK free MAXWAIT 1m ID b{}"],
}
every_tie = pytest.mark.parametrize("tie", TIES.values(), ids=TIES)


def used(db: Client, key: str, who: str = "") -> dict[str, int]:
    info = db.rl_info(key, who.removeprefix(" FOR "))
    return {limit["label"]: limit["used"] for limit in info["limits"]}


def seen(db: Client, key: str, who: str = "") -> tuple | None:
    """All that there is to know of a subject."""
    if db.do(f"RL.INFO {key}{who}") is None:
        return None
    info = db.rl_info(key, who.removeprefix(" FOR "))
    return info["holds"], info["blocked"], info["first_holds"], info["limits"]


# --- to where it is not in use


@every_limit
@every_subject
@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "unstored"])
def test_what_was_used_counts_in_the_other_key_and_no_longer_in_the_first(db, clock, limit, who, is_stored):
    small, large = limit.format(10), limit.format(100)
    for key, rule in (("free", small), ("paid", large)) if is_stored else ():
        db.do(f"RL.DEFINE {key} {rule} AS plan")
    named = ("", "") if is_stored else (small, small)
    db.ask(f"RL.CHECK free {named[0]}{who} COST 4")
    assert db.do(f"RL.TRANSFER free paid{who}") == 1
    assert db.ask(f"RL.CHECK paid {named[1]}{who} COST 1").remaining == (95 if is_stored else 5)
    assert db.do(f"RL.TRANSFER free paid{who}") == 0
    assert db.ask(f"RL.CHECK free {named[0]}{who} COST 1").remaining == 9
    if not who and not is_stored:
        db.do("RL.RESET free")
        assert db.exists("free") == 0


@pytest.mark.parametrize("to", ALGORITHMS)
@every_limit
def test_it_goes_over_as_if_the_limits_had_been_changed(db, clock, limit, to):
    """Debt and cut-off included: twice the same, once by RL.DEFINE and once by RL.TRANSFER."""
    for size in (3, 100):
        db.flushall()
        clock.set(BASE)
        for key in ("changed", "moved"):
            db.do(f"RL.DEFINE {key} {limit.format(10)} AS a FIXED 9 1h AS b PER REQUEST")
            for name in ("", " FOR bob"):
                db.ask(f"RL.CHECK {key}{name} COST 7")
                clock.set(BASE + SECOND)
                db.ask(f"RL.CHECK {key}{name} COST 4 FORCE")
                clock.set(BASE)
        new = f"FIXED 5 1m AS b {to.format(size)} AS a"
        clock.set(BASE + 2 * SECOND)
        db.do(f"RL.DEFINE changed {new}")
        db.do(f"RL.DEFINE plan {new}")
        for name in ("", " FOR bob"):
            assert db.do(f"RL.TRANSFER moved plan{name}") == 1
        for instant in (BASE + 2 * SECOND, BASE + 30 * SECOND, BASE + 70 * SECOND):
            clock.set(instant)
            for name in ("", " FOR bob"):
                assert seen(db, "plan", name) == seen(db, "changed", name)
                assert db.do(f"RL.PEEK plan{name}") == db.do(f"RL.PEEK changed{name}")
        back = f"FIXED 9 1h AS b PER REQUEST {limit.format(10)} AS a"
        for key in ("changed", "plan"):
            db.do(f"RL.DEFINE {key} {back}")
        assert seen(db, "plan", " FOR bob") == seen(db, "changed", " FOR bob")


@every_subject
@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "unstored"])
def test_holds_leases_turns_and_blocks_go_along(db, clock, who, is_stored):
    limits = "FIXED 10 60s CONCURRENT 30 60s PER REQUEST"
    db.do(f"RL.DEFINE free {limits}")
    if is_stored:
        db.do("RL.DEFINE paid FIXED 20 60s CONCURRENT 50 60s PER REQUEST")
    db.ask(f"RL.RESERVE free 30s COST 3 ID held{who}")
    db.ask(f"RL.RESERVE free 30s COST 2 ID over{who}")
    db.ask(f"RL.SETTLE free over 1{who}")
    db.ask(f"RL.CHECK free COST 6 ID lease{who}")
    db.ask(f"RL.CHECK free COST 5 MAXWAIT 10m ID waiting{who}")
    db.do(f"RL.BLOCK free 5s{who}")
    before = seen(db, "free", who)
    assert db.do(f"RL.TRANSFER free paid{who}") == 1
    after = seen(db, "paid", who)
    assert after[:3] == before[:3]
    assert is_stored or after == before
    clock.advance(5 * SECOND)
    assert db.ask(f"RL.CHECK paid{who} {'' if is_stored else limits} ID x").wait_ms >= 55_000, "behind who waits"
    assert db.ask(f"RL.SETTLE paid over 7{who}")[0] == 1, "settled before"
    assert db.ask(f"RL.SETTLE paid held 0{who}")[-1] == "settled"
    assert db.do(f"RL.RELEASE paid lease{who}") == 1
    assert db.do(f"RL.RELEASE paid lease{who}") == 0
    assert db.do(f"RL.RELEASE free lease{who}") == 0


@every_subject
def test_a_hold_gives_its_units_back_in_the_new_key(db, clock, who):
    db.do("RL.DEFINE free SLIDING 10 1h")
    db.do("RL.DEFINE paid SLIDING 100 1h")
    db.ask(f"RL.RESERVE free 30s COST 6 ID a{who}")
    db.ask(f"RL.CHECK free COST 2{who}")
    db.do(f"RL.TRANSFER free paid{who}")
    assert used(db, "paid", who) == {"sliding": 8}
    clock.advance(30 * SECOND)
    assert used(db, "paid", who) == {"sliding": 2}


@every_subject
def test_without_stored_limits_it_keeps_its_accounts_and_their_last_grants(db, clock, who):
    """An account that nobody asks under is dropped as late as it would have been in the first key."""
    for key in ("k", "stays"):
        db.ask(f"RL.CHECK {key} FIXED 10 60s FORCE COST 4{who}")
        clock.set(BASE + SECOND)
        db.ask(f"RL.CHECK {key} SLIDING 10 90s FORCE COST 500{who}")
        clock.set(BASE)
    clock.set(BASE + 2 * SECOND)
    assert db.do(f"RL.TRANSFER k other{who}") == 1
    for instant in (2, 61, 89, 92, 100):
        clock.set(BASE + instant * SECOND)
        assert db.do(f"RL.PEEK other{who}") == db.do(f"RL.PEEK stays{who}")
    db.do(f"RL.CHECK other FIXED 10 60s{who}")


def test_a_block_alone_goes_over(db, clock):
    db.do("RL.BLOCK free 30s FOR bob")
    db.do("RL.BLOCK single 30s")
    db.do("RL.DEFINE paid FIXED 10 60s")
    assert db.do("RL.TRANSFER free other FOR bob") == 1
    assert db.do("RL.TRANSFER other paid FOR bob") == 1
    assert db.do("RL.TRANSFER single alone") == 1
    assert db.ask("RL.CHECK paid FOR bob") == (0, 10, 0, 30_000, 30_000, "blocked")
    assert db.ask("RL.CHECK alone FIXED 10 60s").label == "blocked"
    assert db.exists("free", "other", "single") == 0


def test_limits_without_a_successor_are_forgotten(db, clock):
    db.do("RL.DEFINE free FIXED 10 60s AS a FIXED 10 60s AS b")
    db.do("RL.DEFINE paid FIXED 10 60s AS c")
    db.ask("RL.CHECK free FOR bob CHARGE a 0 CHARGE b 3")
    assert db.do("RL.TRANSFER free paid FOR bob") == 1
    assert db.ask("RL.PEEK paid FOR bob").remaining == 10
    assert db.rl_info("paid")["subjects"] == 0


# --- to where it is in use


@pytest.mark.parametrize("to", ALGORITHMS)
@every_limit
def test_what_was_used_is_added_by_force(db, clock, limit, to):
    db.do(f"RL.DEFINE free {limit.format(10)} AS plan")
    db.do(f"RL.DEFINE paid {to.format(20)} AS plan FIXED 50 1h AS other")
    for name in ("", " FOR bob"):
        db.ask(f"RL.CHECK free{name} COST 10")
        db.ask(f"RL.CHECK paid{name} COST 14")
        assert db.do(f"RL.TRANSFER free paid{name}") == 1
        assert used(db, "paid", name) == {"plan": 24, "other": 14}
        assert db.ask(f"RL.CHECK paid{name}").granted == 0
        assert db.do(f"RL.TRANSFER free paid{name}") == 0


@every_subject
def test_accounts_of_calls_are_charged_what_their_predecessors_count(db, clock, who):
    db.ask(f"RL.CHECK free FIXED 10 60s AS a SLIDING 10 60s AS b{who} CHARGE a 2 CHARGE b 3")
    db.ask(f"RL.CHECK paid SLIDING 100 60s AS b FIXED 100 60s AS c QUOTA 100 DAY AS d{who} COST 20")
    assert db.do(f"RL.TRANSFER free paid{who}") == 1
    assert used(db, "paid", who) == {"b": 23, "c": 22, "d": 20}


def test_leases_are_only_those_that_somebody_took(db, clock):
    """What was used has no holder who could release it."""
    db.do("RL.DEFINE paid CONCURRENT 5 60s")
    db.ask("RL.CHECK paid FOR bob ID a")
    db.ask("RL.CHECK free FIXED 10 60s FOR bob COST 3")
    assert db.do("RL.TRANSFER free paid FOR bob") == 1
    assert used(db, "paid", " FOR bob") == {"concurrent": 1}


def test_requests_stay_requests(db, clock):
    for key in ("free", "paid"):
        db.do(f"RL.DEFINE {key} FIXED 100 60s PER REQUEST")
        for _ in range(3):
            db.ask(f"RL.CHECK {key} COST 7 FOR bob")
    db.do("RL.TRANSFER free paid FOR bob")
    assert used(db, "paid", " FOR bob") == {"fixed": 6}


@every_subject
@pytest.mark.parametrize(("here", "there", "stays"), [("30s", "9s", 30_000), ("9s", "30s", 30_000), ("5s", "0", 5000)])
def test_the_longer_of_two_blocks_stays(db, clock, who, here, there, stays):
    for key, length in (("free", here), ("paid", there)):
        db.ask(f"RL.CHECK {key} FIXED 10 60s{who}")
        db.do(f"RL.BLOCK {key} {length}{who}")
    assert db.do(f"RL.TRANSFER free paid{who}") == 1
    assert db.rl_info("paid", who.removeprefix(" FOR "))["blocked"] == stays
    assert used(db, "paid", who) == {"fixed": 2}


@every_subject
@every_tie
def test_holds_leases_and_turns_are_not_added(db, clock, who, tie):
    db.do("RL.DEFINE free FIXED 10 60s CONCURRENT 10 60s")
    db.do("RL.DEFINE paid FIXED 10 60s")
    db.ask(f"RL.CHECK paid{who}")
    for line in tie:
        db.do(line.format(who))
    before = db.changes(), db.do("DEBUG DIGEST")
    assert db.error("RL.TRANSFER", "free", "paid", *who.split()) == IN_USE
    assert (db.changes(), db.do("DEBUG DIGEST")) == before
    db.do(f"RL.RESET paid{who}")
    assert db.do(f"RL.TRANSFER free paid{who}") == 1


@every_subject
@every_tie
def test_what_has_ended_ties_nobody(db, clock, who, tie):
    """Holds that have ended are given back first."""
    db.do("RL.DEFINE free FIXED 10 60s CONCURRENT 10 60s")
    db.do("RL.DEFINE paid FIXED 10 2h")
    db.ask(f"RL.CHECK paid COST 3{who}")
    for line in tie:
        db.do(line.format(who))
    clock.advance(2 * MINUTE)
    db.ask(f"RL.CHECK free COST 2 ID new{who}")
    db.do(f"RL.RELEASE free new{who}")
    assert db.do(f"RL.TRANSFER free paid{who}") == 1
    assert used(db, "paid", who) == {"fixed": 5}


def test_holds_of_the_new_key_stay_and_give_back_their_own_units_alone(db, clock):
    for key in ("free", "paid"):
        db.do(f"RL.DEFINE {key} SLIDING 100 1h")
    db.ask("RL.CHECK free FOR bob COST 5")
    db.ask("RL.RESERVE paid 30s FOR bob COST 20 ID a")
    assert db.do("RL.TRANSFER free paid FOR bob") == 1
    assert used(db, "paid", " FOR bob") == {"sliding": 25}
    assert db.ask("RL.SETTLE paid a 1 FOR bob")[-1] == "settled"
    assert used(db, "paid", " FOR bob") == {"sliding": 6}


def test_who_is_idle_in_the_new_key_goes_over_whole(db, clock):
    db.ask("RL.CHECK paid TOKENBUCKET 10 10 1s FOR bob COST 5")
    db.ask("RL.RESERVE ended 1s FIXED 10 1h FOR bob COST 5")
    clock.advance(SECOND)
    for to in ("paid", "ended"):
        db.ask("RL.RESERVE free 30s FIXED 10 60s FOR bob COST 5 ID a")
        assert db.do(f"RL.TRANSFER free {to} FOR bob") == 1
        assert used(db, to, " FOR bob") == {"fixed": 5}


# --- nothing to take along, and errors


def test_of_nobody_there_is_nothing_to_take_along(db, clock):
    db.do("RL.DEFINE limiter FIXED 10 60s")
    db.do("RL.DEFINE other FIXED 10 60s")
    db.ask("RL.CHECK limiter FOR alice")
    db.ask("RL.CHECK idle TOKENBUCKET 10 1 1s")
    db.ask("RL.CHECK crowd TOKENBUCKET 10 1 1s FOR bob")
    clock.advance(SECOND)
    before = db.changes(), db.do("DEBUG DIGEST"), db.dbsize()
    for keys in ("absent new", "limiter new", "limiter other", "idle new", "crowd new"):
        for who in ("", " FOR bob"):
            assert db.do(f"RL.TRANSFER {keys}{who}") == 0
    assert (db.changes(), db.do("DEBUG DIGEST"), db.dbsize()) == before


def test_who_held_all_that_there_was_is_idle_once_that_has_ended(db, clock):
    db.ask("RL.RESERVE k 10s FIXED 10 1h COST 4 ID a")
    clock.advance(10 * SECOND)
    assert db.do("RL.TRANSFER k new") == 0
    assert db.exists("k", "new") == 0


@every_subject
@pytest.mark.parametrize("keys", [("string", "k"), ("k", "string"), ("absent", "string"), ("string", "absent")])
def test_a_key_of_another_type_is_an_error(db, clock, who, keys):
    db.set("string", "1800000000000000000")  # as redis-cell leaves one: RL.TRANSFER is not for those
    db.ask(f"RL.CHECK k FIXED 10 60s{who}")
    before = db.changes(), db.do("DEBUG DIGEST")
    assert db.error("RL.TRANSFER", *keys, *who.split()).startswith("WRONGTYPE")
    assert (db.changes(), db.do("DEBUG DIGEST")) == before


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("k", "wrong number of arguments"),
        ("k k", "to must be another key than from"),
        ("k k FOR bob", "to must be another key than from"),
        ("k l bob", "syntax error at argument 3: expected FOR subject"),
        ("k l FOR", "FOR is missing"),
        ("k l FOR a FOR b", "FOR must be the last argument"),
    ],
)
def test_a_bad_call_is_refused_by_the_name_of_the_argument(db, clock, words, text):
    db.ask("RL.CHECK k FIXED 10 60s")
    before = db.changes(), db.do("DEBUG DIGEST")
    assert db.error("RL.TRANSFER", *words.split()).startswith(text)
    assert (db.changes(), db.do("DEBUG DIGEST")) == before


def test_a_name_is_as_long_as_names_are(db, clock):
    for bad in ("", "x" * 1025):
        assert db.error("RL.TRANSFER", "k", "l", "FOR", bad) == "FOR must be the name of a subject, of 1 to 1024 bytes"


def test_keys_may_be_any_bytes(db, clock):
    db.execute_command("RL.FIXED", b"", 10, "60s")
    assert db.execute_command("RL.TRANSFER", b"", b"a\0b\xff") == 1
    assert db.execute_command("RL.PEEK", b"a\0b\xff")[2] == 9


# --- who stays, what stays


def test_others_and_stored_limits_and_counters_stay(db, clock):
    db.do("RL.DEFINE free FIXED 3 60s")
    db.do("RL.DEFINE paid FIXED 10 60s")
    for name in ("", " FOR alice", " FOR bob"):
        for _ in range(4):
            db.ask(f"RL.CHECK free{name}")
    assert db.do("RL.TRANSFER free paid FOR bob") == 1
    info = db.rl_info("free")
    assert (info["granted"], info["denied"], info["stored"], info["subjects"]) == (9, 3, 1, 1)
    assert {name for name, *_ in db.do("RL.TOP free")} == {"alice", "bob"}
    assert (db.rl_info("paid")["granted"], db.do("RL.TOP paid")) == (0, [])
    assert [db.ask(f"RL.PEEK free{name}").remaining for name in ("", " FOR alice", " FOR bob")] == [0, 0, 3]
    assert db.do("RL.TRANSFER free paid") == 1
    assert db.ask("RL.PEEK free FOR alice").remaining == 0
    assert db.rl_info("free")["stored"] == 1


def test_limits_on_trial_count_there_too(db, clock):
    db.do("RL.DEFINE free FIXED 10 60s SHADOW")
    db.do("RL.DEFINE paid FIXED 10 60s")
    db.ask("RL.CHECK free FOR bob COST 4")
    assert db.do("RL.TRANSFER free paid FOR bob") == 1
    assert db.ask("RL.PEEK paid FOR bob").remaining == 6
    assert db.do("RL.TRANSFER paid free FOR bob") == 1
    assert used(db, "free", " FOR bob") == {"fixed": 4}


@pytest.mark.parametrize("limit", [*ALGORITHMS, "CONCURRENT {} 60s"])
@every_subject
@pytest.mark.parametrize("is_there", [False, True], ids=["whole", "added"])
def test_what_is_of_a_clock_that_was_ahead_counts_from_now(db, clock, limit, who, is_there):
    """As after a denial: it lasts no longer than if it had been used now. A bucket counts as empty then."""
    if is_there and limit.startswith("CONCURRENT"):
        return
    limit = limit.format(10)
    clock.set(BASE + HOUR)
    db.ask(f"RL.CHECK free {limit} COST 10 ID a{who}")
    db.do(f"RL.BLOCK free 5s{who}")
    if is_there:
        db.ask(f"RL.CHECK paid {limit} ID b{who}")
        db.do(f"RL.BLOCK paid 1s{who}")
    clock.set(BASE)
    assert db.do(f"RL.TRANSFER free paid{who}") == 1
    assert db.rl_info("paid", who.removeprefix(" FOR "))["blocked"] == 5000
    db.ask(f"RL.CHECK now {limit} COST 10 ID a{who}")
    if is_there:
        db.ask(f"RL.CHECK now {limit} FORCE COST {10 if 'BUCKET' in limit else 1} ID b{who}")
    assert used(db, "paid", who) == used(db, "now", who)
    clock.advance(4 * MS)
    wait = [db.ask(f"RL.CHECK {key} {limit} COST 3 ID c{who}").wait_ms for key in ("paid", "now")]
    assert wait[0] == wait[1]


def test_a_change_of_limits_that_is_not_applied_yet_comes_first(db, clock):
    """Of both keys: the subject goes over from the limits of its key to those of the other, as they are now."""
    for key in ("free", "paid"):
        db.do(f"RL.DEFINE {key} TOKENBUCKET 100 1 60s")
        for number in range(2000):
            db.ask(f"RL.CHECK {key} FOR s{number} COST 50")
    for key in ("free", "paid"):
        db.do(f"RL.DEFINE {key} TOKENBUCKET 10 1 60s")
        db.do(f"RL.DEFINE {key} TOKENBUCKET 30 1 60s")
    for number in range(0, 2000, 7):
        assert db.do(f"RL.TRANSFER free paid FOR s{number}") == 1
        # Of 50, 20 are cut off in each key. There, they are debt now; here, they are forgotten.
        assert used(db, "paid", f" FOR s{number}") == {"tokenbucket": 30 + 30 + 20}
        assert db.ask(f"RL.PEEK free FOR s{number}").remaining == 30


def test_a_full_log_and_large_counts_are_added_as_far_as_there_is_room(db, clock):
    most, large = 2**32 - 1, 2**53 - 1
    db.do(f"RL.DEFINE log SLIDING {most} 60s")
    db.do(f"RL.DEFINE window FIXED {large} 60s")
    db.do(f"RL.DEFINE bucket TOKENBUCKET {most} {most} 1s")
    for to in ("log", "window", "bucket"):
        db.ask(f"RL.CHECK window FOR bob COST {large}")
        if to == "window":
            continue
        db.ask(f"RL.CHECK {to} FOR bob COST {most}")
        assert db.do(f"RL.TRANSFER window {to} FOR bob") == 1
        assert db.ask(f"RL.CHECK {to} FOR bob").granted == 0
    db.ask(f"RL.CHECK window FOR alice COST {large}")
    db.ask("RL.CHECK more FIXED 5 60s FOR alice COST 5")
    assert db.do("RL.TRANSFER more window FOR alice") == 1
    assert used(db, "window", " FOR alice") == {"fixed": large}


# --- who hears of it


def test_listeners_hear_of_a_key_that_is_removed(db, clock, server, configure):
    configure("notify-keyspace-events", "Kg")
    db.ask("RL.FIXED k 10 60s")
    with server.client() as other:
        heard = other.pubsub()
        heard.psubscribe("__keyspace@0__:k")
        heard.get_message(timeout=PATIENCE_S)
        db.do("RL.TRANSFER k new")
        message = heard.get_message(timeout=PATIENCE_S)
    assert (message["channel"], message["data"]) == ("__keyspace@0__:k", "del")


@every_subject
@pytest.mark.parametrize("key", ["free", "paid"])
def test_a_watching_client_hears_of_a_change_and_of_nothing_else(db, clock, server, who, key):
    for each in ("free", "paid"):
        db.do(f"RL.DEFINE {each} FIXED 10 60s")
    for is_change in (False, True, False):
        if is_change:
            db.ask(f"RL.CHECK free{who}")
        with watching(server, key) as watch:
            assert db.do(f"RL.TRANSFER free paid{who}") == is_change
        assert watch.is_heard == is_change


# --- files and replicas

SETUP = [
    "RL.DEFINE limiter SLIDING 10 1h AS a CONCURRENT 5 1h AS b PER REQUEST",
    "RL.DEFINE target SLIDING 100 2h AS a FIXED 100 1h AS c",
    *(f"RL.CHECK limiter{who} COST 3 ID x" for who in ("", " FOR bob", " FOR alice")),
    *(f"RL.CHECK dense SLIDING 10 1h{who} COST 3" for who in ("", " FOR bob", " FOR alice")),
    "RL.CHECK dense FIXED 10 2h FOR bob",
    "RL.CHECK single TOKENBUCKET 10 1 1h COST 3",
    "RL.CHECK compact TOKENBUCKET 10 1 1h COST 3",
    "RL.RESERVE dense 1h SLIDING 10 1h FOR bob ID held",
    "RL.BLOCK limiter 1h FOR bob",
    "RL.CHECK target FOR carol COST 2",
    "RL.CHECK many FIXED 10 1h FOR carol COST 2",
    "RL.BLOCK many 1h FOR carol",
]
TRANSFERS = [
    *("limiter target FOR bob", "limiter fresh", "limiter fresh FOR alice", "dense second FOR bob", "dense target"),
    *("single compact", "second third FOR bob", "compact fourth", "many target FOR carol"),
]


def test_a_replica_is_as_its_primary(start_server):
    primary = start_server()
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port))
    with primary.client() as db, replica.client() as copy:
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to be in sync")
        for each in (db, copy):
            Clock(each).set(BASE)
        for line in SETUP:
            db.do(line)
        for transfer in TRANSFERS:
            assert db.do(f"RL.TRANSFER {transfer}") == 1
            eventually(lambda: copy.do("DEBUG DIGEST") == db.do("DEBUG DIGEST"), f"the replica to have {transfer}")
        assert copy.error("RL.TRANSFER", "fresh", "target").endswith("read only replica.")


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_a_restart_finds_everybody_where_he_went(start_server, preamble):
    server = start_server("--appendonly", "yes", "--aof-use-rdb-preamble", preamble)
    with server.client() as db:
        Clock(db).set(BASE)
        for line in [*SETUP, *(f"RL.TRANSFER {transfer}" for transfer in TRANSFERS)]:
            db.do(line)
        before = db.do("DEBUG DIGEST")
        db.do("DEBUG LOADAOF")
        assert db.do("DEBUG DIGEST") == before
        db.do("DEBUG RELOAD")
        assert db.do("DEBUG DIGEST") == before
        assert db.exists("single", "compact", "second", "many") == 0
        assert used(db, "target", " FOR carol") == {"a": 2, "c": 4}


def test_both_effects_travel_in_one_transaction(start_server):
    """No replica and no file has the subject twice, or not at all."""
    server = start_server("--appendonly", "yes", "--appendfsync", "always")
    with server.client() as db:
        db.do("RL.DEFINE free FIXED 10 1h")
        db.do("RL.DEFINE paid FIXED 10 1h")
        db.ask("RL.CHECK free FOR bob")
        db.do("RL.TRANSFER free paid FOR bob")
        folder = Path(db.config_get("dir")["dir"])
    log = b"".join(path.read_bytes() for path in sorted(folder.rglob("*.aof")))
    last = log[log.rindex(b"MULTI") :]
    assert last.count(b"RL._EFFECT") == 2
    assert last.index(b"STORE") < last.index(b"FORGET") < last.index(b"EXEC")


def test_at_maxmemory_nobody_goes_over(start_server):
    """It may make a key."""
    with start_server().client() as db:
        for line in SETUP:
            db.do(line)
        db.config_set("maxmemory", "1")
        assert db.error("RL.TRANSFER", "limiter", "target", "FOR", "bob").startswith("OOM")


@pytest.mark.parametrize("user", ["~free", "~paid", "%R~free %RW~paid", "%RW~free %R~paid"])
def test_both_keys_must_be_allowed_to_be_changed(db, clock, server, user):
    db.ask("RL.CHECK free FIXED 10 60s")
    db.do(f"ACL SETUSER mover reset on nopass +@all {user}")
    with server.client(username="mover", password="x") as other:
        assert "permissions to access" in other.error("RL.TRANSFER", "free", "paid")
    db.do("ACL DELUSER mover")


# --- the oracle


@pytest.mark.parametrize("may_be_shadow", [False, True], ids=["in-force", "on-trial"])
@pytest.mark.parametrize(
    "stored",
    [[True, True], [True, False], [False, False], [True, True, False, False]],
    ids=["stored", "mixed", "unstored", "four"],
)
def test_every_reply_to_random_traffic_between_keys_is_the_oracles(db, clock, stored, may_be_shadow):
    rng = random.Random(f"{SEED} transfers {stored} {may_be_shadow}")
    for _ in range(20):
        talk = Talk(rng, stored, may_be_shadow, most_limits=rng.randint(1, 3), transfers=0.15)
        hear(db, talk.steps(150))
