# SPDX-License-Identifier: MIT
"""The module with its clock held; and a browser without a window, before the page as a web server of files gives it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Browser, Files
from fixtures import clock, db, server, shared_servers  # noqa: F401
from playground import PAGE

sys.path.insert(0, str(Path(__file__).parents[1] / "check_service"))  # the page of a running system asks one


@pytest.fixture(scope="session")
def files() -> Iterator[Files]:
    with Files(PAGE) as files:
        yield files


@pytest.fixture(scope="session")
def started_browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def page(files: Files, started_browser: Browser) -> Iterator[Browser]:
    """A browser that has opened the page; afterwards, no error was written and nothing asked of anybody else."""
    started_browser.begin(files.address)
    yield started_browser
    assert started_browser.complaints() == []
    assert [url for url in started_browser.asked() if not url.startswith((files.address, "data:", "blob:"))] == []
