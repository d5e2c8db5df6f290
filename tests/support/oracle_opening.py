# SPDX-License-Identifier: MIT
"""What a limit counts that takes over what another one counted: a new account of a subject, which starts from one of
those that are there, and stored limits that RL.DEFINE changes.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil

from oracle_leases import Concurrent
from oracle_limits import (
    MOST_32,
    Counted,
    FixedWindow,
    Level,
    Limit,
    Quota,
    SlidingLog,
    TokenBucket,
    WeightedWindow,
)

FAMILIES = TokenBucket, FixedWindow, Quota, SlidingLog, WeightedWindow, Concurrent


def opened(limit: Limit, accounts: list[tuple[Limit, object]], at: int):
    """The state with which an account of this limit begins, where there are these accounts."""
    source = source_of(limit, accounts, at)
    return None if source is None else capped(limit, adopted(limit, *source, at), at)


def source_of(limit: Limit, accounts: list[tuple[Limit, object]], at: int) -> tuple[Limit, object] | None:
    """Of the same family if there is one; of several, the one that counts most."""
    able = [account for account in accounts if may_start_from(limit, account[0])]
    alike = [account for account in able if are_of_one_family(limit, account[0])]
    return max(alike or able, key=lambda account: account[0].used(account[1], at), default=None)


def are_of_one_family(limit: Limit, other: Limit) -> bool:
    return any(isinstance(limit, family) and isinstance(other, family) for family in FAMILIES)


def may_start_from(limit: Limit, other: Limit) -> bool:
    """Requests are not units, and leases have holders."""
    is_of_requests = other.per_request or not limit.per_request
    return is_of_requests and (isinstance(other, Concurrent) or not isinstance(limit, Concurrent))


def redefined(limit: Limit, other: Limit, state, at: int):
    """The state under a stored limit that takes the place of another one: windows, logs and leases keep what exceeds
    the new size."""
    return state if replace(limit, name=other.name) == other else adopted(limit, other, state, at)


def adopted(limit: Limit, other: Limit, state, at: int):
    """What exceeds the size included, within a family."""
    if not are_of_one_family(limit, other):
        used = min(other.used(state, at), limit.size)
        return limit.taken(None, used, at) if used else None
    if isinstance(limit, TokenBucket):
        return bucket(limit, other, state, at)
    if isinstance(limit, Counted):
        return window(limit, other, state, at)
    if isinstance(limit, SlidingLog):
        return log(limit, other, state, at)
    if isinstance(limit, WeightedWindow):
        return weights(limit, other, state, at)
    return state


def capped(limit: Limit, state, at: int):
    """At most the size counts as used; the newest units stay."""
    if state is None or (limit.used(state, at) <= limit.size and not isinstance(state, Level)):
        return state
    if isinstance(limit, TokenBucket):
        return Level(min(state.full_at, limit.latest(0, at)))
    if isinstance(limit, Counted):
        return (state[0], limit.size) if limit.size else None
    if isinstance(limit, SlidingLog):
        return limit.given_back(state, limit.used(state, at) - limit.size, limit.size, at)
    if isinstance(limit, WeightedWindow):
        return capped_weights(limit, state, at)
    return capped_leases(limit, state, at)


def bucket(limit: TokenBucket, other: TokenBucket, state: Level | None, at: int) -> Level | None:
    """The same units are used, to the fraction, and the bucket is empty at most: the rest is cut off."""
    used = (other.full_at(state, at) - at) / other.interval + other.cut_off(state, at)
    if not used:
        return None
    if used >= limit.size:
        return Level(limit.latest(0, at), 0, min(ceil(used - limit.size), limit.largest_debt))
    grid = limit.interval.denominator  # the state keeps such parts of a nanosecond
    return Level(at + Fraction(ceil(used * limit.interval * grid), grid))


def window(limit: Counted, other: Counted, state: tuple[int, int] | None, at: int) -> tuple[int, int] | None:
    """A window of any begin keeps the one that it has, while it lasts; any other is that which is open."""
    end, used = other.seen(state, at)
    if not used:
        return None
    if isinstance(limit, FixedWindow):
        kept = end - other.span + limit.span
        is_same = (limit.span, limit.aligned) == (other.span, other.aligned)
        return end if is_same else kept if not limit.aligned and kept > at else limit.end(at), used
    is_same = (limit.unit, limit.zone, limit.anchor) == (other.unit, other.zone, other.anchor)
    return end if is_same else limit.end(at), used


def log(limit: SlidingLog, other: SlidingLog, entries: list[tuple[int, int]] | None, at: int):
    """Entries keep their times."""
    if entries is None or limit.span == other.span:
        return entries
    kept = [(min(limit.on_grid(when), limit.on_grid(at)), units) for when, units in other.seen(entries, at)]
    return limit.seen(kept, at) or None


def weights(limit: WeightedWindow, other: WeightedWindow, state: tuple[int, int, int] | None, at: int):
    if limit.span == other.span:
        return state
    used = min(other.used(state, at), MOST_32)
    return (limit.begin(at), 0, used) if used else None


def capped_weights(limit: WeightedWindow, state: tuple[int, int, int], at: int) -> tuple[int, int, int]:
    start, previous, current = limit.seen(state, at)
    current = min(current, limit.size)
    left = Fraction((limit.size - current) * limit.span, limit.span - (at - start))
    return start, min(previous, int(left)), current


def capped_leases(limit: Concurrent, leases: list, at: int) -> list:
    """Those that end last stay; of equals, those with the greatest ids."""
    kept, room = [], limit.size
    for lease in sorted(limit.seen(leases, at), key=lambda lease: (lease.end, lease.lease_id or ""), reverse=True):
        kept += [lease._replace(units=min(lease.units, room))] if room else []
        room -= min(lease.units, room)
    return kept[::-1]
