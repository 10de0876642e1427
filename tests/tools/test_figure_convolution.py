"""The chapter's pictures are those that the script draws, in both themes."""

import pytest

from tools.figures import convolution as figure_convolution


@pytest.mark.parametrize("theme", figure_convolution.THEMES)
@pytest.mark.parametrize("name", figure_convolution.FIGURES)
def test_the_committed_picture_is_up_to_date(name, theme):
    path = figure_convolution.FOLDER / f"convolution-{name}-{theme}.svg"
    drawn = figure_convolution.FIGURES[name](theme)
    assert path.read_text(encoding="utf-8") == drawn, "run python -m tools.figures.convolution"
