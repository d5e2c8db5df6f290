# SPDX-License-Identifier: MIT
"""examples/nginx-lua: nginx asks the module itself. What it answers, also under load; and while the server hangs, dies,
comes back, or says that the question is wrong.
"""

from __future__ import annotations

import http.client
import importlib
import ipaddress
import json
import os
import random
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cluster import Node
from harness import MODULE, PATIENCE_S, REPOSITORY, Server, eventually, free_port, path_of

EXAMPLE = REPOSITORY / "examples" / "nginx-lua"
MODULES = Path("/usr/lib/nginx/modules")
PATIENT_MS = 1000 * PATIENCE_S

CONFIGURATION = """
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
worker_processes {workers};
{user}
daemon off;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 4096; }}
http {{
  log_format witness escape=none "$status\t$http_x_api_key";
  access_log witness.log witness;
  lua_package_path "{example}/?.lua;;";
  lua_socket_log_errors off;
  {temporary}
  init_by_lua_block {{ ratelimit = require("ratelimit") {limiters} }}
  init_worker_by_lua_block {{ {ready} }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    keepalive_requests 10000000;
    location /caller {{
      content_by_lua_block {{
        local bytes = ngx.var.arg_hex:gsub("..", function(hex) return string.char(tonumber(hex, 16)) end)
        ngx.print(ratelimit.caller_at(bytes, tonumber(ngx.var.arg_subnet)))
      }}
    }}
    {locations}
  }}
}}
"""
AT_START = 1  # a call that takes nothing, and is counted
KEY = "key = function() return ngx.var.http_x_api_key end"


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.fields, self.body = response.status, dict(response.getheaders()), response.read().decode()

    def problem(self) -> dict:
        assert self.fields["Content-Type"] == "application/problem+json"
        return json.loads(self.body)


class Nginx:
    """One location for each limiter: its name, and its options in Lua."""

    def __init__(self, folder: Path, limiters: dict[str, str], workers: int = 1) -> None:
        self.folder, self.port = folder, free_port()
        names = ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
        made = [f"{name} = ratelimit.new({{ {options} }})" for name, options in limiters.items()]
        served = "content_by_lua_block { ngx.print('served') }"
        locations = [f"location /{name} {{ access_by_lua_block {{ {name}:check() }} {served} }}" for name in limiters]
        text = CONFIGURATION.format(
            **{"modules": MODULES, "workers": workers, "example": EXAMPLE, "port": self.port},
            user="user root;" if os.getuid() == 0 else "",
            temporary=" ".join(f"{name}_temp_path temp-{name};" for name in names),
            limiters="; ".join(made),
            ready=" ".join(f"{name}:ready()" for name in limiters),
            locations="\n".join(locations),
        )
        (folder / "nginx.conf").write_text(text)
        self.command = [path_of("nginx"), "-p", f"{folder}/", "-e", "error.log", "-c", "nginx.conf"]

    def __enter__(self) -> Nginx:
        self._process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        eventually(self._answers, "nginx to answer")
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log()
        try:
            return self.get("/caller?hex=01020304&subnet=56").body == "1.2.3.4"
        except OSError:
            return False

    def get(self, path: str, **fields: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in fields.items()})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def log(self) -> str:
        return (self.folder / "error.log").read_text()

    def lines(self, about: str = "") -> list[str]:
        """What ratelimit.lua has logged, without what nginx adds."""
        return re.findall(rf"(?m)ratelimit: ({about}.*?)(?:, client: |, context: |$)", self.log())

    def statuses(self) -> Counter[str]:
        """Of all requests until now, those of the test's own start left out."""
        lines = (self.folder / "witness.log").read_text().splitlines()
        return Counter(line.split("\t")[0] for line in lines if line.split("\t")[1])


def options(server: Server, *more: str, timeout: int = PATIENT_MS) -> str:
    return ", ".join([f"port = {server.port}", f"timeout = {timeout}", KEY, *more])


def limits(text: str) -> str:
    return f'limits = "{text}"'


@contextmanager
def load(nginx: Nginx, path: str, connections: int = 40) -> Iterator[None]:
    """wrk, as long as the `with` block lasts."""
    words = ["wrk", "--threads", "2", "--connections", str(connections), "--duration", "600s", "--timeout", "60s"]
    words += ["--header", "X-Api-Key: alice", f"http://127.0.0.1:{nginx.port}{path}"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)


@pytest.fixture
def node() -> Iterator[Node]:
    """A server of this test alone, which may be killed, and comes back on the same port."""
    port = free_port()
    node = Node("--port", str(port))
    try:
        node.start()
        node.port = port
        yield node
    finally:
        node.stop()


# --- answers ----------------------------------------------------------------------------------------


def test_a_request_is_granted_or_denied_with_the_fields_that_the_server_says(server, tmp_path):
    with Nginx(tmp_path, {"api": options(server, limits("FIXED 1 1h AS hourly QUOTA 9 DAY AS daily"))}) as nginx:
        granted = nginx.get("/api", X_Api_Key="alice")
        denied = nginx.get("/api", X_Api_Key="alice", X_Request_Id="abc-1")
        assert nginx.get("/api", X_Api_Key="bob").status == 200
    assert (granted.status, granted.body) == (200, "served")
    assert granted.fields["RateLimit-Policy"] == '"hourly";q=1;w=3600, "daily";q=9;w=86400'
    assert granted.fields["RateLimit-Remaining"] == "0"
    assert "Retry-After" not in granted.fields
    assert re.fullmatch("[0-9a-f]{32}", granted.fields["X-Request-Id"])
    problem = denied.problem()
    assert (denied.status, denied.fields["X-Request-Id"]) == (429, "abc-1")
    assert 3500 < int(denied.fields["Retry-After"]) <= 3600
    assert 3_500_000 < problem.pop("wait_ms") <= 3_600_000
    assert problem == {
        **{"type": "https://iana.org/assignments/http-problem-types#quota-exceeded", "title": "Too Many Requests"},
        **{"status": 429, "violated-policies": ["hourly"], "request_id": "abc-1"},
    }


def test_a_denial_for_ever_has_no_time_to_come_again(server, tmp_path):
    with Nginx(tmp_path, {"api": options(server, limits("FIXED 0 1h"))}) as nginx:
        denied = nginx.get("/api", X_Api_Key="alice")
    assert (denied.status, denied.problem()["wait_ms"], "Retry-After" in denied.fields) == (429, None, False)


def test_a_limiter_has_its_limits_on_the_server_and_its_callers_as_subjects(server, tmp_path):
    with server.client() as db, Nginx(tmp_path, {"api": options(server, 'limiter = "api:free"')}) as nginx:
        db.do("RL.DEFINE api:free FIXED 2 1h")
        assert [nginx.get("/api", X_Api_Key="alice").status for _ in range(3)] == [200, 200, 429]
        db.do("RL.DEFINE api:free FIXED 3 1h")
        assert nginx.get("/api", X_Api_Key="alice").status == 200
        assert db.do("RL.PEEK api:free FOR alice")[2] == 0


@pytest.mark.parametrize("given", ["a b", "", "x" * 65, 'quote"', "line%0a;"])
def test_an_id_that_is_none_is_replaced(server, tmp_path, given):
    with Nginx(tmp_path, {"api": options(server, limits("FIXED 1 1h"))}) as nginx:
        assert re.fullmatch("[0-9a-f]{32}", nginx.get("/api", X_Request_Id=given).fields["X-Request-Id"])


def test_no_key_is_one_caller_and_a_long_key_is_its_hash(server, tmp_path):
    with server.client() as db, Nginx(tmp_path, {"api": options(server, limits("FIXED 5 1h"))}) as nginx:
        for key in ({}, {"X_Api_Key": ""}, {"X_Api_Key": "k" * 3000}, {"X_Api_Key": "\xe9 b\tc"}):
            assert nginx.get("/api", **key).status == 200
        keys = set(db.execute_command("KEYS", "*"))
    assert {"ratelimit:-"} < keys and len(keys) == 3
    assert any(re.fullmatch("ratelimit:sha1:[0-9a-f]{40}", key) for key in keys)


def test_keys_that_are_numbers_stay_apart_however_long_they_are(server, tmp_path):
    key = "key = function() return tonumber(ngx.var.arg_id) end"
    numbers = ["7", "100000000000001", "100000000000002", "9007199254740990", "9007199254740991"]
    with server.client() as db, Nginx(tmp_path, {"api": options(server, limits("FIXED 1 1h"), key)}) as nginx:
        assert [nginx.get(f"/api?id={number}").status for number in numbers * 2] == [200] * 5 + [429] * 5
        assert set(db.keys()) == {f"ratelimit:{number}" for number in numbers}


def test_costs_are_what_the_function_says_and_nothing_is_asked_for_0(server, tmp_path):
    cost = "cost = function() return tonumber(ngx.var.arg_cost) end"
    with server.client() as db, Nginx(tmp_path, {"api": options(server, limits("FIXED 5 1h"), cost)}) as nginx:
        assert nginx.get("/api?cost=0").status == 200 and db.dbsize() == 0
        assert nginx.get("/api?cost=3.2").fields["RateLimit-Remaining"] == "1"
        assert nginx.get("/api?cost=2").status == 429
        assert [nginx.get(f"/api?cost={cost}").status for cost in ("-1", "none", "nan")] == [500] * 3


def test_the_callers_of_addresses_are_those_of_the_other_middlewares(tmp_path):
    sys.path.insert(0, str(REPOSITORY / "examples" / "python"))
    try:
        caller_at = importlib.import_module("ratelimit.caller").caller_at
    finally:
        sys.path.pop(0)
    dice = random.Random(6)
    words = [0, 0, 0, 1, 0xFFFF]
    addresses = [ipaddress.IPv4Address(dice.randrange(2**32)) for _ in range(5)]
    for _ in range(60):
        groups = [dice.choice([*words, dice.randrange(2**16)]) for _ in range(8)]
        addresses.append(ipaddress.IPv6Address(b"".join(group.to_bytes(2, "big") for group in groups)))
    addresses.append(ipaddress.IPv6Address("::ffff:9.9.9.8"))
    with Nginx(tmp_path, {}) as nginx:
        for address in addresses:
            subnet = dice.choice([1, 17, 32, 48, 56, 64, 127, 128])
            told = nginx.get(f"/caller?hex={address.packed.hex()}&subnet={subnet}").body
            assert told == caller_at(str(address), subnet), address
        assert nginx.get("/caller?hex=&subnet=56").body == ""


def test_it_signs_in_and_takes_the_database_it_is_told(server, tmp_path):
    right = options(server, limits("FIXED 5 1h"), 'user = "web"', 'password = "secret"', "database = 3")
    with server.client() as db:
        db.do("ACL SETUSER web on >secret ~* +rl.check +select")
        limiters = {"api": right, "wrong": right.replace("secret", "guessed")}
        with Nginx(tmp_path, limiters) as nginx:
            assert [nginx.get("/api").status for _ in range(2)] == [200, 200]
            assert nginx.get("/wrong").status == 500
            assert nginx.lines("mistake closed .*WRONGPASS")
        db.select(3)
        assert db.do("KEYS *") == ["ratelimit:-"]


# --- under load -------------------------------------------------------------------------------------


def test_under_load_exactly_the_limit_is_admitted_over_a_few_connections_that_stay(server, tmp_path):
    text = options(server, 'limiter = "api"', "connections = 4")
    with server.client() as db:
        db.do("RL.DEFINE api FIXED 300 1h")
        before = db.info("clients")["connected_clients"]
        received = db.info("stats")["total_connections_received"]
    with server.client() as db, Nginx(tmp_path, {"api": text}, workers=2) as nginx:
        with load(nginx, "/api"):
            eventually(lambda: nginx.statuses()["429"] > 1000, "the limit to be used up, and more")
        statuses = nginx.statuses()
        assert db.rl_info("api")["granted"] == 300 + AT_START
        # Only once the load is gone: until the server has read that a connection is closed, it counts it.
        eventually(lambda: db.info("clients")["connected_clients"] - before <= 2 * 4, "four connections of each worker")
        assert db.info("stats")["total_connections_received"] - received < statuses.total() / 4
    assert statuses["200"] <= 300 <= statuses["200"] + statuses["499"]
    assert set(statuses) <= {"200", "429", "499"}


def test_under_load_a_bucket_admits_its_burst_and_what_flows_back(server, tmp_path):
    with server.client() as db:
        db.do("RL.DEFINE api TOKENBUCKET 20 100 1s")
    with server.client() as db, Nginx(tmp_path, {"api": options(server, 'limiter = "api"')}, workers=2) as nginx:
        begin = time.monotonic()
        with load(nginx, "/api"):
            eventually(lambda: nginx.statuses()["200"] >= 120, "a second's worth")
            eventually(lambda: nginx.statuses()["429"] > 100, "denials")
        granted = db.rl_info("api")["granted"] - AT_START
        assert nginx.statuses()["200"] <= granted <= 20 + 100 * (time.monotonic() - begin)
        eventually(lambda: granted <= nginx.statuses()["200"] + nginx.statuses()["499"], "the log to have all of them")


def test_a_server_that_is_killed_under_load_is_an_outage_then_a_mistake_and_then_limits_again(node, tmp_path):
    """It comes back without its limiter: that lets nobody through, also where an outage does."""
    limiters = {"closed": options(node, 'limiter = "api"', 'on_failure = "closed"')}
    with Nginx(tmp_path, limiters, workers=2) as nginx:
        with node.client() as db:
            db.do("RL.DEFINE api FIXED 50 1h")
        with load(nginx, "/closed", connections=10):
            eventually(lambda: nginx.statuses()["429"] > 20, "the limit to be used up")
            assert nginx.statuses()["200"] == 50
            node.kill()
            eventually(lambda: nginx.statuses()["503"] > 20, "the outage")
            node.start()
            eventually(lambda: nginx.statuses()["500"] > 20, "the mistake")
            assert nginx.statuses()["200"] == 50
            with node.client() as db:
                db.do("RL.DEFINE api FIXED 50 1h")
            eventually(lambda: nginx.statuses()["200"] == 100, "the limiter to be asked again")
        log = nginx.log()
    assert "mistake closed" in log and "NOLIMITS" in log and "failed closed" in log
    assert len(log.splitlines()) < 2 * 100, "a line for each failure"


# --- outages and mistakes ---------------------------------------------------------------------------


def outage_limiters(server: Server, timeout: int) -> dict[str, str]:
    return {
        choice: options(server, limits("FIXED 9 1h"), f'on_failure = "{choice}"', timeout=timeout)
        for choice in ("open", "closed")
    }


def check_outage(nginx: Nginx, about: str) -> None:
    passed, refused = nginx.get("/open", X_Request_Id="a-1"), nginx.get("/closed", X_Request_Id="a-2")
    assert (passed.status, passed.body, passed.fields["X-Request-Id"]) == (200, "served", "a-1")
    assert "RateLimit" not in passed.fields
    assert refused.problem() == {
        **{"type": "about:blank", "title": "Service Unavailable", "status": 503, "request_id": "a-2"},
    }
    assert 1 <= int(refused.fields["Retry-After"]) <= 5
    assert re.search(rf'failed open request_id=a-1 error="{about}"', nginx.log())
    assert re.search(rf'failed closed request_id=a-2 error="{about}"', nginx.log())


def test_a_server_that_hangs_costs_the_deadline_and_after_five_times_nothing(node, tmp_path):
    with Nginx(tmp_path, outage_limiters(node, timeout=100)) as nginx:
        node.pause()
        check_outage(nginx, "timeout")
        for _ in range(6):
            nginx.get("/closed")
        assert nginx.get("/closed").status == 503
        eventually(lambda: nginx.get("/closed").status == 503 and "not asked" in nginx.log(), "the breaker to open")
        node.go_on()
        eventually(lambda: "RateLimit" in nginx.get("/closed").fields, "the server to be asked again")


def test_an_answer_that_comes_too_late_is_nobody_elses(node, tmp_path):
    limiters = {
        "late": options(node, limits("FIXED 111 1h"), timeout=100),
        "next": options(node, limits("FIXED 222 1h"), 'prefix = "next:"', timeout=PATIENT_MS),
    }
    with Nginx(tmp_path, limiters) as nginx:
        eventually(lambda: "RateLimit" in nginx.get("/late").fields, "a connection")
        node.pause()
        assert "RateLimit" not in nginx.get("/late").fields
        with ThreadPoolExecutor(5) as others:  # who come before the late answers do
            told = [others.submit(nginx.get, "/next") for _ in range(5)]
            eventually(lambda: connections_to(node.port) >= 5, "all of them to wait for the server")
            node.go_on()
        assert [answer.result().fields["RateLimit-Limit"] for answer in told] == ["222"] * 5


def connections_to(port: int) -> int:
    """Those that are established, also if the server does not take them yet."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines)


def test_a_server_that_is_away_is_an_outage(tmp_path):
    class Nobody:
        port = free_port()

    with Nginx(tmp_path, outage_limiters(Nobody, timeout=PATIENT_MS)) as nginx:
        check_outage(nginx, "connection refused")


def test_an_error_that_passes_by_itself_is_an_outage(server, tmp_path):
    with server.client() as db, Nginx(tmp_path, outage_limiters(server, timeout=PATIENT_MS)) as nginx:
        db.do("CONFIG SET maxmemory 1")
        try:
            check_outage(nginx, "OOM .*")
        finally:
            db.do("CONFIG SET maxmemory 0")


MISTAKES = {
    "limiter": ('limiter = "missing"', "NOLIMITS"),
    "theirs": ('limiter = "text"', "WRONGTYPE"),
    "senseless": (limits("FIXED many 1h"), "limit must be an integer"),
    "short": (limits("FIXED 5 1h BRIEF"), "BRIEF"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_no_outage_and_closed_and_an_error_unless_told(server, tmp_path, name):
    words, about = MISTAKES[name]
    limiters = {
        "usual": options(server, words),
        "told": options(server, words, 'on_mistake = "open"', 'on_failure = "closed"'),
    }
    with server.client() as db:
        db.do("SET text theirs")
    with Nginx(tmp_path, limiters) as nginx:
        refused, passed = nginx.get("/usual", X_Request_Id="a-1"), nginx.get("/told", X_Request_Id="a-2")
        assert refused.problem() == {
            **{"type": "about:blank", "title": "Internal Server Error", "status": 500, "request_id": "a-1"},
        }
        assert (passed.status, passed.body) == (200, "served")
        eventually(lambda: re.search(rf"\[error\].*mistake at start-up.*{about}", nginx.log()), "the start to say so")
        assert any("mistake open" in line for line in nginx.lines())


def test_a_server_without_the_module_or_that_is_none_of_redis_is_a_mistake(tmp_path):
    plain = Server(module=None, arguments=())
    try:
        plain.start()
        with Nginx(tmp_path, {"plain": options(plain, limits("FIXED 5 1h"))}) as nginx:
            assert nginx.get("/plain").status == 500
            itself = Nginx(tmp_path_of(tmp_path, "other"), {"web": options(nginx, limits("FIXED 5 1h"))})
            with itself as other:
                assert other.get("/web").status == 500
                assert "this is no server of Redis" in other.log()
    finally:
        plain.stop()


NO_REPLIES = [
    *(b"*1\r\n" * 100_000, b"*99999999999\r\n", b"$99999999999999999999\r\n", b"$nan\r\n", b"*inf\r\n", b":0x10\r\n"),
    *(
        b":1\r\n",
        b"$-1\r\n",
        b"*0\r\n",
        b"*1\r\n*0\r\n",
        b"*2\r\n$1\r\n1\r\n*0\r\n",
        b"\r\n",
        b"\x00\xff\r\n",
        b"%1\r\n",
    ),
]


@pytest.mark.parametrize("reply", NO_REPLIES, ids=lambda reply: repr(reply[:20]))
def test_what_is_no_reply_of_the_command_is_a_mistake_whatever_it_is(tmp_path, reply):
    with saying(reply) as other:
        limiters = {
            "usual": options(other, limits("FIXED 5 1h")),
            "told": options(other, limits("FIXED 5 1h"), 'on_mistake = "open"'),
        }
        with Nginx(tmp_path, limiters) as nginx:
            assert nginx.get("/usual").problem()["title"] == "Internal Server Error"
            passed = nginx.get("/told")
    assert (passed.status, passed.body) == (200, "served")


@contextmanager
def saying(reply: bytes) -> Iterator[socketserver.ThreadingTCPServer]:
    """A server that says this to whatever it is asked."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                while self.request.recv(65536):
                    self.request.sendall(reply)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.port = True, server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()


def tmp_path_of(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def test_a_mistake_that_is_mended_needs_no_restart(server, tmp_path):
    with server.client() as db, Nginx(tmp_path, {"api": options(server, 'limiter = "api"')}) as nginx:
        assert nginx.get("/api").status == 500
        db.do("RL.DEFINE api FIXED 5 1h")
        assert nginx.get("/api").status == 200


def test_the_log_has_one_line_about_a_caller_and_a_hundred_in_all(server, tmp_path):
    with Nginx(tmp_path, {"api": options(server, limits("FIXED 0 1h"))}) as nginx:
        for _ in range(5):
            nginx.get("/api", X_Api_Key="secret")
        assert len(nginx.lines("denied")) <= 2  # of the same caller; two, if ten seconds were over
        for number in range(150):
            nginx.get("/api", X_Api_Key=f"secret-{number}")
        assert len(nginx.lines("denied")) <= 100 or "left_out=" in nginx.log()
        assert re.fullmatch(r'denied request_id=[0-9a-f]{32} limit="fixed" wait_ms=-1', nginx.lines()[0])
        assert "secret" not in nginx.log()


NUMBERS = ["timeout = 0", "timeout = 0/0", "timeout = 1/0", "timeout = '9'", "ipv6_subnet = 129", "ipv6_subnet = 56.5"]
NUMBERS += ["port = 0", "port = 65536", "database = -1", "connections = 0", "idle = -1"]
KINDS = ["cost = 5", "key = 'alice'", "host = 1", "prefix = false", "jitter = 2", "password = 1"]


@pytest.mark.parametrize(
    ("given", "about"),
    [
        ("", "either limits or limiter must be given"),
        ('limits = "FIXED 1 1s", limiter = "api"', "either limits or limiter must be given"),
        ('limits = "FIXED 1 1s", on_failure = "opened"', 'on_failure must be "open" or "closed"'),
        ('limits = "FIXED 1 1s", retries = 3', "there is no option retries"),
        ('limits = "FIXED 1 1s", user = "web"', "user needs a password"),
        *((f'limits = "FIXED 1 1s", {given}', f"{given.split()[0]} must be a whole number from ") for given in NUMBERS),
        *((f'limits = "FIXED 1 1s", {given}', f"{given.split()[0]} must be a ") for given in KINDS),
        ('limits = { "FIXED 1 1s" }', "limits must be a string"),
    ],
)
def test_nginx_does_not_start_with_options_that_make_no_sense(tmp_path, given, about):
    nginx = Nginx(tmp_path, {"api": given})
    done = subprocess.run(nginx.command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode != 0 and about in done.stderr + nginx.log()


# --- the command of the page ------------------------------------------------------------------------


def test_the_one_command_starts_all_of_it_and_ends_it(tmp_path):
    port = free_port()
    environment = os.environ | {"PORT": str(port), "RATELIMIT_MODULE": str(MODULE), "TMPDIR": str(tmp_path)}
    with (tmp_path / "said").open("w") as log:
        run = subprocess.Popen([EXAMPLE / "run"], stdout=log, stderr=log, env=environment)
    try:
        eventually(lambda: run.poll() is not None or "in another terminal" in (tmp_path / "said").read_text(), "it")
        assert run.poll() is None, (tmp_path / "said").read_text()
        eventually(lambda: is_open(port), "nginx")
        eventually(lambda: status_of(port, "/") == 429, "the limit")  # of a machine in a hurry, some are outages
        eventually(lambda: status_of(port, "/api/orders") == 200, "a call on the limiter")
    finally:
        run.terminate()
        run.wait(PATIENCE_S)
    assert not is_open(port)
    assert [path.name for path in tmp_path.iterdir()] == ["said"]


def status_of(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={"X-Api-Key": "alice"})
        return connection.getresponse().status
    finally:
        connection.close()


def is_open(port: int) -> bool:
    try:
        http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S).connect()
    except OSError:
        return False
    return True
