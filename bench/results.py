# SPDX-License-Identifier: MIT
"""What was measured on one server, and the ratios between contenders. Nothing is measured or printed here."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from contenders import CELL, CELL_INCR, INCR, TARGET_PIPELINE, Contender, Target
from load import Latency, Samples
from server import Server

# Below this share of the time, calls per second say more about the load generator, or other programs, than about the
# server.
KEPT_BUSY = 0.85


@dataclass
class Results:
    """A part that was not asked for is empty."""

    title: str  # such as Redis 7.0
    server: str  # its whole version
    module: str
    cell: str  # the version of redis-cell, if there is one
    fetches_ahead: bool
    is_replicated: bool = False
    key_bytes: dict[str, float] = field(default_factory=dict)
    rates: dict[int, dict[str, Samples]] = field(default_factory=dict)  # by pipeline
    latencies: dict[str, list[Latency]] = field(default_factory=dict)
    by_subjects: dict[int, dict[str, Samples]] = field(default_factory=dict)
    by_limits: dict[str, Samples] = field(default_factory=dict)
    near: dict[str, Samples] = field(default_factory=dict)
    entry_bytes: dict[str, dict[int, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, main: Server, cell: Server | None) -> Results:
        return cls(
            title=main.title(),
            server=main.version(),
            module=main.module_version(),
            cell=cell.module_version().removeprefix("redis-cell ") if cell else "",
            fetches_ahead=main.fetches_ahead(),
            is_replicated=main.replicated,
        )

    def samples_for(self, target: Target) -> dict[str, Samples]:
        """All samples that were taken in the rounds to which a target belongs."""
        if target.subjects:
            return self.by_subjects.get(target.subjects, {})
        return self.rates.get(TARGET_PIPELINE, {}) | self.near

    def judged_by(self, target: Target) -> dict[str, Samples]:
        """Those that decide about it; empty if one of them was not taken."""
        rows = self.samples_for(target)
        needed = {target.ours.name, target.theirs.name}
        if target.theirs.server == CELL:
            needed |= {CELL_INCR.name, INCR.name}
        return {name: rows[name] for name in sorted(needed)} if needed <= rows.keys() else {}


def middle(samples: Samples, what: str) -> float:
    return median(getattr(sample, what) for sample in samples.of)


def ratios(ours: Samples, theirs: Samples, what: str = "calls_per_second") -> list[float]:
    """Round by round, so that a slow minute of the machine strikes both."""
    return [getattr(mine, what) / getattr(other, what) for mine, other in zip(ours.of, theirs.of)]


def reference(contender: Contender, rows: dict[str, Samples]) -> Samples | None:
    """INCR on the same server."""
    return rows.get(CELL_INCR.name if contender.server == CELL else INCR.name)


def target_ratios(target: Target, rows: dict[str, Samples]) -> list[float]:
    """Between two servers, what each makes of INCR is compared; then it does not matter if one runs better."""
    ours, theirs = rows[target.ours.name], rows[target.theirs.name]
    plain = ratios(ours, theirs)
    if target.theirs.server == target.ours.server:
        return plain
    by_incr = ratios(reference(target.theirs, rows), reference(target.ours, rows))
    return [ratio * servers for ratio, servers in zip(plain, by_incr)]
