# SPDX-License-Identifier: MIT
"""What limits say to one call, as of an instant, which is now, or the turn of who waits; nothing is remembered here."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, inf
from typing import NamedTuple

from harness import DAY
from oracle_limits import Limit, ceil_ms, duration

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
    charges: tuple[tuple[str, int], ...] = ()  # costs of their own, by label

    def cost_for(self, name: str) -> int:
        return dict(self.charges).get(name, self.cost)

    def most(self, limits: list[Limit]) -> int:
        """The largest cost of a limit."""
        return max(map(self.cost_for, labels(limits))) if self.charges else self.cost

    def costs(self, limits: list[Limit]) -> list[int]:
        most = self.most(limits)
        return [
            limit.cost_of(most if limit.per_request else self.cost_for(name))
            for limit, name in zip(limits, labels(limits))
        ]

    def __str__(self) -> str:
        mode = f" MAXWAIT {duration(self.longest_wait)}" if self.mode == "MAXWAIT" else f" {self.mode}"
        call_id = f" ID {self.call_id}" if self.call_id else ""
        charges = "".join(f" CHARGE {name} {units}" for name, units in self.charges)
        return f"COST {self.cost}{charges}{mode.rstrip()}{call_id}"


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
    is_blocked: bool = False  # denied by nothing but a block

    def reply(self, now: int, remaining: int | None = None) -> tuple[int, ...]:
        limit = self.decisions[self.bound]
        wait_ms = -1 if self.go_at is None else ceil_ms(max(self.go_at - now, 0))
        left = limit.remaining if remaining is None else remaining
        return self.granted, limit.size, left, wait_ms, ceil_ms(max(ceil(limit.idle_at) - now, 0))


def label(limits: list[Limit], verdict: Verdict) -> str:
    """What binds."""
    return "blocked" if verdict.is_blocked else labels(limits)[verdict.bound]


def longest(decisions: list[Decision], refusing: list[int]) -> int:
    """Of the limits that refuse, the one with the longest wait."""
    return max(refusing, key=lambda index: inf if decisions[index].go_at is None else decisions[index].go_at)


def fewest(decisions: list[Decision]) -> int:
    return min(range(len(decisions)), key=lambda index: decisions[index].remaining)


def decide(limits: list[Limit], states: list, cost: int, at: int, call_id=None, force: bool = False) -> Verdict:
    """What the limits say to a call that takes its whole cost or nothing. One of no cost goes when there is no debt."""
    costs = [limit.cost_of(cost) for limit in limits]
    verdict = decide_each(limits, states, costs, at, call_id, force)
    return verdict._replace(granted=cost) if verdict.states is not None else verdict


def decide_costs(
    limits: list[Limit], states: list, costs: list[int], most: int, at: int, call_id=None, force: bool = False
) -> Verdict:
    """The same for a call of which each limit has a cost. One that it asks for nothing denies it if it is in debt."""
    verdict = decide_each(limits, states, costs, at, call_id, force, looks=True)
    return verdict._replace(granted=most) if verdict.states is not None else verdict


def decide_each(
    limits: list[Limit],
    states: list,
    costs: list[int],
    at: int,
    call_id=None,
    force: bool = False,
    *,
    looks: bool = False,
) -> Verdict:
    """The same for a call that costs each limit something else."""
    # Who asks for nothing renews nothing: his lease counts like any.
    others = [
        limit.without(state, call_id) if units or force else state for limit, state, units in zip(limits, states, costs)
    ]
    rows = list(zip(limits, others, costs))
    fits = [units <= limit.remaining(state, at) or force for limit, state, units in rows]
    if looks and not force:
        is_over = [bool(limit.size) and limit.free_at(state, 0, at) <= at for limit, state, _ in rows]
        fits = [fit and bool(units or over) for fit, over, units in zip(fits, is_over, costs)]
    has_room = [units == 0 or limit.room_at(state, at) == at for limit, state, units in rows]
    if not (all(fits) and all(has_room)):
        refusals = [refusal(*row, full, at, force) for row, full in zip(rows, states)]
        bound = longest(refusals, [index for index in range(len(limits)) if not (fits[index] and has_room[index])])
        return Verdict(0, refusals, bound, refusals[bound].go_at)
    after = [limit.taken(full, units, at, call_id) if units else full for (limit, _, units), full in zip(rows, states)]
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
    return Verdict(max(costs), grants, fewest(grants), max(grant.go_at for grant in grants), after, at)


def refusal(limit: Limit, others, cost: int, state, at: int, force: bool) -> Decision:
    """What a limit says to a call that is denied, perhaps by another limit."""
    if force:
        go_at = limit.room_at(others, at)
    else:
        go_at = ceil(limit.free_at(others, cost, at)) if limit.size and cost <= limit.size else None
    return Decision(limit.size, limit.remaining(others, at), go_at, limit.idle_at(state, at))


def decide_turn(limits: list[Limit], states: list, costs: list[int], most: int, call_id, at: int) -> Verdict:
    """The same for a call that may wait for ever: it is granted as of when it fits, and goes when a queue lets it."""
    states = clamped(limits, states, at)
    verdict = decide_costs(limits, states, costs, most, at, call_id)
    if verdict.states is not None or verdict.go_at is None or verdict.go_at > LATEST:
        return verdict
    return decide_costs(limits, states, costs, most, verdict.go_at, call_id)


def clamped(limits: list[Limit], states: list, at: int) -> list:
    """States of a clock that was ahead, brought back."""
    return [limit.clamped(state, at) if limit.is_ahead(state, at) else state for limit, state in zip(limits, states)]


def labels(limits: list[Limit]) -> list[str]:
    """What AS gives, else the algorithm's name; one that is there already gets the first number that makes it another:
    limits may be of several calls, or of several keys."""
    found: list[str] = []
    for label in (limit.name or limit.label for limit in limits):
        others = (f"{label}-{number}" for number in range(2, len(limits) + 2))
        found.append(next(name for name in (label, *others) if name not in found))
    return found
