"""The chapter's pictures are those that the script draws, in both themes, and show what is said."""

import re

import pytest

from tools.figures import stylegan as figure_stylegan


def rounded(svg: str) -> list[str | float]:
    """The text with every number by itself, so that the last digit of a measurement may differ."""
    parts = re.split(r"(-?\d+\.?\d*)", svg)
    return [float(part) if i % 2 else part for i, part in enumerate(parts)]


@pytest.mark.parametrize("theme", figure_stylegan.THEMES)
@pytest.mark.parametrize("name", figure_stylegan.FIGURES)
def test_the_committed_picture_is_up_to_date(name, theme):
    path = figure_stylegan.FOLDER / f"stylegan-{name}-{theme}.svg"
    drawn = rounded(figure_stylegan.FIGURES[name](theme))
    committed = rounded(path.read_text(encoding="utf-8"))
    assert len(committed) == len(drawn), "run python -m tools.figures.stylegan"
    for old, new in zip(committed, drawn, strict=True):
        same = old == new if isinstance(old, str) else abs(old - new) < 1
        assert same, "run python -m tools.figures.stylegan"


def test_the_curves_are_as_the_page_describes_them():
    found = figure_stylegan.sizes()
    bounded = [value for row in found["with"] for value in row]
    assert min(bounded) > 0.1 and max(bounded) < 3
    widths = [row[-1] / row[0] for row in found["without"]]
    assert widths[-1] > 1000 and widths[-1] > 10 * (found["with"][-1][-1] / found["with"][-1][0])
    assert min(found["without"][-1]) < 0.1 and 300 < max(found["without"][-1]) < 3000
    medians = {name: [row[len(row) // 2] for row in rows] for name, rows in found.items()}
    assert 0.3 < medians["with"][-1] < 0.5 < 0.8 < medians["with"][0] < 1
    assert min(medians["without"]) > 1 and medians["without"][-1] > 5
