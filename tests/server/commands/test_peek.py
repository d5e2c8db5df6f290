# SPDX-License-Identifier: MIT
"""RL.PEEK: whether RL.CHECK would grant a call, and what is left now, nothing being taken."""

import pytest

from harness import SECOND, pairs

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
def test_peek_tells_whether_the_same_check_is_granted_next_and_its_wait(db, clock, limits):
    for cost in (1, 3, 8, 2, 4, 1, 1, 1):
        peeked = db.ask(f"RL.PEEK k {limits} COST {cost}")
        checked = db.ask(f"RL.CHECK k {limits} COST {cost}")
        assert len(peeked) == 6, "no lease, no id"
        assert (peeked.granted, peeked.wait_ms) == (checked.granted, checked.wait_ms)
        if not checked.granted:
            assert peeked == checked[:6], "a denial leaves all as it is"
        clock.advance(SECOND)


@pytest.mark.parametrize("limits", LIMITS)
def test_peek_tells_what_is_left_now_whatever_it_asks_for(db, clock, limits):
    for taken in (1, 3, 2):
        left = db.ask(f"RL.CHECK k {limits} COST {taken}")
        for cost in range(1, left.remaining + 1):
            peeked = db.ask(f"RL.PEEK k {limits} COST {cost}")
            assert (peeked.granted, *peeked[1:3], *peeked[4:]) == (cost, *left[1:3], *left[4:6])
        clock.advance(1)


def test_peek_that_is_granted_is_bound_by_the_fewest_that_are_left_now(db, clock):
    limits = "FIXED 6 60s AS requests PER REQUEST FIXED 10 60s AS tokens"
    assert db.ask(f"RL.PEEK k {limits} COST 10") == (10, 6, 6, 0, 0, "requests")
    assert db.ask(f"RL.CHECK k {limits} COST 10") == (10, 10, 0, 0, 60_000, "tokens")
    assert db.ask(f"RL.PEEK k {limits}") == (0, 10, 0, 60_000, 60_000, "tokens")


def test_the_fields_of_a_peek_are_as_it_is_now(db, clock):
    limits = "FIXED 10 60s AS minute SLIDING 20 1h AS hour"
    db.ask(f"RL.CHECK k {limits} COST 4")
    granted = db.do("RL.PEEK k COST 6 HEADERS")
    assert granted[:6] == [6, 10, 6, 0, 60_000, "minute"]
    assert pairs(granted[6]) == {
        "RateLimit-Policy": '"minute";q=10;w=60, "hour";q=20;w=3600',
        "RateLimit": '"minute";r=6;t=60, "hour";r=16;t=3600',
        "RateLimit-Limit": "10",
        "RateLimit-Remaining": "6",
        "RateLimit-Reset": "60",
    }
    for cost in (7, 11, 17):
        assert db.do(f"RL.PEEK k COST {cost} HEADERS") == db.do(f"RL.CHECK k {limits} COST {cost} HEADERS")
    assert db.do("RL.PEEK nobody HEADERS") is None
    assert pairs(db.do("RL.PEEK leases CONCURRENT 5 60s HEADERS")[6])["RateLimit"] == '"concurrent";r=5;t=0'


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
    assert db.ask("RL.PEEK k FIXED 20 60s") == (1, 20, 16, 0, 60000, "fixed")
    assert db.rl_info("k")["limits"][0]["limit"] == "TOKENBUCKET 10 10 1m"


def test_peek_sees_time_go_by(db, clock):
    db.ask("RL.TOKENBUCKET k 10 10 1s COST 10")
    clock.advance(350 * SECOND // 1000)
    assert db.ask("RL.PEEK k") == (1, 10, 3, 0, 650, "tokenbucket")
