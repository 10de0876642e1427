"""Check of the exercise `precision_recall`: balls to the k-th nearest neighbour."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import number, pair
from course_lib.checks.core import Check

Pair = tuple[Tensor, Tensor]
Share = Callable[[Tensor, Tensor, Tensor], Tensor]  # of points, centres and radii


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


def _answer(
    radii: Callable[[Tensor, int], Tensor] = _radii, share: Share = _inside
) -> Callable[[Tensor, Tensor, int], Pair]:
    """An answer of which one part can be made wrong, for both clouds."""
    return lambda real, fake, k: (
        share(fake, real, radii(real, k)),
        share(real, fake, radii(fake, k)),
    )


def _by(rule: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, int], Pair]:
    """An answer whose mean over distances (points, centres) and radii can be made wrong."""
    return _answer(share=lambda points, centres, r: rule(torch.cdist(points, centres), r))


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


def _nearest_centre(distances: Tensor, radii: Tensor) -> Tensor:
    distance, index = distances.min(dim=1)
    return (distance <= radii[index]).double().mean()


def _twins_left_out(features: Tensor, k: int) -> Tensor:
    distances = torch.cdist(features, features)
    return distances.masked_fill(distances == 0, torch.inf).sort(dim=1).values[:, k - 1]


def _draw(
    generator: torch.Generator, *, num: int = 60, others: int = 35, k: int = 3
) -> tuple[Tensor, Tensor, int]:
    """Clouds that overlap in part, each dense in one place and thin in another."""

    def cloud(count: int, shift: float) -> Tensor:
        points = torch.randn(count, 2, generator=generator, dtype=torch.float64)
        width = 0.3 + 2.2 * torch.rand(count, 1, generator=generator, dtype=torch.float64) ** 2
        return 3 * (points * width + shift)

    return cloud(num, 0.0), cloud(others, 0.6), k


def _line(generator: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """By hand 3/6 and 3/5. Two real features are twins; 3 lies on the border of the ball of 2."""
    real, fake = [0.0, 1.0, 2.0, 10.0, 10.0], [1.5, -0.5, 3.0, 12.0, 12.5, 90.0]
    return torch.tensor(real)[:, None], torch.tensor(fake)[:, None], 1


def _equal(generator: torch.Generator) -> tuple[Tensor, Tensor, int]:
    real, _, k = _draw(generator, num=30, k=2)
    return real, real.clone(), k


def _far_apart(generator: torch.Generator) -> tuple[Tensor, Tensor, int]:
    real, fake, k = _draw(generator, num=30, others=25, k=2)
    return real, fake + 1e4, k


def _shares(student: Any, arguments: tuple) -> tuple[Any, ...]:
    """Both answers as numbers, whatever they come in."""
    answer = pair(student(*arguments), "two numbers, precision and recall")
    return number(answer[0]), number(answer[1])


def _probe(student: Any, arguments: tuple) -> list:
    return [_shares(student, given) for given in (arguments, _line(torch.Generator()))]


precision_recall = Check(
    "precision_recall",
    lab="judging_samples",
    level="build",
    minutes=20,
    reference=reference,
    example=_draw,
    probe=_probe,
)
precision_recall.equals_reference(
    "on a line, counted by hand",
    points=1,
    example=_line,
    probe=_shares,
    what=("precision on the line", "recall on the line"),
)
precision_recall.equals_reference(
    "equal clouds have 1, clouds far apart 0",
    points=1,
    example=[_equal, _far_apart],
    probe=_shares,
    what=("for equal clouds, or clouds far apart, precision", "for these clouds recall"),
)
for _part, _name, _what in (
    (0, "precision: samples in balls around real features", "precision for k = {2}"),
    (1, "recall: real features in balls around samples", "recall for k = {2}"),
):
    precision_recall.equals_reference(
        _name,
        points=2,
        example=[partial(_draw, k=k) for k in (1, 2, 3, 5)],
        probe=lambda student, given, part=_part: _shares(student, given)[part],  # type: ignore[misc]
        what=_what,
    )

precision_recall.mistake(
    "the two swapped",
    lambda real, fake, k: reference(real, fake, k)[::-1],
    hint="The two are swapped. Precision is a share of the samples (how many look real), recall a "
    "share of the real features (how many are found).",
)
precision_recall.mistake(
    "counts itself as a neighbour",
    lambda real, fake, k: reference(real, fake, k - 1),
    hint="A feature is its own nearest neighbour at the distance 0, and you counted it. With k = 3 "
    "take the fourth smallest distance of a row, or leave the diagonal out.",
)
precision_recall.mistake(
    "one neighbour too far",
    lambda real, fake, k: reference(real, fake, k + 1),
    hint="Your radius reaches to neighbour number k + 1. If you leave the diagonal out, the k-th "
    "smallest distance has the index k - 1.",
)
precision_recall.mistake(
    "radius from the other cloud",
    _other_cloud,
    hint="You measured the radius to neighbours in the other cloud. A ball reaches to the k-th "
    "neighbour in its own cloud.",
)
precision_recall.mistake(
    "balls around the points that are asked",
    _own_balls,
    hint="You put the balls around the wrong set. For precision the balls are around the *real* "
    "features, and each sample is asked whether it lies in one; for recall the other way.",
)
precision_recall.mistake(
    "one radius for all",
    _answer(lambda features, k: _radii(features, k).mean().expand(len(features))),
    hint="You took one radius for all balls. Each feature has its own: small where the cloud is "
    "dense, large where it is thin.",
)
precision_recall.mistake(
    "mean over all pairs",
    _by(lambda distances, radii: (distances <= radii).double().mean()),
    hint="You averaged over all pairs of point and ball. A point counts once if it lies in *any* "
    "ball: any over the balls, then the mean over the points.",
)
precision_recall.mistake(
    "nearest centre only",
    _by(_nearest_centre),
    hint="You only ask the ball of the nearest centre. A point may lie in the large ball of a "
    "centre that is farther away: ask all of them.",
)
precision_recall.mistake(
    "squared distance against radius",
    _by(lambda distances, radii: (distances.square() <= radii).any(1).double().mean()),
    hint="You compare a squared distance with a radius that is not squared. Square both or "
    "neither.",
)
precision_recall.mistake(
    "the border left out",
    _by(lambda distances, radii: (distances < radii).any(1).double().mean()),
    hint="A point on the border of a ball lies in it: at *most* the radius away, <= and not <.",
)
precision_recall.mistake(
    "every twin left out",
    _answer(_twins_left_out),
    hint="You left out all distances of 0. Only a feature itself is no neighbour; another one at "
    "the same place is. Sort each row and take the index k: index 0 is the feature itself.",
)
