"""Vector quantisation: each vector of a feature map is replaced by the nearest of K code vectors.

It is k-means inside a network. The codebook follows the vectors that choose it, as an average over
the last batches. The choice itself has no gradient; the straight-through estimator hands the
gradient at the quantised vector to the vector that was quantised, as if nothing had happened.

Source: van den Oord, Vinyals and Kavukcuoglu, "Neural Discrete Representation Learning",
arXiv:1711.00937, section 3 and equation 3; the averages, its appendix A.1; the restart of codes,
Dhariwal et al. (Jukebox), arXiv:2005.00341, section 3.1.

Differs from the paper: codes without use are restarted; their averages are not smoothed, for a code
that nobody chooses stays where it is.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHUNK = 1 << 20  # distances that are held at once: few enough for a processor's cache
FIRST = 1e-3  # weight of a code's random start, in vectors


class Quantised(NamedTuple):
    """What a quantiser returns.

    Attributes:
        quantised: (B, dim, H, W), the nearest code vectors, with the gradient passed straight
            through to the input.
        codes: (B, H, W) int64, 0 to K - 1.
        loss: scalar, what is to be added to the loss of the reconstruction.
    """

    quantised: Tensor
    codes: Tensor
    loss: Tensor


class VectorQuantizer(nn.Module):
    """A codebook of K vectors, and the step that replaces vectors by codes.

    In eval mode nothing is learned.

    Args:
        num_codes: K.
        dim: numbers in a code vector, the channels of the map.
        decay: of the averages that the codebook is; ``None``: the codebook is a parameter that
            learns by gradient, from the second term of the paper's equation 3.
        commitment: weight of the squared distance that pulls the input towards its code.
        restart: a code whose average use has fallen below this share of an equal one is put on a
            random vector of the batch; 0: never. Without averages nothing is restarted.

    Raises:
        ValueError: for numbers out of range.
    """

    def __init__(
        self,
        *,
        num_codes: int,
        dim: int,
        decay: float | None = 0.99,
        commitment: float = 0.25,
        restart: float = 0.1,
    ) -> None:
        super().__init__()
        if num_codes < 1 or dim < 1:
            raise ValueError(f"num_codes is {num_codes} and dim {dim}; both must be at least 1.")
        if decay is not None and not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}; give a number from 0 to below 1, or None.")
        if commitment < 0 or not 0 <= restart < 1:
            raise ValueError(
                f"commitment is {commitment} and restart {restart}; the first must be at least 0, "
                "the second from 0 to below 1."
            )
        self.num_codes, self.dim, self.decay = num_codes, dim, decay
        self.commitment, self.restart = commitment, restart
        start = torch.randn(num_codes, dim) / dim**0.5
        self.codebook: Tensor
        if decay is None:
            self.codebook = nn.Parameter(start)
        else:
            self.register_buffer("codebook", start)
            self.counts: Tensor
            self.sums: Tensor
            # The start weighs next to nothing: with the first batch a code moves to the mean of its
            # vectors, and where its count is still below the limit it is restarted, as most are.
            self.register_buffer("counts", torch.full((num_codes,), FIRST))
            self.register_buffer("sums", FIRST * start)

    def forward(self, z: Tensor) -> Quantised:  # (B, dim, H, W)
        """Quantise a feature map; in training mode the codebook then follows it.

        Raises:
            ValueError: for another shape.
        """
        self._check(z)
        with torch.autocast(z.device.type, enabled=False):  # distances in full precision
            vectors = self._vectors(z)  # (N, dim)
            codes = nearest_codes(vectors.detach(), self.codebook.detach())  # (N,)
            chosen = F.embedding(codes, self.codebook)  # (N, dim)
            loss = self.commitment * F.mse_loss(vectors, chosen.detach())  # eq-code-commitment
            if self.decay is None:
                loss = loss + F.mse_loss(chosen, vectors.detach())
            straight = vectors + (chosen - vectors).detach()  # eq-straight-through
            if self.training and self.decay is not None:
                self._follow(vectors.detach(), codes)
        batch, _, *space = z.shape
        quantised = straight.view(batch, *space, self.dim).movedim(-1, 1)  # (B, dim, H, W)
        return Quantised(quantised.to(z.dtype), codes.view(batch, *space), loss)

    @torch.no_grad()
    def codes(self, z: Tensor) -> Tensor:  # (B, dim, H, W)
        """Return the codes (B, H, W) of a feature map, and learn nothing from it.

        Raises:
            ValueError: for another shape.
        """
        self._check(z)
        with torch.autocast(z.device.type, enabled=False):
            vectors = self._vectors(z)  # (N, dim)
            return nearest_codes(vectors, self.codebook).view(len(z), *z.shape[2:])

    def lookup(self, codes: Tensor) -> Tensor:  # (B, H, W)
        """Return the vectors (B, dim, H, W) of codes."""
        return F.embedding(codes, self.codebook).movedim(-1, 1)

    @torch.no_grad()
    def _follow(self, vectors: Tensor, codes: Tensor) -> None:
        """Move the averages by one batch, and the codebook to where they are."""
        assert self.decay is not None
        # How often each was chosen, (K,); torch.bincount would wait for a GPU.
        used = vectors.new_zeros(self.num_codes).index_add_(0, codes, vectors.new_ones(len(codes)))
        sums = torch.zeros_like(self.sums).index_add_(0, codes, vectors)  # (K, dim)
        spread = torch.distributed.is_initialized()
        if spread:  # the batch is that of all processes
            torch.distributed.all_reduce(used)
            torch.distributed.all_reduce(sums)
        self.counts.lerp_(used, 1 - self.decay)  # eq-code-average
        self.sums.lerp_(sums, 1 - self.decay)
        if self.restart:
            total = used.sum() / self.num_codes  # uses of each code, were they equal
            dead = self.counts < self.restart * total  # (K,)
            picked = torch.randint(len(vectors), (self.num_codes,), device=vectors.device)
            fresh = vectors[picked]  # (K, dim)
            if spread:
                torch.distributed.broadcast(fresh, src=0)
            # Count and sum start anew too, or the old ones would bring the old place back. With
            # twice the count of a dead one the newcomer has some steps to be chosen, and follows
            # those that choose it at once.
            start = 2 * self.restart * total
            self.counts.copy_(torch.where(dead, start, self.counts))
            self.sums.copy_(torch.where(dead[:, None], start * fresh, self.sums))
        known = self.counts[:, None] > 1e-20  # what was never used stays where it is
        means = self.sums / self.counts.clamp(min=1e-20)[:, None]
        self.codebook.copy_(torch.where(known, means, self.codebook))

    def _vectors(self, z: Tensor) -> Tensor:
        """Return the vectors (N, dim) of a map, in the codebook's precision."""
        return z.to(self.codebook.dtype).movedim(1, -1).reshape(-1, self.dim)

    def _check(self, z: Tensor) -> None:
        if z.ndim != 4 or z.shape[1] != self.dim or not z.is_floating_point() or not z.numel():
            raise ValueError(
                f"z: got {z.dtype} of shape {tuple(z.shape)}, wanted floating-point features of "
                f"shape (B, {self.dim}, H, W), none of them empty. Build the quantiser with "
                "dim=C for maps of C channels."
            )


def nearest_codes(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Return the number of the nearest code for each vector.

    |x - e|² = |x|² - 2 x·e + |e|², and |x|² is the same for all codes: one matrix product ranks
    them. Of equally near codes the first is taken.

    Args:
        vectors: (N, D).
        codebook: (K, D).

    Returns:
        (N,) int64.
    """
    half = 0.5 * codebook.square().sum(1)  # (K,)
    rows = max(1, CHUNK // len(codebook))
    return torch.cat(
        [
            torch.addmm(half, part, codebook.T, alpha=-1).argmin(1)  # eq-nearest-code
            for part in vectors.split(rows)
        ]
    )
