#!/usr/bin/python3
"""Writes the corpus that the fuzz targets begin with: tests/fuzz/corpus/TARGET/NAME, a few small files each.

Written from docs/format.md and not with the module's own codec, so that it shows whether the page is true. Run it after
the format or the grammar has grown; what it writes is kept in git.
"""

from __future__ import annotations

import random
import shutil
import struct
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"

MS = 10**6
SECOND = 1000 * MS
DAY = 86_400 * SECOND
TODAY = 19_782 * DAY  # 2024-02-29
LATEST = 84_006 * DAY  # 2200-01-01
LONGEST = 3650 * DAY
MOST = 2**32 - 1


# --- the binary form --------------------------------------------------------------------------------


def limit(algorithm: int, size: int, span: int, refill: int = 0, flags: int = 0, label: bytes = b"") -> bytes:
    flags |= 4 if label else 0
    return struct.pack("<BBIIq", algorithm, flags, size, refill, span) + (bytes([len(label)]) + label if label else b"")


def bucket(size: int, refill: int, period: int, **options) -> bytes:
    return limit(1, size, period, refill, **options)


def fixed(size: int, window: int, **options) -> bytes:
    return limit(2, size, window, **options)


def sliding(size: int, window: int, **options) -> bytes:
    return limit(3, size, window, **options)


def variable(number: int) -> bytes:
    low = bytes()
    while number >= 0x80:
        low += bytes([number & 0x7F | 0x80])
        number >>= 7
    return low + bytes([number])


def instant(when: int, number: int) -> bytes:
    """The state of a bucket or a window; also the change of any limit."""
    return struct.pack("<qI", when, number)


def log(*entries: tuple[int, int]) -> bytes:
    return struct.pack("<I", len(entries)) + b"".join(variable(step) + variable(units) for step, units in entries)


def value(limits: list[bytes], states: list[bytes], changes: list[bytes] | None = None) -> bytes:
    """An input of the target `decoder`: the length of a value, the value, and a change of it."""
    encoded = bytes([1, len(limits)]) + b"".join(limits) + b"".join(states)
    change = b"" if changes is None else b"\1" + b"".join(changes)
    return struct.pack("<H", len(encoded)) + encoded + change


IDLE = bytes(12)
EMPTY = log()
TICK = TODAY // 500  # of a log over a minute, whose grid is 500 ns
GRANTED_TODAY = instant(TODAY + 3 * SECOND, 1)

DECODER = {
    "bucket-idle": value([bucket(20, 10, SECOND)], [IDLE]),
    "bucket-used": value([bucket(20, 7, 60 * SECOND)], [instant(TODAY + 8_571_428_571, 3)], [instant(TODAY, 2)]),
    "bucket-largest": value([bucket(MOST, MOST, LONGEST)], [instant(LATEST + LONGEST, 0)], [instant(LATEST, 0)]),
    "bucket-odd": value([bucket(1000, 999_999_937, SECOND + 1)], [instant(TODAY, 999_999_936)]),
    "fixed-idle": value([fixed(5, 60 * SECOND)], [IDLE]),
    "fixed-used": value([fixed(5, 60 * SECOND)], [instant(TODAY + 60 * SECOND, 3)], [instant(TODAY, 5)]),
    "fixed-aligned": value([fixed(100, DAY, flags=3, label=b"per-day")], [instant(TODAY + DAY, 1)]),
    "fixed-shortest": value([fixed(1, MS)], [instant(TODAY, MOST)], [IDLE]),
    "fixed-of-the-future": value([fixed(MOST, LONGEST, flags=1)], [instant(LATEST + LONGEST, MOST)]),
    "sliding-idle": value([sliding(5, 60 * SECOND)], [EMPTY], [GRANTED_TODAY]),
    "sliding-used": value(
        [sliding(1000, 60 * SECOND)], [log((TICK, 1), (2_000_000, 200), (4_000_000, 1))], [GRANTED_TODAY]
    ),
    "sliding-full": value([sliding(3, 60 * SECOND)], [log((TICK, 1), (1, 1), (1, 1))], [GRANTED_TODAY]),
    "sliding-all-units": value([sliding(MOST, 60 * SECOND)], [log((TICK, MOST - 1), (1, 1))], [GRANTED_TODAY]),
    "sliding-of-the-future": value([sliding(9, LONGEST)], [log((0, 1), (LATEST // (2 * SECOND), 8))]),
    "sliding-finest": value([sliding(9, MS + 1)], [log((TODAY, 3), (1, 3), (MS // 2, 3))], [instant(TODAY + MS, 9)]),
    "sliding-long": value([sliding(5000, 60 * SECOND)], [log((TICK, 1), *[(7 * i + 1, i % 5 + 1) for i in range(400)])]),
    "two-limits": value(
        [bucket(20, 10, SECOND), sliding(7, 3600 * SECOND, label=b"hour")],
        [instant(TODAY + 200 * MS, 0), log((TODAY // 50_000, 2))],
        [instant(TODAY, 0), instant(TODAY, 1)],
    ),
    "eight-limits": value(
        [fixed(size, 60 * SECOND, flags=size % 4) for size in range(1, 9)], [instant(TODAY, size) for size in range(8)]
    ),
    "labels": value([bucket(1, 1, SECOND, label=b"a" * 64), fixed(1, SECOND, label=b"~!#")], [IDLE, IDLE]),
    "label-twice": value([fixed(1, SECOND, label=b"fixed"), fixed(1, SECOND)], [IDLE, IDLE]),
    "label-not-valid": value([fixed(1, SECOND, label=b'a"')], [IDLE]),
    "aligned-bucket": value([bucket(1, 1, SECOND, flags=1)], [IDLE]),
    "bucket-too-slow": value([bucket(2, 1, LONGEST)], [IDLE]),
    "version-2": struct.pack("<H", 32) + b"\2\1" + bucket(20, 10, SECOND) + IDLE,
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
""".splitlines()

# --- steps ------------------------------------------------------------------------------------------


def steps(seed: int) -> bytes:
    """Limits and steps: any bytes are some. Many small numbers, for these are the choices."""
    rng = random.Random(seed)
    return bytes(rng.choice([rng.randrange(8), rng.randrange(256)]) for _ in range(20 + 8 * seed))


def write(target: str, inputs: dict[str, bytes]) -> None:
    shutil.rmtree(CORPUS / target, ignore_errors=True)
    (CORPUS / target).mkdir(parents=True)
    for name, content in inputs.items():
        (CORPUS / target / name).write_bytes(content)


write("decoder", DECODER)
write("arguments", {f"call-{number:02}": line.encode() for number, line in enumerate(ARGUMENTS)})
write("steps", {f"steps-{seed:02}": steps(seed) for seed in range(24)})
