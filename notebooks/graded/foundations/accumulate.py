"""Check of the question `accumulate`: repair a training that gathers gradients over batches."""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks.kinds import Repair

CHOICES = {
    "group": [2, 3, 4],
    "clip": {
        "norm": "if the norm of all gradients together is above `limit`, they are all multiplied "
        "by one number, so that the norm is `limit`",
        "value": "each number of each gradient is brought into the range from -`limit` to `limit`",
    },
    "rest": {
        "used": "Batches that are left over at the end make a smaller group, with a step of its "
        "own.",
        "dropped": "Batches that are left over at the end are not used at all: no step, and no "
        "loss in the list.",
    },
    "rate": {
        "constant": "The learning rate is `lr` in every step.",
        "falling": "The learning rate of step number t, counted from 0, is `lr` / (1 + t).",
    },
}


def _train(
    model: nn.Module,
    batches: list,
    lr: float,
    limit: float,
    *,
    p: dict,
    weights: str = "images",
    clear: str = "each group",
    clipped: str = "before the step",
    rest: str = "",
    rate: str = "",
    kind: str = "",
    numbers: str = "plain",
) -> list[Any]:
    """The training, with each of its parts right or wrong."""
    size, rest, rate, kind = p["group"], rest or p["rest"], rate or p["rate"], kind or p["clip"]
    model.train()
    losses: list[Any] = []
    groups = [batches[i : i + size] for i in range(0, len(batches), size)]
    if rest == "dropped":
        groups = [group for group in groups if len(group) == size]
    parameters = list(model.parameters())
    for t, group in enumerate(groups):
        if clear == "each group":
            model.zero_grad()
        count, value = sum(len(x) for x, _ in group), 0.0
        for x, y in group:
            if clear == "each batch":
                model.zero_grad()
            share = {"images": len(x) / count, "batches": 1 / len(group), "sum": 1.0}[weights]
            loss = F.cross_entropy(model(x), y) * share
            loss.backward()
            value = value + (loss if numbers == "tensors" else loss.item())
        if clipped == "before the step":
            _clip(parameters, limit, kind)
        with torch.no_grad():
            step = lr / (1 + t) if rate == "falling" else lr
            for parameter in parameters:
                parameter -= step * parameter.grad
        if clipped == "after the step":
            _clip(parameters, limit, kind)
        losses.append(value)
    return losses


def _clip(parameters: list, limit: float, kind: str) -> None:
    if kind == "norm":
        nn.utils.clip_grad_norm_(parameters, limit)
    else:
        nn.utils.clip_grad_value_(parameters, limit)


BUGS: dict[str, Any] = {
    "weights": "batches",
    "clear": "never",
    "clipped": "after the step",
    "numbers": "tensors",
}


def _broken(p: dict) -> dict[str, Any]:
    return BUGS | {"rest": "dropped" if p["rest"] == "used" else "used"}


def _net(generator: torch.Generator) -> nn.Sequential:
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator).double() * 0.7)
    return net


def _batches(generator: torch.Generator, sizes: list[int]) -> list[tuple[Tensor, Tensor]]:
    return [
        (
            torch.randn(n, 4, generator=generator).double(),
            torch.randint(0, 3, (n,), generator=generator),
        )
        for n in sizes
    ]


def _draw(generator: torch.Generator, *, p: dict, limit: float = 0.08) -> tuple:
    sizes = [5, 2, 7, 3, 4, 6, 2, 8, 3][: 2 * p["group"] + 1]
    return _net(generator), _batches(generator, sizes), 0.4, limit


def _trained(student: Any, arguments: tuple) -> tuple:
    losses = student(*arguments)
    return losses, [w.detach() for w in student.given[0].parameters()]


def solution(p: dict) -> str:
    drop = "\ngroups = [g for g in groups if len(g) == GROUP]" if p["rest"] == "dropped" else ""
    clip = "clip_grad_norm_" if p["clip"] == "norm" else "clip_grad_value_"
    rate = "lr / (1 + t)" if p["rate"] == "falling" else "lr"
    return f"""\
model.train()
parameters = list(model.parameters())
groups = [batches[i : i + GROUP] for i in range(0, len(batches), GROUP)]{drop}
losses = []
for t, group in enumerate(groups):
    model.zero_grad()
    count = sum(len(images) for images, _ in group)
    total = 0.0
    for images, labels in group:
        loss = F.cross_entropy(model(images), labels, reduction="sum") / count
        loss.backward()
        total += loss.item()
    torch.nn.utils.{clip}(parameters, limit)
    with torch.no_grad():
        for parameter in parameters:
            parameter -= {rate} * parameter.grad
    losses.append(total)
return losses"""


def facts(p: dict, data: object) -> dict:
    kept = "" if p["rest"] == "dropped" else "\n        if len(group) < GROUP:\n            break"
    clip = "clip_grad_norm_" if p["clip"] == "norm" else "clip_grad_value_"
    rate = "lr / (1 + t)" if p["rate"] == "falling" else "lr"
    return {
        "GROUP": p["group"],
        "cell:accumulate-given": f"""\
import torch
import torch.nn.functional as F

GROUP = {p["group"]}


def with_bugs(model, batches, lr, limit):
    model.train()
    parameters = list(model.parameters())
    groups = [batches[i : i + GROUP] for i in range(0, len(batches), GROUP)]
    losses = []
    for t, group in enumerate(groups):{kept}
        total = 0.0
        for images, labels in group:
            loss = F.cross_entropy(model(images), labels) / len(group)
            loss.backward()
            total = total + loss
        with torch.no_grad():
            for parameter in parameters:
                parameter -= {rate} * parameter.grad
        torch.nn.utils.{clip}(parameters, limit)
        losses.append(total)
    return losses""",
    }


def _moved(student: Any, net: nn.Module, batches: list, lr: float, limit: float) -> Tensor:
    """What the weights moved by, in one vector, divided by the rate."""
    student(net, batches, lr, limit)
    after = torch.cat([w.detach().flatten() for w in student.given[0].parameters()])
    before = torch.cat([w.detach().flatten() for w in net.parameters()])
    return (before - after) / lr


def _gradient(net: nn.Module, batches: list) -> Tensor:
    """Of the mean loss over all images."""
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    loss = F.cross_entropy(net(images), labels)
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))])


def check(p: dict) -> Repair:
    size = p["group"]

    def reference(model: nn.Module, batches: list, lr: float, limit: float) -> list[float]:
        return _train(model, batches, lr, limit, p=p)

    made = Repair(
        "accumulate",
        lab="foundations",
        level="build",
        minutes=25,
        reference=reference,
        broken=partial(_train, p=p, **_broken(p)),
        example=partial(_draw, p=p),
        probe=_trained,
        may_change=("model",),
    )

    @made.bug(
        "a step follows the mean over the group's images",
        left=partial(_train, p=p, weights="batches"),
        hint="You take the mean of the batches' means. A batch of two images then weighs as much "
        "as one of eight: add up over the images, and divide by their number in the group.",
    )
    def _mean(student: Any, generator: torch.Generator) -> None:
        batches = _batches(generator, [2, 9, 3, 7][:size])
        net = _net(generator)
        moved = _moved(student, net, batches, 1e-6, 1e9)
        wanted = _gradient(net, batches)
        assert (moved - wanted).norm() < 1e-4 * wanted.norm(), (
            "with batches of unequal size, the step is not that of all images of the group in one "
            "batch"
        )

    @made.bug(
        "a group does not feel the one before",
        left=partial(_train, p=p, clear="never"),
        hint="backward() adds to the gradients that are there, and those of the last group still "
        "are. Clear them at the beginning of each group.",
    )
    def _cleared(student: Any, generator: torch.Generator) -> None:
        net, lr = _net(generator), 1e-6
        one, other = (_batches(generator, [3] * size) for _ in range(2))
        first = _moved(student, net, one, lr, 1e9)
        both = _moved(student, net, one + other, lr, 1e9)
        second = _gradient(net, other) / (2 if p["rate"] == "falling" else 1)
        assert first.norm() > 0, "nothing moves: no gradient is left for the step"
        assert (both - first - second).norm() < 1e-3 * second.norm(), (
            "with tiny steps, the second group should move the weights as if it were alone"
        )

    @made.bug(
        "gradients are clipped before they are used",
        left=partial(_train, p=p, clipped="after the step"),
        hint="You clip after the step: the weights have moved already, and the next group clears "
        "what you clipped. Clip between the last backward() and the step.",
    )
    def _clipped(student: Any, generator: torch.Generator) -> None:
        net, batches = _net(generator), _batches(generator, [4] * size)
        moved = _moved(student, net, batches, 1e-6, 1e-3)
        largest = moved.norm() if p["clip"] == "norm" else moved.abs().max()
        assert 0 < largest < 1.01e-3, (
            f"with limit = 0.001, the {'norm' if p['clip'] == 'norm' else 'largest number'} of "
            f"the step, divided by lr, is {largest:.4f}"
        )

    @made.bug(
        "the batches that are left over",
        left=partial(_train, p=p, rest=_broken(p)["rest"]),
        hint="Read once more what the statement wants of the batches that are left over at the "
        "end: you do the opposite.",
    )
    def _left(student: Any, generator: torch.Generator) -> None:
        net, batches = _net(generator), _batches(generator, [3] * (size + 1))
        losses = student(net, batches, 1e-3, 1.0)
        wanted = 2 if p["rest"] == "used" else 1
        assert isinstance(losses, list | tuple) and len(losses) == wanted, (
            f"with {size + 1} batches, {len(losses) if isinstance(losses, list) else 'no'} losses, "
            f"wanted {wanted}"
        )

    @made.bug(
        "the losses are numbers",
        left=partial(_train, p=p, numbers="tensors"),
        hint="You add up the losses as tensors, and keep their graphs with them. Add up "
        "loss.item().",
    )
    def _numbers(student: Any, generator: torch.Generator) -> None:
        losses = student(_net(generator), _batches(generator, [3] * size), 1e-3, 1.0)
        assert isinstance(losses, list | tuple) and losses, "wanted a list with a loss per group"
        kind = type(losses[0]).__name__
        assert isinstance(losses[0], int | float), f"a loss is a {kind}, wanted a plain number"

    made.equals_reference(
        "after several groups, losses and weights are right",
        points=2,
        example=[partial(_draw, p=p), partial(_draw, p=p, limit=1e9)],
        what=("the losses", "the weights"),
    )
    made.mistake(
        "unchanged",
        made.broken,
        hint="This is the function as it was given to you. Read it line by line: five things are "
        "wrong.",
    )
    made.mistake(
        "cleared in each batch",
        partial(_train, p=p, clear="each batch"),
        hint="You clear the gradients in each batch, so a group's step follows its last batch "
        "alone. Clear them once for each group.",
    )
    made.mistake(
        "a sum over the batches",
        partial(_train, p=p, weights="sum"),
        hint="You add up the batches' mean losses: the more batches in a group, the longer its "
        "step. It should follow the mean over the group's images.",
    )
    for other in ("norm", "value"):
        if other != p["clip"]:
            made.mistake(
                f"clipped by {other}",
                partial(_train, p=p, kind=other),
                hint="There are two ways to clip: all gradients by one number, or each number by "
                "itself. You took the other one.",
            )
    for other in ("constant", "falling"):
        if other != p["rate"]:
            made.mistake(
                f"rate: {other}",
                partial(_train, p=p, rate=other),
                hint="Read once more what the statement says of the learning rate in step t.",
            )
    return made
