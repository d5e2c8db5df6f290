# SPDX-License-Identifier: MIT
"""What users run beside the server: the Redis exporter with our script, and Prometheus with our configuration.

There are two exporters: Debian's, and a newer one, which `scripts/test --examples` builds.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from harness import PATIENCE_S, REPOSITORY, Server, free_port, path_of

sys.path.insert(0, str(REPOSITORY / "examples" / "stack"))

import configuration  # noqa: E402 - it needs no other file of that folder

FILES = REPOSITORY / "monitoring"
SCRIPT = FILES / "ratelimit.lua"
PAGE = REPOSITORY / "docs" / "monitoring.md"
EXPORTERS = {"debians": "prometheus-redis-exporter", "newer": str(REPOSITORY / "build" / "exporter" / "redis_exporter")}
USER = "exporter"


def until(condition: Callable[[], bool], what: str) -> None:
    """Waits for what comes with a scrape, once a second."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.5)


def rights() -> list[str]:
    """The command of the page that makes the user of the exporter."""
    return re.search(rf"^ACL SETUSER {USER} .*$", PAGE.read_text(), re.M)[0].split()


def settings_of_the_exporter() -> dict[str, str]:
    """Those of the page, with our places in them."""
    settings = dict(re.findall(r"^(REDIS_\w+)=(.*)$", PAGE.read_text(), re.M))
    ours = {"REDIS_EXPORTER_SCRIPT": str(SCRIPT), "REDIS_EXPORTER_WEB_LISTEN_ADDRESS": "127.0.0.1:PORT"}
    assert ours.keys() < settings.keys()
    return settings | ours


def address(server: Server) -> str:
    return f"redis://127.0.0.1:{server.port}"


class Program:
    """A program that serves HTTP until it is stopped."""

    def __init__(self, folder: Path, command: list[str], ready: str, **variables: str) -> None:
        self.port = free_port()
        self._log = folder / f"{Path(command[0]).name}.log"
        self._command = [word.replace("PORT", str(self.port)) for word in command]
        self._environment = os.environ | {
            name: value.replace("PORT", str(self.port)) for name, value in variables.items()
        }
        self._ready = ready
        self._process: subprocess.Popen | None = None

    def start(self):
        with self._log.open("w") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self._process = subprocess.Popen(self._command, env=self._environment, **streams)
        until(self._is_ready, f"{self._command[0]} to answer")
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)

    def get(self, path: str, **parameters: str) -> str:
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as reply:
            return reply.read().decode()

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            self.get(self._ready)
        except urllib.error.URLError:
            return False
        return True


class Exporter(Program):
    """It asks whatever server it is told to."""

    def __init__(self, folder: Path, which: str) -> None:
        super().__init__(folder, [path_of(EXPORTERS[which])], "/health", **settings_of_the_exporter())
        self.reads_histograms = which == "newer"  # since 1.48; Debian's is 1.45

    def scrape(self, server: Server) -> str:
        return self.get("/scrape", target=address(server))


class Prometheus(Program):
    """With monitoring/prometheus.yml and rules.yml, but often, and without the patience of the alerts."""

    def __init__(self, folder: Path, exporter: Exporter, targets: list[str]) -> None:
        self._configure(folder, exporter, targets)
        options = ["--web.listen-address=127.0.0.1:PORT", f"--storage.tsdb.path={folder}/data", "--log.level=warn"]
        super().__init__(folder, ["prometheus", f"--config.file={folder}/prometheus.yml", *options], "/-/ready")

    @staticmethod
    def _configure(folder: Path, exporter: Exporter, targets: list[str]) -> None:
        watched = configuration.watched_servers(targets, f"127.0.0.1:{exporter.port}", every="3s")
        (folder / "prometheus.yml").write_text(watched)
        (folder / "rules.yml").write_text(re.sub(r"for: \w+", "for: 0s", (FILES / "rules.yml").read_text()))

    def ask(self, expression: str) -> list[dict]:
        """The samples of an instant query."""
        reply = json.loads(self.get("/api/v1/query", query=expression))
        assert reply["status"] == "success", reply
        return reply["data"]["result"]

    def values(self, expression: str, *labels: str) -> dict:
        """The value of each sample by these labels of it: by the only one, or by several."""
        found = {}
        for sample in self.ask(expression):
            names = tuple(sample["metric"].get(label, "") for label in labels)
            found[names[0] if len(labels) == 1 else names] = float(sample["value"][1])
        return found

    def series(self) -> list[dict]:
        """The labels of all that came from the script."""
        return json.loads(self.get("/api/v1/series", **{"match[]": '{__name__=~"ratelimit_.*"}'}))["data"]

    def alerts(self) -> list[dict]:
        alerts = json.loads(self.get("/api/v1/alerts"))["data"]["alerts"]
        return [alert for alert in alerts if alert["state"] == "firing"]
