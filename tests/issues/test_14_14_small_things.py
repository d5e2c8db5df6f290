# SPDX-License-Identifier: MIT
"""Report 14, number 14: events, sizes, ends, missing limits and missing words."""

from __future__ import annotations

import pytest
from redis import ResponseError

from ears import ReplicaEar
from harness import MINUTE, PATIENCE_S, REPOSITORY, SECOND, Client, Clock

TOO_FEW = [
    *("RL.CHECK", "RL.TOKENBUCKET k 10", "RL.LEAKYBUCKET k 10", "RL.FIXED k", "RL.SLIDING k", "RL.QUOTA k"),
    *("RL.CONCURRENT k", "RL.CHECKALL 1", "RL.PEEK", "RL.REFUND k", "RL.RESERVE k", "RL.SETTLE k a", "RL.RELEASE k"),
    *("RL.DEFINE k", "RL.INFO", "RL.TOP", "CL.THROTTLE k 1 1"),
]


def test_a_refund_that_empties_a_key_is_told_as_its_end(server, db, clock, configure):
    configure("notify-keyspace-events", "KEAn")
    db.ask("RL.FIXED k 10 1h COST 4")
    with server.client() as listener:
        heard = listener.pubsub()
        heard.subscribe("__keyspace@0__:k")
        assert heard.get_message(timeout=PATIENCE_S)["type"] == "subscribe"
        assert db.do("RL.REFUND k 4") == 4
        assert db.exists("k") == 0
        db.publish("__keyspace@0__:k", "that was all")
        events = []
        while (message := heard.get_message(timeout=PATIENCE_S))["data"] != "that was all":
            events.append(message["data"])
    assert "del" in events and "new" not in events


@pytest.mark.parametrize("way", ["refunded", "settled"])
def test_a_bucket_is_as_small_as_before_when_all_is_done(db, clock, way):
    bucket = "TOKENBUCKET 1000 1 1m"
    db.ask(f"RL.CHECK plain {bucket} COST 5")
    db.ask(f"RL.CHECK other {bucket} COST 4")
    if way == "refunded":
        assert db.do("RL.REFUND other 2") == 2
    else:
        db.do(f"RL.RESERVE other 1s {bucket} COST 2 ID a")
        db.do("RL.SETTLE other a 2")
        clock.advance(SECOND)
    for key in ("plain", "other"):
        db.ask(f"RL.CHECK {key} {bucket}")
    assert db.rl_info("other")["memory"] == db.rl_info("plain")["memory"]
    assert db.memory_usage("other") == db.memory_usage("plain")


def test_the_end_of_a_key_does_not_depend_on_who_follows(start_server):
    ends = []
    for is_followed in (False, True):
        server = start_server("--repl-diskless-sync-delay", "0")
        with server.client() as db:
            Clock(db).set(1_800_000_000 * SECOND)
            ear = ReplicaEar(server) if is_followed else None
            db.ask("RL.TOKENBUCKET k 1000 1 1m COST 500")
            db.do("PEXPIREAT k 1800000005000")
            seen = [db.do("PEXPIRETIME k")]
            for line in ("RL.TOKENBUCKET k 1000 1 1m", "RL.TOKENBUCKET k 1000 1 1m COST 400", "RL.REFUND k 1"):
                db.do(line)
                seen.append(db.do("PEXPIRETIME k"))
            ends.append(seen)
            if ear:
                ear.close()
    assert ends[0] == ends[1]


@pytest.mark.parametrize("who", ["", " FOR me"])
def test_a_reservation_without_limits_is_as_a_check_without_limits(db, clock, who):
    db.ask(f"RL.FIXED k 10 1h{who}")
    for line in (f"RL.CHECK k{who}", f"RL.RESERVE k 1m{who}"):
        assert db.error(*line.split()).startswith("NOLIMITS ")


@pytest.mark.parametrize("line", TOO_FEW)
def test_a_call_with_too_few_words_is_not_queued(db: Client, line):
    with db.client() as one:
        assert one.execute_command("MULTI") in (b"OK", "OK", True)
        with pytest.raises(ResponseError, match="wrong number of arguments"):
            one.execute_command(*line.split())
        with pytest.raises(ResponseError, match="EXECABORT|previous errors"):
            one.execute_command("EXEC")


def test_a_late_refund_is_of_the_window_that_is_open_and_its_page_says_so(db, clock):
    db.ask("RL.FIXED k 10 1m COST 5")
    clock.advance(MINUTE)
    db.ask("RL.FIXED k 10 1m COST 2")
    assert db.do("RL.REFUND k 1") == 1
    assert db.rl_info("k")["limits"][0]["used"] == 1
    page = (REPOSITORY / "docs" / "commands" / "rl.refund.md").read_text()
    assert "RL.RESERVE" in page and "RL.SETTLE" in page
