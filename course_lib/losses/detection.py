"""What Mask R-CNN minimises: five losses, one for each thing that it says.

Sources: Ren et al., arXiv:1506.01497, Eq. 1 (anchors); Girshick, arXiv:1504.08083, Eq. 1-3 (boxes);
He et al., arXiv:1703.06870, section 3 (L = L_cls + L_box + L_mask). Normalised as in torchvision,
whose values these are on the same samples.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.models.mask_rcnn import Learned

BETA = 1 / 9  # where the absolute error takes over from the square, in units of a code


def objectness_loss(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Mean surprise, in nats, at whether a sampled anchor has an object.

    Args:
        logits: (B, N) of all anchors.
        positive: (B, N) bool: sampled, and an object's.
        negative: (B, N) bool: sampled from the background.

    Returns:
        Scalar; 0 if none was sampled.
    """
    sampled = positive | negative
    each = F.binary_cross_entropy_with_logits(logits, positive.to(logits), reduction="none")
    return (each * sampled).sum() / sampled.sum().clamp(min=1)


def anchor_box_loss(codes: Tensor, targets: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Smooth absolute error of the codes of anchors that have an object.

    Args:
        codes: (B, N, 4) of all anchors.
        targets: (B, N, 4) where the objects are.
        positive: (B, N) bool: sampled, and an object's.
        negative: (B, N) bool: sampled from the background; they count in the mean with error 0.

    Returns:
        Scalar; 0 if none was sampled.
    """
    error = F.smooth_l1_loss(codes[positive], targets[positive], beta=BETA, reduction="sum")
    return error / (positive | negative).sum().clamp(min=1)


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean surprise, in nats, at the class of a sampled proposal.

    Args:
        logits: (R, C).
        labels: (R,) int64, 0 = background.

    Returns:
        Scalar; 0 if none was sampled.
    """
    return F.cross_entropy(logits, labels, reduction="sum") / max(len(labels), 1)


def box_loss(codes: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Smooth absolute error of the right class's codes, of proposals that have an object.

    Args:
        codes: (R, C, 4), for each class.
        labels: (R,) int64, 0 = background; those count in the mean with error 0.
        targets: (R, 4) where the objects are.

    Returns:
        Scalar; 0 if none was sampled.
    """
    some = (labels > 0).nonzero()[:, 0]
    right = codes[some, labels[some]]
    error = F.smooth_l1_loss(right, targets[some], beta=BETA, reduction="sum")
    return error / max(len(labels), 1)


def mask_loss(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Mean surprise, in nats, at the pixels of the right class's mask.

    The masks of other classes get no gradient: they do not compete.

    Args:
        logits: (P, C, M, M), for each class.
        labels: (P,) int64 from 1.
        targets: (P, M, M) from 0 to 1.

    Returns:
        Scalar; 0 where there is no object.
    """
    right = logits[torch.arange(len(labels), device=labels.device), labels]
    surprise = F.binary_cross_entropy_with_logits(right, targets, reduction="sum")
    return surprise / max(targets.numel(), 1)


def detection_losses(seen: Learned) -> dict[str, Tensor]:
    """Return the five losses of a step by name; the sum is minimised, each with weight 1.

    Args:
        seen: what `MaskRCNN` returns in training mode.
    """
    objects = seen.labels[seen.labels > 0]
    positive, negative = seen.positive_anchors, seen.negative_anchors
    return {
        "objectness": objectness_loss(seen.objectness, positive, negative),
        "anchor_box": anchor_box_loss(seen.anchor_codes, seen.anchor_targets, positive, negative),
        "class": class_loss(seen.class_logits, seen.labels),
        "box": box_loss(seen.box_codes, seen.labels, seen.box_targets),
        "mask": mask_loss(seen.mask_logits, objects, seen.mask_targets),
    }
