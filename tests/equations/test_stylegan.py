"""The equations of book/math/stylegan.md on styles and layers, each checked in float64."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.models.equalised import EqualisedConv2d, EqualisedLinear, minibatch_std
from course_lib.models.stylegan import StyleGANGenerator, mix_styles
from course_lib.models.stylegan_layers import StyledConv, normalise
from course_lib.ops.modulated import demodulation, modulated_conv2d, modulated_weights

F64 = torch.float64
seeds = given(st.integers(0, 2**31))
few = settings(max_examples=25, deadline=None)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.mark.equation("eq-stylegan-normalise")
@few
@seeds
def test_a_normalised_code_has_the_length_of_a_typical_one(seed: int) -> None:
    z = 5 * normal(3, 7, seed=seed)
    expected = [row / math.sqrt(sum(x * x for x in row) / 7 + 1e-8) for row in z.numpy()]
    np.testing.assert_allclose(normalise(z).numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(normalise(z).norm(dim=1), 7**0.5, rtol=1e-6)


@pytest.mark.equation("eq-adain")
@few
@seeds
def test_adain_gives_each_map_the_mean_and_deviation_of_the_style(seed: int) -> None:
    x = 3 * normal(2, 4, 5, 6, seed=seed) + 1
    s, b = normal(2, 4, seed=seed + 1), normal(2, 4, seed=seed + 2)
    mean, deviation = x.mean((2, 3)), x.std((2, 3), correction=0)
    y = s[:, :, None, None] * (x - mean[:, :, None, None]) / deviation[:, :, None, None]
    y = y + b[:, :, None, None]
    torch.testing.assert_close(y.mean((2, 3)), b)
    torch.testing.assert_close(y.std((2, 3), correction=0), s.abs())
    library = F.instance_norm(x, eps=0) * s[:, :, None, None] + b[:, :, None, None]
    torch.testing.assert_close(y, library)


@pytest.mark.equation("eq-stylegan-modulate")
@few
@seeds
def test_scaling_the_weights_of_a_channel_is_scaling_the_channel(seed: int) -> None:
    x, w, s = normal(2, 3, 6, 5, seed=seed), normal(4, 3, 3, 3, seed=seed + 1), normal(2, 3)
    own = modulated_weights(w, s, demodulate=False)
    for i in range(2):
        for c in range(3):
            torch.testing.assert_close(own[i, :, c], s[i, c] * w[:, c])
        scaled = x[i] * s[i][:, None, None]
        torch.testing.assert_close(F.conv2d(x[i], own[i]), F.conv2d(scaled, w))


@pytest.mark.equation("eq-stylegan-variance")
def test_the_variance_of_an_output_is_the_sum_of_squared_weights() -> None:
    x, w, s = normal(200_000, 3, 2, 2), normal(4, 3, 2, 2, seed=1), normal(1, 3, seed=2)
    own = modulated_weights(w, s, demodulate=False)[0]  # (O, C, 2, 2)
    measured = F.conv2d(x, own).flatten(1).var(0)
    expected = torch.stack([(row**2).sum() for row in own])
    torch.testing.assert_close(measured, expected, rtol=0.02, atol=0)
    other = sum(s[0, c] ** 2 * (w[:, c] ** 2).sum((1, 2)) for c in range(3))
    torch.testing.assert_close(expected, other)


@pytest.mark.equation("eq-stylegan-demodulate")
@few
@seeds
def test_demodulated_weights_have_unit_size(seed: int) -> None:
    w, s = normal(4, 3, 3, 2, seed=seed), normal(2, 3, seed=seed + 1)
    found = modulated_weights(w, s).numpy()
    for i in range(2):
        for o in range(4):
            own = (s[i][:, None, None] * w[o]).numpy()
            np.testing.assert_allclose(found[i, o], own / np.sqrt((own**2).sum() + 1e-8))
            assert (found[i, o] ** 2).sum() == pytest.approx(1, rel=1e-3)


@pytest.mark.equation("eq-stylegan-scale-out")
@few
@seeds
def test_scaling_in_and_out_is_convolving_with_demodulated_weights(seed: int) -> None:
    x, w, s = normal(2, 3, 6, 5, seed=seed), normal(4, 3, 3, 3, seed=seed + 1), normal(2, 3)
    d = demodulation(w, s)
    own = modulated_weights(w, s)
    for i in range(2):
        by_weights = F.conv2d(x[i], own[i])
        by_scales = d[i][:, None, None] * F.conv2d(s[i][:, None, None] * x[i], w)
        torch.testing.assert_close(by_weights, by_scales)
        torch.testing.assert_close(modulated_conv2d(x, w, s)[i], by_weights)


def test_the_worked_example_of_modulation() -> None:
    w, s = torch.tensor([[3.0, 8.0]], dtype=F64), torch.tensor([[1.0, 0.5]], dtype=F64)
    kernel, x = w[:, :, None, None], torch.tensor([2.0, 1.0], dtype=F64).reshape(1, 2, 1, 1)
    raw = modulated_weights(kernel, s, demodulate=False).flatten().tolist()
    assert raw == [3, 4]
    assert modulated_weights(kernel, s).flatten().tolist() == pytest.approx([0.6, 0.8])
    for style in (s, 10 * s):
        assert float(modulated_conv2d(x, kernel, style)) == pytest.approx(2)
    answer = modulated_weights(torch.ones(1, 2, 1, 1), torch.tensor([[2.0, 1.0]])).flatten()
    assert answer.tolist() == pytest.approx([0.894, 0.447], abs=5e-4)  # question 1


def test_a_scale_of_the_weights_changes_their_gradient_and_nothing_else() -> None:
    """Question 2."""
    x, s = normal(1, 3, 5, 5), normal(1, 3, seed=1)
    grads = []
    for factor in (1.0, 7.0):
        w = (factor * normal(4, 3, 3, 3, seed=2)).requires_grad_()
        y = modulated_conv2d(x, w, s)
        grads.append((y, torch.autograd.grad(y.pow(3).sum(), w)[0]))
    torch.testing.assert_close(grads[0][0], grads[1][0], rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(grads[0][1] / 7, grads[1][1], rtol=1e-6, atol=1e-6)


@pytest.mark.equation("eq-stylegan-equalised")
def test_stored_numbers_have_variance_one_and_used_ones_that_of_the_fan_in() -> None:
    torch.manual_seed(0)
    conv, linear = EqualisedConv2d(16, 64, 3, bias=False).double(), EqualisedLinear(144, 64)
    x = normal(2, 16, 3, 3)
    for layer in (conv, linear):
        assert float(layer.weight.detach().var()) == pytest.approx(1, rel=0.05)
        assert layer.weight_scale == pytest.approx(1 / 12)
    expected = torch.einsum("bcij,ocij->bo", x, conv.weight) / 12
    torch.testing.assert_close(conv(x)[:, :, 1, 1], expected)


@pytest.mark.equation("eq-stylegan-adam-step")
@pytest.mark.parametrize("n", [16, 64, 864])
def test_adams_first_step_relative_to_the_weights(n: int) -> None:
    eta, c = 0.01, 1 / math.sqrt(n)
    x, v0 = normal(50, n), normal(8, n, seed=1)

    def step(start: torch.Tensor, scale: float) -> torch.Tensor:
        stored = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([stored], lr=eta, eps=1e-12)
        (x @ (scale * stored).T).pow(3).sum().backward()
        optimizer.step()
        return (scale * (stored - start)).detach()

    equalised, ordinary = step(v0, c), step(c * v0, 1.0)
    torch.testing.assert_close(equalised.abs() / c, torch.full_like(v0, eta))
    torch.testing.assert_close(ordinary.abs() / c, torch.full_like(v0, eta * math.sqrt(n)))
    slow = step(v0 / 0.01, 0.01 * c)  # the mapping network's multiplier
    torch.testing.assert_close(slow.abs() / c, torch.full_like(v0, 0.01 * eta))


@pytest.mark.equation("eq-stylegan-noise")
def test_noise_is_one_map_for_all_channels() -> None:
    torch.manual_seed(0)
    layer = StyledConv(3, 4, (6, 5), style_dim=2).double()
    x, w = normal(2, 3, 6, 5), normal(2, 2)
    quiet = layer(x, w, noise="none")
    torch.nn.init.constant_(layer.strength, 0.3)

    def before(y: torch.Tensor) -> torch.Tensor:
        return torch.where(y > 0, y, y / 0.2) / math.sqrt(2)  # the activation undone

    added = (before(layer(x, w, noise="random")) - before(quiet)) / 0.3  # (B, C, H, W)
    torch.testing.assert_close(added, added[:, :1].expand_as(added))
    assert not torch.allclose(added[0], added[1])
    fixed = (before(layer(x, w, noise="fixed")) - before(quiet)) / 0.3
    torch.testing.assert_close(fixed, layer.noise_fixed.expand_as(fixed))


@pytest.mark.equation("eq-stylegan-mixing")
@few
@given(crossing=st.integers(0, 6), seed=st.integers(0, 2**31))
def test_layers_before_the_crossing_take_the_first_style(crossing: int, seed: int) -> None:
    a, b = normal(1, 4, seed=seed), normal(1, 4, seed=seed + 1)
    mixed = mix_styles(a, b, torch.tensor([crossing]), num_layers=6)
    for layer in range(6):
        assert torch.equal(mixed[0, layer], a[0] if layer < crossing else b[0])


@pytest.mark.equation("eq-stylegan-truncation")
def test_truncation_moves_styles_towards_the_mean() -> None:
    net = StyleGANGenerator(latent_dim=4, style_dim=5, size=8, channels=2).double().eval()
    net.style_mean.copy_(normal(5))
    w = normal(3, 5, seed=1)
    for psi in (0.0, 0.3, 1.0):
        expected = net.style_mean + psi * (w - net.style_mean)
        torch.testing.assert_close(net.truncate(w, psi), expected)


@pytest.mark.equation("eq-stylegan-truncation-spread")
@few
@given(psi=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_the_spread_shrinks_by_the_square(psi: float, seed: int) -> None:
    w = normal(50, 6, seed=seed) ** 3
    mean = w.mean(0)
    spread = ((mean + psi * (w - mean)).var(0, correction=0)).sum()
    torch.testing.assert_close(spread, psi**2 * w.var(0, correction=0).sum())


@pytest.mark.equation("eq-stylegan-minibatch-std")
@few
@given(images=st.integers(1, 6), seed=st.integers(0, 2**31))
def test_the_deviation_over_images_averaged_over_the_rest(images: int, seed: int) -> None:
    h = normal(images, 3, 2, 4, seed=seed).numpy()
    total = 0.0
    flat = h.reshape(images, -1)
    for k in range(24):
        mean = sum(flat[:, k]) / images
        total += math.sqrt(sum((x - mean) ** 2 for x in flat[:, k]) / images + 1e-8)
    found = minibatch_std(torch.from_numpy(h), group_size=images)
    assert found.unique().tolist() == pytest.approx([total / 24])


def test_the_worked_example_of_the_minibatch_deviation() -> None:
    h = torch.tensor([[0.0, 4.0], [2.0, 4.0]], dtype=F64)
    found = minibatch_std(h.reshape(2, 1, 1, 2), 2)
    assert float(found[0, 0, 0, 0]) == pytest.approx(0.5, abs=1e-4)
    assert float(h.std(correction=0)) == pytest.approx(1.66, abs=5e-3)
    assert float(minibatch_std(h[:1].expand(2, -1).reshape(2, 1, 1, 2)).max()) < 2e-4
    assert math.sqrt(576) == 24  # question 3


def test_the_usual_initialisations_go_like_one_over_the_root_of_the_fan_in():
    """The deviations that the chapter names: He's before a ReLU, and PyTorch's own default."""
    torch.manual_seed(0)
    for fan_in in (64, 864):
        layer = torch.nn.Linear(fan_in, 4000)
        assert layer.weight.std().item() == pytest.approx(1 / math.sqrt(3 * fan_in), rel=0.02)
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.02)
    conv = torch.nn.Conv2d(96, 500, 3)  # channels times taps: 864
    assert conv.weight.std().item() == pytest.approx(1 / math.sqrt(3 * 864), rel=0.02)
