# SPDX-License-Identifier: MIT
"""A private server with the module in it, and a client that speaks to it in the words of redis-cli.

Where things are is said by the environment, so that the same tests run against any build and any server:
RATELIMIT_MODULE, RATELIMIT_SERVER, RATELIMIT_PRELOAD (a sanitizer's runtime).
"""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from operator import itemgetter
from pathlib import Path

import pytest
import redis

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = Path(os.environ.get("RATELIMIT_MODULE", REPOSITORY / "build" / "ratelimit.so"))
SERVER = os.environ.get("RATELIMIT_SERVER", "redis-server")

MS = 10**6
SECOND = 1000 * MS
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Where tests hold the clock: on a midnight of the year 2100, far ahead of the server's own time. A multiple of seven
# days since 1970, so that ALIGNED windows start here.
BASE = 47488 * DAY

# How long a test waits for something that should come soon. It measures nothing: a starved machine may take this long.
PATIENCE_S = 180
COMPLAINT = re.compile(r"Sanitizer|runtime error:|BUG REPORT|ASSERTION FAILED")


END_STEP = 2**30  # nanoseconds; a key's end is a multiple of that, or of a longer step if its limits have much slack


def lives_until(ttl_ms: int, idle_ms: int, *, slack_ms: int = END_STEP // MS + 1, late_ms: int = 10_000) -> bool:
    """Whether a key that was idle in `idle_ms` when it was last called, some time ago, ends then, or not much later."""
    return idle_ms - late_ms < ttl_ms <= idle_ms + slack_ms


class Reply(tuple):
    """The reply to a check; equal to the plain tuple of the same values."""

    granted = property(itemgetter(0))
    limit = property(itemgetter(1))
    remaining = property(itemgetter(2))
    wait_ms = property(itemgetter(3))
    reset_ms = property(itemgetter(4))
    label = property(itemgetter(5))


def pairs(flat: list) -> dict:
    """RESP2 sends a map as names and values in turn."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


class Client(redis.Redis):
    """redis-py, with the few questions that these tests ask all the time."""

    def do(self, line: str):
        """One command, its arguments divided by white space, and its plain reply."""
        return self.execute_command(*line.split())

    def ask(self, line: str) -> Reply:
        return Reply(self.do(line))

    def ask_times(self, times: int, line: str) -> list[Reply]:
        """The same question several times, in one pipeline."""
        pipe = self.pipeline(transaction=False)
        for _ in range(times):
            pipe.execute_command(*line.split())
        return [Reply(reply) for reply in pipe.execute()]

    def error(self, *argv) -> str:
        """The text of the error that this command must give; redis-py takes a leading `ERR ` away."""
        try:
            reply = self.execute_command(*argv)
        except redis.ResponseError as error:
            return str(error)
        raise AssertionError(f"no error, but {reply!r}")

    def rl_info(self, key: str, subject: str | bytes = "") -> dict:
        """Of a key, or of a subject in it."""
        info = pairs(self.execute_command("RL.INFO", key, *(["FOR", subject] if subject else [])))
        return info | {"limits": [pairs(limit) for limit in info["limits"]]}

    def changes(self) -> int:
        """How many changes the server has counted: what it would have to save."""
        return self.info("persistence")["rdb_changes_since_last_save"]

    def digest(self, key: str) -> str:
        return self.execute_command("DEBUG DIGEST-VALUE", key)[0]


class Clock:
    """The module's clock, held by RL.DEBUG and moved by the test."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def set(self, unix_ns: int) -> None:
        assert self._client.execute_command("RL.DEBUG", "CLOCK", "SET", unix_ns) == "OK"

    def advance(self, ns: int) -> None:
        assert self._client.execute_command("RL.DEBUG", "CLOCK", "ADVANCE", ns) == "OK"

    def resume(self) -> None:
        assert self._client.execute_command("RL.DEBUG", "CLOCK", "RESUME") == "OK"


class ServerDied(AssertionError):
    """The server is gone, or said something that no server should say; carries the end of its log."""


class Server:
    """A server in a directory of its own, on a free port and a socket file, without persistence unless asked for. A
    configuration file is read before the options."""

    def __init__(
        self,
        *options: str,
        module: Path | None = MODULE,
        arguments: tuple[str, ...] = ("DEBUG",),
        variables: dict[str, str] | None = None,
        file: Path | None = None,
    ) -> None:
        self._options = options
        self._file = [] if file is None else [str(file)]
        self._variables = variables or {}
        self._module = [] if module is None else ["--loadmodule", str(module), *arguments]
        self._process: subprocess.Popen | None = None
        self.directory = Path(tempfile.mkdtemp(prefix="ratelimit-"))
        self.socket = self.directory / "socket"
        self.port = 0
        self._log_begins = 0

    def start(self) -> Server:
        self._launch()
        eventually(self._is_ready, "the server to answer")
        return self

    def _launch(self) -> None:
        self.port = free_port()
        self._log_begins = len(self.log())
        command = [SERVER, *self._file, "--bind", "127.0.0.1", "-::1", "--port", str(self.port)]
        command += ["--unixsocket", str(self.socket), "--dir", str(self.directory), "--save", "", "--appendonly", "no"]
        command += ["--enable-debug-command", "yes", "--enable-module-command", "yes", *self._options, *self._module]
        with self._log_file().open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment() | self._variables
            )

    def stop(self) -> None:
        """Ends the server in an orderly way and forgets its directory."""
        self._end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def restart(self) -> None:
        """Starts again from whatever the server has left on disk."""
        self.assert_well()
        self._end()
        self.start()

    def client(self, **options) -> Client:
        usual = {"decode_responses": True, "encoding_errors": "surrogateescape", "socket_timeout": PATIENCE_S}
        options = usual | options
        return Client(unix_socket_path=str(self.socket), **options)

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        return self._log_file().read_text(errors="replace") if self._log_file().exists() else ""

    def log_tail(self) -> str:
        """The end of the log, or what is said where the trouble begins."""
        lines = self.log().splitlines()
        trouble = next((number for number, line in enumerate(lines) if COMPLAINT.search(line)), len(lines) - 60)
        return "\n".join(lines[max(trouble - 5, 0) :][:80])

    def assert_well(self) -> None:
        if not self.is_alive():
            raise ServerDied(f"the server died; its log says\n{self.log_tail()}")
        if COMPLAINT.search(self.log()):
            raise ServerDied(f"the server complained; its log says\n{self.log_tail()}")

    def _is_ready(self) -> bool:
        if not self.is_alive():
            if "Address already in use" not in self.log()[self._log_begins :]:
                raise ServerDied(f"the server did not start; its log says\n{self.log_tail()}")
            self._launch()  # somebody has taken the port meanwhile
            return False
        try:
            with self.client() as client:
                return client.ping()
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False
        except AttributeError:  # how redis-py says that a server died which listened to a socket file
            return False

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _log_file(self) -> Path:
        return self.directory / "log"


@contextmanager
def watched_over() -> Iterator[list[Server]]:
    """A list for servers: those in it must be well in the end, and are stopped."""
    servers: list[Server] = []
    try:
        yield servers
        for server in servers:
            server.assert_well()
    finally:
        for server in servers:
            server.stop()


# Debian's packages of Go libraries are laid out as before there were modules.
GO = {
    "GO111MODULE": "off",
    "GOPATH": "/usr/share/gocode",
    "GOCACHE": str(REPOSITORY / "build" / "clients" / "go-cache"),
    "GOFLAGS": "",
}


# A mark for tests that weigh: with a sanitizer, values are not allocated by the server. Its runtime is libasan or such.
same_allocator = pytest.mark.skipif(
    any("san" in Path(library).name for library in os.environ.get("RATELIMIT_PRELOAD", "").replace(":", " ").split()),
    reason="the server does not count a sanitizer's allocations; without sanitizers it runs",
)


def environment() -> dict[str, str]:
    """The server's environment: ours, and the sanitizer's runtime where the module needs one."""
    preload = os.environ.get("RATELIMIT_PRELOAD")
    return ({"ASAN_OPTIONS": "detect_leaks=0", "LD_PRELOAD": preload} if preload else {}) | os.environ


def path_of(tool: str | Path) -> str:
    """The full name of a program. The path of a plain user leaves out the folder that nginx is in."""
    path = shutil.which(tool, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    assert path, f"there is no {tool}; scripts/test installs what the tests need"
    return path


def node_modules() -> Path:
    """Where the clients of Node.js are installed: NODE_PATH, or build/node after `npm ci` there."""
    places = [*os.environ.get("NODE_PATH", "").split(os.pathsep), REPOSITORY / "build" / "node" / "node_modules"]
    found = [Path(place) for place in places if place and (Path(place) / "ioredis").is_dir()]
    assert shutil.which("node"), "these tests need Node.js"
    assert found, (
        "these tests need ioredis: copy tests/client_libraries/package*.json to build/node and run npm ci there"
    )
    return found[0]


def ports() -> Iterator[int]:
    """Ports below those that the system hands out by itself, lest an outgoing connection takes one before its server
    does. Each process of pytest-xdist has a range of its own, and no port comes twice: a port may be chosen long before
    a server listens to it. The first one is random, since other runs may go on beside this one.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PORT_RANGES
    size = 10_000 // PORT_RANGES
    first = random.SystemRandom().randrange(size)
    for number in count(first):
        port = 20_000 + worker * size + number % size
        if is_free(port):
            yield port


def is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


PORT_RANGES = 8
PORTS = ports()


def free_port() -> int:
    return next(PORTS)


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Waits for something that the server does on its own, such as a sync or an expiry."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


def output_of(*command: str, **options) -> str:
    """What a program prints; it must end well."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built_module(source: Path, folder: Path) -> Path:
    """Another module than ours, from one file in C++ that includes other_module.h."""
    library = folder / f"{source.stem}.so"
    options = ["-std=c++20", "-O1", "-shared", "-fPIC", "-I", str(Path(__file__).parent)]
    output_of("g++", *options, "-o", str(library), str(source))
    return library


@dataclass
class Watch:
    """A client that watches a key."""

    is_heard: bool = False  # whether the key was changed meanwhile: its transaction is not carried out


@contextmanager
def watching(server: Server, key: str) -> Iterator[Watch]:
    watch = Watch()
    with server.client() as other, other.pipeline() as pipe:
        pipe.watch(key)
        yield watch
        pipe.multi()
        pipe.ping()
        try:
            watch.is_heard = pipe.execute() != [True]
        except redis.WatchError:
            watch.is_heard = True
