# SPDX-License-Identifier: MIT
"""The servers that are watched, and what their callers do.

The callers come in two waves, since Prometheus must have seen a counter to see it grow.
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster import Cluster
from harness import Client, Server
from stack import Exporter, Prometheus, rights

HOSTILE = b'a b\n"q"\\,{}= limiter=x%\xff\xc3\xa9\x00'  # blanks, quotes, braces, a label of ours, no UTF-8, UTF-8


@dataclass
class Stack:
    server: Server
    without_module: Server
    cluster: Cluster
    exporter: Exporter
    prometheus: Prometheus
    nobody: str  # an address where nobody listens


def allow_the_exporter(server: Server) -> None:
    """By the command of the page; a server without the module does not know all words of it."""
    with server.client() as db:
        has_module = bool(db.execute_command("COMMAND LIST", "FILTERBY", "MODULE", "ratelimit"))
        db.execute_command(*(word for word in rights() if has_module or "rl." not in word))


def begin(db: Client) -> None:
    """The limiters, and one call on each, so that each counter is seen before it grows."""
    db.do("RL.DEFINE api:free FIXED 5 1h AS hourly TOKENBUCKET 100 1 1s AS burst")
    db.do("RL.DEFINE api:near FIXED 5 1h")
    db.do("RL.DEFINE api:trial FIXED 1 1h SHADOW")
    db.execute_command("RL.DEFINE", HOSTILE, *"FIXED 10 1h AS 100%=".split())
    for key in ("api:free", "api:near", "api:trial", HOSTILE):
        db.execute_command("RL.CHECK", key, "FOR", "u:1")


def go_on(db: Client) -> None:
    """Of api:free, u:1 is granted 5 in all, the last near the limit, and denied 2; u:2 is granted 1; u:3 is blocked."""
    db.ask_times(6, "RL.CHECK api:free FOR u:1")
    db.do("RL.CHECK api:free FOR u:2")
    db.do("RL.BLOCK api:free 1h FOR u:3")
    db.do("RL.CHECK api:free FOR u:3")
    db.do("RL.CHECK api:near FOR u:1 COST 4")
    db.ask_times(2, "RL.CHECK api:trial FOR u:1")
    db.error("RL.CHECK", "api:forgotten", "FOR", "u:1")
    db.do("RL.TOKENBUCKET single 20 10 1s")


def call_the_cluster(cluster: Cluster, times: int) -> None:
    """Two parts of a limiter, one on each primary."""
    with cluster.client() as db:
        for part in parts(cluster):
            db.execute_command("RL.DEFINE", part, "FIXED", 3, "1h")
            for _ in range(times):
                db.execute_command("RL.CHECK", part, "FOR", "u:1")


def parts(cluster: Cluster) -> list[str]:
    """A name for each primary."""
    names = [f"{{{number}}}api" for number in range(20)]
    return [next(name for name in names if cluster.owner_of(name) is primary) for primary in cluster.primaries]


def has_seen_all(stack: Stack) -> bool:
    """Prometheus has the last calls, and has applied its rules to them."""
    denied = stack.prometheus.values('ratelimit_calls_total{result="denied"}', "limiter")
    seen = denied.get("api:free") == 3 and all(denied.get(part) == 2 for part in parts(stack.cluster))
    near = stack.prometheus.values("limiter_label:ratelimit_near_limit:ratio_rate5m", "limiter")
    missing = stack.prometheus.ask('ALERTS{alertname="RatelimitLimiterMissing"}')
    return seen and "api:near" in near and bool(missing)
