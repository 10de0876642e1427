"""MNIST, as published or as image folders; the readers serve Fashion-MNIST too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from course_lib.data.cards import LABEL_ERRORS, Card
from course_lib.data.decode import Items
from course_lib.data.folders import split_folders
from course_lib.data.real.base import Archive, RealSet, damage, from_arrays
from course_lib.data.sets import DataError

CLASSES = tuple("0123456789")
VAL = 5000 / 60000  # of the published training set


def find(folder: Path, split: str, task: str) -> Items | None:
    """Read MNIST/raw/*-ubyte, or image folders."""
    return read("mnist", folder, "MNIST/raw", split, CLASSES)


def read(name: str, folder: Path, raw: str, split: str, classes: Sequence[str]) -> Items | None:
    """Read the files *-ubyte in a folder `raw`, or image folders."""
    if not (folder / raw).is_dir():
        return split_folders(name, folder, split, classes, 1, VAL)
    from torchvision.datasets.mnist import read_image_file, read_label_file

    part = "t10k" if split == "test" else "train"
    images, labels = (
        folder / raw / f"{part}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")
    )
    for path in (images, labels):
        if not path.is_file():
            raise DataError(f"{path} is missing: {name} is not whole. Fetch it again.")
    with damage(folder / raw):
        pixels, numbers = read_image_file(str(images)), read_label_file(str(labels))
    if len(pixels) != len(numbers):
        raise DataError(f"{folder / raw}: {len(pixels)} images but {len(numbers)} labels.")
    return from_arrays(pixels.numpy()[:, None], numbers.tolist(), classes, split, VAL)


def archives() -> tuple[Archive, ...]:
    """Return four files, each on several mirrors; addresses and checksums are torchvision's."""
    from torchvision.datasets import MNIST

    return mirrored(MNIST.mirrors, MNIST.resources, "MNIST/raw")


def mirrored(
    mirrors: Sequence[str], resources: Sequence[tuple[str, str]], into: str
) -> tuple[Archive, ...]:
    """Return the archives that torchvision lists as files and checksums, on all mirrors."""
    return tuple(
        Archive(tuple(mirror + file for mirror in mirrors), file, md5, into)
        for file, md5 in resources
    )


CARD = Card(
    name="mnist",
    title="MNIST",
    purpose="quick experiments with generation and codes",
    tasks=("classification",),
    images="70,000 of 28x28, grey",
    classes="10 digits",
    splits="published: 60,000 train, 10,000 test; val = 5,000 of train, drawn once",
    licence="CC BY-SA 3.0, according to the documentation of Keras",
    flaws="too easy to tell good classifiers apart; 0.15 % of the test labels are wrong "
    f"({LABEL_ERRORS})",
    download="12 MB",
    source="LeCun, Cortes and Burges; Proc. IEEE 86(11), 1998",
)
SET = RealSet(CARD, find, ("mnist",), archives=archives, space=0.1e9)
