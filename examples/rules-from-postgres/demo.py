# SPDX-License-Identifier: MIT
"""What `run` starts: PostgreSQL with the table, a cluster of three nodes with the module, and rules.py between them.

All in one temporary folder, on free ports of the loopback (../support says how). Who is asked to end ends all of them.
The tests of this example start the same, and kill them one after another.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

from processes import Postgres, RedisServer, end_in_order_when_told_to, eventually, free_port  # noqa: E402

SLOTS = 16384


class Node(RedisServer):
    """A server of the cluster. What it has stored is in its file, and is there after a restart."""

    def __init__(self, folder: Path) -> None:
        words = "--appendonly yes --appendfsync no --cluster-enabled yes --cluster-node-timeout 2000"
        super().__init__(folder, *words.split(), "--cluster-require-full-coverage", "no")
        self.bus = free_port()

    def command(self) -> list[str]:
        return [*super().command(), "--cluster-port", str(self.bus)]


def join(nodes: list[Node]) -> None:
    """A cluster in which each has a third of the slots."""
    for number, node in enumerate(nodes):
        first, last = SLOTS * number // len(nodes), SLOTS * (number + 1) // len(nodes) - 1
        node.do(f"CLUSTER ADDSLOTSRANGE {first} {last}")
        node.do(f"CLUSTER SET-CONFIG-EPOCH {number + 1}")
    for node in nodes[1:]:
        nodes[0].do(f"CLUSTER MEET 127.0.0.1 {node.port} {node.bus}")
    eventually(lambda: all(knows_all(node, len(nodes)) for node in nodes), "the nodes to know each other")


def knows_all(node: Node, count: int) -> bool:
    """And that all slots have somebody who answers."""
    about = node.do("CLUSTER INFO")
    if isinstance(about, str):  # as redis-py leaves it, or not
        about = dict(line.split(":", 1) for line in about.split())
    wanted = {"cluster_state": "ok", "cluster_known_nodes": str(count), "cluster_slots_ok": str(SLOTS)}
    return all(str(about[name]) == value for name, value in wanted.items())


class Stage:
    """All of it, but rules.py."""

    def __enter__(self) -> Stage:
        with ExitStack() as ends:
            folder = Path(tempfile.mkdtemp(prefix="ratelimit-rules-"))
            ends.callback(shutil.rmtree, folder, ignore_errors=True)
            folder.chmod(0o711)  # PostgreSQL may be another user's
            self.postgres = Postgres(folder / "postgres")
            ends.callback(self.postgres.stop)
            self.postgres.start()
            self.postgres.do((HERE / "schema.sql").read_text())
            self.nodes = []
            for number in range(3):
                self.nodes.append(Node(folder / f"node-{number}"))
                ends.callback(self.nodes[-1].stop)
                self.nodes[-1].start()
            join(self.nodes)
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._ends.close()

    def command(self, *more: str) -> list[str]:
        """rules.py, with the rights that schema.sql gives it."""
        words = [sys.executable, str(HERE / "rules.py"), "--postgres", self.postgres.address("ratelimit_rules")]
        for node in self.nodes:
            words += ["--redis", node.address]
        return [*words, *more]


EXAMPLES = """
INSERT INTO ratelimit.limiter (name, limits, parts, trial, note) VALUES
  ('api:free', 'TOKENBUCKET 20 10 1s AS rate QUOTA 1000 DAY AS daily', 64, false, 'the plan that costs nothing'),
  ('api:paid', 'TOKENBUCKET 200 100 1s AS rate', 64, false, ''),
  ('login', 'SLIDING 5 1m', NULL, false, 'passwords'),
  ('export', 'CONCURRENT 3 10m', NULL, true, 'on trial until we know who needs more'),
  ('typo', 'FIXED 100 9999d', NULL, false, 'the module says what is wrong with it')
"""

INVITATION = """
PostgreSQL and a cluster of three nodes run until Ctrl-C. In another terminal:

  psql '{postgres}'
  => UPDATE ratelimit.limiter SET limits = 'TOKENBUCKET 40 20 1s AS rate' WHERE name = 'api:free';
  => DELETE FROM ratelimit.limiter WHERE name = 'login';
  => SELECT name, limits, parts, error FROM ratelimit.overview;
  => SELECT what, changed_by, changed_at, limits FROM ratelimit.history WHERE name = 'api:free' ORDER BY id;

  redis-cli -c -p {port} RL.CHECK {{6}}api:free FOR user:42

What rules.py says:
"""


def main() -> None:
    end_in_order_when_told_to()
    with suppress(KeyboardInterrupt), Stage() as stage:
        stage.postgres.do(EXAMPLES)
        print(INVITATION.format(postgres=stage.postgres.address(), port=stage.nodes[0].port), flush=True)
        rules = subprocess.Popen(stage.command())
        try:
            rules.wait()
        finally:
            rules.terminate()
            rules.wait()


if __name__ == "__main__":
    main()
