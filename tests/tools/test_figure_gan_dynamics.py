"""The chapter's pictures are those that the script draws, and show what the chapter says."""

import pytest

from tools.figures import gan_dynamics as figure


@pytest.mark.parametrize("theme", figure.THEMES)
@pytest.mark.parametrize("name", figure.FIGURES)
def test_the_committed_picture_is_up_to_date(name, theme):
    path = figure.FOLDER / f"gan-dynamics-{name}-{theme}.svg"
    drawn = figure.FIGURES[name](theme)
    assert path.read_text(encoding="utf-8") == drawn, "run python -m tools.figures.gan_dynamics"


def test_the_paths_stay_in_their_panels_and_do_what_is_said():
    circle, out, ellipse, home = (path.norm(dim=1) for path in figure.played().values())
    assert max(radius.max() for radius in (circle, out, ellipse, home)) < figure.REACH
    start = circle[0].item()
    assert circle.min().item() == pytest.approx(start, rel=1e-3)
    assert (out.diff() > 0).all()
    assert ellipse.min() > 0.8 * start and ellipse.max() < 1.2 * start
    assert home[-1] < 0.1 * start
