# SPDX-License-Identifier: MIT
"""RL.BLOCK: a subject is denied for a time, whatever is left."""

from __future__ import annotations

import pytest

from harness import BASE, DAY, HOUR, MS, SECOND, Client, Clock, Server, eventually, lives_until, pairs, watching
from resp import Connection

ALGORITHMS = [
    *("TOKENBUCKET 10 1 6s", "LEAKYBUCKET 10 1 6s", "FIXED 10 60s", "FIXED 10 60s ALIGNED", "SLIDING 10 60s"),
    *("SLIDING 10 60s APPROX", "QUOTA 10 HOUR", "CONCURRENT 10 60s"),
]
every_limit = pytest.mark.parametrize("limit", ALGORITHMS)
# A key by itself and a subject in one; without stored limits and with them: what is said first, the limits that a call
# names, and the subject.
FORMS = {
    "single": ("", "FIXED 10 60s", ""),
    "dense": ("", "FIXED 10 60s", " FOR bob"),
    "limiter": ("RL.DEFINE k FIXED 10 60s", "", ""),
    "stored and dense": ("RL.DEFINE k FIXED 10 60s", "", " FOR bob"),
}
every_form = pytest.mark.parametrize(("first", "limit", "who"), FORMS.values(), ids=FORMS)


def blocked_ms(db: Client, who: str = "") -> int:
    return db.rl_info("k", who.removeprefix(" FOR "))["blocked"]


@every_limit
def test_everything_is_left_and_nothing_is_granted(db, clock, limit):
    assert db.do("RL.BLOCK k 90s") == 1
    for mode in ("", "PARTIAL", "MAXWAIT 1h", "COST 10", "ID a"):
        answer = db.ask(f"RL.CHECK k {limit} {mode}")
        assert answer[:6] == (0, 10, 0, 90_000, 90_000, "blocked")
    assert db.ask(f"RL.RESERVE k 1h {limit} ID a") == (0, 10, 0, 90_000, 90_000, "blocked", None)
    assert db.ask(f"RL.PEEK k {limit}")[:6] == (0, 10, 0, 90_000, 90_000, "blocked")
    clock.advance(90 * SECOND - MS)
    assert db.ask(f"RL.CHECK k {limit}").wait_ms == 1
    clock.advance(MS)
    assert db.ask(f"RL.CHECK k {limit}").granted == 1


@every_form
def test_every_form_of_a_key_knows_blocks(db, clock, first, limit, who):
    if first:
        db.do(first)
    for before in ("", f"RL.CHECK k {limit}{who} COST 4"):
        if before:
            db.ask(before)
        assert db.do(f"RL.BLOCK k 30s{who}") == 1
        assert db.ask(f"RL.CHECK k {limit}{who}") == (0, 10, 0, 30_000, 60_000 if before else 30_000, "blocked")
        assert blocked_ms(db, who) == 30_000
        assert db.ask(f"RL.CHECK k {limit} FOR somebody").granted == 1
        assert db.do(f"RL.BLOCK k 0{who}") == 1
        assert db.do(f"RL.BLOCK k 0{who}") == 0
    assert db.ask(f"RL.CHECK k {limit}{who} COST 6").granted == 6


@every_form
def test_a_block_that_is_over_leaves_nothing(db, clock, first, limit, who):
    if first:
        db.do(first)
    db.do(f"RL.BLOCK k 30s{who}")
    clock.advance(30 * SECOND)
    assert db.do(f"RL.BLOCK k 0{who}") == 0
    assert db.do(f"RL.RESET k{who}") == 0
    assert db.ask(f"RL.CHECK k {limit}{who} COST 10")[:3] == (10, 10, 0)
    assert blocked_ms(db, who) == 0


def test_the_last_block_counts_longer_or_shorter(db, clock):
    for length, ms in (("60s", 60_000), ("1h", 3_600_000), ("1ms", 1), ("3650d", 3650 * DAY // MS), ("2", 2000)):
        assert db.do(f"RL.BLOCK k {length}") == 1
        assert db.ask("RL.CHECK k FIXED 10 60s").wait_ms == ms


def test_who_has_to_wait_longer_for_the_limit_is_told_so(db, clock):
    db.ask("RL.CHECK k FIXED 10 60s SLIDING 10 1h COST 10")
    db.do("RL.BLOCK k 30s")
    answer = db.ask("RL.CHECK k FIXED 10 60s SLIDING 10 1h")
    assert (answer.granted, answer.label) == (0, "sliding")
    assert 3_600_000 <= answer.wait_ms <= 3_600_001
    clock.advance(answer.wait_ms * MS)
    assert db.ask("RL.CHECK k FIXED 10 60s SLIDING 10 1h").granted == 1


def test_what_is_never_granted_is_not_promised(db, clock):
    db.do("RL.BLOCK k 30s")
    assert db.ask("RL.CHECK k FIXED 10 60s COST 11")[3:6] == (-1, 30_000, "fixed")


@every_limit
def test_force_settlements_refunds_and_releases_go_on(db, clock, limit):
    db.ask(f"RL.RESERVE k 10m {limit} COST 2 ID held")
    db.ask(f"RL.CHECK k {limit} COST 3 ID lease")
    db.do("RL.BLOCK k 30s")
    forced = db.ask(f"RL.CHECK k {limit} COST 2 FORCE ID more")
    assert forced[:3] == (2, 10, 0)
    assert forced.label != "blocked"
    settled = db.ask("RL.SETTLE k held 1")
    assert (settled.granted, settled.remaining, settled[6]) == (1, 0, "settled")
    if limit.startswith("CONCURRENT"):
        assert db.do("RL.RELEASE k lease") == 1
        used = 2
    else:
        assert db.do("RL.REFUND k 3") == 3
        used = 3
    assert db.rl_info("k")["limits"][0]["used"] == used
    assert blocked_ms(db) == 30_000


def test_a_hold_cannot_even_be_renewed_but_stays(db, clock):
    db.ask("RL.RESERVE k 60s FIXED 10 1h COST 5 ID a")
    db.do("RL.BLOCK k 30s")
    for estimate in (3, 5, 7):
        assert db.ask(f"RL.RESERVE k 10m FIXED 10 1h COST {estimate} ID a")[3:] == (30_000, 3_600_000, "blocked", None)
    [held] = db.rl_info("k")["first_holds"]
    assert pairs(held) == {"id": "a", "units": 5, "ends_ms": 60_000, "settled": 0}
    clock.advance(30 * SECOND)
    assert db.ask("RL.RESERVE k 10m FIXED 10 1h COST 7 ID a").granted == 7


def test_a_turn_that_was_granted_before_is_kept(db, clock):
    db.ask("RL.CHECK k FIXED 1 60s")
    assert db.ask("RL.CHECK k FIXED 1 60s MAXWAIT 1m").wait_ms == 60_000
    db.do("RL.BLOCK k 10s")
    assert db.ask("RL.CHECK k FIXED 1 60s")[3:] == (120_000, 120_000, "fixed")
    assert db.ask("RL.CHECK k FIXED 1 60s MAXWAIT 2m").granted == 0
    clock.advance(10 * SECOND)
    assert db.ask("RL.CHECK k FIXED 1 60s MAXWAIT 2m").wait_ms == 110_000


# --- a block alone


def test_a_block_alone_makes_a_key_that_lasts_as_long(db, clock):
    assert db.do("RL.BLOCK k 1h") == 1
    assert db.type("k") == "ratelimit"
    now_ms = int(db.time()[0]) * 1000
    assert lives_until(db.pttl("k") + now_ms - BASE // MS, HOUR // MS)


def test_a_question_without_limits_is_answered_by_the_block_alone(db, clock):
    assert db.do("RL.PEEK k") is None
    db.do("RL.BLOCK k 1500ms")
    assert db.ask("RL.PEEK k") == (0, 0, 0, 1500, 1500, "blocked")
    assert db.ask("RL.PEEK k HEADERS")[6] == ["Retry-After", "2"]
    assert db.rl_info("k")["limits"] == []
    for line in ("RL.CHECK k", "RL.RESERVE k 1s"):
        assert db.error(*line.split()).startswith("NOLIMITS")
    assert db.do("RL.SETTLE k a 1") is None
    assert (db.do("RL.REFUND k 1"), db.do("RL.RELEASE k a")) == (0, 0)
    clock.advance(1500 * MS)
    assert db.do("RL.PEEK k") is None
    assert db.do("RL.INFO k") is None


def test_limits_that_come_later_begin_empty(db, clock):
    db.do("RL.BLOCK k 60s")
    assert db.ask("RL.CHECK k FIXED 10 60s COST 3 FORCE").granted == 3
    assert db.ask("RL.CHECK k SLIDING 5 60s").label == "blocked"
    assert [limit["used"] for limit in db.rl_info("k")["limits"]] == [3, 3]
    db.do("RL.BLOCK k 0")
    assert db.ask("RL.CHECK k SLIDING 5 60s")[:3] == (1, 5, 1)


def test_limits_that_are_stored_later_leave_the_block(db, clock):
    db.do("RL.BLOCK k 60s")
    db.do("RL.BLOCK k 90s FOR bob")
    db.do("RL.DEFINE k FIXED 10 60s")
    assert db.ask("RL.CHECK k")[3:] == (60_000, 60_000, "blocked")
    assert db.ask("RL.CHECK k FOR bob")[3:] == (90_000, 90_000, "blocked")
    assert db.ask("RL.CHECK k FOR alice").granted == 1


def test_many_may_be_blocked_before_anybody_was_asked(db, clock):
    names = [f"s{number}" for number in range(2000)]
    with db.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.execute_command("RL.BLOCK", "k", "1h", "FOR", name)
        assert pipe.execute() == [1] * len(names)
        for name in names:
            pipe.execute_command("RL.CHECK", "k", "FIXED", 10, "60s", "FOR", name)
        assert {reply[5] for reply in pipe.execute()} == {"blocked"}
    assert db.rl_info("k")["subjects"] == len(names)


# --- what others see


def test_a_denial_writes_nothing_and_is_counted(db, clock):
    db.do("RL.DEFINE k FIXED 10 60s")
    db.do("RL.BLOCK k 1h FOR bob")
    before = db.changes(), db.digest("k")
    for line in ("RL.CHECK k FOR bob", "RL.CHECK k FOR bob PARTIAL COST 4", "RL.CHECKALL 1 k FOR bob"):
        assert db.ask(line).granted == 0
    assert (db.changes(), db.digest("k")) == before
    assert db.do("RL.TOP k") == [["bob", 3, 0]]
    assert db.rl_info("k")["denied"] == 3


def test_one_who_is_blocked_denies_all(db, clock):
    db.do("RL.BLOCK a 20s FOR x")
    line = "RL.CHECKALL 2 a b FIXED 10 60s FIXED 20 60s FOR x y"
    assert db.ask(line) == (0, 10, 0, 20_000, 20_000, "blocked")
    assert db.do("RL.INFO b FOR y") is None
    db.ask("RL.CHECK b FIXED 20 60s COST 20 FOR y")
    assert db.ask(line) == (0, 20, 0, 60_000, 60_000, "fixed-2")
    db.do("RL.BLOCK b 2h FOR y")
    assert db.ask(f"{line} HEADERS") == (
        *(0, 20, 0, 7_200_000, 7_200_000, "blocked"),
        [
            *("RateLimit-Policy", '"fixed";q=10;w=60, "fixed-2";q=20;w=60'),
            *("RateLimit", '"fixed";r=0;t=20, "fixed-2";r=0;t=7200'),
            *("RateLimit-Limit", "20", "RateLimit-Remaining", "0", "RateLimit-Reset", "7200"),
            *("Retry-After", "7200"),
        ],
    )


def test_the_fields_say_when_to_come_again(db, clock):
    db.do("RL.BLOCK k 90s")
    fields = pairs(db.ask("RL.CHECK k FIXED 10 60s HEADERS")[6])
    assert fields == {
        "RateLimit-Policy": '"fixed";q=10;w=60',
        "RateLimit": '"fixed";r=0;t=90',
        "RateLimit-Limit": "10",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "90",
        "Retry-After": "90",
    }
    forced = pairs(db.ask("RL.CHECK k FIXED 10 60s FORCE HEADERS")[6])
    assert forced["RateLimit"] == '"fixed";r=0;t=90'
    assert "Retry-After" not in forced


def test_jitter_makes_the_wait_longer_never_shorter(db, clock):
    db.do("RL.BLOCK k 10s")
    waits = {db.ask("RL.CHECK k FIXED 10 60s JITTER 5s").wait_ms for _ in range(50)}
    assert min(waits) >= 10_000
    assert max(waits) <= 15_000
    assert len(waits) > 1


def test_a_limiter_on_trial_denies_who_is_blocked_and_nobody_else(db, clock):
    """The block is the word of the operator, not of the limits."""
    db.do("RL.DEFINE k FIXED 5 60s CONCURRENT 9 1m SHADOW")
    db.ask("RL.CHECK k FOR bob COST 7")
    db.do("RL.BLOCK k 30s FOR bob")
    assert db.ask("RL.CHECK k FOR bob") == (0, 5, 0, 30_000, 30_000, "blocked", None)
    assert db.ask("RL.PEEK k FOR bob") == (0, 5, 0, 30_000, 30_000, "blocked")
    assert db.ask("RL.RESERVE k 1m FOR bob ID a") == (0, 5, 0, 30_000, 30_000, "blocked", None)
    assert db.ask("RL.CHECK k FOR bob FORCE ID a") == (1, 5, 0, 0, 30_000, "fixed", "a")
    assert db.ask("RL.CHECK k FOR alice COST 7 ID a") == (7, 5, 5, 0, 0, "fixed", "a")
    line = "RL.CHECKALL 2 k other FIXED 5 60s FIXED 9 60s FOR {} x"
    db.do("RL.DEFINE k FIXED 5 60s SHADOW")
    assert db.ask(line.format("bob")) == (0, 5, 0, 30_000, 30_000, "blocked")
    assert db.ask(line.format("alice"))[:3] == (1, 9, 8)


def test_cl_throttle_is_told_in_seconds(db, clock):
    db.do("CL.THROTTLE k 9 10 60")
    db.do("RL.BLOCK k 1500ms")
    for quantity in ("", " 1", " 0"):
        assert db.do(f"CL.THROTTLE k 9 10 60{quantity}")[:4] == [1, 10, 0, 2]


def test_info_says_so_in_resp2_and_resp3(server, clock):
    for protocol in (2, 3):
        with Connection(server.socket, protocol) as connection:
            connection.do("RL.BLOCK", "k", "90s")
            info = connection.do("RL.INFO", "k")
            assert (info if protocol == 3 else pairs(info))["blocked"] == 90_000


# --- time


def test_a_clock_that_is_set_back_does_not_make_it_longer(db, clock):
    clock.set(BASE + DAY)
    db.do("RL.BLOCK k 60s")
    clock.set(BASE)
    assert db.ask("RL.PEEK k FIXED 10 60s").wait_ms == 60_000
    answer = db.ask("RL.CHECK k FIXED 10 60s")
    assert answer[3:] == (60_000, 60_000, "blocked")
    clock.advance(60 * SECOND)
    assert db.ask("RL.CHECK k FIXED 10 60s").granted == 1


@every_limit
def test_so_is_what_was_used_and_the_wait_comes_true(db, clock, limit):
    """Decided as of the end of the block; what is of a clock that was ahead is brought back before."""
    clock.set(BASE + DAY)
    db.ask(f"RL.CHECK k {limit} COST 10")
    db.do("RL.BLOCK k 1s")
    clock.set(BASE)
    peeked = db.ask(f"RL.PEEK k {limit}")
    answer = db.ask(f"RL.CHECK k {limit}")
    assert answer[:4] == peeked[:4]
    assert answer.granted == 0
    clock.advance(answer.wait_ms * MS - MS)
    assert db.ask(f"RL.PEEK k {limit}").granted == 0
    clock.advance(MS)
    assert db.ask(f"RL.CHECK k {limit}").granted == 1


def test_a_block_ends_with_the_clock_at_the_latest(db, clock):
    clock.set(84_006 * DAY - 10 * SECOND)
    db.do("RL.BLOCK k 3650d")
    assert db.ask("RL.CHECK k FIXED 10 60s").wait_ms == 10_000


# --- files and replicas

BLOCKED = [
    "RL.BLOCK alone 1h",
    "RL.FIXED used 10 60s COST 3",
    "RL.BLOCK used 1h",
    "RL.BLOCK dense 1h FOR bob",
    "RL.BLOCK dense 2h FOR carol",
    "RL.DEFINE limiter SLIDING 10 60s",
    "RL.BLOCK limiter 1h FOR bob",
    "RL.RESERVE held 30m FIXED 10 60s ID a",
    "RL.BLOCK held 1h",
]
ASKED = {
    "alone": "",
    "used": "",
    "dense": " FOR bob",
    "limiter": " FOR bob",
    "held": "",
}


def answers(db: Client) -> list:
    return [db.do(f"RL.PEEK {key}{who}") for key, who in ASKED.items()]


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_a_restart_leaves_everybody_blocked(start_server, preamble):
    server = start_server("--appendonly", "yes", "--aof-use-rdb-preamble", preamble)
    with server.client() as db:
        Clock(db).set(BASE)
        for line in BLOCKED:
            db.do(line)
        before, digest = answers(db), db.do("DEBUG DIGEST")
        assert all(answer[3] == 3_600_000 for answer in before)
        db.do("DEBUG RELOAD")
        assert (answers(db), db.do("DEBUG DIGEST")) == (before, digest)
        db.do("DEBUG LOADAOF")
        assert (answers(db), db.do("DEBUG DIGEST")) == (before, digest)
        db.do("BGREWRITEAOF")
        eventually(lambda: db.info("persistence")["aof_rewrite_in_progress"] == 0, "the file to be rewritten")
        db.do("DEBUG LOADAOF")
        assert (answers(db), db.do("DEBUG DIGEST")) == (before, digest)


def test_copies_and_dumps_are_blocked_too(db, clock, server):
    for line in BLOCKED:
        db.do(line)
    before = answers(db)
    with server.client(decode_responses=False) as raw:
        for key in ASKED:
            assert db.do(f"COPY {key} {key}-copy") == 1
            has_end = db.pttl(key) > 0  # which a digest tells
            raw.restore(f"{key}-dumped", 10**9 if has_end else 0, raw.dump(key))
            for other in (f"{key}-copy", f"{key}-dumped"):
                assert db.digest(other) == db.digest(key)
                assert db.do(f"RL.PEEK {other}{ASKED[key]}") == db.do(f"RL.PEEK {key}{ASKED[key]}")
    assert answers(db) == before


def test_a_replica_says_so_and_is_the_same_to_the_byte(start_server):
    primary = start_server()
    replica = start_server("--replicaof", "127.0.0.1", str(primary.port))
    with primary.client() as db, replica.client() as copy:
        eventually(lambda: copy.info("replication")["master_link_status"] == "up", "the replica to be in sync")
        for each in (db, copy):
            Clock(each).set(BASE)
        for line in [*BLOCKED, "RL.BLOCK gone 1h", "RL.BLOCK gone 0", "RL.BLOCK used 2h", "RL.BLOCK used 1h"]:
            db.do(line)
        eventually(lambda: copy.do("DEBUG DIGEST") == db.do("DEBUG DIGEST"), "the replica to have it all")
        assert answers(copy) == answers(db)
        assert copy.rl_info("limiter", "bob")["blocked"] == 3_600_000
        assert copy.error("RL.BLOCK", "alone", "0").endswith("read only replica.")


def test_at_maxmemory_nobody_is_blocked_but_everybody_can_be_reset(start_server):
    server: Server = start_server()
    with server.client() as db:
        db.do("RL.BLOCK k 1h")
        db.config_set("maxmemory", "1")
        assert db.error("RL.BLOCK", "k", "2h").startswith("OOM")
        assert db.do("RL.RESET k") == 1


def test_a_key_of_another_type_is_an_error(db, clock):
    db.set("k", "text")
    before = db.changes()
    for line in ("RL.BLOCK k 1s", "RL.BLOCK k 0", "RL.BLOCK k 1s FOR bob"):
        assert db.error(*line.split()).startswith("WRONGTYPE")
    assert db.changes() == before


def test_a_watching_client_hears_of_a_change_and_of_nothing_else(db, clock, server):
    for line, is_change in (("RL.BLOCK k 0", False), ("RL.BLOCK k 60s", True), ("RL.BLOCK k 0", True)):
        with watching(server, "k") as watch:
            db.do(line)
        assert watch.is_heard == is_change


def test_a_bucket_is_small_again_once_the_block_is_lifted(db, clock):
    db.ask("RL.TOKENBUCKET k 10 1 6s COST 3")
    before = db.memory_usage("k")
    db.do("RL.BLOCK k 1h")
    assert db.memory_usage("k") > before
    db.do("RL.BLOCK k 0")
    assert db.memory_usage("k") == before
    assert db.ask("RL.TOKENBUCKET k 10 1 6s")[:3] == (1, 10, 6)


# --- in brief, and of each key


def test_in_brief_it_is_minus_the_wait(db, clock):
    db.do("RL.BLOCK k 90s")
    assert db.do("RL.PEEK k BRIEF") == -90_000
    assert db.do("RL.CHECK k FIXED 10 60s BRIEF") == -90_000
    assert db.do("RL.CHECK k FIXED 10 60s COST 11 BRIEF") is None
    assert db.do("RL.CHECK k FIXED 10 60s COST 3 FORCE BRIEF") == 0
    db.do("RL.DEFINE trial FIXED 10 60s SHADOW")
    db.do("RL.BLOCK trial 30s")
    assert db.do("RL.CHECK trial BRIEF") == db.do("RL.PEEK trial BRIEF") == -30_000


def test_a_key_that_is_only_looked_at_denies_all_if_it_is_blocked(db, clock):
    db.ask("RL.CHECK a FIXED 10 60s COST 4")
    db.do("RL.BLOCK a 20s")
    blocked = [0, 10, 0, 20_000, 60_000, "blocked"]
    line = "RL.CHECKALL 2 a b FIXED 10 60s FIXED 20 60s COSTS 0 3"
    assert db.do(f"{line} EACH") == [*blocked, [blocked, [3, 20, 17, 0, 60_000, "fixed"]]]
    assert db.do("RL.INFO b") is None
    assert db.do(f"{line} FORCE")[:4] == [3, 10, 0, 0]
    assert db.rl_info("a")["limits"][0]["used"] == 4
    clock.advance(20 * SECOND)
    assert db.do(line)[:4] == [3, 10, 6, 0]


def test_each_key_says_so_on_trial_too(db, clock):
    db.do("RL.DEFINE a FIXED 10 60s SHADOW")
    db.do("RL.BLOCK a 20s")
    blocked = [0, 10, 0, 20_000, 20_000, "blocked"]
    line = "RL.CHECKALL 2 a b COSTS 1 1 EACH"
    db.do("RL.DEFINE b FIXED 20 60s")
    assert db.do(line) == [*blocked, [blocked, [1, 20, 19, 0, 60_000, "fixed"]]]
    trial, other = [1, 10, 0, 0, 20_000, "fixed"], [1, 20, 19, 0, 60_000, "fixed"]
    told = db.do(f"{line} FORCE")
    assert told == [*other, [trial, other]], "a forced call is not denied, and who is on trial never binds"
    assert db.do("RL.CHECKALL 1 a FORCE") == trial


def test_a_block_that_is_over_keeps_no_account_that_nobody_uses(db, clock):
    """The bucket, in debt, is dropped, and the window is over: it is as if nobody had ever been seen."""
    db.ask("RL.CHECK k TOKENBUCKET 10 1 1s COST 1000 FORCE")
    db.ask("RL.CHECK k FIXED 5 1s")
    clock.advance(2 * SECOND)
    assert db.ask("RL.CHECK k FIXED 5 1s").granted
    db.do("RL.BLOCK k 1s")
    clock.advance(15 * SECOND)
    assert db.ask("RL.CHECK k SLIDING 100 60s")[:3] == (1, 100, 99)
    assert [limit["label"] for limit in db.rl_info("k")["limits"]] == ["sliding"]
