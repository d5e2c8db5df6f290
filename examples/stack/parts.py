# SPDX-License-Identifier: MIT
"""The parts of the stack as processes on the loopback: each in a folder of its own below one temporary folder.

They are started one after another, since each is told where those before it listen. How a process is started, found to
answer and ended is in ../support.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import redis

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent
sys.path.insert(0, str(EXAMPLES / "support"))

import configuration  # noqa: E402
from processes import (  # noqa: E402
    Postgres,
    Process,
    RedisServer,
    Trouble,
    end_where_it_waits,  # noqa: F401 - these two are for who keeps the stack
    eventually,
    is_well,
    nginx,
    told_to_end,  # noqa: F401
)

CHECK_SERVICE = Path(
    os.environ.get("RATELIMIT_CHECK_SERVICE", EXAMPLES.parent / "build/check-service/examples/check-service")
)
RULES = EXAMPLES / "rules-from-postgres"
PLANS = ("api:free", "api:paid")
PLAYGROUND = "http://127.0.0.1:8000"  # where its `run` serves the page that asks a check service
# In this order from --port-base on.
WITH_PORTS = ("nginx", "prometheus", "primary", "replica", "check-1", "check-2", "exporter")

NGINX = """
worker_processes 1;
daemon off;
master_process off;  # one process, of whoever starts it
pid nginx.pid;
error_log error.log warn;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path temp-body;
  proxy_temp_path temp-proxy;
  fastcgi_temp_path temp-fastcgi;
  uwsgi_temp_path temp-uwsgi;
  scgi_temp_path temp-scgi;
  include front.conf;
}
"""


class Server(RedisServer):
    """Redis or Valkey with the module."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        super().__init__(folder, *options, port=port)


class Web(Process):
    """A part that speaks HTTP."""

    well = "/health"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def answers(self) -> bool:
        return is_well(self.url + self.well)


class CheckService(Web):
    well = "/health/ready"

    def __init__(self, folder: Path, port: int, server: str, deadline: str) -> None:
        super().__init__(folder, port)
        self._server, self._deadline = server, deadline
        self.token_file = folder / "operator-token"

    def command(self) -> list[str]:
        if not self.token_file.exists():
            self.token_file.touch(mode=0o600)
            self.token_file.write_text(secrets.token_hex(24))
        return [str(CHECK_SERVICE / "check-service")]

    def environment(self) -> dict[str, str]:
        settings = configuration.check_service(self._server, self.address, self._deadline)
        return settings | configuration.for_operators(str(self.token_file), PLAYGROUND)


class Nginx(Web):
    def __init__(self, folder: Path, port: int, services: list[CheckService], deadline: str) -> None:
        super().__init__(folder, port)
        self._services, self._deadline = [service.address for service in services], deadline

    def command(self) -> list[str]:
        front = configuration.front_file(self.address, self._services, self._deadline)
        configuration.write(self.folder, {"front.conf": front, "nginx.conf": NGINX})
        return [*nginx(), "-p", f"{self.folder}/", "-e", "error.log", "-c", "nginx.conf"]


class Exporter(Web):
    def command(self) -> list[str]:
        configuration.write(self.folder, {"ratelimit.lua": configuration.script_file()})
        return ["prometheus-redis-exporter"]

    def environment(self) -> dict[str, str]:
        return configuration.exporter("ratelimit.lua", self.address)


class Prometheus(Web):
    well = "/-/ready"

    def __init__(self, folder: Path, port: int, servers: list[str], exporter: Exporter, services: list[CheckService]):
        super().__init__(folder, port)
        self._watched = (servers, exporter.address, [service.address for service in services])

    def command(self) -> list[str]:
        configuration.write(self.folder, configuration.prometheus_files(*self._watched))
        options = [f"--web.listen-address={self.address}", "--storage.tsdb.path=data", "--log.level=warn"]
        return ["prometheus", "--config.file=prometheus.yml", *options]


class Rules(Process):
    """rules.py. It listens to no port, and has answered once the plans are limiters."""

    def __init__(self, folder: Path, postgres: Postgres, primary: RedisServer) -> None:
        super().__init__(folder)
        self._postgres, self._primary = postgres, primary

    def command(self) -> list[str]:
        words = ["--postgres", self._postgres.address("ratelimit_rules"), "--redis", self._primary.address]
        return [sys.executable, "-B", str(RULES / "rules.py"), *words]

    def answers(self) -> bool:
        with suppress(redis.RedisError):
            return all(self._primary.do(f"RL.INFO {plan}") for plan in PLANS)
        return False


class Stack:
    """All parts; leaving the `with` block ends them."""

    def __init__(self, port_base: int = 0, deadline: str = configuration.DEADLINE) -> None:
        self._port_base, self._deadline = port_base, deadline
        self.parts: dict[str, Process] = {}

    def __enter__(self) -> Stack:
        with ExitStack() as ends:
            self.folder = Path(tempfile.mkdtemp(prefix="ratelimit-stack-"))
            ends.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.folder.chmod(0o711)  # PostgreSQL may be another user's
            self._refuse_ports_in_use()
            self._start(ends)
            for name, part in self.parts.items():
                if not part.is_alive():
                    raise Trouble(f"{name} has ended:\n{part.log()[-2000:]}")
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._ends.close()

    def _refuse_ports_in_use(self) -> None:
        """Else somebody else's server might answer in place of ours."""
        for number, name in enumerate(WITH_PORTS if self._port_base else []):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port_base + number)) == 0:
                    raise Trouble(f"port {self._port_base + number}, for {name}, is in use: choose another --port-base")

    def _start(self, ends: ExitStack) -> None:
        def started(name: str, make, *arguments):
            if name in WITH_PORTS:  # 0: a free one
                arguments = (self._port_base and self._port_base + WITH_PORTS.index(name), *arguments)
            self.parts[name] = part = make(self.folder / name, *arguments)
            ends.callback(part.stop)
            return part.start()

        postgres = started("postgres", Postgres)
        postgres.do((RULES / "schema.sql").read_text())
        postgres.do((HERE / "plans.sql").read_text())
        primary = started("primary", Server, *configuration.PRIMARY)
        replica = started("replica", Server, "--replicaof", "127.0.0.1", str(primary.port))
        eventually(lambda: replica.replication()["master_link_status"] == "up", "the replica to be in step")
        started("rules", Rules, postgres, primary)
        services = [started(f"check-{n}", CheckService, f"127.0.0.1:{primary.port}", self._deadline) for n in (1, 2)]
        started("nginx", Nginx, services, self._deadline)
        exporter = started("exporter", Exporter)
        started("prometheus", Prometheus, [primary.address, replica.address], exporter, services)
