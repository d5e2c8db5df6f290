# SPDX-License-Identifier: MIT
"""The seed of this run's random tests, which print it when they fail; RATELIMIT_TEST_SEED repeats a run."""

from __future__ import annotations

import os
import random

SEED = int(os.environ.get("RATELIMIT_TEST_SEED", random.SystemRandom().randrange(2**32)))
