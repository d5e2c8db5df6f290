# SPDX-License-Identifier: MIT
"""A limit that changes keeps what is used, whatever the algorithms are; the same kind of limit keeps its times too."""

from itertools import product

import pytest

from harness import BASE, MINUTE, MS, SECOND
from vocabulary import WITHOUT_NUMBERS


@pytest.mark.parametrize(("old", "new"), product(WITHOUT_NUMBERS, repeat=2))
def test_what_is_used_stays_used_when_the_limit_is_raised(db, clock, old, new):
    db.ask(f"RL.CHECK k {old.format(10)} COST 4")
    assert db.ask(f"RL.CHECK k {new.format(20)}")[:3] == (1, 20, 15)


@pytest.mark.parametrize(("old", "new"), product(WITHOUT_NUMBERS, repeat=2))
def test_a_lowered_limit_forgets_nothing(db, clock, old, new):
    db.ask(f"RL.CHECK k {old.format(20)} COST 4")
    assert db.ask(f"RL.CHECK k {new.format(6)} COST 3")[:3] == (0, 6, 2)
    assert db.ask(f"RL.CHECK k {new.format(6)} COST 2")[:3] == (2, 6, 0)


@pytest.mark.parametrize(("old", "new"), product(WITHOUT_NUMBERS, repeat=2))
def test_what_is_used_is_capped_at_the_size_of_another_limit_and_a_debt_under_the_same(db, clock, old, new):
    """But for the bucket, of which no more can be used than it holds unless it was forced."""
    db.ask(f"RL.CHECK k {old.format(20)} COST 20")
    denied = db.ask(f"RL.CHECK k {new.format(5)}")
    assert denied[:3] == (0, 5, 0)
    assert 0 < denied.wait_ms <= (3_600_000 if "QUOTA" in new else 120_000)
    assert db.rl_info("k")["limits"][0]["used"] == (20 if old == new and "BUCKET" not in new else 5)


def test_a_part_of_a_unit_counts_as_used_under_another_kind_of_limit(db, clock):
    db.ask("RL.TOKENBUCKET k 10 1 1s COST 4")
    clock.advance(SECOND // 2)
    assert db.ask("RL.FIXED k 10 60s") == (1, 10, 5, 0, 60000)


def test_a_fixed_window_of_another_size_keeps_its_end(db, clock):
    db.ask("RL.FIXED k 10 60s COST 4")
    clock.advance(45 * SECOND)
    assert db.ask("RL.FIXED k 20 60s") == (1, 20, 15, 0, 15000)
    assert db.ask("RL.FIXED k 5 1m") == (0, 5, 0, 15000, 15000)


def test_a_bucket_of_another_capacity_keeps_its_exact_time(db, clock):
    db.ask("RL.TOKENBUCKET k 10 7 60s COST 10")
    clock.advance(8 * SECOND)
    before = db.ask("RL.PEEK k TOKENBUCKET 10 7 60s COST 11")
    raised = db.ask("RL.PEEK k TOKENBUCKET 20 7 60s COST 21")
    assert (before.reset_ms, raised.reset_ms) == (77715, 77715)
    clock.set(BASE + -(-MINUTE // 7))
    assert db.ask("RL.TOKENBUCKET k 20 7 60s COST 11").granted == 11
    clock.set(BASE + -(-2 * MINUTE // 7) - 1)
    assert db.ask("RL.TOKENBUCKET k 20 7 60s").granted == 0
    clock.set(BASE + -(-2 * MINUTE // 7))
    assert db.ask("RL.TOKENBUCKET k 20 7 60s").granted == 1


def test_a_log_of_another_limit_keeps_its_entries(db, clock):
    for second in (0, 8, 16):
        clock.set(BASE + second * SECOND)
        db.ask("RL.SLIDING k 10 60s COST 3")
    assert db.ask("RL.SLIDING k 5 60s") == (0, 5, 0, 52000, 60000)
    assert db.ask("RL.SLIDING k 20 60s") == (1, 20, 10, 0, 60000)
    clock.set(BASE + 60 * SECOND)
    assert db.ask("RL.SLIDING k 20 60s") == (1, 20, 12, 0, 60000)


def test_another_window_starts_anew_with_what_is_used(db, clock):
    db.ask("RL.FIXED k 10 60s COST 4")
    clock.advance(45 * SECOND)
    assert db.ask("RL.FIXED k 10 2m") == (1, 10, 5, 0, 120000)


def test_a_bucket_of_another_rate_holds_what_the_old_one_held(db, clock):
    db.ask("RL.TOKENBUCKET k 10 1 1s COST 4")
    assert db.ask("RL.TOKENBUCKET k 10 1 10s") == (1, 10, 5, 0, 50000)


def test_a_change_of_label_changes_nothing_else(db, clock):
    db.ask("RL.FIXED k 10 60s COST 4")
    clock.advance(45 * SECOND)
    assert db.ask("RL.CHECK k FIXED 10 60s AS renamed") == (1, 10, 5, 0, 15000, "renamed")


def test_a_call_that_is_never_granted_leaves_the_limits_as_they_were(db, clock):
    db.ask("RL.TOKENBUCKET k 10 10 1s COST 4")
    before = db.rl_info("k")["limits"], db.digest("k"), db.changes()
    assert db.ask("RL.FIXED k 3 60s COST 4").wait_ms == -1
    assert (db.rl_info("k")["limits"], db.digest("k"), db.changes()) == before


@pytest.mark.parametrize(("old", "new"), product(WITHOUT_NUMBERS, repeat=2))
def test_waiting_as_told_succeeds_also_when_the_denial_came_with_new_limits(db, clock, old, new):
    db.ask(f"RL.CHECK k {old.format(20)} COST 20")
    denied = db.ask(f"RL.CHECK k {new.format(5)}")
    clock.advance(denied.wait_ms * MS)
    assert db.ask(f"RL.CHECK k {new.format(5)}").granted == 1


@pytest.mark.parametrize(("old", "new"), product(WITHOUT_NUMBERS, repeat=2))
def test_a_hold_outlasts_a_change_of_limits(db, clock, old, new):
    db.do(f"RL.RESERVE k 1h {old.format(20)} COST 4 ID a")
    assert db.ask(f"RL.CHECK k {new.format(20)}")[:3] == (1, 20, 15)
    assert db.rl_info("k")["holds"] == 1
    # Leases are ended, not given back; and what was used under another limit is a lease without a name.
    left = 2 if "CONCURRENT" not in new else 1 if "CONCURRENT" in old else 5
    assert db.do("RL.SETTLE k a 1")[:3] == [1, 20, 20 - left]
    assert (db.rl_info("k")["holds"], db.rl_info("k")["limits"][0]["used"]) == (0, left)


@pytest.mark.parametrize(("old", "new"), product(WITHOUT_NUMBERS, repeat=2))
def test_a_turn_outlasts_a_change_of_limits(db, clock, old, new):
    db.ask(f"RL.CHECK k {old.format(10)} COST 10")
    assert db.ask(f"RL.CHECK k {old.format(10)} COST 4 MAXWAIT 1d").granted == 4
    denied = db.ask(f"RL.CHECK k {new.format(20)}")
    assert denied[:3] == (0, 20, 0)
    clock.advance(denied.wait_ms * MS - 1)
    assert db.ask(f"RL.CHECK k {new.format(20)}").granted == 0
    clock.advance(1)
    assert db.ask(f"RL.CHECK k {new.format(20)}").granted == 1


@pytest.mark.parametrize("new", WITHOUT_NUMBERS)
def test_a_debt_is_not_carried_to_another_kind_of_limit(db, clock, new):
    db.ask("RL.CHECK k FIXED 10 90s COST 25 FORCE")
    denied = db.ask(f"RL.CHECK k {new.format(10)}")
    assert denied[:3] == (0, 10, 0)
    assert db.rl_info("k")["limits"][0]["used"] == 10


def test_a_list_that_grows_shrinks_and_is_reordered_keeps_what_is_used_and_promised(db, clock):
    db.do("RL.RESERVE k 1h FIXED 10 60s AS a COST 4 ID held")
    b, c = "SLIDING 20 1h APPROX AS b", "CONCURRENT 5 60s AS c PER REQUEST"
    assert db.do(f"RL.CHECK k FIXED 10 60s AS a {b} {c} COST 2 ID x")[-1] == "x"
    assert used(db) == {"a": 6, "b": 2, "c": 1}
    assert db.do(f"RL.CHECK k {c} {b} FIXED 10 60s AS a ID y")[-1] == "y"
    assert used(db) == {"c": 2, "b": 3, "a": 7}
    assert db.do(f"RL.RESERVE k 1h {c} FIXED 10 60s AS a COST 2 ID more")[-1] == "more"
    assert used(db) == {"c": 3, "a": 9}
    assert db.do("RL.SETTLE k more 1")[-1] == db.do("RL.SETTLE k held 1")[-1] == "settled"
    assert used(db) == {"c": 2, "a": 5}
    assert db.do(f"RL.SETTLE k nobody 3 {b}")[-1] == "unknown"
    assert used(db) == {"b": 5}, "it goes on from the first that is left, the leases"


def test_a_turn_is_that_of_the_key_whatever_becomes_of_its_limits(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s AS a COST 10")
    assert db.ask("RL.CHECK k FIXED 10 60s AS a COST 3 MAXWAIT 2m").wait_ms == 60_000
    for limits in ("SLIDING 50 1h FIXED 50 60s AS a", "QUOTA 50 DAY CONCURRENT 50 60s", "LEAKYBUCKET 50 10 1s"):
        assert db.ask(f"RL.CHECK k {limits}")[:1] == (0,)
        assert db.ask(f"RL.PEEK k {limits}").wait_ms == 60_000
        assert db.ask(f"RL.CHECK k {limits} COST 2 FORCE").granted == 2
        assert db.ask(f"RL.PEEK k {limits}").wait_ms == 60_000
    clock.advance(MINUTE)
    assert db.ask("RL.LEAKYBUCKET k 50 10 1s").granted == 1


def used(db) -> dict[str, int]:
    return {limit["label"]: limit["used"] for limit in db.rl_info("k")["limits"]}


def test_a_denied_call_starts_no_window_of_a_limit_that_would_have_granted(db, clock):
    db.ask("RL.CHECK k TOKENBUCKET 5 5 60s COST 5")
    limits = "TOKENBUCKET 5 5 60s FIXED 10 60s AS window"
    assert db.ask(f"RL.CHECK k {limits}").granted == 0
    clock.advance(12 * SECOND)
    assert db.ask(f"RL.CHECK k {limits}").granted == 1
    assert db.rl_info("k")["limits"][1]["reset_ms"] == 60000


def test_a_granted_call_brings_its_own_limits(db, clock):
    db.ask("RL.TOKENBUCKET k 10 10 1s COST 4")
    assert db.ask("RL.SLIDING k 10 60s AS strict").granted == 1
    [limit] = db.rl_info("k")["limits"]
    assert (limit["label"], limit["used"]) == ("strict", 5)
    assert db.ask("RL.PEEK k").label == "strict"


def test_a_limit_is_known_by_its_label_wherever_it_stands(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s AS requests PER REQUEST FIXED 100 60s AS tokens COST 7")
    db.ask("RL.CHECK k FIXED 200 60s AS tokens FIXED 20 60s AS requests")
    assert [limit["used"] for limit in db.rl_info("k")["limits"]] == [8, 2]


def test_a_limit_that_stays_keeps_its_use_when_another_is_added_behind_it(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s COST 4")
    clock.advance(45 * SECOND)
    db.ask("RL.CHECK k FIXED 10 60s SLIDING 100 1h")
    first = db.rl_info("k")["limits"][0]
    assert (first["used"], first["reset_ms"]) == (5, 15000)


def test_a_limit_that_stays_keeps_its_use_when_the_one_behind_it_is_removed(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s SLIDING 100 1h COST 4")
    clock.advance(45 * SECOND)
    assert db.ask("RL.CHECK k FIXED 10 60s") == (1, 10, 5, 0, 15000, "fixed")
    assert len(db.rl_info("k")["limits"]) == 1
