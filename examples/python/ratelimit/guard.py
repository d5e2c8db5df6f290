# SPDX-License-Identifier: MIT
"""What keeps trouble small: a breaker for a server that does not answer, and a bound on the lines of the log."""

from __future__ import annotations

import threading
from time import monotonic

MOST_FAILURES = 5  # in a row, and for at least the timeout: one short stall makes many calls fail at once
PAUSE_S = 0.5
INTERVAL_S = 10
MOST_LINES = 100  # an interval


class Breaker:
    """While it is open nobody waits for the server. After each pause, one call asks whether the server is back."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s, self._lock = timeout_s, threading.Lock()
        self._failures, self._first_failure = 0, 0.0
        self._is_open, self._next_try = False, 0.0

    def may_ask(self) -> bool:
        with self._lock:
            if not self._is_open:
                return True
            now = monotonic()
            if now < self._next_try:
                return False
            self._next_try = now + PAUSE_S
            return True

    def note(self, has_answered: bool) -> None:
        with self._lock:
            now = monotonic()
            if has_answered:
                self._failures = 0
            elif self._failures == 0:
                self._first_failure = now
            self._failures += not has_answered
            self._is_open = self._failures >= MOST_FAILURES and now - self._first_failure >= self._timeout_s
            if self._is_open:
                self._next_try = now + PAUSE_S


class Lines:
    """In an interval, there is one line about a caller that is denied, or about a failure, and so many lines in all."""

    def __init__(self) -> None:
        self._lock, self._end = threading.Lock(), 0.0
        self._about: set[bytes | str] = set()
        self._left_out = 0

    def bounded(self, line: str, about: bytes | str) -> str:
        """The line, with the number of those left out before it; nothing if it is left out itself."""
        with self._lock:
            now = monotonic()
            if now >= self._end:
                self._end = now + INTERVAL_S
                self._about.clear()
            if about in self._about or len(self._about) >= MOST_LINES:
                self._left_out += 1
                return ""
            self._about.add(about)
            more, self._left_out = f" left_out={self._left_out}" if self._left_out else "", 0
            return line + more
