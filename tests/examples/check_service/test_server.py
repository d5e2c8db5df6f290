# SPDX-License-Identifier: MIT
"""The server behind the check service: away, slow, behind a password, behind TLS, a cluster; and leases."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cluster import Cluster, Sentinels
from harness import Server, eventually, free_port, output_of
from service import Service, all_of, paused, request_bytes

FIVE = {"key": "k", "limits": "FIXED 5 1h"}
NOBODY = "127.0.0.1:1"


# --- without the server -----------------------------------------------------------------------------


def test_without_a_server_it_grants_if_it_is_told_so(services: Callable[..., Service]) -> None:
    service = services(NOBODY, without_server="open")
    answer = service.check(**FIVE)
    assert answer.status == 200 and answer.json["source"] == "fail_open"
    assert service.metric('check_service_decisions_total{limiter="",source="fail_open",result="allowed"}') == 1
    assert service.events("decision")[0]["level"] == "warn"


def test_without_a_server_it_denies_if_it_is_told_so(services: Callable[..., Service]) -> None:
    answer = services(NOBODY, without_server="closed").check(**FIVE)
    assert answer.status == 503 and int(answer.fields["Retry-After"]) >= 1


def test_without_a_server_it_decides_by_its_share(services: Callable[..., Service]) -> None:
    service = services(NOBODY, without_server="local", share="2/5")
    answers = [service.check(**FIVE) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert {answer.json["source"] for answer in answers} == {"local"}
    counted = 'check_service_decisions_total{limiter="",source="local",result='
    assert service.metric(counted + '"allowed"') == 2 and service.metric(counted + '"blocked"') == 1
    assert service.metric('ratelimit_client_calls_total{source="local",outcome="granted"}') == 2


def test_without_a_server_nobody_knows_the_limits_of_a_limiter(services: Callable[..., Service]) -> None:
    service = services(NOBODY, without_server="local")
    assert service.check(limiter="api", subject="bob").status == 503
    assert service.metric('ratelimit_client_events_total{kind="local_undecided"}') == 1
    assert service.metric('check_service_decisions_total{limiter="other",source="local",result="blocked"}') == 1


def test_a_server_that_does_not_answer_is_left_alone_for_a_while(
    services: Callable[..., Service], server: Server
) -> None:
    service = services(deadline="50ms", threads=1)
    service.check(**FIVE)
    with paused(server):
        eventually(lambda: ask_many(service) and is_open(service), "its circuit breaker to open")
        assert service.metric('ratelimit_client_events_total{kind="breaker_opened"}') >= 1
        eventually(lambda: b'"failure":"left_alone"' in ask_many(service), "callers to be answered at once")
        assert service.ask("GET", "/health/ready").status == 503
    eventually(lambda: service.check(**FIVE).json["source"] == "server", "it to be asked again")
    eventually(lambda: service.check(**FIVE) and not is_open(service), "the breaker to close")


def ask_many(service: Service) -> bytes:
    """So many at once that they count, however slow the machine is."""
    with service.socket() as connection:
        connection.sendall(request_bytes(FIVE) * 32)
        connection.shutdown(socket.SHUT_WR)
        return all_of(connection)


def test_it_is_ready_only_while_the_server_answers(services: Callable[..., Service]) -> None:
    server = Server().start()
    try:
        service = services(server.socket)
        assert service.ask("GET", "/health/ready").status == 200
        server._end()
        eventually(lambda: service.ask("GET", "/health/ready").status == 503, "it to notice")
        assert service.ask("GET", "/health/live").status == 200
        server.start()
        eventually(lambda: service.ask("GET", "/health/ready").status == 200, "it to recover")
    finally:
        server.stop()


def test_a_caller_waits_no_longer_than_he_says(services: Callable[..., Service], server: Server) -> None:
    service = services(deadline="5s")
    service.check(**FIVE)
    with paused(server):
        answer = service.ask("POST", "/check", FIVE, X_Request_Timeout="50ms")
    assert answer.json["failure"] == "timeout" and answer.json["source"] == "fail_open"


def test_what_the_server_answers_late_is_no_answer_to_others(services: Callable[..., Service], server: Server) -> None:
    service = services(deadline="5s", threads=1)
    with paused(server):
        assert service.ask("POST", "/check", FIVE, X_Request_Timeout="50ms").json["source"] == "fail_open"
    other = service.check(key="other", limits="FIXED 77 1h")
    assert other.json["limit"] == 77 and other.json["remaining"] == 76


def test_a_connection_that_the_server_closes_costs_no_call(services: Callable[..., Service], server: Server) -> None:
    service = services(threads=1)
    service.check(**FIVE)
    with server.client() as db:
        db.do("CLIENT KILL TYPE normal SKIPME yes")
    answers = [service.check(key="k", limits="FIXED 100 1h").json["source"] for _ in range(20)]
    assert answers == ["server"] * 20


# --- leases -----------------------------------------------------------------------------------------


def test_hot_subjects_are_leased_and_never_granted_too_much(services: Callable[..., Service]) -> None:
    pair = [services(lease=20, hot=5), services(lease=20, hot=5)]
    limit, asked = 300, 500
    body = {"key": "hot", "limits": f"FIXED {limit} 1h"}

    def granted(service: Service) -> list[str]:
        answers = [service.check(**body) for _ in range(asked)]
        return [answer.json["source"] for answer in answers if answer.status == 200]

    with ThreadPoolExecutor() as pool:
        sources = [source for each in pool.map(granted, pair) for source in each]
    assert len(sources) <= limit and sources.count("lease") > 50
    rest = 0
    while pair[0].check(**body | {"cost": 1}).status == 200:
        rest += 1
    assert len(sources) + rest <= limit


def is_open(service: Service) -> bool:
    """Or half open: it tries."""
    return service.metric("ratelimit_client_breaker_state") > 0


def test_at_its_end_it_refunds_what_is_left_in_leases(services: Callable[..., Service], server: Server) -> None:
    service = services(lease=50, hot=2, threads=1)
    answers = [service.check(key="hot", limits="FIXED 300 1h").json for _ in range(20)]
    assert {answer["source"] for answer in answers} == {"server", "lease"}
    with server.client() as db:
        assert db.do("RL.PEEK hot FIXED 300 1h")[2] < 280, "some units are leased"
        assert service.end() == 0
        assert db.do("RL.PEEK hot FIXED 300 1h")[2] == 280


# --- the way to the server --------------------------------------------------------------------------


def test_a_user_of_the_acl_needs_the_commands_only(services: Callable[..., Service], server: Server) -> None:
    with server.client() as db:
        db.do("ACL SETUSER checks on >secret-word ~* +@all -@admin")
    service = services(user="checks", password="secret-word")
    assert service.check(**FIVE).json["source"] == "server"
    assert "secret-word" not in service.log_text() + service.ask("GET", "/metrics").body.decode()


def test_a_wrong_password_is_said_and_never_shown(services: Callable[..., Service], server: Server) -> None:
    with server.client() as db:
        db.do("ACL SETUSER checks on >secret-word ~* +@all")
    service = services(user="checks", password="wrong-word", without_server="open")
    answer = service.check(**FIVE)
    assert answer.status == 500, "a mistake of the set-up lets nobody through"
    assert service.ask("GET", "/health/ready").status == 503
    assert "WRONGPASS" in service.log_text() and "wrong-word" not in service.log_text()


def test_the_password_may_be_in_a_file(services: Callable[..., Service], server: Server, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret-word\n")
    with server.client() as db:
        db.do("CONFIG SET requirepass secret-word")
        try:
            service = services(password_file=file)
            assert service.check(**FIVE).json["source"] == "server"
            assert services().check(**FIVE).status == 500
            assert "secret-word" not in service.log_text()
        finally:
            db.execute_command("CONFIG", "SET", "requirepass", "")


def test_a_server_without_the_module_is_a_mistake_of_the_set_up(services: Callable[..., Service]) -> None:
    plain = Server(module=None).start()
    try:
        service = services(plain.socket)
        answer = service.check(key="secret-key", limits="FIXED 5 1h")
        assert answer.status == 500 and "secret-key" not in answer.body.decode() + service.log_text()
    finally:
        plain.stop()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    output_of("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files)
    return folder


def test_it_speaks_tls_to_the_server(services: Callable[..., Service], certificates: Path) -> None:
    port = free_port()
    files = ["--tls-cert-file", str(certificates / "cert.pem"), "--tls-key-file", str(certificates / "key.pem")]
    server = Server("--tls-port", str(port), "--tls-auth-clients", "no", *files).start()
    try:
        service = services(f"127.0.0.1:{port}", tls="yes", tls_authorities=certificates / "cert.pem")
        assert service.check(**FIVE).json["source"] == "server"
        stranger = services(f"127.0.0.1:{port}", tls="yes")
        assert stranger.check(**FIVE).json["source"] == "fail_open", "nobody vouches for the server"
    finally:
        server.stop()


def test_it_shows_a_certificate_to_a_server_that_asks_for_one(
    services: Callable[..., Service], certificates: Path
) -> None:
    port = free_port()
    certificate, key = certificates / "cert.pem", certificates / "key.pem"
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate)]
    server = Server("--tls-port", str(port), "--tls-auth-clients", "yes", *files).start()
    try:
        trusting = {"tls": "yes", "tls_authorities": certificate}
        service = services(f"127.0.0.1:{port}", **trusting, tls_certificate=certificate, tls_key=key)
        assert service.check(**FIVE).json["source"] == "server"
        assert services(f"127.0.0.1:{port}", **trusting).check(**FIVE).json["source"] == "fail_open"
    finally:
        server.stop()


# --- several servers --------------------------------------------------------------------------------


def test_it_follows_the_slots_of_a_cluster(services: Callable[..., Service]) -> None:
    cluster = Cluster(primaries=3).start()
    try:
        service = services(f"127.0.0.1:{cluster.primaries[0].port}", deadline="20s")
        answers = [service.check(key=f"user:{number}", limits="FIXED 5 1h").json for number in range(30)]
        assert {(answer["source"], answer["remaining"]) for answer in answers} == {("server", 4)}
    finally:
        cluster.stop()


def test_it_asks_sentinels_for_the_primary_and_follows_a_failover(services: Callable[..., Service]) -> None:
    sentinels = Sentinels(replicas=1)
    try:
        sentinels.start()
        places = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in sentinels.sentinels)
        service = services(NOBODY, sentinels=places, primary=Sentinels.NAME, without_server="closed")
        assert service.check(**FIVE).json["source"] == "server"
        sentinels.expect_a_death()
        sentinels.primary().kill()
        assert service.check(**FIVE).status == 503
        eventually(lambda: service.check(**FIVE).status == 200, "the service to find the new primary")
        eventually(lambda: service.ask("GET", "/health/ready").status == 200, "the service to be ready again")
    finally:
        sentinels.stop()


def test_its_end_answers_what_the_server_does_not(services: Callable[..., Service], server: Server) -> None:
    service = services(deadline="1s", drain_time="100ms", threads=1)
    with service.socket() as connection, paused(server):
        connection.sendall(request_bytes(FIVE))
        eventually(lambda: service.metric("check_service_connections") == 2, "the call to be made")
        assert service.end() == 0
