# SPDX-License-Identifier: MIT
"""Report 14, number 18: what a redefinition does depends on who looks."""

import pytest

from harness import HOUR, MINUTE, SECOND


@pytest.mark.parametrize("looks", [False, True])
def test_a_smaller_bucket_is_empty_as_of_the_definition(db, clock, looks):
    db.do("RL.DEFINE k TOKENBUCKET 1000 1 1m")
    db.ask("RL.CHECK k FOR u COST 1000")
    db.do("RL.DEFINE k TOKENBUCKET 10 1 1m")
    if looks:
        # Empty, not 990 in debt: one flows back in a minute.
        assert db.ask("RL.CHECK k FOR u") == (0, 10, 0, 60_000, 600_000, "tokenbucket")
    clock.advance(10 * HOUR)
    assert db.ask("RL.PEEK k FOR u") == (1, 10, 10, 0, 0, "tokenbucket")
    assert db.ask("RL.CHECK k FOR u COST 10").granted == 10


@pytest.mark.parametrize("looks", [False, True])
def test_what_was_cut_off_counts_again_in_a_larger_bucket(db, clock, looks):
    db.do("RL.DEFINE k TOKENBUCKET 1000 1 1m")
    db.ask("RL.CHECK k FOR u COST 1000")
    db.do("RL.DEFINE k TOKENBUCKET 10 1 1m")
    clock.advance(100 * MINUTE)
    if looks:
        assert db.ask("RL.PEEK k FOR u").granted == 1
    db.do("RL.DEFINE k TOKENBUCKET 1000 1 1m")
    # The small one was full after 10 minutes; 90 of the 990 that were cut off have flowed back since.
    assert db.ask("RL.PEEK k FOR u COST 101") == (0, 1000, 100, 60_000, 54_000_000, "tokenbucket")


@pytest.mark.parametrize("looks", [False, True])
def test_a_lease_keeps_its_end_when_leases_become_shorter(db, clock, looks):
    db.do("RL.DEFINE k CONCURRENT 1 1h")
    db.ask("RL.CHECK k FOR u ID a")
    db.do("RL.DEFINE k CONCURRENT 1 1s")
    if looks:
        assert db.ask("RL.CHECK k FOR u ID b").wait_ms == 3_600_000
    clock.advance(30 * MINUTE)
    assert db.ask("RL.PEEK k FOR u") == (0, 1, 0, 1_800_000, 1_800_000, "concurrent")
    clock.advance(30 * MINUTE - 1)
    assert db.ask("RL.CHECK k FOR u ID b").granted == 0
    clock.advance(1)
    assert db.ask("RL.CHECK k FOR u ID b").granted == 1


def test_a_window_that_becomes_shorter_ends_as_of_its_begin_whoever_looks(db, clock):
    replies = []
    for key in ("seen", "unseen"):
        clock.set(1_800_000_000 * SECOND)
        db.do(f"RL.DEFINE {key} FIXED 10 1h")
        db.ask(f"RL.CHECK {key} FOR u COST 10")
        clock.advance(10 * MINUTE)
        db.do(f"RL.DEFINE {key} FIXED 10 30m")
        if key == "seen":
            assert db.ask(f"RL.CHECK {key} FOR u").wait_ms == 20 * 60_000
        clock.advance(5 * MINUTE)
        replies.append(db.ask(f"RL.CHECK {key} FOR u"))
    assert replies == [(0, 10, 0, 15 * 60_000, 15 * 60_000, "fixed")] * 2
