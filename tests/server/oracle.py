"""What the module must answer, said a second time and in the most obvious way: fractions, lists and loops.

It knows the contract and nothing of the C++ code. Instants and spans are nanoseconds; None is the state of who was
never seen. An algorithm says what its state means at an instant (`seen`: what has ended is gone, and what is of a clock
that was ahead counts as of now), and from that everything else follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf
from typing import NamedTuple

from harness import DAY, HOUR, MINUTE, MS, SECOND

LONGEST = 3650 * DAY
MOST = 2**32 - 1


def ceil_ms(span: Fraction | int) -> int:
    return ceil(Fraction(span) / MS)


def duration(span: int) -> str:
    """A span with the largest unit that divides it, as RL.INFO prints it."""
    units = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": MS}
    name, unit = next((name, unit) for name, unit in units.items() if span % unit == 0)
    return f"{span // unit}{name}"


@dataclass(frozen=True)
class TokenBucket:
    """The state is the instant at which the bucket is full again."""

    size: int
    refill: int
    period: int

    label = "tokenbucket"

    def __str__(self) -> str:
        return f"TOKENBUCKET {self.size} {self.refill} {duration(self.period)}"

    @property
    def interval(self) -> Fraction:
        return Fraction(self.period, self.refill)

    @property
    def span(self) -> Fraction:
        """The longest that a state can matter."""
        return self.size * self.interval

    def keeps_times_of(self, other: Limit) -> bool:
        return isinstance(other, TokenBucket) and other.interval == self.interval

    def seen(self, full_at: Fraction | None, now: int) -> Fraction:
        return min(max(full_at or Fraction(0), Fraction(now)), now + self.span)

    def is_ahead(self, full_at: Fraction | None, now: int) -> bool:
        return full_at is not None and full_at > now + self.span

    def clamped(self, full_at: Fraction | None, now: int) -> Fraction:
        return self.seen(full_at, now)

    def used(self, full_at: Fraction | None, now: int) -> int:
        return ceil((self.seen(full_at, now) - now) / self.interval)

    def taken(self, full_at: Fraction | None, units: int, now: int) -> Fraction:
        return self.seen(full_at, now) + units * self.interval

    def free_at(self, full_at: Fraction | None, units: int, now: int) -> Fraction:
        """The instant at which so many units can be taken."""
        return self.seen(full_at, now) + (units - self.size) * self.interval

    def idle_at(self, full_at: Fraction | None, now: int) -> Fraction:
        return self.seen(full_at, now)


@dataclass(frozen=True)
class FixedWindow:
    """The state is when the window ends and what was taken in it."""

    size: int
    span: int
    aligned: bool = False

    label = "fixed"

    def __str__(self) -> str:
        return f"FIXED {self.size} {duration(self.span)}" + (" ALIGNED" if self.aligned else "")

    def keeps_times_of(self, other: Limit) -> bool:
        return isinstance(other, FixedWindow) and (other.span, other.aligned) == (self.span, self.aligned)

    def end(self, now: int) -> int:
        """Where a window that starts now ends."""
        return now + self.span - (now % self.span if self.aligned else 0)

    def seen(self, window: tuple[int, int] | None, now: int) -> tuple[int, int]:
        if window is None or window[0] <= now:
            return self.end(now), 0
        return min(window[0], self.end(now)), min(window[1], self.size)

    def is_ahead(self, window: tuple[int, int] | None, now: int) -> bool:
        return window is not None and window[0] > self.end(now)

    def clamped(self, window: tuple[int, int] | None, now: int) -> tuple[int, int]:
        return self.seen(window, now)

    def used(self, window: tuple[int, int] | None, now: int) -> int:
        return self.seen(window, now)[1]

    def taken(self, window: tuple[int, int] | None, units: int, now: int) -> tuple[int, int]:
        end, used = self.seen(window, now)
        return end, used + units

    def free_at(self, window: tuple[int, int] | None, units: int, now: int) -> int:
        return self.seen(window, now)[0]

    def idle_at(self, window: tuple[int, int] | None, now: int) -> int:
        end, used = self.seen(window, now)
        return end if used else now


@dataclass(frozen=True)
class SlidingLog:
    """The state is the instants at which units were taken, and how many at each."""

    size: int
    span: int

    label = "sliding"

    def __str__(self) -> str:
        return f"SLIDING {self.size} {duration(self.span)}"

    def keeps_times_of(self, other: Limit) -> bool:
        return isinstance(other, SlidingLog) and other.span == self.span

    @property
    def grid(self) -> int:
        """The coarsest of 1, 2, 5, 10, 20, ... that is no coarser than a part in 2^26 of the window."""
        grids = [factor * 10**decade for decade in range(12) for factor in (1, 2, 5)]
        return max(grid for grid in grids if grid == 1 or grid * 2**26 <= self.span)

    def on_grid(self, instant: int) -> int:
        return -(-instant // self.grid) * self.grid

    def seen(self, log: list[tuple[int, int]] | None, now: int) -> list[tuple[int, int]]:
        return [(at, units) for at, units in self.clamped(log, now) if at + self.span > now]

    def is_ahead(self, log: list[tuple[int, int]] | None, now: int) -> bool:
        return any(at > self.on_grid(now) for at, _ in log or [])

    def clamped(self, log: list[tuple[int, int]] | None, now: int) -> list[tuple[int, int]]:
        latest = self.on_grid(now)
        return [(min(at, latest), units) for at, units in log or []]

    def used(self, log: list[tuple[int, int]] | None, now: int) -> int:
        return min(sum(units for _, units in self.seen(log, now)), self.size)

    def taken(self, log: list[tuple[int, int]] | None, units: int, now: int) -> list[tuple[int, int]]:
        return [*self.seen(log, now), (self.on_grid(now), units)]

    def free_at(self, log: list[tuple[int, int]] | None, units: int, now: int) -> int:
        alive = self.seen(log, now)
        return next(at + self.span for at, _ in alive if self.used(alive, at + self.span) + units <= self.size)

    def idle_at(self, log: list[tuple[int, int]] | None, now: int) -> int:
        alive = self.seen(log, now)
        return alive[-1][0] + self.span if alive else now


Limit = TokenBucket | FixedWindow | SlidingLog


class Decision(NamedTuple):
    """What one limit says to a call; its spans are exact to the nanosecond, rounded up."""

    granted: int
    size: int
    remaining: int
    wait: int | None  # None: never
    reset: int

    def reply(self) -> tuple[int, ...]:
        return *self[:3], -1 if self.wait is None else ceil_ms(self.wait), ceil_ms(self.reset)


def decide(limit: Limit, state, cost: int, now: int):
    """What the limit says, and the state after it."""
    remaining = limit.size - limit.used(state, now)
    if cost <= remaining:
        state = limit.taken(state, cost, now)
        return Decision(cost, limit.size, remaining - cost, 0, ceil(limit.idle_at(state, now) - now)), state
    wait = None if cost > limit.size else ceil(limit.free_at(state, cost, now) - now)
    return Decision(0, limit.size, remaining, wait, ceil(limit.idle_at(state, now) - now)), state


def binding(decisions: list[Decision]) -> int:
    """Of those that refuse, the one with the longest wait; when granted, the one with the fewest remaining."""
    refusing = [index for index, decision in enumerate(decisions) if not decision.granted]
    if refusing:
        return max(refusing, key=lambda index: inf if decisions[index].wait is None else decisions[index].wait)
    return min(range(len(decisions)), key=lambda index: decisions[index].remaining)


def labels(limits: list[Limit]) -> list[str]:
    """Those of limits that have none of their own: the algorithm's name, from the second of its kind with a number."""
    kinds = [limit.label for limit in limits]
    ordinals = [kinds[: index + 1].count(kind) for index, kind in enumerate(kinds)]
    return [kind if ordinal == 1 else f"{kind}-{ordinal}" for kind, ordinal in zip(kinds, ordinals)]


class Key:
    """A key and its limits. They may change, one for one, in the order in which they stand."""

    def __init__(self) -> None:
        self.limits: list[Limit] = []
        self.states: list = []

    def check(self, limits: list[Limit], cost: int, now: int) -> tuple:
        """The reply to RL.CHECK, with the label."""
        before = self._states_under(limits, now)
        decisions, after = zip(*(decide(limit, state, cost, now) for limit, state in zip(limits, before)))
        bound = binding(decisions)
        if all(decision.granted for decision in decisions):
            self.limits, self.states = limits, list(after)
        elif self.limits and decisions[bound].wait is not None:
            self._remember_denial(limits, before, now)
        return *decisions[bound].reply(), labels(limits)[bound]

    def peek(self, limits: list[Limit], cost: int, now: int) -> tuple | None:
        if not limits and not self.limits:
            return None
        copy = Key()
        copy.limits, copy.states = self.limits, self.states
        return copy.check(limits or self.limits, cost, now)

    def _remember_denial(self, limits: list[Limit], states: list, now: int) -> None:
        """A denial leaves nothing behind, but for what makes the wait that it names come true."""
        self.states = [
            limit.clamped(state, now) if limit.is_ahead(state, now) else state for limit, state in zip(limits, states)
        ]
        self.limits = limits

    def _states_under(self, limits: list[Limit], now: int) -> list:
        if not self.limits:
            return [None] * len(limits)
        return [carried(*old, limit, now) for *old, limit in zip(self.limits, self.states, limits, strict=True)]


def carried(old: Limit, state, limit: Limit, now: int):
    """The state under a limit that takes the place of an old one: what is used stays used."""
    if limit.keeps_times_of(old):
        return state
    used = min(old.used(state, now), limit.size)
    return limit.taken(None, used, now) if used else None
