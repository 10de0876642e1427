"""Solvers and samplers against known solutions, torchdiffeq, diffusers and known densities."""

import math

import pytest
import torch
from torch import Tensor

from course_lib.data.points import mixture_log_density, ring_centres
from course_lib.ops import (
    PATHS,
    SOLVERS,
    ancestral,
    coefficients,
    convert,
    ddim,
    divergence,
    guided,
    path_log_density,
    solve,
    solve_sde,
    time_steps,
)

ORDER = {"euler": 1, "midpoint": 2, "heun": 2}


def swing(x: Tensor, t: Tensor) -> Tensor:
    return x * torch.cos(5 * t)  # solution: x(0) exp(sin(5 t) / 5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_solvers_have_their_order(solver: str) -> None:
    x = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    errors = [
        (solve(swing, x, time_steps(n).double(), solver=solver) - x * math.exp(math.sin(5) / 5))
        .abs()
        .max()
        .item()
        for n in (80, 160)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(ORDER[solver], abs=0.15)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("solver", "theirs"), [("euler",) * 2, ("midpoint",) * 2, ("heun", "heun2")]
)
@pytest.mark.parametrize("back", [False, True])
def test_solvers_equal_torchdiffeq(solver: str, theirs: str, back: bool) -> None:
    from torchdiffeq import odeint

    torch.manual_seed(0)
    layer = torch.randn(3, 3, dtype=torch.float64)
    x, times = torch.randn(5, 3, dtype=torch.float64), time_steps(7).double() ** 2
    times = times.flip(0) if back else times
    seen: list[Tensor] = []
    got = solve(
        lambda x, t: torch.tanh(x @ layer) + t,
        x,
        times,
        solver=solver,
        seen=lambda x, t: seen.append(x),
    )
    peer = odeint(lambda t, x: torch.tanh(x @ layer) + t, x, times, method=theirs)
    assert torch.allclose(torch.stack(seen), peer, atol=1e-12) and torch.equal(seen[-1], got)


def test_there_and_back_again() -> None:
    x = torch.randn(4, 2, 3, 5, dtype=torch.float64)
    there = solve(swing, x, time_steps(200).double())
    again = solve(swing, there, time_steps(200, 1.0, 0.0).double())
    assert torch.allclose(again, x, atol=1e-3) and not torch.allclose(there, x, atol=1e-2)


def test_the_last_step_by_euler_does_not_ask_at_the_end() -> None:
    asked = []

    def field(x: Tensor, t: Tensor) -> Tensor:
        asked.append(float(t))
        return x

    solve(field, torch.ones(1, 1), time_steps(4), solver="heun", last_euler=True)
    assert max(asked) == pytest.approx(0.75)
    solve(field, torch.ones(1, 1), time_steps(4), solver="heun")
    assert max(asked) == 1


@pytest.mark.parametrize("shift", [0.2, 3.0, 40.0])
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (1.0, 0.0), (0.001, 1.0), (0.3, 0.8)])
def test_a_shift_keeps_the_ends_and_multiplies_the_noise(
    shift: float, start: float, end: float
) -> None:
    """Undo it in float64: (1 - t) / t by the shift; what is left are equal steps."""
    times = time_steps(9, start, end, shift=shift).double()
    assert (times[0].item(), times[-1].item()) == pytest.approx((start, end), abs=1e-7)
    ways = times.diff()
    assert (ways > 0).all() if end > start else (ways < 0).all()
    equal = shift * times / (shift * times + 1 - times)
    assert torch.allclose(equal.diff(), equal.diff().mean(), atol=1e-6)
    near_noise, near_data = (ways[0], ways[-1]) if end > start else (ways[-1], ways[0])
    assert (near_noise.abs() < near_data.abs()) == (shift > 1)


def test_no_shift_are_equal_steps() -> None:
    for ends in ((0.0, 1.0), (1.0, 0.2)):
        assert torch.equal(time_steps(12, *ends), torch.linspace(*ends, 13))
        assert torch.equal(time_steps(12, *ends, shift=1), time_steps(12, *ends))
        close = time_steps(12, *ends, shift=1 + 1e-9)
        assert torch.allclose(close, time_steps(12, *ends), atol=1e-6)


@pytest.mark.parity
@pytest.mark.parametrize("shift", [0.5, 3.0])
def test_shifted_times_equal_those_of_diffusers(shift: float) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler

    peer = FlowMatchEulerDiscreteScheduler(shift=shift)
    peer.set_timesteps(sigmas=[1 - k / 11 for k in range(11)])  # noise to data, as levels
    assert torch.allclose(1 - peer.sigmas, time_steps(11, shift=shift), atol=1e-6)


def guess(x: Tensor, t: Tensor) -> Tensor:
    return torch.tanh(1.3 * x) * (0.5 + 0.5 * t)


def peer_of(name: str, path: str, times: Tensor):
    """A scheduler of diffusers whose table holds our path at our times."""
    import diffusers

    options = {"clip_sample": False, "prediction_type": "sample"}
    peer = getattr(diffusers, name)(num_train_timesteps=len(times) - 1, **options)
    kept = coefficients(path, times[:-1]).alpha ** 2
    peer.alphas_cumprod = kept.flip(0)
    peer.final_alpha_cumprod = torch.tensor(1.0)
    peer.set_timesteps(len(times) - 1)
    return peer


@pytest.mark.parity
@pytest.mark.parametrize("eta", [0.0, 0.6])
def test_ddim_equals_diffusers(eta: float) -> None:
    times = time_steps(10, 0.05)
    x = torch.randn(3, 2, 5, 7, generator=torch.Generator().manual_seed(1))
    ours = ddim(guess, x, times, path="cosine", eta=eta, generator=torch.Generator().manual_seed(2))
    peer, state, rng = peer_of("DDIMScheduler", "cosine", times), x, torch.Generator()
    rng.manual_seed(2)
    for step, t in zip(peer.timesteps, times[:-1], strict=True):
        state = peer.step(guess(state, t), step, state, eta=eta, generator=rng).prev_sample
    assert torch.allclose(ours, state, atol=1e-4)


@pytest.mark.parity
@pytest.mark.parametrize("path", ["cosine", "linear"])
def test_ancestral_sampling_equals_diffusers(path: str) -> None:
    times = time_steps(10, 0.05)
    x = torch.randn(3, 2, 5, 7, generator=torch.Generator().manual_seed(1))
    ours = ancestral(guess, x, times, path=path, generator=torch.Generator().manual_seed(2))
    peer, state, rng = peer_of("DDPMScheduler", path, times), x, torch.Generator()
    rng.manual_seed(2)
    for step, t in zip(peer.timesteps, times[:-1], strict=True):
        state = peer.step(guess(state, t), step, state, generator=rng).prev_sample
    assert torch.allclose(ours, state, atol=1e-4)


def test_the_last_step_adds_no_noise() -> None:
    """The trap: one more draw at the end leaves grain in every picture."""
    ends = [
        ancestral(
            lambda x, t: torch.full_like(x, 0.3),
            torch.randn(2, 3),
            time_steps(5),
            generator=torch.Generator().manual_seed(seed),
        )
        for seed in (0, 1)
    ]
    assert torch.allclose(ends[0], torch.full((2, 3), 0.3)) and torch.equal(*ends)


@pytest.mark.parametrize("path", ["straight", "cosine", "linear"])
def test_samplers_draw_a_gaussian_from_its_own_denoiser(path: str) -> None:
    """DDIM and ancestral sampling end in N(m, s²), where the denoiser is known."""
    m, s = 0.5, 0.2

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma, _, _ = coefficients(path, t)
        return m + alpha * s**2 / (alpha**2 * s**2 + sigma**2) * (x - alpha * m)

    x = torch.randn(40_000, 1, generator=torch.Generator().manual_seed(0))
    for sampler in (ddim, ancestral):
        torch.manual_seed(0)
        drawn = sampler(denoise, x, time_steps(400), path=path)
        assert drawn.mean().item() == pytest.approx(m, abs=0.01)
        assert drawn.std().item() == pytest.approx(s, abs=0.01)


def ring_velocity(std: float):
    """The marginal velocity of a ring of Gaussians, by hand: a mixture at every time."""
    centres = ring_centres(8).double()

    def field(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = t, 1 - t
        variance = alpha**2 * std**2 + sigma**2
        apart = x[:, None] - alpha * centres  # (B, 8, 2)
        share = (-apart.square().sum(-1) / (2 * variance)).softmax(1)[..., None]
        image = centres + alpha * std**2 / variance * apart
        noise = sigma / variance * apart
        return (share * (image - noise)).sum(1)

    return field


def test_the_density_along_the_path_is_that_of_a_mixture() -> None:
    std = 0.3
    torch.manual_seed(0)
    x = ring_centres(8).double() + std * torch.randn(8, 2).double()
    got = path_log_density(ring_velocity(std), x, time_steps(400, 1.0, 0.0).double())
    assert torch.allclose(
        got.log_density, mixture_log_density(x, ring_centres(8), std).double(), atol=1e-3
    )
    again = solve(ring_velocity(std), got.noise, time_steps(400).double())
    assert torch.allclose(again, x, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("probes", [None, 1])
def test_the_density_along_the_path_is_that_of_a_gaussian(probes: int | None) -> None:
    """Pictures of an odd size; signs estimate a diagonal Jacobian without error."""
    m, s = 0.4, 0.5
    torch.manual_seed(0)
    x = m + s * torch.randn(3, 2, 3, 5).double()

    def field(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = t, 1 - t
        variance = alpha**2 * s**2 + sigma**2
        image = m + alpha * s**2 / variance * (x - alpha * m)
        return image - sigma / variance * (x - alpha * m)

    signs = None if probes is None else torch.randint(2, (1, *x.shape)).double() * 2 - 1
    got = path_log_density(field, x, time_steps(800, 1.0, 0.0).double(), probes=signs)
    normal = torch.distributions.Normal(m, s).log_prob(x).flatten(1).sum(1)
    assert torch.allclose(got.log_density, normal, atol=1e-3)
    assert torch.allclose(got.noise, (x - m) / s, atol=1e-3)


def test_probes_estimate_the_divergence_without_bias() -> None:
    torch.manual_seed(0)
    layer = torch.randn(4, 4)

    def field(x: Tensor, t: Tensor) -> Tensor:
        return torch.sin(x @ layer) * t

    x, t = torch.randn(3, 4), torch.tensor(0.7)
    _, exact = divergence(field, x, t)
    for row in range(3):
        jacobian = torch.autograd.functional.jacobian(lambda y: field(y, t), x[row])
        assert exact[row].item() == pytest.approx(jacobian.trace().item(), rel=1e-4)
    many = torch.randint(2, (4000, 3, 4)).float() * 2 - 1
    _, estimate = divergence(field, x, t, probes=many)
    assert torch.allclose(estimate, exact, atol=0.15)


def test_guidance_at_zero_and_one_is_exact() -> None:
    """The trap: w for 1 + w."""
    none, told = torch.randn(2, 3, 4, 5, 6)
    assert torch.equal(guided(none, told, 0), none) and torch.equal(guided(none, told, 1), told)
    assert torch.allclose(guided(none, told, 2), 2 * told - none, atol=1e-6)


def test_ddim_on_a_straight_path_is_eulers_method() -> None:
    """One family: the same steps in other words."""
    x = torch.randn(4, 3)

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        return convert(guess(x, t), x, t, given="image", wanted="velocity")

    straight = solve(velocity, x, time_steps(9), solver="euler")
    assert torch.allclose(ddim(guess, x, time_steps(9), path="straight"), straight, atol=1e-5)


@pytest.mark.parametrize("path", PATHS)
def test_without_noise_on_the_way_it_is_euler(path: str) -> None:
    """Number for number, on pictures of an odd size; and the same generator, the same way."""
    x, times = torch.randn(3, 2, 3, 5), time_steps(7, 0.1)
    still = solve_sde(swing, x, times, noise=0, path=path)
    assert torch.equal(still, solve(swing, x, times, solver="euler"))
    ways = [
        solve_sde(swing, x, times, noise=g, path=path, generator=torch.Generator().manual_seed(3))
        for g in (0.7, 0.7, lambda t: 0.7 if t < 0.5 else 0.0)
    ]
    assert torch.equal(ways[0], ways[1]) and not torch.allclose(ways[0], ways[2], atol=1e-2)
    assert not torch.allclose(ways[0], still, atol=1e-2)


@pytest.mark.parametrize("path", PATHS)
def test_noise_on_the_way_leaves_a_gaussian_as_it_is(path: str) -> None:
    """On each path, from where it is at t = 0.1, with a noise that falls to 0."""
    m, s, num = 0.6, 0.7, 20_000
    generator = torch.Generator().manual_seed(0)
    times = time_steps(300, 0.1, 0.95).double()
    alpha, sigma, _, _ = coefficients(path, times[[0, -1]])
    spread = (alpha**2 * s**2 + sigma**2).sqrt()

    def field(x: Tensor, t: Tensor) -> Tensor:
        a, b, _, _ = coefficients(path, t)
        image = m + a * s**2 / (a**2 * s**2 + b**2) * (x - a * m)
        return convert(image, x, t, given="image", wanted="velocity", path=path)

    x = alpha[0] * m + spread[0] * torch.randn(num, 1, generator=generator).double()
    end = solve_sde(field, x, times, noise=lambda t: 2 - 2 * t, path=path, generator=generator)
    assert end.mean().item() == pytest.approx((alpha[1] * m).item(), abs=4 * s / num**0.5)
    assert end.std().item() == pytest.approx(spread[1].item(), rel=4 / (2 * num) ** 0.5 + 0.005)


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda x: solve_sde(swing, x, time_steps(0), noise=1), "at least one"),
        (lambda x: solve_sde(swing, x, torch.tensor([0.0]), noise=1), "two or more"),
        (lambda x: solve_sde(swing, x, time_steps(3), noise=-0.5), "noise is -0.5 at t = 0"),
        (lambda x: solve_sde(swing, x, time_steps(3), noise=lambda t: 0.5 - t), "at t = 0.6667"),
        (lambda x: solve_sde(swing, x, time_steps(3), noise=math.nan), "noise is nan"),
        (lambda x: solve_sde(swing, x, torch.linspace(0, 1.5, 4), noise=1), "t goes from 0 to 1.5"),
        (lambda x: solve_sde(swing, x, time_steps(3, 1, 0), noise=1), "use `solve`"),
        (lambda x: solve_sde(swing, x, time_steps(3), noise=1, path="bent"), "path is 'bent'"),
        (lambda x: solve(swing, x, time_steps(3), solver="magic"), "solver is 'magic'"),
        (lambda x: solve(swing, x, torch.tensor([0.0, 1.0, 0.5])), "rise .* or fall"),
        (lambda x: solve(swing, x, torch.tensor([0.0])), "two or more"),
        (lambda x: ddim(swing, x, time_steps(3), eta=2), "from 0 to 1"),
        (lambda x: ddim(swing, x, time_steps(3, 1, 0), eta=1), "eta must be 0"),
        (lambda x: path_log_density(swing, x, time_steps(3)), "from 1 to 0"),
        (lambda x: time_steps(0), "at least one"),
        (lambda x: time_steps(3, -0.5), "lie in"),
        (lambda x: time_steps(3, shift=0.0), "shift is 0.0"),
        (lambda x: time_steps(3, shift=-2.0), "above 0"),
        (lambda x: time_steps(3, shift=math.inf), "finite"),
        (lambda x: time_steps(3, shift=math.nan), "shift is nan"),
    ],
)
def test_what_makes_no_sense_is_refused(call, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        call(torch.ones(2, 2))


def test_one_step_is_enough_to_go() -> None:
    x = torch.ones(1, 1)
    assert torch.allclose(solve(swing, x, time_steps(1), solver="euler"), 2 * x)


def test_a_field_that_is_the_same_everywhere_spreads_nothing() -> None:
    x, t = torch.randn(3, 2), torch.tensor(0.5)
    for probes in (None, torch.ones(2, 3, 2)):
        for field in (lambda x, t: torch.ones_like(x), lambda x, t: x.detach() + t):
            velocity, spread = divergence(field, x, t, probes=probes)
            assert torch.equal(velocity, field(x, t)) and not spread.any()
    w = torch.randn(2, requires_grad=True)  # it depends on weights, not on the place
    assert not divergence(lambda x, t: w.expand(len(x), 2), x, t)[1].any()


@pytest.mark.parametrize("shape", [(3, 2), (0, 3, 2), (1, 2, 2)], ids=str)
def test_probes_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="probes: got shape"):
        divergence(lambda x, t: x, torch.ones(3, 2), torch.tensor(0.5), probes=torch.ones(shape))


def test_a_way_that_ends_before_the_noise_has_the_density_of_its_end() -> None:
    """Points that stand still: the density of data is that of noise, whatever its deviation."""
    x = torch.randn(4, 3, dtype=torch.float64)
    found = path_log_density(
        lambda x, t: 0 * x, x, torch.tensor([1.0, 0.5, 0.2]).double(), noise_std=0.7
    )
    wanted = torch.distributions.Normal(0.0, 0.7).log_prob(x).sum(1)
    assert torch.allclose(found.log_density, wanted)


@pytest.mark.parametrize("path", ["straight", "cosine", "linear"])
def test_ancestral_steps_draw_noise_but_in_the_step_to_data(path: str) -> None:
    def drawn(times: list[float]) -> int:
        """Count draws, by what the next number of the generator is."""
        rng, other = (torch.Generator().manual_seed(3) for _ in range(2))
        ancestral(
            lambda x, t: 0.1 * x, torch.ones(2), torch.tensor(times), path=path, generator=rng
        )
        after = torch.rand(1, generator=rng)
        for count in range(len(times)):
            state = other.get_state()
            if torch.equal(torch.rand(1, generator=other), after):
                return count
            other.set_state(state)
            torch.randn(2, generator=other)
        raise AssertionError

    assert drawn([0.1, 0.4, 0.7, 1.0]) == 2
    assert drawn([0.1, 0.4, 0.7]) == 2
