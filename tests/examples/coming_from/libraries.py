# SPDX-License-Identifier: MIT
"""The limiters of others that docs/coming-from sets beside the module, fetched in the versions that the pages name, and
what each grants. `scripts/test --examples` installs the tools; one that is not there fails its tests.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from harness import PATIENCE_S, REPOSITORY, Server, free_port, path_of

HERE = Path(__file__).parent
BUILD = REPOSITORY / "build" / "coming-from"


def run(tool: str | Path, *words: str | Path, folder: Path = HERE, given: str = "", **variables: str) -> str:
    """What it prints. The patience is for compilers and downloads."""
    streams = {"input": given, "capture_output": True, "text": True, "timeout": 3 * PATIENCE_S}
    done = subprocess.run([path_of(tool), *words], cwd=folder, env=os.environ | variables, **streams)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@contextmanager
def fetched(name: str, *files: str) -> Iterator[tuple[Path, bool]]:
    """A folder with these files, and whether it is as the last fetch left it. Others wait who want it too."""
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted, done = "".join((HERE / file).read_text() for file in files), folder / "done"
        is_there = done.exists() and done.read_text() == wanted
        if not is_there:
            for file in files:
                shutil.copy(HERE / file, folder)
        yield folder, is_there
        done.write_text(wanted)


@cache
def node_folder() -> Path:
    with fetched("node", "package.json", "package-lock.json") as (folder, is_there):
        if not is_there:
            run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", folder=folder)
    return folder / "node_modules"


@cache
def go_program() -> Path:
    with fetched("go", "theirs.go", "go.mod", "go.sum") as (folder, is_there):
        if not is_there:
            run("go", "build", "-o", "theirs", ".", folder=folder, GO111MODULE="on", GOFLAGS="-mod=mod")
    return folder / "theirs"


@cache
def java_folder() -> Path:
    with fetched("java", "pom.xml", "Theirs.java") as (folder, is_there):
        if not is_there:
            run("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", folder=folder)
            run("javac", "-cp", "lib/*", "Theirs.java", folder=folder)
    return folder


def node(server: Server, library: str, limit: int, window_ms: int, calls: list) -> list[int]:
    words = [str(server.port), library, str(limit), str(window_ms)]
    return json.loads(run("node", HERE / "theirs.js", *words, given=json.dumps(calls), NODE_PATH=str(node_folder())))


def redis_rate(server: Server, burst: int, rate: int, period: str, costs: list[int]) -> list[int]:
    words = [str(server.port), str(burst), str(rate), period]
    return json.loads(run(go_program(), *words, given=json.dumps(costs)))


def bucket4j(server: Server, limits: list[tuple[int, int, int]], calls: list[tuple[int, int]]) -> list[list[int]]:
    """Of each call: 1 or 0, the tokens left, the nanoseconds to wait."""
    lines = [" ".join(map(str, words)) for words in [*limits, (), *calls]]
    said = run("java", "-cp", "lib/*:.", "Theirs", str(server.port), folder=java_folder(), given="\n".join(lines))
    return [[int(word) for word in line.split()] for line in said.splitlines()]


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1; events {{}}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  limit_req_zone $arg_caller zone=callers:1m rate={rate};
  server {{
    listen 127.0.0.1:{port};
    root {folder};
    location / {{ limit_req zone=callers burst={burst} nodelay; limit_req_status 429; try_files /conf =404; }}
    location /ready {{ return 204; }}
  }}
}}
"""


@contextmanager
def nginx(rate: str, burst: int) -> Iterator[int]:
    """Its port, while it runs. What `return` answers is not limited, so callers get a file."""
    folder, port = Path(tempfile.mkdtemp(prefix="nginx-")), free_port()
    (folder / "conf").write_text(NGINX.format(folder=folder, rate=rate, burst=burst, port=port))
    process = subprocess.Popen([path_of("nginx"), "-p", folder, "-c", folder / "conf", "-e", folder / "error.log"])
    try:
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        shutil.rmtree(folder)
