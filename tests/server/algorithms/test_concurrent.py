# SPDX-License-Identifier: MIT
"""RL.CONCURRENT and RL.RELEASE: so many at once; each holder has a lease, which ends by itself."""

from __future__ import annotations

import random
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import BASE, HOUR, MINUTE, MS, SECOND
from resp import Connection

MADE_BY_THE_SERVER = re.compile(r"[0-9a-f]{32}")
MOST_LEASES = 65_536


def take(db, limit: int = 3, **words) -> list:
    """One call; its words are options of the command."""
    options = [part for name, value in words.items() for part in (name, value)]
    return db.execute_command("RL.CONCURRENT", "k", limit, "60s", *options)


def used(db) -> int:
    return db.rl_info("k")["limits"][0]["used"]


def test_a_granted_call_gets_the_id_of_its_lease(db, clock):
    assert db.do("RL.CONCURRENT k 3 60s ID job") == [1, 3, 2, 0, 60000, "job"]
    assert db.do("RL.CHECK k CONCURRENT 3 60s ID other") == [1, 3, 1, 0, 60000, "concurrent", "other"]


def test_a_denied_call_gets_none(server, db, clock):
    take(db, ID="a", COST=3)
    assert take(db, ID="b") == [0, 3, 0, 60000, 60000, None]
    assert db.do("RL.CHECK k CONCURRENT 3 60s") == [0, 3, 0, 60000, 60000, "concurrent", None]
    for protocol in (2, 3):
        with Connection(server.socket, protocol) as connection:
            assert connection.do("RL.CONCURRENT", "k", "3", "60s") == [0, 3, 0, 60000, 60000, None]


def test_no_more_than_the_limit_hold_at_once(db, clock):
    assert [take(db)[0] for _ in range(5)] == [1, 1, 1, 0, 0]


def test_ids_that_the_server_makes_are_unguessable(db, clock):
    """At least nothing of one can be seen in another: each of the 32 places has each digit about as often."""
    ids = [take(db, 10_000)[5] for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert all(MADE_BY_THE_SERVER.fullmatch(each) for each in ids)
    for place in range(32):
        digits = [each[place] for each in ids]
        assert all(60 <= digits.count(digit) <= 200 for digit in "0123456789abcdef"), place
    assert len({each[:8] for each in ids}) > 1990


def test_two_servers_and_two_lives_of_one_make_different_ids(start_server):
    one, other = start_server(), start_server()
    ids = []
    for server in (one, other):
        with server.client() as db:
            ids += [take(db, 10)[5] for _ in range(5)]
    one.restart()
    with one.client() as db:
        ids += [take(db, 10)[5] for _ in range(5)]
    assert len(set(ids)) == 15


def test_a_lease_ends_at_its_nanosecond_and_not_before(db, clock):
    take(db, 1, ID="a")
    clock.advance(MINUTE - 1)
    assert take(db, 1, ID="b") == [0, 1, 0, 1, 1, None]
    clock.advance(1)
    assert take(db, 1, ID="b") == [1, 1, 0, 0, 60000, "b"]


def test_the_same_id_again_renews_the_lease_and_is_not_counted_twice(db, clock):
    take(db, ID="a")
    take(db, ID="b")
    clock.advance(45 * SECOND)
    assert take(db, ID="a") == [1, 3, 1, 0, 60000, "a"]
    assert used(db) == 2
    clock.advance(15 * SECOND)
    assert used(db) == 1, "only b has ended"
    clock.advance(45 * SECOND - 1)
    assert used(db) == 1
    clock.advance(1)
    assert used(db) == 0


def test_a_renewal_may_ask_for_more_or_less(db, clock):
    assert take(db, 10, ID="a", COST=4)[2] == 6
    assert take(db, 10, ID="a", COST=10)[:3] == [10, 10, 0]
    assert take(db, 10, ID="a", COST=2)[:3] == [2, 10, 8]
    assert used(db) == 2


def test_a_renewal_that_is_denied_leaves_the_lease_as_it_was_and_counts_its_own_units_as_free(db, clock):
    take(db, 10, ID="a", COST=4)
    take(db, 10, ID="b", COST=5)
    clock.advance(20 * SECOND)
    assert take(db, 10, ID="a", COST=6) == [0, 10, 5, 40000, 40000, None]
    assert used(db) == 9
    clock.advance(40 * SECOND)
    assert used(db) == 0


def test_a_full_house_still_renews(db, clock):
    for name in "abc":
        take(db, ID=name)
    clock.advance(30 * SECOND)
    assert take(db, ID="b") == [1, 3, 0, 0, 60000, "b"]
    assert take(db, ID="d")[0] == 0


def test_the_id_of_a_lease_that_has_ended_takes_a_new_one(db, clock):
    take(db, 1, ID="a")
    clock.advance(MINUTE)
    take(db, 1, ID="b")
    assert take(db, 1, ID="a")[0] == 0


def test_a_denied_call_waits_until_enough_leases_end_by_themselves(db, clock):
    for second, cost in ((0, 2), (10, 3), (20, 4)):
        clock.set(BASE + second * SECOND)
        take(db, 10, COST=cost)
    clock.set(BASE + 30 * SECOND)
    waits = {cost: take(db, 10, COST=cost)[2:5] for cost in (3, 4, 6, 7, 10, 11)}
    assert waits == {
        3: [1, 30000, 50000],
        4: [1, 40000, 50000],
        6: [1, 40000, 50000],
        7: [1, 50000, 50000],
        10: [1, 50000, 50000],
        11: [1, -1, 50000],
    }


def test_release_ends_a_lease_and_says_whether_there_was_one(db, clock):
    take(db, ID="a")
    take(db, ID="b", COST=2)
    assert db.do("RL.RELEASE k b") == 1
    assert db.do("RL.RELEASE k b") == 0
    assert db.do("RL.RELEASE k nobody") == 0
    assert db.do("RL.RELEASE absent a") == 0
    assert take(db, ID="c", COST=2)[:3] == [2, 3, 0]


def test_a_made_id_can_be_released_and_renewed(db, clock):
    lease = take(db)[5]
    assert take(db, ID=lease) == [1, 3, 2, 0, 60000, lease]
    assert db.execute_command("RL.RELEASE", "k", lease) == 1


def test_a_lease_that_has_ended_cannot_be_released(db, clock):
    take(db, ID="a")
    clock.advance(MINUTE)
    assert db.do("RL.RELEASE k a") == 0


def test_releasing_the_last_lease_removes_the_key(db, clock):
    take(db, ID="a")
    take(db, ID="b")
    assert (db.do("RL.RELEASE k a"), db.exists("k")) == (1, 1)
    assert (db.do("RL.RELEASE k b"), db.exists("k")) == (1, 0)


def test_a_release_that_ends_nothing_writes_nothing(db, clock):
    take(db, ID="a")
    before = db.changes(), db.digest("k")
    db.do("RL.RELEASE k nobody")
    db.do("RL.RELEASE absent a")
    assert (db.changes(), db.digest("k")) == before


def test_release_knows_no_leases_where_there_are_none(db, clock):
    db.ask("RL.RESERVE k 1m FIXED 10 60s ID a")
    assert db.do("RL.RELEASE k a") == 0
    assert db.rl_info("k")["holds"] == 1


@pytest.mark.parametrize("lease", [b"\0", b"\xff\xfe", b"with space", b"\r\n", b"x" * 64, "имя".encode(), b"COST"])
def test_an_id_is_any_bytes(server, db, clock, lease):
    with server.client(decode_responses=False) as raw:
        assert raw.execute_command("RL.CONCURRENT", "k", 3, "60s", "ID", lease)[5] == lease
        assert raw.execute_command("RL.CONCURRENT", "k", 3, "60s", "ID", lease)[2] == 2
        assert raw.execute_command("RL.RELEASE", "k", lease) == 1


@pytest.mark.parametrize("lease", ["", "x" * 65, "x" * 2**20])
def test_an_id_has_1_to_64_bytes(db, clock, lease):
    for words in (["RL.CONCURRENT", "k", 3, "60s", "ID", lease], ["RL.RELEASE", "k", lease]):
        assert db.error(*words).startswith("id must be 1 to 64 bytes")
    assert db.exists("k") == 0


def test_an_id_where_there_are_no_leases_has_no_meaning(db, clock):
    assert db.do("RL.CHECK k FIXED 10 60s ID a") == [1, 10, 9, 0, 60000, "fixed"]
    assert db.do("RL.FIXED k 10 60s ID a") == [1, 10, 8, 0, 60000]


def test_a_peek_takes_no_lease_and_tells_no_id(db, clock):
    take(db, ID="a")
    assert db.ask("RL.PEEK k") == (1, 3, 2, 0, 60000, "concurrent")
    assert db.ask("RL.PEEK k CONCURRENT 1 60s") == (0, 1, 0, 60000, 60000, "concurrent")
    assert used(db) == 1


def test_per_request_takes_one_place_whatever_is_granted(db, clock):
    assert db.do("RL.CONCURRENT k 3 60s PER REQUEST COST 7 ID a") == [7, 3, 2, 0, 60000, "a"]


def test_with_other_limits_a_lease_is_taken_only_if_all_grant(db, clock):
    line = "RL.CHECK k CONCURRENT 3 60s FIXED 1 1h"
    assert db.do(f"{line} ID a") == [1, 1, 0, 0, 3_600_000, "fixed", "a"]
    assert db.do(f"{line} ID b") == [0, 1, 0, 3_600_000, 3_600_000, "fixed", None]
    assert used(db) == 1


def test_two_limits_may_have_leases_of_one_id_which_end_together(db, clock):
    db.do("RL.CHECK k CONCURRENT 3 60s AS short CONCURRENT 5 1h AS long ID a")
    assert [limit["used"] for limit in db.rl_info("k")["limits"]] == [1, 1]
    assert db.do("RL.RELEASE k a") == 1
    assert db.exists("k") == 0


def test_the_state_is_idle_when_the_last_lease_ends(db, clock):
    take(db, ID="a")
    clock.advance(20 * SECOND)
    assert take(db, ID="b")[4] == 60000
    assert db.do("RL.RELEASE k b") == 1
    assert db.rl_info("k")["limits"][0]["reset_ms"] == 40000


@pytest.mark.parametrize("new", ["CONCURRENT 5 60s", "CONCURRENT 5 1h", "CONCURRENT 5 60s AS other"])
def test_another_limit_keeps_the_holders(db, clock, new):
    take(db, ID="a", COST=2)
    assert db.do(f"RL.CHECK k {new} ID a COST 3")[:3] == [3, 5, 2]
    assert db.do("RL.RELEASE k a") == 1


def test_a_lease_keeps_the_end_that_it_was_given_whoever_calls_with_another(db, clock):
    db.ask("RL.CONCURRENT k 1 1h ID a")
    assert db.ask("RL.PEEK k CONCURRENT 1 60s").wait_ms == 3_600_000
    assert db.ask("RL.CONCURRENT k 1 60s ID b").wait_ms == 3_600_000
    clock.advance(HOUR - 1)
    assert db.ask("RL.CONCURRENT k 1 60s ID b").granted == 0
    clock.advance(1)
    assert db.ask("RL.CONCURRENT k 1 60s ID b").granted == 1


def test_a_renewal_under_a_longer_lease_prolongs_the_lease_for_all(db, clock):
    db.ask("RL.CONCURRENT k 1 60s ID a")
    assert db.ask("RL.CONCURRENT k 1 1h ID a") == (1, 1, 0, 0, 3_600_000, "a")
    clock.advance(MINUTE)
    assert db.ask("RL.CONCURRENT k 1 60s ID b").wait_ms == 59 * 60_000


@pytest.mark.parametrize("old", ["TOKENBUCKET 10 1 1h", "FIXED 10 60s", "SLIDING 10 60s", "QUOTA 10 DAY"])
def test_what_another_algorithm_has_used_holds_no_lease(db, clock, old):
    db.ask(f"RL.CHECK k {old} COST 4")
    assert db.ask("RL.CHECK k CONCURRENT 10 60s ID a")[:3] == (1, 10, 9)


@pytest.mark.parametrize("old", ["TOKENBUCKET 10 1 1h", "FIXED 10 60s", "SLIDING 10 60s", "QUOTA 10 DAY"])
def test_under_stored_limits_what_another_algorithm_has_used_is_one_lease_without_a_name(db, clock, old):
    db.do(f"RL.DEFINE k {old}")
    db.ask("RL.CHECK k COST 4")
    db.do("RL.DEFINE k CONCURRENT 10 60s")
    assert db.ask("RL.CHECK k ID a")[:3] == (1, 10, 5)
    clock.advance(MINUTE)
    assert used(db) == 0


def test_after_a_step_back_of_the_clock_a_lease_lasts_no_longer_than_one_that_is_taken_now(db, clock):
    take(db, 1, ID="a")
    clock.set(BASE - HOUR)
    denied = take(db, 1, ID="b")
    assert denied == [0, 1, 0, 60000, 60000, None]
    clock.advance(denied[3] * MS)
    assert take(db, 1, ID="b")[0] == 1


def test_a_lowered_limit_denies_until_enough_leases_have_ended(db, clock):
    for second in range(5):
        clock.set(BASE + second * SECOND)
        take(db, 5)
    assert take(db, 2)[:4] == [0, 2, 0, 59_000]
    assert used(db) == 5


FILL = """
for lease = 1, tonumber(ARGV[1]) do
    redis.call('RL.CONCURRENT', KEYS[1], '4294967295', '1h', 'ID', ARGV[2] .. lease)
end
"""


def test_at_most_65536_leases_are_kept_and_one_more_is_denied_until_the_first_ends(db, clock):
    line = "RL.CONCURRENT k 4294967295 1h"
    db.eval(FILL, 1, "k", 1, "first")
    clock.advance(SECOND)
    for part in range(8):
        db.eval(FILL, 1, "k", MOST_LEASES // 8 - (part == 7), f"{part}:")
    assert used(db) == MOST_LEASES
    for mode in ("", " FORCE", " PARTIAL"):
        denied = db.ask(f"{line}{mode}")
        assert denied[:4] == (0, 4294967295, 0, 3_599_000)
    assert db.ask(f"{line} ID 0:1").granted == 1, "a renewal needs no room"
    assert db.do("RL.RELEASE k 0:2") == 1
    assert db.ask(line).granted == 1
    assert db.ask(line).granted == 0
    clock.advance(3_599_000 * MS)
    assert db.ask(line).granted == 1


def test_never_more_than_the_limit_hold_at_once_among_many_connections(server, db, clock):
    """Real connections take, hold for a moment, and release; each counts the holders that it sees."""
    limit, holders, seen = 5, set(), []
    lock = threading.Lock()

    def work(number: int) -> int:
        rng, granted = random.Random(number), 0
        with server.client() as client:
            for _ in range(60):
                lease = take(client, limit)[5]
                if lease is None:
                    continue
                granted += 1
                with lock:
                    holders.add(lease)
                    seen.append(len(holders))
                if rng.random() < 0.5:
                    assert take(client, limit, ID=lease)[5] == lease
                with lock:
                    holders.remove(lease)
                assert client.execute_command("RL.RELEASE", "k", lease) == 1
        return granted

    with ThreadPoolExecutor(16) as pool:
        granted = sum(pool.map(work, range(16)))
    assert granted > 100
    assert max(seen) <= limit
    assert db.exists("k") == 0


# --- MAXWAIT: a turn is an instant, and stays one


def wait_for_a_slot(db) -> None:
    """The slot is a's until 60 s; b may go then."""
    take(db, 1, ID="a")
    assert take(db, 1, ID="b", MAXWAIT="2m") == [1, 1, 0, 60_000, 120_000, "b"]


def test_a_slot_that_is_released_early_stays_free_until_the_turn_of_who_waits(db, clock):
    """The wait that was told is not made shorter, and nobody else is let in before."""
    wait_for_a_slot(db)
    clock.advance(10 * SECOND)
    assert db.do("RL.RELEASE k a") == 1
    assert take(db, 1, ID="b", MAXWAIT="2m")[:4] == [1, 1, 0, 50_000]
    assert take(db, 1, ID="c") == [0, 1, 0, 110_000, 110_000, None]
    assert take(db, 1, ID="c", MAXWAIT="1m")[0] == 0
    assert take(db, 1, ID="c", MAXWAIT="2m")[:4] == [1, 1, 0, 110_000]


def test_who_waits_and_gives_up_leaves_the_slot_to_the_next_but_not_before_the_turn(db, clock):
    wait_for_a_slot(db)
    clock.advance(10 * SECOND)
    assert (db.do("RL.RELEASE k a"), db.do("RL.RELEASE k b")) == (1, 1)
    assert take(db, 1, ID="c") == [0, 1, 0, 50_000, 50_000, None]
    clock.advance(50 * SECOND)
    assert take(db, 1, ID="c")[:4] == [1, 1, 0, 0]


def test_who_asks_again_instead_gets_a_slot_as_soon_as_it_is_free(db, clock):
    take(db, 1, ID="a")
    assert take(db, 1, ID="b")[:4] == [0, 1, 0, 60_000]
    clock.advance(10 * SECOND)
    db.do("RL.RELEASE k a")
    assert take(db, 1, ID="b")[:4] == [1, 1, 0, 0]
