"""The comparison's charts are those that the results give, and react to what is measured."""

from pathlib import Path

import pytest

from course_lib.data.scenes.streets.scene import CLASSES
from course_lib.results.files import store
from tools.figures import comparison as figures


@pytest.mark.parametrize("theme", figures.THEMES)
@pytest.mark.parametrize("name", figures.CHARTS)
def test_the_committed_chart_is_up_to_date(name: str, theme: str) -> None:
    path = figures.FOLDER / f"comparison-{name}-{theme}.svg"
    drawn = figures.CHARTS[name](theme)
    assert path.read_text(encoding="utf-8") == drawn, "run python -m tools.figures.comparison"


@pytest.mark.parametrize("name", figures.CHARTS)
def test_without_results_a_chart_says_so(name: str, tmp_path: Path) -> None:
    assert figures.NOTHING in figures.CHARTS[name]("light", tmp_path)


def measured(folder: Path, claim: str, metrics: dict[str, float]) -> None:
    runs = [
        {"seed": seed, "metrics": {k: v + 0.01 * seed for k, v in metrics.items()}, "seconds": 1}
        for seed in range(3)
    ]
    store({"claim": claim, "title": claim, "runs": runs}, folder)


def test_a_result_appears_at_its_place(tmp_path: Path) -> None:
    metrics = {"test_mean_iou": 0.5}
    metrics |= {f"test_{condition}_mean_iou": 0.4 for condition in figures.SHIFTS}
    metrics |= {f"iou_{label.replace(' ', '_')}": 0.5 for label in CLASSES}
    measured(tmp_path, "compare-streets-unet", metrics)
    measured(tmp_path, "unet-streets-96-images", metrics)
    measured(tmp_path, "segmentation-compute", {"unet_multiply_adds": 400e6})
    for draw in figures.CHARTS.values():
        chart = draw("dark", tmp_path)
        assert figures.NOTHING not in chart
        assert "U-Net" in chart and "FCN-8s" not in chart
        assert "<circle" in chart
    axis = figures.Axis(0, 1, figures.HEIGHT - figures.BOTTOM, figures.TOP)
    place = f'cy="{axis(0.51):.1f}"'  # the mean of 0.50, 0.51 and 0.52
    assert place in figures.data_efficiency("light", tmp_path)


def test_logarithmic_axes_put_equal_factors_at_equal_distances() -> None:
    axis = figures.Axis(1, 16, 0, 100, log=True)
    assert [axis(v) for v in (1, 2, 4, 16)] == pytest.approx([0, 25, 50, 100])


def test_the_worst_scenes_are_drawn_for_each_network() -> None:
    from tools.figures.failures import WORST, draw_failures

    figure = draw_failures(["unet-streets"], num=WORST + 1)
    assert len(figure.axes) == WORST * 3  # input, truth, one network
    titles = [text.get_text() for text in figure.texts]
    assert "truth" in titles
    above = [t for t in titles if t and t[:5] not in ("scene", "truth")]
    scores = [float(t.removeprefix("UNet\n")) for t in above]
    assert len(scores) == WORST
    assert scores == sorted(scores)  # the worst one first
