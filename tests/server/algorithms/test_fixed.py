# SPDX-License-Identifier: MIT
"""RL.FIXED: so many in a window that the first granted call starts, or, ALIGNED, in windows counted from 1970."""

import pytest

from harness import BASE, DAY, MINUTE, MS, SECOND


def test_the_first_call_starts_the_window(db, clock):
    assert db.ask("RL.FIXED k 10 60s") == (1, 10, 9, 0, 60000)


def test_the_window_does_not_move_with_later_calls(db, clock):
    db.ask("RL.FIXED k 10 60s")
    clock.advance(45 * SECOND)
    assert db.ask("RL.FIXED k 10 60s COST 4") == (4, 10, 5, 0, 15000)


def test_exactly_the_limit_is_granted_in_one_window(db, clock):
    replies = db.ask_times(15, "RL.FIXED k 10 60s")
    assert [reply.granted for reply in replies] == [1] * 10 + [0] * 5


def test_a_denied_call_waits_for_the_end_of_the_window(db, clock):
    db.ask("RL.FIXED k 10 60s COST 8")
    clock.advance(20 * SECOND + 1)
    assert db.ask("RL.FIXED k 10 60s COST 3") == (0, 10, 2, 40000, 40000)


def test_a_cost_above_the_limit_is_never_granted(db, clock):
    assert db.ask("RL.FIXED k 10 60s COST 11") == (0, 10, 10, -1, 0)


def test_the_window_ends_at_its_nanosecond_and_not_before(db, clock):
    db.ask("RL.FIXED k 10 60s COST 10")
    clock.advance(MINUTE - 1)
    assert db.ask("RL.FIXED k 10 60s") == (0, 10, 0, 1, 1)
    clock.advance(1)
    assert db.ask("RL.FIXED k 10 60s") == (1, 10, 9, 0, 60000)


def test_the_next_window_starts_with_its_own_first_call(db, clock):
    db.ask("RL.FIXED k 10 60s COST 10")
    clock.advance(90 * SECOND)
    assert db.ask("RL.FIXED k 10 60s") == (1, 10, 9, 0, 60000)


def test_a_denied_call_does_not_start_a_window(db, clock):
    db.ask("RL.FIXED k 10 60s COST 11")
    clock.advance(45 * SECOND)
    assert db.ask("RL.FIXED k 10 60s").reset_ms == 60000


def test_per_request_takes_one_unit_whatever_is_granted(db, clock):
    assert db.ask("RL.FIXED k 10 60s PER REQUEST COST 7") == (7, 10, 9, 0, 60000)


@pytest.mark.parametrize(
    ("window", "since_base", "reset"),
    [
        ("60s", 15 * SECOND, 45 * SECOND),
        ("1h", 59 * MINUTE, MINUTE),
        ("1d", DAY - MS, MS),
        ("7d", 3 * DAY, 4 * DAY),
        ("90s", 0, 90 * SECOND - BASE % (90 * SECOND)),
        ("1ms", 1, MS),
        ("3650d", 0, 3650 * DAY - BASE % (3650 * DAY)),
    ],
)
def test_aligned_windows_start_at_multiples_of_the_window_since_1970(db, clock, window, since_base, reset):
    clock.set(BASE + since_base)
    assert db.ask(f"RL.FIXED k 10 {window} ALIGNED") == (1, 10, 9, 0, reset // MS)


def test_an_aligned_window_gives_way_to_the_next_on_the_boundary(db, clock):
    clock.set(BASE + 59 * SECOND)
    db.ask("RL.FIXED k 10 60s ALIGNED COST 10")
    clock.set(BASE + MINUTE - 1)
    assert db.ask("RL.FIXED k 10 60s ALIGNED") == (0, 10, 0, 1, 1)
    clock.set(BASE + MINUTE)
    assert db.ask("RL.FIXED k 10 60s ALIGNED COST 10") == (10, 10, 0, 0, 60000)


def test_options_may_come_in_any_order_and_case(db, clock):
    clock.set(BASE + 15 * SECOND)
    assert db.ask("rl.fixed k 10 60s cost 2 as mine aligned per Request") == (2, 10, 9, 0, 45000)
