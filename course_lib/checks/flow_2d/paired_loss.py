"""Check of the exercise `paired_loss`: repair the loss of flow matching with paired noise."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks.kinds import Repair
from course_lib.ops import pair_by_transport


def reference(network: nn.Module, points: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Return the loss of flow matching, with the noise paired by the shortest ways.

    Args:
        network: (x (B, 2), t (B,)) to velocities (B, 2).
        points: (B, 2), the data.
        noise: (B, 2).
        t: (B,), the time of each point.

    Returns:
        Scalar, a mean over all numbers.

    Source: eq-flow-loss, eq-pairing.
    """
    return _loss(network, points, noise, t)


def _loss(
    network: nn.Module,
    points: Tensor,
    noise: Tensor,
    t: Tensor,
    *,
    pairs: str = "noise in order",
    way: str = "to the data",
    wanted: str = "velocity",
    told: str = "each its own",
    over: str = "numbers",
) -> Tensor:
    """The loss, with each of its parts right or wrong."""
    order, alone = pair_by_transport(noise, points), noise
    if pairs == "noise in order":
        noise = noise[order]
    elif pairs == "points in order":
        points = points[order]
    share = t[:, None] if way == "to the data" else 1 - t[:, None]
    x = share * points + (1 - share) * noise
    goal = {
        "velocity": points - noise,
        "point": points,
        "noise": noise,
        "back": noise - points,
        "unpaired": points - alone,
    }[wanted]
    said = network(x, t if told == "each its own" else t[:1].expand(len(t)))
    square = (said - goal).square()
    return square.mean() if over == "numbers" else square.sum()


BUGS: dict[str, Any] = {
    "pairs": "points in order",
    "way": "to the noise",
    "wanted": "point",
    "told": "all the first",
}
broken = partial(_loss, **BUGS)


class _Spy(nn.Module):
    """Says the same everywhere, and keeps what it was asked."""

    def __init__(self, said: Tensor) -> None:
        super().__init__()
        self.said = nn.Parameter(said)
        self.x: Tensor | None = None
        self.t: Tensor | None = None

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return (B, 2)."""
        self.x, self.t = x.detach().clone(), t.detach().clone()
        return self.said.expand(len(x), 2)


class _Net(nn.Module):
    """A small network of place and time."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.inner = nn.Parameter(torch.randn(3, 4, generator=generator, dtype=torch.float64))
        self.outer = nn.Parameter(torch.randn(4, 2, generator=generator, dtype=torch.float64))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return (B, 2)."""
        return (
            torch.cat([x, t.reshape(-1, 1).expand(len(x), 1)], dim=1)
            @ self.inner.tanh()
            @ (self.outer)
        )


def _batch(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Points and noise whose best order is not its own inverse."""
    while True:
        points = 1.5 * torch.randn(7, 2, generator=generator, dtype=torch.float64)
        noise = torch.randn(7, 2, generator=generator, dtype=torch.float64)
        order = pair_by_transport(noise, points)
        if (order[order] != torch.arange(7)).sum() > 2:
            t = 0.05 + 0.9 * torch.rand(7, generator=generator, dtype=torch.float64)
            return points, noise, t


def _example(generator: torch.Generator) -> tuple:
    return _Net(generator), *_batch(generator)


def _scalar(loss: Any) -> Tensor:
    assert isinstance(loss, Tensor), f"the loss is a {type(loss).__name__}, wanted a torch.Tensor"
    assert loss.ndim == 0, f"the loss has shape {tuple(loss.shape)}, wanted one number"
    assert loss.requires_grad, "the loss has no gradient at all"
    return loss


def _gradients(student: Any, arguments: tuple) -> tuple:
    """The loss, and its gradients at the network."""
    loss = _scalar(student(*arguments))
    weights = list(student.given[0].parameters())
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    return loss.detach(), [
        torch.zeros_like(w) if g is None else g for g, w in zip(found, weights, strict=True)
    ]


paired_loss = Repair(
    "paired_loss",
    lab="flow_2d",
    level="build",
    minutes=20,
    reference=reference,
    broken=broken,
    example=_example,
    probe=_gradients,
)


def _asked(student: Any, points: Tensor, noise: Tensor, t: Tensor) -> _Spy:
    """The network, after it was asked once."""
    student(_Spy(torch.zeros(2, dtype=torch.float64)), points, noise, t)
    spy: _Spy = student.given[0]
    assert spy.x is not None and spy.t is not None, "the network was not asked"
    assert spy.x.shape == points.shape, (
        f"the network gets x of shape {tuple(spy.x.shape)}, wanted {tuple(points.shape)}"
    )
    return spy


def _rows(x: Tensor) -> Tensor:
    """The rows, in an order of their own."""
    return x[x[:, 0].argsort()]


@paired_loss.bug(
    "each point has the noise that is paired with it",
    left=partial(_loss, pairs="points in order"),
    hint="order says which *noise* goes with each point: noise[order] goes with points. You put "
    "the points in this order and leave the noise as it is, which makes other pairs.",
)
def _pairs(student: Any, generator: torch.Generator) -> None:
    points, noise, _ = _batch(generator)
    x = _asked(student, points, noise, torch.full((7,), 0.5).double()).x
    middle = (points + noise[pair_by_transport(noise, points)]) / 2
    assert x is not None
    assert torch.allclose(_rows(x), _rows(middle), atol=1e-6), (
        f"at t = 0.5 the network is asked in the middle of each pair; {_shared(x, middle)} of your "
        "7 middles belong to the shortest pairs"
    )


def _shared(x: Tensor, middle: Tensor) -> int:
    return int((torch.cdist(x, middle).amin(1) < 1e-6).sum())


@paired_loss.bug(
    "t = 0 is noise and t = 1 is data",
    left=partial(_loss, way="to the noise"),
    hint="x is mixed the wrong way round: with t = 1 yours is noise, and at the times of the data "
    "the network learns what to do with noise. x = t * points + (1 - t) * noise.",
)
def _way(student: Any, generator: torch.Generator) -> None:
    points, noise, _ = _batch(generator)
    for time, name, wanted in ((0.0, "noise", noise), (1.0, "points", points)):
        x = _asked(student, points, noise, torch.full((7,), time).double()).x
        assert x is not None
        far = float((_rows(x) - _rows(wanted)).abs().max())
        assert far < 1e-6, (
            f"at t = {time:g} the network is asked up to {far:.2f} away from the {name}"
        )


@paired_loss.bug(
    "the network learns a velocity",
    left=partial(_loss, wanted="point"),
    hint="The network is taught the point where a line ends. A velocity is the whole way, done in "
    "a time of 1: points - noise. Who follows the point itself never leaves the noise behind.",
)
def _wanted(student: Any, generator: torch.Generator) -> None:
    points, noise, t = _batch(generator)
    zero, one = torch.zeros(2, dtype=torch.float64), torch.tensor([1.0, 0.0]).double()
    losses = [float(_scalar(student(_Spy(said), points, noise, t))) for said in (zero, one)]
    taught = (1 - 2 * (losses[1] - losses[0])) / 2
    wanted = float((points - noise)[:, 0].mean())
    assert math.isclose(taught, wanted, abs_tol=1e-5), (
        f"the mean of what is taught, along the first axis, is {taught:.3f}; the lines from noise "
        f"to points have the mean {wanted:.3f}"
    )


@paired_loss.bug(
    "each point's own time is told",
    left=partial(_loss, told="all the first"),
    hint="The network is told the first point's time for the whole batch. Each x was mixed with "
    "its own t: hand on t.",
)
def _told(student: Any, generator: torch.Generator) -> None:
    points, noise, t = _batch(generator)
    told = _asked(student, points, noise, t).t
    assert told is not None
    assert told.numel() == 7 and torch.allclose(told.flatten().double(), t), (
        f"the network is told the times {[round(x, 2) for x in told.flatten().tolist()][:3]} ..., "
        f"wanted {[round(x, 2) for x in t.tolist()][:3]} ..."
    )


paired_loss.equals_reference(
    "loss and gradient are right",
    points=2,
    what=("the loss", "the gradient"),
)

paired_loss.mistake(
    "unchanged",
    broken,
    hint="This is the loss as it was given to you. Follow one pair with a pencil, from t = 0 to "
    "t = 1; four things are wrong.",
)
paired_loss.mistake(
    "the velocity of the way back",
    partial(_loss, wanted="back"),
    hint="Your target points from the points to the noise. The loss falls just as well, and the "
    "flow leads away from the data: points - noise.",
)
paired_loss.mistake(
    "the noise as target",
    partial(_loss, wanted="noise"),
    hint="The network is taught the noise, as in a diffusion. Here it is asked for a velocity: "
    "points - noise.",
)
paired_loss.mistake(
    "the target from the unpaired noise",
    partial(_loss, wanted="unpaired"),
    hint="x is made from the paired noise and the target from the noise as it came: two different "
    "lines. Use noise[order] in both.",
)
paired_loss.mistake(
    "not paired",
    partial(_loss, pairs="as they came"),
    hint="The noise stays as it came. That is flow matching, too, but the ways are longer and "
    "cross more often: use order.",
)
paired_loss.mistake(
    "summed up",
    partial(_loss, over="sum"),
    hint="You add up all squares. The loss is their mean, so that it means the same for a batch of "
    "another size.",
)
