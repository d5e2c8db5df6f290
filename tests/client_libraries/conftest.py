# SPDX-License-Identifier: MIT
"""The server and the cluster that the clients speak to."""

from __future__ import annotations

from fixtures import started_cluster  # noqa: F401
from one_server import server, started_server  # noqa: F401
