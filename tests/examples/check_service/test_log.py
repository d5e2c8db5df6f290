# SPDX-License-Identifier: MIT
"""The log of the check service: lines of JSON, of the chosen levels, bounded, and without secrets."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable

from harness import Server
from service import Service

FIVE = {"key": "k", "limits": "FIXED 5 1h"}
NOBODY = "127.0.0.1:1"


def lines(service: Service) -> list[dict]:
    return [json.loads(line) for line in service.log_text().splitlines()]


def test_every_line_is_json_with_time_level_and_event(service: Service) -> None:
    service.check(**FIVE)
    service.check(key="k")
    service.end()
    assert [line["event"] for line in lines(service)] == ["started", "decision", "refused", "ending", "ended"]
    for line in lines(service):
        assert line["level"] in ("debug", "info", "warn", "error")
        assert line["time"].endswith("Z") and len(line["time"]) == len("2026-01-31T06:00:00.123Z")


def test_a_call_that_the_server_does_not_answer_is_a_warning(services: Callable[..., Service]) -> None:
    service = services(NOBODY, log_level="info")
    service.check(**FIVE)
    (line,) = service.events("decision")
    assert line["level"] == "warn" and line["source"] == "fail_open" and line["failure"] == "refused"


def test_a_usual_decision_is_no_line_unless_somebody_looks_for_something(services: Callable[..., Service]) -> None:
    service = services(log_level="info")
    assert service.check(**FIVE).status == 200
    assert service.events("decision") == []


def test_an_id_that_the_service_makes_is_the_same_everywhere(service: Service) -> None:
    answer = service.check(**FIVE)
    (line,) = service.events("decision")
    assert answer.fields["X-Request-Id"] == answer.json["request_id"] == line["request_id"]
    assert len(line["request_id"]) == 32
    assert service.check(**FIVE).json["request_id"] != line["request_id"]


def test_what_identifies_or_authorises_somebody_is_not_logged(service: Service, server: Server) -> None:
    with server.client() as db:
        db.do("RL.DEFINE api FIXED 1 1h")
    secrets = {"Authorization": "Bearer secret-1", "Cookie": "session=secret-2", "X-Forwarded-For": "secret-3"}
    body = {"limiter": "api", "subject": "secret-4"}
    for _ in range(2):
        assert service.ask("POST", "/check", body, **secrets).status in (200, 429)
    service.ask("GET", "/auth?limiter=api&subject=secret-5&by=X-Forwarded-For", **secrets)
    service.ask("POST", "/check", {"key": "secret-6", "limits": "secret-7"})
    service.ask("POST", "/check", '{"secret-8')
    service.ask("GET", "/secret-9?secret-10", X_Request_Id="secret 11")
    service.check(limiter="secret-12", subject="bob")
    service.end()
    assert "secret" not in service.log_text()


def test_an_outage_does_not_fill_the_disk(services: Callable[..., Service]) -> None:
    service = services(NOBODY, log_level="info")
    connection = service.connection()
    for _ in range(1000):
        connection.request("POST", "/check", json.dumps(FIVE))
        connection.getresponse().read()
    connection.close()
    service.end()
    by_second = Counter(line["time"][:19] for line in service.events("decision"))
    assert max(by_second.values()) <= 100
    left_out = sum(line.get("left_out", 0) for line in lines(service))
    assert sum(by_second.values()) + left_out == 1000, "the next line says how many were left out"
    assert service.events("ended"), "what the service says of itself is always there"


def test_an_interrupt_ends_it_as_well(service: Service) -> None:
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(60) == 0
    assert service.events("ended")
