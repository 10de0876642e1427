"""Packed counts come back as they were, in few bytes; what is no packed array is refused."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.results.compact import LARGEST, pack_counts, unpack_counts


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=4), st.integers(0, 2**32 - 1))
def test_counts_come_back_as_they_were(shape: list[int], largest: int) -> None:
    generator = torch.Generator().manual_seed(largest % 1000)
    counts = torch.randint(0, largest + 1, shape, generator=generator)
    back = unpack_counts(pack_counts(counts))
    assert back.dtype == torch.int64
    assert torch.equal(back, counts)


def test_confusions_of_a_test_set_are_small() -> None:
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(400, 10, 10, dtype=torch.int64)
    counts.diagonal(dim1=1, dim2=2).random_(0, 3000, generator=generator)
    assert len(pack_counts(counts)) < 20_000
    assert len(str(counts.tolist())) > 120_000


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (torch.tensor([1.0]), "float32; give whole numbers"),
        (torch.tensor([-1, 3]), "from -1 to 3"),
        (torch.tensor([LARGEST + 1]), "can be packed"),
        (torch.tensor([True]), "bool; give whole numbers"),
    ],
)
def test_what_cannot_be_packed_is_refused(counts: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pack_counts(counts)


@pytest.mark.parametrize("text", ["", "2x2:", "2:????", "3x:AAAA", "no colon", "2x3:eJwDAAAAAAE="])
def test_what_was_not_packed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no packed array"):
        unpack_counts(text)
