# SPDX-License-Identifier: MIT
"""What the module must answer, said a second time and in the most obvious way: a key, and all that is done to it.

How each limit counts is in oracle_limits.py, what limits say to one call in oracle_decide.py, and what is remembered
between calls in oracle_subject.py. All that knows the contract and nothing of the C++ code.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from oracle_decide import (
    AnyId,
    Decision,
    Request,
    Verdict,
    clamped,
    decide,
    decide_costs,
    decide_each,
    decide_turn,
    fewest,
    label,
    labels,
    longest,
)
from oracle_leases import Concurrent, Lease
from oracle_limits import Limit, ceil_ms
from oracle_subject import Account, Block, Hold, Subject, Turn

IS_SETTLED = "id"  # the first word of the error of who reserves an id that is settled


class Key(Subject):
    """A key: each command returns its reply."""

    def check(self, limits: list[Limit], request: Request, now: int) -> tuple:
        """The reply to RL.CHECK, with the label."""
        verdict = self.take(limits, request, now)
        return *self._reply(verdict, now), label(limits, verdict), *lease_id(limits, verdict, request)

    def take(
        self, limits: list[Limit], request: Request, now: int, is_denied: bool = False, is_never: bool = False
    ) -> Verdict:
        """Decides and charges. A call may be denied elsewhere: that is as if it had been denied here."""
        there = self.for_call(limits, now)
        is_new, named = there.is_idle(now), there.open(limits, now)
        verdict = there._decide(limits, states_of(named), request, now)
        if verdict.states is not None and not request.most(limits):  # it changes nothing
            if there.has_collected:
                self.become(self.collected(now), now)
        elif verdict.granted and not is_denied:
            there._charge(named, verdict, request, now)
            self.become(there, now)
        else:
            self._deny(there, named, is_never or verdict.go_at is None or is_new, now)
        return verdict

    def peek(self, limits: list[Limit], cost: int, now: int) -> tuple | None:
        """What a check would answer, and what is left now."""
        there = self.for_call(limits, now) if limits else self.at(now)
        if not limits and not there.accounts:
            left_ms = ceil_ms(there.block.left(now))
            return (0, 0, 0, left_ms, left_ms, "blocked") if left_ms else None
        named = there.open(limits, now) if limits else there.accounts
        limits, states = [account.limit for account in named], states_of(named)
        verdict = there._decide(limits, states, Request(cost), now)
        if verdict.granted:
            at = there.turn.or_later(now)
            both = list(zip(limits, states))
            left = [
                Decision(limit.size, limit.remaining(state, at), now, limit.idle_at(state, at)) for limit, state in both
            ]
            verdict = verdict._replace(decisions=left, bound=fewest(left))
        return *there._reply(verdict, now), label(limits, verdict)

    def info(self, now: int) -> tuple | None:
        """The holds, how long a block lasts, and of each limit the label, what is used and remains, and until when."""
        there = self.at(now)
        left = there.block.left(now)
        if not there.accounts and not left:
            return None
        at = there.turn.or_later(now)
        holds = [
            (hold_id, hold.granted if hold.settled is None else hold.settled, hold.end, int(hold.settled is not None))
            for hold_id, hold in there.holds.items()
        ]
        holds.sort(key=lambda hold: (hold[2], hold[0]))
        held = [(hold_id, units, ceil_ms(end - now), is_settled) for hold_id, units, end, is_settled in holds]
        return (
            held,
            ceil_ms(left),
            [
                (
                    label,
                    account.limit.used(account.state, at),
                    0 if at > now or left else account.limit.remaining(account.state, at),
                    ceil_ms(max(ceil(account.limit.idle_at(account.state, at)) - now, 0)),
                )
                for account, label in zip(there.accounts, there.labels())
            ],
        )

    def refund(self, units: int, now: int) -> int:
        there = self.collected(now)
        at = there.turn.or_later(now)
        before = there.refundable(at)
        there.give_back(units, 0, at)
        for hold in there.holds.values() if any(before) else []:
            hold.change_newer(there.accounts, lambda newer, _: max(newer - units, 0))
        after = there.refundable(at)
        if any(before) or there.has_collected:
            self.become(there, now)
        return max([used - left for used, left in zip(before, after)], default=0)

    def block_for(self, length: int, now: int) -> int:
        """The reply to RL.BLOCK."""
        there = self.collected(now)
        is_change = bool(length or there.block.left(now))
        if is_change:
            if there.is_idle(now):  # as if never seen: under no limits
                there.__init__()
            there.block = Block.begun(now, length)
        if is_change or there.has_collected:
            self.become(there, now)
        return int(is_change)

    def reset(self, now: int) -> int:
        """The reply to RL.RESET."""
        there = self.collected(now)
        if there.is_idle(now):
            if there.has_collected:
                self.become(there, now)
            return 0
        self.__init__()
        return 1

    def reserve(self, limits: list[Limit], ttl: int, cost: int, hold_id: str, now: int) -> tuple | str:
        if not limits:
            return "NOLIMITS"
        if self.is_settled(hold_id, now):
            return IS_SETTLED
        verdict = self.reservation(limits, ttl, cost, hold_id, now)
        return *self.told(limits, verdict, now), hold_id if verdict.states is not None else None

    def is_settled(self, hold_id: str, now: int) -> bool:
        hold = self.live_hold(hold_id, now)
        return bool(hold and hold.settled is not None)

    def told(self, limits: list[Limit], verdict: Verdict, now: int) -> tuple:
        """Who is denied while somebody waits finds nothing left."""
        has_none = verdict.states is None and self.turn.or_later(now) > now
        return *self._with_block(verdict, now).reply(now, 0 if has_none else None), label(limits, verdict)

    def reservation(
        self,
        limits: list[Limit],
        ttl: int,
        cost: int,
        hold_id: str,
        now: int,
        is_denied: bool = False,
        is_never: bool = False,
    ) -> Verdict:
        """Decides and holds. It may be denied elsewhere: that is as if it had been denied here."""
        there = self.for_call(limits, now)
        is_new, named = there.is_idle(now), there.open(limits, now)
        hold = there.live_hold(hold_id, now)
        if not all(limit.size for limit in limits):
            return self._refuse_closed(there, named, cost, hold_id, now)
        if there.block.left(now):
            verdict = there._decide_reservation_under_block(named, cost, hold_id, now)
            self._deny(there, named, is_never or verdict.go_at is None, now)
            return verdict
        charged, more = there._lacking(named, cost, hold)
        if hold and not any(more):
            copy = there.copy()
            verdict = there._renewed(named, hold_id, ttl, now)
            if is_denied:
                self._deny(copy, copy.known(limits), is_never or is_new, now)
            else:
                self.become(there, now)
            return verdict
        totals = [held + units for held, units in zip(charged, more)]
        granted = max((units for limit, units in zip(limits, totals) if not limit.per_request), default=cost)
        verdict = there._decide_reservation(named, more, hold, hold_id, now)
        if verdict.states is None:
            self._deny(there, named, is_never or verdict.go_at is None or is_new, now)
            return verdict
        copy = there.copy()
        verdict = verdict._replace(granted=max(granted, hold.granted if hold else 0))
        wanted = [min(cost, limit.size) for limit in limits if not limit.per_request]
        there._hold(named, totals, max(wanted, default=cost), verdict, hold_id, ttl, now)
        if hold:  # what is left after its leases were renewed
            standing = decide(limits, states_of(named), 0, there.turn.or_later(now))
            verdict = standing._replace(granted=verdict.granted, go_at=verdict.go_at)
        if is_denied:
            self._deny(copy, copy.known(limits), is_never or is_new, now)
        else:
            self.become(there, now)
        return verdict

    def _refuse_closed(self, there: Key, named: list[Account], cost: int, hold_id: str, now: int) -> Verdict:
        """Nothing is reserved under a closed limit, and no hold is renewed."""
        costs = [max(account.limit.cost_of(min(cost, account.limit.size)), 1) for account in named]
        verdict = there._decide_reservation(named, costs, None, hold_id, now)
        self._deny(there, named, True, now)
        return verdict

    def settle(self, hold_id: str, actual: int, limits: list[Limit], now: int) -> tuple | None:
        settlement = self.settlement(hold_id, actual, limits, now)
        return settlement and settlement[0]

    def settlement(self, hold_id: str, actual: int, limits: list[Limit], now: int) -> tuple[tuple, list[Limit]] | None:
        """The reply, and the limits that it went by."""
        there = self.collected(now)
        if there.has_collected and there.is_idle(now):  # the end of the last hold leaves nothing
            self.become(there, now)
            there = self.copy()
        if limits and not there.live_hold(hold_id, now):
            there._drop(there.known(limits), now)
        if there.is_idle(now):  # as if never seen
            there.__init__()
        if not there.accounts and not limits:
            return None
        hold = there.live_hold(hold_id, now)
        named = there._settled_under(hold, limits, now)
        note = "settled" if hold else "unknown"
        if hold and hold.settled is not None:
            actual = hold.settled
            if there.has_collected:
                self.become(there, now)
        elif not hold and not actual and not there.has_lease(hold_id, now):  # nothing to do, nothing to write
            if self.accounts or self.block.left(now):
                self._deny(there, named, False, now)
        else:
            there._settle(hold, hold_id, actual, now)
            if limits and not hold:
                there.note_grant(named, now)
            self.become(there, now)
        limits, states, at = [account.limit for account in named], states_of(named), there.turn.or_later(now)
        standing = decide(limits, states, 0, at)._replace(granted=actual)
        return (*there._with_block(standing, now).reply(now), labels(limits)[standing.bound], note), limits

    def release(self, lease_id: str, now: int) -> int:
        there = self.collected(now)
        found = there.end_leases(lease_id, now)
        if found or there.has_collected:
            self.become(there, now)
        return int(found)

    # --- decisions

    def for_call(self, limits: list[Limit], now: int) -> Key:
        """What a call finds that names these limits. Who is idle is as if never seen."""
        there = self.at(now, limits)
        if there.is_idle(now):
            has_collected = there.has_collected
            there.__init__()
            there.has_collected = has_collected
        return there

    def _decide(self, limits: list[Limit], states: list, request: Request, now: int) -> Verdict:
        left = self.block.left(now)
        verdict = self._decide_unblocked(limits, states, request, now)
        if not left or request.mode == "FORCE" or verdict.go_at is None:
            return verdict
        after, states = self._after_block(limits, states, now)
        verdict = after._decide_unblocked(limits, states, request, now + left)
        return after._until(now + left, verdict, limits, states, request.call_id)

    def _after_block(self, limits: list[Limit], states: list, now: int) -> tuple[Key, list]:
        """What is of a clock that was ahead is brought back before anything is said of later."""
        after, states = self.copy(), clamped(limits, states, self.turn.or_later(now))
        after.clamp([], now)
        after.block = Block()
        return after, states

    def _until(self, end: int, verdict: Verdict, limits: list[Limit], states: list, call_id) -> Verdict:
        """What is said now of a call that was decided as of the end of a block: nothing is granted before."""
        if verdict.states is None:
            return verdict
        standing = decide(limits, states, 0, self.turn.or_later(end), call_id, True)
        return standing._replace(granted=0, go_at=end, states=None, is_blocked=True)

    def _decide_unblocked(self, limits: list[Limit], states: list, request: Request, now: int) -> Verdict:
        at = self.turn.or_later(now)
        costs, most = request.costs(limits), request.most(limits)
        if not most and request.mode != "FORCE":
            return self._behind(self._look(limits, states, request.call_id, at), limits, states, request.call_id, now)
        if request.mode == "MAXWAIT":
            return self._decide_turn(limits, states, request, at, now)
        verdict = decide_costs(limits, states, costs, most, at, request.call_id, request.mode == "FORCE")
        if request.mode == "PARTIAL" and not verdict.granted:
            verdict = decide(limits, states, max(self._part(limits, states, request, at), 1), at, request.call_id)
        return verdict if request.mode == "FORCE" else self._behind(verdict, limits, states, request.call_id, now)

    def _behind(self, verdict: Verdict, limits: list[Limit], states: list, call_id, now: int) -> Verdict:
        """Nobody goes before who waits."""
        at = self.turn.or_later(now)
        if verdict.states is None or at == now:
            return verdict
        return decide(limits, states, 0, at, call_id, True)._replace(granted=0, go_at=at, states=None)

    @staticmethod
    def _look(limits: list[Limit], states: list, call_id, at: int) -> Verdict:
        """A call that costs nothing is denied while something is in debt, or closed. The longest debt binds."""
        standing = decide(limits, states, 0, at, call_id)
        decisions = [
            each if limit.size else each._replace(go_at=None) for limit, each in zip(limits, standing.decisions)
        ]
        refusing = [index for index, each in enumerate(decisions) if each.go_at is None or each.go_at > at]
        if not refusing:
            return standing
        bound = longest(decisions, refusing)
        return Verdict(0, decisions, bound, decisions[bound].go_at)

    @staticmethod
    def _part(limits: list[Limit], states: list, request: Request, at: int) -> int:
        """What there is of the cost: nothing, if a limit of requests has none left."""
        others = [limit.without(state, request.call_id) for limit, state in zip(limits, states)]
        left = [limit.remaining(state, at) for limit, state in zip(limits, others)]
        parts = [units for limit, units in zip(limits, left) if not limit.per_request]
        return min([request.cost, *parts]) if all(left) else 0

    @staticmethod
    def _decide_turn(limits: list[Limit], states: list, request: Request, at: int, now: int) -> Verdict:
        costs, call_id = request.costs(limits), request.call_id
        verdict = decide_turn(limits, states, costs, request.most(limits), call_id, at)
        if not verdict.granted or verdict.go_at - now <= request.longest_wait:
            return verdict
        # Now it is the wait that the limits refuse, and the longest binds.
        rows = zip(limits, states, costs)
        alone = [decide_turn([limit], [state], [cost], cost, call_id, at).go_at for limit, state, cost in rows]
        now_free = [limit.remaining(limit.without(state, request.call_id), at) for limit, state in zip(limits, states)]
        refusals = [
            Decision(limit.size, free, go_at, limit.idle_at(state, at))
            for limit, state, free, go_at in zip(limits, states, now_free, alone)
        ]
        bound = longest(refusals, [*range(len(limits))])
        return Verdict(0, refusals, bound, verdict.go_at - request.longest_wait)

    @staticmethod
    def _own(account: Account, hold: Hold | None, hold_id, at: int) -> int:
        """What the lease of a hold has, which grows with it."""
        if not (hold and isinstance(account.limit, Concurrent)):
            return 0
        lease = account.limit.lease(account.state, hold_id, at)
        return lease.units if lease else 0

    @staticmethod
    def _lacking(named: list[Account], cost: int, hold: Hold | None) -> tuple[list[int], list[int]]:
        """What a hold was charged under each limit, and what it lacks if it is to have that estimate."""
        limits = [account.limit for account in named]
        charged = [hold.charged_on(account) if hold else 0 for account in named]
        wanted = [limit.cost_of(min(cost, limit.size)) for limit in limits]
        return charged, [max(units - held, 0) for units, held in zip(wanted, charged)]

    def _decide_reservation_under_block(self, named: list[Account], cost: int, hold_id, now: int) -> Verdict:
        """As of the end of the block, when a hold may have ended that is there now."""
        limits, end = [account.limit for account in named], now + self.block.left(now)
        after, states = self._after_block(limits, states_of(named), now)
        accounts = [replace(account, state=state) for account, state in zip(named, states)]
        hold = after.live_hold(hold_id, end)
        _, more = after._lacking(named, cost, hold)
        if hold and not any(more):  # that is granted
            verdict = Verdict(0, [], 0, end, states)
        else:
            verdict = after._decide_reservation(accounts, more, hold, hold_id, end)
        return after._until(end, verdict, limits, states, hold_id)

    def _decide_reservation(
        self, named: list[Account], more: list[int], held: Hold | None, hold_id, now: int
    ) -> Verdict:
        at, costs = self.turn.or_later(now), list(more)
        for index, account in enumerate(named):
            costs[index] += self._own(account, held, hold_id, at) if more[index] else 0
        limits, states = [account.limit for account in named], states_of(named)
        if not held and not any(costs):  # nothing is held, but not while something is in debt
            return self._behind(self._look(limits, states, hold_id, at), limits, states, hold_id, now)
        verdict = decide_each(limits, states, costs, at, hold_id)
        if held and verdict.states is not None:  # a hold that grows waits only for the limits that it asks for more
            waits = [each.go_at for each, units in zip(verdict.decisions, more) if units]
            verdict = verdict._replace(go_at=max(waits))
        return self._behind(verdict, limits, states, hold_id, now)

    def _reply(self, verdict: Verdict, now: int) -> tuple[int, ...]:
        """Who is denied while somebody waits finds nothing left."""
        has_none = not verdict.granted and self.turn.or_later(now) > now
        return self._with_block(verdict, now).reply(now, 0 if has_none else None)

    def _with_block(self, verdict: Verdict, now: int) -> Verdict:
        """Nothing is left while a block lasts, and nothing is idle."""
        if not self.block.left(now):
            return verdict
        end = now + self.block.left(now)
        return verdict._replace(
            decisions=[each._replace(remaining=0, idle_at=max(each.idle_at, end)) for each in verdict.decisions]
        )

    # --- changes

    def _charge(self, named: list[Account], verdict: Verdict, request: Request, now: int) -> None:
        """Other accounts are charged what the call says for their name, but no more than the most of a limit."""
        lease, most, limits = self._take(named, verdict, request.call_id, now), verdict.granted, limits_of(named)
        charged = dict.fromkeys((account.number for account in self.accounts), most)
        if request.charges:
            rows = zip(named, request.costs(limits))
            charged |= {account.number: units for account, units in rows if not account.limit.per_request}
        for account in self.others(named):
            limit = account.limit
            if request.charges and not limit.per_request:
                charged[account.number] = min(request.cost_for(limit.name or limit.label), most)
            self.book(account, limit.cost_of(charged[account.number]), verdict.turn, lease, now)
        self.count_newer(lambda account: charged[account.number] if account else most)
        self.note_grant(named, now)
        if verdict.turn > now:
            self.turn = Turn(verdict.turn, verdict.turn - now)

    @staticmethod
    def _take(named: list[Account], verdict: Verdict, call_id, now: int | None) -> Lease | None:
        """The accounts that decided take their new states. Returns the lease that ends last. Leases that have ended by
        `now` are forgotten; by a clock that goes back they would last again.
        """
        leases = []
        for account, state in zip(named, verdict.states):
            if isinstance(account.limit, Concurrent) and state is not account.state:
                leases.append(state[-1])
            account.state = state if now is None else account.limit.without_ended(state, now)
        return max(leases, key=lambda lease: lease.end, default=None)

    def _hold(
        self, named: list[Account], totals: list[int], most: int, verdict: Verdict, hold_id, ttl: int, now: int
    ) -> None:
        """Charges a reservation, or what it has become larger by. The others are charged the `most` that a limit of the
        call is charged for the estimate.
        """
        at, hold = self.turn.or_later(now), self.live_hold(hold_id, now)
        forgotten_at = None if hold else now  # a hold that grows only extends its own
        lease = self._take(named, verdict, hold_id, forgotten_at)
        if hold:
            self.renew_leases(named, hold_id, at)
        charged = {
            account.number: verdict.granted if account.limit.per_request else units
            for account, units in zip(named, totals)
        }
        for account in self.others(named):
            held = hold.charged_on(account) if hold else 0
            total = max(account.limit.cost_of(most), held)
            charged[account.number] = max(most, held)
            self.book(account, total - held + self._own(account, hold, hold_id, at), at, lease, forgotten_at)
        before = {account.number: hold.charged_on(account) if hold else 0 for account in self.accounts}
        more = {number: units - before[number] for number, units in charged.items()}
        later = verdict.granted - (hold.granted if hold else 0)
        self.count_newer(lambda account: more[account.number] if account else later, but=hold)
        self.note_grant(named, now)
        if not hold:
            self.holds.pop(hold_id, None)
            self.holds[hold_id] = hold = Hold(0, 0, [], {})
        hold.granted, hold.end, hold.charged = verdict.granted, now + ttl, charged
        hold.named = [account.number for account in named]

    def _renewed(self, named: list[Account], hold_id, ttl: int, now: int) -> Verdict:
        """A hold that is there already and large enough."""
        hold, at = self.holds[hold_id], self.turn.or_later(now)
        hold.end = now + ttl
        self.renew_leases(named, hold_id, at)
        limits = [account.limit for account in named]
        standing = decide(limits, states_of(named), 0, at)._replace(granted=hold.granted, go_at=now)
        self.note_grant(named, now)
        return standing

    def _settled_under(self, hold: Hold | None, limits: list[Limit], now: int) -> list[Account]:
        """The accounts by which a settlement goes: those of the hold, or all."""
        if hold:
            named = [account for account in self.accounts if account.number in hold.named]
            return named or self.accounts
        return self.open(limits, now) if limits else self.accounts

    def _settle(self, hold: Hold | None, hold_id, actual: int, now: int) -> None:
        """Leases are no cost that is known later, and a settlement is no request. The id is remembered."""
        self.end_leases(hold_id, now)
        at = self.turn.or_later(now)
        if hold:
            self.end_hold(hold_id, actual, at)
            self.holds[hold_id] = Hold(0, hold.end, hold.named, {}, settled=actual)
            return
        for account in self.accounts:
            if account.is_refundable:
                self.book(account, actual, at, None, now)
        self.count_newer(lambda _: actual)

    def _deny(self, there: Key, named: list[Account], is_forgotten: bool, now: int) -> None:
        """Leaves nothing behind but accounts that were opened, and what makes the wait that was told come true."""
        if is_forgotten:
            if there.has_collected:
                self.become(self.collected(now), now)
            return
        known = {(account.number, account.limit) for account in self.accounts}
        has_opened = any((account.number, account.limit) not in known for account in named)
        if has_opened or there.has_collected or there.is_ahead(named, now):
            there.clamp(named, now)
            self.become(there, now)
            # Who writes nothing else leaves a turn that has come, and a block that is over, as they were.
            if not there.has_collected and not self.is_idle(now):
                self.turn, self.block = there.turn, there.block


def limits_of(accounts: list[Account]) -> list[Limit]:
    return [account.limit for account in accounts]


def states_of(accounts: list[Account]) -> list:
    return [account.state for account in accounts]


def lease_id(limits: list[Limit], verdict: Verdict, request: Request) -> tuple:
    if not any(isinstance(limit, Concurrent) for limit in limits):
        return ()
    takes = any(units and isinstance(limit, Concurrent) for limit, units in zip(limits, request.costs(limits)))
    return (request.call_id or AnyId() if verdict.granted and takes else None,)
