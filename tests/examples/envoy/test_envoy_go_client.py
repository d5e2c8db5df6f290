# SPDX-License-Identifier: MIT
"""Another client that plays Envoy: in Go, with the types its project publishes. It is told what the client in Python
is told, and knows fields that the messages for Python are too old for."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import json_format

from certificates import Files
from envoy_client import Envoy, EnvoyService, RateLimitRequest
from harness import PATIENCE_S, REPOSITORY
from published import ours

pytestmark = pytest.mark.usefixtures("clock")

PROGRAM = Path(os.environ.get("RATELIMIT_ENVOY_GO_CLIENT", REPOSITORY / "build/envoy-go-client/envoy_client"))

YAML = """
domain: web
descriptors:
  - key: tenant
    rate_limit: {unit: minute, requests_per_unit: 3, name: small}
  - key: address
    limit: TOKENBUCKET 20 10 1s
  - key: model
    force: true
    limit: QUOTA 1000 DAY
  - key: probe
    rate_limit: {unlimited: true}
  - key: path
    value: /api/*
    quota_mode: true
    metadata: {tier: gold, retry: {after: 5}}
    rate_limit: {unit: hour, requests_per_unit: 2}
"""


def entry(key: str, value: str = "", **others: object) -> dict:
    return {"entries": [{"key": key, "value": value}]} | others


def question(*descriptors: dict, domain: str = "web", **others: object) -> dict:
    return {"domain": domain, "descriptors": list(descriptors)} | others


TENANT, ADDRESS, PROBE = entry("tenant", "acme"), entry("address", "10.0.0.1"), entry("probe")
QUESTIONS = [
    question(TENANT),
    question(TENANT, ADDRESS, PROBE, entry("strange")),
    question(TENANT, TENANT),  # more than is left
    question(ADDRESS, hitsAddend=7),
    question(TENANT, entry("address", "10.0.0.1", hitsAddend="5")),
    question(entry("tenant", "acme", hitsAddend="0")),
    question(TENANT, ADDRESS),  # over its limit
    question(entry("model", "large"), hitsAddend=1500),
    question(entry("model", "large")),
    question(entry("path", "/api/one"), hitsAddend=2),
    question(entry("path", "/api/one")),
    question(entry("user", "eve", limit={"requestsPerUnit": 2, "unit": "HOUR"}), hitsAddend=2),
    question(entry("user", "eve", limit={"requestsPerUnit": 2, "unit": "HOUR"})),
    question(TENANT, domain="other"),
    question(domain="web"),  # no descriptor: an error
]


def go(service: EnvoyService, questions: list[dict], *arguments: object) -> list[dict]:
    """What the client in Go is told."""
    lines = "".join(json.dumps(each) + "\n" for each in questions)
    command = [PROGRAM, service.grpc_address, *arguments]
    run = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=3 * PATIENCE_S, check=False)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def python(envoy: Envoy, questions: list[dict]) -> list[dict]:
    """What the client in Python is told, in the same form."""
    told = []
    for number, each in enumerate(questions, 1):
        request = json_format.ParseDict(each, RateLimitRequest())
        call = envoy.call.future(request, timeout=PATIENCE_S, metadata=[("x-request-id", f"envoy-{number}")])
        ids = [value for name, value in call.initial_metadata() if name == "x-request-id"]
        if call.exception() is None:
            told.append({"Response": json_format.MessageToDict(call.result()), "ID": ids})
        else:
            name = "".join(part.capitalize() for part in call.code().name.split("_"))
            told.append({"Error": name, "ID": ids})
    return told


@pytest.fixture
def service(services: Callable[..., EnvoyService], rules: Callable[..., Path]) -> Callable[[], EnvoyService]:
    """Each call gives a service that counts for itself."""
    count = iter("abc")
    settings = {"envoy_headers": "yes", "envoy_metadata": "yes"}
    return lambda: services(rules(YAML), envoy_prefix=f"{next(count)}:", **settings)


def test_both_clients_are_told_the_same(service: Callable[[], EnvoyService]) -> None:
    with service().envoy() as envoy:
        expected = python(envoy, QUESTIONS)
    assert go(service(), QUESTIONS) == expected
    codes = [each.get("Error") or each["Response"]["overallCode"] for each in expected]
    assert codes == [
        *("OK", "OK", "OVER_LIMIT", "OK", "OK", "OK", "OVER_LIMIT", "OVER_LIMIT", "OVER_LIMIT"),
        *("OK", "OVER_LIMIT", "OK", "OVER_LIMIT", "OK", "InvalidArgument"),
    ]


def test_a_client_in_go_gets_every_field(service: Callable[[], EnvoyService]) -> None:
    denied = go(service(), [question(TENANT, ADDRESS, hitsAddend=3), question(TENANT, ADDRESS)])[1]["Response"]
    small = {"requestsPerUnit": 3, "unit": "MINUTE", "name": "small"}
    assert denied["overallCode"] == "OVER_LIMIT"
    assert denied["statuses"][0] == {"code": "OVER_LIMIT", "currentLimit": small, "durationUntilReset": "60s"}
    assert denied["statuses"][1]["limitRemaining"] == 17, "the bucket was not charged"
    headers = {each["key"]: each["value"] for each in denied["responseHeadersToAdd"]}
    assert headers["RateLimit-Limit"] == "3" and headers["Retry-After"] == "60"
    assert headers["x-ratelimit-denied-by"].startswith("web.tenant")
    assert denied["dynamicMetadata"]["denied_by"]["rule"] == "web.tenant"


def test_a_client_in_go_gives_hits_back(service: Callable[[], EnvoyService]) -> None:
    back = entry("tenant", "acme", hitsAddend="2", isNegativeHits=True)
    told = go(service(), [question(TENANT, hitsAddend=3), question(TENANT), question(back), question(TENANT)])
    assert [each["Response"]["overallCode"] for each in told] == ["OK", "OVER_LIMIT", "OK", "OK"]
    assert told[3]["Response"]["statuses"][0]["limitRemaining"] == 1


def test_a_limit_of_a_request_may_have_a_window_of_several_units(service: Callable[[], EnvoyService]) -> None:
    limit = {"requestsPerUnit": 2, "unit": "MINUTE", "unitMultiplier": 10}
    one = question(entry("user", "eve", limit=limit))
    longer = question(entry("user", "eve", limit=limit | {"unitMultiplier": 11}))
    none = question(entry("user", "eve", limit=limit | {"unit": "MONTH"}))
    told = go(service(), [one, one, one, longer, none])
    (status,) = told[0]["Response"]["statuses"]
    assert (status["currentLimit"], status["durationUntilReset"]) == (limit, "600s")
    assert [each.get("Error") or each["Response"]["overallCode"] for each in told] == [
        *("OK", "OK", "OVER_LIMIT", "OK", "InvalidArgument")
    ]


def test_a_client_in_go_encrypts(
    services: Callable[..., EnvoyService], rules: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "door").mkdir()
    files = Files(tmp_path / "door")
    service = services(rules(YAML), **files.settings, listen_tls="1.3")
    assert go(service, [question(TENANT)], files.certificate)[0]["Response"]["overallCode"] == "OK"


def test_the_types_for_go_have_our_names_and_numbers() -> None:
    """All that the published messages know is there, and the same, in ours."""
    run = subprocess.run([PROGRAM, "fields"], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    theirs = {name: tuple(field) for name, field in json.loads(run.stdout).items()}
    assert "envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.is_negative_hits" in theirs
    mine = ours()
    assert {name: mine.get(name) for name in theirs} == theirs
