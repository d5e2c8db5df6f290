# SPDX-License-Identifier: MIT
"""Fixtures of the tests of a server: one that most tests share, clean, its clock running; a factory for others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster import Cluster, Node, hold_clocks
from harness import BASE, MODULE, Client, Clock, Server, node_modules, watched_over


def pytest_sessionstart(session: pytest.Session) -> None:
    if not MODULE.exists() and not session.config.option.collectonly:
        pytest.exit(f"there is no {MODULE}: build it, or name another in RATELIMIT_MODULE", returncode=2)


# Begun first, so that no process of pytest-xdist is left with one of them when the others have nothing to do any more.
LONG = (
    *(
        "test_background_sweep",
        "test_oracle",
        "test_persistence_matrix",
        "test_dense_replication",
        "test_dense_hostile",
    ),
    *("test_digests", "test_scaling_out", "test_failover", "test_bad_input", "test_dense_equals_single"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


@pytest.fixture(scope="session")
def shared_servers() -> Iterator[list[Server]]:
    """The server that tests share, last; those before it did not survive their test."""
    servers: list[Server] = []
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def server(shared_servers: list[Server]) -> Iterator[Server]:
    if not shared_servers or not shared_servers[-1].is_alive():
        shared_servers.append(Server().start())
    server = shared_servers[-1]
    with server.client() as client:
        client.do("FLUSHALL SYNC")  # without the word, Valkey does it in the background
        Clock(client).resume()
    yield server
    try:
        server.assert_well()
    except AssertionError:
        server.stop()
        raise


@pytest.fixture
def db(server: Server) -> Iterator[Client]:
    """A client of the shared server."""
    with server.client() as client:
        yield client


@pytest.fixture
def clock(db: Client) -> Clock:
    """The clock of the shared server, held at BASE."""
    clock = Clock(db)
    clock.set(BASE)
    return clock


@pytest.fixture
def configure(db: Client) -> Iterator[Callable[[str, str], None]]:
    """Changes a setting of the shared server for the length of the test."""
    before: dict[str, str] = {}

    def change(name: str, value: str) -> None:
        before.setdefault(name, db.config_get(name)[name])
        db.config_set(name, value)

    yield change
    for name, value in before.items():
        db.config_set(name, value)


@pytest.fixture
def start_server() -> Iterator[Callable[..., Server]]:
    """Starts a server for this test alone: start_server(option, ..., debug=True, module=..., variables=...)."""
    servers: list[Server] = []

    def start(*options: str, debug: bool = True, **others) -> Server:
        servers.append(Server(*options, arguments=("DEBUG",) if debug else (), **others))
        return servers[-1].start()

    yield start
    complaints = list(filter(None, map(complaint_of, servers)))
    for server in servers:
        server.stop()
    assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="session", name="node_modules")
def installed_node_modules() -> Path:
    return node_modules()


def complaint_of(server: Server) -> str:
    try:
        server.assert_well()
    except AssertionError as error:
        return str(error)
    return ""


@pytest.fixture
def node() -> Iterator[Callable[..., Node]]:
    """Starts a server for this test alone, which may be killed: node(option, ...)."""
    with watched_over() as nodes:

        def start(*options: str) -> Node:
            nodes.append(Node(*options))
            return nodes[-1].start()

        yield start


@pytest.fixture(scope="module")
def started_cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture
def cluster(started_cluster: Cluster) -> Iterator[Cluster]:
    for primary in started_cluster.primaries:
        with primary.client() as db:
            db.flushall()
    hold_clocks(started_cluster.nodes, BASE)
    yield started_cluster
    started_cluster.assert_well()
