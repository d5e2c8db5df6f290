# SPDX-License-Identifier: MIT
"""The server's defragmentation moves our values and logs, and leaves what else is behind them where it is. It needs a
server with its own jemalloc, which not all have.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from harness import Client, Server, eventually

KEYS = 3_000
LOGS = 4
ENTRIES = 60_000
KINDS = ["small", "list", "leases", "holds"]
# The server's words go on: "Redis server compiled with a modified Jemalloc", or Valkey.
NOT_BUILT_IN = "Active defragmentation cannot be enabled: it requires a "


def digest(client: Client) -> str:
    return client.execute_command("DEBUG", "DIGEST")


def fragmented(client: Client) -> None:
    """Small values and blocks of large logs, of which every second one is gone again."""
    pipe = client.pipeline(transaction=False)
    pipe.execute_command("RL.DEBUG", "CLOCK", "SET", 4_102_444_800_000_000_000)
    for number in range(2 * KEYS):
        pipe.execute_command("RL.TOKENBUCKET", f"small:{number}", 20, 1, "1h", "COST", 3)
        pipe.execute_command("RL.CHECK", f"list:{number}", "SLIDING", 20, "1h", "FIXED", 10, "1d", "COST", 2)
        pipe.execute_command("RL.CONCURRENT", f"leases:{number}", 20, "1h", "ID", f"a lease of number {number}")
        pipe.execute_command(*f"RL.RESERVE holds:{number} 1d SLIDING 20 1h CONCURRENT 9 1h COST 2 ID a".split())
    for entry in range(ENTRIES):
        pipe.execute_command("RL.DEBUG", "CLOCK", "ADVANCE", 7_000_000)
        for log in range(2 * LOGS):
            pipe.execute_command("RL.SLIDING", f"log:{log}", 4294967295, "1h", "COST", 1 + entry % 300)
        if entry % 5_000 == 0:
            pipe.execute()
    pipe.execute()
    client.delete(*(f"{kind}:{n}" for kind in KINDS for n in range(0, 2 * KEYS, 2)))
    client.delete(*(f"log:{n}" for n in range(0, 2 * LOGS, 2)))


@pytest.fixture
def defragmenting(start_server: Callable[..., Server]) -> Client:
    server = start_server(
        "--active-defrag-ignore-bytes", "1", "--active-defrag-threshold-lower", "0", "--active-defrag-cycle-min", "65",
        "--active-defrag-cycle-max", "75", "--active-defrag-max-scan-fields", "100",
    )  # fmt: skip
    client = server.client()
    try:
        client.config_set("activedefrag", "yes")
    except redis.ResponseError as error:
        if NOT_BUILT_IN not in str(error):
            raise
        pytest.skip("this server is built without active defragmentation, as Debian's is: scripts/defrag has one")
    client.config_set("activedefrag", "no")
    return client


def test_values_and_logs_that_are_moved_stay_as_they_are(defragmenting: Client):
    client = defragmenting
    fragmented(client)
    before = digest(client)
    client.config_set("activedefrag", "yes")
    eventually(lambda: client.info("stats")["active_defrag_hits"] > KEYS, "the server to move values")
    eventually(lambda: client.info("stats")["active_defrag_key_hits"] > KEYS, "the server to come by every key")
    for log in range(1, 2 * LOGS, 2):
        assert client.ask(f"RL.PEEK log:{log}").granted == 1
    assert digest(client) == before
    for number in range(1, 2 * KEYS, 2):
        assert client.do(f"RL.SETTLE holds:{number} a 1")[-1] == "settled"
    assert client.execute_command("RL.RELEASE", "leases:1", "a lease of number 1") == 1
    for log in range(1, 2 * LOGS, 2):
        assert client.ask(f"RL.SLIDING log:{log} 4294967295 1h").granted == 1
    client.flushall()


SUBJECTS = 60_000


def fragmented_table(client: Client) -> None:
    """Segments of a large table, between which those of another one are gone again; some subjects are kept apart."""
    client.do("RL.DEBUG CLOCK SET 4102444800000000000")
    for key in ("table", "other"):
        client.do(f"RL.DEFINE {key} TOKENBUCKET 20 1 1h SLIDING 9 1h")
    pipe = client.pipeline(transaction=False)
    for number in range(SUBJECTS):
        for key in ("table", "other"):
            pipe.execute_command("RL.CHECK", key, "FOR", number, "COST", 1 + number % 9)
        if number % 100 == 0:
            pipe.execute_command("RL.RESERVE", "table", "1h", "FOR", f"held {number}", "COST", 2, "ID", "a")
        if number % 5_000 == 0:
            pipe.execute()
    pipe.execute()
    client.delete("other")


def test_segments_of_a_table_that_are_moved_lose_nobody(defragmenting: Client):
    client = defragmenting
    fragmented_table(client)
    before = digest(client)
    client.config_set("activedefrag", "yes")
    # Less than half of the table's segments, of some hundred subjects each.
    eventually(lambda: client.info("stats")["active_defrag_hits"] > SUBJECTS / 1_000, "the server to move segments")
    for number in range(0, SUBJECTS, 7):
        left = 8 - number % 9
        assert client.ask(f"RL.PEEK table FOR {number}").granted == min(left, 1)
    assert digest(client) == before
    assert client.execute_command("RL.SETTLE", "table", "a", 1, "FOR", "held 100")[-1] == "settled"
    for number in range(SUBJECTS, SUBJECTS + 20_000):
        assert client.do(f"RL.CHECK table FOR {number}")[0] == 1
    client.flushall()
