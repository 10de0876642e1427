"""The ISBI 2012 challenge: cell membranes in slices of one block of tissue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from course_lib.data.cards import Card
from course_lib.data.decode import Items, lookup
from course_lib.data.folders import image_files, masks_for
from course_lib.data.images import Array, read_stack
from course_lib.data.real.base import RealSet
from course_lib.data.sets import DataError

CLASSES = ("cell", "membrane")
LABELS = lookup({0: 1, 255: 0})
# Neighbouring slices look alike, so each split is one run of slices: of 30, 0 to 19, 20 to 23, 24
# to 29. As shares of all slices:
BOUNDS = {"train": (0.0, 2 / 3), "val": (2 / 3, 0.8), "test": (0.8, 1.0)}


def find(folder: Path, split: str, task: str) -> Items | None:
    """Read image/N.png and label/N.png, or train-volume.tif and train-labels.tif."""
    images: Sequence[Path] | Array
    masks: Sequence[Path] | Array
    if (folder / "image").is_dir() and (folder / "label").is_dir():
        images = image_files(folder / "image")
        masks = masks_for(images, folder / "label")
        keys = [path.stem for path in images]
    elif (folder / "train-volume.tif").is_file() and (folder / "train-labels.tif").is_file():
        images = read_stack(folder / "train-volume.tif")[:, None]
        masks = read_stack(folder / "train-labels.tif")
        if len(images) != len(masks):
            raise DataError(f"{folder}: {len(images)} slices but {len(masks)} labels.")
        keys = [str(number) for number in range(len(images))]
    else:
        return None
    items = Items(keys, images, CLASSES, masks=masks, table=LABELS, channels=1)
    low, high = (round(share * len(items)) for share in BOUNDS[split])
    return items.pick(range(low, high))


CARD = Card(
    name="membrane",
    title="ISBI 2012 EM segmentation challenge",
    purpose="the data on which U-Net was introduced: cell membranes in electron microscopy",
    tasks=("semantic",),
    images="30 labelled slices of 512x512, grey, 4x4x50 nm per voxel",
    classes=", ".join(CLASSES),
    splits="none published for the labelled slices: 0 to 19 train, 20 to 23 val, 24 to 29 test; "
    "whole runs, because neighbouring slices look alike",
    licence="free for non-commercial segmentation software, with citation",
    flaws="one block of tissue of one fruit-fly larva, so train and test are related; labels of "
    "the challenge's own test slices were never published",
    download="by hand: put train-volume.tif and train-labels.tif (or image/N.png and label/N.png) "
    "into DIR/membrane",
    source="Arganda-Carreras et al., Front. Neuroanat. 9:142, 2015",
)
SET = RealSet(CARD, find, ("membrane",), classes=CLASSES, channels=1)
