# SPDX-License-Identifier: MIT
"""A subject that is asked under several limits has an account for each: who opens it, what it starts with, and that all
are charged what is granted.
"""

from itertools import product

import pytest

from harness import BASE, DAY, MINUTE, MS, SECOND
from vocabulary import WITHOUT_NUMBERS

PAIRS = list(product(WITHOUT_NUMBERS, repeat=2))
every_pair = pytest.mark.parametrize(("old", "new"), PAIRS)
every_other_pair = pytest.mark.parametrize(("old", "new"), [(old, new) for old, new in PAIRS if old != new])


def has_leases(limit: str) -> bool:
    return "CONCURRENT" in limit


def starts_empty(old: str, new: str) -> bool:
    """Leases have holders, which units have not."""
    return has_leases(new) and not has_leases(old)


def used(db) -> dict[str, int]:
    return {limit["label"]: limit["used"] for limit in db.rl_info("k")["limits"]}


def each_used(db) -> list[int]:
    return [limit["used"] for limit in db.rl_info("k")["limits"]]


# --- what an account starts with


@every_pair
def test_an_account_of_a_larger_limit_starts_with_what_is_used(db, clock, old, new):
    db.ask(f"RL.CHECK k {old.format(10)} COST 4")
    assert db.ask(f"RL.CHECK k {new.format(20)}")[:3] == (1, 20, 19 if starts_empty(old, new) else 15)


@every_pair
def test_an_account_of_a_smaller_limit_starts_with_what_is_used(db, clock, old, new):
    db.ask(f"RL.CHECK k {old.format(20)} COST 4")
    if not starts_empty(old, new):
        assert db.ask(f"RL.CHECK k {new.format(6)} COST 3")[:3] == (0, 6, 2)
        assert db.ask(f"RL.CHECK k {new.format(6)} COST 2")[:3] == (2, 6, 0)
    else:
        assert db.ask(f"RL.CHECK k {new.format(6)} COST 3")[:3] == (3, 6, 3)


@every_pair
def test_at_most_the_size_of_a_limit_counts_as_used_when_its_account_is_opened(db, clock, old, new):
    db.ask(f"RL.CHECK k {old.format(20)} COST 20")
    asked = db.ask(f"RL.CHECK k {new.format(5)}")
    if starts_empty(old, new):
        assert asked[:3] == (1, 5, 4)
        assert each_used(db) == [21, 1] if "BUCKET" not in old else [20, 1]
        return
    assert asked[:3] == (0, 5, 0)
    assert 0 < asked.wait_ms <= (3_600_000 if "QUOTA" in new else 72_000 if "APPROX" in new else 60_000)
    assert each_used(db) == [20, 5]


@every_pair
def test_waiting_as_told_succeeds_also_when_the_denial_opened_the_account(db, clock, old, new):
    db.ask(f"RL.CHECK k {old.format(20)} COST 20")
    denied = db.ask(f"RL.CHECK k {new.format(5)}")
    clock.advance(denied.wait_ms * MS)
    assert db.ask(f"RL.CHECK k {new.format(5)}").granted == 1


@pytest.mark.parametrize("new", WITHOUT_NUMBERS)
def test_an_account_does_not_start_with_a_debt(db, clock, new):
    db.ask("RL.CHECK k FIXED 10 90s COST 25 FORCE")
    asked = db.ask(f"RL.CHECK k {new.format(10)}")
    if has_leases(new):
        assert asked[:3] == (1, 10, 9)
    else:
        assert asked[:3] == (0, 10, 0)
        assert each_used(db) == [25, 10]


def test_a_part_of_a_unit_counts_as_used_under_another_kind_of_limit(db, clock):
    db.ask("RL.TOKENBUCKET k 10 1 1s COST 4")
    clock.advance(SECOND // 2)
    assert db.ask("RL.FIXED k 10 60s") == (1, 10, 5, 0, 60000)


def test_a_fixed_window_of_another_size_keeps_its_end(db, clock):
    db.ask("RL.FIXED k 10 60s COST 4")
    clock.advance(45 * SECOND)
    assert db.ask("RL.FIXED k 20 60s") == (1, 20, 15, 0, 15000)
    assert db.ask("RL.FIXED k 5 1m") == (0, 5, 0, 15000, 15000)


def test_a_fixed_window_of_another_length_keeps_its_begin(db, clock):
    db.ask("RL.FIXED k 10 60s COST 4")
    clock.advance(45 * SECOND)
    assert db.ask("RL.FIXED k 10 2m") == (1, 10, 5, 0, 75000)
    assert db.ask("RL.FIXED k 10 30s") == (1, 10, 4, 0, 30000), "it would be over: it begins now"


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
    # Of the nine units, the five newest: two of second 8, and three of second 16.
    assert db.ask("RL.SLIDING k 5 60s") == (0, 5, 0, 52000, 60000)
    assert db.ask("RL.SLIDING k 20 60s") == (1, 20, 10, 0, 60000)
    clock.set(BASE + 60 * SECOND)
    assert db.ask("RL.SLIDING k 20 60s") == (1, 20, 12, 0, 60000)


def test_a_bucket_of_another_rate_holds_what_the_old_one_held(db, clock):
    db.ask("RL.TOKENBUCKET k 10 1 1s COST 4")
    assert db.ask("RL.TOKENBUCKET k 10 1 10s") == (1, 10, 5, 0, 50000)


def test_leases_keep_their_ends_and_those_that_end_last_stay(db, clock):
    for lease_id in "abc":
        db.ask(f"RL.CONCURRENT k 3 10s ID {lease_id}")
        clock.advance(SECOND)
    # Of three leases two stay: b ends in 8 s, and c in 9 s.
    assert db.ask("RL.CONCURRENT k 2 1h ID d") == (0, 2, 0, 8000, 9000, None)
    clock.advance(8 * SECOND)
    assert db.ask("RL.CONCURRENT k 2 1h ID d")[:3] == (1, 2, 0)


def test_an_account_starts_from_one_of_the_same_algorithm(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s SLIDING 100 1h COST 2")
    db.ask("RL.SLIDING k 100 1h COST 5 FORCE")
    clock.advance(60 * SECOND)
    # The window is over: its account counts nothing, and that of the log counts 7.
    assert db.ask("RL.PEEK k FIXED 20 60s").remaining == 20
    assert db.ask("RL.PEEK k TOKENBUCKET 20 1 60s").remaining == 13


def test_of_several_of_the_same_algorithm_an_account_starts_from_the_one_that_counts_most(db, clock):
    db.ask("RL.CHECK k FIXED 10 10s FIXED 10 60s COST 4")
    clock.advance(10 * SECOND)
    assert db.ask("RL.FIXED k 10 30s") == (1, 10, 5, 0, 20000)


def test_both_buckets_count_as_one_algorithm(db, clock):
    db.ask("RL.CHECK k LEAKYBUCKET 10 1 60s FIXED 50 1h COST 4")
    db.ask("RL.FIXED k 50 1h COST 20")
    db.do("RL.REFUND k 20")
    assert db.ask("RL.PEEK k TOKENBUCKET 100 1 60s").remaining == 96


def test_a_limit_of_requests_starts_only_from_one_of_requests(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s COST 4")
    assert db.ask("RL.CHECK k FIXED 10 60s PER REQUEST COST 3")[:3] == (3, 10, 9)
    assert db.ask("RL.CHECK k FIXED 20 60s PER REQUEST COST 2")[:3] == (2, 20, 18)
    assert each_used(db) == [9, 2, 2]


def test_the_limits_of_one_call_all_start_from_what_was_there_before(db, clock):
    db.ask("RL.FIXED k 10 60s COST 4")
    db.ask("RL.CHECK k FIXED 5 60s AS a FIXED 20 60s AS b TOKENBUCKET 20 1 1s AS c")
    assert used(db) == {"fixed": 5, "a": 5, "b": 5, "c": 5}


# --- what is booked


@every_other_pair
def test_what_is_granted_is_booked_on_all_accounts(db, clock, old, new):
    """Only a call that takes leases takes some from the accounts that have them."""
    db.ask(f"RL.CHECK k {old.format(10)} COST 4")
    db.ask(f"RL.CHECK k {new.format(20)} COST 3")
    first = 4 if has_leases(old) and not has_leases(new) else 7
    assert each_used(db) == [first, 3 if starts_empty(old, new) else 7]
    assert db.ask(f"RL.CHECK k {old.format(10)} COST {11 - first}").granted == 0
    assert db.ask(f"RL.CHECK k {old.format(10)} COST {10 - first}").granted == 10 - first


@pytest.mark.parametrize("small", [limit for limit in WITHOUT_NUMBERS if not has_leases(limit)])
def test_what_is_booked_beyond_a_size_is_debt(db, clock, small):
    db.ask(f"RL.CHECK k {small.format(5)} COST 5")
    assert db.ask("RL.TOKENBUCKET k 100 1 1h COST 20").granted == 20
    # Five used, twenty beyond: one of all these must be there again. A bucket gets one back in a minute.
    wait_ms = 21 * 60_000 if "BUCKET" in small else 3_600_000 if "QUOTA" in small else 60_000
    if "Kathmandu" in small:  # midnight in Greenwich is 5:45 there
        wait_ms = 15 * 60_000
    if "APPROX" in small:  # the 25 of the window before weigh 4 when it ended 21/25 of a minute ago
        wait_ms = 60_000 + 60_000 * 21 // 25
    denied = db.ask(f"RL.CHECK k {small.format(5)}")
    assert denied[:4] == (0, 5, 0, wait_ms)
    clock.advance(denied.wait_ms * MS)
    assert db.ask(f"RL.CHECK k {small.format(5)}").granted == 1


def test_requests_are_booked_as_one_and_a_request_books_its_cost(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s AS requests PER REQUEST COST 4")
    db.ask("RL.CHECK k FIXED 100 60s AS tokens COST 7")
    assert used(db) == {"requests": 2, "tokens": 8}, "it began with the request before"
    db.ask("RL.CHECK k FIXED 10 60s AS requests PER REQUEST COST 5")
    assert used(db) == {"requests": 3, "tokens": 13}


def test_a_lease_is_booked_with_the_end_that_its_own_call_gave(db, clock):
    db.ask("RL.CONCURRENT k 5 10s ID a")
    db.ask("RL.CONCURRENT k 5 1h ID b")
    assert each_used(db) == [2, 2]
    clock.advance(10 * SECOND)
    assert each_used(db) == [1, 1]
    assert db.do("RL.RELEASE k b") == 1
    assert db.exists("k") == 0


def test_a_full_set_of_leases_books_nothing(db, clock):
    db.ask("RL.CONCURRENT k 1 1h ID a")
    assert db.ask("RL.CONCURRENT k 2 1h ID b").granted == 1
    # Beyond the size of the first: it counts there all the same, until only one is left.
    assert each_used(db) == [2, 2]
    assert db.do("RL.RELEASE k a") == 1
    assert db.ask("RL.CONCURRENT k 1 1h ID c").granted == 0


def test_a_renewal_shortens_no_lease(db, clock):
    db.ask("RL.CONCURRENT k 1 1h ID a")
    assert db.ask("RL.CONCURRENT k 1 1s ID a").granted == 1
    clock.advance(SECOND)
    assert db.ask("RL.CONCURRENT k 1 1s ID b").granted == 0
    clock.advance(59 * MINUTE)
    assert db.ask("RL.CONCURRENT k 1 1h ID b").granted == 0
    clock.advance(MINUTE - SECOND)
    assert db.ask("RL.CONCURRENT k 1 1h ID b").granted == 1


# --- holds and turns


@every_other_pair
def test_a_hold_is_settled_on_all_accounts(db, clock, old, new):
    db.do(f"RL.RESERVE k 1h {old.format(20)} COST 4 ID a")
    assert db.ask(f"RL.CHECK k {new.format(20)}")[:3] == (1, 20, 19 if starts_empty(old, new) else 15)
    assert db.rl_info("k")["holds"] == 1
    # Four and one used, of which three come back. Leases are ended, not given back.
    first = 2 if not has_leases(old) else 1 if has_leases(new) else 0
    second = 2 if not has_leases(new) else 1
    assert db.do("RL.SETTLE k a 1")[:3] == [1, 20, 20 - first]
    assert (db.rl_info("k")["holds"], each_used(db)) == (1, [first, second]), "the id is remembered"


@every_pair
def test_a_turn_binds_also_calls_under_other_limits(db, clock, old, new):
    db.ask(f"RL.CHECK k {old.format(10)} COST 10")
    assert db.ask(f"RL.CHECK k {old.format(10)} COST 4 MAXWAIT 1d").granted == 4
    denied = db.ask(f"RL.CHECK k {new.format(20)}")
    assert denied[:2] == (0, 20)
    clock.advance(denied.wait_ms * MS - 1)
    assert db.ask(f"RL.CHECK k {new.format(20)}").granted == 0
    clock.advance(1)
    assert db.ask(f"RL.CHECK k {new.format(20)}").granted == 1


def test_a_turn_is_that_of_the_key_whatever_limits_are_named(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s AS a COST 10")
    assert db.ask("RL.CHECK k FIXED 10 60s AS a COST 3 MAXWAIT 2m").wait_ms == 60_000
    for limits in ("SLIDING 50 1h FIXED 50 60s AS a", "QUOTA 50 DAY CONCURRENT 50 60s", "LEAKYBUCKET 50 10 1s"):
        assert db.ask(f"RL.CHECK k {limits}")[:1] == (0,)
        assert db.ask(f"RL.PEEK k {limits}").wait_ms == 60_000
        assert db.ask(f"RL.CHECK k {limits} COST 2 FORCE").granted == 2
        assert db.ask(f"RL.PEEK k {limits}").wait_ms == 60_000
    clock.advance(MINUTE)
    assert db.ask("RL.LEAKYBUCKET k 50 10 1s").granted == 1


def test_a_list_that_grows_shrinks_and_is_reordered_keeps_what_is_used_and_promised(db, clock):
    a, b, c = "FIXED 10 60s AS a", "SLIDING 20 1h APPROX AS b", "CONCURRENT 5 60s AS c PER REQUEST"
    db.do(f"RL.RESERVE k 1h {a} COST 4 ID held")
    assert db.do(f"RL.CHECK k {a} {b} {c} COST 2 ID x")[-1] == "x"
    assert used(db) == {"a": 6, "b": 6, "c": 1}
    assert db.do(f"RL.CHECK k {c} {b} {a} ID y")[-1] == "y"
    assert used(db) == {"a": 7, "b": 7, "c": 2}
    assert db.do(f"RL.RESERVE k 1h {c} {a} COST 2 ID more")[-1] == "more"
    assert used(db) == {"a": 9, "b": 9, "c": 3}
    assert db.do("RL.SETTLE k more 1")[-1] == db.do("RL.SETTLE k held 1")[-1] == "settled"
    assert used(db) == {"a": 5, "b": 5, "c": 2}
    assert db.do(f"RL.SETTLE k nobody 3 {b}")[-1] == "unknown"
    assert used(db) == {"a": 8, "b": 8, "c": 2}


# --- which accounts there are


def test_a_call_that_is_never_granted_opens_no_account(db, clock):
    db.ask("RL.TOKENBUCKET k 10 10 1s COST 4")
    before = db.rl_info("k")["limits"], db.digest("k"), db.changes()
    assert db.ask("RL.FIXED k 3 60s COST 4").wait_ms == -1
    assert (db.rl_info("k")["limits"], db.digest("k"), db.changes()) == before


def test_a_denial_opens_accounts_once_and_then_changes_nothing(db, clock):
    db.ask("RL.TOKENBUCKET k 10 10 1h COST 10")
    assert db.ask("RL.FIXED k 5 60s").granted == 0
    before = db.rl_info("k")["limits"], db.digest("k"), db.changes()
    for limit in ("FIXED k 5 60s", "TOKENBUCKET k 10 10 1h", "FIXED k 5 60s"):
        assert db.ask(f"RL.{limit}").granted == 0
    assert (db.rl_info("k")["limits"], db.digest("k"), db.changes()) == before


def test_a_denied_call_on_an_absent_subject_opens_nothing(db, clock):
    assert db.ask("RL.CHECK k FIXED 10 60s TOKENBUCKET 3 1 1s COST 4").granted == 0
    assert db.exists("k") == 0


def test_a_denied_call_starts_no_window_of_a_limit_that_would_have_granted(db, clock):
    limits = "TOKENBUCKET 5 1 60s FIXED 10 60s AS window"
    assert db.ask(f"RL.CHECK k {limits} COST 5").granted == 5
    clock.advance(60 * SECOND)
    assert db.ask(f"RL.CHECK k {limits} COST 2").granted == 0
    clock.advance(60 * SECOND)
    assert db.ask(f"RL.CHECK k {limits} COST 2").granted == 2
    assert db.rl_info("k")["limits"][1]["reset_ms"] == 60000


def test_a_label_is_part_of_what_a_limit_is_known_by(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s COST 4")
    clock.advance(45 * SECOND)
    assert db.ask("RL.CHECK k FIXED 10 60s AS named") == (1, 10, 5, 0, 15000, "named")
    assert used(db) == {"fixed": 5, "named": 5}


def test_unlabelled_twins_are_known_by_their_order(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s COST 4")
    assert db.ask("RL.CHECK k FIXED 10 60s FIXED 10 60s COST 2").granted == 2
    db.ask("RL.CHECK k FIXED 10 60s")
    assert used(db) == {"fixed": 7, "fixed-2": 7}


def test_peek_without_limits_and_info_go_by_all_accounts(db, clock):
    db.ask("RL.TOKENBUCKET k 10 10 60s COST 4")
    assert db.ask("RL.SLIDING k 7 60s AS strict").granted == 1
    assert used(db) == {"tokenbucket": 5, "strict": 5}
    assert db.ask("RL.PEEK k") == (1, 7, 2, 0, 60000, "strict")
    assert db.ask("RL.PEEK k COST 6") == (0, 7, 2, 60000, 60000, "strict")


def test_labels_that_meet_are_made_distinct(db, clock):
    for size in (10, 20, 30):
        db.ask(f"RL.CHECK k FIXED {size} 60s AS a")
    assert [limit["label"] for limit in db.rl_info("k")["limits"]] == ["a", "a-2", "a-3"]
    assert db.ask("RL.CHECK k FIXED 30 60s AS a").label == "a"


def test_an_account_is_dropped_when_nobody_was_granted_anything_under_it_for_long(db, clock):
    """The slowest takes a minute from full to idle."""
    db.ask("RL.FIXED k 100 60s COST 90")
    db.ask("RL.TOKENBUCKET k 100 2 1s COST 5")
    for _ in range(2):
        assert len(db.rl_info("k")["limits"]) == 2
        clock.advance(30 * SECOND)
        assert db.ask("RL.TOKENBUCKET k 100 2 1s COST 50").granted == 50
    assert len(db.rl_info("k")["limits"]) == 2, "just a minute ago"
    clock.advance(1)
    db.ask("RL.TOKENBUCKET k 100 2 1s")
    assert [limit["limit"] for limit in db.rl_info("k")["limits"]] == ["TOKENBUCKET 100 2 1s"]


def test_when_the_other_account_is_dropped_the_key_is_what_it_was_under_one_list(db, clock):
    for key in ("k", "alone"):
        db.ask(f"RL.TOKENBUCKET {key} 100 1 1s COST 50")
    db.ask("RL.FIXED k 10 5s")
    db.ask("RL.TOKENBUCKET alone 100 1 1s")
    clock.advance(99 * SECOND)
    for key in ("k", "alone"):
        db.ask(f"RL.TOKENBUCKET {key} 100 1 1s COST 50")
    clock.advance(2 * SECOND)
    for key in ("k", "alone"):
        db.ask(f"RL.TOKENBUCKET {key} 100 1 1s")
    assert db.rl_info("k")["limits"] == db.rl_info("alone")["limits"]
    assert db.digest("k") == db.digest("alone")
    assert db.do("MEMORY USAGE k SAMPLES 0") <= db.do("MEMORY USAGE alone SAMPLES 0")


def test_a_subject_that_nobody_asks_keeps_its_debt(db, clock):
    """The accounts with the newest grant stay, however long ago that is."""
    db.ask("RL.TOKENBUCKET k 10 1 1m COST 5000 FORCE")
    db.ask("RL.FIXED k 10 60s COST 1 FORCE")
    clock.advance(DAY)
    # 5,001 minutes of debt from full, of which 1,440 are over.
    assert db.ask("RL.PEEK k TOKENBUCKET 10 1 1m").wait_ms == (5001 - 10 + 1 - 1440) * 60_000


def test_there_are_at_most_eight_accounts_and_the_one_granted_longest_ago_gives_way(db, clock):
    for size in range(11, 19):
        db.ask(f"RL.FIXED k {size} 1h")
        clock.advance(SECOND)
    db.ask("RL.FIXED k 11 1h")
    clock.advance(SECOND)
    assert db.ask("RL.FIXED k 19 1h")[:3] == (1, 19, 9), "it starts with the nine of the account of 12"
    sizes = sorted(limit["size"] for limit in db.rl_info("k")["limits"])
    assert sizes == [11, 13, 14, 15, 16, 17, 18, 19]
    assert each_used(db) == [10] * 8


def test_a_key_under_several_lists_ends_when_its_last_account_is_idle(db, clock):
    db.ask("RL.FIXED k 10 60s COST 4")
    db.ask("RL.TOKENBUCKET k 100 1 60s")
    clock.advance(60 * SECOND)
    assert db.ask("RL.PEEK k")[:1] == (1,)
    assert db.ask("RL.PEEK k FIXED 10 60s").remaining == 10
    assert db.ask("RL.PEEK k TOKENBUCKET 100 1 60s").remaining == 96
    clock.advance(4 * MINUTE)
    before = db.changes()
    assert db.ask("RL.FIXED k 5 60s COST 9").granted == 0
    assert db.changes() == before, "an idle subject is as good as absent"


def test_a_label_does_not_make_two_limits_the_same(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s AS requests PER REQUEST FIXED 100 60s AS tokens COST 7")
    db.ask("RL.CHECK k FIXED 200 60s AS tokens FIXED 20 60s AS requests")
    assert [(limit["label"], limit["size"], limit["used"]) for limit in db.rl_info("k")["limits"]] == [
        ("requests", 10, 2),
        ("tokens", 100, 8),
        ("tokens-2", 200, 8),
        ("requests-2", 20, 8),
    ]


def test_an_account_that_stays_keeps_its_use_when_another_limit_is_added_behind_it(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s COST 4")
    clock.advance(45 * SECOND)
    db.ask("RL.CHECK k FIXED 10 60s SLIDING 100 1h")
    first = db.rl_info("k")["limits"][0]
    assert (first["used"], first["reset_ms"]) == (5, 15000)


def test_a_limit_that_is_not_named_any_more_binds_no_more_but_counts_on(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s SLIDING 5 1h COST 4")
    clock.advance(45 * SECOND)
    assert db.ask("RL.CHECK k FIXED 10 60s COST 3") == (3, 10, 3, 0, 15000, "fixed")
    assert each_used(db) == [7, 7]
    assert db.ask("RL.CHECK k SLIDING 5 1h").granted == 0
