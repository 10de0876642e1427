"""Everything a training of a VAE-GAN is determined by, besides the model and the data."""

from dataclasses import dataclass
from typing import Annotated

from course_lib.data import Augment
from course_lib.train.config import (
    Betas,
    Config,
    Count,
    Positive,
    Precision,
    Seed,
    Weight,
    one_of,
)


@dataclass(frozen=True, kw_only=True)
class VAEGANConfig(Config):
    """How to train a VAE-GAN; equal configuration, model and data give equal weights.

    Args:
        steps: updates of each network.
        batch_size: images per process and update.
        loss: of the game, "non-saturating" or "hinge".
        lr: learning rate of Adam for encoder and decoder.
        lr_discriminator: another one for the discriminator, or ``None``.
        betas: of Adam.
        beta: weight of the divergence beside the distance in features, both summed over their
            numbers.
        feature_weight: weight of that distance, for the decoder, beside being taken for real
            (gamma in the paper's algorithm); there as a mean over the features' numbers.
        r1: weight of the penalty on the discriminator's slope at real images (gamma, whose half is
            applied); 0: none.
        r1_every: steps between two penalties, which then weigh as many times as much.
        ema_images: half-life, in images, of the averaged model that is kept; ``None``: the last
            weights are kept.
        augment: what is done to the images and may be learned, such as a flip.
        precision: "no" (float32), "bf16" (where the hardware has bfloat16; elsewhere float32) or
            "fp16" (with loss scaling; GPU only).
        channels_last: store images and weights with the channels innermost; faster convolutions.
        seed: order, augmentation and noise are pure functions of (seed, step, rank).
        log_every: steps between two readings; each waits for the device.
        sample_every: steps between two sheets in the run's folder; ``None``: none.
        checkpoint_every: steps between two checkpoints; ``None``: at each reading.
    """

    harmless = frozenset({"steps", "log_every", "checkpoint_every", "sample_every"})
    advice = "Lower the learning rate, or raise the penalty r1."

    steps: Count
    batch_size: Count = 64
    loss: Annotated[str, one_of("non-saturating", "hinge")] = "non-saturating"
    lr: Positive = 5e-4
    lr_discriminator: Positive | None = None
    betas: Betas = (0.5, 0.99)
    beta: Weight = 1.0
    feature_weight: Weight = 1.0
    r1: Weight = 1.0
    r1_every: Count = 8
    ema_images: Positive | None = None
    augment: Augment | None = None
    precision: Precision = "no"
    channels_last: bool = False
    seed: Seed = 0
    log_every: Count = 50
    sample_every: Count | None = None
    checkpoint_every: Count | None = None
