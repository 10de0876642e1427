"""Check of the exercise `find_code`: the code that makes a generator draw an image."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks.compare import pair
from course_lib.checks.core import Check


def reference(
    generator: nn.Module, image: Tensor, z: Tensor, steps: int, lr: float
) -> tuple[Tensor, float]:
    """Go down the squared error by plain gradient steps, and return the best code on the way.

    Args:
        generator: codes (1, D) to images (1, C, H, W); it learns nothing.
        image: (1, C, H, W).
        z: (1, D), where to begin.
        steps: how many.
        lr: length of a step, times the gradient.

    Returns:
        The code (1, D) with the smallest error of all steps + 1 that were visited, and that error,
        a squared difference summed over the image.
    """
    return _search(generator, image, z, steps, lr)


def _search(
    generator: nn.Module,
    image: Tensor,
    z: Tensor,
    steps: int,
    lr: float,
    *,
    sign: float = -1.0,
    gives: str = "best",
    error: str = "sum",
    cleared: bool = True,
    last: bool = True,
    start: bool = True,
    stretch: float = 1.0,
) -> tuple[Tensor, float]:
    """The search, with one thing at a time that can be made wrong."""
    z = z.detach().clone()
    visited: list[tuple[float, Tensor]] = []
    total = torch.zeros_like(z)
    for step in range(steps + 1):
        z = z.detach().requires_grad_()
        difference = generator(z) - image
        if error == "absolute":
            value = difference.abs().sum()
        else:
            value = difference.square().sum() if error == "sum" else difference.square().mean()
        visited.append((value.item(), z.detach()))
        (slope,) = torch.autograd.grad(value, z)
        total = slope if cleared else total + slope
        if step < steps:
            z = z.detach() + sign * stretch * lr * total
    if not last:
        visited = visited[:-1] or visited
    if not start:
        visited = visited[1:] or visited
    if gives == "last":
        return visited[-1][1], visited[-1][0]
    value, best = (max if gives == "worst" else min)(visited, key=lambda v: v[0])
    if gives == "last code, best error":
        return visited[-1][1], value
    return best, value


class _Generator(nn.Module):
    """A curved generator of 2 by 3 pixels, from codes of 2 numbers."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(2, 4, generator=generator).double())
        self.last = nn.Parameter(0.6 * torch.randn(4, 6, generator=generator).double())

    def forward(self, z: Tensor) -> Tensor:
        """Return (B, 1, 2, 3)."""
        return ((z @ self.first).tanh() @ self.last).view(-1, 1, 2, 3)


def _draw(
    generator: torch.Generator,
    *,
    steps: int = 12,
    lr: float = 0.02,
    at_home: bool = False,
    near: bool = False,
) -> tuple:
    """An image that the generator can nearly draw, and a code that is not its own."""
    net = _Generator(generator)
    home = torch.randn(1, 2, generator=generator).double()
    with torch.no_grad():
        image = net(home)
    if not at_home and not near:
        image = image + 0.3 * torch.randn(image.shape, generator=generator).double()
    z = 0.7 * torch.randn(1, 2, generator=generator).double()
    z = home if at_home else home + 0.01 * z if near else z
    return net, image, z.clone(), steps, lr


def _example(generator: torch.Generator) -> tuple:
    """Steps that are short, or so long that the last code is not the best, or even the first is."""
    kind = float(torch.rand((), generator=generator))
    if kind < 0.4:
        return _draw(generator, lr=0.02, steps=7)
    return _draw(generator, lr=0.6 if kind < 0.7 else 3.0, steps=7, near=kind >= 0.7)


def _probe(student: Any, arguments: tuple) -> tuple[Any, Any]:
    code, error = pair(student(*arguments), "a code and its error")
    if isinstance(error, Tensor) and error.numel() == 1:
        error = error.item()
    return (code.detach() if isinstance(code, Tensor) else code), error


find_code = Check(
    "find_code",
    lab="four_steps_generation",
    level="build",
    minutes=20,
    reference=reference,
    example=_example,
    probe=_probe,
)
find_code.equals_reference(
    "without a step, the code where it begins",
    points=1,
    example=[partial(_draw, steps=0), partial(_draw, steps=0, at_home=True)],
    what=("without a step, the code", "without a step, the error"),
)
find_code.equals_reference(
    "short steps go down",
    points=2,
    example=[partial(_draw, steps=1), _draw, partial(_draw, steps=30)],
    what=("after {3} short steps, the code", "after {3} short steps, the error"),
)
find_code.equals_reference(
    "of long steps the best code counts",
    points=1,
    example=[
        *[partial(_draw, steps=steps, lr=0.6) for steps in (3, 4, 7, 8)],
        *[partial(_draw, steps=steps, lr=3.0, near=True) for steps in (1, 2, 5)],
    ],
    what=("after {3} long steps, the code", "after {3} long steps, the error"),
)


@find_code.holds("the generator stays as it is", points=1)
def _untouched(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator)
    code, _ = pair(student(*arguments), "a code and its error")
    assert isinstance(code, Tensor), f"the code is a {type(code).__name__}, wanted a torch.Tensor"
    assert not torch.equal(code.detach(), arguments[2]), "the code has not moved"
    left = [p for p in student.given[0].parameters() if p.grad is not None and p.grad.any()]
    assert not left, (
        "afterwards the generator's weights have gradients: the next step of whoever trains it "
        "would follow them"
    )


find_code.mistake(
    "uphill",
    partial(_search, sign=1.0),
    hint="You add the gradient: the error grows with every step. Subtract it.",
)
find_code.mistake(
    "the last code",
    partial(_search, gives="last"),
    hint="You return the last code. A step may overshoot, so the last is not always the best: keep "
    "the one with the smallest error so far.",
)
find_code.mistake(
    "the last code with the best error",
    partial(_search, gives="last code, best error"),
    hint="Your error is that of the best code, and the code you return is another, the last. Keep "
    "both together.",
)
find_code.mistake(
    "the worst code",
    partial(_search, gives="worst"),
    hint="You keep the code with the *largest* error.",
)
find_code.mistake(
    "the mean error",
    partial(_search, error="mean"),
    hint="You average the squared differences. Here they are summed; with the mean each step is "
    "shorter by the number of pixels.",
)
find_code.mistake(
    "absolute differences",
    partial(_search, error="absolute"),
    hint="You sum absolute differences. The statement asks for squares.",
)
find_code.mistake(
    "gradients that add up",
    partial(_search, cleared=False),
    hint="Your gradients add up from step to step: z.grad is never cleared. Set it to None, or ask "
    "torch.autograd.grad, which stores nothing.",
)
find_code.mistake(
    "the last code is never judged",
    partial(_search, last=False),
    hint="You judge each code before its step, so the one behind the last step is never judged. "
    "There are steps + 1 codes.",
)
find_code.mistake(
    "the beginning is not judged",
    partial(_search, start=False),
    hint="You judge each code after its step, so the one where you begin is never judged. It may "
    "be the best, if the steps are long.",
)
find_code.mistake(
    "half a step",
    partial(_search, stretch=0.5),
    hint="Your steps are half as long: did you halve the error? It is the whole sum of squares.",
)
