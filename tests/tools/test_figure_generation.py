"""The charts of the compared generators are those that the results give; sheets are not picked."""

from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.models import DCGANGenerator
from course_lib.results.files import store
from course_lib.train import draw_samples, save_checkpoint
from tools.figures import generation as figures


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("task", figures.CHARTS)
def test_the_committed_chart_is_up_to_date(task: str, theme: str) -> None:
    path = figures.FOLDER / f"generation-{task}-{theme}.svg"
    drawn = figures.progress(task, theme)
    assert path.read_text(encoding="utf-8") == drawn, "run python -m tools.figures.generation"


def test_without_results_a_chart_says_so(tmp_path: Path) -> None:
    assert "not measured yet" in figures.progress("mnist", "light", tmp_path)


def test_time_is_images_by_the_measured_rate(tmp_path: Path) -> None:
    curves = {"val_cfd_images": [1000, 2000], "val_cfd": [40.0, 10.0]}
    runs = [
        {"seed": seed, "metrics": {"cfd": 9.0}, "seconds": 1, "curves": curves} for seed in (0, 1)
    ]
    store({"claim": "dcgan-mnist", "title": "DCGAN", "runs": runs}, tmp_path)
    cost = {"dcgan_images_per_second": 20.0}
    runs = [{"seed": 0, "metrics": cost, "seconds": 1}]
    store({"claim": "generation-compute", "title": "cost", "runs": runs}, tmp_path)
    chart = figures.progress("mnist", "light", tmp_path)
    assert "DCGAN" in chart and "WGAN-GP" not in chart
    x = figures.Axis(0, 100 * 1.05, figures.LEFT, figures.WIDTH - figures.RIGHT)
    y = figures.Axis(10 / 1.3, 40 * 1.15, figures.HEIGHT - figures.BOTTOM, figures.TOP, log=True)
    line = f"{x(50):.1f},{y(40):.1f} {x(100):.1f},{y(10):.1f}"
    assert line in chart


def test_a_sheet_holds_the_first_64_in_their_order() -> None:
    images = np.arange(64, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 4, 3), np.uint8)
    page = figures.sheet(images)
    assert page.shape == (8 * 5 - 2, 8 * 6 - 2, 3)
    assert page[0, 0, 0] == 0 and page[5, 6, 0] == 9 and page[-1, -1, 0] == 63
    assert page[3, 0, 0] == 255  # the gap


def test_sheets_show_generators_beside_test_images(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = DCGANGenerator(width=4, size=32).eval()
    card = {"arguments": {"width": 4, "size": 32}, "classes": (), "task": "generation"}
    card |= {"size": (32, 32), "data": "nothing"}
    path = save_checkpoint(tmp_path / "dcgan.safetensors", model, card, half=False)
    figure = figures.sheets("shapes", {"dcgan": str(path)})
    assert [text.get_text() for text in figure.texts] == ["DCGAN", "test images"]
    shown = figure.axes[0].images[0].get_array()
    first = draw_samples(model, 64)[0].movedim(0, -1).numpy()
    assert np.array_equal(np.asarray(shown)[:32, :32], first)


def test_a_task_without_generators_is_named() -> None:
    with pytest.raises(ValueError, match="no generator of nowhere is shipped"):
        figures.sheets("nowhere")
