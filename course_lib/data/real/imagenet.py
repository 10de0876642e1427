"""ImageNet, ILSVRC 2012, unpacked into one folder for each class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from course_lib.data.cards import LABEL_ERRORS, Card
from course_lib.data.decode import Items
from course_lib.data.folders import class_folders, empty, held_out, mixed, split_folders
from course_lib.data.real.base import RealSet, damage
from course_lib.data.sets import SPLITS

VAL = 50_000 / 1_281_167  # of the published train; test = the published val


def find(folder: Path, split: str, task: str) -> Items | None:
    """Read train/WNID/ and val/WNID/; the published test set has no labels.

    A folder with train/, val/ and test/, each holding class folders, is taken at its word.
    """
    parts = [part for part in SPLITS if (folder / part).is_dir()]
    if not parts:
        return None
    if "test" in parts and any(path.is_dir() for path in (folder / "test").iterdir()):
        items = split_folders("imagenet", folder, split, None, 3, 0.04)
    else:
        part = "val" if split == "test" else "train"
        if part not in parts:
            raise empty("imagenet", split, folder, f"There is no folder {folder / part}.")
        known = folder / "train" if "train" in parts else folder / part
        wnids = sorted(path.name for path in known.iterdir() if path.is_dir())
        items = class_folders(folder / part, wnids, 3)
        items = mixed(items) if split == "test" else held_out(items, split, VAL)
    if items is not None and (folder / "meta.bin").is_file():
        from torchvision.datasets.imagenet import load_meta_file

        with damage(folder / "meta.bin"):
            words = load_meta_file(str(folder))[0]
        named = (words[wnid][0] if wnid in words else wnid for wnid in items.classes)
        items = replace(items, classes=tuple(named))
    return items


CARD = Card(
    name="imagenet",
    title="ImageNet, ILSVRC 2012",
    purpose="classification at full size, for whoever has the hardware",
    tasks=("classification",),
    images="1,331,167 photographs of many sizes",
    classes="1,000",
    splits="test = the published validation set (50,000), because the labels of the published "
    "test are secret; val = a 26th of the published train (50,000), drawn once; train = the rest",
    licence="non-commercial research and teaching, after registration",
    flaws="many images show several objects but have one label (arXiv:2006.07159); about 5.8 % of "
    f"the validation labels are wrong ({LABEL_ERRORS})",
    download="by hand, after registration: unpacked into DIR/imagenet/train/CLASS and "
    "DIR/imagenet/val/CLASS",
    source="https://image-net.org; arXiv:1409.0575",
)
SET = RealSet(CARD, find, ("imagenet", "ImageNet"), size=(64, 64))
