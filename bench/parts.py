# SPDX-License-Identifier: MIT
"""A limiter in parts on a cluster of three primaries (docs/scaling-out.md): does it grant exactly, and what does a
decision cost the servers, compared with the same limiter in one key?"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Iterable
from statistics import median

import contenders
from contenders import Contender
from primaries import Primaries, node_of, part_of, parts_of
from tables import Table, code, section
from together import Turn, Turns, ask_all, cells, measure

NODES, PARTS = 3, 64
LIMIT, ASKED = 10, 16  # of each subject, where the grants are counted
WHOLE = Contender("RL.CHECK {0}limiter FOR subject", "ours", "sub:", ("RL.CHECK", "{0}limiter", "FOR", "{key}"))
PARTED = Contender(
    "RL.CHECK {part}limiter FOR subject", "ours", "sub:", ("RL.CHECK", "{{part}}limiter", "FOR", "{key}")
)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(given: argparse.Namespace) -> tuple[Turns, str]:
    """The same limiter as one key of one node, and in parts on all nodes; and whether the parts grant exactly."""
    found: Turns = defaultdict(list)
    with Primaries(given.server, os.environ["RATELIMIT_MODULE"], NODES) as cluster:
        exact = count_grants(given, cluster)
        cluster.empty()
        cluster.define("limiter", PARTS, *contenders.BUCKET_LIMIT)
        for number in range(given.rounds):
            tell(f"cluster, round {number + 1}")
            found[WHOLE.name, 1].append(_ask_nodes(given, cluster, WHOLE, [node_of(0, NODES)]))
            found[PARTED.name, NODES].append(_ask_nodes(given, cluster, PARTED, range(NODES)))
    return found, exact


def _ask_nodes(given: argparse.Namespace, cluster: Primaries, contender: Contender, nodes: Iterable[int]) -> Turn:
    """A load generator for each node, which asks only about the subjects of that node's parts."""
    asks = []
    for node in nodes:
        ask = {"port": cluster.nodes[node].port, "subjects": given.subjects, "clients": 50}
        asks.append(ask | {"pipeline": contenders.TARGET_PIPELINE} | (_own(node) if contender is PARTED else {}))
    return measure(given.load_generator, contender, asks, cluster.nodes, given.seconds)


def _own(node: int) -> dict:
    return {"parts": PARTS, "owned": ",".join(map(str, parts_of(node, PARTS, NODES)))}


def count_grants(given: argparse.Namespace, cluster: Primaries) -> str:
    """Two load generators for each node ask about every subject more often than its limit: what is granted in all?"""
    tell("cluster, grants")
    cluster.define("limiter", PARTS, "FIXED", str(LIMIT), "1d")
    asks, calls = [], 0
    for node in range(NODES):
        own = set(parts_of(node, PARTS, NODES))
        subjects = sum(part_of(f"{PARTED.prefix}{each:09}", PARTS) in own for each in range(given.subjects))
        ask = {"port": cluster.nodes[node].port, "subjects": given.subjects, "calls": subjects * ASKED // 2}
        asks += [ask | _own(node)] * 2
        calls += 2 * ask["calls"]
    denied = sum(each["denied"] for each in ask_all(given.load_generator, PARTED, asks))
    assert calls == given.subjects * ASKED
    granted, allowed = calls - denied, given.subjects * LIMIT
    if granted != allowed:
        raise SystemExit(f"the parts granted {granted:,}, and {allowed:,} were allowed")
    return (
        f"{given.subjects:,} subjects in {PARTS} parts on {NODES} primaries, `FIXED {LIMIT} 1d`, each subject asked "
        f"{ASKED} times by two load generators at once: {granted:,} of {calls:,} calls were granted, exactly "
        f"{LIMIT} a subject."
    )


def report(given: argparse.Namespace, found: Turns, exact: str) -> str:
    table = Table(
        ["one call", "nodes asked"],
        ["decisions/s", "to one node", "busiest main thread", "other threads", "load generators", "µs of the servers"],
    )
    one = found[WHOLE.name, 1]
    for (name, nodes), rows in found.items():
        ratio = median(a.decisions_per_second / b.decisions_per_second for a, b in zip(rows, one))
        table.rows[code(name), nodes] = *cells(rows, f"{ratio:.2f}"), f"{median(r.cpu_us for r in rows):.2f}"
    return section("A cluster", exact, table.markdown())
