# SPDX-License-Identifier: MIT
"""The servers of the experiment, all private: Redis, sentinels, application nodes, nginx.

Each has a folder of its own below one temporary folder, and a free port of the loopback. Leaving the `with` block of a
Stage ends them all.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import redis

HERE = Path(__file__).resolve().parent
MODULE = Path(os.environ.get("RATELIMIT_MODULE", HERE.parents[1] / "build" / "ratelimit.so")).resolve()
SERVER = os.environ.get("RATELIMIT_SERVER", "redis-server")
PRELOAD = os.environ.get("RATELIMIT_PRELOAD", "")  # the runtime of a sanitizer, if the module was built with one

PATIENCE_S = 180
NOTICED_AFTER_MS = 1000  # how long a primary must be silent before a sentinel believes that it is gone
NODES = 3


class Trouble(Exception):
    """A server did not start, or what was waited for did not come; says what its log says."""


def free_port() -> int:
    """Below those that the system hands out by itself, lest an outgoing connection takes it in between. The tests of
    this project use those below.
    """
    while True:
        port = random.randrange(30_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise Trouble(f"waited in vain for {what}")
        time.sleep(0.01)


class Process:
    """A program that listens to a port. Whoever took the port in between makes it try another one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._process: subprocess.Popen | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def start(self):
        for _ in range(5):
            self.port = free_port()
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    self.command(),
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=os.environ | self.environment(),
                )
            eventually(lambda: not self.is_alive() or self.answers(), f"{type(self).__name__} to answer")
            if self.is_alive():
                return self
        log = (self.folder / "log").read_text(errors="replace")
        raise Trouble(f"{type(self).__name__} does not start:\n{log[-2000:]}")

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """The way of a power cut: no word to anyone."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if not self.is_alive():
            return
        self.go_on()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


class RedisServer(Process):
    """Redis or Valkey with the module in it, without persistence."""

    def __init__(self, folder: Path, *options: str, arguments: tuple[str, ...] = ()) -> None:
        super().__init__(folder)
        self._options, self._arguments = options, arguments

    def command(self) -> list[str]:
        words = [SERVER, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        words += ["--repl-diskless-sync-delay", "0", *self._options]
        return [*words, "--loadmodule", str(MODULE), *self._arguments]

    def environment(self) -> dict[str, str]:
        return {"ASAN_OPTIONS": "detect_leaks=0", "LD_PRELOAD": PRELOAD} if PRELOAD else {}

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, decode_responses=True, socket_timeout=PATIENCE_S)

    def do(self, line: str):
        with self.client() as client:
            return client.execute_command(*line.split())

    def answers(self) -> bool:
        try:
            return self.do("PING") in ("PONG", True)
        except redis.RedisError:
            return False

    def replication(self) -> dict:
        with self.client() as client:
            return client.info("replication")


class Sentinel(Process):
    """One of three who watch the primary, of whom two must agree that it is gone."""

    def __init__(self, folder: Path, primary: RedisServer) -> None:
        super().__init__(folder)
        self._primary = primary

    def command(self) -> list[str]:
        file = self.folder / "sentinel.conf"
        file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor limits 127.0.0.1 {self._primary.port} 2\n"
            f"sentinel down-after-milliseconds limits {NOTICED_AFTER_MS}\n"
            "sentinel failover-timeout limits 5000\n"
        )
        return [SERVER, str(file), "--sentinel"]

    def about(self) -> dict:
        with redis.Redis(port=self.port, decode_responses=True, socket_timeout=PATIENCE_S) as client:
            return client.sentinel_master("limits")

    def answers(self) -> bool:
        try:
            return bool(self.about())
        except redis.RedisError:
            return False


class Node(Process):
    """An application node: app.js."""

    def __init__(self, folder: Path, **settings: object) -> None:
        super().__init__(folder)
        self._settings = {name: str(value) for name, value in settings.items()}

    def command(self) -> list[str]:
        return ["node", str(HERE / "app.js")]

    def environment(self) -> dict[str, str]:
        return {"NODE_ENV": "production", "PORT": str(self.port), "NODES": str(NODES)} | self._settings

    def answers(self) -> bool:
        return is_well(self.port)


def nginx() -> list[str]:
    """Debian keeps it where only root looks."""
    return [shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "nginx"]


class Balancer(Process):
    """nginx in front of the nodes. Its access log is the witness of what was admitted."""

    def __init__(self, folder: Path, nodes: list[Node]) -> None:
        super().__init__(folder)
        self._nodes = nodes

    @property
    def witness(self) -> Path:
        return self.folder / "witness.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        text = (HERE / "nginx.conf").read_text().replace("{{port}}", str(self.port))
        nodes = "\n    ".join(f"server 127.0.0.1:{node.port};" for node in self._nodes)
        (self.folder / "nginx.conf").write_text(text.replace("{{nodes}}", nodes))
        return [*nginx(), "-p", f"{self.folder}/", "-e", "error.log", "-c", "nginx.conf"]

    def answers(self) -> bool:
        return is_well(self.port)


def is_well(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
        return response.status == 200
    return False


# What the nodes ask about when they start. The scenes define the limits that they are about.
LIMITERS = ("api:free", "api:paid", "login")


class Stage:
    """All servers of one scene; `settings` are those of app.js. Watched: with a replica and sentinels."""

    def __init__(self, *, watched: bool = False, **settings: object) -> None:
        self._watched, self._settings = watched, settings
        self._ends = ExitStack()

    def __enter__(self) -> Stage:
        with ExitStack() as ends:
            self._folder = Path(tempfile.mkdtemp(prefix="ratelimit-nodes-"))
            ends.callback(shutil.rmtree, self._folder, ignore_errors=True)
            self._start(ends)
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._ends.close()

    def _start(self, ends: ExitStack) -> None:
        def started(process: Process):
            ends.callback(process.stop)
            return process.start()

        self.primary = self.redis = started(RedisServer(self._folder / "redis"))
        for limiter in LIMITERS:
            self.primary.do(f"RL.DEFINE {limiter} FIXED 1 1s")
        # Where nobody dies, a node on a starved machine waits: a request that it gives up may have been granted.
        places = {"REDIS_PORT": self.redis.port, "TIMEOUT_MS": PATIENCE_S * 1000}
        self.replicas, self.sentinels = [], []
        if self._watched:
            follow = ("--replicaof", "127.0.0.1", str(self.redis.port))
            self.replicas = [started(RedisServer(self._folder / "replica", *follow))]
            for number in range(3):
                self.sentinels.append(started(Sentinel(self._folder / f"sentinel-{number}", self.redis)))
            eventually(self._is_watched, "the sentinels to know the servers and each other")
            places = {"SENTINELS": ",".join(str(sentinel.port) for sentinel in self.sentinels)}
        self.nodes = []
        for number in range(NODES):
            self.nodes.append(started(Node(self._folder / f"node-{number}", **(places | self._settings))))
        self.balancer = started(Balancer(self._folder / "nginx", self.nodes))

    def _is_watched(self) -> bool:
        synced = self.replicas[0].replication().get("master_link_status") == "up"
        abouts = [sentinel.about() for sentinel in self.sentinels]
        return synced and all(about["num-slaves"] == 1 and about["num-other-sentinels"] == 2 for about in abouts)

    def has_taken_over(self) -> bool:
        """Whether the replica is the primary, and all sentinels say so."""
        replica = self.replicas[0]
        ports = {int(sentinel.about()["port"]) for sentinel in self.sentinels}
        return ports == {replica.port} and replica.replication()["role"] == "master"

    def assert_well(self) -> None:
        for process in [self.redis, *self.replicas, *self.sentinels, *self.nodes, self.balancer]:
            if not process.is_alive():
                log = (process.folder / "log").read_text(errors="replace")
                raise Trouble(f"{process.folder.name} has ended:\n{log[-2000:]}")


@contextmanager
def redis_alone(*arguments: str) -> Iterator[RedisServer]:
    """A server without anybody else; the arguments are those of the module."""
    with tempfile.TemporaryDirectory(prefix="ratelimit-nodes-") as folder:
        server = RedisServer(Path(folder) / "redis", arguments=arguments).start()
        try:
            yield server
        finally:
            server.stop()


def end_in_order_when_told_to() -> None:
    """SIGTERM is an interrupt like that of the keyboard: servers are stopped, folders removed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
