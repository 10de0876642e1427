"""The region proposal network: which anchors may hold an object, and where exactly.

Source: Ren et al., arXiv:1506.01497, section 3.1; equal to torchvision's on the same weights.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms

from course_lib.ops import clip_boxes

SMALLEST = 1e-3  # pixels: a proposal with a shorter side is none


class ProposalHead(nn.Module):
    """At each place of each level: one logit and one code for each of its anchors.

    The same weights serve all levels.

    Args:
        width: channels of the pyramid.
        shapes: anchors at each place.
    """

    def __init__(self, width: int, shapes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.objectness = nn.Conv2d(width, shapes, 1)
        self.codes = nn.Conv2d(width, 4 * shapes, 1)
        for conv in (self.conv, self.objectness, self.codes):
            nn.init.normal_(conv.weight, std=0.01)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)

    def forward(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits (B, N) and codes (B, N, 4) of all N anchors, in the anchors' order."""
        logits, codes = [], []
        for features in pyramid:
            seen = torch.relu(self.conv(features))
            logits.append(self.objectness(seen).permute(0, 2, 3, 1).flatten(1))
            codes.append(self.codes(seen).permute(0, 2, 3, 1).reshape(len(seen), -1, 4))
        return torch.cat(logits, dim=1), torch.cat(codes, dim=1)


def first_of_each(rows: Tensor, picture: Tensor, batch: int, most: int) -> tuple[Tensor, Tensor]:
    """Keep the first rows of each picture, for a batch at once.

    Args:
        rows: (n,) numbers of rows, in the order in which they are wanted.
        picture: (N,) the picture of every row.
        batch: pictures.
        most: rows that are kept of a picture.

    Returns:
        The rows that are kept, picture by picture, in their order; and the place of each among
        those of its picture, from 0.
    """
    rows = rows[picture[rows].argsort(stable=True)]
    counts = picture[rows].bincount(minlength=batch)
    start = (counts.cumsum(0) - counts)[picture[rows]]
    rank = torch.arange(len(rows), device=rows.device) - start
    return rows[rank < most], rank[rank < most]


def select_proposals(
    objectness: Tensor,
    boxes: Tensor,
    level_sizes: Sequence[int],
    size: tuple[int, int],
    *,
    before: int,
    after: int,
    iou_threshold: float,
) -> tuple[Tensor, Tensor]:
    """Choose the proposals that the second stage looks at, for a batch at once.

    The best of each level, cut at the border; of those of a level that overlap much, the best; of
    what is left in all levels, the best. A score that is NaN counts as the worst, a box with a NaN
    or without area as none.

    Args:
        objectness: (B, N) logits.
        boxes: (B, N, 4) in pixels.
        level_sizes: anchors of each level; they add up to N.
        size: (height, width) of the pictures.
        before: most boxes of each level and picture that enter suppression.
        after: most proposals of a picture.
        iou_threshold: of two that overlap more, only the better is kept.

    Returns:
        Boxes (B, P, 4), best first, P at most `after`; and (B, P) bool: whether there is one. Where
        there is none, the box is zero.
    """
    batch = len(objectness)
    objectness = objectness.nan_to_num(nan=-torch.inf)
    chosen, starts = [], 0
    for number in level_sizes:
        best = objectness[:, starts : starts + number].topk(min(before, number), dim=1).indices
        chosen.append(best + starts)
        starts += number
    level = torch.cat([torch.full((c.shape[1],), k) for k, c in enumerate(chosen)])
    index = torch.cat(chosen, dim=1)  # (B, n)
    scores = objectness.gather(1, index)
    boxes = clip_boxes(boxes.gather(1, index[..., None].expand(-1, -1, 4)), size)
    sides = boxes[..., 2:] - boxes[..., :2]
    sound = (sides >= SMALLEST).all(-1)  # (B, n), false for NaN
    picture, place = sound.nonzero(as_tuple=True)
    group = picture * len(level_sizes) + level.to(picture.device)[place]
    boxes, scores = boxes[picture, place], scores[picture, place].sigmoid()
    kept = batched_nms(boxes, scores, group, iou_threshold)  # best first, of all pictures
    kept, rank = first_of_each(kept, picture, batch, after)
    picture = picture[kept]
    proposals = boxes.new_zeros((batch, after, 4))
    exists = torch.zeros((batch, after), dtype=torch.bool, device=boxes.device)
    proposals[picture, rank], exists[picture, rank] = boxes[kept], True
    return proposals, exists
