"""Backbones equal torchvision's, strided and dilated; and dilation keeps the function."""

from urllib.error import URLError

import pytest
import torch
import torchvision.models as tv
from torch import nn

import course_lib.models.backbones as module
from course_lib.models.backbones import BACKBONES, Backbone, backbone
from tests.models.peers import check_gradients, count, relative_error, unsettle

QUICK = ["small", "mobilenet_v3_small"]


@torch.no_grad()
@pytest.mark.parametrize("output_stride", [32, 16, 8])
@pytest.mark.parametrize("name", QUICK)
def test_features_have_the_channels_and_strides_they_announce(
    name: str, output_stride: int
) -> None:
    net = backbone(name, in_channels=2, output_stride=output_stride).eval()
    assert len(net.channels) == len(net.strides) == 5
    assert max(net.strides) == output_stride
    for size in [(64, 64), (33, 71), (output_stride, output_stride + 1)]:
        features = net(torch.randn(2, 2, *size))
        for feature, channels, stride in zip(features, net.channels, net.strides, strict=True):
            assert feature.shape == (2, channels, *(-(-n // stride) for n in size))


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "output_stride"),
    [("small", 16), ("small", 8), ("resnet18", 8), ("mobilenet_v3_small", 8)],
)
def test_a_dilated_backbone_computes_what_the_strided_one_does_and_more(
    name: str, output_stride: int
) -> None:
    """Every (32 / output_stride)-th position holds the strided network's own numbers.

    (MobileNet: without its gates, which average over the whole map.)
    """
    torch.manual_seed(0)
    strided = unsettle(backbone(name)).double()
    dense = backbone(name, output_stride=output_stride).eval().double()
    dense.load_state_dict(strided.state_dict())
    other = backbone(name, output_stride=output_stride, dilate_first=True).eval().double()
    other.load_state_dict(strided.state_dict())
    x = torch.randn(1, 3, 96, 71, dtype=torch.float64)
    step = 32 // output_stride
    if name.startswith("mobilenet"):  # its squeeze-and-excitation averages over all positions
        for net in (strided, dense, other):
            for gate in (m for m in net.modules() if type(m).__name__ == "SqueezeExcitation"):
                gate.forward = lambda y: y  # type: ignore[method-assign]
    expected = strided(x)[-1]
    torch.testing.assert_close(dense(x)[-1][..., ::step, ::step], expected, rtol=1e-9, atol=1e-9)
    assert relative_error(other(x)[-1][..., ::step, ::step], expected) > 1e-3


@pytest.mark.parity
@torch.no_grad()
@pytest.mark.parametrize("output_stride", [16, 8])
def test_resnet50_equals_torchvisions(output_stride: int) -> None:
    torch.manual_seed(0)
    dilate = [False, output_stride < 16, output_stride < 32]
    peer = tv.resnet50(replace_stride_with_dilation=dilate)
    ours = backbone("resnet50", output_stride=output_stride).eval()
    unsettle(peer)
    copy_in_order(ours, peer)
    for size in [(64, 64), (33, 71)]:
        x = torch.randn(1, 3, *size)
        y = peer.maxpool(peer.relu(peer.bn1(peer.conv1(x))))
        for feature, layer in zip(ours(x)[1:], "1234", strict=True):
            y = getattr(peer, f"layer{layer}")(y)
            assert relative_error(feature, y) < 1e-5


@pytest.mark.parity
@torch.no_grad()
@pytest.mark.parametrize("dilated", [False, True])
def test_mobilenet_equals_torchvisions(dilated: bool) -> None:
    torch.manual_seed(0)
    peer = unsettle(tv.mobilenet_v3_small(dilated=dilated))
    ours = backbone(
        "mobilenet_v3_small", output_stride=16 if dilated else 32, dilate_first=True
    ).eval()
    copy_in_order(ours, peer)
    x = torch.randn(1, 3, 65, 96)
    assert relative_error(ours(x)[-1], peer.features(x)) < 1e-5


def copy_in_order(ours: Backbone, peer: nn.Module) -> None:
    """Copy a peer's weights; both hold the same tensors in the same order, ours under `stages`."""
    own = [key for key in ours.state_dict() if key.startswith("stages.")]
    state = dict(zip(own, peer.state_dict().values(), strict=False))
    missing = ours.load_state_dict(state, strict=False).missing_keys
    assert set(missing) == {"mean", "std"}


def test_parameter_counts_are_those_of_the_docstring() -> None:
    for name in ("small", "resnet18", "resnet50", "mobilenet_v3_small"):
        assert f"{count(backbone(name)):,}" in (module.__doc__ or ""), name


@pytest.mark.parametrize("name", ["small", "mobilenet_v3_small"])
def test_every_parameter_gets_a_finite_gradient(name: str) -> None:
    torch.manual_seed(0)
    net = backbone(name, output_stride=8)
    net(torch.randn(2, 3, 32, 24))[-1].square().sum().backward()
    check_gradients(net)


@torch.no_grad()
def test_imagenet_weights_get_the_colours_they_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = unsettle(tv.resnet18())
    monkeypatch.setattr(module, "fetched_weights", lambda url: stranger.state_dict())
    x = torch.rand(1, 3, 40, 50)  # [0, 1]
    mean, std = (torch.tensor(n).view(3, 1, 1) for n in (module.IMAGENET_MEAN, module.IMAGENET_STD))
    expected = stranger.relu(stranger.bn1(stranger.conv1((x - mean) / std)))
    trained = backbone("resnet18", weights="imagenet").eval()
    assert relative_error(trained(2 * x - 1)[0], expected) < 1e-5
    copy = backbone("resnet18", output_stride=16).eval()
    copy.load_state_dict(trained.state_dict())  # as a checkpoint, or another model, would
    assert relative_error(copy(2 * x - 1)[0], expected) < 1e-5
    grey = backbone("resnet18", weights="imagenet", in_channels=1)
    assert grey.stages[0][0].weight.shape == (64, 1, 7, 7)


def test_without_a_network_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(url: str) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(module, "fetched_weights", offline)
    with pytest.raises(FileNotFoundError, match=r"resnet18-.*\.pth elsewhere.*weights=None"):
        backbone("resnet18", weights="imagenet")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: backbone("vgg16"), "mobilenet_v3_small"),
        (lambda: backbone(output_stride=4), "8, 16 or 32"),
        (lambda: backbone("small", weights="imagenet"), "weights=None"),
        (lambda: backbone("resnet18", weights="coco"), "imagenet"),
        (lambda: backbone("resnet18", in_channels=4, weights="imagenet"), "in_channels is 4"),
        (lambda: backbone()(torch.zeros(1, 3, 31, 64)), "32x32"),
        (lambda: backbone()(torch.zeros(2, 1, 64, 64)), "reads 3 channels.*in_channels=1"),
        (lambda: backbone(in_channels=1)(torch.zeros(2, 3, 64, 64)), "in_channels=3"),
        (lambda: backbone()(torch.zeros(3, 64, 64)), r"\(B, C, H, W\)"),
        (lambda: backbone(output_stride=8)(torch.zeros(1, 3, 7, 64)), "8x8"),
    ],
)
def test_bad_arguments_are_named_with_their_cure(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_every_name_makes_a_backbone() -> None:
    with torch.device("meta"):
        names = [name for name in BACKBONES if name.startswith("resnet")]
        assert all(len(module._torchvision(name, pretrained=False)) == 5 for name in names)
    assert isinstance(backbone("mobilenet_v3_large", output_stride=8), Backbone)
