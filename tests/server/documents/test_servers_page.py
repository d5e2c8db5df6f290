# SPDX-License-Identifier: MIT
"""docs/servers.md lists what the module asks of a server: each function that module/server calls, and no other."""

from __future__ import annotations

import re

from harness import REPOSITORY


def test_the_page_lists_every_function_that_the_module_uses():
    source = "".join(file.read_text() for file in sorted((REPOSITORY / "module" / "server").glob("*.cpp")))
    page = (REPOSITORY / "docs" / "servers.md").read_text()
    rows = re.findall(r"^\| \d+\.\d+\.\d+ \|(.*)\|$", page, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    used = {*re.findall(r"\bRedisModule_([A-Z]\w+)", source)} - {"Init"}
    assert not used - listed, "docs/servers.md has a table of these, by the version that brought them"
    assert not listed - used, "no longer used"
