# SPDX-License-Identifier: MIT
"""What the pages show is true: their sessions, and the README's examples and its table of commands, are run against the
server."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from harness import REPOSITORY, SECOND, Client, Clock, Server, output_of

README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").glob("*.md"))]
PROMPT = "127.0.0.1:6379> "
WHEN = 1_800_000_000 * SECOND  # where the pages say that the clock is held


def blocks(language: str, page: Path = README) -> list[str]:
    """The fenced code of this language, in the order of the page."""
    text = page.read_text() if page.exists() else ""
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def exchanges(session: str) -> list[tuple[str, str]]:
    """The commands of a session, each with the output that the page promises."""
    _, *turns = re.split(rf"^{re.escape(PROMPT)}", session, flags=re.MULTILINE)
    return [(command, output.rstrip()) for command, _, output in (turn.partition("\n") for turn in turns)]


def sessions() -> list:
    """Those of all pages; a page and the first line are the name of a test."""
    found = [(page, session) for page in PAGES for session in blocks("redis-cli", page)]
    return [pytest.param(session, id=f"{page.name}: {session.partition(chr(10))[0]}") for page, session in found]


def test_the_readme_has_a_session_and_examples():
    assert blocks("redis-cli") and blocks("python") and blocks("js")


@pytest.mark.parametrize("session", sessions())
def test_every_line_of_a_session_is_true(server: Server, clock: Clock, session: str):
    clock.set(WHEN)
    assert session.startswith(PROMPT)
    for command, promised in exchanges(session):
        printed = output_of("redis-cli", "-s", str(server.socket), "--no-raw", input=f"{command}\n")
        assert (command, printed.rstrip()) == (command, promised)


def on_port(example: str, server: Server) -> str:
    assert "6379" in example
    return example.replace("6379", str(server.port))


@pytest.mark.parametrize("example", blocks("python"), ids=lambda _: "example")
def test_the_python_example_runs(server: Server, example: str):
    output_of(sys.executable, "-c", on_port(example, server))


@pytest.mark.parametrize("example", blocks("js"), ids=lambda _: "example")
def test_the_node_example_runs(server: Server, node_modules: Path, tmp_path: Path, example: str):
    script = tmp_path / ("example.mjs" if re.search(r"^import ", example, re.MULTILINE) else "example.cjs")
    script.write_text(on_port(example, server))
    (tmp_path / "node_modules").symlink_to(node_modules)
    output_of("node", str(script))


def test_every_command_that_the_readme_names_exists(db: Client):
    rows = [line for line in README.read_text().splitlines() if line.startswith("|")]
    named = {name for row in rows for name in re.findall(r"RL\.[A-Z]+", row)}
    assert named
    assert named <= set(db.execute_command("COMMAND LIST"))
