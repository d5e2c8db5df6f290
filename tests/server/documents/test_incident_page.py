# SPDX-License-Identifier: MIT
"""What docs/incident.md says of the five commands, and how to read them, is true. Its sessions are run by
test_readme.py."""

from __future__ import annotations

import re

from harness import HOUR, MINUTE, REPOSITORY, SECOND, Client, Clock, pairs

PAGE = (REPOSITORY / "docs" / "incident.md").read_text()
DEFINE = "RL.DEFINE api:free TOKENBUCKET 20 10 1s AS burst QUOTA 300 DAY AS daily"


def entry(db: Client) -> dict[str, object]:
    """The only one of the log."""
    ((who, label, first_ms, last_ms, times, _),) = db.do("RL.LOG api:free")
    return {"who": who, "label": label, "first": first_ms, "last": last_ms, "times": times}


def test_an_entry_of_the_log_does_not_end_with_its_trouble_nor_by_a_reset(db: Client, clock: Clock):
    db.do(DEFINE)
    db.ask_times(23, "RL.CHECK api:free FOR acme")
    before = entry(db)
    assert db.do("RL.RESET api:free FOR acme") == 1
    assert entry(db) == before
    clock.advance(2 * HOUR)
    db.ask_times(21, "RL.CHECK api:free FOR acme")
    after = entry(db)
    assert after["first"] == before["first"]
    assert (after["last"] - before["last"], after["times"] - before["times"]) == (2 * HOUR // 10**6, 1)


def test_of_who_is_denied_by_a_burst_why_says_granted_a_moment_later(db: Client, clock: Clock):
    db.do(DEFINE)
    db.ask_times(60, "RL.CHECK api:free FOR acme")
    clock.advance(SECOND)
    assert db.rl_info("api:free", "acme")["why"].startswith("a call of 1 unit is granted")
    assert entry(db)["times"] == 40


def test_a_block_does_not_make_the_program_call_less_and_its_denials_count(db: Client, clock: Clock):
    db.do(DEFINE)
    db.do("RL.BLOCK api:free 1h FOR acme")
    db.ask_times(5, "RL.CHECK api:free FOR acme")
    assert db.do("RL.TOP api:free") == [["acme", 5, 0]]
    assert (entry(db)["label"], entry(db)["times"]) == ("blocked", 5)
    assert db.rl_info("api:free")["denied"] == 5


def test_it_is_mended_when_the_log_stands_still_and_use_grows(db: Client, clock: Clock):
    db.do(DEFINE)
    db.ask_times(21, "RL.CHECK api:free FOR acme")
    before = entry(db)
    used = db.rl_info("api:free", "acme")["limits"][1]["used"]
    clock.advance(MINUTE)
    db.do("RL.CHECK api:free FOR acme")
    assert entry(db) == before
    assert db.rl_info("api:free", "acme")["limits"][1]["used"] == used + 1


def test_a_misspelt_name_is_no_error_and_only_info_shows_it(db: Client, clock: Clock):
    db.do(DEFINE)
    assert db.execute_command("RL.INFO", "api:free", "FOR", "acmee") is None
    assert db.ask("RL.PEEK api:free FOR acmee").remaining == 20
    assert db.do("RL.BLOCK api:free 1h FOR acmee") == 1
    assert db.do(f"{DEFINE} FOR acmeee") == "OK"
    assert db.rl_info("api:free")["exceptions"] == 1


def test_an_exception_names_all_limits_of_the_plan(db: Client, clock: Clock):
    db.do("RL.DEFINE api:free FIXED 100 1m AS burst QUOTA 300 DAY AS daily")
    assert "must have the labels" in db.error(*"RL.DEFINE api:free QUOTA 1000 DAY AS daily FOR acme".split())
    assert db.do(re.search(r"`(RL\.DEFINE api:free [^`…]+ FOR acme)`", PAGE)[1]) == "OK"
    assert db.rl_info("api:free", "acme")["exception"] == 1


def ends_of(db: Client) -> dict[str, int]:
    """Of the leases of the only limit."""
    (limit,) = db.rl_info("export", "acme")["limits"]
    leases = map(pairs, limit["first_leases"])
    return {lease["id"]: lease["ends_ms"] for lease in leases}


def test_a_lease_that_is_not_renewed_only_falls(db: Client, clock: Clock):
    db.do("RL.DEFINE export CONCURRENT 2 1h AS exports")
    for name in ("dead", "alive"):
        db.do(f"RL.CHECK export FOR acme ID {name}")
    clock.advance(MINUTE)
    db.do("RL.CHECK export FOR acme ID alive")
    assert ends_of(db) == {"dead": 59 * 60_000, "alive": 60 * 60_000}
    assert db.ask("RL.CHECK export FOR acme ID new").granted == 0
    assert db.do("RL.RELEASE export dead FOR acme") == 1
    assert db.ask("RL.CHECK export FOR acme ID new").granted == 1


def test_what_was_used_counts_in_the_other_plan(db: Client, clock: Clock):
    db.do("RL.DEFINE api:free QUOTA 300 DAY AS daily")
    db.do("RL.DEFINE api:paid QUOTA 1000 DAY AS daily")
    db.do("RL.CHECK api:free FOR acme COST 300")
    (command,) = re.findall(r"`(RL\.TRANSFER [^`]+)`", PAGE)
    assert db.do(command) == 1
    assert db.ask("RL.PEEK api:paid FOR acme").remaining == 700
    assert db.ask("RL.PEEK api:free FOR acme").remaining == 300
