# SPDX-License-Identifier: MIT
"""How names, counts, rates and times are written, so that a line stays a line whatever clients have sent."""

from __future__ import annotations

import unicodedata

UNKNOWN = "–"
MARKS_IN_A_ROW = 2  # as languages have them; a pile of marks would cover other lines
VARIATION_SELECTORS = range(0xFE00, 0xFE10)


def visible(name: bytes, *, ascii_only: bool = False) -> str:
    """A name as text of which each character has a width: control characters, marks without a letter and bytes that are
    no UTF-8 are escaped. A backslash is doubled, so that no two names look the same."""
    shown: list[str] = []
    marks = MARKS_IN_A_ROW  # none before the first letter
    for char in name.decode("utf-8", "surrogateescape"):
        is_mark = unicodedata.category(char).startswith("M")
        marks = marks + 1 if is_mark else 0
        is_plain = (not ascii_only or char.isascii()) and _has_a_width(char) and marks <= MARKS_IN_A_ROW
        shown.append(char if is_plain else _escaped(char))
    return "".join(shown)


def _has_a_width(char: str) -> bool:
    return (
        char != "\\"
        and (char == " " or unicodedata.category(char)[0] not in "CZ")
        and ord(char) not in VARIATION_SELECTORS
    )


def _escaped(char: str) -> str:
    if char == "\\":
        return "\\\\"
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(text: str) -> str:
    """A text of a server, such as an error, as a part of one line that steers no terminal."""
    return "".join(char if char == "\\" or _has_a_width(char) else _escaped(char) for char in text)


def count(number: int | None) -> str:
    """Exact below a thousand million."""
    if number is None:
        return UNKNOWN
    return f"{number:,}" if number < 10**9 else _scaled(number, 1000, ("", "k", "M", "G", "T", "P", "E"))


def rate(a_second: float | None) -> str:
    """A rate that is not 0 is never shown as 0."""
    if a_second is None:
        return UNKNOWN
    if a_second == 0:
        return "0"
    if a_second < 0.05:
        return "<0.1"
    return _scaled(a_second, 1000, ("", "k", "M", "G", "T"))


def size(number_of_bytes: int | None) -> str:
    if number_of_bytes is None:
        return UNKNOWN
    return _scaled(number_of_bytes, 1024, (" B", " KiB", " MiB", " GiB", " TiB"))


def _scaled(number: float, base: int, units: tuple[str, ...]) -> str:
    """Two digits at least, and no more than are worth reading: 7.3, 42, 999, 1.5k."""
    for unit in units:
        if number < base - 0.5 or unit == units[-1]:
            break
        number /= base
    is_whole = number >= 9.95 or (unit == units[0] and number == int(number))
    return f"{number:.0f}{unit}" if is_whole else f"{number:.1f}{unit}"


def duration(ms: float | None) -> str:
    """The two largest units, rounded down: 350 ms, 57 s, 3 h 5 m."""
    if ms is None:
        return UNKNOWN
    if ms < 0:
        return "never"
    if ms < 1000:
        return f"{ms:.0f} ms"
    left, parts = int(ms) // 1000, []
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, left = divmod(left, seconds)
        if number or parts:
            parts.append(f"{number} {unit}" if number else "")
    return " ".join(filter(None, parts[:2]))


def microseconds(us: float | None) -> str:
    if us is None:
        return UNKNOWN
    return f"{us:.1f}" if us < 9.95 and us != int(us) else f"{us:,.0f}"


LOOK_ALIKES = {"–": "-", "…": "~", "µ": "u", "≤": "<", "↑": "^", "↓": "v", "░": ".", "▒": "~", "█": "#"}


def look_alike(error: UnicodeError) -> tuple[str, int]:
    """For codecs.register_error: what a terminal that has no Unicode shows, character for character."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(LOOK_ALIKES.get(char, "?") for char in error.object[error.start : error.end]), error.end


def share_bar(granted: float, near: float, denied: float, cells: int, glyphs: str) -> list[tuple[str, str]]:
    """Parts of a bar, (kind, text), as long as their shares of all calls. `near` is a part of `granted`. What is not 0
    has one cell at least, taken from the longest part."""
    amounts = {"granted": max(granted - near, 0), "near": near, "denied": denied}
    total = sum(amounts.values())
    if total <= 0:
        return []
    lengths = {kind: max(int(amount * cells / total), 1 if amount > 0 else 0) for kind, amount in amounts.items()}
    longest = max(lengths, key=lengths.__getitem__)
    lengths[longest] += cells - sum(lengths.values())
    return [(kind, glyph * lengths[kind]) for kind, glyph in zip(amounts, glyphs) if lengths[kind] > 0]


def use_bar(used: int, size: int, cells: int, glyphs: str) -> str:
    """How much of a limit is used: full only if all of it is; a closed limit (size 0) is full."""
    full = cells if used >= size else min(used * cells // size, cells - 1)
    return glyphs[2] * full + glyphs[0] * (cells - full)
