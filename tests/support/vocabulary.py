# SPDX-License-Identifier: MIT
"""Words that many tests say: limits of every kind, and what is wrong in the place of a number."""

from __future__ import annotations

from harness import Client
from oracle_limits import MOST, MOST_32

ALGORITHMS = [
    *("TOKENBUCKET 10 10 60s", "LEAKYBUCKET 10 10 60s", "FIXED 10 60s", "FIXED 10 60s ALIGNED", "SLIDING 10 60s"),
    *("SLIDING 10 60s APPROX", "QUOTA 10 HOUR", "QUOTA 10 DAY ANCHOR 2026-01-31T06:00", "CONCURRENT 10 60s"),
]


WITHOUT_NUMBERS = [
    *("TOKENBUCKET {} 1 60s", "LEAKYBUCKET {} 1 60s", "FIXED {} 60s", "FIXED {} 60s ALIGNED", "SLIDING {} 60s"),
    *("SLIDING {} 60s APPROX", "QUOTA {} HOUR", "QUOTA {} HOUR TZ Asia/Kathmandu", "CONCURRENT {} 60s"),
]


OTHER_TYPES = {
    "string": "SET k v",
    "list": "RPUSH k a b",
    "set": "SADD k a b",
    "zset": "ZADD k 1 a 2 b",
    "hash": "HSET k f v",
    "stream": "XADD k 1-1 f v",
}


NO_NUMBERS = [
    *("", "-1", "1.5", "1e3", " 5", "5 ", "+5", "05", "0x10", "xyzzy", "nan", "inf"),
    *("5\0", "\0", "٣", "5" * 2**20),
]
NO_COUNTS = [*NO_NUMBERS, "00", "-0", "18446744073709551617", "99999999999999999999", "5s"]
BAD_COSTS = [*NO_COUNTS, "0", str(MOST + 1)]
BAD_RATES = [*NO_COUNTS, "0", str(MOST_32 + 1)]
BAD_SIZES = [*NO_COUNTS, str(MOST_32 + 1)]
BAD_BUDGETS = [*NO_COUNTS, str(MOST + 1)]
NO_DURATIONS = [
    *NO_NUMBERS,
    *("-1s", "1.5s", "+5s", "05s", " 5s", "5s ", "5 s", "5\0s", "5s\0"),
    *("1x", "1ns", "1us", "s", "ms", "1S", "1MS", "1M", "1sec", "1min", "1w", "1y", "1mss", "1sm", "s1"),
    *("3651d", "87601h", "315360001", "315360000001ms", "18446744073709551617ms", "99999999999999999999d"),
]
BAD_DURATIONS = [*NO_DURATIONS, "0", "0ms", "0d"]


TOO_SHORT = "wrong number of arguments"  # what the server says of a call that is shorter than any of its command


def refused(db: Client, argv: list[str]) -> str:
    """The error of a command that is wrong on the key k, with that key absent and present."""
    db.delete("k")
    first = unchanged(db, argv)
    db.ask("RL.CHECK k FIXED 7 1h COST 3")
    assert unchanged(db, argv) == first
    assert len(first) < 400
    assert "xyzzy" not in first
    return first


def unchanged(db: Client, argv: list[str]) -> str:
    before = db.digest("k"), db.do("PEXPIRETIME k"), db.dbsize(), db.changes()
    text = db.error(*argv)
    assert (db.digest("k"), db.do("PEXPIRETIME k"), db.dbsize(), db.changes()) == before
    return text
