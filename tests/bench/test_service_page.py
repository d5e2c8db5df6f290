# SPDX-License-Identifier: MIT
"""What bench/service calculates from its rows, here with made-up ones."""

from __future__ import annotations

import service_page
from doors import Load
from service_page import Row, added_us, page, ratio


def row(title: str, door: str, *rates: float, p50_ms: float = 1.0, p99_ms: float = 2.0, late_ms: float = 0.0) -> Row:
    loads = [Load(rate, p50_ms, p99_ms, late_ms, all_calls=10, processor_us=40.0) for rate in rates]
    return Row(title, door, asked=None, amounts={}, loads=loads, memory_mb=14.2)


def rows() -> dict[str, Row]:
    made = {"bare": row("bare", "redis", 40_000, 20_000, 10_000), "http": row("http", "http", 20_000, 15_000, 2_500)}
    made |= {"grpc": row("grpc", "grpc", 10_000, 5_000, 2_500), "leases": row("leases", "http", 40_000, 20_000, 10_000)}
    for kind in ("paced", "alone"):
        made[f"bare {kind}"] = row(f"bare {kind}", "redis", 5_000, p50_ms=0.1, p99_ms=0.2)
        made[f"http {kind}"] = row(f"http {kind}", "http", 5_000, p50_ms=0.2, p99_ms=0.5)
        made[f"grpc {kind}"] = row(f"grpc {kind}", "grpc", 5_000, p50_ms=0.3, p99_ms=0.9, late_ms=0.25)
    return made


def test_a_ratio_is_that_of_a_round_and_not_of_two_medians():
    # Each round by itself: 0.5, 0.75, 0.25. The quotient of the medians would be 0.75.
    assert ratio(rows()["http"], rows()["bare"]) == 0.5


def test_what_is_added_is_that_of_a_round():
    one = row("one", "http", 1, 1, 1)
    bare = row("bare", "redis", 1, 1, 1)
    for load, p50_ms in zip(range(3), (0.1, 0.9, 0.5)):
        bare.loads[load] = Load(1, p50_ms, 1.0, 0, 1)
    assert round(added_us(one, bare, "p50_ms")) == 500


def test_a_line_has_the_cost_of_the_service_and_that_of_the_bare_command_has_none():
    assert rows()["http"].line() == "| http | 15,000 | 1.00 | 2.00 | 40 | 14 |"
    assert rows()["bare"].line() == "| bare | 20,000 | 1.00 | 2.00 |  |  |"


def test_the_page_says_what_each_door_adds():
    text = "\n".join(page(rows(), leased=0.951, busy=1.0))
    assert "HTTP has 0.50, gRPC has 0.25, and HTTP with leases 1.00" in text and "95.1%" in text
    assert f"At {service_page.RATE:,} checks a second, HTTP adds 100 µs to the median and 300 µs to the p99;" in text
    assert "gRPC adds 200 µs to the median and 700 µs to the p99" in text
    assert "added to the median: HTTP 100 µs, gRPC 200 µs" in text
    assert "25,000 by HTTP, 25,000 by gRPC" in text and "at most 0.25 ms late" in text
