# SPDX-License-Identifier: MIT
"""RL.TOKENBUCKET: a burst of `capacity`, then one unit each period/refill, to the nanosecond."""

from harness import BASE, MINUTE, MS, SECOND


def test_a_new_caller_finds_a_full_bucket(db, clock):
    assert db.ask("RL.TOKENBUCKET k 20 10 1s") == (1, 20, 19, 0, 100)


def test_cost_takes_that_many_units(db, clock):
    assert db.ask("RL.TOKENBUCKET k 20 10 1s COST 3") == (3, 20, 17, 0, 300)


def test_per_request_takes_one_unit_whatever_is_granted(db, clock):
    assert db.ask("RL.TOKENBUCKET k 20 10 1s PER REQUEST COST 3") == (3, 20, 19, 0, 100)


def test_exactly_the_capacity_is_granted_at_one_instant(db, clock):
    replies = db.ask_times(30, "RL.TOKENBUCKET k 20 10 1s")
    assert [reply.granted for reply in replies] == [1] * 20 + [0] * 10


def test_the_whole_capacity_can_be_taken_at_once(db, clock):
    assert db.ask("RL.TOKENBUCKET k 20 10 1s COST 20") == (20, 20, 0, 0, 2000)


def test_a_denied_call_says_what_is_left_and_how_long_to_wait(db, clock):
    db.ask("RL.TOKENBUCKET k 20 10 1s COST 18")
    assert db.ask("RL.TOKENBUCKET k 20 10 1s COST 5") == (0, 20, 2, 300, 1800)


def test_a_cost_above_the_capacity_is_never_granted(db, clock):
    assert db.ask("RL.TOKENBUCKET k 20 10 1s COST 21") == (0, 20, 20, -1, 0)


def test_a_unit_comes_back_at_its_nanosecond_and_not_before(db, clock):
    db.ask("RL.TOKENBUCKET k 20 10 1s COST 20")
    clock.advance(100 * MS - 1)
    assert db.ask("RL.TOKENBUCKET k 20 10 1s") == (0, 20, 0, 1, 1901)
    clock.advance(1)
    assert db.ask("RL.TOKENBUCKET k 20 10 1s") == (1, 20, 0, 0, 2000)


def test_waits_and_resets_are_rounded_up_to_the_millisecond(db, clock):
    db.ask("RL.TOKENBUCKET k 3 3 1s COST 3")
    assert db.ask("RL.TOKENBUCKET k 3 3 1s") == (0, 3, 0, 334, 1000)


def test_a_part_of_a_unit_cannot_be_taken(db, clock):
    db.ask("RL.TOKENBUCKET k 20 10 1s COST 20")
    clock.advance(199 * MS)
    assert db.ask("RL.PEEK k").remaining == 1
    assert db.ask("RL.TOKENBUCKET k 20 10 1s") == (1, 20, 0, 0, 1901)


def test_a_bucket_never_holds_more_than_its_capacity(db, clock):
    db.ask("RL.TOKENBUCKET k 20 10 1s COST 20")
    clock.advance(365 * 24 * 60 * MINUTE)
    assert db.ask("RL.TOKENBUCKET k 20 10 1s COST 20") == (20, 20, 0, 0, 2000)
    assert db.ask("RL.TOKENBUCKET k 20 10 1s").granted == 0


def test_seven_a_minute_are_exact_to_the_nanosecond(db, clock):
    db.ask("RL.TOKENBUCKET k 7 7 60s COST 7")
    for unit in range(1, 15):
        due = BASE + -(-unit * MINUTE // 7)
        clock.set(due - 1)
        assert db.ask("RL.TOKENBUCKET k 7 7 60s").granted == 0
        clock.set(due)
        assert db.ask("RL.TOKENBUCKET k 7 7 60s").granted == 1


def test_an_awkward_rate_does_not_drift(db, clock):
    """999,999,937 is prime: hardly a unit comes back on a whole nanosecond, and yet each second is whole."""
    rate = 999_999_937
    taken = db.ask(f"RL.TOKENBUCKET k {rate} {rate} 1s COST {rate}").granted
    for now in range(0, 3 * SECOND + 1, SECOND // 8):
        clock.set(BASE + now)
        if left := db.ask(f"RL.PEEK k COST {rate + 1}").remaining:
            taken += db.ask(f"RL.TOKENBUCKET k {rate} {rate} 1s COST {left}").granted
        assert taken == rate + now * rate // SECOND


def test_waiting_as_told_and_asking_again_succeeds(db, clock):
    db.ask("RL.TOKENBUCKET k 7 7 60s COST 7")
    for _ in range(10):
        denied = db.ask("RL.TOKENBUCKET k 7 7 60s COST 2")
        assert denied.granted == 0
        clock.advance(denied.wait_ms * MS)
        assert db.ask("RL.TOKENBUCKET k 7 7 60s COST 2").granted == 2


def test_the_bucket_is_full_again_at_its_reset(db, clock):
    reset_ms = db.ask("RL.TOKENBUCKET k 7 7 60s COST 4").reset_ms
    clock.advance(reset_ms * MS)
    assert db.ask("RL.PEEK k COST 7") == (7, 7, 7, 0, 0, "tokenbucket")
