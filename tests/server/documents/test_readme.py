# SPDX-License-Identifier: MIT
"""What the pages show is true: their sessions, the programs of the tutorial, and the commands that they name, are run
against the server. Every page of a command has the same parts, and every link leads somewhere.

After a change of replies, tests/server/documents/renew_sessions.py writes the sessions of a page anew.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from functions import Functions
from harness import REPOSITORY, Client, Clock, Server, output_of
from pages import PAGES, PROMPT, README, TUTORIAL, WHEN, blocks, exchanges, printed

INDEX = REPOSITORY / "docs" / "commands" / "README.md"
COMMANDS = [page for page in sorted(INDEX.parent.glob("*.md")) if re.search(r"^## Arguments$", page.read_text(), re.M)]
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)\s]*)\)")


def sessions() -> list:
    """Those of all pages; a page and the first line are the name of a test."""
    found = [(page, session) for page in PAGES for session in blocks("redis-cli", page)]
    return [pytest.param(session, id=f"{page.name}: {session.partition(chr(10))[0]}") for page, session in found]


def test_there_is_something_to_run():
    assert blocks("redis-cli", README) and blocks("python", TUTORIAL) and blocks("js", TUTORIAL)
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("session", sessions())
def test_every_line_of_a_session_is_true(server: Server, clock: Clock, session: str):
    clock.set(WHEN)
    assert session.startswith(PROMPT)
    if "FCALL" in session:
        with server.client() as db:
            Functions(db).set_clock(WHEN)
    for command, promised in exchanges(session):
        assert (command, printed(server, command)) == (command, promised)


def on_port(example: str, server: Server) -> str:
    assert "6379" in example
    return example.replace("6379", str(server.port))


@pytest.mark.parametrize("example", blocks("python", TUTORIAL), ids=lambda _: "example")
def test_the_python_example_runs(server: Server, example: str):
    output_of(sys.executable, "-c", on_port(example, server))


@pytest.mark.parametrize("example", blocks("js", TUTORIAL), ids=lambda _: "example")
def test_the_node_example_runs(server: Server, node_modules: Path, tmp_path: Path, example: str):
    script = tmp_path / ("example.mjs" if re.search(r"^import ", example, re.MULTILINE) else "example.cjs")
    script.write_text(on_port(example, server))
    (tmp_path / "node_modules").symlink_to(node_modules)
    shutil.copytree(REPOSITORY / "examples" / "express" / "ratelimit", tmp_path / "ratelimit")
    output_of("node", str(script))


def test_every_command_that_the_pages_name_exists(db: Client):
    named = {name for page in PAGES for name in re.findall(r"`(RL\.[A-Z]+)\b", page.read_text())}
    assert {"RL.CHECK", "RL.TOKENBUCKET"} < named
    assert named <= set(db.execute_command("COMMAND LIST"))


@pytest.mark.parametrize("page", COMMANDS, ids=[page.stem for page in COMMANDS])
def test_the_page_of_a_command_has_examples_errors_and_links(page: Path):
    head, *parts = re.split(r"^## (.+)\n", page.read_text(), flags=re.MULTILINE)
    parts = dict(zip(parts[::2], parts[1::2], strict=True))
    name = page.stem.upper()
    assert f"# {name}\n" in head
    assert f"{PROMPT}{name} " in parts["Examples"]
    assert f"{PROMPT}{name} " in parts["Errors"] and "(error) " in parts["Errors"]
    assert LINK.search(parts["See also"])


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links, as GitHub calls them."""
    outside = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def is_there(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or target.suffix != ".md" or anchor in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path):
    outside = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert [link for link in LINK.findall(outside) if not is_there(page, link)] == []


PICTURES = [path for folder in ("docs", "bench/results", "examples") for path in (REPOSITORY / folder).rglob("*.svg")]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_a_picture_brings_its_background_so_that_dark_pages_can_show_it(picture: Path):
    text = picture.read_text()
    page = [float(number) for number in re.search(r'viewBox="([^"]*)"', text)[1].split()[2:]]
    drawn = re.sub(r"<defs>.*?</defs>", "", text, flags=re.DOTALL)  # what only cuts out shows nothing
    behind = next(rect for rect in re.findall(r"<rect [^>]*>", drawn))
    covered = [float(re.search(rf'\s{side}="([\d.]*)"', behind)[1]) for side in ("width", "height")]
    assert all(whole - 4 <= part <= whole for part, whole in zip(covered, page))
    assert 'fill="none"' not in behind
