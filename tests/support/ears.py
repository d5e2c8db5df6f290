# SPDX-License-Identifier: MIT
"""Two ears for what a server tells others about its changes: as a replica hears it, and as a restart reads it."""

from __future__ import annotations

import socket
from itertools import count

from harness import PATIENCE_S, Server

Words = list[bytes]


def command(words: Words) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class ReplicaEar:
    """Hears what a replica hears: a connection that asks for a full sync, and never does what it is told."""

    def __init__(self, server: Server) -> None:
        self._db = server.client()
        self._tokens = count()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect(str(server.socket))
        self._stream = self._socket.makefile("rb")
        self._socket.sendall(b"PSYNC ? -1\r\n")
        assert self._line().startswith(b"+FULLRESYNC")
        self._stream.read(int(self._line()[1:]))

    def heard(self) -> list[Words]:
        """Everything since the last time, in order; but for what the server says on its own account."""
        token = b"%d" % next(self._tokens)
        self._db.publish("that-was-all", token)
        heard = []
        while (words := self._words()) != [b"PUBLISH", b"that-was-all", token]:
            heard.append(words)
        return spoken(heard)

    def close(self) -> None:
        self._stream.close()
        self._socket.close()
        self._db.close()

    def _line(self) -> bytes:
        """The next line; the server sends empty ones while it saves."""
        while not (line := self._stream.readline().rstrip(b"\r\n")):
            pass
        return line

    def _words(self) -> Words:
        return words_of(self._line(), self._stream)


class FileEar:
    """Reads what a restart would read: the append-only file. The server must write it before it answers: with
    `appendfsync everysec` it waits up to two seconds while the disk is busy.
    """

    def __init__(self, server: Server) -> None:
        with server.client() as db:
            assert db.config_get("appendfsync") == {"appendfsync": "always"}
        self._file = next((server.directory / "appendonlydir").glob("*.incr.aof")).open("rb")
        self._file.read()

    def heard(self) -> list[Words]:
        heard = []
        while line := self._file.readline().rstrip(b"\r\n"):
            heard.append(words_of(line, self._file))
        return spoken(heard)

    def close(self) -> None:
        self._file.close()


Ear = ReplicaEar | FileEar


def words_of(line: bytes, rest) -> Words:
    """A command: its first line is read already."""
    assert line.startswith(b"*"), line
    return [rest.read(int(rest.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]


def spoken(heard: list[Words]) -> list[Words]:
    return [words for words in heard if words[0].upper() not in (b"SELECT", b"PING", b"REPLCONF")]


def names(heard: list[Words]) -> list[str]:
    """The commands, those of the server in capitals; an effect by its kind, too."""
    return [name_of(words) for words in heard]


def name_of(words: Words) -> str:
    name = words[0].decode().upper()
    return f"{name} {words[2].decode()}" if name == "RL._EFFECT" else name


def effects(heard: list[Words]) -> list[Words]:
    return [words for words in heard if words[0].startswith(b"RL.")]
