# SPDX-License-Identifier: MIT
"""RL.INFO: a key's limits, its use and its counters, as names and values."""

import pytest

from harness import BASE, DAY, SECOND, pairs
from resp import Connection


def test_info_of_no_key_is_null(db):
    assert db.do("RL.INFO k") is None


def test_info_shows_the_key(db, clock):
    db.ask_times(3, "RL.TOKENBUCKET k 20 10 1s COST 8")
    info = db.rl_info("k")
    assert info["memory"] > 0
    names = ["form", "stored", "shadow", "subjects", "memory", "granted", "denied"]
    names += ["holds", "limits", "blocked", "first_holds", "status", "binding", "wait_ms", "waiting_ms", "why"]
    names += ["exceptions", "first_exceptions"]
    assert list(info) == names
    assert {name: info[name] for name in names if name != "memory"} == {
        "form": "single",
        "stored": 0,
        "shadow": 0,
        "subjects": 0,
        "granted": 2,
        "denied": 1,
        "holds": 0,
        "first_holds": [],
        "blocked": 0,
        "status": "ok",
        "binding": "tokenbucket",
        "wait_ms": 0,
        "waiting_ms": 0,
        "why": 'a call of 1 unit is granted: 16 of 20 units of "tokenbucket" are used',
        "exceptions": 0,
        "first_exceptions": [],
        "limits": [
            {
                "label": "tokenbucket",
                "limit": "TOKENBUCKET 20 10 1s",
                "size": 20,
                "used": 16,
                "remaining": 4,
                "reset_ms": 1600,
                "next_unit_ms": 100,
            }
        ],
    }


def test_info_shows_every_limit_in_the_order_of_the_call(db, clock):
    db.ask("RL.CHECK k SLIDING 5 2m AS burst FIXED 100 24h ALIGNED TOKENBUCKET 10 7 90s COST 3")
    limits = db.rl_info("k")["limits"]
    assert [(limit["label"], limit["limit"], limit["used"], limit["remaining"]) for limit in limits] == [
        ("burst", limits[0]["limit"], 3, 2),
        ("fixed", "FIXED 100 1d ALIGNED", 3, 97),
        ("tokenbucket", "TOKENBUCKET 10 7 90s", 3, 7),
    ]
    assert limits[0]["limit"].startswith("SLIDING 5 2m")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("1ms", "1ms"),
        ("1000ms", "1s"),
        ("1500ms", "1500ms"),
        ("60", "1m"),
        ("90s", "90s"),
        ("3600s", "1h"),
        ("36h", "36h"),
        ("48h", "2d"),
        ("3650d", "3650d"),
    ],
)
def test_a_duration_is_shown_with_the_largest_unit_that_divides_it(db, clock, given, shown):
    db.ask(f"RL.FIXED k 10 {given}")
    assert db.rl_info("k")["limits"][0]["limit"] == f"FIXED 10 {shown}"


def test_info_follows_the_time(db, clock):
    db.ask("RL.TOKENBUCKET k 20 10 1s COST 20")
    clock.advance(SECOND + SECOND // 20)
    [limit] = db.rl_info("k")["limits"]
    assert (limit["used"], limit["remaining"], limit["reset_ms"]) == (10, 10, 950)


def test_info_shows_an_idle_key_as_unused(db, clock):
    db.ask("RL.FIXED k 10 60s COST 10")
    clock.advance(60 * SECOND)
    [limit] = db.rl_info("k")["limits"]
    assert (limit["used"], limit["remaining"], limit["reset_ms"]) == (0, 10, 0)


def test_info_shows_every_kind_of_limit_as_it_is_written(db, clock):
    limits = [
        *(
            "LEAKYBUCKET 10 7 90s",
            "SLIDING 5 2m APPROX",
            "QUOTA 10 YEAR",
            "QUOTA 10 HOUR TZ Asia/Kolkata",
            "QUOTA 10 QUARTER ANCHOR 2026-01-31T06:15 TZ Asia/Kolkata",
        ),
        *("CONCURRENT 5 36h", "FIXED 10 1m AS mine PER REQUEST"),
    ]
    db.ask(f"RL.CHECK k {' '.join(limits)}")
    assert [limit["limit"] for limit in db.rl_info("k")["limits"]] == limits


def test_info_counts_holds(db, clock):
    for number in range(3):
        db.do(f"RL.RESERVE k {number + 1}m FIXED 10 1h ID {number}")
    assert db.rl_info("k")["holds"] == 3
    db.do("RL.SETTLE k 0 1")
    clock.advance(120 * SECOND)
    assert db.rl_info("k")["holds"] == 1


def test_info_shows_a_debt(db, clock):
    db.ask("RL.FIXED k 10 60s COST 25 FORCE")
    [limit] = db.rl_info("k")["limits"]
    assert (limit["size"], limit["used"], limit["remaining"]) == (10, 25, 0)


def test_reservations_and_settlements_count_as_calls(db, clock):
    db.do("RL.RESERVE k 1m FIXED 10 1h COST 10 ID a")
    db.do("RL.RESERVE k 1m FIXED 10 1h COST 10 ID b")
    db.do("RL.RESERVE k 1m FIXED 10 1h COST 10 ID a")
    info = db.rl_info("k")
    assert (info["granted"], info["denied"]) == (2, 1)


def test_peeks_and_errors_are_not_counted(db, clock):
    db.ask("RL.FIXED k 10 60s")
    db.ask_times(3, "RL.PEEK k COST 11")
    db.error("RL.FIXED", "k", "10", "sixty")
    info = db.rl_info("k")
    assert (info["granted"], info["denied"]) == (1, 0)


def test_granted_counts_calls_and_not_units(db, clock):
    db.ask_times(4, "RL.FIXED k 10 60s COST 3")
    info = db.rl_info("k")
    assert (info["granted"], info["denied"]) == (3, 1)


def test_the_counters_outlive_a_change_of_limits(db, clock):
    db.ask_times(2, "RL.FIXED k 10 60s")
    db.ask_times(2, "RL.SLIDING k 3 60s")
    info = db.rl_info("k")
    assert (info["granted"], info["denied"]) == (3, 1)


def test_memory_usage_is_at_least_what_info_says(db, clock):
    for cost in range(1, 200):
        clock.advance(SECOND)
        db.ask(f"RL.SLIDING k 100000 1h COST {cost}")
    assert db.memory_usage("k") >= db.rl_info("k")["memory"] > 200


def test_info_is_a_map_in_resp3(server, clock):
    with Connection(server.socket, protocol=3) as connection:
        connection.do("RL.FIXED", "k", "10", "60s")
        info = connection.do("RL.INFO", "k")
        assert isinstance(info, dict)
        assert info["form"] == "single"
        assert info["limits"][0]["limit"] == "FIXED 10 1m"
        assert connection.do("RL.INFO", "absent") is None


# --- who holds what


def listed(db, name: str, of: dict) -> tuple[int, list[dict]]:
    return of[name], [pairs(entry) for entry in of[f"first_{name}"]]


@pytest.mark.parametrize("who", ["", " FOR bob"], ids=["itself", "dense"])
def test_holds_and_leases_are_listed_by_their_ends(db, clock, who):
    list_ = "FIXED 100 1h CONCURRENT 50 30s AS slots"
    db.ask(f"RL.RESERVE k 90s {list_} COST 5 ID late{who}")
    db.ask(f"RL.RESERVE k 60s {list_} COST 7 ID early{who}")
    db.ask(f"RL.RESERVE k 75s {list_} COST 9 ID done{who}")
    db.do(f"RL.SETTLE k done 4{who}")
    clock.advance(10 * SECOND)
    db.ask(f"RL.CHECK k {list_} COST 2 ID lease{who}")
    info = db.rl_info("k", who.removeprefix(" FOR "))
    assert listed(db, "holds", info) == (
        3,
        [
            {"id": "early", "units": 7, "ends_ms": 50_000, "settled": 0},
            {"id": "done", "units": 4, "ends_ms": 65_000, "settled": 1},
            {"id": "late", "units": 5, "ends_ms": 80_000, "settled": 0},
        ],
    )
    window, slots = info["limits"]
    assert "leases" not in window
    assert listed(db, "leases", slots) == (
        3,
        [
            {"id": "early", "units": 7, "ends_ms": 20_000},
            {"id": "late", "units": 5, "ends_ms": 20_000},
            {"id": "lease", "units": 2, "ends_ms": 30_000},
        ],
    )
    clock.advance(60 * SECOND)
    info = db.rl_info("k", who.removeprefix(" FOR "))
    assert [entry["id"] for entry in listed(db, "holds", info)[1]] == ["done", "late"]
    assert listed(db, "leases", info["limits"][1]) == (0, [])


def test_a_list_is_cut_after_128_and_its_length_is_told(db, clock):
    with db.pipeline(transaction=False) as pipe:
        for number in range(300):
            pipe.execute_command("RL.RESERVE", "k", 1000 - number, "CONCURRENT", 1000, "1h", "ID", f"id{number:03}")
        pipe.execute()
    info = db.rl_info("k")
    assert info["holds"] == info["limits"][0]["leases"] == 300
    ids = [pairs(entry)["id"] for entry in info["first_holds"]]
    assert ids == [f"id{number:03}" for number in range(299, 171, -1)]
    assert len(info["limits"][0]["first_leases"]) == 128


def test_ids_are_listed_as_they_are(server, clock):
    with server.client(decode_responses=False) as raw:
        for call_id in (b"\0", b"\r\n$5\r\n", b"\xff" * 64):
            raw.execute_command("RL.RESERVE", "k", "1m", "CONCURRENT", 9, "1m", "ID", call_id)
        info = pairs(raw.execute_command("RL.INFO", "k"))
        held = [pairs(entry)[b"id"] for entry in info[b"first_holds"]]
        leased = [pairs(entry)[b"id"] for entry in pairs(info[b"limits"][0])[b"first_leases"]]
    assert held == leased == [b"\0", b"\r\n$5\r\n", b"\xff" * 64]


def test_the_lists_are_maps_in_resp3(server, clock):
    with Connection(server.socket, 3) as connection:
        connection.do("RL.RESERVE", "k", "1m", "CONCURRENT", "9", "30s", "ID", "a")
        info = connection.do("RL.INFO", "k")
    assert info["first_holds"] == [{"id": "a", "units": 1, "ends_ms": 60_000, "settled": 0}]
    assert info["limits"][0]["first_leases"] == [{"id": "a", "units": 1, "ends_ms": 30_000}]


def test_a_lease_of_a_clock_that_was_ahead_is_listed_with_what_it_has_left_at_most(db, clock):
    clock.set(BASE + DAY)
    db.ask("RL.CHECK k CONCURRENT 9 30s ID a")
    clock.set(BASE)
    [lease] = db.rl_info("k")["limits"][0]["first_leases"]
    assert pairs(lease)["ends_ms"] == 30_000
