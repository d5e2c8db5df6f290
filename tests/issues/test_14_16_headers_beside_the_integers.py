# SPDX-License-Identifier: MIT
"""Report 14, number 16: the fields tell other numbers than the integers beside them."""

import re

from harness import pairs


def binding_item(reply: list, label: str) -> dict[str, int]:
    """What `RateLimit` says of the limit of this label."""
    [item] = re.findall(rf'"{label}"((?:;[a-z]+=[0-9]+)*)', pairs(reply[-1])["RateLimit"])
    return {name: int(number) for name, number in re.findall(r";([a-z]+)=([0-9]+)", item)}


def test_while_a_turn_is_pending(db, clock):
    db.do("RL.FIXED j 5 1m COST 5")
    reply = db.do("RL.FIXED j 5 1m COST 2 MAXWAIT 2m HEADERS")
    # It is charged to the next window, which ends in two minutes and has 3 left.
    assert reply[:5] == [2, 5, 3, 60_000, 120_000]
    assert pairs(reply[-1])["RateLimit-Remaining"] == "3"
    assert binding_item(reply, "fixed") == {"r": 3, "t": 120}
    denied = db.do("RL.FIXED j 5 1m HEADERS")
    assert denied[:4] == [0, 5, 0, 60_000]
    assert binding_item(denied, "fixed")["r"] == 0


def test_of_a_renewal_that_is_denied(db, clock):
    db.do("RL.CONCURRENT k 2 10s ID a")
    reply = db.do("RL.CONCURRENT k 2 10s ID a COST 3 HEADERS")
    assert reply[:4] == [0, 2, 2, -1], "the lease that it would renew does not count"
    assert pairs(reply[-1])["RateLimit-Remaining"] == "2"
    assert binding_item(reply, "concurrent")["r"] == 2


def test_of_a_limit_that_denies_beside_one_that_never_grants(db, clock):
    db.do("RL.CHECK m FIXED 3 1m TOKENBUCKET 10 1 10s COST 3")
    reply = db.do("RL.CHECK m FIXED 3 1m TOKENBUCKET 10 1 10s COST 10 HEADERS")
    assert reply[:6] == [0, 3, 0, -1, 60_000, "fixed"]
    # The bucket holds 7 of 10: 3 flow back in 30 seconds.
    assert binding_item(reply, "tokenbucket") == {"r": 7, "t": 30}
    assert "Retry-After" not in pairs(reply[-1])
