#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the corpus that the fuzz targets begin with: tests/fuzz/corpus/TARGET/NAME, a few small files each.

Written from docs/format.md and not with the module's own codec, so that it shows whether the page is true. Run it after
the format or the grammar has grown; what it writes is kept in git.
"""

from __future__ import annotations

import gzip
import random
import shutil
import struct
import zlib
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"

MS = 10**6
SECOND = 1000 * MS
DAY = 86_400 * SECOND
TODAY = 19_782 * DAY  # 2024-02-29
LATEST = 84_006 * DAY  # 2200-01-01
LONGEST = 3650 * DAY
MOST = 2**32 - 1
MOST_OF_WINDOWS = 2**53 - 1


# --- the binary form --------------------------------------------------------------------------------


def text(content: bytes) -> bytes:
    return bytes([len(content)]) + content


def limit(
    algorithm: int,
    size: int,
    span: int,
    refill: int = 0,
    flags: int = 0,
    label: bytes = b"",
    zone: bytes = b"",
    anchor: int | None = None,
) -> bytes:
    flags |= (4 if label else 0) | (8 if zone else 0) | (16 if anchor is not None else 0)
    names = (text(zone) if zone else b"") + (text(label) if label else b"")
    names = (struct.pack("<I", anchor) if anchor is not None else b"") + names
    return bytes([algorithm, flags]) + variable(size) + variable(refill) + struct.pack("<q", span) + names


def bucket(size: int, refill: int, period: int, **options) -> bytes:
    return limit(1, size, period, refill, **options)


def fixed(size: int, window: int, **options) -> bytes:
    return limit(2, size, window, **options)


def sliding(size: int, window: int, **options) -> bytes:
    return limit(3, size, window, **options)


def leaky(size: int, leak: int, period: int, **options) -> bytes:
    return limit(4, size, period, leak, **options)


def approx(size: int, window: int, **options) -> bytes:
    return limit(5, size, window, **options)


HOUR_UNIT, DAY_UNIT, WEEK_UNIT, MONTH_UNIT, YEAR_UNIT, QUARTER_UNIT = range(1, 7)


def quota(size: int, unit: int, **options) -> bytes:
    return limit(6, size, unit, **options)


def concurrent(size: int, lease: int, **options) -> bytes:
    return limit(7, size, lease, **options)


def variable(number: int) -> bytes:
    low = b""
    while number >= 0x80:
        low += bytes([number & 0x7F | 0x80])
        number >>= 7
    return low + bytes([number])


def level(full_at: int, fraction: int) -> bytes:
    """The state of a bucket."""
    return struct.pack("<qI", full_at, fraction)


def instant(when: int, units: int) -> bytes:
    """The state of a window; also the change of a log or of leases."""
    return struct.pack("<q", when) + variable(units)


def in_debt(full_at: int, fraction: int, debt: int) -> bytes:
    return struct.pack("<QIBI", full_at | 1 << 63, fraction, 0, debt)


def cut_off(full_at: int, fraction: int, units: int) -> bytes:
    return struct.pack("<QIBI", full_at | 1 << 63, fraction, 1, units)


def two_windows(start: int, previous: int, current: int) -> bytes:
    return struct.pack("<qII", start, previous, current)


def leases(*holders: tuple[int, int, bytes], longest: int = 30 * SECOND) -> bytes:
    """Each its end, units and id."""
    held = b"".join(instant(end, units) + text(id) for end, units, id in holders)
    return struct.pack("<I", len(holders)) + held + (struct.pack("<q", longest) if holders else b"")


SETTLED = 1


def reserved(
    *holds: tuple[int, int, int, bytes],
    turn: int = 0,
    wait: int = 0,
    block: int = 0,
    length: int = 0,
    as_of: int = 0,
    named: int = 1,
    flags: int = 0,
    charges: tuple[int, ...] = (),
) -> bytes:
    """Each its end, units, what was charged since, and id. `charges`: accounts are counted each for itself, and so much
    is what a hold has charged each of the eight, and those opened later.
    """
    holders = b"".join(
        instant(end, units)
        + variable(newer)
        + bytes([named, flags])
        + b"".join(variable(units) + variable(newer) for units in charges)
        + text(id)
        for end, units, newer, id in holds
    )
    return struct.pack("<qqqqqBI", turn, wait, block, length, as_of, bool(charges), len(holds)) + holders


COLLECT, CHARGE, REFUND, RESERVE, SETTLE, RELEASE, BLOCK = range(1, 8)
NO_LIMITS = 15


def operation(kind: int, at: int, units: int = 0, span: int = 0, id: bytes = b"", named: int = 255) -> bytes:
    return struct.pack("<Bq", kind, at) + variable(units) + struct.pack("<q", span) + text(id) + bytes([named])


def log(*entries: tuple[int, int]) -> bytes:
    return struct.pack("<I", len(entries)) + b"".join(variable(step) + variable(units) for step, units in entries)


STORED, SHADOW = 1, 2
SECRET = bytes(range(16))


def subject_table(flags: int) -> bytes:
    """What a key is besides one subject."""
    return bytes([flags]) + SECRET


def body(
    limits: list[bytes],
    states: list[bytes],
    reservations: bytes = b"",
    besides: bytes = b"",
    last_grants: tuple[int, ...] = (),
) -> bytes:
    count = len(limits) | (128 if reservations else 0) | (64 if besides else 0) | (32 if last_grants else 0)
    grants = struct.pack(f"<{len(last_grants)}q", *last_grants)
    return bytes([count]) + b"".join(limits) + b"".join(states) + grants + reservations + besides


def value(
    limits: list[bytes],
    states: list[bytes],
    payload: list[bytes] | None = None,
    reservations: bytes = b"",
    besides: bytes = b"",
    last_grants: tuple[int, ...] = (),
) -> bytes:
    """An input of the target `decoder`: the length of a value, the value, and a payload: a change of it, an operation
    on it, a definition, a sweep, or a chunk of its table or of its history.
    """
    encoded = b"\1" + body(limits, states, reservations, besides, last_grants)
    return struct.pack("<H", len(encoded)) + encoded + (b"" if payload is None else b"\1" + b"".join(payload))


def with_no_limits(reservations: bytes) -> bytes:
    """The value of a subject that was never asked under any limit, and the end of its block."""
    encoded = bytes([1, NO_LIMITS | 128]) + reservations
    return struct.pack("<H", len(encoded)) + encoded + b"\1" + operation(BLOCK, TODAY)


def subject(
    hash: int,
    limits: list[bytes],
    states: list[bytes],
    reservations: bytes = b"",
    last_grants: tuple[int, ...] = (),
) -> bytes:
    """One of a chunk; without limits if they are known."""
    return struct.pack("<Q", hash) + body(limits, states, reservations, last_grants=last_grants)


def definition(limits: list[bytes], flags: int, at: int) -> bytes:
    return body(limits, [], besides=subject_table(flags)) + struct.pack("<q", at)


def sweep(first: int, last: int, at: int) -> bytes:
    return struct.pack("<QQq", first, last, at)


def counters(since: int, granted: int, denied: int, *labels: tuple[bytes, int, int, int]) -> bytes:
    """Counters of calls; of each label since when, how many had been granted before, and how many it has denied."""
    record = b"\1" + struct.pack("<q", since) + variable(granted) + variable(denied) + bytes([0, 0, len(labels)])
    for label, began, before, denied_by_label in labels:
        record += text(label) + struct.pack("<q", began) + variable(before) + variable(denied_by_label) + bytes(2)
    return record


def denial(name: bytes, label: bytes, first: int, last: int, times: int, wait: int) -> bytes:
    record = b"\2" + variable(len(name)) + name + text(label) + struct.pack("<qq", first, last)
    return record + variable(times) + struct.pack("<q", wait)


def counter(kind: int, name: bytes, count: int, error: int, age: tuple[int, int] | None = None) -> bytes:
    """Of those who were denied most (3), or near a limit most often (4); the first one has the age of all."""
    begin = b"" if age is None else struct.pack("<q", age[0]) + variable(age[1])
    return bytes([kind]) + begin + variable(len(name)) + name + variable(count) + variable(error)


IDLE = bytes(9)
FULL = bytes(12)
EMPTY = log()
TICK = TODAY // 500  # of a log over a minute, whose grid is 500 ns
GRANTED_TODAY = instant(TODAY + 3 * SECOND, 1)
BOTH_JOBS = leases((TODAY + 30 * SECOND, 1, b"job:1"), (TODAY + 40 * SECOND, 2, b"job:2"))
A_HOLD = reserved((TODAY + 10 * SECOND, 100, 3, b"req-7"), as_of=TODAY + SECOND)
TWO_HOLDS_AND_A_TURN = reserved(
    (TODAY + 10 * SECOND, 1, 201, b"a"),
    (TODAY + 10 * SECOND, 2, 202, b"b"),
    turn=TODAY + 30 * SECOND,
    wait=29 * SECOND,
    as_of=TODAY + SECOND,
)

SMALLEST_HASH, LARGEST_HASH = 2, 2**64 - 2
FIVE_A_MINUTE = fixed(5, 60 * SECOND)
THREE_USED = instant(TODAY + 60 * SECOND, 3)
LIMITER = ([FIVE_A_MINUTE], [THREE_USED])
USERS = [
    subject(0x1BEDF54F03AC48BC, [], [instant(TODAY + 80 * SECOND, 2)]),
    subject(0xF66A302956A2BE74, [], [instant(TODAY + 60 * SECOND, 1)]),
]

HISTORY = [
    counters(TODAY, 7, 3, (b"fixed", TODAY + SECOND, 2, 3)),
    denial(b"bob", b"blocked", TODAY + SECOND, TODAY + SECOND, 1, 3600 * SECOND),
    denial(b"", b"fixed", TODAY, TODAY + 2 * SECOND, 2, 2**63 - 1),
    counter(3, b"alice", 9, 2, (TODAY, 2)),
    counter(3, b"bob", 2, 2),
    counter(4, b"carol", 1, 0, (TODAY, 0)),
]

DECODER = {
    "bucket-idle": value([bucket(20, 10, SECOND)], [FULL]),
    "bucket-used": value([bucket(20, 7, 60 * SECOND)], [level(TODAY + 8_571_428_571, 3)], [level(TODAY, 2)]),
    "bucket-largest": value([bucket(MOST, MOST, LONGEST)], [level(LATEST + LONGEST, 0)], [level(LATEST, 0)]),
    "bucket-odd": value([bucket(1000, 999_999_937, SECOND + 1)], [level(TODAY, 999_999_936)]),
    "fixed-idle": value([fixed(5, 60 * SECOND)], [IDLE]),
    "fixed-used": value([fixed(5, 60 * SECOND)], [instant(TODAY + 60 * SECOND, 3)], [instant(TODAY, 5)]),
    "fixed-aligned": value([fixed(100, DAY, flags=3, label=b"per-day")], [instant(TODAY + DAY, 1)]),
    "fixed-shortest": value([fixed(1, MS)], [instant(TODAY, MOST)], [IDLE]),
    "fixed-of-the-future": value([fixed(MOST, LONGEST, flags=1)], [instant(LATEST + LONGEST, MOST)]),
    "fixed-largest": value(
        [fixed(MOST_OF_WINDOWS, DAY)],
        [instant(TODAY + DAY, MOST_OF_WINDOWS - 1)],
        [operation(SETTLE, TODAY, MOST_OF_WINDOWS, id=b"gone")],
    ),
    "fixed-too-large": value([fixed(MOST_OF_WINDOWS + 1, DAY)], [IDLE]),
    "closed": value(
        [bucket(0, 10, SECOND), fixed(0, DAY), sliding(0, DAY), approx(0, DAY), quota(0, DAY_UNIT), concurrent(0, DAY)],
        [cut_off(TODAY, 0, 7), instant(TODAY + DAY, 3), EMPTY, bytes(16), IDLE, leases()],
        [operation(RESERVE, TODAY, MOST_OF_WINDOWS, DAY, b"req-7", named=63)],
    ),
    "closed-lists": value(
        [fixed(0, DAY, label=b"l%d" % number) for number in range(8)],
        [IDLE] * 8,
        [operation(RESERVE, TODAY, 5, DAY, b"req-7")],
    ),
    "sliding-idle": value([sliding(5, 60 * SECOND)], [EMPTY], [GRANTED_TODAY]),
    "sliding-used": value(
        [sliding(1000, 60 * SECOND)], [log((TICK, 1), (2_000_000, 200), (4_000_000, 1))], [GRANTED_TODAY]
    ),
    "sliding-full": value([sliding(3, 60 * SECOND)], [log((TICK, 1), (1, 1), (1, 1))], [GRANTED_TODAY]),
    "sliding-all-units": value([sliding(MOST, 60 * SECOND)], [log((TICK, MOST - 1), (1, 1))], [GRANTED_TODAY]),
    "sliding-of-the-future": value([sliding(9, LONGEST)], [log((0, 1), (LATEST // (2 * SECOND), 8))]),
    "sliding-finest": value([sliding(9, MS + 1)], [log((TODAY, 3), (1, 3), (MS // 2, 3))], [instant(TODAY + MS, 9)]),
    "sliding-long": value(
        [sliding(5000, 60 * SECOND)], [log((TICK, 1), *[(7 * i + 1, i % 5 + 1) for i in range(400)])]
    ),
    "two-limits": value(
        [bucket(20, 10, SECOND), sliding(7, 3600 * SECOND, label=b"hour")],
        [level(TODAY + 200 * MS, 0), log((TODAY // 50_000, 2))],
        [level(TODAY, 0), instant(TODAY, 1)],
    ),
    "eight-limits": value(
        [fixed(size, 60 * SECOND, flags=size % 4) for size in range(1, 9)], [instant(TODAY, size) for size in range(8)]
    ),
    "bucket-in-debt": value(
        [bucket(20, 10, SECOND)],
        [in_debt(TODAY + 2500 * MS, 0, 5)],
        [in_debt(TODAY + 2500 * MS, 0, 5)],
    ),
    "bucket-in-deepest-debt": value([bucket(5, 1, DAY)], [in_debt(LATEST + 2 * LONGEST, 0, 3650)]),
    "bucket-cut-off": value(
        [bucket(20, 10, SECOND)], [cut_off(TODAY + 2 * SECOND, 0, 5)], [cut_off(TODAY + 2100 * MS, 0, 5)]
    ),
    "bucket-cut-off-the-most": value([bucket(5, 1, DAY)], [cut_off(LATEST + LONGEST, 0, 3650)]),
    "leaky-used": value(
        [leaky(20, 7, 60 * SECOND)], [level(TODAY + 8_571_428_571, 3)], [operation(CHARGE, TODAY, 5, 500 * MS)]
    ),
    "leaky-in-debt": value([leaky(2, 7, 60 * SECOND)], [in_debt(TODAY + 25_714_285_714, 2, 1)]),
    "approx-idle": value([approx(100, 60 * SECOND)], [bytes(16)]),
    "approx-used": value(
        [approx(100, 60 * SECOND)],
        [two_windows(TODAY + 60 * SECOND, 40, 2)],
        [two_windows(TODAY + 60 * SECOND, 40, 3)],
    ),
    "approx-most": value([approx(MOST, MS)], [two_windows(TODAY, MOST, MOST)], [operation(REFUND, TODAY, 7)]),
    "approx-of-the-future": value([approx(9, LONGEST)], [two_windows(LATEST // LONGEST * LONGEST, 3, 0)]),
    "quota-day": value([quota(100, DAY_UNIT)], [instant(TODAY + DAY, 3)], [instant(TODAY + DAY, 4)]),
    "quota-in-a-zone": value(
        [quota(1000, MONTH_UNIT, zone=b"Europe/Berlin", label=b"month")],
        [instant(TODAY + 23 * 3600 * SECOND, 7)],
        [operation(SETTLE, TODAY + SECOND, 42, id=b"gone")],
    ),
    "quota-hours-of-half-an-hour": value([quota(5, HOUR_UNIT, zone=b"Australia/Lord_Howe", flags=2)], [IDLE]),
    "quota-anchored": value([quota(9, MONTH_UNIT, anchor=29_497_320)], [instant(TODAY + DAY, 3)]),
    "quota-anchored-in-a-zone": value([quota(9, QUARTER_UNIT, zone=b"Europe/Berlin", anchor=0)], [IDLE]),
    "quota-anchor-too-late": value([quota(9, DAY_UNIT, anchor=2**32 - 1)], [IDLE]),
    "fixed-with-an-anchor": value([fixed(9, 60 * SECOND, anchor=0)], [IDLE]),
    "quota-no-such-zone": value([quota(5, DAY_UNIT, zone=b"Europe/Nowhere")], [IDLE]),
    "quota-in-utc": value([quota(5, DAY_UNIT, zone=b"UTC")], [IDLE]),
    "quota-no-such-unit": value([quota(5, 7)], [IDLE]),
    "concurrent-idle": value([concurrent(5, 30 * SECOND)], [leases()], [instant(TODAY, 1), text(b"job:1")]),
    "concurrent-used": value(
        [concurrent(5, 30 * SECOND)], [BOTH_JOBS], [instant(TODAY + 20 * SECOND, 3), text(b"job:1")]
    ),
    "concurrent-released": value(
        [concurrent(5, 30 * SECOND)], [BOTH_JOBS], [operation(RELEASE, TODAY + 20 * SECOND, id=b"job:1")]
    ),
    "concurrent-nameless": value([concurrent(5, LONGEST)], [leases((LATEST + LONGEST, MOST, b""), longest=LONGEST)]),
    "concurrent-many": value(
        [concurrent(50, 30 * SECOND)],
        [leases(*[(TODAY + number * SECOND, 1 + number % 3, b"%064d" % number) for number in range(90)])],
        [operation(COLLECT, TODAY + 60 * SECOND)],
    ),
    "concurrent-not-in-order": value([concurrent(5, SECOND)], [leases((TODAY, 1, b"b"), (TODAY, 1, b"a"))]),
    "turn": value(
        [bucket(20, 10, SECOND)],
        [level(TODAY + 2500 * MS, 0)],
        [operation(CHARGE, TODAY + 100 * MS, 3, 700 * MS)],
        reserved(turn=TODAY + 500 * MS, wait=500 * MS),
    ),
    "block": value(
        [fixed(1000, 60 * SECOND)],
        [instant(TODAY + 60 * SECOND, 103)],
        [operation(BLOCK, TODAY + 2 * SECOND, span=30 * SECOND)],
        reserved(block=TODAY + 10 * SECOND, length=10 * SECOND),
    ),
    "block-without-limits": with_no_limits(reserved(block=TODAY + 10 * SECOND, length=10 * SECOND)),
    "hold-settled": value(
        [fixed(1000, 60 * SECOND)],
        [instant(TODAY + 60 * SECOND, 103)],
        [operation(SETTLE, TODAY + 2 * SECOND, 42, id=b"req-7")],
        A_HOLD,
    ),
    "hold-ended": value(
        [approx(1000, 60 * SECOND)],
        [two_windows(TODAY, 0, 103)],
        [operation(COLLECT, TODAY + 10 * SECOND)],
        A_HOLD,
    ),
    "hold-prolonged": value(
        [bucket(200, 10, SECOND), fixed(9, 60 * SECOND, flags=2)],
        [level(TODAY + 10_300 * MS, 0), instant(TODAY + 60 * SECOND, 2)],
        [operation(RESERVE, TODAY + 2 * SECOND, 100, 60 * SECOND, b"req-7")],
        A_HOLD,
    ),
    "holds-and-a-turn": value(
        [leaky(20, 10, SECOND), sliding(1000, 60 * SECOND), concurrent(5, 30 * SECOND)],
        [
            level(TODAY + 30_100 * MS, 0),
            log((TICK, 203), (60_000_000, 1)),
            leases((TODAY + 60 * SECOND, 1, b"d")),
        ],
        [operation(REFUND, TODAY + 2 * SECOND, 7)],
        TWO_HOLDS_AND_A_TURN,
    ),
    "hold-of-2-64": value(
        [sliding(5, 60 * SECOND)],
        [log((TICK, 5))],
        [operation(SETTLE, TODAY + SECOND, 0, id=b"")],
        reserved((TODAY + 10 * SECOND, MOST, 2**64 - 1, b"")),
    ),
    "hold-settled-already": value(
        [fixed(1000, 60 * SECOND)],
        [instant(TODAY + 60 * SECOND, 42)],
        [operation(SETTLE, TODAY + 2 * SECOND, 42, id=b"req-7")],
        reserved((TODAY + 10 * SECOND, 42, 0, b"req-7"), as_of=TODAY + SECOND, flags=SETTLED),
    ),
    "hold-uneven": value(
        [fixed(1000, 60 * SECOND), fixed(5, 60 * SECOND)],
        [instant(TODAY + 60 * SECOND, 100), instant(TODAY + 60 * SECOND, 5)],
        [operation(RESERVE, TODAY + 2 * SECOND, 200, 60 * SECOND, b"req-7", named=3)],
        reserved((TODAY + 10 * SECOND, 100, 0, b"req-7"), as_of=TODAY, named=3, charges=(100, 5, *[100] * 7)),
    ),
    "two-lists": value(
        [fixed(5, 60 * SECOND), sliding(3, 60 * SECOND)],
        [instant(TODAY + 60 * SECOND, 2), log((TICK, 2))],
        [operation(CHARGE, TODAY + SECOND, 1, named=2)],
        last_grants=(TODAY, TODAY),
    ),
    "two-lists-of-leases-and-a-hold": value(
        [concurrent(5, 30 * SECOND, label=b"a"), concurrent(2, 3600 * SECOND, label=b"a"), bucket(9, 9, SECOND)],
        [BOTH_JOBS, BOTH_JOBS, level(TODAY + SECOND, 0)],
        [operation(RESERVE, TODAY + SECOND, 4, 60 * SECOND, id=b"job:1", named=1)],
        A_HOLD,
        last_grants=(TODAY, TODAY + SECOND, TODAY),
    ),
    "table-with-two-lists": value(
        [fixed(5, 60 * SECOND)],
        [IDLE],
        [
            subject(
                SMALLEST_HASH, [fixed(5, 60 * SECOND), bucket(9, 9, SECOND)], [IDLE, FULL], last_grants=(TODAY, TODAY)
            ),
            subject(SMALLEST_HASH + 2, [], [IDLE, IDLE], last_grants=(TODAY, TODAY)),
        ],
        besides=subject_table(0),
    ),
    "nothing-reserved": value([fixed(5, 60 * SECOND)], [IDLE], reservations=reserved()),
    "limiter": value(*LIMITER, besides=subject_table(STORED)),
    "limiter-on-trial": value(*LIMITER, besides=subject_table(STORED | SHADOW)),
    "limiter-with-a-hold": value(*LIMITER, reservations=A_HOLD, besides=subject_table(STORED)),
    "limiter-with-two-users": value(*LIMITER, USERS, besides=subject_table(STORED)),
    "limiter-of-leases": value(
        [concurrent(5, 30 * SECOND), sliding(9, 60 * SECOND)],
        [leases(), EMPTY],
        [
            subject(SMALLEST_HASH, [], [BOTH_JOBS, log((TICK, 2), (7, 1))]),
            subject(LARGEST_HASH, [], [leases(), EMPTY], TWO_HOLDS_AND_A_TURN),
        ],
        besides=subject_table(STORED),
    ),
    "limiter-with-many": value(
        *LIMITER,
        [subject(hash << 55, [], [instant(TODAY + hash * SECOND, 1)]) for hash in range(1, 200)],
        besides=subject_table(STORED),
    ),
    "limiter-with-many-alike": value(
        *LIMITER, [subject(hash, [], [instant(TODAY, 1)]) for hash in range(2, 400, 2)], besides=subject_table(STORED)
    ),
    "table": value(*LIMITER, [subject(SMALLEST_HASH, [FIVE_A_MINUTE], [IDLE])], besides=subject_table(0)),
    "table-of-several-limits": value(
        *LIMITER,
        [
            subject(10, [FIVE_A_MINUTE], [THREE_USED]),
            subject(12, [], [THREE_USED]),
            subject(1 << 40, [bucket(20, 10, SECOND), sliding(9, 60 * SECOND)], [FULL, EMPTY], TWO_HOLDS_AND_A_TURN),
            subject(1 << 62, [FIVE_A_MINUTE], [IDLE]),
        ],
        besides=subject_table(0),
    ),
    "table-twice": value(*LIMITER, [USERS[0], USERS[0]], besides=subject_table(STORED)),
    "table-not-in-order": value(*LIMITER, [USERS[1], USERS[0]], besides=subject_table(STORED)),
    "table-odd-hash": value(*LIMITER, [subject(7, [], [IDLE])], besides=subject_table(STORED)),
    "table-limits-known": value(*LIMITER, [subject(8, [FIVE_A_MINUTE], [IDLE])], besides=subject_table(STORED)),
    "table-other-limits": value(*LIMITER, [subject(8, [fixed(6, 60 * SECOND)], [IDLE])], besides=subject_table(STORED)),
    "table-limits-of-nobody": value(*LIMITER, [subject(8, [], [IDLE])], besides=subject_table(0)),
    "table-cut-off": value(*LIMITER, [USERS[0], USERS[1][:-1]], besides=subject_table(STORED)),
    "table-in-a-table": value(
        *LIMITER, [struct.pack("<Q", 8) + body([], [IDLE], besides=subject_table(0))], besides=subject_table(STORED)
    ),
    "trial-of-nothing": value(*LIMITER, besides=subject_table(SHADOW)),
    "definition": value(*LIMITER, [definition([fixed(10, 60 * SECOND)], STORED | SHADOW, TODAY + 30 * SECOND)]),
    "definition-of-a-list": value(
        [sliding(1000, 60 * SECOND)],
        [log((TICK, 203), (60_000_000, 1))],
        [definition([bucket(20, 10, SECOND), concurrent(5, SECOND, label=b"held")], STORED, LATEST)],
        A_HOLD,
        subject_table(STORED),
    ),
    "definition-of-nothing": value(*LIMITER, [definition([], STORED, TODAY)]),
    "definition-not-stored": value(*LIMITER, [definition([FIVE_A_MINUTE], 0, TODAY)]),
    "sweep": value(*LIMITER, [sweep(SMALLEST_HASH, LARGEST_HASH, TODAY + 600 * SECOND)], besides=subject_table(STORED)),
    "sweep-of-one": value(*LIMITER, [sweep(8, 8, LATEST)], besides=subject_table(0)),
    "sweep-backwards": value(*LIMITER, [sweep(8, 6, TODAY)], besides=subject_table(0)),
    "history": value(*LIMITER, HISTORY, besides=subject_table(STORED)),
    "history-twice": value(*LIMITER, HISTORY + HISTORY, besides=subject_table(0)),
    "history-of-counters": value(*LIMITER, HISTORY[:1], besides=subject_table(STORED)),
    "history-of-denials": value(*LIMITER, HISTORY[1:3], besides=subject_table(0)),
    "history-of-near-ones": value(*LIMITER, HISTORY[5:], besides=subject_table(0)),
    "history-out-of-order": value(*LIMITER, HISTORY[::-1], besides=subject_table(STORED)),
    "labels": value([bucket(1, 1, SECOND, label=b"a" * 64), fixed(1, SECOND, label=b"~!#")], [FULL, IDLE]),
    "label-twice": value([fixed(1, SECOND, label=b"fixed"), fixed(1, SECOND)], [IDLE, IDLE]),
    "label-not-valid": value([fixed(1, SECOND, label=b'a"')], [IDLE]),
    "aligned-bucket": value([bucket(1, 1, SECOND, flags=1)], [FULL]),
    "bucket-too-slow": value([bucket(2, 1, LONGEST)], [FULL]),
    "version-2": struct.pack("<H", 26) + b"\2\1" + bucket(20, 10, SECOND) + FULL,
    "number-in-two-forms": value([sliding(5, 60 * SECOND)], [struct.pack("<I", 1) + b"\x85\0" + b"\1"]),
    "log-cut-off": value([sliding(5, 60 * SECOND)], [struct.pack("<I", 1 << 20) + variable(TICK)]),
    "nothing": b"",
}

# --- calls ------------------------------------------------------------------------------------------

ARGUMENTS = """\
RL.CHECK k
RL.CHECK
RL.CHECK k TOKENBUCKET 20 10 1s
RL.CHECK k TOKENBUCKET 20 10 1s FIXED 100 1m SLIDING 1000 1h COST 2
RL.CHECK k fixed 5 60 aligned as label per request cost 4294967295
RL.CHECK k FIXED 5 1d AS a FIXED 5 2h AS b FIXED 5 3m AS a
RL.CHECK k FIXED 1 1 FIXED 1 1 FIXED 1 1 FIXED 1 1 FIXED 1 1 FIXED 1 1 FIXED 1 1 FIXED 1 1 FIXED 1 1
RL.CHECK k FIXED 5 60s AS fixed-2 FIXED 5 60s FIXED 5 60s
RL.CHECK k COST 1 COST 2
RL.CHECK k COST 0
RL.CHECK k COST 1 SLIDING 4294967295 3650d
RL.CHECK k COST 9007199254740991 FIXED 9007199254740991 3650d MAXWAIT 0 JITTER 0ms
RL.CHECK k FIXED 9007199254740992 1d
RL.CHECK k TOKENBUCKET 0 1 1s CONCURRENT 0 1h QUOTA 0 DAY
RL.CHECK k SLIDING 4294967296 3651d
RL.CHECK k TOKENBUCKET 4294967295 1 3650d
RL.CHECK k FIXED 5 60s PER
RL.CHECK k FIXED 5 60s PER REQUEST PER REQUEST
RL.CHECK k FIXED 5 60s AS AS AS
RL.CHECK k SLIDING 5 60s ALIGNED
RL.CHECK k FIXED -1 1.5s
RL.CHECK k FIXED 01 +1s
RL.CHECK k FIXED  60s
RL.CHECK k FIXED 5 1ms COST
RL.CHECK k FIXED 5 1x xyzzy
RL.TOKENBUCKET k 20 7 60s AS burst PER REQUEST COST 3
RL.TOKENBUCKET k 20 7
RL.FIXED k 5 3650d ALIGNED AS day
RL.FIXED k 5 87600h FIXED 5 60s
RL.SLIDING k 1000000 500ms COST 7
RL.INFO k
RL.INFO k k
RL.CHECK k LEAKYBUCKET 20 10 1s QUOTA 100 DAY TZ Europe/Berlin CONCURRENT 5 30s ID job:1
RL.CHECK k SLIDING 100 1m APPROX AS a SLIDING 100 1m APPROX SLIDING 100 1m
RL.CHECK k SLIDING 100 1m APPROX APPROX
RL.CHECK k SLIDING 5 1m PER REQUEST APPROX COST 3 PARTIAL
RL.CHECK k QUOTA 100 HOUR TZ UTC QUOTA 100 WEEK TZ Etc/UTC QUOTA 100 MONTH AS m QUOTA 100 YEAR
RL.CHECK k QUOTA 100 DAY TZ Asia/Kathmandu TZ UTC
RL.CHECK k QUOTA 100 DAY TZ Europe/Nowhere
RL.CHECK k QUOTA 100 FORTNIGHT
RL.CHECK k QUOTA 100
RL.CHECK k FIXED 5 60s FORCE COST 4294967295
RL.CHECK k FIXED 5 60s MAXWAIT 1500ms ID a
RL.CHECK k FIXED 5 60s MAXWAIT 0
RL.CHECK k FIXED 5 60s PARTIAL FORCE
RL.CHECK k FIXED 5 60s FORCE FORCE
RL.CHECK k FIXED 5 60s ID
RL.CHECK k FIXED 5 60s ID a ID a
RL.CHECK k FIXED 5 60s ID 123456789.123456789.123456789.123456789.123456789.123456789.1234
RL.CHECK k FIXED 5 60s ID 123456789.123456789.123456789.123456789.123456789.123456789.12345
RL.LEAKYBUCKET k 20 7 60s MAXWAIT 2h
RL.LEAKYBUCKET k 2 1 3650d
RL.QUOTA k 100 MONTH TZ America/St_Johns AS monthly
RL.CONCURRENT k 5 30s ID job:1 COST 2
RL.SLIDING k 5 60s APPROX FORCE
RL.PEEK k QUOTA 100 DAY COST 7
RL.PEEK k QUOTA 100 DAY FORCE
RL.RESERVE k 30s QUOTA 1000 DAY COST 100 ID req-7
RL.RESERVE k 30s
RL.RESERVE k FIXED 5 60s
RL.SETTLE k req-7 0
RL.SETTLE k req-7 42 QUOTA 1000 DAY
RL.SETTLE k req-7 4294967296
RL.REFUND k 7
RL.REFUND k 7 8
RL.RELEASE k job:1
RL.RELEASE k 
RL.CHECK k FOR user:1
RL.CHECK k FIXED 5 60s FOR user:1 ALIGNED COST 2 JITTER 500ms HEADERS
RL.CHECK k FOR FOR FOR FOR
RL.CHECK k FOR 
RL.CHECK k FIXED 5 60s JITTER 0
RL.CHECK k HEADERS HEADERS
RL.CHECK k FIXED 5 60s SHADOW
RL.LEAKYBUCKET k 20 7 60s FOR s HEADERS JITTER 1s
RL.PEEK k FOR s COST 3
RL.PEEK k FOR s HEADERS
RL.RESERVE k 30s FOR s COST 100 ID req-7
RL.SETTLE k req-7 42 FOR s
RL.REFUND k 7 FOR s
RL.RELEASE k job:1 FOR s
RL.INFO k FOR s
RL.INFO k FOR
RL.DEFINE k TOKENBUCKET 20 10 1s
RL.DEFINE k FIXED 5 60s ALIGNED QUOTA 9 DAY TZ Europe/Berlin AS day SHADOW PER REQUEST
RL.DEFINE k SHADOW
RL.DEFINE k FIXED 5 60s AS a FOR s
RL.DEFINE k FOR s
RL.DEFINE k FIXED 5 60s FOR s SHADOW
RL.DEFINE k FIXED 5 60s COST 2
RL.CHECKALL 1 k
RL.CHECKALL 2 a b FIXED 5 60s SLIDING 7 1h APPROX FOR s  COST 2 JITTER 1s HEADERS
RL.CHECKALL 2 a b FIXED 5 60s
RL.CHECKALL 2 a b FOR s
RL.CHECKALL 2 FOR COST FOR FOR COST COST 3
RL.CHECKALL 0 a
RL.CHECKALL 65 a
RL.CHECKALL 3 a b
RL.CHECKALL 1 a FIXED 5 60s FIXED 5 60s
RL.TOP k
RL.TOP k 128
RL.TOP k 129
RL.TOP k 0
CL.THROTTLE k 15 30 60
CL.THROTTLE k 4294967294 4294967295 315360000 0
CL.THROTTLE k 1 1 315360000 1
CL.THROTTLE k 0 0 1 1 1
RL.CHECKALL 2 a b COSTS 0 4294967295 EACH FORCE FOR s t HEADERS
RL.CHECKALL 2 a b COSTS 1
RL.CHECKALL 2 a b COSTS 1 2 3
RL.CHECKALL 2 a b COSTS 1 FOR s t
RL.CHECKALL 2 a b COST 1 COSTS 1 1
RL.CHECK k BRIEF COST 2 FORCE JITTER 1s
RL.CHECK k FIXED 5 60s PARTIAL BRIEF
RL.CHECK k HEADERS BRIEF
RL.CHECK k CONCURRENT 5 60s BRIEF
RL.CONCURRENT k 5 60s BRIEF ID a
RL.LEAKYBUCKET k 20 7 60s BRIEF
RL.PEEK k CONCURRENT 5 60s BRIEF
RL.CHECK k QUOTA 100 MONTH ANCHOR 2026-01-31T06:00 TZ Europe/Berlin QUOTA 100 QUARTER ANCHOR 2024-02-29
RL.CHECK k QUOTA 100 DAY ANCHOR 2026-02-30
RL.BLOCK k 60s
RL.BLOCK k 0 FOR s
RL.BLOCK k 3651d
RL.RESET k
RL.RESET k FOR s
RL.TRANSFER k l
RL.TRANSFER k l FOR s
RL.TRANSFER k k FOR s
RL.CHECK k FIXED 5 60s AS in FIXED 9 60s AS out CHARGE in 3 CHARGE out 0 COST 2
RL.SETTLE k a 5 CHARGE out 2
RL.CHECK k FIXED 5 60s CHARGE fixed 1 PARTIAL
RL.RESERVE k 60s FIXED 5 60s JITTER 1s HEADERS
RL.RESERVEALL 2 a b 60s FIXED 5 60s SLIDING 7 1h FOR s t COSTS 0 3 ID req-7 EACH JITTER 1s HEADERS
RL.RESERVEALL 1 k 60s
RL.RESERVEALL 2 a b FIXED 5 60s FIXED 5 60s
RL.RESERVEALL 2 a b 60s FORCE
RL.SETTLEALL 2 a b req-7 42 FOR s t EACH
RL.SETTLEALL 2 a b req-7 -1
RL.SETTLEALL 1 k req-7
RL.CHECKEACH k FOR a b a
RL.CHECKEACH k FIXED 5 60s AS x COST 2 SLIDING 7 1h FOR COST FOR
RL.CHECKEACH k LEAKYBUCKET 5 1 1s FOR a
RL.TOP k 1024 NEAR
RL.TOP k NEAR 1
RL.LOG k
RL.LOG k 10000
RL.LOG k 10001
""".splitlines()

# --- steps ------------------------------------------------------------------------------------------


def steps(seed: int) -> bytes:
    """Limits and steps: any bytes are some. Many small numbers, for these are the choices."""
    rng = random.Random(seed)
    return bytes(rng.choice([rng.randrange(8), rng.randrange(256)]) for _ in range(20 + 8 * seed))


# --- lines of logs ----------------------------------------------------------------------------------

WHEN = "[10/Oct/2000:13:55:36 -0700]"
COMBINED = [
    f'203.0.113.9 - frank {WHEN} "GET /a/b?c=d HTTP/1.1" 200 2326',
    f'203.0.113.9 - - {WHEN} "GET / HTTP/1.1" 200 - "http://r.example/" "Agent \\"x\\" 1.0" "198.51.100.7"',
    f'www.example:443 2001:db8::1 - ada {WHEN} "POST /login HTTP/2.0" 302 17 "-" "-"',
    f'::ffff:203.0.113.9 - Ada King {WHEN} "\\x16\\x03" 400 0\n\n-',
]
JSON = [
    '{"time":"2026-11-30T13:26:40.123+01:00","client_ip":"203.0.113.9","request":{"path":"/a/b/c"},"bytes":17,"a":{"b":{"c":1}}}',
    '{"ts":1700000000.25,"request":{"remote_ip":"2001:db8::1","uri":"/"},"size":1.5,"a":{"b":{"c":["x",{"y":null}]}}}',
    '{"msec":"1700000000123","ip":"\\u00e9\\ud83d\\ude00\\n","path":"/","bytes":"0","a":{"b":{"c":true}}}\n{}',
]
CSV = [
    "time,subject,cost\n1700000000.5,user:42,3\n1700000001,nobody,1\n",
    '1700000000,"a, ""b"" c",5\r\n"2026-11-30 13:26:40",x,\n',
    "cost,subject,timestamp\n0,203.0.113.9,1700000000123456789\n",
]
MONITOR = [
    'OK\n1339518083.107412 [0 127.0.0.1:60866] "RL.CHECK" "api:free" "FOR" "user:42"',
    '1.5 [3 [::1]:6379] "SET" "a b" "12" "\\x41\\n\\""\n1.5 [0 lua] "EVALSHA" "abc" "1" "k"',
    '1.5 [0 unix:/tmp/socket] "RL.CHECKALL" "2" "a" "b"',
]


# --- http -------------------------------------------------------------------------------------------


def http(line: str, body: str = "", *fields: str) -> str:
    """A request; the first byte says how the backend answers."""
    length = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([f"{line} HTTP/1.1", "Host: x", *length, *fields, "", body])


HTTP = [
    http("POST /check", '{"key": "k", "limits": "TOKENBUCKET 20 10 1s AS burst", "cost": 2}'),
    http("POST /check", '{"limiter": "api", "subject": "bob", "mode": "partial"}', "X-Request-Timeout: 20ms"),
    http("POST /check", '{"key": "k", "algorithm": "token_bucket", "capacity": 10, "refill_rate": 0.5}'),
    http("POST /check", '{"key": "k", "algorithm": "quota", "limit": 10, "unit": "month"}', "X-Request-Id: a"),
    http("POST /check", '{"a": {"b": [1, null]}}', "Content-Type: application/json"),
    http("POST /reserve", '{"limiter": "api", "ttl": "30s", "id": "job", "cost": 9}'),
    http("POST /settle", '{"limiter": "api", "id": "job", "actual": 3}'),
    http("GET /auth?limits=FIXED+5+1m&subject=%41&cost=0"),
    http("GET /auth?limiter=api&by=X-Forwarded-For", "", "X-Forwarded-For: 1.1.1.1, 2.2.2.2"),
    http("GET /health/ready") + http("GET /metrics") + http("HEAD /health/live"),
    http("POST /check", "2\r\n{}\r\n0\r\n\r\n").replace("Content-Length: 17", "Transfer-Encoding: chunked"),
    http("POST /check", "", "Expect: 100-continue", "Content-Length: 2"),
    http("PUT /nowhere", "", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    http("GET /limiters?cursor=5461-17&match=api%3A*&count=9", "", "Authorization: Bearer t", "Origin: http://a"),
    http("GET /limiters/a%2F%ff/top?count=100", "", "Authorization: Bearer t")
    + http("OPTIONS /why", "", "Origin: http://a"),
    http("GET /why?limiter=%7Ba%7D&subject=%00%fe", "", "Authorization: Bearer t"),
]

# --- line_source ------------------------------------------------------------------------------------

# The first byte of an input is how many bytes come at once, less one.
LINES = b"one\r\ntwo\n\nthree\n"
PACKED = gzip.compress(LINES, mtime=0)
ZSTD = bytes.fromhex("28b52ffd0400") + struct.pack("<I", len(LINES) << 3 | 1)[:3] + LINES  # a block as it is
ZSTD += struct.pack("<I", zlib.crc32(LINES))  # a sum that is wrong
# A frame that says how much is in it: a block as it is, and one that is damaged.
ZSTD_DAMAGED = bytes.fromhex("28b52ffd20") + bytes([2 * len(LINES)])
ZSTD_DAMAGED += struct.pack("<I", len(LINES) << 3)[:3] + LINES + struct.pack("<I", 4 << 3 | 5)[:3] + b"\xff" * 4
FILES = [
    LINES,
    LINES[:-1],
    b"\xef\xbb\xbf" + LINES,
    b"\x1f",
    PACKED,
    PACKED + gzip.compress(b"x" * 300_000, mtime=0),
    PACKED[:-3],
    ZSTD,
    ZSTD.replace(b"\xfd\x04", b"\xfd\x00", 1)[:-4],
    ZSTD_DAMAGED,
]

# --- envoy_rules ------------------------------------------------------------------------------------

# Files of rules. The bytes behind the zero byte choose requests and answers.
ENVOY_RULES = [
    "domain: d\n",
    "domain: mongo_cps\ndescriptors:\n  - key: database\n    value: users\n    rate_limit:\n"
    "      unit: second\n      requests_per_unit: 500\n",
    "domain: d\ndescriptors:\n  - key: a\n    value: b\n    descriptors:\n      - key: c\n"
    "        rate_limit: {unit: day, requests_per_unit: 5}\n  - {key: c, rate_limit: {unlimited: true}}\n",
    "domain: d\ndescriptors:\n  - {key: a, value: a*b*, share_threshold: true, limit: FIXED 10 1h}\n"
    "  - {key: a, value_to_metric: true, limit: [TOKENBUCKET 20 10 1s AS burst, QUOTA 1000 MONTH]}\n",
    "domain: d\ndescriptors:\n  - {key: a, rate_limit: {name: x, unit: week, requests_per_unit: 1}}\n"
    "  - {key: b, rate_limit: {replaces: [{name: x}], unit: year, requests_per_unit: 2}}\n",
    "domain: d\ndescriptors:\n  - {key: a, quota_mode: true, limit: FIXED 1 1s, metadata: {m: {n: [1, 'x']}}}\n"
    "  - {key: b, quota_mode: true, limit: FIXED 2 1s}\n  - {key: c, shadow_mode: true, limit: FIXED 0 1s}\n"
    "  - {key: e, force: true, detailed_metric: true, limit: FIXED 9 1s}\n",
    "domain: d\ndescriptors: &all\n  - key: k\n    descriptors: *all\n",
    "domain: d\nfoo: 1\ndescriptors: [a, {key: ''}]\n",
    ",domain: d\n",
]


def write(target: str, inputs: dict[str, bytes]) -> None:
    shutil.rmtree(CORPUS / target, ignore_errors=True)
    (CORPUS / target).mkdir(parents=True)
    for name, content in inputs.items():
        (CORPUS / target / name).write_bytes(content)


write("decoder", DECODER)
write("arguments", {f"call-{number:02}": line.encode() for number, line in enumerate(ARGUMENTS)})
write("steps", {f"steps-{seed:02}": steps(seed) for seed in range(48)})
for name, lines in (("combined", COMBINED), ("json", JSON), ("csv", CSV), ("monitor", MONITOR)):
    write(f"{name}_log", {f"lines-{number:02}": text.encode() for number, text in enumerate(lines)})
write("line_source", {f"file-{number:02}": bytes([number * 28]) + file for number, file in enumerate(FILES)})
write("http", {f"request-{number:02}": bytes([number]) + text.encode() for number, text in enumerate(HTTP)})
envoy_rules = {}
for number, yaml in enumerate(ENVOY_RULES):
    choices = bytes(random.Random(number).randrange(256) for _ in range(200))
    envoy_rules[f"rules-{number:02}"] = yaml.encode() + b"\0" + choices
write("envoy_rules", envoy_rules)
