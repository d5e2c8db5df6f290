# SPDX-License-Identifier: MIT
"""Several load generators, and perhaps several servers, in one span of time; and which of them was at its limit."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from contenders import Contender
from load import words_of
from server import Server

WARM_UP_S = 0.2


@dataclass(frozen=True)
class Turn:
    """One span. What is busy is a share of one core: 1 is a thread that never waits."""

    decisions_per_second: float
    denied: int
    main_busy: float  # of the thread that executes commands; of several servers, the busiest
    others_busy: float  # all other threads of the servers together
    generators_busy: float  # all load generators together
    cpu_us: float  # of all threads of the servers, for one decision


Turns = dict[tuple[str, int], list[Turn]]  # by contender, and by the number of threads or nodes


def measure(program: Path, contender: Contender, asks: list[dict], servers: list[Server], seconds: float) -> Turn:
    """`asks`: the options of each load generator, all of which ask the contender's command."""
    running = _start(program, contender, [{"seconds": seconds, "warm_up": WARM_UP_S} | ask for ask in asks])
    time.sleep(WARM_UP_S)
    before, started = [server.thread_seconds() for server in servers], time.monotonic()
    time.sleep(seconds)
    after, lasted = [server.thread_seconds() for server in servers], time.monotonic() - started
    answers = [_answer(contender, each) for each in running]
    busy = [_busy(old, new, lasted) for old, new in zip(before, after)]
    rate = sum(contender.decisions * each["calls"] / each["seconds"] for each in answers)
    return Turn(
        decisions_per_second=rate,
        denied=sum(each["denied"] for each in answers),
        main_busy=max(main for main, _ in busy),
        others_busy=sum(others for _, others in busy),
        generators_busy=sum(each["processor_seconds"] / each["seconds"] for each in answers),
        cpu_us=sum(main + others for main, others in busy) / rate * 1e6,
    )


def ask_all(program: Path, contender: Contender, asks: list[dict]) -> list[dict]:
    """What each load generator says in the end; nothing is measured."""
    return [_answer(contender, each) for each in _start(program, contender, asks)]


def cells(rows: list[Turn], ratio: str) -> tuple[str, ...]:
    """Of a table: the rate, `ratio`, and how much of a core each had."""

    def middle(what: str) -> float:
        return median(getattr(row, what) for row in rows)

    shares = (f"{middle(what):.0%}" for what in ("main_busy", "others_busy", "generators_busy"))
    return f"{middle('decisions_per_second'):,.0f}", ratio, *shares


def _start(program: Path, contender: Contender, asks: list[dict]) -> list[subprocess.Popen]:
    """Each in another order. They begin at once, when the last one is ready."""
    running = []
    for number, ask in enumerate(asks):
        words = words_of(program, contender.prefix, contender.command, {"seed": number + 1, "waits": "yes"} | ask)
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        running.append(subprocess.Popen(words, text=True, **pipes))
    ready = [each for each in running if each.stdout.readline() == "ready\n"]  # of another one, _answer tells why
    for each in ready:
        each.stdin.write("\n")
        each.stdin.flush()
    return running


def _answer(contender: Contender, generator: subprocess.Popen) -> dict:
    out, errors = generator.communicate()
    if generator.returncode != 0:
        raise SystemExit(f"{' '.join(contender.command)}\n{errors.strip()}")
    return json.loads(out)


def _busy(before: dict[int, float], after: dict[int, float], seconds: float) -> tuple[float, float]:
    main = min(after)  # a process and its first thread have the same number
    shares = {thread: (spent - before.get(thread, 0.0)) / seconds for thread, spent in after.items()}
    return shares[main], sum(share for thread, share in shares.items() if thread != main)
