# SPDX-License-Identifier: MIT
"""What the tests of the dense form share: keys with many subjects, payloads of them opened and sealed again, and ways
to wait for the background sweep or to keep it away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dump import CHECKSUM, END, HEAD, STRING, VERSION, length, length_bytes, sealed
from harness import PATIENCE_S, Client, eventually, pairs

AT_ONCE = 20_000  # subjects in one script: a server that is busy for long answers nobody
SCRIPT = """
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  redis.call('RL.CHECK', KEYS[1], 'FOR', ARGV[3] .. number, unpack(ARGV, 4))
end
"""


def fill(db: Client, key: str, count: int, limits: str = "", first: int = 0, prefix: str = "s") -> None:
    """One call for each of so many subjects: `prefix` and a number. Without limits, those that the key stores."""
    for begin in range(first, first + count, AT_ONCE):
        end = min(begin + AT_ONCE, first + count) - 1
        db.eval(SCRIPT, 1, key, begin, end, prefix, *limits.split())


def for_subject(line: str, key: str) -> str:
    """The same command about a subject of `key`: the one that has the name of the line's own key."""
    name, subject, *rest = line.split()
    return " ".join([name, key, *rest, "FOR", subject])


def subjects(db: Client, key: str) -> int:
    """How many there are, those that are idle and not forgotten yet included; none if there is no key."""
    flat = db.execute_command("RL.INFO", key)
    return 0 if flat is None else pairs(flat)["subjects"]


def standing(db: Client, key: str, subject: str) -> dict | None:
    """What RL.INFO says of a subject."""
    flat = db.execute_command("RL.INFO", key, "FOR", subject)
    if flat is None:
        return None
    info = pairs(flat)
    return info | {"limits": [pairs(limit) for limit in info["limits"]]}


@contextmanager
def nothing_forgotten(db: Client) -> Iterator[None]:
    """Keeps the background sweep from forgetting anybody while one compares: it changes nothing where no client may."""
    db.execute_command("CLIENT", "PAUSE", 1000 * PATIENCE_S, "WRITE")
    try:
        yield
    finally:
        db.execute_command("CLIENT", "UNPAUSE")


def wait_for_sweep(db: Client) -> None:
    """Until it has been everywhere: it comes by the same key twice only if it was at all others in between."""
    for _ in range(2):
        assert db.ask("RL.FIXED swept 1 1h FOR marker").granted
        assert db.do("RL.REFUND swept 1 FOR marker") == 1
        eventually(lambda: db.exists("swept") == 0, "the background sweep to come by")


def length_of(written: bytes) -> int:
    """What dump.length wrote."""
    return int.from_bytes(written[1:], "big") if len(written) == 5 else int.from_bytes(written, "big") & 0x3FFF


class Strings:
    """A payload as DUMP gave it, uncompressed: a value in several strings, of which dump.Dump knows only the first."""

    def __init__(self, payload: bytes) -> None:
        self.strings: list[bytes] = []
        at = HEAD
        while payload[at : at + 1] == STRING:
            begin = at + 1 + length_bytes(payload[at + 1])
            size = length_of(payload[at + 1 : begin])
            self.strings.append(payload[begin : begin + size])
            at = begin + size
        assert payload[at : at + 1] == END
        self._head = payload[:HEAD]
        self._version = payload[-VERSION - CHECKSUM : -CHECKSUM]

    def sealed(self, strings: list[bytes]) -> bytes:
        """A payload with other strings."""
        return self.sealed_body(self.body(strings))

    def body(self, strings: list[bytes]) -> bytes:
        return self._head + b"".join(STRING + length(len(string)) + string for string in strings) + END

    def sealed_body(self, body: bytes) -> bytes:
        return sealed(body + self._version)
