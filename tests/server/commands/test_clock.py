# SPDX-License-Identifier: MIT
"""RL.DEBUG CLOCK: tests hold the module's time and move it; without the module's argument DEBUG nobody can."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from redis import ResponseError

from harness import BASE, DAY, HOUR, MS, SECOND

PAST_64_BITS = 2**63


def test_a_held_clock_stands_still(db, clock):
    db.ask("RL.TOKENBUCKET k 4294967295 4294967295 1s COST 4294967295")
    time.sleep(0.01)
    assert db.ask("RL.TOKENBUCKET k 4294967295 4294967295 1s").granted == 0


def test_set_moves_the_clock_to_an_instant(db, clock):
    db.ask("RL.FIXED k 10 60s ALIGNED")
    clock.set(BASE + 59 * SECOND)
    assert db.ask("RL.PEEK k").reset_ms == 1000


def test_advance_moves_a_held_clock(db, clock):
    db.ask("RL.FIXED k 10 60s")
    clock.advance(SECOND)
    clock.advance(0)
    clock.advance(SECOND)
    assert db.ask("RL.PEEK k").reset_ms == 58000


def test_advance_holds_a_running_clock(db):
    db.ask("RL.FIXED k 10 1d")
    db.do(f"RL.DEBUG CLOCK ADVANCE {HOUR}")
    first = db.ask("RL.PEEK k").reset_ms
    assert 0 <= (DAY - HOUR) // MS - first < 60_000
    time.sleep(0.01)
    assert db.ask("RL.PEEK k").reset_ms == first


def test_resume_lets_the_clock_run_from_the_real_time(db, clock):
    clock.resume()
    before = time.time_ns()
    first = db.ask("RL.FIXED k 10 1d ALIGNED").reset_ms
    assert (DAY - before) // MS % 86_400_000 - first % 86_400_000 in range(-1, 60_000)
    time.sleep(0.01)
    assert db.ask("RL.PEEK k").reset_ms <= first - 10


@pytest.mark.parametrize(
    "words",
    [
        *("", "CLOCK", "CLOCK SET", "CLOCK ADVANCE", "CLOCK xyzzy", "xyzzy", "CLOCK SET now", "CLOCK SET 1.5"),
        *("CLOCK ADVANCE -1", "CLOCK ADVANCE soon", "CLOCK ADVANCE 1s", "CLOCK SET 5 5", "CLOCK RESUME now"),
        *(f"CLOCK SET {PAST_64_BITS}", f"CLOCK ADVANCE {PAST_64_BITS}", "CLOCK SET 99999999999999999999"),
    ],
)
def test_a_wrong_word_leaves_the_clock_alone(db, clock, words):
    db.ask("RL.FIXED k 10 60s")
    assert "xyzzy" not in db.error("RL.DEBUG", *words.split())
    assert db.ask("RL.PEEK k").reset_ms == 60000


def test_without_debug_there_is_no_rl_debug(start_server):
    with start_server(debug=False).client() as db:
        assert db.error("RL.DEBUG", "CLOCK", "RESUME").startswith("unknown command")
        assert db.ask("RL.FIXED k 10 60s") == (1, 10, 9, 0, 60000)


@pytest.mark.parametrize("unix_ns", [0, 1, SECOND, PAST_64_BITS - 1, PAST_64_BITS - SECOND])
def test_no_instant_of_the_clock_brings_the_server_down(db, clock, unix_ns):
    """An instant may be refused, but nothing that is asked at it may do harm."""
    with suppress(ResponseError):
        db.do(f"RL.DEBUG CLOCK SET {unix_ns}")
    limits = ["TOKENBUCKET 1 1 3650d", "FIXED 1 3650d", "FIXED 1 3650d ALIGNED", "SLIDING 1 3650d"]
    limits += ["LEAKYBUCKET 1 1 3650d", "SLIDING 1 3650d APPROX", "QUOTA 1 YEAR", "CONCURRENT 1 3650d"]
    limits += ["QUOTA 1 HOUR TZ Africa/Monrovia", "QUOTA 1 WEEK TZ Pacific/Kiritimati", "QUOTA 1 MONTH TZ Etc/GMT+12"]
    for number, limit in enumerate(limits):
        assert db.ask(f"RL.CHECK k{number} {limit}").granted == 1
        db.do(f"RL.PEEK k{number}")
        db.do(f"RL.INFO k{number}")
    assert db.ping()
