# SPDX-License-Identifier: MIT
"""A client that plays Envoy: gRPC's own library, with the messages that Envoy publishes (xds-protos of PyPI)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.request import urlopen

from certificates import Files
from harness import PATIENCE_S, REPOSITORY
from service import Service

# It forks nothing. Without this, gRPC complains about each process that a test starts.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
VENV = Path(os.environ.get("RATELIMIT_ENVOY_CLIENT", REPOSITORY / "build" / "envoy-client"))
sys.path[:0] = map(str, VENV.glob("lib/python3*/site-packages"))

import grpc  # noqa: E402
from envoy.extensions.common.ratelimit.v3.ratelimit_pb2 import RateLimitDescriptor  # noqa: E402
from envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse  # noqa: E402
from envoy.type.v3.ratelimit_unit_pb2 import RateLimitUnit  # noqa: E402

METHOD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
HEALTH = "/grpc.health.v1.Health/Check"
OK = RateLimitResponse.OK
OVER = RateLimitResponse.OVER_LIMIT
Unit = RateLimitResponse.RateLimit.Unit
Status = grpc.StatusCode

# is_negative_hits = true. These published messages are older than that field.
NEGATIVE = b"\x20\x01"


def descriptor(
    *pairs: tuple[str, str] | str, hits: int | None = None, negative: bool = False, limit: tuple[int, str] | None = None
) -> RateLimitDescriptor:
    """A pair is `("key", "value")`; a text is a key without a value."""
    made = RateLimitDescriptor()
    for pair in pairs:
        key, value = (pair, "") if isinstance(pair, str) else pair
        made.entries.add(key=key, value=value)
    if hits is not None:
        made.hits_addend.value = hits
    if limit is not None:
        made.limit.requests_per_unit, made.limit.unit = limit[0], RateLimitUnit.Value(limit[1])
    return RateLimitDescriptor.FromString(made.SerializeToString() + NEGATIVE) if negative else made


def request(*descriptors: RateLimitDescriptor, domain: str = "web", hits: int = 0) -> RateLimitRequest:
    return RateLimitRequest(domain=domain, descriptors=descriptors, hits_addend=hits)


class Envoy:
    """A connection to the service's door. Equal calls wait for the server, however slow the machine is."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        own = [("grpc.use_local_subchannel_pool", 1)]  # a connection that no other client has
        self.channel = (
            grpc.secure_channel(address, credentials, own) if credentials else grpc.insecure_channel(address, own)
        )
        self.call = self.channel.unary_unary(METHOD, RateLimitRequest.SerializeToString, RateLimitResponse.FromString)
        self.call_raw = self.channel.unary_unary(METHOD)  # bytes

    def __enter__(self) -> Envoy:
        return self

    def __exit__(self, *about: object) -> None:
        self.channel.close()

    def ask(self, *descriptors: RateLimitDescriptor, domain: str = "web", hits: int = 0) -> RateLimitResponse:
        return self.call(request(*descriptors, domain=domain, hits=hits), timeout=PATIENCE_S, wait_for_ready=True)

    def codes(self, *descriptors: RateLimitDescriptor, times: int = 1, **others: object) -> list[int]:
        """The codes of the same question, asked several times."""
        return [self.ask(*descriptors, **others).overall_code for _ in range(times)]

    def remaining(self, *descriptors: RateLimitDescriptor, **others: object) -> list[int]:
        """What is left for each, without taking anything."""
        looks = []
        for each in descriptors:
            look = RateLimitDescriptor()
            look.CopyFrom(each)
            look.hits_addend.value = 0
            looks.append(look)
        return [status.limit_remaining for status in self.ask(*looks, **others).statuses]

    def error(self, message: RateLimitRequest | bytes, **options: object) -> Status:
        """The status of a call that must fail."""
        call = self.call_raw if isinstance(message, bytes) else self.call
        try:
            reply = call(message, timeout=options.pop("timeout", PATIENCE_S), **options)
        except grpc.RpcError as error:
            return error.code()
        raise AssertionError(f"no error, but {reply!r}")

    def health(self, service: str = "") -> int:
        """1 is serving, 2 is not (grpc.health.v1)."""
        asked = bytes([0x0A, len(service)]) + service.encode() if service else b""
        reply = self.channel.unary_unary(HEALTH)(asked, timeout=PATIENCE_S, wait_for_ready=True)
        return reply[1] if reply else 0


class EnvoyService(Service):
    """A service with the door for Envoy."""

    def __init__(self, servers: object, rules: Path, **settings: object) -> None:
        super().__init__(servers, envoy_rules=rules, grpc_address="127.0.0.1:0", **settings)

    @property
    def grpc_address(self) -> str:
        return self.events("envoy")[0]["address"]

    def envoy(self) -> Envoy:
        return Envoy(self.grpc_address)

    def ask_encrypted(self, files: Files, path: str) -> bytes:
        """What HTTP answers to whoever trusts that certificate."""
        place = f"https://127.0.0.1:{self.port}{path}"
        with urlopen(place, timeout=PATIENCE_S, context=files.trusting()) as response:
            return response.read()
