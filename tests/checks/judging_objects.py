"""Answers to the exercises of the lab `judging-objects`: right ones, and wrong ones."""

from __future__ import annotations

import math

import numpy as np
import torch

from course_lib.checks.judging_objects import average_precision as ap
from course_lib.checks.judging_objects import diagnose_detectors as detectors
from course_lib.checks.judging_objects import examine_ap as by_ap
from course_lib.checks.judging_objects import panoptic_quality as pq
from tests.checks.shared import by_the_name, causes, with_an_error


def ap_by_sets(scores, iou, threshold):
    """Plain Python: which objects are free is a set."""
    n, m = iou.shape
    if not m:
        return math.nan
    free, right, points = set(range(m)), 0, [(0.0, 0.0)]
    for done, k in enumerate(sorted(range(n), key=lambda k: -scores[k].item()), 1):
        able = [j for j in free if iou[k, j] >= threshold]
        if able:
            free.remove(max(able, key=lambda j: iou[k, j].item()))
            right += 1
        points.append((right / m, right / done))
    return sum(max([p for r, p in points if r >= i / 100], default=0.0) for i in range(101)) / 101


def ap_by_searching(scores, iou, threshold):
    """As pycocotools: an envelope, then searchsorted."""
    if iou.shape[1] == 0:
        return torch.full((1,), torch.nan)
    table = iou.clone().numpy()
    hits = np.zeros(len(scores))
    for place, k in enumerate(np.argsort(-scores.numpy(), kind="mergesort")):
        if len(table[k]) and table[k].max() >= threshold:
            hits[place] = 1
            table[:, table[k].argmax()] = -1
    found = np.cumsum(hits)
    precision = found / (np.arange(len(hits)) + 1)
    for i in range(len(precision) - 1, 0, -1):
        precision[i - 1] = max(precision[i - 1], precision[i])
    places = np.searchsorted(found / iou.shape[1], np.linspace(0, 1, 101), side="left")
    values = [precision[p] if p < len(precision) else 0.0 for p in places]
    return torch.tensor(values).mean().reshape(1)


def of(check, change):
    return lambda *arguments: change(check.reference(*arguments))


def given(check, change):
    return lambda *arguments: check.reference(*change(*arguments))


def ap_in_place(scores, iou, threshold):
    right = ap.reference(scores, iou, threshold)
    iou[:] = 0
    return right


def objects_choose(scores, iou, threshold):
    """Each object takes its best detection, whatever the scores."""
    if not iou.shape[1]:
        return torch.tensor(math.nan)
    if not iou.shape[0]:
        return torch.tensor(0.0)
    kept = torch.zeros_like(iou)
    kept[iou.argmax(0), torch.arange(iou.shape[1])] = iou.amax(0)
    return ap.reference(scores, kept, threshold)


def pq_by_counts(prediction, truth):
    """From the table of common pixels."""
    p_ids, p = prediction.unique(return_inverse=True)
    t_ids, t = truth.unique(return_inverse=True)
    table = torch.zeros(len(p_ids), len(t_ids), dtype=torch.float64)
    table.index_put_((p.flatten(), t.flatten()), torch.tensor(1.0).double(), accumulate=True)
    unknown = table[:, t_ids == -1].sum(1)
    rows = table.sum(1) - unknown
    union = rows[:, None] + table.sum(0) - table
    iou = table / union
    matched = (iou > 0.5) & (p_ids != 0)[:, None] & (t_ids > 0)
    tp = matched.sum().item()
    fp = ((p_ids != 0) & ~matched.any(1) & (unknown / table.sum(1) <= 0.5)).sum().item()
    fn = ((t_ids > 0) & ~matched.any(0)).sum().item()
    if tp + fp + fn == 0:
        return (torch.nan,) * 3
    sq = iou[matched].sum().item() / max(tp, 1)
    rq = tp / (tp + 0.5 * (fp + fn))
    return sq * rq, sq, rq


def pq_with_numpy(prediction, truth):
    """Moves the unlabelled pixels out first, and remembers how many each segment lost."""
    p, t = prediction.numpy(), truth.numpy()
    size = {k: (p == k).sum() for k in np.unique(p) if k}
    lost = {k: ((p == k) & (t < 0)).sum() for k in size}
    p = np.where(t < 0, 0, p)
    best = {}
    for k in size:
        for o in np.unique(t[t > 0]):
            value = ((p == k) & (t == o)).sum() / ((p == k) | (t == o)).sum()
            if value > 0.5:
                best[k] = (o, value)
    alarms = sum(1 for k in size if k not in best and 2 * lost[k] <= size[k])
    misses = len(np.unique(t[t > 0])) - len(best)
    if not best:
        value = 0.0 if alarms + misses else float("nan")
        return value, value, value
    quality = float(np.mean([value for _, value in best.values()]))
    found = len(best) / (len(best) + alarms / 2 + misses / 2)
    return quality * found, quality, found


def pq_in_place(prediction, truth):
    right = pq.reference(prediction, truth)
    prediction[truth < 0] = 0
    return right


def ap_against_my_own(ap):
    """Random detections against a function of one's own."""
    rng = torch.Generator().manual_seed(5)
    for _ in range(8):
        scores = torch.randint(0, 6, (12,), generator=rng) / 8
        iou = torch.randint(0, 8, (12, 7), generator=rng) / 8
        iou *= torch.rand(iou.shape, generator=rng) < 0.3
        free, right, points = set(range(7)), 0, []
        for done, k in enumerate(sorted(range(12), key=lambda k: -scores[k].item()), 1):
            able = [j for j in sorted(free) if iou[k, j] >= 0.5]
            if able:
                free.remove(max(able, key=lambda j: iou[k, j].item()))
                right += 1
            points.append((right / 7, right / done))
        best = [max([p for r, p in points if r >= i / 100], default=0.0) for i in range(101)]
        assert abs(float(ap(scores, iou, 0.5)) - sum(best) / 101) < 1e-4
    assert float(ap(torch.ones(2), torch.zeros(2, 0), 0.5)) != 0


def ap_in_single_calls(ap):
    """One call for each promise."""
    for part in (by_ap._nobody, by_ap._equal, by_ap._again, by_ap._curve):
        part(ap)
    by_ap._faultless(ap)


def ap_returns(ap):
    return bool(abs(float(ap(by_ap.SCORES, by_ap.OVERLAPS, 0.5)) - by_ap.WANTED) < 1e-4)


def ap_wants_a_tensor(ap):
    assert isinstance(ap(by_ap.SCORES, by_ap.OVERLAPS, 0.5), torch.Tensor)
    by_ap.reference(ap)


def ap_as_it_is(ap):
    """Expects what the curve gives that does not fall."""
    wanted = (34 + 33 * 2 / 3 + 34 * 3 / 4) / 101
    assert abs(float(ap(by_ap.SCORES, by_ap.OVERLAPS, 0.5)) - wanted) < 1e-4


def ap_by_voc(ap):
    """Expects eleven points."""
    assert abs(float(ap(by_ap.SCORES, by_ap.OVERLAPS, 0.5)) - (4 + 7 * 0.75) / 11) < 1e-4


def ap_only_nan(ap):
    assert float(ap(torch.ones(1), torch.zeros(1, 0), 0.5)) != 0


def ap_is_a_share(ap):
    assert 0 <= float(ap(by_ap.SCORES, by_ap.OVERLAPS, 0.5)) <= 1


def ap_swallows(ap):
    try:
        by_ap.reference(ap)
    except AssertionError:
        print("wrong!")


def ap_coarse(ap):
    """Too coarse for the area in steps."""
    assert abs(float(ap(by_ap.SCORES, by_ap.OVERLAPS, 0.5)) - by_ap.WANTED) < 0.01


RIGHT_ANSWERS = {
    "average_precision": [ap_by_sets, ap_by_searching, by_ap._with_numpy, by_ap._in_float32],
    "panoptic_quality": [pq_by_counts, pq_with_numpy],
    "examine_ap": [ap_against_my_own, ap_in_single_calls],
    "diagnose_detectors": [causes(detectors)],
}

WRONG_ANSWERS = {
    "average_precision": [
        (objects_choose, "FAIL"),
        (ap_in_place, "you changed your input `iou`"),
        (of(ap, lambda x: 100 * x), "the AP of detections that come in the order"),
        (of(ap, lambda x: 1 - x), "FAIL"),
        (of(ap, lambda x: x.nan_to_num(1.0)), "FAIL no objects: NaN"),
        (of(ap, lambda x: x[None, None].expand(2, 1)), "wanted one number"),
        (of(ap, lambda x: (x, x)), "FAIL"),
        (of(ap, lambda x: None), "is the `return` missing?"),
        (of(ap, lambda x: x.round(decimals=2)), "FAIL"),
        (given(ap, lambda s, iou, t: (s, iou, 0.5)), "FAIL"),
        (given(ap, lambda s, iou, t: (torch.arange(len(s), 0, -1), iou, t)), "FAIL in any order"),
        (given(ap, lambda s, iou, t: (s, iou[:, :-1], t)), "FAIL"),
        (lambda s, iou, t: (iou.amax(1) >= t).double().mean(), "FAIL"),
    ],
    "panoptic_quality": [
        (pq_in_place, "you changed your input `prediction`"),
        (of(pq, lambda x: x[0]), "wanted a tuple of 3"),
        (of(pq, lambda x: x[::-1]), "FAIL"),
        (of(pq, lambda x: (100 * x[0], x[1], x[2])), "PQ is"),
        (of(pq, lambda x: (x[1] + x[2], x[1], x[2])), "PQ is"),
        (of(pq, lambda x: (x[0], x[1], x[1])), "RQ is"),
        (of(pq, lambda x: None), "is the `return` missing?"),
        (of(pq, lambda x: dict(zip("abc", x, strict=True))), "wanted a tuple of 3"),
        (of(pq, lambda x: tuple(0.0 if v != v else v for v in x)), "FAIL without a match"),
        (given(pq, lambda p, t: (p, t.clamp(min=0))), "FAIL pixels that nobody labelled"),
        (given(pq, lambda p, t: (p, torch.where(t < 0, p, t))), "FAIL"),
        (given(pq, lambda p, t: ((p > 0).long(), (t > 0).long())), "FAIL"),
    ],
    "examine_ap": [
        (with_an_error, "RuntimeError"),
        (ap_returns, "returns True"),
        (ap_wants_a_tensor, "rejects a right function"),
        (ap_as_it_is, "rejects a right function"),
        (ap_by_voc, "rejects a right function"),
        (ap_only_nan, "accepts it"),
        (ap_is_a_share, "accepts every wrong one"),
        (ap_swallows, "accepts every wrong one"),
        (ap_coarse, "accepts it"),
        (by_the_name, "rejects a right function"),
        (lambda ap: ap(by_ap.SCORES, by_ap.OVERLAPS), "TypeError"),
        (lambda ap: 0, "returns 0"),
    ],
    "diagnose_detectors": [
        (causes(detectors, A="nothing is wrong"), "not 'nothing is wrong'"),
        (causes(detectors, B="not separated"), "not 'not separated'"),
        (causes(detectors, C="scores exchanged"), "not 'scores exchanged'"),
        (causes(detectors, D="reported again"), "not 'reported again'"),
        (causes(detectors, E="moved aside"), "not 'moved aside'"),
        (causes(detectors, E="too few classes"), "not 'too few classes'"),
        (causes(detectors, A="Moved aside"), "wanted one of"),
        (causes(detectors, B=None), "your cause is None"),
        (lambda: {"A": "moved aside"}, "says nothing about run 'B'"),
        (lambda: list(detectors.reference().items()), "wanted a dictionary"),
        (lambda: {}, "says nothing"),
        (lambda: "moved aside", "wanted a dictionary"),
    ],
}

POINTS = {
    "average_precision": {"0 without objects": 5, "found again and again": 5},
    "panoptic_quality": {"exactly one half matches": 6, "no forgiveness": 5},
    "diagnose_detectors": {"the scores and the reports exchanged": 3},
    "examine_ap": {"no equal scores": 10, "a detector without faults": 4},
}
