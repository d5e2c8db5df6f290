# SPDX-License-Identifier: MIT
"""Effects are written only while somebody may follow; these tests attack the moments at which that changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from harness import Client, Server, eventually

HELD = "SLIDING", 4294967295, "1d", "FIXED", 4294967295, "1d"
CALLS = [
    ("RL.TOKENBUCKET", "bucket", 4294967295, 1000, "1s"),
    ("RL.FIXED", "window", 4294967295, "1d"),
    ("RL.SLIDING", "log", 4294967295, "1h"),
    ("RL.CHECK", "list", "SLIDING", 4294967295, "1h", "TOKENBUCKET", 1000000000, 7, "1s"),
    ("RL.QUOTA", "quota", 4294967295, "MONTH", "TZ", "Europe/Berlin"),
    ("RL.SLIDING", "approx", 4294967295, "1h", "APPROX"),
    ("RL.CONCURRENT", "leases", 10, "1h", "ID", "a", "COST", 2),
    ("RL.RELEASE", "leases", "a"),
    ("RL.RESERVE", "held", "100ms", *HELD, "COST", 5, "ID", "{id}"),
    ("RL.RESERVE", "held", "1ms", *HELD, "COST", 7),
    ("RL.SETTLE", "held", "{id}", 3),
    ("RL.REFUND", "held", 1),
    ("RL.TOKENBUCKET", "held", 4294967295, 1000, "1s"),
    ("RL.BLOCK", "blocked", "1h"),
    ("RL.BLOCK", "blocked", 0),
    ("RL.CHECK", "moves", *HELD),
    ("RL.TRANSFER", "moves", "moved"),
]


IDS = count()


def calls() -> Iterator[tuple]:
    """The calls above. A settled id cannot be reserved at once again: each time there is a new one."""
    new = f"id{next(IDS)}"
    return (tuple(new if word == "{id}" else word for word in call) for call in CALLS)


def effects_are_written(client: Client) -> bool:
    return client.info("ratelimit")["ratelimit_effects_are_written"] == 1


def wait_until_alone(client: Client) -> None:
    eventually(lambda: not effects_are_written(client), "the server to see that nobody follows")


def digest(client: Client) -> str:
    return client.execute_command("DEBUG", "DIGEST")


def wait_until_caught_up(primary: Client, *replicas: Client) -> None:
    """WAIT would not do: it waits for the writes of the connection that sends it."""

    def is_level(replica: Client) -> bool:
        return replica.info("replication")["slave_repl_offset"] == primary.info("replication")["master_repl_offset"]

    eventually(lambda: all(map(is_level, replicas)), "the replica to have everything")


@contextmanager
def traffic(server: Server) -> Iterator[None]:
    """Calls without a pause, from two connections, for as long as the block runs."""
    over = threading.Event()
    faults: list[BaseException] = []

    def call_on() -> None:
        try:
            with server.client() as client:
                while not over.is_set():
                    pipe = client.pipeline(transaction=False)
                    for call in calls():
                        pipe.execute_command(*call)
                    pipe.execute()
        except BaseException as fault:  # noqa: BLE001 - whatever it is, the test shall tell
            faults.append(fault)

    threads = [threading.Thread(target=call_on) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not faults, faults


@pytest.fixture
def alone(start_server: Callable[..., Server]) -> Server:
    server = start_server("--repl-diskless-sync-delay", "0", "--repl-backlog-ttl", "1")
    wait_until_alone(server.client())
    return server


def test_a_server_of_which_nobody_follows_writes_no_effects_but_counts_changes(alone: Server):
    client = alone.client()
    before = client.info("persistence")["rdb_changes_since_last_save"]
    client.execute_command(*CALLS[0])
    assert client.info("persistence")["rdb_changes_since_last_save"] == before + 1


@pytest.mark.parametrize("attempt", range(3))
def test_a_replica_that_joins_under_traffic_misses_nothing(
    alone: Server, start_server: Callable[..., Server], attempt: int
):
    client = alone.client()
    with traffic(alone):
        replica = start_server("--replicaof", "127.0.0.1", str(alone.port)).client()
        eventually(lambda: replica.info("replication")["master_link_status"] == "up", "the replica to be in sync")
        assert effects_are_written(client)
    wait_until_caught_up(client, replica)
    assert digest(replica) == digest(client)


@pytest.mark.parametrize("attempt", range(3))
def test_an_append_only_file_that_is_switched_on_under_traffic_misses_nothing(alone: Server, attempt: int):
    client = alone.client()
    with traffic(alone):
        client.config_set("appendonly", "yes")
        eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, "the file to be written")
    before = digest(client)
    assert client.execute_command("DEBUG", "LOADAOF") == "OK"
    assert digest(client) == before


def test_an_append_only_file_that_is_switched_on_behind_a_snapshot_misses_nothing(alone: Server):
    """The fork that the file begins with comes later than the command that asks for it."""
    client = alone.client()
    client.config_set("rdb-key-save-delay", "20000")
    with traffic(alone):
        pipe = client.pipeline(transaction=False)  # read at once: the snapshot does not end in between
        pipe.bgsave()
        pipe.config_set("appendonly", "yes")
        pipe.info("persistence")
        assert pipe.execute()[-1]["aof_rewrite_scheduled"] == 1
        client.config_set("rdb-key-save-delay", "0")

        def is_written() -> bool:
            state = client.info("persistence")
            return state["aof_rewrite_scheduled"] == 0 and state["aof_rewrite_in_progress"] == 0

        eventually(is_written, "the file to be written")
    before = digest(client)
    assert client.execute_command("DEBUG", "LOADAOF") == "OK"
    assert digest(client) == before


def test_a_snapshot_alone_leaves_a_server_alone(alone: Server):
    client = alone.client()
    client.bgsave()
    wait_until_alone(client)


def test_effects_are_written_for_as_long_as_there_is_a_backlog_to_catch_up_with(
    alone: Server, start_server: Callable[..., Server]
):
    client = alone.client()
    replica = start_server("--replicaof", "127.0.0.1", str(alone.port)).client()
    eventually(lambda: replica.info("replication")["master_link_status"] == "up", "the replica to be in sync")
    client.config_set("repl-backlog-ttl", "3600")
    replica.replicaof("NO", "ONE")
    for call in calls():
        client.execute_command(*call)
    assert effects_are_written(client)
    client.config_set("repl-backlog-ttl", "1")
    wait_until_alone(client)


def test_a_server_that_was_alone_and_became_a_replica_writes_effects_when_it_is_promoted(
    alone: Server, start_server: Callable[..., Server]
):
    """It has a backlog then that it never forked for, and a sister that catches up from it."""
    alone.client().config_set("repl-backlog-ttl", "3600")  # the backlog stays, however late the sister comes
    primary = start_server("--repl-diskless-sync-delay", "0")
    sister = start_server("--replicaof", "127.0.0.1", str(primary.port)).client()
    promoted = alone.client()
    promoted.replicaof("127.0.0.1", primary.port)
    for replica in (sister, promoted):
        eventually(
            lambda replica=replica: replica.info("replication")["master_link_status"] == "up",
            "the replica to be in sync",
        )
    for call in calls():
        primary.client().execute_command(*call)
    wait_until_caught_up(primary.client(), sister, promoted)

    promoted.replicaof("NO", "ONE")
    for call in (*calls(), *calls(), *calls()):
        promoted.execute_command(*call)
    sister.replicaof("127.0.0.1", alone.port)
    eventually(lambda: sister.info("replication")["master_link_status"] == "up", "the sister to be in sync")
    assert promoted.info("stats")["sync_partial_ok"] == 1, "the sister was to catch up from the backlog"
    wait_until_caught_up(promoted, sister)
    assert digest(sister) == digest(promoted)


def test_a_server_with_an_append_only_file_always_writes_effects(start_server: Callable[..., Server]):
    server = start_server("--appendonly", "yes")
    client = server.client()
    for call in calls():
        client.execute_command(*call)
    lasting = ("DEBUG", "DIGEST-VALUE", "window", "log", "list", "quota", "approx", "held")
    before = client.execute_command(*lasting)
    server.restart()
    assert server.client().execute_command(*lasting) == before
    assert effects_are_written(server.client())
