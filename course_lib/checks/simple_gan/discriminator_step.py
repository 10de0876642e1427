"""Check of the exercise `discriminator_step`: the discriminator's half of a GAN's step."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks.compare import gradient_at, one_number
from course_lib.checks.core import Check
from course_lib.checks.fixtures import Judge


def reference(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Return what the discriminator minimises: mean over the real, plus mean over the fake.

    Args:
        discriminator: images (B, C, H, W) to logits (B,).
        real: (B, C, H, W).
        fake: (B', C, H, W), with the generator's graph behind it.

    Returns:
        Scalar with a gradient at the discriminator's parameters and nowhere else.
    """
    on_real = F.softplus(-discriminator(real)).mean()  # -log sigmoid
    on_fake = F.softplus(discriminator(fake.detach())).mean()  # -log(1 - sigmoid)
    return on_real + on_fake


def _bce(logits: Tensor, label: float, column: bool = False, reduction: str = "mean") -> Tensor:
    labels = torch.full((len(logits), 1) if column else logits.shape, label)
    return F.binary_cross_entropy_with_logits(logits, labels, reduction=reduction)


def _loss(
    discriminator: nn.Module,
    real: Tensor,
    fake: Tensor,
    *,
    real_label: float = 1.0,
    fake_label: float = 0.0,
    detach: bool = True,
    sigmoid: bool = False,
    column: bool = False,
    reduction: str = "mean",
    weight: float = 1.0,
) -> Tensor:
    """The loss, with one thing at a time that can be made wrong."""
    logits = discriminator(real), discriminator(fake.detach() if detach else fake)
    on_real, on_fake = (z.sigmoid() for z in logits) if sigmoid else logits
    return weight * (
        _bce(on_real, real_label, column, reduction) + _bce(on_fake, fake_label, column, reduction)
    )


def _one_batch(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    logits = discriminator(torch.cat([real, fake.detach()]))
    return _bce(logits[: len(real)], 1.0) + _bce(logits[len(real) :], 0.0)


def _one_mean(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    on_real, on_fake = discriminator(real), discriminator(fake.detach())
    labels = torch.cat([torch.ones_like(on_real), torch.zeros_like(on_fake)])
    return F.binary_cross_entropy_with_logits(torch.cat([on_real, on_fake]), labels)


def _no_grad(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    with torch.no_grad():
        on_fake = discriminator(fake)
    return _bce(discriminator(real), 1.0) + _bce(on_fake, 0.0)


def _example(generator: torch.Generator) -> tuple:
    number = int(torch.randint(4, 7, (1,), generator=generator))
    real = torch.randn(number, 1, 4, 4, generator=generator)
    source = torch.randn(number + 3, 1, 4, 4, generator=generator) * 0.7 + 0.4
    return Judge(generator), real, source.requires_grad_()


def _probe(student: Any, arguments: tuple) -> tuple:
    """The loss, and where its gradient arrives: at the discriminator and at the generator."""
    discriminator, real, source = arguments
    loss = one_number(student, (discriminator, real, source * 1.0))
    if isinstance(loss, Tensor) and loss.requires_grad:
        loss.backward()
    gradients = [p.grad for p in student.given[0].parameters()]
    return loss, gradients, source.grad


discriminator_step = Check(
    "discriminator_step",
    lab="simple_gan",
    level="build",
    minutes=15,
    reference=reference,
    example=_example,
    probe=_probe,
)

discriminator_step.equals_reference(
    "the loss: real towards 1, fake towards 0, a mean over each",
    points=2,
    probe=one_number,
    what="the loss",
)
discriminator_step.equals_reference(
    "the discriminator gets the right gradient",
    points=1,
    probe=gradient_at(0),
    what="the gradients of the discriminator",
)
discriminator_step.equals_reference(
    "the loss is right and the generator gets no gradient",
    points=1,
    probe=lambda student, arguments: _probe(student, arguments)[::2],
    what=("the loss", "the gradient that the generator receives"),
)

discriminator_step.mistake(
    "forgot to detach",
    partial(_loss, detach=False),
    hint="The value is right, but the gradient goes through `fake` into the generator as well, and "
    "moves it towards images that the discriminator finds out sooner. Cut the graph: "
    "discriminator(fake.detach()).",
)
discriminator_step.mistake(
    "fakes labelled real",
    partial(_loss, fake_label=1.0),
    hint="You give the generated images the label 1 too. A discriminator that calls everything "
    "real would be perfect, and it soon does. In its own step fakes have the label 0.",
)
discriminator_step.mistake(
    "labels swapped",
    partial(_loss, real_label=0.0, fake_label=1.0),
    hint="Real images have the label 0 and fakes 1 in your loss. The game works either way if "
    "everybody agrees; here the logit says how *real* an image is, so real images have 1.",
)
discriminator_step.mistake(
    "no fakes",
    lambda discriminator, real, fake: _bce(discriminator(real), 1.0),
    hint="Your loss looks at real images only. Saying 'real' to everything makes it 0. Add the "
    "mean over the fakes, with the label 0.",
)
discriminator_step.mistake(
    "no real images",
    lambda discriminator, real, fake: _bce(discriminator(fake.detach()), 0.0),
    hint="Your loss looks at fakes only. Saying 'fake' to everything makes it 0. Add the mean over "
    "the real images, with the label 1.",
)
discriminator_step.mistake(
    "real and fake in one batch",
    _one_batch,
    hint="You put real and fake images into one batch. BatchNorm then computes one mean over both, "
    "and each image's logit depends on how many of the others are fake. Call the discriminator "
    "twice.",
)
discriminator_step.mistake(
    "one mean over both",
    _one_mean,
    hint="You took one mean over all images. The two halves then count by how many images they "
    "have, and the sum is halved. Take a mean over the real, a mean over the fake, and add.",
)
discriminator_step.mistake(
    "sigmoid twice",
    partial(_loss, sigmoid=True),
    hint="You apply a sigmoid and then a loss that contains one. The discriminator's output is a "
    "logit already: binary_cross_entropy_with_logits(logits, ...), or softplus.",
)
discriminator_step.mistake(
    "no_grad around the discriminator",
    _no_grad,
    hint="You called the discriminator on the fakes without a graph. That protects the generator, "
    "but the discriminator cannot learn from the fakes either. Cut between the two networks: "
    "detach `fake`, not the logits.",
)
discriminator_step.mistake(
    "labels of shape (B, 1)",
    partial(_loss, column=True),
    hint="Your labels have the shape (B, 1) and the logits (B,). PyTorch's loss refuses them; by "
    "hand they would broadcast to (B, B). Make the labels with ones_like(logits).",
)
discriminator_step.mistake(
    "a sum over each",
    partial(_loss, reduction="sum"),
    hint="You add up over the images, so the step depends on how many there are. Take a mean over "
    "the real, a mean over the fake, and add the two.",
)
discriminator_step.mistake(
    "halved",
    partial(_loss, weight=0.5),
    hint="Your loss is half of what is wanted. Many listings divide the sum by 2, which makes the "
    "discriminator's steps half as large; here the two means are added.",
)
