"""Errors of counting, by hand and against numpy."""

import numpy as np
import pytest
import torch

from course_lib.metrics import count_error


def test_by_hand() -> None:
    error = count_error(torch.tensor([3, 5, 0, 8]), torch.tensor([4, 5, 1, 4]))
    assert (error.absolute, error.bias, error.images) == (1.5, 0.5, 4)
    assert error.root_mean_square == pytest.approx((18 / 4) ** 0.5)
    assert error.relative == pytest.approx(6 / 14)


def test_errors_may_cancel_in_the_bias_only() -> None:
    error = count_error(torch.tensor([0, 10]), torch.tensor([5, 5]))
    assert error.bias == 0 and error.absolute == 5


@pytest.mark.parity
def test_it_equals_numpy() -> None:
    random = np.random.default_rng(0)
    for _ in range(1000):
        found, true = random.integers(0, 30, (2, random.integers(1, 20)))
        error = count_error(torch.from_numpy(found), torch.from_numpy(true))
        assert error.absolute == pytest.approx(np.abs(found - true).mean())
        assert error.bias == pytest.approx(np.mean(found - true))
        assert error.root_mean_square == pytest.approx(np.sqrt(np.mean((found - true) ** 2)))


def test_no_objects() -> None:
    error = count_error(torch.tensor([2, 0]), torch.tensor([0, 0]))
    assert error.absolute == 1 and np.isnan(error.relative)


@pytest.mark.adversarial
def test_what_is_no_count_is_refused() -> None:
    good = torch.tensor([1, 2])
    for found, true, message in (
        (good, good[:1], "one count for each"),
        (good[:0], good[:0], "at least one image"),
        (good[None], good[None], "one count for each"),
        (good.float(), good, "found is torch.float32"),
        (good, -good, "true is torch.int64 with the minimum -2"),
    ):
        with pytest.raises(ValueError, match=message):
            count_error(found, true)
