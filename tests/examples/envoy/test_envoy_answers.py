# SPDX-License-Identifier: MIT
"""What Envoy is answered: codes, statuses, headers and metadata, by the rules. The clock is held at a midnight."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from envoy_client import NEGATIVE, OK, OVER, Envoy, Unit, descriptor
from harness import BASE, HOUR, MINUTE, MS, SECOND, Clock, Server

pytestmark = pytest.mark.usefixtures("clock")

Envoys = Callable[..., Envoy]

ADDRESS = """
  - key: address
    rate_limit: {unit: hour, requests_per_unit: 3}
"""
TENANT = """
  - key: tenant
    rate_limit: {unit: minute, requests_per_unit: 2}
"""
ALICE = descriptor(("address", "alice"))
BOB = descriptor(("address", "bob"))
ACME = descriptor(("tenant", "acme"))


# --- codes ------------------------------------------------------------------------------------------


def test_it_is_ok_until_the_limit_and_over_limit_after(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS)
    assert envoy.codes(ALICE, times=5) == [OK, OK, OK, OVER, OVER]


def test_each_value_has_a_count_of_its_own(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS)
    assert envoy.codes(ALICE, times=4) == [OK, OK, OK, OVER]
    assert envoy.codes(BOB, times=4) == [OK, OK, OK, OVER]


def test_what_no_rule_matches_is_ok_and_has_no_limit(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS)
    for strange in (descriptor(("path", "/")), descriptor(("address", "alice"), ("path", "/"))):
        answer = envoy.ask(strange)
        assert answer.overall_code == OK and not answer.statuses[0].HasField("current_limit")
    answer = envoy.ask(ALICE, domain="other")
    assert answer.overall_code == OK and not answer.statuses[0].HasField("current_limit")


def test_a_window_ends_with_the_hour(envoys: Envoys, clock: Clock) -> None:
    envoy = envoys(ADDRESS + TENANT)
    assert envoy.codes(ALICE, ACME, hits=2) == [OK]
    clock.set(BASE + HOUR - MS)
    assert envoy.codes(ALICE, ACME, hits=2) == [OVER]
    clock.set(BASE + HOUR)
    assert envoy.codes(ALICE, ACME, hits=2) == [OK]


# --- several descriptors ----------------------------------------------------------------------------


def test_all_descriptors_are_charged_or_none_is(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS + TENANT)
    assert envoy.codes(ALICE, ACME, times=3) == [OK, OK, OVER]
    assert envoy.remaining(ALICE, ACME) == [1, 0]
    answer = envoy.ask(ALICE, ACME)
    assert [status.code for status in answer.statuses] == [OK, OVER]


def test_statuses_are_in_the_order_of_the_descriptors(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS + TENANT)
    answer = envoy.ask(ACME, descriptor("path"), ALICE, BOB)
    limits = [status.current_limit for status in answer.statuses]
    assert [limit.requests_per_unit for limit in limits] == [2, 0, 3, 3]
    assert [limit.unit for limit in limits] == [Unit.MINUTE, Unit.UNKNOWN, Unit.HOUR, Unit.HOUR]


def test_equal_descriptors_are_charged_together(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS)
    assert envoy.codes(ALICE, ALICE, times=2) == [OK, OVER]
    assert envoy.remaining(ALICE) == [1]


# --- which rule -------------------------------------------------------------------------------------


def test_a_rule_may_need_several_entries(envoys: Envoys) -> None:
    envoy = envoys(
        """
  - key: tenant
    descriptors:
      - key: path
        value: /export
        rate_limit: {unit: day, requests_per_unit: 1}
"""
    )
    export = descriptor(("tenant", "acme"), ("path", "/export"))
    assert envoy.codes(export, times=2) == [OK, OVER]
    assert envoy.codes(descriptor(("tenant", "other"), ("path", "/export"))) == [OK]
    for shorter in (ACME, descriptor(("tenant", "acme"), ("path", "/"))):
        assert not envoy.ask(shorter).statuses[0].HasField("current_limit")


def test_a_value_of_its_own_goes_before_any_value(envoys: Envoys) -> None:
    envoy = envoys(
        """
  - key: tenant
    value: acme
    rate_limit: {unit: hour, requests_per_unit: 100}
  - key: tenant
    rate_limit: {unit: hour, requests_per_unit: 5}
"""
    )
    answer = envoy.ask(ACME, descriptor(("tenant", "other")))
    assert [status.current_limit.requests_per_unit for status in answer.statuses] == [100, 5]


def test_a_wildcard_matches_the_beginnings_of_values(envoys: Envoys) -> None:
    envoy = envoys(
        """
  - key: path
    value: /api/*
    rate_limit: {unit: hour, requests_per_unit: 2}
"""
    )
    one, two = descriptor(("path", "/api/one")), descriptor(("path", "/api/two"))
    assert envoy.codes(one, times=3) == [OK, OK, OVER]
    assert envoy.codes(two, times=3) == [OK, OK, OVER]
    assert not envoy.ask(descriptor(("path", "/ap"))).statuses[0].HasField("current_limit")


def test_a_shared_threshold_is_one_count_for_all_values(envoys: Envoys) -> None:
    envoy = envoys(
        """
  - key: path
    value: /api/*
    share_threshold: true
    rate_limit: {unit: hour, requests_per_unit: 2}
"""
    )
    one, two = descriptor(("path", "/api/one")), descriptor(("path", "/api/two"))
    assert [*envoy.codes(one), *envoy.codes(two), *envoy.codes(one)] == [OK, OK, OVER]


def test_unlimited_is_never_over(envoys: Envoys) -> None:
    envoy = envoys("  - key: probe\n    rate_limit: {unlimited: true}\n")
    answer = envoy.ask(descriptor("probe"), hits=1_000_000)
    assert answer.overall_code == OK and not answer.statuses[0].HasField("current_limit")


def test_a_rule_on_trial_denies_nobody(envoys: Envoys) -> None:
    envoy = envoys("  - key: tenant\n    shadow_mode: true\n    rate_limit: {unit: hour, requests_per_unit: 1}\n")
    assert envoy.codes(ACME, times=3) == [OK, OK, OK]


def test_the_whole_service_may_be_on_trial(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS, envoy_shadow="yes")
    assert envoy.codes(ALICE, times=5) == [OK] * 5


def test_a_rule_may_replace_another(envoys: Envoys) -> None:
    envoy = envoys(
        """
  - key: address
    rate_limit: {unit: hour, requests_per_unit: 1, name: address}
  - key: tenant
    rate_limit: {unit: hour, requests_per_unit: 3, replaces: [{name: address}]}
"""
    )
    assert envoy.codes(ALICE, ACME, times=4) == [OK, OK, OK, OVER]
    assert envoy.codes(ALICE, times=2) == [OK, OVER]


def test_rules_of_quota_mode_deny_only_together(envoys: Envoys) -> None:
    envoy = envoys(
        """
  - key: address
    quota_mode: true
    rate_limit: {unit: hour, requests_per_unit: 1}
  - key: tenant
    quota_mode: true
    rate_limit: {unit: hour, requests_per_unit: 3}
"""
    )
    assert envoy.codes(ALICE, ACME, times=4) == [OK, OK, OK, OVER]


# --- hits -------------------------------------------------------------------------------------------


def test_hits_of_the_request_are_those_of_each_descriptor(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS + TENANT)
    assert envoy.codes(ALICE, ACME, hits=2) == [OK]
    assert envoy.remaining(ALICE, ACME) == [1, 0]


def test_hits_that_do_not_fit_take_nothing(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS)
    assert envoy.codes(ALICE, hits=4) == [OVER]
    assert envoy.remaining(ALICE) == [3]


def test_no_hits_of_the_request_are_one(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS)
    envoy.ask(ALICE, hits=0)
    assert envoy.remaining(ALICE) == [2]


def test_a_descriptor_may_have_hits_of_its_own(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS + TENANT)
    answer = envoy.ask(descriptor(("address", "alice"), hits=3), ACME)
    assert [status.limit_remaining for status in answer.statuses] == [0, 1]


def test_no_hits_of_a_descriptor_only_look(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS + TENANT)
    look = descriptor(("address", "alice"), hits=0)
    assert envoy.codes(look, times=9) == [OK] * 9
    envoy.ask(look, ACME)
    assert envoy.remaining(ALICE, ACME) == [3, 1]


def test_negative_hits_are_given_back(envoys: Envoys) -> None:
    assert descriptor("a", negative=True).SerializeToString().endswith(NEGATIVE)
    envoy = envoys(ADDRESS)
    assert envoy.codes(ALICE, times=4) == [OK, OK, OK, OVER]
    assert envoy.codes(descriptor(("address", "alice"), hits=2, negative=True)) == [OK]
    assert envoy.codes(ALICE, times=3) == [OK, OK, OVER]


def test_hits_may_be_given_back_beside_others(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS + TENANT)
    envoy.ask(ALICE, hits=3)
    assert envoy.codes(descriptor(("address", "alice"), hits=1, negative=True), ACME) == [OK]
    assert envoy.remaining(ALICE, ACME) == [1, 1]


def test_a_limit_that_comes_with_the_request_goes_before_the_rule(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS)
    larger = descriptor(("address", "alice"), limit=(5, "MINUTE"))
    answer = envoy.ask(larger)
    assert answer.statuses[0].current_limit.requests_per_unit == 5
    assert answer.statuses[0].current_limit.unit == Unit.MINUTE
    assert envoy.codes(larger, times=5) == [OK, OK, OK, OK, OVER]
    assert envoy.remaining(ALICE) == [3], "the rule's own count is another one"


def test_a_limit_that_comes_with_the_request_goes_beside_rules(envoys: Envoys) -> None:
    envoy = envoys(ADDRESS)
    given = descriptor(("tenant", "acme"), limit=(2, "HOUR"))
    assert envoy.codes(ALICE, given, times=3) == [OK, OK, OVER]
    assert envoy.remaining(ALICE) == [1]


# --- statuses, headers, metadata --------------------------------------------------------------------


def test_a_status_says_the_limit_what_is_left_and_for_how_long(envoys: Envoys, clock: Clock) -> None:
    envoy = envoys("  - key: tenant\n    rate_limit: {unit: minute, requests_per_unit: 2, name: small}\n")
    clock.set(BASE + 10 * SECOND)
    answer = envoy.ask(ACME)
    (status,) = answer.statuses
    assert (answer.overall_code, status.code) == (OK, OK)
    limit = status.current_limit
    assert (limit.requests_per_unit, limit.unit, limit.name) == (2, Unit.MINUTE, "small")
    assert (status.limit_remaining, status.duration_until_reset.seconds) == (1, 50)
    assert [status.limit_remaining for status in envoy.ask(ACME).statuses] == [0]
    denied = envoy.ask(ACME).statuses[0]
    assert (denied.code, denied.limit_remaining, denied.duration_until_reset.seconds) == (OVER, 0, 50)


def test_the_time_until_reset_is_never_too_short(envoys: Envoys, clock: Clock) -> None:
    envoy = envoys(TENANT)
    clock.set(BASE + MINUTE - 100 * MS)
    assert envoy.ask(ACME).statuses[0].duration_until_reset.seconds == 1


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86_400)],
)
def test_windows_have_the_length_of_their_unit(envoys: Envoys, unit: str, seconds: int) -> None:
    envoy = envoys(f"  - key: tenant\n    rate_limit: {{unit: {unit}, requests_per_unit: 9}}\n")
    status = envoy.ask(ACME).statuses[0]
    assert status.current_limit.unit == Unit.Value(unit.upper())
    assert status.duration_until_reset.seconds == seconds


@pytest.mark.parametrize("unit", ["week", "month", "year"])
def test_longer_units_are_those_of_the_calendar(envoys: Envoys, unit: str) -> None:
    envoy = envoys(f"  - key: tenant\n    rate_limit: {{unit: {unit}, requests_per_unit: 1}}\n")
    status = envoy.ask(ACME).statuses[0]
    assert status.current_limit.unit == Unit.Value(unit.upper())
    assert 0 < status.duration_until_reset.seconds <= 366 * 86_400
    assert envoy.codes(ACME) == [OVER]


def test_headers_come_if_they_are_wanted(envoys: Envoys) -> None:
    envoy = envoys(TENANT, envoy_headers="yes")
    headers = {each.key: each.value for each in envoy.ask(ACME).response_headers_to_add}
    assert headers["RateLimit-Limit"].startswith("2")
    assert (headers["RateLimit-Remaining"], headers["RateLimit-Reset"]) == ("1", "60")
    assert "Retry-After" not in headers
    envoy.ask(ACME)
    denied = {each.key: each.value for each in envoy.ask(ACME).response_headers_to_add}
    assert denied["Retry-After"] == "60" and "tenant" in denied["x-ratelimit-denied-by"]


def test_without_settings_there_are_neither_headers_nor_metadata(envoys: Envoys) -> None:
    answer = envoys(TENANT).ask(ACME)
    assert not answer.response_headers_to_add and not answer.HasField("dynamic_metadata")


def test_metadata_say_who_was_denied_by_what(envoys: Envoys) -> None:
    envoy = envoys(TENANT, envoy_metadata="yes")
    assert envoy.codes(ACME, times=2) == [OK, OK]
    metadata = envoy.ask(ACME).dynamic_metadata
    assert metadata["domain"] == "web"
    assert dict(metadata["denied_by"]) == {"rule": "web.tenant", "label": "fixed", "wait_ms": 60_000}


# --- limits that Envoy's service does not have ------------------------------------------------------


def test_any_limit_may_stand_in_the_rules(envoys: Envoys, clock: Clock) -> None:
    envoy = envoys("  - key: tenant\n    limit: TOKENBUCKET 2 1 10s\n" + ADDRESS)
    assert envoy.codes(ACME, ALICE, times=3) == [OK, OK, OVER]
    clock.advance(10 * SECOND)
    assert envoy.codes(ACME, ALICE, times=2) == [OK, OVER]


def test_several_limits_may_stand_in_the_rules(envoys: Envoys) -> None:
    envoy = envoys(
        "  - key: tenant\n    limit: [FIXED 2 1m AS burst, QUOTA 3 MONTH TZ Europe/Berlin AS month]\n" + ADDRESS
    )
    assert envoy.codes(ACME, ALICE, times=3) == [OK, OK, OVER]
    assert envoy.remaining(ALICE) == [1]


# --- the server -------------------------------------------------------------------------------------


def test_one_request_is_one_command(envoys: Envoys, server: Server) -> None:
    envoy = envoys(ADDRESS + TENANT)
    envoy.ask(ALICE, BOB, ACME)
    with server.client() as db:
        before = db.info("commandstats")
        envoy.ask(ALICE, BOB, ACME)
        after = db.info("commandstats")
    more = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    assert {name: calls for name, calls in more.items() if calls and "info" not in name} == {"cmdstat_RL.CHECKALL": 1}


def test_rules_are_limiters_of_the_server(envoys: Envoys, server: Server) -> None:
    envoy = envoys(TENANT)
    envoy.ask(ACME)
    with server.client() as db:
        cursor, names = db.execute_command("RL.LIMITERS", 0, "COUNT", 1000)
        assert int(cursor) == 0 and names == ["envoy:{web}:tenant"]
        limits = db.rl_info(names[0], "acme")["limits"]
    assert [limit["used"] for limit in limits] == [1]
