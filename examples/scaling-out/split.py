# SPDX-License-Identifier: MIT
"""Which part of a limiter that is split over a cluster a subject belongs to: see docs/scaling-out.md.

    key = key_of("api:free", "user:42", 64)
    granted, *_ = cluster.execute_command("RL.CHECK", key, "FOR", "user:42")

Every client, in any language, must come to the same key. Text counts as UTF-8.
"""

from __future__ import annotations

from zlib import crc32


def part_of(subject: str | bytes, parts: int) -> int:
    """The CRC-32 of zlib, gzip and Ethernet, modulo the number of parts."""
    return crc32(subject.encode() if isinstance(subject, str) else subject) % parts


def key_of(name: str, subject: str | bytes, parts: int) -> str:
    """The part in braces is what the cluster chooses the node by."""
    return f"{{{part_of(subject, parts)}}}{name}"
