# SPDX-License-Identifier: MIT
"""The settings of the module: behind its path, in the configuration file, by MODULE LOADEX and by CONFIG SET."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from harness import MODULE, REPOSITORY, Server, ServerDied, watched_over
from seed import SEED

DEFAULTS = {
    "near-percent": "80",
    "notify": "off",
    "notify-rate": "100",
    "log-len": "1024",
    "top-size": "128",
    "cl-throttle": "yes",
}
OTHERS = {
    "near-percent": "90",
    "notify": "denied",
    "notify-rate": "5",
    "log-len": "0",
    "top-size": "1024",
    "cl-throttle": "no",
}
BOUNDS = {"near-percent": (1, 100), "notify-rate": (1, 1_000_000), "log-len": (0, 65_536), "top-size": (1, 1024)}
RANGES = {name: f"{name} must be an integer from {least} to {most}" for name, (least, most) in BOUNDS.items()} | {
    "notify": "notify must be off, denied, near or all",
    "cl-throttle": "cl-throttle must be yes or no",
}
RUNNING = [name for name in DEFAULTS if name != "cl-throttle"]


def settings(db) -> dict[str, str]:
    return {name.removeprefix("ratelimit."): value for name, value in db.config_get("ratelimit.*").items()}


@pytest.fixture
def start_with() -> Callable[[str], Server]:
    """Starts a server with these words behind the path of the module."""
    yield from started(lambda words: Server(arguments=tuple(words.split())))


@pytest.fixture
def start_with_file(tmp_path: Path) -> Callable[[str], Server]:
    """Starts a server whose configuration file has these lines."""
    yield from started(lambda lines: with_file(tmp_path, lines))


def started(make: Callable[[str], Server]) -> Iterator[Callable[[str], Server]]:
    with watched_over() as servers:

        def start(text: str) -> Server:
            servers.append(make(text))
            return servers[-1].start()

        yield start


def with_file(folder: Path, lines: str) -> Server:
    """A server whose configuration file has these lines; it is not started yet."""
    file = folder / "redis.conf"
    file.write_text(lines)
    return Server(file=file, module=None)


def settings_of(server: Server) -> dict[str, str]:
    with server.client() as db:
        return settings(db)


# --- what they are ---


def test_a_module_that_is_told_nothing_has_its_defaults(db):
    assert settings(db) == DEFAULTS


def test_each_setting_can_be_told_behind_the_path_of_the_module(start_with):
    line = " ".join(f"{name} {value}" for name, value in OTHERS.items())
    assert settings_of(start_with(line)) == OTHERS


def test_words_behind_the_path_come_in_any_order_and_any_case(start_with):
    words = [(name, value) for name, value in OTHERS.items()] + [("DEBUG", "")]
    rng = random.Random(SEED)
    for _ in range(3):
        rng.shuffle(words)
        line = " ".join(rng.choice([str.upper, str.lower, str.title])(f"{name} {value}") for name, value in words)
        assert settings_of(start_with(line)) == OTHERS, line


def test_the_configuration_file_wins_over_words_behind_the_path(start_with_file):
    server = start_with_file(f"ratelimit.near-percent 70\nloadmodule {MODULE} near-percent 90 log-len 7\n")
    with server.client() as db:
        assert settings(db) == DEFAULTS | {"near-percent": "70", "log-len": "7"}


def test_the_configuration_file_can_set_them_all(start_with_file):
    lines = "".join(f"ratelimit.{name} {value}\n" for name, value in OTHERS.items())
    with start_with_file(f"loadmodule {MODULE}\n{lines}").client() as db:
        assert settings(db) == OTHERS


def test_loadex_takes_settings_by_name_and_words_behind_args(start_server):
    with start_server(module=None).client() as db:
        words = "CONFIG ratelimit.near-percent 60 CONFIG ratelimit.cl-throttle no ARGS near-percent 90 DEBUG top-size 9"
        assert db.execute_command("MODULE LOADEX", str(MODULE), *words.split()) == "OK"
        assert settings(db) == DEFAULTS | {"near-percent": "60", "cl-throttle": "no", "top-size": "9"}
        assert db.do("RL.DEBUG CLOCK RESUME") == "OK"


# --- wrong ones ---


def wrong_values(name: str) -> list[str]:
    if name not in BOUNDS:
        return ["of", "offf", "1", "yes-no"]
    least, most = BOUNDS[name]
    return [str(least - 1), str(most + 1), "x", "1.5", "-0", "9" * 30]


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_wrong_value_behind_the_path_is_refused_with_its_range(start_server, name):
    server = start_server(module=None)
    with server.client() as db:
        for value in wrong_values(name):
            with pytest.raises(redis.ResponseError):
                db.execute_command("MODULE LOAD", str(MODULE), name, value)
            assert f"not loaded: {RANGES[name]}" in server.log().splitlines()[-2], value
        assert "ratelimit" not in [module["name"] for module in db.module_list()]
        db.execute_command("MODULE LOAD", str(MODULE))
        assert settings(db) == DEFAULTS


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("near-percent", f"near-percent is missing: it must be {RANGES['near-percent'].partition('must be ')[2]}"),
        ("near-percent 90 near-percent 90", "near-percent is given twice"),
        ("notify denied NOTIFY all", "notify is given twice"),
        (
            "near-percen 90",
            "the arguments of the module are near-percent, notify, notify-rate, log-len, top-size, cl-throttle",
        ),
        ("near-percent 90 xyzzy", "the arguments of the module are near-percent"),
    ],
)
def test_words_that_are_none_of_the_module_are_refused_with_a_reason(start_server, line, reason):
    server = start_server(module=None)
    with server.client() as db, pytest.raises(redis.ResponseError):
        db.execute_command("MODULE LOAD", str(MODULE), *line.split())
    assert f"not loaded: {reason}" in server.log()


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_server_does_not_start_with_a_wrong_line_in_its_file_and_names_it(tmp_path, name):
    server = with_file(tmp_path, f"loadmodule {MODULE}\nratelimit.{name} {wrong_values(name)[0]}\n")
    try:
        with pytest.raises(ServerDied, match=rf"ratelimit\.{name}"):
            server.start()
    finally:
        server.stop()


@pytest.mark.parametrize("name", DEFAULTS)
def test_loadex_refuses_a_wrong_value_and_the_module_can_be_loaded_then(start_server, name):
    server = start_server(module=None)
    with server.client() as db:
        for value in wrong_values(name):
            with pytest.raises(redis.ResponseError):
                db.execute_command("MODULE LOADEX", str(MODULE), "CONFIG", f"ratelimit.{name}", value)
            assert f"ratelimit.{name}" in server.log()
        assert db.config_get("ratelimit.*") == {}
        db.execute_command("MODULE LOADEX", str(MODULE), "CONFIG", f"ratelimit.{name}", OTHERS[name])
        assert settings(db) == DEFAULTS | {name: OTHERS[name]}
        assert db.do("RL.FIXED k 10 60s") == [1, 10, 9, 0, 60000]


@pytest.mark.parametrize("name", RUNNING)
def test_config_set_refuses_a_wrong_value_and_changes_nothing(db, name):
    expected = "must be between {} and {}".format(*BOUNDS[name]) if name in BOUNDS else "off, denied, near, all"
    for value in wrong_values(name):
        text = db.error("CONFIG SET", f"ratelimit.{name}", value)
        is_number = re.fullmatch(r"-?[1-9]\d*|0", value) and len(value) < 19
        assert (expected in text) or (name in BOUNDS and not is_number), (value, text)
        assert settings(db) == DEFAULTS


# --- while the server runs ---


def test_what_can_be_changed_while_the_server_runs_is_changed(db, configure):
    for name in RUNNING:
        configure(f"ratelimit.{name}", OTHERS[name])
    assert settings(db) == OTHERS | {"cl-throttle": "yes"}


def test_the_bounds_themselves_can_be_set(db, configure):
    for name, value in itertools.chain.from_iterable([[(n, b[0]), (n, b[1])] for n, b in BOUNDS.items()]):
        configure(f"ratelimit.{name}", str(value))
        assert settings(db)[name] == str(value)


def test_cl_throttle_cannot_be_changed_while_the_server_runs(db):
    assert "immutable" in db.error("CONFIG SET", "ratelimit.cl-throttle", "no")
    assert settings(db)["cl-throttle"] == "yes"
    assert len(db.do("CL.THROTTLE k 1 1 1")) == 5


@pytest.mark.parametrize("line", ["cl-throttle no", "CL-Throttle NO"])
def test_without_cl_throttle_the_server_has_no_such_command(start_with, line):
    with start_with(line).client() as db:
        assert db.error("CL.THROTTLE", "k", "1", "1", "1").startswith("unknown command")
        assert db.do("RL.FIXED k 10 60s") == [1, 10, 9, 0, 60000]


def test_config_rewrite_keeps_what_was_set_and_what_stands_behind_the_path(start_with_file):
    server = start_with_file(f"loadmodule {MODULE} near-percent 90 log-len 7 cl-throttle no\nratelimit.top-size 20\n")
    expected = OTHERS | {"near-percent": "80", "top-size": "20", "notify": "all", "log-len": "7", "notify-rate": "100"}
    with server.client() as db:
        db.config_set("ratelimit.near-percent", "80")  # the default, but not behind this path
        db.config_set("ratelimit.notify", "all")
        assert db.do("CONFIG REWRITE") == "OK"
        assert settings(db) == expected
    server.restart()
    with server.client() as db:
        assert settings(db) == expected
        assert db.error("CL.THROTTLE", "k", "1", "1", "1").startswith("unknown command")


def test_config_rewrite_keeps_what_was_told_by_loadex(start_with_file):
    server = start_with_file("enable-module-command yes\n")
    with server.client() as db:
        words = "CONFIG ratelimit.near-percent 60 ARGS log-len 7"
        db.execute_command("MODULE LOADEX", str(MODULE), *words.split())
        assert db.do("CONFIG REWRITE") == "OK"
    server.restart()
    with server.client() as db:
        assert settings(db) == DEFAULTS | {"near-percent": "60", "log-len": "7"}


# --- what the log says ---


def test_the_log_says_version_and_settings_when_the_module_is_loaded(start_with):
    version = re.search(r'kVersion = "(.*?)"', (REPOSITORY / "include" / "ratelimit" / "version.h").read_text())[1]
    plain = start_with("")
    line = f"ratelimit {version} is loaded: " + ", ".join(f"{name} {value}" for name, value in DEFAULTS.items())
    assert f"{line}, DEBUG no" in plain.log()
    other = start_with("DEBUG cl-throttle no near-percent 70")
    assert "near-percent 70, notify off" in other.log() and "cl-throttle no, DEBUG yes" in other.log()


def test_the_log_has_the_settings_of_the_configuration_file(start_with_file):
    lines = f"loadmodule {MODULE} near-percent 90\nratelimit.near-percent 70\nratelimit.notify all\n"
    assert "near-percent 70, notify all" in start_with_file(lines).log()
