# SPDX-License-Identifier: MIT
"""The scripts of bench/lua do what they model: a comparison with scripts that grant something else would be worth
nothing. Refills take a thousand seconds and more, so that no test depends on how fast it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha1

import pytest

from contenders import RATES, SCRIPTS
from harness import Client

NOW = 1_800_000_000_000  # ms, of scripts whose clients tell the time
SLOW = 1_000_000  # ms until a unit comes back
YEAR_2017 = 1_483_228_800


@dataclass(frozen=True)
class Script:
    """How to ask for one unit of a limit of five."""

    name: str
    keys: int
    arguments: tuple
    is_granted: Callable[[list], bool]


FIRST_IS_ONE: Callable[[list], bool] = lambda reply: reply[0] == 1  # noqa: E731
IS_NOT_NEGATIVE: Callable[[list], bool] = lambda reply: reply[0] >= 0  # noqa: E731
FIVE = [
    Script("token_bucket", 1, (5, 1 / 1000, 1), FIRST_IS_ONE),
    Script("gcra", 1, (5, 1, 1000, 1), FIRST_IS_ONE),
    Script("interval_bucket", 1, (5, SLOW, 1, NOW, 1), IS_NOT_NEGATIVE),
    Script("two_counters", 2, (5, NOW, SLOW, 1), IS_NOT_NEGATIVE),
    Script("counter", 1, (1, 1000), lambda reply: reply[0] <= 5),
    Script("fixed_window", 1, (5, SLOW), FIRST_IS_ONE),
    Script("sliding_log", 1, (5, SLOW), FIRST_IS_ONE),
]


def ask(db: Client, name: str, keys: list[str], *arguments) -> list:
    return db.eval(SCRIPTS[name], len(keys), *keys, *arguments)


def keys_of(script: Script) -> list[str]:
    return [f"subject:{number}" for number in range(script.keys)]


@pytest.mark.parametrize("script", FIVE, ids=lambda script: script.name)
def test_a_fresh_subject_gets_its_limit_and_not_one_more(db: Client, script: Script):
    answers = [script.is_granted(ask(db, script.name, keys_of(script), *script.arguments)) for _ in range(8)]
    assert answers == [True] * 5 + [False] * 3


@pytest.mark.parametrize("script", FIVE, ids=lambda script: script.name)
def test_what_a_script_leaves_behind_expires(db: Client, script: Script):
    ask(db, script.name, keys_of(script), *script.arguments)
    assert [0 < db.pttl(key) <= 5 * SLOW + 1000 for key in db.keys()] == [True]


def test_each_script_is_tested_and_measured_and_says_what_it_models():
    asked = {word for each in RATES for word in each.command}
    assert {script.name for script in FIVE} == SCRIPTS.keys()
    for name, text in SCRIPTS.items():
        lines = text.splitlines()
        assert lines[1].startswith("-- ") and "KEYS[1]" in text and "Returns {" in text, name
        assert sha1(text.encode()).hexdigest() in asked, name


def test_gcra_says_how_long_to_wait_and_when_the_bucket_is_full(db: Client):
    seconds, _ = db.time()
    db.set("subject", f"{seconds - YEAR_2017 + 3000}")  # three of five units are in use, and less comes back than one
    first, second, third = (ask(db, "gcra", ["subject"], 5, 1, 1000, 1) for _ in range(3))
    assert [reply[:3] for reply in (first, second)] == [[1, 1, "-1"], [1, 0, "-1"]]
    assert 3000 < float(first[3]) <= 4000 < float(second[3]) <= 5000
    assert third[:2] == [0, 0] and 0 < float(third[2]) <= 1000 and 4000 < float(third[3]) <= 5000


def test_an_interval_bucket_refills_by_whole_intervals(db: Client):
    def answers(now: int) -> list[int]:
        return [ask(db, "interval_bucket", ["subject"], 5, SLOW, 2, now, 1)[0] for _ in range(4)]

    assert [ask(db, "interval_bucket", ["subject"], 5, SLOW, 2, NOW, 1)[0] for _ in range(5)] == [4, 3, 2, 1, 0]
    assert answers(NOW + SLOW - 1) == [-1] * 4
    assert answers(NOW + SLOW) == [1, 0, -1, -1]
    assert answers(NOW + 100 * SLOW) == [4, 3, 2, 1], "never more than the capacity"


def test_two_counters_weigh_the_window_before_by_what_is_left_of_it(db: Client):
    db.set("before", 8)
    start = NOW - NOW % SLOW

    def left(at: float) -> int:
        return ask(db, "two_counters", ["now", "before"], 10, start + int(at * SLOW), SLOW, 1)[0]

    assert left(0.0) == 1 and left(0.5) == 4, "8 count at the beginning, 4 in the middle"
    assert [left(0.9) for _ in range(9)] == [7, 6, 5, 4, 3, 2, 1, 0, -1]
    assert db.get("now") == "10" and SLOW < db.pttl("now") <= 2 * SLOW + 1000


def test_a_counter_counts_denied_calls_and_keeps_its_window(db: Client):
    assert [ask(db, "counter", ["subject"], 3, 1000)[0] for _ in range(3)] == [3, 6, 9]
    db.pexpire("subject", 500_000)
    used, left = ask(db, "counter", ["subject"], 3, 1000)
    assert used == 12 and 0 < left <= 500_000
