# SPDX-License-Identifier: MIT
"""Clients that hold on to the door for Envoy, or flood it: nobody else waits, and nothing of it stays."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from envoy_client import HEALTH, METHOD, OK, EnvoyService, Status, descriptor, request
from harness import PATIENCE_S, eventually
from http2 import (
    ACK,
    CALL,
    CONTINUATION,
    END_HEADERS,
    HEADERS,
    HELLO,
    KEPT,
    LARGEST,
    PING,
    RESET,
    SETTINGS,
    call,
    field,
    frame,
    headers,
    integer,
    message,
)
from service import memory_kb

YAML = """
domain: web
descriptors:
  - key: tenant
    rate_limit: {unit: day, requests_per_unit: 1000000}
"""
ACME = descriptor(("tenant", "acme"))
RIGHT = request(ACME).SerializeToString()

Start = Callable[..., EnvoyService]


@pytest.fixture
def start(services: Callable[..., EnvoyService], rules: Callable[..., Path]) -> Start:
    return lambda **settings: services(rules(YAML), **settings)


def connect(service: EnvoyService, hello: bytes = HELLO) -> socket.socket:
    host, port = service.grpc_address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
    connection.sendall(hello)
    return connection


def is_answered(service: EnvoyService) -> bool:
    with service.envoy() as envoy:
        return envoy.codes(ACME) == [OK]


def wait_for_end(connection: socket.socket) -> None:
    """Reads until the other side closes."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        pass


def connections(service: EnvoyService) -> int:
    return int(service.metric("check_service_envoy_connections"))


def held(service: EnvoyService) -> int:
    return int(service.metric("check_service_envoy_held_requests"))


def memory_mb(service: EnvoyService) -> float:
    return memory_kb(service) / 1024


@contextmanager
def files_for(many: int) -> Iterator[int]:
    """Lets this process have so many more open files, or as many as the system allows. How many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = min(many, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, many + 400), hard))
    try:
        yield many
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- connections ------------------------------------------------------------------------------------


def test_thousands_of_idle_connections_cost_little_and_nobody_waits(start: Start) -> None:
    service = start(grpc_connections=10_001, grpc_memory=256, idle_time="10m", request_time="1m")
    assert is_answered(service)
    before = memory_kb(service)
    with files_for(10_000) as many, ExitStack() as ends:
        for _ in range(many):
            ends.enter_context(connect(service))
        eventually(lambda: connections(service) >= many, "all to be connected")
        assert is_answered(service)
        assert (memory_kb(service) - before) / many < 20, "KB a connection"
    eventually(lambda: connections(service) == 0, "all to be closed")
    assert is_answered(service)


def test_connections_beyond_the_bound_are_closed_at_once(start: Start) -> None:
    service = start(grpc_connections=3)
    with ExitStack() as ends:
        held = [ends.enter_context(connect(service)) for _ in range(3)]
        eventually(lambda: connections(service) == 3, "all to be connected")
        for _ in range(20):
            with connect(service) as more:
                wait_for_end(more)
        assert all(each.recv(9)[3] == SETTINGS for each in held), "who was there before stays"
    eventually(lambda: connections(service) == 0, "all to be closed")
    eventually(lambda: is_answered(service), "others to be let in")


def test_it_listens_again_when_the_system_has_files_again(start: Start) -> None:
    """gRPC's own listener would not."""
    service = start()
    assert is_answered(service)  # it has the connections to its server that it needs
    eventually(lambda: connections(service) == 0, "nobody to be connected")
    used = len(os.listdir(f"/proc/{service.process.pid}/fd"))
    usual = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (used + 10, usual[1]))
    with ExitStack() as ends:
        for _ in range(50):
            ends.enter_context(connect(service))
        eventually(lambda: len(os.listdir(f"/proc/{service.process.pid}/fd")) == used + 10, "no file to be left")
        time.sleep(0.3)
    eventually(lambda: is_answered(service), "it to take connections again")


def test_a_connection_ends_after_its_time_though_a_request_never_does(start: Start) -> None:
    service = start(grpc_connection_time="1s", request_time="1s")
    with connect(service, HELLO + call(1) + message(1, RIGHT[:5], len(RIGHT))) as held:
        wait_for_end(held)
    assert is_answered(service)


def test_a_connection_that_ends_after_its_time_loses_no_request(start: Start) -> None:
    service = start(grpc_connection_time="300ms", request_time="1s")
    with service.envoy() as envoy:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert envoy.codes(ACME) == [OK]


def test_a_client_that_is_gone_without_a_farewell_is_noticed(start: Start) -> None:
    """It has asked half a question, and answers no ping."""
    service = start(idle_time="1s", request_time="1s")
    with connect(service, HELLO + call(1)) as gone:
        wait_for_end(gone)
    assert is_answered(service)


# --- floods -----------------------------------------------------------------------------------------


def pings() -> Iterator[bytes]:
    while True:
        yield frame(PING, bytes(8)) * 1000


def slow_pings() -> Iterator[bytes]:
    while True:
        time.sleep(0.3)
        yield frame(PING, bytes(8))


def settings() -> Iterator[bytes]:
    while True:
        yield frame(SETTINGS) * 1000


def acknowledgements() -> Iterator[bytes]:
    while True:
        yield frame(PING, bytes(8), flags=ACK) * 1000


def a_large_header() -> Iterator[bytes]:
    """One of a gigabyte, in pieces."""
    yield frame(HEADERS, CALL + b"\0" + integer(4, 7) + b"x-id" + integer(1 << 30, 7), 1)
    while True:
        yield frame(CONTINUATION, b"x" * LARGEST, 1)


def many_headers() -> Iterator[bytes]:
    yield frame(HEADERS, CALL, 1)
    one = b"".join(field(f"x-{number}".encode(), b"v" * 100) for number in range(140))
    while True:
        yield frame(CONTINUATION, one, 1)


def endless_numbers() -> Iterator[bytes]:
    """A length that is written with zeros for ever."""
    yield frame(HEADERS, CALL + b"\0\x7f", 1)
    while True:
        yield frame(CONTINUATION, b"\x80" * LARGEST, 1)


def empty_continuations() -> Iterator[bytes]:
    yield frame(HEADERS, CALL, 1)
    while True:
        yield frame(CONTINUATION, b"", 1) * 1000


def large_messages() -> Iterator[bytes]:
    stream = 1
    while True:
        yield call(stream) + message(stream, b"x" * 70_000, 1 << 31)
        stream += 2


def half_messages() -> Iterator[bytes]:
    """Requests that all but end."""
    stream = 1
    while True:
        yield call(stream) + message(stream, b"x" * 60_000, 65_000)
        stream += 2


def requests_taken_back() -> Iterator[bytes]:
    stream = 1
    while True:
        taken_back = []
        for _ in range(100):
            taken_back.append(call(stream) + message(stream, RIGHT) + frame(RESET, bytes(4), stream))
            stream += 2
        yield b"".join(taken_back)


def taken_back(path: str) -> Iterator[bytes]:
    """As short as they can be."""
    yield frame(HEADERS, headers(path, 64), 1, END_HEADERS) + frame(RESET, bytes(4), 1)
    stream = 3
    while True:
        several = range(stream, stream + 1000, 2)
        yield b"".join(frame(HEADERS, KEPT, each, END_HEADERS) + frame(RESET, bytes(4), each) for each in several)
        stream += 1000


def short_requests_taken_back() -> Iterator[bytes]:
    return taken_back(METHOD)


def questions_of_health_taken_back() -> Iterator[bytes]:
    return taken_back(HEALTH)


def unknown_methods_taken_back() -> Iterator[bytes]:
    return taken_back("/nobody/Knows")


def requests_whose_answers_nobody_reads() -> Iterator[bytes]:
    stream = 1
    while True:
        yield b"".join(call(each) + message(each, RIGHT) for each in range(stream, stream + 200, 2))
        stream += 200


FLOODS = [
    *(pings, slow_pings, settings, acknowledgements, a_large_header, many_headers, endless_numbers),
    *(empty_continuations, large_messages, half_messages, requests_taken_back, short_requests_taken_back),
    *(questions_of_health_taken_back, unknown_methods_taken_back, requests_whose_answers_nobody_reads),
]
MOST = 48 << 20  # bytes that a flood sends, if it is let
LONGEST = 2  # seconds


def pour(service: EnvoyService, flood: Callable[[], Iterator[bytes]]) -> None:
    """Sends until the other side closes, takes no more, or has enough. Reads nothing."""
    with connect(service) as connection:
        connection.settimeout(1)
        until = time.monotonic() + LONGEST
        sent = 0
        with suppress(OSError):
            for piece in flood():
                connection.sendall(piece)
                sent += len(piece)
                if sent > MOST or time.monotonic() > until:
                    break
        assert is_answered(service), "while it lasts"


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_is_bounded_and_nobody_waits(start: Start, flood: Callable[[], Iterator[bytes]]) -> None:
    service = start(request_time="1s", log_level="info")
    for _ in range(2):
        pour(service, flood)
    assert memory_mb(service) < 400
    eventually(lambda: connections(service) == 0, "all to be closed")
    eventually(lambda: held(service) == 0, "no request to be left")
    eventually(lambda: memory_mb(service) < 100, "the memory to go back")
    assert is_answered(service)


@pytest.mark.parametrize("flood", [many_headers, half_messages, requests_taken_back, short_requests_taken_back])
def test_many_floods_hold_no_more_than_one(start: Start, flood: Callable[[], Iterator[bytes]]) -> None:
    """`grpc_memory` is for all connections. While it is used up, new ones are refused."""
    service = start(request_time="1s", grpc_memory=16, log_level="info")

    def hold() -> None:
        with connect(service) as connection, suppress(OSError):
            connection.settimeout(1)
            pieces = flood()
            while sum(sent) < 10 * MOST and time.monotonic() < until:
                connection.sendall(piece := next(pieces))
                sent.append(len(piece))

    sent: list[int] = []
    until = time.monotonic() + 2 * LONGEST
    with ThreadPoolExecutor(20) as pool:
        for each in [pool.submit(hold) for _ in range(20)]:
            each.result()
    assert memory_mb(service) < 600, "with what was given back within the last half second"
    eventually(lambda: is_let_in(service), "others to be let in")
    eventually(lambda: held(service) == 0, "no request to be left")
    eventually(lambda: memory_mb(service) < 100, "the memory to go back")


def is_let_in(service: EnvoyService) -> bool:
    """Whether a request is answered now. gRPC cancels some while its memory is used up."""
    with service.envoy() as envoy:
        return envoy.call.future(request(ACME), timeout=PATIENCE_S, wait_for_ready=True).code() == Status.OK


def test_headers_beyond_their_bound_are_an_error_of_the_request(start: Start) -> None:
    service = start()
    with service.envoy() as envoy:
        assert envoy.error(request(ACME), metadata=[("x-large", "x" * 20_000)]) == Status.RESOURCE_EXHAUSTED
    assert is_let_in(service)  # over a connection of its own: gRPC closes the other one now and then
