"""Check of the exercise `draw_codes`: repair the way from noise over codes to pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.kinds import Repair

Field = Callable[[Tensor, float], Tensor]
Decoder = Callable[[Tensor], Tensor]


def reference(
    field: Field,
    decoder: Decoder,
    codebook: Tensor,
    mean: Tensor,
    std: Tensor,
    noise: Tensor,
    steps: int,
) -> Tensor:
    """Return pictures: Euler's method from noise to scaled codes, unscaled, quantised, decoded.

    Args:
        field: the velocity (B, C, h, w) at a state and a time; 0 is noise and 1 is data.
        decoder: of the codes' vectors (B, C, h, w).
        codebook: (K, C).
        mean: (C, 1, 1), by which codes were shifted before the flow learned them.
        std: (C, 1, 1), by which they were divided then.
        noise: (B, C, h, w).
        steps: of Euler's method.
    """
    return _draw(field, decoder, codebook, mean, std, noise, steps)


def _draw(
    field: Field,
    decoder: Decoder,
    codebook: Tensor,
    mean: Tensor,
    std: Tensor,
    noise: Tensor,
    steps: int,
    *,
    time: str = "forwards",
    last: str = "done",
    scale: str = "undone",
    choice: str = "nearest",
) -> Tensor:
    """The way, with each of its parts right or wrong."""
    x = noise
    for i in range(steps if last == "done" else steps - 1):
        t = {"forwards": i / steps, "backwards": 1 - i / steps, "at the end": (i + 1) / steps}[time]
        x = x + field(x, t) / steps
    u = {
        "undone": mean + std * x,
        "done again": (x - mean) / std,
        "left": x,
        "in the wrong order": std * (x + mean),
        "without the mean": std * x,
    }[scale]
    if choice == "none":
        return decoder(u)
    flat = u.movedim(1, -1).flatten(0, 2)  # (B h w, C)
    if choice == "rows cut across":
        flat = u.reshape(-1, u.shape[1])
    nearest = torch.cdist(flat, codebook)
    codes = nearest.argmax(1) if choice == "farthest" else nearest.argmin(1)
    batch, channels, height, width = u.shape
    return decoder(codebook[codes].view(batch, height, width, channels).movedim(-1, 1))


BUGS: dict[str, Any] = {
    "time": "backwards",
    "last": "left out",
    "scale": "done again",
    "choice": "none",
}


def broken(*arguments: Any) -> Tensor:
    """The function that the learner is given."""
    return _draw(*arguments, **BUGS)


class Seen:
    """A decoder that keeps what it gets, and a field that keeps when and where it is asked."""

    def __init__(self, pull: Tensor, slope: float) -> None:
        self.pull, self.slope = pull, slope
        self.states: list[Tensor] = []
        self.times: list[float] = []
        self.decoded: list[Tensor] = []

    def field(self, x: Tensor, t: float) -> Tensor:
        """Return a velocity that depends on the time and pulls towards a place."""
        self.states.append(x.detach().clone())
        self.times.append(float(t))
        return (1 + float(t)) * self.pull - self.slope * x

    def decoder(self, u: Tensor) -> Tensor:
        """Return a picture (B, 1, 2 h, 2 w)."""
        assert isinstance(u, Tensor) and u.shape == self.pull.shape, (
            f"the decoder gets {_shape(u)}, wanted vectors of shape {tuple(self.pull.shape)}"
        )
        self.decoded.append(u.detach().clone())
        weights = torch.linspace(0.2, 1, u.shape[1])[:, None, None]
        return (u * weights).sum(1, keepdim=True).repeat_interleave(2, 2).repeat_interleave(2, 3)


def _shape(x: Any) -> str:
    return f"shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"


def _numbers(generator: torch.Generator, *, still: bool = False) -> tuple[Seen, tuple]:
    """Arguments; with `still` the field is 0 and the noise is made of scaled codes."""
    b, c, h, w, k, steps = (
        int(torch.randint(low, low + 3, (), generator=generator)) for low in (2, 3, 2, 3, 6, 4)
    )
    codebook = 2 * torch.randn(k, c, generator=generator)
    mean = torch.randn(c, 1, 1, generator=generator)
    mean = mean + mean.sign()
    std = 1.5 + 2 * torch.rand(c, 1, 1, generator=generator)
    pull = torch.randn(b, c, h, w, generator=generator)
    seen = Seen(torch.zeros_like(pull) if still else pull, 0.0 if still else 0.5)
    noise = torch.randn(b, c, h, w, generator=generator)
    if still:
        codes = torch.randint(k, (b, h, w), generator=generator)
        noise = (codebook[codes].movedim(-1, 1) - mean) / std
    return seen, (codebook, mean, std, noise, steps)


def _example(generator: torch.Generator) -> tuple:
    seen, rest = _numbers(generator)
    return (seen.field, seen.decoder, *rest)


def _picture(answer: Any, noise: Tensor) -> Tensor:
    assert answer is not None, "the result is None: is the `return` missing?"
    batch, _, height, width = noise.shape
    wanted = (batch, 1, 2 * height, 2 * width)
    assert isinstance(answer, Tensor) and tuple(answer.shape) == wanted, (
        f"got {_shape(answer)}, wanted what the decoder returns, of shape {wanted}"
    )
    return answer


def _go(student: Any, generator: torch.Generator, *, still: bool = False) -> tuple[Seen, tuple]:
    """Run the learner's function with things that remember."""
    seen, rest = _numbers(generator, still=still)

    def field(x: Tensor, t: float) -> Tensor:
        return seen.field(x, t)

    def decoder(u: Tensor) -> Tensor:
        return seen.decoder(u)

    _picture(student(field, decoder, *rest), rest[3])
    assert seen.times, "the field is never asked"
    assert seen.decoded, "the decoder is never asked"
    return seen, rest


draw_codes = Repair(
    "draw_codes",
    lab="flow_latent",
    level="build",
    minutes=20,
    reference=reference,
    broken=broken,
    example=_example,
)


@draw_codes.bug(
    "the time goes from noise to data",
    left=partial(_draw, time="backwards"),
    hint="Your first step asks the field at t = 1, where data are, with noise in its hands. Here 0 "
    "is noise: t is i / steps. (Elsewhere time runs the other way; look at the convention before "
    "you copy a loop.)",
)
def _time(student: Any, generator: torch.Generator) -> None:
    times = _go(student, generator)[0].times
    assert abs(times[0]) < 1e-6, f"the field is first asked at t = {times[0]:.2f}, wanted 0"
    assert all(a < b for a, b in zip(times, times[1:], strict=False)), (
        "the times at which the field is asked do not rise"
    )


@draw_codes.bug(
    "all steps are made",
    left=partial(_draw, last="left out"),
    hint="One step is missing: range(steps - 1) ends a step before the data. What is decoded is "
    "not there yet.",
)
def _steps(student: Any, generator: torch.Generator) -> None:
    seen, (*_, steps) = _go(student, generator)
    assert len(seen.times) == steps, f"the field is asked {len(seen.times)} times, wanted {steps}"
    t = seen.times[0]
    moved = seen.states[1] - seen.states[0]
    wanted = ((1 + t) * seen.pull - seen.slope * seen.states[0]) / steps
    assert torch.allclose(moved, wanted, atol=1e-4), (
        "the first step is not the velocity there, times 1 / steps"
    )


@draw_codes.bug(
    "the codes are unscaled",
    left=partial(_draw, scale="done again"),
    hint="You scale what is scaled. The flow learned (u - mean) / std; solve for u, and that is "
    "what list and decoder know.",
)
def _unscaled(student: Any, generator: torch.Generator) -> None:
    seen, (_, mean, std, noise, _) = _go(student, generator, still=True)
    apart = float((seen.decoded[-1] - (mean + std * noise)).abs().max())
    assert apart < 1e-3, (
        "with a field of 0, and noise that is made of scaled codes, the decoder should get those "
        f"codes' vectors; what it gets is up to {apart:.2f} away from them"
    )


@draw_codes.bug(
    "the decoder gets vectors of the list",
    left=partial(_draw, choice="none"),
    hint="The vectors that the flow draws go to the decoder as they are. In its training it saw "
    "nothing but vectors of the list: replace each by its nearest code first.",
)
def _listed(student: Any, generator: torch.Generator) -> None:
    seen, (codebook, *_) = _go(student, generator)
    vectors = seen.decoded[-1].movedim(1, -1).flatten(0, 2)
    near = torch.cdist(vectors.double(), codebook.double()).amin(1)
    strange = int((near > 1e-4).sum())
    assert not strange, (
        f"{strange} of {len(near)} vectors that the decoder gets are not in the list"
    )


draw_codes.equals_reference("on random numbers everything is right", points=2)
draw_codes.mistake(
    "unchanged",
    broken,
    hint="This is the function as it was given to you. Follow one vector from the noise to the "
    "decoder; four things are wrong.",
)
draw_codes.mistake(
    "not unscaled",
    partial(_draw, scale="left"),
    hint="The scaled codes go to the list as they are. The list was learned from codes before "
    "scaling: multiply by std and add mean first.",
)
draw_codes.mistake(
    "the mean added first",
    partial(_draw, scale="in the wrong order"),
    hint="You add the mean and then multiply. Scaling takes the mean away first and divides then; "
    "the way back has the opposite order: multiply by std, then add mean.",
)
draw_codes.mistake(
    "the mean forgotten",
    partial(_draw, scale="without the mean"),
    hint="You multiply by std and forget to add the mean.",
)
draw_codes.mistake(
    "asked at the end of each step",
    partial(_draw, time="at the end"),
    hint="You ask the field at the end of each step, with the state at its beginning. State and "
    "time must belong together: t is i / steps.",
)
draw_codes.mistake(
    "vectors cut across",
    partial(_draw, choice="rows cut across"),
    hint="reshape(-1, C) of a map (B, C, h, w) does not give the vectors: C neighbouring numbers "
    "of a row stand together. Move the channels to the end first.",
)
draw_codes.mistake(
    "the farthest code",
    partial(_draw, choice="farthest"),
    hint="You choose the code with the largest distance: argmin, not argmax.",
)
