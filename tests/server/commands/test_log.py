# SPDX-License-Identifier: MIT
"""RL.LOG: who was denied lately in a key, by which label, from when to when, how often, and for how long."""

from __future__ import annotations

import random

import pytest

from harness import BASE, HOUR, MINUTE, SECOND
from seed import SEED
from subjects import fill

FORMS = ["stored", "named"]
BASE_MS = BASE // 10**6


def limits_of_call(db, form: str, limits: str) -> str:
    """The limits that calls name: none, if the key stores them."""
    if form == "named":
        return limits
    db.do(f"RL.DEFINE k {limits}")
    return ""


def entry(subject: str, label: str, first_s: int, last_s: int, times: int, wait_ms: int) -> list:
    """What RL.LOG shows of a subject, with seconds after BASE."""
    return [subject, label, BASE_MS + 1000 * first_s, BASE_MS + 1000 * last_s, times, wait_ms]


@pytest.mark.parametrize("form", FORMS)
def test_a_denial_is_shown_with_its_label_its_time_and_its_wait(db, clock, form):
    named = limits_of_call(db, form, "FIXED 1 60s AS burst FIXED 100 1d AS daily")
    db.do(f"RL.CHECK k {named} FOR alice")
    assert db.do("RL.LOG k") == [], "who was granted is not in it"
    clock.advance(5 * SECOND)
    assert db.ask(f"RL.CHECK k {named} FOR alice")[:1] == (0,)
    assert db.do("RL.LOG k") == [entry("alice", "burst", 5, 5, 1, 55_000)]


@pytest.mark.parametrize("form", FORMS)
def test_denials_of_a_subject_by_a_label_are_one_entry(db, clock, form):
    named = limits_of_call(db, form, "FIXED 2 60s AS burst FIXED 3 1d AS daily")
    db.do(f"RL.CHECK k {named} COST 2 FOR alice")
    for _ in range(3):
        clock.advance(SECOND)
        db.do(f"RL.CHECK k {named} FOR alice")
    clock.set(BASE + MINUTE)
    db.do(f"RL.CHECK k {named} FOR alice")
    db.do(f"RL.CHECK k {named} FOR alice")
    assert db.do("RL.LOG k") == [
        entry("alice", "daily", 60, 60, 1, 86_340_000),
        entry("alice", "burst", 1, 3, 3, 57_000),
    ]


def test_the_newest_come_first_and_as_many_as_are_asked_for(db, clock):
    db.do("RL.DEFINE k FIXED 1 1h")
    for number in range(30):
        db.do(f"RL.CHECK k COST 2 FOR s{number}")
    db.do("RL.CHECK k COST 2 FOR s3")
    names = ["s3", *(f"s{number}" for number in range(29, -1, -1) if number != 3)]
    assert [name for name, *_ in db.do("RL.LOG k")] == names[:10], "ten, as of SLOWLOG"
    assert [name for name, *_ in db.do("RL.LOG k 3")] == names[:3]
    assert [name for name, *_ in db.do("RL.LOG k 5000")] == names


def test_a_call_that_is_never_granted_waits_for_minus_one(db, clock):
    db.do("RL.DEFINE k FIXED 5 1h")
    db.do("RL.CHECK k COST 6 FOR alice")
    db.do("RL.DEFINE closed FIXED 0 1h")
    db.do("RL.CHECK closed FOR alice")
    assert db.do("RL.LOG k") == [entry("alice", "fixed", 0, 0, 1, -1)]
    assert db.do("RL.LOG closed") == [entry("alice", "fixed", 0, 0, 1, -1)]


def test_a_block_denies_by_a_label_of_its_own(db, clock):
    db.do("RL.DEFINE k FIXED 1 60s")
    db.do("RL.BLOCK k 1h FOR alice")
    db.do("RL.CHECK k FOR alice")
    assert db.do("RL.LOG k") == [entry("alice", "blocked", 0, 0, 1, 3_600_000)]


def test_the_key_itself_is_in_it_with_an_empty_name(db, clock):
    db.do("RL.DEFINE k FIXED 1 60s")
    db.do("RL.CHECK k COST 2")
    db.do("RL.CHECK k COST 2 FOR alice")
    db.do("RL.CHECK k COST 2")
    assert [(name, times) for name, _, _, _, times, _ in db.do("RL.LOG k")] == [("", 2), ("alice", 1)]


def test_would_be_denials_of_a_limiter_on_trial_are_in_it(db, clock):
    db.do("RL.DEFINE k FIXED 1 60s SHADOW")
    assert db.ask("RL.CHECK k COST 2 FOR alice").granted == 2
    [[name, label, _, _, times, wait]] = db.do("RL.LOG k")
    assert (name, label, times, wait) == ("alice", "fixed", 1, -1)


def test_every_denial_is_in_it_however_it_came(db, clock):
    db.do("RL.DEFINE k FIXED 3 60s")
    db.ask("RL.CHECK k COST 3 FOR a")
    db.do("RL.CHECK k FOR a")
    db.do("RL.CHECK k FOR a BRIEF")
    db.do("RL.RESERVE k 1m FOR a")
    db.do("RL.CHECKALL 1 k FOR a")
    db.do("RL.RESERVEALL 1 k 1m FOR a")
    db.do("RL.CHECKEACH k FOR a a")
    db.do("RL.PEEK k FOR a")
    assert db.do("RL.LOG k") == [entry("a", "fixed", 0, 0, 7, 60_000)], "a peek is no call"


def test_what_has_no_table_has_no_log(db, clock):
    assert db.do("RL.LOG k") == []
    db.ask_times(3, "RL.CHECK k FIXED 1 60s")
    assert db.do("RL.LOG k") == []
    db.do("SET text 1.5")
    assert db.error("RL.LOG", "text").startswith("WRONGTYPE")


def test_a_flood_of_one_subject_pushes_nobody_out(db, clock):
    db.do("RL.DEFINE k FIXED 1 1h")
    for number in range(1023):
        db.do(f"RL.CHECK k COST 2 FOR s{number}")
    with db.pipeline(transaction=False) as pipe:
        for _ in range(5000):
            pipe.execute_command("RL.CHECK", "k", "COST", 2, "FOR", "flood")
        pipe.execute()
    log = db.do("RL.LOG k 5000")
    assert (len(log), log[0][0], log[0][4], log[-1][0]) == (1024, "flood", 5000, "s0")
    db.do("RL.CHECK k COST 2 FOR one-more")
    log = db.do("RL.LOG k 5000")
    assert (len(log), log[0][0], log[-1][0]) == (1024, "one-more", "s1"), "the one whose last denial is oldest goes"


def test_random_denials_are_shown_as_a_plain_list_of_them_says(db, clock):
    rng = random.Random(f"{SEED} log")
    db.do("RL.DEFINE k FIXED 1 1d AS small FIXED 5 1d AS large")
    fill(db, "k", 40)
    expected: dict[tuple[str, str], list] = {}
    with db.pipeline(transaction=False) as pipe:
        now = BASE
        for _ in range(3000):
            now += rng.choice([0, 1, 10**6, SECOND])
            name, cost = f"s{rng.randrange(40)}", rng.choice([1, 6])
            pipe.execute_command("RL.DEBUG", "CLOCK", "SET", now)
            pipe.execute_command("RL.CHECK", "k", "COST", cost, "FOR", name)
            end = BASE + 24 * HOUR
            wait_ms, label = (-((now - end) // 10**6), "small") if cost == 1 else (-1, "small")
            first, _, times, _ = expected.pop((name, label), (now // 10**6, 0, 0, 0))
            expected[name, label] = [first, now // 10**6, times + 1, wait_ms]
        pipe.execute()
    log = [[name, label, *rest] for (name, label), rest in reversed(expected.items())]
    assert db.do("RL.LOG k 5000") == log, f"RATELIMIT_TEST_SEED={SEED}"


def test_names_and_labels_come_back_as_they_are(server, db, clock):
    names = [b"\0\xff\r\n", b"x" * 1024, "Žofie☂".encode()]
    label = "~" * 64
    with server.client(decode_responses=False) as raw:
        raw.execute_command("RL.DEFINE", "k", "FIXED", 1, "1h", "AS", label)
        for name in names:
            raw.execute_command("RL.CHECK", "k", "COST", 2, "FOR", name)
        assert [entry[:2] for entry in raw.execute_command("RL.LOG", "k")] == [
            [name, label.encode()] for name in reversed(names)
        ]


def test_asking_changes_nothing(db, clock):
    db.do("RL.DEFINE k FIXED 1 1h")
    db.do("RL.CHECK k COST 2 FOR a")
    changes, digest = db.changes(), db.digest("k")
    for _ in range(3):
        db.do("RL.LOG k")
    assert (db.changes(), db.digest("k")) == (changes, digest)


def test_denials_are_not_in_the_digest(db, clock):
    db.do("RL.DEFINE k FIXED 1 1h")
    before = db.digest("k")
    db.do("RL.CHECK k COST 2 FOR a")
    assert db.do("RL.LOG k") and db.digest("k") == before


def test_a_log_ends_with_its_key(db, clock):
    db.do("RL.DEFINE k FIXED 1 1h")
    db.do("RL.CHECK k COST 2 FOR a")
    db.do("RL.RESET k FOR a")
    assert len(db.do("RL.LOG k")) == 1, "what was denied was denied"
    db.delete("k")
    db.do("RL.DEFINE k FIXED 1 1h")
    assert db.do("RL.LOG k") == []


def test_the_memory_of_a_log_is_the_keys(db, clock):
    db.do("RL.DEFINE k FIXED 1 1h")
    before = db.rl_info("k")["memory"]
    for number in range(100):
        db.do(f"RL.CHECK k COST 2 FOR {'x' * 500}{number}")
    assert db.rl_info("k")["memory"] - before > 100 * 500
    assert len({name for name, *_ in db.do("RL.LOG k 1000")}) == 100
