"""The facts about one data set: what it is for, what is wrong with it, and who may use it."""

from __future__ import annotations

from dataclasses import dataclass

LABEL_ERRORS = "Northcutt et al. 2021 (arXiv:2103.14749)"  # who counted wrong labels in test sets


@dataclass(frozen=True)
class Card:
    """Facts about one data set.

    Args:
        name: As in `load`.
        title: As its authors call it.
        purpose: What this course uses it for.
        tasks: Tasks, the default first.
        images: Number and size of the images.
        classes: Number of classes, and which.
        splits: Where train, val and test come from.
        licence: Who may use it.
        flaws: What to keep in mind when reading a result on it.
        download: What `course data fetch` downloads, or how else to get it.
        source: Page and paper.
    """

    name: str
    title: str
    purpose: str
    tasks: tuple[str, ...]
    images: str
    classes: str
    splits: str
    licence: str
    flaws: str
    download: str
    source: str
