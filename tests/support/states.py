# SPDX-License-Identifier: MIT
"""Keys in every state that is worth remembering, and all that can be asked about them."""

from __future__ import annotations

from itertools import chain

from harness import BASE, HOUR, MINUTE, SECOND, Client, Clock

LATER = [0, 1, 3 * SECOND, MINUTE, HOUR, 25 * HOUR]

EVERY_ALGORITHM = (
    "TOKENBUCKET 30 7 60s LEAKYBUCKET 30 7 60s FIXED 30 60s FIXED 30 1h ALIGNED AS f"
    " SLIDING 30 60s SLIDING 30 60s APPROX QUOTA 30 DAY TZ Asia/Tokyo CONCURRENT 30 1m"
)

# Keys in states that are worth remembering, and how they come to be: half a minute before BASE, and at BASE.
EARLIER = {
    "approx": ["RL.SLIDING approx 10 40s APPROX COST 5"],
    "leases": [f"RL.CONCURRENT leases 10 2m ID worker-{number}" for number in (2, 1, 3)],
    "ended": ["RL.CONCURRENT ended 10 10s COST 4", "RL.CONCURRENT ended 10 10s COST 3 ID b"],
    "holds": ["RL.RESERVE holds 90s SLIDING 50 1h TOKENBUCKET 100 1 1s AS b COST 7 ID a"],
    "collected": ["RL.RESERVE collected 10s SLIDING 50 1h COST 7 ID a", "RL.SLIDING collected 50 1h COST 5"],
    "once": ["RL.RESERVE once 10s FIXED 10 1d COST 7 ID a", "RL.SETTLE once a 3"],
}
STATES = {
    "bucket": ["RL.TOKENBUCKET bucket 7 7 60s COST 6"],
    "largest": ["RL.TOKENBUCKET largest 4294967295 4294967295 3650d COST 4294967295"],
    "fixed": ["RL.FIXED fixed 10 60s COST 3"],
    "aligned": ["RL.FIXED aligned 10 1h ALIGNED COST 10"],
    "several": ["RL.CHECK several TOKENBUCKET 20 10 1m AS burst FIXED 100 1d PER REQUEST SLIDING 50 1h COST 3"],
    "eight": ["RL.CHECK eight " + " ".join(f"FIXED {size} 60s AS {'l' * 60}{size}" for size in range(10, 18))],
    "leaky": ["RL.LEAKYBUCKET leaky 7 7 60s COST 6"],
    "approx": ["RL.SLIDING approx 10 40s APPROX COST 3"],
    "quota": ["RL.QUOTA quota 100 DAY COST 97"],
    "large": [
        "RL.QUOTA large 9007199254740991 QUARTER COST 9007199254740990",
        "RL.FIXED large 9007199254740991 30d AS all COST 4294967297 FORCE",
    ],
    "closed": ["RL.CHECK closed FIXED 0 1h SLIDING 0 60s QUOTA 0 DAY COST 7 FORCE"],
    "month": ["RL.QUOTA month 1000 MONTH TZ America/New_York AS month COST 996"],
    "anchored": ["RL.QUOTA anchored 1000 QUARTER ANCHOR 2026-01-31T06:00 TZ Europe/Berlin COST 996"],
    "leases": ["RL.CONCURRENT leases 10 2m ID worker-2 COST 2", "RL.CONCURRENT leases 10 2m COST 3"],
    "debt": ["RL.TOKENBUCKET debt 10 7 60s COST 25 FORCE"],
    "deepest": ["RL.LEAKYBUCKET deepest 4294967295 4294967295 3650d COST 4294967295 FORCE"] * 3,
    "overdrawn": ["RL.CHECK overdrawn FIXED 10 60s SLIDING 5 1h SLIDING 7 1h APPROX QUOTA 3 WEEK COST 9 FORCE"],
    "blocked": ["RL.TOKENBUCKET blocked 10 7 60s COST 8", "RL.BLOCK blocked 2h"],
    "owing": [
        "RL.CHECK owing FIXED 10 1h SLIDING 10 60s CONCURRENT 10 60s COST 12 FORCE ID a",
        "RL.BLOCK owing 3s",
    ],
    "turn": ["RL.FIXED turn 10 60s COST 10", "RL.FIXED turn 10 60s COST 5 MAXWAIT 2m"],
    "holds": [
        "RL.SLIDING holds 50 1h",
        "RL.RESERVE holds 2h SLIDING 50 1h TOKENBUCKET 100 1 1s AS b COST 4 ID b",
        "RL.RESERVE holds 2h SLIDING 50 1h TOKENBUCKET 100 1 1s AS b COST 5",
    ],
    "everything": [
        f"RL.RESERVE everything 2h {EVERY_ALGORITHM} COST 4 ID a",
        f"RL.RESERVE everything 1m {EVERY_ALGORITHM} COST 20 ID b",
        "RL.SETTLE everything b 30",
        "RL.REFUND everything 1",
    ],
    "settled": [
        "RL.RESERVE settled 1h FIXED 100 1d FIXED 40 1h AS small COST 60 ID uneven",
        "RL.RESERVE settled 2h FIXED 100 1d COST 30 ID over",
        "RL.SETTLE settled over 25",
    ],
    # Costs that differ by limit: holds of each kind, one of them settled, and one that grew.
    "charged": [
        "RL.RESERVE charged 2h FIXED 100 1d AS in SLIDING 90 1h AS out COST 9 ID even",
        "RL.RESERVE charged 2h FIXED 100 1d AS in SLIDING 90 1h AS out CHARGE in 30 CHARGE out 2 ID a",
        "RL.RESERVE charged 1m FIXED 100 1d AS in SLIDING 90 1h AS out CHARGE in 0 CHARGE out 20 ID b",
        "RL.RESERVE charged 2h FIXED 100 1d AS in SLIDING 90 1h AS out CHARGE in 31 CHARGE out 7 ID a",
        "RL.SETTLE charged even 0 CHARGE in 4 CHARGE out 11",
        "RL.CHECK charged FIXED 100 1d AS in SLIDING 90 1h AS out CHARGE in 3 CHARGE out 1",
    ],
    # Under several lists: buckets, windows and requests; leases and logs; all that there is.
    "accounts": [
        "RL.TOKENBUCKET accounts 20 7 60s COST 12",
        "RL.FIXED accounts 9 60s",
        "RL.CHECK accounts SLIDING 30 1h AS log TOKENBUCKET 50 7 60s PER REQUEST COST 3",
        "RL.TOKENBUCKET accounts 20 7 60s",
    ],
    "met": [
        "RL.CONCURRENT met 5 1m COST 2 ID a",
        "RL.CONCURRENT met 9 2h COST 3 ID b",
        "RL.CHECK met CONCURRENT 9 2h SLIDING 30 1h COST 2 ID c",
        "RL.SLIDING met 7 2h",
        "RL.CONCURRENT met 5 1m ID b",
    ],
    "crossed": [
        "RL.RESERVE crossed 2h SLIDING 30 1h CONCURRENT 9 1h COST 8 ID a",
        "RL.CHECK crossed TOKENBUCKET 20 7 60s SLIDING 9 1h APPROX COST 2 FORCE",
        "RL.RESERVE crossed 1h SLIDING 30 1h CONCURRENT 9 1h ID b",
        "RL.QUOTA crossed 40 DAY TZ Asia/Tokyo COST 30 MAXWAIT 1d",
    ],
}

# Large ones: a log, and what one list has in a log and another in leases. A moment lies between the lines.
LARGE = {
    "log": [f"RL.SLIDING log 4294967295 1h COST {cost}" for cost in (*range(1, 300), 2**32 - 100_000)],
    "crowd": [
        line
        for number in range(150)
        for line in (
            f"RL.SLIDING crowd 100000 1h COST {number + 1}",
            f"RL.CHECK crowd SLIDING 100 2h CONCURRENT 500 1h PER REQUEST COST 7 FORCE ID w{number % 140}",
        )
    ],
}


def fill(db: Client) -> list[str]:
    """The states above, the large ones in the moment after BASE; the names of the keys. The clock is held."""
    clock = Clock(db)
    for at, lines in ((BASE - 30 * SECOND, EARLIER), (BASE, STATES)):
        clock.set(at)
        for line in chain.from_iterable(lines.values()):
            assert db.do(line), line
    for line in chain.from_iterable(LARGE.values()):
        clock.advance(1_234_567)
        assert db.do(line)[0], line
    return [*dict.fromkeys([*EARLIER, *STATES, *LARGE])]


def picture(db: Client, keys: list[str]) -> list:
    """All that can be asked about these keys, now and later."""
    clock, seen = Clock(db), []
    for later in LATER:
        clock.set(BASE + later)
        for key in keys:
            seen += [db.ask(f"RL.PEEK {key}"), db.ask(f"RL.PEEK {key} COST 4"), info(db, key)]
            seen += [db.do(f"PEXPIRETIME {key}"), db.digest(key)]
    clock.set(BASE)
    return [*seen, db.do("DEBUG DIGEST")]


def info(db: Client, key: str) -> tuple[int, list]:
    """What RL.INFO says and a file keeps."""
    said = db.rl_info(key)
    return said["holds"], said["limits"]
