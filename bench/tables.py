# SPDX-License-Identifier: MIT
"""Tables as Markdown, and several tables beside each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median


@dataclass
class Table:
    """`keys` name a row, `values` are what is said of it. All but the first column are numbers, hence to the right,
    unless a name begins with `<`."""

    keys: list[str]
    values: list[str]
    rows: dict[tuple, tuple] = field(default_factory=dict)

    def markdown(self) -> str:
        if not self.rows:
            return ""
        names = self.keys + self.values
        rule = ["---"] + ["---" if name.startswith("<") else "---:" for name in names[1:]]
        lines = [[name.removeprefix("<") for name in names], rule]
        lines += [[*key, *values] for key, values in self.rows.items()]
        return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def beside(tables: dict[str, Table]) -> Table:
    """One table of several about the same things, each with its title over its columns. A row that only some of them
    have is empty in the others."""
    tables = {title: table for title, table in tables.items() if table.rows}
    if not tables:
        return Table([], [])
    if len(tables) == 1:
        return next(iter(tables.values()))
    first = next(iter(tables.values()))
    names = [_titled(title, name) for title, table in tables.items() for name in table.values]
    rows = {}
    for key in dict.fromkeys(key for table in tables.values() for key in table.rows):
        rows[key] = tuple(cell for table in tables.values() for cell in table.rows.get(key, [""] * len(table.values)))
    return Table(first.keys, names, rows)


def _titled(title: str, name: str) -> str:
    mark = "<" if name.startswith("<") else ""
    return f"{mark}{title}: {name.removeprefix('<')}" if name else title


def section(title: str, *blocks: str) -> str:
    """Empty if there is nothing below the head."""
    blocks = tuple(filter(None, blocks))
    return "\n\n".join((f"## {title}", *blocks)) if blocks else ""


def code(name: str) -> str:
    """Names of commands as code; the rest is prose."""
    head, comma, rest = name.partition(",")
    return f"`{head}`{comma}{rest}" if head.split()[0].isupper() and not head.startswith("Lua") else name


def spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}..{max(values):.2f})"
