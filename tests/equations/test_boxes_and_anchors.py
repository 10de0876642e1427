"""The equations of book/math/boxes-and-anchors.md, each against an independent computation."""

import math

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from course_lib.ops import (
    anchor_grid,
    box_iou,
    decode_boxes,
    encode_boxes,
    match,
    sample_balanced,
)

few = settings(max_examples=25, deadline=None)
seeds = given(st.integers(0, 2**31))


def some_boxes(seed, number=12):
    """Boxes of random places and sizes, (n, 4) float64, of positive area."""
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(-5, 20, (number, 2)), rng.uniform(0.5, 15, (number, 2))
    return torch.tensor(np.concatenate([corner, corner + size], 1))


def overlap(a, b):
    """IoU of two boxes by the formula of the chapter."""
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def centre(box):
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]


def codes(box, anchor):
    xb, yb, wb, hb = centre(box)
    xa, ya, wa, ha = centre(anchor)
    return [(xb - xa) / wa, (yb - ya) / ha, math.log(wb / wa), math.log(hb / ha)]


@pytest.mark.equation("eq-box-iou")
@few
@given(st.lists(st.integers(0, 9), min_size=8, max_size=8))
def test_the_overlap_of_boxes_counts_pixels(numbers):
    ax, aw, ay, ah, bx, bw, by, bh = numbers
    a, b = (ax, ay, ax + aw + 1, ay + ah + 1), (bx, by, bx + bw + 1, by + bh + 1)
    masks = np.zeros((2, 24, 24), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, (a, b), strict=True):
        mask[y1:y2, x1:x2] = True
    counted = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    both = torch.tensor([a, b]).double()
    assert math.isclose(overlap(a, b), counted)
    assert math.isclose(torchvision.ops.box_iou(both, both)[0, 1], counted, rel_tol=1e-9)
    assert math.isclose(box_iou(both, both)[0, 1], counted, rel_tol=1e-9)


def test_the_chapters_two_boxes():
    a, b = (0, 0, 4, 4), (2, 1, 6, 5)
    assert overlap(a, b) == 6 / 26 and round(6 / 26, 2) == 0.23
    inclusive = overlap((0, 0, 5, 5), (2, 1, 7, 6))
    assert inclusive == 12 / 38 and round(inclusive, 2) == 0.32


@pytest.mark.equation("eq-box-shift")
@given(st.floats(0.5, 100), st.floats(0, 1), st.floats(0.5, 50))
def test_a_shifted_box(width, share, height):
    shift = share * width
    found = overlap((0, 0, width, height), (shift, 0, shift + width, height))
    assert math.isclose(found, (width - shift) / (width + shift), abs_tol=1e-12)


@pytest.mark.equation("eq-anchor-shape")
def test_anchors_of_one_size_have_one_area():
    made = AnchorGenerator().generate_anchors([64.0], [0.25, 1.0, 4.0], dtype=torch.float64)
    for ratio, (x1, y1, x2, y2) in zip((0.25, 1.0, 4.0), made.tolist(), strict=True):
        width, height = 64 / math.sqrt(ratio), 64 * math.sqrt(ratio)
        assert (x2 - x1, y2 - y1) == (width, height)  # whole numbers here: nothing is rounded
        assert width * height == 64**2 and height / width == ratio
    assert anchor_grid((1, 1), 16, (64,), (0.25, 1, 4)).tolist() == made.tolist()


@pytest.mark.equation("eq-anchor-count")
@pytest.mark.parametrize(("height", "width"), [(96, 128), (97, 130), (64, 200)])
def test_the_number_of_anchors(height, width):
    strides = (4, 8, 16, 32, 64)
    sizes = [(math.ceil(height / s), math.ceil(width / s)) for s in strides]
    make = AnchorGenerator(tuple((4 * s,) for s in strides), ((0.5, 1.0, 2.0),) * 5)
    image = torch.zeros(1, 3, height, width)
    maps = [torch.zeros(1, 1, *size) for size in sizes]
    (anchors,) = make(ImageList(image, [(height, width)]), maps)
    assert len(anchors) == 3 * sum(a * b for a, b in sizes)
    ours = [anchor_grid(z, s, (4 * s,), (0.5, 1, 2)) for z, s in zip(sizes, strides, strict=True)]
    assert sum(map(len, ours)) == len(anchors)
    if (height, width) == (96, 128):
        assert len(anchors) == 3072
        assert 0.7 < 3 * sizes[0][0] * sizes[0][1] / len(anchors) < 0.78


@pytest.mark.equation("eq-anchor-octave")
def test_sizes_an_octave_apart_leave_a_half():
    worst = 1.0
    for f in np.geomspace(1, 4, 241):
        best = 0.0
        for k in range(-3, 5):
            anchor, side = 2.0**k, float(f)
            found = overlap(
                (-anchor / 2, -anchor, anchor / 2, anchor), (-side / 2, -side, side / 2, side)
            )
            assert math.isclose(found, min((f / anchor) ** 2, (f / anchor) ** -2))
            best = max(best, found)
        worst = min(worst, best)
    assert math.isclose(worst, 0.5, rel_tol=1e-6)


@pytest.mark.equation("eq-anchor-ratio")
@given(st.floats(1, 20))
def test_another_ratio_of_the_same_area(q):
    root = math.sqrt(q)
    w, h = math.sqrt(root), 1 / math.sqrt(root)  # any box of area 1
    box = (-w / 2, -h / 2, w / 2, h / 2)
    other = (-(w / root) / 2, -(h * root) / 2, (w / root) / 2, (h * root) / 2)
    assert math.isclose((h * root) / (w / root) / (h / w), q)
    assert math.isclose(overlap(box, other), 1 / (2 * root - 1))
    assert round(1 / (2 * 2**0.25 - 1), 2) == 0.73


@pytest.mark.equation("eq-box-codes", "eq-box-decode")
@few
@seeds
def test_codes_and_boxes_are_inverse(seed):
    boxes, anchors = some_boxes(seed), some_boxes(seed + 1)
    coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
    pairs = zip(boxes.tolist(), anchors.tolist(), strict=True)
    mine = torch.tensor([codes(b, a) for b, a in pairs], dtype=torch.float64)
    torch.testing.assert_close(mine, coder.encode_single(boxes, anchors))
    torch.testing.assert_close(mine, encode_boxes(boxes, anchors))
    torch.testing.assert_close(decode_boxes(mine, anchors), boxes)
    for row, box, anchor in zip(mine.tolist(), boxes.tolist(), anchors.tolist(), strict=True):
        xa, ya, wa, ha = centre(anchor)
        x, y = xa + row[0] * wa, ya + row[1] * ha
        w, h = wa * math.exp(row[2]), ha * math.exp(row[3])
        decoded = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
        np.testing.assert_allclose(decoded, box, atol=1e-9)
    back = coder.decode_single(mine, anchors)
    torch.testing.assert_close(back, boxes)


def test_the_chapters_codes():
    found = codes((24, 12, 56, 76), (16, 16, 48, 48))
    np.testing.assert_allclose(found, [0.25, 0.375, 0, math.log(2)])
    np.testing.assert_allclose(
        codes((0, 0, 16, 64), (0, 0, 32, 32)), [-0.25, 0.5, -math.log(2), math.log(2)]
    )
    assert BoxCoder((1.0,) * 4).bbox_xform_clip == math.log(1000 / 16)
    assert round(math.log(1000 / 16), 1) == 4.1


@pytest.mark.equation("eq-code-invariance")
@few
@given(st.integers(0, 2**31), st.floats(0.1, 10), st.floats(-50, 50), st.floats(-50, 50))
def test_codes_do_not_see_place_and_scale(seed, c, u, v):
    move = np.array([u, v, u, v])
    for box, anchor in zip(some_boxes(seed).numpy(), some_boxes(seed + 1).numpy(), strict=True):
        moved = codes(c * box + move, c * anchor + move)
        np.testing.assert_allclose(moved, codes(box, anchor), rtol=1e-6, atol=1e-6)


@pytest.mark.equation("eq-code-iou")
@few
@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_small_codes_are_lost_overlap(direction):
    truth = (3.0, -2.0, 10.0, 40.0)
    xa, ya, wa, ha = centre(truth)
    for eps in (1e-3, 1e-4):
        tx, ty, tw, th = (eps * d for d in direction)
        x, y, w, h = xa + tx * wa, ya + ty * ha, wa * math.exp(tw), ha * math.exp(th)
        lost = 1 - overlap(truth, (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
        first = max(2 * abs(tx), abs(tw)) + max(2 * abs(ty), abs(th))
        assert abs(lost - first) <= 12 * eps**2  # what is left is of second order


def labels_of(iou, low, high):
    """What each anchor says, and for whom, by the chapter's words; iou (objects, anchors)."""
    rescued = {
        a for row in iou for a in range(len(row)) if row[a] == max(row)
    }  # every anchor that is some object's best
    found = []
    for a in range(len(iou[0])):
        column = [row[a] for row in iou]
        best = max(column)
        if best >= high or a in rescued:
            found.append(column.index(best))
        else:
            found.append(-1 if best < low else -2)
    return found


@pytest.mark.equation("eq-matching")
@few
@seeds
def test_matching_has_two_thresholds_and_a_rescue(seed):
    objects, anchors = some_boxes(seed, 4), some_boxes(seed + 1, 30)
    iou = torchvision.ops.box_iou(objects, anchors)
    iou = torch.cat([iou, iou[:, :1]], 1)  # a tie
    if (iou.amax(1) == 0).any():
        return
    expected = labels_of(iou.tolist(), 0.3, 0.7)
    assert Matcher(0.7, 0.3, allow_low_quality_matches=True)(iou).tolist() == expected
    assert match(iou, high=0.7, low=0.3, rescue=True).tolist() == expected


def test_the_chapters_rescue_leaves_one_object_out():
    iou = torch.tensor([[0.6, 0.65], [0.2, 0.4]])
    matched = Matcher(0.7, 0.3, allow_low_quality_matches=True)(iou).tolist()
    assert match(iou, high=0.7, low=0.3, rescue=True).tolist() == matched
    assert matched == labels_of(iou.tolist(), 0.3, 0.7) == [-2, 0]


def test_a_box_without_area_calls_all_anchors():
    objects = torch.tensor([[0.0, 0, 0, 0], [30, 30, 40, 40]])
    anchors = some_boxes(0, 20).float()
    iou = torchvision.ops.box_iou(objects, anchors)
    assert (Matcher(0.7, 0.3, True)(iou) >= 0).all()
    assert (match(iou[:1], high=0.7, low=0.3, rescue=True) == -1).all()


@pytest.mark.equation("eq-balanced-sample")
@few
@given(st.integers(0, 200), st.integers(0, 400), st.integers(1, 300), st.floats(0.05, 1))
def test_a_balanced_sample(positive, negative, number, share):
    labels = torch.tensor([1.0] * positive + [0.0] * negative + [-1.0] * 7)
    plus, minus = BalancedPositiveNegativeSampler(number, share)([labels])
    expected = min(int(share * number), positive)
    assert plus[0].sum() == expected
    assert minus[0].sum() == min(number - expected, negative)
    matches = torch.tensor([0] * positive + [-1] * negative + [-2] * 7)
    ours = sample_balanced(matches, number=number, positive_share=share)
    assert [int(m.sum()) for m in ours] == [int(plus[0].sum()), int(minus[0].sum())]


@pytest.mark.equation("eq-sampled-odds")
@given(st.floats(0.001, 0.999), st.floats(0.01, 1), st.floats(0.01, 1))
def test_sampling_multiplies_the_odds(q, plus, minus):
    # A million anchors that look alike, counted instead of derived.
    yes, no = 1e6 * q * plus, 1e6 * (1 - q) * minus
    drawn = yes / (yes + no)
    assert math.isclose(drawn, plus * q / (plus * q + minus * (1 - q)))
    assert math.isclose(drawn / (1 - drawn), plus / minus * q / (1 - q), rel_tol=1e-6)


def test_the_chapters_sample():
    plus, minus = BalancedPositiveNegativeSampler(256, 0.5)([torch.tensor([1.0] * 20 + [0] * 3052)])
    assert (int(plus[0].sum()), int(minus[0].sum())) == (20, 236)
    ratio = 1 / (236 / 3052)
    assert round(ratio, 1) == 12.9 and round(1 / (1 + ratio), 2) == 0.07
