"""Equalised layers are ordinary ones with scaled weights; the minibatch deviation is counted."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_lib.models.equalised import (
    EqualisedConv2d,
    EqualisedLinear,
    activate,
    minibatch_std,
)


def test_a_linear_layer_equals_the_ordinary_one_with_scaled_weights() -> None:
    torch.manual_seed(0)
    layer = EqualisedLinear(5, 3, bias=0.7, lr_multiplier=0.01).double()
    x = torch.randn(4, 5, dtype=torch.float64)
    weight, bias = layer.weight * 0.01 / math.sqrt(5), layer.bias * 0.01
    torch.testing.assert_close(bias, torch.full((3,), 0.7, dtype=torch.float64))
    torch.testing.assert_close(layer(x), x @ weight.T + bias, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, None), (1, 1, None), (3, 2, 0)])
def test_a_convolution_equals_the_ordinary_one_with_scaled_weights(
    kernel: int, stride: int, padding: int | None
) -> None:
    torch.manual_seed(0)
    layer = EqualisedConv2d(4, 6, kernel, stride=stride, padding=padding).double()
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 4, 9, 7, dtype=torch.float64)
    pad = kernel // 2 if padding is None else padding
    expected = F.conv2d(
        x, layer.weight / math.sqrt(4 * kernel**2), layer.bias, stride=stride, padding=pad
    )
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)
    if stride == 1:
        assert layer(x).shape[-2:] == x.shape[-2:]


@pytest.mark.parametrize("fan_in", [4, 64, 1024])
def test_adam_moves_every_layer_by_the_same_share_of_its_weights(fan_in: int) -> None:
    """An ordinary layer of large fan-in has small weights, which the same step changes more."""
    torch.manual_seed(0)
    layer, ordinary = EqualisedLinear(fan_in, 256), torch.nn.Linear(fan_in, 256)
    torch.nn.init.normal_(ordinary.weight, std=fan_in**-0.5)
    x = torch.randn(64, fan_in)

    def share(weight: torch.nn.Parameter, net: torch.nn.Module) -> float:
        before = weight.detach().clone()
        optimizer = torch.optim.Adam([weight], lr=0.01)
        net(x).square().sum().backward()
        optimizer.step()
        return float((weight - before).detach().abs().mean() / before.square().mean().sqrt())

    assert share(layer.weight, layer) == pytest.approx(0.01, rel=0.1)
    assert share(ordinary.weight, ordinary) == pytest.approx(0.01 * fan_in**0.5, rel=0.1)


def test_the_multiplier_slows_adam_down() -> None:
    torch.manual_seed(0)
    slow, fast = EqualisedLinear(16, 8, lr_multiplier=0.01), EqualisedLinear(16, 8)
    with torch.no_grad():
        slow.weight.copy_(fast.weight / 0.01)
    x = torch.randn(32, 16)
    torch.testing.assert_close(slow(x), fast(x), rtol=1e-5, atol=1e-6)
    before = fast.weight.detach() * fast.weight_scale
    moved = []
    for layer in (slow, fast):
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
        layer(x).square().sum().backward()
        optimizer.step()
        moved.append((layer.weight.detach() * layer.weight_scale - before).abs().mean())
    assert float(moved[0] / moved[1]) == pytest.approx(0.01, rel=0.02)


def test_the_activation_keeps_about_the_size_of_a_normal_signal() -> None:
    x = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0))
    assert float(activate(x).square().mean()) == pytest.approx(1 + 0.2**2, rel=0.01)
    assert float(activate(torch.tensor(-1.0))) == pytest.approx(-0.2 * math.sqrt(2))


def by_numpy(x: np.ndarray, group_size: int) -> np.ndarray:
    """The same number, group by group, with numpy's own deviation."""
    groups = max(1, len(x) // group_size)
    result = np.empty((len(x), 1, *x.shape[2:]))
    for g in range(groups):
        members = [i for i in range(len(x)) if i % groups == g]
        result[members] = x[members].std(axis=0).mean()
    return result


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 7, 8, 9, 12])
@pytest.mark.parametrize("group_size", [1, 3, 4])
def test_the_minibatch_deviation_equals_numpys(batch: int, group_size: int) -> None:
    x = np.random.default_rng(0).normal(size=(batch, 3, 4, 5))
    found = minibatch_std(torch.from_numpy(x), group_size, eps=0.0)
    np.testing.assert_allclose(found.numpy(), by_numpy(x, group_size), rtol=1e-10, atol=1e-12)


def test_where_the_group_size_divides_the_batch_it_equals_the_papers_reshape() -> None:
    x = torch.randn(12, 3, 4, 5, dtype=torch.float64)
    y = x.reshape(4, 3, 3, 4, 5)  # (group size, groups, C, H, W)
    deviation = (y.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))  # (groups,)
    expected = deviation.repeat(4)[:, None, None, None].expand(-1, 1, 4, 5)
    torch.testing.assert_close(minibatch_std(x, 4), expected, rtol=1e-10, atol=1e-12)


def test_equal_images_differ_by_nothing_and_still_give_finite_second_gradients() -> None:
    x = torch.ones(4, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    y = minibatch_std(x)
    assert float(y.detach().max()) <= 1e-4 + 1e-12
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    assert first.isfinite().all() and second.isfinite().all()


def test_a_group_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 image"):
        minibatch_std(torch.zeros(2, 1, 4, 4), 0)
