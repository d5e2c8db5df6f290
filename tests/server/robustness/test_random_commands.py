# SPDX-License-Identifier: MIT
"""Random commands for some seconds: see random_commands.py.

RATELIMIT_RANDOM_SECONDS says how many, RATELIMIT_TEST_SEED repeats a run; `scripts/fuzz commands` is the long one.
"""

from __future__ import annotations

import os

import random_commands
from seed import SEED

SECONDS = float(os.environ.get("RATELIMIT_RANDOM_SECONDS", 5))


def test_no_command_brings_the_server_down():
    tally = random_commands.run(SECONDS, SEED)
    print(f"\nRATELIMIT_TEST_SEED={SEED}: {tally}")
    assert tally.errors < tally.commands / 2, "commands that are mostly refused test little"
