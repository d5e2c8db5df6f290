#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes a made-up day of an access log (combined), with offenders whose calls are known:

    tools/replay/make_day.py --lines 20000 >day.log
    tools/replay/make_day.py --lines 10000000 | gzip -1 >day.log.gz

198.51.100.66   a scraper: 5 % of all lines, at a steady pace of at least two calls a second, from 02:00 on
203.0.113.99    guesses passwords: 200 calls in 20 seconds, at 04:00, 12:00 and 20:00
192.0.2.1       an office of many people behind one address: 2 % of all lines, from 08:00 to 17:00
10.x.x.x        visitors, some twenty calls each, at the pace at which people click; more by day than by night

The same arguments give the same log. Needs memory for the visitors of a moment, not for the lines.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import sys
import time
from collections.abc import Iterator

MIDNIGHT = 1_800_057_600  # 2027-01-16T00:00:00Z
HOUR = 3600.0
DAY = 24 * HOUR
CALLS_OF_A_VISIT = 20
THINKING = 8.0  # seconds between two calls of a visitor
SCRAPER, GUESSER, OFFICE = "198.51.100.66", "203.0.113.99", "192.0.2.1"
Event = tuple[float, str, str]


def scraper(calls: int) -> Iterator[Event]:
    pace = max(2.0, calls / (20 * HOUR))
    for number in range(calls):
        yield 2 * HOUR + number / pace, SCRAPER, f"GET /items/{number}"


def guesser() -> Iterator[Event]:
    for hour in (4, 12, 20):
        for number in range(200):
            yield hour * HOUR + number / 10, GUESSER, "POST /login"


def office(calls: int, chance: random.Random) -> Iterator[Event]:
    for number in range(calls):
        yield 8 * HOUR + 9 * HOUR * (number + chance.random()) / calls, OFFICE, f"GET /items/{chance.randrange(5000)}"


def visitors(calls: int, chance: random.Random) -> Iterator[Event]:
    """Visits begin more often by day; each goes on at its own pace."""
    visits = max(1, calls // CALLS_OF_A_VISIT)
    under_way: list[tuple[float, int, str, int]] = []
    begun = 0
    while begun < visits or under_way:
        share = (begun + 0.5) / visits
        begin = 0.97 * DAY * (share + 0.1 * math.sin(2 * math.pi * share))
        if begun < visits and (not under_way or begin <= under_way[0][0]):
            address = f"10.{chance.randrange(64)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
            heapq.heappush(under_way, (begin, begun, address, CALLS_OF_A_VISIT))
            begun += 1
            continue
        at, visit, address, left = under_way[0]
        yield at, address, f"GET /items/{chance.randrange(5000)}"
        if left > 1 and at < DAY - 60:
            heapq.heapreplace(under_way, (at + chance.expovariate(1 / THINKING), visit, address, left - 1))
        else:
            heapq.heappop(under_way)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=20_000, help="about so many (default 20000)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    scraped, from_office = options.lines // 20, options.lines // 50
    others = max(0, options.lines - scraped - from_office - 600)
    calls = heapq.merge(scraper(scraped), guesser(), office(from_office, chance), visitors(others, chance))
    write = sys.stdout.write
    second, when = -1, ""
    for at, address, request in calls:
        if int(at) != second:
            second = int(at)
            when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(MIDNIGHT + second))
        write(f'{address} - - [{when}] "{request} HTTP/1.1" 200 5120 "-" "Mozilla/5.0 (X11; Linux x86_64)"\n')


if __name__ == "__main__":
    main()
