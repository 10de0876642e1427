"""The reference of `clean_mask` equals an independent library's."""

import ast

import numpy as np
import pytest
import torch
from scipy import ndimage

from course_lib.checks.four_steps import clean_mask as check
from tools.common import Tree, read


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


def test_the_printed_example_tells_nearly_all_mistakes_apart_from_the_right_answer():
    source = Tree().notebooks / "exercises" / "four-steps" / "clean_mask.ipynb"
    code = next(cell.source for cell in read(source).cells if cell.id == "expected")
    rows = ast.literal_eval(code.partition("rows = ")[2].partition("\nmask")[0])
    mask = torch.tensor([[letter == "#" for letter in row] for row in rows])
    wanted = check.reference(mask, 9)
    assert "min_pixels=9" in code
    alike = [
        mistake.name
        for mistake in check.clean_mask.mistakes
        if torch.equal(mistake.mutant(mask.clone(), 9), wanted)
    ]
    assert alike == ["only small holes filled"]  # each of its holes is smaller than 9 pixels
