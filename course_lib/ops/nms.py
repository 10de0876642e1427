"""Non-maximum suppression: of boxes that report the same object, keep the best one.

A detector reports each object several times, from neighbouring anchors. Greedy suppression takes
the box with the best score and removes all that overlap it too much, again and again. Two objects
that truly overlap are beyond it: it cannot know them from two reports of one. Soft suppression
lowers the scores of overlapping boxes instead of removing them.

For work take `torchvision.ops.nms`, which does the same in compiled code.

Source: the greedy way is Girshick et al., arXiv:1311.2524, section 2.2; the soft one is Bodla et
al., arXiv:1704.04503, section 3.
"""

import torch
from torch import Tensor

from course_lib.ops.boxes import box_iou


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression.

    Of equal scores, the box that comes first in the list counts as the better one. A box without
    area overlaps nothing, so it is kept.

    Args:
        boxes: (n, 4) float, (x1, y1, x2, y2) in pixels.
        scores: (n,) float.
        iou_threshold: a box is removed if its IoU with a better, kept one is larger than this.

    Returns:
        (k,) int64: positions of the kept boxes, best score first.

    Raises:
        ValueError: wrong shapes, a number that is not finite, x2 < x1 or y2 < y1, or a threshold
            outside of [0, 1].
    """
    check_boxes(boxes)
    _check_scores(scores, boxes)
    _check_threshold(iou_threshold)
    device, boxes = boxes.device, boxes.cpu()  # many small steps: no work for an accelerator
    left = scores.cpu().argsort(descending=True, stable=True)  # positions, best first
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        overlap = box_iou(boxes[best][None], boxes[left])[0]  # (number left,)
        left = left[overlap.double() <= iou_threshold]  # eq-nms
    return (torch.stack(kept) if kept else left).to(device)


def class_wise_nms(boxes: Tensor, scores: Tensor, labels: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression within each class: a person never removes a bicycle.

    Args:
        boxes: (n, 4) float, (x1, y1, x2, y2) in pixels.
        scores: (n,) float.
        labels: (n,) integer class of each box.
        iou_threshold: as for :func:`nms`.

    Returns:
        (k,) int64: positions of the kept boxes of all classes, best score first.

    Raises:
        ValueError: as for :func:`nms`, or labels that are not n whole numbers.
    """
    check_boxes(boxes)
    _check_scores(scores, boxes)
    if labels.shape != scores.shape or labels.is_floating_point():
        raise ValueError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}; give one whole number for "
            f"each of the {len(boxes)} boxes, of shape ({len(boxes)},)."
        )
    keep = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    for label in labels.unique():
        of_class = (labels == label).nonzero()[:, 0]
        keep[of_class[nms(boxes[of_class], scores[of_class], iou_threshold)]] = True
    best_first = scores.argsort(descending=True, stable=True)
    return best_first[keep[best_first]]


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    *,
    sigma: float = 0.5,
    iou_threshold: float | None = None,
    min_score: float = 0.001,
) -> tuple[Tensor, Tensor]:
    """Soft non-maximum suppression: overlapping boxes lose score instead of being removed.

    The best box is taken; the score of each other one is multiplied by exp(-IoU² / sigma), or, with
    a threshold, by 1 - IoU where the IoU is larger than the threshold; then the best of the rest is
    taken, and so on.

    Args:
        boxes: (n, 4) float, (x1, y1, x2, y2) in pixels.
        scores: (n,) float, at least 0.
        sigma: width of the Gaussian decay; not used with a threshold.
        iou_threshold: None for the Gaussian decay, a number in [0, 1] for the linear one.
        min_score: boxes whose score has fallen below it are dropped.

    Returns:
        (k,) int64: positions of the kept boxes in the order in which they were taken, and (k,)
        their new scores, which fall from first to last.

    Raises:
        ValueError: as for :func:`nms`, for a negative score, or a sigma that is not positive.
    """
    check_boxes(boxes)
    _check_scores(scores, boxes)
    if iou_threshold is not None:
        _check_threshold(iou_threshold)
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}; it must be positive: 0.5 is the paper's.")
    if len(scores) and float(scores.min()) < 0:
        raise ValueError(
            f"the lowest score is {float(scores.min()):g}; a factor would raise a negative score: "
            "give probabilities, such as logits.sigmoid()."
        )
    now = scores.clone()  # (n,) falls below; taken ones are below all others
    kept, values = [], []
    while len(now) and float(now.max()) >= min_score:
        best = now.argmax()  # the first of equal ones
        kept.append(best)
        values.append(now[best].clone())
        overlap = box_iou(boxes[best][None], boxes)[0]
        if iou_threshold is None:
            factor = torch.exp(-(overlap**2) / sigma)  # eq-soft-nms
        else:
            factor = torch.where(overlap > iou_threshold, 1 - overlap, 1.0)
        now = now * factor
        now[torch.stack(kept)] = -1.0
    if not kept:
        return torch.zeros(0, dtype=torch.int64, device=boxes.device), scores[:0].clone()
    return torch.stack(kept), torch.stack(values)


def check_boxes(boxes: Tensor, name: str = "boxes") -> None:
    """Refuse what is not a list of boxes.

    Args:
        boxes: should be (n, 4) float, (x1, y1, x2, y2) in pixels.
        name: what the message calls them.

    Raises:
        ValueError: for another shape or whole numbers, a number that is not finite, or a negative
            width or height.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not boxes.is_floating_point():
        raise ValueError(
            f"{name} are {boxes.dtype} of shape {tuple(boxes.shape)}; give float of shape (n, 4), "
            "each (x1, y1, x2, y2) in pixels; no boxes are torch.zeros(0, 4)."
        )
    finite = boxes.isfinite().all(1)
    if not finite.all():
        row = int((~finite).nonzero()[0, 0])
        raise ValueError(
            f"{name}[{row}] is {boxes[row].tolist()}; each number must be finite: look for a "
            "training that diverged, or drop the row."
        )
    wrong = (boxes[:, 2:] < boxes[:, :2]).any(1)
    if wrong.any():
        row = int(wrong.nonzero()[0, 0])
        raise ValueError(
            f"{name}[{row}] is {boxes[row].tolist()}, which ends before it begins; give "
            "(x1, y1, x2, y2): boxes of the form (x, y, width, height) become that by "
            "torchvision.ops.box_convert(boxes, 'xywh', 'xyxy')."
        )


def _check_scores(scores: Tensor, boxes: Tensor) -> None:
    if scores.shape != boxes.shape[:1] or not scores.is_floating_point():
        raise ValueError(
            f"scores are {scores.dtype} of shape {tuple(scores.shape)}; give one float for each of "
            f"the {len(boxes)} boxes, of shape ({len(boxes)},)."
        )
    if scores.isnan().any():
        row = int(scores.isnan().nonzero()[0, 0])
        raise ValueError(
            f"scores[{row}] is NaN, so there is no best box; look for a training that diverged, or "
            "drop the row."
        )


def _check_threshold(iou_threshold: float) -> None:
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold is {iou_threshold}; an IoU lies in [0, 1].")
