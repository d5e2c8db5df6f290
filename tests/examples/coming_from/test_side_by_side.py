# SPDX-License-Identifier: MIT
"""What docs/coming-from says of the limiters of others, each beside the module on one server: the same limit in the
words of both, the same calls, and what is granted. Where the pages say that they differ, the difference is here.

Theirs run by the server's clock or by what their client tells; windows of an hour do not end meanwhile, except an
aligned one, which the test puts where it wants it.
"""

from __future__ import annotations

import random
import re
import urllib.error
import urllib.request
from math import ceil

import pytest
from libraries import HERE, bucket4j, nginx, node, redis_rate

from harness import BASE, MINUTE, MS, REPOSITORY, SECOND, Client, eventually
from seed import SEED

LIMIT, HOUR_MS, MINUTE_MS = 10, 3_600_000, 60_000
PAGES = REPOSITORY / "docs" / "coming-from"
SCRIPTS = REPOSITORY / "bench" / "lua"
COSTS = [3, 3, 3, 3, 1, 1]
WHOLE, COUNTED = [3, 3, 3, 0, 1, 0], [3, 3, 3, 0, 0, 0]  # a denied call takes nothing; or it counts


def ours(db: Client, limit: str, costs: list[int]) -> list[int]:
    return [db.ask(f"RL.CHECK ours {limit} COST {cost}").granted for cost in costs]


def at_edge(db: Client, clock, limit: str, calls: list[tuple[int, int]]) -> list[int]:
    """What is granted to calls at instants, in milliseconds since BASE, where a window of the clock begins."""
    granted = []
    for at_ms, cost in calls:
        clock.set(BASE + at_ms * MS)
        granted.append(db.ask(f"RL.CHECK edge {limit} COST {cost}").granted)
    return granted


def theirs_at(calls: list[tuple[int, int]]) -> list[list[int]]:
    return [[BASE // MS + at_ms, cost] for at_ms, cost in calls]


# --- at an instant ----------------------------------------------------------------------------------

ALIKE = {
    "rate-limiter-flexible": "FIXED 10 1h",
    "express-rate-limit": "FIXED 10 1h",
    "upstash-fixed": "FIXED 10 1h ALIGNED",
    "upstash-sliding": "SLIDING 10 1h APPROX",
    "upstash-bucket": "TOKENBUCKET 10 10 1h",
}


@pytest.mark.parametrize("library", ALIKE)
def test_as_many_calls_are_admitted_at_once(server, db, clock, library):
    instant = [[BASE // MS, 1]] * 15 if library.startswith("upstash") else [1] * 15
    theirs = node(server, library, LIMIT, HOUR_MS, instant)
    assert theirs == ours(db, ALIKE[library], [1] * 15) == [1] * LIMIT + [0] * 5


def test_redis_rate_admits_what_a_token_bucket_admits(server, db, clock):
    assert redis_rate(server, 10, 1, "1h", [1] * 15) == ours(db, "TOKENBUCKET 10 1 1h", [1] * 15)
    db.flushall()
    assert redis_rate(server, 10, 1, "1h", COSTS) == ours(db, "TOKENBUCKET 10 1 1h", COSTS) == WHOLE


def test_nginx_admits_one_more_than_its_burst(db, clock):
    with nginx("1r/m", 9) as port:
        eventually(lambda: status(port, "ready") == 204, "nginx to answer")
        theirs = [int(status(port, "?caller=a") == 200) for _ in range(15)]
    assert theirs == ours(db, "TOKENBUCKET 10 1 1m", [1] * 15) == [1] * 10 + [0] * 5


def status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}") as response:
            return response.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except urllib.error.URLError:
        return 0


SCRIPT_LIMITS = {
    ("fixed_window", "10", "3600000"): "FIXED 10 1h",
    ("token_bucket", "10", "0.0001", "1"): "TOKENBUCKET 10 36 100h",
    ("sliding_log", "10", "3600000"): "SLIDING 10 1h",
}


@pytest.mark.parametrize("script", SCRIPT_LIMITS, ids=lambda words: words[0])
def test_a_script_of_ones_own_admits_as_many(db, clock, script):
    name, *arguments = script
    text = (SCRIPTS / f"{name}.lua").read_text()
    theirs = [db.eval(text, 1, "theirs", *arguments)[0] for _ in range(15)]
    assert theirs == ours(db, SCRIPT_LIMITS[script], [1] * 15) == [1] * 10 + [0] * 5


# --- a denied call ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("library", "granted"),
    [
        ("rate-limiter-flexible", COUNTED),
        ("upstash-fixed", COUNTED),
        ("upstash-sliding", COUNTED),
        ("upstash-bucket", WHOLE),
    ],
)
def test_a_denied_call_counts_in_some_of_them_and_never_here(server, db, clock, library, granted):
    instant = [[BASE // MS, cost] for cost in COSTS] if library.startswith("upstash") else COSTS
    assert node(server, library, LIMIT, HOUR_MS, instant) == granted
    assert ours(db, ALIKE[library], COSTS) == WHOLE


# --- over the edge of a window ----------------------------------------------------------------------

EDGE = [(-MINUTE_MS // 2, 1), (-1, 9), (MINUTE_MS // 2, 10)]  # the second window begins a minute after the first call


def test_a_window_from_the_first_call_admits_twice_the_limit_less_one_at_its_edge(server, db, clock):
    """19 within a minute, in both. Under an exact log, the first call must have left before an eleventh is granted."""
    assert node(server, "rate-limiter-flexible", LIMIT, MINUTE_MS, [1] * 10 + [None] + [1] * 11) == [1] * 20 + [0]
    assert at_edge(db, clock, "FIXED 10 1m", EDGE) == [1, 9, 10]
    db.do("DEL edge")
    assert sum(at_edge(db, clock, "SLIDING 10 1m", [(at, 1) for at, n in EDGE for _ in range(n)])) == 11


def test_a_window_of_the_clock_admits_twice_the_limit_within_two_milliseconds(server, db, clock):
    calls = [(-1, 1)] * 11 + [(0, 1)] * 11
    assert node(server, "upstash-fixed", LIMIT, MINUTE_MS, theirs_at(calls)) == ([1] * 10 + [0]) * 2
    assert at_edge(db, clock, "FIXED 10 1m ALIGNED", calls) == ([1] * 10 + [0]) * 2
    db.do("DEL edge")
    assert sum(at_edge(db, clock, "SLIDING 10 1m", calls)) == 10


def test_the_two_counters_of_upstash_round_down_and_ours_round_up(server, db, clock):
    """A millisecond into the next window, 9.9998 of 10 count. Theirs grants one more, ours does after six seconds."""
    calls = [(-1, 1)] * 10 + [(0, 1), (1, 1), (2, 1), (6_000, 1)]
    assert node(server, "upstash-sliding", LIMIT, MINUTE_MS, theirs_at(calls))[10:] == [0, 1, 0, 0]
    assert at_edge(db, clock, "SLIDING 10 1m APPROX", calls)[10:] == [0, 0, 0, 1]


def test_the_sliding_window_of_upstash_grants_a_cost_that_does_not_fit_nothing_and_charges_it(server, db, clock):
    calls = [(0, 8), (1, 5), (2, 1)]
    assert node(server, "upstash-sliding", LIMIT, MINUTE_MS, theirs_at(calls)) == [8, 0, 0]
    assert at_edge(db, clock, "SLIDING 10 1m APPROX", calls) == [8, 0, 1]


def test_the_bucket_of_upstash_refills_by_whole_intervals_and_ours_unit_by_unit(server, db, clock):
    calls = [(0, 10), (MINUTE_MS - 1, 1), (MINUTE_MS, 10)]
    assert node(server, "upstash-bucket", LIMIT, MINUTE_MS, theirs_at(calls)) == [10, 0, 10]
    assert at_edge(db, clock, "TOKENBUCKET 10 10 1m", calls) == [10, 1, 0]


def test_a_log_script_loses_calls_of_the_same_microsecond_and_ours_does_not(db, clock):
    """The member is the time: as in the script, with a clock that stands still."""
    text = (SCRIPTS / "sliding_log.lua").read_text()
    still = text.replace("redis.call('TIME')", "{'1800000000', '0'}")
    assert still != text
    assert [db.eval(still, 1, "theirs", 10, 3_600_000)[0] for _ in range(30)] == [1] * 30
    assert sum(ours(db, "SLIDING 10 1h", [1] * 30)) == 10


# --- bucket4j: every answer of a conversation -------------------------------------------------------


def test_bucket4j_and_a_token_bucket_say_the_same_all_the_time(server, db, clock):
    """Two limits, at random instants of a clock that both are told; what is left, and how long to wait."""
    rng = random.Random(f"{SEED} bucket4j")
    limits, calls, now = [(20, 10, 1000), (60, 7, 10_000)], [], BASE
    for _ in range(400):
        now += rng.choice([0, 1, 50 * MS, 100 * MS, rng.randint(0, 2 * SECOND), rng.randint(0, MINUTE // 2)])
        calls.append((now, rng.randint(1, 20)))
    said = bucket4j(server, limits, calls)
    for (at, cost), (is_granted, left, wait_ns) in zip(calls, said, strict=True):
        clock.set(at)
        reply = db.ask(f"RL.CHECK ours TOKENBUCKET 20 10 1s TOKENBUCKET 60 7 10s COST {cost}")
        assert (reply.granted, reply.wait_ms) == (is_granted * cost, ceil(wait_ns / MS)), (SEED, at, cost)
        if is_granted:
            assert reply.remaining == left


# --- the pages --------------------------------------------------------------------------------------

RUN = {
    "package.json": r'"(express-rate-limit|rate-limit-redis|rate-limiter-flexible|@upstash/ratelimit)": "(.+)"',
    "go.mod": r"go-redis/(redis_rate)/v10 (v\S+)",
    "pom.xml": r"<artifactId>(bucket4j)_jdk17-jedis</artifactId>\s*<version>(.+)</version>",
}


@pytest.mark.parametrize("file", RUN)
def test_the_pages_name_the_versions_that_are_run(file):
    pages = "".join(page.read_text() for page in PAGES.glob("*.md"))
    named = re.findall(RUN[file], (HERE / file).read_text())
    assert named
    assert [f"{name} {version}" for name, version in named if f"{name} {version}" not in pages] == []
