# SPDX-License-Identifier: MIT
"""RL.LIMITERS: the keys that store limits, step by step as SCAN tells keys, and only those that the user may read."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

from cluster import Cluster
from harness import Client, built_module, eventually
from resp import Connection, Failure


def walk(db: Client, *words: str) -> list[str]:
    """All that is told until the cursor is 0 again."""
    told: list[str] = []
    cursor = "0"
    for _ in range(100_000):
        cursor, keys = db.execute_command("RL.LIMITERS", cursor, *words)
        told += keys
        if cursor == "0":
            return told
    raise AssertionError("the walk does not end")


def define(db: Client, *keys: str) -> set[str]:
    pipe = db.pipeline(transaction=False)
    for key in keys:
        pipe.execute_command("RL.DEFINE", key, "FIXED", "10", "60s")
    assert all(reply == b"OK" or reply == "OK" for reply in pipe.execute())
    return set(keys)


def fill_with_others(db: Client, number: int) -> None:
    """Keys that store no limits: of the server's own types, and of ours."""
    pipe = db.pipeline(transaction=False)
    for i in range(number // 5):
        pipe.set(f"string:{i}", "x")
        pipe.hset(f"hash:{i}", "a", "b")
        pipe.zadd(f"zset:{i}", {"a": 1})
        pipe.execute_command("RL.FIXED", f"single:{i}", "10", "60s")
        pipe.execute_command("RL.CHECK", f"dense:{i}", "FIXED", "10", "60s", "FOR", "alice")
    pipe.execute()


# --- which keys ---


def test_nothing_is_told_where_there_is_nothing(db, clock):
    assert db.do("RL.LIMITERS 0") == ["0", []]


@pytest.mark.parametrize("count", [[], ["COUNT", "1"], ["COUNT", "1000"]])
def test_each_limiter_is_told_and_no_other_key(db, clock, count):
    limiters = define(db, *(f"limiter:{i}" for i in range(50)))
    fill_with_others(db, 500)
    assert set(walk(db, *count)) == limiters


def test_each_limiter_that_is_there_all_the_time_is_told_while_keys_come_and_go(server, db, clock):
    limiters = define(db, *(f"limiter:{i}" for i in range(1000)))
    fill_with_others(db, 9000)
    stop = threading.Event()
    with server.client() as other:
        numbers = itertools.count()

        def work() -> None:
            while not stop.is_set():
                names = [f"later:{next(numbers)}" for _ in range(200)]
                define(other, *names[:20])
                other.mset(dict.fromkeys(names[20:], "x"))
                other.delete(*names[::2])

        worker = threading.Thread(target=work)
        worker.start()
        try:
            told = [set(walk(db, "COUNT", "20")) for _ in range(3)]
        finally:
            stop.set()
            worker.join()
    for each in told:
        assert limiters <= each
        assert {name for name in each - limiters if not name.startswith("later:")} == set()


def test_a_renamed_limiter_is_told_by_its_new_name_and_a_deleted_one_no_more(db, clock):
    define(db, "a", "b", "c")
    db.rename("a", "z")
    db.delete("b")
    assert sorted(walk(db)) == ["c", "z"]
    db.do("RL.RESET c")
    assert sorted(walk(db)) == ["c", "z"], "a reset leaves the limits"


def test_a_limiter_on_trial_and_one_with_exceptions_are_told(db, clock):
    db.do("RL.DEFINE trial FIXED 1 60s SHADOW")
    db.do("RL.DEFINE vip FIXED 1 60s")
    db.do("RL.DEFINE vip FIXED 9 60s FOR alice")
    assert sorted(walk(db)) == ["trial", "vip"]


def test_a_database_tells_its_own_limiters(server, db, clock):
    define(db, "zero")
    with server.client(db=5) as other:
        define(other, "five")
        assert walk(other) == ["five"]
    assert walk(db) == ["zero"]


def test_a_limiter_that_has_expired_is_not_told(db, clock):
    define(db, "a", "b")
    db.pexpire("a", 1)
    eventually(lambda: walk(db) == ["b"], "the key to expire")


def test_a_match_is_a_pattern_as_scan_has_it(db, clock):
    define(db, "api:free", "api:paid", "login", "a\\b")
    assert sorted(walk(db, "MATCH", "api:*")) == ["api:free", "api:paid"]
    assert walk(db, "MATCH", "l[a-z]gi?") == ["login"]
    assert walk(db, "match", r"a\\b", "count", "1") == ["a\\b"]
    assert walk(db, "COUNT", "7", "MATCH", "other*") == []


# --- what is wrong ---


@pytest.mark.parametrize("cursor", ["", "x", "-1", "+1", " 1", "1 ", "1.0", "0x1", str(2**64), "9" * 30])
def test_a_cursor_is_a_number_as_scan_tells_it(db, clock, cursor):
    assert db.error("RL.LIMITERS", cursor) == "invalid cursor: it must be 0, or the cursor that the call before told"


def test_any_number_is_a_cursor_and_harms_nobody(db, clock):
    define(db, "a")
    for cursor in ("1", "17", str(2**32), str(2**63)):
        assert len(db.execute_command("RL.LIMITERS", cursor)) == 2


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("COUNT 0", "COUNT must be an integer from 1 to 1000"),
        ("COUNT 1001", "COUNT must be an integer from 1 to 1000"),
        ("COUNT x", "COUNT must be an integer from 1 to 1000"),
        ("COUNT", "COUNT is missing: it must be an integer from 1 to 1000"),
        ("MATCH", "MATCH is missing: it must be 1 to 1024 bytes"),
        ("COUNT 5 COUNT 5", "COUNT is given twice"),
        ("MATCH a* COUNT 5 MATCH a*", "MATCH is given twice"),
        ("TYPE string", "syntax error at argument 2: expected MATCH pattern or COUNT count"),
        ("COUNT 5 xyzzy", "syntax error at argument 4: expected MATCH pattern or COUNT count"),
    ],
)
def test_words_that_are_not_understood_are_refused(db, clock, words, text):
    assert db.error("RL.LIMITERS", "0", *words.split()) == text


def test_a_pattern_has_at_most_1024_bytes(db, clock):
    assert db.error("RL.LIMITERS", "0", "MATCH", "x" * 1025) == "MATCH must be 1 to 1024 bytes"
    assert db.error("RL.LIMITERS", "0", "MATCH", "") == "MATCH must be 1 to 1024 bytes"
    assert db.execute_command("RL.LIMITERS", "0", "MATCH", "x" * 1024) == ["0", []]


def test_a_server_without_scan_says_so(start_server):
    server = start_server("--rename-command", "SCAN", "")
    with server.client() as db:
        assert db.error("RL.LIMITERS", "0") == "this server has no command SCAN"


# --- who asks ---


def test_a_user_is_told_the_limiters_that_he_may_read_and_no_others(server, db, clock):
    define(db, "team:a:api", "team:b:api", "other")
    db.do("ACL SETUSER alice on >secret ~team:a:* +rl.limiters")
    db.do("ACL SETUSER reader on >secret %R~team:* +rl.limiters")
    db.do("ACL SETUSER writer on >secret %W~team:* +rl.limiters")
    db.do("ACL SETUSER nobody on >secret +rl.limiters")
    told = {"alice": ["team:a:api"], "reader": ["team:a:api", "team:b:api"], "writer": [], "nobody": []}
    try:
        for name, expected in told.items():
            with server.client(username=name, password="secret") as user:
                assert sorted(walk(user)) == expected, name
                assert sorted(walk(user, "MATCH", "*")) == expected, name
    finally:
        db.execute_command("ACL DELUSER", *told)


def test_a_user_needs_no_right_to_scan_and_a_script_asks_for_its_caller(server, db, clock):
    define(db, "mine", "yours")
    db.do("ACL SETUSER alice on >secret ~mine +rl.limiters +eval_ro +eval +multi +exec")
    script = "return redis.call('RL.LIMITERS', '0', 'COUNT', 100)"
    try:
        with server.client(username="alice", password="secret") as user:
            assert "permissions" in user.error("SCAN", "0")
            assert user.eval(script, 0) == ["0", ["mine"]]
            assert user.execute_command("EVAL_RO", script, 0) == ["0", ["mine"]]
            with user.pipeline(transaction=True) as pipe:
                pipe.execute_command("RL.LIMITERS", "0", "COUNT", "100")
                assert pipe.execute() == [["0", ["mine"]]]
        assert sorted(db.eval(script, 0)[1]) == ["mine", "yours"]
    finally:
        db.do("ACL DELUSER alice")


@pytest.fixture(scope="module")
def asking_module(tmp_path_factory) -> Path:
    """Another module, whose command OTHER.LIMITERS asks RL.LIMITERS on its own behalf."""
    return built_module(Path(__file__).with_name("other_asker.cpp"), tmp_path_factory.mktemp("asker"))


def test_another_module_that_asks_for_nobody_is_told_all(start_server, asking_module):
    server = start_server("--loadmodule", str(asking_module))
    with server.client() as db:
        define(db, "a", "b")
        db.do("ACL SETUSER alice on >secret ~a +other.limiters")
        assert db.do("OTHER.LIMITERS") == 2
        with server.client(username="alice", password="secret") as user:
            assert user.do("OTHER.LIMITERS") == 2, "the module asks, and not alice"


# --- where ---


def test_the_reply_is_the_same_in_both_protocols(server, db, clock):
    define(db, "a")
    for protocol in (2, 3):
        with Connection(server.socket, protocol) as connection:
            assert connection.do("RL.LIMITERS", "0") == ["0", ["a"]]
            assert connection.do("RL.LIMITERS", "x") == Failure(
                "ERR invalid cursor: it must be 0, or the cursor that the call before told"
            )


def test_asking_is_no_use_of_a_key_and_no_change(db, clock):
    define(db, "a")
    before = db.changes(), db.digest("a")
    idle = [db.object("idletime", "a")]
    eventually(lambda: idle.append(db.object("idletime", "a")) or idle[-1] >= 2, "the key to be idle")
    walk(db)
    assert db.object("idletime", "a") >= 2
    assert (db.changes(), db.digest("a")) == before


def test_a_replica_tells_the_limiters_of_its_primary(start_server):
    primary = start_server()
    replica = start_server("--replicaof", f"127.0.0.1 {primary.port}")
    with primary.client() as db, replica.client() as copy:
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica")
        limiters = define(db, *(f"limiter:{i}" for i in range(50)))
        db.wait(1, 0)
        assert set(walk(copy)) == limiters


def test_each_node_of_a_cluster_tells_its_own(cluster: Cluster):
    limiters = {f"limiter:{i}" for i in range(60)}
    with cluster.client() as db:
        for key in limiters:
            db.execute_command("RL.DEFINE", key, "FIXED", "10", "60s")
    told = []
    for primary in cluster.primaries:
        with primary.client() as db:
            told += walk(db)
    assert sorted(told) == sorted(limiters), "each once, and by one node"
