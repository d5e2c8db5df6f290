"""What a granted call tells the rest of the world: one internal command, the resulting state, and when it ends.

Heard with the two ears that there are: as a replica hears it, by a socket that speaks PSYNC, and as a restart reads it,
from the append-only file. What must be heard is built here from docs/format.md, byte by byte.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from ears import Ear, FileEar, ReplicaEar, Words, command, effects, names
from harness import BASE, DAY, HOUR, MINUTE, MS, PATIENCE_S, SECOND, Client, Clock, Server, eventually
from resp import Connection, Failure

SEED = int(os.environ.get("RATELIMIT_TEST_SEED", random.SystemRandom().randrange(2**32)))

TOKENBUCKET, FIXED, SLIDING = 1, 2, 3
ALIGNED, PER_REQUEST, LABEL = 1, 2, 4
GRID_OF_MINUTE, GRID_OF_HOUR = 500, 50_000  # the coarsest of 1, 2, 5, 10, ... ns that is no coarser than window / 2^26


def limit(algorithm: int, size: int, span: int, refill: int = 0, flags: int = 0, label: bytes = b"") -> bytes:
    text = struct.pack("<B", len(label)) + label if flags & LABEL else b""
    return struct.pack("<BBIIq", algorithm, flags, size, refill, span) + text


def bucket(full_at: int, fraction: int = 0) -> bytes:
    return struct.pack("<qI", full_at, fraction)


def window(end: int, used: int) -> bytes:
    return struct.pack("<qI", end, used)


def log(*entries: tuple[int, int]) -> bytes:
    """Entries as (step, units)."""
    return struct.pack("<I", len(entries)) + b"".join(var(step) + var(units) for step, units in entries)


def var(number: int) -> bytes:
    digits = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(digit | 0x80 for digit in digits[:-1]), digits[-1]])


def value(limits: list[bytes], states: list[bytes]) -> bytes:
    return bytes([1, len(limits)]) + b"".join(limits + states)


def grant(at: int, cost: int) -> bytes:
    """What a grant does to a log."""
    return struct.pack("<qI", at, cost)


def change(*changes: bytes) -> bytes:
    return b"\x01" + b"".join(changes)


class Effect(NamedTuple):
    line: str  # on an empty server, its clock held at BASE
    ends: int  # after so many nanoseconds
    payload: bytes


STORED = [
    Effect(
        "RL.TOKENBUCKET k 10 7 60s COST 3",
        ends=25_714_285_715,  # 3 intervals of 8,571,428,571 3/7 ns
        payload=value([limit(TOKENBUCKET, 10, MINUTE, 7)], [bucket(BASE + 25_714_285_714, 2)]),
    ),
    Effect(
        "RL.FIXED k 10 60s COST 3",
        ends=MINUTE,
        payload=value([limit(FIXED, 10, MINUTE)], [window(BASE + MINUTE, 3)]),
    ),
    Effect(
        "RL.FIXED k 10 1d ALIGNED AS per-day PER REQUEST COST 3",
        ends=DAY,
        payload=value(
            [limit(FIXED, 10, DAY, flags=ALIGNED | PER_REQUEST | LABEL, label=b"per-day")], [window(BASE + DAY, 1)]
        ),
    ),
    Effect(
        "RL.SLIDING k 10 60s COST 3",
        ends=MINUTE,
        payload=value([limit(SLIDING, 10, MINUTE)], [log((BASE // GRID_OF_MINUTE, 3))]),
    ),
    Effect(
        "RL.CHECK k TOKENBUCKET 20 10 1s SLIDING 7 1h AS hour COST 2",
        ends=HOUR,
        payload=value(
            [limit(TOKENBUCKET, 20, SECOND, 10), limit(SLIDING, 7, HOUR, flags=LABEL, label=b"hour")],
            [bucket(BASE + 200 * MS), log((BASE // GRID_OF_HOUR, 2))],
        ),
    ),
]
LINES = [effect.line for effect in STORED]

INSTEAD = "FIXED 10 1s"  # other limits, and not large enough for what is asked of them

# The second grant under a log says what it adds, and not the log.
APPLIED = [
    Effect("RL.SLIDING k 10 60s COST 3", ends=MINUTE + SECOND, payload=change(grant(BASE + SECOND, 3))),
    Effect(
        "RL.CHECK k TOKENBUCKET 20 10 1s SLIDING 7 1h AS hour COST 2",
        ends=HOUR + SECOND,
        payload=change(bucket(BASE + SECOND + 200 * MS), grant(BASE + SECOND, 2)),
    ),
]


def ends_at(ns: int) -> bytes:
    """The last argument but one: rounded up to the millisecond."""
    return str(-((BASE + ns) // -MS)).encode()


@pytest.fixture(scope="module")
def speaking_server() -> Iterator[Server]:
    server = Server("--appendonly", "yes", "--appendfsync", "always").start()
    yield server
    server.stop()


@pytest.fixture
def primary(speaking_server: Server) -> Iterator[Server]:
    with speaking_server.client() as db:
        db.flushall()
        Clock(db).set(BASE)
    yield speaking_server
    speaking_server.assert_well()


@pytest.fixture
def db(primary: Server) -> Iterator[Client]:
    with primary.client() as client:
        yield client


@pytest.fixture(params=[ReplicaEar, FileEar])
def ear(request: pytest.FixtureRequest, primary: Server) -> Iterator[Ear]:
    ear = request.param(primary)
    yield ear
    ear.close()


@pytest.mark.parametrize("effect", STORED, ids=lambda effect: effect.line)
def test_a_grant_travels_as_one_command_with_the_state_and_its_end(ear, db, effect):
    db.ask(effect.line)
    assert ear.heard() == [[b"RL._STORE", b"k", ends_at(effect.ends), effect.payload]]
    assert str(db.do("PEXPIRETIME k")).encode() == ends_at(effect.ends)


@pytest.mark.parametrize("effect", APPLIED, ids=lambda effect: effect.line)
def test_a_grant_on_a_log_that_is_there_travels_as_one_command_with_what_it_adds(ear, db, effect):
    db.ask(effect.line)
    Clock(db).advance(SECOND)
    ear.heard()
    db.ask(effect.line)
    assert ear.heard() == [[b"RL._APPLY", b"k", ends_at(effect.ends), effect.payload]]
    assert str(db.do("PEXPIRETIME k")).encode() == ends_at(effect.ends)


@pytest.mark.parametrize("line", LINES)
def test_what_takes_nothing_does_not_travel(ear, db, line):
    while db.ask(line).granted:
        pass
    ear.heard()
    denied, never = line, f"RL.CHECK k {INSTEAD} COST 11"
    for question in (denied, "RL.PEEK k", "RL.PEEK k COST 5", "RL.INFO k", "RL.PEEK absent", "RL.INFO absent", never):
        db.do(question)
    assert db.ask(f"RL.CHECK absent {INSTEAD} COST 11")[:4] == (0, 10, 10, -1)
    for mistake in ("RL.FIXED k 0 1s", "RL.CHECK k", "RL.FIXED k 10 1s COST 0", "RL.PEEK k k"):
        assert db.error(*mistake.split())
    assert ear.heard() == []


def test_a_wrong_type_does_not_travel(ear, db):
    db.set("k", "v")
    ear.heard()
    for line in LINES:
        assert db.error(*line.split()).startswith("WRONGTYPE")
    assert ear.heard() == []


def test_a_denial_after_the_clock_went_back_travels_as_the_state_that_it_brought_to_now(ear, db):
    """The one denial that writes (ADR 3); it takes nothing."""
    clock = Clock(db)
    for line, size in (("RL.FIXED k 10 60s COST 10", 10), ("RL.SLIDING k 10 60s COST 10", 10)):
        clock.set(BASE + HOUR)
        db.flushall()
        db.ask(line)
        ear.heard()
        clock.set(BASE)
        assert db.ask(line) == (0, size, 0, 60000, 60000)
        [[command, *_, ends, _]] = ear.heard()
        assert (command, ends) == (b"RL._STORE", ends_at(MINUTE))
        assert db.ask(line) == (0, size, 0, 60000, 60000)
        assert ear.heard() == []


@pytest.mark.parametrize("key", [b"", b"\x00\r\n\xff", b"{tag}\xe2\x82\xac", b"k" * 1000])
def test_a_name_travels_as_it_is(ear, primary, key):
    with primary.client(decode_responses=False) as raw:
        raw.execute_command("RL.SLIDING", key, 10, "60s")
        raw.execute_command("RL.SLIDING", key, 10, "60s")
    assert [words[:2] for words in ear.heard()] == [[b"RL._STORE", key], [b"RL._APPLY", key]]


def test_a_change_of_limits_travels_as_the_new_state(ear, db):
    db.ask("RL.SLIDING k 10 60s COST 3")
    ear.heard()
    db.ask("RL.FIXED k 20 60s")
    payload = value([limit(FIXED, 20, MINUTE)], [window(BASE + MINUTE, 4)])
    assert ear.heard() == [[b"RL._STORE", b"k", ends_at(MINUTE), payload]]


def test_of_many_calls_each_grant_and_nothing_else_travels(ear, db):
    print("RATELIMIT_TEST_SEED", SEED)
    rng = random.Random(SEED)
    keys = {f"k{number}": rng.choice(LINES) for number in range(20)}
    called = rng.choices(list(keys), k=500)
    pipe = db.pipeline(transaction=False)
    for key in called:
        pipe.execute_command(*keys[key].replace(" k ", f" {key} ", 1).split())
    granted = [key.encode() for key, reply in zip(called, pipe.execute()) if reply[0]]
    assert 20 <= len(granted) <= 500
    assert [words[1] for words in ear.heard()] == granted


def test_a_transaction_travels_as_its_grants_held_together(ear, db):
    with db.pipeline(transaction=True) as pipe:
        for cost in (6, 5, 4):
            pipe.execute_command(*f"RL.FIXED k 10 60s COST {cost}".split())
        pipe.execute_command("RL.PEEK", "k")
        assert [reply[0] for reply in pipe.execute()] == [6, 0, 4, 0]
    first, *stored, last = ear.heard()
    assert (first, last) == ([b"MULTI"], [b"EXEC"])
    limits = [limit(FIXED, 10, MINUTE)]
    assert stored == [
        [b"RL._STORE", b"k", ends_at(MINUTE), value(limits, [window(BASE + MINUTE, used)])] for used in (6, 10)
    ]


def test_a_transaction_in_which_nothing_is_granted_does_not_travel(ear, db):
    db.ask("RL.FIXED k 10 60s COST 10")
    ear.heard()
    with db.pipeline(transaction=True) as pipe:
        for question in ("RL.FIXED k 10 60s", "RL.FIXED new 10 60s COST 11", "RL.PEEK k", "RL.INFO k"):
            pipe.execute_command(*question.split())
        pipe.execute()
    assert ear.heard() == []


SCRIPT = """
    local granted = 0
    for i = 1, tonumber(ARGV[1]) do
      granted = granted + redis.call('RL.SLIDING', KEYS[1], 10, '60s', 'COST', 4)[1]
    end
    return granted
"""
LIBRARY = f"#!lua name=callers\nredis.register_function('take', function(KEYS, ARGV) {SCRIPT} end)"


def by_script(db: Client, key: str, times: int) -> int:
    return db.eval(SCRIPT, 1, key, times)


def by_function(db: Client, key: str, times: int) -> int:
    return db.do(f"FCALL take 1 {key} {times}")


@pytest.fixture
def library(db: Client) -> Iterator[None]:
    db.execute_command("FUNCTION", "LOAD", "REPLACE", LIBRARY)
    yield
    db.do("FUNCTION FLUSH")


@pytest.mark.parametrize("take", [by_script, by_function])
def test_a_script_travels_as_its_grants_held_together(db, library, ear, take):
    assert take(db, "k", 3) == 8
    assert names(ear.heard()) == ["MULTI", "RL._STORE", "RL._APPLY", "EXEC"]
    assert db.ask("RL.PEEK k")[:3] == (1, 10, 1)


@pytest.mark.parametrize("take", [by_script, by_function])
def test_a_script_in_which_nothing_is_granted_does_not_travel(db, library, ear, take):
    take(db, "k", 3)
    ear.heard()
    assert take(db, "k", 3) == 0
    assert ear.heard() == []


@pytest.mark.parametrize("take", [by_script, by_function])
def test_a_script_with_one_grant_travels_as_one_effect(db, library, ear, take):
    assert take(db, "k", 1) == 4
    assert names(effects(ear.heard())) == ["RL._STORE"]


REMOVALS = ["DEL k", "UNLINK k", "PEXPIREAT k 1", "EXPIRE k -1", "SET k v|DEL k", "RENAME k other", "FLUSHDB"]


@pytest.mark.parametrize("removal", REMOVALS)
@pytest.mark.parametrize("together", [True, False], ids=["in-a-transaction", "one-by-one"])
def test_after_a_key_is_gone_the_next_grant_travels_whole(ear, db, removal, together):
    """What is added to a log makes no sense where there is no log."""
    with db.pipeline(transaction=together) as pipe:
        for line in ["RL.SLIDING k 10 60s COST 3", *removal.split("|"), "RL.SLIDING k 10 60s COST 2"]:
            pipe.execute_command(*line.split())
        pipe.execute()
    first, second = effects(ear.heard())
    limits = [limit(SLIDING, 10, MINUTE)]
    at = BASE // GRID_OF_MINUTE
    assert first == [b"RL._STORE", b"k", ends_at(MINUTE), value(limits, [log((at, 3))])]
    assert second == [b"RL._STORE", b"k", ends_at(MINUTE), value(limits, [log((at, 2))])]


@pytest.mark.parametrize("effect", STORED, ids=lambda effect: effect.line)
def test_a_key_that_has_expired_is_deleted_before_the_next_grant_travels_whole(ear, db, effect):
    """The call itself finds it: the cycle in which the server looks for such keys is off."""
    db.do("DEBUG SET-ACTIVE-EXPIRE 0")
    db.ask(effect.line)
    ear.heard()
    end_ms = unix_ms(db) + 2
    db.pexpireat("k", end_ms)
    eventually(lambda: unix_ms(db) > end_ms, "the key to expire")
    db.ask(effect.line)
    deleted, stored = (words for words in ear.heard() if names([words])[0] not in ("PEXPIREAT", "MULTI", "EXEC"))
    db.do("DEBUG SET-ACTIVE-EXPIRE 1")
    assert names([deleted])[0] in ("DEL", "UNLINK")
    assert stored == [b"RL._STORE", b"k", ends_at(effect.ends), effect.payload]


def unix_ms(db: Client) -> int:
    seconds, microseconds = db.time()
    return seconds * 1000 + microseconds // 1000


def test_a_persisted_key_has_an_end_again_after_the_next_grant(ear, db):
    db.ask("RL.FIXED k 10 60s")
    db.persist("k")
    ear.heard()
    db.ask("RL.FIXED k 10 60s")
    [[_, _, ends, _]] = ear.heard()
    assert ends == ends_at(MINUTE)
    assert str(db.do("PEXPIRETIME k")).encode() == ends


def test_what_was_heard_makes_the_same_key_elsewhere(db, primary, start_server):
    """An append-only file made of nothing but what a replica heard is loaded, to the byte."""
    ear = ReplicaEar(primary)
    ask_everything(db)
    heard = ear.heard()
    ear.close()
    other = start_server("--appendonly", "yes")
    with other.client() as copy:
        Clock(copy).set(BASE + 1000 * DAY)  # whoever asked it would say that everything is idle
        load(other, copy, [[b"SELECT", b"0"], *heard])
        assert copy.do("DEBUG DIGEST") == db.do("DEBUG DIGEST")
        for key in db.keys():
            assert copy.do(f"PEXPIRETIME {key}") == db.do(f"PEXPIRETIME {key}")


def load(server: Server, db: Client, said: list[Words]) -> None:
    """Puts these commands into the server's append-only file, in place of what is there, and loads it."""
    [file] = (server.directory / "appendonlydir").glob("*.incr.aof")
    file.write_bytes(b"".join(map(command, said)))
    db.do("DEBUG LOADAOF")


REFUSAL = "this command is for replication and for loading files only"

# Payloads that the primary's link would carry out; k is a log, absent is no key.
INTERNAL = [
    ("RL._STORE", "k", STORED[1].payload),
    ("RL._STORE", "k", STORED[3].payload),
    ("RL._STORE", "absent", STORED[1].payload),
    ("RL._APPLY", "k", APPLIED[0].payload),
    ("RL._APPLY", "absent", APPLIED[0].payload),
]


def directly(connection: Connection, *words: str | bytes):
    return connection.do(*words)


def in_a_transaction(connection: Connection, *words: str | bytes):
    connection.do("MULTI")
    queued = connection.do(*words)
    done = connection.do("EXEC")
    return queued if isinstance(queued, Failure) else done[0]


def in_a_script(connection: Connection, *words: str | bytes):
    name, key, *rest = words
    body = "return redis.call(ARGV[1], KEYS[1], ARGV[2], ARGV[3])"
    return connection.do("EVAL", body, "1", key, name, *rest)


def in_a_function(connection: Connection, *words: str | bytes):
    name, key, *rest = words
    body = "function(KEYS, ARGV) return redis.call(ARGV[1], KEYS[1], ARGV[2], ARGV[3]) end"
    connection.do("FUNCTION", "LOAD", "REPLACE", f"#!lua name=any\nredis.register_function('any', {body})")
    reply = connection.do("FCALL", "any", "1", key, name, *rest)
    connection.do("FUNCTION", "FLUSH")
    return reply


@pytest.mark.parametrize("say", [directly, in_a_transaction, in_a_script, in_a_function])
@pytest.mark.parametrize("internal", INTERNAL, ids=lambda internal: " ".join(internal[:2]))
def test_the_internal_commands_are_refused_from_clients_and_change_nothing(primary, db, say, internal):
    name, key, payload = internal
    db.ask("RL.SLIDING k 10 60s COST 3")
    before = db.do("DEBUG DIGEST"), db.do("PEXPIRETIME k")
    ear = ReplicaEar(primary)
    with Connection(primary.socket) as connection:
        for ends in (b"0", ends_at(DAY)):
            assert REFUSAL in say(connection, name, key, ends, payload)
    assert effects(ear.heard()) == []
    ear.close()
    assert (db.do("DEBUG DIGEST"), db.do("PEXPIRETIME k")) == before


def test_the_same_words_are_carried_out_when_a_file_says_them(start_server):
    """So the refusals above are for who says it, and not for what is said."""
    server = start_server("--appendonly", "yes")
    with server.client() as db:
        for _, key, payload in INTERNAL[:3]:
            load(server, db, [[b"SELECT", b"0"], [b"RL._STORE", key.encode(), ends_at(DAY), payload]])
            assert db.keys() == [key]
            assert db.do(f"PEXPIRETIME {key}") == int(ends_at(DAY))


@pytest.mark.parametrize("payload", [b"\x02" + STORED[1].payload[1:], STORED[1].payload[:-1], b""])
def test_a_form_that_the_module_does_not_know_is_refused_in_a_file_too_and_the_log_says_so(start_server, payload):
    server = start_server("--appendonly", "yes")
    good = [b"RL._STORE", b"good", ends_at(DAY), STORED[1].payload]
    with server.client() as db:
        load(server, db, [[b"SELECT", b"0"], good, [b"RL._STORE", b"bad", ends_at(DAY), payload], good])
        assert db.keys() == ["good"]
    assert "payload must be" in server.log() and "rl._store" in server.log().lower()


@pytest.fixture
def pair(start_server) -> tuple[Server, Server]:
    """A primary and a replica with an append-only file of its own."""
    at_once = "--repl-diskless-sync-delay", "0"
    primary = start_server(*at_once)
    replica = start_server(*at_once, "--replicaof", "127.0.0.1", str(primary.port), "--appendonly", "yes")
    with primary.client() as db, replica.client() as copy:
        Clock(db).set(BASE)
        Clock(copy).set(BASE)
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to sync")
        eventually(lambda: not copy.info("persistence")["aof_rewrite_in_progress"], "the replica's file to begin anew")
    return primary, replica


def ask_everything(db: Client) -> None:
    for _ in range(3):
        Clock(db).advance(1_234_567_891)
        for number, line in enumerate(LINES):
            assert db.ask(line.replace(" k ", f" k{number} ", 1)).granted


def test_a_replica_writes_the_effects_into_its_own_file(pair):
    """The server leaves that to the module. Without it a replica that was promoted and starts again knows nothing."""
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        ask_everything(db)
        assert db.wait(1, PATIENCE_S * 1000) == 1
        before = db.do("DEBUG DIGEST")
        assert copy.do("DEBUG DIGEST") == before
        copy.do("REPLICAOF NO ONE")
        copy.do("DEBUG LOADAOF")
        assert copy.do("DEBUG DIGEST") == before


def test_a_replica_counts_the_effects_as_changes_that_it_has_to_save(pair):
    primary, replica = pair
    with primary.client() as db, replica.client() as copy:
        before = copy.changes()
        ask_everything(db)
        assert db.wait(1, PATIENCE_S * 1000) == 1
        assert copy.changes() - before == db.changes() == 3 * len(LINES)


def test_a_replica_of_a_replica_hears_the_same(pair, start_server):
    primary, replica = pair
    last = start_server("--replicaof", "127.0.0.1", str(replica.port))
    with primary.client() as db, replica.client() as copy, last.client() as second:
        eventually(lambda: second.info("replication")["master_link_status"] == "up", "the second replica to sync")
        ask_everything(db)
        assert db.wait(1, PATIENCE_S * 1000) == 1
        offset = db.info("replication")["master_repl_offset"]
        eventually(lambda: second.info("replication")["slave_repl_offset"] >= offset, "the second replica to catch up")
        assert copy.do("DEBUG DIGEST") == second.do("DEBUG DIGEST") == db.do("DEBUG DIGEST")


def test_a_writable_replica_refuses_the_internal_commands_from_clients_too(pair):
    _, replica = pair
    with replica.client() as copy:
        copy.config_set("replica-read-only", "no")
        assert copy.error("RL._STORE", "k", 0, STORED[1].payload) == REFUSAL
        assert copy.dbsize() == 0
