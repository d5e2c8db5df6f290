# SPDX-License-Identifier: MIT
"""The check service as a process with both doors, and the load on a door as a function."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from server import Server, free_port, until

BUILT = Path(__file__).parent.parent / "build/check-service/examples/check-service"
DESCRIPTORS = ("caller", "caller1", "caller2", "caller3")  # the keys of bench_doors
RULES = "domain: bench\ndescriptors:\n" + "".join(
    f"  - {{key: {key}, limit: TOKENBUCKET 1000000 1000000 1s}}\n" for key in DESCRIPTORS
)


@dataclass(frozen=True)
class Load:
    """What one run says."""

    rate: float  # calls a second
    p50_ms: float
    p99_ms: float
    late_p99_ms: float  # how late the load generator sent, if it sent at a rate
    all_calls: int  # those of the warm-up, too
    processor_us: float = 0  # of the service, a call


class Service:
    """A running check service. Leaving the `with` block ends it."""

    def __init__(self, folder: Path, rules: str = "", **more: str) -> None:
        """With these settings besides the usual ones. `rules`, written into `folder`, open the door for Envoy."""
        program = Path(os.environ.get("RATELIMIT_CHECK_SERVICE", BUILT)) / "check-service"
        self._scheme = "https" if "listen_certificate" in more else "http"
        self.ports = {self._scheme: free_port()}
        settings = {
            "LISTEN": f"127.0.0.1:{self.ports[self._scheme]}",
            "DEADLINE": "10s",  # whoever waits on a busy machine is measured, and not admitted without the server
            "LOG_LEVEL": "warn",
            **{name.upper(): value for name, value in more.items()},
        }
        if rules:
            (folder / "rules.yaml").write_text(rules)
            self.ports["grpc"] = free_port()
            settings |= {"ENVOY_RULES": str(folder), "GRPC_ADDRESS": f"127.0.0.1:{self.ports['grpc']}"}
        self.asked = 0  # checks, of all loads
        variables = os.environ | {f"CHECK_SERVICE_{name}": value for name, value in settings.items()}
        self._process = subprocess.Popen([program], env=variables)

    def __enter__(self) -> Service:
        for port in self.ports.values():
            until(lambda port=port: is_open(port), "the service did not start")
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        self._process.wait(20)

    def processor_seconds(self) -> float:
        """Of all its threads, until now. Unlike a rate it does not depend on what else the machine does."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def decisions(self) -> dict[str, int]:
        """How many checks it decided, by `source`: server, lease, or one of those that need neither."""
        anyone = ssl.create_default_context()
        anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE  # it is our own process
        place = f"{self._scheme}://127.0.0.1:{self.ports[self._scheme]}/metrics"
        with urllib.request.urlopen(place, context=anyone if self._scheme == "https" else None) as reply:
            lines = reply.read().decode().splitlines()
        counted: dict[str, int] = {}
        for line in lines:
            if line.startswith(("check_service_decisions_total{", "check_service_envoy_requests_total{")):
                source = line.split('source="')[1].split('"')[0]
                counted[source] = counted.get(source, 0) + int(line.split()[-1])
        return counted

    def part_of_leases(self) -> float:
        """Of all decisions. Ends the run unless all that was asked was decided by the server or a lease of it."""
        decided = self.decisions()
        if decided.get("server", 0) + decided.get("lease", 0) != self.asked or set(decided) - {"server", "lease"}:
            raise SystemExit(f"{self.asked} checks were asked, but these were decided: {decided}")
        return decided.get("lease", 0) / max(self.asked, 1)


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextmanager
def certificate() -> Iterator[dict[str, str]]:
    """The settings for encryption."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"listen_certificate": f"{folder}/cert.pem", "listen_key": f"{folder}/key.pem"}
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        place = ["-out", files["listen_certificate"], "-keyout", files["listen_key"]]
        subprocess.run([*make, *place], check=True, capture_output=True)
        yield files


def ask(generator: Path, door: str, asked: Server | Service, seconds: float, **amounts: int) -> Load:
    """Load on that door of the service, or on the server itself (`redis`). Each call must be granted."""
    port = asked.ports[door] if isinstance(asked, Service) else asked.port
    words = [generator, "--door", door, "--port", str(port), "--seconds", str(seconds)]
    for name, value in amounts.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    before = asked.processor_seconds() if isinstance(asked, Service) else 0
    said = subprocess.run(words, stdout=subprocess.PIPE, text=True)  # a fault goes to the terminal
    if said.returncode:
        raise SystemExit(f"the load generator ended: {words}")
    done = json.loads(said.stdout)
    if done.pop("refused"):
        raise SystemExit(f"a call was not granted: {words}")
    if not isinstance(asked, Service):
        return Load(**done)
    asked.asked += done["all_calls"]
    return Load(**done, processor_us=(asked.processor_seconds() - before) * 1e6 / done["all_calls"])
