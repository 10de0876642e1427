"""What a step costs: counts by hand, memory that follows the tensors, times in turns."""

import pytest
import torch
from torch import Tensor, nn

from course_lib.models import UNet
from course_lib.results.bench.training import (
    Variant,
    logits_of,
    multiply_adds,
    peak_memory,
    step_times,
)


def convolution(channels: int = 16) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, channels, 3, padding=1), nn.Conv2d(channels, 10, 1))


def test_multiply_adds_of_a_convolution_by_hand() -> None:
    by_hand = 20 * 12 * (3 * 9 * 16 + 16 * 10)
    assert multiply_adds(convolution(), (1, 3, 20, 12)) == by_hand
    model = UNet(widths=(4, 8)).train()
    multiply_adds(model, (1, 3, 16, 16))
    assert model.training


@pytest.mark.parity
def test_multiply_adds_equal_a_count_by_hooks() -> None:
    """Another way to count: each convolution's output size times its weights, by hooks."""
    model = UNet(widths=(4, 8, 16), num_classes=5).eval()
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        transposed = isinstance(layer, nn.ConvTranspose2d)
        places = inputs[0] if transposed else output
        total += layer.weight.numel() * places.shape[-2] * places.shape[-1] * len(places)

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    counted = multiply_adds(model, (2, 3, 32, 24))
    assert counted == total


def test_memory_grows_with_the_batch_and_holds_what_the_backward_pass_needs() -> None:
    variant = Variant(lambda: convolution(32))
    one, four = (peak_memory(variant, (n, 3, 64, 64)) for n in (1, 4))
    kept = 4 * 64 * 64 * (32 + 10)  # bytes of the maps of one image
    assert kept < one < 8 * kept
    assert 3 < four / one < 4.5


def test_times_come_for_every_variant() -> None:
    variants = {
        "small": Variant(lambda: convolution(4)),
        "large": Variant(lambda: convolution(256)),
        "quick": Variant(lambda: convolution(256), bf16=True, channels_last=True),
    }
    times = step_times(variants, (2, 3, 48, 48), rounds=5)
    assert times.keys() == variants.keys()
    assert 0 < times["small"] < times["large"]
    assert times["quick"] > 0


def test_a_step_changes_the_weights_and_reads_torchvisions_answers() -> None:
    from course_lib.results.bench.training import Step

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = convolution()

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"out": self.net(x)}

    step = Step(Variant(Wrapped), (1, 3, 16, 16), 10, torch.device("cpu"))
    before = [p.clone() for p in step.model.parameters()]
    step()
    assert all(not torch.equal(a, b) for a, b in zip(before, step.model.parameters(), strict=True))
    assert logits_of(torch.ones(1)) == 1
