# SPDX-License-Identifier: MIT
"""A bare root: a folder with nothing but a server, its client, the libraries that both load, and dpkg's list of those.

It becomes the root of the processes that run in it. Who is not root here becomes it in a namespace of his own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from harness import PATIENCE_S, eventually, output_of

AS_ROOT = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
CONF = "/etc/server.conf"


def unpack(package: Path, folder: Path) -> None:
    """All files of a package, and nothing else of what an installation does."""
    if package.suffix == ".deb":
        output_of("dpkg-deb", "--extract", str(package), str(folder))
        return
    content = subprocess.run(["rpm2cpio", package], check=True, capture_output=True).stdout
    cpio = ["cpio", "--extract", "--make-directories", "--quiet"]
    subprocess.run(cpio, input=content, cwd=folder, check=True)


class BareRoot:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen | None = None
        for name in ("etc", "tmp", "data", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
            (folder / name).mkdir(parents=True)
        for program in ("redis-server", "redis-cli"):
            self._copy_program(program)
        # What a package may depend on. dpkg refuses a package whose dependencies are not on this list.
        (folder / "var/lib/dpkg/status").write_text(output_of("dpkg-query", "--status", "libc6"))

    def install(self, package: Path) -> None:
        """As a machine installs a .deb: with its dependencies checked, unpacked, configured."""
        fake = [] if os.geteuid() == 0 else ["fakeroot"]
        output_of(*fake, "dpkg", "--force-not-root", f"--root={self.folder}", "--install", str(package))

    def start(self, *lines: str) -> None:
        """Starts the server with its own configuration file, which these lines are appended to."""
        with (self.folder / CONF[1:]).open("a") as conf:
            print(*lines, sep="\n", file=conf)
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self._inside("/usr/bin/redis-server", CONF), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        eventually(self._answers, "the server in the bare root to answer")

    def ask(self, *words: str) -> list[str]:
        """What the client prints, a line for each element of the reply."""
        return output_of(*self._inside("/usr/bin/redis-cli", "-s", "/tmp/socket", *words)).splitlines()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._process = None

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text()
        ping = self._inside("/usr/bin/redis-cli", "-s", "/tmp/socket", "PING")
        return subprocess.run(ping, capture_output=True, timeout=PATIENCE_S).stdout == b"PONG\n"

    def _inside(self, *command: str) -> list[str]:
        return [*AS_ROOT, "chroot", str(self.folder), *command]

    def _copy_program(self, name: str) -> None:
        program = Path(shutil.which(name))
        to = self.folder / "usr/bin" / name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program, to)
        for library in re.findall(r"/\S+(?= \(0x)", output_of("ldd", str(program))):
            copy = self.folder / library[1:]
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, copy)
