# SPDX-License-Identifier: MIT
"""What a page says: the samples of all servers, summed by limiter and label, sorted, and without any drawing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from . import rates as r
from .rates import Rates
from .samples import BLOCKED, Counts, Limiter, LogEntry, Reply, Sample, Top, number, pairs

SORTS = ("denied", "near", "granted", "name")
PART = re.compile(rb"^\{\d+\}")


@dataclass(frozen=True)
class Watched:
    """A server: its last two samples, or why there is none now."""

    name: str
    before: Sample | None = None
    now: Sample | None = None
    trouble: str = ""

    @property
    def seconds(self) -> float:
        return self.now.at - self.before.at if self.now and self.before else 0


@dataclass(frozen=True)
class ServerRow:
    name: str
    trouble: str = ""
    version: str = ""
    uptime_s: int | None = None
    checks: float | None = None
    ops: int | None = None
    memory: int | None = None
    memory_bound: int | None = None
    clients: int | None = None
    limiters: int | None = None
    subjects: int | None = None
    evicted: float | None = None


@dataclass(frozen=True)
class Line:
    """A label of a limiter; of a limiter without counters for each label, the limiter itself."""

    label: bytes
    rates: Rates
    counts: Counts


@dataclass(frozen=True)
class Place:
    """Where a limiter is: a key of a server."""

    server: str
    key: bytes


@dataclass(frozen=True)
class Group:
    """A limiter, or all parts of one: `{0}api:free`, `{1}api:free`, … are `{*}api:free`."""

    name: bytes
    is_on_trial: bool
    subjects: int
    rates: Rates
    counts: Counts
    lines: tuple[Line, ...]
    places: tuple[Place, ...]
    limits: tuple[bytes, ...] = ()  # as RL.DEFINE was told; more than one of a label if parts differ


@dataclass(frozen=True)
class TopRow:
    limiter: bytes
    subject: bytes
    times: int
    overcount: int


@dataclass(frozen=True)
class LatencyRow:
    command: str
    calls: float | None
    mean_us: float | None
    median_us: int | None
    percentile_99_us: int | None


@dataclass(frozen=True)
class Overview:
    servers: tuple[ServerRow, ...]
    sum: ServerRow
    calls: Rates
    errors: float | None
    groups: tuple[Group, ...]
    top_denied: tuple[TopRow, ...]
    top_near: tuple[TopRow, ...]
    latency: tuple[LatencyRow, ...]
    complaints: tuple[str, ...]


def overview(watched: Iterable[Watched], sort: str = SORTS[0]) -> Overview:
    watched = list(watched)
    alive = [each for each in watched if each.now]
    servers = tuple(server_row(each) for each in watched)
    return Overview(
        servers=servers,
        sum=sum_of(servers),
        calls=r.total_of(_calls(each) for each in alive),
        errors=r.total(r.of_field(each.before, each.now, "ratelimit_errors") for each in alive),
        groups=tuple(sorted(groups(alive), key=_order(sort))),
        top_denied=tops(each.now.tops for each in alive),
        top_near=tops(each.now.near_tops for each in alive),
        latency=tuple(latency(alive)),
        complaints=_complaints(watched),
    )


def server_row(server: Watched) -> ServerRow:
    now, before = server.now, server.before
    if now is None:
        return ServerRow(server.name, trouble=server.trouble or "not asked yet")
    limiters = now.number("ratelimit_limiters")
    return ServerRow(
        name=server.name,
        version=now.info.get("ratelimit_version", ""),
        uptime_s=now.number("uptime_in_seconds"),
        checks=r.total(
            r.of_field(before, now, f"ratelimit_checks_{kind}") for kind in ("granted", "denied", "would_deny")
        ),
        ops=now.number("instantaneous_ops_per_sec"),
        memory=now.number("used_memory"),
        memory_bound=now.number("maxmemory"),
        clients=now.number("connected_clients"),
        limiters=len(now.limiters) + now.unseen if limiters is None else limiters,
        subjects=now.number("ratelimit_subjects"),
        evicted=r.of_field(before, now, "evicted_keys"),
    )


def sum_of(servers: tuple[ServerRow, ...]) -> ServerRow:
    """All that answered."""
    alive = [each for each in servers if not each.trouble]
    bounds = [each.memory_bound for each in alive]
    return ServerRow(
        name=f"{len(alive)} of {len(servers)} servers",
        version=", ".join(sorted({each.version for each in alive if each.version})),
        uptime_s=min((each.uptime_s for each in alive if each.uptime_s is not None), default=None),
        memory_bound=sum(bounds) if bounds and all(bounds) else None,
        **{
            name: r.total(getattr(each, name) for each in alive)
            for name in ("checks", "ops", "memory", "clients", "limiters", "subjects", "evicted")
        },
    )


def _calls(server: Watched) -> Rates:
    return Rates(
        **{
            name: r.of_field(server.before, server.now, f"ratelimit_checks_{name}")
            for name in ("granted", "denied", "near", "would_deny")
        }
    )


def _complaints(watched: list[Watched]) -> tuple[str, ...]:
    """Each once, with the servers that have it if not all do."""
    by_text: dict[str, list[str]] = {}
    for server in watched:
        for text in server.now.complaints if server.now else ():
            by_text.setdefault(text, []).append(server.name)
    everybody = sum(1 for server in watched if server.now)
    return tuple(text if len(names) == everybody else f"{', '.join(names)}: {text}" for text, names in by_text.items())


# --- limiters ---------------------------------------------------------------------------------------


def group_name(key: bytes) -> bytes:
    return PART.sub(b"{*}", key, count=1)


def groups(alive: list[Watched]) -> list[Group]:
    members: dict[bytes, list[tuple[Watched, Limiter]]] = {}
    for server in alive:
        for key, limiter in server.now.limiters.items():
            members.setdefault(group_name(key), []).append((server, limiter))
    return [_group(name, found) for name, found in members.items()]


def _group(name: bytes, members: list[tuple[Watched, Limiter]]) -> Group:
    labels = dict.fromkeys(label for _, limiter in members for label in limiter.labels)
    whole = r.total_of(r.of_key(_earlier(server, limiter), limiter, server.seconds) for server, limiter in members)
    counts = added(limiter.counts for _, limiter in members)
    lines = tuple(_line(label, members) for label in sorted(labels, key=lambda label: label == BLOCKED))
    return Group(
        name=name if len(members) > 1 else members[0][1].key,
        is_on_trial=any(limiter.is_on_trial for _, limiter in members),
        subjects=sum(limiter.subjects for _, limiter in members),
        rates=whole,
        counts=counts,
        lines=lines or (Line(b"", whole, counts),),
        places=tuple(Place(server.name, limiter.key) for server, limiter in members),
        limits=tuple(dict.fromkeys(limit for _, limiter in members for limit in limiter.limits)),
    )


def _line(label: bytes, members: list[tuple[Watched, Limiter]]) -> Line:
    having = [(server, limiter) for server, limiter in members if label in limiter.labels]
    return Line(
        label=label,
        rates=r.total_of(
            r.of_label(_earlier(server, limiter), limiter, label, server.seconds) for server, limiter in having
        ),
        counts=added(limiter.labels[label] for _, limiter in having),
    )


def _earlier(server: Watched, limiter: Limiter) -> Limiter | None:
    return server.before.limiters.get(limiter.key) if server.before else None


def added(counts: Iterable[Counts]) -> Counts:
    counts = list(counts)

    def of(name: str) -> int | None:
        known = [value for value in (getattr(each, name) for each in counts) if value is not None]
        return sum(known) if known else None

    return Counts(
        **{name: of(name) for name in ("granted", "denied", "near", "would_deny")},
        since_ms=min((each.since_ms for each in counts if each.since_ms is not None), default=None),
        is_stopped=any(each.is_stopped for each in counts),
    )


def _order(sort: str):
    """Most first; equal rates by what was counted in all, then by name."""

    def order(group: Group):
        if sort == "name":
            return (group.name,)
        kinds = ("denied", "would_deny") if sort == "denied" else (sort,)
        rate = r.total(getattr(group.rates, kind) for kind in kinds) or 0
        count = sum(getattr(group.counts, kind) or 0 for kind in kinds)
        return (-rate, -count, group.name)

    return order


def tops(of_servers: Iterable[dict[bytes, tuple[Top, ...]]]) -> tuple[TopRow, ...]:
    found = [
        TopRow(group_name(key), top.subject, top.times, top.overcount)
        for of_server in of_servers
        for key, entries in of_server.items()
        for top in entries
    ]
    return tuple(sorted(found, key=lambda row: (-row.times, row.limiter, row.subject)))


def latency(alive: list[Watched]) -> list[LatencyRow]:
    """The most often called first. A command that was not called since the last look has no times."""
    names = dict.fromkeys(name for server in alive for name in server.now.commands)
    rows = [_latency_row(name, [server for server in alive if name in server.now.commands]) for name in names]
    return sorted(rows, key=lambda row: (-(row.calls or 0), row.command))


def _latency_row(name: str, servers: list[Watched]) -> LatencyRow:
    def earlier(server: Watched):
        return server.before.commands.get(name) if server.before else None

    together = r.together(r.of_command(earlier(server), server.now.commands[name]) for server in servers)
    calls = r.total(
        r.rate(earlier(server).calls if earlier(server) else 0, server.now.commands[name].calls, server.seconds)
        for server in servers
    )
    return LatencyRow(
        command=name,
        calls=calls,
        mean_us=together.us / together.calls if together.calls else None,
        median_us=r.percentile(together.histogram, 50),
        percentile_99_us=r.percentile(together.histogram, 99),
    )


# --- one limiter, one subject -----------------------------------------------------------------------


@dataclass(frozen=True)
class LimiterPage:
    group: Group
    log: tuple[LogEntry, ...]  # newest first
    top_denied: tuple[TopRow, ...]
    top_near: tuple[TopRow, ...]


def limiter_page(
    group: Group,
    logs: Iterable[tuple[LogEntry, ...]],
    of_parts: Iterable[tuple[Top, ...]] = (),
    near_of_parts: Iterable[tuple[Top, ...]] = (),
) -> LimiterPage:
    """All parts in one."""
    entries = [entry for log in logs for entry in log]
    return LimiterPage(
        group=group,
        log=tuple(sorted(entries, key=lambda entry: (-entry.last_ms, entry.subject, entry.label))),
        top_denied=tops({group.name: top} for top in of_parts),
        top_near=tops({group.name: top} for top in near_of_parts),
    )


@dataclass(frozen=True)
class UsedLimit:
    label: bytes
    limit: bytes
    size: int
    used: int
    remaining: int
    next_unit_ms: int | None
    reset_ms: int | None


@dataclass(frozen=True)
class SubjectPage:
    limiter: bytes
    subject: bytes
    status: str = ""
    why: str = ""
    wait_ms: int | None = None
    blocked_ms: int = 0
    waiting_ms: int = 0
    holds: int = 0
    is_exception: bool = False
    limits: tuple[UsedLimit, ...] = ()
    log: tuple[LogEntry, ...] = field(default=())


def subject_page(
    limiter: bytes, subject: bytes, replies: Iterable[Reply], logs: Iterable[tuple[LogEntry, ...]]
) -> SubjectPage:
    """A subject is in one part at most; the others answer null."""
    log = tuple(entry for log in logs for entry in log if entry.subject == subject)
    about = next(filter(None, map(pairs, replies)), {})
    if not about:
        return SubjectPage(limiter, subject, log=log)
    status, why = about.get(b"status"), about.get(b"why")
    return SubjectPage(
        limiter=limiter,
        subject=subject,
        status=status.decode("utf-8", "replace") if isinstance(status, bytes) else "",
        why=why.decode("utf-8", "replace") if isinstance(why, bytes) else "",
        wait_ms=number(about.get(b"wait_ms")),
        blocked_ms=number(about.get(b"blocked")) or 0,
        waiting_ms=number(about.get(b"waiting_ms")) or 0,
        holds=number(about.get(b"holds")) or 0,
        is_exception=about.get(b"exception") == 1,
        limits=tuple(_used_limit(pairs(each)) for each in about.get(b"limits") or ()),
        log=log,
    )


def _used_limit(about: dict[bytes, Reply]) -> UsedLimit:
    return UsedLimit(
        label=about.get(b"label") or b"",
        limit=about.get(b"limit") or b"",
        size=number(about.get(b"size")) or 0,
        used=number(about.get(b"used")) or 0,
        remaining=number(about.get(b"remaining")) or 0,
        next_unit_ms=number(about.get(b"next_unit_ms")),
        reset_ms=number(about.get(b"reset_ms")),
    )
