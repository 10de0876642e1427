"""Check of the question `bounded_penalty`: a penalty on a critic's slope, in its own form."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks.compare import assert_close, gradient_at
from course_lib.checks.core import Check

CHOICES = {
    "where": {
        "real": "at the real images",
        "generated": "at the generated images",
        "both": "at the real and at the generated images, all of them together",
    },
    "norm": {
        "largest": "the largest absolute value of the gradient's numbers",
        "sum": "the sum of the absolute values of the gradient's numbers, divided by their number",
        "square": "the root of the mean of the gradient's squared numbers",
    },
    "target": [0.4, 0.7, 1.3],
    "side": {
        "above": "A slope below the target costs nothing",
        "below": "A slope above the target costs nothing",
        "both": "A slope costs on both sides of the target alike",
    },
    "power": {1: "the difference itself", 2: "the difference squared", 3: "the difference cubed"},
}


def _penalty(
    critic: Any,
    real: Tensor,
    fake: Tensor,
    *,
    p: dict,
    keep: bool = True,
    batch: bool = False,
    **changed: object,
) -> Tensor:
    q = {**p, **changed}
    points = {"real": [real], "generated": [fake], "both": [real, fake]}[q["where"]]
    x = torch.cat(points).detach().requires_grad_()
    scores = critic(x).mean() if batch else critic(x).sum()
    (slope,) = torch.autograd.grad(scores, x, create_graph=keep)
    gap = _size(slope, q["norm"]) - q["target"]
    gap = {"above": gap.clamp(min=0), "below": (-gap).clamp(min=0), "both": gap.abs()}[q["side"]]
    return (gap ** q["power"]).mean()


def _size(slope: Tensor, norm: str) -> Tensor:
    flat = slope.flatten(1)
    if norm == "largest":
        return flat.abs().amax(1)
    if norm == "sum":
        return flat.abs().mean(1)
    return flat.square().mean(1).sqrt() if norm == "square" else flat.square().sum(1).sqrt()


def solution(p: dict) -> str:
    points = {"real": "real", "generated": "fake", "both": "torch.cat([real, fake])"}[p["where"]]
    size = {
        "largest": "slopes.flatten(1).abs().amax(dim=1)",
        "sum": "slopes.flatten(1).abs().mean(dim=1)",
        "square": "slopes.flatten(1).square().mean(dim=1).sqrt()",
    }[p["norm"]]
    gap = {
        "above": "(size - {t}).clamp(min=0)",
        "below": "({t} - size).clamp(min=0)",
        "both": "(size - {t}).abs()",
    }[p["side"]].format(t=p["target"])
    return f"""\
points = {points}.detach().requires_grad_()
scores = critic(points)
(slopes,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
size = {size}
gap = {gap}
return gap.pow({p["power"]}).mean()"""


def _wave(x: Tensor) -> Tensor:
    """A critic in one line: half the sum of the squared numbers."""
    return x.flatten(1).square().sum(1) / 2


def facts(p: dict, data: object) -> dict:
    real, fake = torch.tensor([[[0.5, -1.5]], [[2.0, 0.25]]]), torch.tensor([[[1.0, -0.5]]])
    value = _penalty(_wave, real, fake, p=p).item()
    return {"REAL": real.tolist(), "FAKE": fake.tolist(), "WANTED_PENALTY": round(value, 5)}


class _Critic(nn.Module):
    """Two layers, images (B, 2, 2, 3) to scores (B,), steep here and flat there."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(12, 6), nn.Linear(6, 1)
        with torch.no_grad():
            for layer, scale in ((self.first, 0.9), (self.last, 1.3)):
                for parameter in layer.parameters():
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores."""
        out: Tensor = self.last(torch.tanh(self.first(images.flatten(1)))).flatten()
        return out


def _draw(generator: torch.Generator, *, p: dict, real: int = 6, fake: int = 5) -> tuple:
    """A critic some of whose slopes, measured as p says, lie above the target, some below."""
    critic = _Critic(generator)
    shape = (2, 2, 3)
    images = torch.randn(real, *shape, generator=generator)
    others = torch.randn(fake, *shape, generator=generator) + 0.5
    x = torch.cat([images, others]).requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x)
    middle = _size(slope, p["norm"]).quantile(0.5)
    with torch.no_grad():
        critic.last.weight *= p["target"] / middle
    return critic, images, others


def _plane(generator: torch.Generator, *, p: dict, factor: float) -> tuple:
    """A critic with the same slope everywhere: of every norm `factor` times the target."""
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 1), nn.Flatten(0))
    signs = torch.where(torch.rand(12, generator=generator) < 0.5, -1.0, 1.0)
    with torch.no_grad():
        critic[1].weight.copy_(factor * signs[None])
    return (critic, *_draw(generator, p=p)[1:])


def check(p: dict) -> Check:
    right = partial(_penalty, p=p)

    def reference(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        return right(critic, real, fake)

    made = Check(
        "bounded_penalty",
        lab="generation",
        level="build",
        minutes=30,
        reference=reference,
        example=partial(_draw, p=p),
        probe=_value_and_gradient,
        may_change=("critic",),
    )

    @made.holds("a slope at the target costs nothing", points=1)
    def _free(student: Any, generator: torch.Generator) -> None:
        at = student(*_plane(generator, p=p, factor=p["target"]))
        assert_close(at.abs() < 1e-4, torch.tensor(True), "whether a slope at the target is free")
        factor = p["target"] * (0.5 if p["side"] == "below" else 1.5)
        off = student(*_plane(generator, p=p, factor=factor))
        assert off.item() > 1e-4, "a slope on the side that costs has the penalty 0 as well"

    made.equals_reference(
        "a plane: the penalty's value away from the target, on both sides",
        points=1,
        example=[
            partial(_plane, p=p, factor=0.5 * p["target"]),
            partial(_plane, p=p, factor=1.7 * p["target"]),
        ],
        probe=_value,
        what="the penalty of a critic whose slope is the same everywhere",
    )
    made.equals_reference(
        "a curved critic: each image has its own slope",
        points=2,
        probe=_value,
        example=[partial(_draw, p=p), partial(_draw, p=p, real=4, fake=7)],
        what="the penalty of a curved critic",
    )
    made.equals_reference(
        "the critic can learn from it",
        points=2,
        probe=gradient_at(0),
        what="the gradient of the penalty in a weight of the critic",
        tolerance=1e-4,
    )

    def wrong(name: str, hint: str, **changed: object) -> None:
        made.mistake(name, partial(_penalty, p=p, **changed), hint=hint)

    wrong(
        "no graph of the gradient",
        "The value is right, and the critic cannot learn from it: the gradient has to be part of "
        "the graph. create_graph=True.",
        keep=False,
    )
    wrong(
        "gradient of the mean score",
        "You differentiate the mean of the scores, so each image's gradient is divided by the "
        "number of images. Differentiate the sum.",
        batch=True,
    )
    wrong(
        "the Euclidean norm",
        "You take the Euclidean norm, as WGAN-GP does; the statement measures the slope otherwise.",
        norm="Euclidean",
    )
    wrong("target 1", "Your target is 1; the statement names another one.", target=1.0)
    for other in ("largest", "sum", "square"):
        if other != p["norm"]:
            wrong(
                f"norm: {other}",
                f"You measure the slope by {CHOICES['norm'][other]}; the statement does not.",
                norm=other,
            )
    for other in ("real", "generated", "both"):
        if other != p["where"]:
            wrong(
                f"where: {other}",
                f"You measure the slope {CHOICES['where'][other]}, the statement elsewhere.",
                where=other,
            )
    for other in ("above", "below", "both"):
        if other != p["side"]:
            wrong(
                f"side: {other}",
                {
                    "above": "You charge slopes above the target alone.",
                    "below": "You charge slopes below the target alone.",
                    "both": "You charge slopes on both sides of the target.",
                }[other]
                + " Read once more which slopes cost something.",
                side=other,
            )
    for other in (1, 2, 3):
        if other != p["power"]:
            wrong(f"power: {other}", f"You raise the difference to the power {other}.", power=other)
    return made


def _value(function: Any, arguments: tuple) -> Any:
    got = function(*arguments)
    return got.detach() if isinstance(got, Tensor) else got


def _value_and_gradient(function: Any, arguments: tuple) -> Any:
    """What tells mutants apart: the value, and whether and how the critic learns from it."""
    value = _value(function, arguments)
    try:
        return value, gradient_at(0)(function, arguments)
    except (AssertionError, RuntimeError):
        return value, None
