# SPDX-License-Identifier: MIT
"""The table of bench/service, and what is calculated from it."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass, field

from doors import Load, Service
from server import Server

RATE = 5_000  # calls a second, in rows with a fixed rate
DOORS = {"HTTP": "http", "gRPC": "grpc"}


@dataclass
class Row:
    """One line of the table, and its turns."""

    title: str
    door: str
    asked: Server | Service
    amounts: dict[str, int]
    loads: list[Load] = field(default_factory=list)
    memory_mb: float = 0

    def middle(self, name: str) -> float:
        return statistics.median(getattr(load, name) for load in self.loads)

    def line(self) -> str:
        cells = [f"{self.middle('rate'):,.0f}", f"{self.middle('p50_ms'):.2f}", f"{self.middle('p99_ms'):.2f}"]
        of_service = ["", ""]
        if self.door != "redis":
            of_service = [f"{self.middle('processor_us'):.0f}", f"{self.memory_mb:.0f}"]
        return f"| {self.title} | {' | '.join(cells + of_service)} |"


def ratio(row: Row, bare: Row) -> float:
    """Of the rates in the same round."""
    return statistics.median(one.rate / other.rate for one, other in zip(row.loads, bare.loads, strict=True))


def added_us(row: Row, bare: Row, name: str) -> float:
    """To that time of the bare call, in the same round."""
    return 1000 * statistics.median(
        getattr(one, name) - getattr(other, name) for one, other in zip(row.loads, bare.loads, strict=True)
    )


def page(rows: dict[str, Row], leased: float, busy: float) -> list[str]:
    """`leased` is the part of the calls about hot subjects that leases answered; `busy` is the load average before."""
    bare, paced, alone = rows["bare"], rows["bare paced"], rows["bare alone"]
    beside = ", ".join(f"{title} has {ratio(rows[name], bare):.2f}" for title, name in DOORS.items())
    added = "; ".join(
        f"{title} adds {added_us(rows[f'{name} paced'], paced, 'p50_ms'):.0f} µs to the median and"
        f" {added_us(rows[f'{name} paced'], paced, 'p99_ms'):.0f} µs to the p99"
        for title, name in DOORS.items()
    )
    one = ", ".join(
        f"{title} {added_us(rows[f'{name} alone'], alone, 'p50_ms'):.0f} µs" for title, name in DOORS.items()
    )
    cores = ", ".join(f"{1e6 / rows[name].middle('processor_us'):,.0f} by {title}" for title, name in DOORS.items())
    late = max(row.middle("late_p99_ms") for row in rows.values())
    return [
        "| | checks a second | p50, ms | p99, ms | µs of a core a call | MB |",
        "|---|---:|---:|---:|---:|---:|",
        *(row.line() for row in rows.values()),
        "",
        f"Of the rate of a bare RL.CHECK, {beside}, and HTTP with leases {ratio(rows['leases'], rows['bare']):.2f}. Of"
        f" the calls about hot subjects, {leased:.1%} were answered without a round trip to the server.",
        "",
        f"At {RATE:,} checks a second, {added}. One call at a time, added to the median: {one}.",
        "",
        f"One core of the service is busy at {cores} a second.",
        "",
        f"Rows with a rate are calls at fixed instants, from which their time counts; the load generator sent 99 %"
        f" of them at most {late:.2f} ms late. {os.cpu_count()} cores, shared by server, service, load and what else"
        f" the machine did (load average when it began: {busy:.0f}).",
    ]
