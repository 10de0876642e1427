"""SimpleCNN on CIFAR-10: a constant learning rate against a schedule."""

import torch

from course_lib.data import Augment, load
from course_lib.models import SimpleCNN
from course_lib.results.claim import Claim, Context, Measurement, Published
from course_lib.train import TrainConfig, evaluate, train_supervised


def _measure(context: Context, *, schedule: str, lr: float) -> Measurement:
    num = 640 if context.smoke else None
    train, val, test = (
        load("cifar10", split, root=context.root, num=num) for split in ("train", "val", "test")
    )
    config = TrainConfig(
        epochs=1 if context.smoke else 10,
        batch_size=64,
        lr=lr,
        schedule=schedule,
        augment=Augment(flip=True, crop=2),
        precision="bf16",
        channels_last=True,
        seed=context.seed,
    )
    torch.manual_seed(context.seed)
    model = SimpleCNN()
    history = train_supervised(
        model, train, val, config=config, out_dir=context.out_dir, device=context.device
    )
    result = evaluate(model, test, device=context.device)
    card = {
        "arguments": {},
        "classes": test.classes,
        "task": "classification",
        "size": test.images.shape[-2:],
        "dataset": "cifar10",
    }
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
        trained=(model, card),
    )


def _constant(context: Context) -> Measurement:
    return _measure(context, schedule="constant", lr=1e-3)


def _schedule(context: Context) -> Measurement:
    return _measure(context, schedule="one-cycle", lr=3e-3)


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
        name="classifier-cifar10-constant",
        title="SimpleCNN on CIFAR-10, 10 epochs, constant learning rate",
        measure=_constant,
        main="test_accuracy",
        percent=True,
        needs=("cifar10",),
        published=PUBLISHED,
        minutes=10,
    ),
    Claim(
        name="classifier-cifar10-schedule",
        title="SimpleCNN on CIFAR-10, 10 epochs, one-cycle learning rate",
        measure=_schedule,
        main="test_accuracy",
        percent=True,
        needs=("cifar10",),
        checkpoint="simple-cnn-cifar10",
        published=PUBLISHED,
        minutes=10,
    ),
)
