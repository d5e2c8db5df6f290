# SPDX-License-Identifier: MIT
"""Report 14, number 19: a request that is settled late counts twice under PER REQUEST."""

import pytest

from harness import SECOND


@pytest.mark.parametrize("who", ["", " FOR me"])
def test_a_settlement_is_not_a_request(db, clock, who):
    limits = "TOKENBUCKET 100 1 1h AS tok FIXED 10 1h AS req PER REQUEST"
    assert db.do(f"RL.RESERVE k 1s {limits} COST 50 ID a{who}")[:3] == [50, 10, 9]
    clock.advance(2 * SECOND)
    # The hold has given its 50 back; they are charged now.
    assert db.do(f"RL.SETTLE k a 50{who}")[6] == "unknown"
    assert [limit["remaining"] for limit in db.rl_info("k", who[5:])["limits"]] == [50, 9]
