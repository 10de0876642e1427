"""Check of the exercise `frechet_gaussians`: the Fréchet distance from means and covariances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import number
from course_lib.checks.core import Check


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


def _answer(
    overlap: Callable[[Tensor, Tensor], Tensor] = _overlap,
    shift: Callable[[Tensor, Tensor], Tensor] = _shift,
    factor: float = 2.0,
) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """An answer of which one part can be made wrong."""
    return lambda mean_a, cov_a, mean_b, cov_b: (
        shift(mean_a, mean_b) + _spread(cov_a, cov_b) - factor * overlap(cov_a, cov_b)
    )


def _draw(generator: torch.Generator, *, size: int = 4, rank: int = 6) -> tuple[Tensor, ...]:
    means = torch.randn(2, size, generator=generator, dtype=torch.float64)
    mix = torch.randn(2, rank, size, generator=generator, dtype=torch.float64)
    covariances = mix.mT @ mix / rank
    return means[0], covariances[0], 2 + means[1], covariances[1]


def _equal(generator: torch.Generator) -> tuple[Tensor, ...]:
    return _draw(generator)[:2] * 2


def _moved(generator: torch.Generator) -> tuple[Tensor, ...]:
    mean_a, cov, mean_b, _ = _draw(generator, size=3, rank=5)
    return mean_a, cov, mean_b, cov


def _diagonal(generator: torch.Generator) -> tuple[Tensor, ...]:
    mean_a, _, mean_b, _ = _draw(generator, size=3, rank=5)
    a, b = 0.5 + 2 * torch.rand(2, 3, generator=generator, dtype=torch.float64)
    return mean_a, torch.diag(a * a), mean_b, torch.diag(b * b)


def _singular(generator: torch.Generator) -> tuple[Tensor, ...]:
    return _draw(generator, size=5, rank=2)


def _number(student: Any, arguments: tuple) -> Any:
    """The answer as a number, whatever it comes in."""
    value = number(student(*arguments))
    if isinstance(value, complex):
        raise AssertionError("the distance is a complex number, wanted a real one")
    return value


def _probe(student: Any, arguments: tuple) -> list:
    """The distance, and whether one between singular Gaussians is NaN."""
    generator = torch.Generator().manual_seed(0)
    singular = [_number(student, _singular(generator)) for _ in range(10)]
    return [_number(student, arguments), any(x != x for x in singular)]


frechet_gaussians = Check(
    "frechet_gaussians",
    lab="judging_samples",
    level="build",
    minutes=15,
    reference=reference,
    example=_draw,
    probe=_probe,
)
for _name, _points, _examples, _what in (
    ("a Gaussian has the distance 0 to itself", 1, [_equal], "of a Gaussian to itself"),
    ("a shift costs its squared length", 1, [_moved], "after a shift"),
    (
        "diagonal covariances: differences of deviations",
        1,
        [_diagonal],
        "of two Gaussians with diagonal covariances",
    ),
    ("any covariances", 2, [partial(_draw, size=5, rank=7)], "of two Gaussians"),
    (
        "singular covariances: a real, finite number",
        1,
        [_singular] * 10,
        "with singular covariances",
    ),
):
    frechet_gaussians.equals_reference(
        _name,
        points=_points,
        example=_examples,
        probe=_number,
        what=f"the distance {_what}",
        tolerance=1e-4 if _examples[0] is _singular else 1e-5,
    )

frechet_gaussians.mistake(
    "root of each entry",
    _answer(lambda a, b: (a @ b).clamp(min=0).sqrt().trace()),
    hint="You took the root of each entry of C_a C_b. The root of a matrix is the matrix whose "
    "*product with itself* is C_a C_b; its trace is the sum of the roots of the eigenvalues.",
)
frechet_gaussians.mistake(
    "entries multiplied",
    _answer(lambda a, b: (a * b).clamp(min=0).sqrt().trace()),
    hint="cov_a * cov_b multiplies entry by entry. The product of matrices is @; then take the "
    "roots of the eigenvalues, not of the entries.",
)
frechet_gaussians.mistake(
    "distance of the means, not its square",
    _answer(shift=lambda a, b: (a - b).norm()),
    hint="The means enter with their squared distance: the sum of the squared differences, with no "
    "root.",
)
frechet_gaussians.mistake(
    "mean of the squared differences",
    _answer(shift=lambda a, b: (a - b).square().mean()),
    hint="You divided the squared distance of the means by the number of dimensions (F.mse_loss "
    "and .mean() do). It is the sum.",
)
frechet_gaussians.mistake(
    "factor 2 forgotten",
    _answer(factor=1.0),
    hint="The trace of the root is subtracted twice. Try equal Gaussians: the distance has to be "
    "0.",
)
frechet_gaussians.mistake(
    "no root",
    _answer(lambda a, b: (a @ b).trace()),
    hint="You subtract the trace of C_a C_b itself. It is the trace of its root.",
)
frechet_gaussians.mistake(
    "root of the trace",
    _answer(lambda a, b: (a @ b).trace().clamp(min=0).sqrt()),
    hint="You took the trace first and the root afterwards. First the root of the matrix (the "
    "roots of its eigenvalues), then their sum.",
)
frechet_gaussians.mistake(
    "means forgotten",
    _answer(shift=lambda a, b: torch.zeros(())),
    hint="Your answer does not depend on the means. Two clouds of one shape at different places "
    "are not equal.",
)
frechet_gaussians.mistake(
    "root of the whole",
    lambda *arguments: reference(*arguments).clamp(min=0).sqrt(),
    hint="You took the root of the result. The Fréchet distance that is reported for samples is "
    "the squared one.",
)
frechet_gaussians.mistake(
    "the symmetric routine for a product that is not symmetric",
    _answer(lambda a, b: torch.linalg.eigvalsh(a @ b).clamp(min=0).sqrt().sum()),
    hint="eigvalsh looks at one triangle only and takes the matrix for symmetric. C_a C_b is not, "
    "even if both factors are. Take eigvals and its real part, or eigvalsh of R C_b R, with R the "
    "symmetric root of C_a.",
)
frechet_gaussians.mistake(
    "the root of a hair below 0",
    _answer(lambda a, b: torch.linalg.eigvals(a @ b).real.sqrt().sum()),
    hint="Rounding left an eigenvalue of a singular product a hair below 0, and its root is not a "
    "number. Clamp the eigenvalues at 0 before the root.",
)
frechet_gaussians.mistake(
    "singular values for eigenvalues",
    _answer(lambda a, b: torch.linalg.svdvals(a @ b).sqrt().sum()),
    hint="You took the singular values of C_a C_b. They are its eigenvalues only where it is "
    "symmetric, and a product of two symmetric matrices is not.",
)
