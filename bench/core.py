# SPDX-License-Identifier: MIT
"""Writes what Google Benchmark measured as a table. Started by bench/core: core.py JSON MARKDOWN."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from report import machine
from tables import Table, section

measured = json.loads(Path(sys.argv[1]).read_text())
rows = {(f"`{each['name']}`",): (f"{each['cpu_time']:.1f}",) for each in measured["benchmarks"]}
about = f"Nanoseconds of processor time; {measured['context']['date'][:10]}, {machine()}."
body = section("Decisions", about, Table(["what"], ["ns"], rows).markdown())
Path(sys.argv[2]).write_text(f"# Results of bench/core\n\nWritten by `bench/core`.\n\n{body}\n")
