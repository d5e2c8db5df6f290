# SPDX-License-Identifier: MIT
"""What the tests with hostile payloads share."""

from __future__ import annotations

import random
import struct

from harness import BASE, MINUTE, MS, Client
from oracle_decide import LATEST
from oracle_limits import LONGEST


def interesting(rng: random.Random) -> bytes:
    """A number at a bound of the format, as 1, 4 or 8 bytes."""
    form, numbers = rng.choice(
        [
            ("<B", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 64, 65, 0x7F, 0x80, 0x81, 0xFF]),
            ("<I", [0, 1, 2**31, 2**32 - 1, 2**20, 2**20 + 1, 2**17, 2**17 + 1, rng.randrange(2**32)]),
            ("<Q", [0x0FFFFFFFFFFFFFFF, 0x1080808080808080]),  # 2^53-1 and 2^53, 7 bits a byte
            ("<q", [0, 1, -1, MS, MS - 1, LONGEST, LONGEST + 1, BASE, BASE - 1, LATEST, LATEST + LONGEST]),
            ("<q", [LATEST + LONGEST + 1, 2**63 - 1, -(2**63), BASE + rng.randrange(10 * MINUTE)]),
            ("<Q", [2**63 | instant for instant in (BASE, BASE + MINUTE, LATEST + 2 * LONGEST, 2**63 - 1)]),
        ]
    )
    return struct.pack(form, rng.choice(numbers))


def in_one_go(db: Client, commands: list[tuple]) -> list:
    with db.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        return pipe.execute(raise_on_error=False)
