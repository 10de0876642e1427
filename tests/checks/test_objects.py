"""The checks of the labs of objects against the libraries; what their texts say of numbers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torchmetrics.functional.detection import panoptic_quality as torchmetrics_quality
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.ops import batched_nms, box_iou, roi_align

from course_lib.checks.after_the_network import label_regions, suppress
from course_lib.checks.after_the_network import split_touching as marks
from course_lib.checks.judging_objects import average_precision as ap
from course_lib.checks.judging_objects import panoptic_quality as pq
from course_lib.checks.mask_rcnn import decode_boxes, match_anchors, roi_cells
from course_lib.metrics import FoundObjects, TrueObjects, average_precision
from course_lib.ops import connected_components


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(100))
def test_the_references_are_the_libraries(seed):
    codes, anchors = decode_boxes._example(generator(seed))
    wanted = BoxCoder((1.0, 1.0, 1.0, 1.0)).decode_single(codes, anchors)
    assert torch.allclose(decode_boxes.reference(codes, anchors), wanted, rtol=1e-4, atol=1e-3)
    iou, high, low = match_anchors._edges(generator(seed))
    wanted = Matcher(high, low, allow_low_quality_matches=True)(iou.T.contiguous())
    assert torch.equal(match_anchors.reference(iou, high, low), wanted)
    features, box, size, scale, ratio = roi_cells._example(generator(seed))
    wanted = roi_align(features[None], [box[None].double()], size, scale, ratio, aligned=True)[0]
    got = roi_cells.reference(features, box, size, scale, ratio)
    assert torch.allclose(got, wanted, atol=1e-5)
    arguments = suppress._example(generator(seed))
    assert torch.equal(suppress.reference(*arguments), batched_nms(*arguments))
    mask, connectivity = label_regions._example(generator(seed))
    wanted = connected_components(mask, connectivity)[0]
    assert torch.equal(label_regions.reference(mask, connectivity), wanted)


@pytest.mark.parametrize("seed", range(50))
def test_panoptic_quality_is_torchmetrics(seed):
    prediction, truth = pq._draw(generator(seed), half=True, void=True, alarms=1)
    # Segments are things of class 1, the rest is stuff of class 0; -1 is no class: void.
    maps = [
        torch.stack([ids.clamp(max=1), ids.clamp(min=0)], dim=-1) for ids in (prediction, truth)
    ]
    found = torchmetrics_quality(
        maps[0][None],
        maps[1][None],
        things={1},
        stuffs={0},
        return_sq_and_rq=True,
        return_per_class=True,
    )
    assert np.allclose(pq.reference(prediction, truth), found[0].tolist(), atol=1e-5)


@pytest.mark.parametrize("seed", range(50))
def test_average_precision_is_the_course_s(seed):
    rng = generator(seed)
    corners = 60 * torch.rand(7, 2, generator=rng)
    true = torch.cat([corners, corners + 8 + 12 * torch.rand(7, 2, generator=rng)], dim=1)
    found = true.repeat(3, 1) + 1.5 * torch.randn(21, 4, generator=rng)
    scores = torch.rand(21, generator=rng)
    ones = torch.ones(21, dtype=torch.long)
    for threshold in (0.5, 0.75):
        wanted = average_precision(
            [FoundObjects(boxes=found, labels=ones, scores=scores)],
            [TrueObjects(boxes=true, labels=ones[:7])],
            iou_thresholds=(threshold,),
        )
        got = ap.reference(scores, box_iou(found, true), threshold)
        assert float(got) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.slow
def test_what_the_texts_say_of_marks():
    """The statement and the explanation of `split_touching`."""
    tried = marks.trial(marks.reference())
    assert round(tried.wrong, 1) == 1.9
    assert tried.missing / tried.wrong == pytest.approx(2 / 3, abs=0.1)
    assert round(marks.trial(lambda distance: distance > 0).wrong, 1) == 10.4
    limits = torch.arange(0.5, 6, 0.25)
    best = min(marks.trial(lambda d, limit=limit: d > limit).wrong for limit in limits)
    assert best == pytest.approx(6, abs=0.1)
    one = marks.trial(partial(marks._peaks, reach=1))
    assert one.missing < 1 and one.extra == pytest.approx(4, abs=0.3)
    wider = [marks.trial(partial(marks._peaks, reach=reach)) for reach in (3, 4, 5)]
    assert all(t.missing > 2 * tried.missing or t.missing > tried.missing + 0.5 for t in wider)
    for sigma in (0.9, 1.0):
        assert marks.trial(partial(marks._peaks, reach=1, sigma=sigma)).wrong <= marks.BEST
