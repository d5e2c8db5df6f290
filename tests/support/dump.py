# SPDX-License-Identifier: MIT
"""What DUMP gives and RESTORE takes, opened and sealed again: docs/format.md, "In an RDB file and in DUMP".

A payload is a head (the mark of a module's value and the type's name), a string which is the module's own form, the
end of the value, the version of RDB, and a checksum. With `rdbcompression no` the string stands there as it is.
"""

from __future__ import annotations

import struct

HEAD = 1 + 9
VERSION = 2
CHECKSUM = 8
STRING = b"\x05"
END = b"\0"

POLYNOMIAL = 0x95AC9329AC4BC9B5  # CRC-64/Jones, reflected


def crc_table() -> list[int]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


CRC_TABLE = crc_table()


def sealed(body: bytes) -> bytes:
    """The body with the checksum that RESTORE wants to see."""
    crc, table = 0, CRC_TABLE
    for byte in body:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return body + struct.pack("<Q", crc)


def length(size: int) -> bytes:
    """A length as RDB writes it."""
    if size < 1 << 6:
        return bytes([size])
    if size < 1 << 14:
        return struct.pack(">H", size | 0x4000)
    return b"\x80" + struct.pack(">I", size)


def length_bytes(first: int) -> int:
    """How many bytes a length has that begins with this one."""
    return {0: 1, 1: 2}.get(first >> 6, 5)


class Dump:
    """A payload as DUMP gave it, uncompressed."""

    def __init__(self, payload: bytes) -> None:
        assert payload[HEAD : HEAD + 1] == STRING
        begin = HEAD + 1 + length_bytes(payload[HEAD + 1])
        self.form = payload[begin : -len(END) - VERSION - CHECKSUM]
        self.head = payload[:HEAD]
        self.version = payload[-VERSION - CHECKSUM : -CHECKSUM]

    def tail(self, form: bytes) -> bytes:
        """What follows the head, but for the checksum, with another form."""
        return STRING + length(len(form)) + form + END + self.version

    def with_form(self, form: bytes) -> bytes:
        """A whole payload with another form."""
        return sealed(self.head + self.tail(form))
