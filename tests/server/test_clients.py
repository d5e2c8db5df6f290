"""Real clients drive the module: redis-cli, redis-benchmark and ioredis. redis-py drives all the other tests."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness import Server, output_of

CONVERSATION = Path(__file__).parent / "node" / "conversation.js"


def redis_cli(server: Server, *words: str) -> str:
    return output_of("redis-cli", "-s", str(server.socket), *words)


def test_redis_cli_prints_the_five_integers(server, clock):
    assert redis_cli(server, "--no-raw", *"RL.TOKENBUCKET k 20 10 1s COST 3".split()) == (
        "1) (integer) 3\n2) (integer) 20\n3) (integer) 17\n4) (integer) 0\n5) (integer) 300\n"
    )


def test_redis_cli_prints_the_label_last(server, clock):
    assert redis_cli(server, *"RL.CHECK k FIXED 10 60s AS logins".split()).split() == "1 10 9 0 60000 logins".split()


def test_redis_cli_prints_an_error(server, clock):
    printed = redis_cli(server, "--no-raw", *"RL.FIXED k 0 60s".split())
    assert "(error) ERR limit must be an integer from 1 to 4294967295" in printed


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


def test_ioredis_has_a_conversation(server, clock, node_modules):
    environment = dict(os.environ, NODE_PATH=str(node_modules))
    assert json.loads(output_of("node", str(CONVERSATION), str(server.socket), env=environment)) == {
        "call": [3, 20, 17, 0, 300],
        "denied": [0, 20, 17, 300, 300],
        "label": [1, 10, 9, 0, 60000, "logins"],
        "missing": None,
        "error": "ERR limit must be an integer from 1 to 4294967295",
        "pipeline": [[2, 3, 1, 0, 60000], [0, 3, 1, 60000, 60000], "ERR COST must be an integer from 1 to 4294967295"],
        "transaction": [[2, 3, 1, 0, 60000], [1, 3, 0, 0, 60000], [0, 3, 0, 60000, 60000]],
        "info": "FIXED 3 1m",
    }
