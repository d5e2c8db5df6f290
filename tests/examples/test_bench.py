# SPDX-License-Identifier: MIT
"""bench/run and bench/cores from end to end, as small as they go: their figures mean nothing, but must be there."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path

from harness import MODULE, REPOSITORY, SERVER

BENCH = REPOSITORY / "bench"
ENVIRONMENT = os.environ | {"RATELIMIT_MODULE": str(MODULE), "RATELIMIT_SERVER": SERVER}


def run(*words: str | Path) -> str:
    done = subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def rows(file: Path) -> list[dict[str, str]]:
    with file.open() as opened:
        return list(csv.DictReader(opened))


def test_a_quick_run_asks_everybody_and_nobody_is_denied(tmp_path: Path):
    chosen = "INCR, keys|RL.TOKENBUCKET$|RL.CHECK limiter|RL.CHECKEACH|^Lua (GCRA|two|counter|token)"
    text = run(BENCH / "run", "rates", "subjects", "--quick", "--only", chosen, "--output", tmp_path)
    samples = rows(tmp_path / "samples.csv")
    assert len({row["contender"] for row in samples if row["part"] == "rates"}) == 10
    assert all(float(row["calls_per_second"]) > 0 and float(row["unexpected"]) == 0 for row in samples)
    assert "## Many subjects in one call" in text and "another outcome" not in text
    assert {each.name for each in tmp_path.glob("*.svg")} == {"short.svg", "rates.svg"}


def test_parts_on_three_primaries_grant_exactly(tmp_path: Path):
    amount = ("--rounds", "1", "--seconds", "0.1", "--subjects", "2000", "--threads", "1", "--generators", "1")
    text = run(BENCH / "cores", *amount, "--output", tmp_path)
    assert "20,000 of 32,000 calls were granted, exactly 10 a subject" in text
    turns = rows(tmp_path / "cores.csv")
    assert {row["count"] for row in turns if row["part"] == "nodes"} == {"1", "3"}
    assert all(float(row["decisions_per_second"]) > 0 and row["denied"] == "0" for row in turns)
