# SPDX-License-Identifier: MIT
"""What bench/service measures."""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from doors import DESCRIPTORS, RULES, Service, ask, certificate
from server import Server
from service_page import RATE, Row, page

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "service.md"
HEADING = "## The check service"  # by which bench/quote finds it
AT_ONCE = 64  # calls
LEASE = 1000
HTTP = {"connections": AT_ONCE}
GRPC = {"connections": 4, "under_way": AT_ONCE // 4}  # Envoy opens a connection for each of its threads
ONE = {"connections": 1}


@dataclass(frozen=True)
class Services:
    """One for each set of settings that is measured."""

    plain: Service
    envoy: Service  # has both doors
    tls: Service
    leases: Service


def rows_of(server: Server, to: Services, half: dict[str, int]) -> dict[str, Row]:
    """All lines of the table. `half` is half of what each door answers."""
    several = len(DESCRIPTORS)
    return {
        "bare": Row(f"bare RL.CHECK, {AT_ONCE} connections", "redis", server, HTTP),
        "http": Row(f"HTTP, {AT_ONCE} connections", "http", to.plain, HTTP),
        "grpc": Row(f"gRPC, 4 connections, {AT_ONCE} streams", "grpc", to.envoy, GRPC),
        "several": Row(f"the same, {several} descriptors", "grpc", to.envoy, GRPC | {"descriptors": several}),
        "https": Row(f"HTTPS, {AT_ONCE} connections", "https", to.tls, HTTP),
        "leases": Row(f"HTTP, 10 hot subjects, leases of {LEASE}", "http", to.leases, HTTP | {"callers": 10}),
        "http half": Row("HTTP, at half of its rate", "http", to.plain, HTTP | {"rate": half["http"]}),
        "grpc half": Row("gRPC, at half of its rate", "grpc", to.envoy, GRPC | {"rate": half["grpc"]}),
        "bare paced": Row(f"bare RL.CHECK, {RATE:,} a second", "redis", server, HTTP | {"rate": RATE}),
        "http paced": Row(f"HTTP, {RATE:,} a second", "http", to.plain, HTTP | {"rate": RATE}),
        "grpc paced": Row(f"gRPC, {RATE:,} a second", "grpc", to.envoy, GRPC | {"rate": RATE}),
        "bare alone": Row("bare RL.CHECK, one call at a time", "redis", server, ONE),
        "http alone": Row("HTTP, one call at a time", "http", to.plain, ONE),
        "grpc alone": Row("gRPC, one call at a time", "grpc", to.envoy, ONE),
    }


def measured(server: Server, generator: Path, rounds: int, seconds: float) -> list[str]:
    """All rows take turns, because what else the machine does changes: of each figure, the median of the rounds."""
    busy = os.getloadavg()[0]
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        each: tuple[dict, ...] = ({}, {"rules": RULES}, ends.enter_context(certificate()), {"lease": str(LEASE)})
        place = f"127.0.0.1:{server.port}"
        services = [ends.enter_context(Service(folder, servers=place, **settings)) for settings in each]
        to = Services(*services)
        half = {
            door: max(int(ask(generator, door, service, seconds, **amounts).rate / 2), 1)
            for door, service, amounts in (("http", to.plain, HTTP), ("grpc", to.envoy, GRPC))
        }
        rows = rows_of(server, to, half)
        for _ in range(rounds):
            for row in rows.values():
                row.loads.append(ask(generator, row.door, row.asked, seconds, **row.amounts))
                if isinstance(row.asked, Service):
                    row.memory_mb = row.asked.memory_mb()
        leased = [service.part_of_leases() for service in services][-1]
        return page(rows, leased, busy)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--load-generator", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    rounds, seconds = (1, 0.5) if options.quick else (7, 2)
    with Server(
        os.environ.get("RATELIMIT_SERVER", "redis-server"), os.environ["RATELIMIT_MODULE"], pinned=False
    ) as server:
        lines = measured(server, options.load_generator, rounds, seconds)
    print("\n".join(lines))
    if not options.quick:
        RESULTS.write_text("\n".join(["<!-- written by bench/service -->", "", HEADING, "", *lines, ""]))


if __name__ == "__main__":
    main()
