# SPDX-License-Identifier: MIT
"""RL.QUOTA: so many in an hour, a day, a week, a month, a quarter or a year as the calendar of a time zone has them.

Python's zoneinfo reads the same data as the server. In the year 2100, where tests hold the clock, zones follow the last
rule that they were given; it is none with a 29th of February.
"""

from __future__ import annotations

import random
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest

from harness import BASE, DAY, HOUR, MINUTE, MS, SECOND, Client
from oracle_calendar import UNITS, unix_ns
from oracle_limits import Quota, ceil_ms
from random_limits import any_anchor
from vocabulary import TOO_SHORT

BERLIN = "Europe/Berlin"


def at(local: str, zone: str = "UTC", second_time: bool = False) -> int:
    """When a clock in that zone shows this; of an hour that comes twice, the first time."""
    return unix_ns(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone), fold=second_time))


def quota(unit: str, zone: str = "UTC", limit: int = 10) -> str:
    return f"QUOTA {limit} {unit}" + ("" if zone == "UTC" else f" TZ {zone}")


def left_of_window(db: Client, limit: str) -> int:
    """How many milliseconds the window still lasts that is open now: the reset of a first call."""
    db.delete("k")
    return db.ask(f"RL.CHECK k {limit}").reset_ms


def test_the_quota_counts_until_its_window_ends(db, clock):
    clock.set(at("2100-05-06 21:15"))
    assert db.ask("RL.QUOTA k 10 DAY COST 4") == (4, 10, 6, 0, 165 * 60_000)
    assert db.ask("RL.QUOTA k 10 DAY COST 7") == (0, 10, 6, 165 * 60_000, 165 * 60_000)
    assert db.ask("RL.QUOTA k 10 DAY COST 11").wait_ms == -1


def test_the_window_ends_at_its_nanosecond_and_not_before(db, clock):
    clock.set(at("2100-05-06 23:59:59"))
    db.ask("RL.QUOTA k 10 DAY COST 10")
    clock.set(at("2100-05-07 00:00") - 1)
    assert db.ask("RL.QUOTA k 10 DAY") == (0, 10, 0, 1, 1)
    clock.advance(1)
    assert db.ask("RL.QUOTA k 10 DAY COST 10") == (10, 10, 0, 0, 86_400_000)


@pytest.mark.parametrize(
    ("unit", "now", "end"),
    [
        ("HOUR", "2100-01-07 05:00", "2100-01-07 06:00"),
        ("DAY", "2100-02-28 13:00", "2100-03-01 00:00"),  # not a leap year
        ("DAY", "2104-02-28 13:00", "2104-02-29 00:00"),
        ("WEEK", "2100-01-04 00:00", "2100-01-11 00:00"),  # a Monday
        ("WEEK", "2100-01-10 23:59", "2100-01-11 00:00"),
        ("WEEK", "2100-12-29 12:00", "2101-01-03 00:00"),
        ("MONTH", "2100-01-31 23:00", "2100-02-01 00:00"),
        ("MONTH", "2100-12-01 00:00", "2101-01-01 00:00"),
        ("QUARTER", "2100-01-01 00:00", "2100-04-01 00:00"),
        ("QUARTER", "2100-06-30 23:59", "2100-07-01 00:00"),
        ("QUARTER", "2100-09-30 12:00", "2100-10-01 00:00"),
        ("QUARTER", "2100-12-31 23:59", "2101-01-01 00:00"),
        ("YEAR", "2100-01-01 00:00", "2101-01-01 00:00"),
        ("YEAR", "2103-12-31 23:59", "2104-01-01 00:00"),
    ],
)
def test_windows_are_those_of_the_calendar(db, clock, unit, now, end):
    clock.set(at(now))
    assert db.ask(f"RL.QUOTA k 10 {unit}").reset_ms == ceil_ms(at(end) - at(now))


@pytest.mark.parametrize(
    ("year", "lengths"),
    [
        (2100, [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]),
        (2104, [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_months_have_28_to_31_days_and_years_366_if_they_leap(db, clock, year, lengths, zone):
    for month, days in enumerate(lengths, start=1):
        clock.set(at(f"{year}-{month:02}-01 00:00", zone))
        assert left_of_window(db, quota("MONTH", zone)) == days * DAY // MS
    clock.set(at(f"{year}-01-01 00:00", zone))
    assert left_of_window(db, quota("YEAR", zone)) == sum(lengths) * DAY // MS


@pytest.mark.parametrize(
    ("zone", "begin", "end", "hours"),
    [
        (BERLIN, "2100-03-28", "2100-03-29", 23),
        (BERLIN, "2100-10-31", "2100-11-01", 25),
        (BERLIN, "2100-07-01", "2100-07-02", 24),
        ("America/New_York", "2100-03-14", "2100-03-15", 23),
        ("America/New_York", "2100-11-07", "2100-11-08", 25),
        ("Asia/Kolkata", "2100-03-28", "2100-03-29", 24),
        ("Australia/Lord_Howe", "2100-10-03", "2100-10-04", 23.5),
        ("Australia/Lord_Howe", "2100-04-04", "2100-04-05", 24.5),
        ("Antarctica/Troll", "2100-03-28", "2100-03-29", 22),
        ("Antarctica/Troll", "2100-10-31", "2100-11-01", 26),
    ],
)
def test_days_on_which_clocks_change_are_shorter_or_longer(db, clock, zone, begin, end, hours):
    first, last = at(f"{begin} 00:00", zone), at(f"{end} 00:00", zone)
    assert last - first == hours * HOUR
    for now in (first, first + 1, (first + last) // 2, last - 1):
        clock.set(now)
        assert left_of_window(db, quota("DAY", zone)) == ceil_ms(last - now)


@pytest.mark.parametrize(
    ("zone", "day", "hours_before", "hours"),
    [
        ("Asia/Beirut", "2100-03-28", 24, 23),  # at midnight it is one o'clock
        ("Asia/Beirut", "2100-10-31", 25, 24),  # at midnight it is eleven o'clock of the day before
        ("America/Havana", "2100-03-14", 24, 23),
        ("America/Havana", "2100-11-07", 24, 25),  # at one o'clock it is midnight once more
        ("America/Santiago", "2100-09-05", 24, 23),
    ],
)
def test_a_midnight_that_is_left_out_or_comes_twice_begins_one_day(db, clock, zone, day, hours_before, hours):
    """The day begins with its first instant, and there is one beginning."""
    noon = at(f"{day} 12:00", zone)
    lengths = []
    for now in (noon - DAY, noon):
        clock.set(now)
        end = now + left_of_window(db, quota("DAY", zone)) * MS
        clock.set(end)
        lengths.append((end, left_of_window(db, quota("DAY", zone))))
    begin, length = lengths[0]
    assert length == hours * HOUR // MS
    assert datetime.fromtimestamp(begin // SECOND, ZoneInfo(zone)).date().isoformat() == day
    clock.set(begin - hours_before * HOUR)
    assert left_of_window(db, quota("DAY", zone)) == hours_before * HOUR // MS
    assert lengths[1][0] == begin + hours * HOUR


def test_a_day_whose_midnight_comes_twice_is_not_a_new_one_the_second_time(db, clock):
    zone = "America/Havana"
    first, again = (at("2100-11-07 00:00", zone, second_time) for second_time in (False, True))
    assert again - first == HOUR
    clock.set(first)
    assert db.ask(f"RL.CHECK k {quota('DAY', zone)} COST 10").granted == 10
    clock.set(again)
    assert db.ask(f"RL.CHECK k {quota('DAY', zone)}").granted == 0


@pytest.mark.parametrize(
    ("zone", "now", "minutes"),
    [
        ("Asia/Kolkata", "2100-01-07 10:10", 50),  # five hours and a half from UTC
        ("Asia/Kathmandu", "2100-01-07 10:10", 50),  # and three quarters
        ("America/St_Johns", "2100-07-07 10:10", 50),
        (BERLIN, "2100-10-31 02:10", 50),  # an hour that comes twice is two
        ("Australia/Lord_Howe", "2100-10-03 01:10", 110 - 30),  # at two it is half past two
        ("Australia/Lord_Howe", "2100-04-04 01:40", 50),  # at two it is half past one
    ],
)
def test_an_hour_ends_when_the_local_clock_shows_a_full_one(db, clock, zone, now, minutes):
    clock.set(at(now, zone))
    assert left_of_window(db, quota("HOUR", zone)) == minutes * 60_000


@pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Asia/Beirut", "Pacific/Chatham"])
def test_a_week_with_a_change_of_clocks_still_ends_on_monday_at_midnight(db, clock, zone):
    mondays = ["2100-03-22", "2100-03-29"], ["2100-10-25", "2100-11-01"], ["2100-11-01", "2100-11-08"]
    for monday, next_monday in mondays:
        now, end = at(f"{monday} 00:00", zone), at(f"{next_monday} 00:00", zone)
        clock.set(now)
        assert left_of_window(db, quota("WEEK", zone)) == ceil_ms(end - now)


def test_zones_far_apart_are_in_different_days(db, clock):
    clock.set(at("2100-01-07 11:00"))
    resets = {zone: left_of_window(db, quota("DAY", zone)) for zone in ("Pacific/Kiritimati", "Etc/GMT+12")}
    assert resets == {"Pacific/Kiritimati": 23 * 3_600_000, "Etc/GMT+12": 3_600_000}


def resets_of_first_calls(db: Client, questions: list[tuple[int, Quota]]) -> list[int]:
    pipe = db.pipeline(transaction=False)
    for now, limit in questions:
        pipe.execute_command("RL.DEBUG", "CLOCK", "SET", now)
        pipe.execute_command("DEL", "k")
        pipe.execute_command("RL.CHECK", "k", *str(limit).split())
    return [reply[4] for reply in pipe.execute()[2::3]]


def test_in_every_zone_windows_end_when_zoneinfo_says(db, clock):
    """Around the ends of windows in the years from now on to 2199: instants of real zones, some of them with rules that
    are listed year by year, and of links."""
    rng = random.Random(7)
    earliest, latest = BASE - 70 * 365 * DAY, BASE + 99 * 365 * DAY
    questions = []
    for zone in sorted(available_timezones() - {"localtime"}):
        for unit in rng.sample(list(UNITS), 2):
            anchor = any_anchor(rng) if rng.random() < 0.6 else None
            limit, now = Quota(10, unit, zone, anchor), rng.randrange(earliest, latest)
            end = limit.end(now)
            questions += [(moment, limit) for moment in (now, end - 1, end, end + rng.randrange(2 * DAY))]
    told = resets_of_first_calls(db, questions)
    wrong = [
        (now, str(limit), reset)
        for (now, limit), reset in zip(questions, told, strict=True)
        if reset != ceil_ms(limit.end(now) - now)
    ]
    assert not wrong
    assert len(questions) > 2000


def test_around_every_change_of_clocks_windows_end_when_zoneinfo_says(db, clock):
    zones = [BERLIN, "America/New_York", "America/Havana", "Asia/Beirut", "Africa/Cairo", "America/Santiago"]
    zones += ["Australia/Lord_Howe", "Pacific/Chatham", "Antarctica/Troll", "Africa/Casablanca", "Asia/Gaza"]
    questions = []
    for zone in zones:
        for year in (2030, 2050, 2100):
            moments = range(at(f"{year}-01-01"), at(f"{year + 1}-01-01"), 6 * HOUR)
            offsets = [(now, utc_offset(now, zone)) for now in moments]
            for (now, before), (_, after) in zip(offsets, offsets[1:]):
                if before != after:
                    around = range(now - 2 * HOUR, now + 10 * HOUR, 10 * MINUTE)
                    questions += [(moment, Quota(10, unit, zone)) for moment in around for unit in ("HOUR", "DAY")]
                    anchored = [
                        *(
                            "HOUR ANCHOR 2026-01-01T00:15",
                            "HOUR ANCHOR 2026-01-01T00:45",
                            "DAY ANCHOR 2026-01-01T00:30",
                        ),
                        *("DAY ANCHOR 2026-01-01T02:00", "DAY ANCHOR 2026-01-01T02:30", "DAY ANCHOR 2026-01-01T23:45"),
                    ]
                    for unit, _, anchor in map(str.split, anchored):
                        questions += [(moment, Quota(10, unit, zone, anchor)) for moment in around]
    assert len(questions) > 20_000
    told = resets_of_first_calls(db, questions)
    assert told == [ceil_ms(limit.end(now) - now) for now, limit in questions]


def utc_offset(now: int, zone: str):
    return datetime.fromtimestamp(now // SECOND, ZoneInfo(zone)).utcoffset()


UNKNOWN = [
    *("", " ", "Mars/Olympus", "Europe", "Europe/", "/Europe/Berlin", "Europe/Berlin/", "Europe/Berlin\0", "xyzzy\0"),
    *("../zoneinfo/Europe/Berlin", "/etc/localtime", "/usr/share/zoneinfo/Europe/Berlin", "./UTC", "Europe/../UTC"),
    *("zone.tab", "tzdata.zi", "leapseconds", "x" * 2**20, "Europe/Berlin Europe/Berlin", "+02:00", "\xff\xfe", "%s%n"),
]


@pytest.mark.parametrize("zone", UNKNOWN, ids=lambda zone: ascii(zone[:20]))
def test_an_unknown_zone_is_an_error_that_changes_nothing(db, clock, zone):
    before = db.changes()
    for command in ("RL.QUOTA k 10 DAY", "RL.CHECK k QUOTA 10 DAY", "RL.PEEK k QUOTA 10 DAY"):
        text = db.error(*command.split(), "TZ", zone)
        assert text.startswith("TZ must be ")
        assert "xyzzy" not in text and len(text) < 300
    assert (db.exists("k"), db.changes()) == (0, before)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("RL.QUOTA k 10", TOO_SHORT),
        ("RL.QUOTA k 10 MINUTE", "unit must be HOUR, DAY, WEEK, MONTH, QUARTER or YEAR"),
        ("RL.QUOTA k 10 1d", "unit must be HOUR, DAY, WEEK, MONTH, QUARTER or YEAR"),
        ("RL.QUOTA k 10 DAYS", "unit must be HOUR, DAY, WEEK, MONTH, QUARTER or YEAR"),
        ("RL.QUOTA k 10 DAY TZ", "TZ is missing"),
        ("RL.QUOTA k 10 DAY TZ Europe/Berlin TZ UTC", "TZ is given twice"),
        ("RL.QUOTA k 10 DAY TZ UTC TZ UTC", "TZ is given twice"),
        ("RL.FIXED k 10 1d TZ Europe/Berlin", "syntax error"),
        ("RL.QUOTA k 10 DAY ANCHOR", "ANCHOR is missing: it must be a date from 1970-01-01 to 2199-12-31"),
        ("RL.QUOTA k 10 DAY ANCHOR 2026-01-31 ANCHOR 2026-01-31", "ANCHOR is given twice"),
        ("RL.FIXED k 10 1d ALIGNED ANCHOR 2026-01-31", "syntax error"),
        ("RL.QUOTA k 10 DAY ALIGNED", "syntax error"),
    ],
)
def test_a_bad_quota_is_refused_by_name(db, clock, line, text):
    assert db.error(*line.split()).startswith(text)


def test_utc_is_the_same_as_no_zone(db, clock):
    db.ask("RL.QUOTA one 10 DAY COST 3")
    db.ask("RL.QUOTA other 10 DAY TZ UTC COST 3")
    assert db.digest("one") == db.digest("other")
    assert [db.rl_info(key)["limits"][0]["limit"] for key in ("one", "other")] == ["QUOTA 10 DAY"] * 2


def test_info_shows_unit_and_zone(db, clock):
    db.ask("RL.CHECK k quota 10 month tz Europe/Berlin AS plan QUOTA 5 HOUR")
    assert [(limit["label"], limit["limit"]) for limit in db.rl_info("k")["limits"]] == [
        ("plan", "QUOTA 10 MONTH TZ Europe/Berlin AS plan"),
        ("quota", "QUOTA 5 HOUR"),
    ]


ANCHORED = [
    ("HOUR ANCHOR 2026-01-31T06:15", "2100-01-07 05:00", "2100-01-07 05:15"),
    ("HOUR ANCHOR 2026-01-31T06:15", "2100-01-07 05:15", "2100-01-07 06:15"),
    ("DAY ANCHOR 2026-01-31T06:00", "2100-02-28 05:59", "2100-02-28 06:00"),
    ("DAY ANCHOR 2026-01-31T06:00", "2100-02-28 06:00", "2100-03-01 06:00"),
    ("WEEK ANCHOR 2026-02-01", "2100-01-09 23:59", "2100-01-10 00:00"),  # Sundays
    ("WEEK ANCHOR 2026-02-01", "2100-01-10 00:00", "2100-01-17 00:00"),
    ("WEEK ANCHOR 2026-02-06T18:30", "2100-01-08 18:29", "2100-01-08 18:30"),  # Fridays
    ("MONTH ANCHOR 2026-01-31", "2100-01-31 00:00", "2100-02-28 00:00"),
    ("MONTH ANCHOR 2026-01-31", "2100-02-28 00:00", "2100-03-31 00:00"),
    ("MONTH ANCHOR 2026-01-31", "2100-03-31 00:00", "2100-04-30 00:00"),
    ("MONTH ANCHOR 2026-01-31", "2104-02-01 00:00", "2104-02-29 00:00"),
    ("MONTH ANCHOR 2026-02-28", "2100-03-01 00:00", "2100-03-28 00:00"),  # a 28th, and not the end of a month
    ("QUARTER ANCHOR 2026-11-30T12:00", "2100-11-30 12:00", "2101-02-28 12:00"),
    ("QUARTER ANCHOR 2026-11-30T12:00", "2101-02-28 12:00", "2101-05-30 12:00"),
    ("YEAR ANCHOR 2026-04-06", "2100-04-05 23:59", "2100-04-06 00:00"),
    ("YEAR ANCHOR 2026-04-06", "2100-04-06 00:00", "2101-04-06 00:00"),
    ("YEAR ANCHOR 2024-02-29", "2100-02-28 00:00", "2101-02-28 00:00"),  # 2100 does not leap
    ("YEAR ANCHOR 2024-02-29", "2103-02-28 00:00", "2104-02-29 00:00"),
    ("YEAR ANCHOR 2199-12-31T23:59", "2100-07-01 00:00", "2100-12-31 23:59"),  # it may lie in the future
    ("YEAR ANCHOR 1970-01-01", "2100-07-01 00:00", "2101-01-01 00:00"),
]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Phoenix"])
@pytest.mark.parametrize(("unit", "now", "end"), ANCHORED)
def test_windows_begin_at_the_anchor_and_a_whole_number_of_units_earlier_and_later(db, clock, unit, now, end, zone):
    clock.set(at(now, zone))
    assert db.ask(f"RL.QUOTA k 10 {unit} TZ {zone}").reset_ms == ceil_ms(at(end, zone) - at(now, zone))


@pytest.mark.parametrize(
    ("anchor", "zone", "now", "end"),
    [
        ("2026-01-01T02:30", BERLIN, "2100-03-27 02:30", "2100-03-28 03:00"),  # at two it is three
        ("2026-01-01T02:30", BERLIN, "2100-03-28 03:00", "2100-03-29 02:30"),
        ("2026-01-01T02:30", BERLIN, "2100-10-31 02:30", "2100-11-01 02:30"),  # at three it is two
        ("2026-01-01T02:30", "Australia/Sydney", "2100-10-02 02:30", "2100-10-03 03:00"),  # the south
        ("2026-01-01T02:15", "Australia/Lord_Howe", "2100-10-02 02:15", "2100-10-03 02:30"),  # at two it is half past
        (
            "2026-01-01T01:45",
            "Australia/Lord_Howe",
            "2100-04-04 01:45",
            "2100-04-05 01:45",
        ),  # at two it is half past one
        ("2026-01-01T01:30", "Europe/Dublin", "2100-03-27 01:30", "2100-03-28 02:00"),
        ("2026-01-01T01:30", "Europe/Dublin", "2100-10-31 01:30", "2100-11-01 01:30"),
    ],
)
def test_an_anchor_that_is_left_out_is_the_end_of_the_gap_and_one_that_comes_twice_is_the_first(
    db, clock, anchor, zone, now, end
):
    clock.set(at(now, zone))
    left = left_of_window(db, f"QUOTA 10 DAY ANCHOR {anchor} TZ {zone}")
    assert left == ceil_ms(at(end, zone) - at(now, zone))


def test_an_anchor_that_comes_twice_begins_no_new_window_the_second_time(db, clock):
    limit = f"QUOTA 10 MONTH ANCHOR 2026-01-31T02:30 TZ {BERLIN}"
    first, again = (at("2100-10-31 02:30", BERLIN, second_time) for second_time in (False, True))
    assert again - first == HOUR
    clock.set(first)
    assert db.ask(f"RL.CHECK k {limit} COST 10").granted == 10
    clock.set(again)
    assert db.ask(f"RL.CHECK k {limit}").granted == 0


NO_ANCHORS = [
    *(
        "",
        " ",
        "now",
        "2026",
        "2026-01",
        "2026-1-31",
        "2026-01-31 06:00",
        "2026-01-31t06:00",
        "2026-01-31T",
        "31.1.2026",
    ),
    *("2026-02-30", "2026-02-29", "2100-02-29", "2026-00-10", "2026-13-01", "2026-01-32", "2026-01-31T24:00"),
    *("1969-12-31", "1969-12-31T23:59", "2200-01-01", "0000-01-01", "9999-12-31", "-026-01-31", "12026-01-31"),
    *("2026-01-31T06:00Z", "2026-01-31T06:00+01:00", "2026-01-31T06:00:00", "2026-01-31T06:60", "xyzzy-01-31"),
    *("1767225600", "2026-01-31\0", "\xff" * 10, "2" * 2**20),
]


@pytest.mark.parametrize("date", NO_ANCHORS, ids=lambda date: ascii(date[:20]))
def test_what_is_no_date_is_an_error_that_says_the_form_and_changes_nothing(db, clock, date):
    before = db.changes()
    for command in (
        "RL.QUOTA k 10 DAY",
        "RL.CHECK k QUOTA 10 DAY",
        "RL.PEEK k QUOTA 10 DAY",
        "RL.DEFINE k QUOTA 10 DAY",
    ):
        assert db.error(*command.split(), "ANCHOR", date) == (
            "ANCHOR must be a date from 1970-01-01 to 2199-12-31, such as 2026-01-31, or one with a time of day, "
            "such as 2026-01-31T06:00"
        )
    assert (db.exists("k"), db.changes()) == (0, before)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (
            "tz Europe/Berlin as a anchor 2026-01-31T06:00",
            "QUOTA 10 QUARTER ANCHOR 2026-01-31T06:00 TZ Europe/Berlin AS a",
        ),
        ("ANCHOR 2026-01-31T00:00", "QUOTA 10 QUARTER ANCHOR 2026-01-31"),
        ("ANCHOR 1970-01-01", "QUOTA 10 QUARTER ANCHOR 1970-01-01"),
        ("ANCHOR 2199-12-31T23:59 TZ UTC", "QUOTA 10 QUARTER ANCHOR 2199-12-31T23:59"),
    ],
)
def test_info_shows_the_anchor_as_it_can_be_given_again(db, clock, given, shown):
    db.ask(f"RL.CHECK k QUOTA 10 QUARTER {given} COST 3")
    [limit] = db.rl_info("k")["limits"]
    assert limit["limit"] == shown
    assert db.ask(f"RL.CHECK k {shown}").remaining == 6
    assert len(db.rl_info("k")["limits"]) == 1, "it is the same limit"


def test_a_limiter_stores_its_anchor_also_over_a_restart(start_server):
    server = start_server("--appendonly", "yes", "--aof-use-rdb-preamble", "no")
    with server.client() as db:
        db.do(f"RL.DEFINE k QUOTA 10 MONTH ANCHOR 2026-01-31T06:00 TZ {BERLIN}")
        db.ask("RL.CHECK k FOR a COST 4")
        before = db.do("DEBUG DIGEST")
    server.restart()
    with server.client() as db:
        assert db.do("DEBUG DIGEST") == before
        assert db.rl_info("k")["limits"][0]["limit"] == f"QUOTA 10 MONTH ANCHOR 2026-01-31T06:00 TZ {BERLIN}"
        assert db.ask("RL.CHECK k FOR a").remaining == 5
        assert db.error("RL.CHECK", "k", *f"QUOTA 10 MONTH TZ {BERLIN}".split()).startswith("the key stores other")


def test_a_redefinition_to_a_billing_day_counts_what_is_used_in_the_window_that_is_open(db, clock):
    clock.set(at("2100-05-20 12:00"))
    db.do("RL.DEFINE k QUOTA 10 MONTH")
    db.ask("RL.CHECK k FOR a COST 7")
    db.do("RL.DEFINE k QUOTA 10 MONTH ANCHOR 2026-01-31")
    assert db.ask("RL.CHECK k FOR a COST 4")[:4] == (0, 10, 3, ceil_ms(at("2100-05-31") - at("2100-05-20 12:00")))


@pytest.mark.parametrize("own", ["Pacific/Kiritimati", "America/New_York", "Asia/Kolkata", "", "nonsense"])
def test_the_servers_own_zone_never_matters(start_server, own):
    server = start_server(variables={"TZ": own})
    limits = [Quota(10, unit, zone) for unit in UNITS for zone in ("UTC", BERLIN, "America/New_York")]
    moments = [at("2100-03-28 00:30"), at("2100-07-01 21:00"), at("2100-12-31 23:30")]
    questions = [(now, limit) for now in moments for limit in limits]
    with server.client() as db:
        assert resets_of_first_calls(db, questions) == [ceil_ms(limit.end(now) - now) for now, limit in questions]


def test_another_limit_of_the_same_unit_and_zone_keeps_the_window(db, clock):
    clock.set(at("2100-03-28 12:00", BERLIN))
    db.ask(f"RL.CHECK k {quota('DAY', BERLIN)} COST 4")
    assert db.ask(f"RL.CHECK k {quota('DAY', BERLIN, limit=20)}")[:5] == (1, 20, 15, 0, 12 * 3_600_000)


@pytest.mark.parametrize(
    "new", [quota("WEEK", BERLIN), quota("DAY"), "FIXED 10 1d ALIGNED", "FIXED 10 1d", "SLIDING 10 1d"]
)
def test_another_window_starts_with_what_is_used(db, clock, new):
    db.ask(f"RL.CHECK k {quota('DAY', BERLIN)} COST 4")
    assert db.ask(f"RL.CHECK k {new}")[:3] == (1, 10, 5)


def test_after_a_step_back_of_the_clock_what_was_used_counts_in_the_window_of_now(db, clock):
    clock.set(at("2100-05-06 12:00"))
    db.ask("RL.QUOTA k 10 MONTH COST 7")
    clock.set(at("2100-02-10 00:00"))
    assert db.ask("RL.QUOTA k 10 MONTH COST 4") == (0, 10, 3, 19 * 86_400_000, 19 * 86_400_000)
    assert db.ask("RL.QUOTA k 10 MONTH COST 3").granted == 3


def test_a_lowered_quota_counts_what_was_used_as_debt_until_its_window_ends(db, clock):
    clock.set(at("2100-05-06 12:00"))
    db.ask("RL.QUOTA k 10 DAY COST 7")
    assert db.ask("RL.QUOTA k 5 DAY") == (0, 5, 0, 12 * 3_600_000, 12 * 3_600_000)
    assert db.rl_info("k")["limits"][0]["used"] == 7
