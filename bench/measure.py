"""The measurements: calls per second in interleaved rounds, and bytes. They return data; report.py prints."""

from __future__ import annotations

import json
import random
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from contenders import ENTRIES_WINDOW_NS, NEAR_LIMIT, Contender
from server import Server, cores, pinned_to


@dataclass(frozen=True)
class Plan:
    """How much of everything; see the flags of bench/run."""

    rounds: int
    seconds: float
    calls: int  # 0: as many as fit into `seconds`
    subjects: int
    near_subjects: int
    pipelines: tuple[int, ...]
    clients: int
    seed: int
    log_sizes: tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """One contender, once."""

    calls_per_second: float
    denied: int
    command_us: float  # inside the command, by INFO commandstats
    cpu_us: float  # of the whole server: reading, parsing, the command, replying

    @property
    def busy(self) -> float:
        """The share of the time that the server's thread ran. Well below 1: something else was the bottleneck."""
        return self.calls_per_second * self.cpu_us / 1e6


@dataclass
class Samples:
    """All rounds of one contender, in order, so that two contenders' samples of one round can be compared."""

    of: list[Sample] = field(default_factory=list)
    window_ms: int | None = None  # where the window was chosen by measuring


class Load:
    """The load generator, as a function."""

    def __init__(self, program: Path, server: Server, plan: Plan):
        self._program, self._server, self._plan = program, server, plan
        self._core = cores()[0]
        self._seed = plan.seed

    def __call__(self, prefix: str, command: tuple[str, ...], **options) -> dict:
        self._seed += 1
        words = [str(self._program), "--port", str(self._server.port), "--prefix", prefix, "--seed", str(self._seed)]
        for name, value in ({"clients": self._plan.clients} | options).items():
            words += ["--" + name.replace("_", "-"), str(value)]
        words += ["--", *command]
        done = subprocess.run(words, preexec_fn=pinned_to(self._core), capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr.strip()}")
        return json.loads(done.stdout)

    def once_each(self, contender: Contender, subjects: int) -> None:
        """Gives every subject its key."""
        for command in filter(None, (contender.setup, contender.command)):
            self(contender.prefix, command, subjects=subjects, calls=subjects)

    def sample(self, contender: Contender, pipeline: int, subjects: int, warm_up: float) -> Sample:
        amount = {"calls": self._plan.calls} if self._plan.calls else {"seconds": self._plan.seconds}
        before = self._server.cpu_seconds()
        done = self(
            contender.prefix, contender.command, subjects=subjects, pipeline=pipeline, warm_up=warm_up, **amount
        )
        return Sample(
            calls_per_second=done["calls"] / done["seconds"],
            denied=done["denied"],
            command_us=self._server.microseconds_a_call(contender.statistic),
            cpu_us=(self._server.cpu_seconds() - before) * 1e6 / done["calls_with_warm_up"],
        )


def rates(load: Load, contenders: list[Contender], plan: Plan, pipeline: int) -> dict[str, Samples]:
    """Rounds in which each contender has one turn, in an order that is drawn anew for every round."""
    samples = {contender.name: Samples() for contender in contenders}
    order = random.Random(plan.seed)
    for _ in range(plan.rounds):
        for contender in order.sample(contenders, len(contenders)):
            samples[contender.name].of.append(load.sample(contender, pipeline, plan.subjects, warm_up=0.05))
    return samples


class NearLimit:
    """An exact log in a steady state near its limit, with every call granted.

    A subject is asked once a cycle, so it is called rate / subjects times a second, and window * rate / subjects of
    its calls count at a time. The window is chosen, for each contender, so that these are about 85 of 100: near the
    limit, with room for the rate to jitter. Before each sample the contender runs for more than a window, unmeasured,
    to fill the logs. If a call is denied all the same, the window shrinks and the sample is taken again.
    """

    AIM = 0.85 * NEAR_LIMIT
    ATTEMPTS = 5

    def __init__(self, load: Load, contender: Contender, plan: Plan, pipeline: int):
        self._load, self._contender, self._subjects, self._pipeline = load, contender, plan.near_subjects, pipeline
        self.samples = Samples(window_ms=200)
        for _ in range(3):  # the rate depends on the length of the log, hence on the window: it settles quickly
            self.samples.window_ms = self._window_for(self._sample().calls_per_second)

    def round(self) -> None:
        for attempt in range(self.ATTEMPTS):
            sample = self._sample()
            if sample.denied == 0 or attempt + 1 == self.ATTEMPTS:
                break
            shrunk = int(self.samples.window_ms * 0.9)
            self.samples.window_ms = max(1, min(shrunk, self._window_for(sample.calls_per_second)))
        self.samples.of.append(sample)

    def _sample(self) -> Sample:
        window_ms = self.samples.window_ms
        asked = self._contender.with_window(window_ms)
        return self._load.sample(asked, self._pipeline, self._subjects, warm_up=1.2 * window_ms / 1000)

    def _window_for(self, calls_per_second: float) -> int:
        return max(1, int(1000 * self.AIM * self._subjects / calls_per_second))


def near_limit_rates(load: Load, contenders: list[Contender], plan: Plan, pipeline: int) -> dict[str, Samples]:
    runs = {contender.name: NearLimit(load, contender, plan, pipeline) for contender in contenders}
    for _ in range(plan.rounds):
        for run in runs.values():
            run.round()
    return {name: run.samples for name, run in runs.items()}


@dataclass(frozen=True)
class KeyBytes:
    used_memory: float  # what the server grew by, per key: the key's own share of the tables is in it
    memory_usage: float  # what MEMORY USAGE says of a key


def bytes_a_key(load: Load, server: Server, contender: Contender, subjects: int) -> KeyBytes:
    """On an empty server, after one call for each of `subjects` fresh keys."""
    server.empty()
    before = server.used_memory()
    load.once_each(contender, subjects)
    grown = server.used_memory() - before
    some = random.Random(subjects).sample(range(subjects), min(subjects, 200))
    usage = [server.client.memory_usage(contender.key(subject), samples=0) for subject in some]
    return KeyBytes(grown / subjects, mean(usage))


@dataclass(frozen=True)
class EntryBytes:
    entries: int
    used_memory: float
    memory_usage: float


def bytes_an_entry(server: Server, load: Load, contender: Contender, plan: Plan) -> list[EntryBytes]:
    """One key with each number of entries; what a key with a single entry takes is not counted."""
    first = _log_memory(server, load, contender, 1)
    result = []
    for entries in plan.log_sizes:
        used, usage = (now - then for now, then in zip(_log_memory(server, load, contender, entries), first))
        result.append(EntryBytes(entries, used / (entries - 1), usage / (entries - 1)))
    return result


def _log_memory(server: Server, load: Load, contender: Contender, entries: int) -> tuple[int, int]:
    server.empty()
    before = server.used_memory()
    if contender.is_ours:
        _fill_over_a_window(server, contender, entries)
    else:  # a member's size does not depend on the others', so the entries may come as fast as they can
        load(contender.prefix, contender.command, subjects=1, calls=entries)
    key = contender.key(0)
    return server.used_memory() - before, server.client.memory_usage(key, samples=0)


def _fill_over_a_window(server: Server, contender: Contender, entries: int) -> None:
    """Grants at random moments of one window, by a clock that is moved.

    Grants that come at once would share an entry, or lie so close that less had to be kept: that would flatter.
    """
    gaps = random.Random(entries)
    words = [word.replace("{key}", contender.key(0)) for word in contender.command]
    server.client.execute_command("RL.DEBUG", "CLOCK", "SET", time.time_ns() + 10**9)
    for start in range(0, entries, 1000):
        batch = server.client.pipeline(transaction=False)
        for _ in range(start, min(start + 1000, entries)):
            gap = gaps.expovariate(entries / (0.9 * ENTRIES_WINDOW_NS))
            batch.execute_command("RL.DEBUG", "CLOCK", "ADVANCE", int(gap))
            batch.execute_command(*words)
        denied = sum(reply[0] == 0 for reply in batch.execute()[1::2])
        assert denied == 0, f"{denied} calls were denied"
