# SPDX-License-Identifier: MIT
"""Where a library can put a prefix before each key: whether it does, with a command that it does not know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clients import CLIENTS, Client, converse
from harness import Server

WITH_PREFIX = {name: client for name, client in CLIENTS.items() if client.prefixes is not None}


@pytest.mark.parametrize("client", WITH_PREFIX.values(), ids=WITH_PREFIX)
def test_a_prefix_is_applied_or_silently_not(server: Server, client: Client, tmp_path: Path):
    file = tmp_path / "steps.json"
    file.write_text(json.dumps([{"command": "RL.FIXED key 5 1h"}]))
    heard = json.loads(converse(client, file, server.port, "prefix"))
    assert heard[0][0] == 1
    with server.client() as db:
        assert db.keys() == ["app:key" if client.prefixes else "key"]
