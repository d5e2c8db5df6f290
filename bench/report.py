"""The tables. Nothing is measured here."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from statistics import median

from contenders import (
    BUCKET,
    BYTES_A_KEY_AT_MOST,
    BYTES_AN_ENTRY_AT_MOST,
    INCR,
    NEAR_LIMIT,
    NOT_HERE,
    SLIDING_ENTRIES,
    TARGET_PIPELINE,
    TARGETS,
)
from measure import EntryBytes, KeyBytes, Plan, Samples
from server import Server, cores

# Below this share of the time, calls per second say more about the load generator, or other programs, than about the
# server.
KEPT_BUSY = 0.85


def head(server: Server, plan: Plan) -> None:
    model = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").open() if line.startswith("model name")),
        platform.machine(),
    )
    client_core, server_core = cores()
    pinned = f"server on core {server_core}, load on core {client_core}"
    place = pinned if server_core is not None else "not pinned: there is one core for both"
    print(f"machine   {model}, {os.cpu_count()} cores, Linux {platform.release()}; {place}")
    print(f"load      {os.getloadavg()[0]:.2f} before the run; anything but 0 spoils it")
    extras = "AOF everysec and one replica" if server.replicated else "no AOF, no replica"
    print(f"server    {server.version()}; {extras}")
    print(f"module    {server.module_version()}")
    amount = f"{plan.calls:,} calls" if plan.calls else f"{plan.seconds:g} s"
    subjects = f"{plan.clients} connections, {plan.subjects:,} subjects"
    print(f"run       {plan.rounds} rounds of {amount}, {subjects}, seed {plan.seed}")


def _ratios(ours: Samples, theirs: Samples) -> list[float]:
    """Of calls per second, round by round, so that a slow minute of the machine strikes both."""
    return [mine.calls_per_second / other.calls_per_second for mine, other in zip(ours.of, theirs.of)]


def _processor_ratios(ours: Samples, theirs: Samples) -> list[float]:
    """Of calls per second of processor time: the same where the server is never kept waiting."""
    return [other.cpu_us / mine.cpu_us for mine, other in zip(ours.of, theirs.of)]


def _spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


def _middle(samples: Samples, what: str) -> float:
    return median(getattr(sample, what) for sample in samples.of)


def _rate_row(name: str, samples: Samples, of_incr: str) -> None:
    print(
        f"{name:<28}{_middle(samples, 'calls_per_second'):>11,.0f}  {of_incr:<18}"
        f"{_middle(samples, 'command_us'):>10.2f}{_middle(samples, 'cpu_us'):>10.2f}{_middle(samples, 'busy'):>7.0%}"
    )
    if denied := sum(sample.denied for sample in samples.of):
        print(f"    {denied:,} calls were denied: this row does not compare like with like")


def rates(pipeline: int, plain: dict[str, Samples], near: dict[str, Samples], plan: Plan) -> None:
    print(f"\npipelined by {pipeline}; medians of {plan.rounds}")
    print(f"{'':<28}{'calls/s':>11}  {'of INCR':<18}{'in command':>10}{'in server':>10}{'busy':>7}")
    print(f"{'':<28}{'':>11}  {'(min..max)':<18}{'us/call':>10}{'us/call':>10}")
    for name, samples in plain.items():
        _rate_row(name, samples, _spread(_ratios(samples, plain[INCR.name])) if INCR.name in plain else "-")
    for name, samples in near.items():
        _rate_row(name, samples, "-")
        live = _middle(samples, "calls_per_second") * samples.window_ms / 1000 / plan.near_subjects
        said = f"{live:.0f} of {NEAR_LIMIT} calls count"
        print(f"    {plan.near_subjects:,} subjects, window {samples.window_ms:,} ms: {said}")


def targets(samples: dict[int, dict[str, Samples]]) -> None:
    columns = [f"by {pipeline}" for pipeline in samples] + [f"by {TARGET_PIPELINE}, CPU"]
    print(f"\n{'ratio of calls per second':<50}" + "".join(f"{column:<20}" for column in columns) + "target")
    for target in TARGETS:
        pairs = {
            pipeline: (rows[target.ours.name], rows[target.theirs.name])
            for pipeline, rows in samples.items()
            if target.ours.name in rows and target.theirs.name in rows
        }
        judged = pairs.get(TARGET_PIPELINE)
        cells = [_spread(_ratios(*pairs[pipeline])) if pipeline in pairs else "-" for pipeline in samples]
        cells.append(_spread(_processor_ratios(*judged)) if judged else "-")
        print(
            f"{f'{target.ours.name} / {target.theirs.name}':<50}"
            + "".join(f"{cell:<20}" for cell in cells)
            + f">= {target.at_least:g}  {_rate_verdict(judged, target.at_least)}"
        )
    print(f"The target is for calls per second, pipelined by {TARGET_PIPELINE}.")


def _rate_verdict(pair: tuple[Samples, Samples] | None, at_least: float) -> str:
    if pair and any(_middle(samples, "busy") < KEPT_BUSY for samples in pair):
        return "not judged: the server had to wait"
    if pair and any(sample.denied for samples in pair for sample in samples.of):
        return "not judged: calls were denied"
    return _verdict(pair and median(_ratios(*pair)) >= at_least)


def _verdict(met: bool | None) -> str:
    return "not run" if met is None else "met" if met else "NOT MET"


def key_bytes(rows: dict[str, KeyBytes], subjects: int) -> None:
    print(f"\n{f'bytes a key, {subjects:,} fresh keys':<40}{'used_memory':>12}{'MEMORY USAGE':>14}")
    for name, row in rows.items():
        verdict = ""
        if name == BUCKET.name:
            verdict = f"    <= {BYTES_A_KEY_AT_MOST}  {_verdict(row.used_memory <= BYTES_A_KEY_AT_MOST)}"
        print(f"{name:<40}{row.used_memory:>12.1f}{row.memory_usage:>14.1f}{verdict}")


def entry_bytes(rows: dict[str, list[EntryBytes]]) -> None:
    if not rows:
        return
    print(f"\n{'bytes an entry, one key':<28}{'entries':>12}{'used_memory':>12}{'MEMORY USAGE':>14}")
    for name, sizes in rows.items():
        for size in sizes:
            verdict = ""
            if name == SLIDING_ENTRIES.name:
                verdict = f"    <= {BYTES_AN_ENTRY_AT_MOST}  {_verdict(size.used_memory <= BYTES_AN_ENTRY_AT_MOST)}"
            print(f"{name:<28}{size.entries:>12,}{size.used_memory:>12.2f}{size.memory_usage:>14.2f}{verdict}")


def left_out(reasons: dict[str, str]) -> None:
    print("\nnot run")
    for name, reason in (reasons | NOT_HERE).items():
        print(f"    {name}: {reason}")
    print(f"\nload      {os.getloadavg()[0]:.2f} after the run, which itself makes up to 2")


