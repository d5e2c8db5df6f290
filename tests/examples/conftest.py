# SPDX-License-Identifier: MIT
"""The server that the examples speak to, its clock, and a client of it."""

from __future__ import annotations

from fixtures import clock, db, start_server  # noqa: F401
from one_server import server, started_server  # noqa: F401
