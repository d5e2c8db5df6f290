# SPDX-License-Identifier: MIT
"""The pages for people, and what in them can be executed: sessions of redis-cli, and programs."""

from __future__ import annotations

import re
from pathlib import Path

from harness import REPOSITORY, SECOND, Server, output_of

README = REPOSITORY / "README.md"
TUTORIAL = REPOSITORY / "docs" / "tutorial.md"
PAGES = [README, *sorted((REPOSITORY / "docs").rglob("*.md"))]
PROMPT = "127.0.0.1:6379> "
WHEN = 1_800_000_000 * SECOND  # where the pages say that the clock is held


def blocks(language: str, page: Path) -> list[str]:
    """The fenced code of this language, in the order of the page."""
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def exchanges(session: str) -> list[tuple[str, str]]:
    """The commands of a session, each with the output that the page promises."""
    _, *turns = re.split(rf"^{re.escape(PROMPT)}", session, flags=re.MULTILINE)
    return [(command, output.rstrip()) for command, _, output in (turn.partition("\n") for turn in turns)]


def printed(server: Server, command: str) -> str:
    """What redis-cli prints for a command of a session."""
    return output_of("redis-cli", "-s", str(server.socket), "--no-raw", input=f"{command}\n").rstrip()
