"""Training of a detector: its batches, its loop, its resuming, its scores."""

import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from course_lib.data import Augment, ImageSet, load, to_float
from course_lib.losses.detection import detection_losses
from course_lib.models import MaskRCNN
from course_lib.models.mask_rcnn.twin import TorchvisionTwin
from course_lib.ops import boxes_of_masks
from course_lib.train import (
    Engine,
    TrainConfig,
    detect,
    found_objects,
    load_checkpoint,
    object_scores,
    save_checkpoint,
    train_detection,
    true_objects,
)
from course_lib.train.instances import instance_batches
from tests.train.small_sets import same, saved

SMALL: dict[str, Any] = {
    "finest": 2,
    "anchor_sizes": (8, 16),
    "anchor_ratios": (1.0,),
    "width": 8,
    "box_width": 16,
    "mask_width": 8,
    "before": 20,
    "after": 10,
    "anchors": 16,
    "rois": 8,
}


def cells(num: int = 6, split: str = "train") -> ImageSet:
    return load("cells", split, size=(48, 64), task="instance", num=num)


def model(seed: int = 0) -> MaskRCNN:
    torch.manual_seed(seed)
    return MaskRCNN(2, **SMALL)


def batches(data: ImageSet, config: TrainConfig, **options: int) -> list:
    engine = Engine(device="cpu")
    return list(instance_batches(data, config, engine, **{"epoch": 0, **options}))


def test_batches_without_augmentation_are_the_set() -> None:
    data = cells()
    (images, truth), (_, rest) = batches(data, TrainConfig(batch_size=4))
    assert images.shape == (4, 3, 48, 64) and len(rest.labels) == 2
    assert data.boxes is not None and data.labels is not None
    for picture, boxes, labels in zip(images, truth.boxes, truth.labels, strict=True):
        row = [k for k, x in enumerate(data.images) if torch.equal(to_float(x), picture)][0]
        exists = labels > 0
        assert torch.equal(boxes[exists], data.boxes[row])
        assert torch.equal(labels[exists], data.labels[row])


@pytest.mark.parametrize(
    "augment",
    [
        Augment(flip=True),
        Augment(flip=True, scale=(0.5, 2.0), translate=0.4, rotate=20, colour=0.3),
    ],
)
def test_after_augmentation_boxes_are_tight_and_what_left_is_gone(augment: Augment) -> None:
    lost = 0
    for epoch in range(5):
        for _, truth in batches(cells(), TrainConfig(augment=augment, batch_size=3), epoch=epoch):
            for boxes, labels, ids in zip(*truth, strict=True):
                masks = ids == torch.arange(1, len(labels) + 1)[:, None, None]
                assert torch.equal(boxes, boxes_of_masks(masks))
                assert torch.equal(labels > 0, masks.flatten(1).any(1))
                lost += int((labels == 0).sum())
    assert lost > 0


def test_flipping_moves_pictures_and_boxes_alike() -> None:
    data = cells(1)
    assert data.boxes is not None
    seen = set()
    for epoch in range(20):
        ((image, truth),) = batches(data, TrainConfig(augment=Augment(flip=True)), epoch=epoch)
        flipped = torch.equal(image[0], to_float(data.images[0]).flip(-1))
        assert flipped or torch.equal(image[0], to_float(data.images[0]))
        x1, y1, x2, y2 = data.boxes[0].T
        expected = torch.stack([64 - x2, y1, 64 - x1, y2], dim=1) if flipped else data.boxes[0]
        assert torch.equal(truth.boxes[0][truth.labels[0] > 0], expected)
        seen.add(flipped)
    assert seen == {True, False}


def test_nothing_is_mirrored_into_the_picture() -> None:
    """A zoom out leaves an object where it was, smaller, and no second half of it at the border."""
    images = torch.full((1, 3, 40, 40), 255, dtype=torch.uint8)
    ids = torch.zeros(1, 40, 40, dtype=torch.int16)
    ids[0, :10, :10] = 1
    data = ImageSet(
        images,
        ids,
        ("background", "thing"),
        task="instance",
        boxes=[torch.tensor([[0.0, 0, 10, 10]])],
        labels=[torch.tensor([1])],
    )
    ((pictures, truth),) = batches(data, TrainConfig(augment=Augment(scale=(0.5, 0.5))))
    assert truth.boxes[0, 0].tolist() == [10, 10, 15, 15]
    assert float(pictures[0, :, 0, 0].abs().max()) == 0  # grey


def test_a_run_from_the_middle_sees_the_rest() -> None:
    config = TrainConfig(batch_size=2, augment=Augment(flip=True, scale=(0.8, 1.2)))
    whole, rest = batches(cells(), config), batches(cells(), config, start=1)
    for (a, truth), (b, other) in zip(whole[1:], rest, strict=True):
        assert torch.equal(a, b) and all(map(torch.equal, truth, other))


@pytest.mark.parametrize("stop_at", [2, 3, 5])
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path: Path, stop_at: int) -> None:
    """Three steps an epoch; Ctrl-C comes in mid-epoch or at an epoch's end."""
    data = cells()
    config = TrainConfig(
        epochs=2,
        batch_size=2,
        lr=1e-3,
        ema=0.9,
        clip_norm=1.0,
        schedule="one-cycle",
        augment=Augment(flip=True, scale=(0.8, 1.2)),
    )
    undisturbed = model()
    whole = train_detection(undisturbed, data, data, config=config, device="cpu", progress=False)
    calls = 0

    def interrupting(seen: Any) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return detection_losses(seen)

    options = {"config": config, "device": "cpu", "progress": False, "out_dir": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt, match="start the same run again"):
        train_detection(model(), data, data, losses=interrupting, **options)
    resumed = model()
    history = train_detection(resumed, data, data, **options)
    assert calls == stop_at and same(resumed, undisturbed)
    for name in ("train_loss", "train_mask", "train_anchor_box", "val_mask_ap", "val_box_ap", "lr"):
        assert history.column(name) == whole.column(name), name
    assert saved(tmp_path / "run")["epoch"] == 2


def test_the_parts_of_the_loss_add_up() -> None:
    data = cells(4)
    config = TrainConfig(epochs=1, batch_size=2)
    history = train_detection(model(), data, config=config, device="cpu", progress=False)
    (epoch,) = history.epochs
    parts = [
        epoch[f"train_{name}"] for name in ("objectness", "anchor_box", "class", "box", "mask")
    ]
    assert epoch["train_loss"] == pytest.approx(sum(parts), rel=1e-5)


def rectangles() -> ImageSet:
    """Two pictures of bright rectangles on dark noise: two classes, by colour."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(60, (2, 3, 48, 64), generator=generator, dtype=torch.uint8)
    ids = torch.zeros(2, 48, 64, dtype=torch.int16)
    places = [[(4, 5, 18, 16), (30, 20, 41, 40), (50, 2, 60, 12)], [(10, 24, 30, 40)]]
    for image, plane, boxes in zip(images, ids, places, strict=True):
        for number, (x1, y1, x2, y2) in enumerate(boxes, start=1):
            image[1 - number % 2, y1:y2, x1:x2] = 250
            plane[y1:y2, x1:x2] = number
    return ImageSet(
        images,
        ids,
        ("background", "odd", "even"),
        task="instance",
        boxes=[torch.tensor(boxes, dtype=torch.float32) for boxes in places],
        labels=[torch.tensor([1, 2, 1]), torch.tensor([1])],
    )


def test_it_learns_two_pictures_by_heart() -> None:
    data = rectangles()
    torch.manual_seed(0)
    net = MaskRCNN(3, **SMALL | {"width": 16, "box_width": 32, "mask_width": 16, "rois": 16})
    before = object_scores(net, data)
    config = TrainConfig(
        epochs=120, batch_size=2, lr=4e-3, optimizer="adamw", schedule="one-cycle", clip_norm=5.0
    )
    train_detection(net, data, config=config, device="cpu", progress=False)
    after = object_scores(net, data)
    for name in ("box_ap50", "mask_ap50"):
        assert before[name] < 0.2 and after[name] > 0.9, (name, before[name], after[name])
    assert after["mask_ap"] > 0.6
    sure = [int((found.scores > 0.5).sum()) for found in detect(net, data)]
    assert sure == [3, 1]


def test_what_is_true_is_found_perfect() -> None:
    data = cells(3)
    truths = list(true_objects(data))
    assert data.boxes is not None
    for truth, boxes in zip(truths, data.boxes, strict=True):
        assert truth.masks is not None
        assert torch.equal(boxes_of_masks(truth.masks), boxes)


def test_detections_do_not_depend_on_the_batch() -> None:
    net = model().eval()
    data = cells(5)
    together, alone = detect(net, data), detect(net, data, batch_size=1)
    for a, b in zip(together, alone, strict=True):
        assert torch.equal(a.labels, b.labels)
        torch.testing.assert_close(a.boxes, b.boxes, rtol=0, atol=1e-3)
    found = next(iter(found_objects(together, (48, 64))))
    assert found.masks is not None and found.masks.shape[1:] == (48, 64)


def test_a_detector_is_stored_and_read_back(tmp_path: Path) -> None:
    net, data = model().eval(), cells(2)
    card = {
        "arguments": {"num_classes": 2, **SMALL},
        "classes": data.classes,
        "task": "instance",
        "size": (48, 64),
        "data": "x",
    }
    path = save_checkpoint(tmp_path / "m.safetensors", net, card, half=False)
    again, read = load_checkpoint(path)
    assert read["task"] == "instance" and same(net, again)
    for a, b in zip(detect(net, data), detect(again, data), strict=True):
        assert all(map(torch.equal, a, b))


def test_torchvisions_is_trained_by_the_same_loop() -> None:
    torch.manual_seed(0)
    twin, data = TorchvisionTwin(2, **SMALL), cells(4)
    config = TrainConfig(epochs=1, batch_size=2)
    history = train_detection(
        twin, data, data, config=config, losses=dict, device="cpu", progress=False
    )
    assert math.isfinite(history.epochs[0]["train_loss"]) and history.best_epoch == 0


def test_pictures_without_objects_are_trained_on() -> None:
    data = cells(2)
    empty = ImageSet(
        data.images,
        torch.zeros_like(data.targets),
        data.classes,
        task="instance",
        boxes=[torch.zeros(0, 4)] * 2,
        labels=[torch.zeros(0, dtype=torch.int64)] * 2,
    )
    config = TrainConfig(epochs=1, batch_size=2)
    history = train_detection(model(), empty, config=config, device="cpu", progress=False)
    assert history.epochs[0]["train_mask"] == 0
    with pytest.raises(ValueError, match="has no object"):
        train_detection(model(), data, empty, config=config, device="cpu", progress=False)


def test_what_cannot_be_learned_is_refused() -> None:
    data, net = cells(2), model()
    semantic = load("cells", "train", size=(48, 64), task="semantic", num=2)
    with pytest.raises(ValueError, match='Load it with task="instance"'):
        train_detection(net, semantic, config=TrainConfig())
    with pytest.raises(ValueError, match="five losses of its own"):
        train_detection(net, data, config=TrainConfig(loss="dice"))
    with pytest.raises(ValueError, match="Use translate and scale"):
        train_detection(net, data, config=TrainConfig(augment=Augment(crop=4)))
    streets = load("streets", "train", size=(48, 64), task="instance", num=2)
    with pytest.raises(ValueError, match="this model knows 1 to 1"):
        train_detection(net, streets, config=TrainConfig())
