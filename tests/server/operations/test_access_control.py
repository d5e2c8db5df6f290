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

LOOKS = ["RL.PEEK api:x FIXED 10 1m", "RL.INFO api:x", "RL.TOP api:x", "RL.LOG api:x", "RL.LIMITERS 0"]
ASKS = [
    "RL.CHECK api:x FIXED 10 1m",
    "RL.CHECKALL 1 api:x FIXED 10 1m",
    "RL.CHECKEACH api:x FIXED 10 1m FOR bob",
    "RL.TOKENBUCKET api:b 10 1 1s",
    "RL.LEAKYBUCKET api:l 10 1 1s",
    "RL.FIXED api:x 10 1m",
    "RL.SLIDING api:s 10 1m",
    "RL.QUOTA api:q 10 DAY",
    "RL.CONCURRENT api:c 10 1m ID a",
    "RL.RELEASE api:c a",
    "RL.RESERVE api:x 1m FIXED 10 1m ID a",
    "RL.SETTLE api:x a 1",
    "RL.RESERVEALL 1 api:x 1m FIXED 10 1m ID b",
    "RL.SETTLEALL 1 api:x b 1",
    "RL.REFUND api:x 1",
    "CL.THROTTLE api:t 1 1 1",
]
MANAGES = [
    "RL.BLOCK api:x 1m",
    "RL.RESET api:x",
    "RL.TRANSFER api:x api:y",
    "RL.DEFINE api:d FIXED 10 1m",
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
            for line in ("RL._EFFECT api:x STORE 0 x", "DEL api:x", "FLUSHALL", "RL.CHECK other FIXED 10 1m"):
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


@pytest.mark.parametrize(
    ("rights", "line"),
    [
        ("+psubscribe &__keyevent@*__:rl.*", "PSUBSCRIBE __keyevent@*__:rl.*"),
        ("+config|set +config|get", "CONFIG GET ratelimit.near-percent"),
        ("+config|set +config|get", "CONFIG SET ratelimit.near-percent 80"),
        ("+info", "INFO ratelimit"),
    ],
)
def test_what_else_a_viewer_may_need_is_a_right_of_the_server(server, db, rights, line):
    assert all(f"`{right}`" in PAGE for right in rights.split())
    db.do(next(recipe for recipe in BY_NAME if recipe.split()[2] == "viewer"))
    try:
        with server.client(username="viewer", password="secret") as viewer:
            assert is_refused(viewer, line)
            db.do(f"ACL SETUSER viewer {rights}")
            assert not is_refused(viewer, line)
    finally:
        db.do("ACL DELUSER viewer")


def test_the_user_default_is_closed_as_the_page_says(start_server):
    server = start_server()
    with server.client() as db:
        for line in ("ACL SETUSER admin on >secret ~* &* +@all", "ACL SETUSER default off"):
            assert f"`{line}`" in PAGE
            db.do(line)
    with server.client() as stranger, pytest.raises(redis.AuthenticationError):
        stranger.do("RL.LIMITERS 0")
    with server.client(username="admin", password="secret") as admin:
        assert admin.do("RL.DEFINE api:x FIXED 10 1m") == "OK"
        admin.do("ACL SETUSER default resetpass >secret on")
    with server.client(password="secret") as somebody:
        assert somebody.do("RL.PEEK api:x")[0] == 1


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
    assert ours["slow"] == {"rl.limiters"}
    assert ours["fast"] - {"rl.debug"} == users - ours["slow"]
    assert ours["admin"] == ours["dangerous"] == {"rl.debug"}
