"""The server that the examples speak to: one for all of them, and empty for each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "server"))  # where the harness is

from harness import Server


@pytest.fixture(scope="session")
def started_server() -> Iterator[Server]:
    server = Server()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def server(started_server: Server) -> Iterator[Server]:
    with started_server.client() as db:
        db.do("FLUSHALL SYNC")
    yield started_server
    started_server.assert_well()
