"""The server that the clients speak to."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "server"))  # where the harness is

from one_server import server, started_server  # noqa: E402, F401
