# SPDX-License-Identifier: MIT
"""RL.CHECKEACH: each of many subjects of a key is decided on its own."""

from __future__ import annotations

import random

import pytest

from harness import HOUR, MINUTE, MS, SECOND, Client
from resp import Connection
from seed import SEED
from steps import hear, said
from traffic import Talk
from vocabulary import ALGORITHMS, BAD_BUDGETS, TOO_SHORT, refused

MOST_SUBJECTS = 1024
LIMITS = [limit for limit in ALGORITHMS if not limit.startswith(("LEAKYBUCKET", "CONCURRENT"))]
STORED = [*LIMITS, "TOKENBUCKET 20 10 60s AS burst FIXED 30 1h AS hour", "FIXED 20 1h SLIDING 10 1m PER REQUEST"]
SUBJECTS = [f"s{number}" for number in range(12)]


def ask(db: Client, line: str) -> list[int | None]:
    return db.execute_command(*said(line))


def one_by_one(db: Client, key: str, named: str, cost: int, subjects: list[str]) -> list[int | None]:
    """What as many calls of RL.CHECK say."""
    return [db.do(f"RL.CHECK {key} {named} COST {cost} BRIEF FOR {subject}") for subject in subjects]


def counts(db: Client, key: str) -> tuple[int, int]:
    info = db.rl_info(key)
    return info["granted"], info["denied"] + info.get("would_deny", 0)


# --- the answer


def test_each_subject_is_decided_on_its_own_and_in_order(db, clock):
    assert ask(db, "RL.CHECKEACH k FIXED 3 1h COST 2 FOR a b a c") == [1, 1, -3_600_000, 1]
    assert ask(db, "RL.CHECKEACH k FIXED 3 1h FOR a b d") == [0, 0, 2]
    assert ask(db, "RL.CHECKEACH k FIXED 3 1h COST 4 FOR a d") == [None, None]
    assert ask(db, "RL.CHECKEACH k FIXED 3 1h COST 0 FOR a d e") == [0, 2, 3]
    assert db.rl_info("k")["subjects"] == 4, "who asked for nothing is not there"


@pytest.mark.parametrize("limit", STORED)
@pytest.mark.parametrize("is_stored", [True, False])
def test_it_says_what_as_many_checks_say(db, clock, limit, is_stored):
    rng = random.Random(f"{SEED} {limit}")
    named = "" if is_stored else limit
    for key in ("each", "one"):  # both are there to the end: an idle key that stores no limits may go at any time
        db.do(f"RL.DEFINE {key} {limit}" if is_stored else f"RL.BLOCK {key} 30d FOR nobody")
    answers = []
    for _ in range(60):
        clock.advance(rng.choice([0, MS, SECOND, 10 * SECOND, MINUTE]))
        cost, subjects = rng.choice([0, 1, 1, 3, 21]), rng.choices(SUBJECTS, k=rng.randint(1, 20))
        answer = ask(db, f"RL.CHECKEACH each {named} COST {cost} FOR {' '.join(subjects)}")
        assert answer == one_by_one(db, "one", named, cost, subjects)
        answers += answer
    assert None in answers and min(filter(None, answers)) < 0 < max(filter(None, answers))
    for subject in SUBJECTS:
        assert db.do(f"RL.INFO each FOR {subject}") == db.do(f"RL.INFO one FOR {subject}")
    assert counts(db, "each") == counts(db, "one")
    assert db.do("RL.TOP each") == db.do("RL.TOP one")


def test_random_conversations_with_operations_between(db, clock):
    """Two keys hear the same, but for how their subjects are checked."""
    rng = random.Random(f"{SEED} each")
    for limits in ("TOKENBUCKET 20 10 60s AS a FIXED 40 1h AS b", "SLIDING 30 1m AS a", "FIXED 30 1h AS a"):
        db.flushall()
        keys = ("each", "one")
        own = "FIXED 20 1h AS a FIXED 15 1m AS b" if " AS b" in limits else "SLIDING 15 1m AS a"
        for key in keys:
            db.do(f"RL.DEFINE {key} {limits}")
        for _ in range(300):
            clock.advance(rng.choice([0, 0, MS, SECOND, 20 * SECOND, 5 * MINUTE]))
            subject, number = rng.choice(SUBJECTS), rng.randint(1, 9)
            line = rng.choice(
                [
                    f"RL.RESERVE {{}} {number}m COST {number} ID x{number} FOR {subject}",
                    f"RL.SETTLE {{}} x{number} {number} FOR {subject}",
                    f"RL.CHECK {{}} COST {number} MAXWAIT 1h FOR {subject}",
                    f"RL.CHECK {{}} COST {10 * number} FORCE FOR {subject}",
                    f"RL.REFUND {{}} {number} FOR {subject}",
                    f"RL.BLOCK {{}} {rng.choice(['0', '0', '1s', '90s'])} FOR {subject}",
                    f"RL.RESET {{}} FOR {subject}",
                    f"RL.DEFINE {{}} {own} FOR {subject}",
                    f"RL.DEFINE {{}} FOR {subject}",
                ]
            )
            assert db.do(line.format("each")) == db.do(line.format("one")), line
            subjects = rng.choices(SUBJECTS, k=rng.randint(1, 30))
            answer = ask(db, f"RL.CHECKEACH each COST {number % 4} FOR {' '.join(subjects)}")
            assert answer == one_by_one(db, "one", "", number % 4, subjects)
        for subject in SUBJECTS:
            assert db.do(f"RL.INFO each FOR {subject}") == db.do(f"RL.INFO one FOR {subject}")
        assert counts(db, "each") == counts(db, "one")


@pytest.mark.parametrize("may_be_shadow", [False, True])
def test_random_conversations_against_the_oracle(db, may_be_shadow):
    for number in range(4):
        rng = random.Random(f"{SEED} each {number} {may_be_shadow}")
        stored = [True, may_be_shadow or rng.random() < 0.5]
        talk = Talk(rng, stored, may_be_shadow, most_limits=rng.randint(1, 2), each=0.5)
        hear(db, talk.steps(150))


def test_as_many_subjects_as_there_may_be(db, clock):
    subjects = " ".join(f"s{number}" for number in range(MOST_SUBJECTS))
    named = "FIXED 3 1h AS a FIXED 3 2h AS b FIXED 3 3h AS c PER REQUEST SLIDING 3 1h AS d TOKENBUCKET 3 1 1h AS e"
    assert ask(db, f"RL.CHECKEACH k {named} COST 1 FOR {subjects}") == [2] * MOST_SUBJECTS
    assert ask(db, f"RL.CHECKEACH k {named} COST 3 FOR {subjects}") == [-7_200_000] * MOST_SUBJECTS
    assert db.rl_info("k")["subjects"] == MOST_SUBJECTS
    assert db.error(*said(f"RL.CHECKEACH k {named} FOR {subjects} more")) == "too many arguments"


def test_on_trial_all_is_granted_and_counted(db, clock):
    db.do("RL.DEFINE k FIXED 3 1h SHADOW")
    assert ask(db, "RL.CHECKEACH k COST 2 FOR a a b") == [3, 3, 3]
    assert counts(db, "k") == (2, 1)
    assert db.do("RL.TOP k")[0][:2] == ["a", 1]


def test_an_exception_has_its_own_limits(db, clock):
    db.do("RL.DEFINE k FIXED 3 1h")
    db.do("RL.DEFINE k FIXED 30 1h FOR bob")
    assert ask(db, "RL.CHECKEACH k FOR alice bob") == [2, 29]


def test_a_key_that_was_saved_goes_on(db, clock):
    ask(db, "RL.CHECKEACH k FIXED 3 1h COST 2 FOR a b")
    db.do("DEBUG RELOAD")
    assert ask(db, "RL.CHECKEACH k FIXED 3 1h FOR a b c") == [0, 0, 2]


# --- what is refused


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("RL.CHECKEACH k", TOO_SHORT),
        ("RL.CHECKEACH k FOR", TOO_SHORT),
        ("RL.CHECKEACH k FIXED 3 1h", "FOR is missing"),
        ("RL.CHECKEACH k FIXED 3 1h FOR", "FOR is missing"),
        ('RL.CHECKEACH k FIXED 3 1h FOR a ""', "FOR must be the name of a subject"),
        ("RL.CHECKEACH k FOR a", "NOLIMITS"),
        ("RL.CHECKEACH k FIXED 3 1h BRIEF FOR a", "syntax error at argument 5"),
        ("RL.CHECKEACH k FIXED 3 1h FORCE FOR a", "syntax error at argument 5"),
        ("RL.CHECKEACH k FIXED 3 1h FIXED 3 2h AS fixed FOR a", "label must be different"),
        ("RL.CHECKEACH stored FIXED 3 1h FOR a", "the key stores other limits"),
        ("RL.CHECKEACH k LEAKYBUCKET 3 1 1h FOR a", "RL.CHECKEACH cannot decide under LEAKYBUCKET"),
        ("RL.CHECKEACH k FIXED 3 1h CONCURRENT 3 1h FOR a", "RL.CHECKEACH cannot decide under CONCURRENT"),
        ("RL.CHECKEACH leases FOR a", "RL.CHECKEACH cannot decide under CONCURRENT"),
        ("RL.CHECKEACH queue FOR a", "RL.CHECKEACH cannot decide under LEAKYBUCKET"),
        ("RL.CHECKEACH text FIXED 3 1h FOR a", "WRONGTYPE"),
    ],
)
def test_what_it_refuses(db, clock, line, error):
    db.do("RL.DEFINE stored FIXED 10 1h")
    db.do("RL.DEFINE leases CONCURRENT 10 1h")
    db.do("RL.DEFINE queue LEAKYBUCKET 10 1 1h")
    db.set("text", "x")
    before = db.do("DEBUG DIGEST")
    assert error in db.error(*said(line))
    assert db.do("DEBUG DIGEST") == before


@pytest.mark.parametrize("cost", BAD_BUDGETS)
def test_a_cost_that_cannot_be(db, cost):
    assert "COST" in refused(db, ["RL.CHECKEACH", "k", "FIXED", "3", "1h", "COST", cost, "FOR", "a"])


def test_nobody_is_charged_where_one_subject_cannot_be_decided(db, clock):
    """Only an exception has limits that the others have not."""
    db.do("RL.DEFINE k FIXED 3 1h AS a")
    db.do("RL.DEFINE k LEAKYBUCKET 3 1 1h AS a FOR bob")
    db.do("RL.CHECK k FOR alice")
    before = db.do("DEBUG DIGEST")
    assert "LEAKYBUCKET" in db.error(*said("RL.CHECKEACH k FOR alice carol bob"))
    assert "other limits" in db.error(*said("RL.CHECKEACH k FIXED 3 1h AS a FOR alice carol bob"))
    assert db.do("DEBUG DIGEST") == before
    assert ask(db, "RL.CHECKEACH k FOR alice carol") == [1, 2]


# --- what others learn of it


def test_a_denial_changes_nothing(db, clock):
    db.do("RL.DEFINE k FIXED 3 1h")
    ask(db, "RL.CHECKEACH k COST 3 FOR a b")
    before, changes = db.digest("k"), db.changes()
    with db.pipeline() as pipe:
        pipe.watch("k")
        assert ask(db, "RL.CHECKEACH k FOR a b a") == [-3_600_000] * 3
        pipe.multi()
        pipe.execute_command("PING")
        assert pipe.execute() == [True], "nobody who watches the key is disturbed"
    assert (db.digest("k"), db.changes()) == (before, changes)


def test_a_grant_disturbs_who_watches(server, db, clock):
    db.do("RL.DEFINE k FIXED 3 1h")
    with Connection(server.socket, 2) as watcher:
        watcher.do("WATCH", "k")
        assert ask(db, "RL.CHECKEACH k FOR a b") == [2, 2]
        watcher.do("MULTI")
        watcher.do("PING")
        assert watcher.do("EXEC") is None


# --- holds


def test_ended_holds_are_given_back_within_the_time_of_one_call(db, clock):
    """Who is not reached any more is to ask again, and is reached by the next calls."""
    db.do("RL.DEFINE k FIXED 100000 1h")
    subjects = [f"s{number}" for number in range(64)]
    for subject in subjects:
        with db.pipeline(transaction=False) as pipe:
            for number in range(1000):
                pipe.execute_command("RL.RESERVE", "k", "1m", "COST", 100, "ID", number, "FOR", subject)
            pipe.execute()
    clock.advance(MINUTE)
    line = f"RL.CHECKEACH k COST 0 FOR {' '.join(subjects)}"
    first = ask(db, line)
    assert first.count(-1) > 0, "for so many there was no time"
    for _ in range(2000):
        answer = ask(db, line)
        if answer == [100_000] * len(subjects):
            break
    assert answer == [100_000] * len(subjects)
    assert all(one == -1 or one > 0 for one in first)


def test_a_window_that_ends_is_forgotten_with_all_its_subjects(db, clock):
    ask(db, f"RL.CHECKEACH k FIXED 3 1m FOR {' '.join(SUBJECTS)}")
    clock.advance(HOUR)
    assert ask(db, f"RL.CHECKEACH k FIXED 3 1m FOR {' '.join(SUBJECTS)}") == [2] * len(SUBJECTS)
