"""The network in whose features samples are judged: digits, photographs and shapes as one set."""

from pathlib import Path

import torch

from course_lib.data import Augment, ImageSet, load
from course_lib.train import TrainConfig

SIZE = 32
NUMS: dict[str, dict[str, int | None]] = {  # images of each set and split; None: all
    "mnist": {"train": 12_000, "val": 1_500, "test": None},
    "cifar10": {"train": None, "val": 1_500, "test": None},
    "shapes": {"train": 8_000, "val": 1_500, "test": 2_000},
}
CONFIG = TrainConfig(
    epochs=6,
    batch_size=128,
    lr=3e-3,
    optimizer="adamw",
    weight_decay=0.02,
    schedule="one-cycle",
    augment=Augment(crop=2),  # no mirror images: a mirrored digit is no digit
    precision="bf16",
    channels_last=True,
)


def part(name: str, split: str, root: Path | None, num: int | None) -> ImageSet:
    """Return 32x32 colour images of one of the three sets; half of the shapes on plain ground."""
    if name != "shapes":
        data = load(name, split, size=SIZE, root=root, num=num)
        return data if name == "cifar10" else _colour(data)
    half = (num or 2) // 2
    cluttered, plain = (
        load("shapes", split, size=SIZE, task="classification", condition=condition, num=half)
        for condition in ("clutter", "plain")
    )
    return ImageSet(
        torch.cat([cluttered.images, plain.images]),
        torch.cat([cluttered.targets, plain.targets]),
        cluttered.classes,
        name="shapes",
        split=split,
    )


def joint_set(split: str, root: Path | None = None, *, smoke: bool = False) -> ImageSet:
    """Return digits, photographs and shapes as one set with 30 classes."""
    parts = [part(name, split, root, 64 if smoke else NUMS[name][split]) for name in NUMS]
    starts = [10 * number for number in range(len(parts))]
    return ImageSet(
        torch.cat([p.images for p in parts]),
        torch.cat([p.targets + start for p, start in zip(parts, starts, strict=True)]),
        tuple(f"{p.name} {label}" for p in parts for label in p.classes),
        name="digits, photographs and shapes",
        split=split,
        note=" ".join(p.note for p in parts if p.note),
    )


def _colour(data: ImageSet) -> ImageSet:
    images = data.images.expand(-1, 3, -1, -1).contiguous()
    return ImageSet(images, data.targets, data.classes, data.name, data.split, note=data.note)
