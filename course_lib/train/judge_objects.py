"""Judging a detector on a set of pictures with objects."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_lib.data import ImageSet, to_float
from course_lib.models.mask_rcnn import Detections
from course_lib.train.engine import Engine, pick_device
from course_lib.train.instances import check_labels

BATCH = 16


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
            found += [Detections(*(x.float().cpu() if x.is_floating_point() else x.cpu() for x in a)) for a in answers]
    finally:
        model.train(training)
    return found
