"""SimpleCNN on CIFAR-10: a constant learning rate against a schedule."""

from functools import partial

from course_lib.recipes import Recipe
from course_lib.recipes.classifier import CONSTANT, SCHEDULE
from course_lib.results.claim import Claim, Context, Measurement, Published
from course_lib.train import evaluate, train_supervised


def _measure(context: Context, recipe: Recipe) -> Measurement:
    train, val, test = recipe.sets(context.root, smoke=context.smoke)
    model = recipe.build(train, context.seed)
    config = recipe.config_for(context.seed, smoke=context.smoke)
    history = train_supervised(
        model, train, val, config=config, out_dir=context.out_dir, device=context.device
    )
    result = evaluate(model, test, device=context.device)
    return Measurement(
        metrics={
            "test_accuracy": result.accuracy,
            "val_accuracy": history.best_score or 0.0,
            "val_score": history.best_score or 0.0,
            "best_epoch": (history.best_epoch or 0) + 1,
        },
        curves={
            "val_accuracy": history.column("val_accuracy"),
            "val_loss": history.column("val_loss"),
            "train_loss": history.column("train_loss"),
        },
        arrays={"confusion": result.confusion.tolist()},
        data=f"CIFAR-10: {len(train)} images to train, {len(val)} to choose the epoch, {len(test)} "
        f"to test. {test.note}".strip(),
        fingerprint=test.fingerprint,
        trained=(model, recipe.card(train)),
    )


PUBLISHED = (
    Published(
        "94.01 % in 2.59 s on one A100, a network built for speed",
        0.9401,
        "cifar10-airbench",
        "a far larger network, trained on the original images with stronger augmentation",
    ),
)

CLAIMS = (
    Claim(
        name=CONSTANT.name,
        title="SimpleCNN on CIFAR-10, 10 epochs, constant learning rate",
        measure=partial(_measure, recipe=CONSTANT),
        main="test_accuracy",
        percent=True,
        needs=("cifar10",),
        published=PUBLISHED,
        minutes=10,
    ),
    Claim(
        name=SCHEDULE.name,
        title="SimpleCNN on CIFAR-10, 10 epochs, one-cycle learning rate",
        measure=partial(_measure, recipe=SCHEDULE),
        main="test_accuracy",
        percent=True,
        needs=("cifar10",),
        checkpoint="simple-cnn-cifar10",
        published=PUBLISHED,
        minutes=10,
    ),
)
