"""Scores of object detection for whole data sets, by a fast library.

What they mean is taught in :mod:`course_lib.metrics.average_precision`, whose values are the same;
`faster-coco-eval` computes them in compiled code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from course_lib.metrics.average_precision import AREAS, IOU_THRESHOLDS, RECALLS
from course_lib.metrics.objects import FoundObjects, TrueObjects, check_pair, object_areas

MAX_DETECTIONS = (1, 10, 100)


def detection_scores(
    found: Iterable[FoundObjects],
    truths: Iterable[TrueObjects],
    *,
    areas: dict[str, tuple[float, float]] | None = None,
) -> dict[str, float]:
    """COCO's scores of a data set: AP and AR, of boxes and, where there are masks, of masks.

    Both lists are gone through once, image by image, and masks are kept as run lengths only: a
    generator of found objects needs no memory for more than one image's masks.

    Args:
        found: what a model reports, of each image.
        truths: the objects of each image, in the same order.
        areas: name to (least, most) pixels of the sizes that are scored apart; by default COCO's
            small (at most 32²), medium and large (at least 96²).

    Returns:
        By name, each in [0, 1] or NaN where no true object counts: `box_ap`, `box_ap50` and
        `box_ap75` (at one IoU threshold), `box_ar1`, `box_ar10`, `box_ar100` (with at most so many
        objects of an image and class), and `box_ap_NAME` and `box_ar_NAME` of each size; the same
        with `mask_`, if every image has masks.

    Raises:
        ValueError: for lists of different lengths, or masks that are missing in some images or of
            another size than the true ones.
    """
    ranges = {"all": AREAS["all"]}
    ranges |= {k: v for k, v in AREAS.items() if k != "all"} if areas is None else areas
    truth_rows: list[dict[str, Any]] = []
    found_rows: dict[str, list[dict[str, Any]]] = {"box": [], "mask": []}
    sizes: list[tuple[int, int]] = []
    with_masks: bool | None = None
    ours, theirs = iter(found), iter(truths)
    while True:
        one, other = next(ours, None), next(theirs, None)
        if one is None and other is None:
            break
        if one is None or other is None:
            short, long = ("found", "truths") if one is None else ("truths", "found")
            raise ValueError(
                f"{short} ends after {len(sizes)} images, {long} goes on; give one of each for "
                "every image, in the same order, also where nothing was found."
            )
        has = one.masks is not None and other.masks is not None
        with_masks = has if with_masks is None else with_masks
        check_pair(len(sizes), one, other, masks=with_masks)
        if has and not with_masks:
            raise ValueError(
                f"image {len(sizes)} has masks and those before have not; give masks of all images "
                "or of none."
            )
        size = tuple(other.masks.shape[1:]) if other.masks is not None else (1, 1)
        sizes.append((size[0], size[1]))
        _add(len(sizes), one, other, with_masks, truth_rows, found_rows)
    scores: dict[str, float] = {}
    for kind in ("box", "mask") if with_masks else ("box",):
        scores |= _evaluate(kind, truth_rows, found_rows[kind], sizes, ranges)
    return scores


def _add(
    image: int,
    found: FoundObjects,
    truth: TrueObjects,
    with_masks: bool,
    truth_rows: list[dict[str, Any]],
    found_rows: dict[str, list[dict[str, Any]]],
) -> None:
    """Write one image's objects as the library's annotations."""
    crowd = torch.zeros(len(truth)) if truth.crowd is None else truth.crowd
    lines = run_lengths(truth.masks) if truth.masks is not None else [None] * len(truth)
    areas = object_areas(truth, "box")
    for box, label, area, many, line in zip(
        _xywh(truth.boxes),
        truth.labels.tolist(),
        areas.tolist(),
        crowd.tolist(),
        lines,
        strict=True,
    ):
        row = {
            "id": len(truth_rows) + 1,
            "image_id": image,
            "category_id": label,
            "bbox": box,
            "area": area,
            "iscrowd": int(many),
        }
        truth_rows.append(row if line is None else row | {"segmentation": line})
    common = [
        {"image_id": image, "category_id": label, "score": score}
        for label, score in zip(found.labels.tolist(), found.scores.double().tolist(), strict=True)
    ]
    found_rows["box"] += [
        row | {"bbox": box} for row, box in zip(common, _xywh(found.boxes), strict=True)
    ]
    if with_masks and found.masks is not None:
        lines = run_lengths(found.masks)
        found_rows["mask"] += [
            row | {"segmentation": line} for row, line in zip(common, lines, strict=True)
        ]


def _xywh(boxes: torch.Tensor) -> list[list[float]]:
    boxes = boxes.double()
    result: list[list[float]] = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).tolist()
    return result


def run_lengths(masks: torch.Tensor) -> list[dict[str, Any]]:
    """Masks as COCO stores them: run lengths down the columns, compressed.

    Args:
        masks: (n, H, W) bool.

    Returns:
        n entries with `size` and `counts`.
    """
    from faster_coco_eval import mask as coder

    columns = np.asfortranarray(masks.permute(1, 2, 0).to(torch.uint8).cpu().numpy())
    lines: list[dict[str, Any]] = coder.encode(columns) if len(masks) else []
    return lines


def _evaluate(
    kind: str,
    truth_rows: list[dict[str, Any]],
    found_rows: list[dict[str, Any]],
    sizes: list[tuple[int, int]],
    ranges: dict[str, tuple[float, float]],
) -> dict[str, float]:
    """Let the library match and count; read the scores from its arrays."""
    from faster_coco_eval import COCO, COCOeval_faster

    labels = sorted({row["category_id"] for row in truth_rows})
    images = [
        {"id": number + 1, "height": size[0], "width": size[1]} for number, size in enumerate(sizes)
    ]
    categories = [{"id": label, "name": str(label)} for label in labels]
    # The library writes into what it is given: copies of the rows.
    truth = COCO({"images": images, "categories": categories, "annotations": _copies(truth_rows)})
    known = [row for row in _copies(found_rows) if row["category_id"] in set(labels)]
    run = COCOeval_faster(truth, truth.loadRes(known), {"box": "bbox", "mask": "segm"}[kind])
    run.params.areaRng = [list(bounds) for bounds in ranges.values()]
    run.params.areaRngLbl = list(ranges)
    run.params.maxDets = list(MAX_DETECTIONS)
    run.params.iouThrs = np.array(IOU_THRESHOLDS)
    run.params.recThrs = RECALLS.numpy()
    run.evaluate()
    run.accumulate()
    precision = run.eval["precision"]  # (thresholds, recalls, classes, areas, limits)
    recall = run.eval["recall"]  # (thresholds, classes, areas, limits)
    scores = {
        f"{kind}_ap": _mean(precision[..., 0, -1]),
        f"{kind}_ap50": _mean(precision[0, ..., 0, -1]),
        f"{kind}_ap75": _mean(precision[5, ..., 0, -1]),
    }
    scores |= {f"{kind}_ar{n}": _mean(recall[..., 0, i]) for i, n in enumerate(MAX_DETECTIONS)}
    for column, name in enumerate(ranges):
        if name != "all":
            scores[f"{kind}_ap_{name}"] = _mean(precision[..., column, -1])
            scores[f"{kind}_ar_{name}"] = _mean(recall[..., column, -1])
    return scores


def _copies(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]


def _mean(values: np.ndarray) -> float:
    """Mean of what counts; the library writes -1 where there are no true objects."""
    values = values[values > -1]
    return float(values.mean()) if values.size else math.nan
