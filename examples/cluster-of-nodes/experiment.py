# SPDX-License-Identifier: MIT
"""Runs the scenes and writes what came out: started by `run`, which says how it is called."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import report
from scenes import FULL, QUICK, SCENES
from servers import end_in_order_when_told_to


def main() -> None:
    arguments = parsed()
    end_in_order_when_told_to()
    arguments.to.mkdir(parents=True, exist_ok=True)
    for name in arguments.scene or SCENES:
        started = time.monotonic()
        text = json.dumps(SCENES[name](QUICK if arguments.quick else FULL))
        (arguments.to / f"{name}.json").write_text(text + "\n")
        print(f"{name} ({time.monotonic() - started:.0f} s)\n", flush=True)
    (arguments.to / "about.md").write_text(report.about(time.strftime("%Y-%m-%d", time.gmtime())))
    write_pages(arguments.to, arguments.scene or list(SCENES))


def write_pages(folder: Path, shown: list[str]) -> None:
    """Of the scenes that were just run, and of them alone: others may be run beside this one, into the same folder."""
    files = {name: folder / f"{name}.json" for name in SCENES}
    results = {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}
    for name in shown:
        page = report.PAGES[name](results[name], folder)
        (folder / f"{name}.md").write_text(page)
        print(page)
    if "tiers" in shown:
        (folder / "429.txt").write_text(results["tiers"]["refused"] + "\n")
    if len(results) == len(SCENES):
        (folder / "in-short.md").write_text(report.in_short(results))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run", add_help=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("scene", nargs="*")
    arguments = parser.parse_args()
    for name in arguments.scene:
        if name not in SCENES:
            parser.error(f"there is no scene {name}; there are: {' '.join(SCENES)}")
    return arguments


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
