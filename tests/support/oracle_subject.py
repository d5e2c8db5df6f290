# SPDX-License-Identifier: MIT
"""What a subject keeps: an account for each limit that it was asked under, the turn of who waits, a block, and the
holds. How accounts are opened, booked on and dropped; what they answer is in oracle.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import NamedTuple

from oracle_decide import LATEST, clamped, labels
from oracle_leases import Concurrent, Lease
from oracle_limits import Limit
from oracle_opening import opened, redefined, source_of

MOST_ACCOUNTS = 8
IS_IN_USE = "the"  # the first word of the error of who has holds and the like, and goes to where it is in use
NUMBERS = count()


class Turn(NamedTuple):
    """When the call that waits longest may go, and how long it had to wait when it was granted."""

    at: int = 0
    wait: int = 0

    def or_later(self, now: int) -> int:
        return max(now, min(self.at, now + self.wait))


class Block(NamedTuple):
    """Until when nothing is granted, and how long that was when it began."""

    end: int = 0
    length: int = 0

    @classmethod
    def begun(cls, now: int, length: int) -> Block:
        end = min(now + length, LATEST)
        return cls(end, end - now) if end > now else cls()

    def left(self, now: int) -> int:
        return max(min(self.end - now, self.length), 0)


@dataclass(eq=False)
class Account:
    limit: Limit
    state: object
    last: int = 0  # when it was opened, or the last grant under a call that named it; of one list, nothing
    number: int = field(default_factory=NUMBERS.__next__)  # the same in a copy, and in what takes its place

    @property
    def is_refundable(self) -> bool:
        """Requests have been made, and leases end otherwise."""
        return not self.limit.per_request and not isinstance(self.limit, Concurrent)


@dataclass
class Hold:
    granted: int
    end: int
    named: list[int]  # the numbers of the accounts that decided it
    charged: dict[int, int]  # what each account was charged, by its number
    # Units that were charged after those of the hold, and not given back since: by account, and for those opened later.
    newer: dict[int, int] = field(default_factory=dict)
    newer_on_others: int = 0
    settled: int | None = None  # the actual cost of one that is over: only its id is remembered

    def charged_of(self, account: Account | None) -> int:
        return self.charged_on(account) if account else self.granted

    def known_by(self, newer: int, account: Account | None, actual: int) -> int:
        """What was charged after an older hold, which learns that this one has cost no more than that."""
        since = self.newer_on(account) if account else self.newer_on_others
        too_much = max(self.charged_of(account) - actual, 0)
        return max(newer - too_much, since) if newer > since else newer

    def newer_on(self, account: Account) -> int:
        return self.newer.get(account.number, self.newer_on_others)

    def change_newer(self, accounts: list[Account], change) -> None:
        """Each count becomes what `change(count, account)` says; for accounts that are opened later, of none."""
        self.newer |= {account.number: change(self.newer_on(account), account) for account in accounts}
        self.newer_on_others = change(self.newer_on_others, None)

    def charged_on(self, account: Account) -> int:
        """One that was opened later has what is settled booked like any other."""
        return self.charged.get(account.number, self.granted)


class Subject:
    """Accounts, the turn, and holds in the order in which they were charged."""

    def __init__(self) -> None:
        self.accounts: list[Account] = []
        self.has_many_lists = False  # or is asked under one list, that of all accounts in their order
        self.turn = Turn()
        self.block = Block()
        self.holds: dict[object, Hold] = {}
        self.has_collected = False

    # --- what there is at an instant

    def copy(self):
        copy = type(self)()
        copy.accounts = [replace(account) for account in self.accounts]
        copy.has_many_lists, copy.turn, copy.block = self.has_many_lists, self.turn, self.block
        copy.holds = {
            name: replace(hold, charged=dict(hold.charged), newer=dict(hold.newer)) for name, hold in self.holds.items()
        }
        return copy

    def at(self, now: int, limits: list[Limit] = ()):
        """What a call finds that names these limits, or none: holds have ended that end by now, and accounts are gone
        that nobody asks for."""
        copy = self.collected(now)
        copy._drop(copy.known(limits), now)
        return copy

    def collected(self, now: int):
        """What is there after holds have ended that end by now, for those that go by all accounts and write."""
        copy = self.copy()
        copy._collect(now)
        return copy

    def become(self, other, now: int) -> None:
        """Writes. A turn that has come is over, and so is a block; what is as if never used is gone."""
        self.__dict__ = other.copy().__dict__
        if self.turn.at <= now:
            self.turn = Turn()
        if self.block.end <= now:
            self.block = Block()
        if self.is_idle(now):
            self.__init__()

    def is_idle(self, now: int) -> bool:
        is_used = any(account.limit.forgotten_at(account.state, now) > now for account in self.accounts)
        return not is_used and not self.holds and self.turn.at <= now and self.block.end <= now

    def live_hold(self, hold_id, now: int) -> Hold | None:
        hold = self.holds.get(hold_id)
        return hold if hold and hold.end > now else None

    def is_ahead(self, accounts: list[Account], now: int) -> bool:
        """Whether something is of a clock that was ahead."""
        at = self.turn.or_later(now)
        if self.turn.at > at or self.block.end > now + self.block.length:
            return True
        return any(account.limit.is_ahead(account.state, at) for account in accounts)

    def clamp(self, accounts: list[Account], now: int) -> None:
        at = self.turn.or_later(now)
        self.turn = self.turn._replace(at=min(self.turn.at, now + self.turn.wait))
        self.block = self.block._replace(end=min(self.block.end, now + self.block.length))
        states = clamped([account.limit for account in accounts], [account.state for account in accounts], at)
        for account, state in zip(accounts, states):
            account.state = state

    def labels(self) -> list[str]:
        return labels([account.limit for account in self.accounts])

    # --- accounts come and go

    def known(self, limits: list[Limit]) -> list[Account | None]:
        """The account of each limit; of equal ones, the first, the second and so on."""
        left, found = list(self.accounts), []
        for limit in limits:
            account = next((account for account in left if account.limit == limit), None)
            left = [other for other in left if other is not account]
            found.append(account)
        return found

    def open(self, limits: list[Limit], now: int) -> list[Account]:
        """The accounts of these limits. New ones start from those that were there before, all of them."""
        named, at = self.known(limits), self.turn.or_later(now)
        there = list(self.accounts)
        before = [(account.limit, account.state) for account in there]
        if before and None in named:
            self._remember_lists(now)
        for index, limit in enumerate(limits):
            if named[index] is None and len(self.accounts) < MOST_ACCOUNTS:
                named[index] = Account(limit, opened(limit, before, at), now)
                self.accounts.append(named[index])
                source = source_of(limit, before, at)
                self._take_part(named[index], [old for old, pair in zip(there, before) if pair is source])
            elif named[index] is None:
                oldest = min((other for other in self.accounts if other not in named), key=lambda other: other.last)
                # It also has the other one's part in holds.
                state = opened(limit, [(oldest.limit, oldest.state)], at)
                named[index] = Account(limit, state, now, oldest.number)
                self.accounts[self.accounts.index(oldest)] = named[index]
        return named

    def _take_part(self, account: Account, sources: list[Account]) -> None:
        """What starts from another account counts what holds have charged that one."""
        for source in sources:
            for hold in self.holds.values():
                hold.charged[account.number] = hold.charged_on(source)
                hold.newer[account.number] = hold.newer_on(source)

    def note_grant(self, named: list[Account], now: int) -> None:
        """A call under these limits was granted."""
        if len(named) == len(self.accounts):
            if not self.has_many_lists:
                return
            if not self.holds or named == self.accounts:  # which know accounts by their places
                self.accounts, self.has_many_lists = named, False
                return
        self._remember_lists(now)
        for account in named:
            account.last = now

    def _remember_lists(self, now: int) -> None:
        """From the second list on. The first counts as granted now."""
        for account in self.accounts if not self.has_many_lists else []:
            account.last = now
        self.has_many_lists = True

    def _drop(self, named: list[Account | None], now: int) -> None:
        """Accounts under which nobody was granted anything for as long as the slowest takes from full to idle. Not
        those that the call names: who was denied by one and waits as told finds it as it was, if nobody else wrote."""
        if self.has_many_lists and self.accounts and not self.holds:
            slowest = max(account.limit.recovery for account in self.accounts)
            newest = max(account.last for account in self.accounts)
            self.accounts = [
                account
                for account in self.accounts
                if now - account.last <= slowest or account.last == newest or account in named
            ]

    def redefine(self, limits: list[Limit], now: int) -> None:
        """Everything is under these limits from now on."""
        there = self.at(now)
        if there.accounts:
            there._go_over(limits, now)
            self.become(there, now)

    def _go_over(self, limits: list[Limit], now: int) -> None:
        at, before = self.turn.or_later(now), predecessors(self, limits)
        self.accounts = [
            Account(limit, None)
            if old is None
            else Account(limit, redefined(limit, old.limit, old.state, at), number=old.number)
            for limit, old in zip(limits, before)
        ]
        self.has_many_lists = False
        for hold in self.holds.values():
            hold.named = [account.number for account in self.accounts]

    # --- another key

    def transfer(self, to: Subject, stored: list[Limit], now: int) -> int | str:
        """The reply to RL.TRANSFER, to where these limits are stored, or none."""
        here, there = self.collected(now), to.collected(now)
        if here.is_idle(now):
            return self._write_collected([(self, here)], 0, now)
        if not there.is_idle(now) and here.is_tied(now):
            return self._write_collected([(self, here), (to, there)], IS_IN_USE, now)
        here.clamp(here.accounts, now)
        if not there.is_idle(now):
            there._add_used(here, now)
            to.become(there, now)
        else:
            if stored and here.accounts:
                here._go_over(stored, now)
            to.become(here, now)
        self.__init__()
        return 1

    @staticmethod
    def _write_collected(pairs: list[tuple[Subject, Subject]], reply, now: int):
        for subject, collected in pairs:
            if collected.has_collected:
                subject.become(collected, now)
        return reply

    def is_tied(self, now: int) -> bool:
        """Whether it has what cannot be added to what another key has."""
        leasing = [account for account in self.accounts if isinstance(account.limit, Concurrent)]
        has_leases = any(account.limit.used(account.state, now) for account in leasing)
        return bool(self.holds) or self.turn.or_later(now) > now or has_leases

    def _add_used(self, other: Subject, now: int) -> None:
        """What the predecessors count is charged by force. Nobody holds what was used. The longer block stays."""
        self.clamp(self.accounts, now)
        at, used = self.turn.or_later(now), {}
        for account, old in zip(self.accounts, predecessors(other, [account.limit for account in self.accounts])):
            units = 0 if old is None or isinstance(account.limit, Concurrent) else old.limit.used(old.state, now)
            account.state = account.limit.booked(account.state, units, at)
            used[account.number] = units
        most = max(used.values(), default=0)
        self.count_newer(lambda account: used[account.number] if account else most)
        if other.block.left(now) > self.block.left(now):
            self.block = Block.begun(now, other.block.left(now))

    # --- units come and go

    def book(self, account: Account, units: int, at: int, lease: Lease | None, now: int | None) -> None:
        """What was granted under other limits. Leases are booked only on accounts of leases, and nothing else there.
        Those that have ended by `now` are forgotten."""
        limit = account.limit
        if not isinstance(limit, Concurrent):
            account.state = limit.booked(account.state, units, at)
        elif lease and units and limit.room_at(limit.without(account.state, lease.lease_id), at) == at:
            state = limit.given(account.state, units, at, lease.lease_id, lease.end, lease.given)
            account.state = state if now is None else limit.without_ended(state, now)

    def others(self, named: list[Account]) -> list[Account]:
        return [account for account in self.accounts if account not in named]

    def count_newer(self, charged, but: Hold | None = None) -> None:
        """So much was charged: `charged(account)`, and for those opened later `charged(None)`."""
        for hold in self.holds.values():
            if hold is not but:
                hold.change_newer(self.accounts, lambda newer, account: newer + charged(account))

    def give_back(self, units: int, newer: int, at: int) -> None:
        for account in self.accounts:
            if units > 0 and account.is_refundable:
                account.state = account.limit.given_back(account.state, units, newer, at)

    def refundable(self, at: int) -> list[int]:
        return [account.limit.used(account.state, at) if account.is_refundable else 0 for account in self.accounts]

    def _collect(self, now: int) -> None:
        """Holds that have ended give back what they took, as of their end."""
        ended = sorted((hold.end, hold_id) for hold_id, hold in self.holds.items() if hold.end <= now)
        for end, hold_id in ended:
            self.end_hold(hold_id, 0, self.turn.or_later(end))
        self.has_collected = self.has_collected or bool(ended)

    def end_hold(self, hold_id, actual: int, at: int) -> None:
        """What was charged and what it did cost are made equal. To the holds before it, it is as if it had never been
        charged more. Of two between which everything came back, neither is before the other."""
        hold = self.holds.pop(hold_id)
        if hold.settled is not None:
            return
        for account in self.accounts:
            if account.is_refundable:
                self._make_equal(account, hold.charged_on(account), actual, hold.newer_on(account), at)
        charged = hold.charged_of
        for other in self.holds.values():
            other.change_newer(self.accounts, lambda newer, account: hold.known_by(newer, account, actual))
        self.count_newer(lambda account: max(actual - charged(account), 0))

    @staticmethod
    def _make_equal(account: Account, charged: int, actual: int, newer: int, at: int) -> None:
        if actual > charged:
            account.state = account.limit.booked(account.state, actual - charged, at)
        elif actual < charged:
            account.state = account.limit.given_back(account.state, charged - actual, newer, at)

    # --- leases

    def has_lease(self, lease_id, now: int) -> bool:
        return any(
            isinstance(account.limit, Concurrent) and account.limit.lease(account.state, lease_id, now)
            for account in self.accounts
        )

    def end_leases(self, lease_id, now: int) -> bool:
        found = self.has_lease(lease_id, now)
        for account in self.accounts:
            if isinstance(account.limit, Concurrent) and account.limit.lease(account.state, lease_id, now):
                account.state = account.limit.without(account.state, lease_id)
        return found

    def renew_leases(self, named: list[Account], lease_id, at: int) -> None:
        """They keep their units. Not one that ends before the turn of somebody, who counts on that."""
        leasing = [account for account in self.accounts if isinstance(account.limit, Concurrent)]
        for account in leasing:
            if account in named:
                self._renew_lease(account, lease_id, at, at + account.limit.span)
        own = [lease for account in leasing if account in named for lease in account.state or []]
        end = max((lease.end for lease in own if lease.lease_id == lease_id), default=0)
        for account in leasing if end > at else []:
            if account not in named:
                self._renew_lease(account, lease_id, at, end)

    @staticmethod
    def _renew_lease(account: Account, lease_id, at: int, end: int) -> None:
        limit = account.limit
        if lease := limit.lease(account.state, lease_id, at):
            account.state = limit.given(account.state, lease.units, at, lease_id, end, end - at)


def predecessors(subject: Subject, new: list[Limit]) -> list[Account | None]:
    """For each limit the account that it goes on from: of the same label, else algorithm, else the next left."""
    old_labels, new_labels = subject.labels(), labels(new)
    found: list[int | None] = [None] * len(new)
    for is_alike in (
        lambda index, other: new_labels[index] == old_labels[other],
        lambda index, other: type(new[index]) is type(subject.accounts[other].limit),
        lambda index, other: True,
    ):
        for index in range(len(new)):
            left = [other for other in range(len(old_labels)) if other not in found and is_alike(index, other)]
            if found[index] is None and left:
                found[index] = left[0]
    return [None if index is None else subject.accounts[index] for index in found]
