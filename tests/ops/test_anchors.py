"""Anchors equal torchvision's, in number, place and order."""

import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from course_lib.ops import anchor_grid, anchor_shapes


@pytest.mark.parity
@pytest.mark.parametrize(
    ("sizes", "ratios"),
    [((8,), (1.0,)), ((32, 64), (0.5, 1.0, 2.0)), ((5, 7, 12), (0.3, 2.5)), ((128,), (0.5, 3.0))],
)
@pytest.mark.parametrize(("feature_size", "stride"), [((6, 9), 4), ((1, 3), 32), ((5, 5), 8)])
def test_they_equal_torchvisions(
    sizes: tuple[float, ...],
    ratios: tuple[float, ...],
    feature_size: tuple[int, int],
    stride: int,
) -> None:
    ours = anchor_grid(feature_size, stride, sizes, ratios)
    height, width = feature_size[0] * stride, feature_size[1] * stride
    images = ImageList(torch.zeros(1, 3, height, width), [(height, width)])
    theirs = AnchorGenerator((sizes,), (ratios,))(images, [torch.zeros(1, 1, *feature_size)])[0]
    assert ours.dtype == torch.float32 and torch.equal(ours, theirs)


def test_by_hand() -> None:
    grid = anchor_grid((2, 3), 4, (8,), (1.0, 4.0))
    assert len(grid) == 2 * 3 * 2
    assert grid[0].tolist() == [-4, -4, 4, 4]
    assert grid[1].tolist() == [-2, -8, 2, 8]  # ratio 4: four times as high as wide
    assert grid[2].tolist() == [0, -4, 8, 4]  # the next place is to the right
    assert grid[6].tolist() == [-4, 0, 4, 8]


def test_a_side_does_not_vanish() -> None:
    shapes = anchor_shapes((1,), (0.1, 1.0, 10.0))
    assert (shapes[:, 2:] - shapes[:, :2]).min() >= 2


@pytest.mark.parametrize(
    ("sizes", "ratios"), [((), (1.0,)), ((4,), ()), ((0,), (1,)), ((4,), (-1,))]
)
def test_what_gives_no_anchor_is_refused(sizes: tuple, ratios: tuple) -> None:
    with pytest.raises(ValueError, match="at least one of each"):
        anchor_shapes(sizes, ratios)
