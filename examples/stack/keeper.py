# SPDX-License-Identifier: MIT
"""What `run` does: starts the stack, says what to open and to type, starts again what dies, and ends everything."""

from __future__ import annotations

import argparse
import signal
import sys
import time

from parts import HERE, Postgres, Process, Server, Stack, Trouble, Web, end_where_it_waits, told_to_end

INVITATION = """
The stack runs until Ctrl-C. Its parts, their processes, and where they are:

{table}

Logs are {folder}/PART/log. In another terminal:

  curl -i -H 'X-Api-Key: free-1' {front}/orders
  {here}/load --front {front_port} --primary {primary}

While the load runs: who attacks?

  redis-cli -p {primary} RL.TOP api:free 3
  redis-cli -p {primary} RL.LOG api:free 3
  {prometheus}/classic/graph?g0.tab=1&g0.expr=topk(1%2C%20ratelimit_top_denied)
  {prometheus}/classic/alerts

The same in a browser, which asks a check service; the token is in {token}

  {playground}/run --connect {check_url}

Change a plan, and see what rules.py did:

  psql '{postgres}' -c "UPDATE ratelimit.limiter SET limits = 'TOKENBUCKET 40 20 1s AS rate' WHERE name = 'api:free'"
  tail -n 3 {folder}/rules/log

Kill a check service, or the primary. Whatever dies is started again after {again:g} s:

  kill -9 {check}
  kill -9 {primary_pid}
"""


def where(part: Process) -> str:
    if isinstance(part, Web):
        return part.url
    if isinstance(part, Server):
        return f"redis-cli -p {part.port}"
    return f"psql '{part.address()}'" if isinstance(part, Postgres) else ""


def invitation(stack: Stack, again_s: float) -> str:
    parts = stack.parts
    return INVITATION.format(
        table="\n".join(f"  {name:10} {part.pid:8}  {where(part)}" for name, part in parts.items()),
        folder=stack.folder,
        here=HERE,
        front=parts["nginx"].url,
        front_port=parts["nginx"].port,
        prometheus=parts["prometheus"].url,
        primary=parts["primary"].port,
        primary_pid=parts["primary"].pid,
        check=parts["check-1"].pid,
        check_url=parts["check-1"].url,
        token=parts["check-1"].token_file,
        playground=HERE.parent / "playground",
        postgres=parts["postgres"].address(),
        again=again_s,
    )


class Keeper:
    """Starts again whatever dies, as systemd and container engines do."""

    def __init__(self, parts: dict[str, Process], again_s: float) -> None:
        self._parts, self._again_s = parts, again_s
        self._due: dict[str, float] = {}  # when a part that has died is started again

    def keep(self) -> None:
        while not told_to_end.wait(0.1):
            for name, part in self._parts.items():
                if not part.is_alive():
                    self._revive(name, part)

    def _revive(self, name: str, part: Process) -> None:
        now = time.monotonic()
        if name not in self._due:
            self._due[name] = now + self._again_s
            say(f"{name} has ended ({reason(part.exit_code)}), and is started again in {self._again_s:g} s")
        elif now >= self._due[name]:
            del self._due[name]
            part.launch()
            say(f"{name} is started again: process {part.pid}")


def reason(exit_code: int) -> str:
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="run", allow_abbrev=False)
    parser.add_argument("--port-base", type=int, default=0)
    parser.add_argument("--again", type=float, default=5)
    parser.add_argument("--deadline", default="2s")
    given = parser.parse_args()
    end_where_it_waits()
    try:
        with Stack(given.port_base, given.deadline) as stack:
            print(invitation(stack, given.again), flush=True)
            Keeper(stack.parts, given.again).keep()
    except KeyboardInterrupt:  # before all had started
        pass
    except Trouble as trouble:
        sys.exit(f"run: {trouble}")


if __name__ == "__main__":
    main()
