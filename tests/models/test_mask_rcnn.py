"""Each stage of Mask R-CNN equals torchvision's on the same weights and samples, in float64."""

import math

import pytest
import torch
from torch import nn
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import paste_masks_in_image, project_masks_on_boxes
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import roi_align

from course_lib.losses.detection import detection_losses
from course_lib.models import MaskRCNN
from course_lib.models.mask_rcnn import Truth, align_rois, level_of, make_truth, select_proposals
from course_lib.models.mask_rcnn.twin import TorchvisionTwin, twin_targets, twin_weights
from course_lib.post import paste_masks
from tests.models.mask_rcnn_cases import SIZE, SMALL, both, inject, learned, picture, scene

CLOSE = {"rtol": 0, "atol": 1e-9}


def stages(ours: MaskRCNN, twin: TorchvisionTwin, images: torch.Tensor):
    """Pyramid, first stage's answers and anchors, of both."""
    pyramid = ours.features(images)
    features = twin.net.backbone(images)
    logits, codes = ours.proposals(pyramid)
    sizes = [(f.shape[-2], f.shape[-1]) for f in pyramid]
    anchors = ours.anchors(sizes, logits)
    pictures = ImageList(images, [SIZE] * len(images))
    theirs = list(features.values())
    answers = concat_box_prediction_layers(*twin.net.rpn.head(theirs))
    return (pyramid, logits, codes, anchors), (
        features,
        *answers,
        twin.net.rpn.anchor_generator(pictures, theirs),
        pictures,
    )


@pytest.mark.parity
def test_pyramid_anchors_and_first_stage() -> None:
    ours, twin = both()
    images, _ = scene()
    (pyramid, logits, codes, anchors), (features, objectness, deltas, theirs, _) = stages(
        ours, twin, images
    )
    for mine, other in zip(pyramid, features.values(), strict=True):
        torch.testing.assert_close(mine, other, **CLOSE)
    torch.testing.assert_close(logits.flatten(), objectness.flatten(), **CLOSE)
    torch.testing.assert_close(codes.reshape(-1, 4), deltas, **CLOSE)
    for other in theirs:
        assert torch.equal(anchors, other)
    assert (
        float(logits.detach().std()) > 0.01
    )  # the weights are not those of a network that says nothing


@pytest.mark.parity
@pytest.mark.parametrize("seed", range(5))
def test_decoded_boxes_and_selected_proposals(seed: int) -> None:
    ours, twin = both(seed)
    images, _ = scene(seed)
    (pyramid, logits, codes, anchors), (_, objectness, deltas, theirs, pictures) = stages(
        ours, twin, images
    )
    boxes = twin.net.rpn.box_coder.decode(deltas, theirs).view(len(images), -1, 4)
    places = [f.shape[-2] * f.shape[-1] * 3 for f in pyramid]
    expected, scores = twin.net.rpn.filter_proposals(
        boxes, objectness, pictures.image_sizes, places
    )
    proposals, exists = ours.propose(logits, codes, anchors, pyramid, SIZE)
    for mine, some, other in zip(proposals, exists, expected, strict=True):
        assert int(some.sum()) == len(other) > 10
        torch.testing.assert_close(mine[some], other, **CLOSE)
        assert not mine[~some].any()


@pytest.mark.parity
@pytest.mark.parametrize("seed", range(5))
def test_the_five_losses_and_their_gradients(seed: int) -> None:
    ours, twin = both(seed)
    ours.train()
    twin.train()
    for net in (ours, twin):  # the statistics of a batch are the backbone's affair
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    images, truth = scene(seed)
    counts = ours.propose(*_first_stage(ours, images))[1].sum(1).tolist()
    seen, drawn = learned(ours, images, truth)
    inject(twin, drawn, counts, truth)
    mine, theirs = detection_losses(seen), twin(images, truth)
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        assert float(value) > 0, name
        # torchvision keeps the labels of anchors in float32, and so rounds this loss.
        close = {"rtol": 0, "atol": 1e-7} if name == "objectness" else CLOSE
        torch.testing.assert_close(value, theirs[name], check_dtype=False, **close)
    sum(mine.values()).backward()
    sum(theirs.values()).backward()
    gradients = dict(twin.net.named_parameters())
    for name, weight in twin_weights(dict(ours.named_parameters())).items():
        torch.testing.assert_close(weight.grad, gradients[name].grad, rtol=0, atol=1e-8)


def _first_stage(ours: MaskRCNN, images: torch.Tensor):
    pyramid = ours.features(images)
    logits, codes = ours.proposals(pyramid)
    anchors = ours.anchors([(f.shape[-2], f.shape[-1]) for f in pyramid], logits)
    return logits, codes, anchors, pyramid, SIZE


@pytest.mark.parity
def test_matches_and_targets() -> None:
    """Which object is whose, and the codes and masks that are right, from the same proposals."""
    ours, twin = both()
    ours.train()
    images, truth = scene()
    seen, _ = learned(ours, images, truth)
    targets = twin_targets(truth)
    anchors = _first_stage(ours, images)[2]
    labels, boxes = twin.net.rpn.assign_targets_to_anchors([anchors] * 3, targets)
    codes = torch.stack(list(twin.net.rpn.box_coder.encode(boxes, [anchors] * 3)))
    matches = ours.match_anchors(truth, anchors)
    expected = torch.where(matches >= 0, 1.0, torch.where(matches == -2, -1.0, 0.0))
    assert torch.equal(torch.stack(labels), expected.to(labels[0]))
    sampled = seen.positive_anchors
    torch.testing.assert_close(seen.anchor_targets[sampled], codes[sampled], **CLOSE)

    for number, target in enumerate(targets):
        here = (seen.rois[:, 0] == number) & (seen.labels > 0)
        of_objects = (seen.rois[seen.labels > 0][:, 0] == number).nonzero()[:, 0]
        if not len(of_objects):
            continue
        order = {int(k): n for n, k in enumerate((truth.labels[number] > 0).nonzero()[:, 0])}
        which = torch.tensor([order[int(k)] for k in seen.matches[here]])
        assert torch.equal(target["labels"][which], seen.labels[here])
        masks = project_masks_on_boxes(target["masks"], seen.rois[here, 1:], which, 28)
        torch.testing.assert_close(seen.mask_targets[of_objects], masks, **CLOSE)


@pytest.mark.parity
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("cells", [1, 7, 14])
def test_features_of_proposals_value_and_gradient(aligned: bool, cells: int) -> None:
    """One embedding_bag for all levels equals torchvision's RoIAlign on each."""
    generator = torch.Generator().manual_seed(0)
    height, width = 63, 97  # not a multiple of any stride
    strides = (2, 4, 8, 16)
    shapes = [(3, 5, -(-height // s), -(-width // s)) for s in strides]
    maps = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    ends = torch.rand((2, 300, 2), generator=generator, dtype=torch.float64)
    ends *= torch.tensor([width, height])
    boxes = torch.cat([ends.min(0).values, ends.max(0).values], dim=1)
    boxes[0] = torch.tensor([0, 0, width, height])
    boxes[1] = torch.tensor([width - 1, height - 1, width, height])
    boxes[2, 2:] = boxes[2, :2]  # no area
    rois = torch.cat([torch.arange(300)[:, None] % 3, boxes], dim=1)
    mine = [m.clone().requires_grad_() for m in maps]
    theirs = [m.clone().requires_grad_() for m in maps]
    found = align_rois(mine, strides, rois, cells, smallest=16, aligned=aligned)
    levels = level_of(rois, len(strides), smallest=16)
    assert levels.bincount(minlength=4).min() > 2
    expected = torch.zeros_like(found)
    for level, (features, stride) in enumerate(zip(theirs, strides, strict=True)):
        here = levels == level
        expected[here] = roi_align(features, rois[here], cells, 1 / stride, 2, aligned)
    torch.testing.assert_close(found, expected, **CLOSE)
    weights = torch.randn(found.shape, generator=generator, dtype=torch.float64)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad, **CLOSE)


@pytest.mark.parity
def test_levels_are_torchvisions() -> None:
    _, twin = both()
    generator = torch.Generator().manual_seed(0)
    sides = torch.rand((500, 2), generator=generator, dtype=torch.float64) * 64
    sides[:3] = torch.tensor([[16, 16], [32, 32], [8, 8]])  # exactly on a border
    boxes = torch.cat([torch.zeros_like(sides), sides], dim=1)
    twin.eval()
    twin(scene()[0])  # its mapper is made at first use
    theirs = twin.net.roi_heads.box_roi_pool.map_levels([boxes])
    rois = torch.cat([torch.zeros(500, 1, dtype=torch.float64), boxes], dim=1)
    assert torch.equal(level_of(rois, 3, smallest=16), theirs)


@pytest.mark.parity
def test_end_to_end_the_same_detections_on_20_images() -> None:
    total = 0
    for seed in range(5):
        ours, twin = both(seed, min_score=0.02)
        images = scene(seed, batch=4)[0]
        with torch.no_grad():
            found, expected = ours(images), twin(images)
        for mine, theirs in zip(found, expected, strict=True):
            assert torch.equal(mine.labels, theirs.labels)
            for a, b in zip(mine, theirs, strict=True):
                torch.testing.assert_close(a, b, **CLOSE)
            total += len(mine.labels)
            pasted = paste_masks(mine.masks, mine.boxes, SIZE, rounded=True)
            by_them = paste_masks_in_image(theirs.masks[:, None], theirs.boxes, SIZE)[:, 0]
            torch.testing.assert_close(pasted, by_them, **CLOSE)
    assert total > 200


def test_truth_is_tight_and_only_what_is_there() -> None:
    ids = torch.stack([picture([(0, 0, 1, 1), (10, 5, 40, 25), (95, 63, 96, 64)]), picture([])])
    ids[0][ids[0] == 2] = 0  # moved out of the picture
    truth = make_truth(ids, [torch.tensor([1, 2, 3]), torch.zeros(0, dtype=torch.int64)])
    assert truth.boxes[0, 0].tolist() == [0, 0, 1, 1]
    assert truth.boxes[0, 2].tolist() == [95, 63, 96, 64]
    assert truth.labels.tolist() == [[1, 0, 3], [0, 0, 0]]
    nothing = make_truth(ids[1:], [torch.zeros(0, dtype=torch.int64)])
    assert nothing.boxes.shape == (1, 1, 4) and not nothing.exists.any()


@pytest.mark.parametrize(
    "objects",
    [
        [[], []],
        [[(3, 4, 4, 5)], []],  # one pixel
        [[(0, 0, 96, 64)], [(90, 60, 96, 64), (0, 0, 2, 64)]],  # the whole picture; at the border
    ],
)
def test_hard_pictures_give_finite_losses_and_gradients(objects: list) -> None:
    torch.manual_seed(0)
    model = MaskRCNN(3, **SMALL)
    ids = torch.stack([picture(row) for row in objects])
    truth = make_truth(ids, [torch.ones(len(row), dtype=torch.int64) for row in objects])
    losses = detection_losses(model(torch.randn(2, 3, *SIZE), truth))
    assert all(math.isfinite(float(value.detach())) for value in losses.values())
    if not any(objects):
        assert float(losses["mask"]) == float(losses["box"]) == float(losses["anchor_box"]) == 0
    sum(losses.values()).backward()
    for weight in model.parameters():
        assert weight.grad is None or weight.grad.isfinite().all()


def test_a_thousand_objects() -> None:
    torch.manual_seed(0)
    model = MaskRCNN(2, **SMALL)
    ids = torch.zeros(1, *SIZE, dtype=torch.int64)
    ids[0, ::2, ::3] = torch.arange(1, 1 + 32 * 32).reshape(32, 32)
    truth = make_truth(ids, torch.ones(1, 32 * 32, dtype=torch.int64))
    assert int(truth.exists.sum()) == 1024
    losses = detection_losses(model(torch.randn(1, 3, *SIZE), truth))
    assert all(value.isfinite() for value in losses.values())
    assert float(losses["mask"]) > 0


def test_boxes_without_area_are_no_objects() -> None:
    torch.manual_seed(0)
    model = MaskRCNN(2, **SMALL)
    images, ids = torch.randn(1, 3, *SIZE), picture([(5, 5, 20, 30)])[None]
    truth = make_truth(ids, torch.tensor([[1, 1, 1]]))  # the second and third have no pixel
    assert truth.exists.tolist() == [[True, False, False]]
    assert all(value.isfinite() for value in detection_losses(model(images, truth)).values())


def test_selection_survives_nan_and_boxes_turned_over() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 5, 20, 20], [8, 8, 2, 2], [0, 0, 9, math.nan]])
    scores = torch.tensor([1.0, math.nan, 5.0, 9.0])
    proposals, exists = select_proposals(
        scores[None], boxes[None], [4], (30, 30), before=4, after=3, iou_threshold=0.7
    )
    assert exists.tolist() == [[True, True, False]]
    assert proposals[0, 0].tolist() == [0, 0, 10, 10]  # the NaN score is the worst
    assert proposals[0, 1].tolist() == [5, 5, 20, 20]


def test_a_network_full_of_nan_finds_nothing() -> None:
    model = MaskRCNN(3, **SMALL).eval()
    with torch.no_grad():
        model.box_head.classes.bias.fill_(math.nan)
        found = model(torch.randn(2, 3, *SIZE))
    assert [len(one.labels) for one in found] == [0, 0]
    assert found[0].boxes.shape == (0, 4) and found[0].masks.shape == (0, 28, 28)


@pytest.mark.parametrize("size", [(32, 32), (63, 97), (40, 200)])
def test_any_size_of_picture(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = MaskRCNN(3, in_channels=1, **SMALL | {"min_score": 0.0}).eval()
    with torch.no_grad():
        (found,) = model(torch.randn(1, 1, *size))
    assert 0 < len(found.labels) <= 100
    assert (found.boxes >= 0).all()
    assert (found.boxes <= torch.tensor([size[1], size[0]] * 2)).all()
    assert (found.scores.diff() <= 0).all()
    assert ((found.masks >= 0) & (found.masks <= 1)).all()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="the backbone has"):
        MaskRCNN(2, finest=3)
    with pytest.raises(ValueError, match="anchor_sizes has 5 levels"):
        MaskRCNN(2, finest=4, anchor_sizes=(4, 8, 16, 32, 64))
    with pytest.raises(ValueError, match="needs the objects"):
        MaskRCNN(2, **SMALL)(torch.randn(1, 3, *SIZE))


def test_truth_is_a_structure_of_three() -> None:
    images, truth = scene()
    assert isinstance(truth, Truth) and len(truth.boxes) == len(images)


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("ids", "labels"),
    [([1, 2], [[1]]), ([0, 1], [[]]), ([-1, 1], [[1]])],
    ids=["too many", "no label", "negative"],
)
def test_ids_without_a_label_are_refused(ids: list[int], labels: list[list[int]]) -> None:
    picture = torch.tensor(ids).view(1, 1, 2)
    with pytest.raises(ValueError, match="ids are 0 for background"):
        make_truth(picture, [torch.tensor(row, dtype=torch.int64) for row in labels])
