"""The check of `clean_mask`: its reference equals scikit-image's; each known mistake is named."""

import importlib

import numpy as np
import pytest
import torch
from scipy import ndimage

check = importlib.import_module("course_lib.checks.clean_mask")


def by_flood(mask, min_pixels):
    """A right answer in another style: floods with a list of pixels still to be visited."""
    height, width = mask.shape
    edge = [(y, x) for y in range(height) for x in (0, width - 1)]
    edge += [(y, x) for x in range(width) for y in (0, height - 1)]
    beside = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    around = [*beside, (1, 1), (1, -1), (-1, 1), (-1, -1)]

    def flood(starts, inside, steps):
        seen, todo = set(), [p for p in starts if inside[p]]
        while todo:
            p = todo.pop()
            if p not in seen:
                seen.add(p)
                near = [(p[0] + dy, p[1] + dx) for dy, dx in steps]
                todo += [
                    (y, x) for y, x in near if 0 <= y < height and 0 <= x < width and inside[y, x]
                ]
        return seen

    outside = flood(edge, (~mask).numpy(), beside)
    filled = torch.ones_like(mask)
    for y, x in outside:
        filled[y, x] = False
    clean, left = torch.zeros_like(mask), {tuple(p) for p in filled.nonzero().tolist()}
    while left:
        part = flood([next(iter(left))], filled.numpy(), around)
        left -= part
        for y, x in part if len(part) >= min_pixels else ():
            clean[y, x] = True
    return clean


@pytest.mark.parametrize("right", [check.reference, by_flood])
@pytest.mark.parametrize("seed", range(4))
def test_right_answers_get_all_points(right, seed):
    report = check.clean_mask(right, seed=seed)
    assert (report.points, report.total, report.hint) == (6, 6, None), report


@pytest.mark.parametrize("mistake", check.MISTAKES, ids=lambda m: m.name)
@pytest.mark.parametrize("seed", range(6))
def test_each_known_mistake_is_recognised(mistake, seed):
    report = check.clean_mask(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert report.mistake == mistake.name
    assert report.hint == mistake.hint


def test_points_come_per_property():
    by_name = {m.name: m.mutant for m in check.MISTAKES}
    for seed in range(4):
        assert check.clean_mask(by_name["removed first, filled later"], seed=seed).points == 4
        assert check.clean_mask(by_name["4 neighbours"], seed=seed).points <= 4
        assert check.clean_mask(by_name["one pixel too strict"], seed=seed).points <= 4


@pytest.mark.parity
@pytest.mark.parametrize("seed", range(8))
def test_the_reference_equals_scikit_image(seed):
    from skimage.measure import label, regionprops

    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(40, 53)), 1.5)
    mask = noise > 0.03
    # Holes: 4-connected background regions that do not touch the picture's edge.
    background = label(~mask, connectivity=1)
    edge = np.unique(np.concatenate([background[[0, -1]].ravel(), background[:, [0, -1]].ravel()]))
    filled = mask | (~np.isin(background, edge) & (background > 0))
    theirs = np.zeros_like(mask)
    for region in regionprops(label(filled, connectivity=2)):
        if region.area >= 12:
            theirs[tuple(region.coords.T)] = True
    ours = check.reference(torch.from_numpy(mask), 12)
    assert np.array_equal(ours.numpy(), theirs)
    assert not np.array_equal(theirs, mask)
