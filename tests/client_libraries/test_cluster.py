# SPDX-License-Identifier: MIT
"""What a library does in a cluster with a command that it does not know: the limit holds for each key, whichever node
has it. `finds_key` of clients.py says whether the call goes to that node at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients import CLIENTS, Client, converse
from cluster import Cluster

KEYS = [f"user:{number}" for number in range(12)]
LIMIT, CALLS = 5, 8
IN_A_CLUSTER = {name: client for name, client in CLIENTS.items() if client.finds_key is not None}


@pytest.fixture
def cluster(started_cluster: Cluster) -> Iterator[Cluster]:
    for node in started_cluster.primaries:
        with node.client() as db:
            db.do("FLUSHALL SYNC")
            db.do("CONFIG RESETSTAT")
    yield started_cluster
    started_cluster.assert_well()


def redirected(cluster: Cluster) -> int:
    """How often a node answered that another has the key."""
    found = 0
    for node in cluster.primaries:
        with node.client() as db:
            counted = db.info("errorstats").get("errorstat_MOVED", "count=0")
            found += int(counted.removeprefix("count="))
    return found


def written(tmp_path: Path, steps: list[dict]) -> Path:
    file = tmp_path / "steps.json"
    file.write_text(json.dumps(steps))
    return file


@pytest.mark.parametrize("client", IN_A_CLUSTER.values(), ids=IN_A_CLUSTER)
def test_each_key_of_a_cluster_has_its_whole_limit_and_no_more(cluster: Cluster, client: Client, tmp_path: Path):
    steps = [{"command": f"RL.FIXED {key} {LIMIT} 1h"} for _ in range(CALLS) for key in KEYS]
    heard = json.loads(converse(client, written(tmp_path, steps), cluster.primaries[0].port, "cluster"))
    granted = [[int(reply[0]) for reply in heard[number :: len(KEYS)]] for number in range(len(KEYS))]
    assert granted == [[1] * LIMIT + [0] * (CALLS - LIMIT)] * len(KEYS)
    for node in cluster.primaries:
        with node.client() as db:
            assert 0 < db.dbsize() < len(KEYS)
    # A library that finds the key is not redirected; one that guesses is, for two calls of three.
    assert redirected(cluster) <= 3 if client.finds_key else redirected(cluster) > len(steps) / 3
