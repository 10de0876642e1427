"""Backbones: networks that turn an image into feature maps, from fine to coarse.

Every segmentation model of the course stands on one. A backbone has five stages, each of which
halves height and width; `forward` returns what each stage made. With ``output_stride`` 16 or 8 the
last stages keep their resolution instead, and their kernels are spread (dilated), so that every
weight still sees what it saw before.

"small" is the course's own: the residual network of He et al., arXiv:1512.03385, with one or two
blocks of two 3x3 convolutions at each stage and narrow widths. The others are torchvision's
modules with the classifier cut off; "mobilenet_v3_*" is arXiv:1905.02244.

Differs from torchvision, which dilates only ResNets of bottleneck blocks: here every backbone can
be dilated. Differs from segmentation_models_pytorch, which also dilates the very convolution that
loses its stride: ``dilate_first=True`` does the same, for weights trained that way.

Parameters of "small": 743,696 (resnet18 11,176,512; resnet50 23,508,032; mobilenet_v3_small
927,008).
"""

from collections.abc import Iterator, Sequence

import torch
import torchvision.models as tv
from torch import Tensor, nn

from course_lib.models.fetched import fetched_weights

BACKBONES = (
    "small",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
)
SMALL_WIDTHS = (16, 32, 64, 128, 160)
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of RGB in [0, 1], as torchvision's weights expect it
IMAGENET_STD = (0.229, 0.224, 0.225)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, and a path around them (arXiv:1512.03385, Fig. 2 and Eq. 1-2)."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H / stride, W / stride), rounded up."""
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class Backbone(nn.Module):
    """Five stages; each one's output is a feature map.

    Make one with `backbone`.

    Args:
        stages: The stages, first to last; together they map (B, in_channels, H, W) to features.
        channels: Channels of each stage's output.
        strides: Input pixels between neighbouring positions of each stage's output.
        mean: Subtracted from the image first, one number for each of its channels.
        std: The difference is divided by these.

    Attributes:
        channels: As above, for example (16, 32, 64, 128, 160).
        strides: As above, for example (2, 4, 8, 16, 32), or (2, 4, 8, 8, 8) at output stride 8.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        stages: Sequence[nn.Module],
        *,
        channels: tuple[int, ...],
        strides: tuple[int, ...],
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.channels = channels
        self.strides = strides
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> list[Tensor]:  # (B, in_channels, H, W)
        """Return one map per stage, (B, channels[i], H / strides[i], W / strides[i]), rounded up.

        Raises:
            ValueError: If the image is smaller than the largest stride, or has other channels.
        """
        smallest, channels = self.strides[-1], self.mean.shape[1]
        if x.ndim != 4 or min(x.shape[-2:]) < smallest:
            raise ValueError(
                f"This backbone has output stride {smallest} and got an input of shape "
                f"{tuple(x.shape)}; give it (B, C, H, W) with at least {smallest}x{smallest} "
                "pixels, or choose a smaller output stride."
            )
        if x.shape[1] != channels:  # one channel would pass: it is repeated where mean has three
            raise ValueError(
                f"This backbone reads {channels} channels and got an input of shape "
                f"{tuple(x.shape)}; build it with in_channels={x.shape[1]}, or convert the image."
            )
        x = (x - self.mean) / self.std  # nothing happens unless ImageNet weights are used
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def backbone(
    name: str = "small",
    *,
    in_channels: int = 3,
    output_stride: int = 32,
    weights: str | None = None,
    dilate_first: bool = False,
) -> Backbone:
    """Make a backbone by its name.

    Args:
        name: One of `BACKBONES`.
        in_channels: Channels of the image.
        output_stride: Input pixels between neighbouring positions of the last feature map: 32 (as
            the networks were designed), 16 or 8. Where a stride is left out, the kernels after it
            are dilated instead.
        weights: None, or "imagenet" for torchvision's weights. The images, in [-1, 1] as
            everywhere in the course, are then brought to the colours that those weights expect. A
            model takes them with ``model.backbone.load_state_dict(backbone(name,
            weights="imagenet").state_dict())``; its checkpoints keep the colours.
        dilate_first: Whether the convolution that loses its stride is dilated too. False keeps
            every weight on the pixels it saw before (torchvision's ResNets); True is the
            convention of segmentation_models_pytorch and of torchvision's dilated MobileNet.

    Returns:
        The backbone, in training mode, randomly initialised unless ``weights`` is given.

    Raises:
        ValueError: For an unknown name or output stride, or weights that do not exist or were
            changed.
        FileNotFoundError: If weights are neither cached nor can be downloaded; says what to do.
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone is {name!r}; choose one of {', '.join(BACKBONES)}.")
    if output_stride not in (8, 16, 32):
        raise ValueError(f"output_stride is {output_stride}; choose 8, 16 or 32.")
    if weights not in (None, "imagenet") or (weights and name == "small"):
        raise ValueError(
            f'{name} with weights={weights!r}: choose weights=None, or "imagenet" with one of '
            f"{', '.join(BACKBONES[1:])}."
        )
    if weights and in_channels not in (1, 3):
        raise ValueError(
            f"ImageNet weights read 3 channels and in_channels is {in_channels}; use 3, or 1 "
            "(the weights of the colours are added up), or weights=None."
        )
    stages = _small() if name == "small" else _torchvision(name, pretrained=weights is not None)
    if in_channels != 3:
        _replace_first_convolution(stages[0], in_channels, keep=weights is not None)
    _dilate(stages, output_stride, dilate_first=dilate_first)
    mean, std = [0.0] * in_channels, [1.0] * in_channels
    if weights:  # from [-1, 1]: (x + 1) / 2 has the mean and the deviation of ImageNet
        mean, std = [2 * m - 1 for m in IMAGENET_MEAN], [2 * s for s in IMAGENET_STD]
        if in_channels == 1:
            mean, std = [sum(mean) / 3], [sum(std) / 3]
    return Backbone(
        stages,
        channels=tuple(_last_channels(stage) for stage in stages),
        strides=tuple(min(2 ** (i + 1), output_stride) for i in range(len(stages))),
        mean=mean,
        std=std,
    )


def check_statistics(model: nn.Module, x: Tensor, *, smallest: int) -> None:
    """Refuse a batch that leaves BatchNorm one value per channel to take a mean and variance of."""
    if model.training and len(x) == 1 and tuple(x.shape[-2:]) == (smallest, smallest):
        raise ValueError(
            f"a batch of one image of {smallest}x{smallest} pixels leaves one value per channel, "
            "of which no variance can be taken in training; use more images, a larger image, or "
            "eval()."
        )


def _small() -> list[nn.Module]:
    """The course's own: a stem, then one residual block a stage (and one after the stem)."""
    first = SMALL_WIDTHS[0]
    stem = nn.Sequential(
        nn.Conv2d(3, first, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(inplace=True),
        ResidualBlock(first, first),
    )
    stages: list[nn.Module] = [stem]
    for narrow, wide in zip(SMALL_WIDTHS[:-1], SMALL_WIDTHS[1:], strict=True):
        stages.append(ResidualBlock(narrow, wide, stride=2))
    for module in nn.ModuleList(stages).modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return stages


def _torchvision(name: str, *, pretrained: bool) -> list[nn.Module]:
    """Cut one of torchvision's classifiers into its five stages."""
    net = tv.get_model(name, weights=None)
    if pretrained:
        url = tv.get_model_weights(name).IMAGENET1K_V1.url
        try:
            net.load_state_dict(fetched_weights(url))
        except OSError as problem:  # URLError is one
            folder = f"{torch.hub.get_dir()}/checkpoints"
            raise FileNotFoundError(
                f"The ImageNet weights of {name} are not in {folder} and cannot be downloaded "
                f"({problem}). Without a network: download {url} elsewhere, put the file into "
                'that folder, or train from scratch with weights=None (backbone "small" needs '
                "none)."
            ) from problem
    if name.startswith("resnet"):
        stem = nn.Sequential(net.conv1, net.bn1, net.relu)
        return [stem, nn.Sequential(net.maxpool, net.layer1), net.layer2, net.layer3, net.layer4]
    stages: list[list[nn.Module]] = []
    for block in net.features:  # a new stage begins wherever a stride is
        if any(conv.stride[0] > 1 for conv in _convolutions(block)):
            stages.append([])
        stages[-1].append(block)
    return [nn.Sequential(*blocks) for blocks in stages]


def _dilate(stages: Sequence[nn.Module], output_stride: int, *, dilate_first: bool) -> None:
    """Take out the strides beyond `output_stride`, and spread the kernels that come after them."""
    before = 1
    for index, stage in enumerate(stages):
        if 2 ** (index + 1) <= output_stride:
            continue
        after, stride_seen = 2 * before, dilate_first  # eq-stride-to-dilation
        for conv in _convolutions(stage):
            rate = after if stride_seen else before
            stride_seen = stride_seen or (conv.stride[0] > 1 and conv.kernel_size[0] > 1)
            conv.stride = (1, 1)
            if conv.kernel_size[0] > 1:
                conv.dilation = (rate, rate)
                conv.padding = tuple(rate * (k // 2) for k in conv.kernel_size)
        before = after


def _replace_first_convolution(stem: nn.Module, in_channels: int, *, keep: bool) -> None:
    """Let the first convolution read `in_channels` channels; `keep` adds its weights up to one."""
    old = next(_convolutions(stem))
    old.in_channels = in_channels
    weight = torch.empty(old.out_channels, in_channels, *old.kernel_size)
    if keep:
        weight = old.weight.detach().sum(1, keepdim=True)
    else:
        nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
    old.weight = nn.Parameter(weight)


def _convolutions(module: nn.Module) -> Iterator[nn.Conv2d]:
    """The convolutions of a module, in the order in which they run."""
    return (m for m in module.modules() if isinstance(m, nn.Conv2d))


def _last_channels(stage: nn.Module) -> int:
    """Channels of a stage's output: those of its last normalisation."""
    return [m for m in stage.modules() if isinstance(m, nn.BatchNorm2d)][-1].num_features
