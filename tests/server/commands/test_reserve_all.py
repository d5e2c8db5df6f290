# SPDX-License-Identifier: MIT
"""RL.RESERVEALL and RL.SETTLEALL: an estimate over several keys, all or nothing, and one settlement for all."""

from __future__ import annotations

import re
from itertools import product

import pytest
import redis

from cluster import COMMON, SLOTS
from harness import MINUTE, SECOND, Client, eventually, pairs
from resp import Connection
from steps import said
from vocabulary import ALGORITHMS, BAD_BUDGETS, BAD_DURATIONS, NO_DURATIONS, TOO_SHORT, refused

MADE_BY_THE_SERVER = re.compile(r"[0-9a-f]{32}")
TWO = "FIXED 100 60s FIXED 50 60s"


def ask(db: Client, line: str) -> list | None:
    """The reply to a line in which \"\" is an empty word."""
    return db.execute_command(*said(line))


def used(db: Client, key: str, subject: str = "") -> int:
    """What is used of the first limit; nothing, where nobody is."""
    if db.execute_command("RL.INFO", key, *(["FOR", subject] if subject else [])) is None:
        return 0
    return db.rl_info(key, subject)["limits"][0]["used"]


def holds(db: Client, key: str, subject: str = "") -> list[tuple]:
    """Of each hold the id, its units, when it ends, and whether it is settled."""
    if db.execute_command("RL.INFO", key, *(["FOR", subject] if subject else [])) is None:
        return []
    found = [pairs(hold) for hold in db.rl_info(key, subject)["first_holds"]]
    return [(hold["id"], hold["units"], hold["ends_ms"], hold["settled"]) for hold in found]


def counts(db: Client, *keys: str) -> list[tuple[int, int]]:
    infos = [db.rl_info(key) for key in keys]
    return [(info["granted"], info["denied"] + info.get("would_deny", 0)) for info in infos]


def picture(db: Client, *keys: str) -> list:
    return [db.changes(), *(db.exists(key) and db.digest(key) for key in keys)]


# --- all or nothing


def test_all_keys_hold_the_estimate_under_one_id(db, clock):
    assert ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COST 30 ID x") == [30, 50, 20, 0, 60_000, "fixed-2", "x"]
    assert holds(db, "a") == holds(db, "b") == [("x", 30, 60_000, 0)]
    assert (used(db, "a"), used(db, "b")) == (30, 30)


def test_without_an_id_the_server_makes_one_for_all(db, clock):
    ids = {ask(db, f"RL.RESERVEALL 2 a b 1m {TWO}")[6] for _ in range(10)}
    assert len(ids) == 10 and all(MADE_BY_THE_SERVER.fullmatch(each) for each in ids)
    assert {each for each, *_ in holds(db, "a")} == {each for each, *_ in holds(db, "b")} == ids
    assert ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COST 49")[6] is None


@pytest.mark.parametrize(("first", "second"), product(ALGORITHMS, repeat=2))
@pytest.mark.parametrize("form", ["stored", "unstored", "subjects"])
def test_one_key_that_denies_charges_none(db, clock, first, second, form):
    wide = first.replace(" 10 ", " 100 ", 1)
    named, who = f"{wide} AS wide {second} AS narrow", " FOR me me" if form == "subjects" else ""
    if form == "stored":
        db.do(f"RL.DEFINE a {wide} AS wide")
        db.do(f"RL.DEFINE b {second} AS narrow")
        named = ""
    subject = "me" if who else ""
    assert ask(db, f"RL.RESERVEALL 2 a b 1m {named} COST 7{who} ID x")[5:] == ["narrow", "x"]
    before = picture(db, "a", "b"), holds(db, "a", subject), holds(db, "b", subject)
    denied = ask(db, f"RL.RESERVEALL 2 a b 1m {named} COST 4{who} ID y")
    assert (denied[:2], denied[5:]) == ([0, 10], ["narrow", None])
    assert (picture(db, "a", "b"), holds(db, "a", subject), holds(db, "b", subject)) == before
    assert [used(db, key, subject) for key in "ab"] == [7, 7]


def test_a_request_is_not_counted_where_another_key_denies(db, clock):
    db.do("RL.DEFINE key FIXED 100 60s AS tokens FIXED 5 60s AS requests PER REQUEST")
    db.do("RL.DEFINE org FIXED 50 60s")
    assert ask(db, "RL.RESERVEALL 2 key org 1m COST 30 ID x")[0] == 30
    for _ in range(10):
        assert ask(db, "RL.RESERVEALL 2 key org 1m COST 30")[0] == 0
    assert [limit["used"] for limit in db.rl_info("key")["limits"]] == [30, 1]
    assert counts(db, "key", "org") == [(1, 0), (1, 10)], "a key that would have granted does not count the call"


def test_keys_that_are_absent_stay_so_when_the_call_is_denied(db, clock):
    db.do("RL.CHECK b FIXED 50 60s COST 50")
    before = picture(db, "a", "b")
    assert ask(db, f"RL.RESERVEALL 2 a b 1m {TWO}")[:4] == [0, 50, 0, 60_000]
    assert picture(db, "a", "b") == before and not db.exists("a")


def test_an_estimate_is_cut_in_each_key_and_granted_is_the_most(db, clock):
    assert ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COST 5000 ID x")[0] == 100
    assert (used(db, "a"), used(db, "b")) == (100, 50)
    ask(db, "RL.SETTLEALL 2 a b x 60")
    assert (used(db, "a"), used(db, "b")) == (60, 60), "into debt if need be"


def test_each_key_may_have_an_estimate_of_its_own(db, clock):
    reply = ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COSTS 70 5 ID x EACH")
    assert reply[:7] == [70, 100, 30, 0, 60_000, "fixed", "x"]
    assert reply[7] == [[70, 100, 30, 0, 60_000, "fixed"], [5, 50, 45, 0, 60_000, "fixed"]]


def test_an_estimate_of_nothing_is_held_so_that_it_is_settled(db, clock):
    assert ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COSTS 0 5 ID x")[0] == 5
    assert holds(db, "a") == [("x", 0, 60_000, 0)]
    assert ask(db, "RL.SETTLEALL 2 a b x 8")[6] == "settled"
    assert (used(db, "a"), used(db, "b")) == (8, 8)


def test_an_estimate_of_nothing_is_denied_by_a_debt_and_granted_where_nothing_is_left(db, clock):
    db.do("RL.CHECK a FIXED 100 60s COST 100")
    assert ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COSTS 0 1 ID x")[0] == 1
    db.do("RL.CHECK a FIXED 100 60s FORCE")
    assert ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COSTS 0 1 ID y")[:4] == [0, 100, 0, 60_000]


def test_the_id_of_a_hold_charges_what_each_key_lacks(db, clock):
    ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COSTS 30 10 ID x")
    clock.advance(10 * SECOND)
    reply = ask(db, f"RL.RESERVEALL 3 a b c 1m {TWO} FIXED 9 60s COSTS 20 15 3 ID x EACH")
    assert reply[0] == 30 and [one[0] for one in reply[7]] == [30, 15, 3]
    assert [used(db, key) for key in "abc"] == [30, 15, 3]
    assert [hold for key in "abc" for hold in holds(db, key)] == [
        *(("x", 30, 60_000, 0), ("x", 15, 60_000, 0), ("x", 3, 60_000, 0))
    ]


def test_a_renewal_that_one_key_denies_renews_none(db, clock):
    ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COST 30 ID x")
    clock.advance(10 * SECOND)
    before = picture(db, "a", "b")
    reply = ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COSTS 40 51 ID x EACH")
    assert reply[0] == 50, "51 is cut to 50, of which 30 are held"
    reply = ask(db, f"RL.RESERVEALL 3 a b c 1m {TWO} FIXED 0 60s COSTS 45 1 1 ID x EACH")
    assert (reply[0], reply[3], reply[6]) == (0, -1, None)
    assert reply[7][:2] == [[45, 100, 55, 0, 50_000, "fixed"], [50, 50, 0, 0, 50_000, "fixed"]]
    assert [end for key in "ab" for _, _, end, _ in holds(db, key)] == [60_000, 60_000]
    assert before[0] + 2 == db.changes()


def test_what_each_key_says_of_a_renewal_is_what_it_would_answer(db, clock):
    """Its leases are renewed, too."""
    limits = "CONCURRENT 9 60s FIXED 9 60s"
    for line in (f"RL.RESERVEALL 2 a b 1h {limits} COSTS 4 4 ID x", f"RL.RESERVEALL 1 b 1h {limits[16:]} COST 4 ID y"):
        assert ask(db, line)[0] == 4
    clock.advance(20 * SECOND)
    denied = ask(db, f"RL.RESERVEALL 2 a b 1h {limits} COSTS 2 8 ID x EACH")
    assert denied[:6] == [0, 9, 1, 40_000, 40_000, "fixed"]
    alone = db.do("RL.RESERVE a 1h CONCURRENT 9 60s COST 2 ID x")
    assert denied[7][0] == alone[:6] == [4, 9, 5, 0, 60_000, "concurrent"]


def test_an_id_that_one_key_has_settled_is_an_error_and_changes_nothing(db, clock):
    ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COST 5 ID x")
    db.do("RL.SETTLE b x 3")
    before = picture(db, "a", "b")
    text = db.error(*f"RL.RESERVEALL 2 a b 1m {TWO} COST 9 ID x".split())
    assert text == db.error(*"RL.RESERVE b 1m FIXED 50 60s ID x".split())
    assert text.startswith("id is that of a settled reservation")
    assert picture(db, "a", "b") == before


def test_holds_that_have_ended_are_given_back_first(db, clock):
    ask(db, f"RL.RESERVEALL 2 a b 10s {TWO} COST 50 ID x")
    clock.advance(10 * SECOND)
    assert ask(db, f"RL.RESERVEALL 2 a b 10s {TWO} COST 50 ID y")[:3] == [50, 50, 0]
    assert [holds(db, key) for key in "ab"] == [[("y", 50, 10_000, 0)]] * 2
    clock.advance(10 * SECOND)
    assert ask(db, f"RL.RESERVEALL 2 a b 10s {TWO} COSTS 100 0 ID y")[:3] == [100, 100, 0], "nor is the id taken"
    clock.advance(10 * SECOND)
    assert ask(db, "RL.RESERVEALL 2 a b 10s FIXED 100 60s FIXED 0 60s COST 1 ID z")[:4] == [0, 0, 0, -1]
    assert (used(db, "a"), used(db, "b")) == (0, 0), "also where the call is denied"


def test_two_subjects_of_one_key_and_the_key_itself_are_three(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s")
    assert ask(db, 'RL.RESERVEALL 3 k k k 1m FOR a b "" COSTS 1 2 3 ID x')[0] == 3
    assert [used(db, "k", who) for who in ("a", "b", "")] == [1, 2, 3]
    assert ask(db, 'RL.SETTLEALL 3 k k k x 5 FOR a b ""')[6] == "settled"
    assert [used(db, "k", who) for who in ("a", "b", "")] == [5, 5, 5]


def test_64_keys_hold_together(db, clock):
    keys = " ".join(f"k{number}" for number in range(64))
    limits = " ".join(["FIXED 10 60s"] * 64)
    assert ask(db, f"RL.RESERVEALL 64 {keys} 1m {limits} COST 4 ID x")[0] == 4
    assert ask(db, f"RL.SETTLEALL 64 {keys} x 3")[:3] == [3, 10, 7]
    assert {used(db, key) for key in keys.split()} == {3}


# --- settled


def test_one_settlement_charges_the_actual_cost_in_all_keys(db, clock):
    ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COST 30 ID x")
    reply = ask(db, "RL.SETTLEALL 2 a b x 12 EACH")
    assert reply[:7] == [12, 50, 38, 0, 60_000, "fixed-2", "settled"]
    assert reply[7] == [[12, 100, 88, 0, 60_000, "fixed", "settled"], [12, 50, 38, 0, 60_000, "fixed", "settled"]]
    assert holds(db, "a") == holds(db, "b") == [("x", 12, 60_000, 1)]


def test_a_settlement_that_comes_twice_counts_once_and_answers_the_same(db, clock):
    ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COST 30 ID x")
    first = ask(db, "RL.SETTLEALL 2 a b x 12 EACH")
    before = picture(db, "a", "b")
    assert ask(db, "RL.SETTLEALL 2 a b x 12 EACH") == ask(db, "RL.SETTLEALL 2 a b x 99 EACH") == first
    assert picture(db, "a", "b") == before


def test_a_key_that_lost_its_hold_is_settled_as_unknown_alone(db, clock):
    ask(db, "RL.RESERVEALL 3 a b c 1m FIXED 100 60s FIXED 50 60s FIXED 70 60s COST 30 ID x")
    db.do("RL.RESET b")
    db.do("RL.CHECK b FIXED 50 60s COST 1")
    reply = ask(db, "RL.SETTLEALL 3 a b c x 12 EACH")
    assert reply[:7] == [12, 50, 37, 0, 60_000, "fixed-2", "unknown"]
    assert [one[6] for one in reply[7]] == ["settled", "unknown", "settled"]
    assert [used(db, key) for key in "abc"] == [12, 13, 12]


def test_where_nothing_applies_nothing_is_done(db, clock):
    ask(db, "RL.RESERVEALL 2 a b 1m FIXED 100 60s FIXED 50 60s COST 30 ID x")
    db.delete("a")
    reply = ask(db, "RL.SETTLEALL 2 a b x 12 EACH")
    assert reply == [12, 50, 38, 0, 60_000, "fixed", "unknown", [None, [12, 50, 38, 0, 60_000, "fixed", "settled"]]]
    assert not db.exists("a")
    assert ask(db, "RL.SETTLEALL 2 nobody nowhere x 12 EACH") is None
    assert not db.exists("nobody")


def test_a_limiter_charges_who_was_never_seen(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s")
    assert ask(db, "RL.SETTLEALL 2 k k x 4 FOR a b")[:7] == [4, 10, 6, 0, 60_000, "fixed", "unknown"]
    assert [used(db, "k", who) for who in "ab"] == [4, 4]


def test_the_longest_debt_is_told(db, clock):
    limits = "TOKENBUCKET 10 1 1s TOKENBUCKET 10 1 2s"
    ask(db, f"RL.RESERVEALL 2 a b 1m {limits} COST 5 ID x")
    reply = ask(db, "RL.SETTLEALL 2 a b x 14 EACH")
    assert reply[:4] == [14, 10, 0, 8000]
    assert [one[3] for one in reply[7]] == [4000, 8000]


def test_a_settlement_ends_the_leases_of_the_hold(db, clock):
    limits = "CONCURRENT 2 1h FIXED 10 60s"
    ask(db, f"RL.RESERVEALL 2 a b 1m {limits} ID x")
    assert used(db, "a") == 1
    assert ask(db, "RL.SETTLEALL 2 a b x 3")[6] == "settled"
    assert (used(db, "a"), used(db, "b")) == (0, 3)


# --- blocks and trials


def test_a_block_in_one_key_denies_all(db, clock):
    db.do("RL.DEFINE a FIXED 10 60s")
    db.do("RL.DEFINE b FIXED 20 60s")
    ask(db, "RL.RESERVEALL 2 a b 1m COST 2 ID x")
    db.do("RL.BLOCK a 20s")
    blocked = [0, 10, 0, 20_000, 60_000, "blocked"]
    assert ask(db, "RL.RESERVEALL 2 a b 1m COST 3 ID y EACH") == [
        *(*blocked, None),
        [blocked, [3, 20, 15, 0, 60_000, "fixed"]],
    ]
    assert ask(db, "RL.RESERVEALL 2 a b 1m COST 1 ID x")[6] is None, "nor is a hold renewed"
    assert ask(db, "RL.SETTLEALL 2 a b x 1")[6] == "settled", "but settled"
    clock.advance(20 * SECOND)
    assert ask(db, "RL.RESERVEALL 2 a b 1m COST 3 ID y")[:3] == [3, 10, 6]


def test_limits_on_trial_deny_nothing_but_are_counted_and_hold_what_they_grant(db, clock):
    db.do("RL.DEFINE real FIXED 10 60s")
    db.do("RL.DEFINE trial FIXED 5 1h AS new SHADOW")
    assert ask(db, "RL.RESERVEALL 2 trial real 1m COST 4 ID x") == [4, 10, 6, 0, 60_000, "fixed", "x"]
    reply = ask(db, "RL.RESERVEALL 2 trial real 1m COST 4 ID y EACH")
    assert reply == [4, 10, 2, 0, 60_000, "fixed", "y", [[4, 5, 5, 0, 0, "new"], [4, 10, 2, 0, 60_000, "fixed"]]]
    assert (holds(db, "trial"), len(holds(db, "real"))) == ([("x", 4, 60_000, 0)], 2)
    assert counts(db, "real", "trial") == [(2, 0), (1, 1)]
    assert ask(db, "RL.SETTLEALL 2 trial real y 3")[:7] == [3, 10, 3, 0, 60_000, "fixed", "settled"], "not to be seen"
    assert (used(db, "trial"), used(db, "real")) == (4, 7)
    each = ask(db, "RL.SETTLEALL 2 trial real y 3 EACH")[7]
    assert each == [[3, 5, 5, 0, 0, "new", "unknown"], [3, 10, 3, 0, 60_000, "fixed", "settled"]]


def test_limits_on_trial_hold_nothing_when_those_in_force_deny(db, clock):
    db.do("RL.DEFINE real FIXED 3 60s")
    db.do("RL.DEFINE trial FIXED 5 1h AS new SHADOW")
    db.do("RL.CHECK real COST 3")
    assert ask(db, "RL.RESERVEALL 2 trial real 1m COST 4 ID x")[:4] == [0, 3, 0, 60_000]
    assert (holds(db, "trial"), used(db, "trial")) == ([], 0)


def test_if_all_are_on_trial_the_first_is_told_as_if_it_stood_alone(db, clock):
    db.do("RL.DEFINE a FIXED 3 60s SHADOW")
    db.do("RL.DEFINE b FIXED 2 60s SHADOW")
    for number in range(4):
        assert ask(db, f"RL.RESERVEALL 2 a b 1m ID {number}") == [1, 3, 3, 0, 0, "fixed", str(number)]
    assert [used(db, key) for key in "ab"] == [3, 2]
    assert ask(db, "RL.SETTLEALL 2 a b 2 1") == [1, 3, 3, 0, 0, "fixed", "settled"]
    assert ask(db, "RL.SETTLEALL 2 a b 3 1") == [1, 3, 3, 0, 0, "fixed", "unknown"]
    assert ask(db, "RL.RESERVEALL 2 a b 1m COST 99 ID cut")[0] == 3, "what would be charged"


# --- what is told


def test_the_fields_show_every_limit(db, clock):
    db.do("RL.DEFINE key FIXED 10 60s AS tokens FIXED 5 1h AS requests PER REQUEST")
    db.do("RL.DEFINE org FIXED 20 1h AS budget")
    granted = pairs(ask(db, "RL.RESERVEALL 2 key org 1m COST 7 ID x HEADERS")[-1])
    assert granted["RateLimit"] == '"tokens";r=3;t=60, "requests";r=4;t=3600, "budget";r=13;t=3600'
    assert granted["RateLimit-Policy"] == '"tokens";q=10;w=60, "requests";q=5;w=3600, "budget";q=20;w=3600'
    reply = ask(db, "RL.RESERVEALL 2 key org 1m COST 99 EACH HEADERS")
    denied = pairs(reply[-1])
    assert (len(reply), reply[5]) == (9, "budget")
    assert denied["RateLimit"] == '"tokens";r=3;t=60, "requests";r=4;t=3600, "budget";r=13;t=3600'
    assert (denied["RateLimit-Limit"], denied["Retry-After"]) == ("20", "3600")


def test_the_fields_of_a_renewal_are_those_of_what_it_lacks(db, clock):
    ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COST 30 ID x")
    db.do("RL.CHECK b FIXED 50 60s COST 15")
    denied = pairs(ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COST 40 ID x HEADERS")[-1])
    assert denied["RateLimit"] == '"fixed";r=70;t=60, "fixed-2";r=5;t=60'
    assert denied["Retry-After"] == "60"
    granted = pairs(ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COST 35 ID x HEADERS")[-1])
    assert granted["RateLimit"] == '"fixed";r=65;t=60, "fixed-2";r=0;t=60'


def test_jitter_makes_all_denials_longer_by_the_same_time(db, clock):
    db.do("RL.CHECK a FIXED 10 10s COST 10")
    db.do("RL.CHECK b FIXED 10 20s COST 10")
    for _ in range(20):
        reply = ask(db, "RL.RESERVEALL 3 a b c 1m FIXED 10 10s FIXED 10 20s FIXED 10 1h JITTER 5s EACH")
        waits = [one[3] for one in reply[-1]]
        assert waits[2] == 0 and waits[1] - waits[0] == 10_000 and 10_000 <= waits[0] <= 15_000
        assert reply[3] == waits[1]


# --- RL.RESERVE, likewise


def test_a_reservation_shows_every_limit(db, clock):
    limits = "FIXED 100 60s AS tokens FIXED 5 1h AS requests PER REQUEST"
    granted = db.do(f"RL.RESERVE k 1m {limits} COST 500 ID x HEADERS")
    assert granted[:7] == [100, 100, 0, 0, 60_000, "tokens", "x"]
    assert pairs(granted[7])["RateLimit"] == '"tokens";r=0;t=60, "requests";r=4;t=3600'
    denied = db.do(f"RL.RESERVE k 1m {limits} COST 500 ID y HEADERS")
    assert (denied[0], denied[6]) == (0, None)
    fields = pairs(denied[7])
    assert fields["RateLimit"] == '"tokens";r=0;t=60, "requests";r=4;t=3600'
    assert (fields["RateLimit-Limit"], fields["Retry-After"]) == ("100", "60")
    renewed = db.do(f"RL.RESERVE k 1m {limits} COST 3 ID x HEADERS")
    assert (renewed[0], pairs(renewed[7])["RateLimit"]) == (100, '"tokens";r=0;t=60, "requests";r=4;t=3600')


@pytest.mark.parametrize("who", ["", " FOR bob"])
def test_the_fields_of_an_estimate_are_those_of_its_size(db, clock, who):
    """An estimate above the limit is granted once the limit is free: so there is a time to come back."""
    db.do(f"RL.CHECK k FIXED 10 60s{who}")
    reply = db.do(f"RL.RESERVE k 1m FIXED 10 60s COST 500 HEADERS{who}")
    assert (reply[3], pairs(reply[7])["Retry-After"]) == (60_000, "60")


def test_the_fields_of_a_blocked_reservation_say_when_it_would_be_granted(db, clock):
    """A hold that has ended when the block ends is not there then."""
    for hold, wait, label in (("1h", 20, "blocked"), ("5s", 60, "fixed")):
        db.do(f"RL.RESERVE {hold} {hold} FIXED 10 60s COST 4 ID x")
        db.do(f"RL.BLOCK {hold} 20s")
        reply = db.do(f"RL.RESERVE {hold} 1m FIXED 10 60s COST 9 ID x HEADERS")
        assert reply[:6] == [0, 10, 0, 1000 * wait, 60_000, label]
        assert pairs(reply[7])["Retry-After"] == str(wait)


def test_on_trial_the_fields_show_nothing_used(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s SHADOW")
    for _ in range(3):
        reply = db.do("RL.RESERVE k 1m COST 6 HEADERS")
        assert (reply[:6], pairs(reply[7])["RateLimit"]) == ([6, 10, 10, 0, 0, "fixed"], '"fixed";r=10;t=0')


def test_jitter_makes_the_wait_of_a_denied_reservation_longer(db, clock):
    db.do("RL.CHECK k FIXED 10 60s COST 10")
    waits = {db.do("RL.RESERVE k 1m FIXED 10 60s JITTER 5s")[3] for _ in range(30)}
    assert len(waits) > 1 and 60_000 <= min(waits) <= max(waits) <= 65_000
    reply = db.do("RL.RESERVE k 1m FIXED 10 60s JITTER 5s HEADERS")
    assert int(pairs(reply[7])["Retry-After"]) == -(-reply[3] // 1000)
    assert db.do("RL.RESERVE free 1m FIXED 10 60s JITTER 5s")[3] == 0


# --- what they refuse

GOOD = f"RL.RESERVEALL 2 k l 1m {TWO}"
BAD = [
    *((line, TOO_SHORT) for line in ("RL.RESERVEALL", "RL.RESERVEALL 1 k", "RL.SETTLEALL", "RL.SETTLEALL 1 k x")),
    ("RL.RESERVEALL 3 k l 1m", "ttl is missing"),
    ("RL.RESERVEALL 2 k l FIXED 1 1m FIXED 1 1m", "ttl must be a duration"),
    ("RL.RESERVEALL 0 k 1m", "numkeys must be"),
    ("RL.RESERVEALL 2 k l 1m FIXED 1 1m", "limits must be given once for each key"),
    (f"{GOOD} FOR a", "FOR is missing"),
    (f"{GOOD} COSTS 1", "COSTS is missing"),
    (f"{GOOD} COSTS 1 2 3", "COSTS must be one integer for each key"),
    (f"{GOOD} COST 1 COSTS 1 2", "only one of COST and COSTS can be given"),
    *((f"{GOOD} {option} {option}", f"{option.split()[0]} is given twice") for option in ("EACH", "HEADERS", "COST 1")),
    (f"{GOOD} ID x ID x", "id is given twice"),
    (f"{GOOD} ID", "id is missing"),
    *(
        (f"{GOOD} {word}", "syntax error at argument 11")
        for word in ("xyzzy", "FORCE", "PARTIAL", "MAXWAIT 1s", "BRIEF")
    ),
    (f"{GOOD} CHARGE fixed 1", "syntax error at argument 11"),
    ("RL.RESERVEALL 2 k k 1m", "the same key and subject is given twice"),
    ("RL.RESERVEALL 2 k k 1m FOR a a", "the same key and subject is given twice"),
    ("RL.SETTLEALL 2 k l x", "actual is missing"),
    ("RL.SETTLEALL 3 k l x 1", "actual is missing"),
    ("RL.SETTLEALL 2 k l x -1", "actual must be an integer from 0 to 9007199254740991"),
    ('RL.SETTLEALL 2 k l "" 1', "id must be 1 to 64 bytes"),
    ("RL.SETTLEALL 2 k k x 1", "the same key and subject is given twice"),
    ("RL.SETTLEALL 2 k l x 1 FOR a", "FOR is missing"),
    *((f"RL.SETTLEALL 2 k l x 1 {word}", "syntax error at argument 6") for word in ("COST 1", "FIXED 1 1m", "HEADERS")),
]


@pytest.mark.parametrize(("line", "text"), BAD)
def test_a_bad_call_is_refused_by_the_name_of_what_is_wrong(db, clock, line, text):
    assert refused(db, said(line)).startswith(text)


@pytest.mark.parametrize(
    ("argv", "name", "bad"),
    [
        *(([*"RL.RESERVEALL 2 k l".split(), bad], "ttl", bad) for bad in BAD_DURATIONS),
        *(([*GOOD.split(), "JITTER", bad], "JITTER", bad) for bad in NO_DURATIONS),
        *(([*GOOD.split(), "COST", bad], "COST", bad) for bad in BAD_BUDGETS),
        *(([*"RL.SETTLEALL 2 k l x".split(), bad], "actual", bad) for bad in BAD_BUDGETS),
    ],
    ids=lambda word: ascii(word[:10]),
)
def test_a_bad_number_is_refused(db, clock, argv, name, bad):
    assert refused(db, argv).startswith(f"{name} must be ")


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(
    ("make", "line", "text"),
    [
        ("SET {} v", "RL.RESERVEALL 3 {} 1m", "WRONGTYPE "),
        ("SET {} v", "RL.SETTLEALL 3 {} x 1", "WRONGTYPE "),
        ("DEL {}", "RL.RESERVEALL 3 {} 1m", "NOLIMITS "),
        ("RL.FIXED {} 10 60s", "RL.RESERVEALL 3 {} 1m", "NOLIMITS "),
        ("RL.DEFINE {} FIXED 11 60s", "RL.RESERVEALL 3 {} 1m" + 3 * " FIXED 10 60s", "the key stores other limits"),
    ],
)
def test_one_key_that_is_wrong_fails_the_call_and_the_others_stay(db, clock, make, line, text, place):
    keys = ["a", "b", "c"]
    for key in keys:
        db.do(f"RL.DEFINE {key} FIXED 10 60s")
        db.do(f"RL.RESERVE {key} 1m COST 2 ID x")
    db.delete(keys[place])
    db.do(make.format(keys[place]))
    before = picture(db, *keys)
    assert db.error(*line.format(" ".join(keys)).split()).startswith(text)
    assert picture(db, *keys) == before


# --- the server's part


@pytest.mark.parametrize("keys", [["a"], ["a", "b"], list(map(str, range(64)))], ids=len)
@pytest.mark.parametrize(("name", "behind"), [("RL.RESERVEALL", ["1m"]), ("RL.SETTLEALL", ["x", "1"])])
def test_the_server_knows_all_keys(db, name, behind, keys):
    line = [name, len(keys), *keys, *behind, "FOR", *["s"] * len(keys)]
    assert db.execute_command("COMMAND GETKEYS", *line) == keys
    found = db.execute_command("COMMAND GETKEYSANDFLAGS", *line)
    assert [(key, sorted(flags)) for key, flags in found] == [(key, ["RW", "access", "update"]) for key in keys]


@pytest.mark.parametrize(
    "line", ["RL.RESERVEALL 2 free:a other 1m FIXED 1 1s FIXED 1 1s", "RL.SETTLEALL 2 free:a other x 1"]
)
def test_a_user_must_be_allowed_all_keys(server, db, clock, line):
    db.do("ACL SETUSER limited on >secret ~free:* %R~other +@all")
    denied = pytest.raises(redis.exceptions.NoPermissionError)
    with server.client(username="limited", password="secret") as limited, denied:
        limited.do(line)
    assert not db.exists("free:a")
    db.do("ACL DELUSER limited")


def test_in_a_cluster_all_keys_are_of_one_slot(start_server):
    server = start_server(*COMMON, "--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
    with Connection(server.socket) as raw:
        assert raw.do("CLUSTER", "ADDSLOTSRANGE", "0", str(SLOTS - 1)) == "OK"
        eventually(lambda: raw.do("CLUSTER", "INFO").startswith("cluster_state:ok"), "the cluster to be ready")
        for keys, begin in (("{t}a {t}b", None), ("a b", "CROSSSLOT ")):
            for line in (f"RL.RESERVEALL 2 {keys} 1m {TWO} ID x", f"RL.SETTLEALL 2 {keys} x 1"):
                reply = raw.do(*line.split())
                assert str(reply).startswith(begin) if begin else reply[0] == 1
        assert raw.do("DBSIZE") == 2


@pytest.mark.parametrize("form", ["stored", "unstored", "subjects"])
def test_replica_and_files_have_what_the_primary_has(start_server, form):
    server = start_server("--appendonly", "yes", "--repl-diskless-sync-delay", "0")
    replica = start_server("--replicaof", "127.0.0.1", str(server.port))
    named, who = " FIXED 100 60s SLIDING 100 60s CONCURRENT 100 60s", " FOR a b c" if form == "subjects" else ""
    with server.client() as db, replica.client() as copy:
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to sync")
        db.do("RL.DEBUG CLOCK SET 1800000000000000000")
        for key, limit in zip("abc", ("FIXED 100 60s", "SLIDING 100 60s", "CONCURRENT 100 60s")):
            db.do(f"RL.DEFINE {key} {limit}" if form == "stored" else "PING")
        named = "" if form == "stored" else named
        for line in (
            *(f"RL.RESERVEALL 3 a b c 1h{named} COSTS 30 0 5{who} ID {name} EACH" for name in ("x", "y", "z")),
            f"RL.RESERVEALL 3 a b c 2h{named} COSTS 35 9 7{who} ID x",
            f"RL.RESERVEALL 3 a b c 2h{named} COST 90{who} ID w",
            f"RL.SETTLEALL 3 a b c y 12{who}",
            f"RL.SETTLEALL 3 a b c nobody 2{who} EACH",
        ):
            db.do(line)
        offset = db.info("replication")["master_repl_offset"]
        eventually(lambda: copy.info("replication")["slave_repl_offset"] >= offset, "the replica to catch up")
        whole = db.do("DEBUG DIGEST")
        assert copy.do("DEBUG DIGEST") == whole
        db.do("DEBUG LOADAOF")
        assert db.do("DEBUG DIGEST") == whole
        db.do("DEBUG RELOAD")
        assert db.do("DEBUG DIGEST") == whole
        with pytest.raises(redis.exceptions.ReadOnlyError):
            copy.do(f"RL.SETTLEALL 3 a b c x 1{who}")


def test_they_can_be_called_in_transactions_and_scripts(db, clock):
    with db.pipeline(transaction=True) as pipe:
        pipe.execute_command(*f"RL.RESERVEALL 2 a b 1m {TWO} COST 30 ID x".split())
        pipe.execute_command(*"RL.SETTLEALL 2 a b x 12".split())
        assert [reply[:3] for reply in pipe.execute()] == [[30, 50, 20], [12, 50, 38]]
    script = "return redis.call('RL.RESERVEALL', 2, KEYS[1], KEYS[2], '1m', 'FIXED', 10, 60, 'FIXED', 20, 60)"
    assert db.eval(script, 2, "c", "d")[:3] == [1, 10, 9]


def test_a_hold_lasts_in_every_key_until_its_ttl_ends(db, clock):
    ask(db, f"RL.RESERVEALL 2 a b 1m {TWO} COST 30 ID x")
    clock.advance(MINUTE - 1)
    assert [len(holds(db, key)) for key in "ab"] == [1, 1]
    clock.advance(1)
    assert [len(holds(db, key)) for key in "ab"] == [0, 0]
