"""Real data sets: one file for each, the table of them, and where they are looked for.

Every set can be read in the layout in which it is published (which is what torchvision downloads),
and as image folders, see `course_lib.data.folders`. Splits are fixed; they follow from the items'
names and numbers, so they are the same on every machine.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from course_lib.data import folders
from course_lib.data.cache import cache_dir
from course_lib.data.decode import Items
from course_lib.data.real import (
    cifar10,
    cityscapes,
    fashion_mnist,
    imagenet,
    membrane,
    mnist,
    penn_fudan,
    pets,
    voc,
)
from course_lib.data.real.base import RealSet
from course_lib.data.sets import SPLITS, DataError

SETS: dict[str, RealSet] = {
    "cifar10": cifar10.SET,
    "mnist": mnist.SET,
    "fashion-mnist": fashion_mnist.SET,
    "pets": pets.SET,
    "penn-fudan": penn_fudan.SET,
    "membrane": membrane.SET,
    "voc": voc.SET,
    "cityscapes": cityscapes.SET,
    "imagenet": imagenet.SET,
}


def roots(root: str | Path | None) -> list[Path]:
    """Return the folders in which data sets are looked for, in this order.

    `root` alone if it is given; otherwise the environment variable COURSE_DATA, then the folder
    into which `course data fetch` downloads.
    """
    if root is not None:
        folder = Path(os.path.expanduser(root))
        if not os.path.isdir(folder):
            raise DataError(f"root={str(root)!r}: there is no such folder.")
        return [folder]
    named = os.environ.get("COURSE_DATA")
    first = [Path(os.path.expanduser(named))] if named else []
    return [*first, cache_dir() / "downloads"]


def find(name: str, split: str, task: str, root: str | Path | None) -> Items:
    """Find a split of a real data set.

    Args:
        name: A key of `SETS`.
        split: "train", "val", "test", or "all" for everything that is there.
        task: One of the set's tasks.
        root: The set's own folder, or the folder above it; None: see `roots`.

    Raises:
        DataError: When no folder holds it, or what is there is damaged or cannot be read.
    """
    if split == "all":
        parts = []
        for part in SPLITS:
            try:
                parts.append(find(name, part, task, root))
            except folders.EmptySplit as error:
                reason = error
        if not parts:
            raise reason
        return Items.join(parts)
    return locate(name, split, task, root)[1]


def locate(name: str, split: str, task: str, root: str | Path | None) -> tuple[Path, Items]:
    """Find the folder of a real data set, and one of its splits; see `find`."""
    real, places = SETS[name], roots(root)
    for place in places:
        for folder in (*(place / part for part in real.folders), place):
            # A shared folder of data sets may itself look like one of them: it is taken for one
            # only if it was named for that purpose.
            items = _find_in(real, folder, split, task, trust=root is not None or folder != place)
            if items is not None:
                if not len(items):
                    raise folders.empty(name, split, folder)
                return folder, replace(items, size=items.size or real.size)
    looked = " or ".join(str(place) for place in places)
    raise DataError(
        f"{name} is not in {looked}. Wanted {' or '.join(real.folders)} there, laid out as "
        f"published or as image folders. Fetch it with `course data fetch {name}`, or set "
        f"COURSE_DATA (or root=) to the folder that holds it."
    )


def _find_in(real: RealSet, folder: Path, split: str, task: str, *, trust: bool) -> Items | None:
    try:
        if not folder.is_dir():
            return None
        items = real.find(folder, split, task)
        if items is None and trust and task == "semantic" and folders.has_masks(folder):
            name = real.card.name
            return folders.mask_folders(name, folder, split, real.classes, real.channels)
    except OSError as error:
        if trust:
            raise DataError(f"{folder} cannot be read ({error.strerror or error}).") from None
        return None
    except DataError:
        if trust:
            raise
        return None
    return items
