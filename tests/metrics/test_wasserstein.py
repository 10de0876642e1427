"""The exact distance on a line equals SciPy's, for equal and unequal samples."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from course_lib.metrics import wasserstein_1d

numbers = st.lists(st.floats(-100, 100), min_size=1, max_size=12)


@pytest.mark.parity
@settings(max_examples=100, deadline=None)
@given(numbers, numbers)
def test_it_equals_scipys(a, b):
    got = wasserstein_1d(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64))
    assert got.dtype == torch.float64
    assert got.item() == pytest.approx(wasserstein_distance(a, b), abs=1e-9)


def test_equal_and_unequal_sizes_agree():
    a, b = torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(wasserstein_1d(a, b), wasserstein_1d(a, b.repeat(3)))


@pytest.mark.parametrize("num", [5, 8])
def test_its_gradient_points_along_the_ways(num):
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(5, dtype=torch.float64, generator=generator).requires_grad_()
    b = torch.randn(num, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(lambda x: wasserstein_1d(x, b), a)


@pytest.mark.parametrize("shapes", [((0,), (3,)), ((3,), (0,)), ((3, 1), (3,)), ((), (3,))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="lists of numbers"):
        wasserstein_1d(*(torch.zeros(shape) for shape in shapes))
