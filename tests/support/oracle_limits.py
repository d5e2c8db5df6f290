# SPDX-License-Identifier: MIT
"""How each algorithm counts, said a second time and in the most obvious way: fractions, lists, loops, zoneinfo.

It knows the contract and nothing of the C++ code. Instants and spans are nanoseconds; None is the state of who was
never seen. An algorithm says what its state means at an instant (`seen`: what has ended is gone, and what is of a clock
that was ahead counts as of now), and from that everything else follows.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from harness import DAY, HOUR, MINUTE, MS, SECOND
from oracle_calendar import UNITS, next_begin, utc

LONGEST = 3650 * DAY
MOST = 2**53 - 1  # of costs, and of limits that count windows
MOST_32 = 2**32 - 1  # of all other limits


def ceil_ms(span: Fraction | int) -> int:
    return ceil(Fraction(span) / MS)


def duration(span: int) -> str:
    """A span with the largest unit that divides it, as RL.INFO prints it."""
    units = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": MS}
    name, unit = next((name, unit) for name, unit in units.items() if span % unit == 0)
    return f"{span // unit}{name}"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What all algorithms have in common."""

    per_request: bool = False
    name: str = ""  # what AS gives

    largest = MOST_32  # size that there can be

    def __str__(self) -> str:
        return self.rule + (f" AS {self.name}" if self.name else "") + (" PER REQUEST" if self.per_request else "")

    def cost_of(self, units: int) -> int:
        return min(units, 1) if self.per_request else units

    def remaining(self, state, now: int) -> int:
        return max(self.size - self.used(state, now), 0)

    def room_at(self, state, now: int) -> int:
        """When one more unit can be written down at all, though it be debt."""
        return now

    def turn_at(self, state, now: int) -> Fraction | int:
        """When a call that is granted now may go."""
        return now

    def without(self, state, lease_id):
        """The state in the eyes of a call that renews this lease."""
        return state

    def without_ended(self, state, now: int):
        """Forgets for good what has ended."""
        return state

    def forgotten_at(self, state, now: int) -> Fraction | int:
        """When the state behaves as if never used, also if the limit is raised."""
        return self.idle_at(state, now)

    @property
    def recovery(self) -> int:
        """The longest time from full use to idle."""
        return ceil(self.span)

    def booked(self, state, units: int, now: int):
        """The state after so many units that were granted under another limit, whatever is left."""
        return self.taken(state, units, now) if units else state


class Level(NamedTuple):
    """The instant at which a bucket is full again; the debt, in whole units, of the last charge; and its cut-off: units
    beyond an empty bucket that were used when it was made smaller. They flow back once it is full."""

    full_at: Fraction
    debt: int = 0
    cut: int = 0


@dataclass(frozen=True)
class TokenBucket(Limit):
    """The state is a level."""

    size: int
    refill: int
    period: int

    label = "tokenbucket"

    @property
    def rule(self) -> str:
        return f"{self.label.upper()} {self.size} {self.refill} {duration(self.period)}"

    @property
    def interval(self) -> Fraction:
        return Fraction(self.period, self.refill)

    @property
    def span(self) -> Fraction:
        """The longest that a state can matter, but for debts."""
        return self.size * self.interval

    @property
    def recovery(self) -> int:
        """A closed bucket is like one of a unit."""
        return ceil(max(self.size, 1) * self.interval)

    @property
    def largest_debt(self) -> int:
        return min(MOST_32, LONGEST // self.interval)

    def latest(self, debt: int, now: int) -> Fraction:
        """As full as the bucket can have been left with this debt, it is full again then."""
        return now + self.span + debt * self.interval

    def full_at(self, state: Level | None, now: int) -> Fraction:
        level = state or Level(Fraction(0))
        return min(max(level.full_at, Fraction(now)), self.latest(level.debt, now))

    def cut_off(self, state: Level | None, now: int) -> int:
        """What was cut off and has not flowed back, which begins when the bucket is full."""
        if not (state and state.cut):
            return 0
        return max(ceil(state.cut - max(now - state.full_at, 0) / self.interval), 0)

    def with_level(self, full_at: Fraction, now: int, cut: int = 0) -> Level:
        """In debt, what was cut off is debt as well: a state has room for one of both."""
        if full_at <= self.latest(0, now):
            return Level(full_at, 0, cut)
        full_at = min(full_at + cut * self.interval, self.latest(self.largest_debt, now))
        return Level(full_at, ceil((full_at - self.latest(0, now)) / self.interval))

    def is_ahead(self, state: Level | None, now: int) -> bool:
        return state is not None and state.full_at > self.latest(state.debt, now)

    def clamped(self, state: Level | None, now: int) -> Level:
        return self.with_level(self.full_at(state, now), now, self.cut_off(state, now))

    def used(self, state: Level | None, now: int) -> int:
        return ceil((self.full_at(state, now) - now) / self.interval)

    def taken(self, state: Level | None, units: int, now: int, _=None) -> Level:
        return self.with_level(self.full_at(state, now) + units * self.interval, now, self.cut_off(state, now))

    def given_back(self, state: Level | None, units: int, newer: int, now: int) -> Level | None:
        """What is more than the bucket has lent is given back of what it was cut off."""
        level = self.full_at(state, now)
        most = max(level - now - newer * self.interval, 0)
        back = min(units * self.interval, most)
        cut = self.cut_off(state, now)
        newer_cut = max(newer - ceil((level - now) / self.interval), 0)
        rest = min(max(units - ceil(most / self.interval), 0), max(cut - newer_cut, 0)) if units else 0
        return self.with_level(level - back, now, cut - rest) if back or rest else state

    def free_at(self, state: Level | None, units: int, now: int) -> Fraction:
        """The first instant at which so many units can be taken; none: at which there is no debt."""
        return max(self.full_at(state, now) + (units - self.size) * self.interval, Fraction(now))

    def idle_at(self, state: Level | None, now: int) -> Fraction:
        return self.full_at(state, now)

    def forgotten_at(self, state: Level | None, now: int) -> Fraction:
        level = state or Level(Fraction(0))
        return max(self.full_at(state, now), level.full_at + level.cut * self.interval)


@dataclass(frozen=True)
class LeakyBucket(TokenBucket):
    """A token bucket that tells who is granted to wait until those before have left."""

    label = "leakybucket"

    def turn_at(self, state: Level | None, now: int) -> Fraction:
        return self.full_at(state, now)


@dataclass(frozen=True)
class Counted(Limit):
    """Windows, wherever they end. The state is when the window ends and what was taken in it."""

    largest = MOST

    def end(self, now: int) -> int:
        """Where a window ends that is entered now."""
        raise NotImplementedError

    def seen(self, window: tuple[int, int] | None, now: int) -> tuple[int, int]:
        if window is None or window[0] <= now:
            return self.end(now), 0
        return min(window[0], self.end(now)), window[1]

    def is_ahead(self, window: tuple[int, int] | None, now: int) -> bool:
        return window is not None and window[0] > self.end(now)

    def clamped(self, window: tuple[int, int] | None, now: int) -> tuple[int, int]:
        return self.seen(window, now)

    def used(self, window: tuple[int, int] | None, now: int) -> int:
        return self.seen(window, now)[1]

    def taken(self, window: tuple[int, int] | None, units: int, now: int, _=None) -> tuple[int, int]:
        end, used = self.seen(window, now)
        return end, min(used + units, MOST)

    def given_back(self, window: tuple[int, int] | None, units: int, newer: int, now: int):
        end, used = self.seen(window, now)
        left = used - min(units, max(used - newer, 0))
        return window if left == used else (end, left) if left else None

    def free_at(self, window: tuple[int, int] | None, units: int, now: int) -> int:
        end, used = self.seen(window, now)
        return now if used + units <= self.size else end

    def idle_at(self, window: tuple[int, int] | None, now: int) -> int:
        end, used = self.seen(window, now)
        return end if used else now


@dataclass(frozen=True)
class FixedWindow(Counted):
    size: int
    span: int
    aligned: bool = False

    label = "fixed"

    @property
    def rule(self) -> str:
        return f"FIXED {self.size} {duration(self.span)}" + (" ALIGNED" if self.aligned else "")

    def end(self, now: int) -> int:
        return now + self.span - (now % self.span if self.aligned else 0)


@dataclass(frozen=True)
class Quota(Counted):
    size: int
    unit: str
    zone: str = "UTC"
    anchor: str | None = None

    label = "quota"

    @property
    def rule(self) -> str:
        anchor = f" ANCHOR {self.anchor}" if self.anchor else ""
        return f"QUOTA {self.size} {self.unit}{anchor}" + (f" TZ {self.zone}" if self.zone != "UTC" else "")

    @property
    def span(self) -> int:
        return UNITS[self.unit]

    @property
    def recovery(self) -> int:
        """Clocks that are set back make windows longer."""
        return 2 * HOUR if self.unit == "HOUR" else self.span + 2 * DAY

    def end(self, now: int) -> int:
        return next_begin(self.unit, self.zone, utc(now - now % MINUTE), self.anchor)


# --- logs and weights


@dataclass(frozen=True)
class SlidingLog(Limit):
    """The state is the instants at which units were taken, and how many at each."""

    size: int
    span: int

    label = "sliding"

    @property
    def rule(self) -> str:
        return f"SLIDING {self.size} {duration(self.span)}"

    @property
    def grid(self) -> int:
        """The coarsest of 1, 2, 5, 10, 20, ... that is no coarser than a part in 2^26 of the window."""
        grids = [factor * 10**decade for decade in range(12) for factor in (1, 2, 5)]
        return max(grid for grid in grids if grid == 1 or grid * 2**26 <= self.span)

    def on_grid(self, instant: int) -> int:
        return -(-instant // self.grid) * self.grid

    @property
    def recovery(self) -> int:
        return self.span + self.grid

    def seen(self, log: list[tuple[int, int]] | None, now: int) -> list[tuple[int, int]]:
        return [(at, units) for at, units in self.clamped(log, now) if at + self.span > now]

    def is_ahead(self, log: list[tuple[int, int]] | None, now: int) -> bool:
        return any(at > self.on_grid(now) for at, _ in log or [])

    def clamped(self, log: list[tuple[int, int]] | None, now: int) -> list[tuple[int, int]]:
        latest = self.on_grid(now)
        return [(min(at, latest), units) for at, units in log or []]

    def used(self, log: list[tuple[int, int]] | None, now: int) -> int:
        return sum(units for _, units in self.seen(log, now))

    def room_at(self, log: list[tuple[int, int]] | None, now: int) -> int:
        alive = self.seen(log, now)
        instants = [now, *(at + self.span for at, _ in alive)]
        return next(instant for instant in instants if self.used(alive, instant) < MOST_32)

    def taken(self, log: list[tuple[int, int]] | None, units: int, now: int, _=None) -> list[tuple[int, int]]:
        alive = self.seen(log, now)
        return [*alive, (self.on_grid(now), min(units, MOST_32 - self.used(alive, now)))]

    def booked(self, log: list[tuple[int, int]] | None, units: int, now: int) -> list[tuple[int, int]] | None:
        """Where there is no room, the newest entry is of now: what it has counts longer, never shorter."""
        if units and self.room_at(log, now) > now:
            newest = self.seen(log, now)[-1][0]
            return [(self.on_grid(now) if at == newest else at, count) for at, count in self.seen(log, now)]
        return super().booked(log, units, now)

    def given_back(self, log: list[tuple[int, int]] | None, units: int, newer: int, now: int) -> list[tuple[int, int]]:
        """The newest stay, those before them go, the rest stays."""
        alive, kept = self.seen(log, now), []
        for at, count in reversed(alive):
            of_others = min(count, newer)
            back = min(count - of_others, units)
            newer, units = newer - of_others, units - back
            kept += [(at, count - back)] if count > back else []
        return log if kept[::-1] == alive else kept[::-1]

    def free_at(self, log: list[tuple[int, int]] | None, units: int, now: int) -> int:
        alive = self.seen(log, now)
        instants = [now, *(at + self.span for at, _ in alive)]
        return next(instant for instant in instants if self.used(alive, instant) + units <= self.size)

    def idle_at(self, log: list[tuple[int, int]] | None, now: int) -> int:
        alive = self.seen(log, now)
        return alive[-1][0] + self.span if alive else now


@dataclass(frozen=True)
class WeightedWindow(Limit):
    """SLIDING ... APPROX. The state is where the window began that was charged last, what was taken in the one before
    it, and in itself."""

    size: int
    span: int

    label = "sliding"

    @property
    def rule(self) -> str:
        return f"SLIDING {self.size} {duration(self.span)} APPROX"

    @property
    def recovery(self) -> int:
        return 2 * self.span

    def begin(self, now: int) -> int:
        return now - now % self.span

    def seen(self, state: tuple[int, int, int] | None, now: int) -> tuple[int, int, int]:
        start, previous, current = state or (0, 0, 0)
        begin = self.begin(now)
        if start == begin:
            return start, previous, current
        if start > begin:
            return begin, 0, max(current, min(previous + current, self.size))
        return begin, current if start == begin - self.span else 0, 0

    def is_ahead(self, state: tuple[int, int, int] | None, now: int) -> bool:
        return state is not None and state[0] > self.begin(now)

    def clamped(self, state: tuple[int, int, int] | None, now: int) -> tuple[int, int, int] | None:
        seen = self.seen(state, now)
        return seen if any(seen[1:]) else None

    def used(self, state: tuple[int, int, int] | None, now: int) -> int:
        start, previous, current = self.seen(state, now)
        return current + ceil(Fraction(previous * (self.span - (now - start)), self.span))

    def taken(self, state: tuple[int, int, int] | None, units: int, now: int, _=None) -> tuple[int, int, int]:
        start, previous, current = self.seen(state, now)
        return start, previous, min(current + units, MOST_32)

    def given_back(self, state: tuple[int, int, int] | None, units: int, newer: int, now: int):
        start, previous, current = self.seen(state, now)
        from_current = min(units, max(current - newer, 0))
        from_previous = min(units - from_current, max(previous - max(newer - current, 0), 0))
        return (start, previous - from_previous, current - from_current) if from_current or from_previous else state

    def free_at(self, state: tuple[int, int, int] | None, units: int, now: int) -> int:
        """What counts only becomes less as time goes by."""
        counted = self.seen(state, now)
        later = range(now, self.begin(now) + 2 * self.span + 1)
        return later[bisect_left(later, True, key=lambda at: self.used(counted, at) + units <= self.size)]

    def idle_at(self, state: tuple[int, int, int] | None, now: int) -> int:
        start, previous, current = self.seen(state, now)
        return start + 2 * self.span if current else start + self.span if previous else now
