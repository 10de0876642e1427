"""The plans for a class: what a lab asks for comes before it, and what is handed in was taught."""

from __future__ import annotations

import re

import pytest

from tools.common import ROOT, read
from tools.notebooks.start_page import CLAUSE, LINK

SYLLABUS = (ROOT / "book" / "teach" / "syllabus.md").read_text("utf-8")
LAB = re.compile(r"notebooks/([\w-]+)>")
PLANS = ("Twelve weeks", "Six weeks")


def labs(plan: str) -> list[str]:
    """The labs of a plan, in its order."""
    text = SYLLABUS.split(f"## {plan}\n")[1].split("```\n")[0]
    found = []
    for week in text.split("\n* - ")[2:]:
        # What is done at home before the meeting stands after it.
        meeting, _, home = week.split("\n  - ")[2].partition("; before it, at home")
        found += LAB.findall(home) + LAB.findall(meeting)
    return found


def needs(lab: str) -> list[str]:
    """The labs that a lab says one needs before it."""
    cells = read(ROOT / "notebooks" / f"{lab}.ipynb").cells
    lines = [line for cell in cells for line in cell.source.splitlines()]
    line = next(line for line in lines if line.startswith("You need"))
    return [name.removesuffix(".ipynb") for name in LINK.findall(CLAUSE.split(line)[0])]


@pytest.mark.parametrize("plan", PLANS)
def test_a_lab_comes_after_those_that_it_needs(plan: str) -> None:
    order = labs(plan)
    assert len(order) >= 6
    for place, lab in enumerate(order):
        assert set(needs(lab)) <= set(order[:place]), f"{lab} comes too early"


@pytest.mark.parametrize("plan", PLANS)
def test_the_penalty_is_read_before_it_is_asked_for(plan: str) -> None:
    text = SYLLABUS.split(f"## {plan}\n")[1].split("```\n")[0]
    assert text.index("math/wasserstein") < text.index("set `generation`")


def test_the_glossary_is_in_alphabetical_order() -> None:
    text = (ROOT / "book" / "glossary.md").read_text("utf-8")
    terms = re.findall(r"(?:^|\n\n|\}\n)(\S[^\n]*)\n  \{zh\}", text)
    assert len(terms) > 140
    keys = [re.sub(r"[^a-z0-9 ]", "", term.lower()) for term in terms]
    assert keys == sorted(keys)
