# SPDX-License-Identifier: MIT
"""Redis Cluster: a command finds its node by its key, keys of different slots are refused, slots move under load."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event

import pytest

from cluster import Cluster, Node, Slot, other_than
from harness import PATIENCE_S, Client, eventually
from resp import Connection, Failure

CAPACITY = 4000
CHECKS = {
    "tokenbucket": f"RL.TOKENBUCKET {{}} {CAPACITY} 7 60s",
    "fixed": f"RL.FIXED {{}} {CAPACITY} 60s",
    "aligned": f"RL.FIXED {{}} {CAPACITY} 1h ALIGNED",
    "sliding": f"RL.SLIDING {{}} {CAPACITY} 60s",
    "queue": f"RL.LEAKYBUCKET {{}} {CAPACITY} 7 60s",
    "approx": f"RL.SLIDING {{}} {CAPACITY} 60s APPROX",
    "quota": f"RL.QUOTA {{}} {CAPACITY} MONTH TZ Europe/Berlin",
    "leases": f"RL.CONCURRENT {{}} {CAPACITY} 60s",
    "several": f"RL.CHECK {{}} TOKENBUCKET 5000 7 60s FIXED {CAPACITY} 60s SLIDING 6000 60s",
}
ACCOUNTS = ["RL.RESERVE {} 60s FIXED 40 60s COST 3 ID a", "RL.SETTLE {} a 3", "RL.REFUND {} 3", "RL.RELEASE {} a"]
ACCOUNTS += ["RL.BLOCK {} 60s", "RL.RESET {}"]
QUESTIONS = ["RL.PEEK {}", "RL.PEEK {} FIXED 40 60s COST 3", "RL.INFO {}"]
INTERNAL = ["RL._EFFECT {} STORE 0 payload", "RL._EFFECT {} PERFORM 0 payload"]


def key_elsewhere(cluster: Cluster, key: str) -> str:
    """A key that another primary has."""
    owner = cluster.owner_of(key)
    return next(other for number in count() if cluster.owner_of(other := f"other{number}") is not owner)


def keys_on(node: Node) -> set[str]:
    with node.client() as db:
        return set(db.keys())


@pytest.mark.parametrize("line", [*CHECKS.values(), *ACCOUNTS, *QUESTIONS, *INTERNAL])
def test_the_server_knows_where_the_key_stands(cluster, line):
    with cluster.primaries[0].client() as db:
        assert db.execute_command("COMMAND GETKEYS", *line.format("the-key").split()) == ["the-key"]


@pytest.mark.parametrize(
    ("lines", "use"),
    [
        (CHECKS.values(), ["RW", "access", "update"]),
        (QUESTIONS, ["RO", "access"]),
        (INTERNAL, ["RW", "access", "update"]),
        (ACCOUNTS, ["RW", "access", "update"]),
    ],
)
def test_the_server_knows_what_is_done_to_the_key(cluster, lines, use):
    with cluster.primaries[0].client() as db:
        for line in lines:
            [[key, flags]] = db.execute_command("COMMAND GETKEYSANDFLAGS", *line.format("k").split())
            assert (key, sorted(flags)) == ("k", sorted(use))


def test_a_transfer_is_between_two_keys_of_one_slot(cluster):
    with cluster.owner_of("k").client() as db:
        both = [[key, ["RW", "access", "update"]] for key in ("k", "{k}other")]
        told = db.execute_command("COMMAND GETKEYSANDFLAGS", "RL.TRANSFER", "k", "{k}other", "FOR", "bob")
        assert [[key, sorted(flags)] for key, flags in told] == both
        db.ask("RL.FIXED k 10 60s FOR bob COST 3")
    with Connection(cluster.owner_of("k").socket) as connection:
        assert connection.do("RL.TRANSFER", "k", "other", "FOR", "bob").startswith("CROSSSLOT")
        assert connection.do("RL.TRANSFER", "k", "{k}other", "FOR", "bob") == 1
        assert connection.do("RL.PEEK", "{k}other", "FOR", "bob")[:3] == [1, 10, 7]
    with Connection(other_than(cluster, cluster.owner_of("k")).socket) as connection:
        assert connection.do("RL.TRANSFER", "k", "{k}other").startswith("MOVED")


def test_a_client_that_knows_nothing_of_the_module_finds_every_key(cluster):
    lines = {f"{name}-{number}": line for name, line in CHECKS.items() for number in range(20)}
    client = cluster.client()
    for key, line in lines.items():
        assert client.execute_command(*line.format(key).split())[:3] == [1, CAPACITY, CAPACITY - 1]
        assert client.execute_command("RL.PEEK", key)[:3] == [1, CAPACITY, CAPACITY - 1]
        assert client.execute_command("RL.INFO", key)
    held = [keys_on(primary) for primary in cluster.primaries]
    assert all(held) and sum(map(len, held)) == len(lines) and set().union(*held) == set(lines)
    client.close()


@pytest.mark.parametrize("line", [*CHECKS.values(), *ACCOUNTS, *QUESTIONS])
def test_a_node_that_does_not_have_the_key_says_who_has_and_takes_nothing(cluster, line):
    owner = cluster.owner_of("k")
    with Connection(other_than(cluster, owner).socket) as connection:
        moved = connection.do(*line.format("k").split())
    assert isinstance(moved, Failure)
    assert moved.split()[0] == "MOVED" and moved.endswith(f":{owner.port}")
    assert not any(map(keys_on, cluster.nodes))


def test_a_replica_sends_checks_to_its_primary_and_answers_questions_to_those_who_may_read_there(cluster):
    owner = cluster.owner_of("k")
    replica = cluster.replicas[cluster.primaries.index(owner)]
    with owner.client() as db:
        db.ask(CHECKS["fixed"].format("k"))
        assert db.wait(1, 1000 * PATIENCE_S) == 1
    with Connection(replica.socket) as connection:
        assert connection.do("RL.PEEK", "k").startswith("MOVED")
        connection.do("READONLY")
        assert connection.do("RL.PEEK", "k")[:3] == [1, CAPACITY, CAPACITY - 1]
        assert connection.do(*CHECKS["fixed"].format("k").split()).startswith("MOVED")


def test_a_transaction_over_two_slots_is_refused_and_takes_nothing(cluster):
    owner = cluster.owner_of("k")
    other = next(f"k{number}" for number in count() if cluster.owner_of(f"k{number}") is owner)
    with Connection(owner.socket) as connection:
        connection.do("MULTI")
        for key in ("k", other):
            assert connection.do(*CHECKS["fixed"].format(key).split()) == "QUEUED"
        assert connection.do("EXEC").startswith("CROSSSLOT")
    assert not any(map(keys_on, cluster.nodes))


TWICE = "for _, key in ipairs(KEYS) do redis.call('RL.FIXED', key, 40, '60s') end return 'done'"


def test_a_script_over_two_slots_is_refused_and_takes_nothing(cluster):
    with Connection(cluster.owner_of("k").socket) as connection:
        assert connection.do("EVAL", TWICE, "2", "k", "{other}k").startswith("CROSSSLOT")
        assert connection.do("EVAL", TWICE, "2", "k", "{k}2") == "done"
    assert set().union(*map(keys_on, cluster.primaries)) == {"k", "{k}2"}


def test_a_script_that_reaches_for_a_key_of_another_node_is_refused_and_takes_nothing(cluster):
    away = key_elsewhere(cluster, "k")
    with Connection(cluster.owner_of("k").socket) as connection:
        script = "return redis.call('RL.FIXED', ARGV[1], 40, '60s')"
        assert isinstance(connection.do("EVAL", script, "1", "k", away), Failure)
    assert not any(map(keys_on, cluster.nodes))


class Callers:
    """Who asks for the keys of one slot, all the while."""

    THREADS = 3
    LINES = {f"{{slot}}{name}-{number}": line for name, line in CHECKS.items() for number in range(12)}

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._moved = Event()
        self._granted = [Counter() for _ in range(self.THREADS)]
        self._pool = ThreadPoolExecutor(self.THREADS)
        self._jobs = [self._pool.submit(self._call, granted) for granted in self._granted]

    def granted(self) -> Counter[str]:
        for job in self._jobs:
            if job.done():
                job.result()  # raises what went wrong
        return sum((granted.copy() for granted in self._granted), Counter())

    def until_denied(self) -> None:
        """Lets the callers finish: each asks for all that is left of every key."""
        self._moved.set()
        self._pool.shutdown()

    def _call(self, granted: Counter[str]) -> None:
        client = self._cluster.client()
        while not self._moved.is_set():
            for key, line in self.LINES.items():
                granted[key] += client.execute_command(*line.format(key).split())[0]
        for key, line in self.LINES.items():
            while left := left_of(client.execute_command("RL.PEEK", key)):
                granted[key] += client.execute_command(*f"{line} COST {left}".format(key).split())[0]
        client.close()


def left_of(peeked: list) -> int:
    """What could be taken now."""
    return peeked[2]


def test_a_slot_that_moves_under_load_loses_no_state(cluster):
    """Each key is granted exactly its capacity, wherever its calls went; the clocks are held."""
    slot = Slot(cluster, "{slot}")
    callers = Callers(cluster)
    try:
        eventually(lambda: len(callers.granted()) == len(callers.LINES), "every key to be asked for")
        slot.open()
        while keys := slot.keys():
            before = callers.granted().total()
            eventually(
                lambda before=before: callers.granted().total() > before + 2, "calls between one key and the next"
            )
            slot.move(keys[0])
        slot.close()
        moved = callers.granted()
    finally:
        callers.until_denied()
    assert all(0 < moved[key] < CAPACITY for key in callers.LINES)
    assert callers.granted() == {key: CAPACITY for key in callers.LINES}
    assert keys_on(slot.target) == set(callers.LINES) and not keys_on(slot.source)


PROMISES = [
    "RL.RESERVE {slot}held 1h SLIDING 10 1h CONCURRENT 9 1h PER REQUEST COST 4 ID a",
    "RL.RESERVE {slot}held 2h SLIDING 10 1h CONCURRENT 9 1h PER REQUEST COST 3 ID b",
    "RL.FIXED {slot}turn 10 60s COST 10",
    "RL.FIXED {slot}turn 10 60s COST 3 MAXWAIT 1h",
    "RL.TOKENBUCKET {slot}debt 10 7 60s COST 25 FORCE",
]


def test_keys_that_move_with_their_slot_keep_their_bytes(cluster):
    """And what they have promised."""
    slot = Slot(cluster, "{slot}")
    with slot.source.client() as db:
        for name, line in CHECKS.items():
            for _ in range(3):
                db.ask(line.format(f"{{slot}}{name}"))
        for line in PROMISES:
            assert db.ask(line).granted
        before = picture(db)
        assert before["{slot}held"][2] == 2
    slot.open()
    for key in slot.keys(100):
        slot.move(key)
    slot.close()
    replica = cluster.replicas[cluster.primaries.index(slot.target)]
    with slot.target.client() as db, replica.client() as copy:
        assert picture(db) == before
        assert db.ask("RL.FIXED {slot}turn 10 60s COST 3 MAXWAIT 2m") == (3, 10, 4, 60_000, 120_000)
        assert db.do("RL.SETTLE {slot}held a 2")[-1] == "settled"
        assert db.do("RL.RELEASE {slot}held b") == 1
        assert db.wait(1, 1000 * PATIENCE_S) == 1
        assert copy.do("DEBUG DIGEST") == db.do("DEBUG DIGEST")


def picture(db: Client) -> dict:
    return {key: (db.ask(f"RL.PEEK {key}"), db.digest(key), db.rl_info(key)["holds"]) for key in db.keys()}
