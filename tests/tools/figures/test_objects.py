"""The figures of the chapters on objects show what an independent computation gives."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
import torchvision
from matplotlib.patches import Rectangle
from scipy.ndimage import distance_transform_edt
from sklearn.metrics import average_precision_score

from course_lib.data import load
from tools.figures import objects
from tools.figures.__main__ import draw

drawn = cache(draw)


def words(name):
    return {text.get_text() for axes in drawn(name).axes for text in axes.texts}


def test_the_anchors_over_the_scene():
    scene = load("streets", "test", size=objects.SIZE, num=1, seed=0, task="instance")
    rectangles = [p for p in drawn("anchors-scene").axes[0].patches if isinstance(p, Rectangle)]
    frames = [p for p in rectangles if not p.get_fill()]
    left = (480 - objects.SIZE[1] * objects.SCALE) / 2
    corners = [p.get_bbox().extents for p in frames]
    boxes = (np.array(corners) - [left, objects.TOP] * 2) / objects.SCALE
    *anchors, truth = boxes
    assert np.isclose(truth, scene.boxes[0].numpy(), atol=1e-3).all(1).any()
    sides = np.array([a[2:] - a[:2] for a in anchors])
    assert sides.prod(1) == pytest.approx(objects.ANCHOR**2, rel=0.06)  # corners are rounded
    assert (sides[:, 1] / sides[:, 0]) == pytest.approx(objects.RATIOS, rel=0.06)
    iou = torchvision.ops.box_iou(torch.tensor(truth)[None], torch.tensor(np.array(anchors)))[0]
    assert any(word.endswith(f"{float(iou.max()):.2f}") for word in words("anchors-scene"))
    thick = [p.get_linewidth() for p in frames[:-1]]
    assert thick.index(max(thick)) == int(iou.argmax())


def test_matching_along_a_row():
    (axes,) = drawn("anchors-matching").axes
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    for name, (centre, width) in objects.OBJECTS.items():
        x, y = lines[name].T
        shared = np.minimum(x + 16, centre + width / 2) - np.maximum(x - 16, centre - width / 2)
        common = np.clip(shared, 0, None) * width  # the object is smaller than the anchor
        assert y == pytest.approx(common / (32**2 + width**2 - common), abs=1e-6)
        marks = [line for line in axes.lines if line.get_marker() in "os" and len(x) > 30]
        assert len(marks) == 3
    large, small = (lines[name][:, 1].max() for name in objects.OBJECTS)
    assert large > objects.HIGH > small > objects.LOW


def test_the_cell_of_roi_align():
    features = torch.tensor(objects.FEATURES, dtype=torch.float64)[None, None]
    box = torch.tensor([objects.ROI], dtype=torch.float64)
    cell = torchvision.ops.roi_align(features, [box], 2, 1 / 8, 2, aligned=True)[0, 0, 0, 0]
    assert f"their mean: {float(cell):.0f}" in words("roi-align-cell")
    assert [round(value, 3) for *_, value in objects.cell_points()] == [5, 6, 9, 8]


@pytest.mark.parametrize(("row", "kept"), [(objects.APART, 2), (objects.CROWD, 1)])
def test_suppression(row, kept):
    boxes, scores = objects.boxes_in_a_row(row)
    assert len(torchvision.ops.nms(boxes, scores, objects.THRESHOLD)) == kept
    frames = [p for p in drawn("nms-crowd").axes[0].patches if isinstance(p, Rectangle)]
    here = [p for p in frames if (p.get_y() < 150) == (row is objects.APART)]
    assert sum(p.get_linewidth() == 4 for p in here) == kept and len(here) == len(row)


def test_the_profile_between_two_discs():
    below = drawn("watershed-profile").axes[1]
    x, height = below.lines[0].get_xydata().T
    fine = 10  # pixels of a grid for each unit
    j, i = np.meshgrid(np.arange(-200, 201) / fine, np.arange(-150, 151) / fine)
    inside = np.hypot(j - 6, i) < 10
    inside |= np.hypot(j + 6, i) < 10
    distance = distance_transform_edt(inside)[150] / fine
    assert height == pytest.approx(np.interp(x, np.arange(-200, 201) / fine, distance), abs=0.15)
    assert "depth 2" in {text.get_text() for text in below.texts}


def test_the_curve_of_average_precision():
    (axes,) = drawn("ap-curve").axes
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    recall, precision = lines["along the list"].T
    assert recall * 5 == pytest.approx([1, 2, 2, 3, 3, 3, 4])
    assert precision * np.arange(1, 8) == pytest.approx([1, 2, 2, 3, 3, 3, 4])
    # scikit-learn knows the found ones only: four of five.
    found = average_precision_score(objects.HITS, np.arange(7, 0, -1)) * 4 / 5
    assert f"AP = {found:.2f}" in words("ap-curve")
    x, y = lines["interpolated"].T
    assert np.trapezoid(y, x) == pytest.approx(found)


def test_void_in_the_truth_only():
    assert {w for w in words("pq-void") if "PQ" in w} == {
        f"A is the truth, B the prediction: PQ {0.8:.2f}",
        f"B is the truth, A the prediction: PQ {2 / 3:.2f}",
    }


def test_the_stages_name_the_five_parts_of_the_loss():
    parts = [w.removeprefix("loss: ") for w in words("mask-rcnn") if w.startswith("loss: ")]
    assert len([part for w in parts for part in w.split(" + ")]) == 5
    assert len(parts) == 3
