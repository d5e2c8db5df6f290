# SPDX-License-Identifier: MIT
"""Many connections on one key: what is granted in total is what the limit says, and not one unit more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

import pytest

from harness import PATIENCE_S, Reply, Server

CONNECTIONS = 64
CALLS = 100
ADDING = Lock()


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


# Of each line, what may be granted in so many seconds.
WHILE_TIME_RUNS: dict[str, Callable[[float], float]] = {
    "RL.TOKENBUCKET bucket 500 100 1s": lambda elapsed: 500 + 100 * elapsed,
    "RL.FIXED fixed 50 1s": lambda elapsed: 50 * (int(elapsed) + 1),
    "RL.FIXED aligned 50 1s ALIGNED": lambda elapsed: 50 * (int(elapsed) + 2),
    "RL.SLIDING sliding 50 1s": lambda elapsed: 50 * (int(elapsed) + 1),
    "RL.SLIDING once 1000 1h": lambda elapsed: 1000,
    "RL.LEAKYBUCKET queue 500 100 1s": lambda elapsed: 500 + 100 * elapsed,
    "RL.SLIDING approx 50 1s APPROX": lambda elapsed: 50 * (int(elapsed) + 2),
    "RL.CONCURRENT leases 50 1s": lambda elapsed: 50 * (int(elapsed) + 1),
    "RL.FIXED waiting 50 1s MAXWAIT 500ms": lambda elapsed: 50 * (int(elapsed) + 2),
}
PERIODS = 5  # of time: as many refills or windows must be seen, however long that takes


class Caller:
    """Calls without a pause until all of the same line together were granted enough, and it is denied more."""

    def __init__(self, server: Server, line: str, enough: float, granted: Counter[str]) -> None:
        self._server, self._line, self._enough, self._granted = server, line, enough, granted

    def __call__(self) -> float:
        """When the last answer had come."""
        begin = now = time.monotonic()
        replies: list[Reply] = []
        with self._server.client() as client:
            while self._granted[self._line] < self._enough or all(reply.granted for reply in replies):
                replies = client.ask_times(20, self._line)
                now = time.monotonic()
                with ADDING:
                    self._granted[self._line] += sum(reply.granted for reply in replies)
                assert now - begin < PATIENCE_S, f"{self._line} granted only {self._granted[self._line]}"
        return now


@pytest.mark.time_runs
def test_while_the_clock_runs_no_more_is_granted_than_the_limits_allow(server, db):
    """The load ends once each was granted what so many periods bring: no machine is too slow for that."""
    granted: Counter[str] = Counter()
    begin = time.monotonic()
    with ThreadPoolExecutor(2 * len(WHILE_TIME_RUNS)) as pool:
        jobs = {
            line: [pool.submit(Caller(server, line, allowed(PERIODS - 1), granted)) for _ in range(2)]
            for line, allowed in WHILE_TIME_RUNS.items()
        }
    for line, allowed in WHILE_TIME_RUNS.items():
        elapsed = max(job.result() for job in jobs[line]) - begin
        assert granted[line] <= allowed(elapsed), line
    assert granted["RL.SLIDING once 1000 1h"] == 1000
