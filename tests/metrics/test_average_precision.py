"""The taught average precision and the fast one equal pycocotools; by hand; what is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from course_lib.metrics import (
    FoundObjects,
    TrueObjects,
    average_precision,
    average_recall,
    detection_curves,
    detection_scores,
    match_detections,
)
from tests.metrics.detection_cases import (
    AREAS,
    LIMITS,
    mean_of,
    pycocotools_verdict,
    random_images,
)

CASES = 1200
SAME = {"abs": 1e-9, "nan_ok": True}


@pytest.mark.parity
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["box", "mask"])
def test_both_equal_pycocotools(kind: str) -> None:
    generator = torch.Generator().manual_seed(0 if kind == "box" else 1)
    empty = crowds = ties = partly = 0
    for case in range(CASES):
        found, truths = random_images(generator)
        precision, recall, classes = pycocotools_verdict(found, truths, kind)
        column, limit = case % 4, case // 4 % 3
        name, most = list(AREAS)[column], LIMITS[limit]
        matches = match_detections(found, truths, kind=kind, area=AREAS[name], max_detections=most)
        curves = detection_curves(matches)
        theirs = precision[:, :, :, column, limit].transpose(0, 2, 1)  # (T, K, R)
        assert list(curves.classes) == classes
        ours = curves.precision.nan_to_num(-1).numpy()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
        ours = curves.recall.nan_to_num(-1).numpy()
        np.testing.assert_allclose(ours, recall[:, :, column, limit], rtol=0, atol=1e-9)
        options = {"kind": kind, "area": AREAS[name], "max_detections": most}
        expected = mean_of(precision[..., column, limit])
        assert average_precision(found, truths, **options) == pytest.approx(expected, **SAME)
        expected = mean_of(recall[..., column, limit])
        assert average_recall(found, truths, **options) == pytest.approx(expected, **SAME)

        sizes = {key: value for key, value in AREAS.items() if key != "all"}
        scores = detection_scores(found, truths, areas=sizes)
        expected = {
            "ap": precision[..., 0, -1],
            "ap50": precision[0, ..., 0, -1],
            "ap75": precision[5, ..., 0, -1],
            "ar1": recall[..., 0, 0],
            "ar100": recall[..., 0, -1],
        }
        for row, size in enumerate(sizes, 1):
            expected |= {f"ap_{size}": precision[..., row, -1], f"ar_{size}": recall[..., row, -1]}
        for key, values in expected.items():
            assert scores[f"{kind}_{key}"] == pytest.approx(mean_of(values), **SAME), key

        empty += not any(map(len, truths))
        crowds += any(t.crowd is not None and bool(t.crowd.any()) for t in truths)
        ties += any(len(f.scores.unique()) < len(f) for f in found)
        partly += 0.05 < scores[f"{kind}_ap"] < 0.95
    assert min(empty, crowds, ties, partly) > CASES // 50  # the cases are of every kind


def objects(boxes: list, scores: list | None = None, labels: list | None = None):
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    numbers = torch.tensor(labels or [1] * len(boxes), dtype=torch.int64)
    if scores is None:
        return TrueObjects(corners, numbers)
    return FoundObjects(corners, numbers, torch.tensor(scores, dtype=torch.float32))


def test_by_hand() -> None:
    """Three true objects; hit, false alarm, hit, by score: precision 1, 1/2, 2/3 in the end."""
    truth = objects([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]])
    found = objects([[0, 0, 10, 10], [60, 0, 70, 10], [20, 0, 30, 10]], [0.9, 0.8, 0.7])
    curves = detection_curves(match_detections([found], [truth]))
    # Recalls 0 to 0.33 at precision 1, 0.34 to 0.66 at 2 / 3, above it nothing.
    expected = (34 * 1 + 33 * 2 / 3) / 101
    assert curves.mean == pytest.approx(expected, abs=1e-12)
    assert curves.precision[0, 0, :34].tolist() == [1.0] * 34
    assert curves.precision[0, 0, 67:].max() == 0
    assert curves.recall.tolist() == [[2 / 3]] * 10
    assert average_recall([found], [truth]) == pytest.approx(2 / 3)
    assert average_recall([found], [truth], max_detections=1) == pytest.approx(1 / 3)
    assert detection_scores([found], [truth])["box_ap"] == pytest.approx(expected, abs=1e-9)


def test_the_threshold_decides_and_the_second_report_is_a_false_alarm() -> None:
    truth = objects([[0, 0, 10, 10]])
    # IoU 0.72: a hit up to the threshold 0.70.
    found = objects([[0, 0, 10, 7.2], [0, 0, 10, 10]], [0.9, 0.8])
    values = detection_curves(match_detections([found], [truth])).average_precision[:, 0]
    # Below it the better report comes second and finds its object taken: AP 1 all the same. Above
    # it the first is a false alarm.
    assert values.tolist() == [1.0] * 5 + [0.5] * 5


def test_of_equally_good_true_objects_the_last_is_taken() -> None:
    """As COCO's code does: whether the second one finds its object depends on it."""
    left, right = [0, 0, 10, 10], [10, 0, 20, 10]
    found = objects([[5, 0, 15, 10], left], [0.9, 0.8])  # the first: 1 / 3 with both
    for truth, recall in (([left, right], 1.0), ([right, left], 0.5)):
        args = [found], [objects(truth)]
        assert average_recall(*args, iou_thresholds=(0.3,)) == recall


def test_a_crowd_neither_helps_nor_hurts() -> None:
    truth = objects([[0, 0, 10, 10], [20, 0, 60, 40]])
    crowded = replace(truth, crowd=torch.tensor([False, True]))
    found = objects(
        [[22, 2, 30, 10], [32, 2, 40, 10], [0, 0, 10, 10], [70, 0, 80, 10]], [0.9, 0.8, 0.7, 0.6]
    )
    for score in (average_precision, average_recall):
        assert score([found], [crowded]) == 1.0
    assert average_precision([found], [truth]) == pytest.approx(51 / 101 * 1 / 3)


def test_no_objects() -> None:
    nothing, some = objects([]), objects([[0, 0, 4, 4]])
    none, one = objects([], []), objects([[0, 0, 4, 4]], [0.5])
    assert average_precision([none], [some]) == 0.0
    for found in (none, one):
        assert math.isnan(average_precision([found], [nothing]))
        assert math.isnan(detection_scores([found], [nothing])["box_ap"])
    # A false alarm in an empty image counts where another image has objects.
    better = replace(one, scores=torch.tensor([0.9]))
    assert average_precision([one, better], [some, nothing]) == pytest.approx(0.5)
    assert math.isnan(average_precision([], []))


def test_a_thousand_objects() -> None:
    generator = torch.Generator().manual_seed(3)
    corner = torch.rand(1000, 2, generator=generator) * 500
    boxes = torch.cat([corner, corner + 1 + torch.rand(1000, 2, generator=generator) * 20], 1)
    labels = torch.ones(1000, dtype=torch.int64)
    truth = TrueObjects(boxes, labels)
    found = FoundObjects(boxes + 1, labels, torch.rand(1000, generator=generator))
    ours = average_precision([found], [truth], max_detections=1000)
    assert 0.01 < ours < 0.99
    # COCO's limit of 100 lets at most a tenth be found.
    limited = average_precision([found], [truth])
    assert limited == pytest.approx(detection_scores([found], [truth])["box_ap"], abs=1e-9)
    assert limited < 0.11


def test_images_can_be_drawn_again_from_the_matches() -> None:
    generator = torch.Generator().manual_seed(5)
    found, truths = random_images(generator)
    while len(truths) < 3:
        found, truths = random_images(generator)
    matches = match_detections(found, truths)
    chosen = [0, 2, 2]
    again = average_precision([found[i] for i in chosen], [truths[i] for i in chosen])
    drawn = detection_curves([matches[i] for i in chosen]).mean
    assert drawn == pytest.approx(again, abs=1e-12, nan_ok=True)


def test_a_generator_and_other_label_types_will_do() -> None:
    found, truths = random_images(torch.Generator().manual_seed(7))
    plain = detection_scores(found, truths)
    small = [replace(t, labels=t.labels.to(torch.int32)) for t in truths]
    again = detection_scores((f for f in found), iter(small))
    assert again == pytest.approx(plain, nan_ok=True)
    boxes = [replace(f, masks=None) for f in found]
    alone = detection_scores(boxes, truths)
    assert alone == pytest.approx(
        {k: v for k, v in plain.items() if k.startswith("box")}, nan_ok=True
    )


BOX, LABEL, SCORE = torch.tensor([[0.0, 0.0, 4.0, 5.0]]), torch.tensor([1]), torch.tensor([0.5])
MASK = torch.ones(1, 6, 7, dtype=torch.bool)


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": torch.tensor([[5.0, 5.0, 2.0, 3.0]])}, "xywh"),
        ({"boxes": torch.tensor([[0.0, math.nan, 2.0, 3.0]])}, "must be finite"),
        ({"boxes": BOX.long()}, "give float"),
        ({"boxes": BOX.repeat(2, 1)}, "2 boxes and 1 labels"),
        ({"boxes": torch.zeros(0)}, r"no boxes are torch.zeros\(0, 4\)"),
        ({"labels": torch.tensor([1.0])}, "give whole numbers"),
        ({"labels": torch.tensor([True])}, "give whole numbers"),
        ({"labels": torch.tensor([[1]])}, r"shape \(1, 1\)"),
        ({"masks": MASK.float()}, "probabilities >= 0.5"),
        ({"masks": MASK[0]}, r"give \(1, H, W\)"),
        ({"masks": MASK.repeat(2, 1, 1)}, r"give \(1, H, W\)"),
        ({"scores": torch.tensor([math.nan])}, "is nan, which has no rank"),
        ({"scores": torch.tensor([1])}, "one float for each of the 1"),
        ({"scores": torch.rand(2)}, r"shape \(2,\)"),
    ],
)
def test_what_is_no_list_of_objects_is_refused(change: dict[str, Tensor], message: str) -> None:
    good = {"boxes": BOX, "labels": LABEL, "scores": SCORE, "masks": MASK}
    with pytest.raises(ValueError, match=message):
        FoundObjects(**(good | change))
    if "scores" not in change:
        good.pop("scores")
        with pytest.raises(ValueError, match=message):
            TrueObjects(**(good | change))


@pytest.mark.adversarial
def test_lists_that_do_not_fit_are_refused() -> None:
    found = FoundObjects(BOX, LABEL, SCORE, MASK)
    truth = TrueObjects(BOX, LABEL, MASK)
    other = FoundObjects(BOX, LABEL, SCORE, torch.ones(1, 7, 6, dtype=torch.bool))
    bare = FoundObjects(BOX, LABEL, SCORE)
    with pytest.raises(ValueError, match="one of each for every image"):
        average_precision([found], [])
    for short, long in (([], [truth]), ([found, found], [truth])):
        with pytest.raises(ValueError, match="ends after"):
            detection_scores(short, long)
    for judge in (lambda f, t: average_precision(f, t, kind="mask"), detection_scores):
        with pytest.raises(ValueError, match=r"found masks are \(7, 6\) pixels"):
            judge([other], [truth])
    with pytest.raises(ValueError, match="the found objects have no masks"):
        average_precision([bare], [truth], kind="mask")
    with pytest.raises(ValueError, match="the true objects have no masks"):
        average_precision([found], [TrueObjects(BOX, LABEL)], kind="mask")
    with pytest.raises(ValueError, match="image 1: the found objects have no masks"):
        detection_scores([found, bare], [truth, truth])
    with pytest.raises(ValueError, match="image 1 has masks and those before"):
        detection_scores([bare, found], [truth, truth])
    with pytest.raises(ValueError, match="crowd is"):
        TrueObjects(BOX, LABEL, MASK, torch.tensor([1]))
    for options, message in (
        ({"kind": "boxes"}, "choose one of box, mask"),
        ({"area": "tiny"}, "choose one of all, small"),
        ({"area": (5, 2)}, "give .least, most. pixels"),
        ({"iou_thresholds": (50,)}, "give numbers in"),
        ({"iou_thresholds": ()}, "give numbers in"),
        ({"max_detections": 0}, "at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            average_precision([found], [truth], **options)
