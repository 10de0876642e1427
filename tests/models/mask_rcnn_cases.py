"""Pictures with objects, small networks, and torchvision's on the same weights and samples."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.models import MaskRCNN
from course_lib.models.mask_rcnn import Learned, Truth, make_truth
from course_lib.models.mask_rcnn.twin import TorchvisionTwin, twin_weights

SMALL: dict[str, Any] = {
    "finest": 2,
    "anchor_sizes": (6, 12, 24),
    "width": 8,
    "box_width": 16,
    "mask_width": 8,
    "before": 60,
    "after": 30,
    "anchors": 32,
    "rois": 16,
}
SIZE = (64, 96)


def picture(objects: list[tuple[int, int, int, int]], size: tuple[int, int] = SIZE) -> Tensor:
    """Ids (H, W) of rectangles (x1, y1, x2, y2), the later ones in front."""
    ids = torch.zeros(size, dtype=torch.int64)
    for number, (x1, y1, x2, y2) in enumerate(objects, start=1):
        ids[y1:y2, x1:x2] = number
    return ids


def scene(
    seed: int = 0, batch: int = 3, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Truth]:
    """Noise with brighter rectangles; the last picture has no object."""
    generator = torch.Generator().manual_seed(seed)
    ids, labels = [], []
    for number in range(batch):
        count = 0 if number == batch - 1 else int(torch.randint(1, 7, (), generator=generator))
        corner = torch.rand((count, 2), generator=generator) * torch.tensor([80.0, 50.0])
        sides = 2 + 30 * torch.rand((count, 2), generator=generator)
        boxes = torch.cat([corner, corner + sides], dim=1).long().tolist()
        ids.append(picture([tuple(box) for box in boxes]))
        labels.append(torch.randint(1, 4, (count,), generator=generator))
    every = torch.stack(ids)
    noise = 0.2 * torch.randn((batch, 3, *SIZE), generator=generator)
    images = (noise + (every > 0)[:, None]).to(dtype)
    truth = make_truth(every, labels)
    return images, Truth(truth.boxes.to(dtype), truth.labels, truth.ids)


def both(seed: int = 0, **changes: Any) -> tuple[MaskRCNN, TorchvisionTwin]:
    """Ours and torchvision's on the same weights, in float64 and eval mode."""
    torch.manual_seed(seed)
    arguments = SMALL | changes
    ours = MaskRCNN(4, aligned=False, **arguments)
    with torch.no_grad():  # larger than at the start, so that answers differ from place to place
        for name, weight in ours.named_parameters():
            if name.startswith(("proposals", "box_head")):
                weight.mul_(8)
            if name.startswith("proposals.codes") or name.startswith("box_head.codes"):
                weight.mul_(0.3)
    twin = TorchvisionTwin(4, **arguments)
    twin.net.load_state_dict(twin_weights(ours.state_dict()))
    return ours.double().eval(), twin.double().eval()


def learned(ours: MaskRCNN, images: Tensor, truth: Truth) -> tuple[Learned, list[Tensor]]:
    """What ours sees in a training step, and the samples that it drew: anchors, then proposals."""
    drawn: list[Tensor] = []
    first, second = ours.sample_anchors, ours.sample_proposals

    def noting(draw: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Any:
        def sample(matches: Tensor) -> tuple[Tensor, Tensor]:
            chosen = draw(matches)
            drawn.extend(chosen)
            return chosen

        return sample

    ours.sample_anchors, ours.sample_proposals = noting(first), noting(second)  # type: ignore
    try:
        return ours(images, truth), drawn
    finally:
        del ours.sample_anchors, ours.sample_proposals


def inject(twin: TorchvisionTwin, drawn: list[Tensor], counts: list[int], truth: Truth) -> None:
    """Let torchvision's samplers choose what ours chose.

    Args:
        twin: theirs.
        drawn: positive and negative anchors, positive and negative proposals.
        counts: proposals of each picture, before the objects are appended.
        truth: the objects.
    """
    positive, negative, chosen, background = drawn

    def proposals(mask: Tensor) -> list[Tensor]:
        """Ours are filled up to the same number for all pictures; theirs are not."""
        rows = []
        for row, count, exists in zip(mask, counts, truth.exists, strict=True):
            after = len(row) - len(exists)
            rows.append(torch.cat([row[:count], row[after:][exists]]).to(torch.uint8))
        return rows

    twin.net.rpn.fg_bg_sampler = lambda _: (list(positive), list(negative))
    samples = (proposals(chosen), proposals(background))
    twin.net.roi_heads.fg_bg_sampler = lambda _: samples
