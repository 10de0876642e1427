"""The equations of book/math/since-2020.md, each checked numerically."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import binary_erosion, distance_transform_edt
from scipy.spatial.distance import cdist, directed_hausdorff

F64 = torch.float64


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.equation("eq-attention")
def test_attention_is_a_weighted_mean_of_values():
    n, c, d = 7, 5, 3
    x, (wq, wk, wv) = normal(n, c), (normal(c, d, seed=s) for s in (1, 2, 3))
    q, a, v = x @ wq, x @ wk, x @ wv
    y = torch.zeros(n, d, dtype=F64)
    for i in range(n):
        fits = [math.exp(float(q[i] @ a[j]) / math.sqrt(d)) for j in range(n)]
        for j in range(n):
            y[i] += fits[j] / sum(fits) * v[j]
    torch.testing.assert_close(y, (q @ a.T / d**0.5).softmax(1) @ v)
    theirs = F.scaled_dot_product_attention(q[None], a[None], v[None])[0]
    torch.testing.assert_close(y, theirs)
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])  # permuted places, permuted outputs
    again = F.scaled_dot_product_attention(q[order][None], a[order][None], v[order][None])[0]
    torch.testing.assert_close(again, y[order])
    assert 4096**2 == 16_777_216 and (4 * 4096) ** 2 == 16 * 4096**2


@pytest.mark.equation("eq-mask-classification")
def test_masks_vote_for_their_classes():
    queries, classes, height, width = 4, 3, 5, 6
    q = normal(queries, classes + 1).softmax(1)[:, :classes]  # the last one is "nothing"
    u = normal(queries, height, width, seed=1)
    s = torch.zeros(classes, height, width, dtype=F64)
    for n in range(queries):
        for k in range(classes):
            s[k] += q[n, k] / (1 + (-u[n]).exp())
    torch.testing.assert_close(s, torch.einsum("nk,nhw->khw", q, u.sigmoid()))
    # Sure queries whose masks part the image give the label map that they were made of.
    labels = torch.randint(0, classes, (height, width), generator=torch.Generator().manual_seed(2))
    one = F.one_hot(labels, classes).movedim(-1, 0).double()
    sure = torch.einsum("nk,nhw->khw", torch.eye(classes, dtype=F64), (200 * one - 100).sigmoid())
    assert torch.equal(sure.argmax(0), labels)


def test_the_two_queries_in_numbers():
    q, masks = np.array([[0.9, 0], [0.1, 0.8]]), np.array([[1, 0.5], [0, 0.9]])
    assert q.T @ masks == pytest.approx(np.array([[0.9, 0.54], [0, 0.72]]))


def contour(mask):
    """The pixels of a mask with a neighbour outside, as coordinates."""
    return np.argwhere(mask & ~binary_erosion(mask))


def blobs(seed):
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:24, :31]
    masks = []
    for _ in range(2):
        y, x, r = random.uniform(8, 16), random.uniform(10, 20), random.uniform(4, 7)
        masks.append((rows - y) ** 2 + (columns - x) ** 2 < r**2)
    return masks


def distances(mask, other):
    """From each contour pixel of a mask to the contour of another, by a distance transform."""
    edge = np.ones(mask.shape, bool)
    edge[tuple(contour(other).T)] = False
    return distance_transform_edt(edge)[tuple(contour(mask).T)]


@pytest.mark.equation("eq-hausdorff")
@pytest.mark.parametrize("seed", range(4))
def test_the_worst_distance_of_two_contours(seed):
    g, p = blobs(seed)
    formula = max(distances(g, p).max(), distances(p, g).max())
    a, b = contour(g), contour(p)
    assert formula == pytest.approx(max(directed_hausdorff(a, b)[0], directed_hausdorff(b, a)[0]))


@pytest.mark.equation("eq-surface-dice")
@pytest.mark.parametrize("tau", [0, 1, 2.5])
@pytest.mark.parametrize("seed", range(3))
def test_the_share_of_contours_within_a_tolerance(seed, tau):
    g, p = blobs(seed)
    formula = (distances(g, p) <= tau).sum() + (distances(p, g) <= tau).sum()
    formula = formula / (len(contour(g)) + len(contour(p)))
    pairs = cdist(contour(g), contour(p))
    near = (pairs.min(1) <= tau).sum() + (pairs.min(0) <= tau).sum()
    assert formula == pytest.approx(near / sum(pairs.shape))


@pytest.mark.parametrize(("stray", "far", "at_95"), [(10, 40, 40), (2, 40, 0)])
def test_stray_pixels_in_numbers(stray, far, at_95):
    found, invented = np.zeros(100), np.full(stray, 40.0)
    back = np.concatenate([found, invented])
    assert max(found.max(), back.max()) == far
    assert max(np.percentile(found, 95), np.percentile(back, 95)) == at_95
    if stray == 10:
        share = ((found <= 2).sum() + (back <= 2).sum()) / (len(found) + len(back))
        assert share == pytest.approx(0.95, abs=5e-3)
