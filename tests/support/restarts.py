# SPDX-License-Identifier: MIT
"""Ways in which a server's data goes through a file: written, and read by the server that comes after it."""

from __future__ import annotations

from cluster import Node
from harness import eventually


def save(server: Node) -> None:
    with server.client() as db:
        db.save()
    server.kill()
    server.start()


def save_in_the_background(server: Node) -> None:
    with server.client() as db:
        db.bgsave()
        eventually(lambda: not db.info("persistence")["rdb_bgsave_in_progress"], "the file to be written")
        assert db.info("persistence")["rdb_last_bgsave_status"] == "ok"
    server.kill()
    server.start()


def reload(server: Node) -> None:
    with server.client() as db:
        db.do("DEBUG RELOAD")


def crash(server: Node) -> None:
    """With `always`, a grant is in the file before its reply is sent: nothing is lost with the process."""
    server.kill()
    server.start()


def shut_down(server: Node) -> None:
    server.restart()


def rewrite(server: Node) -> None:
    with server.client() as db:
        db.bgrewriteaof()
        eventually(lambda: not db.info("persistence")["aof_rewrite_in_progress"], "the file to be written anew")
        assert db.info("persistence")["aof_last_bgrewrite_status"] == "ok"
    server.restart()
