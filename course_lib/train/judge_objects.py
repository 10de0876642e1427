"""Judging a detector on a set of pictures with objects."""

from collections.abc import Iterable, Iterator

import torch
from torch import nn

from course_lib.data import ImageSet, to_float
from course_lib.metrics import FoundObjects, TrueObjects, detection_scores
from course_lib.models.mask_rcnn import Detections
from course_lib.models.modes import eval_mode
from course_lib.post import paste_masks
from course_lib.train.engine import pick_device
from course_lib.train.instances import check_labels
from course_lib.train.precision import autocast

BATCH = 16
SURE = 0.5  # score from which an object is counted


@torch.no_grad()
def detect(
    model: nn.Module,
    data: ImageSet,
    *,
    batch_size: int = BATCH,
    device: str | torch.device | None = None,
    precision: str = "no",
) -> list[Detections]:
    """Return what a detector finds in each picture of a set, on the CPU.

    Args:
        model: `MaskRCNN`, or anything that is called as it is; put into eval mode and back.
        data: the pictures.
        batch_size: pictures at a time.
        device: where to compute, and the model is moved; default: where it is.
        precision: "no" or "bf16".
    """
    device = pick_device(device) if device is not None else next(model.parameters()).device
    model.to(device)
    found: list[Detections] = []
    with eval_mode(model):
        for start in range(0, len(data), batch_size):
            images = to_float(data.images[start : start + batch_size].to(device))
            with autocast(device, precision):
                answers = model(images)
            found += [_on_cpu(one) for one in answers]
    return found


def found_objects(
    detections: Iterable[Detections], size: tuple[int, int], *, rounded: bool = False
) -> Iterator[FoundObjects]:
    """Yield what was found as the metrics take it: masks of whole pictures, true or false.

    Args:
        detections: of each picture.
        size: (height, width) of the pictures.
        rounded: see `course_lib.post.paste_masks`.
    """
    for d in detections:
        pasted = paste_masks(d.masks, d.boxes, size, rounded=rounded) >= 0.5
        yield FoundObjects(d.boxes, d.labels, d.scores, pasted)


def true_objects(data: ImageSet) -> Iterator[TrueObjects]:
    """Yield the objects of each picture of a set as the metrics take them."""
    assert data.boxes is not None and data.labels is not None
    for ids, boxes, labels in zip(data.targets.cpu(), data.boxes, data.labels, strict=True):
        planes = ids == torch.arange(1, len(labels) + 1)[:, None, None]
        yield TrueObjects(boxes, labels, planes)


def object_scores(
    model: nn.Module,
    data: ImageSet,
    *,
    batch_size: int = BATCH,
    device: str | torch.device | None = None,
    precision: str = "no",
) -> dict[str, float]:
    """Return COCO's scores of a detector on a set.

    Args:
        model: see `detect`.
        data: pictures with objects.
        batch_size: see `detect`.
        device: see `detect`.
        precision: see `detect`.

    Returns:
        Those of `detection_scores`, by name; "box_ap" and "mask_ap" first of all.
    """
    check_labels(data, getattr(model, "num_classes", data.num_classes))
    size = (data.images.shape[-2], data.images.shape[-1])
    found = detect(model, data, batch_size=batch_size, device=device, precision=precision)
    rounded = getattr(model, "rounded", False)  # torchvision's pastes so
    scores = detection_scores(found_objects(found, size, rounded=rounded), true_objects(data))
    return {name: float(value) for name, value in scores.items()}  # a run stores plain numbers


def _on_cpu(found: Detections) -> Detections:
    return Detections(*(x.float().cpu() if x.is_floating_point() else x.cpu() for x in found))
