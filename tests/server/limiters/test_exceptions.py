# SPDX-License-Identifier: MIT
"""RL.DEFINE … FOR: one subject of a limiter has limits of its own."""

from __future__ import annotations

import pytest
import redis

from harness import BASE, MINUTE, SECOND, Client, Clock, Server, eventually
from subjects import standing, subjects
from vocabulary import ALGORITHMS

PLAN, OWN = "FIXED 10 60s AS calls", "FIXED 100 60s AS calls"
NO_LIMITS = "NOLIMITS the key stores no limits to which there could be an exception: store them with RL.DEFINE first"
# Ten units, and limits of the same labels with fewer and more.
FAMILIES = [
    *(
        ("TOKENBUCKET 10 1 6s", "TOKENBUCKET 5 1 6s", "TOKENBUCKET 40 1 6s"),
        ("FIXED 10 60s", "FIXED 5 60s", "FIXED 40 60s"),
    ),
    *(
        ("LEAKYBUCKET 10 1 6s", "LEAKYBUCKET 5 1 6s", "LEAKYBUCKET 40 1 6s"),
        ("QUOTA 10 HOUR", "QUOTA 5 HOUR", "QUOTA 40 HOUR"),
    ),
    *(
        ("SLIDING 10 60s", "SLIDING 5 60s", "SLIDING 40 60s"),
        ("CONCURRENT 10 60s", "CONCURRENT 5 60s", "CONCURRENT 40 60s"),
    ),
    ("SLIDING 10 60s APPROX", "SLIDING 5 60s APPROX", "SLIDING 40 60s APPROX"),
]
every_family = pytest.mark.parametrize(("plan", "smaller", "larger"), FAMILIES)


@pytest.fixture
def api(db, clock):
    db.do(f"RL.DEFINE api {PLAN}")
    db.do(f"RL.DEFINE api {OWN} FOR bob")
    return db


def said(db: Client, line: str):
    """The reply, or the text of the error."""
    try:
        return db.do(line)
    except redis.ResponseError as error:
        return str(error)


def state(db, key: str = "api") -> tuple:
    return db.changes(), db.digest(key)


def test_one_subject_has_limits_of_its_own_and_nobody_else(api):
    assert api.ask("RL.CHECK api COST 30 FOR bob") == (30, 100, 70, 0, 60_000, "calls")
    assert api.ask("RL.CHECK api COST 30 FOR alice")[:2] == (0, 10)
    assert api.ask("RL.CHECK api COST 4")[:3] == (4, 10, 6)
    assert api.ask("RL.PEEK api FOR bob")[:3] == (1, 100, 70)


@every_family
def test_what_was_used_stays_used_as_if_the_limits_of_all_had_changed(db, clock, plan, smaller, larger):
    """And again when the exception ends."""
    for key in ("one", "all"):
        db.do(f"RL.DEFINE {key} {plan}")
        db.ask(f"RL.CHECK {key} COST 8 FOR bob ID own")
        db.do(f"RL.RESERVE {key} 10m COST 1 FOR bob ID a")
    for limits in (smaller, larger, smaller, plan):
        clock.advance(SECOND)
        db.do(f"RL.DEFINE all {limits}")
        db.do(f"RL.DEFINE one {limits if limits != plan else ''} FOR bob")
        for line in ("RL.PEEK {} FOR bob", "RL.CHECK {} FOR bob ID own", "RL.PEEK {} COST 40 FOR bob"):
            assert db.ask(line.format("one")) == db.ask(line.format("all"))
        assert standing(db, "one", "bob")["limits"] == standing(db, "all", "bob")["limits"]
    assert db.do("RL.SETTLE one a 0 FOR bob") == db.do("RL.SETTLE all a 0 FOR bob")


@every_family
def test_every_operation_goes_by_its_own_limits(db, clock, plan, smaller, larger):
    """As on a key of its own that stores them."""
    db.do(f"RL.DEFINE api {plan}")
    db.do(f"RL.DEFINE api {larger} FOR bob")
    db.do(f"RL.DEFINE own {larger}")
    lines = [
        *("RL.CHECK {} COST 12 ID x", "RL.CHECK {} COST 25 ID y MAXWAIT 1h", "RL.RESERVE {} 1m COST 3 ID h"),
        *("RL.SETTLE {} h 7", "RL.REFUND {} 2", "RL.CHECK {} COST 99 FORCE ID z", "RL.BLOCK {} 5s", "RL.CHECK {} ID x"),
        *("RL.RELEASE {} x", "RL.PEEK {} HEADERS", "RL.BLOCK {} 0", "RL.CHECKALL 1 {} COST 2", "RL.PEEK {} BRIEF"),
        *("RL.RESET {}", "RL.CHECK {} COST 40 ID x", "RL.CHECK {} COST 1 PARTIAL ID v"),
    ]
    for line in lines:
        assert said(db, f"{line.format('api')} FOR bob") == said(db, line.format("own")), line
        clock.advance(SECOND)


def test_a_change_of_the_plan_leaves_it(api, clock):
    api.ask("RL.CHECK api COST 30 FOR bob")
    api.ask("RL.CHECK api COST 3 FOR alice")
    api.do("RL.DEFINE api FIXED 20 60s AS calls")
    api.do("RL.DEFINE api FIXED 20 60s AS other SHADOW")
    api.do("RL.DEFINE api FIXED 20 60s AS other")
    assert api.ask("RL.PEEK api FOR bob")[1:3] == (100, 70)
    assert api.ask("RL.PEEK api FOR alice")[1:3] == (20, 17)
    api.do("RL.DEFINE api FOR bob")
    assert api.ask("RL.PEEK api FOR bob") == (0, 20, 0, 60_000, 60_000, "other")


def test_it_stays_when_it_is_idle_or_reset(api, clock):
    api.ask("RL.CHECK api COST 30 FOR bob")
    assert api.do("RL.RESET api FOR bob") == 1
    assert api.do("RL.RESET api FOR bob") == 0
    assert api.ask("RL.CHECK api COST 100 FOR bob").granted == 100
    clock.advance(MINUTE)
    assert api.ask("RL.CHECK api COST 100 FOR bob").granted == 100


def test_info_shows_it_and_keeps_its_name(api, clock):
    for name in ("carol", "dave"):
        api.do(f"RL.DEFINE api FIXED 7 60s AS calls FOR {name}")
    api.ask("RL.CHECK api FOR alice")
    info = api.rl_info("api")
    assert (info["exceptions"], sorted(info["first_exceptions"]), info["subjects"]) == (3, ["bob", "carol", "dave"], 4)
    own = standing(api, "api", "bob")
    assert (own["exception"], own["limits"][0]["limit"]) == (1, "FIXED 100 1m AS calls")
    assert standing(api, "api", "alice")["exception"] == 0
    api.do("RL.DEFINE api FOR bob")
    assert standing(api, "api", "bob") is None
    assert sorted(api.rl_info("api")["first_exceptions"]) == ["carol", "dave"]


def test_of_many_the_first_128_are_listed(api):
    with api.pipeline(transaction=False) as pipe:
        for number in range(300):
            pipe.execute_command(*f"RL.DEFINE api {OWN} FOR s{number}".split())
        pipe.execute()
    info = api.rl_info("api")
    assert (info["exceptions"], len(set(info["first_exceptions"]))) == (301, 128)


@pytest.mark.parametrize("name", ["b", "x" * 1024, "FOR", "\0\n é"])
def test_any_name_may_have_one(api, name):
    api.execute_command("RL.DEFINE", "api", *OWN.split(), "FOR", name)
    assert name in api.rl_info("api")["first_exceptions"]
    assert api.execute_command("RL.CHECK", "api", "FOR", name)[1] == 100
    before = api.do("DEBUG DIGEST")
    api.do("DEBUG RELOAD")
    assert api.do("DEBUG DIGEST") == before
    assert name in api.rl_info("api")["first_exceptions"]


def test_what_is_the_same_already_changes_nothing(api):
    before = state(api)
    assert api.do(f"RL.DEFINE api {OWN} FOR bob") == "OK"
    assert api.do("RL.DEFINE api FOR nobody") == "OK"
    assert state(api) == before


def test_a_call_may_name_the_limits_that_apply_and_no_others(api):
    assert api.ask(f"RL.CHECK api {OWN} FOR bob").granted
    assert "the key stores other limits" in api.error(*f"RL.CHECK api {PLAN} FOR bob".split())
    assert "the key stores other limits" in api.error(*f"RL.CHECK api {OWN} FOR alice".split())


def test_it_may_close_a_subject_or_open_one(db, clock):
    db.do("RL.DEFINE api FIXED 0 60s")
    db.do("RL.DEFINE api FIXED 1 60s FOR bob")
    assert db.ask("RL.CHECK api FOR alice")[3] == -1
    assert db.ask("RL.CHECK api FOR bob").granted
    db.do("RL.DEFINE api FIXED 0 60s FOR bob")
    assert db.ask("RL.CHECK api FOR bob")[3] == -1


def test_to_another_plan_goes_what_was_used_and_an_exception_stays_where_it_is(api, clock):
    api.do("RL.DEFINE paid FIXED 1000 60s AS calls")
    api.do("RL.DEFINE paid FIXED 5000 60s AS calls FOR carol")
    for name in ("bob", "carol"):
        api.do(f"RL.CHECK api COST 8 FOR {name}")
        assert api.do(f"RL.TRANSFER api paid FOR {name}") == 1
    assert api.ask("RL.PEEK api FOR bob")[1:3] == (100, 100)
    assert api.ask("RL.PEEK paid FOR bob")[1:3] == (1000, 992)
    assert api.ask("RL.PEEK paid FOR carol")[1:3] == (5000, 4992)


def test_on_trial_it_is_on_trial_too(db, clock):
    db.do(f"RL.DEFINE api {PLAN} SHADOW")
    db.do(f"RL.DEFINE api {OWN} FOR bob")
    assert db.ask("RL.CHECK api COST 500 FOR bob")[:5] == (500, 100, 100, 0, 0)
    db.do(f"RL.DEFINE api {PLAN}")
    assert db.ask("RL.CHECK api COST 500 FOR bob")[:2] == (0, 100)


def test_several_limits_may_stand_in_another_order(db, clock):
    db.do("RL.DEFINE llm FIXED 100 1h AS in FIXED 50 1h AS out")
    db.ask("RL.CHECK llm CHARGE in 9 CHARGE out 4 FOR bob")
    db.do("RL.DEFINE llm FIXED 500 1h AS out FIXED 1000 1h AS in FOR bob")
    used = {limit["label"]: limit["used"] for limit in standing(db, "llm", "bob")["limits"]}
    assert used == {"in": 9, "out": 4}
    assert db.ask("RL.CHECK llm CHARGE in 700 CHARGE out 300 FOR bob").granted == 700


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("RL.DEFINE api FIXED 5 60s FOR bob", "the limits of an exception must have the labels of those in the key"),
        ("RL.DEFINE api FIXED 5 60s AS calls SLIDING 5 1h FOR bob", "must have the labels of those in the key"),
        ("RL.DEFINE api FIXED 5 60s AS calls FIXED 5 1h AS calls FOR bob", "label must be different for each limit"),
        ("RL.DEFINE api FIXED 5 60s AS calls FOR bob SHADOW", "SHADOW cannot be given with FOR"),
        ("RL.DEFINE api FOR bob SHADOW", "SHADOW cannot be given with FOR"),
        ("RL.DEFINE api FOR bob FOR alice", "FOR is given twice"),
        ("RL.DEFINE api SHADOW SHADOW", "SHADOW is given twice"),
        ("RL.DEFINE api FIXED 5 60s FOR", "FOR is missing"),
        ("RL.DEFINE api FOR", "wrong number of arguments"),
        ("RL.DEFINE api", "wrong number of arguments"),
        ("RL.DEFINE api FIXED 5 60s AS calls COST 3 FOR bob", "syntax error"),
        ("RL.DEFINE none FIXED 5 60s FOR bob", NO_LIMITS),
        ("RL.DEFINE none FOR bob", NO_LIMITS),
        ("RL.DEFINE counted FIXED 5 60s FOR bob", NO_LIMITS),
        ("RL.DEFINE string FIXED 5 60s FOR bob", "WRONGTYPE"),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_changes_nothing(api, line, text):
    api.ask("RL.CHECK counted FIXED 9 60s FOR bob")
    api.set("string", "x")
    api.ask("RL.CHECK api COST 3 FOR bob")
    before = api.changes(), api.do("DEBUG DIGEST")
    assert text in api.error(*line.split())
    assert (api.changes(), api.do("DEBUG DIGEST")) == before


def test_a_key_has_room_for_65536(db, clock):
    db.do(f"RL.DEFINE api {PLAN}")
    script = "for i = 1, 65536 do redis.call('RL.DEFINE', KEYS[1], 'FIXED', 100, 60, 'AS', 'calls', 'FOR', i) end"
    db.eval(script, 1, "api")
    assert db.rl_info("api")["exceptions"] == 65536
    assert "a key has 65536 exceptions at most" in db.error(*f"RL.DEFINE api {OWN} FOR one-more".split())
    assert db.do("RL.DEFINE api FIXED 9 60s AS calls FOR 7") == "OK", "one that is there may change"
    db.do("RL.DEFINE api FOR 9")
    assert db.do(f"RL.DEFINE api {OWN} FOR one-more") == "OK"
    assert 65536 * 32 < db.rl_info("api")["memory"] < 65536 * 400
    before = db.do("DEBUG DIGEST")
    db.do("DEBUG RELOAD")
    assert db.do("DEBUG DIGEST") == before


def test_the_sweep_forgets_others_and_leaves_it(api, clock):
    for number in range(50):
        api.ask(f"RL.CHECK api FOR s{number}")
    api.ask("RL.CHECK api COST 30 FOR bob")
    clock.advance(2 * MINUTE)
    eventually(lambda: subjects(api, "api") == 1, "the sweep to forget who is idle")
    assert api.ask("RL.PEEK api FOR bob")[1] == 100


def test_a_copy_a_payload_and_a_file_have_it(api, clock):
    api.ask("RL.CHECK api COST 30 FOR bob")
    api.do("RL.RESERVE api 1h COST 5 FOR bob ID a")
    payload = api.dump("api")
    api.restore("restored", 0, payload)
    api.do("COPY api copied")
    for key in ("restored", "copied"):
        assert api.digest(key) == api.digest("api")
        assert api.ask(f"RL.CHECK {key} COST 60 FOR bob")[:3] == (60, 100, 5)
    before = api.do("DEBUG DIGEST")
    api.do("DEBUG RELOAD")
    assert api.do("DEBUG DIGEST") == before
    assert api.rl_info("api")["first_exceptions"] == ["bob"]


def test_replicas_and_append_only_files_have_it(start_server):
    options = ("--appendonly", "yes", "--repl-diskless-sync-delay", "0", "--aof-use-rdb-preamble", "no")
    primary: Server = start_server(*options)
    replica: Server = start_server(*options, "--replicaof", "127.0.0.1", str(primary.port))
    with primary.client() as db, replica.client() as copy:
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to sync")
        for server in (db, copy):
            Clock(server).set(BASE)
        db.do(f"RL.DEFINE api {PLAN}")
        db.ask("RL.CHECK api COST 3 FOR bob")
        lines = [f"RL.DEFINE api {OWN} FOR bob", "RL.CHECK api COST 30 FOR bob", "RL.RESERVE api 1h ID a FOR bob"]
        lines += [f"RL.DEFINE api {OWN} FOR carol", "RL.BLOCK api 30s FOR carol", "RL.RESET api FOR carol"]
        lines += [f"RL.DEFINE api {OWN} FOR {'x' * 1024}", f"RL.DEFINE api {OWN} FOR dave"]
        lines += ["RL.CHECK api COST 5 FOR dave", "RL.DEFINE api FOR dave"]
        for line in lines:
            db.do(line)
            eventually(lambda: copy.digest("api") == db.digest("api"), f"the replica to do {line}")
        for server in (db, copy):
            eventually(lambda s=server: not s.info("persistence")["aof_rewrite_in_progress"], "the file to begin anew")
            server.do("BGREWRITEAOF")
            eventually(
                lambda s=server: not s.info("persistence")["aof_rewrite_in_progress"], "the file to be written anew"
            )
            before = server.do("DEBUG DIGEST")
            server.do("DEBUG LOADAOF")
            assert server.do("DEBUG DIGEST") == before
        assert sorted(copy.rl_info("api")["first_exceptions"]) == ["bob", "carol", "x" * 1024]


@pytest.mark.parametrize("limit", ALGORITHMS)
def test_at_maxmemory_no_exception_is_made(db, clock, limit):
    db.do(f"RL.DEFINE api {limit}")
    db.config_set("maxmemory", 1)
    try:
        assert db.error(*f"RL.DEFINE api {limit} FOR bob".split()).startswith(("OOM", "command not allowed"))
    finally:
        db.config_set("maxmemory", 0)
