# SPDX-License-Identifier: MIT
"""The manifests of examples/kubernetes as they are read, and the checker of schemas."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from functools import cache
from pathlib import Path

import yaml

from harness import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "kubernetes"
FILES = sorted(set(EXAMPLE.glob("*.yaml")) - {EXAMPLE / "kustomization.yaml"})
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


@cache
def documents() -> list[dict]:
    return [each for path in FILES for each in yaml.safe_load_all(path.read_text())]


def of_kind(kind: str) -> list[dict]:
    found = [each for each in documents() if each["kind"] == kind]
    assert found, kind
    return found


def one(kind: str, name: str) -> dict:
    [found] = [each for each in of_kind(kind) if each["metadata"]["name"] == name]
    return found


WORKLOADS = [("Deployment", "check-service"), ("StatefulSet", "ratelimit-server")]


def pod(kind: str, name: str) -> dict:
    return one(kind, name)["spec"]["template"]


def pods() -> list[dict]:
    return [pod(*each) for each in WORKLOADS]


def container(pod: dict, name: str) -> dict:
    [found] = [each for each in pod["spec"]["containers"] if each["name"] == name]
    return found


@cache
def checker() -> list[str | Path]:
    """kubernetes-validate, which brings the schemas, in an environment of its own. Others wait who want it too."""
    folder = REPOSITORY / "build" / "kubernetes"
    folder.mkdir(parents=True, exist_ok=True)
    done, wanted = folder / "done", REQUIREMENTS.read_text()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != wanted:
            shutil.rmtree(folder / "venv", ignore_errors=True)
            run("/usr/bin/python3", "-m", "venv", folder / "venv")
            pip = folder / "venv" / "bin" / "pip"
            run(pip, "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement", REQUIREMENTS)
            done.write_text(wanted)
    return [folder / "venv" / "bin" / "python", "-m", "kubernetes_validate"]


def run(*words: str | Path, **options: object) -> str:
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
