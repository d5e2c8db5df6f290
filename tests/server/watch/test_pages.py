# SPDX-License-Identifier: MIT
"""The pages of scripts/watch on paper: of any width, with and without colours, whatever names clients have chosen."""

from __future__ import annotations

import codecs
import io
from datetime import UTC, datetime

import pytest
from replies import COUNTED, flat, limiter_reply
from rich.cells import cell_len
from rich.console import Console

from watch import drawing, rows, samples, words
from watch.drawing import Paper
from watch.rows import Watched
from watch.samples import Command, LogEntry, Sample, Top
from watch.state import Page, State

HOSTILE = "\x1b[31m日本語[red]:smile:\u202e\n".encode()
NOW = datetime.fromtimestamp(COUNTED / 1000 + 60, UTC)
ENTRIES = (
    LogEntry(b"mallory", b"burst", COUNTED - 86_400_000, COUNTED + 59_000, 1234, 1500),
    LogEntry(HOSTILE, HOSTILE, COUNTED, COUNTED + 30_000, 1, -1),
    LogEntry(b"", b"blocked", COUNTED, COUNTED, 2, 0),
)


def sample(at: float, calls: int) -> Sample:
    labels = {b"api:free": {b"burst": (calls, calls // 10, calls // 5, 0), b"daily": (calls, 0, calls // 2, 0)}}
    labels |= {HOSTILE: {HOSTILE: (calls, 0, 0, calls)}}
    limiters = {key: samples.limiter(key, limiter_reply(counts)) for key, counts in labels.items()}
    tops = dict.fromkeys(limiters, (Top(b"mallory", 1234, 5), Top(HOSTILE, 7, 0)))
    commands = {"rl.check": Command(calls, 2 * calls, {1: calls // 2, 4: calls - calls // 2})}
    return Sample(at, limiters=limiters, tops=tops, near_tops=tops, commands=commands)


def seen(*, nodes: int = 1) -> rows.Overview:
    servers = [Watched(f"127.0.0.1:700{node}", sample(0, 0), sample(1, 1000)) for node in range(nodes)]
    return rows.overview([*servers, *([Watched("127.0.0.1:7009", trouble="gone: refused")] if nodes > 1 else [])])


def paper(width: int, height: int | None = None, **others) -> Paper:
    return Paper(width, height, NOW, 1.0, **others)


def drawn(page, on: Paper, **console) -> list[str]:
    out = io.StringIO()
    how = {"color_system": None, "force_terminal": False} | console
    Console(file=out, width=on.width, highlight=False, emoji=False, markup=False, **how).print(page)
    return out.getvalue().splitlines()


def pages(on: Paper, nodes: int = 1) -> dict[str, list[str]]:
    overview = seen(nodes=nodes)
    group = overview.groups[0]
    limit = flat({b"label": HOSTILE, b"limit": b"FIXED 5 1m", b"size": 5, b"used": 4, b"remaining": 1, b"reset_ms": 9})
    about = flat({b"status": b"denied", b"why": b"a call of 1 unit is denied", b"limits": [limit], b"holds": 2})
    subject = rows.subject_page(group.name, HOSTILE, [about], [ENTRIES])
    limiter = rows.limiter_page(group, [ENTRIES], [(Top(HOSTILE, 3, 0),)])
    return {
        "overview": drawn(drawing.overview(on, overview, State()), on),
        "limiter": drawn(drawing.limiter(on, limiter, overview, State(page=Page.LIMITER)), on),
        "subject": drawn(drawing.why(on, subject, overview, State(page=Page.SUBJECT)), on),
        "typing": drawn(drawing.why(on, subject, overview, State(page=Page.SUBJECT, typed="日本" * 100)), on),
        "gone": drawn(drawing.gone(on, overview, State(page=Page.LIMITER)), on),
    }


@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize("width", [20, 40, 60, 80, 99, 100, 132, 250])
def test_no_line_is_wider_than_the_terminal(width: int, nodes: int):
    for name, lines in pages(paper(width, 40), nodes).items():
        assert (name, max(map(cell_len, lines)) <= width) == (name, True)


@pytest.mark.parametrize("width", [60, 80, 132])
@pytest.mark.parametrize("height", [12, 20, 24, 30, 50])
def test_the_overview_and_its_keys_fit_into_the_height(width: int, height: int):
    lines = pages(paper(width, height))["overview"]
    assert len(lines) <= height
    assert lines[-1].startswith("q quit")


def test_nothing_that_steers_a_terminal_gets_through():
    for lines in pages(paper(132)).values():
        assert all(char.isprintable() for line in lines for char in line)


def test_names_are_not_taken_for_markup():
    assert any("\\x1b[31m日本語[red]:smile:\\u202e\\n" in line for line in pages(paper(250))["overview"])


def test_columns_stand_below_their_titles_beside_wide_characters():
    lines = pages(paper(160))["overview"]
    title = next(line for line in lines if "granted/s" in line)
    hostile = next(line for line in lines if "日本語" in line and "1.0k" in line)
    end = title.index("granted/s") + len("granted/s")
    assert cell_len(hostile[: hostile.index("1.0k")]) + len("1.0k") == end


def test_the_overview_has_the_figures_of_the_samples():
    line = next(line for line in pages(paper(160))["overview"] if "api:free" in line and "burst" in line)
    name, label, granted, near, denied, would, bar, *totals = line.split()
    assert (name, label, granted, near, denied, would) == ("api:free", "burst", "1.0k", "200", "100", "0")
    assert bar == "░" * 9 + "▒▒" + "█"
    assert totals == ["1,000", "200", "100", "08:00:00"]


def test_an_instant_of_another_day_has_its_date():
    log = [line for line in pages(paper(132))["limiter"] if "mallory" in line and "burst" in line]
    assert "2027-01-14 08:00:00" in log[0] and "08:00:59" in log[0]


def test_a_narrow_terminal_shows_what_matters_most():
    narrow = "\n".join(pages(paper(40))["overview"])
    assert "denied/s" in narrow
    assert "since" not in narrow and "░░" not in narrow


def test_several_servers_are_a_table_with_their_sum():
    lines = pages(paper(132), nodes=2)["overview"]
    assert any(line.startswith("127.0.0.1:7009 gone: refused") for line in lines)
    assert any(line.startswith("2 of 3 servers") for line in lines)


def test_a_terminal_without_unicode_gets_look_alikes_of_the_same_width():
    codecs.register_error("look-alike", words.look_alike)
    for lines in pages(paper(132, 40, ascii_only=True)).values():
        shown = [line.encode("ascii", "look-alike").decode() for line in lines]
        assert list(map(len, shown)) == list(map(cell_len, lines))
        assert not any("?" in line for line in shown)


def test_no_color_means_no_colour():
    page = drawing.overview(paper(132), seen(), State())
    coloured = "\n".join(drawn(page, paper(132), force_terminal=True, color_system="standard"))
    plain = "\n".join(drawn(page, paper(132), force_terminal=True, color_system="standard", no_color=True))
    assert "\x1b[31m" in coloured and "\x1b[32m" in coloured
    assert not any(f"\x1b[{code}" in plain for code in ("3", "1;3", "9", "38"))


def test_the_first_sample_shows_no_rates():
    alone = rows.overview([Watched("a", None, sample(0, 1000))])
    line = next(line for line in drawn(drawing.overview(paper(160), alone, State()), paper(160)) if "daily" in line)
    assert line.split()[:5] == ["daily", "–", "–", "–", "–"]


def test_nobody_was_denied_is_said():
    group = seen().groups[0]
    page = drawing.limiter(paper(100), rows.limiter_page(group, [()]), seen(), State(page=Page.LIMITER))
    assert any(line.startswith("the log names nobody") for line in drawn(page, paper(100)))
