"""UNet against the same network composed by hand; what its skips are for."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import course_lib.models.unet as module
from course_lib.data import ImageSet
from course_lib.models import UNet
from course_lib.train import TrainConfig, train_supervised
from tests.models.peers import count


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


def test_the_parameter_count_is_that_of_the_docstring() -> None:
    assert f"{count(UNet()):,}" in (module.__doc__ or "")


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


@pytest.mark.slow
def test_one_batch_can_be_learnt_by_heart() -> None:
    torch.manual_seed(0)
    images = torch.randint(256, (8, 3, 16, 24), dtype=torch.uint8)
    targets = (images[:, 0] > 127).to(torch.uint8)
    data = ImageSet(images, targets, ("a", "b"), task="semantic")
    config = TrainConfig(epochs=100, batch_size=8, lr=1e-2, log_every=100)
    history = train_supervised(UNet(widths=(4, 8, 16)), data, config=config, progress=False)
    assert history.epochs[-1]["train_loss"] < 0.1 < history.epochs[0]["train_loss"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UNet(widths=(8,)), "at least two levels"),
        (lambda: UNet(norm="layer"), "batch"),
        (lambda: UNet(up="nearest"), "transpose"),
        (lambda: UNet()(torch.zeros(1, 3, 7, 64)), "8x8"),
    ],
)
def test_bad_arguments_are_named_with_their_cure(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
