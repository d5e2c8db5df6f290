# SPDX-License-Identifier: MIT
"""RL.LEAKYBUCKET: a queue; whom it admits it tells how long to wait for their turn."""

import pytest

from harness import BASE, MINUTE, MS, SECOND


def test_the_first_call_goes_at_once(db, clock):
    assert db.ask("RL.LEAKYBUCKET k 20 10 1s") == (1, 20, 19, 0, 100)


def test_each_call_of_a_burst_waits_for_those_before_it(db, clock):
    assert [reply.wait_ms for reply in db.ask_times(5, "RL.LEAKYBUCKET k 20 10 1s")] == [0, 100, 200, 300, 400]


def test_exactly_the_capacity_is_admitted_at_one_instant(db, clock):
    replies = db.ask_times(15, "RL.LEAKYBUCKET k 10 10 1s")
    assert [reply.granted for reply in replies] == [1] * 10 + [0] * 5


def test_a_full_queue_denies_until_there_is_room(db, clock):
    db.ask("RL.LEAKYBUCKET k 20 10 1s COST 18")
    assert db.ask("RL.LEAKYBUCKET k 20 10 1s COST 5") == (0, 20, 2, 300, 1800)
    clock.advance(300 * MS)
    assert db.ask("RL.LEAKYBUCKET k 20 10 1s COST 5") == (5, 20, 0, 1500, 2000)


def test_a_call_takes_as_many_places_as_it_costs(db, clock):
    assert db.ask("RL.LEAKYBUCKET k 20 10 1s COST 7").wait_ms == 0
    assert db.ask("RL.LEAKYBUCKET k 20 10 1s COST 2").wait_ms == 700
    assert db.ask("RL.LEAKYBUCKET k 20 10 1s").wait_ms == 900


def test_the_queue_moves_on_as_time_goes_by(db, clock):
    db.ask_times(5, "RL.LEAKYBUCKET k 20 10 1s")
    clock.advance(250 * MS)
    assert db.ask("RL.LEAKYBUCKET k 20 10 1s").wait_ms == 250
    clock.advance(10 * SECOND)
    assert db.ask("RL.LEAKYBUCKET k 20 10 1s").wait_ms == 0


def test_turns_are_rounded_up_to_the_millisecond(db, clock):
    assert [reply.wait_ms for reply in db.ask_times(4, "RL.LEAKYBUCKET k 9 3 1s")] == [0, 334, 667, 1000]


def test_who_goes_as_told_goes_evenly(db, clock):
    """Calls come in heaps; those that are admitted begin at least an interval apart, but for the rounding up."""
    begins = []
    for second in (0, 1, 1, 2, 7, 30, 31):
        clock.set(BASE + second * SECOND)
        replies = db.ask_times(9, "RL.LEAKYBUCKET k 10 7 2s")
        begins += [BASE + second * SECOND + reply.wait_ms * MS for reply in replies if reply.granted]
    gaps = [later - sooner for sooner, later in zip(begins, begins[1:])]
    assert len(begins) > 30
    assert min(gaps) > 2 * SECOND // 7 - MS


def test_seven_a_minute_do_not_drift(db, clock):
    for call in range(30):
        assert db.ask("RL.LEAKYBUCKET k 100 7 60s").wait_ms == -(-call * MINUTE // 7 // MS)


def test_a_cost_above_the_capacity_is_never_granted(db, clock):
    assert db.ask("RL.LEAKYBUCKET k 20 10 1s COST 21") == (0, 20, 20, -1, 0)


def test_per_request_takes_one_place_whatever_is_granted(db, clock):
    assert db.ask("RL.LEAKYBUCKET k 20 10 1s PER REQUEST COST 7") == (7, 20, 19, 0, 100)
    assert db.ask("RL.LEAKYBUCKET k 20 10 1s PER REQUEST COST 7") == (7, 20, 18, 100, 200)


def test_of_several_limits_the_longest_turn_is_told(db, clock):
    limits = "LEAKYBUCKET 100 10 1s AS fast LEAKYBUCKET 100 1 1s AS slow FIXED 3 60s"
    assert db.ask(f"RL.CHECK k {limits}") == (1, 3, 2, 0, 60000, "fixed")
    assert db.ask(f"RL.CHECK k {limits}") == (1, 3, 1, 1000, 60000, "fixed")


def test_a_call_that_another_limit_denies_takes_no_place(db, clock):
    limits = "LEAKYBUCKET 10 10 1s FIXED 1 60s"
    assert db.ask(f"RL.CHECK k {limits}").granted == 1
    assert db.ask(f"RL.CHECK k {limits}").granted == 0
    assert db.rl_info("k")["limits"][0]["used"] == 1


@pytest.mark.parametrize("costs", [[1] * 12, [3, 3, 3, 3], [10, 1], [4, 7, 6, 1]])
def test_it_admits_whom_a_token_bucket_admits(db, clock, costs):
    for cost in costs:
        queue, bucket = (db.ask(f"RL.{name} {name} 10 7 60s COST {cost}") for name in ("LEAKYBUCKET", "TOKENBUCKET"))
        assert (queue.granted, queue.remaining, queue.reset_ms) == (bucket.granted, bucket.remaining, bucket.reset_ms)
        clock.advance(5 * SECOND)


@pytest.mark.parametrize("pair", [("TOKENBUCKET", "LEAKYBUCKET"), ("LEAKYBUCKET", "TOKENBUCKET")])
def test_an_account_of_the_one_bucket_starts_from_the_other_with_parts_of_units_too(db, clock, pair):
    old, new = pair
    db.ask(f"RL.{old} k 10 1 1s COST 5")
    clock.advance(1500 * MS)
    assert db.ask(f"RL.PEEK k {new} 10 1 1s")[:3] == (1, 10, 6)
    assert db.ask(f"RL.PEEK k {new} 10 1 1s").reset_ms == 3500


def test_a_peek_tells_the_turn_and_takes_no_place(db, clock):
    db.ask("RL.LEAKYBUCKET k 10 10 1s COST 4")
    assert db.ask("RL.PEEK k") == db.ask("RL.PEEK k") == (1, 10, 6, 400, 400, "leakybucket")


def test_a_leak_that_is_too_slow_is_refused(db, clock):
    assert db.ask("RL.LEAKYBUCKET k 10 1 365d COST 10").reset_ms == 3650 * 86_400_000
    assert "leak" in db.error(*"RL.LEAKYBUCKET k 11 1 365d".split())


def test_info_shows_the_queue(db, clock):
    db.ask("RL.LEAKYBUCKET k 10 10 1s COST 4")
    [limit] = db.rl_info("k")["limits"]
    assert (limit["limit"], limit["used"], limit["remaining"]) == ("LEAKYBUCKET 10 10 1s", 4, 6)
