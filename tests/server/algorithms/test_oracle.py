"""Random traffic against the oracle: thousands of calls, each with its instant, and every reply equal, not nearly so.

A failing run prints its seed; RATELIMIT_TEST_SEED repeats it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import pytest
from redis import ResponseError

from harness import BASE, DAY, HOUR, MINUTE, MS, SECOND, Client, pairs
from oracle import Key, Request
from oracle_limits import (
    LONGEST,
    MOST,
    UNITS,
    Concurrent,
    FixedWindow,
    LeakyBucket,
    Limit,
    Quota,
    SlidingLog,
    TokenBucket,
    WeightedWindow,
    duration,
)


class Step(NamedTuple):
    """At this instant this line gets this reply."""

    now: int
    line: str
    reply: tuple | int | str | None


SEED = int(os.environ.get("RATELIMIT_TEST_SEED", random.SystemRandom().randrange(2**32)))
KEYS = 40
STEPS = 150
EARLIEST, LATEST = BASE - 10 * 365 * DAY, BASE + 100 * 365 * DAY
IDS = ["a", "b", "c", "d"]

# Whole hours, half hours and quarters; midnights that are left out or come twice; a change of half an hour, and of two.
ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "America/Havana", "Asia/Beirut"),
    *("America/Santiago", "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Chatham", "Antarctica/Troll", "Etc/GMT+12"),
    *("Pacific/Kiritimati", "America/St_Johns", "Africa/Casablanca"),
]


def any_size(rng: random.Random, most: int) -> int:
    """A number of any magnitude; the bounds, too, are drawn now and then."""
    return rng.choice([1, most, rng.randint(1, most), int(most ** rng.random()), int(most ** rng.random())])


def any_window(rng: random.Random) -> int:
    return rng.choice([SECOND, 60 * SECOND, DAY, MS * any_size(rng, LONGEST // MS)])


def any_bucket(rng: random.Random) -> TokenBucket:
    period, refill = any_window(rng), any_size(rng, MOST)
    return TokenBucket(any_size(rng, min(MOST, LONGEST * refill // period)), refill, period)


def any_queue(rng: random.Random) -> LeakyBucket:
    bucket = any_bucket(rng)
    return LeakyBucket(bucket.size, bucket.refill, bucket.period)


def any_fixed(rng: random.Random) -> FixedWindow:
    return FixedWindow(any_size(rng, MOST), any_window(rng), rng.random() < 0.5)


def any_log(rng: random.Random) -> SlidingLog:
    return SlidingLog(any_size(rng, MOST), any_window(rng))


def any_weights(rng: random.Random) -> WeightedWindow:
    return WeightedWindow(any_size(rng, MOST), any_window(rng))


def any_quota(rng: random.Random) -> Quota:
    return Quota(any_size(rng, MOST), rng.choice(list(UNITS)), rng.choice(ZONES))


def any_leases(rng: random.Random) -> Concurrent:
    return Concurrent(any_size(rng, MOST), any_window(rng))


ANY = {
    "tokenbucket": any_bucket,
    "leakybucket": any_queue,
    "fixed": any_fixed,
    "sliding": any_log,
    "approx": any_weights,
    "quota": any_quota,
    "concurrent": any_leases,
}


def any_limits(rng: random.Random, count: int) -> list[Limit]:
    """Some of them named, and some that count requests."""
    limits = [rng.choice(list(ANY.values()))(rng) for _ in range(count)]
    names = [f"l{number}" for number in rng.sample(range(9), count)]
    return [
        replace(limit, per_request=rng.random() < 0.2, name=name if rng.random() < 0.3 else "")
        for limit, name in zip(limits, names)
    ]


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


def any_span(rng: random.Random, limit: Limit) -> int:
    """A number of milliseconds, as one says it in a command."""
    around = rng.choice([limit.span // limit.size, limit.span // 2, limit.span, 2 * limit.span])
    return rng.choice([any_window(rng), min(max(int(around) // MS, 1), LONGEST // MS) * MS])


class Conversation:
    """One key's life: what is said to it, and what it must answer."""

    def __init__(self, rng: random.Random, name: str, limits: list[Limit], changes: float, operations: float) -> None:
        self._rng = rng
        self._name = name
        self._limits = limits
        self._changes = changes
        self._operations = operations
        self._key = Key()
        self._now = BASE + rng.randint(0, DAY)
        self._remaining = limits[0].size
        self._wait_ms = 0

    def __iter__(self) -> Iterator[Step]:
        rng = self._rng
        while True:
            self._now = min(max(self._now + any_gap(rng, self._any_limit(), self._wait_ms), EARLIEST), LATEST)
            if rng.random() < self._changes:
                self._limits = self._other_limits()
            if rng.random() < 0.2:
                yield self._peek()
            if rng.random() < self._operations:
                makers: list[Callable[[], Step]] = [self._refund, self._reserve, self._reserve, self._settle]
                yield rng.choice([*makers, self._settle, self._release, self._info])()
            else:
                yield self._check()

    def _any_limit(self) -> Limit:
        return self._rng.choice(self._limits)

    def _other_limits(self) -> list[Limit]:
        """In place of the old ones; or, if there is more to it, some more or less, in any order."""
        limits = [changed(self._rng, limit) for limit in self._limits]
        if self._operations and self._rng.random() < 0.3:
            return any_limits(self._rng, self._rng.randint(1, 4))
        return limits

    def _cost(self) -> int:
        return any_cost(self._rng, self._any_limit(), self._remaining)

    def _step(self, line: str, reply) -> Step:
        return Step(self._now, line, reply)

    def _request(self) -> Request:
        rng, request = self._rng, Request(self._cost())
        if self._operations and rng.random() < 0.5:
            mode = rng.choice(["PARTIAL", "FORCE", "MAXWAIT"])
            request = request._replace(mode=mode, longest_wait=any_span(rng, self._any_limit()))
        has_leases = any(isinstance(limit, Concurrent) for limit in self._limits)
        return request._replace(call_id=rng.choice(IDS)) if has_leases and rng.random() < 0.7 else request

    def _check(self) -> Step:
        request = self._request()
        reply = self._key.check(self._limits, request, self._now)
        _, _, self._remaining, self._wait_ms, *_ = reply
        if len(self._limits) == 1 and self._rng.random() < 0.5:
            algorithm, numbers = words(self._limits).split(" ", 1)
            return self._step(f"RL.{algorithm} {self._name} {numbers} {request}", reply[:5] + reply[6:])
        return self._step(f"RL.CHECK {self._name} {words(self._limits)} {request}", reply)

    def _peek(self) -> Step:
        named, cost = self._rng.choice([[], self._limits]), self._cost()
        line = f"RL.PEEK {self._name} {words(named)} COST {cost}"
        return self._step(line, self._key.peek(named, cost, self._now))

    def _info(self) -> Step:
        return self._step(f"RL.INFO {self._name}", self._key.info(self._now))

    def _refund(self) -> Step:
        units = self._cost()
        return self._step(f"RL.REFUND {self._name} {units}", self._key.refund(units, self._now))

    def _reserve(self) -> Step:
        named = self._rng.choice([[], self._limits, self._limits])
        ttl, cost, hold_id = any_span(self._rng, self._any_limit()), self._cost(), self._rng.choice(IDS)
        line = f"RL.RESERVE {self._name} {duration(ttl)} {words(named)} COST {cost} ID {hold_id}"
        return self._step(line, self._key.reserve(named, ttl, cost, hold_id, self._now))

    def _settle(self) -> Step:
        named, hold_id = self._rng.choice([[], [], self._limits]), self._rng.choice(IDS)
        held = self._key.holds[hold_id].units if hold_id in self._key.holds else self._cost()
        actual = min(self._rng.choice([0, held // 2, held, held + 1, 2 * held, self._cost()]), MOST)
        line = f"RL.SETTLE {self._name} {hold_id} {actual} {words(named)}"
        return self._step(line, self._key.settle(hold_id, actual, named, self._now))

    def _release(self) -> Step:
        lease_id = self._rng.choice(IDS)
        return self._step(f"RL.RELEASE {self._name} {lease_id}", self._key.release(lease_id, self._now))


def words(limits: list[Limit]) -> str:
    return " ".join(map(str, limits))


def seen(line: str, reply):
    """A reply, in the form in which the oracle gives it."""
    if isinstance(reply, ResponseError):
        return str(reply).split()[0]
    if not isinstance(reply, list):
        return reply
    if not line.startswith("RL.INFO"):
        return tuple(reply)
    info = pairs(reply)
    names = "label", "used", "remaining", "reset_ms"
    return info["holds"], [tuple(pairs(limit)[name] for name in names) for limit in info["limits"]]


def play(db: Client, steps: list[Step]) -> None:
    """Sends all steps in one pipeline and compares the replies."""
    pipe = db.pipeline(transaction=False)
    for now, line, _ in steps:
        pipe.execute_command("RL.DEBUG", "CLOCK", "SET", now)
        pipe.execute_command(*line.split())
    for index, (step, reply) in enumerate(zip(steps, pipe.execute(raise_on_error=False)[1::2], strict=True)):
        got = seen(step.line, reply)
        message = f"RATELIMIT_TEST_SEED={SEED}, step {index}, got {got} after\n{transcript(steps[: index + 1])}"
        assert got == step.reply, message


def transcript(steps: list[Step]) -> str:
    return "\n".join(f"{now} {line} -> {expected}" for now, line, expected in steps[-8:])


def converse(db: Client, rng: random.Random, name: str, limits: list[Limit], changes: float, operations: float) -> None:
    play(db, list(islice(Conversation(rng, name, limits, changes, operations), STEPS)))


@pytest.mark.parametrize("changes", [0, 0.1], ids=["one-limit", "limits-that-change"])
@pytest.mark.parametrize("algorithm", ANY)
def test_every_reply_to_random_traffic_is_the_oracles(db, clock, algorithm, changes):
    rng = random.Random(f"{SEED} {algorithm} {changes}")
    for number in range(KEYS):
        converse(db, rng, f"k{number}", [ANY[algorithm](rng)], changes, operations=0)


def test_every_reply_to_random_traffic_under_several_limits_is_the_oracles(db, clock):
    rng = random.Random(f"{SEED} several")
    for number in range(2 * KEYS):
        limits = [rng.choice(list(ANY.values()))(rng) for _ in range(rng.randint(2, 8))]
        converse(db, rng, f"k{number}", limits, changes=0, operations=0)


@pytest.mark.parametrize("changes", [0, 0.1], ids=["one-limit", "limits-that-change"])
@pytest.mark.parametrize("algorithm", ANY)
def test_every_reply_to_random_operations_is_the_oracles(db, clock, algorithm, changes):
    """Modes, refunds, reservations, settlements, releases."""
    rng = random.Random(f"{SEED} operations {algorithm} {changes}")
    for number in range(KEYS):
        converse(db, rng, f"k{number}", [ANY[algorithm](rng)], changes, operations=0.5)


@pytest.mark.parametrize("changes", [0, 0.1], ids=["the-same-limits", "limits-that-change"])
def test_every_reply_to_random_operations_under_several_limits_is_the_oracles(db, clock, changes):
    rng = random.Random(f"{SEED} several operations {changes}")
    for number in range(2 * KEYS):
        converse(db, rng, f"k{number}", any_limits(rng, rng.randint(2, 8)), changes, operations=0.5)


@pytest.mark.parametrize("algorithm", ANY)
def test_the_oracle_by_itself_keeps_what_it_promises(algorithm):
    """No server: who waits as told is granted and not before, what is reserved and settled costs what it did cost, and
    what is given back can be taken again."""
    rng = random.Random(algorithm)
    for _ in range(100):
        limit, key, now = ANY[algorithm](rng), Key(), BASE
        for _ in range(10):
            now += abs(any_gap(rng, limit, 0))
            cost = rng.randint(1, limit.size)
            granted, size, remaining, wait_ms, *_ = key.check([limit], Request(cost), now)
            if not granted:
                now += wait_ms * MS
                assert key._copy(now).check([limit], Request(cost), now - MS)[0] == 0
                assert key.check([limit], Request(cost), now)[0] == cost
            _, [(_, used, left, _)] = key.info(now)
            assert used + left == size
            if not isinstance(limit, Concurrent):
                assert key.refund(1, now) in (0, 1)
                assert not key.limits or key.check([limit], Request(1), now)[0] == 1
    for first, second in (("a", "b"), ("b", "a")):
        key = Key()
        for hold_id in ("a", "b"):
            key.reserve([FixedWindow(1000, DAY)], HOUR, 100, hold_id, BASE)
        key.settle(first, 10, [], BASE + MINUTE)
        key.settle(second, 10, [], BASE + MINUTE)
        assert key.info(BASE + MINUTE) == (0, [("fixed", 20, 980, (DAY - MINUTE) // MS)])


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", UNITS)
def test_the_windows_of_the_oracle_follow_each_other(unit, zone):
    rng, limit = random.Random(f"{unit} {zone}"), Quota(1, unit, zone)
    for _ in range(20):
        now = rng.randrange(EARLIEST, LATEST)
        end = limit.end(now)
        assert now < end == limit.end(end - 1) < limit.end(end)
        assert end - now <= limit.span + 2 * HOUR
