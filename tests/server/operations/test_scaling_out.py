# SPDX-License-Identifier: MIT
"""A limiter in parts: examples/scaling-out on a cluster of three nodes, and docs/scaling-out.md, which is true."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import shutil
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path

import pytest
import redis

from cluster import Cluster, Node, Slot, other_than
from harness import PATIENCE_S, REPOSITORY, eventually, free_port, output_of, pairs
from resp import Connection, Failure
from seed import SEED

PAGE = REPOSITORY / "docs" / "scaling-out.md"
EXAMPLES = REPOSITORY / "examples" / "scaling-out"
DEFINE_PARTS = EXAMPLES / "define-parts"
NODE_ON_THE_PAGE = "-h node1 -p 7000"

PARTS = 16
NAME = "api:free"

specification = importlib.util.spec_from_file_location("split", EXAMPLES / "split.py")
split = importlib.util.module_from_spec(specification)
specification.loader.exec_module(split)
key_of, part_of = split.key_of, split.part_of


def part_keys(parts: int = PARTS, name: str = NAME) -> list[str]:
    return [f"{{{part}}}{name}" for part in range(parts)]


def subjects_of(part: int, parts: int = PARTS) -> Iterator[str]:
    return (subject for number in count() if part_of(subject := f"user:{number}", parts) == part)


# --- the cluster, and define-parts on it ------------------------------------------------------------


@pytest.fixture
def client(cluster: Cluster) -> Iterator[redis.RedisCluster]:
    client = cluster.client()
    yield client
    client.close()


def run_define_parts(*words: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [DEFINE_PARTS, *words], capture_output=True, text=True, timeout=PATIENCE_S, env=os.environ | variables
    )


@pytest.fixture
def define_parts(cluster: Cluster) -> Callable[..., subprocess.CompletedProcess]:
    """On the cluster, by one of its nodes; the words follow the address."""
    return lambda *words: run_define_parts("-h", "127.0.0.1", "-p", str(cluster.primaries[0].port), *words)


def succeeded(done: subprocess.CompletedProcess) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def failed(done: subprocess.CompletedProcess, code: int = 1) -> str:
    """What it complained of; what it printed otherwise is none of a failure's."""
    assert (done.returncode, done.stdout) == (code, "")
    return done.stderr


def info(client: redis.RedisCluster, key: str) -> dict:
    about = pairs(client.execute_command("RL.INFO", key))
    return about | {"limits": [pairs(limit)["limit"] for limit in about["limits"]]}


def changes(cluster: Cluster) -> list[int]:
    counted = []
    for primary in cluster.primaries:
        with primary.client() as db:
            counted.append(db.changes())
    return counted


def keys_on(node: Node) -> set[str]:
    with node.client() as db:
        return set(db.keys())


@contextmanager
def slot_to_move(cluster: Cluster, key: str) -> Iterator[Slot]:
    """A slot that goes back afterwards, empty, however far it has come: other tests want the slots in equal ranges."""
    slot = Slot(cluster, key)
    try:
        yield slot
    finally:
        for node in (slot.source, slot.target):
            with node.client() as db:
                db.flushall()
        slot.close()
        slot.source, slot.target = slot.target, slot.source
        slot.open()
        slot.close()
        eventually(lambda: cluster.agrees_on(key), "all nodes to know who has the slot")


# --- the formula ------------------------------------------------------------------------------------


def keys_by_node(name: str, subjects: list[bytes], parts: int) -> list[str]:
    program = f"""
        const {{ keyOf }} = require({json.dumps(str(EXAMPLES / "split.js"))});
        const {{ name, subjects, parts }} = JSON.parse(require("fs").readFileSync(0));
        const keys = subjects.map((hex) => keyOf(name, Buffer.from(hex, "hex"), parts));
        keys.push(keyOf(name, "zo\\u00eb \\u{{1f511}}", parts));
        console.log(JSON.stringify(keys));
    """
    question = {"name": name, "subjects": [subject.hex() for subject in subjects], "parts": parts}
    return json.loads(output_of("node", "-e", program, input=json.dumps(question)))


@pytest.mark.parametrize("parts", [1, 16, 100, 16384])
def test_python_and_node_come_to_the_same_part_for_subjects_of_any_content(parts):
    print("seed", SEED)
    dice = random.Random(SEED)
    subjects = [dice.randbytes(dice.randint(1, 1024)) for _ in range(500)]
    mine = [key_of(NAME, subject, parts) for subject in (*subjects, "zoë 🔑")]
    assert keys_by_node(NAME, subjects, parts) == mine
    assert mine[:-1] == [f"{{{zlib.crc32(subject) % parts}}}{NAME}" for subject in subjects]


def test_text_counts_as_utf_8():
    assert key_of(NAME, "zoë 🔑", 64) == key_of(NAME, "zoë 🔑".encode(), 64)


def test_the_check_value_of_the_crc():
    assert part_of("123456789", 2**32) == 0xCBF43926


def test_half_of_the_subjects_stay_where_they_are_when_parts_are_doubled():
    before = [part_of(f"user:{number}", 64) for number in range(10_000)]
    after = [part_of(f"user:{number}", 128) for number in range(10_000)]
    assert all(new in (old, old + 64) for old, new in zip(before, after))
    assert 4_500 < sum(map(int.__eq__, before, after)) < 5_500


def test_the_python_formula_is_one_to_be_copied():
    assert len((EXAMPLES / "split.py").read_text().splitlines()) <= 40


# --- exact over all nodes ---------------------------------------------------------------------------


class NodeCaller:
    """Asks so often for each subject, in Node.js with ioredis, and counts what it was granted."""

    PROGRAM = f"""
        const Redis = require("ioredis");
        const {{ keyOf }} = require({json.dumps(str(EXAMPLES / "split.js"))});
        const {{ port, name, parts, subjects, times }} = JSON.parse(require("fs").readFileSync(0));
        async function main() {{
          const cluster = new Redis.Cluster([{{ host: "127.0.0.1", port }}]);
          const granted = {{}};
          for (let time = 0; time < times; time++) {{
            await Promise.all(subjects.map(async (subject) => {{
              const key = keyOf(name, subject, parts);
              const [units] = await cluster.call("RL.CHECK", key, "FOR", subject);
              granted[subject] = (granted[subject] || 0) + units;
            }}));
          }}
          console.log(JSON.stringify(granted));
          cluster.disconnect();
        }}
        main().catch((error) => {{ console.error(error); process.exit(1); }});
    """

    def __init__(self, cluster: Cluster, modules: Path) -> None:
        self._port = cluster.primaries[0].port
        self._variables = os.environ | {"NODE_PATH": str(modules)}

    def __call__(self, subjects: list[str], times: int) -> Counter[str]:
        question = {"port": self._port, "name": NAME, "parts": PARTS, "subjects": subjects, "times": times}
        answer = output_of("node", "-e", self.PROGRAM, input=json.dumps(question), env=self._variables)
        return Counter(json.loads(answer))


def ask_in_python(cluster: Cluster, subjects: list[str], times: int, granted: Counter[str] | None = None) -> Counter:
    """The same, with redis-py."""
    client = cluster.client()
    granted = Counter() if granted is None else granted
    for _ in range(times):
        for subject in subjects:
            granted[subject] += client.execute_command("RL.CHECK", key_of(NAME, subject, PARTS), "FOR", subject)[0]
    client.close()
    return granted


def test_each_subject_gets_exactly_its_limit_from_clients_of_two_languages(cluster, client, define_parts, node_modules):
    succeeded(define_parts(str(PARTS), NAME, *"FIXED 5 60s".split()))
    subjects = [f"user:{number}" for number in range(300)]
    ask_in_node = NodeCaller(cluster, node_modules)
    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(ask_in_python, cluster, subjects, 3) for _ in range(2)]
        jobs.append(pool.submit(ask_in_node, subjects, 3))
    granted = sum((job.result() for job in jobs), Counter())
    assert granted == {subject: 5 for subject in subjects}
    about = [info(client, key) for key in part_keys()]
    assert sum(part["subjects"] for part in about) == len(subjects)
    assert sum(part["granted"] for part in about) == granted.total()
    assert all(keys_on(primary) for primary in cluster.primaries)
    for primary in cluster.primaries:
        assert sum(info(client, key)["subjects"] for key in keys_on(primary)) > len(subjects) // 6


def test_a_part_that_moves_under_load_grants_exactly_its_limit(cluster, client, define_parts):
    limit, callers, rounds, moving = 100, 3, 50, f"{{3}}{NAME}"
    succeeded(define_parts(str(PARTS), NAME, "FIXED", str(limit), "60s"))
    subjects = list(islice(subjects_of(3), 20))
    granted = [Counter() for _ in range(callers)]
    with slot_to_move(cluster, moving) as slot:
        with ThreadPoolExecutor(callers) as pool:
            jobs = [pool.submit(ask_in_python, cluster, subjects, rounds, counter) for counter in granted]
            eventually(lambda: sum(counter.total() for counter in granted) > 100, "calls")
            slot.open()
            assert slot.keys(10) == [moving]
            slot.move(moving)
            slot.close()
            when_moved = sum(counter.total() for counter in granted)
        for job in jobs:
            job.result()
        assert when_moved < limit * len(subjects)
        assert sum(granted, Counter()) == {subject: limit for subject in subjects}
        assert moving in keys_on(slot.target)
        assert info(client, moving)["limits"] == [f"FIXED {limit} 1m"]
        assert succeeded(define_parts("--check", str(PARTS), NAME))


def test_more_parts_give_each_subject_at_most_one_more_limit(client, define_parts):
    subjects = [f"user:{number}" for number in range(60)]

    def granted(parts: int) -> Counter[str]:
        counter = Counter()
        for subject in subjects * 4:
            counter[subject] += client.execute_command("RL.CHECK", key_of(NAME, subject, parts), "FOR", subject)[0]
        return counter

    succeeded(define_parts("16", NAME, *"FIXED 3 60s".split()))
    before = granted(16)
    succeeded(define_parts("32", NAME, *"FIXED 3 60s".split()))
    total = before + granted(32)
    stay = {subject for subject in subjects if part_of(subject, 16) == part_of(subject, 32)}
    assert 0 < len(stay) < len(subjects)
    assert total == {subject: 3 if subject in stay else 6 for subject in subjects}


# --- limits on users and tenants together -----------------------------------------------------------


def test_user_and_tenant_are_decided_together_if_the_tenant_chooses_the_part(client, define_parts):
    succeeded(define_parts(str(PARTS), "users", *"FIXED 3 60s AS user".split()))
    succeeded(define_parts(str(PARTS), "tenants", *"FIXED 5 60s AS tenant".split()))

    def check(tenant: str, user: str) -> tuple[int, str]:
        keys = [key_of(name, tenant, PARTS) for name in ("users", "tenants")]
        reply = client.execute_command("RL.CHECKALL", 2, *keys, "FOR", f"{tenant}/{user}", tenant)
        return reply[0], reply[5]

    for tenant in ("acme", "globex", "initech", "umbrella"):
        assert [check(tenant, "alice")[0] for _ in range(4)] == [1, 1, 1, 0]
        assert [check(tenant, "bob") for _ in range(4)][1:] == [(1, "tenant"), (0, "tenant"), (0, "tenant")]
        peeked = client.execute_command("RL.PEEK", key_of("users", tenant, PARTS), "FOR", f"{tenant}/bob")
        assert peeked[:3] == [1, 3, 1]


TOGETHER = "RL.CHECKALL 2 {0}users {0}tenants FIXED 3 60s FIXED 5 60s FOR acme/alice acme"


def test_a_node_that_does_not_have_the_parts_says_who_has_and_takes_nothing(cluster):
    owner = cluster.owner_of("{0}")
    with Connection(other_than(cluster, owner).socket) as connection:
        moved = connection.do(*TOGETHER.split())
    assert isinstance(moved, Failure) and moved.startswith("MOVED") and moved.endswith(f":{owner.port}")
    assert not any(map(keys_on, cluster.primaries))


def test_parts_of_different_tags_cannot_be_decided_together(cluster):
    with Connection(cluster.owner_of("{0}").socket) as connection:
        refused = connection.do(*TOGETHER.replace("{0}tenants", "{1}tenants").split())
        assert isinstance(refused, Failure) and refused.startswith("CROSSSLOT")
    assert not any(map(keys_on, cluster.primaries))


def test_parts_that_are_on_two_nodes_while_their_slot_moves_are_to_be_asked_again(cluster):
    with (
        slot_to_move(cluster, "{0}users") as slot,
        Connection(slot.source.socket) as source,
        Connection(slot.target.socket) as target,
    ):
        assert source.do(*TOGETHER.split())[2] == 2
        slot.open()
        slot.move("{0}users")
        again = source.do(*TOGETHER.split())
        assert isinstance(again, Failure) and again.startswith("TRYAGAIN")
        slot.move("{0}tenants")
        slot.close()
        assert target.do(*TOGETHER.split())[2] == 1


# --- define-parts does its work ---------------------------------------------------------------------


def test_all_parts_store_the_limits_and_are_on_all_nodes(cluster, client, define_parts):
    limits = "TOKENBUCKET 20 10 1s SLIDING 100 1h APPROX AS hourly PER REQUEST QUOTA 5000 DAY TZ Europe/Berlin"
    assert succeeded(define_parts("64", NAME, *limits.split())) == f"64 parts of {NAME} are defined\n"
    held = [keys_on(primary) for primary in cluster.primaries]
    assert sum(map(len, held)) == 64 and set().union(*held) == set(part_keys(64))
    assert [len(keys) for keys in held] == [21, 22, 21]  # as docs/scaling-out.md has it
    for key in part_keys(64):
        about = info(client, key)
        assert (about["stored"], about["shadow"], " ".join(about["limits"])) == (1, 0, limits)
        assert client.ttl(key) == -1


def test_the_same_again_changes_nothing(cluster, define_parts):
    words = [str(PARTS), NAME, *"FIXED 5 60s AS calls".split()]
    first, before = succeeded(define_parts(*words)), changes(cluster)
    assert succeeded(define_parts(*words)) == first
    assert changes(cluster) == before


def test_other_limits_hold_in_all_parts_at_once_and_what_is_used_stays_used(client, define_parts):
    succeeded(define_parts(str(PARTS), NAME, *"FIXED 5 60s".split()))
    subjects = [next(subjects_of(part)) for part in range(PARTS)]
    asked = [("RL.CHECK", key_of(NAME, subject, PARTS), "FOR", subject, "COST", 4) for subject in subjects]
    assert [client.execute_command(*words)[0] for words in asked] == [4] * PARTS
    succeeded(define_parts(str(PARTS), NAME, *"FIXED 10 60s".split()))
    assert [client.execute_command(*words)[:3] for words in asked] == [[4, 10, 2]] * PARTS
    assert [client.execute_command(*words)[:3] for words in asked] == [[0, 10, 2]] * PARTS


def test_limits_can_be_put_on_trial(client, define_parts):
    succeeded(define_parts(str(PARTS), NAME, *"FIXED 1 60s SHADOW".split()))
    assert all(info(client, key)["shadow"] == 1 for key in part_keys())
    assert succeeded(define_parts("--check", str(PARTS), NAME)) == f"all {PARTS} parts store: FIXED 1 1m SHADOW\n"
    assert ask_in_python_once(client, "alice", 3) == [1, 1, 1]
    succeeded(define_parts(str(PARTS), NAME, *"FIXED 1 60s".split()))
    assert ask_in_python_once(client, "alice", 2) == [0, 0]


def ask_in_python_once(client: redis.RedisCluster, subject: str, times: int) -> list[int]:
    key = key_of(NAME, subject, PARTS)
    return [client.execute_command("RL.CHECK", key, "FOR", subject)[0] for _ in range(times)]


@pytest.mark.parametrize("name", ["api free", "{1}", "a}b{", "*", "$HOME `x` \"'\\", "zoë 🔑", "-x", "two\nlines"])
def test_names_may_be_odd(cluster, client, define_parts, name):
    succeeded(define_parts("3", name, *"FIXED 1 60s".split()))
    assert set().union(*map(keys_on, cluster.primaries)) == set(part_keys(3, name))
    assert succeeded(define_parts("--check", "3", name)) == "all 3 parts store: FIXED 1 1m\n"
    assert client.execute_command("RL.CHECK", key_of(name, "two words", 3), "FOR", "two words")[0] == 1
    succeeded(define_parts("--delete", "3", name))
    assert not any(map(keys_on, cluster.primaries))


def test_delete_removes_all_parts_with_their_subjects_and_nothing_else(cluster, client, define_parts):
    for name in (NAME, "other"):
        succeeded(define_parts(str(PARTS), name, *"FIXED 1 60s".split()))
    assert ask_in_python_once(client, "alice", 2) == [1, 0]
    for _ in range(2):
        assert succeeded(define_parts("--delete", str(PARTS), NAME)) == f"{PARTS} parts of {NAME} are deleted\n"
        assert set().union(*map(keys_on, cluster.primaries)) == set(part_keys(PARTS, "other"))
    succeeded(define_parts(str(PARTS), NAME, *"FIXED 1 60s".split()))
    assert ask_in_python_once(client, "alice", 2) == [1, 0]


def test_it_works_by_any_node_a_replica_too(cluster):
    for node in cluster.nodes:
        address = ["-h", "127.0.0.1", "-p", str(node.port)]
        succeeded(run_define_parts(*address, "4", f"by {node.port}", *"FIXED 1 60s".split()))
    assert sum(len(keys_on(primary)) for primary in cluster.primaries) == 4 * len(cluster.nodes)


def test_one_server_can_hold_all_parts_before_there_is_a_cluster(server, db):
    address = ["-p", str(server.port)]
    succeeded(run_define_parts(*address, "4", NAME, *"FIXED 2 60s".split()))
    assert set(db.keys()) == set(part_keys(4))
    assert succeeded(run_define_parts("--check", *address, "4", NAME)) == "all 4 parts store: FIXED 2 1m\n"


# --- --check finds what strays ----------------------------------------------------------------------


def stray_limits(client: redis.RedisCluster, key: str) -> None:
    client.execute_command("RL.DEFINE", key, "FIXED", 6, "60s")


def stray_label(client: redis.RedisCluster, key: str) -> None:
    client.execute_command("RL.DEFINE", key, "FIXED", 5, "60s", "AS", "limits")


def stray_trial(client: redis.RedisCluster, key: str) -> None:
    client.execute_command("RL.DEFINE", key, "FIXED", 5, "60s", "SHADOW")


def gone(client: redis.RedisCluster, key: str) -> None:
    client.delete(key)


def not_stored(client: redis.RedisCluster, key: str) -> None:
    client.delete(key)
    client.execute_command("RL.CHECK", key, "FIXED", 5, "60s", "FOR", "alice")


def other_type(client: redis.RedisCluster, key: str) -> None:
    client.set(key, "text")


STRAY = {
    stray_limits: "FIXED 6 1m",
    stray_label: "FIXED 5 1m AS limits",
    stray_trial: "FIXED 5 1m SHADOW",
    gone: "there is no such key",
    not_stored: "no limits are stored",
    other_type: "WRONGTYPE Operation against a key holding the wrong kind of value",
}


@pytest.mark.parametrize("stray", STRAY)
@pytest.mark.parametrize("part", [0, 7])
def test_check_names_the_part_that_strays(client, define_parts, stray, part):
    succeeded(define_parts(str(PARTS), NAME, *"FIXED 5 60s".split()))
    stray(client, f"{{{part}}}{NAME}")
    done = define_parts("--check", str(PARTS), NAME)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [f"15 of {PARTS} parts: FIXED 5 1m", f"part {part}: {STRAY[stray]}"]


def test_check_lists_parts_that_stray_likewise_together(client, define_parts):
    succeeded(define_parts(str(PARTS), NAME, *"FIXED 5 60s".split()))
    for part in (2, 9):
        gone(client, f"{{{part}}}{NAME}")
    stray_limits(client, f"{{4}}{NAME}")
    assert define_parts("--check", str(PARTS), NAME).stdout.splitlines() == [
        *("13 of 16 parts: FIXED 5 1m", "parts 2, 9: there is no such key", "part 4: FIXED 6 1m")
    ]


def test_check_is_about_limits_and_not_about_use(client, define_parts):
    succeeded(define_parts(str(PARTS), NAME, *"FIXED 5 60s".split()))
    ask_in_python_once(client, "alice", 7)
    client.execute_command("RL.CHECK", f"{{2}}{NAME}")
    assert succeeded(define_parts("--check", str(PARTS), NAME)) == f"all {PARTS} parts store: FIXED 5 1m\n"


def test_check_does_not_take_nothing_for_agreement(define_parts):
    done = define_parts("--check", str(PARTS), NAME)
    assert (done.returncode, done.stdout) == (1, f"all {PARTS} of {PARTS} parts: there is no such key\n")


def test_check_changes_nothing(cluster, client, define_parts):
    succeeded(define_parts(str(PARTS), NAME, *"FIXED 5 60s".split()))
    gone(client, f"{{2}}{NAME}")
    before = changes(cluster)
    define_parts("--check", str(PARTS), NAME)
    assert changes(cluster) == before


# --- what goes wrong is understandable --------------------------------------------------------------


def test_a_part_that_fails_is_named_and_the_others_are_done(cluster, client, define_parts):
    client.set(f"{{5}}{NAME}", "text")
    said = failed(define_parts(str(PARTS), NAME, *"FIXED 5 60s".split())).splitlines()
    assert said == [
        f"define-parts: part 5, key {{5}}{NAME}: WRONGTYPE Operation against a key holding the wrong kind of value",
        f"define-parts: 1 of {PARTS} parts failed, the others are done; mend that and run this again",
    ]
    assert all(info(client, key)["stored"] for key in part_keys() if key != f"{{5}}{NAME}")
    client.delete(f"{{5}}{NAME}")
    succeeded(define_parts(str(PARTS), NAME, *"FIXED 5 60s".split()))
    succeeded(define_parts("--check", str(PARTS), NAME))


def test_wrong_limits_are_refused_once_with_the_words_of_the_server(cluster, define_parts):
    [reason, end] = failed(define_parts(str(PARTS), NAME, *"FIXED -1 60s".split())).splitlines()
    assert reason == f"define-parts: part 0, key {{0}}{NAME}: ERR limit must be an integer from 0 to 9007199254740991"
    assert end == "define-parts: nothing was changed"
    assert not any(map(keys_on, cluster.primaries))


@pytest.mark.parametrize("action", [["4", NAME, "FIXED", "1", "60s"], ["--check", "4", NAME], ["--delete", "4", NAME]])
def test_without_a_server_it_says_so_once(action):
    port = free_port()
    [said] = failed(run_define_parts("-p", str(port), *action)).splitlines()
    assert said.startswith("define-parts: the server does not answer as it should: Could not connect to Redis at")
    assert f":{port}: Connection refused" in said


def test_without_the_module_it_says_so_once(start_server):
    server = start_server(debug=False, module=None)
    said = failed(run_define_parts("-p", str(server.port), "4", NAME, *"FIXED 1 60s".split()))
    assert "ERR unknown command 'RL.DEFINE'" in said and "nothing was changed" in said
    assert "part 1" not in said


def test_without_redis_cli_it_says_so():
    said = failed(run_define_parts("4", NAME, *"FIXED 1 60s".split(), REDIS_CLI="no-such-program"))
    assert said == "define-parts: there is no no-such-program; REDIS_CLI names another program\n"


def test_a_password_is_passed_on(server, db, configure):
    configure("requirepass", "s3cret")
    words = ["-p", str(server.port), "2", NAME, *"FIXED 1 60s".split()]
    assert "NOAUTH" in failed(run_define_parts(*words))
    assert "WRONGPASS" in failed(run_define_parts("-a", "wrong", *words))
    assert not db.keys()
    succeeded(run_define_parts("-a", "s3cret", *words))
    succeeded(run_define_parts("--user", "default", "--pass", "s3cret", *words))
    succeeded(run_define_parts(*words, REDISCLI_AUTH="s3cret"))
    assert set(db.keys()) == set(part_keys(2))


NOT_UNDERSTOOD = {
    "": "the number of parts is missing",
    "64": "the name of the limiter is missing",
    "64 api": "the limits are missing, such as TOKENBUCKET 20 10 1s",
    "0 api FIXED 1 1s": "the number of parts must be an integer from 1 to 16384, not 0",
    "-1 api FIXED 1 1s": "-1 is not known here",
    "064 api FIXED 1 1s": "the number of parts must be an integer from 1 to 16384, not 064",
    "16385 api FIXED 1 1s": "the number of parts must be an integer from 1 to 16384, not 16385",
    f"{10**30} api FIXED 1 1s": f"the number of parts must be an integer from 1 to 16384, not {10**30}",
    "api 64 FIXED 1 1s": "the number of parts must be an integer from 1 to 16384, not api",
    "--check": "the number of parts is missing",
    "--check 64 api FIXED 1 1s": "--check takes no limits",
    "--delete 64 api FIXED 1 1s": "--delete takes no limits",
    "--check --delete 64 api": "only one of --check and --delete can be given",
    "--chek 64 api": "--chek is not known here",
    "-p": "-p needs a value",
    "-s /tmp/socket 64 api FIXED 1 1s": "-s is not known here",
}


@pytest.mark.parametrize("line", NOT_UNDERSTOOD)
def test_arguments_that_make_no_sense_are_explained_and_change_nothing(line):
    said = failed(run_define_parts(*line.split(), REDIS_CLI="never-called"), code=2)
    assert said == f"define-parts: {NOT_UNDERSTOOD[line]}; define-parts --help tells more\n"


def test_help_shows_every_way_to_call_it():
    shown = succeeded(run_define_parts("--help"))
    assert all(word in shown for word in ("LIMIT... [SHADOW]", "--check", "--delete", "REDISCLI_AUTH", "REDIS_CLI"))
    assert "#" not in shown and "set -e" not in shown


# --- the page is true -------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [text for name, text in fenced if name == language]


def test_every_subject_in_the_table_of_the_page_has_its_part():
    rows = re.findall(r"^\| `(.+?)` \| (\d+) \| `(.+?)` \|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) >= 4
    for subject, crc, key in rows:
        assert (subject, int(crc), key) == (subject, part_of(subject, 2**32), key_of("api:free", subject, 64))


def test_the_table_of_nodes_is_what_its_command_prints():
    [command] = blocks("sh")
    [table] = [block for block in blocks("") if "times its share" in block]
    assert output_of("bash", "-c", command) == table


def test_parts_are_as_even_as_the_page_says():
    sizes = Counter(part_of(f"user:{number}", 64) for number in range(1, 100_001))
    extremes = f"at least {min(sizes.values()):,} and at most {max(sizes.values()):,}"
    assert f"1,562 on\naverage, {extremes}" in PAGE.read_text()


def test_every_line_of_the_consoles_is_true(cluster):
    address = f"-h 127.0.0.1 -p {cluster.primaries[0].port}"
    turns = [turn.partition("\n") for block in blocks("console") for turn in re.split(r"^\$ ", block, flags=re.M)[1:]]
    assert len(turns) == 4
    for command, _, promised in turns:
        assert NODE_ON_THE_PAGE in command
        line = command.replace(NODE_ON_THE_PAGE, address)
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=PATIENCE_S, cwd=REPOSITORY)
        assert (command, done.stdout, done.stderr) == (command, promised, "")


def on_port(example: str, cluster: Cluster) -> str:
    assert "7000" in example
    return example.replace("node1", "127.0.0.1").replace("7000", str(cluster.primaries[0].port))


def test_the_python_examples_run(cluster, client, define_parts):
    for name in (NAME, "users", "tenants"):
        succeeded(define_parts("64", name, *"FIXED 2 60s".split()))
    program = on_port("\n".join(blocks("python")), cluster)
    program += "\nprint([allow_both('acme', 'alice') for _ in range(3)])\n"
    printed = output_of(sys.executable, "-c", program, env=os.environ | {"PYTHONPATH": str(EXAMPLES)})
    assert printed.splitlines() == ["go on", "[True, True, False]"]
    assert info(client, key_of(NAME, "user:42", 64))["granted"] == 1


def test_the_node_example_runs(cluster, client, define_parts, node_modules, tmp_path):
    succeeded(define_parts("64", NAME, *"FIXED 1 60s".split()))
    [example] = blocks("js")
    script = tmp_path / "example.cjs"
    script.write_text(on_port(example, cluster))
    shutil.copy(EXAMPLES / "split.js", tmp_path)
    (tmp_path / "node_modules").symlink_to(node_modules)
    assert [output_of("node", str(script)) for _ in range(2)] == ["go on\n", "429 Too Many Requests\n"]
    assert info(client, key_of(NAME, "user:42", 64))["granted"] == 1


def test_the_list_of_those_who_were_denied_most_is_over_all_parts(cluster, client, define_parts):
    succeeded(define_parts("64", NAME, *"FIXED 1 60s".split()))
    for number in range(12):
        for _ in range(number + 1):
            subject = f"user {number}"
            client.execute_command("RL.CHECK", key_of(NAME, subject, 64), "FOR", subject)
    [command] = blocks("bash")
    printed = output_of("bash", "-c", on_port(command, cluster))
    assert printed.splitlines() == [f"user {number}\t{number}\t0" for number in range(11, 1, -1)]
