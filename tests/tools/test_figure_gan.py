"""The chapter's pictures are those that the script draws, in both themes."""

import pytest

from tools.figures import gan as figure_gan


@pytest.mark.parametrize("theme", figure_gan.THEMES)
@pytest.mark.parametrize("name", figure_gan.FIGURES)
def test_the_committed_picture_is_up_to_date(name, theme):
    path = figure_gan.FOLDER / f"gan-{name}-{theme}.svg"
    drawn = figure_gan.FIGURES[name](theme)
    assert path.read_text(encoding="utf-8") == drawn, "run python -m tools.figures.gan"
