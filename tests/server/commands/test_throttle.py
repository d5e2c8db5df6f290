# SPDX-License-Identifier: MIT
"""CL.THROTTLE: what clients of redis-cell ask and are answered, and the keys that it left, which are strings.

A string holds the instant, in nanoseconds since 1970, at which the bucket is full again. Each call reads it with the
numbers that it brings; the first that is granted puts one of our states in its place.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import redis

from ears import Ear, FileEar, ReplicaEar, command, names
from harness import (
    BASE,
    DAY,
    HOUR,
    MODULE,
    MS,
    SECOND,
    Client,
    Clock,
    Server,
    ServerDied,
    built_module,
    eventually,
    lives_until,
    watched_over,
)
from oracle import Key
from oracle_decide import Request
from oracle_limits import LONGEST, MOST_32, Level, TokenBucket
from oracle_subject import Account
from random_limits import any_cost, any_gap, any_size
from resp import Connection
from seed import SEED
from vocabulary import TOO_SHORT

QUIET = ("--repl-ping-replica-period", "3600", "--repl-diskless-sync-delay", "0")
APPEND = ("--appendonly", "yes", "--appendfsync", "always")
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


def throttle(db: Client, line: str) -> tuple[int, ...]:
    return tuple(db.do(f"CL.THROTTLE {line}"))


def leave(db: Client, key: str, full_in: int, *options: str | int) -> str:
    """What redis-cell leaves in a key of which the bucket is full that much later."""
    text = str(BASE + full_in)
    db.execute_command("SET", key, text, *options)
    return text


# --- the contract

# The cases of redis-cell's own test: five a burst, one a second. In milliseconds from the start: when, how many, and
# what is answered; where it says 3.9 s, the command says 4.
CASES_OF_REDIS_CELL = [
    (0, 6, (1, 5, 5, -1, 0)),
    (0, 1, (0, 5, 4, -1, 1)),
    (0, 1, (0, 5, 3, -1, 2)),
    (0, 1, (0, 5, 2, -1, 3)),
    (0, 1, (0, 5, 1, -1, 4)),
    (0, 1, (0, 5, 0, -1, 5)),
    (0, 1, (1, 5, 0, 1, 5)),
    (3000, 1, (0, 5, 2, -1, 3)),
    (3100, 1, (0, 5, 1, -1, 4)),
    (4000, 1, (0, 5, 1, -1, 4)),
    (8000, 1, (0, 5, 4, -1, 1)),
    (9500, 1, (0, 5, 4, -1, 1)),
    (9500, 0, (0, 5, 4, -1, 1)),
    (9500, 2, (0, 5, 2, -1, 3)),
    (9500, 5, (1, 5, 2, 3, 3)),
]


def test_the_cases_of_redis_cell_are_answered_as_it_does(db, clock):
    for at_ms, quantity, reply in CASES_OF_REDIS_CELL:
        clock.set(BASE + at_ms * MS)
        assert throttle(db, f"k 4 1 1 {quantity}") == reply, (at_ms, quantity)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("k 15 30 60", (0, 16, 15, -1, 2)),  # the example of its README
        ("k 15 30 60 16", (0, 16, 0, -1, 32)),
        ("k 15 30 60 17", (1, 16, 16, -1, 0)),
        ("k 15 30 60 0", (0, 16, 16, -1, 0)),
        ("k 0 1 1", (0, 1, 0, -1, 1)),
        ("k 0 1 315360000", (0, 1, 0, -1, 315360000)),
        ("k 9 7 60 10", (0, 10, 0, -1, 86)),  # 85.7 s
        ("k 9 2000000000 1", (0, 10, 9, -1, 1)),  # half a nanosecond each
        ("k 999 666667 1", (0, 1000, 999, -1, 1)),  # one and a half microseconds
        ("k 4294967294 4294967295 1 4294967295", (0, 4294967295, 0, -1, 1)),
        ("k 4294967294 4294967295 315360000 4294967295", (0, 4294967295, 0, -1, 315360000)),
        ("k 0 1 1 4294967295", (1, 1, 1, -1, 0)),
    ],
)
def test_a_first_call_is_answered(db, clock, line, reply):
    assert throttle(db, line) == reply


def test_seconds_are_rounded_up_by_the_nanosecond(db, clock):
    assert throttle(db, "k 1 1 2 2") == (0, 2, 0, -1, 4)
    clock.advance(1)
    assert throttle(db, "k 1 1 2") == (1, 2, 0, 2, 4)
    clock.set(BASE + SECOND)
    assert throttle(db, "k 1 1 2") == (1, 2, 0, 1, 3)
    clock.set(BASE + 2 * SECOND - 1)
    assert throttle(db, "k 1 1 2") == (1, 2, 0, 1, 3)
    clock.set(BASE + 2 * SECOND)
    assert throttle(db, "k 1 1 2") == (0, 2, 0, -1, 4)


def test_a_rate_of_more_than_a_thousand_a_second_is_kept(db, clock):
    """A state that lasts for less than a millisecond counts as long as it lasts."""
    for unit in range(10):
        clock.set(BASE + unit * SECOND // 2000)
        assert throttle(db, "k 0 2000 1")[0] == 0
        clock.advance(SECOND // 2000 - 1)
        assert throttle(db, "k 0 2000 1") == (1, 1, 0, 1, 1)


def test_six_hundred_million_a_second_do_not_drift(db, clock):
    rate = 600_000_000
    taken = rate if throttle(db, f"k {rate - 1} {rate} 1 {rate}")[0] == 0 else 0
    for now in range(SECOND // 8, 2 * SECOND + 1, SECOND // 8):
        clock.set(BASE + now)
        left = throttle(db, f"k {rate - 1} {rate} 1 0")[2]
        assert throttle(db, f"k {rate - 1} {rate} 1 {left}")[0] == 0
        taken += left
        assert taken == rate + now * rate // SECOND


def test_a_raised_limit_does_not_deny(db, clock):
    assert throttle(db, "k 9 10 3600 10") == (0, 10, 0, -1, 3600)
    assert throttle(db, "k 99 100 3600") == (0, 100, 89, -1, 396)


def test_a_lowered_limit_does_not_forget(db, clock):
    assert throttle(db, "k 99 100 3600 50") == (0, 100, 50, -1, 1800)
    assert throttle(db, "k 9 10 3600") == (1, 10, 0, 360, 3600)


def test_waiting_as_told_and_asking_again_succeeds(db, clock):
    throttle(db, "k 6 7 60 7")
    for _ in range(10):
        limited, _, _, retry_after, _ = throttle(db, "k 6 7 60 2")
        assert limited == 1
        clock.advance(retry_after * SECOND)
        assert throttle(db, "k 6 7 60 2")[0] == 0


def test_nothing_is_written_by_a_call_that_takes_nothing(db, clock):
    throttle(db, "k 4 1 1 3")
    before = db.digest("k"), db.rl_info("k")["granted"], db.pexpiretime("k"), db.changes()
    for line in ("k 4 1 1 0", "k 4 1 1 3", "k 4 1 1 6", "k 9 2 1 0", "k 9 2 1 11", "absent 4 1 1 0", "absent 4 1 1 6"):
        throttle(db, line)
    assert (db.digest("k"), db.rl_info("k")["granted"], db.pexpiretime("k"), db.changes()) == before
    assert db.keys() == ["k"]


def test_calls_are_counted_but_not_those_that_only_ask(db, clock):
    for quantity in (3, 0, 3, 6, 0):
        throttle(db, f"k 4 1 1 {quantity}")
    assert (db.rl_info("k")["granted"], db.rl_info("k")["denied"]) == (1, 2)


def test_the_key_ends_when_the_bucket_is_full(db):
    throttle(db, "k 9 1 1 5")
    assert lives_until(db.pttl("k"), 5000, late_ms=1000)


def test_a_call_that_asks_for_nothing_is_never_limited(db, clock):
    db.do("RL.TOKENBUCKET k 5 1 1s COST 8 FORCE")
    assert throttle(db, "k 4 1 1 0") == (0, 5, 0, -1, 8)
    assert throttle(db, "k 4 1 1 1") == (1, 5, 0, 4, 8)


# --- arguments

BAD = {
    "max_burst": ("an integer from 0 to 4294967294", ["-1", "4294967295", "x", "", "1.5", "01", "+1", " 1", "1s"]),
    "count": ("an integer from 1 to 4294967295", ["-1", "0", "4294967296", "x", "", "1e3", "01"]),
    "period": ("whole seconds, from 1 to 315360000", ["-1", "0", "315360001", "60s", "1d", "x", "", "1.5"]),
    "quantity": ("an integer from 0 to 4294967295", ["-1", "4294967296", "x", "", "COST"]),
}
GOOD = {"max_burst": "4", "count": "1", "period": "1", "quantity": "1"}


@pytest.mark.parametrize(("name", "bad"), [(name, bad) for name, (_, some) in BAD.items() for bad in some])
@pytest.mark.parametrize("kind", ["absent", "string", "list"])
def test_a_bad_argument_is_refused_by_its_name_before_the_key_is_looked_at(db, clock, name, bad, kind):
    {"absent": int, "string": lambda: leave(db, "k", SECOND), "list": lambda: db.rpush("k", "a")}[kind]()
    before = db.do("DEBUG DIGEST"), db.changes()
    assert db.error("CL.THROTTLE", "k", *(GOOD | {name: bad}).values()) == f"{name} must be {BAD[name][0]}"
    assert (db.do("DEBUG DIGEST"), db.changes()) == before


@pytest.mark.parametrize("count", range(4))
def test_a_call_that_lacks_an_argument_is_too_short(db, clock, count):
    assert db.error("CL.THROTTLE", *["k", *GOOD.values()][:count]).startswith(TOO_SHORT)


def test_nothing_follows_the_quantity(db, clock):
    assert db.error("CL.THROTTLE", "k", *GOOD.values(), "1") == "quantity must be the last argument"
    assert db.keys() == []


def test_a_bucket_refills_within_3650_days(db, clock):
    text = "count must be large enough for the bucket to refill from empty within 3650d"
    assert db.error("CL.THROTTLE", "k", 1, 1, 315360000) == text
    assert throttle(db, "k 1 2 315360000") == (0, 2, 1, -1, 157680000)


# --- the same key by other commands


def in_seconds(reply: tuple) -> tuple[int, ...]:
    """The reply to RL.TOKENBUCKET, as CL.THROTTLE says it."""
    granted, limit, remaining, wait_ms, reset_ms = reply[:5]
    retry_after = -1 if granted or wait_ms < 0 else -(-wait_ms // 1000)
    return int(granted == 0), limit, remaining, retry_after, -(-reset_ms // 1000)


def test_it_is_rl_tokenbucket_in_other_words(db, clock):
    rng = random.Random(f"{SEED} equal")
    for step in range(2000):
        size, refill, period = rng.choice([(5, 1, 1), (5, 1, 1), (7, 7, 60), (1, 1, 3600), (MOST_32, MOST_32, 1)])
        cost = rng.choice([1, 1, 2, 5, size, min(size + 1, MOST_32)])
        clock.set(BASE + step * rng.choice([0, SECOND // 7]))
        told = db.ask(f"RL.TOKENBUCKET ours {size} {refill} {period}s COST {cost}")
        reply = throttle(db, f"theirs {size - 1} {refill} {period} {cost}")
        assert reply == in_seconds(told), f"RATELIMIT_TEST_SEED={SEED}, step {step}"
        assert (db.exists("ours") and db.digest("ours")) == (db.exists("theirs") and db.digest("theirs"))
        assert db.pexpiretime("ours") == db.pexpiretime("theirs")


def test_the_key_is_one_of_ours(db, clock):
    throttle(db, "k 9 7 60 5")
    assert db.rl_info("k")["limits"][0]["limit"] == "TOKENBUCKET 10 7 1m"
    assert db.ask("RL.PEEK k").remaining == 5
    assert db.do("RL.REFUND k 2") == 2
    assert throttle(db, "k 9 7 60 0")[2] == 7
    db.do("RL.RESERVE k 10s TOKENBUCKET 10 7 1m COST 3 ID a")
    assert throttle(db, "k 9 7 60 0")[2] == 4
    clock.advance(10 * SECOND)
    assert throttle(db, "k 9 7 60 0")[2] == 8
    assert db.rl_info("k")["holds"] == 0
    db.do("RL.TOKENBUCKET k 10 7 1m COST 3 FOR alice")
    assert throttle(db, "k 9 7 60 8")[:3] == (0, 10, 0)
    assert db.ask("RL.PEEK k FOR alice").remaining == 7


@pytest.mark.parametrize("limit", ["FIXED 10 60s", "SLIDING 10 60s", "CONCURRENT 10 60s", "LEAKYBUCKET 10 10 60s"])
def test_in_a_key_of_another_limit_it_starts_with_what_is_used(db, clock, limit):
    db.do(f"RL.CHECK k {limit} COST 4")
    before = db.digest("k")
    assert throttle(db, "k 9 10 60 0")[:3] == (0, 10, 6)
    assert throttle(db, "k 9 10 60 11")[:4] == (1, 10, 6, -1)
    assert db.digest("k") == before
    assert throttle(db, "k 9 10 60")[:3] == (0, 10, 5)
    [there, opened] = db.rl_info("k")["limits"]
    assert there["used"] == 4 if "CONCURRENT" in limit else 5
    assert (opened["limit"], opened["used"]) == ("TOKENBUCKET 10 10 1m", 5)


@pytest.mark.parametrize("quantity", ["0", "1", "11"])
def test_stored_limits_are_not_changed_by_a_call(db, clock, quantity):
    db.do("RL.DEFINE k TOKENBUCKET 10 10 1m")
    assert throttle(db, f"k 9 10 60 {quantity}")[1] == 10
    before = db.digest("k")
    text = "the key stores other limits: name none, or change them with RL.DEFINE"
    assert db.error("CL.THROTTLE", "k", 9, 10, 61, quantity) == text
    assert db.digest("k") == before


def test_limits_on_trial_grant(db, clock):
    db.do("RL.DEFINE k TOKENBUCKET 2 1 1s SHADOW")
    assert [throttle(db, "k 1 1 1") for _ in range(3)] == [(0, 2, 2, -1, 0)] * 3
    assert throttle(db, "k 1 1 1 0") == (0, 2, 2, -1, 0)
    assert db.rl_info("k")["would_deny"] == 1


# --- strings that redis-cell left


@pytest.mark.parametrize(
    ("full_in", "call", "reply"),
    [
        (3 * SECOND, "9 1 1 0", (0, 10, 7, -1, 3)),
        (3 * SECOND, "9 1 1", (0, 10, 6, -1, 4)),
        (3 * SECOND, "9 1 1 7", (0, 10, 0, -1, 10)),
        (3 * SECOND, "9 1 1 8", (1, 10, 7, 1, 3)),
        (3 * SECOND, "9 1 1 11", (1, 10, 7, -1, 3)),
        (3 * SECOND - 1, "9 1 1", (0, 10, 6, -1, 4)),
        (3 * SECOND + 1, "9 1 1", (0, 10, 5, -1, 5)),
        (10 * SECOND, "9 1 1", (1, 10, 0, 1, 10)),
        (9 * SECOND, "9 1 1", (0, 10, 0, -1, 10)),
        (0, "9 1 1", (0, 10, 9, -1, 1)),
        (-1, "9 1 1", (0, 10, 9, -1, 1)),
        (-1 - BASE, "9 1 1", (0, 10, 9, -1, 1)),  # -1
        (-BASE, "9 1 1", (0, 10, 9, -1, 1)),
        (-(2**63) - BASE, "9 1 1", (0, 10, 9, -1, 1)),
        (2**63 - 1 - BASE, "9 1 1 0", (0, 10, 0, -1, 10)),
        (11 * SECOND, "9 1 1 0", (0, 10, 0, -1, 10)),
        (11 * SECOND, "9 1 1 11", (1, 10, 0, -1, 10)),
    ],
)
@pytest.mark.parametrize("options", [(), ("PX", 100_000)])
def test_a_string_counts_as_it_stands(db, clock, full_in, call, reply, options):
    text = leave(db, "k", full_in, *options)
    before = db.changes()
    assert throttle(db, f"k {call}") == reply
    is_granted = reply[0] == 0 and not call.endswith(" 0")
    if is_granted:
        assert db.type("k") == "ratelimit"
        assert db.changes() == before + 1
    else:
        assert (db.get("k"), db.changes()) == (text, before)
        assert db.pttl("k") > 99_000 if options else db.pttl("k") == -1


def test_a_string_becomes_the_state_that_our_own_calls_would_have_left(db, clock):
    leave(db, "left", 3 * SECOND, "PX", 50_000)
    throttle(db, "left 9 1 1 2")
    throttle(db, "ours 9 1 1 3")
    throttle(db, "ours 9 1 1 2")
    assert db.digest("left") == db.digest("ours")
    assert db.pexpiretime("left") == db.pexpiretime("ours") > (BASE + 5 * SECOND) // MS
    assert db.rl_info("left")["granted"] == 1


@pytest.mark.parametrize("full_in", [11 * SECOND, DAY, 2**63 - 1 - BASE])
@pytest.mark.parametrize("waits", [1, 10])
def test_a_string_of_a_clock_that_was_ahead_counts_as_full_use_and_its_wait_comes_true(db, clock, full_in, waits):
    """The one denial that writes, for the string would deny again and again (docs/adr/0003, 0020)."""
    leave(db, "k", full_in)
    assert throttle(db, f"k 9 1 1 {waits}") == (1, 10, 0, waits, 10)
    clock.advance(waits * SECOND)
    assert throttle(db, f"k 9 1 1 {waits}") == (0, 10, 0, -1, 10)


def test_each_call_reads_a_string_with_its_own_numbers(db, clock):
    leave(db, "k", 10 * SECOND)
    assert throttle(db, "k 9 1 1 0") == (0, 10, 0, -1, 10)
    assert throttle(db, "k 19 1 1 0") == (0, 20, 10, -1, 10)
    assert throttle(db, "k 9 1 1") == (1, 10, 0, 1, 10)
    assert throttle(db, "k 19 1 2 15") == (0, 20, 0, -1, 40)
    assert throttle(db, "k 29 1 2") == (0, 30, 9, -1, 42)  # from now on what is used stays used


@pytest.mark.parametrize(
    "text",
    ["", " ", "-", "+1", "12abc", "1 ", " 1", "1.5", "1e9", "nan", "0x1", "9223372036854775808", "1\0", "9" * 99],
)
@pytest.mark.parametrize("quantity", ["0", "1", "11"])
def test_a_string_that_is_no_number_is_of_the_wrong_type(db, clock, text, quantity):
    db.set("k", text, px=100_000)
    before = db.get("k"), db.changes()
    assert db.error("CL.THROTTLE", "k", 9, 1, 1, quantity) == WRONG_TYPE
    assert (db.get("k"), db.changes()) == before
    assert db.pttl("k") > 99_000


@pytest.mark.parametrize("line", ["RPUSH k 1", "SADD k 1", "HSET k 1 1", "ZADD k 1 1", "XADD k * 1 1"])
@pytest.mark.parametrize("quantity", ["0", "1", "11"])
def test_another_type_is_the_wrong_one(db, clock, line, quantity):
    db.do(line)
    before = db.digest("k"), db.changes()
    assert db.error("CL.THROTTLE", "k", 9, 1, 1, quantity) == WRONG_TYPE
    assert (db.digest("k"), db.changes()) == before


@pytest.mark.parametrize(
    "line",
    [
        *("RL.CHECK k TOKENBUCKET 10 1 1s", "RL.TOKENBUCKET k 10 1 1s", "RL.TOKENBUCKET k 10 1 1s FOR a", "RL.PEEK k"),
        *("RL.CHECKALL 1 k TOKENBUCKET 10 1 1s", "RL.REFUND k 1", "RL.RESERVE k 1s TOKENBUCKET 10 1 1s", "RL.INFO k"),
        *("RL.SETTLE k a 1", "RL.RELEASE k a", "RL.DEFINE k TOKENBUCKET 10 1 1s", "RL.TOP k"),
    ],
)
def test_only_cl_throttle_reads_strings(db, clock, line):
    text = leave(db, "k", SECOND)
    assert db.error(*line.split()) == WRONG_TYPE
    assert db.get("k") == text


def test_a_string_that_the_server_has_loaded_counts_too(db, clock):
    """A number that was loaded from a file is kept by the server in another way than one that was set."""
    leave(db, "k", 3 * SECOND)
    db.do("DEBUG RELOAD")
    assert db.object("ENCODING", "k") == "int"
    assert throttle(db, "k 9 1 1 0") == (0, 10, 7, -1, 3)
    assert db.get("k") == str(BASE + 3 * SECOND)
    assert throttle(db, "k 9 1 1") == (0, 10, 6, -1, 4)


@pytest.mark.time_runs
def test_a_string_that_has_expired_is_gone(db, clock):
    db.do("DEBUG SET-ACTIVE-EXPIRE 0")
    try:
        leave(db, "k", 10 * SECOND, "PX", 1)
        leave(db, "peeked", 10 * SECOND, "PX", 1)
        time.sleep(0.01)
        assert throttle(db, "peeked 9 1 1 0") == (0, 10, 10, -1, 0)
        assert throttle(db, "k 9 1 1") == (0, 10, 9, -1, 1)
        assert db.keys() == ["k"]
    finally:
        db.do("DEBUG SET-ACTIVE-EXPIRE 1")


def test_a_string_may_be_taken_over_in_a_transaction_and_in_a_script(db, clock):
    leave(db, "k", 3 * SECOND)
    with db.pipeline(transaction=True) as pipe:
        pipe.execute_command("CL.THROTTLE", "k", 9, 1, 1)
        pipe.execute_command("TYPE", "k")
        pipe.execute_command("DEL", "k")
        pipe.set("k", BASE + 5 * SECOND)
        pipe.execute_command("CL.THROTTLE", "k", 9, 1, 1)
        assert pipe.execute() == [[0, 10, 6, -1, 4], "ratelimit", 1, True, [0, 10, 4, -1, 6]]
    leave(db, "s", 3 * SECOND)
    script = "return redis.call('CL.THROTTLE', KEYS[1], 9, 1, 1)"
    assert db.eval(script, 1, "s") == [0, 10, 6, -1, 4]
    assert db.eval(script, 1, "s") == [0, 10, 5, -1, 5]


@pytest.mark.parametrize(("quantity", "is_told"), [(1, True), (0, False), (8, False), (11, False)])
def test_whoever_watches_or_caches_a_string_is_told_when_it_is_taken_over(db, clock, server, quantity, is_told):
    leave(db, "k", 3 * SECOND)
    with db.pipeline() as pipe, server.client() as other, Connection(server.socket, 3) as cache:
        cache.do("CLIENT", "TRACKING", "ON")
        cache.do("GET", "k")
        pipe.watch("k")
        throttle(other, f"k 9 1 1 {quantity}")
        pipe.multi()
        pipe.ping()
        if is_told:
            with pytest.raises(redis.WatchError):
                pipe.execute()
            assert cache.read() == ["invalidate", ["k"]]
        else:
            assert pipe.execute() == [True]
            assert cache.do("PING") == "PONG"


def test_without_memory_a_call_is_refused_as_incr_is(db, clock, configure):
    text = leave(db, "k", 3 * SECOND)
    configure("maxmemory-policy", "noeviction")
    configure("maxmemory", "1")
    with pytest.raises(Exception, match="OOM"):
        throttle(db, "k 9 1 1")
    assert db.get("k") == text


# --- random conversations


class Throttled:
    """A key: a string that redis-cell left, or what the oracle makes of it."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.key = Key()

    def call(self, limit: TokenBucket, cost: int, now: int) -> tuple[int, ...]:
        key = self.key
        if self.left is not None:
            key = Key()
            key.accounts = [Account(limit, Level(Fraction(max(self.left, 0))))]
        if cost == 0:
            return (0, *in_seconds(key.peek([limit], 0, now))[1:3], -1, in_seconds(key.peek([limit], 0, now))[4])
        is_ahead = self.left is not None and limit.is_ahead(key.accounts[0].state, now)
        reply = key.check([limit], Request(cost), now)
        if self.left is not None and (reply[0] or (is_ahead and cost <= limit.size)):
            self.left, self.key = None, key
        return in_seconds(reply)

    def kind(self) -> str:
        return "string" if self.left is not None else "ratelimit" if self.key.accounts else "none"


def any_bucket(rng: random.Random) -> TokenBucket:
    """One whose period is of whole seconds."""
    period, refill = SECOND * rng.choice([1, 60, any_size(rng, LONGEST // SECOND)]), any_size(rng, MOST_32)
    return TokenBucket(any_size(rng, min(MOST_32, LONGEST * refill // period)), refill, period)


def any_arrival_time(rng: random.Random, limit: TokenBucket, now: int) -> int:
    span = int(limit.span)
    near = now + rng.choice([-1, 0, 1, span - 1, span, span + 1, rng.randint(0, span), rng.randint(0, 2 * span)])
    return rng.choice([near, near, near, 0, -1, -(2**63), 2**63 - 1])


@pytest.mark.parametrize("number", range(40))
def test_any_conversation_is_that_of_the_oracle(db, clock, number):
    rng = random.Random(f"{SEED} throttle {number}")
    name, throttled, limit, now, wait, remaining = f"k{number}", Throttled(), any_bucket(rng), BASE, 0, 1
    said = []
    for _ in range(150):
        now = min(max(now + any_gap(rng, limit, wait * 1000), BASE), BASE + 80 * 365 * DAY)
        limit = any_bucket(rng) if rng.random() < 0.05 else limit
        clock.set(now)
        if rng.random() < 0.05:
            throttled = Throttled()
            throttled.left = any_arrival_time(rng, limit, now)
            db.set(name, throttled.left)
            said.append((now, f"SET {name} {throttled.left}"))
        cost = 0 if rng.random() < 0.2 else min(any_cost(rng, limit, remaining), MOST_32)
        line = f"{name} {limit.size - 1} {limit.refill} {limit.period // SECOND} {cost}"
        said.append((now, line))
        expected = throttled.call(limit, cost, now)
        assert throttle(db, line) == expected, f"RATELIMIT_TEST_SEED={SEED}, after {said}"
        assert db.type(name) == throttled.kind(), f"RATELIMIT_TEST_SEED={SEED}, after {said}"
        _, _, remaining, wait, _ = expected


# --- what others hear

SILENT = [("k", 0), ("k", 8), ("k", 11), ("new", 0), ("new", 8), ("new", 11), ("absent", 0), ("absent", 11)]


@pytest.fixture(params=["a replica", "a file"])
def ear(request: pytest.FixtureRequest, start_server: Callable[..., Server]) -> Iterator[tuple[Client, Ear]]:
    is_file = request.param == "a file"
    server = start_server(*QUIET, *(APPEND if is_file else ()))
    db = server.client()
    Clock(db).set(BASE)
    db.set("first", "a")
    ear = FileEar(server) if is_file else ReplicaEar(server)
    ear.heard()
    yield db, ear
    ear.close()
    db.close()


def test_a_granted_call_is_heard_as_one_effect_and_no_other_call_at_all(ear):
    db, listener = ear
    throttle(db, "new 9 1 1 3")
    assert names(listener.heard()) == ["RL._EFFECT STORE"]
    leave(db, "k", 3 * SECOND, "PX", 100_000)
    assert names(listener.heard()) == ["SET"]
    for key, quantity in SILENT:
        throttle(db, f"{key} 9 1 1 {quantity}")
    assert listener.heard() == []
    throttle(db, "k 9 1 1 2")
    throttle(db, "new 9 1 1 2")
    [taken, ours] = listener.heard()
    assert names([taken]) == ["RL._EFFECT STORE"]
    assert (taken[1], ours[1], taken[2:]) == (b"k", b"new", ours[2:])
    leave(db, "ahead", DAY)
    listener.heard()
    throttle(db, "ahead 9 1 1")
    assert names(listener.heard()) == ["RL._EFFECT STORE"]


# --- replicas and files


def follow(start_server: Callable[..., Server], primary: Server, *options: str) -> Server:
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port), *QUIET, *options)
    with replica.client() as db:
        Clock(db).set(BASE)
        eventually(lambda: db.info("replication")["master_link_status"] == "up", "the replica to be in sync")
    return replica


def level(primary: Client, *replicas: Client) -> None:
    """Until the replicas, of whichever degree, have heard everything; and then they are equal."""
    end = primary.info("replication")["master_repl_offset"]
    for replica in replicas:
        eventually(lambda db=replica: db.info("replication")["slave_repl_offset"] >= end, "the replica to catch up")
        assert replica.do("DEBUG DIGEST") == primary.do("DEBUG DIGEST")
        assert {key: replica.pexpiretime(key) for key in replica.keys()} == {
            key: primary.pexpiretime(key) for key in primary.keys()
        }


@pytest.mark.parametrize("has_it_already", [True, False])
def test_replicas_of_any_degree_follow_when_a_string_is_taken_over(start_server, has_it_already):
    primary = start_server(*QUIET)
    db = primary.client()
    Clock(db).set(BASE)
    if has_it_already:  # by the snapshot; else by the stream
        leave(db, "k", 3 * SECOND)
    replica = follow(start_server, primary)
    second = follow(start_server, replica)
    leave(db, "l", 4 * SECOND, "PX", 100_000)
    if not has_it_already:
        leave(db, "k", 3 * SECOND)
    for line in ("k 9 1 1 0", "k 9 1 1 8", "k 9 1 1 2", "l 9 1 1", "m 9 1 1"):
        throttle(db, line)
        level(db, replica.client(), second.client())
    assert replica.client().type("k") == second.client().type("l") == "ratelimit"
    assert replica.client().ask("RL.PEEK k").remaining == 5


def test_a_replica_that_is_promoted_goes_on(start_server):
    primary = start_server(*QUIET)
    db = primary.client()
    Clock(db).set(BASE)
    leave(db, "taken", 3 * SECOND)
    leave(db, "left", 3 * SECOND)
    replica = follow(start_server, primary)
    throttle(db, "taken 9 1 1 2")
    level(db, replica.client())
    with replica.client() as promoted:
        with pytest.raises(redis.exceptions.ReadOnlyError):
            throttle(promoted, "left 9 1 1 0")
        promoted.do("REPLICAOF NO ONE")
        assert throttle(promoted, "taken 9 1 1 0") == (0, 10, 5, -1, 5)
        assert throttle(promoted, "left 9 1 1 0") == (0, 10, 7, -1, 3)
        assert throttle(promoted, "left 9 1 1 7") == (0, 10, 0, -1, 10)


def wait_for_file(db: Client) -> None:
    eventually(lambda: not db.info("persistence")["aof_rewrite_in_progress"], "the file to be written anew")


def restart_and_hold(server: Server) -> Client:
    server.restart()
    db = server.client()
    Clock(db).set(BASE)
    return db


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("rewritten", ["never", "before", "between", "after"])
def test_an_append_only_file_has_what_was_taken_over(start_server, preamble, rewritten):
    server = start_server(*APPEND, "--aof-use-rdb-preamble", preamble)
    db = server.client()
    Clock(db).set(BASE)

    def rewrite(when: str) -> None:
        if when == rewritten:
            db.bgrewriteaof()
            wait_for_file(db)

    leave(db, "taken", 3 * SECOND, "PX", 10**9)
    leave(db, "denied", 10 * SECOND, "PX", 10**9)
    leave(db, "left", 4 * SECOND)
    rewrite("before")
    assert throttle(db, "taken 9 1 1 2") == (0, 10, 5, -1, 5)
    assert throttle(db, "denied 9 1 1") == (1, 10, 0, 1, 10)
    rewrite("between")
    throttle(db, "taken 9 1 1")
    rewrite("after")
    before = db.do("DEBUG DIGEST"), db.pexpiretime("taken")
    db = restart_and_hold(server)
    assert (db.do("DEBUG DIGEST"), db.pexpiretime("taken")) == before
    assert [db.type(key) for key in ("taken", "denied", "left")] == ["ratelimit", "string", "string"]
    assert throttle(db, "taken 9 1 1") == (0, 10, 3, -1, 7)
    assert throttle(db, "denied 9 1 1") == (1, 10, 0, 1, 10)
    assert throttle(db, "left 9 1 1") == (0, 10, 5, -1, 5)


def test_a_file_that_is_switched_on_has_what_was_taken_over_while_nobody_followed(start_server):
    server = start_server()
    db = server.client()
    eventually(lambda: db.info("ratelimit")["ratelimit_effects_are_written"] == 0, "the server to know it is alone")
    Clock(db).set(BASE)
    leave(db, "k", 3 * SECOND)
    throttle(db, "k 9 1 1")
    db.config_set("appendonly", "yes")
    throttle(db, "k 9 1 1")
    wait_for_file(db)
    throttle(db, "k 9 1 1")
    before = db.do("DEBUG DIGEST")
    db.do("DEBUG LOADAOF")
    assert db.do("DEBUG DIGEST") == before
    assert throttle(db, "k 9 1 1 0") == (0, 10, 4, -1, 6)


def test_a_state_takes_the_place_of_nothing_but_a_number(start_server):
    """From a file that was tampered with, say. The key stays, and so does the server."""
    server = start_server(*APPEND)
    db = server.client()
    Clock(db).set(BASE)
    listener = FileEar(server)
    throttle(db, "k 9 1 1")
    [store] = listener.heard()
    listener.close()
    db.flushall()
    append(server, ["SET", "k", "foo"], store, ["RPUSH", "l", "1"], [store[0], b"l", *store[2:]], ["SET", "m", "7"])
    append(server, [store[0], b"m", *store[2:]])
    db = restart_and_hold(server)
    assert (db.get("k"), db.type("l"), db.type("m")) == ("foo", "list", "ratelimit")


# --- files that redis-cell left


def append(server: Server, *commands: list) -> None:
    """Writes to the end of the append-only file, as a server would."""
    words = [[word if isinstance(word, bytes) else str(word).encode() for word in each] for each in commands]
    with next((server.directory / "appendonlydir").glob("*.incr.aof")).open("ab") as file:
        file.write(b"".join(map(command, words)))


def as_written(commands: list[list]) -> bytes:
    return b"".join(command([str(word).encode() for word in each]) for each in commands)


def snapshot_of(commands: list[list]) -> bytes:
    """The RDB file of a server that has no module."""
    server = Server(module=None).start()
    try:
        with server.client() as db:
            for each in commands:
                db.execute_command(*each)
            db.save()
        return (server.directory / "dump.rdb").read_bytes()
    finally:
        server.stop()


def leave_files(directory: Path, strings: list[list], calls: list[list], form: str) -> None:
    """Writes what a server with redis-cell leaves: what keys held, and the calls since then."""
    if form == "one file of an older server":
        (directory / "appendonly.aof").write_bytes(snapshot_of(strings) + as_written(calls))
        return
    folder = directory / "appendonlydir"
    folder.mkdir()
    base = "appendonly.aof.1.base." + ("rdb" if form == "a preamble" else "aof")
    (folder / base).write_bytes(snapshot_of(strings) if form == "a preamble" else as_written(strings))
    (folder / "appendonly.aof.1.incr.aof").write_bytes(as_written(calls))
    lines = [f"file {base} seq 1 type b", "file appendonly.aof.1.incr.aof seq 1 type i"]
    (folder / "appendonly.aof.manifest").write_text("\n".join(lines) + "\n")


@pytest.fixture
def moved() -> Iterator[Callable[..., Server]]:
    """Starts a server with our module on such files."""
    with watched_over() as servers:

        def start(strings: list[list], calls: list[list], form: str) -> Server:
            server = Server(*APPEND, arguments=())
            leave_files(server.directory, strings, calls, form)
            servers.append(server.start())
            return server

        yield start


def used(db: Client, key: str) -> int:
    return 10 - throttle(db, f"{key} 9 1 3600 0")[2]


FORMS = ["no preamble", "a preamble", "one file of an older server"]


def strings_left(now: int) -> list[list]:
    return [
        *(["SET", "left", now + HOUR], ["PEXPIREAT", "left", (now + HOUR) // MS], ["SET", "over", now - HOUR]),
        *(["SET", "full", now + 10 * HOUR], ["SET", "foreign", "a"], ["RPUSH", "list", "a"]),
    ]


CALLS_LEFT = [
    "left 9 1 3600",
    "over 9 1 3600 2",
    "full 9 1 3600 2",  # refused
    "new 9 1 3600 4",
    "new 9 1 3600 7",  # refused
    "asked 9 1 3600 0",
    "foreign 9 1 3600",
    "list 9 1 3600",
    "new 9 1 3600 -3",  # redis-cell takes that
]


@pytest.mark.parametrize("form", FORMS)
def test_an_append_only_file_of_redis_cell_is_loaded(moved, form):
    """It holds the questions, which are decided as of the loading, as redis-cell does; also those that were refused."""
    server = moved(strings_left(time.time_ns()), [["CL.THROTTLE", *line.split()] for line in CALLS_LEFT], form)
    db = server.client()
    kinds = {"left": "ratelimit", "over": "ratelimit", "full": "string", "new": "ratelimit", "foreign": "string"}
    assert {key: db.type(key) for key in db.keys()} == kinds | {"list": "list"}
    taken = {"left": 2, "over": 2, "full": 10, "new": 4}
    assert {key: used(db, key) for key in taken} == taken
    assert lives_until(db.pttl("left"), 7_200_000, slack_ms=7_200_000, late_ms=200_000)
    db.bgrewriteaof()
    wait_for_file(db)
    before = db.do("DEBUG DIGEST")
    server.restart()
    assert server.client().do("DEBUG DIGEST") == before


def test_a_call_that_is_too_short_is_loaded_or_the_server_itself_refuses_the_file(moved):
    """Redis 7.0 loads it. Newer servers refuse a file with a call that has too few words, whatever command it is."""
    try:
        server = moved([], [["CL.THROTTLE", "new", 9], ["CL.THROTTLE", "new", 9, 1, 3600]], "no preamble")
    except ServerDied as death:
        if "wrong number of arguments for 'CL.THROTTLE' command" not in str(death):
            raise
    else:
        assert used(server.client(), "new") == 1


def test_what_is_loaded_is_not_replicated(moved):
    calls = [["CL.THROTTLE", "k", 9, 1, 3600]] * 3
    server = moved([], calls, "no preamble")
    [file] = (server.directory / "appendonlydir").glob("*.incr.aof")
    assert file.read_bytes() == as_written(calls)
    # Redis 8.0 counts the bytes that it loads. An effect that was queued would come on top of them.
    assert server.client().info("replication")["master_repl_offset"] in (0, len(as_written(calls)))
    assert used(server.client(), "k") == 3


@pytest.mark.parametrize("way", ["reload", "restart"])
def test_an_rdb_file_of_redis_cell_is_loaded(start_server, way):
    server = start_server()
    db = server.client()
    Clock(db).set(BASE)
    leave(db, "k", 3 * SECOND, "PX", 10**9)
    if way == "reload":
        db.do("DEBUG RELOAD")
    else:
        db.save()
        db = restart_and_hold(server)
    assert db.type("k") == "string"
    assert throttle(db, "k 9 1 1 8") == (1, 10, 7, 1, 3)
    assert throttle(db, "k 9 1 1") == (0, 10, 6, -1, 4)
    db.do("DEBUG RELOAD")
    assert throttle(db, "k 9 1 1 0") == (0, 10, 6, -1, 4)


def test_who_goes_back_finds_what_was_taken_over_and_leaves_files_that_any_server_reads(start_server):
    server = start_server(*APPEND)
    db = server.client()
    Clock(db).set(BASE)
    leave(db, "left", 3 * SECOND)
    leave(db, "taken", 3 * SECOND)
    throttle(db, "taken 9 1 1")
    throttle(db, "new 9 1 1")
    found = sorted(db.scan_iter(_type="ratelimit"))
    assert found == ["new", "taken"]
    db.delete(*found)
    db.bgrewriteaof()
    wait_for_file(db)
    plain = Server(*APPEND, module=None)
    try:
        shutil.copytree(server.directory / "appendonlydir", plain.directory / "appendonlydir")
        with plain.start().client() as db:
            assert db.keys() == ["left"]
    finally:
        plain.stop()


# --- beside another module that has the command


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_module(Path(__file__).with_name("other_throttle.cpp"), tmp_path_factory.mktemp("other"))


def owner(db: Client) -> str:
    """Whose CL.THROTTLE the server has: the other's reply is shorter."""
    return {2: "other", 5: "ratelimit"}[len(db.do("CL.THROTTLE whose 9 1 1 0"))]


def test_where_another_module_has_the_command_ours_loads_without_it(start_server, other):
    server = start_server("--loadmodule", str(other))
    db = server.client()
    assert {"other", "ratelimit"} <= {module["name"] for module in db.module_list()}
    assert owner(db) == "other"
    assert db.ask("RL.TOKENBUCKET k 5 1 1s").granted == 1
    assert "CL.THROTTLE is a command of another module" in server.log()


def test_where_ours_leaves_the_command_to_the_other_one_their_order_does_not_matter(other):
    ours, theirs = ["--loadmodule", str(MODULE), "cl-throttle", "no"], ["--loadmodule", str(other)]
    for words in (ours + theirs, theirs + ours):
        server = Server(*words, module=None)
        try:
            with server.start().client() as db:
                assert owner(db) == "other"
                assert db.ask("RL.TOKENBUCKET k 5 1 1s").granted == 1
            assert "CL.THROTTLE is a command of another module" not in server.log()
        finally:
            server.stop()


def test_where_ours_was_first_the_other_one_is_refused(start_server, other):
    server = start_server()
    db = server.client()
    with pytest.raises(redis.ResponseError):
        db.execute_command("MODULE LOAD", str(other))
    assert owner(db) == "ratelimit"
    assert "another module" not in server.log()
    both = Server("--loadmodule", str(MODULE), "--loadmodule", str(other), module=None)
    try:
        with pytest.raises(ServerDied):
            both.start()
    finally:
        both.stop()


def test_a_running_server_changes_from_one_to_the_other(start_server, other):
    """redis-cell has no data type, and so can be unloaded. What it left is there for us."""
    server = start_server("--loadmodule", str(other), module=None)
    db = server.client()
    for _ in range(4):
        db.do("CL.THROTTLE k 9 1 3600")
    assert db.type("k") == "string"
    db.do("MODULE UNLOAD other")
    db.execute_command("MODULE LOAD", str(MODULE))
    assert throttle(db, "k 9 1 3600")[:4] == (0, 10, 5, -1)
    assert db.type("k") == "ratelimit"


@pytest.fixture
def chain(start_server: Callable[..., Server], other: Path) -> list[Server]:
    """A primary with the other module, a replica of ours that has a file, and a replica of that."""
    primary = start_server(*QUIET, "--loadmodule", str(other), module=None)
    for _ in range(3):
        primary.client().do("CL.THROTTLE early 9 1 3600")
    replica = follow(start_server, primary, *APPEND)
    second = follow(start_server, replica)
    for server in (replica, second):
        Clock(server.client()).resume()
    return [primary, replica, second]


def test_a_replica_of_a_server_with_redis_cell_can_stand_in_for_it(chain):
    """The stream brings questions, also those that are refused, and strings only with the snapshot."""
    primary, replica, second = chain
    db, copies = primary.client(), [replica.client(), second.client()]
    assert [copy.type("early") for copy in copies] == ["string"] * 2
    db.do("CL.THROTTLE early 9 1 3600 2")
    db.do("CL.THROTTLE late 9 1 3600 4")
    db.do("CL.THROTTLE late 9 1 3600 9")
    end = db.info("replication")["master_repl_offset"]
    for copy in copies:
        eventually(lambda copy=copy: copy.info("replication")["slave_repl_offset"] >= end, "the questions to arrive")
        assert [copy.type(key) for key in ("early", "late")] == ["ratelimit"] * 2
        assert (copy.ask("RL.PEEK early").remaining, copy.ask("RL.PEEK late").remaining) == (5, 6)
    replica.restart()  # from its file, which has effects
    with replica.client() as promoted:
        eventually(lambda: promoted.info("replication")["master_link_status"] == "up", "the replica to be back")
        wait_for_file(promoted)  # a server that begins one does not end
        promoted.do("REPLICAOF NO ONE")
        assert (used(promoted, "early"), used(promoted, "late")) == (5, 4)


def test_the_file_of_a_replica_of_a_server_with_redis_cell_has_effects(chain):
    primary, replica, _ = chain
    listener = FileEar(replica)
    db = primary.client()
    db.do("CL.THROTTLE late 9 1 3600 4")
    db.do("CL.THROTTLE late 9 1 3600 9")
    end = db.info("replication")["master_repl_offset"]
    eventually(lambda: replica.client().info("replication")["slave_repl_offset"] >= end, "the questions to arrive")
    assert names(listener.heard()) == ["RL._EFFECT STORE"]
    listener.close()
