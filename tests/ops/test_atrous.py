"""The taught atrous convolution equals the library's, and what is counted about it is true."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib.ops.atrous import (
    atrous_conv2d,
    effective_kernel,
    from_phases,
    has_holes,
    measured_field,
    paths,
    separable_cost,
    spread_kernel,
    taps_inside,
    to_phases,
)
from course_lib.ops.convolution import conv2d

CASES = [  # H, W, K_h, K_w, rate, stride, padding: odd, even, non-square, wider than the image
    (9, 12, 3, 3, 2, 1, 2),
    (11, 7, 3, 2, 3, 2, 4),
    (8, 8, 1, 5, 4, 1, 8),
    (6, 5, 3, 3, 1, 2, 1),
    (5, 6, 3, 3, 7, 1, 7),
]


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parity
@pytest.mark.parametrize("case", CASES)
def test_it_equals_the_librarys(case: tuple[int, ...]) -> None:
    height, width, kernel_h, kernel_w, rate, stride, padding = case
    x, weight = draw(2, 3, height, width), draw(4, 3, kernel_h, kernel_w, seed=1)
    bias = draw(4, seed=2)
    found = atrous_conv2d(x, weight, bias, rate=rate, stride=stride, padding=padding)
    expected = F.conv2d(x, weight, bias, stride=stride, padding=padding, dilation=rate)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    spread = conv2d(x, spread_kernel(weight, rate), bias, stride=stride, padding=padding)
    torch.testing.assert_close(spread, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parity
def test_gradients_equal_the_librarys() -> None:
    x, weight = draw(1, 2, 7, 6).requires_grad_(), draw(3, 2, 3, 3, seed=1).requires_grad_()
    ours = torch.autograd.grad(
        atrous_conv2d(x, weight, rate=2, padding=2).square().sum(), (x, weight)
    )
    theirs = torch.autograd.grad(
        F.conv2d(x, weight, dilation=2, padding=2).square().sum(), (x, weight)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("size", [(9, 12), (7, 7), (2, 5), (12, 6)])
@pytest.mark.parametrize("rate", [1, 2, 3])
def test_phases_come_back_and_convolve_by_themselves(size: tuple[int, int], rate: int) -> None:
    x, weight = draw(2, 3, *size), draw(4, 3, 3, 3, seed=1)
    phases = to_phases(x, rate)
    for row in range(rate):
        for column in range(rate):
            part = x[..., row::rate, column::rate]
            start = (row * rate + column) * len(x)
            found = phases[start : start + len(x)]
            assert torch.equal(found[..., : part.shape[-2], : part.shape[-1]], part)
    assert torch.equal(from_phases(phases, rate, size), x)
    whole = from_phases(F.conv2d(phases, weight, padding=1), rate, size)
    expected = F.conv2d(x, weight, padding=rate, dilation=rate)
    torch.testing.assert_close(whole, expected, rtol=1e-12, atol=1e-12)


@given(rates=st.lists(st.integers(1, 14), min_size=1, max_size=5))
@settings(max_examples=300, deadline=None)
def test_the_rule_about_holes_agrees_with_counting(rates: list[int]) -> None:
    ways = paths(rates)
    assert len(ways) == 1 + 2 * sum(rates)
    assert int(ways.sum()) == 3 ** len(rates)
    assert has_holes(rates) == bool((ways == 0).any())


@pytest.mark.parametrize("rates", [(0,), (-3, 1)])
def test_rates_below_1_are_refused(rates: tuple[int, ...]) -> None:
    for count in (paths, has_holes):
        with pytest.raises(ValueError, match="rates of at least 1"):
            count(rates)


@pytest.mark.parametrize("rates", [(1, 1), (2, 2, 2), (1, 2, 3), (3, 1)])
def test_the_measured_field_is_where_the_paths_are(rates: tuple[int, ...]) -> None:
    layers = [nn.Conv2d(1, 1, 3, padding=r, dilation=r, bias=False).double() for r in rates]
    for layer in layers:
        nn.init.ones_(layer.weight)
    side = 2 * sum(rates) + 5
    ways = F.pad(paths(rates).double(), [2, 2])
    field = measured_field(nn.Sequential(*layers), draw(3, 1, side, side))
    torch.testing.assert_close(field, torch.outer(ways, ways))
    corner = measured_field(nn.Sequential(*layers), draw(1, 1, side, side), at=(0, 0))
    assert corner[0, 0] > 0 and corner[-1].sum() == 0


def test_the_measured_field_leaves_the_net_alone() -> None:
    net = nn.Conv2d(2, 3, 3, padding=1)
    with torch.no_grad():
        field = measured_field(net, torch.randn(2, 2, 8, 9))
    assert field.shape == (8, 9) and net.weight.grad is None
    assert (field > 0).nonzero().min(0).values.tolist() == [3, 3]


@pytest.mark.parametrize(("size", "rate"), [(7, 2), (6, 6), (5, 9), (12, 1)])
def test_the_share_of_taps_inside_is_counted(size: int, rate: int) -> None:
    inside = sum(0 <= i + a < size for i in range(size) for a in (-rate, 0, rate))
    assert taps_inside(size, rate) == pytest.approx(inside / (3 * size))


def test_the_cost_of_a_separable_convolution_is_that_of_its_layers() -> None:
    layers = [nn.Conv2d(6, 6, 3, groups=6, bias=False), nn.Conv2d(6, 10, 1, bias=False)]
    cost = separable_cost(6, 10, 3, (4, 5))
    assert cost.parameters == sum(layer.weight.numel() for layer in layers)
    assert cost.multiply_adds == 20 * cost.parameters


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: effective_kernel(3, 0), "at least 1"),
        (lambda: atrous_conv2d(torch.zeros(3, 8, 8), torch.zeros(1, 3, 3, 3)), "same C"),
        (lambda: atrous_conv2d(torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 3, 3)), "same C"),
        (lambda: atrous_conv2d(torch.zeros(1, 1, 4, 9), torch.zeros(1, 1, 3, 3), rate=2), "fit"),
        (lambda: paths((1, 2), kernel=4), "odd"),
        (lambda: paths((0, 2)), "at least 1"),
        (lambda: taps_inside(0, 1), "at least 1"),
        (lambda: spread_kernel(torch.zeros(1, 1, 3, 3), 0), "at least 1"),
    ],
)
def test_bad_arguments_are_named_with_their_cure(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
