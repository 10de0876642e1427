"""Two players with one parameter each: the smallest games in which a GAN's training can be seen.

A state is `(theta, psi)`: theta belongs to the generator, psi to the discriminator. Everything
works on many states at once, shape (..., 2).

Source: arXiv:1801.04406 (the Dirac-GAN; there the discriminator is high on generated points, here
it is high on real ones, as everywhere in the course).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

DIRAC_LOSSES = ("minimax", "non-saturating", "wasserstein", "relativistic")


class Game(NamedTuple):
    """What each player minimises, as functions of (theta, psi), both of shape (...)."""

    generator_loss: Callable[[Tensor, Tensor], Tensor]
    discriminator_loss: Callable[[Tensor, Tensor], Tensor]


def dirac_gan(
    kind: str = "wasserstein",
    *,
    gamma: float = 0.0,
    gamma_fake: float = 0.0,
    gradient_weight: float = 0.0,
) -> Game:
    """The GAN whose data are one point at 0, whose generator puts one point at theta.

    The discriminator is the line D(x) = psi * x, so the real score is 0 and the fake score
    psi * theta. With `kind="wasserstein"` the game is bilinear. R1 at the data, the squared slope
    of D, is psi^2, and so is R2 at the generated point.

    Args:
        kind: one of `DIRAC_LOSSES`.
        gamma: weight of R1; the discriminator's loss adds gamma / 2 * psi^2.
        gamma_fake: weight of R2, in the same way.
        gradient_weight: weight of WGAN-GP's penalty; the loss adds it times (|psi| - 1)^2.

    Returns:
        The game.

    Raises:
        ValueError: an unknown kind or a negative weight.

    Source: arXiv:1801.04406, Section 2; with pairs, arXiv:2501.05441, Section 2.
    """
    if kind not in DIRAC_LOSSES:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(DIRAC_LOSSES)}.")
    if min(gamma, gamma_fake, gradient_weight) < 0:
        raise ValueError(
            f"got gamma={gamma}, gamma_fake={gamma_fake}, gradient_weight={gradient_weight}; "
            "weights of 0 or more are needed."
        )

    def generator_loss(theta: Tensor, psi: Tensor) -> Tensor:
        fake = psi * theta
        if kind == "minimax":
            return -F.softplus(fake)
        if kind == "relativistic":  # the score of the real point is 0
            return F.softplus(0 - fake)
        return F.softplus(-fake) if kind == "non-saturating" else -fake

    def discriminator_loss(theta: Tensor, psi: Tensor) -> Tensor:
        fake = psi * theta
        real = torch.zeros_like(fake)
        penalty = (gamma + gamma_fake) / 2 * psi**2  # a line is as steep at both points; eq-r2
        penalty = penalty + gradient_weight * (psi.abs() - 1) ** 2
        if kind == "wasserstein":
            return fake - real + penalty
        if kind == "relativistic":
            return F.softplus(fake - real) + penalty  # eq-relativistic
        return F.softplus(-real) + F.softplus(fake) + penalty

    return Game(generator_loss, discriminator_loss)


def field(game: Game, states: Tensor, *, rates: tuple[float, float] = (1.0, 1.0)) -> Tensor:
    """Where each player wants to go: minus the gradient of its own loss (eq-game-field).

    Args:
        game: the losses.
        states: (..., 2).
        rates: the players' relative learning rates (generator, discriminator).

    Returns:
        (..., 2): (-dL_G/dtheta, -dL_D/dpsi), times the rates.
    """
    with torch.enable_grad():
        theta, psi = (x.detach().requires_grad_() for x in _checked(states).unbind(-1))
        (down_theta,) = torch.autograd.grad(game.generator_loss(theta, psi).sum(), theta)
        (down_psi,) = torch.autograd.grad(game.discriminator_loss(theta, psi).sum(), psi)
    return torch.stack([-rates[0] * down_theta, -rates[1] * down_psi], dim=-1)


def simultaneous(
    game: Game,
    start: Tensor,
    *,
    lr: float,
    steps: int,
    momentum: float = 0.0,
    rates: tuple[float, float] = (1.0, 1.0),
) -> Tensor:
    """Both players step at once, each from the other's old parameter (eq-simultaneous).

    Args:
        game: the losses.
        start: (..., 2).
        lr: learning rate.
        steps: number of steps.
        momentum: beta of an averaged gradient, m <- beta m + (1 - beta) field, as Adam's beta_1.
        rates: the players' relative learning rates.

    Returns:
        (steps + 1, ..., 2): the start and the state after each step.
    """
    state = _checked(start)
    path, mean = [state], torch.zeros_like(state)
    for _ in range(steps):
        mean = momentum * mean + (1 - momentum) * field(game, state, rates=rates)
        state = state + lr * mean
        path.append(state)
    return torch.stack(path)


def alternating(
    game: Game,
    start: Tensor,
    *,
    lr: float,
    steps: int,
    discriminator_steps: int = 1,
    momentum: float = 0.0,
    rates: tuple[float, float] = (1.0, 1.0),
) -> Tensor:
    """The discriminator steps first, the generator answers its new parameter (eq-alternating).

    Args:
        game: the losses.
        start: (..., 2).
        lr: learning rate.
        steps: number of rounds.
        discriminator_steps: steps of the discriminator in a round.
        momentum: as in `simultaneous`, each player averages the gradients of its own steps.
        rates: the players' relative learning rates.

    Returns:
        (steps + 1, ..., 2): the start and the state after each round.
    """
    theta, psi = _checked(start).unbind(-1)
    path, mean_theta, mean_psi = [start], torch.zeros_like(theta), torch.zeros_like(psi)
    for _ in range(steps):
        for _ in range(discriminator_steps):
            pull = field(game, torch.stack([theta, psi], dim=-1), rates=rates)[..., 1]
            mean_psi = momentum * mean_psi + (1 - momentum) * pull
            psi = psi + lr * mean_psi
        pull = field(game, torch.stack([theta, psi], dim=-1), rates=rates)[..., 0]
        mean_theta = momentum * mean_theta + (1 - momentum) * pull
        theta = theta + lr * mean_theta
        path.append(torch.stack([theta, psi], dim=-1))
    return torch.stack(path)


def flow(
    game: Game,
    start: Tensor,
    *,
    time: float,
    steps: int,
    rates: tuple[float, float] = (1.0, 1.0),
) -> Tensor:
    """The limit of ever smaller steps, w' = field(w), by the Runge-Kutta method of order 4.

    Args:
        game: the losses.
        start: (..., 2).
        time: how long; `n` gradient steps of learning rate `lr` correspond to a time of n * lr.
        steps: number of steps of the integrator.
        rates: the players' relative learning rates.

    Returns:
        (steps + 1, ..., 2): the state at equally spaced times from 0 to `time`.
    """
    state, dt = _checked(start), time / steps
    path = [state]
    for _ in range(steps):
        a = field(game, state, rates=rates)
        b = field(game, state + dt / 2 * a, rates=rates)
        c = field(game, state + dt / 2 * b, rates=rates)
        d = field(game, state + dt * c, rates=rates)
        state = state + dt / 6 * (a + 2 * b + 2 * c + d)
        path.append(state)
    return torch.stack(path)


def jacobian(game: Game, state: Tensor, *, rates: tuple[float, float] = (1.0, 1.0)) -> Tensor:
    """The derivative of the field at one state; its eigenvalues decide what happens near by.

    Args:
        game: the losses.
        state: (2,).
        rates: the players' relative learning rates.

    Returns:
        (2, 2), row i: the derivative of the field's component i by (theta, psi).
    """
    if state.shape != (2,):
        raise ValueError(f"got a state of shape {tuple(state.shape)}; one state (2,) is needed.")
    rows = []
    with torch.enable_grad():
        theta, psi = (x.detach().requires_grad_() for x in state.unbind())
        losses = (game.generator_loss(theta, psi), game.discriminator_loss(theta, psi))
        for loss, own, rate in zip(losses, (theta, psi), rates, strict=True):
            (slope,) = torch.autograd.grad(loss, own, create_graph=True)
            if not slope.requires_grad:  # a constant: nothing to differentiate
                rows.append(torch.zeros_like(state))
                continue
            row = torch.autograd.grad(
                slope, (theta, psi), allow_unused=True, materialize_grads=True
            )
            rows.append(-rate * torch.stack(row))
    return torch.stack(rows).detach()


def linear_flow(matrix: Tensor, start: Tensor, times: Tensor) -> Tensor:
    """The exact solution of w' = matrix w (eq-linear-flow).

    Args:
        matrix: (2, 2).
        start: (2,).
        times: (T,).

    Returns:
        (T, 2).
    """
    return torch.linalg.matrix_exp(times[:, None, None] * matrix) @ start


def averaged(path: Tensor, decay: float) -> Tensor:
    """The running average of a path, as an averaged generator keeps one.

    Args:
        path: (T, ..., 2).
        decay: share of the old average that each step keeps, 0 to 1; the average starts at the
            path's start.

    Returns:
        (T, ..., 2).
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay is {decay}; a number from 0 to below 1 is needed.")
    mean, means = path[0], []
    for state in path:
        mean = decay * mean + (1 - decay) * state
        means.append(mean)
    return torch.stack(means)


def _checked(states: Tensor) -> Tensor:
    if states.ndim == 0 or states.shape[-1] != 2 or not states.is_floating_point():
        raise ValueError(
            f"got states of shape {tuple(states.shape)}, {states.dtype}; floats (..., 2), "
            "each (theta, psi), are needed."
        )
    return states
