# SPDX-License-Identifier: MIT
"""The check service as a process, and clients that speak HTTP to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import PATIENCE_S, REPOSITORY, Server, eventually

FOLDER = REPOSITORY / "examples" / "check-service"
BUILT = Path(os.environ.get("RATELIMIT_CHECK_SERVICE", REPOSITORY / "build/check-service/examples/check-service"))
PROGRAM = BUILT / "check-service"
PARTS = [BUILT / "tests" / "check_service_tests", BUILT / "envoy" / "tests" / "check_service_envoy_tests"]


@dataclass
class Answer:
    status: int
    fields: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        return self.json["detail"]


def environment(settings: dict) -> dict[str, str]:
    ours = {f"CHECK_SERVICE_{name.upper()}": str(value) for name, value in settings.items()}
    return {name: value for name, value in os.environ.items() if not name.startswith("CHECK_SERVICE_")} | ours


class Service:
    """A running service. `None` as a setting leaves it out."""

    def __init__(self, servers: object, **settings: object) -> None:
        assert PROGRAM.exists(), f"there is no {PROGRAM}: examples/check-service/run --build"
        usual = {"listen": "127.0.0.1:0", "servers": servers, "deadline": "2s", "threads": 2, "log_level": "debug"}
        chosen = {name: value for name, value in (usual | settings).items() if value is not None}
        self._log = tempfile.NamedTemporaryFile(prefix="check-service-", suffix=".log")  # noqa: SIM115
        self.process = subprocess.Popen([PROGRAM], env=environment(chosen), stdin=subprocess.DEVNULL, stderr=self._log)
        try:
            eventually(self._has_started, "the service to start")
        except AssertionError:
            self.process.kill()
            raise

    def _has_started(self) -> bool:
        assert self.process.poll() is None, f"the service ended: {self.log_text()}"
        return bool(self.events("started"))

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *about: object) -> None:
        if self.process.poll() is None:
            assert self.end() == 0, self.log_text()
        self._log.close()

    def end(self) -> int:
        """Asks it to end, and waits until it has."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    # --- what it says -------------------------------------------------------------------------------

    def log_text(self) -> str:
        return Path(self._log.name).read_text()

    def events(self, name: str) -> list[dict]:
        lines = [json.loads(line) for line in self.log_text().splitlines() if line.endswith("}")]
        return [line for line in lines if line["event"] == name]

    @property
    def port(self) -> int:
        return int(self.events("started")[0]["address"].rsplit(":", 1)[1])

    # --- what it is asked ---------------------------------------------------------------------------

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def ask(self, method: str, target: str, body: object = None, **fields: str) -> Answer:
        """One request over a connection of its own. A body that is no text is sent as JSON."""
        data = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        connection = self.connection()
        try:
            connection.request(method, target, data, {name.replace("_", "-"): value for name, value in fields.items()})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def check(self, **body: object) -> Answer:
        return self.ask("POST", "/check", body)

    def metric(self, line_begin: str) -> float:
        """The number of the one line of the metrics that begins so; 0 if there is none."""
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        found = [line for line in lines if line.startswith(line_begin)]
        assert len(found) < 2, found
        return float(found[0].rsplit(" ", 1)[1]) if found else 0


@contextmanager
def paused(server: Server) -> Iterator[None]:
    """The server says nothing meanwhile."""
    with server.client() as db:
        process = int(db.info("server")["process_id"])
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def memory_kb(service: Service) -> int:
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def request_bytes(body: dict, target: str = "/check") -> bytes:
    """A request as it is sent."""
    data = json.dumps(body)
    return f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode()


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)
