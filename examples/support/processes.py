# SPDX-License-Identifier: MIT
"""Private servers for examples: each in a folder of its own, on a free port of the loopback, ended by who started it.

Redis or Valkey with the module, PostgreSQL, and what is common to all. Needs Debian's packages of what it starts.
RATELIMIT_MODULE and RATELIMIT_SERVER name another build of the module and another server.
"""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import redis

MODULE = Path(os.environ.get("RATELIMIT_MODULE", Path(__file__).parents[2] / "build" / "ratelimit.so")).resolve()
SERVER = os.environ.get("RATELIMIT_SERVER", "redis-server")
PRELOAD = os.environ.get("RATELIMIT_PRELOAD", "")  # the runtime of a sanitizer, if the module was built with one
PATIENCE_S = 180


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


def end_in_order_when_told_to() -> None:
    """SIGTERM is an interrupt like that of the keyboard: servers are stopped, folders removed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


told_to_end = threading.Event()


def end_where_it_waits() -> None:
    """For Ctrl-C, SIGTERM, and a terminal that is closed. What is being done is finished first, since a program that is
    just being started would be left behind: only `eventually` is interrupted.
    """
    for word in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(word, lambda *_: told_to_end.set())


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if told_to_end.is_set():
            raise KeyboardInterrupt
        if time.monotonic() > deadline:
            raise Trouble(f"waited in vain for {what}")
        time.sleep(0.01)


class Process:
    """A program, mostly one that listens to a port. Whoever took the port in between makes it try another one. Once it
    has answered it keeps its port, also when it is started again.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.port = port
        self._keeps_port = port != 0
        self._process: subprocess.Popen | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def owner(self) -> dict[str, str]:
        """Whose process it is, if that is another user than ours."""
        return {}

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """As of subprocess: minus the signal that ended it; none while it runs."""
        return self._process.poll()

    def start(self):
        for _ in range(1 if self._keeps_port else 5):
            self.launch()
            eventually(lambda: not self.is_alive() or self.answers(), f"{self.name} to answer")
            if self.is_alive():
                self._keeps_port = True
                return self
        raise Trouble(f"{self.name} does not start:\n{self.log()[-2000:]}")

    def launch(self) -> None:
        """Without waiting for its answer."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._keeps_port:
            self.port = free_port()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.environment(),
                process_group=0,  # Ctrl-C is for who started it, and who ends all in their order
                **self.owner(),
            )

    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self, how: int = signal.SIGKILL) -> None:
        """The way of a power cut: no word to anyone."""
        self._process.send_signal(how)
        self._process.wait()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if not self.is_alive():
            return
        self.go_on()
        self._process.send_signal(self.ends_by)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    ends_by = signal.SIGTERM


class RedisServer(Process):
    """Redis or Valkey with the module in it, without persistence unless the options say otherwise."""

    def __init__(self, folder: Path, *options: str, arguments: tuple[str, ...] = (), port: int = 0) -> None:
        super().__init__(folder, port)
        self._options, self._arguments = options, arguments

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

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
        with suppress(redis.RedisError):
            return self.do("PING") in ("PONG", True)
        return False

    def replication(self) -> dict:
        with self.client() as client:
            return client.info("replication")


class Postgres(Process):
    """It listens to a socket file in its folder only. It refuses to be root's: then it is that of the user whom
    Debian's package makes, who must be able to enter the folder.
    """

    ends_by = signal.SIGINT  # without waiting for those who are connected

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True)
        if self.owner():
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        words = [newest("initdb"), "--pgdata", "data", "--username", "postgres", "--auth", "trust", "--no-sync"]
        words += ["--encoding", "UTF8", "--locale", "C"]
        subprocess.run(words, cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self.owner())

    def owner(self) -> dict[str, str]:
        return {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}

    def command(self) -> list[str]:
        options = {"listen_addresses": "", "unix_socket_directories": self.folder, "fsync": "off"}
        words = [newest("postgres"), "-D", "data"]
        for name, value in options.items():
            words += ["-c", f"{name}={value}"]
        return words

    def kill(self, how: int = signal.SIGQUIT) -> None:
        """At once, with all that is connected: what it finds at the next start is what a crash leaves."""
        super().kill(how)

    def address(self, user: str = "postgres") -> str:
        return f"host={self.folder} dbname=postgres user={user}"

    def do(self, statement: str, *values, user: str = "postgres") -> list[tuple]:
        import psycopg2  # who starts no PostgreSQL needs no client of it

        connection = psycopg2.connect(self.address(user))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def answers(self) -> bool:
        import psycopg2

        with suppress(psycopg2.OperationalError):
            return self.do("SELECT 1") == [(1,)]
        return False


def newest(program: str) -> str:
    """Debian keeps the programs of each version of PostgreSQL in a folder of their own."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else program


def nginx() -> list[str]:
    """Debian keeps it where only root looks."""
    return [shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "nginx"]


def is_well(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=5) as response:
        return response.status == 200
    return False
