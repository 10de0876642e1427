"""Fréchet distance between two clouds of features, each seen as a Gaussian.

The squared 2-Wasserstein distance between N(mu_a, C_a) and N(mu_b, C_b) is

    |mu_a - mu_b|^2 + tr C_a + tr C_b - 2 tr (C_a C_b)^(1/2).

On features of Inception-v3 it is called FID. Here it is computed on whatever features it is given.
Nobody needs the matrix (C_a C_b)^(1/2) itself, only its trace: the sum of the square roots of the
eigenvalues of C_a C_b. They are those of a symmetric matrix, which is what makes it fast.
Everything is float64 on the CPU.
"""

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

Moments = tuple[Tensor, Tensor]


def frechet_distance(features_a: Tensor, features_b: Tensor) -> float:
    """Return the Fréchet distance between two sets of features.

    It is 0 for equal sets and no distance of single images. It depends on the number of features:
    with fewer of them it comes out larger.

    Args:
        features_a: (N, D); any device and floating-point type.
        features_b: (M, D).

    Raises:
        ValueError: for other shapes, fewer than two features on a side, or values that are not
            finite.

    Source: arXiv:1706.08500, equation 6; Dowson and Landau, 1982, equation 4.
    """
    a, b = check_features(features_a, features_b, least=2)
    if min(len(a), len(b)) > a.shape[1]:
        return frechet_from_moments(moments(a), moments(b))
    # No more features than dimensions: with X_a^T X_a = C_a and X_b^T X_b = C_b, the trace of
    # (C_a C_b)^(1/2) is the sum of the singular values of X_a X_b^T, and no D x D matrix is needed.
    factor_a, factor_b = _factor(a), _factor(b)
    overlap = scipy.linalg.svdvals(factor_a @ factor_b.T, check_finite=False).sum()
    spread = np.square(factor_a).sum() + np.square(factor_b).sum()
    return _assemble((a.mean(0) - b.mean(0)).numpy(), spread, overlap)


def frechet_from_moments(moments_a: Moments, moments_b: Moments) -> float:
    """Return the Fréchet distance between two Gaussians, each given as (mean, covariance).

    Args:
        moments_a: mean (D,) and covariance (D, D), symmetric with no negative eigenvalue; it may
            be singular.
        moments_b: of the other Gaussian.

    Raises:
        ValueError: for other shapes, values that are not finite, or a matrix that is no covariance.
    """
    mean_a, covariance_a = _check_moments(moments_a)
    mean_b, covariance_b = _check_moments(moments_b)
    if len(mean_a) != len(mean_b):
        raise ValueError(
            f"The Gaussians have {len(mean_a)} and {len(mean_b)} dimensions; they must be equal."
        )
    spread = np.trace(covariance_a) + np.trace(covariance_b)
    overlap = _trace_of_root(covariance_a, covariance_b)
    return _assemble(mean_a - mean_b, spread, overlap)  # eq-frechet


def moments(features: Tensor) -> Moments:
    """Return the mean (D,) and the covariance (D, D), divided by N - 1, of features (N, D)."""
    features = features.detach().to("cpu", torch.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"got features of shape {tuple(features.shape)}, wanted (N, D) with N of at least 2: "
            "one point has no covariance."
        )
    mean = features.mean(dim=0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def check_features(features_a: Tensor, features_b: Tensor, *, least: int) -> tuple[Tensor, Tensor]:
    """Return both sets of features as float64 on the CPU, after a look at them.

    Raises:
        ValueError: for other shapes, fewer than ``least`` features, or values that are not finite.
    """
    for features in (features_a, features_b):
        if features.ndim != 2 or features.shape[1] < 1:
            raise ValueError(
                f"got features of shape {tuple(features.shape)}, wanted (N, D): one row for each "
                "image. Flatten what is longer."
            )
        if len(features) < least:
            raise ValueError(
                f"got {len(features)} feature vectors; this needs at least {least} on each side."
            )
        if not torch.isfinite(features).all():
            raise ValueError(
                "The features hold NaN or infinite values; look at the images, or at the network, "
                "that they come from."
            )
    if features_a.shape[1] != features_b.shape[1]:
        raise ValueError(
            f"The sets have {features_a.shape[1]} and {features_b.shape[1]} dimensions; both must "
            "come from the same network."
        )
    a, b = (f.detach().to("cpu", torch.float64) for f in (features_a, features_b))
    return a, b


def _assemble(difference: np.ndarray, spread: float, overlap: float) -> float:
    """Put the distance together; rounding may leave a hair below zero for equal sets."""
    return max(float(difference @ difference + spread - 2 * overlap), 0.0)


def _trace_of_root(covariance_a: np.ndarray, covariance_b: np.ndarray) -> float:
    """Return tr (C_a C_b)^(1/2), the sum of the roots of the eigenvalues of C_a C_b.

    With the Cholesky factor C_b = L L^T, C_a C_b has the eigenvalues of the symmetric matrix
    L^T C_a L. LAPACK knows that as a generalised eigenvalue problem of its second type.
    """
    try:
        values = scipy.linalg.eigh(
            covariance_a,
            covariance_b,
            eigvals_only=True,
            type=2,
            driver="gv",
            check_finite=False,
        )
    except np.linalg.LinAlgError:  # C_b is singular
        root_a, root_b = _root(covariance_a), _root(covariance_b)
        return float(scipy.linalg.svdvals(root_a @ root_b.T, check_finite=False).sum())
    _refuse_negative(values)
    return float(np.sqrt(values.clip(min=0)).sum())


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return A (R, D) with A^T A = C, where R is the rank of C."""
    values, vectors = np.linalg.eigh(covariance)
    _refuse_negative(values)
    kept = values > len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return np.sqrt(values[kept])[:, None] * vectors[:, kept].T


def _refuse_negative(values: np.ndarray) -> None:
    """Raise ValueError where rounding cannot have made an eigenvalue, in rising order, negative."""
    if values[0] < -1e-6 * abs(values).max():
        raise ValueError(
            f"That is no covariance: the smallest eigenvalue is {values[0]:.3g}, the largest "
            f"{values[-1]:.3g}, and none may be negative."
        )


def _factor(features: Tensor) -> np.ndarray:
    """Return A with A^T A = C: the centred features themselves, or R of their QR factorisation."""
    centred = (features - features.mean(dim=0)).numpy() / np.sqrt(len(features) - 1)
    if len(features) <= features.shape[1]:
        return centred
    return np.asarray(np.linalg.qr(centred, mode="r"))


def _check_moments(pair: Moments) -> tuple[np.ndarray, np.ndarray]:
    mean, covariance = (part.detach().to("cpu", torch.float64).numpy() for part in pair)
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise ValueError(
            f"got a mean of shape {mean.shape} and a covariance of shape {covariance.shape}, "
            "wanted (D,) and (D, D)."
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError("The mean or the covariance holds NaN or infinite values.")
    scale = np.abs(covariance).max(initial=0.0)
    if (np.diag(covariance) < 0).any() or np.abs(covariance - covariance.T).max() > 1e-8 * scale:
        raise ValueError(
            "That is no covariance: it must be symmetric, and its diagonal must not be negative."
        )
    return mean, covariance
