"""Check of the exercise `fill_in`: repair the loop that completes a picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.kinds import Repair

Field = Callable[[Tensor, Tensor], Tensor]


def reference(velocity: Field, images: Tensor, known: Tensor, noise: Tensor, steps: int) -> Tensor:
    """Return pictures whose known pixels are the images', and whose others are drawn to fit.

    Args:
        velocity: of (x, t), x (B, C, H, W) and t a tensor with one number.
        images: (B, C, H, W).
        known: (B, 1, H, W), 1 where the image is known and 0 elsewhere.
        noise: (B, C, H, W).
        steps: of Euler, from noise at 0 to data at 1.

    Source: arXiv:2201.09865, algorithm 1 without its jumps back, on the straight path.
    """
    return _fill(velocity, images, known, noise, steps)


def _fill(
    velocity: Field,
    images: Tensor,
    known: Tensor,
    noise: Tensor,
    steps: int,
    *,
    mask: str = "right",
    kept: str = "noisy",
    asked: str = "here",
    times: str = "all",
    end: str = "put back",
) -> Tensor:
    """The loop, with each of its parts right or wrong."""
    x = noise
    ways = torch.linspace(0, 1, steps + 1 if times == "all" else steps)
    if times == "first dropped":
        ways = torch.linspace(0, 1, steps + 1)[1:]
    for t, after in zip(ways[:-1], ways[1:], strict=True):
        here = t * images + (1 - t) * noise
        here = {"noisy": here, "clean": images, "time reversed": images + noise - here}[kept]
        share = known if mask == "right" else 1 - known
        x = share * here + (1 - share) * x
        x = x + (after - t) * velocity(x, t if asked == "here" else after)
    return known * images + (1 - known) * x if end == "put back" else x


BUGS: dict[str, Any] = {
    "mask": "exchanged",
    "kept": "clean",
    "asked": "there",
    "times": "one too few",
    "end": "left",
}


def broken(velocity: Field, images: Tensor, known: Tensor, noise: Tensor, steps: int) -> Tensor:
    """The function that the learner is given."""
    return _fill(velocity, images, known, noise, steps, **BUGS)


class _Field:
    """A curved velocity of neighbouring pixels, which notes where and when it was asked."""

    def __init__(self, generator: torch.Generator) -> None:
        self.slope = 0.5 + float(torch.rand((), generator=generator))
        self.seen: list[Tensor] = []
        self.times: list[float] = []

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        self.seen.append(x.detach().clone())
        self.times.append(float(t))
        return self.slope * torch.cos(x + x.roll(1, -1)) + t * x


def _batch(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    images, noise = (
        torch.randn(2, 1, 3, 4, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    known = (torch.rand(2, 1, 3, 4, generator=generator) < 0.5).double()
    known.flatten()[0], known.flatten()[-1] = 1, 0
    return images, known, noise


def _example(generator: torch.Generator) -> tuple:
    return _Field(generator), *_batch(generator), 5


def _asked(student: Any, *arguments: Any) -> _Field:
    """The field, after the learner's function has asked it."""
    student(*arguments)
    field: _Field = student.given[0]
    assert field.times, "the velocity is never asked"
    return field


fill_in = Repair(
    "fill_in",
    lab="flow_editing",
    level="build",
    minutes=20,
    reference=reference,
    broken=broken,
    example=_example,
    may_change=("velocity",),
)


@fill_in.bug(
    "hidden pixels stay hidden",
    left=partial(_fill, mask="exchanged"),
    hint="Inside the loop the mask works the wrong way: the image's *hidden* pixels are put in, "
    "and the known ones are drawn. Where known is 1 belongs `here`.",
)
def _mask(student: Any, generator: torch.Generator) -> None:
    images, known, noise = _batch(generator)
    field = _Field(generator)
    other = images + (1 - known) * torch.randn(images.shape, generator=generator).double()
    one, two = (student(field, given, known, noise, 4) for given in (images, other))
    hidden = (1 - known).bool()
    assert torch.equal(one[hidden], two[hidden]), (
        "another image with the same known pixels gives other hidden ones: they were looked up"
    )


@fill_in.bug(
    "known pixels are as noisy as the rest",
    left=partial(_fill, kept="clean"),
    hint="The known pixels are put in clean at every time. The network has learned pictures that "
    "are equally noisy everywhere: mix them with the noise for the time of the step.",
)
def _kept(student: Any, generator: torch.Generator) -> None:
    images, _, noise = _batch(generator)
    for share in (0.0, 1.0):
        known = torch.full((2, 1, 3, 4), share, dtype=torch.float64)
        first = _asked(student, _Field(generator), images, known, noise, 3).seen[0]
        assert torch.allclose(first, noise), (
            "at time 0 there should be nothing but noise, and the velocity is shown something else"
        )


@fill_in.bug(
    "the velocity is asked for the time of its x",
    left=partial(_fill, asked="there"),
    hint="x is at time t, and the velocity is asked for the time after the step. Euler's step asks "
    "for here and now.",
)
def _time(student: Any, generator: torch.Generator) -> None:
    first = _asked(student, _Field(generator), *_batch(generator), 4).times[0]
    assert abs(first) < 1e-6, f"the first x is noise, at time 0, and it is asked for time {first:g}"


@fill_in.bug(
    "there are as many steps as asked for",
    left=partial(_fill, times="one too few"),
    hint="linspace(0, 1, steps) has steps numbers, and between them one step fewer. It takes "
    "steps + 1 times.",
)
def _steps(student: Any, generator: torch.Generator) -> None:
    for steps in (3, 6):
        made = len(_asked(student, _Field(generator), *_batch(generator), steps).times)
        assert made == steps, f"with steps={steps} the velocity is asked {made} times"


@fill_in.bug(
    "known pixels come out as they are",
    left=partial(_fill, end="left"),
    hint="The last step moves the known pixels, too. At the end put them back as they are in the "
    "image.",
)
def _end(student: Any, generator: torch.Generator) -> None:
    images, known, noise = _batch(generator)
    out = student(_Field(generator), images, known, noise, 5)
    there = known.bool()
    apart = float((out - images)[there].abs().max())
    assert apart < 1e-12, f"at the end known pixels are off by up to {apart:.2g}"


fill_in.equals_reference("the picture is right", points=2, what="the result of {4} steps")

fill_in.mistake(
    "unchanged",
    broken,
    hint="This is the loop as it was given to you. Ask of each line what is known, at which time "
    "x is, and how noisy the known pixels are there; five things are wrong.",
)
fill_in.mistake(
    "time the wrong way",
    partial(_fill, kept="time reversed"),
    hint="You mix the known pixels with time running the other way: at t = 0 there is the image, "
    "and at t = 1 noise. The image's share is t.",
)
fill_in.mistake(
    "the first step dropped",
    partial(_fill, times="first dropped"),
    hint="Your first step begins at 1/steps with the noise of time 0. The times go from 0 to 1, "
    "both included.",
)
