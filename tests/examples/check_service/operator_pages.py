# SPDX-License-Identifier: MIT
"""What an operator asks a check service over HTTP."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

from service import Answer, Service

TOKEN = "a-token-of-the-operators"


def token_file(folder: Path) -> Path:
    file = folder / "token"
    file.write_text(TOKEN + "\n")
    return file


def look(service: Service, target: str, **fields: str) -> Answer:
    """The answer to somebody who has the token."""
    return service.ask("GET", target, Authorization=f"Bearer {TOKEN}", **fields)


def encoded(name: str | bytes) -> str:
    return urllib.parse.quote(name, safe="")


def why(service: Service, limiter: str | bytes, subject: str | bytes) -> Answer:
    return look(service, f"/why?limiter={encoded(limiter)}&subject={encoded(subject)}")


def all_limiters(service: Service, **query: object) -> dict[str, dict]:
    """Page by page, by their names."""
    found: dict[str, dict] = {}
    cursor = None
    while True:
        asked = query | ({"cursor": cursor} if cursor else {})
        answer = look(service, f"/limiters?{urllib.parse.urlencode(asked)}")
        assert answer.status == 200, answer.body
        found |= {limiter["encoded"]: limiter for limiter in answer.json["limiters"]}
        cursor = answer.json["next"]
        if cursor is None:
            return found
