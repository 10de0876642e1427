"""Check of the exercise `quantise`: repair the step that chooses, hands on and pulls."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.kinds import Repair


def reference(u: Tensor, codebook: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
    """Replace vectors by their nearest codes, with a gradient past the choice.

    Args:
        u: (N, D) vectors of the encoder.
        codebook: (K, D), which learns by gradient.
        beta: weight of the commitment.

    Returns:
        What the decoder gets (N, D), the codes (N,), and the loss: mean squared distance that
        moves the codebook, plus beta times the same for the encoder.

    Source: arXiv:1711.00937, Eq. 3.
    """
    return _quantise(u, codebook, beta)


def _quantise(
    u: Tensor,
    codebook: Tensor,
    beta: float,
    *,
    nearest: str = "distance",
    straight: str = "through",
    terms: str = "right",
    order: str = "distances first",
) -> tuple[Tensor, Tensor, Tensor]:
    """The step, with each of its parts right or wrong."""
    scores = u @ codebook.T  # (N, K)
    if nearest == "distance":
        scores = scores - 0.5 * codebook.square().sum(1)
    codes = scores.argmin(1) if nearest == "farthest" else scores.argmax(1)
    e = codebook[codes]
    handed = {
        "through": u + (e - u).detach(),
        "backwards": u.detach() + (e - u),
        "cut": e.detach(),
        "to the codebook": e,
        "the vector itself": e + (u - e).detach(),
        "doubled": u + (e - u.detach()),
    }[straight]
    if order == "afterwards":
        u = handed
    loss = {
        "right": F.mse_loss(e, u.detach()) + beta * F.mse_loss(u, e.detach()),
        "exchanged": F.mse_loss(u, e.detach()) + beta * F.mse_loss(e, u.detach()),
        "nothing detached": (1 + beta) * F.mse_loss(u, e),
        "commitment alone": beta * F.mse_loss(u, e.detach()),
    }[terms]
    return handed, codes, loss


BUGS: dict[str, Any] = {
    "nearest": "product",
    "straight": "backwards",
    "terms": "exchanged",
    "order": "afterwards",
}


def broken(u: Tensor, codebook: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
    """The function that the learner is given."""
    return _quantise(u, codebook, beta, **BUGS)


def _example(generator: torch.Generator) -> tuple[Tensor, Tensor, float]:
    """Codes of very different lengths: the longest has the largest product with most vectors."""
    n, k, d = (int(torch.randint(low, low + 3, (), generator=generator)) for low in (6, 4, 2))
    lengths = torch.linspace(0.5, 3, k)[:, None]
    beta = 0.2 + 0.3 * float(torch.rand((), generator=generator))
    while True:  # drawn anew where all of the largest products happen to be the nearest codes
        codebook = lengths * F.normalize(torch.randn(k, d, generator=generator), dim=1)
        near = codebook[torch.randint(k, (n,), generator=generator)]
        u = near + 0.3 * torch.randn(n, d, generator=generator)
        if not (u @ codebook.T).argmax(1).equal(torch.cdist(u, codebook).argmin(1)):
            return u, codebook, beta


def _parts(answer: Any, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The three parts, with the shapes that are wanted."""
    assert answer is not None, "the result is None: is the `return` missing?"
    assert isinstance(answer, tuple | list) and len(answer) == 3, (
        f"return three things, vectors, codes and loss; got {type(answer).__name__}"
    )
    names = ("the vectors", "the codes", "the loss")
    for part, name, shape in zip(answer, names, (u.shape, u.shape[:1], ()), strict=True):
        assert isinstance(part, Tensor), (
            f"{name}: got a {type(part).__name__}, wanted a torch.Tensor"
        )
        assert part.shape == shape, f"{name}: shape {tuple(part.shape)}, wanted {tuple(shape)}"
    return answer[0], answer[1], answer[2]


def _slopes(value: Tensor, *inputs: Tensor) -> list[Tensor]:
    """The gradients, 0 where none arrives."""
    if not value.requires_grad:
        return [torch.zeros_like(x) for x in inputs]
    found = torch.autograd.grad(value, inputs, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]


def _probe(student: Any, arguments: tuple) -> tuple:
    """All that can be seen from outside: three results and four gradients."""
    u, codebook = (part.detach().clone().requires_grad_() for part in arguments[:2])
    handed, codes, loss = _parts(student(u, codebook, arguments[2]), u)
    given_u, given_codebook = student.given[:2]
    weights = torch.linspace(1, 2, handed.numel()).view_as(handed)
    by_decoder = _slopes((handed * weights).sum(), given_u, given_codebook)
    by_loss = _slopes(loss, given_u, given_codebook)
    return handed.detach(), codes, loss.detach(), *by_decoder, *by_loss


quantise = Repair(
    "quantise",
    lab="vqvae",
    level="build",
    minutes=20,
    reference=reference,
    broken=broken,
    example=_example,
    probe=_probe,
)


def _run(student: Any, generator: torch.Generator) -> tuple:
    u, codebook, beta = _example(generator)
    return (*_probe(student, (u, codebook, beta)), u, codebook, beta)


@quantise.bug(
    "the nearest code is chosen",
    left=partial(_quantise, nearest="product"),
    hint="You choose the code with the largest product. A long code then wins vectors that lie far "
    "from it: subtract half of each code's squared length, and the order is that of the distances.",
)
def _nearest(student: Any, generator: torch.Generator) -> None:
    u, codebook, beta = _example(generator)
    codes = _parts(student(u, codebook, beta), u)[1]
    distance = (u[:, None] - codebook).norm(dim=2)  # (N, K)
    assert not codes.is_floating_point() and 0 <= int(codes.min()) <= int(codes.max()) < len(
        codebook
    ), "the codes are no whole numbers from 0 to K - 1"
    mine = distance.gather(1, codes.long()[:, None])[:, 0]
    wrong = (mine > distance.amin(1) + 1e-5).nonzero().flatten().tolist()
    assert not wrong, (
        f"{len(wrong)} of {len(u)} vectors get a code that is not their nearest; the first lies "
        f"{float(mine[wrong[0]]):.2f} from its code and {float(distance[wrong[0]].min()):.2f} from "
        "another"
    )


@quantise.bug(
    "the decoder's gradient arrives as it is",
    left=partial(_quantise, straight="backwards"),
    hint="The cut is at the wrong place. Of u + (e - u) the *bracket* is the constant: "
    "u + (e - u).detach(). With u detached, what is left of u has a minus sign, and the encoder "
    "is sent the wrong way.",
)
def _straight(student: Any, generator: torch.Generator) -> None:
    handed, _, _, to_u, to_codebook, *_, u, codebook, _ = _run(student, generator)
    weights = torch.linspace(1, 2, handed.numel()).view_as(handed)
    ratio = float((to_u * weights).sum() / weights.square().sum())
    assert torch.allclose(to_u, weights, atol=1e-5), (
        f"of a gradient at the decoder's input, {ratio:.2f} times it arrives at u, wanted 1"
    )
    assert not to_codebook.any(), "the decoder's gradient moves the codebook, too"
    lists = (handed[:, None] - codebook).norm(dim=2).amin(1)
    assert float(lists.max()) < 1e-5, "what the decoder gets is not in the codebook"


@quantise.bug(
    "beta weighs the pull on the encoder",
    left=partial(_quantise, terms="exchanged"),
    hint="beta stands before the wrong term. The term that moves the *codebook* has u detached and "
    "the weight 1; the commitment has e detached and the weight beta. The loss's value is the "
    "same.",
)
def _weights(student: Any, generator: torch.Generator) -> None:
    *_, to_u, to_codebook, u, codebook, beta = _run(student, generator)
    force_u, force_codebook = to_u.sum(0).norm(), to_codebook.sum(0).norm()
    assert float(force_codebook) > 1e-7, "the loss does not move the codebook at all"
    ratio = float(force_u / force_codebook)
    assert abs(ratio - beta) < 1e-3, (
        f"the pull on the encoder is {ratio:.2f} times that on the codebook, wanted {beta:.2f}"
    )


@quantise.bug(
    "the loss is the distance from the codes",
    left=partial(_quantise, order="afterwards"),
    hint="You compute the distances after the straight-through line, where u has the code's value: "
    "they are 0, and so are their gradients. Compute the loss first, or give the vectors that are "
    "handed on another name.",
)
def _distance(student: Any, generator: torch.Generator) -> None:
    _, codes, loss, *_, u, codebook, beta = _run(student, generator)
    wanted = (1 + beta) * F.mse_loss(codebook[codes], u)
    assert abs(float(loss - wanted)) < 1e-4 * (1 + float(wanted)), (
        f"the loss is {float(loss):.4f}; 1 + beta times the mean squared distance of the vectors "
        f"from the codes that you chose is {float(wanted):.4f}"
    )


quantise.equals_reference(
    "on random vectors everything is right",
    points=2,
    what=(
        "what the decoder gets",
        "the codes",
        "the loss",
        "the decoder's gradient at u",
        "the decoder's gradient at the codebook",
        "the loss's gradient at u",
        "the loss's gradient at the codebook",
    ),
)

quantise.mistake(
    "unchanged",
    broken,
    hint="This is the function as it was given to you. Follow one vector with a pencil; four "
    "things are wrong.",
)
quantise.mistake(
    "the decoder's gradient cut off",
    partial(_quantise, straight="cut"),
    hint="What you hand on has the code's value and no gradient: the encoder learns nothing from "
    "the reconstruction. u has to stand in the sum, outside of the detached bracket.",
)
quantise.mistake(
    "the decoder's gradient to the codebook",
    partial(_quantise, straight="to the codebook"),
    hint="You hand on the code's vector itself, so the decoder's gradient moves the codebook and "
    "never reaches the encoder.",
)
quantise.mistake(
    "the vector itself is handed on",
    partial(_quantise, straight="the vector itself"),
    hint="What you hand on has the *value* of u: nothing is quantised. Exchange u and e, and look "
    "once more at which of them has to keep its gradient.",
)
quantise.mistake(
    "the decoder's gradient to both",
    partial(_quantise, straight="doubled"),
    hint="The decoder's gradient reaches u, and the codebook as well: e stands in your sum outside "
    "of detach. The codebook has its own term.",
)
quantise.mistake(
    "nothing detached in the loss",
    partial(_quantise, terms="nothing detached"),
    hint="Your two terms move both sides, each with 1 + beta. Each term detaches one side, so that "
    "beta can weigh the pull on the encoder alone.",
)
quantise.mistake(
    "the commitment alone",
    partial(_quantise, terms="commitment alone"),
    hint="Only the commitment is in your loss, so the codebook never moves. Here nothing else "
    "moves it: its own term is needed, with u detached.",
)
