"""A conditional VAE: encoder and decoder are told the class, so the code need not say it.

Source: Sohn, Lee and Yan, "Learning Structured Output Representation using Deep Conditional
Generative Models", NeurIPS 2015, section 4.1; Kingma et al., arXiv:1406.5298, where the condition
is a class.

Differs from the first: what is given is a label, and the prior of codes is the same for all
classes, the standard normal.
"""

from torch import Tensor, nn

from course_lib.models.vae import Decoder, Encoder, VAEOutput


class CVAE(nn.Module):
    """A conditional variational autoencoder. `CVAE.decoder` is its generator.

    Args:
        num_classes: labels that it is told, at least 2.
        in_channels: channels of the picture.
        size: of the picture: its side, or (H, W); at least 8 pixels, odd ones too.
        latent_dim: numbers in a code.
        width: channels of the finest map; each coarser one has twice as many.
        hidden: widths of fully connected layers in place of convolutions; ``None``: convolutions.
        likelihood: of pixels, "bernoulli", "gaussian" or "logistic".
        sigma: standard deviation of "gaussian"; ``None``: it is learned.

    Raises:
        ValueError: for fewer than two classes, a size that is too small, or an unknown likelihood.
    """

    def __init__(
        self,
        *,
        num_classes: int = 10,
        in_channels: int = 1,
        size: int | tuple[int, int] = 32,
        latent_dim: int = 32,
        width: int = 32,
        hidden: tuple[int, ...] | None = None,
        likelihood: str = "gaussian",
        sigma: float | None = None,
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(
                f"num_classes is {num_classes}; a condition needs at least 2 classes. Without one "
                "use a VAE."
            )
        self.encoder = Encoder(
            in_channels=in_channels,
            size=size,
            latent_dim=latent_dim,
            width=width,
            hidden=hidden,
            num_classes=num_classes,
        )
        self.decoder = Decoder(
            out_channels=in_channels,
            size=size,
            latent_dim=latent_dim,
            width=width,
            hidden=hidden,
            num_classes=num_classes,
            likelihood=likelihood,
            sigma=sigma,
        )

    def forward(self, images: Tensor, labels: Tensor) -> VAEOutput:
        """Encode pictures (B, in_channels, H, W) with labels (B,), draw codes, decode them."""
        posterior = self.encoder(images, labels)
        z = posterior.sample()
        return VAEOutput(self.decoder.pixels(z, labels), posterior, z)

    def reconstruct(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the pictures (B, C, H, W) that the means of the codes stand for."""
        return self.decoder(self.encoder(images, labels).mean, labels)
