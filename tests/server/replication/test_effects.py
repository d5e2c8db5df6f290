# SPDX-License-Identifier: MIT
"""What a granted call or an operation tells the rest of the world: one internal command, with the resulting state or
what was done, and when the key ends.

Heard with the two ears that there are: as a replica hears it, by a socket that speaks PSYNC, and as a restart reads it,
from the append-only file. What must be heard is built here from docs/format.md, byte by byte.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from ears import Ear, FileEar, ReplicaEar, Words, command, effects, names
from harness import BASE, DAY, END_STEP, HOUR, MINUTE, MS, PATIENCE_S, SECOND, Client, Clock, Server, eventually
from resp import Connection, Failure
from seed import SEED

TOKENBUCKET, FIXED, SLIDING, LEAKYBUCKET, APPROX, QUOTA, CONCURRENT = range(1, 8)
ALIGNED, PER_REQUEST, LABEL, ZONE, ANCHOR = 1, 2, 4, 8, 16
SEVERAL_LISTS, HAS_TABLE, RESERVED = 1 << 5, 1 << 6, 1 << 7  # in the number of limits
INDEBTED = 1 << 63  # in the instant of a bucket
SETTLED = 1  # the flag of a hold
ALL = 0xFF  # accounts: those that a call names, which is all that there are
UNITS_OF_QUOTAS = {"HOUR": 1, "DAY": 2, "WEEK": 3, "MONTH": 4, "YEAR": 5, "QUARTER": 6}
COLLECT, CHARGE, REFUND, RESERVE, SETTLE, RELEASE, BLOCK = range(1, 8)
NO_LIMITS = 15  # in place of their number
LATEST = 84_006 * DAY  # 2200-01-01
GRID_OF_MINUTE, GRID_OF_HOUR = 500, 50_000  # the coarsest of 1, 2, 5, 10, ... ns that is no coarser than window / 2^26


def limit(
    algorithm: int,
    size: int,
    span: int,
    refill: int = 0,
    flags: int = 0,
    anchor: int = 0,
    zone: bytes = b"",
    label: bytes = b"",
) -> bytes:
    head = bytes([algorithm, flags]) + var(size) + var(refill) + struct.pack("<q", span)
    head += struct.pack("<I", anchor) if flags & ANCHOR else b""
    return head + (text(zone) if flags & ZONE else b"") + (text(label) if flags & LABEL else b"")


def text(chars: bytes) -> bytes:
    return bytes([len(chars)]) + chars


def bucket(full_at: int, fraction: int = 0, debt: int = 0) -> bytes:
    if debt:
        return struct.pack("<QIBI", full_at | INDEBTED, fraction, 0, debt)
    return struct.pack("<qI", full_at, fraction)


def window(end: int, used: int) -> bytes:
    return struct.pack("<q", end) + var(used)


def weights(start: int, previous: int, current: int) -> bytes:
    return struct.pack("<qII", start, previous, current)


def log(*entries: tuple[int, int]) -> bytes:
    """Entries as (step, units)."""
    return struct.pack("<I", len(entries)) + b"".join(var(step) + var(units) for step, units in entries)


def leases(*members: tuple[int, int, bytes], longest: int = 0) -> bytes:
    """Leases as (end, units, id), and the longest for which one of them was given."""
    rows = [struct.pack("<q", end) + var(units) + text(name) for end, units, name in members]
    return struct.pack("<I", len(members)) + b"".join(rows) + (struct.pack("<q", longest) if members else b"")


def var(number: int) -> bytes:
    digits = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(digit | 0x80 for digit in digits[:-1]), digits[-1]])


def value(limits: list[bytes], states: list[bytes], reserved: bytes = b"", last_grants: tuple[int, ...] = ()) -> bytes:
    flags = (SEVERAL_LISTS if last_grants else 0) | (RESERVED if reserved else 0)
    grants = b"".join(struct.pack("<q", last) for last in last_grants)
    return bytes([1, (len(limits) or NO_LIMITS) | flags]) + b"".join(limits + states) + grants + reserved


class Hold(NamedTuple):
    end: int
    units: int
    name: bytes
    newer: int = 0
    named: int = 1  # the first account
    flags: int = 0
    charges: tuple[int, ...] = ()  # if accounts are counted each for itself, by their places

    def row(self) -> bytes:
        charges = [*self.charges, *[self.units] * (9 - len(self.charges))] if self.charges else []
        each = b"".join(var(units) + var(self.newer) for units in charges)
        numbers = struct.pack("<q", self.end) + var(self.units) + var(self.newer)
        return numbers + bytes([self.named, self.flags]) + each + text(self.name)


def reservations(
    *holds: Hold,
    turn: int = 0,
    wait: int = 0,
    block: int = 0,
    length: int = 0,
    as_of: int = 0,
    uneven: int | None = None,
) -> bytes:
    """`uneven`: whether accounts are counted each for itself. Unless it is given, what the holds say."""
    each = int(any(hold.charges for hold in holds)) if uneven is None else uneven
    head = struct.pack("<qqqqqBI", turn, wait, block, length, as_of, each, len(holds))
    return head + b"".join(hold.row() for hold in holds)


def grant(at: int, cost: int) -> bytes:
    """What a grant does to a log, or to leases."""
    return struct.pack("<q", at) + var(cost)


def change(*changes: bytes) -> bytes:
    return b"\x01" + b"".join(changes)


def operation(kind: int, at: int, units: int = 0, span: int = 0, name: bytes = b"", named: int = ALL) -> bytes:
    return struct.pack("<BBq", 1, kind, at) + var(units) + struct.pack("<q", span) + text(name) + bytes([named])


class Effect(NamedTuple):
    line: str  # on an empty server, its clock held at BASE
    ends: int  # after so many nanoseconds
    payload: bytes
    before: tuple[str, ...] = ()  # what is said a second earlier

    @property
    def end(self) -> bytes:
        return ends_at(self.ends, " ".join((*self.before, self.line)))


STORED = [
    Effect(
        "RL.TOKENBUCKET k 10 7 60s COST 3",
        ends=25_714_285_715,  # 3 intervals of 8,571,428,571 3/7 ns
        payload=value([limit(TOKENBUCKET, 10, MINUTE, 7)], [bucket(BASE + 25_714_285_714, 2)]),
    ),
    Effect(
        "RL.FIXED k 10 60s COST 3",
        ends=MINUTE,
        payload=value([limit(FIXED, 10, MINUTE)], [window(BASE + MINUTE, 3)]),
    ),
    Effect(
        "RL.FIXED k 10 1d ALIGNED AS per-day PER REQUEST COST 3",
        ends=DAY,
        payload=value(
            [limit(FIXED, 10, DAY, flags=ALIGNED | PER_REQUEST | LABEL, label=b"per-day")], [window(BASE + DAY, 1)]
        ),
    ),
    Effect(
        "RL.SLIDING k 10 60s COST 3",
        ends=MINUTE,
        payload=value([limit(SLIDING, 10, MINUTE)], [log((BASE // GRID_OF_MINUTE, 3))]),
    ),
    Effect(
        "RL.CHECK k TOKENBUCKET 20 10 1s SLIDING 7 1h AS hour COST 2",
        ends=HOUR,
        payload=value(
            [limit(TOKENBUCKET, 20, SECOND, 10), limit(SLIDING, 7, HOUR, flags=LABEL, label=b"hour")],
            [bucket(BASE + 200 * MS), log((BASE // GRID_OF_HOUR, 2))],
        ),
    ),
    Effect(
        "RL.LEAKYBUCKET k 10 7 60s COST 3",
        ends=25_714_285_715,
        payload=value([limit(LEAKYBUCKET, 10, MINUTE, 7)], [bucket(BASE + 25_714_285_714, 2)]),
    ),
    Effect(
        "RL.SLIDING k 10 60s APPROX COST 3",
        ends=2 * MINUTE,
        payload=value([limit(APPROX, 10, MINUTE)], [weights(BASE, 0, 3)]),
    ),
    Effect(  # BASE is a Thursday
        "RL.QUOTA k 10 WEEK TZ UTC COST 3",
        ends=4 * DAY,
        payload=value([limit(QUOTA, 10, UNITS_OF_QUOTAS["WEEK"])], [window(BASE + 4 * DAY, 3)]),
    ),
    Effect(  # and the 7th of January
        "RL.QUOTA k 10 MONTH TZ Europe/Berlin AS month COST 3",
        ends=25 * DAY - HOUR,
        payload=value(
            [limit(QUOTA, 10, UNITS_OF_QUOTAS["MONTH"], flags=ZONE | LABEL, zone=b"Europe/Berlin", label=b"month")],
            [window(BASE + 25 * DAY - HOUR, 3)],
        ),
    ),
    Effect(  # it is midnight
        "RL.QUOTA k 10 QUARTER ANCHOR 2026-01-31T06:00 COST 3",
        ends=24 * DAY + 6 * HOUR,
        payload=value(
            [limit(QUOTA, 10, UNITS_OF_QUOTAS["QUARTER"], flags=ANCHOR, anchor=20_484 * 1440 + 360)],
            [window(BASE + 24 * DAY + 6 * HOUR, 3)],
        ),
    ),
    Effect(
        "RL.CHECK k LEAKYBUCKET 20 10 1s SLIDING 7 1h APPROX CONCURRENT 5 30s PER REQUEST QUOTA 9 DAY COST 2 ID a",
        ends=DAY,
        payload=value(
            [
                limit(LEAKYBUCKET, 20, SECOND, 10),
                limit(APPROX, 7, HOUR),
                limit(CONCURRENT, 5, 30 * SECOND, flags=PER_REQUEST),
                limit(QUOTA, 9, UNITS_OF_QUOTAS["DAY"]),
            ],
            [
                bucket(BASE + 200 * MS),
                weights(BASE, 0, 2),
                leases((BASE + 30 * SECOND, 1, b"a"), longest=30 * SECOND),
                window(BASE + DAY, 2),
            ],
        ),
    ),
]
LINES = [effect.line for effect in STORED]

# Grants that are never denied, however often they are said.
STORED_ALWAYS = [
    Effect(
        "RL.CONCURRENT k 10 30s COST 3 ID job:1",
        ends=30 * SECOND,
        payload=value(
            [limit(CONCURRENT, 10, 30 * SECOND)], [leases((BASE + 30 * SECOND, 3, b"job:1"), longest=30 * SECOND)]
        ),
    ),
    Effect(
        "RL.TOKENBUCKET k 20 10 1s COST 25 FORCE",
        ends=2500 * MS,
        payload=value([limit(TOKENBUCKET, 20, SECOND, 10)], [bucket(BASE + 2500 * MS, debt=5)]),
    ),
    Effect(
        "RL.SLIDING k 10 60s COST 14 FORCE",
        ends=MINUTE,
        payload=value([limit(SLIDING, 10, MINUTE)], [log((BASE // GRID_OF_MINUTE, 14))]),
    ),
    Effect(
        "RL.RESERVE k 10s FIXED 1000 60s COST 100 ID req-7",
        ends=MINUTE,
        payload=value(
            [limit(FIXED, 1000, MINUTE)],
            [window(BASE + MINUTE, 100)],
            reservations(Hold(BASE + 10 * SECOND, 100, b"req-7"), as_of=BASE),
        ),
    ),
    Effect(  # an estimate that is cut to what there is; a hold that lasts longer than the states
        "RL.RESERVE k 1h TOKENBUCKET 20 10 1s CONCURRENT 5 30s PER REQUEST COST 25 ID req-7",
        ends=HOUR,
        payload=value(
            [limit(TOKENBUCKET, 20, SECOND, 10), limit(CONCURRENT, 5, 30 * SECOND, flags=PER_REQUEST)],
            [bucket(BASE + 2 * SECOND), leases((BASE + 30 * SECOND, 1, b"req-7"), longest=30 * SECOND)],
            reservations(Hold(BASE + HOUR, 20, b"req-7", named=0b11), as_of=BASE),
        ),
    ),
    Effect(  # an estimate that is cut for one limit alone
        "RL.RESERVE k 1h FIXED 1000 60s FIXED 40 60s AS b COST 100 ID req-7",
        ends=HOUR,
        payload=value(
            [limit(FIXED, 1000, MINUTE), limit(FIXED, 40, MINUTE, flags=LABEL, label=b"b")],
            [window(BASE + MINUTE, 100), window(BASE + MINUTE, 40)],
            reservations(
                Hold(BASE + HOUR, 100, b"req-7", named=0b11, charges=(100, 40)),
                as_of=BASE,
            ),
        ),
    ),
    Effect(
        "RL.SETTLE k nobody 14 FIXED 10 60s",
        ends=MINUTE,
        payload=value([limit(FIXED, 10, MINUTE)], [window(BASE + MINUTE, 14)]),
    ),
]

# What is done to a key that is there, and small: it travels whole, too.
STORED_LATER = [
    Effect(
        "RL.FIXED k 10 60s COST 3",
        before=("RL.FIXED k 10 60s COST 4",),
        ends=MINUTE,
        payload=value([limit(FIXED, 10, MINUTE)], [window(BASE + MINUTE, 7)]),
    ),
    Effect(
        "RL.FIXED k 10 60s COST 14 PARTIAL",
        before=("RL.FIXED k 10 60s COST 4",),
        ends=MINUTE,
        payload=value([limit(FIXED, 10, MINUTE)], [window(BASE + MINUTE, 10)]),
    ),
    Effect(
        "RL.REFUND k 3",
        before=("RL.FIXED k 10 60s COST 4",),
        ends=MINUTE,
        payload=value([limit(FIXED, 10, MINUTE)], [window(BASE + MINUTE, 1)]),
    ),
    Effect(
        "RL.SETTLE k nobody 9",
        before=("RL.FIXED k 10 60s COST 4",),
        ends=MINUTE,
        payload=value([limit(FIXED, 10, MINUTE)], [window(BASE + MINUTE, 13)]),
    ),
    Effect(  # asked under no limits, now or before
        "RL.BLOCK k 1m",
        before=("RL.BLOCK k 0",),
        ends=MINUTE + SECOND,
        payload=value([], [], reservations(block=BASE + SECOND + MINUTE, length=MINUTE)),
    ),
    Effect(  # a block needs room
        "RL.BLOCK k 1h",
        before=("RL.FIXED k 10 60s COST 4",),
        ends=HOUR + SECOND,
        payload=value(
            [limit(FIXED, 10, MINUTE)],
            [window(BASE + MINUTE, 4)],
            reservations(block=BASE + SECOND + HOUR, length=HOUR),
        ),
    ),
    Effect(  # the first account of who was blocked before
        "RL.FIXED k 10 60s",
        before=("RL.BLOCK k 1h",),
        ends=HOUR,
        payload=value([limit(FIXED, 10, MINUTE)], [window(0, 0)], reservations(block=BASE + HOUR, length=HOUR)),
    ),
    Effect(  # the first turn and the first hold need room
        "RL.TOKENBUCKET k 20 10 1s COST 15 MAXWAIT 2s",
        before=("RL.TOKENBUCKET k 20 10 1s COST 20",),
        ends=3500 * MS,
        payload=value(
            [limit(TOKENBUCKET, 20, SECOND, 10)],
            [bucket(BASE + 3500 * MS)],
            reservations(turn=BASE + 1500 * MS, wait=500 * MS),
        ),
    ),
    Effect(
        "RL.RESERVE k 10s SLIDING 10 60s COST 2 ID a",
        before=("RL.SLIDING k 10 60s COST 3",),
        ends=MINUTE + SECOND,
        payload=value(
            [limit(SLIDING, 10, MINUTE)],
            [log((BASE // GRID_OF_MINUTE, 3), (SECOND // GRID_OF_MINUTE, 2))],
            reservations(Hold(BASE + 11 * SECOND, 2, b"a"), as_of=BASE + SECOND),
        ),
    ),
    Effect(  # a second list: its account starts with the four, and both have what is granted
        "RL.FIXED k 20 60s COST 3",
        before=("RL.RESERVE k 10s SLIDING 10 60s COST 4 ID a",),
        ends=MINUTE + SECOND,
        payload=value(
            [limit(SLIDING, 10, MINUTE), limit(FIXED, 20, MINUTE)],
            [log((BASE // GRID_OF_MINUTE, 4), (SECOND // GRID_OF_MINUTE, 3)), window(BASE + MINUTE + SECOND, 7)],
            reservations(Hold(BASE + 10 * SECOND, 4, b"a", newer=3), as_of=BASE + SECOND),
            last_grants=(BASE + SECOND, BASE + SECOND),
        ),
    ),
    Effect(  # a denial that opens an account
        "RL.FIXED k 3 60s",
        before=("RL.FIXED k 10 60s COST 4",),
        ends=MINUTE,
        payload=value(
            [limit(FIXED, 10, MINUTE), limit(FIXED, 3, MINUTE)],
            [window(BASE + MINUTE, 4), window(BASE + MINUTE, 3)],
            last_grants=(BASE + SECOND, BASE + SECOND),
        ),
    ),
    Effect(  # small accounts travel whole also later
        "RL.FIXED k 10 60s",
        before=("RL.FIXED k 10 60s COST 4", "RL.TOKENBUCKET k 20 10 1s"),
        ends=MINUTE,
        payload=value(
            [limit(FIXED, 10, MINUTE), limit(TOKENBUCKET, 20, SECOND, 10)],
            [window(BASE + MINUTE, 6), bucket(BASE + SECOND + 100 * MS)],
            last_grants=(BASE + SECOND, BASE),
        ),
    ),
]

INSTEAD = "FIXED 10 1s"  # other limits, and not large enough for what is asked of them

# The second grant under a log, or under leases, says what it adds, and not all of them.
APPLIED = [
    Effect("RL.SLIDING k 10 60s COST 3", ends=MINUTE + SECOND, payload=change(grant(BASE + SECOND, 3))),
    Effect(
        "RL.CHECK k TOKENBUCKET 20 10 1s SLIDING 7 1h AS hour COST 2",
        ends=HOUR + SECOND,
        payload=change(bucket(BASE + SECOND + 200 * MS), grant(BASE + SECOND, 2)),
    ),
    Effect(
        "RL.CHECK k TOKENBUCKET 20 10 1s SLIDING 7 1h COST 22 FORCE",
        ends=HOUR + SECOND,
        payload=change(bucket(BASE + 4400 * MS, debt=14), grant(BASE + SECOND, 22)),
    ),
    Effect(
        "RL.CONCURRENT k 10 30s COST 3 ID job:1",
        ends=31 * SECOND,
        payload=change(grant(BASE + SECOND, 3), text(b"job:1")),
    ),
    Effect(
        "RL.CHECK k CONCURRENT 5 30s LEAKYBUCKET 20 10 1s SLIDING 7 1h APPROX QUOTA 9 HOUR SLIDING 9 60s COST 2 ID a",
        ends=2 * HOUR,
        payload=change(
            grant(BASE + SECOND, 2),
            bucket(BASE + SECOND + 200 * MS),
            weights(BASE, 0, 4),
            window(BASE + HOUR, 4),
            grant(BASE + SECOND, 2),
            text(b"a"),
        ),
    ),
]

HOLD = "RL.RESERVE k 10s FIXED 1000 60s COST 100 ID req-7"
HOLD_AND_LEASE = "RL.RESERVE k 10s CONCURRENT 5 30s PER REQUEST FIXED 1000 60s COST 100 ID req-7"
TURN = ("RL.TOKENBUCKET k 20 10 1s COST 20", "RL.TOKENBUCKET k 20 10 1s COST 20 MAXWAIT 2s")  # the turn is at 2 s
LOG, LEASES = "RL.SLIDING k 10 60s COST 3", "RL.CONCURRENT k 10 30s COST 3 ID job:1"

# What is done to a key with reservations, and what is given back where a log or leases are, travels as what was done.
PERFORMED = [
    Effect(
        "RL.FIXED k 1000 60s COST 3", before=(HOLD,), ends=MINUTE, payload=operation(CHARGE, BASE + SECOND, units=3)
    ),
    Effect(
        "RL.FIXED k 1000 60s COST 2000 PARTIAL",
        before=(HOLD,),
        ends=MINUTE,
        payload=operation(CHARGE, BASE + SECOND, units=900),
    ),
    Effect(
        "RL.FIXED k 1000 60s COST 1000 MAXWAIT 1m",
        before=(HOLD,),
        ends=2 * MINUTE,
        payload=operation(CHARGE, BASE + SECOND, units=1000, span=59 * SECOND),
    ),
    Effect(
        "RL.TOKENBUCKET k 20 10 1s COST 5 MAXWAIT 2s",
        before=TURN,
        ends=4500 * MS,
        payload=operation(CHARGE, BASE + SECOND, units=5, span=1500 * MS),
    ),
    Effect(
        "RL.TOKENBUCKET k 20 10 1s COST 5 FORCE",
        before=TURN,
        ends=4500 * MS,
        payload=operation(CHARGE, BASE + SECOND, units=5, span=SECOND),
    ),
    Effect(
        "RL.CHECK k CONCURRENT 5 30s PER REQUEST FIXED 1000 60s COST 3 ID job:1",
        before=(HOLD_AND_LEASE,),
        ends=MINUTE,
        payload=operation(CHARGE, BASE + SECOND, units=3, name=b"job:1"),
    ),
    Effect("RL.REFUND k 2", before=(LOG,), ends=MINUTE, payload=operation(REFUND, BASE + SECOND, units=2)),
    Effect("RL.REFUND k 5", before=(HOLD,), ends=MINUTE, payload=operation(REFUND, BASE + SECOND, units=5)),
    Effect("RL.REFUND k 5", before=TURN, ends=3500 * MS, payload=operation(REFUND, BASE + SECOND, units=5)),
    Effect(
        "RL.RESERVE k 20s FIXED 1000 60s COST 50 ID req-8",
        before=(HOLD,),
        ends=MINUTE,
        payload=operation(RESERVE, BASE + SECOND, units=50, span=20 * SECOND, name=b"req-8", named=1),
    ),
    Effect(  # the same hold, prolonged: it has what it has
        "RL.RESERVE k 1h FIXED 1000 60s COST 50 ID req-7",
        before=(HOLD,),
        ends=HOUR + SECOND,
        payload=operation(RESERVE, BASE + SECOND, units=50, span=HOUR, name=b"req-7", named=1),
    ),
    Effect(  # and if it is charged more
        "RL.RESERVE k 1h FIXED 1000 60s COST 150 ID req-7",
        before=(HOLD,),
        ends=HOUR + SECOND,
        payload=operation(RESERVE, BASE + SECOND, units=150, span=HOUR, name=b"req-7", named=1),
    ),
    Effect(  # of several accounts the call names some
        "RL.FIXED k 1000 60s COST 3",
        before=(HOLD, "RL.FIXED k 500 60s"),
        ends=MINUTE,
        payload=operation(CHARGE, BASE + SECOND, units=3, named=0b01),
    ),
    Effect(
        "RL.SLIDING k 20 60s COST 3",
        before=(LOG, "RL.SLIDING k 20 60s"),
        ends=MINUTE + SECOND,
        payload=operation(CHARGE, BASE + SECOND, units=3, named=0b10),
    ),
    Effect(
        "RL.CONCURRENT k 20 30s ID job:2",
        before=(LEASES, "RL.CONCURRENT k 20 30s ID job:2"),
        ends=31 * SECOND,
        payload=operation(CHARGE, BASE + SECOND, units=1, name=b"job:2", named=0b10),
    ),
    Effect(
        "RL.SETTLE k req-7 42",
        before=(HOLD,),
        ends=MINUTE,
        payload=operation(SETTLE, BASE + SECOND, units=42, name=b"req-7"),
    ),
    Effect(  # nothing is left but the id
        "RL.SETTLE k req-7 0",
        before=(HOLD,),
        ends=10 * SECOND,
        payload=operation(SETTLE, BASE + SECOND, name=b"req-7"),
    ),
    Effect(
        "RL.SETTLE k req-7 2000",
        before=(HOLD_AND_LEASE,),
        ends=MINUTE,
        payload=operation(SETTLE, BASE + SECOND, units=2000, name=b"req-7"),
    ),
    Effect(
        "RL.SETTLE k nobody 7",
        before=(LOG,),
        ends=MINUTE + SECOND,
        payload=operation(SETTLE, BASE + SECOND, units=7, name=b"nobody"),
    ),
    Effect(
        "RL.RELEASE k job:2",
        before=(LEASES, "RL.CONCURRENT k 10 30s ID job:2"),
        ends=30 * SECOND,
        payload=operation(RELEASE, BASE + SECOND, name=b"job:2"),
    ),
    Effect(
        "RL.RELEASE k req-7",
        before=(HOLD_AND_LEASE,),
        ends=MINUTE,
        payload=operation(RELEASE, BASE + SECOND, name=b"req-7"),
    ),
    Effect(
        "RL.BLOCK k 2m",
        before=("RL.BLOCK k 1m",),
        ends=2 * MINUTE + SECOND,
        payload=operation(BLOCK, BASE + SECOND, span=2 * MINUTE),
    ),
    Effect(
        "RL.BLOCK k 0",
        before=("RL.FIXED k 10 60s COST 3", "RL.BLOCK k 1m"),
        ends=MINUTE,
        payload=operation(BLOCK, BASE + SECOND),
    ),
]

# After which nothing is left of the key.
REMOVED = [
    Effect("RL.REFUND k 3", before=("RL.FIXED k 10 60s COST 3",), ends=0, payload=b""),
    Effect("RL.REFUND k 7", before=(LOG,), ends=0, payload=b""),
    Effect("RL.RELEASE k job:1", before=(LEASES,), ends=0, payload=b""),
    Effect("RL.BLOCK k 0", before=("RL.BLOCK k 1m",), ends=0, payload=b""),
    Effect("RL.RESET k", before=("RL.BLOCK k 1m",), ends=0, payload=b""),
    Effect("RL.RESET k", before=(HOLD_AND_LEASE, LOG), ends=0, payload=b""),
    Effect(
        "RL.SETTLE k nobody 0",
        before=("RL.RESERVE k 500ms FIXED 1000 60s COST 100 ID req-7", "RL.SETTLE k req-7 0"),
        ends=0,
        payload=b"",
    ),
]


SPANS = {"ms": MS, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


def span_of(word: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\D+)", word).groups()
    return int(number) * SPANS[unit]


def step_of(lines: str) -> int:
    """The steps in which the end of a key moves: the longest power of two that is no longer than the slack of any limit
    in these lines, which is sixteen units of a bucket, or a quarter of it, and a sixteenth of a log's window or a
    lease.
    """
    slack = END_STEP
    for capacity, refill, period in re.findall(r"(?:TOKEN|LEAKY)BUCKET (?:k )?(\d+) (\d+) (\w+)", lines):
        slack = max(slack, span_of(period) * min(16, int(capacity) // 4) // int(refill))
    for moving in re.findall(r"(?:SLIDING|CONCURRENT) (?:k )?\d+ (\w+)(?! APPROX)\b", lines):
        slack = max(slack, span_of(moving) // 16)
    return 1 << slack.bit_length() - 1


def ends_at(ns: int, lines: str = "") -> bytes:
    """The last argument but one, of a key with the limits in these lines, idle so many nanoseconds after BASE."""
    step = step_of(lines)
    return str(-(((BASE + ns) // step + 1) * step // -MS)).encode()


@pytest.fixture(scope="module")
def speaking_server() -> Iterator[Server]:
    """A replica's ear does not say that it hears: nobody loses patience with it."""
    server = Server("--appendonly", "yes", "--appendfsync", "always", "--repl-timeout", "3600").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def replica_ear(speaking_server: Server) -> Iterator[ReplicaEar]:
    ear = ReplicaEar(speaking_server)
    yield ear
    ear.close()


@pytest.fixture
def primary(speaking_server: Server) -> Iterator[Server]:
    with speaking_server.client() as db:
        db.flushall()
        Clock(db).set(BASE)
    yield speaking_server
    speaking_server.assert_well()


@pytest.fixture
def db(primary: Server) -> Iterator[Client]:
    with primary.client() as client:
        yield client


@pytest.fixture(params=[ReplicaEar, FileEar])
def ear(request: pytest.FixtureRequest, primary: Server, replica_ear: ReplicaEar) -> Iterator[Ear]:
    if request.param is ReplicaEar:
        replica_ear.heard()
        yield replica_ear
    else:
        ear = FileEar(primary)
        yield ear
        ear.close()


@pytest.mark.parametrize("effect", [*STORED, *STORED_ALWAYS], ids=lambda effect: effect.line)
def test_a_grant_travels_as_one_command_with_the_state_and_its_end(ear, db, effect):
    db.ask(effect.line)
    assert ear.heard() == [[b"RL._EFFECT", b"k", b"STORE", effect.end, effect.payload]]
    assert str(db.do("PEXPIRETIME k")).encode() == effect.end


def heard_later(ear: Ear, db: Client, effect: Effect) -> list[Words]:
    """What is heard of the line of an effect, a second after those that it builds upon, or itself."""
    for line in effect.before or (effect.line,):
        db.do(line)
    Clock(db).advance(SECOND)
    ear.heard()
    db.do(effect.line)
    return ear.heard()


@pytest.mark.parametrize("effect", STORED_LATER, ids=lambda effect: effect.line)
def test_what_is_done_to_a_small_key_travels_as_one_command_with_the_state_and_its_end(ear, db, effect):
    assert heard_later(ear, db, effect) == [[b"RL._EFFECT", b"k", b"STORE", effect.end, effect.payload]]
    assert str(db.do("PEXPIRETIME k")).encode() == effect.end


@pytest.mark.parametrize("effect", APPLIED, ids=lambda effect: effect.line)
def test_a_grant_on_a_log_that_is_there_travels_as_one_command_with_what_it_adds(ear, db, effect):
    assert heard_later(ear, db, effect) == [[b"RL._EFFECT", b"k", b"APPLY", effect.end, effect.payload]]
    assert str(db.do("PEXPIRETIME k")).encode() == effect.end


@pytest.mark.parametrize("effect", PERFORMED, ids=lambda effect: effect.line)
def test_what_is_done_where_something_is_promised_travels_as_one_command_that_says_it(ear, db, effect):
    assert heard_later(ear, db, effect) == [[b"RL._EFFECT", b"k", b"PERFORM", effect.end, effect.payload]]
    assert str(db.do("PEXPIRETIME k")).encode() == effect.end


@pytest.mark.parametrize("effect", REMOVED, ids=lambda effect: effect.line)
def test_a_key_that_becomes_idle_travels_as_its_end(ear, db, effect):
    assert heard_later(ear, db, effect) == [[b"DEL", b"k"]]
    assert db.exists("k") == 0


def test_a_key_that_had_reservations_goes_on_saying_what_is_done(ear, db):
    """On the other side it may have room for them or not."""
    for line in (HOLD, "RL.FIXED k 1000 60s", "RL.SETTLE k req-7 42"):
        db.do(line)
    ear.heard()
    db.ask("RL.FIXED k 1000 60s COST 3")
    assert ear.heard() == [[b"RL._EFFECT", b"k", b"PERFORM", ends_at(MINUTE), operation(CHARGE, BASE, units=3)]]


@pytest.mark.parametrize("line", ["RL.CONCURRENT k 10 30s", "RL.CHECK k FIXED 10 60s CONCURRENT 10 30s AS slots"])
def test_an_id_that_the_server_makes_travels_as_if_the_call_had_named_it(ear, db, line):
    first, second = db.do(line)[-1], db.do(line)[-1]
    [[_, *_, whole], [_, *_, added]] = ear.heard()
    assert text(first.encode()) in whole
    assert added.endswith(grant(BASE, 1) + text(second.encode()))


def test_so_does_the_id_of_a_hold(ear, db):
    first, second = (db.do("RL.RESERVE k 10s FIXED 10 60s")[-1] for _ in range(2))
    [[_, *_, whole], [_, *_, added]] = ear.heard()
    assert whole.endswith(text(first.encode()))
    assert added == operation(RESERVE, BASE, units=1, span=10 * SECOND, name=second.encode(), named=1)


SHORT_HOLD = "RL.RESERVE k 500ms SLIDING 10 60s COST 4 ID req-7"  # it has ended a second later
COLLECTION = [b"RL._EFFECT", b"k", b"PERFORM", ends_at(MINUTE, SHORT_HOLD), operation(COLLECT, BASE + SECOND)]
DENIED_BY_FIVE_USED = ["RL.SLIDING k 10 60s COST 6", "RL.SLIDING k 10 60s COST 11"]
DENIED_BY_FIVE_USED += ["RL.RESERVE k 1s SLIDING 10 60s COST 6"]


@pytest.mark.parametrize("denied", [*DENIED_BY_FIVE_USED, "RL.RELEASE k nobody"])
def test_a_denied_call_that_finds_a_hold_that_has_ended_gives_back_what_it_took_once_and_for_all(ear, db, denied):
    """The other denial that writes (ADR 12); it takes nothing."""
    for line in (SHORT_HOLD, "RL.SLIDING k 10 60s COST 5"):
        db.do(line)
    Clock(db).advance(SECOND)
    ear.heard()
    for question in ("RL.PEEK k", "RL.INFO k", "RL.PEEK k FIXED 10 60s"):
        db.do(question)
    assert ear.heard() == []
    db.do(denied)
    assert ear.heard() == [COLLECTION]
    assert (db.rl_info("k")["holds"], db.rl_info("k")["limits"][0]["used"]) == (0, 5)
    db.do(denied)
    assert ear.heard() == []


@pytest.mark.parametrize(
    ("line", "done"),
    [
        ("RL.SLIDING k 10 60s COST 2", operation(CHARGE, BASE + SECOND, units=2)),
        ("RL.REFUND k 3", operation(REFUND, BASE + SECOND, units=3)),
        ("RL.SETTLE k req-7 6", operation(SETTLE, BASE + SECOND, units=6, name=b"req-7")),
        (
            "RL.RESERVE k 1s SLIDING 10 60s ID b",
            operation(RESERVE, BASE + SECOND, units=1, span=SECOND, name=b"b", named=1),
        ),
    ],
)
def test_before_anything_else_travels_what_ended_before_it(ear, db, line, done):
    for before in (SHORT_HOLD, "RL.SLIDING k 10 60s COST 5"):
        db.do(before)
    Clock(db).advance(SECOND)
    ear.heard()
    db.do(line)
    first, *performed, last = ear.heard()
    assert (first, last) == ([b"MULTI"], [b"EXEC"])
    assert [words[:3] for words in performed] == [[b"RL._EFFECT", b"k", b"PERFORM"]] * 2
    assert [words[-1] for words in performed] == [COLLECTION[-1], done]


def test_a_key_of_which_nothing_but_an_ended_hold_was_left_travels_as_its_end(ear, db):
    for denied in ("RL.SLIDING k 10 60s COST 11", "RL.RELEASE k nobody", "RL.REFUND k 1"):
        Clock(db).set(BASE)
        db.do(SHORT_HOLD)
        Clock(db).advance(SECOND)
        ear.heard()
        assert db.do("RL.INFO k") is not None
        db.do(denied)
        assert ear.heard() == [[b"DEL", b"k"]]
        assert db.exists("k") == 0


UNTIL_DENIED = [*LINES, "RL.CONCURRENT k 10 30s COST 3", "RL.RESERVE k 10s FIXED 1000 60s COST 100"]


@pytest.mark.parametrize("line", UNTIL_DENIED)
def test_what_takes_nothing_does_not_travel(ear, db, line):
    while db.ask(line).granted:
        pass
    ear.heard()
    denied, never = line, f"RL.CHECK k {INSTEAD} COST 11"
    for question in (denied, "RL.PEEK k", "RL.PEEK k COST 5", "RL.INFO k", "RL.PEEK absent", "RL.INFO absent", never):
        db.do(question)
    assert db.ask(f"RL.CHECK absent {INSTEAD} COST 11")[:4] == (0, 10, 10, -1)
    for mistake in ("RL.FIXED k -1 1s", "RL.CHECK k", "RL.FIXED k 10 1s COST -1", "RL.PEEK k k"):
        assert db.error(*mistake.split())
    assert ear.heard() == []


@pytest.mark.parametrize("form", ["stored", "unstored", "subjects"])
def test_of_a_call_of_many_keys_only_what_is_charged_travels(ear, db, form):
    named, who = "TOKENBUCKET 10 10 60s FIXED 10 60s SLIDING 10 60s", " FOR a b c" if form == "subjects" else ""
    keys = ["x", "y", "z"]
    for key, limit in zip(keys, ("TOKENBUCKET 10 10 60s", "FIXED 10 60s", "SLIDING 10 60s")):
        db.do(f"RL.DEFINE {key} {limit}" if form == "stored" else "PING")
    named = "" if form == "stored" else named
    ear.heard()

    def heard_keys(options: str) -> list[bytes]:
        assert len(db.do(f"RL.CHECKALL 3 x y z {named}{who} {options}")) >= 6
        return [*dict.fromkeys(words[1] for words in ear.heard() if words[0] == b"RL._EFFECT")]

    assert heard_keys("COSTS 0 0 0") == []
    assert heard_keys("COSTS 0 3 0 EACH") == [b"y"]
    assert heard_keys("COSTS 4 0 1 HEADERS") == [b"x", b"z"]
    assert heard_keys("COSTS 4 8 1 EACH") == [], "denied by one"
    assert heard_keys("COSTS 4 8 0 FORCE") == [b"x", b"y"]
    assert heard_keys("COSTS 1 0 1") == [], "denied by a debt that is only looked at"
    assert heard_keys("COSTS 0 0 0") == heard_keys("COSTS 0 0 0 FORCE") == heard_keys("COSTS 11 0 0") == []


def test_a_reservation_of_many_keys_travels_as_one_of_each_key(ear, db):
    limits = "FIXED 10 60s FIXED 20 60s AS b"
    assert db.do(f"RL.RESERVEALL 2 x y 1m {limits} COST 4 ID a")[0] == 4
    db.do("RL.RESERVE z 1m FIXED 10 60s COST 4 ID a")
    x, y, z = (words for words in ear.heard() if words[0] == b"RL._EFFECT")
    assert (x[1], y[1], x[2:]) == (b"x", b"y", z[2:])
    assert db.do(f"RL.RESERVEALL 2 x y 1m {limits} COST 17 ID b EACH")[0] == 0
    assert ear.heard() == [], "denied by one"
    db.do("RL.SETTLEALL 3 x absent y a 6 EACH")
    effects = [words[1:3] for words in ear.heard() if words[0] == b"RL._EFFECT"]
    assert effects == [[b"x", b"PERFORM"], [b"y", b"PERFORM"]]


@pytest.mark.parametrize("line", ["RL.CHECK k FIXED 10 60s COST 4", "RL.TOKENBUCKET k 10 10 60s COST 4"])
def test_a_call_in_brief_travels_as_any_other(ear, db, line):
    db.do(f"{line} BRIEF")
    [brief] = ear.heard()
    db.delete("k")
    ear.heard()
    db.do(line)
    assert ear.heard() == [brief]
    db.do(f"{line} BRIEF")
    assert ear.heard() != []
    db.do(f"{line} BRIEF")
    assert db.error(*f"{line} BRIEF PARTIAL".split())
    assert ear.heard() == []


FULL = "RL.SLIDING k 10 60s COST 10"
NOTHING_DONE = [
    ("RL.SLIDING k 10 60s COST 3 PARTIAL", (FULL,)),
    ("RL.SLIDING k 10 60s COST 3 MAXWAIT 59s", (FULL,)),
    ("RL.SLIDING k 10 60s COST 11 MAXWAIT 1h", (FULL,)),
    ("RL.RESERVE k 10s SLIDING 10 60s COST 3", (FULL,)),
    ("RL.RESERVE k 10s SLIDING 10 60s COST 3 ID a", (FULL,)),
    ("RL.SETTLE k req-7 7", (HOLD, "RL.SETTLE k req-7 42")),
    ("RL.FIXED k 9 60s", ("RL.FIXED k 10 60s COST 10", "RL.FIXED k 9 60s")),
    ("RL.FIXED k 9 60s COST 10", ("RL.FIXED k 10 60s",)),
    ("RL.RELEASE k a", (FULL,)),
    ("RL.RELEASE k a", (LEASES,)),
    ("RL.REFUND k 5", (LEASES,)),
    ("RL.REFUND k 5", ("RL.SLIDING k 10 60s PER REQUEST COST 3",)),
    ("RL.TOKENBUCKET k 20 10 1s", TURN),
    ("RL.TOKENBUCKET k 20 10 1s COST 5 PARTIAL", TURN),
    ("RL.TOKENBUCKET k 20 10 1s COST 5 MAXWAIT 2s", TURN),
    ("RL.FIXED k 1000 60s COST 901", (HOLD,)),
    ("RL.BLOCK k 0", (FULL,)),
    ("RL.BLOCK k 0", ()),
    ("RL.RESET k", ()),
    ("RL.SLIDING k 20 60s", ("RL.SLIDING k 20 60s", "RL.BLOCK k 1m")),
    ("RL.RESERVE k 10s SLIDING 20 60s ID a", ("RL.RESERVE k 10s SLIDING 20 60s ID a", "RL.BLOCK k 1m")),
    ("RL.REFUND k 5", ()),
    ("RL.RELEASE k a", ()),
    ("RL.SETTLE k a 5", ()),
    ("RL.SETTLE k a 0 FIXED 10 60s", ()),
]


@pytest.mark.parametrize(("line", "before"), NOTHING_DONE)
def test_an_operation_that_does_nothing_does_not_travel(ear, db, line, before):
    for earlier in before:
        db.do(earlier)
    ear.heard()
    db.do(line)
    assert ear.heard() == []
    assert db.exists("k") == bool(before)


def test_a_wrong_type_does_not_travel(ear, db):
    db.set("k", "v")
    ear.heard()
    operations = ["RL.REFUND k 1", "RL.RESERVE k 1s FIXED 10 60s", "RL.SETTLE k a 1", "RL.RELEASE k a"]
    operations += ["RL.BLOCK k 1m", "RL.RESET k"]
    for line in [*LINES, *(effect.line for effect in STORED_ALWAYS), *operations]:
        assert db.error(*line.split()).startswith("WRONGTYPE")
    assert ear.heard() == []


USED_UP = [
    ("RL.FIXED k 10 60s COST 10",),
    ("RL.SLIDING k 10 60s COST 10",),
    ("RL.SLIDING k 10 30s APPROX COST 10",),
    ("RL.TOKENBUCKET k 10 10 60s COST 10",),
    ("RL.LEAKYBUCKET k 10 10 60s COST 10",),
    ("RL.QUOTA k 10 HOUR COST 10",),
    ("RL.CONCURRENT k 10 60s COST 10",),
    ("RL.FIXED k 10 30s COST 10", "RL.FIXED k 10 30s COST 10 MAXWAIT 30s"),
    ("RL.FIXED k 10 60s COST 10 FORCE", "RL.FIXED k 10 60s COST 10 FORCE"),
]


@pytest.mark.parametrize("lines", USED_UP)
def test_a_denial_after_the_clock_went_back_travels_as_the_state_that_it_brought_to_now(ear, db, lines):
    """The one denial that writes for the sake of its wait (ADR 3); it takes nothing."""
    clock = Clock(db)
    clock.set(BASE + 2 * DAY)
    for line in lines:
        assert db.ask(line).granted == 10
    ear.heard()
    clock.set(BASE)
    denied = db.ask(lines[0].removesuffix(" FORCE"))
    assert denied[:3] == (0, 10, 0)
    assert denied.wait_ms == denied.reset_ms in (60_000, 3_600_000)
    [[command, _, kind, ends, _]] = ear.heard()
    assert (command, kind, ends) == (b"RL._EFFECT", b"STORE", ends_at(denied.reset_ms * MS, lines[0]))
    assert db.ask(lines[0].removesuffix(" FORCE")) == denied
    assert ear.heard() == []


@pytest.mark.parametrize("key", [b"", b"\x00\r\n\xff", b"{tag}\xe2\x82\xac", b"k" * 1000])
def test_a_name_travels_as_it_is(ear, primary, key):
    with primary.client(decode_responses=False) as raw:
        raw.execute_command("RL.SLIDING", key, 10, "60s")
        raw.execute_command("RL.SLIDING", key, 10, "60s")
        raw.execute_command("RL.REFUND", key, 1)
    kinds = [b"STORE", b"APPLY", b"PERFORM"]
    assert [words[:3] for words in ear.heard()] == [[b"RL._EFFECT", key, kind] for kind in kinds]


def test_when_an_account_is_dropped_the_whole_subject_travels(ear, db):
    """The window of a second is not named any more; a minute later nobody needs it."""
    db.ask("RL.SLIDING k 10 60s COST 3")
    db.ask("RL.FIXED k 20 1s")
    Clock(db).advance(MINUTE - SECOND)
    db.ask("RL.SLIDING k 10 60s")
    Clock(db).advance(2 * SECOND)
    ear.heard()
    db.ask("RL.SLIDING k 10 60s COST 2")
    at = (BASE // GRID_OF_MINUTE, 3), ((MINUTE - SECOND) // GRID_OF_MINUTE, 1), (2 * SECOND // GRID_OF_MINUTE, 2)
    payload = value([limit(SLIDING, 10, MINUTE)], [log((at[0][0] + at[1][0], 1), at[2])])
    ends = ends_at(2 * MINUTE + SECOND, "RL.SLIDING k 10 60s")
    assert ear.heard() == [[b"RL._EFFECT", b"k", b"STORE", ends, payload]]


def test_of_many_calls_each_grant_and_nothing_else_travels(ear, db):
    print("RATELIMIT_TEST_SEED", SEED)
    rng = random.Random(SEED)
    lines = [*LINES, *(effect.line for effect in STORED_ALWAYS), "RL.RESERVE k 10s FIXED 500 60s COST 100"]
    keys = {f"k{number}": rng.choice(lines) for number in range(20)}
    called = rng.choices(list(keys), k=500)
    pipe = db.pipeline(transaction=False)
    for key in called:
        pipe.execute_command(*keys[key].replace(" k ", f" {key} ", 1).split())
    granted = [key.encode() for key, reply in zip(called, pipe.execute()) if reply[0]]
    assert 20 <= len(granted) <= 500
    assert [words[1] for words in ear.heard()] == granted


def test_a_transaction_travels_as_its_grants_held_together(ear, db):
    with db.pipeline(transaction=True) as pipe:
        for cost in (6, 5, 4):
            pipe.execute_command(*f"RL.FIXED k 10 60s COST {cost}".split())
        pipe.execute_command("RL.PEEK", "k")
        assert [reply[0] for reply in pipe.execute()] == [6, 0, 4, 0]
    first, *stored, last = ear.heard()
    assert (first, last) == ([b"MULTI"], [b"EXEC"])
    limits = [limit(FIXED, 10, MINUTE)]
    assert stored == [
        [b"RL._EFFECT", b"k", b"STORE", ends_at(MINUTE), value(limits, [window(BASE + MINUTE, used)])]
        for used in (6, 10)
    ]


def test_a_transaction_in_which_nothing_is_granted_does_not_travel(ear, db):
    db.ask("RL.FIXED k 10 60s COST 10")
    ear.heard()
    with db.pipeline(transaction=True) as pipe:
        for question in ("RL.FIXED k 10 60s", "RL.FIXED new 10 60s COST 11", "RL.PEEK k", "RL.INFO k"):
            pipe.execute_command(*question.split())
        pipe.execute()
    assert ear.heard() == []


def test_operations_in_a_transaction_travel_held_together(ear, db):
    with db.pipeline(transaction=True) as pipe:
        for line in (HOLD, "RL.FIXED k 1000 60s COST 3", "RL.REFUND k 1", "RL.SETTLE k req-7 0", "RL.REFUND k 1000"):
            pipe.execute_command(*line.split())
        pipe.execute()
    heard = ["MULTI", "RL._EFFECT STORE", *["RL._EFFECT PERFORM"] * 4, "EXEC"]
    assert names(ear.heard()) == heard


SCRIPT = """
    local granted = 0
    for i = 1, tonumber(ARGV[1]) do
      granted = granted + redis.call('RL.SLIDING', KEYS[1], 10, '60s', 'COST', 4)[1]
    end
    return granted
"""
LIBRARY = f"#!lua name=callers\nredis.register_function('take', function(KEYS, ARGV) {SCRIPT} end)"


def by_script(db: Client, key: str, times: int) -> int:
    return db.eval(SCRIPT, 1, key, times)


def by_function(db: Client, key: str, times: int) -> int:
    return db.do(f"FCALL take 1 {key} {times}")


@pytest.fixture
def library(db: Client) -> Iterator[None]:
    db.execute_command("FUNCTION", "LOAD", "REPLACE", LIBRARY)
    yield
    db.do("FUNCTION FLUSH")


@pytest.mark.parametrize("take", [by_script, by_function])
def test_a_script_travels_as_its_grants_held_together(db, library, ear, take):
    assert take(db, "k", 3) == 8
    assert names(ear.heard()) == ["MULTI", "RL._EFFECT STORE", "RL._EFFECT APPLY", "EXEC"]
    assert db.ask("RL.PEEK k")[:3] == (1, 10, 2)


@pytest.mark.parametrize("take", [by_script, by_function])
def test_a_script_in_which_nothing_is_granted_does_not_travel(db, library, ear, take):
    take(db, "k", 3)
    ear.heard()
    assert take(db, "k", 3) == 0
    assert ear.heard() == []


@pytest.mark.parametrize("take", [by_script, by_function])
def test_a_script_with_one_grant_travels_as_one_effect(db, library, ear, take):
    assert take(db, "k", 1) == 4
    assert names(effects(ear.heard())) == ["RL._EFFECT STORE"]


REMOVALS = ["DEL k", "UNLINK k", "PEXPIREAT k 1", "EXPIRE k -1", "SET k v|DEL k", "RENAME k other", "FLUSHDB"]


@pytest.mark.parametrize("removal", REMOVALS)
@pytest.mark.parametrize("together", [True, False], ids=["in-a-transaction", "one-by-one"])
def test_after_a_key_is_gone_the_next_grant_travels_whole(ear, db, removal, together):
    """What is added to a log makes no sense where there is no log."""
    with db.pipeline(transaction=together) as pipe:
        for line in ["RL.SLIDING k 10 60s COST 3", *removal.split("|"), "RL.SLIDING k 10 60s COST 2"]:
            pipe.execute_command(*line.split())
        pipe.execute()
    first, second = effects(ear.heard())
    limits = [limit(SLIDING, 10, MINUTE)]
    at = BASE // GRID_OF_MINUTE
    end = ends_at(MINUTE, "SLIDING 10 60s")
    assert first == [b"RL._EFFECT", b"k", b"STORE", end, value(limits, [log((at, 3))])]
    assert second == [b"RL._EFFECT", b"k", b"STORE", end, value(limits, [log((at, 2))])]


@pytest.mark.parametrize("effect", [*STORED, *STORED_ALWAYS], ids=lambda effect: effect.line)
def test_a_key_that_has_expired_is_deleted_before_the_next_grant_travels_whole(ear, db, effect):
    """The call itself finds it: the cycle in which the server looks for such keys is off."""
    db.do("DEBUG SET-ACTIVE-EXPIRE 0")
    db.ask(effect.line)
    ear.heard()
    end_ms = unix_ms(db) + 2
    db.pexpireat("k", end_ms)
    eventually(lambda: unix_ms(db) > end_ms, "the key to expire")
    db.ask(effect.line)
    deleted, stored = (words for words in ear.heard() if names([words])[0] not in ("PEXPIREAT", "MULTI", "EXEC"))
    db.do("DEBUG SET-ACTIVE-EXPIRE 1")
    assert names([deleted])[0] in ("DEL", "UNLINK")
    assert stored == [b"RL._EFFECT", b"k", b"STORE", effect.end, effect.payload]


def unix_ms(db: Client) -> int:
    seconds, microseconds = db.time()
    return seconds * 1000 + microseconds // 1000


def test_a_persisted_key_has_an_end_again_when_a_grant_moves_it(ear, db):
    db.ask("RL.FIXED k 10 60s")
    db.persist("k")
    ear.heard()
    db.ask("RL.FIXED k 10 60s")
    [[_, _, _, ends, _]] = ear.heard()
    assert (ends, db.do("PEXPIRETIME k")) == (b"0", -1)
    Clock(db).advance(MINUTE)
    db.ask("RL.FIXED k 10 60s")
    [[_, _, _, ends, _]] = ear.heard()
    assert ends == ends_at(2 * MINUTE)
    assert str(db.do("PEXPIRETIME k")).encode() == ends


def test_what_was_heard_makes_the_same_key_elsewhere(db, primary, start_server):
    """An append-only file made of nothing but what a replica heard is loaded, to the byte."""
    ear = ReplicaEar(primary)
    ask_everything(db)
    heard = ear.heard()
    ear.close()
    other = start_server("--appendonly", "yes")
    with other.client() as copy:
        Clock(copy).set(BASE + 1000 * DAY)  # whoever asked it would say that everything is idle
        load(other, copy, [[b"SELECT", b"0"], *heard])
        assert copy.do("DEBUG DIGEST") == db.do("DEBUG DIGEST")
        for key in db.keys():
            assert copy.do(f"PEXPIRETIME {key}") == db.do(f"PEXPIRETIME {key}")


def load(server: Server, db: Client, said: list[Words]) -> None:
    """Puts these commands into the server's append-only file, in place of what is there, and loads it."""
    [file] = (server.directory / "appendonlydir").glob("*.incr.aof")
    file.write_bytes(b"".join(map(command, said)))
    db.do("DEBUG LOADAOF")


REFUSAL = "this command is for replication and for loading files only"

# Payloads that the primary's link would carry out; k is a log, absent is no key.
INTERNAL = [
    ("STORE", "k", STORED[1].payload),
    ("STORE", "k", STORED[3].payload),
    ("STORE", "absent", STORED[1].payload),
    ("APPLY", "k", APPLIED[0].payload),
    ("APPLY", "absent", APPLIED[0].payload),
    ("PERFORM", "k", operation(REFUND, BASE, units=2)),
    ("PERFORM", "k", operation(RESERVE, BASE, units=2, span=DAY, name=b"a")),
    ("PERFORM", "absent", operation(CHARGE, BASE, units=2)),
]


def directly(connection: Connection, *words: str | bytes):
    return connection.do(*words)


def in_a_transaction(connection: Connection, *words: str | bytes):
    connection.do("MULTI")
    queued = connection.do(*words)
    done = connection.do("EXEC")
    return queued if isinstance(queued, Failure) else done[0]


def in_a_script(connection: Connection, *words: str | bytes):
    name, key, *rest = words
    body = "return redis.call(ARGV[1], KEYS[1], ARGV[2], ARGV[3], ARGV[4])"
    return connection.do("EVAL", body, "1", key, name, *rest)


def in_a_function(connection: Connection, *words: str | bytes):
    name, key, *rest = words
    body = "function(KEYS, ARGV) return redis.call(ARGV[1], KEYS[1], ARGV[2], ARGV[3], ARGV[4]) end"
    connection.do("FUNCTION", "LOAD", "REPLACE", f"#!lua name=any\nredis.register_function('any', {body})")
    reply = connection.do("FCALL", "any", "1", key, name, *rest)
    connection.do("FUNCTION", "FLUSH")
    return reply


@pytest.mark.parametrize("say", [directly, in_a_transaction, in_a_script, in_a_function])
@pytest.mark.parametrize("internal", INTERNAL, ids=lambda internal: " ".join(internal[:2]))
def test_effects_are_refused_from_clients_and_change_nothing(primary, db, say, internal):
    kind, key, payload = internal
    db.ask("RL.SLIDING k 10 60s COST 3")
    before = db.do("DEBUG DIGEST"), db.do("PEXPIRETIME k")
    ear = ReplicaEar(primary)
    with Connection(primary.socket) as connection:
        for ends in (b"0", ends_at(DAY)):
            assert REFUSAL in say(connection, "RL._EFFECT", key, kind, ends, payload)
    assert effects(ear.heard()) == []
    ear.close()
    assert (db.do("DEBUG DIGEST"), db.do("PEXPIRETIME k")) == before


def test_the_same_words_are_carried_out_when_a_file_says_them(start_server):
    """So the refusals above are for who says it, and not for what is said."""
    server = start_server("--appendonly", "yes")
    with server.client() as db:
        for _, key, payload in INTERNAL[:3]:
            load(server, db, [[b"SELECT", b"0"], [b"RL._EFFECT", key.encode(), b"STORE", ends_at(DAY), payload]])
            assert db.keys() == [key]
            assert db.do(f"PEXPIRETIME {key}") == int(ends_at(DAY))


@pytest.mark.parametrize(("kind", "key", "payload"), [INTERNAL[3], *INTERNAL[5:7]])
def test_so_are_changes_and_operations(start_server, kind, key, payload):
    server = start_server("--appendonly", "yes")
    there = [b"RL._EFFECT", b"k", b"STORE", ends_at(HOUR), STORED[3].payload]
    with server.client() as db:
        load(server, db, [[b"SELECT", b"0"], there])
        before = db.digest("k")
        effect = [b"RL._EFFECT", key.encode(), kind.encode(), ends_at(DAY), payload]
        load(server, db, [[b"SELECT", b"0"], there, effect])
        assert db.digest("k") != before
        assert db.do("PEXPIRETIME k") == int(ends_at(DAY))


STORE, APPLY, PERFORM = STORED[1].payload, APPLIED[3].payload, PERFORMED[9].payload
A_HOLD = STORED_ALWAYS[3].payload
TOO_LARGE = [(SLIDING, log()), (APPROX, weights(0, 0, 0)), (CONCURRENT, leases())]
MALFORMED = [
    *(("STORE", payload) for payload in (b"\x02" + STORE[1:], STORE[:-1], STORE + b"\0", b"")),
    *(("STORE", payload) for payload in (A_HOLD[:-1], A_HOLD[:1] + b"\1" + A_HOLD[2:])),
    ("STORE", value([limit(FIXED, 10, MINUTE)], [window(BASE, 1)], reservations())),
    ("STORE", value([limit(FIXED, 10, MINUTE)], [window(BASE, 1)], reservations(turn=BASE))),
    *(
        ("STORE", value([limit(FIXED, 10, MINUTE)], [window(BASE, 1)], reservations(block=end, length=length)))
        for end, length in ((BASE, 0), (-1, 1), (LATEST + 1, 1), (BASE, -1), (BASE, 3650 * DAY + 1))
    ),
    ("STORE", bytes([1, NO_LIMITS | SEVERAL_LISTS])),
    ("STORE", bytes([1, NO_LIMITS | HAS_TABLE]) + b"\1" + b"x" * 16),  # limits that are stored, and are none
    ("STORE", bytes([1, NO_LIMITS - 1])),
    ("FORGET", b""),  # whom?
    *(
        ("STORE", value([limit(FIXED, 10, MINUTE)], [window(BASE, 1)], reservations(hold, as_of=BASE)))
        for hold in (
            Hold(BASE, 1, b"a", flags=2),
            Hold(BASE, 1, b"a", flags=SETTLED, charges=(1,)),
            Hold(BASE, 1, b"a", charges=(2,)),
        )
    ),
    *(
        ("STORE", value([limit(FIXED, 10, MINUTE)], [window(BASE, 1)], reserved))
        for reserved in (
            reservations(Hold(BASE, 1, b"a"), as_of=BASE, uneven=2),
            reservations(Hold(BASE, 1, b"a"), as_of=BASE, uneven=1),
            reservations(turn=BASE, wait=1, uneven=1),
        )
    ),
    *(
        ("STORE", value([limit(FIXED, 10, MINUTE)], [window(BASE, 1)], last_grants=(last,)))
        for last in (-1, LATEST + 1)
    ),
    ("STORE", value([limit(CONCURRENT, 10, MINUTE)], [leases((BASE, 1, b"a"), longest=0)])),
    ("STORE", value([limit(CONCURRENT, 10, MINUTE)], [leases((BASE, 1, b"a"), longest=3650 * DAY + 1)])),
    ("STORE", value([limit(TOKENBUCKET, 10, MINUTE, 1)], [struct.pack("<QIBI", BASE | INDEBTED, 0, 2, 1)])),
    *(("APPLY", payload) for payload in (b"\x02" + APPLY[1:], APPLY[:-1], APPLY + b"\0", APPLY[:-6], b"")),
    *(("STORE", value([limit(algorithm, 2**32, MINUTE)], [state])) for algorithm, state in TOO_LARGE),
    ("STORE", value([limit(FIXED, 2**53, MINUTE)], [window(BASE, 1)])),
    ("STORE", value([limit(FIXED, 10, MINUTE)], [window(BASE, 2**53)])),
    ("STORE", value([limit(CONCURRENT, 10, MINUTE)], [leases((BASE, 2**32, b"a"), longest=MINUTE)])),
    ("APPLY", change(grant(BASE, 0), text(b"a"))),
    ("APPLY", change(grant(BASE, 2**32), text(b"a"))),
    *(("PERFORM", operation(kind, BASE, units=2**53, span=SECOND, name=b"a")) for kind in range(1, 7)),
    ("APPLY", change(grant(-1, 1), text(b"a"))),
    ("APPLY", change(grant(LATEST + 1, 1), text(b"a"))),
    ("APPLY", change(grant(BASE, 1), text(b"x" * 65))),
    *(("PERFORM", PERFORM[:size]) for size in range(len(PERFORM))),
    *(("PERFORM", payload) for payload in (b"\x02" + PERFORM[1:], b"\0" + PERFORM[1:], PERFORM + b"\0")),
    *(("PERFORM", operation(kind, BASE, units=1, span=SECOND)) for kind in (0, 8, 255)),
    ("PERFORM", operation(CHARGE, BASE, span=SECOND, name=b"a")),
    *(("PERFORM", operation(kind, -1, units=1, span=SECOND)) for kind in range(1, 8)),
    *(("PERFORM", operation(kind, LATEST + 1, units=1, span=SECOND)) for kind in range(1, 8)),
    *(("PERFORM", operation(kind, BASE, units=1, span=-1)) for kind in range(1, 8)),
    *(("PERFORM", operation(kind, BASE, units=1, span=3650 * DAY + 1)) for kind in range(1, 8)),
    *(("PERFORM", operation(kind, BASE, units=1, span=SECOND, name=b"x" * 65)) for kind in range(1, 8)),
    ("PERFORM", operation(RESERVE, BASE, units=1, span=MS - 1, name=b"a")),
    ("PERFORM", operation(CHARGE, LATEST, units=1, span=1)),
    ("PERFORM", operation(CHARGE, LATEST - 3650 * DAY + 1, units=1, span=3650 * DAY)),
]


def test_what_the_module_does_not_know_is_refused_in_a_file_too_and_changes_nothing_and_the_log_says_so(start_server):
    server = start_server("--appendonly", "yes")
    there = STORED_ALWAYS[0].payload  # leases
    keys = [b"k%d" % number for number in range(len(MALFORMED))]
    good = [[b"RL._EFFECT", key, b"STORE", ends_at(HOUR), there] for key in keys]
    bad = [[b"RL._EFFECT", key, kind.encode(), ends_at(DAY), payload] for key, (kind, payload) in zip(keys, MALFORMED)]
    with server.client() as db:
        load(server, db, [[b"SELECT", b"0"], *good])
        before = db.do("DEBUG DIGEST")
        load(server, db, [[b"SELECT", b"0"], *(said for pair in zip(good, bad) for said in pair)])
        assert {key: db.do(f"PEXPIRETIME {key}") for key in db.keys()} == {
            key.decode(): int(ends_at(HOUR)) for key in keys
        }
        assert db.do("DEBUG DIGEST") == before
    refusals = [line for line in server.log().lower().splitlines() if "payload must be" in line]
    assert len(refusals) == len(MALFORMED)
    assert all("rl._effect" in line for line in refusals)


EVERYTHING = value(
    [
        limit(TOKENBUCKET, 20, SECOND, 7),
        limit(FIXED, 20, MINUTE),
        limit(SLIDING, 20, MINUTE),
        limit(LEAKYBUCKET, 2**32 - 1, 3650 * DAY, 2**32 - 1),
        limit(APPROX, 20, 7 * SECOND),
        limit(QUOTA, 20, UNITS_OF_QUOTAS["MONTH"], flags=ZONE, zone=b"Europe/Berlin"),
        limit(CONCURRENT, 20, MINUTE),
        limit(FIXED, 2**53 - 1, 3650 * DAY, flags=PER_REQUEST | LABEL, label=b"requests"),
    ],
    [bucket(0), window(0, 0), log(), bucket(0), weights(0, 0, 0), window(0, 0), leases(), window(0, 0)],
    reservations(
        Hold(BASE + SECOND, 5, b"a", charges=(5, 4, 3, 2, 1, 0)),
        Hold(LATEST + 3650 * DAY, 2**32 - 1, b"b", newer=2**64 - 1, named=ALL, charges=(1, 2, 0)),
        as_of=BASE,
    ),
)


def any_operation(rng: random.Random) -> bytes:
    """One that is well formed, though nobody would do it; also one that names what its kind does not use."""
    kind = rng.randrange(1, 8)
    at = rng.choice([0, 1, BASE, BASE + rng.randrange(10 * MINUTE), LATEST - 3650 * DAY, LATEST - DAY, LATEST])
    units = rng.choice([0, 1, 2, 5, 19, 21, 2**31, 2**32 - 1, 2**32, 2**53 - 1])
    span = rng.choice([0, 1, MS, SECOND, HOUR, 3650 * DAY])
    if kind in (CHARGE, RESERVE):
        units = max(units, 1)
    span = max(span, MS) if kind == RESERVE else min(span, LATEST - at) if kind == CHARGE else span
    named = rng.choice([ALL, 0, 1, 64, 128, rng.randrange(256)])
    return operation(kind, at, units, span, rng.choice([b"", b"a", b"b", b"c", b"\0" * 64]), named)


def test_any_operations_do_the_same_wherever_they_are_carried_out_and_leave_a_key_that_is_sound(start_server):
    print("RATELIMIT_TEST_SEED", SEED)
    rng = random.Random(SEED)
    server = start_server("--appendonly", "yes")
    keys = [b"k%d" % number for number in range(20)]
    said = [[b"RL._EFFECT", key, b"STORE", ends_at(HOUR), EVERYTHING] for key in keys]
    said += [[b"RL._EFFECT", rng.choice(keys), b"PERFORM", ends_at(DAY), any_operation(rng)] for _ in range(3000)]
    with server.client() as db:
        load(server, db, [[b"SELECT", b"0"], *said])
        before = db.do("DEBUG DIGEST")
        load(server, db, [[b"SELECT", b"0"], *said])
        assert db.do("DEBUG DIGEST") == before
        db.do("DEBUG RELOAD")
        assert db.do("DEBUG DIGEST") == before
        for now in (0, BASE, LATEST):
            Clock(db).set(now)
            for key in db.keys():
                assert db.ask(f"RL.PEEK {key}") and db.rl_info(key)
                settled = db.do(f"RL.SETTLE {key} nobody 5")
                assert settled is None or settled[0] == 5, "it is null if nothing but ended holds was left"
                settled = db.do(f"RL.SETTLE {key} b 5")
                assert settled is None or settled[6] == "unknown" or db.do(f"RL.SETTLE {key} b 6") == settled
    assert "payload must be" not in server.log()


@pytest.fixture
def pair(start_server) -> tuple[Server, Server]:
    """A primary and a replica with an append-only file of its own."""
    at_once = "--repl-diskless-sync-delay", "0"
    primary = start_server(*at_once)
    replica = start_server(*at_once, "--replicaof", "127.0.0.1", str(primary.port), "--appendonly", "yes")
    with primary.client() as db, replica.client() as copy:
        Clock(db).set(BASE)
        Clock(copy).set(BASE)
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to sync")
        eventually(lambda: not copy.info("persistence")["aof_rewrite_in_progress"], "the replica's file to begin anew")
    return primary, replica


GRANTS = [*LINES, *(effect.line for effect in STORED_ALWAYS)]
OPERATIONS = [[*effect.before, effect.line] for effect in (*STORED_LATER, *APPLIED, *PERFORMED, *REMOVED)]


def ask_everything(db: Client) -> None:
    for turn in range(3):
        Clock(db).advance(1_234_567_891)
        for number, line in enumerate(GRANTS):
            assert db.ask(line.replace(" k ", f" k{number} ", 1)).granted
        for number, lines in enumerate(OPERATIONS):
            for line in lines:  # a settled id cannot be reserved again
                db.do(line.replace(" k ", f" o{number} ", 1).replace("req-7", f"req-7{turn}"))


def test_a_replica_writes_the_effects_into_its_own_file(pair):
    """The server leaves that to the module. Without it a replica that was promoted and starts again knows nothing."""
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        ask_everything(db)
        assert db.wait(1, PATIENCE_S * 1000) == 1
        before = db.do("DEBUG DIGEST")
        assert copy.do("DEBUG DIGEST") == before
        copy.do("REPLICAOF NO ONE")
        copy.do("DEBUG LOADAOF")
        assert copy.do("DEBUG DIGEST") == before


def test_a_replica_counts_the_effects_as_changes_that_it_has_to_save(pair):
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        before = copy.changes()
        ask_everything(db)
        assert db.wait(1, PATIENCE_S * 1000) == 1
        assert copy.changes() - before == db.changes() >= 3 * (len(GRANTS) + len(OPERATIONS))


def test_a_replica_of_a_replica_hears_the_same(pair, start_server):
    primary, replica = pair
    last = start_server("--replicaof", "127.0.0.1", str(replica.port))
    with primary.client() as db, replica.client() as copy, last.client() as second:
        eventually(lambda: second.info("replication")["master_link_status"] == "up", "the second replica to sync")
        ask_everything(db)
        assert db.wait(1, PATIENCE_S * 1000) == 1
        offset = db.info("replication")["master_repl_offset"]
        eventually(lambda: second.info("replication")["slave_repl_offset"] >= offset, "the second replica to catch up")
        assert copy.do("DEBUG DIGEST") == second.do("DEBUG DIGEST") == db.do("DEBUG DIGEST")


def test_a_writable_replica_refuses_effects_from_clients_too(pair):
    _, replica = pair
    with replica.client() as copy:
        copy.config_set("replica-read-only", "no")
        for kind, key, payload in INTERNAL:
            assert copy.error("RL._EFFECT", key, kind, 0, payload) == REFUSAL
        assert copy.dbsize() == 0
