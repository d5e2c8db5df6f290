# SPDX-License-Identifier: MIT
"""Report 14, number 3: a caller with a shorter lease ends the lease of somebody else."""

from harness import SECOND


def test_a_lease_keeps_the_end_that_it_was_given(db, clock):
    assert db.do("RL.CONCURRENT k 1 1h ID a") == [1, 1, 0, 0, 3_600_000, "a"]
    assert db.do("RL.CONCURRENT k 1 1s ID b") == [0, 1, 0, 3_600_000, 3_600_000, None]
    clock.advance(SECOND)
    assert db.do("RL.CONCURRENT k 1 1h ID c") == [0, 1, 0, 3_599_000, 3_599_000, None]


def test_a_renewal_never_shortens_a_lease(db, clock):
    db.do("RL.CONCURRENT k 1 1h ID a")
    assert db.do("RL.CONCURRENT k 1 1s ID a") == [1, 1, 0, 0, 3_600_000, "a"]
    clock.advance(SECOND)
    for lease in ("1s", "1h"):
        assert db.do(f"RL.CONCURRENT k 1 {lease} ID c") == [0, 1, 0, 3_599_000, 3_599_000, None]


def test_a_longer_lease_is_as_long_under_the_other_limit(db, clock):
    db.do("RL.CONCURRENT k 2 1s ID a")
    db.do("RL.CONCURRENT k 2 1h ID b")
    clock.advance(SECOND)
    # a has ended, b has not.
    assert db.do("RL.CONCURRENT k 2 1s ID c") == [1, 2, 0, 0, 3_599_000, "c"]
    assert db.do("RL.CONCURRENT k 2 1h ID d") == [0, 2, 0, 1_000, 3_599_000, None]


def test_other_limits_take_no_lease(db, clock):
    db.do("RL.CONCURRENT k 1 1h ID a")
    assert db.do("RL.RELEASE k a") == 1
    db.do("RL.FIXED k 10 1h COST 5")
    assert db.do("RL.CONCURRENT k 1 1h ID b")[0] == 1
