# SPDX-License-Identifier: MIT
"""The load generator as a function, and what one turn of a contender gives."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

from contenders import Contender
from server import DATABASES, Server, cores, pinned_to


@dataclass(frozen=True)
class Plan:
    """How much of everything; see the flags of bench/run."""

    rounds: int
    growth_rounds: int  # where no target depends on it
    seconds: float
    calls: int  # 0: as many as fit into `seconds`
    subjects: int
    pipelines: tuple[int, ...]
    clients: int
    seed: int
    rate: int  # calls a second where latency is measured
    many_subjects: tuple[int, ...]  # besides `subjects`: where cost by subjects is measured
    near_entries: int  # entries of all logs together, where logs are near their limit
    log_sizes: tuple[int, ...]  # where the bytes of an entry are measured

    @classmethod
    def only(cls, clients: int, seed: int) -> Plan:
        """Of those who have rounds and amounts of their own."""
        return cls(
            rounds=1, growth_rounds=1, seconds=0, calls=0, subjects=0, pipelines=(), clients=clients, seed=seed, rate=0,
            many_subjects=(), near_entries=0, log_sizes=(),
        )  # fmt: skip

    def for_growth(self) -> Plan:
        return replace(self, rounds=self.growth_rounds)


@dataclass(frozen=True)
class Sample:
    """One contender, once. Times and bytes are of one call, or of one decision where a call makes several."""

    calls_per_second: float
    unexpected: int  # calls denied that should be granted, or the other way round
    command_us: float  # inside the command, by INFO commandstats
    cpu_us: float  # of the whole server: reading, parsing, the command, replying
    sent: float  # bytes that the load generator sent, by which it asked
    received: float  # bytes of the reply
    effect: float  # bytes for replicas, if there are any

    @property
    def busy(self) -> float:
        """The share of the time that the server's thread ran. Well below 1: something else was the bottleneck."""
        return self.calls_per_second * self.cpu_us / 1e6


@dataclass
class Samples:
    """All rounds of one contender, in order, so that two contenders' samples of one round can be compared."""

    of: list[Sample] = field(default_factory=list)
    window_ms: int | None = None  # where the window was chosen by measuring


@dataclass(frozen=True)
class Latency:
    """Microseconds from the instant at which calls were due; one round of one contender."""

    p50: float
    p99: float
    p999: float
    sent_p999: float  # until they were sent: the share of the load generator itself


def words_of(program: Path, prefix: str, command: tuple[str, ...], options: dict) -> list[str]:
    """How the load generator is called."""
    words = [str(program), "--prefix", prefix]
    for name, value in options.items():
        words += ["--" + name.replace("_", "-"), str(value)]
    return [*words, "--", *command]


class Load:
    """Drives one server. Every contender has a database of its own there: its keys stand in tables of their own, as if
    it were alone, and it does not matter who else takes part."""

    def __init__(self, program: Path, server: Server, plan: Plan):
        self._program, self.server, self._plan = program, server, plan
        self._core = cores()[0]
        self._seed = plan.seed
        self._databases: dict[str, int] = {}

    def __call__(self, prefix: str, command: tuple[str, ...], **options) -> dict:
        self._seed += 1
        options = {"port": self.server.port, "seed": self._seed, "clients": self._plan.clients} | options
        words = words_of(self._program, prefix, command, options)
        done = subprocess.run(words, preexec_fn=pinned_to(self._core), capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr.strip()}")
        return json.loads(done.stdout)

    def empty(self) -> None:
        self.server.empty()
        self._databases.clear()

    def database_of(self, contender: Contender) -> int:
        number = self._databases.setdefault(contender.name, len(self._databases))
        assert number < DATABASES
        return number

    def _ask(self, contender: Contender, command: tuple[str, ...], **options) -> dict:
        database = self.database_of(contender)
        return self(contender.prefix, command, database=database, denial=contender.denial, **options)

    def once_each(self, contender: Contender, subjects: int) -> None:
        """Gives every subject its key, and all that it will hold."""
        if contender.once:
            self._ask(contender, contender.once, subjects=1, calls=1)
        for command in filter(None, (contender.setup, contender.command)):
            calls = -(-subjects * contender.turns // contender.decisions)
            self._ask(contender, command, subjects=subjects, calls=calls)

    def sample(self, contender: Contender, pipeline: int, subjects: int, warm_up: float = 0.1) -> Sample:
        amount = {"calls": self._plan.calls} if self._plan.calls else {"seconds": self._plan.seconds}
        cpu, offset = self.server.cpu_seconds(), self.server.replicated_bytes()
        done = self._ask(contender, contender.command, subjects=subjects, pipeline=pipeline, warm_up=warm_up, **amount)
        decisions = contender.decisions * done["calls_with_warm_up"]
        return Sample(
            calls_per_second=contender.decisions * done["calls"] / done["seconds"],
            unexpected=done["calls"] - done["denied"] if contender.is_denied else done["denied"],
            command_us=self.server.microseconds_a_call(contender.statistic) / contender.decisions,
            cpu_us=(self.server.cpu_seconds() - cpu) * 1e6 / decisions,
            sent=done["bytes_sent"] / decisions,
            received=done["bytes_received"] / decisions,
            effect=(self.server.replicated_bytes() - offset) / decisions,
        )

    def latency(self, contender: Contender, subjects: int) -> Latency:
        done = self._ask(
            contender, contender.command, subjects=subjects, rate=self._plan.rate, seconds=2 * self._plan.seconds,
            warm_up=0.1,
        )  # fmt: skip
        answered = done["answered_us"]
        return Latency(answered["p50"], answered["p99"], answered["p99.9"], done["sent_us"]["p99.9"])
