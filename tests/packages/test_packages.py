# SPDX-License-Identifier: MIT
"""The packages of scripts/package: installed into a bare root, where a server loads the module by the lines that they
bring; and what they say of themselves. No container and no network is needed.
"""

from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bare_root import BareRoot, unpack
from harness import REPOSITORY, output_of

PACKAGES = REPOSITORY / "build" / "packages"
PAGES = "usr/share/doc/ratelimit"
PICTURE = re.compile(r"!\[[^]]*\]\((?!https?:)([^)\s]+)")
CONF = "usr/share/ratelimit/ratelimit.conf"
MONITORING = "usr/share/ratelimit/monitoring"
MONITORED_BY = ("grafana.json", "prometheus.yml", "ratelimit.lua", "rules.yml")
CHECK = "RL.CHECK user:42 TOKENBUCKET 5 1 1s".split()
GRANTED = ["1", "5", "4", "0", "1000", "tokenbucket"]
SERVER = ("port 0", "unixsocket /tmp/socket", "dir /data", 'save ""')


def package(pattern: str) -> Path:
    found = list(PACKAGES.glob(pattern))
    assert len(found) == 1, f"scripts/package makes one {pattern}, and there are {len(found)}"
    return found[0]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[BareRoot]:
    bare = BareRoot(tmp_path / "root")
    yield bare
    bare.stop()


def test_an_installed_deb_is_loaded_and_answers(root: BareRoot) -> None:
    root.install(package("ratelimit_*.deb"))
    root.start(*SERVER, (root.folder / CONF).read_text())
    assert root.ask(*CHECK) == GRANTED


def test_an_installed_deb_brings_what_prometheus_is_given(root: BareRoot) -> None:
    root.install(package("ratelimit_*.deb"))
    assert {file.name for file in (root.folder / MONITORING).iterdir()} == set(MONITORED_BY)


def test_the_server_starts_again_after_it_has_rewritten_its_configuration(root: BareRoot) -> None:
    root.install(package("ratelimit_*.deb"))
    root.start(*SERVER, (root.folder / CONF).read_text())
    assert root.ask("CONFIG", "REWRITE") == ["OK"]
    root.stop()
    root.start()
    assert root.ask(*CHECK) == GRANTED


def test_an_unpacked_rpm_is_loaded_and_answers(root: BareRoot) -> None:
    unpack(package("ratelimit-[0-9]*.rpm"), root.folder)
    root.start(*SERVER, (root.folder / CONF).read_text())
    assert root.ask(*CHECK) == GRANTED


def test_a_machine_with_an_older_libc_refuses_the_deb(root: BareRoot) -> None:
    status = root.folder / "var/lib/dpkg/status"
    lines = status.read_text().splitlines(keepends=True)
    status.write_text("".join("Version: 2.31-1\n" if line.startswith("Version:") else line for line in lines))
    with pytest.raises(AssertionError, match="depends on libc6"):
        root.install(package("ratelimit_*.deb"))


def test_lintian_finds_nothing_in_the_debs() -> None:
    debs = [str(deb) for deb in PACKAGES.glob("*.deb")]
    assert len(debs) == 3
    lintian = ["lintian", "--allow-root", "--fail-on", "error,warning", *debs]
    checked = subprocess.run(lintian, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_deb_says_what_it_needs() -> None:
    fields = ["Depends", "Recommends", "Suggests"]
    said = output_of("dpkg-deb", "--field", str(package("ratelimit_*.deb")), *fields)
    assert "Depends: libc6 (>= 2." in said
    assert "Recommends: tzdata\n" in said
    assert "Suggests: redis-server (>= 5:7.0) | valkey-server (>= 7.2)\n" in said


def test_an_installed_replay_reads_a_log(root: BareRoot) -> None:
    unpack(package("ratelimit-replay_*.deb"), root.folder)
    log = "1800000000,ada\n1800000000,ada\n"
    program = [str(root.folder / "usr/bin/ratelimit-replay"), "--limit", "FIXED 1 1s", "--json"]
    done = subprocess.run(program, input=log, capture_output=True, text=True, check=True)
    assert '"calls":2,"granted":1,"denied":1' in done.stdout


@pytest.mark.parametrize("pattern", ["ratelimit-replay_*.deb", "ratelimit-replay-*.rpm"])
def test_replay_has_a_manual_page_with_all_that_its_help_says(pattern: str, tmp_path: Path) -> None:
    unpack(package(pattern), tmp_path)
    told = output_of(str(tmp_path / "usr/bin/ratelimit-replay"), "--help")
    page = gzip.decompress((tmp_path / "usr/share/man/man1/ratelimit-replay.1.gz").read_bytes()).decode()
    page = page.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
    words = set(re.findall(r"--[a-z]+|[a-z]+(?:[/+.][a-z0-9,]+)+", told))
    assert {"--suggest", "path/2", "user+path/1", "request.path"} <= words
    assert {word for word in words if word not in page} == set()
    assert "ratelimit-replay - tries rate limits on access logs" in page.replace(" \\- ", " - ")


def test_the_rpm_says_what_it_needs_and_holds() -> None:
    rpm = str(package("ratelimit-[0-9]*.rpm"))
    assert re.search(r"^libc\.so\.6\(GLIBC_2\.3\d\)", output_of("rpm", "-qp", "--requires", rpm), re.MULTILINE)
    files = output_of("rpm", "-qp", "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]", rpm).splitlines()
    assert "-rwxr-xr-x /usr/lib64/redis/modules/ratelimit.so" in files
    assert f"-rw-r--r-- /{CONF}" in files
    assert {f"-rw-r--r-- /{MONITORING}/{name}" for name in MONITORED_BY} <= set(files)
    assert f"-rw-r--r-- /{PAGES}/README.md" in files
    assert "-rw-r--r-- /usr/share/licenses/ratelimit/Apache-2.0" in files


@pytest.mark.parametrize("pattern", ["ratelimit_*.deb", "ratelimit-[0-9]*.rpm"])
def test_an_installed_page_finds_every_picture_that_it_shows(pattern: str, tmp_path: Path) -> None:
    unpack(package(pattern), tmp_path)
    pages = tmp_path / PAGES
    shown = [(page, picture) for page in pages.rglob("*.md") for picture in PICTURE.findall(page.read_text())]
    assert {page.relative_to(pages).as_posix() for page, _ in shown} >= {"README.md", "docs/performance.md"}
    assert [f"{page.name}: {picture}" for page, picture in shown if not (page.parent / picture).is_file()] == []


@pytest.mark.parametrize("pattern", ["ratelimit-dev_*_all.deb", "ratelimit-devel-*.noarch.rpm"])
def test_the_headers_are_a_package_for_any_machine(pattern: str) -> None:
    headers = package(pattern)
    listing = ["dpkg-deb", "--contents"] if headers.suffix == ".deb" else ["rpm", "-qlp"]
    listed = output_of(*listing, str(headers))
    assert "/usr/include/ratelimit/algorithms/token_bucket.h\n" in listed
    assert "/usr/share/cmake/ratelimit/ratelimit-config.cmake\n" in listed
    assert ".so" not in listed
