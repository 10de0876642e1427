"""The chapter's pictures are those that the script draws, and its plan is a cheapest one."""

import pytest
from scipy.stats import wasserstein_distance

from tools.figures import wasserstein as figure


@pytest.mark.parametrize("theme", figure.THEMES)
@pytest.mark.parametrize("name", figure.FIGURES)
def test_the_committed_picture_is_up_to_date(name, theme):
    path = figure.FOLDER / f"wasserstein-{name}-{theme}.svg"
    drawn = figure.FIGURES[name](theme)
    assert path.read_text(encoding="utf-8") == drawn, "run python -m tools.figures.wasserstein"


@pytest.mark.parametrize(
    ("fake", "real"),
    [(figure.FAKE, figure.REAL), (figure.REAL, figure.FAKE), ((1.0, 0.0), (0.0, 1.0))],
)
def test_the_plan_is_a_cheapest_one(fake, real):
    moves = figure.plan(fake, real)
    bins = range(len(fake))
    for k in bins:
        assert sum(m for i, _, m in moves if i == k) == pytest.approx(fake[k])
        assert sum(m for _, j, m in moves if j == k) == pytest.approx(real[k])
    work = sum(m * abs(i - j) for i, j, m in moves)
    assert work == pytest.approx(wasserstein_distance(bins, bins, fake, real))
