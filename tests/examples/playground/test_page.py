# SPDX-License-Identifier: MIT
"""The page in a browser: what a user clicks, types, draws and reads; by keyboard, in the dark, on a phone."""

from __future__ import annotations

import re
import urllib.parse

import pytest
from selenium.webdriver.common.keys import Keys

from browser import PHONE, Browser, marks, totals, wait_for_link
from playground import ask

BUCKET = "limit=TOKENBUCKET+3+1+1s&traffic=steady&seconds=10&rate=4&callers=1"


def chosen(page: Browser) -> list[str]:
    """The limits in the form."""
    return page.run("return [...document.querySelectorAll('#limits input')].map((each) => each.value)")


def link(page: Browser) -> dict[str, list[str]]:
    return urllib.parse.parse_qs(page.fragment)


def test_it_begins_with_several_limits_side_by_side(page: Browser):
    assert list(totals(page)) == chosen(page) and len(chosen(page)) == 4
    assert page.run("return document.querySelectorAll('#charts canvas').length") == 4
    assert page.text("#version") and "denied" in page.text("#answers")
    labels = page.run("return [...document.querySelectorAll('.plot')].map((each) => each.getAttribute('aria-label'))")
    assert all(re.search(r"\d+ granted.* \d+ denied; .* at most \d+ of \d+ used", label) for label in labels)


def test_one_of_each_shows_every_algorithm(page: Browser):
    page.click("#one-of-each")
    page.wait_for("document.querySelectorAll('#totals tbody tr').length === 8", "eight limits")
    keywords = " ".join(chosen(page))
    for word in ("TOKENBUCKET", "LEAKYBUCKET", "FIXED", "ALIGNED", "SLIDING", "APPROX", "QUOTA", "CONCURRENT"):
        assert word in keywords


def test_the_figures_of_the_page_are_those_of_the_core(page: Browser):
    page.reload_at(BUCKET)
    assert totals(page)["TOKENBUCKET 3 1 1s"][:3] == ["12", "0", "28"]  # 3, and one in each second after the first
    page.find("#all summary").click()
    page.wait_for("document.querySelectorAll('#calls tbody tr').length === 40", "all calls")
    shown = page.run("return [...document.querySelectorAll('#calls tbody tr')].map((row) => row.cells[4].textContent)")
    start = 1_800_100_800 * 10**9
    calls = [
        {"at": str(start + i * 250_000_000), "subject": 0, "cost": 1, "mode": "deny", "wait": "0"} for i in range(40)
    ]
    for text, reply in zip(shown, ask("answers", {"limits": "TOKENBUCKET 3 1 1s", "calls": calls}), strict=True):
        assert text == ("granted" if reply["granted"] else f"denied, wait {reply['waitMs']} ms")


def test_typed_limits_are_tried_and_an_error_says_what_would_be_right(page: Browser):
    page.type("#limit-0", "FIXED 7 1m")
    page.wait_for_text("#totals th", "FIXED 7 1m")
    page.type("#limit-0", "FIXED 7 1q")
    page.wait_for_text("#limit-0-error", "window must be")
    assert page.find("#limit-0").get_attribute("aria-invalid") == "true"
    assert "FIXED 7 1m" not in totals(page) and len(totals(page)) == 3
    page.type("#limit-0", "QUOTA 5 DAY TZ Europe/Berlin")
    page.wait_for_text("#totals th", "QUOTA 5 DAY TZ Europe/Berlin")
    assert page.text("#limit-0-error") == ""


def test_limits_are_added_and_removed(page: Browser):
    page.choose("#example", "CONCURRENT 5 10s")
    page.wait_for_text("#totals th", "CONCURRENT 5 10s")
    assert page.focused() == "limit-4"
    page.click("#limits li:first-child button")
    page.wait_for("document.querySelectorAll('#totals tbody tr').length === 4", "one limit less")
    assert chosen(page)[-1] == "CONCURRENT 5 10s" and page.focused() == "limit-0"
    for _ in range(4):
        page.click("#limits li:first-child button")
    page.wait_for_text("#call-about", "No call has come yet.")


def test_a_chosen_call_shows_the_command_the_reply_and_the_fields(page: Browser):
    page.reload_at(f"{BUCKET}&call=4")
    assert page.text("#call-about").startswith("Call 5 of 40: ann, cost 1, after 1 s (2027-01-16 12:00:01.000 UTC)")
    assert page.text("#asked") == "RL.CHECK playground TOKENBUCKET 3 1 1s FOR ann HEADERS"
    assert page.text("#response").splitlines()[0] == "HTTP/1.1 200 OK"
    page.click("#next")
    page.wait_for_text("#call-about", "Call 6 of 40")
    assert page.text("#reply").startswith("1) (integer) 0\n2) (integer) 3\n3) (integer) 0\n4) (integer) 750\n")
    assert page.text("#response").splitlines() == [
        "HTTP/1.1 429 Too Many Requests",
        'RateLimit-Policy: "tokenbucket";q=3;w=3',
        'RateLimit: "tokenbucket";r=0;t=1',
        "RateLimit-Limit: 3",
        "RateLimit-Remaining: 0",
        "RateLimit-Reset: 1",
        "Retry-After: 1",
    ]
    page.reload_at("limit=FIXED+1+1m&limit=FIXED+2+1m&traffic=steady&seconds=10&rate=1&call=1")
    page.click("#answers tbody tr:nth-child(2) input")
    page.wait_for_text("#asked", "FIXED 2 1m")
    assert page.text("#answers td.denied") == "denied, wait 59 s"


def test_the_clock_is_stepped_and_dragged(page: Browser):
    page.reload_at(f"{BUCKET}&call=20")
    assert page.text("#now") == "5 s"
    page.click("#previous")
    page.wait_for_text("#now", "4.75 s")
    assert page.text(".status").startswith("3 of 3 used, 0 left")
    chart = page.find(".plot .u-over")
    page.drag(chart, (chart.size["width"] - 40, 20), (2, 20))
    page.wait_for_text("#call-about", "Call 1 of 40")
    assert float(page.run("return parseFloat(document.querySelector('.hand').style.left)")) <= 5


@pytest.mark.parametrize("kind", ["steady", "bursts", "edge", "crowd", "drawn"])
def test_each_kind_of_traffic_makes_calls(page: Browser, kind: str):
    page.choose("#kind", kind)
    wait_for_link(page, f"traffic={kind}")
    page.wait_for_text("#call-about", "Call ")
    granted, _, denied, *_ = totals(page)["SLIDING 10 10s"]
    assert int(granted) > 0 and int(denied) > 0
    assert page.find("#subject").is_displayed() == (kind == "crowd")


EDGES = "limit=FIXED+10+10s&limit=FIXED+10+10s+ALIGNED&limit=SLIDING+10+10s&traffic=edge&seconds=15&window=10"


def test_an_edge_passes_nearly_twice_where_windows_are_fixed_and_not_where_they_slide(page: Browser):
    page.reload_at(f"{EDGES}&size=10&opening=1&gap=40")
    assert [row[0] for row in totals(page).values()] == ["20", "20", "11"]
    assert [row[-1] for row in totals(page).values()] == ["19 of 10 in 10 s", "19 of 10 in 10 s", "10 of 10 in 10 s"]
    page.type("#field-opening", "0")
    page.wait_for_text("#totals", "20 of 10")
    assert [row[-1].split()[0] for row in totals(page).values()] == ["10", "20", "10"]  # no call opens FIXED's window
    assert page.text(".most").splitlines()[1] == "Most granted within any 10 s: 20 of 10"


def test_the_edge_is_that_of_the_fixed_window_that_is_tried(page: Browser):
    page.type("#limit-2", "FIXED 50 1m")
    page.wait_for_text("#totals th", "FIXED 50 1m")
    page.choose("#kind", "edge")
    page.wait_for_text("#totals", "99 of 50 in 1 min")
    values = page.run("return [...document.querySelectorAll('#fields input')].map((each) => each.value)")
    assert values == ["180", "60", "50", "1", "40"]
    assert totals(page)["FIXED 50 1m"][:3] == ["200", "0", "0"]


def test_the_axis_of_made_traffic_has_whole_minutes_and_hours(page: Browser):
    page.reload_at("limit=FIXED+2+1m&traffic=steady&seconds=7200&rate=0.01")
    assert [mark for mark in marks(page) if mark[0].isdigit() and " " in mark][:2] == ["15 min", "30 min"]


def test_traffic_is_drawn_by_pointer_and_by_keyboard(page: Browser):
    page.choose("#kind", "drawn")
    wait_for_link(page, "drawn=")
    steps = "return [...document.querySelectorAll('#drawing [role=slider]')].map((each) => each.ariaValueNow).join('.')"
    box = page.find("#drawing")
    page.run("arguments[0].scrollIntoView({block: 'center'})", box)
    page.drag(box, (5, 40), (box.size["width"] - 5, 40))
    counts = [int(count) for count in page.run(steps).split(".")]
    assert counts[0] == counts[-1] > 10
    page.run("document.querySelector('#drawing [role=slider]').focus()")
    page.press(Keys.ARROW_RIGHT, Keys.HOME, Keys.ARROW_UP, Keys.ARROW_UP)
    assert page.run(steps).split(".")[1] == "2"
    wait_for_link(page, f"drawn={counts[0]}.2.")


def test_a_link_holds_all_of_it(page: Browser):
    page.type("#limit-1", "CONCURRENT 2 30s AS workers")
    page.choose("#kind", "crowd")
    page.type("#field-rate", "0.7")
    page.click("#setup details summary")
    page.type("#cost", "2")
    page.choose("#mode", "MAXWAIT")
    page.type("#wait", "1500ms")
    page.type("#held", "4s")
    page.choose("#subject", "2")
    page.click("#answers tbody tr:nth-child(2) input")
    page.click("#previous")
    page.wait_for_text("#asked", "CONCURRENT 2 30s AS workers FOR ")
    page.click("#copy-link")
    before = [page.text(part) for part in ("#totals", "#charts", "#call", "#now")]
    assert link(page)["wait"] == ["1500ms"] and link(page)["rate"] == ["0.7"]
    assert "MAXWAIT 1500ms" in page.text("#asked")
    page.reload_at(page.fragment)
    assert [page.text(part) for part in ("#totals", "#charts", "#call", "#now")] == before
    assert page.find("#held").get_attribute("value") == "4s"


def test_a_wrong_duration_is_named_and_the_usual_one_taken(page: Browser):
    page.reload_at(f"{BUCKET}&mode=MAXWAIT&wait=forever")
    assert page.text("#wait-error").startswith("must be 0 or a duration from 1ms to 3650d")
    assert "MAXWAIT 2s" in page.text("#asked") and page.find("#wait").is_displayed()
    page.type("#wait", "3s")
    page.wait_for_text("#asked", "MAXWAIT 3s")
    assert page.text("#wait-error") == ""
    page.type("#start", "noon")
    page.wait_for_text("#start-error", "must be a time like")
    assert "2027-01-16 12:00:" in page.text("#call-about")


@pytest.mark.parametrize(
    "fragment",
    [
        *("limit=&traffic=none&clock=-1&call=x&subject=99999", "seconds=1e99&traffic=steady&rate=1e9&callers=1e9"),
        *("%%%&limit=%ff", "traffic=crowd&seconds=NaN&callers=-5&cost=-1", "traffic=drawn&drawn=1.2.x.999999"),
        *("start=2027-01-16T99:00:00Z", "traffic=constructor", "traffic=log&log=%00%01&clock=99999999999999999"),
        "mode=MAXWAIT&wait=forever&held=never&cost=9007199254740991&limit=QUOTA+9007199254740991+DAY",
    ],
)
def test_no_link_breaks_the_page(page: Browser, fragment: str):
    page.reload_at(fragment)
    assert page.text("#failure") == ""
    page.type("#limit-0", "SLIDING 4 1s")
    page.choose("#kind", "steady")
    page.wait_for_text("#totals th", "SLIDING 4 1s")
    assert page.run("return document.querySelector('#failure').hidden")


def test_a_link_to_another_address_of_the_open_page_is_followed(page: Browser):
    page.run("location.hash = arguments[0]", BUCKET)
    page.wait_for_text("#totals th", "TOKENBUCKET 3 1 1s")
    assert chosen(page) == ["TOKENBUCKET 3 1 1s"]


def test_all_of_it_works_by_keyboard(page: Browser):
    seen = []
    page.run("document.body.focus()")
    for _ in range(60):
        page.press(Keys.TAB)
        seen.append(page.focused())
        if seen[-1] == "asked":
            break
    for name in ("copy-link", "limit-0", "Remove limits 1", "example", "kind", "field-seconds", "clock", "asked"):
        assert name in seen, seen
    page.run("document.querySelector('#clock').focus()")
    page.press(Keys.HOME)
    page.wait_for_text("#now", "0 s")
    page.press(Keys.ARROW_RIGHT)
    page.wait_for_text("#now", "30 ms")
    page.run("document.querySelector('#next').focus()")
    page.press(Keys.ENTER)
    page.wait_for_text("#call-about", "Call 2 of 70")


def test_every_field_has_a_name_for_screen_readers(page: Browser):
    unnamed = """
      return [...document.querySelectorAll('button, input, select, textarea, [role=slider], [role=img], pre, table')]
        .filter((each) => each.tagName !== 'TABLE')
        .filter((each) => !(each.ariaLabel || each.labels?.length || each.textContent.trim()
          || each.getAttribute('aria-labelledby'))).map((each) => each.outerHTML)"""
    assert page.run(unnamed) == []
    assert page.run("return [...document.querySelectorAll('th')].every((each) => each.scope)")
    assert page.run("return document.querySelectorAll('h1').length === 1 && document.documentElement.lang === 'en'")


def test_the_dark_has_other_colours_and_enough_contrast_in_both(page: Browser):
    colours = """
      const style = getComputedStyle(document.documentElement);
      return ['panel', 'paper', 'code', 'ink', 'soft', 'denied', 'waiting', 'error', 'granted'].map(
        (name) => [name, style.getPropertyValue('--' + name).trim()])"""
    canvas = "return document.querySelector('.plot canvas').toDataURL()"
    light, drawn = dict(page.run(colours)), page.run(canvas)
    page.choose_colours("dark")
    page.wait_for("matchMedia('(prefers-color-scheme: dark)').matches", "the dark")
    dark = dict(page.run(colours))
    page.wait_for(f"(() => {{ {canvas} }})() !== {drawn!r}", "the charts in other colours")
    for scheme in (light, dark):
        for paper in ("panel", "paper", "code"):
            for ink in ("ink", "soft", "denied", "waiting", "error"):
                assert contrast(scheme[ink], scheme[paper]) >= 4.5, (ink, paper, scheme)


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_phone_shows_it_without_scrolling_sideways(page: Browser):
    page.resize(PHONE)
    for kind in ("bursts", "drawn", "log"):
        page.choose("#kind", kind)
        page.wait_for(f"document.querySelector('#kind').value === '{kind}'", kind)
        assert page.run("return document.documentElement.scrollWidth") <= PHONE[0]
    page.wait_for("document.querySelector('.plot canvas').getBoundingClientRect().width < 390", "charts that fit")


def test_the_page_forbids_itself_to_ask_anybody_else(page: Browser):
    policy = page.find("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy
    refused = page.run("return fetch('https://example.com/').then(() => 'answered', () => 'refused')")
    assert refused == "refused"
    assert any("Content Security Policy" in complaint for complaint in page.complaints())
    page.asked()
