# SPDX-License-Identifier: MIT
"""How scripts/watch asks servers: with a connection that answers as told, so that what goes wrong can be chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.exceptions import MovedError, NoPermissionError, ResponseError
from replies import info_of, limiter_reply

from watch import options, samples
from watch.rows import Place
from watch.samples import Sample
from watch.servers import TOPS_A_LOOK, Gone, Server, Servers, Wanted, busiest, primaries

LIMITER = limiter_reply({b"burst": (10, 2, 1, 0)})
ANSWERS = {
    "INFO": info_of("redis_mode:standalone"),
    "LATENCY": [],
    "RL.LIMITERS": [b"0", [b"api"]],
    "RL.INFO": LIMITER,
    "RL.TOP": [[b"mallory", 2, 0]],
}


class ToldLink:
    """Answers by the first word of a question: a reply, or a function that makes one, or raises."""

    def __init__(self, **answers) -> None:
        self.answers = ANSWERS | {name.replace("_", "."): answer for name, answer in answers.items()}
        self.asked: list[tuple] = []
        self.is_closed = False

    async def ask(self, *questions: tuple) -> list:
        self.asked += questions
        answers = [self.answers[question[0]] for question in questions]
        return [answer(*q[1:]) if callable(answer) else answer for answer, q in zip(answers, questions)]

    async def close(self) -> None:
        self.is_closed = True

    def times(self, command: str) -> int:
        return sum(question[0] == command for question in self.asked)


def looked(link: ToldLink, *, looks: int = 1, wanted: Wanted = Wanted(), thorough: bool = False) -> Server:  # noqa: B008
    ticks = iter(range(100))

    async def look() -> Server:
        server = Server("here", link, wanted, clock=lambda: float(next(ticks)))
        for _ in range(looks):
            await server.look(is_thorough=thorough)
        return server

    return asyncio.run(look())


def gone(*_) -> None:
    raise Gone("connection refused")


# --- one server -------------------------------------------------------------------------------------


def test_a_look_has_limiters_and_their_tops():
    now = looked(ToldLink()).watched.now
    assert list(now.limiters) == [b"api"]
    assert [top.subject for top in now.tops[b"api"]] == [b"mallory"]
    assert now.complaints == ()


def test_the_sample_before_is_kept_for_rates():
    watched = looked(ToldLink(), looks=2).watched
    assert (watched.before.at, watched.now.at, watched.seconds) == (0, 1, 1)


def test_after_a_server_was_gone_there_is_no_sample_before():
    link = ToldLink()

    async def look() -> list:
        server, seen = Server("here", link, Wanted(), clock=lambda: 0.0), []
        for info in (ANSWERS["INFO"], gone, ANSWERS["INFO"]):
            link.answers["INFO"] = info
            await server.look()
            seen.append(server.watched)
        return seen

    first, away, again = asyncio.run(look())
    assert first.now and away.now is None and away.trouble == "gone: connection refused"
    assert again.now and again.before is None


def test_a_command_that_is_refused_is_said_each_time_and_asked_once():
    link = ToldLink(INFO=NoPermissionError("this user has no permissions to run INFO"))
    watched = looked(link, looks=3).watched
    assert watched.now.complaints == (
        "INFO is refused, and what it tells is missing: this user has no permissions to run INFO",
    )
    assert (link.times("INFO"), link.times("LATENCY")) == (1, 3)
    assert list(watched.now.limiters) == [b"api"]


@pytest.mark.parametrize("command", ["RL.INFO", "RL.TOP"])
def test_a_command_about_keys_that_is_refused_is_asked_in_one_look_only(command: str):
    refused = NoPermissionError(f"this user has no permissions to run the '{command.lower()}' command")
    link = ToldLink(**{command.replace(".", "_"): refused})
    asked_in_one_look = looked(link).link.times(command)
    watched = looked(link, looks=3).watched
    assert watched.now.complaints == (f"{command} is refused, and what it tells is missing: {refused}",)
    assert link.times(command) == 2 * asked_in_one_look


def test_a_key_that_may_not_be_read_is_no_complaint():
    refused = NoPermissionError("this user has no permissions to access one of the keys used as arguments")
    now = looked(ToldLink(RL_INFO=refused), looks=2).watched.now
    assert now.limiters == {} and now.complaints == ()


def test_a_server_without_the_module_says_so():
    link = ToldLink(RL_LIMITERS=ResponseError("unknown command 'RL.LIMITERS', with args beginning with: "))
    assert "the module is not loaded" in looked(link).watched.now.complaints[0]


def test_a_limiter_that_has_moved_is_no_complaint_but_other_errors_are():
    by_key = {
        b"a": MovedError("1 127.0.0.1:7000"),
        b"b": ResponseError("CLUSTERDOWN The cluster is down"),
        b"c": LIMITER,
    }
    link = ToldLink(RL_LIMITERS=[b"0", list(by_key)], RL_INFO=by_key.__getitem__)
    now = looked(link).watched.now
    assert list(now.limiters) == [b"c"]
    assert now.complaints == ("CLUSTERDOWN The cluster is down",)


def pages_of(keys: list[bytes], size: int) -> Callable:
    """RL.LIMITERS that names so many keys a step."""

    def step(cursor, *_):
        first = int(cursor)
        after = first + size
        return [b"%d" % after if after < len(keys) else b"0", keys[first:after]]

    return step


def test_a_large_keyspace_is_gone_through_in_several_looks():
    keys = [b"limiter:%d" % number for number in range(25)]
    assert len(looked(ToldLink(RL_LIMITERS=pages_of(keys, 1))).watched.now.limiters) == 10
    assert len(looked(ToldLink(RL_LIMITERS=pages_of(keys, 1)), looks=3).watched.now.limiters) == 25
    assert len(looked(ToldLink(RL_LIMITERS=pages_of(keys, 1)), thorough=True).watched.now.limiters) == 25


def test_a_limiter_that_was_deleted_is_forgotten_after_a_pass():
    keys = [b"a", b"b"]
    link = ToldLink(RL_LIMITERS=lambda *_: [b"0", list(keys)])

    async def look() -> Sample:
        server = Server("here", link, Wanted(), clock=lambda: 0.0)
        await server.look()
        keys.remove(b"a")
        await server.look()
        return server.watched.now

    assert list(asyncio.run(look()).limiters) == [b"b"]


def test_no_more_limiters_are_asked_for_than_wanted_and_that_is_said():
    keys = [b"limiter:%d" % number for number in range(7)]
    link = ToldLink(RL_LIMITERS=[b"0", keys])
    now = looked(link, wanted=Wanted("limiter:*", most=5)).watched.now
    assert (link.times("RL.INFO"), now.unseen) == (5, 2)
    assert now.complaints == ("5 of 7 limiters are shown; --match chooses",)
    assert ("RL.LIMITERS", 0, "MATCH", b"limiter:*", "COUNT", 1000) in link.asked


def test_tops_are_asked_of_the_limiters_with_most_denials_since_the_last_look():
    def sample(denied: dict[bytes, int]) -> Sample:
        replies = {key: limiter_reply({b"x": (0, count, 0, 0)}) for key, count in denied.items()}
        return Sample(0, limiters={key: samples.limiter(key, reply) for key, reply in replies.items()})

    quiet = {b"quiet:%d" % number: 1000 for number in range(TOPS_A_LOOK)}
    before, now = sample({b"new": 1, b"none": 0} | quiet), sample({b"new": 9, b"none": 0} | quiet)
    assert busiest(before, now)[0] == b"new"
    assert b"new" not in busiest(None, now)
    assert len(busiest(before, now)) == TOPS_A_LOOK and b"none" not in busiest(None, sample({b"none": 0}))


# --- a cluster --------------------------------------------------------------------------------------

NODES = """\
07c3 127.0.0.1:7001@17001,node-1 myself,master - 0 0 1 connected 0-5460
a1b2 127.0.0.1:7002@17002,node-2 master - 0 1 2 connected 5461-10922
c3d4 127.0.0.1:7003@17003 master,fail - 1 1 3 disconnected
e5f6 127.0.0.1:7004@17004 slave a1b2 0 1 2 connected
0a0b 127.0.0.1:7005@17005 master - 0 1 5 connected
1c1d :0@0 master,noaddr - 1 1 6 disconnected
2e2f ::1:7006@17006 master - 0 1 7 connected 10923-16383
"""


def test_primaries_are_those_with_slots_and_those_that_failed():
    assert primaries(NODES, "seed") == [("127.0.0.1", 7001), ("127.0.0.1", 7002), ("127.0.0.1", 7003), ("::1", 7006)]


def test_a_node_that_does_not_know_its_address_is_where_it_was_asked():
    assert primaries("07c3 :7001@17001 myself,master - 0 0 1 connected 0-16383", "seed") == [("seed", 7001)]


def cluster_of(links: dict[int, ToldLink]) -> Servers:
    return Servers("127.0.0.1", 7001, lambda host, port: links[port], Wanted())


def node(nodes, **others) -> ToldLink:
    return ToldLink(INFO=info_of("redis_mode:cluster"), CLUSTER=nodes, **others)


def test_all_primaries_are_watched_and_those_that_left_are_not():
    two = b"a 127.0.0.1:7001@1 master - 0 0 1 connected 0-8000\nb 127.0.0.1:7002@1 master - 0 0 1 connected 8001-16383"
    one = b"b 127.0.0.1:7002@1 master - 0 0 1 connected 0-16383"
    links = {7001: node(two), 7002: node(two)}

    async def look() -> list[list[str]]:
        servers = cluster_of(links)
        first = await servers.look()
        links[7001].answers["CLUSTER"] = links[7002].answers["CLUSTER"] = one
        return [[each.name for each in first], [each.name for each in await servers.look()]]

    assert asyncio.run(look()) == [["127.0.0.1:7001", "127.0.0.1:7002"], ["127.0.0.1:7002"]]
    assert links[7001].is_closed


def test_a_node_that_is_gone_is_shown_and_another_says_who_is_there():
    two = b"a 127.0.0.1:7001@1 master - 0 0 1 connected 0-8000\nb 127.0.0.1:7002@1 master - 0 0 1 connected 8001-16383"
    links = {7001: node(two), 7002: node(two)}

    async def look() -> list:
        servers = cluster_of(links)
        await servers.look()
        links[7001].answers |= {"INFO": gone, "CLUSTER": gone, "RL.INFO": gone}
        seen = await servers.look()
        replies = await servers.ask([Place(each.name, b"api") for each in seen], lambda key: ("RL.INFO", key))
        return [(each.name, each.trouble) for each in seen], replies

    seen, replies = asyncio.run(look())
    assert seen == [("127.0.0.1:7001", "gone: connection refused"), ("127.0.0.1:7002", "")]
    assert replies == [LIMITER]


def test_who_may_not_ask_for_nodes_sees_one_and_is_told():
    links = {7001: node(NoPermissionError("no permissions"))}

    async def look() -> list:
        servers = cluster_of(links)
        return [await servers.look() for _ in range(3)][-1]

    (watched,) = asyncio.run(look())
    assert watched.now.complaints == (
        "only this node of the cluster is shown: CLUSTER NODES is refused: no permissions",
    )
    assert links[7001].times("CLUSTER") == 1


def test_a_server_that_is_no_node_is_never_asked_for_nodes():
    link = ToldLink()
    servers = Servers("here", 6379, lambda *_: link, Wanted())
    asyncio.run(servers.look())
    assert link.times("CLUSTER") == 0


# --- options ----------------------------------------------------------------------------------------


def test_a_password_comes_from_a_file_then_from_the_environment_then_from_the_line(tmp_path: Path, monkeypatch):
    (tmp_path / "password").write_text("of the file\nsecond line\n")
    monkeypatch.delenv("REDISCLI_AUTH", raising=False)
    assert options.parse(["--password", "of the line"]).connection["password"] == "of the line"
    monkeypatch.setenv("REDISCLI_AUTH", "of the environment")
    assert options.parse(["--password", "of the line"]).connection["password"] == "of the environment"
    given = options.parse(["--password-file", str(tmp_path / "password")])
    assert given.connection["password"] == "of the file"


def test_tls_verifies_the_server_unless_told_otherwise():
    safe = options.parse(["--tls", "--cacert", "ca.pem"]).connection
    assert (safe["ssl"], safe["ssl_cert_reqs"], safe["ssl_check_hostname"]) == (True, "required", True)
    assert safe["ssl_ca_certs"] == "ca.pem" and "ssl_keyfile" not in safe
    assert options.parse(["--tls", "--insecure"]).connection["ssl_cert_reqs"] == "none"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("--port 0", "port must be a whole number from 1 to 65535"),
        ("--interval 0", "interval must be a number of seconds from 0.1 to 3600"),
        ("--interval nan", "interval must be a number of seconds"),
        ("--most x", "most must be a whole number"),
        ("--svg x.svg", "--svg needs --once"),
        ("--password-file /there/is/none", "--password-file: No such file"),
        ("--hos x", "unrecognized arguments"),
    ],
)
def test_a_wrong_option_says_what_would_be_right(words: str, fault: str, capsys):
    with pytest.raises(SystemExit):
        options.parse(words.split())
    assert fault in capsys.readouterr().err
