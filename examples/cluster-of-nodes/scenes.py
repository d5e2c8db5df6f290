# SPDX-License-Identifier: MIT
"""The scenes of the experiment. Each starts its own servers and gives what was measured, as plain values for JSON.

What was admitted is what nginx answered with 200, by its log. What was allowed is reckoned over an interval that begins
before the load and ends after it, by the same clock.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass

import redis

from load import Answer, Witness, by_key, granted_by_key, load, per_100_ms, unheard_by_key
from servers import HERE, NODES, PATIENCE_S, RedisServer, Stage, Trouble, eventually, redis_alone

DAY_S = 86_400


@dataclass(frozen=True)
class Scale:
    """How large the scenes are."""

    window_s: int = 10
    limit: int = 100  # a window
    burst: int = 20
    callers: int = 10
    connections: int = 60
    daily: int = 50
    login_window_s: int = 6
    crowd: int = 1200  # of whom a thousand are refused at first
    crowd_rate: int = 100  # a second
    crowd_jitter_s: int = 12
    plan_s: float = 4.0  # how long each plan lasts
    flaps: int = 20  # how often a plan changes, at most
    before_kill_s: float = 3.0
    after_kill_s: float = 4.0
    deaf_s: tuple[float, ...] = (0.0, 0.5)  # of each kill: for how long the replica has heard nothing


FULL = Scale()
QUICK = Scale(
    window_s=2,
    limit=12,
    burst=4,
    callers=2,
    connections=12,
    daily=8,
    login_window_s=1,
    crowd=200,
    crowd_rate=50,
    crowd_jitter_s=3,
    plan_s=0.8,
    flaps=6,
    before_kill_s=1.0,
    after_kill_s=1.0,
    deaf_s=(0.2,),
)


def sleep_until(instant: float) -> None:
    time.sleep(max(instant - time.time(), 0))


def refused(answers: Iterable[Answer]) -> Counter[tuple[str, str]]:
    """How often each key was told 429 by each node."""
    return Counter((answer.key, answer.node) for answer in answers if answer.status == 429)


def until_all_are_refused(witness: Witness, keys: list[str], since: float, nodes: int = 1) -> None:
    """However slow the machine is: only a caller who was refused has asked for all that there was. By so many nodes,
    where each counts for itself.
    """

    def all_are_refused() -> bool:
        by = Counter(key for key, _ in refused(answer for answer in witness.answers() if answer.began >= since))
        return all(by[key] >= nodes for key in keys)

    eventually(all_are_refused, "every caller to be refused")


def define(server: RedisServer, limiter: str, limits: str) -> None:
    server.do(f"RL.DEFINE {limiter} {limits}")


def counts(server: RedisServer, limiter: str) -> dict[str, int]:
    """What the server itself has counted."""
    reply = server.do(f"RL.INFO {limiter}")
    about = dict(zip(reply[::2], reply[1::2]))
    return {"granted": about["granted"], "denied": about["denied"]}


# --- naive-and-shared -------------------------------------------------------------------------------


def naive_and_shared(scale: Scale) -> dict:
    """The same load, over the edge of a window: on a counter in each node, and on limiters that all nodes share."""
    limit, window = scale.limit, f"{scale.window_s}s"
    shared = {
        "fixed": f"FIXED {limit} {window} ALIGNED",
        "bucket": f"TOKENBUCKET {scale.burst} {limit} {window}",
        "log": f"SLIDING {limit} {window}",
    }
    with Stage(LIMITER="counter", LIMIT=limit, WINDOW_MS=scale.window_s * 1000) as stage:
        limiters = [{"name": "naive", "limits": ""} | load_over_edge(stage, scale, counters=NODES)]
    with Stage() as stage:
        for name, limits in shared.items():
            stage.redis.do("FLUSHALL")
            define(stage.redis, "api:free", limits)
            measured = load_over_edge(stage, scale)
            server = counts(stage.redis, "api:free")
            limiters.append({"name": name, "limits": limits} | measured | {"server": server})
        stage.assert_well()
    for limiter in limiters:
        limiter["allowed"] = allowed_over_edge(scale, limiter)
    return {"scale": asdict(scale), "limiters": limiters}


def load_over_edge(stage: Stage, scale: Scale, counters: int = 1) -> dict:
    """Seven tenths of a window, in the middle of which the window of the clock changes; longer, if by then not every
    counter has refused every caller since.
    """
    keys = [f"free-{number}" for number in range(scale.callers)]
    half = 0.35 * scale.window_s
    edge = (int((time.time() + half + 0.1) / scale.window_s) + 1) * scale.window_s
    witness = Witness(stage.balancer)
    sleep_until(edge - half)
    begin = time.time()
    with load(stage.balancer, [("/orders", key) for key in keys], scale.connections):
        sleep_until(edge + half)
        until_all_are_refused(witness, keys, since=edge, nodes=counters)
    end = time.time()
    answers = witness.answers()
    granted = [answer for answer in answers if answer.is_granted]
    return {
        "requests": len(answers),
        "begin": begin - edge,
        "end": end - edge,
        "edge": edge,
        "before": granted_by_key((answer for answer in granted if answer.ended < edge), keys),
        "after": granted_by_key((answer for answer in granted if answer.began >= edge), keys),
        "together": granted_by_key(granted, keys),
        "unheard": unheard_by_key(answers, keys),
        "statuses": Counter(str(answer.status) for answer in answers),
        "series": admitted_over_time(granted, edge, len(keys)),
    }


def admitted_over_time(granted: list[Answer], edge: float, callers: int) -> list[tuple[float, float]]:
    """How many of each caller's requests, on average, were admitted by then."""
    series, total = [], 0
    for tenth, count in per_100_ms((answer.ended for answer in granted), edge - 1000).items():
        total += count
        series.append((round(tenth / 10 + 0.1 - 1000, 1), total / callers))
    return series


def allowed_over_edge(scale: Scale, limiter: dict) -> int:
    """What each caller may get: by the limits that were set, or, of the naive counter, by what was meant."""
    if limiter["name"] == "bucket":
        return scale.burst + int(scale.limit * (limiter["end"] - limiter["begin"]) / scale.window_s)
    if limiter["name"] == "log":
        windows = 1 + int((limiter["end"] - limiter["begin"]) / scale.window_s)
    else:
        first, last = (int((limiter["edge"] + limiter[at]) // scale.window_s) for at in ("begin", "end"))
        windows = 1 + last - first
    return windows * scale.limit


# --- tiers ------------------------------------------------------------------------------------------


def tiers(scale: Scale) -> dict:
    """A free and a paid limiter under the same load, and what a refused caller is sent."""
    window = f"{scale.window_s}s"
    limits = {
        "free": (scale.burst, scale.limit, f"TOKENBUCKET {scale.burst} {scale.limit} {window} AS rate"),
        "paid": (5 * scale.burst, 5 * scale.limit, f"TOKENBUCKET {5 * scale.burst} {5 * scale.limit} {window} AS rate"),
    }
    keys = {tier: [f"{tier}-{number}" for number in range(max(scale.callers // 2, 2))] for tier in limits}
    with Stage() as stage:
        for tier, (_, _, words) in limits.items():
            define(stage.redis, f"api:{tier}", words)
        witness = Witness(stage.balancer)
        begin = time.time()
        with load(stage.balancer, [("/orders", key) for tier in keys for key in keys[tier]], scale.connections):
            sleep_until(begin + 0.7 * scale.window_s)
            until_all_are_refused(witness, [key for tier in keys for key in keys[tier]], since=begin)
        end = time.time()
        answers = witness.answers()
        refused = capture_refusal(stage, "free-captured")
        stage.assert_well()
    measured = []
    for tier, (capacity, refill, words) in limits.items():
        allowed = capacity + int(refill * (end - begin) / scale.window_s)
        figures = {"allowed": allowed, "admitted": granted_by_key(answers, keys[tier])}
        figures |= {"unheard": unheard_by_key(answers, keys[tier])}
        measured.append({"tier": tier, "limits": words, "capacity": capacity, "refill": refill} | figures)
    return {"scale": asdict(scale), "seconds": end - begin, "tiers": measured, "refused": refused}


def capture_refusal(stage: Stage, key: str) -> str:
    """The first refusal of a caller, as it came over the wire."""
    request = f"GET /orders HTTP/1.1\r\nHost: example.org\r\nX-Api-Key: {key}\r\nConnection: close\r\n\r\n"
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with socket.create_connection(("127.0.0.1", stage.balancer.port), timeout=PATIENCE_S) as wire:
            wire.sendall(request.encode())
            with wire.makefile("rb") as stream:
                response = stream.read().decode()
        if response.startswith("HTTP/1.1 429 "):
            return response.replace("\r\n", "\n")
    raise AssertionError("nobody was refused")


# --- changes ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """A token bucket: its size, and what comes back in a window."""

    burst: int
    limit: int
    window_s: int

    @property
    def words(self) -> str:
        return f"TOKENBUCKET {self.burst} {self.limit} {self.window_s}s AS rate"

    def refilled(self, seconds: float) -> float:
        return self.limit * seconds / self.window_s


def changes(scale: Scale) -> dict:
    """A plan is lowered and raised under load; and a deployment, in which old instances and new ones name their own."""
    high = Plan(scale.burst, scale.limit, scale.window_s)
    low = Plan(scale.burst // 2, scale.limit // 4, scale.window_s)
    flaps = [high, low] * (scale.flaps // 2) + [high]
    with Stage() as stage:
        stored = [
            change_stored(stage, scale, [high, low, high], scale.plan_s),
            change_stored(stage, scale, flaps, 2 * scale.plan_s / len(flaps)),
        ]
        stage.assert_well()
    deployed = [deploy(scale, high, low), deploy(scale, low, high)]
    return {"scale": asdict(scale), "high": high.words, "low": low.words, "stored": stored, "deployed": deployed}


def change_stored(stage: Stage, scale: Scale, plans: list[Plan], seconds: float) -> dict:
    """One RL.DEFINE for each plan after the first, that many seconds apart."""
    keys = [f"free-{number}" for number in range(scale.callers)]
    stage.redis.do("FLUSHALL")
    define(stage.redis, "api:free", plans[0].words)
    witness = Witness(stage.balancer)
    begin = time.time()
    with load(stage.balancer, [("/orders", key) for key in keys], scale.connections):
        starts = [begin]
        for now, then in zip(plans, [*plans[1:], None]):
            sleep_until(starts[-1] + seconds)
            until_all_are_refused(witness, keys, since=starts[-1])
            if then is not None:
                starts.append(changed(stage, now, then))
    spans = list(zip(starts, [*starts[1:], time.time()], plans, strict=True))
    answers = witness.answers()
    return {
        "changes": [start - begin for start, _, _ in spans[1:]],
        "seconds": spans[-1][1] - begin,
        "admitted": granted_by_key(answers, keys),
        "unheard": unheard_by_key(answers, keys),
        "allowed": int(plans[0].burst + sum(plan.refilled(end - start) for start, end, plan in spans)),
        "anew": int(sum(plan.burst + plan.refilled(end - start) for start, end, plan in spans)),
        "server": counts(stage.redis, "api:free"),
        "statuses": Counter(str(answer.status) for answer in answers),
        "series": admitted_over_time([answer for answer in answers if answer.is_granted], begin, len(keys)),
        "line": allowed_over_time(plans[0].burst, spans, begin),
    }


def changed(stage: Stage, now: Plan, then: Plan) -> float:
    """When. It falls between two instants: for that moment, the larger plan counts."""
    sent = time.time()
    define(stage.redis, "api:free", then.words)
    return sent if then.limit > now.limit else time.time()


def allowed_over_time(burst: int, spans: list[tuple[float, float, Plan]], begin: float) -> list[tuple[float, float]]:
    points, allowed = [(0.0, float(burst))], float(burst)
    for start, end, plan in spans:
        allowed += plan.refilled(end - start)
        points.append((end - begin, allowed))
    return points


def deploy(scale: Scale, old: Plan, new: Plan) -> dict:
    """Two instances name the old limits and one the new ones, of the same callers, whose keys store none."""
    keys = [f"free-{number}" for number in range(scale.callers)]
    with Stage(each=[{"LIMITS": old.words}, {"LIMITS": old.words}, {"LIMITS": new.words}]) as stage:
        stage.redis.do("FLUSHALL")
        witness = Witness(stage.balancer)
        begin = time.time()
        with load(stage.balancer, [("/orders", key) for key in keys], scale.connections):
            sleep_until(begin + 2 * scale.plan_s)
            until_all_are_refused(witness, keys, begin, nodes=NODES)
        seconds = time.time() - begin
        answers = witness.answers()
        stage.assert_well()
        of_new = [answer for answer in answers if answer.node.endswith(f":{stage.nodes[2].port}")]
    allowed = {name: int(plan.burst + plan.refilled(seconds)) for name, plan in (("old", old), ("new", new))}
    return {
        "old": old.words,
        "new": new.words,
        "seconds": seconds,
        "by_new": granted_by_key(of_new, keys),
        "admitted": granted_by_key(answers, keys),
        "unheard": unheard_by_key(answers, keys),
        "allowed_old": allowed["old"],
        "allowed_new": allowed["new"],
        "allowed": max(allowed.values()),
        "apart": sum(allowed.values()),
    }


# --- quota ------------------------------------------------------------------------------------------


def quota(scale: Scale) -> dict:
    """A caller who keeps to half of the rate, until the day's quota is used up; and one whose limiter has no quota."""
    rate = f"TOKENBUCKET {scale.burst} {scale.limit} {scale.window_s}s AS rate"
    limits = {"free": f"{rate} QUOTA {scale.daily} DAY AS daily", "paid": rate}
    requests = scale.daily + max(scale.daily // 2, 5)
    pause = 2 * scale.window_s / scale.limit
    stay_clear_of_midnight(2 * requests * pause + 10)
    with Stage() as stage:
        for tier, words in limits.items():
            define(stage.redis, f"api:{tier}", words)
        calls = {tier: [] for tier in limits}
        for _ in range(requests):
            for tier, heard in calls.items():
                heard.append(get_orders(stage, f"{tier}-steady"))
            time.sleep(pause)
        stage.assert_well()
    return {
        "scale": asdict(scale),
        "pause": pause,
        "tiers": [{"tier": tier, "limits": limits[tier]} | told(calls[tier]) for tier in limits],
    }


def stay_clear_of_midnight(seconds: float) -> None:
    """The quota is for a day in UTC: the scene must not see two of them."""
    left = DAY_S - time.time() % DAY_S
    if left < seconds:
        time.sleep(left + 1)


def get_orders(stage: Stage, key: str) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", stage.balancer.port, timeout=PATIENCE_S)
    try:
        before = time.time()
        connection.request("GET", "/orders", headers={"X-Api-Key": key})
        response = connection.getresponse()
        body = response.read().decode()
    finally:
        connection.close()
    return {"before": before, "after": time.time(), "status": response.status, "body": body} | {
        name.lower(): value for name, value in response.getheaders()
    }


def told(calls: list[dict]) -> dict:
    refused = [call for call in calls if call["status"] == 429]
    by = Counter(label for call in refused for label in json.loads(call["body"])["violated-policies"])
    about = {"requests": len(calls), "admitted": sum(call["status"] == 200 for call in calls), "refused_by": by}
    about["first_refused_at"] = next((i for i, call in enumerate(calls) if call["status"] == 429), None)
    if refused:
        first = refused[0]
        about |= {"ratelimit": first["ratelimit"], "policy": first["ratelimit-policy"]}
        about |= {"retry_after": int(first["retry-after"])}
        about |= {"to_midnight": [DAY_S - first[at] % DAY_S for at in ("after", "before")]}
    return about


# --- login ------------------------------------------------------------------------------------------

TRIES = 5


def login(scale: Scale) -> dict:
    """Somebody tries passwords as fast as he can: against the exact log, and against a bucket of the same numbers."""
    window = scale.login_window_s
    with Stage() as stage:
        tried = []
        for limits, enough in (
            (f"SLIDING {TRIES} {window}s", lambda granted: len(granted) >= 2 * TRIES),
            (f"TOKENBUCKET {TRIES} {TRIES} {window}s", lambda granted: most_surely_within(granted, window) > TRIES),
        ):
            stage.redis.do("FLUSHALL")
            define(stage.redis, "login", limits)
            tried.append({"limits": limits} | guess_passwords(stage, window, enough))
        stage.assert_well()
    return {"scale": asdict(scale), "tries": TRIES, "window_s": window, "tried": tried, "bytes": weigh_keys()}


Granted = list[tuple[float, float]]  # sent, answered


def guess_passwords(stage: Stage, window: int, enough: Callable[[Granted], bool]) -> dict:
    """For two and a half windows, and until what was granted is enough."""
    end = time.time() + 2.5 * window
    tries: list[tuple[float, float, int]] = []  # sent, answered, status

    def granted_so_far() -> Granted:
        return sorted((sent, answered) for sent, answered, status in list(tries) if status == 200)

    def guess() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", stage.balancer.port, timeout=PATIENCE_S)
        while (sent := time.time()) < end or (not enough(granted_so_far()) and sent < end + PATIENCE_S):
            body = json.dumps({"account": "alice", "password": random.randbytes(8).hex()})
            connection.request("POST", "/login", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            tries.append((sent, time.time(), response.status))
            time.sleep(0.005)
        connection.close()

    threads = [threading.Thread(target=guess) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    granted = granted_so_far()
    begin = min(sent for sent, _, _ in tries)
    return {
        "attempts": len(tries),
        "statuses": Counter(str(status) for _, _, status in tries),
        "seconds": max(answered for _, answered, _ in tries) - begin,
        "admitted_at": [round(answered - begin, 3) for _, answered in granted],
        "most_in_a_window": most_surely_within(granted, window),
    }


def most_surely_within(granted: Granted, window: float) -> int:
    """The most that were sent and answered within less than a window: so were their decisions, whenever they fell."""
    return max(
        (sum(sent >= first and answered < first + window for sent, answered in granted) for first, _ in granted),
        default=0,
    )


def weigh_keys() -> list[dict]:
    """Bytes of a key at its fullest, grants at random moments of a minute; on a server whose clock is moved by hand."""
    with redis_alone("DEBUG") as server, server.client() as client:
        client.execute_command("RL.DEBUG", "CLOCK", "SET", time.time_ns() + DAY_S * 10**9)
        weighed = []
        for size in (5, 100, 1000, 10_000):
            words = {"log": ("SLIDING", size, "1m"), "bucket": ("TOKENBUCKET", size, size, "1m")}
            weighed.append({"limit": size} | {name: weigh(client, name, limit, size) for name, limit in words.items()})
    return weighed


def weigh(client: redis.Redis, name: str, limit: tuple, grants: int) -> int:
    key = f"login:{name}:{grants:05}"
    dice = random.Random(grants)
    moments = sorted(dice.randrange(59 * 10**9) for _ in range(grants))
    pipe = client.pipeline(transaction=False)
    for before, now in zip([0, *moments], moments):
        pipe.execute_command("RL.DEBUG", "CLOCK", "ADVANCE", now - before)
        pipe.execute_command("RL.CHECK", key, *limit)
    granted = sum(reply[0] for reply in pipe.execute()[1::2])
    assert granted == grants, f"{granted} of {grants}"
    return client.memory_usage(key)


# --- jitter -----------------------------------------------------------------------------------------


def jitter(scale: Scale) -> dict:
    """Many callers who share one limit come at once, are refused, and come back when they are told to."""
    rate, longest = scale.crowd_rate, f"{scale.crowd_jitter_s}s"
    window, bucket = f"FIXED {rate} 1s ALIGNED", f"TOKENBUCKET {rate} {rate} 1s"
    crowds = []
    with Stage() as stage:
        crowds.append(crowd(stage, scale, window, "", "retry-after"))
        crowds.append(crowd(stage, scale, bucket, "", "retry-after"))
        stage.assert_well()
    with Stage(JITTER=longest) as stage:
        crowds.append(crowd(stage, scale, bucket, longest, "retry-after"))
        crowds.append(crowd(stage, scale, bucket, longest, "wait_ms"))
        stage.assert_well()
    return {"scale": asdict(scale), "crowds": crowds}


def crowd(stage: Stage, scale: Scale, limits: str, longest: str, obeys: str) -> dict:
    """The crowd comes again, if it came so slowly that nobody had to be refused."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        stage.redis.do("FLUSHALL")
        define(stage.redis, "api:free", limits)
        witness = Witness(stage.balancer)
        told = served_in_the_end(stage, scale, obeys)
        arrivals = sorted(answer.began for answer in witness.answers())
        begin, returns = arrivals[0], arrivals[scale.crowd :]
        if returns:
            break
    else:
        raise Trouble("nobody was refused: the crowd came too slowly")
    waves = per_100_ms(returns, begin)
    return told | {
        "limits": limits,
        "jitter": longest,
        "obeys": obeys,
        "seen": len(arrivals),
        "fullest": max(waves.values()),
        "arrivals": list(per_100_ms(arrivals, begin).items()),
    }


def served_in_the_end(stage: Stage, scale: Scale, obeys: str) -> dict:
    command = ["node", str(HERE / "callers.js"), f"{stage.balancer.url}/orders", "free-crowd", str(scale.crowd), obeys]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3 * PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- failover ---------------------------------------------------------------------------------------

CAPACITY = 6000
REFILL = 100  # a second
ROUTES = {"/orders": "closed", "/search": "open", "/feed": "local"}


class Confirmed:
    """When the replica was last known to have all that the primary had granted until then."""

    def __init__(self, primary: RedisServer) -> None:
        self.at = time.time()
        self._client = primary.client()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        """What is written last reaches the replica last."""
        with suppress(redis.RedisError):
            while True:
                now = time.time()
                self._client.set("mark", str(now))
                if self._client.execute_command("WAIT", 1, 200) >= 1:
                    self.at = now
                time.sleep(0.01)

    def end(self) -> float:
        """Only once the primary is gone."""
        self._thread.join()
        self._client.close()
        return self.at


def failover(scale: Scale) -> dict:
    """The primary is killed under load, and the replica takes over, which has heard everything or was deaf a while."""
    return {"scale": asdict(scale), "cases": [kill_the_primary(scale, deaf_s) for deaf_s in scale.deaf_s]}


def kill_the_primary(scale: Scale, deaf_s: float) -> dict:
    """Three routes, each of which does something else until the replica answers."""
    limits = f"TOKENBUCKET {CAPACITY} {REFILL} 1s AS rate"
    callers = {f"free-{what}": path for path, what in ROUTES.items()}
    with Stage(watched=True, LIMIT=REFILL, WINDOW_MS=1000, TIMEOUT_MS=1000) as stage:
        define(stage.primary, "api:free", limits)
        witness = Witness(stage.balancer)
        begin = time.time()
        confirmed = Confirmed(stage.primary)
        with load(stage.balancer, [(path, key) for key, path in callers.items()], scale.connections):
            time.sleep(scale.before_kill_s)
            killed = kill(stage, witness, deaf_s)
            safe = confirmed.end()
            eventually(stage.has_taken_over, "the replica to take over")
            took_over = time.time()
            eventually(lambda: deciding_since(witness.answers(), killed) >= len(stage.nodes), "all nodes to find it")
            time.sleep(scale.after_kill_s)
        answers = witness.answers()
        taker = stage.replicas[0]
        again = first_decision_since(answers, killed + 0.05)
        left = {key: taker.do(f"RL.CHECK api:free FOR {key} COST {CAPACITY} PARTIAL")[0] for key in callers}
        end = time.time()
    return {
        "limits": limits,
        "deaf_s": deaf_s,
        "begin": begin - killed,
        "end": end - killed,
        "allowed": CAPACITY + int(REFILL * (end - begin)),
        "safe": safe - killed,
        "took_over": took_over - killed,
        "decided_again": again - killed,
        "routes": [
            route_of(path, by_key(answers)[key], safe, killed, again) | {"left": left[key]}
            for key, path in callers.items()
        ],
    }


def kill(stage: Stage, witness: Witness, deaf_s: float) -> float:
    """When. A deaf replica has lost its connection, and cannot make another one until the primary is gone, and every
    route was asked while nobody decides.
    """
    if deaf_s:
        stage.replicas[0].pause()
        stage.primary.do("CLIENT KILL TYPE replica")
        time.sleep(deaf_s)
    stage.primary.kill()
    killed = time.time()
    if deaf_s:
        eventually(lambda: helped_itself_since(witness.answers(), killed) == set(ROUTES), "every route to be asked")
        stage.replicas[0].go_on()
    return killed


def helped_itself_since(answers: list[Answer], instant: float) -> set[str]:
    """The routes that answered without the limiter: they let a request through, or say that nobody can be asked."""
    return {
        answer.path
        for answer in answers
        if answer.began > instant and not is_decided(answer) and answer.status in (200, 503)
    }


def is_decided(answer: Answer) -> bool:
    """By the limiter: a route that helps itself names another policy, or none."""
    return answer.status in (200, 429) and answer.fields.startswith('"rate"')


def first_decision_since(answers: list[Answer], instant: float) -> float:
    return min(answer.began for answer in answers if answer.began > instant and is_decided(answer))


def deciding_since(answers: list[Answer], instant: float) -> int:
    return len({answer.node for answer in answers if answer.began > instant and is_decided(answer)})


def route_of(path: str, answers: list[Answer], safe: float, killed: float, again: float) -> dict:
    """Between `killed` and `again` there was nobody to decide."""
    granted = [answer for answer in answers if answer.is_granted]
    decided = [answer for answer in granted if is_decided(answer)]
    # No answer is over before it was decided, and nginx's clock shows whole milliseconds.
    in_doubt = [answer for answer in decided if answer.ended > safe - 0.01 and answer.began < killed + 0.01]
    undecided = [answer for answer in granted if not is_decided(answer)]
    unheard = [each for each in answers if not is_decided(each) and (each.began < killed + 0.01 or each.ended > again)]
    statuses = Counter(str(answer.status) for answer in answers)
    return {
        "path": path,
        "otherwise": ROUTES[path],
        "granted": len(decided),
        "in_doubt": len(in_doubt),
        "undecided": len(undecided),
        "unheard": len(unheard),
        "undecided_from": min((answer.began for answer in undecided), default=killed) - killed,
        "undecided_until": max((answer.ended for answer in undecided), default=killed) - killed,
        "statuses": statuses,
        "series": list(per_100_ms((answer.ended for answer in granted), killed - 1000).items()),
    }


SCENES = {
    "naive-and-shared": naive_and_shared,
    "tiers": tiers,
    "changes": changes,
    "quota": quota,
    "login": login,
    "jitter": jitter,
    "failover": failover,
}
