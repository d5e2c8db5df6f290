# SPDX-License-Identifier: MIT
"""Replicas, and whoever reads the append-only file, have the same tables as the primary: told of each change by the one
subject that it is about, of stored limits by one definition, and of subjects that are forgotten by a range of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import redis

from ears import FileEar, ReplicaEar, Words, effects, names
from harness import BASE, DAY, HOUR, MINUTE, SECOND, Client, Clock, Server, eventually
from mix import Line, Mix, any_limits, carry_out
from resp import Connection
from seed import SEED
from subjects import fill, nothing_forgotten, standing, subjects, wait_for_sweep

QUIET = ("--repl-ping-replica-period", "3600", "--repl-diskless-sync-delay", "0")
LIMITS = "FIXED 10 1h"
LARGEST_CELL = 64  # bytes: a subject with one limit and neither a log nor leases
HASH = 8


def start_replica(start_server, primary: Server, *options: str) -> Server:
    replica = start_server("--repl-diskless-sync-delay", "0", *options, "--replicaof", "127.0.0.1", str(primary.port))
    with replica.client() as copy:
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to sync")
    return replica


@pytest.fixture
def pair(start_server) -> Iterator[tuple[Client, Client]]:
    """Clients of a primary and of its replica, in sync, their clocks held at the same instant."""
    primary = start_server(*QUIET)
    replica = start_replica(start_server, primary)
    with primary.client() as db, replica.client() as copy:
        hold(BASE, db, copy)
        yield db, copy


def hold(unix_ns: int, *clients: Client) -> None:
    for client in clients:
        Clock(client).set(unix_ns)


def catch_up(db: Client, *copies: Client) -> None:
    end = db.info("replication")["master_repl_offset"]
    for copy in copies:
        eventually(lambda copy=copy: copy.info("replication")["slave_repl_offset"] >= end, "the replica to catch up")


def assert_same(db: Client, *copies: Client) -> None:
    with nothing_forgotten(db):
        catch_up(db, *copies)
        whole = db.do("DEBUG DIGEST")
        assert [copy.do("DEBUG DIGEST") for copy in copies] == [whole] * len(copies)


# --- what travels -----------------------------------------------------------------------------------


@pytest.fixture(params=["replica", "file"])
def heard_by(request, start_server) -> Iterator[tuple[Client, ReplicaEar | FileEar]]:
    """A client of a server, and an ear for what it tells of changes. The clock is held at BASE."""
    has_file = "yes" if request.param == "file" else "no"
    server = start_server(*QUIET, "--appendonly", has_file, "--appendfsync", "always")
    with server.client() as db:
        Clock(db).set(BASE)
        ear = FileEar(server) if request.param == "file" else ReplicaEar(server)
        yield db, ear
        ear.close()


def test_a_call_sends_one_cell(heard_by):
    db, ear = heard_by
    db.do(f"RL.DEFINE k {LIMITS}")
    fill(db, "k", 1000)
    ear.heard()
    assert db.ask("RL.CHECK k COST 2 FOR s7").granted == 2
    ((name, key, kind, expiry, payload, subject),) = effects(ear.heard())
    assert (name, key, kind, int(expiry), len(subject)) == (b"RL._EFFECT", b"k", b"STORE", 0, HASH)
    assert len(payload) <= LARGEST_CELL - HASH


def test_a_call_with_limits_of_its_own_sends_them_with_its_cell(heard_by):
    db, ear = heard_by
    fill(db, "k", 1000, LIMITS)
    ear.heard()
    assert db.ask("RL.FIXED k 11 1h COST 2 FOR s7").granted == 2
    ((name, _, kind, _, payload, subject),) = effects(ear.heard())
    assert (name, kind, len(subject)) == (b"RL._EFFECT", b"STORE", HASH)
    # Two accounts: each has its limit of 18 bytes, a window of 12, and its last grant of 8.
    assert len(payload) == 2 + 2 * (12 + 9 + 8)


def test_the_first_subject_of_a_key_is_preceded_by_the_table(heard_by):
    db, ear = heard_by
    db.ask(f"RL.CHECK k {LIMITS} FOR a")
    table, cell = effects(ear.heard())
    assert names([table, cell]) == ["RL._EFFECT STORE"] * 2
    assert (len(table), len(cell)) == (5, 6)
    db.ask(f"RL.CHECK k {LIMITS} FOR b")
    assert [len(words) for words in effects(ear.heard())] == [6]


def test_grants_of_several_subjects_travel_as_one_effect(heard_by):
    db, ear = heard_by
    db.do("RL.DEFINE k FIXED 4 1h")
    subjects = [f"s{number}" for number in range(100)]
    line = f"RL.CHECKEACH k COST 3 FOR {' '.join(subjects)}"
    db.do(line)
    ear.heard()
    db.do("RL.REFUND k 2 FOR s7")  # not all of it: who is idle might be forgotten in between, by an effect of its own
    db.do("RL.REFUND k 2 FOR s8")
    ear.heard()
    assert [answer for answer in db.do(line) if answer >= 0] == [0, 0]
    ((name, key, kind, expiry, payload),) = effects(ear.heard())
    assert (name, key, kind, int(expiry)) == (b"RL._EFFECT", b"k", b"EACH", 0)
    assert len(payload) < 1 + 2 * 40, "nobody who was denied is in it"
    db.do("RL.RESET k FOR s7")
    db.do("RL.REFUND k 2 FOR s8")
    ear.heard()
    assert [answer for answer in db.do(line) if answer >= 0] == [1]
    assert names(effects(ear.heard())) == ["RL._EFFECT EACH"]


def test_many_effects_are_sent_in_parts(heard_by):
    db, ear = heard_by
    subjects = " ".join(f"s{number}" for number in range(1024))
    named = " ".join(f"FIXED 10 {hours}h AS {'x' * 60}{hours}" for hours in range(1, 9))
    assert db.do(f"RL.CHECKEACH k {named} FOR {subjects}") == [9] * 1024
    said = effects(ear.heard())
    assert set(names(said)) == {"RL._EFFECT STORE", "RL._EFFECT EACH"}
    sizes = [len(words[4]) for words in said if words[2] == b"EACH"]
    assert 1 < len(sizes) < 30
    assert max(sizes) <= 64 * 1024 + 1


def test_a_log_of_a_subject_sends_what_was_added_to_it(heard_by):
    db, ear = heard_by
    db.ask_times(500, "RL.SLIDING k 1000 1h FOR a")
    ear.heard()
    db.ask("RL.SLIDING k 1000 1h FOR a")
    db.do("RL.REFUND k 1 FOR a")
    added, taken_back = effects(ear.heard())
    assert names([added, taken_back]) == ["RL._EFFECT APPLY", "RL._EFFECT PERFORM"]
    assert max(len(added[4]), len(taken_back[4])) <= LARGEST_CELL
    assert added[5] == taken_back[5]


@pytest.mark.parametrize("heard_by", ["replica"], indirect=True)
def test_a_definition_is_told_once_however_many_it_is_about(heard_by):
    db, ear = heard_by
    fill(db, "k", 3000, LIMITS)
    ear.heard()
    db.do("RL.DEFINE k FIXED 20 1h")
    wait_for_sweep(db)
    assert names([words for words in effects(ear.heard()) if words[1] == b"k"]) == ["RL._EFFECT DEFINE"]
    db.do("RL.DEFINE k FIXED 20 1h")
    assert ear.heard() == [], "nothing has changed"


def test_denials_and_questions_are_told_to_nobody(heard_by):
    db, ear = heard_by
    db.ask(f"RL.CHECK k {LIMITS} COST 10 FOR a")
    ear.heard()
    for line in (
        *(f"RL.CHECK k {LIMITS} FOR a", f"RL.CHECK k {LIMITS} COST 11 FOR b", "RL.PEEK k FOR a", "RL.INFO k FOR a"),
        *("RL.INFO k", "RL.TOP k", f"RL.CHECK l {LIMITS} COST 11 FOR a", "RL.REFUND k 1 FOR b", "RL.RELEASE k x FOR a"),
    ):
        db.do(line)
    assert ear.heard() == []


def about_them(ear: ReplicaEar | FileEar) -> list[Words]:
    """What is said of the keys of the next test."""
    return [words for words in ear.heard() if words[1:2] in ([b"short"], [b"long"])]


@pytest.mark.parametrize("heard_by", ["replica"], indirect=True)
def test_the_forgotten_are_told_by_sweeps_and_where_nobody_is_forgotten_there_is_none(heard_by):
    db, ear = heard_by
    fill(db, "short", 500, "FIXED 10 1m")
    fill(db, "long", 500, LIMITS)
    about_them(ear)
    wait_for_sweep(db)
    assert about_them(ear) == []
    Clock(db).advance(MINUTE)
    eventually(lambda: db.exists("short") == 0, "all of them to be forgotten")
    heard = about_them(ear)
    assert {words[1] for words in heard} == {b"short"}
    *sweeps, removal = names(heard)
    assert set(sweeps) == {"RL._EFFECT SWEEP"} and removal in ("DEL", "UNLINK")


# --- the same everywhere ----------------------------------------------------------------------------


def test_a_crowd_that_comes_and_goes_leaves_the_same_on_both(pair):
    """Idle subjects make room for new ones, also before the background sweep comes by."""
    db, copy = pair
    db.do("RL.DEFINE stored TOKENBUCKET 10 10 1m")
    for wave in range(30):
        fill(db, "stored", 300, first=300 * wave)
        fill(db, "unstored", 300, ["FIXED 10 1m", "SLIDING 10 1m"][wave % 2], first=300 * wave)
        hold(BASE + (wave + 1) * 30 * SECOND, db, copy)
        assert_same(db, copy)
    hold(BASE + DAY, db, copy)
    eventually(lambda: subjects(db, "stored") == 0 and not db.exists("unstored"), "all of them to be forgotten")
    assert_same(db, copy)
    assert copy.keys() == ["stored"]


class DenseMix(Mix):
    """The mix of test_digests.py, but most of it is about subjects, and limits are stored now and then."""

    def _subject(self) -> str:
        return self._rng.choice(["", *(f" FOR s{int(self._rng.paretovariate(0.6))}" for _ in range(4))])

    def _check(self) -> Line:
        if self._rng.random() < 0.06:
            return self._definition()
        return super()._check() + self._subject()

    def _operation(self) -> Line:
        if self._rng.random() < 0.2:
            return self._check_each()
        return super()._operation() + self._subject()

    def _check_each(self) -> Line:
        """Under the limits of the key's calls, or those that it stores; errors belong to the mix."""
        key = self._key()
        limits = self._limits[key] if self._rng.random() < 0.5 else ""
        subjects = [f"s{int(self._rng.paretovariate(0.6))}" for _ in range(self._rng.choice([1, 5, 40]))]
        return f"RL.CHECKEACH {key} {limits} COST {self._cost()} FOR {' '.join(subjects)}"

    def _promise(self) -> list[Line]:
        begin, *between, end = super()._promise()
        subject = self._subject()
        return [begin + subject, *between, end + subject]

    def _definition(self) -> Line:
        """For all, or for one; of one limit it is the most likely that the labels are those of the key."""
        key = self._key()
        if self._rng.random() < 0.6:
            limits = self._rng.choice(["", any_limits(self._rng), self._limits[key]])
            return f"RL.DEFINE {key} {limits}{self._subject()}"
        self._limits[key] = any_limits(self._rng)
        return f"RL.DEFINE {key} {self._limits[key]}{self._rng.choice(['', '', ' SHADOW'])}"

    def _question(self) -> Line:
        question = self._rng.choice(["RL.PEEK {}", "RL.INFO {}", "RL.PEEK {} COST 3"]) + self._subject()
        return self._rng.choice([question, question, "RL.TOP {}", "DUMP {}"]).format(self._key())

    def _time(self) -> Line:
        """Now and then so far that most are idle."""
        if self._rng.random() < 0.02:
            self._now += 2 * DAY
        return super()._time()


def end_of_expiring(server: Server) -> None:
    """Keys that were told to end are gone."""
    for database in (0, 1, 2):
        with server.client(db=database) as db:
            for key in db.keys():
                if 0 <= db.pttl(key) < 10_000:
                    db.delete(key)


@pytest.mark.parametrize("run", range(2))
def test_random_traffic_leaves_the_same_at_every_step(start_server, run):
    """On a replica, on a replica of the replica, and in what is read from their files."""
    print("RATELIMIT_TEST_SEED", SEED)
    primary = start_server(*QUIET, "--appendonly", "yes")
    replica = start_replica(start_server, primary)
    last = start_replica(start_server, replica, "--appendonly", "yes")
    mix = DenseMix(random.Random(f"{SEED} dense {run}"))
    clients = primary.client(), replica.client(), last.client()
    with Connection(primary.socket) as connection, clients[0] as db, clients[1] as copy, clients[2] as end:
        for _ in range(60):
            carry_out(connection, mix, 50)
            end_of_expiring(primary)
            assert_same(db, copy, end)
        with nothing_forgotten(db):
            catch_up(db, copy, end)
            before = db.do("DEBUG DIGEST")
            db.do("DEBUG LOADAOF")
            assert db.do("DEBUG DIGEST") == before
        end.do("REPLICAOF NO ONE")
        with nothing_forgotten(end):
            before = end.do("DEBUG DIGEST")
            end.do("DEBUG LOADAOF")
            assert end.do("DEBUG DIGEST") == before


WHAT_IS_SAID_OF_IT = [
    "RL.CHECK k FIXED 10 1h",
    "RL.CHECK k FIXED 10 1h FOR a",
    "RL.CHECK k FIXED 10 1h COST 9",  # denied: brings back a state that is ahead of the clock
    "RL.RESERVE k 1h FIXED 10 1h",
    "RL.REFUND k 1",
    "RL.DEFINE k FIXED 10 1h SHADOW",
    "RL.DEFINE k SLIDING 11 1h",
]


@pytest.mark.parametrize("begin", [f"RL.DEFINE k {LIMITS}", f"RL.CHECK k {LIMITS} FOR a"], ids=["stored", "unstored"])
@pytest.mark.parametrize("line", WHAT_IS_SAID_OF_IT)
def test_an_end_that_somebody_gave_a_key_is_the_same_on_both(pair, line, begin):
    """Also when the clock goes back, as after a failover."""
    db, copy = pair
    hold(BASE + HOUR, db, copy)
    db.do(begin)
    db.ask(f"RL.CHECK k {LIMITS} COST 4")
    db.do("PEXPIRE k 1000000000")
    hold(BASE, db, copy)
    db.do(line)
    assert_same(db, copy)
    assert db.do("PEXPIRETIME k") == copy.do("PEXPIRETIME k")


# --- what replicas do, and do not -------------------------------------------------------------------


def test_a_replica_forgets_nobody_on_its_own(pair):
    """Not even those who have long been idle by its own clock."""
    db, copy = pair
    fill(db, "k", 500, LIMITS)
    catch_up(db, copy)
    hold(BASE + DAY, copy)
    wait_for_sweep(db)  # comes by twice; that of the replica is no slower
    db.do(f"RL.CHECK k {LIMITS} FOR another")
    assert_same(db, copy)
    assert (subjects(copy, "k"), standing(copy, "k", "s1")) == (501, None)
    hold(BASE + DAY, db)
    eventually(lambda: db.exists("k") == 0, "all of them to be forgotten")
    catch_up(db, copy)
    assert copy.exists("k") == 0


def test_a_replica_peeks_at_subjects_but_does_not_take(pair):
    db, copy = pair
    db.do(f"RL.DEFINE stored {LIMITS}")
    for key in ("stored", "unstored"):
        db.ask(f"RL.CHECK {key} {LIMITS} COST 4 FOR a")
        db.ask(f"RL.RESERVE {key} 1m {LIMITS} COST 2 FOR a")
    catch_up(db, copy)
    for now in (BASE, BASE + MINUTE, BASE + HOUR):
        hold(now, db, copy)
        for key in ("stored", "unstored"):
            with nothing_forgotten(db):
                for question in ("RL.PEEK {} FOR a", f"RL.PEEK {{}} {LIMITS} COST 7 FOR a", "RL.INFO {} FOR a"):
                    assert copy.do(question.format(key)) == db.do(question.format(key))
        assert copy.do("RL.PEEK stored FOR nobody") == [1, 10, 10, 0, 0, "fixed"]
        assert copy.do("RL.PEEK unstored FOR nobody") is copy.do("RL.INFO unstored FOR nobody") is None
    for line in (
        *("RL.CHECK stored FOR a", "RL.REFUND stored 1 FOR a", "RL.RESERVE stored 1s FOR a"),
        *("RL.SETTLE stored x 1 FOR a", "RL.RELEASE stored x FOR a", "RL.DEFINE stored FIXED 1 1s"),
        "RL.CHECKALL 1 stored FOR a",
    ):
        with pytest.raises(redis.ReadOnlyError):
            copy.do(line)


def test_a_replica_that_joins_while_limits_change_has_them_all(start_server):
    """Its snapshot is taken of a table that is not up to date, and more changes follow while it is sent."""
    primary = start_server(*QUIET)
    with primary.client() as db:
        Clock(db).set(BASE)
        db.do("RL.DEFINE k SLIDING 10 1h")
        fill(db, "k", 50_000)
        for number, limits in enumerate(("FIXED 9 2h", "TOKENBUCKET 20 1 1h", "SLIDING 5 1h")):
            hold(BASE + number * MINUTE, db)
            db.do(f"RL.DEFINE k {limits}")
        replica = start_server("--replicaof", "127.0.0.1", str(primary.port))
        for number, limits in enumerate(("FIXED 30 1h", "FIXED 8 1h AS a FIXED 9 2h AS b", "LEAKYBUCKET 30 1 1m")):
            hold(BASE + (number + 4) * MINUTE, db)
            db.do(f"RL.DEFINE k {limits}")
            fill(db, "k", 100, first=20_000)
        with replica.client() as copy:
            eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to sync")
            assert_same(db, copy)
            hold(BASE + 6 * MINUTE + SECOND, db, copy)
            db.do("RL.DEFINE k FIXED 100 1h")
            catch_up(db, copy)
            for number in range(0, 50_000, 499):
                assert standing(copy, "k", f"s{number}") == standing(db, "k", f"s{number}") is not None
            assert_same(db, copy)


def test_a_promoted_replica_looks_after_its_tables(pair):
    db, copy = pair
    db.do(f"RL.DEFINE stored {LIMITS}")
    fill(db, "stored", 500)
    fill(db, "unstored", 500, LIMITS)
    catch_up(db, copy)
    copy.do("REPLICAOF NO ONE")
    hold(BASE + DAY, copy)
    eventually(lambda: subjects(copy, "stored") == 0, "them to be forgotten")
    eventually(lambda: copy.keys() == ["stored"], "the other key to go")
    assert subjects(db, "stored") == 500


KINDS = ["STORE", "APPLY", "PERFORM", "DEFINE", "SWEEP", "FILL"]


def effects_of_every_kind(server: Server, db: Client) -> list[Words]:
    """As a server tells them of the key k."""
    ear = ReplicaEar(server)
    Clock(db).set(BASE)
    db.do("RL.DEFINE k SLIDING 100 1h")
    db.ask_times(3, "RL.CHECK k FOR a")
    db.do("RL.REFUND k 1 FOR a")
    db.ask("RL.CHECK k FOR b")
    Clock(db).advance(2 * HOUR)
    eventually(lambda: subjects(db, "k") == 0, "them to be forgotten")
    heard = effects(ear.heard())
    ear.close()
    return heard


def test_effects_are_refused_from_clients(server, db, clock):
    heard = effects_of_every_kind(server, db)
    assert {words[2].decode() for words in heard} == {*KINDS} - {"FILL"}
    db.ask("RL.CHECK k COST 4 FOR a")
    before = db.digest("k")
    for words in [*heard, [b"RL._EFFECT", b"k", b"FILL", b"0", b"\1"]]:
        assert db.error(*words) == "this command is for replication and for loading files only"
        assert db.error("EVAL", "return redis.call(unpack(ARGV))", 0, *words)
    assert db.digest("k") == before
