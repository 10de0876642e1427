"""Pascal VOC 2012, its segmentation part."""

from __future__ import annotations

from pathlib import Path

from course_lib.data.cards import Card
from course_lib.data.decode import Items, lookup
from course_lib.data.folders import held_out, listed, mixed
from course_lib.data.real.base import Archive, RealSet
from course_lib.data.sets import IGNORE, DataError

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
LABELS = lookup({number: number for number in range(len(CLASSES))} | {255: IGNORE})
VAL = 0.1  # of the published train; test = the published val


def find(folder: Path, split: str, task: str) -> Items | None:
    """Read VOCdevkit/VOC2012/."""
    base = folder / "VOCdevkit" / "VOC2012"
    if not base.is_dir():
        return None
    names = base / "ImageSets/Segmentation" / ("val.txt" if split == "test" else "train.txt")
    if not names.is_file():
        raise DataError(f"{names} is missing: voc is not whole. Fetch it again.")
    keys = listed(names)
    images = [base / "JPEGImages" / f"{key}.jpg" for key in keys]
    masks = [base / "SegmentationClass" / f"{key}.png" for key in keys]
    items = Items(keys, images, CLASSES, masks=masks, table=LABELS, ignore_index=IGNORE)
    return mixed(items) if split == "test" else held_out(items, split, VAL)


def archives() -> tuple[Archive, ...]:
    """Return the one archive; address and checksum are torchvision's."""
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    voc = DATASET_YEAR_DICT["2012"]
    return (Archive((voc["url"],), voc["filename"], voc["md5"]),)


CARD = Card(
    name="voc",
    title="Pascal VOC 2012, segmentation",
    purpose="the classic benchmark for FCN and DeepLab",
    tasks=("semantic",),
    images="2,913 photographs of many sizes (about 500x375)",
    classes="21: background and 20 kinds of objects; 255 = ignore",
    splits="test = the published val (1,449 images), because the labels of the published test are "
    "secret; val = a tenth of the published train, drawn once; train = the rest of 1,464",
    licence="photographs from Flickr, under Flickr's terms of use",
    flaws="a band around every object is ignored, which hides errors at contours; most published "
    "scores use about 9,000 extra labels (SBD), which are not part of it",
    download="2.0 GB",
    source="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/; Everingham et al., IJCV 2015",
)
SET = RealSet(
    CARD,
    find,
    ("voc", "VOC"),
    classes=CLASSES,
    size=(256, 256),
    archives=archives,
    space=4.2e9,
)
