# SPDX-License-Identifier: MIT
"""The conversation in Python, with valkey-py."""

import valkey
from valkey.backoff import NoBackoff
from valkey.retry import Retry

from redis_py import connected
from talk import run

if __name__ == "__main__":
    run(connected(valkey, Retry(NoBackoff(), 0)))
