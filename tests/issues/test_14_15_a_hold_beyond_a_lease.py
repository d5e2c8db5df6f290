# SPDX-License-Identifier: MIT
"""Report 14, number 15: renewing a hold gives its lease the units of the hold back."""


def test_a_renewed_hold_leaves_its_lease_as_large_as_it_is(db, clock):
    lease = "CONCURRENT 2 1m"
    assert db.do(f"RL.RESERVE k 1m {lease} COST 2 ID a")[:3] == [2, 2, 0]
    assert db.do("RL.CONCURRENT k 2 1m ID a")[:3] == [1, 2, 1], "its lease has 1 unit now"
    assert db.do("RL.CONCURRENT k 2 1m ID b")[:3] == [1, 2, 0]
    assert db.do(f"RL.RESERVE k 1m {lease} COST 1 ID a") == [2, 2, 0, 0, 60_000, "concurrent", "a"]
    assert db.rl_info("k")["limits"][0]["used"] == 2
    assert db.do("RL.CONCURRENT k 2 1m ID c")[:4] == [0, 2, 0, 60_000]
