# SPDX-License-Identifier: MIT
"""Loading the module: it takes the argument DEBUG or none, and the server's log says so when there is another."""

from __future__ import annotations

import pytest
import redis

from harness import MODULE, Server, ServerDied


def load(db, *arguments: str) -> None:
    db.execute_command("MODULE LOAD", str(MODULE), *arguments)


def test_the_module_loads_into_a_running_server(start_server):
    with start_server(module=None).client() as db:
        load(db)
        assert db.do("RL.FIXED k 10 60s") == [1, 10, 9, 0, 60000]
        assert db.error("RL.DEBUG", "CLOCK", "RESUME").startswith("unknown command")


def test_with_debug_there_is_rl_debug(start_server):
    with start_server(module=None).client() as db:
        load(db, "DEBUG")
        assert db.do("RL.DEBUG CLOCK RESUME") == "OK"


@pytest.mark.parametrize("arguments", ["NONSENSE", "DEBUG NONSENSE", "DEBU", "DEBUGGER", "CLOCK RESUME"])
def test_an_unknown_argument_is_refused_and_the_server_lives(start_server, arguments):
    server = start_server(module=None)
    with server.client() as db:
        with pytest.raises(redis.ResponseError):
            load(db, *arguments.split())
        assert "ratelimit" not in [module["name"] for module in db.module_list()]
        assert "ratelimit" in server.log() and "DEBUG" in server.log()
        load(db)
        assert db.do("RL.FIXED k 10 60s") == [1, 10, 9, 0, 60000]


def test_a_server_that_is_started_with_an_unknown_argument_says_why_it_ends():
    server = Server(arguments=("NONSENSE",))
    try:
        with pytest.raises(ServerDied, match=r"(?i)ratelimit.*argument"):
            server.start()
    finally:
        server.stop()


def test_the_module_cannot_be_loaded_twice(db, clock):
    db.ask("RL.FIXED k 10 60s")
    with pytest.raises(redis.ResponseError):
        load(db)
    assert db.ask("RL.PEEK k").remaining == 9


def test_the_module_cannot_be_unloaded_while_it_owns_a_type(db, clock):
    db.ask("RL.FIXED k 10 60s")
    assert db.error("MODULE UNLOAD", "ratelimit")
    assert db.ask("RL.PEEK k").remaining == 9
