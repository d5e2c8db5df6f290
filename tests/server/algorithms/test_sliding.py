# SPDX-License-Identifier: MIT
"""RL.SLIDING: an exact log; never more than the limit in any window, wherever one puts it."""

import pytest

from harness import BASE, DAY, HOUR, MINUTE, MS, SECOND
from oracle_limits import SlidingLog, ceil_ms, duration


def test_a_new_caller_has_the_whole_limit(db, clock):
    assert db.ask("RL.SLIDING k 10 60s") == (1, 10, 9, 0, 60000)


def test_exactly_the_limit_is_granted_at_one_instant(db, clock):
    replies = db.ask_times(15, "RL.SLIDING k 10 60s")
    assert [reply.granted for reply in replies] == [1] * 10 + [0] * 5


def test_units_come_back_one_window_after_they_were_taken(db, clock):
    for second in range(10):
        clock.set(BASE + second * SECOND)
        assert db.ask("RL.SLIDING k 10 60s").remaining == 9 - second
    for second in range(10):
        clock.set(BASE + MINUTE + second * SECOND - 1)
        assert db.ask("RL.SLIDING k 10 60s").granted == 0
        clock.set(BASE + MINUTE + second * SECOND)
        assert db.ask("RL.SLIDING k 10 60s") == (1, 10, 0, 0, 60000)


def test_a_burst_across_two_windows_never_exceeds_the_limit(db, clock):
    clock.set(BASE + 59 * SECOND)
    assert db.ask("RL.SLIDING k 10 60s COST 10").granted == 10
    clock.set(BASE + 61 * SECOND)
    assert db.ask("RL.SLIDING k 10 60s") == (0, 10, 0, 58000, 58000)


def test_a_denied_call_waits_for_as_many_entries_as_it_needs(db, clock):
    for second, cost in ((0, 2), (10, 3), (20, 4)):
        clock.set(BASE + second * SECOND)
        db.ask(f"RL.SLIDING k 10 60s COST {cost}")
    clock.set(BASE + 30 * SECOND)
    replies = {cost: db.ask(f"RL.SLIDING k 10 60s COST {cost}") for cost in (2, 3, 4, 6, 7, 10, 11)}
    assert replies == {
        2: (0, 10, 1, 30000, 50000),
        3: (0, 10, 1, 30000, 50000),
        4: (0, 10, 1, 40000, 50000),
        6: (0, 10, 1, 40000, 50000),
        7: (0, 10, 1, 50000, 50000),
        10: (0, 10, 1, 50000, 50000),
        11: (0, 10, 1, -1, 50000),
    }


def test_a_cost_above_the_limit_is_never_granted(db, clock):
    assert db.ask("RL.SLIDING k 10 60s COST 11") == (0, 10, 10, -1, 0)


def test_per_request_takes_one_unit_whatever_is_granted(db, clock):
    assert db.ask("RL.SLIDING k 10 60s PER REQUEST COST 7") == (7, 10, 9, 0, 60000)


@pytest.mark.parametrize("span", [MS, SECOND, MINUTE, HOUR, DAY, 30 * DAY, 3650 * DAY], ids=duration)
def test_an_entry_off_the_grid_counts_a_little_too_long_and_never_too_short(db, clock, span):
    limit = SlidingLog(1, span)
    over = limit.grid - 1
    assert over <= span / 2**24
    clock.set(BASE + 1)
    assert db.ask(f"RL.CHECK k {limit}").reset_ms == ceil_ms(span + over)
    clock.set(BASE + 1 + span + over - 1)
    assert db.ask(f"RL.CHECK k {limit}").granted == 0
    clock.set(BASE + 1 + span + over)
    assert db.ask(f"RL.CHECK k {limit}").granted == 1


@pytest.mark.parametrize("span", [MS, SECOND, MINUTE, HOUR, DAY], ids=duration)
def test_whole_milliseconds_are_exact_in_windows_of_up_to_a_day(db, clock, span):
    clock.set(BASE + MS)
    assert db.ask(f"RL.SLIDING k 1 {duration(span)}").reset_ms == span // MS
    clock.advance(span)
    assert db.ask(f"RL.SLIDING k 1 {duration(span)}").granted == 1


FILL = """
for entry = 1, tonumber(ARGV[1]) do
    redis.call('RL.DEBUG', 'CLOCK', 'ADVANCE', ARGV[2])
    redis.call('RL.SLIDING', KEYS[1], '4294967295', '1h', 'COST', ARGV[3])
end
"""


@pytest.mark.parametrize("entries", [1000, 3000, 10000])
def test_the_log_takes_at_most_four_and_a_half_bytes_an_entry(db, clock, entries):
    db.eval(FILL, 1, "k", 1, MS, 1)
    constant = db.rl_info("k")["memory"]
    db.eval(FILL, 1, "k", entries, MS, 1)
    assert db.rl_info("k")["limits"][0]["used"] == entries + 1
    assert db.rl_info("k")["memory"] <= constant + 64 + 4.5 * entries


def test_a_call_is_one_entry_whatever_it_costs(db, clock):
    db.eval(FILL, 1, "k", 10_000, MS, 400_000)
    assert db.rl_info("k")["limits"][0]["used"] == 4_000_000_000
    assert db.rl_info("k")["memory"] <= 8 * 10_000


def test_the_log_forgets_entries_that_no_longer_count(db, clock):
    db.eval(FILL, 1, "k", 10_000, MS, 1)
    clock.advance(3600 * SECOND)
    db.ask("RL.SLIDING k 4294967295 1h")
    assert db.rl_info("k")["limits"][0]["used"] == 1
    assert db.rl_info("k")["memory"] < 4096


MOST_ENTRIES = 1_048_576


def test_a_full_log_denies_until_its_first_entry_leaves(db, clock):
    for _ in range(MOST_ENTRIES // 2**15):
        db.eval(FILL, 1, "k", 2**15, MS, 1)
    assert db.rl_info("k")["limits"][0]["used"] == MOST_ENTRIES
    clock.advance(MS)
    denied = db.ask("RL.SLIDING k 4294967295 1h")
    assert (denied.granted, denied.remaining) == (0, 0)
    clock.advance(denied.wait_ms * MS)
    assert db.ask("RL.SLIDING k 4294967295 1h").granted == 1
