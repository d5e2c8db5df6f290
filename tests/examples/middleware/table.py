# SPDX-License-Identifier: MIT
"""What the tests of the middlewares share: the fields of an answer, what is answered if nothing was decided, and
servers that hang or lack the module.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from drivers import EXAMPLES, Answer, Service
from harness import PATIENCE_S, Client, Server

# As tests/server/commands/test_headers.py has them.
FIELDS = ["RateLimit-Policy", "RateLimit", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"]
SANE_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
PATIENT_MS = 1000 * PATIENCE_S  # a timeout that no slow machine reaches
SHORT_MS = 100  # one that is waited for, where no answer comes; a slow machine may reach it where one would come
LINES_S = 10  # in that time, there is one line about a caller or a failure


def told(answer: Answer) -> dict[str, str]:
    """The fields that come from the server."""
    return {name: answer[name] for name in FIELDS if answer.all(name)}


def check_undecided(service: Service, what: str, choice: str, about: str, status: int, title: str) -> Answer:
    """The server has not decided: a request is served without its fields, or refused. One line says so."""
    answer = service.get(X_Request_Id="abc-1")
    assert answer["X-Request-Id"] == "abc-1"
    [line] = service.lines("ratelimit:")
    assert re.fullmatch(rf'ratelimit: {what} {choice} request_id=abc-1 error=".{{8,}}"', line)
    assert re.search(about, line) and line.isprintable()
    if choice == "open":
        assert (answer.status, answer.body, told(answer)) == (200, b"hello", {})
    else:
        assert (answer.status, service.lines("served")) == (status, [])
        assert answer.problem() == {"type": "about:blank", "title": title, "status": status, "request_id": "abc-1"}
    return answer


@contextmanager
def without_module() -> Iterator[Server]:
    server = Server(module=None, arguments=())
    try:
        yield server.start()
    finally:
        server.stop()


@contextmanager
def paused(server: Server) -> Iterator[None]:
    """The server reads commands that write, and leaves them."""
    with server.client() as db:
        db.execute_command("CLIENT", "PAUSE", PATIENT_MS, "WRITE")
        try:
            yield
        finally:
            db.execute_command("CLIENT", "UNPAUSE")


def is_asked(db: Client) -> bool:
    """While it is paused: whether somebody's command is waiting."""
    return db.info("clients")["blocked_clients"] > 0


def load_python():
    """The package of examples/python, in this process."""
    folder = str(EXAMPLES / "python")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module("ratelimit")
