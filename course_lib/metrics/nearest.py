"""The nearest training image: is a sample similar to what was learnt from, or the same?

Every score that compares distributions is best for a generator that hands out its training images.
The distance to the nearest training image tells it apart, if one knows what to expect: real images
that the training set does not hold have nearest training images too, at their own distances.
"""

import torch
from torch import Tensor

BLOCK = 1 << 24  # numbers in the block of distances that is held at a time: 64 MiB


def nearest_distances(
    samples: Tensor, training: Tensor, *, exclude_self: bool = False
) -> tuple[Tensor, Tensor]:
    """Return each sample's distance to its nearest training item, and which one that is.

    Distances are Euclidean, over everything behind the first dimension, so images and features
    serve alike. The nearest item is searched for in float32; its distance is then computed anew in
    float64, so that a copy has the distance 0 exactly.

    Args:
        samples: (N, ...) images or features.
        training: (M, ...) of the same shape behind the first dimension.
        exclude_self: item i of the training set does not count for sample i; for distances within
            one set, ``nearest_distances(x, x, exclude_self=True)``.

    Returns:
        Distances (N,) float64, and indices (N,) int64 into the training set, on the CPU.

    Raises:
        ValueError: for empty sets, shapes that do not fit, or values that are not finite.
    """
    if not len(samples) or not len(training) or samples.shape[1:] != training.shape[1:]:
        raise ValueError(
            f"got samples {tuple(samples.shape)} and training items {tuple(training.shape)}; "
            "wanted at least one of each, alike behind the first dimension."
        )
    for part, name in ((samples, "samples"), (training, "training items")):
        if part.is_floating_point() and not part.isfinite().all():
            raise ValueError(f"The {name} hold NaN or infinite values; look at what made them.")
    training = training.to(samples.device)
    if exclude_self and len(training) < max(len(samples), 2):
        raise ValueError(
            "exclude_self leaves out item i for sample i, so the training set must hold at least "
            f"as many items as there are samples, and two; got {len(training)} and {len(samples)}."
        )
    centre = training.flatten(1).float().mean(dim=0)  # smaller numbers, smaller rounding errors
    x, y = samples.flatten(1).float() - centre, training.flatten(1).float() - centre
    squares = y.square().sum(dim=1)
    found = []
    for start, rows in _blocks(x, len(y)):
        scores = torch.addmm(squares, rows, y.T, alpha=-2)  # |x - y|^2 - |x|^2
        if exclude_self:
            places = torch.arange(len(rows), device=scores.device)
            scores[places, start + places] = torch.inf
        found.append(scores.argmin(dim=1))
    index = torch.cat(found)
    distances = [
        (a.cpu().double() - b.cpu().double()).square().sum(dim=1).sqrt()
        for a, b in zip(
            samples.flatten(1).split(1024),
            training.flatten(1)[index].split(1024),
            strict=True,
        )
    ]
    return torch.cat(distances), index.cpu()


def copied_share(distances: Tensor, expected: Tensor, *, quantile: float = 0.05) -> float:
    """Return the share of samples that lie closer to the training set than new images do.

    Args:
        distances: (N,) from samples to their nearest training images.
        expected: (M,) from held-out real images to theirs.
        quantile: the share of the held-out images that counts as close. A generator of new images
            that is as good as the data has about this share; one that copies has up to 1.

    Raises:
        ValueError: for empty distances, or a quantile outside (0, 1).
    """
    if not len(distances) or not len(expected) or not 0 < quantile < 1:
        raise ValueError(
            f"got {len(distances)} and {len(expected)} distances and the quantile {quantile}; "
            "wanted at least one of each, and a quantile between 0 and 1."
        )
    limit = torch.quantile(expected.double(), quantile)
    return float((distances.double() <= limit).double().mean())


def _blocks(x: Tensor, columns: int) -> list[tuple[int, Tensor]]:
    """Return (first row, rows) of blocks whose distances to all columns fit into a block."""
    size = max(BLOCK // columns, 1)
    return [(start, x[start : start + size]) for start in range(0, len(x), size)]
