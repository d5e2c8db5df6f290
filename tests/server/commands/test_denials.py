# SPDX-License-Identifier: MIT
"""A denied call takes nothing and writes nothing, and so does a peek: only the caller can see that it was made."""

import pytest
from redis import WatchError

from harness import PATIENCE_S

DENIED = {
    "RL.TOKENBUCKET k 10 10 1s": "RL.TOKENBUCKET k 10 10 1s COST 7",
    "RL.FIXED k 10 60s": "RL.FIXED k 10 60s COST 7",
    "RL.SLIDING k 10 60s": "RL.SLIDING k 10 60s COST 7",
    "RL.LEAKYBUCKET k 10 10 1s": "RL.LEAKYBUCKET k 10 10 1s COST 7",
    "RL.SLIDING k 10 60s APPROX": "RL.SLIDING k 10 60s APPROX COST 7",
    "RL.QUOTA k 10 DAY TZ Europe/Berlin": "RL.QUOTA k 10 DAY TZ Europe/Berlin COST 7",
    "RL.CONCURRENT k 10 60s": "RL.CONCURRENT k 10 60s COST 7",
    "RL.CHECK k FIXED 100 60s SLIDING 10 60s": "RL.CHECK k FIXED 100 60s SLIDING 10 60s COST 7",
}
GRANTED = list(DENIED)


def limits_of(line: str) -> str:
    """As a command names them that may have several."""
    name, limit = line.removeprefix("RL.").split(" k ")
    return limit if name == "CHECK" else f"{name} {limit}"


QUIET = [*DENIED.items(), *((granted, "RL.PEEK k") for granted in GRANTED)]
QUIET += [(granted, f"{denied} MAXWAIT 1ms") for granted, denied in DENIED.items()]
QUIET += [("RL.FIXED k 6 60s", "RL.FIXED k 6 60s COST 7 PARTIAL"), ("RL.FIXED k 6 60s", "RL.FIXED k 6 60s COST 7")]
QUIET += [(granted, f"RL.RESERVE k 1m {limits_of(granted)} COST 10") for granted in GRANTED]
QUIET += [(granted, "RL.RELEASE k nobody") for granted in GRANTED]
QUIET += [("RL.CONCURRENT k 10 60s", "RL.REFUND k 3"), ("RL.FIXED k 10 60s PER REQUEST", "RL.REFUND k 3")]


def used_up(db, granted: str) -> None:
    assert db.ask(f"{granted} COST 6").granted == 6


@pytest.mark.parametrize("granted", GRANTED)
def test_a_denied_call_leaves_no_key(db, clock, granted):
    before = db.changes()
    assert db.ask(f"{granted} COST 101").granted == 0
    assert db.exists("k") == 0
    assert db.changes() == before


@pytest.mark.parametrize(("granted", "quiet"), QUIET)
def test_a_quiet_call_changes_neither_the_value_nor_its_ttl(db, clock, granted, quiet):
    used_up(db, granted)
    before = db.digest("k"), db.do("PEXPIRETIME k"), db.changes(), db.rl_info("k")["limits"]
    db.do(quiet)
    assert (db.digest("k"), db.do("PEXPIRETIME k"), db.changes(), db.rl_info("k")["limits"]) == before


@pytest.mark.parametrize("granted", GRANTED)
def test_a_granted_call_counts_as_a_change(db, clock, granted):
    before = db.changes()
    db.ask(granted)
    assert db.changes() > before


@pytest.mark.parametrize(("granted", "quiet"), QUIET)
def test_a_quiet_call_does_not_break_a_watch(db, clock, server, granted, quiet):
    used_up(db, granted)
    assert watched_across(db, server, quiet)


@pytest.mark.parametrize("quiet", [*(f"{granted} COST 101" for granted in GRANTED), "RL.PEEK k"])
def test_a_quiet_call_does_not_break_a_watch_on_no_key(db, clock, server, quiet):
    assert watched_across(db, server, quiet)


@pytest.mark.parametrize("granted", GRANTED)
def test_a_granted_call_breaks_a_watch(db, clock, server, granted):
    assert not watched_across(db, server, granted)
    assert not watched_across(db, server, granted)


# What is there, and what is done to it.
DONE = [
    ("RL.FIXED k 10 60s COST 4", "RL.REFUND k 3"),
    ("RL.FIXED k 10 60s COST 4", "RL.REFUND k 4"),
    ("RL.FIXED k 10 60s COST 4", "RL.RESERVE k 1m FIXED 10 60s ID a"),
    ("RL.FIXED k 10 60s COST 4", "RL.SETTLE k nobody 3"),
    ("RL.FIXED k 10 60s COST 4", "RL.FIXED k 10 60s COST 9 FORCE"),
    ("RL.FIXED k 10 60s COST 4", "RL.FIXED k 10 60s COST 9 PARTIAL"),
    ("RL.FIXED k 10 60s COST 4", "RL.FIXED k 10 60s COST 9 MAXWAIT 1h"),
    ("RL.CONCURRENT k 10 60s ID a", "RL.RELEASE k a"),
    ("RL.CONCURRENT k 10 60s ID a", "RL.CONCURRENT k 10 60s ID a"),
    ("RL.RESERVE k 1h FIXED 10 60s COST 4 ID a", "RL.SETTLE k a 3"),
    ("RL.RESERVE k 1h FIXED 10 60s COST 4 ID a", "RL.SETTLE k a 0"),
    ("RL.RESERVE k 1h FIXED 10 60s COST 4 ID a", "RL.RESERVE k 1h FIXED 10 60s COST 5 ID a"),
    ("RL.FIXED k 10 60s COST 4", "RL.FIXED k 20 60s COST 4"),
    ("RL.FIXED k 10 60s COST 10", "RL.FIXED k 9 60s"),
    ("RL.RESERVE k 1h FIXED 10 60s COST 4 ID a", "RL.RESERVE k 2h FIXED 10 60s ID a"),
]


@pytest.mark.parametrize(("there", "done"), DONE)
def test_what_is_done_to_a_key_counts_as_a_change_and_breaks_a_watch(db, clock, server, there, done):
    db.do(there)
    before = db.changes()
    assert not watched_across(db, server, done)
    assert db.changes() > before


def watched_across(db, server, line: str) -> bool:
    """Whether a transaction that watches k succeeds although another client sends this line in between."""
    with server.client() as watcher, watcher.pipeline() as transaction:
        transaction.watch("k")
        db.do(line)
        transaction.multi()
        transaction.ping()
        try:
            return transaction.execute() == [True]
        except WatchError:
            return False


@pytest.mark.parametrize(("granted", "quiet"), QUIET)
def test_a_quiet_call_notifies_nobody(db, clock, configure, server, granted, quiet):
    used_up(db, granted)
    configure("notify-keyspace-events", "KEA")
    assert events_of(db, server, quiet) == []


def events_of(db, server, line: str) -> list[str]:
    """The keyspace events on k that this line brings about."""
    with server.client() as listener, listener.pubsub(ignore_subscribe_messages=True) as events:
        events.psubscribe("__keyspace@0__:*")
        events.get_message(timeout=PATIENCE_S)
        db.do(line)
        db.set("sentinel", "")
        seen: list[str] = []
        while (message := next(events.listen()))["channel"] != "__keyspace@0__:sentinel":
            seen.append(message["data"])
        return seen
