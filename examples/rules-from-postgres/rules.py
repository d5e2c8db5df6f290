#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Brings the limiters of a Redis or Valkey Cluster to what a table in PostgreSQL says, and keeps them there.

    rules.py --postgres 'host=db dbname=app user=ratelimit_rules' --redis redis://node1:6379 --redis redis://node2:6379

What is not given is taken from the environment, where passwords are safer: PGHOST and its kin, and REDIS_URL, one or
more addresses with blanks between. It runs until it is told to end (SIGTERM), and applies each change within a second.

    --once       applies the table once. Exit code: 0 all is applied, 1 something is not
    --dry-run    only shows what would be done. Exit code: 0 nothing, 1 something
    --every 10   seconds between two looks at everything: what somebody changed on the servers is changed back

May be run again, and more than once at a time: what is there already is not touched. README.md says more.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import psycopg2

from limiters import Away, Limiters, Refused
from rows import Rows, Rule, keys_of

AGAIN_S = 1.0  # after trouble


@dataclass
class Log:
    """A line is said once, until there is another one about the same thing."""

    _last: dict[str, str] = field(default_factory=dict)

    def say(self, about: str, line: str) -> None:
        if self._last.get(about) != line:
            self._last[about] = line
            print(line, flush=True)

    def forget(self, about: str) -> None:
        self._last.pop(about, None)


@dataclass
class Pass:
    """Once through the table, or through some of its names."""

    limiters: Limiters
    log: Log
    dry_run: bool = False
    differences: int = 0
    is_complete: bool = True  # no server was away, and no row was refused
    _away: dict[str, str] = field(default_factory=dict)  # nodes that did not answer, and what was the matter

    @property
    def servers_away(self) -> bool:
        return bool(self._away)

    def apply(self, rule: Rule) -> tuple[str, bool]:
        """What is wrong, or nothing; and whether a server was changed."""
        done: Counter[str] = Counter()
        faults: Counter[str] = Counter()
        for key in rule.keys():
            try:
                self._ask(key, lambda key=key: self._bring(key, rule, done))
            except (Refused, Away) as error:
                faults[str(error)] += 1
        for text, count in done.items():
            self.differences += 1
            self.log.forget(rule.name)
            print(f"{text}{parts(count, rule)}", flush=True)
        error = "; ".join(f"{text}{parts(count, rule)}" for text, count in faults.items())
        if error:
            self.is_complete = False
            self.log.say(rule.name, f"! {rule.name}: {error}")
        else:
            self.log.forget(rule.name)
        return error, bool(done)

    def _bring(self, key: str, rule: Rule, done: Counter[str]) -> None:
        stored = self.limiters.look(key, rule)
        if stored.fault:
            raise Refused(stored.fault)
        if stored.same:
            return
        if not self.dry_run:
            self.limiters.define(key, rule)
        if not stored.text:
            done[f"+ {rule.name}: {rule}"] += 1
        else:
            adopted = "" if stored.is_ours else " (was there before: stays when the row goes)"
            done[f"~ {rule.name}: {stored.text} -> {rule}{adopted}"] += 1

    def drop(self, name: str, keys: list[str]) -> bool:
        """Of a name that has no row any more, or a disabled one. Whether all is settled."""
        done: Counter[str] = Counter()
        for key in keys:
            try:
                done[self._ask(key, lambda key=key: self.limiters.remove(key, self.dry_run))] += 1
            except (Refused, Away) as error:
                self.is_complete = False
                self.log.say(f"- {name}", f"! {name}: not removed: {error}")
                return False
        why = {"not ours": "somebody else made it", "changed": "somebody else has changed it"}
        for fate, count in done.items():
            if fate == "removed":
                self.differences += 1
                self.log.say(f"- {name}", f"- {name}{f' ({count} keys)' if count > 1 else ''}")
            elif fate in why:
                self.log.say(f"- {name}", f"= {name}: left alone, {why[fate]}")
        return True

    def _ask(self, key: str, question):
        """Nobody waits twice in a pass for the same node; an empty name stands for all of them."""
        node = ""
        try:
            if node not in self._away:
                node = self.limiters.node_of(key)
            if node in self._away:
                raise Away(self._away[node])
            return question()
        except Away as error:
            self._away[node] = str(error)
            raise


def parts(count: int, rule: Rule) -> str:
    return f" ({count} of {rule.parts} parts)" if rule.parts else ""


class Keeper:
    """Keeps the servers at what the table says."""

    def __init__(self, limiters: Limiters, log: Log) -> None:
        self._limiters, self._log = limiters, log
        self._settled: set[tuple[str, int]] = set()  # former keys that are gone, or not ours

    def bring(self, rows: Rows, names: set[str] | None = None, dry_run: bool = False) -> Pass:
        """All rows, or those of these names."""
        turn = Pass(self._limiters, self._log, dry_run)
        rules = {rule.name: rule for rule in rows.rules()}
        for rule in rules.values():
            if names is None or rule.name in names:
                error, is_new = turn.apply(rule)
                if not dry_run:
                    rows.say(rule.name, error, is_new)
        for name, sizes in rows.former().items():
            if names is None or name in names:
                self._drop_former(turn, name, sizes, rules.get(name))
        if turn.servers_away:
            self._settled.clear()  # who comes back may have what was there before
        return turn

    def _drop_former(self, turn: Pass, name: str, sizes: set[int], rule: Rule | None) -> None:
        """A limiter that has fewer parts now keeps the others: callers may still ask them."""
        if rule is not None:
            self._settled -= {(name, size) for size in sizes}
            extra = sorted(key for size in sizes for key in keys_of(name, size) if key not in set(rule.keys()))
            if extra:
                self._log.say(f"extra {name}", f"= {name}: {len(extra)} keys of another number of parts are left")
            return
        for size in sorted(sizes):
            if (name, size) not in self._settled and turn.drop(name, keys_of(name, size)) and not turn.dry_run:
                self._settled.add((name, size))


def keep(keeper: Keeper, arguments: argparse.Namespace, log: Log) -> None:
    """Until somebody ends it. Whatever goes away is waited for."""
    while True:
        try:
            with Rows(arguments.postgres) as rows:
                log.say("postgres", "listening to the table")
                follow(keeper, rows, arguments.every)
        except psycopg2.Error as error:
            log.say("postgres", f"! PostgreSQL: {first_line(error)}; trying again")
            time.sleep(AGAIN_S)


def follow(keeper: Keeper, rows: Rows, every: float) -> None:
    names: set[str] | None = None
    while True:
        turn = keeper.bring(rows, names)
        if names is None:
            next_look = time.monotonic() + (AGAIN_S if turn.servers_away else every)
        elif turn.servers_away:
            next_look = time.monotonic() + AGAIN_S
        names = rows.changed(within_s=max(next_look - time.monotonic(), 0))
        if not names or time.monotonic() >= next_look:
            names = None


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def pause(word: str) -> float:
    """Never none: looks without a pause between them would keep all servers busy."""
    seconds = float(word)
    if not 0.1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError("it must be from 0.1 to 86400 seconds")
    return seconds


def parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", default="", metavar="DSN")
    parser.add_argument("--redis", action="append", metavar="URL")
    parser.add_argument("--every", type=pause, default=10, metavar="SECONDS")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--once", action="store_true")
    what.add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args(words)
    arguments.redis = arguments.redis or os.environ.get("REDIS_URL", "").split()
    if not arguments.redis:
        parser.error("--redis is missing, and so is REDIS_URL")
    return arguments


def main(words: list[str]) -> int:
    arguments, log = parsed(words), Log()
    keeper = Keeper(Limiters(arguments.redis), log)
    try:
        if not arguments.once and not arguments.dry_run:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            keep(keeper, arguments, log)
        with Rows(arguments.postgres) as rows:
            turn = keeper.bring(rows, dry_run=arguments.dry_run)
    except KeyboardInterrupt:
        return 0
    except psycopg2.Error as error:
        print(f"! PostgreSQL: {first_line(error)}", file=sys.stderr)
        return 1
    return 0 if turn.is_complete and not (arguments.dry_run and turn.differences) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
