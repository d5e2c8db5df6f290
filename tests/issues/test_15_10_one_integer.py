# SPDX-License-Identifier: MIT
"""Report 15, number 10: who only asks "go on?" has to read an array of five."""

from __future__ import annotations


def test_one_integer_says_whether_to_go_on_and_if_not_when(db, clock):
    assert [db.do("RL.TOKENBUCKET k 3 1 1s BRIEF") for _ in range(5)] == [2, 1, 0, -1000, -1000]
    clock.advance(1_000_000_000)
    assert db.do("RL.TOKENBUCKET k 3 1 1s BRIEF") == 0
    assert db.do("RL.TOKENBUCKET k 3 1 1s COST 4 BRIEF") is None


def test_a_limiter_with_subjects_answers_so_too(db, clock):
    db.do("RL.DEFINE api FIXED 2 60s SLIDING 3 1h")
    assert [db.do("RL.CHECK api FOR bob BRIEF") for _ in range(3)] == [1, 0, -60_000]
    assert [db.do(f"RL.PEEK api FOR {who} BRIEF") for who in ("bob", "alice")] == [-60_000, 2]
