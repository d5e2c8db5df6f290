# SPDX-License-Identifier: MIT
"""The users of docs/access-control.md may do what the page says, and nothing else."""

from __future__ import annotations

import re

import pytest
import redis

from harness import REPOSITORY

PAGE = (REPOSITORY / "docs" / "access-control.md").read_text()
RECIPES = re.findall(r"```\n(ACL SETUSER.*?)```", PAGE, re.DOTALL)
BY_CATEGORY, BY_NAME = (block.strip().splitlines() for block in RECIPES)

LOOKS = ["RL.PEEK rate:x FIXED 10 1m", "RL.INFO rate:x", "RL.TOP rate:x"]
ASKS = [
    "RL.CHECK rate:x FIXED 10 1m",
    "RL.CHECKALL 1 rate:x FIXED 10 1m",
    "RL.CHECKEACH rate:x FIXED 10 1m FOR bob",
    "RL.TOKENBUCKET rate:b 10 1 1s",
    "RL.LEAKYBUCKET rate:l 10 1 1s",
    "RL.FIXED rate:x 10 1m",
    "RL.SLIDING rate:s 10 1m",
    "RL.QUOTA rate:q 10 DAY",
    "RL.CONCURRENT rate:c 10 1m ID a",
    "RL.RELEASE rate:c a",
    "RL.RESERVE rate:x 1m FIXED 10 1m ID a",
    "RL.SETTLE rate:x a 1",
    "RL.RESERVEALL 1 rate:x 1m FIXED 10 1m ID b",
    "RL.SETTLEALL 1 rate:x b 1",
    "RL.REFUND rate:x 1",
    "CL.THROTTLE rate:t 1 1 1",
]
MANAGES = [
    "RL.BLOCK rate:x 1m",
    "RL.RESET rate:x",
    "RL.TRANSFER rate:x rate:y",
    "RL.DEFINE rate:d FIXED 10 1m",
]
MAY = {"application": LOOKS + ASKS, "operator": LOOKS + ASKS + MANAGES, "viewer": LOOKS}


@pytest.fixture
def has_categories(db) -> bool:
    return "ratelimit" in db.execute_command("ACL CAT")


def members(db, category: str) -> set[str]:
    return {name.lower() for name in db.execute_command("ACL CAT", category)}


def is_refused(db, line: str) -> bool:
    try:
        db.execute_command(*line.split())
    except redis.exceptions.NoPermissionError:
        return True
    return False


def obeys(server, db, recipes: list[str], name: str) -> None:
    (recipe,) = [line for line in recipes if line.split()[2] == name]
    db.do(recipe)
    try:
        with server.client(username=name, password="secret") as user:
            for line in LOOKS + ASKS + MANAGES:
                assert is_refused(user, line) == (line not in MAY[name]), (name, line)
            for line in ("RL._EFFECT rate:x STORE 0 x", "DEL rate:x", "FLUSHALL", "RL.CHECK other FIXED 10 1m"):
                assert is_refused(user, line), (name, line)
    finally:
        db.do(f"ACL DELUSER {name}")
        db.flushall()


@pytest.mark.parametrize("name", MAY)
def test_users_may_do_what_their_names_of_commands_say(server, db, clock, name):
    obeys(server, db, BY_NAME, name)


@pytest.mark.parametrize("name", MAY)
def test_users_may_do_what_their_category_says(server, db, clock, has_categories, name):
    if not has_categories:
        with pytest.raises(redis.ResponseError, match="ratelimit|Unknown"):
            db.do(next(line for line in BY_CATEGORY if line.split()[2] == name))
        return
    obeys(server, db, BY_CATEGORY, name)


def test_the_categories_of_the_server_have_the_commands_of_the_page(db, has_categories):
    if not has_categories:
        assert not [name for name in members(db, "write") if name.startswith("rl.")]
        return
    users = {line.split()[0].lower() for line in LOOKS + ASKS + MANAGES}
    assert members(db, "ratelimit") == users
    ours = {
        category: {name for name in members(db, category) if re.match(r"[rc]l\.", name)}
        for category in ("read", "write", "fast", "slow", "admin", "dangerous")
    }
    assert ours["read"] == {line.split()[0].lower() for line in LOOKS}
    assert ours["write"] == users - ours["read"]
    assert ours["fast"] - {"rl.debug"} == users and not ours["slow"]
    assert ours["admin"] == ours["dangerous"] == {"rl.debug"}
