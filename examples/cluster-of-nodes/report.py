# SPDX-License-Identifier: MIT
"""What was measured, for people: a page of Markdown for each scene, and its pictures, drawn by gnuplot."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from servers import HERE, NODES, SERVER, nginx

Rows = list[list[object]]


def table(head: list[str], rows: Rows, align: str = "") -> str:
    """`align` has a letter for each column: l or r."""
    rules = ["---:" if letter == "r" else "---" for letter in align.ljust(len(head), "l")]
    lines = [head, rules, *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def number(value: float) -> str:
    return f"{value:,.0f}"


def spread(values: list[int]) -> str:
    """Of several callers."""
    least, most = min(values), max(values)
    return number(most) if least == most else f"{number(least)} to {number(most)}"


def code(text: str) -> str:
    return f"`{text}`"


def draw(kind: str, picture: Path, plots: list[tuple[str, list]], **settings: float) -> str:
    """The Markdown that shows it. A plot is a title and its points."""
    data = picture.with_suffix(".data")
    blocks = ["\n".join(f"{x}\t{y}" for x, y in points) for _, points in plots]
    data.write_text("\n\n\n".join(blocks) + "\n")
    words = [f"data='{data}'; picture='{picture}'; count={len(plots)}; array title[{len(plots)}]"]
    words += [f"title[{i + 1}] = '{title}'" for i, (title, _) in enumerate(plots)]
    words += [f"{name}={value}" for name, value in settings.items()]
    done = subprocess.run(["gnuplot", "-e", "; ".join(words), str(HERE / f"{kind}.gp")], capture_output=True, text=True)
    data.unlink()
    assert done.returncode == 0, done.stderr
    return f"![{picture.stem.replace('-', ' ')}]({picture.name})"


# --- the scenes -------------------------------------------------------------------------------------

LIMITERS = {
    "naive": f"a counter in each of {NODES} nodes",
    "fixed": "shared, window of the clock",
    "bucket": "shared, bucket",
    "log": "shared, exact log",
}


def naive_and_shared(data: dict, folder: Path) -> str:
    scale = data["scale"]
    rows = []
    for limiter in data["limiters"]:
        over = max(limiter["together"]) / limiter["allowed"]
        limits = limiter["limits"] or f"{scale['limit']} a window of {scale['window_s']} s"
        cells = [LIMITERS[limiter["name"]], code(limits) if limiter["limits"] else limits]
        cells += [number(limiter["requests"]), *(spread(limiter[part]) for part in ("before", "after", "together"))]
        rows.append([*cells, number(limiter["allowed"]), f"{over:.2f}"])
    head = ["limiter", "limits", "requests", "answered before the edge", "sent after it"]
    head += ["together", "allowed", "ratio"]
    plots = [(LIMITERS[each["name"]], stairs(each["series"], each["end"])) for each in data["limiters"]]
    picture = draw("stairs", folder / "admitted.svg", plots, limit=scale["limit"])
    about = f"Per caller, of {scale['callers']} callers on {scale['connections']} connections:"
    return f"## Naive and shared\n\n{about}\n\n{table(head, rows, 'llrrrrrr')}\n\n{picture}\n"


def stairs(series: list, end: float) -> list:
    """Kept to the end of the load, also if nothing was admitted any more."""
    return [(series[0][0] - 0.1, 0), *series, (round(end, 1), series[-1][1])]


def tiers(data: dict, folder: Path) -> str:
    rows = []
    for tier in data["tiers"]:
        cells = [code(f"api:{tier['tier']}"), code(tier["limits"]), spread(tier["admitted"]), number(tier["allowed"])]
        rows.append(cells)
    text = table(["limiter", "limits", "admitted per caller", "allowed"], rows, "llrr")
    about = f"Per caller, {data['seconds']:.1f} s, both under the same load:"
    return f"## Tiers\n\n{about}\n\n{text}\n\n## A refusal\n\n```http\n{data['refused']}\n```\n"


def changes(data: dict, folder: Path) -> str:
    slow, fast = data["stored"]
    low, high = code(data["low"]), code(data["high"])
    rows = [
        ["lowered, and raised again", len(slow["changes"]), spread(slow["admitted"]), slow["allowed"], slow["anew"]],
        ["the same, again and again", len(fast["changes"]), spread(fast["admitted"]), fast["allowed"], fast["anew"]],
    ]
    head = ["the plan is", "changes", "admitted per caller", "allowed", "if each change began anew"]
    text = f"## Changes\n\nBetween {high} and {low}, {slow['seconds']:.1f} s and {fast['seconds']:.1f} s:\n\n"
    text += table(head, rows, "lrrrr") + "\n\n"
    lines = [("allowed", slow["line"]), ("admitted per caller", stairs(slow["series"], slow["seconds"]))]
    lowered, raised = slow["changes"]
    text += draw("plan", folder / "plan.svg", lines, lowered=lowered, raised=raised) + "\n"
    rows = [
        [code(each["old"]), code(each["new"]), spread(each["admitted"]), spread(each["by_new"])]
        + [each["allowed"], each["allowed_new"], each["apart"]]
        for each in data["deployed"]
    ]
    head = ["two old instances name", "one new instance names", "admitted per caller", "of these by the new one"]
    head += ["allowed by the larger", "by the new one alone", "if each counted for itself"]
    about = f"Old and new instances side by side, {data['deployed'][0]['seconds']:.1f} s:"
    return f"{text}\n## Deployment\n\n{about}\n\n{table(head, rows, 'llrrrrr')}\n"


def quota(data: dict, folder: Path) -> str:
    rows = []
    for tier in data["tiers"]:
        refused = [tier["refused_by"].get(label, 0) for label in ("rate", "daily")]
        retry = number(tier["retry_after"]) if "retry_after" in tier else ""
        rows.append([code(tier["limits"]), tier["requests"], tier["admitted"], *refused, retry])
    head = ["limits", "requests", "admitted", "refused by the rate", "by the quota", "Retry-After"]
    held = data["tiers"][0]
    fields = f"RateLimit-Policy: {held['policy']}\nRateLimit: {held['ratelimit']}\nRetry-After: {held['retry_after']}"
    about = f"A request every {data['pause'] * 1000:.0f} ms, half of the rate:"
    after = f"The first refusal, {held['to_midnight'][1]:,.1f} s before midnight UTC:"
    return f"## Quota\n\n{about}\n\n{table(head, rows, 'lrrrrr')}\n\n{after}\n\n```http\n{fields}\n```\n"


def login(data: dict, folder: Path) -> str:
    rows = [
        [code(each["limits"]), number(each["attempts"]), len(each["admitted_at"]), each["most_in_a_window"]]
        for each in data["tried"]
    ]
    head = ["limits", "tries", "admitted", f"most within {data['window_s']} s"]
    weighed = [[number(each["limit"]), number(each["log"]), number(each["bucket"])] for each in data["bytes"]]
    bytes_head = ["limit a minute, all used", "`SLIDING`, bytes a key", "`TOKENBUCKET`, bytes a key"]
    about = f"Passwords tried for {data['tried'][0]['seconds']:.1f} s, on three connections:"
    return f"## Login\n\n{about}\n\n{table(head, rows, 'lrrr')}\n\n## Bytes\n\n{table(bytes_head, weighed, 'rrr')}\n"


OBEYS = {"retry-after": "`Retry-After`", "wait_ms": "`wait_ms`"}


def jitter(data: dict, folder: Path) -> str:
    crowd, rows, plots = data["scale"]["crowd"], [], []
    for each in data["crowds"]:
        told = each["toldAtFirst"].values()
        figures = [sum(told), max(told), each["fullest"], each["requests"]]
        cells = [code(each["limits"]), each["jitter"] or "none", OBEYS[each["obeys"]], *map(number, figures)]
        rows.append([*cells, f"{each['seconds']:.1f} s"])
        jittered = f"JITTER {each['jitter']}" if each["jitter"] else "no jitter"
        plots.append((f"{each['limits']}, {jittered}, obeying {OBEYS[each['obeys']].strip('`')}", each["arrivals"]))
    head = ["limits", "jitter", "callers obey", "refused at first", "most told the same 100 ms", "most back in 100 ms"]
    head += ["requests in all", "all served after"]
    picture = draw("waves", folder / "returns.svg", plots)
    about = f"{number(crowd)} callers at once, of whom {number(data['scale']['crowd_rate'])} a second can be served:"
    return f"## Jitter\n\n{about}\n\n{table(head, rows, 'lllrrrrr')}\n\n{picture}\n"


def failover(data: dict, folder: Path) -> str:
    parts = ["## Failover\n"]
    for case in data["cases"]:
        heard = f"had heard nothing for {case['deaf_s']:.1f} s" if case["deaf_s"] else "heard what the primary sent"
        parts.append(
            f"The replica {heard}; the first decision came {case['decided_again']:.1f} s after the kill. "
            f"`{case['limits']}`, a caller for each route, {case['end'] - case['begin']:.1f} s:\n"
        )
        rows = [route_row(route, case["allowed"]) for route in case["routes"]]
        head = ["route, while nobody answers", "granted", "left at the end", "sum", "allowed", "in doubt"]
        parts.append(table([*head, "let through besides", "503"], rows, "lrrrrrrr") + "\n")
    case = data["cases"][0]
    plots = [(f"{route['path']}: {route['otherwise']}", tenths(route["series"])) for route in case["routes"]]
    parts.append(draw("gap", folder / "failover.svg", plots) + "\n")
    return "\n".join(parts)


def route_row(route: dict, allowed: int) -> list:
    cells = [f"`{route['path']}`: {route['otherwise']}"]
    figures = [route["granted"], route["left"], route["granted"] + route["left"], allowed, route["in_doubt"]]
    return cells + [number(figure) for figure in [*figures, route["undecided"], route["statuses"].get("503", 0)]]


def tenths(series: list) -> list:
    """Seconds since the kill; what was admitted in none of a tenth is 0."""
    count = dict(series)
    return [(round(i / 10 - 1000, 1), count.get(i, 0)) for i in range(min(count), max(count) + 1)]


PAGES = {
    "naive-and-shared": naive_and_shared,
    "tiers": tiers,
    "changes": changes,
    "quota": quota,
    "login": login,
    "jitter": jitter,
    "failover": failover,
}


def about(today: str) -> str:
    """With what it was run."""
    libraries = [f"{name} {version_of_library(name)}" for name in ("express", "ioredis")]
    programs = [first_line(SERVER, "--version").split(" sha=")[0], f"Node.js {first_line('node', '--version')}"]
    programs += [first_line(*nginx(), "-v").removeprefix("nginx version: ")]
    return f"## About\n\n{today}, {os.cpu_count()} cores: {', '.join([*programs, *libraries])}.\n"


def first_line(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return done.stdout.partition("\n")[0]


def version_of_library(name: str) -> str:
    for folder in os.environ.get("NODE_PATH", "").split(os.pathsep):
        file = Path(folder) / name / "package.json"
        if folder and file.exists():
            return json.loads(file.read_text())["version"]
    return "of an unknown version"


def in_short(results: dict[str, dict]) -> str:
    """The few figures that a reader in a hurry wants."""
    naive, _, bucket, _ = results["naive-and-shared"]["limiters"]
    worst, best = results["jitter"]["crowds"][0], results["jitter"]["crowds"][-1]
    heard = results["failover"]["cases"][0]
    admitted = max(route["granted"] + route["left"] for route in heard["routes"])
    rows = [
        [f"{LIMITERS['naive']}, two windows", max(naive["together"]), naive["allowed"]],
        [f"`RL.CHECK` by all of them, {code(bucket['limits'])}", max(bucket["together"]), bucket["allowed"]],
        [f"the same with {code(heard['limits'])}, the primary killed", *map(number, (admitted, heard["allowed"]))],
    ]
    refused = sum(worst["toldAtFirst"].values())
    returns = (
        f"{number(refused)} refused callers: at most {worst['fullest']} come back within 100 ms "
        f"with a window of the clock, {best['fullest']} with a bucket and jitter."
    )
    return f"## In short\n\n{table(['', 'admitted per caller', 'allowed'], rows, 'lrr')}\n\n{returns}\n"
