# SPDX-License-Identifier: MIT
"""The packages of scripts/package: installed into a bare root, where a server loads the module by the lines that they
bring; and what they say of themselves. No container and no network is needed.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bare_root import BareRoot
from harness import REPOSITORY, output_of

PACKAGES = REPOSITORY / "build" / "packages"
CONF = "usr/share/ratelimit/ratelimit.conf"
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


def test_the_server_starts_again_after_it_has_rewritten_its_configuration(root: BareRoot) -> None:
    root.install(package("ratelimit_*.deb"))
    root.start(*SERVER, (root.folder / CONF).read_text())
    assert root.ask("CONFIG", "REWRITE") == ["OK"]
    root.stop()
    root.start()
    assert root.ask(*CHECK) == GRANTED


def test_an_unpacked_rpm_is_loaded_and_answers(root: BareRoot) -> None:
    root.unpack_rpm(package("ratelimit-[0-9]*.rpm"))
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
    assert len(debs) == 2
    lintian = ["lintian", "--allow-root", "--fail-on", "error,warning", *debs]
    checked = subprocess.run(lintian, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_deb_says_what_it_needs() -> None:
    fields = ["Depends", "Recommends", "Suggests"]
    said = output_of("dpkg-deb", "--field", str(package("ratelimit_*.deb")), *fields)
    assert "Depends: libc6 (>= 2." in said
    assert "Recommends: tzdata\n" in said
    assert "Suggests: redis-server (>= 5:7.0) | valkey-server (>= 7.2)\n" in said


def test_the_rpm_says_what_it_needs_and_holds() -> None:
    rpm = str(package("ratelimit-[0-9]*.rpm"))
    assert re.search(r"^libc\.so\.6\(GLIBC_2\.3\d\)", output_of("rpm", "-qp", "--requires", rpm), re.MULTILINE)
    files = output_of("rpm", "-qp", "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]", rpm).splitlines()
    assert "-rwxr-xr-x /usr/lib64/redis/modules/ratelimit.so" in files
    assert f"-rw-r--r-- /{CONF}" in files
    assert "-rw-r--r-- /usr/share/doc/ratelimit/README.md" in files
    assert "-rw-r--r-- /usr/share/licenses/ratelimit/Apache-2.0" in files


@pytest.mark.parametrize("pattern", ["ratelimit-dev_*_all.deb", "ratelimit-devel-*.noarch.rpm"])
def test_the_headers_are_a_package_for_any_machine(pattern: str) -> None:
    headers = package(pattern)
    listing = ["dpkg-deb", "--contents"] if headers.suffix == ".deb" else ["rpm", "-qlp"]
    listed = output_of(*listing, str(headers))
    assert "/usr/include/ratelimit/algorithms/token_bucket.h\n" in listed
    assert "/usr/share/cmake/ratelimit/ratelimit-config.cmake\n" in listed
    assert ".so" not in listed
