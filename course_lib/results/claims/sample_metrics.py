"""What scores of samples see and miss: sample count, memorising, dropped modes; and their speed.

No generator is needed for that. Real images stand in for samples: they are what a perfect generator
would draw, and damage done to them on purpose shows which score notices it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.data import ImageSet, load
from course_lib.metrics import (
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.train import sample_features, sample_scores

COUNTS = (100, 200, 500, 1000, 2000, 5000)
KEPT = (10, 9, 8, 5, 2, 1)


def noisy(images: Tensor, generator: torch.Generator, deviation: float = 8.0) -> Tensor:
    """Return uint8 images with Gaussian noise of so many grey levels."""
    noise = deviation * torch.randn(images.shape, generator=generator)
    return (images + noise).round().clamp(0, 255).to(torch.uint8)


def shift(images: Tensor) -> Tensor:
    """Return images moved by one pixel down and to the right; their border is repeated."""
    padded = F.pad(images.float(), (1, 0, 1, 0), mode="replicate")
    return padded[..., :-1, :-1].to(torch.uint8)


def _speed(context: Context) -> Measurement:
    from course_lib.results.bench.frechet import bench

    dimensions = context.pick(smoke=64, full=2048)
    repeats = context.pick(smoke=1, full=3)
    seconds = bench(dimensions, seed=context.seed, repeats=repeats)
    ours, theirs = seconds["course_lib"], seconds["torchmetrics"]
    return Measurement(
        metrics={
            "times_torchmetrics": theirs / ours,
            "seconds": ours,
            "seconds_torchmetrics": theirs,
            "relative_difference_billionths": 1e9 * seconds["relative_difference"],
        },
        data=f"two Gaussians in {dimensions} dimensions, their moments given, on one CPU thread; "
        "the fastest of 3 turns each",
    )


def _by_count(context: Context) -> Measurement:
    """Score real images against other real images of the same split, more and more of them."""
    counts = context.pick(smoke=COUNTS[:2], full=COUNTS)
    test = _load("cifar10", "test", context, 2 * counts[-1])
    generator = _generator(context)
    halves = test.images[torch.randperm(len(test), generator=generator)].split(counts[-1])
    real, new, damaged = (
        sample_features(images, device=context.device)
        for images in (*halves, noisy(halves[1], generator))
    )
    metrics: dict[str, float] = {}
    curves: dict[str, list[float]] = {}
    for name, fake in (("new", new), ("noisy", damaged)):
        cfd = [frechet_distance(real[:n], fake[:n]) for n in counts]
        kernel = [1000 * kernel_distance(real[:n], fake[:n]) for n in counts]
        metrics |= {f"cfd_{name}_{n}": value for n, value in zip(counts, cfd, strict=True)}
        metrics |= {f"kernel_{name}_{n}": value for n, value in zip(counts, kernel, strict=True)}
        curves |= {f"cfd_{name}": cfd, f"kernel_{name}": kernel}
    return Measurement(
        metrics=metrics,
        curves=curves,
        data="CIFAR-10's test images: halves drawn by the seed, one against the other, as they are "
        f"or with noise of 8 grey levels; kernel distances in thousandths. {test.note}".strip(),
    )


def _memoriser(context: Context) -> Measurement:
    """Score training images, moved training images and new images as if they were samples."""
    num, known = context.pick(smoke=(60, 100), full=(1000, 4000))
    metrics: dict[str, float] = {}
    notes: set[str] = set()
    for name in ("mnist", "cifar10"):
        train = _load(name, "train", context, context.pick(smoke=known + num, full=None))
        test = _load(name, "test", context, num)
        order = torch.randperm(len(train), generator=_generator(context))
        training, new = train.subset(order[:known]), train.images[order[known : known + num]]
        copies = training.images[:num]
        for kind, images in (("new", new), ("copies", copies), ("moved", shift(copies))):
            scores = sample_scores(images, test, training=training, num=num, device=context.device)
            names = ("cfd", "precision", "recall", "copied_pixels", "copied_features")
            metrics |= {f"{name}_{kind}_{key}": scores[key] for key in names}
        notes.add(train.note)
    return Measurement(
        metrics=metrics,
        data=f"MNIST and CIFAR-10: a training set of {known} images drawn by the seed; as samples "
        f"{num} of them, the same moved by a pixel, and {num} that are not among them; against "
        f"{num} test images. {' '.join(notes)}".strip(),
    )


def _dropped(context: Context) -> Measurement:
    """Score real digits of fewer and fewer classes."""
    num = context.pick(smoke=50, full=2000)
    train = _load("mnist", "train", context, context.pick(smoke=2000, full=None))
    test = _load("mnist", "test", context, num)
    train = train.subset(torch.randperm(len(train), generator=_generator(context)))
    real = sample_features(test.images, device=context.device)
    metrics: dict[str, float] = {}
    curves: dict[str, list[float]] = {}
    for kept in KEPT:
        images = train.images[train.targets < kept][:num]
        fake = sample_features(images, device=context.device)
        scores = {
            "cfd": frechet_distance(real, fake),
            **precision_recall(real, fake)._asdict(),
            **density_coverage(real, fake)._asdict(),
        }
        metrics |= {f"{key}_{kept}": value for key, value in scores.items()}
        for key, value in scores.items():
            curves.setdefault(key, []).append(value)
    return Measurement(
        metrics=metrics,
        curves=curves,
        data=f"MNIST: as samples {num} training images of the first {', '.join(map(str, KEPT))} "
        f"digits, drawn by the seed, against {num} test images",
    )


def _load(name: str, split: str, context: Context, num: int | None) -> ImageSet:
    return load(name, split, size=32, root=context.root, num=num)


def _generator(context: Context) -> torch.Generator:
    return torch.Generator().manual_seed(context.seed)


CLAIMS = (
    Claim(
        name="frechet-speed",
        title="Times that torchmetrics takes for a Fréchet distance in 2,048 dimensions",
        measure=_speed,
        main="times_torchmetrics",
        minutes=2,
    ),
    Claim(
        name="score-by-sample-count",
        title="Scores of perfect and of noisy samples, by their number",
        measure=_by_count,
        main="cfd_new_100",
        needs=("cifar10",),
        minutes=1,
    ),
    Claim(
        name="score-memoriser",
        title="Scores of a generator that hands out its training images",
        measure=_memoriser,
        main="cifar10_copies_copied_features",
        needs=("mnist", "cifar10"),
        minutes=2,
    ),
    Claim(
        name="score-dropped-modes",
        title="Scores of a generator that draws only some of the digits, and those perfectly",
        measure=_dropped,
        main="recall_5",
        needs=("mnist",),
        minutes=1,
    ),
)
