# SPDX-License-Identifier: MIT
"""Report 14, number 11: limits that are redefined without a pause stop the server."""

from __future__ import annotations

from time import perf_counter

from harness import eventually
from subjects import fill

MANY = 200_000
DEFINE_OFTEN = """
local told = {}
for number = 1, tonumber(ARGV[1]) do
    local reply = redis.pcall('RL.DEFINE', KEYS[1], 'FIXED', 100 + number, '1d')
    told[number] = reply.err or reply.ok
end
return told
"""


def durations(db, key: str, count: int = 20) -> list[float]:
    found = []
    for number in range(count):
        begin = perf_counter()
        assert db.do(f"RL.DEFINE {key} TOKENBUCKET {100 + number} 1 1h") == "OK"
        found.append(perf_counter() - begin)
    return found


def test_a_definition_takes_no_longer_for_many_subjects(db, clock):
    for key, count in (("few", 10), ("many", MANY)):
        db.do(f"RL.DEFINE {key} TOKENBUCKET 50 1 1h")
        fill(db, key, count)
    few, many = (min(durations(db, key)[10:]) for key in ("few", "many"))  # a busy machine lengthens some, not all
    assert many < 10 * few + 0.002, "to go over 200,000 subjects takes tens of milliseconds"


def test_while_24_changes_are_pending_one_more_is_to_be_tried_again(db, clock):
    db.do("RL.DEFINE k FIXED 100 1d")
    fill(db, "k", MANY)
    told = db.eval(DEFINE_OFTEN, 1, "k", 40)
    done = told.index(next(reply for reply in told if reply != "OK"))
    assert done in range(20, 25), "nothing is done in the background while a script runs, or a little"
    assert all(reply.startswith("TRYAGAIN ") for reply in told if reply != "OK")
    last = max(number for number, reply in enumerate(told, start=1) if reply == "OK")
    assert db.rl_info("k")["limits"][0]["limit"] == f"FIXED {100 + last} 1d"
    assert db.ask("RL.PEEK k FOR s0")[:3] == (1, 100 + last, 99 + last)

    def is_possible() -> bool:
        return db.eval(DEFINE_OFTEN, 1, "k", 1) == ["OK"]

    eventually(is_possible, "the pending changes to be made")
    assert db.ask("RL.PEEK k FOR s0")[:3] == (1, 101, 100)
