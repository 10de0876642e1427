"""Cityscapes, its fine annotations."""

from __future__ import annotations

from pathlib import Path

from course_lib.data.cards import Card
from course_lib.data.decode import Items, lookup
from course_lib.data.folders import empty, mixed
from course_lib.data.real.base import Archive, RealSet, damage
from course_lib.data.sets import IGNORE

CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
VAL = ("hanover", "krefeld", "zurich")  # whole cities: frames of one city look alike


def find(folder: Path, split: str, task: str) -> Items | None:
    """Read leftImg8bit/ and gtFine/. test = the published val, val = three cities of train."""
    part = "val" if split == "test" else "train"
    if not (folder / "leftImg8bit").is_dir() or not (folder / "gtFine").is_dir():
        return None
    if not all((folder / base / part).is_dir() for base in ("leftImg8bit", "gtFine")):
        raise empty("cityscapes", split, folder, f"leftImg8bit/{part} or gtFine/{part} is missing.")
    from torchvision.datasets import Cityscapes

    with damage(folder):
        data = Cityscapes(str(folder), part, "fine", "semantic")
    pairs = sorted(
        (Path(image), Path(mask[0])) for image, mask in zip(data.images, data.targets, strict=True)
    )
    if split != "test":
        pairs = [pair for pair in pairs if (pair[0].parent.name in VAL) == (split == "val")]
        if not pairs:
            raise empty("cityscapes", split, folder, f"val is {', '.join(VAL)}.")
    labels = {kind.id: kind.train_id for kind in Cityscapes.classes if kind.id >= 0}
    items = Items(
        [image.stem.removesuffix("_leftImg8bit") for image, _ in pairs],
        [image for image, _ in pairs],
        CLASSES,
        masks=[mask for _, mask in pairs],
        table=lookup(labels | {255: IGNORE}),  # 255: the licence plates, id -1 in eight bits
        ignore_index=IGNORE,
    )
    return mixed(items)


def archives() -> tuple[Archive, ...]:
    """Return two archives that nobody can download without registering."""
    names = ("leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip")
    return tuple(Archive((), file, None) for file in names)


CARD = Card(
    name="cityscapes",
    title="Cityscapes, fine annotations",
    purpose="real driving scenes; masks from which images are generated",
    tasks=("semantic",),
    images="3,475 labelled photographs of 2048x1024",
    classes="19 classes that count; all others = 255, ignore",
    splits="test = the published val (500 images), because the labels of the published test are "
    "secret; val = the cities Hanover, Krefeld and Zurich; train = the other cities",
    licence="research and teaching, non-commercial, after registration; may not be passed on",
    flaws="daylight and dry weather only, 21 cities in and around Germany; rare classes such as "
    "train and wall have few pixels",
    download="by hand, after registration: leftImg8bit_trainvaltest.zip and "
    "gtFine_trainvaltest.zip into DIR/cityscapes",
    source="https://www.cityscapes-dataset.com; arXiv:1604.01685",
)
SET = RealSet(
    CARD,
    find,
    ("cityscapes",),
    classes=CLASSES,
    size=(256, 512),
    archives=archives,
    space=13e9,
)
