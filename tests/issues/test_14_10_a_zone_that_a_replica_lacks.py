# SPDX-License-Identifier: MIT
"""Report 14, number 10: a client that names a zone can make a replica drop a key, and exit."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import Client, Clock, Server, eventually

ZONE = "Asia/Kathmandu"
LINES = [
    f"RL.QUOTA single 10 DAY TZ {ZONE} COST 3",
    f"RL.CHECK dense QUOTA 10 MONTH TZ {ZONE} FIXED 5 1d COST 2 FOR me",
    f"RL.DEFINE limiter QUOTA 10 DAY TZ {ZONE}",
    "RL.CHECK limiter COST 4 FOR me",
]
QUESTIONS = ["RL.PEEK single", "RL.PEEK dense FOR me", "RL.PEEK limiter FOR me"]
# 13:45 in Kathmandu, where the day ends at 18:15 UTC.
UNTIL_MIDNIGHT_THERE = (10 * 60 + 15) * 60_000


def without_zones(start_server, directory: Path, primary: Server) -> Server:
    replica = start_server("--replicaof", f"127.0.0.1 {primary.port}", variables={"TZDIR": str(directory)})
    eventually(lambda: is_in_sync(replica), "the replica to be in sync")
    return replica


def is_in_sync(replica: Server) -> bool:
    with replica.client() as db:
        return db.info("replication")["master_link_status"] == "up"


def hold(*clients: Client) -> None:
    for client in clients:
        Clock(client).set(1_800_000_000 * 10**9)


@pytest.mark.parametrize("when", ["it follows", "it joins"])
def test_a_replica_that_lacks_a_zone_keeps_the_key_and_says_so(start_server, tmp_path, when):
    primary = start_server()
    with primary.client() as db:
        hold(db)
        replica = without_zones(start_server, tmp_path, primary) if when == "it follows" else None
        for line in LINES:
            assert db.do(line)
        replica = replica or without_zones(start_server, tmp_path, primary)
        assert db.do("WAIT 1 60000") == 1
        with replica.client() as copy:
            hold(copy)
            assert copy.do("DEBUG DIGEST") == db.do("DEBUG DIGEST")
            assert [copy.do(line) for line in QUESTIONS] == [db.do(line) for line in QUESTIONS]
            assert copy.ask("RL.PEEK single") == (1, 10, 7, 0, UNTIL_MIDNIGHT_THERE, "quota")
        for key in ("single", "dense", "limiter"):
            assert any(ZONE in line and key in line for line in replica.log().splitlines()), key
        primary.assert_well()
        replica.assert_well()


def test_a_server_that_lacks_a_zone_starts_with_its_file_and_goes_on(start_server, tmp_path):
    primary = start_server()
    with primary.client() as db:
        hold(db)
        for line in LINES:
            db.do(line)
        replica = without_zones(start_server, tmp_path, primary)
        with replica.client() as copy:
            copy.do("REPLICAOF NO ONE")
            before = copy.do("DEBUG DIGEST")
            copy.save()
    replica.restart()
    with replica.client() as copy:
        copy.do("REPLICAOF NO ONE")
        hold(copy)
        assert copy.do("DEBUG DIGEST") == before
        assert copy.ask("RL.CHECK limiter COST 6 FOR me") == (6, 10, 0, 0, UNTIL_MIDNIGHT_THERE, "quota")
        assert copy.ask("RL.CHECK limiter FOR me").granted == 0
        Clock(copy).advance(UNTIL_MIDNIGHT_THERE * 10**6)
        # The window that was there has ended; the next one is that of UTC, which ends at midnight: in 5 h 45 min.
        assert copy.ask("RL.CHECK limiter FOR me") == (1, 10, 9, 0, (5 * 60 + 45) * 60_000, "quota")


def test_a_client_cannot_name_a_zone_that_is_not_there(start_server, tmp_path):
    server = start_server(variables={"TZDIR": str(tmp_path)})
    with server.client() as db:
        assert db.error(*f"RL.QUOTA k 10 DAY TZ {ZONE}".split())
        assert db.exists("k") == 0
