# SPDX-License-Identifier: MIT
"""The conversation in Python, with redis-py, or with valkey-py, which has the same names."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from talk import PATIENCE_S, run


def named(words: list[str | bytes]) -> list[str | bytes]:
    """redis-py reads a reply by the name of its command, which may be two words."""
    return ["COMMAND GETKEYS", *words[2:]] if words[:2] == ["COMMAND", "GETKEYS"] else words


def options(mode: str, never: Any) -> dict[str, Any]:
    """never: the Retry that tries once."""
    given = {
        "2": {"protocol": 2},
        "3": {"protocol": 3},
        "default": {"socket_timeout": PATIENCE_S},
        "once": {"socket_timeout": PATIENCE_S, "retry": never},
    }
    return {"host": "127.0.0.1", "decode_responses": True} | given.get(mode, {})


def connected(library: ModuleType, never: Any) -> Callable[[int, str], tuple[Callable, Callable]]:
    def plain(reply: Any) -> Any:
        return {"error": str(reply)} if isinstance(reply, library.ResponseError) else reply

    def connect(port: int, mode: str) -> tuple[Callable, Callable]:
        whole = getattr(library, library.__name__.capitalize() + "Cluster" * (mode == "cluster"))
        db = whole(port=port, **options(mode, never))

        def ask(words: list[str | bytes]) -> Any:
            try:
                return db.execute_command(*named(words))
            except library.ResponseError as error:
                return plain(error)

        def ask_together(commands: list[list[str | bytes]], is_transaction: bool) -> list:
            pipe = db.pipeline(transaction=is_transaction)
            for words in commands:
                pipe.execute_command(*named(words))
            return [plain(reply) for reply in pipe.execute(raise_on_error=False)]

        return ask, ask_together

    return connect


if __name__ == "__main__":
    run(connected(redis, Retry(NoBackoff(), 0)))
