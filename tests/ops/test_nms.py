"""Non-maximum suppression equals torchvision's; the soft one gives what is worked out by hand."""

import math

import pytest
import torch
import torchvision
from torch import Tensor

from course_lib.ops import class_wise_nms, nms, soft_nms

CASES = 3000


def random_boxes(
    generator: torch.Generator, number: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Boxes and scores of one of several kinds: whole or broken coordinates, ties, no area."""
    whole, tied = (torch.rand(2, generator=generator) < 0.5).tolist()
    start = torch.rand(number, 2, generator=generator, dtype=dtype) * 20
    size = torch.rand(number, 2, generator=generator, dtype=dtype) * 12
    size[torch.rand(number, 2, generator=generator) < 0.1] = 0
    if whole:
        start, size = start.round(), size.round()
    scores = torch.rand(number, generator=generator, dtype=dtype)
    if tied:
        scores = (scores * 4).round() / 4
    return torch.cat([start, start + size], 1), scores


@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nms_equals_torchvision(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    removed = ties = empty = flat = 0
    for _ in range(CASES):
        number = int(torch.randint(0, 25, (), generator=generator))
        boxes, scores = random_boxes(generator, number, dtype)
        # Among them those that whole boxes hit exactly, and both ends.
        choice = int(torch.randint(0, 6, (), generator=generator))
        threshold = (0.0, 0.25, 1 / 3, 0.5, 0.7, 1.0)[choice]
        ours = nms(boxes, scores, threshold)
        assert ours.tolist() == torchvision.ops.nms(boxes, scores, threshold).tolist()
        assert ours.dtype == torch.int64
        removed += number - len(ours)
        ties += len(scores.unique()) < number
        empty += number == 0
        flat += bool((boxes[:, 2:] == boxes[:, :2]).any())
    assert removed > CASES and min(ties, empty, flat) > CASES // 100  # the cases are of every kind


@pytest.mark.slow
@pytest.mark.parity
def test_class_wise_nms_equals_torchvision() -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(CASES // 2):
        number = int(torch.randint(0, 25, (), generator=generator))
        boxes, scores = random_boxes(generator, number)
        labels = torch.randint(0, 4, (number,), generator=generator)
        ours = class_wise_nms(boxes, scores, labels, 0.5)
        theirs = torchvision.ops.batched_nms(boxes, scores, labels, 0.5)
        assert sorted(ours.tolist()) == sorted(theirs.tolist())
        assert scores[ours].tolist() == scores[theirs].tolist()  # ties may stand in another order
        one = torch.zeros_like(labels)
        assert class_wise_nms(boxes, scores, one, 0.5).tolist() == nms(boxes, scores, 0.5).tolist()


def test_nms_by_hand() -> None:
    boxes = torch.tensor([[0, 0, 4, 4], [1, 0, 5, 4], [2, 0, 6, 4], [20, 0, 24, 4]]).double()
    scores = torch.tensor([0.8, 0.9, 0.7, 0.1])
    # IoU of neighbours 12 / 20, of the first and the third 8 / 24.
    assert nms(boxes, scores, 0.5).tolist() == [1, 3]
    assert nms(boxes, scores, 0.6).tolist() == [1, 0, 2, 3]  # larger than, not equal to
    # The middle one is worst here: what removes it is kept, what it would remove stays.
    assert nms(boxes, torch.tensor([0.9, 0.7, 0.8, 0.1]), 0.5).tolist() == [0, 2, 3]
    assert class_wise_nms(boxes, scores, torch.tensor([1, 2, 2, 1]), 0.5).tolist() == [1, 0, 3]


def test_a_thousand_equal_boxes_leave_one() -> None:
    boxes = torch.tensor([[3.0, 4.0, 9.0, 8.0]]).repeat(1000, 1)
    scores = torch.full((1000,), 0.5)
    assert nms(boxes, scores, 0.5).tolist() == [0]
    assert soft_nms(boxes[:50], scores[:50], sigma=1e-3)[0].tolist() == [0]


def test_soft_nms_by_hand() -> None:
    boxes = torch.tensor([[0, 0, 4, 4], [1, 0, 5, 4], [2, 0, 6, 4]]).double()
    scores = torch.tensor([0.8, 0.9, 0.7], dtype=torch.float64)
    # Box 1 is taken; both others overlap it by 12 / 20 = 0.6, and each other by 8 / 24 = 1 / 3.
    kept, new = soft_nms(boxes, scores, sigma=0.5)
    first, second = math.exp(-0.36 / 0.5), math.exp(-1 / 9 / 0.5)
    assert kept.tolist() == [1, 0, 2]
    expected = torch.tensor([0.9, 0.8 * first, 0.7 * first * second], dtype=torch.float64)
    torch.testing.assert_close(new, expected, rtol=1e-12, atol=0)
    # Linear beyond 0.5: 1 - 0.6 for both; the two do not touch each other's score.
    kept, new = soft_nms(boxes, scores, iou_threshold=0.5)
    assert kept.tolist() == [1, 0, 2]
    expected = torch.tensor([0.9, 0.8 * 0.4, 0.7 * 0.4], dtype=torch.float64)
    torch.testing.assert_close(new, expected, rtol=1e-12, atol=0)
    # Linear beyond 0.3: the third is lowered by the second as well.
    _, new = soft_nms(boxes, scores, iou_threshold=0.3)
    torch.testing.assert_close(new[2], expected[2] * (1 - 1 / 3), rtol=1e-12, atol=0)
    # 0.28 falls below this least score, 0.32 does not.
    assert soft_nms(boxes, scores, iou_threshold=0.5, min_score=0.3)[0].tolist() == [1, 0]


def test_soft_nms_changes_the_order() -> None:
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [50, 0, 60, 10]]).double()
    kept, new = soft_nms(boxes, torch.tensor([0.9, 0.8, 0.5]).double())
    assert kept.tolist() == [0, 2, 1]
    assert (new.diff() <= 0).all()


def test_the_limits_of_soft_nms_are_the_greedy_one_and_none() -> None:
    generator = torch.Generator().manual_seed(2)
    for _ in range(CASES // 10):
        boxes, scores = random_boxes(generator, 15)
        hard = nms(boxes, scores, 0.0)
        kept, new = soft_nms(boxes, scores, sigma=1e-9, min_score=1e-6)
        alive = hard[scores[hard] >= 1e-6]
        assert kept.tolist() == alive.tolist() and new.tolist() == scores[alive].tolist()
        in_order = scores.argsort(descending=True, stable=True)
        for sigma, threshold in ((math.inf, None), (0.5, 1.0)):
            kept, new = soft_nms(boxes, scores, sigma=sigma, iou_threshold=threshold, min_score=0.0)
            assert kept.tolist() == in_order.tolist()
            assert new.tolist() == scores[in_order].tolist()


@pytest.mark.parity
def test_soft_nms_equals_a_loop_over_numbers() -> None:
    """The paper's pseudo-code, box by box."""

    def plain(boxes: list, scores: list, sigma: float, threshold: float | None, least: float):
        rest, taken = {k: s for k, s in enumerate(scores) if s >= least}, []
        while rest:
            best = max(rest, key=lambda k: (rest[k], -k))
            score = rest.pop(best)
            taken.append((best, score))
            for k in list(rest):
                a, b = boxes[best], boxes[k]
                wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
                shared = wide * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
                union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
                iou = shared / union if union > 0 else 0.0
                if threshold is None:
                    rest[k] *= math.exp(-iou * iou / sigma)
                elif iou > threshold:
                    rest[k] *= 1 - iou
                if rest[k] < least:
                    del rest[k]
        return taken

    generator = torch.Generator().manual_seed(3)
    for case in range(CASES // 5):
        boxes, scores = random_boxes(generator, case % 12)
        sigma, threshold = (0.1, 0.5, 2.0)[case % 3], (None, 0.3)[case % 2]
        kept, new = soft_nms(boxes, scores, sigma=sigma, iou_threshold=threshold, min_score=0.05)
        expected = plain(boxes.tolist(), scores.tolist(), sigma, threshold, 0.05)
        assert kept.tolist() == [k for k, _ in expected]
        wanted = torch.tensor([s for _, s in expected], dtype=torch.float64)
        torch.testing.assert_close(new, wanted, rtol=1e-12, atol=0)


def test_scores_may_be_logits_or_infinite_for_the_greedy_one() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [9, 9, 12, 12]])
    assert nms(boxes, torch.tensor([-5.0, -2.0, -math.inf]), 0.5).tolist() == [1, 2]


BOX, SCORE = torch.tensor([[1.0, 1.0, 5.0, 4.0]]), torch.tensor([0.5])


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("boxes", "scores", "message"),
    [
        (BOX, torch.tensor([math.nan]), r"scores\[0\] is NaN"),
        (BOX.long(), SCORE, r"int64 of shape \(1, 4\); give float"),
        (BOX[0], SCORE, r"give float of shape \(n, 4\)"),
        (torch.zeros(0), torch.zeros(0), "no boxes are"),
        (BOX, torch.rand(2), r"shape \(2,\); give one float for each of the 1"),
        (BOX, torch.tensor([1]), "scores are torch.int64"),
        (torch.tensor([[9.0, 9.0, 5.0, 4.0]]), SCORE, "xywh"),
        (torch.tensor([[0.0, math.nan, 5.0, 4.0]]), SCORE, "must be finite"),
        (torch.tensor([[0.0, 0.0, math.inf, 4.0]]), SCORE, "must be finite"),
    ],
)
def test_what_is_no_box_or_score_is_refused(boxes: Tensor, scores: Tensor, message: str) -> None:
    labels = torch.zeros(len(boxes), dtype=torch.int64)
    for call in (
        lambda: nms(boxes, scores, 0.5),
        lambda: class_wise_nms(boxes, scores, labels, 0.5),
        lambda: soft_nms(boxes, scores),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.adversarial
def test_settings_out_of_range_are_refused() -> None:
    for threshold in (-0.1, 50.0, math.nan):
        with pytest.raises(ValueError, match=r"lies in \[0, 1\]"):
            nms(BOX, SCORE, threshold)
        with pytest.raises(ValueError, match=r"lies in \[0, 1\]"):
            soft_nms(BOX, SCORE, iou_threshold=threshold)
    for sigma in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="sigma is"):
            soft_nms(BOX, SCORE, sigma=sigma)
    with pytest.raises(ValueError, match="raise a negative score"):
        soft_nms(BOX, -SCORE)
    with pytest.raises(ValueError, match="one whole number for each of the 1 boxes"):
        class_wise_nms(BOX, SCORE, torch.tensor([1.0]), 0.5)
