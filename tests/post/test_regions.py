"""Regions repaired and taken apart: against the taught functions and by hand."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from course_lib.data.scenes import cells
from course_lib.ops import connected_components, watershed
from course_lib.post import fill_holes, grow, remove_small, split_touching

CASES = 1000


def random_mask(random: np.random.Generator) -> Tensor:
    shape = tuple(random.integers(1, 18, 2))
    return torch.from_numpy(random.random(shape) < random.choice([0.2, 0.5, 0.8]))


@pytest.mark.parity
def test_small_regions_go() -> None:
    """Against the taught components, region by region."""
    random = np.random.default_rng(0)
    for case in range(CASES):
        mask, area, connectivity = random_mask(random), case % 7, (4, 8)[case % 2]
        labels, number = connected_components(mask, connectivity)
        expected = torch.zeros_like(mask)
        for label in range(1, number + 1):
            region = labels == label
            expected |= region if region.sum() >= area else torch.zeros_like(mask)
        assert torch.equal(remove_small(mask, area, connectivity=connectivity), expected)


@pytest.mark.parity
def test_holes_are_filled() -> None:
    """Against a flood from outside, with the taught components on a margin of background."""
    random = np.random.default_rng(1)
    filled = 0
    for case in range(CASES):
        mask, connectivity = random_mask(random), (4, 8)[case % 2]
        wide = torch.nn.functional.pad(mask, (1, 1, 1, 1))
        labels, number = connected_components(~wide, {4: 8, 8: 4}[connectivity])
        outside = labels == labels[0, 0]
        expected = ~outside[1:-1, 1:-1]
        assert torch.equal(fill_holes(mask, connectivity=connectivity), expected)
        most = case % 3
        small = mask.clone()
        for label in range(2, number + 1):
            hole = labels[1:-1, 1:-1] == label
            small |= hole if hole.sum() <= most else torch.zeros_like(mask)
        assert torch.equal(fill_holes(mask, most, connectivity=connectivity), small)
        filled += bool((expected & ~mask).any())
    assert filled > CASES // 5


def test_a_ring_and_a_leak() -> None:
    ring = torch.ones(4, 5, dtype=torch.bool)
    ring[1:3, 1:4] = False
    assert fill_holes(ring).all()
    assert torch.equal(fill_holes(ring, 5), ring) and fill_holes(ring, 6).all()
    diamond = torch.tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=torch.bool)
    assert fill_holes(diamond)[1, 1] and not fill_holes(diamond, connectivity=4)[1, 1]


def discs(distance: int, radius: int = 10) -> Tensor:
    y, x = torch.meshgrid(torch.arange(31), torch.arange(61), indexing="ij")
    left, right = ((y - 15) ** 2 + (x - c) ** 2 for c in (22, 22 + distance))
    return (left < radius**2) | (right < radius**2)


def test_discs_are_separated_by_the_depth_of_their_neck() -> None:
    """Radius 10: the necks of centres 12 and 16 apart are 2 and 4 pixels deep."""
    for distance, neck in ((12, 2.0), (16, 4.0)):
        mask = discs(distance)
        assert connected_components(mask)[1] == 1
        for depth, number in ((neck - 0.8, 2), (neck + 0.8, 1)):
            labels = split_touching(mask, depth=depth)
            assert int(labels.max()) == number
            assert torch.equal(labels > 0, mask)
        middle = 22 + distance // 2
        labels = split_touching(mask, depth=neck - 0.8)
        assert len(labels[:, : middle - 1][mask[:, : middle - 1]].unique()) == 1
        assert len(labels[:, middle + 2 :][mask[:, middle + 2 :]].unique()) == 1


def high_peaks(height: np.ndarray, depth: float) -> int:
    """Peaks that stand out by more than `depth`, pixels above 0 joined from the highest down.

    When two hills meet, the lower one ends; what it stood above the meeting place is its depth.
    """
    top: dict[tuple[int, int], tuple[int, int]] = {}  # of each pixel: the way to its hill's peak

    def peak(place: tuple[int, int]) -> tuple[int, int]:
        while top[place] != place:
            place = top[place]
        return place

    count = 0
    order = sorted(map(tuple, np.argwhere(height > 0).tolist()), key=lambda p: -height[p])
    for y, x in order:
        top[y, x] = (y, x)
        count += 1
        for near in ((y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)):
            if near in top and peak(near) != peak((y, x)):
                low, high = sorted((peak(near), peak((y, x))), key=lambda p: height[p])
                top[low] = high
                count -= height[low] - height[y, x] <= depth
    return count


@pytest.mark.parity
def test_it_is_the_taught_watershed_from_high_peaks() -> None:
    scenes = cells.draw(60, size=(64, 72), seed=5)
    split = 0
    for number, instances in enumerate(scenes.instances):
        mask = instances > 0
        distance = ndimage.distance_transform_edt(mask.numpy())
        depth = (0.123, 0.75, 1.5)[number % 3]  # differences of distances are not these
        labels = split_touching(mask, depth=depth)
        assert torch.equal(labels > 0, mask)
        assert int(labels.max()) == high_peaks(distance, depth)
        tops = ndimage.maximum(distance, labels.numpy(), np.arange(int(labels.max()) + 1))
        tops[0] = np.inf
        markers = torch.where(torch.from_numpy(distance == tops[labels.numpy()]), labels, 0)
        taught = watershed(torch.from_numpy(-distance), markers, mask)
        assert int((taught == labels).sum()) > 0.97 * labels.numel()  # plateaus are open
        split += int(labels.max()) > connected_components(mask)[1]
    assert split > 10


def test_every_region_has_an_object_however_small() -> None:
    random = np.random.default_rng(3)
    for case in range(300):
        mask = random_mask(random)
        labels = split_touching(mask, depth=(0.0, 0.5, 2.0)[case % 3])
        regions, number = connected_components(mask)
        assert torch.equal(labels > 0, mask)
        assert int(labels.max()) >= number
        for region in range(1, number + 1):
            own = labels[regions == region].unique()
            assert len(own) >= 1
            assert not torch.isin(labels[mask & (regions != region)], own).any()
        assert labels.unique().tolist() == list(range(0 if not mask.all() else 1, labels.max() + 1))


def test_nothing_and_everything() -> None:
    none, full = torch.zeros(3, 4, dtype=torch.bool), torch.ones(3, 4, dtype=torch.bool)
    assert split_touching(none).abs().max() == 0 and (split_touching(full) == 1).all()
    assert torch.equal(remove_small(full, 12), full) and not remove_small(full, 13).any()
    assert torch.equal(fill_holes(none), none) and torch.equal(fill_holes(full), full)
    assert grow(none.long(), full).abs().max() == 0
    pixel = none.clone()
    pixel[1, 2] = True
    assert split_touching(pixel)[1, 2] == 1 and torch.equal(remove_small(pixel, 1), pixel)


def test_markers_grow_over_the_border_class_back_to_the_objects() -> None:
    scenes = cells.draw(40, size=(64, 72), seed=7)
    wrong = total = 0
    for instances in scenes.instances:
        classes = cells.border(instances)
        markers = torch.where(classes == 1, instances.long(), 0)
        mask = (instances > 0) & torch.isin(instances.long(), markers.unique()[1:])
        grown = grow(markers, mask)
        assert torch.equal(grown[markers > 0], markers[markers > 0])
        border = mask & (classes == 2)
        wrong += int((grown[border] != instances[border]).sum())
        total += int(border.sum())
    assert total > 1000 and wrong < 0.12 * total


@pytest.mark.adversarial
def test_what_is_no_mask_is_refused() -> None:
    mask = torch.ones(3, 4, dtype=torch.bool)
    for call in (
        lambda m: remove_small(m, 3),
        fill_holes,
        split_touching,
        lambda m: grow(torch.ones(m.shape[-2:], dtype=torch.long), m),
    ):
        for wrong in (mask[None], mask.float(), mask.long()):
            with pytest.raises(ValueError, match=r"give \(H, W\) bool"):
                call(wrong)
    with pytest.raises(ValueError, match="choose 4"):
        remove_small(mask, 1, connectivity=6)
    with pytest.raises(ValueError, match="area is -1"):
        remove_small(mask, -1)
    with pytest.raises(ValueError, match="area is -1"):
        fill_holes(mask, -1)
    for depth in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="depth is"):
            split_touching(mask, depth=depth)
    with pytest.raises(ValueError, match="whole numbers of shape"):
        grow(torch.ones(4, 3, dtype=torch.long), mask)
