"""DeepLab: dense features by atrous convolution, and context at several rates at once.

`DeepLabV3` is Chen, Papandreou, Schroff and Adam, "Rethinking Atrous Convolution for Semantic Image
Segmentation", arXiv:1706.05587, Fig. 5; it equals torchvision's on the same weights.
`DeepLabV3Plus` is Chen, Zhu, Papandreou, Schroff and Adam, "Encoder-Decoder with Atrous Separable
Convolution for Semantic Image Segmentation", arXiv:1802.02611, Fig. 2; it equals that of
segmentation_models_pytorch on the same weights, at the sizes that library takes.

Differs from the papers, as both libraries do: a dropout of 0.5 after the pyramid (the authors'
code: 0.1); a 3x3 convolution between pyramid and classifier (DeepLabV3) or upsampling
(DeepLabV3Plus); one 3x3 convolution in the decoder instead of two; nothing between the two halves
of a separable convolution, where the authors' code has normalisation and ReLU; no multi-grid.

Differs from the libraries: any size from the output stride on is taken (segmentation_models_pytorch
wants multiples of 16); the default rates follow the output stride as in the paper, where that
library always takes 12, 24 and 36; separable=False makes every 3x3 convolution of the head an
ordinary one, where that library keeps two separable; upsampling aligns pixel areas
(align_corners=False, as torchvision does), where that library and the authors' code align corner
pixels: pass align_corners=True for weights trained so.

Parameters of the defaults (on "small", two classes): DeepLabV3 1,569,042; DeepLabV3Plus 977,922.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.backbones import backbone as make_backbone

PAPER_RATES = {16: (6, 12, 18), 8: (12, 24, 36)}  # for images of 513x513 pixels
SMALL_RATES = {16: (1, 2, 3), 8: (2, 4, 6)}  # a sixth: for images of about a hundred pixels
DROPOUT = 0.5
LOW_LEVEL = 48  # channels that the decoder takes from the fine map (arXiv:1802.02611, Table 1)


class SeparableConv(nn.Sequential):
    """A 3x3 convolution in two steps: each channel by itself, then 1x1 across the channels.

    Source: arXiv:1802.02611, Fig. 3; eq-separable.
    """

    def __init__(self, in_channels: int, out_channels: int, *, rate: int = 1) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels,
                in_channels,
                kernel_size=3,
                padding=rate,
                dilation=rate,
                groups=in_channels,
                bias=False,
            ),
            nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
        )


def conv3x3(in_channels: int, out_channels: int, *, rate: int = 1, separable: bool) -> nn.Module:
    """Return a 3x3 convolution that keeps height and width, ordinary or separable, no bias."""
    if separable:
        return SeparableConv(in_channels, out_channels, rate=rate)
    return nn.Conv2d(in_channels, out_channels, 3, padding=rate, dilation=rate, bias=False)


def normalised(conv: nn.Module, channels: int) -> nn.Sequential:
    """Return the convolution with batch normalisation and ReLU after it."""
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: one map, looked at in five ways, and the five joined.

    A 1x1 convolution, a 3x3 convolution at each of three rates, and the mean over the whole map.

    Args:
        in_channels: channels of the map.
        out_channels: channels of each of the five, and of the result.
        rates: rates of the 3x3 convolutions, in positions of the map.
        separable: whether they are depthwise separable.
        dropout: probability with which an entry of the result is dropped in training.

    Source: arXiv:1706.05587, section 3.3 and Fig. 5; eq-aspp.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        rates: Sequence[int],
        separable: bool = False,
        dropout: float = DROPOUT,
    ) -> None:
        super().__init__()
        if not rates or min(rates) < 1:
            raise ValueError(f"rates is {tuple(rates)}; give whole numbers of at least 1.")
        branches: list[nn.Module] = [nn.Conv2d(in_channels, out_channels, 1, bias=False)]
        branches += [conv3x3(in_channels, out_channels, rate=r, separable=separable) for r in rates]
        self.branches = nn.ModuleList(normalised(conv, out_channels) for conv in branches)
        self.pooled = normalised(nn.Conv2d(in_channels, out_channels, 1, bias=False), out_channels)
        joined = (len(self.branches) + 1) * out_channels
        project = nn.Conv2d(joined, out_channels, 1, bias=False)
        self.project = nn.Sequential(normalised(project, out_channels), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:  # (B, in_channels, h, w)
        """Return (B, out_channels, h, w).

        Raises:
            ValueError: In training with a single image: its pooled map is one number a channel,
                which batch normalisation would turn into the same shift whatever the image shows.
        """
        if self.training and len(x) == 1:
            raise ValueError(
                "ASPP pools each image to one position, and batch normalisation over one position "
                "of one image is undefined: train with at least 2 images per batch (mind the last, "
                "incomplete batch), or call .eval() first."
            )
        seen = [branch(x) for branch in self.branches]  # (B, out_channels, h, w) each
        mean = self.pooled(F.adaptive_avg_pool2d(x, 1))  # (B, out_channels, 1, 1)
        seen.append(mean.expand(-1, -1, *x.shape[-2:]))
        return self.project(torch.cat(seen, dim=1))  # eq-aspp


class DeepLabV3(nn.Module):
    """Label every pixel from dense features, seen at several rates.

    Args:
        in_channels: channels of the image.
        num_classes: number of labels.
        backbone: its name, see `course_lib.models.backbones.backbone`.
        output_stride: pixels between neighbouring features: 8 (finer) or 16 (four times cheaper);
            or 32, what a classifier has, for comparison: then give rates.
        rates: of the pyramid's 3x3 convolutions; by default the paper's for this output stride,
            and a sixth of them on "small", which is meant for images of about a hundred pixels.
        width: channels of the pyramid; by default 256, and 128 on "small".
        dropout: of the pyramid, see `ASPP`.
        weights: of the backbone: None, or "imagenet" where torchvision's can be had.

    Raises:
        ValueError: for an unknown backbone, output stride or weights, or a rate below 1.
        FileNotFoundError: if the weights are neither cached nor can be downloaded.

    Source: arXiv:1706.05587, Fig. 5.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        num_classes: int = 2,
        backbone: str = "small",
        output_stride: int = 8,
        rates: Sequence[int] | None = None,
        width: int | None = None,
        dropout: float = DROPOUT,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        rates, width = _choose(backbone, output_stride, rates, width)
        self.backbone = make_backbone(
            backbone, in_channels=in_channels, output_stride=output_stride, weights=weights
        )
        self.aspp = ASPP(self.backbone.channels[-1], width, rates=rates, dropout=dropout)
        self.mix = normalised(conv3x3(width, width, separable=False), width)
        self.head = nn.Conv2d(width, num_classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:  # (B, in_channels, H, W)
        """Return logits (B, num_classes, H, W), for H, W of at least the output stride."""
        features = self.backbone(x)[-1]  # (B, C, H / 8, W / 8) at output stride 8
        scores = self.head(self.mix(self.aspp(features)))  # (B, num_classes, H / 8, W / 8)
        return F.interpolate(scores, x.shape[-2:], mode="bilinear", align_corners=False)


class DeepLabV3Plus(nn.Module):
    """DeepLabV3 with a small decoder: a fine map of the backbone says where things end.

    Args:
        in_channels: channels of the image.
        num_classes: number of labels.
        backbone: its name, see `course_lib.models.backbones.backbone`.
        output_stride: pixels between neighbouring features of the pyramid: 16 or 8.
        separable: whether the head's 3x3 convolutions are depthwise separable.
        rates: as for `DeepLabV3`.
        width: channels of pyramid and decoder; by default 256, and 128 on "small".
        align_corners: how maps are upsampled: False aligns the areas of pixels, True the centres
            of the corner pixels.
        dropout: of the pyramid, see `ASPP`.
        weights: of the backbone: None, or "imagenet" where torchvision's can be had.

    Raises:
        ValueError: for an unknown backbone, output stride or weights, or a rate below 1.
        FileNotFoundError: if the weights are neither cached nor can be downloaded.

    Source: arXiv:1802.02611, Fig. 2; eq-deeplab-decoder.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        num_classes: int = 2,
        backbone: str = "small",
        output_stride: int = 16,
        separable: bool = True,
        rates: Sequence[int] | None = None,
        width: int | None = None,
        align_corners: bool = False,
        dropout: float = DROPOUT,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        rates, width = _choose(backbone, output_stride, rates, width)
        self.align_corners = align_corners
        self.backbone = make_backbone(
            backbone, in_channels=in_channels, output_stride=output_stride, weights=weights
        )
        _, low, *_, high = self.backbone.channels
        self.aspp = ASPP(high, width, rates=rates, separable=separable, dropout=dropout)
        self.mix = normalised(conv3x3(width, width, separable=separable), width)
        self.reduce = normalised(nn.Conv2d(low, LOW_LEVEL, 1, bias=False), LOW_LEVEL)
        self.decode = normalised(conv3x3(width + LOW_LEVEL, width, separable=separable), width)
        self.head = nn.Conv2d(width, num_classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:  # (B, in_channels, H, W)
        """Return logits (B, num_classes, H, W), for H, W of at least the output stride."""
        _, low, *_, high = self.backbone(x)
        context = self.mix(self.aspp(high))  # (B, width, H / 16, W / 16) at output stride 16
        detail = self.reduce(low)  # (B, 48, H / 4, W / 4)
        context = self._resize(context, detail.shape[-2:])  # (B, width, H / 4, W / 4)
        y = self.decode(torch.cat([context, detail], dim=1))  # eq-deeplab-decoder
        return self._resize(self.head(y), x.shape[-2:])  # (B, num_classes, H, W)

    def _resize(self, x: Tensor, size: torch.Size) -> Tensor:
        return F.interpolate(x, size, mode="bilinear", align_corners=self.align_corners)


def _choose(
    backbone: str, output_stride: int, rates: Sequence[int] | None, width: int | None
) -> tuple[tuple[int, ...], int]:
    """Fill in what depends on the backbone and the output stride."""
    default = SMALL_RATES if backbone == "small" else PAPER_RATES
    if rates is None:
        if output_stride not in default:
            raise ValueError(
                f"output_stride is {output_stride}; a DeepLab works at 8 or 16, elsewhere with "
                "rates of your own."
            )
        rates = default[output_stride]
    rates = tuple(rates)
    return rates, (128 if backbone == "small" else 256) if width is None else width
