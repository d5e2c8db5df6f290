# SPDX-License-Identifier: MIT
"""What the pages of the middlewares say is so."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers import EXAMPLES, Service, environment
from harness import REPOSITORY, eventually, free_port, output_of
from table import load_python, told

PAGE = REPOSITORY / "docs" / "middleware.md"
# What is copied.
SOURCES = {
    "Express": sorted((EXAMPLES / "express" / "ratelimit").glob("*.js")),
    "WSGI and ASGI": sorted((EXAMPLES / "python" / "ratelimit").glob("*.py")),
    "net/http": sorted(set((EXAMPLES / "go").glob("*.go")) - {EXAMPLES / "go" / "app.go"}),
}


def lines_of_code(path: Path) -> int:
    """Without blank lines, comments, imports, and brackets that only close."""
    source = path.read_text()
    if path.suffix == ".py":
        source = re.sub(r'""".*?"""', "", source, flags=re.DOTALL)
    source = re.sub(r"^import \(.*?^\)$", "", source, flags=re.DOTALL | re.MULTILINE)
    not_code = r"//|# |from \S+ import |import |package |.*= require\("
    lines = [line.strip() for line in source.splitlines()]
    return sum(not re.match(not_code, line) and re.search(r"[^\s(){}\[\],;]", line) is not None for line in lines)


def counted() -> dict[str, int]:
    return {name: sum(lines_of_code(path) for path in paths) for name, paths in SOURCES.items()}


def rows(page: Path) -> list[list[str]]:
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_the_page_says_how_many_lines_each_has():
    assert {row[0]: int(row[3]) for row in rows(PAGE) if row[0] in SOURCES} == counted()


@pytest.mark.parametrize("path", [path for paths in SOURCES.values() for path in paths], ids=lambda path: path.name)
def test_each_file_is_small_enough_to_be_read_before_it_is_copied(path):
    assert len(path.read_text().splitlines()) <= 250


def options() -> dict[str, str]:
    """What the page says each is unless told."""
    start = PAGE.read_text().index("| option |")
    table, _, _ = PAGE.read_text()[start:].partition("\n\n")
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) *\|", table, re.MULTILINE))


def snake(name: str) -> str:
    return re.sub("([A-Z])", r"_\1", name).lower()


def test_every_option_of_the_page_is_one_of_each_middleware():
    assert len(options()) > 8
    for paths in SOURCES.values():
        source = "".join(path.read_text() for path in paths)
        for name in options():
            spelling = snake(name) if paths[0].suffix == ".py" else name
            # Go begins a name with a capital, and writes IPv6 and ID its own way.
            assert re.search(rf"\b{spelling}\b", source, re.IGNORECASE), (name, paths[0].parent)


def default(cell: str):
    """A cell of the page as a value; None, if it is said in words."""
    if found := re.fullmatch(r"(\d+) (ms|s)", cell):
        return int(found[1]) * {"ms": 1, "s": 1000}[found[2]]
    if cell == "no":
        return False
    return json.loads(cell.strip("`")) if re.fullmatch(r'`".*"`|\d+', cell) else None


def test_what_holds_unless_told_is_what_the_page_says():
    said = {name: value for name, cell in options().items() if (value := default(cell)) is not None}
    assert said.pop("cost") == 1 and len(said) == 9  # a function: the tests of decisions see it
    script = "console.log(JSON.stringify(require(process.argv[1]).checked({ limits: 'x' })))"
    express = json.loads(output_of("node", "-e", script, str(EXAMPLES / "express" / "ratelimit" / "options.js")))
    load_python()
    python = vars(importlib.import_module("ratelimit.options").Options(limits="x"))
    go = (EXAMPLES / "go" / "options.go").read_text()
    for name, value in said.items():
        assert (express[name], python[snake(name)]) == (value, value), name
        spelling = json.dumps(value)
        if name in ("timeout", "patience"):
            spelling = {100: "100 * time.Millisecond", 10_000: "10 * time.Second"}[value]
        if value is not False:  # which is what Go has unless told
            assert re.search(rf"\b{name}: {re.escape(spelling)}", go, re.IGNORECASE), name


def started(readme: Path) -> list[list[str]]:
    """The commands of a page that start a service, one for each."""
    commands = re.findall(r"^\$ ((?:node|GO111MODULE=off .*go run|python3) .*)$", readme.read_text(), re.MULTILINE)
    return [shlex.split(command) for command in commands]


APPS = [(readme, words) for readme in sorted(EXAMPLES.glob("*/README.md")) for words in started(readme)]


def test_there_is_a_service_to_start_for_each():
    assert [readme.parent.name for readme, _ in APPS] == ["express", "go", "python", "python"]


@contextmanager
def running(readme: Path, words: list[str], port: int, redis: int) -> Iterator[None]:
    """As the page says, but on another port, with another server and with the interpreter of these tests."""
    words = [str(port) if word == "3000" else word for word in words]
    given = dict(word.split("=") for word in words if re.match(r"[A-Z0-9]+=", word))
    words = [sys.executable if word == "python3" else word for word in words if not re.match(r"[A-Z0-9]+=", word)]
    where = {"PORT": str(port), "REDIS_URL": f"redis://127.0.0.1:{redis}"}
    options = {"env": environment(**where, **given), "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(words, cwd=readme.parent, start_new_session=True, **options)
    try:
        yield
        assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # go run is the parent of what it runs
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(("readme", "words"), APPS, ids=[f"{readme.parent.name}-{words[-1]}" for readme, words in APPS])
def test_a_service_starts_as_its_page_says(server, db, clock, tmp_path, readme, words):
    service = Service(free_port(), tmp_path / "log")
    with running(readme, words, service.port, server.port):
        eventually(lambda: listens(service.port), "the service")
        eventually(lambda: told(service.get()) != {}, "the service to find its server")
        db.flushall()
        served = []
        while (answer := service.get()).status == 200:
            served.append(answer)
    assert answer.status == 429
    # Who is not answered in time is let through, charged or not.
    assert len([each for each in served if told(each)]) <= 5 <= len(served)
    assert {each.body for each in served} == {b"hello\n"}
