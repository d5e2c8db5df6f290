# SPDX-License-Identifier: MIT
"""What the HTTP door answers for the door for Envoy: /json, /rlconfig, /healthcheck, and its part of /metrics."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from envoy_client import EnvoyService, descriptor
from harness import Server, output_of
from service import FOLDER, Answer, Service

pytestmark = pytest.mark.usefixtures("clock")

Services = Callable[..., EnvoyService]
Rules = Callable[..., Path]

YAML = """
domain: web
descriptors:
  - key: tenant
    rate_limit: {unit: hour, requests_per_unit: 2, name: small}
  - key: tenant
    value: trial
    shadow_mode: true
    rate_limit: {unit: hour, requests_per_unit: 1}
  - key: probe
    rate_limit: {unlimited: true}
"""


def asked(value: str = "acme", **others: object) -> dict:
    return {"domain": "web", "descriptors": [{"entries": [{"key": "tenant", "value": value}]}]} | others


def post(service: Service, body: object) -> Answer:
    return service.ask("POST", "/json", body)


def test_json_is_answered_as_grpc_is(services: Services, rules: Rules) -> None:
    service = services(rules(YAML))
    answers = [post(service, asked()) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[0].fields["Content-Type"] == "application/json"
    limit = {"name": "small", "requestsPerUnit": 2, "unit": "HOUR"}
    status = {"code": "OK", "currentLimit": limit, "limitRemaining": 1, "durationUntilReset": "3600s"}
    assert answers[0].json == {"overallCode": "OK", "statuses": [status]}
    assert answers[2].json["overallCode"] == "OVER_LIMIT"
    with service.envoy() as envoy:
        assert envoy.remaining(descriptor(("tenant", "acme"))) == [0], "both doors count the same"


def test_json_has_the_names_of_protobuf_in_both_spellings(services: Services, rules: Rules) -> None:
    service = services(rules(YAML))
    assert post(service, asked("a", hitsAddend=2)).json["statuses"][0].get("limitRemaining", 0) == 0
    assert post(service, asked("b", hits_addend=2)).json["statuses"][0].get("limitRemaining", 0) == 0
    entry = {"entries": [{"key": "tenant", "value": "a"}], "hitsAddend": "1", "isNegativeHits": True}
    assert post(service, {"domain": "web", "descriptors": [entry]}).status == 200
    assert post(service, asked("a")).status == 200, "one hit came back"


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "null", '"text"', '{"domain": 1}', '{"domain": "web", "colour": 1}', '{"domain": "web"}', "{}"],
)
def test_what_is_no_request_is_a_mistake(services: Services, rules: Rules, body: str) -> None:
    answer = post(services(rules(YAML)), body)
    assert answer.status == 400 and answer.fields["Content-Type"] == "application/problem+json"


def test_json_that_nests_without_end_is_a_mistake(services: Services, rules: Rules) -> None:
    service = services(rules(YAML))
    assert post(service, '{"descriptors":' + "[" * 8000).status == 400
    assert post(service, asked()).status == 200


def test_a_mistake_of_the_set_up_is_500_and_an_outage_503(services: Services, rules: Rules, server: Server) -> None:
    with server.client() as db:
        db.do("ACL SETUSER checks on >secret-word ~* +@all")
    folder = rules(YAML)
    assert post(services(folder, user="checks", password="wrong"), asked()).status == 500
    away = services(folder, "127.0.0.1:1", envoy_without_server="error")
    assert post(away, asked()).status == 503


def test_the_request_id_and_the_trace_come_back(services: Services, rules: Rules) -> None:
    service = services(rules(YAML))
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = service.ask("POST", "/json", json.dumps(asked()), X_Request_Id="mine", traceparent=trace)
    assert (answer.fields["X-Request-Id"], answer.fields["traceparent"]) == ("mine", trace)
    assert service.events("decision")[-1]["request_id"] == "mine"


def test_the_rules_in_force_are_shown(services: Services, rules: Rules) -> None:
    answer = services(rules(YAML)).ask("GET", "/rlconfig")
    lines = answer.body.decode().splitlines()
    assert answer.status == 200 and answer.fields["Content-Type"].startswith("text/plain") and len(lines) == 3
    assert lines[0].startswith("web.tenant: unit=hour requests_per_unit=2, limit=FIXED 2 1h ALIGNED,")
    assert "shadow_mode: true" in lines[1] and "unlimited" in lines[2]


def test_the_page_shows_what_a_newcomer_sees(services: Services) -> None:
    page = (FOLDER / "envoy" / "README.md").read_text()
    (line,) = re.findall(r"^curl .*$", page, re.MULTILINE)
    (shown,) = re.findall(r'^{"overallCode".*$', page, re.MULTILINE)
    service = services(FOLDER / "envoy" / "rules")
    command = [*shlex.split(line.replace("127.0.0.1:8080", f"127.0.0.1:{service.port}")), "-w", "%{http_code}", "-s"]
    answers = [output_of(*command) for _ in range(4)]
    assert answers[0].startswith(shown.split('"durationUntilReset"')[0])
    assert [answer[-3:] for answer in answers] == ["200", "200", "200", "429"]


def test_the_rules_of_the_page_are_right(services: Services, rules: Rules) -> None:
    page = (FOLDER / "envoy" / "README.md").read_text()
    yaml = next(block for block in page.split("```yaml\n")[1:] if block.startswith("domain:")).split("```")[0]
    assert services(rules(yaml)).ask("GET", "/rlconfig").body.count(b"\n") == 3


def test_the_health_check_says_ok(services: Services, rules: Rules) -> None:
    answer = services(rules(YAML)).ask("GET", "/healthcheck")
    assert (answer.status, answer.body) == (200, b"OK")


def test_the_paths_are_there_with_rules_only(server: Server, services: Services, rules: Rules) -> None:
    methods = {"/json": "POST", "/rlconfig": "GET", "/healthcheck": "GET"}
    with Service(server.socket) as without:
        for path, method in methods.items():
            assert without.ask(method, path).status == 404
        assert "envoy" not in without.ask("GET", "/metrics").body.decode()
    service = services(rules(YAML))
    for path, method in methods.items():
        other = "GET" if method == "POST" else "POST"
        answer = service.ask(other, path)
        assert answer.status == 405 and method in answer.fields["Allow"]


def test_hits_are_counted_by_rule(services: Services, rules: Rules) -> None:
    service = services(rules(YAML))
    for value in ("a", "a", "a", "trial", "trial"):
        post(service, asked(value))
    begin = "check_service_envoy_hits_total"
    assert service.metric(f'{begin}{{rule="web.tenant",result="allowed"}}') == 2
    assert service.metric(f'{begin}{{rule="web.tenant",result="blocked"}}') == 1
    assert service.metric(f'{begin}{{rule="web.tenant_trial",result="shadow"}}') == 2


def test_values_do_not_fill_the_memory(services: Services, rules: Rules) -> None:
    service = services(
        rules("domain: web\ndescriptors:\n  - key: tenant\n    detailed_metric: true\n    limit: FIXED 9 1d\n")
    )
    with service.envoy() as envoy:
        for first in range(0, 1200, 60):
            envoy.ask(*(descriptor(("tenant", str(number))) for number in range(first, first + 60)))
    lines = service.ask("GET", "/metrics").body.decode().splitlines()
    rules_seen = [line for line in lines if line.startswith("check_service_envoy_hits_total{")]
    assert len(rules_seen) == 1001
    assert service.metric('check_service_envoy_hits_total{rule="other",result="allowed"}') == 200
