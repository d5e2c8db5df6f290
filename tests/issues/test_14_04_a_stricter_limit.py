# SPDX-License-Identifier: MIT
"""Report 14, number 4: a stricter limit beside another one lets more in."""

from harness import SECOND


def used(db) -> list[int]:
    return [limit["used"] for limit in db.rl_info("k")["limits"]]


def test_the_estimate_is_cut_for_each_limit_alone(db, clock):
    reply = db.do("RL.RESERVE k 1m FIXED 10 1m AS a FIXED 1 1m AS b COST 10 ID x")
    assert reply == [10, 10, 0, 0, 60_000, "a", "x"]
    assert used(db) == [10, 1]
    # a: 7 come back. b was charged 1 of 3: the other two are debt.
    assert db.do("RL.SETTLE k x 3") == [3, 1, 0, 60_000, 60_000, "b", "settled"]
    assert used(db) == [3, 3]


def test_what_does_not_fit_beside_a_narrower_limit_does_not_fit(db, clock):
    """6,000 under 10,000 a minute: the second one has to wait for the next minute, also beside 500 a second."""
    for limits in ("FIXED 10000 1m", "FIXED 10000 1m FIXED 500 1s"):
        db.delete("k")
        admitted = []
        for second in range(60):
            admitted += [second] * (db.ask(f"RL.RESERVE k 1h {limits} COST 6000").granted > 0)
            clock.advance(SECOND)
        assert admitted == [0]
