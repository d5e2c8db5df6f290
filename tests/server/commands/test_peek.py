# SPDX-License-Identifier: MIT
"""RL.PEEK: what RL.CHECK would answer, taking nothing."""

import pytest

from harness import SECOND

LIMITS = [
    "TOKENBUCKET 7 7 60s",
    "FIXED 7 60s",
    "FIXED 7 60s ALIGNED",
    "SLIDING 7 60s",
    "LEAKYBUCKET 7 7 60s",
    "SLIDING 7 60s APPROX",
    "QUOTA 7 HOUR TZ Asia/Kolkata",
    "CONCURRENT 7 60s",
    "TOKENBUCKET 7 7 60s PER REQUEST FIXED 20 1h AS hourly SLIDING 9 1d",
]


@pytest.mark.parametrize("limits", LIMITS)
def test_peek_answers_what_the_same_check_answers_next(db, clock, limits):
    for cost in (1, 3, 8, 2, 4, 1, 1, 1):
        peeked = db.ask(f"RL.PEEK k {limits} COST {cost}")
        assert db.ask(f"RL.CHECK k {limits} COST {cost}")[:6] == peeked
        clock.advance(SECOND)


@pytest.mark.parametrize("limits", LIMITS)
def test_peek_that_names_no_limits_asks_about_those_of_the_key(db, clock, limits):
    db.ask(f"RL.CHECK k {limits} COST 3")
    for cost in (1, 4, 5, 8):
        assert db.ask(f"RL.PEEK k COST {cost}") == db.ask(f"RL.PEEK k {limits} COST {cost}")


@pytest.mark.parametrize("limits", LIMITS)
def test_peek_takes_nothing(db, clock, limits):
    db.ask(f"RL.CHECK k {limits} COST 3")
    before = db.digest("k"), db.rl_info("k"), db.changes()
    db.ask_times(5, f"RL.PEEK k {limits}")
    db.ask_times(5, "RL.PEEK k COST 8")
    assert (db.digest("k"), db.rl_info("k"), db.changes()) == before


@pytest.mark.parametrize("limits", LIMITS)
def test_peek_creates_no_key(db, clock, limits):
    assert db.ask(f"RL.PEEK k {limits}").granted == 1
    assert db.exists("k") == 0


def test_peek_of_no_key_naming_no_limits_is_null(db, clock):
    assert db.do("RL.PEEK k") is None
    assert db.do("RL.PEEK k COST 3") is None


def test_peek_with_other_limits_says_what_a_change_would_bring(db, clock):
    db.ask("RL.TOKENBUCKET k 10 10 60s COST 4")
    assert db.ask("RL.PEEK k FIXED 20 60s") == (1, 20, 15, 0, 60000, "fixed")
    assert db.rl_info("k")["limits"][0]["limit"] == "TOKENBUCKET 10 10 1m"


def test_peek_sees_time_go_by(db, clock):
    db.ask("RL.TOKENBUCKET k 10 10 1s COST 10")
    clock.advance(350 * SECOND // 1000)
    assert db.ask("RL.PEEK k") == (1, 10, 2, 0, 750, "tokenbucket")
