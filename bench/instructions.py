# SPDX-License-Identifier: MIT
"""Counts the instructions of a call of each kind. Started by bench/instructions, which has built what is needed."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import redis

STORED = Path(__file__).resolve().parent / "instructions.txt"
TOLERANCE = 1.03
SUBJECTS, CALLS = 100, 5000
BUCKET = "1000000 97 1h"  # never used up; its interval is no whole number of nanoseconds
DISPATCHER = "RedisModuleCommandDispatcher"  # the server's function around every command of a module
CALL = "call"  # its function around every command, which does the rest: statistics, propagation


@dataclass(frozen=True)
class Kind:
    """Calls of one kind; `{s}` is the number of the subject. `before` is asked once for each of them."""

    name: str
    call: str
    before: str = ""


KINDS = [
    Kind("RL.TOKENBUCKET, granted", f"RL.TOKENBUCKET t{{s}} {BUCKET}"),
    Kind("RL.TOKENBUCKET, denied", "RL.TOKENBUCKET d{s} 1 1 100d", "RL.TOKENBUCKET d{s} 1 1 100d"),
    Kind("RL.FIXED, granted", "RL.FIXED f{s} 1000000 1h"),
    Kind("RL.SLIDING, granted", "RL.SLIDING s{s} 1000000 1h"),
    Kind("RL.CHECK, one limit", f"RL.CHECK o{{s}} TOKENBUCKET {BUCKET}"),
    Kind("RL.CHECK, three limits", f"RL.CHECK r{{s}} TOKENBUCKET {BUCKET} FIXED 1000000 1h FIXED 10000000 1d"),
    Kind("RL.CHECK of a limiter FOR a subject", "RL.CHECK dense FOR u{s}", f"RL.DEFINE dense TOKENBUCKET {BUCKET}"),
    Kind("RL.PEEK", "RL.PEEK p{s}", f"RL.TOKENBUCKET p{{s}} {BUCKET}"),
]
# The server's own, to compare with in its `call`.
OTHERS = [
    Kind("INCR, keys with a TTL", "INCR i{s}", "SET i{s} 0 EX 86400"),
    Kind("SET key value PX ttl", "SET v{s} value PX 86400000"),
]


class Counter:
    """A server under callgrind, which counts only inside one of its functions."""

    def __init__(self, directory: str, function: str, append_only: bool):
        self._directory = Path(directory)
        self._socket = self._directory / "socket"
        program = [os.environ["RATELIMIT_SERVER"], "--port", "0", "--unixsocket", str(self._socket), "--save", ""]
        program += ["--dir", directory, "--loadmodule", os.environ["RATELIMIT_MODULE"]]
        program += ["--appendonly", "yes" if append_only else "no"]
        callgrind = ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--toggle-collect={function}"]
        output = (self._directory / "log").open("wb")
        self._process = subprocess.Popen(
            [*callgrind, f"--callgrind-out-file={directory}/counts", *program], stdout=output, stderr=output
        )
        self._client = redis.Redis(unix_socket_path=str(self._socket), socket_timeout=120)

    def __enter__(self) -> Counter:
        end = time.monotonic() + 60
        while True:
            try:
                self._client.ping()
                time.sleep(2)  # by then the module knows that nobody follows the server
                return self
            except (redis.ConnectionError, redis.BusyLoadingError):
                if time.monotonic() > end or self._process.poll() is not None:
                    sys.exit((self._directory / "log").read_text())
                time.sleep(0.1)

    def __exit__(self, *_) -> None:
        self._process.terminate()
        self._process.wait()

    def count(self, kind: Kind) -> tuple[float, Path]:
        """Instructions of a call, and callgrind's file about all calls."""
        if kind.before:
            self._say(kind.before, SUBJECTS)
        self._say(kind.call, 5 * SUBJECTS)  # tables of the server have stopped moving after some calls
        self._dump()
        self._say(kind.call, CALLS)
        file = self._dump()
        total = re.search(r"^(?:summary|totals): (\d+)", file.read_text(), re.MULTILINE)
        return int(total[1]) / CALLS, file

    def server(self) -> str:
        return "redis " + self._client.info()["redis_version"]

    def _say(self, words: str, times: int) -> None:
        pipe = self._client.pipeline(transaction=False)
        for number in range(times):
            pipe.execute_command(*words.format(s=number % SUBJECTS).split())
        pipe.execute()

    def _dump(self) -> Path:
        """Writes a file of what was counted since the last one."""
        before = set(self._directory.glob("counts*"))
        subprocess.run(["callgrind_control", "--dump", str(self._process.pid)], check=True, capture_output=True)
        end = time.monotonic() + 60
        while not (new := set(self._directory.glob("counts*")) - before):
            if time.monotonic() > end:
                sys.exit("callgrind wrote nothing")
            self._client.ping()  # it dumps between two blocks of code that run
        return new.pop()


def circumstances(server: str) -> str:
    compiler = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{server}, g++ {compiler}, {os.uname().machine}"


def stored() -> tuple[str, dict[str, int]]:
    """The circumstances under which the figures were stored, and the figures."""
    if not STORED.exists():
        return "", {}
    first, *lines = STORED.read_text().splitlines()
    return first.removeprefix("# "), {name: int(count) for count, name in (line.split(maxsplit=1) for line in lines)}


def where(file: Path) -> str:
    """callgrind's list of functions, by what they took themselves. Those around the commands have all for their own."""
    command = ["callgrind_annotate", "--threshold=100", str(file)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    functions = [line for line in lines if "%)" in line and "(100.0%)" not in line]
    return "\n".join(re.sub(r" \[[^]]*\]$", "", line).replace("???:", "")[:150] for line in functions[:40])


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/instructions")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--where", metavar="NAME")
    parser.add_argument("--in-call", action="store_true")
    parser.add_argument("--append-only", action="store_true")
    given = parser.parse_args()
    if (given.in_call or given.append_only) and (given.check or given.store):
        parser.error("what is stored was counted in the commands, without an append-only file")
    known = KINDS + OTHERS if given.in_call else KINDS
    kinds = [kind for kind in known if not given.where or given.where.lower() in kind.name.lower()]
    function = CALL if given.in_call else DISPATCHER
    with (
        tempfile.TemporaryDirectory(prefix="ratelimit-instructions-") as directory,
        Counter(directory, function, given.append_only) as counter,
    ):
        here = circumstances(counter.server())
        counted, files = {}, {}
        for kind in kinds:
            counted[kind.name], files[kind.name] = counter.count(kind)
        for name in counted if given.where else ():
            print(f"\n{name}, {CALLS} calls\n{where(files[name])}")
    report(counted, here, given)


def report(counted: dict[str, float], here: str, given: argparse.Namespace) -> None:
    there, figures = stored() if not (given.in_call or given.append_only) else ("nothing of this kind", {})
    print(f"instructions a call: {here}; stored: {there or 'nothing'}\n")
    slower = []
    for name, count in counted.items():
        ratio = count / figures[name] if name in figures else 0
        print(f"{count:8.0f}  {figures.get(name, '-'):>8}  {f'{ratio:.3f}' if ratio else '':>6}  {name}")
        slower += [name] if ratio > TOLERANCE or (given.check and not ratio) else []
    if given.store:
        STORED.write_text("".join([f"# {here}\n", *(f"{count:.0f} {name}\n" for name, count in counted.items())]))
    elif given.check and there != here:
        print("\nother circumstances than those of the stored figures: nothing is compared")
    elif given.check and slower:
        sys.exit(
            "\nover 3 % more than stored, or not stored: " + ", ".join(slower) + "; bench/instructions --where NAME"
        )


if __name__ == "__main__":
    main()
