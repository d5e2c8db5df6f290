# SPDX-License-Identifier: MIT
"""What the dense form costs besides time, one figure of the design after the other. Started by bench/dense, which has
built what is needed."""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

from load import Load, Plan
from report import machine
from server import Server

LIMITER = "limiter"
# Never reached; an interval that is no whole number of nanoseconds, so that the exact remainder is at work.
# A unit comes back in five minutes, so that nobody is idle, and forgotten, while a table grows on a slow machine.
BUCKET = ["TOKENBUCKET", "1000000", "293", "1d"]
OTHER_BUCKET = ["TOKENBUCKET", "2000000", "563", "1d"]
CHECK = ("RL.CHECK", LIMITER, "FOR", "{key}")

PARTS = ("growth", "change", "files", "flood")


def flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/dense", description="See the head of bench/dense and bench/README.md.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--subjects", type=int, default=10_000_000, help="of the large table (10000000)")
    parser.add_argument("--replicated", action="store_true", help="with AOF (everysec) and a replica")
    parser.add_argument("--load-generator", type=Path, required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return given


# Nothing is asked for a time here, and nothing in rounds: what counts is the connections.
PLAN = Plan.only(clients=50, seed=1)


@dataclass
class Bench:
    given: argparse.Namespace
    server: Server
    load: Load

    def define(self, limits: list[str] = BUCKET) -> None:
        self.server.client.execute_command("RL.DEFINE", LIMITER, *limits)

    def fill(self, subjects: int, prefix: str = "sub:", command: tuple[str, ...] = CHECK) -> None:
        """Asks once for each of so many subjects, a million at a time: the requests are built beforehand."""
        for number, start in enumerate(range(0, subjects, 1_000_000)):
            count = min(1_000_000, subjects - start)
            self.load(f"{prefix[:1]}{number:02}:", command, subjects=count, calls=count)

    def info(self) -> dict[str, int]:
        reply = self.server.client.execute_command("RL.INFO", LIMITER)
        return dict(zip(reply[::2], reply[1::2]))


class Prober:
    """Sends PING some thousand times a second, and notes how long each took: what anybody else sees of a stall."""

    def __init__(self, port: int):
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.took: list[float] = []

    def __enter__(self) -> Prober:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self._stop.is_set():
                begin = time.perf_counter()
                link.sendall(b"PING\r\n")
                link.recv(64)
                self.took.append(time.perf_counter() - begin)
                time.sleep(0.0003)

    def __str__(self) -> str:
        took = sorted(self.took)
        tail = took[int(len(took) * 0.999)]
        middle, longest = median(took) * 1e6, took[-1] * 1e6
        return f"PING: median {middle:,.0f} us, 99.9 % {tail * 1e6:,.0f} us, longest {longest:,.0f} us"


@dataclass
class Watched:
    """The longest commands while something went on, by the server's own clock, and what PING saw."""

    server: Server
    prober: Prober = field(init=False)

    def __enter__(self) -> Watched:
        client = self.server.client
        client.config_set("slowlog-log-slower-than", 100)
        client.config_set("slowlog-max-len", 1_000_000)
        client.slowlog_reset()
        self.prober = Prober(self.server.port)
        self.prober.__enter__()
        return self

    def __exit__(self, *_) -> None:
        self.prober.__exit__()
        entries = self.server.client.slowlog_get(1_000_000)
        self.longest = sorted((entry["duration"] for entry in entries), reverse=True)

    def __str__(self) -> str:
        over = ", ".join(f"{sum(took > most for took in self.longest)} above {most} us" for most in (200, 500, 1000))
        longest = f"{self.longest[0]:,} us" if self.longest else "under 100 us"
        return f"longest command {longest} ({over}); {self.prober}"


def points(least: int, most: int, per_decade: int = 10) -> list[int]:
    """From `least` to `most`, equally spaced by their logarithms."""
    count, factor = 0, 10 ** (1 / per_decade)
    result = []
    while round(least * factor**count) < most:
        result.append(round(least * factor**count))
        count += 1
    return [*result, most]


def growth(bench: Bench) -> None:
    # Memory that is asked of the machine for the first time makes any server wait now and then: a control tells it.
    bench.server.empty()
    print("control: SET of as many new keys")
    with Watched(bench.server) as control:
        bench.fill(bench.given.subjects, command=("SET", "{key}", "1"))
    print(f"    {control}")
    bench.server.empty()
    bench.define()
    base, had, rows = bench.server.used_memory(), 0, []
    print("growing")
    with Watched(bench.server) as watched:
        for number, subjects in enumerate(points(100_000, bench.given.subjects)):
            bench.load(f"{number:02}::", CHECK, subjects=subjects - had, calls=subjects - had)
            had = subjects
            grown = bench.server.used_memory() - base
            rows.append(grown / subjects)
            said = bench.info()
            by_info = said["memory"] / subjects
            print(f"    {said['subjects']:>12,} subjects{rows[-1]:>8.1f} bytes each, RL.INFO says {by_info:.1f}")
    print(f"    averaged over the growth {mean(rows):.1f} bytes a subject, most {max(rows):.1f}   (design: <= 27)")
    print(f"    {watched}   (design: <= 1,000 us)")


def longest_step(server: Server) -> int:
    return int(server.client.info("ratelimit")["ratelimit_longest_sweep_step_us"])


def change(bench: Bench) -> None:
    bench.server.empty()
    bench.define()
    bench.fill(bench.given.subjects)
    print(f"limits of {bench.given.subjects:,} subjects are changed, while a million of them are asked")
    with Watched(bench.server) as watched:
        begin = time.perf_counter()
        bench.define(OTHER_BUCKET)
        took = time.perf_counter() - begin
        bench.load("s00:", CHECK, subjects=min(1_000_000, bench.given.subjects), calls=3_000_000)
        while int(bench.server.client.info("ratelimit")["ratelimit_keys_with_pending_changes"]) > 0:
            time.sleep(0.1)
        done = time.perf_counter() - begin
    print(f"    RL.DEFINE replied after {took * 1e6:,.0f} us; everybody was brought over after {done:.1f} s")
    print(f"    {watched}; longest step of the background sweep {longest_step(bench.server):,} us   (design: 100 us)")


def files(bench: Bench) -> None:
    bench.server.empty()
    bench.define()
    bench.fill(bench.given.subjects)
    client = bench.server.client
    begin = time.perf_counter()
    client.execute_command("SAVE")
    saved = time.perf_counter() - begin
    size = bench.server.rdb_bytes()
    begin = time.perf_counter()
    client.execute_command("DEBUG", "RELOAD", "NOSAVE")
    loaded = time.perf_counter() - begin
    subjects = bench.info()["subjects"]
    print(f"RDB of {subjects:,} subjects: {size / 2**20:,.0f} MiB, saved in {saved:.1f} s, loaded in {loaded:.1f} s")


def flood(bench: Bench) -> None:
    bench.server.empty()
    window = 5
    bench.define(["FIXED", "10", f"{window}s"])
    bench.load("a00:", CHECK, subjects=100_000, calls=100_000)
    time.sleep(window + 3)
    before = bench.server.used_memory()
    peak = 0
    for _ in range(0, bench.given.subjects, 1_000_000):
        # Names that never return: the prefix is another one each time.
        prefix = f"{random.randrange(36**3):03}:"
        bench.load(prefix, CHECK, subjects=1_000_000, calls=1_000_000)
        peak = max(peak, bench.server.used_memory())
    time.sleep(window + 1)
    begin = time.perf_counter()
    while bench.info()["subjects"] > 0 and time.perf_counter() - begin < 120:
        time.sleep(0.2)
    idle = time.perf_counter() - begin
    after = bench.server.used_memory()
    print(f"flood of {bench.given.subjects:,} subjects with a window of {window} s")
    mebibytes = [f"{each / 2**20:.1f} MiB" for each in (before, peak, after)]
    print(f"    memory before {mebibytes[0]}, at its peak {mebibytes[1]}, after {mebibytes[2]}")
    longest = longest_step(bench.server)
    print(f"    all were forgotten {idle:.1f} s after the last was idle; longest step {longest:,} us")


def main() -> None:
    given = flags()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the server is stopped, too
    program, module = os.environ["RATELIMIT_SERVER"], os.environ["RATELIMIT_MODULE"]
    steps = {"growth": growth, "change": change, "files": files, "flood": flood}
    for number, part in enumerate(given.parts or PARTS):
        with Server(program, module, replicated=given.replicated) as server:
            if number == 0:
                print(f"{time.strftime('%Y-%m-%d')}, {machine()}; {server.version()}; {server.module_version()}")
            steps[part](Bench(given, server, Load(given.load_generator, server, PLAN)))


if __name__ == "__main__":
    main()
