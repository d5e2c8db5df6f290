# SPDX-License-Identifier: MIT
"""Threads of one server for its connections (io-threads): what more of them bring, and what then is at its limit."""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import defaultdict
from contextlib import ExitStack
from statistics import median

import contenders
from contenders import BRIEF, BUCKET, DENSE, EACH, INCR, LUA_BUCKET, Contender
from load import Load, Plan
from server import Server
from tables import Table, code, section
from together import Turn, Turns, cells, measure

THREADED = [INCR, BUCKET, DENSE, BRIEF, EACH, LUA_BUCKET]


def run(given: argparse.Namespace) -> Turns:
    """All servers stand side by side, and those that are not asked idle."""
    found: Turns = defaultdict(list)
    plan = Plan.only(clients=50, seed=1)
    with ExitStack() as stack:
        loads = {}
        for threads in given.threads:
            options = ("--io-threads", str(threads))
            server = Server(given.server, os.environ["RATELIMIT_MODULE"], options=options, pinned=False)
            loads[threads] = Load(given.load_generator, stack.enter_context(server), plan)
            server.client.script_load(contenders.SCRIPTS["token_bucket"])
        for load in loads.values():
            for contender in THREADED:
                load.once_each(contender, given.subjects)
        order = random.Random(plan.seed)
        for number in range(given.rounds):
            print(f"threads, round {number + 1}", file=sys.stderr, flush=True)
            turns = [(contender, threads) for contender in THREADED for threads in loads]
            for contender, threads in order.sample(turns, len(turns)):
                found[contender.name, threads].append(_one_server(given, loads[threads], contender))
    return found


def _one_server(given: argparse.Namespace, load: Load, contender: Contender) -> Turn:
    """The load generators share the connections of a usual run."""
    ask = {
        "port": load.server.port, "database": load.database_of(contender), "subjects": given.subjects,
        "clients": max(1, 50 // given.generators), "pipeline": contenders.TARGET_PIPELINE, "denial": contender.denial,
    }  # fmt: skip
    return measure(given.load_generator, contender, [ask] * given.generators, [load.server], given.seconds)


def report(given: argparse.Namespace, found: Turns, title: str) -> str:
    table = Table(
        ["one call", "threads"],
        ["decisions/s", f"to {given.threads[0]} thread(s)", "main thread", "other threads", "load generators"],
    )
    for contender in THREADED:
        for threads in given.threads:
            rows = found[contender.name, threads]
            fewest = found[contender.name, given.threads[0]]
            ratios = [a.decisions_per_second / b.decisions_per_second for a, b in zip(rows, fewest)]
            table.rows[code(contender.name), threads] = cells(rows, f"{median(ratios):.2f}")
    about = (
        f"{title}, {len(os.sched_getaffinity(0))} cores, {given.generators} load generator(s), `io-threads` as said; "
        f"pipelined by {contenders.TARGET_PIPELINE}, {given.subjects:,} subjects, medians of {given.rounds} rounds. "
        "The last three columns are how much of a core each had: what stands near 100% is the limit, and if they "
        "come near the number of cores together, the machine is."
    )
    return section("Threads", about, table.markdown())
