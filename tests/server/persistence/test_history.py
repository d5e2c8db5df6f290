# SPDX-License-Identifier: MIT
"""What a key remembers of its calls (RL.LOG, RL.TOP and the counters of RL.INFO) goes with it: through files, to a
replica that begins, in a DUMP. It is in no effect and no digest, and a copy begins anew.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import redis

from cluster import Node
from ears import ReplicaEar, Words, command, effects, words_of
from harness import BASE, HOUR, MS, SECOND, Client, Clock, Server, eventually
from hostile import interesting
from restarts import reload, rewrite, save, save_in_the_background
from seed import SEED
from subjects import Strings

AOF = ("--appendonly", "yes", "--appendfsync", "always")
WAYS: dict[str, tuple[Callable[[Node], None], tuple[str, ...]]] = {
    "DEBUG RELOAD": (reload, ()),
    "SAVE": (save, ("--rdbcompression", "no")),
    "BGSAVE": (save_in_the_background, ()),
    "AOF, rewritten with a preamble": (rewrite, (*AOF, "--aof-use-rdb-preamble", "yes")),
    "AOF, rewritten without a preamble": (rewrite, (*AOF, "--aof-use-rdb-preamble", "no")),
}
LARGEST_PIECE = 128 * 1024  # bytes: what a server holds twice while it writes
MOST_ENTRIES = 65_536

# Written by a module whose encoding version was 1, which had no history, with the digests of that time. The clock was
# held at BASE: a bucket; a limiter on trial with a subject, an exception and a state of its own; a key that stores no
# limits.
VERSION_1 = {
    "bucket": (
        "0781adab5e9629a2b401051a010101001407005847f80d000000db9e65bd4ca7f03803000000000a00db23fefdd171741c",
        "da5932a1fb1bd4f854c3f2a0b69eba5f5d8770d4",
    ),
    "limiter": (
        "0781adab5e9629a2b4010528014102000500005847f80d0000000058c7b658a7f03803034df7a847b59cf8f0a6e9390024011137053801ba"
        "8458bbf1851e39000058c7b658a7f03801cc5944c9c45c46b00102000600005847f80d0000000058c7b658a7f0380206757365723a320500"
        "000a00fe62a0079010f4a1",
        "8ae2ec2db4127159649e6a722dedeee1000114de",
    ),
    "dense": (
        "0781adab5e9629a2b4010528014102000500005847f80d000000000000000000000000009d45591f70cfd38b7ab25fe9e8f7dcfe05404001"
        "1e87ef0e3c8323090102000500005847f80d0000000058c7b658a7f03804666c08a720f87e8f010300050000a0b830460300000100000080"
        "80a0ca9ed412020500000a00b401182137aab361",
        "5214e9c8ae90434e5d1eed4cfdad5a6d1c5d658c",
    ),
}


def call(db: Client, key: str = "k") -> None:
    """Some who are denied, or near a limit, at different times; one is blocked, and one would only be denied."""
    clock = Clock(db)
    clock.set(BASE)
    db.do(f"RL.DEFINE {key} FIXED 10 1d AS burst FIXED 30 7d AS weekly")
    db.do(f"RL.DEFINE {key}:trial FIXED 1 1d SHADOW")
    db.do(f"RL.BLOCK {key} 1h FOR blocked")
    for second, line in enumerate(
        (
            *("COST 9 FOR alice", "COST 2 FOR alice", "COST 11 FOR bob", "FOR blocked", "COST 10", "COST 10"),
            *("FOR alice", "FOR alice", "FOR alice", "COST 9 FOR carol", "COST 8 FOR carol"),
        )
    ):
        clock.set(BASE + second * SECOND)
        db.do(f"RL.CHECK {key} {line}")
    db.do(f"RL.CHECK {key}:trial COST 2 FOR alice")
    db.do(f"RL.CHECK {key}:named FIXED 2 1h FOR dora")
    db.do(f"RL.CHECK {key}:named FIXED 2 1h COST 2 FOR dora")


def remembered(db: Client, key: str = "k") -> dict:
    """All that is told of the calls on these keys."""
    keys = (key, f"{key}:trial", f"{key}:named")
    info = {name: db.rl_info(name) for name in keys}
    return {
        "log": [db.do(f"RL.LOG {name} 100") for name in keys],
        "denied": [db.do(f"RL.TOP {name} 100") for name in keys],
        "near": [db.do(f"RL.TOP {name} 100 NEAR") for name in keys],
        "counters": [[info[name].get(field) for field in ("granted", "denied", "counters")] for name in keys],
    }


def test_calls_that_are_remembered_are_what_they_are_meant_to_be(db, clock):
    call(db)
    there = remembered(db)
    assert [(name, label, times) for name, label, _, _, times, _ in there["log"][0]] == [
        *(
            ("carol", "burst", 1),
            ("alice", "burst", 3),
            ("", "burst", 1),
            ("blocked", "blocked", 1),
            ("bob", "burst", 1),
        ),
    ]
    assert [len(log) for log in there["log"]] == [5, 1, 1]
    assert there["denied"][0][0] == ["alice", 3, 0]
    assert {name for name, *_ in there["near"][0]} == {"alice", "carol"}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_brings_the_history_back(node, way):
    pass_on, options = WAYS[way]
    server = node(*options)
    with server.client() as db:
        call(db)
        before = remembered(db)
    pass_on(server)
    with server.client() as db:
        Clock(db).set(BASE + 10 * SECOND)
        assert remembered(db) == before
        db.do("RL.CHECK k COST 5 FOR alice")
        [name, label, *_, times, _] = db.do("RL.LOG k 1")[0]
        assert (name, label, times) == ("alice", "burst", before["log"][0][1][4] + 1), "and it goes on"
        assert db.do("RL.TOP k 1") == [["alice", 4, 0]]
        Clock(db).set(BASE + HOUR)
        assert db.do("RL.TOP k 1") == [["alice", 4, 0]], "who was denied first was a second later"
        Clock(db).set(BASE + HOUR + SECOND)
        assert db.do("RL.TOP k 1") == [["alice", 2, 0]], "its hour goes on, too"


def test_a_rewritten_file_has_the_history_behind_the_subjects(node):
    server = node(*AOF, "--aof-use-rdb-preamble", "no")
    with server.client() as db:
        call(db)
        rewrite(server)
    commands = base_file(server)
    kinds = [words[2] for words in commands if words[1] == b"k"]
    assert kinds == [b"STORE", b"FILL", b"HISTORY"]
    assert {words[3] for words in commands if words[2] == b"HISTORY"} == {b"0"}


def base_file(server: Server) -> list[Words]:
    """What an append-only file begins with that was written as commands."""
    with next((server.directory / "appendonlydir").glob("*.base.aof")).open("rb") as file:
        heard = []
        while line := file.readline().rstrip(b"\r\n"):
            heard.append(words_of(line, file))
    return [words for words in heard if words[0].upper() != b"SELECT"]


# --- replicas ---------------------------------------------------------------------------------------


def start_replica(start_server, primary: Server) -> Server:
    replica = start_server("--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1", str(primary.port))
    with replica.client() as copy:
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to sync")
    return replica


def test_a_replica_has_the_history_of_its_last_full_synchronisation(start_server):
    primary = start_server("--repl-diskless-sync-delay", "0")
    with primary.client() as db:
        call(db)
        before = remembered(db)
        replica = start_replica(start_server, primary)
        with replica.client() as copy:
            Clock(copy).set(BASE + 10 * SECOND)
            assert remembered(copy) == before
            db.ask_times(5, "RL.CHECK k COST 5 FOR alice")
            db.do("RL.CHECK k FOR new")
            end = db.info("replication")["master_repl_offset"]
            eventually(lambda: copy.info("replication")["slave_repl_offset"] >= end, "the replica to catch up")
            assert remembered(copy) == before, "calls are not sent, only what they change"
            assert copy.do("DEBUG DIGEST") == db.do("DEBUG DIGEST")
            copy.do("REPLICAOF NO ONE")
            copy.do("RL.CHECK k COST 5 FOR alice")
            assert copy.do("RL.LOG k 1")[0][4] == before["log"][0][1][4] + 1, "promoted, it goes on from there"


def test_a_denial_sends_nothing(server, db, clock):
    db.do("RL.DEFINE k FIXED 1 1d")
    db.do("RL.CHECK k FOR a")
    ear = ReplicaEar(server)
    ear.heard()
    for _ in range(3):
        db.do("RL.CHECK k FOR a")
    db.do("RL.CHECK k FOR b")
    heard = effects(ear.heard())
    ear.close()
    assert [words[2] for words in heard] == [b"STORE"], "of the one who was granted"


# --- moved ------------------------------------------------------------------------------------------


def test_a_dump_carries_the_history(server, db, clock):
    call(db)
    before = remembered(db)
    with server.client(decode_responses=False) as raw:
        for key in ("k", "k:trial", "k:named"):
            payload = raw.dump(key)
            assert raw.dump(key) == payload, "asking changes nothing"
            db.delete(key)
            raw.restore(key, 0, payload)
    assert remembered(db) == before


def test_a_renamed_key_keeps_its_history_and_a_copy_begins_anew(db, clock):
    call(db)
    before = remembered(db)
    for key in ("k", "k:trial", "k:named"):
        db.do(f"COPY {key} {key.replace('k', 'copy')}")
        db.do(f"RENAME {key} {key.replace('k', 'moved')}")
    assert remembered(db, "moved") == before
    assert [db.do(line) for line in ("RL.LOG copy", "RL.TOP copy", "RL.TOP copy NEAR")] == [[], [], []]
    assert db.digest("copy") == db.digest("moved")


# --- older and newer versions -----------------------------------------------------------------------


@pytest.mark.parametrize("key", VERSION_1)
def test_what_the_first_version_wrote_is_read(server, db, clock, key):
    payload, digest = VERSION_1[key]
    with server.client(decode_responses=False) as raw:
        raw.restore(key, HOUR // MS if key == "bucket" else 0, bytes.fromhex(payload))
        assert raw.dump(key)[:10].hex() == "0781adab5e9629a2b402", "and written by this one from now on"
    assert db.digest(key) == digest
    assert (db.do(f"RL.LOG {key}"), db.do(f"RL.TOP {key}")) == ([], [])


def test_what_the_first_version_wrote_is_what_it_was(server, db, clock):
    with server.client(decode_responses=False) as raw:
        for key, (payload, _) in VERSION_1.items():
            raw.restore(key, HOUR // MS if key == "bucket" else 0, bytes.fromhex(payload))
    assert db.ask("RL.PEEK bucket").remaining == 19
    assert (db.rl_info("limiter")["shadow"], db.rl_info("limiter")["limits"][0]["used"]) == (1, 3)
    used = {name: db.rl_info("limiter", name)["limits"][0]["used"] for name in ("user:1", "user:2")}
    assert used == {"user:1": 1, "user:2": 2}
    assert [db.rl_info("dense", name)["limits"][0]["used"] for name in ("alice", "bob")] == [4, 2]


def test_a_table_of_the_second_version_needs_its_history(server, db, clock, configure):
    """The strings of a limiter: itself, its subjects, an empty one, its history, and an empty one."""
    configure("rdbcompression", "no")
    call(db)
    with server.client(decode_responses=False) as raw:
        strings = Strings(raw.dump("k"))
        own, subjects, end, history, last = strings.strings
        assert (end, last) == (b"", b"")
        for bad in (
            *([own, subjects, b""], [own, subjects, b"", history], [own, subjects, b"", history, history, b""]),
            *([own, subjects, history, b"", b""], [own, b"", subjects, history, b""], [own, subjects, b"", b"\1", b""]),
        ):
            with pytest.raises(redis.ResponseError, match="Bad data format"):
                raw.restore("bad", 0, strings.sealed(bad))
        raw.restore("good", 0, strings.sealed([own, subjects, b"", b""]))
        raw.restore("whole", 0, strings.sealed(strings.strings))
    assert db.do("RL.LOG good") == []
    assert db.do("RL.LOG whole") == db.do("RL.LOG k")


def test_a_history_that_nobody_writes_is_refused_in_a_file_and_the_log_says_so(start_server):
    """It may have added the records before the fault; nothing else has changed."""
    server = start_server(*AOF, "--aof-use-rdb-preamble", "no")
    good = b"\1" + denial(b"good")
    bad = [b"", b"\1", b"\2", b"nonsense", good + b"\5", good[:-1], b"\1" + denial(b"x" * 1025), good]
    with server.client() as db:
        db.do("RL.DEFINE k FIXED 1 1d")
        db.do("RL.FIXED single 1 1d")
        file = next((server.directory / "appendonlydir").glob("*.incr.aof"))
        said = [[b"RL._EFFECT", b"k", b"HISTORY", b"0", payload] for payload in (good, *bad)]
        said += [[b"RL._EFFECT", key, b"HISTORY", b"0", good] for key in (b"single", b"missing")]
        with file.open("ab") as written:
            written.write(b"".join(map(command, said)))
        digest = db.do("DEBUG DIGEST")
        db.do("DEBUG LOADAOF")
        assert db.do("DEBUG DIGEST") == digest
        assert db.do("RL.LOG k") == [["good", "fixed", BASE // MS, BASE // MS, 1, 1000]]
        assert db.exists("missing") == 0
    refusals = [line for line in server.log().lower().splitlines() if "payload must be" in line]
    assert len(refusals) == len(bad) + 2


# --- hostile ----------------------------------------------------------------------------------------


def test_no_history_however_hostile_brings_the_server_down(server, db, clock, configure):
    """Each payload is refused, or makes a key that is written again as it was read, and answers."""
    configure("rdbcompression", "no")
    rng = random.Random(f"{SEED} history")
    call(db)
    with server.client(decode_responses=False) as raw:
        strings = Strings(raw.dump("k"))
        own, subjects, _, history, _ = strings.strings
        accepted = 0
        for _ in range(1500):
            changed = bytearray(history)
            at, number = rng.randrange(len(changed) + 1), interesting(rng)
            match rng.randrange(4):
                case 0:
                    changed[at : at + len(number)] = number
                case 1:
                    changed[at:at] = history[rng.randrange(len(history)) :]
                case 2:
                    del changed[at : at + rng.randint(1, 16)]
                case 3:
                    changed[at : at + 1] = rng.randbytes(1)
            payload = strings.sealed([own, subjects, b"", bytes(changed), b""])
            try:
                raw.restore("hostile", 0, payload, replace=True)
            except redis.ResponseError:
                continue
            accepted += 1
            assert Strings(raw.dump("hostile")).strings[3] == changed, f"RATELIMIT_TEST_SEED={SEED}"
            for line in ("RL.LOG hostile 5000", "RL.TOP hostile 1024", "RL.TOP hostile 1024 NEAR", "RL.INFO hostile"):
                assert raw.execute_command(*line.split()) is not None
            raw.execute_command("RL.CHECK", "hostile", "COST", 10, "FOR", "alice")
    assert accepted > 10, f"RATELIMIT_TEST_SEED={SEED}: too few to say anything"


def test_counters_at_their_largest_numbers_stop_and_the_server_starts_again(server, db, clock, configure):
    configure("rdbcompression", "no")
    db.do("RL.DEFINE k FIXED 1 1d")
    most = variable((1 << 63) - 1) * 4
    counters = b"\1\1" + BASE.to_bytes(8, "little") + most + b"\1\5fixed" + BASE.to_bytes(8, "little") + most
    with server.client(decode_responses=False) as raw:
        strings = Strings(raw.dump("k"))
        raw.restore("k", 0, strings.sealed([strings.strings[0], b"", counters, b""]), replace=True)
    db.ask_times(2, "RL.CHECK k FOR a")
    db.do("DEBUG RELOAD")
    info = db.rl_info("k")
    assert {info[name] for name in ("granted", "denied", "would_deny", "near")} == {(1 << 63) - 1}


# --- as large as it can be --------------------------------------------------------------------------


def variable(number: int) -> bytes:
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def denial(name: bytes) -> bytes:
    """A record of a history (docs/format.md): denied once, at BASE, for a second."""
    at = BASE.to_bytes(8, "little")
    return b"\2" + variable(len(name)) + name + b"\5fixed" + at + at + b"\1" + SECOND.to_bytes(8, "little")


def restore_largest(server: Server, db: Client, names: Callable[[int], bytes]) -> None:
    """A limiter `k` with as many entries in its log as there can be."""
    db.do("CONFIG SET rdbcompression no")
    db.do("RL.DEFINE k FIXED 1 1d")
    with server.client(decode_responses=False) as raw:
        strings = Strings(raw.dump("k"))
        records = [denial(names(number)) for number in range(MOST_ENTRIES)]
        chunks = [b"\1" + b"".join(records[first : first + 1000]) for first in range(0, MOST_ENTRIES, 1000)]
        raw.restore("k", 0, strings.sealed([strings.strings[0], b"", *chunks, b""]), replace=True)
        one_more = [*chunks, b"\1" + denial(b"one more")]
        with pytest.raises(redis.ResponseError, match="Bad data format"):
            raw.restore("larger", 0, strings.sealed([strings.strings[0], b"", *one_more, b""]))


def test_the_largest_log_is_written_in_pieces_and_read_again(node):
    server = node(*AOF, "--aof-use-rdb-preamble", "no")
    with server.client() as db:
        Clock(db).set(BASE)
        restore_largest(server, db, lambda number: str(number).encode() * 3)
        before = db.do("RL.LOG k 5000")
        assert len(before) == 5_000
    rewrite(server)
    pieces = [words[4] for words in base_file(server) if words[2] == b"HISTORY"]
    assert len(pieces) > 10
    assert max(map(len, pieces)) <= LARGEST_PIECE, "one command with everything would take memory for all of it at once"
    with server.client() as db:
        assert db.do("RL.LOG k 5000") == before


def test_no_question_about_the_largest_log_holds_the_server(server, db, clock, configure):
    """One of many is short, since a starved machine may take any time for one."""
    restore_largest(server, db, lambda number: str(number).encode().rjust(200))
    for line in ("RL.LOG k 5000", "RL.TOP k 1024", "RL.INFO k", "MEMORY USAGE k"):
        took = []
        while len(took) < 50 and min(took, default=10_000) >= 10_000:
            before = spent(db, line.split()[0])
            db.do(line)
            took.append(spent(db, line.split()[0]) - before)
        assert min(took) < 10_000, f"{line}: {min(took)} microseconds"
    db.do("RL.CHECK k COST 2 FOR one-more")
    assert len(db.do("RL.LOG k 5000")) == 1024, "the first denial brings the log to the length that is set"


def spent(db: Client, command: str) -> int:
    """Microseconds in a command, as the server counts them."""
    names = [f"cmdstat_{command}", f"cmdstat_{command.lower()}", f"cmdstat_{command.lower()}|usage"]
    stats = {name.lower(): values for name, values in db.info("commandstats").items()}
    return sum(stats[name.lower()]["usec"] for name in dict.fromkeys(map(str.lower, names)) if name in stats)
