"""The page of outcomes is made from the labs."""

from __future__ import annotations

import pytest

from tools.book import outcomes
from tools.common import ROOT, ToolError, Tree, read_yaml

TOC = read_yaml(ROOT / "_toc.yml")


def test_every_lab_of_the_book_tells_what_one_can_do_afterwards():
    text = outcomes.page()
    labs = [name for part in outcomes.PARTS for name in outcomes.labs_of(TOC, part)]
    assert len(labs) == len(set(labs)) == len(Tree().labs())
    for name in labs:
        points = outcomes.outcomes_of(ROOT / "notebooks" / f"{name}.ipynb")
        assert 3 <= len(points) <= 7, name
        assert all(f"- {point}" in text for point in points)
        assert f"(../../notebooks/{name}.ipynb)" in text
    assert "not measured" not in text


def test_a_lab_without_outcomes_is_a_fault():
    with pytest.raises(ToolError, match="Afterwards you can"):
        outcomes.outcomes_of(ROOT / "notebooks" / "00-start.ipynb")
