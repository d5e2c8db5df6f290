# SPDX-License-Identifier: MIT
"""The same conversation, from clients in many languages.

conversation.json is a list of steps. A step is a `command` with its `reply`, or a `pipeline` or a `transaction` (MULTI
and EXEC) of several commands with their `replies`; `what` names it. The words of a command are divided by one space; a
word `hex:00ff` stands for those bytes. A reply is written as JSON has it: an error as {"error": text}, a map as an
object, which in RESP2 is a list of names and values in turn. Strings are the same whatever their type in RESP.

Each client has one driver, which has the conversation over the socket given, in the protocol given, and prints a list
of what it heard. clients.py says what a library makes of replies on the way.
"""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

import pytest

from clients import CLIENTS, HERE, Client, is_error, run
from harness import Server

CONVERSATION = HERE / "conversation.json"


def pairs_in_turn(reply: Any) -> Any:
    """A reply of RESP3 as it is in RESP2."""
    if isinstance(reply, dict) and not is_error(reply):
        return [pairs_in_turn(item) for pair in reply.items() for item in pair]
    return [pairs_in_turn(item) for item in reply] if isinstance(reply, list) else reply


def expected(step: dict, client: Client, protocol: int) -> Any:
    reply = step["reply"] if "command" in step else client.shows_together(step["replies"])
    return client.shows(reply if protocol == 3 else pairs_in_turn(reply))


class Unable(Exception):
    """A client that works does not have this conversation in this protocol."""


def clients_and_protocols() -> list:
    found = []
    for name, client in CLIENTS.items():
        for protocol in (2, 3):
            unable = pytest.mark.xfail(raises=Unable, strict=True, reason=f"{name}, as packaged, does not speak RESP3")
            marks = [] if protocol == 2 or client.speaks_resp3 else [unable]
            found.append(pytest.param(client, protocol, id=f"{name}-resp{protocol}", marks=marks))
    return found


@pytest.mark.parametrize(("client", "protocol"), clients_and_protocols())
def test_a_client_has_the_conversation(server: Server, client: Client, protocol: int, tmp_path: Path):
    steps = json.loads(CONVERSATION.read_text())
    if protocol == 2 or client.speaks_resp3:
        have(steps, CONVERSATION, server, client, protocol)
        return
    # Only what fails in RESP3 is what such a client is expected to do: its first step works in RESP2.
    first = tmp_path / "first.json"
    first.write_text(json.dumps(steps[:1]))
    have(steps[:1], first, server, client, 2)
    try:
        have(steps, CONVERSATION, server, client, protocol)
    except (AssertionError, ValueError, TimeoutExpired) as error:
        raise Unable from error


def have(steps: list[dict], written: Path, server: Server, client: Client, protocol: int) -> None:
    heard = json.loads(run(HERE / client.driver, str(written), str(server.socket), str(protocol)))
    names = [step["what"] for step in steps]
    assert len(set(names)) == len(names) == len(heard)
    assert dict(zip(names, heard)) == {step["what"]: expected(step, client, protocol) for step in steps}
