"""Check of the exercise `train_pass`: repair one pass of training over a segmentation set."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks.kinds import Repair

Batches = Iterable[tuple[Tensor, Tensor]]


def reference(
    model: nn.Module, batches: Batches, lr: float, ignore_index: int = 255
) -> list[float]:
    """Train a model on batches of images and masks, by SGD, and return the loss of each batch.

    Args:
        model: images (B, 3, H, W) to logits (B, K, H, W); trained in place.
        batches: pairs of images and masks (B, H, W).
        lr: learning rate.
        ignore_index: pixels with this label do not count.
    """
    return _pass(model, batches, lr, ignore_index)


def _pass(
    model: nn.Module,
    batches: Batches,
    lr: float,
    ignore_index: int = 255,
    *,
    all_layers: bool = True,
    mode: str = "train",
    softmax: bool = False,
    unlabelled: str = "left out",
    clear: str = "before",
    numbers: str = "plain",
) -> list[Any]:
    """The pass, with each of its parts right or wrong."""
    learning = model if all_layers else model.head
    optimiser = torch.optim.SGD(learning.parameters(), lr=lr)  # type: ignore[union-attr]
    if mode in ("train", "eval"):
        model.train(mode == "train")
    losses: list[Any] = []
    for images, masks in batches:
        logits = model(images)
        logits = logits.softmax(dim=1) if softmax else logits
        if unlabelled == "left out":
            loss = F.cross_entropy(logits, masks, ignore_index=ignore_index)
        elif unlabelled == "class 0":
            loss = F.cross_entropy(logits, masks.where(masks != ignore_index, 0))
        else:
            each = F.cross_entropy(logits, masks, ignore_index=ignore_index, reduction="none")
            loss = each.mean() if unlabelled == "counted as 0" else each.sum()
        if clear == "before":
            optimiser.zero_grad()
        loss.backward()
        if clear == "too late":
            optimiser.zero_grad()
        optimiser.step()
        kept = {"plain": loss.item(), "tensors": loss, "detached": loss.detach()}
        losses.append(kept[numbers])
    return losses


BUGS: dict[str, Any] = {
    "all_layers": False,
    "mode": "eval",
    "softmax": True,
    "unlabelled": "class 0",
    "clear": "never",
    "numbers": "tensors",
}
broken = partial(_pass, **BUGS)


class _Net(nn.Module):
    """Two layers, images (B, 3, H, W) to logits (B, 3, H, W); notes in which mode it was called."""

    def __init__(self, generator: torch.Generator, *, norm: bool, kernel: int = 3) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 5, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(5) if norm else nn.Identity()
        self.head = nn.Conv2d(5, 3, 1)
        self.modes: list[bool] = []
        self.double()
        with torch.no_grad():
            for layer in (self.body, self.head):
                for parameter in layer.parameters():
                    values = torch.randn(parameter.shape, generator=generator)
                    parameter.copy_(0.6 * values.double())

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        self.modes.append(self.training)
        out: Tensor = self.head(torch.tanh(self.norm(self.body(images))))
        return out


def _batch(generator: torch.Generator, *, ignored: int | None = None) -> tuple[Tensor, Tensor]:
    images = torch.randn(3, 3, 4, 6, generator=generator, dtype=torch.float64)
    masks = torch.randint(0, 3, (3, 4, 6), generator=generator)
    if ignored is not None:
        hide = torch.rand(masks.shape, generator=generator) < 0.4
        masks = masks.where(~hide, ignored)
    return images, masks


def _example(generator: torch.Generator) -> tuple:
    net = _Net(generator, norm=True)
    net.train(bool(torch.rand((), generator=generator) < 0.5))
    return net, [_batch(generator, ignored=255) for _ in range(3)], 0.2


def _trained(student: Any, arguments: tuple) -> tuple:
    """The losses, the weights and BatchNorm's averages."""
    losses = student(*arguments)
    net = student.given[0]
    return losses, [p.detach() for p in net.parameters()], [b.double() for b in net.buffers()]


train_pass = Repair(
    "train_pass",
    lab="unet",
    level="build",
    minutes=20,
    reference=reference,
    broken=broken,
    example=_example,
    probe=_trained,
    may_change=("model",),
)


@train_pass.bug(
    "every layer learns",
    left=partial(_pass, all_layers=False),
    hint="The optimiser holds the parameters of the last layer only, so all others keep their "
    "first weights. Give it model.parameters().",
)
def _every_layer(student: Any, generator: torch.Generator) -> None:
    net = _Net(generator, norm=True)
    student(net, [_batch(generator)], 0.1)
    after = dict(student.given[0].named_parameters())
    still = [name for name, p in net.named_parameters() if torch.equal(p, after[name])]
    assert not still, f"these weights are the same after a step as before: {', '.join(still)}"


@train_pass.bug(
    "the model is in training mode",
    left=partial(_pass, mode="eval"),
    hint="model.eval() is for judging. In training BatchNorm has to use the batch's own "
    "statistics, and to collect them: call model.train().",
)
def _mode(student: Any, generator: torch.Generator) -> None:
    for before in (True, False):
        student(_Net(generator, norm=True).train(before), [_batch(generator)], 0.1)
        assert student.given[0].modes, "no image went through the model"
        assert all(student.given[0].modes), (
            "BatchNorm divides by its stored averages while it learns, and does not update them"
        )


@train_pass.bug(
    "the loss is the cross-entropy of the model's answer",
    left=partial(_pass, softmax=True),
    hint="cross_entropy takes logits, it has a softmax inside. You apply another one first: the "
    "probabilities are squeezed together, and the loss cannot come near 0. Pass the logits.",
)
def _loss(student: Any, generator: torch.Generator) -> None:
    net, batch = _Net(generator, norm=False), _batch(generator)
    wanted = F.cross_entropy(net(batch[0]), batch[1]).item()
    got = _first(student(net, [batch], 1e-9))
    assert abs(got - wanted) < 1e-6, (
        f"where all pixels are labelled, the first loss is {got:.4f}, wanted {wanted:.4f}"
    )


@train_pass.bug(
    "pixels that nobody labelled do not count",
    left=partial(_pass, unlabelled="class 0"),
    hint="You give the ignored pixels the label 0, so the model learns to call them by the first "
    "class. Leave the masks as they are and pass ignore_index to cross_entropy.",
)
def _unlabelled(student: Any, generator: torch.Generator) -> None:
    net = _Net(generator, norm=False, kernel=1)  # each pixel by itself
    for label in (255, 9):
        images, masks = _batch(generator, ignored=label)
        other = images + (masks == label)[:, None] * torch.randn(images.shape, generator=generator)
        first, second = (_first(student(net, [(x, masks)], 1e-9, label)) for x in (images, other))
        assert abs(first - second) < 1e-6, (
            f"with ignore_index={label}, the loss changes if only the ignored pixels' colours do"
        )
        images, masks = _batch(generator)
        half = masks.clone()
        half[0] = label
        first = _first(student(net, [(images[1:], masks[1:])], 1e-9, label))
        second = _first(student(net, [(images, half)], 1e-9, label))
        assert abs(first - second) < 1e-6, "an image without any label changes the mean loss"


@train_pass.bug(
    "a batch does not feel the one before",
    left=partial(_pass, clear="never"),
    hint="backward() adds to the gradients that are there, and nobody takes the old ones away. "
    "Call optimiser.zero_grad() in each round, before backward().",
)
def _cleared(student: Any, generator: torch.Generator) -> None:
    net, batches, lr = _Net(generator, norm=False), [_batch(generator) for _ in range(2)], 1e-6

    def moved(some: list[tuple[Tensor, Tensor]]) -> Tensor:
        student(net, some, lr)
        return (student.given[0].head.weight - net.head.weight).detach() / lr

    one, other, both = moved(batches[:1]), moved(batches[1:]), moved(batches)
    assert one.norm() > 1e-6, "the last layer does not move: no gradient is left for the step"
    assert (both - one - other).norm() < 1e-3 * one.norm(), (
        "two batches with tiny steps should move the weights by the sum of what each does alone"
    )


@train_pass.bug(
    "the losses are numbers",
    left=partial(_pass, numbers="tensors"),
    hint="You keep the loss as a tensor, and with it the graph of its whole batch: memory grows "
    "with every batch. Keep the number, loss.item().",
)
def _numbers(student: Any, generator: torch.Generator) -> None:
    batches = [_batch(generator) for _ in range(2)]
    losses = student(_Net(generator, norm=False), batches, 0.1)
    assert isinstance(losses, list | tuple) and len(losses) == len(batches), (
        "wanted a list with one number for each batch"
    )
    for loss in losses:
        assert isinstance(loss, int | float), (
            f"a loss is a {type(loss).__name__}, wanted a plain number, which loss.item() gives"
        )


train_pass.equals_reference(
    "after several batches, losses and weights are right",
    points=2,
    what=("the losses", "the weights", "BatchNorm's averages"),
)

train_pass.mistake(
    "unchanged",
    broken,
    hint="This is the function as it was given to you. Read it line by line; six things are wrong.",
)
train_pass.mistake(
    "detached losses",
    partial(_pass, numbers="detached"),
    hint="Your losses hold no graph any more, but they are still tensors. The statement asks for "
    "plain numbers: loss.item().",
)
train_pass.mistake(
    "cleared between backward and step",
    partial(_pass, clear="too late"),
    hint="You clear the gradients after backward() and before step(), so the step finds none and "
    "nothing is learned. Clear them before backward().",
)
train_pass.mistake(
    "ignored pixels counted as 0",
    partial(_pass, unlabelled="counted as 0"),
    hint="Your mean is over all pixels, the ignored ones included, with a loss of 0. The fewer are "
    "labelled, the smaller your step. Divide by the labelled ones: cross_entropy's own mean does.",
)
train_pass.mistake(
    "a sum over the pixels",
    partial(_pass, unlabelled="sum"),
    hint="You add up over the pixels: the step grows with the size of the image. Take the mean.",
)
train_pass.mistake(
    "the mode is left as it was",
    partial(_pass, mode="as it was"),
    hint="You took model.eval() away, so the model stays in the mode in which it happens to come: "
    "after an evaluation that is the wrong one. Call model.train().",
)


def _first(losses: Any) -> float:
    """The first loss as a number, whether or not it is one."""
    assert isinstance(losses, list | tuple) and losses, "wanted a list with a loss for each batch"
    return float(losses[0].detach() if isinstance(losses[0], Tensor) else losses[0])
