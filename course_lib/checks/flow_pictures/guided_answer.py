"""Check of the exercise `guided_answer`: two questions to one network, and what is between them."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from course_lib.checks.core import Check

CLASSES = 4


def reference(network: nn.Module, x: Tensor, t: Tensor, labels: Tensor, weight: float) -> Tensor:
    """Return the guided velocity.

    Args:
        network: x (B, ...), times (B,) and labels (B,) to velocities (B, ...); -1 is "not told".
        x: (B, C, H, W).
        t: a scalar.
        labels: (B,).
        weight: 0 is the network that is not told, 1 the one that is.

    Source: eq-guidance.
    """
    return _guided(network, x, t, labels, weight)


def _guided(
    network: nn.Module,
    x: Tensor,
    t: Tensor,
    labels: Tensor,
    weight: float,
    *,
    add: float = 0.0,
    untold: str = "all -1",
    way: str = "from untold",
) -> Tensor:
    """The guided velocity, with one thing at a time that can be made wrong."""
    times = t.expand(len(x))
    nobody = {
        "all -1": torch.full_like(labels, -1),
        "class 0": torch.zeros_like(labels),
        "the next class": (labels + 1) % CLASSES,
    }[untold]
    told, none = network(x, times, labels), network(x, times, nobody)
    if way == "the other way":
        return told + (weight + add) * (none - told)
    if way == "from told":
        return told + weight * (told - none)
    if way == "difference alone":
        return weight * (told - none)
    if way == "told scaled":
        return none + weight * told
    if way == "never untold":
        return weight * told
    return none + (weight + add) * (told - none)


class _Network(nn.Module):
    """A network whose class changes what it says in every pixel; it wants a time for each image."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.pull = nn.Parameter(torch.randn(CLASSES + 1, 6, generator=generator))

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """Return (B, 1, 2, 3)."""
        if t.shape != labels.shape or len(t) != len(x):
            raise ValueError(
                f"{len(x)} images, times of shape {tuple(t.shape)} and labels of shape "
                f"{tuple(labels.shape)}; wanted a time and a label for each image"
            )
        pull = self.pull[labels + 1].view(-1, 1, 2, 3)
        return (x.cos() + t[:, None, None, None]) * pull


def _draw(
    generator: torch.Generator, *, weight: float | None = None, images: int = 5
) -> tuple[nn.Module, Tensor, Tensor, Tensor, float]:
    chosen = 1.5 + 2 * float(torch.rand((), generator=generator)) if weight is None else weight
    # Class 0 is never asked for: "class 0" for "not told" would be right by chance.
    labels = torch.randint(1, CLASSES, (images,), generator=generator)
    x = torch.randn(images, 1, 2, 3, generator=generator)
    return _Network(generator), x, torch.rand((), generator=generator), labels, chosen


guided_answer = Check(
    "guided_answer",
    lab="flow_pictures",
    level="build",
    minutes=12,
    reference=reference,
    example=_draw,
)
guided_answer.equals_reference(
    "weight 0 leaves the class out",
    points=1,
    example=partial(_draw, weight=0.0),
    what="with weight 0, the velocity",
)
guided_answer.equals_reference(
    "weight 1 is the network that is told",
    points=1,
    example=partial(_draw, weight=1.0),
    what="with weight 1, the velocity",
)
guided_answer.equals_reference(
    "a larger weight goes beyond it",
    points=2,
    example=[_draw, partial(_draw, images=1), partial(_draw, weight=0.5)],
    what="with weight {4:.2f}, the velocity",
)

guided_answer.mistake(
    "w for 1 + w",
    partial(_guided, add=1.0),
    hint="Your weight counts from the network that is told: with 0 it is that one, and everything "
    "is guided by 1 more than asked for. So does the paper (1 + w, and -w beside it). Here 0 "
    "leaves the class out and 1 is the network as it was trained.",
)
guided_answer.mistake(
    "the other way",
    partial(_guided, way="the other way"),
    hint="You go from the told answer towards the untold one, so a large weight draws what the "
    "class is *not*. Start at the untold answer and go towards the told one.",
)
guided_answer.mistake(
    "class 0 for not told",
    partial(_guided, untold="class 0"),
    hint="You ask with label 0 in place of no label. That is a class, and you would guide away "
    "from it. Not told is -1.",
)
guided_answer.mistake(
    "away from the next class",
    partial(_guided, untold="the next class"),
    hint="Your second question names another class. The network was trained to be asked without "
    "one: its label is -1.",
)
guided_answer.mistake(
    "the difference alone",
    partial(_guided, way="difference alone"),
    hint="You return the difference, weighted. It is what the class changes; what all images have "
    "in common, the untold answer, has to be added.",
)
guided_answer.mistake(
    "told added to untold",
    partial(_guided, way="told scaled"),
    hint="You add both answers. What is weighted is their *difference*, told minus untold.",
)
guided_answer.mistake(
    "the told answer scaled",
    partial(_guided, way="never untold"),
    hint="You multiply the told answer, which makes every step longer. Guidance needs the second "
    "question, without the class, and weights the difference.",
)
