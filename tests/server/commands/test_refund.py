# SPDX-License-Identifier: MIT
"""RL.REFUND: units come back, those first that were taken last; never above full."""

import pytest

from harness import BASE, HOUR, MINUTE, SECOND, lives_until
from oracle_limits import MOST
from vocabulary import TOO_SHORT

LIMITS = [
    *("TOKENBUCKET 10 1 6s", "LEAKYBUCKET 10 1 6s", "FIXED 10 60s", "FIXED 10 60s ALIGNED", "SLIDING 10 60s"),
    *("SLIDING 10 60s APPROX", "QUOTA 10 HOUR"),
]
every_limit = pytest.mark.parametrize("limit", LIMITS)


def used(db) -> list[int]:
    return [limit["used"] for limit in db.rl_info("k")["limits"]]


@every_limit
def test_what_is_given_back_can_be_taken_again(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 10")
    assert db.do("RL.REFUND k 3") == 3
    assert used(db) == [7]
    assert db.ask(f"RL.CHECK k {limit} COST 3")[:3] == (3, 10, 0)


@every_limit
def test_no_more_comes_back_than_was_used(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 4")
    assert db.do(f"RL.REFUND k {MOST}") == 4
    assert db.ask(f"RL.CHECK k {limit} COST 10")[:3] == (10, 10, 0)


@every_limit
def test_a_key_that_is_idle_then_is_removed(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 4")
    db.do("RL.REFUND k 3")
    assert db.exists("k") == 1
    assert (db.do("RL.REFUND k 1"), db.exists("k")) == (1, 0)


def test_of_a_key_that_does_not_exist_nothing_comes_back(db, clock):
    before = db.changes()
    assert db.do("RL.REFUND k 3") == 0
    assert (db.exists("k"), db.changes()) == (0, before)


@every_limit
def test_a_refund_of_nothing_writes_nothing(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 4")
    clock.advance(3 * HOUR)
    before = db.changes(), db.digest("k"), db.do("PEXPIRETIME k")
    assert db.do("RL.REFUND k 3") == 0
    assert (db.changes(), db.digest("k"), db.do("PEXPIRETIME k")) == before


@every_limit
def test_a_refund_counts_as_a_change(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 4")
    before = db.changes()
    db.do("RL.REFUND k 3")
    assert db.changes() > before


def test_a_bucket_is_full_so_much_earlier(db, clock):
    db.ask("RL.TOKENBUCKET k 10 1 6s COST 8")
    clock.advance(9 * SECOND)
    assert db.do("RL.REFUND k 3") == 3
    assert db.ask("RL.PEEK k").reset_ms == 48_000 - 9_000 - 18_000
    assert db.do("RL.REFUND k 9") == 4, "of three and a half, four count"
    assert db.exists("k") == 0


def test_parts_of_nanoseconds_are_not_lost(db, clock):
    db.ask("RL.TOKENBUCKET k 10 7 60s COST 5")
    db.ask("RL.TOKENBUCKET l 10 7 60s COST 2")
    db.do("RL.REFUND k 3")
    assert db.digest("k") == db.digest("l")


def test_a_window_takes_back_only_what_was_used_in_it(db, clock):
    db.ask("RL.FIXED k 10 60s COST 8")
    clock.advance(MINUTE)
    db.ask("RL.FIXED k 10 60s COST 2")
    assert db.do("RL.REFUND k 5") == 2


def test_a_log_gives_its_newest_entries_back(db, clock):
    for second, cost in ((0, 4), (10, 3), (20, 2)):
        clock.set(BASE + second * SECOND)
        db.ask(f"RL.SLIDING k 10 60s COST {cost}")
    assert db.do("RL.REFUND k 4") == 4
    clock.set(BASE + 30 * SECOND)
    assert db.ask("RL.PEEK k COST 6") == (0, 10, 5, 30_000, 40_000, "sliding")
    clock.set(BASE + MINUTE)
    assert used(db) == [1]
    clock.set(BASE + 70 * SECOND)
    assert used(db) == [0]


def test_two_counters_give_back_from_the_newer_first(db, clock):
    db.ask("RL.SLIDING k 10 60s APPROX COST 6")
    clock.set(BASE + MINUTE)
    db.ask("RL.SLIDING k 10 60s APPROX COST 3")
    assert db.do("RL.REFUND k 4") == 4
    assert used(db) == [5]
    clock.set(BASE + 90 * SECOND)
    assert used(db) == [3]


def test_the_reply_is_how_much_less_is_used_and_not_how_much_was_asked_for(db, clock):
    """Of the older counter a unit counts half."""
    db.ask("RL.SLIDING k 100 60s APPROX COST 80")
    clock.set(BASE + 90 * SECOND)
    assert used(db) == [40]
    assert db.do("RL.REFUND k 20") == 10
    assert used(db) == [30]


def test_every_limit_of_the_key_gets_the_units_and_the_largest_difference_is_told(db, clock):
    limits = "FIXED 10 10s AS short FIXED 100 1h AS long"
    db.ask(f"RL.CHECK k {limits} COST 8")
    clock.advance(10 * SECOND)
    db.ask(f"RL.CHECK k {limits} COST 2")
    assert db.do("RL.REFUND k 5") == 5
    assert used(db) == [0, 5]


def test_requests_and_leases_do_not_come_back(db, clock):
    limits = "FIXED 10 60s PER REQUEST CONCURRENT 10 60s FIXED 100 60s AS units"
    db.ask(f"RL.CHECK k {limits} COST 4 ID a")
    assert db.do("RL.REFUND k 3") == 3
    assert used(db) == [1, 4, 1]
    assert db.do("RL.REFUND k 3") == 1
    assert db.do("RL.REFUND k 3") == 0
    assert used(db) == [1, 4, 0]


def test_a_refund_lessens_a_debt_first(db, clock):
    db.ask("RL.FIXED k 10 60s COST 15 FORCE")
    assert db.do("RL.REFUND k 7") == 7
    assert db.ask("RL.PEEK k")[:3] == (1, 10, 2)


@every_limit
def test_what_a_debt_did_not_charge_does_not_come_back(db, clock, limit):
    for _ in range(3):
        db.ask(f"RL.CHECK k {limit} COST {MOST} FORCE")
    [before] = used(db)
    assert db.do(f"RL.REFUND k {MOST}") == min(before, MOST)


@every_limit
def test_after_a_step_back_of_the_clock_it_gives_back_of_what_counts_now(db, clock, limit):
    clock.set(BASE + HOUR)
    db.ask(f"RL.CHECK k {limit} COST 10")
    clock.set(BASE)
    assert db.do("RL.REFUND k 3") == 3
    assert used(db) == [7]
    assert db.ask(f"RL.CHECK k {limit} COST 3").granted == 3


def test_a_refund_goes_to_all_accounts(db, clock):
    db.ask("RL.FIXED k 10 60s COST 8")
    db.ask("RL.SLIDING k 20 60s")
    db.ask("RL.CHECK k FIXED 10 60s PER REQUEST CONCURRENT 5 60s")
    assert used(db) == [10, 10, 1, 1]
    assert db.do("RL.REFUND k 3") == 3
    assert used(db) == [7, 7, 1, 1]


def test_a_refund_tells_the_most_that_any_account_got_back(db, clock):
    db.ask("RL.FIXED k 10 30s COST 8")
    db.ask("RL.SLIDING k 20 60s")
    clock.advance(30 * SECOND)
    assert db.do("RL.REFUND k 3") == 3
    assert used(db) == [0, 6]


def test_the_end_of_the_key_follows(db):
    db.ask("RL.TOKENBUCKET k 10 1 60s COST 8")
    db.do("RL.REFUND k 5")
    assert lives_until(db.pttl("k"), 180_000, slack_ms=120_000)


@pytest.mark.parametrize("units", ["0", "-1", "1.5", "many", "", str(MOST + 1), "99999999999999999999", "05"])
def test_a_bad_number_of_units_is_refused(db, clock, units):
    db.ask("RL.FIXED k 10 60s COST 8")
    before = db.changes(), db.digest("k")
    assert db.error("RL.REFUND", "k", units).startswith(f"n must be an integer from 1 to {MOST}")
    assert (db.changes(), db.digest("k")) == before


@pytest.mark.parametrize(
    ("words", "text"), [("", TOO_SHORT), ("k", TOO_SHORT), ("k 3 4", "syntax error at argument 3")]
)
def test_a_refund_is_a_key_and_a_number_and_perhaps_a_subject(db, clock, words, text):
    assert db.error("RL.REFUND", *words.split()).startswith(text)


def test_at_maxmemory_units_still_come_back(db, clock, configure):
    db.ask("RL.FIXED k 10 60s COST 8")
    configure("maxmemory", "1")
    assert db.do("RL.REFUND k 3") == 3
