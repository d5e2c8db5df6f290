# SPDX-License-Identifier: MIT
"""Random limits of every kind, and what random calls about them need: costs, spans, and steps of the clock that often
lead to the very instant at which something changes.
"""

from __future__ import annotations

import random
from calendar import monthrange
from dataclasses import replace
from datetime import date, timedelta

from harness import BASE, DAY, MS, SECOND
from oracle_calendar import UNITS
from oracle_decide import labels
from oracle_leases import Concurrent
from oracle_limits import (
    LONGEST,
    MOST,
    MOST_32,
    FixedWindow,
    LeakyBucket,
    Limit,
    Quota,
    SlidingLog,
    TokenBucket,
    WeightedWindow,
)

EARLIEST, LATEST = BASE - 10 * 365 * DAY, BASE + 100 * 365 * DAY
IDS = ["a", "b", "c", "d"]

# Whole hours, half hours and quarters; midnights that are left out or come twice; a change of half an hour, and of two.
ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "America/Havana", "Asia/Beirut"),
    *("America/Santiago", "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Chatham", "Antarctica/Troll", "Etc/GMT+12"),
    *("Pacific/Kiritimati", "America/St_Johns", "Africa/Casablanca"),
]


def any_size(rng: random.Random, most: int) -> int:
    """A number of any magnitude; the bounds, too, are drawn now and then."""
    return rng.choice([1, most, rng.randint(1, most), int(most ** rng.random()), int(most ** rng.random())])


def any_size_of_limit(rng: random.Random, most: int) -> int:
    """Now and then the limit is closed."""
    return 0 if rng.random() < 0.02 else any_size(rng, most)


def any_window(rng: random.Random) -> int:
    return rng.choice([SECOND, 60 * SECOND, DAY, MS * any_size(rng, LONGEST // MS)])


def any_bucket(rng: random.Random) -> TokenBucket:
    period, refill = any_window(rng), any_size(rng, MOST_32)
    return TokenBucket(any_size_of_limit(rng, min(MOST_32, LONGEST * refill // period)), refill, period)


def any_queue(rng: random.Random) -> LeakyBucket:
    bucket = any_bucket(rng)
    return LeakyBucket(bucket.size, bucket.refill, bucket.period)


def any_fixed(rng: random.Random) -> FixedWindow:
    return FixedWindow(any_size_of_limit(rng, MOST), any_window(rng), rng.random() < 0.5)


def any_log(rng: random.Random) -> SlidingLog:
    return SlidingLog(any_size_of_limit(rng, MOST_32), any_window(rng))


def any_weights(rng: random.Random) -> WeightedWindow:
    return WeightedWindow(any_size_of_limit(rng, MOST_32), any_window(rng))


def any_anchor(rng: random.Random) -> str:
    """A date, often at the end of a month; and in one of two a time, often when clocks change."""
    day = date(1970, 1, 1) + timedelta(days=rng.randrange((date(2200, 1, 1) - date(1970, 1, 1)).days))
    if rng.random() < 0.4:
        day = day.replace(day=monthrange(day.year, day.month)[1])
    minutes = rng.choice([rng.randrange(24 * 60), 15 * rng.randrange(13)])
    time = f"T{minutes // 60:02}:{minutes % 60:02}" if minutes and rng.random() < 0.5 else ""
    return day.isoformat() + time


def any_quota(rng: random.Random) -> Quota:
    anchor = any_anchor(rng) if rng.random() < 0.5 else None
    return Quota(any_size_of_limit(rng, MOST), rng.choice(list(UNITS)), rng.choice(ZONES), anchor)


def any_leases(rng: random.Random) -> Concurrent:
    return Concurrent(any_size_of_limit(rng, MOST_32), any_window(rng))


ANY = {
    "tokenbucket": any_bucket,
    "leakybucket": any_queue,
    "fixed": any_fixed,
    "sliding": any_log,
    "approx": any_weights,
    "quota": any_quota,
    "concurrent": any_leases,
}


def any_limits(rng: random.Random, count: int) -> list[Limit]:
    """Some of them named, and some that count requests."""
    limits = [rng.choice(list(ANY.values()))(rng) for _ in range(count)]
    names = [f"l{number}" for number in rng.sample(range(9), count)]
    return [
        replace(limit, per_request=rng.random() < 0.2, name=name if rng.random() < 0.3 else "")
        for limit, name in zip(limits, names)
    ]


def changed(rng: random.Random, limit: Limit) -> Limit:
    """Another limit: of another kind, or the same with another size."""
    if rng.random() < 0.5:
        return rng.choice(list(ANY.values()))(rng)
    is_bucket = isinstance(limit, TokenBucket)
    most = min(limit.largest, LONGEST * limit.refill // limit.period) if is_bucket else limit.largest
    return replace(limit, size=any_size_of_limit(rng, most))


def any_gap(rng: random.Random, limit: Limit, wait_ms: int) -> int:
    """How far the clock moves before the next call: often around the instants at which something changes."""
    span = int(limit.span)
    unit = span // max(limit.size, 1)
    edge = rng.choice([unit, span, max(wait_ms, 0) * MS]) + rng.choice([-1, 0, 1])
    anywhere, near, back = rng.randint(0, span), rng.randint(0, 1 + 3 * unit), -rng.randint(0, 1 + span // 8)
    return rng.choice([0, 0, 0, 1, edge, edge, edge, anywhere, anywhere, near, near, back])


def any_cost(rng: random.Random, limit: Limit, remaining: int) -> int:
    few, any_number = rng.randint(1, 1 + limit.size // 8), any_size(rng, max(limit.size, 1))
    if rng.random() < 0.01:
        return any_size(rng, MOST)
    return min(max(rng.choice([1, 1, few, any_number, remaining, remaining + 1, limit.size + 1]), 1), MOST)


def any_charges(rng: random.Random, limits: list[Limit], remaining: int, mode: str) -> tuple[tuple[str, int], ...]:
    """Costs of their own for some of these limits, by label; now and then nothing. To ask for nothing by force, or with
    the id of a lease: tests/server/commands/test_charge.py.
    """
    named = rng.sample([*zip(labels(limits), limits)], rng.randint(1, len(limits)))
    return tuple(
        (
            name,
            0
            if rng.random() < 0.25 and mode != "FORCE" and not isinstance(limit, Concurrent)
            else any_cost(rng, limit, remaining),
        )
        for name, limit in named
    )


def any_span(rng: random.Random, limit: Limit) -> int:
    """A number of milliseconds, as one says it in a command."""
    around = rng.choice([limit.span // max(limit.size, 1), limit.span // 2, limit.span, 2 * limit.span])
    return rng.choice([any_window(rng), min(max(int(around) // MS, 1), LONGEST // MS) * MS])


def words(limits: list[Limit]) -> str:
    return " ".join(map(str, limits))
