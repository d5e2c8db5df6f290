"""Steps of the server's wall clock, both ways, while the module's own clock runs on: what a call is told stays the same."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Client, Server, output_of

HOUR_S = 3600
YEAR_S = 365 * 24 * HOUR_S

CALLS = ["RL.TOKENBUCKET bucket 10 1 1h", "RL.FIXED window 10 3650d", "RL.SLIDING log 10 1h"]


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
@pytest.mark.parametrize("step", [-YEAR_S, -HOUR_S, HOUR_S // 2])
def test_a_step_neither_grants_nor_denies(stepped: Server, wall_clock: WallClock, call: str, step: int):
    client = stepped.client()
    assert client.ask(f"{call} COST 4").granted == 4
    wall_clock.step(step)
    assert client.ask(f"{call} COST 6").granted == 6
    assert client.ask(call).granted == 0
    wall_clock.step(0)
    assert client.ask(call).granted == 0


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
