# SPDX-License-Identifier: MIT
"""Primaries of one cluster on this machine, with a limiter in parts: see docs/scaling-out.md."""

from __future__ import annotations

from binascii import crc_hqx
from contextlib import ExitStack
from zlib import crc32

from server import Server, free_port, until

SLOTS = 16384


def node_of(part: int, nodes: int) -> int:
    """Of nodes that share the slots in equal ranges. The server finds the slot of a hash tag by this CRC-16."""
    return crc_hqx(b"%d" % part, 0) % SLOTS * nodes // SLOTS


def parts_of(node: int, parts: int, nodes: int) -> list[int]:
    return [part for part in range(parts) if node_of(part, nodes) == node]


def part_of(subject: str, parts: int) -> int:
    return crc32(subject.encode()) % parts


class Primaries:
    """Leaving the `with` block ends all of them."""

    def __init__(self, program: str, module: str, nodes: int):
        self._buses = [free_port() for _ in range(nodes)]  # by default 10,000 more than the port, if there are so many
        self.nodes = [
            Server(program, module, options=("--cluster-enabled", "yes", "--cluster-port", str(bus)), pinned=False)
            for bus in self._buses
        ]
        self._stack = ExitStack()

    def __enter__(self) -> Primaries:
        with self._stack:
            for node in self.nodes:
                self._stack.enter_context(node)
            self._join()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()

    def _join(self) -> None:
        for number, node in enumerate(self.nodes):
            first = -(-number * SLOTS // len(self.nodes))
            last = -(-(number + 1) * SLOTS // len(self.nodes)) - 1
            node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.client.execute_command("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self._buses[0])
        until(lambda: all(self._knows_all(node) for node in self.nodes), "the nodes do not find each other")

    def _knows_all(self, node: Server) -> bool:
        info = node.client.execute_command("CLUSTER INFO")
        return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(len(self.nodes))

    def define(self, name: str, parts: int, *limits: str) -> None:
        for part in range(parts):
            node = self.nodes[node_of(part, len(self.nodes))]
            node.client.execute_command("RL.DEFINE", f"{{{part}}}{name}", *limits)

    def empty(self) -> None:
        for node in self.nodes:
            node.empty()
