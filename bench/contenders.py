"""What is compared with what, and the ratios we set ourselves: facts only, no measuring.

Every limit here is so large that each call is granted, and so slow to refill that the state outlives the run: then
every contender reads, decides and writes on every call, none is let off with a refusal or a key that has expired.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

LUA = Path(__file__).resolve().parent / "lua"
SCRIPTS = {path.stem: path.read_text() for path in sorted(LUA.glob("*.lua"))}


@dataclass(frozen=True)
class Contender:
    """One command. `{key}` in it is the subject's key: the prefix of four bytes and nine digits, 13 bytes in all."""

    name: str
    prefix: str
    command: tuple[str, ...]
    setup: tuple[str, ...] = ()  # asked once for every key beforehand; without it, the command itself is

    @property
    def statistic(self) -> str:
        """Its line in INFO commandstats."""
        return self.command[0].lower()

    def key(self, subject: int) -> str:
        return f"{self.prefix}{subject:09}"

    @property
    def is_ours(self) -> bool:
        return self.command[0].startswith("RL.")

    def with_window(self, milliseconds: int) -> Contender:
        command = tuple(word.replace("{window}", str(milliseconds)) for word in self.command)
        return Contender(self.name, self.prefix, command, self.setup)


def _script(name: str, prefix: str, script: str, *arguments: str) -> Contender:
    sha = hashlib.sha1(SCRIPTS[script].encode()).hexdigest()
    return Contender(name, prefix, ("EVALSHA", sha, "1", "{key}", *arguments))


def _ours(name: str, prefix: str, command: str) -> Contender:
    return Contender(name, prefix, tuple(command.split()))


# 97 an hour: an interval that is no whole number of nanoseconds, so that the exact remainder is at work.
_BUCKET, _BUCKET_PER_SECOND = "1000000 97 1h", repr(97 / 3600)

INCR = Contender("INCR, keys with a TTL", "inc:", ("INCR", "{key}"), ("SET", "{key}", "0", "EX", "86400"))
SET = Contender("SET key value PX ttl", "set:", ("SET", "{key}", "value", "PX", "86400000"))
LUA_BUCKET = _script("Lua token bucket", "lua:", "token_bucket", "1000000", _BUCKET_PER_SECOND, "1")
LUA_GCRA = _script("Lua GCRA", "lug:", "gcra", "1000000", _BUCKET_PER_SECOND, "1")
LUA_FIXED = _script("Lua fixed window", "luf:", "fixed_window", "1000000", "3600000")
LUA_LOG = _script("Lua sliding log", "lul:", "sliding_log", "1000000", "60000")
BUCKET = _ours("RL.TOKENBUCKET", "rlt:", f"RL.TOKENBUCKET {{key}} {_BUCKET}")
FIXED = _ours("RL.FIXED", "rlf:", "RL.FIXED {key} 1000000 1h")
SLIDING = _ours("RL.SLIDING", "rls:", "RL.SLIDING {key} 1000000 1m")
ONE = _ours("RL.CHECK, one limit", "rl1:", f"RL.CHECK {{key}} TOKENBUCKET {_BUCKET}")
THREE = _ours(
    "RL.CHECK, three limits", "rl3:", f"RL.CHECK {{key}} TOKENBUCKET {_BUCKET} FIXED 1000000 1h FIXED 10000000 1d"
)

PLAIN = [INCR, SET, LUA_BUCKET, LUA_GCRA, LUA_FIXED, LUA_LOG, BUCKET, FIXED, SLIDING, ONE, THREE]

# The exact logs near their limit: `{window}` is chosen by measuring, see measure.NearLimit.
NEAR_LIMIT = 100
LUA_LOG_NEAR = _script("Lua sliding log, near 100", "lun:", "sliding_log", str(NEAR_LIMIT), "{window}")
SLIDING_NEAR = _ours("RL.SLIDING, near 100", "rln:", f"RL.SLIDING {{key}} {NEAR_LIMIT} {{window}}ms")

NEAR = [LUA_LOG_NEAR, SLIDING_NEAR]

# One key with many entries, for the bytes of an entry.
LUA_LOG_ENTRIES = _script("Lua sliding log", "lue:", "sliding_log", "1048576", "3600000")
SLIDING_ENTRIES = _ours("RL.SLIDING", "rle:", "RL.SLIDING {key} 1048576 1h")
ENTRIES_WINDOW_NS = 3600 * 10**9

ENTRIES = [LUA_LOG_ENTRIES, SLIDING_ENTRIES]


@dataclass(frozen=True)
class Target:
    """A ratio of calls per second, pipelined by 32, that the design asks for."""

    ours: Contender
    theirs: Contender
    at_least: float


TARGETS = [
    Target(BUCKET, INCR, 0.78),
    Target(BUCKET, SET, 1.2),
    Target(BUCKET, LUA_BUCKET, 6.5),
    Target(SLIDING_NEAR, LUA_LOG_NEAR, 7.0),
    Target(THREE, ONE, 0.7),
]
TARGET_PIPELINE = 32
BYTES_A_KEY_AT_MOST = 149  # RL.TOKENBUCKET
BYTES_AN_ENTRY_AT_MOST = 4.5  # RL.SLIDING

# Asked for by the design, and not measured here.
NOT_HERE = {
    "redis-cell's CL.THROTTLE": "no package of Debian; it needs a Rust tool chain and its sources",
    "the dense form (rates, server time, bytes a subject, longest stall)": "bench/dense",
}
