"""How many objects were found, beside how many there are."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class CountError:
    """Errors of counting, over images.

    Attributes:
        absolute: mean of |found - true|, in objects.
        bias: mean of found - true: above 0, too many are found.
        root_mean_square: root of the mean of (found - true)², which large errors rule.
        relative: sum of |found - true| over all true objects; NaN if there are none.
        images: how many were counted in.
    """

    absolute: float
    bias: float
    root_mean_square: float
    relative: float
    images: int


def count_error(found: Tensor, true: Tensor) -> CountError:
    """Compare two counts of the objects in each image.

    A right count may be a wrong result: as many missed as invented. Look at average precision too.

    Args:
        found: (N,) integer: objects found in each image, above the threshold that you chose.
        true: (N,) integer: objects that there are.

    Returns:
        The errors, in objects.

    Raises:
        ValueError: for other shapes, no image, or numbers that are no counts.
    """
    if found.ndim != 1 or found.shape != true.shape or not len(true):
        raise ValueError(
            f"found has shape {tuple(found.shape)}, true {tuple(true.shape)}; give (N,) of each, "
            "one count for each of at least one image."
        )
    for name, counts in (("found", found), ("true", true)):
        if counts.is_floating_point() or int(counts.min()) < 0:
            raise ValueError(
                f"{name} is {counts.dtype} with the minimum {counts.min():g}; give whole numbers "
                "from 0 on, such as torch.tensor([len(d.scores) for d in detections])."
            )
    difference = found.cpu().double() - true.cpu().double()
    absolute = difference.abs()
    return CountError(
        absolute=float(absolute.mean()),  # eq-count-error
        bias=float(difference.mean()),
        root_mean_square=float((difference**2).mean().sqrt()),
        relative=float(absolute.sum() / true.cpu().double().sum()) if true.any() else float("nan"),
        images=len(true),
    )
