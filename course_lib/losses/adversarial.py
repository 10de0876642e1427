"""What the two players of an adversarial game minimise, as functions of the discriminator's output.

Sources: minimax and non-saturating, Goodfellow et al., arXiv:1406.2661, equation 1 and section 3;
least squares, Mao et al., arXiv:1611.04076, equation 9; hinge, Lim and Ye, arXiv:1705.02894, and
Miyato et al., arXiv:1802.05957, equations 16 and 17; Wasserstein, Arjovsky et al.,
arXiv:1701.07875, equation 2; relativistic pairing, Jolicoeur-Martineau, arXiv:1807.00734, section
3.2 (RSGAN), as in R3GAN, arXiv:2501.05441, equation 2.

The discriminator gives *logits* (before any sigmoid), so that no logarithm is taken of a number
that was rounded to 0. For "wasserstein" they are the critic's scores and mean no probability. For
"relativistic" only the difference of a real and a generated image's score is a logit: how sure the
discriminator is that the real one of the two is the real one.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

ADVERSARIAL_LOSSES = (
    "minimax",
    "non-saturating",
    "least-squares",
    "hinge",
    "wasserstein",
    "relativistic",
)


def discriminator_loss(real: Tensor, fake: Tensor, *, kind: str = "non-saturating") -> Tensor:
    """Return what the discriminator minimises.

    "minimax" and "non-saturating" differ in the generator's loss only.

    Args:
        real: (B,) outputs for images of the data set.
        fake: (B,) outputs for generated images. Generate them without a gradient, or detach them:
            this loss would otherwise reach the generator, with the wrong sign.
        kind: one of `ADVERSARIAL_LOSSES`.

    Returns:
        Scalar: the sum of the means over real and over fake; for least squares half of it, as in
        the paper; for "relativistic" the mean over pairs, the first real with the first fake.

    Raises:
        ValueError: for an unknown kind, outputs that are not one number for each image, or pairs
            that do not come out even.
    """
    check_kind(kind)
    _check(real, "real")
    _check(fake, "fake")
    if kind == "relativistic":  # the real one of each pair shall win; eq-relativistic
        return _lost(real, fake)
    if kind in ("minimax", "non-saturating"):  # -log sigmoid(l) = softplus(-l); eq-gan-value
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if kind == "least-squares":
        return ((real - 1).square().mean() + fake.square().mean()) / 2
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return fake.mean() - real.mean()


def generator_loss(
    fake: Tensor, *, kind: str = "non-saturating", real: Tensor | None = None
) -> Tensor:
    """Return what the generator minimises.

    Args:
        fake: (B,) outputs of the discriminator for generated images, with their gradient.
        kind: one of `ADVERSARIAL_LOSSES`.
        real: (B,) outputs for images of the data set; "relativistic" needs them, the other losses
            do not look at them.

    Returns:
        Scalar, a mean over the batch.

    Raises:
        ValueError: as :func:`discriminator_loss`.
    """
    check_kind(kind)
    _check(fake, "fake")
    if kind == "relativistic":  # the generated one of each pair shall win
        if real is None:
            raise ValueError(
                'generator_loss with kind="relativistic" compares generated with real images, and '
                "got no outputs for real ones; pass them as real=."
            )
        _check(real, "real")
        return _lost(fake, real)
    if kind == "minimax":  # log(1 - sigmoid(l)): flat where the discriminator is sure
        return -F.softplus(fake).mean()
    if kind == "non-saturating":  # -log sigmoid(l): steep there
        return F.softplus(-fake).mean()
    if kind == "least-squares":
        return (fake - 1).square().mean() / 2
    return -fake.mean()  # hinge and wasserstein


def _lost(winner: Tensor, loser: Tensor) -> Tensor:
    """Return the mean of -log sigmoid(winner - loser) over pairs."""
    if len(winner) != len(loser):
        raise ValueError(
            f"got {len(winner)} and {len(loser)} outputs, wanted as many real as generated ones: "
            "they are compared in pairs."
        )
    return F.softplus(loser - winner).mean()


def check_kind(kind: str) -> None:
    """Raise ValueError unless there is such a loss."""
    if kind not in ADVERSARIAL_LOSSES:
        raise ValueError(
            f"the adversarial loss is {kind!r}; choose one of {', '.join(ADVERSARIAL_LOSSES)}."
        )


def _check(outputs: Tensor, name: str) -> None:
    if outputs.ndim != 1 or not len(outputs):
        raise ValueError(
            f"{name}: got outputs of shape {tuple(outputs.shape)}, wanted (B,), one number for "
            "each image; flatten what the discriminator returns. Targets of another shape would be "
            "broadcast to (B, B) without an error."
        )
    if not torch.is_floating_point(outputs):
        raise ValueError(f"{name}: got {outputs.dtype}, wanted floating-point logits.")
