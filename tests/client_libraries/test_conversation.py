# SPDX-License-Identifier: MIT
"""The same conversation, from clients in many languages.

conversation.json is a list of steps. A step is a `command` with its `reply`, or a `pipeline` or a `transaction` (MULTI
and EXEC) of several commands with their `replies`; `what` names it. The words of a command are divided by one space; a
word `hex:00ff` stands for those bytes. A reply is written as JSON has it: an error as {"error": text}, a map as an
object, which in RESP2 is a list of names and values in turn. Strings are the same whatever their type in RESP.

Each client has one driver: PROGRAM conversation.json PORT MODE. It has the conversation with the server at that port
and prints a list of what it heard. The modes:

    2, 3      the version of RESP
    cluster   the server is a node of a cluster (test_cluster.py)
    prefix    keys are to get the prefix app: (test_prefix.py)
    default   as the library is, but for a short time-out; an error that the server did not send is heard too
              (test_retries.py)
    once      the same, with retries switched off

clients.py says what a library makes of replies on the way.
"""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

import pytest

from clients import CLIENTS, HERE, Client, converse, pairs_in_turn, same
from harness import Server

CONVERSATION = HERE / "conversation.json"


def expected(step: dict, client: Client, protocol: int) -> Any:
    if "command" in step:
        reply = step["reply"]
    else:
        reply = (client.shows_pipeline if "pipeline" in step else client.shows_transaction)(step["replies"])
    return client.shows((same if protocol == 3 else pairs_in_turn)(reply))


SPEAKING = [
    pytest.param(client, protocol, id=f"{name}-resp{protocol}")
    for name, client in CLIENTS.items()
    for protocol in ((2, 3) if client.speaks_resp3 else (2,))
]
ONLY_RESP2 = {name: client for name, client in CLIENTS.items() if not client.speaks_resp3}


@pytest.mark.parametrize(("client", "protocol"), SPEAKING)
def test_a_client_has_the_conversation(server: Server, client: Client, protocol: int):
    have(json.loads(CONVERSATION.read_text()), CONVERSATION, server, client, protocol)


@pytest.mark.parametrize("client", ONLY_RESP2.values(), ids=ONLY_RESP2)
def test_a_client_that_speaks_only_resp2_cannot_read_a_map_of_resp3(server: Server, client: Client, tmp_path: Path):
    """So it says in docs/client-libraries.md. If this fails, the library has learnt RESP3: then say so there."""
    steps = [{"what": "a map", "command": "CONFIG GET maxmemory", "reply": {"maxmemory": "0"}}]
    written = tmp_path / "steps.json"
    written.write_text(json.dumps(steps))
    have(steps, written, server, client, 2)
    with pytest.raises((AssertionError, ValueError, TimeoutExpired)):
        have(steps, written, server, client, 3)


def have(steps: list[dict], written: Path, server: Server, client: Client, protocol: int) -> None:
    heard = json.loads(converse(client, written, server.port, str(protocol)))
    names = [step["what"] for step in steps]
    assert len(set(names)) == len(names) == len(heard)
    assert dict(zip(names, heard)) == {step["what"]: expected(step, client, protocol) for step in steps}
