# SPDX-License-Identifier: MIT
"""The functions by themselves: what they refuse, what they leave in a key, changed limits, replicas, a cluster, a
server without the module. That they decide as the module does: test_same_conversation.py.
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil

import pytest

from functions import LIBRARY, as_function, clock_words, library
from harness import BASE, DAY, MINUTE, MS, SECOND, eventually

FUNCTIONS = ["check", "checkall", "tokenbucket", "leakybucket", "fixed", "sliding", "peek", "refund", "reset"]


def test_the_library_has_the_functions_of_the_main_commands(db, functions):
    [about] = db.execute_command("FUNCTION", "LIST", "LIBRARYNAME", "ratelimit")
    about = dict(zip(about[::2], about[1::2]))
    assert {each[1] for each in about["functions"]} == {f"rl_{name}" for name in FUNCTIONS}


# --- what is refused --------------------------------------------------------------------------------

FAULTS = [
    "RL.TOKENBUCKET k -1 1 1s",
    "RL.TOKENBUCKET k 4294967296 1 1s",
    "RL.TOKENBUCKET k 01 1 1s",
    "RL.TOKENBUCKET k +1 1 1s",
    "RL.TOKENBUCKET k 1 0 1s",
    "RL.TOKENBUCKET k 1 1 0",
    "RL.TOKENBUCKET k 1 1 1x",
    "RL.TOKENBUCKET k 1 1 1S",
    "RL.TOKENBUCKET k 1 1 3651d",
    "RL.TOKENBUCKET k 2 1 3650d",
    "RL.LEAKYBUCKET k 2 1 3650d",
    "RL.LEAKYBUCKET k 1 0 1s",
    "RL.TOKENBUCKET k 1 1 1s COST",
    "RL.TOKENBUCKET k 1 1 1s COST -1",
    "RL.TOKENBUCKET k 1 1 1s COST 9007199254740992",
    "RL.TOKENBUCKET k 1 1 1s COST 1 COST 1",
    "RL.TOKENBUCKET k 1 1 1s PARTIAL PARTIAL",
    'RL.TOKENBUCKET k 1 1 1s AS a"b',
    "RL.TOKENBUCKET k 1 1 1s AS a\\b",
    "RL.TOKENBUCKET k 1 1 1s AS",
    f"RL.TOKENBUCKET k 1 1 1s AS {'a' * 65}",
    "RL.TOKENBUCKET k 1 1 1s AS a AS b",
    "RL.FIXED k 9007199254740992 1s",
    "RL.FIXED k 1 1s ALIGNED ALIGNED",
    "RL.CHECK k FIXED 1 1s AS a FIXED 2 1s AS a",
    "RL.CHECK k FIXED 1 1s FIXED 2 1s AS fixed",
    "RL.CHECK k FIXED 1",
    "RL.CHECK k " + "FIXED 1 1s " * 9,
    "RL.REFUND k 0",
    "RL.REFUND k x",
]


@pytest.mark.parametrize("line", FAULTS)
def test_a_fault_has_the_text_that_it_has_in_the_module(db, functions, line):
    told = db.error(*line.split())
    assert functions.error(line) == told
    assert db.exists("k") == 0


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("RL.FIXED k 1", "window is missing: it must be a duration"),
        ("RL.CHECK k", "NOLIMITS this call names no limits"),
        ("RL.CHECK k FIXED 1 1s FORCE", "syntax error at argument 5: expected a limit (TOKENBUCKET, "),
        ("RL.FIXED k 1 1s APPROX", "syntax error at argument 4: expected ALIGNED (FIXED), "),
        ("RL.SLIDING k 1 1s ALIGNED", "syntax error at argument 4"),
        ("RL.PEEK k PARTIAL", "syntax error at argument 2"),
        ("RL.RESET k x", "syntax error at argument 2: expected the end of the call"),
        ("RL.SLIDING k 100001 1s", "limit must be an integer from 0 to 100000 for SLIDING without APPROX"),
        ("RL.TOKENBUCKET k 4294967295 4294967291 1d", "capacity is too large for a function to count exactly"),
    ],
)
def test_what_functions_lack_is_an_error_that_says_so(functions, line, text):
    assert functions.error(line).startswith(text)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("RL.CHECKALL 2 k l", "NOLIMITS this call names no limits"),
        ("RL.CHECKALL 2 k l FIXED 5 1m", "limits must be given once for each key"),
        ("RL.CHECKALL 2 k k FIXED 5 1m FIXED 6 1m", "the same key is given twice"),
        ("RL.CHECKALL 1 k FIXED 5 1m PARTIAL", "syntax error at argument 5"),
    ],
)
def test_several_keys_have_a_limit_each(db, functions, line, text):
    assert functions.error(line).startswith(text)
    assert db.exists("k", "l") == 0


def test_a_call_of_several_keys_that_is_denied_takes_nothing_anywhere(functions):
    line = "RL.CHECKALL 2 k l FIXED 5 1m AS user FIXED 8 1h AS tenant"
    assert functions.ask(f"{line} COST 4") == (4, 5, 1, 0, 60_000, "user")
    assert functions.ask(f"{line} COST 2") == (0, 5, 1, 60_000, 60_000, "user")
    assert functions.ask("RL.PEEK l") == (1, 8, 4, 0, 3_600_000, "tenant")


def test_a_function_takes_one_key(db, functions):
    for count, keys in [(0, []), (2, ["a", "b"])]:
        assert db.error("FCALL", "rl_fixed", count, *keys, 1, "1s") == "rl_fixed takes one key"


# Hashes with the fields that the functions use, as another program may have them: settings of its own, or a state that
# the functions would never have written.
FOREIGN = {
    "limits": ["", "many", "FIXED", "FIXED 10 1m COST 3", f"FIXED 10 60000ms AS {'a' * 65}", "\x00\xff"],
    "FIXED 10 60000ms": ["5", "1 2 3", f"{'9' * 400} {'9' * 400}", f"1 {2**53}", "1 " * 9000],
    "TOKENBUCKET 10 1 1000ms": ["7", f"{'9' * 400} 1"],
    "SLIDING 10 60000ms APPROX": ["1 2", "9" * 300],
    "SLIDING 10 60000ms": ["1 1 5 0 9", "1 1 5 0 9 9", f"1 1 {2**53 - 1} 0 9 9", f"1 7 9 0 {'9' * 20} 9"],
}
HASHES = [
    *({"limits": text} for text in FOREIGN.pop("limits")),
    *({"limits": limits, "1": state} for limits, states in FOREIGN.items() for state in states),
]


@pytest.mark.parametrize("fields", HASHES, ids=lambda fields: ascii(" ".join(fields.values())[:40]))
def test_a_hash_that_no_function_has_written_stays_as_it_is(db, functions, fields):
    db.hset("k", mapping=fields)
    before = db.dump("k")
    lines = [f"RL.CHECK k {limits}" for limits in ("FIXED 5 1m", "SLIDING 5 1m", "TOKENBUCKET 5 1 1s")]
    for line in (*lines, "RL.PEEK k", "RL.PEEK k FIXED 5 1m", "RL.REFUND k 1", "RL.RESET k"):
        assert functions.error(line).startswith("WRONGTYPE ")
    assert db.dump("k") == before


@pytest.mark.parametrize("what", ["SET k 1", "RPUSH k 1", "HSET k name value", "RL.FIXED k 5 1m"])
def test_what_is_in_a_key_of_somebody_else_stays_there(db, functions, what):
    db.do(what)
    before = db.dump("k")
    for line in ("RL.FIXED k 5 1m", "RL.PEEK k", "RL.PEEK k FIXED 5 1m", "RL.REFUND k 1", "RL.RESET k"):
        assert functions.error(line).startswith("WRONGTYPE ")
    assert db.dump("k") == before


def test_the_module_leaves_a_key_of_the_functions_alone(db, functions):
    functions.do("RL.FIXED k 5 1m")
    assert db.error("RL.FIXED", "k", 5, "1m").startswith("WRONGTYPE ")


# --- bounds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("refill", [17, 999_983, 4_294_967_291])
def test_a_bucket_next_to_the_bound_loses_nothing(functions, refill):
    """2^52 ticks of 1/refill microseconds, less than a unit: every wait is exact, to the microsecond."""
    period = 1_000_003 * MS // 1000  # in microseconds, without a divisor in common with any refill
    size = 2**52 // period
    line = f"RL.TOKENBUCKET k {size} {refill} 1000003ms"
    interval = Fraction(period, refill)
    assert functions.error(f"RL.TOKENBUCKET k {size + 1} {refill} 1000003ms").startswith("capacity is too large")
    taken = functions.ask(f"{line} COST {size}")
    assert taken[:4] == (size, size, 0, 0)
    for units in (1, 2, size // 2, size - 1, size):
        wait_ms = -(-units * interval // 1000)
        assert functions.ask(f"{line} COST {units}")[3] == wait_ms
        functions.set_clock(BASE + int(units * interval) * 1000)  # a microsecond before, unless it is whole
        whole = int(units * interval) == units * interval
        assert functions.ask(f"RL.PEEK k COST {units}")[0] == (units if whole else 0)
        functions.set_clock(BASE + (int(units * interval) + 1) * 1000)
        assert functions.ask(f"RL.PEEK k COST {units}")[0] == units
        functions.set_clock(BASE)


@pytest.mark.parametrize("rest", [-1, 1])
@pytest.mark.parametrize("units", [4_294_967_291, 4_294_967_279, 4_000_000_007, 65_537])
def test_a_share_of_many_units_of_a_long_window_is_exact(functions, units, rest):
    """The product of units and microseconds is far beyond 2^53, and a microsecond away from a whole number of units."""
    limit, window = 2**32 - 1, 3650 * DAY // 1000
    begin = -(-BASE // 1000 // window) * window
    left = rest * pow(units, -1, window) % window
    assert (units * left - rest) % window == 0
    functions.set_clock(begin * 1000)
    functions.do(f"RL.SLIDING k {limit} 3650d APPROX COST {units}")
    functions.set_clock((begin + 2 * window - left) * 1000)
    assert functions.ask("RL.PEEK k").remaining == limit - ceil(Fraction(units * left, window))


def test_the_longest_log_grants_its_limit_and_forgets_a_few_entries_a_call(db, functions):
    """Each call at an instant of its own, so that each is an entry; then all leave, one by one."""
    limit, window = 2_000, 1000 * MS
    pipe = db.pipeline(transaction=False)
    for number in range(limit):
        pipe.execute_command(*clock_words(BASE + number * 10_000))
        pipe.execute_command(*as_function(f"RL.SLIDING k {limit} 1s"))
    assert [reply[0] for reply in pipe.execute()[1::2]] == [1] * limit
    assert db.hlen("k") == limit + 1
    assert functions.ask("RL.PEEK k")[:4] == (0, limit, 0, 981)
    for number in range(0, limit, 100):
        functions.set_clock(BASE + number * 10_000 + window)
        assert functions.ask("RL.PEEK k COST 2")[0] == (0 if number == 0 else 2)
        assert functions.ask(f"RL.SLIDING k {limit} 1s")[:2] == (1, limit)
    functions.set_clock(BASE + 2 * window)
    before = db.hlen("k")
    functions.do(f"RL.SLIDING k {limit} 1s")
    assert before - 16 < db.hlen("k") + 1 <= before + 1 - 15


# --- what is left in a key --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "ttl_ms"),
    [
        ("RL.TOKENBUCKET k 10 3 1s", 334),
        ("RL.LEAKYBUCKET k 10 3 1s COST 10", 3334),
        ("RL.FIXED k 10 1m", 60_000),
        ("RL.SLIDING k 10 1m", 60_000),
        ("RL.SLIDING k 10 1m APPROX", 120_000),
        ("RL.CHECK k FIXED 10 1h TOKENBUCKET 10 1 1s", 3_600_000),
    ],
)
def test_a_key_lives_until_it_is_as_if_never_used(db, functions, line, ttl_ms):
    functions.do(line)
    assert db.pexpiretime("k") == BASE // MS + ttl_ms


def test_a_key_of_which_everything_was_given_back_is_gone(db, functions):
    functions.do("RL.CHECK k FIXED 10 1h TOKENBUCKET 10 1 1s SLIDING 10 1m COST 4")
    assert functions.do("RL.REFUND k 3") == 3
    assert functions.do("RL.REFUND k 3") == 1
    assert db.exists("k") == 0
    assert functions.do("RL.REFUND k 3") == 0


@pytest.mark.parametrize("line", ["RL.FIXED k 0 1m", "RL.FIXED k 5 1m COST 6", "RL.FIXED k 5 1m COST 0", "RL.PEEK k"])
def test_who_takes_nothing_leaves_nothing(db, functions, line):
    functions.do(line)
    assert db.exists("k") == 0


def test_a_denied_call_writes_nothing(db, functions):
    functions.do("RL.CHECK k FIXED 5 1m SLIDING 3 1m COST 3")
    before, changes = db.hgetall("k"), db.changes()
    assert functions.ask("RL.CHECK k FIXED 5 1m SLIDING 3 1m")[0] == 0
    assert (db.hgetall("k"), db.changes()) == (before, changes)


# --- other limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["TOKENBUCKET 20 1 1m", "FIXED 20 1h", "SLIDING 20 1h", "SLIDING 20 1h APPROX"])
@pytest.mark.parametrize("before", ["TOKENBUCKET 10 1 1h", "FIXED 10 1m", "SLIDING 10 1m", "SLIDING 10 1m APPROX"])
def test_a_changed_limit_begins_with_what_was_used(functions, before, limit):
    functions.do(f"RL.CHECK k {before} COST 8")
    assert functions.ask(f"RL.CHECK k {limit} COST 13")[0] == 0
    assert functions.ask(f"RL.CHECK k {limit} COST 12")[:3] == (12, 20, 0)
    assert functions.ask("RL.PEEK k")[:3] == (0, 20, 0)


def test_a_limit_that_stays_in_a_changed_list_keeps_its_state(functions):
    functions.do("RL.CHECK k FIXED 10 1m COST 4")
    functions.set_clock(BASE + 50 * SECOND)
    assert functions.ask("RL.CHECK k FIXED 10 1m FIXED 99 1h COST 6") == (6, 10, 0, 0, 10_000, "fixed")


def test_a_denied_call_with_a_changed_limit_makes_its_wait_come_true(functions):
    functions.do("RL.FIXED k 10 1m COST 10")
    assert functions.ask("RL.FIXED k 5 2m") == (0, 5, 0, 120_000, 120_000)
    functions.set_clock(BASE + MINUTE)
    assert functions.ask("RL.FIXED k 5 2m")[3] == 60_000
    functions.set_clock(BASE + 2 * MINUTE)
    assert functions.ask("RL.FIXED k 5 2m")[0] == 1


# --- servers ----------------------------------------------------------------------------------------


def test_a_server_without_the_module_grants_exactly_the_limit(start_server):
    server = start_server(debug=False, module=None)
    with server.client() as db:
        db.execute_command("FUNCTION", "LOAD", library(clock_is_held=False))
        for line in ("RL.TOKENBUCKET a 20 1 1d", "RL.FIXED b 20 1d", "RL.SLIDING c 20 1d", "RL.SLIDING d 20 1d APPROX"):
            granted = [db.execute_command(*as_function(line))[0] for _ in range(30)]
            assert granted == [1] * 20 + [0] * 10


def test_the_clock_of_the_library_is_the_servers(start_server):
    server = start_server(debug=False, module=None)
    with server.client() as db:
        db.execute_command("FUNCTION", "LOAD", library(clock_is_held=False))
        seconds, microseconds = db.time()
        db.execute_command(*as_function("RL.FIXED k 5 1h"))
        later, more = db.time()
        begun_us = int(db.hget("k", "1").split()[0]) - 3600 * 10**6
        assert seconds * 10**6 + microseconds <= begun_us <= later * 10**6 + more
        assert 3_590_000 < db.pttl("k") <= 3_600_001


def test_a_replica_has_the_state_and_answers_a_peek(start_server):
    primary, replica = start_server(debug=False, module=None), start_server(debug=False, module=None)
    with primary.client() as db, replica.client() as copy:
        db.execute_command("FUNCTION", "LOAD", library(clock_is_held=False))
        copy.execute_command("REPLICAOF", "127.0.0.1", primary.port)
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica")
        for _ in range(3):
            db.execute_command(*as_function("RL.CHECK k SLIDING 10 1h FIXED 10 1d COST 2"))
        db.wait(1, 60_000)
        assert copy.hgetall("k") == db.hgetall("k")
        assert copy.pexpiretime("k") == db.pexpiretime("k")
        reply = copy.execute_command("FCALL_RO", *as_function("RL.PEEK k COST 4")[1:])
        assert reply[:4] == [4, 10, 4, 0]


def test_a_full_server_denies_and_gives_back(db, functions, configure):
    functions.do("RL.FIXED k 10 1h COST 4")
    configure("maxmemory", "1")
    assert functions.error("RL.FIXED k 10 1h").startswith(("OOM", "command not allowed"))
    assert functions.ask("RL.PEEK k")[:3] == (1, 10, 6)
    assert functions.do("RL.REFUND k 1") == 1
    assert functions.do("RL.RESET k") == 1


def test_functions_work_in_a_cluster(cluster):
    for primary in cluster.primaries:
        with primary.client() as db:
            db.execute_command("FUNCTION", "LOAD", "REPLACE", library(clock_is_held=False))
    with cluster.client() as client:
        for number in range(30):
            line = f"RL.CHECK user:{number} TOKENBUCKET 3 1 1d FIXED 100 1d"
            granted = [client.execute_command(*as_function(line))[0] for _ in range(5)]
            assert granted == [1, 1, 1, 0, 0]
            keys = f"{{acme:{number}}}:alice {{acme:{number}}}"
            reply = client.execute_command(*as_function(f"RL.CHECKALL 2 {keys} FIXED 3 1d FIXED 2 1d AS tenant"))
            assert (reply[:3], reply[5]) == ([1, 2, 1], "tenant")


def test_a_bucket_that_is_always_asked_gets_exactly_its_rate(db, functions):
    """7 a minute for a day: what a refill that is rounded somewhere would not give."""
    pipe = db.pipeline(transaction=False)
    steps = 2_000
    for number in range(steps):
        pipe.execute_command(*clock_words(BASE + number * DAY // steps // 1000 * 1000))
        pipe.execute_command(*as_function("RL.TOKENBUCKET k 700 7 1m COST 700 PARTIAL"))
    granted = sum(reply[0] for reply in pipe.execute()[1::2])
    last = (steps - 1) * DAY // steps // 1000 * 1000
    assert granted == 700 + 7 * last // MINUTE


# --- the page ---------------------------------------------------------------------------------------

PAGE = (LIBRARY.parents[1] / "docs" / "functions.md").read_text()


def test_the_page_names_every_function():
    assert {*FUNCTIONS} <= {*re.findall(r"`rl_(\w+)", PAGE)}


def test_a_user_with_the_rights_that_the_page_names_can_call_everything(start_server):
    [rights] = re.findall(r"needs `(\+fcall [^`]+)`, and of the\s+commands that they call `([^`]+)`", PAGE)
    server = start_server(debug=False, module=None)
    with server.client() as db, server.client(username="caller", password="word") as caller:
        db.execute_command("FUNCTION", "LOAD", library(clock_is_held=False))
        db.execute_command("ACL", "SETUSER", "caller", "on", ">word", "~*", *" ".join(rights).split())
        for _ in range(2):
            caller.execute_command(*as_function("RL.CHECK k SLIDING 5 1m FIXED 5 1m"))
        caller.execute_command(*as_function("RL.CHECK k FIXED 5 1m TOKENBUCKET 5 1 1h"))
        caller.execute_command("FCALL_RO", *as_function("RL.PEEK k")[1:])
        assert caller.execute_command(*as_function("RL.REFUND k 1")) == 1
        assert caller.execute_command(*as_function("RL.RESET k")) == 1
