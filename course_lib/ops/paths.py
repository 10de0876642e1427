"""Paths from noise to data: what is mixed at which time, and what a network may be asked to say.

One convention holds everywhere in the course: t = 0 is noise, t = 1 is data, and a sample on the
way is

    x_t = alpha(t) * image + sigma(t) * noise.

Diffusion models count the other way, tau = 1 - t, or in steps; `diffusion_time` and `ddpm_betas`
are the bridge. On one path, velocity, noise, image, v and score say the same thing in other words:
`convert` translates any into any other.

Source: Lipman et al., arXiv:2210.02747 (conditional velocities); Liu et al., arXiv:2209.03003
(straight paths); Song et al., arXiv:2011.13456 (scores, the linear schedule in continuous time);
Nichol and Dhariwal, arXiv:2102.09672 (the cosine schedule); Salimans and Ho, arXiv:2202.00512 (v).
"""

import math
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

PATHS = ("straight", "cosine", "linear")
TARGETS = ("velocity", "noise", "image", "v")
WORDS = (*TARGETS, "score")
SMALLEST = 1e-3  # alpha and sigma below it are taken as this where one divides by them
BETAS = (0.1, 20.0)  # of the linear schedule, at tau = 0 and 1


class Coefficients(NamedTuple):
    """Where a path is at some times, and how fast it goes there.

    Attributes:
        alpha: share of the image.
        sigma: share of the noise.
        alpha_rate: d alpha / dt.
        sigma_rate: d sigma / dt.
    """

    alpha: Tensor
    sigma: Tensor
    alpha_rate: Tensor
    sigma_rate: Tensor


def coefficients(path: str, t: Tensor) -> Coefficients:
    """Return the shares of image and noise at times, each of the shape of `t`.

    Args:
        path: "straight": alpha = t, sigma = 1 - t. "cosine": alpha = sin(pi t / 2),
            sigma = cos(pi t / 2). "linear": DDPM's, whose noise grows linearly in tau = 1 - t;
            alpha² + sigma² = 1, and alpha is 0.0066 where the others are 0. Its sigma_rate has no
            bound at t = 1.
        t: 0 for noise, 1 for data.

    Raises:
        ValueError: for another path, or times outside [0, 1].
    """
    check_path(path)
    check_times(t)
    if path == "straight":
        one = torch.ones_like(t)
        return Coefficients(t, 1 - t, one, -one)
    if path == "cosine":
        angle = math.pi / 2 * t
        alpha, sigma = angle.sin(), angle.cos()
        return Coefficients(alpha, sigma, math.pi / 2 * sigma, -math.pi / 2 * alpha)
    low, high = BETAS
    tau = (1 - t).clamp(min=0)  # rounding may lead a little beyond 1
    log_alpha = -(high - low) / 4 * tau**2 - low / 2 * tau
    alpha, sigma = log_alpha.exp(), (-torch.expm1(2 * log_alpha)).sqrt()
    alpha_rate = ((high - low) / 2 * tau + low / 2) * alpha
    return Coefficients(alpha, sigma, alpha_rate, -alpha * alpha_rate / sigma.clamp(min=1e-12))


def mix(images: Tensor, noise: Tensor, t: Tensor, path: str = "straight") -> Tensor:
    """Return x_t, the sample on the way.

    Args:
        images: (B, ...), the data.
        noise: the same shape.
        t: (B,) or a scalar.
        path: one of `PATHS`.
    """
    alpha, sigma, _, _ = _beside(path, t, images)
    return alpha * images + sigma * noise  # eq-family-line


def target(
    images: Tensor, noise: Tensor, t: Tensor, predicts: str, path: str = "straight"
) -> Tensor:
    """Return what a network should say at x_t, if it knew image and noise.

    Args:
        images: (B, ...), the data.
        noise: the same shape.
        t: (B,) or a scalar.
        predicts: "velocity", how x_t moves; "noise"; "image"; or "v", which is
            alpha * noise - sigma * image.
        path: one of `PATHS`.

    Raises:
        ValueError: for another word.
    """
    check_target(predicts)
    if predicts == "image":
        return images
    if predicts == "noise":
        return noise
    alpha, sigma, alpha_rate, sigma_rate = _beside(path, t, images)
    if predicts == "v":
        return alpha * noise - sigma * images
    return alpha_rate * images + sigma_rate * noise  # the conditional velocity


def convert(
    value: Tensor, x: Tensor, t: Tensor, *, given: str, wanted: str, path: str = "straight"
) -> Tensor:
    """Return the same statement about x_t in other words.

    Every word is a mixture of image and noise, and so is x_t: two equations, two unknowns. Where a
    word says nothing (the noise at t = 1, say, when the image is given), the share that one divides
    by is taken as `SMALLEST`.

    Args:
        value: (B, ...), what was said.
        x: (B, ...), the sample on the way.
        t: (B,) or a scalar.
        given: "velocity", "noise", "image", "v" or "score", what `value` is.
        wanted: one of the same.
        path: one of `PATHS`.

    Raises:
        ValueError: for another word.
    """
    for word in (given, wanted):
        if word not in WORDS:
            raise ValueError(
                f"got {word!r}; a sample on the way is described by {', '.join(WORDS)}."
            )
    if given == wanted:
        return value
    share = _beside(path, t, x)
    alpha, sigma, alpha_rate, sigma_rate = share
    above, wide = alpha.clamp(min=SMALLEST), sigma.clamp(min=SMALLEST)
    if given == "image":
        image, noise = value, (x - alpha * value) / wide
    elif given in ("noise", "score"):
        noise = value if given == "noise" else -wide * value  # eq-tweedie
        image = (x - sigma * noise) / above
    elif given == "v":
        square = alpha.square() + sigma.square()
        image, noise = (alpha * x - sigma * value) / square, (sigma * x + alpha * value) / square
    else:
        turn = alpha * sigma_rate - alpha_rate * sigma  # never 0: the share of data only grows
        image = (sigma_rate * x - sigma * value) / turn
        noise = (alpha * value - alpha_rate * x) / turn
    if wanted == "image":
        return image
    if wanted == "noise":
        return noise
    if wanted == "score":
        return -noise / wide
    if wanted == "v":
        return alpha * noise - sigma * image
    return alpha_rate * image + sigma_rate * noise


def image_errors(predicts: str, t: Tensor, path: str = "straight") -> Tensor:
    """Return by how much an error in the image is multiplied in what the network says, (B,)."""
    check_target(predicts)
    alpha, sigma, alpha_rate, sigma_rate = coefficients(path, t)
    wide = sigma.clamp(min=SMALLEST)
    if predicts == "image":
        return torch.ones_like(t)
    if predicts == "noise":
        return alpha / wide
    if predicts == "v":
        return (alpha.square() + sigma.square()) / wide
    return (alpha_rate - sigma_rate * alpha / wide).abs()


def log_snr(path: str, t: Tensor) -> Tensor:
    """Return log(alpha² / sigma²): how loud the data are beside the noise."""
    alpha, sigma, _, _ = coefficients(path, t)
    return 2 * (alpha.log() - sigma.log())


def diffusion_time(t: Tensor) -> Tensor:
    """Return tau = 1 - t, as diffusion models count: 0 is data. Its own inverse."""
    return 1 - t


def ddpm_betas(kind: str, steps: int = 1000) -> Tensor:
    """Return the variance of the noise that each of a diffusion's steps adds, (steps,) float64.

    Args:
        kind: "linear" (1e-4 to 0.02, arXiv:2006.11239, section 4) or "cosine" (arXiv:2102.09672,
            equation 17, at most 0.999).
        steps: how many; step 0 is the first one away from the data.

    Raises:
        ValueError: for another kind, or fewer than one step.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; a diffusion needs at least one.")
    if kind == "linear":
        return torch.linspace(1e-4, 0.02, steps, dtype=torch.float64)
    if kind != "cosine":
        raise ValueError(f"kind is {kind!r}; choose linear or cosine.")
    tau = torch.arange(steps + 1, dtype=torch.float64) / steps
    kept = ((tau + 0.008) / 1.008 * math.pi / 2).cos().square()
    return (1 - kept[1:] / kept[:-1]).clamp(max=0.999)


def kept_signal(betas: Tensor) -> Tensor:
    """Return alpha-bar, the share of the data's variance left after each step, (steps,)."""
    return (1 - betas).cumprod(0)


# ------------------------------------------------------------------- the best answer, and pairs


def posterior_weights(x: Tensor, t: Tensor, points: Tensor, path: str = "straight") -> Tensor:
    """Return how likely each of a finite set's points is the data behind x_t, (B, N).

    Args:
        x: (B, ...), samples on the way.
        t: (B,) or a scalar.
        points: (N, ...), the set; each equally likely beforehand.
        path: one of `PATHS`.
    """
    flat, known = x.flatten(1), points.flatten(1)
    alpha, sigma, _, _ = _beside(path, t, flat)
    wide = sigma.clamp(min=SMALLEST)
    # |x - alpha p|² without |x|², which is the same for all points
    square = alpha.square() * known.square().sum(1) - 2 * alpha * (flat @ known.T)
    return (-square / (2 * wide.square())).softmax(1)


def optimal_denoiser(x: Tensor, t: Tensor, points: Tensor, path: str = "straight") -> Tensor:
    """Return E[image | x_t] (B, ...) where the data are a finite set: what no network can beat.

    The arguments are those of `posterior_weights`.
    """
    weights = posterior_weights(x, t, points, path)
    return (weights @ points.flatten(1)).view_as(x)  # eq-finite-velocity


def optimal_velocity(x: Tensor, t: Tensor, points: Tensor, path: str = "straight") -> Tensor:
    """Return the marginal velocity (B, ...) where the data are a finite set.

    Who follows it arrives at one of the points: the perfect model copies its training set. Source:
    arXiv:2506.03719. The arguments are those of `posterior_weights`.
    """
    image = optimal_denoiser(x, t, points, path)
    return convert(image, x, t, given="image", wanted="velocity", path=path)


def pair_by_transport(noise: Tensor, images: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return which noise goes with which image so that the squared ways are shortest in sum.

    ``noise[order]`` goes with ``images``. With labels, the noises of each label stay with its
    images, so that noise given the label remains normal. The batch is on the CPU while SciPy pairs
    it. Source: Tong et al., arXiv:2302.00482; Pooladian et al., arXiv:2304.14772.

    Args:
        noise: (B, ...).
        images: (B, ...).
        labels: (B,) of the images, if a network will be told them.

    Returns:
        (B,) int64, on the images' device.
    """
    ways = torch.cdist(images.flatten(1).float().cpu(), noise.flatten(1).float().cpu()).square()
    if labels is not None:
        names = labels.cpu()
        ways[names[:, None] != names] = math.inf  # SciPy never takes such a pair
    _, order = linear_sum_assignment(ways.numpy())
    return torch.from_numpy(order).to(images.device)


# --------------------------------------------------------------------------------------- checks


def check_path(path: str) -> None:
    """Raise ValueError unless there is such a path."""
    if path not in PATHS:
        raise ValueError(f"path is {path!r}; choose one of {', '.join(PATHS)}.")


def check_target(predicts: str) -> None:
    """Raise ValueError unless a network can be trained to say this."""
    if predicts not in TARGETS:
        raise ValueError(f"predicts is {predicts!r}; choose one of {', '.join(TARGETS)}.")


def check_times(t: Tensor) -> None:
    """Raise ValueError for times outside [0, 1]; on a GPU nothing is checked, which would wait."""
    if t.device.type == "cpu" and t.numel():
        low, high = float(t.detach().min()), float(t.detach().max())
        if not -1e-6 <= low <= high <= 1 + 1e-6:
            raise ValueError(
                f"t goes from {low:.4g} to {high:.4g}; times are 0 (noise) to 1 (data). A "
                "diffusion's step k of K is t = 1 - k / K."
            )


def _beside(path: str, t: Tensor, x: Tensor) -> Coefficients:
    """Return the path's coefficients, shaped to be multiplied with x (B, ...)."""
    if t.ndim not in (0, 1) or (t.ndim == 1 and len(t) != len(x)):
        raise ValueError(
            f"t has shape {tuple(t.shape)}; wanted ({len(x)},), a time for each sample, or one "
            "for all."
        )
    if t.ndim == 1:
        t = t.view(-1, *(1,) * (x.ndim - 1))
    return coefficients(path, t)
