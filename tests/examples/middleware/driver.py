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
import time
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
        elif environ["PATH_INFO"] == "/login":
            start_response(f"{environ['HTTP_X_STATUS']} As told", fields)
            return [b"tried"]
        elif environ["PATH_INFO"] == "/decision":
            start_response("200 OK", fields)
            return [decision(environ)]
        else:
            note(f"served {environ['HTTP_X_REQUEST_ID']}")
        start_response("200 OK", fields)
        return [b"hello"]

    return validator(app)


def asgi_application(note):
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await started(receive, send)
            return
        fields = [(b"content-type", b"text/plain")]
        if scope["path"] in ("/login", "/decision"):
            status = int(dict(scope["headers"]).get(b"x-status", b"200"))
            body = b"tried" if scope["path"] == "/login" else decision(scope)
            await send_response(send, status, fields, body)
            return
        if scope["path"] == "/own":
            fields.append((b"RateLimit-Limit", b"own"))
        else:
            [request_id] = [value.decode() for name, value in scope["headers"] if name == b"x-request-id"]
            note(f"served {request_id}")
        await send_response(send, 200, fields, b"hello")

    return app


async def started(receive, send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})


async def send_response(send, status: int, fields: list, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


def decision(request: dict) -> bytes:
    return json.dumps(request["ratelimit.decision"] and list(request["ratelimit.decision"].values())).encode()


DECIDED = ["limiter", "granted", "limit", "remaining", "wait_ms", "reset_ms", "label", "failure", "choice"]


def observing(note, request_id_of):
    def observe(request, decided: dict) -> None:
        assert set(decided) <= set(DECIDED)
        values = json.dumps([decided.get(name) for name in DECIDED], separators=(",", ":"))
        note(f"decided {request_id_of(request)} {values}")

    return observe


def wsgi_handler(environ, start_response):
    start_response("418 Teapot", [("Content-Type", "text/plain")])
    return [b"denied by " + environ["ratelimit.decision"]["label"].encode()]


async def asgi_handler(scope, receive, send):
    await send_response(
        send, 418, [(b"content-type", b"text/plain")], b"denied by " + scope["ratelimit.decision"]["label"].encode()
    )


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


PLANS = {"free": "FIXED 1 1h AS free", "paid": "FIXED 3 1h AS paid"}


def wsgi_options(given: dict) -> dict:
    if "key" in given:
        given["key"] = keys(lambda environ: environ.get("HTTP_X_KEY"))[given["key"]]
    if given.pop("cost", None):
        given["cost"] = lambda environ: float(environ.get("HTTP_X_COST", "1"))
    if given.pop("plans", None):
        given["limits"] = lambda environ: PLANS.get(environ.get("HTTP_X_PLAN"))
    if given.pop("handler", None):
        given["handler"] = validator(wsgi_handler)
    if given.pop("on_decision", None):
        given["on_decision"] = observing(given["log"], lambda environ: environ["HTTP_X_REQUEST_ID"])
    return given


def asgi_options(given: dict) -> dict:
    async def plan(scope):
        return PLANS.get(dict(scope["headers"]).get(b"x-plan", b"").decode())

    if "key" in given:
        given["key"] = keys(lambda scope: dict(scope["headers"]).get(b"x-key"))[given["key"]]
    if given.pop("cost", None):
        given["cost"] = lambda scope: float(dict(scope["headers"]).get(b"x-cost", b"1"))
    if given.pop("plans", None):
        given["limits"] = plan
    if given.pop("handler", None):
        given["handler"] = asgi_handler
    if given.pop("on_decision", None):
        given["on_decision"] = observing(given["log"], lambda scope: dict(scope["headers"])[b"x-request-id"].decode())
    return given


def serve_wsgi(url: str, options: dict, ready: bool) -> int:
    app = RateLimitWSGI(wsgi_application(options["log"]), url, **wsgi_options(options))
    if ready:
        app.ready()
    server = make_server("127.0.0.1", 0, at_address(validator(app)), ThreadingServer, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def serve_asgi(url: str, options: dict, ready: bool) -> int:
    """A server of ASGI says by itself that it starts, if it is told to."""
    import uvicorn

    refusals = []
    app = RateLimitASGI(asgi_application(options["log"]), url, **asgi_options(options))
    app = noting_refusal(from_address(app), refusals)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="on" if ready else "off")
    listener = config.bind_socket()
    listener.listen(128)  # from now on, whoever comes is kept waiting
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    while ready and thread.is_alive() and not server.started:
        time.sleep(0.01)
    if refusals:
        raise RuntimeError(refusals[0])
    return listener.getsockname()[1]


def noting_refusal(app, refusals: list[str]):
    async def noted(scope, receive, send):
        async def noting_send(message):
            if message["type"] == "lifespan.startup.failed":
                refusals.append(message["message"])
            await send(message)

        await app(scope, receive, noting_send)

    return noted


def url_of(options: dict) -> str:
    login = f"{options.pop('login')}@" if "login" in options else ""
    port, is_cluster, sentinels = options.pop("redis"), options.pop("cluster", False), options.pop("sentinels", [])
    if sentinels:
        return f"redis+sentinel://{login}{','.join(f'127.0.0.1:{each}' for each in sentinels)}/limits"
    return f"redis{'+cluster' * is_cluster}://{login}127.0.0.1:{port}"


def main(kind: str) -> None:
    serve = {"wsgi": serve_wsgi, "asgi": serve_asgi}[kind]
    for line in sys.stdin:
        given = json.loads(line)
        options = {re.sub("(?<=[a-z6])([A-Z])", r"_\1", name).lower(): value for name, value in given.items()}
        url = url_of(options)
        try:
            ready = options.pop("ready", False)
            answer = {"port": serve(url, options | {"log": noting(options["log"])}, ready)}
        except (TypeError, RuntimeError) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[2])
