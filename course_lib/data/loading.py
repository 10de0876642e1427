"""One call for every data set: `load(name, split)`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_lib.data import cache as disk
from course_lib.data import folders, real
from course_lib.data.decode import Items, decode, instance_parts
from course_lib.data.download import fetch
from course_lib.data.names import check
from course_lib.data.scenes import SCENES
from course_lib.data.sets import SPLITS, DataError, ImageSet
from course_lib.data.workers import StreamedSet, memory_free, memory_needed

SCENES_FOLDER = Path(__file__).parent / "scenes"
# Scenes are numbered without end; each split draws from its own range of numbers.
SCENE_START = {"train": 0, "val": 100_000_000, "test": 200_000_000}
SCENE_COUNT = {"train": 2000, "val": 250, "test": 500}
MOST_SCENES = 100_000_000  # of a split: beyond it begins the next
MOST_PIXELS = 100_000_000  # of one image


def load(
    name: str,
    split: str = "train",
    *,
    size: int | tuple[int, int] | None = None,
    task: str | None = None,
    root: str | Path | None = None,
    num: int | None = None,
    seed: int = 0,
    condition: str | None = None,
    download: bool = False,
    device: torch.device | str | None = None,
    cache: bool = True,
    in_memory: bool | None = None,
) -> ImageSet:
    """Load a split of a data set.

    Args:
        name: One of `NAMES`.
        split: "train", "val" or "test", fixed for every set; "all" takes whatever is there, for
            data that the course has never seen.
        size: Height and width; images are resized with antialiasing, masks to the nearest pixel.
        task: "classification", "semantic" or "instance"; None: the set's first.
        root: Folder that holds the set, or folders named after sets; None: COURSE_DATA, then the
            download folder.
        num: Take the first `num` items; for scenes: draw so many.
        seed: Scenes: another seed gives other scenes.
        condition: Scenes: for example "day", "dusk", "fog" or "night" for streets.
        download: Fetch the set first where it is not there.
        device: Where batches are to be made; None: the main memory. The set itself moves there if
            it takes at most half of the free memory.
        cache: Keep decoded tensors on disk.
        in_memory: True: decode everything now. False: return a `StreamedSet`, which reads from disk
            while the model trains. None: decide by the free memory.

    Returns:
        The set. Scenes that are read from a `root` come from images/ and masks/ there.

    Raises:
        DataError: When something is wrong with the name, the folder or the files.
    """
    task = check(name, split, task)
    shape = size_of(size)
    if num is not None and num < 1:
        raise DataError(f"num={num}: wanted at least 1 item.")
    if name in SCENES and root is None:
        return _scenes(name, split, task, shape, num, seed, condition, cache).to(device)
    if condition is not None:
        raise DataError(f"condition={condition!r}: only drawn scenes have conditions.")
    if download and not available(name, root):
        fetch(name, root)
    reader = _scene_folder if name in SCENES else real.find
    items = reader(name, split, task, root)
    if num is not None:
        items = items.pick(range(min(num, len(items))))
    if in_memory is None:
        in_memory = memory_needed(items, shape) <= memory_free() // 2
    if not in_memory:
        return StreamedSet(items, shape, name=name, split=split, task=task, device=device)
    return _decoded(name, split, task, shape, items, cache).to(device)


def available(name: str, root: str | Path | None = None) -> bool:
    """Whether `load` can read the set, or at least a part of it, without downloading anything.

    A folder that is damaged, or that may not be read, does not count.

    Raises:
        DataError: For a name that no set has.
    """
    task = check(name, "test", None)
    if name in SCENES:
        return True
    for split in ("test", "train"):
        try:
            real.find(name, split, task, root)
        except DataError:
            continue
        return True
    return False


def size_of(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """Return (H, W); one number means a square."""
    if size is None:
        return None
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or not all(isinstance(side, int) and side > 0 for side in pair):
        raise DataError(f"size={size!r}: wanted a number of pixels, or (height, width).")
    if pair[0] * pair[1] > MOST_PIXELS:
        raise DataError(f"size={size!r}: an image has at most {MOST_PIXELS:,} pixels here.")
    return pair[0], pair[1]


# From files


def _decoded(
    name: str, split: str, task: str, size: tuple[int, int] | None, items: Items, keep: bool
) -> ImageSet:
    def make() -> tuple[dict[str, Tensor], dict[str, Any]]:
        images, targets = decode(items, size, f"{name} {split}")
        tensors = {"images": images, "targets": targets}
        if task == "instance":
            tensors["targets"], boxes, labels = instance_parts(targets)
            tensors |= _packed(boxes, labels)
        return tensors, {}

    files = items.files()
    if keep and files:
        table = None if items.table is None else items.table.tobytes()
        key = disk.content_key(
            disk.files_key(files), task, size or items.size, items.labels, table, items.channels
        )
        tensors, _ = disk.remember(f"{name}-{split}", key, make)
    else:
        tensors, _ = make()
    boxes, labels = _unpacked(tensors)
    return ImageSet(
        tensors["images"],
        tensors["targets"],
        items.classes,
        name=name,
        split=split,
        task=task,
        ignore_index=items.ignore_index,
        boxes=boxes,
        labels=labels,
        note=items.note,
        keys=tuple(items.keys),
    )


def _packed(boxes: list[Tensor], labels: list[Tensor]) -> dict[str, Tensor]:
    flat, counts = disk.pack(boxes)
    return {"boxes": flat, "labels": disk.pack(labels)[0], "counts": counts}


def _unpacked(tensors: dict[str, Tensor]) -> tuple[list[Tensor] | None, list[Tensor] | None]:
    if "boxes" not in tensors:
        return None, None
    counts = tensors["counts"]
    return disk.unpack(tensors["boxes"], counts), disk.unpack(tensors["labels"], counts)


# Drawn scenes


def _scenes(
    name: str,
    split: str,
    task: str,
    size: tuple[int, int] | None,
    num: int | None,
    seed: int,
    condition: str | None,
    keep: bool,
) -> ImageSet:
    if split == "all":
        raise DataError(f"Scenes are without end: choose one of {', '.join(SPLITS)}.")
    scene, count = SCENES[name], num or SCENE_COUNT[split]
    if count > MOST_SCENES:
        raise DataError(f"num={count}: {split} has {MOST_SCENES:,} scenes. Take fewer.")
    options: dict[str, Any] = {"seed": seed, "start": SCENE_START[split]}
    options |= {} if size is None else {"size": size}
    options |= {} if condition is None else {"condition": condition}

    def make() -> tuple[dict[str, Tensor], dict[str, Any]]:
        try:
            scenes = scene.draw(count, **options)
        except ValueError as error:
            raise DataError(str(error)) from None
        tensors, classes = {"images": scenes.images}, scenes.classes
        if task == "semantic":
            tensors["targets"] = scenes.semantic
        elif task == "instance":
            tensors["targets"] = scenes.instances
            tensors |= _packed(scenes.boxes, scenes.labels)
        else:
            tensors["targets"] = scenes.factors["class"].to(torch.int64)
            classes = scene.object_classes
        return tensors, {"classes": classes}

    if keep:
        key = disk.content_key(name, count, sorted(options.items()), task, scenes_source())
        tensors, notes = disk.remember(f"{name}-{split}", key, make)
    else:
        tensors, notes = make()
    boxes, labels = _unpacked(tensors)
    return ImageSet(
        tensors["images"],
        tensors["targets"],
        tuple(notes["classes"]),
        name=name,
        split=split,
        task=task,
        boxes=boxes,
        labels=labels,
    )


def scenes_source() -> list[tuple[str, bytes]]:
    """Return name and content of every file that scenes are drawn with: all of `scenes/`.

    A change to one kind of scene draws the others anew too, which takes seconds; a file that is
    left out would leave old pictures under a new name.
    """
    paths = sorted(SCENES_FOLDER.rglob("*.py"))
    return [(path.relative_to(SCENES_FOLDER).as_posix(), path.read_bytes()) for path in paths]


def _scene_folder(name: str, split: str, task: str, root: str | Path | None) -> Items:
    """Read images and masks with the classes of a scene."""
    if task != "semantic":
        raise DataError(f"{name} from a folder has the task semantic only, not {task}.")
    place = real.roots(root)[0]
    for folder in (place / name, place):
        if folder.is_dir() and folders.has_masks(folder):
            scene = SCENES[name]
            return folders.mask_folders(name, folder, split, scene.pixel_classes, scene.channels)
    raise DataError(
        f"{place} has no folders images/ and masks/, so {name} cannot be read from there."
    )
