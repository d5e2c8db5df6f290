# SPDX-License-Identifier: MIT
"""Report 15, number 8: hits of 0 ask about one descriptor, and charge the others."""

from __future__ import annotations


def test_hits_of_0_ask_without_taking(db, clock):
    db.do("RL.DEFINE tokens FIXED 1000 60s")
    db.do("RL.DEFINE requests FIXED 10 60s")
    line = "RL.CHECKALL 2 tokens requests FOR bob bob COSTS 0 1 EACH"
    assert db.do(line)[-1] == [[0, 1000, 1000, 0, 0, "fixed"], [1, 10, 9, 0, 60_000, "fixed"]]
    assert db.do("RL.INFO tokens FOR bob") is None, "bob was not seen there"
    # The tokens of the answer are known later, and are more than there were.
    db.do("RL.CHECKALL 2 tokens requests FOR bob bob COSTS 1200 0 FORCE")
    denied = db.do(line)
    assert denied[:4] == [0, 1000, 0, 60_000]
    assert denied[-1] == [[0, 1000, 0, 60_000, 60_000, "fixed"], [1, 10, 8, 0, 60_000, "fixed"]]
    assert [db.rl_info(key, "bob")["limits"][0]["used"] for key in ("tokens", "requests")] == [1200, 1]
