# SPDX-License-Identifier: MIT
"""The comparison itself, from the flags to the results. Started by bench/run, which has built what is needed."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
from contextlib import ExitStack

import redis

import contenders
import flags
import measure
import report
import write
from contenders import CELL, MAIN, Contender, words_of
from load import Load, Plan
from results import Results
from server import DoesNotStart, Server

NO_CELL = "not given: `bench/run --redis-cell path/to/libredis_cell.so`"


_STARTED = time.monotonic()


def tell(text: str) -> None:
    print(f"{time.monotonic() - _STARTED:5.0f} s  {text}", file=sys.stderr, flush=True)


class Choice:
    """Who takes part: asked for with --only, and known to its server. The others are kept with the reason."""

    def __init__(self, servers: dict[str, Server], only: re.Pattern[str], no_cell: str = NO_CELL):
        self._servers, self._only, self._no_cell = servers, only, no_cell
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
            return self._no_cell
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


class Comparison:
    """All parts, on one server with its companions."""

    def __init__(self, loads: measure.Loads, plan: Plan, choice: Choice, found: Results):
        self._loads, self._plan, self._choice, self._found = loads, plan, choice, found
        for script in contenders.SCRIPTS.values():
            loads[MAIN].server.client.script_load(script)
        loads[MAIN].server.client.execute_command("FUNCTION", "LOAD", contenders.LIBRARY.read_text())
        self._chosen = choice.among(contenders.RATES)

    def run(self, parts: list[str]) -> None:
        for part in parts:
            tell(f"{self._found.title}: {part}")
            getattr(self, f"_{part}")()

    def run_beside_gcra(self) -> None:
        tell(f"{self._found.title}: beside its own limiter")
        pipeline, plan = contenders.TARGET_PIPELINE, self._plan
        chosen = self._among(contenders.BESIDE_GCRA)
        self._found.rates[pipeline] = measure.rates(self._loads, chosen, plan, pipeline, plan.subjects)

    def _among(self, candidates: list[Contender]) -> list[Contender]:
        return [each for each in candidates if each in self._chosen]

    def _bytes(self) -> None:
        for each in self._among(contenders.BYTES):
            self._found.key_bytes[each.name] = measure.bytes_a_key(self._loads[each.server], each, self._plan.subjects)

    def _rates(self) -> None:
        for pipeline in self._plan.pipelines:
            plan, chosen = self._plan, self._chosen
            if pipeline == 1:
                plan, chosen = plan.for_growth(), self._among(contenders.UNPIPELINED)
            self._found.rates[pipeline] = measure.rates(self._loads, chosen, plan, pipeline, plan.subjects)

    def _latency(self) -> None:
        self._found.latencies = measure.latencies(self._loads, self._among(contenders.LATENCIES), self._plan)

    def _subjects(self) -> None:
        self._found.by_subjects = measure.by_subjects(self._loads, self._among(contenders.SUBJECTS), self._plan)

    def _limits(self) -> None:
        limits = self._choice.among(list(contenders.LIMITS.values()))
        pipeline, subjects = contenders.TARGET_PIPELINE, self._plan.subjects
        self._found.by_limits = measure.rates(self._loads, limits, self._plan.for_growth(), pipeline, subjects)

    def _entries(self) -> None:
        logs = (contenders.LUA_LOG_NEAR, contenders.SLIDING_NEAR)
        near = [(limit, log[limit]) for log in logs for limit in log if self._choice.among([log[limit]])]
        self._found.near = measure.near_limit(self._loads[MAIN], near, self._plan)


def weigh_logs(given: argparse.Namespace, program: str, plan: Plan, found: Results) -> None:
    """Apart, since a clock that can be moved has no place where time is measured."""
    tell(f"{found.title}: bytes an entry")
    with Server(program, os.environ["RATELIMIT_MODULE"], "DEBUG") as server:
        choice = Choice({MAIN: server}, given.only)
        load = Load(given.load_generator, server, plan)
        server.client.script_load(contenders.SCRIPTS["sliding_log"])
        chosen = choice.among(contenders.ENTRIES)
        found.entry_bytes = {each.name: measure.bytes_an_entry(load, each, plan) for each in chosen}
        found.left_out |= choice.left_out


def start(stack: ExitStack, given: argparse.Namespace, program: str) -> tuple[dict[str, Server], str]:
    """The server with our module and, if there is one, its twin with redis-cell; else why there is none."""
    module = os.environ["RATELIMIT_MODULE"]
    servers = {
        MAIN: stack.enter_context(Server(program, module, replicated=given.replicated, also=str(given.floor)))
    }  # fmt: skip
    if not given.redis_cell:
        return servers, NO_CELL
    try:
        twin = Server(program, str(given.redis_cell), replicated=given.replicated)
        servers[CELL] = stack.enter_context(twin)
    except DoesNotStart:
        return servers, "this server does not start with that file"
    return servers, ""


def compare(given: argparse.Namespace, program: str, plan: Plan, beside_gcra: bool) -> Results:
    with ExitStack() as stack:
        servers, no_cell = start(stack, given, program)
        choice = Choice(servers, given.only, no_cell)
        loads = {name: Load(given.load_generator, server, plan) for name, server in servers.items()}
        found = Results.of(servers[MAIN], servers.get(CELL))
        comparison = Comparison(loads, plan, choice, found)
        if beside_gcra:
            comparison.run_beside_gcra()
        else:
            comparison.run(given.parts)
    found.left_out = choice.left_out
    if "bytes" in given.parts and not beside_gcra:
        weigh_logs(given, program, plan, found)
    return found


def main() -> None:
    given = flags.read()
    plan = flags.plan_of(given)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers are stopped, too
    origin = report.origin(plan, given.quick)  # the load average is that of before
    found = [compare(given, program, plan, beside_gcra=False) for program in given.servers]
    own = [compare(given, program, plan, beside_gcra=True) for program in given.gcra if not given.replicated]
    print(write.everything(found, own, plan, origin, given.output))
    tell(f"written to {os.path.relpath(given.output)}")


if __name__ == "__main__":
    main()
