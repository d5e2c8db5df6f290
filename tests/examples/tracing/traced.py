# SPDX-License-Identifier: MIT
"""examples/tracing as it is: its service, nginx before it, and a receiver of OTLP/HTTP that keeps what it gets."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from harness import PATIENCE_S, REPOSITORY, eventually, free_port

EXAMPLE = REPOSITORY / "examples" / "tracing"
KINDS = {1: "internal", 2: "server", 3: "client"}
ERROR = 2
SECRET = "the-password-of-the-server"


@cache
def packages() -> Path:
    """The packages of the example, installed as its own command does it."""
    script = "set -euo pipefail; source scripts/lib.sh; ensure_npm_folder examples/tracing build/tracing"
    subprocess.run(["bash", "-c", script], cwd=REPOSITORY, check=True, stdin=subprocess.DEVNULL)
    return REPOSITORY / "build" / "tracing" / "node_modules"


class Span:
    def __init__(self, given: dict) -> None:
        self.trace_id, self.id, self.parent_id = given["traceId"], given["spanId"], given.get("parentSpanId", "")
        self.name, self.kind = given["name"], KINDS[given["kind"]]
        self.attributes = {each["key"]: next(iter(each["value"].values())) for each in given["attributes"]}
        self.is_error, self.message = given["status"]["code"] == ERROR, given["status"].get("message", "")
        self.events = given.get("events", [])

    @property
    def ours(self) -> dict:
        """What limiter-span.js has said."""
        return {name: value for name, value in self.attributes.items() if name.startswith(("ratelimit.", "error.type"))}


def body_of(request: http.server.BaseHTTPRequestHandler) -> bytes:
    """The library leaves it to the handler that a body may come in chunks."""
    if request.headers["Transfer-Encoding"] != "chunked":
        return request.rfile.read(int(request.headers["Content-Length"]))
    body = b""
    while size := int(request.rfile.readline(), 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return body


class Receiver:
    """Who takes spans: `bodies` is all that came, as it came."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802 - the name is the library's
                assert self.path == "/v1/traces"
                assert self.headers["Content-Type"] == "application/json"
                receiver.bodies.append(body_of(self))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *about: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def spans(self) -> list[Span]:
        resources = [each for body in list(self.bodies) for each in json.loads(body)["resourceSpans"]]
        return [Span(span) for each in resources for scope in each["scopeSpans"] for span in scope["spans"]]

    def trace(self, trace_id: str, count: int) -> dict[str, Span]:
        """The spans of a trace by their names, once so many have come; and no more than these."""
        eventually(lambda: len(self.of(trace_id)) >= count, f"{count} spans of {trace_id}")
        spans = self.of(trace_id)
        assert len(spans) == count, sorted(span.name for span in spans)
        return {span.name: span for span in spans}

    def of(self, trace_id: str) -> list[Span]:
        return [span for span in self.spans() if span.trace_id == trace_id]


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.fields, self.body = response.status, response.headers, response.read()


class App:
    """app.js with telemetry.js, and nginx before it."""

    def __init__(self, folder: Path, receiver: Receiver, redis_url: str, check_service: str) -> None:
        self._folder, self.nginx_port, self._answers = folder, free_port(), 0
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | {
            **{"NODE_PATH": str(packages()), "PORT": "0", "REDIS_URL": redis_url, "CHECK_SERVICE": check_service},
            **{"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "TIMEOUT_MS": str(1000 * PATIENCE_S)},
        }

    @contextmanager
    def running(self) -> Iterator[App]:
        words = ["node", "--require", str(EXAMPLE / "telemetry.js"), str(EXAMPLE / "app.js")]
        with self._started("app", words, self._environment):
            eventually(lambda: self._app_port() is not None, "the service to listen")
            port = self._app_port()
            self._write_configuration(port)
            words = ["nginx", "-p", f"{self._folder}/", "-e", "stderr", "-c", str(self._folder / "nginx.conf")]
            path = f"{os.environ.get('PATH', '')}:/usr/sbin"
            with self._started("nginx", [*words, "-g", "daemon off;"], os.environ | {"PATH": path}):
                eventually(self._listens, "nginx to listen")
                yield self

    @contextmanager
    def _started(self, name: str, words: list[str], environment: dict) -> Iterator[None]:
        with (self._folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield
            assert process.poll() is None, self.log(name)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)

    def _write_configuration(self, app_port: int) -> None:
        text = (EXAMPLE / "nginx.conf").read_text()
        for documented, ours in ((8080, self.nginx_port), (3000, app_port)):
            assert f"127.0.0.1:{documented}" in text
            text = text.replace(f"127.0.0.1:{documented}", f"127.0.0.1:{ours}")
        user = "user root;\n" if os.getuid() == 0 else ""  # root's nginx would have its workers be another user's
        (self._folder / "nginx.conf").write_text(user + text)

    def _app_port(self) -> int | None:
        found = re.search(r"^http://127\.0\.0\.1:(\d+)/$", self.log("app"), re.MULTILINE)
        return int(found[1]) if found else None

    def _listens(self) -> bool:
        try:
            return self.get("/") is not None
        except OSError:
            return False

    def log(self, name: str) -> str:
        return (self._folder / name).with_suffix(".log").read_text()

    def get(self, path: str, key: str = "somebody", **fields: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.nginx_port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path, headers={"X-Api-Key": key, **fields})
            answer = Answer(connection.getresponse())
            self._answers += 1
            return answer
        finally:
            connection.close()

    def wait_for_server(self) -> None:
        """Until the middleware has a connection, it serves without asking."""
        eventually(lambda: "RateLimit" in self.get("/orders", "nobody").fields, "the server to be found")

    def trace_of_last(self) -> str:
        """What the access log of nginx says of the last request. nginx writes a line after the answer is sent."""
        eventually(lambda: self.log("access").count("\n") >= self._answers, "the line of the last request")
        return self.log("access").splitlines()[-1].rsplit("trace_id=", 1)[1]
