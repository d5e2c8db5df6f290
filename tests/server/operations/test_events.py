# SPDX-License-Identifier: MIT
"""Events that subscribers hear: of denials, of limits nearly used up, of changes of limits, blocks and resets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import BASE, HOUR, MINUTE, SECOND, Client, Clock, Server, built_module, eventually
from resp import Connection

PATTERN = "__key*@*__:*"


class Subscriber:
    """Hears all events of all databases."""

    def __init__(self, db: Client) -> None:
        self._db = db
        self._pubsub = db.pubsub(ignore_subscribe_messages=False)
        self._pubsub.psubscribe(PATTERN, "mark")
        for _ in range(2):
            assert self._next()["type"] == "psubscribe"

    def close(self) -> None:
        self._pubsub.close()

    def _next(self) -> dict:
        return next(self._pubsub.listen())

    def heard(self) -> list[str]:
        """What was heard since the last time: `event database key`. What is published now comes after all of it."""
        self._db.publish("mark", "")
        heard = []
        while (message := self._next())["channel"] != "mark":
            place, _, name = message["channel"].partition("__:")
            space, _, database = place.removeprefix("__").partition("@")
            event, key = (name, message["data"]) if space == "keyevent" else (message["data"], name)
            heard.append(f"{event} {database} {key}")
        return heard


@pytest.fixture
def subscribe() -> Iterator[Callable[[Server], Subscriber]]:
    subscribers: list[Subscriber] = []

    def start(server: Server) -> Subscriber:
        subscribers.append(Subscriber(server.client()))
        return subscribers[-1]

    yield start
    for subscriber in subscribers:
        subscriber.close()


# When each test begins: long after the one before, whose events are out of mind then.
WHEN = itertools.count(BASE, HOUR)


@pytest.fixture
def ears(server, db, clock, configure, subscribe) -> Subscriber:
    """A subscriber to the events of modules on the shared server."""
    clock.set(next(WHEN))
    configure("notify-keyspace-events", "Ed")
    return subscribe(server)


@pytest.fixture
def all_ears(ears, configure) -> Subscriber:
    """The same, where the module sends all events."""
    configure("ratelimit.notify", "all")
    return ears


ALL_LINES = [
    "RL.DEFINE api FIXED 2 60s",
    "RL.CHECK api COST 2 FOR a",
    "RL.CHECK api FOR a",
    "RL.BLOCK api 60s FOR a",
    "RL.RESET api FOR a",
]
ALL_EVENTS = ["rl.limits 0 api", "rl.near 0 api", "rl.denied 0 api", "rl.blocked 0 api", "rl.reset 0 api"]


# --- which ---


def test_no_event_is_sent_unless_it_is_wanted(db, ears):
    for line in ALL_LINES:
        db.do(line)
    assert ears.heard() == []


@pytest.mark.parametrize(("setting", "events"), [("denied", ["denied"]), ("near", ["near", "denied"])])
def test_a_setting_sends_its_events_and_no_others(db, ears, configure, setting, events):
    configure("ratelimit.notify", setting)
    for line in ALL_LINES:
        db.do(line)
    assert ears.heard() == [f"rl.{event} 0 api" for event in events]


def test_with_all_there_is_an_event_for_each_kind(db, all_ears):
    for line, event in zip(ALL_LINES, ALL_EVENTS, strict=True):
        db.do(line)
        assert all_ears.heard() == [event], line


def test_without_the_class_of_modules_the_server_passes_nothing_on(db, all_ears, configure):
    configure("notify-keyspace-events", "KEg$")
    for line in ALL_LINES:
        db.do(line)
    assert all_ears.heard() == []


def test_events_come_by_the_key_and_by_the_event(db, all_ears, configure):
    configure("notify-keyspace-events", "KEd")
    db.do("RL.FIXED k 0 60s")
    assert all_ears.heard() == ["rl.denied 0 k", "rl.denied 0 k"]


def test_events_name_the_database(server, all_ears):
    with server.client(db=3) as db:
        db.do("RL.FIXED k 0 60s")
    assert all_ears.heard() == ["rl.denied 3 k"]


# --- denied ---


@pytest.mark.parametrize(
    "line",
    [
        *(
            "RL.CHECK api FOR a",
            "RL.CHECK api COST 9 FOR a",
            "RL.CHECKALL 1 api FOR a",
            "RL.RESERVE api 1m COST 1 FOR a",
        ),
        *("RL.CHECKEACH api FOR a", "RL.CHECKEACH api FOR a a a"),
    ],
)
def test_a_call_that_is_denied_sends_one_event(db, all_ears, line):
    db.do("RL.DEFINE api FIXED 2 60s")
    db.do("RL.CHECK api COST 2 FOR a")
    all_ears.heard()
    db.do(line)
    assert all_ears.heard() == ["rl.denied 0 api"]


@pytest.mark.parametrize(
    "line", ["RL.FIXED k 0 60s", "RL.SLIDING k 0 60s FOR a", "RL.CHECK k FIXED 0 60s FIXED 9 60s AS b"]
)
def test_keys_without_stored_limits_send_events_too(db, all_ears, line):
    db.do(line)
    assert all_ears.heard() == ["rl.denied 0 k"]


def test_each_key_of_a_call_that_denies_sends_an_event(db, all_ears):
    db.do("RL.CHECKALL 3 {k}a {k}b {k}c FIXED 0 60s FIXED 9 60s FIXED 0 60s")
    assert sorted(all_ears.heard()) == ["rl.denied 0 {k}a", "rl.denied 0 {k}c"]


@pytest.mark.parametrize(
    "line", ["RL.PEEK api FOR a", "RL.INFO api FOR a", "RL.CHECK api FORCE FOR a", "RL.REFUND api 1 FOR a"]
)
def test_who_is_not_denied_sends_no_event(db, all_ears, line):
    db.do("RL.DEFINE api FIXED 2 60s")
    db.do("RL.CHECK api COST 2 FOR a")
    all_ears.heard()
    db.do(line)
    assert "rl.denied 0 api" not in all_ears.heard()


def test_a_limiter_on_trial_denies_nobody_and_sends_nothing(db, ears, configure):
    configure("ratelimit.notify", "denied")
    db.do("RL.DEFINE api FIXED 1 60s SHADOW")
    db.ask_times(3, "RL.CHECK api FOR a")
    assert ears.heard() == []


def test_a_block_denies_on_trial_too(db, ears, configure):
    configure("ratelimit.notify", "denied")
    db.do("RL.DEFINE api FIXED 1 60s SHADOW")
    db.do("RL.BLOCK api 60s FOR a")
    db.do("RL.CHECK api FOR a")
    assert ears.heard() == ["rl.denied 0 api"]


# --- near ---


def test_a_call_that_leaves_a_limit_with_little_sends_an_event(db, all_ears):
    for granted in range(1, 11):
        db.do("RL.FIXED k 10 60s")
        assert all_ears.heard() == (["rl.near 0 k"] if granted > 8 else []), granted


def test_what_is_near_is_a_setting(db, all_ears, configure):
    configure("ratelimit.near-percent", "50")
    db.do("RL.FIXED k 10 60s COST 5")
    assert all_ears.heard() == []
    db.do("RL.FIXED k 10 60s")
    assert all_ears.heard() == ["rl.near 0 k"]


# --- limits, blocked, reset ---


@pytest.mark.parametrize(
    "line",
    [
        "RL.DEFINE api FIXED 3 60s",
        "RL.DEFINE api FIXED 2 60s SHADOW",
        "RL.DEFINE api FIXED 9 60s FOR a",
        "RL.DEFINE api FOR vip",
    ],
)
def test_limits_that_change_send_an_event(db, all_ears, line):
    db.do("RL.DEFINE api FIXED 2 60s")
    db.do("RL.DEFINE api FIXED 5 60s FOR vip")
    all_ears.heard()
    db.do(line)
    assert all_ears.heard() == ["rl.limits 0 api"]


@pytest.mark.parametrize(
    "line",
    [
        "RL.DEFINE api FIXED 2 60s",
        "RL.DEFINE api FIXED 5 60s FOR vip",
        "RL.DEFINE api FOR a",
        "RL.BLOCK api 0 FOR a",
        "RL.RESET api FOR a",
    ],
)
def test_what_changes_nothing_sends_no_event(db, all_ears, line):
    db.do("RL.DEFINE api FIXED 2 60s")
    db.do("RL.DEFINE api FIXED 5 60s FOR vip")
    all_ears.heard()
    db.do(line)
    assert all_ears.heard() == []


def test_a_fault_sends_no_event(db, all_ears):
    db.set("text", "x")
    for line in (
        "RL.DEFINE text FIXED 1 60s",
        "RL.BLOCK text 60s",
        "RL.RESET text",
        "RL.CHECK text FIXED 0 60s",
        "RL.BLOCK k -1",
    ):
        db.error(*line.split())
    assert all_ears.heard() == []


def test_a_block_that_is_lifted_sends_no_event_of_a_block(db, all_ears):
    db.do("RL.BLOCK k 60s")
    assert all_ears.heard() == ["rl.blocked 0 k"]
    assert db.do("RL.BLOCK k 0") == 1
    assert all_ears.heard() == []


def test_who_hears_of_an_event_finds_the_key_changed(server, db, all_ears):
    """A reset may remove the key, whose event comes then."""
    db.do("RL.FIXED k 10 60s")
    db.do("RL.RESET k")
    assert all_ears.heard() == ["rl.reset 0 k"]
    assert not db.exists("k")


# --- how many ---


def test_each_limiter_sends_so_many_events_a_second_and_no_more(db, clock, all_ears, configure):
    configure("ratelimit.notify-rate", "5")
    for key in ("one", "two"):
        db.do(f"RL.DEFINE {key} FIXED 0 60s")  # an event, too
        db.ask_times(20, f"RL.CHECK {key} FOR a")
        assert all_ears.heard() == [f"rl.limits 0 {key}"] + 4 * [f"rl.denied 0 {key}"]
    clock.advance(SECOND // 5)
    db.ask_times(20, "RL.CHECK one FOR a")
    assert all_ears.heard() == ["rl.denied 0 one"]
    clock.advance(MINUTE)
    db.ask_times(20, "RL.CHECK one FOR a")
    assert all_ears.heard() == 5 * ["rl.denied 0 one"], "what was not sent is not saved up"


def test_keys_without_subjects_share_one_bound(db, clock, all_ears, configure):
    configure("ratelimit.notify-rate", "3")
    for key in "abcdef":
        db.do(f"RL.FIXED {key} 0 60s")
    assert all_ears.heard() == [f"rl.denied 0 {key}" for key in "abc"]
    db.do("RL.DEFINE api FIXED 0 60s")
    assert all_ears.heard() == ["rl.limits 0 api"], "it has a bound of its own"


def test_a_rate_that_is_raised_counts_at_once(db, clock, all_ears, configure):
    configure("ratelimit.notify-rate", "1")
    db.do("RL.DEFINE api FIXED 0 60s")
    db.ask_times(9, "RL.CHECK api FOR a")
    assert all_ears.heard() == ["rl.limits 0 api"]
    configure("ratelimit.notify-rate", "1000000")
    clock.advance(SECOND)
    db.ask_times(9, "RL.CHECK api FOR a")
    assert len(all_ears.heard()) == 9


# --- when ---


@pytest.fixture(scope="module")
def deleting_listener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another module, which deletes each key that an event names."""
    return built_module(Path(__file__).with_name("other_listener.cpp"), tmp_path_factory.mktemp("listener"))


@pytest.mark.parametrize(
    ("lines", "last_reply"),
    [
        (["RL.DEFINE k FIXED 2 60s"], "OK"),
        (["RL.FIXED k 2 60s COST 2"], [2, 2, 0, 0, 60000]),
        (["RL.CHECKEACH k FIXED 2 60s FOR a b a a"], [1, 1, 0, -60000]),
        (["RL.CHECKALL 2 {k} {k}2 FIXED 1 60s FIXED 0 60s"], [0, 0, 0, -1, 0, "fixed-2"]),
        (["RL.FIXED k 9 60s FOR a", "RL.BLOCK k 60s FOR a"], 1),
        (["RL.FIXED k 9 60s FOR a", "RL.RESET k FOR a"], 1),
    ],
)
def test_a_listener_may_even_delete_the_key(start_server, deleting_listener, lines, last_reply):
    """The key is closed by then, and the reply is complete."""
    server = start_server("--loadmodule", str(deleting_listener))
    with server.client() as db:
        Clock(db).set(BASE)
        db.config_set("ratelimit.notify", "all")
        assert [db.do(line) for line in lines][-1] == last_reply
        assert db.dbsize() == 0


# --- where ---


def test_a_transaction_and_a_script_send_their_events(db, all_ears):
    with db.pipeline(transaction=True) as pipe:
        for line in ("RL.FIXED k 0 60s", "RL.BLOCK k 60s", "RL.FIXED k 0 60s"):
            pipe.execute_command(*line.split())
        pipe.execute()
    assert all_ears.heard() == ["rl.denied 0 k", "rl.blocked 0 k", "rl.denied 0 k"]
    db.eval("redis.call('RL.RESET', KEYS[1]); return redis.call('RL.FIXED', KEYS[1], 0, '60s')", 1, "k")
    assert all_ears.heard() == ["rl.reset 0 k", "rl.denied 0 k"]


def test_in_resp3_a_caller_who_subscribes_hears_of_his_own_calls(server, db, all_ears):
    """The message never stands in the middle of the reply, which is a list."""
    db.do("RL.DEFINE api FIXED 0 60s")
    with Connection(server.socket, 3) as caller:
        assert caller.do("SUBSCRIBE", "__keyevent@0__:rl.denied") == ["subscribe", "__keyevent@0__:rl.denied", 1]
        caller.send(*"RL.CHECKEACH api FOR a b c".split())
        event, answers = ["message", "__keyevent@0__:rl.denied", "api"], [None, None, None]
        assert [caller.read(), caller.read()] in ([event, answers], [answers, event])


def test_a_replica_does_not_repeat_what_its_primary_has_sent(start_server, subscribe):
    options = ("--notify-keyspace-events", "Ed")
    primary = start_server(*options)
    replica = start_server(*options, "--replicaof", f"127.0.0.1 {primary.port}")
    with primary.client() as db, replica.client() as copy:
        for each in (db, copy):
            each.config_set("ratelimit.notify", "all")
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica")
        subscribers = subscribe(primary), subscribe(replica)
        for line in ALL_LINES:
            db.do(line)
        db.wait(1, 0)
        assert [subscriber.heard() for subscriber in subscribers] == [ALL_EVENTS, []]
        assert copy.digest("api") == db.digest("api")


def test_a_file_that_is_loaded_sends_nothing(start_server, subscribe):
    """Nor does it use up what may be sent."""
    server = start_server("--appendonly", "yes", "--notify-keyspace-events", "Ed")
    with server.client() as db:
        db.config_set("ratelimit.notify", "all")
        db.config_set("ratelimit.notify-rate", "1")
        subscriber = subscribe(server)
        Clock(db).set(BASE)
        db.do("RL.DEFINE api FIXED 0 60s")
        assert subscriber.heard() == ["rl.limits 0 api"]
        assert db.do("DEBUG LOADAOF") == "OK"
        db.do("RL.CHECK api FOR a")
        assert subscriber.heard() == ["rl.denied 0 api"]
