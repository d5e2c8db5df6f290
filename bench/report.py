# SPDX-License-Identifier: MIT
"""The tables, as Markdown. Nothing is measured here."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import contenders
from contenders import BUCKET, CELL, CELL_INCR, CELL_THROTTLE, DENSE, INCR, TARGET_PIPELINE, Contender, Target
from load import Latency, Plan, Samples
from measure import near_subjects
from server import Server, cores

# Below this share of the time, calls per second say more about the load generator, or other programs, than about the
# server.
KEPT_BUSY = 0.85
NOT_GIVEN = "not given: `bench/run --redis-cell path/to/libredis_cell.so`"
BY_NAME = {each.name: each for each in contenders.RATES}


@dataclass
class Results:
    """What was measured; a part that was not asked for is empty."""

    key_bytes: dict[str, float] = field(default_factory=dict)
    rates: dict[int, dict[str, Samples]] = field(default_factory=dict)  # by pipeline
    latencies: dict[str, list[Latency]] = field(default_factory=dict)
    by_subjects: dict[int, dict[str, Samples]] = field(default_factory=dict)
    by_limits: dict[str, Samples] = field(default_factory=dict)
    near: dict[str, Samples] = field(default_factory=dict)
    entry_bytes: dict[str, dict[int, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    is_replicated: bool = False

    def samples_for(self, target: Target) -> dict[str, Samples]:
        """All samples that were taken in the rounds to which a target belongs."""
        if target.subjects:
            return self.by_subjects.get(target.subjects, {})
        return self.rates.get(TARGET_PIPELINE, {}) | self.near


# --- Markdown ---------------------------------------------------------------------------------------


def table(columns: str, rows: list[tuple]) -> str:
    """`columns` are separated by ` | `; all but the first are numbers, hence to the right, unless marked by `<`."""
    names = columns.split(" | ")
    rule = ["---"] + ["---" if name.startswith("<") else "---:" for name in names[1:]]
    lines = [[name.removeprefix("<") for name in names], rule, *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def section(title: str, *blocks: str) -> str:
    return "\n\n".join((f"## {title}", *filter(None, blocks)))


def code(name: str) -> str:
    """Names of commands as code; the rest is prose."""
    head, comma, rest = name.partition(",")
    return f"`{head}`{comma}{rest}" if head.split()[0].isupper() and not head.startswith("Lua") else name


# --- numbers ----------------------------------------------------------------------------------------


def middle(samples: Samples, what: str) -> float:
    return median(getattr(sample, what) for sample in samples.of)


def ratios(ours: Samples, theirs: Samples, what: str = "calls_per_second") -> list[float]:
    """Round by round, so that a slow minute of the machine strikes both."""
    return [getattr(mine, what) / getattr(other, what) for mine, other in zip(ours.of, theirs.of)]


def spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


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


# --- sections ---------------------------------------------------------------------------------------


def _commit() -> str:
    """Of these sources, where they are a checkout."""
    done = subprocess.run(
        ["git", "-C", Path(__file__).parent, "describe", "--always", "--dirty=, changed since"],
        capture_output=True, text=True,
    )  # fmt: skip
    return f", commit {done.stdout.strip()}" if done.returncode == 0 else ""


def machine() -> str:
    with Path("/proc/cpuinfo").open() as lines:
        models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        model = next(models, platform.machine())
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def head(servers: dict[str, Server], plan: Plan, is_quick: bool) -> str:
    main = servers[contenders.MAIN]
    pinned = "each has a core of its own" if cores()[0] is not None else "there is one core for both"
    amount = f"{plan.calls:,} calls" if plan.calls else f"{plan.seconds:g} s"
    cell = servers[CELL].module_version().removeprefix("redis-cell ") if CELL in servers else NOT_GIVEN
    rows = [
        ("date", time.strftime("%Y-%m-%d")),
        ("machine", machine()),
        ("load average before the run", f"{os.getloadavg()[0]:.2f}; anything but 0 spoils it"),
        ("server", f"{main.version()}; {'AOF everysec and a replica' if main.replicated else 'no AOF, no replica'}"),
        ("module", main.module_version() + _commit()),
        ("redis-cell", cell),
        ("load generator and server", pinned),
        ("rounds", f"{plan.rounds}, each contender {amount}, {plan.clients} connections, seed {plan.seed}"),
        ("subjects", f"{plan.subjects:,}, unless said otherwise; names of 13 bytes"),
    ]
    warning = "**A smoke run: these figures mean nothing.**" if is_quick else ""
    origin = "Written by `bench/run`; what they mean: [bench/README.md](../README.md)."
    return "\n\n".join(filter(None, ("# Results", origin, warning, section("Run", table("what | <value", rows)))))


def in_short(results: Results, pictures: list[str]) -> str:
    """What README shows."""
    rows = []
    for target in contenders.TARGETS:
        of = results.samples_for(target)
        if {target.ours.name, target.theirs.name} <= of.keys():
            rows.append((target.what, f"{median(target_ratios(target, of)):.2f}"))
    shown = [f"![{picture.removesuffix('.svg')}]({picture})" for picture in pictures]
    return section("In short", *shown, table("calls per second, pipelined by 32 | ratio", rows))


def targets(results: Results) -> str:
    rows = [_target_row(target, results.samples_for(target)) for target in contenders.TARGETS]
    rows.append(_server_time_row(results.rates.get(TARGET_PIPELINE, {})))
    key = [value for name, value in results.key_bytes.items() if name == BUCKET.name]
    rows.append(_bytes_row(f"bytes a key, `{BUCKET.name}`", contenders.BYTES_A_KEY_AT_MOST, key))
    entries = list(results.entry_bytes.get(contenders.SLIDING_ENTRIES.name, {}).values())
    rows.append(_bytes_row("bytes an entry of `RL.SLIDING`, the most", contenders.BYTES_AN_ENTRY_AT_MOST, entries))
    rows.append(("a growing dense table: bytes a subject; longest stall", "", "≤ 32; ≤ 1 ms", "`bench/dense`"))
    about = (
        f"Calls per second pipelined by {TARGET_PIPELINE}, unless said otherwise; medians of the rounds, in brackets "
        "the least and the greatest. Against redis-cell, on a server of its own, each command is first related to "
        "`INCR` on its own server."
    )
    if results.is_replicated:  # what is wanted is wanted without them
        measured = [row[:2] for row in rows if row[1]]
        return section("Targets", f"{about} With AOF and a replica: no targets.", table("what | measured", measured))
    return section("Targets", about, table("what | measured | wanted | <verdict", rows))


def _target_row(target: Target, rows: dict[str, Samples]) -> tuple:
    wanted = f"≥ {target.at_least:g}"
    needed = {target.ours.name, target.theirs.name}
    if target.theirs.server == CELL:
        needed |= {CELL_INCR.name, INCR.name}
    if not needed <= rows.keys():
        return target.what, "", wanted, "redis-cell was not given" if target.theirs is CELL_THROTTLE else "not run"
    values = target_ratios(target, rows)
    return target.what, spread(values), wanted, _verdict(median(values) >= target.at_least, [rows[n] for n in needed])


def _server_time_row(rows: dict[str, Samples]) -> tuple:
    what, wanted = f"time in the command, `{DENSE.name}` to `INCR`", f"≤ {contenders.SERVER_TIME_AT_MOST:g}"
    if not {DENSE.name, INCR.name} <= rows.keys():
        return what, "", wanted, "not run"
    values = ratios(rows[DENSE.name], rows[INCR.name], "command_us")
    is_met = median(values) <= contenders.SERVER_TIME_AT_MOST
    return what, spread(values), wanted, _verdict(is_met, [rows[DENSE.name], rows[INCR.name]])


def _bytes_row(what: str, at_most: float, values: list[float]) -> tuple:
    if not values:
        return what, "", f"≤ {at_most:g}", "not run"
    return what, f"{max(values):.1f}", f"≤ {at_most:g}", "met" if max(values) <= at_most else "**not met**"


def _verdict(is_met: bool, judged: list[Samples]) -> str:
    if any(sample.unexpected for samples in judged for sample in samples.of):
        return "not judged: calls were denied"
    if any(middle(samples, "busy") < KEPT_BUSY for samples in judged):
        return "not judged: the server had to wait"
    return "met" if is_met else "**not met**"


def _name(name: str, samples: Samples) -> str:
    wrong = sum(sample.unexpected for sample in samples.of)
    return code(name) + (f" ({wrong:,} calls had another outcome: not like with like)" if wrong else "")


def rates(pipeline: int, rows: dict[str, Samples]) -> str:
    """From the fastest to the slowest."""
    lines = []
    for name, samples in sorted(rows.items(), key=lambda row: -middle(row[1], "calls_per_second")):
        incr = reference(BY_NAME[name], rows)
        lines.append((
            _name(name, samples), f"{middle(samples, 'calls_per_second'):,.0f}",
            spread(ratios(samples, incr)) if incr else "", f"{middle(samples, 'command_us'):.2f}",
            f"{middle(samples, 'cpu_us'):.2f}", f"{middle(samples, 'busy'):.0%}",
        ))  # fmt: skip
    return section(
        f"Pipelined by {pipeline}",
        table("one call | calls/s | of INCR (least..greatest) | µs in the command | µs in the server | busy", lines),
    )


def latencies(rows: dict[str, list[Latency]], plan: Plan) -> str:
    def middles(of: list[Latency]) -> list[str]:
        return [f"{median(getattr(each, what) for each in of):,.0f}" for what in ("p50", "p99", "p999", "sent_p999")]

    return section(
        "Latency",
        f"µs at {plan.rate:,} calls a second, each sent by schedule and measured from the instant at which it was due; "
        "medians of the rounds. The last column is how late the load generator itself was.",
        table("one call | p50 | p99 | p99.9 | p99.9 until sent", [(code(n), *middles(of)) for n, of in rows.items()]),
    )


def key_bytes(rows: dict[str, float], plan: Plan) -> str:
    lines = [(code(name), f"{each:.1f}") for name, each in sorted(rows.items(), key=lambda row: row[1])]
    return section(
        "Bytes a key",
        f"What the memory of an empty server grows by for each of {plan.subjects:,} fresh subjects.",
        table("one call each | bytes", lines),
    )


def entry_bytes(rows: dict[str, dict[int, float]]) -> str:
    sizes = list(next(iter(rows.values())))
    lines = [(code(name), *(f"{row[size]:.1f}" for size in sizes)) for name, row in rows.items()]
    columns = " | ".join(f"{size:,}" for size in sizes)
    return section("Bytes an entry", "Of one key with so many entries.", table(f"log | {columns}", lines))


def by_limits(rows: dict[str, Samples]) -> str:
    counts = {each.name: count for count, each in contenders.LIMITS.items()}
    lines = []
    for name, samples in rows.items():
        first = rows.get(contenders.LIMITS[1].name)
        lines.append((
            counts[name], f"{middle(samples, 'calls_per_second'):,.0f}",
            spread(ratios(samples, first)) if first else "", f"{middle(samples, 'command_us'):.2f}",
        ))  # fmt: skip
    return section(
        "By limits",
        f"`RL.CHECK` with so many token buckets, pipelined by {TARGET_PIPELINE}.",
        table("limits | calls/s | of one limit | µs in the command", lines),
    )


def by_subjects(results: Results, plan: Plan) -> str:
    among = results.by_subjects | {plan.subjects: results.rates.get(TARGET_PIPELINE, {})}
    lines = []
    for contender in contenders.SUBJECTS:
        for subjects, rows in sorted(among.items()):
            if contender.name not in rows:
                continue
            samples, incr = rows[contender.name], rows.get(INCR.name)
            lines.append((
                _name(contender.name, samples), f"{subjects:,}", f"{middle(samples, 'calls_per_second'):,.0f}",
                spread(ratios(samples, incr)) if incr else "", f"{middle(samples, 'command_us'):.2f}",
            ))  # fmt: skip
    return section(
        "By subjects",
        f"Pipelined by {TARGET_PIPELINE}.",
        table("one call | subjects | calls/s | of INCR | µs in the command", lines),
    )


def near_limit(rows: dict[str, Samples], plan: Plan) -> str:
    lines = []
    for limit, ours in contenders.SLIDING_NEAR.items():
        theirs = contenders.LUA_LOG_NEAR[limit]
        for each in (theirs, ours):
            if each.name not in rows:
                continue
            samples, subjects = rows[each.name], near_subjects(plan, limit)
            live = middle(samples, "calls_per_second") * samples.window_ms / 1000 / subjects
            is_ratio = each is ours and theirs.name in rows
            lines.append((
                _name(each.name, samples), f"{live:,.0f}", f"{subjects:,}", f"{samples.window_ms:,} ms",
                f"{middle(samples, 'calls_per_second'):,.0f}",
                spread(ratios(samples, rows[theirs.name])) if is_ratio else "", f"{middle(samples, 'command_us'):.2f}",
            ))  # fmt: skip
    return section(
        "By entries",
        f"The exact log in a steady state, pipelined by {TARGET_PIPELINE}: for each entry that comes, one leaves.",
        table("one call | entries | subjects | window | calls/s | to the script | µs in the command", lines),
    )


def left_out(reasons: dict[str, str]) -> str:
    return section("Not run", table("what | <why", [(code(name), reason) for name, reason in reasons.items()]))


def document(results: Results, plan: Plan, top: str, pictures: list[str]) -> str:
    near_and_limits = [
        results.by_limits and by_limits(results.by_limits),
        results.by_subjects and by_subjects(results, plan),
        results.near and near_limit(results.near, plan),
    ]
    parts = [
        top,
        in_short(results, pictures),
        targets(results),
        *(rates(pipeline, rows) for pipeline, rows in sorted(results.rates.items(), reverse=True)),
        results.latencies and latencies(results.latencies, plan),
        results.key_bytes and key_bytes(results.key_bytes, plan),
        results.entry_bytes and entry_bytes(results.entry_bytes),
        *near_and_limits,
        results.left_out and left_out(results.left_out),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"
