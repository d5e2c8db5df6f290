# SPDX-License-Identifier: MIT
"""A running system for the page to look at: callers, of whom one asks too often, and a check service at one port."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import deque
from pathlib import Path

from browser import Browser
from harness import Server, free_port
from operator_pages import TOKEN, token_file
from playground import EXAMPLE, PAGE
from service import Service

OFFENDER = "mallory"
USUAL = ("ann", "ben", "cat")
RATES_OF_S = 6.0


class Load(threading.Thread):
    """Asks a limiter until it is told to end: the offender 50 times a second, the others twice."""

    def __init__(self, server: Server, limiter: str) -> None:
        super().__init__(daemon=True)
        self._server, self._limiter = server, limiter
        self._ends = threading.Event()
        self._denials: deque[float] = deque()  # when they were

    def run(self) -> None:
        with self._server.client() as db:
            for turn in range(100_000):
                pipe = db.pipeline(transaction=False)
                callers = [OFFENDER] * 5 + list(USUAL if turn % 5 == 0 else ())
                for caller in callers:
                    pipe.execute_command("RL.CHECK", self._limiter, "FOR", caller, "BRIEF")
                now = time.monotonic()
                self._denials.extend(now for reply in pipe.execute() if reply is None or reply < 0)
                if self._ends.wait(0.1):
                    return

    def denied_a_second(self) -> float:
        """Of the last seconds."""
        now = time.monotonic()
        return sum(1 for at in list(self._denials) if now - at <= RATES_OF_S) / RATES_OF_S

    def __enter__(self) -> Load:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self.join()


class System:
    """A check service that may be stopped and started again, and the page that may ask it."""

    def __init__(self, server: Server, folder: Path, page: str, port: int) -> None:
        self.server, self.page = server, page
        self.origin = f"http://127.0.0.1:{port}"
        self._settings = {
            "listen": f"127.0.0.1:{port}",
            "operator_token_file": token_file(folder),
            "operator_origins": page.rstrip("/"),
            "operator_deadline": "2s",
        }
        self.service: Service | None = None

    def start(self) -> None:
        self.service = Service(self.server.socket, **self._settings)

    def stop(self) -> None:
        if self.service is not None:
            self.service.__exit__()
            self.service = None


def connected_page(folder: Path) -> tuple[Path, int]:
    """A copy of the page that may ask a service at the port."""
    port = free_port()
    connect = [EXAMPLE / "connect", PAGE, folder / "page", f"http://127.0.0.1:{port}"]
    subprocess.run(connect, check=True, timeout=60)
    return folder / "page", port


# --- what a user does on the page --------------------------------------------------------------------


def connect(page: Browser, token: str = TOKEN) -> None:
    page.type("#token", token)
    page.click("#connect-button")


def rows(page: Browser, table: str) -> list[list[str]]:
    """The texts of the cells; the first one is the name's alone."""
    return page.run(
        "return [...document.querySelectorAll(arguments[0] + ' tbody tr:not(.nothing)')].map((row) => [...row.cells]"
        ".map((cell) => (cell.querySelector('button') ?? cell).textContent))",
        table,
    )


def choose(page: Browser, table: str, name: str) -> None:
    """Clicks on a name in a table."""
    page.run(
        "[...document.querySelectorAll(arguments[0] + ' tbody button')]"
        ".find((each) => each.textContent === arguments[1]).click()",
        table,
        name,
    )


def show(page: Browser, limiter: str) -> None:
    connect(page)
    page.wait_for_text("#limiters th", limiter)
    choose(page, "#limiters", limiter)
    page.wait_for_text("#limiter-about", "granted")


def ask_why(page: Browser, subject: str) -> str:
    page.type("#who", subject)
    page.click("#why button")
    page.wait_for("!document.querySelector('#answer').hidden", "an answer")
    page.wait_for_text("#headline", f"“{subject}”")
    return page.text("#headline")
