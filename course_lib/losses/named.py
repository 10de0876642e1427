"""A loss by its name, as a training configuration holds it."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from course_lib.losses.boundary import boundary_loss
from course_lib.losses.overlap import dice_loss, lovasz_softmax
from course_lib.losses.pixelwise import cross_entropy, focal_loss

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross-entropy": cross_entropy,
    "focal": focal_loss,
    "dice": dice_loss,
    "lovasz": lovasz_softmax,
    "boundary": boundary_loss,
}
WEIGHTED = ("cross-entropy", "focal")  # those that take class weights


def make_loss(
    name: str,
    *,
    weight: Tensor | Sequence[float] | None = None,
    ignore_index: int | None = None,
) -> Loss:
    """Return the loss of that name, or the sum of several.

    Args:
        name: one of `LOSSES`, or several joined by "+", such as "cross-entropy+dice".
        weight: of the classes, for cross-entropy and focal loss.
        ignore_index: label of pixels that do not count, or None.

    Returns:
        A function of (logits, target).

    Raises:
        ValueError: as :func:`check_loss`.
    """
    terms: list[Loss] = []
    for term in check_loss(name, weight):
        loss = partial(LOSSES[term], ignore_index=ignore_index)
        terms.append(partial(loss, weight=weight) if term in WEIGHTED else loss)
    if len(terms) == 1:
        return terms[0]
    return lambda logits, target: torch.stack([term(logits, target) for term in terms]).sum()


def check_loss(name: str, weight: Tensor | Sequence[float] | None = None) -> list[str]:
    """Return the names of a loss's terms.

    Args:
        name: as of :func:`make_loss`.
        weight: of the classes, or None.

    Raises:
        ValueError: an unknown name, one that stands twice, or weights that no term takes.
    """
    terms = [term.strip() for term in name.split("+")]
    unknown = [term for term in terms if term not in LOSSES]
    if unknown or len(set(terms)) < len(terms):
        raise ValueError(
            f"loss is {name!r}; choose one of {', '.join(LOSSES)}, or different ones joined by "
            '"+", such as "cross-entropy+dice".'
        )
    if weight is not None and not set(terms) & set(WEIGHTED):
        raise ValueError(
            f"loss is {name!r}, which takes no class weights; those of {' and '.join(WEIGHTED)} do."
        )
    return terms
