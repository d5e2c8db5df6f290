# SPDX-License-Identifier: MIT
"""Fixtures of a folder whose tests share one server: for each of them it is empty, and its clock runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import Clock, Server


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
        Clock(db).resume()  # whoever held it
    yield started_server
    started_server.assert_well()
