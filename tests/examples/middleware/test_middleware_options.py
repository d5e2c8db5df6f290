# SPDX-License-Identifier: MIT
"""What users of other middlewares look for: plans, logins, other fields, answers of their own, a bounded log."""

from __future__ import annotations

import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from drivers import KINDS, Service
from harness import Client, eventually, free_port
from table import FIELDS, LINES_S, PATIENT_MS

# --- limits by request ------------------------------------------------------------------------------


def test_each_plan_has_its_own_limits(serve):
    service = serve(plans=True, key=True)
    free = [service.get(X_Plan="free", X_Key="alice").status for _ in range(2)]
    paid = [service.get(X_Plan="paid", X_Key="bob").status for _ in range(4)]
    assert (free, paid) == ([200, 429], [200, 200, 200, 429])


def test_a_plan_without_limits_is_a_fault_and_never_served(serve, db):
    service = serve(plans=True, onFailure="open", onMistake="open")
    assert service.get(X_Plan="unheard-of").status == 500
    assert (service.lines("served"), db.keys()) == ([], [])


# --- what the service is told -----------------------------------------------------------------------


def test_the_service_sees_what_was_decided(serve, clock):
    service = serve(limits="FIXED 5 90s AS calls", cost=True)
    assert json.loads(service.get("/decision", X_Cost="2").body) == [True, 5, 3, 0, 90_000, "calls"]
    assert json.loads(service.get("/decision", X_Cost="0").body) is None


def decided(service: Service) -> list[tuple[str, list]]:
    """What the hook was told of each request, by its correlation id."""
    return [(id, json.loads(values)) for _, id, values in (line.split(" ", 2) for line in service.lines("decided"))]


def test_a_hook_is_told_of_each_decision_before_the_service_is_called(serve, clock, db):
    db.do("RL.DEFINE api FIXED 5 90s AS calls")
    service = serve(limiter="api", cost=True, onDecision=True)
    for id, cost in (("a", "4"), ("b", "2"), ("c", "0")):
        service.get(X_Request_Id=id, X_Cost=cost)
    assert decided(service) == [
        ("a", ["api", True, 5, 1, 0, 90_000, "calls", None, None]),
        ("b", ["api", False, 5, 1, 90_000, 90_000, "calls", None, None]),
    ]
    lines = [line.split(" ")[0] for line in service.lines() if line.startswith(("decided", "served"))]
    assert lines == ["decided", "served", "decided", "served"]


def test_a_hook_is_not_told_a_key_that_has_the_callers_name_in_it(serve):
    service = serve(limits="FIXED 5 1h AS calls", key=True, onDecision=True)
    service.get(X_Key="alice")
    [(_, [limiter, granted, *_])] = decided(service)
    assert (limiter, granted) == (None, True)
    assert "alice" not in "".join(service.lines("decided"))


@pytest.mark.parametrize("choice", ["open", "closed"])
def test_a_hook_is_told_why_nothing_was_decided_and_what_holds_then(driver, server, choice):
    timeout = {"onDecision": True, "timeout": PATIENT_MS}
    outage = driver.serve(free_port(), limiter="api", onFailure=choice, **timeout)
    mistake = driver.serve(server.port, limiter="no:such", onMistake=choice, **timeout)
    for service, limiter, failure in ((outage, "api", "outage"), (mistake, "no:such", "mistake")):
        service.get(X_Request_Id="a")
        assert decided(service) == [("a", [limiter, *[None] * 6, failure, choice])]


# --- the answer -------------------------------------------------------------------------------------

CHOICES = {
    "all": ["RateLimit-Policy", "RateLimit", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"],
    "draft-10": ["RateLimit-Policy", "RateLimit"],
    "draft-6": ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"],
    "legacy": ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"],
    "none": [],
}


@pytest.mark.parametrize("headers", CHOICES)
def test_the_fields_are_those_that_were_chosen_and_a_denial_says_when_to_come_again(serve, headers):
    service = serve(limits="FIXED 1 1h", headers=headers)
    for expected in (set(CHOICES[headers]), {*CHOICES[headers], "Retry-After"}):
        answer = service.get()
        ours = {*FIELDS, *CHOICES["legacy"]}
        assert {name for name in ours if answer.all(name)} == expected


def test_the_old_reset_is_a_time(serve):
    before = time.time()
    answer = serve(limits="FIXED 1 1h", headers="legacy").get()
    assert (answer["X-RateLimit-Limit"], answer["X-RateLimit-Remaining"]) == ("1", "0")
    # The clock of the service is ours; it is read before the answer comes, and rounded up.
    assert before + 3599 <= int(answer["X-RateLimit-Reset"]) <= time.time() + 3602


def test_a_message_is_a_detail_of_the_problem(serve):
    service = serve(limits="FIXED 1 1h", message="Calm down")
    assert [service.get().status for _ in range(2)] == [200, 429]
    assert service.get().problem()["detail"] == "Calm down"


def test_a_handler_answers_who_is_denied_and_nobody_else(serve):
    service = serve(limits="FIXED 1 1h AS calls", handler=True)
    served, denied = service.get(), service.get(X_Request_Id="abc-1")
    assert (served.status, served.body, denied.status, denied.body) == (200, b"hello", 418, b"denied by calls")
    assert (denied["RateLimit-Remaining"], denied["X-Request-Id"]) == ("0", "abc-1")
    assert denied.all("Retry-After") and len(service.lines("served")) == 1


def test_a_handler_does_not_answer_for_the_server(driver, server, db):
    service = driver.serve(server.port, limiter="no:such", handler=True, timeout=PATIENT_MS)
    assert service.get().status == 500 and service.get().problem()["title"] == "Internal Server Error"


# --- logins -----------------------------------------------------------------------------------------


LOGINS = {
    "limits": ({"limits": "FIXED 3 1h"}, "RL.PEEK ratelimit:127.0.0.1 FIXED 3 1h"),
    "limiter": ({"limiter": "logins"}, "RL.PEEK logins FOR 127.0.0.1"),
}


class Login:
    """A service that may be tried three times in vain."""

    def __init__(self, service: Service, db: Client, peek: str) -> None:
        self.service, self._db, self._peek = service, db, peek

    def tried(self, status: int, cost: int = 1) -> int:
        return self.service.get("/login", X_Status=str(status), X_Cost=str(cost)).status

    def wait_until_left(self, units: int) -> None:
        """The charge is settled after the response."""
        eventually(lambda: self._db.ask(self._peek).remaining == units, f"{units} tries to be left")


@pytest.fixture(params=LOGINS)
def login(request: pytest.FixtureRequest, serve, db) -> Login:
    db.do("RL.DEFINE logins FIXED 3 1h")
    options, peek = LOGINS[request.param]
    return Login(serve(skipSuccessfulRequests=True, cost=True, **options), db, peek)


def test_only_what_fails_counts(login):
    left = 3
    for status in (200, 302, 200, 302, 401, 200, 500, 301, 404):
        assert login.tried(status) == status
        left -= status >= 400
        login.wait_until_left(left)
    assert [login.tried(200), login.tried(401)] == [429, 429]
    assert login.service.lines("ratelimit: unsettled") == []


def test_of_many_tries_at_once_no_more_than_are_allowed_reach_the_service(login):
    """Also under one correlation id, which the caller chooses."""
    fields = {"X_Status": "401", "X_Request_Id": "same"}
    with ThreadPoolExecutor(16) as pool:
        statuses = [*pool.map(lambda _: login.service.get("/login", **fields).status, range(48))]
    assert sorted(statuses) == [401] * 3 + [429] * 45


def test_a_try_is_charged_and_given_back_with_all_that_it_costs(login):
    assert login.tried(200, cost=3) == 200
    login.wait_until_left(3)
    assert login.tried(401, cost=2) == 401
    login.wait_until_left(1)
    assert (login.tried(200, cost=2), login.tried(200)) == (429, 200)


def test_a_try_whose_caller_has_left_counts(login):
    with socket.create_connection(("127.0.0.1", login.service.port)) as caller:
        caller.sendall(b"GET /login HTTP/1.1\r\nHost: here\r\nX-Status: 401\r\n\r\n")
        login.wait_until_left(2)
    assert (login.tried(401), login.tried(401), login.tried(401)) == (401, 401, 429)


# --- the log ----------------------------------------------------------------------------------------


def intervals(began: float) -> int:
    """How many intervals of the log may have begun since then."""
    return 2 + int((time.monotonic() - began) / LINES_S)


def test_a_caller_who_goes_on_is_logged_once(serve):
    service, began = serve(limits="FIXED 0 1h", key=True), time.monotonic()
    assert service.statuses(40, X_Key="alice") == [429] * 40
    assert 1 <= len(service.lines("ratelimit: denied")) < intervals(began)
    assert service.get(X_Key="bob").status == 429
    assert 2 <= len(service.lines("ratelimit: denied")) < 2 * intervals(began)


def test_a_crowd_of_callers_does_not_fill_the_log(serve):
    service, began = serve(limits="FIXED 0 1h", key=True), time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        statuses = {*pool.map(lambda number: service.get(X_Key=f"caller-{number}").status, range(150))}
    assert statuses == {429}
    assert 100 <= len(service.lines("ratelimit: denied")) < 100 * intervals(began)


@pytest.mark.time_runs
def test_a_line_says_how_many_were_left_out_before_it(drivers, server):
    """All four at once, since an interval must end."""
    options = {"limits": "FIXED 0 1h", "timeout": PATIENT_MS}
    services = [drivers(kind).serve(server.port, **options) for kind in KINDS]
    for service in services:
        service.statuses(5)
    for service in services:
        eventually(lambda service=service: left_out(service) > 0, "another line")
        assert left_out(service) >= 4


def left_out(service: Service) -> int:
    """In the last line, after one more denial."""
    assert service.get().status == 429
    found = re.search(r" wait_ms=-1 left_out=(\d+)$", service.lines("ratelimit: denied")[-1])
    return int(found[1]) if found else 0


# --- options that make no sense ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"limits": "FIXED 1 1h", "limiter": "api"},
        {"limits": "FIXED 1 1h", "onFailure": "maybe"},
        {"limits": "FIXED 1 1h", "timeout": -1},
        {"limits": "FIXED 1 1h", "onMistake": "maybe"},
        {"limits": "FIXED 1 1h", "headers": "maybe"},
        {"limits": "FIXED 1 1h", "ipv6Subnet": 129},
    ],
    ids=["neither", "both", "maybe", "no time", "maybe a mistake", "headers", "too many bits"],
)
def test_options_that_make_no_sense_are_refused_at_once(driver, options, tmp_path):
    error = driver.ask({"redis": free_port(), "log": str(tmp_path / "log"), **options})["error"]
    assert "either" in error or "must be" in error


@pytest.mark.parametrize("kind", ["express", "wsgi", "asgi"])  # in Go, this does not compile
def test_an_option_that_is_mistyped_is_refused_at_once(driver, tmp_path):
    options = {"limits": "FIXED 1 1h", "onMistak": "open"}
    answer = driver.ask({"redis": free_port(), "log": str(tmp_path / "log"), **options})
    assert re.search("on_?mistak", answer.get("error", ""), re.IGNORECASE)
