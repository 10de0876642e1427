"""The equations of book/math/stylegan.md on penalties and augmentation, checked in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.losses import path_length_penalty, r1_penalty
from course_lib.models.stylegan import StyleGANGenerator
from course_lib.ops.discriminator_augment import DiscriminatorAugment

F64 = torch.float64
few = settings(max_examples=25, deadline=None)
seeds = given(st.integers(0, 2**31))


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.mark.equation("eq-stylegan-lazy")
@pytest.mark.parametrize(("steps", "every"), [(32, 16), (12, 4), (5, 1)])
def test_a_penalty_now_and_then_pulls_as_hard_on_average(steps: int, every: int) -> None:
    weight = normal(3, seed=1).requires_grad_()
    real, gamma = normal(10, 3), 2.0

    def critic(x: torch.Tensor) -> torch.Tensor:
        return (x @ weight).pow(2)

    pull = torch.zeros(3, dtype=F64)
    for t in range(steps):
        if t % every == 0:
            loss = every * gamma / 2 * r1_penalty(critic, real)
            pull += torch.autograd.grad(loss, weight)[0] / steps
    (expected,) = torch.autograd.grad(gamma / 2 * r1_penalty(critic, real), weight)
    torch.testing.assert_close(pull, expected)


@pytest.mark.equation("eq-path-jacobian")
@few
@seeds
def test_one_backward_pass_multiplies_by_the_transposed_jacobian(seed: int) -> None:
    torch.manual_seed(seed)
    net = StyleGANGenerator(latent_dim=3, style_dim=4, size=8, channels=2, out_channels=1)
    net = net.double().eval()
    w = normal(4, seed=seed).requires_grad_()

    def draw(w: torch.Tensor) -> torch.Tensor:
        return net.synthesis(w[None], noise="fixed").flatten()

    y = normal(64, seed=seed + 1)
    (found,) = torch.autograd.grad(draw(w) @ y, w)
    jacobian = torch.stack(
        [
            (draw(w + 1e-6 * e) - draw(w - 1e-6 * e)).detach() / 2e-6
            for e in torch.eye(4, dtype=F64)
        ],
        dim=1,
    )  # (64, 4), by differences
    torch.testing.assert_close(found, jacobian.T @ y, rtol=1e-5, atol=1e-7)


@pytest.mark.equation("eq-path-frobenius")
@few
@seeds
def test_the_mean_squared_length_is_the_sum_of_squares(seed: int) -> None:
    """E y y^T = I: the mean is that over any frame of orthogonal y of length sqrt(n)."""
    jacobian = normal(5, 3, seed=seed)
    frame, _ = torch.linalg.qr(normal(5, 5, seed=seed + 1))
    lengths = [(jacobian.T @ (math.sqrt(5) * y)).square().sum() for y in frame.T]
    torch.testing.assert_close(sum(lengths) / 5, (jacobian**2).sum())
    y = normal(200_000, 5, seed=seed + 2)
    measured = (y @ jacobian).square().sum(1).mean()
    torch.testing.assert_close(measured, (jacobian**2).sum(), rtol=0.03, atol=0)


@pytest.mark.equation("eq-path-length")
@few
@seeds
def test_the_penalty_of_a_linear_generator_in_closed_form(seed: int) -> None:
    matrix = normal(12, 3, seed=seed).requires_grad_()  # images of 3 x 4 pixels from 3 numbers
    w, noise = normal(5, 3, seed=seed + 1).requires_grad_(), normal(5, 1, 3, 4, seed=seed + 2)
    images = (w @ matrix.T).reshape(5, 1, 3, 4)
    before = torch.tensor(0.7, dtype=F64)
    penalty, mean = path_length_penalty(images, w, before, noise=noise, decay=0.2)
    lengths = (noise.reshape(5, 12) @ matrix).norm(dim=1) / math.sqrt(12)
    a = 0.8 * before + 0.2 * lengths.mean()
    torch.testing.assert_close(mean, a.detach())
    torch.testing.assert_close(penalty, ((lengths - a.detach()) ** 2).mean())
    found, expected = (
        torch.autograd.grad(loss, matrix, retain_graph=True)[0]
        for loss in (penalty, ((lengths - a.detach()) ** 2).mean())
    )
    torch.testing.assert_close(found, expected)
    assert not mean.requires_grad


def test_with_a_style_for_each_layer_the_squares_are_averaged() -> None:
    first, second = normal(12, 3, seed=1), normal(12, 3, seed=2)
    w, noise = normal(5, 2, 3, seed=3).requires_grad_(), normal(5, 1, 3, 4, seed=4)
    images = (w[:, 0] @ first.T + w[:, 1] @ second.T).reshape(5, 1, 3, 4)
    penalty, mean = path_length_penalty(images, w, torch.zeros((), dtype=F64), noise=noise, decay=1)
    y = noise.reshape(5, 12) / math.sqrt(12)
    lengths = (((y @ first) ** 2).sum(1) / 2 + ((y @ second) ** 2).sum(1) / 2).sqrt()
    torch.testing.assert_close(mean, lengths.mean())
    torch.testing.assert_close(penalty, lengths.var(correction=0))


def test_images_that_do_not_depend_on_the_styles_are_refused() -> None:
    with pytest.raises(ValueError, match="require"):
        path_length_penalty(normal(2, 1, 4, 4), normal(2, 3), torch.zeros(()))


@pytest.mark.equation("eq-path-spread")
@few
@seeds
def test_lengths_vary_least_where_columns_are_orthogonal_and_equally_long(seed: int) -> None:
    jacobian = normal(6, 4, seed=seed)
    gram = jacobian.T @ jacobian
    # E (y^T M y)^2 = sum over E y_i y_j y_k y_l M_ij M_kl; the fourth moments by Isserlis' rule.
    m = jacobian @ jacobian.T
    eye = torch.eye(6, dtype=F64)
    fourth = (
        torch.einsum("ij,kl->ijkl", eye, eye)
        + torch.einsum("ik,jl->ijkl", eye, eye)
        + torch.einsum("il,jk->ijkl", eye, eye)
    )
    second_moment = torch.einsum("ijkl,ij,kl->", fourth, m, m)
    variance = second_moment - m.trace() ** 2
    torch.testing.assert_close(variance, 2 * (gram @ gram).trace())
    least = 2 / 4 * gram.trace() ** 2
    assert variance >= least
    frame, _ = torch.linalg.qr(jacobian)
    even = 9 * frame.T @ frame
    torch.testing.assert_close(2 * (even @ even).trace(), 2 / 4 * even.trace() ** 2)


def test_the_sixth_answer_by_drawing() -> None:
    y = normal(1_000_000, 2)
    uneven, even = (y**2) @ torch.tensor([9.0, 1.0], dtype=F64), 5 * (y**2).sum(1)
    assert uneven.mean().item() == pytest.approx(10, rel=0.01)
    assert uneven.var().item() == pytest.approx(164, rel=0.02)
    assert even.var().item() == pytest.approx(100, rel=0.02)


@pytest.mark.equation("eq-stylegan-leak")
@few
@given(p=st.floats(0, 0.99), seed=st.integers(0, 2**31))
def test_turning_by_chance_can_be_undone_in_distribution(p: float, seed: int) -> None:
    """Images of 2x2 pixels, each black or white: 16 of them; quarter turns permute them."""
    pictures = [np.array([(n >> i) & 1 for i in range(4)]).reshape(2, 2) for n in range(16)]

    def number(picture: np.ndarray) -> int:
        return int(sum(bit << i for i, bit in enumerate(picture.flatten())))

    turns = np.zeros((4, 16, 16))
    for h in range(4):
        for n, picture in enumerate(pictures):
            turns[h, number(np.rot90(picture, h)), n] = 1
    u = turns.mean(0)
    np.testing.assert_allclose(u @ u, u)
    q = np.random.default_rng(seed).dirichlet(np.ones(16))
    seen = (1 - p) * q + p * u @ q
    by_chance = sum((p / 4) * turn @ q for turn in turns) + (1 - p) * q
    np.testing.assert_allclose(seen, by_chance)
    np.testing.assert_allclose((seen - p * u @ seen) / (1 - p), q, atol=1e-10)
    # At p = 1 the turned distribution looks like the original one.
    np.testing.assert_allclose(u @ (turns[1] @ q), u @ q)


@few
@given(p=st.floats(0, 0.49), seed=st.integers(0, 2**31))
def test_any_distortion_can_be_undone_below_one_half(p: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    distortion = rng.dirichlet(np.full(9, 0.2), size=9).T  # columns are distributions
    seen = (1 - p) * np.eye(9) + p * distortion
    gap = rng.dirichlet(np.ones(9)) - rng.dirichlet(np.ones(9))
    assert np.abs(seen @ gap).sum() >= (1 - 2 * p) * np.abs(gap).sum() - 1e-12


@pytest.mark.equation("eq-stylegan-ada")
@few
@given(p=st.floats(0, 1), r=st.sampled_from([-1.0, 0.2, 0.6, 1.0]))
def test_the_probability_moves_by_the_images_seen(p: float, r: float) -> None:
    augment = DiscriminatorAugment(p, target=0.6, ramp_images=500, every=2)
    positive = round((1 + r) / 2 * 20)
    logits = torch.tensor([1.5] * positive + [-0.5] * (20 - positive))
    for _ in range(2):
        augment.adjust(logits)
    direction = 0 if abs(r - 0.6) < 1e-6 else (1 if r > 0.6 else -1)
    assert float(augment.p) == pytest.approx(min(1, max(0, p + direction * 40 / 500)), abs=1e-6)
