"""The equations of book/math/after-the-network.md, each against a library or plain search."""

import heapq
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import euler_number, label
from skimage.segmentation import watershed
from torchvision.ops import batched_nms, box_iou, nms

from course_lib.ops import class_wise_nms, connected_components, soft_nms
from course_lib.ops import nms as taught
from course_lib.ops import watershed as flood
from course_lib.post import panoptic_merge

few = settings(max_examples=25, deadline=None)
seeds = given(st.integers(0, 2**31))


def boxes_and_scores(seed, number=25):
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 30, (number, 2)), rng.uniform(4, 20, (number, 2))
    return torch.tensor(np.concatenate([corner, corner + size], 1)), torch.tensor(
        rng.uniform(size=number)
    )


def kept(iou, scores, threshold):
    """The set of the chapter's equation, asked of each box in the order of the scores."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    found = []
    for i in order:
        if all(iou[i][j] <= threshold for j in found):
            found.append(i)
    return found


def in_a_row(*lefts, width=10.0):
    return torch.tensor([[x, 0.0, x + width, 10.0] for x in lefts])


@pytest.mark.equation("eq-nms")
@few
@given(st.integers(0, 2**31), st.floats(0.1, 0.9))
def test_suppression_keeps_what_overlaps_no_kept_better_box(seed, threshold):
    boxes, scores = boxes_and_scores(seed)
    iou = box_iou(boxes, boxes)
    found = kept(iou.tolist(), scores.tolist(), threshold)
    assert nms(boxes, scores, threshold).tolist() == found
    assert taught(boxes, scores, threshold).tolist() == found
    for i in set(range(len(scores))) - set(found):
        assert any(iou[i, j] > threshold and scores[j] >= scores[i] for j in found)
    assert all(iou[i, j] <= threshold for i, j in itertools.combinations(found, 2))


def test_the_chapters_chain():
    boxes, scores = in_a_row(0, 3, 6), torch.tensor([0.9, 0.8, 0.7])
    iou = box_iou(boxes, boxes)
    assert math.isclose(iou[0, 1], 7 / 13, rel_tol=1e-6) and iou[0, 2] == 4 / 16
    assert nms(boxes, scores, 0.5).tolist() == [0, 2]


def test_the_chapters_first_question():
    iou = [[1, 0.4, 0.55], [0.4, 1, 0.6], [0.55, 0.6, 1]]
    assert kept(iou, [0.9, 0.8, 0.7], 0.5) == kept(iou, [0.9, 0.8, 0.7], 0.58) == [0, 1]


@pytest.mark.equation("eq-class-offset")
@few
@seeds
def test_an_offset_keeps_classes_apart(seed):
    boxes, scores = boxes_and_scores(seed)
    classes = torch.randint(4, scores.shape, generator=torch.Generator().manual_seed(seed))
    moved = boxes + (boxes.max() + 1) * classes[:, None]
    found = nms(moved, scores, 0.4).tolist()
    each = []
    for k in range(4):
        own = (classes == k).nonzero()[:, 0]
        each += own[nms(boxes[own], scores[own], 0.4)].tolist()
    assert sorted(found) == sorted(each)
    assert batched_nms(boxes, scores, classes, 0.4).tolist() == found
    assert class_wise_nms(boxes, scores, classes, 0.4).tolist() == found


@pytest.mark.equation("eq-nms-crowd")
@given(st.floats(5, 50), st.floats(0.01, 0.99), st.floats(0.1, 0.9))
def test_how_close_two_objects_may_stand(width, share, threshold):
    distance = share * width
    limit = width * (1 - threshold) / (1 + threshold)
    if abs(distance - limit) < 1e-6 * width:
        return
    boxes = torch.tensor([[0, 0, width, 9], [distance, 0, distance + width, 9]]).double()
    alone = len(nms(boxes, torch.tensor([0.9, 0.8]).double(), threshold)) == 1
    assert alone == (distance < limit)


def softened(iou, scores, sigma=0.5):
    """Scores after all turns, by the procedure; and the order in which boxes were taken."""
    now, left, order = list(scores), set(range(len(scores))), []
    while left:
        best = max(left, key=lambda i: now[i])
        order.append(best)
        left.remove(best)
        for i in left:
            now[i] *= math.exp(-(iou[best][i] ** 2) / sigma)
    return now, order


@pytest.mark.equation("eq-soft-nms")
@few
@seeds
def test_soft_suppression_is_a_product_over_those_taken_before(seed):
    boxes, scores = boxes_and_scores(seed, 12)
    iou = box_iou(boxes, boxes).tolist()
    now, order = softened(iou, scores.tolist())
    for n, c in enumerate(order):
        product = math.prod(math.exp(-(iou[order[m]][c] ** 2) / 0.5) for m in range(n))
        assert math.isclose(now[c], float(scores[c]) * product)
    assert [now[c] for c in order] == sorted(now, reverse=True)
    taken, values = soft_nms(boxes, scores, min_score=0)
    assert taken.tolist() == order
    np.testing.assert_allclose(values.numpy(), [now[c] for c in order])


def test_the_chapters_soft_scores():
    iou = [[1, 0.6, 0.1], [0.6, 1, 0], [0.1, 0, 1]]
    now, order = softened(iou, [0.9, 0.8, 0.7])
    assert order == [0, 2, 1] and [round(x, 3) for x in now] == [0.9, 0.389, 0.686]
    cost = [1 - math.exp(-(j**2) / 0.5) for j in (0.2, 0.6, 0.9)]
    assert [round(c, 2) for c in cost] == [0.08, 0.51, 0.8]


def masks(seed, shape=(11, 14), share=0.55):
    return np.random.default_rng(seed).uniform(size=shape) < share


@pytest.mark.equation("eq-union-count")
@few
@given(st.integers(0, 2**31), st.sampled_from([4, 8]))
def test_each_join_of_two_roots_makes_one_component_fewer(seed, connectivity):
    mask = masks(seed)
    pixels = [tuple(p) for p in np.argwhere(mask)]
    parent = {p: p for p in pixels}

    def root(p):
        while parent[p] != p:
            p = parent[p]
        return p

    steps = [(0, 1), (1, 0)] + ([(1, 1), (1, -1)] if connectivity == 8 else [])
    pairs = [(p, (p[0] + a, p[1] + b)) for p in pixels for a, b in steps]
    pairs = [(p, q) for p, q in pairs if q in parent]
    np.random.default_rng(seed).shuffle(pairs)  # in any order
    joined = 0
    for p, q in ((tuple(p), tuple(q)) for p, q in pairs):
        if root(p) != root(q):
            parent[root(p)] = root(q)
            joined += 1
    count = label(mask, connectivity=connectivity // 4).max()
    assert len(pixels) - joined == count
    assert connected_components(torch.from_numpy(mask), connectivity)[1] == count


@pytest.mark.equation("eq-euler")
@few
@seeds
def test_pieces_minus_holes_without_labelling(seed):
    mask = masks(seed)
    pairs = (mask[:, 1:] & mask[:, :-1]).sum() + (mask[1:] & mask[:-1]).sum()
    blocks = (mask[1:, 1:] & mask[1:, :-1] & mask[:-1, 1:] & mask[:-1, :-1]).sum()
    pieces = label(mask, connectivity=1).max()
    outside = label(np.pad(~mask, 1, constant_values=True), connectivity=2)
    holes = outside.max() - 1
    assert mask.sum() - pairs + blocks == pieces - holes == euler_number(mask, connectivity=1)


def test_the_chapters_ring():
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    assert euler_number(ring, connectivity=1) == 8 - 8 + 0
    assert 50 - 61 + 13 == 2


@pytest.mark.equation("eq-inner-distance")
@few
@seeds
def test_the_distance_to_the_outside(seed):
    mask = masks(seed, share=0.85)
    mask[0, 0] = False
    outside = np.argwhere(~mask)
    found = ndimage.distance_transform_edt(mask)
    for i in np.argwhere(mask):
        assert math.isclose(found[tuple(i)], min(math.dist(i, j) for j in outside))


@pytest.mark.equation("eq-neck")
@given(st.floats(1, 30), st.floats(0.02, 0.98))
def test_the_neck_of_two_discs(r, share):
    d = share * 2 * r
    angles = np.linspace(0, 2 * np.pi, 20001)
    right = np.stack([d / 2 + r * np.cos(angles), r * np.sin(angles)], 1)
    outline = right[np.hypot(right[:, 0] + d / 2, right[:, 1]) >= r]  # not inside the left disc
    outline = np.concatenate([outline, outline * [-1, 1]])
    saddle = np.hypot(*outline.T).min()
    assert math.isclose(saddle, math.sqrt(r * r - d * d / 4), rel_tol=1e-2, abs_tol=1e-2 * r)
    centre = np.hypot(outline[:, 0] - d / 2, outline[:, 1]).min()
    assert math.isclose(centre, r, rel_tol=1e-6)


def test_the_chapters_discs():
    depth = {d: 10 - math.sqrt(100 - d * d / 4) for d in (4, 12, 16)}
    assert (depth[12], depth[16]) == (2, 4) and round(depth[4], 1) == 0.2
    d = 2 * math.sqrt(15)
    assert math.isclose(8 - math.sqrt(64 - d * d / 4), 1) and round(d, 1) == 7.7


def passes(height, start):
    """The lowest pass from a marker to every pixel, by relaxing until nothing changes."""
    best = np.full(height.shape, np.inf)
    best[start] = height[start]
    queue = [(best[start], start)]
    while queue:
        value, (i, j) = heapq.heappop(queue)
        for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if 0 <= a < height.shape[0] and 0 <= b < height.shape[1]:
                new = max(value, height[a, b])
                if new < best[a, b]:
                    best[a, b] = new
                    heapq.heappush(queue, (new, (a, b)))
    return best


@pytest.mark.equation("eq-pass")
@few
@seeds
def test_the_pass_is_the_threshold_at_which_two_pixels_hang_together(seed):
    height = np.random.default_rng(seed).integers(0, 9, (6, 8))
    found = passes(height, (2, 3))
    for i in np.ndindex(height.shape):
        for level in range(9):
            pieces = label(height <= level, connectivity=1)
            together = pieces[2, 3] > 0 and pieces[i] == pieces[2, 3]
            assert together == (found[i] <= level)


@pytest.mark.equation("eq-watershed")
@few
@given(st.integers(0, 2**31), st.booleans())
def test_the_watershed_goes_over_the_lowest_pass(seed, ties):
    rng = np.random.default_rng(seed)
    height = rng.integers(0, 5, (9, 12)) if ties else rng.permutation(108).reshape(9, 12)
    markers = np.zeros((9, 12), int)
    places = [tuple(p) for p in rng.permutation([(1, 1), (7, 10), (2, 9), (6, 3)])]
    for number, place in enumerate(places, start=1):
        markers[place] = number
    cost = np.stack([passes(height, place) for place in places])
    lowest = cost.min(0)
    ours = flood(torch.tensor(height), torch.tensor(markers), connectivity=4).numpy()
    for found in (watershed(height, markers, connectivity=1), ours):
        for i in np.ndindex(height.shape):
            assert cost[found[i] - 1][i] == lowest[i]


@pytest.mark.equation("eq-panoptic-merge")
@few
# No share of so few pixels is one of these, so rounding decides nothing.
@given(st.integers(0, 2**31), st.integers(10, 90).map(lambda k: (k + 0.37) / 100))
def test_the_merge_gives_each_mask_what_is_free(seed, share):
    rng = np.random.default_rng(seed)
    sets = [{int(x) for x in rng.integers(0, 60, 25)} for _ in range(6)]
    given_by_sets = []
    for b in sets:
        free = b - set().union(*given_by_sets)
        given_by_sets.append(free if len(free) >= share * len(b) else set())
    owner = np.full(60, -1)  # the same on pixels, painted in order
    for n, b in enumerate(sets):
        pixels = np.array(sorted(b))
        free = pixels[owner[pixels] < 0]
        if len(free) >= share * len(pixels):
            owner[free] = n
    for n, f in enumerate(given_by_sets):
        assert set(np.flatnonzero(owner == n)) == f
    for a, b in itertools.combinations(given_by_sets, 2):
        assert not a & b
    masks = torch.tensor([[[i in b for i in range(60)]] for b in sets])
    ids, segments = panoptic_merge(
        torch.zeros(1, 60, dtype=torch.int64), masks, torch.ones(6, dtype=torch.int64),
        torch.linspace(0.9, 0.6, 6), things={1}, min_share=share,
    )  # fmt: skip
    found = [set(torch.where(ids[0] == s.id)[0].tolist()) for s in segments if s.thing]
    assert found == [f for f in given_by_sets if f]
