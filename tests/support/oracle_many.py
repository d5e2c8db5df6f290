# SPDX-License-Identifier: MIT
"""What keys of many subjects must answer, said in terms of oracle.py: each subject, and the key itself, is as a key of
its own. Stored limits are those of all; on trial, what is decided is not what is told. Several keys decide together.

The clock only moves forward here: the background sweep decides when an idle subject is forgotten, which may not show.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

from oracle import IS_SETTLED, Key
from oracle_decide import AnyId, Decision, Request, Verdict, label, labels, longest
from oracle_leases import Concurrent
from oracle_limits import LeakyBucket, Limit, ceil_ms


@dataclass
class Many:
    """A key: its subjects by name, of which the empty one is itself, and the limits that it stores."""

    stored: list[Limit] = field(default_factory=list)
    is_shadow: bool = False
    subjects: dict[str, Key] = field(default_factory=dict)
    exceptions: dict[str, list[Limit]] = field(default_factory=dict)

    def __getitem__(self, subject: str) -> Key:
        return self.subjects.setdefault(subject, Key())

    def limits_of(self, subject: str, limits: list[Limit] = ()) -> list[Limit]:
        """Those that a call goes by which names these limits, or none."""
        return self.exceptions.get(subject) or self.stored or list(limits)

    def define(self, limits: list[Limit], is_shadow: bool, now: int) -> str:
        """Everybody goes over to these limits now, with what is used now; but not who has limits of its own."""
        for name, key in self.subjects.items() if limits != self.stored else []:
            if name not in self.exceptions:
                key.redefine(limits, now)
        self.stored, self.is_shadow = limits, is_shadow
        return "OK"

    def make_exception(self, limits: list[Limit], now: int, subject: str) -> str:
        """This one goes over to these limits; if there are none, back to those of all."""
        if limits != self.exceptions.get(subject, []):
            self[subject].redefine(limits or self.stored, now)
            self.exceptions = {name: own for name, own in self.exceptions.items() if name != subject}
            self.exceptions |= {subject: limits} if limits else {}
        return "OK"

    def check(self, limits: list[Limit], request: Request, now: int, subject: str) -> tuple:
        limits = self.limits_of(subject, limits)
        reply = self[subject].check(limits, request, now)
        if self.is_shadow and request.mode != "FORCE" and self[subject].block.left(now):
            return self._blocked(now, subject, limits)
        return self._told(reply, request.most(limits), now, subject, limits, request.call_id)

    def peek(self, limits: list[Limit], cost: int, now: int, subject: str) -> tuple | None:
        limits = self.limits_of(subject, limits)
        reply = self[subject].peek(limits, cost, now)
        if self.is_shadow and self[subject].block.left(now):
            return self._blocked(now, subject)
        return reply and self._told(reply, cost, now, subject)

    def reserve(self, limits: list[Limit], ttl: int, cost: int, hold_id: str, now: int, subject: str) -> tuple | str:
        limits = self.limits_of(subject, limits)
        reply = self[subject].reserve(limits, ttl, cost, hold_id, now)
        if not self.is_shadow or isinstance(reply, str):
            return reply
        if self[subject].block.left(now):
            return *self._blocked(now, subject), None
        return *self._told(reply[:6], reply[0] or most_charged(limits, cost), now, subject), hold_id

    def settle(self, hold_id: str, actual: int, limits: list[Limit], now: int, subject: str) -> tuple | None:
        settlement = self.settlement(hold_id, actual, limits, now, subject)
        return settlement and settlement[0]

    def settlement(
        self, hold_id: str, actual: int, limits: list[Limit], now: int, subject: str
    ) -> tuple[tuple, list[Limit]] | None:
        """The reply, and the limits that it went by. On trial, what is held is settled; what is not, may be what would
        have been denied."""
        key = self[subject]
        hold = key.live_hold(hold_id, now)
        charged = actual if hold or not self.is_shadow else 0
        settlement = key.settlement(hold_id, charged, self.limits_of(subject, limits), now)
        if not settlement:
            return None
        reply, named = settlement
        told = hold.settled if hold and hold.settled is not None else actual
        return (*self._told((told, *reply[1:6]), told, now, subject), reply[6]), named

    def refund(self, units: int, now: int, subject: str) -> int:
        return self[subject].refund(units, now)

    def release(self, lease_id: str, now: int, subject: str) -> int:
        return self[subject].release(lease_id, now)

    def block(self, length: int, now: int, subject: str) -> int:
        return self[subject].block_for(length, now)

    def reset(self, now: int, subject: str) -> int:
        return self[subject].reset(now)

    def transfer(self, to: Many, now: int, subject: str) -> int | str:
        """Where limits are stored, a subject has their accounts, also if it is no more than blocked."""
        for key in (self, to):
            if key.stored and not key[subject].accounts and key[subject].block.left(now):
                key[subject].open(key.limits_of(subject), now)
        return self[subject].transfer(to[subject], to.limits_of(subject), now)

    def info(self, now: int, subject: str) -> tuple | None:
        """Null for who is idle; but a limiter is there, whatever it does."""
        there = self[subject].for_call([], now)
        is_shown = not subject or subject in self.exceptions or there.block.left(now)
        if not there.accounts and self.stored and is_shown:
            there.open(self.limits_of(subject), now)
        return there.info(now)

    def _told(
        self, reply: tuple, cost: int, now: int, subject: str, limits: list[Limit] = (), call_id: str | None = None
    ) -> tuple:
        """On trial, everything is granted, at once, and as if nothing had ever been: the smallest limit binds. Only a
        block shows."""
        if not self.is_shadow:
            return reply
        has_leases = any(isinstance(limit, Concurrent) for limit in limits)
        lease = (call_id or AnyId(),) if has_leases else ()
        size, remaining, wait_ms, _, label = unused(self.limits_of(subject))
        left_ms = ceil_ms(self[subject].block.left(now))
        return cost, size, 0 if left_ms else remaining, wait_ms, left_ms, label, *lease

    def _blocked(self, now: int, subject: str, limits: list[Limit] = ()) -> tuple:
        """A block is no word of the limits: it also denies on trial."""
        left_ms = ceil_ms(self[subject].block.left(now))
        lease = (None,) if any(isinstance(limit, Concurrent) for limit in limits) else ()
        return 0, unused(self.limits_of(subject))[0], 0, left_ms, left_ms, "blocked", *lease


def most_charged(limits: list[Limit], cost: int) -> int:
    """The most that a limit is charged for an estimate; all of it if only requests are counted."""
    if all(limit.per_request for limit in limits):
        return cost
    return max(limit.cost_of(min(cost, limit.size)) for limit in limits)


def unused(limits: list[Limit]) -> tuple:
    """Of limits that were never used, what the one binds with that has the fewest remaining, and its label."""
    smallest = min(range(len(limits)), key=lambda i: limits[i].size)
    return limits[smallest].size, limits[smallest].size, 0, 0, labels(limits)[smallest]


def in_brief(reply: tuple | None, *, is_look_by_force: bool = False) -> int | None:
    """What BRIEF makes of a reply. A call that asks for nothing is granted if it need not wait, or by force."""
    granted, _, remaining, wait_ms, *_ = reply or (0, 0, 0, -1)
    if granted or not wait_ms or is_look_by_force:
        return remaining
    return None if wait_ms == -1 else -wait_ms


def needs_more_than_brief(limits: list[Limit], request: Request | None) -> bool:
    """Whether the reply must say what one integer does not: to a call, or to a look, which takes no lease."""
    if any(isinstance(limit, LeakyBucket) for limit in limits):
        return True
    takes_lease = request and not request.call_id and any(isinstance(limit, Concurrent) for limit in limits)
    return bool(request and request.mode in ("PARTIAL", "MAXWAIT")) or bool(takes_lease)


class Entry(NamedTuple):
    """One key of RL.CHECKALL: the limits of the call for it, if any, the subject, and what it costs there. With
    a `ttl`, of RL.RESERVEALL."""

    key: Many
    limits: list[Limit]
    subject: str
    request: Request
    ttl: int = 0

    @property
    def cost(self) -> int:
        return self.request.cost

    @property
    def limits_in_force(self) -> list[Limit]:
        return self.key.limits_of(self.subject, self.limits)

    @property
    def has_leases(self) -> bool:
        return any(isinstance(limit, Concurrent) for limit in self.limits_in_force)

    def is_on_trial(self, now: int) -> bool:
        """Whether it does not count. A block does, on trial too, unless the call is forced."""
        return self.key.is_shadow and (self.request.mode == "FORCE" or not self.key[self.subject].block.left(now))

    def tried(self, now: int) -> Verdict:
        verdict = self._take(deepcopy(self.key[self.subject]), now)
        left = self.key[self.subject].block.left(now)
        return self._blocked_on_trial(left, now) if self.key.is_shadow and not self.is_on_trial(now) else verdict

    def _take(self, key: Key, now: int, is_denied: bool = False, is_never: bool = False) -> Verdict:
        limits, request = self.limits_in_force, self.request
        if self.ttl:
            return key.reservation(limits, self.ttl, request.cost, request.call_id, now, is_denied, is_never)
        return key.take(limits, request, now, is_denied, is_never)

    def _blocked_on_trial(self, left: int, now: int) -> Verdict:
        """Of limits on trial, only the block is told."""
        limits = self.limits_in_force
        unused = [Decision(limit.size, 0, now, now + left) for limit in limits]
        bound = min(range(len(limits)), key=lambda i: limits[i].size)
        return Verdict(0, unused, bound, now + left, is_blocked=True)

    def carry_out(self, is_denied: bool, is_never: bool, now: int) -> None:
        self._take(self.key[self.subject], now, is_denied, is_never)

    def binding(self, verdict: Verdict, now: int) -> Decision:
        """What the limit says that binds in this key."""
        key = self.key[self.subject]
        decision = key._with_block(verdict, now).decisions[verdict.bound]._replace(go_at=verdict.go_at)
        has_none = not is_granted(verdict) and key.turn.or_later(now) > now
        return decision._replace(remaining=0) if has_none else decision

    def told_on_trial(self, verdict: Verdict, now: int) -> list:
        """As if never used; a block shows."""
        size, remaining, wait_ms, reset_ms, name = unused(self.limits_in_force)
        left_ms = ceil_ms(self.key[self.subject].block.left(now))
        granted = self.cost
        if self.ttl:
            granted = verdict.granted if is_granted(verdict) else most_charged(self.limits_in_force, self.cost)
        return [granted, size, 0 if left_ms else remaining, wait_ms, max(reset_ms, left_ms), name]

    def alone(self, verdict: Verdict, decision: Decision, now: int) -> list:
        """What this key alone would answer."""
        if self.is_on_trial(now):
            return self.told_on_trial(verdict, now)
        reply = Verdict(verdict.granted, [decision], 0, decision.go_at).reply(now)
        return [*reply, label(self.limits_in_force, verdict)]


def is_granted(verdict: Verdict) -> bool:
    return verdict.states is not None


def check_all(entries: list[Entry], now: int, *, each: bool = False) -> tuple:
    """All are charged, or none is. Of limiters on trial, each is charged or not by itself. The lease is one, whatever
    its id. No two entries are of one key and subject: that is an error."""
    verdicts = [entry.tried(now) for entry in entries]
    decisions = [entry.binding(verdict, now) for entry, verdict in zip(entries, verdicts)]
    alone = [entry.alone(*said, now) for entry, *said in zip(entries, verdicts, decisions)]
    in_force = [i for i, entry in enumerate(entries) if not entry.is_on_trial(now)]
    denying = [i for i in in_force if not is_granted(verdicts[i])]
    is_never = any(verdicts[i].go_at is None for i in denying)
    for entry in entries:
        entry.carry_out(bool(denying), is_never, now)
    return *tell(entries, verdicts, decisions, denying, now), *([alone] if each else [])


def reserve_all(entries: list[Entry], now: int, *, each: bool = False) -> tuple | str:
    """The same with an estimate, which is held in all keys, or in none. An id that any key has settled is an error."""
    if any(entry.key[entry.subject].is_settled(entry.request.call_id, now) for entry in entries):
        return IS_SETTLED
    return check_all(entries, now, each=each)


def tell(
    entries: list[Entry], verdicts: list[Verdict], decisions: list[Decision], denying: list[int], now: int
) -> tuple:
    """What binds is never on trial, unless all is."""
    in_force = [i for i, entry in enumerate(entries) if not entry.is_on_trial(now)]
    note = note_of(entries, bool(denying))
    if not in_force:
        return *entries[0].told_on_trial(verdicts[0], now), *note
    bound = longest(decisions, denying) if denying else min(in_force, key=lambda i: decisions[i].remaining)
    go_at = decisions[bound].go_at if denying else max([now, *(decisions[i].go_at for i in in_force)])
    granted = 0 if denying else max(verdicts[i].granted for i in in_force)
    verdict = Verdict(granted, decisions, bound, go_at)
    limits = [entries[i].limits_in_force for i in in_force]
    before = sum(len(entries[i].limits_in_force) for i in in_force if i < bound)
    binding = Verdict(0, [], before + verdicts[bound].bound, None, is_blocked=verdicts[bound].is_blocked)
    return *verdict.reply(now), label(sum(limits, []), binding), *note


def note_of(entries: list[Entry], is_denied: bool) -> list:
    """The id of the hold, or of the lease, if a key has leases: null if nobody has it."""
    if entries[0].ttl:
        return [None if is_denied else entries[0].request.call_id]
    is_leased = not is_denied and any(entry.has_leases and entry.cost for entry in entries)
    return [AnyId() if is_leased else None] if any(entry.has_leases for entry in entries) else []


def settle_all(
    keys: list[tuple[Many, str]], hold_id: str, actual: int, now: int, *, each: bool = False
) -> tuple | None:
    """Each key by itself. What is told is of those in force under limits; of the first, if all are on trial."""
    settled = [key.settlement(hold_id, actual, [], now, subject) for key, subject in keys]
    replies = [one and one[0] for one in settled]
    rows = [[*map(list_or_none, replies)]] if each else []
    in_force = [one for one, (key, _) in zip(settled, keys) if not key.is_shadow]
    if not in_force:
        return *replies[0], *rows
    told = [one for one in in_force if one]
    if not told:
        return None
    bound = min(range(len(told)), key=lambda i: told[i][0][2])
    reply, limits = told[bound]
    before = sum((named for _, named in told[:bound]), [])
    name = labels(sum((named for _, named in told), []))[len(before) + labels(limits).index(reply[5])]
    note = "settled" if all(one and one[0][6] == "settled" for one in in_force) else "unknown"
    granted, wait_ms = max(one[0][0] for one in told), max(one[0][3] for one in told)
    return granted, *reply[1:3], wait_ms, reply[4], name, note, *rows


def list_or_none(reply: tuple | None) -> list | None:
    return None if reply is None else list(reply)
