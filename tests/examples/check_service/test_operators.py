# SPDX-License-Identifier: MIT
"""The operators' pages of the check service: who is limited, by which limit, and why."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certificates import Files
from cluster import Cluster
from harness import PATIENCE_S, Client, Server, eventually
from operator_pages import TOKEN, all_limiters, encoded, look, token_file, why
from service import PROGRAM, Service, paused

HOSTILE = b'"\\</script>\x00\x01\x7f\xff\xc0\x80{a}/?&=+% '
PAGES = ["/limiters", "/limiters/api", "/limiters/api/top", "/limiters/api/log", "/why?limiter=api&subject=bob"]
ORIGIN = "http://127.0.0.1:8000"


@pytest.fixture
def open_service(services: Callable[..., Service], tmp_path: Path) -> Service:
    return services(operator_token_file=token_file(tmp_path), operator_deadline="30s")


@pytest.fixture
def db(server: Server) -> Iterator[Client]:
    with server.client() as db:
        yield db


# --- what is shown ----------------------------------------------------------------------------------


def test_all_limiters_are_listed_with_their_counters(open_service: Service, db: Client) -> None:
    db.do("RL.DEFINE api TOKENBUCKET 2 1 1h AS burst FIXED 100 1h")
    db.do("RL.DEFINE trial FIXED 1 1h SHADOW")
    db.do("SET text x")
    for _ in range(5):
        db.do("RL.CHECK api FOR eve")
        db.do("RL.CHECK trial FOR eve")
    limiters = all_limiters(open_service)
    assert set(limiters) == {"api", "trial"}
    told, info = limiters["api"], db.rl_info("api")
    assert told["limits"] == [
        {"label": "burst", "limit": "TOKENBUCKET 2 1 1h AS burst", "size": 2},
        {"label": "fixed", "limit": "FIXED 100 1h", "size": 100},
    ]
    for name in ("granted", "denied", "near", "would_deny", "since_ms", "subjects", "memory"):
        assert told[name] == info[name], name
    assert (told["granted"], told["denied"]) == (2, 3) and told["stored"] and not told["on_trial"]
    assert [(label["label"], label["denied"]) for label in told["labels"]] == [("burst", 3), ("fixed", 0)]
    assert limiters["trial"]["on_trial"] and limiters["trial"]["would_deny"] == 4
    assert look(open_service, "/limiters/api").json["limiter"] == told


def test_many_limiters_come_page_by_page(open_service: Service, db: Client) -> None:
    names = {f"limiter:{number}" for number in range(230)}
    for name in names:
        db.do(f"RL.DEFINE {name} FIXED 1 1h")
    first = look(open_service, "/limiters?count=20").json
    assert 20 <= len(first["limiters"]) <= 60 and first["next"]
    assert {limiter["name"] for limiter in all_limiters(open_service, count=20).values()} == names
    assert len(all_limiters(open_service, match="limiter:1?")) == 10


def test_few_limiters_among_many_keys_are_found(open_service: Service, db: Client) -> None:
    db.mset({f"key:{number}": "x" for number in range(30_000)})
    db.do("RL.DEFINE needle FIXED 1 1h")
    assert list(all_limiters(open_service)) == ["needle"]
    assert look(open_service, "/limiters").json["next"] is not None, "one page looks at a part of the keys"


def test_those_who_are_denied_most_and_those_who_are_near(open_service: Service, db: Client) -> None:
    db.do("RL.DEFINE api FIXED 2 1h")
    for subject, calls in (("eve", 9), ("mal", 5), ("bob", 2)):
        for _ in range(calls):
            db.do(f"RL.CHECK api FOR {subject}")
    top = look(open_service, "/limiters/api/top").json
    assert [(each["subject"], each["times"]) for each in top["denied"]] == [("eve", 7), ("mal", 3)]
    assert {each["subject"] for each in top["near"]} == {"eve", "mal", "bob"}
    assert len(look(open_service, "/limiters/api/top?count=1").json["denied"]) == 1
    log = look(open_service, "/limiters/api/log").json
    assert [
        [each["subject"], each["label"], each["first_ms"], each["last_ms"], each["times"], each["wait_ms"]]
        for each in log["entries"]
    ] == [[value.decode() if isinstance(value, bytes) else value for value in entry] for entry in db.do("RL.LOG api")]
    assert log["entries"][0]["last_ms"] <= log["now_ms"]


def test_why_says_what_the_server_says(open_service: Service, db: Client) -> None:
    db.do("RL.DEFINE api TOKENBUCKET 5 1 10s AS burst CONCURRENT 3 1h FIXED 100 1h")
    for number in range(4):
        db.do(f"RL.CHECK api FOR eve ID job{number}")
    db.do("RL.RESERVE api 60s FOR bob COST 2 ID held")
    for subject, status in (("eve", "denied"), ("bob", "ok")):
        told, info = why(open_service, "api", subject).json, db.rl_info("api", subject)
        assert told["status"] == info["status"] == status
        assert told["binding"] == info["binding"] and told["exception"] is False and told["idle"] is False
        for mine, theirs in zip(told["limits"], info["limits"], strict=True):
            for name in ("label", "limit", "size", "used", "remaining"):
                assert mine[name] == theirs[name], name
            for name in ("reset_ms", "next_unit_ms"):
                assert theirs[name] <= mine[name] <= theirs[name] + 30_000, name
    assert why(open_service, "api", "eve").json["limits"][1]["leases"] == 3
    held = why(open_service, "api", "bob").json
    assert held["holds"] == 1 and held["first_holds"][0]["units"] == 2 and not held["first_holds"][0]["settled"]
    db.do("RL.BLOCK api 1h FOR bob")
    blocked = why(open_service, "api", "bob").json
    assert blocked["status"] == blocked["binding"] == "blocked" and 0 < blocked["blocked_ms"] <= 3_600_000
    assert blocked["why"].startswith("blocked for ")


def test_why_of_one_who_never_asked_and_of_one_with_limits_of_his_own(open_service: Service, db: Client) -> None:
    db.do("RL.DEFINE api FIXED 5 1h")
    idle = why(open_service, "api", "nobody").json
    assert idle["idle"] and idle["status"] == "ok" and idle["limits"][0]["remaining"] == 5
    db.do("RL.DEFINE api FIXED 0 1h FOR eve")
    own = why(open_service, "api", "eve").json
    assert own["exception"] and own["status"] == "closed" and own["wait_ms"] is None
    db.do("RL.DEFINE api FIXED 0 1h")
    assert why(open_service, "api", "nobody").json["status"] == "closed"


def test_why_of_a_key_that_is_no_limiter(open_service: Service, db: Client) -> None:
    db.do("RL.CHECK user:1 FIXED 1 1h")
    told = look(open_service, "/why?limiter=user%3A1").json
    assert told["status"] == "denied" and told["subject"] is None and told["limits"][0]["used"] == 1
    assert not look(open_service, "/limiters/user%3A1").json["limiter"]["stored"]


@pytest.mark.parametrize("page", ["/limiters/nothing", "/why?limiter=nothing", "/why?limiter=nothing&subject=bob"])
def test_what_is_not_there_is_not_found(open_service: Service, page: str) -> None:
    assert look(open_service, page).status == 404


def test_names_have_any_bytes(open_service: Service, db: Client) -> None:
    db.execute_command("RL.DEFINE", HOSTILE, "FIXED", "1", "1h")
    for _ in range(3):
        db.execute_command("RL.CHECK", HOSTILE, "FOR", HOSTILE)
    (limiter,) = all_limiters(open_service).values()
    assert limiter["encoded"] == encoded(HOSTILE) and limiter["denied"] == 2
    for page in ("top", "log"):
        told = look(open_service, f"/limiters/{limiter['encoded']}/{page}").json
        (entry,) = told["denied"] if page == "top" else told["entries"]
        assert entry["encoded"] == encoded(HOSTILE) and entry["times"] == 2
    assert why(open_service, HOSTILE, HOSTILE).json["status"] == "denied"
    longest = bytes(range(256)) * 4
    db.execute_command("RL.DEFINE", longest, "FIXED", "1", "1h")
    assert why(open_service, longest, longest).json["idle"]


# --- in a cluster -----------------------------------------------------------------------------------


def test_in_a_cluster_the_limiters_of_all_nodes_are_shown(services: Callable[..., Service], tmp_path: Path) -> None:
    cluster = Cluster(primaries=3).start()
    try:
        names = [f"{{{number}}}:api" for number in range(30)]
        for name in names:
            with cluster.owner_of(name).client() as db:
                db.do(f"RL.DEFINE {name} FIXED 1 1h")
                db.do(f"RL.CHECK {name} FOR eve")
                db.do(f"RL.CHECK {name} FOR eve")
        place = f"127.0.0.1:{cluster.primaries[1].port}"
        service = services(place, operator_token_file=token_file(tmp_path), operator_deadline="30s")
        for count in (1, 50):
            limiters = all_limiters(service, count=count)
            assert {limiter["name"]: limiter["denied"] for limiter in limiters.values()} == dict.fromkeys(names, 1)
        for name in names[:6]:
            assert why(service, name, "eve").json["status"] == "denied"
            assert look(service, f"/limiters/{encoded(name)}/log").json["entries"][0]["subject"] == "eve"
    finally:
        cluster.stop()


# --- who may see it ---------------------------------------------------------------------------------


def test_without_the_setting_there_is_nothing(service: Service) -> None:
    for page in PAGES:
        answer = look(service, page, Origin=ORIGIN)
        assert answer.status == 404 and "Access-Control-Allow-Origin" not in answer.fields
    assert service.ask("OPTIONS", "/limiters").status == 404


def test_only_those_with_the_token_see_anything(open_service: Service, db: Client) -> None:
    db.do("RL.DEFINE api FIXED 1 1h")
    for page in PAGES:
        for fields in ({}, {"Authorization": "Bearer " + TOKEN[:-1]}, {"Authorization": f"Basic {TOKEN}"}):
            answer = open_service.ask("GET", page, **fields)
            assert answer.status == 401 and answer.fields["WWW-Authenticate"] == "Bearer"
            assert b"api" not in answer.body
        assert look(open_service, page).status == 200
        head = open_service.ask("HEAD", page, Authorization=f"Bearer {TOKEN}")
        assert head.status == 200 and head.body == b""
    log = open_service.log_text()
    assert TOKEN not in log and "bob" not in log and "api" not in log
    assert open_service.metric('check_service_operator_pages_total{page="why",status="401"}') == 3
    assert open_service.metric('check_service_operator_pages_total{page="why",status="200"}') == 2


def test_pages_of_other_origins_are_let_in_by_name_only(services: Callable[..., Service], tmp_path: Path) -> None:
    service = services(operator_token_file=token_file(tmp_path), operator_origins=f"{ORIGIN}, https://ops.example")
    for origin in (ORIGIN, "https://ops.example"):
        answer = look(service, "/limiters", Origin=origin)
        assert answer.fields["Access-Control-Allow-Origin"] == origin and answer.fields["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in answer.fields
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        before = service.ask("OPTIONS", "/limiters/api/top", Origin=origin, **asked)
        assert before.status == 200 and before.fields["Access-Control-Allow-Headers"].startswith("Authorization")
        assert before.fields["Access-Control-Allow-Origin"] == origin and before.fields["Vary"] == "Origin"
        refused = service.ask("GET", "/limiters", Origin=origin)
        assert refused.status == 401 and refused.fields["Access-Control-Allow-Origin"] == origin
    for origin in ("http://127.0.0.1:8001", "https://ops.example.evil.example", "null"):
        for method in ("GET", "OPTIONS"):
            answer = service.ask(method, "/limiters", Origin=origin)
            assert not [name for name in answer.fields if name.startswith("Access-Control")]
    check = service.ask("POST", "/check", {"key": "k", "limits": "FIXED 1 1h"}, Origin=ORIGIN)
    assert check.status == 200 and "Access-Control-Allow-Origin" not in check.fields, "checks are for programs"


@pytest.mark.parametrize(
    ("token", "origins", "said"),
    [
        ("short", "", "operator_token_file: must hold a token of 16 to 512 visible characters"),
        ("sixteen letters and spaces", "", "operator_token_file: must hold a token"),
        ("", "", "operator_token_file: must be a file that can be read, with a token"),
        (None, ORIGIN, "operator_origins needs operator_token_file"),
        (TOKEN, "*", "operator_origins: must be origins such as"),
        (TOKEN, f"{ORIGIN}/", "operator_origins: must be origins such as"),
    ],
)
def test_wrong_settings_end_the_start(tmp_path: Path, token: str | None, origins: str, said: str) -> None:
    lines = []
    if token is not None:
        (tmp_path / "token").write_text(token + "\n")
        lines.append(f"operator_token_file = {tmp_path / 'token'}")
    if origins:
        lines.append(f"operator_origins = {origins}")
    (tmp_path / "service.conf").write_text("\n".join(lines))
    done = subprocess.run([PROGRAM, "--config", tmp_path / "service.conf"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not token or len(token) < 6 or token not in done.stderr


def test_a_new_token_counts_after_a_hang_up(services: Callable[..., Service], tmp_path: Path) -> None:
    file = token_file(tmp_path)
    service = services(operator_token_file=file)
    for faulty in ("short", ""):
        file.write_text(faulty)
        hang_up(service, "not reloaded")
        line = service.events("not reloaded")[-1]
        assert line["level"] == "error" and line["detail"].startswith("operator_token_file: must ")
        assert look(service, "/limiters").status == 200, "the old one counts"
    file.write_text("another-token-of-the-operators\n")
    hang_up(service, "reloaded")
    assert look(service, "/limiters").status == 401
    answer = service.ask("GET", "/limiters", Authorization="Bearer another-token-of-the-operators")
    assert answer.status == 200
    assert "another-token" not in service.log_text()


def hang_up(service: Service, event: str) -> None:
    before = len(service.events(event))
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(service.events(event)) > before, event)


def test_pages_are_shown_over_tls(services: Callable[..., Service], db: Client, tmp_path: Path) -> None:
    files = Files(tmp_path)
    service = services(operator_token_file=token_file(tmp_path), **files.settings)
    db.do("RL.DEFINE api FIXED 1 1h")
    connection = http.client.HTTPSConnection("127.0.0.1", service.port, timeout=PATIENCE_S, context=files.trusting())
    try:
        for page in PAGES:
            connection.request("GET", page, headers={"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            assert answer.status == 200 and json.loads(answer.read())
        connection.request("GET", "/limiters")
        assert connection.getresponse().status == 401
    finally:
        connection.close()


# --- what the server does ---------------------------------------------------------------------------


def test_a_server_that_does_not_answer_is_a_503(services: Callable[..., Service], tmp_path: Path) -> None:
    service = services("127.0.0.1:1", operator_token_file=token_file(tmp_path))
    for page in PAGES:
        answer = look(service, page)
        assert answer.status == 503 and int(answer.fields["Retry-After"]) >= 1
    assert service.events("operator")[0]["level"] == "warn"


def test_a_caller_says_how_long_he_waits(open_service: Service, server: Server) -> None:
    assert look(open_service, "/limiters/api/log").status == 200  # it has a connection
    with paused(server):
        assert look(open_service, "/limiters/api/log", X_Request_Timeout="50ms").status == 503
    assert look(open_service, "/limiters", X_Request_Timeout="soon").status == 400


def test_checks_do_not_wait_for_operators(services: Callable[..., Service], server: Server, tmp_path: Path) -> None:
    service = services(operator_token_file=token_file(tmp_path), operator_deadline="10s", deadline="50ms", threads=1)
    five = {"key": "k", "limits": "FIXED 5 1h"}
    assert service.check(**five).status == 200
    with paused(server):
        asking = threading.Thread(target=look, args=(service, "/limiters"))
        asking.start()
        assert service.check(**five).json["source"] == "fail_open", "the check has its own deadline"
    asking.join()


def test_a_user_with_the_documented_rights_sees_all_pages(
    services: Callable[..., Service], db: Client, tmp_path: Path
) -> None:
    rights = "~api %R~* +rl.info +rl.top +rl.log +rl.limiters +ping +hello"
    db.do(f"ACL SETUSER looker reset on >password {rights}")
    try:
        db.do("RL.DEFINE api FIXED 1 1h")
        service = services(user="looker", password="password", operator_token_file=token_file(tmp_path))
        assert [look(service, page).status for page in PAGES] == [200] * len(PAGES)
        assert list(all_limiters(service)) == ["api"]
        db.do("ACL SETUSER looker -rl.top")
        refused = look(service, "/limiters/api/top")
        assert refused.status == 500 and "NOPERM" not in refused.detail
        assert service.events("operator")[-1]["error"].startswith("NOPERM")
    finally:
        db.do("ACL DELUSER looker")


def test_a_key_of_another_type_is_the_callers_mistake(open_service: Service, db: Client) -> None:
    db.do("SET text x")
    answer = look(open_service, "/why?limiter=text&subject=bob")
    assert answer.status == 400 and answer.detail.startswith("WRONGTYPE")
