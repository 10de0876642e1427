"""Answers to the exercises of the lab `judging-samples`: right ones in other styles, and wrong."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import torch

from course_lib import metrics
from course_lib.checks.judging_samples import frechet_gaussians as frechet
from course_lib.checks.judging_samples import precision_recall as balls
from course_lib.metrics import frechet_from_moments
from tests.checks.shared import letters


def frechet_by_the_package(mean_a, cov_a, mean_b, cov_b):
    return frechet_from_moments((mean_a, cov_a), (mean_b, cov_b))


def frechet_by_eigenvalues(mean_a, cov_a, mean_b, cov_b):
    values = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0)
    return (mean_a - mean_b) @ (mean_a - mean_b) + (cov_a + cov_b).trace() - 2 * values.sqrt().sum()


def frechet_by_matrix_root(mean_a, cov_a, mean_b, cov_b):
    values, vectors = np.linalg.eigh(cov_a.numpy())
    root = vectors @ np.diag(np.sqrt(values.clip(0))) @ vectors.T
    inner = scipy.linalg.sqrtm(root @ cov_b.numpy() @ root + 1e-12 * np.eye(len(root))).real
    means = np.square((mean_a - mean_b).numpy()).sum()
    return float(means + np.trace(cov_a.numpy() + cov_b.numpy() - 2 * inner))


def frechet_as_array(mean_a, cov_a, mean_b, cov_b):
    values = np.linalg.eigvals((cov_a @ cov_b).numpy())
    overlap = np.sqrt(values.astype(complex)).real.sum()
    return np.array([((mean_a - mean_b) ** 2).sum() + (cov_a + cov_b).trace() - 2 * overlap])


def complex_root(mean_a, cov_a, mean_b, cov_b):
    values = torch.linalg.eigvals(cov_a @ cov_b).sqrt()
    return (mean_a - mean_b).square().sum() + (cov_a + cov_b).trace() - 2 * values.sum()


def frechet_by_cholesky(mean_a, cov_a, mean_b, cov_b):
    """Fails for singular covariances."""
    factor = torch.linalg.cholesky(cov_a)
    values = torch.linalg.eigvalsh(factor.mT @ cov_b @ factor).clamp(min=0)
    return frechet._answer(lambda a, b: values.sqrt().sum())(mean_a, cov_a, mean_b, cov_b)


def frechet_of_roots(a, b):
    """The trace of the product of the roots: right where the two matrices commute."""
    return (matrix_root(a) * matrix_root(b)).sum()


def matrix_root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def frechet_sorted_eigenvalues(a, b):
    """Roots of products of the two's sorted eigenvalues."""
    return (torch.linalg.eigvalsh(a) * torch.linalg.eigvalsh(b)).clamp(min=0).sqrt().sum()


def mean_changed_in_place(mean_a, cov_a, mean_b, cov_b):
    right = frechet.reference(mean_a, cov_a, mean_b, cov_b)
    mean_a -= mean_b
    return right


def frechet_regularised(mean_a, cov_a, mean_b, cov_b):
    eye = 1e-2 * torch.eye(len(cov_a), dtype=cov_a.dtype)
    return frechet.reference(mean_a, cov_a + eye, mean_b, cov_b + eye) + 0 * eye.sum()


def frobenius(mean_a, cov_a, mean_b, cov_b):
    return (mean_a - mean_b).square().sum() + (cov_a - cov_b).square().sum()


def kullback_leibler(mean_a, cov_a, mean_b, cov_b):
    first = torch.distributions.MultivariateNormal(mean_a, cov_a)
    return torch.distributions.kl_divergence(
        first, torch.distributions.MultivariateNormal(mean_b, cov_b)
    )


def balls_by_loop(real, fake, k):
    def radius(cloud, i):
        return sorted(float((cloud[i] - x).norm()) for j, x in enumerate(cloud) if j != i)[k - 1]

    def share(points, centres):
        radii = [radius(centres, i) for i in range(len(centres))]
        inside = [
            any(float((p - c).norm()) <= r for c, r in zip(centres, radii, strict=True))
            for p in points
        ]
        return sum(inside) / len(inside)

    return share(fake, real), share(real, fake)


def balls_by_the_package(real, fake, k):
    return metrics.precision_recall(real, fake, k=k)


def balls_by_numpy(real, fake, k):
    real, fake = real.numpy(), fake.numpy()

    def distances(a, b):
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))

    def radii(cloud):
        own = distances(cloud, cloud)
        np.fill_diagonal(own, np.inf)
        return np.partition(own, k - 1, axis=1)[:, k - 1]

    inside = distances(fake, real) <= radii(real), distances(real, fake) <= radii(fake)
    return [inside[0].any(1, keepdims=True).mean(0), inside[1].any(1).mean()]


def balls_of(change):
    """The right shares, then something done to them."""
    return lambda *arguments: change(*balls.reference(*arguments))


def balls_of_counts(real, fake, k):
    precision, recall = balls.reference(real, fake, k)
    return precision * len(fake), recall * len(real)


def balls_manhattan(real, fake, k):
    def share(points, centres):
        radii = torch.cdist(centres, centres, p=1).sort(dim=1).values[:, k]
        return (torch.cdist(points, centres, p=1) <= radii).any(1).double().mean()

    return share(fake, real), share(real, fake)


def balls_axis(distances, radii):
    """The mean over the balls: how many hold a point."""
    return (distances <= radii).any(0).double().mean()


def balls_mean_of_k(features, k):
    """The mean of the k nearest distances."""
    return torch.cdist(features, features).sort(dim=1).values[:, 1 : k + 1].mean(1)


def balls_largest(features, k):
    return balls._radii(features, k).max().expand(len(features))


def balls_k_fixed(real, fake, k):
    return balls.reference(real, fake, 3)


def balls_in_the_union(real, fake, k):
    """Neighbours are looked for in both clouds together."""
    both = torch.cat([real, fake])
    radii = balls._radii(both, k)
    return balls._inside(fake, real, radii[: len(real)]), balls._inside(
        real, fake, radii[len(real) :]
    )


def balls_knn_vote(real, fake, k):
    """A sample counts if most of its k nearest neighbours in both clouds are real."""
    both, n = torch.cat([real, fake]), len(real)
    near = torch.cdist(both, both).argsort(dim=1)[:, 1 : k + 1] < n
    share = near.double().mean(1)
    return (share[n:] > 0.5).double().mean(), (share[:n] < 0.5).double().mean()


def balls_same_radii(real, fake, k):
    """The real radii for both."""
    radius = balls._radii(real, k)
    distances = torch.cdist(fake, real)
    inside = distances <= radius
    return inside.any(1).double().mean(), inside.any(0).double().mean()


def balls_real_normalised(real, fake, k):
    real -= real.mean(0)
    return balls.reference(real, fake, k)


RIGHT_ANSWERS = {
    "frechet_gaussians": [
        frechet_by_the_package,
        frechet_by_eigenvalues,
        frechet_by_matrix_root,
        frechet_as_array,
    ],
    "precision_recall": [balls_by_loop, balls_by_the_package, balls_by_numpy],
    "fewer_samples": [lambda: "c"],
}

WRONG_ANSWERS = {
    "frechet_gaussians": [
        (complex_root, "complex number"),
        (
            frechet._answer(lambda a, b: torch.linalg.eigvalsh(a @ b).abs().sqrt().sum()),
            "the distance of two Gaussians",
        ),
        (
            frechet._answer(lambda a, b: torch.linalg.eigvalsh(a @ b).clamp(min=0).sqrt().sum()),
            "one triangle",
        ),
        (
            frechet._answer(lambda a, b: torch.linalg.eigvals(a @ b).real.sqrt().sum()),
            "Clamp the eigenvalues",
        ),
        (
            frechet._answer(lambda a, b: torch.linalg.svdvals(a @ b).sqrt().sum()),
            "singular values",
        ),
        (frechet._answer(frechet_of_roots), "the distance of two Gaussians"),
        (frechet._answer(frechet_sorted_eigenvalues), "the distance of two Gaussians"),
        (frechet_by_cholesky, "positive-definite"),
        (mean_changed_in_place, "you changed your input `mean_a`"),
        (frechet_regularised, "with singular covariances"),
        (frobenius, "diagonal covariances"),
        (kullback_leibler, ""),
        (frechet._answer(shift=lambda a, b: (a - b).abs().sum()), "after a shift"),
        (frechet._answer(shift=lambda a, b: (a - b).square()), "shape"),
        (lambda *a: frechet.reference(*a).clamp(min=0).log1p(), "after a shift"),
        (lambda *a: None, "return"),
    ],
    "precision_recall": [
        (lambda *a: torch.tensor(0.5), "return two numbers"),
        (balls._by(lambda d, r: (d < r).any(1).double().mean()), "<= and not <"),
        (balls._answer(balls._twins_left_out), "all distances of 0"),
        (balls_of(lambda p, r: (p, p)), "recall"),
        (balls_of(lambda p, r: (1 - p, 1 - r)), "precision"),
        (balls_of(lambda p, r: (p, torch.tensor(0.123))), "recall"),
        (balls_of_counts, "precision on the line"),
        (balls_manhattan, "for k = "),
        (balls._by(balls_axis), ""),
        (balls._answer(balls_mean_of_k), "for k = "),
        (balls._answer(balls_largest), ""),
        (balls_k_fixed, "for k = 1"),
        (balls_in_the_union, ""),
        (balls_knn_vote, ""),
        (balls_same_radii, "recall for k = "),
        (balls_real_normalised, "you changed your input `real`"),
    ],
    "fewer_samples": [
        *[(letters(n), "you committed") for n in "abd"],
        *[(letters(n), "nothing is committed") for n in ("C", "e", 10, "10", {"c"}, None, b"c")],
    ],
}

POINTS = {
    "frechet_gaussians": {
        "means forgotten": 1,
        "factor 2 forgotten": 0,
        "the root of a hair below 0": 5,
    },
    "precision_recall": {"the two swapped": 1, "the border left out": 5},
}
