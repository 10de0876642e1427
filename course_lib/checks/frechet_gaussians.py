"""Check of the exercise `frechet_gaussians`: the Fréchet distance from means and covariances."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


def reference(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    """Return the Fréchet distance between two Gaussians.

    Args:
        mean_a: (D,).
        cov_a: (D, D), symmetric, with no negative eigenvalue.
        mean_b: (D,).
        cov_b: (D, D).

    Returns:
        One number.
    """
    return _shift(mean_a, mean_b) + _spread(cov_a, cov_b) - 2 * _overlap(cov_a, cov_b)


def _shift(mean_a: Tensor, mean_b: Tensor) -> Tensor:
    return (mean_a - mean_b).square().sum()


def _spread(cov_a: Tensor, cov_b: Tensor) -> Tensor:
    return cov_a.trace() + cov_b.trace()


def _overlap(cov_a: Tensor, cov_b: Tensor) -> Tensor:
    """Trace of the root of the product, by a symmetric matrix with the same eigenvalues."""
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    return torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()


def _elementwise(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    root = (cov_a @ cov_b).clamp(min=0).sqrt()
    return _shift(mean_a, mean_b) + _spread(cov_a, cov_b) - 2 * root.trace()


def _elementwise_product(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    root = (cov_a * cov_b).clamp(min=0).sqrt()
    return _shift(mean_a, mean_b) + _spread(cov_a, cov_b) - 2 * root.trace()


def _not_squared(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    rest = _spread(cov_a, cov_b) - 2 * _overlap(cov_a, cov_b)
    return _shift(mean_a, mean_b).sqrt() + rest


def _mean_of_squares(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    rest = _spread(cov_a, cov_b) - 2 * _overlap(cov_a, cov_b)
    return _shift(mean_a, mean_b) / len(mean_a) + rest


def _without_two(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    return _shift(mean_a, mean_b) + _spread(cov_a, cov_b) - _overlap(cov_a, cov_b)


def _without_root(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    return _shift(mean_a, mean_b) + _spread(cov_a, cov_b) - 2 * (cov_a @ cov_b).trace()


def _no_means(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    return _spread(cov_a, cov_b) - 2 * _overlap(cov_a, cov_b)


def _final_root(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    return reference(mean_a, cov_a, mean_b, cov_b).clamp(min=0).sqrt()


def _root_of_trace(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    rest = _spread(cov_a, cov_b) - 2 * (cov_a @ cov_b).trace().clamp(min=0).sqrt()
    return _shift(mean_a, mean_b) + rest


MISTAKES = [
    Mistake(
        "root of each entry",
        _elementwise,
        "You took the root of each entry of C_a C_b. The root of a matrix is the matrix whose "
        "*product with itself* is C_a C_b; its trace is the sum of the roots of the eigenvalues.",
    ),
    Mistake(
        "entries multiplied",
        _elementwise_product,
        "cov_a * cov_b multiplies entry by entry. The product of matrices is @; then take the "
        "roots of the eigenvalues, not of the entries.",
    ),
    Mistake(
        "distance of the means, not its square",
        _not_squared,
        "The means enter with their squared distance: the sum of the squared differences, with no "
        "root.",
    ),
    Mistake(
        "mean of the squared differences",
        _mean_of_squares,
        "You divided the squared distance of the means by the number of dimensions (F.mse_loss "
        "and .mean() do). It is the sum.",
    ),
    Mistake(
        "factor 2 forgotten",
        _without_two,
        "The trace of the root is subtracted twice. Try equal Gaussians: the distance has to be 0.",
    ),
    Mistake(
        "no root",
        _without_root,
        "You subtract the trace of C_a C_b itself. It is the trace of its root.",
    ),
    Mistake(
        "root of the trace",
        _root_of_trace,
        "You took the trace first and the root afterwards. First the root of the matrix (the roots "
        "of its eigenvalues), then their sum.",
    ),
    Mistake(
        "means forgotten",
        _no_means,
        "Your answer does not depend on the means. Two clouds of one shape at different places are "
        "not equal.",
    ),
    Mistake(
        "root of the whole",
        _final_root,
        "You took the root of the result. The Fréchet distance that is reported for samples is the "
        "squared one.",
    ),
]


def _covariance(generator: torch.Generator, size: int, rank: int) -> Tensor:
    mix = torch.randn(rank, size, generator=generator, dtype=torch.float64)
    return mix.T @ mix / rank


def _draw(generator: torch.Generator, *, size: int, rank: int) -> tuple[Tensor, ...]:
    means = torch.randn(2, size, generator=generator, dtype=torch.float64)
    covariances = [_covariance(generator, size, rank) for _ in range(2)]
    return means[0], covariances[0], 2 + means[1], covariances[1]


def _example(generator: torch.Generator) -> tuple:
    return _draw(generator, size=4, rank=6)


def _equal(student: Any, generator: torch.Generator) -> None:
    mean, cov, *_ = _draw(generator, size=4, rank=6)
    answer = student(mean, cov, mean.clone(), cov.clone())
    assert_close(answer, 0.0, "the distance of a Gaussian to itself", tolerance=1e-5)


def _moved(student: Any, generator: torch.Generator) -> None:
    mean_a, cov, mean_b, _ = _draw(generator, size=3, rank=5)
    wanted = (mean_a - mean_b).square().sum().item()
    assert_close(student(mean_a, cov, mean_b, cov), wanted, "the distance after a shift")


def _diagonal(student: Any, generator: torch.Generator) -> None:
    mean_a, _, mean_b, _ = _draw(generator, size=3, rank=5)
    a, b = 0.5 + 2 * torch.rand(2, 3, generator=generator, dtype=torch.float64)
    wanted = ((mean_a - mean_b).square() + (a - b).square()).sum().item()
    answer = student(mean_a, torch.diag(a * a), mean_b, torch.diag(b * b))
    assert_close(answer, wanted, "the distance of two Gaussians with diagonal covariances")


def _full(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator, size=5, rank=7)
    assert_close(student(*arguments), reference(*arguments).item(), "the distance")


def _singular(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator, size=5, rank=2)
    answer = torch.as_tensor(student(*arguments))
    if answer.is_complex():
        raise AssertionError("the distance is a complex number, wanted a real one")
    wanted = reference(*arguments).item()
    assert_close(answer, wanted, "with singular covariances the distance", tolerance=1e-4)


PROPERTIES = [
    Property("a Gaussian has the distance 0 to itself", 1, _equal),
    Property("a shift costs its squared length", 1, _moved),
    Property("diagonal covariances: differences of deviations", 1, _diagonal),
    Property("any covariances", 2, _full),
    Property("singular covariances: a real, finite number", 1, _singular),
]


def frechet_gaussians(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `frechet_gaussians(mean_a, cov_a, mean_b, cov_b)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "frechet_gaussians",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
