"""Does each number of a code stand for one cause of the image? Asked where the causes are known.

Source: the mutual information gap, Chen et al., "Isolating Sources of Disentanglement in VAEs",
arXiv:1802.04942, section 4.1 and equation 6, with histograms of 20 bins as in Locatello et al.,
arXiv:1811.12359, appendix C.

Differs from both: bins hold equally many images in place of being equally wide, so that one far
value does not squeeze all others into one bin.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def mutual_information_gap(
    codes: Tensor, factors: Mapping[str, Tensor], *, bins: int = 20
) -> dict[str, float]:
    """Return, for each factor, by how much its best number of the code beats the second best.

    Mutual information in shares of the factor's entropy: 1 where one number tells the factor and no
    other tells anything of it, 0 where two tell the same. It says nothing of how much is known at
    all: see `factor_information`. On few images it is biased upwards; shuffled factors show by how
    much.

    Args:
        codes: (N, D), such as posterior means.
        factors: name to (N,): whole numbers are classes, floats are binned.
        bins: of each number of a code, and of each factor that is a float.

    Returns:
        Name to gap.

    Raises:
        ValueError: for codes of fewer than two numbers, or factors of another length.
    """
    gaps = {}
    for name, told in factor_information(codes, factors, bins=bins).items():
        best = told.topk(2).values
        gaps[name] = float(best[0] - best[1])  # eq-mutual-information-gap
    return gaps


def factor_information(
    codes: Tensor, factors: Mapping[str, Tensor], *, bins: int = 20
) -> dict[str, Tensor]:
    """Return how much each number of a code tells about each factor, in shares of its entropy.

    Args:
        codes: (N, D), such as posterior means.
        factors: name to (N,): whole numbers are classes, floats are binned.
        bins: of each number of a code, and of each factor that is a float.

    Returns:
        Name to (D,), from 0 to 1; 0 for a factor that never changes.

    Raises:
        ValueError: for codes of fewer than two numbers, or factors of another length.
    """
    if codes.ndim != 2 or codes.shape[1] < 2:
        raise ValueError(
            f"codes have shape {tuple(codes.shape)}; wanted (N, D) with at least two numbers."
        )
    columns = [_binned(column, bins) for column in codes.T]
    found = {}
    for name, factor in factors.items():
        if factor.shape != (len(codes),):
            raise ValueError(
                f"factor {name!r} has shape {tuple(factor.shape)}, and there are "
                f"{len(codes)} codes."
            )
        known = (
            _binned(factor, bins)
            if factor.is_floating_point()
            else factor.cpu().unique(return_inverse=True)[1]
        )
        entropy = _entropy(torch.bincount(known))
        shares = [_information(column, known) for column in columns]
        found[name] = torch.stack(shares) / entropy if entropy > 0 else torch.zeros(len(columns))
    return found


def _binned(values: Tensor, bins: int) -> Tensor:
    """Return numbers of bins that hold about equally many values each; equal values share one."""
    values = values.cpu().double()  # few, and not every GPU has float64
    edges = torch.quantile(values, torch.linspace(0, 1, bins + 1).double()[1:-1])
    return torch.searchsorted(edges, values, right=True)


def _entropy(counts: Tensor) -> Tensor:
    return torch.special.entr(counts.double() / counts.sum()).sum()


def _information(a: Tensor, b: Tensor) -> Tensor:
    """Return the mutual information in nats, H(a) + H(b) - H(a, b), of lists of whole numbers."""
    width = int(b.max()) + 1
    joint = torch.bincount(a * width + b)
    apart = _entropy(torch.bincount(a)) + _entropy(torch.bincount(b))
    return (apart - _entropy(joint)).clamp(min=0)
