# SPDX-License-Identifier: MIT
"""Steps of a conversation with a server: an instant, what is said then, and what it must answer."""

from __future__ import annotations

from typing import NamedTuple

from redis import ResponseError

from harness import Client, pairs
from seed import SEED


class Step(NamedTuple):
    """At this instant this line gets this reply."""

    now: int
    line: str
    reply: tuple | int | str | None


def seen(line: str, reply):
    """A reply, in the form in which the oracle gives it."""
    if isinstance(reply, ResponseError):
        return str(reply).split()[0]
    if not isinstance(reply, list):
        return reply
    if not line.startswith("RL.INFO"):
        return tuple(reply)
    info = pairs(reply)
    names = "label", "used", "remaining", "reset_ms"
    holds = [tuple(pairs(hold)[name] for name in ("id", "units", "ends_ms", "settled")) for hold in info["first_holds"]]
    assert info["holds"] == len(holds)
    return holds, info["blocked"], [tuple(pairs(limit)[name] for name in names) for limit in info["limits"]]


def transcript(steps: list[Step]) -> str:
    return "\n".join(f"{now} {line} -> {expected}" for now, line, expected in steps[-8:])


def said(line: str) -> list[str]:
    """The words of a line, of which one may be empty."""
    return ["" if word == '""' else word for word in line.split()]


def hear(db: Client, steps: list[Step]) -> None:
    """Sends all steps in one pipeline and compares the replies."""
    pipe = db.pipeline(transaction=False)
    for now, line, _ in steps:
        pipe.execute_command("RL.DEBUG", "CLOCK", "SET", now)
        pipe.execute_command(*said(line))
    for index, (step, reply) in enumerate(zip(steps, pipe.execute(raise_on_error=False)[1::2], strict=True)):
        got = seen(step.line, reply)
        message = f"RATELIMIT_TEST_SEED={SEED}, step {index}, got {got} after\n{transcript(steps[: index + 1])}"
        assert got == step.reply, message
