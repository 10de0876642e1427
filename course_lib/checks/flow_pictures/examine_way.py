"""Check of the exercise `examine_way`: write a test that finds wrong ways from noise to images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.flow_pictures.on_the_way import on_the_way
from course_lib.checks.kinds import WriteTest

Way = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
IMAGES = torch.tensor([[[[1.0, -1.0], [0.5, 1.0]]], [[[-1.0, 0.0], [1.0, -0.5]]]])
NOISE = torch.tensor([[[[0.3, 2.0], [-1.0, 0.5]]], [[[1.5, -0.7], [0.2, -2.0]]]])
T = torch.tensor([0.25, 0.75])


def _examined(way: Way, images: Tensor, noise: Tensor, t: Tensor) -> None:
    """Image by image, with numbers in the place of times."""
    x, velocity = way(images, noise, t)
    assert x.shape == velocity.shape == images.shape
    for i, share in enumerate(t.tolist()):
        wanted = share * images[i] + (1 - share) * noise[i]
        assert torch.allclose(x[i].double(), wanted.double(), atol=1e-4)
    assert torch.allclose(velocity.double(), (images - noise).double(), atol=1e-4)


def reference(way: Way) -> None:
    """Raise AssertionError if a function is not the straight way."""
    _examined(way, IMAGES, NOISE, T)


def _by_lerp(images: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """A right answer with torch.lerp."""
    return torch.lerp(noise, images, t.view(-1, 1, 1, 1)), images - noise


def _from_noise(images: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """A right answer in double precision: the noise and a part of the velocity."""
    velocity = images.double() - noise.double()
    return noise.double() + torch.einsum("b,bchw->bchw", t.double(), velocity), velocity


examine_way = WriteTest(
    "examine_way",
    lab="flow_pictures",
    level="build",
    minutes=15,
    reference=reference,
    of=on_the_way,
    right=(on_the_way.reference, _by_lerp, _from_noise),
    wrong=(
        "time the other way",
        "the mixture the other way",
        "the velocity the other way",
        "time along the columns",
        "one time for all",
        "roots",
        "noise added",
        "from here to the image",
    ),
)


def _at_the_half(way: Way) -> None:
    _examined(way, IMAGES, NOISE, torch.full((2,), 0.5))


def _at_the_ends(way: Way) -> None:
    _examined(way, IMAGES, NOISE, torch.tensor([0.0, 1.0]))


def _one_image(way: Way) -> None:
    _examined(way, IMAGES[:1], NOISE[:1], T[:1])


def _the_mixture_alone(way: Way) -> None:
    x, _ = way(IMAGES, NOISE, T)
    share = T.view(-1, 1, 1, 1)
    assert torch.allclose(x.double(), (share * IMAGES + (1 - share) * NOISE).double(), atol=1e-4)


examine_way.mistake(
    "accepts everything",
    lambda way: None,
    hint="Your test accepts all of these functions: nothing in it can raise. Choose two small "
    "images, two noises and two times, work out by hand what comes out, and assert it.",
)
examine_way.mistake(
    "half of the way",
    _at_the_half,
    hint="All times of your test are 0.5. There half is image and half noise, whichever way time "
    "runs, and one time for all is right as well. Take two times, and not 0.5.",
)
examine_way.mistake(
    "the two ends",
    _at_the_ends,
    hint="At the times 0 and 1 a root is as good as no root. Take times between.",
)
examine_way.mistake(
    "one image",
    _one_image,
    hint="Your test has one image, and so one time: who takes the mean of the times, or lays them "
    "along the columns, passes. Take two images.",
)
examine_way.mistake(
    "the mixture alone",
    _the_mixture_alone,
    hint="You look at the samples only. The velocity can be wrong by itself.",
)
