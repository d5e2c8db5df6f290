# SPDX-License-Identifier: MIT
"""compose.yaml and Containerfile say what `run` does. No container is started: Compose itself reads its file, and its
images, commands and settings are held against those of `run`.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness import REPOSITORY, output_of
from stack_run import EXAMPLE

sys.path.insert(0, str(EXAMPLE))

import configuration  # noqa: E402
import parts  # noqa: E402

CONTAINERFILE = EXAMPLE / "Containerfile"
NOT_RUN = re.compile(r"NOT (run|built) by the project's tests or CI")


@pytest.fixture(scope="module")
def services() -> dict[str, dict]:
    """As Compose understands the file: it refuses what does not fit its schema."""
    text = output_of("docker-compose", "--file", str(EXAMPLE / "compose.yaml"), "config", cwd=REPOSITORY)
    return yaml.safe_load(text)["services"]


def words(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else value.split()


def test_it_has_the_parts_that_run_starts(services):
    assert set(services) == {"postgres", "rules", *parts.WITH_PORTS}
    assert all(service["restart"] == "always" for service in services.values())


def test_the_servers_have_the_options_of_run(services):
    assert words(services["primary"]["command"]) == configuration.PRIMARY
    assert words(services["replica"]["command"]) == ["--replicaof", "primary", "6379"]


def test_the_settings_are_those_of_run(services):
    for name in ("check-1", "check-2"):
        wanted = configuration.check_service("primary:6379", "0.0.0.0:8080", configuration.DEADLINE)
        assert services[name]["environment"] == wanted
    assert services["exporter"]["environment"] == configuration.exporter("/ratelimit.lua", "0.0.0.0:9121")
    rules = services["rules"]["environment"]
    assert rules == {
        **{"PGHOST": "postgres", "PGDATABASE": "postgres", "PGUSER": "ratelimit_rules"},
        **{"REDIS_URL": "redis://primary:6379"},
    }


def test_ports_are_published_on_the_loopback_only(services):
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == 3 and all(str(port).startswith("127.0.0.1:") for port in published)


def test_all_files_that_are_mounted_built_or_copied_exist(services):
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith("/") or Path(source).is_file(), source
        if "build" in service:
            assert (Path(service["build"]["context"]) / service["build"]["dockerfile"]).is_file()
    for source in re.findall(r"^COPY (?!--from)(\S+) ", CONTAINERFILE.read_text(), re.M):
        assert (REPOSITORY / source).exists(), source


def test_each_target_of_the_containerfile_is_built_by_a_service_or_copied_from(services):
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", CONTAINERFILE.read_text(), re.M))
    targets = {service["build"]["target"] for service in services.values() if "target" in service.get("build", {})}
    assert stages == targets | {"configured"}


@pytest.fixture(scope="module")
def configured(tmp_path_factory) -> Path:
    """What the stage of that name makes, by its own command."""
    folder = tmp_path_factory.mktemp("configured")
    command = re.search(r"^RUN python3 /source/(\S+) /configured$", CONTAINERFILE.read_text(), re.M)[1]
    output_of("/usr/bin/python3", str(REPOSITORY / command), str(folder))
    return folder


def test_what_is_copied_from_the_configured_files_is_made(configured):
    copied = set(re.findall(r"/configured/(\S+)", CONTAINERFILE.read_text()))
    assert copied == {path.name for path in configured.iterdir()}


def test_the_configured_files_are_accepted_by_their_programs(configured, tmp_path):
    assert "SUCCESS" in output_of("promtool", "check", "config", str(configured / "prometheus.yml"))
    assert "SUCCESS" in output_of("promtool", "check", "rules", str(configured / "alerts.yml"))
    front = (configured / "front.conf").read_text()
    assert "{{" not in front and "listen 80;" in front
    for name in ("check-1", "check-2"):  # names that only containers know
        front = front.replace(f"{name}:8080", "127.0.0.1:8080")
    (tmp_path / "front.conf").write_text(front.replace("listen 80;", "listen 127.0.0.1:8088;"))
    (tmp_path / "nginx.conf").write_text(parts.NGINX)
    done = subprocess.run(
        [*parts.nginx(), "-t", "-p", f"{tmp_path}/", "-e", "error.log", "-c", "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(
    platform.freedesktop_os_release().get("VERSION_CODENAME") != "bookworm",
    reason="the images have the versions of Debian 12's packages; on Debian 12, as in CI, this compares them",
)
def test_images_are_of_the_versions_that_run_is_tested_with():
    text = CONTAINERFILE.read_text() + (EXAMPLE / "compose.yaml").read_text()
    for package, image in (
        ("nginx-light", "library/nginx:"),
        ("prometheus-redis-exporter", "redis_exporter:v"),
        ("prometheus", "prom/prometheus:v"),
        ("postgresql", "library/postgres:"),
    ):
        version = re.search(rf"{image}([\d.]+)", text)[1].removesuffix(".0")
        assert output_of("dpkg-query", "-W", "-f", "${Version}", package).startswith(version), package


def test_all_say_first_that_they_are_not_run():
    for file in ("compose.yaml", "Containerfile", "README.md"):
        assert NOT_RUN.search(" ".join((EXAMPLE / file).read_text().splitlines()[:9])), file
