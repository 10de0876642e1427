"""Are the drawn digits like MNIST's?

A classifier that learned the one kind of digits is tested on the other, both ways. Training images,
epoch and network are those of its own kind alone; the other kind's test images are read once, at
the end. The forms of the drawn digits were chosen by looking at MNIST's validation images.
"""

from functools import partial

from course_lib.recipes import Recipe
from course_lib.recipes.classifier import DIGITS, MNIST
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.named import CLASSIFIERS
from course_lib.train import evaluate, train_supervised


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


CLAIMS = (
    Claim(
        name=DIGITS.name,
        title="SimpleCNN trained on drawn digits, tested on MNIST",
        measure=partial(_cross, recipe=DIGITS, other=MNIST),
        main="cross_accuracy",
        percent=True,
        needs=("mnist",),
        checkpoint=CLASSIFIERS["digits"],
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
)
