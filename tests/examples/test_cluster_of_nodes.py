# SPDX-License-Identifier: MIT
"""The experiment of examples/cluster-of-nodes holds what docs/proof.md says: a short run of it, and its figures.

Bounds are exact, whatever the machine is busy with: intervals are measured from outside, and the load goes on until
every caller was refused. What is granted to a caller that leaves before the answer comes is not seen (status 499).
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from email.parser import Parser
from pathlib import Path

import pytest

from harness import MODULE, PATIENCE_S, REPOSITORY, Server, node_modules, same_allocator

EXAMPLE = REPOSITORY / "examples" / "cluster-of-nodes"
# In two runs, side by side.
SCENES = [("naive-and-shared", "tiers", "quota", "login"), ("changes", "jitter", "failover")]
LONGEST_S = 480

sys.path.insert(0, str(EXAMPLE))

from scenes import CAPACITY, QUICK  # noqa: E402
from scenes import REFILL as LIMIT_WHEN_ALONE  # noqa: E402
from servers import LIMITERS, NODES, Node  # noqa: E402

# --- the run ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return os.environ | {"RATELIMIT_MODULE": str(MODULE), "NODE_PATH": str(node_modules())}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """The folder with what the short runs have written, each into one of its own at first."""
    together = tmp_path_factory.mktemp("cluster-of-nodes")
    folders = [tmp_path_factory.mktemp(scenes[0]) for scenes in SCENES]
    with ExitStack() as ends:
        runs = [ends.enter_context(started_run(*each, environment)) for each in zip(folders, SCENES, strict=True)]
        for run in runs:
            said, _ = run.communicate(timeout=LONGEST_S)
            assert run.returncode == 0, said
    for folder in folders:
        shutil.copytree(folder, together, dirs_exist_ok=True)
    return together


class started_run(subprocess.Popen):
    """Ended in an orderly way, so that its servers are, too."""

    def __init__(self, folder: Path, scenes: tuple[str, ...], environment: dict[str, str]) -> None:
        command = [EXAMPLE / "run", "--quick", "--to", folder, *scenes]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        super().__init__(command, text=True, env=environment, **pipes)

    def __exit__(self, *about) -> None:
        if self.poll() is None:
            self.terminate()
        super().__exit__(*about)


def measured(results: Path, scene: str) -> dict:
    return json.loads((results / f"{scene}.json").read_text())


@pytest.fixture
def limiters(results: Path) -> dict[str, dict]:
    data = measured(results, "naive-and-shared")
    return {limiter["name"]: limiter | {"scale": data["scale"]} for limiter in data["limiters"]}


# --- naive and shared -------------------------------------------------------------------------------


def test_a_counter_in_each_node_admits_about_as_many_times_the_limit_as_there_are_nodes(limiters):
    """Each node has refused each caller after the edge: so it has admitted as many as the limit says."""
    naive = limiters["naive"]
    limit = naive["scale"]["limit"]
    for before, together, unheard in each_caller(naive, "before", "together", "unheard"):
        assert NODES * limit <= together - before + unheard
        assert together <= NODES * naive["allowed"]


def each_caller(measured: dict, *names: str) -> Iterator[tuple[int, ...]]:
    return zip(*(measured[name] for name in names), strict=True)


@pytest.mark.parametrize("name", ["fixed", "bucket", "log"])
def test_shared_limiters_admit_no_more_than_allowed_on_either_side_of_the_edge_and_over_it(limiters, name):
    limiter, scale = limiters[name], limiters[name]["scale"]
    assert all(admitted <= limiter["allowed"] for admitted in limiter["together"])
    if name != "bucket":
        assert all(admitted <= scale["limit"] for admitted in limiter["before"] + limiter["after"])


def test_where_load_is_plenty_a_shared_limiter_admits_what_is_allowed(limiters):
    """Who was refused was granted all that there was: a window, of the clock or of the log, or a full bucket."""
    scale = limiters["bucket"]["scale"]
    for name, limit in (("fixed", scale["limit"]), ("log", scale["limit"]), ("bucket", scale["burst"])):
        for before, together, unheard in each_caller(limiters[name], "before", "together", "unheard"):
            since = together - before if name == "fixed" else together  # the edge: all were refused after it
            assert since + unheard >= limit, name


@pytest.mark.parametrize("name", ["fixed", "bucket", "log"])
def test_nginx_and_the_server_have_counted_the_same(limiters, name):
    limiter = limiters[name]
    seen, granted = sum(limiter["together"]), limiter["server"]["granted"]
    assert seen <= granted <= seen + limiter["statuses"].get("499", 0)
    assert set(limiter["statuses"]) <= {"200", "429", "499"}


# --- tiers and refusals -----------------------------------------------------------------------------


def test_each_tier_gets_what_its_own_limiter_allows(results):
    data = measured(results, "tiers")
    for tier in data["tiers"]:
        for admitted, unheard in each_caller(tier, "admitted", "unheard"):
            assert admitted <= tier["allowed"]
            assert admitted + unheard >= tier["capacity"]


def test_a_refusal_has_all_that_a_client_needs(results):
    status, _, rest = (results / "429.txt").read_text().partition("\n")
    head, _, body = rest.partition("\n\n")
    fields, problem = Parser().parsestr(head, headersonly=True), json.loads(body)
    assert status == "HTTP/1.1 429 Too Many Requests"
    assert fields["Content-Type"] == "application/problem+json"
    assert fields["RateLimit-Policy"] == '"rate";q=4;w=1'
    assert fields["RateLimit"] == '"rate";r=0;t=1'
    assert fields["Retry-After"] == "1"  # seconds from now, not a date, and never 0
    assert problem["status"] == 429
    assert problem["violated-policies"] == ["rate"]
    assert 0 < problem["wait_ms"] <= 167
    assert problem["type"] and problem["title"]


# --- a plan that changes ----------------------------------------------------------------------------


def test_a_plan_that_is_lowered_and_raised_under_load_admits_what_each_plan_allows_in_its_time(results):
    slow, fast = measured(results, "changes")["stored"]
    assert (len(slow["changes"]), len(fast["changes"])) == (2, 6)
    for each in (slow, fast):
        assert all(admitted <= each["allowed"] < each["anew"] for admitted in each["admitted"])
        assert sum(each["admitted"]) <= each["server"]["granted"]
        assert each["server"]["granted"] <= sum(each["admitted"]) + each["statuses"].get("499", 0)
        assert set(each["statuses"]) <= {"200", "429", "499"}


def test_a_caller_who_was_refused_under_each_plan_has_had_at_least_the_burst_of_the_first(results):
    for each in measured(results, "changes")["stored"]:
        assert all(units + unheard >= QUICK.burst for units, unheard in each_caller(each, "admitted", "unheard"))


def test_old_and_new_instances_side_by_side_admit_no_more_than_the_larger_of_their_limits(results):
    for each in measured(results, "changes")["deployed"]:
        for admitted, by_new, unheard in each_caller(each, "admitted", "by_new", "unheard"):
            assert admitted <= each["allowed"] < each["apart"]
            assert by_new <= each["allowed_new"]
            assert admitted + unheard >= QUICK.burst  # nobody starves: who named the larger one had all of it


# --- quota ------------------------------------------------------------------------------------------


def test_the_quota_holds_a_caller_who_keeps_to_the_rate_until_midnight(results):
    data = measured(results, "quota")
    held, free = data["tiers"]
    daily = data["scale"]["daily"]
    assert (held["admitted"], held["first_refused_at"]) == (daily, daily)
    assert held["refused_by"] == {"daily": held["requests"] - daily}
    assert (free["admitted"], free["refused_by"]) == (free["requests"], {})
    at_least, at_most = held["to_midnight"]
    assert at_least <= held["retry_after"] <= at_most + 1
    assert int(re.search(r'"rate";r=(\d+)', held["ratelimit"])[1]) > 0


# --- login ------------------------------------------------------------------------------------------


def test_the_exact_log_lets_no_window_have_more_tries_than_it_says(results):
    data = measured(results, "login")
    log, bucket = data["tried"]
    assert log["most_in_a_window"] <= data["tries"] < bucket["most_in_a_window"]
    assert len(log["admitted_at"]) >= 2 * data["tries"]
    assert set(log["statuses"]) == {"200", "429"}


@same_allocator
def test_a_log_weighs_more_the_larger_its_limit_and_a_bucket_does_not(results):
    weighed = measured(results, "login")["bytes"]
    logs = [each["log"] for each in weighed]
    assert logs == sorted(logs) and logs[-1] > 20 * logs[0]
    assert len({each["bucket"] for each in weighed}) == 1
    assert all(each["bucket"] < each["log"] <= each["bucket"] + 250 + 5 * each["limit"] for each in weighed)


# --- jitter -----------------------------------------------------------------------------------------


def test_jitter_tells_a_refused_crowd_different_times(results):
    """As evenly as chance has it, however many were refused. When they then come, a starved machine decides."""
    data = measured(results, "jitter")
    seconds = data["scale"]["crowd_jitter_s"]
    window, bucket, rounded, exact = data["crowds"]
    for alike in (window, bucket):
        assert set(alike["toldAtFirst"]) == {"10"}  # one second, whether a window ends or a unit comes back
    assert set(rounded["toldAtFirst"]) <= {str(10 * second) for second in range(1, seconds + 2)}
    for crowd, share in ((rounded, 1 / seconds), (exact, 0.1 / seconds)):
        told = crowd["toldAtFirst"].values()
        assert max(told) <= most_by_chance(sum(told), share)


def most_by_chance(count: int, share: float) -> int:
    """Of so many, each of whom comes into a cell by that chance: a number that is exceeded once in 10^12 times."""
    tail = 0.0
    for most in range(count, 0, -1):
        tail += math.comb(count, most) * share**most * (1 - share) ** (count - most)
        if tail > 1e-12:
            return most
    return 0


def test_whoever_is_refused_comes_back_and_is_served(results):
    for crowd in measured(results, "jitter")["crowds"]:
        assert crowd["seen"] == crowd["requests"] > sum(crowd["toldAtFirst"].values()) > 0


# --- failover ---------------------------------------------------------------------------------------


def test_a_failover_admits_at_most_what_the_replica_had_not_confirmed(results):
    (case,) = measured(results, "failover")["cases"]
    for route in case["routes"]:
        admitted = route["granted"] + route["left"]
        assert admitted <= case["allowed"] + route["in_doubt"]
        # What was left was taken in the end, and a bucket is full at first. Of some grants the word was lost.
        assert admitted + route["unheard"] >= CAPACITY
        assert set(route["statuses"]) <= {"200", "429", "499", "503"}


def test_while_nobody_answers_each_route_does_what_it_says(results):
    (case,) = measured(results, "failover")["cases"]
    routes = {route["otherwise"]: route for route in case["routes"]}
    assert routes["closed"]["undecided"] == 0 < routes["closed"]["statuses"]["503"]
    assert "503" not in routes["open"]["statuses"] and routes["open"]["undecided"] > 0
    assert "503" not in routes["local"]["statuses"]
    local = routes["local"]
    windows = int(local["undecided_until"] - local["undecided_from"]) + 2
    assert 0 < local["undecided"] <= windows * NODES * (LIMIT_WHEN_ALONE // NODES)


# --- the application, and what is written about it --------------------------------------------------


@pytest.fixture
def node(server: Server, tmp_path: Path, environment: dict[str, str]) -> Iterator[Node]:
    with server.client() as db:
        for limiter in LIMITERS:
            db.do(f"RL.DEFINE {limiter} FIXED 1 1h")
    node = Node(tmp_path, REDIS_PORT=server.port, NODE_PATH=environment["NODE_PATH"], TIMEOUT_MS=PATIENCE_S * 1000)
    try:
        yield node.start()
    finally:
        node.stop()


def status_of(node: Node, path: str, **fields: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{node.port}{path}", headers=fields)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_limiter_that_is_missing_lets_nobody_through_by_mistake(server, node):
    with server.client() as db:
        db.do("DEL api:free")
        for path in ("/orders", "/search", "/feed"):
            assert status_of(node, path, **{"X-Api-Key": "free-alice"}) == 500
        assert (node.folder / "log").read_text().count("mistake closed limiter=api:free") < 3  # loud, but not endless
        db.do("RL.DEFINE api:free FIXED 1 1h")
    assert status_of(node, "/search", **{"X-Api-Key": "free-alice"}) == 200
    assert status_of(node, "/search", **{"X-Api-Key": "free-alice"}) == 429


@pytest.mark.parametrize("missing", LIMITERS)
def test_a_node_does_not_start_without_its_limiters(server, tmp_path, environment, missing):
    with server.client() as db:
        for limiter in set(LIMITERS) - {missing}:
            db.do(f"RL.DEFINE {limiter} FIXED 1 1h")
    settings = {"PORT": "0", "REDIS_PORT": str(server.port), "TIMEOUT_MS": str(PATIENCE_S * 1000)}
    command = ["node", EXAMPLE / "app.js"]
    done = subprocess.run(command, env=environment | settings, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, "NOLIMITS" in done.stderr, done.stdout) == (1, True, "")


def test_who_has_no_key_is_not_asked_about(server, node):
    assert status_of(node, "/orders") == 401
    assert status_of(node, "/orders", **{"X-Api-Key": "nobody"}) == 401


def test_the_results_that_are_kept_are_within_one_percent_of_what_the_page_says():
    kept = EXAMPLE / "results"
    naive, *shared = measured(kept, "naive-and-shared")["limiters"]
    assert all(0.99 * NODES <= admitted / naive["allowed"] <= NODES for admitted in naive["together"])
    for each in [*shared, *measured(kept, "tiers")["tiers"]]:
        admitted = each.get("together") or each["admitted"]
        assert all(0.99 * each["allowed"] - 1 <= units <= each["allowed"] for units in admitted)
    data = measured(kept, "changes")
    for each in [data["stored"][0], *data["deployed"]]:
        assert all(0.98 * each["allowed"] - 1 <= units <= each["allowed"] for units in each["admitted"])
    assert all(units <= data["stored"][1]["allowed"] for units in data["stored"][1]["admitted"])
    window, bucket, _, exact = measured(kept, "jitter")["crowds"]
    assert exact["fullest"] < min(window["fullest"], bucket["fullest"])  # jitter keeps a crowd from coming in one wave
    for case in measured(kept, "failover")["cases"]:
        for route in case["routes"]:
            assert route["granted"] + route["left"] <= case["allowed"] + route["in_doubt"]
            assert case["deaf_s"] or route["granted"] + route["left"] <= case["allowed"]


def test_the_page_shows_the_results_that_are_kept():
    page = (REPOSITORY / "docs" / "proof.md").read_text()
    assert page.count("<!-- results: cluster-of-nodes/") > len(SCENES[0] + SCENES[1])
    done = subprocess.run([REPOSITORY / "bench" / "quote", "--check"], capture_output=True, text=True)
    assert "docs/proof.md" not in done.stdout + done.stderr
