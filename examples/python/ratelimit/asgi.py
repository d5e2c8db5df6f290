# SPDX-License-Identifier: MIT
"""The middleware for ASGI."""

from __future__ import annotations

import asyncio
import inspect
import time

import redis.asyncio

from .common import NOT_ASKED, Answer, Question, RateLimit, added
from .server import is_mistake


async def told(given, scope):
    """A value that is given, or what a function of the service gives for this request, be it asynchronous."""
    value = given(scope) if callable(given) else given
    return await value if inspect.isawaitable(value) else value


class RateLimitASGI(RateLimit):
    library = redis.asyncio

    def address(self, scope) -> str:
        return (scope.get("client") or [""])[0]

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self.start(scope, receive, send)
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        others = [each for each in scope["headers"] if each[0] != b"x-request-id"]
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"]
        request_id = self.sane_or_new(given)
        scope = {**scope, "headers": [*others, (b"x-request-id", request_id.encode())]}
        limits = await told(self.o.limits, scope), await told(self.o.limiter, scope)
        question = self.question(await told(self.o.cost, scope), await told(self.key, scope), *limits)
        answer = Answer()
        if question:
            answer = self.answer(scope, question, await self.ask(self.words(question)), request_id)
        scope["ratelimit.decision"] = answer.decision
        fields = [*answer.fields, ("X-Request-Id", request_id)]
        fields = [(name.lower().encode(), value.encode()) for name, value in fields]
        if not answer.status:
            return await self.serve(scope, receive, send, fields, answer, question)
        await send({"type": "http.response.start", "status": int(answer.status[:3]), "headers": fields})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def serve(self, scope, receive, send, fields, answer: Answer, question: Question | None):
        statuses = []

        async def send_with_fields(message):
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                message = {**message, "headers": added(fields, [*message.get("headers", [])])}
            await send(message)

        is_successful = False
        try:
            await (self.o.handler if answer.is_denied else self.app)(scope, receive, send_with_fields)
            is_successful = statuses != [] and statuses[-1] < 400
        finally:
            if answer.hold:
                request_id = dict(scope["headers"])[b"x-request-id"].decode()
                await self.settle(question, answer.hold, is_successful, request_id)

    async def ask(self, words: list):
        """The reply; or an error, which is not raised."""
        return await self.ask_at_once(words) if self.breaker.may_ask() else NOT_ASKED

    async def ask_at_once(self, words: list):
        try:  # A call is never cancelled: with some versions of redis-py its reply would go to the next caller.
            call = asyncio.shield(self.redis.execute_command(*words))
            return self.noted(await asyncio.wait_for(call, self.timeout_s))
        except Exception as error:
            return self.noted(error)

    async def settle(self, question: Question, hold: str, is_successful: bool, request_id: str) -> None:
        reply = await self.ask(self.settling(question, hold, is_successful))
        if isinstance(reply, Exception):
            self.unsettled(reply, request_id)

    async def start(self, scope, receive, send):
        """A server of ASGI tells when it starts, and does not listen before it is answered."""
        try:
            await self.ready()
        except Exception as error:  # raised, it would say to uvicorn that there is no lifespan
            await receive()
            return await send({"type": "lifespan.startup.failed", "message": str(error)})
        await self.app(scope, receive, send)

    async def ready(self) -> None:
        """Before the first request: asks once, and takes nothing. A mistake is raised. A server that is away is waited
        for with patience; in the end, on_failure applies.
        """
        end = time.monotonic() + self.o.patience / 1000
        while isinstance(error := await self.ask_for_nothing(self.at_start()), Exception):
            if is_mistake(error) or time.monotonic() >= end:
                return self.not_ready(error)
            await asyncio.sleep(0.1)

    async def ask_for_nothing(self, question: Question):
        """By the commands of a request, so that a right that is missing is found too. A limit that is closed holds
        nothing, and gives no id.
        """
        reply = await self.ask_at_once(self.words(question))
        if isinstance(reply, Exception) or not self.o.skip_successful_requests:
            return reply
        return await self.ask_at_once(self.settling(question, reply[6] or "none", True))
