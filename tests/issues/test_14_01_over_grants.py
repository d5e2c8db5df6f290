# SPDX-License-Identifier: MIT
"""Report 14, number 1: two limits in turn on one key grant more than the larger of them."""

from itertools import permutations

import pytest

from harness import MS

SIZES = [
    *("TOKENBUCKET {} 1 1h", "LEAKYBUCKET {} 1 1h", "FIXED {} 60s", "FIXED {} 1h", "FIXED {} 60s ALIGNED"),
    *("SLIDING {} 60s", "SLIDING {} 1h", "SLIDING {} 60s APPROX", "SLIDING {} 1h APPROX"),
    *("QUOTA {} HOUR", "QUOTA {} DAY", "QUOTA {} DAY TZ Asia/Kathmandu"),
]
WHO = ["", " FOR me"]


def test_a_bucket_of_20_grants_20_at_one_instant(db, clock):
    assert db.ask("RL.TOKENBUCKET a 20 1 1h COST 20") == (20, 20, 0, 0, 72_000_000)
    # It starts with 10 of the 20 that are used: one flows back in an hour.
    assert db.ask("RL.TOKENBUCKET a 10 1 1h") == (0, 10, 0, 3_600_000, 36_000_000)
    assert db.ask("RL.TOKENBUCKET a 20 1 1h COST 10") == (0, 20, 0, 36_000_000, 72_000_000)


def test_two_buckets_in_turn_grant_what_the_larger_one_would(db, clock):
    """20 at once, and one a second for 9.999 seconds."""
    pipe = db.pipeline(transaction=False)
    for number in range(10_000):
        pipe.execute_command("RL.TOKENBUCKET", "k", 20 if number % 2 else 10, 1, "1s")
        pipe.execute_command("RL.DEBUG", "CLOCK", "ADVANCE", MS)
    assert sum(reply[0] for reply in pipe.execute()[::2]) == 20 + 9


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("large", "small"), [(a, b) for a in SIZES for b in SIZES])
def test_any_two_limits_grant_no_more_than_the_larger_one(db, clock, large, small, who):
    large, small = large.format(20), small.format(10)
    assert db.ask(f"RL.CHECK k {large} COST 20{who}").granted == 20
    denied = db.ask(f"RL.CHECK k {small}{who}")
    assert denied[:3] == (0, 10, 0) and denied.wait_ms > 0
    again = db.ask(f"RL.CHECK k {large} COST 10{who}")
    assert again[:3] == (0, 20, 0) and again.wait_ms > 0


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("large", "small"), permutations(SIZES, 2))
def test_what_is_granted_under_the_one_counts_under_the_other(db, clock, large, small, who):
    large, small = large.format(20), small.format(10)
    for number in range(10):
        assert db.ask(f"RL.CHECK k {(large, small)[number % 2]}{who}").granted == 1
    assert db.ask(f"RL.CHECK k {small}{who}").granted == 0
    assert db.ask(f"RL.CHECK k {large} COST 10{who}")[:3] == (10, 20, 0)
    assert db.ask(f"RL.CHECK k {large}{who}").granted == 0


def test_the_same_with_cl_throttle(db, clock):
    assert db.do("CL.THROTTLE k 19 1 3600 20")[:3] == [0, 20, 0]
    assert db.do("CL.THROTTLE k 9 1 3600")[:3] == [1, 10, 0]
    assert db.do("CL.THROTTLE k 19 1 3600 10")[:4] == [1, 20, 0, 36_000]


def test_the_same_with_checkall(db, clock):
    assert db.do("RL.CHECKALL 1 k TOKENBUCKET 20 1 1h COST 20")[0] == 20
    assert db.do("RL.CHECKALL 1 k TOKENBUCKET 10 1 1h")[:4] == [0, 10, 0, 3_600_000]
    assert db.do("RL.CHECKALL 1 k TOKENBUCKET 20 1 1h COST 10")[:4] == [0, 20, 0, 36_000_000]


@pytest.mark.parametrize("limit", SIZES)
def test_a_definition_that_goes_down_and_up_forgets_nothing_whoever_looked(db, clock, limit):
    replies = []
    for key in ("seen", "unseen"):
        db.do(f"RL.DEFINE {key} {limit.format(20)}")
        assert db.ask(f"RL.CHECK {key} COST 20 FOR u").granted == 20
        db.do(f"RL.DEFINE {key} {limit.format(10)}")
        if key == "seen":
            assert db.ask(f"RL.CHECK {key} FOR u")[:3] == (0, 10, 0)
        db.do(f"RL.DEFINE {key} {limit.format(20)}")
        replies.append(db.ask(f"RL.CHECK {key} COST 10 FOR u"))
    assert replies[0] == replies[1]
    assert replies[0][:3] == (0, 20, 0)
