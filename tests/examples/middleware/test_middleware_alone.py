# SPDX-License-Identifier: MIT
"""What is special about Express, WSGI and ASGI; and what is seen of them without a server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging

import pytest
import redis

from drivers import EXAMPLES, environment
from harness import PATIENCE_S, free_port, output_of
from table import PATIENT_MS, is_asked, load_python, paused

# Each case: what `redis.call` does, options, and whether somebody else has answered meanwhile.
EXPRESS_ALONE = """
    const { rateLimit } = require(process.argv[1]);
    const later = (ms, ...what) => new Promise((resolve, reject) => setTimeout(reject, ms, ...what));
    const granted = [1, 9, 8, 0, 1, "fixed", ["RateLimit-Limit", "9"]];
    const denied = [0, 9, 0, 1, 1, "fixed", ["Retry-After", "1"]];
    async function told(call, options = {}, meanwhile = {}) {
      const heard = [];
      const res = { setHeader() {}, end: () => heard.push(res.statusCode), headersSent: false, destroyed: false };
      const redis = { sendCommand: (command) => (Object.assign(res, meanwhile), call(command)) };
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
    heard = output_of("node", "-e", EXPRESS_ALONE, str(EXAMPLES / "express" / "ratelimit"), env=environment())
    failures = [["next"], [503], ["next"], [503]]
    assert json.loads(heard) == [["next"], [429], [], [], [], *failures, ["Error: at once"]]


# Where nobody takes the lines: the levels of two lines about an outage, and of two about a mistake.
EXPRESS_LEVELS = """
    const { rateLimit } = require(process.argv[1]);
    const levels = [];
    for (const level of ["warn", "error"]) console[level] = () => levels.push(level);
    async function fails(name) {
      const redis = { sendCommand: async () => { throw Object.assign(new Error("no"), { name }); } };
      const limit = rateLimit(redis, { limits: "FIXED 9 1h", key: () => "k", patience: 0, onMistake: "open" });
      await limit.ready();
      await limit({ headers: {} }, { setHeader() {} }, () => {});
    }
    fails("Error").then(() => fails("ReplyError")).then(() => console.log(JSON.stringify(levels)));
"""


def test_express_warns_of_an_outage_and_says_of_a_mistake_that_it_is_an_error():
    heard = output_of("node", "-e", EXPRESS_LEVELS, str(EXAMPLES / "express" / "ratelimit"), env=environment())
    assert json.loads(heard) == ["warn", "warn", "error", "error"]


class Replying:
    """A client of a server that always replies so."""

    def __init__(self, reply) -> None:
        self.reply, self.asked = reply, []

    def execute_command(self, *words):
        self.asked.append(words)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


def request_of(app):
    """The body of a request by WSGI."""
    return app({"REQUEST_METHOD": "GET", "REMOTE_ADDR": "9.9.9.8"}, lambda *_: None)


@pytest.mark.parametrize(
    ("error", "level"),
    [(redis.ConnectionError("gone"), logging.WARNING), (redis.ResponseError("NOLIMITS none"), logging.ERROR)],
    ids=["outage", "mistake"],
)
def test_python_warns_of_an_outage_and_says_of_a_mistake_that_it_is_an_error(caplog, error, level):
    options = {"limits": "FIXED 9 1h", "patience": 0, "on_mistake": "open"}
    app = load_python().RateLimitWSGI(lambda *_: [], Replying(error), **options)
    app.ready()
    request_of(app)
    assert [record.levelno for record in caplog.records if record.name == "ratelimit"] == [level] * 2


@pytest.mark.parametrize(("breaks_off", "actual"), [(False, 0), (True, 1)])
def test_wsgi_charges_for_a_body_that_breaks_off(breaks_off, actual):
    """Nothing was sent yet, so the server will answer 500, whatever status the application has given."""

    def service(_, start_response):
        start_response("200 OK", [])
        if breaks_off:
            raise ValueError("too late")
        yield b"tried"

    client = Replying([1, 3, 2, 0, 1, "fixed", "held", []])
    body = request_of(load_python().RateLimitWSGI(service, client, limits="FIXED 3 1h", skip_successful_requests=True))
    with pytest.raises(ValueError, match="too late") if breaks_off else contextlib.nullcontext():
        list(body)
    body.close()
    assert [words[:4] for words in client.asked[1:]] == [("RL.SETTLE", b"ratelimit:9.9.9.8", "held", actual)]


async def never(*_) -> None:
    raise AssertionError("nobody asked for this")


@pytest.mark.parametrize("scope", [{"type": "websocket", "headers": []}, {"type": "lifespan"}], ids=lambda s: s["type"])
def test_asgi_passes_on_what_is_not_http_as_it_is(scope):
    heard = []

    async def app(*words):
        heard.append(words)

    middleware = load_python().RateLimitASGI(app, f"redis://127.0.0.1:{free_port()}", limits="FIXED 1 1h", patience=1)
    asyncio.run(middleware(scope, never, never))
    assert heard == [(scope, never, never)] and heard[0][0] is scope


def test_asgi_does_not_start_with_limits_that_are_no_text():
    """An exception would tell the server that the application knows no lifespan, and it would start."""
    sent = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        sent.append(message["type"])

    middleware = load_python().RateLimitASGI(never, f"redis://127.0.0.1:{free_port()}", limits=5)
    asyncio.run(middleware({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.failed"]


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
