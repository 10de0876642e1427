"""Answers to the exercises of the lab `mask-rcnn`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.ops import roi_align

from course_lib.checks.mask_rcnn import decode_boxes as boxes
from course_lib.checks.mask_rcnn import match_anchors as match
from course_lib.checks.mask_rcnn import roi_cells as roi


def boxes_by_columns(codes, anchors):
    """As the papers write it, one number after the other."""
    x1, y1, x2, y2 = anchors.unbind(1)
    dx, dy, dw, dh = codes.unbind(1)
    w, h = x2 - x1, y2 - y1
    x, y = (x1 + x2) / 2 + w * dx, (y1 + y2) / 2 + h * dy
    limit = torch.tensor(1000 / 16)
    w, h = w * torch.minimum(dw.exp(), limit), h * torch.minimum(dh.exp(), limit)
    return torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], dim=1)


def boxes_by_torchvision(codes, anchors):
    if not len(codes):  # which it does not take
        return anchors.clone()
    return BoxCoder((1.0, 1.0, 1.0, 1.0)).decode_single(codes, anchors)


def boxes_by_a_loop(codes, anchors):
    out = torch.empty_like(anchors)
    for k in range(len(anchors)):
        for axis in range(2):
            low, high = anchors[k, axis].item(), anchors[k, axis + 2].item()
            centre = (low + high) / 2 + codes[k, axis].item() * (high - low)
            growth = math.exp(min(codes[k, axis + 2].item(), math.log(62.5)))
            out[k, axis] = centre - growth * (high - low) / 2
            out[k, axis + 2] = centre + growth * (high - low) / 2
    return out


def boxes_of(change):
    return lambda codes, anchors: change(boxes.reference(codes, anchors))


def boxes_given(change):
    return lambda codes, anchors: boxes.reference(*change(codes, anchors))


def in_place(codes, anchors):
    right = boxes.reference(codes, anchors)
    codes.clamp_(max=0)
    return right


def match_by_torchvision(iou, high, low):
    if not iou.shape[1]:
        return torch.full((len(iou),), -1)
    return Matcher(high, low, allow_low_quality_matches=True)(iou.T.contiguous())


def match_by_a_loop(iou, high, low):
    found = []
    for row in iou.tolist():
        best = max(row, default=0.0)
        saved = any(v == max(iou[:, k].tolist()) for k, v in enumerate(row))
        if row and (best >= high or saved):
            found.append(row.index(best))
        else:
            found.append(-1 if best < low else -2)
    return torch.tensor(found)


def match_by_where(iou, high, low):
    anchors, objects = iou.shape
    if objects == 0:
        return -torch.ones(anchors, dtype=torch.long)
    best, own = torch.max(iou, 1)
    saved = (iou == iou.amax(0, keepdim=True)).any(1)
    out = torch.where(best < low, -1, -2)
    return torch.where((best >= high) | saved, own, out)


def match_of(change):
    return lambda *arguments: change(match.reference(*arguments))


def match_given(change):
    return lambda *arguments: match.reference(*change(*arguments))


def without_empty(iou, high, low):
    assert iou.shape[1], "no objects"
    return match.reference(iou, high, low)


def one_each(iou, high, low):
    """Every object keeps one anchor only."""
    out = torch.where(iou.amax(1) < low, -1, -2) if iou.shape[1] else torch.full((len(iou),), -1)
    for k in range(iou.shape[1]):
        out[iou[:, k].argmax()] = k
    return out


def roi_by_torchvision(features, box, size, scale, ratio):
    boxes = [box[None].to(features)]
    return roi_align(features[None], boxes, size, scale, ratio, aligned=True)[0]


def roi_by_grid_sample(features, box, size, scale, ratio):
    """In the coordinates of grid_sample, in which a pixel's edges are whole."""
    x1, y1, x2, y2 = (box.to(features) * scale).tolist()
    (rows, columns), (height, width) = size, features.shape[1:]
    y = torch.linspace(y1, y2, 2 * rows * ratio + 1, dtype=features.dtype)[1::2]
    x = torch.linspace(x1, x2, 2 * columns * ratio + 1, dtype=features.dtype)[1::2]
    grid = torch.stack(
        [
            (2 * x / width - 1).expand(len(y), -1),
            (2 * y / height - 1)[:, None].expand(-1, len(x)),
        ],
        dim=-1,
    )
    samples = F.grid_sample(features[None], grid[None], align_corners=False)[0]
    return samples.unflatten(2, (columns, ratio)).unflatten(1, (rows, ratio)).mean((2, 4))


def roi_changed(**changes):
    return lambda *arguments: roi._cells(*arguments, **changes)


def roi_unaligned(features, box, size, scale, ratio):
    """The default of torchvision, which is half a pixel off."""
    return roi_align(features[None], [box[None].to(features)], size, scale, ratio)[0]


def roi_resized(features, box, size, scale, ratio):
    """Crop whole pixels, then resize."""
    x1, y1, x2, y2 = (box * scale).round().long().tolist()
    return F.interpolate(features[None, :, y1:y2, x1:x2], size=size, mode="bilinear")[0]


RIGHT_ANSWERS = {
    "decode_boxes": [boxes_by_columns, boxes_by_torchvision, boxes_by_a_loop],
    "match_anchors": [match_by_torchvision, match_by_a_loop, match_by_where],
    "roi_cells": [roi_by_torchvision, roi_by_grid_sample],
}

WRONG_ANSWERS = {
    "decode_boxes": [
        (boxes_of(lambda b: b.round()), "is wrong in"),
        (boxes_of(lambda b: b.long()), "is wrong in"),
        (boxes_of(lambda b: b.clamp(min=0)), "FAIL"),
        (boxes_of(lambda b: b[:, [1, 0, 3, 2]]), "is wrong in"),
        (boxes_of(lambda b: b[:, [0, 2, 1, 3]]), "is wrong in"),
        (boxes_of(lambda b: b.tolist()), "wanted a torch.Tensor"),
        (boxes_of(lambda b: b.T), "has shape (4,"),
        (boxes_of(lambda b: None), "is the `return` missing?"),
        (boxes_of(lambda b: b[:1]), "has shape (1, 4)"),
        (boxes_given(lambda c, a: (c * 2, a)), "is wrong in"),
        (boxes_given(lambda c, a: (c / 10, a)), "is wrong in"),
        (boxes_given(lambda c, a: (c[:, [2, 3, 0, 1]], a)), "is wrong in"),
        (boxes_given(lambda c, a: (-c, a)), "is wrong in"),
        (boxes_given(lambda c, a: (a, c)), "is wrong in"),
        (in_place, "you changed your input `codes`"),
    ],
    "match_anchors": [
        (match_of(lambda m: m.clamp(min=-1)), "FAIL between the thresholds"),
        (match_of(lambda m: m >= 0), "is wrong in"),
        (match_of(lambda m: m.tolist()), "wanted a torch.Tensor"),
        (match_of(lambda m: m[:, None]), "has shape"),
        (match_of(lambda m: m[m >= 0]), "has shape"),
        (match_of(lambda m: None), "is the `return` missing?"),
        (match_given(lambda iou, high, low: (iou, low, low)), "FAIL between the thresholds"),
        (match_given(lambda iou, high, low: (iou, high, high)), "FAIL between the thresholds"),
        (match_given(lambda iou, high, low: (iou, 0.7, 0.3)), "FAIL at `high`"),
        (match_given(lambda iou, high, low: (iou.T, high, low)), "has shape"),
        (lambda iou, high, low: iou.argmax(1), "is wrong in"),
        (without_empty, "no objects"),
        (one_each, "FAIL an anchor with a large IoU"),
    ],
    "roi_cells": [
        (roi_unaligned, "FAIL a pixel's centre"),
        (roi_resized, "FAIL a box between the pixels"),
        (roi_changed(**{**roi.BUGS, "pool": "mean"}), "half a pixel apart"),
        (roi_changed(place=0.0, half=0.0), "the only sample"),
        (roi_changed(corners="rounded", pool="max"), "add up to"),
        (lambda f, b, size, scale, ratio: roi.reference(f, b, size, 1.0, ratio), "FAIL"),
        (lambda f, b, size, scale, ratio: roi.reference(f, b, size, scale, 1), "FAIL on a map"),
        (lambda *a: roi.reference(*a).transpose(1, 2), "FAIL on a map"),
        (lambda *a: 4 * roi.reference(*a), "add up to 4.00"),
        (lambda *a: roi.reference(*a).tolist(), "wanted a torch.Tensor"),
        (lambda *a: roi.reference(*a).mean(0), "has shape"),
        (lambda *a: None, "wanted a torch.Tensor"),
    ],
}

POINTS = {
    "decode_boxes": {"no limit": 5, "moved from the corner": 0, "grown linearly": 3},
    "match_anchors": {"the rescue forgotten": 4, "left out without objects": 6},
    "roi_cells": {"left: a cell is the mean of its samples": 4, "unchanged": 0},
}
