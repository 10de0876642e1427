"""Sheets, curves of a game, and nearest neighbours."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_lib import viz
from course_lib.train import GANHistory
from course_lib.viz.pixels import to_pixels


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def random_images(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def pictures(figure):
    """The pixels of each axes, in their order, not enlarged."""
    found = []
    for axes in figure.axes:
        (image,) = axes.get_images()
        found.append(np.asarray(image.get_array()))
    return found


def test_a_sheet_shows_the_first_64_in_their_order():
    images = random_images(70, 1, 8, 8)
    shown = pictures(viz.sample_sheet(images))
    assert len(shown) == 64
    for image, picture in zip(images, shown, strict=False):
        scale = picture.shape[0] // 8
        assert np.array_equal(picture[::scale, ::scale], to_pixels(image))


def test_a_sheet_of_fewer_samples_has_titles_and_columns():
    figure = viz.sample_sheet(random_images(6, 3, 8, 8), columns=3, titles=list("abcdef"))
    assert [text.get_text() for text in figure.texts] == list("abcdef")
    tops = {round(axes.get_position().y1, 4) for axes in figure.axes}
    assert len(tops) == 2
    with pytest.raises(ValueError, match="got no pictures"):
        viz.sample_sheet(random_images(0, 3, 8, 8))


def record(num):
    names = ("discriminator_loss", "generator_loss", "real_score", "fake_score")
    rows = [
        {"step": 10 * i, "told_apart": 0.5 + 0.05 * i, "diversity": 1.2 / (i + 1)}
        | {name: float(i + k) for k, name in enumerate(names)}
        for i in range(num)
    ]
    return GANHistory(steps=rows)


def test_the_curves_are_the_historys_columns():
    history = record(5)
    figure = viz.gan_curves(history)
    lines = {
        line.get_label(): line.get_ydata()
        for axes in figure.axes
        for line in axes.get_lines()
        if not line.get_label().startswith("_")
    }
    assert list(lines) == ["discriminator", "generator", "real", "fake", "told apart", "diversity"]
    assert np.array_equal(lines["fake"], history.column("fake_score"))
    assert np.array_equal(lines["diversity"], history.column("diversity"))
    assert figure.axes[2].get_ylim()[1] > 1.2  # nothing is cut off
    figure.canvas.draw()
    with pytest.raises(ValueError, match="no readings"):
        viz.gan_curves(record(0))
    viz.gan_curves(record(1)).canvas.draw()


@pytest.mark.parametrize("neighbours", [1, 3])
def test_neighbours_stand_under_their_samples(neighbours):
    samples = random_images(4, 1, 8, 8)
    near = random_images(4, neighbours, 1, 8, 8, seed=1)
    figure = viz.nearest_rows(samples, near if neighbours > 1 else near[:, 0], torch.rand(4))
    shown = pictures(figure)
    assert len(shown) == 4 * (1 + neighbours)
    scale = shown[0].shape[0] // 8
    small = [picture[::scale, ::scale] for picture in shown]
    for column in range(4):
        assert np.array_equal(small[column], to_pixels(samples[column]))
        for rank in range(neighbours):
            wanted = to_pixels(near[column, rank])
            assert np.array_equal(small[4 * (rank + 1) + column], wanted)
            above, below = figure.axes[column], figure.axes[4 * (rank + 1) + column]
            assert above.get_position().x0 == below.get_position().x0
            assert above.get_position().y0 > below.get_position().y1
    texts = [text.get_text() for text in figure.texts]
    assert texts[:2] == ["generated", "nearest training image"]
    assert len(texts) == 1 + neighbours + 4


@pytest.mark.parametrize(
    ("samples", "near", "distances", "said"),
    [
        (random_images(0, 1, 8, 8), random_images(0, 1, 8, 8), None, "at least one"),
        (random_images(2, 1, 8, 8), random_images(3, 1, 8, 8), None, "the same number"),
        (random_images(2, 1, 8, 8), random_images(2, 1, 9, 8), None, "different sizes"),
        (random_images(2, 1, 8, 8), random_images(2, 1, 8, 8), [0.1], "1 distances for 2"),
    ],
)
def test_what_does_not_fit_is_refused(samples, near, distances, said):
    with pytest.raises(ValueError, match=said):
        viz.nearest_rows(samples, near, distances)
