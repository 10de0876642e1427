"""Every model: shapes, sizes, gradients, state; and each against a reference composed by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data import ImageSet
from course_lib.models import PixelwiseClassifier, SimpleCNN, UNet
from course_lib.train import TrainConfig, train_supervised

SEGMENTERS = {
    "pixelwise": lambda **k: PixelwiseClassifier(**k),
    "unet": lambda **k: UNet(widths=(4, 8, 16), **k),
    "unet-no-skips": lambda **k: UNet(widths=(4, 8, 16), skips=False, **k),
    "unet-group": lambda **k: UNet(widths=(8, 16), norm="group", **k),
    "unet-plain": lambda **k: UNet(widths=(4, 8, 16), norm="none", **k),
    "unet-bilinear": lambda **k: UNet(widths=(4, 8, 16), up="bilinear", dropout=0.2, **k),
}


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("size", [(32, 32), (17, 40), (33, 7), (4, 5)])
@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_segmenter_labels_every_pixel_of_any_size(name: str, size: tuple[int, int]) -> None:
    model = SEGMENTERS[name](in_channels=2, num_classes=5).eval()
    assert model(torch.randn(3, 2, *size)).shape == (3, 5, *size)


@pytest.mark.parametrize("size", [(32, 32), (17, 40), (64, 5), (4, 4)])
def test_simple_cnn_classifies_any_size(size: tuple[int, int]) -> None:
    assert SimpleCNN(in_channels=1, num_classes=7)(torch.randn(2, 1, *size)).shape == (2, 7)


@pytest.mark.parametrize("name", [*SEGMENTERS, "simple-cnn"])
def test_every_parameter_gets_a_finite_gradient(name: str) -> None:
    torch.manual_seed(0)
    model = SimpleCNN() if name == "simple-cnn" else SEGMENTERS[name](num_classes=3)
    model(torch.randn(4, 3, 32, 24)).square().sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_state_dict_restores_the_function(name: str) -> None:
    first, second = (SEGMENTERS[name](num_classes=3).eval() for _ in range(2))
    x = torch.randn(1, 3, 19, 22)
    assert not torch.allclose(first(x), second(x))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x), second(x))


def test_parameter_counts_are_those_of_the_docstrings() -> None:
    import course_lib.models.pixelwise as pixelwise
    import course_lib.models.simple_cnn as simple_cnn
    import course_lib.models.unet as unet

    assert f"{count(UNet()):,}" in (unet.__doc__ or "")
    assert f"{count(SimpleCNN()):,}" in (simple_cnn.__doc__ or "")
    assert f"{count(PixelwiseClassifier(num_classes=9)):,}" in (pixelwise.__doc__ or "")
    assert f"{SimpleCNN().fc1.weight.numel() + 128:,}" in (simple_cnn.__doc__ or "")


@pytest.mark.parity
def test_simple_cnn_is_the_documents_network_with_the_right_number_of_inputs() -> None:
    model = SimpleCNN().double()
    x = torch.randn(5, 3, 32, 32, dtype=torch.float64)
    h = F.max_pool2d(F.conv2d(x, model.conv1.weight, model.conv1.bias, padding=1).relu(), 2, 2)
    h = F.max_pool2d(F.conv2d(h, model.conv2.weight, model.conv2.bias, padding=1).relu(), 2, 2)
    assert h.shape == (5, 64, 8, 8)
    h = h.reshape(5, 64 * 8 * 8) @ model.fc1.weight.T + model.fc1.bias
    expected = h.relu() @ model.fc2.weight.T + model.fc2.bias
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)


def reference_unet(state: dict[str, Tensor], x: Tensor, *, skips: bool) -> Tensor:
    """The U-Net of two levels, written out with functions, BatchNorm in eval mode."""

    def double(x: Tensor, key: str) -> Tensor:
        for conv, norm in ((0, 1), (3, 4)):
            x = F.conv2d(x, state[f"{key}.{conv}.weight"], padding=1)
            at = f"{key}.{norm}."
            scale = state[at + "weight"] / (state[at + "running_var"] + 1e-5).sqrt()
            shift = state[at + "bias"] - state[at + "running_mean"] * scale
            x = (x * scale[:, None, None] + shift[:, None, None]).clamp(min=0)
        return x

    fine = double(x, "stem")
    coarse = double(F.max_pool2d(fine, 2), "encoder.0")
    up = F.conv_transpose2d(
        coarse, state["decoder.0.up.weight"], state["decoder.0.up.bias"], stride=2
    )
    height, width = fine.shape[-2:]
    up = F.pad(up, [0, width - up.shape[-1], 0, height - up.shape[-2]], mode="replicate")
    mixed = double(torch.cat([fine, up], dim=1) if skips else up, "decoder.0.mix")
    return F.conv2d(mixed, state["head.weight"], state["head.bias"])


@pytest.mark.parity
@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("size", [(16, 16), (9, 14), (13, 7)])
def test_unet_equals_the_same_network_composed_of_functions(
    size: tuple[int, int], skips: bool
) -> None:
    torch.manual_seed(1)
    model = UNet(widths=(4, 6), num_classes=3, skips=skips).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    model.train()
    model(x)  # moves the running statistics away from 0 and 1
    model.eval()
    expected = reference_unet(model.state_dict(), x, skips=skips)
    torch.testing.assert_close(model(x), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parity
def test_the_papers_widths_give_the_papers_number_of_weights() -> None:
    """Without normalisation the layers are those of arXiv:1505.04597 and its 31.0 M parameters."""
    model = UNet(in_channels=1, num_classes=2, widths=(64, 128, 256, 512, 1024), norm="none")
    assert count(model) == 31_030_658


@pytest.mark.parametrize("skips", [True, False])
def test_fine_detail_reaches_the_output_only_through_the_skip(skips: bool) -> None:
    torch.manual_seed(0)
    model = UNet(widths=(4, 8), skips=skips).eval()
    up = model.decoder[0].up
    torch.nn.init.zeros_(up.weight)  # nothing comes from below any more
    torch.nn.init.zeros_(up.bias)
    inner = model(torch.randn(1, 3, 16, 20))[..., 2:-2, 2:-2]  # away from the padding
    varies = bool(inner.std(dim=(-2, -1)).max() > 1e-6)
    assert varies is skips


@pytest.mark.parametrize("name", ["pixelwise", "unet", "simple-cnn"])
def test_one_batch_can_be_learnt_by_heart(name: str) -> None:
    torch.manual_seed(0)
    semantic = name != "simple-cnn"
    images = torch.randint(256, (8, 3, 16, 24), dtype=torch.uint8)
    # A rule that one pixel reveals, so that even 1x1 convolutions can learn it.
    targets = (images[:, 0] > 127).to(torch.uint8) if semantic else torch.arange(8) % 2
    data = ImageSet(images, targets, ("a", "b"), task="semantic" if semantic else "classification")
    model = SEGMENTERS[name](num_classes=2) if semantic else SimpleCNN(num_classes=2)
    config = TrainConfig(epochs=100, batch_size=8, lr=1e-2, log_every=100)
    history = train_supervised(model, data, config=config, progress=False)
    assert history.epochs[-1]["train_loss"] < 0.1 < history.epochs[0]["train_loss"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UNet(widths=(8,)), "at least two levels"),
        (lambda: UNet(norm="layer"), "batch"),
        (lambda: UNet(up="nearest"), "transpose"),
        (lambda: UNet()(torch.zeros(1, 3, 7, 64)), "8x8"),
        (lambda: SimpleCNN()(torch.zeros(1, 3, 3, 64)), "4x4"),
    ],
)
def test_bad_arguments_are_named_with_their_cure(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
