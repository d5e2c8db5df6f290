# SPDX-License-Identifier: MIT
"""Report 14, number 20: a wait does not know of holds that end by themselves."""

from harness import REPOSITORY, SECOND


def test_a_hold_that_ends_by_itself_shortens_a_wait(db, clock):
    db.do("RL.RESERVE k 1s FIXED 10 1h COST 10 ID h")
    told = db.ask("RL.FIXED k 10 1h").wait_ms
    clock.advance(SECOND)
    assert db.ask("RL.FIXED k 10 1h") == (1, 10, 9, 0, 3_600_000), "a new window, since the old one is empty"
    page = " ".join((REPOSITORY / "docs" / "operations.md").read_text().split())
    assert told == 1_000 or (told == 3_600_000 and "may be granted earlier" in page), (
        "the true wait, or the page says so"
    )
