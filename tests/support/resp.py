# SPDX-License-Identifier: MIT
"""A connection that speaks RESP2 or RESP3 and hides nothing: errors with their code, maps as maps."""

from __future__ import annotations

import socket
from pathlib import Path

from harness import PATIENCE_S


class Failure(str):
    """An error reply, whole."""


class Connection:
    def __init__(self, path: Path, protocol: int = 2) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect(str(path))
        self._replies = self._socket.makefile("rb")
        self.do("HELLO", str(protocol))

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_) -> None:
        self._replies.close()
        self._socket.close()

    def do(self, *argv: str | bytes):
        self.send(*argv)
        return self.read()

    def send(self, *argv: str | bytes) -> None:
        words = [word.encode() if isinstance(word, str) else word for word in argv]
        self._socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))

    def read(self):
        line = self._replies.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:].decode()
        match kind:
            case b"+":
                return rest
            case b"-":
                return Failure(rest)
            case b":":
                return int(rest)
            case b"$":
                return self._blob(int(rest))
            case b"*" | b"~" | b">":
                return None if rest == "-1" else [self.read() for _ in range(int(rest))]
            case b"%":
                return {self.read(): self.read() for _ in range(int(rest))}
            case b"_":
                return None
        raise AssertionError(f"not a reply: {line!r}")

    def _blob(self, size: int) -> str | None:
        return None if size < 0 else self._replies.read(size + 2)[:-2].decode(errors="replace")
