# SPDX-License-Identifier: MIT
"""nginx before a site asks the check service, by the very configuration that the example shows."""

from __future__ import annotations

import http.client
import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import PATIENCE_S, eventually, free_port
from service import FOLDER, Service


class Site(http.server.BaseHTTPRequestHandler):
    """What nginx guards: it says 200, or what the path says."""

    def do_GET(self) -> None:  # noqa: N802 - the name is the library's
        status = int(self.path[1:] or 200)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *about: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def nginx(service: Service, site: int, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """Where nginx listens. A parameter of a test is written before the address of the service."""
    port = free_port()
    text = (FOLDER / "nginx.conf").read_text()
    text = text.replace("server 127.0.0.1:8080;", f"{getattr(request, 'param', '')} server 127.0.0.1:8080;")
    for documented, ours in ((8080, service.port), (8088, port), (8089, site)):
        assert f"127.0.0.1:{documented}" in text
        text = text.replace(f"127.0.0.1:{documented}", f"127.0.0.1:{ours}")
    (tmp_path / "nginx.conf").write_text(text)
    command = ["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        eventually(lambda: listens(port), "nginx to start")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def listens(port: int) -> bool:
    try:
        ask(port, "/200", method="OPTIONS")
    except OSError:
        return False
    return True


def ask(port: int, path: str, method: str = "GET") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request(method, path)
    response = connection.getresponse()
    response.read()
    return response


def test_nginx_lets_through_what_the_service_allows_and_answers_429_then(nginx: int) -> None:
    answers = [ask(nginx, "/200") for _ in range(6)]
    statuses = [answer.status for answer in answers]
    granted = statuses.count(200)
    assert granted in (4, 5) and statuses == [200] * granted + [429] * (6 - granted), "one call started nginx"
    denied = answers[-1]
    assert 1 <= int(denied.headers["Retry-After"]) <= 60
    assert denied.headers["RateLimit"].startswith('"tokenbucket";r=0;t=')
    assert answers[0].headers["RateLimit-Policy"] == '"tokenbucket";q=5;w=300'


def test_a_status_of_the_site_itself_stays_what_it_is(nginx: int) -> None:
    assert [ask(nginx, f"/{status}").status for status in (500, 404)] == [500, 404]


@pytest.mark.parametrize("nginx", ["server 127.0.0.1:1 max_fails=0;"], indirect=True, ids=["two services"])
def test_a_denial_is_one_also_if_another_service_was_asked_before_in_vain(nginx: int) -> None:
    statuses = {ask(nginx, "/200").status for _ in range(20)}
    assert statuses == {200, 429}


def test_without_the_service_nginx_answers_503(nginx: int, service: Service) -> None:
    process = service.process
    process.send_signal(19)  # SIGSTOP: it accepts and says nothing
    try:
        assert ask(nginx, "/200").status == 503
    finally:
        process.send_signal(18)  # SIGCONT
