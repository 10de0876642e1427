"""Adaptive discriminator augmentation: distort what the discriminator sees, as much as is needed.

With few images the discriminator learns them by heart. It is given distorted images instead, real
and generated ones alike, and never an undistorted set to compare with. The distortion does not leak
into what is drawn as long as it can be undone in distribution: then the distorted images can agree
only if the undistorted ones do. A probability below one half is enough for any distortion, and one
below 1 for those that are drawn evenly from a group, such as an image and its mirror image.

Source: Karras et al., "Training Generative Adversarial Networks with Limited Data",
arXiv:2006.06676, sections 2 and 3. Differs from the paper: fewer distortions, no filter against
aliasing, rotations by at most `DEGREES`, smaller changes of colour, and p moves ten times as fast,
for runs that are shorter.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHIFT = 0.125  # largest whole-pixel shift, as a share of height and width
FINE_SHIFT = 0.125  # deviation of the fractional shift, as the same share
ZOOM = 0.2  # deviation of the binary logarithm of the zoom
DEGREES = 30.0  # largest rotation
BRIGHTNESS = 0.2  # deviation of what is added
CONTRAST = 0.5  # deviation of the binary logarithm of the factor
CUTOUT = 0.5  # side of the square that is set to 0, as a share of height and width


class DiscriminatorAugment(nn.Module):
    """Distort each image of a batch at random, differentiably; adapt how often.

    Use::

        augment = DiscriminatorAugment(target=0.6).to(device)
        score_real = discriminator(augment(real))  # gradients pass through to the images
        score_fake = discriminator(augment(fake))
        augment.adjust(score_real, num_images=len(real))  # once for each discriminator's turn

    Each distortion happens to each image with probability p by itself: mirroring (if allowed),
    a shift by whole pixels, a zoom, a rotation, a shift by fractions of a pixel, a change of
    brightness, one of contrast, and a square set to grey. What comes in from outside is the
    mirrored image. All draws come from torch's default generator of the images' device. At p = 0
    images are returned as they are, up to rounding. The gradient cannot be differentiated
    again: compute penalties with respect to what the discriminator sees, behind the
    augmentation.

    Args:
        p: probability at the start.
        target: mean sign of the discriminator's logits for real images that `adjust` aims at; a
            larger mean says that real images are recognised too well. None: p stays.
        flip: whether images may be mirrored left and right; not for digits or letters.
        ramp_images: real images over which p moves by 1 if every reading says the same.
        every: readings of `adjust` that are averaged for one move of p.

    Attributes:
        p: scalar tensor, a buffer; nothing here waits for the device to read it.

    Raises:
        ValueError: for p outside [0, 1], a target outside [-1, 1], or ramp_images or every below 1.
    """

    p: Tensor
    signs: Tensor
    seen: Tensor
    readings: Tensor

    def __init__(
        self,
        p: float = 0.0,
        *,
        target: float | None = None,
        flip: bool = False,
        ramp_images: int = 50_000,
        every: int = 4,
    ) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p is {p}; it is a probability, from 0 to 1.")
        if target is not None and not -1 <= target <= 1:
            raise ValueError(f"target is {target}; a mean sign lies from -1 to 1, 0.6 is usual.")
        if ramp_images < 1 or every < 1:
            raise ValueError(
                f"ramp_images is {ramp_images} and every is {every}; both must be at least 1."
            )
        self.target, self.flip = target, flip
        self.ramp_images, self.every = ramp_images, every
        self.register_buffer("p", torch.tensor(float(p)))
        self.register_buffer("signs", torch.zeros(()))  # sum since the last move
        self.register_buffer("seen", torch.zeros(()))  # images since the last move
        self.register_buffer("readings", torch.zeros((), dtype=torch.int64))  # calls of adjust

    def forward(self, images: Tensor) -> Tensor:  # (B, C, H, W)
        """Return images of the same shape and dtype, each distorted by itself.

        Raises:
            ValueError: for something that is not (B, C, H, W) of floating point.
        """
        if images.ndim != 4 or not images.is_floating_point():
            raise ValueError(
                f"got {images.dtype} of shape {tuple(images.shape)}; want floating-point images "
                "(B, C, H, W) in [-1, 1]."
            )
        with torch.autocast(images.device.type, enabled=False):
            x = self._move(images.float())
            return self._cut(self._recolour(x)).to(images.dtype)

    @torch.no_grad()
    def adjust(self, real_logits: Tensor, num_images: int | None = None) -> None:
        """Move p a step up if real images are recognised too well, else a step down.

        Args:
            real_logits: (B,) the discriminator's logits for (distorted) real images.
            num_images: real images that this reading stands for, in all processes together; None:
                as many as there are logits.

        Source: eq-stylegan-ada.
        """
        if self.target is None:
            return
        count = len(real_logits) if num_images is None else num_images
        self.signs += real_logits.sign().float().mean() * count
        self.seen += count
        self.readings += 1
        due = self.readings % self.every == 0  # a tensor: the device decides without being asked
        mean = self.signs / self.seen
        step = torch.sign(mean - self.target) * self.seen / self.ramp_images
        self.p.copy_(torch.where(due, (self.p + step).clamp(0, 1), self.p))  # eq-stylegan-ada
        self.signs.mul_(~due)
        self.seen.mul_(~due)

    def _happens(self, images: Tensor) -> Tensor:
        """Draw (B,) of 0 and 1, 1 with probability p."""
        return (torch.rand(len(images), device=images.device) < self.p).float()

    def _move(self, x: Tensor) -> Tensor:
        """Mirror, shift, zoom and rotate: one map from places in the result to places in x."""
        batch, _, height, width = x.shape
        # Filled on the device: a list would be copied there, which waits for the copy.
        size = torch.cat([x.new_full((1,), width), x.new_full((1,), height)])

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, device=x.device)

        def uniform(*shape: int) -> Tensor:
            return 2 * torch.rand(shape, device=x.device) - 1

        mirror = self._happens(x) * (torch.rand(batch, device=x.device) < 0.5)
        mirror = 1 - 2 * mirror * self.flip  # (B,): -1 or 1
        whole = (uniform(batch, 2) * SHIFT * size).round() * self._happens(x)[:, None]
        fine = normal(batch, 2) * FINE_SHIFT * size * self._happens(x)[:, None]
        zoom = torch.exp2(normal(batch) * ZOOM * self._happens(x))
        angle = uniform(batch) * math.radians(DEGREES) * self._happens(x)
        cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
        shift = whole + fine  # (B, 2), in pixels, across and down
        rows = [mirror * cosine, mirror * sine, shift[:, 0], -sine, cosine, shift[:, 1]]
        theta = torch.stack(rows, dim=1).reshape(batch, 2, 3)
        # grid_sample counts from -1 to 1 over the image: x_unit = x_pixels * 2 / width.
        linear = theta[:, :, :2] * (size / size[:, None])
        theta = torch.cat([linear, theta[:, :, 2:] * (2 / size)[:, None]], dim=2)
        grid = F.affine_grid(theta, [batch, 1, height, width], align_corners=False)
        return F.grid_sample(x, grid, "bilinear", "reflection", align_corners=False)

    def _recolour(self, x: Tensor) -> Tensor:
        """Add to all pixels of an image, and multiply them."""
        brightness = torch.randn(len(x), device=x.device) * BRIGHTNESS * self._happens(x)
        contrast = torch.exp2(torch.randn(len(x), device=x.device) * CONTRAST * self._happens(x))
        return x * contrast[:, None, None, None] + brightness[:, None, None, None]

    def _cut(self, x: Tensor) -> Tensor:
        """Set a square around a random place to 0, the grey in the middle of the range."""
        batch, _, height, width = x.shape
        across = (torch.arange(width, device=x.device) + 0.5) / width
        down = (torch.arange(height, device=x.device) + 0.5) / height
        centre = torch.rand(batch, 2, device=x.device)
        inside_x = (across - centre[:, :1]).abs() < CUTOUT / 2  # (B, W)
        inside_y = (down - centre[:, 1:]).abs() < CUTOUT / 2  # (B, H)
        square = inside_y[:, :, None] & inside_x[:, None, :]  # (B, H, W)
        hidden = square * self._happens(x)[:, None, None]
        return x * (1 - hidden)[:, None]
