"""Judging a detector on a set of pictures with objects."""

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data import ImageSet, to_float
from course_lib.metrics import FoundObjects, TrueObjects, detection_scores
from course_lib.models.mask_rcnn import Detections
from course_lib.train.engine import pick_device
from course_lib.train.instances import check_labels

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
        device: where to compute; default: where the model is.
        precision: "no" or "bf16".
    """
    device = pick_device(device) if device is not None else next(model.parameters()).device
    training = model.training
    model.eval()
    found: list[Detections] = []
    try:
        for start in range(0, len(data), batch_size):
            images = to_float(data.images[start : start + batch_size].to(device))
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                answers = model(images)
            found += [_on_cpu(one) for one in answers]
    finally:
        model.train(training)
    return found


def found_objects(
    detections: Iterable[Detections], size: tuple[int, int]
) -> Iterator[FoundObjects]:
    """Yield what was found as the metrics take it: masks of whole pictures, true or false."""
    for d in detections:
        pasted = paste_masks(d.masks, d.boxes, size) >= 0.5
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
    return detection_scores(found_objects(found, size), true_objects(data))


def paste_masks(masks: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (n, H, W) probabilities: each mask (n, M, M) read at the pixels' centres."""
    height, width = size
    if not len(masks):
        return masks.new_zeros((0, height, width))
    x = (torch.arange(width) + 0.5 - boxes[:, :1]) / (boxes[:, 2:3] - boxes[:, :1]) * 2 - 1
    y = (torch.arange(height) + 0.5 - boxes[:, 1:2]) / (boxes[:, 3:] - boxes[:, 1:2]) * 2 - 1
    grid = torch.stack(
        [x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], dim=-1
    )
    return F.grid_sample(masks[:, None], grid, align_corners=False)[:, 0]


def _on_cpu(found: Detections) -> Detections:
    return Detections(*(x.float().cpu() if x.is_floating_point() else x.cpu() for x in found))
