# SPDX-License-Identifier: MIT
"""BRIEF: one integer: what remains, or minus the wait; null for never."""

from __future__ import annotations

from itertools import product

import pytest

from harness import MS, SECOND
from resp import Connection
from vocabulary import ALGORITHMS, TOO_SHORT, refused

QUEUES = [limit for limit in ALGORITHMS if limit.startswith("LEAKYBUCKET")]
LEASES = [limit for limit in ALGORITHMS if limit.startswith("CONCURRENT")]
LIMITS = [limit for limit in ALGORITHMS if limit not in QUEUES]
TWO = "TOKENBUCKET 10 10 60s AS burst SLIDING 15 1h AS hour"


def in_brief(reply: list | None) -> int | None:
    if reply is None or reply[3] == -1:
        return None
    return reply[2] if reply[0] else -reply[3]


def both(db, line: str, options: str = "") -> tuple[int | None, list]:
    """A call in brief on the key k, and the same in full on another key."""
    brief = db.do(f"{line} {options} BRIEF".replace(" k ", " brief "))
    return brief, db.do(f"{line} {options}".replace(" k ", " other "))


# --- what the integer is


@pytest.mark.parametrize("limit", [*LIMITS, TWO])
@pytest.mark.parametrize("form", ["stored", "unstored", "subject"])
def test_it_is_what_the_whole_reply_says_in_one_integer(db, clock, limit, form):
    named, who = limit, " FOR me" if form == "subject" else ""
    if form == "stored":
        for key in ("brief", "other"):
            db.do(f"RL.DEFINE {key} {limit}")
        named = ""
    seen = []
    for number, cost in enumerate((3, 11, 5, 4, 2, 1, 1)):
        clock.advance(number * 100 * MS)
        brief, whole = both(db, f"RL.CHECK k {named}", f"COST {cost} ID i{number}{who}")
        assert brief == in_brief(whole)
        seen.append(brief)
    assert None in seen and any(brief and brief < 0 for brief in seen) and 7 in seen, "never, denied and granted"
    clock.advance(-seen[-1] * MS - MS)
    assert db.do(f"RL.CHECK brief {named} ID last BRIEF{who}") < 0, "a millisecond too early"
    clock.advance(MS)
    assert db.do(f"RL.CHECK brief {named} ID last BRIEF{who}") >= 0


@pytest.mark.parametrize("limit", LIMITS)
def test_the_command_of_one_limit_says_the_same(db, clock, limit):
    for number, cost in enumerate((3, 11, 5, 4, 2, 1)):
        brief, whole = both(db, f"RL.{limit.replace(' ', ' k ', 1)}", f"COST {cost} ID i{number}")
        assert brief == in_brief(whole)


def test_nothing_left_is_0_and_a_denial_is_never_0(db, clock):
    assert db.do("RL.FIXED k 1 1ms BRIEF") == 0
    assert db.do("RL.FIXED k 1 1ms BRIEF") == -1
    clock.advance(MS - 1)
    assert db.do("RL.FIXED k 1 1ms BRIEF") == -1, "a nanosecond is a millisecond, rounded up"
    clock.advance(1)
    assert db.do("RL.FIXED k 1 1ms BRIEF") == 0


def test_the_largest_numbers(db, clock):
    assert db.do("RL.FIXED k 4294967295 3650d BRIEF") == 4294967294
    assert db.do("RL.FIXED k 4294967295 3650d COST 4294967294 BRIEF") == 0
    assert db.do("RL.FIXED k 4294967295 3650d BRIEF") == -3650 * 86_400_000
    assert db.do("RL.FIXED k 4294967295 3650d BRIEF JITTER 3650d") <= -3650 * 86_400_000


def test_null_is_never(db, clock):
    assert db.do("RL.FIXED k 10 60s COST 11 BRIEF") is None
    assert db.dbsize() == 0


@pytest.mark.parametrize("limit", [*LIMITS, TWO])
@pytest.mark.parametrize("who", ["", " FOR me"])
def test_to_ask_for_nothing_is_0_or_more_if_nothing_is_owed_and_minus_the_wait_if_it_is(db, clock, limit, who):
    asked = f"RL.CHECK k {limit} COST 0 ID i BRIEF{who}"
    assert db.do(asked) == 10
    assert db.dbsize() == 0
    db.do(f"RL.CHECK k {limit} COST 10 ID a{who}")
    before = db.digest("k"), db.changes()
    assert db.do(asked) == 0, "granted: nothing is left, and nothing is wanted"
    assert (db.digest("k"), db.changes()) == before
    debt_ms = db.do(f"RL.CHECK k {limit} COST 3 ID b FORCE{who}")[3]
    before = db.digest("k"), db.changes()
    assert db.do(asked) == -debt_ms < 0
    assert db.do(f"{asked} JITTER 1s") <= -debt_ms
    assert db.do(f"RL.PEEK k {limit} COST 0 BRIEF{who}") == -debt_ms
    assert db.do(f"{asked} FORCE") == 0, "granted in debt, too"
    assert (db.digest("k"), db.changes()) == before
    clock.advance(debt_ms * MS - MS)
    assert db.do(asked) == -1
    clock.advance(MS)
    assert db.do(asked) >= 0
    db.do(f"RL.BLOCK k 60s{who}")
    assert db.do(asked) == -60_000
    assert db.do(f"{asked} FORCE") == 0, "nothing remains while a block lasts"


def test_to_ask_one_limit_for_nothing_and_another_for_more(db, clock):
    named = "FIXED 10 60s AS in FIXED 5 1h AS out"
    assert db.do(f"RL.CHECK k {named} CHARGE in 0 CHARGE out 2 BRIEF") == 3
    assert db.do(f"RL.CHECK k {named} CHARGE in 0 CHARGE out 0 BRIEF") == 3
    assert db.do(f"RL.CHECK k {named} CHARGE in 11 CHARGE out 0 BRIEF") is None
    db.do(f"RL.CHECK k {named} CHARGE in 12 CHARGE out 0 FORCE")
    assert db.do(f"RL.CHECK k {named} CHARGE in 0 CHARGE out 1 BRIEF") == -60_000
    assert [limit["used"] for limit in db.rl_info("k")["limits"]] == [12, 2]


def test_force_is_granted_and_nothing_remains_in_debt(db, clock):
    assert db.do("RL.TOKENBUCKET k 10 1 1s COST 4 FORCE BRIEF") == 6
    assert db.do("RL.TOKENBUCKET k 10 1 1s COST 20 FORCE BRIEF") == 0, "a grant, however deep in debt"
    assert db.do("RL.TOKENBUCKET k 10 1 1s BRIEF") == -15_000
    assert db.rl_info("k")["limits"][0]["used"] == 24


def test_who_waits_keeps_others_back(db, clock):
    db.do("RL.TOKENBUCKET k 10 1 1s COST 10")
    db.do("RL.TOKENBUCKET k 10 1 1s COST 3 MAXWAIT 10s")
    assert db.do("RL.TOKENBUCKET k 10 1 1s BRIEF") == -4000


def test_jitter_makes_the_wait_longer(db, clock):
    db.do("RL.FIXED k 1 10s")
    waits = {db.do("RL.FIXED k 1 10s BRIEF JITTER 5s") for _ in range(50)}
    assert len(waits) > 10 and min(waits) >= -15_000 and max(waits) <= -10_000
    assert db.do("RL.FIXED l 1 10s BRIEF JITTER 5s") == 0, "not that of a grant"
    assert db.do("RL.FIXED l 1 10s COST 2 BRIEF JITTER 5s") is None


def test_limits_on_trial_grant_all_and_are_as_if_unused(db, clock):
    db.do("RL.DEFINE k FIXED 5 60s FIXED 3 1h SHADOW")
    for cost in (2, 2, 9):
        assert db.do(f"RL.CHECK k COST {cost} BRIEF") == 3
        assert db.do(f"RL.PEEK k COST {cost} BRIEF") == 3
    info = db.rl_info("k")
    assert (info["granted"], info["would_deny"], info["limits"][0]["used"]) == (1, 2, 2)


def test_it_is_an_integer_or_null_in_every_protocol(server, db, clock):
    for version in ("2", "3"):
        with Connection(server.socket) as raw:
            raw.do("HELLO", version)
            replies = [raw.do(*f"RL.FIXED {version} 3 60s COST {cost} BRIEF".split()) for cost in (3, 1, 4)]
            assert replies == [0, -60_000, None]


# --- RL.PEEK


@pytest.mark.parametrize("limit", [*LIMITS, TWO])
def test_peek_says_what_is_left_now_or_minus_the_wait(db, clock, limit):
    db.do(f"RL.CHECK k {limit} COST 4")
    for named, cost in product((limit, ""), (1, 6, 7, 11, 16)):
        line = f"RL.PEEK k {named} COST {cost}"
        assert db.do(f"{line} BRIEF") == in_brief(db.do(line))
    assert db.do(f"RL.PEEK k {limit} BRIEF") == 6
    assert db.do(f"RL.PEEK k {limit} COST 7 BRIEF") < 0
    assert db.do(f"RL.PEEK k {limit} COST 16 BRIEF") is None


def test_peek_of_nobody_is_null(db, clock):
    assert db.do("RL.PEEK nobody BRIEF") is None
    assert db.do("RL.PEEK nobody FOR me COST 5 BRIEF") is None
    assert db.do("RL.PEEK nobody FIXED 10 60s BRIEF") == 10


def test_peek_takes_no_lease_and_needs_no_id(db, clock):
    db.do("RL.DEFINE k CONCURRENT 5 60s")
    assert db.do("RL.PEEK k BRIEF") == 5
    assert db.do("RL.CHECK k ID a COST 3 BRIEF") == 2
    assert db.do("RL.PEEK k BRIEF") == 2


# --- what it refuses

PARTIAL = "BRIEF cannot be given with PARTIAL: the reply must say how many units were granted"
MAXWAIT = "BRIEF cannot be given with MAXWAIT: the reply must say how long a granted call waits"
QUEUE = "BRIEF cannot be given with LEAKYBUCKET: the reply must say how long a granted call waits"
LEASE = "BRIEF cannot be given with CONCURRENT without ID: the reply must have the id of the lease"
BAD = [
    ("RL.CHECK k FIXED 10 60s PARTIAL BRIEF", PARTIAL),
    ("RL.CHECK k FIXED 10 60s BRIEF PARTIAL", PARTIAL),
    ("RL.FIXED k 10 60s MAXWAIT 1s BRIEF", MAXWAIT),
    ("RL.CHECK k BRIEF LEAKYBUCKET 10 1 1s", QUEUE),
    ("RL.CHECK k FIXED 10 60s LEAKYBUCKET 10 1 1s AS q BRIEF", QUEUE),
    ("RL.LEAKYBUCKET k 10 1 1s BRIEF", QUEUE),
    ("RL.LEAKYBUCKET k 10 1 1s brief COST 2 ID a", QUEUE),
    ("RL.PEEK k LEAKYBUCKET 10 1 1s BRIEF", QUEUE),
    ("RL.CONCURRENT k 10 60s BRIEF", LEASE),
    ("RL.CHECK k FIXED 10 60s CONCURRENT 10 60s FORCE BRIEF", LEASE),
    ("RL.CHECK k FIXED 10 60s HEADERS BRIEF", "only one of HEADERS and BRIEF can be given"),
    ("RL.PEEK k BRIEF HEADERS", "only one of HEADERS and BRIEF can be given"),
    ("RL.FIXED k 10 60s BRIEF BRIEF", "BRIEF is given twice"),
    ("RL.FIXED k 10 60s PARTIAL FORCE BRIEF", "only one of PARTIAL, FORCE and MAXWAIT can be given"),
    ("RL.CHECK k BRIEF FIXED 10", "window is missing"),
    ("RL.CHECK k BRIEF 1", "syntax error at argument 3: expected "),
    ("RL.PEEK BRIEF 1", "syntax error at argument 2: expected "),
    ("RL.PEEK", TOO_SHORT),
    *(
        (f"{line} BRIEF", "syntax error at argument ")
        for line in (
            *("RL.CHECKALL 1 k FIXED 10 60s", "RL.RESERVE k 1m FIXED 10 60s", "RL.SETTLE k a 1", "RL.REFUND k 1"),
            *("RL.RELEASE k a", "RL.INFO k", "RL.DEFINE k FIXED 10 60s"),
        )
    ),
]


@pytest.mark.parametrize(("line", "text"), BAD)
def test_a_call_that_needs_to_know_more_is_refused_by_what_it_is(db, clock, line, text):
    assert refused(db, line.split()).startswith(text)


@pytest.mark.parametrize("who", ["", " FOR me"])
@pytest.mark.parametrize("shadow", ["", " SHADOW"])
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(
    ("limits", "line", "text"),
    [
        ("FIXED 9 60s LEAKYBUCKET 10 1 1s", "RL.CHECK k BRIEF", QUEUE),
        ("LEAKYBUCKET 10 1 1s", "RL.PEEK k BRIEF", QUEUE),
        ("FIXED 9 60s CONCURRENT 10 60s", "RL.CHECK k BRIEF", LEASE),
        ("CONCURRENT 10 60s LEAKYBUCKET 10 1 1s", "RL.CHECK k ID a BRIEF", QUEUE),
        ("CONCURRENT 10 60s", "RL.CHECK k COST 11 FORCE BRIEF", LEASE),
    ],
)
def test_with_stored_limits_that_is_found_before_anything_changes(db, clock, who, shadow, used, limits, line, text):
    db.do(f"RL.DEFINE k {limits}{shadow}")
    if used:
        db.do(f"RL.RESERVE k 1s COST 3 ID a{who}")
        clock.advance(2 * SECOND)  # a hold that has ended would be given back; who is idle, might be forgotten
    before = db.digest("k"), db.changes(), db.rl_info("k")
    assert db.error(*f"{line}{who}".split()) == text
    assert (db.digest("k"), db.changes(), db.rl_info("k")) == before


def test_peek_of_a_key_that_was_asked_under_a_queue_names_it(db, clock):
    db.do("RL.CHECK k FIXED 10 60s")
    assert db.do("RL.PEEK k BRIEF") == 9
    db.do("RL.CHECK k LEAKYBUCKET 10 1 1s")
    assert db.error(*"RL.PEEK k BRIEF".split()) == QUEUE
    assert db.do("RL.PEEK k FIXED 10 60s BRIEF") == 8, "only what the call names binds it"
    assert db.do("RL.CHECK k FIXED 10 60s BRIEF") == 7


@pytest.mark.parametrize(
    ("make", "line", "text"),
    [
        ("SET k v", "RL.CHECK k FIXED 10 60s BRIEF", "WRONGTYPE "),
        ("SET k v", "RL.CHECK k BRIEF", "WRONGTYPE "),
        ("SET k v", "RL.PEEK k BRIEF", "WRONGTYPE "),
        ("PING", "RL.CHECK k BRIEF", "NOLIMITS "),
        ("RL.FIXED k 10 60s", "RL.CHECK k BRIEF", "NOLIMITS "),
        ("RL.DEFINE k FIXED 10 60s", "RL.CHECK k FIXED 11 60s BRIEF", "the key stores other limits"),
    ],
)
def test_other_errors_are_as_ever(db, clock, make, line, text):
    db.do(make)
    assert db.error(*line.split()).startswith(text)


# --- what travels


def test_it_changes_what_the_same_call_in_full_changes(db, clock):
    for number, cost in enumerate((3, 11, 5, 4, 2)):
        both(db, "RL.CHECK k TOKENBUCKET 10 10 60s SLIDING 15 1h", f"COST {cost} ID i{number}")
    assert db.digest("brief") == db.digest("other")
    assert db.rl_info("brief") == db.rl_info("other")
