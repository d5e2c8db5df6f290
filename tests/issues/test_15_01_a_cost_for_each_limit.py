# SPDX-License-Identifier: MIT
"""Report 15, number 1: input and output tokens have one COST, and nobody can ask without taking."""

from __future__ import annotations

TOKENS = "FIXED 1000 1m AS input FIXED 200 1m AS output"


def used(db) -> list[int]:
    return [limit["used"] for limit in db.rl_info("k")["limits"]]


def test_a_call_charges_input_and_output_tokens_their_own_numbers(db, clock):
    assert db.do(f"RL.CHECK k {TOKENS} CHARGE input 800 CHARGE output 50")[:3] == [800, 200, 150]
    assert used(db) == [800, 50]
    assert db.do(f"RL.CHECK k {TOKENS} CHARGE input 100 CHARGE output 151")[5] == "output"
    assert used(db) == [800, 50]


def test_an_estimate_of_both_is_settled_for_both(db, clock):
    db.do(f"RL.RESERVE k 1m {TOKENS} CHARGE input 600 CHARGE output 200 ID req")
    db.do("RL.SETTLE k req 0 CHARGE input 610 CHARGE output 40")
    assert used(db) == [610, 40]


def test_a_cost_of_0_asks_whether_a_debt_is_over_and_takes_nothing(db, clock):
    assert db.do(f"RL.CHECK k {TOKENS} COST 0")[:4] == [0, 200, 200, 0]
    assert db.exists("k") == 0
    db.do(f"RL.CHECK k {TOKENS} CHARGE input 1001 CHARGE output 0 FORCE")
    assert db.do(f"RL.CHECK k {TOKENS} COST 0")[:4] == [0, 1000, 0, 60_000]
    clock.advance(60_000_000_000)
    assert db.do(f"RL.CHECK k {TOKENS} COST 0")[:4] == [0, 200, 200, 0]
