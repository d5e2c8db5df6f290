# SPDX-License-Identifier: MIT
"""The sections of results.md. Each is a table of one server, and the tables of all servers stand beside each other."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import contenders
import targets
from contenders import EACH, INCR, TARGET_PIPELINE
from load import Plan, Samples
from measure import near_subjects
from results import KEPT_BUSY, Results, middle, ratios, reference
from server import cores
from tables import Table, beside, code, section, spread

BY_NAME = {each.name: each for each in contenders.RATES}


# --- the run ----------------------------------------------------------------------------------------


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


def origin(plan: Plan, is_quick: bool) -> list[tuple[str, str]]:
    """What is known before the run."""
    pinned = "each has a core of its own" if cores()[0] is not None else "there is one core for both"
    amount = f"{plan.calls:,} calls" if plan.calls else f"{plan.seconds:g} s"
    rounds = f"{plan.rounds}, where no target depends on it {plan.growth_rounds}"
    return [
        *([("note", "**a smoke run: these figures mean nothing**")] if is_quick else []),
        ("date", time.strftime("%Y-%m-%d")),
        ("machine", machine()),
        ("load average before the run", f"{os.getloadavg()[0]:.2f}; anything but 0 spoils it"),
        ("load generator and server", pinned),
        ("rounds", f"{rounds}; each contender {amount}, {plan.clients} connections, seed {plan.seed}"),
        ("subjects", f"{plan.subjects:,}, unless said otherwise; names of 13 bytes"),
    ]


def run(found: list[Results], own: list[Results], known: list[tuple[str, str]]) -> str:
    table = Table(["what"], ["<value"], {(what,): (value,) for what, value in known})
    for each in found + own:
        kind = "fetches the keys of a pipeline ahead" if each.fetches_ahead else "looks up one key after another"
        place = "AOF everysec and a replica" if each.is_replicated else "no AOF, no replica"
        table.rows[(each.title,)] = (f"{each.server}; {kind}; {place}",)
    table.rows["module",] = (found[0].module + _commit(),)
    table.rows["redis-cell",] = (found[0].cell or "not given: `bench/run --redis-cell path/to/libredis_cell.so`",)
    return section("Run", table.markdown())


# --- rates ------------------------------------------------------------------------------------------


def _name(name: str, samples: Samples) -> str:
    wrong = sum(sample.unexpected for sample in samples.of)
    return code(name) + (f" ({wrong:,} calls had another outcome: not like with like)" if wrong else "")


def _rate(samples: Samples) -> str:
    """Calls per second; and how busy the server was, if it was not."""
    busy = middle(samples, "busy")
    return f"{middle(samples, 'calls_per_second'):,.0f}" + (f" (busy {busy:.0%})" if busy < KEPT_BUSY else "")


def rates(pipeline: int, found: list[Results]) -> str:
    """From the fastest to the slowest of the first server."""
    tables = {each.title: _rates(each.rates.get(pipeline, {})) for each in found}
    return section(f"Pipelined by {pipeline}", beside(tables).markdown())


def _rates(rows: dict[str, Samples]) -> Table:
    table = Table(["one call"], ["calls/s", "of INCR", "µs in the command", "µs in the server"])
    for name, samples in sorted(rows.items(), key=lambda row: -middle(row[1], "calls_per_second")):
        incr = reference(BY_NAME[name], rows)
        table.rows[(_name(name, samples),)] = (
            _rate(samples), spread(ratios(samples, incr)) if incr else "",
            f"{middle(samples, 'command_us'):.2f}", f"{middle(samples, 'cpu_us'):.2f}",
        )  # fmt: skip
    return table


def own_rates(own: list[Results]) -> str:
    return "\n\n".join(_rates(each.rates[TARGET_PIPELINE]).markdown() for each in own)


def latencies(found: list[Results], plan: Plan) -> str:
    def table(each: Results) -> Table:
        result = Table(["one call"], ["p50", "p99", "p99.9", "p99.9 until sent"])
        for name, rounds in each.latencies.items():
            whats = ("p50", "p99", "p999", "sent_p999")
            result.rows[(code(name),)] = tuple(f"{median(getattr(r, what) for r in rounds):,.0f}" for what in whats)
        return result

    about = (
        f"µs at {plan.rate:,} calls a second, each sent by schedule and measured from the instant at which it was due; "
        "medians of the rounds. The last column of a server is how late the load generator itself was."
    )
    return _section("Latency", about, found, table)


# --- growth -----------------------------------------------------------------------------------------


def by_limits(found: list[Results]) -> str:
    counts = {each.name: count for count, each in contenders.LIMITS.items()}

    def table(each: Results) -> Table:
        result = Table(["limits"], ["calls/s", "of one limit", "µs in the command"])
        first = each.by_limits.get(contenders.LIMITS[1].name)
        for name, samples in each.by_limits.items():
            ratio = spread(ratios(samples, first)) if first else ""
            result.rows[(counts[name],)] = _rate(samples), ratio, f"{middle(samples, 'command_us'):.2f}"
        return result

    return _section(
        "By limits", f"`RL.CHECK` with so many token buckets, pipelined by {TARGET_PIPELINE}.", found, table
    )


def _by_subjects(found: Results, plan: Plan, names: list[str]) -> Table:
    table = Table(["one call", "subjects"], ["calls/s", "of INCR", "µs in the command"])
    among = found.by_subjects | {plan.subjects: found.rates.get(TARGET_PIPELINE, {})}
    for name in names:
        for subjects, rows in sorted(among.items()):
            if name in rows:
                ratio = spread(ratios(rows[name], rows[INCR.name])) if INCR.name in rows else ""
                cells = _rate(rows[name]), ratio, f"{middle(rows[name], 'command_us'):.2f}"
                table.rows[_name(name, rows[name]), f"{subjects:,}"] = cells
    return table


def by_subjects(found: list[Results], plan: Plan) -> str:
    if not any(each.by_subjects for each in found):
        return ""
    names = [each.name for each in contenders.SUBJECTS]
    about = f"Pipelined by {TARGET_PIPELINE}."
    return _section("By subjects", about, found, lambda each: _by_subjects(each, plan, names))


def many_in_one_call(found: list[Results], plan: Plan) -> str:
    """The rows of RL.CHECKEACH, by themselves: a page has its own place for them."""

    def table(each: Results) -> Table:
        rows = _by_subjects(each, plan, [EACH.name]).rows
        return Table(
            ["subjects"], ["decisions/s", "to calls of INCR"], {(k[1],): cells[:2] for k, cells in rows.items()}
        )

    about = f"`RL.CHECKEACH` with 64 subjects a call, pipelined by {TARGET_PIPELINE}, on one core."
    return _section("Many subjects in one call", about, found, table)


def near_limit(found: list[Results], plan: Plan) -> str:
    def table(each: Results) -> Table:
        result = Table(["one call", "subjects"], ["entries", "window", "calls/s", "to the script", "µs in the command"])
        for limit, ours in contenders.SLIDING_NEAR.items():
            theirs = contenders.LUA_LOG_NEAR[limit]
            for name in (theirs.name, ours.name):
                if name in each.near:
                    compared = each.near.get(theirs.name) if name == ours.name else None
                    subjects = near_subjects(plan, limit)
                    key = _name(name, each.near[name]), f"{subjects:,}"
                    result.rows[key] = _near_row(each.near[name], compared, subjects)
        return result

    about = f"The exact log in a steady state, pipelined by {TARGET_PIPELINE}: for each entry that comes, one leaves."
    return _section("By entries", about, found, table)


def _near_row(samples: Samples, compared: Samples | None, subjects: int) -> tuple:
    live = middle(samples, "calls_per_second") * samples.window_ms / 1000 / subjects
    return (
        f"{live:,.0f}", f"{samples.window_ms:,} ms", _rate(samples),
        spread(ratios(samples, compared)) if compared else "", f"{middle(samples, 'command_us'):.2f}",
    )  # fmt: skip


# --- bytes ------------------------------------------------------------------------------------------


def key_bytes(found: list[Results], plan: Plan) -> str:
    def table(each: Results) -> Table:
        rows = sorted(each.key_bytes.items(), key=lambda row: row[1])
        return Table(["one call each"], ["bytes"], {(code(name),): (f"{value:.1f}",) for name, value in rows})

    about = f"What the memory of an empty server grows by for each of {plan.subjects:,} fresh subjects."
    return _section("Bytes a key", about, found, table)


def entry_bytes(found: list[Results]) -> str:
    def table(each: Results) -> Table:
        result = Table(["log", "entries"], ["bytes"])
        for name, sizes in each.entry_bytes.items():
            for size, value in sizes.items():
                result.rows[code(name), f"{size:,}"] = (f"{value:.1f}",)
        return result

    return _section("Bytes an entry", "Of one key with so many entries.", found, table)


def _section(title: str, about: str, found: list[Results], table: Callable[[Results], Table]) -> str:
    rows = beside({each.title: table(each) for each in found}).markdown()
    return section(title, about, rows) if rows else ""


# --- all of it --------------------------------------------------------------------------------------


def left_out(found: list[Results]) -> str:
    def table(each: Results) -> Table:
        return Table(["what"], ["<why"], {(code(name),): (reason,) for name, reason in each.left_out.items()})

    return section("Not run", beside({each.title: table(each) for each in found}).markdown())


def document(
    found: list[Results], own: list[Results], plan: Plan, known: list[tuple[str, str]], pictures: dict[str, str]
) -> str:  # fmt: skip
    """`pictures`: file names, by what they show."""
    charts = [f"![{name}]({file})" for name, file in pictures.items() if name != "short"]
    pipelines = sorted({pipeline for each in found for pipeline in each.rates}, reverse=True)
    parts = [
        "# Results\n\nWritten by `bench/run`; what they mean: [bench/README.md](../README.md).",
        run(found, own, known),
        targets.in_short(pictures.get("short", "")),
        targets.targets(found),
        targets.beside_own_limiter(own) + ("\n\n" + own_rates(own) if own else ""),
        *(rates(pipeline, found) for pipeline in pipelines),
        section("Charts", *charts),
        latencies(found, plan),
        key_bytes(found, plan),
        entry_bytes(found),
        by_limits(found),
        by_subjects(found, plan),
        many_in_one_call(found, plan),
        near_limit(found, plan),
        left_out(found),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"
