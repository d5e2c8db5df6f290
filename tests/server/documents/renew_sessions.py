# SPDX-License-Identifier: MIT
"""Writes the sessions of pages anew: what the server prints now in place of what the page shows. Read the difference
before you commit it.

    scripts/build && /usr/bin/python3 tests/server/documents/renew_sessions.py docs/commands/rl.top.md ...
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

from harness import Clock, Server  # noqa: E402
from pages import PROMPT, WHEN, exchanges, printed  # noqa: E402


def renewed(server: Server, session: str) -> str:
    with server.client() as client:
        client.do("FLUSHALL SYNC")
        Clock(client).set(WHEN)
    return "".join(f"{PROMPT}{command}\n{printed(server, command)}\n" for command, _ in exchanges(session))


def main() -> None:
    if not sys.argv[1:]:
        sys.exit(__doc__)
    server = Server().start()
    try:
        for page in map(Path, sys.argv[1:]):
            place = re.compile(r"(?<=^```redis-cli\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
            page.write_text(place.sub(lambda found: renewed(server, found[1]), page.read_text()))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
