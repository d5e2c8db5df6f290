# SPDX-License-Identifier: MIT
"""Steps of the server's wall clock, both ways, while the module's own clock runs on: what a call is told stays the
same.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import PATIENCE_S, Client, Server, eventually, output_of

HOUR_S = 3600
YEAR_S = 365 * 24 * HOUR_S

CALLS = [
    *("RL.TOKENBUCKET bucket 10 1 1h", "RL.FIXED window 10 3650d", "RL.SLIDING log 10 1h"),
    *("RL.LEAKYBUCKET queue 10 1 1h", "RL.CONCURRENT leases 10 1h"),
]


class WallClock:
    """The wall clock of one server; clocks that nobody can set are left alone."""

    def __init__(self, library: Path, file: Path) -> None:
        self._library = library
        self._file = file
        self._file.write_bytes(bytes(8))

    def step(self, seconds: int) -> None:
        """Sets the clock so many seconds off the real time."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("<q", seconds))
        time.sleep(0.002)  # Valkey 9.1 asks for the time of day once a millisecond

    def variables(self) -> dict[str, str]:
        preload = " ".join(filter(None, [os.environ.get("RATELIMIT_PRELOAD"), str(self._library)]))
        return {"LD_PRELOAD": preload, "STEP_CLOCK_FILE": str(self._file)}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("clock") / "step_clock.so"
    source = Path(__file__).with_name("step_clock.cpp")
    output_of("g++", "-std=c++20", "-O1", "-shared", "-fPIC", "-o", str(library), str(source))
    return library


@pytest.fixture
def wall_clock(library: Path, tmp_path: Path) -> WallClock:
    return WallClock(library, tmp_path / "offset")


@pytest.fixture
def stepped(start_server: Callable[..., Server], wall_clock: WallClock) -> Server:
    return start_server(variables=wall_clock.variables())


def unix_time(client: Client) -> int:
    return client.time()[0]


def test_the_wall_clock_of_the_server_is_stepped_by_these_tests(stepped: Server, wall_clock: WallClock):
    client = stepped.client()
    before = unix_time(client)
    wall_clock.step(YEAR_S)
    assert unix_time(client) - before >= YEAR_S


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("step", [-YEAR_S, -HOUR_S, HOUR_S // 2, HOUR_S, 20 * YEAR_S])
def test_a_step_neither_grants_nor_denies(stepped: Server, wall_clock: WallClock, call: str, step: int):
    client = stepped.client()
    assert client.ask(f"{call} COST 4").granted == 4
    wall_clock.step(step)
    assert client.ask(f"{call} COST 6").granted == 6
    assert client.ask(call).granted == 0
    wall_clock.step(0)
    assert client.ask(call).granted == 0


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("end", ["by being asked for", "by itself"])
def test_a_key_that_the_server_ends_too_early_keeps_its_state(
    stepped: Server, wall_clock: WallClock, call: str, end: str
):
    client = stepped.client()
    assert client.ask(f"{call} COST 10").granted == 10
    wall_clock.step(20 * YEAR_S)
    if end == "by itself":
        eventually(lambda: client.dbsize() == 0, "the key to expire")
        assert client.ask(f"RL.PEEK {call.split()[1]}").granted == 0
        assert client.dbsize() == 0, "to peek is to write nothing"
    assert client.ask(call).granted == 0
    assert client.dbsize() == 1
    assert client.ask(f"RL.PEEK {call.split()[1]}").granted == 0


def test_a_state_that_was_kept_is_forgotten_when_it_is_idle(stepped: Server, wall_clock: WallClock):
    client = stepped.client()
    assert client.ask("RL.FIXED k 10 300ms COST 10").granted == 10
    wall_clock.step(HOUR_S)
    eventually(lambda: client.ask("RL.FIXED k 10 300ms").granted == 1, "the window to end")


def test_a_key_that_is_deleted_after_a_step_stays_deleted(stepped: Server, wall_clock: WallClock):
    client = stepped.client()
    assert client.ask("RL.FIXED k 10 3650d COST 10").granted == 10
    wall_clock.step(HOUR_S)
    assert client.delete("k") == 1
    assert client.ask("RL.FIXED k 10 3650d COST 10").granted == 10


def test_a_key_that_ended_too_early_is_forgotten_by_a_flush(stepped: Server, wall_clock: WallClock):
    client = stepped.client()
    assert client.ask("RL.FIXED k 10 1h COST 10").granted == 10
    wall_clock.step(2 * HOUR_S)
    eventually(lambda: client.dbsize() == 0, "the key to expire")
    client.flushdb()
    assert client.ask("RL.FIXED k 10 1h COST 10").granted == 10


def test_a_key_that_ended_too_early_is_back_when_a_subject_in_it_is_asked_for(
    start_server: Callable[..., Server], wall_clock: WallClock
):
    """The key is told to the file as it is, and then the subject."""
    server = start_server("--appendonly", "yes", variables=wall_clock.variables())
    client = server.client()
    assert client.ask("RL.FIXED k 10 3h COST 4").granted == 4
    wall_clock.step(4 * HOUR_S)
    eventually(lambda: client.dbsize() == 0, "the key to expire")
    assert client.ask("RL.FIXED k 10 30h COST 3 FOR alice").remaining == 7
    assert client.ask("RL.PEEK k").remaining == 6
    server.restart()
    client = server.client()
    assert client.rl_info("k")["subjects"] == 1
    assert client.digest("k")


def test_what_is_held_in_a_key_that_ended_too_early_is_given_back_when_it_is_read(
    stepped: Server, wall_clock: WallClock
):
    client = stepped.client()
    client.do("RL.FIXED k 10 3h COST 4")
    client.do("RL.RESERVE k 1ms FIXED 10 3h COST 2 ID a")
    wall_clock.step(4 * HOUR_S)
    eventually(lambda: client.dbsize() == 0, "the key to expire")
    for _ in range(100):
        info = client.rl_info("k")
        assert (info["form"], info["limits"][0]["used"]) == ("single", 4)
    assert client.ask("RL.PEEK k").remaining == 6
    assert client.dbsize() == 0, "to read is to write nothing"


def test_a_replica_follows_when_a_key_ends_too_early(
    stepped: Server, wall_clock: WallClock, start_server: Callable[..., Server]
):
    client = stepped.client()
    client.config_set("repl-diskless-sync-delay", "0")
    replica = start_server("--replicaof", "127.0.0.1", str(stepped.port)).client()
    eventually(lambda: replica.info("replication")["master_link_status"] == "up", "the replica to be in sync")
    assert client.ask("RL.SLIDING log 10 1h COST 10").granted == 10
    wall_clock.step(2 * HOUR_S)
    assert client.ask("RL.SLIDING log 10 1h").granted == 0
    assert client.wait(1, 1000 * PATIENCE_S) == 1
    assert replica.execute_command("DEBUG", "DIGEST") == client.execute_command("DEBUG", "DIGEST")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("step", [-YEAR_S, -HOUR_S, HOUR_S, YEAR_S])
def test_a_state_made_after_a_step_outlives_the_way_back(stepped: Server, wall_clock: WallClock, call: str, step: int):
    client = stepped.client()
    wall_clock.step(step)
    assert client.ask(f"{call} COST 10").granted == 10
    wall_clock.step(0)
    assert client.ask(call).granted == 0


@pytest.mark.parametrize("call", CALLS)
def test_after_a_restart_with_a_clock_that_went_back_a_state_counts_as_used_up_at_most(
    stepped: Server, wall_clock: WallClock, call: str
):
    client = stepped.client()
    reset = client.ask(f"{call} COST 10").reset_ms
    client.save()
    wall_clock.step(-YEAR_S)
    stepped.restart()
    client = stepped.client()
    after = client.ask(call)
    assert after.granted == 0 and after.reset_ms <= reset
