"""Distances to masks and contours, against SciPy and against all pairs of pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from course_lib.ops.distance import distance_to, signed_distance

BEYOND = 100  # more than any distance in the pictures below: the cap has no effect


@st.composite
def masks(draw):
    shape = (draw(st.integers(1, 14)), draw(st.integers(1, 17)))
    generator = np.random.default_rng(draw(st.integers(0, 2**31)))
    share = draw(st.sampled_from((0.0, 0.02, 0.3, 0.9, 1.0)))
    return torch.from_numpy(generator.random(shape) < share)


@pytest.mark.parity
@settings(max_examples=150, deadline=None)
@given(masks(), st.integers(1, 20))
def test_equals_scipy_up_to_the_cap(mask, cap):
    got = distance_to(mask, BEYOND)
    if mask.any():
        theirs = torch.from_numpy(distance_transform_edt(~mask.numpy())).float()
        torch.testing.assert_close(got, theirs)
        torch.testing.assert_close(distance_to(mask, cap), theirs.clamp(max=cap))
    else:
        assert (got == BEYOND).all()


@pytest.mark.parametrize("cap", [127, 128, 400])
def test_large_caps_do_not_overflow(cap):
    mask = torch.zeros(3, 500, dtype=torch.bool)
    mask[1, 0] = True
    theirs = torch.from_numpy(distance_transform_edt(~mask.numpy())).float().clamp(max=cap)
    torch.testing.assert_close(distance_to(mask, cap), theirs)


def brute_force(target, num_classes):
    """Half a pixel less than the distance to the nearest pixel across the contour."""
    height, width = target.shape
    places = torch.cartesian_prod(torch.arange(height), torch.arange(width)).double()
    away = torch.cdist(places, places)  # all pairs
    labels = target.flatten()
    signed = torch.zeros(num_classes, height * width, dtype=torch.float64)
    for k in range(num_classes):
        inside, outside = labels == k, (labels >= 0) & (labels < num_classes) & (labels != k)
        if inside.any() and outside.any():
            to_inside, to_outside = away[:, inside].amin(1), away[:, outside].amin(1)
            signed[k] = torch.where(inside, 0.5 - to_outside, to_inside - 0.5)
    return signed.reshape(num_classes, height, width)


@pytest.mark.parity
@settings(max_examples=80, deadline=None)
@given(st.integers(2, 5), st.integers(1, 5), st.integers(0, 2**31))
def test_the_signed_distance_equals_all_pairs_of_pixels(num_classes, present, seed):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(min(present, num_classes), (1, 3, 4), generator=generator)
    target = coarse.repeat_interleave(3, 1).repeat_interleave(3, 2)  # patches of 3 x 3
    target[0, 2, :4] = -1  # of no class
    got = signed_distance(target, num_classes, BEYOND)
    torch.testing.assert_close(
        got[0].double(), brute_force(target[0], num_classes), rtol=1e-5, atol=1e-5
    )


def test_the_two_pixels_beside_a_contour_lie_half_a_pixel_from_it():
    row = torch.tensor([[[0, 0, 0, 1, 1, 1]]])
    got = signed_distance(row, 3, cap=2)
    assert got[0, 0, 0].tolist() == [-1.5, -1.5, -0.5, 0.5, 1.5, 1.5]  # 2.5 is capped
    assert torch.equal(got[0, 1], -got[0, 0])
    assert not got[0, 2].any()  # the image lacks class 2


def test_an_image_of_one_class_has_no_contour():
    assert not signed_distance(torch.ones(1, 4, 5, dtype=torch.long), 2, cap=8).any()


def test_an_ignored_gap_makes_no_contour():
    row = torch.tensor([[[0, 0, 9, 9, 1]]])
    got = signed_distance(row, 2, cap=8)[0, 0, 0]
    assert got.tolist() == [-3.5, -2.5, 1.5 - 1, 1.5, 2.5]  # to the nearest labelled pixel


def test_wrong_input_says_what_to_do():
    with pytest.raises(ValueError, match="target == 1"):
        distance_to(torch.zeros(3, 4), 5)
    with pytest.raises(ValueError, match="at least 1 pixel"):
        distance_to(torch.zeros(3, 4, dtype=torch.bool), 0)
