#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes a made-up day of a shop's access log (combined), in which addresses are not callers:

    tools/replay/make_shop_day.py >shop.log

203.0.113.0/24  a scraper: /product/1, /product/2, ... 13:00 to 15:00, 2.5 calls a second, from 12 addresses by turns
198.51.100.4    an office of many people behind one address, who look at the shop around noon
66.249.66.0/24  a crawler that is welcome: a page every ten seconds, from three addresses
others          visitors: each looks at some pages, and each page is ten calls within two seconds; a tenth have IPv6

The same seed gives the same log.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

MIDNIGHT = 1_800_057_600  # 2027-01-16T00:00:00Z
HOUR = 3600.0
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
OFFICE = "198.51.100.4"
PARTS_OF_A_PAGE = 9
Call = tuple[float, str, str, str]


class Day:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.calls: list[Call] = []

    def call(self, at: float, address: str, path: str, agent: str = BROWSER) -> None:
        if 0 <= at < 24 * HOUR:
            self.calls.append((at, address, path, agent))

    def page(self) -> str:
        kind = self.chance.random()
        if kind < 0.6:
            return f"/product/{self.chance.randrange(1, 9000)}"
        return self.chance.choice(["/category/shoes", "/category/hats", "/search?q=hat", "/cart", "/"])

    def load(self, at: float, address: str) -> None:
        """A page, and the pictures and scripts that a browser fetches for it."""
        self.call(at, address, self.page())
        for _ in range(PARTS_OF_A_PAGE):
            part = f"/static/img/{self.chance.randrange(1, 20_000)}.webp"
            self.call(at + self.chance.uniform(0.1, 2), address, part)

    def visit(self, at: float, address: str) -> None:
        for _ in range(self.chance.randrange(1, 8)):
            self.load(at, address)
            at += self.chance.uniform(4, 60)

    def address(self) -> str:
        if self.chance.random() < 0.1:
            return f"2001:db8:{self.chance.randrange(1, 65_536):x}:{self.chance.randrange(1, 65_536):x}::1"
        return f"10.{self.chance.randrange(64)}.{self.chance.randrange(256)}.{self.chance.randrange(1, 255)}"

    def visitors(self) -> None:
        for _ in range(500):
            self.visit(min(max(self.chance.gauss(15, 4.5), 0), 23.9) * HOUR, self.address())

    def office(self) -> None:
        for _ in range(60):
            self.visit(self.chance.gauss(12.4, 0.25) * HOUR, OFFICE)

    def crawler(self) -> None:
        at = 0.0
        while at < 24 * HOUR:
            self.call(at, f"66.249.66.{self.chance.choice([1, 1, 1, 2, 3])}", self.page(), CRAWLER)
            at += self.chance.uniform(5, 15)

    def scraper(self) -> None:
        addresses = [f"203.0.113.{number}" for number in range(20, 240, 19)]
        at, turn_ends, address = 13 * HOUR, 0.0, ""
        for number in range(1, 18_001):
            if at >= turn_ends:
                address, turn_ends = self.chance.choice(addresses), at + self.chance.uniform(20, 120)
            self.call(at, address, f"/product/{number}")
            at += 0.4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    day = Day(parser.parse_args().seed)
    for part in (day.visitors, day.office, day.crawler, day.scraper):
        part()
    for at, address, path, agent in sorted(day.calls):
        when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(MIDNIGHT + int(at)))
        sys.stdout.write(f'{address} - - [{when}] "GET {path} HTTP/1.1" 200 5120 "-" "{agent}"\n')


if __name__ == "__main__":
    main()
