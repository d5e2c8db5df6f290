# SPDX-License-Identifier: MIT
"""The largest and the smallest numbers, and clocks that go back: exact, or on the safe side."""

import pytest

from harness import BASE, DAY, HOUR, MS, SECOND

MOST = 4294967295
LONGEST_MS = 3650 * 86_400_000
YEAR_2200 = 84_006 * DAY


def test_the_fastest_bucket(db, clock):
    line = f"RL.TOKENBUCKET k {MOST} {MOST} 1ms"
    assert db.ask(f"{line} COST {MOST}") == (MOST, MOST, 0, 0, 1)
    assert db.ask(f"{line} COST {MOST}") == (0, MOST, 0, 1, 1)
    clock.advance(1)
    assert db.ask(f"RL.PEEK k COST {MOST}").remaining == MOST // MS
    clock.advance(MS - 1)
    assert db.ask(f"{line} COST {MOST}") == (MOST, MOST, 0, 0, 1)


def test_the_slowest_bucket(db, clock):
    assert db.ask("RL.TOKENBUCKET k 1 1 3650d") == (1, 1, 0, 0, LONGEST_MS)
    clock.advance(3650 * DAY - 1)
    assert db.ask("RL.TOKENBUCKET k 1 1 3650d") == (0, 1, 0, 1, 1)
    clock.advance(1)
    assert db.ask("RL.TOKENBUCKET k 1 1 3650d").granted == 1


def test_the_largest_bucket_that_refills_slowly(db, clock):
    assert db.ask(f"RL.TOKENBUCKET k {MOST} {MOST} 3650d COST {MOST}") == (MOST, MOST, 0, 0, LONGEST_MS)
    assert db.ask(f"RL.TOKENBUCKET k {MOST} {MOST} 3650d") == (0, MOST, 0, 74, LONGEST_MS)


@pytest.mark.parametrize("limit", [f"FIXED {MOST} 3650d", f"SLIDING {MOST} 3650d", f"CONCURRENT {MOST} 3650d"])
def test_the_largest_window(db, clock, limit):
    first = db.ask(f"RL.CHECK k {limit} COST {MOST - 1}")
    assert first[:4] == (MOST - 1, MOST, 1, 0)
    assert first.reset_ms in range(LONGEST_MS, LONGEST_MS + 3650 * 86_400_000 // 2**24 + 1)
    assert db.ask(f"RL.CHECK k {limit} COST {MOST}")[:4] == (0, MOST, 1, first.reset_ms)
    assert db.ask(f"RL.CHECK k {limit}").granted == 1
    assert db.ask(f"RL.CHECK k {limit}").granted == 0


@pytest.mark.parametrize(
    "limit",
    [
        *("FIXED 1 1ms", "FIXED 1 1ms ALIGNED", "SLIDING 1 1ms", "TOKENBUCKET 1 1 1ms", "LEAKYBUCKET 1 1 1ms"),
        "CONCURRENT 1 1ms",
    ],
)
def test_the_smallest_limit(db, clock, limit):
    assert db.ask(f"RL.CHECK k {limit}")[:5] == (1, 1, 0, 0, 1)
    clock.advance(MS - 1)
    assert db.ask(f"RL.CHECK k {limit}")[:5] == (0, 1, 0, 1, 1)
    clock.advance(1)
    assert db.ask(f"RL.CHECK k {limit}")[:5] == (1, 1, 0, 0, 1)


@pytest.mark.parametrize("bucket", ["TOKENBUCKET", "LEAKYBUCKET"])
@pytest.mark.parametrize("now", [BASE, YEAR_2200])
def test_the_largest_debt_of_a_bucket(db, clock, bucket, now):
    clock.set(now)
    line = f"RL.{bucket} k {MOST} {MOST} 3650d COST {MOST} FORCE"
    assert db.ask(line) == (MOST, MOST, 0, 0, LONGEST_MS)
    assert db.ask(line) == (MOST, MOST, 0, LONGEST_MS, 2 * LONGEST_MS)
    longest_wait_ms = {"TOKENBUCKET": LONGEST_MS, "LEAKYBUCKET": 2 * LONGEST_MS}[bucket]
    assert db.ask(line) == (MOST, MOST, 0, longest_wait_ms, 2 * LONGEST_MS)
    assert db.rl_info("k")["limits"][0]["used"] == 2 * MOST
    before = db.digest("k")
    db.do("DEBUG RELOAD")
    assert db.digest("k") == before
    assert db.do(f"RL.REFUND k {MOST}") == MOST
    assert db.rl_info("k")["limits"][0]["used"] == MOST


def test_the_longest_turn_and_the_longest_hold(db, clock):
    clock.set(YEAR_2200 - 3650 * DAY)
    assert db.ask("RL.FIXED turn 1 3650d").granted == 1
    assert db.ask("RL.FIXED turn 1 3650d MAXWAIT 3650d") == (1, 1, 0, LONGEST_MS, 2 * LONGEST_MS)
    assert db.ask("RL.FIXED turn 1 3650d FORCE")[:4] == (1, 1, 0, 2 * LONGEST_MS)
    assert db.ask("RL.FIXED turn 1 3650d MAXWAIT 3650d")[:4] == (0, 1, 0, 2 * LONGEST_MS)
    assert db.ask(f"RL.RESERVE hold 3650d FIXED {MOST} 1ms COST {MOST} ID a").granted == MOST
    clock.set(YEAR_2200)
    assert db.ask("RL.FIXED turn 1 3650d") == (0, 1, 0, LONGEST_MS, LONGEST_MS)
    assert db.do(f"RL.RESERVE hold 3650d FIXED {MOST} 1ms COST {MOST} ID b")[:2] == [MOST, MOST]
    before = db.do("DEBUG DIGEST")
    db.do("DEBUG RELOAD")
    assert db.do("DEBUG DIGEST") == before


@pytest.mark.parametrize("earliest", [0, 1, SECOND, DAY])
def test_a_hold_of_the_far_future_keeps_its_key_also_when_the_clock_goes_back_to_1970(db, clock, earliest):
    """The server's own clock is then decades ahead, and the end of the key may be as much later."""
    clock.set(YEAR_2200)
    assert db.do("RL.RESERVE k 3650d FIXED 10 60s ID a")[0] == 1
    clock.set(earliest)
    assert db.ask("RL.FIXED k 20 60s").granted == 1
    assert db.do("PEXPIRETIME k") >= (YEAR_2200 + 3650 * DAY) // MS
    assert db.do("RL.SETTLE k a 1")[-1] == "settled"


def test_a_log_of_the_largest_costs_never_overflows(db, clock):
    for _ in range(3):
        assert db.ask(f"RL.SLIDING k {MOST} 1h COST {MOST}").granted == MOST
        denied = db.ask(f"RL.SLIDING k {MOST} 1h COST {MOST}")
        assert denied[:3] == (0, MOST, 0)
        assert denied.wait_ms in (3_600_000, 3_600_001)
        clock.advance(denied.wait_ms * MS)


LONG = [
    *("TOKENBUCKET 1 1 3650d", "LEAKYBUCKET 1 1 3650d", "FIXED 1 3650d", "FIXED 1 3650d ALIGNED", "SLIDING 1 3650d"),
    *(
        "QUOTA 1 YEAR",
        "QUOTA 1 YEAR TZ Pacific/Kiritimati",
        "QUOTA 1 YEAR ANCHOR 2199-12-31T23:59",
        "CONCURRENT 1 3650d",
        "SLIDING 1 1825d APPROX",
    ),
]


@pytest.mark.parametrize("limit", LONG)
def test_the_years_before_2200_are_like_any_other(db, clock, limit):
    clock.set(YEAR_2200 - 3651 * DAY)
    granted = db.ask(f"RL.CHECK k {limit}")
    assert granted.granted == 1
    assert db.ask(f"RL.CHECK k {limit}").wait_ms == granted.reset_ms
    clock.advance(granted.reset_ms * MS)
    assert db.ask(f"RL.CHECK k {limit}").granted == 1


@pytest.mark.parametrize("limit", LONG)
def test_a_limit_can_be_used_up_in_the_year_2200(db, clock, limit):
    clock.set(YEAR_2200)
    granted = db.ask(f"RL.CHECK k {limit}")
    assert db.ask(f"RL.CHECK k {limit}")[:5] == (0, 1, 0, granted.reset_ms, granted.reset_ms)


STEPS_BACK = [1, MS, SECOND, HOUR, 15 * 365 * DAY]


@pytest.mark.parametrize("step", STEPS_BACK)
@pytest.mark.parametrize(
    ("limit", "longest_wait_ms"),
    [
        ("FIXED 10 60s", 60_000),
        ("FIXED 10 60s ALIGNED", 60_000),
        ("SLIDING 10 60s", 60_001),
        ("TOKENBUCKET 10 1 6s", 6_000),
        ("LEAKYBUCKET 10 1 6s", 6_000),
        ("CONCURRENT 10 60s", 60_000),
        ("SLIDING 10 60s APPROX", 66_000),
        ("QUOTA 10 HOUR", 3_600_000),
    ],
)
def test_a_state_from_the_future_counts_as_full_use_at_most(db, clock, limit, longest_wait_ms, step):
    db.ask(f"RL.CHECK k {limit} COST 10")
    clock.set(BASE - step)
    denied = db.ask(f"RL.CHECK k {limit}")
    assert denied[:3] == (0, 10, 0)
    assert 0 < denied.wait_ms <= longest_wait_ms
    assert denied.reset_ms <= max(2 * longest_wait_ms, 60_001)
    clock.advance(denied.wait_ms * MS)
    assert db.ask(f"RL.CHECK k {limit}").granted == 1


@pytest.mark.parametrize("step", STEPS_BACK)
@pytest.mark.parametrize(
    "limit",
    [
        *("FIXED 10 60s", "FIXED 10 60s ALIGNED", "SLIDING 10 60s", "TOKENBUCKET 10 1 6s", "LEAKYBUCKET 10 1 6s"),
        *("SLIDING 10 60s APPROX", "QUOTA 10 HOUR", "CONCURRENT 10 60s"),
    ],
)
def test_a_clock_that_steps_back_never_grants_more(db, clock, limit, step):
    assert db.ask(f"RL.CHECK k {limit} COST 4").granted == 4
    clock.set(BASE - step)
    assert sum(reply.granted for reply in db.ask_times(10, f"RL.CHECK k {limit}")) <= 6
