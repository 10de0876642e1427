"""Everything the training of a flow is determined by, besides the model and the data."""

from dataclasses import dataclass
from typing import Annotated

from course_lib.data import Augment
from course_lib.train.config import (
    Betas,
    Config,
    Count,
    CountOrZero,
    Positive,
    Precision,
    Rule,
    Seed,
    one_of,
)

TIMES = ("uniform", "logit-normal")
WEIGHTS = ("plain", "min-snr")
ShareOrZero = Annotated[
    float,
    Rule("it must be at least 0 and below 1", lambda x: isinstance(x, int | float) and 0 <= x < 1),
]


@dataclass(frozen=True, kw_only=True)
class FlowConfig(Config):
    """How to train a flow or a diffusion: what the two have in common, and where they differ.

    The path and what the network says are the model's. Two runs with equal configuration, model and
    data have equal weights.

    Args:
        steps: updates.
        batch_size: images per process and update.
        lr: learning rate of Adam; the peak, where the schedule has one.
        betas: of Adam.
        schedule: "constant" or "cosine" (down to 0 at the last step).
        warm_up: steps over which the learning rate rises from 0.
        clip_norm: largest norm of the gradient; ``None`` leaves it alone.
        times: "uniform", or "logit-normal" (more of the middle, arXiv:2403.03206, section 3.1).
        weight: over times: "plain", the squared error of what the network says; or "min-snr", that
            of the image times the signal-to-noise ratio, at most 5 (arXiv:2303.09556).
        transport: pair the noise of a batch with its images so that ways are short; within each
            class, where the model has classes.
        drop_labels: share of the images, each by itself, whose class is not told; guidance needs
            some.
        ema_images: half-life, in images, of the averaged model that is kept; ``None``: the last
            weights are kept.
        augment: what is done to the images and may be learned, such as a flip.
        precision: "no" (float32), "bf16" (where the hardware has bfloat16; elsewhere float32) or
            "fp16" (with loss scaling; GPU only). Losses are always computed in float32.
        channels_last: store images and weights with the channels innermost; faster convolutions.
        seed: order, times, noise and augmentation are pure functions of (seed, step, rank).
        log_every: steps between two readings; each waits for the device.
        sample_every: steps between two sheets of samples in the run's folder; ``None``: none.
        checkpoint_every: steps between two checkpoints; ``None``: at each reading.
    """

    harmless = frozenset({"log_every", "checkpoint_every", "sample_every"})
    advice = "Lower the learning rate, or set clip_norm=1."

    steps: Count
    batch_size: Count = 64
    lr: Positive = 1e-3
    betas: Betas = (0.9, 0.999)
    schedule: Annotated[str, one_of("constant", "cosine")] = "constant"
    warm_up: CountOrZero = 0
    clip_norm: Positive | None = None
    times: Annotated[str, one_of(*TIMES)] = "logit-normal"
    weight: Annotated[str, one_of(*WEIGHTS)] = "plain"
    transport: bool = False
    drop_labels: ShareOrZero = 0.0
    ema_images: Positive | None = None
    augment: Augment | None = None
    precision: Precision = "no"
    channels_last: bool = False
    seed: Seed = 0
    log_every: Count = 50
    sample_every: Count | None = None
    checkpoint_every: Count | None = None
