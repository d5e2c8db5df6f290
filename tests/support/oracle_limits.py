# SPDX-License-Identifier: MIT
"""How each algorithm counts, said a second time and in the most obvious way: fractions, lists, loops, zoneinfo.

It knows the contract and nothing of the C++ code. Instants and spans are nanoseconds; None is the state of who was
never seen. An algorithm says what its state means at an instant (`seen`: what has ended is gone, and what is of a clock
that was ahead counts as of now), and from that everything else follows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from math import ceil
from typing import NamedTuple
from zoneinfo import ZoneInfo

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


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What all algorithms have in common."""

    per_request: bool = False
    name: str = ""  # what AS gives

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


@dataclass(frozen=True)
class TokenBucket(Limit):
    """The state is the instant at which the bucket is full again, and the debt, in whole units, of the last charge."""

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
    def largest_debt(self) -> int:
        return min(MOST, LONGEST // self.interval)

    def keeps_times_of(self, other: Limit) -> bool:
        return type(other) is type(self) and other.interval == self.interval

    def latest(self, debt: int, now: int) -> Fraction:
        """As full as the bucket can have been left with this debt, it is full again then."""
        return now + self.span + debt * self.interval

    def full_at(self, state: tuple[Fraction, int] | None, now: int) -> Fraction:
        full_at, debt = state or (Fraction(0), 0)
        return min(max(full_at, Fraction(now)), self.latest(debt, now))

    def with_level(self, full_at: Fraction, now: int) -> tuple[Fraction, int]:
        return full_at, max(ceil((full_at - self.latest(0, now)) / self.interval), 0)

    def is_ahead(self, state: tuple[Fraction, int] | None, now: int) -> bool:
        return state is not None and state[0] > self.latest(state[1], now)

    def clamped(self, state: tuple[Fraction, int] | None, now: int) -> tuple[Fraction, int]:
        return self.with_level(self.full_at(state, now), now)

    def used(self, state: tuple[Fraction, int] | None, now: int) -> int:
        return ceil((self.full_at(state, now) - now) / self.interval)

    def taken(self, state: tuple[Fraction, int] | None, units: int, now: int, _=None) -> tuple[Fraction, int]:
        level = self.full_at(state, now) + units * self.interval
        return self.with_level(min(level, self.latest(self.largest_debt, now)), now)

    def given_back(self, state: tuple[Fraction, int] | None, units: int, newer: int, now: int):
        level = self.full_at(state, now)
        back = min(units * self.interval, max(level - now - newer * self.interval, 0))
        return self.with_level(level - back, now) if back else state

    def free_at(self, state: tuple[Fraction, int] | None, units: int, now: int) -> Fraction:
        """The first instant at which so many units can be taken; none: at which there is no debt."""
        return max(self.full_at(state, now) + (units - self.size) * self.interval, Fraction(now))

    def idle_at(self, state: tuple[Fraction, int] | None, now: int) -> Fraction:
        return self.full_at(state, now)


@dataclass(frozen=True)
class LeakyBucket(TokenBucket):
    """A token bucket that tells who is granted to wait until those before have left."""

    label = "leakybucket"

    def turn_at(self, state: tuple[Fraction, int] | None, now: int) -> Fraction:
        return self.full_at(state, now)


@dataclass(frozen=True)
class Counted(Limit):
    """Windows, wherever they end. The state is when the window ends and what was taken in it."""

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

    def keeps_times_of(self, other: Limit) -> bool:
        return isinstance(other, FixedWindow) and (other.span, other.aligned) == (self.span, self.aligned)

    def end(self, now: int) -> int:
        return now + self.span - (now % self.span if self.aligned else 0)


# --- the calendar

UNITS = {"HOUR": HOUR, "DAY": DAY, "WEEK": 7 * DAY, "MONTH": 31 * DAY, "YEAR": 366 * DAY}  # but for changes of clocks
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_MINUTE = timedelta(minutes=1)


def unix_ns(instant: datetime) -> int:
    since = instant.astimezone(UTC) - EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1000


def utc(unix_ns: int) -> datetime:
    """The second in which this instant lies: clocks change on whole minutes."""
    return EPOCH + timedelta(seconds=unix_ns // SECOND)


def minutes_from(instant: datetime) -> Iterator[datetime]:
    while True:
        yield instant
        instant += ONE_MINUTE


@cache
def begin_of(day: date, zone: str) -> int:
    """The first minute, in all the world, in which it is that day in the zone: also where midnight is left out."""
    earliest = datetime.combine(day, time(), UTC) - timedelta(hours=15)
    return unix_ns(next(minute for minute in minutes_from(earliest) if minute.astimezone(ZoneInfo(zone)).date() >= day))


def is_first_day(day: date, unit: str) -> bool:
    is_first = {"DAY": True, "WEEK": day.weekday() == 0, "MONTH": day.day == 1, "YEAR": (day.month, day.day) == (1, 1)}
    return is_first[unit]


@cache
def next_begin(unit: str, zone: str, minute: datetime) -> int:
    """Where the first window begins behind this minute. No window begins within one."""
    local = ZoneInfo(zone)
    if unit == "HOUR":
        later = minutes_from(minute + ONE_MINUTE)
        return unix_ns(next(minute for minute in later if minute.astimezone(local).minute == 0))
    today = minute.astimezone(local).date()
    days = (today + timedelta(days=number) for number in range(400))
    begins = (begin_of(day, zone) for day in days if is_first_day(day, unit))
    return next(begin for begin in begins if begin > unix_ns(minute))


@dataclass(frozen=True)
class Quota(Counted):
    size: int
    unit: str
    zone: str = "UTC"

    label = "quota"

    @property
    def rule(self) -> str:
        return f"QUOTA {self.size} {self.unit}" + (f" TZ {self.zone}" if self.zone != "UTC" else "")

    @property
    def span(self) -> int:
        return UNITS[self.unit]

    def keeps_times_of(self, other: Limit) -> bool:
        return isinstance(other, Quota) and (other.unit, other.zone) == (self.unit, self.zone)

    def end(self, now: int) -> int:
        return next_begin(self.unit, self.zone, utc(now - now % MINUTE))


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
        return sum(units for _, units in self.seen(log, now))

    def room_at(self, log: list[tuple[int, int]] | None, now: int) -> int:
        alive = self.seen(log, now)
        instants = [now, *(at + self.span for at, _ in alive)]
        return next(instant for instant in instants if self.used(alive, instant) < MOST)

    def taken(self, log: list[tuple[int, int]] | None, units: int, now: int, _=None) -> list[tuple[int, int]]:
        alive = self.seen(log, now)
        return [*alive, (self.on_grid(now), min(units, MOST - self.used(alive, now)))]

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

    def keeps_times_of(self, other: Limit) -> bool:
        return isinstance(other, WeightedWindow) and other.span == self.span

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

    def clamped(self, state: tuple[int, int, int] | None, now: int) -> tuple[int, int, int]:
        return self.seen(state, now)

    def used(self, state: tuple[int, int, int] | None, now: int) -> int:
        start, previous, current = self.seen(state, now)
        return current + ceil(Fraction(previous * (self.span - (now - start)), self.span))

    def taken(self, state: tuple[int, int, int] | None, units: int, now: int, _=None) -> tuple[int, int, int]:
        start, previous, current = self.seen(state, now)
        return start, previous, min(current + units, MOST)

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


class Lease(NamedTuple):
    end: int
    units: int
    lease_id: object


@dataclass(frozen=True)
class Concurrent(Limit):
    """The state is the leases."""

    size: int
    span: int

    label = "concurrent"

    @property
    def rule(self) -> str:
        return f"CONCURRENT {self.size} {duration(self.span)}"

    def keeps_times_of(self, other: Limit) -> bool:
        return isinstance(other, Concurrent)

    def seen(self, leases: list[Lease] | None, now: int) -> list[Lease]:
        return sorted((lease for lease in self.clamped(leases, now) if lease.end > now), key=lambda lease: lease.end)

    def is_ahead(self, leases: list[Lease] | None, now: int) -> bool:
        return any(lease.end > now + self.span for lease in leases or [])

    def clamped(self, leases: list[Lease] | None, now: int) -> list[Lease]:
        return [lease._replace(end=min(lease.end, now + self.span)) for lease in leases or []]

    def without(self, leases: list[Lease] | None, lease_id) -> list[Lease]:
        return [lease for lease in leases or [] if lease_id is None or lease.lease_id != lease_id]

    def without_ended(self, leases: list[Lease] | None, now: int) -> list[Lease]:
        return [lease for lease in leases or [] if lease.end > now]

    def holds(self, leases: list[Lease] | None, lease_id, now: int) -> bool:
        return any(lease.lease_id == lease_id for lease in self.without_ended(leases, now))

    def used(self, leases: list[Lease] | None, now: int) -> int:
        return sum(lease.units for lease in self.seen(leases, now))

    def room_at(self, leases: list[Lease] | None, now: int) -> int:
        alive = self.seen(leases, now)
        instants = [now, *(lease.end for lease in alive)]
        return next(instant for instant in instants if self.used(alive, instant) < MOST)

    def taken(self, leases: list[Lease] | None, units: int, now: int, lease_id=None) -> list[Lease]:
        units = min(units, MOST - self.used(leases, now))
        return [*self.clamped(leases, now), Lease(now + self.span, units, lease_id)]

    def free_at(self, leases: list[Lease] | None, units: int, now: int) -> int:
        alive = self.seen(leases, now)
        instants = [now, *(lease.end for lease in alive)]
        return next(instant for instant in instants if self.used(alive, instant) + units <= self.size)

    def idle_at(self, leases: list[Lease] | None, now: int) -> int:
        return max((lease.end for lease in self.seen(leases, now)), default=now)
