# SPDX-License-Identifier: MIT
"""Prometheus reads the metrics of the check service, and the questions of its page have answers."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Server
from service import FOLDER, Service
from stack import Program, until


class Prometheus(Program):
    def __init__(self, folder: Path, service: Service) -> None:
        targets = {"static_configs": [{"targets": [f"127.0.0.1:{service.port}"]}]}
        scrape = {"job_name": "check-service", "scrape_interval": "1s", **targets}
        (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": [scrape]}))  # JSON is YAML
        options = ["--web.listen-address=127.0.0.1:PORT", f"--storage.tsdb.path={folder}/data", "--log.level=warn"]
        super().__init__(folder, ["prometheus", f"--config.file={folder}/prometheus.yml", *options], "/-/ready")

    def values(self, expression: str) -> list[float]:
        reply = json.loads(self.get("/api/v1/query", query=expression))
        assert reply["status"] == "success", reply
        return [float(sample["value"][1]) for sample in reply["data"]["result"]]


@pytest.fixture
def prometheus(service: Service, tmp_path: Path) -> Iterator[Prometheus]:
    prometheus = Prometheus(tmp_path, service)
    try:
        yield prometheus.start()
    finally:
        prometheus.stop()


def test_the_questions_of_the_page_have_answers(prometheus: Prometheus, service: Service, server: Server) -> None:
    page = (FOLDER / "README.md").read_text()
    section = page.split("### Metrics")[1].split("\n## ")[0]
    quantile, denials, breakers = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert "0.99" in quantile
    with server.client() as db:
        db.do("RL.DEFINE api FIXED 50 1h")
    service.check(limiter="api", subject="bob")
    until(lambda: prometheus.values('check_service_decisions_total{limiter="api"}') == [1], "the first scrape")
    for _ in range(100):
        service.check(limiter="api", subject="bob")
    for part in (0.95, 0.99):
        asked = quantile.replace("0.99", str(part))
        until(lambda asked=asked: 0 < sum(prometheus.values(asked)) < 2, f"{asked} to be answered")

    def are_denials_seen() -> bool:
        service.check(limiter="api", subject="bob")  # a rate needs a number that grows between two scrapes
        return sum(prometheus.values(denials)) > 0

    until(are_denials_seen, f"{denials} to be answered")
    assert prometheus.values(breakers) == [], "none is open"


def test_the_linter_of_prometheus_finds_nothing(service: Service, server: Server) -> None:
    with server.client() as db:
        db.execute_command("RL.DEFINE", 'a"b\\c\nd', "FIXED", "1", "1h")
    service.check(limiter='a"b\\c\nd', subject="bob")
    text = service.ask("GET", "/metrics").body
    said = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")
