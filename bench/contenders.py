# SPDX-License-Identifier: MIT
"""What is compared with what, and the numbers we set ourselves: facts only, no measuring.

Every limit here is so large that each call is granted, and so slow to refill that the state outlives the run: then
every contender reads, decides and writes on every call, none is let off with a refusal or a key that has expired. The
one row about denials says so.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

LUA = Path(__file__).resolve().parent / "lua"
LIBRARY = LUA.parents[1] / "functions" / "ratelimit.lua"
SCRIPTS = {path.stem: path.read_text() for path in sorted(LUA.glob("*.lua"))}
LUA_SHA = {name: hashlib.sha1(script.encode()).hexdigest() for name, script in SCRIPTS.items()}


def words_of(command: tuple[str, ...], key: str) -> list[str]:
    """A call of a command about one key, in the first of several turns."""
    return [re.sub(r"\{turn:([^|]*)\|.*\}", r"\1", re.sub(r"\{keys?(:\d+)?\}", key, word)) for word in command]


MAIN, CELL = "ours", "redis-cell"  # the servers


@dataclass(frozen=True)
class Contender:
    """One command. `{key}` in it is the subject's key: the prefix of four bytes and nine digits, 13 bytes in all."""

    name: str
    kind: str  # of the bars in the plot: server, floor, Lua, ours, redis-cell
    prefix: str
    command: tuple[str, ...]
    setup: tuple[str, ...] = ()  # asked once for every key beforehand
    once: tuple[str, ...] = ()  # asked once in all before that
    denial: str = "0"  # the integer at the head of a reply that denies
    is_denied: bool = False  # every call, rather than none
    decisions: int = 1  # of a call: what is counted
    server: str = MAIN

    @property
    def statistic(self) -> str:
        """Its line in INFO commandstats."""
        return self.command[0].lower()

    def key(self, subject: int) -> str:
        return f"{self.prefix}{subject:09}"

    @property
    def turns(self) -> int:
        """How many calls it takes until a subject was asked in every way."""
        return 2 if any(word.startswith("{turn:") for word in self.command) else 1

    @property
    def is_ours(self) -> bool:
        return self.kind == "ours"

    def with_window(self, milliseconds: int) -> Contender:
        return replace(self, command=tuple(word.replace("{window}", str(milliseconds)) for word in self.command))


def _script(name: str, prefix: str, script: str, *arguments: str, **more) -> Contender:
    return Contender(name, "Lua", prefix, ("EVALSHA", LUA_SHA[script], "1", "{key}", *arguments), **more)


def _command(name: str, kind: str, prefix: str, command: str, setup: str = "", **more) -> Contender:
    return Contender(name, kind, prefix, tuple(command.split()), tuple(setup.split()), **more)


def _ours(name: str, prefix: str, command: str, setup: str = "", **more) -> Contender:
    return _command(name, "ours", prefix, command, setup, **more)


# 293 a day: an interval that is no whole number of nanoseconds, so that the exact remainder is at work, and long enough
# that a key with a single call outlives a round.
_BUCKET, _BUCKET_PER_SECOND = "1000000 293 1d", repr(293 / 86400)
_CELL_BUCKET = "999999 293 86400"  # the same for redis-cell and GCRA, which count the burst beyond the first call
_NOW_MS = "1800000000000"  # for scripts whose clients tell the time

INCR = _command("INCR, keys with a TTL", "server", "inc:", "INCR {key}", "SET {key} 0 EX 86400")
# The server shares the objects of integers below 10,000: from there on, a counter is an object of its own.
INCR_OWN = _command("INCR, counters from 10,000", "server", "ino:", "INCR {key}", "SET {key} 10000 EX 86400")
SET = _command("SET key value PX ttl", "server", "set:", "SET {key} value PX 86400000")
GET = _command("GET, keys with a TTL", "server", "get:", "GET {key}", "SET {key} value PX 86400000")
FLOOR_REPLY = _command("floor: five integers", "floor", "flr:", "FLOOR.REPLY {key}")
FLOOR_OPEN = _command("floor: key opened, five integers", "floor", "flo:", "FLOOR.OPEN {key}")
LUA_BUCKET = _script("Lua token bucket", "lua:", "token_bucket", "1000000", _BUCKET_PER_SECOND, "1")
LUA_GCRA = _script("Lua GCRA, as redis_rate", "lug:", "gcra", "1000000", "293", "86400", "1")
LUA_INTERVALS = _script(
    "Lua token bucket, as upstash", "lui:", "interval_bucket", "1000000", "294881", "1", _NOW_MS, "1", denial="-1"
)
LUA_COUNTERS = Contender(
    "Lua two counters, as upstash", "Lua", "luw:",
    ("EVALSHA", LUA_SHA["two_counters"], "2", "{key}:1", "{key}:0", "1000000", _NOW_MS, "3600000", "1"),
    setup=("SET", "{key}:0", "5", "PX", "7201000"), denial="-1",
)  # fmt: skip
LUA_COUNTER = _script("Lua counter, as rate-limiter-flexible", "luc:", "counter", "1", "3600")
LUA_FIXED = _script("Lua fixed window", "luf:", "fixed_window", "1000000", "3600000")
LUA_LOG = _script("Lua sliding log", "lul:", "sliding_log", "1000000", "60000")
# A capacity of a million is more than a function counts exactly at this rate.
FUNCTION_BUCKET = _command("function rl_tokenbucket", "Lua", "fnb:", "FCALL rl_tokenbucket 1 {key} 50000 293 1d")
FUNCTION_FIXED = _command("function rl_fixed", "Lua", "fnf:", "FCALL rl_fixed 1 {key} 1000000 1h")
FUNCTION_LOG = _command("function rl_sliding", "Lua", "fnl:", "FCALL rl_sliding 1 {key} 100000 1m")
BUCKET = _ours("RL.TOKENBUCKET", "rlt:", f"RL.TOKENBUCKET {{key}} {_BUCKET}")
LEAKY = _ours("RL.LEAKYBUCKET", "rll:", f"RL.LEAKYBUCKET {{key}} {_BUCKET}")
FIXED = _ours("RL.FIXED", "rlf:", "RL.FIXED {key} 1000000 1h")
SLIDING = _ours("RL.SLIDING", "rls:", "RL.SLIDING {key} 1000000 1m")
APPROX = _ours("RL.SLIDING … APPROX", "rla:", "RL.SLIDING {key} 1000000 1h APPROX")
QUOTA = _ours("RL.QUOTA … MONTH", "rlq:", "RL.QUOTA {key} 1000000 MONTH")
# Each subject has one holder, who renews its lease: without an id, leases would pile up until the limit.
CONCURRENT = _ours("RL.CONCURRENT, renewals", "rlc:", "RL.CONCURRENT {key} 1000 1h ID holder")
ONE = _ours("RL.CHECK, one limit", "rl1:", f"RL.CHECK {{key}} TOKENBUCKET {_BUCKET}")
THREE = _ours(
    "RL.CHECK, three limits", "rl3:", f"RL.CHECK {{key}} TOKENBUCKET {_BUCKET} FIXED 1000000 1h FIXED 10000000 1d"
)
BUCKET_LIMIT = ("TOKENBUCKET", *_BUCKET.split())
_DEFINE = ("RL.DEFINE", "limiter", *BUCKET_LIMIT)
DENSE = _ours("RL.CHECK limiter FOR subject", "sub:", "RL.CHECK limiter FOR {key}", once=_DEFINE)
BRIEF = _ours("RL.CHECK limiter FOR subject BRIEF", "brf:", "RL.CHECK limiter FOR {key} BRIEF", once=_DEFINE)
EACH = _ours(
    "RL.CHECKEACH limiter FOR 64 subjects, one of them", "eac:", "RL.CHECKEACH limiter FOR {keys:64}", once=_DEFINE,
    decisions=64,
)  # fmt: skip
# No limits are stored: those of the call apply. Then two lists by turns on each subject, which has an account for each.
ONE_LIST = _ours("RL.CHECK key limit FOR subject", "on1:", f"RL.CHECK one TOKENBUCKET {_BUCKET} FOR {{key}}")
TWO_LISTS = _ours(
    "RL.CHECK key limit FOR subject, two limits by turns", "on2:",
    "RL.CHECK two TOKENBUCKET {turn:1000000|999999} 293 1d FOR {key}",
)  # fmt: skip
PEEK = _ours("RL.PEEK", "rlp:", f"RL.PEEK {{key}} TOKENBUCKET {_BUCKET}", f"RL.TOKENBUCKET {{key}} {_BUCKET}")
DENIED = _ours(
    "RL.TOKENBUCKET, denied", "rld:", "RL.TOKENBUCKET {key} 1 1 100d", "RL.TOKENBUCKET {key} 1 1 100d", is_denied=True
)
THROTTLE = _ours("CL.THROTTLE", "thr:", f"CL.THROTTLE {{key}} {_CELL_BUCKET}", denial="1")
# What some servers have themselves: GCRA if it was compiled in, INCREX as a window from the first call.
GCRA = _command("GCRA", "server", "gcr:", f"GCRA {{key}} {_CELL_BUCKET}", denial="1")
INCREX = _command("INCREX", "server", "icx:", "INCREX {key} UBOUND 1000000 EX 86400 ENX", denial="1000000")
# On a server of its own; so is the INCR that it is related to.
CELL_INCR = replace(INCR, name="INCR, on redis-cell's server", kind="redis-cell", server=CELL)
CELL_THROTTLE = replace(THROTTLE, name="redis-cell's CL.THROTTLE", kind="redis-cell", server=CELL)

RATES = [
    INCR, INCR_OWN, SET, GET, GCRA, INCREX, FLOOR_REPLY, FLOOR_OPEN, LUA_BUCKET, LUA_GCRA, LUA_INTERVALS, LUA_COUNTERS,
    LUA_COUNTER, LUA_FIXED, LUA_LOG, FUNCTION_BUCKET, FUNCTION_FIXED, FUNCTION_LOG, BUCKET, LEAKY, FIXED, SLIDING,
    APPROX, QUOTA, CONCURRENT, ONE, THREE, DENSE, BRIEF, EACH, ONE_LIST, TWO_LISTS, PEEK, DENIED, THROTTLE, CELL_INCR,
    CELL_THROTTLE,
]  # fmt: skip
# One call at a time: the network hides most differences, so that a few tell it all.
UNPIPELINED = [INCR, SET, FLOOR_REPLY, FLOOR_OPEN, LUA_BUCKET, LUA_GCRA, BUCKET, THREE, DENSE, BRIEF, CELL_INCR,
               CELL_THROTTLE]  # fmt: skip
# On a server that was given because it has a limiter of its own.
BESIDE_GCRA = [INCR, SET, GCRA, INCREX, FLOOR_REPLY, FLOOR_OPEN, BUCKET, DENSE, BRIEF, EACH]
# Those that leave different things behind.
BYTES = [
    INCR, SET, GCRA, INCREX, FLOOR_OPEN, LUA_BUCKET, LUA_GCRA, LUA_INTERVALS, LUA_COUNTERS, LUA_COUNTER, LUA_LOG,
    FUNCTION_BUCKET, BUCKET, LEAKY, FIXED, SLIDING, APPROX, QUOTA, CONCURRENT, THREE, DENSE, ONE_LIST, TWO_LISTS,
    THROTTLE, CELL_THROTTLE,
]  # fmt: skip
LATENCIES = [INCR, BUCKET, DENSE, LUA_BUCKET]
# The bars that the README shows: the first so many of these that were measured, and what it calls them. Without
# RL.CHECKEACH, beside whose many decisions a call the others could not be told apart.
BARS = 6
IN_SHORT = {
    INCR.name: "INCR",
    DENSE.name: "RL.CHECK limiter FOR subject",
    BUCKET.name: "RL.TOKENBUCKET",
    LUA_BUCKET.name: "Lua token bucket",
    CELL_THROTTLE.name: "redis-cell's CL.THROTTLE",
    LUA_FIXED.name: "Lua fixed window",
    LUA_GCRA.name: "Lua GCRA, as redis_rate",
}

# How cost grows with subjects.
SUBJECTS = [INCR, BUCKET, DENSE, BRIEF, EACH]

# How cost grows with limits: all of one kind, so that nothing else differs.
LIMITS = {
    count: _ours(
        f"RL.CHECK, token buckets: {count}",
        f"gr{count}:",
        "RL.CHECK {key} " + " ".join(f"TOKENBUCKET {1_000_000 + i} 293 1d" for i in range(count)),
    )
    for count in (1, 2, 4, 8)
}

NEAR_TARGET = 100  # the limit for which the design asks
# The exact logs near their limit: `{window}` is chosen by measuring, see measure.NearLimit.
LUA_LOG_NEAR = {
    limit: _script(f"Lua sliding log, near {limit:,}", "lun:", "sliding_log", str(limit), "{window}")
    for limit in (10, NEAR_TARGET, 10_000)
}
SLIDING_NEAR = {
    limit: _ours(f"RL.SLIDING, near {limit:,}", "rln:", f"RL.SLIDING {{key}} {limit} {{window}}ms")
    for limit in LUA_LOG_NEAR
}

# One key with many entries, for the bytes of an entry.
LUA_LOG_ENTRIES = _script("Lua sliding log", "lue:", "sliding_log", "1048576", "3600000")
SLIDING_ENTRIES = _ours("RL.SLIDING", "rle:", "RL.SLIDING {key} 1048576 1h")
ENTRIES = [LUA_LOG_ENTRIES, SLIDING_ENTRIES]
ENTRIES_WINDOW_NS = 3600 * 10**9


@dataclass(frozen=True)
class Target:
    """A ratio of calls per second, pipelined by 32, that the design asks for."""

    ours: Contender
    theirs: Contender
    wanted: float | None  # at least, of a server that looks up one key after another
    wanted_ahead: float | None  # and of one that fetches the keys of a pipeline ahead
    what: str
    subjects: int | None = None  # None: the number of subjects of the run

    def at_least(self, fetches_ahead: bool) -> float | None:
        return self.wanted_ahead if fetches_ahead else self.wanted


TARGET_PIPELINE = 32
MANY = 1_000_000
TARGETS = [
    Target(BUCKET, INCR, 0.75, 0.5, "`RL.TOKENBUCKET` to `INCR` on keys with a TTL"),
    Target(DENSE, INCR, 1.15, 0.6, "`RL.CHECK limiter FOR subject` to `INCR`"),
    Target(DENSE, INCR, 1.4, 0.9, "the same, 1,000,000 subjects", subjects=MANY),
    Target(BRIEF, INCR, 1.5, 0.85, "`RL.CHECK limiter FOR subject BRIEF` to `INCR`"),
    Target(EACH, INCR, 4, 3, "`RL.CHECKEACH`, 64 subjects a call: decisions to calls of `INCR`"),
    Target(EACH, INCR, 4, 3, "`RL.CHECKEACH`, the same, 1,000,000 subjects", subjects=MANY),
    Target(BUCKET, GCRA, None, 1.3, "`RL.TOKENBUCKET` to the server's own `GCRA`"),
    Target(BUCKET, INCREX, None, 1.0, "`RL.TOKENBUCKET` to the server's own `INCREX`"),
    Target(BUCKET, CELL_THROTTLE, 2.3, None, "`RL.TOKENBUCKET` to redis-cell's `CL.THROTTLE`"),
    Target(BUCKET, SET, 1.2, None, "`RL.TOKENBUCKET` to `SET key value PX ttl`"),
    Target(BUCKET, LUA_BUCKET, 6.5, None, "`RL.TOKENBUCKET` to Lua: a token bucket on a hash"),
    Target(BUCKET, LUA_GCRA, 5, None, "`RL.TOKENBUCKET` to Lua: GCRA as redis_rate"),
    Target(BUCKET, LUA_INTERVALS, 4, None, "`RL.TOKENBUCKET` to Lua: the token bucket of upstash"),
    Target(BUCKET, LUA_COUNTERS, 3, None, "`RL.TOKENBUCKET` to Lua: the two counters of upstash"),
    Target(BUCKET, LUA_COUNTER, 2.5, None, "`RL.TOKENBUCKET` to Lua: the counter of rate-limiter-flexible"),
    Target(
        SLIDING_NEAR[NEAR_TARGET],
        LUA_LOG_NEAR[NEAR_TARGET],
        9,
        None,
        "`RL.SLIDING` to the ZSET script, near a limit of 100",
    ),
    Target(THREE, ONE, 0.75, None, "`RL.CHECK`, three limits to one"),
    Target(TWO_LISTS, ONE_LIST, 0.5, None, "dense, two lists by turns on one subject, to one list"),
]
# Contender, at most so many bytes a key or a subject.
BYTES_AT_MOST = [
    (BUCKET, 149, "bytes a key, `RL.TOKENBUCKET`"),
    (TWO_LISTS, 160, "bytes a subject, dense, two lists by turns"),
]
BYTES_AN_ENTRY_AT_MOST = 4.5  # RL.SLIDING
