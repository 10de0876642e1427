"""ResNetUNet: a U-Net whose encoder is a residual network.

The encoder is a backbone of `course_lib.models.backbones`, by default the ResNet-18 of He et al.,
arXiv:1512.03385; the decoder and its skips are those of U-Net (Ronneberger, Fischer and Brox,
arXiv:1505.04597, Fig. 1). On the same weights its answers are those of
`segmentation_models_pytorch.Unet`, for any size of image; a test holds it to that.

Differs from the plain `UNet`: the encoder halves the image five times by strides, so nothing is
handed across at full resolution; the decoder enlarges by repeating pixels, with no weights of its
own; and the head is a 3x3 convolution. It needs a quarter of the plain one's multiply-adds at equal
parameters, because no wide layer works at full resolution.

Parameters of the default (ResNet-18, two classes): 14,328,354.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.backbones import backbone, check_statistics
from course_lib.models.unet import DoubleConv


class RepeatUp(nn.Module):
    """Enlarge to the skip's size by repeating pixels, join the skip if there is one, and mix."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.mix = DoubleConv(in_channels + skip_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor | None, size: torch.Size) -> Tensor:
        """Return (B, out_channels, *size) for x of about half that size."""
        x = F.interpolate(x, size=size, mode="nearest")  # (B, C, H, W)
        if skip is not None:
            x = torch.cat([x, skip], dim=1)  # (B, C + skip_channels, H, W)
        return self.mix(x)  # (B, out_channels, H, W)


class ResNetUNet(nn.Module):
    """Label every pixel: a backbone looks, a U-Net's decoder says where.

    Args:
        in_channels: channels of the image.
        num_classes: number of labels.
        encoder: name of the backbone, such as "resnet18", "resnet34" or "small"; see
            `course_lib.models.backbones.backbone`.
        widths: channels of the decoder, coarsest first; one number for each stage of the encoder.
        weights: ``None``, or "imagenet" for an encoder trained there.

    Raises:
        ValueError: for an unknown encoder or weights, or another number of widths than stages.
        FileNotFoundError: if the weights are neither cached nor can be downloaded.

    Source: arXiv:1505.04597, Fig. 1, with the encoder of arXiv:1512.03385, Table 1.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        num_classes: int = 2,
        encoder: str = "resnet18",
        widths: Sequence[int] = (256, 128, 64, 32, 16),
        weights: str | None = None,
    ) -> None:
        super().__init__()
        self.encoder = backbone(encoder, in_channels=in_channels, weights=weights)
        deep_to_shallow = self.encoder.channels[::-1]
        if len(widths) != len(deep_to_shallow):
            raise ValueError(
                f"widths is {tuple(widths)}; the encoder has {len(deep_to_shallow)} stages, so "
                "give as many widths, coarsest first."
            )
        inputs = (deep_to_shallow[0], *widths[:-1])
        skips = (*deep_to_shallow[1:], 0)  # nothing is handed across at full resolution
        self.decoder = nn.ModuleList(map(RepeatUp, inputs, skips, widths))
        self.head = nn.Conv2d(widths[-1], num_classes, kernel_size=3, padding=1)
        for module in self.decoder.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, mode="fan_in", nonlinearity="relu")
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:  # (B, in_channels, H, W)
        """Return logits (B, num_classes, H, W), for any H, W of at least 32."""
        check_statistics(self, x, smallest=32)
        features = self.encoder(x)  # strides 2, 4, 8, 16, 32
        sizes = [x.shape[-2:], *(f.shape[-2:] for f in features[:-1])]
        y = features.pop()  # (B, C, H / 32, W / 32)
        for level in self.decoder:
            skip = features.pop() if features else None
            y = level(y, skip, sizes.pop())  # eq-unet-decoder, with strides 16, 8, 4, 2, 1
        return self.head(y)  # (B, num_classes, H, W)
