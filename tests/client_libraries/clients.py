# SPDX-License-Identifier: MIT
"""The client libraries that the module is tried with: the program that drives each, what it makes of replies, and what
it does in a cluster, with a prefix, and when a connection breaks. docs/client-libraries.md has the same table."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import REPOSITORY, output_of

HERE = Path(__file__).parent
BUILD = REPOSITORY / "build" / "clients"  # scripts/client-libraries fills it


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


def pairs_in_turn(reply: Any) -> Any:
    """A map of RESP3 as it is in RESP2: names and values in turn."""
    if isinstance(reply, dict) and not is_error(reply):
        return [pairs_in_turn(item) for pair in reply.items() for item in pair]
    return [pairs_in_turn(item) for item in reply] if isinstance(reply, list) else reply


def first_error(replies: list) -> Any:
    """Where there is an error, nothing but the first."""
    return next(filter(is_error, replies), replies)


def false_or_thrown(replies: list) -> Any:
    """An error is false; but one with another code than these is thrown, in place of all replies."""
    thrown = [reply for reply in replies if is_error(reply) and not reply["error"].startswith(("ERR ", "WRONGTYPE "))]
    return thrown[0] if thrown else [False if is_error(reply) else reply for reply in replies]


@each_value
def without_err(value: Any) -> Any:
    return value.removeprefix("ERR ") if isinstance(value, str) else value


@each_value
def in_glides_words(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.startswith("ERR "):
        return value.replace("ERR ", "An error was signalled by the server: - ResponseError: ")
    return value.replace("NOLIMITS ", "NOLIMITS: ").replace("WRONGTYPE ", "WRONGTYPE: ")


# Why the reply to a call does not come: the connection breaks, or the reply takes longer than the time-out.
BREAK, LATE = "break", "late"
ON_A_BREAK, ALWAYS = frozenset({BREAK}), frozenset({BREAK, LATE})


@dataclass(frozen=True)
class Client:
    driver: str
    speaks_resp3: bool = False
    shows: Callable[[Any], Any] = same  # a reply, as this library shows it
    shows_pipeline: Callable[[list], Any] = same  # the replies of a pipeline, before that
    shows_transaction: Callable[[list], Any] = same
    finds_key: bool | None = None  # in a cluster: True, at once; False, the server redirects; None: no such client
    prefixes: bool | None = None  # a key prefix that is set: True, applied; False, silently not; None: no such setting
    sends_again: frozenset[str] = frozenset()  # what makes it send a call again, if nothing is set

    @property
    def source(self) -> Path:
        return HERE / self.driver


PYTHON = {"speaks_resp3": True, "shows": without_err}
IN_A_TRANSACTION = {"shows_transaction": first_error}
MAPS_ARE_LISTS = {"speaks_resp3": True, "shows": pairs_in_turn}

# One that is said not to speak RESP3 is tried with it all the same, and must fail.
CLIENTS = {
    "go-redis": Client("go/goredis", sends_again=ALWAYS, finds_key=True, speaks_resp3=True),
    "rueidis": Client("go/rueidis", finds_key=True, speaks_resp3=True, shows=without_err),
    "redigo": Client("go/redigo"),
    "Jedis": Client("java/JedisTalk", finds_key=True, prefixes=False, speaks_resp3=True),
    "Lettuce": Client("java/LettuceTalk", sends_again=ON_A_BREAK, finds_key=True, **MAPS_ARE_LISTS),
    "Redisson": Client(
        "java/RedissonTalk",
        sends_again=ALWAYS,
        finds_key=True,
        prefixes=True,
        shows_transaction=first_error,
        **MAPS_ARE_LISTS,
    ),
    "Spring Data Redis": Client("java/SpringTalk", sends_again=ON_A_BREAK, **MAPS_ARE_LISTS),
    "ioredis": Client("node/ioredis.js", sends_again=ON_A_BREAK, finds_key=False, prefixes=False, speaks_resp3=True),
    "node-redis": Client("node/node_redis.js", finds_key=True, speaks_resp3=True),
    "valkey-glide": Client("node/valkey_glide.js", finds_key=True, speaks_resp3=True, shows=in_glides_words),
    "redis-py": Client("python/redis_py.py", sends_again=ALWAYS, finds_key=True, **PYTHON),
    "redis.asyncio": Client("python/redis_asyncio.py", sends_again=ALWAYS, finds_key=True, **PYTHON),
    "valkey-py": Client("python/valkey_py.py", finds_key=True, **PYTHON),
    "redis-rs": Client("rust/redis_rs", finds_key=True, speaks_resp3=True),
    "fred": Client(
        "rust/fred", sends_again=ON_A_BREAK, finds_key=True, speaks_resp3=True, shows_transaction=first_error
    ),
    "phpredis": Client(
        "php/phpredis.php",
        finds_key=True,
        prefixes=False,
        shows=each_value(lambda value: False if value is None else value),
        shows_pipeline=false_or_thrown,
        shows_transaction=false_or_thrown,
    ),
    "Predis": Client("php/predis.php", prefixes=False),
    "redis-rb": Client(
        "ruby/redis_rb.rb",
        sends_again=ALWAYS,
        finds_key=True,
        shows_pipeline=first_error,
        shows_transaction=first_error,
    ),
    "Redis.pm": Client(
        "perl/redis_perl.pl",
        # integers are strings, as far as Perl tells them apart
        shows=each_value(lambda value: str(value) if isinstance(value, int) else value),
    ),
    "hiredis": Client("c/hiredis", speaks_resp3=True),
    "hiredis 0.14": Client("c/hiredis_0_14"),
}


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(BUILD / "bin"), os.environ["PATH"]])
    return os.environ | {"NODE_PATH": str(BUILD / "node" / "node_modules"), "PATH": path}


def class_path() -> str:
    return os.pathsep.join([(BUILD / "java" / "libraries").read_text(), str(BUILD / "java" / "classes")])


# A program lives for seconds: the quick compiler is enough, and one kind of collector.
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
INTERPRETERS = {
    ".py": str(BUILD / "python" / "bin" / "python"),
    ".js": str(BUILD / "bin" / "node"),
    ".php": "php",
    ".rb": "ruby",
    ".pl": "perl",
}


def program(client: Client) -> list[str]:
    """How to run the client's driver: by its interpreter, or what scripts/client-libraries compiled."""
    language, name = client.driver.split("/")
    if client.source.suffix in INTERPRETERS:
        return [INTERPRETERS[client.source.suffix], str(client.source)]
    if language == "java":
        return [*JAVA, "-cp", class_path(), name]
    binary = BUILD / language / ("debug" if language == "rust" else "") / name
    assert binary.exists(), f"there is no {binary}: run scripts/client-libraries {language}"
    return [str(binary)]


def converse(client: Client, conversation: Path, port: int, mode: str) -> str:
    """What the client's program prints; test_conversation.py says what the modes are."""
    assert shutil.which(program(client)[0]), f"{client.driver} needs {program(client)[0]}"
    return output_of(*program(client), str(conversation), str(port), mode, env=environment())
