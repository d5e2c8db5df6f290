# SPDX-License-Identifier: MIT
"""openapi.yaml says what the program does: its paths and methods, the fields that it knows, what it answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from harness import Server
from operator_pages import look, token_file
from service import FOLDER, Answer, Service

DOCUMENT = yaml.safe_load((FOLDER / "openapi.yaml").read_text())
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]
CALLS = ["/check", "/reserve", "/settle"]
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}
TYPES |= {"null": type(None)}


def resolved(value: dict) -> dict:
    while "$ref" in value:
        found = DOCUMENT
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        value = found
    return value


OF_LIMITS = {"limits", "algorithm", "capacity", "refill_rate", "refill_period", "leak_rate", "leak_period", "limit"}
OF_LIMITS |= {"window", "unit", "lease_time"}


# What is there with some settings only.
RULES = "domain: web\ndescriptors:\n  - key: tenant\n    rate_limit: {unit: day, requests_per_unit: 1}\n"


@pytest.fixture
def service_with_all(services: Callable[..., Service], tmp_path: Path) -> Service:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "web.yaml").write_text(RULES)
    for_envoy = {"grpc_address": "127.0.0.1:0", "envoy_headers": "yes", "envoy_metadata": "yes"}
    token = token_file(tmp_path)
    return services(envoy_rules=tmp_path / "rules", **for_envoy, operator_token_file=token, operator_deadline="30s")


def schema_of_request(path: str) -> dict:
    return resolved(DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"])


def assert_documented(path: str, method: str, answer: Answer) -> None:
    """The status is there, its headers are known, and the body fits its schema."""
    response = resolved(DOCUMENT["paths"][path][method.lower()]["responses"][str(answer.status)])
    for name in response.get("headers", {}):
        if name not in ("Retry-After", "RateLimit", "RateLimit-Policy"):
            assert name in answer.fields, name
    for name in ("Retry-After", "RateLimit", "RateLimit-Policy"):
        documented = name in response.get("headers", {}) or answer.status == 503
        assert name not in answer.fields or documented, name
    ((media, content),) = response["content"].items()
    assert answer.fields["Content-Type"].split(";")[0] == media
    if media != "text/plain":
        assert_fits(answer.json, resolved(content["schema"]))


def assert_fits(value: dict, schema: dict) -> None:
    assert set(value) <= set(schema["properties"]), value
    assert set(schema["required"]) <= set(value), value
    for name, each in value.items():
        rule = resolved(schema["properties"][name])
        kinds = rule.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        assert not kinds or isinstance(each, tuple(TYPES[kind] for kind in kinds)), (name, each)
        assert each in rule.get("enum", [each]) and each == rule.get("const", each), (name, each)
        if rule.get("type") == "object" and "properties" in rule:
            assert_fits(each, rule)
        for item in each if isinstance(each, list) and "$ref" in rule.get("items", {}) else ():
            assert_fits(item, resolved(rule["items"]))


def test_there_are_these_paths_and_methods_and_no_others(service_with_all: Service) -> None:
    for path, operations in DOCUMENT["paths"].items():
        allowed = {method.upper() for method in operations}
        allowed |= {"HEAD"} if "GET" in allowed else set()
        for method in METHODS:
            is_known = service_with_all.ask(method, path).status not in (404, 405)
            assert is_known == (method in allowed or path == "/auth"), (method, path)
    for path in ("/", "/check/", "/health", "/openapi.yaml"):
        assert service_with_all.ask("GET", path).status == 404


def test_paths_that_need_a_setting_are_not_there_without_it(service: Service) -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert (service.ask(method.upper(), path).status == 404) == ("x-needs" in operation), path


@pytest.mark.parametrize("path", CALLS)
def test_the_program_knows_the_fields_of_a_request_and_no_others(service: Service, path: str) -> None:
    fields = set(schema_of_request(path)["properties"])
    asked = {"/check": {"limiter": "api"}, "/reserve": {"limiter": "api", "ttl": 1}}
    usual = asked.get(path, {"limiter": "api", "id": "job", "actual": 1})
    for field in fields | {"colour", "ttls"}:
        answer = service.ask("POST", path, usual | {field: True})
        is_unknown = answer.status == 400 and answer.detail == f'the field "{field}" is not known here'
        if field in OF_LIMITS:
            continue  # they are known beside a key; the next test names them all
        assert is_unknown == (field not in fields), (field, answer.body)


@pytest.mark.parametrize(
    ("algorithm", "fields"),
    [
        ("token_bucket", {"capacity": 5, "refill_rate": 1, "refill_period": 1}),
        ("gcra", {"capacity": 5, "refill_rate": 1, "refill_period": "1s"}),
        ("leaky_bucket", {"capacity": 5, "leak_rate": 1, "leak_period": 1}),
        ("fixed_window", {"limit": 5, "window": 60}),
        ("fixed_window_aligned", {"limit": 5, "window": 60}),
        ("sliding_window", {"limit": 5, "window": 60}),
        ("sliding_window_log", {"limit": 5, "window": 60}),
        ("sliding_window_counter", {"limit": 5, "window": "1m"}),
        ("quota", {"limit": 5, "unit": "month"}),
        ("concurrent", {"limit": 5, "lease_time": 30}),
        ("concurrency", {"limit": 5, "lease_time": 30}),
    ],
)
def test_each_algorithm_has_the_fields_that_it_is_documented_with(
    service: Service, algorithm: str, fields: dict
) -> None:
    schema = schema_of_request("/check")["properties"]
    assert algorithm in schema["algorithm"]["enum"] and set(fields) <= set(schema)
    answer = service.check(key="k", algorithm=algorithm, **fields)
    assert answer.status == 200, answer.body
    assert_documented("/check", "POST", answer)


def test_every_answer_to_envoy_is_documented(service_with_all: Service) -> None:
    asked = {"domain": "web", "descriptors": [{"entries": [{"key": "tenant", "value": "acme"}]}], "hitsAddend": 1}
    assert set(asked) == set(schema_of_request("/json")["properties"])
    answers = [service_with_all.ask("POST", "/json", body) for body in (asked, asked, {}, "{")]
    assert [answer.status for answer in answers] == [200, 429, 400, 400]
    for answer in answers:
        assert_documented("/json", "POST", answer)
    for path in ("/rlconfig", "/healthcheck"):
        assert_documented(path, "GET", service_with_all.ask("GET", path))


def test_every_answer_to_operators_is_documented(service_with_all: Service, server: Server) -> None:
    with server.client() as db:
        db.do("RL.DEFINE api FIXED 1 1h AS total CONCURRENT 1 1h")
        for _ in range(2):
            db.do("RL.CHECK api FOR bob ID job")
        db.do("RL.RESERVE api 60s FOR eve ID held")
    why = "/why?limiter=api&subject="
    asked = {"/limiters": "/limiters", "/limiters/{name}": "/limiters/api", "/why": f"{why}bob"}
    asked |= {f"/limiters/{{name}}/{page}": f"/limiters/api/{page}" for page in ("top", "log")}
    assert set(asked) == {path for path in DOCUMENT["paths"] if path.startswith(("/limiters", "/why"))}
    for path, target in asked.items():
        answers = [look(service_with_all, target), service_with_all.ask("GET", target)]
        answers.append(look(service_with_all, f"{target}{'&' if '?' in target else '?'}colour=1"))
        assert [answer.status for answer in answers] == [200, 401, 400]
        for answer in answers:
            assert_documented(path, "GET", answer)
    for subject in ("eve", "nobody"):
        assert_documented("/why", "GET", look(service_with_all, why + subject))
    assert_documented("/why", "GET", look(service_with_all, "/why?limiter=nothing"))
    assert_documented("/limiters/{name}", "GET", look(service_with_all, "/limiters/nothing"))


def test_every_answer_is_documented(service: Service, server: Server, services: Callable[..., Service]) -> None:
    one = {"key": "k", "limits": "FIXED 1 1h"}
    held = service.ask("POST", "/reserve", one | {"key": "h", "ttl": 60})
    settle = {"key": "h", "actual": 1}
    closed = services("127.0.0.1:1", without_server="closed")
    broken = services(server.socket, password="wrong")
    said = [
        ("/check", "POST", [service.check(**one), service.check(**one), service.check(**one | {"cost": 2})]),
        ("/check", "POST", [service.check(), service.ask("POST", "/check", "x" * 20_000)]),
        ("/check", "POST", [service.ask("POST", "/check", "{}", Content_Type="text/plain")]),
        ("/check", "POST", [closed.check(**one), broken.check(**one)]),
        ("/reserve", "POST", [held, service.ask("POST", "/reserve", {})]),
        ("/settle", "POST", [service.ask("POST", "/settle", settle | {"id": name}) for name in (held.json["id"], "x")]),
        ("/auth", "GET", [service.ask("GET", "/auth?limits=FIXED+1+1h") for _ in range(2)]),
        ("/health/ready", "GET", [service.ask("GET", "/health/ready"), closed.ask("GET", "/health/ready")]),
        ("/health/live", "GET", [service.ask("GET", "/health/live")]),
        ("/metrics", "GET", [service.ask("GET", "/metrics")]),
    ]
    statuses = set()
    for path, method, answers in said:
        for answer in answers:
            statuses.add(answer.status)
            if answer.status != 413:  # its connection ends, and nobody knows its id
                assert_documented(path, method, answer)
    assert statuses == {200, 400, 404, 413, 415, 429, 500, 503}
