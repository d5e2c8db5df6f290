# SPDX-License-Identifier: MIT
"""Report 14, number 5: RL.CHECKALL that names a key twice exceeds a limit, and copies a large key each time."""

from time import perf_counter

import pytest

HOLDS = """
for hold = 1, 8192 do
    redis.call('RL.RESERVE', KEYS[1], '1h', 'FIXED', '4294967295', '1d', 'ID', ARGV[1] .. hold)
end
"""


@pytest.mark.parametrize(
    "words",
    [
        *("k k FIXED 10 1m FIXED 20 1m", "k k FIXED 10 1m FIXED 10 1m", "k k FIXED 10 1m FIXED 20 1m FOR me me"),
        'k k FIXED 10 1m FIXED 20 1m FOR "" ""',
    ],
)
def test_the_same_key_and_subject_twice_is_an_error_that_says_what_to_do(db, clock, words):
    db.ask("RL.CHECK k FIXED 10 1m COST 3")
    before = db.digest("k"), db.changes()
    argv = ["" if word == '""' else word for word in words.split()]
    assert "RL.CHECK" in db.error("RL.CHECKALL", 2, *argv)
    assert (db.digest("k"), db.changes()) == before


def test_among_others_and_of_limiters_too(db, clock):
    db.do("RL.DEFINE k FIXED 10 1m")
    db.do("RL.DEFINE l FIXED 10 1m")
    assert "RL.CHECK" in db.error(*"RL.CHECKALL 3 k l k".split())
    assert "RL.CHECK" in db.error(*"RL.CHECKALL 3 k l k FOR a a a".split())
    assert db.do("RL.CHECKALL 3 k l k FOR a a b")[0] == 1, "two subjects of one key"


def test_a_large_key_that_is_only_read_is_not_copied(db, clock):
    for part in range(8):
        db.eval(HOLDS, 1, "large", f"{part}:")
    assert db.rl_info("large")["holds"] == 65_536
    db.ask("RL.FIXED other 1 1d")

    def duration(line: str) -> float:
        begin = perf_counter()
        assert db.do(line)[0] == 0
        return perf_counter() - begin

    small = "RL.CHECKALL 2 small other FIXED 4294967295 1d FIXED 1 1d"
    large = small.replace("small", "large")
    durations = [(duration(small), duration(large)) for _ in range(50)]
    of_small, of_large = (min(column) for column in zip(*durations))  # a busy machine lengthens some, not all
    assert of_large < 10 * of_small + 0.001, "a copy of 65,536 holds takes ten milliseconds and more"
