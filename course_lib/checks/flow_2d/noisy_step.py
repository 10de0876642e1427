"""Check of the exercise `noisy_step`: one Euler-Maruyama step on the straight path."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check


def reference(x: Tensor, velocity: Tensor, t: float, h: float, g: float, z: Tensor) -> Tensor:
    """Take one step with noise on the way.

    Args:
        x: (B, 2), points at time t.
        velocity: (B, 2), the marginal velocity there, on the straight path.
        t: time in [0, 1); 0 is noise and 1 is data.
        h: length of the step, more than 0.
        g: strength of the noise, at least 0.
        z: (B, 2), standard normal numbers.

    Returns:
        (B, 2), the points at t + h.

    Source: eq-flow-sde, eq-flow-denoiser.
    """
    return _step(x, velocity, t, h, g, z)


def _step(
    x: Tensor,
    velocity: Tensor,
    t: float,
    h: float,
    g: float,
    z: Tensor,
    *,
    pull: float = 0.5,
    power: int = 2,
    score: str = "right",
    fresh: str = "root",
) -> Tensor:
    """The step, with one thing at a time that can be made wrong."""
    slope = {
        "right": (t * velocity - x) / (1 - t),
        "by t": (t * velocity - x) / t if t else -x / (t + 1e-3),
        "not divided": t * velocity - x,
        "of the noise": x - t * velocity,
        "t forgotten": (velocity - x) / (1 - t),
        "by the variance": (t * velocity - x) / (1 - t) ** 2,
    }[score]
    added = {
        "root": g * h**0.5 * z,
        "not scaled": g * z,
        "by h": g * h * z,
        "variance": g**2 * h * z,
        "langevin": g * (2 * h) ** 0.5 * z,
        "none": 0 * z,
    }[fresh]
    return x + h * (velocity + pull * g**power * slope) + added


def _draw(generator: torch.Generator, low: float = 0.2, high: float = 0.8) -> tuple:
    x, velocity, z = torch.randn(3, 5, 2, generator=generator, dtype=torch.float64)
    t, h, g = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
    t = low + (high - low) * t
    t += 0.1 if abs(t - 0.5) < 0.05 else 0.0  # where t and 1 - t are too much alike
    return x, velocity, t, 0.02 + 0.1 * h, 1.3 + g, z


def _still(generator: torch.Generator) -> tuple:
    """No noise: Euler's step."""
    x, velocity, t, h, _, z = _draw(generator)
    return x, velocity, t, h, 0.0, z


def _silent(generator: torch.Generator) -> tuple:
    """The dice show 0: what is left is the drift."""
    x, velocity, t, h, g, z = _draw(generator)
    return x, velocity, t, h, g, 0 * z


def _early(generator: torch.Generator) -> tuple:
    """At t = 0 the points are noise, whose score is -x, whatever the velocity says."""
    x, velocity, _, h, g, z = _draw(generator)
    return x, velocity, 0.0, h, g, z


noisy_step = Check(
    "noisy_step",
    lab="flow_2d",
    level="build",
    minutes=15,
    reference=reference,
    example=_draw,
)
for _name, _points, _from, _what in (
    ("without noise it is Euler's step", 1, _still, "with g = 0, the step"),
    ("at t = 0 the pull leads to the middle", 1, _early, "at t = 0, the step"),
    ("the pull makes up for the noise", 2, _silent, "at t = {2:.3g} with g = {4:.3g} and z = 0, "
     "the step"),
    ("a whole step", 2, _draw, "at t = {2:.3g} with h = {3:.3g} and g = {4:.3g}, the step"),
):  # fmt: skip
    noisy_step.equals_reference(_name, points=_points, example=_from, what=_what)

noisy_step.mistake(
    "the sign of the score",
    partial(_step, score="right", pull=-0.5),
    hint="Your pull has the wrong sign: it pushes points away from where the density is high, as "
    "the noise does already. The score points to where they are dense, and the pull is added.",
)
noisy_step.mistake(
    "g in place of its square",
    partial(_step, power=1),
    hint="Your pull grows as g. The noise has the deviation g, but what spreads a density is its "
    "variance: the pull is g^2 / 2 times the score.",
)
noisy_step.mistake(
    "the half forgotten",
    partial(_step, pull=1.0),
    hint="The pull is twice too strong, and the points would gather too closely: half of g^2 is "
    "what the noise needs.",
)
noisy_step.mistake(
    "the root of h forgotten",
    partial(_step, fresh="not scaled"),
    hint="The length of the step is missing in the noise. The variance of independent noise adds "
    "up over the steps, so a step of length h has the variance g^2 h and the deviation g sqrt(h).",
)
noisy_step.mistake(
    "h in place of its root",
    partial(_step, fresh="by h"),
    hint="Your noise has the deviation g h. Its *variance* is in proportion to h: with twice as "
    "many steps of half the length, deviations g h would average out to less and less noise.",
)
noisy_step.mistake(
    "the variance of the noise",
    partial(_step, fresh="variance"),
    hint="You multiply z by g^2 h. That is the variance; a normal number is multiplied by its "
    "root, the deviation.",
)
noisy_step.mistake(
    "the noise of langevin's recipe",
    partial(_step, fresh="langevin"),
    hint="Your noise has the deviation g sqrt(2 h). The 2 belongs to Langevin's recipe, whose step "
    "along the score is h; here it is g^2 h / 2, and twice that is g^2 h.",
)
noisy_step.mistake(
    "no noise",
    partial(_step, fresh="none"),
    hint="The pull alone gathers points where they are dense. The noise that it makes up for is "
    "missing: add g sqrt(h) z.",
)
noisy_step.mistake(
    "no pull",
    partial(_step, pull=0.0),
    hint="You add noise to Euler's step and nothing makes up for it: the points spread. Add "
    "g^2 / 2 times the score to the velocity.",
)
noisy_step.mistake(
    "the pull not multiplied by h",
    lambda x, velocity, t, h, g, z: (
        _step(x, velocity, t, h, g, z) + (1 - h) * g**2 / 2 * (t * velocity - x) / (1 - t)
    ),
    hint="You add the whole pull in each step. It is part of the drift, a velocity: a step of "
    "length h takes h times of it.",
)
noisy_step.mistake(
    "the other end's denominator",
    partial(_step, score="by t"),
    hint="You divide the score by t. Solve u = (x + (1 - t) s) / t for s: t u - x is what is on "
    "the right, and the share of noise, 1 - t, is what it is divided by.",
)
noisy_step.mistake(
    "the score not divided",
    partial(_step, score="not divided"),
    hint="t u - x is the score times 1 - t. Divide by 1 - t: the nearer the data, the steeper.",
)
noisy_step.mistake(
    "the noise for the score",
    partial(_step, score="of the noise"),
    hint="x - t u is the noise that is probably in x. The score is minus that, divided by its "
    "scale 1 - t.",
)
noisy_step.mistake(
    "divided by the variance",
    partial(_step, score="by the variance"),
    hint="You divide by (1 - t)^2. x - t u is a guess of the noise itself, with deviation 1, not "
    "of 1 - t times the noise: divide by 1 - t once.",
)
noisy_step.mistake(
    "t before the velocity forgotten",
    partial(_step, score="t forgotten"),
    hint="In your score the velocity is not multiplied by t. At t = 0 the points are pure noise, "
    "whose score is -x: no velocity may be in it.",
)
