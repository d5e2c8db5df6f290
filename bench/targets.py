# SPDX-License-Identifier: MIT
"""What was wanted beside what was measured, and the picture that the README shows."""

from __future__ import annotations

from statistics import median

import contenders
from contenders import CELL, TARGET_PIPELINE
from load import Samples
from results import KEPT_BUSY, Results, middle, target_ratios
from tables import Table, beside, section, spread

ABOUT = (
    f"Calls per second pipelined by {TARGET_PIPELINE}, unless said otherwise; medians of the rounds, in brackets the "
    "least and the greatest. Against redis-cell, on a server of its own, each command is first related to `INCR` on "
    "its own server."
)
WANTED_OF_SOME = "Where nothing is wanted of a server, its figure stands alone."


def in_short(picture: str) -> str:
    return section("In short", f"![rates]({picture})" if picture else "")


def targets(found: list[Results]) -> str:
    if any(each.is_replicated for each in found):  # what is wanted is wanted without them
        about = f"{ABOUT} With AOF and a replica: no targets."
        return section("Targets", about, beside({each.title: _measured(each) for each in found}).markdown())
    return section("Targets", f"{ABOUT} {WANTED_OF_SOME}", beside({e.title: _judged(e) for e in found}).markdown())


def beside_own_limiter(own: list[Results]) -> str:
    """Of servers that were given for the limiter that they have themselves."""
    if not own:
        return section("Beside a server's own limiter", "Not given: `bench/run --gcra path/to/redis-server`.")
    tables = {}
    for each in own:
        table = _judged(each)
        table.rows = {key: cells for key, cells in table.rows.items() if cells[0]}
        tables[each.title] = table
    return section("Beside a server's own limiter", beside(tables).markdown())


def _measured(found: Results) -> Table:
    table = Table(["what"], ["measured"])
    for target in contenders.TARGETS:
        if rows := found.judged_by(target):
            table.rows[(target.what,)] = (spread(target_ratios(target, rows)),)
    return table


def _judged(found: Results) -> Table:
    table = Table(["what"], ["measured", "wanted", "<verdict"])
    for target in contenders.TARGETS:
        # What only few servers have is told where one was given for it.
        if found.judged_by(target) or target.theirs not in (contenders.GCRA, contenders.INCREX):
            table.rows[(target.what,)] = _target_row(target, found)
    for contender, at_most, what in contenders.BYTES_AT_MOST:
        values = [value for name, value in found.key_bytes.items() if name == contender.name]
        table.rows[(what,)] = _bytes_row(at_most, values)
    entries = list(found.entry_bytes.get(contenders.SLIDING_ENTRIES.name, {}).values())
    table.rows["bytes an entry of `RL.SLIDING`, the most",] = _bytes_row(contenders.BYTES_AN_ENTRY_AT_MOST, entries)
    table.rows["a growing dense table: bytes a subject; longest stall",] = "", "≤ 27; ≤ 1 ms", "`bench/dense`"
    return table


def _target_row(target: contenders.Target, found: Results) -> tuple[str, str, str]:
    at_least = target.at_least(found.fetches_ahead)
    wanted = "" if at_least is None else f"≥ {at_least:g}"
    judged = found.judged_by(target)
    if not judged:
        given = target.theirs.server != CELL or found.cell
        return "", wanted, ("not run" if given else "redis-cell was not given") if wanted else ""
    values = target_ratios(target, judged)
    verdict = "" if at_least is None else _verdict(median(values) >= at_least, list(judged.values()))
    return spread(values), wanted, verdict


def _bytes_row(at_most: float, values: list[float]) -> tuple[str, str, str]:
    if not values:
        return "", f"≤ {at_most:g}", "not run"
    return f"{max(values):.1f}", f"≤ {at_most:g}", "met" if max(values) <= at_most else "**not met**"


def _verdict(is_met: bool, judged: list[Samples]) -> str:
    if any(sample.unexpected for samples in judged for sample in samples.of):
        return "not judged: calls were denied"
    if any(middle(samples, "busy") < KEPT_BUSY for samples in judged):
        return "not judged: the server had to wait"
    return "met" if is_met else "**not met**"
