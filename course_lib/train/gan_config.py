"""Everything an adversarial training run is determined by, besides the two models and the data."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from course_lib.data import Augment
from course_lib.losses.adversarial import check_kind
from course_lib.train.config import PRECISIONS, _plain

PENALTIES = ("none", "gradient", "r1")


@dataclass(frozen=True, kw_only=True)
class GANConfig:
    """How to play the game; two runs with equal configuration, models and data have equal weights.

    Args:
        steps: updates of the generator.
        batch_size: images per process and update.
        loss: one of `course_lib.losses.ADVERSARIAL_LOSSES`.
        critic_steps: updates of the discriminator for each of the generator, every one on a new
            batch.
        lr: learning rate of both players.
        lr_discriminator: another one for the discriminator, or ``None``.
        betas: of Adam; the first is small because the game moves while it is averaged.
        penalty: "none", "gradient" (WGAN-GP, between real and generated images) or "r1" (at real
            images).
        penalty_weight: lambda for "gradient", gamma for "r1" (whose half is applied).
        penalty_every: discriminator updates between two penalties, which then weigh as many times
            as much (lazy regularisation, arXiv:1912.04958; unlike there, Adam's rate and averages
            are not adapted to the interval).
        path_length_weight: of the path length penalty, for generators with styles; 0: none.
        path_length_every: generator updates between two such penalties.
        ema_images: half-life, in images, of the averaged generator that is kept; ``None``: the last
            weights are kept.
        ada_target: augment what the discriminator sees, as much as keeps the mean sign of its
            logits on real images there (0.6 in arXiv:2006.06676), so for losses whose logits
            change sign between real and generated; ``None``: never.
        augment: what is done to the real images and may be learned, such as a flip.
        precision: "no" (float32), "bf16" or "fp16" (with loss scaling; GPU only). Penalties are
            always computed in float32.
        channels_last: store images and weights with the channels innermost; faster convolutions.
        seed: order, augmentation and noise are pure functions of (seed, step, rank).
        log_every: steps between two readings; each waits for the device.
        sample_every: steps between two sample sheets in the run's folder; ``None``: none.
        checkpoint_every: steps between two checkpoints; ``None``: at each reading.
    """

    steps: int
    batch_size: int = 64
    loss: str = "non-saturating"
    critic_steps: int = 1
    lr: float = 2e-4
    lr_discriminator: float | None = None
    betas: tuple[float, float] = (0.5, 0.999)
    penalty: str = "none"
    penalty_weight: float = 10.0
    penalty_every: int = 1
    path_length_weight: float = 0.0
    path_length_every: int = 8
    ema_images: float | None = None
    ada_target: float | None = None
    augment: Augment | None = None
    precision: str = "no"
    channels_last: bool = False
    seed: int = 0
    log_every: int = 50
    sample_every: int | None = None
    checkpoint_every: int | None = None

    def __post_init__(self) -> None:
        check_kind(self.loss)
        for name, known in (("penalty", PENALTIES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; choose one of {', '.join(known)}."
                )
        at_least_one = ["steps", "batch_size", "critic_steps", "penalty_every", "log_every"]
        at_least_one += ["path_length_every"]
        optional = ("sample_every", "checkpoint_every")
        for name in at_least_one + [n for n in optional if getattr(self, n) is not None]:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        for name in ("lr", "lr_discriminator", "ema_images"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; it must be positive.")
        for name in ("penalty_weight", "path_length_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0.")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas is {self.betas}; give two numbers from 0 to below 1.")
        if self.ada_target is not None and not 0 < self.ada_target < 1:
            raise ValueError(f"ada_target is {self.ada_target}; it lies between 0 and 1.")
        if self.ada_target is not None and self.loss in ("least-squares", "wasserstein"):
            raise ValueError(
                f"ada_target reads the sign of the discriminator's outputs, which says nothing "
                f'about real and generated images with loss="{self.loss}"; use "non-saturating" '
                'or "hinge", or leave ada_target at None.'
            )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as storing and reading back leaves them (lists, no tuples)."""
        return {k: _plain(v) for k, v in asdict(self).items()}

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Name the settings in which a stored configuration differs in what it computes.

        How often something is logged or saved changes nothing in the weights, and neither does how
        far a run is meant to go, for no rate here depends on it: a finished run can go on.
        """
        harmless = {"steps", "log_every", "checkpoint_every", "sample_every"}
        stored = {field.name: _plain(field.default) for field in fields(self)} | other
        mine = self.as_dict()
        return sorted(k for k, v in mine.items() if k not in harmless and stored[k] != v)
