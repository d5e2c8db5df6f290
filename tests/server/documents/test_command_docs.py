# SPDX-License-Identifier: MIT
"""What the server tells about the commands is what the one command table says, and so is docs/commands."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from harness import MODULE, REPOSITORY, pairs

TABLE_PRINTER = Path(os.environ.get("RATELIMIT_COMMAND_DOCS", REPOSITORY / "build" / "release" / "command_docs"))
LINES = {
    "RL.CHECK": "RL.CHECK k FIXED 10 60s",
    "RL.TOKENBUCKET": "RL.TOKENBUCKET k 20 10 1s",
    "RL.FIXED": "RL.FIXED k 10 60s",
    "RL.SLIDING": "RL.SLIDING k 10 60s",
    "RL.LEAKYBUCKET": "RL.LEAKYBUCKET k 20 10 1s",
    "RL.QUOTA": "RL.QUOTA k 10 DAY TZ Europe/Berlin",
    "RL.CONCURRENT": "RL.CONCURRENT k 10 60s",
    "RL.REFUND": "RL.REFUND k 3",
    "RL.RESERVE": "RL.RESERVE k 60s FIXED 10 60s",
    "RL.SETTLE": "RL.SETTLE k a 3",
    "RL.RESERVEALL": "RL.RESERVEALL 1 k 60s FIXED 10 60s",
    "RL.SETTLEALL": "RL.SETTLEALL 1 k a 3",
    "RL.RELEASE": "RL.RELEASE k a",
    "RL.BLOCK": "RL.BLOCK k 60s",
    "RL.RESET": "RL.RESET k",
    "RL.TRANSFER": "RL.TRANSFER k l",
    "RL.CHECKALL": "RL.CHECKALL 1 k FIXED 10 60s",
    "RL.DEFINE": "RL.DEFINE k FIXED 10 60s SHADOW",
    "RL.PEEK": "RL.PEEK k",
    "RL.TOP": "RL.TOP k",
    "RL.LOG": "RL.LOG k",
    "RL.INFO": "RL.INFO k",
    "RL.LIMITERS": "RL.LIMITERS 0",
    "CL.THROTTLE": "CL.THROTTLE k 15 30 60",
}
READERS = ["RL.PEEK", "RL.INFO", "RL.TOP", "RL.LOG", "RL.LIMITERS"]
KEYLESS = ["RL.LIMITERS"]
GIVE_BACK = ["RL.REFUND", "RL.SETTLE", "RL.SETTLEALL", "RL.RELEASE", "RL.RESET"]  # these work without memory
BEFORE_KEYS = dict.fromkeys(("RL.CHECKALL", "RL.RESERVEALL", "RL.SETTLEALL"), ["numkeys"])
TWO_KEYS = {"RL.TRANSFER": ["from", "to"]}
PUBLIC = [*LINES, "RL.DEBUG"]


@cache
def table() -> dict[str, dict]:
    assert TABLE_PRINTER.exists(), f"there is no {TABLE_PRINTER}: build it, or name another in RATELIMIT_COMMAND_DOCS"
    rows = json.loads(subprocess.run([TABLE_PRINTER, "--json"], capture_output=True, check=True, text=True).stdout)
    return {row["name"].upper(): row for row in rows}


def test_the_server_has_the_commands_of_the_table_and_no_others(db):
    served = {name.upper() for name in db.execute_command("COMMAND LIST", "FILTERBY", "MODULE", "ratelimit")}
    assert {*table(), *PUBLIC} <= served
    assert {name for name in served - {*table()} if not name.startswith("RL._")} <= {"RL.DEBUG"}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("field", ["summary", "complexity", "since"])
def test_command_docs_agrees_with_the_table(db, name, field):
    [(_, docs)] = pairs(db.execute_command("COMMAND DOCS", name)).items()
    assert pairs(docs)[field] == table()[name][field] != ""


@pytest.mark.parametrize("name", LINES)
def test_command_docs_lists_the_arguments(db, name):
    [(_, docs)] = pairs(db.execute_command("COMMAND DOCS", name)).items()
    names = [pairs(argument)["name"] for argument in pairs(docs)["arguments"]]
    first = ["cursor"] if name in KEYLESS else TWO_KEYS.get(name, [*BEFORE_KEYS.get(name, []), "key"])
    assert names[: len(first)] == first


@pytest.mark.parametrize("name", LINES)
def test_the_page_of_a_command_shows_its_syntax_and_summary(name):
    page = (REPOSITORY / "docs" / "commands" / f"{name.lower()}.md").read_text()
    assert table()[name]["syntax"] in page
    assert table()[name]["summary"] in page


@pytest.mark.parametrize("name", [name for name in LINES if name not in KEYLESS])
def test_command_getkeys_finds_the_key(db, name):
    assert db.execute_command("COMMAND GETKEYS", *LINES[name].split()) == ["k", "l"][: 2 if name in TWO_KEYS else 1]


@pytest.mark.parametrize("line", ["RL.DEBUG CLOCK RESUME", *(LINES[name] for name in KEYLESS)])
def test_some_commands_have_no_keys(db, line):
    assert "no key arguments" in db.error("COMMAND GETKEYS", *line.split())


@pytest.mark.parametrize("name", LINES)
def test_command_info_knows_who_writes(db, name):
    [info] = db.execute_command("COMMAND INFO", name)
    flags = set(info[2])
    if name in READERS:
        assert "readonly" in flags
        assert not {"write", "denyoom"} & flags
    else:
        assert "write" in flags and "readonly" not in flags
        assert ("denyoom" in flags) == (name not in GIVE_BACK)
    assert "fast" in flags or name in ("RL.INFO", "RL.LIMITERS")


@pytest.mark.parametrize("name", [name for name in LINES if name not in BEFORE_KEYS])
def test_the_key_is_the_first_argument(db, name):
    [info] = db.execute_command("COMMAND INFO", name)
    assert info[3:6] == ([0, 0, 0] if name in KEYLESS else [1, 2 if name in TWO_KEYS else 1, 1])


@pytest.mark.parametrize("name", LINES)
def test_the_arity_is_that_of_the_shortest_call(db, name):
    [info] = db.execute_command("COMMAND INFO", name)
    assert info[1] == table()[name]["arity"] < 0
    too_few = LINES[name].split()[: -info[1] - 1]
    # Newer servers first ask whether the command has keys at all.
    told = db.error("COMMAND GETKEYS", *too_few)
    assert "number of arguments" in told or (name in KEYLESS and "no key arguments" in told)


def test_the_module_is_called_ratelimit(db):
    paths = {module["name"]: module["path"] for module in db.module_list()}  # newer servers list parts of their own
    assert paths["ratelimit"] == str(MODULE)
