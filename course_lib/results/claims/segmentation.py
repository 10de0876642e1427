"""Four segmentation networks on three data sets, each trained by the same recipe.

The recipe of a data set was fixed before any network was judged: it is that of the U-Net claims
(streets: the very same; pets: the same with half as many epochs). No setting was tuned for one of
the four. Each run is judged once on the test split; a network trained on streets by day is judged
on the same streets at dusk, in fog and at night as well.

Time of one seed on one core: streets 4 to 12 minutes, pets 3 to 8, membrane 1 to 3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.data import Augment, ImageSet, load
from course_lib.metrics import iou, mean_iou, pixel_accuracy
from course_lib.models import FCN, DeepLabV3, DeepLabV3Plus, UNet
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.unet import PETS_AUGMENT, STREETS_SIZE, STREETS_WIDTHS
from course_lib.results.compact import pack_counts
from course_lib.train import (
    TrainConfig,
    per_image_confusions,
    same_training,
    train_supervised,
)

Sets = tuple[ImageSet, ImageSet, ImageSet]

SHIFTS = ("dusk", "fog", "night")  # conditions of streets that no network has seen
MEMBRANE_AUGMENT = Augment(flip=True, scale=(0.8, 1.25), rotate=180, colour=0.2)


@dataclass(frozen=True)
class Architecture:
    """One of the compared networks: its class and the arguments that do not depend on the data."""

    title: str
    make: Callable[..., nn.Module]
    arguments: dict[str, Any]

    def all_arguments(self, data: ImageSet) -> dict[str, Any]:
        """Return all arguments of the constructor for a data set."""
        channels = data.images.shape[1]
        sizes: dict[str, Any] = {"num_classes": data.num_classes}
        if channels != 3:
            sizes["in_channels"] = channels
        return {**sizes, **self.arguments}


ARCHITECTURES: dict[str, Architecture] = {
    "fcn": Architecture("FCN-8s", FCN, {"backbone": "small", "stride": 8}),
    "unet": Architecture("U-Net", UNet, {"widths": STREETS_WIDTHS}),
    "deeplabv3": Architecture(
        "DeepLabV3, output stride 8", DeepLabV3, {"backbone": "small", "output_stride": 8}
    ),
    "deeplabv3plus": Architecture(
        "DeepLabV3+, output stride 16",
        DeepLabV3Plus,
        {"backbone": "small", "output_stride": 16, "separable": True},
    ),
}


# ------------------------------------------------------------------------- data sets and recipes


def streets_sets(context: Context, size: tuple[int, int] = STREETS_SIZE) -> Sets:
    """Return 1200, 200 and 400 street scenes by day."""
    numbers = (16, 8, 8) if context.smoke else (1200, 200, 400)
    train, val, test = (
        load("streets", split, size=size, num=num, seed=0)
        for split, num in zip(("train", "val", "test"), numbers, strict=True)
    )
    return train, val, test


def streets_config(context: Context, *, epochs: int = 24, evaluate_every: int = 2) -> TrainConfig:
    """Return the recipe of the claim unet-streets."""
    return TrainConfig(
        epochs=1 if context.smoke else epochs,
        batch_size=8,
        lr=3e-3,
        optimizer="adamw",
        weight_decay=0.01,
        schedule="one-cycle",
        precision="bf16",
        channels_last=True,
        augment=Augment(flip=True),
        evaluate_every=1 if context.smoke else evaluate_every,
        seed=context.seed,
    )


def _pets_sets(context: Context) -> Sets:
    size, num = (64, 24) if context.smoke else (128, None)
    train, val, test = (
        load("pets", split, size=size, task="semantic", root=context.root, num=num)
        for split in ("train", "val", "test")
    )
    return train, val, test


def _pets_config(context: Context) -> TrainConfig:
    return TrainConfig(
        epochs=1 if context.smoke else 50,
        batch_size=8,
        lr=2e-3,
        optimizer="adamw",
        weight_decay=0.05,
        schedule="one-cycle",
        clip_norm=1.0,
        ema=0.995,
        precision="bf16",
        channels_last=True,
        augment=PETS_AUGMENT,
        evaluate_every=2,
        seed=context.seed,
    )


def _membrane_sets(context: Context) -> Sets:
    size, num = (64, 4) if context.smoke else (256, None)
    train, val, test = (
        load("membrane", split, size=size, task="semantic", root=context.root, num=num)
        for split in ("train", "val", "test")
    )
    return train, val, test


def _membrane_config(context: Context) -> TrainConfig:
    return TrainConfig(
        epochs=1 if context.smoke else 60,
        batch_size=4,
        lr=2e-3,
        optimizer="adamw",
        weight_decay=0.05,
        schedule="one-cycle",
        clip_norm=1.0,
        precision="bf16",
        channels_last=True,
        augment=MEMBRANE_AUGMENT,
        evaluate_every=3,
        seed=context.seed,
    )


# ------------------------------------------------------------------------------------ measurement


def train_and_judge(
    context: Context,
    model: nn.Module,
    sets: Sets,
    config: TrainConfig,
    *,
    shifts: tuple[str, ...] = (),
    out_dir: Path | None = None,
) -> Measurement:
    """Train, choose the epoch on the validation split, judge on the test split.

    Args:
        context: of the measurement.
        model: with random weights.
        sets: to train, to choose, to test.
        config: the recipe.
        shifts: further conditions in which the test scenes are drawn and judged.
        out_dir: folder of the training, if it is not the claim's own.
    """
    train, val, test = sets
    history = train_supervised(
        model,
        train,
        val,
        config=config,
        out_dir=out_dir or context.out_dir,
        device=context.device,
    )
    counts = {"": per_image_confusions(model, test)}  # (N, C, C) for each condition
    for shift in shifts:
        scenes = load(test.name, "test", size=STREETS_SIZE, num=len(test), seed=0, condition=shift)
        counts[f"_{shift}"] = per_image_confusions(model, scenes)
    metrics = {
        "test_mean_iou": float(mean_iou(counts[""].sum(0))),
        "test_accuracy": float(pixel_accuracy(counts[""].sum(0))),
        "val_score": history.best_score or 0.0,
        "best_epoch": (history.best_epoch or 0) + 1,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    for condition in list(counts)[1:]:
        metrics[f"test{condition}_mean_iou"] = float(mean_iou(counts[condition].sum(0)))
    for condition, per_image in counts.items():
        metrics |= _per_class(f"iou{condition}", per_image, test.classes)
    return Measurement(
        metrics=metrics,
        curves={
            "val_mean_iou": history.column("val_mean_iou"),
            "train_loss": history.column("train_loss"),
        },
        arrays={f"per_image{name}": pack_counts(per_image) for name, per_image in counts.items()},
        data=f"{train.name} at {tuple(test.images.shape[-2:])}: {len(train)} images to train, "
        f"{len(val)} to choose the epoch, {len(test)} to test",
    )


def _per_class(prefix: str, per_image: Tensor, classes: tuple[str, ...]) -> dict[str, float]:
    """IoU of each class that occurs, over the whole test set."""
    values = iou(per_image.sum(0)).tolist()
    named = zip(classes, values, strict=True)
    return {f"{prefix}_{name.replace(' ', '_')}": v for name, v in named if v == v}


def _measure(
    context: Context,
    name: str,
    make_sets: Callable[[Context], Sets],
    make_config: Callable[[Context], TrainConfig],
    shifts: tuple[str, ...] = (),
) -> Measurement:
    architecture, sets, config = ARCHITECTURES[name], make_sets(context), make_config(context)
    torch.manual_seed(context.seed)
    arguments = architecture.all_arguments(sets[0])
    model = architecture.make(**arguments)
    out_dir = _trained_before(context, name, sets[0], config)
    measurement = train_and_judge(context, model, sets, config, shifts=shifts, out_dir=out_dir)
    train = sets[0]
    measurement.trained = (
        model,
        {
            "arguments": arguments,
            "classes": train.classes,
            "task": "semantic",
            "size": tuple(train.images.shape[-2:]),
            "dataset": train.name,
        },
    )
    return measurement


def _trained_before(
    context: Context, name: str, train: ImageSet, config: TrainConfig
) -> Path | None:
    """Return the folder of unet-streets' training if it was the same one; then it is not redone."""
    folder = context.out_dir.parent.parent / f"{name}-{train.name}" / context.out_dir.name
    return folder if name == "unet" and same_training(folder, config, train) else None


# ----------------------------------------------------------------------------------- list of claims

TASKS: dict[str, tuple[Callable[[Context], Sets], Callable[[Context], TrainConfig]]] = {
    "streets": (streets_sets, streets_config),
    "pets": (_pets_sets, _pets_config),
    "membrane": (_membrane_sets, _membrane_config),
}
TITLES = {
    "streets": "street scenes at 96x128",
    "pets": "300 pets at 128x128",
    "membrane": "membranes at 256x256",
}
CHECKPOINTS = {
    ("fcn", "streets"): "fcn-streets",
    ("deeplabv3plus", "streets"): "deeplab-streets",
}
MINUTES = {"streets": 18.0, "pets": 18.0, "membrane": 6.0}


def claim_name(task: str, architecture: str) -> str:
    """Return the name of the claim of one network on one data set."""
    return f"compare-{task}-{architecture}"


CLAIMS = tuple(
    Claim(
        name=claim_name(task, name),
        title=f"{architecture.title} on {TITLES[task]}",
        measure=partial(
            _measure,
            name=name,
            make_sets=make_sets,
            make_config=make_config,
            shifts=SHIFTS if task == "streets" else (),
        ),
        main="test_mean_iou",
        needs=() if task == "streets" else (task,),
        checkpoint=CHECKPOINTS.get((name, task)),
        minutes=MINUTES[task],
    )
    for task, (make_sets, make_config) in TASKS.items()
    for name, architecture in ARCHITECTURES.items()
)
