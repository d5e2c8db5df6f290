# SPDX-License-Identifier: MIT
"""The limiters on the servers: a cluster, or a single server. What a key stores, storing it, removing it.

Next to each limiter that was made here there is a mark, a key of the same slot: `api:free` has `{api:free}:rule`, and
`{6}api:free` has `{6}api:free:rule`. Its value is the limits that were stored last. A limiter without a mark was made
by somebody else. One script writes limiter and mark, so that no mark is missing; and they are lost together.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from rows import Rule, text_of

# Read only. The first value is the limits that the key stores, the second whether they are on trial: none and -1, if
# there is no such key; none and -2, if the key stores none. Then what the module says to the limits of the call: of the
# key's own ones nothing, of others that the key stores others, of senseless ones what is wrong. Then the mark.
LOOK = """
local stored, trial = {}, -1
local info = redis.pcall('RL.INFO', KEYS[1])
if type(info) == 'table' and info.err then return info end
for i = 1, info and #info or 0, 2 do
  if info[i] == 'shadow' then trial = info[i + 1] end
  if info[i] == 'limits' then
    for _, limit in ipairs(info[i + 1]) do
      for j = 1, #limit, 2 do if limit[j] == 'limit' then stored[#stored + 1] = limit[j + 1] end end
    end
  end
end
if info and info[4] ~= 1 then stored, trial = {}, -2 end
local peek = #ARGV > 0 and redis.pcall('RL.PEEK', KEYS[1], unpack(ARGV)) or {}
return {table.concat(stored, ' '), trial, peek.err or '', redis.call('GET', KEYS[2])}
"""

# A key that was there is not ours, even if it stored no limits; one that has our mark is.
DEFINE = """
local is_ours = redis.call('EXISTS', KEYS[1]) == 0 or redis.call('EXISTS', KEYS[2]) == 1
local reply = redis.pcall('RL.DEFINE', KEYS[1], unpack(ARGV))
if is_ours and not reply.err then redis.call('SET', KEYS[2], table.concat(ARGV, ' ')) end
return reply
"""

# Only with a mark, and if the key still stores the limits that the mark says.
REMOVE = """
local mark = redis.call('GET', KEYS[2])
if not mark then return redis.call('EXISTS', KEYS[1]) == 0 and 'absent' or 'not ours' end
local info = redis.pcall('RL.INFO', KEYS[1])
if not info then return 'absent' end
local words = {}
for word in mark:gmatch('%S+') do if word ~= 'SHADOW' then words[#words + 1] = word end end
if info.err or info[4] ~= 1 or redis.pcall('RL.PEEK', KEYS[1], unpack(words)).err then return 'changed' end
if ARGV[1] == 'remove' then redis.call('UNLINK', KEYS[1], KEYS[2]) end
return 'removed'
"""

OTHER_LIMITS = "the key stores other limits"

# What a server says that cannot answer now. All other errors are about the question. Of some, redis-py has classes, and
# takes the word away.
NOT_NOW = {
    *("LOADING", "BUSY", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "ASK"),
    *("OOM", "MISCONF", "NOREPLICAS"),
}
NOT_NOW_CLASSES = tuple(
    getattr(redis.exceptions, name)
    for name in ("ReadOnlyError", "ClusterDownError", "TryAgainError", "AskError", "OutOfMemoryError")
    if hasattr(redis.exceptions, name)
)
WAITS = {"socket_connect_timeout": 1, "socket_timeout": 2}
TEXTS = {"decode_responses": True, "encoding_errors": "replace"}  # a mark that somebody else wrote may have any bytes


class Away(Exception):
    """A server cannot answer now: to be tried again."""


class Refused(Exception):
    """The server says what is wrong with the question."""


@dataclass(frozen=True)
class Stored:
    """What a key stores; `same` if that is what the rule says, `fault` what the module has against the rule."""

    text: str
    is_ours: bool
    same: bool
    fault: str


class Limiters:
    """By the addresses of some servers of one cluster, or of one server that is none: redis://user:password@host:port"""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self._slots: Slots | None = None

    def look(self, key: str, rule: Rule) -> Stored:
        limits, trial, said, mark = self._run(LOOK, key, *rule.words)
        text = text_of(limits, trial == 1) or {-1: "", -2: "no limits"}.get(trial, "")
        # The module compares the numbers, whatever way they are written; labels it leaves to us.
        same = not said and (labels(limits), trial) == (labels(rule.limits), int(rule.trial))
        return Stored(text, mark is not None, same, "" if OTHER_LIMITS in said else said.removeprefix("ERR "))

    def define(self, key: str, rule: Rule) -> None:
        self._run(DEFINE, key, *rule.words, *["SHADOW"] * rule.trial)

    def remove(self, key: str, dry_run: bool) -> str:
        """`removed`, `absent`, or why it was left alone: `not ours` or `changed`. The same of a dry run."""
        return self._run(REMOVE, key, "look" if dry_run else "remove")

    def node_of(self, key: str) -> str:
        """Who has the key, as far as is known: so that nobody waits for each key of a node that is away."""
        return self._known().address_of(key)

    def close(self) -> None:
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.close()

    def _run(self, script: str, key: str, *words: str):
        """An error that says that the cluster has changed makes the next question read its map anew."""
        try:
            return self._eval(script, key, *words)
        except NOT_NOW_CLASSES as error:
            fault = error
        except redis.ResponseError as error:
            if str(error).split(" ", 1)[0] not in NOT_NOW:
                raise Refused(str(error)) from error
            fault = error
        except (redis.RedisError, OSError) as error:
            fault = error
        self.close()
        raise Away(text_of_error(fault)) from fault

    def _eval(self, script: str, key: str, *words: str):
        try:
            return self._known().client_of(key).eval(script, 2, key, mark_of(key), *words)
        except redis.exceptions.MovedError:  # not carried out
            self.close()
            return self._known().client_of(key).eval(script, 2, key, mark_of(key), *words)

    def _known(self) -> Slots:
        fault: Exception = redis.ConnectionError("no address was given")
        for address in self._addresses if self._slots is None else []:
            try:
                self._slots = Slots(address)
                break
            except (redis.RedisError, OSError) as error:
                fault = error
        if self._slots is None:
            raise Away(text_of_error(fault))
        return self._slots


class Slots:
    """Who has which slots, as one server of the cluster says; a server that is no cluster has all of them. redis-py has
    such a map too; that of Debian's version does not survive the death of a node.
    """

    def __init__(self, address: str) -> None:
        self._clients: dict[str, redis.Redis] = {}
        self._ranges: list[tuple[int, int, str]] = [(0, REDIS_CLUSTER_HASH_SLOTS - 1, address)]
        first = self._client(address)
        first.set_response_callback("CLUSTER SLOTS", lambda reply: reply)
        if first.info("cluster").get("cluster_enabled"):
            ranges = first.execute_command("CLUSTER SLOTS")
            self._ranges = [(begin, end, at(address, *node[:2])) for begin, end, node, *_ in ranges]

    def address_of(self, key: str) -> str:
        slot = key_slot(key.encode())
        for begin, end, address in self._ranges:
            if begin <= slot <= end:
                return address
        raise Away(f"nobody has the slot {slot}")

    def client_of(self, key: str) -> redis.Redis:
        return self._client(self.address_of(key))

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _client(self, address: str) -> redis.Redis:
        return self._clients.setdefault(address, redis.Redis.from_url(address, **WAITS, **TEXTS))


def at(address: str, host: str, port: int) -> str:
    """The same address, with user and password, of another server. One that does not know its own name says none."""
    parts = urlsplit(address)
    login, sign, _ = parts.netloc.rpartition("@")
    host = host or parts.hostname or "localhost"
    return urlunsplit(parts._replace(netloc=f"{login}{sign}{f'[{host}]' if ':' in host else host}:{port}"))


def text_of_error(error: Exception) -> str:
    return str(error) or type(error).__name__


def mark_of(key: str) -> str:
    """In the slot of the key."""
    return f"{key}:rule" if key.startswith("{") else f"{{{key}}}:rule"


def labels(limits: str) -> list[str]:
    """The labels that `AS` gives, empty where it does not."""
    found: list[str] = []
    words = iter(limits.split(" "))
    for word in words:
        if word.upper() == "AS":
            found[-1:] = [next(words)]
        elif word.upper() in ("TOKENBUCKET", "LEAKYBUCKET", "FIXED", "SLIDING", "QUOTA", "CONCURRENT"):
            found.append("")
    return found
