# SPDX-License-Identifier: MIT
"""The measurements: calls per second in interleaved rounds, latency, and bytes. They return data; report.py prints."""

from __future__ import annotations

import random
import time
from statistics import median

import contenders
from contenders import ENTRIES_WINDOW_NS, Contender, words_of
from load import Latency, Load, Plan, Sample, Samples
from server import Server

Loads = dict[str, Load]  # by the names of servers


def rounds(plan: Plan, candidates: list[Contender]):
    """All contenders for each round, in an order that is drawn anew."""
    order = random.Random(plan.seed)
    for _ in range(plan.rounds):
        yield order.sample(candidates, len(candidates))


def turns(plan: Plan, candidates: list[Contender]):
    """Each contender once a round."""
    for round_ in rounds(plan, candidates):
        yield from round_


def rates(loads: Loads, candidates: list[Contender], plan: Plan, pipeline: int, subjects: int) -> dict[str, Samples]:
    """Each round has its keys anew: where they lie in memory decides how often they miss the processor's caches, and
    would otherwise favour the same contender in all rounds."""
    samples = {each.name: Samples() for each in candidates}
    for round_ in rounds(plan, candidates):
        fill(loads, round_, subjects)
        for contender in round_:
            samples[contender.name].of.append(loads[contender.server].sample(contender, pipeline, subjects))
    return samples


def latencies(loads: Loads, candidates: list[Contender], plan: Plan) -> dict[str, list[Latency]]:
    plan = plan.for_growth()
    fill(loads, candidates, plan.subjects)
    result: dict[str, list[Latency]] = {each.name: [] for each in candidates}
    for contender in turns(plan, candidates):
        result[contender.name].append(loads[contender.server].latency(contender, plan.subjects))
    return result


def fill(loads: Loads, candidates: list[Contender], subjects: int) -> None:
    """Servers in which all these have their keys, and nobody else has any."""
    for load in loads.values():
        load.empty()
    for contender in candidates:
        loads[contender.server].once_each(contender, subjects)


def by_subjects(loads: Loads, candidates: list[Contender], plan: Plan) -> dict[int, dict[str, Samples]]:
    result = {}
    for subjects in plan.many_subjects:
        amount = plan if subjects == contenders.MANY else plan.for_growth()
        result[subjects] = rates(loads, candidates, amount, contenders.TARGET_PIPELINE, subjects)
    return result


class NearLimit:
    """An exact log in a steady state near its limit, with every call granted.

    A subject is asked once a cycle, so it is called rate / subjects times a second, and window * rate / subjects of
    its calls count at a time. The window is chosen, for each contender, so that these are about 85 of 100: near the
    limit, with room for the rate to jitter. Before each sample the contender runs for more than a window, unmeasured,
    to fill the logs. If a call is denied all the same, the window shrinks and the sample is taken again.
    """

    SHARE = 0.85
    ATTEMPTS = 5

    def __init__(self, load: Load, contender: Contender, limit: int, subjects: int):
        self._load, self._contender, self._subjects = load, contender, subjects
        self._aim = self.SHARE * limit
        self.samples = Samples(window_ms=200)
        for _ in range(3):  # the rate depends on the length of the log, hence on the window: it settles quickly
            self.samples.window_ms = self._window_for(self._sample().calls_per_second)

    def round(self) -> None:
        for attempt in range(self.ATTEMPTS):
            sample = self._sample()
            if sample.unexpected == 0 or attempt + 1 == self.ATTEMPTS:
                break
            shrunk = int(self.samples.window_ms * 0.9)
            self.samples.window_ms = max(1, min(shrunk, self._window_for(sample.calls_per_second)))
        self.samples.of.append(sample)

    def _sample(self) -> Sample:
        window_ms = self.samples.window_ms
        asked = self._contender.with_window(window_ms)
        warm_up = 1.2 * window_ms / 1000
        return self._load.sample(asked, contenders.TARGET_PIPELINE, self._subjects, warm_up)

    def _window_for(self, calls_per_second: float) -> int:
        return max(1, int(1000 * self._aim * self._subjects / calls_per_second))


def near_subjects(plan: Plan, limit: int) -> int:
    """So many that all logs together have about as many entries, whatever the limit."""
    return max(1, plan.near_entries // limit)


def near_limit(load: Load, candidates: list[tuple[int, Contender]], plan: Plan) -> dict[str, Samples]:
    """Theirs and ours with each limit in turn; a round is one turn of both."""
    result = {}
    for limit in sorted({limit for limit, _ in candidates}):
        load.empty()
        subjects = near_subjects(plan, limit)
        runs = {each.name: NearLimit(load, each, limit, subjects) for at, each in candidates if at == limit}
        amount = plan if limit == contenders.NEAR_TARGET else plan.for_growth()
        for name in turns(amount, list(runs)):
            runs[name].round()
        result |= {name: run.samples for name, run in runs.items()}
    return result


def bytes_a_key(load: Load, contender: Contender, subjects: int) -> float:
    """What an empty server grows by for each of `subjects` fresh keys: their share of its tables is in it."""
    load.empty()
    before = load.server.used_memory()
    load.once_each(contender, subjects)
    return (load.server.used_memory() - before) / subjects


def bytes_an_entry(load: Load, contender: Contender, plan: Plan) -> dict[int, float]:
    """One key with each number of entries; what a key with a single entry takes is not counted."""
    first = _log_memory(load, contender, 1)
    return {size: (_log_memory(load, contender, size) - first) / (size - 1) for size in plan.log_sizes}


def _log_memory(load: Load, contender: Contender, entries: int) -> float:
    """The median of some attempts where the log is small: now and then a server gives some kilobytes of other memory
    back, which would be taken for the log's."""
    return median(_log_memory_once(load, contender, entries) for _ in range(3 if entries <= 1000 else 1))


def _log_memory_once(load: Load, contender: Contender, entries: int) -> int:
    load.empty()
    before = load.server.used_memory()
    if contender.is_ours:
        _fill_over_a_window(load.server, contender, entries)
    else:  # a member's size does not depend on the others', so the entries may come as fast as they can
        load(contender.prefix, contender.command, subjects=1, calls=entries)
    return load.server.used_memory() - before


def _fill_over_a_window(server: Server, contender: Contender, entries: int) -> None:
    """Grants at random moments of one window, by a clock that is moved.

    Grants that come at once would share an entry, or lie so close that less had to be kept: that would flatter.
    """
    gaps = random.Random(entries)
    words = words_of(contender.command, contender.key(0))
    server.client.execute_command("RL.DEBUG", "CLOCK", "SET", time.time_ns() + 10**9)
    for start in range(0, entries, 1000):
        batch = server.client.pipeline(transaction=False)
        for _ in range(start, min(start + 1000, entries)):
            gap = gaps.expovariate(entries / (0.9 * ENTRIES_WINDOW_NS))
            batch.execute_command("RL.DEBUG", "CLOCK", "ADVANCE", int(gap))
            batch.execute_command(*words)
        denied = sum(reply[0] == 0 for reply in batch.execute()[1::2])
        assert denied == 0, f"{denied} calls were denied"
