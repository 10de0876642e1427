"""The reference of `clean_mask` equals an independent library's."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from course_lib.checks.four_steps import clean_mask as check


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
