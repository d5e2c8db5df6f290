# SPDX-License-Identifier: MIT
"""The table of docs/operations.md, "Each operation in each situation": its cells are true under every algorithm."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from harness import BASE, HOUR, MS, REPOSITORY, SECOND, Client, Clock
from oracle_limits import LONGEST, MOST, MOST_32

# Ten units in a minute; in an hour, where it cannot be said otherwise.
LIMITS = {
    "TOKENBUCKET": "TOKENBUCKET 10 1 6s",
    "LEAKYBUCKET": "LEAKYBUCKET 10 1 6s",
    "FIXED": "FIXED 10 60s",
    "SLIDING": "SLIDING 10 60s",
    "APPROX": "SLIDING 10 60s APPROX",
    "QUOTA": "QUOTA 10 HOUR",
    "CONCURRENT": "CONCURRENT 10 60s",
}
BUCKETS = ("TOKENBUCKET", "LEAKYBUCKET")
WITHOUT_ROOM = ("SLIDING", "CONCURRENT")  # where a debt at its bound leaves no room to write

# The page's columns and rows.
DEBT, BOUND, AHEAD, IDLE, OTHER_TYPE = SITUATIONS = [
    "in debt",
    "at the bound",
    "after a step back of the clock",
    "on an idle key",
    "on a key of another type",
]
LINES = {
    "check": "RL.CHECK k {limit} COST 3",
    "`PARTIAL`": "RL.CHECK k {limit} COST 13 PARTIAL",
    "`FORCE`": "RL.CHECK k {limit} COST 3 FORCE",
    "`MAXWAIT`": "RL.CHECK k {limit} COST 3 MAXWAIT 2h",
    "`PEEK`": "RL.PEEK k {limit} COST 3",
    "`REFUND`": "RL.REFUND k 3",
    "`RESERVE`": "RL.RESERVE k 60s {limit} COST 13 ID mine",
    "`SETTLE` of a known id": "RL.SETTLE k held 5",
    "`SETTLE` of an unknown id": "RL.SETTLE k nobody 3 {limit}",
    "`RELEASE`": "RL.RELEASE k lease",
    "`BLOCK`": "RL.BLOCK k 30s",
    "`RESET`": "RL.RESET k",
    "`TRANSFER`": "RL.TRANSFER k another",
}


def most(algorithm: str) -> int:
    """Units that are used when no debt can be larger."""
    if algorithm in BUCKETS:
        return 10 + LONGEST // (6 * SECOND)
    return MOST if algorithm in ("FIXED", "QUOTA") else MOST_32


class Does(NamedTuple):
    """What an operation says, how what is used changes (None: that is as of a turn to come), and whether it writes."""

    reply: str | int
    change: int | None
    writes: bool = True


QUIET = Does("denied", 0, writes=False)
NOTHING = Does(0, 0, writes=False)
FORCED = Does("granted, waits", 3)
LATER = Does("granted, waits", None)

# What each operation does in the first four situations; under algorithms that are named, that instead. Before it, 15
# units are used, or as many as there can be, or 10, or none. On a key of another type it is an error.
TABLE: dict[str, list[tuple[Does, dict[str, Does]]]] = {
    "check": [
        (QUIET, {}),
        (QUIET, {}),
        (Does("denied", 0), {}),  # the denial that writes: ADR 3
        (Does("granted", 3), {}),
    ],
    "`PARTIAL`": [
        (QUIET, {}),
        (QUIET, {}),
        (Does("denied", 0), {}),
        (Does("granted", 10), {}),
    ],
    "`FORCE`": [
        (FORCED, {}),
        (Does("granted, waits", 0), dict.fromkeys(WITHOUT_ROOM, QUIET)),
        (FORCED, {}),
        (Does("granted", 3), {}),
    ],
    "`MAXWAIT`": [
        (LATER, {}),
        (LATER, dict.fromkeys(BUCKETS, QUIET)),  # theirs is a wait of ten years
        (LATER, {}),
        (Does("granted", 3), {}),
    ],
    "`PEEK`": [
        (QUIET, {}),
        (QUIET, {}),
        (QUIET, {}),
        (Does("granted", 0, writes=False), {}),
    ],
    "`REFUND`": [
        (Does(3, -3), {"CONCURRENT": NOTHING}),
        (Does(3, -3), {"CONCURRENT": NOTHING}),
        (Does(3, -3), {"CONCURRENT": NOTHING}),
        (NOTHING, {}),
    ],
    "`RESERVE`": [
        (QUIET, {}),
        (QUIET, {}),
        (Does("denied", 0), {}),
        (Does("granted, mine", 10), {}),
    ],
    "`SETTLE` of a known id": [
        (Does("granted, waits, settled", 2), {"CONCURRENT": Does("granted, waits, settled", -3)}),
        (Does("granted, waits, settled", 0), {"CONCURRENT": Does("granted, waits, settled", -3)}),
        (Does("granted, waits, settled", 2), {"CONCURRENT": Does("granted, settled", -3)}),
        (Does("granted, settled", 2), {"CONCURRENT": Does("granted, settled", 0)}),
    ],
    "`SETTLE` of an unknown id": [
        (Does("granted, waits, unknown", 3), {"CONCURRENT": Does("granted, waits, unknown", 0)}),
        (Does("granted, waits, unknown", 0), {}),
        (Does("granted, waits, unknown", 3), {"CONCURRENT": Does("granted, unknown", 0)}),
        (Does("granted, unknown", 3), {"CONCURRENT": Does("granted, unknown", 0)}),
    ],
    "`RELEASE`": [
        (NOTHING, {"CONCURRENT": Does(1, -7)}),
        (NOTHING, {"CONCURRENT": Does(1, -7)}),
        (NOTHING, {"CONCURRENT": Does(1, -7)}),
        (NOTHING, {}),
    ],
    "`BLOCK`": [(Does(1, 0), {})] * 4,
    "`RESET`": [
        (Does(1, -15), {}),
        (Does(1, None), {}),  # all of it
        (Does(1, -10), {}),
        (NOTHING, {}),
    ],
    "`TRANSFER`": [  # to where it is not in use
        (Does(1, -15), {}),
        (Does(1, None), {}),
        (Does(1, -10), {}),
        (NOTHING, {}),
    ],
}
CELLS = [
    pytest.param(name, situation, algorithm, others.get(algorithm, usual), id=f"{name}-{situation}-{algorithm}")
    for name, cells in TABLE.items()
    for situation, (usual, others) in zip(SITUATIONS, cells)
    for algorithm in LIMITS
]


def bring_about(db: Client, situation: str, algorithm: str, has_hold: bool = True) -> None:
    """Makes k: three units are held and seven have a lease, and there may be a debt on top of that. Of an idle key
    nothing is left but the hold, if there shall be one."""
    clock, limit = Clock(db), LIMITS[algorithm]
    clock.set(BASE + {AHEAD: HOUR, IDLE: -2 * HOUR}.get(situation, 0))
    if has_hold or situation != IDLE:
        db.ask(f"RL.RESERVE k 1d {limit} COST 3 ID held")
    if situation != IDLE:
        db.ask(f"RL.CHECK k {limit} COST 7 ID lease")
    if situation in (DEBT, BOUND):
        db.ask(f"RL.CHECK k {limit} COST {5 if situation == DEBT else MOST} FORCE ID more")
    clock.set(BASE)


def used(db: Client) -> int:
    limits = db.rl_info("k")["limits"] if db.exists("k") else []
    return limits[0]["used"] if limits else 0


def said(line: str, reply: list | int) -> str | int:
    """A reply in the words of the table."""
    if isinstance(reply, int):
        return reply
    granted, _, _, wait_ms, *_ = reply
    note = reply[6] if line.startswith(("RL.RESERVE", "RL.SETTLE")) else None
    return ", ".join(filter(None, ["granted" if granted else "denied", "waits" if granted and wait_ms else None, note]))


@pytest.mark.parametrize(("operation", "situation", "algorithm", "does"), CELLS)
def test_every_cell_is_true(db, clock, operation, situation, algorithm, does):
    bring_about(db, situation, algorithm, has_hold="known" in operation)
    line = LINES[operation].format(limit=LIMITS[algorithm])
    before, picture = used(db), (db.changes(), db.digest("k"))
    assert before == {DEBT: 15, BOUND: most(algorithm), AHEAD: 10, IDLE: 0}[situation]
    assert said(line, db.do(line)) == does.reply
    assert ((db.changes(), db.digest("k")) != picture) == does.writes
    assert does.change in (None, used(db) - before)


@pytest.mark.parametrize("algorithm", LIMITS)
@pytest.mark.parametrize("operation", LINES)
def test_on_a_key_of_another_type_each_is_an_error_and_changes_nothing(db, clock, operation, algorithm):
    db.set("k", "text")
    before = db.changes(), db.digest("k")
    assert db.error(*LINES[operation].format(limit=LIMITS[algorithm]).split()).startswith("WRONGTYPE")
    assert (db.changes(), db.digest("k")) == before


@pytest.mark.parametrize("algorithm", LIMITS)
@pytest.mark.parametrize("situation", [DEBT, BOUND, AHEAD])
@pytest.mark.parametrize("operation", ["check", "`PARTIAL`", "`RESERVE`"])
def test_who_is_denied_and_waits_as_told_is_granted(db, clock, operation, situation, algorithm):
    bring_about(db, situation, algorithm)
    line = LINES[operation].format(limit=LIMITS[algorithm])
    clock.advance(db.ask(line).wait_ms * MS)
    assert db.ask(line).granted > 0


@pytest.mark.parametrize("algorithm", LIMITS)
@pytest.mark.parametrize("situation", [DEBT, AHEAD])
def test_nobody_goes_before_who_waits_for_a_turn(db, clock, situation, algorithm):
    bring_about(db, situation, algorithm)
    assert 0 < db.ask(LINES["`MAXWAIT`"].format(limit=LIMITS[algorithm])).wait_ms <= 2 * HOUR // MS
    for line in ("RL.CHECK k {limit}", "RL.PEEK k", "RL.CHECK k {limit} PARTIAL", "RL.RESERVE k 60s {limit}"):
        answer = db.ask(line.format(limit=LIMITS[algorithm]))
        assert (answer.granted, answer.remaining) == (0, 0)
        assert answer.wait_ms > 0


def test_the_page_has_a_table_of_these_operations_and_situations():
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    [heading] = [number for number, row in enumerate(rows) if row[1:] == SITUATIONS]
    cells = rows[heading + 2 :][: len(LINES)]
    assert [row[0] for row in cells] == list(LINES) == list(TABLE)
    assert all(len(row) == 1 + len(SITUATIONS) and all(row) for row in cells)
