"""Fashion-MNIST: the files of MNIST with other pictures."""

from __future__ import annotations

from pathlib import Path

from course_lib.data.cards import Card
from course_lib.data.decode import Items
from course_lib.data.real.base import Archive, RealSet
from course_lib.data.real.mnist import mirrored, read

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def find(folder: Path, split: str, task: str) -> Items | None:
    """Read FashionMNIST/raw/*-ubyte, or image folders; val is as large a share as MNIST's."""
    return read("fashion-mnist", folder, "FashionMNIST/raw", split, CLASSES)


def archives() -> tuple[Archive, ...]:
    """Return four files; addresses and checksums are torchvision's."""
    from torchvision.datasets import FashionMNIST

    return mirrored(FashionMNIST.mirrors, FashionMNIST.resources, "FashionMNIST/raw")


CARD = Card(
    name="fashion-mnist",
    title="Fashion-MNIST",
    purpose="like MNIST, harder",
    tasks=("classification",),
    images="70,000 of 28x28, grey",
    classes="10 kinds of clothing",
    splits="published: 60,000 train, 10,000 test; val = 5,000 of train, drawn once",
    licence="MIT",
    flaws="shirt, T-shirt, pullover and coat overlap at this size, so that even people confuse "
    "them",
    download="31 MB",
    source="https://github.com/zalandoresearch/fashion-mnist; arXiv:1708.07747",
)
SET = RealSet(CARD, find, ("fashion-mnist",), archives=archives, space=0.1e9)
