"""Check of the exercise `generator_step`: the generator's half, and no trace in the other half."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade
from course_lib.checks.fixtures import Judge


def reference(discriminator: nn.Module, fake: Tensor) -> Tensor:
    """Return the generator's non-saturating loss; the discriminator collects no gradient from it.

    Args:
        discriminator: images (B, C, H, W) to logits (B,).
        fake: (B, C, H, W), with the generator's graph behind it.

    Returns:
        Scalar with a gradient at `fake` and not at the discriminator's parameters.
    """
    return _frozen(discriminator, fake, lambda z: F.softplus(-z).mean())


def _frozen(discriminator: nn.Module, fake: Tensor, loss: Any, *, thaw: bool = True) -> Tensor:
    discriminator.requires_grad_(False)
    value: Tensor = loss(discriminator(fake))
    if thaw:
        discriminator.requires_grad_(True)
    return value


def _aims_at_0(discriminator: nn.Module, fake: Tensor) -> Tensor:
    return _frozen(discriminator, fake, lambda z: F.softplus(z).mean())


def _saturating(discriminator: nn.Module, fake: Tensor) -> Tensor:
    return _frozen(discriminator, fake, lambda z: -F.softplus(z).mean())


def _sign(discriminator: nn.Module, fake: Tensor) -> Tensor:
    return _frozen(discriminator, fake, lambda z: -F.softplus(-z).mean())


def _score(discriminator: nn.Module, fake: Tensor) -> Tensor:
    return _frozen(discriminator, fake, lambda z: -z.mean())


def _sum(discriminator: nn.Module, fake: Tensor) -> Tensor:
    return _frozen(discriminator, fake, lambda z: F.softplus(-z).sum())


def _sigmoid_twice(discriminator: nn.Module, fake: Tensor) -> Tensor:
    return _frozen(discriminator, fake, lambda z: F.softplus(-z.sigmoid()).mean())


def _detached(discriminator: nn.Module, fake: Tensor) -> Tensor:
    return F.softplus(-discriminator(fake.detach())).mean()


def _no_grad(discriminator: nn.Module, fake: Tensor) -> Tensor:
    with torch.no_grad():
        logits = discriminator(fake)
    return F.softplus(-logits).mean()


def _not_frozen(discriminator: nn.Module, fake: Tensor) -> Tensor:
    return F.softplus(-discriminator(fake)).mean()


def _never_thawed(discriminator: nn.Module, fake: Tensor) -> Tensor:
    return _frozen(discriminator, fake, lambda z: F.softplus(-z).mean(), thaw=False)


def _eval_mode(discriminator: nn.Module, fake: Tensor) -> Tensor:
    discriminator.eval()
    value = _frozen(discriminator, fake, lambda z: F.softplus(-z).mean())
    discriminator.train()
    return value


MISTAKES = [
    Mistake(
        "aims at the label 0",
        _aims_at_0,
        "Minimising your loss makes the discriminator's logits small: the generator learns to be "
        "found out. It wants the opposite, the label 1 for its own images: softplus(-logits).",
    ),
    Mistake(
        "the saturating loss",
        _saturating,
        "Yours is log(1 - D), the generator's side of the original game. Where the discriminator "
        "is sure (logit far below 0), its slope is nearly 0, and that is where a good "
        "discriminator soon puts the fakes of a young generator. Take -log D instead: "
        "softplus(-logits).",
    ),
    Mistake(
        "the sign",
        _sign,
        "You return mean log D, which is to be made large; optimisers make things small. Turn the "
        "sign.",
    ),
    Mistake(
        "the score itself",
        _score,
        "You return minus the mean logit, the generator's loss of the Wasserstein and hinge games. "
        "Here the loss is -log D(fake) with D = sigmoid(logit): softplus(-logits).",
    ),
    Mistake(
        "a sum",
        _sum,
        "You add up over the batch, so the step depends on the batch's size. Take the mean.",
    ),
    Mistake(
        "sigmoid twice",
        _sigmoid_twice,
        "You apply a sigmoid and then a loss that contains one. The discriminator's output is a "
        "logit already.",
    ),
    Mistake(
        "detached",
        _detached,
        "You detached `fake`: that belongs into the discriminator's step. Here the gradient has to "
        "go through the discriminator into the generator, and yours stops on the way.",
    ),
    Mistake(
        "no_grad",
        _no_grad,
        "Without a graph through the discriminator nothing can be learned from it. Its parameters "
        "shall not collect a gradient, but the gradient must pass through it: "
        "requires_grad_(False) on its parameters, not no_grad.",
    ),
    Mistake(
        "the discriminator collects a gradient",
        _not_frozen,
        "The value is right, but backward() also adds this gradient to the .grad of the "
        "discriminator's parameters. Whoever forgets to clear it moves the discriminator towards "
        "calling fakes real. Freeze it for this call: requires_grad_(False).",
    ),
    Mistake(
        "frozen for ever",
        _never_thawed,
        "You froze the discriminator and left it frozen: from its next step on it learns nothing. "
        "Call requires_grad_(True) before you return; the graph remembers what was frozen when it "
        "was built.",
    ),
    Mistake(
        "eval mode",
        _eval_mode,
        "You put the discriminator into eval mode. That does not freeze its parameters; it makes "
        "BatchNorm use stored statistics, so the generator is judged by another network than the "
        "one that was trained. Leave the mode as it is.",
    ),
]


def _example(generator: torch.Generator) -> tuple:
    number = int(torch.randint(4, 8, (1,), generator=generator))
    source = torch.randn(number, 1, 4, 4, generator=generator) + 0.3
    return Judge(generator), source.requires_grad_()


def _probe(student: Any, arguments: tuple) -> tuple:
    """The loss, the gradient at the fakes, the discriminator's, and whether it can still learn."""
    discriminator, source = arguments
    loss = student(discriminator, source * 1.0)
    able = [p.requires_grad for p in discriminator.parameters()]
    if loss.requires_grad:
        loss.backward()
    return loss.detach(), source.grad, [p.grad for p in discriminator.parameters()], able


def _both(student: Any, generator: torch.Generator) -> tuple[tuple, tuple]:
    arguments = _example(generator)
    loss = student(copy.deepcopy(arguments[0]), arguments[1] * 1.0)
    if not isinstance(loss, Tensor):
        raise AssertionError(f"got a {type(loss).__name__}, wanted a tensor with one number")
    return _probe(student, copy.deepcopy(arguments)), _probe(reference, copy.deepcopy(arguments))


def _value(student: Any, generator: torch.Generator) -> None:
    got, wanted = _both(student, generator)
    assert_close(got[0], wanted[0], "the loss")


def _gradient(student: Any, generator: torch.Generator) -> None:
    got, wanted = _both(student, generator)
    if got[1] is None:
        raise AssertionError("no gradient arrives at the generated images")
    assert_close(got[1], wanted[1], "the gradient at the generated images", tolerance=1e-6)


def _no_trace(student: Any, generator: torch.Generator) -> None:
    got, wanted = _both(student, generator)
    assert_close(got[0], wanted[0], "the loss")
    if got[1] is None:
        raise AssertionError("no gradient arrives at the generated images")
    if any(gradient is not None for gradient in got[2]):
        raise AssertionError("backward() left a gradient in the discriminator's parameters")
    if not all(got[3]):
        raise AssertionError(
            "afterwards the discriminator's parameters have requires_grad=False: it is frozen"
        )


PROPERTIES = [
    Property("the loss: -log D(fake), mean over the batch", 1, _value),
    Property("the gradient passes through to the generated images", 2, _gradient),
    Property("the discriminator collects no gradient and can still learn", 1, _no_trace),
]


def generator_step(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `generator_step(discriminator, fake)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "generator_step",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        probe=_probe,
        seed=seed,
    )
