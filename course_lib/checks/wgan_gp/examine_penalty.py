"""Check of the exercise `examine_penalty`: write a test that finds wrong gradient penalties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks.kinds import WriteTest
from course_lib.checks.wgan_gp.gradient_penalty import gradient_penalty

Penalty = Callable[..., Tensor]
SHAPE = (2, 2, 1, 2)
REAL, FAKE = torch.ones(SHAPE), torch.full(SHAPE, -0.5)
MIX = torch.tensor([0.25, 0.5])  # the points lie at -0.125 and at 0.25, in each of four numbers


class Bowl(nn.Module):
    """A critic whose gradient is known: scale times the image."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, images: Tensor) -> Tensor:
        """Return scale / 2 times the squared norm of each image, (B,)."""
        return self.scale / 2 * images.flatten(1).square().sum(1)


def reference(gradient_penalty: Penalty) -> None:
    """Raise AssertionError if a function is not WGAN-GP's penalty."""
    critic = Bowl()
    penalty = gradient_penalty(critic, REAL, FAKE, MIX)
    # The norms are 2 · 0.125 and 2 · 0.25.
    assert abs(penalty.item() - (0.75**2 + 0.5**2) / 2) < 1e-5
    penalty.backward()
    assert critic.scale.grad is not None
    assert abs(critic.scale.grad.item() - (-2 * 0.75 * 0.25 - 2 * 0.5 * 0.5) / 2) < 1e-5


def _by_lerp(critic: Any, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """A right answer with other words."""
    points = torch.lerp(fake, real, mix.reshape(-1, *[1] * (real.ndim - 1))).requires_grad_()
    scores = critic(points)
    ones = torch.ones_like(scores)
    slope = torch.autograd.grad(scores, points, grad_outputs=ones, create_graph=True)[0]
    return (torch.linalg.vector_norm(slope.reshape(len(real), -1), dim=1) - 1).pow(2).mean()


def _one_by_one(critic: Any, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """A right answer with a loop over the images."""
    total = torch.zeros(())
    for a, b, share in zip(real, fake, mix, strict=True):
        point = (share * a + (1 - share) * b)[None].detach().requires_grad_()
        (slope,) = torch.autograd.grad(critic(point).sum(), point, create_graph=True)
        total = total + (slope.square().sum().sqrt() - 1) ** 2
    return total / len(real)


examine_penalty = WriteTest(
    "examine_penalty",
    lab="wgan_gp",
    level="stretch",
    minutes=25,
    reference=reference,
    of=gradient_penalty,
    right=(gradient_penalty.reference, _by_lerp, _one_by_one),
    wrong=(
        "create_graph forgotten",
        "penalty at the real points",
        "real and fake swapped",
        "one place for the whole batch",
        "gradient of the mean score",
        "norm over the batch",
        "norm over the channels",
        "one-sided",
    ),
)


def _nothing_is_right(gradient_penalty: Penalty) -> None:
    assert gradient_penalty(Bowl(), REAL, FAKE, MIX) == 0


def _value_only(gradient_penalty: Penalty) -> None:
    penalty = gradient_penalty(Bowl(), REAL, FAKE, MIX)
    assert abs(penalty.item() - (0.75**2 + 0.5**2) / 2) < 1e-5


def _line(gradient_penalty: Penalty) -> None:
    """The critic is a line: its slope is the same everywhere, 2 for images of four numbers."""
    weight = torch.ones((), requires_grad=True)
    penalty = gradient_penalty(lambda x: weight * x.flatten(1).sum(1), REAL, FAKE, MIX)
    penalty.backward()
    assert abs(penalty.item() - 1) < 1e-5
    assert weight.grad is not None


def _one_image(gradient_penalty: Penalty) -> None:
    critic = Bowl()
    penalty = gradient_penalty(critic, REAL[:1], FAKE[:1], MIX[:1])
    penalty.backward()
    assert abs(penalty.item() - 0.75**2) < 1e-5
    assert critic.scale.grad is not None


def _above_one(gradient_penalty: Penalty) -> None:
    critic = Bowl(10.0)
    penalty = gradient_penalty(critic, REAL, FAKE, MIX)
    penalty.backward()
    assert abs(penalty.item() - (1.5**2 + 4.0**2) / 2) < 1e-4
    assert critic.scale.grad is not None


examine_penalty.mistake(
    "accepts everything",
    lambda gradient_penalty: None,
    hint="Your test accepts every function: nothing in it can raise. Take a critic whose gradient "
    "you know, work out the penalty by hand, and assert.",
)
examine_penalty.mistake(
    "rejects everything",
    _nothing_is_right,
    hint="Your test rejects right functions and wrong ones alike. Print what a right one gives for "
    "your example, and do the sum by hand once more.",
)
examine_penalty.mistake(
    "the value only",
    _value_only,
    hint="Your test looks at the value only. What is a penalty good for if a training cannot "
    "follow it? Call backward(), and look at the critic.",
)
examine_penalty.mistake(
    "a critic with one slope everywhere",
    _line,
    hint="Your critic has the same slope everywhere, so it does not matter where the penalty "
    "looks. Take one whose gradient depends on the place.",
)
examine_penalty.mistake(
    "one image",
    _one_image,
    hint="Your batch has one image. What goes wrong between images, a mean, a norm or a place that "
    "all share, cannot be seen in it.",
)
examine_penalty.mistake(
    "slopes above 1 only",
    _above_one,
    hint="All slopes of your example are above 1. The penalty has two sides: what does a function "
    "give where the slope is too small?",
)
