"""VAE-GAN: an autoencoder whose pictures are compared by a discriminator's features.

A squared difference of pixels punishes an edge that is drawn a little beside its place as much as
one that is not drawn at all; features forgive the first. The decoder also learns to be taken for
real.

Source: Larsen et al., "Autoencoding beyond pixels using a learned similarity metric",
arXiv:1512.09300, section 2 and algorithm 1.

Differs from the paper: no BatchNorm, so that each picture is judged by itself; features of the
last map.
"""

from itertools import pairwise

from torch import Tensor, nn

from course_lib.models.conditioning import check_images, sides
from course_lib.models.vae import Decoder, Encoder, halvings


class FeatureDiscriminator(nn.Module):
    """Tell real pictures from drawn ones, and say by which features.

    Args:
        in_channels: channels of the picture.
        size: of the picture: its side, or (H, W); at least 8 pixels, odd ones too.
        width: channels of the finest map; each coarser one has twice as many.
    """

    def __init__(
        self, *, in_channels: int = 3, size: int | tuple[int, int] = 32, width: int = 32
    ) -> None:
        super().__init__()
        self.size = sides(size)
        self.in_channels = in_channels
        sizes = halvings(self.size)
        channels = [in_channels, *(width * 2**level for level in range(len(sizes) - 1))]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(a, b, kernel_size=3, stride=2, padding=1), nn.LeakyReLU(0.2)
                )
                for a, b in pairwise(channels)
            )
        )
        self.score = nn.Linear(channels[-1] * sizes[-1][0] * sizes[-1][1], 1)

    def judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B,) and features (B, C', H', W') of pictures (B, in_channels, H, W)."""
        check_images(images, self.in_channels, self.size)
        features = self.layers(images)  # (B, C', H', W')
        return self.score(features.flatten(1)).flatten(), features

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B,) for pictures (B, in_channels, H, W) in [-1, 1]."""
        return self.judge(images)[0]


class VAEGAN(nn.Module):
    """Encoder, decoder and discriminator. `VAEGAN.decoder` is its generator.

    Encoder and decoder are those of a `VAE` of the same arguments, with a tanh at the end.

    Args:
        in_channels: channels of the picture.
        size: of the picture: its side, or (H, W); at least 8 pixels, odd ones too.
        latent_dim: numbers in a code.
        width: channels of the finest map of encoder and decoder.
        judge_width: the same of the discriminator.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size: int | tuple[int, int] = 32,
        latent_dim: int = 32,
        width: int = 32,
        judge_width: int = 32,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(
            in_channels=in_channels, size=size, latent_dim=latent_dim, width=width
        )
        self.decoder = Decoder(
            out_channels=in_channels,
            size=size,
            latent_dim=latent_dim,
            width=width,
            sigma=1.0,
            bounded=True,
        )
        self.discriminator = FeatureDiscriminator(
            in_channels=in_channels, size=size, width=judge_width
        )

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the pictures (B, C, H, W) that the means of the codes stand for."""
        return self.decoder(self.encoder(images).mean)

    def forward(self, images: Tensor) -> Tensor:
        """Return reconstructions, as `reconstruct` does."""
        return self.reconstruct(images)
