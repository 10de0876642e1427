"""Boxes equal torchvision's, and are what a hand finds."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import box_area as tv_area
from torchvision.ops import box_iou as tv_iou
from torchvision.ops import clip_boxes_to_image, masks_to_boxes

from course_lib.ops import (
    box_area,
    box_iou,
    boxes_of_ids,
    boxes_of_masks,
    clip_boxes,
    decode_boxes,
    encode_boxes,
)


def random_boxes(number: int, seed: int, *, smallest: float = 0.5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = 60 * torch.rand((number, 2), generator=generator, dtype=torch.float64) - 10
    sides = smallest + 40 * torch.rand((number, 2), generator=generator, dtype=torch.float64)
    return torch.cat([corner, corner + sides], dim=1)


@pytest.mark.parity
@settings(max_examples=300, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 2**20))
def test_iou_and_area_equal_torchvision(n: int, m: int, seed: int) -> None:
    a, b = random_boxes(n, seed), random_boxes(m, seed + 1)
    if n and m:
        b[0] = a[0]
    assert torch.allclose(box_iou(a, b), tv_iou(a, b), atol=1e-12)
    assert torch.allclose(box_area(a), tv_area(a), atol=1e-12)


def test_iou_of_a_batch_is_that_of_each() -> None:
    a = torch.stack([random_boxes(5, 0), random_boxes(5, 1)])
    b = random_boxes(7, 2)
    for one, of_a in zip(box_iou(a, b), a, strict=True):
        assert torch.equal(one, box_iou(of_a, b))


def test_boxes_without_area() -> None:
    point = torch.tensor([[3.0, 3, 3, 3], [5, 5, 2, 9]])
    whole = torch.tensor([[0.0, 0, 10, 10]])
    assert box_iou(point, point).tolist() == [[0, 0], [0, 0]]
    assert box_iou(point, whole).tolist() == [[0], [0]]
    assert box_area(point).tolist() == [0, 0]
    assert box_iou(torch.zeros(0, 4), whole).shape == (0, 1)


def test_one_pixel_has_a_width() -> None:
    pixel = torch.tensor([[4.0, 2, 5, 3]])
    assert box_area(pixel).item() == 1
    assert box_iou(pixel, torch.tensor([[4.0, 2, 6, 3]])).item() == 0.5
    assert encode_boxes(pixel, pixel).tolist() == [[0, 0, 0, 0]]


def test_what_is_no_box_is_refused() -> None:
    with pytest.raises(ValueError, match=r"give boxes \(n, 4\)"):
        box_iou(torch.zeros(0), torch.zeros(1, 4))
    with pytest.raises(ValueError, match="one plane for each object"):
        boxes_of_masks(torch.zeros(4, 4))


@pytest.mark.parity
@settings(max_examples=300, deadline=None)
@given(st.integers(0, 12), st.integers(0, 2**20), st.sampled_from([(1, 1, 1, 1), (10, 10, 5, 5)]))
def test_coding_equals_torchvision(
    n: int, seed: int, weights: tuple[float, float, float, float]
) -> None:
    boxes, anchors = random_boxes(n, seed), random_boxes(n, seed + 1)
    coder = BoxCoder(weights)
    codes = encode_boxes(boxes, anchors, weights)
    assert torch.allclose(codes, coder.encode_single(boxes, anchors), atol=1e-11)
    wild = 6 * torch.randn((n, 4), dtype=torch.float64) * codes.new_tensor(weights)
    decoded = decode_boxes(wild, anchors, weights)
    assert torch.allclose(decoded, coder.decode_single(wild, anchors), rtol=1e-11)


def test_decoding_undoes_encoding_and_is_limited() -> None:
    boxes, anchors = random_boxes(50, 3), random_boxes(50, 4)
    back = decode_boxes(encode_boxes(boxes, anchors), anchors)
    assert torch.allclose(back, boxes, atol=1e-10)
    grown = decode_boxes(torch.tensor([[0.0, 0, 99, 1]]), torch.tensor([[0.0, 0, 2, 2]]))
    assert grown[0, 2] - grown[0, 0] == pytest.approx(125)
    assert grown[0, 3] - grown[0, 1] == pytest.approx(2 * math.e)


@pytest.mark.parity
def test_clipping_equals_torchvision() -> None:
    boxes = random_boxes(100, 5)
    assert torch.equal(clip_boxes(boxes, (31, 23)), clip_boxes_to_image(boxes, (31, 23)))


@pytest.mark.parity
@settings(max_examples=200, deadline=None)
@given(st.integers(0, 5), st.integers(1, 9), st.integers(1, 13), st.integers(0, 2**20))
def test_boxes_of_masks_are_torchvisions_with_the_last_pixel(
    n: int, height: int, width: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand((n, height, width), generator=generator) < 0.2
    boxes = boxes_of_masks(masks)
    assert boxes.shape == (n, 4) and boxes.dtype == torch.float32
    some = masks.flatten(1).any(1)
    if some.any():
        last = torch.tensor([0, 0, 1, 1])
        assert torch.equal(boxes[some], masks_to_boxes(masks[some]) + last)
    assert not boxes[~some].any()


def test_boxes_of_ids_are_those_of_their_masks() -> None:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 5, (3, 7, 11), generator=generator)
    ids[1][ids[1] == 2] = 0  # one that has left the picture
    ids[2] = 0
    found = boxes_of_ids(ids, 6)
    for plane, boxes in zip(ids, found, strict=True):
        masks = torch.stack([plane == number for number in range(1, 7)])
        assert torch.equal(boxes, boxes_of_masks(masks))
    assert boxes_of_ids(ids, 0 + 4).shape == (3, 4, 4)
    assert boxes_of_ids(torch.zeros(2, 5, 5, dtype=torch.int16), 0).shape == (2, 0, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.int32])
def test_short_and_whole_numbers_are_boxes_too(dtype: torch.dtype) -> None:
    boxes = torch.tensor([[0, 0, 300, 300], [0, 0, 300, 304]])
    wanted = box_iou(boxes.double(), boxes.double()).float()
    torch.testing.assert_close(box_iou(boxes.to(dtype), boxes.to(dtype)), wanted)
    assert box_area(boxes.to(dtype)).tolist() == [90_000, 91_200]


def test_negative_ids_are_nobodys_pixels() -> None:
    ids = torch.zeros(1, 5, 7, dtype=torch.int64)
    ids[0, 1:3, 1:3], ids[0, 0, 0] = 1, -1
    assert boxes_of_ids(ids, 2).tolist() == [[[1, 1, 3, 3], [0, 0, 0, 0]]]
