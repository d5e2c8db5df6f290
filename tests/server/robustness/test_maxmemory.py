# SPDX-License-Identifier: MIT
"""What happens when the server has no memory left to give."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import Client, Server, eventually, same_allocator

CHECKS = [
    "RL.CHECK {key} FIXED 10 1h",
    "RL.TOKENBUCKET {key} 10 1 1h",
    "RL.FIXED {key} 10 1h",
    "RL.SLIDING {key} 10 1h",
    "RL.LEAKYBUCKET {key} 10 1 1h",
    "RL.SLIDING {key} 10 1h APPROX",
    "RL.QUOTA {key} 10 DAY",
    "RL.CONCURRENT {key} 10 1h",
    "RL.RESERVE {key} 1m FIXED 10 1h",
    "RL.RESERVEALL 1 {key} 1m FIXED 10 1h",
]


@pytest.fixture
def full(db: Client, configure: Callable[[str, str], None]) -> Client:
    """The shared server with one limiter, and no memory beyond it."""
    db.ask("RL.FIXED there 10 1h COST 10")
    configure("maxmemory-policy", "noeviction")
    configure("maxmemory", "1")
    return db


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("key", ["there", "new"])
def test_a_full_server_refuses_checks_as_it_refuses_incr(full: Client, check: str, key: str):
    with pytest.raises(Exception, match="OOM"):
        full.do(check.format(key=key))
    with pytest.raises(Exception, match="OOM"):
        full.incr("counter")


@pytest.mark.parametrize("question", ["RL.PEEK there", "RL.INFO there"])
def test_a_full_server_still_answers_questions(full: Client, question: str):
    assert full.do(question)


def test_a_full_server_still_takes_back(full: Client, configure: Callable[[str, str], None]):
    assert full.do("RL.REFUND there 4") == 4
    assert full.do("RL.SETTLE there nobody 3")[:3] == [3, 10, 1]
    assert full.do("RL.SETTLEALL 1 there nobody 1")[:3] == [1, 10, 0]
    configure("maxmemory", "0")
    full.do("RL.CONCURRENT leases 10 1h ID a")
    configure("maxmemory", "1")
    assert full.do("RL.RELEASE leases a") == 1


def test_a_full_server_still_forgets(full: Client):
    assert full.delete("there") == 1


def test_an_evicting_server_goes_on_and_forgets_whole_keys(start_server: Callable[..., Server]):
    """An evicted key is an idle one: with eviction, limits hold for those that stay in memory."""
    client = start_server("--maxmemory-policy", "allkeys-lru", "--save", "").client()
    base = client.info("memory")["used_memory"]
    client.config_set("maxmemory", base + 2**20)
    pipe = client.pipeline(transaction=False)
    for number in range(20_000):
        pipe.execute_command("RL.TOKENBUCKET", f"caller:{number}", 10, 1, "1h", "COST", 10)
    replies = pipe.execute()
    assert all(reply[0] == 10 for reply in replies)
    assert client.info("stats")["evicted_keys"] > 0
    eventually(lambda: client.info("memory")["used_memory"] < base + 2 * 2**20, "the buffers of this client to be gone")
    assert client.ask("RL.TOKENBUCKET caller:19999 10 1 1h").granted == 0


def memory_of_keys(db: Client) -> int:
    """Without what the server keeps for a connection, as long as that lasts, and for replicas that were here."""
    db.connection_pool.disconnect()
    memory = db.info("memory")
    return memory["used_memory"] - memory["mem_replication_backlog"]


@same_allocator
def test_the_memory_of_logs_is_seen_by_the_server(db: Client, clock, configure: Callable[[str, str], None]):
    """And given back, without what the server keeps for the first call of each command, connections and replicas."""
    configure("latency-tracking", "no")  # a histogram for each command, from its first call on
    before = memory_of_keys(db)
    pipe = db.pipeline(transaction=False)
    for _ in range(20_000):
        pipe.execute_command("RL.DEBUG", "CLOCK", "ADVANCE", 100_000_000)
        pipe.execute_command("RL.SLIDING", "log", 4294967295, "1h")
    pipe.execute()
    for number in range(50):
        db.do(f"COPY log log{number}")
    grown = memory_of_keys(db) - before
    assert grown >= 0.8 * sum(db.rl_info(key)["memory"] for key in db.keys()) > 1_000_000
    db.do("FLUSHALL SYNC")
    eventually(lambda: memory_of_keys(db) - before < 200_000, "the memory to be given back")


@same_allocator
def test_many_keys_have_one_copy_of_their_limits(db: Client, clock):
    """A name of 13 bytes: 117 bytes for tables, name and expiry, 16 that the server keeps for a module, and our 32."""
    before = db.info("memory")["used_memory"]
    pipe = db.pipeline(transaction=False)
    for number in range(100_000):
        pipe.execute_command("RL.TOKENBUCKET", f"caller:{number:06}", 20, 10, "1s")
    pipe.execute()
    eventually(
        lambda: (db.info("memory")["used_memory"] - before) / 100_000 <= 165, "the buffers of this client to be gone"
    )
