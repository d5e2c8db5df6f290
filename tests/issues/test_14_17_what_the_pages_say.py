# SPDX-License-Identifier: MIT
"""Report 14, number 17: what the pages say of ties, turns, refunds, unknown ids and labels is so."""

from harness import HOUR, MINUTE, SECOND, pairs


def test_of_limits_that_tie_the_first_binds(db, clock):
    limits = "FIXED 10 1h AS a FIXED 10 1h AS b"
    assert db.ask(f"RL.CHECK k {limits} COST 10").label == "a"
    assert db.ask(f"RL.CHECK k {limits}").label == "a"
    assert db.ask("RL.CHECK k FIXED 10 1h AS b FIXED 10 1h AS a").label == "b"


def test_a_settlement_is_as_of_a_turn_that_is_pending(db, clock):
    db.do("RL.RESERVE k 1h FIXED 5 1m COST 5 ID a")
    db.do("RL.FIXED k 5 1m COST 2 MAXWAIT 2m")
    # 6 more than were held are charged to the next window, after 2: 3 more than it has.
    reply = db.do("RL.SETTLE k a 11")
    assert reply[0] == 11 and reply[2] == 0 and reply[3] == 120_000 and reply[6] == "settled"


def test_a_refund_of_a_bucket_is_told_in_whole_units_rounded_up(db, clock):
    db.ask("RL.TOKENBUCKET k 10 1 6s COST 5")
    clock.advance(9 * SECOND)
    assert db.do("RL.REFUND k 10") == 4, "three and a half were used"


def test_the_settlement_of_an_unknown_id_takes_no_lease(db, clock):
    db.do("RL.CHECK k FIXED 10 1h CONCURRENT 2 1h ID a")
    assert db.do("RL.SETTLE k nobody 5")[6] == "unknown"
    assert [limit["used"] for limit in db.rl_info("k")["limits"]] == [6, 1]


def test_where_the_wait_is_never_there_is_no_retry_after(db, clock):
    assert "Retry-After" not in pairs(db.do("RL.FIXED k 10 1h COST 11 HEADERS")[-1])
    db.ask("RL.FIXED k 10 1h COST 10")
    assert pairs(db.do("RL.FIXED k 10 1h HEADERS")[-1])["Retry-After"] == "3600"


def test_labels_of_several_keys_are_numbered_in_the_order_of_the_keys(db, clock):
    assert db.do("RL.CHECKALL 3 a b c FIXED 10 1h FIXED 5 1h SLIDING 7 1h")[5] == "fixed-2"


def test_the_hour_in_which_lord_howe_turns_its_clocks_back_lasts_90_minutes(db, clock):
    """At 2027-04-04T02:00 clocks there go back to 01:30: the hour that begins at 01:00 is shown until 02:00 twice."""
    clock.set(1_806_760_800 * SECOND)  # 2027-04-03T14:00:00Z, 01:00 there
    assert db.ask("RL.PEEK k QUOTA 10 HOUR TZ Australia/Lord_Howe")[:4] == (1, 10, 10, 0)
    assert db.ask("RL.CHECK k QUOTA 10 HOUR TZ Australia/Lord_Howe").reset_ms == (HOUR + 30 * MINUTE) // 10**6
