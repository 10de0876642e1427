"""Are the drawn digits like MNIST's, and are generated ones like the drawn ones?

A classifier that learned the one kind of digits is tested on the other, both ways. Training images,
epoch and network are those of its own kind alone; the other kind's test images are read once, at
the end. The forms of the drawn digits were chosen by looking at MNIST's validation images.
"""

from functools import partial

import torch
from torch import Tensor

from course_lib.data import to_float
from course_lib.recipes import Recipe
from course_lib.recipes.classifier import DIGITS, MNIST
from course_lib.recipes.generation import COMPARED, NUM
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.train import draw_samples, evaluate, load_checkpoint, train_supervised

CLASSIFIER = "simple-cnn-digits"
SURE = 0.9  # probability from which a digit counts as named


def _cross(context: Context, recipe: Recipe, other: Recipe) -> Measurement:
    """Train on one kind, test on both."""
    train, val, test = recipe.sets(context.root, smoke=context.smoke)
    foreign = other.sets(context.root, smoke=context.smoke)[2]
    model = recipe.build(train, context.seed)
    config = recipe.config_for(context.seed, smoke=context.smoke)
    history = train_supervised(
        model, train, val, config=config, out_dir=context.out_dir, device=context.device
    )
    own, cross = (evaluate(model, part, device=context.device) for part in (test, foreign))
    return Measurement(
        metrics={
            "cross_accuracy": cross.accuracy,
            "test_accuracy": own.accuracy,
            "val_score": history.best_score or 0.0,
            "best_epoch": (history.best_epoch or 0) + 1,
        },
        curves={"val_accuracy": history.column("val_accuracy")},
        arrays={"cross_confusion": cross.confusion.tolist(), "confusion": own.confusion.tolist()},
        data=f"{train.name} at 32x32: {len(train)} images to train, {len(val)} to choose the "
        f"epoch, {len(test)} to test, and {len(foreign)} test images of {foreign.name}",
        fingerprint=foreign.fingerprint,
        trained=(model, recipe.card(train)),
    )


@torch.no_grad()
def named(images: Tensor) -> tuple[float, Tensor]:
    """Return which share of images (N, 1, 32, 32) uint8 the classifier is sure of, and the names.

    The names are (N,) int64, 0 to 9, for all images.
    """
    model, _ = load_checkpoint(CLASSIFIER)
    logits = torch.cat([model(to_float(part)) for part in images.split(500)])
    chance, name = logits.softmax(1).max(1)
    return (chance > SURE).double().mean().item(), name


def _named(context: Context) -> Measurement:
    num = context.pick(smoke=64, full=NUM)
    real = DIGITS.sets(context.root, smoke=context.smoke)[2]
    pictures = {"real": real.images[:num]}
    for family in COMPARED:
        generator, _ = load_checkpoint(f"{family}-digits")
        pictures[family] = draw_samples(generator, num, device=context.device)
    metrics: dict[str, float] = {}
    for who, images in pictures.items():
        share, names = named(images)
        counts = names.bincount(minlength=10) / len(names)
        metrics |= {f"{who}_named": share, f"{who}_rarest": counts.min().item()}
    return Measurement(
        metrics=metrics,
        data=f"{num} samples of each shipped generator of digits, and {num} drawn test images, "
        f"shown to {CLASSIFIER}",
        fingerprint=real.fingerprint,
    )


CLAIMS = (
    Claim(
        name=DIGITS.name,
        title="SimpleCNN trained on drawn digits, tested on MNIST",
        measure=partial(_cross, recipe=DIGITS, other=MNIST),
        main="cross_accuracy",
        percent=True,
        needs=("mnist",),
        checkpoint=CLASSIFIER,
        minutes=4,
        priority=35,
    ),
    Claim(
        name=MNIST.name,
        title="SimpleCNN trained on MNIST, tested on drawn digits",
        measure=partial(_cross, recipe=MNIST, other=DIGITS),
        main="cross_accuracy",
        percent=True,
        needs=("mnist",),
        minutes=4,
        priority=15,
    ),
    Claim(
        name="digits-named",
        title="Share of generated digits that a classifier of drawn digits is sure of",
        measure=_named,
        main="real_named",
        percent=True,
        seeds=(0,),
        after=(DIGITS.name, *(f"{family}-digits" for family in COMPARED)),
        minutes=1,
        priority=10,
    ),
)
