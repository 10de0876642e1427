"""The chapter's picture is the one that the script draws, in both themes."""

import pytest

from tools.figures import sample_metrics as figure


@pytest.mark.parametrize("theme", figure.THEMES)
@pytest.mark.parametrize("name", figure.FIGURES)
def test_the_committed_picture_is_up_to_date(name, theme):
    path = figure.FOLDER / f"sample-metrics-{name}-{theme}.svg"
    drawn = figure.FIGURES[name](theme)
    assert path.read_text(encoding="utf-8") == drawn, "run python -m tools.figures.sample_metrics"


def test_the_picture_shows_high_precision_and_low_recall():
    precision, recall = figure.shares()
    assert (
        len(figure.REAL) == 14 and len(figure.FAKE) == 10 and figure.K == 2
    )  # as the caption says
    assert precision >= 0.9 and recall <= 0.6
    distances = (figure.FAKE[:, None] - figure.REAL).norm(dim=2).amin(dim=1)
    assert distances[7:].min() > 2 * distances[:7].max()  # three are near no real feature
    radii = figure.neighbour_radii(figure.REAL, figure.K).sqrt()
    assert radii.argmax() == 13 and radii[13] > 2 * radii[:13].max()  # the outlier's ball
