"""Checking that a data set is whole."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

from course_lib.data import real
from course_lib.data.decode import Items, read_item, run_pool
from course_lib.data.folders import EmptySplit
from course_lib.data.names import check
from course_lib.data.scenes import SCENES
from course_lib.data.sets import SPLITS, DataError


def verify(name: str, root: str | Path | None = None) -> list[str]:
    """Read every image and mask of a data set, and compare its splits.

    Args:
        name: Name of a data set.
        root: As in `load`.

    Returns:
        What is wrong, one sentence each; empty when all is well.
    """
    task = check(name, "train", None)
    if name in SCENES:
        return []
    problems: list[str] = []
    found: dict[str, Items] = {}
    for split in SPLITS:
        try:
            folder, found[split] = real.locate(name, split, task, root)
        except EmptySplit as error:
            problems.append(str(error))
        except DataError as error:
            problems.append(str(error))
            break
    for split, items in found.items():
        problems += _unreadable(items, f"{name} {split}")
    problems += _shared(found)
    find_absent = real.SETS[name].absent
    if found and find_absent is not None and (gone := find_absent(folder)):
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        problems.append(f"{gone[0]} is listed but missing{more}.")
    return sorted(set(problems))


def _unreadable(items: Items, title: str) -> list[str]:
    problems: list[str] = []
    lock = threading.Lock()

    def work(row: int) -> None:
        try:
            read_item(items, row, None)
        except DataError as error:
            with lock:
                problems.append(str(error))

    run_pool(work, len(items), title)
    return problems


def _shared(found: dict[str, Items]) -> list[str]:
    """Return which splits have images in common: who is tested on them has seen the answers."""
    problems = []
    images = {
        split: {str(path) for path in items.images if isinstance(path, Path)}
        for split, items in found.items()
    }
    for one, two in itertools.combinations(images, 2):
        both = len(images[one] & images[two])
        if both:
            problems.append(
                f"{two} and {one} share {both} of {len(images[two])} images: a score on {two} "
                f"would be one on images that were trained on. Correct the lists."
            )
    return problems
