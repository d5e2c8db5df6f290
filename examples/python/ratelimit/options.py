# SPDX-License-Identifier: MIT
"""The options of docs/middleware.md: what they are unless told, and what makes no sense."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

# Which fields of the server an answer has; Retry-After is always one of them. `legacy` renames them.
SEPARATE = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
HEADERS = {
    "all": ["RateLimit-Policy", "RateLimit", *SEPARATE],
    "draft-10": ["RateLimit-Policy", "RateLimit"],
    "draft-6": SEPARATE,
    "legacy": SEPARATE,
    "none": [],
}


def must(holds: bool, text: str) -> None:
    if not holds:
        raise TypeError(text)


@dataclass(frozen=True)
class Options:
    limits: str | Callable = ""
    limiter: str | Callable = ""
    prefix: str = "ratelimit:"
    key: Callable | None = None
    ipv6_subnet: int = 56
    cost: Callable = lambda request: 1
    on_failure: str = "open"
    on_mistake: str = "closed"
    timeout: float = 100
    patience: float = 10_000
    jitter: str = ""
    headers: str = "all"
    message: str = ""
    handler: Any = None
    on_decision: Callable[[Any, dict], None] | None = None
    skip_successful_requests: bool = False
    hold: str = "1m"
    log: Callable[[str], None] | None = None

    def __post_init__(self) -> None:
        must(bool(self.limits) != bool(self.limiter), "either limits or limiter must be given")
        for name in ("on_failure", "on_mistake"):
            must(getattr(self, name) in ("open", "closed"), f'{name} must be "open" or "closed"')
        must(self.timeout > 0, "timeout must be more than 0")
        is_bits = isinstance(self.ipv6_subnet, int) and 1 <= self.ipv6_subnet <= 128
        must(is_bits, "ipv6_subnet must be from 1 to 128")
        must(self.headers in HEADERS, f"headers must be one of {', '.join(HEADERS)}")


def fields_of(flat: list[str], headers: str) -> list[tuple[str, str]]:
    """The fields to add, of those that the server gives as names and values in turn. The old X-RateLimit-Reset is a
    time.
    """
    given = dict(zip(flat[::2], flat[1::2]))
    chosen = {name: given[name] for name in [*HEADERS[headers], "Retry-After"] if name in given}
    if headers == "legacy" and chosen:
        chosen["RateLimit-Reset"] = str(ceil(time.time()) + int(chosen["RateLimit-Reset"]))
        return [(name if name == "Retry-After" else f"X-{name}", value) for name, value in chosen.items()]
    return [*chosen.items()]
