# SPDX-License-Identifier: MIT
"""One stack for the tests of a file, and a folder for what short-lived programs say."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from stack_run import Run


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        run = Run(Path(folder))
        try:
            yield run.await_start()
        finally:
            status = run.press_ctrl_c()
        assert status == 0, run.said()
        assert run.left() == [], run.said()
        assert "Traceback" not in run.said()
