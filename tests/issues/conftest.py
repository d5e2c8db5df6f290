# SPDX-License-Identifier: MIT
"""The fixtures are in tests/support/fixtures.py; here the clock is held where the reports hold it."""

import pytest

from fixtures import *  # noqa: F403
from harness import SECOND, Client, Clock

WHEN = 1_800_000_000 * SECOND


@pytest.fixture
def clock(db: Client) -> Clock:
    """The clock of the shared server, held at 2027-01-15T08:00:00Z."""
    clock = Clock(db)
    clock.set(WHEN)
    return clock
