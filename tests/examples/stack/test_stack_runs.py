# SPDX-License-Identifier: MIT
"""examples/stack: all parts together. Who attacks is seen, plans change, parts die; and what the load says is what the
servers have counted.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from harness import PATIENCE_S
from stack_run import PLANS, Load, Row, Run, until

FREE = "TOKENBUCKET 20 10 1s AS rate"
# Connections of the load: so many calls may be under way when a check service dies, and each may be charged twice.
UNDER_WAY = 4 * 1 + 2 * 2 + 4


def shell(line: str) -> str:
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def usual_plan(run: Run) -> Iterator[None]:
    yield
    if run.about("api:free")["limits"] != FREE:
        change_plan(run, FREE)


# --- all parts --------------------------------------------------------------------------------------


def test_each_part_answers(run: Run) -> None:
    assert run.do("PING") in (True, "PONG")
    assert all(run.about(plan)["granted"] >= 0 for plan in PLANS)
    until(lambda: run.about("api:free", "replica").get("limits") == FREE, "the replica to have the plans")
    for part in ("check-1", "check-2"):
        assert "ready" in run.get(part, "/health/ready")
    assert run.status("free-9") == run.status("paid-9") == 200
    assert run.status("free-x") == run.status("") == 401
    wanted = [run.place(part).removeprefix("http://") for part in ("check-1", "check-2")]
    wanted += [f"redis://127.0.0.1:{run.port(part)}" for part in ("primary", "replica")]
    until(lambda: {each["instance"] for each in run.samples("up == 1")} == set(wanted), "Prometheus to see them")
    until(lambda: len(run.samples("ratelimit_up == 1")) == 2, "the module on both servers")


def test_the_lines_and_pages_that_it_prints_work(run: Run) -> None:
    said = {line.split()[0]: shell(line) for line in run.lines()}
    assert set(said) == {"curl", "redis-cli", "psql", "tail"}
    assert said["curl"].startswith("HTTP/1.1 200 OK") and 'RateLimit: "rate";r=' in said["curl"]
    assert said["psql"] == "UPDATE 1\n"
    until(lambda: "~ api:free" in shell(run.line("tail")), "rules.py to say so")
    for page in run.pages():
        with urllib.request.urlopen(page, timeout=PATIENCE_S) as reply:
            assert reply.status == 200


def change_plan(run: Run, limits: str) -> None:
    """By the line that it prints, with other limits."""
    line = run.line("psql")
    shell(re.sub(r"limits = '[^']*'", f"limits = '{limits}'", line))
    until(lambda: run.about("api:free")["limits"] == limits, "the plan to be in force")


# --- an attack --------------------------------------------------------------------------------------


@dataclass
class Attack:
    """What was seen of it, from its begin to its end."""

    attacker: str
    top: list
    log: list
    by_prometheus: list[dict]
    alerts: list[dict]
    table: dict[str, Row]
    granted: int
    blocked: int


@pytest.fixture(scope="module")
def attack(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    attacker, granted, blocked = "free-4", run.granted(), run.decided("blocked")
    file = tmp_path_factory.mktemp("attack") / "said"

    def alerts() -> list[dict]:
        """Those about the plan, once both are there."""
        of_plan = [alert for alert in run.alerts() if alert["labels"].get("limiter") == "api:free"]
        return of_plan if len(of_plan) >= 2 else []

    with Load(file, run, "--attacker", attacker) as load:
        until(alerts, "the alerts")
        top, log = run.do("RL.TOP api:free 3"), run.do("RL.LOG api:free 3")
        by_prometheus, raised = run.samples("topk(1, ratelimit_top_denied)"), alerts()
        table = load.end()
    counted = (run.granted() - granted, run.decided("blocked") - blocked)
    return Attack(attacker, top, log, by_prometheus, raised, table, *counted)


def test_what_was_admitted_and_denied_is_what_the_server_and_the_check_services_have_counted(attack: Attack) -> None:
    rows = attack.table.values()
    assert sum(row.undecided for row in rows) == 0
    assert sum(row.admitted for row in rows) == attack.granted
    assert sum(row.denied for row in rows) == attack.blocked


def test_only_the_attacker_is_denied_and_he_gets_all_that_his_plan_allows(attack: Attack) -> None:
    assert {key for key, row in attack.table.items() if row.denied} == {attack.attacker}
    row = attack.table[attack.attacker]
    assert row.denied > 50 and 20 <= row.admitted <= row.allowed


def test_the_attacker_is_named_by_the_server(attack: Attack) -> None:
    assert [subject for subject, *_ in attack.top] == [attack.attacker]
    assert [entry[:2] for entry in attack.log] == [[attack.attacker, "rate"]]


def test_the_attacker_is_named_by_a_query_of_prometheus(attack: Attack) -> None:
    (sample,) = attack.by_prometheus
    assert (sample["limiter"], sample["subject"]) == ("api:free", attack.attacker)
    assert sample["value"] > 50


def test_the_attacker_is_named_by_a_check_service_to_those_with_the_token(attack: Attack, run: Run) -> None:
    (service,) = re.findall(r"playground/run --connect (\S+)$", run.said(), re.M)
    (token,) = re.findall(r"the token is in (\S+)$", run.said(), re.M)
    fields = {"Authorization": f"Bearer {Path(token).read_text()}"}
    with urllib.request.urlopen(urllib.request.Request(f"{service}/limiters/api%3Afree/top", headers=fields)) as answer:
        assert [entry["subject"] for entry in json.load(answer)["denied"]] == [attack.attacker]


def test_the_attack_raises_alerts(attack: Attack) -> None:
    """RatelimitNearLimit is one of monitoring/rules.yml, and waits for a quarter of an hour before it is told."""
    states = {alert["labels"]["alertname"]: alert["state"] for alert in attack.alerts}
    assert states["OneCallerIsDenied"] == "firing"
    assert states["RatelimitNearLimit"] in ("pending", "firing")
    (named,) = (alert for alert in attack.alerts if alert["labels"]["alertname"] == "OneCallerIsDenied")
    assert named["annotations"]["summary"].startswith(f"{attack.attacker} was denied ")


# --- under load -------------------------------------------------------------------------------------


def test_a_plan_that_is_changed_in_postgres_is_in_force_while_customers_call(run: Run, tmp_path) -> None:
    before = run.granted()
    with Load(tmp_path / "said", run) as load:
        until(lambda: run.granted() > before + 30, "calls")
        change_plan(run, "TOKENBUCKET 40 30 1s AS rate")
        now = run.granted()
        until(lambda: run.granted() > now + 100, "calls on the new plan")
        table = load.end()
    assert re.search(rf"{FREE} from 0\.\d; TOKENBUCKET 40 30 1s AS rate from [\d.]+$", load.said(), re.M), load.said()
    assert sum(row.undecided for row in table.values()) == 0


def test_nginx_goes_on_with_the_other_check_service_while_one_is_dead(run: Run, tmp_path) -> None:
    before, old = run.granted(), run.pid("check-1")
    with Load(tmp_path / "said", run) as load:
        until(lambda: run.granted() > before + 30, "calls")
        os.kill(old, signal.SIGKILL)
        until(lambda: run.pid("check-1") != old, "it to be started again")
        until(lambda: has_decided(run, "check-1"), "it to be asked again")
        table = load.end()
    admitted = sum(row.admitted for row in table.values())
    assert sum(row.undecided for row in table.values()) == 0, load.said()
    assert admitted <= run.granted() - before <= admitted + UNDER_WAY
    assert "check-1 has ended (SIGKILL)" in run.said()


def has_decided(run: Run, part: str) -> bool:
    with suppress(OSError):
        return 'limiter="api:' in run.get(part, "/metrics")
    return False


def test_while_the_primary_is_dead_nobody_passes_and_then_limits_blocks_and_what_was_used_are_there_again(
    run: Run, tmp_path
) -> None:
    old = run.pid("primary")
    run.do("RL.BLOCK api:free 1h FOR free-8")
    run.do("RL.DEFINE slow FIXED 5 1h")  # the buckets of the plans are full again before anybody looks
    run.do("RL.CHECK slow FOR free-8 COST 3")
    with Load(tmp_path / "said", run) as load:
        before = run.granted()
        until(lambda: run.granted() > before + 30, "calls")
        os.kill(old, signal.SIGKILL)
        until(lambda: run.status("paid-9") == 503, "it to be missed")
        until(lambda: run.pid("primary") != old, "it to be started again")
        until(lambda: run.status("paid-9") == 200, "calls to be decided again")
        table = load.end()
    assert sum(row.undecided for row in table.values()) > 0
    assert "the server was restarted" in load.said()
    assert run.about("api:free")["limits"] == FREE
    assert is_blocked(run, "free-8", "primary")
    assert run.do("RL.PEEK slow FOR free-8")[2] == 5 - 3
    until(lambda: is_blocked(run, "free-8", "replica"), "the replica to be in step")


def is_blocked(run: Run, subject: str, part: str) -> bool:
    with suppress(redis.RedisError):  # while it loads
        reply = run.do(f"RL.INFO api:free FOR {subject}", part)
        return bool(reply) and dict(zip(reply[::2], reply[1::2]))["blocked"] > 0
    return False
