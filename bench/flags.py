# SPDX-License-Identifier: MIT
"""The flags of bench/run, and the plan that they amount to."""

from __future__ import annotations

import argparse
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import contenders
from load import Plan

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("bytes", "rates", "latency", "subjects", "limits", "entries")
REPLICATED_PARTS = ("rates", "subjects")
RESULTS, PARTIAL_RESULTS = ROOT / "bench/results", ROOT / "build/bench/results"


def pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"not a regular expression: {error}") from None


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError("must be an integer from 1 on")
    return int(text)


def seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", text) or float(text) == 0:
        raise argparse.ArgumentTypeError("must be a number above 0")
    return float(text)


def existing(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError("there is no such file")
    return Path(text).resolve()


def program(text: str) -> str:
    """A file, or a name that the shell would find."""
    if found := shutil.which(text):
        return str(Path(found).absolute())  # a link keeps its name: the program may go by it
    raise argparse.ArgumentTypeError("there is no such program")


def add_amounts(parser: argparse.ArgumentParser) -> None:
    """How much of everything."""
    parser.add_argument("--rounds", type=positive, default=5, help="interleaved rounds (5)")
    parser.add_argument("--seconds", type=seconds, default=0.4, help="length of one contender's turn (0.4)")
    parser.add_argument("--calls", type=positive, default=0, help="calls of one turn, instead of --seconds")
    parser.add_argument("--subjects", type=positive, default=100_000, help="keys (100000)")
    parser.add_argument("--clients", type=positive, default=50, help="connections (50)")
    parser.add_argument("--pipeline", type=positive, nargs="+", default=[1, 32], help="calls at a time on each (1 32)")
    parser.add_argument("--rate", type=positive, default=20_000, help="calls a second, for latency (20000)")
    parser.add_argument("--seed", type=positive, default=1, help="of the orders (1)")
    parser.add_argument("--quick", action="store_true", help="a smoke run: its figures mean nothing")


def add_servers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--server", type=program, action="append", dest="servers", metavar="PROGRAM",
        help="measure this one; may be repeated. Without it: the installed one, and Valkey 9 from scripts/servers",
    )  # fmt: skip
    parser.add_argument(
        "--gcra", type=program, action="append", default=[], metavar="PROGRAM",
        help="a server with GCRA or INCREX of its own, to be compared with, too; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--redis-cell", type=existing, metavar="FILE", default=os.environ.get("RATELIMIT_REDIS_CELL"),
        help="redis-cell's module, to be compared with, too (RATELIMIT_REDIS_CELL)",
    )  # fmt: skip


def read() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description="See the head of bench/run and bench/README.md.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all by default")
    add_amounts(parser)
    add_servers(parser)
    parser.add_argument("--only", type=pattern, default=re.compile(""), metavar="REGEX", help="contenders by name")
    parser.add_argument("--replicated", action="store_true", help="with AOF (everysec) and a replica")
    parser.add_argument("--output", type=Path, help="folder of the results; see bench/README.md")
    parser.add_argument("--load-generator", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--floor", type=Path, required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if not given.servers:
        parser.error("no --server is given")
    is_complete = not (given.quick or given.parts or given.only.pattern)
    complete = RESULTS / "replicated" if given.replicated else RESULTS
    given.output = given.output or (complete if is_complete else PARTIAL_RESULTS)
    given.parts = given.parts or (REPLICATED_PARTS if given.replicated else PARTS)
    return given


def plan_of(given: argparse.Namespace) -> Plan:
    plan = Plan(
        rounds=given.rounds,
        growth_rounds=min(given.rounds, 3),
        seconds=given.seconds,
        calls=given.calls,
        subjects=given.subjects,
        pipelines=tuple(given.pipeline),
        clients=given.clients,
        seed=given.seed,
        rate=given.rate,
        many_subjects=(1_000, contenders.MANY),
        near_entries=100_000,
        log_sizes=(100, 1_000, 10_000),
    )
    if given.quick:
        small = {"subjects": min(plan.subjects, 5_000), "many_subjects": (1_000,), "near_entries": 10_000}
        plan = replace(plan, rounds=2, growth_rounds=1, seconds=0.1, calls=0, log_sizes=(100, 1_000), **small)
    return plan
