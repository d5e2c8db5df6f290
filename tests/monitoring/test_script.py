# SPDX-License-Identifier: MIT
"""The script by itself: its bounds, and its settings."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from callers import HOSTILE, parts
from harness import Client, Server, eventually, free_port, pairs
from stack import SCRIPT

TEXT = SCRIPT.read_text()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    try:
        yield server.start()
        server.assert_well()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def db(server: Server) -> Iterator[Client]:
    with server.client(decode_responses=False) as db:
        yield db


@pytest.fixture(autouse=True)
def _empty(db: Client) -> None:
    db.do("FLUSHALL SYNC")


def with_settings(**settings: str) -> str:
    text = TEXT
    for name, value in settings.items():
        text, count = re.subn(rf"^local {name} = \S.*? --", f"local {name} = {value} --", text, flags=re.M)
        assert count == 1, name
    return text


def told(db: Client, **settings: str) -> dict[str, float]:
    reply = pairs(db.execute_command("EVAL", with_settings(**settings), 0))
    return {name.decode("utf-8"): float(value) for name, value in reply.items()}


def limiters(samples: dict[str, float]) -> set[str]:
    return {found[1] for name in samples if (found := re.search(r"^ratelimit_calls_total limiter=(\S*)", name))}


def define(db: Client, *names: str | bytes) -> None:
    for name in names:
        db.execute_command("RL.DEFINE", name, *"FIXED 10 1h".split())


def test_of_many_limiters_some_are_told_and_that_there_are_more(db):
    define(db, *(f"api:{number}" for number in range(12)))
    some = told(db, most_limiters="5")
    assert len(limiters(some)) == 5
    assert (some["ratelimit_scrape_cut"], some["ratelimit_server_limiters"]) == (1, 12)
    assert limiters(told(db, most_limiters="5")) == limiters(some)
    all_of_them = told(db, most_limiters="12")
    assert len(limiters(all_of_them)) == 12 and all_of_them["ratelimit_scrape_cut"] == 0


def test_among_many_keys_the_script_does_not_look_at_all(db):
    db.execute_command("DEBUG", "POPULATE", 10_000)
    define(db, *(f"api:{number}" for number in range(100)))
    some, all_of_them = told(db, most_keys="3000"), told(db, most_keys="20000")
    assert 0 < len(limiters(some)) < 100 == len(limiters(all_of_them))
    assert (some["ratelimit_scrape_cut"], all_of_them["ratelimit_scrape_cut"]) == (1, 0)


def test_the_search_ends_when_all_limiters_are_found(db):
    db.execute_command("DEBUG", "POPULATE", 10_000)
    db.do("CONFIG RESETSTAT")
    assert told(db)["ratelimit_scrape_cut"] == 0
    assert {name.lower(): how["calls"] for name, how in db.info("commandstats").items()}["cmdstat_rl.limiters"] == 1


def test_limiters_that_are_named_are_not_looked_for(db):
    define(db, "api:free", "api:paid", "mail")
    samples = told(db, limiters="{ 'api:paid', 'gone' }", most_keys="0")
    assert limiters(samples) == {"api:paid"}
    assert (samples["ratelimit_scrape_cut"], samples["ratelimit_scrape_errors"]) == (0, 0)


def test_a_pattern_chooses(db):
    define(db, "api:free", "api:paid", "mail")
    assert limiters(told(db, pattern="'api:*'")) == {"api:free", "api:paid"}


def test_a_limiter_of_another_node_is_no_error(stack):
    mine, other = parts(stack.cluster)
    with stack.cluster.primaries[0].client(decode_responses=False) as db:
        samples = told(db, limiters=f"{{ '{mine}', '{other}' }}")
    assert limiters(samples) == {mine}
    assert samples["ratelimit_scrape_errors"] == 0


def test_a_replica_leaves_its_limiters_to_the_primary(server, db):
    define(db, "api")
    replica = Server("--replicaof", "127.0.0.1", str(server.port), "--repl-diskless-sync-delay", "0")
    try:
        with replica.start().client(decode_responses=False) as there:
            eventually(lambda: there.exists("api"), "the replica to have the limiter")
            samples = told(there)
            assert (samples["ratelimit_up"], samples["ratelimit_scrape_errors"], limiters(samples)) == (1, 0, set())
            assert limiters(told(there, of_replicas="true")) == {"api"}
    finally:
        replica.stop()


def test_a_replica_that_has_lost_its_primary_is_told_all_the_same():
    replica = Server("--replicaof", "127.0.0.1", str(free_port()))
    try:
        with replica.start().client(decode_responses=False) as there:
            there.config_set("replica-serve-stale-data", "no")
            assert told(there)["ratelimit_up"] == 1
    finally:
        replica.stop()


def test_who_it_is_is_told_if_asked_for(db):
    define(db, "api")
    db.ask_times(10, "RL.CHECK api FOR u:1")
    for _ in range(3):
        db.execute_command("RL.CHECK", "api", "FOR", HOSTILE, "COST", 11)
    assert told(db, with_subjects="true")["ratelimit_top_near_limit limiter=api rank=1 subject=u:1"] == 2
    assert "ratelimit_top_denied limiter=api rank=1" in told(db)
    assert not [name for name in told(db, top="0") if name.startswith("ratelimit_top")]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("é漢😀".encode(), "é漢😀"),
        (b"\xc0\x80", "%C0%80"),  # a zero byte, written too long
        (b"\xed\xa0\x80", "%ED%A0%80"),  # half of a pair of UTF-16
        (b"\xf4\x90\x80\x80", "%F4%90%80%80"),  # beyond the last character
        (b"\xe0\x80\x80", "%E0%80%80"),
        (b"\xf0\x80\x80\x80", "%F0%80%80%80"),
        (b"\xf5\x80\x80\x80", "%F5%80%80%80"),
        (b"\xe2\x82", "%E2%82"),  # an end that is missing
        (b"\xe2\x82(", "%E2%82("),
        (b"\xf0\x9f\x98\x80\x80", "😀%80"),
        (b"100%\t\r\x7f", "100%25%09%0D%7F"),
        (b"", ""),
    ],
)
def test_names_are_written_so_that_every_reader_takes_them(db, name, shown):
    define(db, name)
    assert limiters(told(db)) == {shown}


def test_a_long_name_is_cut_and_stays_different_from_its_like(db):
    define(db, b"a" * 300 + b"1", b"a" * 300 + b"2")
    names = limiters(told(db))
    assert len(names) == 2 and {name[:200] for name in names} == {"a" * 200}
    assert all(re.fullmatch(r"a{200}~[0-9a-f]{12}", name) for name in names)


def test_a_user_without_rights_gets_a_number_of_errors_and_no_failure(server, db):
    define(db, "api")
    db.do("ACL SETUSER poor on >secret ~* +eval +info +rl.limiters +client")
    with server.client(username="poor", password="secret", decode_responses=False) as poor:
        samples = told(poor)
    assert (samples["ratelimit_up"], samples["ratelimit_scrape_errors"], limiters(samples)) == (1, 1, set())


def test_a_key_that_was_replaced_meanwhile_does_not_spoil_the_rest(db):
    define(db, "api")
    db.execute_command("SET", "text", "x")
    samples = told(db, limiters="{ 'text', 'api' }")
    assert limiters(samples) == {"api"} and samples["ratelimit_scrape_errors"] > 0


def test_the_script_is_one_that_cannot_write(db):
    changed = TEXT.replace("return samples", "return redis.pcall('SET', 'k', 'v').err")
    assert b"Write commands are not allowed" in db.execute_command("EVAL", changed, 0)
    assert db.execute_command("EVAL_RO", TEXT, 0)


def test_the_whole_state_of_a_full_memory_is_still_told(db):
    define(db, "api")
    db.do("CONFIG SET maxmemory 1")
    try:
        assert limiters(told(db)) == {"api"}
    finally:
        db.do("CONFIG SET maxmemory 0")
