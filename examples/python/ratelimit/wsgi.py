# SPDX-License-Identifier: MIT
"""The middleware for WSGI."""

from __future__ import annotations

import time

import redis

from .common import NOT_ASKED, Answer, Question, RateLimit, added
from .server import is_mistake


class RateLimitWSGI(RateLimit):
    library = redis

    def address(self, environ) -> str:
        return environ.get("REMOTE_ADDR", "")

    def __call__(self, environ, start_response):
        request_id = environ["HTTP_X_REQUEST_ID"] = self.sane_or_new([environ.get("HTTP_X_REQUEST_ID", "")])
        limits, limiter = (each(environ) if callable(each) else each for each in (self.o.limits, self.o.limiter))
        question = self.question(self.o.cost(environ), self.key(environ), limits, limiter)
        answer = Answer()
        if question:
            answer = self.answer(environ, question, self.ask(self.words(question)), request_id)
        environ["ratelimit.decision"] = answer.decision
        fields = [*answer.fields, ("X-Request-Id", request_id)]
        if answer.status:
            start_response(answer.status, fields)
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]
        statuses = []

        def start_with_fields(status, own, exc_info=None):
            statuses.append(int(status[:3]))
            return start_response(status, added(fields, own), exc_info)

        app = self.o.handler if answer.is_denied else self.app
        if not answer.hold:
            return app(environ, start_with_fields)

        def settle(is_whole: bool):
            self.settle(question, answer.hold, is_whole and bool(statuses) and statuses[-1] < 400, request_id)

        try:
            return Closing(app(environ, start_with_fields), settle)
        except BaseException:
            self.settle(question, answer.hold, False, request_id)
            raise

    def ask(self, words: list):
        """The reply; or an error, which is not raised."""
        return self.ask_at_once(words) if self.breaker.may_ask() else NOT_ASKED

    def ask_at_once(self, words: list):
        try:
            return self.noted(self.redis.execute_command(*words))
        except Exception as error:
            return self.noted(error)

    def settle(self, question: Question, hold: str, is_successful: bool, request_id: str) -> None:
        reply = self.ask(self.settling(question, hold, is_successful))
        if isinstance(reply, Exception):
            self.unsettled(reply, request_id)

    def ready(self) -> None:
        """Before the first request: asks once, and takes nothing. A mistake is raised. A server that is away is waited
        for with patience; in the end, on_failure applies.
        """
        end = time.monotonic() + self.o.patience / 1000
        while isinstance(error := self.ask_for_nothing(self.at_start()), Exception):
            if is_mistake(error) or time.monotonic() >= end:
                return self.not_ready(error)
            time.sleep(0.1)

    def ask_for_nothing(self, question: Question):
        """By the commands of a request, so that a right that is missing is found too. A limit that is closed holds
        nothing, and gives no id.
        """
        reply = self.ask_at_once(self.words(question))
        if isinstance(reply, Exception) or not self.o.skip_successful_requests:
            return reply
        return self.ask_at_once(self.settling(question, reply[6] or "none", True))


class Closing:
    """The body of an application, and what is to be done when it was sent: it is told whether the body broke off."""

    def __init__(self, body, finally_do) -> None:
        self._body, self._finally_do, self._is_whole = body, finally_do, True

    def __iter__(self):
        try:
            yield from self._body
        except Exception:
            self._is_whole = False
            raise

    def close(self) -> None:
        try:
            if hasattr(self._body, "close"):
                self._body.close()
        finally:
            self._finally_do(self._is_whole)
