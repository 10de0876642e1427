"""What goes into Mask R-CNN and comes out of it, by name."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.ops import boxes_of_ids


class Truth(NamedTuple):
    """The objects of a batch of pictures; those that have fewer than the others are filled up.

    Attributes:
        boxes: (B, K, 4) float32 in pixels, K at least 1; zeros where there is no object.
        labels: (B, K) int64 classes from 1; 0 where there is no object.
        ids: (B, H, W) whole numbers; pixels of object k of a picture hold k + 1, others 0.
    """

    boxes: Tensor
    labels: Tensor
    ids: Tensor

    @property
    def exists(self) -> Tensor:
        """(B, K) bool: where there is an object."""
        return self.labels > 0


class Learned(NamedTuple):
    """What a training step sees: the network's answers at the sampled places, and what is right.

    Of all N anchors of a picture, and of the R proposals that were sampled from the whole batch, of
    which P have an object.

    Attributes:
        objectness: (B, N) logits.
        anchor_codes: (B, N, 4) predicted.
        anchor_targets: (B, N, 4): the codes of the object that an anchor matches; 0 elsewhere.
        positive_anchors: (B, N) bool: sampled, and an object's.
        negative_anchors: (B, N) bool: sampled from the background.
        rois: (R, 5): number of the picture and box.
        class_logits: (R, C).
        box_codes: (R, C, 4) predicted, for each class.
        labels: (R,) the classes that are right, 0 = background.
        box_targets: (R, 4): the right codes; 0 for background.
        mask_logits: (P, C, M, M), for each class.
        mask_targets: (P, M, M): the object's share of each cell, from 0 to 1.
        matches: (R,) int64: number of the object within its picture, -1 = background.
    """

    objectness: Tensor
    anchor_codes: Tensor
    anchor_targets: Tensor
    positive_anchors: Tensor
    negative_anchors: Tensor
    rois: Tensor
    class_logits: Tensor
    box_codes: Tensor
    labels: Tensor
    box_targets: Tensor
    mask_logits: Tensor
    mask_targets: Tensor
    matches: Tensor


class Detections(NamedTuple):
    """What was found in one picture, best score first.

    Attributes:
        boxes: (n, 4) in pixels, within the picture.
        labels: (n,) int64 classes from 1.
        scores: (n,) from 0 to 1.
        masks: (n, M, M) probabilities inside the boxes; `post.paste_masks` puts them into pictures.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: Tensor


class Settings(NamedTuple):
    """Numbers of proposals and thresholds, named as in this course; torchvision has them too.

    Attributes:
        before: proposals of each level and picture with the best scores that enter suppression.
        after: proposals of each picture that are left.
        proposal_iou: of two proposals of a level that overlap more, one is suppressed.
        anchors: sampled for the loss of a picture; at most half of them have an object.
        anchor_high: an anchor that overlaps an object so much is the object's.
        anchor_low: one that overlaps none so much is background.
        rois: proposals sampled for the second stage; at most a quarter of them have an object.
        roi_iou: a proposal that overlaps an object so much is the object's, else background.
        min_score: answers below it are not given.
        detection_iou: of two answers of a class that overlap more, one is suppressed.
        detections: most answers for a picture.
    """

    before: int = 1000
    after: int = 1000
    proposal_iou: float = 0.7
    anchors: int = 256
    anchor_high: float = 0.7
    anchor_low: float = 0.3
    rois: int = 512
    roi_iou: float = 0.5
    min_score: float = 0.05
    detection_iou: float = 0.5
    detections: int = 100


def make_truth(ids: Tensor, labels: Sequence[Tensor] | Tensor) -> Truth:
    """Return what a training step needs to know of a batch of pictures.

    Args:
        ids: (B, H, W) whole numbers: 0 = background, k = the k-th object of that picture.
        labels: of each picture (n,), or (B, K) filled up with 0: the classes of its objects 1, 2 …

    Returns:
        Boxes that are tight. An object without a pixel, for instance one that augmentation moved
        out of the picture, does not exist.

    Raises:
        ValueError: for a negative number, or (on a CPU; elsewhere it would have to wait) a picture
            with more objects than labels.
    """
    if ids.device.type == "cpu" and ids.numel():
        highest = ids.flatten(1).amax(1).tolist()
        named = [len(row) for row in labels]
        short = [i for i, (k, n) in enumerate(zip(highest, named, strict=True)) if k > n]
        if short or int(ids.min()) < 0:
            i = short[0] if short else 0
            raise ValueError(
                f"picture {i} has ids from {int(ids[i].min())} to {highest[i]} and {named[i]} "
                "labels; ids are 0 for background and 1, 2 ... for objects, each with a label."
            )
    if not isinstance(labels, Tensor):
        width = max((len(row) for row in labels), default=0)
        filled = ids.new_zeros((len(ids), width), dtype=torch.int64)
        for row, classes in zip(filled, labels, strict=True):
            row[: len(classes)] = classes
        labels = filled
    if labels.shape[1] == 0:
        labels = labels.new_zeros((len(labels), 1))
    boxes = boxes_of_ids(ids, labels.shape[1])
    seen = (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])
    return Truth(boxes, torch.where(seen, labels, 0), ids)
