"""Small labelled sets, and a look into what a run has saved."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.data import ImageSet


def labelled(num: int = 48, size: tuple[int, int] = (12, 17), classes: int = 3) -> ImageSet:
    """Noise with one label per image."""
    generator = torch.Generator().manual_seed(5)
    images = torch.randint(256, (num, 3, *size), generator=generator, dtype=torch.uint8)
    targets = torch.randint(classes, (num,), generator=generator)
    return ImageSet(images, targets, tuple("abc"[:classes]))


def masks(num: int = 24, size: tuple[int, int] = (18, 23)) -> ImageSet:
    """Noise in which every pixel says what it is."""
    generator = torch.Generator().manual_seed(6)
    images = torch.randint(256, (num, 3, *size), generator=generator, dtype=torch.uint8)
    targets = (images[:, 0] > 127).to(torch.uint8)
    return ImageSet(images, targets, ("dark", "bright"), task="semantic")


def same(a: nn.Module | dict[str, Tensor], b: nn.Module | dict[str, Tensor]) -> bool:
    """Bit for bit."""
    a = a.state_dict() if isinstance(a, nn.Module) else a
    b = b.state_dict() if isinstance(b, nn.Module) else b
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def saved(folder: Path, part: str = "progress") -> dict[str, Any]:
    """What the checkpoint in a run's folder holds of one of its parts."""
    return torch.load(folder / "checkpoint.pt", weights_only=True)["parts"][part]
