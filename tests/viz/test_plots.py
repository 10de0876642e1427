"""Curves and confusion matrices: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_lib import viz
from course_lib.viz.colours import luminance


@pytest.fixture(autouse=True, params=("light", "dark"))
def _style(request):
    viz.use(dark=request.param == "dark")
    yield
    plt.close("all")


def test_the_style_can_be_read():
    ground, ink = (
        luminance(plt.matplotlib.colors.to_hex(plt.rcParams[name]))
        for name in ("figure.facecolor", "text.color")
    )
    light, dark = sorted((ground, ink), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 7
    # On a phone a figure is about 350 px wide: no text there below 9 px.
    width = plt.rcParams["figure.figsize"][0]
    for name in ("font.size", "axes.labelsize", "xtick.labelsize", "legend.fontsize"):
        assert plt.rcParams[name] / 72 / width * 350 >= 9
    cycle = plt.rcParams["axes.prop_cycle"].by_key()
    assert len(set(map(str, cycle["linestyle"]))) == len(set(cycle["color"])) == 7
    for colour in cycle["color"]:
        light, dark = sorted((ground, luminance("#" + colour.lstrip("#"))), reverse=True)
        assert (light + 0.05) / (
            dark + 0.05
        ) >= 2  # thick lines; the line's pattern is a second cue


def test_curves_are_the_mean_with_one_standard_deviation():
    values = np.array([[0.1, 0.2, 0.6], [0.3, 0.2, 0.3]])
    figure = viz.curves({"ours": values, "theirs": torch.tensor([0.5, 0.5, 0.5])}, ylabel="mIoU")
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), values.mean(0))
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert len(axes.lines) == 2 and len(axes.collections) == 1  # one seed has no band
    band = axes.collections[0].get_paths()[0].vertices
    top = {x: band[band[:, 0] == x, 1].max() for x in (1.0, 2.0, 3.0)}
    np.testing.assert_allclose(list(top.values()), values.mean(0) + values.std(0, ddof=1))
    assert "1 or 2 seeds" in axes.get_title(loc="left")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "mIoU")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["ours", "theirs"]


def test_curves_leave_out_what_was_not_measured():
    figure = viz.curves({"val": [[0.1, np.nan, 0.3], [0.2, np.nan, np.nan]]}, percent=True)
    line = figure.axes[0].lines[0]
    assert line.get_xdata().tolist() == [1, 3]
    np.testing.assert_allclose(line.get_ydata(), [0.15, 0.3])
    assert figure.axes[0].get_ylabel() == "val" and not figure.legends


def test_series_differ_by_more_than_colour():
    figure = viz.curves({str(i): [1.0, 2.0 + i] for i in range(7)})
    looks = {(line.get_linestyle(), line.get_marker()) for line in figure.axes[0].lines}
    assert len(looks) >= 7 or len({line.get_marker() for line in figure.axes[0].lines}) == 7


@pytest.mark.parametrize(
    ("series", "options", "said"),
    (
        ({}, {}, "no series"),
        ({"a": np.zeros((2, 2, 2))}, {}, r"\(seeds, points\)"),
        ({"a": []}, {}, r"\(seeds, points\)"),
        ({"a": [1, 2, 3]}, {"x": [1, 2]}, "3 points and x has 2"),
    ),
)
def test_wrong_series_say_what_to_do(series, options, said):
    with pytest.raises(ValueError, match=said):
        viz.curves(series, **options)


def test_a_confusion_matrix_shows_shares_of_rows():
    counts = torch.tensor([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    figure = viz.confusion(counts, ("cat", "dog", "owl"))
    axes, scale = figure.axes
    assert [text.get_text() for text in axes.texts] == [
        *("75", "25", "0"),
        *("25", "75", "0"),
        *("–", "–", "–"),
    ]
    np.testing.assert_allclose(axes.images[0].get_array()[:2], [[0.75, 0.25, 0], [0.25, 0.75, 0]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog", "owl"]
    assert axes.get_ylabel() == "true class" and axes.get_xlabel() == "predicted class"
    assert "share" in scale.get_xlabel()
    counted = viz.confusion(counts, ("cat", "dog", "owl"), counts=True)
    assert counted.axes[0].texts[0].get_text() == "6"


@pytest.mark.parametrize("num", (2, 10, 21))
def test_numbers_in_the_matrix_can_be_read(num):
    shares = np.linspace(0, 1, num * num).reshape(num, num)
    figure = viz.confusion(np.round(shares * 1000), [f"class {i}" for i in range(num)])
    axes = figure.axes[0]
    assert len(axes.texts) == (num * num if num <= 12 else 0)
    image = axes.images[0]
    for text in axes.texts:
        column, row = text.get_position()
        cell = plt.matplotlib.colors.to_hex(image.cmap(image.norm(image.get_array()[row, column])))
        ink = plt.matplotlib.colors.to_hex(text.get_color())
        light, dark = sorted((luminance(cell), luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("wrong", (torch.zeros(2, 3), torch.zeros(3, 3), -torch.eye(2)))
def test_a_wrong_matrix_says_what_to_do(wrong):
    with pytest.raises(ValueError, match="for 2 classes; counts of shape"):
        viz.confusion(wrong, ("a", "b"))
