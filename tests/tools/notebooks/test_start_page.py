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
