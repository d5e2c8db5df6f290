# SPDX-License-Identifier: MIT
"""How a command reaches the server, by redis-py: one server, a cluster, or the primary that sentinels name; and which
errors are mistakes. Of Cluster and AsyncCluster, whoever needs one leaves out the other.

No command is sent twice, since the first may have been charged. redis-py would do that: from 6 on, with a pool that it
makes itself, and in a cluster.
"""

from __future__ import annotations

import asyncio
import threading
from types import ModuleType
from urllib.parse import urlsplit, urlunsplit

import redis.asyncio
import redis.asyncio.cluster
import redis.asyncio.sentinel
import redis.cluster
import redis.sentinel
from redis.exceptions import AskError, AuthenticationError, ConnectionError, MovedError, ResponseError, TimeoutError

# What the server says of itself: that it cannot decide now. Any other error that it answers is a mistake. For some of
# them redis-py has classes, and takes the word away.
OUTAGES = {
    *("LOADING", "BUSY", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK"),
    *("OOM", "MISCONF", "NOREPLICAS"),
}
OUTAGE_CLASSES = tuple(
    getattr(redis.exceptions, name)
    for name in ("ReadOnlyError", "ClusterDownError", "TryAgainError", "AskError", "OutOfMemoryError")
    if hasattr(redis.exceptions, name)
)


def is_mistake(error: Exception) -> bool:
    if isinstance(error, AuthenticationError):
        return True
    if not isinstance(error, ResponseError) or isinstance(error, OUTAGE_CLASSES):
        return False
    text = str(error)
    return text.partition(" ")[0] not in OUTAGES and not text.startswith("max number of clients")


def connect(library: ModuleType, url: str, timeout_s: float):
    """`library` is redis or redis.asyncio. A URL as redis-py has them: redis://, rediss://, unix://; or of a cluster,
    redis+cluster://user:password@node:port; or of sentinels, redis+sentinel://a:26379,b:26379/name-of-the-primary.
    """
    waits = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), timeout_s) | {"decode_responses": True}
    scheme, plus, kind = urlsplit(url).scheme.partition("+")
    if not plus:
        # A pool that lets callers wait: too many connections would be a failure that clients can bring about.
        pool = library.BlockingConnectionPool.from_url(url, timeout=timeout_s, **waits)
        return library.Redis(connection_pool=pool)
    if kind == "cluster":
        node = urlunsplit(urlsplit(url)._replace(scheme=scheme))
        return (Cluster if library is redis else AsyncCluster)(node, waits)
    if kind == "sentinel":
        return by_sentinels(library, url, waits)
    raise TypeError("the URL must be of redis, rediss, unix, redis+cluster or redis+sentinel")


def by_sentinels(library: ModuleType, url: str, waits: dict):
    parts = urlsplit(url)
    login, _, places = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    sentinels = [(host, int(port or 26379)) for host, _, port in (place.partition(":") for place in places.split(","))]
    known = {"username": user or None, "password": password or None} if login else {}
    found = library.sentinel.Sentinel(sentinels, sentinel_kwargs=waits)
    return found.master_for(parts.path.strip("/"), **waits, **known)


def at(library: ModuleType, url: str, place: AskError, waits: dict):
    """A client of another node of that cluster, for one call."""
    parts = urlsplit(url)
    login, at_sign, _ = parts.netloc.rpartition("@")
    node = parts._replace(netloc=f"{login}{at_sign}{place.host}:{place.port}")
    return library.Redis(connection_pool=library.ConnectionPool.from_url(urlunsplit(node), **waits))


def asking(pipe, *words):
    pipe.execute_command("ASKING")
    pipe.execute_command(*words)
    return pipe


class Cluster:
    """Asks the node that has the key, by redis-py's map of the cluster."""

    def __init__(self, url: str, waits: dict) -> None:
        self._url, self._waits, self._lock = url, waits, threading.Lock()
        self._longest_s = waits["socket_timeout"]
        self._cluster: redis.cluster.RedisCluster | None = None
        self._is_outdated = False

    def execute_command(self, name: str, key, *words):
        for last in (False, False, True):
            cluster = self._known()
            node = cluster.get_node_from_key(key)
            try:
                return cluster.get_redis_connection(node).execute_command(name, key, *words)
            except (ConnectionError, TimeoutError):
                self._is_outdated = True  # somebody may have taken over
                raise
            except MovedError:  # not carried out
                self._is_outdated = True
                if last:
                    raise
            except AskError as ask:  # nor this: the slot is on its way, and its new keys are already there
                node = at(redis, self._url, ask, self._waits)
                try:
                    return asking(node.pipeline(transaction=False), name, key, *words).execute()[1]
                finally:
                    node.connection_pool.disconnect()

    def _known(self) -> redis.cluster.RedisCluster:
        if self._cluster is not None and not self._is_outdated:
            return self._cluster
        if not self._lock.acquire(timeout=self._longest_s):
            raise TimeoutError("somebody else still reads the map of the cluster")
        try:
            if self._cluster is None:
                self._cluster = redis.cluster.RedisCluster.from_url(self._url, **self._waits)
            elif self._is_outdated:
                self._cluster.nodes_manager.initialize()
            self._is_outdated = False
            return self._cluster
        finally:
            self._lock.release()


class AsyncCluster:
    """The same for asyncio."""

    def __init__(self, url: str, waits: dict) -> None:
        self._url, self._waits, self._lock = url, waits, asyncio.Lock()
        self._cluster = redis.asyncio.cluster.RedisCluster.from_url(url, **waits)
        self._is_outdated = False

    async def execute_command(self, name: str, key, *words):
        for last in (False, False, True):
            await self._learn()
            node = self._cluster.get_node_from_key(key)
            try:
                return await node.execute_command(name, key, *words)
            except (ConnectionError, TimeoutError):
                self._is_outdated = True
                raise
            except MovedError:
                self._is_outdated = True
                if last:
                    raise
            except AskError as ask:
                node = at(redis.asyncio, self._url, ask, self._waits)
                try:
                    return (await asking(node.pipeline(transaction=False), name, key, *words).execute())[1]
                finally:
                    await node.connection_pool.disconnect()

    async def _learn(self) -> None:
        async with self._lock:
            await self._cluster.initialize()
            if self._is_outdated:
                await self._cluster.nodes_manager.initialize()
            self._is_outdated = False
