# SPDX-License-Identifier: MIT
"""MEMORY USAGE, against what the server's allocator says that keys take."""

from __future__ import annotations

import pytest

from harness import Client, same_allocator
from subjects import fill

MANY = 20_000
BEYOND_THE_POOL = 50_000
OWN_LIMITS = """
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  redis.call('RL.TOKENBUCKET', KEYS[1], 10 + number, 1, '1h', 'FOR', 's' .. number)
end
"""
HOLDS = """
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  redis.call('RL.RESERVE', KEYS[1], '1h', 'FOR', 's' .. number % tonumber(ARGV[3]), 'ID', 'call-' .. number)
end
"""
LEASES = """
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  redis.call('RL.CHECK', KEYS[1], 'FOR', 's' .. number % tonumber(ARGV[3]), 'ID', 'call-' .. number)
end
"""


def used(db: Client) -> int:
    return db.info("memory")["used_memory"]


def run(db: Client, script: str, *more: int, count: int) -> None:
    for first in range(0, count, 10_000):
        db.eval(script, 1, "k", first, min(first + 10_000, count) - 1, *more)


def assert_right(db: Client, before: int) -> None:
    said, taken = db.memory_usage("k"), used(db) - before
    assert 0.9 * taken <= said <= 1.1 * taken, (said, taken)


@pytest.fixture
def before(db, clock) -> int:
    """What is used by a server that has run the scripts already."""
    run(db, OWN_LIMITS, count=2_000)  # fills the pool, too
    db.do("DEL k")
    for script in (HOLDS, LEASES):
        db.do("RL.DEFINE k CONCURRENT 1000000 1h")
        run(db, script, 10, count=100)
        db.do("DEL k")
    return used(db)


@same_allocator
def test_limits_of_their_own_are_counted(db, before):
    run(db, OWN_LIMITS, count=BEYOND_THE_POOL)
    assert_right(db, before)


@same_allocator
@pytest.mark.parametrize("subjects", [MANY, 2_000, 40, 1])
def test_holds_are_counted_whoever_has_them(db, before, subjects):
    db.do("RL.DEFINE k FIXED 1000000 1h")
    fill(db, "k", MANY)
    run(db, HOLDS, subjects, count=MANY)
    assert_right(db, before)


@same_allocator
@pytest.mark.parametrize("subjects", [MANY, 40])
def test_leases_are_counted_whoever_has_them(db, before, subjects):
    db.do("RL.DEFINE k CONCURRENT 1000000 1h")
    run(db, LEASES, subjects, count=MANY)
    assert_right(db, before)


@same_allocator
def test_a_few_holds_are_found_among_many_subjects(db, before):
    db.do("RL.DEFINE k FIXED 1000000 1h")
    fill(db, "k", 10 * MANY)
    run(db, HOLDS, 7, count=MANY)
    assert_right(db, before)


@same_allocator
def test_logs_are_counted(db, before):
    db.do("RL.DEFINE k SLIDING 1000 1h")
    fill(db, "k", MANY)
    assert_right(db, before)


@same_allocator
def test_limits_of_keys_are_counted(db, before):
    """Beside what the server does not count of any key: its object, and its end."""
    script = """
    local name = 'a-label-that-is-not-short'
    for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
      local size = ARGV[3] == '0' and 10 or 10 + number
      redis.call('RL.CHECK', KEYS[1] .. number, 'FIXED', size, '1h', 'AS', name, 'QUOTA', 9, 'DAY')
    end
    """
    sums = []
    for is_own in (0, 1):
        run(db, script, is_own, count=MANY)
        taken = used(db) - before
        sums.append((sum(db.memory_usage(f"k{number}") for number in range(MANY)), taken))
        db.flushall()
    (pooled, pooled_taken), (own, own_taken) = sums
    assert pooled < pooled_taken < own_taken
    assert 0.9 <= (own - pooled) / (own_taken - pooled_taken) <= 1.1, sums
