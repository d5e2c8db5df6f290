# SPDX-License-Identifier: MIT
"""For each line of standard input, options as JSON, a server with the WSGI or the ASGI middleware; prints {"port": ...}
or {"error": ...}. conftest.py says what its application does.

    driver.py FOLDER wsgi|asgi
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.validate import validator

sys.path.insert(0, sys.argv[1])

from ratelimit import RateLimitASGI, RateLimitWSGI


class ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Handler(WSGIRequestHandler):
    def log_message(self, *_) -> None:
        pass


def noting(path: str):
    def note(line: str) -> None:
        with open(path, "a") as log:
            log.write(f"{line}\n")

    return note


def wsgi_application(note):
    def app(environ, start_response):
        fields = [("Content-Type", "text/plain")]
        if environ["PATH_INFO"] == "/own":
            fields.append(("RateLimit-Limit", "own"))
        else:
            note(f"served {environ['HTTP_X_REQUEST_ID']}")
        start_response("200 OK", fields)
        return [b"hello"]

    return validator(app)


def asgi_application(note):
    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        fields = [(b"content-type", b"text/plain")]
        if scope["path"] == "/own":
            fields.append((b"RateLimit-Limit", b"own"))
        else:
            [request_id] = [value.decode() for name, value in scope["headers"] if name == b"x-request-id"]
            note(f"served {request_id}")
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"hello"})

    return app


def keys(of) -> dict:
    """What the option `key` may be; `of` gives the key that was sent."""

    async def later(request):
        return of(request)

    return {True: of, "later": later, "object": lambda _: {}}


def at_address(app):
    """For a WSGI application: the address of the connection is what was sent as such."""

    def addressed(environ, start_response):
        return app(environ | {"REMOTE_ADDR": environ.get("HTTP_X_ADDRESS", environ["REMOTE_ADDR"])}, start_response)

    return addressed


def from_address(app):
    """The same for an ASGI application."""

    async def addressed(scope, receive, send):
        address = dict(scope.get("headers", [])).get(b"x-address")
        await app(scope if address is None else scope | {"client": (address.decode(), 1)}, receive, send)

    return addressed


def wsgi_options(given: dict) -> dict:
    if "key" in given:
        given["key"] = keys(lambda environ: environ.get("HTTP_X_KEY"))[given["key"]]
    if given.pop("cost", None):
        given["cost"] = lambda environ: float(environ.get("HTTP_X_COST", "1"))
    return given


def asgi_options(given: dict) -> dict:
    if "key" in given:
        given["key"] = keys(lambda scope: dict(scope["headers"]).get(b"x-key"))[given["key"]]
    if given.pop("cost", None):
        given["cost"] = lambda scope: float(dict(scope["headers"]).get(b"x-cost", b"1"))
    return given


def serve_wsgi(url: str, options: dict) -> int:
    app = RateLimitWSGI(wsgi_application(options["log"]), url, **wsgi_options(options))
    server = make_server("127.0.0.1", 0, at_address(validator(app)), ThreadingServer, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def serve_asgi(url: str, options: dict) -> int:
    import uvicorn

    app = RateLimitASGI(asgi_application(options["log"]), url, **asgi_options(options))
    config = uvicorn.Config(from_address(app), host="127.0.0.1", port=0, log_level="critical")
    listener = config.bind_socket()
    listener.listen(128)  # from now on, whoever comes is kept waiting
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True).start()
    return listener.getsockname()[1]


def main(kind: str) -> None:
    serve = {"wsgi": serve_wsgi, "asgi": serve_asgi}[kind]
    for line in sys.stdin:
        given = json.loads(line)
        options = {re.sub("(?<=[a-z6])([A-Z])", r"_\1", name).lower(): value for name, value in given.items()}
        url = f"redis://127.0.0.1:{options.pop('redis')}"
        try:
            answer = {"port": serve(url, options | {"log": noting(options["log"])})}
        except TypeError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[2])
