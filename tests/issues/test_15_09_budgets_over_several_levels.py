# SPDX-License-Identifier: MIT
"""Report 15, number 9: a call counts to the budgets of a key, a team and an organisation, all or nothing."""

from __future__ import annotations

import pytest

LEVELS = "3 {acme}keys {acme}teams {acme}org"
WHO = "FOR sk-7 search acme"


@pytest.fixture
def _budgets(db):
    db.do("RL.DEFINE {acme}keys FIXED 5 60s AS requests PER REQUEST FIXED 1000 60s AS key")
    db.do("RL.DEFINE {acme}teams FIXED 2000 60s AS team")
    db.do("RL.DEFINE {acme}org FIXED 300 60s AS org")


def used(db) -> list[int]:
    keys = [("{acme}keys", "sk-7"), ("{acme}teams", "search"), ("{acme}org", "acme")]
    return [limit["used"] for key, who in keys for limit in db.rl_info(key, who)["limits"]]


@pytest.mark.usefixtures("_budgets")
def test_a_call_that_one_level_denies_is_charged_to_none_nor_counted_as_a_request(db, clock):
    assert db.do(f"RL.RESERVEALL {LEVELS} 2m {WHO} COST 200 ID one")[0] == 200
    for number in range(20):
        denied = db.do(f"RL.RESERVEALL {LEVELS} 2m {WHO} COST 200 ID denied-{number}")
        assert denied == [0, 300, 100, 60_000, 60_000, "org", None]
    assert used(db) == [1, 200, 200, 200]


@pytest.mark.usefixtures("_budgets")
def test_a_stream_asks_for_more_and_is_settled_once(db, clock):
    for estimate in (100, 150, 250):
        assert db.do(f"RL.RESERVEALL {LEVELS} 2m {WHO} COST {estimate} ID stream")[0] == estimate
    assert used(db) == [1, 250, 250, 250]
    first = db.do(f"RL.SETTLEALL {LEVELS} stream 180 {WHO}")
    assert (first[0], first[6]) == (180, "settled")
    assert db.do(f"RL.SETTLEALL {LEVELS} stream 180 {WHO}") == first, "sent again, it is charged once"
    assert used(db) == [1, 180, 180, 180]
