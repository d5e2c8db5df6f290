"""Many connections on one key: what is granted in total is what the limit says, and not one unit more."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from harness import Server

CONNECTIONS = 64
CALLS = 100
SECONDS = 10


def granted_to(server: Server, line: str, start: Barrier) -> int:
    """One connection that pipelines its calls, together with the others."""
    with server.client() as client:
        client.ping()
        start.wait()
        return sum(reply.granted for reply in client.ask_times(CALLS, line))


@pytest.mark.parametrize(
    ("line", "capacity"),
    [
        ("RL.TOKENBUCKET k 5000 10 1s", 5000),
        ("RL.TOKENBUCKET k 5000 10 1s COST 3", 4998),
        ("RL.FIXED k 5000 60s", 5000),
        ("RL.FIXED k 5000 60s ALIGNED", 5000),
        ("RL.SLIDING k 5000 60s", 5000),
        ("RL.SLIDING k 5000 60s COST 7", 4998),
        ("RL.LEAKYBUCKET k 5000 10 1s", 5000),
        ("RL.SLIDING k 5000 60s APPROX", 5000),
        ("RL.QUOTA k 5000 DAY TZ Asia/Kathmandu", 5000),
        ("RL.CONCURRENT k 5000 60s", 5000),
        ("RL.FIXED k 5000 60s COST 7 PARTIAL", 5000),
        ("RL.RESERVE k 1h FIXED 5000 60s COST 3", 4998),
        ("RL.CHECK k TOKENBUCKET 6000 10 1s FIXED 5000 60s SLIDING 7000 1h", 5000),
    ],
)
def test_64_pipelining_connections_are_granted_exactly_the_capacity(server, clock, line, capacity):
    start = Barrier(CONNECTIONS)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        totals = list(pool.map(lambda _: granted_to(server, line, start), range(CONNECTIONS)))
    assert sum(totals) == capacity


def granted_until(server: Server, line: str, deadline: float) -> int:
    granted = 0
    with server.client() as client:
        while time.monotonic() < deadline:
            granted += sum(reply.granted for reply in client.ask_times(20, line))
    return granted


@pytest.mark.time_runs
def test_while_the_clock_runs_no_more_is_granted_than_the_limits_allow(server, db):
    lines = [
        "RL.TOKENBUCKET bucket 500 100 1s",
        "RL.FIXED fixed 50 1s",
        "RL.FIXED aligned 50 1s ALIGNED",
        "RL.SLIDING sliding 50 1s",
        "RL.SLIDING once 1000 60s",
        "RL.LEAKYBUCKET queue 500 100 1s",
        "RL.SLIDING approx 50 1s APPROX",
        "RL.CONCURRENT leases 50 1s",
        "RL.FIXED waiting 50 1s MAXWAIT 500ms",
    ]
    callers = lines * 2
    start = time.monotonic()
    with ThreadPoolExecutor(len(callers)) as pool:
        totals = list(pool.map(lambda line: granted_until(server, line, start + SECONDS), callers))
    elapsed = time.monotonic() - start
    sums = (totals[n] + totals[n + len(lines)] for n in range(len(lines)))
    bucket, fixed, aligned, sliding, once, queue, approx, leases, waiting = sums
    assert 500 + 100 * (SECONDS - 1) <= bucket <= 500 + 100 * elapsed
    assert 50 * (SECONDS - 1) <= fixed <= 50 * (int(elapsed) + 1)
    assert 50 * (SECONDS - 1) <= aligned <= 50 * (int(elapsed) + 2)
    assert 50 * (SECONDS - 1) <= sliding <= 50 * (int(elapsed) + 1)
    assert once == 1000
    assert 500 + 100 * (SECONDS - 1) <= queue <= 500 + 100 * elapsed
    assert 50 * (SECONDS - 2) <= approx <= 50 * (int(elapsed) + 2)
    assert 50 * (SECONDS - 1) <= leases <= 50 * (int(elapsed) + 1)
    assert 50 * (SECONDS - 1) <= waiting <= 50 * (int(elapsed) + 2)
