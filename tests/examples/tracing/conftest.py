# SPDX-License-Identifier: MIT
"""The service of examples/tracing between nginx, a server, a check service and a receiver of spans."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "check_service"))

from traced import SECRET, App, Receiver

from harness import Server, free_port
from service import Service


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def start(receiver: Receiver, tmp_path: Path) -> Iterator[Callable[..., App]]:
    """Starts the service; nobody is at an address that is not given."""
    with ExitStack() as ends:

        def started(redis_url: str = "", check_service: str = "") -> App:
            redis_url = redis_url or f"redis://127.0.0.1:{free_port()}"
            check_service = check_service or f"http://127.0.0.1:{free_port()}"
            return ends.enter_context(App(tmp_path, receiver, redis_url, check_service).running())

        yield started


@pytest.fixture
def check_service(server: Server) -> Iterator[Service]:
    with Service(server.socket, deadline="60s") as service:
        yield service


@pytest.fixture
def redis_url(server: Server) -> Iterator[str]:
    """By a user with a password; two limiters are defined."""
    with server.client() as db:
        db.do(f"ACL SETUSER web reset on >{SECRET} ~* +@all")
        for name in ("api:orders", "api:reports"):
            db.do(f"RL.DEFINE {name} FIXED 2 1h AS hourly")
        yield f"redis://web:{SECRET}@127.0.0.1:{server.port}"
        db.do("ACL DELUSER web")


@pytest.fixture
def app(start: Callable[..., App], redis_url: str, check_service: Service) -> App:
    app = start(redis_url, f"http://127.0.0.1:{check_service.port}")
    app.wait_for_server()
    return app
