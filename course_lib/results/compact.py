"""Whole numbers in few bytes: a result file keeps one confusion matrix for every test image.

400 matrices of 10 x 10 counts written as nested lists take 100 kB of JSON for every run; packed
they take a fifth of that. Packed counts are a string: shape, then the counts as 32-bit numbers
(little endian), compressed by zlib, in base64.
"""

import base64
import binascii
import zlib

import numpy as np
import torch
from torch import Tensor

LARGEST = 2**32 - 1


def pack_counts(counts: Tensor) -> str:
    """Pack whole numbers from 0 to 2**32 - 1, any shape.

    Raises:
        ValueError: for numbers that are not whole, negative or too large.
    """
    if counts.is_floating_point() or counts.is_complex() or counts.dtype == torch.bool:
        raise ValueError(f"counts are {counts.dtype}; give whole numbers, such as int64.")
    if counts.numel() and not 0 <= int(counts.min()) <= int(counts.max()) <= LARGEST:
        raise ValueError(
            f"counts go from {int(counts.min())} to {int(counts.max())}; from 0 to {LARGEST} can "
            "be packed."
        )
    data = counts.cpu().contiguous().numpy().astype("<u4").tobytes()
    shape = "x".join(str(side) for side in counts.shape)
    return f"{shape}:{base64.b64encode(zlib.compress(data, 9)).decode()}"


def unpack_counts(text: str) -> Tensor:
    """Return what `pack_counts` packed, int64.

    Raises:
        ValueError: for text that `pack_counts` did not write.
    """
    shape, colon, data = text.partition(":")
    try:
        sides = [int(side) for side in shape.split("x")] if shape else []
        numbers = np.frombuffer(zlib.decompress(base64.b64decode(data, validate=True)), "<u4")
        if not colon or numbers.size != np.prod(sides, dtype=np.int64):
            raise ValueError(f"{numbers.size} numbers for the shape {shape!r}")
    except (ValueError, binascii.Error, zlib.error) as error:
        raise ValueError(
            f"this is no packed array of counts ({error}); measure the claim again."
        ) from error
    return torch.from_numpy(numbers.astype(np.int64)).reshape(sides)
