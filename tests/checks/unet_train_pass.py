"""Answers to `train_pass` of the lab `unet`: right ones in other styles, and wrong ones."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.checks.unet import train_pass as training_pass


def with_autograd(model, batches, lr, ignore_index=255):
    """By hand: gradients are asked for, never stored."""
    model.train()
    losses = []
    for images, masks in batches:
        keep = masks != ignore_index
        logits = model(images).movedim(1, -1)[keep]
        loss = -logits.log_softmax(1).gather(1, masks[keep][:, None]).mean()
        slopes = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for p, slope in zip(model.parameters(), slopes, strict=True):
                p -= lr * slope
        losses.append(loss.item())
    return losses


def cleared_at_the_end(model, batches, lr, ignore_index=255):
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=lr)
    optimiser.zero_grad()
    losses = []
    for images, masks in batches:
        loss = nn.CrossEntropyLoss(ignore_index=ignore_index)(model(images), masks)
        loss.backward()
        optimiser.step()
        model.zero_grad()
        losses.append(loss.item())
    return losses


def reweighted(model, batches, lr, ignore_index=255):
    """A mean for each image first."""
    model.train()
    optimiser, losses = torch.optim.SGD(model.parameters(), lr=lr), []
    for images, masks in batches:
        each = F.cross_entropy(
            model(images), masks, ignore_index=ignore_index, reduction="none"
        ).flatten(1)
        labelled = (masks != ignore_index).flatten(1).sum(1).clamp(min=1)
        loss = (each.sum(1) / labelled).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def by_adam(model, batches, lr, ignore_index=255):
    model.train()
    optimiser, losses = torch.optim.Adam(model.parameters(), lr=lr), []
    for images, masks in batches:
        loss = F.cross_entropy(model(images), masks, ignore_index=ignore_index)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def losses_afterwards(model, batches, lr, ignore_index=255):
    training_pass.reference(model, batches, lr, ignore_index)
    return [
        F.cross_entropy(model(images), masks, ignore_index=ignore_index).item()
        for images, masks in batches
    ]


def still_255(model, batches, lr, ignore_index=255):
    """Whoever calls it with another label is forgotten."""
    return training_pass.reference(model, batches, lr)


RIGHT_ANSWERS = {
    "train_pass": [with_autograd, cleared_at_the_end],
}

WRONG_ANSWERS = {
    "train_pass": [
        (reweighted, "FAIL after several batches"),
        (by_adam, "should move the weights by the sum"),
        (losses_afterwards, "FAIL after several batches"),
        (still_255, "Target 9 is out of bounds"),
        (
            partial(training_pass._pass, **{**training_pass.BUGS, "numbers": True}),
            "FAIL every layer learns",
        ),
        (partial(training_pass._pass, all_layers=False, mode="eval"), "body.weight"),
        (partial(training_pass._pass, softmax=True, clear="never"), "the first loss is"),
        (lambda *args: None, "wanted a list"),
        (lambda *args: training_pass.reference(*args)[-1], "wanted a list"),
        (lambda model, batches, lr, ignore_index=255: [0.0] * len(batches), "does not move"),
        (lambda *args: [torch.tensor(x) for x in training_pass.reference(*args)], "a Tensor"),
    ],
}

POINTS = {
    "train_pass": {"left: every layer learns": 5, "left: the losses are numbers": 7},
}
