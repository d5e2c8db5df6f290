# SPDX-License-Identifier: MIT
"""What bench/run and bench/cores write of their figures, and that the pages quote sections that there are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_up import PLAN, RATE, results, samples

import parts
import report
import targets
import threads
import write
from contenders import BARS, BUCKET, GCRA, INCR, TARGET_PIPELINE, TARGETS
from harness import REPOSITORY
from tables import Table, beside
from together import Turn

OLD, NEW = "Redis 7.0", "Valkey 9.1"
PAGES = ["README.md", "docs/performance.md", "docs/sizing.md"]


def cells(text: str, row: str) -> list[str]:
    """Of the only row that begins with these words."""
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def document(*found, own=()) -> str:
    known = [("date", "2026-01-01")]
    return report.document(list(found), list(own), PLAN, known, {"short": "short.svg", "rates": "rates.svg"})


# --- tables beside each other -----------------------------------------------------------------------


def test_tables_of_two_servers_stand_beside_each_other():
    one = Table(["what"], ["rate", "<verdict"], {("a",): (1, "met"), ("b",): (2, "met")})
    two = Table(["what"], ["rate", "<verdict"], {("b",): (3, "not met"), ("c",): (4, "met")})
    joined = beside({"X": one, "Y": two})
    assert joined.values == ["X: rate", "<X: verdict", "Y: rate", "<Y: verdict"]
    assert joined.rows == {("a",): (1, "met", "", ""), ("b",): (2, "met", 3, "not met"), ("c",): ("", "", 4, "met")}
    assert joined.markdown().splitlines()[1] == "| --- | ---: | --- | ---: | --- |"


def test_a_table_alone_has_no_titles_and_an_empty_one_is_nothing():
    one = Table(["what"], ["rate"], {("a",): (1,)})
    assert beside({"X": one, "Y": Table(["what"], ["rate"])}) is one
    assert beside({"X": Table(["what"], ["rate"])}).markdown() == ""


# --- targets ----------------------------------------------------------------------------------------


def test_each_kind_of_server_is_held_to_what_is_wanted_of_it():
    found = [results(OLD, rlt=0.6), results(NEW, fetches_ahead=True, rlt=0.6)]
    text = targets.targets(found)
    assert cells(text, "`RL.TOKENBUCKET` to `INCR` on keys with a TTL") == [
        "0.60 (0.60..0.60)", "≥ 0.75", "**not met**", "0.60 (0.60..0.60)", "≥ 0.5", "met",
    ]  # fmt: skip


def test_where_nothing_is_wanted_the_figure_stands_alone():
    text = targets.targets([results(OLD), results(NEW, fetches_ahead=True)])
    assert cells(text, "`RL.TOKENBUCKET` to `SET key value PX ttl`")[3:] == ["1.00 (1.00..1.00)", "", ""]


@pytest.mark.parametrize(
    ("spoilt", "verdict"),
    [
        (samples(RATE, busy=0.5), "not judged: the server had to wait"),
        (samples(RATE, unexpected=1), "not judged: calls were denied"),
    ],
)
def test_a_spoilt_sample_is_not_judged(spoilt, verdict: str):
    found = results(OLD)
    found.rates[TARGET_PIPELINE][INCR.name] = spoilt
    assert cells(targets.targets([found]), "`RL.TOKENBUCKET` to `INCR` on keys with a TTL")[2] == verdict


def test_against_redis_cell_each_is_related_to_incr_on_its_own_server():
    found = results(OLD, rlt=2.0)
    found.rates[TARGET_PIPELINE]["INCR, on redis-cell's server"] = samples(2 * RATE)
    assert cells(targets.targets([found]), "`RL.TOKENBUCKET` to redis-cell's `CL.THROTTLE`")[0].startswith("4.00")


def test_a_limiter_of_the_servers_own_has_a_section_of_its_own():
    own = results("Redis unstable", fetches_ahead=True)
    own.rates = {TARGET_PIPELINE: {INCR.name: samples(RATE), BUCKET.name: samples(RATE), GCRA.name: samples(RATE / 2)}}
    text = document(results(OLD), own=[own])
    assert cells(text, "`RL.TOKENBUCKET` to the server's own `GCRA`") == ["2.00 (2.00..2.00)", "≥ 1.3", "met"]
    assert "Not given: `bench/run --gcra" in document(results(OLD))


def test_with_a_replica_nothing_is_judged():
    text = targets.targets([results(OLD, is_replicated=True)])
    assert "met" not in text and "no targets" in text


# --- rates ------------------------------------------------------------------------------------------


def test_a_server_that_had_to_wait_is_said_to_have_waited():
    found = results(OLD)
    found.rates[TARGET_PIPELINE][BUCKET.name] = samples(RATE, busy=0.5)
    assert cells(report.rates(TARGET_PIPELINE, [found]), "`RL.TOKENBUCKET`")[0] == "100,000 (busy 50%)"


def test_what_one_call_decides_for_many_is_counted_in_decisions():
    found = [results(OLD, eac=5.0), results(NEW, eac=3.0)]
    assert cells(report.many_in_one_call(found, PLAN), "1,000,000") == [
        "500,000", "5.00 (5.00..5.00)", "300,000", "3.00 (3.00..3.00)",
    ]  # fmt: skip


# --- files ------------------------------------------------------------------------------------------


def test_the_chart_of_the_readme_has_six_bars_for_each_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    drawn = []
    monkeypatch.setattr(
        write.subprocess, "run", lambda words, **_: drawn.append(words) or SimpleNamespace(returncode=0)
    )
    found = [results(OLD), results(NEW)]
    assert write._pictures(found, tmp_path) == {name: f"{name}.svg" for name in ("short", "rates", "bytes")}
    lines = [line.split("\t") for line in (tmp_path / "short.tsv").read_text().splitlines()]
    assert len(drawn) == 3 and len(lines) == BARS and all(len(line) == 4 for line in lines)


def test_every_sample_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(write, "_pictures", lambda *_: {})
    write.everything([results(OLD), results(NEW)], [], PLAN, [], tmp_path)
    head, *rows = (tmp_path / "samples.csv").read_text().splitlines()
    assert head.startswith("server,part,contender,pipeline,subjects,round,calls_per_second,")
    assert sum(row.startswith(f'{NEW},rates,"INCR, keys with a TTL",32,100000,') for row in rows) == 2


def test_what_google_benchmark_measured_becomes_a_table(tmp_path: Path):
    measured = {"context": {"date": "2026-01-01T00:00"}, "benchmarks": [{"name": "fixed_window", "cpu_time": 1.66}]}
    (tmp_path / "core.json").write_text(json.dumps(measured))
    words = [sys.executable, REPOSITORY / "bench" / "core.py", tmp_path / "core.json", tmp_path / "core.md"]
    subprocess.run(words, check=True)
    assert cells((tmp_path / "core.md").read_text(), "`fixed_window`") == ["1.7"]


# --- pages ------------------------------------------------------------------------------------------


def turns(counts: list[int], names: list[str]) -> dict:
    return defaultdict(list, {(name, count): [Turn(RATE, 0, 1.0, 0.5, 0.4, 2.0)] for name in names for count in counts})


def test_the_pages_quote_only_sections_that_a_complete_run_writes():
    given = SimpleNamespace(rounds=1, subjects=1000, threads=[1, 2], generators=1)
    complete = document(results(OLD), results(NEW, fetches_ahead=True))
    complete += threads.report(given, turns([1, 2], [each.name for each in threads.THREADED]), NEW)
    complete += "\n" + parts.report(given, turns([1], [parts.WHOLE.name]), "as many as allowed")
    complete += (REPOSITORY / "bench" / "sizing").read_text().replace('section("', "\n## ").replace('",', "\n")
    written = set(re.findall(r"^## (.+)$", complete, flags=re.MULTILINE)) | {"Decisions", "The dense form"}
    for page in PAGES:
        quoted = re.findall(r"<!-- results: (?:replicated/)?(.+?) -->", (REPOSITORY / page).read_text())
        asked = {title for title in quoted if not title.startswith("cluster-of-nodes/")}
        assert asked, page
        assert asked <= written, page


def test_the_pages_show_the_results_that_are_kept():
    done = subprocess.run([REPOSITORY / "bench" / "quote", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_what_is_wanted_is_wanted_of_contenders_that_are_measured():
    found = results(OLD)
    for target in TARGETS:
        assert found.judged_by(target) or target.theirs.name in ("GCRA", "INCREX"), target.what
