# SPDX-License-Identifier: MIT
"""Plain replies, as a server sends them to scripts/watch."""

from __future__ import annotations

COUNTED = 1_800_000_000_000  # since when a counter counts, in ms
KINDS = (b"granted", b"denied", b"near", b"would_deny")


def flat(about: dict) -> list:
    return [word for pair in about.items() for word in pair]


def limiter_reply(labels: dict[bytes, tuple[int, int, int, int]], *, since: int = COUNTED, shadow: int = 0) -> list:
    """RL.INFO of a limiter with these counts of each label."""
    counters = [
        flat({b"label": label, **dict(zip(KINDS, counts)), b"since_ms": since}) for label, counts in labels.items()
    ]
    limits = [
        flat({b"label": label, b"limit": b"TOKENBUCKET 10 1 1s AS " + label}) for label in labels if label != b"blocked"
    ]
    totals = {kind: sum(counts[place] for counts in labels.values()) for place, kind in enumerate(KINDS)}
    return flat(
        {b"form": b"dense", b"stored": 1, b"shadow": shadow, b"subjects": 7, **totals, b"since_ms": since}
        | {b"counters": counters, b"limits": limits}
    )


def info_of(*fields: str) -> bytes:
    return "\r\n".join(["# Server", *fields, ""]).encode()
