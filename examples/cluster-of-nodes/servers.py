# SPDX-License-Identifier: MIT
"""The servers of the experiment, all private: Redis, sentinels, application nodes, nginx.

Each has a folder of its own below one temporary folder, and a free port of the loopback. Leaving the `with` block of a
Stage ends them all. What starts and ends them is in ../support.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

from processes import (  # noqa: E402
    PATIENCE_S,
    SERVER,
    Process,
    RedisServer,
    Trouble,
    end_in_order_when_told_to,  # noqa: F401 - for the experiment
    eventually,
    is_well,
    nginx,
)

NOTICED_AFTER_MS = 1000  # how long a primary must be silent before a sentinel believes that it is gone
NODES = 3


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
        return is_well(f"http://127.0.0.1:{self.port}/health")


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
        return is_well(f"http://127.0.0.1:{self.port}/health")


# What the nodes ask about when they start. The scenes define the limits that they are about.
LIMITERS = ("api:free", "api:paid", "login")


class Stage:
    """All servers of one scene; `settings` are those of app.js, `each` those of single nodes besides. Watched: with a
    replica and sentinels.
    """

    def __init__(self, *, watched: bool = False, each: Sequence[dict[str, str]] = (), **settings: object) -> None:
        self._watched, self._settings, self._each = watched, settings, each or [{}] * NODES
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
        for number, own in enumerate(self._each):
            self.nodes.append(started(Node(self._folder / f"node-{number}", **(places | self._settings | own))))
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
                raise Trouble(f"{process.name} has ended:\n{process.log()[-2000:]}")


@contextmanager
def redis_alone(*arguments: str) -> Iterator[RedisServer]:
    """A server without anybody else; the arguments are those of the module."""
    with tempfile.TemporaryDirectory(prefix="ratelimit-nodes-") as folder:
        server = RedisServer(Path(folder) / "redis", arguments=arguments).start()
        try:
            yield server
        finally:
            server.stop()
