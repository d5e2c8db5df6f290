# SPDX-License-Identifier: MIT
"""Report 15, number 3: budgets of bytes, tokens and micro-cents are larger than 4294967295."""

import pytest

from harness import DAY, Client, pairs

LARGEST = 2**53 - 1
LARGEST_IN_A_FIELD = 999_999_999_999_999

BUDGETS = ["FIXED {} 1h", "FIXED {} 1h ALIGNED", "QUOTA {} HOUR", "QUOTA {} HOUR TZ Asia/Kathmandu"]
OTHERS = ["TOKENBUCKET {} 1 1s", "LEAKYBUCKET {} 1 1s", "SLIDING {} 1h", "SLIDING {} 1h APPROX", "CONCURRENT {} 1h"]


def reloads_to_the_same(db: Client) -> bool:
    """Whether the server, having saved and loaded everything, has the same."""
    before = db.do("DEBUG DIGEST")
    db.do("DEBUG RELOAD")
    return db.do("DEBUG DIGEST") == before


def test_thirty_billion_tokens_a_month(db, clock):
    monthly = "RL.QUOTA org 30000000000 MONTH"
    for call in range(1, 101):
        answer = db.ask(f"{monthly} COST 10000000")
        assert answer[:3] == (10_000_000, 30_000_000_000, 30_000_000_000 - call * 10_000_000)
        answer = db.ask(f"{monthly} COST 900000 FOR input")
        assert answer[:3] == (900_000, 30_000_000_000, 30_000_000_000 - call * 900_000)
    assert db.ask(f"{monthly} COST 29000000000")[:3] == (29_000_000_000, 30_000_000_000, 0)
    denied = db.ask(f"{monthly} COST 900000")
    assert denied[:3] == (0, 30_000_000_000, 0)
    assert denied.wait_ms == denied.reset_ms > 0
    assert db.do("RL.REFUND org 29000000001") == 29_000_000_001
    assert db.ask(f"{monthly} COST 29000000001").remaining == 0


@pytest.mark.parametrize("rule", BUDGETS)
def test_the_largest_is_exact(db, clock, rule):
    limit = rule.format(LARGEST)
    assert db.ask(f"RL.CHECK k {limit} COST {LARGEST - 1}")[:3] == (LARGEST - 1, LARGEST, 1)
    assert db.ask(f"RL.CHECK k {limit} COST 2").wait_ms > 0
    assert db.ask(f"RL.CHECK k {limit} COST 2 PARTIAL")[:3] == (1, LARGEST, 0)
    assert db.do(f"RL.REFUND k {LARGEST}") == LARGEST
    assert db.ask(f"RL.CHECK k {limit} COST {LARGEST}")[:3] == (LARGEST, LARGEST, 0)


@pytest.mark.parametrize("rule", BUDGETS)
def test_more_than_a_limit_is_never_granted(db, rule):
    assert db.ask(f"RL.CHECK k {rule.format(LARGEST - 1)} COST {LARGEST}")[:4] == (0, LARGEST - 1, LARGEST - 1, -1)
    assert not db.exists("k")


@pytest.mark.parametrize("rule", OTHERS)
def test_more_than_any_other_limit_can_hold_is_never_granted(db, rule):
    limit = rule.format(5)
    for cost in (2**32 - 1, 2**32, LARGEST):
        for mode in ("", "MAXWAIT 3650d"):
            assert db.ask(f"RL.CHECK k {limit} COST {cost} {mode}")[:4] == (0, 5, 5, -1)
    assert not db.exists("k")
    assert db.ask(f"RL.CHECK k {limit} COST {LARGEST} PARTIAL")[:3] == (5, 5, 0)


@pytest.mark.parametrize("rule", [*BUDGETS, *OTHERS])
@pytest.mark.parametrize("subject", ["", "FOR bob"])
def test_debts_are_cut_and_end(db, clock, rule, subject):
    """The largest cost again and again, in each way in which units are booked."""
    limit, other = rule.format(5), f"FIXED {LARGEST} 1h AS other"
    for number in range(3):
        forced = db.ask(f"RL.CHECK k {limit} COST {LARGEST} FORCE {subject}").granted == LARGEST
        assert forced or (number > 0 and rule == "SLIDING {} 1h"), "a full log has no room even for force"
        waits = db.ask(f"RL.CHECK k {other} COST {LARGEST} MAXWAIT 1d {subject}")
        assert waits[:3] == (LARGEST, LARGEST, 0)
        db.do(f"RL.RESERVE k 3650d {other} COST {LARGEST} ID held{number} {subject}")
        assert db.do(f"RL.SETTLE k held{number} {LARGEST} {subject}")[0] == LARGEST
        assert db.do(f"RL.SETTLE k unknown{number} {LARGEST} {limit} {subject}")[0] == LARGEST
    assert all(0 <= account["used"] <= LARGEST for account in db.rl_info("k", subject[4:])["limits"])
    assert reloads_to_the_same(db)
    clock.advance(3 * 3650 * DAY)
    assert db.ask(f"RL.CHECK k {limit} {subject}").granted == 1


def test_a_hold_gives_nothing_back_of_what_others_used_since(db, clock):
    """What is charged since has more than 64 bits, and so has the sum of what the holds did cost."""
    limit = f"FIXED {LARGEST} 1d"
    db.do(f"RL.RESERVE k 1h {limit} COST 10 ID first")
    for number in range(2048):
        db.do(f"RL.RESERVE k 2h {limit} COST 1 ID {number}")
        db.do(f"RL.SETTLE k {number} {LARGEST}")
        db.do("RL.REFUND k 1")
    assert reloads_to_the_same(db)
    assert db.ask(f"RL.PEEK k {limit}").remaining == 1
    assert db.do("RL.SETTLE k first 0")[2] == 1
    assert reloads_to_the_same(db)


def test_each_argument_names_its_own_range(db):
    large, small = f"an integer from 0 to {LARGEST}", "an integer from 0 to 4294967295"
    for call, name, span in [
        (f"RL.FIXED k {LARGEST + 1} 1h", "limit", large),
        (f"RL.QUOTA k {LARGEST + 1} DAY", "limit", large),
        ("RL.SLIDING k 4294967296 1h", "limit", small),
        ("RL.SLIDING k 4294967296 1h APPROX", "limit", small),
        ("RL.CONCURRENT k 4294967296 1h", "limit", small),
        ("RL.TOKENBUCKET k 4294967296 1 1s", "capacity", small),
        ("RL.LEAKYBUCKET k 4294967296 1 1s", "capacity", small),
        ("RL.TOKENBUCKET k 1 4294967296 1s", "refill", "an integer from 1 to 4294967295"),
        ("RL.LEAKYBUCKET k 1 4294967296 1s", "leak", "an integer from 1 to 4294967295"),
        (f"RL.FIXED k 1 1h COST {LARGEST + 1}", "COST", large),
        (f"RL.SETTLE k id {LARGEST + 1}", "actual", large),
        (f"RL.REFUND k {LARGEST + 1}", "n", f"an integer from 1 to {LARGEST}"),
    ]:
        assert db.error(*call.split()) == f"{name} must be {span}"
    assert not db.exists("k")


def test_fields_end_where_structured_fields_end(db, clock):
    fields = pairs(db.do(f"RL.CHECK k FIXED {LARGEST} 1h FIXED 5 1h AS five HEADERS")[-1])
    assert fields["RateLimit-Policy"] == f'"fixed";q={LARGEST_IN_A_FIELD};w=3600, "five";q=5;w=3600'
    assert fields["RateLimit"] == f'"fixed";r={LARGEST_IN_A_FIELD};t=3600, "five";r=4;t=3600'
    alone = pairs(db.do(f"RL.CHECK l FIXED {LARGEST} 1h HEADERS")[-1])
    assert (alone["RateLimit-Limit"], alone["RateLimit-Remaining"]) == (
        str(LARGEST_IN_A_FIELD),
        str(LARGEST_IN_A_FIELD),
    )
