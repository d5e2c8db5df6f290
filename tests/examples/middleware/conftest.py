# SPDX-License-Identifier: MIT
"""The middlewares of examples/, all against one table of behaviours: Express, WSGI, ASGI, net/http.

driver.* serve them. Each has an application that answers `hello`, notes "served" with the correlation id that it sees,
and at /own says RateLimit-Limit itself. It notes "gone" if a client has left. The notes are in the log of the service,
where the middleware writes too. With the options key and cost, these come from X-Key and X-Cost. The address of the
connection is what X-Address says, where that is sent.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from drivers import KINDS, Driver, Service
from harness import Server
from table import PATIENT_MS, without_module


@pytest.fixture(scope="session")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Driver]]:
    """One process a kind, started when it is first needed."""
    started: dict[str, Driver] = {}

    def driver(kind: str) -> Driver:
        if kind not in started:
            started[kind] = Driver(kind, tmp_path_factory.mktemp(kind))
        return started[kind]

    yield driver
    for each in started.values():
        each.stop()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def driver(drivers: Callable[[str], Driver], kind: str) -> Iterator[Driver]:
    yield (driver := drivers(kind))
    driver.assert_well()


@pytest.fixture
def serve(driver: Driver, server: Server) -> Callable[..., Service]:
    """A service behind the middleware with these options, closed and patient unless told."""
    return lambda **options: driver.serve(server.port, **{"onFailure": "closed", "timeout": PATIENT_MS} | options)


@pytest.fixture(scope="session")
def bare_server() -> Iterator[Server]:
    with without_module() as server:
        yield server
