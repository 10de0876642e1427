"""ResNetUNet equals smp.Unet on the same weights; UNet equals MONAI's BasicUNet where it can."""

import pytest
import torch
from torch import nn

from course_lib.models import ResNetUNet, UNet
from tests.models.peers import count, relative_error, unsettle

SMALL = (24, 16, 12, 8, 8)


def from_smp(key: str) -> str:
    """The name of one of smp.Unet's tensors in ResNetUNet."""
    stages = {"conv1": "0.0", "bn1": "0.1", "layer1": "1.1"}
    stages |= {"layer2": "2", "layer3": "3", "layer4": "4"}
    room, name, rest = key.split(".", 2)
    if room == "encoder":
        return f"encoder.stages.{stages[name]}.{rest}"
    if room == "segmentation_head":
        return f"head.{rest}"
    level, conv, layer, rest = rest.split(".", 3)  # decoder.blocks.LEVEL.convN.0|1.NAME
    place = {"conv1": 0, "conv2": 3}[conv] + int(layer)
    return f"decoder.{level}.mix.{place}.{rest}"


@pytest.fixture(scope="module", params=["resnet18", "resnet34"])
def pair(request: pytest.FixtureRequest) -> tuple[ResNetUNet, nn.Module]:
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    with torch.no_grad():
        theirs = unsettle(smp.Unet(request.param, encoder_weights=None, classes=5))
        ours = ResNetUNet(encoder=request.param, num_classes=5)
        weights = {from_smp(key): value for key, value in theirs.state_dict().items()}
        found = ours.load_state_dict(weights, strict=False)
    assert found.unexpected_keys == []
    assert set(found.missing_keys) == {"encoder.mean", "encoder.std"}
    return ours, theirs


@pytest.mark.parity
@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (64, 96), (77, 51), (33, 65), (32, 32)])
def test_it_equals_smp_on_the_same_weights(
    pair: tuple[ResNetUNet, nn.Module], size: tuple[int, int]
) -> None:
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    ours, theirs = (model.eval()(x) for model in pair)
    assert ours.shape == (2, 5, *size)
    assert relative_error(ours, theirs) < 1e-5


@pytest.mark.parity
def test_in_training_it_equals_smp_too(pair: tuple[ResNetUNet, nn.Module]) -> None:
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    gradients = []
    for model in pair:
        state = {k: v.clone() for k, v in model.state_dict().items()}
        model.train().zero_grad()
        model(x).square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
        model.load_state_dict(state)
        model.eval()
    by_size = [sorted(g.norm().item() for g in one) for one in gradients]
    assert by_size[0] == pytest.approx(by_size[1], rel=1e-3, abs=1e-7)


def test_parameters_are_those_of_the_docstring() -> None:
    assert count(ResNetUNet()) == 14_328_354


def test_what_cannot_be_built_or_run_says_why() -> None:
    with pytest.raises(ValueError, match="5 stages"):
        ResNetUNet(encoder="small", widths=(32, 16))
    with pytest.raises(ValueError, match="choose one of"):
        ResNetUNet(encoder="resnet19")
    with pytest.raises(ValueError, match="at least 32x32"):
        ResNetUNet(encoder="small", widths=SMALL)(torch.zeros(1, 3, 31, 64))
    with pytest.raises(ValueError, match="a batch of one image of 32x32"):
        ResNetUNet(encoder="small", widths=SMALL).train()(torch.zeros(1, 3, 32, 32))


# ------------------------------------------------------------------------------ plain, with monai


def basic_unet(widths: tuple[int, ...]) -> nn.Module:
    """MONAI's network with the course's normalisation and activation."""
    from monai.networks.nets import BasicUNet

    return BasicUNet(
        spatial_dims=2,
        in_channels=3,
        out_channels=4,
        features=(*widths, widths[0]),
        act=("RELU", {"inplace": True}),
        norm="batch",
        bias=False,
    )


def from_monai(key: str) -> str:
    """The name of one of BasicUNet's tensors in UNet."""
    key = key.replace(".conv_0.conv.", ".0.").replace(".conv_0.adn.N.", ".1.")
    key = key.replace(".conv_1.conv.", ".3.").replace(".conv_1.adn.N.", ".4.")
    key = key.replace("final_conv.", "head.").replace("conv_0.", "stem.", 1)
    for level in (1, 2, 3, 4):
        key = key.replace(f"down_{level}.convs", f"encoder.{level - 1}")
        key = key.replace(f"upcat_{level}.upsample.deconv", f"decoder.{4 - level}.up")
        key = key.replace(f"upcat_{level}.convs", f"decoder.{4 - level}.mix")
    return key


@pytest.mark.parity
@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (48, 80), (51, 77)])
def test_the_plain_unet_equals_monais_where_the_first_two_widths_are_equal(
    size: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    widths = (8, 8, 16, 32, 64)
    theirs = unsettle(basic_unet(widths))
    ours = UNet(num_classes=4, widths=widths).eval()
    ours.load_state_dict({from_monai(key): value for key, value in theirs.state_dict().items()})
    x = torch.randn(2, 3, *size)
    assert relative_error(ours(x), theirs(x)) < 1e-5


@pytest.mark.parity
def test_elsewhere_they_differ_in_the_last_transposed_convolution() -> None:
    """MONAI's last step up keeps the channels; ours halves them as the others do."""
    widths = (8, 16, 32, 64, 128)
    theirs, ours = basic_unet(widths).state_dict(), UNet(num_classes=4, widths=widths).state_dict()
    theirs = {from_monai(key): value.shape for key, value in theirs.items()}
    different = {key for key, value in ours.items() if value.shape != theirs[key]}
    assert theirs.keys() == ours.keys()
    assert different == {"decoder.3.up.weight", "decoder.3.up.bias", "decoder.3.mix.0.weight"}
    assert theirs["decoder.3.up.weight"][:2] == (16, 16)
    assert ours["decoder.3.up.weight"].shape[:2] == (16, 8)
