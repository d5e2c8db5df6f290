# SPDX-License-Identifier: MIT
"""Bounds of the door for Envoy: hostile bytes, large requests, many at once; and that counts are exact."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from envoy_client import (
    METHOD,
    OK,
    OVER,
    EnvoyService,
    RateLimitRequest,
    RateLimitResponse,
    Status,
    descriptor,
    request,
)
from harness import PATIENCE_S, Server
from published import fields_of, ours

pytestmark = pytest.mark.usefixtures("clock")

Services = Callable[..., EnvoyService]
Rules = Callable[..., Path]

YAML = """
domain: web
descriptors:
  - key: tenant
    rate_limit: {unit: day, requests_per_unit: 100}
  - key: address
    rate_limit: {unit: day, requests_per_unit: 1000000}
"""
ACME = descriptor(("tenant", "acme"))

# How HTTP/2 begins.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


@pytest.fixture
def service(services: Services, rules: Rules) -> EnvoyService:
    return services(rules(YAML))


def test_wrong_requests_are_refused_in_words(service: EnvoyService) -> None:
    with service.envoy() as envoy:
        assert envoy.error(request(ACME, domain="")) == Status.INVALID_ARGUMENT
        assert envoy.error(request()) == Status.INVALID_ARGUMENT
        too_many = [descriptor(("tenant", str(number))) for number in range(65)]
        assert envoy.error(request(*too_many)) == Status.INVALID_ARGUMENT
        assert envoy.error(request(descriptor(("tenant", "a"), hits=2**60))) == Status.INVALID_ARGUMENT
        assert envoy.codes(ACME) == [OK]


def test_a_large_request_is_refused_before_it_is_read(service: EnvoyService) -> None:
    with service.envoy() as envoy:
        large = descriptor(("tenant", "x" * 70_000))
        assert envoy.error(request(large)) == Status.RESOURCE_EXHAUSTED
        assert envoy.codes(ACME) == [OK]


def test_long_values_have_counts_of_their_own(service: EnvoyService) -> None:
    with service.envoy() as envoy:
        one, two = (descriptor(("tenant", "x" * 5000 + end)) for end in "ab")
        assert envoy.ask(one, hits=40).statuses[0].limit_remaining == 60
        assert envoy.ask(two, hits=10).statuses[0].limit_remaining == 90
        assert envoy.ask(one).statuses[0].limit_remaining == 59


def test_any_bytes_get_an_answer(service: EnvoyService) -> None:
    """What is no request is an error, and what is one by chance is answered. gRPC 1.51 calls unimplemented what is no
    message at all."""
    chance = random.Random(20)
    good = request(ACME, hits=1).SerializeToString()
    with service.envoy() as envoy:
        for _ in range(300):
            bytes_ = bytearray(good) if chance.random() < 0.7 else bytearray(chance.randbytes(chance.randrange(200)))
            for _ in range(chance.randrange(1, 4)):
                if bytes_:
                    bytes_[chance.randrange(len(bytes_))] = chance.randrange(256)
            code = envoy.call_raw.future(bytes(bytes_), timeout=PATIENCE_S).code()
            assert code in (Status.OK, Status.UNIMPLEMENTED, Status.INVALID_ARGUMENT), code
        assert envoy.ask(descriptor(("tenant", "other"))).statuses[0].limit_remaining == 99


def test_bytes_that_are_no_grpc_end_their_connection(service: EnvoyService) -> None:
    host, port = service.grpc_address.rsplit(":", 1)
    for bytes_ in (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0" * 1000,
        PREFACE + b"\xff" * 99,
    ):
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
            connection.sendall(bytes_)
            try:
                while connection.recv(65536):
                    pass
            except ConnectionResetError:
                pass
    with service.envoy() as envoy:
        assert envoy.codes(ACME) == [OK]


@pytest.mark.parametrize("bytes_", [b"", PREFACE, PREFACE + SETTINGS], ids=["nothing", "half", "whole"])
def test_who_says_no_more_is_closed(services: Services, rules: Rules, bytes_: bytes) -> None:
    service = services(rules(YAML), idle_time="1s")
    host, port = service.grpc_address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
        connection.sendall(bytes_)
        while connection.recv(65536):
            pass  # settings, pings, the farewell
    with service.envoy() as envoy:
        assert envoy.codes(ACME) == [OK]


def test_another_method_is_unimplemented(service: EnvoyService) -> None:
    with service.envoy() as envoy:
        envoy.call_raw = envoy.channel.unary_unary(METHOD.replace("ShouldRateLimit", "Other"))
        assert envoy.error(b"") == Status.UNIMPLEMENTED


def test_the_request_id_comes_back_or_is_made(service: EnvoyService) -> None:
    with service.envoy() as envoy:
        for sent, expected in (("mine-1", "mine-1"), ("not good!", None)):
            _, call = envoy.call.with_call(request(ACME), metadata=[("x-request-id", sent)], timeout=PATIENCE_S)
            (got,) = (value for name, value in call.initial_metadata() if name == "x-request-id")
            assert got == expected or (expected is None and len(got) == 32)
    assert "mine-1" in [line["request_id"] for line in service.events("decision")]
    assert "acme" not in service.log_text(), "values may be secrets"


def test_parallel_requests_get_exactly_the_limit(service: EnvoyService, server: Server) -> None:
    def answers(number: int) -> list[int]:
        with service.envoy() as envoy:
            both = [ACME, descriptor(("address", str(number)))]
            futures = [envoy.call.future(request(*both), timeout=PATIENCE_S) for _ in range(60)]
            return [future.result().overall_code for future in futures]

    with ThreadPoolExecutor(6) as pool:
        codes = [code for part in pool.map(answers, range(6)) for code in part]
    assert (codes.count(OK), codes.count(OVER)) == (100, 260)
    with server.client() as db:
        left = [db.execute_command("RL.PEEK", "envoy:{web}:address", "FOR", number)[2] for number in range(6)]
    assert sum(1_000_000 - each for each in left) == 100, "who was denied by the one was not charged by the other"


def test_two_instances_count_together(services: Services, rules: Rules) -> None:
    folder = rules(YAML)
    with services(folder).envoy() as one, services(folder).envoy() as two:
        assert one.ask(ACME, hits=60).statuses[0].limit_remaining == 40
        assert two.ask(ACME, hits=41).overall_code == OVER
        assert two.ask(ACME, hits=40).overall_code == OK


def test_a_stream_too_many_waits_for_its_turn(services: Services, rules: Rules) -> None:
    """More than the bound are not refused: HTTP/2 has the client hold them back."""
    service = services(rules(YAML), grpc_streams=2)
    with service.envoy() as envoy:
        futures = [envoy.call.future(request(ACME), timeout=PATIENCE_S, wait_for_ready=True) for _ in range(50)]
        assert [future.result().overall_code for future in futures] == [OK] * 50


def test_a_connection_may_stay_for_thousands_of_requests(service: EnvoyService) -> None:
    with service.envoy() as envoy:
        futures = [
            envoy.call.future(request(descriptor(("address", str(number % 7)))), timeout=PATIENCE_S)
            for number in range(2000)
        ]
        assert all(future.result().overall_code == OK for future in futures)
    assert service.metric("check_service_envoy_open_requests") == 0


def test_published_messages_have_our_names_and_numbers() -> None:
    """What the published messages know is all there, and the same, in ours."""
    theirs = fields_of(RateLimitRequest.DESCRIPTOR) | fields_of(RateLimitResponse.DESCRIPTOR)
    assert theirs, "nothing to compare"
    mine = ours()
    assert {name: mine.get(name) for name in theirs} == theirs
