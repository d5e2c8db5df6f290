# SPDX-License-Identifier: MIT
"""Writes what was measured into a folder: the tables, every sample, the pictures."""

from __future__ import annotations

import csv
import subprocess
from dataclasses import asdict, fields
from pathlib import Path

import contenders
import report
from contenders import CELL_INCR, INCR, TARGET_PIPELINE
from load import Plan, Sample, Samples
from results import Results, middle

BARS = Path(__file__).resolve().parent / "bars.gp"
KINDS = {each.name: each.kind for each in contenders.RATES}


def everything(
    found: list[Results], own: list[Results], plan: Plan, known: list[tuple[str, str]], folder: Path
) -> str:  # fmt: skip
    """Returns the text of results.md. `own` are the servers with a limiter of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    measures = [field.name for field in fields(Sample)]
    _csv(folder / "samples.csv", (*SAMPLE, *measures), (row for each in found + own for row in _samples(each, plan)))
    _csv(folder / "values.csv", VALUE, (row for each in found for row in _values(each, plan)))
    pictures = _pictures(found, folder)
    text = report.document(found, own, plan, known, pictures)
    (folder / "results.md").write_text(text)
    return text


# --- files for programs -----------------------------------------------------------------------------

SAMPLE = ("server", "part", "contender", "pipeline", "subjects", "round")  # and the fields of Sample
VALUE = ("server", "part", "contender", "subjects", "round", "what", "value")


def _csv(file: Path, columns: tuple[str, ...], rows) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _samples(results: Results, plan: Plan):
    for pipeline, rows in results.rates.items():
        yield from _rows(results.title, "rates", rows, pipeline, plan.subjects)
    for subjects, rows in results.by_subjects.items():
        yield from _rows(results.title, "subjects", rows, TARGET_PIPELINE, subjects)
    yield from _rows(results.title, "limits", results.by_limits, TARGET_PIPELINE, plan.subjects)
    yield from _rows(results.title, "entries", results.near, TARGET_PIPELINE, "")


def _rows(title: str, part: str, rows: dict[str, Samples], pipeline: int, subjects: int | str):
    for name, samples in rows.items():
        for number, sample in enumerate(samples.of, 1):
            yield title, part, name, pipeline, subjects, number, *(f"{value:.3f}" for value in asdict(sample).values())


def _values(results: Results, plan: Plan):
    for name, rounds in results.latencies.items():
        for number, each in enumerate(rounds, 1):
            for what, value in asdict(each).items():
                yield results.title, "latency", name, plan.subjects, number, f"{what}_us", f"{value:.1f}"
    for name, value in results.key_bytes.items():
        yield results.title, "bytes", name, plan.subjects, "", "bytes_a_key", f"{value:.1f}"
    for name, sizes in results.entry_bytes.items():
        for entries, value in sizes.items():
            yield results.title, "bytes", name, 1, "", f"bytes_an_entry_of_{entries}", f"{value:.2f}"


# --- pictures ---------------------------------------------------------------------------------------


def _pictures(found: list[Results], folder: Path) -> dict[str, str]:
    """File names, by what they show."""
    rates = {each.title: _thousands(each) for each in found}
    by_bytes = {each.title: each.key_bytes for each in found}
    short = [name for name in contenders.IN_SHORT if any(name in of for of in rates.values())][: contenders.BARS]
    in_short = {
        title: {contenders.IN_SHORT[name]: of[name] for name in short if name in of} for title, of in rates.items()
    }
    kinds = KINDS | {label: KINDS[name] for name, label in contenders.IN_SHORT.items()}
    drawn = {
        "short": _draw(
            folder, "short", "Thousand decisions a second on one core", in_short, kinds, smallest_on_top=False
        ),
        "rates": _draw(
            folder, "rates", "Thousand calls a second, pipelined by 32", rates, kinds, smallest_on_top=False
        ),
        "bytes": _draw(folder, "bytes", "Bytes a subject: less is better", by_bytes, kinds, smallest_on_top=True),
    }
    return {name: file for name, file in drawn.items() if file}


def _thousands(results: Results) -> dict[str, float]:
    rows = results.rates.get(TARGET_PIPELINE, {})
    return {
        name: middle(samples, "calls_per_second") / 1000 for name, samples in rows.items() if name != CELL_INCR.name
    }


def _draw(
    folder: Path, name: str, heading: str, values: dict[str, dict[str, float]], kinds: dict[str, str], *,
    smallest_on_top: bool,
) -> str:  # fmt: skip
    """A bar chart as SVG: a row for each contender, in it a bar for each server, the first server's on top."""
    servers = [title for title, of in values.items() if of]
    if not servers:
        return ""
    first = values[servers[0]]
    order = sorted(first, key=lambda label: first[label], reverse=smallest_on_top)
    lines = []
    for label in order:  # the last one comes on top
        bars = (f"{values[title][label]:.1f}" if label in values[title] else "" for title in servers[:2])
        lines.append("\t".join((label, kinds[label], *bars)) + "\n")
    (folder / f"{name}.tsv").write_text("".join(lines))
    if len(servers) > 1:
        heading += f"; the upper bar {servers[0]}, the lower one {servers[1]}"
    reference = first.get(INCR.name, 0) if len(servers) == 1 else 0
    settings = (
        f"heading='{heading}'; reference={reference:.1f}; rows={len(lines)}; servers={min(len(servers), 2)}; "
        f"widest={max(len(label) for label in order)}; "
        f"picture='{name}.svg'; data='{name}.tsv'"
    )
    done = subprocess.run(["gnuplot", "-e", settings, str(BARS)], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"gnuplot: {done.stderr.strip()}")
    return f"{name}.svg"
