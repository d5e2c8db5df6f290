# SPDX-License-Identifier: MIT
"""Report 15, number 3: a limit of 0 is closed."""

import pytest

from harness import SECOND, pairs

CLOSED = {
    "TOKENBUCKET 0 10 1s": 1,
    "LEAKYBUCKET 0 1 1h": 3600,
    "FIXED 0 1h": 3600,
    "FIXED 0 1h ALIGNED": 3600,
    "SLIDING 0 1m": 60,
    "SLIDING 0 1m APPROX": 60,
    "QUOTA 0 DAY": 86_400,
    "QUOTA 0 HOUR TZ Asia/Kathmandu": 3600,
    "CONCURRENT 0 1m": None,
}
OPEN = "FIXED 10 1h AS open"
CALLS = [
    *("RL.CHECK k {}", "RL.CHECK k {} COST 5", "RL.CHECK k {} COST 5 PARTIAL", "RL.CHECK k {} COST 9007199254740991"),
    *("RL.CHECK k {} MAXWAIT 3650d", "RL.CHECK k {} MAXWAIT 0", "RL.CHECK k {} ID a", "RL.CHECK k {} JITTER 1h"),
    *("RL.CHECK k {} PER REQUEST", "RL.RESERVE k 1h {} COST 5", "RL.PEEK k {}", "RL.PEEK k {} COST 5"),
    *("RL.CHECK k {} COST 0", "RL.CHECK k {} COST 0 PARTIAL", "RL.CHECK k {} COST 0 MAXWAIT 1d", "RL.PEEK k {} COST 0"),
    *("RL.RESERVE k 1h {} COST 0", "RL.CHECKALL 1 k {} COST 0"),
    *("RL.CHECKALL 1 k {}", "RL.CHECKALL 1 k {} COST 5", "RL.CHECKALL 1 k {} COSTS 0"),
]
every_limit = pytest.mark.parametrize("closed", CLOSED)


@every_limit
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("subject", ["", " FOR bob"])
def test_every_call_is_told_never(db, clock, closed, call, subject):
    line = call.format(closed) + subject
    assert db.ask(line)[:5] == (0, 0, 0, -1, 0)
    assert not db.exists("k"), "an absent key stays absent"
    if "CHECKALL" not in call:
        db.ask(f"RL.CHECK k {OPEN} COST 3" + subject)
        before = db.digest("k")
        assert db.ask(call.format(f"{closed} {OPEN}") + subject)[:4] == (0, 0, 0, -1)
        assert db.ask(line)[:4] == (0, 0, 0, -1)
        assert db.digest("k") == before, "and no account is opened"


@every_limit
def test_the_command_of_its_own_tells_the_same(db, clock, closed):
    assert db.ask(f"RL.{closed.split()[0]} k {' '.join(closed.split()[1:])}")[:5] == (0, 0, 0, -1, 0)
    assert not db.exists("k")


@every_limit
@pytest.mark.parametrize("subject", ["", " FOR bob"])
def test_force_is_granted_and_so_is_a_settlement(db, clock, closed, subject):
    forced = db.ask(f"RL.CHECK k {closed} COST 3 FORCE{subject}")
    assert forced[:3] == (3, 0, 0)
    assert 0 < forced.wait_ms <= forced.reset_ms
    assert db.rl_info("k", subject[5:])["limits"][0]["used"] == 3
    assert db.ask(f"RL.CHECK k {closed}{subject}")[:4] == (0, 0, 0, -1)
    used = 3 if closed.startswith("CONCURRENT") else 5
    assert db.do(f"RL.SETTLE k unknown 2 {closed}{subject}")[:3] == [2, 0, 0]
    assert db.rl_info("k", subject[5:])["limits"][0]["used"] == used
    before = db.do("DEBUG DIGEST")
    db.do("DEBUG RELOAD")
    assert db.do("DEBUG DIGEST") == before
    clock.advance(4 * 86_400 * SECOND)
    assert db.do(f"RL.PEEK k {closed}{subject}")[:5] == [0, 0, 0, -1, 0]


@every_limit
@pytest.mark.parametrize("subject", ["", " FOR bob"])
def test_a_limiter_that_is_closed_and_opened_again_counts_what_was_used(db, clock, closed, subject):
    words = closed.split()
    rule = " ".join([words[0], "10", *words[2:]])
    db.do(f"RL.DEFINE k {rule}")
    assert db.ask(f"RL.CHECK k COST 7 ID a{subject}")[:3] == (7, 10, 3)
    db.do(f"RL.DEFINE k {closed}")
    for call in ("", " COST 5 PARTIAL", " MAXWAIT 3650d"):
        assert db.ask(f"RL.CHECK k{call}{subject}")[:4] == (0, 0, 0, -1)
    assert db.ask(f"RL.RESERVE k 1m{subject}")[:4] == (0, 0, 0, -1)
    assert db.rl_info("k", subject[5:])["limits"][0]["size"] == 0
    db.do("DEBUG RELOAD")
    db.do(f"RL.DEFINE k {rule}")
    again = db.ask(f"RL.CHECK k COST 4 ID b{subject}")
    assert again[:3] == (0, 10, 3)
    assert again.wait_ms > 0
    assert db.ask(f"RL.CHECK k COST 3 ID c{subject}")[:3] == (3, 10, 0)


@every_limit
def test_who_asks_for_nothing_by_force_is_granted_and_takes_nothing(db, clock, closed):
    before = db.changes()
    assert db.ask(f"RL.CHECK k {closed} COST 0 FORCE")[:5] == (0, 0, 0, 0, 0)
    assert (db.exists("k"), db.changes()) == (0, before)


@every_limit
def test_in_brief_it_is_null(db, clock, closed):
    if closed.startswith("LEAKYBUCKET"):  # has no short answer
        closed = closed.replace("LEAKYBUCKET", "TOKENBUCKET")
    assert [db.do(f"RL.CHECK k {closed} ID a COST {cost} BRIEF") for cost in (0, 1, 5)] == [None] * 3


@every_limit
def test_a_hold_is_not_renewed_but_it_is_settled(db, clock, closed):
    db.do(f"RL.DEFINE k {OPEN}")
    db.do("RL.RESERVE k 1m COST 4 ID a")
    db.do(f"RL.DEFINE k {OPEN} {closed}")
    assert db.do("RL.RESERVE k 1m COST 4 ID a")[:4] == [0, 0, 0, -1]
    assert db.do("RL.SETTLE k a 6")[-1] == "settled"
    assert db.rl_info("k")["limits"][0]["used"] == 6


@pytest.mark.parametrize(("closed", "window"), CLOSED.items())
def test_the_fields_promise_nothing(db, clock, closed, window):
    fields = pairs(db.do(f"RL.CHECK k {closed} AS shut HEADERS")[-1])
    span = f"w={window}" if window else 'qu="concurrent-requests"'
    seconds = window or 60
    assert fields == {
        "RateLimit-Policy": f'"shut";q=0;{span}',
        "RateLimit": f'"shut";r=0;t={seconds}',
        "RateLimit-Limit": "0",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": str(seconds),
    }


@every_limit
def test_on_trial_it_lets_everything_pass_and_counts(db, clock, closed):
    db.do(f"RL.DEFINE k {closed} SHADOW")
    calls = {"RL.CHECK k": 1, "RL.PEEK k": 1, "RL.CHECK k COST 5 PARTIAL": 5, "RL.RESERVE k 1m": 0}
    calls |= {"RL.CHECK k COST 0": 0}
    for call, granted in calls.items():
        assert db.ask(call)[:5] == (granted, 0, 0, 0, 0), call
    assert db.ask("RL.CHECK k COST 5").granted == 5
    assert (db.rl_info("k")["granted"], db.rl_info("k")["would_deny"]) == (0, 5)


def test_spans_and_rates_are_not_0(db):
    for call, name in [
        ("RL.TOKENBUCKET k 1 0 1s", "refill"),
        ("RL.TOKENBUCKET k 0 0 1s", "refill"),
        ("RL.LEAKYBUCKET k 0 0 1s", "leak"),
        ("RL.TOKENBUCKET k 0 1 0", "period"),
        ("RL.FIXED k 0 0", "window"),
        ("RL.SLIDING k 0 0s", "window"),
        ("RL.CONCURRENT k 0 0", "lease"),
        ("RL.RESERVE k 0 FIXED 0 1h", "ttl"),
    ]:
        assert db.error(*call.split()).startswith(f"{name} must be ")


def test_maxwait_0_and_jitter_0_mean_none(db, clock):
    for zero in ("0", "0ms", "0s", "0d"):
        key = f"k{zero}"
        assert db.ask(f"RL.FIXED {key} 1 1h MAXWAIT {zero} JITTER {zero}") == (1, 1, 0, 0, 3_600_000)
        assert db.ask(f"RL.FIXED {key} 1 1h MAXWAIT {zero} JITTER {zero}") == (0, 1, 0, 3_600_000, 3_600_000)
        fields = pairs(db.do(f"RL.FIXED {key} 1 1h JITTER {zero} HEADERS")[-1])
        assert fields["Retry-After"] == "3600"
    db.ask("RL.LEAKYBUCKET queue 10 1 1s")
    assert db.ask("RL.LEAKYBUCKET queue 10 1 1s MAXWAIT 0") == (1, 10, 8, 1_000, 2_000), "like a call without it"
    assert db.error(*"RL.FIXED k 1 1h MAXWAIT 0 FORCE".split()) == "only one of PARTIAL, FORCE and MAXWAIT can be given"
    assert db.error(*"RL.FIXED k 1 1h PARTIAL MAXWAIT 0".split()) == (
        "only one of PARTIAL, FORCE and MAXWAIT can be given"
    )
    assert db.error(*"RL.FIXED k 1 1h MAXWAIT -1".split()) == (
        "MAXWAIT must be 0 or a duration from 1ms to 3650d, such as 500ms, 10s, 1m, 2h or 1d; without a unit, seconds"
    )
