# SPDX-License-Identifier: MIT
"""Encryption of the door for Envoy: who is answered, and a certificate that is renewed."""

from __future__ import annotations

import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from certificates import TLS_1_2, TLS_1_3, Files
from envoy_client import OK, Envoy, EnvoyService, Status, descriptor, request
from harness import PATIENCE_S, eventually

YAML = """
domain: web
descriptors:
  - key: tenant
    rate_limit: {unit: day, requests_per_unit: 100000}
"""
ACME = descriptor(("tenant", "acme"))

Services = Callable[..., EnvoyService]
Rules = Callable[..., Path]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return files_in(tmp_path / "door")


def files_in(folder: Path) -> Files:
    folder.mkdir()
    return Files(folder)


@pytest.fixture
def encrypted(services: Services, rules: Rules, files: Files) -> Callable[..., EnvoyService]:
    """A service with that certificate, and other settings."""
    return lambda **settings: services(rules(YAML), **files.settings, **settings)


def envoy(service: EnvoyService, trusted: bytes, shown: Files | None = None) -> Envoy:
    """A client that trusts this certificate, and shows another one, if there is one."""
    mine = {} if shown is None else {"private_key": shown.key.read_bytes(), "certificate_chain": bytes_of(shown)}
    return Envoy(service.grpc_address, grpc.ssl_channel_credentials(trusted, **mine))


def bytes_of(files: Files) -> bytes:
    return files.certificate.read_bytes()


def is_refused(client: Envoy) -> bool:
    """Whether there is no connection. Nothing is waited for: the first failure of the handshake is told."""
    with client:
        return client.error(request(ACME)) == Status.UNAVAILABLE


def handshake(service: EnvoyService, context: ssl.SSLContext) -> ssl.SSLSocket:
    """As Envoy makes one: gRPC is HTTP/2."""
    context.set_alpn_protocols(["h2"])
    host, port = service.grpc_address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
    return context.wrap_socket(connection, server_hostname="127.0.0.1")


# --- handshakes -------------------------------------------------------------------------------------


def test_who_trusts_the_certificate_is_answered_and_who_does_not_encrypt_is_not(
    encrypted: Callable[..., EnvoyService], files: Files, tmp_path: Path
) -> None:
    service = encrypted()
    with envoy(service, bytes_of(files)) as client:
        assert client.codes(ACME, times=3) == [OK, OK, OK]
        assert client.health() == 1
    assert is_refused(service.envoy())
    assert is_refused(envoy(service, bytes_of(files_in(tmp_path / "other"))))
    assert service.ask_encrypted(files, "/healthcheck") == b"OK", "and the door for HTTP is encrypted, too"


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_clients_of_both_versions_may_come(
    encrypted: Callable[..., EnvoyService], files: Files, version: ssl.TLSVersion
) -> None:
    with handshake(encrypted(), files.trusting(version)) as connection:
        assert (connection.version(), connection.selected_alpn_protocol()) == (version.name.replace("_", "."), "h2")


def test_an_older_version_than_the_oldest_is_refused(encrypted: Callable[..., EnvoyService], files: Files) -> None:
    service = encrypted(listen_tls="1.3")
    with pytest.raises(ssl.SSLError):
        handshake(service, files.trusting(TLS_1_2)).close()
    with handshake(service, files.trusting()) as connection:
        assert connection.version() == "TLSv1.3"
    with envoy(service, bytes_of(files)) as client:
        assert client.codes(ACME) == [OK]


def test_clients_need_a_certificate_of_the_authorities(
    encrypted: Callable[..., EnvoyService], files: Files, tmp_path: Path
) -> None:
    client, stranger = (files_in(tmp_path / name) for name in ("client", "stranger"))
    service = encrypted(listen_authorities=client.certificate)
    assert is_refused(envoy(service, bytes_of(files)))
    assert is_refused(envoy(service, bytes_of(files), shown=stranger))
    with envoy(service, bytes_of(files), shown=client) as right:
        assert right.codes(ACME) == [OK]


def test_grpc_may_stay_plain(encrypted: Callable[..., EnvoyService], files: Files) -> None:
    service = encrypted(grpc_tls="no")
    with service.envoy() as client:
        assert client.codes(ACME) == [OK]
    assert service.ask_encrypted(files, "/healthcheck") == b"OK"


def test_a_handshake_that_does_not_end_is_closed(encrypted: Callable[..., EnvoyService], files: Files) -> None:
    service = encrypted(request_time="1s")
    host, port = service.grpc_address.rsplit(":", 1)
    for begin in (b"", b"\x16\x03\x01\x02\x00\x01"):
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as slow:
            slow.sendall(begin)
            with envoy(service, bytes_of(files)) as client:
                assert client.codes(ACME) == [OK]
            while slow.recv(1000):
                pass


# --- the files --------------------------------------------------------------------------------------


def test_a_renewed_certificate_is_used_after_a_hang_up(encrypted: Callable[..., EnvoyService], files: Files) -> None:
    service = encrypted()
    old = bytes_of(files)
    with envoy(service, old) as connected:
        assert connected.codes(ACME) == [OK]
        for times in (1, 2):
            files.renew()
            service.process.send_signal(signal.SIGHUP)
            eventually(lambda times=times: len(service.events("reloaded")) == times, "it to read the files again")
            with envoy(service, bytes_of(files)) as client:
                assert client.codes(ACME) == [OK]
            assert is_refused(envoy(service, old))
        assert connected.codes(ACME) == [OK], "who is connected stays so"


def test_a_certificate_that_cannot_be_used_leaves_the_old_one(
    encrypted: Callable[..., EnvoyService], files: Files, tmp_path: Path
) -> None:
    service = encrypted()
    old = bytes_of(files)
    other = files_in(tmp_path / "other")
    for times, faulty in enumerate((b"nothing", b"", bytes_of(other)), 1):
        files.certificate.write_bytes(faulty)
        service.process.send_signal(signal.SIGHUP)
        eventually(lambda times=times: len(service.events("not reloaded")) == times, "it to read the files again")
        with envoy(service, old) as client:
            assert client.codes(ACME) == [OK]


def test_certificates_may_be_renewed_while_clients_come(
    encrypted: Callable[..., EnvoyService], files: Files, tmp_path: Path
) -> None:
    """Two certificates in turn: each client knows both, and none is refused."""
    service = encrypted()
    other = files_in(tmp_path / "other")
    pairs = [(each.certificate.read_text(), each.key.read_text()) for each in (files, other)]
    trusted = "".join(certificate for certificate, _ in pairs).encode()
    for turn in range(20):
        certificate, key = pairs[turn % 2]
        files.certificate.write_text(certificate)
        files.key.write_text(key)
        service.process.send_signal(signal.SIGHUP)
        with envoy(service, trusted) as client:
            assert client.codes(ACME) == [OK]
