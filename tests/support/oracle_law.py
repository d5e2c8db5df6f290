# SPDX-License-Identifier: MIT
"""The law of limits that meet, in its own words: under a limit, a caller gets what that limit alone would give, if all
that was granted on the subject since its first call had been its own.

So here each limit is alone, with a state and nothing else, and is told what the others granted. There is no key, no
list, and no hold. Where oracle.py says the same, it says it in another way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from oracle_decide import Request, Verdict, decide
from oracle_leases import Concurrent, Lease
from oracle_limits import Limit
from oracle_opening import opened


@dataclass
class Alone:
    """One limit, and when somebody was granted something under it last."""

    limit: Limit
    state: object
    last: int

    def says(self, request: Request, at: int) -> Verdict:
        """What it alone answers."""
        return decide([self.limit], [self.state], request.cost, at, request.call_id, request.mode == "FORCE")

    def hears(self, units: int, at: int, lease: Lease | None) -> None:
        """Somebody else was granted that."""
        units = self.limit.cost_of(units)
        if not isinstance(self.limit, Concurrent):
            self.state = self.limit.booked(self.state, units, at)
        elif lease:
            self.state = self.limit.given(self.state, units, at, lease.lease_id, lease.end, lease.given)

    def is_idle(self, now: int) -> bool:
        return self.limit.idle_at(self.state, now) <= now


class Answer(NamedTuple):
    reply: tuple[int, ...]  # the five integers: of one limit
    granted: int
    wait_ms: int
    is_known: bool  # whether all limits had been asked before


class Subject:
    """All limits that a subject is asked under."""

    def __init__(self) -> None:
        self.alone: dict[Limit, Alone] = {}
        self.has_many_lists = False

    def ask(self, limits: list[Limit], request: Request, now: int) -> Answer:
        before = self.alone, self.has_many_lists
        self.alone = self._left(limits, now)
        there = [(each.limit, each.state) for each in self.alone.values()]
        is_known = all(limit in self.alone for limit in limits)
        for limit in limits:  # from its first call on, it is told everything; it starts from what is used by then
            self.alone.setdefault(limit, Alone(limit, opened(limit, there, now), now))
        asked = [self.alone[limit] for limit in limits]
        verdicts = [each.says(request, now) for each in asked]
        refused = [verdict for verdict in verdicts if not verdict.granted]
        is_never = any(verdict.go_at is None for verdict in refused)
        replies = [verdict.reply(now) for verdict in refused or verdicts]
        if not refused:
            self._grant(asked, verdicts, request.cost, now)
        elif is_known or is_never or not there:
            self.alone, self.has_many_lists = before  # nothing is written
        else:
            self._remember_lists(now)
        wait_ms = -1 if is_never else max(reply[3] for reply in replies)
        return Answer(replies[0], 0 if refused else request.cost, wait_ms, is_known)

    def _grant(self, asked: list[Alone], verdicts: list[Verdict], cost: int, now: int) -> None:
        leases = []
        for each, verdict in zip(asked, verdicts):
            [each.state] = verdict.states
            leases += [each.state[-1]] if isinstance(each.limit, Concurrent) else []
        lease = max(leases, key=lambda lease: lease.end, default=None)
        for other in self.alone.values():
            if not any(other is each for each in asked):
                other.hears(cost, now, lease)
        if len(asked) == len(self.alone):
            self.has_many_lists = False
            self.alone = {each.limit: each for each in asked}
            return
        self._remember_lists(now)
        for each in asked:
            each.last = now

    def _remember_lists(self, now: int) -> None:
        """From the second list on."""
        for each in self.alone.values() if not self.has_many_lists else []:
            each.last = now
        self.has_many_lists = True

    def _left(self, limits: list[Limit], now: int) -> dict[Limit, Alone]:
        """All but limits under which nothing was granted while the slowest one recovers, and which nobody asks for now;
        and nothing, if all that is left is idle."""
        left = list(self.alone.values())
        if self.has_many_lists:
            slowest, newest = max(each.limit.recovery for each in left), max(each.last for each in left)
            left = [each for each in left if now - each.last <= slowest or each.last == newest or each.limit in limits]
        if all(each.is_idle(now) for each in left):
            self.has_many_lists, left = False, []
        return {each.limit: each for each in left}
