# SPDX-License-Identifier: MIT
"""More than one core: threads of one server, and a cluster. Started by bench/cores, which has built what is needed."""

from __future__ import annotations

import argparse
import csv
import os
import signal
import sys
import time
from dataclasses import asdict, fields
from pathlib import Path

import flags
import parts
import threads
from report import machine
from server import Server
from together import Turn, Turns

RESULTS = Path(__file__).resolve().parent / "results"


def read() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/cores", description="See the head of bench/cores.")
    parser.add_argument("--rounds", type=flags.positive, default=5, help="interleaved rounds (5)")
    parser.add_argument("--seconds", type=flags.seconds, default=1.0, help="length of one turn (1)")
    parser.add_argument("--subjects", type=flags.positive, default=100_000, help="subjects (100000)")
    parser.add_argument("--threads", type=flags.positive, nargs="+", help="threads of the server (1, 2, 4, … cores)")
    parser.add_argument("--generators", type=flags.positive, help="load generators (one for every four cores)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of cores.md and cores.csv")
    parser.add_argument("--server", type=flags.program, required=True, help="a Valkey 9")
    parser.add_argument("--load-generator", type=Path, required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    given.generators = given.generators or max(1, cores // 4)
    given.threads = given.threads or [1, 2, *(count for count in (4, 6, 8) if count <= cores)]
    return given


def write_samples(file: Path, measured: dict[str, Turns]) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(("part", "contender", "count", "round", *(field.name for field in fields(Turn))))
        for part, turns in measured.items():
            for (name, count), rows in turns.items():
                for number, row in enumerate(rows, 1):
                    writer.writerow((part, name, count, number, *(f"{value:.6g}" for value in asdict(row).values())))


def main() -> None:
    given = read()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers are stopped, too
    with Server(given.server, os.environ["RATELIMIT_MODULE"]) as server:
        title, module = server.title(), server.module_version()
    by_threads = threads.run(given)
    by_nodes, exact = parts.run(given)
    head = f"# Results of bench/cores\n\n{time.strftime('%Y-%m-%d')}, {machine()}; {title}; {module}."
    text = "\n\n".join((head, threads.report(given, by_threads, title), parts.report(given, by_nodes, exact))) + "\n"
    given.output.mkdir(parents=True, exist_ok=True)
    write_samples(given.output / "cores.csv", {"threads": by_threads, "nodes": by_nodes})
    (given.output / "cores.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
