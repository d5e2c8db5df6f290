# SPDX-License-Identifier: MIT
"""Where the windows of a calendar begin, found by walking from minute to minute with zoneinfo."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from harness import DAY, HOUR, SECOND

# How long each is at most, but for changes of clocks.
UNITS = {"HOUR": HOUR, "DAY": DAY, "WEEK": 7 * DAY, "MONTH": 31 * DAY, "QUARTER": 92 * DAY, "YEAR": 366 * DAY}
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
def begin_of(shown: datetime, zone: str) -> int:
    """The first minute, in all the world, in which the zone's clock shows this or more: also where it is left out."""
    local = ZoneInfo(zone)
    earliest = shown.replace(tzinfo=UTC) - timedelta(hours=15)
    later = (minute for minute in minutes_from(earliest) if minute.astimezone(local).replace(tzinfo=None) >= shown)
    return unix_ns(next(later))


def is_first_day(day: date, unit: str, anchor: date) -> bool:
    """Whether a window begins on this day, if one begins on that of the anchor."""
    months = 12 * (day.year - anchor.year) + day.month - anchor.month
    is_day = day.day == min(anchor.day, monthrange(day.year, day.month)[1])
    is_first = {
        "DAY": True,
        "WEEK": (day - anchor).days % 7 == 0,
        "MONTH": is_day,
        "QUARTER": is_day and months % 3 == 0,
        "YEAR": is_day and months % 12 == 0,
    }
    return is_first[unit]


@cache
def next_begin(unit: str, zone: str, minute: datetime, anchor: str | None = None) -> int:
    """Where the first window begins behind this minute. No window begins within one. Without an anchor, windows are as
    from 2024-01-01 on, a Monday."""
    local = ZoneInfo(zone)
    begin = datetime.fromisoformat(anchor or "2024-01-01")
    if unit == "HOUR":
        later = minutes_from(minute + ONE_MINUTE)
        return unix_ns(next(minute for minute in later if minute.astimezone(local).minute == begin.minute))
    today = minute.astimezone(local).date()
    days = (today + timedelta(days=number) for number in range(-1, 400))
    starts = (datetime.combine(day, begin.time()) for day in days if is_first_day(day, unit, begin.date()))
    return next(instant for start in starts if (instant := begin_of(start, zone)) > unix_ns(minute))
