"""Check of the exercise `time_waves`: what a network is told of the time."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import assert_close
from course_lib.checks.core import Check


def reference(t: Tensor, num: int) -> Tensor:
    """Return waves of 1000 t, from fast to slow: cosines first, then sines.

    Args:
        t: (B,), from 0 to 1.
        num: how many numbers, even.

    Returns:
        (B, num). The angular frequencies are 10000 ** (-k / (num / 2)) for k from 0.

    Source: arXiv:1706.03762, section 3.5.
    """
    return _waves(t, num)


def _waves(
    t: Tensor,
    num: int,
    *,
    scale: float = 1000.0,
    slowest: float = 1e4,
    last: int = 0,
    order: str = "cosines first",
    sign: float = -1.0,
) -> Tensor:
    """The waves, with one thing at a time that can be made wrong."""
    half = num // 2
    k = torch.arange(half, dtype=torch.float32)
    angle = scale * t.float()[:, None] * torch.exp(sign * math.log(slowest) * k / (half - last))
    cosines, sines = angle.cos(), angle.sin()
    return {
        "cosines first": lambda: torch.cat([cosines, sines], dim=1),
        "sines first": lambda: torch.cat([sines, cosines], dim=1),
        "in turns": lambda: torch.stack([cosines, sines], dim=2).flatten(1),
        "sines alone": lambda: torch.cat([sines, sines], dim=1),
        "one after the other": lambda: torch.cat([cosines, sines], dim=0),
    }[order]()


def _draw(generator: torch.Generator, *, times: int = 5, num: int = 8) -> tuple[Tensor, int]:
    return torch.rand(times, generator=generator), num


time_waves = Check(
    "time_waves", lab="flow_pictures", level="build", minutes=12, reference=reference, example=_draw
)


@time_waves.holds("neighbouring times are told apart", points=1)
def _apart(student: Any, generator: torch.Generator) -> None:
    """A hundredth of the way apart: of the right waves the fast ones have turned several times."""
    t = 0.2 + 0.6 * torch.rand(1, generator=generator)
    got = student(torch.cat([t, t + 0.01]), 16)
    assert isinstance(got, Tensor) and got.shape == (2, 16), (
        f"for two times and 16 numbers you return {_said(got)}, wanted a tensor of shape (2, 16)"
    )
    far = float((got[1] - got[0]).norm())
    assert far > 0.5, (
        f"what you say of the times {float(t):.3f} and {float(t) + 0.01:.3f} differs by {far:.3f}, "
        "as a vector of 16 numbers up to 1; wanted at least 0.5"
    )


def _said(value: Any) -> str:
    shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
    return f"a {type(value).__name__}{shape}"


@time_waves.holds("at time 0 all cosines are 1 and all sines 0", points=1)
def _zero(student: Any, generator: torch.Generator) -> None:
    wanted = torch.cat([torch.ones(3, 3), torch.zeros(3, 3)], dim=1)
    assert_close(student(torch.zeros(3), 6), wanted, "at time 0, the waves")


time_waves.equals_reference(
    "the waves of the statement",
    points=2,
    example=[_draw, partial(_draw, num=2), partial(_draw, times=1, num=14)],
    what="for {1} numbers, the waves",
    tolerance=1e-3,
)

time_waves.mistake(
    "t as it is",
    partial(_waves, scale=1.0),
    hint="You take waves of t itself. The fastest then makes a sixth of a turn over the whole way "
    "and the others hardly move: the network is told nearly the same at all times. The recipe was "
    "made for step numbers up to 1000: use 1000 t.",
)
time_waves.mistake(
    "t in turns",
    partial(_waves, scale=2000 * math.pi),
    hint="You have a factor of 2 pi too much: the frequencies of the statement are angular ones.",
)
time_waves.mistake(
    "from slow to fast",
    partial(_waves, sign=1.0),
    hint="Your frequencies grow with k, to ten thousand times 1000 t. No network can read such "
    "waves. The sign in the exponent is a minus.",
)
time_waves.mistake(
    "the slowest reached",
    partial(_waves, last=1),
    hint="You divide k by num / 2 - 1, so that the slowest wave is exactly 10000 times as slow. "
    "Some libraries do that. Here it is num / 2.",
)
time_waves.mistake(
    "sines first",
    partial(_waves, order="sines first"),
    hint="You return the sines first. That is a convention, as good as the other; but weights that "
    "were trained with one do not fit the other.",
)
time_waves.mistake(
    "in turns",
    partial(_waves, order="in turns"),
    hint="Cosines and sines come in turns in your answer. Wanted: all cosines, then all sines.",
)
time_waves.mistake(
    "sines alone",
    partial(_waves, order="sines alone"),
    hint="You return the sines twice. A sine alone has the same value at two times of each turn; "
    "with its cosine beside it, it tells them apart.",
)
time_waves.mistake(
    "a hundred",
    partial(_waves, slowest=100.0),
    hint="Your slowest waves are too fast: the frequencies go down to a ten-thousandth, not to a "
    "hundredth.",
)
time_waves.mistake(
    "below each other",
    partial(_waves, order="one after the other"),
    hint="You put cosines and sines below each other. Each time has one row: cat along dim=1.",
)
