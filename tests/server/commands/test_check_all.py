# SPDX-License-Identifier: MIT
"""RL.CHECKALL: the limits of several keys in one decision: all are charged, or none is."""

from __future__ import annotations

import random
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from threading import Barrier

import pytest
import redis

from cluster import COMMON, SLOTS
from harness import MINUTE, MS, SECOND, Client, Server, eventually, pairs
from resp import Connection
from seed import SEED
from steps import hear, said
from traffic import Talk
from vocabulary import ALGORITHMS, BAD_BUDGETS, BAD_COSTS, NO_DURATIONS, TOO_SHORT, refused

MOST_KEYS = 64


def ask(db: Client, line: str) -> list:
    """The reply to a line in which \"\" is an empty word."""
    return db.execute_command(*said(line))


def used(db: Client, key: str, subject: str = "") -> int:
    """What is used of the first limit; nothing, where nobody is."""
    if db.execute_command("RL.INFO", key, *(["FOR", subject] if subject else [])) is None:
        return 0
    return db.rl_info(key, subject)["limits"][0]["used"]


def limits_of(db: Client, key: str, subject: str) -> list[dict]:
    """What RL.INFO says of the limits, without the ids of leases, which the server makes."""
    limits = db.rl_info(key, subject)["limits"]
    for limit in limits:
        limit["first_leases"] = [{**pairs(lease), "id": ""} for lease in limit.get("first_leases", [])]
    return limits


def counts(db: Client, *keys: str) -> list[tuple[int, int]]:
    infos = [db.rl_info(key) for key in keys]
    return [(info["granted"], info["denied"] + info.get("would_deny", 0)) for info in infos]


# --- all or none


def test_all_keys_are_charged_or_none_is(db, clock):
    limits = "FIXED 10 60s FIXED 5 60s FIXED 20 60s"
    assert ask(db, f"RL.CHECKALL 3 a b c {limits} COST 4") == [4, 5, 1, 0, 60_000, "fixed-2"]
    assert ask(db, f"RL.CHECKALL 3 a b c {limits} COST 2") == [0, 5, 1, 60_000, 60_000, "fixed-2"]
    assert [used(db, key) for key in "abc"] == [4, 4, 4]


@pytest.mark.parametrize(("first", "second"), product(ALGORITHMS, repeat=2))
@pytest.mark.parametrize("form", ["stored", "unstored", "subjects"])
def test_a_limit_that_would_grant_is_not_charged_when_another_denies(db, clock, first, second, form):
    wide = first.replace(" 10 ", " 100 ", 1)
    named, who = f"{wide} AS wide {second} AS narrow", " FOR me me" if form == "subjects" else ""
    if form == "stored":
        db.do(f"RL.DEFINE a {wide} AS wide")
        db.do(f"RL.DEFINE b {second} AS narrow")
        named = ""
    assert ask(db, f"RL.CHECKALL 2 a b {named} COST 10{who}")[5] == "narrow"
    before = [(db.digest(key), used(db, key, "me" if who else "")) for key in "ab"]
    changes = db.changes()
    assert ask(db, f"RL.CHECKALL 2 a b {named}{who}")[:3] == [0, 10, 0]
    assert ask(db, f"RL.CHECKALL 2 a b {named} COST 11{who}")[:4] == [0, 10, 0, -1]
    assert [(db.digest(key), used(db, key, "me" if who else "")) for key in "ab"] == before
    assert db.changes() == changes


@pytest.mark.parametrize("limit", ALGORITHMS)
def test_one_key_is_rl_check_of_it(db, clock, limit):
    for cost in (4, 7, 6, 11, 1):
        for who in ("", " FOR s"):
            one = db.ask(f"RL.CHECK one {limit} COST {cost}{who}")
            all_of_one = ask(db, f"RL.CHECKALL 1 all {limit} COST {cost}{who}")
            assert tuple(all_of_one[:6]) == one[:6]
            assert len(all_of_one) == len(one)
        clock.advance(7 * SECOND)
        for subject in ("", "s"):
            assert limits_of(db, "all", subject) == limits_of(db, "one", subject)
    assert counts(db, "one") == counts(db, "all")


def test_keys_that_are_absent_stay_so_when_the_call_is_denied(db, clock):
    before = db.changes()
    assert ask(db, "RL.CHECKALL 3 a b c FIXED 10 60s FIXED 5 60s FIXED 20 60s COST 6 FOR x y z")[:4] == [0, 5, 5, -1]
    assert (db.dbsize(), db.changes()) == (0, before)


def test_64_keys_are_decided_together(db, clock):
    keys = [f"k{number}" for number in range(MOST_KEYS)]
    limits = " ".join(f"FIXED {100 + number} 60s" for number in range(MOST_KEYS))
    subjects = " ".join(f"s{number}" for number in range(MOST_KEYS))
    line = f"RL.CHECKALL {MOST_KEYS} {' '.join(keys)} {limits} FOR {subjects} COST 60"
    assert ask(db, line) == [60, 100, 40, 0, 60_000, "fixed"]
    assert ask(db, line)[:4] == [0, 100, 40, 60_000]
    assert {used(db, key, f"s{number}") for number, key in enumerate(keys)} == {60}
    reply = ask(db, f"{line} HEADERS")
    labels = [item.split(";")[0].strip('"') for item in reply[-1][1].split(", ")]
    assert labels == ["fixed", *(f"fixed-{number}" for number in range(2, MOST_KEYS + 1))]


def test_the_options_may_stand_in_any_order(db, clock):
    before = 10
    for line in (
        "COSTS 2 2 EACH FIXED 10 60s FOR x y FIXED 20 60s FORCE",
        "COST 2 FIXED 10 60s FOR x y FIXED 20 60s",
        "FOR x y FIXED 10 60s FIXED 20 60s COST 2",
        "fixed 10 60s jitter 1s FIXED 20 60s headers cost 2 for x y",
    ):
        assert ask(db, f"RL.CHECKALL 2 a b {line}")[:4] == [2, 10, before - 2, 0]
        before -= 2
    assert (used(db, "a", "x"), used(db, "b", "y")) == (8, 8)


def test_each_limit_counts_the_cost_and_per_request_limits_count_one(db, clock):
    line = "RL.CHECKALL 2 tokens requests FIXED 1000 60s FIXED 10 60s PER REQUEST COST 250"
    assert ask(db, line) == [250, 10, 9, 0, 60_000, "fixed-2"]
    assert (used(db, "tokens"), used(db, "requests")) == (250, 1)


# --- which limit binds, and its name


def test_when_granted_the_fewest_remaining_of_all_bind_and_the_first_of_equals(db, clock):
    db.do("RL.DEFINE a FIXED 30 60s AS a1 FIXED 20 60s AS a2")
    db.do("RL.DEFINE b FIXED 40 60s AS b1 FIXED 20 1h AS b2")
    assert ask(db, "RL.CHECKALL 2 a b") == [1, 20, 19, 0, 60_000, "a2"]
    assert ask(db, "RL.CHECKALL 2 b a") == [1, 20, 18, 0, 3_600_000, "b2"]


def test_when_denied_the_longest_wait_of_those_that_deny_binds(db, clock):
    named = "FIXED 10 60s AS minute FIXED 10 1h AS hour FIXED 100 1d AS day"
    ask(db, f"RL.CHECKALL 3 a b c {named} COST 10")
    assert ask(db, f"RL.CHECKALL 3 a b c {named}") == [0, 10, 0, 3_600_000, 3_600_000, "hour"]
    clock.advance(MINUTE)
    assert ask(db, f"RL.CHECKALL 3 a b c {named} COST 91")[3:6:2] == [-1, "minute"], "never outlasts every wait"


def test_a_call_that_is_granted_may_go_when_the_last_queue_lets_it(db, clock):
    db.ask("RL.LEAKYBUCKET a 10 1 1s COST 3")
    db.ask("RL.LEAKYBUCKET b 20 1 1s COST 5")
    assert ask(db, "RL.CHECKALL 3 a b c LEAKYBUCKET 10 1 1s LEAKYBUCKET 20 1 1s FIXED 2 60s")[:4] == [1, 2, 1, 5000]


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ("FIXED 9 1s SLIDING 8 1s FIXED 7 1s FIXED 6 1s", ["fixed", "sliding", "fixed-2", "fixed-3"]),
        ("FIXED 9 1s AS a FIXED 8 1s AS a FIXED 7 1s FIXED 6 1s AS a", ["a", "a-2", "fixed", "a-3"]),
        ("SLIDING 9 1s SLIDING 8 1s APPROX SLIDING 7 1s AS b SLIDING 6 1s", ["sliding", "sliding-2", "b", "sliding-3"]),
    ],
)
@pytest.mark.parametrize("form", ["stored", "unstored"])
def test_a_label_that_was_there_before_gets_a_number(db, clock, limits, labels, form):
    if form == "stored":
        for key, limit in zip("abcd", re.findall(r"(?:FIXED|SLIDING).*?(?= FIXED| SLIDING|$)", limits), strict=True):
            db.do(f"RL.DEFINE {key} {limit}")
        limits = ""
    reply = ask(db, f"RL.CHECKALL 4 a b c d {limits} HEADERS")
    assert [item.split(";")[0].strip('"') for item in reply[-1][1].split(", ")] == labels
    assert reply[5] == labels[3], "the smallest limit binds"


def test_all_labels_of_a_call_are_different_however_many_limits_the_keys_store(db, clock):
    db.do("RL.DEFINE a FIXED 9 1s FIXED 8 1s")
    db.do("RL.DEFINE b FIXED 7 1s AS fixed-2 SLIDING 9 1s")
    db.do("RL.DEFINE c FIXED 5 1s FIXED 6 1s")
    policy = ask(db, 'RL.CHECKALL 4 a b c a FOR "" "" "" x HEADERS')[-1][1]
    labels = [item.split(";")[0].strip('"') for item in policy.split(", ")]
    expected = ["fixed", "fixed-2", "fixed-2-2", "sliding", "fixed-3", "fixed-4", "fixed-5", "fixed-6"]
    assert labels == expected


def test_the_labels_of_512_limits_take_no_time_to_speak_of(db, clock):
    """What 64 keys cost that store eight limits each, to 64 keys that store one: not the cube of the number."""
    for number in range(MOST_KEYS):
        db.do(f"RL.DEFINE one:{number} FIXED 1000 1h")
        db.do(f"RL.DEFINE eight:{number} " + " ".join(f"FIXED {1000 + i} 1h" for i in range(8)))

    def microseconds(kind: str) -> float:
        db.do("CONFIG RESETSTAT")
        for _ in range(10):
            ask(db, f"RL.CHECKALL {MOST_KEYS} {' '.join(f'{kind}:{number}' for number in range(MOST_KEYS))}")
        return db.info("commandstats")["cmdstat_RL.CHECKALL"]["usec_per_call"]

    one, eight = microseconds("one"), microseconds("eight")
    assert eight < 5_000 + 20 * one, f"{eight} us, where one limit takes {one} us"


# --- subjects


def test_an_empty_subject_is_the_key_itself(db, clock):
    db.do("RL.DEFINE everybody FIXED 10 60s")
    db.do("RL.DEFINE users FIXED 10 60s")
    assert ask(db, 'RL.CHECKALL 2 users everybody FOR alice "" COST 3')[0] == 3
    assert ask(db, 'RL.CHECKALL 2 users everybody FOR bob "" COST 4')[0] == 4
    assert [used(db, "users", subject) for subject in ("alice", "bob", "")] == [3, 4, 0]
    assert used(db, "everybody") == 7
    assert [db.rl_info(key)["subjects"] for key in ("users", "everybody")] == [2, 0]


def test_without_for_the_keys_themselves_are_meant(db, clock):
    ask(db, "RL.CHECKALL 2 a b FIXED 10 60s FIXED 10 60s FOR x y")
    ask(db, "RL.CHECKALL 2 a b FIXED 10 60s FIXED 10 60s COST 5")
    assert [used(db, "a"), used(db, "a", "x"), used(db, "b"), used(db, "b", "y")] == [5, 1, 5, 1]


TWICE = "the same key and subject is given twice: give all its limits to one call of RL.CHECK instead"


@pytest.mark.parametrize("name", [None, "me", '""'])
@pytest.mark.parametrize("form", ["stored", "unstored"])
@pytest.mark.parametrize("keys", ["2 k k", "3 k other k"])
def test_the_same_subject_of_the_same_key_may_not_be_named_twice(db, clock, name, form, keys):
    count = int(keys[0])
    db.do("RL.DEFINE other FIXED 10 60s")
    if form == "stored":
        db.do("RL.DEFINE k FIXED 10 60s")
    before = db.do("DEBUG DIGEST"), db.changes()
    named = "" if form == "stored" else " FIXED 10 60s" * count
    who = f" FOR{f' {name}' * count}" if name else ""
    assert db.error(*said(f"RL.CHECKALL {keys}{named}{who}")) == TWICE
    assert (db.do("DEBUG DIGEST"), db.changes()) == before


def test_one_key_may_stand_for_many_subjects(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s")
    assert ask(db, 'RL.CHECKALL 3 k k k FOR a b "" COST 5')[:3] == [5, 10, 5]
    assert [used(db, "k", subject) for subject in ("a", "b", "")] == [5, 5, 5]
    assert db.error(*said('RL.CHECKALL 4 k k k k FOR a b "" a')) == TWICE


def test_holds_that_have_ended_are_given_back_before_the_limits_are_asked(db, clock):
    for who in ("", " FOR s"):
        db.do(f"RL.RESERVE k 10s FIXED 10 1h COST 10 ID gone{who}")
        db.do(f"RL.RESERVE l 1m FIXED 10 1h COST 4 ID stays{who}")
    clock.advance(11 * SECOND)
    before = db.do("DEBUG DIGEST"), db.changes()
    assert db.error(*said("RL.CHECKALL 3 k l m FIXED 10 1h FIXED 10 1h")).startswith("limits must be given once")
    assert db.error(*said("RL.CHECKALL 3 k l m")).startswith("NOLIMITS ")
    db.do("SET string v")
    limits = " FIXED 10 1h" * 3
    assert db.error(*said(f"RL.CHECKALL 3 k l string{limits}")).startswith("WRONGTYPE ")
    db.delete("string")
    assert db.do("DEBUG DIGEST") == before[0], "an error changes nothing"
    for who in ("", " FOR s s s"):
        assert ask(db, f"RL.CHECKALL 3 k l m{limits} COST 7{who}") == [0, 10, 6, 3_589_000, 3_589_000, "fixed-2"]
        assert ask(db, f"RL.CHECKALL 3 k l m{limits} COST 6{who}")[:3] == [6, 10, 0]
        assert [used(db, key, who[-1:]) for key in "klm"] == [6, 10, 6]


# --- leases


def test_a_lease_has_the_same_id_in_all_keys(db, clock):
    reply = ask(db, "RL.CHECKALL 3 a b c CONCURRENT 5 60s FIXED 10 60s CONCURRENT 2 60s FOR x y z COST 2")
    lease = reply[6]
    assert reply[:6] == [2, 2, 0, 0, 60_000, "concurrent-2"] and len(lease) == 32
    assert db.do(f"RL.RELEASE c {lease} FOR z") == 1
    assert db.do(f"RL.RELEASE a {lease} FOR x") == 1
    assert db.do(f"RL.RELEASE b {lease} FOR y") == 0


def test_a_call_that_is_denied_has_no_lease(db, clock):
    line = "RL.CHECKALL 2 a b CONCURRENT 5 60s FIXED 1 60s"
    assert len(ask(db, line)[6]) == 32
    assert ask(db, line)[6:] == [None]
    assert used(db, "a") == 1


def test_without_leases_there_is_no_id(db, clock):
    assert len(ask(db, "RL.CHECKALL 2 a b FIXED 5 60s FIXED 1 60s")) == 6


def test_every_call_has_a_lease_of_its_own(db, clock):
    leases = {ask(db, "RL.CHECKALL 2 a b CONCURRENT 50 60s CONCURRENT 50 60s")[6] for _ in range(20)}
    assert (len(leases), used(db, "a"), used(db, "b")) == (20, 20, 20)


# --- counters


def test_each_key_counts_the_call_that_is_granted_and_only_who_refuses_counts_the_denial(db, clock):
    for key, size in (("a", 10), ("b", 2), ("c", 2)):
        db.do(f"RL.DEFINE {key} FIXED {size} 60s")
    for _ in range(4):
        ask(db, "RL.CHECKALL 3 a b c FOR x y z")
    assert counts(db, "a", "b", "c") == [(2, 0), (2, 2), (2, 2)]
    ask(db, "RL.CHECKALL 2 a b COST 3")
    assert counts(db, "a", "b") == [(2, 0), (2, 3)]
    assert [db.do(f"RL.TOP {key}") for key in "abc"] == [[], [["y", 2, 0]], [["z", 2, 0]]]


# --- on trial


def test_limits_on_trial_deny_nothing_but_are_counted(db, clock):
    db.do("RL.DEFINE real FIXED 10 60s")
    db.do("RL.DEFINE trial FIXED 5 1h AS new SHADOW")
    assert ask(db, "RL.CHECKALL 2 real trial FOR a a COST 4") == [4, 10, 6, 0, 60_000, "fixed"]
    assert ask(db, "RL.CHECKALL 2 real trial FOR a a COST 4") == [4, 10, 2, 0, 60_000, "fixed"]
    assert (used(db, "real", "a"), used(db, "trial", "a")) == (8, 4)
    assert counts(db, "real", "trial") == [(2, 0), (1, 1)]
    assert db.do("RL.TOP trial") == [["a", 1, 0]]


def test_limits_on_trial_are_not_charged_when_those_in_force_deny(db, clock):
    db.do("RL.DEFINE real FIXED 3 60s")
    db.do("RL.DEFINE trial FIXED 5 1h AS new SHADOW")
    assert ask(db, "RL.CHECKALL 2 trial real COST 4") == [0, 3, 3, -1, 0, "fixed"]
    assert ask(db, "RL.CHECKALL 2 trial real COST 9") == [0, 3, 3, -1, 0, "fixed"]
    assert (used(db, "real"), used(db, "trial")) == (0, 0)
    assert counts(db, "real", "trial") == [(0, 2), (0, 1)], "both would have denied the second"


def test_queues_and_leases_on_trial_neither_wait_nor_fail(db, clock):
    db.do("RL.DEFINE queue LEAKYBUCKET 10 1 1s SHADOW")
    db.do("RL.DEFINE leases CONCURRENT 1 60s SHADOW")
    first, second = (ask(db, "RL.CHECKALL 2 queue leases") for _ in range(2))
    assert first[:6] == second[:6] == [1, 10, 10, 0, 0, "leakybucket"], "as if the first key stood alone"
    assert len(first[6]) == len(second[6]) == 32
    assert (used(db, "queue"), used(db, "leases")) == (2, 1)


def test_limits_on_trial_are_not_seen_beside_those_in_force(db, clock):
    """The reply and its fields are those of a call without the keys on trial, also the numbers of the labels."""
    for key in ("a", "b"):
        db.do(f"RL.DEFINE {key} FIXED 100 60s")
        db.do(f"RL.DEFINE alone:{key} FIXED 100 60s")
    db.do("RL.DEFINE trial FIXED 2 1h LEAKYBUCKET 50 1 1s SHADOW")
    for cost in (3, 3, 90, 5, 101):
        told = ask(db, f"RL.CHECKALL 3 trial a b FOR x x x COST {cost} HEADERS")
        assert told == ask(db, f"RL.CHECKALL 2 alone:a alone:b FOR x x COST {cost} HEADERS")
    assert counts(db, "trial") == [(0, 5)]


@pytest.mark.parametrize("line", ["RL.CHECKALL 2 first second", "RL.CHECKALL 1 first", "RL.CHECK first"])
def test_if_all_are_on_trial_the_first_answers_as_if_it_had_never_been_used(db, clock, line):
    db.do("RL.DEFINE first FIXED 7 1h AS hour TOKENBUCKET 5 1 1s AS burst SLIDING 5 1d SHADOW")
    db.do("RL.DEFINE second FIXED 2 1h SHADOW")
    for cost in (4, 4, 9):
        told = ask(db, f"{line} COST {cost} HEADERS")
        assert told[:6] == [cost, 5, 5, 0, 0, "burst"]
        assert pairs(told[6]) == {
            "RateLimit-Policy": '"hour";q=7;w=3600, "burst";q=5;w=5, "sliding";q=5;w=86400',
            "RateLimit": '"hour";r=7;t=0, "burst";r=5;t=0, "sliding";r=5;t=0',
            "RateLimit-Limit": "5",
            "RateLimit-Remaining": "5",
            "RateLimit-Reset": "0",
        }
    assert counts(db, "first") == [(1, 2)]


# --- a cost for each key


def test_each_key_is_charged_its_own_cost(db, clock):
    limits = "FIXED 10 60s FIXED 1000 60s FIXED 5 60s PER REQUEST"
    assert ask(db, f"RL.CHECKALL 3 a b c {limits} COSTS 3 700 9") == [700, 5, 4, 0, 60_000, "fixed-3"]
    assert [used(db, key) for key in "abc"] == [3, 700, 1]
    assert ask(db, f"RL.CHECKALL 3 a b c {limits} COSTS 1 301 1") == [0, 1000, 300, 60_000, 60_000, "fixed-2"]
    assert ask(db, f"RL.CHECKALL 3 a b c {limits} COSTS 11 301 1")[:4] == [0, 10, 7, -1]
    assert [used(db, key) for key in "abc"] == [3, 700, 1]


def test_costs_that_are_all_the_same_are_one_cost(db, clock):
    named = "TOKENBUCKET 10 10 60s SLIDING 9 1h"
    for cost in (3, 11, 5, 4, 1):
        for who in ("", " FOR s t"):
            one = ask(db, f"RL.CHECKALL 2 a b {named} COST {cost}{who} HEADERS EACH")
            assert ask(db, f"RL.CHECKALL 2 x y {named} COSTS {cost} {cost}{who} EACH HEADERS") == one
    for key, other in zip("ab", "xy"):
        for who in ("", "st"["ab".index(key)]):
            assert db.rl_info(key, who)["limits"] == db.rl_info(other, who)["limits"]


@pytest.mark.parametrize("limit", ALGORITHMS)
@pytest.mark.parametrize("form", ["stored", "unstored", "subjects"])
def test_a_key_that_costs_0_is_only_looked_at(db, clock, limit, form):
    named, who = f"{limit} FIXED 100 60s", " FOR me me" if form == "subjects" else ""
    if form == "stored":
        db.do(f"RL.DEFINE a {limit}")
        db.do("RL.DEFINE b FIXED 100 60s")
        named = ""
    if form == "subjects":  # to make a table is a change, too
        db.ask("RL.CHECK b FIXED 100 60s FOR other")
    before, changes = db.exists("a") and db.digest("a"), db.changes()
    reply = ask(db, f"RL.CHECKALL 2 a b {named} COSTS 0 5{who} EACH")
    assert reply[:5] == [5, 10, 10, 0, 0], "the one with the fewest remaining binds"
    assert reply[-1] == [[0, 10, 10, 0, 0, reply[5]], [5, 100, 95, 0, 60_000, "fixed"]]
    assert ((db.exists("a") and db.digest("a")), db.changes()) == (before, changes + 1)
    who_of_one = " FOR me" if who else ""
    db.do(f"RL.CHECK a {'' if form == 'stored' else limit} COST 10{who_of_one}")
    before = db.digest("a")
    full = ask(db, f"RL.CHECKALL 2 a b {named} COSTS 0 5{who} EACH")
    assert full[:4] == [5, 10, 0, 0], "nothing is left, but nothing is wanted"
    assert full[-1] == [[0, *full[1:6]], [5, 100, 90, 0, 60_000, "fixed"]]
    assert (db.digest("a"), used(db, "b", who[-2:])) == (before, 10), "a is not charged, and b is"
    db.do(f"RL.CHECK a {'' if form == 'stored' else limit} COST 7 FORCE{who_of_one}")
    before, changes = db.digest("a"), db.changes()
    denied = ask(db, f"RL.CHECKALL 2 a b {named} COSTS 0 5{who} EACH")
    assert denied[:3] == [0, 10, 0] and denied[3] > 0 and denied[5] == reply[5], "a debt denies"
    assert denied[-1] == [[0, *denied[1:6]], [5, 100, 85, 0, 60_000, "fixed"]]
    assert (db.digest("a"), db.changes(), used(db, "b", who[-2:])) == (before, changes, 10)
    clock.advance(denied[3] * MS - MS)
    assert ask(db, f"RL.CHECKALL 2 a b {named} COSTS 0 5{who}")[:4] == [0, 10, 0, 1]
    clock.advance(MS)
    assert ask(db, f"RL.CHECKALL 2 a b {named} COSTS 0 5{who}")[0] == 5


def test_of_several_debts_the_longest_binds(db, clock):
    db.do("RL.DEFINE k FIXED 1 60s AS minute FIXED 2 1h AS hour FIXED 99 1d AS day")
    db.do("RL.CHECK k COST 3 FORCE")
    assert ask(db, "RL.CHECKALL 1 k COSTS 0") == [0, 2, 0, 3_600_000, 3_600_000, "hour"]


def test_a_look_waits_for_who_waits_and_for_the_debt_after_that(db, clock):
    bucket = "TOKENBUCKET 10 1 1s"
    db.do(f"RL.CHECK k {bucket} COST 10")
    db.do(f"RL.CHECK k {bucket} COST 4 MAXWAIT 10s")
    assert ask(db, f"RL.CHECKALL 1 k {bucket} COSTS 0")[:4] == [0, 10, 0, 4000]
    db.do(f"RL.CHECK k {bucket} COST 3 FORCE")
    assert ask(db, f"RL.CHECKALL 1 k {bucket} COSTS 0")[:4] == [0, 10, 0, 7000]
    clock.advance(7 * SECOND - 1)
    assert ask(db, f"RL.CHECKALL 1 k {bucket} COSTS 0")[:4] == [0, 10, 0, 1]
    clock.advance(1)
    assert ask(db, f"RL.CHECKALL 1 k {bucket} COSTS 0")[:4] == [0, 10, 0, 0]


def test_a_call_that_only_looks_is_granted_if_and_only_if_it_need_not_wait(db, clock):
    named = "FIXED 10 60s FIXED 10 60s"
    assert ask(db, f"RL.CHECKALL 2 a b {named} COSTS 0 0") == [0, 10, 10, 0, 0, "fixed"]
    assert db.dbsize() == 0
    db.do("RL.CHECK b FIXED 10 60s COST 11 FORCE")
    assert ask(db, f"RL.CHECKALL 2 a b {named} COSTS 0 0") == [0, 10, 0, 60_000, 60_000, "fixed-2"]


def test_a_look_opens_no_account_and_one_that_denies_does(db, clock):
    for key in ("a", "b"):
        db.do(f"RL.CHECK {key} FIXED 20 60s COST 15")
    before = db.digest("a")
    assert ask(db, "RL.CHECKALL 2 a b FIXED 10 1h FIXED 10 60s COSTS 0 3")[:4] == [0, 10, 0, 60_000]
    assert ask(db, "RL.CHECKALL 2 a b FIXED 10 1h FIXED 30 60s COSTS 0 3") == [3, 10, 0, 0, 3_600_000, "fixed"]
    assert db.digest("a") == before and len(db.rl_info("a")["limits"]) == 1
    assert ask(db, "RL.CHECKALL 2 a b FIXED 10 1h FIXED 10 60s COSTS 0 8")[:4] == [0, 10, 0, 60_000]
    assert db.digest("a") == before, "also when another key denies"
    db.do("RL.BLOCK a 1m")
    assert ask(db, "RL.CHECKALL 1 a FIXED 10 1h COSTS 0") == [0, 10, 0, 60_000, 3_600_000, "blocked"]
    assert [limit["used"] for limit in db.rl_info("a")["limits"]] == [15, 10], "so that its wait comes true"


def test_holds_that_have_ended_are_given_back_where_a_call_looks(db, clock):
    for who in ("", " FOR s"):
        db.do(f"RL.RESERVE k 10s FIXED 10 1h COST 10{who}")
        db.do(f"RL.CHECK k FIXED 10 1h COST 3 FORCE{who}")
        assert ask(db, f"RL.CHECKALL 1 k FIXED 10 1h COSTS 0{who}")[:4] == [0, 10, 0, 3_600_000]
    clock.advance(10 * SECOND)
    for who in ("", " FOR s"):
        assert ask(db, f"RL.CHECKALL 1 k FIXED 10 1h COSTS 0{who}")[:4] == [0, 10, 7, 0]
        info = db.rl_info("k", who[-1:])
        assert (info["holds"], info["limits"][0]["used"]) == (0, 3)


def test_a_look_takes_no_lease(db, clock):
    named = "CONCURRENT 5 60s CONCURRENT 2 60s"
    assert ask(db, f"RL.CHECKALL 2 a b {named} COSTS 0 0")[6:] == [None]
    assert db.dbsize() == 0
    lease = ask(db, f"RL.CHECKALL 2 a b {named} COSTS 0 1")[6]
    assert len(lease) == 32 and not db.exists("a")
    assert db.do(f"RL.RELEASE b {lease}") == 1
    assert ask(db, "RL.CHECKALL 2 c b FIXED 5 60s CONCURRENT 2 60s COSTS 1 0")[6:] == [None]


def test_each_key_counts_the_look_and_only_who_refuses_counts_the_denial(db, clock):
    db.do("RL.DEFINE a FIXED 1 60s")
    db.do("RL.DEFINE b FIXED 10 60s")
    ask(db, "RL.CHECKALL 2 a b FOR x y COSTS 0 1")
    db.do("RL.CHECK a FOR x COST 2 FORCE")
    ask(db, "RL.CHECKALL 2 a b FOR x y COSTS 0 1")
    assert counts(db, "a", "b") == [(2, 1), (1, 0)]
    assert db.do("RL.TOP a") == [["x", 1, 0]]


# --- what each key says


@pytest.mark.parametrize("limit", ALGORITHMS)
@pytest.mark.parametrize("who", ["", " FOR s t"])
def test_each_says_what_that_key_alone_would_answer(db, clock, limit, who):
    wide = limit.replace(" 10 ", " 20 ", 1)
    for cost in (4, 7, 6, 1, 11, 21):
        alone = [
            db.ask(f"RL.CHECK lone:{key} {named} COST {cost}{who and ' FOR ' + key}")[:6]
            for key, named in (("a", limit), ("b", wide))
        ]
        reply = ask(db, f"RL.CHECKALL 2 a b {limit} {wide} COST {cost}{who} EACH HEADERS")
        assert [tuple(one) for one in reply[-2]] == alone
        assert reply[-1][0] == "RateLimit-Policy", "the fields are the last"
        for key, named in (("a", limit), ("b", wide)):  # a denied call takes nothing anywhere
            db.delete(f"lone:{key}", key)
            db.do(f"RL.CHECK {key} {named} COST 8{who and ' FOR ' + 'st'['ab'.index(key)]}")
            db.do(f"RL.CHECK lone:{key} {named} COST 8{who and ' FOR ' + key}")
        clock.advance(7 * SECOND)


def test_a_key_that_would_grant_says_so_though_nothing_was_taken(db, clock):
    named = "FIXED 10 60s FIXED 3 1h"
    reply = ask(db, f"RL.CHECKALL 2 a b {named} COST 4 EACH")
    assert reply == [0, 3, 3, -1, 0, "fixed-2", [[4, 10, 6, 0, 60_000, "fixed"], [0, 3, 3, -1, 0, "fixed"]]]
    assert db.dbsize() == 0


def test_each_comes_behind_the_lease_and_before_the_fields_in_every_protocol(server, db, clock):
    line = "RL.CHECKALL 2 {0}a {0}b CONCURRENT 5 60s FIXED 9 60s COSTS 1 2 EACH HEADERS"
    for version in ("2", "3"):
        with Connection(server.socket) as raw:
            raw.do("HELLO", version)
            reply = raw.do(*line.format(version).split())
        assert len(reply) == 9 and reply[:6] == [2, 5, 4, 0, 60_000, "concurrent"]
        assert len(reply[6]) == 32
        assert reply[7] == [[1, 5, 4, 0, 60_000, "concurrent"], [2, 9, 7, 0, 60_000, "fixed"]]
        assert reply[8][0] == "RateLimit-Policy" and len(reply[8]) == 10


def test_64_keys_say_what_each_says(db, clock):
    keys, costs = [f"k{number}" for number in range(MOST_KEYS)], [number % 3 for number in range(MOST_KEYS)]
    limits = " ".join(f"FIXED {100 + number} 60s" for number in range(MOST_KEYS))
    reply = ask(db, f"RL.CHECKALL {MOST_KEYS} {' '.join(keys)} {limits} COSTS {' '.join(map(str, costs))} EACH")
    assert reply[6] == [
        [cost, 100 + number, 100 + number - cost, 0, 60_000 if cost else 0, "fixed"]
        for number, cost in enumerate(costs)
    ]
    assert db.dbsize() == sum(cost > 0 for cost in costs)


def test_limits_on_trial_say_what_they_say_alone(db, clock):
    db.do("RL.DEFINE real FIXED 10 60s")
    db.do("RL.DEFINE trial FIXED 5 1h AS new LEAKYBUCKET 3 1 1s AS queue SHADOW")
    for left in (6, 2):
        reply = ask(db, "RL.CHECKALL 2 trial real COSTS 4 4 EACH")
        assert reply[:6] == [4, 10, left, 0, 60_000, "fixed"]
        assert reply[6] == [[4, 3, 3, 0, 0, "queue"], [4, 10, left, 0, 60_000, "fixed"]]
    assert (used(db, "trial"), used(db, "real")) == (0, 8), "a queue of 3 would have denied 4"
    assert ask(db, "RL.CHECKALL 2 trial real COSTS 9 0")[:4] == [0, 10, 2, 0], "what is on trial is not told"
    assert ask(db, "RL.CHECKALL 1 trial COSTS 7 EACH") == [7, 3, 3, 0, 0, "queue", [[7, 3, 3, 0, 0, "queue"]]]


def test_jitter_makes_all_denials_longer_by_the_same_time(db, clock):
    named = "FIXED 1 10s FIXED 2 20s FIXED 9 60s"
    ask(db, f"RL.CHECKALL 3 a b c {named} COSTS 1 2 1")
    for _ in range(20):
        reply = ask(db, f"RL.CHECKALL 3 a b c {named} JITTER 5s EACH")
        waits = [one[3] for one in reply[-1]]
        assert waits[2] == 0 and waits[1] - waits[0] == 10_000 and 10_000 <= waits[0] <= 15_000
        assert reply[3] == waits[1]


def test_the_fields_are_those_of_what_each_key_is_charged(db, clock):
    named = "FIXED 10 60s AS tokens FIXED 5 1h AS requests"
    granted = pairs(ask(db, f"RL.CHECKALL 2 a b {named} COSTS 7 0 EACH HEADERS")[-1])
    assert granted["RateLimit"] == '"tokens";r=3;t=60, "requests";r=5;t=0'
    assert (granted["RateLimit-Limit"], granted["RateLimit-Remaining"]) == ("10", "3")
    db.do("RL.CHECK b FIXED 5 1h AS requests COST 6 FORCE")
    reply = ask(db, f"RL.CHECKALL 2 a b {named} COSTS 2 0 EACH HEADERS")
    denied = pairs(reply[-1])
    assert reply[:6] == [0, 5, 0, 3_600_000, 3_600_000, "requests"]
    assert denied["RateLimit"] == '"tokens";r=3;t=60, "requests";r=0;t=3600', "nothing was taken"
    assert (denied["RateLimit-Limit"], denied["RateLimit-Remaining"], denied["Retry-After"]) == ("5", "0", "3600")
    forced = pairs(ask(db, f"RL.CHECKALL 2 a b {named} COSTS 9 0 FORCE HEADERS")[-1])
    assert forced["RateLimit"] == '"tokens";r=0;t=60, "requests";r=0;t=3600' and "Retry-After" not in forced


# --- charged after the fact


def test_force_charges_all_keys_into_debt(db, clock):
    named = "FIXED 10 60s TOKENBUCKET 5 1 1s FIXED 100 60s"
    reply = ask(db, f"RL.CHECKALL 3 a b c {named} COSTS 12 8 8 FORCE EACH")
    assert reply == [
        *(12, 10, 0, 60_000, 60_000, "fixed"),
        [[12, 10, 0, 60_000, 60_000, "fixed"], [8, 5, 0, 3000, 8000, "tokenbucket"], [8, 100, 92, 0, 60_000, "fixed"]],
    ]
    assert [used(db, key) for key in "abc"] == [12, 8, 8]
    assert ask(db, f"RL.CHECKALL 3 a b c {named}")[:4] == [0, 10, 0, 60_000]


def test_force_charges_all_keys_or_none_where_one_has_no_room(db, clock):
    """A subject has 65,536 leases at most: no more fits in, not even as a debt."""
    with db.pipeline(transaction=False) as pipe:
        for _ in range(2**16):
            pipe.execute_command("RL.CONCURRENT", "full", 2**20, "1h")
        pipe.execute()
    named = f"FIXED 10 60s CONCURRENT {2**20} 1h"
    before = db.digest("full"), db.changes()
    reply = ask(db, f"RL.CHECKALL 2 a full {named} COST 12 FORCE EACH")
    assert reply[:4] == [0, 2**20, 0, 3_600_000] and reply[6] is None
    assert reply[7][0] == [12, 10, 0, 60_000, 60_000, "fixed"]
    assert (db.digest("full"), db.changes(), db.exists("a")) == (*before, 0)


def test_force_does_not_deny_a_look_at_a_debt(db, clock):
    named = "FIXED 10 60s FIXED 10 60s"
    db.do("RL.CHECK a FIXED 10 60s COST 11 FORCE")
    before = db.digest("a")
    assert ask(db, f"RL.CHECKALL 2 a b {named} COSTS 0 3 FORCE EACH") == [
        *(3, 10, 0, 60_000, 60_000, "fixed"),
        [[0, 10, 0, 60_000, 60_000, "fixed"], [3, 10, 7, 0, 60_000, "fixed"]],
    ]
    assert (db.digest("a"), used(db, "b")) == (before, 3)


# --- what it refuses

GOOD = "FIXED 10 60s FIXED 10 60s"
BAD = [
    ("RL.CHECKALL", TOO_SHORT),
    ("RL.CHECKALL 1", TOO_SHORT),
    ("RL.CHECKALL 3 k l", "key is missing"),
    ("RL.CHECKALL 1 k FIXED 10", "window is missing"),
    ("RL.CHECKALL 2 k l FIXED 10 60s", "limits must be given once for each key, or not at all"),
    (f"RL.CHECKALL 2 k l {GOOD} FIXED 10 60s", "limits must be given once for each key, or not at all"),
    (f"RL.CHECKALL 1 k {GOOD}", "limits must be given once for each key, or not at all"),
    (f"RL.CHECKALL 2 k l {GOOD} FOR", "FOR is missing"),
    (f"RL.CHECKALL 2 k l {GOOD} FOR a", "FOR is missing"),
    (f"RL.CHECKALL 2 k l {GOOD} FOR a b c", "syntax error at argument 13: expected "),
    (f"RL.CHECKALL 2 k l {GOOD} FOR a b FOR a b", "FOR is given twice"),
    (f"RL.CHECKALL 2 k l {GOOD} COST 1 COST 1", "COST is given twice"),
    (f"RL.CHECKALL 2 k l {GOOD} JITTER 1s JITTER 1s", "JITTER is given twice"),
    (f"RL.CHECKALL 2 k l {GOOD} HEADERS HEADERS", "HEADERS is given twice"),
    (f"RL.CHECKALL 2 k l {GOOD} COST", "COST is missing"),
    (f"RL.CHECKALL 2 k l {GOOD} FORCE FORCE", "FORCE is given twice"),
    (f"RL.CHECKALL 2 k l {GOOD} EACH EACH", "EACH is given twice"),
    (f"RL.CHECKALL 2 k l {GOOD} COSTS 1 1 COSTS 1 1", "COSTS is given twice"),
    (f"RL.CHECKALL 2 k l {GOOD} COSTS 1 1 COST 1", "only one of COST and COSTS can be given"),
    (f"RL.CHECKALL 2 k l {GOOD} COST 1 COSTS 1 1", "only one of COST and COSTS can be given"),
    *(
        (f"RL.CHECKALL 2 k l {GOOD} COSTS{costs}", f"COSTS {text}one integer for each key, from 0 to 9007199254740991")
        for costs, text in [
            *(("", "is missing: it must be "), (" 1", "is missing: it must be ")),
            *((" 1 2 3", "must be "), (" 1 FOR a b", "must be "), (" FOR a b", "must be "), (" EACH", "must be ")),
            *((" 1 HEADERS", "must be "), (" 1 2 3 FOR a b", "must be ")),
        ]
    ),
    (f"RL.CHECKALL 2 k l {GOOD} JITTER", "JITTER is missing"),
    ("RL.CHECKALL 2 k l FIXED 10 60s FIXED -1 60s", "limit must be an integer"),
    ("RL.CHECKALL 2 k l FIXED 10 60s TOKENBUCKET 2 1 3650d", "refill must be large enough"),
    ("RL.CHECKALL 2 k l AS mine FIXED 10 60s FIXED 10 60s", "syntax error at argument 4: expected a limit"),
    *(
        (f"RL.CHECKALL 2 k l {GOOD} {option}", "syntax error at argument 10: expected ")
        for option in ("xyzzy", "PARTIAL", "MAXWAIT 1s", "BRIEF", "ID a", "SHADOW", "ALIGN", "APPROX", '""')
    ),
]


@pytest.mark.parametrize(("line", "text"), BAD)
def test_a_bad_call_is_refused_by_the_name_of_what_is_wrong(db, clock, line, text):
    assert refused(db, said(line)).startswith(text)


@pytest.mark.parametrize("bad", [*BAD_COSTS, "65", "-64"], ids=lambda bad: ascii(bad[:10]))
def test_a_bad_number_of_keys_is_refused(db, clock, bad):
    text = refused(db, ["RL.CHECKALL", bad, "k", "FIXED", "10", "60s"])
    assert text == "numkeys must be an integer from 1 to 64"


@pytest.mark.parametrize(
    ("option", "bad"),
    [
        *product(["COST"], BAD_BUDGETS),
        *product(["COSTS"], BAD_BUDGETS),
        *product(["JITTER"], NO_DURATIONS),
    ],
    ids=lambda word: ascii(word[:10]),
)
def test_a_bad_option_is_refused(db, clock, option, bad):
    text = refused(db, ["RL.CHECKALL", "2", "k", "l", *GOOD.split(), option, bad])
    assert text.startswith(f"{option} must be ")


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("size", [1025, 2**20])
def test_the_name_of_a_subject_has_at_most_1024_bytes(db, clock, at, size):
    names = ["x" * 1024, "y" * 1024]
    assert db.execute_command("RL.CHECKALL", 2, "a", "b", *GOOD.split(), "FOR", *names)[0] == 1
    names[at] = "x" * size
    text = refused(db, ["RL.CHECKALL", "2", "k", "l", *GOOD.split(), "FOR", *names])
    assert text == "FOR must be the name of a subject, of 1 to 1024 bytes"


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(
    ("make", "line", "text"),
    [
        ("SET {} v", "RL.CHECKALL 3 {}", "WRONGTYPE "),
        ("DEL {}", "RL.CHECKALL 3 {}", "NOLIMITS "),
        ("RL.FIXED {} 10 60s", "RL.CHECKALL 3 {}", "NOLIMITS "),
        ("RL.FIXED {} 10 60s FOR a", "RL.CHECKALL 3 {} FOR a a a", "NOLIMITS "),
        ("RL.DEFINE {} FIXED 11 60s", "RL.CHECKALL 3 {}" + 3 * " FIXED 10 60s", "the key stores other limits"),
    ],
)
def test_one_key_that_is_wrong_fails_the_call_and_the_others_are_not_charged(db, clock, make, line, text, place):
    keys = ["a", "b", "c"]
    for key in keys:
        db.do(f"RL.DEFINE {key} FIXED 10 60s")
    db.delete(keys[place])
    db.do(make.format(keys[place]))
    before = [(db.exists(key) and db.digest(key)) for key in keys], db.changes()
    assert db.error(*line.format(" ".join(keys)).split()).startswith(text)
    assert ([(db.exists(key) and db.digest(key)) for key in keys], db.changes()) == before


def test_a_line_of_many_words_is_refused_and_survived(db, clock):
    assert refused(db, ["RL.CHECKALL", "64", *["k"] * 64, *["FIXED", "10", "60s"] * 50_000])
    assert refused(db, ["RL.CHECKALL", "64", *["k"] * 64, "FOR", *["x"] * 50_000])
    assert refused(db, ["RL.CHECKALL", "64", *["k"] * 64, *["FIXED", "10", "60s"] * 65])


# --- the server's part


@pytest.mark.parametrize("keys", [["a"], ["a", "b"], ["b", "a", "b"], list(map(str, range(MOST_KEYS)))], ids=len)
def test_the_server_knows_all_keys(db, keys):
    line = ["RL.CHECKALL", len(keys), *keys, *["FIXED", "10", "60s"] * len(keys), "FOR", *["s"] * len(keys)]
    assert db.execute_command("COMMAND GETKEYS", *line) == keys
    found = db.execute_command("COMMAND GETKEYSANDFLAGS", *line)
    assert [(key, sorted(flags)) for key, flags in found] == [(key, ["RW", "access", "update"]) for key in keys]


@pytest.mark.parametrize("line", ["RL.CHECKALL 2 free:a other FIXED 1 1s FIXED 1 1s", "RL.CHECKALL 2 other free:a"])
def test_a_user_must_be_allowed_all_keys(server, db, clock, line):
    db.do("ACL SETUSER limited on >secret ~free:* +@all")
    db.do("ACL SETUSER reader on >secret ~free:* %R~other +@all")
    for name in ("limited", "reader"):
        with server.client(username=name, password="secret") as limited:
            assert limited.do("RL.CHECKALL 2 free:x free:y FIXED 10 60s FIXED 10 60s")[0] == 1
            with pytest.raises(redis.exceptions.NoPermissionError):
                limited.do(line)
    assert not db.exists("free:a") and not db.exists("other")
    db.do("ACL DELUSER limited reader")


def test_in_a_cluster_all_keys_are_of_one_slot_and_of_one_that_is_served(start_server):
    server = start_server(*COMMON, "--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
    with Connection(server.socket) as raw:
        assert raw.do("CLUSTER", "ADDSLOTSRANGE", "0", str(SLOTS - 1)) == "OK"
        assert raw.do("CLUSTER", "DELSLOTS", str(raw.do("CLUSTER", "KEYSLOT", "away"))) == "OK"
        eventually(lambda: raw.do("CLUSTER", "INFO").startswith("cluster_state:ok"), "the cluster to be ready")
        assert raw.do("RL.CHECKALL", "2", "{t}a", "{t}b", *GOOD.split(), "FOR", "x", "")[:3] == [1, 10, 9]
        for keys, code in (("a b", "CROSSSLOT"), ("{t}c d", "CROSSSLOT"), ("{away}a {away}b", "CLUSTERDOWN")):
            assert str(raw.do("RL.CHECKALL", "2", *keys.split(), *GOOD.split())).startswith(f"{code} ")
        assert raw.do("DBSIZE") == 2


def test_it_can_be_called_in_transactions_and_scripts(db, clock):
    with db.pipeline(transaction=True) as pipe:
        for cost in (6, 5, 4):
            pipe.execute_command("RL.CHECKALL", 2, "a", "b", *GOOD.split(), "COST", cost)
        assert [reply[:3] for reply in pipe.execute()] == [[6, 10, 4], [0, 10, 4], [4, 10, 0]]
    script = "return redis.call('RL.CHECKALL', 2, KEYS[1], KEYS[2], 'FIXED', 10, 60, 'FIXED', 20, 60)"
    assert db.eval(script, 2, "c", "d")[:3] == [1, 10, 9]


@pytest.mark.parametrize("watched", ["a", "b"])
def test_who_watches_one_of_the_keys_learns_of_a_call_that_is_granted(server, db, clock, watched):
    with server.client() as other, db.pipeline(transaction=True) as pipe:
        for cost, is_granted in ((11, False), (1, True)):
            pipe.watch(watched)
            other.do(f"RL.CHECKALL 2 a b {GOOD} COST {cost}")
            pipe.multi()
            pipe.execute_command("PING")
            if is_granted:
                with pytest.raises(redis.WatchError):
                    pipe.execute()
            else:
                assert pipe.execute()


# --- against the oracle


@pytest.mark.parametrize("may_be_shadow", [False, True], ids=["in-force", "on-trial"])
def test_every_reply_to_random_calls_of_many_keys_is_the_oracles(db, clock, may_be_shadow):
    """Of keys that store limits and keys that do not, with subjects and without, the same ones again and again; and all
    other commands on them in between."""
    for number in range(60):
        rng = random.Random(f"{SEED} all {may_be_shadow} {number}")
        talk = Talk(rng, [True, True, False, False], may_be_shadow, most_limits=rng.randint(1, 3), of_all=0.5)
        hear(db, talk.steps(150))


# --- many callers at once

CONNECTIONS = 64
CALLS = 150
SHARED = [f"k{number}" for number in range(5)]
LIMITS = {
    "k0": "FIXED 4000 1d",
    "k1": "SLIDING 3500 1d",
    "k2": "TOKENBUCKET 3000 1 3650s",
    "k3": "FIXED 2500 1h",
    "k4": "QUOTA 4500 YEAR",
}


def any_call(rng: random.Random) -> tuple[list[str], list[str]]:
    """A call, and who it charges if it is granted: the subject behind its key."""
    cost = rng.randint(1, 9)
    if rng.random() < 0.4:
        who = rng.choice(["", "s"])
        limits = ["FIXED", "9000", "1d", "AS", "one", "SLIDING", "5000", "1h", "AS", "two"]
        return ["RL.CHECK", "two", *limits, "COST", str(cost), *(["FOR", who] if who else [])], [f"two/{who}"]
    keys, subjects = zip(*rng.sample([*product(SHARED, ["", "s", "t"])], k=rng.randint(1, 4)))
    line = ["RL.CHECKALL", str(len(keys)), *keys, "FOR", *subjects, "COST", str(cost)]
    return line, [f"{key}/{subject}" for key, subject in zip(keys, subjects)]


def call_at_random(server: Server, name: str, start: Barrier) -> Counter[str]:
    """What one connection was granted, of whom. It pipelines; now and then it looks at two limits that are one."""
    rng = random.Random(name)
    calls = [any_call(rng) for _ in range(CALLS)]
    granted: Counter[str] = Counter()
    with server.client() as client:
        client.ping()
        start.wait()
        while calls:
            some, calls = calls[:10], calls[10:]
            with client.pipeline(transaction=False) as pipe:
                for line, _ in some:
                    pipe.execute_command(*line)
                pipe.execute_command("RL.INFO", "two", "FOR", "s")
                *replies, info = pipe.execute()
            assert info is None or len({limit[7] for limit in info[5]}) == 1, "both limits have been charged, or none"
            for (_, charged), reply in zip(some, replies):
                for who in charged:
                    granted[who] += reply[0]
    return granted


def test_no_call_of_64_connections_is_ever_charged_in_part(server, db, clock):
    """What is used of every key, and of every subject in it, is what was granted to calls that named it."""
    for key, limit in LIMITS.items():
        db.do(f"RL.DEFINE {key} {limit}")
    start = Barrier(CONNECTIONS)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        names = [f"{SEED} connection {number}" for number in range(CONNECTIONS)]
        granted = sum(pool.map(lambda name: call_at_random(server, name, start), names), Counter())
    for who, units in granted.items():
        key, subject = who.split("/")
        found = [limit["used"] for limit in db.rl_info(key, subject)["limits"]]
        assert found == [units] * len(found), f"{who}, RATELIMIT_TEST_SEED={SEED}"
    refusals = sum(denied for _, denied in counts(db, "two", *SHARED))
    assert refusals > 0 and len(granted) == 2 + 3 * len(SHARED)


def test_a_call_that_is_never_granted_opens_no_account_in_any_key(db, clock):
    """Whether the other key alone would grant it, or deny it for a time."""
    for cost in (9, 3):
        db.do("DEL x")
        db.ask(f"RL.CHECK x SLIDING 9 60s COST {cost}")
        before = db.changes(), db.digest("x")
        assert db.do("RL.CHECKALL 2 y x FIXED 5 60s FIXED 9 60s COSTS 6 1")[3] == -1
        assert (db.changes(), db.digest("x")) == before
        assert [limit["label"] for limit in db.rl_info("x")["limits"]] == ["sliding"]
