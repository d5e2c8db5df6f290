# SPDX-License-Identifier: MIT
"""The function library in a server, its clock in the hands of a test, and the words of a call of it."""

from __future__ import annotations

from harness import BASE, REPOSITORY, Client, Reply

LIBRARY = REPOSITORY / "functions" / "ratelimit.lua"
CLOCK_KEY = "the clock"
READING = "redis.call('TIME')"
HELD = f"redis.call('HMGET', '{CLOCK_KEY}', 'seconds', 'microseconds')"


def library(*, clock_is_held: bool) -> str:
    """The text of the library; for tests, with another reading of the clock in it, and no other change."""
    text = LIBRARY.read_text()
    assert text.count(READING) == 1
    return text.replace(READING, HELD) if clock_is_held else text


def clock_words(unix_ns: int) -> list[str]:
    """The command that sets the clock of the functions, which count in microseconds."""
    assert unix_ns % 1000 == 0
    seconds, microseconds = divmod(unix_ns // 1000, 10**6)
    return ["HSET", CLOCK_KEY, "seconds", str(seconds), "microseconds", str(microseconds)]


def as_function(line: str) -> list[str]:
    """A command of the module, said to the functions."""
    command, *rest = line.split()
    count = [] if command == "RL.CHECKALL" else ["1"]  # that one has a number of keys already
    return ["FCALL", command.lower().replace(".", "_"), *count, *rest]


class Functions:
    """Takes the lines that a test would send to the module."""

    def __init__(self, db: Client) -> None:
        self._db = db
        db.execute_command("FUNCTION", "LOAD", "REPLACE", library(clock_is_held=True))
        self.set_clock(BASE)

    def set_clock(self, unix_ns: int) -> None:
        self._db.execute_command(*clock_words(unix_ns))

    def do(self, line: str):
        return self._db.execute_command(*as_function(line))

    def ask(self, line: str) -> Reply:
        return Reply(self.do(line))

    def error(self, line: str) -> str:
        return self._db.error(*as_function(line))
