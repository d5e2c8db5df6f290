# SPDX-License-Identifier: MIT
"""HEADERS and JITTER: what an HTTP client is told, and when it is to come again.

The fields are read as RFC 9651 and RFC 9110 say, by a reader that refuses whatever these do not allow.
"""

from __future__ import annotations

import random
import re
from itertools import product
from math import ceil
from typing import NamedTuple

import pytest

from harness import DAY, MINUTE, MS, SECOND, pairs
from random_limits import any_limits, words
from resp import Connection
from seed import SEED
from vocabulary import ALGORITHMS

NAMES = ["RateLimit-Policy", "RateLimit", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
# A window in seconds; none for what is held at a time.
WINDOWS = {
    "TOKENBUCKET 10 10 60s": 60,
    "LEAKYBUCKET 10 10 60s": 60,
    "TOKENBUCKET 10 7 60s": 86,
    "FIXED 10 60s": 60,
    "FIXED 10 1500ms": 2,
    "FIXED 10 1ms": 1,
    "FIXED 10 60s ALIGNED": 60,
    "SLIDING 10 3650d": 315_360_000,
    "SLIDING 10 60s APPROX": 60,
    "QUOTA 10 HOUR": 3600,
    "QUOTA 10 DAY TZ Europe/Berlin": 86_400,
    "QUOTA 10 WEEK": 7 * 86_400,
    "QUOTA 10 MONTH ANCHOR 2026-01-31": 30 * 86_400,
    "QUOTA 10 QUARTER": 91 * 86_400,
    "CONCURRENT 10 60s": None,
}
WITH_PARTS = {"QUOTA 10 MONTH": (28, 31), "QUOTA 10 YEAR": (365, 366)}


class Item(NamedTuple):
    """A string with its parameters."""

    name: str
    parameters: dict[str, int | str]


def items(field: str) -> list[Item]:
    """A List of RFC 9651 whose members are Strings with parameters that are Integers or Strings."""
    string = r'"((?:[ !#-\[\]-~]|\\["\\])*)"'
    parameter = rf"; *([a-z*][a-z0-9_.*-]*)=(?:(-?[0-9]{{1,15}})|{string})"
    found, rest = [], field
    while True:
        item = re.match(rf"{string}((?:{parameter})*)", rest)
        assert item, f"no item at {rest!r} in {field!r}"
        given = re.findall(parameter, item[2])
        found.append(Item(item[1], {key: int(number) if number else text for key, number, text in given}))
        rest = rest[item.end() :]
        if not rest:
            return found
        comma = re.match(r"[ \t]*,[ \t]*(?=.)", rest)
        assert comma, f"no comma at {rest!r} in {field!r}"
        rest = rest[comma.end() :]


class Fields(NamedTuple):
    """All that a reply tells a client, read."""

    policies: dict[str, dict]
    standings: dict[str, dict]
    limit: int
    remaining: int
    reset: int
    retry_after: int | None

    @staticmethod
    def of(reply: tuple | list) -> Fields:
        fields = pairs(reply[-1])
        assert list(fields)[:5] == NAMES and set(fields) - {*NAMES} <= {"Retry-After"}
        policies, standings = items(fields["RateLimit-Policy"]), items(fields["RateLimit"])
        assert [item.name for item in policies] == [item.name for item in standings]
        assert len({item.name for item in policies}) == len(policies)
        plain = [fields[name] for name in NAMES[2:]] + [fields.get("Retry-After", "0")]
        assert all(re.fullmatch("0|[1-9][0-9]*", value) for value in plain)
        retry_after = int(plain[3]) if "Retry-After" in fields else None
        return Fields(dict(policies), dict(standings), *map(int, plain[:3]), retry_after)


def whole_seconds(wait_ms: int) -> int:
    return -(-wait_ms // 1000)


# --- the reader itself


NO_LISTS = ["", '"a', '"a";', '"a";q', '"a";q=x', '"a" "b"', '"a",', "a", '"a";q=1.5', '"é";q=1', '"a";Q=1']


@pytest.mark.parametrize("field", NO_LISTS)
def test_the_reader_of_this_test_refuses_what_is_no_list_of_strings(field):
    with pytest.raises(AssertionError):
        items(field)


# --- their form


@pytest.mark.parametrize(("limit", "window"), WINDOWS.items())
def test_a_policy_has_the_size_and_the_window_in_whole_seconds_rounded_up(db, clock, limit, window):
    label, policy = next(iter(Fields.of(db.ask(f"RL.CHECK k {limit} HEADERS")).policies.items()))
    assert label == limit.split()[0].lower()
    expected = {"q": 10, "qu": "concurrent-requests"} if window is None else {"q": 10, "w": window}
    assert policy == expected


@pytest.mark.parametrize(("limit", "days"), WITH_PARTS.items())
def test_the_window_of_a_month_and_a_year_is_about_that_long(db, clock, limit, days):
    [policy] = Fields.of(db.ask(f"RL.CHECK k {limit} HEADERS")).policies.values()
    assert days[0] * 86_400 <= policy["w"] <= days[1] * 86_400


@pytest.mark.parametrize("limit", ALGORITHMS)
def test_the_reply_is_as_without_headers_and_then_has_the_fields(db, clock, limit):
    for cost in (4, 7, 6, 11):
        plain = db.ask(f"RL.CHECK plain {limit} COST {cost} ID a{cost}")
        told = db.ask(f"RL.CHECK told {limit} COST {cost} ID a{cost} HEADERS")
        assert told[:-1] == plain
        fields = Fields.of(told)
        assert (fields.limit, fields.remaining) == (plain.limit, plain.remaining)
        short = db.ask(f"RL.{limit.replace(' ', ' short ', 1)} COST {cost} ID a{cost} HEADERS")
        assert short[:5] == plain[:5] and Fields.of(short) == fields
        assert len(short) == len(told) - 1, "all but the label"


def test_the_label_comes_first_then_the_id_then_the_fields(db, clock):
    granted = db.ask("RL.CHECK k CONCURRENT 1 60s AS mine ID a HEADERS")
    denied = db.ask("RL.CHECK k CONCURRENT 1 60s AS mine ID b HEADERS")
    assert (granted[5:7], denied[5:7]) == (("mine", "a"), ("mine", None))
    assert [len(granted), len(denied)] == [8, 8]
    assert [name for name in pairs(denied[7])] == [*NAMES, "Retry-After"]
    assert db.do("RL.CHECKALL 1 k CONCURRENT 1 60s AS mine HEADERS")[5:7] == ["mine", None]
    short = db.do("RL.CONCURRENT k 1 60s AS mine ID a HEADERS")
    assert (short[5], len(short)) == ("a", 7)


def test_each_limit_has_an_item_and_the_binding_one_the_plain_fields(db, clock):
    limits = "TOKENBUCKET 20 10 1s AS burst FIXED 100 1d QUOTA 5 HOUR PER REQUEST SLIDING 30 90s"
    reply = db.ask(f"RL.CHECK k {limits} COST 12 HEADERS")
    fields = Fields.of(reply)
    assert fields.policies == {
        "burst": {"q": 20, "w": 2},
        "fixed": {"q": 100, "w": 86_400},
        "quota": {"q": 5, "w": 3600},
        "sliding": {"q": 30, "w": 90},
    }
    assert {name: standing["r"] for name, standing in fields.standings.items()} == {
        "burst": 8,
        "fixed": 88,
        "quota": 4,
        "sliding": 18,
    }
    assert reply.label == "quota"
    assert (fields.limit, fields.remaining, fields.reset) == (5, 4, fields.standings["quota"]["t"])


def test_a_label_is_written_as_it_is(db, clock):
    label = "!#$%&'()*+,-./0189:;<=>?@AZ[]^_`az{|}~;q=1, x".replace(" ", "_")
    reply = db.execute_command("RL.CHECK", "k", "FIXED", 10, 60, "AS", label, "HEADERS")
    assert list(Fields.of(reply).policies) == [label]


def test_the_fields_of_a_subject_and_of_stored_limits_are_those_of_a_key(db, clock):
    db.do("RL.DEFINE stored FIXED 10 60s SLIDING 20 1h")
    for cost in (6, 3, 3, 11):
        one = db.ask(f"RL.CHECK k FIXED 10 60s SLIDING 20 1h COST {cost} HEADERS")
        assert db.ask(f"RL.CHECK k FIXED 10 60s SLIDING 20 1h COST {cost} FOR s HEADERS") == one
        assert db.ask(f"RL.CHECK stored COST {cost} FOR s HEADERS") == one
        assert db.ask(f"RL.CHECK stored COST {cost} HEADERS") == one
        clock.advance(SECOND)


def test_the_fields_of_several_keys_list_the_limits_of_all(db, clock):
    db.do("RL.DEFINE tenants FIXED 100 1d AS tenant TOKENBUCKET 50 1 1s")
    db.do("RL.DEFINE users FIXED 5 60s AS user")
    reply = db.ask("RL.CHECKALL 2 tenants users FOR acme alice COST 4 HEADERS")
    fields = Fields.of(reply)
    left = {name: standing["r"] for name, standing in fields.standings.items()}
    assert left == {"tenant": 96, "tokenbucket": 46, "user": 1}
    assert (reply.label, fields.limit, fields.remaining, fields.retry_after) == ("user", 5, 1, None)
    denied = Fields.of(db.ask("RL.CHECKALL 2 tenants users FOR acme alice COST 4 HEADERS"))
    assert denied.standings == fields.standings, "nothing was taken"
    assert (denied.reset, denied.retry_after) == (60, 60)


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_fields_are_a_flat_list_in_resp2_and_resp3(server, clock, protocol):
    with Connection(server.socket, protocol) as connection:
        reply = connection.do("RL.FIXED", "k", "10", "60s", "HEADERS")
    assert reply[:5] == [1, 10, 9, 0, 60_000]
    assert isinstance(reply[5], list) and Fields.of(reply).remaining == 9


# --- when there is more


@pytest.mark.parametrize(
    ("limit", "first", "later_s", "standing"),
    [
        ("TOKENBUCKET 10 1 1s", 4, 0, {"r": 6, "t": 1}),
        ("TOKENBUCKET 10 1 90s", 4, 30, {"r": 6, "t": 60}),
        ("LEAKYBUCKET 10 1 90s", 4, 30, {"r": 6, "t": 60}),
        ("FIXED 10 60s", 4, 15, {"r": 6, "t": 45}),
        ("FIXED 10 60s ALIGNED", 4, 59, {"r": 6, "t": 1}),
        ("SLIDING 10 60s", 4, 15, {"r": 6, "t": 45}),
        ("QUOTA 10 HOUR", 4, 600, {"r": 6, "t": 3000}),
        ("CONCURRENT 10 60s", 4, 15, {"r": 6, "t": 45}),
        ("FIXED 10 60s", 1, 60, {"r": 10, "t": 0}),
    ],
)
def test_t_is_when_there_is_more_and_zero_if_there_is_all(db, clock, limit, first, later_s, standing):
    """Looked at by a call that takes nothing: one that can never be granted."""
    db.ask(f"RL.CHECK k {limit} COST {first}")
    clock.advance(later_s * SECOND)
    fields = Fields.of(db.ask(f"RL.CHECK k {limit} COST 11 HEADERS"))
    assert list(fields.standings.values()) == [standing]


def test_a_call_that_is_granted_a_turn_is_told_what_is_left_at_that_turn(db, clock):
    db.ask("RL.FIXED j 5 1m COST 5")
    reply = db.ask("RL.FIXED j 5 1m COST 2 MAXWAIT 2m HEADERS")
    assert reply[:5] == (2, 5, 3, 60_000, 120_000)
    assert Fields.of(reply).standings == {"fixed": {"r": 3, "t": 120}}
    forced = db.ask("RL.CHECK j FIXED 5 1m COST 1 FORCE HEADERS")
    assert (forced.remaining, Fields.of(forced).standings) == (2, {"fixed": {"r": 2, "t": 120}})


def test_who_is_denied_the_renewal_of_a_lease_has_what_the_lease_holds(db, clock):
    db.ask("RL.CONCURRENT k 2 10s ID a")
    reply = db.ask("RL.CONCURRENT k 2 10s ID a COST 3 HEADERS")
    assert reply[:5] == (0, 2, 2, -1, 10_000)
    assert Fields.of(reply).standings == {"concurrent": {"r": 2, "t": 0}}
    db.ask("RL.CONCURRENT k 2 10s ID b")
    reply = db.ask("RL.CONCURRENT k 2 10s ID a COST 2 HEADERS")
    assert reply[:4] == (0, 2, 1, 10_000)
    assert Fields.of(reply).standings == {"concurrent": {"r": 1, "t": 10}}


def test_t_of_a_limit_that_denies_is_the_same_beside_one_that_never_grants(db, clock):
    db.ask("RL.CHECK m FIXED 3 1m TOKENBUCKET 10 1 10s COST 3")
    reply = db.ask("RL.CHECK m FIXED 3 1m TOKENBUCKET 10 1 10s COST 10 HEADERS")
    fields = Fields.of(reply)
    assert (reply.wait_ms, fields.retry_after) == (-1, None)
    assert fields.standings == {"fixed": {"r": 0, "t": 60}, "tokenbucket": {"r": 7, "t": 30}}


def test_t_of_a_limit_that_denies_is_when_it_would_grant_this_call(db, clock):
    limits = "TOKENBUCKET 10 1 1s AS burst FIXED 100 1d AS daily"
    db.ask(f"RL.CHECK k {limits} COST 8")
    fields = Fields.of(db.ask(f"RL.CHECK k {limits} COST 7 HEADERS"))
    assert fields.standings == {"burst": {"r": 2, "t": 5}, "daily": {"r": 92, "t": 86_400}}
    assert (fields.retry_after, fields.reset) == (5, 5)


# --- when to come again


@pytest.mark.parametrize("limit", ALGORITHMS)
def test_who_is_granted_is_not_told_to_come_again(db, clock, limit):
    for option in ("", "PARTIAL", "FORCE", "MAXWAIT 1d", "JITTER 1h"):
        reply = db.ask(f"RL.CHECK k {limit} COST 2 {option} HEADERS")
        assert (reply.granted, Fields.of(reply).retry_after) == (2, None)


@pytest.mark.parametrize("limit", ALGORITHMS)
@pytest.mark.parametrize("jitter", ["", "JITTER 1h"])
def test_who_is_never_granted_is_not_told_to_come_again(db, clock, limit, jitter):
    for line in ("RL.CHECK k", "RL.CHECKALL 1 k", "RL.CHECK k FOR s"):
        reply = db.ask(f"{line} {limit} COST 11 {jitter} HEADERS")
        assert (reply.granted, reply.wait_ms, Fields.of(reply).retry_after) == (0, -1, None)


@pytest.mark.parametrize("call", ["RL.CHECK k", "RL.CHECKALL 1 k"])
def test_on_trial_nobody_is_told_to_come_again(db, clock, call):
    db.do("RL.DEFINE k FIXED 10 60s SHADOW")
    for cost in (10, 1, 11):
        reply = db.ask(f"{call} COST {cost} JITTER 1h HEADERS")
        fields = Fields.of(reply)
        assert (reply[:5], fields.retry_after) == ((cost, 10, 10, 0, 0), None)
        assert (fields.limit, fields.remaining, fields.reset) == (10, 10, 0)
        assert fields.standings == {"fixed": {"r": 10, "t": 0}}


@pytest.mark.parametrize(("wait_ms", "seconds"), [(1, 1), (999, 1), (1000, 1), (1001, 2), (59_999, 60), (60_000, 60)])
def test_retry_after_is_rounded_up_and_never_zero(db, clock, wait_ms, seconds):
    db.ask("RL.FIXED k 10 60s COST 10")
    clock.advance(MINUTE - wait_ms * MS)
    reply = db.ask("RL.FIXED k 10 60s HEADERS")
    fields = Fields.of(reply)
    assert (reply.wait_ms, fields.retry_after, fields.reset) == (wait_ms, seconds, seconds)


@pytest.mark.parametrize("cost", [1, 4, 10])
@pytest.mark.parametrize("limit", ALGORITHMS)
def test_who_waits_for_retry_after_is_granted(db, clock, limit, cost):
    db.ask(f"RL.CHECK k {limit} COST 7")
    clock.advance(1234 * MS)
    db.ask(f"RL.CHECK k {limit} COST 3")
    reply = db.ask(f"RL.CHECK k {limit} COST {cost} HEADERS")
    assert reply.granted == 0
    clock.advance((Fields.of(reply).retry_after - 1) * SECOND)
    assert db.ask(f"RL.PEEK k COST {cost}").wait_ms <= 1000, "not a second longer than need be"
    clock.advance(SECOND)
    assert db.ask(f"RL.CHECK k {limit} COST {cost}").granted == cost


@pytest.mark.parametrize(("options", "waits"), [("PARTIAL", 60), ("MAXWAIT 20s", 40), ("MAXWAIT 59s", 1)])
def test_who_takes_less_or_may_wait_is_told_to_come_again_the_sooner(db, clock, options, waits):
    db.ask("RL.FIXED k 10 60s COST 10")
    reply = db.ask(f"RL.FIXED k 10 60s COST 5 {options} HEADERS")
    assert (reply.granted, Fields.of(reply).retry_after) == (0, waits)
    clock.advance(waits * SECOND)
    assert db.ask(f"RL.FIXED k 10 60s COST 5 {options}").granted == 5


def test_who_comes_while_somebody_waits_is_told_of_that_turn(db, clock):
    db.ask("RL.FIXED k 10 60s COST 10")
    db.ask("RL.FIXED k 10 60s COST 3 MAXWAIT 2m")
    fields = Fields.of(db.ask("RL.FIXED k 10 60s HEADERS"))
    assert (fields.remaining, fields.retry_after) == (0, 60)
    assert fields.standings["fixed"] == {"r": 0, "t": 60}


LONGEST_STEP = 60 * DAY  # 480 of these end before the year 2200


def test_whatever_the_limits_are_the_fields_agree_with_the_reply_and_with_each_other(db, clock):
    """Random limits, all kinds, one to eight of them, until they deny; then the clock moves on by Retry-After."""
    rng = random.Random(f"{SEED} headers")
    for number in range(120):
        limits = any_limits(rng, rng.randint(1, 8))
        smallest = min([limit.size for limit in limits if not limit.per_request], default=1)
        for _ in range(4):
            cost = max(1, rng.choice([smallest, smallest // 2, smallest // 3]))
            line = f"RL.CHECK k{number} {words(limits)} COST {cost}"
            reply = db.ask(f"{line} HEADERS")
            fields = Fields.of(reply)
            about = f"RATELIMIT_TEST_SEED={SEED}: {line} -> {reply}"
            assert fields.policies.keys() == fields.standings.keys() and len(fields.policies) == len(limits), about
            said = tuple(min(count, 999_999_999_999_999) for count in reply[1:3])
            assert (fields.limit, fields.remaining) == said, about
            assert (fields.policies[reply.label]["q"], fields.standings[reply.label]["r"]) == said, about
            assert fields.reset == fields.standings[reply.label]["t"], about
            if reply.granted or reply.wait_ms < 0:
                assert fields.retry_after is None, about
                continue
            assert fields.retry_after >= max(whole_seconds(reply.wait_ms), fields.reset, 1), about
            if fields.retry_after * SECOND <= LONGEST_STEP:
                clock.advance(fields.retry_after * SECOND)
                assert db.ask(f"RL.PEEK k{number} {words(limits)} COST {cost}").granted == cost, about


def test_retry_after_is_not_before_the_t_of_any_limit_that_denies(db, clock):
    line = "RL.CHECK k FIXED 10 30s AS half SLIDING 12 60s AS one TOKENBUCKET 14 1 90s AS slow FIXED 100 1d AS day"
    db.ask(f"{line} COST 10")
    fields = Fields.of(db.ask(f"{line} COST 9 HEADERS"))
    denying = ("half", "one", "slow")
    assert fields.retry_after == max(fields.standings[label]["t"] for label in denying) == 450
    assert fields.standings["day"]["t"] == 86_400, "it would grant the call"


# --- jitter


CALLERS = 300


@pytest.mark.parametrize("who", ["", " FOR s"])
@pytest.mark.parametrize("line", ["RL.FIXED k 10 60s", "RL.CHECK k FIXED 10 60s", "RL.CHECKALL 1 k FIXED 10 60s"])
def test_who_is_denied_together_does_not_come_back_together(db, clock, line, who):
    db.ask(f"{line} COST 10{who}")
    replies = db.ask_times(CALLERS, f"{line} JITTER 10s HEADERS{who}")
    waits = [reply.wait_ms for reply in replies]
    assert all(60_000 <= wait <= 70_000 for wait in waits)
    # Spread evenly, 30 are expected in each of ten parts; fewer than 8 come less often than once in 10^6 runs.
    parts = [sum(60_000 + 1000 * part <= wait < 61_000 + 1000 * part for wait in waits) for part in range(10)]
    assert min(parts) >= 8 and len(set(waits)) > CALLERS // 2
    for reply in replies:
        fields = Fields.of(reply)
        assert fields.retry_after >= ceil(reply.wait_ms / 1000), "not before wait_ms"
        assert fields.retry_after <= 70
        assert reply[:3] == (0, 10, 0) and reply.reset_ms == 60_000
        assert fields.reset >= 60


@pytest.mark.parametrize("limit", ALGORITHMS)
def test_jitter_never_makes_a_wait_shorter_nor_longer_than_it_says(db, clock, limit):
    db.ask(f"RL.CHECK k {limit} COST 10")
    true_wait = db.ask(f"RL.CHECK k {limit} COST 3").wait_ms
    waits = [reply.wait_ms for reply in db.ask_times(100, f"RL.CHECK k {limit} COST 3 JITTER 5ms")]
    assert true_wait <= min(waits) and max(waits) <= true_wait + 5
    assert len(set(waits)) > 1


@pytest.mark.parametrize(("limit", "cost"), product(ALGORITHMS, [4, 11]))
def test_jitter_says_nothing_to_who_is_granted_or_never_granted(db, clock, limit, cost):
    plain = db.ask(f"RL.CHECK plain {limit} COST {cost} ID a")
    assert db.ask(f"RL.CHECK k {limit} COST {cost} ID a JITTER 3650d") == plain


def test_jitter_and_headers_take_and_write_nothing(db, clock):
    db.ask("RL.FIXED k 10 60s COST 10")
    before = db.digest("k"), db.changes()
    db.ask_times(20, "RL.FIXED k 10 60s JITTER 1h HEADERS")
    assert (db.digest("k"), db.changes()) == before


def test_the_longest_jitter_of_the_longest_wait_is_a_number_like_any(db, clock):
    db.ask("RL.FIXED k 1 3650d")
    replies = db.ask_times(50, "RL.FIXED k 1 3650d JITTER 3650d HEADERS")
    longest = 3650 * 86_400
    for reply in replies:
        assert longest * 1000 <= reply.wait_ms <= 2 * longest * 1000
        assert longest <= whole_seconds(reply.wait_ms) <= Fields.of(reply).retry_after <= 2 * longest


def test_who_waits_as_told_with_jitter_is_granted(db, clock):
    db.ask("RL.TOKENBUCKET k 10 7 60s COST 10")
    for cost in (1, 4, 10):
        reply = db.ask(f"RL.TOKENBUCKET k 10 7 60s COST {cost} JITTER 3s")
        clock.advance(reply.wait_ms * MS)
        assert db.ask(f"RL.TOKENBUCKET k 10 7 60s COST {cost}").granted == cost
