# SPDX-License-Identifier: MIT
"""A private server for one run: its own directory, no persistence, one core to itself where there are two."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis

DATABASES = 64  # of a server


def cores() -> tuple[int | None, int | None]:
    """The core of the load generator and that of the server; None, None where there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def pinned_to(core: int | None):
    """What a child must do before it becomes the program, for subprocess."""
    return None if core is None else lambda: os.sched_setaffinity(0, {core})


def _free_helpers(pid: int) -> None:
    """Lets the threads that a server has for work in the background run anywhere, as they do without us: on the core of
    the one that executes commands, they would stop it for milliseconds."""
    allowed = os.sched_getaffinity(0)
    for thread in Path(f"/proc/{pid}/task").iterdir():
        if int(thread.name) != pid:
            os.sched_setaffinity(int(thread.name), allowed)


class DoesNotStart(SystemExit):
    """Left to itself, it ends the run with what the server said."""


def _version(number: int) -> str:
    """As most modules write theirs: two digits for each part. Others, such as redis-cell, count from 1."""
    if number < 100:
        return f"version {number}"
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server; leaving the `with` block ends it and removes what it wrote."""

    def __init__(
        self, program: str, module: str, *module_arguments: str, replicated: bool = False, also: str | None = None,
        options: tuple[str, ...] = (), pinned: bool = True,
    ):  # fmt: skip
        """`module` may be empty: a server without it. `also` is another module, `options` are the server's own."""
        self._program, self.module, self._module_arguments, self._also = program, module, module_arguments, also
        self._options, self._pinned = options, pinned
        self.replicated = replicated
        self.port = free_port()
        self._directory = tempfile.TemporaryDirectory(prefix="ratelimit-bench-")
        self._processes: list[subprocess.Popen] = []

    def __enter__(self) -> Server:
        client_core, server_core = cores() if self._pinned else (None, None)
        aof = "yes" if self.replicated else "no"
        self.client = self._start(self.port, server_core, "--appendonly", aof, *self._options)
        if self.replicated:
            replica = self._start(free_port(), client_core, "--replicaof", "127.0.0.1", str(self.port))
            until(lambda: replica.info("replication")["master_link_status"] == "up", "the replica does not connect")
        return self

    def __exit__(self, *_) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait()
        self._directory.cleanup()

    def _start(self, port: int, core: int | None, *options: str) -> redis.Redis:
        directory = Path(self._directory.name) / str(port)
        directory.mkdir()
        log = directory / "log"
        words = [self._program, "--port", str(port), "--bind", "127.0.0.1"]
        words += ["--save", "", "--dir", str(directory), "--enable-debug-command", "local", *options]
        words += ["--databases", str(DATABASES)] if "--cluster-enabled" not in options else []
        if self.module:
            words += ["--loadmodule", self.module, *self._module_arguments]
        if self._also:
            words += ["--loadmodule", self._also]
        with log.open("wb") as output:
            process = subprocess.Popen(words, stdout=output, stderr=output, preexec_fn=pinned_to(core))
        self._processes.append(process)
        client = redis.Redis(port=port, decode_responses=True)

        def answers() -> bool:
            if process.poll() is not None:
                raise DoesNotStart(f"the server ended at once:\n{log.read_text()}")
            try:
                return client.ping()
            except (redis.ConnectionError, redis.BusyLoadingError):
                return False

        until(answers, "the server does not answer")
        _free_helpers(process.pid)
        return client

    def empty(self) -> None:
        self.client.flushall()

    def used_memory(self) -> int:
        """Bytes in use but for clients' buffers, once the load generator is gone and the tables have stopped moving.

        The histogram of latencies, which each command keeps that was ever called, goes first: it is larger than many
        keys.
        """
        self.client.config_resetstat()
        seen: list[int] = []
        while len(seen) < 3 or (len(set(seen[-3:])) > 1 and len(seen) < 20):
            time.sleep(0.15)
            memory = self.client.info("memory")
            seen.append(int(memory["used_memory"]) - int(memory["mem_clients_normal"]))
        return seen[-1]

    def rdb_bytes(self) -> int:
        """The size of the file that SAVE wrote."""
        return (Path(self._directory.name) / str(self.port) / "dump.rdb").stat().st_size

    def cpu_seconds(self) -> float:
        """Processor time of the thread that executes commands, so far."""
        cpu = self.client.info("cpu")
        return float(cpu["used_cpu_user_main_thread"]) + float(cpu["used_cpu_sys_main_thread"])

    def thread_seconds(self) -> dict[int, float]:
        """Processor time of each of its threads, so far; the first one executes commands."""
        tasks = Path(f"/proc/{self._processes[0].pid}/task")
        return {int(each.name): int((each / "schedstat").read_text().split()[0]) / 1e9 for each in tasks.iterdir()}

    def microseconds_a_call(self, statistic: str) -> float:
        """Time inside the command, on average since the statistics were reset."""
        for name, values in self.client.info("commandstats").items():
            if name.lower() == "cmdstat_" + statistic:
                return values["usec"] / values["calls"]
        raise SystemExit(f"INFO commandstats does not know {statistic}")

    def replicated_bytes(self) -> int:
        """What was written for replicas so far."""
        return int(self.client.info("replication")["master_repl_offset"])

    def _name_and_version(self) -> tuple[str, str]:
        info = self.client.info("server")
        return info.get("server_name", "redis"), info.get("valkey_version", info["redis_version"])

    def version(self) -> str:
        return f"{' '.join(self._name_and_version())}, {self.client.info('memory')['mem_allocator']}"

    def title(self) -> str:
        """As the heads of tables call it, such as Redis 7.0."""
        name, version = self._name_and_version()
        version = "unstable" if version.startswith("255.") else ".".join(version.split(".")[:2])
        return f"{name.capitalize()} {version}"

    def fetches_ahead(self) -> bool:
        """Whether it fetches the keys of a whole pipeline into the processor's cache before it executes the first
        command. Then its own commands hardly wait for memory."""
        name, version = self._name_and_version()
        first, second = (int(number) for number in version.split(".")[:2])
        return (first, second) >= ((9, 0) if name == "valkey" else (8, 6))

    def module_version(self) -> str:
        """Of the module that is measured, not of the one that is there besides, nor of the server's own."""
        modules = (each for each in self.client.module_list() if each["name"] not in ("floor", "lua", "vectorset"))
        return next((f"{each['name']} {_version(each['ver'])}" for each in modules), "none")


def until(holds, otherwise: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(otherwise)
        time.sleep(0.05)
