# SPDX-License-Identifier: MIT
"""examples/tracing: one request is one trace, its limiter's span says what was decided, and nothing says of whom."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from traced import EXAMPLE, SECRET

from harness import MODULE, PATIENCE_S, Server, eventually, free_port
from service import BUILT

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01"
SUBJECT = "the-key-of-alice"
PATHS = ["/orders", "/reports"]
# A call by the middleware, and one by the check service: what is asked, in the words of the span.
QUESTION = {"/orders": ("RL.CHECK", "client"), "/reports": ("POST", "client")}
GRANTED, DENIED = 4, 3  # spans


# --- one trace --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_a_request_is_one_trace_from_whoever_began_it_to_the_question(app, receiver, path):
    assert app.get(path, SUBJECT, traceparent=GIVEN).status == 200
    spans = receiver.trace(TRACE, GRANTED)
    question, kind = QUESTION[path]
    served = spans[f"GET {path}"]
    assert (served.parent_id, served.kind) == (PARENT, "server")
    assert (spans["ratelimit"].parent_id, spans["ratelimit"].kind) == (served.id, "internal")
    assert (spans[question].parent_id, spans[question].kind) == (spans["ratelimit"].id, kind)
    [handler] = [span for name, span in spans.items() if name.startswith("request handler")]
    assert handler.parent_id == served.id
    assert app.trace_of_last() == TRACE


@pytest.mark.parametrize(
    "fields",
    [{}, {"traceparent": "00-zz-zz-01"}, {"traceparent": GIVEN.upper()}, {"traceparent": f"{GIVEN}; x"}],
    ids=["none", "no digits", "capitals", "more"],
)
def test_nginx_begins_a_trace_where_there_is_none_and_logs_it(app, receiver, fields):
    answer = app.get("/orders", SUBJECT, **fields)
    trace_id = app.trace_of_last()
    assert re.fullmatch("[0-9a-f]{32}", trace_id) and trace_id != TRACE
    assert answer.fields["X-Request-Id"] == trace_id
    assert receiver.trace(trace_id, GRANTED)["GET /orders"].parent_id == trace_id[:16]


def test_the_check_service_takes_the_trace_and_logs_it(app, check_service):
    app.get("/reports", SUBJECT, traceparent=GIVEN)
    eventually(lambda: check_service.events("decision"), "the line")
    assert [line["trace_id"] for line in check_service.events("decision")] == [TRACE]


# --- the limiter's span -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_the_limiters_span_says_what_was_decided(app, receiver, path):
    expected = {"ratelimit.limiter": f"api:{path[1:]}", "ratelimit.label": "hourly"}
    for remaining in (1, 0):
        assert app.get(path, SUBJECT).status == 200
        span = receiver.trace(app.trace_of_last(), GRANTED)["ratelimit"]
        numbers = {"ratelimit.granted": True, "ratelimit.remaining": remaining, "ratelimit.wait_ms": 0}
        assert (span.ours, span.is_error) == (expected | numbers, False)
    denied = app.get(path, SUBJECT)
    assert denied.status == 429 and 0 < int(denied.fields["Retry-After"]) <= 3600
    spans = receiver.trace(app.trace_of_last(), DENIED)
    said = spans["ratelimit"].ours
    assert 0 < said.pop("ratelimit.wait_ms") <= 3_600_000
    assert said == expected | {"ratelimit.granted": False, "ratelimit.remaining": 0}
    # For who asks by HTTP, an answer of 429 is an error by OpenTelemetry's convention; for who is asked, it is none.
    assert [name for name, span in spans.items() if span.is_error] == (["POST"] if path == "/reports" else [])
    assert spans[f"GET {path}"].attributes["http.response.status_code"] == 429


@pytest.mark.parametrize("path", PATHS)
def test_a_denial_for_ever_waits_less_than_nothing(app, receiver, server, path):
    with server.client() as db:
        db.do(f"RL.DEFINE api:{path[1:]} FIXED 0 1h AS hourly")
    assert app.get(path, SUBJECT).status == 429
    assert receiver.trace(app.trace_of_last(), DENIED)["ratelimit"].ours["ratelimit.wait_ms"] == -1


@pytest.mark.parametrize("path", PATHS)
def test_an_outage_is_an_error_of_the_limiters_span_and_not_of_the_request(start, receiver, path):
    app = start()
    assert app.get(path, SUBJECT, traceparent=GIVEN).status == 200
    eventually(lambda: f"GET {path}" in {span.name for span in receiver.of(TRACE)}, "the request's span")
    spans = {span.name: span for span in receiver.of(TRACE)}
    expected = {"error.type": "outage", "ratelimit.choice": "open", "ratelimit.limiter": f"api:{path[1:]}"}
    assert (spans["ratelimit"].ours, spans["ratelimit"].is_error) == (expected, True)
    assert not spans[f"GET {path}"].is_error


@pytest.mark.parametrize(("path", "spans"), [("/orders", DENIED), ("/reports", DENIED)])
def test_a_limiter_that_was_not_defined_is_a_mistake(app, receiver, server, path, spans):
    with server.client() as db:
        db.do(f"DEL api:{path[1:]}")
    assert app.get(path, SUBJECT).status == 500
    said = receiver.trace(app.trace_of_last(), spans)
    expected = {"error.type": "mistake", "ratelimit.choice": "closed", "ratelimit.limiter": f"api:{path[1:]}"}
    assert (said["ratelimit"].ours, said["ratelimit"].is_error) == (expected, True)
    if path == "/orders":
        assert (said["RL.CHECK"].is_error, said["RL.CHECK"].message) == (True, "NOLIMITS")


# --- what no span says ------------------------------------------------------------------------------


def test_no_subject_and_no_password_is_in_a_span(app, receiver):
    for path in PATHS:
        for spans in (GRANTED, GRANTED, DENIED):
            app.get(path, SUBJECT)
            receiver.trace(app.trace_of_last(), spans)
    commands = [span for span in receiver.spans() if "db.query.text" in span.attributes]
    assert {span.attributes["db.query.text"] for span in commands} == {"RL.CHECK"}
    check_silence(receiver)


def test_a_server_that_quotes_the_command_in_its_error_is_not_quoted(start, receiver):
    server = Server(module=None, arguments=())
    try:
        server.start()
        app = start(f"redis://127.0.0.1:{server.port}")
        eventually(lambda: app.get("/orders", SUBJECT).status == 500, "the server to be found")
        span = receiver.trace(app.trace_of_last(), DENIED)["RL.CHECK"]
    finally:
        server.stop()
    assert (span.is_error, span.message, span.events) == (True, "ERR", [])
    check_silence(receiver)


def check_silence(receiver) -> None:
    said = b"".join(receiver.bodies)
    assert b"ratelimit.limiter" in said
    assert SUBJECT.encode() not in said and SECRET.encode() not in said


# --- the command of the page ------------------------------------------------------------------------


def without_numbers(line: str) -> str:
    return re.sub(r"\b[0-9a-f]{16,32}\b|\d+(\.\d+)?", "N", line.replace("├", "└").replace("│", " "))


def test_it_runs_as_its_page_says():
    given = {"PORT": str(free_port()), "RATELIMIT_MODULE": str(MODULE), "RATELIMIT_CHECK_SERVICE": str(BUILT)}
    words = [str(EXAMPLE / "run"), "--once"]
    done = subprocess.run(words, env=os.environ | given, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GET /orders  429" in done.stdout and "GET /reports  200" in done.stdout
    told = {without_numbers(line) for line in done.stdout.splitlines()}
    shown = re.findall("^(?:trace|below|[ │]*[├└]).*", (EXAMPLE / "README.md").read_text(), re.MULTILINE)
    assert len(shown) == 11
    assert [line for line in shown if without_numbers(line) not in told] == []
