# SPDX-License-Identifier: MIT
"""Results as bench/run finds them, but made up: the tests say what the pages must make of them."""

from __future__ import annotations

import contenders
from contenders import MANY, TARGET_PIPELINE, Contender
from load import Latency, Plan, Sample, Samples
from results import Results

PLAN = Plan(
    rounds=2, growth_rounds=1, seconds=1.0, calls=0, subjects=100_000, pipelines=(1, 32), clients=50, seed=1,
    rate=20_000, many_subjects=(1_000, MANY), near_entries=100_000, log_sizes=(100, 1_000),
)  # fmt: skip
RATE = 100_000.0


def samples(calls_per_second: float, busy: float = 1.0, unexpected: int = 0) -> Samples:
    """Two rounds that agree."""
    one = Sample(calls_per_second, unexpected, 0.5, busy * 1e6 / calls_per_second, sent=60, received=40, effect=80)
    return Samples([one, one], window_ms=100)


def rates_of(names: list[Contender], **faster: float) -> dict[str, Samples]:
    """All at one rate, but for those that are named by their prefix."""
    return {each.name: samples(RATE * faster.get(each.prefix.rstrip(":"), 1.0)) for each in names}


def results(title: str, *, fetches_ahead: bool = False, is_replicated: bool = False, **faster: float) -> Results:
    """Of a run of everything, on a server without a limiter of its own, with redis-cell beside it."""
    common = [each for each in contenders.RATES if each not in (contenders.GCRA, contenders.INCREX)]
    logs = [*contenders.LUA_LOG_NEAR.values(), *contenders.SLIDING_NEAR.values()]
    return Results(
        title, title.lower(), "ratelimit 0.1.0", "0.5.0", fetches_ahead, is_replicated,
        key_bytes={each.name: 100.0 for each in contenders.BYTES},
        rates={1: rates_of(contenders.UNPIPELINED), TARGET_PIPELINE: rates_of(common, **faster)},
        latencies={each.name: [Latency(40, 120, 2000, 60)] for each in contenders.LATENCIES},
        by_subjects={many: rates_of(contenders.SUBJECTS, **faster) for many in PLAN.many_subjects},
        by_limits=rates_of(list(contenders.LIMITS.values())),
        near=rates_of(logs),
        entry_bytes={each.name: {100: 4.2} for each in contenders.ENTRIES},
        left_out={contenders.GCRA.name: "unknown command 'GCRA'"},
    )  # fmt: skip
