# SPDX-License-Identifier: MIT
"""RL.TOP: who was denied most lately, and who was near a limit most often. Counts are halved every hour."""

from __future__ import annotations

import random

from harness import BASE, HOUR, MINUTE, SECOND
from seed import SEED


def deny(db, name: str, times: int = 1) -> None:
    with db.pipeline(transaction=False) as pipe:
        for _ in range(times):
            pipe.execute_command("RL.CHECK", "k", "COST", 1000, "FOR", name)
        pipe.execute()


def test_counts_are_halved_every_hour_and_rounded_down(db, clock):
    db.do("RL.DEFINE k FIXED 1 1d")
    deny(db, "alice", 9)
    deny(db, "bob", 4)
    clock.set(BASE + HOUR - SECOND)
    assert db.do("RL.TOP k") == [["alice", 9, 0], ["bob", 4, 0]]
    clock.set(BASE + HOUR)
    assert db.do("RL.TOP k") == [["alice", 4, 0], ["bob", 2, 0]]
    deny(db, "bob", 3)
    assert db.do("RL.TOP k") == [["bob", 5, 0], ["alice", 4, 0]]
    clock.set(BASE + 3 * HOUR)
    assert db.do("RL.TOP k") == [["alice", 1, 0], ["bob", 1, 0]]
    clock.set(BASE + 4 * HOUR)
    assert db.do("RL.TOP k") == [], "who is down to nothing is not named"


def test_a_list_begins_its_hour_with_its_first_name(db, clock):
    db.do("RL.DEFINE k FIXED 1 1d")
    clock.set(BASE + 59 * MINUTE)
    deny(db, "alice")
    clock.set(BASE + 118 * MINUTE)
    assert db.do("RL.TOP k") == [["alice", 1, 0]]
    clock.set(BASE + 119 * MINUTE)
    assert db.do("RL.TOP k") == []


def test_near_names_those_who_were_granted_near_a_limit(db, clock):
    """80 of 100 used are not more than 80 percent."""
    db.do("RL.DEFINE k FIXED 100 1d")
    db.do("RL.CHECK k COST 80 FOR careful")
    for _ in range(3):
        db.do("RL.CHECK k COST 27 FOR busy")
    db.do("RL.CHECK k COST 81 FOR hasty")
    db.do("RL.CHECK k FOR hasty")
    db.do("RL.CHECK k COST 99 FOR hasty")  # denied
    assert db.do("RL.TOP k NEAR") == [["hasty", 2, 0], ["busy", 1, 0]]
    assert db.do("RL.TOP k 1 NEAR") == db.do("RL.TOP k NEAR 1") == [["hasty", 2, 0]]
    assert db.do("RL.TOP k") == [["hasty", 1, 0]]


def test_near_of_a_call_with_several_limits_counts_once(db, clock):
    db.do("RL.DEFINE k FIXED 10 1h AS a FIXED 10 1d AS b FIXED 1000 1d AS c")
    db.do("RL.CHECK k COST 9 FOR alice")
    assert db.do("RL.TOP k NEAR") == [["alice", 1, 0]]


def test_the_key_itself_is_in_no_list(db, clock):
    db.do("RL.DEFINE k FIXED 10 1d")
    db.do("RL.CHECK k COST 10")
    db.do("RL.CHECK k COST 10")
    assert (db.do("RL.TOP k"), db.do("RL.TOP k NEAR")) == ([], [])


def test_what_has_no_table_has_no_top(db, clock):
    assert db.do("RL.TOP k NEAR") == []
    db.ask_times(2, "RL.CHECK k FIXED 1 60s")
    assert db.do("RL.TOP k NEAR") == []


def test_counts_are_right_within_their_error_while_they_are_halved(db, clock):
    """Some are denied often, hour after hour, among a flood of those who are denied once."""
    rng = random.Random(f"{SEED} halved top")
    db.do("RL.DEFINE k FIXED 1 3650d")
    exact: dict[str, int] = {}
    weight = 0.0
    for hour in range(5):
        clock.set(BASE + hour * HOUR)
        exact = {name: times // 2 for name, times in exact.items()}
        weight /= 2
        names = [f"often{rng.randrange(1, 9) * rng.randrange(1, 9)}" for _ in range(300)]
        names += [f"once{hour}-{number}" for number in range(300)]
        rng.shuffle(names)
        with db.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.execute_command("RL.CHECK", "k", "COST", 2, "FOR", name)
                exact[name] = exact.get(name, 0) + 1
            pipe.execute()
        weight += len(names)
        top = {name: (times, error) for name, times, error in db.do("RL.TOP k 1024")}
        assert len(top) == 128, f"RATELIMIT_TEST_SEED={SEED}"
        lowest = min(times for times, _ in top.values())
        assert lowest <= weight / 128, f"RATELIMIT_TEST_SEED={SEED}"
        for name, times in exact.items():
            if name not in top:
                assert times <= lowest, f"RATELIMIT_TEST_SEED={SEED}"
            else:
                most, error = top[name]
                assert most - error <= times <= most, f"RATELIMIT_TEST_SEED={SEED}"
