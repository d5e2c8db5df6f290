# SPDX-License-Identifier: MIT
"""The lines of the pages of scripts/watch, and what keys do to them."""

from __future__ import annotations

import pytest
from replies import COUNTED, flat, info_of, limiter_reply

from watch import rows, samples, state
from watch.keyboard import keys
from watch.rows import Watched
from watch.samples import LogEntry, Sample, Top
from watch.state import Page, State, press


def sample(at: float, limiters: dict[bytes, dict], *fields: str, **others) -> Sample:
    found = {key: samples.limiter(key, limiter_reply(labels)) for key, labels in limiters.items()}
    return Sample(at, info=samples.info(info_of(*fields)), limiters=found, **others)


def server(name: str, before: Sample | None, now: Sample | None, trouble: str = "") -> Watched:
    return Watched(name, before, now, trouble)


def one(**labels: tuple[int, int, int, int]) -> dict[bytes, tuple]:
    return {label.encode(): counts for label, counts in labels.items()}


# --- rows -------------------------------------------------------------------------------------------


def test_parts_of_a_limiter_on_several_servers_are_one_line_with_their_sum():
    first = server(
        "a", sample(0, {b"{0}api": one(burst=(10, 0, 0, 0))}), sample(2, {b"{0}api": one(burst=(30, 4, 2, 0))})
    )
    second = server(
        "b", sample(5, {b"{1}api": one(burst=(0, 0, 0, 0))}), sample(6, {b"{1}api": one(burst=(5, 1, 0, 0))})
    )
    (group,) = rows.overview([first, second]).groups
    assert group.name == b"{*}api"
    assert [(place.server, place.key) for place in group.places] == [("a", b"{0}api"), ("b", b"{1}api")]
    (line,) = group.lines
    assert (line.rates.granted, line.rates.denied, line.rates.near) == (15, 3, 1)
    assert (line.counts.granted, line.counts.denied, line.counts.since_ms) == (35, 5, COUNTED)


def test_a_single_part_keeps_its_name():
    (group,) = rows.overview([server("a", None, sample(0, {b"{0}api": one(burst=(1, 0, 0, 0))}))]).groups
    assert group.name == b"{0}api"


def test_a_server_that_is_gone_is_a_row_and_not_in_the_sums():
    now = sample(1, {b"api": one(burst=(1, 0, 0, 0))}, "used_memory:100", "instantaneous_ops_per_sec:7")
    seen = rows.overview([server("a", None, now), server("b", None, None, "gone: refused")])
    assert [(row.name, row.trouble) for row in seen.servers] == [("a", ""), ("b", "gone: refused")]
    assert (seen.sum.name, seen.sum.memory, seen.sum.ops) == ("1 of 2 servers", 100, 7)


def test_checks_are_those_that_were_granted_denied_or_would_have_been():
    def at(seconds: float, granted: int, denied: int, would: int) -> Sample:
        names = ("granted", granted), ("denied", denied), ("would_deny", would)
        return sample(seconds, {}, *(f"ratelimit_checks_{name}:{count}" for name, count in names))

    seen = rows.overview([server("a", at(0, 10, 0, 0), at(10, 110, 20, 5))])
    assert seen.servers[0].checks == 12.5
    assert (seen.calls.granted, seen.calls.denied, seen.calls.near) == (10, 2, None)


LIMITERS = {b"busy": one(x=(900, 1, 5, 0)), b"denied": one(x=(3, 70, 0, 0)), b"trial": one(x=(0, 0, 0, 100))}


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("denied", [b"trial", b"denied", b"busy"]),
        ("granted", [b"busy", b"denied", b"trial"]),
        ("near", [b"busy", b"denied", b"trial"]),
        ("name", [b"busy", b"denied", b"trial"]),
    ],
)
def test_limiters_are_sorted_by_what_was_chosen(sort: str, order: list[bytes]):
    nothing = dict.fromkeys(LIMITERS, one(x=(0, 0, 0, 0)))
    seen = rows.overview([server("a", sample(0, nothing), sample(1, LIMITERS))], sort)
    assert [group.name for group in seen.groups] == order


def test_blocked_is_the_last_label():
    (group,) = rows.overview([server("a", None, sample(0, {b"api": one(blocked=(0, 1, 0, 0), x=(1, 0, 0, 0))}))]).groups
    assert [line.label for line in group.lines] == [b"x", b"blocked"]


def test_tops_of_all_limiters_are_one_list():
    first = sample(0, {}, tops={b"api": (Top(b"bob", 3, 0), Top(b"mallory", 50, 2))})
    second = sample(0, {}, tops={b"login": (Top(b"eve", 7, 0),)})
    seen = rows.overview([server("a", None, first), server("b", None, second)])
    assert [(row.limiter, row.subject, row.times) for row in seen.top_denied] == [
        (b"api", b"mallory", 50),
        (b"login", b"eve", 7),
        (b"api", b"bob", 3),
    ]


def test_latency_is_that_of_the_calls_since_the_last_look_on_all_servers():
    def at(seconds: float, calls: int, us: int, histogram: list) -> Sample:
        about = samples.info(info_of(f"cmdstat_rl.check:calls={calls},usec={us}"))
        return Sample(
            seconds, commands=samples.commands(about, [b"rl.check", [b"calls", calls, b"histogram_usec", histogram]])
        )

    first = server("a", at(0, 100, 900, [8, 100]), at(2, 104, 910, [2, 4, 8, 104]))
    second = server("b", at(0, 0, 0, []), at(2, 4, 10, [4, 4]))
    (row,) = rows.overview([first, second]).latency
    assert (row.calls, row.mean_us, row.median_us, row.percentile_99_us) == (4, 2.5, 2, 4)


def test_a_complaint_of_all_servers_is_said_once_and_that_of_one_names_it():
    everywhere, here = "INFO is refused", "CLUSTERDOWN"
    seen = rows.overview(
        [
            server("a", None, sample(0, {}, complaints=(everywhere, here))),
            server("b", None, sample(0, {}, complaints=(everywhere,))),
        ]
    )
    assert seen.complaints == ("INFO is refused", "a: CLUSTERDOWN")


def test_the_log_of_all_parts_is_one_with_the_newest_first():
    (group,) = rows.overview([server("a", None, sample(0, {b"api": one(x=(1, 0, 0, 0))}))]).groups
    old, new = LogEntry(b"a", b"x", 1, 10, 3, 0), LogEntry(b"b", b"x", 1, 20, 1, 0)
    assert rows.limiter_page(group, [(old,), (new,)]).log == (new, old)


def test_a_subject_is_shown_by_the_part_that_knows_it():
    limit = flat(
        {
            b"label": b"x",
            b"limit": b"FIXED 5 1m AS x",
            b"size": 5,
            b"used": 5,
            b"remaining": 0,
            b"reset_ms": 9,
            b"next_unit_ms": 7,
        }
    )
    about = flat({b"status": b"denied", b"why": b"because", b"wait_ms": 7, b"exception": 1, b"limits": [limit]})
    log = (LogEntry(b"bob", b"x", 1, 2, 3, 7), LogEntry(b"eve", b"x", 1, 2, 3, 7))
    page = rows.subject_page(b"api", b"bob", [None, about], [log])
    assert (page.status, page.why, page.is_exception, page.log) == ("denied", "because", True, log[:1])
    assert [(each.label, each.used, each.size, each.next_unit_ms) for each in page.limits] == [(b"x", 5, 5, 7)]


# --- keys -------------------------------------------------------------------------------------------


def after(pressed: str, start: State = State(), names: tuple[bytes, ...] = (b"a", b"b", b"c")) -> State:  # noqa: B008
    for key in pressed.split():
        start = press(start, key, names)
    return start


def test_the_mark_moves_and_stays_within_the_lines():
    assert after("down").marked == b"b"
    assert after("down down down down").marked == b"c"
    assert after("end up").marked == b"b"
    assert after("up").marked == b"a"


def test_a_mark_whose_line_is_gone_is_on_the_first_line():
    assert after("down", State(marked=b"gone")).marked == b"b"


def test_enter_goes_to_the_limiter_then_to_the_subject_and_escape_back():
    limiter = after("down enter")
    assert (limiter.page, limiter.limiter) == (Page.LIMITER, b"b")
    subject = after("enter", limiter, (b"mallory",))
    assert (subject.page, subject.subject) == (Page.SUBJECT, b"mallory")
    back = after("escape", subject)
    assert (back.page, back.limiter, back.marked) == (Page.LIMITER, b"b", b"mallory")
    assert after("escape", back) == State(marked=b"b")


def test_a_subject_can_be_typed_and_letters_are_no_commands_then():
    typed = after("/ q p backspace s", State(page=Page.LIMITER, limiter=b"api"))
    assert (typed.typed, typed.has_ended, typed.is_paused) == ("qs", False, False)
    assert after("enter", typed).subject == b"qs"
    assert after("escape", typed) == State(page=Page.LIMITER, limiter=b"api")


def test_the_other_keys_sort_pause_and_end():
    assert [after("s " * times).sort for times in range(5)] == ["denied", "near", "granted", "name", "denied"]
    assert after("p").is_paused
    assert not after("p p").is_paused
    assert after("q").has_ended


def test_keys_on_an_empty_page_do_nothing():
    assert after("down enter end", names=()) == State()


def test_the_chosen_line_is_always_within_the_window():
    heights = [2, 1, 3, 1, 1]
    for room in range(1, 10):
        for chosen in range(5):
            shown = state.window(heights, chosen, room)
            assert chosen in shown
            assert len(shown) == 1 or sum(heights[place] for place in shown) <= room
    assert state.window(heights, 0, 8) == range(5)
    assert state.window([], 0, 8) == range(0)


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOA", ["up"]),
        (b"\x1b[5~\x1b[6~", ["page-up", "page-down"]),
        (b"\x1b", ["escape"]),
        (b"\x1b\x1b", ["escape", "escape"]),
        (b"q\r", ["q", "enter"]),
        ("é日".encode(), ["é", "日"]),
        (b"\x7f", ["backspace"]),
        (b"\x1b[1;5C\x00\xff", []),
    ],
)
def test_keys_are_told_apart(sent: bytes, heard: list[str]):
    assert keys(sent) == heard
