# SPDX-License-Identifier: MIT
"""Where the windows of a calendar begin, found by walking from minute to minute with zoneinfo."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from harness import DAY, HOUR, SECOND

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
