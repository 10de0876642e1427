"""A flow of points in the plane: the plainest loop of a regression at a random time.

It has what flow matching needs and nothing else. Images are trained by
`course_lib.train.train_flow`.
"""

import math
from dataclasses import dataclass, field
from typing import Annotated

import torch
from torch import Tensor, nn

from course_lib.models import PointField
from course_lib.models.conditioning import check_labels, check_range
from course_lib.models.flow import FIRST
from course_lib.ops.paths import (
    PATHS,
    TARGETS,
    coefficients,
    convert,
    mix,
    pair_by_transport,
    target,
)
from course_lib.ops.solvers import Field, Likelihood, path_log_density, solve, time_steps
from course_lib.train.config import Config, Count, CountOrZero, Positive, Seed, Share, one_of
from course_lib.train.ema import EMA
from course_lib.train.optimizers import make_adam


@dataclass(frozen=True, kw_only=True)
class PointFlowConfig(Config):
    """How a flow of points is trained.

    Args:
        steps: updates.
        batch_size: points in each.
        lr: learning rate of Adam, which falls to 0 along a quarter of a wave.
        path: from noise to data, one of `course_lib.ops.PATHS`.
        predicts: what the network says, one of `course_lib.ops.TARGETS`.
        transport: pair the noise of a batch with its points so that ways are short; within each
            class, where the network has classes.
        ema: decay of the averaged weights that are kept.
        seed: of batches, times and noise. The network's weights are drawn before, by whoever makes
            it.
        snapshot_every: steps between two snapshots; 0: only the beginning and the end.
        num_samples: points in a snapshot, always from the same noise.
    """

    steps: CountOrZero = 4000
    batch_size: Count = 256
    lr: Positive = 2e-3
    path: Annotated[str, one_of(*PATHS)] = "straight"
    predicts: Annotated[str, one_of(*TARGETS)] = "velocity"
    transport: bool = False
    ema: Share = 0.999
    seed: Seed = 0
    snapshot_every: CountOrZero = 0
    num_samples: Count = 512


@dataclass
class PointFlowHistory:
    """What a training looked like: one entry for each snapshot.

    Attributes:
        steps: updates so far.
        samples: (num_samples, 2) points each, always from the same noise.
        loss: mean over the steps since the last snapshot; NaN before the first.
    """

    steps: list[int] = field(default_factory=list)
    samples: list[Tensor] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)


def train_point_flow(
    network: PointField,
    points: Tensor,
    labels: Tensor | None = None,
    *,
    config: PointFlowConfig,
) -> PointFlowHistory:
    """Train a network of points in place; it ends with the averaged weights.

    Args:
        network: what learns, on the device where it is.
        points: (N, 2); batches are drawn from them with replacement.
        labels: (N,) for a network with classes.
        config: see `PointFlowConfig`.

    Returns:
        Snapshots of the beginning, of every `snapshot_every` steps, and of the end.

    Raises:
        ValueError: for a set without points or of another shape, or labels that do not fit.
        FloatingPointError: at a snapshot, if the loss is not finite.
    """
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"points has shape {tuple(points.shape)}; (N, 2) with N > 0 is needed.")
    check_labels(labels, network.num_classes, len(points))
    if labels is not None:
        check_range(labels, network.num_classes)
    device = next(network.parameters()).device
    points = points.to(device)
    names = None if labels is None else labels.to(device)
    rng = torch.Generator(device).manual_seed(config.seed)
    fixed = torch.randn(config.num_samples, 2, generator=rng, device=device)
    adam = make_adam(network, config.lr, (0.9, 0.999))
    ema = EMA(network, config.ema)
    history = PointFlowHistory()
    losses = [torch.tensor(math.nan)]
    _snapshot(history, 0, ema.model, fixed, names, losses, config)

    for step in range(1, config.steps + 1):
        rate = config.lr * math.cos(math.pi / 2 * (step - 1) / config.steps)
        for group in adam.param_groups:
            group["lr"] = rate
        chosen = torch.randint(len(points), (config.batch_size,), generator=rng, device=device)
        data, told = points[chosen], None if names is None else names[chosen]
        noise = torch.randn(len(data), 2, generator=rng, device=device)
        if config.transport:
            noise = noise[pair_by_transport(noise, data, told)]
        t = torch.rand(len(data), generator=rng, device=device)
        wanted = target(data, noise, t, config.predicts, config.path)
        loss = (network(mix(data, noise, t, config.path), t, told) - wanted).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        ema.update(network)
        losses.append(loss.detach())

        due = config.snapshot_every and step % config.snapshot_every == 0
        if due or step == config.steps:
            _snapshot(history, step, ema.model, fixed, names, losses, config)
            losses = []
    network.load_state_dict(ema.model.state_dict())
    return history


def velocity_of(
    network: nn.Module,
    labels: Tensor | None = None,
    *,
    path: str = "straight",
    predicts: str = "velocity",
) -> Field:
    """Return the velocity (x (B, 2), t scalar) -> (B, 2) that a network says, for the solvers.

    Args:
        network: a `PointField`, as trained.
        labels: (B,) of the points that will be led, for a network with classes.
        path: that it was trained on.
        predicts: what it says.
    """

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        said = network(x, t.expand(len(x)), labels)
        return convert(said, x, t, given=predicts, wanted="velocity", path=path)

    return velocity


def point_log_density(
    network: PointField,
    points: Tensor,
    labels: Tensor | None = None,
    *,
    steps: int = 100,
    path: str = "straight",
    predicts: str = "velocity",
) -> Likelihood:
    """Return the log-density of points (B, 2) in nats, with the exact divergence, and their noise.

    Args:
        network: as trained.
        points: (B, 2).
        labels: (B,) for a network with classes.
        steps: of Heun's method.
        path: that it was trained on; "straight" or "cosine".
        predicts: what it says; of words that know no velocity at an end, "velocity" is best.
    """
    field = velocity_of(network, labels, path=path, predicts=predicts)
    return path_log_density(field, points, time_steps(steps, 1.0, 0.0).to(points))


@torch.no_grad()
def _snapshot(
    history: PointFlowHistory,
    step: int,
    network: nn.Module,
    fixed: Tensor,
    labels: Tensor | None,
    losses: list[Tensor],
    config: PointFlowConfig,
) -> None:
    mean = float(torch.stack(losses[-max(1, step) :]).mean())
    if step and not math.isfinite(mean):
        raise FloatingPointError(
            f"The loss is not finite, seen at step {step}: {mean}. Lower the learning rate."
        )
    history.steps.append(step)
    history.loss.append(mean)
    given = None if labels is None else labels[torch.arange(len(fixed)) % len(labels)]
    field = velocity_of(network, given, path=config.path, predicts=config.predicts)
    low = FIRST if config.predicts == "noise" else 0.0
    times = time_steps(20, low).to(fixed)
    start = coefficients(config.path, times[0]).sigma * fixed if low else fixed
    history.samples.append(
        solve(
            field, start, times, last_euler=config.path == "linear" or config.predicts == "image"
        ).cpu()
    )
