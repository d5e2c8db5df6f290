# SPDX-License-Identifier: MIT
"""What docs/client-libraries.md says is true: its examples run, and the README's in Go; its table is clients.py's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clients import CLIENTS, run
from harness import REPOSITORY, Server

PAGE = REPOSITORY / "docs" / "client-libraries.md"
README = REPOSITORY / "README.md"  # its other examples are run by tests/server/documents/test_readme.py
SUFFIXES = {"python": ".py", "js": ".js", "c": ".c", "php": ".php", "ruby": ".rb", "perl": ".pl", "go": ".go"}


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced code of the page, each with its language."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


# Language, example, and what it prints when the call is granted.
EXAMPLES = [
    *((*block, "go on") for block in blocks(PAGE)),
    *((*block, "") for block in blocks(README) if block[0] == "go"),
]


def whole_program(language: str, example: str) -> str:
    """The example with what its language wants around it."""
    if language == "php":
        return f"<?php\n{example}"
    if language == "c":
        return f"#include <hiredis/hiredis.h>\n#include <stdio.h>\nint main(void) {{\n{example}}}\n"
    if language == "go":
        used = [name for name in ("fmt", "log", "time") if f"{name}." in example]
        imports = "".join(f'import "{name}"\n' for name in [*used, "github.com/gomodule/redigo/redis"])
        return f"package main\n{imports}func main() {{\n{example}}}\n"
    return example


def test_the_page_has_an_example_for_each_client():
    assert len(blocks(PAGE)) == len(CLIENTS)
    assert len(EXAMPLES) > len(blocks(PAGE))


@pytest.mark.parametrize(("language", "example", "promised"), EXAMPLES, ids=[language for language, *_ in EXAMPLES])
def test_an_example_runs(server: Server, tmp_path: Path, language: str, example: str, promised: str):
    assert "6379" in example
    source = tmp_path / f"example{SUFFIXES[language]}"
    source.write_text(whole_program(language, example.replace("6379", str(server.port))))
    assert run(source).strip() == promised
    with server.client() as db:
        assert db.rl_info("api:alice")["granted"] == 1


def test_the_table_says_who_speaks_resp3():
    rows = [[cell.strip() for cell in line.split("|")] for line in PAGE.read_text().splitlines() if line[:1] == "|"]
    table = {row[2]: row[4] for row in rows[2:]}
    assert table == {name: "yes" if client.speaks_resp3 else "no" for name, client in CLIENTS.items()}
