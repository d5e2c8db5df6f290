# SPDX-License-Identifier: MIT
"""Load while the server is interrupted: what callers were told is what the server charged, and memory stays flat.

Two instances, 20 seconds; RATELIMIT_SERVICE_SECONDS makes it longer, and so does bench/service --soak.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from harness import Server, eventually
from service import Service, memory_kb, paused, request_bytes

SECONDS = float(os.environ.get("RATELIMIT_SERVICE_SECONDS", "20"))
CALLERS = 4  # for each instance
KEYS = [f"load:{number}" for number in range(4)]
LIMIT = 10**9
LIMITS = f"FIXED {LIMIT} 1d"
ESTIMATE, ACTUAL = 5, 2


class Caller:
    """Counts, for each key, the least and the most that the server can have charged by what it told."""

    def __init__(self, service: Service, seed: int) -> None:
        self._rng = random.Random(seed)
        self._connection = service.connection()
        self.least: Counter = Counter()
        self.most: Counter = Counter()
        self.told: Counter = Counter()

    def call_until(self, end: threading.Event) -> Caller:
        for turn in itertools.count():
            if end.is_set():
                break
            key = self._rng.choice(KEYS)
            self._hold(key) if turn % 5 == 0 else self._check(key)
        self._connection.close()
        return self

    def _ask(self, path: str, body: dict) -> dict:
        self._connection.request("POST", path, json.dumps(body))
        answer = json.loads(self._connection.getresponse().read())
        self.told[answer.get("source"), answer.get("failure")] += 1
        return answer

    def _charged(self, key: str, least: int, most: int) -> None:
        self.least[key] += least
        self.most[key] += most

    def _check(self, key: str) -> None:
        answer = self._ask("/check", {"key": key, "limits": LIMITS})
        self._charged(key, is_by_server(answer), is_by_server(answer) or may_be_charged(answer))

    def _hold(self, key: str) -> None:
        """An estimate, and its settlement: the server knows it before, after, or not at all."""
        held = self._ask("/reserve", {"key": key, "limits": LIMITS, "cost": ESTIMATE, "ttl": "1d"})
        if not is_by_server(held):
            self._charged(key, 0, ESTIMATE * may_be_charged(held))
            return
        settled = self._ask("/settle", {"key": key, "limits": LIMITS, "id": held["id"], "actual": ACTUAL})
        self._charged(key, ACTUAL, ACTUAL if is_by_server(settled) else ESTIMATE)


def is_by_server(answer: dict) -> bool:
    return answer.get("source") == "server"


def may_be_charged(answer: dict) -> bool:
    """The server was asked, and its answer did not come."""
    return answer.get("failure") in ("timeout", "closed")


def be_rude(service: Service, end: threading.Event) -> None:
    """Requests that stop in the middle, connections that are reset, clients that are slow."""
    request = request_bytes({"key": "rude", "limits": LIMITS})
    port, rng = service.port, random.Random(3)
    while not end.wait(0.01):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(request[: rng.randrange(len(request))])
            if rng.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def trouble(server: Server, seconds: float) -> None:
    """Kills connections, and stops the server for moments, some longer than the deadline."""
    rng = random.Random(7)
    until = time.monotonic() + seconds
    pauses = itertools.cycle([0.02, 0.15, 0.01])
    with server.client() as db:
        while time.monotonic() < until:
            time.sleep(rng.uniform(0.05, 0.3))
            db.do("CLIENT KILL TYPE normal SKIPME yes")
            with paused(server):
                time.sleep(next(pauses))


@dataclass
class Run:
    """All callers of all instances, until the run is ended."""

    services: list[Service]

    def __post_init__(self) -> None:
        self._end = threading.Event()
        self._pool = ThreadPoolExecutor((CALLERS + 1) * len(self.services))
        self._rude = [self._pool.submit(be_rude, service, self._end) for service in self.services]
        self._callers = [Caller(service, seed) for service in self.services for seed in range(CALLERS)]
        self._runs: list[Future] = [self._pool.submit(caller.call_until, self._end) for caller in self._callers]

    def has_seen_enough(self) -> bool:
        told = sum((caller.told.copy() for caller in self._callers), Counter())
        return told["server", None] > 100 and told["fail_open", "timeout"] + told["fail_open", "closed"] > 0

    def end(self) -> list[Caller]:
        self._end.set()
        self._pool.shutdown()
        for run in self._rude:
            run.result()
        return [run.result() for run in self._runs]


def test_no_charge_is_lost_or_doubled_whatever_happens_to_the_server(
    services: Callable[..., Service], server: Server
) -> None:
    chosen = {"deadline": "100ms", "without_server": "open", "log_level": "info", "request_time": "1s"}
    pair = [services(**chosen), services(**chosen)]
    run, memory = Run(pair), []
    try:
        for _ in range(10):
            trouble(server, SECONDS / 10)
            memory.append(max(memory_kb(service) for service in pair))
        eventually(lambda: run.has_seen_enough() or trouble(server, SECONDS / 10), "an answer that did not come")
    finally:
        callers = run.end()
    told = sum((caller.told for caller in callers), Counter())
    least, most = (sum((getattr(caller, name) for caller in callers), Counter()) for name in ("least", "most"))
    used = {}
    with server.client() as db:
        for key in KEYS:
            used[key] = LIMIT - int(db.do(f"RL.PEEK {key} {LIMITS}")[2])
    for key in KEYS:
        print(f"\n{key}: {used[key]} charged, between {least[key]} and {most[key]} by what callers were told", end="")
    print(f"\n{dict(told)}\nmemory of the larger instance, KB: {memory}")
    for key in KEYS:
        assert least[key] <= used[key] <= most[key], (key, told)
    assert memory[-1] < memory[2] * 1.1 + 1024, memory
    for service in pair:
        assert service.check(key="after", limits=LIMITS).status == 200
