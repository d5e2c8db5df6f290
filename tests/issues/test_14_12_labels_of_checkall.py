# SPDX-License-Identifier: MIT
"""Report 14, number 12: the labels of RL.CHECKALL are found in cubic time."""

from __future__ import annotations

from time import perf_counter


def test_eight_times_as_many_limits_take_about_eight_times_as_long(db, clock):
    """64 times as long, where each label is compared with all before it; 512, where that is done once more for each."""
    for number in range(64):
        db.do(f"RL.DEFINE k{number} " + " ".join(["FIXED 1000000000 1d"] * 8))

    def duration(count: int) -> float:
        argv = ["RL.CHECKALL", count, *(f"k{number}" for number in range(count))]
        begin = perf_counter()
        assert db.execute_command(*argv)[:2] == [1, 1_000_000_000]
        return perf_counter() - begin

    durations = [(duration(8), duration(64)) for _ in range(50)]
    few, many = (min(column) for column in zip(*durations))  # a busy machine lengthens some, not all
    assert many < 40 * few


def test_the_labels_are_right(db, clock):
    for number in range(64):
        db.do(f"RL.DEFINE k{number} " + " ".join(f"FIXED {1000 - number * 8 - place} 1d" for place in range(8)))
    reply = db.execute_command("RL.CHECKALL", 64, *(f"k{number}" for number in range(64)), "HEADERS")
    labels = [item.split(";")[0].strip('"') for item in reply[-1][1].split(", ")]
    assert labels == ["fixed", *(f"fixed-{number}" for number in range(2, 513))]
    assert reply[5] == "fixed-512", "the smallest"
