"""Everything an adversarial training run is determined by, besides the two models and the data."""

from dataclasses import dataclass
from typing import Annotated

from course_lib.data import Augment
from course_lib.losses.adversarial import check_kind
from course_lib.train.config import (
    Betas,
    Config,
    Count,
    Positive,
    Precision,
    Seed,
    Share,
    Weight,
    one_of,
)


@dataclass(frozen=True, kw_only=True)
class GANConfig(Config):
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
        penalty: "none", "gradient" (WGAN-GP, between real and generated images), "r1" (at real
            images) or "r1-r2" (at real and at generated images).
        penalty_weight: lambda for "gradient", gamma for the others (whose half is applied).
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
        precision: "no" (float32), "bf16" (where the hardware has bfloat16; elsewhere float32) or
            "fp16" (with loss scaling; GPU only). Penalties are always computed in float32.
        channels_last: store images and weights with the channels innermost; faster convolutions.
        seed: order, augmentation and noise are pure functions of (seed, step, rank).
        log_every: steps between two readings; each waits for the device.
        sample_every: steps between two sample sheets in the run's folder; ``None``: none.
        checkpoint_every: steps between two checkpoints; ``None``: at each reading.
    """

    # How far a run is meant to go changes nothing either, for no rate here depends on it: a
    # finished run can go on.
    harmless = frozenset({"steps", "log_every", "checkpoint_every", "sample_every"})
    advice = (
        'The learning rate may be too high, or a penalty is missing: try lr=2e-4, and penalty="r1".'
    )

    steps: Count
    batch_size: Count = 64
    loss: str = "non-saturating"
    critic_steps: Count = 1
    lr: Positive = 2e-4
    lr_discriminator: Positive | None = None
    betas: Betas = (0.5, 0.999)
    penalty: Annotated[str, one_of("none", "gradient", "r1", "r1-r2")] = "none"
    penalty_weight: Weight = 10.0
    penalty_every: Count = 1
    path_length_weight: Weight = 0.0
    path_length_every: Count = 8
    ema_images: Positive | None = None
    ada_target: Share | None = None
    augment: Augment | None = None
    precision: Precision = "no"
    channels_last: bool = False
    seed: Seed = 0
    log_every: Count = 50
    sample_every: Count | None = None
    checkpoint_every: Count | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what no game can be played with, by name."""
        super().__post_init__()
        check_kind(self.loss)
        signless = ("least-squares", "wasserstein", "relativistic")
        if self.ada_target is not None and self.loss in signless:
            raise ValueError(
                f"ada_target reads the sign of the discriminator's outputs, which says nothing "
                f'about real and generated images with loss="{self.loss}"; use "non-saturating" '
                'or "hinge", or leave ada_target at None.'
            )
