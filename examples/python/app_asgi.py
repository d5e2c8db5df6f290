# SPDX-License-Identifier: MIT
"""A service with a limit of five requests at once and one a second for each address: README.md."""

from __future__ import annotations

import os

from ratelimit import RateLimitASGI


async def hello(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"hello\n"})


app = RateLimitASGI(hello, os.environ.get("REDIS_URL", "redis://localhost:6379"), limits="TOKENBUCKET 5 1 1s")
