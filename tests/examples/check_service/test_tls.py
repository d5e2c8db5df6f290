# SPDX-License-Identifier: MIT
"""Encryption of the HTTP door: handshakes of real clients, slow ones, and a certificate that is renewed."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from certificates import TLS_1_2, TLS_1_3, Files
from harness import PATIENCE_S, eventually, output_of
from service import Service, all_of, memory_kb, request_bytes
from test_start import said

FIVE = {"key": "k", "limits": "FIXED 5 1h"}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def encrypted(service: Service, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(service.socket(), server_hostname="127.0.0.1")


def check(service: Service, context: ssl.SSLContext) -> dict:
    connection = http.client.HTTPSConnection("127.0.0.1", service.port, timeout=PATIENCE_S, context=context)
    try:
        connection.request("POST", "/check", json.dumps(FIVE))
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


# --- handshakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_clients_of_both_versions_are_answered(
    services: Callable[..., Service], files: Files, version: ssl.TLSVersion
) -> None:
    service = services(**files.settings)
    assert check(service, files.trusting(version))["remaining"] == 4
    assert check(service, files.trusting(version))["remaining"] == 3


def test_curl_is_answered(services: Callable[..., Service], files: Files) -> None:
    place = f"https://127.0.0.1:{services(**files.settings).port}/health/live"
    assert output_of("curl", "-sS", "--cacert", str(files.certificate), place) == '{"status":"live"}'


def test_an_older_version_than_the_oldest_is_refused(services: Callable[..., Service], files: Files) -> None:
    service = services(**files.settings, listen_tls="1.3")
    with pytest.raises(ssl.SSLError):
        check(service, files.trusting(TLS_1_2))
    assert check(service, files.trusting())["allowed"]


def test_clients_need_a_certificate_of_the_authorities(
    services: Callable[..., Service], files: Files, tmp_path: Path
) -> None:
    client, stranger = (Files(tmp_path_of(tmp_path, name)) for name in ("client", "stranger"))
    service = services(**files.settings, listen_authorities=client.certificate)
    for shown in (None, stranger):
        # A client of TLS 1.3 hears of it when it reads, or when it writes once more.
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            check(service, files.trusting(shown=shown))
    assert check(service, files.trusting(shown=client))["remaining"] == 4


def test_a_client_that_does_not_encrypt_gets_no_answer(services: Callable[..., Service], files: Files) -> None:
    service = services(**files.settings)
    with service.socket() as connection:
        connection.sendall(request_bytes(FIVE))
        assert b"HTTP" not in end_of(connection)
    assert check(service, files.trusting())["remaining"] == 4


def end_of(connection: socket.socket) -> bytes:
    try:
        return all_of(connection)
    except ConnectionResetError:
        return b""


def test_requests_in_one_connection_are_answered_in_their_order(services: Callable[..., Service], files: Files) -> None:
    many = 200
    body = {"key": "k", "limits": f"FIXED {many} 1h"}
    with encrypted(services(**files.settings), files.trusting()) as connection:
        connection.sendall(request_bytes(body) * many)
        stream = connection.makefile("rb")
        for remaining in reversed(range(many)):
            assert stream.readline().startswith(b"HTTP/1.1 200")
            size = int(http.client.parse_headers(stream)["Content-Length"])
            assert json.loads(stream.read(size))["remaining"] == remaining


def test_a_request_may_come_in_many_pieces(services: Callable[..., Service], files: Files) -> None:
    with encrypted(services(**files.settings), files.trusting()) as connection:
        for byte in request_bytes(FIVE):
            connection.sendall(bytes([byte]))
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_the_end_of_a_connection_is_said(services: Callable[..., Service], files: Files) -> None:
    with encrypted(services(**files.settings, idle_time="500ms"), files.trusting()) as connection:
        assert connection.recv(100) == b"", "and not an end that somebody in between may have made"


# --- nobody holds anything --------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [b"", b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\x40"])
def test_a_handshake_that_does_not_end_is_closed_and_nobody_waits(
    services: Callable[..., Service], files: Files, begin: bytes
) -> None:
    service = services(**files.settings, request_time="1s", threads=1)
    began = time.monotonic()
    with ExitStack() as ends:
        slow = [ends.enter_context(service.socket()) for _ in range(20)]
        for connection in slow:
            connection.sendall(begin)
        assert check(service, files.trusting())["source"] == "server"
        assert [end_of(connection) for connection in slow] == [b""] * len(slow)
    assert time.monotonic() - began >= 1


def test_an_idle_connection_costs_little(services: Callable[..., Service], files: Files) -> None:
    service = services(**files.settings)
    many, context = 300, files.trusting()
    with ExitStack() as ends:
        for _ in range(20):  # what the first ones need stays
            ends.enter_context(encrypted(service, context))
        before = memory_kb(service)
        for _ in range(many):
            connection = ends.enter_context(encrypted(service, context))
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert (memory_kb(service) - before) / many < 24, "KB a connection"


def test_at_its_end_it_answers_what_is_under_way(services: Callable[..., Service], files: Files) -> None:
    service = services(**files.settings)
    request = request_bytes(FIVE)
    with encrypted(service, files.trusting()) as busy, encrypted(service, files.trusting()) as idle:
        busy.sendall(request[:-1])
        idle.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(1000).startswith(b"HTTP/1.1 200")
        service.process.terminate()
        assert idle.recv(1000) == b""
        busy.sendall(request[-1:])
        assert all_of(busy).startswith(b"HTTP/1.1 200 OK")
    assert service.process.wait(PATIENCE_S) == 0


# --- the files --------------------------------------------------------------------------------------


def test_a_renewed_certificate_is_used_after_a_hang_up(services: Callable[..., Service], files: Files) -> None:
    service = services(**files.settings)
    old = files.trusting()
    with encrypted(service, old) as connection:
        files.renew()
        service.process.send_signal(signal.SIGHUP)
        eventually(lambda: service.events("reloaded"), "it to read the files again")
        assert check(service, files.trusting())["allowed"]
        with pytest.raises(ssl.SSLCertVerificationError):
            check(service, old)
        connection.sendall(request_bytes(FIVE))
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK"), "who is connected stays so"


def test_a_certificate_that_cannot_be_used_leaves_the_old_one(services: Callable[..., Service], files: Files) -> None:
    service = services(**files.settings)
    context = files.trusting()
    for times, faulty in enumerate(("nothing", ""), 1):
        files.certificate.write_text(faulty)
        service.process.send_signal(signal.SIGHUP)
        eventually(lambda times=times: len(service.events("not reloaded")) == times, "it to read the files again")
        line = service.events("not reloaded")[-1]
        assert line["level"] == "error" and line["detail"].startswith("listen_certificate: ")
        assert check(service, context)["allowed"]


def test_wrong_files_are_said_at_the_start(files: Files, tmp_path: Path) -> None:
    other = Files(tmp_path_of(tmp_path, "other"))
    both = "listen_certificate and listen_key go together"
    for settings, error in (
        ({"listen_certificate": files.certificate}, both),
        ({"listen_key": files.key}, both),
        (files.settings | {"listen_certificate": "/nowhere"}, "listen_certificate: "),
        (files.settings | {"listen_key": files.certificate}, "listen_key: "),
        (files.settings | {"listen_key": other.key}, "listen_key: "),
        (files.settings | {"listen_authorities": "/nowhere"}, "listen_authorities: "),
        (files.settings | {"listen_authorities": files.key}, "listen_authorities: "),
        (files.settings | {"listen_authorities": "/dev/null"}, "listen_authorities: is empty"),
        (files.settings | {"listen_certificate": "/dev/null"}, "listen_certificate: is empty"),
        ({"listen_authorities": files.certificate}, "listen_authorities needs listen_certificate"),
        ({"listen_tls": "1.1"}, "CHECK_SERVICE_LISTEN_TLS: must be 1.2 or 1.3"),
    ):
        code, text = said("--check", **settings)
        assert code == 2 and text.startswith(f"check-service: {error}"), text
    assert said("--check", **files.settings) == (0, "")


def tmp_path_of(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name
