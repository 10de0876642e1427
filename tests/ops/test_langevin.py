"""Langevin's recipe by levels: a Gaussian on pictures, the same dice twice, and what is refused."""

import pytest
import torch
from torch import Tensor

from course_lib.ops import annealed_langevin


def bell(x: Tensor, sigma: Tensor) -> Tensor:
    """The score of numbers with mean 0.6 and deviation 0.5, with noise of deviation sigma."""
    return (0.6 - x) / (0.5**2 + sigma**2)


def test_pictures_of_an_odd_size_end_with_mean_and_deviation() -> None:
    sigmas = torch.logspace(0, -2, 12).double()
    ends = [
        annealed_langevin(
            bell,
            torch.zeros(800, 2, 3, 5).double(),
            sigmas,
            steps=20,
            rate=0.5,
            generator=torch.Generator().manual_seed(seed),
        )
        for seed in (0, 0, 1)
    ]
    assert torch.equal(ends[0], ends[1]) and not torch.allclose(ends[0], ends[2])
    bar = 4 * 0.5 / ends[0].numel() ** 0.5
    assert ends[0].mean().item() == pytest.approx(0.6, abs=bar + 0.01)
    assert ends[0].std().item() == pytest.approx(0.5, abs=bar + 0.02)


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("sigmas", "options", "word"),
    [
        ([1.0, 1.0], {}, "that fall"),
        ([0.5, 1.0], {}, "that fall"),
        ([1.0, 0.0], {}, "above 0"),
        ([], {}, "above 0"),
        ([1.0], {"steps": 0}, "at least one at each level"),
        ([1.0], {"rate": 0.0}, "rate is 0.0"),
        ([1.0], {"rate": 2.0}, "rate is 2.0"),
    ],
)
def test_what_makes_no_sense_is_refused(sigmas: list, options: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        annealed_langevin(bell, torch.ones(2, 2), torch.tensor(sigmas), **{"steps": 3} | options)
