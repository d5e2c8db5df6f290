# SPDX-License-Identifier: MIT
"""Report 14, number 7: RL.PEEK tells what would remain after one more call."""

from harness import pairs


def test_remaining_and_reset_are_as_they_are_now(db, clock):
    db.ask("RL.FIXED k 10 1h COST 3")
    assert db.ask("RL.PEEK k") == (1, 10, 7, 0, 3_600_000, "fixed")
    assert db.ask("RL.PEEK k COST 7") == (7, 10, 7, 0, 3_600_000, "fixed")
    assert db.ask("RL.PEEK k COST 8") == (0, 10, 7, 3_600_000, 3_600_000, "fixed")
    assert db.ask("RL.PEEK k COST 11") == (0, 10, 7, -1, 3_600_000, "fixed")


def test_of_an_absent_key_all_remains(db, clock):
    assert db.ask("RL.PEEK k FIXED 10 1h COST 4") == (4, 10, 10, 0, 0, "fixed")
    assert db.ask("RL.PEEK k TOKENBUCKET 10 1 1s FIXED 5 1h") == (1, 5, 5, 0, 0, "fixed")


def test_the_wait_is_that_of_a_check(db, clock):
    db.ask("RL.LEAKYBUCKET k 10 1 1s COST 3")
    assert db.ask("RL.PEEK k COST 2") == (2, 10, 7, 3_000, 3_000, "leakybucket")
    assert db.ask("RL.CHECK k LEAKYBUCKET 10 1 1s COST 2") == (2, 10, 5, 3_000, 5_000, "leakybucket")


def test_a_granted_peek_is_bound_by_the_limit_with_the_fewest_remaining_now(db, clock):
    limits = "FIXED 10 1h AS units FIXED 5 1h AS requests PER REQUEST"
    db.ask(f"RL.CHECK k {limits} COST 2")
    # 8 units and 4 requests remain. After 7 more, 1 unit and 3 requests would.
    assert db.ask(f"RL.CHECK l {limits} COST 2").label == "requests"
    assert db.ask("RL.PEEK k COST 7") == (7, 5, 4, 0, 3_600_000, "requests")
    assert db.ask(f"RL.CHECK k {limits} COST 7") == (7, 10, 1, 0, 3_600_000, "units")


def test_the_fields_tell_the_same(db, clock):
    db.ask("RL.FIXED k 10 1h COST 3")
    fields = pairs(db.do("RL.PEEK k HEADERS")[-1])
    assert [fields[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")] == ["10", "7", "3600"]
    assert fields["RateLimit"] == '"fixed";r=7;t=3600'
