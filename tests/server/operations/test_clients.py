# SPDX-License-Identifier: MIT
"""The programs that come with the server: redis-cli and redis-benchmark. Libraries: tests/client_libraries."""

from __future__ import annotations

import pytest

from harness import Server, output_of


def redis_cli(server: Server, *words: str) -> str:
    return output_of("redis-cli", "-s", str(server.socket), *words)


def test_redis_cli_prints_the_five_integers(server, clock):
    assert redis_cli(server, "--no-raw", *"RL.TOKENBUCKET k 20 10 1s COST 3".split()) == (
        "1) (integer) 3\n2) (integer) 20\n3) (integer) 17\n4) (integer) 0\n5) (integer) 300\n"
    )


def test_redis_cli_prints_the_label_last(server, clock):
    assert redis_cli(server, *"RL.CHECK k FIXED 10 60s AS logins".split()).split() == "1 10 9 0 60000 logins".split()


def test_redis_cli_prints_an_error(server, clock):
    printed = redis_cli(server, "--no-raw", *"RL.FIXED k -1 60s".split())
    assert "(error) ERR limit must be an integer from 0 to 9007199254740991" in printed


def test_redis_cli_in_resp3_prints_info_as_a_map(server, clock):
    redis_cli(server, *"RL.FIXED k 10 60s".split())
    assert '"form" => "single"' in redis_cli(server, "-3", "--no-raw", "RL.INFO", "k")


@pytest.mark.parametrize(
    "line",
    [
        *("RL.TOKENBUCKET k 20 10 1s", "RL.FIXED k 20 60s", "RL.SLIDING k 20 60s", "RL.CHECK k FIXED 20 60s"),
        *("RL.LEAKYBUCKET k 20 10 1s", "RL.SLIDING k 20 60s APPROX", "RL.QUOTA k 20 HOUR", "RL.CONCURRENT k 20 60s"),
        "RL.RESERVE k 60s FIXED 20 60s",
    ],
)
def test_redis_benchmark_gets_an_answer_to_every_call(server, db, clock, line):
    db.config_resetstat()
    output_of("redis-benchmark", "-s", str(server.socket), "-q", "-n", "1000", "-P", "20", *line.split())
    stats = db.info("commandstats")[f"cmdstat_{line.split()[0]}"]
    assert (stats["calls"], stats["failed_calls"], stats["rejected_calls"]) == (1000, 0, 0)
    assert db.ask("RL.PEEK k")[:3] == (0, 20, 0)
    assert db.rl_info("k")["granted"] == 20
