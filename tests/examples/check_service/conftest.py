# SPDX-License-Identifier: MIT
"""The check service, and the server that it asks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from harness import REPOSITORY, Server
from one_server import server, started_server  # noqa: F401
from service import Service

sys.path.insert(0, str(REPOSITORY / "tests" / "monitoring"))  # the tests with Prometheus


@pytest.fixture
def service(server: Server) -> Iterator[Service]:  # noqa: F811
    """A service whose server is empty. It is not shared: a service remembers denials."""
    with Service(server.socket) as service:
        yield service


@pytest.fixture
def services(server: Server) -> Iterator[Callable[..., Service]]:  # noqa: F811
    """Makes services with other settings; the last argument may be another server's socket."""
    with ExitStack() as ends:
        yield lambda socket=None, **settings: ends.enter_context(Service(socket or server.socket, **settings))
