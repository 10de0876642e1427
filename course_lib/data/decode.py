"""From the items of a split to tensors of one size, with all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from course_lib.data.images import (
    Array,
    open_image,
    read_labels,
    resize_labels,
    to_pixels,
    turned,
)
from course_lib.data.sets import DataError

UNDECLARED = 254  # stands in a look-up table for "no such label"


def lookup(pairs: dict[int, int]) -> Array:
    """Return a table from the label in a file (0..255) to a class id; all others are undeclared."""
    table = np.full(256, UNDECLARED, dtype=np.uint8)
    for label, class_id in pairs.items():
        table[label] = class_id
    return table


def _pick(values: Any, rows: Sequence[int]) -> Any:
    """Take rows of an array or a list; None stays None."""
    if values is None or isinstance(values, np.ndarray):
        return None if values is None else values[list(rows)]
    return [values[row] for row in rows]


def _chain(parts: Sequence[Any]) -> Any:
    """Join arrays, or lists."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [value for part in parts for value in part]


@dataclass(frozen=True)
class Items:
    """What one split consists of, before anything is decoded.

    Args:
        keys: Name of each item.
        images: Path of each image, or all images as an array (N, C, H, W).
        classes: Names of the classes.
        labels: Classification: class id of each item.
        masks: Other tasks: path of each mask, or all masks as an array (N, H, W).
        table: Semantic task: class id of each label in the mask files, see `lookup`.
        size: (H, W) when nothing is asked for; None: the size of the files, which must be one.
        channels: 1 (grey) or 3 (red, green, blue).
        ignore_index: Label of pixels that do not count.
        note: What results have to say about the images.
    """

    keys: Sequence[str]
    images: Sequence[Path] | Array
    classes: tuple[str, ...]
    labels: Sequence[int] | None = None
    masks: Sequence[Path] | Array | None = None
    table: Array | None = None
    size: tuple[int, int] | None = None
    channels: int = 3
    ignore_index: int | None = None
    note: str = ""

    def __len__(self) -> int:
        return len(self.keys)

    def pick(self, rows: Sequence[int]) -> Items:
        """Return the items in these rows."""
        return replace(
            self,
            keys=[self.keys[row] for row in rows],
            images=_pick(self.images, rows),
            labels=None if self.labels is None else [self.labels[row] for row in rows],
            masks=_pick(self.masks, rows),
        )

    @staticmethod
    def join(parts: Sequence[Items]) -> Items:
        """Return the items of several splits of one set, one after the other."""
        first = parts[0]
        return replace(
            first,
            keys=[key for part in parts for key in part.keys],
            images=_chain([part.images for part in parts]),
            labels=None if first.labels is None else _chain([part.labels for part in parts]),
            masks=None if first.masks is None else _chain([part.masks for part in parts]),
        )

    def files(self) -> list[Path]:
        """Return all files that would be read."""
        parts = (self.images, self.masks)
        return [path for part in parts if isinstance(part, Sequence) for path in part]


def declared(labels: NDArray[Any], table: Array, source: object, classes: Sequence[str]) -> Array:
    """Turn the file's labels into class ids.

    Raises:
        DataError: When a label is not in the table.
    """
    mapped = table[labels] if labels.dtype == np.uint8 else None
    if mapped is None and labels.size and labels.min() >= 0 and labels.max() <= 255:
        mapped = table[labels]
    if mapped is None or (mapped == UNDECLARED).any():
        known = {value for value in range(256) if table[value] != UNDECLARED}
        strange = sorted(set(np.unique(labels).tolist()) - known)
        raise DataError(
            f"{source}: label {', '.join(map(str, strange[:5]))} is not declared. Declared are "
            f"{_ranges(sorted(known))} for the classes {', '.join(classes)}. Correct the mask."
        )
    return mapped


def _ranges(numbers: Sequence[int]) -> str:
    """Write 0, 1, 2, 3, 255 as 0-3, 255."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)


def read_item(items: Items, row: int, size: tuple[int, int] | None) -> tuple[Array, NDArray[Any]]:
    """Read item number `row`: the image (C, H, W), and the mask (H, W) or the class id ().

    Raises:
        DataError: When a file cannot be read, or image and mask have different sizes.
    """
    source: Any = items.keys[row]
    if isinstance(items.images, np.ndarray):
        stored = items.images[row]
        if items.masks is None and size in (None, stored.shape[1:]):
            return stored, np.asarray(_label(items, row))
        image = Image.fromarray(stored[0] if len(stored) == 1 else stored.transpose(1, 2, 0))
    else:
        source = items.images[row]
        image = open_image(source)
    turn = image.info.get("turn")
    image = image if turn is None else image.transpose(turn)
    pixels = to_pixels(image, items.channels, size, source)
    if items.masks is None:
        return pixels, np.asarray(_label(items, row))
    if isinstance(items.masks, np.ndarray):
        mask_source, labels = f"mask of {source}", items.masks[row]
    else:
        mask_source, labels = str(items.masks[row]), read_labels(items.masks[row])
    if turn is not None and labels.shape == image.size != labels.T.shape:
        labels = turned(labels, turn)  # it was drawn on the pixels as they are stored
    if image.size != (labels.shape[1], labels.shape[0]):
        raise DataError(
            f"{source} is {image.size[1]}x{image.size[0]} and its mask {mask_source} "
            f"{labels.shape[0]}x{labels.shape[1]} (height x width). They must have the same size."
        )
    if items.table is not None:
        labels = declared(labels, items.table, mask_source, items.classes)
    return pixels, resize_labels(labels, size or (labels.shape[0], labels.shape[1]))


def _label(items: Items, row: int) -> int:
    if items.labels is None:
        raise DataError(f"{items.keys[row]} has neither a label nor a mask.")
    return items.labels[row]


def progress(
    title: str, total: int | None, unit: str, *, initial: int = 0, delay: float = 0
) -> Any:
    """Return a progress bar; COURSE_PROGRESS=0 turns all of them off.

    Args:
        title: in front of the bar.
        total: how much there is to do, if known.
        unit: of it; bytes ("B") get prefixes such as M.
        initial: what is done already.
        delay: seconds before the bar is drawn, so that short work draws none.
    """
    from tqdm.auto import tqdm

    return tqdm(
        desc=title,
        total=total,
        unit=unit,
        unit_scale=unit == "B",
        initial=initial,
        delay=delay,
        leave=False,
        disable=os.environ.get("COURSE_PROGRESS") == "0",
    )


def run_pool(work: Callable[[int], None], count: int, title: str) -> None:
    """Do `work(0)`, …, `work(count - 1)` in threads, with a progress bar when it takes long.

    Decoding and resizing release Python's lock, so threads use all cores and need no copying. The
    first error ends the work.
    """
    workers = min(32, (os.cpu_count() or 1) + 2)
    with (
        ThreadPoolExecutor(workers) as pool,
        progress(title, count, "image", delay=2) as bar,
    ):
        futures = [
            pool.submit(_chunk, work, first, min(first + 64, count))
            for first in range(0, count, 64)
        ]
        try:
            for future in futures:
                bar.update(future.result())
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _chunk(work: Callable[[int], None], first: int, last: int) -> int:
    for row in range(first, last):
        work(row)
    return last - first


def decode(items: Items, size: tuple[int, int] | None, title: str) -> tuple[Tensor, Tensor]:
    """Read all items: images (N, C, H, W) uint8, and targets.

    Raises:
        DataError: When a file cannot be read, or sizes differ and no size was asked for.
    """
    size = size or items.size
    first_image, first_target = read_item(items, 0, size)
    images = torch.empty((len(items), *first_image.shape), dtype=torch.uint8)
    if items.masks is None:
        dtype = torch.int64
    else:
        dtype = torch.uint8 if items.table is not None else torch.int32
    targets = torch.empty((len(items), *first_target.shape), dtype=dtype)
    into_images, into_targets = images.numpy(), targets.numpy()
    stored = items.images if isinstance(items.images, np.ndarray) else None
    if stored is not None and items.masks is None and stored.shape[1:] == first_image.shape:
        into_images[:] = stored
        into_targets[:] = np.asarray(items.labels)
        return images, targets

    def work(row: int) -> None:
        image, target = read_item(items, row, size)
        if image.shape != first_image.shape:
            raise DataError(
                f"{items.keys[row]} is {image.shape[1]}x{image.shape[2]}, {items.keys[0]} is "
                f"{first_image.shape[1]}x{first_image.shape[2]} (height x width). Images of "
                f"different sizes need size=, for example size=128."
            )
        into_images[row], into_targets[row] = image, target

    run_pool(work, len(items), title)
    return images, targets


def instance_parts(ids: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Number the instances of each image 1, 2, …: ids (N, H, W) int16, boxes and labels.

    A box holds the pixels of its instance tightly: (x1, y1) is the first pixel's corner, (x2, y2)
    the corner after the last pixel. All labels are 1; background has none.
    """
    numbered = torch.empty(ids.shape, dtype=torch.int16)
    boxes: list[Tensor] = []
    for row, plane in enumerate(ids.numpy()):
        present = np.unique(plane)
        present = present[present != 0]
        place = np.searchsorted(present, plane)
        numbered[row] = torch.from_numpy(np.where(plane == 0, 0, place + 1).astype(np.int16))
        found = []
        for instance in present:
            rows, columns = np.nonzero(plane == instance)
            found.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        boxes.append(torch.tensor(np.array(found), dtype=torch.float32).reshape(-1, 4))
    labels = [torch.ones(len(found), dtype=torch.int64) for found in boxes]
    return numbered, boxes, labels
