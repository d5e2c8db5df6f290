# SPDX-License-Identifier: MIT
"""RL.DEFINE: limits that are stored in a key, for whoever is in it; and limits on trial."""

from __future__ import annotations

import random
from itertools import product

import pytest
import redis

from harness import BASE, DAY, MINUTE, MS, SECOND, Client, eventually
from resp import Connection, Failure
from seed import SEED
from steps import hear
from traffic import Talk
from vocabulary import ALGORITHMS, OTHER_TYPES, WITHOUT_NUMBERS

SEVERAL = "TOKENBUCKET 10 10 60s AS burst FIXED 20 1h SLIDING 30 1d CONCURRENT 12 60s QUOTA 40 DAY PER REQUEST"
LIMITS = [*ALGORITHMS, SEVERAL]
WHO = ["", " FOR alice"]
OTHER = "ERR the key stores other limits: name none, or change them with RL.DEFINE".removeprefix("ERR ")
# What an operator may do with limits, each call with what it names of them.
CALLS = [
    *("RL.CHECK k {0}", "RL.PEEK k {0}", "RL.RESERVE k 1m {0} ID a", "RL.SETTLE k a 1 {0}", "RL.CHECKALL 1 k {0}"),
    *("RL.CHECK k {0} FORCE", "RL.CHECK k {0} HEADERS"),
]


def used(db: Client, key: str, subject: str = "") -> list[int]:
    return [limit["used"] for limit in db.rl_info(key, subject)["limits"]]


# --- what is stored


@pytest.mark.parametrize("limits", LIMITS)
def test_a_definition_stores_the_limits_and_uses_nothing(db, clock, limits):
    assert db.do(f"RL.DEFINE k {limits}") == "OK"
    info = db.rl_info("k")
    names = "form", "stored", "shadow", "subjects", "granted", "denied", "holds"
    assert [info[name] for name in names] == ["single", 1, 0, 0, 0, 0, 0]
    db.ask(f"RL.CHECK twin {limits}")
    shown = [limit["limit"] for limit in db.rl_info("twin")["limits"]]
    assert [limit["limit"] for limit in info["limits"]] == shown
    assert {(limit["used"], limit["reset_ms"]) for limit in info["limits"]} == {(0, 0)}
    assert db.type("k") == "ratelimit"


@pytest.mark.parametrize(("limits", "who"), product(LIMITS, WHO))
def test_a_call_that_names_no_limits_is_decided_by_the_stored_ones(db, clock, limits, who):
    """As if it had named them, on a key that stores none."""
    db.do(f"RL.DEFINE k {limits}")
    for cost in (4, 7, 6, 11, 1):
        checks = "RL.PEEK {} {}", "RL.CHECK {} {} ID a", "RL.CHECK {} {} ID b PARTIAL"
        for line in (*checks, "RL.RESERVE {} 90s {} ID c"):
            single = db.ask(f"{line.format('single', limits)} COST {cost}")
            assert db.ask(f"{line.format('k', '')} COST {cost}{who}") == single
        clock.advance(7 * SECOND)
        assert db.do(f"RL.SETTLE k c 2{who}") == db.do("RL.SETTLE single c 2")
        assert db.do(f"RL.RELEASE k a{who}") == db.do("RL.RELEASE single a")
        assert db.do(f"RL.REFUND k 1{who}") == db.do("RL.REFUND single 1")


@pytest.mark.parametrize(("limits", "who"), product(ALGORITHMS, WHO))
def test_a_call_may_name_the_stored_limits(db, clock, limits, who):
    db.do(f"RL.DEFINE k {limits}")
    for line in CALLS:
        assert db.do(line.format(limits) + who)
    assert db.do(f"RL.{limits.replace(' ', ' k ', 1)}{who} COST 2")


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        ("FIXED 10 60s", "fixed 10 1m"),
        ("FIXED 10 2d", "FIXED 10 48h"),
        ("QUOTA 10 DAY", "QUOTA 10 day TZ UTC"),
        ("QUOTA 10 DAY ANCHOR 2026-01-31", "QUOTA 10 DAY TZ UTC anchor 2026-01-31T00:00"),
        ("TOKENBUCKET 10 7 90s AS a PER REQUEST", "TOKENBUCKET 10 7 90000ms PER REQUEST AS a"),
    ],
)
def test_limits_are_the_same_however_they_are_written(db, clock, stored, named):
    db.do(f"RL.DEFINE k {stored}")
    assert db.ask(f"RL.CHECK k {named}").granted == 1


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    "named",
    [
        *("FIXED 11 60s", "FIXED 10 61s", "FIXED 10 60s ALIGNED", "FIXED 10 60s AS mine", "FIXED 10 60s PER REQUEST"),
        *("SLIDING 10 60s", "TOKENBUCKET 10 10 60s"),
    ],
)
def test_a_call_that_names_other_limits_is_refused_and_changes_nothing(db, clock, named, who):
    db.do("RL.DEFINE k FIXED 10 60s")
    db.ask(f"RL.CHECK k COST 3{who}")
    before = db.digest("k"), db.changes(), db.rl_info("k")
    for line in CALLS:
        assert db.error(*f"{line.format(named)}{who}".split()) == OTHER
    assert db.error(*f"RL.{named.replace(' ', ' k ', 1)}{who}".split()) == OTHER
    for line in (line for line in CALLS if "CHECKALL" not in line):
        assert db.error(*f"{line.format('FIXED 10 60s FIXED 20 60s')}{who}".split()) == OTHER
    assert (db.digest("k"), db.changes(), db.rl_info("k")) == before


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("line", ["RL.CHECK k", "RL.CHECK k COST 2 FORCE", "RL.RESERVE k 1m", "RL.CHECKALL 1 k"])
def test_a_limiter_that_is_missing_lets_nobody_through(db, clock, line, who):
    assert db.error(*(line + who).split()).startswith("NOLIMITS ")
    assert db.dbsize() == 0
    db.do("RL.DEFINE k FIXED 10 60s")
    assert db.ask(line + who).granted >= 1
    db.delete("k")
    assert db.error(*(line + who).split()).startswith("NOLIMITS ")


def test_tiers_are_keys_and_know_nothing_of_each_other(db, clock):
    db.do("RL.DEFINE api:free FIXED 10 60s")
    db.do("RL.DEFINE api:paid FIXED 1000 60s AS paid")
    assert db.ask("RL.CHECK api:free FOR alice COST 10") == (10, 10, 0, 0, 60000, "fixed")
    assert db.ask("RL.CHECK api:paid FOR alice COST 10") == (10, 1000, 990, 0, 60000, "paid")
    assert db.ask("RL.CHECK api:free FOR alice").granted == 0


def test_eight_limits_may_be_stored_and_have_labels_of_their_own(db, clock):
    sizes = range(10, 18)
    db.do("RL.DEFINE k " + " ".join(f"FIXED {size} 60s" for size in sizes))
    assert [limit["label"] for limit in db.rl_info("k")["limits"]] == ["fixed", *(f"fixed-{n}" for n in range(2, 9))]
    assert db.ask("RL.CHECK k FOR a COST 10") == (10, 10, 0, 0, 60000, "fixed")
    assert used(db, "k", "a") == [10] * 8


def test_a_label_that_is_given_by_hand_and_by_order_is_refused(db, clock):
    assert "label" in db.error(*"RL.DEFINE k FIXED 10 60s AS fixed-2 FIXED 5 1s FIXED 5 1s".split())
    assert db.exists("k") == 0


def test_the_binding_limit_of_a_limiter_is_named(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s AS minute FIXED 15 1h AS hour")
    assert db.ask("RL.CHECK k FOR a COST 10").label == "minute"
    clock.advance(MINUTE)
    assert db.ask("RL.CHECK k FOR a COST 6") == (0, 15, 5, 3_540_000, 3_540_000, "hour")


# --- how long it is there


def make_it_live(db: Client, key: str = "k") -> None:
    db.ask(f"RL.CHECK {key} COST 3")
    db.ask(f"RL.CHECK {key} FOR a COST 3")
    db.do(f"RL.RESERVE {key} 1s ID h")
    db.do(f"RL.RESERVE {key} 1s ID h FOR a")
    db.ask(f"RL.CHECK {key} FOR b COST 10")
    db.ask(f"RL.CHECK {key} FOR b COST 10 MAXWAIT 1d")


@pytest.mark.parametrize("limits", LIMITS)
def test_a_limiter_has_no_time_to_live_whatever_is_done_to_it(db, clock, limits):
    db.do(f"RL.DEFINE k {limits}")
    for step in (lambda: make_it_live(db), lambda: db.do("RL.DEFINE k FIXED 99 1s"), lambda: db.do("RL.REFUND k 99")):
        step()
        assert db.pttl("k") == -1
    db.rename("k", "l")
    db.copy("l", "m")
    db.do("COPY m n DB 1")
    make_it_live(db, "m")
    assert (db.pttl("l"), db.pttl("m")) == (-1, -1)


@pytest.mark.parametrize("limits", ALGORITHMS)
def test_a_key_that_would_have_ended_stays_once_limits_are_stored_in_it(db, limits):
    db.ask(f"RL.CHECK k {limits} COST 3")
    assert db.pttl("k") > 0
    db.do(f"RL.DEFINE k {limits}")
    assert db.pttl("k") == -1
    assert used(db, "k") == [3]


@pytest.mark.parametrize("limits", ["TOKENBUCKET 10 10 60s", SEVERAL])
def test_a_limiter_stays_when_nothing_in_it_is_used_any_more(db, clock, limits):
    db.do(f"RL.DEFINE k {limits}")
    db.do("RL.RESERVE k 1h ID a COST 3")
    db.do("RL.SETTLE k a 0")
    db.do("RL.RELEASE k a")
    db.do("RL.REFUND k 99")
    make_it_live(db)
    clock.advance(40 * DAY)
    db.do("RL.REFUND k 99")
    db.do("RL.REFUND k 99 FOR a")
    eventually(lambda: db.rl_info("k")["subjects"] == 0, "the subjects to be forgotten")
    info = db.rl_info("k")
    assert (info["stored"], info["holds"], {limit["used"] for limit in info["limits"]}) == (1, 0, {0})
    assert db.ask("RL.CHECK k").granted == 1


def test_del_is_the_reset_of_everything_that_a_limiter_is(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s SHADOW")
    make_it_live(db)
    assert db.delete("k") == 1
    assert db.do("RL.INFO k") is None and db.do("RL.INFO k FOR a") is None and db.do("RL.TOP k") == []
    assert db.error("RL.CHECK", "k").startswith("NOLIMITS ")
    db.do("RL.DEFINE k FIXED 10 60s")
    info = db.rl_info("k")
    assert [info[name] for name in ("form", "shadow", "subjects", "granted", "denied")] == ["single", 0, 0, 0, 0]
    assert db.ask("RL.CHECK k FOR a COST 10").granted == 10


@pytest.mark.parametrize("other", OTHER_TYPES)
def test_limits_are_not_stored_in_a_key_of_another_type(db, clock, other):
    db.do(OTHER_TYPES[other])
    before = db.digest("k"), db.changes()
    lines = ["RL.DEFINE k FIXED 10 60s", "RL.TOP k", "RL.INFO k FOR a", "RL.CHECK k FOR a", "RL.FIXED k 10 60s FOR a"]
    for line in [*lines, "RL.CHECKALL 1 k", "RL.CHECKALL 2 l k FIXED 10 60s FIXED 10 60s"]:
        assert db.error(*line.split()).startswith("WRONGTYPE ")
    assert (db.digest("k"), db.changes(), db.dbsize()) == (*before, 1)


@pytest.mark.parametrize("who", WHO)
def test_a_renamed_a_copied_and_a_moved_limiter_goes_on_from_what_is_used(server, db, clock, who):
    db.do("RL.DEFINE k FIXED 10 60s AS mine")
    db.ask(f"RL.CHECK k COST 4{who}")
    db.rename("k", "l")
    db.copy("l", "copy")
    db.do("MOVE l 1")
    assert db.ask(f"RL.CHECK copy COST 6{who}") == (6, 10, 0, 0, 60000, "mine")
    with server.client(db=1) as other:
        assert other.ask(f"RL.CHECK l{who}") == (1, 10, 5, 0, 60000, "mine")
        other.do("RL.DEFINE l FIXED 5 60s")
    assert db.ask(f"RL.PEEK copy{who}")[:3] == (0, 10, 0)


# --- other limits, for everybody


def use(db: Client, units: int) -> None:
    db.ask(f"RL.CHECK k COST {units}")
    db.ask(f"RL.CHECK k FOR alice COST {units}")
    db.ask(f"RL.CHECK k FOR bob COST {units}")


EVERYBODY = ["", " FOR alice", " FOR bob"]


@pytest.mark.parametrize(("old", "new"), product(WITHOUT_NUMBERS, repeat=2))
def test_raising_a_limit_never_denies_and_lowering_it_never_forgets(db, clock, old, new):
    db.do(f"RL.DEFINE k {old.format(10)}")
    use(db, 4)
    db.do(f"RL.DEFINE k {new.format(20)}")
    assert db.ask("RL.PEEK k FOR alice COST 16")[:3] == (16, 20, 16)
    for who in EVERYBODY:
        assert db.ask(f"RL.CHECK k{who}")[:3] == (1, 20, 15)
    db.do(f"RL.DEFINE k {old.format(7)}")
    for who in EVERYBODY:
        assert db.ask(f"RL.CHECK k{who} COST 3")[:3] == (0, 7, 2)
        assert db.ask(f"RL.CHECK k{who} COST 2")[:3] == (2, 7, 0)
    assert db.ask("RL.CHECK k FOR new COST 7").granted == 7


def test_the_change_is_as_of_its_instant_and_not_of_when_somebody_asks(db, clock):
    """A bucket that refills a unit a second becomes one that refills a unit a minute, after two seconds."""
    db.do("RL.DEFINE k TOKENBUCKET 10 1 1s")
    use(db, 10)
    clock.advance(2 * SECOND)
    db.do("RL.DEFINE k TOKENBUCKET 10 1 60s")
    clock.advance(MINUTE)
    for who in EVERYBODY:
        assert db.ask(f"RL.PEEK k{who} COST 4") == (0, 10, 3, 60_000, 420_000, "tokenbucket")


def test_several_changes_that_nobody_saw_are_made_one_after_the_other(db, clock):
    db.do("RL.DEFINE k TOKENBUCKET 100 1 1s")
    use(db, 90)
    for limits in ("FIXED 50 1h", "TOKENBUCKET 60 1 1s", "SLIDING 45 60s", "FIXED 1000 1d"):
        clock.advance(10 * SECOND)
        db.do(f"RL.DEFINE k {limits}")
    # Of 90, 80 are left after ten seconds, and 50 of these; they fill 50 of 60, of which 40 are left ten seconds later.
    assert [used(db, "k", who) for who in ("", "alice", "bob")] == [[40]] * 3


def test_a_limit_keeps_its_own_use_by_its_label_when_others_come_and_go(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s AS a FIXED 20 1h AS b")
    use(db, 4)
    db.do("RL.DEFINE k FIXED 20 1h AS b")
    use(db, 3)
    db.do("RL.DEFINE k SLIDING 50 60s AS c FIXED 20 1h AS b FIXED 10 60s AS a")
    for who in ("", "alice", "bob"):
        assert used(db, "k", who) == [0, 7, 0]


def test_holds_leases_and_turns_outlast_the_change(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s CONCURRENT 5 60s PER REQUEST")
    for who in EVERYBODY:
        db.do(f"RL.RESERVE k 1h COST 6 ID a{who}")
        assert db.ask(f"RL.CHECK k COST 6 ID b MAXWAIT 1h{who}").wait_ms == 60_000
    db.do("RL.DEFINE k FIXED 100 60s CONCURRENT 7 60s PER REQUEST")
    for who in EVERYBODY:
        denied = db.ask(f"RL.CHECK k{who}")
        assert (denied.granted, denied.remaining, denied.wait_ms) == (0, 0, 60_000), "nobody goes before who waits"
        assert db.do(f"RL.SETTLE k a 2{who}")[-1] == "settled"
        assert db.do(f"RL.RELEASE k b{who}") == 1


def test_the_same_definition_again_changes_nothing(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s AS mine")
    use(db, 4)
    before = db.digest("k"), db.changes()
    for same in ("FIXED 10 60s AS mine", "fixed 10 1m as mine"):
        assert db.do(f"RL.DEFINE k {same}") == "OK"
    assert (db.digest("k"), db.changes()) == before
    db.do("RL.DEFINE k FIXED 10 60s AS mine SHADOW")
    assert db.changes() > before[1]
    assert [used(db, "k", who) for who in ("", "alice", "bob")] == [[4]] * 3


def test_a_definition_counts_as_a_change_to_be_saved(db, clock):
    before = db.changes()
    db.do("RL.DEFINE k FIXED 10 60s")
    assert db.changes() == before + 1


@pytest.mark.parametrize("limits", ALGORITHMS)
def test_limits_may_be_stored_in_a_key_whose_callers_named_them_so_far(db, clock, limits):
    db.ask(f"RL.CHECK k {limits} COST 3")
    db.ask(f"RL.CHECK k {limits} COST 5 FOR alice")
    db.ask("RL.CHECK k FIXED 100 1d COST 7 FOR bob")
    db.do("RL.DEFINE k SLIDING 10 1h")
    assert [used(db, "k", who) for who in ("", "alice", "bob")] == [[3], [5], [7]]
    info = db.rl_info("k")
    assert (info["stored"], info["form"], info["subjects"], info["granted"]) == (1, "dense", 2, 2), "since it is dense"


def test_every_reply_to_random_traffic_under_stored_limits_is_the_oracles(db, clock):
    """Definitions among all the other commands."""
    for number in range(60):
        hear(db, Talk(random.Random(f"{SEED} stored {number}"), [True], changes=0.1).steps(150))


# --- limits on trial


@pytest.mark.parametrize(("limits", "who"), product(LIMITS, WHO))
def test_on_trial_everything_is_granted_at_once_and_charged_as_under_limits_in_force(db, clock, limits, who):
    db.do(f"RL.DEFINE k {limits} SHADOW")
    db.do(f"RL.DEFINE real {limits}")
    unused = None
    for mode in ("", "PARTIAL", "", "FORCE", "", "MAXWAIT 1d", ""):
        told, real = (db.ask(f"RL.CHECK {key} COST 4 {mode} ID a{mode[:3]}{who}") for key in ("k", "real"))
        assert (told.granted, told.remaining, told.wait_ms, told.reset_ms) == (4, told.limit, 0, 0)
        unused = unused or (told.limit, told.label)
        assert (told.limit, told.label) == unused, "the smallest of its limits, whatever is used"
        assert db.rl_info("k", who[5:])["limits"] == db.rl_info("real", who[5:])["limits"]
        clock.advance(SECOND)
    infos = [db.rl_info(key) for key in ("k", "real")]
    assert [info["shadow"] for info in infos] == [1, 0]
    told, real = infos
    assert (told["granted"], told["would_deny"], told["denied"]) == (real["granted"], real["denied"], 0)
    assert real["denied"] > 0 == real["would_deny"]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("limits", ALGORITHMS)
def test_on_trial_a_call_that_could_never_be_granted_is(db, clock, limits, who):
    db.do(f"RL.DEFINE k {limits} SHADOW")
    told = db.ask(f"RL.CHECK k COST 11{who}")
    assert told[:6] == (11, 10, 10, 0, 0, limits.split()[0].lower())
    assert used(db, "k") == [0]
    assert (db.rl_info("k")["would_deny"], db.rl_info("k")["denied"]) == (1, 0)


@pytest.mark.parametrize("who", WHO)
def test_on_trial_the_smallest_limit_binds_the_first_of_equals(db, clock, who):
    db.do("RL.DEFINE k FIXED 15 1h AS hour FIXED 10 60s AS minute FIXED 10 1s AS second SHADOW")
    for cost in (10, 3, 6, 99):
        assert db.ask(f"RL.CHECK k COST {cost}{who}") == (cost, 10, 10, 0, 0, "minute")


@pytest.mark.parametrize("who", WHO)
def test_on_trial_who_queues_need_not_wait(db, clock, who):
    db.do("RL.DEFINE k LEAKYBUCKET 10 1 1s SHADOW")
    for _ in range(3):
        assert db.ask(f"RL.CHECK k{who}") == (1, 10, 10, 0, 0, "leakybucket")
    assert used(db, "k", who[5:]) == [3]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("cost", "why"), [(1, "denied"), (6, "never")])
def test_on_trial_a_lease_has_an_id_as_if_it_were_granted(db, clock, who, cost, why):
    db.do("RL.DEFINE k CONCURRENT 5 60s SHADOW")
    db.ask(f"RL.CHECK k COST 5 ID held{who}")
    told = db.ask(f"RL.CHECK k COST {cost}{who}")
    assert told[:6] == (cost, 5, 5, 0, 0, "concurrent")
    assert isinstance(told[6], str) and len(told[6]) == 32
    assert db.ask(f"RL.CHECK k COST {cost} ID mine{who}")[6] == "mine"
    assert db.do(f"RL.CONCURRENT k 5 60s COST {cost} ID mine{who}")[5] == "mine"
    assert db.do(f"RL.RELEASE k mine{who}") == 0, "nothing was taken"
    assert used(db, "k", who[5:]) == [5]


@pytest.mark.parametrize("who", WHO)
def test_on_trial_a_reservation_that_would_be_denied_has_an_id_and_holds_nothing(db, clock, who):
    db.do("RL.DEFINE k FIXED 10 60s SHADOW")
    unused = [10, 10, 0, 0, "fixed"]
    assert db.do(f"RL.RESERVE k 1h COST 8 ID a{who}") == [8, *unused, "a"]
    assert db.do(f"RL.RESERVE k 1h COST 8 ID b{who}") == [8, *unused, "b"]
    assert db.do(f"RL.RESERVE k 1h COST 50 ID c{who}")[:2] == [10, 10], "no more than the limit holds"
    made = db.do(f"RL.RESERVE k 1h COST 8{who}")[6]
    assert isinstance(made, str) and len(made) == 32
    assert (used(db, "k", who[5:]), db.rl_info("k", who[5:])["holds"]) == ([8], 1)
    for hold_id in ("b", "c", made):
        assert db.do(f"RL.SETTLE k {hold_id} 9{who}") == [9, *unused, "unknown"]
    assert db.do(f"RL.SETTLE k a 15{who}") == [15, *unused, "settled"]
    assert used(db, "k", who[5:]) == [15]


@pytest.mark.parametrize("who", WHO)
def test_on_trial_the_settlement_of_an_unknown_id_charges_nothing_though_a_lease_has_that_id(db, clock, who):
    db.do("RL.DEFINE k FIXED 10 60s CONCURRENT 5 60s PER REQUEST SHADOW")
    db.ask(f"RL.CHECK k COST 2 ID a{who}")
    assert db.do(f"RL.SETTLE k a 7{who}")[-1] == "unknown"
    assert used(db, "k", who[5:]) == [2, 0], "but the lease has ended"


@pytest.mark.parametrize("who", WHO)
def test_on_trial_a_peek_shows_what_a_check_would(db, clock, who):
    db.do("RL.DEFINE k FIXED 10 60s SHADOW")
    for cost in (4, 4, 4, 11):
        assert db.do(f"RL.PEEK k COST {cost} HEADERS{who}") == db.do(f"RL.CHECK k COST {cost} HEADERS{who}")
        assert db.ask(f"RL.PEEK k COST {cost}{who}") == (cost, 10, 10, 0, 0, "fixed")


def test_on_trial_who_would_have_been_denied_is_counted(db, clock):
    db.do("RL.DEFINE k FIXED 2 60s SHADOW")
    for subject, calls in (("alice", 5), ("bob", 3), ("carol", 2)):
        db.ask_times(calls, f"RL.CHECK k FOR {subject}")
    assert db.do("RL.TOP k") == [["alice", 3, 0], ["bob", 1, 0]]
    info = db.rl_info("k")
    assert (info["granted"], info["denied"], info["would_deny"]) == (6, 0, 4)


def test_the_trial_ends_by_the_same_definition_without_the_word_and_goes_on_from_what_is_used(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s SHADOW")
    use(db, 8)
    use(db, 8)
    db.do("RL.DEFINE k FIXED 10 60s")
    for who in EVERYBODY:
        assert db.ask(f"RL.CHECK k COST 3{who}") == (0, 10, 2, 60_000, 60_000, "fixed")
        assert db.ask(f"RL.CHECK k COST 2{who}").granted == 2


def test_every_reply_to_random_traffic_on_trial_is_the_oracles(db, clock):
    """Trials begin and end with definitions."""
    for number in range(60):
        talk = Talk(random.Random(f"{SEED} on trial {number}"), [True], may_be_shadow=True, changes=0.1)
        hear(db, talk.steps(150))


# --- a key like any other


def test_key_patterns_of_acls_hold_for_limiters(server, db, clock):
    db.do("RL.DEFINE api:free FIXED 10 60s")
    db.do("ACL SETUSER caller on >secret ~api:* +@all -rl.define")
    db.do("ACL SETUSER reader on >secret %R~api:* +@all")
    with server.client(username="caller", password="secret") as caller:
        assert caller.ask("RL.CHECK api:free FOR a").granted == 1
        for line in ("RL.CHECK other FOR a", "RL.INFO other", "RL.TOP other", "RL.DEFINE api:free FIXED 99 60s"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                caller.do(line)
    with server.client(username="reader", password="secret") as reader:
        assert reader.do("RL.TOP api:free") == []
        assert reader.rl_info("api:free")["subjects"] == 1
        for line in ("RL.DEFINE api:free FIXED 99 60s", "RL.CHECK api:free FOR a"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                reader.do(line)
    db.do("ACL DELUSER caller reader")


def test_a_transaction_may_define_and_check(db, clock):
    with db.pipeline(transaction=True) as pipe:
        for limit, cost in (("FIXED 10 60s", 8), ("SLIDING 9 60s", 2)):
            pipe.execute_command("RL.DEFINE", "k", *limit.split())
            pipe.execute_command("RL.CHECK", "k", "FOR", "a", "COST", cost)
        replies = pipe.execute()
    assert [reply if reply == "OK" else tuple(reply[:3]) for reply in replies] == ["OK", (8, 10, 2), "OK", (0, 9, 1)]


@pytest.mark.parametrize(
    ("line", "does_change"),
    [
        ("RL.DEFINE k FIXED 11 60s", True),
        ("RL.DEFINE k FIXED 10 60s SHADOW", True),
        ("RL.DEFINE k FIXED 10 60s", False),
        ("RL.CHECK k FOR a", True),
        ("RL.CHECK k FOR full", False),
        ("RL.PEEK k FOR a", False),
    ],
)
def test_who_watches_a_limiter_learns_of_changes_and_of_nothing_else(server, db, clock, line, does_change):
    db.do("RL.DEFINE k FIXED 10 60s")
    db.do("RL.CHECK k COST 10 FOR full")
    with server.client() as other, db.pipeline(transaction=True) as pipe:
        pipe.watch("k")
        other.do(line)
        pipe.multi()
        pipe.execute_command("PING")
        if does_change:
            with pytest.raises(redis.WatchError):
                pipe.execute()
        else:
            assert pipe.execute()


def test_each_database_has_its_own_limiters(server, db, clock):
    with server.client(db=1) as other:
        db.do("RL.DEFINE k FIXED 10 60s")
        other.do("RL.DEFINE k FIXED 20 60s")
        assert [client.ask("RL.CHECK k FOR a COST 9")[1:3] for client in (db, other)] == [(10, 1), (20, 11)]
        db.do("SWAPDB 0 1")
        assert [client.ask("RL.CHECK k FOR a")[1:3] for client in (db, other)] == [(20, 10), (10, 0)]


def test_resp2_and_resp3_say_the_same_of_limiters(server, clock):
    for protocol in (2, 3):
        with Connection(server.socket, protocol) as connection:
            key = f"k{protocol}"
            assert connection.do("RL.DEFINE", key, "FIXED", "1", "60s") == "OK"
            assert connection.do("RL.CHECK", key, "FOR", "a") == [1, 1, 0, 0, 60000, "fixed"]
            assert connection.do("RL.CHECK", key, "FOR", "a") == [0, 1, 0, 60000, 60000, "fixed"]
            assert connection.do("RL.CHECK", key, "FIXED", "2", "60s") == Failure(f"ERR {OTHER}")
            assert connection.do("RL.TOP", key) == [["a", 1, 0]]
            assert connection.do("RL.INFO", key, "FOR", "nobody") is None
            info = connection.do("RL.INFO", key)
            assert isinstance(info, dict if protocol == 3 else list)
            info = connection.do("RL.INFO", key, "FOR", "a")
            if protocol == 3:
                assert (info["form"], info["limits"][0]["used"]) == ("subject", 1)


def test_without_memory_nothing_is_defined_but_units_come_back(db, clock, configure):
    db.do("RL.DEFINE k FIXED 10 60s")
    db.ask("RL.CHECK k FOR a COST 3")
    configure("maxmemory", "1")
    for line in ("RL.DEFINE k FIXED 20 60s", "RL.CHECK k FOR b", "RL.CHECKALL 1 k"):
        assert db.error(*line.split()).startswith("OOM ")
    assert db.do("RL.REFUND k 2 FOR a") == 2
    assert db.do("RL.SETTLE k x 4 FOR a")[:3] == [4, 10, 5]
    assert db.ask("RL.PEEK k FOR a").remaining == 5


def test_a_clock_that_was_ahead_denies_nobody_in_a_limiter(db, clock):
    """Held against the same calls on keys that store nothing."""
    db.do("RL.DEFINE k TOKENBUCKET 10 1 1s FIXED 20 60s")
    for who, key in (("", "one"), (" FOR a", "two")):
        for instant, cost in ((BASE, 10), (BASE - 30 * SECOND, 1), (BASE - 29 * SECOND + MS, 1), (BASE, 5)):
            clock.set(instant)
            named = f"RL.CHECK {key} TOKENBUCKET 10 1 1s FIXED 20 60s COST {cost}"
            assert db.ask(f"RL.CHECK k COST {cost}{who}") == db.ask(named)
