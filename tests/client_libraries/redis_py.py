# SPDX-License-Identifier: MIT
"""The conversation in Python, with redis-py: redis_py.py conversation.json SOCKET PROTOCOL. Prints JSON."""

from __future__ import annotations

import json
import sys

import redis


def words(line: str) -> list[str | bytes]:
    found = [bytes.fromhex(word[4:]) if word.startswith("hex:") else word for word in line.split(" ")]
    if found[0] == "COMMAND":  # redis-py reads a reply by the name of its command, which here is two words
        found[:2] = [" ".join(found[:2])]
    return found


def plain(reply):
    return {"error": str(reply)} if isinstance(reply, redis.ResponseError) else reply


def ask(db: redis.Redis, line: str):
    try:
        return db.execute_command(*words(line))
    except redis.ResponseError as error:
        return plain(error)


def ask_together(db: redis.Redis, lines: list[str], transaction: bool) -> list:
    pipe = db.pipeline(transaction=transaction)
    for line in lines:
        pipe.execute_command(*words(line))
    return [plain(reply) for reply in pipe.execute(raise_on_error=False)]


def converse(db: redis.Redis, step: dict):
    if "command" in step:
        return ask(db, step["command"])
    if "pipeline" in step:
        return ask_together(db, step["pipeline"], transaction=False)
    return ask_together(db, step["transaction"], transaction=True)


def main(conversation: str, socket: str, protocol: str) -> None:
    options = {} if protocol == "2" else {"protocol": int(protocol)}  # redis-py 5 and later know this option
    with redis.Redis(unix_socket_path=socket, decode_responses=True, **options) as db, open(conversation) as steps:
        print(json.dumps([converse(db, step) for step in json.load(steps)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
