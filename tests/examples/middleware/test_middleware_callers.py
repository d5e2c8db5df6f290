# SPDX-License-Identifier: MIT
"""Who is asking: the key, and the address of the caller."""

from __future__ import annotations

import pytest

from drivers import Service


def test_the_key_is_the_address_of_the_caller_unless_told(serve, db):
    serve(limits="FIXED 3 1h").get()
    assert db.keys() == ["ratelimit:127.0.0.1"]


# The address of a connection, and whose it is.
ADDRESSES = {
    "9.9.9.8": "9.9.9.8",
    "9.9.9.8:1234": "9.9.9.8",
    "::ffff:9.9.9.8": "9.9.9.8",
    "[::FFFF:909:908]:1234": "9.9.9.8",
    "2001:db8:1:2ff::1": "2001:db8:1:200::/56",
    "[2001:0DB8:1:0200:3:4:5:6]:1234": "2001:db8:1:200::/56",
    "2001:db8:1:300::1%eth0": "2001:db8:1:300::/56",
    "::1": "::/56",
    "unknown": "-",
    "_hidden:1234": "-",
    "999.9.9.8": "-",
    "2001:db8": "-",
    "[]:1234": "-",
    "/run/socket": "-",
}


@pytest.mark.parametrize(("address", "caller"), ADDRESSES.items(), ids=ADDRESSES)
def test_a_caller_is_an_ipv4_address_or_an_ipv6_network_and_what_is_no_address_is_nobodys(serve, db, address, caller):
    assert serve(limits="FIXED 3 1h").get(X_Address=address).status == 200
    assert db.keys() == [f"ratelimit:{caller}"]


def test_all_addresses_of_an_ipv6_network_share_a_limit(serve):
    service = serve(limits="FIXED 2 1h")
    addresses = ["2001:db8::1", "2001:db8:0:ff::2", "2001:db8:0:7f:3:4:5:6", "2001:db8:0:100::1"]
    assert [service.get(X_Address=address).status for address in addresses] == [200, 200, 429, 200]


def test_ipv4_callers_of_a_listener_for_both_do_not_share_a_limit(serve):
    service = serve(limits="FIXED 1 1h")
    assert [service.get(X_Address=f"::ffff:9.9.9.{number}").status for number in (1, 2, 1)] == [200, 200, 429]


@pytest.mark.parametrize(("bits", "caller"), [(64, "2001:db8:1:2ff::/64"), (128, "2001:db8:1:2ff::1/128"), (1, "::/1")])
def test_how_much_of_an_ipv6_address_is_a_caller_is_an_option(serve, db, bits, caller):
    serve(limits="FIXED 3 1h", ipv6Subnet=bits).get(X_Address="2001:db8:1:2ff::1")
    assert db.keys() == [f"ratelimit:{caller}"]


@pytest.mark.parametrize("kind", ["express", "asgi"])  # who cannot wait refuses such a key: below
def test_a_key_that_comes_later_is_waited_for(serve, db):
    service = serve(limits="FIXED 1 1h", key="later")
    assert [service.get(X_Key=key).status for key in ("alice", "bob", "alice")] == [200, 200, 429]
    assert sorted(db.keys()) == ["ratelimit:alice", "ratelimit:bob"]


WRONG_KEYS = [("express", "object"), ("wsgi", "object"), ("wsgi", "later"), ("asgi", "object")]  # in Go, it is a string


@pytest.mark.parametrize(("kind", "key"), WRONG_KEYS)
def test_a_key_that_is_no_text_is_a_fault_of_the_application_and_never_served(serve, db, kind, key):
    service = serve(limits="FIXED 5 1h", key=key, onFailure="open")
    assert service.get().status == 500
    assert (service.lines("served"), db.keys()) == ([], [])


def test_each_key_has_a_limit_of_its_own_under_the_prefix(serve, db):
    service = serve(limits="FIXED 1 1h", key=True, prefix="login:")
    assert [service.get(X_Key=key).status for key in ("alice", "bob", "alice")] == [200, 200, 429]
    assert sorted(db.keys()) == ["login:alice", "login:bob"]


def test_a_limiter_has_subjects_and_its_limits_change_for_all_at_once(serve, db):
    db.do("RL.DEFINE api:free FIXED 2 1h AS calls")
    service = serve(limiter="api:free", key=True)
    assert [service.get(X_Key=key).status for key in ("alice", "alice", "bob", "alice")] == [200, 200, 200, 429]
    assert (db.keys(), db.rl_info("api:free")["subjects"]) == (["api:free"], 2)
    assert db.rl_info("api:free", "bob")["limits"][0]["used"] == 1
    db.do("RL.DEFINE api:free FIXED 3 1h AS calls")
    assert [service.get(X_Key=key).status for key in ("alice", "bob", "alice")] == [200, 200, 429]


def test_a_limiter_on_trial_denies_nobody(serve, db):
    db.do("RL.DEFINE api:free FIXED 1 1h SHADOW")
    assert serve(limiter="api:free").statuses(3) == [200, 200, 200]


HOW = [{"limits": "FIXED 2 1h"}, {"limiter": "all"}]


@pytest.fixture(params=HOW, ids=lambda options: next(iter(options)))
def keyed(request: pytest.FixtureRequest, serve, db) -> Service:
    """Two requests for each key; whoever made the server complain would get through."""
    db.do("RL.DEFINE all FIXED 2 1h")
    return serve(key=True, onFailure="open", **request.param)


def test_who_has_no_name_shares_a_limit_with_all_who_have_none(keyed):
    assert [keyed.get(**fields).status for fields in ({}, {"X_Key": ""}, {}, {"X_Key": ""})] == [200, 200, 429, 429]


HOSTILE = {
    "bytes": bytes(range(0x80, 0x100)),
    "spaces and words": b"alice TOKENBUCKET 9 9 9s FOR bob",
    "quotes": b"\"'\\{x}%0d%0a\t*3",
    "as long as a subject may be": b"k" * 1024,
    "one more": b"k" * 1025,
    "long": b"k" * 5000,
    "long, of bytes": b"\xff" * 5000,
}


@pytest.mark.parametrize("key", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_key_is_a_key_like_any(keyed, key):
    assert keyed.statuses(4, X_Key=key) == [200, 200, 429, 429]
    assert keyed.lines("ratelimit: failed") == []


def test_long_keys_that_differ_in_the_end_are_different(keyed, db):
    assert keyed.statuses(2, X_Key="k" * 3000 + "a") + keyed.statuses(2, X_Key="k" * 3000 + "b") == [200] * 4
    assert all(len(key) < 100 for key in db.keys())
