"""Check of the question `predict_stack`: sizes of a small network, by hand."""

from functools import cache

import torch
from torch import nn

from course_lib.checks.compare import wholes
from course_lib.checks.core import Check

CHOICES = {
    "size": [61, 74, 83, 94],
    "first": [3, 5, 7],
    "stride": [2, 3],
    "dilation": [2, 3, 4],
    "channels": [6, 10, 12],
}


def _network(p: dict) -> nn.Sequential:
    c = p["channels"]
    return nn.Sequential(
        nn.Conv2d(3, c, p["first"], stride=p["stride"], bias=False),
        nn.BatchNorm2d(c),
        nn.ReLU(),
        nn.Conv2d(c, 2 * c, 3, dilation=p["dilation"], padding=1),
        nn.MaxPool2d(2),
    )


def measured(p: dict) -> tuple[int, int, int]:
    """Side of the map, learned numbers, and side of the receptive field, from the network."""
    return _measured(tuple(p[name] for name in ("size", "first", "stride", "dilation", "channels")))


@cache
def _measured(values: tuple[int, ...]) -> tuple[int, int, int]:
    p = dict(zip(("size", "first", "stride", "dilation", "channels"), values, strict=True))
    with torch.random.fork_rng(devices=[]):
        net = _network(p).eval().double()
    side = net(torch.zeros(1, 3, p["size"], p["size"]).double()).shape[-1]
    learned = sum(parameter.numel() for parameter in net.parameters())
    net[2], net[4] = nn.Identity(), nn.AvgPool2d(2)  # everything that is seen leaves a gradient
    for layer in (net[0], net[3]):
        nn.init.ones_(layer.weight)
    x = torch.zeros(1, 3, 121, 121, dtype=torch.float64, requires_grad=True)
    out = net(x)
    middle = out.shape[-1] // 2
    out[0, 0, middle, middle].backward()
    rows = x.grad[0, 0].abs().sum(1).nonzero().flatten()
    return side, learned, int(rows[-1] - rows[0]) + 1


def solution(p: dict) -> str:
    k, s, d, c, n = (p[name] for name in ("first", "stride", "dilation", "channels", "size"))
    return f"""\
after_first = ({n} - {k}) // {s} + 1
after_second = after_first + 2 - {d} * 2
side = after_second // 2
learned = {k} * {k} * 3 * {c} + 2 * {c} + 3 * 3 * {c} * {2 * c} + {2 * c}
field = {k} + {s} * {d} * 2 + {s} * 1
return side, learned, field"""


def check(p: dict) -> Check:
    k, s, d, c = (p[name] for name in ("first", "stride", "dilation", "channels"))
    side, learned, field = measured(p)

    def reference() -> tuple[int, int, int]:
        return side, learned, field

    made = Check(
        "predict_stack",
        lab="foundations",
        level="build",
        minutes=15,
        reference=reference,
        example=lambda generator: (),
        probe=lambda function, arguments: wholes(function(), 3, "the prediction"),
    )
    says = ("the side of the map", "the number of learned numbers", "the receptive field's side")
    for place, name in enumerate(says):

        def test(student, generator, place=place, name=name) -> None:
            got = wholes(student(), 3, "the prediction")[place]
            assert got == reference()[place], f"{name} is not {got}"

        made.holds(name, points=1)(test)
    wrong = {
        "the pool left out": (
            (side * 2, learned, field - s),
            "You left the last layer out of the side and of the field: the pool halves the map, "
            "and looks at two of its places.",
        ),
        "dilation left out": (
            (((p["size"] - k) // s + 1) // 2, learned, k + 2 * s + s),
            "You took the second layer for an ordinary 3 x 3: with dilation d its window is "
            "2 d + 1 wide.",
        ),
        "strides do not add up": (
            (side, learned, k + 2 * d + 1),
            "In the receptive field, what the second layer and the pool add is counted in places "
            "of the map behind the first layer, which are several pixels of the image apart.",
        ),
        "the pool's step left out": (
            (side, learned, k + 2 * d * s),
            "The receptive field is that of the last layer but one: the pool looks at two places.",
        ),
        "a bias in the first layer": (
            (side, learned + c, field),
            "You gave the first layer a bias; it has bias=False.",
        ),
        "numbers of one layer left out": (
            (side, learned - 2 * c, field),
            "Two numbers for each channel of the first map are missing: those of BatchNorm, or the "
            "biases of the second convolution, of which there are as many.",
        ),
        "averages counted": (
            (side, learned + 2 * c, field),
            "You counted BatchNorm's running averages. They are stored and not learned: only its "
            "scale and shift are.",
        ),
        "BatchNorm's scale alone": (
            (side, learned - c, field),
            "BatchNorm learns a scale and a shift for each channel, two numbers.",
        ),
    }
    for name, (answer, hint) in wrong.items():
        made.mistake(name, lambda answer=answer: answer, hint=hint)
    return made
