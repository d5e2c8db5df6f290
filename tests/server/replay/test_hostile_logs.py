# SPDX-License-Identifier: MIT
"""Logs that somebody made to do harm, or that a machine damaged: ratelimit-replay says what they hold, unhurt."""

from __future__ import annotations

import gzip
import random
import re
import resource
import subprocess
import sys
import zlib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from replaying import PROGRAM, replay, said
from seed import SEED

LIMIT = ["--limit", "FIXED 2 1h"]
WHEN = "[10/Oct/2000:13:55:36 -0700]"
CLEAN = {
    "combined": "".join(f'203.0.113.{number % 2} - - {WHEN} "GET / HTTP/1.1" 200 17\n' for number in range(9)),
    "json": "".join(f'{{"ts":1800000000,"ip":"user:{number % 2}"}}\n' for number in range(9)),
    "csv": "time,subject\n" + "".join(f"1800000000,user:{number % 2}\n" for number in range(9)),
    "monitor": "".join(f'1800000000.5 [0 127.0.0.1:1] "RL.CHECK" "user:{number % 2}"\n' for number in range(9)),
}
NAMES = [
    b"\x1b[2J\x1b]0;pwned\x07",
    b"\x9b31m",
    b"\xc2\x9b31m",
    b"\x00\x00",
    b"\xff\xfe\x80",
    b"\xed\xa0\x80",
    b"</text><script>alert(1)</script>",
    b"&lt;\"'>]]>",
    b'a"b\\c\x7f',
    "\u202egnp.exe".encode(),
]


def csv_of(*names: bytes, each: int = 5) -> bytes:
    return b"".join(b'1800000000,"' + name.replace(b'"', b'""') + b'"\n' for name in names for _ in range(each))


# A process begins with the memory of the one that made it, and ours has the log: so one with little stands between.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def megabytes_of(data: bytes, tmp_path: Path) -> float:
    """The most memory that the program has while it reads this."""
    (tmp_path / "log").write_bytes(data)
    words = [sys.executable, "-c", MEASURE, PROGRAM, *LIMIT, tmp_path / "log"]
    return int(subprocess.run(words, capture_output=True, check=True, timeout=300).stdout) / 1000


@pytest.mark.parametrize("name", CLEAN)
@pytest.mark.parametrize("change", ["mark", "returns", "no newline", "all"])
def test_a_byte_order_mark_and_the_ends_of_lines_of_windows_change_nothing(name: str, change: str):
    log = CLEAN[name].encode()
    changed = log
    if change in ("returns", "all"):
        changed = changed.replace(b"\n", b"\r\n")
    if change in ("no newline", "all"):
        changed = changed[:-1]
    if change in ("mark", "all"):
        changed = b"\xef\xbb\xbf" + changed
    assert changed != log
    assert said(*LIMIT, text=changed) == said(*LIMIT, text=log)
    assert said(*LIMIT, text=log)["limits"][0]["denied"] == 5


def test_no_name_reaches_the_terminal_as_it_is():
    shown = replay(*LIMIT, "--top", "20", "--suggest", "90%", "--plot", text=csv_of(*NAMES)).stdout.decode()
    assert re.fullmatch(r"[ -~\n▁▂▃▄▅▆▇█]*", shown)
    assert r"\x1B[2J\x1B]0;pwned\x07" in shown


def test_no_file_and_no_malformed_line_reaches_the_terminal_as_it_is(tmp_path: Path):
    file = tmp_path / "a\x1b[2J.log"
    file.write_bytes(b"1800000000,ada\n\x1b[2J\x9b,x\n")
    shown = replay(*LIMIT, file).stdout
    assert rb"line 2: no time that can be read: \x1B[2J\x9B,x" in shown and rb"a\x1B[2J.log" in shown
    complaint = replay(*LIMIT, "--format", "json", file, code=1).stderr
    missing = replay(*LIMIT, tmp_path / "\x1b[2J", code=1).stderr
    for text in (shown, complaint, missing):
        assert b"\x1b" not in text and b"\x9b" not in text


def test_any_name_makes_json_that_is_valid_and_obeyed_by_no_terminal():
    done = replay(*LIMIT, "--json", "--top", "20", text=csv_of(*NAMES))
    text = done.stdout.decode()  # it is UTF-8
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    hits = said(*LIMIT, "--top", "20", text=csv_of(*NAMES))["limits"][0]["hardest_hit"]
    names = {hit["subject"] for hit in hits}
    assert names >= {"\x1b[2J\x1b]0;pwned\x07", "</text><script>alert(1)</script>", "\x00\x00", "\x9b31m"}
    assert all(hit["denied"] == 3 for hit in hits)


def test_a_picture_is_well_formed_whatever_names_there_are(tmp_path: Path):
    log = tmp_path / "<script>&\"'\x1b\xff.log"
    log.write_bytes(csv_of(*NAMES))
    replay("--limit", "FIXED 2\t1h\nAS a<b>&c", "--suggest", "90%", "--svg", tmp_path / "a.svg", log)
    picture = ElementTree.parse(tmp_path / "a.svg").getroot()
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "FIXED 2 1h AS a<b>&c" in texts
    assert any("<script>&\"'\\x1B" in text for text in texts)
    kinds = {element.tag.split("}")[1] for element in picture.iter()}
    assert kinds == {"svg", "title", "style", "rect", "text", "path"}


@pytest.mark.parametrize("seed", range(4))
def test_noise_between_lines_is_counted_and_costs_nobody_a_call(seed: int):
    chance = random.Random(f"{SEED} {seed}")
    for log in CLEAN.values():
        lines = log.encode().splitlines(keepends=True)
        for _ in range(40):
            noise = chance.randbytes(chance.randrange(1, 60)).translate(None, b"\n\r ,")
            lines.insert(chance.randrange(1, len(lines)), b"!" + noise + b"\n")
        counted = said(*LIMIT, text=b"".join(lines))
        assert counted["lines"]["calls"] == 9 and counted["limits"][0]["denied"] == 5
        assert counted["lines"]["malformed"] == 40 and len(counted["lines"]["first_malformed"]) == 5


@pytest.mark.parametrize("pack", ["gzip", "zstd"])
def test_packed_data_may_end_anywhere(pack: str):
    log = csv_of(*(b"user:%d" % number for number in range(500)), each=1)
    packed = subprocess.run([pack, "-c"], input=log, capture_output=True, check=True).stdout
    assert said(*LIMIT, text=packed)["lines"]["calls"] == 500
    for size in (*range(4, 20), *range(20, len(packed), len(packed) // 20), len(packed) - 1):
        done = subprocess.run([PROGRAM, *LIMIT], input=packed[:size], capture_output=True, timeout=60)
        assert done.returncode == 1 and b"too early" in done.stderr, size
        assert b"malformed" not in done.stdout, "no line is cut"


@pytest.mark.parametrize("pack", ["gzip", "zstd"])
def test_packed_data_may_be_damaged_anywhere(pack: str):
    log = csv_of(*(b"user:%d" % number for number in range(500)), each=1)
    packed = subprocess.run([pack, "-c"], input=log, capture_output=True, check=True).stdout
    chance = random.Random(SEED)
    for _ in range(30):
        damaged = bytearray(packed)
        damaged[chance.randrange(4, len(damaged))] ^= 1 << chance.randrange(8)
        done = subprocess.run([PROGRAM, *LIMIT], input=bytes(damaged), capture_output=True, timeout=60)
        assert done.returncode in (0, 1), done.stderr  # a bit that says nothing, such as the time, may change


def test_packed_data_without_a_line_is_an_empty_log():
    assert b"no line is a call: 0 lines" in replay(*LIMIT, text=gzip.compress(b""), code=1).stderr


def test_a_bomb_of_one_line_takes_no_memory(tmp_path: Path):
    packer = zlib.compressobj(6, wbits=31)
    bomb = b"".join(packer.compress(b"x" * 1_000_000) for _ in range(200)) + packer.flush()
    log = gzip.compress(CLEAN["csv"].encode()) + bomb + gzip.compress(b"\n1800000000,user:9\n")
    counted = said(*LIMIT, text=log)["lines"]
    assert counted["calls"] == 10 and counted["malformed"] == 1
    assert counted["first_malformed"][0]["reason"] == "longer than a mebibyte"
    assert megabytes_of(log, tmp_path) < 40


def test_memory_grows_with_subjects_and_not_with_lines(tmp_path: Path):
    few = b"".join(b"%d,user:%d\n" % (1_800_000_000 + number // 1000, number % 10) for number in range(500_000))
    many = b"".join(b"%d,user:%d\n" % (1_800_000_000 + number // 1000, number) for number in range(500_000))
    assert megabytes_of(few, tmp_path) < 40
    assert megabytes_of(many, tmp_path) < 90
    assert said(*LIMIT, text=many)["subjects"] == 500_000


def test_a_flood_at_one_instant_waits_in_bounded_memory(tmp_path: Path):
    flood = b"1800000000,a\n" * 2_000_000
    assert megabytes_of(flood, tmp_path) < 80
    assert said(*LIMIT, text=flood)["limits"][0]["denied"] == 2_000_000 - 2


def test_a_call_at_each_bound_of_time_is_a_call():
    times = [
        ("0", 0),
        ("7258118400", 7_258_118_400_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),  # a leap second is the first second of the next minute
        ("2016-12-31T23:59:59.999999999Z", 1_483_228_799_999),
        ("2024-02-29T12:00:00+14:00", 1_709_157_600_000),
        ("31/Dec/1999:23:59:59 -1200", 946_727_999_000),
    ]
    for text, unix_ms in times:
        assert said(*LIMIT, text=f"{text},a\n".encode())["first_ms"] == unix_ms, text
    span = said(*LIMIT, "--disorder", "3650d", text=b"0,a\n7258118400,a\n")
    assert (span["first_ms"], span["last_ms"]) == (0, 7_258_118_400_000)
    assert sum(span["limits"][0]["timeline"]["granted"]) == 2


@pytest.mark.parametrize(
    "time",
    [*("-1", "7258118401", "1e9", "9" * 40, "2023-02-29 12:00:00", "2026-11-30T24:00:00Z", "1969-12-31T23:59:59Z")]
    + ["1970-01-01T00:00:00+00:01", "2200-01-01T00:00:00-00:01", "2026-11-30T13:26:61Z", "0x10", "inf", "1.", ""],
)
def test_what_is_no_time_is_a_malformed_line(time: str):
    [line] = said(*LIMIT, text=f"1800000000,a\n{time},a\n".encode())["lines"]["first_malformed"]
    assert (line["line"], line["reason"]) == (2, "no time that can be read")


@pytest.mark.parametrize("cost", ["-1", "-0", "+1", "1e3", "nan", "9007199254740992", "99999999999999999999", "0x1"])
def test_what_is_no_cost_is_a_malformed_line(cost: str):
    [line] = said(*LIMIT, text=f"1800000000,a,1\n1800000000,a,{cost}\n".encode())["lines"]["first_malformed"]
    assert line["reason"] == "the cost is not a number from 0 to 9007199254740991"


def test_the_largest_costs_are_added_up_exactly():
    [limit] = said(*LIMIT, text=b"1800000000,a,9007199254740991\n" * 1000)["limits"]
    assert limit["never"] == 1000 and limit["units_denied"] == 9007199254740991 * 1000


@pytest.mark.parametrize("share", ["0%", "0.1%", "99%", "0.1% of subjects"])
def test_a_search_in_next_to_nothing_ends(share: str):
    assert b"no line is a call" in replay("--suggest", share, text=b"", code=1).stderr
    one = said("--suggest", share, text=b"1800000000,a\n")
    assert {limit["denied"] for limit in one["suggestions"]} == {0}
    free = said("--suggest", share, text=b"1800000000,a,0\n" * 3)
    assert {limit["denied"] for limit in free["suggestions"]} == {0}
    at_once = said("--suggest", share, text=b"1800000000,a\n" * 50 + b"1800000000,b\n")
    assert at_once["suggestions"] and all(limit["calls"] == 51 for limit in at_once["suggestions"])


def test_a_line_from_the_far_future_takes_no_call_away():
    lines = [b"%d,a\n" % (1_800_000_000 + number) for number in range(100)]
    lines.insert(50, b"7000000000,a\n")
    counted = said("--limit", "FIXED 10 1h", text=b"".join(lines))
    assert counted["lines"]["calls"] == 101 and counted["lines"]["too_late"] == 0
    assert counted["limits"][0]["denied"] == 90


def test_a_limit_on_memory_is_told_in_words():
    few = 60_000_000
    process = subprocess.run(
        [PROGRAM, "--json", *LIMIT],
        input=b"".join(b"1800000000,user:%d\n" % number for number in range(1_000_000)),
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (few, few)),
    )
    assert process.returncode == 1 and b"ratelimit-replay: " in process.stderr
