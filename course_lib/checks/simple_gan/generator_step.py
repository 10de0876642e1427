"""Check of the exercise `generator_step`: the generator's half, and no trace in the other half."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks.compare import assert_close, gradient_at, one_number
from course_lib.checks.core import Check
from course_lib.checks.fixtures import Judge

Loss = Callable[[Tensor], Tensor]  # of the logits


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


def _with(loss: Loss) -> Callable[[nn.Module, Tensor], Tensor]:
    """An answer with another loss, and no trace."""
    return lambda discriminator, fake: _frozen(discriminator, fake, loss)


def _no_grad(discriminator: nn.Module, fake: Tensor) -> Tensor:
    with torch.no_grad():
        logits = discriminator(fake)
    return F.softplus(-logits).mean()


def _eval_mode(discriminator: nn.Module, fake: Tensor) -> Tensor:
    discriminator.eval()
    value = _frozen(discriminator, fake, lambda z: F.softplus(-z).mean())
    discriminator.train()
    return value


def _example(generator: torch.Generator, sure: float = 0.0) -> tuple:
    """A discriminator, and fakes that it finds out; the surer, the further below 0 the logits."""
    number = int(torch.randint(4, 8, (1,), generator=generator))
    source = torch.randn(number, 1, 4, 4, generator=generator) + 0.3
    judge = Judge(generator)
    with torch.no_grad():
        judge.last.bias.sub_(sure)
    return judge, source.requires_grad_()


def _trace(student: Any, arguments: tuple) -> tuple:
    """The loss, the gradients at the fakes and at the discriminator, and whether it can learn."""
    discriminator, source = arguments
    loss = one_number(student, (discriminator, source * 1.0))
    if isinstance(loss, Tensor) and loss.requires_grad:
        loss.backward()
    parameters = list(student.given[0].parameters())
    return loss, source.grad, [p.grad for p in parameters], [p.requires_grad for p in parameters]


def _probe(student: Any, arguments: tuple) -> list:
    sure = _example(torch.Generator().manual_seed(len(arguments[1])), sure=30)
    return [_trace(student, arguments), one_number(student, sure)]


generator_step = Check(
    "generator_step",
    lab="simple_gan",
    level="build",
    minutes=15,
    reference=reference,
    example=_example,
    probe=_probe,
)
generator_step.equals_reference(
    "the loss: -log D(fake), mean over the batch", points=1, probe=one_number, what="the loss"
)
for _name, _draw, _what in (
    (
        "the gradient passes through to the generated images",
        _example,
        "the gradient at the generated images",
    ),
    (
        "it does so where the discriminator is sure",
        partial(_example, sure=30),
        "for logits around -30, the gradient at the generated images",
    ),
):
    generator_step.equals_reference(
        _name, points=1, example=_draw, probe=gradient_at(1), what=_what, tolerance=1e-6
    )


@generator_step.holds("the discriminator collects no gradient and can still learn", points=1)
def _no_trace(student: Any, generator: torch.Generator) -> None:
    judge, source = _example(generator)
    loss, at_fake, at_discriminator, able = _trace(student, (judge, source))
    wanted = reference(judge, source)
    assert_close(loss, wanted, "the loss")
    assert at_fake is not None, "no gradient arrives at the generated images"
    (once,) = torch.autograd.grad(wanted, source)
    assert_close(at_fake, once, "after one backward() the gradient at the generated images")
    found = [gradient for gradient in at_discriminator if gradient is not None]
    assert not found, "backward() left a gradient in the discriminator's parameters"
    assert all(able), "afterwards the discriminator's parameters have requires_grad=False: frozen"


generator_step.mistake(
    "aims at the label 0",
    _with(lambda z: F.softplus(z).mean()),
    hint="Minimising your loss makes the discriminator's logits small: the generator learns to be "
    "found out. It wants the opposite, the label 1 for its own images: softplus(-logits).",
)
generator_step.mistake(
    "the saturating loss",
    _with(lambda z: -F.softplus(z).mean()),
    hint="Yours is log(1 - D), the generator's side of the original game. Where the discriminator "
    "is sure (logit far below 0), its slope is nearly 0, and that is where a good discriminator "
    "soon puts the fakes of a young generator. Take -log D instead: softplus(-logits).",
)
generator_step.mistake(
    "the sign",
    _with(lambda z: -F.softplus(-z).mean()),
    hint="You return mean log D, which is to be made large; optimisers make things small. Turn the "
    "sign.",
)
generator_step.mistake(
    "the score itself",
    _with(lambda z: -z.mean()),
    hint="You return minus the mean logit, the generator's loss of the Wasserstein and hinge "
    "games. Here the loss is -log D(fake) with D = sigmoid(logit): softplus(-logits).",
)
generator_step.mistake(
    "a sum",
    _with(lambda z: F.softplus(-z).sum()),
    hint="You add up over the batch, so the step depends on the batch's size. Take the mean.",
)
generator_step.mistake(
    "sigmoid twice",
    _with(lambda z: F.softplus(-z.sigmoid()).mean()),
    hint="You apply a sigmoid and then a loss that contains one. The discriminator's output is a "
    "logit already.",
)
generator_step.mistake(
    "detached",
    lambda discriminator, fake: F.softplus(-discriminator(fake.detach())).mean(),
    hint="You detached `fake`: that belongs into the discriminator's step. Here the gradient has "
    "to go through the discriminator into the generator, and yours stops on the way.",
)
generator_step.mistake(
    "no_grad",
    _no_grad,
    hint="Without a graph through the discriminator nothing can be learned from it. Its parameters "
    "shall not collect a gradient, but the gradient must pass through it: requires_grad_(False) on "
    "its parameters, not no_grad.",
)
generator_step.mistake(
    "the discriminator collects a gradient",
    lambda discriminator, fake: F.softplus(-discriminator(fake)).mean(),
    hint="The value is right, but backward() also adds this gradient to the .grad of the "
    "discriminator's parameters. Whoever forgets to clear it moves the discriminator towards "
    "calling fakes real. Freeze it for this call: requires_grad_(False).",
)
generator_step.mistake(
    "frozen for ever",
    partial(_frozen, loss=lambda z: F.softplus(-z).mean(), thaw=False),
    hint="You froze the discriminator and left it frozen: from its next step on it learns nothing. "
    "Call requires_grad_(True) before you return; the graph remembers what was frozen when it was "
    "built.",
)
generator_step.mistake(
    "eval mode",
    _eval_mode,
    hint="You put the discriminator into eval mode. That does not freeze its parameters; it makes "
    "BatchNorm use stored statistics, so the generator is judged by another network than the one "
    "that was trained. Leave the mode as it is.",
)
generator_step.mistake(
    "a small number inside of the logarithm",
    _with(lambda z: -(z.sigmoid() + 1e-8).log().mean()),
    hint="You added a small number inside of the logarithm. Where the discriminator is sure, D is "
    "smaller than that number, and the gradient is gone just where the generator needs it. "
    "softplus(-logits) needs none.",
)
generator_step.mistake(
    "halved",
    _with(lambda z: 0.5 * F.softplus(-z).mean()),
    hint="Your loss is half of what is wanted. It is the mean of -log D, with no factor.",
)
