"""Training the network in whose features samples are judged."""

from dataclasses import replace

import torch

from course_lib.models import SampleFeatures
from course_lib.recipes.sample_features import CONFIG, NUMS, SIZE, joint_set
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.train import evaluate, train_supervised


def _measure(context: Context) -> Measurement:
    train, val = (joint_set(split, context.root, smoke=context.smoke) for split in ("train", "val"))
    epochs = context.pick(smoke=1, full=CONFIG.epochs)
    config = replace(CONFIG, epochs=epochs, seed=context.seed)
    torch.manual_seed(context.seed)
    model = SampleFeatures()
    history = train_supervised(
        model, train, val, config=config, out_dir=context.out_dir, device=context.device
    )
    test = joint_set("test", context.root, smoke=context.smoke)
    accuracy = {
        f"accuracy_{name}": evaluate(
            model,
            test.subset((test.targets // 10 == number).nonzero()[:, 0]),
            device=context.device,
        ).accuracy
        for number, name in enumerate(NUMS)
    }
    card = {
        "arguments": {},
        "classes": test.classes,
        "task": "classification",
        "size": (SIZE, SIZE),
        "dataset": ", ".join(NUMS),
    }
    return Measurement(
        metrics={
            **accuracy,
            "val_score": history.best_score or 0.0,
            "best_epoch": (history.best_epoch or 0) + 1,
        },
        curves={
            "val_accuracy": history.column("val_accuracy"),
            "train_loss": history.column("train_loss"),
        },
        data=f"MNIST, CIFAR-10 and shapes at {SIZE}x{SIZE}, ten classes each: {len(train)} images "
        f"to train, {len(val)} to choose the epoch, {len(test)} to test. {test.note}".strip(),
        trained=(model, card),
    )


CLAIMS = (
    Claim(
        name="sample-features",
        title="The extractor for judging samples: its accuracy on the sets that it was trained on",
        measure=_measure,
        main="accuracy_cifar10",
        percent=True,
        seeds=(0,),
        needs=("mnist", "cifar10"),
        checkpoint="sample-features",
        minutes=8,
    ),
)
