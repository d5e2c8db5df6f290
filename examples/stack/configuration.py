#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""What the parts of the stack are told, in files and settings: for `run`, and for containers.

    configuration.py FOLDER      writes the files for containers, where each part has a name: see Containerfile

It needs nothing but Python, and the files of monitoring/.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MONITORING = HERE.parents[1] / "monitoring"

# What callers have used is in the AOF, and there after a restart.
PRIMARY = ["--appendonly", "yes", "--appendfsync", "everysec"]
DEADLINE = "2s"  # how long somebody waits for an answer

CHECK_SERVICES_JOB = """
  - job_name: check-service
    static_configs:
      - targets: [{targets}]
"""


def check_service(server: str, listen: str, deadline: str) -> dict[str, str]:
    """Without the server nobody passes: a 503 is better than calls that nobody has counted. An API that must go on
    chooses `open`.
    """
    settings = {"SERVERS": server, "LISTEN": listen, "DEADLINE": deadline, "WITHOUT_SERVER": "closed"}
    return {f"CHECK_SERVICE_{name}": value for name, value in settings.items()}


def for_operators(token_file: str, page: str) -> dict[str, str]:
    """So a check service also says who is denied, and why: to those with the token, and to the page of that origin."""
    return {"CHECK_SERVICE_OPERATOR_TOKEN_FILE": token_file, "CHECK_SERVICE_OPERATOR_ORIGINS": page}


def exporter(script: str, listen: str) -> dict[str, str]:
    """It is told with each question which server it should look at."""
    return {"REDIS_EXPORTER_SCRIPT": script, "REDIS_EXPORTER_WEB_LISTEN_ADDRESS": listen}


def script_file() -> str:
    """Of the exporter: it names callers."""
    return replaced(MONITORING / "ratelimit.lua", {"with_subjects = false": "with_subjects = true"})


def front_file(listen: str, services: list[str], deadline: str) -> str:
    """Of nginx."""
    upstream = "\n  ".join(f"server {service} max_fails=3 fail_timeout=2s;" for service in services)
    return replaced(
        HERE / "front.conf", {"{{front}}": listen, "{{check_services}}": upstream, "{{deadline}}": deadline}
    )


def watched_servers(servers: list[str], exporter: str, every: str) -> str:
    """monitoring/prometheus.yml with these addresses in it: redis://host:port, and that of the exporter. No scrape may
    take longer than the time between two.
    """
    indent = "\n          - "
    words = {
        f"{indent}redis://127.0.0.1:6379": "".join(indent + server for server in servers),
        "127.0.0.1:9121": exporter,
        "interval: 15s": f"interval: {every}",
    }
    return replaced(MONITORING / "prometheus.yml", words)


def prometheus_files(servers: list[str], exporter: str, services: list[str], every: str = "3s") -> dict[str, str]:
    """By name; the check services have metrics of their own."""
    text = watched_servers(servers, exporter, every).replace("  - rules.yml", "  - rules.yml\n  - alerts.yml")
    return {
        "prometheus.yml": text.rstrip() + "\n" + CHECK_SERVICES_JOB.format(targets=", ".join(services)),
        "rules.yml": (MONITORING / "rules.yml").read_text(),
        "alerts.yml": (HERE / "alerts.yml").read_text(),
    }


def replaced(file: Path, words: dict[str, str]) -> str:
    text = file.read_text()
    for old, new in words.items():
        if old not in text:
            raise ValueError(f"{file.name} has no {old!r}")
        text = text.replace(old, new)
    return text


def files_for_containers() -> dict[str, str]:
    services = ["check-1:8080", "check-2:8080"]
    return {
        "front.conf": front_file("80", services, DEADLINE),
        "ratelimit.lua": script_file(),
        **prometheus_files(["redis://primary:6379", "redis://replica:6379"], "exporter:9121", services),
    }


def write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    write(Path(sys.argv[1]), files_for_containers())
