# SPDX-License-Identifier: MIT
"""What keys of many subjects must answer, said in terms of oracle.py: each subject, and the key itself, is as a key of
its own. Stored limits are those of all; on trial, what is decided is not what is told. Several keys decide together.

The clock only moves forward here: the background sweep decides when an idle subject is forgotten, which may not show.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

from oracle import AnyId, Decision, Key, Request, Verdict, fewest, longest
from oracle_limits import Concurrent, Limit


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
            key._collect(now)
            if key.limits:
                key.states = key._states_under(limits, now)
                key.limits = limits
        self.stored, self.is_shadow = limits, is_shadow
        return "OK"

    def check(self, limits: list[Limit], request: Request, now: int, subject: str) -> tuple:
        limits = self.stored or limits
        return self._told(self[subject].check(limits, request, now), request.cost, limits, request.call_id)

    def peek(self, limits: list[Limit], cost: int, now: int, subject: str) -> tuple | None:
        reply = self[subject].peek(self.stored or limits, cost, now)
        return reply and self._told(reply, cost)

    def reserve(self, limits: list[Limit], ttl: int, cost: int, hold_id: str, now: int, subject: str) -> tuple | str:
        limits, held = self.stored or limits, self[subject]._live_hold(hold_id, now)
        reply = self[subject].reserve(limits, ttl, cost, hold_id, now)
        if not self.is_shadow:
            return reply
        estimate = min([cost, *(limit.size for limit in limits if not limit.per_request)])
        return *self._told(reply[:6], held.units if held else estimate), hold_id

    def settle(self, hold_id: str, actual: int, limits: list[Limit], now: int, subject: str) -> tuple | None:
        """On trial, what is held is settled; what is not, may be what would have been denied."""
        key = self[subject]
        is_known = key._live_hold(hold_id, now) is not None
        charged = actual if is_known or not self.is_shadow else 0
        reply = key.settle(hold_id, charged, self.stored or limits, now)
        return reply and (*self._told((actual, *reply[1:6]), actual), reply[6])

    def refund(self, units: int, now: int, subject: str) -> int:
        return self[subject].refund(units, now)

    def release(self, lease_id: str, now: int, subject: str) -> int:
        return self[subject].release(lease_id, now)

    def info(self, now: int, subject: str) -> tuple | None:
        """Null for who is idle; but a limiter is there, whatever it does."""
        key = deepcopy(self[subject])
        key._collect(now)
        if key.limits:
            key._tidy(now)
        if not key.limits and self.stored and not subject:
            key.limits, key.states = self.stored, [None] * len(self.stored)
        return key.info(now)

    def _told(self, reply: tuple, cost: int, limits: list[Limit] = (), call_id: str | None = None) -> tuple:
        """On trial, everything is granted, and at once."""
        if not self.is_shadow:
            return reply
        has_leases = any(isinstance(limit, Concurrent) for limit in limits)
        lease = (call_id or AnyId(),) if has_leases else ()
        return cost, *reply[1:3], 0, *reply[4:6], *lease


class Entry(NamedTuple):
    """One key of RL.CHECKALL: the limits of the call for it, if any, and the subject."""

    key: Many
    limits: list[Limit]
    subject: str = ""

    @property
    def limits_in_force(self) -> list[Limit]:
        return self.key.stored or self.limits

    @property
    def identity(self) -> tuple[int, str]:
        return id(self.key), self.subject


def check_all(entries: list[Entry], cost: int, now: int) -> tuple:
    """All are charged, or none is. Each is asked what those before it would leave. The lease is one, whatever its id:
    who is named twice holds it once."""
    request = Request(cost, call_id=object())
    tried = {entry.identity: deepcopy(entry.key[entry.subject]) for entry in entries}
    decided = [decide_entry(tried[entry.identity], entry.limits_in_force, request, now) for entry in entries]
    refused = [not granted for granted, _, _ in decided]
    is_granted = not any(no and not entry.key.is_shadow for no, entry in zip(refused, entries))
    for entry, no in zip(entries, refused):
        if is_granted and not no:
            entry.key[entry.subject].check(entry.limits_in_force, request, now)
        elif no:
            deny(entry.key[entry.subject], entry.limits_in_force, request, now)
    return tell(entries, decided, refused, is_granted, cost, now)


def decide_entry(key: Key, limits: list[Limit], request: Request, now: int) -> tuple[bool, Decision, int]:
    """Whether it is granted, what the limit says that binds, and which one that is; charges the key if so."""
    key._collect(now)
    before = key._states_under(limits, now)
    verdict: Verdict = key._decide(limits, before, request, now)
    decision = verdict.decisions[verdict.bound]._replace(go_at=verdict.go_at)
    if verdict.granted:
        key.limits, key.states = limits, before
        key._charge(verdict, now)
    elif key.turn.or_later(now) > now:
        decision = decision._replace(remaining=0)
    return bool(verdict.granted), decision, verdict.bound


def deny(key: Key, limits: list[Limit], request: Request, now: int) -> None:
    """What a call of this key alone would leave that is denied."""
    key._collect(now)
    before = key._states_under(limits, now)
    if key.limits and all(limit.cost_of(request.cost) <= limit.size for limit in limits):
        key._remember_denial(limits, before, now)


def tell(entries: list[Entry], decided: list, refused: list[bool], is_granted: bool, cost: int, now: int) -> tuple:
    decisions = [decision for _, decision, _ in decided]
    denying = [i for i, entry in enumerate(entries) if refused[i] and not entry.key.is_shadow]
    bound = fewest(decisions) if is_granted else longest(decisions, denying)
    waits = [decision.go_at for decision, entry in zip(decisions, entries) if not entry.key.is_shadow]
    go_at = max([now, *waits]) if is_granted else decisions[bound].go_at
    verdict = Verdict(cost if is_granted else 0, decisions, bound, go_at)
    before = sum(len(entry.limits_in_force) for entry in entries[:bound])
    label = labels_of_all(entries)[before + decided[bound][2]]
    has_leases = any(isinstance(limit, Concurrent) for entry in entries for limit in entry.limits_in_force)
    return *verdict.reply(now), label, *([AnyId() if is_granted else None] if has_leases else [])


def labels_of_all(entries: list[Entry]) -> list[str]:
    """As if all stood in one list; a name that is there already gets the first number that makes it another."""
    found: list[str] = []
    for label in (limit.name or limit.label for entry in entries for limit in entry.limits_in_force):
        others = (f"{label}-{number}" for number in range(2, len(found) + 3))
        found.append(next(name for name in (label, *others) if name not in found))
    return found
