# SPDX-License-Identifier: MIT
"""What a server said at one instant, made of its plain replies (bytes, integers, lists; RESP2).

What a server does not say, because it is older or because the user may not ask, is absent: an empty dictionary, or
None. Nothing here raises for a reply that is shorter or longer than expected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

Reply = bytes | int | list | None | Exception

BLOCKED = b"blocked"  # the label of denials by RL.BLOCK
OURS = ("rl.", "cl.throttle")  # how the names of the module's commands begin


@dataclass(frozen=True)
class Counts:
    """Calls that were counted since an instant. None: not counted here."""

    granted: int | None = None
    denied: int | None = None
    near: int | None = None
    would_deny: int | None = None
    since_ms: int | None = None
    is_stopped: bool = False  # a counter is at its largest number


@dataclass(frozen=True)
class Limiter:
    key: bytes
    is_on_trial: bool
    subjects: int
    counts: Counts
    labels: dict[bytes, Counts]
    limits: tuple[bytes, ...] = ()  # as RL.DEFINE was told


@dataclass(frozen=True)
class Command:
    """How often a command was called, how long it took in all, and how many calls took at most so many µs."""

    calls: int
    us: int
    histogram: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Top:
    subject: bytes
    times: int
    overcount: int


@dataclass(frozen=True)
class LogEntry:
    subject: bytes
    label: bytes
    first_ms: int
    last_ms: int
    times: int
    wait_ms: int


@dataclass(frozen=True)
class Sample:
    """One server, at `at` seconds of a clock that nobody sets."""

    at: float
    info: dict[str, str] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    limiters: dict[bytes, Limiter] = field(default_factory=dict)
    tops: dict[bytes, tuple[Top, ...]] = field(default_factory=dict)
    near_tops: dict[bytes, tuple[Top, ...]] = field(default_factory=dict)
    unseen: int = 0  # limiters that were found and not asked for
    complaints: tuple[str, ...] = ()

    def number(self, name: str) -> int | None:
        """A field of INFO that is a number."""
        value = self.info.get(name, "")
        return int(value) if value.isascii() and value.isdigit() else None


def pairs(flat: Reply) -> dict[bytes, Reply]:
    """Names and values in turn, as RESP2 sends a map."""
    if not isinstance(flat, list):
        return {}
    return {name: value for name, value in zip(flat[::2], flat[1::2]) if isinstance(name, bytes)}


def number(value: Reply) -> int | None:
    """An integer, also one that is sent as text; `1048575+` is a counter that has stopped."""
    if isinstance(value, bytes):
        digits = value.removesuffix(b"+")
        return int(digits) if digits.isdigit() else None
    return value if isinstance(value, int) else None


def _counts(about: dict[bytes, Reply]) -> Counts:
    words = {name: about.get(name.encode()) for name in ("granted", "denied", "near", "would_deny", "since_ms")}
    is_stopped = any(isinstance(word, bytes) and word.endswith(b"+") for word in words.values())
    return Counts(**{name: number(word) for name, word in words.items()}, is_stopped=is_stopped)


def _maps(value: Reply) -> Iterator[dict[bytes, Reply]]:
    return (pairs(each) for each in value) if isinstance(value, list) else iter(())


def limiter(key: bytes, reply: Reply) -> Limiter | None:
    """From the reply to RL.INFO; None if there is no such limiter any more, or it may not be seen."""
    about = pairs(reply)
    if not about:
        return None
    labels = {each.get(b"label"): _counts(each) for each in _maps(about.get(b"counters"))}
    limits = {each.get(b"label"): each.get(b"limit") for each in _maps(about.get(b"limits"))}
    if BLOCKED in labels and BLOCKED not in limits:  # what denies only; nothing is granted by it
        labels[BLOCKED] = replace(labels[BLOCKED], granted=None, near=None, would_deny=None)
    return Limiter(
        key=key,
        is_on_trial=about.get(b"shadow") == 1,
        subjects=number(about.get(b"subjects")) or 0,
        counts=_counts(about),
        labels={label: counts for label, counts in labels.items() if isinstance(label, bytes)},
        limits=tuple(limit for limit in limits.values() if isinstance(limit, bytes)),
    )


def top(reply: Reply) -> tuple[Top, ...]:
    entries = reply if isinstance(reply, list) else []
    return tuple(Top(*entry[:3]) for entry in entries if isinstance(entry, list) and len(entry) >= 3)


def log(reply: Reply) -> tuple[LogEntry, ...]:
    entries = reply if isinstance(reply, list) else []
    return tuple(LogEntry(*entry[:6]) for entry in entries if isinstance(entry, list) and len(entry) >= 6)


def info(reply: Reply) -> dict[str, str]:
    """The fields of INFO, whatever section they are in."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else ""
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))


def commands(about: dict[str, str], histograms: Reply) -> dict[str, Command]:
    """The module's commands, by INFO commandstats and LATENCY HISTOGRAM; either may be missing."""
    shapes = {_name(name.decode()): pairs(value) for name, value in pairs(histograms).items()}
    stats = {_name(name.removeprefix("cmdstat_")): line for name, line in about.items() if name.startswith("cmdstat_")}
    found = {}
    for name in filter(lambda name: name.startswith(OURS), {**stats, **shapes}):
        words = dict(word.split("=", 1) for word in stats.get(name, "").split(",") if "=" in word)
        shape = shapes.get(name, {})
        calls = int(words["calls"]) if "calls" in words else number(shape.get(b"calls")) or 0
        found[name] = Command(calls, int(words.get("usec", 0)), _apart(shape.get(b"histogram_usec")))
    return found


def _name(command: str) -> str:
    """Servers differ in how they write a name, and some divide a container from its part by a bar."""
    return command.lower()


def _apart(cumulative: Reply) -> dict[int, int]:
    """Calls by their bound in µs. The server adds up: how many took at most so long; bounds without a call are left
    out."""
    flat = cumulative if isinstance(cumulative, list) else []
    counts, before = {}, 0
    for bound, total in zip(flat[::2], flat[1::2]):
        counts[bound] = total - before
        before = total
    return counts
