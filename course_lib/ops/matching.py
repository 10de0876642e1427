"""Which anchor, or proposal, has to find which object, and which of them a step learns from.

Source: Ren et al., arXiv:1506.01497, section 3.1.2 (anchors) and Girshick, arXiv:1504.08083,
section 2.3 (proposals).
"""

import torch
from torch import Tensor

BACKGROUND = -1
NEITHER = -2


def match(iou: Tensor, *, high: float, low: float, rescue: bool = False) -> Tensor:
    """Give each candidate the object that it overlaps most, if it does so enough.

    Args:
        iou: (..., n, m) of n objects with m candidates. A row of negative numbers is no object, and
            fills up a batch whose pictures have different numbers of them.
        high: from this overlap on a candidate is that object's.
        low: below it, it is background; between the two it is neither.
        rescue: whether an object also gets the candidates that overlap it most (all of them where
            several do equally), however little that is. Each still goes to the object that it
            overlaps most itself. One that no candidate overlaps gets none; torchvision's `Matcher`
            takes all candidates for it.

    Returns:
        (..., m) int64: number of the object; -1 for background; -2 for neither.

    Raises:
        ValueError: for a low threshold above the high one.
    """
    if low > high:
        raise ValueError(f"low is {low} and high {high}; low must not be above high.")
    if iou.shape[-2] == 0:
        return torch.full((*iou.shape[:-2], iou.shape[-1]), BACKGROUND, device=iou.device)
    best, which = iou.max(dim=-2)
    matches = torch.where(best >= high, which, NEITHER)
    matches = torch.where(best < low, BACKGROUND, matches)
    if rescue and iou.shape[-1]:
        most = iou.max(dim=-1, keepdim=True).values  # of each object
        rescued = ((iou == most) & (most > 0)).any(dim=-2)
        matches = torch.where(rescued, which, matches)
    return matches


def sample_balanced(
    matches: Tensor,
    *,
    number: int,
    positive_share: float,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Choose at random the candidates that a step learns from.

    Args:
        matches: (..., m) as `match` returns them.
        number: how many of each row.
        positive_share: at most this share of them has an object; background fills up.
        generator: of the random numbers; ``None``: PyTorch's own.

    Returns:
        Two masks (..., m): those chosen that have an object, and those chosen from the background.
        Fewer than `number` where there are not enough.

    Raises:
        ValueError: for a number below 1, or a share outside 0 to 1.
    """
    if number < 1 or not 0 <= positive_share <= 1:
        raise ValueError(
            f"number is {number} and positive_share {positive_share}; take at least 1 and a share "
            "from 0 to 1."
        )
    device = generator.device if generator is not None else matches.device
    keys = torch.rand((2, *matches.shape), generator=generator, device=device).to(matches.device)
    positive = _first(keys[0], matches >= 0, int(number * positive_share), None)
    free = number - positive.sum(-1, keepdim=True)
    return positive, _first(keys[1], matches == BACKGROUND, number, free)


def _first(keys: Tensor, allowed: Tensor, most: int, limit: Tensor | None) -> Tensor:
    """Mask of the allowed ones with the smallest keys: `most` of each row, or a limit (..., 1)."""
    most = min(most, keys.shape[-1])
    found = keys.masked_fill(~allowed, 2.0).topk(most, largest=False, sorted=True)
    taken = found.values < 2
    if limit is not None:
        taken &= torch.arange(most, device=keys.device) < limit
    return torch.zeros_like(allowed).scatter_(-1, found.indices, taken)
