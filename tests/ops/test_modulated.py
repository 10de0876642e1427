"""Scaling in and out equals convolving each image with its own weights, and keeps the variance."""

import pytest
import torch
import torch.nn.functional as F

from course_lib.ops.modulated import (
    demodulation,
    modulated_conv2d,
    modulated_conv2d_by_weights,
    modulated_weights,
)

CASES = [  # H, W, K_h, K_w, padding: odd, even, non-square
    (8, 8, 3, 3, 1),
    (9, 6, 3, 3, 1),
    (7, 5, 1, 1, 0),
    (6, 7, 5, 2, 2),
    (5, 8, 4, 3, 0),
]


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parity
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_it_equals_a_convolution_with_weights_of_each_image(
    case: tuple[int, ...], demodulate: bool
) -> None:
    height, width, kernel_h, kernel_w, padding = case
    x, weight = draw(3, 4, height, width), draw(5, 4, kernel_h, kernel_w, seed=1)
    style = draw(3, 4, seed=2)
    found = modulated_conv2d(x, weight, style, demodulate=demodulate, padding=padding)
    grouped = modulated_conv2d_by_weights(x, weight, style, demodulate=demodulate, padding=padding)
    torch.testing.assert_close(found, grouped, rtol=1e-11, atol=1e-11)
    own = modulated_weights(weight, style, demodulate=demodulate)
    one = [F.conv2d(x[i : i + 1], own[i], padding=padding) for i in range(3)]
    torch.testing.assert_close(found, torch.cat(one), rtol=1e-11, atol=1e-11)


@pytest.mark.parity
def test_gradients_of_both_forms_agree() -> None:
    leaves = [draw(2, 3, 6, 5), draw(4, 3, 3, 3, seed=1), draw(2, 3, seed=2)]
    grads = []
    for form in (modulated_conv2d, modulated_conv2d_by_weights):
        inputs = [leaf.clone().requires_grad_() for leaf in leaves]
        grads.append(torch.autograd.grad(form(*inputs, padding=1).square().sum(), inputs))
    torch.testing.assert_close(*grads, rtol=1e-9, atol=1e-9)


@pytest.mark.parity
@pytest.mark.parametrize("size", [(4, 4), (5, 3)])
def test_the_doubling_form_spreads_each_pixel_over_its_own_weights(size: tuple[int, int]) -> None:
    x, weight, style = draw(2, 3, *size), draw(4, 3, 3, 3, seed=1), draw(2, 3, seed=2)
    own = modulated_weights(weight, style)  # (B, O, C, 3, 3)
    expected = x.new_zeros(2, 4, 2 * size[0] + 1, 2 * size[1] + 1)
    for row in range(size[0]):
        for column in range(size[1]):
            spread = torch.einsum("bc,bocij->boij", x[:, :, row, column], own)
            expected[..., 2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += spread
    found = modulated_conv2d(x, weight, style, up=True)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


def test_demodulated_outputs_have_variance_one_whatever_the_style() -> None:
    x = draw(8, 6, 66, 66)  # independent, of variance 1
    weight, style = draw(5, 6, 3, 3, seed=1), 10 * draw(8, 6, seed=2)
    variance = modulated_conv2d(x, weight, style).var((2, 3))  # (B, O), over 64 * 64 positions
    torch.testing.assert_close(variance, torch.ones_like(variance), rtol=0.2, atol=0)
    assert float(variance.mean()) == pytest.approx(1, abs=0.03)
    raw = modulated_conv2d(x, weight, style, demodulate=False).var((2, 3))
    expected = (style.square() @ weight.square().sum((2, 3)).T).numpy()
    assert raw.numpy() == pytest.approx(expected, rel=0.2)


def test_the_scale_of_a_style_and_of_the_weights_cancels() -> None:
    x, weight, style = draw(2, 3, 6, 5), draw(4, 3, 3, 3, seed=1), draw(2, 3, seed=2)
    once = modulated_conv2d(x, weight, style)
    torch.testing.assert_close(modulated_conv2d(x, 7 * weight, style / 3), once, rtol=1e-6, atol=0)
    power = modulated_weights(weight, style).square().sum((2, 3, 4))
    torch.testing.assert_close(power, torch.ones_like(power), rtol=1e-7, atol=0)
    torch.testing.assert_close(
        demodulation(weight, style),
        modulated_weights(weight, style, demodulate=False).square().sum((2, 3, 4)).rsqrt(),
        rtol=1e-6,
        atol=0,
    )


def test_a_style_of_zeros_gives_zeros() -> None:
    y = modulated_conv2d(draw(1, 3, 4, 4), draw(2, 3, 3, 3), torch.zeros(1, 3).double())
    assert y.isfinite().all() and float(y.abs().max()) == 0


def test_under_autocast_the_factors_keep_their_precision() -> None:
    x, weight = draw(2, 8, 6, 6).float(), draw(4, 8, 3, 3, seed=1).float()
    style = draw(2, 8, seed=2).float()
    exact = modulated_conv2d(x, weight, style)
    with torch.autocast("cpu", torch.bfloat16):
        found = modulated_conv2d(x, weight, style)
    assert found.dtype == torch.bfloat16
    assert float((found - exact).abs().max() / exact.abs().max()) < 0.02


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: modulated_conv2d(draw(2, 3, 4, 4), draw(5, 4, 1, 1), draw(2, 3)), "same B and C"),
        (lambda: modulated_conv2d(draw(2, 3, 4, 4), draw(5, 3, 1, 1), draw(2, 5)), "same B and C"),
        (lambda: modulated_conv2d(draw(2, 3, 4, 4), draw(5, 3, 1, 1), draw(1, 3)), "same B and C"),
        (lambda: modulated_weights(draw(5, 3, 1, 1), draw(2, 5)), "each input channel"),
        (
            lambda: modulated_conv2d(
                draw(2, 3, 4, 4), draw(5, 3, 3, 3), draw(2, 3), up=True, padding=1
            ),
            "crop",
        ),
    ],
)
def test_bad_arguments_are_named_with_their_cure(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
