# SPDX-License-Identifier: MIT
"""The comparison itself, from the flags to the results. Started by bench/run, which has built what is needed."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import redis

import contenders
import measure
import report
import results
from contenders import CELL, MAIN, Contender, words_of
from load import Load, Plan
from report import Results
from server import Server

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


def flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description="See the head of bench/run and bench/README.md.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=positive, default=5, help="interleaved rounds (5)")
    parser.add_argument("--seconds", type=seconds, default=1.0, help="length of one contender's turn (1)")
    parser.add_argument("--calls", type=positive, default=0, help="calls of one turn, instead of --seconds")
    parser.add_argument("--subjects", type=positive, default=100_000, help="keys (100000)")
    parser.add_argument("--clients", type=positive, default=50, help="connections (50)")
    parser.add_argument("--pipeline", type=positive, nargs="+", default=[1, 32], help="calls at a time on each (1 32)")
    parser.add_argument("--rate", type=positive, default=20_000, help="calls a second, for latency (20000)")
    parser.add_argument("--only", type=pattern, default=re.compile(""), metavar="REGEX", help="contenders by name")
    parser.add_argument(
        "--redis-cell", type=existing, metavar="FILE", default=os.environ.get("RATELIMIT_REDIS_CELL"),
        help="redis-cell's module, to be compared with, too (RATELIMIT_REDIS_CELL)",
    )  # fmt: skip
    parser.add_argument("--replicated", action="store_true", help="with AOF (everysec) and a replica")
    parser.add_argument("--seed", type=positive, default=1, help="of the orders (1)")
    parser.add_argument("--quick", action="store_true", help="a smoke run: its figures mean nothing")
    parser.add_argument("--output", type=Path, help="folder of the results; see bench/README.md")
    parser.add_argument("--load-generator", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--floor", type=Path, required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    is_complete = not (given.quick or given.parts or given.only.pattern)
    complete = RESULTS / "replicated" if given.replicated else RESULTS
    given.output = given.output or (complete if is_complete else PARTIAL_RESULTS)
    given.parts = given.parts or (REPLICATED_PARTS if given.replicated else PARTS)
    return given


def plan_of(given: argparse.Namespace) -> Plan:
    plan = Plan(
        rounds=given.rounds,
        seconds=given.seconds,
        calls=given.calls,
        subjects=given.subjects,
        pipelines=tuple(given.pipeline),
        clients=given.clients,
        seed=given.seed,
        rate=given.rate,
        many_subjects=(1_000, 10_000, 1_000_000),
        near_entries=100_000,
        log_sizes=(100, 1_000, 10_000, 100_000),
    )
    if given.quick:
        small = {"subjects": min(plan.subjects, 5_000), "many_subjects": (1_000, 10_000), "near_entries": 10_000}
        plan = replace(plan, rounds=2, seconds=0.1, calls=0, log_sizes=(100, 1_000), **small)
    return plan


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Choice:
    """Who takes part: asked for with --only, and known to its server. The others are kept with the reason."""

    def __init__(self, servers: dict[str, Server], only: re.Pattern[str]):
        self._servers, self._only = servers, only
        self.left_out: dict[str, str] = {}

    def among(self, candidates: list[Contender]) -> list[Contender]:
        return [each for each in candidates if self._takes_part(each)]

    def _takes_part(self, contender: Contender) -> bool:
        reason = self._reason_against(contender)
        if reason:
            self.left_out[contender.name] = reason
        return not reason

    def _reason_against(self, contender: Contender) -> str | None:
        if not self._only.search(contender.name):
            return "not asked for"
        if contender.server not in self._servers:
            return report.NOT_GIVEN
        if contender.is_ours and not self._servers[MAIN].module:
            return "there is no module"
        return self._error_of(contender)

    def _error_of(self, contender: Contender) -> str | None:
        client = self._servers[contender.server].client
        try:
            for command in filter(None, (contender.once, contender.setup, contender.with_window(1000).command)):
                client.execute_command(*words_of(command, "try"))
        except redis.ResponseError as error:
            # Its text lists the arguments, of which the last one has an end of line.
            return str(error).split(", with args", 1)[0].replace("\n", " ")
        finally:
            client.flushall()
        return None


def compare(loads: measure.Loads, plan: Plan, choice: Choice, parts: list[str]) -> Results:
    found = Results(is_replicated=loads[MAIN].server.replicated)
    for script in contenders.SCRIPTS.values():
        loads[MAIN].server.client.script_load(script)
    chosen = choice.among(contenders.RATES)

    if "bytes" in parts:
        tell("bytes a key")
        weighed = [each for each in contenders.BYTES if each in chosen]
        found.key_bytes = {each.name: measure.bytes_a_key(loads[each.server], each, plan.subjects) for each in weighed}
    if "rates" in parts:
        for pipeline in plan.pipelines:
            tell(f"rates, pipelined by {pipeline}")
            found.rates[pipeline] = measure.rates(loads, chosen, plan, pipeline, plan.subjects)
    if "latency" in parts:
        tell("latency")
        found.latencies = measure.latencies(loads, [each for each in contenders.LATENCIES if each in chosen], plan)
    if "subjects" in parts:
        tell("by subjects")
        found.by_subjects = measure.by_subjects(loads, [each for each in contenders.SUBJECTS if each in chosen], plan)
    if "limits" in parts:
        tell("by limits")
        limits = choice.among(list(contenders.LIMITS.values()))
        found.by_limits = measure.rates(loads, limits, plan, contenders.TARGET_PIPELINE, plan.subjects)
    if "entries" in parts:
        tell("by entries")
        logs = (contenders.LUA_LOG_NEAR, contenders.SLIDING_NEAR)
        near = [(limit, log[limit]) for log in logs for limit in log if choice.among([log[limit]])]
        found.near = measure.near_limit(loads[MAIN], near, plan)
    return found


def weigh_logs(load: Load, plan: Plan, choice: Choice) -> dict[str, dict[int, float]]:
    tell("bytes an entry")
    load.server.client.script_load(contenders.SCRIPTS["sliding_log"])
    return {each.name: measure.bytes_an_entry(load, each, plan) for each in choice.among(contenders.ENTRIES)}


def start(stack: ExitStack, given: argparse.Namespace) -> dict[str, Server]:
    program, module = os.environ["RATELIMIT_SERVER"], os.environ["RATELIMIT_MODULE"]
    wanted = {MAIN: Server(program, module, replicated=given.replicated, also=str(given.floor))}
    if given.redis_cell:
        wanted[CELL] = Server(program, str(given.redis_cell), replicated=given.replicated)
    return {name: stack.enter_context(server) for name, server in wanted.items()}


def main() -> None:
    given = flags()
    plan = plan_of(given)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers are stopped, too
    with ExitStack() as stack:
        servers = start(stack, given)
        top = report.head(servers, plan, given.quick)
        choice = Choice(servers, given.only)
        loads = {name: Load(given.load_generator, server, plan) for name, server in servers.items()}
        found = compare(loads, plan, choice, given.parts)
    found.left_out = choice.left_out
    if "bytes" in given.parts:
        # Apart, since a clock that can be moved has no place where time is measured.
        with Server(os.environ["RATELIMIT_SERVER"], os.environ["RATELIMIT_MODULE"], "DEBUG") as server:
            choice = Choice({MAIN: server}, given.only)
            found.entry_bytes = weigh_logs(Load(given.load_generator, server, plan), plan, choice)
            found.left_out |= choice.left_out
    print(results.write(found, plan, top, given.output))
    tell(f"written to {os.path.relpath(given.output)}")


if __name__ == "__main__":
    main()
