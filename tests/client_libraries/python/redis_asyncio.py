# SPDX-License-Identifier: MIT
"""The conversation in Python, with redis.asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from redis_py import named, options
from talk import run


def plain(reply: Any) -> Any:
    return {"error": str(reply)} if isinstance(reply, ResponseError) else reply


def connect(port: int, mode: str) -> tuple[Callable, Callable]:
    loop = asyncio.new_event_loop()
    db = (RedisCluster if mode == "cluster" else Redis)(port=port, **options(mode, Retry(NoBackoff(), 0)))

    async def ask(words: list[str | bytes]) -> Any:
        try:
            return await db.execute_command(*named(words))
        except ResponseError as error:
            return plain(error)

    async def ask_together(commands: list[list[str | bytes]], is_transaction: bool) -> list:
        pipe = db.pipeline(transaction=is_transaction)
        for words in commands:
            pipe.execute_command(*named(words))
        return [plain(reply) for reply in await pipe.execute(raise_on_error=False)]

    return (
        lambda words: loop.run_until_complete(ask(words)),
        lambda commands, is_transaction: loop.run_until_complete(ask_together(commands, is_transaction)),
    )


if __name__ == "__main__":
    run(connect)
