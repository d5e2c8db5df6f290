# SPDX-License-Identifier: MIT
"""The check service with the door for Envoy, a client that plays Envoy, and the server behind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "check_service"))

from envoy_client import Envoy, EnvoyService  # noqa: E402
from harness import BASE, Clock, Server  # noqa: E402
from one_server import server, started_server  # noqa: E402, F401


@pytest.fixture
def clock(server: Server) -> Iterator[Clock]:  # noqa: F811
    """The server's clock, held at a midnight."""
    with server.client() as db:
        clock = Clock(db)
        clock.set(BASE)
        yield clock
        clock.resume()


@pytest.fixture
def rules(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the YAML of a file of rules, and gives its folder."""
    folder = tmp_path / "rules"
    folder.mkdir()

    def write(yaml: str, name: str = "web.yaml") -> Path:
        # In one step: a file that is half written would be a fault.
        (tmp_path / "new").write_text(yaml)
        (tmp_path / "new").rename(folder / name)
        return folder

    return write


@pytest.fixture
def services(server: Server) -> Iterator[Callable[..., EnvoyService]]:  # noqa: F811
    """Makes services: services(folder of rules, servers=others, setting=...)."""
    with ExitStack() as ends:

        def start(folder: Path, servers: object = None, **settings: object) -> EnvoyService:
            return ends.enter_context(EnvoyService(servers or server.socket, folder, **settings))

        yield start


@pytest.fixture
def envoys(
    services: Callable[..., EnvoyService],
    rules: Callable[[str], Path],
) -> Iterator[Callable[..., Envoy]]:
    """A service with these descriptors of the domain `web`, and a client of it: envoys(yaml, setting=...)."""
    with ExitStack() as ends:

        def start(descriptors: str, **settings: object) -> Envoy:
            service = services(rules(f"domain: web\ndescriptors:\n{descriptors}"), **settings)
            return ends.enter_context(service.envoy())

        yield start
