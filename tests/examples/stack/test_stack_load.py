# SPDX-License-Identifier: MIT
"""The arithmetic of examples/stack/load: what a plan allows, also while it changes."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys

import pytest

from harness import output_of
from stack_run import EXAMPLE

sys.path.insert(0, str(EXAMPLE))

import parts  # noqa: E402


@pytest.fixture(scope="module")
def program():
    loader = importlib.machinery.SourceFileLoader("load_of_the_stack", str(EXAMPLE / "load"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module  # its data classes look for themselves there
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("limits", "bucket"),
    [
        ("TOKENBUCKET 20 10 1s AS rate", (20, 10)),
        ("TOKENBUCKET 5 30 1m", (5, 0.5)),
        ("TOKENBUCKET 1 1 100ms", (1, 10)),
        ("FIXED 5 1m", None),
        ("TOKENBUCKET 20 10 1s AS rate QUOTA 1000 DAY AS daily", None),
    ],
)
def test_a_bucket_is_read_and_other_limits_are_not_guessed(program, limits, bucket):
    found = program.bucket_of(limits)
    assert (found and (found.capacity, found.a_second)) == bucket


def test_a_bucket_allows_its_size_and_what_flows_back(program):
    plan = program.Plan("api", [(0, "TOKENBUCKET 20 10 1s"), (9, "TOKENBUCKET 20 10 1s")])
    assert plan.allows(1, 1) == 20
    assert plan.allows(1, 3.25) == 20 + 22
    assert plan.allows(-1, 11) == 20 + 120


def test_around_a_change_the_more_generous_limits_count(program):
    plan = program.Plan("api", [(at, f"TOKENBUCKET {'20 10' if at < 4 else '40 30'} 1s") for at in range(9)])
    assert plan.allows(0, 4) == 40 + 10 * 3 + 30 * 1, "between 3 and 4 it may have changed"
    assert plan.allows(5, 7) == 40 + 30 * 2
    assert len(plan.changes()) == 2


def test_what_other_limits_allow_is_not_told(program):
    assert program.Plan("api", [(0, "FIXED 5 1m")]).allows(0, 1) is None


def test_counters_that_began_anew_are_not_compared(program):
    assert program.Plan("api", counts=[5, 9, 1009]).granted() == "1,004"
    assert program.Plan("api", counts=[5, 9, 0, 12]).granted().startswith("not known")


def test_the_help_is_the_head_of_the_file(program):
    assert program.__doc__.strip() in output_of(EXAMPLE / "load", "--help")


def test_the_page_has_the_table_and_the_ports_of_the_programs(program, capsys):
    page = (EXAMPLE / "README.md").read_text()
    plans = {name: program.Plan(name, [(0, "TOKENBUCKET 20 10 1s")], [0]) for name in ("api:free", "api:paid")}
    program.report({}, plans, begin=0)
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("customer", "plan "))]
    assert len(heads) == 2 and all(line in page for line in heads)
    ports = {name: str(7000 + number) for number, name in enumerate(parts.WITH_PORTS)}
    assert f"load --front {ports['nginx']} --primary {ports['primary']}" in page
    assert f"http://127.0.0.1:{ports['prometheus']}/" in page
    assert f"redis-cli -p {ports['replica']} RL.INFO" in page
