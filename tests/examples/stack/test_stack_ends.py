# SPDX-License-Identifier: MIT
"""examples/stack/run leaves nothing behind, whenever and however it ends."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import PATIENCE_S, free_port, is_free
from stack_run import Run, until


@pytest.fixture
def start() -> Iterator[Callable[..., Run]]:
    with ExitStack() as ends:

        def start(*options: str, **variables: str) -> Run:
            folder = ends.enter_context(tempfile.TemporaryDirectory(prefix="stack-"))
            run = Run(Path(folder), *options, **variables)
            ends.callback(run.press_ctrl_c)
            return run

        yield start


def ports() -> int:
    """The first of seven in a row that are free."""
    while True:
        base = free_port()
        if all(is_free(base + number) for number in range(7)):
            return base


def test_sigterm_ends_all_parts_and_frees_the_ports_that_were_asked_for(start) -> None:
    base = ports()
    run = start("--port-base", str(base)).await_start()
    names = ["nginx", "prometheus", "primary", "replica", "check-1", "check-2", "exporter"]
    assert [run.port(name) for name in names] == [base + number for number in range(7)]
    assert set(run.parts()) == {*names, "postgres", "rules"}
    assert len(run.left()) > 7
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(PATIENCE_S) == 0
    assert run.left() == []
    for number in range(7):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", base + number)) != 0


def test_a_part_that_dies_at_the_start_ends_all_others_and_is_named(start, tmp_path) -> None:
    program = tmp_path / "prometheus"
    program.write_text("#!/bin/sh\necho no such luck\nexit 7\n")
    program.chmod(0o755)
    run = start(PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert run.process.wait(PATIENCE_S) == 1
    assert "run: prometheus does not start" in run.said() and "no such luck" in run.said()
    assert "Traceback" not in run.said()
    assert run.left() == []


def test_a_port_that_is_in_use_is_named_before_anything_is_started(start) -> None:
    base = ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + 2))
        taken.listen()
        run = start("--port-base", str(base))
        assert run.process.wait(PATIENCE_S) == 1
    assert f"run: port {base + 2}, for primary, is in use" in run.said()
    assert run.left() == []


def test_ctrl_c_while_it_starts_ends_what_has_been_started(start) -> None:
    run = start()
    until(lambda: any(run.folder.glob("t/*/primary")) or run.process.poll() is not None, "the primary")
    assert run.process.poll() is None, run.said()
    assert run.press_ctrl_c() == 0
    assert "runs until Ctrl-C" not in run.said() and "Traceback" not in run.said()
    assert run.left() == []
