# SPDX-License-Identifier: MIT
"""Keys of the terminal, one at a time, without being shown. When the view ends, the terminal is as it was."""

from __future__ import annotations

import os
import re
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

NAMED = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\x1b[5~": "page-up",
    b"\x1b[6~": "page-down",
    b"\x1b[H": "home",
    b"\x1b[F": "end",
    b"\x1b[1~": "home",
    b"\x1b[4~": "end",
    b"\r": "enter",
    b"\n": "enter",
    b"\x7f": "backspace",
    b"\x08": "backspace",
    b"\x1b": "escape",
}
# A sequence of a terminal, a character of UTF-8, or a byte.
KEY = re.compile(
    rb"\x1b[\[O][0-?]*[ -/]*[@-~]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|.",
    re.DOTALL,
)


def keys(pressed: bytes) -> list[str]:
    """The names of keys; a character stands for itself. What no key sends here is left out."""
    found = []
    for sequence in KEY.findall(pressed):
        if name := NAMED.get(sequence.replace(b"\x1bO", b"\x1b[")):
            found.append(name)
        elif (char := sequence.decode("utf-8", "replace")).isprintable() and char != "\ufffd":
            found.append(char)
    return found


@contextmanager
def one_key_at_a_time(terminal: int) -> Iterator[None]:
    """Ctrl-C still interrupts; Ctrl-Z does not stop, since the screen would be left as it is."""
    if not os.isatty(terminal):
        yield
        return
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        now = termios.tcgetattr(terminal)
        now[6][termios.VSUSP] = os.fpathconf(terminal, "PC_VDISABLE").to_bytes(1, "little")
        termios.tcsetattr(terminal, termios.TCSANOW, now)
        yield
    finally:
        with suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
