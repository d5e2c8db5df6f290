# SPDX-License-Identifier: MIT
"""What docs/client-libraries.md and docs/clients say is true: the examples run, and the tutorial's in Go; the table is
that of clients.py, its versions are those that are installed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from clients import BREAK, BUILD, CLIENTS, HERE, INTERPRETERS, JAVA, LATE, Client, class_path, environment
from harness import BASE, REPOSITORY, Clock, Server, output_of

PAGE = REPOSITORY / "docs" / "client-libraries.md"
PAGES = [PAGE, *sorted((REPOSITORY / "docs" / "clients").glob("*.md"))]
TUTORIAL = REPOSITORY / "docs" / "tutorial.md"  # its other examples are run by tests/server/documents/test_readme.py
SUFFIXES = {"python": ".py", "js": ".js", "php": ".php", "ruby": ".rb", "perl": ".pl"}
NO_PROGRAM = {"xml", "sh", "csharp"}  # what the page says of them: a list of libraries, what to type, and not run


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced code of the page, each with its language."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


JAVA_PAGE = REPOSITORY / "docs" / "clients" / "java.md"
SERVICE = {  # the parts of one project, by where the page says that they are saved
    "src/main/java/LimitedService.java": "public class LimitedService {",
    "src/test/java/LimitedServiceTest.java": "class LimitedServiceTest {",
}


def is_program(language: str, example: str) -> bool:
    return language not in NO_PROGRAM and not any(line in example for line in SERVICE.values())


# Language, example, and what it prints when the call is granted.
EXAMPLES = [
    *((*block, "go on") for page in PAGES for block in blocks(page) if is_program(*block)),
    *((*block, "") for block in blocks(TUTORIAL) if block[0] == "go"),
]


def saved(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def interpreted(language: str, example: str, folder: Path) -> list[str]:
    source = saved(folder, f"example{SUFFIXES[language]}", f"<?php\n{example}" if language == "php" else example)
    return [INTERPRETERS[source.suffix], str(source)]


def compiled_c(example: str, folder: Path) -> list[str]:
    text = f"#include <hiredis/hiredis.h>\n#include <stdio.h>\nint main(void) {{\n{example}}}\n"
    source = saved(folder, "example.c", text)
    output_of("cc", "-std=c11", "-Wall", "-Werror", str(source), "-o", str(folder / "example"), "-lhiredis")
    return [str(folder / "example")]


def compiled_java(example: str, folder: Path) -> list[str]:
    """As the page says: the compiler runs the one file."""
    name = re.search(r"^public class (\w+)", example, re.MULTILINE)[1]
    return [*JAVA, "-cp", class_path(), str(saved(folder, f"{name}.java", example))]


def compiled_go(example: str, folder: Path) -> list[str]:
    """In a copy of the module that the programs are in. An example of the tutorial is a part of a program."""
    if "package main" not in example:
        used = [name for name in ("fmt", "log", "time") if f"{name}." in example]
        imports = "".join(f'import "{name}"\n' for name in [*used, "github.com/gomodule/redigo/redis"])
        example = f"package main\n{imports}func main() {{\n{example}}}\n"
    saved(folder, "main.go", example)
    for name in ("go.mod", "go.sum"):
        shutil.copy(HERE / "go" / name, folder)
    caches = {"GOMODCACHE": str(BUILD / "go-modules"), "GOCACHE": str(BUILD / "go-cache"), "GOTOOLCHAIN": "local"}
    options = {"cwd": folder, "env": environment() | caches | {"GOFLAGS": "-modcacherw"}}
    output_of("go", "build", "-o", "example", ".", **options)
    return [str(folder / "example")]


def compiled_rust(example: str, folder: Path) -> list[str]:
    """In a package of the same name and libraries, so that these are compiled already."""
    saved(folder / "src" / "bin", "example.rs", example)
    for name in ("Cargo.toml", "Cargo.lock"):
        shutil.copy(HERE / "rust" / name, folder)
    options = {"cwd": folder, "env": environment() | {"CARGO_TARGET_DIR": str(BUILD / "rust")}}
    output_of("cargo", "build", "--quiet", "--locked", "--bin", "example", **options)
    return [shutil.copy(BUILD / "rust" / "debug" / "example", folder)]


COMPILED = {"c": compiled_c, "java": compiled_java, "go": compiled_go, "rust": compiled_rust}


@pytest.fixture(scope="module")
def program_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], list[str]]:
    """How to run an example; what must be compiled is compiled once."""

    @cache
    def made(language: str, example: str) -> list[str]:
        folder = tmp_path_factory.mktemp(language)
        return COMPILED[language](example, folder) if language in COMPILED else interpreted(language, example, folder)

    return made


@pytest.fixture
def run(server: Server, program_of: Callable[[str, str], list[str]]) -> Callable[[str, str], str]:
    """Runs an example against the server, whose port stays the same for all of them."""

    def printed(language: str, example: str) -> str:
        return output_of(*program_of(language, example.replace("6379", str(server.port))), env=environment())

    return printed


@pytest.mark.parametrize(("language", "example", "promised"), EXAMPLES, ids=[language for language, *_ in EXAMPLES])
def test_an_example_runs(server: Server, run: Callable[[str, str], str], language: str, example: str, promised: str):
    assert "6379" in example
    with server.client() as db:
        Clock(db).set(BASE)
        assert run(language, example).strip() == promised
        assert db.rl_info("api:alice")["granted"] == 1


DENYING = [(language, example) for language, example, _ in EXAMPLES if "429" in example]


@pytest.mark.parametrize(("language", "example"), DENYING, ids=[language for language, _ in DENYING])
def test_an_example_says_429_when_nothing_is_left(
    server: Server, run: Callable[[str, str], str], language: str, example: str
):
    with server.client() as db:
        Clock(db).set(BASE)
        db.do("RL.BLOCK api:alice 1h")
    printed = run(language, example)
    assert printed.startswith("429")
    assert "Retry-After" not in printed or printed.strip().endswith(" 3600")


def table() -> dict[str, list[str]]:
    """The cells of each library's row, by its name."""
    rows = [
        [cell.strip() for cell in line.split("|")][1:-1] for line in PAGE.read_text().splitlines() if line[:1] == "|"
    ]
    return {re.sub(r"\[(.*)\]\(.*\)", r"\1", cells[1]): cells for cells in rows[2:]}


def row_of(client: Client) -> list[str]:
    """What the table must say of RESP3, the cluster, the prefix, and calls that are sent again."""
    prefix = {True: "applied", False: "not applied", None: "none"}[client.prefixes]
    again = [
        words for why, words in ((BREAK, "after a break"), (LATE, "after a time-out")) if why in client.sends_again
    ]
    return ["yes" if client.speaks_resp3 else "no", prefix, ", ".join(again) or "no"]


def test_the_table_says_what_the_tests_have_found():
    found = table()
    assert {name: [cells[3], cells[6], cells[7]] for name, cells in found.items()} == {
        name: row_of(client) for name, client in CLIENTS.items()
    }
    for name, client in CLIENTS.items():
        said = {True: {"yes"}, False: {"no"}, None: {"no cluster", "not tried", "refuses the command"}}
        assert found[name][5] in said[client.finds_key]


def versions() -> dict[str, str]:
    """The versions that are pinned, by the name of the library."""
    go = dict(
        re.findall(r"^\t\S+/(go-redis/v9|rueidis|redigo) v(\S+)$", (HERE / "go/go.mod").read_text(), re.MULTILINE)
    )
    java = dict(
        re.findall(r"<artifactId>(.*?)</artifactId><version>(.*?)</version>", (HERE / "java/pom.xml").read_text())
    )
    node = json.loads((HERE / "node/package.json").read_text())["dependencies"]
    python = dict(re.findall(r"^(\w+)==(\S+)$", (HERE / "python/requirements.txt").read_text(), re.MULTILINE))
    # Which hiredis is in the package for Python, the list of packages says in words.
    c = re.search(r"hiredis (\d\S+) that is in it", (HERE / "c/requirements.txt").read_text())[1]
    rust = dict(re.findall(r'^(\w+) = \{ version = "=([^"]+)"', (HERE / "rust/Cargo.toml").read_text(), re.MULTILINE))
    return {
        **{"go-redis": go["go-redis/v9"], "rueidis": go["rueidis"], "redigo": go["redigo"]},
        **{"Jedis": java["jedis"], "Lettuce": java["lettuce-core"], "Redisson": java["redisson"]},
        **{"Spring Data Redis": java["spring-data-redis"]},
        **{"ioredis": node["ioredis"], "node-redis": node["redis"], "valkey-glide": node["@valkey/valkey-glide"]},
        **{"redis-py": python["redis"], "redis.asyncio": python["redis"], "valkey-py": python["valkey"]},
        **{"redis-rs": rust["redis"], "fred": rust["fred"], "hiredis": c},
    }


def test_the_table_has_the_versions_that_are_installed():
    said = {name: cells[2] for name, cells in table().items()}
    pinned = versions()
    assert {name: said[name] for name in pinned} == pinned
    assert all(said[name].startswith("Debian's ") for name in said.keys() - pinned.keys())


def list_for_maven() -> str:
    (listed,) = [text for language, text in blocks(JAVA_PAGE) if language == "xml"]
    return listed


def test_the_list_for_maven_is_the_one_that_was_used():
    ours = (HERE / "java" / "pom.xml").read_text()
    lines = re.findall(r"<(?:dependency|plugin)>.*</(?:dependency|plugin)>", list_for_maven())
    assert len(lines) == 7
    assert all(line in ours for line in lines)


def test_the_service_in_java_passes_its_test(server: Server, tmp_path: Path):
    """As the page says, with Maven; what the plugins need is downloaded once."""
    saved(tmp_path, "pom.xml", list_for_maven())
    for path, line in SERVICE.items():
        (text,) = [text for language, text in blocks(JAVA_PAGE) if line in text]
        assert f"`{path}`" in JAVA_PAGE.read_text() and "6379" in text
        saved((tmp_path / path).parent, Path(path).name, text.replace("6379", str(server.port)))
    output_of("mvn", "-q", "-B", f"-Dmaven.repo.local={BUILD / 'maven'}", "test", cwd=tmp_path)
    (report,) = (tmp_path / "target" / "surefire-reports").glob("*.txt")
    assert "Tests run: 1, Failures: 0, Errors: 0, Skipped: 0" in report.read_text()
