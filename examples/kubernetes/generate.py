#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes monitoring.yaml from the files of monitoring/, for the Prometheus Operator. A test compares.

generate.py         writes it
"""

from __future__ import annotations

from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
MONITORING = HERE.parents[1] / "monitoring"
HEAD = """# SPDX-License-Identifier: MIT
# Made by `examples/kubernetes/generate.py` from monitoring/: change those files, and run it. ServiceMonitor and
# PrometheusRule are resources of the Prometheus Operator.
"""
# How the Operator spells what a prometheus.yml has.
SPELLING = {"source_labels": "sourceLabels", "target_label": "targetLabel"}


class Dumper(yaml.SafeDumper):
    """Texts of several lines as such. No aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def write_text(dumper: Dumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, write_text)


def named(kind: str, version: str, name: str, app: str, **parts: object) -> dict:
    about = {"name": name, "labels": {"app.kubernetes.io/name": app}}
    return {"apiVersion": version, "kind": kind, "metadata": about, **parts}


def monitor(app: str, port: str, **endpoint: object) -> dict:
    labels = {"matchLabels": {"app.kubernetes.io/name": app}}
    spec = {"selector": labels, "endpoints": [{"port": port, "interval": "15s", **endpoint}]}
    return named("ServiceMonitor", "monitoring.coreos.com/v1", app, app, spec=spec)


def server_monitor() -> dict:
    """The alerts ask for this job."""
    [scraped] = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    rules = [
        {SPELLING.get(name, name): value for name, value in rule.items()} for rule in scraped["metric_relabel_configs"]
    ]
    job = [{"targetLabel": "job", "replacement": scraped["job_name"]}]
    return monitor("ratelimit-server", "metrics", relabelings=job, metricRelabelings=rules)


def documents() -> list[dict]:
    server = "ratelimit-server"
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text())
    script = {"ratelimit.lua": (MONITORING / "ratelimit.lua").read_text()}
    return [
        monitor("check-service", "http"),
        server_monitor(),
        named("PrometheusRule", "monitoring.coreos.com/v1", "ratelimit", server, spec=rules),
        named("ConfigMap", "v1", "ratelimit-exporter", server, data=script),
    ]


def text() -> str:
    return HEAD + yaml.dump_all(documents(), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10**6)


if __name__ == "__main__":
    (HERE / "monitoring.yaml").write_text(text())
