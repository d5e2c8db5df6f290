# SPDX-License-Identifier: MIT
"""docs/which-limit.md: each command of its consoles prints what the page shows. Its sessions are run by test_readme.py.

/usr/bin/python3 tests/server/replay/test_which_limit_page.py     writes what the commands print now into the page
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = REPOSITORY / "docs" / "which-limit.md"
MODULE = Path(os.environ.get("RATELIMIT_MODULE", REPOSITORY / "build" / "ratelimit.so"))
PROGRAM = Path(os.environ.get("RATELIMIT_REPLAY", MODULE.parent / "ratelimit-replay"))
CONSOLE = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
OFFENDERS = {"198.51.100.66": 1000, "203.0.113.99": 600}


def run(command: str, folder: Path) -> str:
    """What the command prints, in a folder that all commands of the page share."""
    path = f"{PROGRAM.resolve().parent}:{os.environ['PATH']}"
    command = command.replace("tools/replay/", f"{REPOSITORY}/tools/replay/")
    shell = ["bash", "-euo", "pipefail", "-c", command]
    environment = {"PATH": path, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return "".join(line.rstrip() + "\n" for line in done.stdout.splitlines())


def executed(console: str, folder: Path) -> str:
    """A command ends with the first line that does not end with a backslash."""
    commands = re.findall(r"^\$ ((?:.*\\\n)*.*)\n", console, re.MULTILINE)
    return "".join(f"$ {command}\n{run(command, folder)}" for command in commands)


def test_every_console_of_the_page_is_true(tmp_path: Path):
    consoles = CONSOLE.findall(PAGE.read_text())
    assert len(consoles) > 3
    for console in consoles:
        assert executed(console, tmp_path) == console


def test_the_offenders_of_the_made_up_day_are_found_and_counted_exactly(tmp_path: Path):
    run("tools/replay/make_day.py --lines 20000 >day.log", tmp_path)
    text = run('ratelimit-replay --limit "TOKENBUCKET 30 30 1m" day.log', tmp_path)
    rows = re.findall(r"^ {4}(\d+\.\d+\.\d+\.\d+) +([\d,]+) +([\d,]+) ", text, re.MULTILINE)
    assert {address: int(calls.replace(",", "")) for address, _, calls in rows} == OFFENDERS


def test_the_scraper_of_the_shop_is_stopped_and_nobody_else(tmp_path: Path):
    run("tools/replay/make_shop_day.py >shop.log", tmp_path)
    by_subnet = '--stop 203.0.113.0/24 --subject address/24 --where "path=/product/*"'
    text = run(f"ratelimit-replay {by_subnet} --span 1h shop.log", tmp_path)
    assert "To stop 1 subject with 18,000 calls" in text
    rows = re.findall(r"1h(?: APPROX)? +[\d,]+ +([\d.]+) %.*? %+ +(\d+)  ", text)
    assert len(rows) == 5
    assert all(float(share) > 95 and others == "0" for share, others in rows)


def test_a_tighter_limit_than_the_suggested_one_hits_more(tmp_path: Path):
    run("tools/replay/make_day.py --lines 20000 >day.log", tmp_path)
    found = run('ratelimit-replay --suggest "0.5% of subjects" --span 1m day.log', tmp_path)
    size = int(re.search(r"TOKENBUCKET (\d+) ", found)[1])
    hit = [
        int(re.search(r"subjects hit +([\d,]+)", run(f'ratelimit-replay --limit "{limit}" day.log', tmp_path))[1])
        for limit in (f"TOKENBUCKET {n} {n} 1m" for n in (size, size - 1))
    ]
    assert hit[0] <= 4 < hit[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(CONSOLE.sub(lambda found: executed(found[1], Path(folder)), PAGE.read_text()))


if __name__ == "__main__":
    sys.exit(main())
