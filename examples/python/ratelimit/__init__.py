# SPDX-License-Identifier: MIT
"""WSGI and ASGI middlewares that ask RL.CHECK for each request, and answer 429 themselves; for redis-py. Options, and
what is answered when: docs/middleware.md. Who needs one of the two leaves out the other's file.
"""

from .asgi import RateLimitASGI
from .caller import caller_at
from .server import is_mistake
from .wsgi import RateLimitWSGI

__all__ = ["RateLimitASGI", "RateLimitWSGI", "caller_at", "is_mistake"]
