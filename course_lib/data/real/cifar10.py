"""CIFAR-10, as published or as image folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from course_lib.data.cards import LABEL_ERRORS, Card
from course_lib.data.decode import Items
from course_lib.data.folders import split_folders
from course_lib.data.real.base import Archive, RealSet, damage, from_arrays

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
VAL = 0.1  # of the published training set


def find(folder: Path, split: str, task: str) -> Items | None:
    """Read cifar-10-batches-py/, or image folders."""
    base = folder / "cifar-10-batches-py"
    if base.is_dir():
        from torchvision.datasets import CIFAR10

        with damage(base):
            data = CIFAR10(str(folder), train=split != "test")
        return from_arrays(data.data.transpose(0, 3, 1, 2), data.targets, CLASSES, split, VAL)
    items = split_folders("cifar10", folder, split, CLASSES, 3, VAL)
    if items is not None and items.files()[0].suffix.lower() in (".jpg", ".jpeg"):
        return replace(items, note="JPEG copy of CIFAR-10, not bit-identical to the original")
    return items


def archives() -> tuple[Archive, ...]:
    """Return the one archive; address and checksum are torchvision's."""
    from torchvision.datasets import CIFAR10

    return (Archive((CIFAR10.url,), CIFAR10.filename, CIFAR10.tgz_md5),)


CARD = Card(
    name="cifar10",
    title="CIFAR-10",
    purpose="the first classifier, and the first generated pictures",
    tasks=("classification",),
    images="60,000 of 32x32, colour",
    classes=f"10: {', '.join(CLASSES)}",
    splits="published: 50,000 train, 10,000 test; val = 5,000 of train, drawn once, the same for "
    "everybody",
    licence="none stated; the images come from the web",
    flaws="3.3 % of the test images have a near copy in train (Barz and Denzler 2020, "
    f"arXiv:1902.00423); about 0.5 % of the test labels are wrong ({LABEL_ERRORS}); its parent, 80 "
    "Million Tiny Images, was withdrawn in 2020. Some copies are JPEG: another data set, and "
    "results say so",
    download="170 MB",
    source="https://www.cs.toronto.edu/~kriz/cifar.html; Krizhevsky 2009",
)
SET = RealSet(CARD, find, ("cifar10", "cifar-10"), archives=archives, space=0.4e9)
