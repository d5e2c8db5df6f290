# SPDX-License-Identifier: MIT
"""A subject of a dense key is answered as a key of its own would be, whatever happens to the tables in between.

The same random traffic goes to subjects of one key and to as many keys: every algorithm and lists of them, every mode
and operation, limits that change, a clock that moves. Crowds of subjects come, go idle and are forgotten; the server
reloads, restarts from its files, and is replaced by its replica. A failing run prints its seed; RATELIMIT_TEST_SEED
repeats it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import redis

from cluster import Node
from harness import BASE, DAY, HOUR, MINUTE, MS, SECOND, Client, Clock, eventually, pairs
from mix import Numbers, any_limits
from seed import SEED
from subjects import subjects

SPANS = ["500ms", "1s", "7s", "60s", "1h"]
STEPS_OF_TIME = [0, 1, 999, MS, 17 * MS, SECOND, 7 * SECOND, MINUTE]
IDS = ["a", "b", "c"]
NUMBERS = Numbers(
    sizes=(1, 3, 10, 100),
    refills=(7, 1000),
    spans=tuple(SPANS),
    units=("HOUR", "DAY"),
    zones=("Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"),
)
AT_ONCE = 400  # commands in a pipeline
CROWD = {False: 2000, True: 1000}  # by whether limits are stored: then each key of its own is told as well
LIMITER = "dense"
PLANS = ["a", "b"]  # other keys to which subjects go over; if limits are stored, the first has some too
BACK = "back"

Words = tuple[str | int, ...]


class Traffic:
    """Questions that go to a subject and to a key of its own. The clock moves only forwards: who is idle may be
    forgotten, and a clock that goes back would tell whether it was.
    """

    def __init__(self, rng: random.Random, db: Client, *, is_stored: bool) -> None:
        self._rng = rng
        self._is_stored = is_stored
        self._pending: list[tuple[str, Words]] = []  # a subject, and a command without its key
        self.names: list[str] = []
        self.now = BASE
        self.compared = 0
        self._limits_of_plan = any_limits(rng, NUMBERS)
        self.go_on(db)
        self.change_limits()

    def go_on(self, db: Client) -> None:
        """With this server."""
        self._db = db
        Clock(db).set(self.now)

    def change_limits(self) -> None:
        """For everyone: at once, if they are stored; otherwise for each as it comes."""
        self._send()
        self._limits = any_limits(self._rng, NUMBERS)
        if self._is_stored:
            self._define([LIMITER, *map(single, self.names)], self._limits)
            self._define([f"{LIMITER}-{PLANS[0]}"], self._limits_of_plan)

    def _define(self, keys: list[str], limits: str) -> None:
        self._run([("RL.DEFINE", key, *limits.split()) for key in keys])

    def welcome(self, count: int) -> None:
        """So many subjects that nobody has seen before."""
        new = [f"{len(self.names) + number}" for number in range(count)]
        self.names += new
        if self._is_stored:
            self._define([single(name) for name in new], self._limits)
            self._define([f"{single(name)}-{PLANS[0]}" for name in new], self._limits_of_plan)
        for name in new:
            self._ask(name, "RL.CHECK", *self._named(), "COST", self._cost())
        self._send()

    def talk(self, commands: int) -> None:
        """About subjects that are there, a few of them more often than others."""
        for _ in range(commands):
            if self._rng.random() < 0.02:
                self.pass_time(self._rng.choice(STEPS_OF_TIME))
            elif not self._is_stored and self._rng.random() < 0.01:
                self._limits = any_limits(self._rng, NUMBERS)
            name = self._rng.choice(self.names if self._rng.random() < 0.5 else self.names[-20:])
            does = [self._check, self._question, self._give_back, self._promise, self._block, self._go_over]
            self._rng.choices(does, [50, 15, 10, 25, 5, 4])[0](name)
        self._send()

    def ask_all(self) -> None:
        """How everybody stands, now and later."""
        for name in self.names:
            self._ask(name, "RL.PEEK", *self._named(), "COST", 2)
            self._ask(name, "RL.INFO")
        self._send()

    def pass_time(self, ns: int) -> None:
        self._send()
        self.now += ns
        Clock(self._db).set(self.now)

    # --- what is asked

    def _check(self, name: str) -> None:
        mode = self._rng.choice(["", "", "", "PARTIAL", "FORCE", f"MAXWAIT {self._rng.choice(SPANS)}"])
        chosen = self._rng.choice(["", f"ID {self._rng.choice(IDS)}"])
        self._ask(name, "RL.CHECK", *self._named(), "COST", self._cost(), *mode.split(), *chosen.split())

    def _question(self, name: str) -> None:
        question = self._rng.choice(["RL.PEEK", "RL.PEEK COST 3", "RL.PEEK {} COST 7"])
        self._ask(name, *question.format(" ".join(self._named())).split())
        self._ask(name, "RL.INFO")

    def _give_back(self, name: str) -> None:
        self._ask(name, *self._rng.choice([("RL.REFUND", self._cost()), ("RL.RELEASE", self._rng.choice(IDS))]))

    def _block(self, name: str) -> None:
        """Mostly lifted soon: otherwise nothing else would be heard."""
        self._ask(name, "RL.BLOCK", self._rng.choice([0, 0, 0, "10ms", "1s", "1h"]))
        if self._rng.random() < 0.2:
            self._ask(name, "RL.RESET")

    def _go_over(self, name: str) -> None:
        """To another key, which stores limits or not, and mostly back again."""
        other = self._rng.choice(PLANS)
        self._ask(name, "RL.TRANSFER", other)
        if self._rng.random() < 0.5:
            self._ask(name, "RL.CHECK", *self._named(), "COST", self._cost())
        if self._rng.random() < 0.8:
            self._ask(name, "RL.TRANSFER", other, BACK)

    def _promise(self, name: str) -> None:
        """Also under other limits than before, and with an id that is settled, held or new."""
        named, chosen = self._named(), self._rng.choice(IDS)
        self._ask(name, "RL.RESERVE", self._rng.choice(SPANS), *named, "COST", self._cost(), "ID", chosen)
        if self._rng.random() < 0.3:
            other = self._named() if self._rng.random() < 0.5 else named
            self._ask(
                name, "RL.RESERVE", self._rng.choice(SPANS), *other, "COST", self._cost(), "ID", self._rng.choice(IDS)
            )
        if self._rng.random() < 0.3:
            self._ask(name, "RL.CHECK", *named, "COST", self._cost())
        if self._rng.random() < 0.7:
            limits = named if self._rng.random() < 0.5 else ()
            self._ask(name, "RL.SETTLE", chosen, self._rng.choice([0, 1, 2, 5, 50]), *limits)

    def _named(self) -> Words:
        """Limits that are stored need not be named."""
        return () if self._is_stored and self._rng.random() < 0.8 else tuple(self._limits.split())

    def _cost(self) -> int:
        return self._rng.choice([1, 1, 1, 2, 5, 50])

    # --- how it is asked

    def _ask(self, name: str, command: str, *words: str | int) -> None:
        """A lease has an id that both are told: made ids differ, and of leases that end together the first id goes."""
        if command == "RL.CHECK" and "ID" not in words:
            words += ("ID", f"new-{self._rng.getrandbits(64)}")
        self._pending.append((name, (command, *words)))
        if len(self._pending) >= AT_ONCE:
            self._send()

    def _send(self) -> None:
        asked, self._pending = self._pending, []
        questions = []
        for name, (command, *words) in asked:
            if command == "RL.TRANSFER":
                questions += transfers(name, *words)
                continue
            questions += [(command, LIMITER, *words, "FOR", name), (command, single(name), *words)]
        replies = self._run(questions)
        for number, (name, words) in enumerate(asked):
            of_subject, of_key = replies[2 * number : 2 * number + 2]
            is_alike = are_alike(words[0], of_subject, of_key, is_stored=self._is_stored)
            assert is_alike, f"{name} {words}: {of_subject}, but {of_key}"
        self.compared += len(asked)

    def _run(self, commands: list[Words]) -> list:
        with self._db.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return pipe.execute(raise_on_error=False)


def single(name: str) -> str:
    return f"single:{name}"


def transfers(name: str, plan: str, *back: str) -> list[Words]:
    """Of a subject of the dense key, and of the key of its own: to keys of that plan, or back from there."""
    ways = [(LIMITER, f"dense-{plan}"), (single(name), f"{single(name)}-{plan}")]
    (here, there), (own, other) = [way[::-1] for way in ways] if back else ways
    return [("RL.TRANSFER", here, there, "FOR", name), ("RL.TRANSFER", own, other)]


def are_alike(command: str, of_subject, of_key, *, is_stored: bool) -> bool:
    """Whether the two say the same. Where no limits are stored, a key that is idle may be there for a while yet, and a
    subject gone, or the other way round: then there is nothing to peek at, and RL.INFO tells that it is idle.
    """
    if isinstance(of_subject, redis.ResponseError) or isinstance(of_key, redis.ResponseError):
        return str(of_subject) == str(of_key)
    if command == "RL.INFO":
        seen = [info and usage(info) for info in (of_subject, of_key)]
        return seen[0] == seen[1] or all(info is None or is_idle(info) for info in (of_subject, of_key))
    if command == "RL.PEEK" and None in (of_subject, of_key):
        return not is_stored
    return of_subject == of_key


def usage(info: list) -> tuple:
    told = pairs(info)
    return told["holds"], told["blocked"], told["first_holds"], told["limits"]


def is_idle(info: list) -> bool:
    holds, blocked, _, limits = usage(info)
    return holds == blocked == 0 and all(pairs(limit)["reset_ms"] == 0 for limit in limits)


# --- what happens in between ------------------------------------------------------------------------


def files_are_written(db: Client) -> bool:
    info = db.info("persistence")
    busy = "aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress"
    return not any(info[name] for name in busy)


class Place:
    """Where the traffic goes: a server, and what happens to it that nobody should notice."""

    def __init__(self, start: Callable[..., Node], *options: str) -> None:
        self._start = start
        self.server = start(*options)

    def pass_on(self) -> None:
        raise NotImplementedError


class Reloaded(Place):
    def pass_on(self) -> None:
        with self.server.client() as db:
            db.do("DEBUG RELOAD")


class Saved(Place):
    def pass_on(self) -> None:
        with self.server.client() as db:
            db.save()
        self.server.kill()
        self.server.start()


class Appended(Place):
    """The file is read as it was written."""

    def __init__(self, start: Callable[..., Node]) -> None:
        super().__init__(start, "--appendonly", "yes")

    def pass_on(self) -> None:
        self.server.restart()


class Rewritten(Place):
    """The file is written anew, as commands."""

    def __init__(self, start: Callable[..., Node]) -> None:
        super().__init__(start, "--appendonly", "yes", "--aof-use-rdb-preamble", "no")

    def pass_on(self) -> None:
        with self.server.client() as db:
            eventually(lambda: files_are_written(db), "the file before it")
            db.bgrewriteaof()
            eventually(lambda: files_are_written(db), "the file to be written anew")
        self.server.restart()


class Followed(Place):
    """A replica takes over, and gets one of its own."""

    def __init__(self, start: Callable[..., Node]) -> None:
        super().__init__(start, "--repl-diskless-sync-delay", "0")
        self._replica = self._new_replica()

    def pass_on(self) -> None:
        with self.server.client() as db, self._replica.client() as copy:
            end = db.info("replication")["master_repl_offset"]
            eventually(lambda: copy.info("replication")["slave_repl_offset"] >= end, "the replica to catch up")
            self.leave()
            copy.do("REPLICAOF NO ONE")
        self.server = self._replica
        self._replica = self._new_replica()

    def leave(self) -> None:
        """The primary stays, as one that nobody asks any more."""

    def _new_replica(self) -> Node:
        replica = self._start("--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1", str(self.server.port))
        with replica.client() as copy:
            eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to sync")
        return replica


class FollowedAndKilled(Followed):
    def leave(self) -> None:
        self.server.kill()


PLACES = [Reloaded, Saved, Appended, Rewritten, Followed, FollowedAndKilled]


@pytest.mark.parametrize("is_stored", [False, True], ids=["unstored", "stored"])
@pytest.mark.parametrize("place", PLACES)
def test_a_subject_is_answered_as_a_key_of_its_own_would_be(node, place, is_stored):
    print("RATELIMIT_TEST_SEED", SEED)
    here = place(node)
    db = here.server.client()
    traffic = Traffic(random.Random(f"{SEED} {place.__name__} {is_stored}"), db, is_stored=is_stored)
    for crowd in (3, 300):
        traffic.welcome(crowd)
        for _ in range(2):
            traffic.talk(120)
            traffic.change_limits()
            here.pass_on()
            traffic.go_on(here.server.client())
        traffic.talk(120)
        traffic.ask_all()
    traffic.pass_time(HOUR)
    traffic.ask_all()
    print(f"{traffic.compared} answers compared")


@pytest.mark.parametrize("is_stored", [False, True], ids=["unstored", "stored"])
def test_it_stays_so_while_crowds_come_and_go(server, db, clock, is_stored):
    """Thousands come, go over to other limits, go idle and are forgotten; some stay, and some come back."""
    print("RATELIMIT_TEST_SEED", SEED)
    traffic = Traffic(random.Random(f"{SEED} crowds {is_stored}"), db, is_stored=is_stored)
    for _ in range(2):
        for _ in range(4):
            traffic.welcome(CROWD[is_stored] // 4)
            traffic.talk(400)
            traffic.change_limits()
            traffic.talk(200)
        traffic.ask_all()
        traffic.pass_time(10 * DAY)
        traffic.talk(50)
        eventually(lambda: subjects(db, LIMITER) <= 50, "most of them to be forgotten")
        traffic.ask_all()
    print(f"{traffic.compared} answers compared")


def test_it_stays_so_when_limits_change_faster_than_anybody_is_asked(server, db, clock):
    """Each subject has missed many changes when it is asked again; they happened at instants of their own."""
    print("RATELIMIT_TEST_SEED", SEED)
    rng = random.Random(f"{SEED} changes")
    traffic = Traffic(rng, db, is_stored=True)
    for _ in range(3):
        traffic.welcome(300)
        for _ in range(25):
            traffic.pass_time(rng.choice(STEPS_OF_TIME))
            traffic.change_limits()
            traffic.talk(5)
        traffic.ask_all()
