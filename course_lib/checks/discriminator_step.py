"""Check of the exercise `discriminator_step`: the discriminator's half of a GAN's step."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


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


def _bce(logits: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def _not_detached(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return _bce(discriminator(real), 1.0) + _bce(discriminator(fake), 0.0)


def _labelled_real(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return _bce(discriminator(real), 1.0) + _bce(discriminator(fake.detach()), 1.0)


def _swapped(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return _bce(discriminator(real), 0.0) + _bce(discriminator(fake.detach()), 1.0)


def _real_only(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return _bce(discriminator(real), 1.0)


def _fake_only(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return _bce(discriminator(fake.detach()), 0.0)


def _one_batch(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    logits = discriminator(torch.cat([real, fake.detach()]))
    return _bce(logits[: len(real)], 1.0) + _bce(logits[len(real) :], 0.0)


def _one_mean(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    on_real, on_fake = discriminator(real), discriminator(fake.detach())
    labels = torch.cat([torch.ones_like(on_real), torch.zeros_like(on_fake)])
    return F.binary_cross_entropy_with_logits(torch.cat([on_real, on_fake]), labels)


def _sigmoid_twice(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    on_real, on_fake = discriminator(real).sigmoid(), discriminator(fake.detach()).sigmoid()
    return _bce(on_real, 1.0) + _bce(on_fake, 0.0)


def _no_grad(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    with torch.no_grad():
        on_fake = discriminator(fake)
    return _bce(discriminator(real), 1.0) + _bce(on_fake, 0.0)


def _column_of_labels(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    logits = [discriminator(real), discriminator(fake.detach())]
    total = logits[0].new_zeros(())
    for z, label in zip(logits, (1.0, 0.0), strict=True):
        y = torch.full((len(z), 1), label)
        cross_entropy = -(y * F.logsigmoid(z) + (1 - y) * F.logsigmoid(-z))  # (B, B)
        total = total + cross_entropy.sum() / len(z)
    return total


MISTAKES = [
    Mistake(
        "forgot to detach",
        _not_detached,
        "The value is right, but the gradient goes through `fake` into the generator as well, and "
        "moves it towards images that the discriminator finds out sooner. Cut the graph: "
        "discriminator(fake.detach()).",
    ),
    Mistake(
        "fakes labelled real",
        _labelled_real,
        "You give the generated images the label 1 too. A discriminator that calls everything real "
        "would be perfect, and it soon does. In its own step fakes have the label 0.",
    ),
    Mistake(
        "labels swapped",
        _swapped,
        "Real images have the label 0 and fakes 1 in your loss. The game works either way if "
        "everybody agrees; here the logit says how *real* an image is, so real images have 1.",
    ),
    Mistake(
        "no fakes",
        _real_only,
        "Your loss looks at real images only. Saying 'real' to everything makes it 0. Add the mean "
        "over the fakes, with the label 0.",
    ),
    Mistake(
        "no real images",
        _fake_only,
        "Your loss looks at fakes only. Saying 'fake' to everything makes it 0. Add the mean over "
        "the real images, with the label 1.",
    ),
    Mistake(
        "real and fake in one batch",
        _one_batch,
        "You put real and fake images into one batch. BatchNorm then computes one mean over both, "
        "and each image's logit depends on how many of the others are fake. Call the discriminator "
        "twice.",
    ),
    Mistake(
        "one mean over both",
        _one_mean,
        "You took one mean over all images. The two halves then count by how many images they "
        "have, and the sum is halved. Take a mean over the real, a mean over the fake, and add.",
    ),
    Mistake(
        "sigmoid twice",
        _sigmoid_twice,
        "You apply a sigmoid and then a loss that contains one. The discriminator's output is a "
        "logit already: binary_cross_entropy_with_logits(logits, ...), or softplus.",
    ),
    Mistake(
        "no_grad around the discriminator",
        _no_grad,
        "You called the discriminator on the fakes without a graph. That protects the generator, "
        "but the discriminator cannot learn from the fakes either. Cut between the two networks: "
        "detach `fake`, not the logits.",
    ),
    Mistake(
        "labels of shape (B, 1)",
        _column_of_labels,
        "Your labels have the shape (B, 1) and the logits (B,): together they broadcast to (B, B), "
        "each logit against each label. Make the labels with ones_like(logits).",
    ),
]


class _Judge(nn.Module):
    """A small discriminator with BatchNorm, images (B, 1, 4, 4) to logits (B,)."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(16, 5), nn.BatchNorm1d(5), nn.Linear(5, 1)
        with torch.no_grad():
            for layer in (self.first, self.last):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * 0.6)
                layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator) * 0.3)

    def forward(self, images: Tensor) -> Tensor:
        h = self.norm(self.first(images.flatten(1)))
        out: Tensor = self.last(F.leaky_relu(h, 0.2)).flatten()
        return out


def _example(generator: torch.Generator) -> tuple:
    number = int(torch.randint(4, 7, (1,), generator=generator))
    real = torch.randn(number, 1, 4, 4, generator=generator)
    source = torch.randn(number + 3, 1, 4, 4, generator=generator) * 0.7 + 0.4
    return _Judge(generator), real, source.requires_grad_()


def _probe(student: Any, arguments: tuple) -> tuple:
    """The loss, and where its gradient arrives: at the discriminator and at the generator."""
    discriminator, real, source = arguments
    loss = student(discriminator, real, source * 1.0)
    if loss.requires_grad:
        loss.backward()
    gradients = [p.grad for p in discriminator.parameters()]
    return loss.detach(), gradients, source.grad


def _both(student: Any, generator: torch.Generator) -> tuple[tuple, tuple]:
    arguments = _example(generator)
    loss = student(copy.deepcopy(arguments[0]), arguments[1], arguments[2] * 1.0)
    if not isinstance(loss, Tensor):
        raise AssertionError(f"got a {type(loss).__name__}, wanted a tensor with one number")
    return _probe(student, copy.deepcopy(arguments)), _probe(reference, copy.deepcopy(arguments))


def _value(student: Any, generator: torch.Generator) -> None:
    got, wanted = _both(student, generator)
    assert_close(got[0], wanted[0], "the loss")


def _gradient(student: Any, generator: torch.Generator) -> None:
    got, wanted = _both(student, generator)
    if all(g is None for g in got[1]):
        raise AssertionError("the loss has no gradient at the discriminator's parameters")
    for mine, theirs in zip(got[1], wanted[1], strict=True):
        mine = torch.zeros_like(theirs) if mine is None else mine
        assert_close(mine, theirs, "a gradient of the discriminator", tolerance=1e-5)


def _nothing_behind(student: Any, generator: torch.Generator) -> None:
    got, wanted = _both(student, generator)
    if got[2] is not None:
        raise AssertionError("the generator receives a gradient in the discriminator's step")
    assert_close(got[0], wanted[0], "the loss")


PROPERTIES = [
    Property("the loss: real towards 1, fake towards 0, a mean over each", 2, _value),
    Property("the discriminator gets the right gradient", 1, _gradient),
    Property("the loss is right and the generator gets no gradient", 1, _nothing_behind),
]


def discriminator_step(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `discriminator_step(discriminator, real, fake)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "discriminator_step",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        probe=_probe,
        seed=seed,
    )
