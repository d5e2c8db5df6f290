# SPDX-License-Identifier: MIT
"""Random commands against a real server: valid, nearly valid and garbage; by themselves, in pipelines, transactions and
scripts; with everything that servers do to keys in between, and a replica and an append-only file that come and go.
After each batch the server must be well; its keys must survive being saved and loaded, and be those of the replica.

    /usr/bin/python3 tests/support/random_commands.py SECONDS [SEED]

A batch depends on the seed, its number and the replies before it. RATELIMIT_MODULE, RATELIMIT_SERVER and
RATELIMIT_PRELOAD are those of harness.py.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import redis

from harness import BASE, DAY, Server, eventually
from subjects import nothing_forgotten

Word = str | bytes | int
Command = tuple[Word, ...]

KEYS = [f"k{number}" for number in range(12)] + ["{tag}a", "{tag}b", "", "key with spaces", "\x00\xff"]
NUMBERS = [
    0,
    1,
    2,
    3,
    5,
    10,
    1000,
    2**31,
    2**32 - 1,
    2**32,
    2**53 - 1,
    2**53,
    2**63 - 1,
    2**64,
    -1,
    "01",
    "1e3",
    "1.5",
    "",
    " 1",
]
SPANS = ["1ms", "2ms", "1s", "60s", "1m", "1h", "1d", "3650d", "3651d", "0s", "60", "1.5s", "1M", "ms", "", "9" * 30]
LABELS = ["a", "b", "fixed", "sliding-2", "x" * 64, "x" * 65, 'q"', "sp ace", "", "\x00", "ü"]
SUBJECTS = [*(f"s{number}" for number in range(40)), "\x00", "x" * 1024, "x" * 1025, ""]
IDS = ["a", "b", "c", "\x00", "x" * 64, "x" * 65, ""]
UNITS = ["HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "CENTURY", "1d"]
ANCHORS = ["2026-01-31", "2024-02-29T06:00", "1970-01-01", "2199-12-31T23:59", "2026-02-30", "1969-12-31", "now", ""]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Mars/Olympus", "../../etc/passwd", "localtime", ""]
BLOBS = [b"", b"\x00", b"\xff" * 9, b"\r\n*3\r\n", b"x" * 10_000, "ünïcödé".encode(), b"%s%n", b"COST", b"FOR", b"AS"]
LATEST = 84_006 * DAY  # 2200-01-01

CHECKS = ["RL.CHECK", "RL.PEEK"]
ALGORITHMS = ["TOKENBUCKET", "LEAKYBUCKET", "FIXED", "SLIDING", "QUOTA", "CONCURRENT"]
SHORTHANDS = [f"RL.{algorithm}" for algorithm in ALGORITHMS]
OPERATIONS = ["RL.REFUND", "RL.RESERVE", "RL.SETTLE", "RL.RELEASE", "RL.BLOCK", "RL.RESET", "RL.TRANSFER"]
KINDS = ["STORE", "APPLY", "PERFORM", "DEFINE", "SWEEP", "FILL", "FORGET", "EXCEPT", "EACH"]
SETTINGS = {
    "maxmemory": ["0", "0", "1mb", "100mb"],
    "maxmemory-policy": ["noeviction", "allkeys-lru", "volatile-ttl"],
    "aof-use-rdb-preamble": ["yes", "no"],
    "appendfsync": ["no", "everysec", "always"],
    "rdbcompression": ["yes", "no"],
    "lazyfree-lazy-user-del": ["yes", "no"],
    "lazyfree-lazy-expire": ["yes", "no"],
    "sanitize-dump-payload": ["no", "yes"],
    "notify-keyspace-events": ["", "KEA"],
    "latency-tracking": ["yes", "no"],
    "slowlog-log-slower-than": ["-1", "0", "10000"],
    "ratelimit.near-percent": ["1", "80", "100"],
    "ratelimit.notify": ["off", "denied", "near", "all"],
    "ratelimit.notify-rate": ["1", "100", "1000000"],
    "ratelimit.log-len": ["0", "1", "1024", "65536"],
    "ratelimit.top-size": ["1", "128", "1024"],
}
SCRIPT = """
local replies = {}
local next = 1
for _ = 1, tonumber(ARGV[1]) do
  local count = tonumber(ARGV[next + 1])
  local reply = redis.pcall(unpack(ARGV, next + 2, next + 1 + count))
  if type(reply) == 'table' and reply.err then reply = 'error' end
  replies[#replies + 1] = type(reply) == 'table' and #reply or tostring(reply)
  next = next + 1 + count
end
return replies
"""


class Grammar:
    """Makes commands, mostly good ones. `payloads` are those that DUMP gave."""

    def __init__(self, rng: random.Random, payloads: list[bytes]) -> None:
        self._rng = rng
        self._payloads = payloads

    def command(self) -> Command:
        makers: list[tuple[Callable[[], Command], int]] = [
            (self._check, 30),
            (self._shorthand, 30),
            (self._operation, 20),
            (self._define, 3),
            (self._throttle, 8),
            (self._check_all, 5),
            (self._check_each, 5),
            (self._reserve_all, 4),
            (self._settle_all, 4),
            (lambda: ("RL.INFO", self._key(), *self._subject()), 5),
            (lambda: ("RL.TOP", self._key(), *self._rng.choice([(), ("NEAR",), (self._number(), "NEAR")])), 1),
            (lambda: ("RL.LOG", self._key(), *self._rng.choice([(), (self._number(),)])), 1),
            (self._clock, 4),
            (self._internal, 3),
            (self._about_keys, 20),
            (self._restore, 5),
            (self._setting, 1),
            (self._limiters, 1),
            (self._garbage, 4),
        ]
        (make,) = self._rng.choices([maker for maker, _ in makers], [often for _, often in makers])
        command = make()
        if self._rng.random() < 0.15:
            command = self._spoilt(command)
        return ("COMMAND", "GETKEYS", *command) if self._rng.random() < 0.02 else command

    # --- ours

    def _check(self) -> Command:
        limits = [self._limit() for _ in range(self._rng.choice([0, 0, 1, 1, 1, 1, 2, 3, 8, 9]))]
        name = self._rng.choice(CHECKS)
        asks_only = name != "RL.CHECK" and self._rng.random() < 0.9
        options = [*limits, *([self._subject(), *self._cost(), *self._brief()] if asks_only else self._options())]
        if self._rng.random() < 0.1:
            self._rng.shuffle(options)
        return (self._case(name), self._key(), *[word for option in options for word in option])

    def _shorthand(self) -> Command:
        name = self._rng.choice(SHORTHANDS)
        rest = self._limit(name.removeprefix("RL."))[1:]
        return (self._case(name), self._key(), *rest, *[word for option in self._options() for word in option])

    def _operation(self) -> Command:
        name, key, limit = self._rng.choice(OPERATIONS), self._key(), self._limit() if self._rng.random() < 0.3 else ()
        subject = self._subject()
        match name:
            case "RL.REFUND":
                return (self._case(name), key, self._number(), *subject)
            case "RL.RELEASE":
                return (self._case(name), key, self._id_word(), *subject)
            case "RL.BLOCK":
                return (self._case(name), key, self._rng.choice([0, 0, "1ms", self._span()]), *subject)
            case "RL.RESET":
                return (self._case(name), key, *subject)
            case "RL.TRANSFER":
                return (self._case(name), key, self._key(), *subject)
            case "RL.SETTLE":
                return (self._case(name), key, self._id_word(), self._number(), *limit, *subject)
        options = [subject, *self._cost(), *self._id(), *self._headers()]
        return (self._case(name), key, self._span(), *limit, *[word for option in options for word in option])

    def _define(self) -> Command:
        limits = [self._limit() for _ in range(self._rng.choice([0, 1, 1, 1, 2, 8]))]
        rest = ("SHADOW",) if self._rng.random() < 0.2 else self._subject()
        return (self._case("RL.DEFINE"), self._key(), *[word for limit in limits for word in limit], *rest)

    def _throttle(self) -> Command:
        """As clients of redis-cell do."""
        seconds = self._rng.choice([1, 60, 3600, 315360000, *NUMBERS]) if self._rng.random() < 0.3 else 60
        quantity = (self._rng.choice([0, self._number()]),) if self._rng.random() < 0.5 else ()
        return (self._case("CL.THROTTLE"), self._key(), self._number(), self._number(), seconds, *quantity)

    def _check_all(self) -> Command:
        return self._of_several("RL.CHECKALL", self._several_keys(), (), [*self._headers(), *self._flags("FORCE")])

    def _check_each(self) -> Command:
        limits = [self._limit() for _ in range(self._rng.choice([0, 0, 1, 1, 2]))]
        subjects = self._rng.choices(SUBJECTS[:41], k=self._rng.choice([1, 2, 5, 100]))
        options = [word for option in [*limits, *self._cost()] for word in option]
        return (self._case("RL.CHECKEACH"), self._key(), *options, "FOR", *subjects)

    def _reserve_all(self) -> Command:
        options = [*self._id(), *self._headers()]
        return self._of_several("RL.RESERVEALL", self._several_keys(), (self._span(),), options)

    def _settle_all(self) -> Command:
        keys = self._several_keys()
        options = [self._subjects(keys), *self._flags("EACH")]
        words = (self._id_word(), self._number(), *[word for option in options for word in option])
        return (self._case("RL.SETTLEALL"), len(keys), *keys, *words)

    def _several_keys(self) -> list[str]:
        return [self._key() for _ in range(self._rng.choice([1, 2, 2, 3, 64]))]

    def _subjects(self, keys: list[str]) -> Command:
        return ("FOR", *(self._rng.choice([*SUBJECTS[:41], ""]) for _ in keys)) if self._rng.random() < 0.7 else ()

    def _flags(self, *words: str) -> list[Command]:
        return [(word,) for word in words if self._rng.random() < 0.3]

    def _of_several(self, name: str, keys: list[str], behind: Command, options: list[Command]) -> Command:
        """Mostly of limiters, and if not, with a limit for each key."""
        limits = [self._limit() for _ in keys] if self._rng.random() < 0.5 else []
        costs = [("COSTS", *(self._rng.choice([0, 1, self._number()]) for _ in keys))]
        rest = [*limits, self._subjects(keys), *(costs if self._rng.random() < 0.4 else self._cost()), *options]
        rest += self._flags("EACH")
        if self._rng.random() < 0.3:
            self._rng.shuffle(rest)
        count = len(keys) if self._rng.random() < 0.95 else self._number()
        return (self._case(name), count, *keys, *behind, *[word for option in rest for word in option])

    def _limit(self, algorithm: str | None = None) -> Command:
        algorithm = algorithm or self._rng.choice(ALGORITHMS)
        words: list[Word] = [self._case(algorithm), self._number()]
        words += [self._number()] if algorithm in ("TOKENBUCKET", "LEAKYBUCKET") else []
        words.append(self._of(UNITS, 6) if algorithm == "QUOTA" else self._span())
        if algorithm == "FIXED" and self._rng.random() < 0.3:
            words.append(self._case("ALIGNED"))
        if algorithm == "SLIDING" and self._rng.random() < 0.5:
            words.append(self._case("APPROX"))
        if algorithm == "QUOTA" and self._rng.random() < 0.3:
            words += [self._case("ANCHOR"), self._of(ANCHORS, 4)]
        if algorithm == "QUOTA" and self._rng.random() < 0.3:
            words += [self._case("TZ"), self._of(ZONES, 4)]
        if self._rng.random() < 0.3:
            words += [self._case("AS"), self._rng.choice(LABELS[:4] * 5 + LABELS)]
        if self._rng.random() < 0.2:
            words += ["PER", "REQUEST"]
        return tuple(words)

    def _options(self) -> list[Command]:
        """Those of a check."""
        modes = [("PARTIAL",), ("FORCE",), ("MAXWAIT", self._span())]
        mode = [self._rng.choice(modes)] if self._rng.random() < 0.4 else []
        form = self._brief() if self._rng.random() < 0.3 else self._headers()
        options = [self._subject(), *self._cost(), *mode, *self._id(), *form]
        if self._rng.random() < 0.3:
            self._rng.shuffle(options)
        return options

    def _subject(self) -> Command:
        return ("FOR", self._of(SUBJECTS, 42)) if self._rng.random() < 0.6 else ()

    def _headers(self) -> list[Command]:
        return [option for option in (("HEADERS",), ("JITTER", self._span())) if self._rng.random() < 0.1]

    def _brief(self) -> list[Command]:
        return [(self._case("BRIEF"),)] if self._rng.random() < 0.5 else []

    def _cost(self) -> list[Command]:
        return [(self._case("COST"), self._number())] if self._rng.random() < 0.5 else []

    def _id(self) -> list[Command]:
        return [(self._case("ID"), self._id_word())] if self._rng.random() < 0.3 else []

    def _id_word(self) -> str:
        return self._of(IDS, 3)

    def _clock(self) -> Command:
        match self._rng.randrange(4):
            case 0:
                return ("RL.DEBUG", "CLOCK", "SET", self._rng.choice([0, BASE, BASE + DAY, LATEST, LATEST + 1, "now"]))
            case _:
                step = int(10 ** self._rng.uniform(0, 19))
                return ("RL.DEBUG", "CLOCK", "ADVANCE", step)

    def _internal(self) -> Command:
        payload = self._rng.choice([*BLOBS, *self._payloads])
        return ("RL._EFFECT", self._key(), self._rng.choice(KINDS), self._number(), payload)

    # --- the server's

    def _about_keys(self) -> Command:
        key, other = self._key(), self._key()
        return self._rng.choice(
            [
                ("DEL", key),
                ("DEL", key, other),  # limiters do not end by themselves
                ("UNLINK", key, other),
                ("EXPIRE", key, self._rng.choice([-1, 0, 100_000, 10**9])),
                ("PERSIST", key),
                ("PTTL", key),
                ("TYPE", key),
                ("RENAME", key, other),
                ("COPY", key, other, "REPLACE"),
                ("COPY", key, key, "DB", 1, "REPLACE"),
                ("DUMP", key),
                ("SET", key, "v"),
                ("SET", key, "v", "PX", 100_000_000),
                ("SET", key, self._arrival_time()),  # as redis-cell leaves them
                ("SET", key, self._arrival_time(), "PX", 100_000_000),
                ("RPUSH", key, "a"),
                ("GET", key),
                ("OBJECT", "ENCODING", key),
                ("OBJECT", "FREQ", key),
                ("MEMORY", "USAGE", key),
                ("DEBUG", "DIGEST-VALUE", key),
                ("SCAN", 0, "TYPE", "ratelimit"),
                ("SWAPDB", 0, 1),
                ("MOVE", key, 1),
                ("FLUSHDB", self._rng.choice(["ASYNC", "SYNC"])),
                ("RANDOMKEY",),
                ("TOUCH", key),
                ("WATCH", key),
            ]
        )

    def _arrival_time(self) -> int:
        return self._rng.choice([BASE + self._rng.randrange(DAY), BASE, LATEST, 0, -1, -(2**63), 2**63 - 1, 2**63])

    def _restore(self) -> Command:
        payload = bytearray(self._rng.choice([*BLOBS, *self._payloads]))
        if payload and self._rng.random() < 0.3:
            payload[self._rng.randrange(len(payload))] ^= 1 << self._rng.randrange(8)
        return ("RESTORE", self._key(), self._rng.choice([0, 10**9]), bytes(payload), "REPLACE")

    def _setting(self) -> Command:
        name = self._rng.choice(list(SETTINGS))
        return ("CONFIG", "SET", name, self._rng.choice(SETTINGS[name]))

    def _limiters(self) -> Command:
        options = [(), ("COUNT", self._number()), ("MATCH", self._key()[:1] + "*"), ("COUNT", "1000", "MATCH", "*")]
        return ("RL.LIMITERS", self._rng.choice(["0", "0", "1", "97", *NUMBERS]), *self._rng.choice(options))

    # --- words

    def _garbage(self) -> Command:
        words = [*CHECKS, *SHORTHANDS, *ALGORITHMS, "AS", "COST", "PER", *NUMBERS, *SPANS, *BLOBS, *KEYS]
        words += ["PARTIAL", "FORCE", "MAXWAIT", "ID", "TZ", "ANCHOR", "APPROX", "FOR", "HEADERS", "JITTER", "SHADOW"]
        words += ["COSTS", "EACH", "BRIEF", "NEAR"]
        words += [*UNITS, *ANCHORS, *ZONES, *IDS]
        more = ["RL.INFO", "RL.DEFINE", "RL.CHECKALL", "RL.RESERVEALL", "RL.SETTLEALL", "RL.TOP", "RL.LOG"]
        more += ["RL.DEBUG", "CL.THROTTLE", "RL.LIMITERS"]
        name = self._rng.choice([*CHECKS, *SHORTHANDS, *OPERATIONS, *more, "RL._EFFECT"])
        return (name, *self._rng.choices(words, k=self._rng.choice([0, 1, 2, 3, 5, 8, 127, 128, 2000])))

    def _spoilt(self, command: Command) -> Command:
        """The command with a word too many, too few, doubled or changed; its name stays."""
        words = list(command)
        at = self._rng.randrange(1, len(words) + 1)
        match self._rng.randrange(4):
            case 0:
                del words[at:]
            case 1:
                words.insert(at, self._rng.choice(BLOBS))
            case 2:
                words[at:at] = words[1:at]
            case _:
                words[at : at + 1] = [self._rng.choice([*NUMBERS, *BLOBS])]
        return tuple(words)

    def _key(self) -> str:
        return self._rng.choice(KEYS)

    def _number(self) -> Word:
        return self._rng.choice([self._rng.randint(1, 20), *NUMBERS[1:7]] if self._rng.random() < 0.95 else NUMBERS)

    def _span(self) -> str:
        return self._rng.choice(SPANS[:8] if self._rng.random() < 0.95 else SPANS)

    def _of(self, words: list[str], good: int) -> str:
        """Mostly one of the first, which are good ones."""
        return self._rng.choice(words[:good] if self._rng.random() < 0.95 else words)

    def _case(self, word: str) -> str:
        return word if self._rng.random() < 0.9 else self._rng.choice([word.lower(), word.title(), word + "X"])


FEWEST_BATCHES = 20


@dataclass
class Tally:
    batches: int = 0
    commands: int = 0
    errors: int = 0
    checks: Counter = field(default_factory=Counter)

    def __str__(self) -> str:
        checks = ", ".join(f"{count} {what}" for what, count in sorted(self.checks.items()))
        return f"{self.commands} commands in {self.batches} batches, {self.errors} refused; {checks}"


def databases(server: Server) -> list[int]:
    """Those with keys in them: a number that went astray may have made some anywhere."""
    with server.client() as db:
        return [int(name.removeprefix("db")) for name in db.info("keyspace")]


def contents(server: Server) -> dict:
    """What a server holds: of each key the digest and when it ends, and the digest of all."""
    found = {}
    for number in databases(server):
        with server.client(db=number, decode_responses=False) as db:
            keys = sorted(db.scan_iter())
            with db.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.execute_command("DEBUG", "DIGEST-VALUE", key)
                    pipe.execute_command("PEXPIRETIME", key)
                replies = pipe.execute()
            found |= {(number, key): tuple(replies[2 * i : 2 * i + 2]) for i, key in enumerate(keys)}
    with server.client(decode_responses=False) as db:
        return found | {"all": db.execute_command("DEBUG", "DIGEST")}


def assert_same(before: dict, after: dict, what: str) -> None:
    pairs = {key: (before.get(key), after.get(key)) for key in before | after}
    differences = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
    assert not differences, f"{what}: {differences}"


class Session:
    """A server with a replica, and batches of commands for it."""

    def __init__(self, server: Server, replica: Server, seed: int) -> None:
        self._server = server
        self._replica = replica
        self._seed = seed
        self._payloads: list[bytes] = []
        self._db = server.client(decode_responses=False)
        self._raw = server.client(decode_responses=False)
        self._raw.response_callbacks.clear()  # they know what replies to good commands look like
        self._copy = replica.client(decode_responses=False)
        self._has_replica = False
        self._db.execute_command("RL.DEBUG", "CLOCK", "SET", BASE)
        self.tally = Tally()

    def run(self, seconds: float) -> None:
        """For so long, but not less than some batches, of which few may be of any kind."""
        end = time.monotonic() + seconds
        while time.monotonic() < end or self.tally.batches < FEWEST_BATCHES:
            try:
                self.batch()
            except Exception as error:
                raise AssertionError(f"RATELIMIT_TEST_SEED={self._seed}, batch {self.tally.batches}") from error

    def batch(self) -> None:
        rng = random.Random(f"{self._seed} {self.tally.batches}")
        grammar = Grammar(rng, self._payloads)
        commands = [grammar.command() for _ in range(200)]
        send = rng.choice([self._pipelined, self._pipelined, self._in_transactions, self._in_scripts])
        replies = send(rng, commands)
        self.tally.batches += 1
        self.tally.commands += len(commands)
        self.tally.errors += sum(isinstance(reply, redis.ResponseError) or reply == b"error" for reply in replies)
        self._server.assert_well()
        self._replica.assert_well()
        self._in_between(rng)

    # --- ways to send commands

    def _pipelined(self, _: random.Random, commands: list[Command]) -> list:
        with self._raw.pipeline(transaction=False) as pipe:
            for command in commands:
                if command[0] != "WATCH":
                    pipe.execute_command(*command)
            return pipe.execute(raise_on_error=False)

    def _in_transactions(self, rng: random.Random, commands: list[Command]) -> list:
        """In several, for one command that cannot be queued spoils all."""
        replies = []
        while commands:
            some, commands = commands[:10], commands[10:]
            with self._raw.pipeline(transaction=True) as pipe:
                if rng.random() < 0.3:
                    pipe.watch(rng.choice(KEYS))
                    pipe.multi()
                for command in some:
                    if command[0] != "WATCH":
                        pipe.execute_command(*command)
                try:
                    replies += pipe.execute(raise_on_error=False)
                except redis.RedisError as error:
                    replies.append(error)
        return replies

    def _in_scripts(self, _: random.Random, commands: list[Command]) -> list:
        replies = []
        while commands:
            some, commands = commands[:10], commands[10:]
            words = [word for command in some for word in (len(command), *command)]
            try:
                replies += self._raw.eval(SCRIPT, 0, len(some), *words)
            except redis.ResponseError as error:  # such as that memory is out
                replies.append(error)
        return replies

    # --- in between

    def _in_between(self, rng: random.Random) -> None:
        self._db.config_set("maxmemory", 0)
        self._learn_payloads(rng)
        match rng.randrange(12):
            case 0:
                self._wait_for_children()
                self._db.execute_command("BGREWRITEAOF")
            case 1 if rng.random() < 0.3:
                self._db.config_set("appendonly", rng.choice(["yes", "no", "no"]))
            case 2:
                self._db.flushall()
            case 3 if self._db.config_get("appendonly")["appendonly"] == "yes":
                self._reload("LOADAOF")
            case 4 | 5:
                self._reload("RELOAD")
            case 6 | 7 if self._has_replica:
                self._compare_with_replica()
            case 8 if rng.random() < 0.3:
                self._let_replica_come_or_go()

    def _learn_payloads(self, rng: random.Random) -> None:
        payload = self._db.dump(rng.choice(KEYS))
        # Other types than ours are the server's own, and RESTORE of those its own trouble.
        if payload is not None and payload[0] in (6, 7):
            self._payloads = [*self._payloads[-20:], payload]

    def _reload(self, how: str) -> None:
        self._wait_for_children()
        self._forget_what_ends_soon()
        with nothing_forgotten(self._db):
            before = contents(self._server)
            self._db.execute_command("DEBUG", how)
            assert_same(before, contents(self._server), f"DEBUG {how} changed the keys")
        self.tally.checks[f"times {how}"] += 1

    def _let_replica_come_or_go(self) -> None:
        """It comes while commands go on: nobody waits for its first snapshot."""
        self._has_replica = not self._has_replica
        primary = ("127.0.0.1", self._server.port) if self._has_replica else ("NO", "ONE")
        self._copy.execute_command("REPLICAOF", *primary)

    def _compare_with_replica(self) -> None:
        self._forget_what_ends_soon()
        eventually(lambda: self._copy.info("replication")["master_link_status"] == "up", "the replica to sync")
        with nothing_forgotten(self._db):
            end = self._db.info("replication")["master_repl_offset"]
            eventually(lambda: self._copy.info("replication")["slave_repl_offset"] >= end, "the replica to catch up")
            assert_same(contents(self._server), contents(self._replica), "the replica differs")
        self.tally.checks["comparisons with the replica"] += 1

    def _wait_for_children(self) -> None:
        def is_alone() -> bool:
            info = self._db.info("persistence")
            busy = "aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress"
            return not any(info[name] for name in busy)

        eventually(is_alone, "the children of the server to end")

    def _forget_what_ends_soon(self) -> None:
        """A key that ends between two digests would make a difference that is none."""
        for number in databases(self._server):
            with self._server.client(db=number, decode_responses=False) as db:
                for key in db.scan_iter():
                    if 0 <= db.pttl(key) < 60_000:
                        db.delete(key)


def run(seconds: float, seed: int) -> Tally:
    # A backlog that ends soon lets the server be without followers again.
    server = Server("--repl-diskless-sync-delay", "0", "--repl-backlog-ttl", "1")
    replica = Server()
    try:
        session = Session(server.start(), replica.start(), seed)
        session.run(seconds)
        return session.tally
    finally:
        server.stop()
        replica.stop()


if __name__ == "__main__":
    chosen_seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(2**32)
    print(f"RATELIMIT_TEST_SEED={chosen_seed}", flush=True)
    print(run(float(sys.argv[1]), chosen_seed))
