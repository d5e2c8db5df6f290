# SPDX-License-Identifier: MIT
"""PARTIAL, FORCE and MAXWAIT: what becomes of a call that does not fit as a whole, and now."""

from __future__ import annotations

import pytest

from harness import BASE, DAY, HOUR, MINUTE, MS, SECOND, lives_until
from oracle_limits import LONGEST, MOST, MOST_32

# Ten units that come back within a minute; the last one within an hour.
LIMITS = [
    *("TOKENBUCKET 10 1 6s", "LEAKYBUCKET 10 1 6s", "FIXED 10 60s", "FIXED 10 60s ALIGNED", "SLIDING 10 60s"),
    *("SLIDING 10 60s APPROX", "CONCURRENT 10 60s", "QUOTA 10 HOUR"),
]
every_limit = pytest.mark.parametrize("limit", LIMITS)
every_limit_that_does_not_queue = pytest.mark.parametrize("limit", [limit for limit in LIMITS if "LEAKY" not in limit])


def used(db) -> list[int]:
    return [limit["used"] for limit in db.rl_info("k")["limits"]]


# --- PARTIAL


@every_limit
def test_partial_takes_what_there_is(db, clock, limit):
    assert db.ask(f"RL.CHECK k {limit} COST 7 PARTIAL")[:3] == (7, 10, 3)
    assert db.ask(f"RL.CHECK k {limit} COST 7 PARTIAL")[:3] == (3, 10, 0)
    assert used(db) == [10]


@every_limit
def test_partial_is_denied_if_there_is_nothing_and_waits_for_one_unit(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 10")
    one, many = db.ask(f"RL.PEEK k {limit}"), db.ask(f"RL.CHECK k {limit} COST 7 PARTIAL")
    assert many[:5] == one[:5]
    assert many.granted == 0
    clock.advance(many.wait_ms * MS)
    assert db.ask(f"RL.CHECK k {limit} COST 7 PARTIAL").granted >= 1


@every_limit
def test_partial_never_says_never(db, clock, limit):
    assert db.ask(f"RL.CHECK k {limit} COST 11 PARTIAL")[:3] == (10, 10, 0)
    assert db.ask(f"RL.CHECK k {limit} COST {MOST} PARTIAL").wait_ms > 0


def test_partial_takes_the_fewest_remaining_of_all_limits(db, clock):
    limits = "FIXED 100 60s TOKENBUCKET 20 1 1s SLIDING 50 1h"
    assert db.ask(f"RL.CHECK k {limits} COST 70 PARTIAL") == (20, 20, 0, 0, 20_000, "tokenbucket")
    assert used(db) == [20, 20, 20]


def test_a_limit_of_requests_does_not_shorten_a_part_but_may_deny_it(db, clock):
    limits = "FIXED 2 60s PER REQUEST AS requests FIXED 100 1h AS units"
    assert db.ask(f"RL.CHECK k {limits} COST 70 PARTIAL") == (70, 2, 1, 0, 60_000, "requests")
    assert db.ask(f"RL.CHECK k {limits} COST 70 PARTIAL")[:3] == (30, 2, 0)
    assert db.ask(f"RL.CHECK k {limits} COST 70 PARTIAL")[:4] == (0, 100, 0, 3_600_000)
    assert used(db) == [2, 100]
    clock.advance(HOUR)
    db.ask(f"RL.CHECK k {limits} COST 5")
    db.ask(f"RL.CHECK k {limits} COST 5")
    assert db.ask(f"RL.CHECK k {limits} COST 5 PARTIAL") == (0, 2, 0, 60_000, 60_000, "requests")


def test_a_part_is_as_long_in_the_queue_as_a_call_of_that_cost(db, clock):
    db.ask("RL.LEAKYBUCKET k 10 1 1s COST 7")
    assert db.ask("RL.LEAKYBUCKET k 10 1 1s COST 7 PARTIAL") == (3, 10, 0, 7000, 10_000)


def test_a_part_of_a_lease_holds_so_many_units(db, clock):
    db.do("RL.CONCURRENT k 10 60s COST 7 ID a")
    assert db.do("RL.CONCURRENT k 10 60s COST 7 ID b PARTIAL") == [3, 10, 0, 0, 60_000, "b"]
    assert db.do("RL.CONCURRENT k 10 60s COST 20 ID a PARTIAL") == [7, 10, 0, 0, 60_000, "a"]
    assert db.do("RL.CONCURRENT k 10 60s COST 1 ID c PARTIAL") == [0, 10, 0, 60_000, 60_000, None]


@every_limit
def test_a_partial_call_that_is_denied_writes_nothing(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 10")
    before = db.changes(), db.digest("k"), db.do("PEXPIRETIME k")
    db.ask(f"RL.CHECK k {limit} COST 3 PARTIAL")
    assert (db.changes(), db.digest("k"), db.do("PEXPIRETIME k")) == before


# --- FORCE


@every_limit
def test_force_grants_whatever_is_left_and_counts_all_of_it(db, clock, limit):
    assert db.ask(f"RL.CHECK k {limit} COST 25 FORCE")[:3] == (25, 10, 0)
    assert db.ask(f"RL.CHECK k {limit} COST 5 FORCE")[:3] == (5, 10, 0)
    assert used(db) == [30]


@every_limit_that_does_not_queue
def test_force_that_fits_is_like_any_call(db, clock, limit):
    for key, mode in (("k", "FORCE"), ("l", "")):
        db.ask(f"RL.CHECK {key} {limit} COST 4 {mode}")
    assert db.ask("RL.PEEK k") == db.ask("RL.PEEK l")
    assert db.ask(f"RL.CHECK k {limit} COST 6 FORCE")[:4] == (6, 10, 0, 0)


@every_limit
def test_a_debt_lasts_as_long_as_force_says(db, clock, limit):
    """Until no more is used than the size."""
    wait_ms = db.ask(f"RL.CHECK k {limit} COST 13 FORCE").wait_ms
    clock.advance(wait_ms * MS - MS)
    assert used(db)[0] > 10
    clock.advance(MS)
    assert used(db)[0] <= 10


@every_limit
def test_in_debt_others_wait_until_it_is_over_and_they_fit(db, clock, limit):
    debt_ms = db.ask(f"RL.CHECK k {limit} COST 13 FORCE").wait_ms
    denied = db.ask(f"RL.CHECK k {limit} COST 2")
    assert denied[:3] == (0, 10, 0)
    assert denied.wait_ms >= debt_ms
    clock.advance(denied.wait_ms * MS - MS)
    assert db.ask(f"RL.CHECK k {limit} COST 2").granted == 0
    clock.advance(MS)
    assert db.ask(f"RL.CHECK k {limit} COST 2").granted == 2


@pytest.mark.parametrize(
    ("limit", "debt_ms"),
    [
        ("TOKENBUCKET 10 1 6s", 30_000),
        ("FIXED 10 60s", 60_000),
        ("QUOTA 10 HOUR", 3_600_000),
        ("SLIDING 10 60s", 60_000),
        ("SLIDING 10 60s APPROX", 60_000 + 20_000),  # of 15 units two thirds are 10
        ("CONCURRENT 10 60s", 60_000),
        ("LEAKYBUCKET 10 1 6s", 30_000),
    ],
)
def test_how_long_a_debt_of_five_units_lasts(db, clock, limit, debt_ms):
    assert db.ask(f"RL.CHECK k {limit} COST 15 FORCE").wait_ms == debt_ms


def test_a_debt_of_a_log_ends_as_entries_leave(db, clock):
    for second, cost in ((0, 4), (10, 3), (20, 6)):
        clock.set(BASE + second * SECOND)
        reply = db.ask(f"RL.SLIDING k 10 60s COST {cost} FORCE")
    assert reply == (6, 10, 0, 40_000, 60_000)


def test_who_is_forced_into_a_queue_waits_for_the_turn_or_the_end_of_the_debt(db, clock):
    db.ask("RL.LEAKYBUCKET k 10 1 1s COST 8")
    assert db.ask("RL.LEAKYBUCKET k 10 1 1s COST 4 FORCE").wait_ms == 8000
    assert db.ask("RL.LEAKYBUCKET k 10 1 1s COST 30 FORCE").wait_ms == 32_000


def test_of_several_limits_the_longest_debt_is_told(db, clock):
    limits = "FIXED 10 60s TOKENBUCKET 5 1 1h AS slow SLIDING 100 1d PER REQUEST"
    assert db.ask(f"RL.CHECK k {limits} COST 12 FORCE")[:4] == (12, 10, 0, 7 * 3_600_000)
    assert used(db) == [12, 12, 1]


def test_force_charges_limits_that_would_have_denied_and_those_that_would_not(db, clock):
    limits = "FIXED 10 60s FIXED 100 60s"
    db.ask(f"RL.CHECK k {limits} COST 10")
    assert db.ask(f"RL.CHECK k {limits} COST 7 FORCE").granted == 7
    assert used(db) == [17, 17]


@every_limit
def test_a_debt_is_over_when_the_state_is_idle(db, clock, limit):
    reset_ms = db.ask(f"RL.CHECK k {limit} COST 25 FORCE").reset_ms
    clock.advance(reset_ms * MS)
    assert db.ask(f"RL.CHECK k {limit} COST 10")[:3] == (10, 10, 0)


def test_the_key_lives_until_the_debt_is_paid(db):
    db.ask("RL.TOKENBUCKET k 10 1 60s COST 100 FORCE")
    assert lives_until(db.pttl("k"), 6_000_000, slack_ms=120_000)


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        ("TOKENBUCKET 10 1 6s", 10 + LONGEST // (6 * SECOND)),
        ("LEAKYBUCKET 10 1 1d", 10 + 3650),
        (f"TOKENBUCKET {MOST_32} {MOST_32} 1s", 2 * MOST_32),
        ("FIXED 10 60s", MOST),
        ("QUOTA 10 YEAR", MOST),
        ("SLIDING 10 60s APPROX", MOST_32),
    ],
)
def test_debts_are_bounded_and_what_is_beyond_is_granted_but_not_charged(db, clock, limit, most):
    for _ in range(3):
        reply = db.ask(f"RL.CHECK k {limit} COST {MOST} FORCE")
        assert (reply.granted, reply.remaining) == (MOST, 0)
        assert 0 <= reply.wait_ms <= 2 * 3650 * 86_400_000
    assert used(db) == [most]


@pytest.mark.parametrize("limit", ["SLIDING 10 60s", "CONCURRENT 10 60s"])
def test_where_there_is_no_room_to_write_even_force_is_denied_until_there_is(db, clock, limit):
    assert db.ask(f"RL.CHECK k {limit} FORCE").granted == 1
    clock.advance(SECOND)
    assert db.ask(f"RL.CHECK k {limit} COST {MOST} FORCE").granted == MOST
    assert used(db) == [MOST_32]
    before = db.changes(), db.digest("k")
    denied = db.ask(f"RL.CHECK k {limit} COST 7 FORCE")
    assert denied[:4] == (0, 10, 0, 59_000)
    assert (db.changes(), db.digest("k")) == before
    clock.advance(denied.wait_ms * MS)
    assert db.ask(f"RL.CHECK k {limit} COST 7 FORCE").granted == 7


@every_limit
def test_a_debt_survives_a_step_back_of_the_clock_and_does_not_grow(db, clock, limit):
    clock.set(BASE + DAY)
    db.ask(f"RL.CHECK k {limit} COST 13 FORCE")
    clock.set(BASE)
    assert used(db)[0] in (10, 13)
    denied = db.ask(f"RL.CHECK k {limit}")
    assert denied.granted == 0
    clock.advance(denied.wait_ms * MS)
    assert db.ask(f"RL.CHECK k {limit}").granted == 1


@every_limit
def test_a_debt_is_of_its_limit_alone_and_the_account_of_another_one_starts_without(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 25 FORCE")
    db.ask("RL.CHECK k FIXED 12 3h")
    assert used(db) == [25, 12]


@every_limit
def test_what_is_forced_is_booked_on_every_account(db, clock, limit):
    if "CONCURRENT" in limit:
        return  # nothing but leases is booked there
    db.ask(f"RL.CHECK k {limit} COST 4")
    assert db.ask("RL.CHECK k FIXED 12 3h COST 25 FORCE").granted == 25
    assert used(db) == [29, 29]


# --- MAXWAIT


@every_limit
def test_maxwait_that_fits_goes_at_once(db, clock, limit):
    assert db.ask(f"RL.CHECK k {limit} COST 4 MAXWAIT 1s")[:4] == (4, 10, 6, 0)


@every_limit_that_does_not_queue
def test_maxwait_grants_now_what_would_be_granted_soon_enough(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 10")
    wait_ms = db.ask(f"RL.PEEK k {limit} COST 3").wait_ms
    assert db.ask(f"RL.CHECK k {limit} COST 3 MAXWAIT {wait_ms - 1}ms")[:4] == (0, 10, 0, 1)
    assert db.ask(f"RL.CHECK k {limit} COST 3 MAXWAIT {wait_ms}ms")[:2] == (3, 10)
    clock.advance(wait_ms * MS)
    assert used(db)[0] >= 3


@every_limit
def test_who_is_denied_by_maxwait_and_waits_as_told_is_granted_with_the_same_maxwait(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 10")
    denied = db.ask(f"RL.CHECK k {limit} COST 8 MAXWAIT 5s")
    assert denied.granted == 0
    clock.advance(denied.wait_ms * MS - MS)
    assert db.ask(f"RL.CHECK k {limit} COST 8 MAXWAIT 5s").granted == 0
    clock.advance(MS)
    assert db.ask(f"RL.CHECK k {limit} COST 8 MAXWAIT 5s").granted == 8


@every_limit
def test_maxwait_knows_never(db, clock, limit):
    assert db.ask(f"RL.CHECK k {limit} COST 11 MAXWAIT 3650d").wait_ms == -1
    assert db.exists("k") == 0


def test_until_its_turn_nobody_else_is_granted_and_all_wait_until_they_fit_behind_it(db, clock):
    """Also not who would fit besides."""
    db.ask("RL.TOKENBUCKET k 10 1 1s COST 8")
    assert db.ask("RL.TOKENBUCKET k 10 1 1s COST 5 MAXWAIT 10s") == (5, 10, 0, 3000, 13_000)
    assert db.ask("RL.TOKENBUCKET k 10 1 1s") == (0, 10, 0, 4000, 13_000)
    assert db.ask("RL.TOKENBUCKET k 10 1 1s COST 6") == (0, 10, 0, 9000, 13_000)
    assert db.ask("RL.TOKENBUCKET k 10 1 1s COST 6 PARTIAL") == (0, 10, 0, 4000, 13_000)
    assert db.ask("RL.PEEK k COST 6") == (0, 10, 0, 9000, 13_000, "tokenbucket")
    clock.advance(4 * SECOND)
    assert db.ask("RL.TOKENBUCKET k 10 1 1s").granted == 1


def test_until_its_turn_also_who_would_fit_is_denied(db, clock):
    db.ask("RL.FIXED k 10 60s COST 10")
    assert db.ask("RL.FIXED k 10 60s COST 3 MAXWAIT 60s") == (3, 10, 7, 60_000, 120_000)
    assert db.ask("RL.FIXED k 10 60s COST 2") == (0, 10, 0, 60_000, 120_000)
    clock.advance(MINUTE - 1)
    assert db.ask("RL.FIXED k 10 60s COST 2") == (0, 10, 0, 1, 60_001)
    clock.advance(1)
    assert db.ask("RL.FIXED k 10 60s COST 2") == (2, 10, 5, 0, 60_000)


def test_who_may_wait_too_queues_behind(db, clock):
    db.ask("RL.SLIDING k 10 60s COST 10")
    waits = [db.ask("RL.SLIDING k 10 60s COST 6 MAXWAIT 3m").wait_ms for _ in range(4)]
    assert waits == [60_000, 120_000, 180_000, 60_000]
    assert db.ask("RL.SLIDING k 10 60s COST 4 MAXWAIT 3m").wait_ms == 180_000
    assert db.ask("RL.SLIDING k 10 60s COST 1 MAXWAIT 3m").wait_ms == 60_000


def test_who_goes_at_their_turn_keeps_the_limit_in_any_window(db, clock):
    goes = []
    for second in range(0, 200, 7):
        clock.set(BASE + second * SECOND)
        reply = db.ask("RL.SLIDING k 4 60s MAXWAIT 2m")
        goes += [second * 1000 + reply.wait_ms] if reply.granted else []
    assert goes == sorted(goes) and len(goes) >= 12
    assert all(fifth - first >= 60_000 for first, fifth in zip(goes, goes[4:]))


def test_of_several_limits_the_turn_is_when_all_grant(db, clock):
    limits = "FIXED 10 60s FIXED 10 10s AS short TOKENBUCKET 10 1 1s"
    db.ask(f"RL.CHECK k {limits} COST 10")
    assert db.ask(f"RL.CHECK k {limits} COST 5 MAXWAIT 59s")[3:] == (1000, 60_000, "fixed")
    granted = db.ask(f"RL.CHECK k {limits} COST 5 MAXWAIT 60s")
    assert (granted.granted, granted.wait_ms) == (5, 60_000)
    assert used(db) == [5, 5, 5]


def test_the_limit_whose_wait_is_too_long_binds(db, clock):
    limits = "FIXED 5 10s AS short FIXED 5 60s AS long"
    db.ask(f"RL.CHECK k {limits} COST 5")
    assert db.ask(f"RL.CHECK k {limits} MAXWAIT 5s") == (0, 5, 0, 55_000, 60_000, "long")


def test_the_queue_whose_turn_is_too_late_binds(db, clock):
    limits = "FIXED 6 60s LEAKYBUCKET 100 1 1s"
    db.ask(f"RL.CHECK k {limits} COST 4")
    assert db.ask(f"RL.CHECK k {limits} MAXWAIT 3s") == (0, 100, 96, 1000, 4000, "leakybucket")


def test_under_a_queue_the_whole_wait_counts(db, clock):
    db.ask("RL.LEAKYBUCKET k 10 1 1s COST 6")
    assert db.ask("RL.LEAKYBUCKET k 10 1 1s MAXWAIT 5s") == (0, 10, 4, 1000, 6000)
    assert db.ask("RL.LEAKYBUCKET k 10 1 1s MAXWAIT 6s") == (1, 10, 3, 6000, 7000)
    db.ask("RL.LEAKYBUCKET k 10 1 1s COST 3")
    assert db.ask("RL.LEAKYBUCKET k 10 1 1s COST 2 MAXWAIT 9s") == (0, 10, 0, 1000, 10_000)
    assert db.ask("RL.LEAKYBUCKET k 10 1 1s COST 2 MAXWAIT 10s") == (2, 10, 0, 10_000, 12_000)


def test_force_goes_before_nobody_either_but_is_granted(db, clock):
    db.ask("RL.TOKENBUCKET k 10 1 1s COST 10")
    db.ask("RL.TOKENBUCKET k 10 1 1s COST 5 MAXWAIT 10s")
    assert db.ask("RL.TOKENBUCKET k 10 1 1s COST 2 FORCE") == (2, 10, 0, 7000, 17_000)
    clock.advance(5 * SECOND)
    assert used(db) == [12]


def test_while_a_turn_is_pending_info_shows_what_will_be_used_then_and_nothing_remaining(db, clock):
    db.ask("RL.FIXED k 10 60s COST 9")
    db.ask("RL.FIXED k 10 60s COST 3 MAXWAIT 60s")
    [limit] = db.rl_info("k")["limits"]
    assert (limit["used"], limit["remaining"], limit["reset_ms"]) == (3, 0, 120_000)


def test_a_lease_that_waits_for_its_turn_begins_then(db, clock):
    db.do("RL.CONCURRENT k 1 60s ID a")
    assert db.do("RL.CONCURRENT k 1 60s ID b MAXWAIT 60s") == [1, 1, 0, 60_000, 120_000, "b"]
    clock.advance(2 * MINUTE - 1)
    assert used(db) == [1]
    clock.advance(1)
    assert used(db) == [0]


def test_a_lease_that_ends_before_a_turn_can_still_be_released(db, clock):
    db.do("RL.CONCURRENT k 1 60s ID a")
    db.do("RL.CONCURRENT k 1 60s ID b MAXWAIT 60s")
    assert db.do("RL.RELEASE k a") == 1


@pytest.mark.parametrize("give_back", ["RL.REFUND k 3", "RL.SETTLE k held 0", "RL.RELEASE k held"])
@pytest.mark.parametrize("limit", ["FIXED 10 60s", "QUOTA 10 HOUR", "SLIDING 10 60s", "CONCURRENT 10 60s"])
def test_giving_back_what_waits_for_its_turn_does_not_let_anyone_in_before(db, clock, limit, give_back):
    """What was used until then is no longer known: only the turn is."""
    db.ask(f"RL.CHECK k {limit} COST 10 ID others")
    db.ask(f"RL.CHECK k {limit} COST 3 MAXWAIT 1h ID held")
    db.do(give_back)
    for line in (f"RL.CHECK k {limit}", "RL.PEEK k", f"RL.RESERVE k 1m {limit}"):
        answer = db.ask(line)
        assert (answer.granted, answer.remaining) == (0, 0)
        assert answer.wait_ms > 0


def test_after_a_step_back_of_the_clock_a_turn_is_no_further_ahead_than_it_was(db, clock):
    clock.set(BASE + DAY)
    db.ask("RL.FIXED k 10 60s COST 10")
    db.ask("RL.FIXED k 10 60s COST 3 MAXWAIT 60s")
    clock.set(BASE)
    denied = db.ask("RL.FIXED k 10 60s")
    assert (denied.granted, denied.wait_ms) == (0, 60_000)
    clock.advance(denied.wait_ms * MS)
    assert db.ask("RL.FIXED k 10 60s")[:3] == (1, 10, 6)


@every_limit
def test_after_a_step_back_of_the_clock_maxwait_grants_what_fits_soon_enough(db, clock, limit):
    clock.set(BASE + DAY)
    db.ask(f"RL.CHECK k {limit} COST 10")
    clock.set(BASE)
    peeked = db.ask(f"RL.PEEK k {limit} COST 3")
    granted = db.ask(f"RL.CHECK k {limit} COST 3 MAXWAIT 2h")
    assert (peeked.granted, granted.granted) == (0, 3)
    assert granted.wait_ms >= peeked.wait_ms


def test_a_turn_and_another_limit_live_together(db, clock):
    db.ask("RL.FIXED k 10 60s COST 10")
    db.ask("RL.FIXED k 10 60s COST 3 MAXWAIT 60s")
    assert db.ask("RL.SLIDING k 100 60s")[:4] == (0, 100, 0, 60_000)
    clock.advance(MINUTE)
    assert db.ask("RL.SLIDING k 100 60s")[:3] == (1, 100, 96)


def test_no_turn_lies_behind_the_year_2200(db, clock):
    clock.set(84_006 * DAY - HOUR)
    db.ask("RL.FIXED k 10 1d COST 10")
    assert db.ask("RL.FIXED k 10 1d MAXWAIT 3650d") == (0, 10, 0, 86_400_000, 86_400_000)


def test_the_key_lives_until_the_call_that_waits_has_come_and_gone(db):
    db.ask("RL.FIXED k 10 60s COST 10")
    db.ask("RL.FIXED k 10 60s MAXWAIT 60s")
    assert lives_until(db.pttl("k"), 120_000)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("PARTIAL FORCE", "only one of PARTIAL, FORCE and MAXWAIT"),
        ("MAXWAIT 1s PARTIAL", "only one of PARTIAL, FORCE and MAXWAIT"),
        ("FORCE MAXWAIT 1s", "only one of PARTIAL, FORCE and MAXWAIT"),
        ("MAXWAIT", "MAXWAIT is missing"),
        ("MAXWAIT 0 FORCE", "only one of PARTIAL, FORCE and MAXWAIT"),
        ("MAXWAIT 3651d", "MAXWAIT must be 0 or a duration"),
        ("MAXWAIT soon", "MAXWAIT must be 0 or a duration"),
    ],
)
def test_one_mode_can_be_given_and_it_must_be_whole(db, clock, words, text):
    for line in (f"RL.CHECK k FIXED 10 60s {words}", f"RL.CHECK k {words} FIXED 10 60s", f"RL.FIXED k 10 60s {words}"):
        if line.endswith("60s") and text.endswith("missing"):
            continue
        assert db.error(*line.split()).startswith(text)


@pytest.mark.parametrize("mode", ["PARTIAL", "FORCE", "MAXWAIT 1s"])
@pytest.mark.parametrize(
    "line", ["RL.PEEK k FIXED 10 60s", "RL.RESERVE k 1m FIXED 10 60s", "RL.SETTLE k a 1 FIXED 10 60s"]
)
def test_only_checks_have_modes(db, clock, line, mode):
    assert db.error(*f"{line} {mode}".split()).startswith("syntax error")


def test_keywords_of_modes_may_be_in_any_case(db, clock):
    assert db.ask("rl.fixed k 10 60s cost 12 Partial").granted == 10
    assert db.ask("rl.fixed k 10 60s force cost 12").granted == 12
    assert db.ask("rl.fixed k 10 60s maxwait 1m").granted == 1
