"""Answers to the exercises of the lab `after-the-network`: right ones, and wrong ones."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from skimage import measure
from torchvision.ops import batched_nms, box_iou

from course_lib.checks.after_the_network import label_regions as regions
from course_lib.checks.after_the_network import split_touching as marks
from course_lib.checks.after_the_network import suppress as suppressing
from course_lib.ops import connected_components
from tests.checks.shared import letters


def by_scipy(mask, connectivity):
    around = ndimage.generate_binary_structure(2, 1 if connectivity == 4 else 2)
    return torch.from_numpy(ndimage.label(mask.numpy(), structure=around)[0])


def by_skimage(mask, connectivity):
    labels = measure.label(mask.numpy(), connectivity=1 if connectivity == 4 else 2)
    return torch.from_numpy(labels)


def by_the_course(mask, connectivity):
    return connected_components(mask, connectivity)[0]


def by_spreading(mask, connectivity):
    """The smallest number of the neighbourhood, again and again."""
    height, width = mask.shape
    far = height * width
    labels = torch.arange(far).view(height, width).where(mask, far)
    while True:
        padded = torch.nn.functional.pad(labels, (1, 1, 1, 1), value=far)
        near = [
            padded[1 + i : 1 + i + height, 1 + j : 1 + j + width]
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
            if connectivity == 8 or not i or not j
        ]
        smaller = torch.stack(near).amin(0).where(mask, far)
        if torch.equal(smaller, labels):
            break
        labels = smaller
    numbers = labels[mask].unique()
    return torch.searchsorted(numbers, labels).add(1).where(mask, 0)


def of(change):
    return lambda mask, connectivity: change(regions.reference(mask, connectivity))


def given(change):
    return lambda mask, connectivity: regions.reference(*change(mask, connectivity))


def rows_alone(mask, connectivity):
    """Runs of a row, never joined with those above."""
    starts = mask & ~torch.nn.functional.pad(mask, (1, 0))[:, :-1]
    return starts.flatten().cumsum(0).view(mask.shape).where(mask, 0)


def joined_at_the_left_only(mask, connectivity):
    """A pixel takes the number of its left neighbour, and never tells the one above."""
    return regions._one_pass(mask.flip(1), connectivity).flip(1)


def calls_itself(mask, connectivity):
    def fill(i, j):
        return fill(i, j)

    return fill(0, 0)


def eats_the_mask(mask, connectivity):
    right = regions.reference(mask, connectivity)
    mask[:] = False
    return right


def suppress_by_torchvision(boxes, scores, labels, threshold):
    return batched_nms(boxes, scores, labels, threshold)


def suppress_by_lists(boxes, scores, labels, threshold):
    """One class after the other, in plain Python."""
    kept = []
    for label in labels.unique().tolist():
        left = [k for k in scores.argsort().tolist() if labels[k] == label]
        while left:
            best = left.pop()
            kept.append(best)
            iou = box_iou(boxes[best][None], boxes)[0]
            left = [k for k in left if not iou[k] > threshold]
    return torch.tensor(sorted(kept, key=lambda k: -scores[k]))


def suppress_by_matrix(boxes, scores, labels, threshold):
    """All overlaps first; then each box asks the better ones that are kept."""
    order = scores.argsort(descending=True)
    overlaps = (box_iou(boxes, boxes) > threshold) & (labels[:, None] == labels)
    kept: list[int] = []
    for k in order.tolist():
        if not overlaps[k, kept].any():
            kept.append(k)
    return torch.tensor(kept)


def suppress_changed(**changes):
    return lambda *arguments: suppressing._suppress(*arguments, **changes)


def suppress_all_at_once(boxes, scores, labels, threshold):
    """A box that is worse than any overlapping one goes."""
    worse = (scores[:, None] < scores) & (labels[:, None] == labels)
    kept = ~((box_iou(boxes, boxes) > threshold) & worse).any(1)
    order = scores.argsort(descending=True)
    return order[kept[order]]


def round_peaks():
    """The largest distance of a disc."""

    def mark(distance):
        padded, best = F.pad(distance, (2, 2, 2, 2)), torch.zeros_like(distance)
        for i in range(-2, 3):
            for j in range(-2, 3):
                if i * i + j * j <= 5:
                    best = torch.maximum(best, padded[2 + i : 66 + i, 2 + j : 66 + j])
        return (distance == best) & (distance > 0)

    return mark


RIGHT_ANSWERS = {
    "label_regions": [by_scipy, by_skimage, by_the_course, by_spreading],
    "nms_survivors": [lambda: 4],
    "suppress": [suppress_by_torchvision, suppress_by_lists, suppress_by_matrix],
    "split_touching": [round_peaks, lambda: partial(marks._peaks, reach=1, sigma=0.9)],
}

WRONG_ANSWERS = {
    "label_regions": [
        (rows_alone, "FAIL parts that meet further down"),
        (joined_at_the_left_only, "FAIL parts that meet further down"),
        (calls_itself, "RecursionError"),
        (eats_the_mask, "you changed your input `mask`"),
        (of(lambda x: x.flip(0)), "is wrong in"),
        (of(lambda x: x - 1), "is wrong in"),
        (of(lambda x: x.tolist()), "wanted a torch.Tensor"),
        (of(lambda x: x.numpy()), "torch.from_numpy"),
        (of(lambda x: (x, x.max())), "wanted a torch.Tensor"),
        (of(lambda x: x.max()), "has shape ()"),
        (of(lambda x: None), "is the `return` missing?"),
        (of(lambda x: x.max() + 1 - x), "is wrong in"),
        (of(lambda x: x.float()), "torch.float32, wanted integers"),
        (given(lambda mask, c: (mask[:-1], c)), "has shape"),
        (lambda mask, c: torch.from_numpy(np.cumsum(mask.numpy(), 1)), "is wrong in"),
    ],
    "nms_survivors": [
        *[(letters(n), "you committed") for n in (1, 2, 3, 5, 6, 8, 9)],
        *[(letters(n), "nothing is committed") for n in (0, 10, 4.0, "4", True, [4])],
    ],
    "suppress": [
        (suppress_all_at_once, "FAIL a removed box removes nobody"),
        (suppress_changed(**{**suppressing.BUGS, "numbers": "of the input"}), "1 of 8 points"),
        (suppress_changed(descending=False, classes=False), "FAIL a class leaves"),
        (suppress_changed(at_threshold="removed", removed_remove=True), "exactly 0.5"),
        (lambda *a: suppressing.reference(*a).tolist(), "wanted a torch.Tensor"),
        (lambda *a: a[0][suppressing.reference(*a)], "FAIL"),
        (lambda *a: suppressing.reference(*a).float(), "torch.float32, wanted integers"),
        (lambda *a: suppressing.reference(*a).flip(0), "FAIL of many boxes"),
        (lambda *a: suppressing.reference(*a[:3], 0.75), "FAIL"),
        (lambda *a: suppressing.reference(a[0], a[1], 0 * a[2], a[3]), "different classes"),
        (lambda *a: a[1].argsort(descending=True), "3 are kept, wanted 1"),
        (lambda *a: a[1].argmax(), "FAIL"),
        (lambda *a: None, "wanted a torch.Tensor"),
    ],
    "split_touching": [
        (lambda: 3, "wanted a function"),
        (lambda: lambda distance: 3, "gives a int, wanted a bool tensor"),
        (lambda: lambda distance: distance, "gives torch.float32, wanted a bool tensor"),
        (lambda: lambda distance: distance[None] > 0, "gives shape (1, 64, 64)"),
        (lambda: lambda distance: distance < 0, "cells have none of their own"),
        (lambda: lambda distance: distance >= 0, "wrong marks"),
        (lambda: lambda distance: distance == distance.max(), "cells have none of their own"),
        (lambda: lambda distance: distance > 3, "wrong marks"),
        (lambda: lambda: 0, "TypeError"),
        (lambda: partial(marks._peaks, reach=3), "wanted at most 2"),
        (lambda: partial(marks._peaks, reach=1, sigma=0.5), "wanted at most 2"),
        (lambda: torch.zeros(64, 64), "wanted a function"),
    ],
}

POINTS = {
    "label_regions": {"always 4": 6, "never joined": 4, "round the corner": 3},
    "suppress": {"left: a removed box removes nobody": 5, "unchanged": 0},
    "split_touching": {"every little peak": 0, "the mask itself": 0},
}
