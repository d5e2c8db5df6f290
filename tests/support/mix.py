# SPDX-License-Identifier: MIT
"""A random mix of commands of every kind, as clients of all sorts would send them, mistakes included."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from harness import BASE, DAY, HOUR, MINUTE, MS, SECOND
from resp import Connection, Failure

DATABASES = (0, 1, 2)
KEYS = [f"k{number}" for number in range(16)]
SPANS = ["500ms", "1s", "7s", "60s", "1h", "1d", "365d"]
STEPS_OF_TIME = [0, 1, 999, MS, 17 * MS, SECOND, 7 * SECOND, MINUTE, HOUR]
IDS = ["a", "b", "c"]
ALGORITHMS = {"TOKENBUCKET", "LEAKYBUCKET", "FIXED", "SLIDING", "QUOTA", "CONCURRENT"}
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]

ANCHORS = ["2024-02-29", "2026-01-31T06:15", "2199-12-31T23:59"]

Line = str


@dataclass(frozen=True)
class Numbers:
    """Those of which random limits are made."""

    sizes: tuple[int, ...] = (0, 1, 3, 10, 100, 4294967295, 9007199254740991)
    refills: tuple[int, ...] = (7, 1000, 999999937)
    spans: tuple[str, ...] = tuple(SPANS)
    units: tuple[str, ...] = ("HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
    zones: tuple[str, ...] = tuple(ZONES)


ANY_NUMBERS = Numbers()


def any_limit(rng: random.Random, numbers: Numbers = ANY_NUMBERS) -> str:
    size, refill, span = map(rng.choice, (numbers.sizes, numbers.refills, numbers.spans))
    limit = rng.choice(
        [
            f"TOKENBUCKET {size} {refill} {span}",
            f"FIXED {size} {span}",
            f"FIXED {size} {span} ALIGNED",
            f"SLIDING {size} {span}",
            f"LEAKYBUCKET {size} {refill} {span}",
            f"SLIDING {size} {span} APPROX",
            f"QUOTA {size} {rng.choice(numbers.units)}",
            f"QUOTA {size} {rng.choice(['HOUR', 'DAY'])} TZ {rng.choice(numbers.zones)}",
            f"QUOTA {size} {rng.choice(numbers.units)} ANCHOR {rng.choice(ANCHORS)} TZ {rng.choice(numbers.zones)}",
            f"CONCURRENT {size} {span}",
        ]
    )
    # A bucket that would take more than ten years to fill is refused: let it be, errors belong to the mix.
    return limit + rng.choice(["", "", "", " PER REQUEST", f" AS l{rng.randrange(10**6)}"])


def any_limits(rng: random.Random, numbers: Numbers = ANY_NUMBERS) -> str:
    return " ".join(any_limit(rng, numbers) for _ in range(rng.choice([1, 1, 1, 2, 3, 8])))


class Mix:
    """An endless supply of lines. Most keys keep their limits for a while, so that their states grow old."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._limits = {key: any_limits(rng) for key in KEYS}
        self._now = BASE + 1000 * DAY
        self._is_clock_held = False

    def lines(self) -> list[Line]:
        """One command, or a few that belong together. The clock is held first: keys of real time end while one
        compares.
        """
        if not self._is_clock_held:
            self._is_clock_held = True
            return [self._time()]
        together = self._rng.choices([self._one, self._transaction, self._promise], [85, 5, 10])[0]
        return together()

    def _one(self) -> list[Line]:
        kinds: list[Callable[[], Line]] = [self._check, self._script, self._question, self._server, self._mistake]
        kinds += [self._time, self._operation, self._check_all]
        return [self._rng.choices(kinds, [55, 3, 5, 12, 3, 7, 15, 5])[0]()]

    def _transaction(self) -> list[Line]:
        """Which can hold anything but another one."""
        inside = [self._one()[0] for _ in range(self._rng.randint(1, 5))]
        return ["MULTI", *inside, self._rng.choice(["EXEC", "EXEC", "EXEC", "DISCARD"])]

    def _promise(self) -> list[Line]:
        """Something is reserved or leased, a little happens, and it is settled or released."""
        key, chosen = self._key(), self._rng.choice(IDS)
        begin = f"RL.RESERVE {key} {self._rng.choice(SPANS[1:])} {self._limits[key]} COST {self._cost()} ID {chosen}"
        if "CONCURRENT" in self._limits[key] and self._rng.random() < 0.5:
            begin = f"RL.CHECK {key} {self._limits[key]} COST {self._cost()} FORCE ID {chosen}"
        end = [f"RL.SETTLE {key} {chosen} {self._actual()}", f"RL.RELEASE {key} {chosen}"]
        return [begin, *(self._one()[0] for _ in range(self._rng.randint(0, 3))), self._rng.choice(end)]

    def _key(self) -> str:
        return self._rng.choice(KEYS)

    def _check(self) -> Line:
        key = self._key()
        if self._rng.random() < 0.05:
            self._limits[key] = any_limits(self._rng)
        modes = ["", "", "", " PARTIAL", " FORCE", f" MAXWAIT {self._rng.choice(SPANS[:5])}"]
        brief = " BRIEF" if self._rng.random() < 0.1 else ""
        return f"RL.CHECK {key} {self._limits[key]} COST {self._cost()}{self._rng.choice(modes)}{self._id()}{brief}"

    def _check_all(self) -> Line:
        """Of keys that have one limit each, some of which are only looked at. What is reserved may be settled, in the
        same keys or in others."""
        some = [key for key in KEYS if sum(word in ALGORITHMS for word in self._limits[key].split()) == 1]
        keys = self._rng.sample(some, min(len(some), self._rng.randint(1, 4))) or KEYS[:1]
        costs = " ".join(str(self._rng.choice([0, self._cost()])) for _ in keys)
        limits = " ".join(self._limits[key] for key in keys)
        options = self._rng.choice(["", " FORCE", " EACH", " EACH FORCE", " HEADERS"])
        names, chosen = f"{len(keys)} {' '.join(keys)}", self._rng.choice(IDS)
        kind = self._rng.random()
        if kind < 0.25:
            end = self._rng.choice(["", " EACH", " HEADERS", " EACH HEADERS", " JITTER 1s"])
            return f"RL.RESERVEALL {names} {self._rng.choice(SPANS)} {limits} COSTS {costs} ID {chosen}{end}"
        if kind < 0.5:
            return f"RL.SETTLEALL {names} {chosen} {self._actual()}{self._rng.choice(['', ' EACH'])}"
        return f"RL.CHECKALL {names} {limits} COSTS {costs}{options}"

    def _operation(self) -> Line:
        """Under limits that are named, or those of the key; on ids that are there, or not."""
        key, limits = self._key(), self._rng.choice(["", "", "", " {}"])
        return self._rng.choice(
            [
                f"RL.RESERVE {key} {self._rng.choice(SPANS)}{limits} COST {self._cost()}{self._id()}{self._headers()}",
                f"RL.SETTLE {key} {self._rng.choice(IDS)} {self._actual()}{limits}",
                f"RL.REFUND {key} {self._cost()}",
                f"RL.RELEASE {key} {self._rng.choice(IDS)}",
                f"RL.BLOCK {key} {self._rng.choice([0, 0, *SPANS[:4]])}",
                *([f"RL.RESET {key}"] if self._rng.random() < 0.3 else []),
                *([f"RL.TRANSFER {key} {self._key()}"] if self._rng.random() < 0.5 else []),
            ]
        ).format(self._limits[key])

    def _cost(self) -> int:
        return self._rng.choice([1, 1, 1, 2, 5, 50, 100_000, 4294967295, 9007199254740991])

    def _headers(self) -> str:
        return self._rng.choice(["", "", "", " HEADERS", " JITTER 1s"])

    def _actual(self) -> int:
        return self._rng.choice(
            [0, 0, 1, 1, 2, 5, 50, *([4294967295, 9007199254740991] if self._rng.random() < 0.1 else [])]
        )

    def _id(self) -> str:
        return self._rng.choice(["", f" ID {self._rng.choice(IDS)}"])

    def _script(self) -> Line:
        first, second = self._rng.sample(KEYS, 2)
        return f"EVAL {SCRIPT} 2 {first} {second} {self._rng.choice([1, 3, 60])}"

    def _question(self) -> Line:
        return self._rng.choice(["RL.PEEK {}", "RL.PEEK {} COST 3", "RL.INFO {}", "DUMP {}"]).format(self._key())

    def _server(self) -> Line:
        key, other, database = self._key(), self._key(), self._rng.choice(DATABASES)
        return self._rng.choice(
            [
                f"DEL {key}",
                f"UNLINK {key}",
                f"PEXPIRE {key} {self._rng.choice([1, 1, 3_000_000, 90_000_000])}",
                f"EXPIRE {key} -1",
                f"PERSIST {key}",
                f"RENAME {key} {other}",
                f"RENAMENX {key} {other}",
                f"COPY {key} {other} REPLACE",
                f"COPY {key} {other} DB {database} REPLACE",
                f"MOVE {key} {database}",
                f"SET {key} text",
                f"SELECT {database}",
                f"SELECT {database}",
                f"SWAPDB {self._rng.choice(DATABASES)} {database}",
                *(["FLUSHDB"] if self._rng.random() < 0.1 else []),
            ]
        )

    def _mistake(self) -> Line:
        limits = ["FIXED -1 1s", "FIXED 3", "SLIDING 3 1s COST 0", "FIXED 1 3651d", "FIXED 1 1s AS a FIXED 1 1s AS a"]
        lines = [f"RL.CHECK {{}} {limit}" for limit in limits] + ["RL.CHECK {}", "RL._EFFECT {} STORE 0 x"]
        lines += [
            "RL._EFFECT {} PERFORM 0 x",
            "RL.REFUND {} 0",
            "RL.BLOCK {} 3651d",
            "RL.SETTLE {} a -1",
            "RL.QUOTA {} 1 DAY TZ Mars/Olympus",
            "RL.QUOTA {} 1 DAY ANCHOR 2026-02-30",
        ]
        return self._rng.choice(lines).format(self._key())

    def _time(self) -> Line:
        """Mostly forwards; back by up to an hour, as wall clocks do after a restart."""
        direction = self._rng.choice([1, 1, 1, 1, 1, -1])
        self._now += direction * self._rng.choice(STEPS_OF_TIME)
        return f"RL.DEBUG CLOCK SET {self._now}"


# White space divides the words of a line; a tab inside a script is none to split(" ").
SCRIPT = "\t".join(
    """
    for i = 1, tonumber(ARGV[1]) do
      redis.pcall('RL.SLIDING', KEYS[1], 40, '60s')
      redis.pcall('RL.CHECK', KEYS[2], 'FIXED', 30, '1h', 'TOKENBUCKET', 50, 7, '1m', 'COST', i)
      redis.pcall('RL.RESERVE', KEYS[i%2+1], i, 'COST', i, 'ID', i%7)
      redis.pcall('RL.SETTLE', KEYS[2], i%5, i%3)
    end
    return redis.pcall('RL.PEEK', KEYS[1])
    """.split()
)


def carry_out(connection: Connection, mix: Mix, steps: int) -> dict[str, int]:
    """How many commands there were, and how many of them were refused as mistakes."""
    counts = {"commands": 0, "refused": 0}
    while counts["commands"] < steps:
        for line in mix.lines():
            reply = connection.do(*line.split(" "))
            counts["commands"] += 1
            counts["refused"] += isinstance(reply, Failure)
    return counts
