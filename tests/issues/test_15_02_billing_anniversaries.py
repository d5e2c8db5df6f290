# SPDX-License-Identifier: MIT
"""Report 15, number 2: there is no word for a billing day, a fiscal year, a day from six o'clock, or a quarter."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from harness import MS, SECOND


def unix_ns(local: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


def ends(db, clock, limit: str, begin: str, count: int) -> list[str]:
    """When the next windows end, from one that begins then. Each is used up and waited for."""
    now, found = unix_ns(begin), []
    for _ in range(count):
        clock.set(now)
        assert db.ask(f"RL.CHECK k {limit} COST 100").granted == 100, "a new window"
        denied = db.ask(f"RL.CHECK k {limit}")
        assert denied.granted == 0
        now += denied.wait_ms * MS
        found.append(datetime.fromtimestamp(now // SECOND, UTC).isoformat(timespec="minutes")[:16])
    return found


def test_a_month_that_was_bought_on_the_31st_is_billed_at_the_end_of_shorter_ones_and_on_the_31st_again(db, clock):
    billed = ends(db, clock, "QUOTA 100 MONTH ANCHOR 2027-01-31", "2027-01-31", 5)
    assert [day[:10] for day in billed] == ["2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30"]


def test_an_anniversary_of_the_29th_of_february_comes_every_year(db, clock):
    billed = ends(db, clock, "QUOTA 100 YEAR ANCHOR 2024-02-29", "2027-02-28", 3)
    assert [day[:10] for day in billed] == ["2028-02-29", "2029-02-28", "2030-02-28"]


@pytest.mark.parametrize(
    ("limit", "begin", "end"),
    [
        ("QUOTA 100 QUARTER", "2027-01-15", "2027-04-01T00:00"),
        ("QUOTA 100 YEAR ANCHOR 2026-10-01", "2027-01-15", "2027-10-01T00:00"),  # a fiscal year
        ("QUOTA 100 WEEK ANCHOR 2027-01-03", "2027-01-15", "2027-01-17T00:00"),  # from a Sunday
        ("QUOTA 100 DAY ANCHOR 2027-01-01T06:00", "2027-01-15", "2027-01-15T06:00"),
        ("QUOTA 100 DAY ANCHOR 2027-01-01T06:00 TZ Europe/Berlin", "2027-01-15", "2027-01-15T05:00"),
        ("QUOTA 100 HOUR ANCHOR 2027-01-01T00:15", "2027-01-15", "2027-01-15T00:15"),
    ],
)
def test_a_window_begins_where_its_anchor_says(db, clock, limit, begin, end):
    assert ends(db, clock, limit, begin, 1) == [end]


def test_each_customer_of_a_plan_may_have_a_billing_day(db, clock):
    clock.set(unix_ns("2027-02-10"))
    for customer, day in (("ann", "2026-11-15"), ("bob", "2026-11-05")):
        assert db.ask(f"RL.CHECK plan QUOTA 100 MONTH ANCHOR {day} FOR {customer} COST 100").granted == 100
    clock.set(unix_ns("2027-02-15"))
    assert db.ask("RL.CHECK plan QUOTA 100 MONTH ANCHOR 2026-11-15 FOR ann").granted == 1
    assert db.ask("RL.CHECK plan QUOTA 100 MONTH ANCHOR 2026-11-05 FOR bob").granted == 0


def test_a_date_that_there_is_not_is_an_error(db, clock):
    assert db.error(*"RL.QUOTA k 100 MONTH ANCHOR 2026-02-30".split()).startswith("ANCHOR must be a date")
