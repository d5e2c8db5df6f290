# SPDX-License-Identifier: MIT
"""The commands of bench/ from end to end, as small as they go: their figures mean nothing, but must be there."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import MODULE, REPOSITORY, SERVER, Server

sys.path.append(str(REPOSITORY / "bench"))

import doors  # noqa: E402

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


def test_a_scrape_tells_of_all_limiters():
    assert re.search(r"^\| 3 \| 100 \| \d+ \| \d+\.\d \| yes \|$", run(BENCH / "scrape", "--quick"), re.MULTILINE)


def test_the_check_service_is_measured_by_both_doors_beside_a_bare_check():
    text = run(BENCH / "service", "--quick")
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+) \| [\d.]+ \| [\d.]+ \| (\d*) \| (\d*) \|$", text, re.MULTILINE)
    assert len(rows) == 14 and all(int(rate.replace(",", "")) > 0 for _, rate, _, _ in rows), text
    assert sum(title.startswith("gRPC") for title, *_ in rows) == 4
    for title, _, processor_us, megabytes in rows:
        assert (processor_us, megabytes) == ("", "") if "bare" in title else int(processor_us) > 0 < int(megabytes)
    assert re.search(r"[\d.]+% were answered without a round trip", text)


@pytest.fixture(scope="module")
def generator() -> Path:
    run("bash", "-c", f"source {REPOSITORY}/scripts/lib.sh && source {BENCH}/lib.sh && build bench_doors")
    return REPOSITORY / "build" / "bench" / "bench" / "bench_doors"


# The answer to each of these calls has the status 200 of HTTP, except for the first one.
NOT_GRANTED = {
    "an error over HTTP": ("http", "", {}),
    "a denial over gRPC": ("grpc", "limit: FIXED 5 1d", {}),
    "an error over gRPC": ("grpc", "limit: FIXED 5 1d", {"servers": "127.0.0.1:1", "envoy_without_server": "error"}),
}


@pytest.mark.parametrize("case", NOT_GRANTED)
def test_a_call_that_is_not_granted_ends_a_measurement(generator: Path, server: Server, tmp_path: Path, case: str):
    door, limit, settings = NOT_GRANTED[case]
    with server.client() as db:
        db.set("user:0", "no limiter")
    rules = re.sub("limit: [^}]*", limit, doors.RULES) if limit else doors.RULES
    settings = {"servers": server.socket} | settings
    with doors.Service(tmp_path, rules=rules, **settings) as service, pytest.raises(SystemExit, match="not granted"):
        doors.ask(generator, door, service, seconds=0.1, callers=1, connections=1)


def test_at_a_rate_each_call_is_sent_though_all_before_it_are_answered(generator: Path, server: Server):
    load = doors.ask(generator, "redis", server, seconds=0.55, rate=10, connections=2)
    assert load.all_calls == 8, "at 0.0, 0.1, ... 0.7 seconds, of which 0.2 are the warm-up"
    assert 0 < load.p50_ms <= load.p99_ms
