# SPDX-License-Identifier: MIT
"""Pages as tables of the library `rich`, which measures characters and colours them, if the terminal has colours.

Without colours everything is still told apart: by words, by a mark before a line, and by three shades of a bar. Names
are never taken for the library's markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from . import words
from .rows import Group, LatencyRow, LimiterPage, Line, Overview, ServerRow, SubjectPage, TopRow
from .samples import LogEntry
from .state import HELP, Page, State, place_of, window

STYLES = {"granted": "green", "near": "yellow", "denied": "red", "would": "magenta", "gone": "bold red"}
BAR = {"granted": "green", "near": "yellow", "denied": "bold red"}
SHADES = "░▒█"
BAR_CELLS = 12
WIDE = 116  # from here on tables stand side by side


@dataclass(frozen=True)
class Paper:
    """What a page is drawn on. Without a height it is as long as it must be."""

    width: int
    height: int | None
    now: datetime  # with a time zone, in which instants are written
    interval_s: float
    ascii_only: bool = False  # names are escaped; for the rest there are look-alikes (words.py)

    @property
    def is_printed(self) -> bool:
        """Nobody can press a key."""
        return self.height is None

    @property
    def is_wide(self) -> bool:
        return self.width >= WIDE

    def name(self, name: bytes) -> str:
        return words.visible(name, ascii_only=self.ascii_only)

    def instant(self, unix_ms: int | None) -> str:
        """With its day, unless that is today."""
        if unix_ms is None:
            return words.UNKNOWN
        try:
            at = datetime.fromtimestamp(unix_ms / 1000, self.now.tzinfo)
        except (ValueError, OverflowError, OSError):  # of no calendar
            return words.UNKNOWN
        return f"{at:%H:%M:%S}" if at.date() == self.now.date() else f"{at:%Y-%m-%d %H:%M:%S}"


def line(*parts: str | tuple[str, str]) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    for part in parts:
        what, *style = (part,) if isinstance(part, str) else part
        text.append(words.printable(what), *style)
    return text


def table(*columns: tuple[str, dict]) -> Table:
    drawn = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold", show_edge=False)
    for title, how in columns:
        drawn.add_column(title, **({"no_wrap": True, "overflow": "ellipsis"} | how))
    return drawn


RIGHT: dict = {"justify": "right"}


def shade(style: str, text: str) -> Text:
    """Coloured, unless there is nothing to see."""
    return Text(text, "dim" if text in ("0", words.UNKNOWN) else style, justify="right")


# --- the head and the foot of every page -------------------------------------------------------------


def head(paper: Paper, seen: Overview, state: State) -> list[RenderableType]:
    total = seen.servers[0] if len(seen.servers) == 1 else seen.sum
    version = f"ratelimit {seen.sum.version}" if seen.sum.version else "ratelimit"
    every = "paused" if state.is_paused else f"every {paper.interval_s:g} s"
    first = line((version, "bold"), "  ", total.name, "  ", f"{paper.now:%H:%M:%S}", "  ", every)
    calls = [("granted", seen.calls.granted), ("near", seen.calls.near), ("denied", seen.calls.denied)]
    parts: list = ["calls/s"]
    for kind, value in calls:
        parts += ["  ", (f"{kind} {words.rate(value)}", STYLES[kind] if value else "")]
    parts += [
        "  ",
        (f"would deny {words.rate(seen.calls.would_deny)}", STYLES["would"] if seen.calls.would_deny else ""),
    ]
    parts += ["  ", (f"errors {words.rate(seen.errors)}", "bold red" if seen.errors else "")]
    complaints = [line(("! ", "bold yellow"), (text, "yellow")) for text in seen.complaints]
    return [first, *servers(paper, seen), line(*parts), *complaints]


def servers(paper: Paper, seen: Overview) -> list[RenderableType]:
    """One server is one line; of several there is a table, and their sum."""
    if len(seen.servers) == 1:
        return [one_server(seen.servers[0])]
    drawn = table(
        ("server", {}),
        ("up", RIGHT),
        ("checks/s", RIGHT),
        ("ops/s", RIGHT),
        ("memory", RIGHT),
        *(
            [("clients", RIGHT), ("limiters", RIGHT), ("subjects", RIGHT), ("evicted/s", RIGHT)]
            if paper.width >= 80
            else []
        ),
    )
    for row in (*seen.servers, seen.sum):
        drawn.add_row(*server_cells(row)[: len(drawn.columns)])
    return [drawn]


def server_cells(row: ServerRow) -> list[RenderableType]:
    name = Text(words.printable(row.name))
    if row.trouble:
        return [name, Text(words.printable(row.trouble), STYLES["gone"])]
    uptime = words.duration(None if row.uptime_s is None else row.uptime_s * 1000)
    return [
        name,
        *map(Text, [uptime, words.rate(row.checks), words.count(row.ops), memory_of(row), words.count(row.clients)]),
        *map(Text, [words.count(row.limiters), words.count(row.subjects)]),
        shade("red", words.rate(row.evicted)),
    ]


def one_server(row: ServerRow) -> Text:
    if row.trouble:
        return line((row.trouble, STYLES["gone"]))
    uptime = words.duration(None if row.uptime_s is None else row.uptime_s * 1000)
    facts = [("ops/s", words.count(row.ops)), ("memory", memory_of(row)), ("subjects", words.count(row.subjects))]
    facts += [("limiters", words.count(row.limiters)), ("evicted/s", words.rate(row.evicted))]
    facts += [("clients", words.count(row.clients)), ("up", uptime)]
    return line("  ".join(f"{name} {value}" for name, value in facts))


def memory_of(row: ServerRow) -> str:
    return words.size(row.memory) + (f" of {words.size(row.memory_bound)}" if row.memory_bound else "")


def foot(paper: Paper, state: State) -> RenderableType:
    if state.typed is not None:
        return line(("subject: ", "bold"), paper.name(state.typed.encode("utf-8", "surrogateescape")), "_")
    parts = [] if paper.is_printed else [HELP[state.page]]
    if state.page is Page.OVERVIEW:
        granted, near, denied = SHADES
        parts += [f"sorted by {state.sort}", f"{granted} granted {near} near {denied} denied"]
    return line(("   ".join(parts), "dim"))


# --- the overview -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    title: str
    width: int
    cell: Callable[[Paper, Group, Line], RenderableType]


# The most important first: a narrow terminal shows as many as it has room for, in the order of ORDER.
COLUMNS = (
    Column("denied/s", 8, lambda _, __, one: shade(STYLES["denied"], words.rate(one.rates.denied))),
    Column("granted/s", 9, lambda _, __, one: shade(STYLES["granted"], words.rate(one.rates.granted))),
    Column("near/s", 7, lambda _, __, one: shade(STYLES["near"], words.rate(one.rates.near))),
    Column("", BAR_CELLS, lambda paper, _, one: bar(paper, one)),
    Column("denied", 11, lambda _, __, one: Text(words.count(one.counts.denied) + stopped(one), justify="right")),
    Column("would/s", 7, lambda _, __, one: shade(STYLES["would"], words.rate(one.rates.would_deny))),
    Column("near", 11, lambda _, __, one: Text(words.count(one.counts.near), justify="right")),
    Column("granted", 13, lambda _, __, one: Text(words.count(one.counts.granted) + stopped(one), justify="right")),
    Column("since", 19, lambda paper, _, one: Text(paper.instant(one.counts.since_ms), justify="right")),
)
ORDER = ("granted/s", "near/s", "denied/s", "would/s", "", "granted", "near", "denied", "since")
LEAST_NAME, LEAST_LABEL, MOST_LABEL = 10, 8, 20


def stopped(one: Line) -> str:
    return "+" if one.counts.is_stopped else ""


def bar(paper: Paper, one: Line) -> Text:
    """What became of the calls since the last look; empty if there were none."""
    rates = one.rates
    parts = words.share_bar(rates.granted or 0, rates.near or 0, rates.denied or 0, BAR_CELLS, SHADES)
    return Text.assemble(*((text, BAR[kind]) for kind, text in parts))


def columns_that_fit(width: int, label_width: int) -> list[Column]:
    room = width - len("> ") - LEAST_NAME - 1 - label_width
    chosen = []
    for column in COLUMNS:
        room -= column.width + 1
        if room < 0:
            break
        chosen.append(column)
    return sorted(chosen, key=lambda column: ORDER.index(column.title))


def overview(paper: Paper, seen: Overview, state: State) -> RenderableType:
    top = head(paper, seen, state)
    last = foot(paper, state)
    lines = sum(len(group.lines) for group in seen.groups)
    room, below = divide(paper, sum(map(height_of, top)) + 3, lines)
    return Lines(*top, Text(), limiters(paper, seen.groups, state, room), Text(), *panels(paper, seen, below), last)


def height_of(part: RenderableType) -> int:
    return 1 + part.row_count if isinstance(part, Table) else 1


def divide(paper: Paper, fixed: int, lines: int) -> tuple[int, int]:
    """Lines for limiters, and for each of the three tables below them: what is left of the height goes to those, but
    limiters come first."""
    if paper.height is None:
        return max(lines, 1), 10
    left = paper.height - fixed - 1  # the titles of the limiters
    for rows in (10, 5, 3):
        below = (rows + 1) * (1 if paper.is_wide else 3)
        if left - below >= min(lines, 8 if paper.is_wide else 5):
            return left - below, rows
    return max(left, 1), 0


def limiters(paper: Paper, groups: Sequence[Group], state: State, room: int) -> RenderableType:
    if not groups:
        return line(("no limiter was found: a key is one after RL.DEFINE", "dim"))
    chosen = place_of(state.marked, [group.name for group in groups])
    label_width = max(cell_len(paper.name(one.label)) for group in groups for one in group.lines)
    label_width = min(max(label_width, LEAST_LABEL), MOST_LABEL if paper.is_wide else LEAST_LABEL)
    columns = columns_that_fit(paper.width, label_width)
    rest = paper.width - len("> ") - 1 - label_width - sum(column.width + 1 for column in columns)
    drawn = table(
        ("", {"width": 1}),
        ("limiter", {"width": max(rest, LEAST_NAME)}),
        ("label", {"width": label_width}),
        *((column.title, {"width": column.width, "justify": "right"}) for column in columns),
    )
    for place in window([len(group.lines) for group in groups], chosen, room):
        for cells in group_cells(paper, groups[place], columns, is_marked=place == chosen and not paper.is_printed):
            drawn.add_row(*cells)
    return drawn


def group_cells(paper: Paper, group: Group, columns: list[Column], *, is_marked: bool) -> Iterable[list]:
    """The name stands once, before the first of its labels."""
    name = paper.name(group.name) + (" (trial)" if group.is_on_trial else "")
    name += f" ({len(group.places)} parts)" if len(group.places) > 1 else ""
    for number, one in enumerate(group.lines):
        is_first = number == 0
        yield [
            Text(">" if is_marked and is_first else ""),
            Text(name if is_first else "", "bold reverse" if is_marked else "bold"),
            Text(paper.name(one.label) if one.label else words.UNKNOWN),
            *(column.cell(paper, group, one) for column in columns),
        ]


def panels(paper: Paper, seen: Overview, rows: int) -> list[RenderableType]:
    if rows == 0:
        return []
    three = [
        tops(paper, "top denied", seen.top_denied[:rows]),
        tops(paper, "top near", seen.top_near[:rows]),
        latency(seen.latency[:rows]),
    ]
    return side_by_side(paper, three, shares=(3, 3, 4))


def side_by_side(paper: Paper, tables: list[Table], shares: tuple[int, ...]) -> list[RenderableType]:
    """If there is room for that: each has its share of the width."""
    if not paper.is_wide:
        return tables
    beside = Table.grid(padding=(0, 3, 0, 0), expand=True)
    for share in shares:
        beside.add_column(ratio=share)
    beside.add_row(*tables)
    return [beside]


def tops(paper: Paper, title: str, rows: Sequence[TopRow]) -> Table:
    drawn = table((title, {"ratio": 2}), ("subject", {"ratio": 3}), ("times", RIGHT))
    drawn.expand = True
    for row in rows:
        drawn.add_row(Text(paper.name(row.limiter)), subject(paper, row.subject), times(row))
    return filled(drawn)


def times(row: TopRow) -> str:
    """By how much a count may be too large stands behind it."""
    return words.count(row.times) + (f" -{words.count(row.overcount)}" if row.overcount else "")


def subject(paper: Paper, name: bytes) -> Text:
    return Text(paper.name(name)) if name else Text("(the key itself)", "dim")


def latency(rows: Sequence[LatencyRow]) -> Table:
    drawn = table(("command", {"ratio": 1}), *((title, RIGHT) for title in ("calls/s", "mean µs", "50% ≤", "99% ≤")))
    drawn.expand = True
    for row in rows:
        times = (row.mean_us, row.median_us, row.percentile_99_us)
        drawn.add_row(row.command, words.rate(row.calls), *map(words.microseconds, times))
    return filled(drawn)


def filled(drawn: Table) -> Table:
    """A table that has nothing says so."""
    if drawn.row_count == 0:
        drawn.add_row(Text("none", "dim"))
    return drawn


# --- one limiter ------------------------------------------------------------------------------------


def limiter(paper: Paper, page: LimiterPage, seen: Overview, state: State) -> RenderableType:
    group = page.group
    about = line((paper.name(group.name), "bold"), f"  subjects {words.count(group.subjects)}",
                 "  on trial: it denies nobody" if group.is_on_trial else "")  # fmt: skip
    limits = [line("  ", paper.name(limit)) for limit in group.limits]
    labels = limiters(paper, [group], State(), len(group.lines))
    parts = [*head(paper, seen, state), Text(), about, *limits, labels, Text()]
    left = (paper.height or 1000) - sum(map(height_of, parts)) - 2
    rows = 5 if left >= 16 else 0  # of the tops; the log is worth more
    below = [Text(), *tops_of_limiter(paper, page, rows)] if rows else []
    used = len(below) and (1 + rows + 1 if paper.is_wide else 1 + 2 * (rows + 1))
    return Lines(*parts, log(paper, page.log, state, max(left - used - 1, 1)), *below, Text(), foot(paper, state))


def tops_of_limiter(paper: Paper, page: LimiterPage, rows: int) -> list[RenderableType]:
    found = (("denied most", page.top_denied), ("near most often", page.top_near))
    return side_by_side(paper, [tops_alone(paper, title, top[:rows]) for title, top in found], shares=(1, 1))


def tops_alone(paper: Paper, title: str, rows: Sequence[TopRow]) -> Table:
    drawn = table((title, {"ratio": 1}), ("times", RIGHT))
    drawn.expand = True
    for row in rows:
        drawn.add_row(subject(paper, row.subject), times(row))
    return filled(drawn)


def log(paper: Paper, entries: Sequence[LogEntry], state: State | None, room: int) -> RenderableType:
    """Who was denied, the last first. Without a state nobody is marked."""
    if not entries:
        return line(("the log names nobody (it is off if log-len is 0)", "dim"))
    names = subjects_of(entries)
    chosen = names[place_of(state.marked, names)] if state else None
    drawn = table(
        ("", {"width": 1}),
        ("denied", {"ratio": 1}),
        *((title, {}) for title in ("label", "first", "last")),
        ("times", RIGHT),
        ("wait", RIGHT),
    )
    drawn.expand = True
    marked = next((place for place, entry in enumerate(entries) if entry.subject == chosen), None)
    for place in window([1] * len(entries), marked or 0, room):
        entry = entries[place]
        style = "bold reverse" if place == marked else ""
        drawn.add_row(
            ">" if place == marked else "",
            Text.assemble(subject(paper, entry.subject), style=style),
            Text(paper.name(entry.label)),
            paper.instant(entry.first_ms),
            paper.instant(entry.last_ms),
            words.count(entry.times),
            words.duration(entry.wait_ms),
        )
    return drawn


def subjects_of(entries: Iterable[LogEntry]) -> list[bytes]:
    """Each once, as they come."""
    return list(dict.fromkeys(entry.subject for entry in entries))


# --- one subject ------------------------------------------------------------------------------------

STATUS = {
    "ok": "green",
    "near": "yellow",
    "denied": "bold red",
    "blocked": "bold red",
    "waiting": "yellow",
    "closed": "red",
}


def why(paper: Paper, page: SubjectPage, seen: Overview, state: State) -> RenderableType:
    title = line((paper.name(page.limiter), "bold"), "  ", subject(paper, page.subject).plain,
                 "  (limits of its own)" if page.is_exception else "")  # fmt: skip
    parts = [*head(paper, seen, state), Text(), title, *verdict(page), Text(), used_limits(paper, page), Text()]
    entries = log(paper, page.log, None, 1000) if page.log else line(("the log does not have this subject", "dim"))
    return Lines(*parts, entries, Text(), foot(paper, state))


def verdict(page: SubjectPage) -> list[RenderableType]:
    if not page.limits and not page.status:
        return [line(("idle: nothing is used, and a call is decided as the first one", "dim"))]
    lines: list[RenderableType] = [
        Text.assemble((page.status, STATUS.get(page.status, "")), "  " * bool(page.status), page.why)
    ]
    if page.blocked_ms:
        lines.append(line(f"blocked for {words.duration(page.blocked_ms)} more"))
    if page.waiting_ms:
        lines.append(line(f"a call waits for its turn, in {words.duration(page.waiting_ms)}"))
    if page.holds:
        lines.append(line(f"holds: {words.count(page.holds)}"))
    return lines


def used_limits(paper: Paper, page: SubjectPage) -> RenderableType:
    has_bar = paper.width >= 70
    numbers = [(title, RIGHT) for title in ("used", "of", "left", "next unit", "reset")]
    drawn = table(("label", {}), *([("", {"width": BAR_CELLS})] if has_bar else []), *numbers)
    for limit in page.limits:
        used = Text(words.use_bar(limit.used, limit.size, BAR_CELLS, SHADES))
        counts = map(words.count, (limit.used, limit.size, limit.remaining))
        times = map(words.duration, (limit.next_unit_ms, limit.reset_ms))
        drawn.add_row(Text(paper.name(limit.label)), *([used] if has_bar else []), *counts, *times)
    return drawn


def gone(paper: Paper, seen: Overview, state: State) -> RenderableType:
    """The limiter of this page is no longer there, or its server is not."""
    return Lines(*head(paper, seen, state), Text(), line("this limiter is not there at present"), foot(paper, state))
