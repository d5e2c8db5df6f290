# SPDX-License-Identifier: MIT
"""A server, a cluster of two primaries and a server without the module, watched by one exporter and one Prometheus.

They are started once for each of the two exporters.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from callers import Stack, allow_the_exporter, begin, call_the_cluster, go_on, has_seen_all
from cluster import Cluster
from harness import Server, free_port
from stack import EXPORTERS, Exporter, Prometheus, address, until


@pytest.fixture(scope="session", params=EXPORTERS)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("monitoring")
    with ExitStack() as ends:

        def started(program):
            ends.callback(program.stop)
            return program.start()

        server, without_module, cluster = started(Server()), started(Server(module=None)), started(Cluster(2))
        for each in (server, without_module, *cluster.nodes):
            allow_the_exporter(each)
        nobody = f"redis://127.0.0.1:{free_port()}"
        watched = [address(each) for each in (server, without_module, *cluster.primaries)]
        exporter = started(Exporter(folder, request.param))
        with server.client() as db:
            begin(db)
            call_the_cluster(cluster, 1)
            prometheus = started(Prometheus(folder, exporter, [*watched, nobody]))
            until(lambda: len(prometheus.ask("ratelimit_up")) == 4, "the first scrape")
            go_on(db)
            call_the_cluster(cluster, 4)
        stack = Stack(server, without_module, cluster, exporter, prometheus, nobody)
        until(lambda: has_seen_all(stack), "a scrape of what was done last")
        yield stack
        server.assert_well()
        cluster.assert_well()


@pytest.fixture(scope="session")
def prometheus(stack: Stack) -> Prometheus:
    return stack.prometheus
