# SPDX-License-Identifier: MIT
"""How scripts/watch writes names and numbers (tools/watch/words.py)."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from watch import words

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"api:free", "api:free"),
        (b"two words", "two words"),
        ("zoë".encode(), "zoë"),
        ("日本語".encode(), "日本語"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        (b"line\nbreak\r\ttab", "line\\nbreak\\r\\ttab"),
        (b"\x00\x7f", "\\x00\\x7f"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\u009b31m".encode(), "\\u009b31m"),  # the one-character form of ESC [
        ("\u202eevil".encode(), "\\u202eevil"),  # right to left from here on
        ("\u200b\u2028".encode(), "\\u200b\\u2028"),
        ("a\u0301".encode(), "a\u0301"),
        ("\u0301".encode(), "\\u0301"),
        (("a" + "\u0301" * 4).encode(), "a\u0301\u0301\\u0301\\u0301"),
        ("❤\ufe0f".encode(), "❤\\ufe0f"),
        (b"a\\x1b", "a\\\\x1b"),
        ("\U000e0001".encode(), "\\U000e0001"),
    ],
)
def test_a_name_is_shown_without_what_would_steer_the_terminal(name: bytes, shown: str):
    assert words.visible(name) == shown


def test_two_names_never_look_the_same():
    assert words.visible(b"\\x1b") != words.visible(b"\x1b")


def test_a_terminal_without_unicode_gets_ascii():
    assert words.visible("zoë 日".encode(), ascii_only=True) == "zo\\u00eb \\u65e5"


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (999, "999"), (12345, "12,345"), (999_999_999, "999,999,999"), (2_500_000_000, "2.5G"), (None, "–")],
)
def test_a_count_is_exact_below_a_thousand_million(number: int | None, shown: str):
    assert words.count(number) == shown


@pytest.mark.parametrize(
    ("a_second", "shown"),
    [
        *((0, "0"), (0.004, "<0.1"), (0.25, "0.2"), (7.25, "7.2"), (9.96, "10"), (42.4, "42"), (999.4, "999")),
        *((999.6, "1.0k"), (1500, "1.5k"), (52_000, "52k"), (2_000_000, "2.0M"), (None, "–")),
    ],
)
def test_a_rate_has_two_digits_and_is_0_only_if_nothing_happened(a_second: float | None, shown: str):
    assert words.rate(a_second) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_600_000, "1.5 MiB"), (3 * 2**40, "3.0 TiB")],
)
def test_a_size_is_in_units_of_1024(number: int, shown: str):
    assert words.size(number) == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        *((0, "0 ms"), (350, "350 ms"), (57_999, "57 s"), (61_000, "1 m 1 s"), (3 * HOUR + 5 * MINUTE, "3 h 5 m")),
        *((DAY + 59_000, "1 d"), (-1, "never"), (None, "–")),
    ],
)
def test_a_duration_has_two_units(ms: float | None, shown: str):
    assert words.duration(ms) == shown


def lengths(bar: list[tuple[str, str]]) -> dict[str, int]:
    return {kind: len(text) for kind, text in bar}


def test_a_bar_divides_its_cells_as_the_calls_were():
    assert lengths(words.share_bar(75, 25, 25, 20, "░▒█")) == {"granted": 10, "near": 5, "denied": 5}


def test_a_single_denial_among_thousands_is_seen():
    assert lengths(words.share_bar(100_000, 0, 1, 12, "░▒█")) == {"granted": 11, "denied": 1}


@pytest.mark.parametrize("calls", [(1, 1, 1), (3, 2, 5), (0, 0, 7), (1000, 1, 1), (0.2, 0.1, 0)])
def test_a_bar_is_as_long_as_it_must_be(calls: tuple[float, float, float]):
    assert sum(cell_len(text) for _, text in words.share_bar(*calls, 12, "░▒█")) == 12


def test_no_calls_make_no_bar():
    assert words.share_bar(0, 0, 0, 12, "░▒█") == []


@pytest.mark.parametrize(
    ("used", "size", "full"), [(0, 10, 0), (5, 10, 6), (9999, 10_000, 11), (10, 10, 12), (0, 0, 12)]
)
def test_the_bar_of_a_limit_is_full_only_if_the_limit_is(used: int, size: int, full: int):
    assert words.use_bar(used, size, 12, "░▒█") == "█" * full + "░" * (12 - full)
