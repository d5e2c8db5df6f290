# SPDX-License-Identifier: MIT
"""What keys of many subjects must answer, said in terms of oracle.py: each subject, and the key itself, is as a key of
its own. Stored limits are those of all; on trial, what is decided is not what is told. Several keys decide together.

The clock only moves forward here: the background sweep decides when an idle subject is forgotten, which may not show.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

from oracle import Key
from oracle_decide import AnyId, Decision, Request, Verdict, labels, longest
from oracle_leases import Concurrent
from oracle_limits import Limit


@dataclass
class Many:
    """A key: its subjects by name, of which the empty one is itself, and the limits that it stores."""

    stored: list[Limit] = field(default_factory=list)
    is_shadow: bool = False
    subjects: dict[str, Key] = field(default_factory=dict)

    def __getitem__(self, subject: str) -> Key:
        return self.subjects.setdefault(subject, Key())

    def define(self, limits: list[Limit], is_shadow: bool, now: int) -> str:
        """Everybody goes over to these limits now, with what is used now."""
        for key in self.subjects.values() if limits != self.stored else []:
            key.redefine(limits, now)
        self.stored, self.is_shadow = limits, is_shadow
        return "OK"

    def check(self, limits: list[Limit], request: Request, now: int, subject: str) -> tuple:
        limits = self.stored or limits
        return self._told(self[subject].check(limits, request, now), request.cost, limits, request.call_id)

    def peek(self, limits: list[Limit], cost: int, now: int, subject: str) -> tuple | None:
        limits = self.stored or limits
        reply = self[subject].peek(limits, cost, now)
        return reply and self._told(reply, cost)

    def reserve(self, limits: list[Limit], ttl: int, cost: int, hold_id: str, now: int, subject: str) -> tuple | str:
        limits = self.stored or limits
        reply = self[subject].reserve(limits, ttl, cost, hold_id, now)
        if not self.is_shadow or isinstance(reply, str):
            return reply
        units = [limit.cost_of(min(cost, limit.size)) for limit in limits if not limit.per_request]
        return *self._told(reply[:6], reply[0] or max(units, default=cost)), hold_id

    def settle(self, hold_id: str, actual: int, limits: list[Limit], now: int, subject: str) -> tuple | None:
        """On trial, what is held is settled; what is not, may be what would have been denied."""
        key = self[subject]
        hold = key.live_hold(hold_id, now)
        charged = actual if hold or not self.is_shadow else 0
        reply = key.settle(hold_id, charged, self.stored or limits, now)
        told = hold.settled if hold and hold.settled is not None else actual
        return reply and (*self._told((told, *reply[1:6]), told), reply[6])

    def refund(self, units: int, now: int, subject: str) -> int:
        return self[subject].refund(units, now)

    def release(self, lease_id: str, now: int, subject: str) -> int:
        return self[subject].release(lease_id, now)

    def info(self, now: int, subject: str) -> tuple | None:
        """Null for who is idle; but a limiter is there, whatever it does."""
        there = self[subject].for_call([], now)
        if not there.accounts and self.stored and not subject:
            there.open(self.stored, now)
        return there.info(now)

    def _told(self, reply: tuple, cost: int, limits: list[Limit] = (), call_id: str | None = None) -> tuple:
        """On trial, everything is granted, at once, and as if nothing had ever been: the smallest limit binds."""
        if not self.is_shadow:
            return reply
        has_leases = any(isinstance(limit, Concurrent) for limit in limits)
        lease = (call_id or AnyId(),) if has_leases else ()
        return cost, *unused(self.stored), *lease


def unused(limits: list[Limit]) -> tuple:
    """Of limits that were never used, what the one binds with that has the fewest remaining, and its label."""
    smallest = min(range(len(limits)), key=lambda i: limits[i].size)
    return limits[smallest].size, limits[smallest].size, 0, 0, labels(limits)[smallest]


class Entry(NamedTuple):
    """One key of RL.CHECKALL: the limits of the call for it, if any, and the subject."""

    key: Many
    limits: list[Limit]
    subject: str = ""

    @property
    def limits_in_force(self) -> list[Limit]:
        return self.key.stored or self.limits

    def tried(self, request: Request, now: int) -> Verdict:
        return deepcopy(self.key[self.subject]).take(self.limits_in_force, request, now)

    def binding(self, verdict: Verdict, now: int) -> Decision:
        """What the limit says that binds in this key."""
        decision = verdict.decisions[verdict.bound]._replace(go_at=verdict.go_at)
        has_none = not verdict.granted and self.key[self.subject].turn.or_later(now) > now
        return decision._replace(remaining=0) if has_none else decision


def check_all(entries: list[Entry], cost: int, now: int) -> tuple:
    """All are charged, or none is. Of limiters on trial, each is charged or not by itself. The lease is one, whatever
    its id. No two entries are of one key and subject: that is an error."""
    request = Request(cost, call_id=object())
    decided = [entry.tried(request, now) for entry in entries]
    in_force = [i for i, entry in enumerate(entries) if not entry.key.is_shadow]
    denying = [i for i in in_force if not decided[i].granted]
    is_never = any(decided[i].go_at is None for i in denying)
    for entry in entries:
        entry.key[entry.subject].take(entry.limits_in_force, request, now, bool(denying), is_never)
    return tell(entries, decided, denying, cost, now)


def tell(entries: list[Entry], verdicts: list[Verdict], denying: list[int], cost: int, now: int) -> tuple:
    """What binds is never on trial, unless all is."""
    in_force = [i for i, entry in enumerate(entries) if not entry.key.is_shadow]
    decisions = [entry.binding(verdict, now) for entry, verdict in zip(entries, verdicts)]
    leases = any(isinstance(limit, Concurrent) for entry in entries for limit in entry.limits_in_force)
    note = [None if denying else AnyId()] if leases else []
    if not in_force:
        return cost, *unused(entries[0].limits_in_force), *note
    bound = longest(decisions, denying) if denying else min(in_force, key=lambda i: decisions[i].remaining)
    go_at = decisions[bound].go_at if denying else max([now, *(decisions[i].go_at for i in in_force)])
    verdict = Verdict(0 if denying else cost, decisions, bound, go_at)
    limits = [entries[i].limits_in_force for i in in_force]
    before = sum(len(entries[i].limits_in_force) for i in in_force if i < bound)
    return *verdict.reply(now), labels(sum(limits, []))[before + verdicts[bound].bound], *note
