"""IoU, Dice and the means of book/math/metrics.md, from counts, in float64."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

F64 = torch.float64


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def labels(generator, images=3, classes=4):
    shape = (images, 5, 7)
    truth = torch.randint(0, classes, shape, generator=generator)
    guess = torch.where(
        torch.rand(shape, generator=generator) < 0.5,
        truth,
        torch.randint(0, classes, shape, generator=generator),
    )
    return truth, guess


def counted(truth, guess, classes=4):
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    for t, p in zip(truth.flatten().tolist(), guess.flatten().tolist(), strict=True):
        confusion[t, p] += 1
    return confusion


@pytest.mark.equation("eq-iou")
def test_iou_is_shared_over_all(generator):
    from course_lib.metrics import iou

    truth, guess = labels(generator)
    m = counted(truth, guess)
    for k in range(4):
        shared = ((truth == k) & (guess == k)).sum()
        union = ((truth == k) | (guess == k)).sum()
        by_matrix = m[k, k] / (m[k].sum() + m[:, k].sum() - m[k, k]).double()
        assert math.isclose(by_matrix, shared / union.double())
        assert math.isclose(iou(m)[k], by_matrix)


@pytest.mark.equation("eq-dice")
def test_dice_is_twice_the_shared_over_both_areas(generator):
    from course_lib.metrics import dice

    truth, guess = labels(generator)
    m = counted(truth, guess)
    for k in range(4):
        shared = ((truth == k) & (guess == k)).sum().double()
        areas = (truth == k).sum() + (guess == k).sum()
        by_matrix = 2 * m[k, k] / (m[k].sum() + m[:, k].sum()).double()
        assert math.isclose(by_matrix, 2 * shared / areas)
        assert math.isclose(dice(m)[k], by_matrix)


@pytest.mark.equation("eq-dice-iou")
@given(
    shared=st.integers(0, 1000), only_truth=st.integers(0, 1000), only_guess=st.integers(1, 1000)
)
def test_dice_and_iou_are_one_measurement(shared, only_truth, only_guess):
    union = shared + only_truth + only_guess
    j, d = shared / union, 2 * shared / (union + shared)
    assert math.isclose(d, 2 * j / (1 + j), abs_tol=1e-15)
    assert math.isclose(j, d / (2 - d), abs_tol=1e-15)
    assert d >= j


@pytest.mark.equation("eq-mean-iou")
def test_mean_iou_leaves_out_what_is_absent(generator):
    from course_lib.metrics import iou, mean_iou

    m = counted(*labels(generator), classes=6)  # classes 4 and 5 are nowhere
    present = [k for k in range(6) if m[k].sum() + m[:, k].sum() > 0]
    assert present == [0, 1, 2, 3]
    assert math.isclose(mean_iou(m), sum(iou(m)[k] for k in present) / len(present))


@pytest.mark.equation("eq-iou-dataset")
def test_data_set_iou_is_a_mean_weighted_by_unions(generator):
    truth, guess = labels(generator, images=6)
    k = 1
    truth[4][truth[4] == k] = 0
    guess[4][guess[4] == k] = 2  # the class is absent from one image: weight 0, value undefined
    shared = ((truth == k) & (guess == k)).sum((1, 2)).double()
    union = ((truth == k) | (guess == k)).sum((1, 2)).double()
    weighted = sum(u / union.sum() * s / u for s, u in zip(shared, union, strict=True) if u > 0)
    assert union[4] == 0
    assert math.isclose(shared.sum() / union.sum(), weighted)
    assert not math.isclose(weighted, torch.nanmean(shared / union), rel_tol=1e-3)


def test_the_worked_example_of_iou():
    shared, union = [90, 1], [100, 10]
    j = sum(shared) / sum(union)
    assert round(j, 3) == 0.827
    assert sum(s / u for s, u in zip(shared, union, strict=True)) / 2 == 0.5
    assert math.isclose(2 * j / (1 + j), 182 / 201)
    assert round(182 / 201, 3) == 0.905
