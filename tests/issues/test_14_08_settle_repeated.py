# SPDX-License-Identifier: MIT
"""Report 14, number 8: RL.SETTLE that is sent again after a time-out charges twice."""

import pytest

from harness import MINUTE, SECOND


def used(db, subject: str = "") -> list[int]:
    return [limit["used"] for limit in db.rl_info("k", subject)["limits"]]


@pytest.mark.parametrize("who", ["", " FOR me"])
def test_settling_again_answers_the_same_and_charges_nothing(db, clock, who):
    db.do(f"RL.RESERVE k 1m FIXED 100 1h COST 60 ID a{who}")
    clock.advance(10 * SECOND)
    first = db.do(f"RL.SETTLE k a 25{who}")
    assert first == [25, 100, 75, 0, 3_590_000, "fixed", "settled"]
    before = db.digest("k"), db.changes()
    assert db.do(f"RL.SETTLE k a 25{who}") == first
    assert db.do(f"RL.SETTLE k a 90{who}") == first, "what it did cost is known"
    assert (db.digest("k"), db.changes()) == before
    assert used(db, who[5:]) == [25]


@pytest.mark.parametrize("who", ["", " FOR me"])
def test_a_settled_id_cannot_be_reserved_until_its_ttl_ends(db, clock, who):
    db.do(f"RL.RESERVE k 1m FIXED 100 1h COST 60 ID a{who}")
    db.do(f"RL.SETTLE k a 0{who}")
    assert db.exists("k") == 1, "it remembers the id"
    before = db.digest("k"), db.changes()
    assert db.error(*f"RL.RESERVE k 1m FIXED 100 1h COST 10 ID a{who}".split())
    assert (db.digest("k"), db.changes()) == before
    clock.advance(MINUTE)
    assert db.do(f"RL.RESERVE k 1m FIXED 100 1h COST 10 ID a{who}")[:3] == [10, 100, 90]


def test_after_its_ttl_a_settled_id_is_unknown(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1h COST 60 ID a")
    db.do("RL.SETTLE k a 25")
    clock.advance(MINUTE)
    assert db.do("RL.SETTLE k a 25") == [25, 100, 50, 0, 3_540_000, "fixed", "unknown"]


def test_the_key_is_gone_when_the_last_id_is_forgotten(db, clock):
    db.do("RL.RESERVE k 1m FIXED 100 1s COST 60 ID a")
    db.do("RL.SETTLE k a 60")
    clock.advance(MINUTE)
    assert db.do("RL.SETTLE k a 60") is None
    assert db.exists("k") == 0
