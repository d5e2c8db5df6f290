# SPDX-License-Identifier: MIT
"""A conversation with a server: PROGRAM conversation.json PORT MODE. Prints JSON. test_conversation.py says what the
modes are. A program gives two functions: one asks, one sends several commands together."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

PATIENCE_S = 0.5  # how long to wait for a reply in the modes "default" and "once"


def words(line: str) -> list[str | bytes]:
    return [bytes.fromhex(word[4:]) if word.startswith("hex:") else word for word in line.split(" ")]


def converse(ask: Callable, ask_together: Callable, step: dict) -> Any:
    if "command" in step:
        return ask(words(step["command"]))
    is_transaction = "transaction" in step
    return ask_together([words(line) for line in step["transaction" if is_transaction else "pipeline"]], is_transaction)


def hear(ask: Callable, ask_together: Callable, step: dict, mode: str) -> Any:
    """Only where connections are broken on purpose, an error that the server did not send is heard too."""
    try:
        return converse(ask, ask_together, step)
    except Exception as error:
        if mode not in ("default", "once"):
            raise
        return {"error": str(error)}


def run(connect: Callable[[int, str], tuple[Callable, Callable]]) -> None:
    conversation, port, mode = sys.argv[1:]
    library = connect(int(port), mode)
    with open(conversation) as file:
        print(json.dumps([hear(*library, step, mode) for step in json.load(file)]))
