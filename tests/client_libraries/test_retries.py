# SPDX-License-Identifier: MIT
"""What a library does with a call whose reply does not come: the connection breaks after the server has carried out the
call, or the reply is late. A library that sends the call again charges twice."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from clients import BREAK, CLIENTS, LATE, Client, converse
from harness import Server

CALL = b"RL.FIXED"


class Proxy:
    """Hands on what client and server say. Of the first call's reply, it breaks the connection (BREAK), or says nothing
    on that connection any more (LATE)."""

    def __init__(self, server: Server, harm: str) -> None:
        self._server, self._harm = server, harm
        self._is_done = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server.port))
                self._sockets += [client, server]
                threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        """One connection: its two directions, and the harm."""
        harmed = threading.Event()
        threading.Thread(target=self._listen, args=(client, server, harmed), daemon=True).start()
        with suppress(OSError):
            while data := server.recv(65536):
                if not harmed.is_set():
                    client.sendall(data)
                elif self._harm == BREAK:
                    break
            if self._harm == BREAK or not harmed.is_set():
                client.shutdown(socket.SHUT_RDWR)

    def _listen(self, client: socket.socket, server: socket.socket, harmed: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if CALL in data and not self._is_done.is_set():
                    self._is_done.set()
                    harmed.set()
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def harmful(server: Server, harm: str) -> Iterator[Proxy]:
    proxy = Proxy(server, harm)
    try:
        yield proxy
    finally:
        proxy.close()


def charged(server: Server, client: Client, harm: str, mode: str, folder: Path) -> int:
    """How many units one call took, all in all."""
    file = folder / "steps.json"
    file.write_text(json.dumps([{"command": "RL.PEEK key FIXED 5 1h"}, {"command": "RL.FIXED key 5 1h"}]))
    with harmful(server, harm) as proxy:
        _, heard = json.loads(converse(client, file, proxy.port, mode))
    with server.client() as db:
        used = 5 - db.ask("RL.PEEK key FIXED 5 1h").remaining
    # Who is sent once is told that something went wrong. Who is sent again may be told nothing.
    assert used > 1 or (used == 1 and "error" in heard)
    return used


@pytest.mark.parametrize("harm", [BREAK, LATE])
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_a_call_whose_reply_does_not_come_is_sent_again_or_not(server, client: Client, harm: str, tmp_path: Path):
    assert (charged(server, client, harm, "default", tmp_path) > 1) == (harm in client.sends_again)


AGAIN = {name: client for name, client in CLIENTS.items() if client.sends_again}


@pytest.mark.parametrize("harm", [BREAK, LATE])
@pytest.mark.parametrize("client", AGAIN.values(), ids=AGAIN)
def test_with_retries_switched_off_a_call_is_sent_once(server, client: Client, harm: str, tmp_path: Path):
    assert charged(server, client, harm, "once", tmp_path) == 1


@pytest.mark.parametrize(
    "line", ["RL.RESERVE key 1m FIXED 5 1h ID a", "RL.SETTLE key a 1", "RL.CONCURRENT gate 5 1m ID a"]
)
def test_a_call_with_an_id_may_be_sent_again(server: Server, line: str):
    with server.client() as db:
        db.do("RL.RESERVE key 1m FIXED 5 1h COST 2 ID a" if "SETTLE" in line else "PING")
        first = db.ask(line)
        second = db.ask(line)
        assert first[:3] == second[:3]
