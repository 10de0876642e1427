"""Check of the exercise `vaegan_turn`: repair the turn of a VAE-GAN's encoder and decoder."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks.kinds import Repair


def reference(
    encoder: nn.Module,
    decoder: nn.Module,
    judge: nn.Module,
    images: Tensor,
    noise: Tensor,
    fresh: Tensor,
) -> None:
    """Leave in `.grad` of encoder and decoder what each should follow, and nothing in the judge.

    Args:
        encoder: images to (mean, logvar), (B, D) each.
        decoder: codes (B, D) to images (B, N).
        judge: images to (logits, features), (B,) and (B, F); large logits mean "real".
        images: (B, N).
        noise: (B, D), for the codes of these images.
        fresh: (B, D), codes from the prior.

    Source: arXiv:1512.09300, algorithm 1.
    """
    _turn(encoder, decoder, judge, images, noise, fresh)


def _turn(
    encoder: nn.Module,
    decoder: nn.Module,
    judge: nn.Module,
    images: Tensor,
    noise: Tensor,
    fresh: Tensor,
    *,
    encoder_hears: str = "features and divergence",
    judge_spared: bool = True,
    aim: str = "real",
    features: str = "open",
    judged: str = "both",
    decoder_hears: str = "features and judge",
) -> None:
    """The turn, with each of its parts right or wrong."""
    mean, logvar = encoder(images)
    z = mean + (0.5 * logvar).exp() * noise
    again = decoder(z)
    with torch.no_grad():
        wanted = judge(images)[1]
    score_again, found = judge(again)
    if features == "cut":
        found = judge(again.detach())[1]
    score_fresh, _ = judge(decoder(fresh))
    like = 0.5 * (found - wanted).square().sum(1).mean()
    divergence = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean()
    sign = -1 if aim == "real" else 1
    scores = [score_again, score_fresh] if judged == "both" else [score_again] * 2
    taken = sum((F.softplus(sign * s).mean() for s in scores), torch.zeros(())) / 2
    loss_e = like + divergence
    if encoder_hears == "everything":
        loss_e = loss_e + taken
    elif encoder_hears == "no divergence":
        loss_e = like
    loss_d = like + taken if decoder_hears == "features and judge" else taken
    players = [(encoder, loss_e), (decoder, loss_d)]
    if not judge_spared:
        players.append((judge, like + taken))
    for net, loss in players:
        parameters = list(net.parameters())
        slopes = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter.grad = slope


BUGS: dict[str, Any] = {
    "encoder_hears": "everything",
    "judge_spared": False,
    "aim": "drawn",
    "features": "cut",
    "judged": "reconstructions",
}


def broken(
    encoder: nn.Module,
    decoder: nn.Module,
    judge: nn.Module,
    images: Tensor,
    noise: Tensor,
    fresh: Tensor,
) -> None:
    """The function that the learner is given."""
    _turn(encoder, decoder, judge, images, noise, fresh, **BUGS)


class _Encoder(nn.Module):
    """Images of 4 pixels to codes of 2 numbers."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 * torch.randn(4, 4, generator=generator).double())

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return mean and log-variance (B, 2)."""
        return (images @ self.weight).chunk(2, dim=1)


class _Decoder(nn.Module):
    """Codes of 2 numbers to images of 4 pixels."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 * torch.randn(2, 4, generator=generator).double())
        self.bias = nn.Parameter(0.5 * torch.randn(4, generator=generator).double())

    def forward(self, z: Tensor) -> Tensor:
        """Return (B, 4)."""
        return z @ self.weight + self.bias


class _Judge(nn.Module):
    """Images of 4 pixels to logits and 3 features."""

    def __init__(
        self, generator: torch.Generator, *, scores: float = 1.0, looks: float = 1.0
    ) -> None:
        super().__init__()
        self.score = nn.Parameter(scores * (0.5 + torch.rand(4, generator=generator).double()))
        self.look = nn.Parameter(looks * torch.randn(4, 3, generator=generator).double())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B,) and (B, 3)."""
        return images @ self.score, (images @ self.look).tanh()


def _batch(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    images, noise, fresh = (
        torch.randn(5, size, generator=generator).double() for size in (4, 2, 2)
    )
    return images, noise, fresh


def _example(generator: torch.Generator) -> tuple:
    return _Encoder(generator), _Decoder(generator), _Judge(generator), *_batch(generator)


def _left(student: Any, *arguments: Any) -> list[list[Tensor]]:
    """The gradients that encoder, decoder and judge are left with."""
    student(*arguments)
    return [
        [torch.zeros_like(p) if p.grad is None else p.grad for p in net.parameters()]
        for net in student.given[:3]
    ]


def _gradients(student: Any, arguments: tuple) -> list[list[Tensor]]:
    return _left(student, *arguments)


vaegan_turn = Repair(
    "vaegan_turn",
    lab="four_steps_generation",
    level="stretch",
    minutes=30,
    reference=reference,
    broken=broken,
    example=_example,
    probe=_gradients,
    may_change=("encoder", "decoder", "judge"),
)


def _same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.allclose(x, y) for x, y in zip(a, b, strict=True))


@vaegan_turn.bug(
    "the encoder does not hear the verdict",
    left=partial(_turn, encoder_hears="everything"),
    hint="The encoder follows the judge's verdict, too. It should name codes from which *this* "
    "image comes back; with the verdict in its loss it moves codes to wherever the decoder's "
    "pictures pass. Give encoder and decoder losses of their own.",
)
def _verdict(student: Any, generator: torch.Generator) -> None:
    encoder, decoder, batch = _Encoder(generator), _Decoder(generator), _batch(generator)
    judge = _Judge(generator)
    pulls = []
    for factor in (1.0, -2.0):
        with torch.no_grad():
            judge.score.mul_(factor)
        pulls.append(_left(student, encoder, decoder, judge, *batch)[0])
    assert _same(*pulls), (
        "the judge looks at the same features and gives other verdicts, and the encoder's gradient "
        "changes"
    )
    assert any(pull.any() for pull in pulls[0]), "the encoder gets no gradient at all"


@vaegan_turn.bug(
    "nothing is left in the judge",
    left=partial(_turn, judge_spared=False),
    hint="backward() leaves gradients in the judge as well, and its next step would follow them, "
    "towards calling drawn images real. Say whose gradients you want: "
    "backward(inputs=list(decoder.parameters())).",
)
def _spared(student: Any, generator: torch.Generator) -> None:
    encoder, decoder, judge = _left(student, *_example(generator))
    assert any(pull.any() for pull in encoder + decoder), "no gradient is left anywhere"
    assert not any(pull.any() for pull in judge), "the judge is left with gradients"


@vaegan_turn.bug(
    "the decoder wants to be taken for real",
    left=partial(_turn, aim="drawn"),
    hint="The decoder's loss falls when its pictures are found out: softplus(score) is what the "
    "*judge* minimises for drawn images. The decoder's is softplus(-score).",
)
def _aim(student: Any, generator: torch.Generator) -> None:
    judge = _Judge(generator, looks=0.0)  # no features: only verdicts
    pull = _left(student, _Encoder(generator), _Decoder(generator), judge, *_batch(generator))[1]
    towards = float(pull[1] @ judge.score.detach())
    assert towards != 0, "the decoder does not move by the judge's verdict"
    assert towards < 0, "a step of the decoder makes its pictures look less real to the judge"


@vaegan_turn.bug(
    "encoder and decoder hear the features",
    left=partial(_turn, features="cut"),
    hint="The reconstruction is detached before its features are looked at, so their distance "
    "moves nobody. Take the features of the reconstruction itself.",
)
def _features(student: Any, generator: torch.Generator) -> None:
    encoder, decoder, batch = _Encoder(generator), _Decoder(generator), _batch(generator)
    judge = _Judge(generator)
    pulls = []
    for factor in (1.0, 3.0):
        with torch.no_grad():
            judge.look.mul_(factor)
        pulls.append(_left(student, encoder, decoder, judge, *batch))
    for who, one, other in zip(("encoder", "decoder"), *pulls, strict=False):
        assert not _same(one, other), (
            f"the judge's features change, and the {who}'s gradient stays the same"
        )


@vaegan_turn.bug(
    "codes from the prior are judged, too",
    left=partial(_turn, judged="reconstructions"),
    hint="Only reconstructions are shown to the judge. Whoever draws new images draws them from "
    "the prior: half of the verdict is about decoder(fresh).",
)
def _fresh(student: Any, generator: torch.Generator) -> None:
    encoder, decoder, judge, images, noise, fresh = _example(generator)
    pulls = [
        _left(student, encoder, decoder, judge, images, noise, codes)[1]
        for codes in (fresh, fresh + 1)
    ]
    assert not _same(*pulls), "other codes from the prior, and the decoder's gradient is the same"


vaegan_turn.equals_reference(
    "all gradients are right",
    points=2,
    what=("the encoder's gradients", "the decoder's gradients", "the judge's gradients"),
)

vaegan_turn.mistake(
    "unchanged",
    broken,
    hint="This is the turn as it was given to you. Write down for each of the three losses whom it "
    "should move; five things are wrong.",
)
vaegan_turn.mistake(
    "the divergence forgotten",
    partial(_turn, encoder_hears="no divergence"),
    hint="Your encoder is not charged for its codes any more. Its loss is features plus "
    "divergence.",
)
vaegan_turn.mistake(
    "the decoder follows the verdict alone",
    partial(_turn, decoder_hears="judge"),
    hint="Your decoder follows the verdict alone, and need not draw the image it was given a code "
    "of. Its loss is features plus verdict.",
)
