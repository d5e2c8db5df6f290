# SPDX-License-Identifier: MIT
"""bench/sizing computes what docs/sizing.md says, from the samples that bench/run keeps."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from math import ceil
from pathlib import Path

import pytest
from made_up import PLAN, results

import write
from contenders import BUCKET, DENSE, LUA_BUCKET
from harness import REPOSITORY
from primaries import node_of

SIZING = REPOSITORY / "bench" / "sizing"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of two runs, without and with a replica: 10 µs a decision, 100 bytes a subject."""
    monkeypatch.setattr(write, "_pictures", lambda *_: {})
    for folder, is_replicated in ((tmp_path, False), (tmp_path / "replicated", True)):
        write.everything([results("Redis 7.0", is_replicated=is_replicated, lua=0.1)], [], PLAN, [], folder)
    return tmp_path


def row_of(text: str, heading: str, name: str) -> list[str]:
    lines = text[text.index(heading) :].splitlines()
    (line,) = (line for line in lines if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def size(kept: Path, *flags: str) -> str:
    done = subprocess.run([SIZING, "--results", kept, *flags], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_inputs_are_medians_of_the_kept_samples(kept: Path):
    text = size(kept)
    inputs = text[: text.index("## Nodes")]
    assert row_of(inputs, "## What goes in", f"`{DENSE.name}`") == ["1,000,000", "10.00", "60", "40", "80", "100"]
    assert row_of(inputs, "## What goes in", LUA_BUCKET.name)[:2] == ["100,000", "100.00"]


def test_nodes_follow_from_checks_and_from_memory(kept: Path):
    for_checks, for_memory = ceil(1e7 * 10 / (0.5 * 1e6)), ceil(1e9 * 100 / (16e9 * 0.5))
    row = row_of(size(kept), "## Nodes", f"`{BUCKET.name}`")
    assert row[:3] == [str(for_checks), str(for_memory), str(for_checks)]
    assert row[3:7] == ["0.5", f"{1e7 / for_checks * 60 * 8 / 1e6:.0f}", "16", "32"]


def test_memory_decides_where_checks_are_few(kept: Path):
    row = row_of(size(kept, "--checks", "1e4", "--memory", "8", "--fill", "0.25"), "## Nodes", f"`{BUCKET.name}`")
    assert row[:3] == ["1", "50", "50"]


def test_a_fleet_of_scripts_is_related_to_the_first_row(kept: Path):
    assert row_of(size(kept), "## Nodes", LUA_BUCKET.name)[-1] == "10.0"


def test_what_is_kept_follows_from_the_results_that_are_kept():
    page = REPOSITORY / "bench" / "results" / "sizing.md"
    assert page.read_text() == size(page.parent, "--subjects", "1e9").rstrip("\n") + "\n"


def test_the_page_says_how_even_parts_are():
    page = " ".join((REPOSITORY / "docs" / "sizing.md").read_text().split())
    (said,) = re.findall(
        r"With ([0-9,]+) parts the fullest of 16 nodes has ([0-9.]+) times its share, that of 32 nodes ([0-9.]+), that "
        r"of 64 nodes ([0-9.]+)\. With ([0-9,]+) parts it is ([0-9.]+), ([0-9.]+) and ([0-9.]+)\.",
        page,
    )
    for parts, *shares in (said[:4], said[4:]):
        count = int(parts.replace(",", ""))
        assert shares == [f"{fullest(count, nodes) * nodes / count:.2f}" for nodes in (16, 32, 64)]


def fullest(parts: int, nodes: int) -> int:
    return max(Counter(node_of(part, nodes) for part in range(parts)).values())


def test_with_numbers_of_ones_own_nothing_is_written(kept: Path):
    size(kept)
    assert not (kept / "sizing.md").exists()
