# SPDX-License-Identifier: MIT
"""The memory that ratelimit-replay foretells, against MEMORY USAGE of a server that has decided the same calls."""

from __future__ import annotations

import pytest

from harness import BASE, SECOND, Client, Clock
from replaying import said

LIMITS = [
    "TOKENBUCKET 20 1 1h",
    "LEAKYBUCKET 20 1 1h",
    "FIXED 20 1d",
    "SLIDING 20 1d",
    "SLIDING 20 1d APPROX",
    "QUOTA 20 MONTH",
    "CONCURRENT 20 1d",
    "TOKENBUCKET 20 1 1h AS burst FIXED 100 1d QUOTA 1000 MONTH",
    "SLIDING 20 1d FIXED 100 1d",
]
CALLS = 6  # of each subject


def foretold(limit: str, subjects: int) -> int:
    line = b"%d.%09d,user:%d\n"
    log = b"".join(line % (BASE // SECOND, number, number % subjects) for number in range(CALLS * subjects))
    return said("--limit", limit, text=log)["limits"][0]["bytes_in_server"]


def taken(db: Client, limit: str, subjects: int) -> int:
    for begin in range(0, CALLS * subjects, 1000):
        pipe = db.pipeline(transaction=False)
        for number in range(begin, min(begin + 1000, CALLS * subjects)):
            lease = ("ID", f"{number}") if "CONCURRENT" in limit else ()  # each lease is another one
            pipe.execute_command("RL.CHECK", "key", *limit.split(), "FOR", f"user:{number % subjects}", *lease)
        pipe.execute()
    return db.do("MEMORY USAGE key SAMPLES 0")


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("subjects", [10, 2000])
def test_the_memory_foretold_is_what_the_server_takes(db: Client, clock: Clock, limit: str, subjects: int):
    """A table grows by steps, which depend on a secret: so a few percent more or less."""
    assert foretold(limit, subjects) == pytest.approx(taken(db, limit, subjects), rel=0.08, abs=300)
