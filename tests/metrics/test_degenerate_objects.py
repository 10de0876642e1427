"""Objects at the limits: one pixel, no width, cut by the border of the picture, a thousand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from course_lib.metrics import (
    FoundObjects,
    TrueObjects,
    average_precision,
    detection_scores,
    panoptic_counts,
    panoptic_quality,
)
from course_lib.ops import boxes_of_masks
from course_lib.post import panoptic_merge, panoptic_of, split_touching

SIZE = (7, 9)


def masks_of(*rectangles: tuple[int, int, int, int], size: tuple[int, int] = SIZE) -> Tensor:
    """Planes (n, H, W) from rectangles x1, y1, x2, y2; what lies outside is cut off."""
    planes = torch.zeros(len(rectangles), *size, dtype=torch.bool)
    for plane, (x1, y1, x2, y2) in zip(planes, rectangles, strict=True):
        plane[max(y1, 0) : y2, max(x1, 0) : x2] = True
    return planes


def both(found: FoundObjects, truth: TrueObjects, kind: str) -> float:
    """Mean AP of the taught function, which the library's has to equal."""
    ours = average_precision([found], [truth], kind=kind)
    theirs = detection_scores([found], [truth])[f"{kind}_ap"]
    assert ours == pytest.approx(theirs, abs=1e-9, nan_ok=True)
    return ours


def pair(found: Tensor, true: Tensor) -> tuple[FoundObjects, TrueObjects]:
    ones = [torch.ones(len(planes), dtype=torch.int64) for planes in (found, true)]
    return (
        FoundObjects(boxes_of_masks(found), ones[0], torch.full((len(found),), 0.5), found),
        TrueObjects(boxes_of_masks(true), ones[1], true),
    )


@pytest.mark.parametrize(
    "rectangle",
    [(4, 2, 5, 3), (0, 0, 1, 1), (8, 6, 9, 7), (-3, -2, 4, 3), (6, 5, 99, 99), (0, 0, 9, 7)],
)
def test_one_pixel_or_cut_by_the_border_found_exactly_is_perfect(rectangle) -> None:
    planes = masks_of(rectangle)
    found, truth = pair(planes, planes)
    assert both(found, truth, "mask") == both(found, truth, "box") == pytest.approx(1)
    ids, one = planes[0].long(), torch.ones(1, dtype=torch.int64)
    nothing = torch.zeros_like(ids)
    map_, segments = panoptic_merge(nothing, planes, one, torch.ones(1), things=(1,))
    counts = panoptic_counts(map_, segments, *panoptic_of(nothing, ids, one, things=(1,)), 2)
    assert counts[1].tolist() == [1, 1, 0, 0]
    assert torch.equal(split_touching(planes[0], depth=0.5), ids)


def test_a_pixel_too_many_halves_the_overlap_of_one_pixel() -> None:
    """IoU is exactly one half: enough for AP's first threshold, not for a pair of PQ."""
    found, truth = pair(masks_of((4, 2, 6, 3)), masks_of((4, 2, 5, 3)))
    assert both(found, truth, "mask") == both(found, truth, "box") == pytest.approx(0.1)
    ids, true_ids = (planes.masks[0].long() for planes in (found, truth))
    segments = [
        panoptic_of(torch.zeros_like(x), x, torch.ones(1, dtype=torch.int64), things=(1,))
        for x in (ids, true_ids)
    ]
    assert panoptic_counts(*segments[0], *segments[1], 2)[1].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("flat", [(3.0, 1, 3, 4), (3.0, 1, 6, 1), (3.0, 1, 3, 1)])
def test_a_found_box_without_area_is_a_false_alarm(flat) -> None:
    truth = TrueObjects(torch.tensor([[1.0, 1, 5, 5]]), torch.tensor([1]))
    alone = FoundObjects(torch.tensor([flat]), torch.tensor([1]), torch.tensor([0.9]))
    assert both(alone, truth, "box") == 0
    boxes = torch.cat([alone.boxes, truth.boxes])
    second = FoundObjects(boxes, torch.tensor([1, 1]), torch.tensor([0.9, 0.8]))
    assert both(second, truth, "box") == pytest.approx(0.5)


def test_a_mask_without_pixels_is_a_false_alarm() -> None:
    found, truth = pair(masks_of((2, 2, 2, 2), (1, 1, 5, 5)), masks_of((1, 1, 5, 5)))
    assert both(found, truth, "mask") == pytest.approx(0.5)
    labels = torch.ones(2, dtype=torch.int64)
    nothing = torch.zeros(SIZE, dtype=torch.int64)
    ids, segments = panoptic_merge(nothing, found.masks, labels, found.scores, things=(1,))
    assert [s.thing for s in segments].count(True) == 1 and int(ids.max()) == len(segments)


def test_a_thousand_segments_of_one_pixel() -> None:
    size = (64, 96)
    ids = torch.zeros(size, dtype=torch.int64)
    ids[::2, ::3] = torch.arange(1, 1 + 32 * 32).reshape(32, 32)
    labels = torch.ones(1024, dtype=torch.int64)
    truth = panoptic_of(torch.zeros_like(ids), ids, labels, things=(1,))
    assert panoptic_counts(*truth, *truth, 2)[1].tolist() == [1024, 1024, 0, 0]
    moved = panoptic_of(torch.zeros_like(ids), ids.roll(1, dims=1), labels, things=(1,))
    assert panoptic_counts(*moved, *truth, 2)[1].tolist() == [0, 0, 1024, 1024]
    planes = ids == torch.arange(1, 1025)[:, None, None]
    scores = torch.linspace(1, 0.5, 1024)
    merged = panoptic_merge(torch.zeros_like(ids), planes, labels, scores, things=(1,))
    assert panoptic_quality(panoptic_counts(*merged, *truth, 2)).mean == 1


@pytest.mark.adversarial
def test_nan_has_no_rank() -> None:
    planes = masks_of((1, 1, 5, 5))
    nan, one = torch.tensor([math.nan]), torch.tensor([1])
    with pytest.raises(ValueError, match="no rank"):
        FoundObjects(boxes_of_masks(planes), one, nan, planes)
    with pytest.raises(ValueError, match="no rank"):
        panoptic_merge(torch.zeros(SIZE, dtype=torch.int64), planes, one, nan, things=(1,))
