"""The chapter's pictures are those that the script draws, in both themes."""

import pytest

from tools.figures import deeplab as figure_deeplab


@pytest.mark.parametrize("theme", figure_deeplab.THEMES)
@pytest.mark.parametrize("name", figure_deeplab.FIGURES)
def test_the_committed_picture_is_up_to_date(name, theme):
    path = figure_deeplab.FOLDER / f"deeplab-{name}-{theme}.svg"
    drawn = figure_deeplab.FIGURES[name](theme)
    assert path.read_text(encoding="utf-8") == drawn, "run python -m tools.figures.deeplab"
