"""The adversarial game on points in the plane: the plainest loop there is, with every line in view.

It has what the game needs and nothing else: no mixed precision, no resume, no progress bar. Images
are trained by `course_lib.train.train_gan`.
"""

import math
from dataclasses import dataclass, field
from typing import Annotated

import torch
from torch import Tensor, nn

from course_lib.losses import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    r1_penalty,
    r2_penalty,
)
from course_lib.losses.adversarial import check_kind
from course_lib.models import PointDiscriminator, PointGenerator
from course_lib.models.conditioning import check_labels, check_range
from course_lib.train.config import (
    Betas,
    Config,
    Count,
    CountOrZero,
    Positive,
    Seed,
    Weight,
    one_of,
)
from course_lib.train.optimizers import make_adam


@dataclass(frozen=True, kw_only=True)
class PointsConfig(Config):
    """How a game on points is trained.

    Args:
        steps: updates of the generator.
        batch_size: real points, and as many generated ones, in each update.
        loss: one of `course_lib.losses.ADVERSARIAL_LOSSES`.
        critic_steps: updates of the discriminator before each of the generator.
        lr: learning rate of Adam for both, or for the generator alone if the next one is given.
        lr_discriminator: the discriminator's own.
        betas: of Adam, for both.
        penalty: "none"; "r1" (gamma / 2 times the squared slope at real points); "r1-r2" (the same
            at real and at generated points, each with gamma / 2); "gradient" (slope 1 between real
            and generated points, as in WGAN-GP); "clip" (each weight of the discriminator is cut to
            an interval after its update, as in the first WGAN).
        penalty_weight: gamma, lambda, or half of the interval.
        simultaneous: both compute their gradients before either moves; otherwise the generator
            answers to the discriminator's new weights.
        seed: of batches and noise. The networks' weights are drawn before, by whoever makes them.
        snapshot_every: steps between two snapshots; 0: only the beginning and the end.
        num_samples: points in a snapshot, always from the same noise.
        extent: the discriminator is read on a square lattice from -extent to extent.
        lattice_size: places of the lattice along each axis.
    """

    steps: CountOrZero = 4000
    batch_size: Count = 256
    loss: str = "non-saturating"
    critic_steps: Count = 1
    lr: Positive = 1e-3
    lr_discriminator: Positive | None = None
    betas: Betas = (0.5, 0.999)
    penalty: Annotated[str, one_of("none", "r1", "r1-r2", "gradient", "clip")] = "none"
    penalty_weight: Weight = 1.0
    simultaneous: bool = False
    seed: Seed = 0
    snapshot_every: CountOrZero = 0
    num_samples: Count = 512
    extent: Positive = 3.0
    lattice_size: Count = 41

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be trained, by name."""
        super().__post_init__()
        check_kind(self.loss)
        if self.penalty != "none" and not self.penalty_weight:
            raise ValueError('penalty_weight is 0; it must be positive, or penalty "none".')
        if self.simultaneous and self.critic_steps > 1:
            raise ValueError(
                f"critic_steps is {self.critic_steps}, and with simultaneous=True both players "
                "move once, together; leave one of the two at its default."
            )


@dataclass
class PointsHistory:
    """What a training looked like: one entry for each snapshot.

    Attributes:
        steps: updates of the generator so far.
        samples: (num_samples, 2) points each, always from the same noise.
        fields: (lattice_size, lattice_size) logits each, rows from the lowest y upwards, so
            `imshow(..., origin="lower")` shows them the right way up.
        discriminator_loss: of the last batch, without its penalty; NaN before the first.
        generator_loss: of the last batch; NaN before the first.
        extent: of the lattice.
    """

    extent: float
    steps: list[int] = field(default_factory=list)
    samples: list[Tensor] = field(default_factory=list)
    fields: list[Tensor] = field(default_factory=list)
    discriminator_loss: list[float] = field(default_factory=list)
    generator_loss: list[float] = field(default_factory=list)


def train_points(
    generator: PointGenerator,
    discriminator: PointDiscriminator,
    points: Tensor,
    labels: Tensor | None = None,
    *,
    config: PointsConfig,
) -> PointsHistory:
    """Play the game; both networks are trained in place, on the device where they are.

    Args:
        generator: noise to points.
        discriminator: points to logits.
        points: (N, 2) real points; batches are drawn from them with replacement.
        labels: (N,) for networks with classes: both are told the real points' labels.
        config: see `PointsConfig`.

    Returns:
        Snapshots of the beginning, of every `snapshot_every` steps, and of the end.

    Raises:
        ValueError: for a set without points or of another shape, or labels that do not fit.
        FloatingPointError: at a snapshot, if a loss is not finite.
    """
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"points has shape {tuple(points.shape)}; (N, 2) with N > 0 is needed.")
    if labels is not None:
        check_labels(labels, discriminator.num_classes, len(points))
        check_range(labels, discriminator.num_classes)
    device = next(generator.parameters()).device
    points = points.to(device)
    rng = torch.Generator(device).manual_seed(config.seed)
    fixed = torch.randn(config.num_samples, generator.latent_dim, generator=rng, device=device)
    step_g = make_adam(generator, config.lr, config.betas)
    step_d = make_adam(discriminator, config.lr_discriminator or config.lr, config.betas)
    names = None if labels is None else labels.to(device)
    history = PointsHistory(config.extent)
    loss_d = loss_g = torch.tensor(math.nan)
    _snapshot(history, 0, generator, discriminator, fixed, names, loss_d, loss_g, config)

    for step in range(1, config.steps + 1):
        for _ in range(config.critic_steps):
            chosen = torch.randint(len(points), (config.batch_size,), generator=rng, device=device)
            real, label = points[chosen], None if names is None else names[chosen]
            z = torch.randn(len(real), generator.latent_dim, generator=rng, device=device)
            with torch.no_grad():  # the discriminator's loss must not reach the generator
                fake = generator(z, label)
            loss_d = discriminator_loss(
                discriminator(real, label), discriminator(fake, label), kind=config.loss
            )
            step_d.zero_grad()
            (loss_d + _penalty(discriminator, real, fake, label, rng, config)).backward()
            if not config.simultaneous:
                _update(step_d, discriminator, config)

        z = torch.randn(config.batch_size, generator.latent_dim, generator=rng, device=device)
        rival = discriminator(real, label) if config.loss == "relativistic" else None
        loss_g = generator_loss(
            discriminator(generator(z, label), label), kind=config.loss, real=rival
        )
        step_g.zero_grad()
        loss_g.backward(inputs=list(generator.parameters()))  # leaves the discriminator alone
        if config.simultaneous:
            _update(step_d, discriminator, config)
        step_g.step()

        due = config.snapshot_every and step % config.snapshot_every == 0
        if due or step == config.steps:
            _snapshot(history, step, generator, discriminator, fixed, names, loss_d, loss_g, config)
    return history


def _penalty(
    discriminator: nn.Module,
    real: Tensor,
    fake: Tensor,
    label: Tensor | None,
    rng: torch.Generator,
    config: PointsConfig,
) -> Tensor | float:
    def critic(x: Tensor) -> Tensor:
        return discriminator(x, label)

    if config.penalty == "r1":
        return config.penalty_weight / 2 * r1_penalty(critic, real)
    if config.penalty == "r1-r2":
        return config.penalty_weight / 2 * (r1_penalty(critic, real) + r2_penalty(critic, fake))
    if config.penalty == "gradient":
        mix = torch.rand(len(real), generator=rng, device=real.device)
        return config.penalty_weight * gradient_penalty(critic, real, fake, mix=mix)
    return 0.0


def _update(optimizer: torch.optim.Optimizer, network: nn.Module, config: PointsConfig) -> None:
    optimizer.step()
    if config.penalty == "clip":
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.clamp_(-config.penalty_weight, config.penalty_weight)


def lattice(extent: float, size: int) -> Tensor:
    """Return the places (size², 2) of a square lattice, row by row from the lowest y upwards."""
    axis = torch.linspace(-extent, extent, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


@torch.no_grad()
def _snapshot(
    history: PointsHistory,
    step: int,
    generator: PointGenerator,
    discriminator: PointDiscriminator,
    fixed: Tensor,
    labels: Tensor | None,
    loss_d: Tensor,
    loss_g: Tensor,
    config: PointsConfig,
) -> None:
    if step and not (loss_d.isfinite() and loss_g.isfinite()):
        raise FloatingPointError(
            f"A loss is not finite, seen at step {step}: discriminator {loss_d:.3g}, generator "
            f"{loss_g:.3g}. Lower the learning rate, or add a penalty."
        )
    history.steps.append(step)
    given = None if labels is None else labels[torch.arange(len(fixed)) % len(labels)]
    history.samples.append(generator(fixed, given).cpu())
    places = lattice(config.extent, config.lattice_size).to(fixed)
    if labels is None:
        logits = discriminator(places)
    else:  # with classes: of the class that likes the place best
        kinds = range(discriminator.num_classes)
        every = [discriminator(places, torch.full((len(places),), k).to(labels)) for k in kinds]
        logits = torch.stack(every).amax(0)
    history.fields.append(logits.reshape(config.lattice_size, -1).cpu())
    history.discriminator_loss.append(float(loss_d))
    history.generator_loss.append(float(loss_g))


def pull(discriminator: nn.Module, points: Tensor, *, kind: str = "non-saturating") -> Tensor:
    """Return the direction in which the generator's loss moves each generated point.

    Minus the gradient of a single point's loss with respect to that point: the arrow that the
    generator is told to follow. Its length says how loudly.

    Args:
        discriminator: points (N, 2) to logits (N,), each point by itself.
        points: (N, 2).
        kind: of loss, one of `course_lib.losses.ADVERSARIAL_LOSSES` but "relativistic", which asks
            for a pair.

    Returns:
        (N, 2), without a graph.
    """
    x = points.detach().clone().requires_grad_()
    loss = generator_loss(discriminator(x), kind=kind) * len(x)  # a sum: each point has its own
    return -torch.autograd.grad(loss, x)[0]
