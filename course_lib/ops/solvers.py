"""Ways from noise to data: solvers of dx/dt = velocity(x, t), and the two samplers of diffusions.

Times go from 0 (noise) to 1 (data), or from 1 to 0 where a sample is led back to its noise.
`euler`, `midpoint` and `heun` solve any such equation; `solve_sde` adds noise on the way, and the
pull that makes up for it; `ddim` and `ancestral` ask for the clean image at each step and mix it
with what is left of the noise.

Source: Hairer, Norsett and Wanner, "Solving Ordinary Differential Equations I", section II.1
(midpoint, Heun); Song, Meng and Ermon, arXiv:2010.02502, equation 12 (DDIM); Ho, Jain and Abbeel,
arXiv:2006.11239, algorithm 2 (ancestral sampling); Karras et al., arXiv:2206.00364, algorithm 1
(Heun with an Euler step at the end); Song et al., arXiv:2011.13456, section 4, and Karras et al.,
equation 6 (noise on the way); Ho and Salimans, arXiv:2207.12598 (guidance); Chen et al.,
arXiv:1806.07366, and Grathwohl et al., arXiv:1810.01367 (likelihood along the path).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.ops.paths import check_path, check_times, coefficients, convert

Field = Callable[[Tensor, Tensor], Tensor]  # (x (B, ...), t scalar) -> (B, ...)
Seen = Callable[[Tensor, Tensor], None]  # told each state and its time
Strength = float | Callable[[float], float]  # of the noise on the way, g; or what it is at t
SOLVERS = ("euler", "midpoint", "heun")
SAMPLERS = (*SOLVERS, "ddim", "ancestral")
CALLS = {"euler": 1, "midpoint": 2, "heun": 2, "ddim": 1, "ancestral": 1}  # of the field, a step


def euler_step(field: Field, x: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """Follow the velocity of here and now. Error of a whole way: in proportion to dt."""
    return x + dt * field(x, t)


def midpoint_step(field: Field, x: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """Look ahead half a step, and follow the velocity of there. Error: dt²."""
    half = x + dt / 2 * field(x, t)
    return x + dt * field(half, t + dt / 2)


def heun_step(field: Field, x: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """Look ahead a whole step, and follow the mean of the velocities of both ends. Error: dt²."""
    here = field(x, t)
    there = field(x + dt * here, t + dt)
    return x + dt / 2 * (here + there)


STEPS = {"euler": euler_step, "midpoint": midpoint_step, "heun": heun_step}


def solve(
    field: Field,
    x: Tensor,
    times: Tensor,
    *,
    solver: str = "heun",
    last_euler: bool = False,
    seen: Seen | None = None,
) -> Tensor:
    """Follow a velocity from the first of the times to the last.

    Args:
        field: the velocity (B, ...) at x (B, ...) and t (a scalar).
        x: (B, ...), where the way begins.
        times: (steps + 1,), rising or falling.
        solver: "euler", "midpoint" or "heun".
        last_euler: take Euler's step at the end, which does not ask for the velocity there.
        seen: is told each state and its time, the first one too: for a film.

    Returns:
        (B, ...), where it ends.

    Raises:
        ValueError: for another solver, or times that are fewer than two or not in order.
    """
    if solver not in STEPS:
        raise ValueError(f"solver is {solver!r}; choose one of {', '.join(STEPS)}.")
    check_order(times)
    if seen is not None:
        seen(x, times[0])
    for number in range(len(times) - 1):
        t, dt = times[number], times[number + 1] - times[number]
        last = number == len(times) - 2
        step = euler_step if last and last_euler else STEPS[solver]
        x = step(field, x, t, dt)
        if seen is not None:
            seen(x, times[number + 1])
    return x


def solve_sde(
    field: Field,
    x: Tensor,
    times: Tensor,
    *,
    noise: Strength,
    path: str = "straight",
    generator: torch.Generator | None = None,
    seen: Seen | None = None,
) -> Tensor:
    """Follow a velocity with noise on the way, by Euler-Maruyama steps.

    With the exact velocity the density at each time is the same for every noise, up to an error in
    proportion to the steps; with ``noise=0`` this is `solve` by Euler. The score is computed from
    the velocity, so an error of the velocity is one of the score too, and near t = 1 a larger one.

    Args:
        field: the velocity (B, ...) at x (B, ...) and t (a scalar).
        x: (B, ...), where the way begins.
        times: (steps + 1,), rising, in [0, 1].
        noise: its strength g, at least 0: a step of length h adds the variance g² h. A number, or a
            function of t, which is asked at the beginning of each step.
        path: one of `course_lib.ops.PATHS`, that of the velocity.
        generator: of the noise.
        seen: is told each state and its time.

    Raises:
        ValueError: for times that are fewer than two, do not rise or leave [0, 1]; for a negative
            noise; for another path.

    Source: eq-flow-sde; arXiv:2011.13456, section 4.
    """
    check_path(path)
    check_order(times)
    check_times(times)
    if bool(times[0] > times[-1]):
        raise ValueError("times fall; noise on the way leads from 0 to 1. Back, use `solve`.")
    if seen is not None:
        seen(x, times[0])
    for t, after in zip(times[:-1], times[1:], strict=True):
        g, h = _strength(noise, t), after - t
        velocity = field(x, t)
        score = convert(velocity, x, t, given="velocity", wanted="score", path=path)
        drift = velocity + g**2 / 2 * score  # eq-flow-sde
        z = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        x = x + h * drift + g * h.sqrt() * z
        if seen is not None:
            seen(x, after)
    return x


def _strength(noise: Strength, t: Tensor) -> float:
    """Return the noise's strength at a time; a function of it has to wait for the device."""
    g = noise(float(t)) if callable(noise) else noise
    if not 0 <= g < math.inf:
        raise ValueError(f"noise is {g} at t = {float(t):.4g}; a strength is a number from 0 up.")
    return g


def ddim(
    denoise: Field,
    x: Tensor,
    times: Tensor,
    *,
    path: str = "cosine",
    eta: float = 0.0,
    generator: torch.Generator | None = None,
    seen: Seen | None = None,
) -> Tensor:
    """Guess the image, and mix it with the noise that this leaves, a little less at each step.

    With ``eta=0`` nothing is random. With ``eta=1`` each step adds as much new noise as the
    diffusion's reverse does: ancestral sampling.

    Args:
        denoise: the clean image (B, ...) behind x (B, ...) at t (a scalar).
        x: (B, ...), where the way begins.
        times: (steps + 1,), rising.
        path: one of `course_lib.ops.PATHS`.
        eta: share of the noise that is drawn anew, 0 to 1.
        generator: of that noise.
        seen: is told each state and its time.

    Raises:
        ValueError: for times that do not rise, or an eta outside [0, 1].
    """
    check_order(times)
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta}; it is a share, from 0 to 1.")
    if eta and bool(times[0] > times[-1]):
        raise ValueError("New noise leads to data, not back: with falling times eta must be 0.")
    if seen is not None:
        seen(x, times[0])
    at_data = bool(times[-1] >= 1)  # asked once, for it waits for the device
    for number, (t, after) in enumerate(zip(times[:-1], times[1:], strict=True)):
        image = denoise(x, t)
        noise = convert(image, x, t, given="image", wanted="noise", path=path)
        alpha, sigma, _, _ = coefficients(path, t)
        alpha_next, sigma_next, _, _ = coefficients(path, after)
        fresh = _fresh(alpha, sigma, alpha_next, sigma_next, eta)  # standard deviation
        kept = (sigma_next.square() - fresh.square()).clamp(min=0).sqrt()
        x = alpha_next * image + kept * noise  # eq-ddim
        if eta and not (at_data and number == len(times) - 2):  # the step to data draws none
            x = x + fresh * torch.randn(
                x.shape, generator=generator, device=x.device, dtype=x.dtype
            )
        if seen is not None:
            seen(x, after)
    return x


def ancestral(
    denoise: Field,
    x: Tensor,
    times: Tensor,
    *,
    path: str = "cosine",
    generator: torch.Generator | None = None,
    seen: Seen | None = None,
) -> Tensor:
    """Undo a diffusion step by step, each with new noise but the last: `ddim` with ``eta=1``."""
    return ddim(denoise, x, times, path=path, eta=1.0, generator=generator, seen=seen)


def _fresh(
    alpha: Tensor, sigma: Tensor, alpha_next: Tensor, sigma_next: Tensor, eta: float
) -> Tensor:
    """Return the deviation of the noise that a step draws anew.

    The step's own noise, seen from the data's side: sigma² - (alpha / alpha_next)² sigma_next² of
    what is there at t came in this step.
    """
    if not eta:
        return torch.zeros_like(sigma)
    ratio = (alpha / alpha_next.clamp(min=1e-12)).square()
    came = (sigma.square() - ratio * sigma_next.square()).clamp(min=0)
    return eta * sigma_next / sigma.clamp(min=1e-12) * came.sqrt()


def guided(none: Tensor, told: Tensor, weight: float) -> Tensor:
    """Return the answer that goes beyond the class: 0 is the untold one, 1 the told one.

    Args:
        none: (B, ...), the answer without the class.
        told: (B, ...), the answer with it.
        weight: above 1 exaggerates what the class changes. Papers that write 1 + w mean w + 1 here.
    """
    return none + weight * (told - none) if weight not in (0, 1) else (told if weight else none)


class Likelihood(NamedTuple):
    """What the change of variables along the path says.

    Attributes:
        log_density: (B,), in nats.
        noise: (B, ...), where the ways end.
    """

    log_density: Tensor
    noise: Tensor


def path_log_density(
    field: Field,
    x: Tensor,
    times: Tensor,
    *,
    solver: str = "heun",
    noise_std: float | Tensor = 1.0,
    probes: Tensor | None = None,
) -> Likelihood:
    """Return the density of data: that of their noise, and how much the way has spread them.

    d log p / dt along a way is minus the divergence of the velocity. The way back is solved
    together with that sum.

    Args:
        field: the velocity (B, ...) at x (B, ...) and t (a scalar), each sample by itself.
        x: (B, ...), data.
        times: (steps + 1,), falling, as a rule from 1 to 0.
        solver: "euler", "midpoint" or "heun".
        noise_std: standard deviation of what the way ends at; below 1 where it ends before t = 0.
        probes: (P, B, ...) of random signs or normal numbers, with which the divergence is
            estimated without bias; ``None``: it is computed exactly, which takes one backward pass
            for each number of a sample.

    Raises:
        ValueError: for times that do not fall, or probes of another shape.
    """
    check_order(times)
    if not bool(times[0] > times[-1]):
        raise ValueError("times rise; a likelihood is read on the way back, from 1 to 0.")
    shape = x.shape[1:]

    def both(state: Tensor, t: Tensor) -> Tensor:
        here = state[:, :-1].unflatten(1, shape) if len(shape) != 1 else state[:, :-1]
        velocity, spread = divergence(field, here, t, probes=probes)
        return torch.cat([velocity.flatten(1), spread[:, None]], dim=1)

    start = torch.cat([x.flatten(1), x.new_zeros(len(x), 1)], dim=1)
    end = solve(both, start, times, solver=solver)
    noise = end[:, :-1]
    std = torch.as_tensor(noise_std).to(noise)
    normal = -0.5 * (noise / std).square().sum(1)
    normal = normal - noise.shape[1] * (0.5 * math.log(2 * math.pi) + std.log())
    # The sum ran backwards, so it is minus the integral from noise to data.
    return Likelihood(normal + end[:, -1], noise.view_as(x))  # eq-flow-likelihood


def divergence(
    field: Field, x: Tensor, t: Tensor, *, probes: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the velocity (B, ...) and its divergence (B,), exact or estimated.

    Args:
        field: see `path_log_density`.
        x: (B, ...).
        t: a scalar.
        probes: (P, B, ...), or ``None`` for the exact one.

    Raises:
        ValueError: for probes of another shape.
    """
    if probes is not None and (probes.shape[1:] != x.shape or not len(probes)):
        raise ValueError(
            f"probes: got shape {tuple(probes.shape)}, wanted (P, {', '.join(map(str, x.shape))}) "
            "with at least one."
        )
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        velocity = field(at, t)
        spread = x.new_zeros(len(x))
        if not velocity.requires_grad:  # it is the same everywhere
            return velocity, spread

        def pull(outputs: Tensor, weights: Tensor | None = None) -> Tensor:
            (found,) = torch.autograd.grad(
                outputs, at, weights, retain_graph=True, materialize_grads=True
            )
            return found

        if probes is None:
            numbers = velocity.flatten(1)
            for place in range(numbers.shape[1]):
                spread = spread + pull(numbers[:, place].sum()).flatten(1)[:, place]
        else:
            for probe in probes:
                pulled = pull(velocity, probe)
                spread = spread + (pulled * probe).flatten(1).sum(1) / len(probes)
    return velocity.detach(), spread.detach()


def time_steps(steps: int, start: float = 0.0, end: float = 1.0, *, shift: float = 1.0) -> Tensor:
    """Return times (steps + 1,): at equal distances, or more of them near one end.

    Args:
        steps: how many.
        start: the first time.
        end: the last one.
        shift: the steps are equal in a time in which (1 - t) / t, the noise for each unit of image
            on the straight path, is smaller by this factor. Above 1: shorter steps near noise;
            below 1: near data.

    Raises:
        ValueError: for fewer than one step, times outside [0, 1], or a shift that is not positive
            and finite.

    Source: eq-time-shift; arXiv:2403.03206, "Resolution-dependent shifting", time turned round.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; there must be at least one.")
    if not (0 <= start <= 1 and 0 <= end <= 1) or start == end:
        raise ValueError(f"The way goes from {start} to {end}; both lie in [0, 1] and differ.")
    if not 0 < shift < math.inf:
        raise ValueError(f"shift is {shift}; it must be above 0 and finite. 1: equal steps.")
    if shift == 1:
        return torch.linspace(start, end, steps + 1)
    # Equal steps between the two times that the shift leads to start and end.
    first, last = (shift * time / (shift * time + 1 - time) for time in (start, end))
    equal = torch.linspace(first, last, steps + 1, dtype=torch.float64)
    times = equal / (equal + shift * (1 - equal))  # eq-time-shift
    return times.to(torch.get_default_dtype())


def check_order(times: Tensor) -> None:
    """Raise ValueError unless times rise, or fall, all the way."""
    ways = times.diff()
    if times.ndim != 1 or len(times) < 2 or not bool((ways > 0).all() or (ways < 0).all()):
        raise ValueError(
            f"times have shape {tuple(times.shape)} and must be two or more that rise (noise 0 to "
            "data 1) or fall all the way."
        )
