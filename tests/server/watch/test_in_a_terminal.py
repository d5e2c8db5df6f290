# SPDX-License-Identifier: MIT
"""scripts/watch beside real servers, in a terminal: what it shows is what was sent, and it leaves no trace."""

from __future__ import annotations

import asyncio
import os
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from terminal import PROGRAM, Terminal, clean

from cluster import Cluster
from harness import PATIENCE_S, Client, Server
from watch import rows
from watch.servers import RedisLink, Servers, Wanted
from watch.words import visible

HOSTILE = "\x1b]0;evil\x07日本語[red]".encode()


@pytest.fixture
def watch(server: Server) -> Iterator[Callable[..., Terminal]]:
    """Starts the view of the shared server, or of another: watch("--db", "1", columns=40)."""
    terminals: list[Terminal] = []

    def start(*arguments: str, of: Server | None = None, **others) -> Terminal:
        where = () if "--port" in arguments else ("--socket", str((of or server).socket))
        terminals.append(Terminal(*where, *arguments, **others))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def once(server: Server, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    where = ["--socket", str(server.socket)] if "--port" not in arguments else []
    command = [str(PROGRAM), "--once", "--interval", "0.1", *where, *arguments]
    environment = clean(COLUMNS="160") | variables
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment)


def trouble(db: Client) -> None:
    """On api:free, 40 calls are granted, 6 of them near the limit, and 7 denied. On login, 3 are granted, 1 of them
    near its limit, and 2 of a blocked caller are denied."""
    db.do("RL.DEFINE api:free FIXED 10 1h AS hourly")
    db.do("RL.DEFINE login SLIDING 3 1h AS attempts")
    for subject, calls in {"alice": 10, "bob": 10, "carol": 5, "dave": 5, "mallory": 17}.items():
        db.ask_times(calls, f"RL.CHECK api:free FOR {subject}")
    db.ask_times(3, "RL.CHECK login FOR alice")
    db.do("RL.BLOCK login 1h FOR eve")
    db.ask_times(2, "RL.CHECK login FOR eve")


def words_after(name: str, lines: list[str]) -> list[str]:
    return next(line for line in lines if name in line).split(name)[1].split()


# --- one frame --------------------------------------------------------------------------------------


def test_one_frame_has_what_was_sent(server: Server, db: Client, clock):
    trouble(db)
    shown = once(server)
    lines = shown.stdout.splitlines()
    assert (shown.returncode, shown.stderr) == (0, "")
    assert words_after("hourly", lines)[-5:-2] == ["40", "6", "7"]
    assert words_after("attempts", lines)[-5:-2] == ["3", "1", "0"]
    assert words_after("blocked", lines)[-5:-2] == ["–", "–", "2"]
    assert any(line.startswith("api:free") and "mallory" in line and "7" in line.split()[2] for line in lines)
    assert any(line.split()[:3] == ["login", "eve", "2"] for line in lines)
    assert any("rl.check" in line for line in lines)


def test_a_rate_is_what_was_sent_between_two_looks(server: Server, db: Client, clock):
    trouble(db)

    async def look() -> rows.Overview:
        servers = Servers("here", 0, lambda *_: RedisLink(PATIENCE_S, unix_socket_path=str(server.socket)), Wanted())
        (only,) = servers.all()
        only.clock = iter((100.0, 110.0)).__next__
        await servers.look(is_thorough=True)
        db.ask_times(20, "RL.CHECK api:free FOR mallory")
        db.ask_times(10, "RL.CHECK api:free FOR erin")
        try:
            return rows.overview(await servers.look(is_thorough=True))
        finally:
            await servers.close()

    seen = asyncio.run(look())
    group = next(group for group in seen.groups if group.name == b"api:free")
    (line,) = group.lines
    assert (line.rates.granted, line.rates.denied, line.rates.near) == (1, 2, 0.2)
    assert (seen.calls.granted, seen.calls.denied) == (1, 2)
    check = next(row for row in seen.latency if row.command == "rl.check")
    assert check.calls == 3 and check.mean_us > 0 and check.median_us <= check.percentile_99_us


def test_a_pattern_chooses_limiters(server: Server, db: Client):
    trouble(db)
    shown = once(server, "--match", "api:*").stdout
    assert "hourly" in shown and "attempts" not in shown


def test_a_pattern_may_have_any_bytes_as_names_have(server: Server, db: Client):
    for name in (b"\xff\xfe\x01", b"other"):
        db.execute_command("RL.DEFINE", name, "FIXED", 1, "1h")
    shown = once(server, "--match", os.fsdecode(b"\xff*"))
    assert (shown.returncode, "\\xff\\xfe\\x01" in shown.stdout, "other" in shown.stdout) == (0, True, False)


def test_files_that_cannot_be_used_are_said_in_a_line(server: Server, tmp_path: Path):
    (tmp_path / "password").write_bytes(b"\xff\xfe")
    for words, about in (
        (["--password-file", str(tmp_path / "password")], "--password-file: it is no text in UTF-8"),
        (["--password-file", str(tmp_path / "missing")], "--password-file: No such file"),
        (["--svg", str(tmp_path / "missing" / "a.svg")], "--svg: No such file"),
    ):
        done = once(server, *words)
        assert done.returncode != 0 and about in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("code", ["WRONGPASS", "ERR"])
def test_the_words_of_a_server_steer_no_terminal(code: str):
    """It refuses the login, or each question, in words that would clear the screen."""
    with saying(f"-{code} \x1b[2J\x07\x9b1m\r\n".encode()) as port:
        command = [str(PROGRAM), "--once", "--interval", "0.1", "--port", str(port), "--password", "x"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=clean(COLUMNS="160"))
    said = done.stdout + done.stderr
    assert "\\x1b[2J\\x07\\u009b1m" in said
    assert not {*"\x1b\x07\x9b"} & {*said}


@contextmanager
def saying(reply: bytes) -> Iterator[int]:
    """The port of a server that says this to everything."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                if line.startswith(b"*"):
                    self.wfile.write(reply)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def test_a_database_is_chosen_by_its_number(server: Server, db: Client):
    trouble(db)
    assert "no limiter was found" in once(server, "--db", "1").stdout


def test_one_frame_of_no_server_is_an_error(server: Server):
    shown = once(server, "--port", "1")
    assert shown.returncode == 1 and "gone" in shown.stdout


def test_a_picture_is_a_drawing_that_needs_nothing_from_elsewhere(server: Server, db: Client, tmp_path):
    trouble(db)
    picture = tmp_path / "watch.svg"
    assert once(server, "--svg", str(picture)).returncode == 0
    text = "".join(ElementTree.parse(picture).getroot().itertext())
    assert "hourly" in text and "mallory" in text
    assert "url(http" not in picture.read_text() and "font-face" not in picture.read_text()


def test_without_its_libraries_it_says_what_to_install():
    done = subprocess.run(["/usr/bin/python3", "-I", "-S", str(PROGRAM)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "apt-get install python3-redis python3-rich" in done.stderr and "Traceback" not in done.stderr


# --- the view ---------------------------------------------------------------------------------------


def test_the_view_follows_what_happens(watch: Callable[..., Terminal], db: Client, clock):
    trouble(db)
    terminal = watch(columns=160)
    assert terminal.line("hourly").split()[-5:-2] == ["40", "6", "7"]
    db.ask_times(13, "RL.CHECK api:free FOR mallory")
    terminal.line("hourly", " 20 ")
    terminal.press("q")
    assert terminal.end() == 0
    terminal.assert_as_it_was()


def test_a_limiter_and_a_subject_can_be_looked_at(watch: Callable[..., Terminal], db: Client, clock):
    trouble(db)
    terminal = watch()
    terminal.shows("> api:free")
    terminal.press("\r")
    terminal.line("> mallory", "hourly", " 7 ")
    terminal.press("\r")
    terminal.shows("a call of 1 unit is denied", "10 of 10 units")
    terminal.press("/carol\r")
    terminal.shows("a call of 1 unit is granted")
    terminal.press("\x1b\x1b\x1b[B")
    terminal.shows("> login")
    terminal.press("\r")
    terminal.line("> eve", "blocked", " 2 ")


def test_another_size_is_another_frame(watch: Callable[..., Terminal], db: Client):
    trouble(db)
    terminal = watch(columns=160)
    terminal.shows("since", "q quit")
    terminal.resize(44, 16)
    seen = terminal.shows("> api:free", "q quit")
    assert "since" not in seen
    terminal.resize(160, 40)
    terminal.shows("since", "q quit")


@pytest.mark.parametrize(("number", "code"), [(15, 143), (1, 129), (2, 130)])
def test_a_signal_ends_it_and_the_terminal_is_as_it_was(watch: Callable[..., Terminal], number: int, code: int):
    terminal = watch()
    terminal.shows("q quit")
    terminal.kill(number)
    assert terminal.end() == code
    terminal.assert_as_it_was()


def test_a_refused_login_ends_it_and_the_terminal_is_as_it_was(watch: Callable[..., Terminal]):
    terminal = watch("--user", "nobody", "--password", "wrong")
    assert terminal.end() == 1
    terminal.assert_as_it_was()
    assert "the server refuses the login" in terminal.text()


def test_hostile_names_are_shown_and_do_nothing(watch: Callable[..., Terminal], db: Client, clock):
    db.execute_command("RL.DEFINE", HOSTILE, "FIXED", 1, "1h", "AS", "x")
    for _ in range(3):
        db.execute_command("RL.CHECK", HOSTILE, "FOR", HOSTILE)
    terminal = watch(columns=160)
    terminal.shows("\\x1b]0;evil\\x07")
    assert b"\x1b]0;evil" not in terminal.sent and b"\x07" not in terminal.sent
    terminal.press("\r")
    terminal.line("\\x1b]0;evil\\x07", " 2 ")
    assert b"\x1b]0;evil" not in terminal.sent
    assert visible(HOSTILE) == "\\x1b]0;evil\\x07日本語[red]"


COLOURS = b"\x1b[31m", b"\x1b[32m", b"\x1b[33m", b"\x1b[1;31m"


def test_there_are_colours_unless_somebody_wants_none(watch: Callable[..., Terminal], db: Client, clock):
    trouble(db)
    coloured, plain = watch(), watch(NO_COLOR="1")
    for terminal in (coloured, plain):
        terminal.shows("hourly")
        db.ask_times(5, "RL.CHECK api:free FOR mallory")
        terminal.line("hourly", "█")
    assert any(colour in coloured.sent for colour in COLOURS)
    assert not any(colour in plain.sent for colour in COLOURS)


def test_a_dumb_terminal_gets_frame_after_frame(watch: Callable[..., Terminal], db: Client):
    trouble(db)
    terminal = watch(TERM="dumb")
    terminal.shows("hourly")
    terminal.kill(15)
    assert terminal.end() == 143
    assert b"\x1b" not in terminal.sent


# --- servers that are gone, and users who may not ----------------------------------------------------


def test_a_server_that_is_gone_is_shown_so_and_comes_back(watch: Callable[..., Terminal], node):
    killed = node()
    with killed.client() as db:
        trouble(db)
    terminal = watch(of=killed)
    terminal.shows("hourly")
    killed.kill()
    assert "hourly" not in terminal.shows("gone:")
    killed.start()
    with killed.client() as db:
        db.do("RL.DEFINE again FIXED 5 1h AS anew")
    terminal.shows("anew")


def test_a_server_that_hangs_is_gone_after_a_while(watch: Callable[..., Terminal], node):
    hanging = node()
    terminal = watch("--timeout", "0.2", of=hanging)
    terminal.shows("clients")
    hanging.pause()
    terminal.shows("gone: no answer within 0.2 s")
    hanging.go_on()
    terminal.shows("clients")


def test_all_primaries_of_a_cluster_are_one_view(watch: Callable[..., Terminal], cluster: Cluster):
    with cluster.client() as db:
        for part in range(8):
            db.execute_command("RL.DEFINE", f"{{{part}}}api", "FIXED", 2, "1h", "AS", "hourly")
            for _ in range(5):
                db.execute_command("RL.CHECK", f"{{{part}}}api", "FOR", f"user:{part}")
    terminal = watch("--port", str(cluster.primaries[0].port), columns=160)
    terminal.shows("3 of 3 servers", *(f"127.0.0.1:{node.port}" for node in cluster.primaries))
    assert terminal.line("{*}api (8 parts)", "hourly").split()[-5:-2] == ["16", "8", "24"]
    terminal.press("\r")
    terminal.line("user:7", "hourly", " 3 ")
    cluster.expect_a_death()
    killed = cluster.owner_of("{0}api")
    killed.kill()
    terminal.line(f"127.0.0.1:{killed.port}", "gone:")
    terminal.shows("2 of 3 servers")
    promoted = cluster.replicas[cluster.primaries.index(killed)]
    terminal.line(f"127.0.0.1:{promoted.port}")
    terminal.shows("3 of 4 servers")


RIGHTS = ["+rl.limiters", "+rl.info", "+rl.top", "+rl.log"]


@pytest.fixture
def viewer(db: Client) -> Iterator[Callable[..., None]]:
    """Makes the user `viewer` with these rights more than those of the module."""
    yield lambda *rights: db.execute_command(
        "ACL SETUSER", "viewer", "reset", "on", ">secret", "%R~*", *RIGHTS, *rights
    )
    db.execute_command("ACL DELUSER", "viewer")
    db.execute_command("ACL LOG", "RESET")


def test_a_viewer_sees_all_with_two_rights_of_the_server(server: Server, db: Client, viewer, tmp_path):
    viewer("+info", "+latency|histogram")
    trouble(db)
    db.execute_command("ACL LOG", "RESET")
    (tmp_path / "password").write_text("secret\n")
    shown = once(server, "--user", "viewer", "--password-file", str(tmp_path / "password")).stdout
    assert "hourly" in shown and "mallory" in shown and "memory" in shown and "refused" not in shown
    assert db.execute_command("ACL LOG") == []


def test_what_a_viewer_may_not_ask_is_said_and_not_asked_again(watch, db: Client, viewer):
    viewer()
    trouble(db)
    db.execute_command("ACL LOG", "RESET")
    terminal = watch("--user", "viewer", columns=160, REDISCLI_AUTH="secret")
    terminal.shows("hourly", "INFO is refused", "LATENCY is refused")
    db.ask_times(13, "RL.CHECK api:free FOR mallory")
    terminal.line("hourly", " 20 ")
    assert sum(entry["count"] for entry in db.acl_log()) == 2


def test_a_log_that_may_not_be_read_is_told_from_an_empty_one(watch, db: Client, viewer):
    viewer("-rl.log")
    trouble(db)
    db.execute_command("ACL LOG", "RESET")
    terminal = watch("--user", "viewer", columns=160, REDISCLI_AUTH="secret")
    terminal.shows("hourly")
    terminal.press("\r")
    terminal.line("! ", "no permissions to run the 'RL.LOG' command")
    db.ask_times(13, "RL.CHECK api:free FOR mallory")
    terminal.line("hourly", " 20 ")
    assert sum(entry["count"] for entry in db.acl_log()) == 3  # with INFO and LATENCY


def test_only_commands_that_read_are_sent(server: Server, db: Client):
    trouble(db)
    db.config_resetstat()
    assert once(server).returncode == 0
    called = {name.removeprefix("cmdstat_").lower() for name in db.info("commandstats")}
    known = {name.lower(): set(about["flags"]) for name, about in db.command().items()}
    assert "rl.info" in called
    for name in called - {"config|resetstat", "info", "command"}:
        container = name.split("|")[0]
        assert "write" not in known[container], name


def test_a_server_without_the_module_says_so(start_server, watch):
    terminal = watch(of=start_server(module=None))
    terminal.shows("there is no RL.LIMITERS here: the module is not loaded")
