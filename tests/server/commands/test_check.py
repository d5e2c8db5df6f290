# SPDX-License-Identifier: MIT
"""RL.CHECK: one or several limits, decided together: all are charged, or none is."""

from itertools import product

import pytest

from harness import MINUTE, SECOND
from vocabulary import ALGORITHMS


@pytest.mark.parametrize("limit", ALGORITHMS)
def test_a_shorthand_is_rl_check_with_that_one_limit(db, clock, limit):
    for cost in (1, 3, 7, 6, 11):
        long = db.ask(f"RL.CHECK long {limit} COST {cost}")
        short = db.ask(f"RL.{limit.replace(' ', ' short ', 1)} COST {cost}")
        assert short[:5] == long[:5]
        assert len(short) == len(long) - 1, "all but the label"
        clock.advance(SECOND)


@pytest.mark.parametrize(("limit", "label"), [(limit, limit.split()[0].lower()) for limit in ALGORITHMS])
def test_rl_check_adds_the_label_of_the_limit(db, clock, limit, label):
    assert db.ask(f"RL.CHECK k {limit} COST 4").label == label
    assert db.ask(f"RL.CHECK k {limit} COST 7").label == label


@pytest.mark.parametrize("limit", ALGORITHMS)
def test_as_names_the_limit(db, clock, limit):
    assert db.ask(f"RL.CHECK k {limit} AS logins").label == "logins"


def test_the_second_limit_of_its_kind_is_labelled_two(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s SLIDING 50 1h FIXED 100 1h FIXED 1000 1d")
    labels = [limit["label"] for limit in db.rl_info("k")["limits"]]
    assert labels == ["fixed", "sliding", "fixed-2", "fixed-3"]


def test_a_label_may_be_64_visible_characters(db, clock):
    label = "!#$%&'()*+,-./0189:;<=>?@AZ[]^_`az{|}~".ljust(64, "x")
    assert db.execute_command("RL.CHECK", "k", "FIXED", 10, 60, "AS", label)[5] == label


def test_a_label_may_be_a_keyword(db, clock):
    assert db.ask("RL.CHECK k FIXED 10 60s AS COST COST 2")[:3] == (2, 10, 8)
    assert db.ask("RL.PEEK k").label == "COST"


def test_keywords_may_be_in_any_case(db, clock):
    assert db.ask("rl.Check k TokenBucket 20 10 1s as mine per REQUEST cost 3") == (3, 20, 19, 0, 100, "mine")


def test_cost_may_stand_before_between_or_after_the_limits(db, clock):
    expected = (3, 10, 7, 0, 60000, "fixed")
    assert db.ask("RL.CHECK a COST 3 FIXED 10 60s FIXED 20 60s") == expected
    assert db.ask("RL.CHECK b FIXED 10 60s COST 3 FIXED 20 60s") == expected
    assert db.ask("RL.CHECK c FIXED 10 60s FIXED 20 60s COST 3") == expected


@pytest.mark.parametrize(
    ("one", "same"), [("90000ms", "90s"), ("90", "90s"), ("120s", "2m"), ("120m", "2h"), ("48h", "2d")]
)
def test_a_duration_has_a_unit_or_is_in_seconds(db, clock, one, same):
    assert db.ask(f"RL.FIXED one 10 {one}") == db.ask(f"RL.FIXED same 10 {same}")
    assert db.rl_info("one")["limits"] == db.rl_info("same")["limits"]


def test_when_granted_the_limit_with_the_fewest_remaining_binds(db, clock):
    assert db.ask("RL.CHECK k FIXED 100 60s SLIDING 10 60s") == (1, 10, 9, 0, 60000, "sliding")


def test_when_denied_the_limit_with_the_longest_wait_binds(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s AS minute FIXED 10 1h AS hour COST 10")
    assert db.ask("RL.CHECK k FIXED 10 60s AS minute FIXED 10 1h AS hour") == (0, 10, 0, 3_600_000, 3_600_000, "hour")


def test_a_limit_that_grants_does_not_bind_a_denial(db, clock):
    limits = "TOKENBUCKET 10 10 60s AS short FIXED 100 1d AS long"
    db.ask(f"RL.CHECK k {limits} COST 10")
    assert db.ask(f"RL.CHECK k {limits}")[:4] == (0, 10, 0, 6000)
    assert db.ask(f"RL.CHECK k {limits}").label == "short"


def test_never_outlasts_every_wait(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s AS never FIXED 100 1d AS later COST 10")
    denied = db.ask("RL.CHECK k FIXED 10 60s AS never FIXED 100 1d AS later COST 95")
    assert (denied.granted, denied.wait_ms, denied.label) == (0, -1, "never")


@pytest.mark.parametrize(("first", "second"), product(ALGORITHMS, repeat=2))
def test_a_limit_that_would_grant_is_not_charged_when_another_denies(db, clock, first, second):
    limits = f"{first} AS wide {second} AS narrow"
    wide = limits.replace(" 10 ", " 100 ", 1)
    assert db.ask(f"RL.CHECK k {wide} COST 10").label == "narrow"
    assert db.ask(f"RL.CHECK k {wide}")[:3] == (0, 10, 0)
    assert [limit["used"] for limit in db.rl_info("k")["limits"]] == [10, 10]


def test_each_limit_counts_the_cost_and_per_request_limits_count_one(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s PER REQUEST AS requests FIXED 1000 60s AS tokens COST 250")
    assert [limit["used"] for limit in db.rl_info("k")["limits"]] == [1, 250]


def test_eight_limits_are_decided_together(db, clock):
    limits = " ".join(f"FIXED {size} 60s" for size in range(10, 18))
    assert db.ask(f"RL.CHECK k {limits} COST 10") == (10, 10, 0, 0, 60000, "fixed")
    assert db.ask(f"RL.CHECK k {limits}")[:4] == (0, 10, 0, 60000)
    assert [limit["used"] for limit in db.rl_info("k")["limits"]] == [10] * 8


def test_two_limits_of_one_call_never_share_their_state(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s FIXED 10 60s COST 4")
    assert [limit["remaining"] for limit in db.rl_info("k")["limits"]] == [6, 6]


def test_rl_check_that_names_no_limits_is_an_error(db, clock):
    assert db.error("RL.CHECK", "k").startswith("NOLIMITS ")
    db.ask("RL.FIXED k 10 60s")
    assert db.error("RL.CHECK", "k", "COST", 2).startswith("NOLIMITS ")


def test_keys_are_limited_apart(db, clock):
    db.ask("RL.FIXED a 10 60s COST 10")
    assert db.ask("RL.FIXED b 10 60s").granted == 1


def test_a_windows_end_frees_only_its_own_limit(db, clock):
    limits = "FIXED 10 60s AS minute FIXED 15 1h AS hour"
    db.ask(f"RL.CHECK k {limits} COST 10")
    clock.advance(MINUTE)
    assert db.ask(f"RL.CHECK k {limits} COST 5").granted == 5
    denied = db.ask(f"RL.CHECK k {limits}")
    assert (denied.granted, denied.label, denied.wait_ms) == (0, "hour", 3_540_000)
