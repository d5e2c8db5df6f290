# SPDX-License-Identifier: MIT
"""Bytes that no honest client sends: each gets a clear 4xx, or its connection is closed. Nothing behind them is taken
for a request, and the next client is served."""

from __future__ import annotations

import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from harness import Server
from service import Service, all_of, memory_kb

FIVE = {"key": "k", "limits": "FIXED 5 1h"}
BODY = json.dumps(FIVE)
HIDDEN = f"POST /check HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"


def post(*fields: str, body: str = BODY, version: str = "1.1") -> bytes:
    lines = [f"POST /check HTTP/{version}", "Host: x", *fields, "", body]
    return "\r\n".join(lines).encode("latin-1")


def said_to(service: Service, request: bytes) -> bytes:
    """All that the service says to these bytes, after which the client sends no more."""
    with service.socket() as connection:
        with suppress(ConnectionError):  # it may close while we still send
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        try:
            return all_of(connection)
        except ConnectionResetError:
            return b""


def statuses(said: bytes) -> list[int]:
    return [int(line.split()[1]) for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def left(server: Server) -> int:
    with server.client() as db:
        return db.do("RL.PEEK k FIXED 5 1h")[2]


def length(size: int = len(BODY)) -> str:
    return f"Content-Length: {size}"


CHUNKS = f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "request_",
    [
        post(length(), length(0), body=BODY + HIDDEN),
        post(length(), length(), body=BODY + HIDDEN),
        post("Content-Length: 5, 6", body=BODY + HIDDEN),
        post(length(), CHUNKED, body=CHUNKS + HIDDEN),
        post(CHUNKED, length(), body=CHUNKS + HIDDEN),
        post(CHUNKED, CHUNKED, body=CHUNKS + HIDDEN),
        post("Transfer-Encoding: chunked, identity", body=CHUNKS + HIDDEN),
        post("Transfer-Encoding: gzip, chunked", body=CHUNKS + HIDDEN),
        post("Transfer-Encoding: xchunked", body=HIDDEN),
        post("Transfer-Encoding: gzip", body=HIDDEN),
        post("Transfer-Encoding:\x0bchunked", body=HIDDEN),
        post("Transfer-Encoding : chunked", body=CHUNKS + HIDDEN),
        post(CHUNKED, body=CHUNKS + HIDDEN, version="1.0"),
        post("Content-Length: +5", body=HIDDEN),
        post("Content-Length: -1", body=HIDDEN),
        post("Content-Length: 0x10", body=HIDDEN),
        post("Content-Length:", body=HIDDEN),
        post("Content-Length: 18446744073709551616", body=HIDDEN),
        post(CHUNKED, body="ffffffffffffffffff\r\n" + HIDDEN),
        post(CHUNKED, body="-1\r\n" + HIDDEN),
        post(CHUNKED, body="5\n" + HIDDEN),
    ],
    ids=map(str, itertools.count()),
)
def test_a_body_whose_end_is_not_clear_hides_no_request(service: Service, server: Server, request_: bytes) -> None:
    said = statuses(said_to(service, request_))
    assert said in ([400], [413]), said
    assert left(server) == 5, "nothing was charged"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /health/live HTTP/1.1\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\nA\x00b: 1\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\na: b\x00c\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\na: b\rc\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.1\nHost: x\n\n", 400),
        (b"GET /health/\xff HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /health/\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /health/live\r\n\r\n", 400),
        (b"GET /health/live HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x00" * 200, 400),
        (b"\r\n" * 200, 400),
        (b"A" * 100_000, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 5_000 + b"\r\n", 431),
        (post(length(10**9), body="{"), 413),
        (post(CHUNKED, body="ffff\r\n" + "x" * 0xFFFF), 413),
        (post(CHUNKED, body="1;" + "x" * 100_000), 431),
        (post(CHUNKED, body="1\r\n{\r\n0\r\n" + "a: b\r\n" * 20_000), 431),
        (post(length(10**9), "Expect: 100-continue", body=""), 413),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET http: HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /health/../metrics HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ],
    ids=map(str, itertools.count()),
)
def test_what_is_no_proper_request_is_said_and_nothing_else(service: Service, request_: bytes, status: int) -> None:
    assert statuses(said_to(service, request_)) == [status]
    assert service.ask("GET", "/health/live").status == 200


@pytest.mark.parametrize("target", ["http://x/health/live", "https://a.example:99/health/live?a=b"])
def test_an_absolute_uri_is_its_path(service: Service, target: str) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert statuses(said_to(service, request.encode())) == [200]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        '"key"',
        "{}",
        '{"key": "k", "key": "k", "limits": "FIXED 5 1h"}',
        '{"key": "k", "limits": ["FIXED 5 1h"]}',
        '{"key": {"a": {"b": 1}}, "limits": "FIXED 5 1h"}',
        '{"key": "", "limits": "FIXED 5 1h"}',
        '{"key": null, "limits": "FIXED 5 1h"}',
        '{"key": 5, "limits": "FIXED 5 1h"}',
        '{"key": "k", "limits": "FIXED 5 1h", "cost": 1.5}',
        '{"key": "k", "limits": "FIXED 5 1h", "cost": -1}',
        '{"key": "k", "limits": "FIXED 5 1h", "cost": 1e3}',
        '{"key": "k", "limits": "FIXED 5 1h", "cost": 99999999999999999999}',
        '{"key": "k", "limits": "FIXED 5 1h", "cost": "1"}',
        '{"key": "k", "limits": "FIXED 5 1h\\r\\nFLUSHALL"}',
        '{"key": "k", "limits": "FIXED 5 1h FORCE"}',
        '{"key": "k", "limits": "FIXED 5 1h", "__proto__": 1}',
        '{"key": "k\\ud800", "limits": "FIXED 5 1h"}',
        '{"key": "k", "limits": "FIXED 5 1h"} {}',
        '{"key": "k", "limits": "FIXED 5 1h",}',
        "{" + ",".join(f'"f{number}": 1' for number in range(900)) + "}",
    ],
    ids=map(str, itertools.count()),
)
def test_a_body_that_is_no_question_charges_nothing(service: Service, server: Server, body: str) -> None:
    answer = service.ask("POST", "/check", body)
    assert answer.status == 400 and answer.fields["Content-Type"] == "application/problem+json", answer.body
    assert left(server) == 5


def test_a_key_of_any_bytes_is_one_key_and_never_words_of_a_command(service: Service, server: Server) -> None:
    key = "a b\r\n*1\r\n$8\r\nFLUSHALL\r\n\u0000ü"
    assert service.check(key=key, limits="FIXED 5 1h").json["remaining"] == 4
    with server.client() as db:
        assert db.do("DBSIZE") == 1 and db.execute_command("RL.PEEK", key, "FIXED", "5", "1h")[2] == 4


def test_clients_that_are_rude_leave_nothing_behind(services: Callable[..., Service]) -> None:
    """They begin and go: with a reset, in the middle of a header, a body, an answer."""
    service = services(request_time="1s")
    begins = [
        b"",
        b"POST /ch",
        post(length()),
        HIDDEN.encode()[:-5],
        HIDDEN.encode(),
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    ]

    def be_rude(times: int) -> None:
        for turn in range(times):
            with service.socket() as connection:
                connection.sendall(begins[turn % len(begins)])
                if turn % 2 == 0:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def rudeness() -> None:
        crowd = [threading.Thread(target=be_rude, args=(300,)) for _ in range(4)]
        for client in crowd:
            client.start()
        for client in crowd:
            client.join()

    rudeness()
    before = memory_kb(service)
    for _ in range(3):
        rudeness()
    assert memory_kb(service) < before + 2048
    assert service.check(**FIVE | {"key": "other"}).json["remaining"] == 4
