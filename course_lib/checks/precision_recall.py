"""Check of the exercise `precision_recall`: balls to the k-th nearest neighbour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade

Pair = tuple[Tensor, Tensor]


def reference(real: Tensor, fake: Tensor, k: int) -> Pair:
    """Return the share of samples in the real region, and of real features in the samples'.

    Args:
        real: features (N, D).
        fake: features (M, D).
        k: the neighbour that sets the radius; a feature is no neighbour of itself.

    Returns:
        Precision and recall.
    """
    return _inside(fake, real, _radii(real, k)), _inside(real, fake, _radii(fake, k))


def _radii(features: Tensor, k: int) -> Tensor:
    """Distance of each feature to its k-th nearest other feature."""
    return torch.cdist(features, features).sort(dim=1).values[:, k]


def _inside(points: Tensor, centres: Tensor, radii: Tensor) -> Tensor:
    """Share of the points that lie in at least one ball."""
    return (torch.cdist(points, centres) <= radii).any(dim=1).double().mean()


def _swapped(real: Tensor, fake: Tensor, k: int) -> Pair:
    precision, recall = reference(real, fake, k)
    return recall, precision


def _itself(real: Tensor, fake: Tensor, k: int) -> Pair:
    return _inside(fake, real, _radii(real, k - 1)), _inside(real, fake, _radii(fake, k - 1))


def _one_too_far(real: Tensor, fake: Tensor, k: int) -> Pair:
    return _inside(fake, real, _radii(real, k + 1)), _inside(real, fake, _radii(fake, k + 1))


def _other_cloud(real: Tensor, fake: Tensor, k: int) -> Pair:
    distances = torch.cdist(real, fake)
    real_radii = distances.sort(dim=1).values[:, k - 1]
    fake_radii = distances.sort(dim=0).values[k - 1]
    return _inside(fake, real, real_radii), _inside(real, fake, fake_radii)


def _own_balls(real: Tensor, fake: Tensor, k: int) -> Pair:
    """Each point is asked whether a feature of the other cloud lies in its own ball."""
    distances = torch.cdist(real, fake)
    precision = (distances <= _radii(fake, k)).any(dim=0).double().mean()
    recall = (distances <= _radii(real, k)[:, None]).any(dim=1).double().mean()
    return precision, recall


def _one_radius(real: Tensor, fake: Tensor, k: int) -> Pair:
    def mean(features: Tensor) -> Tensor:
        return _radii(features, k).mean().expand(len(features))

    return _inside(fake, real, mean(real)), _inside(real, fake, mean(fake))


def _all_balls(real: Tensor, fake: Tensor, k: int) -> Pair:
    def share(points: Tensor, centres: Tensor) -> Tensor:
        return (torch.cdist(points, centres) <= _radii(centres, k)).double().mean()

    return share(fake, real), share(real, fake)


def _nearest_centre(real: Tensor, fake: Tensor, k: int) -> Pair:
    def share(points: Tensor, centres: Tensor) -> Tensor:
        distance, index = torch.cdist(points, centres).min(dim=1)
        return (distance <= _radii(centres, k)[index]).double().mean()

    return share(fake, real), share(real, fake)


def _squares(real: Tensor, fake: Tensor, k: int) -> Pair:
    def share(points: Tensor, centres: Tensor) -> Tensor:
        return (torch.cdist(points, centres).square() <= _radii(centres, k)).any(1).double().mean()

    return share(fake, real), share(real, fake)


MISTAKES = [
    Mistake(
        "the two swapped",
        _swapped,
        "The two are swapped. Precision is a share of the samples (how many look real), recall a "
        "share of the real features (how many are found).",
    ),
    Mistake(
        "counts itself as a neighbour",
        _itself,
        "A feature is its own nearest neighbour at the distance 0, and you counted it. With k = 3 "
        "take the fourth smallest distance of a row, or leave the diagonal out.",
    ),
    Mistake(
        "one neighbour too far",
        _one_too_far,
        "Your radius reaches to neighbour number k + 1. If you leave the diagonal out, the k-th "
        "smallest distance has the index k - 1.",
    ),
    Mistake(
        "radius from the other cloud",
        _other_cloud,
        "You measured the radius to neighbours in the other cloud. A ball reaches to the k-th "
        "neighbour in its own cloud.",
    ),
    Mistake(
        "balls around the points that are asked",
        _own_balls,
        "You put the balls around the wrong set. For precision the balls are around the *real* "
        "features, and each sample is asked whether it lies in one; for recall the other way.",
    ),
    Mistake(
        "one radius for all",
        _one_radius,
        "You took one radius for all balls. Each feature has its own: small where the cloud is "
        "dense, large where it is thin.",
    ),
    Mistake(
        "mean over all pairs",
        _all_balls,
        "You averaged over all pairs of point and ball. A point counts once if it lies in *any* "
        "ball: any over the balls, then the mean over the points.",
    ),
    Mistake(
        "nearest centre only",
        _nearest_centre,
        "You only ask the ball of the nearest centre. A point may lie in the large ball of a "
        "centre that is farther away: ask all of them.",
    ),
    Mistake(
        "squared distance against radius",
        _squares,
        "You compare a squared distance with a radius that is not squared. Square both or neither.",
    ),
]


def _draw(
    generator: torch.Generator, *, num: int, others: int, k: int
) -> tuple[Tensor, Tensor, int]:
    """Clouds that overlap in part, each dense in one place and thin in another."""

    def cloud(count: int, shift: float) -> Tensor:
        points = torch.randn(count, 2, generator=generator, dtype=torch.float64)
        width = 0.3 + 2.2 * torch.rand(count, 1, generator=generator, dtype=torch.float64) ** 2
        return 3 * (points * width + shift)

    return cloud(num, 0.0), cloud(others, 0.6), k


def _example(generator: torch.Generator) -> tuple:
    return _draw(generator, num=60, others=35, k=3)


def _pair(student: Callable[..., Any], *arguments: Any) -> tuple[Any, Any]:
    answer = student(*arguments)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise AssertionError(f"return two numbers, got {type(answer).__name__}")
    return answer[0], answer[1]


def _line(student: Any, generator: torch.Generator) -> None:
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    fake = torch.tensor([[1.5], [-0.5], [50.0], [51.0], [90.0]])
    precision, recall = _pair(student, real, fake, 1)
    assert_close(precision, 0.4, "precision on the line")
    assert_close(recall, 0.75, "recall on the line")


def _extremes(student: Any, generator: torch.Generator) -> None:
    real, fake, k = _draw(generator, num=30, others=25, k=2)
    for got in _pair(student, real, real.clone(), k):
        assert_close(got, 1.0, "for two equal clouds the share")
    for got in _pair(student, real, fake + 1e4, k):
        assert_close(got, 0.0, "for clouds far apart the share")


def _precision(student: Any, generator: torch.Generator) -> None:
    for k in (1, 3):
        real, fake, _ = _draw(generator, num=60, others=35, k=k)
        wanted = reference(real, fake, k)[0].item()
        assert_close(_pair(student, real, fake, k)[0], wanted, f"precision for k = {k}")


def _recall(student: Any, generator: torch.Generator) -> None:
    for k in (1, 3):
        real, fake, _ = _draw(generator, num=60, others=35, k=k)
        wanted = reference(real, fake, k)[1].item()
        assert_close(_pair(student, real, fake, k)[1], wanted, f"recall for k = {k}")


PROPERTIES = [
    Property("on a line, counted by hand", 1, _line),
    Property("equal clouds have 1, clouds far apart 0", 1, _extremes),
    Property("precision: samples in balls around real features", 2, _precision),
    Property("recall: real features in balls around samples", 2, _recall),
]


def precision_recall(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `precision_recall(real, fake, k)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "precision_recall",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
