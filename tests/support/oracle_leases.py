# SPDX-License-Identifier: MIT
"""How CONCURRENT counts: a list of leases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from oracle_limits import MOST_32, Limit, duration


class Lease(NamedTuple):
    end: int
    units: int
    lease_id: object
    given: int  # the longest time for which it was given, or one that lasted then


@dataclass(frozen=True)
class Concurrent(Limit):
    """The state is the leases."""

    size: int
    span: int

    label = "concurrent"

    @property
    def rule(self) -> str:
        return f"CONCURRENT {self.size} {duration(self.span)}"

    def seen(self, leases: list[Lease] | None, now: int) -> list[Lease]:
        return sorted((lease for lease in self.clamped(leases, now) if lease.end > now), key=lambda lease: lease.end)

    def latest(self, leases: list[Lease] | None, now: int) -> int:
        """No lease that is present ends later, unless the clock was ahead when it was given."""
        return now + max((lease.given for lease in leases or [] if lease.end > now), default=0)

    def is_ahead(self, leases: list[Lease] | None, now: int) -> bool:
        return any(lease.end > self.latest(leases, now) for lease in leases or [])

    def clamped(self, leases: list[Lease] | None, now: int) -> list[Lease]:
        latest = self.latest(leases, now)
        return [lease._replace(end=min(lease.end, latest)) for lease in leases or []]

    def without(self, leases: list[Lease] | None, lease_id) -> list[Lease]:
        return [lease for lease in leases or [] if lease_id is None or lease.lease_id != lease_id]

    def without_ended(self, leases: list[Lease] | None, now: int) -> list[Lease]:
        return [lease for lease in leases or [] if lease.end > now]

    def lease(self, leases: list[Lease] | None, lease_id, now: int) -> Lease | None:
        """The lease with this id, if there is one that has not ended."""
        return next((lease for lease in self.seen(leases, now) if lease_id and lease.lease_id == lease_id), None)

    def used(self, leases: list[Lease] | None, now: int) -> int:
        return sum(lease.units for lease in self.seen(leases, now))

    def room_at(self, leases: list[Lease] | None, now: int) -> int:
        alive = self.seen(leases, now)
        instants = [now, *(lease.end for lease in alive)]
        return next(instant for instant in instants if self.used(alive, instant) < MOST_32)

    def given(self, leases: list[Lease] | None, units: int, now: int, lease_id, end: int, given: int) -> list[Lease]:
        """One that is renewed ends no earlier than before, and has room for what it had."""
        old, others = self.lease(leases, lease_id, now), self.without(self.clamped(leases, now), lease_id)
        units = min(units, max(MOST_32 - self.used(others, now), old.units if old else 0))
        longest = self.latest(leases, now) - now
        return [*others, Lease(max(end, old.end if old else end), units, lease_id, max(given, longest))]

    def taken(self, leases: list[Lease] | None, units: int, now: int, lease_id=None) -> list[Lease]:
        """No more units than there is room for beside all others, who may hold more than ever was free, by a clock that
        went back while one of them waits."""
        room = MOST_32 - self.used(self.without(self.clamped(leases, now), lease_id), now)
        return self.given(leases, min(units, room), now, lease_id, now + self.span, self.span)

    def free_at(self, leases: list[Lease] | None, units: int, now: int) -> int:
        alive = self.seen(leases, now)
        instants = [now, *(lease.end for lease in alive)]
        return next(instant for instant in instants if self.used(alive, instant) + units <= self.size)

    def idle_at(self, leases: list[Lease] | None, now: int) -> int:
        return max((lease.end for lease in self.seen(leases, now)), default=now)
