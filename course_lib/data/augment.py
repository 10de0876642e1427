"""Random changes to a batch, applied on the device, to image and mask together.

Every number that is drawn depends on (seed, epoch, step, rank) and on nothing else, so a run that
is resumed sees exactly the images that an undisturbed run would have seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_GREY = (0.299, 0.587, 0.114)  # luma weights, ITU-R BT.601
_MASK64 = (1 << 64) - 1


def stream_seed(*numbers: int) -> int:
    """Mix whole numbers into one 63-bit seed; different tuples give unrelated seeds.

    Args:
        numbers: For example ``seed, epoch, step, rank``. Order matters, negative numbers are
            allowed.

    Returns:
        A seed in [0, 2**63).

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    state = len(numbers)
    for number in numbers:
        state = (state + 0x9E3779B97F4A7C15 + (number & _MASK64)) & _MASK64
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK64
        state ^= state >> 31
    return state >> 1


@dataclass(frozen=True)
class Augment:
    """What may happen to an image, and to its mask with it.

    Content that a shift, a rotation or a zoom brings in from outside is the mirrored picture, in
    the image and in the mask alike: a mirrored pet is still a pet, so no pixel has to be ignored.

    Args:
        flip: Mirror left and right with probability 1/2.
        crop: Pad by this many pixels on every side, then cut out the original size at a random
            place. Whole pixels only, so no value is interpolated.
        scale: Zoom by a factor drawn uniformly in log scale from this range; 1.25 means that
            objects become 1.25 times as large. None: no zoom.
        rotate: Rotate by an angle drawn uniformly from [-rotate, rotate] degrees.
        translate: Shift by up to this fraction of height and width.
        colour: Strength s of brightness, contrast and saturation; each is multiplied by a factor
            drawn uniformly from [1 - s, 1 + s].

    Raises:
        ValueError: When a value is outside its range.
    """

    flip: bool = False
    crop: int = 0
    scale: tuple[float, float] | None = None
    rotate: float = 0.0
    translate: float = 0.0
    colour: float = 0.0

    def __post_init__(self) -> None:
        if self.crop < 0 or int(self.crop) != self.crop:
            raise ValueError(f"crop={self.crop}: wanted a whole number of pixels, 0 or more.")
        if self.scale is not None:
            low, high = self.scale
            if not 0 < low <= high:
                raise ValueError(f"scale={self.scale}: wanted (low, high) with 0 < low <= high.")
        if not 0 <= self.rotate <= 180:
            raise ValueError(f"rotate={self.rotate}: wanted degrees from 0 to 180.")
        if not 0 <= self.translate <= 1:
            raise ValueError(f"translate={self.translate}: wanted a fraction from 0 to 1.")
        if not 0 <= self.colour <= 1:
            raise ValueError(f"colour={self.colour}: wanted a strength from 0 to 1.")

    @property
    def affine(self) -> bool:
        """Whether pixels have to be interpolated."""
        return self.scale is not None or self.rotate > 0 or self.translate > 0

    def __call__(
        self,
        images: Tensor,
        masks: Tensor | None = None,
        *,
        seed: int = 0,
        epoch: int = 0,
        step: int = 0,
        rank: int = 0,
        mirrored: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Augment one batch.

        Args:
            images: (B, C, H, W) uint8.
            masks: (B, H, W) whole numbers, moved exactly as the images are; or None.
            seed: Seed of the run.
            epoch: Number of the epoch.
            step: Number of the batch within the epoch.
            rank: Number of the process.
            mirrored: False: what comes in from outside by a shift, a rotation or a zoom is grey and
                0 in the mask, since the mirrored half of an object is no object.

        Returns:
            Images (B, C, H, W) float32 in [-1, 1], and masks with their dtype unchanged (or None).
        """
        generator = torch.Generator().manual_seed(stream_seed(seed, epoch, step, rank))
        # Always the same draws in the same order: switching one option on leaves the others as is.
        draws = torch.rand((len(images), 10), generator=generator)
        flip = (draws[:, 0] < 0.5) & self.flip  # (B,)
        if self.crop or (self.flip and not self.affine):
            columns = flip if not self.affine else torch.zeros_like(flip)
            images, masks = _shift(images, masks, draws[:, 1:3], columns, self.crop)
        pictures = to_float(images)
        if self.affine:
            matrices = self._matrices(draws, flip, images.shape)
            pictures, masks = _warp(pictures, masks, matrices, mirrored=mirrored)
        if self.colour:
            pictures = _recolour(pictures, 1 + self.colour * (2 * draws[:, 7:10] - 1))
        return pictures, masks

    def _matrices(self, draws: Tensor, flip: Tensor, shape: torch.Size) -> Tensor:
        """(B, 2, 3) maps from a place in the result to the source, in pixels from the centre."""
        height, width = shape[-2:]
        low, high = self.scale or (1.0, 1.0)
        zoom = low * (high / low) ** draws[:, 3]
        angle = math.radians(self.rotate) * (2 * draws[:, 4] - 1)
        cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
        mirror = torch.where(flip, -1.0, 1.0)
        right = self.translate * width * (2 * draws[:, 5] - 1)
        down = self.translate * height * (2 * draws[:, 6] - 1)
        rows = torch.stack([mirror * cosine, mirror * sine, right, -sine, cosine, down], dim=1)
        return rows.reshape(-1, 2, 3)


def to_float(images: Tensor) -> Tensor:
    """Turn uint8 in [0, 255] into float32 in [-1, 1]."""
    return images.to(torch.float32).div_(127.5).sub_(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Turn float in [-1, 1] back into uint8 in [0, 255], rounded; the inverse of `to_float`."""
    return images.add(1.0).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def _reflect(position: Tensor, size: int) -> Tensor:
    """Fold whole-numbered positions into [0, size) as a mirror without repeating the edge does."""
    if size == 1:
        return torch.zeros_like(position)
    position = position.abs() % (2 * size - 2)
    return torch.where(position >= size, 2 * size - 2 - position, position)


def _shift(
    images: Tensor, masks: Tensor | None, draws: Tensor, flip: Tensor, pad: int
) -> tuple[Tensor, Tensor | None]:
    """Shift by whole pixels and mirror, by picking rows and columns."""
    height, width = images.shape[-2:]
    offset = (draws * (2 * pad + 1)).long() - pad  # (B, 2), from -pad to pad
    rows = _reflect(torch.arange(height) + offset[:, :1], height)  # (B, H)
    columns = _reflect(torch.arange(width) + offset[:, 1:], width)  # (B, W)
    columns = torch.where(flip[:, None], columns.flip(1), columns)
    place = (rows[:, :, None] * width + columns[:, None, :]).reshape(len(images), 1, -1)
    place = place.to(images.device, non_blocking=True)  # (B, 1, H * W)
    picked = images.flatten(2).gather(2, place.expand(-1, images.shape[1], -1))
    if masks is not None:
        masks = masks.flatten(1).gather(1, place[:, 0]).reshape(masks.shape)
    return picked.reshape(images.shape), masks


def _warp(
    pictures: Tensor, masks: Tensor | None, matrices: Tensor, *, mirrored: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Move pixels along one affine grid: bilinear for pictures, nearest for masks."""
    outside = "reflection" if mirrored else "zeros"
    height, width = pictures.shape[-2:]
    # grid_sample counts from -1 to 1 over the picture: x_unit = x_pixels * 2 / width.
    size = torch.tensor([width, height], dtype=torch.float32)
    theta = matrices.clone()
    theta[:, :, :2] *= size / size[:, None]
    theta[:, :, 2] *= 2 / size
    theta = theta.to(pictures.device, non_blocking=True)
    grid = F.affine_grid(theta, [len(pictures), 1, height, width], align_corners=False)
    moved = F.grid_sample(pictures, grid, "bilinear", outside, align_corners=False)
    if masks is not None:
        layer = masks[:, None].to(torch.float32)  # ids below 2**24 are exact
        layer = F.grid_sample(layer, grid, "nearest", outside, align_corners=False)
        masks = layer[:, 0].to(masks.dtype)
    return moved, masks


def _recolour(pictures: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, contrast and saturation (columns of `factors`) in one matrix product."""
    batch, channels, height, width = pictures.shape
    brightness, contrast, saturation = factors.to(pictures.device, non_blocking=True).unbind(1)
    if channels == 3:
        grey = torch.tensor(_GREY).to(pictures.device, non_blocking=True).expand(3, 3)
    else:
        grey = torch.eye(channels, device=pictures.device)
        saturation = torch.ones_like(saturation)
    eye = torch.eye(channels, device=pictures.device)
    mix = grey + saturation[:, None, None] * (eye - grey)  # (B, C, C)
    # On [0, 1]: y = contrast * brightness * mix x + (1 - contrast) * brightness * mean(grey x); the
    # pictures here are 2 x - 1, which only changes the constant.
    flat = pictures.flatten(2)
    mean = (grey[:1] @ flat.mean(2, keepdim=True) if channels == 3 else flat.mean((1, 2), True)) + 1
    constant = brightness * (contrast + (1 - contrast) * mean.reshape(-1)) - 1  # (B,)
    changed = torch.baddbmm(
        constant[:, None, None], (contrast * brightness)[:, None, None] * mix, flat
    )
    return changed.clamp_(-1, 1).reshape(batch, channels, height, width)
