"""Paths from noise to data against closed forms, brute force, SciPy and diffusers."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from course_lib.ops import (
    PATHS,
    TARGETS,
    coefficients,
    convert,
    ddpm_betas,
    diffusion_time,
    kept_signal,
    log_snr,
    mix,
    optimal_denoiser,
    optimal_velocity,
    pair_by_transport,
    solve,
    target,
    time_steps,
)
from course_lib.ops.paths import WORDS, image_errors

T = torch.tensor([0.03, 0.2, 0.5, 0.77, 0.97], dtype=torch.float64)


@pytest.mark.parametrize("path", PATHS)
def test_rates_are_the_derivatives(path: str) -> None:
    t = T.clone().requires_grad_()
    alpha, sigma, alpha_rate, sigma_rate = coefficients(path, t)
    (slope,) = torch.autograd.grad(alpha.sum(), t, retain_graph=True)
    (other,) = torch.autograd.grad(sigma.sum(), t)
    assert torch.allclose(slope, alpha_rate, atol=1e-9)
    assert torch.allclose(other, sigma_rate, atol=1e-9)
    assert (alpha.diff() > 0).all() and (sigma.diff() < 0).all()
    if path != "straight":
        assert torch.allclose(alpha**2 + sigma**2, torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize("path", PATHS)
def test_time_runs_from_noise_to_data(path: str) -> None:
    """The trap of two conventions."""
    images, noise = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 5, 4)
    assert torch.allclose(mix(images, noise, torch.tensor(1.0), path), images)
    start = mix(images, noise, torch.tensor(0.0), path)
    assert (start - noise).abs().max() < (0.05 if path == "linear" else 1e-6)
    assert torch.allclose(diffusion_time(diffusion_time(T)), T)
    assert (log_snr(path, T).diff() > 0).all()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("given", "wanted"), list(itertools.product(WORDS, WORDS)))
def test_all_words_say_the_same(path: str, given: str, wanted: str) -> None:
    """Each word, made from image and noise; there and back again."""
    torch.manual_seed(0)
    images, noise = torch.randn(2, 5, 3, 7, 4, dtype=torch.float64)
    x = mix(images, noise, T, path)

    def word(name: str) -> Tensor:
        if name == "score":  # of the normal distribution around alpha * image
            alpha, sigma, _, _ = (c[:, None, None, None] for c in coefficients(path, T))
            return -(x - alpha * images) / sigma**2
        return target(images, noise, T, name, path)

    said = convert(word(given), x, T, given=given, wanted=wanted, path=path)
    assert torch.allclose(said, word(wanted), atol=1e-8)
    back = convert(said, x, T, given=wanted, wanted=given, path=path)
    assert torch.allclose(back, word(given), atol=1e-8)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("predicts", TARGETS)
def test_how_errors_of_the_image_are_multiplied(path: str, predicts: str) -> None:
    x, image = torch.randn(2, 5, 3, dtype=torch.float64)
    said = convert(image, x, T, given="image", wanted=predicts, path=path)
    other = convert(image + 0.1, x, T, given="image", wanted=predicts, path=path)
    factor = (other - said).abs().mean(1) / 0.1
    assert torch.allclose(factor, image_errors(predicts, T, path), rtol=1e-6)


@pytest.mark.parametrize("path", ["straight", "cosine"])
def test_conditional_velocities_average_to_the_marginal_one(path: str) -> None:
    """Data N(m, s²): the posterior on a fine grid against the closed form."""
    m, s = 0.7, 0.4
    grid = torch.linspace(m - 10 * s, m + 10 * s, 200_001, dtype=torch.float64)
    for time, x in itertools.product((0.1, 0.5, 0.9), (-1.0, 0.3, 2.0)):
        t = torch.tensor(time, dtype=torch.float64)
        alpha, sigma, alpha_rate, sigma_rate = coefficients(path, t)
        noise = (x - alpha * grid) / sigma
        logits = -0.5 * ((grid - m) / s) ** 2 - 0.5 * noise**2
        mean = (logits.softmax(0) * target(grid, noise, t, "velocity", path)).sum()
        variance = alpha**2 * s**2 + sigma**2
        image = m + alpha * s**2 / variance * (x - alpha * m)
        closed = alpha_rate * image + sigma_rate * sigma / variance * (x - alpha * m)
        assert mean.item() == pytest.approx(closed.item(), abs=1e-6)


@pytest.mark.parametrize("path", PATHS)
def test_the_best_answer_on_a_finite_set_equals_brute_force(path: str) -> None:
    torch.manual_seed(0)
    points, x = torch.randn(6, 2, 3, 5).double(), torch.randn(5, 2, 3, 5).double()
    got = optimal_denoiser(x, T, points, path)
    speed = optimal_velocity(x, T, points, path)
    for row, time in enumerate(T):
        alpha, sigma, alpha_rate, sigma_rate = (c.item() for c in coefficients(path, time))
        logs = [-((x[row] - alpha * p) ** 2).sum().item() / (2 * sigma**2) for p in points]
        chances = [math.exp(value - max(logs)) for value in logs]
        mean = sum(c * p for c, p in zip(chances, points, strict=True)) / sum(chances)
        assert torch.allclose(got[row], mean, atol=1e-8)
        velocity = alpha_rate * mean + sigma_rate * (x[row] - alpha * mean) / sigma
        assert torch.allclose(speed[row], velocity, atol=1e-6)


def test_who_follows_the_best_velocity_copies_the_set() -> None:
    torch.manual_seed(0)
    points = torch.randn(5, 2)
    x = solve(lambda x, t: optimal_velocity(x, t, points), torch.randn(64, 2), time_steps(200))
    assert torch.cdist(x, points).amin(1).max() < 1e-2


def test_one_point_pulls_straight() -> None:
    x = optimal_velocity(torch.zeros(1, 2), torch.tensor(0.5), torch.tensor([[1.0, 2.0]]))
    assert torch.allclose(x, torch.tensor([[2.0, 4.0]]))


def test_pairs_by_transport_are_the_cheapest_of_all_orders() -> None:
    torch.manual_seed(0)
    noise, images = torch.randn(5, 1, 3, 2), torch.randn(5, 1, 3, 2)
    order = pair_by_transport(noise, images)
    cost = [
        (noise[list(p)] - images).square().sum().item() for p in itertools.permutations(range(5))
    ]
    assert (noise[order] - images).square().sum().item() == pytest.approx(min(cost), rel=1e-5)
    assert sorted(order.tolist()) == list(range(5))


def test_pairs_by_transport_shorten_the_ways() -> None:
    torch.manual_seed(0)
    noise, points = torch.randn(128, 2), torch.randn(128, 2) + 2
    paired = noise[pair_by_transport(noise, points)]
    assert (paired - points).square().mean() < 0.8 * (noise - points).square().mean()


def test_pairs_within_labels_are_the_cheapest_of_each_label() -> None:
    """Against all orders of each label; two of the labels have one member. Images not square."""
    torch.manual_seed(0)
    labels = torch.tensor([2, 0, 2, 5, 0, 2, 0, 0, 1])
    noise, images = torch.randn(9, 3, 5, 7), torch.randn(9, 3, 5, 7) + labels.view(-1, 1, 1, 1)
    order = pair_by_transport(noise, images, labels)
    assert torch.equal(labels[order], labels) and sorted(order.tolist()) == list(range(9))
    assert order[3] == 3 and order[8] == 8
    for name in (0, 2):
        own = (labels == name).nonzero()[:, 0]
        paired = (noise[order[own]] - images[own]).square().sum().item()
        cost = [
            (noise[own[list(p)]] - images[own]).square().sum().item()
            for p in itertools.permutations(range(len(own)))
        ]
        assert paired == pytest.approx(min(cost), rel=1e-5) and paired < max(cost)
    whole = pair_by_transport(noise, images)
    assert torch.equal(pair_by_transport(noise, images, torch.full((9,), 4)), whole)
    assert not torch.equal(labels[whole], labels)


def test_noise_given_the_label_stays_normal_only_if_pairs_are_made_within_labels() -> None:
    """Two classes side by side: the mean of the noise in each, from 300 batches."""
    torch.manual_seed(0)
    noise, labels = torch.randn(300, 32, 2), torch.randint(2, (300, 32))
    points = 0.3 * torch.randn(300, 32, 2)
    points[..., 0] += 4.0 * labels - 2
    for told, near in ((True, True), (False, False)):
        paired = torch.stack(
            [
                n[pair_by_transport(n, x, y if told else None)]
                for n, x, y in zip(noise, points, labels, strict=True)
            ]
        )
        for name in (0, 1):
            own = paired[labels == name][:, 0]
            error = 4 / len(own) ** 0.5
            assert (abs(own.mean()) < error) == near
            assert (abs(own.std() - 1) < error) == near


@pytest.mark.parity
@pytest.mark.parametrize(
    ("kind", "theirs"), [("linear", "linear"), ("cosine", "squaredcos_cap_v2")]
)
@pytest.mark.parametrize("steps", [1, 50, 1000])
def test_schedules_equal_those_of_diffusers(kind: str, theirs: str, steps: int) -> None:
    from diffusers import DDPMScheduler

    peer = DDPMScheduler(num_train_timesteps=steps, beta_schedule=theirs)
    betas = ddpm_betas(kind, steps)
    assert torch.allclose(betas.float(), peer.betas, atol=1e-6)
    assert torch.allclose(kept_signal(betas).float(), peer.alphas_cumprod, atol=1e-5)


def test_the_linear_path_is_the_limit_of_the_steps() -> None:
    kept = kept_signal(ddpm_betas("linear", 1000))
    t = 1 - torch.arange(1, 1001, dtype=torch.float64) / 1000
    assert (coefficients("linear", t).alpha ** 2 - kept).abs().max() < 0.01


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: coefficients("curly", T), "path is 'curly'"),
        (lambda: coefficients("straight", T + 1), "0 \\(noise\\) to 1"),
        (lambda: mix(torch.ones(2, 3), torch.ones(2, 3), torch.ones(3)), "a time for each sample"),
        (lambda: target(T, T, T, "words"), "predicts is 'words'"),
        (lambda: convert(T, T, T, given="image", wanted="smell"), "got 'smell'"),
        (lambda: ddpm_betas("linear", 0), "at least one"),
        (lambda: ddpm_betas("square"), "choose linear or cosine"),
    ],
)
def test_what_makes_no_sense_is_refused(call, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        call()


@pytest.mark.parametrize("path", PATHS)
def test_rounding_beyond_data_does_no_harm(path: str) -> None:
    found = coefficients(path, torch.tensor(1.0000005))
    assert found.alpha == pytest.approx(1, abs=1e-5) and found.sigma == pytest.approx(0, abs=1e-5)
