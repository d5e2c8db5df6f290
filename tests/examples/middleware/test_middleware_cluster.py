# SPDX-License-Identifier: MIT
"""The middlewares in front of a cluster of three nodes, and of a primary that sentinels watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster import Cluster, Sentinels, Slot
from drivers import KINDS, Driver, Service
from harness import eventually
from table import PATIENT_MS

IMPATIENT_MS = 2000  # while a node dies: a call to it is given up

# ioredis has settings of its own, by which calls take other ways.
CLIENTS = {kind: (kind, {}) for kind in KINDS}
CLIENTS["express, pipelined"] = ("express", {"enableAutoPipelining": True})
CLIENTS["express, prefixed"] = ("express", {"enableAutoPipelining": True, "keyPrefix": "app:"})


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    try:
        yield cluster.start()
        cluster.assert_well()
    finally:
        cluster.stop()


@pytest.fixture(params=CLIENTS)
def serve_in(request: pytest.FixtureRequest, drivers: Callable[[str], Driver], cluster: Cluster):
    """A service in front of the cluster, and the prefix that its client puts before each key."""
    kind, settings = CLIENTS[request.param]
    for node in cluster.primaries:
        with node.client() as db:
            db.do("FLUSHALL SYNC")
    options = {"cluster": True, "onFailure": "closed", "timeout": PATIENT_MS, "key": True} | settings

    def serve(**others) -> Service:
        return drivers(kind).serve(cluster.primaries[0].port, **options | others)

    serve.prefix = settings.get("keyPrefix", "")
    yield serve
    drivers(kind).assert_well()


def keys_of(cluster: Cluster) -> list[str]:
    found = []
    for node in cluster.primaries:
        with node.client() as db:
            found += db.keys()
    return sorted(found)


def test_in_a_cluster_each_caller_gets_exactly_his_limit(serve_in, cluster):
    """Many at once, each of whom belongs to one of three nodes."""
    service = serve_in(limits="FIXED 3 1h")
    eventually(lambda: service.get(X_Key="first").status in (200, 429), "the cluster to be asked")
    callers = [f"caller-{number}" for number in range(24)]
    with ThreadPoolExecutor(16) as pool:
        statuses = [*pool.map(lambda caller: service.get(X_Key=caller).status, callers * 5)]
    assert sorted(statuses) == [200] * 72 + [429] * 48
    assert keys_of(cluster) == sorted(f"{serve_in.prefix}ratelimit:{caller}" for caller in ["first", *callers])
    assert service.lines("ratelimit: failed") + service.lines("ratelimit: mistake") == []


def test_in_a_cluster_one_caller_at_many_connections_gets_exactly_his_limit(serve_in):
    service = serve_in(limits="FIXED 100 1h")
    eventually(lambda: service.get(X_Key="first").status == 200, "the cluster to be asked")
    with ThreadPoolExecutor(32) as pool:
        statuses = [*pool.map(lambda _: service.get(X_Key="hot").status, range(160))]
    assert sorted(statuses) == [200] * 100 + [429] * 60


def test_in_a_cluster_a_limiter_is_asked_where_it_is(serve_in, cluster):
    limiter = f"{serve_in.prefix}api"
    with cluster.owner_of(limiter).client() as db:
        db.do(f"RL.DEFINE {limiter} FIXED 2 1h")
    service = serve_in(limiter="api", ready=True)
    assert [service.get(X_Key=key).status for key in ("alice", "alice", "bob", "alice")] == [200, 200, 200, 429]


def test_who_goes_to_another_node_keeps_his_limit(serve_in, cluster):
    """The slot moves while the service knows where it was."""
    service = serve_in(limits="FIXED 3 1h")
    eventually(lambda: service.get(X_Key="mover").status == 200, "the cluster to be asked")
    slot = Slot(cluster, key := f"{serve_in.prefix}ratelimit:mover")
    slot.open()
    slot.move(key)
    slot.close()
    assert service.statuses(3, X_Key="mover") == [200, 200, 429]
    assert service.statuses(4, X_Key="mover") == [429] * 4


def test_who_comes_while_a_slot_is_on_its_way_has_one_limit(serve_in, cluster):
    """A key that is not there yet is made at the slot's new place."""
    service = serve_in(limits="FIXED 2 1h")
    slot = Slot(cluster, key := f"{serve_in.prefix}ratelimit:newcomer")
    eventually(lambda: service.get(X_Key="first").status == 200, "the cluster to be asked")
    slot.open()
    try:
        assert service.statuses(3, X_Key="newcomer") == [200, 200, 429]
        with slot.target.client() as db, slot.source.client() as old:
            assert (db.keys(key), old.keys(key)) == ([key], [])
    finally:
        slot.close()
    assert service.get(X_Key="newcomer").status == 429


# --- somebody dies ----------------------------------------------------------------------------------


def test_when_a_primary_of_a_cluster_dies_its_replica_is_asked(drivers):
    """All four at once, since a failover takes its time."""
    cluster = Cluster()
    try:
        cluster.start()
        options = {
            "cluster": True,
            "key": True,
            "onFailure": "closed",
            "timeout": IMPATIENT_MS,
            "limits": "FIXED 900 1h",
        }
        services = [drivers(kind).serve(cluster.primaries[0].port, **options) for kind in KINDS]
        callers = [f"caller-{number}" for number in range(6)]
        for service in services:
            eventually(lambda service=service: all_served(service, callers), "every node to be asked")
        cluster.expect_a_death()
        cluster.owner_of("ratelimit:caller-0").kill()
        for service in services:
            eventually(lambda service=service: all_served(service, callers), "the replica to be asked")
        cluster.assert_well()
    finally:
        cluster.stop()


def all_served(service: Service, callers: list[str]) -> bool:
    return all(service.get(X_Key=caller).status == 200 for caller in callers)


def test_when_the_primary_dies_the_one_that_the_sentinels_name_is_asked(drivers):
    sentinels = Sentinels(replicas=1)
    try:
        sentinels.start()
        places = [sentinel.port for sentinel in sentinels.sentinels]
        options = {"sentinels": places, "onFailure": "closed", "timeout": IMPATIENT_MS, "limits": "FIXED 900 1h"}
        services = [drivers(kind).serve(0, **options) for kind in KINDS]
        for service in services:
            eventually(lambda service=service: service.get().status == 200, "the primary to be asked")
        sentinels.expect_a_death()
        sentinels.primary().kill()
        for service in services:
            eventually(lambda service=service: service.get().status == 200, "the other one to be asked")
        sentinels.assert_well()
    finally:
        sentinels.stop()
