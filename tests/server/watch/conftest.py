# SPDX-License-Identifier: MIT
"""The tests of scripts/watch."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # replies.py, terminal.py
