# SPDX-License-Identifier: MIT
"""RL.SLIDING ... APPROX: two counters, of which the older one counts less and less; about the limit in any window."""

import random

import pytest

from harness import BASE, HOUR, MINUTE, MS, SECOND
from oracle_limits import MOST_32, SlidingLog

LINE = "RL.SLIDING k 10 60s APPROX"


def test_a_new_caller_has_the_whole_limit_and_is_remembered_for_two_windows_at_most(db, clock):
    assert db.ask(LINE) == (1, 10, 9, 0, 120_000)
    clock.set(BASE + 45 * SECOND)
    assert db.ask(f"{LINE} COST 2") == (2, 10, 7, 0, 75_000)


def test_exactly_the_limit_is_granted_at_one_instant(db, clock):
    assert [reply.granted for reply in db.ask_times(15, LINE)] == [1] * 10 + [0] * 5


def test_windows_begin_at_multiples_of_their_length_since_1970(db, clock):
    clock.set(BASE + 59 * SECOND)
    db.ask(f"{LINE} COST 10")
    clock.set(BASE + MINUTE - 1)
    assert db.ask("RL.PEEK k").remaining == 0
    assert db.rl_info("k")["limits"][0]["used"] == 10
    clock.set(BASE + MINUTE + 6 * SECOND)
    assert db.rl_info("k")["limits"][0]["used"] == 9


@pytest.mark.parametrize(
    ("seconds", "used"), [(0, 10), (1, 10), (5, 10), (6, 9), (7, 9), (30, 5), (31, 5), (54, 1), (59, 1), (60, 0)]
)
def test_the_window_before_counts_by_the_part_that_is_still_covered_rounded_up(db, clock, seconds, used):
    db.ask(f"{LINE} COST 10")
    clock.set(BASE + MINUTE + seconds * SECOND)
    assert db.rl_info("k")["limits"][0]["used"] == used


def test_what_both_windows_have_is_added(db, clock):
    db.ask(f"{LINE} COST 8")
    clock.set(BASE + 90 * SECOND)
    assert db.ask(f"{LINE} COST 3") == (3, 10, 3, 0, 90_000)
    assert db.ask(f"{LINE} COST 4") == (0, 10, 3, 7_500, 90_000)
    clock.advance(7_500 * MS - 1)
    assert db.ask(f"{LINE} COST 4").granted == 0
    clock.advance(1)
    assert db.ask(f"{LINE} COST 4").granted == 4


def test_a_wait_may_lead_into_the_next_window(db, clock):
    db.ask(f"{LINE} COST 10")
    denied = db.ask(f"{LINE} COST 4")
    assert denied == (0, 10, 0, 60_000 + 24_000, 120_000)
    clock.advance(denied.wait_ms * MS - 1)
    assert db.ask(f"{LINE} COST 4").granted == 0
    clock.advance(1)
    assert db.ask(f"{LINE} COST 4").granted == 4


def test_the_whole_limit_is_free_again_only_when_the_window_before_is_gone(db, clock):
    db.ask(LINE)
    denied = db.ask(f"{LINE} COST 10")
    assert denied.wait_ms == 120_000
    clock.advance(denied.wait_ms * MS)
    assert db.ask(f"{LINE} COST 10").granted == 10


def test_a_window_without_calls_is_enough_to_forget(db, clock):
    db.ask(f"{LINE} COST 10")
    clock.advance(2 * MINUTE)
    assert db.ask(LINE) == (1, 10, 9, 0, 120_000)


def test_a_cost_above_the_limit_is_never_granted(db, clock):
    assert db.ask(f"{LINE} COST 11") == (0, 10, 10, -1, 0)


def test_it_is_called_sliding_like_the_exact_log(db, clock):
    db.ask("RL.CHECK k SLIDING 10 60s APPROX SLIDING 10 60s SLIDING 10 1h approx")
    limits = db.rl_info("k")["limits"]
    assert [limit["label"] for limit in limits] == ["sliding", "sliding-2", "sliding-3"]
    assert [limit["limit"] for limit in limits] == ["SLIDING 10 1m APPROX", "SLIDING 10 1m", "SLIDING 10 1h APPROX"]


def test_it_takes_as_much_memory_after_ten_thousand_calls_as_after_one(db, clock):
    line = f"RL.SLIDING k {MOST_32} 1h APPROX"
    db.ask(line)
    before = db.rl_info("k")["memory"]
    for _ in range(10):
        clock.advance(HOUR // 9)
        db.ask_times(1000, line)
    assert db.rl_info("k")["memory"] == before


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 100])
def test_no_window_of_the_clock_gets_more_than_the_limit_and_none_at_all_more_than_twice_as_much(db, clock, limit):
    rng = random.Random(limit)
    now, taken = BASE, []
    while now < BASE + 40 * MINUTE:
        clock.set(now)
        cost = rng.randint(1, limit)
        if db.ask(f"RL.SLIDING k {limit} 60s APPROX COST {cost}").granted:
            taken.append((now, cost))
        now += rng.choice([1, SECOND, rng.randint(1, MINUTE), MINUTE - now % MINUTE, MINUTE - now % MINUTE - 1])
    exact = SlidingLog(MOST_32, MINUTE)
    for now, _ in taken:
        assert sum(cost for at, cost in taken if at // MINUTE == now // MINUTE) <= limit
        assert exact.used([entry for entry in taken if entry[0] <= now], now) <= max(2 * limit - 1, 1)


def test_who_always_asks_gets_the_limit_less_one_in_each_window(db, clock):
    granted = 0
    for second in range(20 * 60):
        clock.set(BASE + second * SECOND)
        granted += db.ask(LINE).granted
    assert granted in range(9 * 20, 9 * 20 + 2)


def test_another_limit_keeps_both_windows(db, clock):
    db.ask(f"{LINE} COST 8")
    clock.set(BASE + 90 * SECOND)
    assert db.ask("RL.SLIDING k 20 60s APPROX COST 3") == (3, 20, 13, 0, 90_000)


@pytest.mark.parametrize("pair", [("APPROX", ""), ("", "APPROX")])
def test_between_the_log_and_its_estimate_used_units_are_carried_as_of_now(db, clock, pair):
    old, new = pair
    db.ask(f"RL.SLIDING k 10 60s COST 4 {old}")
    clock.advance(30 * SECOND)
    assert db.ask(f"RL.SLIDING k 10 60s {new}")[:3] == (1, 10, 5)


def test_after_a_step_back_of_the_clock_it_counts_as_used_in_the_window_of_now_and_no_more_than_the_limit(db, clock):
    db.ask(f"{LINE} COST 7")
    clock.set(BASE + MINUTE + SECOND)
    db.ask(f"{LINE} COST 3")
    clock.set(BASE - HOUR)
    assert db.rl_info("k")["limits"][0]["used"] == 10
    denied = db.ask(LINE)
    assert (denied.granted, denied.wait_ms, denied.reset_ms) == (0, 66_000, 120_000)
    clock.advance(denied.wait_ms * MS)
    assert db.ask(LINE).granted == 1


def test_only_sliding_windows_are_approximate_and_once_is_enough(db, clock):
    for line in ("RL.FIXED k 10 60s APPROX", "RL.TOKENBUCKET k 10 1 1s APPROX", "RL.CHECK k APPROX SLIDING 10 60s"):
        assert db.error(*line.split()).startswith("syntax error")
    assert db.error(*"RL.SLIDING k 10 60s APPROX APPROX".split()).startswith("APPROX")
