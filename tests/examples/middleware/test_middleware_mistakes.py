# SPDX-License-Identifier: MIT
"""The server says that the question is wrong: a mistake, which no waiting mends. And the start, which finds it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers import Driver, Service
from harness import PATIENCE_S, Server, eventually, free_port
from table import PATIENT_MS, SHORT_MS, check_undecided, is_asked, paused, told, without_module


@contextmanager
def lacks_the_limiter(server: Server) -> Iterator[tuple[int, dict]]:
    yield server.port, {"limits": "", "limiter": "no:such"}


@contextmanager
def has_another_type(server: Server) -> Iterator[tuple[int, dict]]:
    with server.client() as db:
        db.lpush("ratelimit:127.0.0.1", "x")
    yield server.port, {}


@contextmanager
def is_told_nonsense(server: Server) -> Iterator[tuple[int, dict]]:
    yield server.port, {"limits": "FIXED 1 1parsec"}


@contextmanager
def logs_in_as(server: Server, login: str) -> Iterator[tuple[int, dict]]:
    """There is a user that may not check."""
    with server.client() as db:
        db.execute_command("ACL SETUSER", "weak", "on", ">secret", "~*", "+@all", "-rl.check", "-rl.reserve")
        try:
            yield server.port, {"login": login}
        finally:
            db.execute_command("ACL DELUSER", "weak")


@contextmanager
def lacks_the_module(server: Server) -> Iterator[tuple[int, dict]]:
    with without_module() as bare:
        yield bare.port, {}


MISTAKES = {
    "lacks the limiter": (lacks_the_limiter, "NOLIMITS"),
    "has another type": (has_another_type, "WRONGTYPE|wrong kind of value"),
    "is told nonsense": (is_told_nonsense, "window must be a duration"),
    "lacks the right": (lambda server: logs_in_as(server, "weak:secret"), "no permission"),
    "has a wrong password": (lambda server: logs_in_as(server, "weak:wrong"), "WRONGPASS|invalid username"),
    "lacks the module": (lacks_the_module, "unknown command"),
}


def check_mistake(service: Service, on_mistake: str, about: str) -> None:
    answer = check_undecided(service, "mistake", on_mistake, about, 500, "Internal Server Error")
    assert told(answer) == {}


@pytest.mark.parametrize("on_mistake", ["open", "closed"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_after_a_mistake_no_request_is_served_unless_told(driver, server, mistake, on_mistake):
    """Whatever holds in an outage."""
    makes, about = MISTAKES[mistake]
    with makes(server) as (port, options):
        options = {"limits": "FIXED 1 1h", "onFailure": "open", "timeout": PATIENT_MS} | options
        choice = {} if on_mistake == "closed" else {"onMistake": on_mistake}
        check_mistake(driver.serve(port, **options, **choice), on_mistake, about)


def test_a_mistake_is_asked_about_again_and_mended_without_a_restart(serve, db):
    service = serve(limiter="api:free")
    assert service.statuses(10) == [500] * 10
    db.do("RL.DEFINE api:free FIXED 1 1h")
    assert service.statuses(2) == [200, 429]


# --- the start --------------------------------------------------------------------------------------


def started(driver: Driver, port: int, log: Path, **options) -> dict:
    return driver.ask({"redis": port, "log": str(log), "ready": True, "timeout": PATIENT_MS, **options})


@pytest.mark.parametrize("mistake", [name for name in MISTAKES if name != "has another type"])  # the key is a caller's
def test_a_mistake_is_found_at_the_start(driver, server, tmp_path, mistake):
    makes, about = MISTAKES[mistake]
    with makes(server) as (port, options):
        options = {"limits": "FIXED 1 1h", "onFailure": "open"} | options
        answer = started(driver, port, tmp_path / "log", **options)
        assert re.search(about, answer.get("error", "")), answer


@pytest.mark.parametrize("mistake", ["lacks the limiter", "lacks the right"])
def test_a_mistake_is_found_at_the_start_also_of_reservations(driver, server, tmp_path, mistake):
    makes, about = MISTAKES[mistake]
    with makes(server) as (port, options):
        options = {"limits": "FIXED 1 1h", "skipSuccessfulRequests": True} | options
        answer = started(driver, port, tmp_path / "log", **options)
        assert re.search(about, answer.get("error", "")), answer


def test_who_is_open_to_mistakes_starts_and_says_so(driver, server, tmp_path):
    log = tmp_path / "log"
    answer = started(driver, server.port, log, limiter="no:such", onMistake="open")
    assert Service(answer["port"], log).get().status == 200
    [at_start, *_] = Service(answer["port"], log).lines("ratelimit:")
    assert at_start.startswith("ratelimit: mistake open at start-up error=") and "NOLIMITS" in at_start


@pytest.mark.parametrize(
    "options", [{"limits": "FIXED 1 1h"}, {"limiter": "api"}, {"plans": True}], ids=lambda o: next(iter(o))
)
def test_the_start_takes_nothing(driver, server, db, tmp_path, options):
    db.do("RL.DEFINE api FIXED 1 1h")
    service = Service(started(driver, server.port, tmp_path / "log", **options)["port"], tmp_path / "log")
    assert (db.keys(), db.rl_info("api")["subjects"], service.lines()) == (["api"], 0, [])
    assert service.statuses(2, X_Plan="free") == [200, 429]


@pytest.mark.parametrize("skips", [False, True])
def test_a_limit_that_is_closed_is_no_mistake(driver, server, db, tmp_path, skips):
    """The start asks for nothing, and is denied."""
    db.do("RL.DEFINE closed FIXED 0 1h")
    options = {"limiter": "closed", "onFailure": "closed", "skipSuccessfulRequests": skips}
    service = Service(started(driver, server.port, tmp_path / "log", **options)["port"], tmp_path / "log")
    assert (service.get().status, db.rl_info("closed")["subjects"]) == (429, 0)


def test_the_start_waits_for_the_server(driver, server, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        with paused(server), server.client() as db:
            options = {"timeout": SHORT_MS, "patience": PATIENT_MS, "onFailure": "closed"}
            start = pool.submit(started, driver, server.port, tmp_path / "log", limits="FIXED 1 1h", **options)
            eventually(lambda: is_asked(db), "the server to be asked")
            assert not start.done()
        service = Service(start.result(PATIENCE_S)["port"], tmp_path / "log")
    assert service.lines() == []


@pytest.mark.parametrize("on_failure", ["open", "closed"])
def test_the_start_waits_no_longer_than_patience_and_then_does_as_in_an_outage(driver, tmp_path, on_failure):
    log = tmp_path / "log"
    options = {"limits": "FIXED 1 1h", "timeout": SHORT_MS, "patience": SHORT_MS, "onFailure": on_failure}
    answer = started(driver, free_port(), log, **options)
    if on_failure == "closed":
        assert "error" in answer
        return
    assert Service(answer["port"], log).get().status == 200
    assert Service(answer["port"], log).lines("ratelimit:")[0].startswith("ratelimit: failed open at start-up error=")
