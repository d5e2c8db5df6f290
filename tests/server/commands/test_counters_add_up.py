# SPDX-License-Identifier: MIT
"""Random calls on a limiter: each is counted once, and RL.INFO, its labels and RL.LOG agree on how many were denied."""

import random

import pytest

from harness import MS, SECOND, pairs

OUTCOMES = ("granted", "denied", "would_deny")
LIMITS = [
    "TOKENBUCKET 5 1 1s",
    "TOKENBUCKET 10 2 1s PER REQUEST",
    "LEAKYBUCKET 4 1 300ms",
    "FIXED 0 1s",
    "FIXED 6 2s",
    "SLIDING 5 3s",
    "SLIDING 9 3s APPROX",
    "QUOTA 5 HOUR",
]


def a_call(numbers: random.Random, limits: str, who: str) -> str:
    cost = numbers.choice([0, 1, 1, 2, 3, 7])
    each = "CHECK k" if "LEAKYBUCKET" in limits else "CHECKEACH k"  # which no queue can answer
    return numbers.choice(
        [
            f"RL.CHECK k COST {cost}{who}",
            f"RL.CHECK k CHARGE l0 {cost}{who}",
            f"RL.CHECK k COST {cost} FORCE{who}",
            f"RL.CHECK k COST {cost} PARTIAL{who}",
            f"RL.CHECK k COST {cost} MAXWAIT 1s{who}",
            f"RL.RESERVE k 10s COST {cost + 1}{who}",
            f"RL.CHECKALL 2 k other FOR {numbers.choice('ab')} c COST {cost}",
            f"RL.{each} COST {cost} FOR {numbers.choice('ab')}",
        ]
    )


@pytest.mark.parametrize("seed", range(16))
def test_each_call_is_counted_once_wherever_it_is_counted(db, clock, seed):
    numbers = random.Random(seed)
    chosen = numbers.sample(LIMITS, numbers.choice([1, 2, 3]))
    limits = " ".join(f"{limit} AS l{i}" for i, limit in enumerate(chosen))
    db.do("RL.DEFINE other FIXED 1000000 1h")
    for calls in range(1, 61):
        # The same labels go on trial and back.
        if calls % 20 == 1:
            db.do(f"RL.DEFINE k {limits}" + numbers.choice(["", " SHADOW"]))
        who = numbers.choice(["", " FOR a", " FOR b"])
        if numbers.random() < 0.1:
            db.do(f"RL.BLOCK k 700ms{who}")
        line = a_call(numbers, limits, who)
        db.do(line)
        info = db.rl_info("k")
        assert sum(info[outcome] for outcome in OUTCOMES) == calls, line
        clock.advance(numbers.choice([0, 0, 37 * MS, SECOND]))
    info = db.rl_info("k")
    labels = [pairs(label) for label in info["counters"]]
    for outcome in ("denied", "would_deny"):
        assert sum(label[outcome] for label in labels) == info[outcome]
    assert all(label["near"] <= info["near"] <= info["granted"] for label in labels)
    assert sum(times for *_, times, _ in db.do("RL.LOG k 100")) == info["denied"] + info["would_deny"]
