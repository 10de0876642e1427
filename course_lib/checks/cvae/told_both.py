"""Check of the exercise `told_both`: repair a conditional VAE that is not told its classes."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks.kinds import Repair

PIXELS, NUMBERS, CLASSES = 6, 2, 4


def reference(
    encoder: nn.Module,
    decoder: nn.Module,
    images: Tensor,
    labels: Tensor,
    noise: Tensor,
    num_classes: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Encode images, draw a code for each and decode it; both networks are told the class.

    Args:
        encoder: pixels and class (B, N + K) to mean and log-variance side by side, (B, 2 D).
        decoder: code and class (B, D + K) to pixels (B, N).
        images: (B, C, H, W).
        labels: (B,), from 0 to K - 1.
        noise: (B, D).
        num_classes: K.

    Returns:
        Pixels (B, N), mean (B, D) and log-variance (B, D).

    Source: eq-conditional-elbo.
    """
    return _pass(encoder, decoder, images, labels, noise, num_classes)


def _pass(
    encoder: nn.Module,
    decoder: nn.Module,
    images: Tensor,
    labels: Tensor,
    noise: Tensor,
    num_classes: int,
    *,
    encoder_told: bool = True,
    decoder_told: str = "by its place",
    columns: str = "all classes",
    deviation: float = 0.5,
) -> tuple[Tensor, Tensor, Tensor]:
    """The forward pass, with each of its parts right or wrong."""
    told = F.one_hot(labels, num_classes if columns == "all classes" else -1).to(images.dtype)
    beside = told if encoder_told else torch.zeros_like(told)
    mean, logvar = encoder(torch.cat([images.flatten(1), beside], dim=1)).chunk(2, dim=1)
    z = mean + (deviation * logvar).exp() * noise
    number = labels[:, None].to(images.dtype)
    beside = {
        "by its place": told,
        "as a number": number.expand(-1, num_classes),
        "not at all": torch.zeros(len(labels), num_classes, dtype=images.dtype),
        "somebody else's": told.roll(1, 0),
    }[decoder_told]
    return decoder(torch.cat([z, beside], dim=1)), mean, logvar


BUGS: dict[str, Any] = {
    "encoder_told": False,
    "decoder_told": "as a number",
    "columns": "of this batch",
}


def broken(
    encoder: nn.Module,
    decoder: nn.Module,
    images: Tensor,
    labels: Tensor,
    noise: Tensor,
    num_classes: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """The function that the learner is given."""
    return _pass(encoder, decoder, images, labels, noise, num_classes, **BUGS)


class _Listener(nn.Module):
    """A network that keeps what it was given; its answer is always the same."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after
        self.seen: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros (B, after)."""
        self.seen = x.detach()
        return x.new_zeros(len(x), self.after)


def _linear(before: int, after: int, generator: torch.Generator) -> nn.Linear:
    net = nn.Linear(before, after)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return net


def _batch(generator: torch.Generator, labels: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Images of 2 by 3 pixels, their labels, and noise."""
    size = len(labels)
    order = torch.randperm(size, generator=generator)
    return (
        torch.randn(size, 1, 2, 3, generator=generator),
        torch.tensor(labels)[order],
        torch.randn(size, NUMBERS, generator=generator),
    )


def _example(generator: torch.Generator) -> tuple:
    """A batch in which the last class may be missing."""
    labels = [0, 1, 2, 2, 3 if torch.rand((), generator=generator) < 0.5 else 1]
    encoder = _linear(PIXELS + CLASSES, 2 * NUMBERS, generator)
    decoder = _linear(NUMBERS + CLASSES, PIXELS, generator)
    return encoder, decoder, *_batch(generator, labels), CLASSES


told_both = Repair(
    "told_both",
    lab="cvae",
    level="build",
    minutes=15,
    reference=reference,
    broken=broken,
    example=_example,
)


def _heard(student: Any, batch: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """What encoder and decoder were given."""
    student(_Listener(2 * NUMBERS), _Listener(PIXELS), *batch, CLASSES)
    encoder, decoder = (part.seen for part in student.given[:2])
    assert encoder is not None, "the encoder was not called"
    assert decoder is not None, "the decoder was not called"
    return encoder, decoder


def _assert_told(who: str, seen: Tensor, before: int, labels: Tensor) -> None:
    told, wanted = seen[:, before:], F.one_hot(labels, CLASSES).float()
    got = [round(x, 2) for x in told[0].tolist()]
    assert told.shape == wanted.shape and torch.equal(told.float(), wanted), (
        f"for the labels {labels.tolist()} the {who} gets {tuple(seen.shape)}, and behind the "
        f"first {before} columns for the first image {got}; wanted {wanted[0].tolist()}"
    )


@told_both.bug(
    "the encoder is told the class",
    left=partial(_pass, encoder_told=False),
    hint="The encoder gets zeros in the place of the class. It has to read the label off the image "
    "then, and nothing keeps it from writing what it read into the code.",
)
def _encoder(student: Any, generator: torch.Generator) -> None:
    batch = _batch(generator, [3, 0, 1, 3, 2])
    _assert_told("encoder", _heard(student, batch)[0], PIXELS, batch[1])


@told_both.bug(
    "the decoder is told the class by its place",
    left=partial(_pass, decoder_told="as a number"),
    hint="The decoder gets the label's number. Then class 3 is three times class 1 and between "
    "classes 2 and 4: give each class a column of its own, one_hot.",
)
def _decoder(student: Any, generator: torch.Generator) -> None:
    batch = _batch(generator, [3, 0, 1, 3, 2])
    _assert_told("decoder", _heard(student, batch)[1], NUMBERS, batch[1])


@told_both.bug(
    "a batch without the last class goes through",
    left=partial(_pass, columns="of this batch"),
    hint="F.one_hot(labels) has as many columns as the largest label of *this batch* asks for. Say "
    "how many classes there are: F.one_hot(labels, num_classes).",
)
def _columns(student: Any, generator: torch.Generator) -> None:
    seen = _heard(student, _batch(generator, [0, 1, 0]))
    got = tuple(part.shape[1] for part in seen)
    wanted = (PIXELS + CLASSES, NUMBERS + CLASSES)
    assert got == wanted, (
        f"a batch whose largest label is 1, of {CLASSES} classes: encoder and decoder get {got} "
        f"columns, wanted {wanted}"
    )


told_both.equals_reference(
    "pixels, mean and log-variance are right",
    points=2,
    what=("the pixels", "the mean", "the log-variance"),
)

told_both.mistake(
    "unchanged",
    broken,
    hint="This is the function as it was given to you. Who is told the class, and how? Three "
    "things are wrong.",
)
told_both.mistake(
    "the decoder not told",
    partial(_pass, decoder_told="not at all"),
    hint="Your decoder gets zeros. It cannot draw a class on demand if nobody tells it which.",
)
told_both.mistake(
    "the neighbour's label",
    partial(_pass, decoder_told="somebody else's"),
    hint="Your decoder is told the label of another image of the batch. Both networks need the "
    "label of *this* image, in the same row.",
)
told_both.mistake(
    "the variance for the deviation",
    partial(_pass, deviation=1.0),
    hint="You changed a line that was right: the deviation of the code is exp(logvar / 2).",
)
