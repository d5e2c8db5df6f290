# SPDX-License-Identifier: MIT
"""What is counted: by RL.INFO for each key and label, by INFO for the module."""

import subprocess

import pytest

from harness import BASE, PATIENCE_S, SECOND, eventually, pairs, same_allocator

NAMES = ("granted", "denied", "would_deny", "near")
BASE_MS = BASE // 1_000_000


def counts(info: dict) -> tuple:
    return tuple(info[name] for name in NAMES)


def of_labels(db, key: str) -> dict:
    labels = [pairs(each) for each in db.rl_info(key)["counters"]]
    return {each["label"]: (*counts(each), each["since_ms"] - BASE_MS) for each in labels}


# --- of a key


def test_a_limiter_counts_a_denied_call_for_the_label_that_bound_it(db, clock):
    db.do("RL.DEFINE api TOKENBUCKET 5 1 1s AS burst QUOTA 8 DAY AS daily")
    clock.advance(SECOND)
    db.ask_times(7, "RL.CHECK api FOR a")
    clock.advance(5 * SECOND)
    db.ask_times(4, "RL.CHECK api FOR a")
    info = db.rl_info("api")
    assert (*counts(info), info["since_ms"]) == (8, 3, 0, 3, BASE_MS)
    assert of_labels(db, "api") == {"burst": (8, 2, 0, 1, 0), "daily": (8, 1, 0, 2, 0)}


def test_near_is_more_than_four_fifths_of_a_limit_after_the_call(db, clock):
    db.do("RL.DEFINE api FIXED 10 1h AS small FIXED 100 1h AS large")
    db.ask("RL.CHECK api FOR a COST 8")
    assert db.rl_info("api")["near"] == 0
    db.ask("RL.CHECK api FOR a")
    assert of_labels(db, "api") == {"small": (2, 0, 0, 1, 0), "large": (2, 0, 0, 0, 0)}


def test_a_block_has_a_label_of_its_own_also_on_trial(db, clock):
    for key, mode in (("real", ""), ("trial", "SHADOW")):
        db.do(f"RL.DEFINE {key} FIXED 1 1h {mode}")
        db.do(f"RL.BLOCK {key} 1m FOR a")
        clock.set(BASE + 3 * SECOND)
        db.ask_times(2, f"RL.CHECK {key} FOR a")
        db.ask_times(2, f"RL.CHECK {key} FOR b")
        clock.set(BASE)
    assert of_labels(db, "real") == {"fixed": (1, 1, 0, 1, 0), "blocked": (0, 2, 0, 0, 3000)}
    assert of_labels(db, "trial") == {"fixed": (1, 0, 1, 1, 0), "blocked": (0, 2, 0, 0, 3000)}


@pytest.mark.parametrize("who", ["", " FOR a"])
def test_every_kind_of_call_is_counted_once(db, clock, who):
    db.do("RL.DEFINE k FIXED 100 1h")
    db.do("RL.DEFINE other FIXED 100 1h")
    who_twice = f"{who} a" if who else ""
    for line in (
        f"RL.CHECK k COST 1{who}",
        f"RL.CHECK k COST 0{who}",
        f"RL.CHECK k COST 1 FORCE{who}",
        f"RL.CHECK k COST 1 MAXWAIT 1s{who}",
        f"RL.RESERVE k 1m COST 1 ID x{who}",
        "RL.CHECKEACH k FOR a",
        f"RL.CHECKALL 1 k{who}",
        f"RL.CHECK k BRIEF{who}",
    ):
        db.do(line)
    assert counts(db.rl_info("k")) == (8, 0, 0, 0)
    db.do(f"RL.CHECKALL 2 k other{who_twice} COST 101")
    db.do(f"RL.CHECK k COST 101{who}")
    assert counts(db.rl_info("k")) == (8, 2, 0, 0)
    for line in (f"RL.PEEK k{who}", f"RL.INFO k{who}", f"RL.SETTLE k x 1{who}", f"RL.REFUND k 1{who}"):
        db.do(line)
    assert counts(db.rl_info("k")) == (8, 2, 0, 0), "who only looks, gives back or settles makes no call"


def test_labels_that_stay_count_on_when_limits_change(db, clock):
    db.do("RL.DEFINE k FIXED 1 1h AS a FIXED 9 1h AS b")
    db.ask_times(2, "RL.CHECK k FOR x")
    clock.advance(SECOND)
    db.do("RL.DEFINE k FIXED 2 1h AS a FIXED 9 1h AS c")
    db.ask_times(2, "RL.CHECK k FOR x")
    assert of_labels(db, "k") == {"a": (2, 2, 0, 2, 0), "c": (1, 0, 0, 0, 1000)}


def test_calls_that_name_their_limits_are_counted_by_label_as_labels_come(db, clock):
    for i in range(20):
        db.ask_times(2, f"RL.CHECK k FIXED 1 1h AS label-{i} FOR subject-{i}")
    info = db.rl_info("k")
    assert counts(info) == (20, 20, 0, 20)
    assert len(info["counters"]) == 16, "so many are told apart"


def test_a_key_that_is_one_subject_counts_granted_and_denied(db, clock):
    db.ask_times(3, "RL.FIXED k 2 1h")
    info = db.rl_info("k")
    assert (info["granted"], info["denied"]) == (2, 1)
    assert not {"would_deny", "near", "since_ms", "counters"} & info.keys()


def many_calls(server, calls: int, line: str) -> None:
    """A million calls from here would take most of a minute."""
    command = ["redis-benchmark", "-s", str(server.socket), "-n", str(calls), "-P", "500", "-c", "1", "-q"]
    subprocess.run(command + line.split(), check=True, capture_output=True, timeout=PATIENCE_S)


@pytest.mark.parametrize(("outcome", "bucket"), [("granted", "4294967295 1 1ms"), ("denied", "1 1 3650d")])
def test_a_compact_key_says_where_its_counters_stop(server, db, clock, outcome, bucket):
    most = (1 << 20) - 1
    line = f"RL.TOKENBUCKET k {bucket}"
    db.ask(line)
    assert db.rl_info("k")[outcome] == (1 if outcome == "granted" else 0)
    many_calls(server, most, line)
    for _ in range(2):
        assert db.rl_info("k")[outcome] == f"{most}+"
        db.ask(line)


def test_a_copy_of_a_limiter_counts_from_its_own_beginning(db, clock):
    db.do("RL.DEFINE k FIXED 1 1h")
    db.ask_times(2, "RL.CHECK k FOR a")
    clock.advance(SECOND)
    assert db.do("COPY k other") == 1
    info = db.rl_info("other")
    assert (counts(info), info["since_ms"]) == ((0, 0, 0, 0), BASE_MS + 1000)
    assert of_labels(db, "other") == {"fixed": (0, 0, 0, 0, 1000)}


def test_counting_is_no_change_that_would_have_to_be_saved(db, clock):
    db.do("RL.DEFINE k FIXED 1 1h")
    db.ask("RL.CHECK k FOR a")
    before = db.changes()
    db.ask_times(5, "RL.CHECK k FOR a")
    assert db.changes() == before
    assert db.rl_info("k")["denied"] == 5


# --- why


def status(db, key: str, subject: str = "") -> tuple:
    info = db.rl_info(key, subject)
    return tuple(info[name] for name in ("status", "binding", "wait_ms", "waiting_ms", "why"))


def test_info_says_why_a_call_is_denied(db, clock):
    db.do("RL.DEFINE api TOKENBUCKET 5 1 1s AS burst FIXED 100 1h AS hourly")
    db.ask_times(3, "RL.CHECK api FOR a")
    said = 'a call of 1 unit is granted: 3 of 5 units of "burst" are used'
    assert status(db, "api", "a") == ("ok", "burst", 0, 0, said)
    db.ask_times(2, "RL.CHECK api FOR a")
    said = 'a call of 1 unit is denied for 1000 ms: 5 of 5 units of "burst" are used'
    assert status(db, "api", "a") == ("denied", "burst", 1000, 0, said)
    db.do("RL.BLOCK api 1m FOR a")
    assert status(db, "api", "a") == ("blocked", "blocked", 60_000, 0, "blocked for 60000 ms: no call is granted")


def test_info_says_what_a_limit_on_trial_would_do(db, clock):
    db.do("RL.DEFINE api FIXED 1 1h SHADOW")
    db.ask("RL.CHECK api FOR a")
    said = 'a call of 1 unit would be denied for 3600000 ms: 1 of 1 units of "fixed" are used'
    assert status(db, "api", "a") == ("denied", "fixed", 3_600_000, 0, said)
    db.do("RL.DEFINE closed FIXED 0 1h SHADOW")
    said = 'no call would be granted: the limit "fixed" is closed, its size is 0'
    assert status(db, "closed") == ("closed", "fixed", -1, 0, said)
    db.do("RL.DEFINE waiting TOKENBUCKET 1 1 1s SHADOW")
    db.ask_times(2, "RL.CHECK waiting MAXWAIT 9s")
    said = "no call would be granted for 1000 ms: another call waits until then (MAXWAIT)"
    assert status(db, "waiting") == ("waiting", "tokenbucket", 2000, 1000, said)


def test_info_says_how_long_a_queue_lets_a_call_wait(db, clock):
    db.ask_times(3, "RL.LEAKYBUCKET k 10 1 1s")
    said = 'a call of 1 unit is granted after 3000 ms: 3 of 10 units of "leakybucket" are used'
    assert status(db, "k") == ("ok", "leakybucket", 3000, 0, said)


def test_info_says_what_is_near_closed_and_waiting(db, clock):
    db.ask("RL.FIXED near 10 1h COST 9")
    said = 'a call of 1 unit is granted: 9 of 10 units of "fixed" are used'
    assert status(db, "near") == ("near", "fixed", 0, 0, said)
    db.do("RL.DEFINE closed FIXED 0 1h")
    said = 'no call is granted: the limit "fixed" is closed, its size is 0'
    assert status(db, "closed") == ("closed", "fixed", -1, 0, said)
    db.ask_times(2, "RL.CHECK waiting TOKENBUCKET 1 1 1s MAXWAIT 9s")
    said = "no call is granted for 1000 ms: another call waits until then (MAXWAIT)"
    assert status(db, "waiting") == ("waiting", "tokenbucket", 2000, 1000, said)
    db.do("RL.BLOCK alone 5s")
    assert status(db, "alone") == ("blocked", "blocked", 5000, 0, "blocked for 5000 ms: no call is granted")


@pytest.mark.parametrize(
    ("line", "next_unit_ms"),
    [
        ("RL.TOKENBUCKET k 10 1 1s COST 3", 1000),
        ("RL.TOKENBUCKET k 10 1 1s COST 13 FORCE", 4000),
        ("RL.LEAKYBUCKET k 10 1 1s COST 3", 1000),
        ("RL.FIXED k 10 60s COST 3", 60_000),
        ("RL.SLIDING k 10 60s COST 3", 60_000),
        ("RL.CONCURRENT k 10 30s ID a", 30_000),
        ("RL.QUOTA k 10 HOUR COST 3", 3600_000),
    ],
)
def test_info_says_when_the_next_unit_comes(db, clock, line, next_unit_ms):
    db.ask(line)
    [limit] = db.rl_info("k")["limits"]
    if "QUOTA" in line:
        assert 0 < limit["next_unit_ms"] <= next_unit_ms
    else:
        assert limit["next_unit_ms"] == next_unit_ms
    before = limit["remaining"]
    clock.advance((limit["next_unit_ms"] - 1) * 1_000_000)
    info = db.do("RL.INFO k")
    assert info is None or db.rl_info("k")["limits"][0]["remaining"] == before
    clock.advance(1_000_000)
    info = db.do("RL.INFO k")
    assert info is None or db.rl_info("k")["limits"][0]["remaining"] > before


# --- of the module


class Section:
    """What INFO says since the test began."""

    def __init__(self, db) -> None:
        self._db = db
        self._before = db.info("ratelimit")

    def __getitem__(self, name: str):
        now, before = (info.get(f"ratelimit_{name}") for info in (self._db.info("ratelimit"), self._before))
        if isinstance(now, dict):
            return tuple(now[part] - (before or {}).get(part, 0) for part in now)
        return now - (before or 0)


def test_the_module_counts_calls_by_outcome_algorithm_and_command(db, clock):
    section = Section(db)
    db.do("RL.DEFINE api TOKENBUCKET 5 1 1s AS burst FIXED 100 1h AS hourly")
    db.ask_times(6, "RL.CHECK api FOR a")
    db.ask("RL.CHECK api COST 2 FORCE FOR a")
    db.do("RL.REFUND api 2 FOR a")
    db.do("RL.RESERVE k 1m FIXED 10 1h COST 3 ID x")
    db.do("RL.SETTLE k x 1")
    db.error("RL.CHECK", "api", "COST", "x")
    assert (section["checks_granted"], section["checks_denied"], section["checks_forced"]) == (7, 1, 1)
    assert (section["checks_near"], section["units_granted"]) == (2, 10)
    assert (section["refunds"], section["units_refunded"]) == (1, 2)
    assert (section["reservations"], section["settlements"], section["errors"]) == (1, 1, 1)
    assert (section["algorithm_tokenbucket"], section["algorithm_fixed"]) == ((6, 1), (7, 0))
    assert (section["command_rl.check"], section["command_rl.define"]) == ((8, 1), (1, 0))


def test_resetting_the_statistics_of_the_server_leaves_those_of_the_module_alone(db, clock):
    section = Section(db)
    db.ask_times(3, "RL.FIXED k 2 1h")
    db.do("CONFIG RESETSTAT")
    assert (section["checks_granted"], section["checks_denied"]) == (2, 1)
    assert (db.rl_info("k")["granted"], db.rl_info("k")["denied"]) == (2, 1)


def test_the_module_counts_the_units_that_came_back(db, clock):
    section = Section(db)
    db.ask("RL.FIXED k 10 1h COST 3")
    assert db.do("RL.REFUND k 1000000") == 3
    assert (section["refunds"], section["units_refunded"]) == (1, 3)
    assert db.do("RL.REFUND k 1000000") == 0
    assert (section["refunds"], section["units_refunded"]) == (1, 3)


def test_a_sum_of_units_stops_at_the_largest_number(start_server):
    most, calls = (1 << 53) - 1, 2050
    with start_server().client() as db:
        db.ask_times(calls, f"RL.FIXED k {most} 1h COST {most} FORCE")
        assert db.info("ratelimit")["ratelimit_units_granted"] == (1 << 64) - 1


def test_the_module_counts_what_limits_on_trial_would_deny(db, clock):
    section = Section(db)
    db.do("RL.DEFINE api FIXED 1 1h SHADOW")
    db.ask_times(3, "RL.CHECK api FOR a")
    assert (section["checks_granted"], section["checks_denied"], section["checks_would_deny"]) == (1, 0, 2)


def test_the_module_counts_keys_and_subjects_by_form(db, clock):
    names = ("keys_compact", "keys_single", "keys_dense", "limiters", "subjects")

    def counted() -> tuple:
        info = db.info("ratelimit")
        return tuple(info[f"ratelimit_{name}"] for name in names)

    db.flushall()
    eventually(lambda: counted() == (0, 0, 0, 0, 0), "keys of other tests to be freed")
    db.ask_times(1, "RL.TOKENBUCKET small 5 1 1s")
    db.ask_times(1, "RL.FIXED single 5 1h")
    db.do("RL.DEFINE api FIXED 5 1h")
    for subject in ("a", "b", "c"):
        db.ask(f"RL.CHECK api FOR {subject}")
        db.ask(f"RL.FIXED table 5 1h FOR {subject}")
    db.do("RL.DEFINE api FIXED 9 1h FOR c")
    assert counted() == (1, 1, 2, 1, 6)
    db.do("RL.DEFINE api FOR c")
    db.do("RL.RESET api FOR a")
    assert counted() == (1, 1, 2, 1, 5)
    db.do("RL.DEFINE table FIXED 5 1h")
    assert counted() == (1, 1, 2, 2, 5)
    assert db.do("COPY api other") == 1
    assert counted() == (1, 1, 3, 3, 7)
    db.delete("other", "small")
    dump = db.dump("api")
    db.delete("api")
    assert counted() == (0, 1, 1, 1, 3)
    db.restore("api", 0, dump)
    assert counted() == (0, 1, 2, 2, 5)
    db.flushall()
    eventually(lambda: counted() == (0, 0, 0, 0, 0), "a thread of the server to free the keys")


@same_allocator
def test_the_memory_of_the_module_comes_and_goes_with_its_keys(db, clock):
    section = Section(db)
    pipe = db.pipeline(transaction=False)
    for i in range(10_000):
        pipe.execute_command("RL.FIXED", "k", "5", "1h", "FOR", f"subject-{i}")
    pipe.execute()
    grown = section["memory_bytes"]
    assert abs(grown - db.rl_info("k")["memory"]) < 50_000
    db.delete("k")
    assert abs(section["memory_bytes"]) < 100_000


def test_the_module_says_its_version_and_how_long_it_is_loaded(db):
    info = db.info("ratelimit")
    assert info["ratelimit_version"] == "0.1.0"
    assert info["ratelimit_debug"] == 1
    assert info["ratelimit_uptime_seconds"] >= 0
