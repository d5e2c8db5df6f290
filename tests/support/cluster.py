# SPDX-License-Identifier: MIT
"""Several servers that stand in for each other: a Redis Cluster, or a primary with replicas that sentinels watch.

All on loopback, each with a folder of its own. What is slow by nature (noticing that a server is gone) is set to one or
two seconds; everything is waited for, nothing is slept through.
"""

from __future__ import annotations

import logging
import signal
import subprocess
from contextlib import suppress

import redis

from harness import SERVER, Clock, Server, environment, eventually, free_port

SLOTS = 16384
NOTICED_AFTER_MS = 1500
# While nobody is killed: a server that only starves must not be taken for dead. Not longer, since a failover that was
# told and failed is tried again after four times as long.
LONG_MS = 15_000

# A replica may always stand in, however long ago it last heard of its primary, and full syncs begin at once.
COMMON = ("--repl-diskless-sync-delay", "0", "--repl-backlog-size", "16mb")


class Node(Server):
    """A server that may be killed."""

    was_killed = False

    def start(self) -> Node:
        self.was_killed = False
        super().start()
        return self

    def kill(self) -> None:
        """The way of a power cut: no word to anyone."""
        self.was_killed = True
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            self.go_on()
        super().stop()

    def assert_well(self) -> None:
        if not self.was_killed:
            super().assert_well()


def role(node: Server) -> str:
    with node.client() as db:
        return db.info("replication")["role"]


def hold_clocks(nodes: list[Node], unix_ns: int) -> None:
    """Whoever decides, decides at this instant."""
    for node in nodes:
        with node.client() as db:
            Clock(db).set(unix_ns)


class Cluster:
    """Primaries that share the slots in equal parts, each with one replica."""

    def __init__(self, primaries: int = 3) -> None:
        self.primaries = [self._node() for _ in range(primaries)]
        self.replicas = [self._node() for _ in range(primaries)]
        self._ids: dict[Node, str] = {}

    @staticmethod
    def _node() -> Node:
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(NOTICED_AFTER_MS)]
        options += ["--cluster-replica-validity-factor", "0", "--cluster-port", str(free_port())]
        return Node(*COMMON, *options)

    @property
    def nodes(self) -> list[Node]:
        return self.primaries + self.replicas

    @property
    def alive(self) -> list[Node]:
        return [node for node in self.nodes if not node.was_killed]

    def start(self) -> Cluster:
        for number, node in enumerate(self.nodes, start=1):
            node.start()
            self._ids[node] = self._do(node, "CLUSTER MYID")
            self._do(node, f"CLUSTER SET-CONFIG-EPOCH {number}")
        self._share_slots()
        self._introduce()
        for primary, replica in zip(self.primaries, self.replicas):
            self._follow(replica, primary)
        eventually(self.is_well, "the cluster to come together")
        self._notice_after(LONG_MS)
        return self

    def expect_a_death(self) -> None:
        """From now on, a node that does not answer is taken for dead after a while."""
        self._notice_after(NOTICED_AFTER_MS)

    def _notice_after(self, ms: int) -> None:
        for node in self.alive:
            self._do(node, f"CONFIG SET cluster-node-timeout {ms}")

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def assert_well(self) -> None:
        for node in self.nodes:
            node.assert_well()

    def id_of(self, node: Node) -> str:
        return self._ids[node]

    def owner_of(self, key: str) -> Node:
        """Who has the key by the word of the nodes that are alive, all of them."""
        slot = self._do(self.alive[0], f"CLUSTER KEYSLOT {key}")
        owner = self._port_of(self.alive[0], slot)
        return next(node for node in self.nodes if node.port == owner)

    def agrees_on(self, key: str) -> bool:
        """Whether all nodes that are alive name the same owner of the key, who is alive too and ready."""
        slot = self._do(self.alive[0], f"CLUSTER KEYSLOT {key}")
        owners = {self._port_of(node, slot) for node in self.alive}
        return len(owners) == 1 and owners <= {node.port for node in self.alive}

    def is_well(self) -> bool:
        return all(self._is_ready(node) for node in self.alive)

    def client(self) -> redis.RedisCluster:
        """A client as users have it, which must find the way to the keys by itself."""
        logging.getLogger("redis.cluster").setLevel(logging.CRITICAL)  # each redirection is an error to it
        return redis.RedisCluster(host="127.0.0.1", port=self.alive[0].port, decode_responses=True)

    def _is_ready(self, node: Node) -> bool:
        with node.client() as db:
            info, replication = db.execute_command("CLUSTER INFO"), db.info("replication")
        fields = info if isinstance(info, dict) else dict(line.split(":", 1) for line in info.split())
        knows_all = fields["cluster_state"] == "ok" and int(fields["cluster_known_nodes"]) == len(self.nodes)
        return knows_all and (
            replication["master_link_status"] == "up" if node in self.replicas else replication["connected_slaves"] == 1
        )

    def _share_slots(self) -> None:
        count = len(self.primaries)
        for number, node in enumerate(self.primaries):
            first, last = SLOTS * number // count, SLOTS * (number + 1) // count - 1
            self._do(node, f"CLUSTER ADDSLOTSRANGE {first} {last}")

    def _introduce(self) -> None:
        first, *others = self.nodes
        for node in others:
            bus = self._option(node, "cluster-port")
            self._do(first, f"CLUSTER MEET 127.0.0.1 {node.port} {bus}")
        for node in self.nodes:
            eventually(
                lambda node=node: self._known_to(node) == set(self._ids.values()), "the nodes to know each other"
            )

    def _follow(self, replica: Node, primary: Node) -> None:
        self._do(replica, f"CLUSTER REPLICATE {self._ids[primary]}")

    def _known_to(self, node: Node) -> set[str]:
        """The nodes it is on speaking terms with."""
        with node.client() as db:
            lines = db.execute_command("CLUSTER NODES")
        if isinstance(lines, dict):
            return {about["node_id"] for about in lines.values() if "handshake" not in about["flags"]}
        return {line.split()[0] for line in lines.splitlines() if "handshake" not in line}

    @staticmethod
    def _port_of(node: Node, slot: int) -> int:
        """The port of the slot's owner, as this node has it; 0 if nobody owns the slot."""
        with node.client() as db:
            db.set_response_callback("CLUSTER SLOTS", lambda reply: reply)
            ranges = db.execute_command("CLUSTER SLOTS")
        return next((owner[1] for first, last, owner, *_ in ranges if first <= slot <= last), 0)

    @staticmethod
    def _do(node: Node, line: str):
        with node.client() as db:
            return db.do(line)

    @staticmethod
    def _option(node: Node, name: str) -> str:
        with node.client() as db:
            return db.config_get(name)[name]


class Sentinels:
    """A primary, its replicas, and three sentinels of whom two must agree that the primary is gone."""

    NAME = "limits"

    def __init__(self, replicas: int = 2) -> None:
        self.nodes = [Node(*COMMON).start()]
        self.nodes += [
            Node(*COMMON, "--replicaof", "127.0.0.1", str(self.nodes[0].port)).start() for _ in range(replicas)
        ]
        self.sentinels = [Sentinel(self.NAME, self.nodes[0].port) for _ in range(3)]

    def start(self) -> Sentinels:
        for sentinel in self.sentinels:
            sentinel.start()
        eventually(self._is_well, "the sentinels to know the servers and each other")
        return self

    def expect_a_death(self) -> None:
        """From now on, a primary that does not answer is taken for dead after a while."""
        for sentinel in self.sentinels:
            sentinel.ask("SENTINEL SET", self.NAME, "down-after-milliseconds", NOTICED_AFTER_MS)

    def stop(self) -> None:
        for server in [*self.sentinels, *self.nodes]:
            server.stop()

    def assert_well(self) -> None:
        for node in self.nodes:
            node.assert_well()

    @property
    def alive(self) -> list[Node]:
        return [node for node in self.nodes if not node.was_killed]

    def primary(self) -> Node:
        """Who is the primary, by the word of the first sentinel."""
        port = self.sentinels[0].ask("SENTINEL GET-MASTER-ADDR-BY-NAME", self.NAME)[1]
        return next(node for node in self.nodes if node.port == int(port))

    def has_primary(self) -> bool:
        """Whether the sentinels agree on a primary that is alive and knows that it is one."""
        ports = {int(sentinel.ask("SENTINEL GET-MASTER-ADDR-BY-NAME", self.NAME)[1]) for sentinel in self.sentinels}
        chosen = [node for node in self.alive if {node.port} == ports]
        return bool(chosen) and role(chosen[0]) == "master"

    def _is_well(self) -> bool:
        wanted = {"num-slaves": len(self.nodes) - 1, "num-other-sentinels": len(self.sentinels) - 1}
        synced = [node for node in self.nodes[1:] if link_is_up(node)]
        return len(synced) == len(self.nodes) - 1 and all(
            int(sentinel.about(self.NAME)[name]) == number
            for sentinel in self.sentinels
            for name, number in wanted.items()
        )


def link_is_up(replica: Server) -> bool:
    with replica.client() as db:
        return db.info("replication").get("master_link_status") == "up"


class Sentinel(Server):
    """One of those who watch. It is the server's own program, with another task; it knows nothing of the module."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(module=None)
        self._settings = [
            f"sentinel monitor {name} 127.0.0.1 {port} 2",
            f"sentinel down-after-milliseconds {name} {LONG_MS}",
            f"sentinel failover-timeout {name} 10000",
            f"sentinel parallel-syncs {name} 5",
        ]

    def _launch(self) -> None:
        self.port = free_port()
        self._log_begins = len(self.log())
        lines = [f"port {self.port}", "bind 127.0.0.1", f"unixsocket {self.socket}", f"dir {self.directory}"]
        file = self.directory / "sentinel.conf"
        file.write_text("\n".join([*lines, *self._settings]) + "\n")
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [SERVER, str(file), "--sentinel"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment()
            )

    def ask(self, *argv: str):
        with self.client() as db:
            return db.execute_command(*argv)

    def about(self, name: str) -> dict:
        reply = self.ask("SENTINEL MASTER", name)
        return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def other_than(cluster: Cluster, owner: Node) -> Node:
    return next(primary for primary in cluster.primaries if primary is not owner)


class Slot:
    """One slot, and its way from one primary to another."""

    def __init__(self, cluster: Cluster, key: str) -> None:
        self._cluster = cluster
        self.source = cluster.owner_of(key)
        self.target = other_than(cluster, self.source)
        with self.source.client() as db:
            self.number = db.do(f"CLUSTER KEYSLOT {key}")

    def open(self) -> None:
        self._set(self.target, "IMPORTING", self.source)
        self._set(self.source, "MIGRATING", self.target)

    def keys(self, most: int = 1) -> list[str]:
        with self.source.client() as db:
            return db.do(f"CLUSTER GETKEYSINSLOT {self.number} {most}")

    def move(self, key: str) -> None:
        with self.source.client() as db:
            moved = db.execute_command("MIGRATE", "127.0.0.1", self.target.port, "", 0, 10_000, "KEYS", key)
        assert moved in ("OK", "NOKEY")

    def close(self) -> None:
        for node in (self.target, self.source, *self._cluster.primaries):
            self._set(node, "NODE", self.target)

    def _set(self, node: Node, what: str, about: Node) -> None:
        with node.client() as db:
            assert db.do(f"CLUSTER SETSLOT {self.number} {what} {self._cluster.id_of(about)}")
