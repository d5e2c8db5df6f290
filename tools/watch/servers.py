# SPDX-License-Identifier: MIT
"""Asks servers, by commands that only read, and finds the nodes of a cluster.

A server that does not answer in time is gone, and is asked again at the next look. A command that the user may not call
is said once and not asked again: each refusal would be a line in the server's ACL LOG.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from inspect import signature
from typing import Protocol

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AskError, AuthenticationError, MovedError, NoPermissionError, RedisError, ResponseError

from . import samples
from .rows import Place, Watched
from .samples import Limiter, Reply, Sample

Question = tuple[str | bytes | int, ...]

INFO: Question = ("INFO", "server", "clients", "memory", "stats", "commandstats", "ratelimit")
HISTOGRAMS: Question = ("LATENCY", "HISTOGRAM")
NODES: Question = ("CLUSTER", "NODES")
KEYS_A_STEP = 1000
STEPS_A_LOOK = 10  # so a large keyspace is gone through in several looks
TOPS_A_LOOK = 16  # limiters whose top is asked for: the most denied
NAMES_A_TOP = 10
LOG_ENTRIES = 1000


HARMLESS = (MovedError, AskError, NoPermissionError)


class Gone(Exception):
    """The server does not answer; the text says how that was noticed."""


class Refused(Exception):
    """The server answers, and does not let us in."""


class Link(Protocol):
    """A connection. Replies come as they were sent: bytes, integers, lists, None; an error takes the reply's place."""

    async def ask(self, *questions: Question) -> list[Reply]: ...

    async def close(self) -> None: ...


# Newer releases of redis-py speak RESP3 unless told otherwise; older ones speak RESP2, and lack the option.
RESP2 = {"protocol": 2} if "protocol" in signature(redis.asyncio.Redis).parameters else {}


class RedisLink:
    """By redis-py, which connects again by itself."""

    def __init__(self, timeout_s: float, **how: object) -> None:
        self._timeout_s = timeout_s
        no_retry = Retry(NoBackoff(), 0)  # the next look is one
        self._client = redis.asyncio.Redis(**how, **RESP2, retry=no_retry)
        self._client.response_callbacks.clear()

    async def ask(self, *questions: Question) -> list[Reply]:
        try:
            return await asyncio.wait_for(self._pipelined(questions), self._timeout_s)
        except (TimeoutError, redis.TimeoutError):
            await self.close()  # what still comes would be taken for the next reply
            raise Gone(f"no answer within {self._timeout_s:g} s") from None
        except (RedisError, OSError, AttributeError) as error:  # the last: how redis-py says it of a socket file
            if _is_refusal(error) or _is_refusal(error.__cause__):
                raise Refused(str(error)) from error
            await self.close()
            raise Gone(_reason(error)) from error

    async def _pipelined(self, questions: Iterable[Question]) -> list[Reply]:
        pipe = self._client.pipeline(transaction=False)
        for question in questions:
            pipe.execute_command(*question)
        return await pipe.execute(raise_on_error=False)

    async def close(self) -> None:
        await self._client.connection_pool.disconnect()


def _reason(error: BaseException) -> str:
    """What the system said, which redis-py wraps in words of its own."""
    said = error
    while not isinstance(said, OSError) and (inner := said.__cause__ or said.__context__):
        said = inner
    said = said if isinstance(said, OSError) else error
    return str(said) or type(said).__name__


def _is_refusal(error: BaseException | None) -> bool:
    """Errors of questions are replies; what is raised is about the login. redis-py wraps it, or does not."""
    return isinstance(error, AuthenticationError | ResponseError)


@dataclass(frozen=True)
class Wanted:
    """Which limiters of a server."""

    match: str = ""
    most: int = 500


class Server:
    """One server, and what is known of it from one look to the next."""

    def __init__(self, name: str, link: Link, wanted: Wanted, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.link = link
        self.watched = Watched(name)
        self._wanted = wanted
        self.clock = clock
        self._refused: dict[str, str] = {}
        self._cursor: Reply = 0
        self._keys: dict[bytes, None] = {}  # of limiters, in the order in which they were found
        self._fresh: dict[bytes, None] = {}  # of the pass over the keyspace that goes on

    async def look(self, *, is_thorough: bool = False) -> None:
        """Asks for everything; afterwards `watched` is as of now."""
        try:
            sample = await self._sample(is_thorough)
        except Gone as gone:
            self.watched = Watched(self.name, trouble=f"gone: {gone}")
            return
        self.watched = Watched(self.name, before=self.watched.now, now=sample)

    async def _sample(self, is_thorough: bool) -> Sample:
        info, histograms = await self._may_ask(INFO, HISTOGRAMS)
        at = self.clock()
        about = samples.info(info)
        await self._find_limiters(is_thorough)
        limiters, faults = await self._ask_limiters()
        unseen = max(len(self._keys) - self._wanted.most, 0)
        sample = Sample(
            at=at,
            info=about,
            commands=samples.commands(about, histograms),
            limiters=limiters,
            unseen=unseen,
        )
        tops, near_tops = await self._ask_tops(sample)
        complaints = [*self._refused.values(), *faults]
        if unseen:
            complaints.append(f"{len(limiters)} of {len(limiters) + unseen} limiters are shown; --match chooses")
        return replace(sample, tops=tops, near_tops=near_tops, complaints=tuple(complaints))

    async def _may_ask(self, *questions: Question) -> list[Reply]:
        """Replies in the order of the questions; None for a command that is refused."""
        asked = [question for question in questions if question[0] not in self._refused]
        replies = dict(zip(asked, await self.link.ask(*asked))) if asked else {}
        for question, reply in replies.items():
            if isinstance(reply, Exception):
                self._refused[question[0]] = _refusal(question[0], reply)
        return [None if isinstance(replies.get(each), Exception) else replies.get(each) for each in questions]

    async def _find_limiters(self, is_thorough: bool) -> None:
        """Goes on with the pass over the keyspace. A limiter that was deleted is forgotten when a pass has ended."""
        pattern = ("MATCH", os.fsencode(self._wanted.match)) if self._wanted.match else ()  # a name may have any bytes
        steps = 0
        while is_thorough or steps < STEPS_A_LOOK:
            (reply,) = await self._may_ask(("RL.LIMITERS", self._cursor, *pattern, "COUNT", KEYS_A_STEP))
            if not isinstance(reply, list):
                return
            self._cursor, found = reply
            self._fresh |= dict.fromkeys(found)
            self._keys |= dict.fromkeys(found)
            steps += 1
            if self._cursor in (b"0", 0):
                self._keys, self._fresh = self._fresh, {}
                return

    async def _ask_limiters(self) -> tuple[dict[bytes, Limiter], list[str]]:
        """The limiters, and what the server says instead, each once. A limiter that has just gone to another node, or
        that the user may not read, is nothing to complain of."""
        keys = list(self._keys)[: self._wanted.most]
        replies = await self._ask_each("RL.INFO", [("RL.INFO", key) for key in keys])
        limiters = {key: samples.limiter(key, reply) for key, reply in zip(keys, replies)}
        faults = dict.fromkeys(
            str(reply) for reply in replies if isinstance(reply, Exception) and not isinstance(reply, HARMLESS)
        )
        return {key: limiter for key, limiter in limiters.items() if limiter}, list(faults)

    async def _ask_each(self, command: str, questions: list[Question]) -> list[Reply]:
        """One command about several keys; nothing, if the user may not call it at all."""
        if not questions or command in self._refused:
            return []
        replies = await self.link.ask(*questions)
        for reply in replies:
            if _may_not_run(reply):
                self._refused[command] = _refusal(command, reply)
        return replies

    async def _ask_tops(self, sample: Sample) -> tuple[dict, dict]:
        keys = busiest(self.watched.now, sample)
        questions = [("RL.TOP", key, NAMES_A_TOP, *near) for near in ((), ("NEAR",)) for key in keys]
        replies = [samples.top(reply) for reply in await self._ask_each("RL.TOP", questions)]
        return dict(zip(keys, replies)), dict(zip(keys, replies[len(keys) :]))


def busiest(before: Sample | None, now: Sample) -> list[bytes]:
    """The limiters that were denied or near most since the last look, then those that were so in all."""

    def troubles(limiter: Limiter) -> int:
        counts = [limiter.counts, *limiter.labels.values()]
        return sum((each.denied or 0) + (each.would_deny or 0) + (each.near or 0) for each in counts)

    def order(key: bytes) -> tuple:
        in_all = troubles(now.limiters[key])
        earlier = before.limiters.get(key) if before else None
        return (-(in_all - troubles(earlier)) if earlier else 0, -in_all)

    return sorted((key for key in now.limiters if troubles(now.limiters[key])), key=order)[:TOPS_A_LOOK]


def _may_not_run(reply: Reply) -> bool:
    """Whether the user may not call this command at all. He may be refused for the key alone."""
    return isinstance(reply, NoPermissionError) and "to run" in str(reply)


def _refusal(command: str, error: Exception) -> str:
    text = str(error)
    if command.startswith("RL.") and text.lower().startswith(("unknown command", "err unknown command")):
        return f"there is no {command} here: the module is not loaded, or is older than this program"
    return f"{command} is refused, and what it tells is missing: {text}"


# --- all servers ------------------------------------------------------------------------------------


class Servers:
    """The server that was named; if it is a node of a cluster, all primaries."""

    def __init__(self, host: str, port: int, link_to: Callable[[str, int], Link], wanted: Wanted) -> None:
        self._link_to = link_to
        self._wanted = wanted
        self._host = host
        self._servers = {(host, port): self._server(host, port)}
        self._cluster_complaint = ""
        self._refused: dict[str | bytes | int, Reply] = {}

    def _server(self, host: str, port: int) -> Server:
        name = f"{host}:{port}" if port else host
        return Server(name, self._link_to(host, port), self._wanted)

    def all(self) -> list[Server]:
        return list(self._servers.values())

    async def look(self, *, is_thorough: bool = False) -> list[Watched]:
        await self._find_nodes()
        await asyncio.gather(*(server.look(is_thorough=is_thorough) for server in self._servers.values()))
        if not self._knows_cluster and any(map(_is_node, self._watched())):
            self._knows_cluster = True
            return await self.look(is_thorough=is_thorough)
        return self._watched()

    _knows_cluster = False

    def _watched(self) -> list[Watched]:
        watched = [server.watched for server in self._servers.values()]
        return sorted(map(self._with_complaint, watched), key=lambda each: each.name)

    def _with_complaint(self, watched: Watched) -> Watched:
        if not self._cluster_complaint or watched.now is None:
            return watched
        now = replace(watched.now, complaints=(*watched.now.complaints, self._cluster_complaint))
        return replace(watched, now=now)

    async def _find_nodes(self) -> None:
        """Nodes come and go; who answers first says which there are."""
        if not self._knows_cluster or self._cluster_complaint:
            return
        for (host, _), server in sorted(self._servers.items(), key=lambda item: item[1].watched.now is None):
            try:
                (reply,) = await server.link.ask(NODES)
            except Gone:
                continue
            if isinstance(reply, bytes):
                await self._take(primaries(reply.decode("utf-8", "replace"), host))
            else:
                self._cluster_complaint = f"only this node of the cluster is shown: CLUSTER NODES is refused: {reply}"
            return

    async def _take(self, addresses: list[tuple[str, int]]) -> None:
        for address in set(self._servers) - set(addresses):
            await self._servers.pop(address).link.close()
        for address in addresses:
            if address not in self._servers:
                self._servers[address] = self._server(*address)

    async def ask(self, places: Iterable[Place], question: Callable[[bytes], Question]) -> list[Reply]:
        """The same question about each of some keys; those on a server that is gone are left out. A question that is
        refused is not asked again, and has the same answer."""
        command = question(b"")[0]
        if command in self._refused:
            return [self._refused[command]]
        by_server: dict[str, list[bytes]] = {}
        for place in places:
            by_server.setdefault(place.server, []).append(place.key)
        by_name = {server.name: server for server in self._servers.values()}
        waiting: list[Awaitable] = [
            by_name[name].link.ask(*map(question, keys)) for name, keys in by_server.items() if name in by_name
        ]
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        replies = [reply for answer in answers if isinstance(answer, list) for reply in answer]
        refusal = next(filter(_may_not_run, replies), None)
        if refusal is not None:
            self._refused[command] = refusal
        return replies

    async def close(self) -> None:
        for server in self._servers.values():
            await server.link.close()


def _is_node(watched: Watched) -> bool:
    about = watched.now.info if watched.now else {}
    return "cluster" in (about.get("redis_mode"), about.get("server_mode"))  # Redis and Valkey


def primaries(nodes: str, host: str) -> list[tuple[str, int]]:
    """From CLUSTER NODES, asked of `host`: primaries that hold slots, and those that have failed, as long as the
    cluster remembers them."""
    found = []
    for words in (line.split() for line in nodes.splitlines()):
        if len(words) < 8:
            continue
        flags = words[2].split(",")
        has_failed = any(flag.startswith("fail") for flag in flags)
        if "master" not in flags or "noaddr" in flags or not (len(words) > 8 or has_failed):
            continue
        address, _, port = words[1].split(",")[0].split("@")[0].rpartition(":")
        found.append((address or host, int(port)))
    return found
