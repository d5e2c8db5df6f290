"""The comparison itself, from the flags to the tables. Started by bench/run, which has built what is needed."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path

import redis

import contenders
import measure
import report
from contenders import Contender
from server import Server


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


def flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description="See the head of bench/run and bench/README.md.")
    parser.add_argument("--rounds", type=positive, default=5, help="interleaved rounds (5)")
    parser.add_argument("--seconds", type=seconds, default=1.0, help="length of one contender's turn (1)")
    parser.add_argument("--calls", type=positive, default=0, help="calls of one turn, instead of --seconds")
    parser.add_argument("--subjects", type=positive, default=100_000, help="keys (100000)")
    parser.add_argument("--near-subjects", type=positive, default=2_000, help="keys of logs near their limit (2000)")
    parser.add_argument("--clients", type=positive, default=50, help="connections (50)")
    parser.add_argument("--pipeline", type=positive, nargs="+", default=[1, 32], help="calls at a time on each (1 32)")
    parser.add_argument("--only", type=pattern, default=re.compile(""), metavar="REGEX", help="contenders by name")
    parser.add_argument("--replicated", action="store_true", help="with AOF (everysec) and a replica")
    parser.add_argument("--seed", type=positive, default=1, help="of the orders (1)")
    parser.add_argument("--quick", action="store_true", help="a smoke run of seconds: its figures mean nothing")
    parser.add_argument("--load-generator", type=Path, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def plan_of(given: argparse.Namespace) -> measure.Plan:
    plan = measure.Plan(
        rounds=given.rounds,
        seconds=given.seconds,
        calls=given.calls,
        subjects=given.subjects,
        near_subjects=given.near_subjects,
        pipelines=tuple(given.pipeline),
        clients=given.clients,
        seed=given.seed,
        log_sizes=(100, 1_000, 10_000, 100_000),
    )
    if given.quick:
        small = {"subjects": min(plan.subjects, 5_000), "near_subjects": 100, "log_sizes": (100, 1_000)}
        plan = replace(plan, rounds=2, seconds=0.1, calls=0, **small)
    return plan


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Choice:
    """Who takes part: asked for with --only, and known to this server. The others are kept with the reason."""

    def __init__(self, server: Server, only: re.Pattern[str]):
        self._server, self._only = server, only
        self.left_out: dict[str, str] = {}

    def among(self, candidates: list[Contender]) -> list[Contender]:
        return [each for each in candidates if self._takes_part(each)]

    def _takes_part(self, contender: Contender) -> bool:
        if not self._only.search(contender.name):
            self.left_out[contender.name] = "not asked for"
        elif contender.is_ours and not self._server.module:
            self.left_out[contender.name] = "there is no module"
        else:
            self._try(contender)
        return contender.name not in self.left_out

    def _try(self, contender: Contender) -> None:
        words = [word.replace("{key}", "try") for word in contender.with_window(1000).command]
        try:
            self._server.client.execute_command(*words)
        except redis.ResponseError as error:
            self.left_out[contender.name] = str(error)
        self._server.client.delete("try")


def compare(server: Server, load: measure.Load, plan: measure.Plan, choice: Choice) -> None:
    for script in contenders.SCRIPTS.values():
        server.client.script_load(script)
    plain, near = choice.among(contenders.PLAIN), choice.among(contenders.NEAR)

    tell("bytes a key")
    key_bytes = {each.name: measure.bytes_a_key(load, server, each, plan.subjects) for each in plain}
    server.empty()
    for contender in plain:
        load.once_each(contender, plan.subjects)

    samples = {}
    for pipeline in plan.pipelines:
        tell(f"pipelined by {pipeline}")
        plain_rates = measure.rates(load, plain, plan, pipeline)
        near_rates = measure.near_limit_rates(load, near, plan, pipeline)
        report.rates(pipeline, plain_rates, near_rates, plan)
        samples[pipeline] = plain_rates | near_rates
    report.targets(samples)
    report.key_bytes(key_bytes, plan.subjects)


def weigh_logs(server: Server, load: measure.Load, plan: measure.Plan, choice: Choice) -> None:
    tell("bytes an entry")
    server.client.script_load(contenders.SCRIPTS["sliding_log"])
    report.entry_bytes(
        {each.name: measure.bytes_an_entry(server, load, each, plan) for each in choice.among(contenders.ENTRIES)}
    )


def main() -> None:
    given = flags()
    plan = plan_of(given)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the server is stopped, too
    program, module = os.environ["RATELIMIT_SERVER"], os.environ["RATELIMIT_MODULE"]
    with Server(program, module, replicated=given.replicated) as server:
        report.head(server, plan)
        choice = Choice(server, given.only)
        compare(server, measure.Load(given.load_generator, server, plan), plan, choice)
    # Apart, since a clock that can be moved has no place where time is measured.
    with Server(program, module, "DEBUG") as server:
        log_choice = Choice(server, given.only)
        weigh_logs(server, measure.Load(given.load_generator, server, plan), plan, log_choice)
    report.left_out(choice.left_out | log_choice.left_out)


if __name__ == "__main__":
    main()
