"""The charts and sheets of the generators' comparison: what is measured appears at its place."""

from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib import data
from course_lib.models import DCGANGenerator
from course_lib.results.record import store
from course_lib.train import save_checkpoint
from tools import figure_comparison
from tools import figure_generation as figures


def test_committed_charts_are_up_to_date() -> None:
    for path in figures.FOLDER.glob("generation-*.svg"):
        _, task, theme = path.stem.split("-")
        drawn = figures.progress(task, theme)
        assert path.read_text(encoding="utf-8") == drawn, "run python -m tools.figure_generation"


@pytest.mark.parametrize("theme", figures.THEMES)
def test_without_results_a_chart_says_so(theme: str, tmp_path: Path) -> None:
    assert figure_comparison.NOTHING in figures.progress("mnist", theme, tmp_path)


def test_a_curve_stands_at_the_time_that_its_images_cost(tmp_path: Path) -> None:
    """1,000 and 2,000 images at 50 a second; scores of 9 and 11, then 4 and 6."""
    runs = [
        {
            "seed": seed,
            "metrics": {},
            "seconds": 1,
            "curves": {"val_cfd_images": [1000, 2000], "val_cfd": [10 + d, 5 + d]},
        }
        for seed, d in enumerate((-1.0, 1.0))
    ]
    store({"claim": "dcgan-mnist", "title": "x", "runs": runs}, tmp_path)
    assert figure_comparison.NOTHING in figures.progress("mnist", "light", tmp_path)  # no times
    speeds = {f"{name}_images_per_second": 50.0 for name in figures.COMPARED}
    cost = [{"seed": 0, "metrics": speeds, "seconds": 1}]
    store({"claim": "generation-compute", "title": "x", "runs": cost}, tmp_path)
    chart = figures.progress("mnist", "light", tmp_path)
    assert "DCGAN" in chart and "WGAN-GP" not in chart
    bottom, top = figures.HEIGHT - figures.BOTTOM, figures.TOP
    y = figure_comparison.Axis(5 / 1.3, 10 * 1.15, bottom, top, log=True)
    x = figure_comparison.Axis(0, 40 * 1.05, figures.LEFT, figures.WIDTH - figures.RIGHT)
    for seconds, score in ((20, 10), (40, 5)):
        assert f"{x(seconds):.1f},{y(score):.1f}" in chart


def test_a_sheet_lays_pictures_out_row_by_row() -> None:
    pictures = np.arange(16, dtype=np.uint8)[:, None, None, None] * np.ones((16, 3, 4, 1), np.uint8)
    page = figures.sheet(pictures, gap=2)
    assert page.shape == (2 * 5 - 2, 8 * 6 - 2, 1)
    for i in range(16):
        top, left = i // 8 * 5, i % 8 * 6
        assert (page[top : top + 3, left : left + 4] == i).all()
    assert (page[3:5] == 255).all() and (page[:, 4:6] == 255).all()


def test_the_sheets_show_each_generator_and_the_test_images(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(figures.SHAPES, "test", 64)
    torch.manual_seed(0)
    arguments = {"width": 2, "size": 32}
    path = tmp_path / "tiny.safetensors"
    card = {"arguments": arguments, "classes": ("x",), "task": "generation", "size": (32, 32)}
    save_checkpoint(path, DCGANGenerator(**arguments), {**card, "data": "none"}, half=False)
    figure = figures.sheets("shapes", dict.fromkeys(figures.COMPARED, str(path)))
    assert [t.get_text() for t in figure.texts] == ["DCGAN", "WGAN-GP", "StyleGAN2", "test images"]
    last = np.asarray(figure.axes[-1].get_images()[0].get_array())
    test = data.load("shapes", "test", size=32, num=64, task="classification", condition="plain")
    scale = last.shape[0] // (8 * 34 - 2)
    assert np.array_equal(
        last[::scale, ::scale][:32, 34:66, :3], test.images[1].movedim(0, -1).numpy()
    )
