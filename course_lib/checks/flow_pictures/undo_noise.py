"""Check of the exercise `undo_noise`: a diffusion, undone step by step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from course_lib.checks.core import Check


def reference(say_noise: nn.Module, x: Tensor, betas: Tensor, fresh: Tensor) -> Tensor:
    """Return the images that DDPM's sampler arrives at.

    Args:
        say_noise: x (B, ...) and the number of a step, an int, to the noise in x (B, ...).
        x: (B, ...), noise.
        betas: (K,), the variance that each step added; step 0 is the first one away from the data.
        fresh: (K, B, ...), standard normal; `fresh[k]` belongs to step k.

    Source: arXiv:2006.11239, algorithm 2, with the variance beta; eq-last-step.
    """
    return _undone(say_noise, x, betas, fresh)


def _undone(
    say_noise: Callable[[Tensor, int], Tensor],
    x: Tensor,
    betas: Tensor,
    fresh: Tensor,
    *,
    last: str = "no noise",
    order: str = "back",
    spread: str = "deviation",
    left: str = "all steps",
    scale: str = "of this step",
    sign: float = 1.0,
    told: int = 0,
) -> Tensor:
    """The way back, with one thing at a time that can be made wrong."""
    kept = (1 - betas).cumprod(0)  # of the data's variance
    steps = range(len(betas))
    for k in reversed(steps) if order == "back" else steps:
        beta = betas[k]
        below = {"all steps": (1 - kept[k]).sqrt(), "this step": beta.sqrt()}[left]
        above = {"of this step": 1 - beta, "of all steps": kept[k], "none": torch.ones(())}
        x = (x - sign * beta / below * say_noise(x, k + told)) / above[scale].sqrt()
        ends = k == (0 if order == "back" else len(betas) - 1)
        draws = {"no noise": not ends, "noise as well": True, "none at all": False}[last]
        if draws:
            x = x + {"deviation": beta.sqrt(), "variance": beta}[spread] * fresh[k]
    return x


class _Says(nn.Module):
    """Something that depends on the picture and on the step."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 + torch.rand(3, generator=generator))

    def forward(self, x: Tensor, k: int) -> Tensor:
        """Return (B, 1, 2, 3)."""
        return 0.4 * self.weight * x + 0.1 * (k + 1) * x.cos()


def _draw(
    generator: torch.Generator, *, steps: int = 4, images: int = 3
) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    size = (images, 1, 2, 3)
    betas = 0.1 + 0.5 * torch.rand(steps, generator=generator)
    x, fresh = (
        torch.randn(size, generator=generator),
        torch.randn(steps, *size, generator=generator),
    )
    return _Says(generator), x, betas, fresh


undo_noise = Check(
    "undo_noise",
    lab="flow_pictures",
    level="build",
    minutes=20,
    reference=reference,
    example=_draw,
)
undo_noise.equals_reference(
    "one step, the last, adds no noise",
    points=2,
    example=[partial(_draw, steps=1), partial(_draw, steps=1, images=1)],
    what="after the only step, the images",
)
undo_noise.equals_reference(
    "all steps, in the right order",
    points=2,
    example=[_draw, partial(_draw, steps=2), partial(_draw, steps=7, images=1)],
    what="after {2.shape[0]} steps, the images",
    tolerance=1e-4,
)

undo_noise.mistake(
    "noise in the last step",
    partial(_undone, last="noise as well"),
    hint="Your last step adds noise. What it returns is the image, and noise of deviation "
    "sqrt(betas[0]) stays on it: hardly to see, and counted by every measure. At step 0 add none.",
)
undo_noise.mistake(
    "no noise at all",
    partial(_undone, last="none at all"),
    hint="You add no noise in any step. Each step here draws the mean of what came before plus "
    "noise of variance beta; only the last returns the mean.",
)
undo_noise.mistake(
    "from the data on",
    partial(_undone, order="forth"),
    hint="You begin with step 0, the one next to the data. x is noise, so the last step that was "
    "done is the first to be undone: go through the steps backwards.",
)
undo_noise.mistake(
    "the variance for the deviation",
    partial(_undone, spread="variance"),
    hint="You multiply fresh noise by beta, which is its variance. The deviation is its root.",
)
undo_noise.mistake(
    "the noise of one step",
    partial(_undone, left="this step"),
    hint="You divide by the root of this step's beta. The network says the noise that *all* steps "
    "so far left in x; its variance is 1 minus the product of all 1 - beta up to here.",
)
undo_noise.mistake(
    "scaled by all steps",
    partial(_undone, scale="of all steps"),
    hint="You divide by the root of the whole product, as if the image were reached at once. One "
    "step is undone: divide by sqrt(1 - beta).",
)
undo_noise.mistake(
    "not scaled",
    partial(_undone, scale="none"),
    hint="Each step of a diffusion also shrank x, by sqrt(1 - beta). Divide by it.",
)
undo_noise.mistake(
    "noise added instead of taken",
    partial(_undone, sign=-1.0),
    hint="You add what the network takes for noise. It is to be taken away.",
)
undo_noise.mistake(
    "the next step's number",
    partial(_undone, told=1),
    hint="You tell the network another step than you undo. Steps are counted from 0, as betas are.",
)
