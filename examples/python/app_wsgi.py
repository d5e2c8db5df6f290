# SPDX-License-Identifier: MIT
"""A service with a limit of five requests at once and one a second for each address: README.md."""

from __future__ import annotations

import os
from wsgiref.simple_server import make_server

from ratelimit import RateLimitWSGI


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\n"]


app = RateLimitWSGI(hello, os.environ.get("REDIS_URL", "redis://localhost:6379"), limits="TOKENBUCKET 5 1 1s")

if __name__ == "__main__":
    app.ready()  # asks once: the limits make sense, and the server is there
    with make_server("", int(os.environ.get("PORT", "3000")), app) as server:
        server.serve_forever()
