"""Data in image folders, and fixed splits.

    classification   DIR/train/CLASS/*.png   DIR/test/CLASS/*.png   (DIR/val/CLASS/*.png)
    semantic         DIR/images/*  DIR/masks/*                      all of it is the split "test"
                     DIR/train/images/*  DIR/train/masks/*  ...     with splits

A mask is a grey or palette image with the name of its image (a.jpg and a.png, or a_mask.png); its
values are class ids, 255 = ignore.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from course_lib.data.decode import Items, lookup
from course_lib.data.sets import IGNORE, SPLITS, DataError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}


class EmptySplit(DataError):
    """The data set is there, but not this part of it."""


def empty(name: str, split: str, folder: Path, why: str = "") -> EmptySplit:
    """Return the error for a split without images."""
    return EmptySplit(
        f"{name}: the split {split!r} in {folder} has no images. "
        + (why or "Check the folder, or choose another split.")
    )


# Files


def natural(name: str) -> tuple[object, ...]:
    """Sort key under which 2.png comes before 10.png."""
    parts = re.split(r"([0-9]+)", name)  # text and numbers take turns, so keys compare
    parts[1::2] = map(int, parts[1::2])
    return (*parts, name)


def image_files(folder: Path) -> list[Path]:
    """Return the images in a folder in natural order; hidden files do not count."""
    if not folder.is_dir():
        raise DataError(f"{folder} is missing. Wanted a folder of images there.")
    names = [
        name
        for name in os.listdir(folder)
        if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")
    ]
    return [folder / name for name in sorted(names, key=natural)]


def by_stem(images: Sequence[Path]) -> dict[str, Path]:
    """Return the images under their names without suffix.

    Raises:
        DataError: When two have the same name: which of them a mask or a list means is unknown.
    """
    found: dict[str, Path] = {}
    for path in images:
        if path.stem in found:
            raise DataError(
                f"{found[path.stem]} and {path.name} have the same name but for the suffix, so a "
                f"mask or a list could mean either. Rename or remove one."
            )
        found[path.stem] = path
    return found


def masks_for(images: Sequence[Path], folder: Path) -> list[Path]:
    """Return the mask of every image: the file with its name, or NAME_mask, NAME_label.

    Raises:
        DataError: When an image has no mask, or two, or shares one with another image.
    """
    named: dict[str, list[Path]] = {}
    for path in image_files(folder):
        for stem in {path.stem, re.sub(r"[_-](mask|label|labels)$", "", path.stem)}:
            named.setdefault(stem, []).append(path)
    missing, owner = [], dict[Path, Path]()
    for stem, image in by_stem(images).items():
        masks = named.get(stem, [])
        if len(masks) > 1:
            raise DataError(
                f"{folder}: {masks[0].name} and {masks[1].name} are both named as the mask of "
                f"{image.name}. Remove one."
            )
        if masks and owner.setdefault(masks[0], image) != image:
            raise DataError(
                f"{image} and {owner[masks[0]].name} share the mask {masks[0].name}. One mask "
                f"belongs to one image: remove what is no image of its own."
            )
        if not masks:
            missing.append(image.name)
    if missing:
        raise DataError(
            f"{folder}: no mask for {missing[0]}"
            + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
            + ". A mask has the name of its image, for example a.png for a.jpg."
        )
    return list(owner)


def listed(path: Path) -> list[str]:
    """Return the first word of each line of a split list, wherever the list was saved.

    Programs on Windows put a mark before the first line, which must not become part of its name.
    """
    content = path.read_bytes()
    wide = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    lines = content.decode("utf-16" if wide else "utf-8-sig", "surrogateescape").splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


# Splits


def name_rank(name: str) -> float:
    """Return a number in [0, 1) that depends on the name only.

    A draw by this number is the same whatever else is in the folder.
    """
    return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:6], "big") / 2**48


def permutation(count: int, seed: int) -> list[int]:
    """Return a fixed permutation; NumPy promises that this generator's numbers never change."""
    order: list[int] = np.random.RandomState(seed).permutation(count).tolist()
    return order


def mixed(items: Items) -> Items:
    """Return the items in a fixed random order, so that the first `num` hold all classes."""
    return items.pick(permutation(len(items), 1))


def held_out(items: Items, split: str, fraction: float) -> Items:
    """Return train or val of a published training set; val is a fixed random draw."""
    order = permutation(len(items), 0)
    num_val = round(len(items) * fraction) or int(len(items) > 1)
    return items.pick(order[:num_val] if split == "val" else order[num_val:])


# Folders of classes


def plain(name: str) -> str:
    """Return a class name as it may be written in a folder's name."""
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def class_folders(folder: Path, classes: Sequence[str] | None, channels: int) -> Items:
    """Read DIR/CLASS/*; a folder's name is a declared class's name or number.

    The order is by class, then by number, whatever the names look like.
    """
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    if not folders:
        raise DataError(f"{folder} is empty: wanted one folder of images per class.")
    names = tuple(classes) if classes else tuple(path.name for path in folders)
    numbers = {plain(name): number for number, name in enumerate(names)}
    if classes:
        numbers |= {str(number): number for number in range(len(names))}
    found = []
    for path in folders:
        if plain(path.name) not in numbers:
            raise DataError(
                f"{path}: {path.name!r} is no class of this data set; its classes are "
                f"{', '.join(names)}. Rename or remove the folder."
            )
        found.append((numbers[plain(path.name)], path))
    images, labels, keys = [], [], []
    for number, path in sorted(found):
        for file in image_files(path):
            images.append(file)
            labels.append(number)
            keys.append(f"{path.name}/{file.stem}")
    if not images:
        raise DataError(f"{folder} is empty: its class folders hold no images.")
    return Items(keys, images, names, labels, channels=channels)


def split_folders(
    name: str, folder: Path, split: str, classes: Sequence[str] | None, channels: int, val: float
) -> Items | None:
    """Read DIR/SPLIT/CLASS/*; without a folder val, the share `val` of train is held out."""
    if not any((folder / part).is_dir() for part in SPLITS):
        return None
    if (folder / "val").is_dir() or split == "test":
        if not (folder / split).is_dir():
            raise empty(name, split, folder, f"There is no folder {folder / split}.")
        return mixed(class_folders(folder / split, classes, channels))
    if not (folder / "train").is_dir():
        raise empty(name, split, folder, f"There is no folder {folder / 'train'}.")
    items = held_out(class_folders(folder / "train", classes, channels), split, val)
    if not len(items):
        raise empty(name, split, folder, "One image cannot be split into train and val.")
    return items


# Folders of images and masks


def has_masks(folder: Path) -> bool:
    """Whether a folder is laid out as images/ and masks/, with or without splits."""
    return any((folder / part / "masks").is_dir() for part in ("", *SPLITS))


def mask_folders(
    name: str, folder: Path, split: str, classes: Sequence[str], channels: int
) -> Items:
    """Read a semantic set that somebody laid out as images/ and masks/, with or without splits."""
    where = folder / split
    if not (where / "masks").is_dir():
        where = folder
        if not (where / "masks").is_dir():
            raise empty(name, split, folder, f"There is no folder {folder / split / 'masks'}.")
        if split != "test":
            raise empty(
                name,
                split,
                folder,
                'A folder with images/ and masks/ is one split, "test". To train on it, lay it out '
                "as train/images, train/masks, val/images, val/masks.",
            )
    images = image_files(where / "images")
    if not images:
        raise DataError(f"{where / 'images'} is empty: wanted images there.")
    return Items(
        [path.stem for path in images],
        images,
        tuple(classes),
        masks=masks_for(images, where / "masks"),
        table=lookup({number: number for number in range(len(classes))} | {IGNORE: IGNORE}),
        channels=channels,
        ignore_index=IGNORE,
    )
