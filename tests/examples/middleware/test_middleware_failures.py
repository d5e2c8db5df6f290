# SPDX-License-Identifier: MIT
"""The server cannot decide."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from drivers import Answer, Service, silent_server
from harness import PATIENCE_S, Server, eventually, free_port
from table import LINES_S, PATIENT_MS, SHORT_MS, check_undecided, is_asked, paused, told


@contextmanager
def nobody(_: Server) -> Iterator[tuple[int, dict]]:
    yield free_port(), {"timeout": SHORT_MS}


@contextmanager
def hangs_from_the_start(_: Server) -> Iterator[tuple[int, dict]]:
    with silent_server() as port:
        yield port, {"timeout": SHORT_MS}


@contextmanager
def hangs(server: Server) -> Iterator[tuple[int, dict]]:
    with paused(server):
        yield server.port, {"timeout": SHORT_MS}


@contextmanager
def told_by(server: Server, setting: str, value: str, usual: str) -> Iterator[tuple[int, dict]]:
    """The server itself says that it cannot decide now."""
    with server.client() as db:
        db.config_set(setting, value)
        try:
            yield server.port, {}
        finally:
            db.config_set(setting, usual)


@contextmanager
def follows_nobody(server: Server) -> Iterator[tuple[int, dict]]:
    with server.client() as db:
        db.execute_command("REPLICAOF", "127.0.0.1", free_port())
        try:
            yield server.port, {}
        finally:
            db.execute_command("REPLICAOF", "NO", "ONE")


OUTAGES = {
    "is not there": (nobody, "(?i)connect"),
    "hangs from the start": (hangs_from_the_start, "(?i)time|no answer|writeable"),
    "hangs": (hangs, "(?i)time|no answer"),
    "has no memory left": (lambda server: told_by(server, "maxmemory", "1", "0"), "command not allowed"),
    "lacks replicas": (lambda server: told_by(server, "min-replicas-to-write", "1", "0"), "NOREPLICAS|good replicas"),
    "is full": (lambda server: told_by(server, "maxclients", "1", "10000"), "."),
    "follows another": (follows_nobody, "READONLY|read only"),
}


def check_outage(service: Service, on_failure: str, about: str) -> None:
    answer = check_undecided(service, "failed", on_failure, about, 503, "Service Unavailable")
    if on_failure == "closed":
        assert list(told(answer)) == ["Retry-After"] and 1 <= int(answer["Retry-After"]) <= 5


@pytest.mark.parametrize("on_failure", ["open", "closed"])
@pytest.mark.parametrize("outage", OUTAGES)
def test_in_an_outage_a_request_is_let_through_or_told_to_come_again(driver, server, outage, on_failure):
    fails, about = OUTAGES[outage]
    with fails(server) as (port, options):
        other = {"open": "closed", "closed": "open"}[on_failure]  # which is for mistakes
        options = {"limits": "FIXED 1 1h", "onMistake": other, "timeout": PATIENT_MS} | options
        check_outage(driver.serve(port, onFailure=on_failure, **options), on_failure, about)


def test_open_is_what_holds_in_an_outage_unless_told(driver):
    assert driver.serve(free_port(), limits="FIXED 1 1h").get().status == 200


def test_a_server_that_hangs_is_not_asked_for_each_request_and_is_found_when_it_is_back(serve, server):
    service = serve(limits="FIXED 100000 1h", timeout=SHORT_MS)
    with paused(server):
        eventually(lambda: any("not asked" in line for line in served_none(service)), "the breaker to open")
    eventually(lambda: service.get().status == 200, "the server to be asked again")
    assert service.lines("served") != []


def served_none(service: Service) -> list[str]:
    """What is logged of failures after one more request."""
    assert service.get().status == 503
    return service.lines("ratelimit: failed closed")


def test_a_failure_that_goes_on_is_not_logged_for_each_request(driver):
    service = driver.serve(free_port(), limits="FIXED 1 1h", onFailure="open", timeout=PATIENT_MS)
    began = time.monotonic()
    assert service.statuses(30) == [200] * 30
    assert not any("not asked" in line for line in service.lines())  # many at once, shorter than the timeout: no outage
    texts = {line.partition("error=")[2] for line in service.lines("ratelimit:")}
    assert len(service.lines("ratelimit:")) <= len(texts) * (2 + (time.monotonic() - began) / LINES_S)


def test_an_answer_that_comes_late_is_nobody_elses(serve, server, db):
    """Each key has used another number of units, so that an answer of another would be seen."""
    service = serve(limits="FIXED 100 1h", key=True, cost=True, timeout=SHORT_MS)
    with paused(server):
        assert [service.get(X_Key=key, X_Cost="40").status for key in ("a", "b", "c")] == [503] * 3
    eventually(lambda: service.get(X_Key="ready").status == 200, "the server to be asked again")
    for number in range(1, 4):
        assert in_time(service, number)["RateLimit-Remaining"] == str(100 - number)
    # At most charged once, also by a client that had sent the command before it stopped waiting.
    assert all(db.ask(f"RL.PEEK ratelimit:{key} FIXED 100 1h").remaining in (100, 60) for key in ("a", "b", "c"))
    assert service.lines("ratelimit: failed") != []


def in_time(service: Service, cost: int) -> Answer:
    """The first answer that comes in time to a new key."""
    for number in range(1000):
        answer = service.get(X_Key=f"later-{cost}-{number}", X_Cost=str(cost))
        if answer.status == 200:
            return answer
        assert answer.status == 503
    raise AssertionError("no answer comes in time")


def test_many_who_wait_for_a_server_that_hangs_are_all_answered(serve, server):
    service = serve(limits="FIXED 1000 1h", timeout=SHORT_MS)
    with paused(server), ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: service.get().status, range(64))) == {503}
    eventually(lambda: service.get().status == 200, "the server to be asked again")


def test_connections_that_the_server_has_closed_are_opened_again(serve, db):
    service = serve(limits="FIXED 100000 1h")
    assert service.get().status == 200
    db.execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
    eventually(lambda: service.get().status == 200, "a new connection")
    assert service.statuses(3) == [200] * 3


def test_a_call_whose_connection_breaks_is_a_failure_and_is_not_sent_again(serve, server, db):
    service = serve(limits="FIXED 100 1h", key=True)
    with ThreadPoolExecutor(1) as pool:
        with paused(server):
            request = pool.submit(service.get, X_Key="broken")
            eventually(lambda: is_asked(db), "the server to be asked")
            db.execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
            assert request.result(PATIENCE_S).status == 503
        eventually(lambda: service.get(X_Key="next").status == 200, "a new connection")
    assert db.keys() == ["ratelimit:next"]


@pytest.mark.parametrize("kind", ["express", "go"])  # the others are not told that a client has left
def test_who_has_left_while_the_server_was_asked_is_not_served(kind, serve, server, db):
    service = serve(limits="FIXED 100 1h")
    service.get()
    with paused(server):
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nX-Request-Id: left\r\n\r\n")
            eventually(lambda: is_asked(db), "the server to be asked")
        eventually(lambda: service.lines("gone") != [], "the service to see that the client has left")
    assert service.get(X_Request_Id="stayed").status == 200
    assert "served left" not in service.lines() and "served stayed" in service.lines()
    assert service.lines("ratelimit:") == []
