# SPDX-License-Identifier: MIT
"""What is special about Express and about ASGI."""

from __future__ import annotations

import asyncio
import json

import pytest

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
