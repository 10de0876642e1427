"""A prior of codes: which code comes next, given those before it. A small causal transformer.

The codes of a picture are read row by row, as one sequence. The probability of the whole is the
product of the probabilities of each code given the ones before, so it can be computed exactly, and
sampled from in as many steps as there are codes.

Source: van den Oord et al., arXiv:1711.00937, section 3.3 (an autoregressive prior over the codes);
Vaswani et al., arXiv:1706.03762, section 3 (the transformer), with the normalisation before each
layer, as in Radford et al. (GPT-2), 2019. Differs from the first: a transformer in the place of a
PixelCNN.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.conditioning import check_labels, check_latent, exact_dtype, sides
from course_lib.models.vqvae import VQVAE

Memory = tuple[Tensor, Tensor]  # keys and values (B, heads, L, D) of what came before


class Attention(nn.Module):
    """Each place of a sequence looks at itself and at those before it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, before: Memory | None = None) -> tuple[Tensor, Memory]:
        """Return (B, L, width) for (B, L, width), and what later places need to look back.

        Args:
            x: the sequence, or with `before` its next place alone, L = 1.
            before: keys and values of all places so far.
        """
        split = self.project(x).unflatten(2, (3, self.heads, -1))  # (B, L, 3, heads, D)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # (B, heads, L, D) each
        if before is not None:
            key, value = torch.cat([before[0], key], 2), torch.cat([before[1], value], 2)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=before is None)
        return self.out(seen.transpose(1, 2).flatten(2)), (key, value)


class Block(nn.Module):
    """Attention, then two layers for each place by itself, each with a way around it."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.first, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.second = nn.LayerNorm(width)
        self.layers = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, before: Memory | None = None) -> tuple[Tensor, Memory]:
        """Return (B, L, width), and what later places need to look back."""
        seen, memory = self.attention(self.first(x), before)
        x = x + self.dropout(seen)
        return x + self.dropout(self.layers(self.second(x))), memory


class CodePrior(nn.Module):
    """A distribution over maps of codes (h, w), code by code, row by row.

    Args:
        num_codes: K, how many codes there are.
        size: of the map, (h, w) or its side.
        width: numbers at each place, a multiple of the heads.
        layers: blocks.
        heads: of the attention.
        dropout: share of the numbers that are dropped in training.
        num_classes: labels that it is told; 0: none.

    Raises:
        ValueError: for a width that the heads do not divide, or no layer or head.
    """

    def __init__(
        self,
        *,
        num_codes: int = 512,
        size: int | tuple[int, int] = 8,
        width: int = 128,
        layers: int = 4,
        heads: int = 4,
        dropout: float = 0.0,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        if layers < 1 or heads < 1:
            raise ValueError(f"layers is {layers} and heads {heads}; both must be at least 1.")
        if width % heads:
            raise ValueError(f"width is {width}, which {heads} heads do not divide.")
        self.size = sides(size)
        self.length = self.size[0] * self.size[1]
        self.num_codes, self.num_classes = num_codes, num_classes
        self.code = nn.Embedding(num_codes, width)
        self.start = nn.Embedding(max(1, num_classes), width)  # stands before the first code
        self.place = nn.Parameter(torch.zeros(self.length, width))
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.next = nn.Linear(width, num_codes)
        for table in (self.code.weight, self.start.weight, self.place):
            nn.init.normal_(table, 0.0, 0.02)
        nn.init.zeros_(self.next.weight)  # all codes equally likely, to begin with
        nn.init.zeros_(self.next.bias)

    def forward(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits (B, h, w, num_codes) of each code of (B, h, w), given those before it."""
        self._check(codes)
        check_labels(labels, self.num_classes, len(codes))
        known = self.code(codes.flatten(1)[:, :-1])  # (B, L - 1, width): all but the last
        # Moved by one place: what predicts a code has seen the codes before it, and not itself.
        x = torch.cat([self._opening(len(codes), labels), known], dim=1)  # (B, L, width)
        x = x + self.place
        for block in self.blocks:
            x, _ = block(x)
        return self.next(self.norm(x)).unflatten(1, self.size)  # (B, h, w, K)

    def log_prob(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the log-probability (B,) of maps of codes (B, h, w), in nats."""
        logits = self(codes, labels).float()  # (B, h, w, K)
        own = F.cross_entropy(logits.movedim(-1, 1), codes, reduction="none")  # (B, h, w)
        return -own.flatten(1).sum(1)  # eq-autoregressive

    @torch.no_grad()
    def sample(
        self,
        uniform: Tensor,
        labels: Tensor | None = None,
        *,
        given: Tensor | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """Draw maps of codes, one code after the other.

        Args:
            uniform: (B, h * w) random numbers from 0 to below 1, one for each code; equal numbers
                draw equal maps.
            labels: (B,) for a prior with classes.
            given: (B, n) codes of the first n places, row by row, which are kept.
            temperature: below 1 likelier codes are drawn more often than the model says.

        Returns:
            (B, h, w) int64.

        Raises:
            ValueError: for numbers or codes of another shape or out of range, or a temperature that
                is not positive.
        """
        if uniform.shape[1:] != (self.length,) or uniform.ndim != 2:
            raise ValueError(
                f"uniform has shape {tuple(uniform.shape)}; wanted (B, {self.length}), a number "
                "for each code."
            )
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature is {temperature}; it must be positive and finite.")
        check_labels(labels, self.num_classes, len(uniform))
        if not ((uniform >= 0) & (uniform <= 1)).all():
            raise ValueError(
                "uniform holds numbers out of range; wanted 0 to 1, as torch.rand draws them."
            )
        if given is not None:
            self._check_given(given, len(uniform))
        kept = 0 if given is None else given.shape[1]
        exact = exact_dtype(uniform.device)
        x = self._opening(len(uniform), labels)  # (B, 1, width)
        memory: list[Memory | None] = [None] * len(self.blocks)
        drawn: list[Tensor] = []
        for place in range(self.length):
            x = x + self.place[place]
            for number, block in enumerate(self.blocks):
                x, memory[number] = block(x, memory[number])
            if given is not None and place < kept:
                code = given[:, place]
            else:
                logits = self.next(self.norm(x[:, 0])).to(exact) / temperature  # (B, K)
                chance = logits.softmax(1).cumsum(1)
                whole = chance[:, -1:]  # 1, but for rounding
                level = uniform[:, place, None].to(exact) * whole
                # Below the whole, so that what is passed last has a probability, as what is
                # passed first has by the equals sign.
                level = torch.minimum(level, torch.nextafter(whole, torch.zeros_like(whole)))
                code = (chance <= level).sum(1)  # (B,)
            drawn.append(code)
            x = self.code(code)[:, None]  # (B, 1, width)
        return torch.stack(drawn, dim=1).unflatten(1, self.size)

    def _opening(self, batch: int, labels: Tensor | None) -> Tensor:
        if labels is None:
            labels = torch.zeros(batch, dtype=torch.int64, device=self.place.device)
        return self.start(labels)[:, None]  # (B, 1, width)

    def _check_given(self, given: Tensor, batch: int) -> None:
        fits = given.ndim == 2 and len(given) == batch and given.shape[1] <= self.length
        if not fits or given.is_floating_point():
            raise ValueError(
                f"given: got {given.dtype} of shape {tuple(given.shape)}, wanted whole numbers of "
                f"shape ({batch}, n) with n at most {self.length}."
            )
        if given.numel() and not 0 <= int(given.min()) <= int(given.max()) < self.num_codes:
            raise ValueError(
                f"given goes from {int(given.min())} to {int(given.max())}; there are "
                f"{self.num_codes} codes, from 0 on."
            )

    def _check(self, codes: Tensor) -> None:
        if codes.shape[1:] != self.size or codes.is_floating_point():
            raise ValueError(
                f"codes: got {codes.dtype} of shape {tuple(codes.shape)}, wanted whole numbers of "
                f"shape (B, {self.size[0]}, {self.size[1]})."
            )


class CodeGenerator(nn.Module):
    """A VQ-VAE and a prior of its codes: together a generator of pictures.

    Its code is a standard normal number for each place of the map, whose rank says which of the
    prior's codes is drawn there. So it is asked as any other generator is, and equal codes give
    equal pictures.

    Args:
        codes: arguments of the `VQVAE`.
        prior: arguments of the `CodePrior`, besides the number of codes and the map's size.
    """

    def __init__(self, *, codes: dict[str, Any], prior: dict[str, Any]) -> None:
        super().__init__()
        self.codes = VQVAE(**codes)
        size = self.codes.code_size
        self.prior = CodePrior(num_codes=self.codes.num_codes, size=size, **prior)
        self.latent_dim, self.num_classes = self.prior.length, self.prior.num_classes
        self.size, self.out_channels = self.codes.size, self.codes.in_channels

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return pictures (B, out_channels, H, W) in [-1, 1] for numbers (B, h * w)."""
        check_latent(z, self.latent_dim)
        # The rank of a normal number.
        uniform = 0.5 * torch.erfc(-z.to(exact_dtype(z.device)) / math.sqrt(2))
        return self.codes.decode(self.prior.sample(uniform, labels))

    @torch.no_grad()
    def complete(
        self,
        images: Tensor,
        rows: int,
        labels: Tensor | None = None,
        *,
        uniform: Tensor,
        temperature: float = 1.0,
    ) -> Tensor:
        """Keep the first rows of pictures' codes, and draw the others.

        Args:
            images: (B, C, H, W) in [-1, 1].
            rows: of the map of codes that are kept, 0 to h.
            labels: (B,) for a prior with classes.
            uniform: (B, h * w) random numbers from 0 to below 1.
            temperature: see `CodePrior.sample`.

        Returns:
            (B, C, H, W) in [-1, 1].
        """
        height, width = self.codes.code_size
        if not 0 <= rows <= height:
            raise ValueError(f"rows is {rows}; the map of codes has {height}.")
        given = self.codes.encode(images).flatten(1)[:, : rows * width]
        drawn = self.prior.sample(uniform, labels, given=given, temperature=temperature)
        return self.codes.decode(drawn)
