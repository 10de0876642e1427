"""DeepLab equals torchvision's and segmentation_models_pytorch's on the same weights."""

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.segmentation import deeplabv3_resnet50

import course_lib.models.deeplab as module
from course_lib.models import DeepLabV3, DeepLabV3Plus
from course_lib.models.backbones import backbone
from course_lib.models.deeplab import ASPP, SeparableConv
from tests.models.peers import count, relative_error, unsettle


def copy(ours: nn.Module, peer: nn.Module, pairs: dict[str, str | tuple[str, ...]]) -> None:
    """Copy the weights of each of the peer's parts into ours; both hold them in one order."""
    own, theirs = ours.state_dict(), peer.state_dict()
    new = {}
    for mine, other in pairs.items():
        a = [k for k in own if k.startswith(mine) and not k.endswith((".mean", ".std"))]
        b = [k for k in theirs if k.startswith(other) and ".fc." not in k]
        assert len(a) == len(b), (mine, len(a), other, len(b))
        assert all(own[i].shape == theirs[j].shape for i, j in zip(a, b, strict=True))
        new.update(zip(a, (theirs[j] for j in b), strict=True))
    missing = ours.load_state_dict(new, strict=False).missing_keys
    assert set(missing) == {"backbone.mean", "backbone.std"}


@pytest.mark.slow
@pytest.mark.parity
@torch.no_grad()
def test_deeplabv3_equals_torchvisions() -> None:
    torch.manual_seed(0)
    peer = unsettle(deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=5))
    ours = DeepLabV3(num_classes=5, backbone="resnet50").eval()
    copy(
        ours,
        peer,
        {
            "backbone": "backbone",
            "aspp.branches": tuple(f"classifier.0.convs.{i}" for i in range(4)),
            "aspp.pooled": "classifier.0.convs.4",
            "aspp.project": "classifier.0.project",
            "mix": ("classifier.1", "classifier.2"),
            "head": "classifier.4",
        },
    )
    for size in [(64, 64), (40, 72), (51, 73), (8, 9)]:
        x = torch.randn(1, 3, *size)
        assert relative_error(ours(x), peer(x)["out"]) < 1e-5, size


@pytest.fixture(scope="module")
def plus() -> tuple[DeepLabV3Plus, nn.Module]:
    torch.manual_seed(0)
    with torch.no_grad():
        peer = unsettle(smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=5))
        ours = DeepLabV3Plus(
            num_classes=5, backbone="resnet18", rates=(12, 24, 36), align_corners=True
        )
        ours.backbone = backbone("resnet18", output_stride=16, dilate_first=True)
        copy(
            ours,
            peer,
            {
                "backbone": "encoder",
                "aspp.branches": tuple(f"decoder.aspp.0.convs.{i}" for i in range(4)),
                "aspp.pooled": "decoder.aspp.0.convs.4",
                "aspp.project": "decoder.aspp.0.project",
                "mix": ("decoder.aspp.1", "decoder.aspp.2"),
                "reduce": "decoder.block1",
                "decode": "decoder.block2",
                "head": "segmentation_head",
            },
        )
    return ours.eval(), peer


@pytest.mark.parity
@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (48, 80), (16, 32)])
def test_deeplabv3plus_equals_that_of_smp(
    plus: tuple[DeepLabV3Plus, nn.Module], size: tuple[int, int]
) -> None:
    ours, peer = plus
    x = torch.randn(2, 3, *size)
    assert relative_error(ours(x), peer(x)) < 1e-5


@pytest.mark.parity
@torch.no_grad()
@pytest.mark.parametrize("size", [(65, 65), (49, 78), (17, 31)])
def test_at_other_sizes_it_equals_the_parts_of_smp_resized_to_meet(
    plus: tuple[DeepLabV3Plus, nn.Module], size: tuple[int, int]
) -> None:
    """The library refuses sizes that 16 does not divide; its parts do not."""
    ours, peer = plus
    x = torch.randn(2, 3, *size)
    with pytest.raises(RuntimeError, match="divisible by 16"):
        peer(x)
    features = peer.encoder(x)
    fine = peer.decoder.block1(features[2])
    context = F.interpolate(
        peer.decoder.aspp(features[-1]), fine.shape[-2:], mode="bilinear", align_corners=True
    )
    y = peer.segmentation_head[0](peer.decoder.block2(torch.cat([context, fine], dim=1)))
    expected = F.interpolate(y, size, mode="bilinear", align_corners=True)
    assert relative_error(ours(x), expected) < 1e-5


@torch.no_grad()
def test_the_separable_convolution_is_the_ordinary_one_with_a_factorised_kernel() -> None:
    layer = SeparableConv(3, 4, rate=2)
    kernel = layer[1].weight * layer[0].weight.movedim(0, 1)  # (O, C, 1, 1) * (1, C, 3, 3)
    x = torch.randn(2, 3, 9, 11)
    expected = F.conv2d(x, kernel, padding=2, dilation=2)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-6)


def test_the_default_rates_follow_paper_and_backbone() -> None:
    def rates(model: nn.Module) -> list[int]:
        return [m.dilation[0] for m in model.aspp.branches.modules() if kernel_of(m) == (3, 3)]

    def kernel_of(m: nn.Module) -> object:
        return getattr(m, "kernel_size", None)

    assert rates(DeepLabV3()) == [2, 4, 6]
    assert rates(DeepLabV3Plus()) == [1, 2, 3]
    assert rates(DeepLabV3Plus(rates=[3, 5])) == [3, 5]
    assert module.PAPER_RATES == {16: (6, 12, 18), 8: (12, 24, 36)}
    assert rates(DeepLabV3Plus(backbone="mobilenet_v3_small")) == [6, 12, 18]


def test_parameter_counts_are_those_of_the_docstring() -> None:
    for model in (DeepLabV3(), DeepLabV3Plus()):
        said = f"{type(model).__name__} {count(model):,}"
        assert said in (module.__doc__ or "").replace("\n", " "), said


def test_dropout_is_off_in_evaluation_and_on_in_training() -> None:
    torch.manual_seed(0)
    layer = ASPP(4, 8, rates=(1,))
    x = torch.randn(2, 4, 16, 16)
    zeros = (layer(x) == 0).float().mean()
    layer.project[-1].p = 0.0
    assert zeros > (layer(x) == 0).float().mean() + 0.15
    assert torch.equal(layer.eval()(x), layer(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeepLabV3(output_stride=32), "8 or 16"),
        (lambda: DeepLabV3Plus(backbone="vgg"), "choose one of"),
        (lambda: DeepLabV3(rates=(0, 1)), "at least 1"),
        (lambda: DeepLabV3Plus(rates=()), "at least 1"),
        (lambda: DeepLabV3()(torch.zeros(2, 3, 7, 64)), "8x8"),
        (lambda: DeepLabV3Plus()(torch.zeros(2, 3, 64, 15)), "16x16"),
        (lambda: DeepLabV3()(torch.zeros(1, 3, 32, 32)), "at least 2 images per batch"),
    ],
)
def test_bad_arguments_are_named_with_their_cure(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_a_classifiers_output_stride_is_for_comparison() -> None:
    """At 32, with rates given: a map of a thirty-second of the image, and equal parameters."""
    coarse, fine = DeepLabV3(output_stride=32, rates=(1, 1, 2)), DeepLabV3(output_stride=8)
    assert coarse.backbone.strides[-1] == 32
    count = [sum(p.numel() for p in model.parameters()) for model in (coarse, fine)]
    assert count[0] == count[1]
    assert coarse.eval()(torch.zeros(1, 3, 64, 96)).shape == (1, 2, 64, 96)
    with pytest.raises(ValueError, match="choose 8, 16 or 32"):
        DeepLabV3(output_stride=4, rates=(1, 2, 3))


@pytest.mark.parametrize("network", [DeepLabV3, DeepLabV3Plus])
def test_dropout_can_be_chosen(network: type) -> None:
    assert network().aspp.project[-1].p == 0.5
    assert network(dropout=0.1).aspp.project[-1].p == 0.1


def test_one_image_is_enough_in_evaluation() -> None:
    assert DeepLabV3().eval()(torch.zeros(1, 3, 32, 32)).isfinite().all()
