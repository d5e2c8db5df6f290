# SPDX-License-Identifier: MIT
"""Keys with many subjects are written down, moved and copied as they are: small and large ones, stored or not, with
logs, leases, holds and turns in them, and while limits that changed have not reached everyone yet.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import chain

import pytest

from cluster import Node
from ears import Words, words_of
from harness import BASE, MINUTE, SECOND, Client, Clock, Server, eventually
from restarts import crash, reload, rewrite, save, save_in_the_background
from states import EARLIER, LARGE, LATER, STATES
from subjects import fill, for_subject, nothing_forgotten, standing, subjects

SIZES = [1, 1000, 100_000]
MANY = 300_000
LIMITS = "FIXED 10 1d"
CHANGES = ["FIXED 10 2h", "SLIDING 9 1h", "TOKENBUCKET 9 1 1h"]
LONGEST_CHUNK = 128 * 1024  # bytes: what a server holds twice while it writes


def fill_with_states(db: Client, key: str = "dense") -> list[str]:
    """Subjects in every state that is worth remembering, under limits of their own; their names. The clock is held at
    BASE.
    """
    clock = Clock(db)
    for at, lines in ((BASE - 30 * SECOND, EARLIER), (BASE, STATES)):
        clock.set(at)
        for line in chain.from_iterable(lines.values()):
            assert db.do(for_subject(line, key)), line
    for line in chain.from_iterable(LARGE.values()):
        clock.advance(1_234_567)
        assert db.do(for_subject(line, key))[0], line
    db.ask(f"RL.TOKENBUCKET {key} 7 7 60s COST 6")  # the key itself, under two lists
    db.ask(f"RL.SLIDING {key} 70 1h COST 2")
    clock.set(BASE)
    return [*dict.fromkeys([*EARLIER, *STATES, *LARGE])]


def facts(db: Client, key: str, names: list[str]) -> list:
    """All that can be asked about these subjects and the key itself, now and later."""
    clock, seen = Clock(db), [db.digest(key), db.pttl(key)]
    for later in LATER:
        clock.set(BASE + later)
        for name in names:
            seen += [standing(db, key, name), db.do(f"RL.PEEK {key} FIXED 9 1h COST 4 FOR {name}")]
        seen += [db.ask(f"RL.PEEK {key}"), db.rl_info(key)["limits"]]
    clock.set(BASE)
    return seen


@pytest.fixture
def held(db: Client, clock: Clock) -> Iterator[list[str]]:
    """The key `dense` with subjects in all states; their names. Nobody is forgotten until the test is over."""
    names = fill_with_states(db)
    with nothing_forgotten(db):
        yield names


def test_the_subjects_that_are_kept_are_what_they_are_meant_to_be(db, held):
    infos = {name: standing(db, "dense", name) for name in held}
    assert {name for name, info in infos.items() if info is None} == {"ended"}, "whose leases are over"
    holds = {name: info["holds"] for name, info in infos.items() if info and info["holds"]}
    assert holds == {"holds": 3, "everything": 2, "settled": 2, "charged": 3, "crossed": 2}
    assert {name for name, info in infos.items() if info and info["blocked"]} == {"blocked", "owing"}
    several = {name: len(infos[name]["limits"]) for name in ("accounts", "met", "crossed", "crowd")}
    assert several == {"accounts": 4, "met": 4, "crossed": 5, "crowd": 3}
    assert infos["approx"]["limits"][0]["used"] == 8
    assert infos["overdrawn"]["limits"][0]["used"] == 9
    assert [limit["used"] for limit in infos["charged"]["limits"]] == [38, 39]
    assert [limit["used"] for limit in infos["closed"]["limits"]] == [7, 7, 7]
    assert infos["large"]["limits"][1]["used"] == 2**53 - 1, "saturated"
    assert infos["log"]["limits"][0]["used"] > 2**32 - 100_000


# --- written down and read again --------------------------------------------------------------------


AOF = ("--appendonly", "yes", "--appendfsync", "always")
WAYS: dict[str, tuple[Callable[[Node], None], tuple[str, ...]]] = {
    "DEBUG RELOAD": (reload, ()),
    "SAVE": (save, ("--rdbcompression", "no")),
    "BGSAVE": (save_in_the_background, ()),
    "AOF": (crash, AOF),
    "AOF, rewritten with a preamble": (rewrite, (*AOF, "--aof-use-rdb-preamble", "yes")),
    "AOF, rewritten without a preamble": (rewrite, (*AOF, "--aof-use-rdb-preamble", "no")),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_brings_back_every_subject(node, way):
    """Of tables of every size, stored and not; the same digests, and the same answers."""
    pass_on, options = WAYS[way]
    server = node(*options)
    with server.client() as db:
        Clock(db).set(BASE)
        for size in SIZES:
            fill(db, f"unstored{size}", size, LIMITS)
        db.do("RL.DEFINE stored TOKENBUCKET 10 1 1h SLIDING 20 1d SHADOW")
        fill(db, "stored", 1000)
        db.do("RL.DEFINE nobody FIXED 3 1h")
        names = fill_with_states(db)
        with nothing_forgotten(db):
            keys, before, whole = sorted(db.keys()), facts(db, "dense", names), db.do("DEBUG DIGEST")
    pass_on(server)
    with server.client() as db:
        Clock(db).set(BASE)
        with nothing_forgotten(db):
            assert (sorted(db.keys()), facts(db, "dense", names), db.do("DEBUG DIGEST")) == (keys, before, whole)
        assert [subjects(db, key) for key in ("nobody", "stored", "unstored100000")] == [0, 1000, 100_000]
        assert [db.pttl(key) for key in ("nobody", "stored", "unstored1", "dense")] == [-1] * 4
        assert db.rl_info("stored")["shadow"] == db.rl_info("stored")["stored"] == 1
        assert db.ask(f"RL.CHECK unstored100000 {LIMITS} COST 9 FOR s77777").remaining == 0
        assert db.ask("RL.CHECK nobody COST 3 FOR s1")[:3] == (3, 3, 0)


def base_file(server: Server) -> list[Words]:
    """What an append-only file begins with that was written as commands."""
    with next((server.directory / "appendonlydir").glob("*.base.aof")).open("rb") as file:
        heard = []
        while line := file.readline().rstrip(b"\r\n"):
            heard.append(words_of(line, file))
    return [words for words in heard if words[0].upper() != b"SELECT"]


@pytest.mark.parametrize("limits", ["", LIMITS], ids=["stored", "unstored"])
def test_a_rewritten_file_has_the_key_and_its_subjects_in_chunks(node, limits):
    server = node("--appendonly", "yes", "--aof-use-rdb-preamble", "no")
    with server.client() as db:
        Clock(db).set(BASE)
        if not limits:
            db.do(f"RL.DEFINE k {LIMITS}")
        fill(db, "k", 50_000, limits)
        eventually(lambda: not db.info("persistence")["aof_rewrite_in_progress"], "the file before it")
        db.bgrewriteaof()
        eventually(lambda: not db.info("persistence")["aof_rewrite_in_progress"], "the file to be written anew")
        first, *rest = base_file(server)
    assert first[:3] == [b"RL._EFFECT", b"k", b"STORE"]
    *chunks, history = rest
    assert {(words[0], words[2]) for words in chunks} == {(b"RL._EFFECT", b"FILL")}
    assert history[2] == b"HISTORY"
    assert len(chunks) > 1, "one command with everything would take memory for all of it at once"
    assert max(len(words[4]) for words in rest) <= LONGEST_CHUNK


def test_limits_that_have_not_reached_everyone_are_saved_as_if_they_had(node):
    """All is read from the connection at once, so that there is no time in between to bring a table up to date."""
    server = node()
    with server.client() as db:
        Clock(db).set(BASE)
        db.do("RL.DEFINE k SLIDING 10 1h")
        fill(db, "k", 20_000)
        with db.pipeline(transaction=False) as pipe:
            for number in range(1, 21):
                pipe.execute_command("RL.DEBUG", "CLOCK", "SET", BASE + number * MINUTE)
                pipe.execute_command("RL.DEFINE", "k", *CHANGES[number % len(CHANGES)].split())
                pipe.execute_command("RL.CHECK", "k", "COST", 2, "FOR", f"s{number}")
            pipe.execute_command("SAVE")
            pipe.execute()
        before = db.digest("k")
        answers = [db.do(f"RL.INFO k FOR s{number}") for number in range(100)]
    server.kill()
    server.start()
    with server.client() as db:
        Clock(db).set(BASE + 20 * MINUTE)
        assert db.digest("k") == before
        assert [db.do(f"RL.INFO k FOR s{number}") for number in range(100)] == answers


# --- moved ------------------------------------------------------------------------------------------

MOVES = {
    "COPY dense other": (0, "other"),
    "COPY dense dense DB 1": (1, "dense"),
    "COPY dense taken REPLACE": (0, "taken"),
    "MOVE dense 1": (1, "dense"),
    "RENAME dense other": (0, "other"),
    "RENAME dense taken": (0, "taken"),
    "RENAMENX dense other": (0, "other"),
    "SWAPDB 0 1": (1, "dense"),
}


@pytest.mark.parametrize("taken", ["RL.FIXED taken 99 1d COST 7", "RL.FIXED taken 99 1d FOR somebody"])
@pytest.mark.parametrize("move", MOVES)
def test_a_table_is_the_same_where_it_went(server, db, clock, move, taken):
    """To look later moves the clock, and a subject that is idle then may be forgotten: nobody is while one looks. The
    digests are taken right before and right after the move, since in between who is idle already may be forgotten.
    """
    names = fill_with_states(db)
    db.do(taken)
    database, name = MOVES[move]
    with nothing_forgotten(db):
        before = facts(db, "dense", names)
    with db.pipeline(transaction=True) as pipe:
        pipe.execute_command("DEBUG", "DIGEST-VALUE", "dense")
        pipe.execute_command(*move.split())
        pipe.execute_command("SELECT", database)
        pipe.execute_command("DEBUG", "DIGEST-VALUE", name)
        pipe.execute_command("SELECT", 0)
        [digest], _, _, [moved], _ = pipe.execute()
    assert moved == digest
    with server.client(db=database) as there, nothing_forgotten(there):
        assert facts(there, name, names)[1:] == before[1:]
    if move == "SWAPDB 0 1":
        db.do(move)


@pytest.mark.parametrize("limits", ["", LIMITS], ids=["stored", "unstored"])
def test_a_copy_and_its_original_share_nothing(db, clock, limits):
    if not limits:
        db.do(f"RL.DEFINE k {LIMITS}")
    fill(db, "k", 2000, limits)
    before = db.digest("k")
    db.do("COPY k l")
    assert db.digest("l") == before
    fill(db, "l", 4000, limits)
    assert (db.digest("k"), subjects(db, "k"), subjects(db, "l")) == (before, 2000, 4000)
    db.do("RL.DEFINE l SLIDING 5 1h")
    assert standing(db, "k", "s1")["limits"][0]["limit"] == LIMITS
    changed = db.digest("l")
    fill(db, "k", 1000, limits)
    db.delete("k")
    assert (db.digest("l"), subjects(db, "l")) == (changed, 4000)
    assert standing(db, "l", "s1")["limits"][0]["used"] == 2


@pytest.mark.parametrize("options", ["", "REPLACE"])
def test_a_restored_table_is_the_same(server, db, held, options):
    """RESTORE writes, so that the background sweep must be let in again for it."""
    before = facts(db, "dense", held)
    with server.client(decode_responses=False) as raw:
        payload = raw.dump("dense")
        assert raw.dump("dense") == payload, "asking changes nothing"
        db.do("CLIENT UNPAUSE")
        if options:
            db.ask("RL.FIXED other 99 1d FOR somebody")
            fill(db, "other", 1000, LIMITS)
        with raw.pipeline(transaction=True) as pipe:
            pipe.execute_command("RESTORE", "other", 0, payload, *options.split())
            pipe.execute_command("DEBUG", "DIGEST-VALUE", "other")
            assert pipe.execute()[-1][0].decode() == before[0]
    del before[0]  # a subject that is idle may have been forgotten by now
    assert facts(db, "other", held)[1:] == before


def test_a_large_table_is_dumped_and_restored(server, db, clock):
    fill(db, "k", MANY, LIMITS)
    with server.client(decode_responses=False) as raw:
        raw.restore("l", 0, raw.dump("k"))
        raw.restore("l", 0, raw.dump("k"), replace=True)
    assert subjects(db, "l") == MANY
    assert db.digest("l") == db.digest("k")
    for number in (0, MANY // 2, MANY - 1):
        assert db.ask(f"RL.CHECK l {LIMITS} COST 10 FOR s{number}").granted == 0
        assert db.ask(f"RL.CHECK l {LIMITS} COST 9 FOR s{number}").granted == 9


# --- the digest -------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", ["", LIMITS], ids=["stored", "unstored"])
def test_the_digest_does_not_tell_how_a_table_came_to_be(server, db, clock, limits):
    """The same subjects in another order; beside a crowd that has gone; loaded; and under limits that changed."""
    if limits:
        db.ask("RL.FIXED first 10 1d FOR s0")
    else:
        db.do(f"RL.DEFINE first {LIMITS}")
        db.ask("RL.CHECK first FOR s0")
    keys = [f"k{number}" for number in range(5)]
    for key in keys:  # copies know their subjects by the same secret
        db.do(f"COPY first {key}")

    in_order, mixed, crowded, loaded, changed = keys
    fill(db, in_order, 3000, limits, first=1)
    numbers = list(range(1, 3001))
    random.Random(7).shuffle(numbers)
    with db.pipeline(transaction=False) as pipe:
        for number in numbers:
            pipe.execute_command("RL.CHECK", mixed, *limits.split(), "FOR", f"s{number}")
        pipe.execute()
    fill(db, crowded, 20_000, limits, prefix="other")
    with db.pipeline(transaction=False) as pipe:
        for number in range(20_000):
            pipe.execute_command("RL.REFUND", crowded, 1, "FOR", f"other{number}")
        pipe.execute()
    eventually(lambda: subjects(db, crowded) == 1, "the others to be forgotten")
    fill(db, crowded, 3000, limits, first=1)
    fill(db, loaded, 1500, limits, first=1501)
    with server.client(decode_responses=False) as raw:
        raw.restore(loaded, 0, raw.dump(loaded), replace=True)
    fill(db, loaded, 1500, limits, first=1)
    if limits:  # calls that are never granted leave no trace
        fill(db, changed, 3000, limits, first=1)
        with db.pipeline(transaction=False) as pipe:
            for number in numbers:
                pipe.execute_command("RL.CHECK", changed, *"FIXED 9 1d COST 10 FOR".split(), f"s{number}")
            assert not any(reply[0] for reply in pipe.execute())
    else:
        db.do(f"RL.DEFINE {changed} FIXED 99 1d")
        fill(db, changed, 3000, first=1)
        db.do(f"RL.DEFINE {changed} {LIMITS}")

    digests = {key: db.digest(key) for key in keys}
    assert set(digests.values()) == {digests[in_order]}
    db.ask(f"RL.CHECK {mixed} {limits} FOR s5")
    assert db.digest(mixed) != digests[in_order], "it does tell what is in it"
