"""Calibration against torchmetrics, scikit-learn and SciPy."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import multiclass_calibration_error

from course_lib.metrics import best_temperature, expected_calibration_error, reliability

cases = given(
    st.integers(0, 2**31), st.integers(2, 6), st.integers(1, 20), st.sampled_from((0.0, 0.3, 0.95))
)


def case(seed, classes, ignored, sharp=2.0):
    generator = torch.Generator().manual_seed(seed)
    z = sharp * torch.randn(2, classes, 4, 5, dtype=torch.float64, generator=generator)
    y = torch.where(
        torch.rand(2, 4, 5, generator=generator) < 0.6,
        z.argmax(1),
        torch.randint(classes, (2, 4, 5), generator=generator),
    )
    y[torch.rand(y.shape, generator=generator) < ignored] = 255
    return z, y


@pytest.mark.parity
@settings(max_examples=400, deadline=None)
@cases
def test_the_error_equals_torchmetrics(seed, classes, bins, ignored):
    z, y = case(seed, classes, ignored)
    p = z.softmax(1)
    ours = expected_calibration_error(p, y, bins=bins, ignore_index=255)
    if not (y != 255).any():
        assert math.isnan(ours)
        return
    theirs = multiclass_calibration_error(p, y, classes, n_bins=bins, norm="l1", ignore_index=255)
    assert ours == pytest.approx(theirs.item(), abs=1e-6)


@pytest.mark.parity
@settings(max_examples=150, deadline=None)
@cases
def test_the_diagram_equals_sklearns(seed, classes, bins, ignored):
    z, y = case(seed, classes, ignored)
    got = reliability(z.softmax(1), y, bins=bins, ignore_index=255)
    counted = y != 255
    assert got.count.sum() == counted.sum()
    if not counted.any():
        return
    confidence, guess = z.softmax(1).max(1)
    right = (guess == y)[counted].long()
    if len(right.unique()) < 2:
        return  # scikit-learn wants both answers
    true, mean = calibration_curve(right, confidence[counted].clamp(max=1), n_bins=bins)
    filled = got.count > 0
    assert got.accuracy[filled].tolist() == pytest.approx(true.tolist())
    assert got.confidence[filled].tolist() == pytest.approx(mean.tolist())


@pytest.mark.parity
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sharp", [0.3, 2.0, 8.0])
def test_the_temperature_equals_scipys(seed, sharp):
    z, y = case(seed, 4, 0.2, sharp)

    def loss(log_t):
        return F.cross_entropy(z / math.exp(log_t), y, ignore_index=255).item()

    theirs = minimize_scalar(loss, bounds=(-4.6, 4.6), method="bounded", options={"xatol": 1e-8})
    ours = best_temperature(z, y, ignore_index=255)
    assert ours == pytest.approx(math.exp(theirs.x), rel=1e-4)
    assert loss(math.log(ours)) <= theirs.fun + 1e-12


def test_a_temperature_that_was_put_in_is_found():
    """Labels drawn from softmax(z): the best temperature for 3 z is 3."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(1, 4, 300, 300, generator=generator)
    y = torch.multinomial(z.softmax(1)[0].flatten(1).T, 1, generator=generator).view(1, 300, 300)
    assert best_temperature(3 * z, y) == pytest.approx(3, rel=0.03)
    assert expected_calibration_error(z.softmax(1), y) < 0.01
    assert expected_calibration_error((3 * z).softmax(1), y) > 0.1


def test_without_a_minimum_the_interval_ends():
    z = torch.tensor([[[[5.0]], [[-5.0]]]])
    right, wrong = torch.zeros(1, 1, 1).long(), torch.ones(1, 1, 1).long()
    assert best_temperature(z, right) == pytest.approx(0.01, rel=1e-3)  # the surer the better
    assert best_temperature(z, wrong) == pytest.approx(100, rel=1e-3)


def test_batches_add_up_and_edges_belong_to_the_bin_below():
    p = torch.tensor([[0.5, 0.75, 1.0], [0.5, 0.25, 0.0]], dtype=torch.float64)[None, :, None]
    y = torch.tensor([[[0, 1, 0]]])
    got = reliability(p, y, bins=4)
    assert got.count.tolist() == [0, 1, 1, 1]
    assert got.sum_right.tolist() == [0, 1, 0, 1]
    assert got.error == pytest.approx((0.5 + 0.75 + 0) / 3)
    assert got.share.tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])
    twice = got + got
    assert twice.error == pytest.approx(got.error) and twice.count.sum() == 6


def test_knowing_only_the_frequencies_is_calibrated():
    y = torch.zeros(1, 10, 10).long()
    y[0, 0] = 1
    p = torch.tensor([0.9, 0.1])[None, :, None, None].expand(1, 2, 10, 10)
    assert expected_calibration_error(p, y) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"probabilities": torch.randn(1, 2, 3, 4)}, r"softmax\(dim=1\)"),
        ({"probabilities": torch.zeros(1, 3, 4).long()}, "not labels"),
        ({"target": torch.zeros(1, 4, 3).long()}, r"must be \(1, 3, 4\)"),
        ({"target": torch.zeros(1, 3, 4)}, "integer labels"),
        ({"target": torch.full((1, 3, 4), 2)}, "0 to 1 are allowed"),
        ({"bins": 0}, "at least 1"),
    ],
)
def test_wrong_input_says_what_to_do(change, said):
    given = {
        "probabilities": torch.full((1, 2, 3, 4), 0.5),
        "target": torch.zeros(1, 3, 4).long(),
    } | change
    with pytest.raises(ValueError, match=said):
        reliability(**given)


def test_a_temperature_needs_a_label():
    with pytest.raises(ValueError, match="no pixel is labelled"):
        best_temperature(torch.randn(1, 2, 3, 4), torch.full((1, 3, 4), 255), ignore_index=255)
