# SPDX-License-Identifier: MIT
"""The page of a running system, beside a real server, a check service and callers: it says what the server says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from browser import PHONE, Browser, Files
from harness import Client, Server, eventually
from live import OFFENDER, TOKEN, Load, System, ask_why, choose, connect, connected_page, rows, show
from service import paused

WORDS_OF_A_FAILED_REQUEST = "Failed to load resource"  # Chromium's own, in its console


@pytest.fixture(scope="session")
def connected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Files, int]]:
    folder, port = connected_page(tmp_path_factory.mktemp("connected"))
    with Files(folder) as files:
        yield files, port


@pytest.fixture
def system(server: Server, connected: tuple[Files, int], tmp_path: Path) -> Iterator[System]:
    files, port = connected
    system = System(server, tmp_path, files.address, port)
    system.start()
    yield system
    system.stop()


@pytest.fixture
def live(system: System, started_browser: Browser) -> Iterator[Browser]:
    """A browser that has opened the page; afterwards, nobody but the page's server and the service was asked."""
    started_browser.begin(f"{system.page}live.html")
    yield started_browser
    complaints = [each for each in started_browser.complaints() if WORDS_OF_A_FAILED_REQUEST not in each]
    assert [each for each in complaints if "CORS policy" not in each] == []  # of a service that is not there
    known = (system.page, system.origin, "data:")
    assert [url for url in started_browser.asked() if not url.startswith(known)] == []


def number(text: str) -> float:
    return float(text.replace(",", ""))


def info(db: Client, key: str, subject: str) -> dict:
    return db.rl_info(key, subject)


# --- who is denied ----------------------------------------------------------------------------------


def test_the_offender_is_the_one_denied_most_and_the_rates_are_right(live: Browser, system: System, db: Client) -> None:
    db.do("RL.DEFINE api:free TOKENBUCKET 10 10 1s AS rate")
    db.do("RL.DEFINE api:paid TOKENBUCKET 1000 1000 1s")
    with Load(system.server, "api:free") as load:
        show(live, "api:free")

        def rate_is_right() -> bool:
            cells = {row[0]: row for row in rows(live, "#limiters")}["api:free"]
            shown = 0 if cells[1] == "…" else number(cells[1])
            return shown > 1 and abs(shown - load.denied_a_second()) < 0.3 * load.denied_a_second()

        eventually(rate_is_right, "the rate of denials")
        cells = {row[0]: row for row in rows(live, "#limiters")}
        assert cells["api:free"][6] == "TOKENBUCKET 10 10 1s AS rate"
        assert 1 <= number(cells["api:free"][5]) <= 4, "whose bucket is full again may be forgotten at any moment"
        assert cells["api:paid"][1:5] == ["0", "0", "0", "0"]
        assert live.run("return document.querySelectorAll('#limiters td.hot').length") == 1
        top = rows(live, "#denied")
        assert [row[0] for row in top] == [OFFENDER] and number(top[0][1]) > 10
        assert rows(live, "#log")[0][:2] == [OFFENDER, "rate"]
        choose(live, "#denied", OFFENDER)
        live.wait_for_text("#headline", f"A call of “{OFFENDER}” is denied now: 10 of 10 units of “rate”")
        assert "The next call can be granted in" in live.text("#headline")
        assert live.text("#said"), "a screen reader says the answer once"
    told = db.rl_info("api:free")
    eventually(
        lambda: number({row[0]: row for row in rows(live, "#limiters")}["api:free"][4]) == told["denied"],
        "all denials",
    )
    assert f"{told['denied']:,} by “rate”" in live.text("#limiter-about")
    live.wait_for_text("#headline", "is granted")  # the bucket has flowed back


def test_why_tells_what_the_server_tells(live: Browser, db: Client) -> None:
    db.do("RL.DEFINE api FIXED 5 1h AS total TOKENBUCKET 100 1 1h AS burst")
    for _ in range(7):
        db.do("RL.CHECK api FOR eve")
    db.do("RL.CHECK api FOR bob COST 2")
    show(live, "api")
    eventually(lambda: {row[0]: row for row in rows(live, "#limiters")}["api"][5] == "2", "both subjects to be counted")
    headline = ask_why(live, "eve")
    assert headline.startswith("A call of “eve” is denied now: 5 of 5 units of “total” (FIXED 5 1h AS total) are used.")
    for subject in ("eve", "bob"):
        ask_why(live, subject)
        told = info(db, "api", subject)
        assert live.run("return document.querySelector('#headline').className") == told["status"]
        for row, limit in zip(rows(live, "#used"), told["limits"], strict=True):
            assert row[0] == limit["limit"]
            assert row[1:3] == [f"{limit['used']} of {limit['size']}", str(limit["remaining"])]
            assert row[3].startswith("in " if limit["next_unit_ms"] else "none is missing")
    minutes = {f"in {minute} min" for minute in (58, 59)} | {"in 1 h"}
    assert any(rows(live, "#used")[0][3].startswith(each) for each in minutes)
    assert live.text("#steps code").splitlines()[0] == "RL.INFO api FOR bob" and live.text("#details") == ""
    ask_why(live, "eve")
    assert live.text("#details").startswith("Denied 2 times by “total”: first ")


def test_blocks_trials_holds_and_own_limits_are_said_in_words(live: Browser, db: Client) -> None:
    db.do("RL.DEFINE api FIXED 5 1h CONCURRENT 3 1h AS jobs")
    db.do("RL.BLOCK api 1h FOR mal")
    db.do("RL.CHECK api FOR bob ID a")
    db.do("RL.RESERVE api 10m FOR bob COST 2 ID b")
    db.do("RL.DEFINE api FIXED 0 1h CONCURRENT 9 1h AS jobs FOR vip")
    show(live, "api")
    assert ask_why(live, "mal").startswith("“mal” is blocked (RL.BLOCK) for another ")
    assert "RL.BLOCK api 0 FOR mal" in live.text("#steps")
    ask_why(live, "bob")
    assert "2 units are held by 1 reservation that nobody has settled" in live.text("#details")
    assert "leases of “jobs” are out" in live.text("#details") or "lease of “jobs”" in live.text("#details")
    assert ask_why(live, "vip") == "“vip” is denied: “fixed” is closed, its size is 0. No wait helps."
    assert "RL.DEFINE … FOR made an exception" in live.text("#details")
    assert "Nothing is used of its limits" in ask_why(live, "nobody")
    db.do("RL.DEFINE trial FIXED 1 1h SHADOW")
    for _ in range(3):
        db.do("RL.CHECK trial FOR bob")
    live.wait_for_text("#limiters th", "trial")
    choose(live, "#limiters", "trial")
    live.wait_for_text("#limiter-about", "on trial: it would have denied 2 by “fixed”")
    assert "on trial: would deny" in live.text("#limiters .badge")
    assert "would be denied now" in ask_why(live, "bob") and "it denies nobody" in live.text("#details")


def test_names_of_any_bytes_are_shown_and_asked_about(live: Browser, db: Client) -> None:
    key, subject = b'a/b?#%&"<b>\xff{x}', b"<img src=x onerror=alert(1)>\x00\xfe"
    db.execute_command("RL.DEFINE", key, "FIXED", "1", "1h")
    for _ in range(2):
        db.execute_command("RL.CHECK", key, "FOR", subject)
    name = key.decode(errors="replace")
    show(live, name)
    live.wait_for("document.querySelector('#denied button') !== null", "the subject")
    live.run("document.querySelector('#denied button').click()")
    live.wait_for_text("#headline", "is denied now")
    assert "\\xfe" in live.text("#steps") and "\\xff" in live.text("#steps")
    assert live.run("return document.querySelector('img') === null")


def test_a_limiter_that_goes_is_no_error(live: Browser, db: Client) -> None:
    db.do("RL.DEFINE api FIXED 1 1h")
    db.do("RL.CHECK api FOR bob")
    show(live, "api")
    ask_why(live, "bob")
    db.do("DEL api")
    live.wait_for_text("#limiter-about", "It is not among the limiters above")
    live.wait_for("document.querySelector('#answer').hidden", "no answer")
    assert live.text("#state").startswith("Connected") and rows(live, "#limiters") == []


def test_many_limiters_come_page_by_page_and_by_a_pattern(live: Browser, db: Client) -> None:
    for i in range(230):
        db.do(f"RL.DEFINE many:{i} FIXED 1 1h")
    connect(live)
    live.wait_for_text("#limiters-note", "Not all keys were looked at")
    few = len(rows(live, "#limiters"))
    live.click("#more")
    live.wait_for(f"document.querySelectorAll('#limiters tbody tr').length > {few}", "more limiters")
    live.type("#match", "many:1?")
    live.click("#search button")
    live.wait_for_text("#limiters-note", "10 limiters.")
    assert len(rows(live, "#limiters")) == 10


def test_limits_are_tried_in_the_playground(live: Browser, db: Client) -> None:
    db.do("RL.DEFINE api TOKENBUCKET 5 1 1s AS burst FIXED 15 10s AS total")
    show(live, "api")
    live.click("#try")
    live.wait_for("document.documentElement.hasAttribute('data-ready')", "the playground")
    live.wait_for("document.querySelector('#limits input') !== null", "limits")
    limits = "return [...document.querySelectorAll('#limits input')].map((each) => each.value)"
    assert live.run(limits) == ["TOKENBUCKET 5 1 1s AS burst FIXED 15 10s AS total"]
    assert TOKEN not in live.address


# --- when something is wrong ------------------------------------------------------------------------


def test_a_missing_or_wrong_token_is_said(live: Browser, db: Client) -> None:
    db.do("RL.DEFINE api FIXED 1 1h")
    live.click("#connect-button")
    live.wait_for_text("#state", "The token is missing or wrong.")
    assert live.run("return document.querySelector('#overview').hidden")
    connect(live, "another-token-than-that")
    live.wait_for_text("#state", "The token is missing or wrong.")
    connect(live)
    live.wait_for_text("#state", "Connected to ")
    live.wait_for_text("#limiters th", "api")
    stored = "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    assert TOKEN not in live.run(stored)
    live.click("#connect-button")
    live.wait_for_text("#state", "Disconnected.")


def test_a_service_that_stops_is_said_and_found_again(live: Browser, system: System, db: Client) -> None:
    db.do("RL.DEFINE api FIXED 1 1h")
    connect(live)
    live.wait_for_text("#limiters th", "api")
    system.stop()
    live.wait_for_text("#state", f"No answer from {system.origin}.")
    assert "operator_origins must name" in live.text("#state")
    assert live.run("return document.querySelector('#overview').classList.contains('stale')")
    system.start()
    live.wait_for_text("#state", "Connected to ")
    live.wait_for("!document.querySelector('#overview').classList.contains('stale')", "what is now")


def test_a_server_that_stops_is_told_apart_from_the_service(live: Browser, system: System, db: Client) -> None:
    db.do("RL.DEFINE api FIXED 1 1h")
    connect(live)
    live.wait_for_text("#limiters th", "api")
    with paused(system.server):
        live.wait_for_text("#state", "The check service answers, but the server behind it, Redis or Valkey, does not.")
    live.wait_for_text("#state", "Connected to ")


def test_nobody_is_asked_while_nobody_can_see_it(live: Browser, system: System, db: Client) -> None:
    db.do("RL.DEFINE api FIXED 1 1h")
    connect(live)
    live.wait_for_text("#limiters th", "api")
    hide = "Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true});"
    live.run(hide + "document.dispatchEvent(new Event('visibilitychange'))", True)
    time.sleep(1)  # a look may be under way
    live.asked()
    time.sleep(5)  # two and a half times the pause
    assert [url for url in live.asked() if url.startswith(system.origin)] == []
    db.do("RL.DEFINE later FIXED 1 1h")
    live.run(hide + "document.dispatchEvent(new Event('visibilitychange'))", False)
    live.wait_for_text("#limiters th", "later")


def test_it_may_ask_the_service_and_nobody_else(live: Browser, system: System) -> None:
    policy = live.find("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    assert f"connect-src {system.origin};" in policy and "unsafe" not in policy and "default-src 'none'" in policy
    assert system.origin in live.text("#promise")
    for other in ("https://example.com/", system.origin.replace("127.0.0.1", "localhost"), system.page):
        assert live.run("return fetch(arguments[0]).then(() => 'answered', () => 'refused')", other) == "refused"
    assert len([each for each in live.complaints() if "Content Security Policy" in each]) >= 3
    live.asked()


def test_without_a_service_it_may_ask_nobody_and_says_so(page: Browser, files: Files) -> None:
    page.open(f"{files.address}live.html")
    assert "connect-src 'none'" in page.find("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    assert "run --connect" in page.text("#state") and not page.find("#connect-button").is_enabled()


# --- for everybody ----------------------------------------------------------------------------------


def test_the_page_works_by_keyboard_and_keeps_the_focus(live: Browser, db: Client) -> None:
    db.do("RL.DEFINE api FIXED 1 1h")
    for _ in range(3):
        db.do("RL.CHECK api FOR eve")
    live.run("document.querySelector('#token').focus()")
    live.press(TOKEN, Keys.ENTER)
    live.wait_for_text("#limiters th", "api")
    live.run("document.querySelector('#limiters button').focus()")
    live.press(Keys.ENTER)
    live.wait_for_text("#denied th", "eve")
    assert live.focused() == "limiter"
    live.run("document.querySelector('#denied button').focus()")
    db.do("RL.CHECK api FOR eve")
    live.wait_for("document.querySelector('#denied td').textContent === '3'", "the next look")
    assert live.run("return document.activeElement === document.querySelector('#denied button')")
    live.press(Keys.ENTER)
    live.wait_for_text("#headline", "is denied now")
    assert live.focused() == "who"


def test_screen_readers_find_names_and_are_left_in_peace(live: Browser, db: Client) -> None:
    db.do("RL.DEFINE api FIXED 1 1h")
    for _ in range(3):
        db.do("RL.CHECK api FOR eve")
    show(live, "api")
    ask_why(live, "eve")
    said = "window.said = []; for (const id of ['state', 'said']) new MutationObserver(() => said.push(id))"
    live.run(said + ".observe(document.getElementById(id), {childList: true, characterData: true, subtree: true})")
    db.do("RL.CHECK api FOR eve")
    live.wait_for("document.querySelector('#denied td').textContent === '3'", "the next look")
    assert live.run("return window.said") == [], "nothing is said at each look"
    assert live.run("return [...document.querySelectorAll('th')].every((each) => each.scope)")
    unnamed = """
      return [...document.querySelectorAll('button, input, select, pre, [role=group]')]
        .filter((each) => !(each.ariaLabel || each.labels?.length || each.textContent.trim()
          || each.getAttribute('aria-labelledby'))).map((each) => each.outerHTML)"""
    assert live.run(unnamed) == []
    live_parts = "return [...document.querySelectorAll('[role=status], [aria-live]')].map((each) => each.id)"
    assert live.run(live_parts) == ["state", "said"]
    assert live.run("return document.querySelectorAll('h1').length === 1 && document.documentElement.lang === 'en'")


def test_a_phone_shows_all_without_scrolling_sideways(live: Browser, db: Client) -> None:
    long = "tenant:" + "x" * 200
    db.do(f"RL.DEFINE {long} TOKENBUCKET 5 1 10s AS burst FIXED 15 1h AS total")
    for _ in range(20):
        db.do(f"RL.CHECK {long} FOR {'someone-with-a-long-name' * 5}")
    live.resize(PHONE)
    show(live, long)
    choose(live, "#denied", "someone-with-a-long-name" * 5)
    live.wait_for_text("#headline", "is denied now")
    assert live.run("return document.documentElement.scrollWidth") <= PHONE[0]
