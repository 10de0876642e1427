"""Matching and sampling equal torchvision's, and hold for pictures without objects."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, Matcher

from course_lib.ops import match, sample_balanced


@pytest.mark.slow
@pytest.mark.parity
@settings(max_examples=500, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 30),
    st.sampled_from([(0.7, 0.3), (0.5, 0.5), (0.9, 0.1)]),
    st.booleans(),
    st.integers(0, 2**20),
)
def test_matching_equals_torchvision(
    n: int, m: int, thresholds: tuple[float, float], rescue: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Twentieths, so that ties and values on a threshold occur; none is 0 for all.
    iou = (1 + torch.randint(0, 20, (n, m), generator=generator)) / 20.0
    high, low = thresholds
    ours = match(iou, high=high, low=low, rescue=rescue)
    theirs = Matcher(high, low, allow_low_quality_matches=rescue)(iou.clone())
    assert torch.equal(ours, theirs)


def test_a_batch_with_different_numbers_of_objects() -> None:
    generator = torch.Generator().manual_seed(0)
    iou = torch.rand((3, 4, 20), generator=generator)
    iou[1, 2:] = -1
    iou[2] = -1
    found = match(iou, high=0.7, low=0.3, rescue=True)
    assert torch.equal(found[0], match(iou[0], high=0.7, low=0.3, rescue=True))
    assert torch.equal(found[1], match(iou[1, :2], high=0.7, low=0.3, rescue=True))
    assert (found[2] == -1).all()
    assert (match(iou[0, :0], high=0.7, low=0.3) == -1).all()


def test_what_no_candidate_overlaps_rescues_none() -> None:
    iou = torch.tensor([[0.0, 0.0, 0.0], [0.8, 0.2, 0.0]])
    assert match(iou, high=0.7, low=0.3, rescue=True).tolist() == [1, -1, -1]
    theirs = Matcher(0.7, 0.3, allow_low_quality_matches=True)(iou.clone())
    assert theirs.tolist() == [1, 1, 0]  # every candidate is somebody's


@pytest.mark.parity
@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 40),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.integers(0, 99),
)
def test_sampling_takes_as_many_as_torchvision(
    m: int, number: int, share: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    matches = torch.randint(-2, 3, (4, m), generator=generator)
    positive, negative = sample_balanced(
        matches, number=number, positive_share=share, generator=generator
    )
    sampler = BalancedPositiveNegativeSampler(number, share)
    # torchvision: 1 and more are objects, 0 background, -1 ignored.
    theirs = sampler(list(torch.where(matches == -2, -1, matches + 1)))
    assert torch.equal(positive.sum(1), torch.stack(theirs[0]).sum(1))
    assert torch.equal(negative.sum(1), torch.stack(theirs[1]).sum(1))
    assert (matches[positive] >= 0).all() and (matches[negative] == -1).all()


def test_each_is_as_likely_as_another() -> None:
    matches = torch.tensor([0, 1, -1, 0, -1, -2, -1, 2, -1, -1])
    rows = matches.repeat(20_000, 1)
    generator = torch.Generator().manual_seed(0)
    positive, negative = sample_balanced(rows, number=4, positive_share=0.5, generator=generator)
    assert torch.allclose(
        positive.double().mean(0)[matches >= 0], torch.tensor(0.5).double(), atol=0.02
    )
    assert torch.allclose(
        negative.double().mean(0)[matches == -1], torch.tensor(0.4).double(), atol=0.02
    )


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="low must not be above high"):
        match(torch.rand(2, 3), high=0.3, low=0.5)
    with pytest.raises(ValueError, match="take at least 1"):
        sample_balanced(torch.zeros(3), number=0, positive_share=0.5)
    with pytest.raises(ValueError, match="a share"):
        sample_balanced(torch.zeros(3), number=2, positive_share=1.5)
