# SPDX-License-Identifier: MIT
"""`next_unit_ms` of RL.INFO against the truth: exactly then one more unit remains, and not a millisecond earlier."""

import random

import pytest

from harness import MS, SECOND, pairs

LIMITS = [
    "TOKENBUCKET 5 1 1s",
    "TOKENBUCKET 7 3 700ms",
    "TOKENBUCKET 5 2 1s PER REQUEST",
    "TOKENBUCKET 0 1 1s",
    "LEAKYBUCKET 4 1 300ms",
    "FIXED 1 1s",
    "FIXED 4 2s",
    "FIXED 4 2s ALIGNED",
    "SLIDING 5 3s",
    "SLIDING 3 2s PER REQUEST",
    "SLIDING 5 3s APPROX",
    "SLIDING 50 3s APPROX",
    "QUOTA 5 HOUR",
    "CONCURRENT 3 2s",
]
LONGEST_MS = 100_000


def of_limits(db, who: str = "") -> dict:
    """The limits that RL.INFO shows, by their labels; none of who is forgotten."""
    info = db.do(f"RL.INFO k{who}")
    limits = [pairs(limit) for limit in pairs(info)["limits"]] if info else []
    return {limit["label"]: limit for limit in limits}


def remaining(db, who: str, limit: dict) -> int:
    return of_limits(db, who).get(limit["label"], {"remaining": limit["size"]})["remaining"]


def check_next_unit(db, clock, who: str, limit: dict) -> None:
    before, next_ms = limit["remaining"], limit["next_unit_ms"]
    assert (next_ms == -1) == (limit["size"] == 0), limit
    assert next_ms != 0 or before == limit["size"], limit
    if next_ms <= 0:
        return
    clock.advance((next_ms - 1) * MS)
    assert remaining(db, who, limit) <= before, ("a millisecond early", limit)
    clock.advance(MS)
    assert remaining(db, who, limit) > before, ("not then", limit)


def something(numbers: random.Random, check: str, who: str) -> str:
    """A command. `check` is one without its cost."""
    cost = numbers.choice([1, 1, 2, 3])
    lease = f" ID {numbers.randrange(1 << 30)}"
    return numbers.choice(
        [
            f"{check} COST {cost}{lease}",
            f"{check} COST {cost}{lease} PARTIAL",
            f"{check} COST {3 * cost}{lease} FORCE",
            f"{check} COST {cost}{lease} MAXWAIT 4s",
            f"RL.REFUND k 1{who}",
            f"RL.BLOCK k 700ms{who}",
        ]
    )


@pytest.mark.parametrize("seed", range(24))
def test_one_more_unit_remains_when_info_says_so(db, clock, seed):
    numbers = random.Random(seed)
    chosen = numbers.sample(LIMITS, numbers.choice([1, 1, 2, 3]))
    limits = " ".join(f"{limit} AS l{i}" for i, limit in enumerate(chosen))
    who = numbers.choice(["", " FOR bob"])
    check = f"RL.CHECK k {limits}{who}"
    if numbers.random() < 0.6:
        db.do(f"RL.DEFINE k {limits}" + numbers.choice(["", "", " SHADOW"]))
        check = f"RL.CHECK k{who}"
    for _ in range(25):
        clock.advance(numbers.choice([0, 0, 1, 37 * MS + 123, numbers.randrange(3 * SECOND)]))
        db.do(something(numbers, check, who))
        shown = of_limits(db, who)
        if shown and numbers.random() < 0.5:
            limit = shown[numbers.choice(sorted(shown))]
            if limit["next_unit_ms"] <= LONGEST_MS:
                check_next_unit(db, clock, who, limit)


@pytest.mark.parametrize(
    ("line", "next_unit_ms"),
    [
        ("RL.FIXED k 4 10s", 2000),
        ("RL.FIXED k 4 10s COST 4", 10_000),
        ("RL.TOKENBUCKET k 4 1 3s COST 4", 3000),
        ("RL.TOKENBUCKET k 4 1 1s COST 4", 2000),
        ("RL.LEAKYBUCKET k 4 1 1s COST 4", 2000),
        ("RL.CONCURRENT k 1 9s ID a", 9000),
    ],
)
def test_a_block_keeps_the_next_unit_back(db, clock, line, next_unit_ms):
    db.ask(line)
    db.do("RL.BLOCK k 2s")
    [limit] = of_limits(db).values()
    assert (limit["remaining"], limit["next_unit_ms"]) == (0, next_unit_ms)


def test_the_turn_of_a_call_that_waits_keeps_the_next_unit_back(db, clock):
    db.ask_times(2, "RL.CHECK k TOKENBUCKET 1 1 1s AS slow FIXED 9 1h AS roomy MAXWAIT 9s")
    shown = {label: (limit["remaining"], limit["next_unit_ms"]) for label, limit in of_limits(db).items()}
    assert shown == {"slow": (0, 2000), "roomy": (0, 1000)}
