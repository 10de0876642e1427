"""The pictures of the chapters on losses and metrics are those that the script draws."""

import pytest

from tools.figures import judging as figure_judging


@pytest.mark.parametrize("theme", figure_judging.THEMES)
@pytest.mark.parametrize("name", figure_judging.FIGURES)
def test_the_committed_picture_is_up_to_date(name, theme):
    path = figure_judging.FOLDER / f"{name}-{theme}.svg"
    drawn = figure_judging.FIGURES[name](theme)
    assert path.read_text(encoding="utf-8") == drawn, "run python -m tools.figures.judging"


def test_the_curves_are_what_the_caption_says():
    """Cross-entropy pulls a certain mistake hardest; Dice does not pull it at all."""
    entropy, focal, dice = (figure_judging.pulls(n) for n in ("cross-entropy", "focal", "dice"))
    assert entropy[0] == 1 and entropy[-1] < 0.01
    assert focal[0] > 0.7 and focal[30] < 0.3 * entropy[30]
    assert dice[0] < 0.01 and dice[-1] < 0.01 and 15 < dice.index(1) < 25
