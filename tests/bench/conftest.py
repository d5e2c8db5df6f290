# SPDX-License-Identifier: MIT
"""The fixtures are in tests/support/fixtures.py. The modules of bench/ stand in a folder of their own, after ours."""

import sys

from fixtures import *  # noqa: F403
from harness import REPOSITORY

sys.path.append(str(REPOSITORY / "bench"))
