# SPDX-License-Identifier: MIT
"""The dashboard: there is no Grafana here, but each of its queries is asked of the Prometheus that has the traffic."""

from __future__ import annotations

import json
import re
from itertools import combinations

import pytest

from harness import eventually
from stack import FILES

DASHBOARD = json.loads((FILES / "grafana.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
BUILT_IN = {"__rate_interval"}
KINDS = {"timeseries", "table", "stat", "bargauge"}


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])
def test_each_query_has_data(prometheus, title, query):
    asked = query.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$limiter", ".*")
    eventually(lambda: prometheus.ask(asked), f"{title}: {asked}")  # a rate has data after a second scrape


@pytest.mark.parametrize("name", ["instance", "limiter"])
def test_each_variable_has_values(prometheus, name):
    query = VARIABLES[name]["query"]["query"].replace("$instance", ".*")
    metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
    assert label == name and prometheus.values(metric, label)


def test_queries_use_variables_that_are_there():
    used = {name for _, query in QUERIES for name in re.findall(r"\$\{?(\w+)", query)}
    assert used <= {*VARIABLES, *BUILT_IN}


def test_panels_are_complete_and_told_apart():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in PANELS:
        assert panel["type"] in KINDS and panel["title"] and panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len(set(letters)) > 0


def test_panels_lie_beside_each_other():
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert not [pair for pair in combinations(places, 2) if overlap(*pair)]


def overlap(one: dict, other: dict) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in (("x", "w"), ("y", "h"))
    )


def test_each_row_is_a_question():
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows and all(title.endswith("?") for title in rows)
