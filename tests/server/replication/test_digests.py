# SPDX-License-Identifier: MIT
"""After any mix of commands the primary, its replica, and what a restart reads from either kind of file are the same.

Thousands of random commands: every algorithm and lists of them, every mode and operation, changes of limits, denials,
errors, everything that moves, copies, ends or replaces a key, transactions, scripts, clocks that go back. A failing run
prints its seed; RATELIMIT_TEST_SEED repeats it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from harness import BASE, DAY, HOUR, MINUTE, PATIENCE_S, SECOND, Client, Clock, Server, eventually
from mix import DATABASES, KEYS, Mix, carry_out
from resp import Connection
from seed import SEED

STEPS = 4000
LATER = [0, 1, SECOND, MINUTE, HOUR, 2 * DAY]


@pytest.fixture
def pair(start_server) -> tuple[Server, Server]:
    """A primary and a replica, each with an append-only file."""
    options = ("--appendonly", "yes", "--repl-diskless-sync-delay", "0")
    primary = start_server(*options)
    replica = start_server(*options, "--replicaof", "127.0.0.1", str(primary.port))
    with replica.client() as copy:
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to sync")
        eventually(lambda: not copy.info("persistence")["aof_rewrite_in_progress"], "its file to begin anew")
    return primary, replica


def digest(server: Server) -> str:
    with server.client() as db:
        return db.do("DEBUG DIGEST")


def hold(servers: tuple[Server, ...], unix_ns: int) -> None:
    for server in servers:
        with server.client() as db:
            Clock(db).set(unix_ns)


def picture(server: Server, questions: bool = False) -> dict:
    """Every key by its bytes and its end; and what it answers at this instant."""
    seen = {}
    for database in DATABASES:
        with server.client(db=database) as db:
            for key in db.keys():
                seen[database, key] = [db.digest(key), db.do(f"PEXPIRETIME {key}")]
                if questions and db.type(key) == "ratelimit":
                    seen[database, key] += [db.do(f"RL.PEEK {key}"), db.do(f"RL.PEEK {key} COST 7")]
                    # Of a key whose block has ended there is nothing to say, until the server ends it.
                    info = db.rl_info(key) if db.do(f"RL.INFO {key}") else {}
                    seen[database, key] += [info.get(name) for name in ("holds", "limits")]
    return seen


def let_expire(server: Server) -> None:
    """Keys that were told to expire after a millisecond do so, and the server deletes them in its own time."""
    time.sleep(0.005)
    for name in DATABASES:
        with server.client(db=name) as db:
            eventually(lambda: len(db.keys()) == db.dbsize(), "the server to delete what has expired")


def settle(primary: Server, replica: Server) -> None:
    let_expire(primary)
    with primary.client() as db, replica.client() as copy:
        offset = db.info("replication")["master_repl_offset"]
        eventually(lambda: copy.info("replication")["slave_repl_offset"] >= offset, "the replica to catch up")


@pytest.mark.parametrize("run", range(3))
def test_after_any_mix_of_commands_all_are_the_same(pair, start_server, run):
    print("RATELIMIT_TEST_SEED", SEED)
    primary, replica = pair
    with Connection(primary.socket) as connection:
        counts = carry_out(connection, Mix(random.Random(f"{SEED} {run}")), STEPS)
    print(counts)
    settle(primary, replica)
    before, whole = picture(primary), digest(primary)
    assert len(before) > len(KEYS) / 2

    assert (picture(replica), digest(replica)) == (before, whole)
    assert_same_answers(primary, replica)

    with primary.client() as db:
        db.save()
    from_rdb = start_server("--dir", str(primary.directory))
    assert (picture(from_rdb), digest(from_rdb)) == (before, whole)

    primary.restart()
    assert (picture(primary), digest(primary)) == (before, whole)

    with replica.client() as copy:
        copy.do("REPLICAOF NO ONE")
        copy.do("DEBUG LOADAOF")
    assert (picture(replica), digest(replica)) == (before, whole)


def assert_same_answers(primary: Server, replica: Server) -> None:
    """With both clocks held at the same instants."""
    for later in LATER:
        hold((primary, replica), BASE + 1000 * DAY + later)
        assert picture(replica, questions=True) == picture(primary, questions=True)


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_after_any_mix_of_commands_a_rewritten_file_is_the_same(start_server, preamble):
    """Also with what was said while it was rewritten."""
    print("RATELIMIT_TEST_SEED", SEED)
    server = start_server("--appendonly", "yes", "--aof-use-rdb-preamble", preamble)
    mix = Mix(random.Random(f"{SEED} {preamble}"))
    with Connection(server.socket) as connection, server.client() as db:
        carry_out(connection, mix, STEPS // 2)
        db.bgrewriteaof()
        carry_out(connection, mix, STEPS // 4)
        eventually(lambda: not db.info("persistence")["aof_rewrite_in_progress"], "the rewrite to end")
        carry_out(connection, mix, STEPS // 4)
    let_expire(server)
    before, whole = picture(server), digest(server)
    server.restart()
    assert (picture(server), digest(server)) == (before, whole)


def syncs(server: Server, kind: str) -> int:
    with server.client() as db:
        return db.info("stats")[kind]


def drop_replicas(server: Server) -> None:
    with server.client() as db:
        db.execute_command("CLIENT KILL", "TYPE", "replica")


def test_a_replica_that_loses_its_link_again_and_again_catches_up(start_server):
    print("RATELIMIT_TEST_SEED", SEED)
    primary = start_server("--repl-diskless-sync-delay", "0", "--repl-backlog-size", "16mb")
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port))
    mix = Mix(random.Random(f"{SEED} link"))
    eventually(lambda: syncs(primary, "sync_full") == 1, "the replica to sync")
    with Connection(primary.socket) as connection:
        for number in range(1, 6):
            carry_out(connection, mix, 200)
            drop_replicas(primary)
            carry_out(connection, mix, 200)
            eventually(lambda number=number: syncs(primary, "sync_partial_ok") == number, "the replica to come back")
    settle(primary, replica)
    assert (picture(replica), digest(replica)) == (picture(primary), digest(primary))
    assert syncs(primary, "sync_full") == 1


@pytest.mark.parametrize("load", ["disabled", "on-empty-db", "swapdb"])
@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_a_replica_that_must_begin_anew_agrees(start_server, diskless, load):
    """Straight from the link, or from a file; beside what it had, or in its place."""
    print("RATELIMIT_TEST_SEED", SEED)
    primary = start_server("--repl-diskless-sync", diskless, "--repl-diskless-sync-delay", "0")
    replica = start_server("--repl-diskless-load", load, "--replicaof", "127.0.0.1", str(primary.port))
    mix = Mix(random.Random(f"{SEED} anew"))
    with Connection(primary.socket) as connection:
        for number in range(1, 4):
            eventually(lambda number=number: syncs(primary, "sync_full") == number, "the replica to sync")
            carry_out(connection, mix, 300)
            settle(primary, replica)
            assert (picture(replica), digest(replica)) == (picture(primary), digest(primary))
            connection.do("DEBUG", "CHANGE-REPL-ID")
            drop_replicas(primary)


CHECKS = [
    *("TOKENBUCKET 10 10 50ms COST 10", "FIXED 10 50ms", "SLIDING 10 50ms", "FIXED 10 20ms SLIDING 10 50ms"),
    *("LEAKYBUCKET 10 10 50ms COST 10", "SLIDING 10 30ms APPROX", "CONCURRENT 10 50ms", "FIXED 1 50ms COST 9 FORCE"),
]


@pytest.fixture
def quiet_pair(pair) -> Iterator[tuple[Client, Client]]:
    """Clients of the primary and the replica; expired keys are deleted only when somebody touches them."""
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        for client in (db, copy):
            client.do("DEBUG SET-ACTIVE-EXPIRE 0")
        yield db, copy


def test_a_key_that_expires_is_gone_on_both(pair):
    """Here the clocks run: the server's own expiry is the subject."""
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        for number, limits in enumerate(CHECKS):
            assert db.ask(f"RL.CHECK k{number} {limits}").granted
        assert db.ask("RL.RESERVE hold 50ms TOKENBUCKET 10 10 20ms ID a").granted
        db.wait(1, 1000 * PATIENCE_S)
        eventually(lambda: db.dbsize() == copy.dbsize() == 0, "the keys to expire")
        assert digest(primary) == digest(replica) == "0" * 40


@pytest.mark.parametrize("limits", CHECKS)
def test_a_key_that_has_expired_is_gone_on_both_before_it_is_deleted(quiet_pair, limits):
    db, copy = quiet_pair
    db.ask(f"RL.CHECK k {limits}")
    db.wait(1, 1000 * PATIENCE_S)
    end_ms = copy.do("PEXPIRETIME k")
    eventually(lambda: copy.time() > (end_ms // 1000, (end_ms % 1000 + 1) * 1000), "the key to expire")
    assert copy.dbsize() == 1, "it is still there"
    assert copy.do("RL.PEEK k") is copy.do("RL.INFO k") is None
    assert db.do("RL.PEEK k") is db.do("RL.INFO k") is None
    assert db.ask(f"RL.CHECK k {limits}").granted
    Clock(db).set(BASE)  # what is granted now does not end between the two looks
    assert db.ask(f"RL.CHECK k {limits}").granted
    db.wait(1, 1000 * PATIENCE_S)
    assert copy.do("PEXPIRETIME k") == db.do("PEXPIRETIME k") > end_ms
