# SPDX-License-Identifier: MIT
"""The table of limiters in PostgreSQL (schema.sql): its rows, what has changed, and what became of them."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass

import psycopg2

# The connection of a listener says nothing for hours: so the system asks whether the other end is still there.
ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "connect_timeout": 5}

CURRENT = "SELECT name, limits, parts, trial FROM ratelimit.limiter WHERE enabled ORDER BY name"
FORMER = "SELECT DISTINCT name, coalesce(parts, 0) FROM ratelimit.history ORDER BY 1, 2"
# The row may be gone by now. What was said before is not said again.
SAY = """
    INSERT INTO ratelimit.outcome AS o (name, said_at, error)
    SELECT name, clock_timestamp(), %(error)s FROM ratelimit.limiter WHERE name = %(name)s
    ON CONFLICT (name) DO UPDATE SET said_at = excluded.said_at, error = excluded.error
    WHERE o.error <> excluded.error OR %(is_new)s
"""


@dataclass(frozen=True)
class Rule:
    """A row that is enabled. No parts: the name itself is the key."""

    name: str
    limits: str
    parts: int
    trial: bool

    @property
    def words(self) -> list[str]:
        return self.limits.split(" ")  # as schema.sql divides them, and nowhere else

    def keys(self) -> list[str]:
        return keys_of(self.name, self.parts)

    def __str__(self) -> str:
        return text_of(self.limits, self.trial)


def text_of(limits: str, trial: bool) -> str:
    return f"{limits} SHADOW" if trial else limits


def keys_of(name: str, parts: int) -> list[str]:
    """As docs/scaling-out.md names the parts."""
    return [f"{{{part}}}{name}" for part in range(parts)] or [name]


class Rows:
    """One connection. After an error of it (psycopg2.Error) make another."""

    def __init__(self, address: str) -> None:
        self._connection = psycopg2.connect(address, application_name="ratelimit rules", **ALIVE)
        self._connection.autocommit = True
        self._do("LISTEN ratelimit")  # before anything is read, so that no change falls in between

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_) -> None:
        self._connection.close()

    def rules(self) -> list[Rule]:
        return [Rule(name, limits, parts or 0, trial) for name, limits, parts, trial in self._do(CURRENT)]

    def former(self) -> dict[str, set[int]]:
        """All names that the table ever had, and in how many parts."""
        names: dict[str, set[int]] = {}
        for name, parts in self._do(FORMER):
            names.setdefault(name, set()).add(parts)
        return names

    def say(self, name: str, error: str, is_new: bool) -> None:
        """What became of a row; `is_new` if the servers were changed for it."""
        self._do(SAY, name=name, error=error, is_new=is_new)

    def changed(self, within_s: float) -> set[str]:
        """The names of rows that have changed since the last call. Waits so long for the first of them."""
        end = time.monotonic() + within_s
        while not self._connection.notifies:
            left = end - time.monotonic()
            if left <= 0:
                return set()
            select.select([self._connection], [], [], left)
            self._connection.poll()  # an error, if the other end has gone
        names = {notify.payload for notify in self._connection.notifies}
        self._connection.notifies.clear()
        return names

    def _do(self, statement: str, **values) -> list[tuple]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []
