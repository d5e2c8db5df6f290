# SPDX-License-Identifier: MIT
"""CHARGE: a cost for each limit, by its label; and costs of 0, which ask without taking."""

from __future__ import annotations

import random

import pytest
import redis

from harness import BASE, DAY, HOUR, MINUTE, MS, SECOND, Clock, Server, eventually, pairs
from oracle_limits import MOST
from seed import SEED

# Ten units that come back within a minute; the last one within an hour.
LIMITS = [
    *("TOKENBUCKET 10 1 6s", "LEAKYBUCKET 10 1 6s", "FIXED 10 60s", "FIXED 10 60s ALIGNED", "SLIDING 10 60s"),
    *("SLIDING 10 60s APPROX", "CONCURRENT 10 60s", "QUOTA 10 HOUR"),
]
every_limit = pytest.mark.parametrize("limit", LIMITS)
# Nothing flows back within a day: what was used stays used, to the unit.
EXACT = ["FIXED 100000 1d", "SLIDING 100000 1d", "SLIDING 100000 1d APPROX", "QUOTA 100000 DAY"]
every_exact_limit = pytest.mark.parametrize("limit", EXACT)

TOKENS = "FIXED 100 60s AS in FIXED 50 60s AS out"
UNKNOWN = "CHARGE must name the label of one of the limits"
TWICE = "CHARGE is given twice for the same label"
IN_PART = "PARTIAL cannot be given with CHARGE: the reply has one number for what was granted"
MALFORMED = "CHARGE must be an integer from 0 to 9007199254740991"


def used(db, key: str = "k", subject: str = "") -> list[int]:
    return [limit["used"] for limit in db.rl_info(key, subject)["limits"]]


def unchanged(db, key: str = "k") -> tuple:
    """What a command that changes nothing leaves as it is."""
    return db.changes(), db.digest(key), db.do(f"PEXPIRETIME {key}")


def label(limit: str) -> str:
    return limit.split()[0].lower()


# --- each limit costs its own


@every_limit
def test_each_limit_is_charged_its_own_cost(db, clock, limit):
    """And granted is the most of them."""
    assert db.ask(f"RL.CHECK k {limit} AS a FIXED 1000 1d AS b CHARGE a 3 CHARGE b 20")[:3] == (20, 10, 7)
    assert used(db) == [3, 20]
    assert db.ask(f"RL.CHECK k {limit} AS a FIXED 1000 1d AS b CHARGE b 1 CHARGE a 7")[:3] == (7, 10, 0)
    assert used(db) == [10, 21]


@every_limit
def test_if_one_limit_has_too_little_nothing_is_taken_from_any(db, clock, limit):
    limits = f"{limit} AS a FIXED 1000 1d AS b"
    db.ask(f"RL.CHECK k {limits} CHARGE a 3 CHARGE b 20")
    before = unchanged(db)
    denied = db.ask(f"RL.CHECK k {limits} CHARGE a 8 CHARGE b 1")
    assert (denied[:3], denied.label) == ((0, 10, 7), "a")
    assert denied.wait_ms == db.ask(f"RL.PEEK k {limits} CHARGE a 8 CHARGE b 0").wait_ms > 0
    denied = db.ask(f"RL.CHECK k {limits} CHARGE a 1 CHARGE b 981")
    assert (denied[:3], denied.label) == ((0, 1000, 980), "b")
    assert unchanged(db) == before
    assert used(db) == [3, 20]


@every_limit
def test_who_waits_as_told_is_granted_and_not_before(db, clock, limit):
    limits = f"{limit} AS a FIXED 1000 30d AS b"
    db.ask(f"RL.CHECK k {limits} CHARGE a 9 CHARGE b 20")
    wait_ms = db.ask(f"RL.CHECK k {limits} CHARGE a 4 CHARGE b 900").wait_ms
    clock.advance(wait_ms * MS - MS)
    assert db.ask(f"RL.CHECK k {limits} CHARGE a 4 CHARGE b 900").granted == 0
    clock.advance(MS)
    assert db.ask(f"RL.CHECK k {limits} CHARGE a 4 CHARGE b 900").granted == 900


@every_limit
def test_a_cost_above_a_size_is_never_granted_whatever_the_other_limits_are_asked(db, clock, limit):
    limits = f"{limit} AS a FIXED 1000 1d AS b"
    assert db.ask(f"RL.CHECK k {limits} CHARGE a 11 CHARGE b 1")[:4] == (0, 10, 10, -1)
    assert db.exists("k") == 0
    granted = db.ask(f"RL.CHECK k {limits} COST 11 CHARGE a 10")
    assert (granted[:3], granted.label) == ((11, 10, 0), "a")
    assert used(db) == [10, 11]


def test_cost_is_for_the_limits_that_no_charge_names(db, clock):
    limits = f"{TOKENS} SLIDING 1000 1h"
    assert db.ask(f"RL.CHECK k {limits} CHARGE out 5 COST 9") == (9, 50, 45, 0, 60_000, "out")
    assert used(db) == [9, 5, 9]
    assert db.ask(f"RL.CHECK k {limits} CHARGE in 4 CHARGE sliding 6") == (6, 50, 44, 0, 60_000, "out")
    assert used(db) == [13, 6, 15]


def test_a_cost_that_is_for_no_limit_is_not_granted(db, clock):
    assert db.ask(f"RL.CHECK k {TOKENS} COST 5000 CHARGE in 9 CHARGE out 3") == (9, 50, 47, 0, 60_000, "out")
    assert used(db) == [9, 3]


@every_limit
def test_the_form_for_one_limit_has_it_too(db, clock, limit):
    assert db.do(f"RL.{limit.replace(' ', ' k ', 1)} CHARGE {label(limit)} 4")[:3] == [4, 10, 6]
    assert db.do(f"RL.{limit.replace(' ', ' k ', 1)} COST 9 CHARGE {label(limit)} 6")[:3] == [6, 10, 0]
    assert used(db) == [10]


def test_the_second_of_a_kind_is_named_as_in_the_reply(db, clock):
    limits = "FIXED 100 60s SLIDING 30 60s FIXED 20 1h"
    asked = f"RL.CHECK k {limits} CHARGE fixed-2 4 CHARGE fixed 3 CHARGE sliding 2"
    assert db.ask(asked) == (4, 20, 16, 0, 3_600_000, "fixed-2")
    assert used(db) == [3, 2, 4]


def test_eight_limits_have_eight_costs(db, clock):
    limits = " ".join(f"FIXED {1000 + i} 60s AS l{i}" for i in range(8))
    charges = " ".join(f"CHARGE l{i} {i * i}" for i in range(8))
    assert db.ask(f"RL.CHECK k {limits} {charges}")[:3] == (49, 1007, 958)
    assert used(db) == [i * i for i in range(8)]


def test_the_largest_costs(db, clock):
    limits = f"FIXED {MOST} 1d AS a QUOTA {MOST} DAY AS b"
    assert db.ask(f"RL.CHECK k {limits} CHARGE a {MOST} CHARGE b {MOST - 1}")[:3] == (MOST, MOST, 0)
    assert used(db) == [MOST, MOST - 1]
    assert db.ask(f"RL.CHECK k {limits} CHARGE a {MOST} CHARGE b {MOST} FORCE").granted == MOST
    assert used(db) == [MOST, MOST]


def test_where_it_stands_among_the_options_does_not_matter(db, clock):
    asked = [
        f"RL.CHECK k1 {TOKENS} FOR s CHARGE in 9 CHARGE out 2 COST 3 ID i JITTER 0 HEADERS",
        f"RL.CHECK k2 CHARGE out 2 HEADERS COST 3 {TOKENS} charge in 9 JITTER 0 ID i FOR s",
    ]
    first, second = (db.do(line) for line in asked)
    assert first == second and first[:6] == [9, 50, 48, 0, 60_000, "out"]
    assert used(db, "k1", "s") == used(db, "k2", "s") == [9, 2]


# --- in each form of a key


FORMS = {"single": "", "dense": "FOR s", "stored": "", "stored and dense": "FOR s"}


@pytest.mark.parametrize("form", FORMS)
@every_limit
def test_it_is_the_same_in_each_form_of_a_key(db, clock, limit, form):
    limits, subject = f"{limit} AS a FIXED 1000 1d AS b", FORMS[form]
    if "stored" in form:
        db.do(f"RL.DEFINE k {limits}")
        limits = ""
    assert db.ask(f"RL.CHECK k {limits} {subject} CHARGE a 3 CHARGE b 20")[:3] == (20, 10, 7)
    assert db.ask(f"RL.PEEK k {limits} {subject} CHARGE a 8 CHARGE b 1")[:3] == (0, 10, 7)
    assert db.ask(f"RL.CHECK k {limits} {subject} CHARGE a 0 CHARGE b 30")[:3] == (30, 10, 7)
    assert used(db, "k", subject.removeprefix("FOR ")) == [3, 50]


STEPS = 400


@pytest.mark.parametrize("limit", [*LIMITS, *EXACT])
def test_all_forms_answer_alike_whatever_is_asked(db, clock, limit):
    """Random calls with costs of their own, on a key, on a subject, and on stored limits."""
    rng = random.Random(SEED)
    limits = f"{limit} AS a FIXED 60 1h AS b TOKENBUCKET 30 1 1m AS c PER REQUEST"
    db.do(f"RL.DEFINE l {limits}")
    keys = [("k", limits, ""), ("d", limits, "FOR s"), ("l", "", "FOR s"), ("l", "", "")]

    def call() -> str:
        names = rng.sample(["a", "b", "c"], rng.randint(0, 3))
        charges = " ".join(f"CHARGE {name} {rng.choice([0, 0, 1, 2, 5, 12])}" for name in names)
        number = rng.choice([0, 1, 3, 9])
        name = rng.choice("xyz")
        kind = rng.randrange(10)
        if kind < 4:
            mode = rng.choice(["", "", "FORCE", f"MAXWAIT {rng.choice([1, 10, 60])}s", "HEADERS"])
            return f"RL.CHECK {{0}} {{1}} {{2}} {charges} COST {number} ID {name} {mode}"
        if kind < 6:
            return f"RL.PEEK {{0}} {{1}} {{2}} {charges} COST {number}"
        if kind < 8:
            return f"RL.RESERVE {{0}} {rng.choice([5, 90])}s {{1}} {{2}} {charges} COST {number} ID {name}"
        if kind < 9:
            return f"RL.SETTLE {{0}} {name} {number} {{1}} {{2}} {charges}"
        return f"RL.REFUND {{0}} {number} {{2}}"

    for step in range(STEPS):
        line = call()
        replies = []
        for key, named, subject in keys:
            words = line.format(key, named, subject).split()
            try:
                replies.append(db.execute_command(*words))
            except redis.ResponseError as error:  # which must be the same, too
                replies.append(str(error))
        assert replies == replies[:1] * len(keys), f"step {step}: {line}"
        clock.advance(rng.choice([0, 0, MS, SECOND, 7 * SECOND, MINUTE, HOUR // 2]))


# --- looks, fields, one integer


def test_a_look_tells_what_a_call_with_these_costs_would_get_and_takes_nothing(db, clock):
    db.ask(f"RL.CHECK k {TOKENS} CHARGE in 60 CHARGE out 10")
    before = unchanged(db)
    assert db.ask("RL.PEEK k CHARGE in 40 CHARGE out 39") == (40, 100, 40, 0, 60_000, "in")
    assert db.ask("RL.PEEK k CHARGE in 41 CHARGE out 39") == (0, 100, 40, 60_000, 60_000, "in")
    assert db.ask("RL.PEEK k CHARGE in 40 CHARGE out 41") == (0, 50, 40, 60_000, 60_000, "out")
    assert db.ask("RL.PEEK k CHARGE out 51")[:4] == (0, 50, 40, -1)
    assert unchanged(db) == before


def test_a_look_at_an_absent_key_goes_by_the_limits_that_it_names(db, clock):
    assert db.do("RL.PEEK k CHARGE in 3") is None
    assert db.ask(f"RL.PEEK k {TOKENS} CHARGE in 90 CHARGE out 3") == (90, 50, 50, 0, 0, "out")
    assert db.exists("k") == 0


def test_the_fields_tell_of_each_limit_what_is_left_after_its_own_cost(db, clock):
    limits = "FIXED 100 1h AS in TOKENBUCKET 10 1 1s AS out"
    fields = pairs(db.do(f"RL.CHECK k {limits} CHARGE in 30 CHARGE out 8 HEADERS")[6])
    assert fields["RateLimit"] == '"in";r=70;t=3600, "out";r=2;t=1'
    assert (fields["RateLimit-Limit"], fields["RateLimit-Remaining"]) == ("10", "2")
    # In a denial, t says when there is enough for the cost of that very limit.
    fields = pairs(db.do(f"RL.CHECK k {limits} CHARGE in 70 CHARGE out 5 HEADERS")[6])
    assert fields["RateLimit"] == '"in";r=70;t=3600, "out";r=2;t=3'
    assert fields["Retry-After"] == "3"
    fields = pairs(db.do(f"RL.PEEK k {limits} CHARGE in 71 CHARGE out 2 HEADERS")[6])
    assert fields["RateLimit"] == '"in";r=70;t=3600, "out";r=2;t=1'
    assert fields["Retry-After"] == "3600"


def test_in_brief_it_is_what_the_binding_limit_has_left_or_the_wait_or_never(db, clock):
    assert db.do(f"RL.CHECK k {TOKENS} CHARGE in 40 CHARGE out 3 BRIEF") == 47
    assert db.do(f"RL.CHECK k {TOKENS} CHARGE in 60 CHARGE out 3 BRIEF") == 0
    assert db.do(f"RL.CHECK k {TOKENS} CHARGE in 1 CHARGE out 3 BRIEF") == -60_000
    assert db.do(f"RL.CHECK k {TOKENS} CHARGE in 1 CHARGE out 51 BRIEF") is None
    assert db.do("RL.PEEK k CHARGE in 0 CHARGE out 3 BRIEF") == 0
    assert used(db) == [100, 6]


# --- what a call costs that counts requests


def test_a_limit_of_requests_costs_1_unless_the_call_costs_nothing_at_all(db, clock):
    limits = "FIXED 9 60s PER REQUEST AS requests FIXED 100 60s AS units"
    for charges, granted, costs in [
        ("CHARGE units 7", 7, [1, 7]),
        ("CHARGE units 0", 1, [1, 0]),  # COST is 1, and for the requests
        ("COST 0 CHARGE units 5", 5, [1, 5]),
        ("CHARGE requests 0 CHARGE units 2", 2, [1, 2]),
        ("CHARGE requests 8 CHARGE units 2", 8, [1, 2]),
        ("CHARGE requests 0 CHARGE units 0", 0, [0, 0]),
        ("COST 0 CHARGE units 0", 0, [0, 0]),
        ("COST 0", 0, [0, 0]),
    ]:
        before = used(db) if db.exists("k") else [0, 0]
        assert db.ask(f"RL.CHECK k {limits} {charges}").granted == granted, charges
        assert [now - then for now, then in zip(used(db), before)] == costs, charges


# --- FORCE and MAXWAIT


def test_force_charges_each_limit_its_own_cost_and_tells_the_longest_debt(db, clock):
    limits = "TOKENBUCKET 10 1 1s AS in TOKENBUCKET 10 1 1m AS out"
    assert db.ask(f"RL.CHECK k {limits} CHARGE in 15 CHARGE out 3 FORCE") == (15, 10, 0, 5000, 15_000, "in")
    assert used(db) == [15, 3]
    assert db.ask(f"RL.CHECK k {limits} CHARGE in 0 CHARGE out 9 FORCE")[:4] == (9, 10, 0, 120_000)
    assert used(db) == [15, 12]


def test_a_forced_call_is_not_denied_by_a_debt_that_it_does_not_touch_but_tells_it(db, clock):
    limits = "TOKENBUCKET 10 1 1s AS in TOKENBUCKET 10 1 1m AS out"
    db.ask(f"RL.CHECK k {limits} CHARGE in 15 CHARGE out 0 FORCE")
    assert db.ask(f"RL.CHECK k {limits} CHARGE in 0 CHARGE out 2 FORCE") == (2, 10, 0, 5000, 15_000, "in")
    assert used(db) == [15, 2]


def test_a_call_that_waits_takes_of_each_limit_its_own_cost_at_its_turn(db, clock):
    limits = "TOKENBUCKET 10 1 1s AS in TOKENBUCKET 10 1 1s AS out"
    db.ask(f"RL.CHECK k {limits} CHARGE in 10 CHARGE out 4")
    assert db.ask(f"RL.CHECK k {limits} CHARGE in 3 CHARGE out 2 MAXWAIT 2s")[:4] == (0, 10, 0, 1000)
    assert db.ask(f"RL.CHECK k {limits} CHARGE in 3 CHARGE out 2 MAXWAIT 5s") == (3, 10, 0, 3000, 13_000, "in")
    clock.advance(3 * SECOND)
    assert used(db) == [10, 3]


def test_a_call_may_wait_until_a_debt_is_over_that_it_does_not_add_to(db, clock):
    limits = "TOKENBUCKET 10 1 1s AS in FIXED 10 1h AS out"
    db.ask(f"RL.CHECK k {limits} CHARGE in 15 CHARGE out 1 FORCE")
    assert db.ask(f"RL.CHECK k {limits} CHARGE in 0 CHARGE out 2 MAXWAIT 4s")[:4] == (0, 10, 0, 1000)
    assert db.ask(f"RL.CHECK k {limits} CHARGE in 0 CHARGE out 2 MAXWAIT 5s")[:4] == (2, 10, 0, 5000)
    clock.advance(5 * SECOND)
    assert used(db) == [10, 3]


def test_a_queue_that_is_asked_for_nothing_does_not_make_the_call_wait(db, clock):
    limits = "LEAKYBUCKET 10 1 1s AS queue FIXED 100 1h AS units"
    db.ask(f"RL.CHECK k {limits} CHARGE queue 6 CHARGE units 1")
    assert db.ask(f"RL.CHECK k {limits} CHARGE queue 1 CHARGE units 1").wait_ms == 6000
    assert db.ask(f"RL.CHECK k {limits} CHARGE queue 0 CHARGE units 5") == (5, 10, 3, 0, 7000, "queue")
    assert used(db) == [7, 7]
    db.ask("RL.CHECK q LEAKYBUCKET 10 1 1s COST 10")
    assert db.ask("RL.CHECK q LEAKYBUCKET 10 1 1s COST 0")[:4] == (0, 10, 0, 0)


# --- a cost of 0 for one limit


@every_limit
def test_a_limit_that_is_asked_for_nothing_is_not_charged_and_may_be_used_up(db, clock, limit):
    limits = f"{limit} AS a FIXED 1000 30d AS b"
    db.ask(f"RL.CHECK k {limits} CHARGE a 10 CHARGE b 1")
    reply = db.ask(f"RL.CHECK k {limits} CHARGE a 0 CHARGE b 5")
    assert reply[:4] == (5, 10, 0, 0)
    assert used(db) == [10, 6]


@every_limit
def test_a_limit_that_is_asked_for_nothing_denies_while_it_is_in_debt(db, clock, limit):
    limits = f"{limit} AS a FIXED 1000 30d AS b"
    debt_ms = db.ask(f"RL.CHECK k {limits} CHARGE a 13 CHARGE b 1 FORCE").wait_ms
    before = unchanged(db)
    denied = db.ask(f"RL.CHECK k {limits} CHARGE a 0 CHARGE b 5")
    assert (denied[:4], denied.label) == ((0, 10, 0, debt_ms), "a")
    assert unchanged(db) == before
    clock.advance(debt_ms * MS - MS)
    assert db.ask(f"RL.CHECK k {limits} CHARGE a 0 CHARGE b 5").granted == 0
    clock.advance(MS)
    assert db.ask(f"RL.CHECK k {limits} CHARGE a 0 CHARGE b 5").granted == 5


@every_limit
def test_a_first_call_that_asks_one_limit_for_nothing_leaves_it_as_if_never_used(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} AS a FIXED 1000 1d AS b CHARGE a 0 CHARGE b 5")
    info = db.rl_info("k")["limits"][0]
    assert (info["used"], info["remaining"], info["reset_ms"]) == (0, 10, 0)
    # Equal to a key that was made the other way round: the bytes are canonical.
    copy = db.dump("k")
    db.delete("k")
    db.restore("k", 0, copy)
    assert used(db) == [0, 5]


def test_a_closed_limit_denies_also_who_asks_it_for_nothing(db, clock):
    limits = "FIXED 0 60s AS closed FIXED 100 60s AS open"
    assert db.ask(f"RL.CHECK k {limits} CHARGE closed 0")[:4] == (0, 0, 0, -1)
    assert db.ask(f"RL.CHECK k {limits} COST 0")[:4] == (0, 0, 0, -1)
    assert db.ask(f"RL.CHECK k {limits} CHARGE closed 0 FORCE")[:2] == (1, 0)
    assert used(db) == [0, 1]


def test_who_is_blocked_is_denied_also_for_nothing(db, clock):
    db.ask(f"RL.CHECK k {TOKENS} COST 2")
    db.do("RL.BLOCK k 1h")
    assert db.ask(f"RL.CHECK k {TOKENS} CHARGE in 0 CHARGE out 0")[3:] == (3_600_000, 3_600_000, "blocked")
    assert db.ask(f"RL.CHECK k {TOKENS} COST 0")[3:] == (3_600_000, 3_600_000, "blocked")
    assert db.ask(f"RL.CHECK k {TOKENS} CHARGE in 0 CHARGE out 3 FORCE").granted == 3
    assert used(db) == [2, 5]


# --- a call that costs nothing at all


@every_limit
def test_to_ask_for_nothing_is_granted_also_where_nothing_is_left_and_changes_nothing(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 10")
    before = unchanged(db)
    for asked in ("COST 0", f"CHARGE {label(limit)} 0", f"COST 7 CHARGE {label(limit)} 0", "COST 0 FORCE"):
        assert db.ask(f"RL.CHECK k {limit} {asked}")[:4] == (0, 10, 0, 0), asked
    assert unchanged(db) == before
    clock.advance(7 * SECOND)
    left = db.ask(f"RL.PEEK k {limit}")
    assert db.ask(f"RL.CHECK k {limit} COST 0")[1:5] == (left[1], left[2], 0, left[4])
    assert (db.changes(), db.digest("k")) == before[:2]


@every_limit
def test_to_ask_for_nothing_makes_no_key(db, clock, limit):
    before = db.changes()
    for line in ("RL.CHECK k {} COST 0", "RL.CHECK k {} FOR s COST 0", "RL.PEEK k {} COST 0"):
        assert db.ask(line.format(limit))[:6] == (0, 10, 10, 0, 0, label(limit)), line
    assert db.ask(f"RL.CHECK k {limit} CHARGE {label(limit)} 0 FORCE")[:5] == (0, 10, 10, 0, 0)
    assert db.do(f"RL.{limit.replace(' ', ' k ', 1)} COST 0")[:5] == [0, 10, 10, 0, 0]
    assert (db.exists("k"), db.changes()) == (0, before)


@every_limit
def test_in_debt_who_asks_for_nothing_is_denied_until_the_debt_is_over(db, clock, limit):
    debt_ms = db.ask(f"RL.CHECK k {limit} COST 13 FORCE").wait_ms
    before = unchanged(db)
    assert db.ask(f"RL.CHECK k {limit} COST 0")[:4] == (0, 10, 0, debt_ms)
    assert db.ask(f"RL.PEEK k {limit} COST 0")[:4] == (0, 10, 0, debt_ms)
    assert db.ask(f"RL.CHECK k {limit} COST 0 FORCE")[:4] == (0, 10, 0, debt_ms)
    assert db.ask(f"RL.CHECK k {limit} COST 0 MAXWAIT 1h")[:4] == (0, 10, 0, debt_ms)
    assert unchanged(db) == before
    clock.advance(debt_ms * MS - MS)
    assert db.ask(f"RL.CHECK k {limit} COST 0").wait_ms == 1
    clock.advance(MS)
    assert db.ask(f"RL.CHECK k {limit} COST 0").wait_ms == 0


def test_while_somebody_waits_who_asks_for_nothing_is_denied_until_that_turn(db, clock):
    db.ask("RL.FIXED k 10 60s COST 10")
    db.ask("RL.FIXED k 10 60s COST 3 MAXWAIT 60s")
    before = unchanged(db)
    for asked in ("COST 0", "COST 0 MAXWAIT 1h", "CHARGE fixed 0"):
        assert db.ask(f"RL.CHECK k FIXED 10 60s {asked}")[:4] == (0, 10, 0, 60_000), asked
    assert db.ask("RL.PEEK k COST 0")[:4] == (0, 10, 0, 60_000)
    assert unchanged(db) == before
    clock.advance(MINUTE)
    assert db.ask("RL.CHECK k FIXED 10 60s COST 0")[:4] == (0, 10, 7, 0)


def test_to_ask_for_nothing_makes_no_subject(db, clock):
    db.do(f"RL.DEFINE k {TOKENS}")
    before = unchanged(db)
    for asked in ("COST 0", "CHARGE in 0 CHARGE out 0", "COST 0 FORCE"):
        assert db.ask(f"RL.CHECK k FOR s {asked}") == (0, 50, 50, 0, 0, "out")
    assert unchanged(db) == before
    assert db.rl_info("k")["subjects"] == 0


@every_limit
def test_a_part_of_nothing_is_nothing(db, clock, limit):
    assert db.ask(f"RL.CHECK k {limit} COST 0 PARTIAL")[:4] == (0, 10, 10, 0)
    db.ask(f"RL.CHECK k {limit} COST 10")
    assert db.ask(f"RL.CHECK k {limit} COST 0 PARTIAL")[:4] == (0, 10, 0, 0)
    debt_ms = db.ask(f"RL.CHECK k {limit} COST 3 FORCE").wait_ms
    if "LEAKY" not in limit:  # that tells the place in its queue
        assert db.ask(f"RL.CHECK k {limit} COST 0 PARTIAL")[:4] == (0, 10, 0, debt_ms)
    assert used(db) == [13]


def test_to_ask_for_nothing_opens_no_account(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s COST 4")
    before = unchanged(db)
    assert db.ask("RL.CHECK k SLIDING 20 1h COST 0")[:4] == (0, 20, 16, 0)
    assert db.ask("RL.CHECK k SLIDING 20 1h CHARGE sliding 0 FORCE")[:4] == (0, 20, 16, 0)
    assert unchanged(db) == before
    assert len(used(db)) == 1


def test_to_ask_for_nothing_takes_no_lease_and_has_no_id(db, clock):
    db.do("RL.CONCURRENT k 2 60s ID a")
    before = unchanged(db)
    assert db.do("RL.CONCURRENT k 2 60s COST 0") == [0, 2, 1, 0, 60_000, None]
    assert db.do("RL.CONCURRENT k 2 60s COST 0 ID b") == [0, 2, 1, 0, 60_000, None]
    assert db.do("RL.CHECK k CONCURRENT 2 60s CHARGE concurrent 0 ID b")[5:] == ["concurrent", None]
    assert unchanged(db) == before


def test_a_call_that_asks_only_other_limits_for_something_takes_no_lease(db, clock):
    limits = "CONCURRENT 2 60s FIXED 100 1h"
    for own in ("", "ID b"):
        reply = db.do(f"RL.CHECK k {limits} CHARGE concurrent 0 COST 3 {own}")
        assert (reply[0], reply[6]) == (3, None)
    info = db.rl_info("k")["limits"][0]
    assert (info["used"], info["leases"]) == (0, 0)


def test_to_ask_for_nothing_renews_no_lease(db, clock):
    limits = "CONCURRENT 2 60s FIXED 100 1h"
    db.do(f"RL.CHECK k {limits} ID a")
    clock.advance(50 * SECOND)
    db.do(f"RL.CHECK k {limits} CHARGE concurrent 0 COST 3 ID a")
    assert used(db) == [1, 4]
    clock.advance(10 * SECOND)
    assert used(db) == [0, 4]


# --- what is wrong with a call


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (f"RL.CHECK k {TOKENS} CHARGE other 1", UNKNOWN),
        (f"RL.CHECK k {TOKENS} CHARGE in 1 CHARGE IN 1", UNKNOWN),
        (f"RL.CHECK k {TOKENS} CHARGE fixed 1", UNKNOWN),
        (f"RL.CHECK k {TOKENS} CHARGE other 0 FORCE", UNKNOWN),
        (f"RL.PEEK k {TOKENS} CHARGE other 1", UNKNOWN),
        (f"RL.RESERVE k 1m {TOKENS} CHARGE other 1", UNKNOWN),
        (f"RL.SETTLE k held 1 {TOKENS} CHARGE other 1", UNKNOWN),
        (f"RL.SETTLE k nobody 1 {TOKENS} CHARGE other 1", UNKNOWN),
        ("RL.FIXED k 10 60s CHARGE fixed-2 1", UNKNOWN),
        ("RL.CHECK k FIXED 10 60s AS a FIXED 9 60s CHARGE fixed-2 1", UNKNOWN),
        (f"RL.CHECK k {TOKENS} " + " ".join(f"CHARGE l{i} 1" for i in range(20)), UNKNOWN),
        (f"RL.CHECK k {TOKENS} CHARGE in 1 CHARGE in 1", TWICE),
        (f"RL.CHECK k {TOKENS} CHARGE in 1 CHARGE out 2 CHARGE in 3", TWICE),
        (f"RL.RESERVE k 1m {TOKENS} CHARGE in 1 CHARGE in 1", TWICE),
        (f"RL.SETTLE k held 1 {TOKENS} CHARGE in 1 CHARGE in 1", TWICE),
        (f"RL.CHECK k {TOKENS} CHARGE in 1 PARTIAL", IN_PART),
        (f"RL.CHECK k {TOKENS} PARTIAL CHARGE in 0", IN_PART),
        ("RL.FIXED k 10 60s CHARGE fixed 1 PARTIAL", IN_PART),
        (f"RL.CHECK k {TOKENS} CHARGE in -1", MALFORMED),
        (f"RL.CHECK k {TOKENS} CHARGE in 9007199254740992", MALFORMED),
        (f"RL.CHECK k {TOKENS} CHARGE in much", MALFORMED),
        (f"RL.CHECK k {TOKENS} CHARGE in 1.5", MALFORMED),
        (f"RL.CHECK k {TOKENS} CHARGE in 01", MALFORMED),
        (f"RL.PEEK k {TOKENS} CHARGE in -1", MALFORMED),
        (f"RL.RESERVE k 1m {TOKENS} CHARGE in -1", MALFORMED),
        ("RL.SETTLE k held 1 CHARGE in -1", MALFORMED),
        (f"RL.CHECK k {TOKENS} COST -1", "COST must be an integer from 0 to 9007199254740991"),
        (f"RL.CHECK k {TOKENS} COST 1 COST 2", "COST is given twice"),
        (f"RL.CHECK k {TOKENS} CHARGE", "CHARGE"),
        (f"RL.CHECK k {TOKENS} CHARGE in", "CHARGE"),
        ("RL.CHECKALL 1 k FIXED 10 60s CHARGE fixed 1", "syntax error"),
        ("RL.REFUND k 1 CHARGE in 1", "syntax error"),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_changes_nothing(db, clock, line, text):
    for key in ("absent", "k"):
        if key == "k":
            db.do(f"RL.RESERVE k 1h {TOKENS} COST 3 ID held")
        before = unchanged(db), db.dbsize()
        assert db.error(*line.split()).startswith(text)
        assert (unchanged(db), db.dbsize()) == before


@pytest.mark.parametrize("subject", ["", "FOR s"])
def test_stored_limits_are_charged_by_their_labels_and_no_others(db, clock, subject):
    db.do(f"RL.DEFINE k {TOKENS} SLIDING 1000 1h")
    db.ask(f"RL.CHECK k {subject} CHARGE in 5 CHARGE sliding 9")
    before = unchanged(db)
    for command in ("RL.CHECK k", "RL.PEEK k", "RL.RESERVE k 1m", "RL.SETTLE k a 1"):
        assert db.error(*f"{command} {subject} CHARGE fixed 1".split()).startswith(UNKNOWN)
    assert unchanged(db) == before
    assert used(db, "k", subject.removeprefix("FOR ")) == [5, 1, 9]
    db.do("RL.DEFINE k FIXED 7 60s AS renamed")
    assert db.error(*f"RL.CHECK k {subject} CHARGE in 1".split()).startswith(UNKNOWN)
    assert db.ask(f"RL.CHECK k {subject} CHARGE renamed 2")[:3] == (2, 7, 0)


def test_a_call_that_names_no_limits_where_none_are_stored_is_still_that_error(db, clock):
    assert db.error(*"RL.CHECK k CHARGE in 1".split()).startswith("NOLIMITS ")
    db.set("string", "x")
    assert db.error(*"RL.CHECK string FIXED 10 60s CHARGE in 1".split()).startswith("WRONGTYPE ")


# --- limits on trial


def test_on_trial_each_limit_is_charged_its_own_cost_and_nobody_notices(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s AS in FIXED 20 60s AS out SHADOW")
    assert db.ask("RL.CHECK k CHARGE in 4 CHARGE out 9") == (9, 10, 10, 0, 0, "in")
    assert used(db) == [4, 9]
    assert db.ask("RL.CHECK k CHARGE in 7 CHARGE out 1") == (7, 10, 10, 0, 0, "in"), "it would have been denied"
    assert used(db) == [4, 9]
    assert db.ask("RL.CHECK k COST 0") == (0, 10, 10, 0, 0, "in")
    assert db.do("RL.RESERVE k 1m CHARGE in 7 CHARGE out 2 ID a")[0] == 7
    assert db.do("RL.SETTLE k a 5 CHARGE out 1")[:1] == [5]
    assert used(db) == [4, 9], "what would have been denied costs nothing"
    assert db.do("RL.RESERVE k 1m CHARGE in 6 CHARGE out 2 ID b")[0] == 6
    db.do("RL.SETTLE k b 5 CHARGE out 1")
    assert used(db) == [9, 10]


# --- estimates and what calls did cost


def settle(db, name: str, costs: tuple[int, int]) -> list:
    return db.do(f"RL.SETTLE k {name} 0 CHARGE in {costs[0]} CHARGE out {costs[1]}")


def reserve(db, limits: str, name: str, costs: tuple[int, int], ttl: str = "1h") -> list:
    return db.do(f"RL.RESERVE k {ttl} {limits} CHARGE in {costs[0]} CHARGE out {costs[1]} ID {name}")


@every_exact_limit
@pytest.mark.parametrize("order", ["ab", "ba"])
def test_two_holds_give_back_exactly_what_each_limit_was_charged_too_much(db, clock, limit, order):
    """Input and output tokens, which are guessed wrong in either direction."""
    limits = f"{limit} AS in {limit} AS out"
    costs = {"a": (70, 60), "b": (10, 400)}
    assert reserve(db, limits, "a", (100, 50))[:3] == [100, 100_000, 99_900]
    clock.advance(SECOND)
    assert reserve(db, limits, "b", (10, 500))[0] == 500
    clock.advance(SECOND)
    db.ask(f"RL.CHECK k {limits} CHARGE in 7 CHARGE out 3")
    assert used(db) == [117, 553]
    for name in order:
        clock.advance(SECOND)
        reply = settle(db, name, costs[name])
        assert (reply[0], reply[6]) == (max(costs[name]), "settled")
    assert used(db) == [7 + 70 + 10, 3 + 60 + 400]


@every_exact_limit
@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_hold_of_one_cost_that_is_older_than_such_calls_is_exact_too(db, clock, limit, order):
    limits = f"{limit} AS in {limit} AS out"
    costs = {"a": (0, 20), "b": (1, 90)}
    db.do(f"RL.RESERVE k 1h {limits} COST 20 ID a")
    db.ask(f"RL.CHECK k {limits} COST 4")
    reserve(db, limits, "b", (200, 10))
    for name in order:
        settle(db, name, costs[name])
    assert used(db) == [4 + 0 + 1, 4 + 20 + 90]


@every_exact_limit
def test_many_holds_settled_in_any_order_cost_each_limit_what_they_did_cost(db, clock, limit):
    rng = random.Random(SEED)
    limits = f"{limit} AS in {limit} AS out"
    names = [str(number) for number in range(150)]
    cost = {name: (rng.choice([0, 3, 40, 200]), rng.choice([0, 5, 60])) for name in names}
    others = [0, 0]
    for name in names:
        clock.advance(SECOND)
        reserve(db, limits, name, (rng.randint(0, 100), rng.randint(1, 100)), "10h")
        if rng.random() < 0.3:
            mine = (rng.randint(0, 9), rng.randint(1, 9))
            db.ask(f"RL.CHECK k {limits} CHARGE in {mine[0]} CHARGE out {mine[1]}")
            others = [others[0] + mine[0], others[1] + mine[1]]
    for name in rng.sample(names, len(names)):
        assert settle(db, name, cost[name])[6] == "settled"
    assert used(db) == [others[side] + sum(cost[name][side] for name in names) for side in (0, 1)]


def test_a_hold_that_ends_gives_each_limit_back_what_it_was_charged(db, clock):
    limits = "FIXED 1000 1d AS in FIXED 1000 1d AS out"
    reserve(db, limits, "a", (100, 50), "1m")
    reserve(db, limits, "b", (1, 300), "2m")
    clock.advance(MINUTE)
    assert used(db) == [1, 300]
    clock.advance(MINUTE)
    assert used(db) == [0, 0]


def test_an_estimate_is_cut_to_the_size_of_each_limit_alone(db, clock):
    limits = "FIXED 100 1d AS in FIXED 50 1d AS out"
    assert reserve(db, limits, "a", (5000, 20))[0] == 100
    assert used(db) == [100, 20]
    assert settle(db, "a", (120, 10))[0] == 120
    assert used(db) == [120, 10]


@every_exact_limit
def test_a_held_id_again_with_more_of_one_label_is_charged_the_difference_of_that_one(db, clock, limit):
    limits = f"{limit} AS in {limit} AS out"
    reserve(db, limits, "older", (30, 300))
    reserve(db, limits, "a", (100, 50))
    assert reserve(db, limits, "a", (90, 80))[0] == 100
    assert used(db) == [130, 380]
    assert reserve(db, limits, "a", (1, 1))[0] == 100, "less than it has: only renewed"
    assert reserve(db, limits, "a", (101, 170))[0] == 170
    assert used(db) == [131, 470]
    settle(db, "a", (10, 20))
    assert used(db) == [40, 320]
    settle(db, "older", (5, 6))
    assert used(db) == [15, 26]


@every_exact_limit
def test_what_a_held_id_was_charged_later_is_never_given_back_by_another(db, clock, limit):
    """One label grows while a younger hold lasts: each label alone is as if there had been one cost."""
    limits = f"{limit} AS in {limit} AS out"
    reserve(db, limits, "a", (100, 50))
    reserve(db, limits, "b", (30, 300))
    reserve(db, limits, "a", (100, 170))
    settle(db, "b", (5, 6))
    assert used(db) == [105, 176]
    settle(db, "a", (10, 20))
    assert used(db)[0] == 15, "the label that did not grow is exact"
    assert 26 <= used(db)[1] <= 26 + 120, "the other one counts no less than it did cost"


def test_a_held_id_whose_difference_is_denied_stays_as_it_was(db, clock):
    reserve(db, TOKENS, "a", (90, 40))
    assert reserve(db, TOKENS, "a", (80, 51))[0] == 90
    assert used(db) == [90, 50], "cut to 50, of which 40 were held"
    db.ask(f"RL.CHECK k {TOKENS} CHARGE in 5 CHARGE out 0")
    before = unchanged(db)
    denied = reserve(db, TOKENS, "a", (96, 50))
    assert (denied[0], denied[5], denied[6]) == (0, "in", None)
    assert unchanged(db) == before
    settle(db, "a", (0, 0))
    assert used(db) == [5, 0]


def test_a_settlement_charges_a_limit_that_was_guessed_too_low_into_debt(db, clock):
    reserve(db, TOKENS, "a", (90, 10))
    assert settle(db, "a", (20, 70)) == [70, 50, 0, 60_000, 60_000, "out", "settled"]
    assert used(db) == [20, 70]


def test_actual_is_for_the_limits_that_no_charge_names(db, clock):
    reserve(db, TOKENS, "a", (90, 10))
    assert db.do("RL.SETTLE k a 30 CHARGE out 4")[0] == 30
    assert used(db) == [30, 4]


@pytest.mark.parametrize("subject", ["", "FOR s"])
def test_what_a_hold_was_charged_goes_along_when_limits_change_places(db, clock, subject):
    db.do("RL.DEFINE k FIXED 100 1d AS in FIXED 100 1d AS out")
    db.do(f"RL.RESERVE k 1h {subject} CHARGE in 60 CHARGE out 10 ID a")
    db.do("RL.DEFINE k FIXED 200 1d AS out FIXED 50 1d AS new FIXED 300 1d AS in")
    db.do(f"RL.RESERVE k 1h {subject} CHARGE in 7 CHARGE out 20 CHARGE new 1 ID b")
    assert db.do(f"RL.SETTLE k a 0 {subject} CHARGE in 6 CHARGE out 1")[6] == "settled"
    db.do(f"RL.SETTLE k b 0 {subject} CHARGE in 1 CHARGE out 2 CHARGE new 3")
    assert used(db, "k", subject.removeprefix("FOR ")) == [1 + 2, 3, 6 + 1]


def test_settled_again_it_answers_the_same_and_changes_nothing(db, clock):
    reserve(db, TOKENS, "a", (90, 10))
    first = settle(db, "a", (20, 35))
    before = unchanged(db)
    assert first[0] == 35
    assert settle(db, "a", (20, 35)) == first
    assert settle(db, "a", (1, 2)) == first
    assert db.do("RL.SETTLE k a 7") == first
    assert unchanged(db) == before


def test_of_an_unknown_id_each_limit_is_charged_its_own_cost(db, clock):
    reply = db.do(f"RL.SETTLE k nobody 3 {TOKENS} SLIDING 9 1h CHARGE in 40 CHARGE out 5")
    assert (reply[0], reply[6]) == (40, "unknown")
    assert used(db) == [40, 5, 3]
    assert db.do(f"RL.SETTLE other nobody 0 {TOKENS} CHARGE in 0")[0] == 0
    assert db.exists("other") == 0


def test_of_an_unknown_id_a_limit_that_the_subject_was_never_asked_under_is_charged_too(db, clock):
    db.ask("RL.CHECK k FIXED 500 1h AS other")
    assert db.do("RL.SETTLE k nobody 0 FIXED 100 60s AS in CHARGE in 5")[0] == 5
    assert used(db) == [1, 6], "the new account starts from what the other one counts, which is for COST"


def test_the_labels_of_a_settlement_are_those_of_the_limits_of_the_hold(db, clock):
    db.ask("RL.CHECK k FIXED 500 1h AS other")
    reserve(db, TOKENS, "a", (60, 20))
    before = unchanged(db)
    assert db.error(*"RL.SETTLE k a 1 CHARGE other 1".split()).startswith(UNKNOWN)
    assert db.error(*"RL.SETTLE k a 1 FIXED 500 1h AS other CHARGE other 1".split()).startswith(UNKNOWN)
    assert unchanged(db) == before
    assert settle(db, "a", (6, 2))[:2] == [6, 50]


def test_a_settlement_charges_no_requests_and_a_hold_gives_none_back(db, clock):
    limits = f"{TOKENS} FIXED 9 60s AS requests PER REQUEST"
    reserve(db, limits, "a", (60, 20))
    assert used(db) == [60, 20, 1]
    settle(db, "a", (6, 2))
    assert used(db) == [6, 2, 1]
    settle(db, "nobody", (1, 1))
    assert used(db) == [7, 3, 1]


def test_a_refund_and_a_hold_of_several_costs_take_nothing_from_each_other(db, clock):
    limits = "FIXED 1000 1d AS in FIXED 1000 1d AS out"
    reserve(db, limits, "a", (100, 50))
    db.ask(f"RL.CHECK k {limits} CHARGE in 30 CHARGE out 40")
    assert db.do("RL.REFUND k 30") == 30
    assert used(db) == [100, 60]
    settle(db, "a", (10, 5))
    assert used(db) == [10, 15]


def test_an_estimate_of_nothing_is_held_as_nothing_until_it_is_settled(db, clock):
    """Granted, and nothing is taken: what the call did cost is charged when it is known."""
    for line in (f"RL.RESERVE k 1h {TOKENS} COST 0 ID a", f"RL.RESERVE k 1h {TOKENS} CHARGE in 0 COST 0 ID b"):
        assert db.do(line) == [0, 50, 50, 0, 0, "out", line[-1]]
    assert used(db) == [0, 0]
    assert [pairs(hold)["units"] for hold in db.rl_info("k")["first_holds"]] == [0, 0]
    assert settle(db, "a", (8, 3)) == [8, 50, 47, 0, 60_000, "out", "settled"]
    assert used(db) == [8, 3]
    assert settle(db, "b", (0, 0)) == [0, 50, 47, 0, 60_000, "out", "settled"]
    assert used(db) == [8, 3]


def test_a_reservation_is_a_request_also_if_all_tokens_are_guessed_as_0(db, clock):
    limits = f"{TOKENS} FIXED 9 60s AS requests PER REQUEST"
    assert db.do(f"RL.RESERVE k 1h {limits} CHARGE in 0 CHARGE out 0 ID a")[0] == 1
    assert used(db) == [0, 0, 1]
    assert settle(db, "a", (6, 2))[0] == 6
    assert used(db) == [6, 2, 1]


# --- other lists of limits on the same key


@every_exact_limit
def test_an_account_that_is_opened_while_holds_last_gives_back_what_its_source_does(db, clock, limit):
    """Not what another limit was charged: that was never counted here."""
    db.ask(f"RL.CHECK k {limit} AS in {limit} AS out CHARGE in 1 CHARGE out 900")
    db.do(f"RL.RESERVE k 1h {limit} AS in {limit} AS out CHARGE in 500 CHARGE out 10 ID h")
    longer = limit.replace("100000", "200000")
    db.ask(f"RL.CHECK k {longer} AS out")
    assert used(db) == [502, 911, 911]
    settle(db, "h", (1, 10))
    assert used(db) == [3, 911, 911]


@every_exact_limit
def test_a_held_id_asks_an_account_that_is_opened_for_what_it_lacks_there(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} AS in {limit} AS out CHARGE in 1 CHARGE out 900")
    db.do(f"RL.RESERVE k 1h {limit} AS in {limit} AS out CHARGE in 500 CHARGE out 10 ID h")
    longer = limit.replace("100000", "200000")
    assert db.do(f"RL.RESERVE k 1h {longer} AS out CHARGE out 25 ID h")[:3] == [500, 200_000, 200_000 - 925]
    assert used(db) == [501, 925, 925]


def test_an_account_of_another_list_is_booked_what_the_call_charges_for_its_name(db, clock):
    one, other = "FIXED 100 1h AS in", "FIXED 1000 2h AS in FIXED 500 2h AS out"
    db.ask(f"RL.CHECK k {one} CHARGE in 5")
    assert db.ask(f"RL.CHECK k {other} CHARGE in 7 CHARGE out 30").granted == 30
    assert used(db) == [12, 12, 35], "an account starts from what another one counts"
    db.ask(f"RL.CHECK k {one} CHARGE in 4")
    assert used(db) == [16, 16, 36], "the call says nothing for `out`: COST, which is 1"
    db.ask(f"RL.CHECK k {one} CHARGE in 3 COST 50")
    assert used(db) == [19, 19, 39], "never more than the most that a limit of the call is charged"
    db.ask(f"RL.CHECK k {one} CHARGE in 6 COST 0")
    assert used(db) == [25, 25, 39]


def test_of_another_list_a_limit_without_as_is_known_by_its_algorithm(db, clock):
    db.ask("RL.CHECK k FIXED 100 1h SLIDING 100 1h")
    db.ask("RL.CHECK k SLIDING 900 2h FIXED 900 2h AS bytes CHARGE sliding 5 CHARGE bytes 80")
    by_limit = {limit["limit"]: limit["used"] for limit in db.rl_info("k")["limits"]}
    assert by_limit == {"FIXED 100 1h": 2, "SLIDING 100 1h": 6, "SLIDING 900 2h": 6, "FIXED 900 2h AS bytes": 81}


def test_a_hold_is_exact_also_for_accounts_that_its_call_did_not_name(db, clock):
    one, other = "FIXED 1000 1d AS in FIXED 1000 1d AS out", "SLIDING 5000 1d AS in"
    db.ask(f"RL.CHECK k {other} CHARGE in 1")
    reserve(db, one, "a", (100, 50))
    db.ask(f"RL.CHECK k {other} CHARGE in 9")
    reserve(db, one, "b", (10, 500))
    settle(db, "a", (30, 80))
    settle(db, "b", (20, 7))
    by_limit = {limit["limit"]: limit["used"] for limit in db.rl_info("k")["limits"]}
    assert by_limit["SLIDING 5000 1d AS in"] == 1 + 9 + 30 + 20


# --- replicas and files


@pytest.fixture
def pair(start_server) -> tuple[Server, Server]:
    """A primary and its replica, each with an append-only file, their clocks held."""
    options = ("--appendonly", "yes", "--repl-diskless-sync-delay", "0")
    primary = start_server(*options)
    replica = start_server(*options, "--replicaof", "127.0.0.1", str(primary.port))
    with replica.client() as copy:
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to sync")
        eventually(lambda: not copy.info("persistence")["aof_rewrite_in_progress"], "its file to begin anew")
    hold((primary, replica), BASE)
    return primary, replica


def hold(servers: tuple[Server, ...], unix_ns: int) -> None:
    for server in servers:
        with server.client() as db:
            Clock(db).set(unix_ns)


def digests_after(primary: Server, replica: Server) -> list[str]:
    """Of the primary, its replica, and of the primary and the replica after a restart from their files."""
    with primary.client() as db, replica.client() as copy:
        offset = db.info("replication")["master_repl_offset"]
        eventually(lambda: copy.info("replication")["slave_repl_offset"] >= offset, "the replica to catch up")
        seen = [db.do("DEBUG DIGEST"), copy.do("DEBUG DIGEST")]
    primary.restart()
    with primary.client() as db:
        seen.append(db.do("DEBUG DIGEST"))
    return seen


@pytest.mark.parametrize("limit", [*LIMITS, *EXACT])
def test_a_replica_and_a_restart_see_each_cost(pair, limit):
    primary, replica = pair
    limits = f"{limit} AS in FIXED 1000 1d AS out"
    with primary.client() as db:
        for key, subject in (("k", ""), ("d", "FOR s")):
            for line in (
                f"RL.CHECK {key} {limits} {subject} CHARGE in 2 CHARGE out 40 ID x",
                f"RL.CHECK {key} {limits} {subject} CHARGE in 0 CHARGE out 3 ID y",
                f"RL.CHECK {key} {limits} {subject} CHARGE in 1 CHARGE out 0 ID z",
                f"RL.RESERVE {key} 1h {limits} {subject} CHARGE in 2 CHARGE out 9 ID a",
                f"RL.RESERVE {key} 1h {limits} {subject} CHARGE in 0 CHARGE out 7 ID b",
                f"RL.RESERVE {key} 1h {limits} {subject} CHARGE in 3 CHARGE out 4 ID a",
                f"RL.CHECK {key} {limits} {subject} CHARGE in 1 CHARGE out 6 MAXWAIT 1h ID w",
                f"RL.SETTLE {key} a 0 {limits} {subject} CHARGE in 1 CHARGE out 11",
                f"RL.SETTLE {key} nobody 0 {limits} {subject} CHARGE in 0 CHARGE out 1",
                f"RL.CHECK {key} SLIDING 99 1h AS in {subject} CHARGE in 2 COST 1 FORCE",
                f"RL.SETTLE {key} b 0 {limits} {subject} CHARGE in 0 CHARGE out 1",
            ):
                db.do(line)
    seen = digests_after(primary, replica)
    assert len(set(seen)) == 1, seen


def test_a_key_that_was_never_charged_under_one_limit_travels(pair):
    """The first effect has the whole state: of a log and of leases without an entry."""
    primary, replica = pair
    with primary.client() as db:
        for limit in ("SLIDING 10 60s", "CONCURRENT 10 60s"):
            for _ in range(2):
                db.do(f"RL.CHECK {limit[:4]} FIXED 10 60s AS a {limit} AS b CHARGE b 0 CHARGE a 1")
    seen = digests_after(primary, replica)
    assert len(set(seen)) == 1, seen


@pytest.mark.parametrize("subject", ["", "FOR s"])
def test_an_estimate_of_nothing_travels(pair, subject):
    primary, replica = pair
    with primary.client() as db:
        db.do(f"RL.RESERVE k 1h {TOKENS} {subject} COST 3 ID a")
        db.do(f"RL.RESERVE k 1h {TOKENS} {subject} COST 0 ID b")
        db.do(f"RL.RESERVE k 1h {TOKENS} {subject} CHARGE in 0 CHARGE out 0 ID c")
        db.do(f"RL.SETTLE k b 0 {TOKENS} {subject} CHARGE in 4")
        db.do(f"RL.RESERVE k 2h {TOKENS} {subject} COST 0 ID a")
    seen = digests_after(primary, replica)
    assert len(set(seen)) == 1, seen


@pytest.mark.parametrize("seed", range(3))
def test_any_mix_of_costs_is_the_same_on_a_replica_and_after_a_restart(pair, seed):
    primary, replica = pair
    rng = random.Random(f"{SEED} {seed}")
    lists = [
        "FIXED 60 1h AS in SLIDING 40 5m AS out TOKENBUCKET 30 1 1s PER REQUEST AS requests",
        "SLIDING 90 1h AS in CONCURRENT 9 2m AS out",
        "TOKENBUCKET 20 1 1s AS in LEAKYBUCKET 30 2 1s AS out",
    ]
    now = BASE
    with primary.client() as db:
        for _ in range(800):
            named, key = rng.choice(lists), rng.choice("kd")
            subject = "FOR s" if key == "d" else ""
            names = rng.sample(["in", "out"], rng.randint(0, 2))
            charges = " ".join(f"CHARGE {name} {rng.choice([0, 0, 1, 4, 15])}" for name in names)
            cost, name = rng.choice([0, 1, 2, 8]), rng.choice("abcdef")
            mode = rng.choice(["", "", "", "FORCE", "MAXWAIT 20s"])
            line = rng.choice(
                [
                    f"RL.CHECK {key} {named} {subject} {charges} COST {cost} ID {name} {mode}",
                    f"RL.RESERVE {key} {rng.choice([3, 300])}s {named} {subject} {charges} COST {cost} ID {name}",
                    f"RL.SETTLE {key} {name} {cost} {named} {subject} {charges}",
                    f"RL.RELEASE {key} {name} {subject}",
                    f"RL.REFUND {key} {1 + cost} {subject}",
                ]
            )
            try:
                db.execute_command(*line.split())
            except redis.ResponseError as error:
                complaint = str(error)
            else:
                complaint = ""
            assert not complaint or "settled" in complaint or UNKNOWN in complaint, line
            if rng.random() < 0.5:
                now += rng.choice([MS, SECOND, 10 * SECOND, 2 * MINUTE])
                hold((primary, replica), now)
    assert now < BASE + DAY
    seen = digests_after(primary, replica)
    assert len(set(seen)) == 1, seen
