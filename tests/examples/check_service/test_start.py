# SPDX-License-Identifier: MIT
"""The start of the check service: its settings, and its own tests."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Server, output_of
from operator_pages import TOKEN, token_file
from service import FOLDER, PARTS, PROGRAM, Service, environment


def said(*arguments: object, **settings: object) -> tuple[int, str]:
    run = subprocess.run(
        [PROGRAM, *map(str, arguments)], env=environment(settings), text=True, capture_output=True, timeout=60
    )
    return run.returncode, run.stderr


@pytest.mark.parametrize("parts", PARTS, ids=lambda parts: parts.name)
def test_its_parts_pass_their_own_tests(parts: Path) -> None:
    assert "[  PASSED  ]" in output_of(str(parts), "--gtest_brief=1")


def test_a_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / "service.conf"
    file.write_text("# comment\nwithout_server = maybe\n")
    assert said("--check", "--config", file) == (
        2,
        f"check-service: {file}:2: without_server: must be open, closed or local\n",
    )
    file.write_text("without_server = closed\n")
    assert said("--check", "--config", file) == (0, "")
    assert said("--check", config=file, deadline="never")[1].startswith(
        "check-service: CHECK_SERVICE_DEADLINE: must be"
    )


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"thread": 1}, "CHECK_SERVICE_THREAD: is no setting"),
        ({"user": "svc"}, "login: a user needs a password"),
        ({"config": "/nowhere"}, "/nowhere: cannot be read"),
        ({"tls": "yes", "tls_authorities": "/nowhere"}, "tls: "),
        ({"password_file": "/nowhere"}, "CHECK_SERVICE_PASSWORD_FILE: must be a file that can be read"),
    ],
)
def test_a_wrong_setting_is_said_at_the_start(settings: dict, error: str) -> None:
    code, text = said("--check", **settings)
    assert code == 2 and text.startswith(f"check-service: {error}"), text


def test_a_port_that_is_taken_is_said(service: Service, server: Server) -> None:
    code, text = said(listen=f"127.0.0.1:{service.port}", servers=server.socket)
    assert code == 2 and "cannot listen at 127.0.0.1" in text


def test_the_first_page_shows_what_a_newcomer_sees(service: Service) -> None:
    page = (FOLDER / "README.md").read_text()
    line = re.findall(r"^curl .*$", page, re.MULTILINE)[0]
    shown = page.split("```\nHTTP/1.1 200 OK\n")[1].split("```")[0].splitlines()
    command = shlex.split(line.replace("127.0.0.1:8080", f"127.0.0.1:{service.port}"))
    answers = [output_of(*command) for _ in range(4)]
    for expected in filter(None, shown):
        assert expected.split('"request_id"')[0] in answers[0]
    assert [answer.split()[1] for answer in answers] == ["200", "200", "200", "429"]


def test_the_page_shows_how_an_operator_asks(services: Callable[..., Service], server: Server, tmp_path: Path) -> None:
    _, line = re.findall(r"^curl .*$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    with server.client() as db:
        db.do("RL.DEFINE api FIXED 1 1h")
    service = services(operator_token_file=token_file(tmp_path))
    line = line.replace("127.0.0.1:8080", f"127.0.0.1:{service.port}")
    said = json.loads(output_of("sh", "-c", f"token={TOKEN}; {line}"))
    assert said["subject"] == "eve" and said["limits"][0]["limit"] == "FIXED 1 1h"


def test_it_lists_its_settings() -> None:
    run = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True)
    assert run.returncode == 0 and "without_server" in run.stdout and "operator_token_file" in run.stdout
