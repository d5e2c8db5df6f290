# SPDX-License-Identifier: MIT
"""RL.RESERVE and RL.SETTLE: an estimate is charged now, the actual cost later; what is never settled comes back."""

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from harness import BASE, HOUR, MINUTE, MS, SECOND, Server, lives_until
from oracle_limits import MOST
from vocabulary import TOO_SHORT

# A hundred units that come back within a day at the earliest.
LIMITS = [
    *("TOKENBUCKET 100 1 1d", "LEAKYBUCKET 100 1 1d", "FIXED 100 1d", "FIXED 100 1d ALIGNED", "SLIDING 100 1d"),
    *("SLIDING 100 1d APPROX", "QUOTA 100 DAY"),
]
every_limit = pytest.mark.parametrize("limit", LIMITS)
MADE_BY_THE_SERVER = re.compile(r"[0-9a-f]{32}")


def used(db, key: str = "k") -> list[int]:
    return [limit["used"] for limit in db.rl_info(key)["limits"]]


def holds(db) -> int:
    return db.rl_info("k")["holds"]


# --- a hold


@every_limit
def test_an_estimate_is_charged_at_once_and_held(db, clock, limit):
    reserved = db.do(f"RL.RESERVE k 1m {limit} COST 60 ID a")
    assert reserved[:3] == [60, 100, 40]
    assert reserved[5:] == [limit.split()[0].lower(), "a"]
    assert (used(db), holds(db)) == ([60], 1)


def test_without_an_id_the_server_makes_one(db, clock):
    ids = [db.do("RL.RESERVE k 1m FIXED 100 1d")[6] for _ in range(50)]
    assert len(set(ids)) == holds(db) == 50
    assert all(MADE_BY_THE_SERVER.fullmatch(each) for each in ids)
    assert db.do(f"RL.SETTLE k {ids[7]} 0")[6] == "settled"


def test_the_cost_is_one_unless_it_is_said(db, clock):
    assert db.do("RL.RESERVE k 1m FIXED 100 1d")[:3] == [1, 100, 99]


@every_limit
def test_what_does_not_fit_is_denied_and_not_held(db, clock, limit):
    db.do(f"RL.RESERVE k 1d {limit} COST 60 ID a")
    before = db.changes(), db.digest("k")
    denied = db.do(f"RL.RESERVE k 1d {limit} COST 41 ID b")
    assert (denied[0], denied[2], denied[6]) == (0, 40, None)
    assert denied[3] == db.ask("RL.PEEK k COST 41").wait_ms > 0
    assert (db.changes(), db.digest("k")) == before


@every_limit
def test_an_estimate_above_the_limit_is_cut_to_it(db, clock, limit):
    assert db.do(f"RL.RESERVE k 1m {limit} COST 5000 ID a")[:3] == [100, 100, 0]
    assert db.do("RL.SETTLE k a 30")[:3] == [30, 100, 70]


def test_an_estimate_is_cut_for_each_limit_alone_and_not_for_one_of_requests(db, clock):
    limits = "FIXED 100 1d FIXED 40 1h AS small FIXED 5 1d PER REQUEST AS requests"
    assert db.do(f"RL.RESERVE k 1m {limits} COST 5000 ID a")[0] == 100
    assert used(db) == [100, 40, 1]
    # In the end it cost 30: of the first 70 come back, and of the second 10.
    db.do("RL.SETTLE k a 30")
    assert used(db) == [30, 30, 1]


def test_where_only_requests_are_counted_nothing_is_cut(db, clock):
    assert db.do("RL.RESERVE k 1m FIXED 5 1d PER REQUEST COST 5000 ID a")[:3] == [5000, 5, 4]
    db.ask("RL.FIXED k 10000 1d COST 1")
    assert used(db) == [2, 2], "requests are units to who starts from them"


def test_the_other_accounts_are_charged_what_is_granted(db, clock):
    db.ask("RL.CHECK k FIXED 30 1d AS other FIXED 9 1d PER REQUEST AS requests CONCURRENT 5 1d")
    assert db.do("RL.RESERVE k 1m FIXED 100 1d FIXED 40 1h AS small COST 5000 ID a")[0] == 0
    db.do("RL.REFUND k 1")
    assert db.do("RL.RESERVE k 1m FIXED 100 1d FIXED 40 1h AS small COST 5000 ID a")[0] == 100
    by_label = {limit["label"]: limit["used"] for limit in db.rl_info("k")["limits"]}
    assert by_label == {"other": 100, "requests": 2, "concurrent": 1, "fixed": 100, "small": 40}
    assert db.do("RL.SETTLE k a 20")[:3] == [20, 40, 20]
    by_label = {limit["label"]: limit["used"] for limit in db.rl_info("k")["limits"]}
    assert by_label == {"other": 20, "requests": 2, "concurrent": 1, "fixed": 20, "small": 20}


def test_an_estimate_is_never_told_never(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 5000")
    assert db.do("RL.RESERVE k 1m FIXED 100 1d COST 5000")[3] == 86_400_000


def test_the_limits_may_be_those_that_the_key_stores(db, clock):
    db.do("RL.DEFINE k FIXED 100 1d")
    db.ask("RL.CHECK k COST 10")
    assert db.do("RL.RESERVE k 1m COST 60 ID a")[:3] == [60, 100, 30]


def test_a_call_that_names_no_limits_where_none_are_stored_is_an_error_and_changes_nothing(db, clock):
    assert db.error(*"RL.RESERVE k 1m COST 60 ID a".split()).startswith("NOLIMITS ")
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 10 ID a")
    before = db.changes(), db.digest("k")
    for line in ("RL.RESERVE k 1m COST 60", "RL.RESERVE k 1m COST 60 ID a", "RL.CHECK k"):
        assert db.error(*line.split()).startswith("NOLIMITS ")
    assert (db.changes(), db.digest("k")) == before


def test_a_hold_is_no_obstacle_to_others(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 60 ID a")
    assert db.ask("RL.FIXED k 100 1d COST 40").granted == 40


# --- the same id


@every_limit
def test_the_same_id_twice_is_one_hold(db, clock, limit):
    first = db.do(f"RL.RESERVE k 1m {limit} COST 60 ID a")
    for estimate in (60, 50, 1):
        assert db.do(f"RL.RESERVE k 1m {limit} COST {estimate} ID a") == first
    assert (used(db), holds(db)) == ([60], 1)


@every_limit
def test_the_same_id_again_with_a_larger_estimate_charges_the_difference(db, clock, limit):
    """As a stream does, which learns while it runs that it needs more."""
    db.do(f"RL.RESERVE k 1m {limit} COST 60 ID a")
    queued_ms = 60 * 86_400_000 if "LEAKY" in limit else 0  # the difference goes behind what is there
    assert db.do(f"RL.RESERVE k 1m {limit} COST 75 ID a")[:4] == [75, 100, 25, queued_ms]
    assert (used(db), holds(db)) == ([75], 1)
    db.ask(f"RL.CHECK k {limit} COST 20")
    before = db.changes(), db.digest("k")
    denied = db.do(f"RL.RESERVE k 1m {limit} COST 81 ID a")
    assert (denied[0], denied[2]) == (0, 5)
    assert denied[3] == db.ask("RL.PEEK k COST 6").wait_ms > 0
    assert (db.changes(), db.digest("k")) == before
    assert db.do(f"RL.RESERVE k 1m {limit} COST 80 ID a")[:3] == [80, 100, 0]
    assert db.do("RL.SETTLE k a 30")[:4] == [30, 100, 50, 0]
    assert used(db) == [50]


def test_the_difference_is_that_of_each_limit(db, clock):
    limits = "FIXED 100 1d FIXED 40 1h AS small FIXED 5 1d PER REQUEST AS requests"
    assert db.do(f"RL.RESERVE k 1m {limits} COST 30 ID a")[0] == 30
    assert db.do(f"RL.RESERVE k 1m {limits} COST 70 ID a")[0] == 70
    assert used(db) == [70, 40, 1], "it is still one request"
    assert db.do(f"RL.RESERVE k 1m {limits} COST 500 ID a")[0] == 100
    assert used(db) == [100, 40, 1]
    assert db.do(f"RL.RESERVE k 1m {limits} COST 5 ID a")[0] == 100
    db.do("RL.SETTLE k a 35")
    assert used(db) == [35, 35, 1]


def test_an_estimate_that_no_named_limit_counts_only_renews(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 10 ID a")
    assert db.do("RL.RESERVE k 1m FIXED 5 1d PER REQUEST COST 50 ID a")[0] == 10
    assert db.do("RL.SETTLE k a 10")[0] == 10
    assert used(db)[0] == 10


def test_a_larger_estimate_grows_the_lease_of_the_hold(db, clock):
    limits = "CONCURRENT 5 1h FIXED 100 1d"
    assert db.do(f"RL.RESERVE k 1m {limits} COST 2 ID a")[0] == 2
    assert db.do(f"RL.RESERVE k 1m {limits} COST 4 ID a")[0] == 4
    assert used(db) == [4, 4]
    db.do(f"RL.CHECK k {limits} ID b")
    denied = db.do(f"RL.RESERVE k 1m {limits} COST 5 ID a")
    assert (denied[0], denied[3], denied[5]) == (0, 3_600_000, "concurrent")
    assert used(db) == [5, 5]


def test_a_larger_estimate_is_not_told_of_a_debt_of_limits_that_lack_nothing(db, clock):
    limits = "FIXED 100 1d CONCURRENT 2 1h"
    db.do(f"RL.RESERVE k 1m {limits} COST 2 ID a")
    db.do("RL.CONCURRENT k 9 1h COST 3 ID b")
    assert used(db)[:2] == [5, 5]
    assert db.do(f"RL.RESERVE k 1m {limits} COST 8 ID a")[:4] == [8, 2, 0, 0]


def test_the_same_id_again_begins_its_ttl_anew(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 60 ID a")
    clock.advance(50 * SECOND)
    db.do("RL.RESERVE k 30s FIXED 100 1d COST 60 ID a")
    clock.advance(30 * SECOND - 1)
    assert (used(db), holds(db)) == ([60], 1)
    clock.advance(1)
    assert (used(db), holds(db)) == ([0], 0)


def test_the_same_id_again_is_granted_where_nothing_is_left(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 60 ID a")
    db.ask("RL.FIXED k 100 1d COST 40")
    assert db.do("RL.RESERVE k 1m FIXED 100 1d COST 60 ID a") == [60, 100, 0, 0, 86_400_000, "fixed", "a"]


def test_the_id_of_a_hold_that_has_ended_is_a_new_one(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 60 ID a")
    clock.advance(MINUTE)
    assert db.do("RL.RESERVE k 1m FIXED 100 1d COST 70 ID a")[:3] == [70, 100, 30]


def test_while_somebody_waits_for_a_turn_a_hold_is_prolonged_as_of_now(db, clock):
    db.do("RL.RESERVE k 1h FIXED 10 60s COST 10 ID a")
    db.ask("RL.FIXED k 10 60s COST 4 MAXWAIT 60s")
    clock.advance(10 * SECOND)
    again = db.do("RL.RESERVE k 1h FIXED 10 60s COST 1 ID a")
    assert (again[0], again[3], again[4]) == (10, 0, 110_000)


# --- the ttl


@every_limit
def test_a_hold_that_is_not_settled_gives_everything_back_at_its_ttl(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 30")
    db.do(f"RL.RESERVE k 1m {limit} COST 60 ID a")
    clock.advance(MINUTE - 1)
    assert (used(db), holds(db)) == ([90], 1)
    clock.advance(1)
    assert (used(db), holds(db)) == ([30], 0)
    assert db.ask(f"RL.CHECK k {limit} COST 70").granted == 70


@every_limit
def test_what_was_taken_after_a_hold_stays_when_it_ends(db, clock, limit):
    db.do(f"RL.RESERVE k 1m {limit} COST 60 ID a")
    db.ask(f"RL.CHECK k {limit} COST 30")
    clock.advance(MINUTE)
    assert db.ask(f"RL.CHECK k {limit} COST 70").granted == 70
    assert used(db) == [100]


def test_a_peek_counts_ended_holds_as_given_back_and_writes_nothing(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 60 ID a")
    db.ask("RL.FIXED k 100 1d")
    clock.advance(MINUTE)
    before = db.changes(), db.digest("k")
    assert db.ask("RL.PEEK k COST 99").granted == 99
    assert (used(db), holds(db)) == ([1], 0)
    assert (db.changes(), db.digest("k")) == before


def test_a_denied_call_also_gives_ended_holds_back(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 60 ID a")
    db.ask("RL.FIXED k 100 1d COST 40")
    clock.advance(MINUTE)
    before = db.digest("k")
    assert db.ask("RL.FIXED k 100 1d COST 61") == (0, 100, 60, 86_340_000, 86_340_000)
    assert db.digest("k") != before


def test_units_come_back_as_of_the_end_of_the_hold(db, clock):
    """A bucket that gets them back while it is not full refills from there; later it would have been full anyway."""
    db.do("RL.RESERVE k 10s TOKENBUCKET 100 1 1s COST 60 ID a")
    db.ask("RL.TOKENBUCKET k 100 1 1s COST 30")
    clock.advance(50 * SECOND)
    assert used(db) == [0], "30 at ten seconds, and 40 seconds later"


def test_holds_end_in_order_and_each_by_itself(db, clock):
    for number, cost in enumerate((10, 20, 30), start=1):
        db.do(f"RL.RESERVE k {number}m FIXED 100 1d COST {cost} ID {number}")
    seen = []
    for _ in range(4):
        seen.append((used(db)[0], holds(db)))
        clock.advance(MINUTE)
    assert seen == [(60, 3), (50, 2), (30, 1), (0, 0)]


def test_of_many_holds_that_ended_each_call_gives_some_back_until_all_are(db, clock):
    """At most so many a call that nobody waits for it."""
    pipe = db.pipeline(transaction=False)
    for number in range(200):
        pipe.execute_command("RL.RESERVE", "k", "1m", "FIXED", "100000", "1d", "ID", str(number))
    pipe.execute()
    clock.advance(MINUTE)
    db.ask("RL.FIXED k 100000 1d COST 1000")
    assert holds(db) == 0, "none lasts"
    assert 1000 < used(db)[0] < 1200, "but some have not given back yet"
    for _ in range(15):
        db.ask("RL.FIXED k 100000 1d")
    assert (used(db), holds(db)) == ([1015], 0)


RESERVE_UNEVENLY = """
for hold = 1, 12000 do
    redis.call('RL.RESERVE', KEYS[1], 1 + hold * 7919 % 12000, 'FIXED', '24000', '1d', 'AS', 'a',
               'SLIDING', '12000', '2d', 'AS', 'b', 'ID', hold, unpack(hold % 100 == 0 and {'CHARGE', 'a', '3'} or {}))
end
"""


def test_a_peek_agrees_with_a_check_while_thousands_of_holds_have_ended(db, clock):
    """Neither collects all of them at once, and a peek collects none in the key."""
    limits = "FIXED 24000 1d AS a SLIDING 12000 2d AS b"
    db.eval(RESERVE_UNEVENLY, 1, "k")
    clock.advance(6000 * SECOND)
    assert holds(db) == 6000
    for cost in (1, 40, 2, 30, 1, 12_000, 3, 17, 5):
        before = db.digest("k")
        peeked = db.ask(f"RL.PEEK k {limits} COST {cost}")
        assert holds(db) == 6000, "those that last"
        assert db.digest("k") == before
        checked = db.ask(f"RL.CHECK k {limits} COST {cost}")
        assert (peeked.granted, peeked.wait_ms) == (checked.granted, checked.wait_ms)


def test_the_key_lives_until_its_holds_have_ended(db):
    db.do("RL.RESERVE k 1h FIXED 100 60s COST 60 ID a")
    assert lives_until(db.pttl("k"), 3_600_000)


def test_the_end_of_the_last_hold_may_leave_nothing(db, clock):
    """A command that writes removes the key then."""
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 60 ID a")
    clock.advance(MINUTE)
    assert db.do("RL.SETTLE k nobody 0") is None
    assert db.exists("k") == 0


# --- settlement


@every_limit
def test_what_was_too_much_comes_back(db, clock, limit):
    db.do(f"RL.RESERVE k 1m {limit} COST 60 ID a")
    settled = db.do("RL.SETTLE k a 25")
    assert settled[:4] == [25, 100, 75, 0]
    assert settled[5:] == [limit.split()[0].lower(), "settled"]
    assert (used(db), holds(db)) == ([25], 1), "the id is remembered"


@every_limit
def test_what_was_too_little_is_charged_into_debt_if_need_be(db, clock, limit):
    db.do(f"RL.RESERVE k 1m {limit} COST 60 ID a")
    assert db.do("RL.SETTLE k a 90")[:4] == [90, 100, 10, 0]
    db.do(f"RL.RESERVE k 1m {limit} COST 10 ID b")
    settled = db.do("RL.SETTLE k b 50")
    assert (settled[0], settled[2], settled[6]) == (50, 0, "settled")
    assert settled[3] > 0
    assert used(db) == [140]


def test_the_settlement_tells_how_long_a_debt_lasts(db, clock):
    db.do("RL.RESERVE k 1m TOKENBUCKET 100 1 1s COST 60 ID a")
    assert db.do("RL.SETTLE k a 130") == [130, 100, 0, 30_000, 130_000, "tokenbucket", "settled"]


@every_limit
def test_an_estimate_that_was_right_changes_nothing_but_the_hold(db, clock, limit):
    db.do(f"RL.RESERVE k 1m {limit} COST 60 ID a")
    assert db.do("RL.SETTLE k a 60")[:3] == [60, 100, 40]
    assert used(db) == [60]


@every_limit
def test_an_actual_cost_of_nothing_gives_all_back_and_the_key_stays_for_its_id(db, clock, limit):
    db.do(f"RL.RESERVE k 1m {limit} COST 60 ID a")
    assert db.do("RL.SETTLE k a 0")[:5] == [0, 100, 100, 0, 0]
    assert (used(db), holds(db)) == ([0], 1)
    clock.advance(MINUTE)
    assert db.do("RL.SETTLE k a 0") is None
    assert db.exists("k") == 0


@every_limit
def test_an_unknown_id_is_charged_in_full_and_said_to_be_unknown(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 90")
    settled = db.do("RL.SETTLE k nobody 25")
    assert (settled[0], settled[2], settled[6]) == (25, 0, "unknown")
    assert used(db) == [115]


@every_limit
def test_a_late_settlement_counts_in_full(db, clock, limit):
    """The hold has given its units back."""
    db.do(f"RL.RESERVE k 1m {limit} COST 60 ID a")
    db.ask(f"RL.CHECK k {limit} COST 5")
    clock.advance(MINUTE)
    assert db.do("RL.SETTLE k a 25")[6] == "unknown"
    assert used(db) == [30]


@every_limit
def test_a_settlement_that_comes_twice_counts_once_and_answers_the_same(db, clock, limit):
    db.do(f"RL.RESERVE k 1m {limit} COST 60 ID a")
    first = db.do("RL.SETTLE k a 25")
    before = db.changes(), db.digest("k")
    assert db.do("RL.SETTLE k a 25") == db.do("RL.SETTLE k a 99") == first
    assert (db.changes(), db.digest("k"), used(db)) == (before[0], before[1], [25])
    clock.advance(30 * SECOND)
    db.ask(f"RL.CHECK k {limit} COST 5")
    again = db.do("RL.SETTLE k a 25")
    assert (again[:3], again[6]) == ([25, 100, 70], "settled")


def test_a_settled_id_is_unknown_when_its_ttl_is_over(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 60 ID a")
    clock.advance(30 * SECOND)
    db.do("RL.SETTLE k a 25")
    clock.advance(30 * SECOND - 1)
    assert db.do("RL.SETTLE k a 25")[6] == "settled"
    clock.advance(1)
    assert db.do("RL.SETTLE k a 25")[6] == "unknown"
    assert used(db) == [50]


def test_a_settled_id_cannot_be_reserved_before_its_ttl_is_over(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 60 ID a")
    db.do("RL.SETTLE k a 25")
    before = db.changes(), db.digest("k")
    assert db.error(*"RL.RESERVE k 1m FIXED 100 1d COST 60 ID a".split()).startswith("id ")
    assert (db.changes(), db.digest("k")) == before
    clock.advance(MINUTE)
    assert db.do("RL.RESERVE k 1m FIXED 100 1d COST 60 ID a")[:3] == [60, 100, 15]


def test_the_key_lives_as_long_as_it_remembers_a_settled_id(db):
    db.do("RL.RESERVE k 1h FIXED 100 60s COST 60 ID a")
    db.do("RL.SETTLE k a 0")
    assert lives_until(db.pttl("k"), 3_600_000)


def test_of_an_absent_key_a_settlement_is_null_unless_it_names_limits(db, clock):
    assert db.do("RL.SETTLE k a 25") is None
    assert db.exists("k") == 0
    assert db.do("RL.SETTLE k a 25 FIXED 100 1d") == [25, 100, 75, 0, 86_400_000, "fixed", "unknown"]
    assert used(db) == [25]


def test_of_an_absent_key_a_settlement_of_nothing_makes_none(db, clock):
    assert db.do("RL.SETTLE k a 0 FIXED 100 1d") == [0, 100, 100, 0, 0, "fixed", "unknown"]
    assert db.exists("k") == 0


def test_a_settlement_of_nothing_for_an_unknown_id_charges_nothing(db, clock):
    db.ask("RL.CHECK k FIXED 100 1d FIXED 5 1d PER REQUEST COST 10")
    db.do("RL.SETTLE k nobody 0")
    assert used(db) == [10, 1]


def test_requests_are_counted_when_they_are_reserved_and_not_again(db, clock):
    limits = "FIXED 100 1d FIXED 5 1d PER REQUEST AS requests"
    db.do(f"RL.RESERVE k 1m {limits} COST 60 ID a")
    assert used(db) == [60, 1]
    db.do("RL.SETTLE k a 20")
    assert used(db) == [20, 1]
    db.do(f"RL.RESERVE k 1m {limits} COST 10 ID b")
    db.do("RL.SETTLE k b 30")
    assert used(db) == [50, 2]


def test_a_settlement_is_no_request_also_without_a_hold(db, clock):
    db.ask("RL.CHECK k FIXED 100 1d FIXED 5 1d PER REQUEST COST 10")
    db.do("RL.SETTLE k nobody 30")
    assert used(db) == [40, 1]


def test_a_hold_that_ends_gives_no_request_back(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d FIXED 5 1d PER REQUEST COST 60 ID a")
    clock.advance(MINUTE)
    assert used(db) == [0, 1]


# --- whose units come back


def test_two_holds_that_are_settled_cost_what_they_did_cost(db, clock):
    """Whichever ends first: also if both were estimated far too high."""
    for first, second in (("a", "b"), ("b", "a")):
        db.delete("k")
        db.do("RL.RESERVE k 1m FIXED 1000 1d COST 100 ID a")
        db.do("RL.RESERVE k 1m FIXED 1000 1d COST 100 ID b")
        db.do(f"RL.SETTLE k {first} 10")
        db.do(f"RL.SETTLE k {second} 10")
        assert used(db) == [20]


@pytest.mark.parametrize(
    "limit", ["FIXED 100000 1d", "SLIDING 100000 1d", "SLIDING 100000 1d APPROX", "QUOTA 100000 DAY"]
)
def test_many_holds_settled_in_any_order_cost_what_they_did_cost(db, clock, limit):
    rng = random.Random(3)
    estimates = {str(number): rng.randint(1, 100) for number in range(200)}
    actual = {name: rng.choice([0, estimate // 3, estimate, 2 * estimate]) for name, estimate in estimates.items()}
    for name, estimate in estimates.items():
        clock.advance(SECOND)
        db.do(f"RL.RESERVE k 1d {limit} COST {estimate} ID {name}")
    for name in rng.sample(list(estimates), 200):
        assert db.do(f"RL.SETTLE k {name} {actual[name]}")[6] == "settled"
    assert used(db) == [sum(actual.values())]


def test_a_refund_of_what_came_later_takes_nothing_from_a_hold(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 50 ID a")
    db.ask("RL.FIXED k 100 1d COST 30")
    assert db.do("RL.REFUND k 30") == 30
    assert db.do("RL.SETTLE k a 10")[:3] == [10, 100, 90]


def test_a_hold_gives_back_what_is_left_of_it_and_not_what_others_took(db, clock):
    """Units flow back in the order in which they were taken."""
    db.do("RL.RESERVE k 1m TOKENBUCKET 100 10 1s COST 60 ID a")
    clock.advance(4 * SECOND)
    db.ask("RL.TOKENBUCKET k 100 10 1s COST 30")
    assert db.do("RL.SETTLE k a 10") == [10, 100, 70, 0, 3_000, "tokenbucket", "settled"]


def test_a_settlement_after_the_window_has_rolled_over_takes_nothing_from_the_new_one(db, clock):
    db.do("RL.RESERVE k 1h FIXED 100 60s COST 60 ID a")
    clock.advance(MINUTE)
    db.ask("RL.FIXED k 100 60s COST 20")
    assert db.do("RL.SETTLE k a 10")[:3] == [10, 100, 80]
    assert used(db) == [20]


def test_a_settlement_after_the_window_has_rolled_over_charges_what_was_too_little_in_the_new_one(db, clock):
    db.do("RL.RESERVE k 1h FIXED 100 60s COST 60 ID a")
    clock.advance(MINUTE)
    assert db.do("RL.SETTLE k a 70")[:3] == [70, 100, 90]


def test_a_log_gives_back_the_entries_of_the_hold(db, clock):
    log = "SLIDING 100 60s"
    for line in (f"RL.CHECK k {log} COST 5", f"RL.RESERVE k 1h {log} COST 20 ID a", f"RL.CHECK k {log} COST 7"):
        db.do(line)
        clock.advance(10 * SECOND)
    db.do("RL.SETTLE k a 8")
    seen = []
    for second in (59, 60, 69, 70, 79, 80):
        clock.set(BASE + second * SECOND)
        seen.append(used(db)[0])
    assert seen == [20, 15, 15, 7, 7, 0]


def test_two_counters_give_back_from_the_window_in_which_the_hold_was_charged(db, clock):
    db.do("RL.RESERVE k 1h SLIDING 100 60s APPROX COST 60 ID a")
    clock.set(BASE + MINUTE)
    db.ask("RL.SLIDING k 100 60s APPROX COST 20")
    db.do("RL.SETTLE k a 30")
    assert used(db) == [50]
    clock.set(BASE + 90 * SECOND)
    assert used(db) == [35]


def test_a_settlement_in_debt_lessens_it(db, clock):
    db.do("RL.RESERVE k 1h FIXED 100 1d COST 60 ID a")
    db.ask("RL.FIXED k 100 1d COST 70 FORCE")
    assert db.do("RL.SETTLE k a 40") == [40, 100, 0, 86_400_000, 86_400_000, "fixed", "settled"]
    assert used(db) == [110]
    # Under another limit nothing is in debt; but what is granted there is one more debt here.
    db.do("RL.RESERVE k 1h FIXED 200 1d COST 60 ID b")
    assert used(db) == [170, 170]
    assert db.do("RL.SETTLE k b 0") == [0, 200, 90, 0, 86_400_000, "fixed", "settled"]
    assert used(db) == [110, 110]
    assert db.ask("RL.PEEK k FIXED 100 1d").wait_ms == 86_400_000


@pytest.mark.parametrize(
    "new", ["FIXED 200 1d", "TOKENBUCKET 200 1 1d", "SLIDING 200 1d", "QUOTA 200 MONTH", "FIXED 200 1d AS other"]
)
def test_a_hold_is_settled_under_its_own_limits_and_counts_under_others(db, clock, new):
    db.do("RL.RESERVE k 1h FIXED 100 1d COST 60 ID a")
    assert db.ask(f"RL.CHECK k {new} COST 10")[:3] == (10, 200, 130)
    assert holds(db) == 1
    assert db.do("RL.SETTLE k a 20")[:3] == [20, 100, 70]
    assert db.ask(f"RL.PEEK k {new}")[:3] == (1, 200, 170)


def test_a_settlement_goes_by_the_limits_of_the_hold_whatever_it_names(db, clock):
    db.do("RL.RESERVE k 1h FIXED 100 1d COST 60 ID a")
    assert db.do("RL.SETTLE k a 20 SLIDING 50 1d")[:3] == [20, 100, 80]
    assert used(db) == [20]


def test_a_settlement_of_an_unknown_id_goes_by_all_accounts(db, clock):
    db.ask("RL.FIXED k 100 1d COST 60")
    db.ask("RL.SLIDING k 50 1d AS strict FORCE")
    assert db.do("RL.SETTLE k nobody 5")[:2] == [5, 50]
    assert used(db) == [66, 56]


def test_an_account_that_was_opened_after_a_hold_gives_back_as_much_as_was_granted(db, clock):
    db.do("RL.RESERVE k 1h FIXED 100 1d FIXED 40 1d AS small COST 60 ID a")
    db.ask("RL.FIXED k 30 1d FORCE")
    # It starts with 30 of 60. What comes back is 60 - 45, from all that are not smaller.
    assert used(db) == [61, 41, 31]
    db.do("RL.SETTLE k a 45")
    assert used(db) == [46, 46, 16]


def test_while_a_hold_is_remembered_no_account_is_dropped(db, clock):
    db.do("RL.RESERVE k 10m FIXED 100 10s COST 60 ID a")
    for _ in range(9):
        clock.advance(MINUTE)
        db.ask("RL.TOKENBUCKET k 10 10 90s COST 10 FORCE")
    assert len(db.rl_info("k")["limits"]) == 2
    assert db.do("RL.SETTLE k a 70")[1:3] == [100, 80], "ten of the bucket's call, and ten more than the estimate"
    clock.advance(MINUTE)
    db.ask("RL.TOKENBUCKET k 10 10 90s FORCE")
    assert [limit["label"] for limit in db.rl_info("k")["limits"]] == ["tokenbucket"]


@every_limit
def test_after_a_step_back_of_the_clock_a_hold_is_still_known(db, clock, limit):
    clock.set(BASE + HOUR)
    db.do(f"RL.RESERVE k 1h {limit} COST 60 ID a")
    clock.set(BASE)
    assert db.do("RL.SETTLE k a 20")[6] == "settled"
    assert used(db)[0] in (20, 21), "a bucket counts as much more used as the clock went back: part of a unit"


# --- with leases


def test_the_id_of_a_hold_is_that_of_its_lease_and_settling_ends_both(db, clock):
    limits = "FIXED 100 1d CONCURRENT 2 1m PER REQUEST"
    assert db.do(f"RL.RESERVE k 10m {limits} COST 60 ID a")[6] == "a"
    made = db.do(f"RL.RESERVE k 10m {limits} COST 10")[6]
    assert db.do(f"RL.RESERVE k 10m {limits} COST 10 ID c")[5:] == ["concurrent", None]
    assert db.do("RL.SETTLE k a 20")[6] == "settled"
    assert used(db) == [30, 1]
    assert db.execute_command("RL.SETTLE", "k", made, 5)[6] == "settled"
    assert used(db) == [25, 0]


def test_a_settlement_takes_no_lease(db, clock):
    db.do("RL.CHECK k FIXED 100 1d CONCURRENT 2 1m ID a")
    assert db.do("RL.SETTLE k nobody 20")[6] == "unknown"
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 1 ID b")
    db.do("RL.SETTLE k b 20")
    assert used(db) == [1 + 20 + 20, 1]


def test_a_settlement_of_nothing_that_names_other_limits_keeps_what_is_held(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d COST 60 ID a")
    assert db.do("RL.SETTLE k nobody 0 FIXED 200 1d")[6] == "unknown"
    assert (used(db), holds(db)) == ([60, 60], 1)
    assert db.do("RL.SETTLE k a 10")[:3] == [10, 100, 90]
    assert used(db) == [10, 10]


def test_a_settlement_ends_a_lease_that_has_no_hold(db, clock):
    db.do("RL.CHECK k FIXED 100 1d CONCURRENT 2 1m ID a")
    assert db.do("RL.SETTLE k a 0")[6] == "unknown"
    assert used(db) == [1, 0]


def test_prolonging_a_hold_renews_its_lease(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1d CONCURRENT 2 1m ID a")
    clock.advance(50 * SECOND)
    db.do("RL.RESERVE k 1m FIXED 100 1d CONCURRENT 2 1m ID a")
    clock.advance(50 * SECOND)
    assert used(db) == [1, 1]


def test_prolonging_a_hold_tells_when_the_lease_ends_that_it_renews(db, clock):
    db.do("RL.RESERVE k 10m CONCURRENT 2 1m ID a")
    clock.advance(50 * SECOND)
    assert db.do("RL.RESERVE k 10m CONCURRENT 2 1m ID a")[4] == 60_000


def test_prolonging_a_hold_whose_lease_has_ended_lets_no_more_in_than_the_limit(db, clock):
    db.do("RL.RESERVE k 10m FIXED 100 1d CONCURRENT 1 1m ID a")
    clock.advance(MINUTE)
    assert db.do("RL.CHECK k FIXED 100 1d CONCURRENT 1 1m ID b")[0] == 1
    db.do("RL.RESERVE k 10m FIXED 100 1d CONCURRENT 1 1m ID a")
    assert used(db)[1] == 1


def test_a_hold_that_ends_does_not_end_the_lease(db, clock):
    db.do("RL.RESERVE k 10s FIXED 100 1d CONCURRENT 2 1m ID a")
    clock.advance(10 * SECOND)
    assert (used(db), holds(db)) == ([0, 1], 0)


def test_a_gateway_to_a_language_model(db, clock):
    """The story of docs/operations.md in numbers: tokens, requests and streams."""
    limits = "TOKENBUCKET 10000 10000 1m AS tokens TOKENBUCKET 60 60 1m AS requests PER REQUEST"
    limits += " CONCURRENT 5 2m AS parallel PER REQUEST"
    assert db.do(f"RL.RESERVE k 2m {limits} COST 6000 ID one")[0] == 6000
    assert db.do(f"RL.RESERVE k 2m {limits} COST 6000 ID two")[5:] == ["tokens", None]
    db.do("RL.SETTLE k one 1500")
    assert used(db) == [1500, 1, 0]
    assert db.do(f"RL.RESERVE k 2m {limits} COST 6000 ID two")[0] == 6000
    db.do("RL.SETTLE k two 9100")
    assert used(db) == [10_600, 2, 0]


# --- arguments and bounds


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("RL.RESERVE", TOO_SHORT),
        ("RL.RESERVE k", TOO_SHORT),
        ("RL.RESERVE k 0 FIXED 10 60s", "ttl must be a duration"),
        ("RL.RESERVE k 3651d FIXED 10 60s", "ttl must be a duration"),
        ("RL.RESERVE k soon FIXED 10 60s", "ttl must be a duration"),
        ("RL.RESERVE k 1m FIXED -1 60s", "limit must be"),
        ("RL.RESERVE k 1m FIXED 10 60s COST -1", "COST must be"),
        ("RL.RESERVE k 1m FIXED 10 60s ID a ID b", "id is given twice"),
        ("RL.RESERVE k 1m FIXED 10 60s ID", "id is missing"),
        ("RL.SETTLE", TOO_SHORT),
        ("RL.SETTLE k", TOO_SHORT),
        ("RL.SETTLE k a", TOO_SHORT),
        ("RL.SETTLE k a -1", "actual must be an integer from 0 to 9007199254740991"),
        ("RL.SETTLE k a 9007199254740992", "actual must be an integer from 0 to 9007199254740991"),
        ("RL.SETTLE k a much", "actual must be an integer from 0 to 9007199254740991"),
        ("RL.SETTLE k a 1 COST 3", "syntax error"),
        ("RL.SETTLE k a 1 ID b", "syntax error"),
        ("RL.SETTLE k a 1 FIXED 10", "window is missing"),
    ],
)
def test_bad_arguments_are_refused_by_name_and_change_nothing(db, clock, line, text):
    for key in ("absent", "k"):
        if key == "k":
            db.do("RL.RESERVE k 1h FIXED 7 1h COST 3 ID held")
        before = db.changes(), db.digest("k")
        assert db.error(*line.split()).startswith(text)
        assert (db.changes(), db.digest("k")) == before


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_an_id_has_1_to_64_bytes(db, clock, name):
    for words in (["RL.RESERVE", "k", "1m", "FIXED", 10, "60s", "ID", name], ["RL.SETTLE", "k", name, 1]):
        assert db.error(*words).startswith("id must be 1 to 64 bytes")


FILL = """
for hold = 1, tonumber(ARGV[1]) do
    redis.call('RL.RESERVE', KEYS[1], '1h', 'FIXED', '4294967295', '1d', 'ID', ARGV[2] .. hold)
end
"""


def test_at_most_65536_holds_are_kept_and_one_more_is_denied_until_the_first_ends(db, clock):
    db.eval(FILL, 1, "k", 1, "first")
    clock.advance(SECOND)
    for part in range(8):
        db.eval(FILL, 1, "k", 8192 - (part == 7), f"{part}:")
    assert holds(db) == 65_536
    denied = db.do("RL.RESERVE k 1h FIXED 4294967295 1d ID more")
    assert (denied[0], denied[3], denied[6]) == (0, 3_599_000, None)
    assert db.do("RL.RESERVE k 1h FIXED 4294967295 1d ID 3:5")[0] == 1, "that is a hold which is there"
    assert db.ask("RL.FIXED k 4294967295 1d").granted == 1, "others need no hold"
    assert db.do("RL.SETTLE k 3:6 1")[6] == "settled"
    assert holds(db) == 65_536, "a settled id is one of them"
    clock.advance(3_599_000 * MS)
    assert db.do("RL.RESERVE k 1h FIXED 4294967295 1d ID more")[0] == 1


def test_the_largest_numbers(db, clock):
    assert db.do(f"RL.RESERVE k 3650d FIXED {MOST} 3650d COST {MOST} ID a")[0] == MOST
    assert db.do(f"RL.SETTLE k a {MOST}")[0] == MOST
    assert db.do(f"RL.SETTLE k b {MOST}")[0] == MOST
    assert used(db) == [MOST]


def test_at_maxmemory_a_reservation_is_refused_and_a_settlement_is_not(db, clock, configure):
    db.do("RL.RESERVE k 1h FIXED 100 1d COST 60 ID a")
    configure("maxmemory", "1")
    assert db.error(*"RL.RESERVE k 1h FIXED 100 1d COST 1".split()).startswith("OOM ")
    assert db.do("RL.SETTLE k a 20")[6] == "settled"


# --- many at once

CONNECTIONS = 32


@pytest.mark.parametrize("limit", [*LIMITS, "CONCURRENT 100 1d"])
def test_connections_that_reserve_together_never_exceed_the_limit(server: Server, db, clock, limit):
    start = Barrier(CONNECTIONS)

    def reserve(number: int) -> list[list]:
        with server.client() as client:
            client.ping()
            start.wait()
            return [client.do(f"RL.RESERVE k 1h {limit} COST {1 + number % 7}") for _ in range(20)]

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        replies = [reply for some in pool.map(reserve, range(CONNECTIONS)) for reply in some]
    granted = [reply for reply in replies if reply[0]]
    assert sum(reply[0] for reply in granted) == used(db)[0] in range(94, 101)
    assert len({reply[6] for reply in granted}) == len(granted) == holds(db)


def test_connections_that_reserve_and_settle_are_charged_what_they_used(server: Server, db, clock):
    """At each moment what is used is what was settled and what is held: each sees no more than the limit."""
    start = Barrier(CONNECTIONS)

    def work(number: int) -> int:
        rng, actual = random.Random(number), 0
        with server.client() as client:
            client.ping()
            start.wait()
            for _ in range(30):
                reply = client.do(f"RL.RESERVE k 1h FIXED 5000 1d COST {rng.randint(50, 300)}")
                assert reply[2] >= 0
                if reply[0]:
                    cost = rng.randint(0, reply[0])
                    assert client.execute_command("RL.SETTLE", "k", reply[6], cost)[6] == "settled"
                    actual += cost
        return actual

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        settled = list(pool.map(work, range(CONNECTIONS)))
    total = sum(settled)
    assert used(db) == [total]
    assert total <= 5000


@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize("command", ["RL.RESERVE k 1m", "RL.RESERVEALL 1 k 1m"])
def test_a_reservation_that_is_never_granted_changes_nothing_of_a_state_from_a_clock_that_ran_ahead(
    db, clock, command, blocked
):
    most = (1 << 32) - 1
    db.do(f"RL.RESERVE k 1h CONCURRENT {most} 1m COST 4 ID a")
    for cost, name in ((5, "a"), (most - 5, "c")):
        assert db.ask(f"RL.CONCURRENT k {most} 1m COST {cost} ID {name}").granted == cost
    if blocked:
        db.do("RL.BLOCK k 1s")
    clock.set(BASE - SECOND)
    before = db.changes()
    reply = db.do(f"{command} CONCURRENT {most} 1m COST {most + 1} ID a")
    assert (reply[0], reply[3]) == (0, -1)
    assert db.changes() == before
    clock.set(BASE + 59 * SECOND)
    assert db.ask("RL.PEEK k").wait_ms == 1000, "the leases end when they were said to end"
