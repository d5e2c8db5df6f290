# SPDX-License-Identifier: MIT
"""The server behind the door for Envoy: away, slow, back again, a cluster; and the end of the service."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from cluster import Cluster
from envoy_client import OK, OVER, Envoy, EnvoyService, Status, descriptor, request
from harness import PATIENCE_S, Server, eventually
from service import paused

Services = Callable[..., EnvoyService]
Rules = Callable[..., Path]

NOBODY = "127.0.0.1:1"
YAML = """
domain: web
descriptors:
  - key: tenant
    limit: FIXED 4 1d
  - key: address
    limit: FIXED 4 1d
"""
ACME = descriptor(("tenant", "acme"))
ALICE = descriptor(("address", "alice"))


# --- nobody answers ---------------------------------------------------------------------------------


def test_open_lets_everybody_through(services: Services, rules: Rules) -> None:
    service = services(rules(YAML), NOBODY, without_server="open")
    with service.envoy() as envoy:
        assert envoy.codes(ACME, times=6) == [OK] * 6
        assert envoy.codes(ACME, ALICE, times=6) == [OK] * 6
    assert service.metric('check_service_envoy_requests_total{result="allowed",source="fail_open"}') == 12
    assert service.events("decision")[0]["level"] == "warn"


def test_closed_denies_whatever_envoy_does_with_errors(services: Services, rules: Rules) -> None:
    service = services(rules(YAML), NOBODY, without_server="closed", envoy_headers="yes")
    with service.envoy() as envoy:
        answer = envoy.ask(ACME, ALICE)
        assert answer.overall_code == OVER and len(answer.statuses) == 2
        assert ("Retry-After", "1") in [(each.key, each.value) for each in answer.response_headers_to_add]
    assert service.metric('check_service_envoy_requests_total{result="blocked",source="fail_closed"}') == 1


def test_local_decides_by_its_share(services: Services, rules: Rules) -> None:
    service = services(rules(YAML), NOBODY, without_server="local", share="1/2")
    with service.envoy() as envoy:
        assert envoy.codes(ACME, times=4) == [OK, OK, OVER, OVER]
        assert envoy.codes(descriptor(("tenant", "other")), ALICE, times=3) == [OK, OK, OVER]


@pytest.mark.parametrize("without_server", ["open", "closed", "local"])
def test_outages_may_be_left_to_envoy(services: Services, rules: Rules, without_server: str) -> None:
    service = services(rules(YAML), NOBODY, without_server=without_server, envoy_without_server="error")
    with service.envoy() as envoy:
        assert envoy.error(request(ACME), wait_for_ready=True) == Status.UNAVAILABLE
        assert envoy.ask(descriptor("unknown")).overall_code == OK, "nobody need be asked"


def test_a_wrong_password_is_an_error_and_never_shown(services: Services, rules: Rules, server: Server) -> None:
    with server.client() as db:
        db.do("ACL SETUSER checks on >secret-word ~* +@all")
    service = services(rules(YAML), user="checks", password="wrong-word", without_server="open")
    with service.envoy() as envoy:
        assert envoy.error(request(ACME), wait_for_ready=True) == Status.INTERNAL
    assert "WRONGPASS" in service.log_text() and "wrong-word" not in service.log_text()


# --- and comes back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("without_server", ["open", "closed", "local"])
def test_a_server_that_dies_and_comes_back_empty_decides_again(
    services: Services, rules: Rules, without_server: str
) -> None:
    """What is answered meanwhile is said by the settings; afterwards the limiters are there again."""
    server = Server().start()
    try:
        service = services(rules(YAML), server.socket, without_server=without_server, deadline="200ms")
        decided = 'check_service_envoy_requests_total{result="allowed",source="server"}'
        with service.envoy() as envoy:
            eventually(lambda: envoy.ask(ACME).overall_code == OK and service.metric(decided) > 0, "the server")
            server._end()
            meanwhile = {"open": OK, "closed": OVER, "local": OK}[without_server]
            eventually(lambda: envoy.ask(ALICE).overall_code == meanwhile, "the outage to be noticed")
            server.start()
            before = service.metric(decided)

            def is_back() -> bool:
                envoy.ask(descriptor(("tenant", "fresh"), hits=0))
                return service.metric(decided) > before

            eventually(is_back, "the server to be asked again")
            # Local decisions of the outage do not count here: it is the server that has the limit.
            with server.client() as db:
                assert db.rl_info("envoy:{web}:tenant")["limits"][0]["limit"] == "FIXED 4 1d"
    finally:
        server.stop()


def test_a_caller_waits_no_longer_than_his_deadline(services: Services, rules: Rules, server: Server) -> None:
    """The service decides before the caller gives up, although it would itself wait longer."""
    service = services(rules(YAML), deadline="60s", without_server="open")
    with service.envoy() as envoy:
        assert envoy.codes(ACME) == [OK]
        with paused(server):
            patient = envoy.call.future(request(ALICE), timeout=PATIENCE_S)
            hasty = envoy.call.future(request(ACME), timeout=4)
            eventually(lambda: "failure" in service.events("decision")[-1], "the service to decide")
            assert not patient.done()
        assert hasty.code() in (Status.OK, Status.DEADLINE_EXCEEDED), "the latter if the machine is very slow"
        assert patient.result().overall_code == OK
    assert service.metric('check_service_envoy_requests_total{result="allowed",source="fail_open"}') == 1


def test_a_call_whose_deadline_is_over_harms_nobody(services: Services, rules: Rules) -> None:
    service = services(rules(YAML))
    with service.envoy() as envoy:
        assert envoy.codes(ACME) == [OK]
        for _ in range(20):  # some end in time all the same
            code = envoy.call.future(request(ALICE), timeout=0.000_001).code()
            assert code in (Status.OK, Status.DEADLINE_EXCEEDED)
        assert envoy.codes(ACME) == [OK]


# --- a cluster --------------------------------------------------------------------------------------


def test_domains_may_lie_on_any_node_of_a_cluster(services: Services, rules: Rules) -> None:
    cluster = Cluster(primaries=3)
    try:
        cluster.start()
        names = [f"domain-{number}" for number in range(9)]
        folder = Path()
        for name in names:
            folder = rules(YAML.replace("web", name), f"{name}.yaml")
        service = services(folder, f"127.0.0.1:{cluster.primaries[0].port}", deadline="20s", without_server="closed")
        with service.envoy() as envoy:
            for name in names:
                answer = envoy.ask(ACME, ALICE, domain=name)
                assert [status.limit_remaining for status in answer.statuses] == [3, 3]
            assert len({cluster.owner_of(f"{{{name}}}") for name in names}) == 3
            for node in cluster.primaries:
                with node.client() as db:
                    db.do("FLUSHALL SYNC")
            for name in names:
                answer = envoy.ask(ACME, ALICE, domain=name, hits=2)
                assert [status.limit_remaining for status in answer.statuses] == [2, 2], "they are defined again"
        denied = 'check_service_envoy_requests_total{result="blocked",source="fail_closed"}'
        assert service.metric(denied) == 0
    finally:
        cluster.stop()


# --- the end ----------------------------------------------------------------------------------------


def test_its_end_answers_what_is_under_way(services: Services, rules: Rules, server: Server) -> None:
    service = services(rules(YAML), deadline="60s", drain_time="10m")
    answers: list[object] = []
    with service.envoy() as envoy:
        assert envoy.codes(ACME) == [OK]
        stubborn = threading.Thread(target=lambda: answers.append(envoy.ask(ACME)))
        with paused(server):
            stubborn.start()
            eventually(lambda: service.metric("check_service_envoy_open_requests") == 1, "the call to be made")
            service.process.send_signal(signal.SIGTERM)
            eventually(lambda: service.events("ending") != [], "the service to begin to end")
            eventually(lambda: refuses(service.grpc_address), "no more calls to be taken")
            assert not answers
        stubborn.join(PATIENCE_S)
        assert answers and answers[0].overall_code == OK
        assert service.process.wait(PATIENCE_S) == 0


def refuses(address: str) -> bool:
    with Envoy(address) as other:
        try:
            grpc.channel_ready_future(other.channel).result(timeout=1)
        except grpc.FutureTimeoutError:
            return True
        return False


def test_the_health_service_says_when_it_serves(services: Services, rules: Rules) -> None:
    service = services(rules(YAML))
    with service.envoy() as envoy:
        assert envoy.health() == 1
        assert envoy.health("ratelimit") == 1, "so the original is asked"
