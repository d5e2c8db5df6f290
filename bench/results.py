# SPDX-License-Identifier: MIT
"""Writes what was measured into a folder: the tables, every sample, the pictures."""

from __future__ import annotations

import csv
import subprocess
from dataclasses import asdict
from pathlib import Path

import contenders
import report
from contenders import CELL_INCR, INCR, TARGET_PIPELINE
from load import Plan, Samples
from report import Results

BARS = Path(__file__).resolve().parent / "bars.gp"


def write(results: Results, plan: Plan, top: str, folder: Path) -> str:
    """Returns the text of results.md."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "samples.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("part", "contender", "pipeline", "subjects", "round", "what", "value"))
        writer.writerows(_rows(results, plan))
    pictures = [*_picture_rates(results, folder), *_picture_bytes(results, folder)]
    text = report.document(results, plan, top, pictures)
    (folder / "results.md").write_text(text)
    return text


# --- samples.csv: one value a line, so that any program can take what it wants -------------------------


def _rows(results: Results, plan: Plan):
    for pipeline, rows in results.rates.items():
        yield from _rate_rows("rates", rows, pipeline, plan.subjects)
    for subjects, rows in results.by_subjects.items():
        yield from _rate_rows("subjects", rows, TARGET_PIPELINE, subjects)
    yield from _rate_rows("limits", results.by_limits, TARGET_PIPELINE, plan.subjects)
    yield from _rate_rows("entries", results.near, TARGET_PIPELINE, "")
    for name, rounds in results.latencies.items():
        for number, each in enumerate(rounds, 1):
            for what, value in asdict(each).items():
                yield "latency", name, "", plan.subjects, number, f"{what}_us", f"{value:.1f}"
    for name, value in results.key_bytes.items():
        yield "bytes", name, "", plan.subjects, "", "bytes_a_key", f"{value:.1f}"
    for name, sizes in results.entry_bytes.items():
        for entries, value in sizes.items():
            yield "bytes", name, "", 1, "", f"bytes_an_entry_of_{entries}", f"{value:.2f}"


def _rate_rows(part: str, rows: dict[str, Samples], pipeline: int, subjects: int | str):
    for name, samples in rows.items():
        for number, sample in enumerate(samples.of, 1):
            for what, value in asdict(sample).items():
                yield part, name, pipeline, subjects, number, what, f"{value:.3f}"


# --- pictures -----------------------------------------------------------------------------------------


def _picture_rates(results: Results, folder: Path) -> list[str]:
    rows = dict(results.rates.get(TARGET_PIPELINE, {}))
    rows.pop(CELL_INCR.name, None)
    bars = [(name, report.middle(samples, "calls_per_second") / 1000) for name, samples in rows.items()]
    heading = f"Thousand calls a second, pipelined by {TARGET_PIPELINE}"
    return _draw(folder, "rates", heading, sorted(bars, key=lambda bar: bar[1]), INCR.name)


def _picture_bytes(results: Results, folder: Path) -> list[str]:
    bars = sorted(results.key_bytes.items(), key=lambda bar: -bar[1])
    return _draw(folder, "bytes", "Bytes a subject: less is better", bars, INCR.name)


def _draw(folder: Path, name: str, heading: str, bars: list[tuple[str, float]], reference: str) -> list[str]:
    """A bar chart as SVG, the last bar on top; where that of `reference` ends, a line goes through all."""
    if not bars:
        return []
    kinds = {each.name: each.kind for each in contenders.RATES}
    line = dict(bars).get(reference, 0)
    data = "".join(f"{label}\t{value:.1f}\t{kinds[label]}\n" for label, value in bars)
    settings = f"heading='{heading}'; reference={line:.1f}; rows={len(bars)}; picture='{name}.svg'; data='{name}.tsv'"
    (folder / f"{name}.tsv").write_text(data)
    done = subprocess.run(["gnuplot", "-e", settings, str(BARS)], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"gnuplot: {done.stderr.strip()}")
    return [f"{name}.svg"]
