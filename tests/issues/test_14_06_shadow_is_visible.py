# SPDX-License-Identifier: MIT
"""Report 14, number 6: a limiter on trial binds the reply and the fields of a call to others."""

from harness import pairs


def test_beside_others_a_limiter_on_trial_is_not_there_but_counts(db, clock):
    db.do("RL.DEFINE real FIXED 100 1h AS real")
    db.do("RL.DEFINE trial FIXED 2 1h AS trial SHADOW")
    for keys in ("real trial", "trial real", "real trial"):
        reply = db.do(f"RL.CHECKALL 2 {keys} HEADERS")
    assert reply[:6] == [1, 100, 97, 0, 3_600_000, "real"]
    fields = pairs(reply[6])
    assert fields["RateLimit-Limit"] == "100" and fields["RateLimit-Remaining"] == "97"
    assert fields["RateLimit-Policy"] == '"real";q=100;w=3600'
    assert "trial" not in str(fields)
    assert [db.rl_info("trial")[name] for name in ("granted", "would_deny")] == [2, 1]
    assert db.rl_info("trial")["limits"][0]["used"] == 2


def test_beside_others_it_denies_nobody_and_makes_nobody_wait(db, clock):
    db.do("RL.DEFINE real FIXED 100 1h AS real")
    db.do("RL.DEFINE trial LEAKYBUCKET 10 1 1h AS trial SHADOW")
    for left in range(99, 85, -1):
        assert db.do("RL.CHECKALL 2 trial real") == [1, 100, left, 0, 3_600_000, "real"]


def test_alone_it_answers_as_if_nothing_had_ever_been(db, clock):
    db.do("RL.DEFINE trial FIXED 2 1h SHADOW")
    for _ in range(3):
        assert db.do("RL.CHECK trial") == [1, 2, 2, 0, 0, "fixed"]
        assert db.do("RL.PEEK trial") == [1, 2, 2, 0, 0, "fixed"]
        assert db.do("RL.CHECKALL 1 trial") == [1, 2, 2, 0, 0, "fixed"]
    assert db.rl_info("trial")["would_deny"] == 4
