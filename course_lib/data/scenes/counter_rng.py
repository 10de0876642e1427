"""Counter-based random numbers: a hash of a seed, the number of the image and a running number.

An image therefore does not depend on which other images are drawn with it, nor on the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from course_lib.data.scenes.exact import Array

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_AHEAD = 128  # numbers


def _mix64(x: Array) -> Array:
    """A bijective 64-bit hash (the finaliser of SplitMix64), elementwise on uint64."""
    x = x ^ (x >> np.uint64(30))
    x = x * np.uint64(0xBF58476D1CE4E5B9)
    x = x ^ (x >> np.uint64(27))
    x = x * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _mix_int(x: int) -> int:
    """`_mix64` of one Python integer."""
    return int(_mix64(np.array([x & _MASK], dtype=np.uint64))[0])


class Random:
    """Random parameters for a batch: row i depends on (seed, indices[i], stream) and nothing else.

    Args:
        seed: any integer.
        indices: (B,) the numbers of the images.
        stream: keeps independent uses apart, e.g. "layout" and "appearance".
    """

    def __init__(self, seed: int, indices: Array, stream: str) -> None:
        """Derive one key per image."""
        salt = 0
        for byte in stream.encode():
            salt = _mix_int(salt * 257 + byte + 1)
        # A negative seed and its 64-bit complement differ too: the sign is hashed separately.
        base = _mix_int(_mix_int(abs(seed) & _MASK) + (seed < 0) + (abs(seed) >> 64) + salt)
        self.keys = _mix64(_mix64(indices.astype(np.uint64) * np.uint64(_GOLDEN)) ^ np.uint64(base))
        self._count = 0
        self._ahead = np.zeros((len(self.keys), 0), np.uint64)  # numbers made and not yet given

    def bits(self, n: int) -> Array:
        """(B, n) random uint64."""
        if self._ahead.shape[1] < n:  # many at once: most calls ask for one
            steps = np.arange(self._count + 1, self._count + n + _AHEAD, dtype=np.uint64)
            self._ahead = _mix64(self.keys[:, None] + steps * np.uint64(_GOLDEN))
        self._count += n
        given, self._ahead = self._ahead[:, :n], self._ahead[:, n:]
        return given

    def uniform(self, low: float = 0.0, high: float = 1.0, n: int | None = None) -> Array:
        """(B, n), or (B,) without `n`, float32 in [low, high)."""
        unit = (self.bits(n or 1) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        value = unit * np.float32(high - low) + np.float32(low)
        return value if n is not None else value[:, 0]

    def integers(self, stop: int, n: int | None = None) -> Array:
        """(B, n) or (B,) int64 in [0, stop)."""
        value = (self.bits(n or 1) >> np.uint64(33)).astype(np.int64) % stop
        return value if n is not None else value[:, 0]

    def chance(self, probability: float, n: int | None = None) -> Array:
        """(B, n) or (B,) bool, true with the given probability."""
        return self.uniform(n=n) < np.float32(probability)

    def pick(self, table: Sequence[Any] | Array, n: int | None = None) -> Array:
        """(B, n, …) or (B, …) float32 rows of `table`, each equally likely."""
        rows = np.asarray(table, dtype=np.float32)
        return rows[self.integers(len(rows), n)]

    def pixel_noise(self, shape: tuple[int, ...]) -> Array:
        """(B, *shape) float32 noise in (-1, 1), triangular, standard deviation 0.41."""
        count = int(np.prod(shape))
        key = (self.bits(1)[:, 0] >> np.uint64(32)).astype(np.uint32)
        h = np.arange(count, dtype=np.uint32)[None] * np.uint32(0x9E3779B1) + key[:, None]
        h = h ^ (h >> np.uint32(16))
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
        both = (h & np.uint32(0xFFFF)) + (h >> np.uint32(16))
        noise = both.astype(np.float32) * np.float32(2.0**-16) - np.float32(1.0)
        return noise.reshape(len(key), *shape)
