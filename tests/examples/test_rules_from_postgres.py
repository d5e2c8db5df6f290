# SPDX-License-Identifier: MIT
"""examples/rules-from-postgres keeps a cluster at what a table says: with a real PostgreSQL and a real cluster, each of
which is killed and started again. What the README promises is what the tests are named after.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import psycopg2
import pytest
import redis
from redis.crc import key_slot

from cluster import Cluster
from harness import MODULE, PATIENCE_S, REPOSITORY, eventually

EXAMPLE = REPOSITORY / "examples" / "rules-from-postgres"
NEVER = "3600"  # --every: whatever comes, was notified

sys.path.insert(0, str(EXAMPLE))

import demo  # noqa: E402
import rules  # noqa: E402
from limiters import Limiters, labels, mark_of  # noqa: E402
from rows import Rows, Rule, keys_of  # noqa: E402


@pytest.fixture(scope="module")
def started_stage() -> Iterator[demo.Stage]:
    with demo.Stage() as stage:
        yield stage


@pytest.fixture
def stage(started_stage: demo.Stage) -> demo.Stage:
    """Its table and its servers are empty."""
    tables = ("outcome", "limiter", "history")
    wipe = "".join(f"DELETE FROM ratelimit.{table};" for table in tables)
    started_stage.postgres.do(f"SET session_replication_role = replica; {wipe}")  # without triggers
    for node in started_stage.nodes:
        node.do("FLUSHALL")
    return started_stage


def put(stage: demo.Stage, name: str, limits: str, **more) -> None:
    """A row, or other words in it."""
    values = {"name": name, "limits": limits} | more
    columns, places = ", ".join(values), ", ".join(["%s"] * len(values))
    updates = ", ".join(f"{column} = excluded.{column}" for column in values if column != "name")
    stage.postgres.do(
        f"INSERT INTO ratelimit.limiter ({columns}) VALUES ({places}) ON CONFLICT (name) DO UPDATE SET {updates}",
        *values.values(),
    )


def take_away(stage: demo.Stage, name: str) -> None:
    stage.postgres.do("DELETE FROM ratelimit.limiter WHERE name = %s", name)


def error_of(stage: demo.Stage, name: str) -> str | None:
    """What stands next to the row; None, if nobody has tried yet."""
    return stage.postgres.do("SELECT error FROM ratelimit.overview WHERE name = %s", name)[0][0]


def node_of(stage: demo.Stage, key: str) -> demo.Node:
    """Each has a third of the slots."""
    return stage.nodes[min(key_slot(key.encode()) * 3 // demo.SLOTS, 2)]


def stored(stage: demo.Stage, key: str) -> str | None:
    """The limits of the key; None if there is none, or no such key."""
    reply = node_of(stage, key).do(f"RL.INFO {key}")
    if reply is None:
        return None
    about = dict(zip(reply[::2], reply[1::2]))
    texts = [dict(zip(limit[::2], limit[1::2]))["limit"] for limit in about["limits"]]
    return " ".join(texts + ["SHADOW"] * about["shadow"]) if about["stored"] else None


def all_store(stage: demo.Stage, keys: list[str], limits: str | None) -> bool:
    """Not while a node that is back does not yet know the others."""
    with suppress(redis.ResponseError, redis.ConnectionError):
        return all(stored(stage, key) == limits for key in keys)
    return False


def run(stage: demo.Stage, *options: str, status: int = 0) -> list[str]:
    """One that ends by itself: what it says. In this process, which is faster."""
    said, faults = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(faults):
        ended = rules.main(stage.command(*options)[2:])
    assert (ended, faults.getvalue()) == (status, ""), said.getvalue() + faults.getvalue()
    return said.getvalue().splitlines()


@contextmanager
def kept(stage: demo.Stage, folder: Path, every: str = NEVER, words: Sequence[str] = ()) -> Iterator[Path]:
    """rules.py runs meanwhile, and has listened before. Gives the file with what it says."""
    file, command = folder / "said", stage.command("--every", every)
    if words:
        command = [*command[:2], *words]
    with file.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        eventually(lambda: "listening" in file.read_text(), "rules.py to listen")
        yield file
        assert process.poll() is None, file.read_text()
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0, file.read_text()
        assert "Traceback" not in file.read_text(), file.read_text()


# --- a row and its keys -----------------------------------------------------------------------------


def test_a_change_of_a_row_is_brought_to_every_part_without_waiting_for_the_next_look(stage, tmp_path):
    keys = keys_of("api:free", 16)
    with kept(stage, tmp_path):
        put(stage, "api:free", "TOKENBUCKET 20 10 1s AS rate", parts=16)
        eventually(lambda: all_store(stage, keys, "TOKENBUCKET 20 10 1s AS rate"), "the limiter")
        put(stage, "api:free", "TOKENBUCKET 40 20 1s AS rate", parts=16, trial=True)
        eventually(lambda: all_store(stage, keys, "TOKENBUCKET 40 20 1s AS rate SHADOW"), "the change")
        take_away(stage, "api:free")
        eventually(lambda: all_store(stage, keys, None), "its end")
    assert len({node_of(stage, key).port for key in keys}) == 3


def test_a_limiter_without_parts_is_one_key_also_with_the_tag_of_a_slot(stage):
    put(stage, "login", "SLIDING 5 1m")
    put(stage, "{acme}users", "FIXED 5 1m AS user CONCURRENT 3 10m PER REQUEST")
    assert len(run(stage, "--once")) == 2
    assert stored(stage, "login") == "SLIDING 5 1m"
    assert stored(stage, "{acme}users") == "FIXED 5 1m AS user CONCURRENT 3 10m PER REQUEST"


def test_what_is_applied_already_is_not_touched_however_it_is_written(stage):
    put(stage, "api", "tokenbucket 20 10 60 as Rate quota 1000 day", parts=4)
    put(stage, "login", "FIXED 5 60s", trial=True)
    run(stage, "--once")
    changes = [changes_of(node) for node in stage.nodes]
    outcomes = stage.postgres.do("SELECT * FROM ratelimit.outcome ORDER BY name")
    assert run(stage, "--once") == run(stage, "--dry-run") == []
    assert [changes_of(node) for node in stage.nodes] == changes
    assert stage.postgres.do("SELECT * FROM ratelimit.outcome ORDER BY name") == outcomes


def changes_of(node: demo.Node) -> int:
    with redis.Redis(port=node.port) as client:
        return client.info("persistence")["rdb_changes_since_last_save"]


def test_a_label_that_changes_is_a_change(stage):
    put(stage, "api", "FIXED 5 1m AS one")
    run(stage, "--once")
    put(stage, "api", "FIXED 5 1m AS other")
    assert run(stage, "--once") == ["~ api: FIXED 5 1m AS one -> FIXED 5 1m AS other"]
    assert stored(stage, "api") == "FIXED 5 1m AS other"


def test_a_dry_run_shows_the_difference_and_changes_nothing(stage):
    put(stage, "old", "FIXED 1 1m")
    put(stage, "paid", "FIXED 5 1m", parts=2)
    put(stage, "bad", "FIXED 1 9999d")
    run(stage, "--once", status=1)
    take_away(stage, "old")
    put(stage, "paid", "FIXED 6 1m", parts=2)
    put(stage, "new", "FIXED 7 1m", trial=True)
    changes = [changes_of(node) for node in stage.nodes]
    outcomes = stage.postgres.do("SELECT * FROM ratelimit.outcome ORDER BY name")
    bad, *rest = run(stage, "--dry-run", status=1)
    assert bad.startswith("! bad: window must be a duration from 1ms to 3650d")
    assert rest == ["+ new: FIXED 7 1m SHADOW", "~ paid: FIXED 5 1m -> FIXED 6 1m (2 of 2 parts)", "- old"]
    assert [changes_of(node) for node in stage.nodes] == changes
    assert stage.postgres.do("SELECT * FROM ratelimit.outcome ORDER BY name") == outcomes
    take_away(stage, "bad")
    assert len(run(stage, "--once")) == 3
    assert run(stage, "--dry-run") == []


def test_what_somebody_changes_on_a_server_is_changed_back_at_the_next_look(stage, tmp_path):
    put(stage, "api", "FIXED 5 1m", parts=4)
    with kept(stage, tmp_path, every="0.2") as said:
        eventually(lambda: all_store(stage, keys_of("api", 4), "FIXED 5 1m"), "the limiter")
        node_of(stage, "{3}api").do("RL.DEFINE {3}api FIXED 9 1m")
        eventually(lambda: stored(stage, "{3}api") == "FIXED 5 1m", "the limits of the row")
        eventually(lambda: "~ api: FIXED 9 1m -> FIXED 5 1m (1 of 4 parts)" in said.read_text(), "a word about it")


def test_fewer_parts_leave_the_others_until_the_row_goes(stage):
    put(stage, "api", "FIXED 5 1m", parts=4)
    run(stage, "--once")
    put(stage, "api", "FIXED 6 1m", parts=2)
    assert run(stage, "--once")[1:] == ["= api: 2 keys of another number of parts are left"]
    assert [stored(stage, key) for key in keys_of("api", 4)] == ["FIXED 6 1m"] * 2 + ["FIXED 5 1m"] * 2
    take_away(stage, "api")
    run(stage, "--once")
    assert all_store(stage, keys_of("api", 4), None)


# --- what cannot be applied -------------------------------------------------------------------------


def test_the_error_of_the_module_stands_next_to_the_row_and_the_others_are_applied(stage, tmp_path):
    with kept(stage, tmp_path):
        put(stage, "bad", "FIXED 5 1m AS same SLIDING 5 1m AS same", parts=4)
        put(stage, "good", "FIXED 5 1m")
        eventually(lambda: error_of(stage, "good") == "", "the good one")
        eventually(lambda: error_of(stage, "bad"), "the error")
        assert error_of(stage, "bad") == "label must be different for each limit of a call (4 of 4 parts)"
        put(stage, "bad", "FIXED 5 1m AS same SLIDING 5 1m AS other", parts=4)
        eventually(lambda: error_of(stage, "bad") == "", "the error to go")


def test_a_key_that_holds_something_else_is_left_as_it_is(stage):
    node_of(stage, "login").do("SET login theirs")
    put(stage, "login", "SLIDING 5 1m")
    assert run(stage, "--once", status=1)[0].startswith("! login: WRONGTYPE ")
    assert node_of(stage, "login").do("GET login") == "theirs"
    assert error_of(stage, "login").startswith("WRONGTYPE ")


# --- what is removed, and what never is -------------------------------------------------------------


def test_a_limiter_that_was_made_for_a_row_goes_with_it_or_while_it_is_disabled(stage):
    put(stage, "mine", "FIXED 5 1m", trial=True)
    put(stage, "off", "FIXED 5 1m")
    run(stage, "--once")
    take_away(stage, "mine")
    put(stage, "off", "FIXED 5 1m", enabled=False)
    assert run(stage, "--once") == ["- mine", "- off"]
    assert stored(stage, "mine") is stored(stage, "off") is None
    assert [node.do("DBSIZE") for node in stage.nodes] == [0, 0, 0]  # nor is a mark left
    put(stage, "off", "FIXED 5 1m", enabled=True)
    assert run(stage, "--once") == ["+ off: FIXED 5 1m"]


def test_a_limiter_that_somebody_else_made_stays_when_the_row_goes(stage):
    node_of(stage, "theirs").do("RL.DEFINE theirs FIXED 5 1m")
    node_of(stage, "same").do("RL.DEFINE same FIXED 6 1m")
    put(stage, "theirs", "FIXED 6 1m")
    put(stage, "same", "FIXED 6 1m")
    adopted = "~ theirs: FIXED 5 1m -> FIXED 6 1m (was there before: stays when the row goes)"
    assert run(stage, "--once") == [adopted]
    stage.postgres.do("DELETE FROM ratelimit.limiter")
    why = "left alone, somebody else made it"
    assert run(stage, "--once") == [f"= same: {why}", f"= theirs: {why}"]
    assert stored(stage, "theirs") == stored(stage, "same") == "FIXED 6 1m"


def test_a_key_that_callers_had_made_by_their_own_limits_is_not_deleted(stage):
    node_of(stage, "busy").do("RL.CHECK busy FIXED 100 1h COST 10")
    put(stage, "busy", "FIXED 100 1h")
    assert run(stage, "--once")[0].startswith("~ busy: no limits -> FIXED 100 1h")
    take_away(stage, "busy")
    run(stage, "--once")
    assert node_of(stage, "busy").do("RL.PEEK busy")[2] == 90


def test_a_limiter_that_somebody_else_has_changed_or_made_anew_stays(stage):
    put(stage, "mine", "FIXED 5 1m")
    run(stage, "--once")
    take_away(stage, "mine")
    node_of(stage, "mine").do("DEL mine")
    node_of(stage, "mine").do("RL.DEFINE mine FIXED 7 1m")
    assert run(stage, "--once") == ["= mine: left alone, somebody else has changed it"]
    assert stored(stage, "mine") == "FIXED 7 1m"


def test_limiters_that_the_table_never_named_are_not_looked_at(stage):
    node_of(stage, "other").do("RL.DEFINE other FIXED 5 1m")
    assert run(stage, "--once") == []
    assert stored(stage, "other") == "FIXED 5 1m"


# --- what dies and comes back -----------------------------------------------------------------------


def test_a_change_made_while_postgres_was_being_restarted_arrives(stage, tmp_path):
    put(stage, "api", "FIXED 5 1m")
    with kept(stage, tmp_path) as said:
        eventually(lambda: stored(stage, "api") == "FIXED 5 1m", "the limiter")
        stage.postgres.kill()
        eventually(lambda: "! PostgreSQL:" in said.read_text(), "the loss to be noticed")
        stage.postgres.start()
        put(stage, "api", "FIXED 6 1m")
        eventually(lambda: stored(stage, "api") == "FIXED 6 1m", "the change")
        eventually(lambda: said.read_text().count("listening") == 2, "rules.py to listen again")
        put(stage, "api", "FIXED 7 1m")
        eventually(lambda: stored(stage, "api") == "FIXED 7 1m", "what is notified to the new connection")


@pytest.mark.parametrize("number", range(3))
def test_while_a_node_is_away_the_others_have_the_change_and_it_has_it_when_it_is_back(stage, tmp_path, number):
    keys, node = keys_of("api", 16), stage.nodes[number]
    put(stage, "api", "FIXED 5 1m", parts=16)
    with kept(stage, tmp_path) as said:
        eventually(lambda: all_store(stage, keys, "FIXED 5 1m"), "the limiter")
        theirs = [key for key in keys if node_of(stage, key) is not node]
        node.kill()
        put(stage, "api", "FIXED 6 1m", parts=16)
        eventually(lambda: all_store(stage, theirs, "FIXED 6 1m"), "the change on the others")
        eventually(lambda: error_of(stage, "api"), "a word next to the row")
        assert f"({16 - len(theirs)} of 16 parts)" in error_of(stage, "api"), said.read_text()
        node.start()
        eventually(lambda: all_store(stage, keys, "FIXED 6 1m"), "the change on the node that is back")
        eventually(lambda: error_of(stage, "api") == "", "the error to go")
    eventually(lambda: all(demo.knows_all(each, 3) for each in stage.nodes), "the cluster to be whole")


def test_a_node_that_comes_back_empty_is_filled_at_the_next_look(stage, tmp_path):
    keys = keys_of("api", 8)
    put(stage, "api", "FIXED 5 1m", parts=8)
    with kept(stage, tmp_path, every="1"):
        eventually(lambda: all_store(stage, keys, "FIXED 5 1m"), "the limiter")
        stage.nodes[1].kill()
        shutil.rmtree(stage.nodes[1].folder / "appendonlydir")
        stage.nodes[1].start()
        eventually(lambda: all_store(stage, keys, "FIXED 5 1m"), "the limiter again")
    eventually(lambda: all(demo.knows_all(each, 3) for each in stage.nodes), "the cluster to be whole")


def test_after_a_failover_the_new_primary_is_kept_as_the_old_one_was(stage, tmp_path):
    """Of another cluster, that has replicas."""
    cluster, keys = Cluster(), keys_of("api", 8)
    put(stage, "api", "FIXED 5 1m", parts=8)
    try:
        nodes = cluster.start().primaries
        words = ["--postgres", stage.postgres.address("ratelimit_rules"), "--every", NEVER]
        for node in nodes:
            words += ["--redis", f"redis://127.0.0.1:{node.port}"]
        with kept(stage, tmp_path, words=words):
            eventually(lambda: cluster_stores(cluster, keys, "FIXED 5 1m"), "the limiter")
            cluster.expect_a_death()
            nodes[0].kill()
            put(stage, "api", "FIXED 6 1m", parts=8)
            eventually(lambda: error_of(stage, "api"), "a word next to the row")
            eventually(lambda: error_of(stage, "api") == "", "the replica to take over")
            assert cluster_stores(cluster, keys, "FIXED 6 1m")
    finally:
        cluster.stop()


def cluster_stores(cluster: Cluster, keys: list[str], limits: str) -> bool:
    client = cluster.client()
    return all(limits in str(client.execute_command("RL.INFO", key)) for key in keys)


def test_with_all_servers_away_the_row_says_so(stage):
    put(stage, "api", "FIXED 5 1m", parts=64)
    nobody = f"redis://127.0.0.1:{demo.free_port()}"
    limiters = rules.Keeper(Limiters([nobody]), rules.Log())
    with Rows(stage.postgres.address("ratelimit_rules")) as rows:
        turn = limiters.bring(rows)
    assert not turn.is_complete and turn.servers_away
    assert re.fullmatch(r"Error 111 .*refused.* \(64 of 64 parts\)", error_of(stage, "api"))


# --- the table --------------------------------------------------------------------------------------

GOOD = [
    "TOKENBUCKET 20 10 1s",
    "leakybucket 5 1 100 as queue",
    "FIXED 9007199254740991 1d ALIGNED AS bytes PER REQUEST",
    "SLIDING 0 10s APPROX PER REQUEST AS x",
    "QUOTA 5000 MONTH ANCHOR 2026-01-31T06:00 TZ Europe/Berlin AS monthly CONCURRENT 3 10m",
    "FIXED 1 1s " * 7 + "FIXED 1 1s",
]
BAD = [
    "",
    "FIXED",
    "FIXED 5",
    "FIXED -5 1m",
    "FIXED 5 1w",
    "FIXED  5 1m",
    "FIXED 5 1m ",
    "FIXED 5 1m\nFIXED 6 1h",
    "FIXED 5 1m FOR bob",
    "FIXED 5 1m SHADOW",
    "FIXED 5 1m AS for",
    "FIXED 5 1m COST 3",
    "TOKENBUCKET 20 10",
    "FIXED 1 1s " * 8 + "FIXED 1 1s",
    *(f"FIXED 1 1s AS a{blank}FOR{blank}bob" for blank in "\t\n\r\x0b\x1c"),
]


@pytest.mark.parametrize("limits", GOOD)
def test_the_table_takes_limits_that_the_module_takes(stage, limits):
    put(stage, "api", limits)
    assert node_of(stage, "api").do(f"RL.DEFINE api {limits}") == "OK"


@pytest.mark.parametrize("limits", BAD)
def test_the_table_refuses_what_is_no_list_of_limits(stage, limits):
    with pytest.raises(psycopg2.errors.CheckViolation, match="limits are written as for RL.DEFINE"):
        put(stage, "api", limits)


MARKS = [("{a}:rule", None), ("{a}b:rule", None), ("a:rule", 2), ("{" + "a" * 201 + "}b", None)]


@pytest.mark.parametrize(
    ("name", "parts"),
    [("", None), ("a\nb", None), ("a{b}c", None), ("{}a", None), ("{a}b", 4), ("a", 0), ("a", 16385), *MARKS],
)
def test_the_table_refuses_names_and_parts_that_are_no_keys(stage, name, parts):
    with pytest.raises(psycopg2.errors.CheckViolation):
        put(stage, name, "FIXED 5 1m", parts=parts)


def test_a_limiter_keeps_its_name_and_the_table_cannot_be_emptied_without_history(stage):
    put(stage, "api", "FIXED 5 1m")
    with pytest.raises(psycopg2.errors.RaiseException, match="keeps its name"):
        stage.postgres.do("UPDATE ratelimit.limiter SET name = 'other'")
    with pytest.raises(psycopg2.errors.RaiseException, match="use DELETE"):
        stage.postgres.do("TRUNCATE ratelimit.limiter CASCADE")


def test_history_has_every_version_and_who_made_it_whatever_they_say(stage):
    put(stage, "api", "FIXED 5 1m", changed_by="somebody else")
    stage.postgres.do("SET ratelimit.changed_by = 'alice'; UPDATE ratelimit.limiter SET limits = 'FIXED 6 1m'")
    take_away(stage, "api")
    rows = stage.postgres.do("SELECT what, changed_by, name, limits, changed_at FROM ratelimit.history ORDER BY id")
    assert [row[:4] for row in rows] == [
        ("INSERT", "postgres", "api", "FIXED 5 1m"),
        ("UPDATE", "alice", "api", "FIXED 6 1m"),
        ("DELETE", "postgres", "api", "FIXED 6 1m"),
    ]
    assert rows == sorted(rows, key=lambda row: row[4])


def test_rules_may_not_change_the_table(stage):
    for statement in (
        "INSERT INTO ratelimit.limiter (name, limits) VALUES ('a', 'FIXED 1 1s')",
        "DELETE FROM ratelimit.limiter",
        "DELETE FROM ratelimit.history",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            stage.postgres.do(statement, user="ratelimit_rules")


@pytest.mark.parametrize("blank", "\u00a0\u2003\x85", ids=ascii)
def test_a_blank_of_another_kind_is_a_letter_of_a_label_which_the_module_refuses(stage, blank):
    """Whatever the database takes for a blank, it never makes an exception for a subject."""
    with suppress(psycopg2.errors.CheckViolation):
        put(stage, "api", f"FIXED 1 1s AS a{blank}FOR{blank}bob")
        run(stage, "--once", status=1)
        assert "label must be" in error_of(stage, "api")
    assert stored(stage, "api") is None


def test_a_mark_of_any_bytes_stops_nothing(stage):
    put(stage, "api", "FIXED 1 1s")
    node_of(stage, "api").do("RL.DEFINE api FIXED 2 1s")
    node_of(stage, "api").do(f"SET {mark_of('api')} \xff\xfe")
    run(stage, "--once")
    assert stored(stage, "api") == "FIXED 1 1s"


@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf", "soon"])
def test_looks_without_a_pause_between_them_are_refused(stage, every):
    with pytest.raises(SystemExit), redirect_stderr(io.StringIO()) as said:
        rules.main([*stage.command("--every", every)[2:]])
    assert "argument --every" in said.getvalue()


def test_the_schema_may_be_applied_again(stage):
    put(stage, "api", "FIXED 5 1m")
    stage.postgres.do((EXAMPLE / "schema.sql").read_text())
    assert stage.postgres.do("SELECT name FROM ratelimit.limiter") == [("api",)]


def test_a_change_is_there_well_within_a_second_of_its_commit(stage, tmp_path):
    """One of many, since the machine may be busy; a look at everything comes an hour later."""
    keys = keys_of("api", 16)
    with kept(stage, tmp_path):
        taken = []
        for number in range(1, 100):
            if taken and min(taken) < 1:
                break
            put(stage, "api", f"FIXED {number} 1m", parts=16)
            begin = time.monotonic()
            eventually(lambda number=number: stored(stage, keys[-1]) == f"FIXED {number} 1m", "the change")
            taken.append(time.monotonic() - begin)
    assert min(taken) < 1, taken


# --- the small parts, and the page ------------------------------------------------------------------


def test_a_mark_is_in_the_slot_of_its_key():
    for key in ("api:free", "{6}api:free", "{acme}users"):
        assert key_slot(key.encode()) == key_slot(mark_of(key).encode())


def test_labels_are_found_wherever_they_stand():
    assert labels("FIXED 1 1s PER REQUEST AS a fixed 2 1s SLIDING 3 1s AS FIXED") == ["a", "", "FIXED"]


def test_a_server_that_is_no_cluster_will_do(started_server):
    limiters, rule = Limiters([f"redis://127.0.0.1:{started_server.port}"]), Rule("api", "FIXED 5 1m", 0, False)
    limiters.define("api", rule)
    assert limiters.look("api", rule).same
    assert limiters.remove("api", dry_run=False) == "removed"
    limiters.close()


def test_addresses_may_come_from_the_environment(stage, monkeypatch):
    put(stage, "api", "FIXED 5 1m", parts=4)
    monkeypatch.setenv("REDIS_URL", " ".join(node.address for node in stage.nodes))
    monkeypatch.setenv("PGHOST", str(stage.postgres.folder))
    monkeypatch.setenv("PGUSER", "ratelimit_rules")
    monkeypatch.setenv("PGDATABASE", "postgres")
    assert rules.main(["--once"]) == 0
    assert all_store(stage, keys_of("api", 4), "FIXED 5 1m")


def test_the_one_command_starts_all_of_it_and_ends_it(tmp_path):
    # A short path, since the socket of PostgreSQL is below it.
    with tempfile.TemporaryDirectory(prefix="rules-") as short, (tmp_path / "said").open("w") as log:
        Path(short).chmod(0o711)
        environment = os.environ | {"RATELIMIT_MODULE": str(MODULE), "TMPDIR": short}
        run = subprocess.Popen([EXAMPLE / "run"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        said = (tmp_path / "said").read_text
        try:
            eventually(lambda: run.poll() is not None or "! typo: window must be" in said(), "all rows to be tried")
            assert run.poll() is None, said()
        finally:
            run.terminate()
            run.wait(PATIENCE_S)
        assert "+ api:free: TOKENBUCKET 20 10 1s AS rate QUOTA 1000 DAY AS daily (64 of 64 parts)" in said()
        assert "Traceback" not in said()
        assert list(Path(short).iterdir()) == []


def test_the_rights_on_the_page_are_enough(stage):
    """On every node, as the page says."""
    rights = re.search(r"^ACL SETUSER rules .*$", (EXAMPLE / "README.md").read_text(), re.M)[0]
    for node in stage.nodes:
        node.do(rights)
    put(stage, "api", "FIXED 5 1m", parts=8)
    as_user = ["--redis", stage.nodes[0].address.replace("://", "://rules:secret@")]
    words = ["--postgres", stage.postgres.address("ratelimit_rules"), *as_user, "--once"]
    assert rules.main(words) == 0
    assert all_store(stage, keys_of("api", 8), "FIXED 5 1m")
    take_away(stage, "api")
    assert rules.main(words) == 0
    assert all_store(stage, keys_of("api", 8), None)
