"""The first notebook lists every lab in the book's order, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

from tools.common import ToolError, Tree, read, read_yaml
from tools.notebooks import start_page


def listed() -> list[str]:
    text = "\n".join(cell.source for cell in read(Tree().start).cells)
    return re.findall(r"^\| \d+ \| \[[^\]]+\]\(([\w-]+)\.ipynb\)", text, re.MULTILINE)


def test_all_labs_in_the_order_of_the_book():
    toc = str(read_yaml(Tree().root / "_toc.yml"))
    assert listed() == re.findall(r"notebooks/([\w-]+)", toc)
    assert set(listed()) == {path.stem for path in Tree().labs()}


def test_every_link_leads_to_a_file():
    links = re.findall(r"\]\(([^)]+)\)", "".join(cell.source for cell in read(Tree().start).cells))
    missing = [link for link in links if not (Tree().notebooks / link).is_file()]
    assert not missing
    practice = {path.relative_to(Tree().notebooks).as_posix() for path in Tree().practices()}
    assert practice <= set(links), "an exercise is not named"


def test_a_lab_in_no_part_is_an_error(tmp_path: Path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "lost.ipynb").write_text("{}")
    (tmp_path / "_toc.yml").write_text("parts:\n  - caption: One\n    chapters: []\n")
    with pytest.raises(ToolError, match="lists no lab lost"):
        start_page.page(Tree(tmp_path))


def test_a_table_s_line_has_six_columns():
    for cell in read(Tree().start).cells:
        lines = [line for line in cell.source.splitlines() if line.startswith("|")]
        assert {line.count("|") for line in lines} <= {7}


def needs() -> dict[str, list[str]]:
    """Each lab and the labs of its last column."""
    lines = "\n".join(cell.source for cell in read(Tree().start).cells).splitlines()
    rows = [line.split("|") for line in lines if re.match(r"\| \d+ \|", line)]
    link = re.compile(r"\(([\w-]+)\.ipynb\)")
    return {link.findall(row[2])[0]: link.findall(row[6]) for row in rows}


def test_no_lab_needs_a_later_one():
    order = listed()
    for lab, wanted in needs().items():
        assert all(order.index(name) < order.index(lab) for name in wanted), lab
    assert needs()["mask-rcnn"] == ["unet"], "what follows the first sentence is no condition"
    assert needs()["judging-objects"] == ["judging", "after-the-network"]


def test_a_lab_that_needs_a_later_one_is_an_error():
    order = listed()
    path = Tree().notebooks / "judging-objects.ipynb"
    with pytest.raises(ToolError, match=r"needs .*after-the-network.ipynb, which .* later"):
        start_page.row(1 + order.index("mask-rcnn"), path, Tree())
