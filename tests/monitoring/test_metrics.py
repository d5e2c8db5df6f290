# SPDX-License-Identifier: MIT
"""What Prometheus has of the servers, from the module's counters through the exporter to a query."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import pytest

from callers import HOSTILE, parts
from stack import PAGE, SCRIPT, address, until

FREE = 'limiter="api:free"'


def test_calls_are_counted_by_limiter_and_result(prometheus):
    calls = prometheus.values("ratelimit_calls_total", "limiter", "result")
    assert {result: calls["api:free", result] for result in ("granted", "denied", "would_deny")} == {
        "granted": 6, "denied": 3, "would_deny": 0,
    }  # fmt: skip
    assert (calls["api:near", "granted"], calls["api:near", "denied"]) == (2, 0)
    assert (calls["api:trial", "granted"], calls["api:trial", "would_deny"]) == (1, 2)


def test_checks_say_which_limit_has_denied(prometheus):
    denied = prometheus.values(f'ratelimit_checks_total{{{FREE}, result="denied"}}', "label")
    assert denied == {"hourly": 2, "burst": 0, "blocked": 1}
    granted = prometheus.values(f'ratelimit_checks_total{{{FREE}, result="granted"}}', "label")
    assert (granted["hourly"], granted["burst"]) == (6, 6)


def test_near_says_which_limit_was_nearly_used_up(prometheus):
    near = prometheus.values(f"ratelimit_near_limit_total{{{FREE}}}", "label")
    assert (near["hourly"], near["burst"]) == (1, 0)
    assert prometheus.values("ratelimit_near_limit_calls_total", "limiter")["api:near"] == 1


def test_the_sizes_of_the_limits_are_there(prometheus):
    assert prometheus.values(f"ratelimit_limit{{{FREE}}}", "label") == {"hourly": 5, "burst": 100}


def test_a_limiter_on_trial_is_marked(prometheus):
    trial = prometheus.values("ratelimit_on_trial", "limiter")
    assert (trial["api:trial"], trial["api:free"]) == (1, 0)


def test_ranks_say_how_often_and_not_who(prometheus):
    ranked = prometheus.ask(f"ratelimit_top_denied{{{FREE}}}")
    assert {sample["metric"]["rank"]: float(sample["value"][1]) for sample in ranked} == {"1": 2, "2": 1}
    assert {label for sample in ranked for label in sample["metric"]} == {
        "__name__",
        "instance",
        "job",
        "limiter",
        "rank",
    }
    near = prometheus.values('ratelimit_top_near_limit{limiter="api:near"}', "rank")
    assert near == {"1": 1}


def test_no_series_names_a_subject(prometheus):
    assert not any("subject" in labels or "u:1" in " ".join(labels.values()) for labels in prometheus.series())


def test_limiters_have_subjects_and_memory(prometheus):
    assert prometheus.values(f"ratelimit_subjects{{{FREE}}}", "limiter") == {"api:free": 3}
    (memory,) = prometheus.values(f"ratelimit_memory_bytes{{{FREE}}}", "limiter").values()
    assert 100 < memory < 100_000


def test_a_name_of_any_bytes_arrives_and_can_be_read_back(prometheus):
    names = prometheus.values('ratelimit_calls_total{limiter=~"a%20b.*", result="granted"}', "limiter")
    assert {unquote_to_bytes(name): value for name, value in names.items()} == {HOSTILE: 1}
    sizes = prometheus.values('ratelimit_limit{limiter=~"a%20b.*"}', "label")
    assert sizes == {"100%25=": 10}


def test_each_node_of_a_cluster_tells_its_own_limiters(stack, prometheus):
    for part, primary in zip(parts(stack.cluster), stack.cluster.primaries):
        granted = prometheus.values(f'ratelimit_calls_total{{limiter="{part}", result="granted"}}', "instance")
        assert granted == {address(primary): 3}
    whole = prometheus.values('sum by (result) (ratelimit_calls_total{limiter=~"{[0-9]+}api"})', "result")
    assert whole == {"granted": 6, "denied": 4, "would_deny": 0}


def test_counters_of_the_server_are_those_of_info(stack, prometheus):
    here = f'instance="{address(stack.server)}"'
    checks = prometheus.values(f"ratelimit_server_checks_total{{{here}}}", "result")
    assert checks["denied"] == 3 and checks["would_deny"] == 2
    calls = prometheus.values(f"ratelimit_server_command_calls_total{{{here}}}", "command")
    assert (calls["rl.define"], calls["rl.block"], calls["rl.tokenbucket"]) == (4, 1, 1)
    decided = prometheus.values(f'ratelimit_server_decisions_total{{{here}, algorithm="tokenbucket"}}', "result")
    assert decided["granted"] > 0
    assert prometheus.values(f"ratelimit_server_limiters{{{here}}}", "instance") == {address(stack.server): 4}
    assert prometheus.values("ratelimit_server_no_limits_errors_total", "instance")[address(stack.server)] == 1
    (version,) = prometheus.values(f"ratelimit_server_info{{{here}}}", "version")
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_every_field_of_info_is_a_metric(stack):
    with stack.server.client() as db:
        fields = {name.removeprefix("ratelimit_") for name in db.info("ratelimit")}
    table = re.search(r"^local fields = \{\n(.*?)^\}", SCRIPT.read_text(), re.M | re.S)[1]
    known = {"version", *re.findall(r"^  (\w+) = ", table, re.M)}
    assert {field for field in fields if not field.startswith(("algorithm_", "command_"))} == known


def test_a_server_without_the_module_is_up_and_is_told(stack, prometheus):
    here = {address(each): 1 for each in (stack.server, *stack.cluster.primaries)}
    modules = here | {address(stack.without_module): 0}
    until(lambda: prometheus.values("ratelimit_up", "instance") == modules, f"ratelimit_up: {modules}")
    servers = dict.fromkeys(modules, 1) | {stack.nobody: 0}
    until(lambda: prometheus.values("redis_up", "instance") == servers, f"redis_up: {servers}")


def test_nothing_is_left_out_and_nothing_fails(prometheus):
    assert set(prometheus.values("ratelimit_scrape_errors", "instance").values()) == {0}
    assert set(prometheus.values("ratelimit_scrape_cut", "instance").values()) == {0}


def test_the_rights_of_the_exporter_are_those_that_it_needs(stack):
    """It asks for CONFIG GET * too, and does without."""
    with stack.server.client() as db:
        denied = {entry["object"] for entry in db.acl_log()}
    assert denied <= {"config|get", "command|info"}


def test_the_exporter_cannot_write(stack):
    with stack.server.client(username="exporter", password="secret") as db:
        for line in ("SET k v", "RL.CHECK api:free FOR u:1", "RL.DEFINE api:free FIXED 1 1h", "RL.RESET api:free"):
            assert "permissions" in db.error(*line.split())
        refused = db.error("EVAL", "return redis.call('SET', 'k', 'v')", 0)
        assert re.search("can't run this command|permissions", refused)


def test_names_follow_the_customs_of_prometheus(prometheus):
    """Counters, and only they, end in _total; seconds and bytes are the units."""
    names = {labels["__name__"] for labels in prometheus.series() if "key" not in labels}
    assert all(re.fullmatch(r"ratelimit_[a-z]+(_[a-z]+)*", name) for name in names)
    assert not [name for name in names if re.search(r"_(ms|us|count|milliseconds|microseconds|kb)$", name)]
    growing = {name for name in names if re.search(r"calls|checks|errors|refunds|units|near_limit", name)}
    gauges = {"ratelimit_scrape_errors", "ratelimit_top_near_limit"}
    assert {name for name in growing if not name.endswith("_total")} == gauges


def test_the_labels_of_the_exporter_are_gone(prometheus):
    assert not [labels for labels in prometheus.series() if {"key", "filename"} & labels.keys()]


def test_the_page_describes_each_metric(prometheus):
    page = PAGE.read_text()
    missing = {labels["__name__"] for labels in prometheus.series()} - set(re.findall(r"`(ratelimit_\w+)", page))
    assert not missing


def queries() -> list[str]:
    """Those that the page shows: in its table, and by themselves."""
    section = re.search(r"^## Queries\n(.*?)^## ", PAGE.read_text(), re.M | re.S)[1]
    return re.findall(r"^\|[^|]*\| `(.*)` \|$", section, re.M) + re.findall(r"^```\n(.*)\n```$", section, re.M)


@pytest.mark.parametrize("query", queries())
def test_each_query_of_the_page_has_data(stack, query):
    """But for Debian's exporter, those that need a newer one."""
    if "_bucket" in query and not stack.exporter.reads_histograms:
        assert not stack.prometheus.ask(query)
    else:
        until(lambda: bool(stack.prometheus.ask(query)), query)


def test_newer_exporters_read_the_histograms_of_the_server(stack):
    buckets = stack.prometheus.values('redis_commands_latencies_usec_bucket{cmd="RL.CHECK", le="+Inf"}', "instance")
    assert bool(buckets) == stack.exporter.reads_histograms
    assert all(count > 0 for count in buckets.values())


def test_percentiles_of_each_command_are_there(prometheus):
    quantiles = prometheus.values('redis_latency_percentiles_usec{cmd="RL.CHECK"}', "quantile")
    assert set(quantiles) == {"50", "99", "99.9"}
