# SPDX-License-Identifier: MIT
"""WSGI and ASGI middlewares that ask RL.CHECK for each request, and answer 429 themselves; for redis-py. Options, and
what is answered when: docs/middleware.md. Who needs one of the two leaves out the other class.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import random
import re
import uuid
from math import ceil

import redis.asyncio

from .caller import caller_at, name_of

__all__ = ["RateLimitASGI", "RateLimitWSGI", "caller_at"]

LARGEST_COST = 2**53 - 1


def sane_or_new(request_id: str) -> str:
    return request_id if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", request_id) else str(uuid.uuid4())


class RateLimit:
    """What both have in common. `library` is where redis-py's classes are, `address` the key unless told."""

    def __init__(self, app, url="redis://localhost:6379", *, limits="", limiter="", prefix="ratelimit:", key=None, ipv6_subnet=56,
                 cost=lambda request: 1, on_failure="open", timeout=100, jitter="", log=None):  # fmt: skip
        if bool(limits) == bool(limiter):
            raise TypeError("either limits or limiter must be given")
        if on_failure not in ("open", "closed"):
            raise TypeError('on_failure must be "open" or "closed"')
        if not timeout > 0:
            raise TypeError("timeout must be more than 0")
        if not (isinstance(ipv6_subnet, int) and 1 <= ipv6_subnet <= 128):
            raise TypeError("ipv6_subnet must be from 1 to 128")
        self.app, self.limits, self.limiter, self.prefix = app, limits.split(), limiter, prefix.encode()
        self.key = key or (lambda request: caller_at(self.address(request), ipv6_subnet))
        self.cost, self.on_failure, self.seconds = cost, on_failure, timeout / 1000
        self.tail = ["JITTER", jitter, "HEADERS"] if jitter else ["HEADERS"]
        self.log = log or logging.getLogger("ratelimit").warning
        # A pool that lets callers wait: too many connections would be a failure that clients can bring about. And one
        # that is made here, since by itself redis-py, from 6 on, would send a call again, and charge it twice.
        waits = dict.fromkeys(("timeout", "socket_timeout", "socket_connect_timeout"), self.seconds)
        pool = self.library.BlockingConnectionPool.from_url(url, decode_responses=True, **waits)
        self.redis = self.library.Redis(connection_pool=pool)

    def question(self, key, units) -> list | None:
        """The words to ask with; none, if the request costs nothing."""
        if not units >= 0:
            raise ValueError("cost must be 0 or more")
        name = name_of(key)
        about = [self.limiter, "FOR", name] if self.limiter else [self.prefix + name, *self.limits]
        return ["RL.CHECK", *about, "COST", ceil(min(units, LARGEST_COST)), *self.tail] if units else None

    def verdict(self, reply, request_id) -> tuple[list, str, bytes]:
        """The fields to add; and if the request may not go on, the status and the body. A reply may be an error."""
        if isinstance(reply, Exception):
            error = json.dumps(f"{type(reply).__name__}: {reply}")
            self.log(f"ratelimit: failed {self.on_failure} request_id={request_id} error={error}")
            if self.on_failure == "open":
                return [], "", b""
            retry_after = str(random.randint(1, 5))  # not all at once
            return self.refusal([("Retry-After", retry_after)], 503, "Service Unavailable", request_id=request_id)
        granted, _, _, wait, _, limit, *_, flat = reply
        fields = [*zip(flat[::2], flat[1::2])]
        if granted:
            return fields, "", b""
        self.log(f"ratelimit: denied request_id={request_id} limit={limit} wait_ms={wait}")
        members = {"limit": limit, "wait_ms": None if wait < 0 else wait, "request_id": request_id}
        return self.refusal(fields, 429, "Too Many Requests", **members)

    @staticmethod
    def refusal(fields, status, title, **members) -> tuple[list, str, bytes]:
        body = json.dumps({"type": "about:blank", "title": title, "status": status, **members}).encode()
        about = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(body)))]
        return [*fields, *about], f"{status} {title}", body


def added(fields: list, own: list) -> list:
    """What the application says itself stays, as where fields are set before it is called."""
    names = {name.lower() for name, _ in own}
    return [*own, *(field for field in fields if field[0].lower() not in names)]


class RateLimitWSGI(RateLimit):
    library = redis

    @staticmethod
    def address(environ) -> str:
        return environ.get("REMOTE_ADDR", "")

    def __call__(self, environ, start_response):
        request_id = environ["HTTP_X_REQUEST_ID"] = sane_or_new(environ.get("HTTP_X_REQUEST_ID", ""))
        fields, status, body = [], "", b""
        if words := self.question(self.key(environ), self.cost(environ)):
            try:
                reply = self.redis.execute_command(*words)
            except Exception as error:
                reply = error
            fields, status, body = self.verdict(reply, request_id)
        fields.append(("X-Request-Id", request_id))
        if not status:
            ours = lambda status, own, exc_info=None: start_response(status, added(fields, own), exc_info)  # noqa: E731
            return self.app(environ, ours)
        start_response(status, fields)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


async def told(value):
    """What a function of the service gives, which may be asynchronous."""
    return await value if inspect.isawaitable(value) else value


class RateLimitASGI(RateLimit):
    library = redis.asyncio

    @staticmethod
    def address(scope) -> str:
        return (scope.get("client") or [""])[0]

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        others = [field for field in scope["headers"] if field[0] != b"x-request-id"]
        request_id = sane_or_new(dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1"))
        scope = {**scope, "headers": [*others, (b"x-request-id", request_id.encode())]}
        fields, status, body = [], "", b""
        if words := self.question(await told(self.key(scope)), await told(self.cost(scope))):
            try:  # A call is never cancelled: with some versions of redis-py its reply would go to the next caller.
                reply = await asyncio.wait_for(asyncio.shield(self.redis.execute_command(*words)), self.seconds)
            except Exception as error:
                reply = error
            fields, status, body = self.verdict(reply, request_id)
        fields = [(name.lower().encode(), value.encode()) for name, value in [*fields, ("X-Request-Id", request_id)]]

        async def send_with_fields(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": added(fields, [*message.get("headers", [])])}
            await send(message)

        if not status:
            return await self.app(scope, receive, send_with_fields)
        await send({"type": "http.response.start", "status": int(status[:3]), "headers": fields})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
