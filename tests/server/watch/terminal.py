# SPDX-License-Identifier: MIT
"""scripts/watch in a terminal of its own, whose screen the tests read."""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Callable
from contextlib import suppress

import pexpect
import pyte

from harness import REPOSITORY, eventually

PROGRAM = REPOSITORY / "scripts" / "watch"
SWITCHES = {"NO_COLOR", "REDISCLI_AUTH", "COLUMNS", "LINES", "TERM", "LANG", "LC_ALL", "LC_CTYPE"}


def clean(**variables: str) -> dict[str, str]:
    """The environment without what changes the view, and with this."""
    kept = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    return kept | {"TERM": "xterm-256color", "LANG": "C.UTF-8"} | variables


class Terminal:
    def __init__(self, *arguments: str, columns: int = 120, lines: int = 30, **variables: str) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.sent = b""  # all that the program has written
        how = {"dimensions": (lines, columns), "env": clean(**variables), "timeout": None}
        self._child = pexpect.spawn(str(PROGRAM), ["--interval", "0.2", *arguments], **how)

    def text(self) -> str:
        """What is on the screen now."""
        with suppress(pexpect.TIMEOUT, pexpect.EOF):
            while True:
                new = self._child.read_nonblocking(65536, timeout=0.05)
                self.sent += new
                self._stream.feed(new)
        return "\n".join(line.rstrip() for line in self._screen.display)

    def shows(self, *texts: str) -> str:
        """Waits until all of them are on the screen."""
        return self._wait(lambda screen: screen if all(text in screen for text in texts) else "", texts)

    def line(self, *texts: str) -> str:
        """Waits for a line with all of them."""

        def matching(screen: str) -> str:
            return next((line for line in screen.splitlines() if all(text in line for text in texts)), "")

        return self._wait(matching, texts)

    def _wait(self, find: Callable[[str], str], texts: tuple[str, ...]) -> str:
        found = ""

        def is_there() -> bool:
            nonlocal found
            found = find(self.text())
            return bool(found)

        try:
            eventually(is_there, f"{texts} on the screen")
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows\n{self.text()}") from None
        return found

    def press(self, keys: str) -> None:
        self._child.send(keys)

    def resize(self, columns: int, lines: int) -> None:
        self._screen.resize(lines, columns)
        self._child.setwinsize(lines, columns)

    def kill(self, number: signal.Signals) -> None:
        self._child.kill(number)

    def end(self) -> int:
        """Waits until the program has ended, and says how: 0, or minus the signal that ended it."""
        eventually(lambda: self.text() is not None and not self._child.isalive(), "the program to end")
        self.text()
        return self._child.exitstatus if self._child.signalstatus is None else -self._child.signalstatus

    def assert_as_it_was(self) -> None:
        """The usual screen, a cursor, and keys as a new terminal has them: by the line, shown, Ctrl-Z among them."""
        assert self.sent.rindex(b"\x1b[?1049l") > self.sent.rindex(b"\x1b[?1049h")
        assert self.sent.rindex(b"\x1b[?25h") > self.sent.rindex(b"\x1b[?25l")
        _, _, _, modes, _, _, characters = termios.tcgetattr(self._child.child_fd)
        assert modes & termios.ICANON and modes & termios.ECHO and characters[termios.VSUSP] == b"\x1a"

    def close(self) -> None:
        self._child.close(force=True)
