# SPDX-License-Identifier: MIT
"""Frames of HTTP/2 as bytes (RFC 9113 and 7541), for clients that no library would be."""

from __future__ import annotations

import struct

from envoy_client import METHOD

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM = ACK = 1
END_HEADERS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST = 16_384  # bytes of a frame


def frame(kind: int, payload: bytes = b"", stream: int = 0, flags: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


HELLO = PREFACE + frame(SETTINGS)


def integer(value: int, bits: int) -> bytes:
    """A number that begins in the last bits of a byte."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([value])
    rest, value = [], value - most
    while value >= 128:
        rest.append(128 + value % 128)
        value //= 128
    return bytes([most, *rest, value])


def field(name: bytes, value: bytes) -> bytes:
    """A header that nobody keeps, without a table and without Huffman's code."""
    return b"\0" + integer(len(name), 7) + name + integer(len(value), 7) + value


def headers(path: str, kind: int = 0) -> bytes:
    """Of a call of a method. 64 as the kind: all but the first two are kept in the table of the connection."""
    own = {b":path": path.encode(), b":authority": b"x", b"te": b"trailers", b"content-type": b"application/grpc"}
    return b"\x83\x86" + b"".join(bytes([kind]) + field(name, value)[1:] for name, value in own.items())  # POST, http


CALL = headers(METHOD)
KEPT = b"\x83\x86\xc1\xc0\xbf\xbe"  # after a call whose headers are kept: the same


def call(stream: int, *more: bytes) -> bytes:
    """The begin of a request, with further headers."""
    return frame(HEADERS, CALL + b"".join(more), stream, END_HEADERS)


def message(stream: int, payload: bytes, size: int | None = None) -> bytes:
    """The message of a request, with its end; of a larger size than it has, without."""
    data = b"\0" + struct.pack(">I", len(payload) if size is None else size) + payload
    pieces = [data[i : i + LARGEST] for i in range(0, len(data), LARGEST)]
    flags = [0] * (len(pieces) - 1) + [END_STREAM if size is None else 0]
    return b"".join(frame(DATA, piece, stream, flag) for piece, flag in zip(pieces, flags, strict=True))
