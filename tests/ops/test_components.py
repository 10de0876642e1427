"""Connected components equal scikit-image's, number for number."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label

from course_lib.ops import connected_components


def check_same(mask: np.ndarray, connectivity: int) -> None:
    ours, count = connected_components(torch.from_numpy(mask), connectivity)
    theirs, number = label(mask, connectivity={4: 1, 8: 2}[connectivity], return_num=True)
    assert count == number
    assert np.array_equal(ours.numpy(), theirs)


@pytest.mark.slow
@pytest.mark.parity
@settings(max_examples=3000, deadline=None)
@given(
    st.integers(0, 20),
    st.integers(0, 20),
    st.sampled_from([0.1, 0.4, 0.6, 0.9]),
    st.sampled_from([4, 8]),
    st.integers(0, 2**20),
)
def test_it_equals_scikit_image(
    height: int, width: int, share: float, connectivity: int, seed: int
) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    if mask.size:
        check_same(mask, connectivity)
    else:
        assert connected_components(torch.from_numpy(mask), connectivity)[1] == 0


@pytest.mark.parity
@pytest.mark.parametrize("connectivity", [4, 8])
def test_shapes_that_meet_late(connectivity: int) -> None:
    """A comb and a spiral: their parts are joined only by the last rows."""
    comb = np.zeros((9, 21), dtype=bool)
    comb[:, ::2] = comb[-1] = True
    spiral = np.zeros((11, 11), dtype=bool)
    for part in (np.s_[0], np.s_[:, 10], np.s_[10], np.s_[2:, 0], np.s_[2, :9]):
        spiral[part] = True
    spiral[2:9, 8] = spiral[8, 2:9] = True
    for shape in (comb, spiral, comb.T.copy(), spiral[::-1].copy()):
        check_same(shape, connectivity)


def test_by_hand() -> None:
    mask = torch.tensor([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]])
    labels, count = connected_components(mask)
    assert count == 2 and labels.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0], [2, 2, 0]]
    labels, count = connected_components(mask, connectivity=4)
    assert count == 4 and labels.tolist() == [[1, 0, 2], [0, 3, 0], [0, 0, 0], [4, 4, 0]]
    assert labels.dtype == torch.int64


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="give \\(H, W\\) bool"):
        connected_components(torch.zeros(2, 3, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="float32"):
        connected_components(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="choose 4"):
        connected_components(torch.zeros(3, 4, dtype=torch.bool), 6)
