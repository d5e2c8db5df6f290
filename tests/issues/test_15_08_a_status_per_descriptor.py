# SPDX-License-Identifier: MIT
"""Report 15, number 8: a rate-limit request of Envoy has several descriptors, and wants a status of each."""

from __future__ import annotations

import pytest


@pytest.fixture
def _limiters(db):
    db.do("RL.DEFINE ip FIXED 100 60s")
    db.do("RL.DEFINE route FIXED 5 60s")
    db.do("RL.DEFINE tenant FIXED 1000 1h")


REQUEST = "RL.CHECKALL 3 ip route tenant FOR 10.0.0.1 /login acme COSTS 1 1 20 EACH"


@pytest.mark.usefixtures("_limiters")
def test_one_command_says_a_status_of_each_descriptor(db, clock):
    for number in range(1, 6):
        assert db.do(REQUEST) == [
            *(20, 5, 5 - number, 0, 60_000, "fixed-2"),
            [
                [1, 100, 100 - number, 0, 60_000, "fixed"],
                [1, 5, 5 - number, 0, 60_000, "fixed"],
                [20, 1000, 1000 - 20 * number, 0, 3_600_000, "fixed"],
            ],
        ]
    overall, statuses = db.do(REQUEST)[0], [granted > 0 for granted, *_ in db.do(REQUEST)[-1]]
    assert (overall, statuses) == (0, [True, False, True]), "over the limit, and which one it is"
    assert [db.rl_info(key, who)["limits"][0]["used"] for key, who in (("ip", "10.0.0.1"), ("tenant", "acme"))] == [
        5,
        100,
    ]


@pytest.mark.usefixtures("_limiters")
def test_what_has_happened_already_is_charged_to_all(db, clock):
    for _ in range(7):
        reply = db.do(f"{REQUEST} FORCE")
    assert reply[:4] == [20, 5, 0, 60_000]
    assert [one[0] for one in reply[-1]] == [1, 1, 20]
    assert db.do(REQUEST)[0] == 0
