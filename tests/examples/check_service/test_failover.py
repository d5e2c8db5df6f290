# SPDX-License-Identifier: MIT
"""The server's primary dies under load and a replica takes its place, by the word of Sentinels or of a cluster's other
primaries: what was admitted, against what is allowed, for each choice of `without_server`. Every answer is counted.

A check that the server grants says what remains, so each charge has a number of its own. A number that is there twice
is a charge that the new primary did not know: the old one died before it could hand it on. The figures are printed
(pytest -s): servers and choice, limit, admitted by the server, of these twice, admitted without it of so many calls,
for how long.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from cluster import Cluster, Node, Sentinels
from harness import Server, eventually
from service import Service

LIMIT, SHARE, CALLERS = 2000, 40, 4
KEY = "load"
BODY = json.dumps({"key": KEY, "limits": f"FIXED {LIMIT} 1d"})
NOBODY = "127.0.0.1:1"


@dataclass
class Told:
    """What callers were told."""

    by: Counter = field(default_factory=Counter)  # (source, status): how often
    remaining: Counter = field(default_factory=Counter)  # of what the server granted
    unanswered: Counter = field(default_factory=Counter)  # the failures
    away: list[float] = field(default_factory=list)  # when the server did not decide

    def note(self, status: int, answer: dict) -> None:
        source = answer.get("source", "nobody")
        self.by[source, status] += 1
        if source == "server" and status == 200:
            self.remaining[answer["remaining"]] += 1
        if failure := answer.get("failure"):
            self.unanswered[failure] += 1
        if source not in ("server", "remembered"):
            self.away.append(time.monotonic())

    def admitted(self, source: str) -> int:
        return self.by[source, 200]

    def denied(self) -> int:
        """By the server, or by what it said a moment ago."""
        return self.by["server", 429] + self.by["remembered", 429]


class Load:
    """Callers who ask without a pause."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._end = threading.Event()
        self._lock = threading.Lock()
        self.told = Told()  # complete when they have ended

    def wait_for(self, condition: Callable[[Told], bool], what: str) -> None:
        def is_met() -> bool:
            with self._lock:
                return condition(self.told)

        eventually(is_met, what)

    @contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor(CALLERS) as pool:
            runs = [pool.submit(self._call) for _ in range(CALLERS)]
            try:
                yield
            finally:
                self._end.set()
            for run in runs:
                run.result()

    def _call(self) -> None:
        connection = self._service.connection()
        while not self._end.is_set():
            connection.request("POST", "/check", BODY)
            response = connection.getresponse()
            answer = json.loads(response.read())
            with self._lock:
                self.told.note(response.status, answer)
        connection.close()


def places(nodes: Sequence[Server]) -> str:
    return ",".join(f"127.0.0.1:{node.port}" for node in nodes)


class WithSentinels:
    """A primary and its replica; Sentinels watch them."""

    def __init__(self) -> None:
        self.group = Sentinels(replicas=1)

    def place(self) -> str:
        return NOBODY

    def settings(self) -> dict[str, str]:
        return {"sentinels": places(self.group.sentinels), "primary": Sentinels.NAME}

    def primary(self) -> Node:
        return self.group.primary()


class InCluster:
    """Three primaries with a replica each; they watch each other."""

    def __init__(self) -> None:
        self.group = Cluster(primaries=3)

    def place(self) -> str:
        return places(self.group.primaries)

    def settings(self) -> dict[str, str]:
        return {}

    def primary(self) -> Node:
        return self.group.owner_of(KEY)


Servers = WithSentinels | InCluster


@pytest.fixture(params=[WithSentinels, InCluster], ids=["sentinels", "cluster"])
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    servers = request.param()
    try:
        servers.group.start()
        yield servers
        servers.group.assert_well()
    finally:
        servers.group.stop()


def wait_for_the_stream(primary: Node) -> None:
    """A replica that has just synced, and says that its link is up, gets no writes before it has acknowledged once, for
    up to a second. A primary that died then would take all charges with it."""
    with primary.client() as db:
        db.set(f"{{{KEY}}}:mark", 1)
        assert db.wait(1, 20_000) == 1


# How a call is answered while the server is away, and how many of those are admitted of so many.
CHOICES = {
    "open": (("fail_open", 200), lambda asked: asked),
    "closed": (("nobody", 503), lambda asked: 0),
    "local": (("local", 429), lambda asked: min(asked, LIMIT // SHARE)),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_what_is_admitted_beyond_the_limit_is_what_the_choice_says(
    services: Callable[..., Service], servers: Servers, choice: str, request: pytest.FixtureRequest
) -> None:
    found_by = servers.settings()
    service = services(
        servers.place(), without_server=choice, share=f"1/{SHARE}", deadline="200ms", log_level="info", **found_by
    )
    answer, most = CHOICES[choice]
    wait_for_the_stream(servers.primary())
    load = Load(service)
    with load.running():
        load.wait_for(lambda told: told.admitted("server") > LIMIT / 10, "the server to decide")
        servers.primary().kill()
        load.wait_for(lambda told: told.by[answer] > 100, "callers to be answered without the server")
        servers.group.expect_a_death()
        load.wait_for(lambda told: told.denied() > 0, "the new primary to grant what is left")
    told = load.told
    without = sum(count for (source, _), count in told.by.items() if source in ("fail_open", "nobody", "local"))
    beyond = told.admitted("fail_open") + told.admitted("local")
    lost = sum(told.remaining.values()) - len(told.remaining)
    missing = LIMIT - len(told.remaining)
    print(
        f"\n| {request.node.callspec.id} | {LIMIT} | {told.admitted('server')} | {lost} | {beyond} of {without} |"
        f" {max(told.away) - min(told.away):.1f} s |"
    )
    assert beyond == most(without), told.by
    # A charge that nobody was told of is one whose answer did not come. (A 503 does not say why.)
    unheard = told.unanswered["timeout"] + told.unanswered["closed"] + told.by["nobody", 503]
    assert 0 <= missing <= unheard, told
    assert lost <= CALLERS, "no more than what was on its way when the primary died: one call a caller"
    for source in ("server", "fail_open", "local"):
        line = f'check_service_decisions_total{{limiter="",source="{source}",result="allowed"}}'
        assert service.metric(line) == told.admitted(source)
