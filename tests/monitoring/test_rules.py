# SPDX-License-Identifier: MIT
"""The alerts: promtool tries each by itself, and here some are raised by real servers."""

from __future__ import annotations

import re

from callers import Stack
from harness import output_of
from stack import FILES, PAGE, address, until

UNIT_TESTS = "rules_test.yml"
RULES = (FILES / "rules.yml").read_text()
ALERTS = set(re.findall(r"- alert: (\w+)", RULES))


def test_promtool_accepts_the_configuration_and_the_rules():
    assert "SUCCESS" in output_of("promtool", "check", "config", str(FILES / "prometheus.yml"))
    assert f"SUCCESS: {len(ALERTS) + 2} rules found" in output_of(
        "promtool", "check", "rules", str(FILES / "rules.yml")
    )


def test_each_alert_fires_when_it_should_and_not_otherwise():
    folder = FILES.parent / "tests" / "monitoring"
    assert "SUCCESS" in output_of("promtool", "test", "rules", UNIT_TESTS, cwd=folder)
    tried = set(re.findall(r'alertname="(\w+)", ', (folder / UNIT_TESTS).read_text()))
    assert tried == ALERTS


def test_each_alert_says_what_to_do_and_is_on_the_page():
    for rule in RULES.split("- alert: ")[1:]:
        assert re.search(r"severity: (page|ticket|info)\n", rule)
        assert "summary: >-" in rule
    assert set(re.findall(r"^\| `(Ratelimit\w+)`", PAGE.read_text(), re.M)) == ALERTS


def test_servers_raise_alerts(stack: Stack):
    here = address(stack.server)
    expected = {
        ("RatelimitLimiterMissing", here),
        ("RatelimitNearLimit", "api:near"),
        ("RatelimitTrialWouldDeny", "api:trial"),
        ("RatelimitModuleMissing", address(stack.without_module)),
        ("RatelimitServerDown", stack.nobody),
    }
    until(lambda: expected <= raised(stack), f"the alerts {expected}")
    until(lambda: who_is_down(stack) == {stack.nobody}, "no other server to be down")


def who_is_down(stack: Stack) -> set[str]:
    return {subject for name, subject in raised(stack) if name == "RatelimitServerDown"}


def raised(stack: Stack) -> set[tuple[str, str]]:
    labels = [alert["labels"] for alert in stack.prometheus.alerts()]
    return {(label["alertname"], label.get("instance") or label.get("limiter", "")) for label in labels}


def test_summaries_name_whom_they_are_about(stack: Stack):
    until(lambda: len(stack.prometheus.alerts()) >= 5, "alerts")
    for alert in stack.prometheus.alerts():
        summary, labels = alert["annotations"]["summary"], alert["labels"]
        assert labels.get("limiter", labels.get("instance")) in summary
        assert "<error" not in summary and "{{" not in summary and "\n" not in summary.strip()
