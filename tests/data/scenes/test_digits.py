"""The drawn digits: every class and style, and factors that describe the pixels."""

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicHermiteSpline
from scipy.ndimage import distance_transform_edt

from course_lib.data import DataError, load
from course_lib.data.scenes import digits
from course_lib.data.scenes.batch import Scenes
from course_lib.data.scenes.brushes import segment
from course_lib.data.sets import SPLITS


@pytest.fixture(scope="module")
def small() -> Scenes:
    return digits.draw(1500, size=28, seed=5)


@pytest.fixture(scope="module")
def large() -> Scenes:
    return digits.draw(200, size=(112, 96), seed=6)


def moments(picture: torch.Tensor) -> tuple[float, float, float]:
    """Centre (x, y) of the ink in pixels, and how far it leans to the right for each unit up."""
    weight = picture.double()
    y, x = torch.meshgrid(
        *(torch.arange(n, dtype=torch.float64) + 0.5 for n in picture.shape), indexing="ij"
    )
    total = weight.sum()
    cx, cy = float((weight * x).sum() / total), float((weight * y).sum() / total)
    lean = -(weight * (x - cx) * (y - cy)).sum() / (weight * (y - cy) ** 2).sum()
    return cx, cy, float(lean)


def test_every_class_and_style_is_drawn_as_often_as_it_should(small: Scenes) -> None:
    kind, style = small.factors["class"], small.factors["style"]
    assert kind.bincount(minlength=10).min() > 100
    assert torch.equal(torch.tensor([s.digit for s in digits.STYLES])[style], kind)
    for digit in range(10):
        own = [i for i, s in enumerate(digits.STYLES) if s.digit == digit]
        assert len(own) >= 3 and len({digits.STYLES[i].name for i in own}) == len(own)
        share = style[kind == digit].bincount(minlength=len(digits.STYLES)).double()[own]
        weight = torch.tensor([digits.STYLES[i].weight for i in own]).double()
        torch.testing.assert_close(share / share.sum(), weight / weight.sum(), atol=0.13, rtol=0)
    assert torch.equal(torch.cat(small.labels), kind + 1)


def test_no_digit_leaves_the_image_or_is_empty(small: Scenes) -> None:
    for edge in (small.images[:, 0, [0, -1]], small.images[..., [0, -1]]):
        assert edge.amax() < 64
    assert (small.semantic > 0).flatten(1).sum(1).min() > 10


@pytest.mark.parametrize("digit", range(10))
def test_slant_leans_to_the_right(small: Scenes, digit: int) -> None:
    own = small.factors["class"] == digit
    lean = torch.tensor([moments(p)[2] for p in small.images[own, 0]])
    both = torch.stack([lean, small.factors["slant"][own]])
    assert torch.corrcoef(both)[0, 1] > (0.75 if digit == 1 else 0.5)
    steep, flat = both[1] > 0.35, both[1] < 0.0
    assert lean[steep].mean() > lean[flat].mean() + 0.25


def test_a_stroke_leans_by_slant_and_turn(large: Scenes) -> None:
    name = next(i for i, s in enumerate(digits.STYLES) if (s.digit, s.name) == (1, "stroke"))
    own = (large.factors["style"] == name) & (large.factors["unevenness"] < 0.12)
    error = []
    for i in own.nonzero()[:, 0].tolist():
        turn = 2 * np.pi * float(large.factors["angle"][i])
        expected = np.tan(np.arctan(float(large.factors["slant"][i])) + turn)
        error.append(moments(large.images[i, 0])[2] - expected)
    assert len(error) > 5
    assert abs(np.mean(error)) < 0.08 and np.std(error) < 0.2


def test_width_is_that_of_the_pen() -> None:
    """Twice the largest distance from the ground, in a digit without crossings or loops."""
    s = digits.draw(300, size=96, seed=7)
    plain = [
        i for i, style in enumerate(digits.STYLES) if (style.digit, style.name) == (1, "stroke")
    ]
    measured, named = [], []
    for i in (s.factors["style"] == plain[0]).nonzero()[:, 0].tolist():
        measured.append(2 * distance_transform_edt(s.instances[i].numpy()).max() - 1)
        named.append(96 * float(s.factors["width"][i]))
    ratio = np.array(measured) / np.array(named)
    assert np.corrcoef(measured, named)[0, 1] > 0.9
    assert 0.95 < np.median(ratio) < 1.3  # thickest at one end, by the pressure


def test_height_and_place_are_in_fractions_of_the_shorter_side(large: Scenes) -> None:
    f = large.factors
    for i in range(len(large)):
        x0, y0, x1, y1 = large.boxes[i][0].tolist()
        assert max(x1 - x0, y1 - y0) == pytest.approx(96 * f["height"][i].item(), abs=4.5)
        cx, cy, _ = moments(large.images[i, 0])
        assert cx - 48 == pytest.approx(96 * f["x"][i].item(), abs=6)
        assert cy - 56 == pytest.approx(96 * f["y"][i].item(), abs=6)


def test_ink_is_the_brightest_value(large: Scenes) -> None:
    brightest = large.images.flatten(1).amax(1).float() / 255
    torch.testing.assert_close(brightest, large.factors["ink"], atol=0.002, rtol=0)
    assert (large.images.flatten(1).amin(1) == 0).all()


def test_another_size_shows_the_same_digits() -> None:
    first, second = digits.draw(30, size=32, seed=3), digits.draw(30, size=64, seed=3)
    halved = torch.nn.functional.avg_pool2d(second.images.float(), 2)
    assert (halved - first.images).abs().mean() < 4
    assert all(torch.equal(first.factors[k], second.factors[k]) for k in first.factors)


def test_ink_covers_what_is_near_a_piece() -> None:
    """The vectorised distance against the brush for one segment, piece by piece, on 9x14."""
    generator = np.random.default_rng(0)
    x = generator.uniform(0, 14, (3, 5, 2)).astype(np.float32)
    y = generator.uniform(0, 9, (3, 5, 2)).astype(np.float32)
    x[0, 4, 1], y[0, 4, 1] = x[0, 4, 0], y[0, 4, 0]  # a dot
    radius = np.full((3, 5), 1.7, np.float32)
    got = digits._distance(x, y, radius, (9, 14)) * 1.7
    gx, gy = np.meshgrid(np.arange(14) + 0.5, np.arange(9) + 0.5)
    for i in range(3):
        each = [
            segment(gx, gy, x[i, k, 0], y[i, k, 0], x[i, k, 1], y[i, k, 1], 1.7) for k in range(5)
        ]
        np.testing.assert_allclose(got[i], np.min(each, axis=0), atol=1e-4)


def test_the_curve_is_catmull_roms() -> None:
    p = np.array([[0.0, 1.0], [2.0, -1.0], [3.0, 0.5], [2.5, 4.0]])
    curve = CubicHermiteSpline([0, 1], p[1:3], [(p[2] - p[0]) / 2, (p[3] - p[1]) / 2])
    for t in (0.0, 0.2, 0.75, 1.0):
        np.testing.assert_allclose(np.array(digits._weights(t)) @ p, curve(t), atol=1e-12)


def test_a_corner_is_a_corner_and_the_rest_is_smooth() -> None:
    """The 7's pieces turn most where its control point stands twice."""
    seven = next(s for s in digits.STYLES if (s.digit, s.name) == (7, "plain"))
    points, _, knots, weights = digits._pieces(seven)
    ends = (points[knots] * weights[..., None]).sum(axis=2)  # (P, 2, xy)
    np.testing.assert_allclose(ends[1:, 0], ends[:-1, 1], atol=1e-6)  # one line
    way = ends[:, 1] - ends[:, 0]
    turn = np.abs(np.diff(np.unwrap(np.arctan2(way[:, 1], way[:, 0]))))
    corner = int(turn.argmax())
    np.testing.assert_allclose(ends[corner, 1], (0.5, -0.92), atol=1e-6)
    assert turn[corner] > 1.5 and np.delete(turn, corner).max() < 0.5


@pytest.mark.parametrize("size", [28, 32, (28, 40)], ids=str)
def test_splits_share_no_image(size: object, tmp_path: object) -> None:
    parts = [load("digits", split, num=150, size=size, cache=False) for split in SPLITS]
    assert {p.task for p in parts} == {"classification"}
    assert all(p.classes == tuple("0123456789") for p in parts)
    seen = [{image.numpy().tobytes() for image in p.images} for p in parts]
    assert len(set.union(*seen)) == 450


def test_the_loaded_set_has_the_size_of_mnist() -> None:
    data = load("digits", "val", num=3, cache=False)
    assert data.images.shape == (3, 1, 28, 28) and data.targets.shape == (3,)
    strokes = load("digits", "val", num=3, task="semantic", cache=False)
    assert strokes.classes == ("background", *data.classes)
    assert torch.equal(strokes.targets.flatten(1).amax(1).long(), data.targets + 1)
    with pytest.raises(DataError, match="unknown condition 'clutter'; choose one of plain"):
        load("digits", "val", num=3, condition="clutter", cache=False)
