"""Boundary IoU against SciPy's erosion, as the authors' code does it, and known shapes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion

from course_lib.metrics import band_width, boundary_counts, boundary_iou, confusion_matrix, iou

SQUARE = np.ones((3, 3), bool)


def band(mask, width):
    """A mask less what is left of it after `width` erosions; outside of the image is not in it."""
    return mask & ~binary_erosion(mask, SQUARE, iterations=width, border_value=0)


@st.composite
def label_maps(draw):
    num_classes = draw(st.integers(1, 4))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 5)))
    generator = np.random.default_rng(draw(st.integers(0, 2**31)))
    maps = [
        generator.integers(0, draw(st.integers(1, num_classes)), shape).repeat(3, 1).repeat(4, 2)
        for _ in range(2)
    ]
    return *map(torch.from_numpy, maps), num_classes, draw(st.integers(1, 5))


@pytest.mark.parity
@settings(max_examples=300, deadline=None)
@given(label_maps())
def test_equals_scipys_erosion(case):
    prediction, target, num_classes, width = case
    counts = boundary_counts(prediction, target, num_classes, width=width)
    for n in range(len(target)):
        for k in range(num_classes):
            g = band((target[n] == k).numpy(), width)
            p = band((prediction[n] == k).numpy(), width)
            assert counts[n, k].tolist() == [(g & p).sum(), (g | p).sum()]


@pytest.mark.parity
@settings(max_examples=60, deadline=None)
@given(label_maps())
def test_a_band_as_wide_as_the_image_gives_iou(case):
    prediction, target, num_classes, _ = case
    wide = boundary_iou(boundary_counts(prediction, target, num_classes, width=40).sum(0))
    np.testing.assert_allclose(wide, iou(confusion_matrix(prediction, target, num_classes)))


def disc(radius, size=81):
    y, x = torch.meshgrid(*[torch.arange(size) - size // 2] * 2, indexing="ij")
    return (x * x + y * y <= radius * radius)[None].long()


def test_a_border_that_is_off_by_two_costs_a_large_object_little_iou_and_much_of_the_boundarys():
    scores = {}
    for radius in (8, 32):
        truth, thick = disc(radius), disc(radius + 2)
        area = iou(confusion_matrix(thick, truth, 2))[1].item()
        edge = boundary_iou(boundary_counts(thick, truth, 2, width=2).sum(0))[1].item()
        scores[radius] = area, edge
    assert scores[8][0] < 0.7 and scores[32][0] > 0.85
    assert max(scores[8][1], scores[32][1]) < 0.2


def test_a_ring_fools_it():
    """Why the authors report the smaller of the two scores for objects."""
    truth = disc(30)
    ring = truth - disc(27)
    counts = boundary_counts(ring, truth, 2, width=2)
    assert boundary_iou(counts.sum(0))[1] > 0.45  # of the outer band nothing is missing
    assert counts[0, 1, 0] == boundary_counts(truth, truth, 2, width=2)[0, 1, 0]
    assert iou(confusion_matrix(ring, truth, 2))[1] < 0.25


def test_ignored_pixels_do_not_count_and_make_no_contour():
    truth = torch.ones(1, 9, 20, dtype=torch.long)
    truth[:, :, :6] = 0
    cut = truth.clone()
    cut[:, :, 10:12] = 255
    guess = truth.clone()
    guess[:, :, 10:12] = 0  # whatever it says there
    counts = boundary_counts(guess, cut, 2, width=1, ignore_index=255)
    # The band of the right part is what it is without the gap, less the gap's own pixels.
    whole = boundary_counts(truth, truth, 2, width=1)
    assert boundary_iou(counts.sum(0)).tolist() == [1, 1]
    assert counts[0, 1, 0] == whole[0, 1, 0] - 4  # two columns, at the upper and the lower edge
    nothing = boundary_counts(guess, torch.full_like(cut, 255), 2, ignore_index=255)
    assert boundary_iou(nothing.sum(0)).isnan().all()


def test_the_band_is_two_per_cent_of_the_diagonal():
    assert band_width(1024, 2048) == round(0.02 * (1024**2 + 2048**2) ** 0.5) == 46
    assert band_width(96, 128) == 3
    assert band_width(10, 10) == 1
    target = torch.zeros(1, 96, 128, dtype=torch.long)
    target[:, :40] = 1
    assert torch.equal(
        boundary_counts(target, target, 2), boundary_counts(target, target, 2, width=3)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 0}, "width is 0"),
        (
            {"target": torch.zeros(4, 5).long(), "prediction": torch.zeros(4, 5).long()},
            "needs images",
        ),
        ({"prediction": torch.zeros(1, 2, 4, 5)}, "argmax"),
        ({"target": torch.full((1, 4, 5), 255)}, "target holds 255"),
    ],
)
def test_wrong_input_says_what_to_do(change, said):
    given = {
        "prediction": torch.zeros(1, 4, 5).long(),
        "target": torch.zeros(1, 4, 5).long(),
        "num_classes": 2,
    } | change
    with pytest.raises(ValueError, match=said):
        boundary_counts(**given)


def test_only_counts_are_read():
    with pytest.raises(ValueError, match="boundary_counts"):
        boundary_iou(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="must be positive"):
        band_width(10, 10, ratio=0)
