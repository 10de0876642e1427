"""Costs: what the header states, and the limit of three times that."""

from __future__ import annotations

import pytest

from tools.common import ToolError, read
from tools.notebooks import commands as notebooks
from tools.notebooks import cost

MEASURED = {
    "seconds": 42.0,
    "cpu_seconds": 60.0,
    "peak_mb": 812,
    "gpu_peak_mb": 0,
    "device": "x86_64",
    "cores": 2,
    "system": "Linux",
    "date": "2026-11-21",
    "versions": {"python": "3.11.7", "torch": "2.15.0"},
}


@pytest.fixture
def lab(checkout):
    path = checkout.lab("lab", course={"download": "nothing; CIFAR-10 if asked (163 MB)"})
    cost.store({"lab": MEASURED}, "quick", checkout.tree)
    return path


def test_header(checkout, lab):
    text = cost.header("lab", read(lab), checkout.tree)
    assert "| Time | about 1 minute | not measured yet |" in text
    assert "| Memory | 0.9 GB | not measured yet |" in text
    assert "CIFAR-10 if asked" in text


def test_header_with_a_gpu(checkout, lab):
    measured = {**MEASURED, "seconds": 601, "gpu_peak_mb": 2310}
    cost.store({"lab": measured}, "full", checkout.tree)
    text = cost.header("lab", read(lab), checkout.tree)
    assert "about 11 minutes" in text
    assert "0.9 GB, and 2.4 GB on the GPU" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": 2000.0, "cpu_seconds": 179.0, "peak_mb": 2690}, None),  # a busy machine
        ({"cpu_seconds": 181.0}, "took 3.0 minutes of a processor; it was measured with 1.0"),
        ({"peak_mb": 2710}, "needed 2.7 GB of memory; the header states 0.9 GB"),
    ],
)
def test_more_than_three_times_fails(checkout, lab, change, message):
    problems = cost.excess({"lab": {**MEASURED, **change}}, "quick", checkout.tree)
    assert problems == [] if message is None else message in problems[0]


def test_a_slower_machine_can_say_so(checkout, lab, monkeypatch):
    slow = {"lab": {**MEASURED, "cpu_seconds": 350.0}}
    assert cost.excess(slow, "quick", checkout.tree)
    monkeypatch.setenv("COURSE_SLOWER", "2")
    assert not cost.excess(slow, "quick", checkout.tree)
    monkeypatch.setenv("COURSE_SLOWER", "fast")
    with pytest.raises(ToolError, match="COURSE_SLOWER is 'fast', wanted a positive number"):
        cost.excess(slow, "quick", checkout.tree)


def test_where_all_labs_take_longer_the_machine_is_slow_and_one_dear_lab_stands_out(checkout):
    for name in "abcdef":
        checkout.lab(name)
        cost.store({name: MEASURED}, "quick", checkout.tree)
    slow = {name: {**MEASURED, "cpu_seconds": 270.0} for name in "abcdef"}
    assert not cost.excess(slow, "quick", checkout.tree)
    assert len(cost.excess(dict(list(slow.items())[:4]), "quick", checkout.tree)) == 4  # too few
    slow["c"]["cpu_seconds"] = 3.1 * 270
    (problem,) = cost.excess(slow, "quick", checkout.tree)
    assert problem.startswith("c (quick) took")


def test_where_all_labs_have_become_far_dearer_all_are_named(checkout):
    for name in "abcdef":
        checkout.lab(name)
        cost.store({name: MEASURED}, "quick", checkout.tree)
    seconds = 1.01 * cost.FACTOR * cost.SLOWEST * MEASURED["cpu_seconds"]
    dear = {name: {**MEASURED, "cpu_seconds": seconds} for name in "abcdef"}
    assert len(cost.excess(dear, "quick", checkout.tree)) == 6


def test_a_fresh_execution_that_costs_too_much_fails(checkout, cells):
    checkout.lab("lab", cells.code("say", "print(1)"))
    tiny = {**MEASURED, "peak_mb": 1}  # 0.1 GB stated
    cost.store({"lab": tiny}, "smoke", checkout.tree)
    heavy = cells.code("heavy", "block = bytearray(400_000_000)")
    checkout.lab("lab", heavy)
    with pytest.raises(ToolError, match="of memory; the header states 0.1 GB"):
        notebooks.execute("smoke", tree=checkout.tree)


def test_sync_writes_the_header_and_is_then_quiet(checkout, lab):
    assert notebooks.sync(checkout.tree, check=True)
    notebooks.sync(checkout.tree)
    assert notebooks.sync(checkout.tree, check=True) == []
    assert "about 1 minute" in lab.read_text()
    assert notebooks.problems_of_sources(checkout.tree) == []


def test_a_notebook_that_is_gone_is_forgotten(checkout, lab):
    cost.store({"gone": MEASURED}, "quick", checkout.tree)
    assert set(cost.stored(checkout.tree)) == {"lab"}


def test_status(checkout, lab):
    text = cost.status({"lab": MEASURED, "exercises/double": MEASURED}, checkout.tree)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows[0].startswith("| `lab` | 2026-11-21 | 42 s | 1 min | 0.8 GB | 0.9 GB |")
    assert "exercises/double" in rows[1]
    assert "| torch | 2.15.0 |" in text
    assert "not in this build" in cost.status({}, checkout.tree)
