# SPDX-License-Identifier: MIT
"""Limits that are stored again and again: what is to be done is bounded, and who is too fast is told to try again."""

from __future__ import annotations

from redis import ResponseError

from harness import BASE, SECOND, Client, Clock, eventually
from subjects import fill, nothing_forgotten

MANY = 3_000
MOST_PENDING = 24


def limits(size: int) -> str:
    return f"FIXED {size} 1h SLIDING {size} 1h APPROX"


def define_in_one_go(db: Client, sizes: list[int] | range) -> list:
    """No timer of the server comes in between."""
    with db.pipeline(transaction=True) as pipe:
        for size in sizes:
            pipe.execute_command(*f"RL.DEFINE k {limits(size)}".split())
        return pipe.execute(raise_on_error=False)


def are_refused(replies: list) -> bool:
    return all(str(reply).startswith("TRYAGAIN ") for reply in replies)


def all_have_caught_up(db: Client) -> bool:
    return db.info("everything")["ratelimit_keys_with_pending_changes"] == 0


def define_when_possible(db: Client, line: str) -> None:
    def is_done() -> bool:
        try:
            return db.do(line) == "OK"
        except ResponseError as error:
            if not are_refused([error]):
                raise
            return False

    eventually(is_done, "the subjects to catch up")


def test_who_changes_limits_too_often_is_told_to_try_again(db, clock):
    db.do(f"RL.DEFINE k {limits(10)}")
    fill(db, "k", MANY)
    replies = define_in_one_go(db, range(11, 11 + MOST_PENDING + 3))
    assert replies[:MOST_PENDING] == ["OK"] * MOST_PENDING
    assert are_refused(replies[MOST_PENDING:])


def test_a_change_that_is_refused_changes_nothing(db, clock):
    db.do(f"RL.DEFINE k {limits(10)}")
    fill(db, "k", MANY)
    db.do("RL.RESERVE k 1s COST 3 ID own")
    db.do("RL.CHECK k COST 2")
    db.do("COPY k twin")
    clock.advance(2 * SECOND)  # the hold of the key itself has ended, and nobody has given its units back since
    with db.pipeline(transaction=True) as pipe:
        for key in [*["k", "twin"] * MOST_PENDING, "k"]:
            size = len(pipe.command_stack) // 2 + 11
            pipe.execute_command(*f"RL.DEFINE {key} {limits(size)}".split())
        *done, refused = pipe.execute(raise_on_error=False)
    assert done == ["OK"] * 2 * MOST_PENDING
    assert are_refused([refused])
    assert len(set(db.do("DEBUG DIGEST-VALUE k twin"))) == 1


def test_limits_that_are_stored_already_are_ok_whatever_is_pending(db, clock):
    db.do(f"RL.DEFINE k {limits(10)}")
    fill(db, "k", MANY)
    last = 10 + MOST_PENDING
    *_, same, other, same_again = define_in_one_go(db, [*range(11, last + 1), last, last + 1, last])
    assert (same, same_again) == ("OK", "OK")
    assert are_refused([other])


def test_a_little_later_limits_can_be_changed_again(db, clock):
    db.do(f"RL.DEFINE k {limits(10)}")
    fill(db, "k", MANY)
    define_in_one_go(db, range(11, 11 + MOST_PENDING))
    define_when_possible(db, f"RL.DEFINE k {limits(99)}")
    eventually(lambda: all_have_caught_up(db), "all to catch up")
    assert db.ask("RL.CHECK k FOR s0")[:3] == (1, 99, 97)


def test_a_limiter_with_a_few_subjects_can_be_changed_as_often_as_one_likes(db, clock):
    db.do(f"RL.DEFINE k {limits(10)}")
    fill(db, "k", 20)
    assert define_in_one_go(db, range(11, 200)) == ["OK"] * 189


def test_a_replica_refuses_no_change_and_has_the_same_subjects(start_server):
    primary = start_server("--repl-diskless-sync-delay", "0")
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port))
    with primary.client() as db, replica.client() as copy:
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to sync")
        for client in (db, copy):
            Clock(client).set(BASE)
        db.do(f"RL.DEFINE k {limits(10)}")
        fill(db, "k", MANY)
        for size in range(11, 150):
            define_when_possible(db, f"RL.DEFINE k {limits(size)}")
        with nothing_forgotten(db):
            end = db.info("replication")["master_repl_offset"]
            eventually(lambda: copy.info("replication")["slave_repl_offset"] >= end, "the replica to catch up")
            assert copy.do("DEBUG DIGEST") == db.do("DEBUG DIGEST")
        eventually(lambda: all_have_caught_up(copy), "the sweep of the replica")


def test_a_file_may_change_limits_more_often_than_a_client(start_server):
    server = start_server("--appendonly", "yes", "--auto-aof-rewrite-percentage", "0")
    with server.client() as db:
        Clock(db).set(BASE)
        db.do(f"RL.DEFINE k {limits(10)}")
        fill(db, "k", MANY)
        for size in range(11, 100):
            define_when_possible(db, f"RL.DEFINE k {limits(size)}")
        before = db.do("DEBUG DIGEST")
        db.do("DEBUG LOADAOF")
        assert db.do("DEBUG DIGEST") == before
