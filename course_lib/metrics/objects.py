"""What is judged when objects are found: lists of them, those of the truth and those reported.

The metrics of detection take one list entry for each image. Masks are true or false: threshold
probabilities first.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.ops.nms import check_boxes

KINDS = ("box", "mask")


@dataclass(frozen=True, eq=False)
class TrueObjects:
    """The objects that an image shows.

    Args:
        boxes: (n, 4) float, (x1, y1, x2, y2) in pixels, half-open; no objects are (0, 4).
        labels: (n,) integer classes.
        masks: (n, H, W) bool, or None where only boxes are judged.
        crowd: (n,) bool: regions of uncountably many objects, which detections may hit or leave
            out unpunished; None for no such region.

    Raises:
        ValueError: for what is not that, or does not fit together.
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor | None = None
    crowd: Tensor | None = None

    def __post_init__(self) -> None:
        _check(self.boxes, self.labels, self.masks)
        crowd = self.crowd
        if crowd is not None and (crowd.dtype != torch.bool or crowd.shape != self.labels.shape):
            raise ValueError(
                f"crowd is {crowd.dtype} of shape {tuple(crowd.shape)}; give bool of shape "
                f"({len(self)},), one for each object, or None."
            )

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """The objects that a model reports in an image.

    Args:
        boxes: (n, 4) float, (x1, y1, x2, y2) in pixels, half-open; nothing found is (0, 4).
        labels: (n,) integer classes.
        scores: (n,) float; the higher, the surer.
        masks: (n, H, W) bool, or None where only boxes are judged.

    Raises:
        ValueError: for what is not that, or does not fit together.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: Tensor | None = None

    def __post_init__(self) -> None:
        _check(self.boxes, self.labels, self.masks)
        if self.scores.shape != self.labels.shape or not self.scores.is_floating_point():
            raise ValueError(
                f"scores are {self.scores.dtype} of shape {tuple(self.scores.shape)}; give one "
                f"float for each of the {len(self)} objects, of shape ({len(self)},)."
            )
        if not self.scores.isfinite().all():
            row = int((~self.scores.isfinite()).nonzero()[0, 0])
            raise ValueError(
                f"scores[{row}] is {float(self.scores[row])}, which has no rank; look for a "
                "training that diverged, or drop the row."
            )

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.labels)


def check_lists(
    found: list[FoundObjects], truths: list[TrueObjects], kind: str | None = None
) -> None:
    """Refuse lists of different lengths and masks that are missing or of another size.

    Args:
        found: of each image.
        truths: of each image.
        kind: "mask" if masks are needed.

    Raises:
        ValueError: for that, or an unknown kind.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}.")
    if len(found) != len(truths):
        raise ValueError(
            f"got what was found in {len(found)} images and the truth of {len(truths)}; give one "
            "of each for every image, in the same order, also where nothing was found."
        )
    for image, (ours, true) in enumerate(zip(found, truths, strict=True)):
        check_pair(image, ours, true, masks=kind == "mask")


def check_pair(image: int, found: FoundObjects, truth: TrueObjects, *, masks: bool) -> None:
    """Refuse masks of one image that are missing though needed, or of two sizes.

    Args:
        image: its number, for the message.
        found: what was found.
        truth: what there is.
        masks: whether masks are needed.

    Raises:
        ValueError: for that.
    """
    if masks and (found.masks is None or truth.masks is None):
        whose = "found" if found.masks is None else "true"
        raise ValueError(
            f"image {image}: the {whose} objects have no masks; give masks (n, H, W) bool, or "
            "judge boxes: kind='box'."
        )
    if found.masks is not None and truth.masks is not None:
        ours, true = tuple(found.masks.shape[1:]), tuple(truth.masks.shape[1:])
        if ours != true:
            raise ValueError(
                f"image {image}: the found masks are {ours} pixels, the true ones {true}; give "
                "both in the size of the image (course_lib.post.paste_masks)."
            )


def object_areas(objects: TrueObjects | FoundObjects, kind: str) -> Tensor:
    """Areas in pixels, as COCO takes them: of true objects always the mask's, where there is one.

    Args:
        objects: of an image.
        kind: "box" or "mask": what is judged.

    Returns:
        (n,) float64.
    """
    by_mask = kind == "mask" or isinstance(objects, TrueObjects)
    if by_mask and objects.masks is not None:
        return objects.masks.flatten(1).sum(1).double().cpu()
    return (objects.boxes[:, 2:] - objects.boxes[:, :2]).double().prod(1).cpu()


def overlaps(found: FoundObjects, truth: TrueObjects, kind: str) -> Tensor:
    """IoU of everything found with everything true; with a crowd, the share of the found one.

    Args:
        found: n objects.
        truth: m objects.
        kind: "box" or "mask".

    Returns:
        (n, m) float64 on the CPU; 0 where nothing is shared.
    """
    if kind == "mask":
        assert found.masks is not None and truth.masks is not None
        a, b = found.masks.cpu().flatten(1), truth.masks.cpu().flatten(1)
        shared = a.double() @ b.double().T  # (n, m) pixels
        area, other = a.sum(1).double(), b.sum(1).double()
    else:
        a, b = found.boxes.cpu().double(), truth.boxes.cpu().double()
        low = torch.maximum(a[:, None, :2], b[None, :, :2])
        high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
        shared = (high - low).clamp(min=0).prod(2)
        area, other = (a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1)
    union = area[:, None] + other[None] - shared
    if truth.crowd is not None:
        union = torch.where(truth.crowd.cpu()[None], area[:, None], union)
    return torch.where(shared > 0, shared / union, 0.0)


def _check(boxes: Tensor, labels: Tensor, masks: Tensor | None) -> None:
    if labels.ndim != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}; give whole numbers of "
            "shape (n,), one class for each object."
        )
    check_boxes(boxes)
    if len(boxes) != len(labels):
        raise ValueError(
            f"got {len(boxes)} boxes and {len(labels)} labels; give one of each for every object."
        )
    if masks is None:
        return
    if masks.dtype != torch.bool:
        raise ValueError(f"masks are {masks.dtype}; give bool, for instance probabilities >= 0.5.")
    if masks.ndim != 3 or len(masks) != len(labels):
        raise ValueError(
            f"masks have shape {tuple(masks.shape)}; give ({len(labels)}, H, W), one for each of "
            f"the {len(labels)} objects."
        )
