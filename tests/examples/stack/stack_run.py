# SPDX-License-Identifier: MIT
"""`examples/stack/run` and `load` as a user starts them; what they say is what the tests know of them."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import redis

from harness import MODULE, PATIENCE_S, REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "stack"
sys.path.insert(0, str(REPOSITORY / "tests" / "examples" / "check_service"))

from service import BUILT  # noqa: E402

PLANS = ("api:free", "api:paid")
READY = "Kill a check service"


def until(condition: Callable[[], object], what: str) -> None:
    """Waits for what programs do together; each look costs them some work."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


class Started:
    """A program whose output goes to a file. Like a terminal's, it has a process group of its own."""

    def __init__(self, file: Path, command: list, **variables: str) -> None:
        self._file = file
        with file.open("w") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | variables,
                start_new_session=True,
            )

    def said(self) -> str:
        return self._file.read_text()

    def await_word(self, word: str) -> None:
        until(lambda: word in self.said() or self.process.poll() is not None, f"{word!r}")
        assert word in self.said(), self.said()

    def press_ctrl_c(self) -> int:
        """To the whole group, as a terminal does it. Gives the exit code."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE_S)


class Run(Started):
    """The stack. Its temporary folder has a short name, since the socket of PostgreSQL is below it."""

    def __init__(self, folder: Path, *options: str, **variables: str) -> None:
        self.folder = folder
        self.folder.chmod(0o711)
        usual = {"RATELIMIT_MODULE": str(MODULE), "RATELIMIT_CHECK_SERVICE": str(BUILT), "TMPDIR": str(folder / "t")}
        (folder / "t").mkdir()
        (folder / "t").chmod(0o711)
        # No answer is late, however slow the machine: it would be given up here, and counted there.
        command = [EXAMPLE / "run", "--deadline", "60s", "--again", "1", *options]
        super().__init__(folder / "said", command, **(usual | variables))

    def await_start(self) -> Run:
        self.await_word(READY)
        return self

    # --- what it says ----------------------------------------------------------------------------

    def place(self, part: str) -> str:
        return re.search(rf"^  {part} +\d+  (.*)$", self.said(), re.M)[1]

    def pid(self, part: str) -> int:
        """The last one that it said."""
        found = re.findall(rf"^  {part} +(\d+) |\d {part} is started again: process (\d+)$", self.said(), re.M)
        return int(found[-1][0] or found[-1][1])

    def port(self, part: str) -> int:
        return int(re.search(r"\d+$", self.place(part))[0])

    def parts(self) -> list[str]:
        return re.findall(r"^  ([a-z0-9-]+) +\d+  ", self.said(), re.M)

    def line(self, begin: str) -> str:
        """What it says to type."""
        return re.search(rf"^  ({begin}.*)$", self.said(), re.M)[1]

    def lines(self) -> list[str]:
        return re.findall(r"^  ((?:curl|redis-cli|psql|tail) .*)$", self.said(), re.M)

    def pages(self) -> list[str]:
        return re.findall(r"^  (http\S+)$", self.said(), re.M)

    # --- what its parts answer -------------------------------------------------------------------

    def do(self, line: str, part: str = "primary"):
        with redis.Redis(port=self.port(part), decode_responses=True, socket_timeout=PATIENCE_S) as client:
            return client.execute_command(*line.split())

    def about(self, plan: str, part: str = "primary") -> dict:
        """What RL.INFO says of it. Empty while a replica does not have it."""
        reply = self.do(f"RL.INFO {plan}", part)
        if reply is None:
            return {}
        about = dict(zip(reply[::2], reply[1::2]))
        about["limits"] = " ".join(dict(zip(limit[::2], limit[1::2]))["limit"] for limit in about["limits"])
        return about

    def get(self, part: str, path: str, **parameters: str) -> str:
        url = f"{self.place(part)}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as reply:
            return reply.read().decode()

    def status(self, key: str) -> int:
        """Of a call of this customer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port("nginx"), timeout=PATIENCE_S)
        try:
            connection.request("GET", "/orders", headers={"X-Api-Key": key})
            return connection.getresponse().status
        finally:
            connection.close()

    def samples(self, expression: str) -> list[dict]:
        """Labels of what Prometheus answers to an instant query, and the value as one more."""
        reply = json.loads(self.get("prometheus", "/api/v1/query", query=expression))
        return [each["metric"] | {"value": float(each["value"][1])} for each in reply["data"]["result"]]

    def alerts(self) -> list[dict]:
        return json.loads(self.get("prometheus", "/api/v1/alerts"))["data"]["alerts"]

    def decided(self, result: str) -> int:
        """What both check services have answered since they started, on the plans."""
        pattern = rf'^check_service_decisions_total{{limiter="api:\w+",source="\w+",result="{result}"}} (\d+)$'
        texts = [self.get(part, "/metrics") for part in ("check-1", "check-2")]
        return sum(int(count) for text in texts for count in re.findall(pattern, text, re.M))

    def granted(self) -> int:
        return sum(self.about(plan)["granted"] for plan in PLANS)

    # --- its end -----------------------------------------------------------------------------------

    def left(self) -> list[str]:
        """Processes that work in its folder, and files there."""
        files = [str(path) for path in (self.folder / "t").rglob("*")]
        return files + [
            entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and self._is_ours(entry)
        ]

    def _is_ours(self, process: Path) -> bool:
        with suppress(OSError):
            return str(self.folder) in os.readlink(process / "cwd")
        return False


@dataclass
class Row:
    """Of the table of load."""

    asked: int
    admitted: int
    allowed: int
    denied: int
    undecided: int


class Load(Started):
    """The callers, until they are told to end."""

    def __init__(self, file: Path, run: Run, *options: str) -> None:
        ports = ["--front", str(run.port("nginx")), "--primary", str(run.port("primary"))]
        super().__init__(file, [EXAMPLE / "load", *ports, "--seconds", "3600", *options])

    def __enter__(self) -> Load:
        self.await_word("attacks")
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def end(self) -> dict[str, Row]:
        """The table by customer; nobody was admitted more than his plan allows."""
        assert self.press_ctrl_c() == 0, self.said()
        rows = re.findall(r"^(\w+-\d) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+)$", self.said(), re.M)
        table = {key: Row(*(int(number.replace(",", "")) for number in numbers)) for key, *numbers in rows}
        assert len(table) == 7, self.said()
        assert all(row.admitted <= row.allowed for row in table.values()), self.said()
        return table
