"""Penn-Fudan pedestrians: every pedestrian is an instance."""

from __future__ import annotations

from pathlib import Path

from course_lib.data.cards import Card
from course_lib.data.decode import Items, lookup
from course_lib.data.folders import image_files, masks_for, mixed, name_rank
from course_lib.data.real.base import Archive, RealSet

CLASSES = ("background", "pedestrian")
TEST, VAL = 0.25, 0.1  # about so many of all images


def find(folder: Path, split: str, task: str) -> Items | None:
    """Read PNGImages/ and PedMasks/."""
    if not (folder / "PNGImages").is_dir() or not (folder / "PedMasks").is_dir():
        return None
    images = image_files(folder / "PNGImages")
    masks = masks_for(images, folder / "PedMasks")
    people = {number: 1 for number in range(1, 254)}
    table = lookup({0: 0} | people) if task == "semantic" else None
    keys = [path.stem for path in images]
    items = Items(keys, images, CLASSES, masks=masks, table=table)
    return mixed(items.pick([row for row, key in enumerate(keys) if split_of(key) == split]))


def split_of(key: str) -> str:
    """Return the split of an image: there is no published one, so its name alone decides."""
    rank = name_rank(key)
    return "test" if rank < TEST else "val" if rank < TEST + VAL else "train"


def archives() -> tuple[Archive, ...]:
    """Return the one archive; no checksum was published."""
    url = "https://www.cis.upenn.edu/~jshi/ped_html/PennFudanPed.zip"
    return (Archive((url,), "PennFudanPed.zip", None),)


CARD = Card(
    name="penn-fudan",
    title="Penn-Fudan pedestrians",
    purpose="instance segmentation with few images",
    tasks=("instance", "semantic"),
    images="170 photographs of many sizes, 345 labelled pedestrians",
    classes=", ".join(CLASSES),
    splits="none published: the hash of the file name puts 114 of the 170 into train, 22 into val "
    "and 34 into test",
    licence="all rights remain with the authors; no licence to pass it on",
    flaws="small: a score moves by several points with the split; very small and strongly hidden "
    "people are not labelled",
    download="54 MB",
    source="https://www.cis.upenn.edu/~jshi/ped_html/; Wang et al., ACCV 2007",
)
SET = RealSet(
    CARD,
    find,
    ("PennFudanPed", "penn-fudan"),
    classes=CLASSES,
    size=(256, 256),
    archives=archives,
    space=0.2e9,
    inner="PennFudanPed",
)
