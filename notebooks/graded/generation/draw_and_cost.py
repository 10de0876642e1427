"""Check of the question `draw_and_cost`: repair what draws a code and what the code costs."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Check
from course_lib.checks.kinds import Repair

CHOICES = {
    "says": {
        "log std": "the logarithm of each number's standard deviation",
        "log precision": "the logarithm of each number's precision, which is 1 divided by the "
        "variance",
        "half variance": "each number's variance divided by 2, always above 0",
    },
    "prior_std": [0.5, 2.0, 3.0],
    "free": [0.05, 0.1, 0.2],
    "free_of": {
        "number": "Of the cost of each number of a code, averaged over the batch, what is below "
        "«free» nats costs «free» nats all the same; the results are added up over the numbers",
        "code": "The cost of each code is added up over its numbers; a code that costs less than "
        "«free» nats costs «free» nats all the same; the results are averaged over the batch",
    },
}


def _std(raw: Tensor, says: str) -> Tensor:
    if says == "log std":
        return raw.exp()
    if says == "log precision":
        return (-0.5 * raw).exp()
    if says == "half variance":
        return (2 * raw).sqrt()
    return (0.5 * raw).exp()  # the logarithm of the variance, as everywhere else


def _step(
    mean: Tensor,
    raw: Tensor,
    noise: Tensor,
    *,
    p: dict,
    spread: str = "right",
    prior: str = "right",
    bound: str = "right",
    sign: float = 1.0,
    cut: bool = False,
    says: str = "",
    free: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The code and its cost, with each part right or wrong."""
    std = _std(raw, says or p["says"])
    s, free = p["prior_std"], p["free"] if free is None else free
    z = mean + {"right": std, "squared": std**2}[spread] * noise
    s = 1.0 if prior == "standard" else s
    ratio = {"right": std / s, "standard": std, "inverse": s / std}[prior]
    nats = sign * 0.5 * (ratio**2 + (mean / s) ** 2 - 1) - sign * ratio.log()
    bound = p["free_of"] if bound == "right" else bound
    if bound == "number":
        cost = nats.mean(0).clamp(min=free).sum()
    elif bound == "code":
        cost = nats.sum(1).clamp(min=free).mean()
    elif bound == "at most":
        cost = nats.clamp(max=free).sum(1).mean()
    else:
        cost = nats.sum(1).mean()
    return z.detach() if cut else z, cost


BUGS: dict[str, Any] = {"spread": "squared", "prior": "standard", "bound": "at most", "cut": True}


def solution(p: dict) -> str:
    std = {
        "log std": "raw.exp()",
        "log precision": "(-0.5 * raw).exp()",
        "half variance": "(2 * raw).sqrt()",
    }[p["says"]]
    cost = {
        "number": f"nats.mean(dim=0).clamp(min={p['free']}).sum()",
        "code": f"nats.sum(dim=1).clamp(min={p['free']}).mean()",
    }[p["free_of"]]
    s = p["prior_std"]
    return f"""\
std = {std}
code = mean + std * noise
ratio = std / {s}
nats = 0.5 * (ratio**2 + (mean / {s}) ** 2 - 1) - ratio.log()
return code, {cost}"""


def facts(p: dict, data: object) -> dict:
    free_of = CHOICES["free_of"][p["free_of"]].replace("«free»", str(p["free"]))
    std = {
        "log std": "raw.exp()",
        "log precision": "(-0.5 * raw).exp()",
        "half variance": "(2 * raw).sqrt()",
    }[p["says"]]
    return {
        "free_of": free_of,
        "cell:draw_and_cost-given": f"""\
def with_bugs(mean, raw, noise):
    std = {std}
    code = (mean + std**2 * noise).detach()
    nats = 0.5 * (std**2 + mean**2 - 1) - std.log()
    return code, nats.clamp(max={p["free"]}).sum(dim=1).mean()""",
    }


def _draw(generator: torch.Generator, *, p: dict, small: bool = True) -> tuple:
    """Codes near the prior, where the free nats count, and others that are not."""
    scale = torch.tensor([0.05, 0.1, 0.4, 1.2]) if small else torch.full((4,), 0.9)
    near = scale * torch.randn(6, 4, generator=generator)
    near[:2] *= 0.1
    std = p["prior_std"] * near.exp()
    raw = {"log std": std.log(), "log precision": -2 * std.log(), "half variance": std**2 / 2}
    mean = p["prior_std"] * scale * torch.randn(6, 4, generator=generator)
    mean[:2] *= 0.1
    return mean, raw[p["says"]].clone(), torch.randn(6, 4, generator=generator)


def _code(function: Any, arguments: tuple) -> Any:
    return _pair(function(*arguments))[0]


def _cost(function: Any, arguments: tuple) -> Any:
    return _pair(function(*arguments))[1]


def _pair(got: Any) -> tuple:
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise AssertionError(f"return the code and its cost, a pair; got {type(got).__name__}")
    return got[0], got[1]


def _gradient(function: Any, arguments: tuple) -> Any:
    """How the code depends on what the encoder says."""
    mean, raw, noise = arguments
    inputs = [mean.clone().requires_grad_(), raw.clone().requires_grad_()]
    code = _code(function, (*inputs, noise))
    if not isinstance(code, Tensor) or not code.requires_grad:
        raise AssertionError("the code has no gradient: the encoder would hear nothing of it")
    weights = torch.linspace(1, 2, code.numel()).view_as(code)
    found = torch.autograd.grad((code * weights).sum(), inputs, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]


def _everything(function: Any, arguments: tuple) -> Any:
    code, cost = _pair(function(*arguments))
    try:
        return code, cost, _gradient(function, arguments)
    except AssertionError:
        return code, cost, None


def check(p: dict) -> Check:
    right = partial(_step, p=p)

    def reference(mean: Tensor, raw: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        return right(mean, raw, noise)

    made = Repair(
        "draw_and_cost",
        lab="generation",
        level="build",
        minutes=25,
        reference=reference,
        broken=partial(_step, p=p, **BUGS),
        example=partial(_draw, p=p),
        probe=_everything,
    )

    @made.bug(
        "the code has the spread that the encoder says",
        left=partial(_step, p=p, spread="squared"),
        hint="You multiply the noise with the variance. A number with standard deviation s is "
        "mean + s times noise.",
    )
    def _spread(student: Any, generator: torch.Generator) -> None:
        arguments = _draw(generator, p=p, small=False)
        got, wanted = _code(student, arguments), _code(reference, arguments)
        assert isinstance(got, Tensor) and got.shape == wanted.shape, "the code has another shape"
        moved, ours = (got - arguments[0]).std().item(), (wanted - arguments[0]).std().item()
        assert torch.allclose(got, wanted, atol=1e-4), (
            f"around their means, the codes spread by {moved:.3f}, wanted {ours:.3f}"
        )

    @made.bug(
        "the prior has the standard deviation of the statement",
        left=partial(_step, p=p, prior="standard"),
        hint="You measure against a prior with standard deviation 1. Divide mean and standard "
        "deviation by the prior's first.",
    )
    def _prior(student: Any, generator: torch.Generator) -> None:
        mean, raw, noise = _draw(generator, p=p, small=False)
        far = mean * 6  # nothing is free here
        got, wanted = (_cost(f, (far, raw, noise)) for f in (student, reference))
        gain = float(got) / float(wanted)
        if p["free_of"] == "number" or float(got) > 1:
            assert abs(gain - 1) < 1e-3, f"codes far from the mean cost {gain:.3f} of what they do"
        else:
            raise AssertionError(f"codes far from the mean cost {float(got):.3f} nats")

    @made.bug(
        "the least cost is a least cost",
        left=partial(_step, p=p, bound="at most"),
        hint="You cut the cost off above. The free nats are a lower bound, clamp(min=...), applied "
        "where the statement says.",
    )
    def _least(student: Any, generator: torch.Generator) -> None:
        mean, raw, noise = _draw(generator, p=p)
        s = torch.full_like(raw, p["prior_std"])
        at = {"log std": s.log(), "log precision": -2 * s.log(), "half variance": s**2 / 2}
        got = float(_cost(student, (torch.zeros_like(mean), at[p["says"]], noise)))
        wanted = p["free"] * (4 if p["free_of"] == "number" else 1)
        assert abs(got - wanted) < 1e-4, (
            f"codes that are the prior's own cost {got:.4f} nats, wanted {wanted:.4f}: what is free"
        )

    made.equals_reference(
        "the encoder hears of the code",
        points=1,
        probe=_gradient,
        example=partial(_draw, p=p, small=False),
        what=("the gradient at the means", "the gradient at raw"),
        tolerance=1e-4,
    )
    made.mistake(
        "left: the code is detached",
        partial(_step, p=p, cut=True),
        hint="The code is detached, so the decoder's gradient never reaches the encoder. Noise "
        "needs no gradient; mean and spread do.",
    )
    made.equals_reference(
        "code and cost, near the prior and far from it",
        points=2,
        probe=lambda function, arguments: _pair(function(*arguments)),
        example=[partial(_draw, p=p), partial(_draw, p=p, small=False)],
        what=("the code", "the cost"),
        tolerance=1e-4,
    )
    made.mistake(
        "unchanged",
        made.broken,
        hint="This is the function as it was given to you. Read it line by line: four things are "
        "wrong.",
    )
    made.mistake(
        "raw taken for the logarithm of the variance",
        partial(_step, p=p, says="log variance"),
        hint="You take raw for the logarithm of the variance, as most code does. Here it says "
        "something else.",
    )
    made.mistake(
        "the other side of the divergence",
        partial(_step, p=p, prior="inverse"),
        hint="You exchanged code and prior in the ratio of the standard deviations.",
    )
    for other in ("number", "code"):
        if other != p["free_of"]:
            made.mistake(
                f"free nats for each {other}",
                partial(_step, p=p, bound=other),
                hint="The lower bound is applied at another place: before or after the sum over "
                "the numbers, before or after the mean over the batch?",
            )
    made.mistake(
        "nothing is free",
        partial(_step, p=p, bound="none"),
        hint="You left out the free nats.",
    )
    return made
