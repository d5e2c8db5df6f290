# SPDX-License-Identifier: MIT
"""Slow, idle and numerous clients, and the end of the service: nobody holds anything."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest

from harness import eventually
from service import Service, all_of, memory_kb, request_bytes

FIVE = {"key": "k", "limits": "FIXED 5 1h"}


@pytest.mark.parametrize("begin", [b"POST /check HT", b"POST /check HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"])
def test_a_client_that_sends_a_request_byte_by_byte_is_told_and_closed(
    services: Callable[..., Service], begin: bytes
) -> None:
    service = services(request_time="500ms")
    began = time.monotonic()
    with service.socket() as connection:
        for byte in begin:
            connection.send(bytes([byte]))
        assert all_of(connection).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began >= 0.5


def test_an_idle_connection_is_closed(services: Callable[..., Service]) -> None:
    service = services(idle_time="500ms")
    with service.socket() as connection:
        assert all_of(connection) == b""


def test_a_client_that_does_not_read_its_answers_is_closed(services: Callable[..., Service]) -> None:
    service = services(request_time="500ms")
    with service.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.2)
        with suppress(OSError):  # the buffers are full, or the connection is closed
            while True:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        eventually(lambda: service.metric("check_service_connections") == 1, "the slow client to be closed")


def test_ten_thousand_idle_connections_cost_little_and_nobody_waits(services: Callable[..., Service]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = min(10_000, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, many + 400), hard))
    service = services()
    before = memory_kb(service)
    port = service.port
    try:
        with ExitStack() as ends:
            for _ in range(many):
                ends.enter_context(socket.create_connection(("127.0.0.1", port)))
            eventually(lambda: service.metric("check_service_connections") == many + 1, "all to be connected")
            assert service.check(**FIVE).status == 200
            assert (memory_kb(service) - before) * 1024 / many < 2048, "bytes a connection"
        eventually(lambda: service.metric("check_service_connections") == 1, "all to be closed")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_connections_beyond_the_bound_are_closed_at_once(services: Callable[..., Service]) -> None:
    service = services(connections=2)
    with service.socket() as one, service.socket() as two, service.socket() as three:
        assert all_of(three) == b""
        for connection in (one, two):
            connection.sendall(request_bytes(FIVE))
            assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_at_its_end_it_answers_what_is_under_way(services: Callable[..., Service]) -> None:
    service = services()
    request = request_bytes(FIVE)
    port = service.port
    with service.socket() as busy, service.socket() as idle:
        busy.sendall(request[:30])
        busy.sendall(request_bytes(FIVE)[30:40])
        eventually(lambda: service.metric("check_service_connections") == 3, "both to be connected")
        service.process.terminate()
        assert all_of(idle) == b""
        eventually(lambda: is_refused(port), "the door to close")
        assert service.process.poll() is None
        busy.sendall(request[40:])
        answer = all_of(busy)
    assert answer.startswith(b"HTTP/1.1 200 OK") and b"Connection: close" in answer
    assert service.process.wait(10) == 0
    assert service.events("ended")


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_its_end_does_not_wait_for_ever(services: Callable[..., Service]) -> None:
    service = services(drain_time="300ms")
    with service.socket() as busy:
        busy.sendall(b"POST /check HTTP/1.1\r\n")
        eventually(lambda: service.metric("check_service_connections") == 2, "it to be connected")
        assert service.end() == 0
