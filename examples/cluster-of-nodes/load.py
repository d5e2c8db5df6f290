# SPDX-License-Identifier: MIT
"""The load, and what nginx saw of it: wrk with load.lua, and the access log as a list of answers."""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import contextmanager
from typing import NamedTuple

from servers import HERE, PATIENCE_S, Balancer, Trouble, eventually


class Answer(NamedTuple):
    """A line of the log. Instants are seconds since 1970, by nginx's clock, in whole milliseconds."""

    began: float
    ended: float
    status: int
    path: str
    key: str
    node: str
    fields: str  # RateLimit; empty if nobody decided

    @property
    def is_granted(self) -> bool:
        return self.status == 200


def answer_of(line: str) -> Answer:
    ended, took, status, path, key, node, fields = line.rstrip("\n").split("\t")
    at = float(ended)
    return Answer(at - float(took), at, int(status), path, key, node, fields)


class Witness:
    """What nginx has logged since this was made."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._begin = balancer.witness.stat().st_size

    def answers(self) -> list[Answer]:
        """All until now: a request by which we know that nginx has come this far is the last one."""
        mark = f"mark-{time.monotonic_ns()}"
        request = urllib.request.Request(f"{self._balancer.url}/health", headers={"X-Api-Key": mark})
        urllib.request.urlopen(request, timeout=PATIENCE_S).close()
        eventually(lambda: mark in self._text(), "the log of nginx")
        lines = self._text().splitlines()
        return [answer for answer in map(answer_of, lines) if answer.path != "/health"]

    def _text(self) -> str:
        with self._balancer.witness.open() as log:
            log.seek(self._begin)
            return log.read()


@contextmanager
def load(balancer: Balancer, callers: Iterable[tuple[str, str]], connections: int):
    """wrk, as long as the `with` block lasts. A caller is a path and an API key."""
    words = [word for caller in callers for word in caller]
    command = ["wrk", "--threads", "2", "--connections", str(connections), "--duration", "600s", "--timeout", "10s"]
    command += ["--script", str(HERE / "load.lua"), balancer.url, "--", *words]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield
        if process.poll() is not None:
            raise Trouble(f"wrk ended by itself:\n{process.stdout.read()}")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def by_key(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    sorted_out = defaultdict(list)
    for answer in answers:
        sorted_out[answer.key].append(answer)
    return sorted_out


def granted_by_key(answers: Iterable[Answer], keys: Iterable[str]) -> list[int]:
    count = Counter(answer.key for answer in answers if answer.is_granted)
    return [count[key] for key in keys]


def unheard_by_key(answers: Iterable[Answer], keys: Iterable[str]) -> list[int]:
    """How many requests the caller left before their answer came: some of them may have been granted."""
    count = Counter(answer.key for answer in answers if answer.status == 499)
    return [count[key] for key in keys]


def per_100_ms(instants: Iterable[float], begin: float) -> dict[int, int]:
    """How many in each tenth of a second since then."""
    return dict(sorted(Counter(int((instant - begin) * 10) for instant in instants).items()))
