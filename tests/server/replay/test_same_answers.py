# SPDX-License-Identifier: MIT
"""ratelimit-replay answers what the module answers: the same traffic, under the same limits, at the same instants."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from harness import BASE, SECOND, Client, Clock
from replaying import replay
from seed import SEED

LIMITS = [
    "TOKENBUCKET 20 7 3s",
    "LEAKYBUCKET 10 3 1s",
    "FIXED 30 10s",
    "FIXED 30 10s ALIGNED",
    "SLIDING 25 7s",
    "SLIDING 25 7s APPROX",
    "QUOTA 900 HOUR",
    "QUOTA 2000 DAY TZ America/New_York",
    "QUOTA 2000 MONTH ANCHOR 2024-01-31T06:00 TZ Europe/Berlin",
    "CONCURRENT 5 4s",
    "TOKENBUCKET 40 5 1s AS burst SLIDING 100 1m AS minute QUOTA 3000 DAY PER REQUEST",
    "LEAKYBUCKET 30 9 1s FIXED 8 2s PER REQUEST AS calls SLIDING 60 10s APPROX AS approx",
    "CONCURRENT 5 4s PER REQUEST FIXED 60 10s",
    "FIXED 9007199254740991 1d FIXED 3 1s AS few",
    "FIXED 0 1s",
]
SUBJECTS = [b"user:1", b"user:2", b"user:3", b"user:4"]
HOSTILE_SUBJECTS = [
    b"\x00",
    b"\x00\x00",
    b"\xff\xfe\x80",
    b'a, "b"',
    b"\x1b[2J",
    b" ",
    b"FOR",
    b"{tag}",
    "\u00e9".encode(),
    "e\u0301".encode(),
    b"x" * 1024,
    b"x" * 1023,
    b"X" * 1024,
]
Call = tuple[int, bytes, int]  # nanoseconds, subject, cost


def traffic(chance: random.Random, calls: int, subjects: list[bytes] = SUBJECTS) -> list[Call]:
    """Bursts and pauses of a few subjects; a few calls cost nothing, and a few more than any limit holds."""
    at, made = BASE, []
    for _ in range(calls):
        at += chance.choice([0, 0, 1, 40_000_000, 300_000_000, SECOND, SECOND * chance.randrange(20)])
        cost = chance.choice([1, 1, 1, 1, 2, 3, 7, 0, 5000])
        made.append((at, chance.choice(subjects), cost))
    return made


def line_of(call: Call) -> bytes:
    at, subject, cost = call
    quoted = subject.replace(b'"', b'""')
    return b'%d.%09d,"%s",%d\n' % (at // SECOND, at % SECOND, quoted, cost)


def written(calls: list[Call], path: Path) -> Path:
    path.write_bytes(b"time,subject,cost\n" + b"".join(map(line_of, calls)))
    return path


def replayed(log: Path, limits: list[str], tmp_path: Path) -> list[list[int]]:
    """The five integers of each answer, for each list of limits in turn."""
    answers = tmp_path / "answers.csv"
    options = [word for limit in limits for word in ("--limit", limit)]
    replay(*options, "--answers", answers, log)
    with answers.open() as lines:
        return [[int(row[name]) for name in list(row)[2:7]] for row in csv.DictReader(lines)]


def answered(db: Client, clock: Clock, calls: list[Call], limit: str) -> list[list[int]]:
    """The same from the server, whose clock is held at the instant of each call."""
    answers = []
    for at, subject, cost in calls:
        clock.set(at)
        reply = db.execute_command("RL.CHECK", "key", *limit.split(), "FOR", subject, "COST", cost)
        answers.append([int(number) for number in reply[:5]])
    return answers


@pytest.mark.parametrize("limit", LIMITS)
def test_the_program_answers_as_the_server_does(db: Client, clock: Clock, tmp_path: Path, limit: str):
    calls = traffic(random.Random(f"{SEED} {limit}"), 400)
    answers = answered(db, clock, calls, limit)
    assert replayed(written(calls, tmp_path / "log.csv"), [limit], tmp_path) == answers
    assert any(answer[0] == 0 for answer in answers), "some calls are denied"
    assert limit.startswith("FIXED 0") or any(answer[0] > 0 for answer in answers), "and some are granted"


def test_lists_side_by_side_answer_as_each_alone(tmp_path: Path):
    log = written(traffic(random.Random(SEED), 300), tmp_path / "log.csv")
    together = replayed(log, LIMITS, tmp_path)
    for place, limit in enumerate(LIMITS):
        assert together[place :: len(LIMITS)] == replayed(log, [limit], tmp_path), limit


def test_hostile_subjects_are_told_apart_as_in_the_server(db: Client, clock: Clock, tmp_path: Path):
    calls = traffic(random.Random(f"{SEED} hostile"), 600, HOSTILE_SUBJECTS)
    limit = "FIXED 9 20s AS few SLIDING 40 1m"
    assert replayed(written(calls, tmp_path / "log.csv"), [limit], tmp_path) == answered(db, clock, calls, limit)


def test_lines_out_of_order_are_answered_as_in_their_order(db: Client, clock: Clock, tmp_path: Path):
    chance = random.Random(f"{SEED} order")
    calls = sorted({at: (at, subject, cost) for at, subject, cost in traffic(chance, 400)}.values())
    shuffled = sorted(calls, key=lambda call: call[0] + chance.randrange(10 * SECOND))
    assert shuffled != calls
    limit = "TOKENBUCKET 20 7 3s"
    assert replayed(written(shuffled, tmp_path / "log.csv"), [limit], tmp_path) == answered(db, clock, calls, limit)
