# SPDX-License-Identifier: MIT
"""ratelimit-replay as a program: packed and damaged files, standard input, Ctrl-C, progress, what MONITOR prints."""

from __future__ import annotations

import csv
import fcntl
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pexpect
import pytest

from harness import Client, Server, eventually
from replaying import PROGRAM, replay, said

LINES = "".join(f"18000000{number:02},user:{number % 3},1\n" for number in range(60))
LIMIT = ["--limit", "FIXED 10 1h"]


def counts(*words: str | Path, text: bytes | None = None, code: int = 0) -> tuple[int, int]:
    """The calls and the denied calls under the one limit."""
    [limit] = said(*LIMIT, *words, text=text, code=code)["limits"]
    return limit["calls"], limit["denied"]


def packed_by_zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("pack", [bytes, gzip.compress, packed_by_zstd])
def test_a_file_and_standard_input_may_be_packed(tmp_path: Path, pack):
    packed = pack(LINES.encode())
    (tmp_path / "log").write_bytes(packed)
    assert counts(tmp_path / "log") == counts(text=packed) == counts("-", text=packed) == (60, 30)


@pytest.mark.parametrize("pack", [gzip.compress, packed_by_zstd])
def test_two_packed_files_in_one_are_read_to_the_end(pack):
    half = len(LINES) // 2
    assert counts(text=pack(LINES[:half].encode()) + pack(LINES[half:].encode())) == (60, 30)


@pytest.mark.parametrize("pack", [gzip.compress, packed_by_zstd])
def test_a_file_that_ends_too_early_gives_the_result_so_far(pack):
    many = pack(
        "".join(f"1800000000.{number:06},user:{number * 7919 % 100_003},1\n" for number in range(50_000)).encode()
    )
    done = replay(*LIMIT, "--json", text=many[: len(many) // 2], code=1)
    assert b"ends too early" in done.stderr
    result = json.loads(done.stdout)
    assert result["is_cut_short"] and 1000 < result["limits"][0]["calls"] < 50_000


def test_several_files_are_one_log(tmp_path: Path):
    (tmp_path / "a").write_text(LINES[: len(LINES) // 2])
    (tmp_path / "b.gz").write_bytes(gzip.compress(LINES[len(LINES) // 2 :].encode()))
    assert counts(tmp_path / "a", tmp_path / "b.gz") == (60, 30)


def test_a_line_of_many_megabytes_is_one_malformed_line():
    text = LINES[:40] + "x" * 5_000_000 + "\n" + LINES[40:]
    result = said(*LIMIT, text=text.encode())
    assert result["lines"]["malformed"] == 1
    assert result["lines"]["first_malformed"][0]["reason"] == "longer than a mebibyte"
    assert result["lines"]["read"] == 61


def test_ctrl_c_gives_the_result_so_far():
    process = subprocess.Popen([PROGRAM, *LIMIT, "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(LINES.encode())
    process.stdin.flush()
    eventually(lambda: has_read_all(process), "the program to wait for more input")
    process.send_signal(signal.SIGINT)
    out = process.stdout.read()
    assert process.wait() == 0
    result = json.loads(out)
    assert result["is_cut_short"] and result["limits"][0]["calls"] == 60


@pytest.mark.parametrize("pack", [gzip.compress, packed_by_zstd])
def test_ctrl_c_within_packed_data_is_no_damage_and_cuts_no_line(pack):
    packed = pack("".join(f"1800000000.{number:06},user:{number},1\n" for number in range(200_000)).encode())
    process = subprocess.Popen(
        [PROGRAM, *LIMIT, "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write(packed[: len(packed) // 2])
    process.stdin.flush()
    eventually(lambda: has_read_all(process), "the program to wait for more input")
    process.send_signal(signal.SIGINT)
    out, complaints = process.communicate()
    assert process.returncode == 0 and complaints == b""
    result = json.loads(out)
    assert result["is_cut_short"] and result["lines"]["malformed"] == 0
    assert result["subjects"] == result["limits"][0]["calls"] == result["lines"]["read"] > 1000


def has_read_all(process: subprocess.Popen) -> bool:
    """Whether the pipe is empty, and the process sleeps."""
    unread = int.from_bytes(fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)), sys.byteorder)
    state = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return unread == 0 and state == "S"


def test_a_terminal_sees_progress_and_a_pipe_does_not(tmp_path: Path):
    log = tmp_path / "log"
    log.write_text(LINES * 500)
    shown, _ = pexpect.run(f"{PROGRAM} --limit 'SLIDING 1000 1h' --suggest 1% {log}", withexitstatus=True, timeout=120)
    assert b"searching: pass 1" in shown
    assert replay(*LIMIT, log).stderr == b""


def test_a_terminal_sees_how_far_the_reading_is(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    child = pexpect.spawn(str(PROGRAM), [*LIMIT, "--format", "csv", str(fifo)], timeout=120)
    with fifo.open("wb") as log:

        def is_shown() -> bool:
            log.write(b"1800000000,ada\n" * 1024)
            log.flush()
            return child.expect([rb"fifo: [\d,]+ lines\x1b?", pexpect.TIMEOUT], timeout=0.05) == 0

        eventually(is_shown, "the number of lines to be shown")
    child.expect(rb"\r\x1b\[K[^\r]*fifo: [\d,]+ lines \(csv\)")  # the line is taken away before the result comes
    child.expect(pexpect.EOF)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--plot"], "nothing to try"),
        (["--limit", "FIXED"], "limit is missing"),
        (["--limit", "QUOTA 5 DAY TZ Mars/Olympus"], "TZ must be"),
        ([*LIMIT, "--format", "combined", "--subject", "key"], "have no field key"),
    ],
)
def test_a_wrong_option_ends_with_2_and_says_what_to_write(words: list[str], complaint: str):
    done = replay(*words, text=LINES.encode(), code=2)
    assert done.stdout == b"" and complaint in done.stderr.decode()


def test_a_log_without_calls_ends_with_1_and_says_why():
    assert b"no format fits" in replay(*LIMIT, text=b"hello\n", code=1).stderr
    done = replay(*LIMIT, "--format", "json", text=b"{}\n", code=1)
    assert b"line 1: no time that can be read" in done.stderr


def test_what_monitor_prints_is_a_log(server: Server, db: Client):
    monitor = subprocess.Popen(["redis-cli", "-s", str(server.socket), "MONITOR"], stdout=subprocess.PIPE)
    lines = [monitor.stdout.readline()]  # OK: from here on it hears
    for number in range(25):
        db.do(f"RL.CHECK api FIXED 1000 1h FOR user:{number % 2}")
    db.do("RL.CHECK other FIXED 1000 1h")
    db.do("TYPE api")
    db.do("SET end 1")
    while b'"SET" "end"' not in lines[-1]:
        lines.append(monitor.stdout.readline())
    monitor.kill()
    monitor.communicate()
    log = b"".join(lines)
    assert counts(text=log) == (26, 5)
    subjects = {hit["subject"] for hit in said("--limit", "FIXED 0 1h", text=log)["limits"][0]["hardest_hit"]}
    assert subjects == {"api user:0", "api user:1", "other"}
    assert counts("--where", "command=SET", text=log) == (1, 0)
    none = b"".join(line for line in lines if b"RL." not in line)
    assert b"only commands of the module" in replay(*LIMIT, text=none, code=1).stderr


def test_a_malformed_line_is_shown_with_its_file_and_number(tmp_path: Path):
    (tmp_path / "a").write_text(LINES)
    (tmp_path / "b").write_text(LINES[:40] + "never,ada\n" + LINES[40:])
    shown = replay(*LIMIT, tmp_path / "a", tmp_path / "b").stdout.decode()
    assert f"1 malformed line:\n  {tmp_path}/b, line 3: no time that can be read: never,ada\n" in shown
    assert "1 malformed line:\n  line 3: no time" in replay(*LIMIT, tmp_path / "b").stdout.decode()
    [line] = said(*LIMIT, tmp_path / "a", tmp_path / "b")["lines"]["first_malformed"]
    assert line == {
        "file": f"{tmp_path}/b",
        "line": 3,
        "reason": "no time that can be read",
        "begin": "never,ada",
    }


def test_a_member_that_a_condition_names_may_be_missing():
    lines = b'{"ts":1800000000,"ip":"a"}\n{"ts":1800000000,"ip":"a","level":"access"}\n{"ts":1800000000}\n'
    counted = said(*LIMIT, "--where", "level=access", text=lines)["lines"]
    assert (counted["calls"], counted["left_out"], counted["malformed"]) == (1, 2, 0)
    counted = said(*LIMIT, "--where", "level!=access", text=lines)["lines"]
    assert (counted["calls"], counted["left_out"], counted["malformed"]) == (1, 1, 1)
    complaint = replay(*LIMIT, "--where", "lvl=access", text=lines, code=1).stderr
    assert b"3 lines, 0 of them malformed, 3 left out by --where" in complaint


LINE = '{} - - [30/Nov/2026:13:00:0{} +0000] "GET {} HTTP/1.1" 200 17 "-" "{}"\n'
CRAWLED = "".join(
    LINE.format(f"66.249.66.{number}", number, "/product/1", "Mozilla/5.0 (compatible; Googlebot/2.1)")
    + LINE.format("203.0.113.9", number, "/static/app.js", "Mozilla/5.0")
    for number in range(5)
).encode()


def test_a_condition_may_have_its_star_anywhere_and_says_how_much_it_leaves_out():
    for condition in ("agent!=*Googlebot*", "address!=66.249.66.0/24", "path=*.js", "path!=/p*t/*"):
        result = said("--limit", "FIXED 100 1h", "--where", condition, text=CRAWLED)
        assert result["lines"]["left_out_by"] == [{"where": condition, "calls": 5}], condition
        assert result["subjects"] == 1
    done = replay("--limit", "FIXED 9 1h", "--where", "path=/*", "--where", "agent=*bot*", text=CRAWLED)
    assert b"5 calls left out by --where\n  0 by path=/*\n  5 by agent=*bot*\n" in done.stdout
    assert done.stderr == b"ratelimit-replay: --where path=/* leaves out no call\n"


def test_the_busiest_are_named_if_there_is_nothing_to_try():
    result = said(text=CRAWLED)
    assert result["limits"] == []
    [subject, *others] = result["busiest_subjects"]
    assert (subject["name"], subject["calls"], subject["calls_of_minute"]) == ("203.0.113.9", 5, 5)
    assert (subject["prefix"], subject["calls_of_prefix"]) == ("/static", 5)
    assert len(others) == 4
    [subnet] = result["busiest_subnets"]
    assert (subnet["name"], subnet["subjects"], subnet["calls"]) == ("66.249.66.0/24", 5, 5)
    text = replay(text=CRAWLED).stdout.decode()
    assert re.search(r"66\.249\.66\.0/24 +5 +5 +50 % +5 at 2026-11-30 13:00:00 +/product \(100 %\)", text)
    assert "busiest" in replay(text=LINES.encode()).stdout.decode(), "a log without paths has busiest subjects, too"


def test_a_search_stops_whom_it_shall_and_names_who_is_next():
    lines = [f"18000000{number % 60:02},bot:{number % 3}\n" for number in range(300)]
    lines += [f"18000000{number:02},ada\n" for number in range(9)]
    log = "".join(sorted(lines)).encode()
    result = said("--stop", "bot:*", "--span", "1m", text=log)
    assert {limit["others_hit"] for limit in result["suggestions"]} == {0}
    [fixed] = [limit for limit in result["suggestions"] if limit["limit"] == "FIXED 9 1m"]
    assert (fixed["stopped"], fixed["one_less_hits"], fixed["stopped_by_twice"]) == (300 - 27, "ada", 300 - 54)
    shown = replay("--stop", "bot:*", "--span", "1m", text=log).stdout.decode()
    assert "To stop 3 subjects with 300 calls: the tightest limits that deny nobody else anything" in shown
    assert re.search(r"FIXED 9 1m +273 +91 % +82 % +0  ada \(0\) +ada\n", shown)
    assert re.search(r"granted calls? of \d+ subjects? waited, up to .* \(", shown), "those of LEAKYBUCKET"
    nobody = replay("--stop", "nobody*", text=log, code=1)
    assert nobody.stderr.startswith(b"ratelimit-replay: no subject is like --stop; one is ")
    spared = said("--suggest", "1 subject", "--spare", "bot:*", text=log)["suggestions"]
    assert spared and all(limit["spared_hit"] == 0 for limit in spared)


def test_subjects_of_one_subnet_are_told():
    line = '203.0.113.{} - - [30/Nov/2026:13:00:00 +0000] "GET / HTTP/1.1" 200 17\n'
    log = "".join(line.format(number) for number in range(4) for _ in range(5)).encode()
    hint = "4 of the 4 subjects hit are in 203.0.113.0/24: try --subject address/24\n"
    assert hint in replay("--limit", "FIXED 2 1h", text=log).stdout.decode()
    assert hint in replay("--suggest", "50%", "--span", "1m", text=log).stdout.decode()
    assert "are in" not in replay("--limit", "FIXED 2 1h", "--subject", "address/24", text=log).stdout.decode()


def test_a_span_of_the_log_may_be_chosen():
    result = said(*LIMIT, "--from", "1800000010", "--to", "1800000020", text=LINES.encode())
    assert (result["lines"]["calls"], result["lines"]["outside"]) == (10, 50)
    assert (
        b"50 calls outside of --from and --to\n"
        in replay(*LIMIT, "--from", "1800000010", "--to", "1800000020", text=LINES.encode()).stdout
    )
    assert b"60 outside" in replay(*LIMIT, "--from", "2030-01-01", text=LINES.encode(), code=1).stderr


def test_subjects_may_have_limits_of_their_own():
    exceptions = ["--except", "user:1=FIXED 15 1h AS calls", "--except", "user:*=FIXED 18 1h AS calls"]
    [limit] = said("--limit", "FIXED 5 1h AS calls", *exceptions, text=(LINES + "1800000000,ada\n" * 6).encode())[
        "limits"
    ]
    assert limit["exceptions"] == 2
    assert {hit["subject"]: hit["denied"] for hit in limit["hardest_hit"]} == {
        "user:0": 2,
        "user:1": 5,
        "user:2": 2,
        "ada": 1,
    }


def test_each_answer_names_its_subject(tmp_path: Path):
    replay(*LIMIT, "--answers", tmp_path / "a.csv", text=b'1800000000,"a, ""b"""\n1800000000,c\x1b\n')
    with (tmp_path / "a.csv").open() as lines:
        assert [row["subject"] for row in csv.DictReader(lines)] == ['a, "b"', r"c\x1B"]


def test_conditions_that_leave_out_everything_are_named():
    done = replay(*LIMIT, "--where", "agent=*bot*", "--where", "path=/static/*", text=CRAWLED, code=1)
    complaints = done.stderr.decode().splitlines()
    assert complaints[0].endswith("10 lines, 0 of them malformed, 10 left out by --where")
    assert complaints[1:] == [
        "ratelimit-replay: --where agent=*bot* leaves out 5 of 10 calls",
        "ratelimit-replay: --where path=/static/* leaves out 5 of 10 calls",
    ]


def test_a_full_disk_is_noticed():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, *LIMIT], input=LINES.encode(), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"standard output cannot be written" in done.stderr


def test_a_picture_is_written(tmp_path: Path):
    replay(*LIMIT, "--svg", tmp_path / "log.svg", text=LINES.encode())
    assert (tmp_path / "log.svg").read_text().endswith("</svg>\n")
    assert (
        b"cannot be written" in replay(*LIMIT, "--svg", tmp_path / "no" / "a.svg", text=LINES.encode(), code=1).stderr
    )
