# SPDX-License-Identifier: MIT
"""The middlewares of examples/, all against one table of behaviours: Express, WSGI, ASGI, net/http; and their pages.

middleware/driver.* serve them. Each has an application that answers `hello`, notes "served" with the correlation id
that it sees, and at /own says RateLimit-Limit itself. With the options key and cost, these come from X-Key and X-Cost.
Both are noted in the log of the service, where the middleware writes too; and "gone", if a client has left.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "middleware"))

from drivers import EXAMPLES, KINDS, Answer, Driver, Service, environment, silent_server
from harness import BASE, PATIENCE_S, REPOSITORY, SECOND, Client, Clock, Server, eventually, free_port, output_of, pairs

PAGE = REPOSITORY / "docs" / "middleware.md"
# As tests/server/commands/test_headers.py has them.
FIELDS = ["RateLimit-Policy", "RateLimit", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"]
SANE_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
PATIENT_MS = 1000 * PATIENCE_S  # a timeout that no slow machine reaches
SHORT_MS = 100  # one that is waited for, where no answer comes; a slow machine may reach it where one would come


@pytest.fixture(scope="session")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Driver]]:
    """One process a kind, started when it is first needed."""
    started: dict[str, Driver] = {}

    def driver(kind: str) -> Driver:
        if kind not in started:
            started[kind] = Driver(kind, tmp_path_factory.mktemp(kind))
        return started[kind]

    yield driver
    for each in started.values():
        each.stop()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def driver(drivers: Callable[[str], Driver], kind: str) -> Iterator[Driver]:
    yield (driver := drivers(kind))
    driver.assert_well()


@pytest.fixture
def db(server: Server) -> Iterator[Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def clock(db: Client) -> Iterator[Clock]:
    clock = Clock(db)
    clock.set(BASE)
    yield clock
    clock.resume()


@pytest.fixture
def serve(driver: Driver, server: Server) -> Callable[..., Service]:
    """A service behind the middleware with these options, closed and patient unless told."""
    return lambda **options: driver.serve(server.port, **{"onFailure": "closed", "timeout": PATIENT_MS} | options)


def told(answer: Answer) -> dict[str, str]:
    """The fields that come from the server."""
    return {name: answer[name] for name in FIELDS if answer.all(name)}


# --- granted and denied -----------------------------------------------------------------------------


def test_as_many_as_the_limit_are_served_and_then_none(serve):
    service = serve(limits="FIXED 3 1h")
    answers = [service.get() for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert [answer.body for answer in answers[:3]] == [b"hello"] * 3
    assert len(service.lines("served")) == 3


def test_the_fields_are_those_of_the_server(serve, db, clock):
    limits = "TOKENBUCKET 2 1 90s AS burst QUOTA 100 DAY AS daily"
    service = serve(limits=limits)
    for _ in range(3):
        expected = pairs(db.do(f"RL.CHECK other {limits} HEADERS")[-1])
        answer = service.get()
        assert told(answer) == expected
        assert all(len(answer.all(name)) == 1 for name in expected)
    assert (answer.status, answer["Retry-After"]) == (429, "90")


def test_who_waits_as_told_is_served(serve, clock):
    service = serve(limits="TOKENBUCKET 2 1 90s")
    *_, denied = [service.get() for _ in range(3)]
    clock.advance((int(denied["Retry-After"]) - 1) * SECOND)
    assert service.get().status == 429
    clock.advance(SECOND)
    assert service.get().status == 200


def test_a_denial_is_a_problem_with_the_wait_and_the_correlation_id(serve, clock):
    service = serve(limits="FIXED 1 90s AS calls")
    service.get()
    denied = service.get(X_Request_Id="abc-1")
    assert denied.problem() == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "limit": "calls",
        "wait_ms": 90_000,
        "request_id": "abc-1",
    }
    assert service.lines("ratelimit:") == ["ratelimit: denied request_id=abc-1 limit=calls wait_ms=90000"]


def test_a_denial_of_a_head_request_has_no_body(serve):
    service = serve(limits="FIXED 1 1h")
    service.get()
    heard = service.raw(b"HEAD / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    assert re.match(rb"HTTP/1.[01] 429 ", heard) and heard.endswith(b"\r\n\r\n")


def test_jitter_spreads_who_comes_again(serve, clock):
    service = serve(limits="FIXED 1 90s", jitter="1h")
    service.get()
    denied = [service.get() for _ in range(8)]
    waits = [answer.problem()["wait_ms"] for answer in denied]
    assert all(90_000 <= wait <= 3_690_000 for wait in waits) and len(set(waits)) > 1
    assert all(wait <= 1000 * int(answer["Retry-After"]) for wait, answer in zip(waits, denied))


def test_requests_at_once_are_served_exactly_up_to_the_limit(serve):
    service = serve(limits="FIXED 20 1h")
    with ThreadPoolExecutor(16) as pool:
        counted = Counter(pool.map(lambda _: service.get().status, range(80)))
    assert counted == {200: 20, 429: 60}
    assert len(service.lines("served")) == 20


def test_what_the_application_says_itself_stays_and_is_said_once(serve):
    answer = serve(limits="FIXED 3 1h").get("/own")
    assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("own", "2")


# --- the cost ---------------------------------------------------------------------------------------


def test_a_request_takes_its_cost(serve):
    service = serve(limits="FIXED 5 1h", cost=True)
    answers = [service.get(X_Cost=cost) for cost in ("3", "3", "2", "1")]
    assert [answer.status for answer in answers] == [200, 429, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "2", "0", "0"]


def test_a_request_that_costs_nothing_is_served_without_being_asked_about(serve, db):
    service = serve(limits="FIXED 1 1h", cost=True)
    answer = service.get(X_Cost="0")
    assert (answer.status, told(answer), db.keys()) == (200, {}, [])
    assert SANE_ID.fullmatch(answer["X-Request-Id"])


@pytest.mark.parametrize("cost", ["6", "4294967295", "4294967296", "1e300"])
def test_a_request_that_costs_more_than_there_ever_is_is_not_told_to_come_again(serve, cost):
    service = serve(limits="FIXED 5 1h", cost=True)
    denied = service.get(X_Cost=cost)
    assert (denied.status, denied.all("Retry-After"), denied.problem()["wait_ms"]) == (429, [], None)
    assert service.get(X_Cost="5").status == 200


@pytest.mark.parametrize("cost", ["-1", "-4294967296"])
def test_a_cost_that_is_none_is_a_fault_of_the_application_and_never_served(serve, cost):
    service = serve(limits="FIXED 5 1h", cost=True, onFailure="open")
    assert (service.get(X_Cost=cost).status, service.lines("served")) == (500, [])
    assert service.get().status == 200


# --- the key ----------------------------------------------------------------------------------------


def test_the_key_is_the_address_of_the_caller_unless_told(serve, db):
    serve(limits="FIXED 3 1h").get()
    assert db.keys() == ["ratelimit:127.0.0.1"]


def test_each_key_has_a_limit_of_its_own_under_the_prefix(serve, db):
    service = serve(limits="FIXED 1 1h", key=True, prefix="login:")
    assert [service.get(X_Key=key).status for key in ("alice", "bob", "alice")] == [200, 200, 429]
    assert sorted(db.keys()) == ["login:alice", "login:bob"]


def test_a_limiter_has_subjects_and_its_limits_change_for_all_at_once(serve, db):
    db.do("RL.DEFINE api:free FIXED 2 1h AS calls")
    service = serve(limiter="api:free", key=True)
    assert [service.get(X_Key=key).status for key in ("alice", "alice", "bob", "alice")] == [200, 200, 200, 429]
    assert (db.keys(), db.rl_info("api:free")["subjects"]) == (["api:free"], 2)
    assert db.rl_info("api:free", "bob")["limits"][0]["used"] == 1
    db.do("RL.DEFINE api:free FIXED 3 1h AS calls")
    assert [service.get(X_Key=key).status for key in ("alice", "bob", "alice")] == [200, 200, 429]


def test_a_limiter_on_trial_denies_nobody(serve, db):
    db.do("RL.DEFINE api:free FIXED 1 1h SHADOW")
    assert serve(limiter="api:free").statuses(3) == [200, 200, 200]


HOW = [{"limits": "FIXED 2 1h"}, {"limiter": "all"}]


@pytest.fixture(params=HOW, ids=lambda options: next(iter(options)))
def keyed(request: pytest.FixtureRequest, serve, db) -> Service:
    """Two requests for each key; whoever made the server complain would get through."""
    db.do("RL.DEFINE all FIXED 2 1h")
    return serve(key=True, onFailure="open", **request.param)


def test_who_has_no_name_shares_a_limit_with_all_who_have_none(keyed):
    assert [keyed.get(**fields).status for fields in ({}, {"X_Key": ""}, {}, {"X_Key": ""})] == [200, 200, 429, 429]


HOSTILE = {
    "bytes": bytes(range(0x80, 0x100)),
    "spaces and words": b"alice TOKENBUCKET 9 9 9s FOR bob",
    "quotes": b"\"'\\{x}%0d%0a\t*3",
    "as long as a subject may be": b"k" * 1024,
    "one more": b"k" * 1025,
    "long": b"k" * 5000,
    "long, of bytes": b"\xff" * 5000,
}


@pytest.mark.parametrize("key", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_key_is_a_key_like_any(keyed, key):
    assert keyed.statuses(4, X_Key=key) == [200, 200, 429, 429]
    assert keyed.lines("ratelimit: failed") == []


def test_long_keys_that_differ_in_the_end_are_different(keyed, db):
    assert keyed.statuses(2, X_Key="k" * 3000 + "a") + keyed.statuses(2, X_Key="k" * 3000 + "b") == [200] * 4
    assert all(len(key) < 100 for key in db.keys())


# --- the server fails -------------------------------------------------------------------------------


@contextmanager
def nobody(_: Server) -> Iterator[tuple[int, dict]]:
    yield free_port(), {"timeout": SHORT_MS}


@contextmanager
def hangs_from_the_start(_: Server) -> Iterator[tuple[int, dict]]:
    with silent_server() as port:
        yield port, {"timeout": SHORT_MS}


@contextmanager
def hangs(server: Server) -> Iterator[tuple[int, dict]]:
    with paused(server):
        yield server.port, {"timeout": SHORT_MS}


@contextmanager
def paused(server: Server) -> Iterator[None]:
    """The server reads commands that write, and leaves them."""
    with server.client() as db:
        db.execute_command("CLIENT", "PAUSE", PATIENT_MS, "WRITE")
        try:
            yield
        finally:
            db.execute_command("CLIENT", "UNPAUSE")


def is_asked(db: Client) -> bool:
    """While it is paused: whether somebody's command is waiting."""
    return db.info("clients")["blocked_clients"] > 0


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


@pytest.fixture(scope="session")
def bare_server() -> Iterator[Server]:
    server = Server(module=None, arguments=())
    try:
        yield server.start()
    finally:
        server.stop()


FAILURES = {
    "is not there": (nobody, ""),
    "hangs from the start": (hangs_from_the_start, ""),
    "hangs": (hangs, ""),
    "lacks the limiter": (lacks_the_limiter, "NOLIMITS"),
    "has another type": (has_another_type, "WRONGTYPE|wrong kind of value"),
    "is told nonsense": (is_told_nonsense, "window must be a duration"),
}


def check_failure(service: Service, on_failure: str, about: str) -> None:
    answer = service.get(X_Request_Id="abc-1")
    assert answer["X-Request-Id"] == "abc-1"
    [line] = service.lines("ratelimit:")
    assert line.startswith(f'ratelimit: failed {on_failure} request_id=abc-1 error="')
    assert re.search(about, line) and line.isprintable()
    if on_failure == "open":
        assert (answer.status, answer.body, told(answer)) == (200, b"hello", {})
        return
    assert (answer.status, service.lines("served")) == (503, [])
    problem = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "request_id": "abc-1"}
    assert answer.problem() == problem
    assert list(told(answer)) == ["Retry-After"] and 1 <= int(answer["Retry-After"]) <= 5


@pytest.mark.parametrize("on_failure", ["open", "closed"])
@pytest.mark.parametrize("failure", FAILURES)
def test_on_failure_a_request_is_let_through_or_told_to_come_again(driver, server, failure, on_failure):
    fails, about = FAILURES[failure]
    with fails(server) as (port, options):
        options = {"limits": "FIXED 1 1h", "onFailure": on_failure, "timeout": PATIENT_MS} | options
        check_failure(driver.serve(port, **options), on_failure, about)


@pytest.mark.parametrize("on_failure", ["open", "closed"])
def test_a_server_without_the_module_is_a_failure(driver, bare_server, on_failure):
    service = driver.serve(bare_server.port, limits="FIXED 1 1h", onFailure=on_failure, timeout=PATIENT_MS)
    check_failure(service, on_failure, "unknown command")


def test_open_is_what_holds_unless_told(driver):
    assert driver.serve(free_port(), limits="FIXED 1 1h").get().status == 200


def test_an_answer_that_comes_late_is_nobody_elses(serve, server, db):
    """Each key has used another number of units, so that an answer of another would be seen."""
    service = serve(limits="FIXED 100 1h", key=True, cost=True, timeout=SHORT_MS)
    with paused(server):
        assert [service.get(X_Key=key, X_Cost="40").status for key in ("a", "b", "c")] == [503] * 3
    eventually(lambda: service.get(X_Key="ready").status == 200, "the server to be asked again")
    for number in range(1, 4):
        assert in_time(service, number)["RateLimit-Remaining"] == str(100 - number)
    # At most charged once, also by a client that had sent the command before it stopped waiting.
    assert all(db.ask(f"RL.PEEK ratelimit:{key} FIXED 100 1h").remaining in (100, 60) for key in ("a", "b", "c"))
    assert len(service.lines("ratelimit: failed")) >= 3


def in_time(service: Service, cost: int) -> Answer:
    """The first answer that comes in time to a new key."""
    for number in range(1000):
        answer = service.get(X_Key=f"later-{cost}-{number}", X_Cost=str(cost))
        if answer.status == 200:
            return answer
        assert answer.status == 503
    raise AssertionError("no answer comes in time")


def test_many_who_wait_for_a_server_that_hangs_are_all_answered(serve, server):
    service = serve(limits="FIXED 1000 1h", timeout=SHORT_MS)
    with paused(server), ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: service.get().status, range(64))) == {503}
    eventually(lambda: service.get().status == 200, "the server to be asked again")


def test_connections_that_the_server_has_closed_are_opened_again(serve, db):
    service = serve(limits="FIXED 100000 1h")
    assert service.get().status == 200
    db.execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
    eventually(lambda: service.get().status == 200, "a new connection")
    assert service.statuses(3) == [200] * 3


def test_a_call_whose_connection_breaks_is_a_failure_and_is_not_sent_again(serve, server, db):
    service = serve(limits="FIXED 100 1h", key=True)
    with ThreadPoolExecutor(1) as pool:
        with paused(server):
            request = pool.submit(service.get, X_Key="broken")
            eventually(lambda: is_asked(db), "the server to be asked")
            db.execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
            assert request.result(PATIENCE_S).status == 503
        eventually(lambda: service.get(X_Key="next").status == 200, "a new connection")
    assert db.keys() == ["ratelimit:next"]


@pytest.mark.parametrize("kind", ["express", "go"])  # the others are not told that a client has left
def test_who_has_left_while_the_server_was_asked_is_not_served(kind, serve, server, db):
    service = serve(limits="FIXED 100 1h")
    service.get()
    with paused(server):
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nX-Request-Id: left\r\n\r\n")
            eventually(lambda: is_asked(db), "the server to be asked")
        eventually(lambda: service.lines("gone") != [], "the service to see that the client has left")
    assert service.get(X_Request_Id="stayed").status == 200
    assert "served left" not in service.lines() and "served stayed" in service.lines()
    assert service.lines("ratelimit:") == []


# --- the correlation id -----------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["a", "Az09_.-", "x" * 64, "5f0c2a1e-7f4c-4c63-9a55-1f0f3a0d7a11"])
def test_a_sane_correlation_id_is_passed_on_and_back(serve, given):
    service = serve(limits="FIXED 9 1h")
    assert service.get(X_Request_Id=given)["X-Request-Id"] == given
    assert service.lines() == [f"served {given}"]


def test_who_has_no_correlation_id_gets_a_new_one(serve):
    service = serve(limits="FIXED 9 1h")
    made = [service.get()["X-Request-Id"] for _ in range(3)]
    assert len(set(made)) == 3 and all(map(SANE_ID.fullmatch, made))
    assert service.lines() == [f"served {each}" for each in made]


@pytest.mark.parametrize("given", [b"", b"x" * 65, b"a b", b"a\tb", b"<b>", b'a"', b"a=1", b"\xff\xfe", "é".encode()])
def test_a_correlation_id_that_is_not_sane_is_replaced(serve, given):
    service = serve(limits="FIXED 1 1h")
    for _ in range(2):
        made = service.get(X_Request_Id=given)["X-Request-Id"]
        assert SANE_ID.fullmatch(made) and made.encode() != given
    assert all(given.decode("latin-1") not in line for line in service.lines()) or not given


FOLDED = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nX-Request-Id: a%sEvil: 1\r\n\r\n"


@pytest.mark.parametrize("fold", [b"\r\n ", b"\r\n\t", b"\n ", b"\r", b"\n", b"\x00", b"\x0b"])
def test_line_ends_in_a_correlation_id_come_back_in_no_field_and_no_log(serve, fold):
    """Servers differ in what they refuse; what they let pass must be harmless."""
    service = serve(limits="FIXED 1 1h")
    for _ in range(2):
        head, _, _ = service.raw(FOLDED % fold).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.") and b"evil" not in head.lower()
        ids = re.findall(rb"^x-request-id: (.*?)\r?$", head, re.IGNORECASE | re.MULTILINE)
        assert all(SANE_ID.fullmatch(each.decode()) for each in ids) and len(ids) <= 1
    assert all(re.match(r"(served|ratelimit: denied request_id=)", line) for line in service.lines())


def test_hostile_words_in_an_error_of_the_server_stay_in_one_line_of_the_log(driver, bare_server):
    """Without the module, the server's complaint quotes the key."""
    options = {"limits": "FIXED 1 1h", "key": True, "timeout": PATIENT_MS}
    service = driver.serve(bare_server.port, **options)
    assert service.get(X_Key=b'"quoted"\\ \xe9').status == 200
    [line] = service.lines("ratelimit:")
    assert line.endswith('"') and line.isprintable() and len(service.lines()) == 2


# --- options ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"limits": "FIXED 1 1h", "limiter": "api"},
        {"limits": "FIXED 1 1h", "onFailure": "maybe"},
        {"limits": "FIXED 1 1h", "timeout": -1},
    ],
    ids=["neither", "both", "maybe", "no time"],
)
def test_options_that_make_no_sense_are_refused_at_once(driver, options, tmp_path):
    error = driver.ask({"redis": free_port(), "log": str(tmp_path / "log"), **options})["error"]
    assert "either" in error or "must be" in error


def load_python():
    specification = importlib.util.spec_from_file_location("ratelimit", EXAMPLES / "python" / "ratelimit.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


# --- what is special about Express ------------------------------------------------------------------

# Each case: what `redis.call` does, options, and whether somebody else has answered meanwhile.
EXPRESS_ALONE = """
    const { rateLimit } = require(process.argv[1]);
    const later = (ms, ...what) => new Promise((resolve, reject) => setTimeout(reject, ms, ...what));
    const granted = [1, 9, 8, 0, 1, "fixed", ["RateLimit-Limit", "9"]];
    const denied = [0, 9, 0, 1, 1, "fixed", ["Retry-After", "1"]];
    async function told(call, options = {}, meanwhile = {}) {
      const heard = [];
      const res = { setHeader() {}, end: () => heard.push(res.statusCode), headersSent: false, destroyed: false };
      const redis = { call: (...words) => (Object.assign(res, meanwhile), call(...words)) };
      const limit = rateLimit(redis, { limits: "FIXED 9 1h", key: () => "k", log() {}, timeout: 1e8, ...options });
      await limit({ headers: {} }, res, (error) => heard.push(error ? String(error) : "next"));
      return heard;
    }
    async function main() {
      const thrower = () => { throw new Error("at once"); };
      console.log(JSON.stringify([
        await told(async () => granted),
        await told(async () => denied),
        await told(async () => granted, {}, { headersSent: true }),
        await told(async () => denied, {}, { headersSent: true }),
        await told(async () => denied, {}, { destroyed: true }),
        await told(() => later(20, new Error("late")), { timeout: 1 }),
        await told(() => later(20, new Error("late")), { timeout: 1, onFailure: "closed" }),
        await told(thrower),
        await told(thrower, { onFailure: "closed" }),
        await told(async () => granted, { key: thrower }),
      ]));
    }
    main();
"""


def test_express_answers_once_whatever_comes_late_and_leaves_no_timer_behind():
    """A timer that is left, of more than a day, would keep the program from ending; a rejection would end it badly."""
    heard = output_of("node", "-e", EXPRESS_ALONE, str(EXAMPLES / "express" / "ratelimit.js"))
    failures = [["next"], [503], ["next"], [503]]
    assert json.loads(heard) == [["next"], [429], [], [], [], *failures, ["Error: at once"]]


# --- what is special about ASGI ---------------------------------------------------------------------


async def never(*_) -> None:
    raise AssertionError("nobody asked for this")


@pytest.mark.parametrize("scope", [{"type": "websocket", "headers": []}, {"type": "lifespan"}], ids=lambda s: s["type"])
def test_asgi_passes_on_what_is_not_http_as_it_is(scope):
    heard = []

    async def app(*words):
        heard.append(words)

    middleware = load_python().RateLimitASGI(app, f"redis://127.0.0.1:{free_port()}", limits="FIXED 1 1h")
    asyncio.run(middleware(scope, never, never))
    assert heard == [(scope, never, never)] and heard[0][0] is scope


@pytest.mark.parametrize("why", ["the client has left", "the time is over"])
def test_asgi_lets_a_call_that_is_on_its_way_come_to_its_end(why):
    """Some versions of redis-py, if they are cancelled, give the reply to whoever calls next."""

    class Redis:
        ended = ""

        async def execute_command(self, *_):
            try:
                await asyncio.wait_for(released.wait(), PATIENCE_S)
                self.ended = "well"
            except asyncio.CancelledError:
                self.ended = "cancelled"

    async def main() -> str:
        nonlocal released
        released = asyncio.Event()
        timeout = 1 if why == "the time is over" else PATIENT_MS
        middleware = load_python().RateLimitASGI(never, limits="FIXED 1 1h", on_failure="closed", timeout=timeout)
        middleware.redis = Redis()
        request = asyncio.ensure_future(middleware({"type": "http", "method": "GET", "headers": []}, never, ignore))
        await asyncio.sleep(0)
        if why == "the client has left":
            request.cancel()
        await asyncio.wait([request])
        released.set()
        while not middleware.redis.ended:
            await asyncio.sleep(0)
        return middleware.redis.ended

    async def ignore(_) -> None:
        pass

    released = None
    assert asyncio.run(main()) == "well"


def test_asgi_gives_no_answer_to_the_next_caller_if_one_is_cancelled(server):
    """A server of ASGI may cancel a request whose client has left."""
    scopes = [{"type": "http", "method": "GET", "path": "/", "headers": [], "name": name} for name in ("left", "next")]
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    async def send(message):
        sent.append(dict(message["headers"])[b"ratelimit-limit"])

    async def main() -> None:
        limits = {"limits": "FIXED 7 1h", "timeout": PATIENT_MS}
        options = limits | {"key": lambda scope: scope["name"], "cost": lambda scope: 1 + (scope["name"] == "left")}
        middleware = load_python().RateLimitASGI(app, f"redis://127.0.0.1:{server.port}", **options)
        with paused(server), server.client() as db:
            left = asyncio.ensure_future(middleware(scopes[0], never, send))
            while not is_asked(db):
                await asyncio.sleep(0.005)
            left.cancel()
            await asyncio.gather(left, return_exceptions=True)
            assert left.cancelled()
        for _ in range(3):
            await middleware(scopes[1], never, send)
        await middleware.redis.connection_pool.disconnect()

    asyncio.run(main())
    assert sent == [b"7"] * 3
    with server.client() as db:
        assert db.rl_info("ratelimit:next")["limits"][0]["used"] == 3


# --- the pages --------------------------------------------------------------------------------------


def lines_of_code(source: str, suffix: str) -> int:
    """Without blank lines, comments, imports, and brackets that only close."""
    if suffix == ".py":
        source = re.sub(r'""".*?"""', "", source, flags=re.DOTALL)
    source = re.sub(r"^import \(.*?^\)$", "", source, flags=re.DOTALL | re.MULTILINE)
    not_code = r"//|# |from \S+ import |import |package |.*= require\("
    lines = [line.strip() for line in source.splitlines()]
    return sum(not re.match(not_code, line) and re.search(r"[^\s(){}\[\],;]", line) is not None for line in lines)


def counted() -> dict[str, int]:
    sources = {path.suffix: path.read_text() for path in EXAMPLES.glob("*/ratelimit.*")}
    common, wsgi, asgi = re.split(r"^(?=class RateLimit(?:WSGI|ASGI))", sources[".py"], flags=re.MULTILINE)
    programs = {"Express": sources[".js"], "WSGI": common + wsgi, "ASGI": common + asgi, "net/http": sources[".go"]}
    suffixes = {"Express": ".js", "net/http": ".go"}
    return {name: lines_of_code(source, suffixes.get(name, ".py")) for name, source in programs.items()}


def rows(page: Path) -> list[list[str]]:
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_the_page_says_how_many_lines_each_has_and_they_are_few():
    stated = {row[0]: int(row[3]) for row in rows(PAGE) if row[0] in counted()}
    assert stated == counted()
    assert max(stated.values()) <= 90 and stated["Express"] <= 60


def test_every_option_of_the_page_is_one_of_each_middleware():
    start = PAGE.read_text().index("| option |")
    options = re.findall(r"^\| `(\w+)` \|", PAGE.read_text()[start:], re.MULTILINE)
    assert {"limits", "limiter", "key", "cost", "onFailure", "timeout", "jitter", "log", "prefix"} == set(options)
    spelling = {".js": str, ".go": lambda name: name[0].upper() + name[1:]}
    spelling[".py"] = lambda name: re.sub("([A-Z])", r"_\1", name).lower()
    for path in EXAMPLES.glob("*/ratelimit.*"):
        source = path.read_text()
        assert all(re.search(rf"\b{spelling[path.suffix](name)}\b", source) for name in options), path


def started(readme: Path) -> list[list[str]]:
    """The commands of a page that start a service, one for each."""
    commands = re.findall(r"^\$ ((?:node|GO111MODULE=off .*go run|python3) .*)$", readme.read_text(), re.MULTILINE)
    return [shlex.split(command) for command in commands]


APPS = [(readme, words) for readme in sorted(EXAMPLES.glob("*/README.md")) for words in started(readme)]


def test_there_is_a_service_to_start_for_each():
    assert [readme.parent.name for readme, _ in APPS] == ["express", "go", "python", "python"]


@contextmanager
def running(readme: Path, words: list[str], port: int, redis: int) -> Iterator[None]:
    """As the page says, but on another port, with another server and with the interpreter of these tests."""
    words = [str(port) if word == "3000" else word for word in words]
    given = dict(word.split("=") for word in words if re.match(r"[A-Z0-9]+=", word))
    words = [sys.executable if word == "python3" else word for word in words if not re.match(r"[A-Z0-9]+=", word)]
    where = {"PORT": str(port), "REDIS_URL": f"redis://127.0.0.1:{redis}", "REDIS_ADDRESS": f"127.0.0.1:{redis}"}
    options = {"env": environment(**where, **given), "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(words, cwd=readme.parent, start_new_session=True, **options)
    try:
        yield
        assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # go run is the parent of what it runs
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(("readme", "words"), APPS, ids=[f"{readme.parent.name}-{words[-1]}" for readme, words in APPS])
def test_a_service_starts_as_its_page_says(server, db, clock, tmp_path, readme, words):
    service = Service(free_port(), tmp_path / "log")
    with running(readme, words, service.port, server.port):
        eventually(lambda: listens(service.port), "the service")
        eventually(lambda: told(service.get()) != {}, "the service to find its server")
        db.flushall()
        served = []
        while (answer := service.get()).status == 200:
            served.append(answer)
    assert answer.status == 429
    # Who is not answered in time is let through, charged or not.
    assert len([each for each in served if told(each)]) <= 5 <= len(served)
    assert {each.body for each in served} == {b"hello\n"}
