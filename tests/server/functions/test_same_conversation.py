# SPDX-License-Identifier: MIT
"""Random conversations, held three times: with the oracle, with the module, with the functions. Every reply is the
same. Instants are whole microseconds, since that is how fine the clock of a function is.

A failing run prints its seed; RATELIMIT_TEST_SEED repeats it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from math import gcd

import pytest

from functions import as_function, clock_words
from harness import BASE, DAY, Client
from oracle import Key
from oracle_decide import Request
from oracle_limits import MOST, FixedWindow, Limit, SlidingLog, TokenBucket
from random_limits import ANY, EARLIEST, LATEST, any_cost, any_gap, any_size, words
from seed import SEED
from steps import Step, seen, transcript

KEYS = 8
STEPS = 120
MOST_TICKS = 2**52
MOST_IN_LOG = 100_000
KINDS = ["tokenbucket", "leakybucket", "fixed", "sliding", "approx"]


def is_supported(limit: Limit) -> bool:
    """What the functions cannot count exactly they refuse."""
    if isinstance(limit, TokenBucket):
        microseconds = limit.period // 1000
        return limit.size * microseconds // gcd(microseconds, limit.refill) <= MOST_TICKS
    return not isinstance(limit, SlidingLog) or limit.size <= MOST_IN_LOG


def any_supported(rng: random.Random, kind: str) -> Limit:
    return next(limit for limit in iter(lambda: ANY[kind](rng), None) if is_supported(limit))


class Conversation:
    """One key's life under one list of limits."""

    def __init__(self, rng: random.Random, name: str, limits: list[Limit]) -> None:
        self._rng = rng
        self._name = name
        self._limits = limits
        self._key = Key()
        self._now = BASE + rng.randint(0, DAY // 1000) * 1000
        self._remaining = limits[0].size
        self._wait_ms = 0

    def __iter__(self) -> Iterator[Step]:
        sayings = [self._check] * 6 + [self._peek] * 2 + [self._refund] + [self._reset] * (len(self._limits) == 1)
        while True:
            gap = any_gap(self._rng, self._rng.choice(self._limits), self._wait_ms)
            near = gap // 1000 * 1000 + self._rng.choice([0, 0, 1000])
            self._now = min(max(self._now + near, EARLIEST), LATEST)
            yield self._rng.choice(sayings)()

    def _cost(self) -> int:
        return any_cost(self._rng, self._rng.choice(self._limits), self._remaining)

    def _check(self) -> Step:
        cost = 0 if self._rng.random() < 0.05 else self._cost()
        request = Request(cost, self._rng.choice(["", "", "PARTIAL"]))
        reply = self._key.check(self._limits, request, self._now)
        _, _, self._remaining, self._wait_ms, *_ = reply
        if len(self._limits) == 1 and self._rng.random() < 0.5:
            algorithm, numbers = words(self._limits).split(" ", 1)
            return Step(self._now, f"RL.{algorithm} {self._name} {numbers} {request}", reply[:5])
        return Step(self._now, f"RL.CHECK {self._name} {words(self._limits)} {request}", reply)

    def _peek(self) -> Step:
        named, cost = self._rng.choice([[], self._limits]), self._cost()
        line = f"RL.PEEK {self._name} {words(named)} COST {cost}"
        return Step(self._now, line, self._key.peek(named, cost, self._now))

    def _refund(self) -> Step:
        units = self._rng.choice([1, self._cost(), any_size(self._rng, MOST)])
        return Step(self._now, f"RL.REFUND {self._name} {units}", self._key.refund(units, self._now))

    def _reset(self) -> Step:
        return Step(self._now, f"RL.RESET {self._name}", self._key.reset(self._now))


def hear_both(db: Client, steps: list[Step]) -> None:
    """Says all steps to the module and to the functions, and compares the replies."""
    pipe = db.pipeline(transaction=False)
    for now, line, _ in steps:
        pipe.execute_command("RL.DEBUG", "CLOCK", "SET", now)
        pipe.execute_command(*line.split())
        pipe.execute_command(*clock_words(now))
        pipe.execute_command(*as_function(line.replace(" k", " f", 1)))
    replies = pipe.execute(raise_on_error=False)
    for index, (step, module, functions) in enumerate(zip(steps, replies[1::4], replies[3::4], strict=True)):
        got = seen(step.line, module), seen(step.line, functions)
        message = f"RATELIMIT_TEST_SEED={SEED}, step {index}, got {got} after\n{transcript(steps[: index + 1])}"
        assert got == (step.reply, step.reply), message


def converse(db: Client, rng: random.Random, number: int, limits: list[Limit]) -> None:
    hear_both(db, list(islice(Conversation(rng, f"k{number}", limits), STEPS)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_reply_is_the_modules_and_the_oracles(db, functions, kind):
    rng = random.Random(f"{SEED} functions {kind}")
    for number in range(KEYS):
        converse(db, rng, number, [any_supported(rng, kind)])


def test_every_reply_under_several_limits_is_the_modules_and_the_oracles(db, functions):
    rng = random.Random(f"{SEED} functions several")
    for number in range(2 * KEYS):
        converse(db, rng, number, [any_supported(rng, rng.choice(KINDS)) for _ in range(rng.randint(2, 8))])


def test_every_reply_about_several_keys_is_the_modules(db, functions):
    """Without the oracle: the limits decide as those of one key do. Now and then a key is asked alone."""
    rng = random.Random(f"{SEED} functions keys")
    for number in range(KEYS):
        limits = [any_supported(rng, rng.choice(KINDS)) for _ in range(rng.randint(2, 4))]
        names, now, steps = [f"{number}:{index}" for index in range(len(limits))], BASE, []
        for _ in range(STEPS):
            limit = rng.choice(limits)
            now = min(max(now + any_gap(rng, limit, 0) // 1000 * 1000, EARLIEST), LATEST)
            index, cost = rng.randrange(len(limits)), any_cost(rng, limit, limit.size // 2)
            alone = f"RL.CHECK k{names[index]} {limits[index]} COST {cost}"
            keys = " ".join(f"k{name}" for name in names)
            together = f"RL.CHECKALL {len(names)} {keys} {words(limits)} COST {cost}"
            steps.append((now, rng.choice([alone, together, together])))
        hear_alike(db, steps)


def hear_alike(db: Client, steps: list[tuple[int, str]]) -> None:
    """Says all steps to the module and to the functions, whose replies must be the same."""
    pipe = db.pipeline(transaction=False)
    for now, line in steps:
        pipe.execute_command("RL.DEBUG", "CLOCK", "SET", now)
        pipe.execute_command(*line.split())
        pipe.execute_command(*clock_words(now))
        pipe.execute_command(*as_function(line.replace(" k", " f")))
    replies = pipe.execute(raise_on_error=False)
    for (now, line), module, functions in zip(steps, replies[1::4], replies[3::4], strict=True):
        assert seen(line, functions) == seen(line, module), f"RATELIMIT_TEST_SEED={SEED} {now} {line}"


@pytest.mark.parametrize("limit", [FixedWindow(MOST, DAY), FixedWindow(MOST, DAY, aligned=True)], ids=str)
def test_the_largest_limits_are_counted_exactly(db, functions, limit):
    rng = random.Random(f"{SEED} functions largest {limit}")
    converse(db, rng, 0, [limit])
