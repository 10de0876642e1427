"""FCN: a classifier without its linear layers, its scores at several depths added up.

`FCN` is the network of Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic
Segmentation", arXiv:1411.4038, Fig. 3: a 1x1 convolution reads class scores from the backbone's
maps at stride 32 (FCN-32s), and at 16 (FCN-16s) and 8 (FCN-8s); coarse scores are upsampled, and
the finer ones added. `DilatedFCN` is what torchvision calls FCN: one head on a backbone whose last
stages are dilated instead of strided (Chen et al., arXiv:1412.7062).

`FCN` differs from the paper: any backbone (the paper's are AlexNet, VGG-16 and GoogLeNet, each with
its linear layers turned into convolutions); convolutions pad by what they lose, so there is no
padding of 100 pixels to begin with and no offset to crop; normalisation; one training of the whole
network, where the paper trains 32s, then 16s, then 8s, each from the one before; the last
upsampling holds its value beyond the outermost cells, where a transposed convolution falls off.

Both work at any size from the backbone's stride on. On backbones of strided 3x3 convolutions, cell
i of a map at stride s looks at pixel s * i and is painted around pixel s * i + (s - 1) / 2, as in
torchvision: the weights learn the shift.

Parameters of the defaults (on "small", two classes): FCN-8s 744,534; DilatedFCN 801,458. DilatedFCN
on "resnet50" with 21 classes: 32,957,013, as torchvision's ``fcn_resnet50`` has them without its
auxiliary head.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.backbones import backbone as make_backbone
from course_lib.models.backbones import check_statistics
from course_lib.ops.upsampling import bilinear_weight

STRIDES = (32, 16, 8)


def scoring(in_channels: int, num_classes: int, *, silent: bool) -> nn.Conv2d:
    """Return a 1x1 convolution that reads class scores; a silent one begins with all of them 0."""
    score = nn.Conv2d(in_channels, num_classes, 1)
    if silent:
        for parameter in score.parameters():
            nn.init.zeros_(parameter)
    return score


def doubling(channels: int) -> nn.ConvTranspose2d:
    """Return a learned upsampling by two that starts as bilinear interpolation."""
    up = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, bias=False)
    up.weight.data.copy_(bilinear_weight(channels, stride=2))  # eq-bilinear-kernel
    return up


class FCN(nn.Module):
    """Read class scores at several depths, and add them from coarse to fine.

    Args:
        in_channels: channels of the image.
        num_classes: number of labels.
        backbone: its name, see `course_lib.models.backbones.backbone`.
        stride: image pixels between neighbouring scores where upsampling by bilinear interpolation
            begins: 32 (one depth), 16 (two) or 8 (three).
        dropout: probability with which a value of the deepest map is dropped before its scores.
        weights: of the backbone: None, or "imagenet" where torchvision's can be had.

    Raises:
        ValueError: for an unknown stride, backbone or weights.
        FileNotFoundError: if the weights are neither cached nor can be downloaded.

    Source: arXiv:1411.4038, section 4.2 and Fig. 3.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        num_classes: int = 2,
        backbone: str = "small",
        stride: int = 8,
        dropout: float = 0.0,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        if stride not in STRIDES:
            raise ValueError(f"stride is {stride}; choose 32, 16 or 8.")
        self.backbone = make_backbone(backbone, in_channels=in_channels, weights=weights)
        self.stride = stride
        depths = range(STRIDES.index(stride) + 1)  # 0: stride 32, 1: stride 16, 2: stride 8
        channels = self.backbone.channels[::-1]
        self.scores = nn.ModuleList(  # training starts from what the coarsest scores say
            scoring(channels[d], num_classes, silent=d > 0) for d in depths
        )
        self.dropout = nn.Dropout(dropout)
        self.ups = nn.ModuleList(doubling(num_classes) for _ in depths[1:])

    def forward(self, x: Tensor) -> Tensor:  # (B, in_channels, H, W)
        """Return logits (B, num_classes, H, W), for any H, W of at least 32."""
        size = x.shape[-2:]
        check_statistics(self, x, smallest=32)
        features = self.backbone(x)[::-1]  # f_32, f_16, f_8, ...: (B, C_s, H / s, W / s)
        z = self.scores[0](self.dropout(features[0]))  # (B, K, H / 32, W / 32)
        for up, score, f in zip(self.ups, self.scores[1:], features[1:], strict=False):
            z = crop(up(z), f.shape[-2:]) + score(f)  # eq-fcn-fusion: (B, K, H / s, W / s)
        full = (z.shape[-2] * self.stride, z.shape[-1] * self.stride)
        z = F.interpolate(z, full, mode="bilinear", align_corners=False)
        return crop(z, size)  # (B, K, H, W)


class DilatedFCN(nn.Module):
    """One head on a backbone that keeps its resolution from stride 8 on.

    Args:
        in_channels: channels of the image.
        num_classes: number of labels.
        backbone: its name, see `course_lib.models.backbones.backbone`.
        dropout: probability with which a value is dropped before the scores.
        weights: of the backbone: None, or "imagenet" where torchvision's can be had.

    Raises:
        ValueError: for an unknown backbone or weights.
        FileNotFoundError: if the weights are neither cached nor can be downloaded.

    Source: torchvision.models.segmentation.fcn; arXiv:1412.7062, section 3.1, for the dilation.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        num_classes: int = 2,
        backbone: str = "small",
        dropout: float = 0.1,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        self.backbone = make_backbone(
            backbone, in_channels=in_channels, output_stride=8, weights=weights
        )
        channels = self.backbone.channels[-1]
        self.head = nn.Sequential(
            nn.Conv2d(channels, channels // 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels // 4),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv2d(channels // 4, num_classes, 1),
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, in_channels, H, W)
        """Return logits (B, num_classes, H, W), for any H, W of at least 8."""
        check_statistics(self, x, smallest=8)
        z = self.head(self.backbone(x)[-1])  # (B, K, H / 8, W / 8), rounded up
        return F.interpolate(z, x.shape[-2:], mode="bilinear", align_corners=False)


def crop(x: Tensor, size: Sequence[int]) -> Tensor:
    """Cut rows and columns off at the bottom and the right: sizes were rounded up on the way."""
    return x[..., : size[0], : size[1]]
