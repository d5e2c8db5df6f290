# SPDX-License-Identifier: MIT
"""Where the built playground is, and its core without a browser."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from harness import PATIENCE_S, REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "playground"
PAGE = Path(os.environ.get("RATELIMIT_PLAYGROUND", REPOSITORY / "build" / "playground" / "page"))
DRIVER = Path(__file__).parent / "answers.mjs"


def ask(question: str, asked: dict):
    """What answers.mjs says to that."""
    assert (PAGE / "core.wasm").exists(), f"there is no {PAGE}: run examples/playground/run --build"
    command = ["node", "--no-warnings", str(DRIVER), str(PAGE), question]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
