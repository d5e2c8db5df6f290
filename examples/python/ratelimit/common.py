# SPDX-License-Identifier: MIT
"""What WSGI and ASGI have in common: what is asked, and what is answered. The asking itself is theirs."""

from __future__ import annotations

import json
import logging
import random
import re
import uuid
from dataclasses import dataclass, field
from math import ceil
from types import ModuleType

from .caller import caller_at, name_of
from .guard import Breaker, Lines
from .options import Options, fields_of
from .server import connect, is_mistake

LARGEST_COST = 2**53 - 1
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
NOT_ASKED = ConnectionError("not asked, since the server does not answer")


@dataclass(frozen=True)
class Question:
    """About a caller: the key of the server, the words that say whose limits these are, and the cost."""

    name: bytes
    key: str | bytes
    about: list
    units: int
    limiter: str | None = None


@dataclass(frozen=True)
class Answer:
    """What becomes of a request. It goes on, unless there is a status; if it was denied, to the handler."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    status: str = ""
    body: bytes = b""
    decision: dict | None = None
    hold: str = ""  # the id of what is to be settled

    @property
    def is_denied(self) -> bool:
        return self.decision is not None and not self.decision["granted"]


class RateLimit:
    """`library` is redis or redis.asyncio; `address` is the address of the connection that a request came by."""

    library: ModuleType

    def __init__(self, app, server="redis://localhost:6379", **options) -> None:
        """`server` is a URL as in server.py, or a client that has `execute_command`."""
        self.app, self.o = app, Options(**options)
        self.timeout_s = self.o.timeout / 1000
        self.key = self.o.key or (lambda request: caller_at(self.address(request), self.o.ipv6_subnet))
        self.tail = ["JITTER", self.o.jitter, "HEADERS"] if self.o.jitter else ["HEADERS"]
        self.redis = connect(self.library, server, self.timeout_s) if isinstance(server, str) else server
        self.breaker, self.lines = Breaker(self.timeout_s), Lines()

    def address(self, request) -> str:
        raise NotImplementedError

    def log(self, line: str, about, level: int = logging.WARNING) -> None:
        if bounded := self.lines.bounded(f"ratelimit: {line}", about):
            self.o.log(bounded) if self.o.log else logging.getLogger("ratelimit").log(level, "%s", bounded)

    @staticmethod
    def sane_or_new(request_ids: list[str]) -> str:
        is_sane = len(request_ids) == 1 and re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", request_ids[0])
        return request_ids[0] if is_sane else str(uuid.uuid4())

    # --- the question ---

    def question(self, cost, key, limits, limiter) -> Question | None:
        """None, if the request costs nothing."""
        if not cost >= 0:
            raise ValueError("cost must be 0 or more")
        return self.about(name_of(key), ceil(min(cost, LARGEST_COST)), limits, limiter) if cost else None

    def about(self, name: bytes, units: int, limits, limiter) -> Question:
        if not (isinstance(limiter or limits, str) and (limiter or limits).strip()):
            raise TypeError("limits and limiter must give a text")
        if limiter:
            return Question(name, limiter, ["FOR", name], units, limiter)
        return Question(name, self.o.prefix.encode() + name, limits.split(), units)

    def at_start(self) -> Question:
        """Takes nothing. What depends on the request is not known yet."""
        if callable(self.o.limits) or callable(self.o.limiter):
            return self.about(b"start-up", 0, "FIXED 1 1s", "")
        return self.about(b"start-up", 0, self.o.limits, self.o.limiter)

    def words(self, question: Question) -> list:
        """An estimate is held while the request is served, if a successful one costs nothing in the end."""
        command = ["RL.CHECK", question.key]
        if self.o.skip_successful_requests:
            command = ["RL.RESERVE", question.key, self.o.hold]
        return [*command, *question.about, "COST", question.units, *self.tail]

    def settling(self, question: Question, hold: str, is_successful: bool) -> list:
        actual = 0 if is_successful else question.units
        return ["RL.SETTLE", question.key, hold, actual, *question.about]

    # --- the answer ---

    def noted(self, reply):
        """The reply of the server, or an error, once the breaker knows of it."""
        self.breaker.note(not isinstance(reply, Exception) or is_mistake(reply))
        return reply

    def observe(self, request, question: Question, about: dict) -> None:
        if self.o.on_decision:
            self.o.on_decision(request, {"limiter": question.limiter, **about})

    def answer(self, request, question: Question, reply, request_id: str) -> Answer:
        if isinstance(reply, Exception):
            return self.failure(request, question, reply, request_id)
        granted, limit, remaining, wait_ms, reset_ms, label, *more, flat = reply
        decision = {"granted": granted > 0, "limit": limit, "remaining": remaining}
        decision |= {"wait_ms": wait_ms, "reset_ms": reset_ms, "label": label}
        self.observe(request, question, decision)
        fields = fields_of(flat, self.o.headers)
        if granted:
            hold = more[0] if self.o.skip_successful_requests else ""
            return Answer(fields, decision=decision, hold=hold)
        self.log(f"denied request_id={request_id} limit={label} wait_ms={wait_ms}", question.name)
        if self.o.handler:
            return Answer(fields, decision=decision)
        members = {"violated-policies": [label], "wait_ms": None if wait_ms < 0 else wait_ms, "request_id": request_id}
        members |= {"detail": self.o.message} if self.o.message else {}
        return self.refusal(fields, 429, "Too Many Requests", QUOTA_EXCEEDED, **members)

    def policy(self, error: Exception) -> tuple[str, str, int]:
        """What an error is, what then becomes of a request, and how loudly the log says so."""
        if is_mistake(error):
            return "mistake", self.o.on_mistake, logging.ERROR
        return "failed", self.o.on_failure, logging.WARNING

    def failure(self, request, question: Question, error: Exception, request_id: str) -> Answer:
        """An outage passes by itself, and the caller may come again. A mistake stays until somebody mends it."""
        what, choice, level = self.policy(error)
        text = self.text_of(error)
        self.log(f"{what} {choice} request_id={request_id} error={text}", f"{what} {text}", level)
        self.observe(request, question, {"failure": "mistake" if is_mistake(error) else "outage", "choice": choice})
        if choice == "open":
            return Answer()
        if is_mistake(error):
            return self.refusal([], 500, "Internal Server Error", request_id=request_id)
        retry_after = str(random.randint(1, 5))  # not all at once
        return self.refusal([("Retry-After", retry_after)], 503, "Service Unavailable", request_id=request_id)

    def unsettled(self, error: Exception, request_id: str) -> None:
        text, level = self.text_of(error), self.policy(error)[2]
        self.log(f"unsettled request_id={request_id} error={text}", f"unsettled {text}", level)

    def not_ready(self, error: Exception) -> None:
        """At start-up: what is closed is not opened at all."""
        what, choice, level = self.policy(error)
        if choice == "closed":
            raise RuntimeError(f"ratelimit: {error}") from error
        self.log(f"{what} {choice} at start-up error={self.text_of(error)}", "start-up", level)

    @staticmethod
    def text_of(error: Exception) -> str:
        return json.dumps(f"{type(error).__name__}: {error}")

    @staticmethod
    def refusal(fields, status, title, kind="about:blank", **members) -> Answer:
        body = json.dumps({"type": kind, "title": title, "status": status, **members}).encode()  # RFC 9457
        about = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(body)))]
        return Answer([*fields, *about], f"{status} {title}", body)


def added(fields: list, own: list) -> list:
    """What the application says itself stays, as where fields are set before it is called."""
    names = {name.lower() for name, _ in own}
    return [*own, *(each for each in fields if each[0].lower() not in names)]
