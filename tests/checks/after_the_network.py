"""Answers to the exercises of the lab `after-the-network`: right ones, and wrong ones."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from skimage import measure

from course_lib.checks.after_the_network import label_regions as regions
from course_lib.ops import connected_components


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


RIGHT_ANSWERS = {
    "label_regions": [by_scipy, by_skimage, by_the_course, by_spreading],
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
        (given(lambda mask, c: (mask[:-1], c)), "has shape"),
        (lambda mask, c: torch.from_numpy(np.cumsum(mask.numpy(), 1)), "is wrong in"),
    ],
}

POINTS = {
    "label_regions": {"always 4": 6, "never joined": 4, "round the corner": 3},
}
