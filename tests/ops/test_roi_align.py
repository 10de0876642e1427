"""RoIAlign equals torchvision's in value and gradient, and what is said of it is true."""

import math

import pytest
import torch
from torch import Tensor
from torchvision.ops import roi_align as reference

from course_lib.ops import roi_align
from course_lib.ops.roi_align import axis_weights

CASES = 2000


def random_case(generator: torch.Generator) -> tuple[Tensor, list[Tensor], dict]:
    """Features of any size, and boxes inside, across and beyond the border, some flat."""

    def pick(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    height, width, images = pick(1, 12), pick(1, 15), pick(1, 4)
    features = torch.randn(images, pick(1, 4), height, width, generator=generator).double()
    scale = (1.0, 0.5, 0.25)[pick(0, 3)]
    boxes = []
    for _ in range(images):
        number = pick(0, 5)
        start = (torch.rand(number, 2, generator=generator).double() * 1.8 - 0.4) / scale
        start = start * torch.tensor([width, height])
        size = torch.rand(number, 2, generator=generator).double() * 1.2 / scale
        size = size * torch.tensor([width, height])
        size[torch.rand(number, 2, generator=generator) < 0.15] = 0
        corners = torch.cat([start, start + size], 1)
        boxes.append(corners.round() if pick(0, 3) == 0 else corners)
    options = {
        "output_size": (pick(1, 6), pick(1, 6)),
        "spatial_scale": scale,
        "sampling_ratio": (1, 2, 3, -1)[pick(0, 4)],
        "aligned": bool(pick(0, 2)),
    }
    return features, boxes, options


@pytest.mark.slow
@pytest.mark.parity
def test_value_and_gradient_equal_torchvision() -> None:
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(CASES):
        features, boxes, options = random_case(generator)
        ours, theirs = features.clone().requires_grad_(), features.clone().requires_grad_()
        a = roi_align(ours, boxes, **options)
        b = reference(theirs, boxes, **options)
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
        weight = torch.randn(a.shape, generator=generator).double()
        (a * weight).sum().backward()
        (b * weight).sum().backward()
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-9, atol=1e-9)
        seen.add((options["sampling_ratio"], options["aligned"]))
    assert len(seen) == 8


@pytest.mark.parity
def test_it_equals_torchvision_in_float32_on_one_size() -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(CASES // 10):
        features, boxes, options = random_case(generator)
        features, boxes = features.float(), [b.float() for b in boxes]
        options["output_size"] = options["output_size"][0]
        b = reference(features, boxes, **options)
        torch.testing.assert_close(roi_align(features, boxes, **options), b, rtol=1e-4, atol=1e-4)


def test_by_hand() -> None:
    """One cell of four samples on a ramp: a mean of positions, for the ramp is linear."""
    features = torch.arange(5.0)[None, None, None, :].repeat(1, 1, 4, 1)  # value = column
    boxes = [torch.tensor([[1.0, 1.0, 3.0, 3.0]])]
    # Half-open from column 1 to 3: its middle is the edge between the pixels 1 and 2.
    assert roi_align(features, boxes, 1).item() == pytest.approx(1.5)
    # The first convention puts the first pixel's centre at 0: half a pixel to the right.
    assert roi_align(features, boxes, 1, aligned=False).item() == pytest.approx(2.0)


def test_a_box_on_whole_pixels_of_its_own_size_is_the_crop() -> None:
    features = torch.randn(1, 3, 7, 9, generator=torch.Generator().manual_seed(2))
    boxes = [torch.tensor([[2.0, 1.0, 6.0, 6.0]])]
    crop = features[:, :, 1:6, 2:6]
    torch.testing.assert_close(roi_align(features, boxes, (5, 4), sampling_ratio=1), crop)
    off = roi_align(features, boxes, (5, 4), sampling_ratio=1, aligned=False)
    assert not torch.allclose(off, crop, atol=0.1)


def test_weights_of_an_axis() -> None:
    # One sample at 1.25: a quarter of pixel 2, three quarters of pixel 1.
    weights = axis_weights(torch.tensor([1.25 - 0.5]), torch.tensor([1.0]), 1, 4, 1)
    assert weights.tolist() == [[[0.0, 0.75, 0.25, 0.0]]]
    # Up to one pixel outside counts as the end; farther out as nothing.
    at = torch.tensor([-1.0, -1.01, 4.0, 4.01])
    weights = axis_weights(at, torch.zeros(4), 1, 4, 1)
    assert weights.sum(-1).flatten().tolist() == [1.0, 0.0, 1.0, 0.0]
    assert weights[0, 0].tolist() == [1, 0, 0, 0] and weights[2, 0].tolist() == [0, 0, 0, 1]


def test_the_gradient_goes_to_the_boxes_too() -> None:
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(1, 2, 6, 7, generator=generator).double()
    box = torch.tensor([[0.63, 1.21, 4.37, 4.79]]).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda b: roi_align(features, [b], (2, 3)), (box,))


def test_no_boxes_and_no_area() -> None:
    features = torch.randn(2, 3, 5, 6)
    none = roi_align(features, [torch.zeros(0, 4)] * 2, (2, 3))
    assert none.shape == (0, 3, 2, 3)
    flat = [torch.tensor([[2.0, 2.0, 2.0, 4.0]]), torch.zeros(0, 4)]
    assert roi_align(features, flat, 2, sampling_ratio=-1).abs().max() == 0  # no samples
    assert roi_align(features, flat, 2).abs().max() > 0  # two samples at the same place


GOOD = [torch.tensor([[0.0, 0.0, 2.0, 2.0]])]


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("features", "boxes", "options", "message"),
    [
        (torch.zeros(1, 3, 3), GOOD, {}, r"give float of shape \(B, C, H, W\)"),
        (torch.zeros(1, 1, 3, 3).long(), GOOD, {}, "int64"),
        (torch.zeros(1, 1, 0, 3), GOOD, {}, "at least one pixel"),
        (torch.zeros(1, 1, 3, 3), GOOD[0], {}, "wanted a list of 1 tensors"),
        (torch.zeros(2, 1, 3, 3), GOOD, {}, "wanted a list of 2 tensors"),
        (torch.zeros(1, 1, 3, 3), [torch.zeros(1, 5)], {}, r"boxes\[0\] are"),
        (torch.zeros(1, 1, 3, 3), [torch.tensor([[5.0, 5, 2, 2]])], {}, "xywh"),
        (torch.zeros(1, 1, 3, 3), [torch.tensor([[0.0, 0, 2, math.nan]])], {}, "finite"),
        (torch.zeros(1, 1, 3, 3), GOOD, {"output_size": 0}, "output_size is"),
        (torch.zeros(1, 1, 3, 3), GOOD, {"spatial_scale": 0.0}, "spatial_scale is"),
        (torch.zeros(1, 1, 3, 3), GOOD, {"sampling_ratio": 0}, "sampling_ratio is 0"),
    ],
)
def test_what_cannot_be_is_refused(features, boxes, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        roi_align(features, boxes, **({"output_size": 2} | options))
