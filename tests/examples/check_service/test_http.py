# SPDX-License-Identifier: MIT
"""The HTTP door of the check service: decisions, and what is said about wrong requests."""

from __future__ import annotations

import http.client
import json

import pytest

from harness import Server
from service import Service, all_of, request_bytes

FIVE = {"key": "k", "limits": "FIXED 5 1h AS five"}


def test_a_check_is_granted_until_nothing_is_left(service: Service) -> None:
    answers = [service.check(**FIVE) for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert answers[0].json["remaining"] == 4 and answers[0].json["source"] == "server"
    assert answers[0].fields["Content-Type"] == "application/json"
    assert answers[0].fields["RateLimit-Policy"] == '"five";q=5;w=3600'
    assert answers[0].fields["RateLimit"].startswith('"five";r=4;t=')


def test_a_denial_is_a_problem_that_says_when_to_come_again(service: Service) -> None:
    denied = service.check(**FIVE | {"cost": 6})
    assert denied.status == 429 and denied.json["wait_ms"] is None and "Retry-After" not in denied.fields
    service.check(**FIVE | {"cost": 5})
    denied = service.check(**FIVE)
    assert denied.fields["Content-Type"] == "application/problem+json"
    assert denied.json["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert denied.json["violated-policies"] == ["five"] and not denied.json["allowed"]
    assert int(denied.fields["Retry-After"]) * 1000 >= denied.json["wait_ms"] > 0


def test_a_limiter_is_known_by_its_name(service: Service, server: Server) -> None:
    with server.client() as db:
        db.do("RL.DEFINE api TOKENBUCKET 2 1 1h")
    assert [service.check(limiter="api", subject="bob").status for _ in range(3)] == [200, 200, 429]
    assert service.check(limiter="api", subject="eve").status == 200


def test_a_limiter_that_does_not_exist_is_the_callers_mistake(service: Service) -> None:
    assert service.check(limiter="nothing", subject="bob").status == 400


def test_the_usual_names_are_the_same_limits(service: Service, server: Server) -> None:
    usual = {"key": "user:123", "algorithm": "token_bucket", "capacity": 10, "refill_rate": 1}
    assert service.check(**usual).json["remaining"] == 9
    with server.client() as db:
        assert db.do("RL.CHECK user:123 TOKENBUCKET 10 1 1s COST 4 BRIEF") in (5, 6)


def test_a_check_that_costs_nothing_takes_nothing(service: Service) -> None:
    looks = [service.check(**FIVE | {"cost": 0}).json for _ in range(3)]
    assert [look["allowed"] for look in looks] == [True] * 3
    assert [look["granted"] for look in looks] == [0] * 3
    assert service.check(**FIVE).json["remaining"] == 4


def test_an_estimate_is_reserved_and_the_actual_cost_is_settled(service: Service) -> None:
    held = service.ask("POST", "/reserve", FIVE | {"cost": 4, "ttl": "30s"})
    assert held.status == 200 and held.json["remaining"] == 1 and held.json["id"]
    settle = {"key": "k", "id": held.json["id"], "actual": 1}
    assert service.ask("POST", "/settle", settle).json["settled"]
    assert service.check(**FIVE | {"cost": 4}).status == 200
    assert service.ask("POST", "/settle", settle | {"id": "another"}).status == 404


def test_a_proxy_asks_with_a_query(service: Service) -> None:
    target = "/auth?key=site&limits=FIXED+1+1h&by=X-Forwarded-For"
    assert service.ask("GET", target, X_Forwarded_For="6.6.6.6, 9.9.9.9").status == 200
    assert service.ask("GET", target, X_Forwarded_For="7.7.7.7, 9.9.9.9").status == 429, (
        "the client wrote the first one"
    )
    assert service.ask("GET", target, X_Forwarded_For="8.8.8.8").status == 200
    assert service.ask("GET", target).status == 400


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ("{", 400, "the body is no valid JSON, at byte 2"),
        ("[" * 16_000, 400, "the body must be an object of JSON"),
        ('{"a":' * 3_000, 400, 'the field "a" must not be an object'),
        (b'{"key": "\xff"}', 400, "the body is no valid JSON, at byte 10"),
        ({"key": "k", "limits": "FIXED 5 1h", "colour": 1}, 400, 'the field "colour" is not known here'),
        ({"key": "k", "limits": "FIXED 5"}, 400, None),
        ("x" * 20_000, 413, "the body is too large"),
    ],
)
def test_a_wrong_body_is_refused_and_said_why(service: Service, body: object, status: int, detail: str | None) -> None:
    answer = service.ask("POST", "/check", body)
    assert answer.status == status and answer.fields["Content-Type"] == "application/problem+json"
    assert detail in (None, answer.detail)


def test_a_header_that_is_too_large_is_refused(service: Service) -> None:
    assert service.ask("GET", "/health/live", Cookie="x" * 10_000).status == 431


def test_requests_in_one_connection_are_answered_in_their_order(service: Service) -> None:
    many = 200
    limits = {"limits": f"FIXED {many} 1h"}
    with service.socket() as connection:
        connection.sendall(b"".join(request_bytes({"key": "k", **limits}) for _ in range(many)))
        stream = connection.makefile("rb")
        remaining = [json.loads(read_response(stream))["remaining"] for _ in range(many)]
    assert remaining == list(reversed(range(many)))


def read_response(stream) -> bytes:
    assert stream.readline().startswith(b"HTTP/1.1 200")
    fields = http.client.parse_headers(stream)
    return stream.read(int(fields["Content-Length"]))


def test_a_client_that_stops_sending_still_gets_its_answers(service: Service) -> None:
    with service.socket() as connection:
        connection.sendall(request_bytes(FIVE) * 3)
        connection.shutdown(1)
        assert all_of(connection).count(b"HTTP/1.1 200 OK") == 3


def test_nonsense_is_answered_and_the_connection_closed(service: Service) -> None:
    with service.socket() as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert all_of(connection).startswith(b"HTTP/1.1 400 ")


def test_the_request_id_is_in_the_answer_and_in_the_log(service: Service) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = service.ask("POST", "/check", FIVE, X_Request_Id="made-by-a-proxy", traceparent=trace)
    assert answer.fields["X-Request-Id"] == "made-by-a-proxy" == answer.json["request_id"]
    assert answer.fields["traceparent"] == trace
    (line,) = [line for line in service.events("decision") if line["request_id"] == "made-by-a-proxy"]
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c" and line["result"] == "allowed"
    assert '"k"' not in service.log_text(), "keys are not logged"


def test_the_metrics_count_by_limiter_and_have_a_histogram(service: Service, server: Server) -> None:
    with server.client() as db:
        db.do("RL.DEFINE counted FIXED 1 1h")
    for _ in range(2):
        service.check(limiter="counted", subject="bob")
    begin = 'check_service_decisions_total{limiter="counted",source="server",result='
    assert service.metric(begin + '"allowed"') == service.metric(begin + '"blocked"') == 1
    assert service.metric("ratelimit_client_latency_seconds_count") >= 2
    assert service.metric("ratelimit_client_breaker_state") == 0


def test_a_service_whose_server_answers_is_ready(service: Service) -> None:
    assert service.ask("GET", "/health/ready").json == {"status": "ready"}
    assert service.ask("GET", "/health/live").json == {"status": "live"}
