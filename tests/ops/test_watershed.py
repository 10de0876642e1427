"""The taught watershed equals scikit-image's, and gives what is known."""

import heapq

import numpy as np
import pytest
import torch
from skimage.segmentation import watershed as reference

from course_lib.ops import connected_components, watershed

CASES = 2000


def random_case(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """A landscape without equal heights, a few markers of several pixels, a mask with gaps."""
    shape = tuple(random.integers(1, 16, 2))
    height = random.permutation(int(np.prod(shape))).reshape(shape).astype(float)
    markers = np.where(random.random(shape) < 0.1, random.integers(1, 5, shape), 0)
    mask = random.random(shape) < 0.8 if random.random() < 0.7 else None
    return height, markers, mask


@pytest.mark.parity
def test_it_equals_scikit_image() -> None:
    random = np.random.default_rng(0)
    flooded = 0
    for case in range(CASES):
        height, markers, mask = random_case(random)
        connectivity = (4, 8)[case % 2]
        ours = watershed(
            torch.from_numpy(height),
            torch.from_numpy(markers),
            None if mask is None else torch.from_numpy(mask),
            connectivity=connectivity,
        )
        theirs = reference(height, markers, mask=mask, connectivity={4: 1, 8: 2}[connectivity])
        assert np.array_equal(ours.numpy(), theirs)
        flooded += len(np.unique(theirs)) > 2
    assert flooded > CASES // 3


@pytest.mark.parity
def test_it_equals_scikit_image_on_plateaus() -> None:
    """Few heights, so that the time of arrival decides; the markers alone are of unequal height."""
    random = np.random.default_rng(2)
    for case in range(CASES // 2):
        height, markers, mask = random_case(random)
        height = np.where(markers > 0, -1 - height, height % 3)
        connectivity = (4, 8)[case % 2]
        ours = watershed(
            torch.from_numpy(height),
            torch.from_numpy(markers),
            None if mask is None else torch.from_numpy(mask),
            connectivity=connectivity,
        )
        theirs = reference(height, markers, mask=mask, connectivity={4: 1, 8: 2}[connectivity])
        assert np.array_equal(ours.numpy(), theirs)


def lowest_passes(height: np.ndarray, start: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Of each pixel: the least height to be climbed on a way to `start`, by relaxation."""
    passes = np.where(start & mask, height, np.inf)
    queue = [(passes[y, x], y, x) for y, x in np.argwhere(start & mask).tolist()]
    heapq.heapify(queue)
    while queue:
        level, y, x = heapq.heappop(queue)
        for ny in range(max(y - 1, 0), min(y + 2, height.shape[0])):
            for nx in range(max(x - 1, 0), min(x + 2, height.shape[1])):
                climbed = max(level, height[ny, nx])
                if mask[ny, nx] and climbed < passes[ny, nx]:
                    passes[ny, nx] = climbed
                    heapq.heappush(queue, (climbed, ny, nx))
    return passes


@pytest.mark.parity
def test_each_pixel_goes_over_its_lowest_pass() -> None:
    """On plateaus programs differ, but the pass of the chosen marker is the lowest of all."""
    random = np.random.default_rng(1)
    for _ in range(CASES // 5):
        height, markers, mask = random_case(random)
        height = height // 5  # plateaus
        mask = np.ones_like(markers, dtype=bool) if mask is None else mask
        labels = watershed(*map(torch.from_numpy, (height, markers, mask))).numpy()
        passes = {m: lowest_passes(height, markers == m, mask) for m in np.unique(markers) if m}
        if not passes:
            assert (labels == 0).all()
            continue
        lowest = np.min(list(passes.values()), 0)
        for marker, way in passes.items():
            assert (way[labels == marker] == lowest[labels == marker]).all()
        assert (np.isfinite(lowest) == (labels > 0)).all()


def test_two_valleys_and_the_ridge_between_them() -> None:
    height = torch.tensor([[3, 1, 2, 5, 4, 0, 2]]).float()
    markers = torch.tensor([[0, 1, 0, 0, 0, 2, 0]])
    # The ridge is reached over itself from both sides; the left water stands at 2 when it comes
    # there, the right one at 4: the left is first.
    assert watershed(height, markers).tolist() == [[1, 1, 1, 1, 2, 2, 2]]
    # Without the second marker all water comes from the first, over the ridge.
    assert watershed(height, markers.clamp(max=1) * (markers == 1)).tolist() == [[1] * 7]
    # A gap in the mask stops it.
    mask = height != 5
    assert watershed(height, markers, mask).tolist() == [[1, 1, 1, 0, 2, 2, 2]]


def test_on_flat_ground_the_water_that_is_nearer_comes_first() -> None:
    markers = torch.tensor([[1, 0, 0, 0, 0, 2]])
    assert watershed(torch.zeros(1, 6), markers).tolist() == [[1, 1, 1, 2, 2, 2]]


def test_corners() -> None:
    mask = torch.tensor([[1, 0], [0, 1]], dtype=torch.bool)
    markers = torch.tensor([[7, 0], [0, 0]])
    flat = torch.zeros(2, 2)
    assert watershed(flat, markers, mask).tolist() == [[7, 0], [0, 7]]
    assert watershed(flat, markers, mask, connectivity=4).tolist() == [[7, 0], [0, 0]]


def test_two_discs_are_cut_at_their_neck() -> None:
    y, x = torch.meshgrid(torch.arange(25), torch.arange(41), indexing="ij")
    left, right = ((y - 12) ** 2 + (x - c) ** 2 for c in (13, 27))
    mask = (left <= 81) | (right <= 81)
    assert connected_components(mask)[1] == 1
    markers = (left == 0).long() + 2 * (right == 0).long()
    labels = watershed(torch.minimum(left, right), markers, mask)
    nearest = torch.where(left < right, 1, 2)
    assert torch.equal(labels[mask & (left != right)], nearest[mask & (left != right)])
    assert (labels[~mask] == 0).all()


def test_a_thousand_markers_and_none() -> None:
    grid = torch.arange(1, 1025).reshape(32, 32)
    assert torch.equal(watershed(torch.rand(32, 32), grid), grid)
    assert watershed(torch.rand(3, 4), torch.zeros(3, 4, dtype=torch.long)).abs().max() == 0
    assert watershed(torch.zeros(0, 4), torch.zeros(0, 4, dtype=torch.long)).shape == (0, 4)


@pytest.mark.adversarial
def test_what_does_not_fit_is_refused() -> None:
    height, markers = torch.zeros(3, 4), torch.zeros(3, 4, dtype=torch.long)
    for args, message in (
        ((height[None], markers), "two maps"),
        ((height, markers.T), "two maps"),
        ((height / 0, markers), "NaN"),
        ((height, height), "markers are torch.float32"),
        ((height, markers - 1), "from 0 on"),
        ((height, markers > 0), "markers are torch.bool"),
        ((height, markers, height), "mask is torch.float32"),
        ((height, markers, height.T > 0), r"give bool of shape \(3, 4\)"),
    ):
        with pytest.raises(ValueError, match=message):
            watershed(*args)
    with pytest.raises(ValueError, match="choose 4"):
        watershed(height, markers, connectivity=6)
