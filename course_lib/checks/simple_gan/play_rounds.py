"""Check of the exercise `play_rounds`: repair the loop of a GAN's training."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks.fixtures import Judge
from course_lib.checks.kinds import Repair

Rounds = Iterable[tuple[Tensor, Tensor, Tensor]]  # real images, codes for each player's turn


def reference(
    generator: nn.Module, discriminator: nn.Module, rounds: Rounds, lr: float
) -> list[tuple[float, float]]:
    """Play rounds of the game, by SGD, and return both losses of each round.

    In each round the discriminator learns from real images and from fakes of the first codes; then
    the generator answers to it, with fakes of the other codes.

    Args:
        generator: codes (B, D) to images; trained in place.
        discriminator: images to logits (B,), large for "real"; trained in place.
        rounds: triples of real images, codes and codes.
        lr: learning rate of both.
    """
    return _play(generator, discriminator, rounds, lr)


def _bce(logits: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def _play(
    generator: nn.Module,
    discriminator: nn.Module,
    rounds: Rounds,
    lr: float,
    *,
    detach: str = "discriminator's turn",
    labels: tuple[float, float] = (1.0, 0.0),
    aim: float = 1.0,
    order: str = "in turns",
    clear_g: bool = True,
    kind: str = "non-saturating",
    fresh: bool = True,
) -> list[tuple[float, float]]:
    """The loop, with each of its parts right or wrong."""
    step_d = torch.optim.SGD(discriminator.parameters(), lr=lr)
    step_g = torch.optim.SGD(generator.parameters(), lr=lr)
    record = []
    for real, codes_d, codes_g in rounds:
        fake = generator(codes_d)
        on_fake = discriminator(fake.detach() if detach != "never" else fake)
        loss_d = _bce(discriminator(real), labels[0]) + _bce(on_fake, labels[1])
        step_d.zero_grad()
        if order != "together":
            loss_d.backward()
        if order == "in turns":
            step_d.step()

        fake = generator(codes_g if fresh else codes_d)
        on_fake = discriminator(fake.detach() if detach == "both turns" else fake)
        loss_g = _bce(on_fake, aim) if kind == "non-saturating" else -_bce(on_fake, 0.0)
        if clear_g:
            step_g.zero_grad()
        if order == "together":  # no gradient leaks, but the generator answers to the old weights
            loss_d.backward()
            step_g.zero_grad()
            loss_g.backward(inputs=list(generator.parameters()))
        else:
            loss_g.backward()
        if order != "in turns":
            step_d.step()
        step_g.step()
        record.append((loss_d.item(), loss_g.item()))
    return record


BUGS: dict[str, Any] = {
    "detach": "never",
    "labels": (1.0, 1.0),
    "aim": 0.0,
    "order": "leak",
    "clear_g": False,
}
broken = partial(_play, **BUGS)


class _Scale(nn.Module):
    """A player of one number for each pixel: pixel 0 shows real images, 1 and 2 the two fakes."""

    def __init__(self, generator: torch.Generator, *, judge: bool) -> None:
        super().__init__()
        values = 0.5 + torch.rand(3, generator=generator, dtype=torch.float64)
        self.weight, self.judge = nn.Parameter(values), judge

    def forward(self, x: Tensor) -> Tensor:
        """Return images (B, 3) of codes (B, 3), or a judge's logits (B,) of images."""
        return (x * self.weight).sum(1) if self.judge else x * self.weight


def _one_pixel(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A round in which each of the three uses a pixel of its own."""
    values = 0.5 + torch.rand(3, 4, generator=generator, dtype=torch.float64)
    real, codes_d, codes_g = (F.one_hot(torch.tensor(k), 3) * values[k][:, None] for k in range(3))
    return real, codes_d, codes_g


def _pulls(student: Any, players: tuple, rounds: list) -> tuple[Tensor, Tensor]:
    """By how much the weights of both moved, for a tiny learning rate, divided by it."""
    student(*players, rounds, 1e-6)
    pairs = zip(student.given[:2], players, strict=True)
    g, d = ((after.weight - before.weight).detach() / 1e-6 for after, before in pairs)
    return g, d


def _scales(generator: torch.Generator) -> tuple[_Scale, _Scale]:
    return _Scale(generator, judge=False), _Scale(generator, judge=True)


def _example(generator: torch.Generator) -> tuple:
    made = nn.Sequential(
        nn.Linear(3, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4))
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.6)
    sizes = (5, 1, 4, 4), (5, 3), (5, 3)
    rounds = [tuple(torch.randn(size, generator=generator) for size in sizes) for _ in range(3)]
    return made, Judge(generator), rounds, 0.2


def _played(student: Any, arguments: tuple) -> tuple:
    """The losses, and the weights of both players."""
    record = student(*arguments)
    for loss in (loss for pair in record for loss in pair):
        assert isinstance(loss, int | float), (
            f"a loss is a {type(loss).__name__}, wanted a plain number, which loss.item() gives"
        )
    weights = [[p.detach() for p in player.parameters()] for player in student.given[:2]]
    return record, *weights


play_rounds = Repair(
    "play_rounds",
    lab="simple_gan",
    level="build",
    minutes=20,
    reference=reference,
    broken=broken,
    example=_example,
    probe=_played,
    may_change=("generator", "discriminator"),
)


@play_rounds.bug(
    "the discriminator learns real from fake",
    left=partial(_play, labels=(1.0, 1.0)),
    hint="In the discriminator's turn the fakes have the label 1, like the real images. It learns "
    "to call everything real. Its fakes have the label 0.",
)
def _labels(student: Any, generator: torch.Generator) -> None:
    _, pull = _pulls(student, _scales(generator), [_one_pixel(generator)])
    assert pull[0] > 0, "after its turn the discriminator's logit of a real image is not higher"
    assert pull[1] < 0, "after its turn the discriminator's logit of its fakes is not lower"


@play_rounds.bug(
    "the discriminator's turn leaves the generator alone",
    left=partial(_play, detach="never", clear_g=False),
    hint="The discriminator's loss runs through its fakes back into the generator, and moves it "
    "towards images that are found out sooner. Cut there: generator(codes).detach().",
)
def _detached(student: Any, generator: torch.Generator) -> None:
    pull, _ = _pulls(student, _scales(generator), [_one_pixel(generator)])
    assert pull[1] == 0, "the generator moves by what happened to the first codes' fakes"


@play_rounds.bug(
    "the generator aims at images that look more real",
    left=partial(_play, aim=0.0),
    hint="The generator's loss has the label 0: it learns to be found out. In its own turn it "
    "wants its fakes to be called real, label 1.",
)
def _aim(student: Any, generator: torch.Generator) -> None:
    pull, _ = _pulls(student, _scales(generator), [_one_pixel(generator)])
    assert pull[2] != 0, "the generator does not move by the fakes of its own turn"
    assert pull[2] > 0, "after the generator's turn its fakes have lower logits than before"


@play_rounds.bug(
    "the generator's turn leaves the discriminator alone",
    left=partial(_play, order="leak"),
    hint="The generator's backward() leaves gradients in the discriminator, and step_d.step() "
    "comes after it. Let the discriminator step before the generator's loss is computed.",
)
def _leak(student: Any, generator: torch.Generator) -> None:
    _, pull = _pulls(student, _scales(generator), [_one_pixel(generator)])
    assert pull[2] == 0, "the discriminator moves by the fakes of the generator's turn"


@play_rounds.bug(
    "a round does not feel the one before",
    left=partial(_play, clear_g=False),
    hint="The generator's gradients are never cleared, so each step repeats all earlier ones. Call "
    "step_g.zero_grad() before its backward().",
)
def _cleared(student: Any, generator: torch.Generator) -> None:
    players, rounds = _scales(generator), [_one_pixel(generator) for _ in range(2)]
    one, other, both = (_pulls(student, players, r) for r in (rounds[:1], rounds[1:], rounds))
    for who, pixel, a, b, sum_ in zip(
        ("generator", "discriminator"), (2, 1), one, other, both, strict=True
    ):
        assert abs(sum_ - a - b)[pixel] < 1e-3 * abs(a[pixel]), (
            f"two rounds with tiny steps should move the {who} by the sum of what each does alone"
        )


play_rounds.equals_reference(
    "after several rounds, losses and weights are right",
    points=2,
    what=("the losses", "the generator's weights", "the discriminator's weights"),
)

play_rounds.mistake(
    "unchanged",
    broken,
    hint="This is the loop as it was given to you. Follow one round with a pencil: which gradient "
    "goes where? Five things are wrong.",
)
play_rounds.mistake(
    "labels swapped",
    partial(_play, labels=(0.0, 1.0)),
    hint="Your discriminator gives real images the label 0 and fakes 1. Here a large logit means "
    "real: real images have 1.",
)
play_rounds.mistake(
    "detached in both turns",
    partial(_play, detach="both turns"),
    hint="You cut the fakes off in the generator's turn as well, so its loss never reaches it. "
    "Detach them in the discriminator's turn only.",
)
play_rounds.mistake(
    "the first codes once more",
    partial(_play, fresh=False),
    hint="Your generator's turn uses the codes of the discriminator's. It has codes of its own, "
    "the third part of a round.",
)
play_rounds.mistake(
    "both move at once",
    partial(_play, order="together"),
    hint="No gradient leaks any more, but both players move at the same time. Here the generator "
    "answers to the discriminator's new weights: let it step first.",
)
play_rounds.mistake(
    "the minimax loss",
    partial(_play, kind="minimax"),
    hint="Your generator minimises minus the discriminator's loss on fakes. The direction is "
    "right, but it falls silent where the discriminator is sure. Use the label 1 instead.",
)
