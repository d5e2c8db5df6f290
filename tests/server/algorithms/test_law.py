# SPDX-License-Identifier: MIT
"""The law of limits that meet (docs/limiters.md): whoever asks one subject under whatever limits in turn, each limit
answers as if it were alone and all that was granted since its first call had been its own (support/oracle_law.py).

A failing run prints its seed; RATELIMIT_TEST_SEED repeats it. RATELIMIT_LAW is the number of conversations, which is
spread over all pairs of algorithms: a few hundred by default, 100000 for a night.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import pytest

from harness import BASE, DAY, HOUR, MINUTE, MS, SECOND, Client
from oracle_decide import Request
from oracle_law import Alone, Subject
from oracle_leases import Concurrent
from oracle_limits import FixedWindow, LeakyBucket, Limit, Quota, SlidingLog, TokenBucket, WeightedWindow, ceil_ms
from random_limits import words
from seed import SEED

CONVERSATIONS = int(os.environ.get("RATELIMIT_LAW", "600"))
STEPS = 40
AT_ONCE = 25  # conversations in one pipeline
SPANS = [SECOND, 2 * SECOND, 3 * SECOND, 30 * SECOND, 31 * SECOND, MINUTE, HOUR]
ZONES = ["UTC", "Asia/Kathmandu", "America/New_York"]
IDS = ["a", "b", "c"]


def size(rng: random.Random) -> int:
    return rng.choice([1, 2, 5, 10, rng.randint(1, 30)])


# Small limits, so that all that matters happens within a few calls.
KINDS: dict[str, Callable[[random.Random], Limit]] = {
    "tokenbucket": lambda rng: TokenBucket(size(rng), rng.choice([1, 5, 7]), rng.choice(SPANS)),
    "leakybucket": lambda rng: LeakyBucket(size(rng), rng.choice([1, 5, 7]), rng.choice(SPANS)),
    "fixed": lambda rng: FixedWindow(size(rng), rng.choice(SPANS), rng.random() < 0.3),
    "sliding": lambda rng: SlidingLog(size(rng), rng.choice(SPANS)),
    "approx": lambda rng: WeightedWindow(size(rng), rng.choice(SPANS)),
    "quota": lambda rng: Quota(size(rng), rng.choice(["HOUR", "DAY"]), rng.choice(ZONES)),
    "concurrent": lambda rng: Concurrent(size(rng), rng.choice(SPANS)),
}
PAIRS = list(product(KINDS, repeat=2))
EACH = -(-CONVERSATIONS // len(PAIRS))


class Said(NamedTuple):
    """At this instant, this line; and what it must answer."""

    now: int
    line: str
    expected: tuple
    seen: Callable[[list], tuple]  # that part of the reply
    is_quiet: bool = False  # denied under limits that the subject knows


def all_five(reply: list) -> tuple:
    return tuple(reply[:5])


def granted_and_wait(reply: list) -> tuple:
    return reply[0], reply[3]


class Conversation:
    """Some callers with limits of their own, who ask the same subject in turn."""

    def __init__(self, rng: random.Random, name: str, lists: list[list[Limit]]) -> None:
        self._rng, self._name, self._lists = rng, name, lists
        self._who = rng.choice(["", "", " FOR me"])
        self._subject = Subject()
        self._now = BASE + rng.randint(0, DAY)

    def __iter__(self) -> Iterator[Said]:
        rng = self._rng
        while True:
            self._now += self._gap()
            limits = rng.choice(self._lists)
            request = Request(rng.choice([1, 1, 1, 2, rng.randint(1, 12)]))
            if any(isinstance(limit, Concurrent) for limit in limits):
                request = request._replace(call_id=rng.choice(IDS))
            if rng.random() < 0.1:
                request = request._replace(mode="FORCE")
            said = self._say(limits, request)
            yield said
            if not request.mode and said.expected[0] == 0 and self._wait_ms > 0 and rng.random() < 0.3:
                self._now += self._wait_ms * MS
                again = self._say(limits, request)
                assert self._granted == request.cost, f"the wait comes true: {said}, {again}"
                yield again

    def _say(self, limits: list[Limit], request: Request) -> Said:
        answer = self._subject.ask(limits, request, self._now)
        self._granted, self._wait_ms = answer.granted, answer.wait_ms
        is_quiet = answer.is_known and not answer.granted
        if len(limits) > 1:
            line = f"RL.CHECK {self._name} {words(limits)} {request}"
            expected = answer.granted, answer.wait_ms
            return Said(self._now, line + self._who, expected, granted_and_wait, is_quiet)
        [limit] = limits
        way = self._rng.randrange(4)
        if way == 0 and type(limit) is TokenBucket and not request.mode and not self._who and is_of_seconds(limit):
            line = f"CL.THROTTLE {self._name} {limit.size - 1} {limit.refill} {limit.period // SECOND} {request.cost}"
            return Said(self._now, line, in_seconds(answer.reply), all_five, is_quiet)
        if way == 1 and not request.mode and not isinstance(limit, Concurrent):
            line = f"RL.CHECKALL 1 {self._name} {limit} COST {request.cost}"
        elif way == 2:
            algorithm, numbers = str(limit).split(" ", 1)
            line = f"RL.{algorithm} {self._name} {numbers} {request}"
        else:
            line = f"RL.CHECK {self._name} {limit} {request}"
        return Said(self._now, line + self._who, answer.reply, all_five, is_quiet)

    def _gap(self) -> int:
        """Often to the very instant at which something changes."""
        rng, limit = self._rng, self._rng.choice(self._rng.choice(self._lists))
        unit = limit.span // limit.size
        edge = int(rng.choice([unit, limit.span, limit.span // 2])) + rng.choice([-1, 0, 1])
        return rng.choice([0, 0, 0, 1, edge, edge, rng.randint(0, int(unit)), rng.randint(0, 2 * int(limit.span))])


def is_of_seconds(limit: TokenBucket) -> bool:
    return limit.period % SECOND == 0 and not limit.name and not limit.per_request


def in_seconds(reply: tuple[int, ...]) -> tuple[int, ...]:
    """The reply of redis-cell."""
    granted, limit, remaining, wait_ms, reset_ms = reply
    retry_after = -1 if granted else -(-wait_ms // 1000) if wait_ms >= 0 else -1
    return int(not granted), limit, remaining, retry_after, -(-reset_ms // 1000)


def conversations(seed: str, count: int, lists: Callable[[random.Random], list[list[Limit]]]) -> Iterator[list[Said]]:
    for number in range(count):
        rng = random.Random(f"{SEED} {seed} {number}")
        steps = iter(Conversation(rng, f"k{number}", lists(rng)))
        yield [next(steps) for _ in range(STEPS)]


def hear(db: Client, talks: list[list[Said]]) -> None:
    """All at once; each talk is about a key of its own, and comes again from the start."""
    pipe = db.pipeline(transaction=False)
    pipe.execute_command("FLUSHALL", "SYNC")
    for said in (said for talk in talks for said in talk):
        pipe.execute_command("RL.DEBUG", "CLOCK", "SET", said.now)
        pipe.execute_command(*said.line.split())
    replies = iter(pipe.execute(raise_on_error=False)[2::2])
    for talk in talks:
        for number, said in enumerate(talk):
            reply = next(replies)
            got = said.seen(reply) if isinstance(reply, list) else reply
            if got != said.expected:
                told = "\n".join(f"{now} {line} -> {expected}" for now, line, expected, *_ in talk[: number + 1])
                raise AssertionError(f"RATELIMIT_TEST_SEED={SEED}, got {got} at the end of\n{told}")


def hear_all(db: Client, talks: Iterator[list[Said]]) -> None:
    while some := [talk for _, talk in zip(range(AT_ONCE), talks)]:
        hear(db, some)


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=map("-".join, PAIRS))
def test_each_of_two_limits_answers_as_if_it_were_alone(db, clock, first, second):
    """Of two algorithms, or of one with other numbers; now and then the same but for its size."""

    def two(rng: random.Random) -> list[list[Limit]]:
        one, other = KINDS[first](rng), KINDS[second](rng)
        if first == second and rng.random() < 0.5:
            other = replace(one, size=size(rng))
        return [[one], [other]]

    hear_all(db, conversations(f"{first} {second}", EACH, two))


def any_limit(rng: random.Random) -> Limit:
    limit = KINDS[rng.choice(list(KINDS))](rng)
    return replace(limit, per_request=rng.random() < 0.15)


def test_each_of_up_to_eight_limits_answers_as_if_it_were_alone(db, clock):
    def several(rng: random.Random) -> list[list[Limit]]:
        return [[limit] for limit in dict.fromkeys(any_limit(rng) for _ in range(rng.randint(3, 8)))]

    hear_all(db, conversations("several", -(-CONVERSATIONS // 5), several))


def test_lists_that_share_a_limit_grant_when_each_limit_alone_would(db, clock):
    """And the wait is the longest of those that deny."""

    def lists(rng: random.Random) -> list[list[Limit]]:
        shared, *others = dict.fromkeys(any_limit(rng) for _ in range(rng.randint(2, 5)))
        named = [replace(other, name=f"l{number}") for number, other in enumerate(others)]
        cuts = [rng.sample(named, rng.randint(0, len(named))) for _ in range(rng.randint(2, 3))]
        return [sorted([shared, *cut], key=lambda _: rng.random()) for cut in cuts]

    hear_all(db, conversations("lists", -(-CONVERSATIONS // 5), lists))


# --- what follows from the law

FAMILIES = ["tokenbucket", "leakybucket", "fixed", "sliding", "approx", "quota"]


@pytest.mark.parametrize("family", FAMILIES)
def test_at_one_instant_no_more_is_granted_than_the_largest_limit_has(db, clock, family):
    """Whatever limits of one family are named in turn."""
    for number in range(-(-CONVERSATIONS // 20)):
        rng = random.Random(f"{SEED} instant {family} {number}")
        limits = [KINDS[family](rng) for _ in range(rng.randint(2, 8))]
        clock.set(BASE + rng.randint(0, DAY))
        pipe = db.pipeline(transaction=False)
        for _ in range(60):
            pipe.execute_command("RL.CHECK", f"k{number}", *str(rng.choice(limits)).split(), "COST", rng.randint(1, 4))
        granted = sum(reply[0] for reply in pipe.execute())
        assert granted <= max(limit.size for limit in limits), f"RATELIMIT_TEST_SEED={SEED}: {words(limits)}"


def test_a_denial_under_limits_that_are_known_changes_not_a_byte(db, clock):
    """Nor does it move the end of the key."""

    def two(rng: random.Random) -> list[list[Limit]]:
        return [[any_limit(rng)], [any_limit(rng)]]

    quiet = 0
    for number, talk in enumerate(conversations("quiet", -(-CONVERSATIONS // 10), two)):
        db.flushall()
        pipe = db.pipeline(transaction=False)
        for said in talk:
            pipe.execute_command("RL.DEBUG", "CLOCK", "SET", said.now)
            for line in ("DEBUG DIGEST", f"PEXPIRETIME k{number}", said.line, "DEBUG DIGEST", f"PEXPIRETIME k{number}"):
                pipe.execute_command(*line.split())
        replies = pipe.execute(raise_on_error=False)
        for index, said in enumerate(talk):
            _, *before, _, digest, end = replies[6 * index : 6 * index + 6]
            quiet += said.is_quiet
            assert not said.is_quiet or [digest, end] == before, f"RATELIMIT_TEST_SEED={SEED}, {talk[: index + 1]}"
    assert quiet > 0


def sizes_up_and_down(rng: random.Random, largest: Limit, step: int, count: int) -> Iterator[tuple[int, Limit | None]]:
    """Instants of calls, and the limit that an operator or a controller stores then, if any."""
    now, next_change = BASE + rng.randint(0, DAY), 0
    for _ in range(count):
        now += rng.choice([0, 0, 1, rng.randint(0, step), rng.randint(0, int(largest.span) // 4)])
        is_changed = now >= next_change
        next_change = now + step if is_changed else next_change
        yield now, replace(largest, size=rng.randint(1, largest.size)) if is_changed else None


@pytest.mark.parametrize("step", [100 * MS, MINUTE], ids=["a-controller", "an-operator"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "concurrent"])
def test_stored_sizes_that_go_down_and_up_give_no_more_than_the_largest_alone(db, clock, kind, step):
    """And nobody waits longer than an empty bucket, or a whole window, would make him wait."""
    for number in range(-(-CONVERSATIONS // 40)):
        rng = random.Random(f"{SEED} sizes {kind} {step} {number}")
        largest = replace(KINDS[kind](rng), size=rng.randint(5, 40))
        pipe, asked, size_now = db.pipeline(transaction=False), [], largest.size
        for now, changed in sizes_up_and_down(rng, largest, step, 150):
            pipe.execute_command("RL.DEBUG", "CLOCK", "SET", now)
            if changed:
                size_now = changed.size
                pipe.execute_command("RL.DEFINE", f"k{number}", *str(changed).split())
            cost = rng.choice([1, 1, rng.randint(1, 5)])
            pipe.execute_command("RL.CHECK", f"k{number}", "FOR", "me", "COST", cost)
            asked.append((now, cost, size_now))
        replies = [reply for reply in pipe.execute() if isinstance(reply, list)]
        assert_no_more_than(largest, asked, replies, f"RATELIMIT_TEST_SEED={SEED}, {kind} {step} {number}")


def assert_no_more_than(largest: Limit, asked: list[tuple[int, int, int]], replies: list[list], message: str) -> None:
    alone = Alone(largest, None, 0)
    for (now, cost, size_now), reply in zip(asked, replies, strict=True):
        assert reply[1] == size_now, message
        if reply[0]:
            alone.hears(cost, now, None)
            assert largest.used(alone.state, now) <= largest.size, message
        elif reply[3] >= 0:
            interval = largest.interval if isinstance(largest, TokenBucket) else 0
            longest = cost * interval or 2 * DAY if isinstance(largest, Quota) else cost * interval or 2 * largest.span
            assert reply[3] <= ceil_ms(longest) + 1, message
