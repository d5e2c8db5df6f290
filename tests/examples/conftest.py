# SPDX-License-Identifier: MIT
"""The server that the examples speak to."""

from __future__ import annotations

from one_server import server, started_server  # noqa: F401
