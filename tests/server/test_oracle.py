"""Random traffic against the oracle: thousands of calls, each with its instant, and every reply equal, not nearly so.

A failing run prints its seed; RATELIMIT_TEST_SEED repeats it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest

from harness import BASE, DAY, MS, SECOND, Client
from oracle import LONGEST, MOST, FixedWindow, Key, Limit, SlidingLog, TokenBucket

Step = tuple[int, str, tuple | None]  # at this instant, this line, this reply

SEED = int(os.environ.get("RATELIMIT_TEST_SEED", random.SystemRandom().randrange(2**32)))
KEYS = 40
STEPS = 150
EARLIEST, LATEST = BASE - 10 * 365 * DAY, BASE + 100 * 365 * DAY


def any_size(rng: random.Random, most: int) -> int:
    """A number of any magnitude; the bounds, too, are drawn now and then."""
    return rng.choice([1, most, rng.randint(1, most), int(most ** rng.random()), int(most ** rng.random())])


def any_window(rng: random.Random) -> int:
    return rng.choice([SECOND, 60 * SECOND, DAY, MS * any_size(rng, LONGEST // MS)])


def any_bucket(rng: random.Random) -> TokenBucket:
    period, refill = any_window(rng), any_size(rng, MOST)
    return TokenBucket(any_size(rng, min(MOST, LONGEST * refill // period)), refill, period)


def any_fixed(rng: random.Random) -> FixedWindow:
    return FixedWindow(any_size(rng, MOST), any_window(rng), rng.random() < 0.5)


def any_log(rng: random.Random) -> SlidingLog:
    return SlidingLog(any_size(rng, MOST), any_window(rng))


ANY = {"tokenbucket": any_bucket, "fixed": any_fixed, "sliding": any_log}


def changed(rng: random.Random, limit: Limit) -> Limit:
    """Another limit: of another kind, or the same with another size."""
    if rng.random() < 0.5:
        return rng.choice(list(ANY.values()))(rng)
    most = min(MOST, LONGEST * limit.refill // limit.period) if isinstance(limit, TokenBucket) else MOST
    return replace(limit, size=any_size(rng, most))


def any_gap(rng: random.Random, limit: Limit, wait_ms: int) -> int:
    """How far the clock moves before the next call: often around the instants at which something changes."""
    span = int(limit.span)
    unit = span // limit.size
    edge = rng.choice([unit, span, max(wait_ms, 0) * MS]) + rng.choice([-1, 0, 1])
    anywhere, near, back = rng.randint(0, span), rng.randint(0, 1 + 3 * unit), -rng.randint(0, 1 + span // 8)
    return rng.choice([0, 0, 0, 1, edge, edge, edge, anywhere, anywhere, near, near, back])


def any_cost(rng: random.Random, limit: Limit, remaining: int) -> int:
    few, any_number = rng.randint(1, 1 + limit.size // 8), any_size(rng, limit.size)
    return min(max(rng.choice([1, 1, few, any_number, remaining, remaining + 1, limit.size + 1]), 1), MOST)


def conversation(rng: random.Random, name: str, limits: list[Limit], changes: float) -> Iterator[Step]:
    """One key's life."""
    key, now, wait_ms, remaining = Key(), BASE + rng.randint(0, DAY), 0, limits[0].size
    while True:
        now = min(max(now + any_gap(rng, rng.choice(limits), wait_ms), EARLIEST), LATEST)
        if rng.random() < changes:
            limits = [changed(rng, limit) for limit in limits]
        cost = any_cost(rng, rng.choice(limits), remaining)
        if rng.random() < 0.2:
            named = rng.choice([[], limits])
            yield now, f"RL.PEEK {name} {words(named)} COST {cost}", key.peek(named, cost, now)
        reply = key.check(limits, cost, now)
        _, _, remaining, wait_ms, _, _ = reply
        if len(limits) == 1 and rng.random() < 0.5:
            algorithm, numbers = words(limits).split(" ", 1)
            yield now, f"RL.{algorithm} {name} {numbers} COST {cost}", reply[:5]
        else:
            yield now, f"RL.CHECK {name} {words(limits)} COST {cost}", reply


def words(limits: list[Limit]) -> str:
    return " ".join(map(str, limits))


def play(db: Client, steps: list[Step]) -> None:
    """Sends all steps in one pipeline and compares the replies."""
    pipe = db.pipeline(transaction=False)
    for now, line, _ in steps:
        pipe.execute_command("RL.DEBUG", "CLOCK", "SET", now)
        pipe.execute_command(*line.split())
    for index, (step, reply) in enumerate(zip(steps, pipe.execute()[1::2], strict=True)):
        got = reply if reply is None else tuple(reply)
        assert got == step[2], f"RATELIMIT_TEST_SEED={SEED}, step {index}, after\n{transcript(steps[: index + 1])}"


def transcript(steps: list[Step]) -> str:
    return "\n".join(f"{now} {line} -> {expected}" for now, line, expected in steps[-8:])


@pytest.mark.parametrize("changes", [0, 0.1], ids=["one-limit", "limits-that-change"])
@pytest.mark.parametrize("algorithm", ANY)
def test_every_reply_to_random_traffic_is_the_oracles(db, clock, algorithm, changes):
    rng = random.Random(f"{SEED} {algorithm} {changes}")
    for number in range(KEYS):
        play(db, list(islice(conversation(rng, f"k{number}", [ANY[algorithm](rng)], changes), STEPS)))


def test_every_reply_to_random_traffic_under_several_limits_is_the_oracles(db, clock):
    rng = random.Random(f"{SEED} several")
    for number in range(2 * KEYS):
        limits = [rng.choice(list(ANY.values()))(rng) for _ in range(rng.randint(2, 8))]
        play(db, list(islice(conversation(rng, f"k{number}", limits, 0), STEPS)))
