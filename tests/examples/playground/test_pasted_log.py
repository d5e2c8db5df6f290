# SPDX-License-Identifier: MIT
"""A pasted log in a browser: who is denied and who waits, its groups and filters, its times, its link, its speed."""

from __future__ import annotations

import urllib.parse

from browser import Browser, marks, totals, wait_for_link

BOT = "1800000000,ann\n" + "".join(f"180000000{i},bot\n" for i in range(1, 6)) + "1800000006,ann\n1800000007,cleo\n"


def callers(page: Browser) -> dict[str, list[str]]:
    """The cells of each caller's row, in their order."""
    rows = page.run(
        "return [...document.querySelectorAll('#callers tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return {row[0]: row[1:] for row in rows}


def link_of_log(log: str, *limits: str, **others: str) -> str:
    asked = [("limit", limit) for limit in limits]
    return urllib.parse.urlencode([*asked, ("traffic", "log"), ("log", log), *others.items()])


def line_of_nginx(second: int, address: str, path: str, status: int = 200, agent: str = "curl/8") -> str:
    return f'{address} - - [16/Jan/2027:00:00:{second:02} +0000] "GET {path} HTTP/1.1" {status} 10 "-" "{agent}"\n'


NGINX = (
    line_of_nginx(1, "203.0.113.5", "/api/users/7")
    + line_of_nginx(2, "203.0.113.9", "/api/users/8", agent="bot 1")
    + line_of_nginx(3, "203.0.113.9", "/static/logo.png")
    + line_of_nginx(4, "198.51.100.1", "/api/orders", status=404)
)


def test_a_pasted_log_is_read_and_what_is_not_understood_is_named(page: Browser):
    page.choose("#kind", "log")
    page.wait_for_text("#note", "Paste some lines.")
    page.type("#log", "1800000000,ann,2\n1800000001,ben\n1800000001.5,ann,9\nnonsense")
    page.wait_for_text("#note", "3 calls out of 4 lines (csv). Not read: 1 (line 4: ")
    assert totals(page)["FIXED 10 10s"][:3] == ["2", "0", "1"]
    page.choose("#subject", "1")
    page.wait_for_text(".status", "1 of 10 used")
    assert "2027-01-15 08:00:01.500 UTC" in page.text("#call-about")
    page.click("#copy-link")
    figures, lines = page.text("#totals"), page.find("#log").get_attribute("value")
    page.reload_at(page.fragment)
    assert (page.text("#totals"), page.find("#log").get_attribute("value")) == (figures, lines)


def test_it_says_who_is_denied_and_a_row_chooses_who_is_shown(page: Browser):
    page.reload_at(link_of_log(BOT, "FIXED 2 1m", "FIXED 1 1m"))
    assert page.text("#callers-note").startswith("3 callers.")
    shown = [(name, *row[:4]) for name, row in callers(page).items()]
    assert shown == [("bot", "5", "2", "3", "58 s"), ("ann", "2", "2", "0", "–"), ("cleo", "1", "1", "0", "–")]
    assert page.text(".chart:first-child .summary") == "All callers: 5 granted · 3 denied"
    page.click("#callers tbody tr:first-child button")
    page.wait_for_text(".chart:first-child .own", "bot: 2 granted · 3 denied")
    assert page.find("#subject").get_attribute("value") == "1"
    assert page.run("return document.activeElement.textContent") == "bot"
    assert page.text("#totals tr.own th").splitlines() == ["of these, bot"] * 2
    assert page.text("#callers tr[aria-current=true] th") == "bot"
    assert page.text(".chart:first-child .most") == "Most granted within any 1 min: 2 of 2, to ann"
    page.choose("#callers-under", "1")
    page.wait_for_text("#asked", "FIXED 1 1m")
    assert [(name, row[2]) for name, row in callers(page).items()] == [("bot", "4"), ("ann", "1"), ("cleo", "0")]


def test_steps_go_from_denied_call_to_denied_call(page: Browser):
    page.reload_at(link_of_log(BOT, "FIXED 1 1m", subject="1"))
    stepped = []
    for button in (
        "next-denied",
        "next-denied",
        "next-denied-own",
        "next-denied-own",
        "next-denied-own",
        "next-denied",
    ):
        page.click(f"#{button}")
        stepped.append(page.text("#call-about").partition(", cost")[0])
    assert page.text("#next-denied-own") == "Next denied call of bot"
    assert stepped == [f"Call {call} of 8: bot" for call in (3, 4, 5, 6, 3, 4)]
    page.type("#limit-0", "FIXED 9 1m")
    page.wait_for("document.querySelector('#next-denied').disabled", "no denied call")


def test_callers_of_lines_that_are_left_out_are_not_listed(page: Browser):
    few = "".join(f"{1_800_000_000 + i},ann\n" for i in range(5000))
    page.reload_at(link_of_log(f"{few}1900000000,late\n1900000001,later\n", "FIXED 2 1m"))
    assert "The rest is left out." in page.text("#note")
    assert page.text("#subject option") == "ann" and not page.find("#callers-part").is_displayed()


def test_a_queue_says_whom_it_holds_and_for_how_long(page: Browser):
    page.reload_at(link_of_log(BOT.replace("180000000", "1800000000."), "LEAKYBUCKET 3 1 1m", "FIXED 3 1m"))
    granted, waits, denied, callers_denied, denial, callers_waiting, hold, _ = totals(page)["LEAKYBUCKET 3 1 1m"]
    assert (granted, waits, denied, callers_denied, callers_waiting) == ("6", "3", "2", "1", "2")
    assert (denial, hold) == ("59.7 s", "1 min 59.8 s")
    assert totals(page)["FIXED 3 1m"][5:7] == ["0", "–"]
    assert callers(page)["ann"][4:6] == ["1", "59.4 s"]
    page.click("#next-denied")
    page.wait_for_text("#response", "429")
    assert page.text("#hold") == ""
    page.click("#previous")
    page.wait_for_text("#hold", "The service holds this call for 1 min 59.8 s, and then answers:")
    assert page.text("#response").startswith("HTTP/1.1 200 OK")


def test_a_log_is_grouped_and_filtered_in_the_words_of_the_replay(page: Browser):
    page.reload_at(link_of_log(NGINX, "FIXED 2 1m"))
    assert page.text("#subject option").splitlines() == ["203.0.113.5", "203.0.113.9", "198.51.100.1"]
    for who, subjects in (
        ("address/24", ["203.0.113.0/24", "198.51.100.0/24"]),
        ("path/2", ["/api/users", "/static/logo.png", "/api/orders"]),
        ("agent", ["curl/8", "bot 1"]),
        ("address+path/1", ["203.0.113.5 /api", "203.0.113.9 /api", "203.0.113.9 /static", "198.51.100.1 /api"]),
    ):
        page.type("#who", who)
        page.wait_for_text("#subject option", "\n".join(subjects))
    page.type("#who", "address/24")
    page.type("#like", "path=/api/*\nstatus!=404")
    page.wait_for_text("#note", "2 calls out of 4 lines (combined). 2 are not like that.")
    assert page.text("#subject option") == "203.0.113.0/24" and page.text("#log-error") == ""
    page.click("#copy-link")
    page.reload_at(page.fragment)
    assert page.text("#subject option") == "203.0.113.0/24" and "2 calls out of 4" in page.text("#note")
    page.type("#like", "agent!=*bot*\naddress!=198.51.100.0/24")
    page.wait_for_text("#note", "2 calls out of 4 lines (combined). 2 are not like that.")
    assert page.text("#log-error") == ""


def test_a_copied_log_says_what_it_holds_and_is_offered_with_callers_as_numbers(page: Browser):
    page.run("navigator.clipboard.writeText = async (text) => { window.written = text; }")
    page.click("#copy-link")
    page.wait_for_text("#copied", "Copied: ")
    assert page.text("#copied") == f"Copied: {len(page.run('return window.written'))} characters."
    assert not page.find("#copy-numbers").is_displayed()
    page.choose("#kind", "log")
    page.type("#log", NGINX)
    page.type("#like", "path=/api/*")
    page.wait_for_text("#note", "3 calls out of 4")
    page.choose("#subject", "1")
    page.click("#copy-link")
    page.wait_for_text(
        "#copied", "It holds 4 pasted lines as they are, with the names or addresses of at least 3 callers."
    )
    raw, figures = page.run("return window.written"), page.text("#totals").replace("203.0.113.9", "2")
    assert "203.0.113.5" in raw and raw == page.address
    page.click("#copy-numbers")
    page.wait_for_text("#copied", "The 3 callers are numbers in it.")
    numbered = page.run("return window.written")
    assert "203.0.113" not in numbered and len(numbered) < len(raw)
    page.reload_at(numbered.partition("#")[2])
    assert page.text("#totals") == figures and "3 calls out of 3" in page.text("#note")
    assert page.find("#subject").get_attribute("value") == "1"


def test_a_long_log_survives_its_link(page: Browser):
    lines = "".join(line_of_nginx(i % 60, f"10.0.{i % 7}.{i % 200}", "/a" * 100) for i in range(1500))
    page.reload_at(link_of_log(lines, "FIXED 2 1m"))
    assert len(lines) > 300_000 and "1,500 calls out of 1,500 lines" in page.text("#note")


def test_a_log_that_is_too_long_for_the_address_outlives_a_reload(page: Browser):
    lines = "".join(line_of_nginx(i % 60, f"10.0.0.{i % 200}", "/a" * 100) for i in range(400))
    page.reload_at(link_of_log(lines, "FIXED 2 1m"))
    page.wait_for("location.hash.length < 200", "an address without the lines")
    page.click("#previous")
    wait_for_link(page, "call=398")
    page.run("location.reload()")
    page.wait_for_text("#note", "400 calls out of 400 lines")
    assert page.text("#call-about").startswith("Call 399 of 400")
    page.run("navigator.clipboard.writeText = async (text) => { window.written = text; }")
    page.click("#copy-link")
    page.wait_for_text("#copied", "It holds 400 pasted lines as they are, with the names or addresses of 200 callers.")
    assert "Chats and mails may cut it." in page.text("#copied")
    assert len(page.run("return window.written")) > 80_000 and len(page.address) < 300


def test_steps_of_the_clock_and_keys_are_few_runs_and_few_addresses(page: Browser):
    lines = "".join(f"{1_800_000_000 + i},user:{i % 50}\n" for i in range(5000))
    page.reload_at(link_of_log(lines, "FIXED 2 1m", "SLIDING 2 1m"))
    page.wait_for("location.hash.length < 200", "the address")
    page.run(
        """
        const address = history.replaceState;
        window.addresses = window.runs = 0;
        history.replaceState = function (...all) { ++window.addresses; return address.apply(this, all); };
        new MutationObserver(() => ++window.runs).observe(document.querySelector('#totals tbody'), { childList: true });
        for (let i = 0; i < 30; ++i) document.querySelector('#previous').click();
        """
    )
    wait_for_link(page, "call=4969")
    assert page.run("return [addresses, runs]") == [1, 0]
    page.run(
        """
        const input = document.querySelector('#limit-0');
        const type = () => { input.value += '0'; input.dispatchEvent(new Event('input')); };
        for (let i = 0; i < 5; ++i) setTimeout(type, 40 * i);
        """
    )
    page.wait_for("document.querySelector('#limit-0').value === 'FIXED 2 1m00000'", "five keys")
    page.wait_for_text("#limit-0-error", "window must be")
    assert page.run("return runs") <= 2


def test_the_axis_of_a_log_has_its_times_of_day(page: Browser):
    log = "".join(f"2026-11-30T13:{i // 60:02}:{i % 60:02}Z,ann\n" for i in range(91, 1891, 10))
    page.reload_at(link_of_log(log, "FIXED 2 1m"))
    assert page.text("#call-about").startswith("Call 180 of 180") and "2026-11-30 13:31:21" in page.text("#call-about")
    page.click("#previous")
    page.wait_for_text("#now", "13:31:11 UTC")
    page.find("#all summary").click()
    page.wait_for_text("#calls thead", "At (UTC)")
    assert page.text("#calls tbody tr:first-child td:nth-child(2)") == "2026-11-30 13:01:31.000"
    assert [mark for mark in marks(page) if ":" in mark] == ["13:05 UTC", *(f"13:{i}" for i in range(10, 35, 5))]


def test_a_wrong_group_or_condition_says_what_would_be_right(page: Browser):
    page.reload_at(link_of_log(NGINX, "FIXED 2 1m", who="adress"))
    assert page.text("#log-error").startswith("lines of the format combined have no field adress; they have address, ")
    page.type("#who", "address/x")
    page.wait_for_text("#log-error", "Who is limited must be fields with + between them")
    assert page.find("#who").get_attribute("aria-invalid") == "true"
    page.type("#who", "")
    page.wait_for_text("#note", "4 calls")
    page.type("#like", "path")
    page.wait_for_text("#log-error", "Only calls like must be a condition, such as path=/api/*")
    assert page.find("#like").get_attribute("aria-invalid") == "true"
    page.type("#like", "")
    page.wait_for_text("#note", "4 calls")
    assert page.text("#log-error") == ""


def test_a_time_of_day_alone_is_refused_with_the_forms_that_are_taken(page: Browser):
    page.reload_at(link_of_log("13:03:31\n13:03:32", "FIXED 2 1m"))
    assert "Not read: 2 (line 1: no time that can be read" in page.text("#note")
    assert "Times are taken like 2026-11-30T13:03:31Z, 30/Nov/2026:13:03:31 +0000, or seconds" in page.text("#note")
    page.type("#log", "2026-11-30T13:03:31Z\n30/Nov/2026:13:03:32 +0000\n1796043813")
    page.wait_for_text("#note", "3 calls out of 3 lines")
    page.type("#like", "path=/api/*")
    page.wait_for_text("#note", "0 calls out of 3 lines")
