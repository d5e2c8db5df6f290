# SPDX-License-Identifier: MIT
"""The programs that serve the middlewares of examples/, each of them many times in one process: one line of options in,
one port out. And the ways that their server may fail.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import GO, PATIENCE_S, REPOSITORY, node_modules, output_of

HERE = Path(__file__).parent
EXAMPLES = REPOSITORY / "examples"
BUILD = REPOSITORY / "build" / "examples"
KINDS = ["express", "wsgi", "asgi", "go"]


def environment(**others: str) -> dict[str, str]:
    return os.environ | GO | {"NODE_PATH": str(node_modules()), "PYTHONDONTWRITEBYTECODE": "1"} | others


def compiled(name: str, *sources: Path) -> str:
    """Go wants all files of a program in one folder. Each process of pytest-xdist has its own."""
    folder = BUILD / f"{name}-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in sources:
        shutil.copy(source, folder)
    binary = str(folder / "bin")
    output_of("go", "build", "-o", binary, *(str(folder / source.name) for source in sources), env=environment())
    return binary


def command(kind: str) -> list[str]:
    if kind == "express":
        return ["node", str(HERE / "driver.js"), str(EXAMPLES / "express" / "ratelimit")]
    if kind == "go":
        files = sorted(set((EXAMPLES / "go").glob("*.go")) - {EXAMPLES / "go" / "app.go"})
        return [compiled("driver", *files, HERE / "driver.go")]
    return [sys.executable, str(HERE / "driver.py"), str(EXAMPLES / "python"), kind]


@dataclass
class Answer:
    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for given, value in self.fields if given.lower() == name.lower()]

    def __getitem__(self, name: str) -> str:
        [value] = self.all(name)
        return value

    def problem(self) -> dict:
        assert self["Content-Type"] == "application/problem+json"
        return json.loads(self.body)


@dataclass
class Service:
    """A service behind the middleware, with the log that it and its middleware write."""

    port: int
    log: Path

    def get(self, path: str = "/", method: str = "GET", **fields: str | bytes) -> Answer:
        """An underscore in a name stands for a hyphen."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in fields.items()})
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def statuses(self, times: int, **fields: str | bytes) -> list[int]:
        return [self.get(**fields).status for _ in range(times)]

    def lines(self, beginning: str = "") -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line.startswith(beginning)]

    def raw(self, request: bytes) -> bytes:
        """All that it says to these bytes until it closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(request)
            heard = b""
            while part := connection.recv(65536):
                heard += part
            return heard


class Driver:
    """The process of one kind, with as many services in it as are asked for."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._folder, self._count = folder, 0
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": (folder / "stderr").open("w")}
        self._process = subprocess.Popen(command(kind), text=True, env=environment(), **pipes)

    def ask(self, options: dict) -> dict:
        print(json.dumps(options), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, f"the driver died: {self.complaints()}"
        return json.loads(line)

    def serve(self, redis: int, **options) -> Service:
        self._count += 1
        log = self._folder / f"{self._count}.log"
        return Service(self.ask({"redis": redis, "log": str(log), **options})["port"], log)

    def complaints(self) -> str:
        return (self._folder / "stderr").read_text()

    def assert_well(self) -> None:
        assert self._process.poll() is None, self.complaints()

    def stop(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of one who takes connections and never says a word: the system accepts them, and nobody reads."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield listener.getsockname()[1]
