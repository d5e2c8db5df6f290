# SPDX-License-Identifier: MIT
"""The manifests of examples/kubernetes."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "check_service"))
