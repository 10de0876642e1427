"""Which share of generated pictures can be named? A classifier that learned from real ones says."""

from functools import partial

import torch
from torch import Tensor

from course_lib.data import to_float
from course_lib.recipes.generation import COMPARED, DATA, NUM, SMOKE
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.generation import TITLES
from course_lib.train import draw_samples, load_checkpoint

# Each learned from images of its set alone.
CLASSIFIERS = {task: f"simple-cnn-{task}" for task in ("digits", "shapes", "cifar10")}
SURE = 0.9  # probability from which an object counts as named


@torch.no_grad()
def named(images: Tensor, task: str) -> tuple[float, Tensor]:
    """Return which share of images (N, C, 32, 32) uint8 the classifier is sure of, and the names.

    The names are (N,) int64, of all images.
    """
    model, _ = load_checkpoint(CLASSIFIERS[task])
    logits = torch.cat([model(to_float(part)) for part in images.split(500)])
    chance, name = logits.softmax(1).max(1)
    return (chance > SURE).double().mean().item(), name


def _named(context: Context, task: str) -> Measurement:
    num = context.pick(smoke=64, full=NUM)
    real = (SMOKE if context.smoke else DATA)[task].load("test")
    pictures = {"real": real.images[:num]}
    for family in COMPARED:
        generator, _ = load_checkpoint(f"{family}-{task}")
        pictures[family] = draw_samples(generator, num, device=context.device)
    metrics: dict[str, float] = {}
    for who, images in pictures.items():
        share, names = named(images, task)
        counts = names.bincount(minlength=real.num_classes) / len(names)
        metrics |= {f"{who}_named": share, f"{who}_rarest": counts.min().item()}
    return Measurement(
        metrics=metrics,
        data=f"{num} samples of each shipped generator of {TITLES[task]}, and {num} test images, "
        f"shown to {CLASSIFIERS[task]}",
        fingerprint=real.fingerprint,
    )


CLAIMS = tuple(
    Claim(
        name=f"{task}-named",
        title=f"Share of generated {task} that a classifier of {TITLES[task]} is sure of",
        measure=partial(_named, task=task),
        main="real_named",
        percent=True,
        seeds=(0,),
        after=(f"classifier-{task}", *(f"{family}-{task}" for family in COMPARED)),
        minutes=1,
        priority=10,
    )
    for task in ("digits", "shapes")
)
