"""What every network must do that labels pixels: any size, gradients, weights that come back."""

import pytest
import torch

from course_lib.models import (
    FCN,
    DeepLabV3,
    DeepLabV3Plus,
    DilatedFCN,
    PixelwiseClassifier,
    ResNetUNet,
    UNet,
)
from tests.models.peers import check_gradients, check_state_dict, shuffled

NARROW = (24, 16, 12, 8, 8)
# Each with the smallest side that it takes.
SEGMENTERS = {
    "pixelwise": (lambda **k: PixelwiseClassifier(**k), 1),
    "unet": (lambda **k: UNet(widths=(4, 8, 16), **k), 4),
    "unet-no-skips": (lambda **k: UNet(widths=(4, 8, 16), skips=False, **k), 4),
    "unet-group": (lambda **k: UNet(widths=(8, 16), norm="group", **k), 2),
    "unet-plain": (lambda **k: UNet(widths=(4, 8, 16), norm="none", **k), 4),
    "unet-bilinear": (lambda **k: UNet(widths=(4, 8, 16), up="bilinear", dropout=0.2, **k), 4),
    "resnet-unet": (lambda **k: ResNetUNet(encoder="small", widths=NARROW, **k), 32),
    "resnet-unet-mobilenet": (
        lambda **k: ResNetUNet(encoder="mobilenet_v3_small", widths=NARROW, **k),
        32,
    ),
    "fcn-32s": (lambda **k: FCN(stride=32, **k), 32),
    "fcn-16s": (lambda **k: FCN(stride=16, **k), 32),
    "fcn-8s": (lambda **k: FCN(**k), 32),
    "dilated-fcn": (lambda **k: DilatedFCN(**k), 8),
    "deeplabv3": (lambda **k: DeepLabV3(width=16, **k), 8),
    "deeplabv3-stride-16": (
        lambda **k: DeepLabV3(width=16, output_stride=16, rates=(1, 3), **k),
        16,
    ),
    "deeplabv3plus": (lambda **k: DeepLabV3Plus(width=16, **k), 16),
    "deeplabv3plus-ordinary": (lambda **k: DeepLabV3Plus(width=16, separable=False, **k), 16),
    "deeplabv3plus-stride-8": (
        lambda **k: DeepLabV3Plus(width=16, output_stride=8, align_corners=True, **k),
        8,
    ),
}


@torch.no_grad()
@pytest.mark.parametrize("name", SEGMENTERS)
def test_every_pixel_of_any_size_is_labelled(name: str) -> None:
    make, smallest = SEGMENTERS[name]
    model = make(in_channels=2, num_classes=5).eval()
    sizes = [(64, 64), (37, 70), (65, 33), (32, 95), (smallest, smallest + 1)]
    for size in sizes:
        assert model(torch.randn(2, 2, *size)).shape == (2, 5, *size)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_every_parameter_gets_a_finite_gradient(name: str) -> None:
    torch.manual_seed(0)
    make, _ = SEGMENTERS[name]
    model = make(num_classes=3)
    if name.startswith("fcn"):  # the finer scores start at zero
        model = shuffled(model).train()
    model(torch.randn(4, 3, 64, 40)).square().sum().backward()
    check_gradients(model)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_state_dict_restores_the_function(name: str) -> None:
    make, _ = SEGMENTERS[name]
    check_state_dict(make(num_classes=3), make(num_classes=3), torch.randn(1, 3, 40, 50))
