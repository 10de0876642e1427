"""Everything a training by a likelihood is determined by, besides the model and the data."""

from dataclasses import dataclass
from typing import Annotated

from course_lib.data import Augment
from course_lib.data.binarise import HOW
from course_lib.train.config import (
    Betas,
    Config,
    Count,
    CountOrZero,
    Positive,
    Precision,
    Seed,
    Weight,
    one_of,
)


@dataclass(frozen=True, kw_only=True)
class VariationalConfig(Config):
    """How to train a VAE, a CVAE, a VQ-VAE or a prior of codes.

    Two runs with equal configuration, model and data have equal weights.

    Args:
        steps: updates.
        batch_size: images per process and update.
        lr: learning rate of Adam; the peak, where the schedule has one.
        betas: of Adam.
        schedule: "constant" or "cosine" (down to 0 at the last step).
        warm_up: steps over which the learning rate rises from 0.
        clip_norm: largest norm of the gradient; ``None`` leaves it alone.
        beta: weight of the divergence. 1 is the evidence lower bound; another is none.
        anneal: steps over which that weight rises from 0.
        free_bits: nats for each number of a code that cost nothing.
        binarise: "none"; "sample" (black and white, drawn anew each time an image is shown, by its
            grey level) or "threshold". The likelihood "bernoulli" needs one of them.
        ema_images: half-life, in images, of the averaged model that is kept; ``None``: the last
            weights are kept. Not for codebooks, which are averages already.
        augment: what is done to the images and may be learned, such as a flip.
        precision: "no" (float32), "bf16" (where the hardware has bfloat16; elsewhere float32) or
            "fp16" (with loss scaling; GPU only). Likelihoods are always computed in float32.
        channels_last: store images and weights with the channels innermost; faster convolutions.
        seed: order, augmentation and noise are pure functions of (seed, step, rank).
        log_every: steps between two readings; each waits for the device.
        sample_every: steps between two sheets of samples in the run's folder; ``None``: none.
        checkpoint_every: steps between two checkpoints; ``None``: at each reading.
    """

    harmless = frozenset({"log_every", "checkpoint_every", "sample_every"})
    advice = "Lower the learning rate, or set clip_norm=100."

    steps: Count
    batch_size: Count = 64
    lr: Positive = 1e-3
    betas: Betas = (0.9, 0.999)
    schedule: Annotated[str, one_of("constant", "cosine")] = "constant"
    warm_up: CountOrZero = 0
    clip_norm: Positive | None = None
    beta: Weight = 1.0
    anneal: CountOrZero = 0
    free_bits: Weight = 0.0
    binarise: Annotated[str, one_of(*HOW)] = "none"
    ema_images: Positive | None = None
    augment: Augment | None = None
    precision: Precision = "no"
    channels_last: bool = False
    seed: Seed = 0
    log_every: Count = 50
    sample_every: Count | None = None
    checkpoint_every: Count | None = None
