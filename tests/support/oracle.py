# SPDX-License-Identifier: MIT
"""What the module must answer, said a second time and in the most obvious way: a key, its limits, and all that is done
to it. How each limit counts is in oracle_limits.py.

It knows the contract and nothing of the C++ code. Decisions are made as of an instant, which is now, or the turn of who
waits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, inf
from typing import NamedTuple

from harness import DAY
from oracle_limits import Concurrent, Limit, ceil_ms, duration

LATEST = 84_006 * DAY  # 2200-01-01: the clock stops there


class AnyId:
    """Equal to whatever id the server makes."""

    def __eq__(self, other) -> bool:
        return isinstance(other, str) and len(other) == 32 and set(other) <= set("0123456789abcdef")

    __hash__ = None

    def __repr__(self) -> str:
        return "<an id>"


class Request(NamedTuple):
    cost: int = 1
    mode: str = ""  # PARTIAL, FORCE or MAXWAIT
    longest_wait: int = 0
    call_id: str | None = None

    def __str__(self) -> str:
        mode = f" MAXWAIT {duration(self.longest_wait)}" if self.mode == "MAXWAIT" else f" {self.mode}"
        call_id = f" ID {self.call_id}" if self.call_id else ""
        return f"COST {self.cost}{mode.rstrip()}{call_id}"


class Decision(NamedTuple):
    """What one limit says to a call, as of an instant."""

    size: int
    remaining: int
    go_at: int | None  # when the call may go, or could be granted; None: never
    idle_at: Fraction | int


class Verdict(NamedTuple):
    granted: int
    decisions: list[Decision]
    bound: int
    go_at: int | None
    states: list | None = None  # after a call that is granted
    turn: int = 0  # as of when it was charged

    def reply(self, now: int, remaining: int | None = None) -> tuple[int, ...]:
        limit = self.decisions[self.bound]
        wait_ms = -1 if self.go_at is None else ceil_ms(max(self.go_at - now, 0))
        left = limit.remaining if remaining is None else remaining
        return self.granted, limit.size, left, wait_ms, ceil_ms(max(ceil(limit.idle_at) - now, 0))


def longest(decisions: list[Decision], refusing: list[int]) -> int:
    """Of the limits that refuse, the one with the longest wait."""
    return max(refusing, key=lambda index: inf if decisions[index].go_at is None else decisions[index].go_at)


def fewest(decisions: list[Decision]) -> int:
    return min(range(len(decisions)), key=lambda index: decisions[index].remaining)


def decide(limits: list[Limit], states: list, cost: int, at: int, call_id=None, force: bool = False) -> Verdict:
    """What the limits say to a call that takes its whole cost or nothing. One of no cost goes when there is no debt."""
    costs = [limit.cost_of(cost) for limit in limits]
    others = [limit.without(state, call_id) for limit, state in zip(limits, states)]
    rows = list(zip(limits, others, costs))
    fits = [units <= limit.remaining(state, at) or force for limit, state, units in rows]
    has_room = [units == 0 or limit.room_at(state, at) == at for limit, state, units in rows]
    if not (all(fits) and all(has_room)):
        refusals = [refusal(*row, full, at, force) for row, full in zip(rows, states)]
        bound = longest(refusals, [index for index in range(len(limits)) if not (fits[index] and has_room[index])])
        return Verdict(0, refusals, bound, refusals[bound].go_at)
    after = [
        limit.taken(other, units, at, call_id) if units else full for (limit, other, units), full in zip(rows, states)
    ]
    turns = [limit.turn_at(state, at) if units else at for limit, state, units in rows]
    grants = [
        Decision(
            limit.size,
            limit.remaining(full if units else others, at),
            ceil(max(turn, limit.free_at(full, 0, at))),
            limit.idle_at(full, at),
        )
        for (limit, others, units), full, turn in zip(rows, after, turns)
    ]
    return Verdict(cost, grants, fewest(grants), max(grant.go_at for grant in grants), after, at)


def refusal(limit: Limit, others, cost: int, state, at: int, force: bool) -> Decision:
    """What a limit says to a call that is denied, perhaps by another limit."""
    if force:
        go_at = limit.room_at(others, at)
    else:
        go_at = ceil(limit.free_at(others, cost, at)) if cost <= limit.size else None
    return Decision(limit.size, limit.remaining(others, at), go_at, limit.idle_at(state, at))


def decide_turn(limits: list[Limit], states: list, request: Request, at: int) -> Verdict:
    """The same for a call that may wait for ever: it is granted as of when it fits, and goes when a queue lets it."""
    states = clamped(limits, states, at)
    verdict = decide(limits, states, request.cost, at, request.call_id)
    if verdict.granted or verdict.go_at is None or verdict.go_at > LATEST:
        return verdict
    return decide(limits, states, request.cost, verdict.go_at, request.call_id)


def clamped(limits: list[Limit], states: list, at: int) -> list:
    """States of a clock that was ahead, brought back."""
    return [limit.clamped(state, at) if limit.is_ahead(state, at) else state for limit, state in zip(limits, states)]


def labels(limits: list[Limit]) -> list[str]:
    """What AS gives, else the algorithm's name, from the second of its kind with a number."""
    kinds = [limit.label if not limit.name else None for limit in limits]
    ordinals = [kinds[: index + 1].count(kind) for index, kind in enumerate(kinds)]
    defaults = [kind if ordinal == 1 else f"{kind}-{ordinal}" for kind, ordinal in zip(kinds, ordinals)]
    return [limit.name or default for limit, default in zip(limits, defaults)]


class Turn(NamedTuple):
    """When the call that waits longest may go, and how long it had to wait when it was granted."""

    at: int = 0
    wait: int = 0

    def or_later(self, now: int) -> int:
        return max(now, min(self.at, now + self.wait))


@dataclass
class Hold:
    units: int
    end: int
    newer: int = 0  # units that were charged after those of the hold, and not given back since


class Key:
    """A key: limits, states, the turn of who waits, holds in the order in which they were charged."""

    def __init__(self) -> None:
        self.limits: list[Limit] = []
        self.states: list = []
        self.turn = Turn()
        self.holds: dict[object, Hold] = {}

    # --- commands: each returns its reply

    def check(self, limits: list[Limit], request: Request, now: int) -> tuple:
        """The reply to RL.CHECK, with the label."""
        self._collect(now)
        before = self._states_under(limits, now)
        verdict = self._decide(limits, before, request, now)
        if verdict.granted:
            self.limits, self.states = limits, before
            self._charge(verdict, now)
        elif self.limits and verdict.go_at is not None:
            self._remember_denial(limits, before, now)
        return *self._reply(verdict, now), labels(limits)[verdict.bound], *self._lease_id(limits, verdict, request)

    def peek(self, limits: list[Limit], cost: int, now: int) -> tuple | None:
        if not limits and not self.limits:
            return None
        return self._copy(now).check(limits or self.limits, Request(cost), now)[:6]

    def info(self, now: int) -> tuple | None:
        """The number of holds, and of each limit the label and what is used, remaining, and until when."""
        if not self.limits:
            return None
        copy = self._copy(now)
        at = copy.turn.or_later(now)
        return len(copy.holds), [
            (
                label,
                limit.used(state, at),
                0 if at > now else limit.remaining(state, at),
                ceil_ms(max(ceil(limit.idle_at(state, at)) - now, 0)),
            )
            for limit, state, label in zip(copy.limits, copy.states, labels(copy.limits))
        ]

    def refund(self, units: int, now: int) -> int:
        self._collect(now)
        at = self.turn.or_later(now)
        before = self._refundable(at)
        if any(before):
            self._give_back(units, 0, at)
            for hold in self.holds.values():
                hold.newer = max(hold.newer - units, 0)
        after = self._refundable(at)
        if any(before):
            self._tidy(now)
        return max([used - left for used, left in zip(before, after)], default=0)

    def reserve(self, limits: list[Limit], ttl: int, cost: int, hold_id: str, now: int) -> tuple | str:
        self._collect(now)
        limits = limits or self.limits
        if not limits:
            return "NOLIMITS"
        before = self._states_under(limits, now)
        if hold := self._live_hold(hold_id, now):
            self.limits, self.states, hold.end = limits, before, now + ttl
            at = self.turn.or_later(now)
            self._renew_leases(hold_id, hold.units, at)
            standing = decide(limits, self.states, 0, at)._replace(granted=hold.units, go_at=now)
            self._tidy(now)
            return *standing.reply(now), labels(limits)[standing.bound], hold_id
        estimate = min([cost, *(limit.size for limit in limits if not limit.per_request)])
        verdict = self._decide(limits, before, Request(estimate, call_id=hold_id), now)
        if verdict.granted:
            self.limits, self.states = limits, before
            self._charge(verdict, now)
            self.holds.pop(hold_id, None)
            self.holds[hold_id] = Hold(estimate, now + ttl)
        elif self.limits:
            self._remember_denial(limits, before, now)
        return *self._reply(verdict, now), labels(limits)[verdict.bound], hold_id if verdict.granted else None

    def settle(self, hold_id: str, actual: int, limits: list[Limit], now: int) -> tuple | None:
        self._collect(now)
        limits = limits or self.limits
        if not limits:
            return None
        states = self._states_under(limits, now)
        hold = self._live_hold(hold_id, now)
        at = self.turn.or_later(now)
        if not (hold or actual or any_holds(limits, states, hold_id, now)):  # nothing to do, nothing to write
            standing = decide(limits, states, 0, at)._replace(granted=0)
            is_ahead = any(limit.is_ahead(state, at) for limit, state in zip(limits, states))
            if self.limits and (limits != self.limits or is_ahead or self.turn.at > at):
                self._remember_denial(limits, states, now)
                self._forget_if_idle(now)
            return *standing.reply(now), labels(limits)[standing.bound], "unknown"
        self.limits, self.states = limits, states
        self._end_leases(hold_id, now)
        if not hold:
            self._force(actual, at, lambda limit: True)
        else:
            self._end_hold(hold_id, max(hold.units - actual, 0), at)
            self._force(actual - hold.units, at, lambda limit: not limit.per_request)
        standing = decide(self.limits, self.states, 0, at)._replace(granted=actual)
        self._tidy(now)
        return *standing.reply(now), labels(limits)[standing.bound], "settled" if hold else "unknown"

    def release(self, lease_id: str, now: int) -> int:
        self._collect(now)
        if found := self._end_leases(lease_id, now):
            self._tidy(now)
        return int(found)

    # --- decisions

    def _decide(self, limits: list[Limit], states: list, request: Request, now: int) -> Verdict:
        at = self.turn.or_later(now)
        if request.mode == "MAXWAIT":
            return self._decide_turn(limits, states, request, at, now)
        verdict = decide(limits, states, request.cost, at, request.call_id, request.mode == "FORCE")
        if request.mode == "PARTIAL" and not verdict.granted:
            verdict = decide(limits, states, max(self._part(limits, states, request, at), 1), at, request.call_id)
        if verdict.granted and at > now and request.mode != "FORCE":  # nobody goes before who waits
            return decide(limits, states, 0, at, request.call_id)._replace(granted=0, go_at=at)
        return verdict

    @staticmethod
    def _part(limits: list[Limit], states: list, request: Request, at: int) -> int:
        """What there is of the cost: nothing, if a limit of requests has none left."""
        others = [limit.without(state, request.call_id) for limit, state in zip(limits, states)]
        left = [limit.remaining(state, at) for limit, state in zip(limits, others)]
        parts = [units for limit, units in zip(limits, left) if not limit.per_request]
        return min([request.cost, *parts]) if all(left) else 0

    @staticmethod
    def _decide_turn(limits: list[Limit], states: list, request: Request, at: int, now: int) -> Verdict:
        verdict = decide_turn(limits, states, request, at)
        if not verdict.granted or verdict.go_at - now <= request.longest_wait:
            return verdict
        # Now it is the wait that the limits refuse, and the longest binds.
        alone = [decide_turn([limit], [state], request, at).go_at for limit, state in zip(limits, states)]
        now_free = [limit.remaining(limit.without(state, request.call_id), at) for limit, state in zip(limits, states)]
        refusals = [
            Decision(limit.size, free, go_at, limit.idle_at(state, at))
            for limit, state, free, go_at in zip(limits, states, now_free, alone)
        ]
        bound = longest(refusals, [*range(len(limits))])
        return Verdict(0, refusals, bound, verdict.go_at - request.longest_wait)

    def _reply(self, verdict: Verdict, now: int) -> tuple[int, ...]:
        """Who is denied while somebody waits finds nothing left."""
        has_none = not verdict.granted and self.turn.or_later(now) > now
        return verdict.reply(now, 0 if has_none else None)

    @staticmethod
    def _lease_id(limits: list[Limit], verdict: Verdict, request: Request) -> tuple:
        if not any(isinstance(limit, Concurrent) for limit in limits):
            return ()
        return (request.call_id or AnyId() if verdict.granted else None,)

    # --- changes

    def _charge(self, verdict: Verdict, now: int) -> None:
        self.states = [limit.without_ended(state, now) for limit, state in zip(self.limits, verdict.states)]
        for hold in self.holds.values():
            hold.newer += verdict.granted
        self._tidy(now)
        if verdict.turn > now:
            self.turn = Turn(verdict.turn, verdict.turn - now)

    def _force(self, units: int, at: int, which) -> None:
        """Leases are no cost that is known later."""
        if units <= 0:
            return
        for index, (limit, state) in enumerate(zip(self.limits, self.states)):
            if which(limit) and not isinstance(limit, Concurrent) and limit.room_at(state, at) == at:
                self.states[index] = limit.taken(state, limit.cost_of(units), at)
        for hold in self.holds.values():
            hold.newer += units

    def _give_back(self, units: int, newer: int, at: int) -> None:
        for index, (limit, state) in enumerate(zip(self.limits, self.states)):
            if units > 0 and is_refundable(limit):
                self.states[index] = limit.given_back(state, units, newer, at)

    def _refundable(self, at: int) -> list[int]:
        both = zip(self.limits, self.states)
        return [limit.used(state, at) if is_refundable(limit) else 0 for limit, state in both]

    def _collect(self, now: int, is_kept_up: bool = True) -> None:
        """Holds that have ended give back what they took, as of their end."""
        ended = sorted((hold.end, hold_id) for hold_id, hold in self.holds.items() if hold.end <= now)
        for end, hold_id in ended:
            self._end_hold(hold_id, self.holds[hold_id].units, self.turn.or_later(end))
        if ended and is_kept_up:
            self._tidy(now)

    def _end_hold(self, hold_id, too_much: int, at: int) -> None:
        """Gives back what was too much. To the holds before it, it is as if that had never been charged. Of two between
        which everything came back, neither is before the other."""
        hold = self.holds.pop(hold_id)
        self._give_back(too_much, hold.newer, at)
        for other in self.holds.values():
            if other.newer > hold.newer:
                other.newer = max(other.newer - too_much, hold.newer)

    def _live_hold(self, hold_id, now: int) -> Hold | None:
        hold = self.holds.get(hold_id)
        return hold if hold and hold.end > now else None

    def _renew_leases(self, lease_id, units: int, at: int) -> None:
        """Not one that ends before the turn of somebody, who counts on that."""
        for index, (limit, state) in enumerate(zip(self.limits, self.states)):
            if isinstance(limit, Concurrent) and limit.holds(state, lease_id, at):
                others = limit.without(state, lease_id)
                if limit.room_at(others, at) == at:
                    self.states[index] = limit.taken(others, limit.cost_of(units), at, lease_id)

    def _end_leases(self, lease_id, now: int) -> bool:
        found = False
        for index, (limit, state) in enumerate(zip(self.limits, self.states)):
            if isinstance(limit, Concurrent) and limit.holds(state, lease_id, now):
                found, self.states[index] = True, limit.without(state, lease_id)
        return found

    def _remember_denial(self, limits: list[Limit], states: list, now: int) -> None:
        """A denial leaves nothing behind, but for what makes the wait that it names come true."""
        at = self.turn.or_later(now)
        self.turn = self.turn._replace(at=min(self.turn.at, now + self.turn.wait))
        self.limits, self.states = limits, clamped(limits, states, at)

    def _tidy(self, now: int) -> None:
        """A turn that has come is over."""
        if self.turn.at <= now:
            self.turn = Turn()
        self._forget_if_idle(now)

    def _forget_if_idle(self, now: int) -> None:
        """What is as if never used is gone, with its key."""
        idle = all(limit.idle_at(state, now) <= now for limit, state in zip(self.limits, self.states))
        if idle and not self.holds and self.turn.at <= now:
            self.__init__()

    def _copy(self, now: int) -> Key:
        """For questions."""
        copy = Key()
        copy.limits, copy.states, copy.turn = self.limits, list(self.states), self.turn
        copy.holds = {hold_id: replace(hold) for hold_id, hold in self.holds.items()}
        copy._collect(now, is_kept_up=False)
        return copy

    # --- other limits

    def _states_under(self, limits: list[Limit], now: int) -> list:
        """What is used under the old limits counts under the new ones."""
        at = self.turn.or_later(now)
        before = predecessors(self.limits, limits)
        return [
            None if old is None else carried(self.limits[old], self.states[old], limit, at)
            for old, limit in zip(before, limits)
        ]


def any_holds(limits: list[Limit], states: list, lease_id, now: int) -> bool:
    both = zip(limits, states)
    return any(isinstance(limit, Concurrent) and limit.holds(state, lease_id, now) for limit, state in both)


def is_refundable(limit: Limit) -> bool:
    """Requests have been made, and leases end otherwise."""
    return not limit.per_request and not isinstance(limit, Concurrent)


def predecessors(old: list[Limit], new: list[Limit]) -> list[int | None]:
    """For each limit the old one that it goes on from: of the same label, else algorithm, else the next left."""
    found: list[int | None] = [None] * len(new)
    old_labels, new_labels = labels(old), labels(new)
    for is_alike in (
        lambda index, other: new_labels[index] == old_labels[other],
        lambda index, other: type(new[index]) is type(old[other]),
        lambda index, other: True,
    ):
        for index in range(len(new)):
            left = [other for other in range(len(old)) if other not in found and is_alike(index, other)]
            if found[index] is None and left:
                found[index] = left[0]
    return found


def carried(old: Limit, state, limit: Limit, at: int):
    """The state under a limit that takes the place of an old one: what is used stays used."""
    if limit.keeps_times_of(old):
        return state
    used = min(old.used(state, at), limit.size)
    return limit.taken(None, used, at) if used else None
