"""Check of the exercise `smallest_net`: the fewest parameters that segment small streets."""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib.checks.kinds import Design
from course_lib.data import ImageSet, load, to_float
from course_lib.metrics import confusion_matrix, mean_iou
from course_lib.models import UNet

SIZE, CLASSES = (32, 48), 10
BAR = 0.38  # mean IoU on validation scenes
BUDGET = 10_000_000  # multiply-adds for one image
STEPS, BATCH, LR = 200, 16, 2e-2
GOOD, BETTER, BEST = (
    30_000,
    8_000,
    3_500,
)  # parameters; the solution has 2,650, and fewer than 1,000 are possible


class Tried(NamedTuple):
    """What came of a network."""

    parameters: int
    mean_iou: float


class _Separable(nn.Sequential):
    """A 3x3 kernel for each channel, its taps `rate` pixels apart, then a 1x1 convolution."""

    def __init__(self, channels: int, rate: int) -> None:
        super().__init__(
            nn.Conv2d(
                channels, channels, 3, padding=rate, dilation=rate, groups=channels, bias=False
            ),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )


class _Placed(nn.Module):
    """Add two channels: how low a pixel lies, and how far from the middle."""

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 5, H, W)."""
        height, width = images.shape[2:]
        low = torch.linspace(-1, 1, height)[:, None].expand(height, width)
        aside = torch.linspace(-1, 1, width).abs().expand(height, width)
        place = torch.stack([low, aside]).expand(len(images), -1, -1, -1)
        return torch.cat([images, place], dim=1)


def reference() -> nn.Module:
    """Return a network without levels: separable kernels with holes, told where a pixel lies."""
    channels = 16
    return nn.Sequential(
        _Placed(),
        nn.Conv2d(5, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        *(_Separable(channels, rate) for rate in (1, 2, 4, 1)),
        nn.Conv2d(channels, CLASSES, 1),
    )


def _check(net: Any) -> tuple[int, int]:
    """Return parameters and multiply-adds; AssertionError for what cannot be tried."""
    assert isinstance(net, nn.Module), (
        f"you return a {type(net).__name__}, wanted a network, an nn.Module that is made already"
    )
    parameters = sum(p.numel() for p in net.parameters())
    assert parameters < 10_000_000, f"{parameters:,} parameters: this is not even tried"
    net.train()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        out = net(torch.zeros(2, 3, *SIZE))
    wanted = (2, CLASSES, *SIZE)
    shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
    assert shape == wanted, f"for images {(2, 3, *SIZE)} it gives {shape}, wanted logits {wanted}"
    return parameters, counter.get_total_flops() // 4  # two images; products and sums


@cache
def _scenes(split: str, num: int) -> tuple[Tensor, Tensor]:
    scenes: ImageSet = load("streets", split, size=SIZE, num=num, seed=0)
    return to_float(scenes.images), scenes.targets.long()


def trial(net: Any) -> Tried:
    """Train a network, always in the same way, and score it on validation scenes."""
    parameters, work = _check(net)
    assert work <= BUDGET, (
        f"{work:,} multiply-adds for one image are over the budget of {BUDGET:,}: it is not trained"
    )
    assert parameters, "nothing to train: it has no parameters"
    images, masks = _scenes("train", 300)
    optimiser = torch.optim.Adam(net.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LR, total_steps=STEPS)
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        chosen = torch.randint(len(images), (BATCH,), generator=generator)
        loss = F.cross_entropy(net(images[chosen]), masks[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    images, masks = _scenes("val", 100)
    net.eval()
    with torch.no_grad():
        labels = net(images).argmax(dim=1)
    return Tried(parameters, float(mean_iou(confusion_matrix(labels, masks, CLASSES))))


def _size(student: Any, arguments: tuple) -> tuple[int, int]:
    """What tells two designs apart without training."""
    return _check(student())


smallest_net = Design(
    "smallest_net",
    lab="unet",
    level="stretch",
    minutes=40,
    reference=reference,
    trial=trial,
    probe=_size,
    seconds=180.0,
)


@smallest_net.meets(f"mean IoU of at least {BAR}, within the budget of work", points=2)
def _bar(tried: Tried) -> None:
    assert tried.mean_iou >= BAR, (
        f"mean IoU {tried.mean_iou:.3f} with {tried.parameters:,} parameters; wanted {BAR}"
    )


def _few(limit: int, tried: Tried) -> None:
    _bar(tried)
    assert tried.parameters <= limit, (
        f"mean IoU {tried.mean_iou:.3f} with {tried.parameters:,} parameters; wanted at most "
        f"{limit:,}"
    )


for _limit in (GOOD, BETTER, BEST):
    smallest_net.meets(f"the same with at most {_limit:,} parameters", points=1)(
        partial(_few, _limit)
    )


def _pixelwise() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 32, 1), nn.ReLU(), nn.Conv2d(32, CLASSES, 1))


smallest_net.mistake(
    "the default U-Net",
    lambda: UNet(num_classes=CLASSES),
    hint="That is the default network, with its 1.9 million parameters, made for larger images. "
    "Choose `widths`: how many levels do 32 rows need, and how many channels ten classes?",
)
smallest_net.mistake(
    "the lab's U-Net",
    lambda: UNet(num_classes=CLASSES, widths=(8, 16, 32, 64)),
    hint="That is the lab's network, over the budget. Nearly half of its parameters sit in the "
    "last level; the work is spread over the first three. Take away a level, and see how many "
    "channels you need.",
)
smallest_net.mistake(
    "each pixel by itself",
    _pixelwise,
    hint="Your network sees one pixel at a time, and a colour alone does not tell a house from a "
    "road. It needs surroundings: larger kernels, holes between their taps, or levels.",
)
