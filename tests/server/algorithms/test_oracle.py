# SPDX-License-Identifier: MIT
"""Random traffic against the oracle: thousands of calls, each with its instant, and every reply equal, not nearly so.

A failing run prints its seed; RATELIMIT_TEST_SEED repeats it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from harness import BASE, DAY, HOUR, MINUTE, MS, Client
from oracle import Key
from oracle_calendar import UNITS
from oracle_decide import Request
from oracle_leases import Concurrent
from oracle_limits import MOST, FixedWindow, Limit, Quota, duration
from random_limits import ANY, EARLIEST, IDS, LATEST, ZONES, any_cost, any_gap, any_limits, any_span, changed, words
from seed import SEED
from steps import Step, hear

KEYS = 40
STEPS = 150


class Conversation:
    """One key's life: what is said to it, and what it must answer."""

    def __init__(self, rng: random.Random, name: str, limits: list[Limit], changes: float, operations: float) -> None:
        self._rng = rng
        self._name = name
        self._limits = limits
        self._lists = [limits]
        self._changes = changes
        self._operations = operations
        self._key = Key()
        self._now = BASE + rng.randint(0, DAY)
        self._remaining = limits[0].size
        self._wait_ms = 0

    def __iter__(self) -> Iterator[Step]:
        rng = self._rng
        while True:
            gap = any_gap(rng, self._any_limit(), self._wait_ms)
            # A clock that was ahead is a matter of one list: with others, each limit corrects its own state.
            self._now = min(max(self._now + (max(gap, 0) if self._changes else gap), EARLIEST), LATEST)
            if rng.random() < self._changes:
                self._limits = self._other_limits()
            if rng.random() < 0.2:
                yield self._peek()
            if rng.random() < self._operations:
                makers: list[Callable[[], Step]] = [self._refund, self._release, self._info, self._block, self._reset]
                # Holds and turns keep accounts that would be dropped: tests/core/account_walk_test.cpp has them all.
                holds = [self._reserve, self._reserve, self._settle, self._settle] if not self._changes else []
                yield rng.choice([*makers, *holds])()
            else:
                yield self._check()

    def _any_limit(self) -> Limit:
        return self._rng.choice(self._limits)

    def _other_limits(self) -> list[Limit]:
        """In place of the old ones; or, if there is more to it, some more or less, in any order. With holds, which
        know accounts by their places, no more lists than there are accounts for."""
        limits = [changed(self._rng, limit) for limit in self._limits]
        if self._operations and self._rng.random() < 0.3:
            limits = any_limits(self._rng, self._rng.randint(1, 4))
        if self._operations and sum(map(len, [*self._lists, limits])) > 8:
            return self._rng.choice(self._lists)
        self._lists.append(limits)
        return limits

    def _cost(self) -> int:
        return any_cost(self._rng, self._any_limit(), self._remaining)

    def _step(self, line: str, reply) -> Step:
        return Step(self._now, line, reply)

    def _request(self) -> Request:
        rng, request = self._rng, Request(self._cost())
        if self._operations and rng.random() < 0.5:
            mode = rng.choice(["PARTIAL", "FORCE", "FORCE" if self._changes else "MAXWAIT"])
            request = request._replace(mode=mode, longest_wait=any_span(rng, self._any_limit()))
        has_leases = any(isinstance(limit, Concurrent) for limit in self._limits)
        # Which of two leases that end at one instant a smaller limit keeps is up to their ids: none may be unknown.
        has_id = has_leases and (self._changes > 0 or rng.random() < 0.7)
        return request._replace(call_id=rng.choice(IDS)) if has_id else request

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
        named = self._rng.choice([[], self._limits, self._limits, self._limits])
        ttl, cost, hold_id = any_span(self._rng, self._any_limit()), self._cost(), self._rng.choice(IDS)
        line = f"RL.RESERVE {self._name} {duration(ttl)} {words(named)} COST {cost} ID {hold_id}"
        return self._step(line, self._key.reserve(named, ttl, cost, hold_id, self._now))

    def _settle(self) -> Step:
        hold_id = self._rng.choice(IDS)
        held = self._key.holds[hold_id].granted if hold_id in self._key.holds else self._cost()
        actual = min(self._rng.choice([0, held // 2, held, held + 1, 2 * held, self._cost()]), MOST)
        return self._step(
            f"RL.SETTLE {self._name} {hold_id} {actual}", self._key.settle(hold_id, actual, [], self._now)
        )

    def _block(self) -> Step:
        length = self._rng.choice([0, 0, MS, any_span(self._rng, self._any_limit())])
        line = f"RL.BLOCK {self._name} {duration(length) if length else 0}"
        return self._step(line, self._key.block_for(length, self._now))

    def _reset(self) -> Step:
        return self._step(f"RL.RESET {self._name}", self._key.reset(self._now))

    def _release(self) -> Step:
        lease_id = self._rng.choice(IDS)
        return self._step(f"RL.RELEASE {self._name} {lease_id}", self._key.release(lease_id, self._now))


def converse(db: Client, rng: random.Random, name: str, limits: list[Limit], changes: float, operations: float) -> None:
    hear(db, list(islice(Conversation(rng, name, limits, changes, operations), STEPS)))


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
        if not limit.size:
            assert key.check([limit], Request(), now)[:4] == (0, 0, 0, -1)
            continue
        for _ in range(10):
            now += abs(any_gap(rng, limit, 0))
            cost = rng.randint(1, limit.size)
            granted, size, remaining, wait_ms, *_ = key.check([limit], Request(cost), now)
            if not granted:
                now += wait_ms * MS
                assert key.copy().check([limit], Request(cost), now - MS)[0] == 0
                assert key.check([limit], Request(cost), now)[0] == cost
            _, _, [(_, used, left, _)] = key.info(now)
            assert used + left == size
            if not isinstance(limit, Concurrent):
                assert key.refund(1, now) in (0, 1)
                assert not key.accounts or key.check([limit], Request(1), now)[0] == 1
    for first, second in (("a", "b"), ("b", "a")):
        key = Key()
        for hold_id in ("a", "b"):
            key.reserve([FixedWindow(1000, DAY)], HOUR, 100, hold_id, BASE)
        key.settle(first, 10, [], BASE + MINUTE)
        key.settle(second, 10, [], BASE + MINUTE)
        held, _, limits = key.info(BASE + MINUTE)
        assert (len(held), limits) == (2, [("fixed", 20, 980, (DAY - MINUTE) // MS)])


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", UNITS)
def test_the_windows_of_the_oracle_follow_each_other(unit, zone):
    rng, limit = random.Random(f"{unit} {zone}"), Quota(1, unit, zone)
    for _ in range(20):
        now = rng.randrange(EARLIEST, LATEST)
        end = limit.end(now)
        assert now < end == limit.end(end - 1) < limit.end(end)
        assert end - now <= limit.span + 2 * HOUR
