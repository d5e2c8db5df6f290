# SPDX-License-Identifier: MIT
"""Report 14, number 2: two callers with other limits in turn are granted nothing for ever."""

import pytest

from harness import MS, SECOND


def granted(db, lines: list[str], step: int, calls: int, granted_is: int = 1) -> list[int]:
    """The numbers of the calls that are granted: the lines in turn, each so much later than the one before."""
    pipe = db.pipeline(transaction=False)
    for number in range(calls):
        pipe.execute_command(*lines[number % len(lines)].split())
        pipe.execute_command("RL.DEBUG", "CLOCK", "ADVANCE", step)
    return [number for number, reply in enumerate(pipe.execute()[::2]) if reply[0] == granted_is]


@pytest.mark.parametrize(
    ("lines", "fewest", "most"),
    [
        # Either window alone lets 5 through each 30 or 31 s in 1,800 s: 300, or 290. What one is denied the other one,
        # whose window has begun at another time, may be granted.
        (["RL.FIXED k 5 30s", "RL.FIXED k 5 31s"], 290, 600),
        (["RL.SLIDING k 5 30s", "RL.FIXED k 5 30s"], 290, 600),
        # 5 at once, and 5 a minute for half an hour: 150 and 5.
        (["RL.TOKENBUCKET k 5 5 60s", "RL.TOKENBUCKET k 5 5 61s"], 150, 155),
    ],
)
def test_callers_in_turn_get_what_a_limit_alone_would_give(db, clock, lines, fewest, most):
    calls = granted(db, lines, 3 * SECOND, 600)
    assert fewest <= len(calls) <= most
    assert max(after - before for before, after in zip(calls, calls[1:])) * 3 <= 62, "nobody waits for two windows"


def test_callers_of_cl_throttle_in_turn_do_not_starve(db, clock):
    """5 at once, and one a second for 300 seconds, of those under the faster limit."""
    calls = granted(db, ["CL.THROTTLE k 4 1 1", "CL.THROTTLE k 4 1 2"], SECOND // 2, 600, granted_is=0)
    assert 300 <= len(calls) <= 305


def test_a_limiter_that_is_redefined_ten_times_a_second_refills_as_its_limits_say(db, clock):
    """10 at once, and between 5 and 6 a second for a minute: about 340."""
    pipe = db.pipeline(transaction=False)
    for number in range(600):
        pipe.execute_command("RL.DEFINE", "k", "TOKENBUCKET", 10, 5 + number % 2, "1s")
        pipe.execute_command("RL.CHECK", "k", "FOR", "u")
        pipe.execute_command("RL.DEBUG", "CLOCK", "ADVANCE", 100 * MS)
    replies = pipe.execute()
    assert set(replies[::3]) == {"OK"}
    # Half of the time at 5 a second, half at 6: 10 + 59.9 * 5.5 = 339.45.
    assert sum(reply[0] for reply in replies[1::3]) == 339
