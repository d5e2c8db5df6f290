# SPDX-License-Identifier: MIT
"""Requests that are granted or denied, and what they cost."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import SECOND, pairs
from table import SANE_ID, told


def test_as_many_as_the_limit_are_served_and_then_none(serve):
    service = serve(limits="FIXED 3 1h")
    answers = [service.get() for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert [answer.body for answer in answers[:3]] == [b"hello"] * 3
    assert len(service.lines("served")) == 3


def test_the_fields_are_those_of_the_server(serve, db, clock):
    limits = "TOKENBUCKET 2 1 90s AS burst QUOTA 100 DAY AS daily"
    service = serve(limits=limits)
    for _ in range(3):
        expected = pairs(db.do(f"RL.CHECK other {limits} HEADERS")[-1])
        answer = service.get()
        assert told(answer) == expected
        assert all(len(answer.all(name)) == 1 for name in expected)
    assert (answer.status, answer["Retry-After"]) == (429, "90")


def test_who_waits_as_told_is_served(serve, clock):
    service = serve(limits="TOKENBUCKET 2 1 90s")
    *_, denied = [service.get() for _ in range(3)]
    clock.advance((int(denied["Retry-After"]) - 1) * SECOND)
    assert service.get().status == 429
    clock.advance(SECOND)
    assert service.get().status == 200


def test_a_denial_is_a_problem_with_the_wait_and_the_correlation_id(serve, clock):
    service = serve(limits="FIXED 1 90s AS calls")
    service.get()
    denied = service.get(X_Request_Id="abc-1")
    assert denied.problem() == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Too Many Requests",
        "status": 429,
        "violated-policies": ["calls"],
        "wait_ms": 90_000,
        "request_id": "abc-1",
    }
    assert service.lines("ratelimit:") == ["ratelimit: denied request_id=abc-1 limit=calls wait_ms=90000"]


def test_a_denial_of_a_head_request_has_no_body(serve):
    service = serve(limits="FIXED 1 1h")
    service.get()
    heard = service.raw(b"HEAD / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    assert re.match(rb"HTTP/1.[01] 429 ", heard) and heard.endswith(b"\r\n\r\n")


def test_jitter_spreads_who_comes_again(serve, clock):
    service = serve(limits="FIXED 1 90s", jitter="1h")
    service.get()
    denied = [service.get() for _ in range(8)]
    waits = [answer.problem()["wait_ms"] for answer in denied]
    assert all(90_000 <= wait <= 3_690_000 for wait in waits) and len(set(waits)) > 1
    assert all(wait <= 1000 * int(answer["Retry-After"]) for wait, answer in zip(waits, denied))


def test_requests_at_once_are_served_exactly_up_to_the_limit(serve):
    service = serve(limits="FIXED 20 1h")
    with ThreadPoolExecutor(16) as pool:
        counted = Counter(pool.map(lambda _: service.get().status, range(80)))
    assert counted == {200: 20, 429: 60}
    assert len(service.lines("served")) == 20


def test_what_the_application_says_itself_stays_and_is_said_once(serve):
    answer = serve(limits="FIXED 3 1h").get("/own")
    assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("own", "2")


def test_a_request_takes_its_cost(serve):
    service = serve(limits="FIXED 5 1h", cost=True)
    answers = [service.get(X_Cost=cost) for cost in ("3", "3", "2", "1")]
    assert [answer.status for answer in answers] == [200, 429, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "2", "0", "0"]


def test_a_request_that_costs_nothing_is_served_without_being_asked_about(serve, db):
    service = serve(limits="FIXED 1 1h", cost=True)
    answer = service.get(X_Cost="0")
    assert (answer.status, told(answer), db.keys()) == (200, {}, [])
    assert SANE_ID.fullmatch(answer["X-Request-Id"])


@pytest.mark.parametrize("cost", ["6", "4294967295", "4294967296", "1e300"])
def test_a_request_that_costs_more_than_there_ever_is_is_not_told_to_come_again(serve, cost):
    service = serve(limits="FIXED 5 1h", cost=True)
    denied = service.get(X_Cost=cost)
    assert (denied.status, denied.all("Retry-After"), denied.problem()["wait_ms"]) == (429, [], None)
    assert service.get(X_Cost="5").status == 200


@pytest.mark.parametrize("cost", ["-1", "-4294967296"])
def test_a_cost_that_is_none_is_a_fault_of_the_application_and_never_served(serve, cost):
    service = serve(limits="FIXED 5 1h", cost=True, onFailure="open")
    assert (service.get(X_Cost=cost).status, service.lines("served")) == (500, [])
    assert service.get().status == 200
