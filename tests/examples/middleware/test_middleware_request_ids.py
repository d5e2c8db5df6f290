# SPDX-License-Identifier: MIT
"""The correlation id."""

from __future__ import annotations

import re

import pytest

from table import PATIENT_MS, SANE_ID


@pytest.mark.parametrize("given", ["a", "Az09_.-", "x" * 64, "5f0c2a1e-7f4c-4c63-9a55-1f0f3a0d7a11"])
def test_a_sane_correlation_id_is_passed_on_and_back(serve, given):
    service = serve(limits="FIXED 9 1h")
    assert service.get(X_Request_Id=given)["X-Request-Id"] == given
    assert service.lines() == [f"served {given}"]


def test_two_correlation_ids_are_none(serve):
    service = serve(limits="FIXED 9 1h")
    head, _, _ = service.raw(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: a\r\nX-Request-Id: b\r\n\r\n"
    ).partition(b"\r\n\r\n")
    [made] = re.findall(rb"^x-request-id: (.*?)\r?$", head, re.IGNORECASE | re.MULTILINE)
    assert SANE_ID.fullmatch(made.decode()) and len(made) > 1
    assert service.lines() == [f"served {made.decode()}"]


def test_who_has_no_correlation_id_gets_a_new_one(serve):
    service = serve(limits="FIXED 9 1h")
    made = [service.get()["X-Request-Id"] for _ in range(3)]
    assert len(set(made)) == 3 and all(map(SANE_ID.fullmatch, made))
    assert service.lines() == [f"served {each}" for each in made]


@pytest.mark.parametrize("given", [b"", b"x" * 65, b"a b", b"a\tb", b"<b>", b'a"', b"a=1", b"\xff\xfe", "é".encode()])
def test_a_correlation_id_that_is_not_sane_is_replaced(serve, given):
    service = serve(limits="FIXED 1 1h")
    for _ in range(2):
        made = service.get(X_Request_Id=given)["X-Request-Id"]
        assert SANE_ID.fullmatch(made) and made.encode() != given
    assert all(given.decode("latin-1") not in line for line in service.lines()) or not given


FOLDED = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nX-Request-Id: a%sEvil: 1\r\n\r\n"


@pytest.mark.parametrize("fold", [b"\r\n ", b"\r\n\t", b"\n ", b"\r", b"\n", b"\x00", b"\x0b"])
def test_line_ends_in_a_correlation_id_come_back_in_no_field_and_no_log(serve, fold):
    """Servers differ in what they refuse; what they let pass must be harmless."""
    service = serve(limits="FIXED 1 1h")
    for _ in range(2):
        head, _, _ = service.raw(FOLDED % fold).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.") and b"evil" not in head.lower()
        ids = re.findall(rb"^x-request-id: (.*?)\r?$", head, re.IGNORECASE | re.MULTILINE)
        assert all(SANE_ID.fullmatch(each.decode()) for each in ids) and len(ids) <= 1
    assert all(re.match(r"(served|ratelimit: denied request_id=)", line) for line in service.lines())


def test_hostile_words_in_an_error_of_the_server_stay_in_one_line_of_the_log(driver, bare_server):
    """Without the module, the server's complaint quotes the key."""
    options = {"limits": "FIXED 1 1h", "key": True, "timeout": PATIENT_MS, "onMistake": "open"}
    service = driver.serve(bare_server.port, **options)
    assert service.get(X_Key=b'"quoted"\\ \xe9').status == 200
    [line] = service.lines("ratelimit:")
    assert line.endswith('"') and line.isprintable() and len(service.lines()) == 2
