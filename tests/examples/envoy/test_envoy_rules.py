# SPDX-License-Identifier: MIT
"""Files of rules: read at the start, read again when they change, kept when they are wrong; and their limiters."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from envoy_client import OK, OVER, Envoy, EnvoyService, Status, descriptor, request
from harness import Server, eventually
from service import PROGRAM, Service, environment

pytestmark = pytest.mark.usefixtures("clock")

Services = Callable[..., EnvoyService]
Rules = Callable[..., Path]

ACME = descriptor(("tenant", "acme"))


def yaml(requests: int, key: str = "tenant", domain: str = "web") -> str:
    rate_limit = f"rate_limit: {{unit: hour, requests_per_unit: {requests}}}"
    return f"domain: {domain}\ndescriptors:\n  - key: {key}\n    {rate_limit}\n"


def limit_of_acme(service: EnvoyService, domain: str = "web") -> int:
    with service.envoy() as envoy:
        look = descriptor(("tenant", "acme"), hits=0)
        return envoy.ask(look, domain=domain).statuses[0].current_limit.requests_per_unit


WRONG_UNIT = yaml(1).replace("hour", "fortnight")


def limits_on(server: Server) -> dict[str, list[str]]:
    with server.client() as db:
        _, names = db.execute_command("RL.LIMITERS", 0, "COUNT", 1000)
        return {name: [limit["limit"] for limit in db.rl_info(name)["limits"]] for name in names}


# --- the start --------------------------------------------------------------------------------------


def test_limiters_are_there_before_anybody_asks(services: Services, rules: Rules, server: Server) -> None:
    services(rules(yaml(5)))
    eventually(lambda: "envoy:{web}:tenant" in limits_on(server), "the limiter to be defined")


def test_keys_may_have_another_prefix(services: Services, rules: Rules, server: Server) -> None:
    services(rules(yaml(5)), envoy_prefix="mine:")
    eventually(lambda: "mine:{web}:tenant" in limits_on(server), "the limiter to be defined")


@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_a_wrong_file_ends_the_start_with_its_line(rules: Rules, arguments: list[str]) -> None:
    folder = rules(WRONG_UNIT)
    settings = environment({"envoy_rules": folder, "listen": "127.0.0.1:0", "grpc_address": "127.0.0.1:0"})
    run = subprocess.run([PROGRAM, *arguments], env=settings, capture_output=True, text=True, timeout=60)
    assert run.returncode == 2
    assert run.stderr.startswith(f"check-service: {folder}/web.yaml:4: ") and "fortnight" in run.stderr


def test_a_port_that_is_taken_ends_the_start(services: Services, rules: Rules, server: Server) -> None:
    service = services(rules(yaml(5)))
    settings = {"servers": server.socket, "envoy_rules": rules(yaml(5)), "listen": "127.0.0.1:0"}
    settings["grpc_address"] = service.grpc_address
    run = subprocess.run([PROGRAM], env=environment(settings), capture_output=True, text=True, timeout=60)
    assert run.returncode == 2 and f"cannot listen at {service.grpc_address}" in run.stderr


def test_it_may_listen_at_a_socket_file(services: Services, rules: Rules, tmp_path: Path, server: Server) -> None:
    path = tmp_path / "envoy.sock"
    with Service(server.socket, envoy_rules=rules(yaml(1)), grpc_address=path), Envoy(f"unix:{path}") as envoy:
        assert envoy.codes(ACME, times=2) == [OK, OVER]


# --- files that change ------------------------------------------------------------------------------


def test_a_file_that_changes_is_read_again(services: Services, rules: Rules, server: Server) -> None:
    service = services(rules(yaml(5)))
    assert limit_of_acme(service) == 5
    rules(yaml(7))
    eventually(lambda: limit_of_acme(service) == 7, "the new rules")
    assert limits_on(server) == {"envoy:{web}:tenant": ["FIXED 7 1h ALIGNED"]}
    assert service.metric('check_service_envoy_reloads_total{result="taken"}') == 1


def test_what_was_used_counts_under_new_rules(services: Services, rules: Rules) -> None:
    service = services(rules(yaml(3)))
    with service.envoy() as envoy:
        envoy.ask(ACME, hits=2)
        rules(yaml(5))
        eventually(lambda: limit_of_acme(service) == 5, "the new rules")
        assert envoy.codes(ACME, times=4) == [OK, OK, OK, OVER]


def test_a_file_may_come_and_go(services: Services, rules: Rules) -> None:
    service = services(rules(yaml(5)))
    folder = rules(yaml(9, domain="shop"), "shop.yaml")
    eventually(lambda: limit_of_acme(service, "shop") == 9, "the new domain")
    assert limit_of_acme(service) == 5
    (folder / "shop.yaml").unlink()
    eventually(lambda: limit_of_acme(service, "shop") == 0, "the domain to go")
    assert limit_of_acme(service) == 5


def test_a_wrong_file_keeps_the_rules_and_is_logged_with_its_line(services: Services, rules: Rules) -> None:
    service = services(rules(yaml(5)))
    folder = rules("domain: web\ndescriptors:\n  - key: tenant\n    rate_limt: 1\n")
    eventually(lambda: service.events("rules kept") != [], "the fault to be seen")
    line = service.events("rules kept")[0]
    assert line["level"] == "error" and line["detail"].startswith(f"{folder}/web.yaml:4: ")
    assert limit_of_acme(service) == 5
    assert service.metric('check_service_envoy_reloads_total{result="faulty"}') >= 1
    rules(yaml(6))
    eventually(lambda: limit_of_acme(service) == 6, "the file that was mended")


def test_links_may_be_put_in_place_of_others(services: Services, tmp_path: Path) -> None:
    """So Kubernetes changes the files of a ConfigMap: one link in the folder is moved over another."""
    folder = tmp_path / "mounted"
    folder.mkdir()

    def publish(name: str, requests: int) -> None:
        (folder / name).mkdir()
        (folder / name / "web.yaml").write_text(yaml(requests))
        (folder / "..new").symlink_to(name)
        (folder / "..new").rename(folder / "..data")

    publish("..1", 5)
    (folder / "web.yaml").symlink_to("..data/web.yaml")
    service = services(folder)
    assert limit_of_acme(service) == 5
    publish("..2", 7)
    eventually(lambda: limit_of_acme(service) == 7, "the new rules")


def test_a_folder_that_is_replaced_is_seen_by_the_slow_look(services: Services, rules: Rules, tmp_path: Path) -> None:
    folder = rules(yaml(5))
    service = services(folder)
    assert limit_of_acme(service) == 5
    folder.rename(tmp_path / "old")
    folder.mkdir()
    (folder / "web.yaml").write_text(yaml(7))
    eventually(lambda: limit_of_acme(service) == 7, "the new rules")


def test_a_signal_has_the_files_read_again(services: Services, rules: Rules) -> None:
    service = services(rules(yaml(5)))
    service.process.send_signal(signal.SIGHUP)
    taken = 'check_service_envoy_reloads_total{result="taken"}'
    eventually(lambda: service.metric(taken) == 1, "the files to be read")
    assert limit_of_acme(service) == 5


# --- limiters on the server -------------------------------------------------------------------------


def test_the_limiter_of_a_rule_that_is_gone_stays(services: Services, rules: Rules, server: Server) -> None:
    """Another instance may still use it."""
    service = services(rules(yaml(5)))
    assert limit_of_acme(service) == 5
    rules(yaml(5, key="address"))
    eventually(lambda: limit_of_acme(service) == 0, "the new rules")
    assert set(limits_on(server)) == {"envoy:{web}:tenant", "envoy:{web}:address"}
    assert service.events("rules taken")[0]["left_on_server"] == "1"


def test_limiters_of_others_are_left_alone(services: Services, rules: Rules, server: Server) -> None:
    with server.client() as db:
        db.do("RL.DEFINE envoy:mine FIXED 9 1h")
    service = services(rules(yaml(5)))
    assert limit_of_acme(service) == 5
    assert limits_on(server)["envoy:mine"] == ["FIXED 9 1h"]


def test_a_server_that_lost_its_limiters_gets_them_again(services: Services, rules: Rules, server: Server) -> None:
    service = services(rules(yaml(2)))
    with service.envoy() as envoy:
        assert envoy.codes(ACME, times=3) == [OK, OK, OVER]
        with server.client() as db:
            db.do("FLUSHALL SYNC")
        two = [ACME, descriptor(("tenant", "other"))]  # no denial of both is remembered
        assert envoy.codes(*two, times=3) == [OK, OK, OVER]
        with server.client() as db:
            db.do("FLUSHALL SYNC")
        assert envoy.remaining(descriptor(("tenant", "third"))) == [2], "who only looks has them defined, too"
    assert limits_on(server) == {"envoy:{web}:tenant": ["FIXED 2 1h ALIGNED"]}


def test_a_rule_on_trial_is_a_limiter_on_trial(services: Services, rules: Rules, server: Server) -> None:
    service = services(rules(yaml(1) + "    shadow_mode: true\n"))
    with service.envoy() as envoy:
        assert envoy.codes(ACME, times=3) == [OK, OK, OK]
    with server.client() as db:
        info = db.rl_info("envoy:{web}:tenant")
    assert info["would_deny"] == 2, info
    assert service.metric('check_service_envoy_hits_total{rule="web.tenant"') >= 1


def test_a_key_of_another_type_is_a_mistake_that_is_logged(services: Services, rules: Rules, server: Server) -> None:
    with server.client() as db:
        db.set("envoy:{web}:tenant", "mine")
    service = services(rules(yaml(5)), without_server="open")
    with service.envoy() as envoy:
        assert envoy.error(request(ACME)) == Status.INTERNAL
    assert service.events("limiter refused")[0]["error"].startswith("WRONGTYPE")
