"""Check of the exercise `flow_step`: repair the training step of a flow."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks.kinds import Repair

CLASSES = 5


class _Coins:
    """Coins, to be thrown several times: each throw is another row."""

    def __init__(self, rows: Tensor) -> None:
        self.rows, self.thrown = rows, 0

    def __call__(self, num: int) -> Tensor:
        """Return (num,) bool: whose class is not told."""
        row = self.rows[self.thrown % len(self.rows)]
        self.thrown += 1
        return row[:num]


def reference(
    layers: list[nn.Module], pixels: Tensor, labels: Tensor, noise: Tensor, t: Tensor, coins: Any
) -> Tensor:
    """Return the loss of a flow whose network is told the class of some images only.

    Args:
        layers: one after the other they are the network; each is called with h (B, C, H, W), times
            (B,) and labels (B,).
        pixels: (B, C, H, W) uint8.
        labels: (B,), 0 to K - 1; -1 stands for "not told".
        noise: (B, C, H, W), standard normal.
        t: (B,), 0 for noise and 1 for data.
        coins: a function; coins(B) throws B coins, (B,) bool, true where a class is not told.

    Returns:
        Scalar, a mean over everything.

    Source: eq-flow-loss, eq-straight-path.
    """
    return _step(layers, pixels, labels, noise, t, coins)


def _step(
    layers: list[nn.Module],
    pixels: Tensor,
    labels: Tensor,
    noise: Tensor,
    t: Tensor,
    coins: Any,
    *,
    values: str = "-1 to 1",
    way: str = "image at 1",
    thrown: str = "once",
    not_told: int = -1,
    wanted: str = "image - noise",
    mean: bool = True,
    time: str = "t",
) -> Tensor:
    """The loss, with each of its parts right or wrong."""
    images = pixels / 255 if values == "0 to 1" else pixels / 127.5 - 1
    at = t.view(-1, 1, 1, 1)
    x = at * images + (1 - at) * noise if way == "image at 1" else at * noise + (1 - at) * images
    away = coins(1).expand(len(labels)) if thrown == "for all" else coins(len(labels))
    told, h = labels.masked_fill(away, not_told), x
    for number, layer in enumerate(layers):
        if thrown == "in each layer" and number:
            told = labels.masked_fill(coins(len(labels)), not_told)
        h = layer(h, 1 - t if time == "1 - t" else t, told)
    goal = {
        "image - noise": images - noise,
        "image - x": images - x,
        "noise - image": noise - images,
    }[wanted]
    error = (h - goal).square()
    return error.mean() if mean else error.sum()


BUGS: dict[str, Any] = {
    "values": "0 to 1",
    "way": "image at 0",
    "thrown": "in each layer",
    "not_told": 0,
    "wanted": "image - x",
}


def broken(
    layers: list[nn.Module], pixels: Tensor, labels: Tensor, noise: Tensor, t: Tensor, coins: Any
) -> Tensor:
    """The function that the learner is given."""
    return _step(layers, pixels, labels, noise, t, coins, **BUGS)


class _Layer(nn.Module):
    """A layer whose answer depends on all that it is told, and that keeps what it was given."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(1 + torch.rand(3, generator=generator))
        self.pull = nn.Parameter(torch.randn(CLASSES + 1, generator=generator))
        self.seen: Tensor | None = None
        self.told: Tensor | None = None

    def forward(self, h: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """Return (B, C, H, W)."""
        self.seen, self.told = h.detach(), labels.detach()
        pull = self.pull[labels + 1] * (1 + t.cos())
        return self.weight * h.sin() + pull[:, None, None, None]


class _Says(nn.Module):
    """A layer that says one value, whatever it is given; it keeps what that was."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))
        self.seen: Tensor | None = None
        self.told: Tensor | None = None

    def forward(self, h: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """Return (B, C, H, W)."""
        self.seen, self.told = h.detach(), labels.detach()
        return self.value.expand_as(h)


def _coins(rows: list[list[bool]]) -> _Coins:
    return _Coins(torch.tensor(rows))


def _example(generator: torch.Generator) -> tuple:
    """Six images of 2 by 3 pixels and three layers; the coins fall otherwise in every throw."""
    size = (6, 1, 2, 3)
    rows = torch.tensor([[1, 0, 0, 1, 0, 1], [0, 1, 0, 1, 1, 0], [0, 0, 1, 0, 0, 1]]).bool()
    return (
        [_Layer(generator) for _ in range(3)],
        torch.randint(0, 256, size, generator=generator, dtype=torch.uint8),
        torch.randint(1, CLASSES, (6,), generator=generator),
        torch.randn(size, generator=generator),
        torch.rand(6, generator=generator),
        _Coins(rows),
    )


def _looked(student: Any, arguments: tuple) -> tuple:
    """The loss, and the gradients of all layers."""
    loss = student(*arguments)
    assert isinstance(loss, Tensor), f"the loss is a {type(loss).__name__}, wanted a torch.Tensor"
    assert loss.ndim == 0, f"the loss has shape {tuple(loss.shape)}, wanted one number"
    assert loss.requires_grad, "the loss has no gradient at all"
    weights = [p for layer in student.given[0] for p in layer.parameters()]
    pulls = torch.autograd.grad(loss, weights, allow_unused=True)
    whole = [torch.zeros_like(p) if g is None else g for g, p in zip(pulls, weights, strict=True)]
    return loss.detach(), whole


flow_step = Repair(
    "flow_step",
    lab="flow_pictures",
    level="build",
    minutes=25,
    reference=reference,
    broken=broken,
    example=_example,
    probe=_looked,
)


def _asked(
    student: Any,
    layers: list[nn.Module],
    *,
    value: int = 255,
    noise: float = 0.0,
    t: float = 0.5,
    rows: list[list[bool]] | None = None,
) -> tuple[list[Any], Any]:
    """The layers as they were left, and the loss: four images of one grey level."""
    size = (4, 1, 2, 3)
    loss = student(
        layers,
        torch.full(size, value, dtype=torch.uint8),
        torch.tensor([1, 2, 3, 4]),
        torch.full(size, noise),
        torch.full((4,), t),
        _coins(rows or [[False] * 4]),
    )
    left = student.given[0]
    assert all(layer.seen is not None for layer in left), "not every layer was called"
    return left, loss


@flow_step.bug(
    "pixels from -1 to 1",
    left=partial(_step, values="0 to 1"),
    hint="Your images lie between 0 and 1. Nothing fails: the network learns that range, and the "
    "pictures that it draws are shown, or judged, as if they went from -1 to 1: grey where they "
    "should be black. Divide by 127.5 and subtract 1.",
)
def _values(student: Any, generator: torch.Generator) -> None:
    (layer,), _ = _asked(student, [_Says(0.0)], value=0)  # half of the way, without noise
    low = 2 * float(layer.seen.mean())
    assert math.isclose(low, -1, abs_tol=1e-5), (
        f"a black pixel, grey level 0, is the value {low:.2f} to your network; wanted -1"
    )


@flow_step.bug(
    "time 1 is the image",
    left=partial(_step, way="image at 0"),
    hint="The share of the noise is t in your mixture, so time 1 is noise, while the wanted "
    "velocity leads from noise to image. The loss falls all the same: the network learns to walk "
    "off. Here x = t image + (1 - t) noise.",
)
def _way(student: Any, generator: torch.Generator) -> None:
    (layer,), _ = _asked(student, [_Says(0.0)], noise=-1.0, t=0.9)  # white is 1 in both ranges
    seen = float(layer.seen.mean())
    assert math.isclose(seen, 0.8, abs_tol=1e-5), (
        "a white image, value 1, and noise that is -1 everywhere: at time 0.9 the network is "
        f"shown {seen:.2f}; wanted 0.80"
    )


@flow_step.bug(
    "all layers are told the same",
    left=partial(_step, thrown="in each layer"),
    hint="The coins are thrown anew in every layer. With three layers and one image in ten, 73 % "
    "of the images are told everywhere, 0.1 % nowhere: the network never learns what it is to be "
    "not told. Throw once for each image, before the loop.",
)
def _thrown(student: Any, generator: torch.Generator) -> None:
    rows = [[True, False, True, False], [False, True, False, True], [True, True, False, False]]
    left, _ = _asked(student, [_Says(0.0) for _ in range(3)], rows=rows)
    told = [[value > 0 for value in layer.told.tolist()] for layer in left]
    assert told[0] == told[1] == told[2], (
        "of four images the three layers are told the classes of "
        + ", then ".join(str([i for i, yes in enumerate(row) if yes]) for row in told)
        + "; wanted the same images in each"
    )


@flow_step.bug(
    "not told is no class",
    left=partial(_step, not_told=0),
    hint="You put class 0 in place of the class. Then nobody is ever not told, and a tenth of all "
    "images are shown to the network as the digit 0. The label of nobody is -1.",
)
def _not_told(student: Any, generator: torch.Generator) -> None:
    (layer,), _ = _asked(student, [_Says(0.0)], rows=[[True] * 4])
    got = layer.told.tolist()
    assert got == [-1] * 4, (
        f"all four coins say that the class is not told, and the layer is told {got}; wanted -1 "
        "four times"
    )


@flow_step.bug(
    "the velocity is that of the whole way",
    left=partial(_step, wanted="image - x"),
    hint="You ask for the rest of the way, image - x, which shrinks as time goes on. Whoever steps "
    "along it slows down before the data. The velocity is the same all along: image - noise.",
)
def _wanted(student: Any, generator: torch.Generator) -> None:
    _, loss = _asked(student, [_Says(2.0)], noise=-1.0)
    assert isinstance(loss, Tensor) and loss.numel() == 1, (
        f"the loss is {loss!r}, wanted one number"
    )
    assert math.isclose(loss.item(), 0, abs_tol=1e-5), (
        "from noise that is -1 to a white image, value 1, in time 1: a network that says the "
        f"velocity 2 has the loss {loss.item():.3f}; wanted 0"
    )


flow_step.equals_reference(
    "loss and gradients are right",
    points=2,
    probe=_looked,
    what=("the loss", "the gradients of the layers"),
)

flow_step.mistake(
    "unchanged",
    broken,
    hint="This is the step as it was given to you. Take one image and follow it line by line; five "
    "things are wrong.",
)
flow_step.mistake(
    "one coin for the batch",
    partial(_step, thrown="for all"),
    hint="You throw one coin for the whole batch. On average that is the right share, but a batch "
    "then has all classes or none: throw a coin for each image.",
)
flow_step.mistake(
    "the velocity the other way",
    partial(_step, wanted="noise - image"),
    hint="Your velocity leads from the image to the noise. With time 1 at the image it is image - "
    "noise.",
)
flow_step.mistake(
    "the sum",
    partial(_step, mean=False),
    hint="You sum the squares. The mean does not depend on the size of batch and image, so one "
    "learning rate serves for all of them.",
)
flow_step.mistake(
    "another time than mixed",
    partial(_step, time="1 - t"),
    hint="You mix at the time t and tell the layers 1 - t. It can be learned, and whoever draws "
    "later tells the network t.",
)
