# SPDX-License-Identifier: MIT
"""Report 14, number 13: MEMORY USAGE forgets limits beyond the shared pool, and holds."""

from __future__ import annotations

import pytest

from harness import Client, same_allocator

OWN_LIMITS = """
for subject = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    redis.call('RL.CHECK', KEYS[1], 'TOKENBUCKET', 1000 + subject, 1, '1h', 'FOR', 's' .. subject)
end
"""
HOLDS_OF_ONE = """
for subject = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    redis.call('RL.CHECK', KEYS[1], 'FIXED', 1000, '1d', 'FOR', 's' .. subject)
    redis.call('RL.RESERVE', KEYS[1], '1d', 'FIXED', 100000, '1d', 'ID', 'hold-' .. subject, 'FOR', 'one')
end
"""
HOLDS = """
for subject = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    redis.call('RL.RESERVE', KEYS[1], '1d', 'FIXED', 1000, '1d', 'ID', 'hold-' .. subject, 'FOR', 's' .. subject)
end
"""


def used_memory(db: Client) -> int:
    return db.info("memory")["used_memory"]


@same_allocator
@pytest.mark.parametrize(
    ("script", "count"),
    [(OWN_LIMITS, 50_000), (HOLDS, 20_000), (HOLDS_OF_ONE, 20_000)],
    ids=["limits", "holds", "holds of one"],
)
def test_memory_usage_is_what_the_key_takes_within_a_tenth(start_server, script, count):
    server = start_server()
    with server.client() as db:
        db.do("RL.DEBUG CLOCK SET 1800000000000000000")
        db.eval(script, 1, "before", 1, 1)
        before = used_memory(db)
        for begin in range(1, count, 10_000):
            db.eval(script, 1, "k", begin, begin + 9_999)
        taken = used_memory(db) - before
        assert taken > 100 * count
        assert 0.9 < db.memory_usage("k") / taken < 1.1
