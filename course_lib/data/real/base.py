"""What describes one real data set, and what several of their files share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from course_lib.data.cards import Card
from course_lib.data.decode import Items
from course_lib.data.folders import held_out, mixed
from course_lib.data.images import Array
from course_lib.data.sets import DataError


@dataclass(frozen=True)
class Archive:
    """One file to download.

    Args:
        urls: Addresses that hold the same file, best first; empty: it cannot be downloaded.
        file: Its name.
        md5: Checksum, as torchvision knows it; None: the archive's own checksums are relied upon.
        into: Folder, below the set's own, into which it is unpacked.
    """

    urls: tuple[str, ...]
    file: str
    md5: str | None
    into: str = "."


@dataclass(frozen=True)
class RealSet:
    """How to get and to read one real data set.

    Args:
        card: Its name, its tasks and all that is to be known about it.
        find: Takes a folder, a split and a task; returns the split's items, or None when the folder
            does not hold the set.
        folders: Names under which the set lies below a root; it is downloaded to the first.
        classes: Semantic sets: names of the classes in an images/ and masks/ folder.
        size: (H, W) where the files have many sizes and none is asked for.
        channels: Of an images/ and masks/ folder.
        archives: Returns what is to be downloaded (a function, for torchvision knows most of it,
            and takes a second to import); None: the set has to be got by hand.
        space: Bytes for archives and unpacked files together.
        inner: Folder that the archive has around everything.
        absent: Takes the set's folder; returns the images that a list names and that are not there.
    """

    card: Card
    find: Callable[[Path, str, str], Items | None]
    folders: tuple[str, ...]
    classes: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    channels: int = 3
    archives: Callable[[], tuple[Archive, ...]] | None = None
    space: float = 0
    inner: str = "."
    absent: Callable[[Path], list[Path]] | None = None


def from_arrays(
    images: Array, labels: Sequence[int], classes: Sequence[str], split: str, val: float
) -> Items:
    """Return a split of arrays, in the order that image folders have: by class, then by number.

    Args:
        images: (N, C, H, W) uint8, of the published train or test set.
        labels: Class id of each image.
        classes: Names of the classes.
        split: "train", "val" or "test".
        val: Share of the published training set that is held out.
    """
    order = np.argsort(np.asarray(labels), kind="stable")
    keys = [str(number) for number in order.tolist()]
    ordered = [int(labels[number]) for number in order]
    items = Items(keys, images[order], tuple(classes), ordered, channels=images.shape[1])
    return mixed(items) if split == "test" else held_out(items, split, val)


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn what torchvision raises on damaged data into one clear error."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"{path} is damaged or not whole ({type(error).__name__}: {error}). Remove it and "
            f"fetch the data set again."
        ) from error
