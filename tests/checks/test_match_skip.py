"""The reference of `match_skip` is what the U-Net does."""

import pytest
import torch

from course_lib.checks.unet import match_skip as check


@pytest.mark.parity
@pytest.mark.parametrize("size", [(9, 12), (12, 9), (9, 7), (8, 8)])
def test_the_reference_is_what_the_model_does(size):
    from course_lib.models.unet import Up

    layer = Up(6, 4, skip=True, up="transpose", norm="group").double().eval()
    seen = []
    layer.mix.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    coarse = torch.rand(2, 6, size[0] // 2, size[1] // 2, dtype=torch.float64)
    skip = torch.rand(2, 4, *size, dtype=torch.float64)
    layer(coarse, skip)
    assert torch.equal(seen[0], check.reference(layer.up(coarse), skip))
