# SPDX-License-Identifier: MIT
"""FOR: many subjects in one key, each with a state of its own."""

from __future__ import annotations

import random
from itertools import product

import pytest

from harness import DAY, HOUR, MINUTE, SECOND, Client, eventually, same_allocator
from seed import SEED
from steps import hear
from traffic import Talk
from vocabulary import ALGORITHMS, WITHOUT_NUMBERS

FORMS = ["stored", "unstored"]
NAMES = [
    *("a", "A", " ", "\0", "a\0", "a\0b", "\r\n", "FOR", "COST", "k", "0", "%s"),
    *("x" * 1023, "x" * 1024, "y" + "x" * 1023),
    *("ключ".encode(), b"\xff\xfe", bytes(range(256)) * 4, b"\0" * 1024),
]


def limits_of_call(db: Client, form: str, limits: str) -> str:
    """What a call names of these limits, which are stored or not."""
    if form == "unstored":
        return limits
    assert db.do(f"RL.DEFINE k {limits}") == "OK"
    return ""


def used(db: Client, subject: str = "", key: str = "k") -> list[int]:
    return [limit["used"] for limit in db.rl_info(key, subject)["limits"]]


# --- apart from each other


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("limit", ALGORITHMS)
def test_subjects_are_limited_apart_and_so_is_the_key_itself(db, clock, limit, form):
    named = limits_of_call(db, form, limit)
    for who in (" FOR a", "", " FOR b"):
        assert db.ask(f"RL.CHECK k {named} COST 10{who}").granted == 10
        assert db.ask(f"RL.CHECK k {named}{who}").granted == 0
    assert db.ask(f"RL.CHECK k {named} FOR c")[:3] == (1, 10, 9)
    assert [used(db, subject) for subject in ("", "a", "b", "c")] == [[10], [10], [10], [1]]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("limit", ALGORITHMS)
def test_a_shorthand_for_a_subject_is_rl_check_for_it(db, clock, limit, form):
    limits_of_call(db, form, limit)
    for cost in (1, 3, 7, 6, 11):
        long = db.ask(f"RL.CHECK k {limit} COST {cost} FOR long")
        short = db.ask(f"RL.{limit.replace(' ', ' k ', 1)} COST {cost} FOR short")
        assert short[:5] == long[:5]
        assert len(short) == len(long) - 1, "all but the label"
        clock.advance(SECOND)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("limit", ALGORITHMS)
def test_each_command_is_about_the_subject_that_it_names_and_no_other(db, clock, limit, form):
    named = limits_of_call(db, form, limit)
    for who in ("", " FOR other"):
        db.ask(f"RL.CHECK k {named} COST 5 ID z{who}")
    untouched = [db.rl_info("k", subject)["limits"] for subject in ("", "other")]
    for line, last in {
        "RL.CHECK k {} COST 2 ID l": None,
        "RL.PEEK k {}": None,
        "RL.RESERVE k 1h {} COST 3 ID h": "h",
        "RL.SETTLE k h 1 {}": "settled",
        "RL.SETTLE k nobody 1 {}": "unknown",
        "RL.RESERVE k 1h {} COST 2 ID i": "i",
    }.items():
        assert (db.do(f"{line.format(named)} FOR me")[-1] == last) or last is None
        assert [db.rl_info("k", subject)["limits"] for subject in ("", "other")] == untouched
    assert [db.rl_info("k", subject)["holds"] for subject in ("", "other", "me")] == [0, 0, 2], "one is settled"
    assert (db.do("RL.SETTLE k i 2 FOR other")[-1], db.do("RL.SETTLE k i 2")[-1]) == ("unknown", "unknown")
    assert db.do("RL.SETTLE k i 0 FOR me")[-1] == "settled"
    is_leases = limit.startswith("CONCURRENT")
    assert db.do("RL.REFUND k 99 FOR me") == (0 if is_leases else 4)
    assert db.do("RL.RELEASE k z FOR me") == 0
    assert [db.do(f"RL.RELEASE k z{who}") for who in ("", " FOR other")] == [is_leases, is_leases]


@pytest.mark.parametrize("form", FORMS)
def test_the_key_that_was_there_before_its_subjects_goes_on_as_it_was(db, clock, form):
    named = limits_of_call(db, form, "FIXED 10 60s")
    db.ask(f"RL.CHECK k {named} COST 4")
    db.do(f"RL.RESERVE k 1h {named} COST 2 ID h")
    db.ask(f"RL.CHECK k {named} FOR a")
    assert db.ask(f"RL.CHECK k {named}") == (1, 10, 3, 0, 60_000, "fixed")
    assert db.rl_info("k")["holds"] == 1
    assert db.do("RL.SETTLE k h 0")[-1] == "settled"


@pytest.mark.parametrize("form", FORMS)
def test_a_turn_that_is_pending_holds_back_its_own_subject_only(db, clock, form):
    named = limits_of_call(db, form, "FIXED 10 60s")
    db.ask(f"RL.CHECK k {named} COST 10 FOR a")
    assert db.ask(f"RL.CHECK k {named} COST 3 MAXWAIT 2m FOR a").wait_ms == 60_000
    assert db.ask(f"RL.CHECK k {named} FOR a").granted == 0
    for who in ("", " FOR b"):
        assert db.ask(f"RL.CHECK k {named}{who}")[:4] == (1, 10, 9, 0)


def test_for_may_stand_anywhere_behind_the_key(db, clock):
    limit = "FIXED 10 60s"
    for line in (f"FOR a {limit} COST 2", f"{limit} FOR a COST 2", f"COST 2 {limit} for a", f"COST 2 For a {limit}"):
        assert db.ask(f"RL.CHECK k {line}").granted == 2
    assert used(db, "a") == [8]
    db.ask("RL.CHECK k FIXED 10 60s AS FOR FOR FOR COST 3")
    assert used(db, "FOR") == [3]


# --- names


@pytest.mark.parametrize("form", FORMS)
def test_a_name_may_have_any_bytes(db, clock, form):
    """No two of these are the same subject."""
    named = limits_of_call(db, form, "FIXED 1000 1h").split()
    for cost, name in enumerate(NAMES, start=1):
        assert db.execute_command("RL.CHECK", "k", *named, "FOR", name, "COST", cost)[0] == cost
    for cost, name in enumerate(NAMES, start=1):
        assert db.execute_command("RL.PEEK", "k", "FOR", name)[2] == 1000 - cost
        assert db.execute_command("RL.REFUND", "k", 1, "FOR", name) == 1
        assert used(db, name) == [cost - 1] if cost > 1 else db.execute_command("RL.INFO", "k", "FOR", name) is None
    assert db.rl_info("k")["subjects"] in (len(NAMES), len(NAMES) - 1)


def test_top_names_subjects_by_all_their_bytes(server, db, clock):
    db.do("RL.DEFINE k FIXED 1 60s")
    for times, name in enumerate(NAMES, start=2):
        for _ in range(times):
            db.execute_command("RL.CHECK", "k", "FOR", name)
    with server.client(decode_responses=False) as raw:
        top = raw.execute_command("RL.TOP", "k", 128)
    as_bytes = [name if isinstance(name, bytes) else name.encode() for name in NAMES]
    assert top == [[name, times, 0] for times, name in reversed(list(enumerate(as_bytes, start=1)))]


def test_one_name_in_two_keys_is_two_subjects(db, clock):
    for key in ("k", "l"):
        assert db.ask(f"RL.CHECK {key} FIXED 10 60s COST 10 FOR a").granted == 10


# --- limits of the calls


@pytest.mark.parametrize(("old", "new"), product(WITHOUT_NUMBERS, repeat=2))
def test_each_subject_has_the_accounts_of_its_own_calls(db, clock, old, new):
    for subject in ("a", "b"):
        db.ask(f"RL.CHECK k {old.format(10)} COST 4 FOR {subject}")
    from_leases, to_leases = "CONCURRENT" in old, "CONCURRENT" in new
    if to_leases and not from_leases:  # which starts empty
        assert db.ask(f"RL.CHECK k {new.format(20)} FOR a")[:3] == (1, 20, 19)
        assert db.ask(f"RL.CHECK k {new.format(6)} COST 7 FOR b")[:3] == (0, 6, 6)
        expected = [[5, 1], [4], [60]]
    else:
        assert db.ask(f"RL.CHECK k {new.format(20)} FOR a")[:3] == (1, 20, 15)
        assert db.ask(f"RL.CHECK k {new.format(6)} COST 3 FOR b")[:3] == (0, 6, 2)
        expected = [[4 if from_leases and not to_leases else 5, 5], [4, 4], [60]]
    assert db.ask(f"RL.CHECK k {old.format(100)} COST 60 FOR c")[:3] == (60, 100, 40)
    assert [used(db, subject) for subject in ("a", "b", "c")] == expected


def test_subjects_of_one_key_may_have_limits_of_any_number_and_kind(db, clock):
    several = [" ".join(ALGORITHMS[number : number + count]) for count in (1, 2, 5) for number in range(3)]
    for number, limits in enumerate(several * 20):
        assert db.ask(f"RL.CHECK k {limits} COST {number % 7 + 1} FOR s{number}").granted == number % 7 + 1
    for number in range(len(several) * 20):
        assert used(db, f"s{number}") == [number % 7 + 1] * len(db.rl_info("k", f"s{number}")["limits"])
        assert db.ask(f"RL.PEEK k FOR s{number}")[2] == 10 - number % 7 - 1


@pytest.mark.parametrize("who", ["", " FOR a", " FOR nobody"])
@pytest.mark.parametrize("line", ["RL.CHECK k", "RL.CHECK k COST 2 FORCE"])
def test_where_no_limits_are_stored_a_check_must_name_them(db, clock, line, who):
    db.ask("RL.CHECK k FIXED 10 60s FOR a")
    before = db.digest("k"), db.changes()
    assert db.error(*(line + who).split()).startswith("NOLIMITS ")
    assert (db.digest("k"), db.changes()) == before


def test_a_question_that_names_no_limits_is_about_those_of_the_subject(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s COST 3 FOR a")
    db.ask("RL.CHECK k SLIDING 20 60s COST 3 FOR b")
    assert db.ask("RL.PEEK k FOR a") == (1, 10, 7, 0, 60_000, "fixed")
    assert db.ask("RL.PEEK k FOR b")[1:3] == (20, 17)
    assert db.do("RL.PEEK k FOR nobody") is None
    assert db.do("RL.PEEK absent FOR a") is None
    assert db.ask("RL.PEEK k FIXED 5 1h FOR a")[:3] == (1, 5, 2)
    assert db.ask("RL.PEEK k FIXED 5 1h FOR nobody")[:3] == (1, 5, 5)


def test_what_names_no_limits_and_no_known_subject_finds_nothing(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s FOR a")
    before = db.digest("k"), db.changes()
    for key in ("k", "absent"):
        assert db.do(f"RL.INFO {key} FOR nobody") is None
        assert db.do(f"RL.REFUND {key} 1 FOR nobody") == 0
        assert db.do(f"RL.RELEASE {key} a FOR nobody") == 0
        assert db.do(f"RL.SETTLE {key} a 1 FOR nobody") is None
        assert db.error(*f"RL.RESERVE {key} 1m FOR nobody".split()).startswith("NOLIMITS ")
    assert (db.digest("k"), db.changes(), db.dbsize()) == (*before, 1)


# --- who is denied


@pytest.mark.parametrize("limit", ALGORITHMS)
@pytest.mark.parametrize(
    "call", ["RL.CHECK k {} COST 11", "RL.CHECK k {} COST 11 MAXWAIT 1d", "RL.PEEK k {}", "RL.CHECKALL 1 k {} COST 11"]
)
def test_who_is_denied_makes_no_key(db, clock, limit, call):
    before = db.changes()
    db.do(f"{call.format(limit)} FOR a")
    assert (db.dbsize(), db.changes()) == (0, before)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("limit", ALGORITHMS)
def test_who_is_denied_makes_no_subject_and_changes_none(db, clock, limit, form):
    named = limits_of_call(db, form, limit)
    db.ask(f"RL.CHECK k {named} COST 10 FOR full")
    before = db.digest("k"), db.changes(), db.rl_info("k")["subjects"], db.rl_info("k", "full")
    checks = "RL.CHECK k {}", "RL.CHECK k {} COST 11", "RL.CHECK k {} PARTIAL"
    for line in (*checks, "RL.RESERVE k 1m {}", "RL.CHECKALL 1 k {}"):
        assert db.ask(f"{line.format(named)} FOR full").granted == 0
    for number in range(50):
        assert db.ask(f"RL.CHECK k {named} COST 11 FOR new{number}").granted == 0
    assert (db.digest("k"), db.changes(), db.rl_info("k")["subjects"], db.rl_info("k", "full")) == before
    assert db.rl_info("k")["denied"] == 55


@pytest.mark.parametrize("limit", ALGORITHMS)
def test_who_is_denied_makes_no_table_in_a_key_that_has_none(db, limit):
    db.ask(f"RL.CHECK k {limit} COST 3")
    db.ask(f"RL.CHECK k {limit} COST 11 FOR a")
    assert db.pttl("k") > 0, "it still ends when it is idle"
    assert db.rl_info("k")["form"] == "single"
    db.ask(f"RL.CHECK k {limit} FOR a")
    assert db.pttl("k") == -1


# --- how long they are there


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("limit", ALGORITHMS)
def test_a_key_of_many_has_no_time_to_live(db, clock, limit, form):
    named = limits_of_call(db, form, limit)
    for line in ("RL.CHECK k {} FOR a", "RL.CHECK k {}", "RL.RESERVE k 1s {} FOR a", "RL.CHECK k {} COST 10 FORCE"):
        db.do(line.format(named))
        assert db.pttl("k") == -1
    db.do("RL.REFUND k 99")
    db.rename("k", "l")
    db.copy("l", "m")
    assert (db.pttl("l"), db.pttl("m")) == (-1, -1)


@pytest.mark.parametrize("limit", ["TOKENBUCKET 10 10 60s", "TOKENBUCKET 10 10 60s SLIDING 10 60s CONCURRENT 10 60s"])
def test_what_nobody_needs_any_more_is_removed_by_itself(db, clock, limit):
    """Subjects when they are idle, and the key when everybody is and no limits are stored in it."""
    for number in range(20):
        db.ask(f"RL.CHECK k {limit} FOR s{number}")
    db.ask("RL.CHECK k FIXED 10 1d FOR last")
    db.ask("RL.CHECK k FIXED 10 2d")
    clock.advance(HOUR)
    eventually(lambda: db.rl_info("k")["subjects"] == 1, "idle subjects to be forgotten")
    assert used(db, "last") == [1]
    clock.advance(DAY)
    eventually(lambda: db.rl_info("k")["subjects"] == 0, "the last subject to be forgotten")
    assert used(db) == [1], "the key itself is still in use"
    clock.advance(DAY)
    eventually(lambda: db.exists("k") == 0, "the key to be removed")


def test_a_subject_that_is_idle_is_as_good_as_never_seen(db, clock):
    for refund in ("RL.REFUND k 3 FOR a", "RL.DEBUG CLOCK ADVANCE 60000000000"):
        db.ask("RL.CHECK k FIXED 10 60s COST 3 FOR a")
        db.ask("RL.CHECK k FIXED 10 1h COST 3 FOR b")
        db.do(refund)
        assert db.do("RL.INFO k FOR a") is None
        assert db.ask("RL.CHECK k FIXED 10 60s COST 10 FOR a").granted == 10
        assert db.delete("k") == 1


def test_a_subject_with_a_hold_or_a_turn_is_not_idle(db, clock):
    db.do("RL.RESERVE k 1h TOKENBUCKET 10 10 1s COST 5 ID h FOR held")
    db.ask("RL.CHECK k FIXED 10 60s COST 10 FOR waits")
    db.ask("RL.CHECK k FIXED 10 60s COST 1 MAXWAIT 1h FOR waits")
    clock.advance(50 * SECOND)
    assert db.rl_info("k", "held")["holds"] == 1
    assert db.do("RL.SETTLE k h 5 FOR held")[-1] == "settled"
    clock.advance(MINUTE - 1)
    assert db.rl_info("k", "waits")["form"] == "subject"


# --- what is told of them


def test_info_of_a_key_counts_subjects_and_the_calls_of_all(db, clock):
    db.ask_times(3, "RL.CHECK k FIXED 2 60s")
    for subject, calls in (("a", 4), ("b", 1)):
        db.ask_times(calls, f"RL.CHECK k FIXED 2 60s FOR {subject}")
    db.do("RL.RESERVE k 1h FIXED 2 60s FOR c ID h")
    db.ask_times(3, "RL.PEEK k FIXED 2 60s FOR d")
    info = db.rl_info("k")
    # Those before the key had a table are not counted.
    assert [info[name] for name in ("form", "stored", "shadow", "subjects", "granted", "denied", "holds")] == [
        *("dense", 0, 0, 3, 4, 2, 0)
    ]
    assert info["limits"][0]["used"] == 2, "of the key itself"


def test_info_of_a_subject_is_its_holds_and_limits(db, clock):
    db.do("RL.RESERVE k 1h FIXED 10 60s SLIDING 20 1h AS hourly COST 4 ID h FOR a")
    why = 'a call of 1 unit is granted: 4 of 10 units of "fixed" are used'
    assert db.rl_info("k", "a") == {
        "form": "subject",
        "exception": 0,
        "holds": 1,
        "blocked": 0,
        "first_holds": [["id", "h", "units", 4, "ends_ms", 3_600_000, "settled", 0]],
        "status": "ok",
        "binding": "fixed",
        "wait_ms": 0,
        "waiting_ms": 0,
        "why": why,
        "limits": [
            {
                "label": "fixed",
                "limit": "FIXED 10 1m",
                "size": 10,
                "used": 4,
                "remaining": 6,
                "reset_ms": 60_000,
                "next_unit_ms": 60_000,
            },
            db.rl_info("k", "a")["limits"][1],
        ],
    }
    assert db.rl_info("k", "a")["limits"][1]["label"] == "hourly"


@same_allocator
def test_memory_grows_with_the_subjects(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s")
    empty = db.rl_info("k")["memory"]
    with db.pipeline(transaction=False) as pipe:
        for number in range(10_000):
            pipe.execute_command("RL.CHECK", "k", "FOR", f"s{number}")
        pipe.execute()
    info = db.rl_info("k")
    assert info["subjects"] == 10_000
    assert info["memory"] - empty >= 24 * 10_000
    assert db.memory_usage("k") >= info["memory"]


# --- who was denied most


@pytest.mark.parametrize("form", FORMS)
def test_top_names_those_who_were_denied_most_the_first_first(db, clock, form):
    named = limits_of_call(db, form, "FIXED 1 60s")
    for number in range(1, 21):
        db.ask_times(number, f"RL.CHECK k {named} FOR s{number}")
    expected = [[f"s{number}", number - 1, 0] for number in range(20, 1, -1)]
    assert db.do("RL.TOP k") == expected[:10]
    assert db.do("RL.TOP k 3") == expected[:3]
    assert db.do("RL.TOP k 128") == expected


@pytest.mark.parametrize("form", FORMS)
def test_every_denial_of_a_subject_counts_however_it_came(db, clock, form):
    named = limits_of_call(db, form, "FIXED 3 60s")
    db.ask(f"RL.CHECK k {named} COST 3 FOR a")
    for line in (f"RL.CHECK k {named}", f"RL.CHECK k {named} COST 4", f"RL.RESERVE k 1m {named}", "RL.FIXED k 3 60s"):
        assert db.ask(f"{line} FOR a").granted == 0
    assert db.ask(f"RL.CHECKALL 1 k {named} FOR a").granted == 0
    assert db.do("RL.TOP k") == [["a", 5, 0]]
    db.ask(f"RL.PEEK k {named} FOR a")
    db.ask(f"RL.CHECK k {named} COST 4")
    assert db.do("RL.TOP k") == [["a", 5, 0]], "a peek is no call, and the key itself no subject"


def test_top_of_what_has_no_subjects_is_empty(db, clock):
    assert db.do("RL.TOP k") == []
    db.ask_times(3, "RL.CHECK k FIXED 1 60s")
    assert db.do("RL.TOP k") == []
    db.ask("RL.CHECK k FIXED 1 60s FOR a")
    assert db.do("RL.TOP k") == []


def test_top_is_right_within_the_error_that_it_tells(db, clock):
    """A few who are denied often among a flood of those who are denied once."""
    rng = random.Random(f"{SEED} top")
    db.do("RL.DEFINE k FIXED 1 1h")
    often = {f"often{number}": 40 * number for number in range(1, 11)}
    calls = [name for name, times in often.items() for _ in range(times)] + [f"once{number}" for number in range(3000)]
    rng.shuffle(calls)
    with db.pipeline(transaction=False) as pipe:
        for name in calls:
            pipe.execute_command("RL.CHECK", "k", "COST", 2, "FOR", name)
        pipe.execute()
    top = {name: (count, error) for name, count, error in db.do("RL.TOP k 128")}
    counts = [count for count, _ in top.values()]
    assert len(top) == 128 and counts == sorted(counts, reverse=True), f"RATELIMIT_TEST_SEED={SEED}"
    for name, (count, error) in top.items():
        assert count - error <= often.get(name, 1) <= count, f"RATELIMIT_TEST_SEED={SEED}"
    must_be_there = {name for name, times in often.items() if times > len(calls) / 128}
    assert must_be_there <= top.keys(), f"RATELIMIT_TEST_SEED={SEED}"


# --- against the oracle


def test_every_reply_to_random_traffic_for_subjects_is_the_oracles(db, clock):
    """All commands, all algorithms, limits in the calls."""
    for number in range(60):
        hear(db, Talk(random.Random(f"{SEED} subjects {number}"), [False], changes=0.1).steps(150))
