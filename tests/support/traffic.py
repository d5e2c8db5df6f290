# SPDX-License-Identifier: MIT
"""Random traffic to keys of many subjects: what is said to them, when, and what they must answer (oracle_many.py)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from harness import BASE, DAY, MS
from oracle_decide import Request, labels
from oracle_leases import Concurrent
from oracle_limits import MOST, LeakyBucket, Limit, duration
from oracle_many import Entry, Many, check_all, in_brief, needs_more_than_brief, reserve_all, settle_all
from random_limits import IDS, LATEST, any_charges, any_cost, any_gap, any_limits, any_span, changed, words
from steps import Step

SUBJECTS = ["", "a", "b", "c"]


@dataclass
class Talk:
    """Some keys. Those that are `stored` are defined first; the others go by the limits of their calls."""

    rng: random.Random
    stored: list[bool]
    may_be_shadow: bool = False
    most_limits: int = 3
    changes: float = 0.05
    of_all: float = 0.0  # how many of the calls are of several keys
    transfers: float = 0.0  # and how many RL.TRANSFER
    each: float = 0.0  # and how many RL.CHECKEACH
    keys: dict[str, Many] = field(default_factory=dict)
    limits: dict[str, list[Limit]] = field(default_factory=dict)
    now: int = 0
    remaining: int = 1
    wait_ms: int = 0

    def steps(self, count: int) -> list[Step]:
        self.now = BASE + self.rng.randint(0, DAY)
        steps = []
        for number, is_stored in enumerate(self.stored):
            name = f"k{self.rng.getrandbits(64):x}-{number}"  # a server hears many talks: no two of one name
            self.keys[name], self.limits[name] = Many(), self._some_limits()
            steps += [self._define(name)] if is_stored else []
        return steps + [self._step() for _ in range(count)]

    def _step(self) -> Step:
        rng, name, subject = self.rng, self.rng.choice(list(self.keys)), self.rng.choice(SUBJECTS)
        gap = max(any_gap(rng, rng.choice(self.limits[name]), self.wait_ms), 0)
        self.now = min(self.now + rng.choice([0, gap]), LATEST)
        # Limits of calls that change beside holds: tests/core/account_walk_test.cpp.
        if self.keys[name].stored and rng.random() < self.changes:
            self.limits[name] = [changed(rng, limit) for limit in self.limits[name]]
            if rng.random() < 0.5:
                self.limits[name] = self._some_limits()
            return self._define(name)
        if self.keys[name].stored and subject and rng.random() < self.changes:
            return self._make_exception(name, subject)
        if rng.random() < self.of_all:
            return rng.choice([self._check_all, self._check_all, self._reserve_all, self._settle_all])()
        if rng.random() < self.transfers:
            return self._transfer(name, subject)
        if rng.random() < self.each:
            return self._check_each(name, subject)
        makers: list[Callable[[str, str], Step]] = [self._check] * 6 + [self._reserve, self._settle] * 2
        others = [self._peek, self._refund, self._release, self._info, self._block, self._reset]
        return rng.choice([*makers, *others])(name, subject)

    def _some_limits(self) -> list[Limit]:
        return any_limits(self.rng, self.rng.randint(1, self.most_limits))

    def _named(self, name: str, subject: str) -> list[Limit]:
        """The limits that a question names: it need not, if they are stored, or of a subject that is there."""
        need_not = self._is_there(name, subject) and self.rng.random() < 0.5
        return [] if need_not or not self._may_name(name, subject) else self.limits[name]

    def _is_there(self, name: str, subject: str) -> bool:
        return bool(self.keys[name].stored) or self.keys[name].info(self.now, subject) is not None

    def _cost(self, name: str) -> int:
        return any_cost(self.rng, self.rng.choice(self.limits[name]), self.remaining)

    def _say(self, line: str, subject: str, reply) -> Step:
        return Step(self.now, f"{line} FOR {subject}" if subject else line, reply)

    def _define(self, name: str) -> Step:
        is_shadow = self.may_be_shadow and self.rng.random() < 0.7
        reply = self.keys[name].define(self.limits[name], is_shadow, self.now)
        return Step(self.now, f"RL.DEFINE {name} {words(self.limits[name])}{' SHADOW' * is_shadow}", reply)

    def _make_exception(self, name: str, subject: str) -> Step:
        """Limits of the same labels, or none."""
        stored = self.keys[name].stored
        limits = [changed(self.rng, limit) for limit in stored] if self.rng.random() < 0.7 else []
        if sorted(labels(limits)) != sorted(labels(stored)):
            limits = []
        reply = self.keys[name].make_exception(limits, self.now, subject)
        return self._say(f"RL.DEFINE {name} {words(limits)}", subject, reply)

    def _may_name(self, name: str, subject: str) -> bool:
        """Whether a call may name the limits of a key: an exception has others."""
        return subject not in self.keys[name].exceptions

    def _must_not_name(self, name: str, subject: str) -> bool:
        return not self._may_name(name, subject) or (bool(self.keys[name].stored) and self.rng.random() < 0.5)

    def _check(self, name: str, subject: str) -> Step:
        rng, limits = self.rng, self.keys[name].limits_of(subject, self.limits[name])
        request = Request(self._cost(name))
        if rng.random() < 0.4:
            mode = rng.choice(["PARTIAL", "FORCE", "MAXWAIT"])
            request = request._replace(mode=mode, longest_wait=any_span(rng, rng.choice(limits)))
        if any(isinstance(limit, Concurrent) for limit in limits) and rng.random() < 0.7:
            request = request._replace(call_id=rng.choice(IDS))
        if request.mode != "PARTIAL" and not self.keys[name].is_shadow and rng.random() < 0.3:
            request = request._replace(charges=any_charges(rng, limits, self.remaining, request.mode))
        is_brief = rng.random() < 0.2
        if is_brief and needs_more_than_brief(self.keys[name].limits_of(subject, limits), request):
            named = [] if self._must_not_name(name, subject) else limits
            return self._say(f"RL.CHECK {name} {words(named)} {request} BRIEF", subject, "BRIEF")
        reply = self.keys[name].check(limits, request, self.now, subject)
        _, _, self.remaining, self.wait_ms, *_ = reply
        brief = in_brief(reply, is_look_by_force=request.mode == "FORCE" and not request.most(limits))
        if len(limits) == 1 and self._may_name(name, subject) and rng.random() < 0.5:
            algorithm, numbers = words(limits).split(" ", 1)
            return self._say(
                f"RL.{algorithm} {name} {numbers} {request}{' BRIEF' * is_brief}",
                subject,
                brief if is_brief else reply[:5] + reply[6:],
            )
        named = [] if self._must_not_name(name, subject) else limits
        line = f"RL.CHECK {name} {words(named)} {request}{' BRIEF' * is_brief}"
        return self._say(line, subject, brief if is_brief else reply)

    def _peek(self, name: str, subject: str) -> Step:
        named, cost = self._named(name, subject), self._cost(name)
        reply = self.keys[name].peek(named, cost, self.now, subject)
        line = f"RL.PEEK {name} {words(named)} COST {cost}"
        if self.rng.random() < 0.7:
            return self._say(line, subject, reply)
        key = self.keys[name]
        limits = key.limits_of(subject, named) or [account.limit for account in key[subject].at(self.now).accounts]
        too_brief = reply and needs_more_than_brief(limits, None)
        return self._say(f"{line} BRIEF", subject, "BRIEF" if too_brief else in_brief(reply))

    def _info(self, name: str, subject: str) -> Step:
        """A key that is itself idle may be there for its subjects. Of several lists, whose accounts come along with a
        transfer, those that are idle may be shown while one lasts that is to be dropped."""
        subject = subject if self.keys[name].stored else subject or "a"
        reply = self.keys[name].info(self.now, subject)
        if self.transfers and reply is None:
            return self._peek(name, subject)
        return self._say(f"RL.INFO {name}", subject, reply)

    def _refund(self, name: str, subject: str) -> Step:
        units = self._cost(name)
        return self._say(f"RL.REFUND {name} {units}", subject, self.keys[name].refund(units, self.now, subject))

    def _reserve(self, name: str, subject: str) -> Step:
        cost, hold_id = self._cost(name), self.rng.choice(IDS)
        named = [] if self._must_not_name(name, subject) else self.limits[name]
        ttl = any_span(self.rng, self.rng.choice(self.limits[name]))
        reply = self.keys[name].reserve(named, ttl, cost, hold_id, self.now, subject)
        line = f"RL.RESERVE {name} {duration(ttl)} {words(named)} COST {cost} ID {hold_id}"
        return self._say(line, subject, reply)

    def _settle(self, name: str, subject: str) -> Step:
        named = [] if self._is_there(name, subject) else self.limits[name]
        hold_id = self.rng.choice(IDS)
        actual = min(self.rng.choice([0, self._cost(name), self._cost(name), 2 * self._cost(name)]), MOST)
        reply = self.keys[name].settle(hold_id, actual, named, self.now, subject)
        return self._say(f"RL.SETTLE {name} {hold_id} {actual} {words(named)}", subject, reply)

    def _release(self, name: str, subject: str) -> Step:
        lease_id = self.rng.choice(IDS)
        return self._say(f"RL.RELEASE {name} {lease_id}", subject, self.keys[name].release(lease_id, self.now, subject))

    def _block(self, name: str, subject: str) -> Step:
        """Mostly short, or lifted soon: otherwise nothing else would be heard."""
        length = self.rng.choice([0, 0, MS, any_span(self.rng, self.rng.choice(self.limits[name]))])
        reply = self.keys[name].block(length, self.now, subject)
        return self._say(f"RL.BLOCK {name} {duration(length) if length else 0}", subject, reply)

    def _reset(self, name: str, subject: str) -> Step:
        return self._say(f"RL.RESET {name}", subject, self.keys[name].reset(self.now, subject))

    def _transfer(self, name: str, subject: str) -> Step:
        other = self.rng.choice([other for other in self.keys if other != name])
        reply = self.keys[name].transfer(self.keys[other], self.now, subject)
        return self._say(f"RL.TRANSFER {name} {other}", subject, reply)

    def _check_each(self, name: str, subject: str) -> Step:
        """Some subjects, who may be named again, are checked one after the other."""
        rng, key = self.rng, self.keys[name]
        subjects = rng.choices(SUBJECTS[1:], k=rng.randint(1, 6))
        of_each = [key.limits_of(one, self.limits[name]) for one in subjects]
        if any(isinstance(limit, LeakyBucket | Concurrent) for limits in of_each for limit in limits):
            return self._check(name, subject)
        must_not_name = any(self._must_not_name(name, one) for one in subjects)
        cost = rng.choice([0, self._cost(name), self._cost(name)])
        replies = [key.check(limits, Request(cost), self.now, one) for limits, one in zip(of_each, subjects)]
        line = f"RL.CHECKEACH {name} {words([] if must_not_name else self.limits[name])} COST {cost}"
        return Step(self.now, f"{line} FOR {' '.join(subjects)}", tuple(in_brief(reply) for reply in replies))

    def _several(self) -> tuple[list[str], list[str], list[list[Limit]]]:
        """Names, subjects and limits of keys that all store limits, as some do, or that have one limit each; none twice
        for the same subject."""
        rng = self.rng
        have_stored = {name for name, key in self.keys.items() if key.stored}
        have_one = {name for name in self.keys if len(self.limits[name]) == 1}
        names_limits = bool(have_one) and rng.random() < 0.5
        some = sorted(have_one if names_limits else have_stored)
        pairs = [(name, subject) for name in some for subject in (SUBJECTS if rng.random() < 0.8 else [""])]
        pairs = [pair for pair in pairs if not names_limits or self._may_name(*pair)]
        chosen = rng.sample(pairs, min(rng.randint(1, 6), len(pairs)))
        names, subjects = [name for name, _ in chosen], [subject for _, subject in chosen]
        return names, subjects, [self.limits[name] if names_limits else [] for name in names]

    def _check_all(self) -> Step:
        rng = self.rng
        names, subjects, named = self._several()
        costs, said_costs = self._costs(names)
        mode, call_id, is_each = rng.choice(["", "", "", "FORCE"]), object(), rng.random() < 0.5
        entries = [
            Entry(self.keys[name], limits, subject, Request(cost, mode, call_id=call_id))
            for name, limits, subject, cost in zip(names, named, subjects, costs)
        ]
        line = f"RL.CHECKALL {len(names)} {' '.join(names)} {words(sum(named, []))} {said_costs} {mode}"
        reply = check_all(entries, self.now, each=is_each)
        _, _, self.remaining, self.wait_ms, *_ = reply
        return self._say_of_all(line, subjects, is_each, reply)

    def _reserve_all(self) -> Step:
        rng = self.rng
        names, subjects, named = self._several()
        costs, said_costs = self._costs(names)
        hold_id, is_each = rng.choice(IDS), rng.random() < 0.5
        ttl = any_span(rng, rng.choice(self.limits[names[0]]))
        entries = [
            Entry(self.keys[name], limits, subject, Request(cost, call_id=hold_id), ttl)
            for name, limits, subject, cost in zip(names, named, subjects, costs)
        ]
        line = f"RL.RESERVEALL {len(names)} {' '.join(names)} {duration(ttl)} {words(sum(named, []))} {said_costs}"
        reply = reserve_all(entries, self.now, each=is_each)
        return self._say_of_all(f"{line} ID {hold_id}", subjects, is_each, reply)

    def _settle_all(self) -> Step:
        """Of who is there: whether who is idle has been forgotten, nobody knows."""
        rng = self.rng
        pairs = [(name, subject) for name in self.keys for subject in SUBJECTS if self._is_there(name, subject)]
        chosen = rng.sample(pairs, min(rng.randint(1, 6), len(pairs)))
        if not chosen:
            return self._check_all()
        hold_id, is_each = rng.choice(IDS), rng.random() < 0.5
        actual = rng.choice([0, *(self._cost(name) for name, _ in chosen)])
        reply = settle_all(
            [(self.keys[name], subject) for name, subject in chosen], hold_id, actual, self.now, each=is_each
        )
        line = f"RL.SETTLEALL {len(chosen)} {' '.join(name for name, _ in chosen)} {hold_id} {actual}"
        return self._say_of_all(line, [subject for _, subject in chosen], is_each, reply)

    def _say_of_all(self, line: str, subjects: list[str], is_each: bool, reply) -> Step:
        if any(subjects):
            line += " FOR " + " ".join(subject or '""' for subject in subjects)
        return Step(self.now, line + " EACH" * is_each, reply)

    def _costs(self, names: list[str]) -> tuple[list[int], str]:
        """One for all keys, or one for each, some of which are only looked at."""
        if self.rng.random() < 0.5:
            cost = self._cost(self.rng.choice(names))
            return [cost] * len(names), f"COST {cost}"
        costs = [self.rng.choice([0, self._cost(name), self._cost(name)]) for name in names]
        return costs, f"COSTS {' '.join(map(str, costs))}"
