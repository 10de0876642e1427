"""The reference of `resize_pair` equals an independent library's."""

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.checks.four_steps import resize_pair as check


@pytest.mark.parity
@pytest.mark.parametrize("seed", range(3))
def test_the_reference_equals_pillow(seed):
    generator = torch.Generator().manual_seed(seed)
    image, mask, (height, width) = check._example(generator)
    ours, labels = check.reference(image, mask, (height, width))
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    small = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
    theirs = torch.from_numpy(small.copy()).permute(2, 0, 1)
    assert (ours.add(1).mul(127.5) - theirs).abs().max() <= 1.01  # Pillow rounds, twice
    nearest = Image.fromarray(mask.numpy()).resize((width, height), Image.Resampling.NEAREST)
    assert torch.equal(labels, torch.from_numpy(np.asarray(nearest).copy()))
