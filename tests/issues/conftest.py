# SPDX-License-Identifier: MIT
"""The fixtures are in tests/support/fixtures.py."""

from fixtures import *  # noqa: F403
