# SPDX-License-Identifier: MIT
"""A limiter is a key like any other: typed, expiring, copied, guarded by ACLs, usable in transactions and scripts."""

from __future__ import annotations

import time

import pytest
import redis

from harness import BASE, HOUR, MS, eventually, lives_until
from resp import Connection, Failure
from vocabulary import OTHER_TYPES

CHECKS = [
    "RL.TOKENBUCKET k 20 10 1s",
    "RL.FIXED k 20 60s",
    "RL.SLIDING k 20 60s",
    "RL.LEAKYBUCKET k 20 10 1s",
    "RL.SLIDING k 20 60s APPROX",
    "RL.QUOTA k 20 HOUR TZ Europe/Berlin",
    "RL.CONCURRENT k 20 60s",
    "RL.RESERVE k 1s FIXED 20 60s",
    "RL.CHECK k FIXED 20 60s SLIDING 30 1h",
]
ACCOUNTS = ["RL.REFUND k 1", "RL.SETTLE k a 1 FIXED 20 60s", "RL.RELEASE k a", "RL.BLOCK k 1s", "RL.RESET k"]
COMMANDS = [*CHECKS, *ACCOUNTS, "RL.CHECK k", "RL.PEEK k", "RL.PEEK k FIXED 20 60s", "RL.INFO k"]


def granted_everything(db) -> list[str]:
    """A key of each kind; the names of the keys."""
    db.ask("RL.TOKENBUCKET bucket 7 7 60s COST 3")
    db.ask("RL.FIXED fixed 10 60s COST 3")
    db.ask("RL.FIXED aligned 10 1h ALIGNED COST 3")
    db.ask("RL.CHECK several TOKENBUCKET 20 10 1m AS burst FIXED 100 1d PER REQUEST SLIDING 50 1h COST 3")
    db.ask("RL.LEAKYBUCKET queue 7 7 60s COST 30 FORCE")
    db.ask("RL.SLIDING approx 10 60s APPROX COST 3")
    db.ask("RL.QUOTA quota 10 MONTH TZ Europe/Berlin COST 3")
    db.ask("RL.CONCURRENT leases 10 60s COST 3")
    db.ask("RL.RESERVE held 1h FIXED 10 60s SLIDING 10 1m APPROX COST 3")
    db.ask("RL.FIXED turn 10 60s COST 10")
    db.ask("RL.FIXED turn 10 60s COST 3 MAXWAIT 1h")
    for _ in range(5):
        db.do("RL.DEBUG CLOCK ADVANCE 1234567891")
        db.ask("RL.SLIDING log 10 60s")
    names = ["bucket", "fixed", "aligned", "several", "log"]
    return [*names, "queue", "approx", "quota", "leases", "held", "turn"]


def test_the_type_is_ratelimit(db, clock):
    keys = granted_everything(db)
    assert {db.type(key) for key in keys} == {"ratelimit"}
    assert set(db.scan_iter(_type="ratelimit")) == set(keys)


@pytest.mark.parametrize("line", [*COMMANDS, "RL.TRANSFER k l", "RL.TRANSFER l k"])
@pytest.mark.parametrize("other", OTHER_TYPES)
def test_a_key_of_another_type_is_the_wrong_type(db, clock, line, other):
    db.do(OTHER_TYPES[other])
    before = db.digest("k"), db.changes()
    assert db.error(*line.split()).startswith("WRONGTYPE")
    assert (db.digest("k"), db.changes(), db.type("k")) == (*before, other)


@pytest.mark.parametrize(
    "line", ["GET k", "INCR k", "APPEND k x", "RPUSH k a", "SADD k a", "ZADD k 1 a", "HGET k f", "XADD k * f v"]
)
def test_a_limiter_is_the_wrong_type_for_other_commands(db, clock, line):
    db.ask("RL.FIXED k 10 60s")
    before = db.digest("k")
    assert db.error(*line.split()).startswith("WRONGTYPE")
    assert db.digest("k") == before


@pytest.mark.parametrize("line", CHECKS)
def test_the_key_lives_until_its_state_is_idle(db, line):
    """Here the clock runs: the module's expiry is compared with the server's own time."""
    start = time.monotonic()
    reset_ms = db.ask(f"{line} COST 13").reset_ms
    ttl_ms = db.pttl("k")
    elapsed_ms = (time.monotonic() - start) * 1000
    if "SLIDING 30 1h" in line:
        reset_ms = 3_600_000
    assert lives_until(ttl_ms, reset_ms, slack_ms=reset_ms // 16 + 1100, late_ms=elapsed_ms + 2)


def test_the_key_lives_as_long_as_the_limit_that_is_idle_last(db):
    db.ask("RL.CHECK k FIXED 10 1s FIXED 10 1h SLIDING 10 1m")
    assert lives_until(db.pttl("k"), 3_600_000, slack_ms=60_000 // 16)


def test_a_later_call_moves_the_expiry(db, clock):
    """But not each: only one that leads beyond the step of sixteen units in which the last one was."""
    start = BASE - BASE % 2**33
    clock.set(start)
    ends = []
    for _ in range(32):
        db.ask("RL.TOKENBUCKET k 1000 1 1s")
        ends.append(db.do("PEXPIRETIME k"))
    assert len(set(ends)) == 4
    assert ends == sorted(ends)
    assert all(end > start // MS + 1000 * (units + 1) for units, end in enumerate(ends))


def test_a_held_clock_also_holds_the_end_of_a_state(db, clock):
    """However long the server's own clock runs meanwhile."""
    db.ask("RL.FIXED k 10 1ms COST 10")
    time.sleep(0.02)
    assert db.ask("RL.FIXED k 10 1ms") == (0, 10, 0, 1, 1)


def test_an_idle_key_is_gone_by_itself(db):
    """The server's own expiry is the subject: real time passes."""
    db.ask("RL.FIXED k 10 50ms")
    eventually(lambda: db.dbsize() == 0, "the key to expire")
    assert db.do("RL.INFO k") is None


def test_persist_and_expire_do_not_change_the_state(db, clock):
    db.ask("RL.FIXED k 10 60s COST 4")
    db.persist("k")
    assert db.ask("RL.PEEK k")[:3] == (1, 10, 6)
    assert db.ask("RL.FIXED k 10 60s")[:3] == (1, 10, 5)


def test_del_is_the_reset(db, clock):
    for key in granted_everything(db):
        assert db.delete(key) == 1
        assert db.do(f"RL.PEEK {key}") is None
    assert db.ask("RL.FIXED fixed 10 60s COST 10").granted == 10


@pytest.mark.parametrize("move", ["RENAME {0} moved-{0}", "COPY {0} moved-{0}"])
def test_a_limiter_keeps_its_state_when_it_is_moved(db, clock, move):
    for key in granted_everything(db):
        before = what_it_is(db, key)
        db.do(move.format(key))
        assert what_it_is(db, f"moved-{key}") == before


def what_it_is(db, key: str) -> tuple:
    info = db.rl_info(key)
    return db.ask(f"RL.PEEK {key}"), info["limits"], info["holds"], db.do(f"PEXPIRETIME {key}")


def test_a_copy_goes_its_own_way(db, clock):
    db.ask("RL.SLIDING k 10 60s COST 4")
    db.copy("k", "copy")
    assert db.digest("copy") == db.digest("k")
    db.ask("RL.SLIDING copy 10 60s COST 6")
    assert db.ask("RL.PEEK k")[:3] == (1, 10, 6)
    db.delete("k")
    assert db.ask("RL.PEEK copy")[:3] == (0, 10, 0)


def test_a_copy_has_leases_and_holds_of_its_own(db, clock):
    db.do("RL.RESERVE k 1h CONCURRENT 10 1h COST 4 ID a")
    db.copy("k", "copy")
    assert db.do("RL.RELEASE copy a") == 1
    assert db.rl_info("k")["limits"][0]["used"] == 4
    assert db.do("RL.SETTLE copy a 4")[-1] == "settled"
    clock.advance(HOUR)
    assert db.do("RL.SETTLE copy nobody 0") is None
    assert (db.exists("copy"), db.exists("k")) == (0, 1)
    assert db.do("RL.SETTLE k nobody 0") is None
    assert db.exists("k") == 0


@pytest.mark.parametrize(
    ("line", "ends_in_ms"),
    [
        ("RL.RESERVE k 2h FIXED 10 60s ID a", 7_200_000),
        ("RL.RESERVE k 1s FIXED 10 60s ID a", 60_000),
        ("RL.CONCURRENT k 10 90s ID a", 90_000),
        ("RL.TOKENBUCKET k 10 1 1s COST 90 FORCE", 90_000),
        ("RL.FIXED k 10 60s COST 90 FORCE", 60_000),
    ],
)
def test_the_key_lives_until_debts_are_paid_and_holds_have_ended(db, line, ends_in_ms):
    db.do(line)
    assert lives_until(db.pttl("k"), ends_in_ms, slack_ms=6000)


def test_the_key_lives_until_the_turn_of_who_waits_is_over(db):
    db.do("RL.FIXED k 10 60s COST 10")
    assert db.ask("RL.FIXED k 10 60s MAXWAIT 1h").granted == 1
    assert lives_until(db.pttl("k"), 120_000)


def test_an_ended_hold_lets_its_key_end_by_itself(db):
    """The server's own expiry is the subject: real time passes."""
    db.do("RL.RESERVE k 50ms TOKENBUCKET 10 10 10ms ID a")
    eventually(lambda: db.dbsize() == 0, "the key to expire")


def test_what_is_given_back_brings_the_end_of_the_key_nearer(db):
    db.do("RL.TOKENBUCKET k 100 1 1s COST 90")
    db.do("RL.REFUND k 60")
    assert lives_until(db.pttl("k"), 30_000, slack_ms=16_000)
    db.do("RL.RESERVE k 1h TOKENBUCKET 100 1 1s COST 50 ID a")
    db.do("RL.RESERVE k 1s TOKENBUCKET 100 1 1s ID a")
    assert lives_until(db.pttl("k"), 80_000, slack_ms=16_000)
    db.do("RL.SETTLE k a 0")
    assert lives_until(db.pttl("k"), 30_000, slack_ms=16_000)
    db.do("RL.REFUND k 30")
    eventually(lambda: db.exists("k") == 0, "the settled id to be forgotten")


def test_a_transaction_decides_in_order(db, clock):
    with db.pipeline(transaction=True) as pipe:
        for cost in (6, 5, 4):
            pipe.execute_command("RL.FIXED", "k", 10, "60s", "COST", cost)
        pipe.execute_command("RL.PEEK", "k")
        replies = pipe.execute()
    assert [tuple(reply[:3]) for reply in replies] == [(6, 10, 4), (0, 10, 4), (4, 10, 0), (0, 10, 0)]


def test_a_bad_command_in_a_transaction_spoils_only_itself(db, clock):
    with db.pipeline(transaction=True) as pipe:
        pipe.execute_command("RL.FIXED", "k", 10, "60s")
        pipe.execute_command("RL.FIXED", "k", 10, "sixty")
        pipe.execute_command("RL.FIXED", "k", 10, "60s")
        first, second, third = pipe.execute(raise_on_error=False)
    assert (first[2], third[2]) == (9, 8)
    assert isinstance(second, redis.ResponseError)


def test_a_script_can_ask(db, clock):
    script = "return redis.call('RL.FIXED', KEYS[1], ARGV[1], '60s', 'COST', 4)"
    assert db.eval(script, 1, "k", 10) == [4, 10, 6, 0, 60000]
    assert db.ask("RL.PEEK k")[:3] == (1, 10, 6)


def test_a_script_can_catch_the_error(db, clock):
    script = "local reply = redis.pcall('RL.FIXED', KEYS[1], 'many', '60s') return reply.err"
    assert "limit must be an integer" in db.eval(script, 1, "k")
    assert db.exists("k") == 0


def test_a_read_only_script_can_peek_but_not_take(db, clock):
    db.ask("RL.FIXED k 10 60s")
    assert db.do("EVAL_RO return{redis.call('RL.PEEK',KEYS[1])} 1 k") == [[1, 10, 9, 0, 60000, "fixed"]]
    assert db.error("EVAL_RO", "return redis.call('RL.FIXED',KEYS[1],'10','60s')", 1, "k")
    assert db.ask("RL.PEEK k").remaining == 9


def test_resp2_and_resp3_send_the_same_check(server, clock):
    for protocol in (2, 3):
        with Connection(server.socket, protocol) as connection:
            key = f"k{protocol}"
            assert connection.do("RL.FIXED", key, "10", "60s") == [1, 10, 9, 0, 60000]
            assert connection.do("RL.CHECK", key, "FIXED", "10", "60s") == [1, 10, 8, 0, 60000, "fixed"]
            assert connection.do("RL.PEEK", "absent") is None
            assert connection.do("RL.FIXED", key, "-1", "60s") == Failure(
                "ERR limit must be an integer from 0 to 9007199254740991"
            )
            assert connection.do("RL.CHECK", key).startswith("NOLIMITS ")


def test_a_pipeline_is_answered_in_order(server, clock):
    with Connection(server.socket) as connection:
        for _ in range(1000):
            connection.send("RL.FIXED", "k", "600", "60s")
            connection.send("RL.FIXED", "k", "none", "60s")
        replies = [(connection.read(), connection.read()) for _ in range(1000)]
    assert [reply[2] for reply, _ in replies] == [*range(599, -1, -1), *[0] * 400]
    assert {type(failure) for _, failure in replies} == {Failure}


def test_each_database_has_its_own_keys(server, db, clock):
    db.ask("RL.FIXED k 10 60s COST 10")
    with server.client(db=1) as other:
        assert other.ask("RL.FIXED k 10 60s").granted == 1


@pytest.mark.parametrize("line", COMMANDS)
def test_acl_key_patterns_hold(server, db, clock, line):
    db.do("ACL SETUSER limited on >secret ~a* +@all")
    with server.client(username="limited", password="secret") as limited:
        if line != "RL.CHECK k":
            limited.do(line.replace(" k", " allowed"))
        with pytest.raises(redis.exceptions.NoPermissionError):
            limited.do(line)
    assert db.exists("k") == 0
    db.do("ACL DELUSER limited")


def test_a_user_who_may_only_read_a_key_may_peek_but_not_take(server, db, clock):
    db.ask("RL.FIXED k 10 60s")
    db.do("ACL SETUSER reader on >secret %R~k +@all")
    with server.client(username="reader", password="secret") as reader:
        assert reader.ask("RL.PEEK k").remaining == 9
        assert reader.rl_info("k")["granted"] == 1
        for line in [*CHECKS, *ACCOUNTS]:
            with pytest.raises(redis.exceptions.NoPermissionError):
                reader.do(line)
    db.do("ACL DELUSER reader")


def test_without_memory_nothing_is_taken_but_everything_can_be_asked_and_given_back(db, clock, configure):
    db.ask("RL.FIXED k 10 60s")
    configure("maxmemory", "1")
    for line in CHECKS:
        assert db.error(*line.split()).startswith("OOM ")
    assert db.ask("RL.PEEK k").remaining == 9
    assert db.rl_info("k")["granted"] == 1
    assert db.do("RL.REFUND k 1") == 1
    assert db.do("RL.SETTLE k a 2 FIXED 10 60s")[:3] == [2, 10, 8]
