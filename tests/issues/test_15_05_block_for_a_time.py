# SPDX-License-Identifier: MIT
"""Deny this client for an hour, whatever is left: abuse, or an upstream that says Retry-After."""

from harness import HOUR, SECOND, pairs


def test_an_upstream_that_says_retry_after_is_left_alone_that_long(db, clock):
    assert db.ask("RL.CHECK upstream TOKENBUCKET 50 50 1s")[:3] == (1, 50, 49)
    assert db.do("RL.BLOCK upstream 120s") == 1
    answer = db.ask("RL.CHECK upstream TOKENBUCKET 50 50 1s HEADERS")
    assert answer[:6] == (0, 50, 0, 120_000, 120_000, "blocked")
    assert pairs(answer[6])["Retry-After"] == "120"
    clock.advance(120 * SECOND)
    assert db.ask("RL.CHECK upstream TOKENBUCKET 50 50 1s").granted == 1


def test_who_is_denied_too_often_is_blocked_by_the_application(db, clock):
    """RL.TOP says who; a denial itself writes nothing (docs/adr/0030)."""
    db.do("RL.DEFINE login FIXED 3 1m")
    for _ in range(8):
        db.ask("RL.CHECK login FOR mallory")
    db.ask("RL.CHECK login FOR alice")
    [[name, denied, _]] = db.do("RL.TOP login")
    assert (name, denied) == ("mallory", 5)
    assert db.do(f"RL.BLOCK login 1h FOR {name}") == 1
    clock.advance(HOUR - SECOND)
    assert db.ask("RL.CHECK login FOR mallory")[3:] == (1000, 1000, "blocked")
    assert db.ask("RL.CHECK login FOR alice").granted == 1
    clock.advance(SECOND)
    assert db.ask("RL.CHECK login FOR mallory").granted == 1
