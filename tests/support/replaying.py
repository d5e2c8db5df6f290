# SPDX-License-Identifier: MIT
"""ratelimit-replay, as tests call it: a log in, what it says out."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from harness import MODULE

PROGRAM = Path(os.environ.get("RATELIMIT_REPLAY", MODULE.parent / "ratelimit-replay"))


def replay(*words: str | Path | bytes, text: bytes | None = None, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Runs the program to its end, which must be this exit code."""
    assert PROGRAM.exists(), f"there is no {PROGRAM}: build it, or name another in RATELIMIT_REPLAY"
    done = subprocess.run([PROGRAM, *words], input=text, capture_output=True, timeout=300)
    assert done.returncode == code, done.stderr
    return done


def said(*words: str | Path | bytes, text: bytes | None = None, code: int = 0) -> dict:
    """What it says in JSON."""
    return json.loads(replay("--json", *words, text=text, code=code).stdout)
