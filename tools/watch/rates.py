# SPDX-License-Identifier: MIT
"""Two samples of one server: what happened between them, a second.

A counter that is lower than before (the server was restarted from an older file, or the key was made anew) says nothing
about the time between: its rate is unknown for once, and never negative. None is an unknown rate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .samples import Command, Counts, Limiter, Sample


@dataclass(frozen=True)
class Rates:
    granted: float | None = None
    denied: float | None = None
    near: float | None = None
    would_deny: float | None = None


NONE_YET = Counts(granted=0, denied=0, near=0, would_deny=0)


def rate(before: int | None, now: int | None, seconds: float) -> float | None:
    if before is None or now is None or now < before or seconds <= 0:
        return None
    return (now - before) / seconds


def between(before: Counts | None, now: Counts, seconds: float) -> Rates:
    if before is None or now.is_stopped:
        return Rates()
    return Rates(
        granted=rate(before.granted, now.granted, seconds),
        denied=rate(before.denied, now.denied, seconds),
        near=rate(before.near, now.near, seconds),
        would_deny=rate(before.would_deny, now.would_deny, seconds),
    )


def of_key(before: Limiter | None, now: Limiter, seconds: float) -> Rates:
    if before is None or before.counts.since_ms != now.counts.since_ms:
        return Rates()
    return between(before.counts, now.counts, seconds)


def of_label(before: Limiter | None, now: Limiter, label: bytes, seconds: float) -> Rates:
    """A label that was not there before (somebody was blocked for the first time) began with nothing."""
    if before is None:
        return Rates()
    earlier = before.labels.get(label)
    if earlier is not None and earlier.since_ms != now.labels[label].since_ms:
        return Rates()
    return between(earlier or NONE_YET, now.labels[label], seconds)


def of_field(before: Sample | None, now: Sample, name: str) -> float | None:
    """Of a counter of INFO."""
    if before is None:
        return None
    return rate(before.number(name), now.number(name), now.at - before.at)


def total(rates: Iterable[float | None]) -> float | None:
    """The sum of the rates that are known; None if none is."""
    known = [each for each in rates if each is not None]
    return sum(known) if known else None


def total_of(rates: Iterable[Rates]) -> Rates:
    rates = list(rates)
    return Rates(
        granted=total(each.granted for each in rates),
        denied=total(each.denied for each in rates),
        near=total(each.near for each in rates),
        would_deny=total(each.would_deny for each in rates),
    )


def of_command(before: Command | None, now: Command) -> Command:
    """The calls between two samples; all calls if there is no sample before, or the counters began anew."""
    if before is None or before.calls > now.calls:
        return now
    histogram = {bound: count - before.histogram.get(bound, 0) for bound, count in now.histogram.items()}
    if any(count < 0 for count in histogram.values()):
        histogram = now.histogram  # LATENCY or CONFIG RESETSTAT
    return Command(now.calls - before.calls, max(now.us - before.us, 0), histogram)


def together(commands: Iterable[Command]) -> Command:
    """One command on several servers."""
    calls, us, histogram = 0, 0, {}
    for each in commands:
        calls, us = calls + each.calls, us + each.us
        for bound, count in each.histogram.items():
            histogram[bound] = histogram.get(bound, 0) + count
    return Command(calls, us, histogram)


def percentile(histogram: dict[int, int], percent: float) -> int | None:
    """So many percent of the calls took at most so many µs; None without calls."""
    calls = sum(histogram.values())
    seen = 0
    for bound, count in sorted(histogram.items()):
        seen += count
        if calls and seen * 100 >= calls * percent:
            return bound
    return None
