# SPDX-License-Identifier: MIT
"""The client libraries that the module is tried with: the program that drives each, and what it makes of replies."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import GO, REPOSITORY, node_modules, output_of

HERE = Path(__file__).parent
BUILD = REPOSITORY / "build" / "clients"
INTERPRETERS = {".py": sys.executable, ".js": "node", ".php": "php", ".rb": "ruby", ".pl": "perl"}


def same(reply: Any) -> Any:
    return reply


def is_error(reply: Any) -> bool:
    return isinstance(reply, dict) and reply.keys() == {"error"}


def each_value(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The change of a whole reply that changes every value in it, however deep."""

    def changed(reply: Any) -> Any:
        if isinstance(reply, dict):
            return {name: changed(value) for name, value in reply.items()}
        return [changed(value) for value in reply] if isinstance(reply, list) else change(reply)

    return changed


@dataclass(frozen=True)
class Client:
    driver: str
    speaks_resp3: bool = False
    shows: Callable[[Any], Any] = same  # a reply, as this library shows it
    shows_together: Callable[[list], Any] = same  # the replies of a pipeline or a transaction, before that


def first_error(replies: list) -> Any:
    """Where there is an error, nothing but the first."""
    return next(filter(is_error, replies), replies)


def false_or_thrown(replies: list) -> Any:
    """An error is false; but one with another code than these is thrown, in place of all replies."""
    thrown = [reply for reply in replies if is_error(reply) and not reply["error"].startswith(("ERR ", "WRONGTYPE "))]
    return thrown[0] if thrown else [False if is_error(reply) else reply for reply in replies]


# What each packaged library can do. One that is said not to speak RESP3 is tried with it all the same, and must fail.
CLIENTS = {
    "redis-py": Client(
        "redis_py.py",
        # takes the code of an error away, if it is ERR
        shows=each_value(lambda value: value.removeprefix("ERR ") if isinstance(value, str) else value),
    ),
    "ioredis": Client("ioredis.js"),
    "node-redis": Client("node_redis.js", speaks_resp3=True),
    "hiredis": Client("hiredis.c"),
    "phpredis": Client(
        "phpredis.php",
        shows=each_value(lambda value: False if value is None else value),
        shows_together=false_or_thrown,
    ),
    "redis-rb": Client("redis_rb.rb", shows_together=first_error),
    "Redis.pm": Client(
        "redis_perl.pl",
        # integers are strings, as far as Perl tells them apart
        shows=each_value(lambda value: str(value) if isinstance(value, int) else value),
    ),
    "redigo": Client("redigo.go"),
}


def environment() -> dict[str, str]:
    return os.environ | GO | {"NODE_PATH": str(node_modules())}


def program(source: Path) -> list[str]:
    """How to run this source: by its interpreter, or compiled in build/clients."""
    if source.suffix in INTERPRETERS:
        return [INTERPRETERS[source.suffix], str(source)]
    BUILD.mkdir(parents=True, exist_ok=True)
    binary = str(BUILD / source.stem)
    if source.suffix == ".c":
        output_of("cc", "-std=c11", "-Wall", "-Werror", str(source), "-o", binary, "-lhiredis", "-ljansson")
    else:
        output_of("go", "build", "-o", binary, str(source), env=environment())
    return [binary]


def run(source: Path, *arguments: str) -> str:
    return output_of(*program(source), *arguments, env=environment())
