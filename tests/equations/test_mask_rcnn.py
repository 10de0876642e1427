"""The equations of book/math/mask-rcnn.md, each against torchvision or plain sums."""

import itertools
import math
from collections import OrderedDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.roi_heads import fastrcnn_loss, maskrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import FeaturePyramidNetwork, roi_align
from torchvision.ops.poolers import LevelMapper

from course_lib.losses import detection
from course_lib.models.mask_rcnn import FeaturePyramid, level_of
from course_lib.post import paste_masks

F64 = torch.float64
few = settings(max_examples=25, deadline=None)
seeds = given(st.integers(0, 2**31))
BETA = 1 / 9


def drawn(seed):
    return torch.Generator().manual_seed(seed)


def smooth(d, beta=BETA):
    return d * d / (2 * beta) if abs(d) < beta else abs(d) - beta / 2


def binary(logit, truth):
    """Cross-entropy of a sigmoid, in nats."""
    p = 1 / (1 + math.exp(-logit))
    return -(truth * math.log(p) + (1 - truth) * math.log(1 - p))


@pytest.mark.equation("eq-fpn")
@pytest.mark.parametrize("size", [(64, 96), (72, 104), (40, 200)])
def test_the_pyramid_adds_from_the_top(size):
    channels, widths = {2: 3, 3: 5, 4: 6, 5: 7}, [-(-s // 4) for s in size]
    maps = OrderedDict()
    height, width = widths
    for level in range(2, 6):
        maps[str(level)] = torch.randn(1, channels[level], height, width, generator=drawn(level))
        height, width = -(-height // 2), -(-width // 2)
    pyramid = FeaturePyramidNetwork(list(channels.values()), 8)
    found = pyramid(maps)
    merged = None
    for index, level in reversed(list(enumerate(range(2, 6)))):
        lateral = pyramid.inner_blocks[index][0]
        here = torch.einsum("oc,bchw->bohw", lateral.weight[:, :, 0, 0], maps[str(level)])
        here = here + lateral.bias[None, :, None, None]
        if merged is not None:  # repeat the coarser one by eq-nearest
            (h, w), (fine_h, fine_w) = merged.shape[-2:], here.shape[-2:]
            rows = torch.arange(fine_h) * h // fine_h
            columns = torch.arange(fine_w) * w // fine_w
            here = here + merged[:, :, rows][:, :, :, columns]
        merged = here
        out = pyramid.layer_blocks[index][0]
        expected = F.conv2d(merged, out.weight, out.bias, padding=1)
        torch.testing.assert_close(found[str(level)], expected)
    ours = FeaturePyramid(list(channels.values()), 8)
    for index in range(4):
        ours.lateral[index].load_state_dict(pyramid.inner_blocks[index][0].state_dict())
        ours.smooth[index].load_state_dict(pyramid.layer_blocks[index][0].state_dict())
    for mine, theirs in zip(ours(list(maps.values())), found.values(), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.equation("eq-fpn-level", "eq-fpn-places")
@given(st.floats(3, 3000), st.floats(3, 3000))
def test_the_level_of_a_box(width, height):
    size = math.sqrt(width * height)
    free = math.floor(4 + math.log2(size / 224))
    level = min(max(free, 2), 5)
    torchvisions = LevelMapper(2, 5)([torch.tensor([[0.0, 0.0, width, height]])]) + 2
    near = abs(math.log2(size / 224) - round(math.log2(size / 224))) < 1e-5
    assert near or torchvisions.item() == level
    roi = torch.tensor([[0, 0.0, 0.0, width, height]])
    assert near or level_of(roi, 4, smallest=112).item() + 2 == level
    if level == free:
        assert 14 * (1 - 1e-9) <= size / 2**level < 28 * (1 + 1e-9)


def test_the_chapters_level():
    assert LevelMapper(2, 5)([torch.tensor([[0.0, 0, 56, 56]])]).item() + 2 == 2 and 56 / 4 == 14
    assert LevelMapper(2, 5)([torch.tensor([[0.0, 0, 224, 224], [0, 0, 112, 112]])]).tolist() == [
        2,
        1,
    ]  # of the levels 2 to 5: strides 16 and 8


@pytest.mark.equation("eq-smooth-l1")
@given(st.floats(-3, 3), st.floats(0.01, 2))
def test_smooth_l1_and_its_slope(d, beta):
    x = torch.tensor(d, dtype=F64, requires_grad=True)
    loss = F.smooth_l1_loss(x, torch.zeros((), dtype=F64), beta=beta)
    loss.backward()
    assert math.isclose(loss.detach(), smooth(d, beta), abs_tol=1e-12)
    assert math.isclose(x.grad, min(max(d / beta, -1), 1), abs_tol=1e-12)


@pytest.mark.equation("eq-rpn-loss")
@few
@seeds
def test_two_parts_from_the_proposals(seed):
    generator, number = drawn(seed), 40
    o = torch.randn(number, generator=generator)
    t, target = (torch.randn(number, 4, generator=generator) * 0.3 for _ in range(2))
    labels = torch.randint(-1, 2, (number,), generator=generator).float()
    labels[0] = 1  # at least one positive
    head = RPNHead(4, 1)
    rpn = RegionProposalNetwork(
        AnchorGenerator(), head, 0.7, 0.3, 1000, 0.5, {"training": 9, "testing": 9},
        {"training": 9, "testing": 9}, 0.7,
    )  # fmt: skip
    # A sample of 1000 holds every anchor that is not ignored.
    found = rpn.compute_loss(o[:, None], t, [labels], [target])
    sampled = [a for a in range(number) if labels[a] >= 0]
    objectness = sum(binary(float(o[a]), float(labels[a])) for a in sampled) / len(sampled)
    box = sum(smooth(float(d)) for a in sampled if labels[a] == 1 for d in t[a] - target[a]) / len(
        sampled
    )
    assert math.isclose(found[0], objectness, rel_tol=1e-5)
    assert math.isclose(found[1], box, rel_tol=1e-5)
    yes, no = labels[None] == 1, labels[None] == 0
    assert math.isclose(detection.objectness_loss(o[None], yes, no), objectness, rel_tol=1e-5)
    ours = detection.anchor_box_loss(t[None], target[None], yes, no)
    assert math.isclose(ours, box, rel_tol=1e-5)


def test_the_chapters_numbers():
    parts = [binary(o, y) for o, y in zip((2, -1, 0, -3), (1, 0, 0, 0), strict=True)]
    assert [round(x, 3) for x in parts] == [0.127, 0.313, 0.693, 0.049]
    assert round(sum(parts) / 4, 3) == 0.295
    box = sum(smooth(d) for d in (0.05, 0.2, 0, -0.3))
    assert round(box, 3) == 0.4 and round(box / 4, 3) == 0.1
    assert round(BETA / 2, 3) == 0.056 and 1 / (2 * BETA) == 4.5


@pytest.mark.equation("eq-box-head-loss")
@few
@seeds
def test_two_parts_from_the_box_head(seed):
    generator, number, classes = drawn(seed), 12, 4
    z = torch.randn(number, classes, generator=generator)
    t = torch.randn(number, classes, 4, generator=generator) * 0.3
    target = torch.randn(number, 4, generator=generator) * 0.3
    k = torch.randint(classes, (number,), generator=generator)
    found = fastrcnn_loss(z, t.flatten(1), [k], [target])
    chosen = [float(z[r].exp()[k[r]] / z[r].exp().sum()) for r in range(number)]
    box = sum(smooth(float(d)) for r in range(number) if k[r] for d in t[r, k[r]] - target[r])
    assert math.isclose(found[0], -sum(map(math.log, chosen)) / number, rel_tol=1e-5)
    assert math.isclose(found[1], box / number, rel_tol=1e-5)
    assert math.isclose(detection.class_loss(z, k), found[0], rel_tol=1e-5)
    assert math.isclose(detection.box_loss(t, k, target), found[1], rel_tol=1e-5, abs_tol=1e-7)


def mask_case(seed):
    """Logits (n, K, 28, 28) that ask for a gradient, boxes, true masks, classes, who is whose."""
    generator = drawn(seed)
    u = torch.randn(3, 4, 28, 28, generator=generator, dtype=F64).requires_grad_()
    masks = torch.zeros(2, 40, 50, dtype=torch.uint8)
    masks[0, 5:30, 8:25], masks[1, 12:33, 20:45] = 1, 1
    boxes = torch.tensor([[6.5, 3, 27, 31], [18, 10.2, 47, 36], [8, 5, 25, 30]], dtype=F64)
    return u, boxes, masks, torch.tensor([1, 3]), torch.tensor([0, 1, 0])


@pytest.mark.equation("eq-mask-loss", "eq-mask-gradient")
@few
@seeds
def test_the_mask_part_and_its_gradient(seed):
    u, boxes, masks, labels, whose = mask_case(seed)
    found = maskrcnn_loss(u, [boxes], [masks], [labels], [whose])
    found.backward()
    truth = torch.stack(
        [
            roi_align(masks[n][None, None].to(F64), [boxes[r : r + 1]], 28, sampling_ratio=-1)[0, 0]
            for r, n in enumerate(whose)
        ]
    )
    assert truth.min() >= 0 and truth.max() <= 1
    expected, gradient = 0.0, torch.zeros_like(u)
    for r in range(3):
        k = labels[whose[r]]
        p = 1 / (1 + torch.exp(-u[r, k].detach()))
        expected -= (truth[r] * p.log() + (1 - truth[r]) * (1 - p).log()).sum() / (28**2 * 3)
        gradient[r, k] = (p - truth[r]) / (28**2 * 3)
    torch.testing.assert_close(found.detach(), expected)
    torch.testing.assert_close(u.grad, gradient)
    ours = detection.mask_loss(u.detach(), labels[whose], truth)
    torch.testing.assert_close(ours, expected)


@pytest.mark.equation("eq-mask-rcnn-loss")
def test_torchvisions_model_returns_these_five_and_nothing_else():
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    torch.manual_seed(0)
    model = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=3, min_size=64, max_size=64
    ).train()
    masks = torch.zeros(1, 64, 64, dtype=torch.uint8)
    masks[0, 10:40, 12:50] = 1
    target = {
        "boxes": torch.tensor([[12.0, 10, 50, 40]]), "labels": torch.tensor([1]), "masks": masks
    }  # fmt: skip
    with torch.no_grad():
        losses = model([torch.rand(3, 64, 64)], [target])
        nothing = model(
            [torch.rand(3, 64, 64)],
            [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64),
              "masks": torch.zeros(0, 64, 64, dtype=torch.uint8)}],
        )  # fmt: skip
    parts = {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg", "loss_mask"}
    assert set(losses) == parts and all(x > 0 for x in losses.values())
    # An image without objects: objectness and class only.
    assert {name for name, x in nothing.items() if x != 0} == {"loss_objectness", "loss_classifier"}


@pytest.mark.equation("eq-paste")
@pytest.mark.parametrize("box", [(5, 3, 33, 31), (2, 6, 16, 34), (0, 0, 56, 40)])
def test_a_mask_is_pasted_by_the_geometry_that_cut_it_out(box):
    x1, y1, x2, y2 = box
    mask = torch.rand(28, 28, generator=drawn(1), dtype=F64)
    resized = F.interpolate(
        mask[None, None], size=(y2 - y1, x2 - x1), mode="bilinear", align_corners=False
    )[0, 0]
    ours = paste_masks(mask[None], torch.tensor([box], dtype=F64), (64, 64))[0]
    for i, j in itertools.product(range(y1, y2, 3), range(x1, x2, 3)):
        u = 28 * (i + 0.5 - y1) / (y2 - y1) - 0.5
        v = 28 * (j + 0.5 - x1) / (x2 - x1) - 0.5
        read = sum(
            max(0, 1 - abs(u - a)) * max(0, 1 - abs(v - b)) * float(mask[a, b])
            for a in range(28)
            for b in range(28)
        )
        assert math.isclose(read, float(ours[i, j]), rel_tol=1e-9)
        if min(u, v) >= 0 and max(u, v) <= 27:  # PyTorch's resizing keeps the rim beyond
            assert math.isclose(read, float(resized[i - y1, j - x1]), rel_tol=1e-9)


@pytest.mark.equation("eq-set-matching")
@few
@seeds
def test_the_cheapest_assignment_gives_each_object_its_own_prediction(seed):
    rng = np.random.default_rng(seed)
    cost = -rng.uniform(size=(3, 6)) + rng.uniform(size=(3, 6))  # objects, predictions
    best = min(
        itertools.permutations(range(6), 3), key=lambda pi: sum(cost[m, pi[m]] for m in range(3))
    )
    rows, columns = linear_sum_assignment(cost)
    assert list(rows) == [0, 1, 2] and tuple(columns) == best and len(set(best)) == 3
