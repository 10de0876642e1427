"""The equations of book/math/roi-align.md, each against torchvision or plain sums."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import roi_align, roi_pool

from course_lib.ops import roi_align as taught

F64 = torch.float64
few = settings(max_examples=25, deadline=None)
seeds = given(st.integers(0, 2**31))


def some_map(seed, channels=2, height=7, width=9):
    return torch.randn(
        1, channels, height, width, dtype=F64, generator=torch.Generator().manual_seed(seed)
    )


def some_box(seed, height=56, width=72):
    """A box in pixels that may stick out of the image a little."""
    rng = np.random.default_rng(seed)
    x1, y1 = rng.uniform(-6, width - 10), rng.uniform(-6, height - 10)
    return [x1, y1, x1 + rng.uniform(9, 40), y1 + rng.uniform(9, 40)]


def points(start, length, stride, cells, number, half=0.5):
    """Where the points lie along one axis, in places: (cells, number)."""
    return [
        [(start + (p + (m + 0.5) / number) * length / cells) / stride - half for m in range(number)]
        for p in range(cells)
    ]


def hat(d):
    return max(0.0, 1 - abs(d))


def value(x, u, v):
    """The map x (H, W) at a point, by the hats of the chapter."""
    height, width = x.shape
    if u < -1 or u > height or v < -1 or v > width:
        return 0.0
    u, v = min(max(u, 0), height - 1), min(max(v, 0), width - 1)
    return sum(
        hat(u - i) * hat(v - j) * float(x[i, j]) for i in range(height) for j in range(width)
    )


def matrix(rows, size):
    """Weights (P, size) along one axis, from the points of each cell."""
    weights = torch.zeros(len(rows), size, dtype=F64)
    for p, row in enumerate(rows):
        for u in row:
            for i in range(size):
                weights[p, i] += hat(min(max(u, 0), size - 1) - i) / len(row)
    return weights


@pytest.mark.equation("eq-roi-pool")
@few
@seeds
def test_roi_pool_rounds_twice(seed):
    x, stride, cells = some_map(seed), 8, 3
    box = some_box(seed)
    found = torch.zeros(2, cells, cells, dtype=F64)

    def cell(low, high, p, size):
        start = math.floor(low / stride + 0.5)
        step = max(math.floor(high / stride + 0.5) - start + 1, 1) / cells
        first, last = math.floor(start + p * step), math.ceil(start + (p + 1) * step)
        return range(min(max(first, 0), size), min(max(last, 0), size))

    for p in range(cells):
        for q in range(cells):
            inside = [
                x[0, :, i, j]
                for i in cell(box[1], box[3], p, 7)
                for j in cell(box[0], box[2], q, 9)
            ]
            if inside:
                found[:, p, q] = torch.stack(inside).amax(0)
    torch.testing.assert_close(
        roi_pool(x, [torch.tensor([box], dtype=F64)], cells, 1 / stride)[0], found
    )


@pytest.mark.equation("eq-roi-rounding")
@given(st.floats(0, 500), st.integers(1, 64))
def test_an_edge_moves_by_at_most_half_a_stride(edge, stride):
    # The nearest whole multiple of the stride, searched instead of computed.
    nearest = min(abs(k * stride - edge) for k in range(int(edge / stride) + 3))
    moved = abs(stride * math.floor(edge / stride + 0.5) - edge)
    assert math.isclose(moved, nearest, abs_tol=1e-9) and moved <= stride / 2 + 1e-9


@pytest.mark.equation("eq-roi-samples", "eq-hat", "eq-roi-align")
@few
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_roi_align_is_the_mean_of_points_between_places(seed, number):
    x, stride, cells, box = some_map(seed), 8, 2, some_box(seed)
    rows = points(box[1], box[3] - box[1], stride, cells, number)
    columns = points(box[0], box[2] - box[0], stride, cells, number)
    expected = torch.tensor(
        [
            [
                [
                    sum(value(x[0, c], u, v) for u in rows[p] for v in columns[q]) / number**2
                    for q in range(cells)
                ]
                for p in range(cells)
            ]
            for c in range(2)
        ],
        dtype=F64,
    )
    boxes = [torch.tensor([box], dtype=F64)]
    found = roi_align(x, boxes, cells, 1 / stride, number, aligned=True)
    torch.testing.assert_close(found[0], expected)
    ours = taught(x, boxes, cells, spatial_scale=1 / stride, sampling_ratio=number)
    torch.testing.assert_close(ours[0], expected)


def test_the_chapters_cell():
    x = torch.zeros(1, 1, 3, 4, dtype=F64)
    x[0, 0, 0, :3], x[0, 0, 1, :3] = torch.tensor([0.0, 4, 8]), torch.tensor([8.0, 12, 0])
    read = [value(x[0, 0], u, v) for u in (0.25, 0.75) for v in (0.75, 1.25)]
    assert read == [5, 6, 9, 8]
    boxes = [torch.tensor([[8.0, 4, 24, 20]], dtype=F64)]
    assert roi_align(x, boxes, 2, 1 / 8, 2, aligned=True)[0, 0, 0, 0] == 7
    assert points(8, 16, 8, 2, 2)[0] == [0.75, 1.25] and points(4, 16, 8, 2, 2)[0] == [0.25, 0.75]


@pytest.mark.equation("eq-roi-matrix", "eq-roi-gradient")
@few
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_roi_align_is_two_matrices_and_its_gradient_their_transposes(seed, number):
    x, stride, cells = some_map(seed).requires_grad_(), 8, 3
    box = some_box(seed, 40, 50)
    box = [max(box[0], -4), max(box[1], -4), min(box[2], 75), min(box[3], 59)]
    # so each point is within a place of the map; farther out the library reads zero
    a = matrix(points(box[1], box[3] - box[1], stride, cells, number), 7)
    b = matrix(points(box[0], box[2] - box[0], stride, cells, number), 9)
    torch.testing.assert_close(a.sum(1), torch.ones(cells, dtype=F64))
    y = roi_align(x, [torch.tensor([box], dtype=F64)], cells, 1 / stride, number, aligned=True)[0]
    torch.testing.assert_close(y, a @ x[0] @ b.T)
    g = some_map(seed + 1, 2, cells, cells)[0]
    (y * g).sum().backward()
    torch.testing.assert_close(x.grad[0], a.T @ g @ b)
    z = x.detach().requires_grad_()
    boxes = [torch.tensor([box], dtype=F64)]
    ours = taught(z, boxes, cells, spatial_scale=1 / stride, sampling_ratio=number)[0]
    (ours * g).sum().backward()
    torch.testing.assert_close(z.grad[0], a.T @ g @ b)


@pytest.mark.equation("eq-roi-half-pixel")
@few
@given(st.floats(8, 30), st.floats(8, 40), st.integers(1, 4), st.integers(1, 3))
def test_without_the_half_everything_is_read_half_a_stride_further(left, width, cells, number):
    stride, size = 8, 12
    ramp = ((torch.arange(size, dtype=F64) + 0.5) * stride).expand(1, 1, size, size).contiguous()
    boxes = [torch.tensor([[left, 20, left + width, 40]], dtype=F64)]
    middles = [left + (q + 0.5) * width / cells for q in range(cells)]
    for aligned, moved in ((True, 0), (False, stride / 2)):
        y = roi_align(ramp, boxes, cells, 1 / stride, number, aligned=aligned)[0, 0]
        np.testing.assert_allclose(y.numpy(), np.tile(np.array(middles) + moved, (cells, 1)))
        options = {"spatial_scale": 1 / stride, "sampling_ratio": number, "aligned": aligned}
        torch.testing.assert_close(taught(ramp, boxes, cells, **options)[0, 0], y)


def test_where_the_places_of_a_strided_backbone_are_centred():
    """The aligned reading is off by (S - 1) / 2 there, the other by half a pixel."""
    stride, place = 32, 3
    middle = stride * place + 0.5  # of pixel S i, by eq-cell-centre for 3x3 with stride 2
    unaligned, aligned = middle / stride, middle / stride - 0.5  # the place that is read
    assert abs(unaligned - place) * stride == 0.5
    assert abs(aligned - place) * stride == (stride - 1) / 2


@pytest.mark.equation("eq-roi-reach")
@few
@given(st.floats(0, 30), st.floats(1, 60), st.integers(1, 4))
def test_how_many_places_a_cell_reads(start, length, number):
    x = torch.zeros(1, 1, 1, 100, dtype=F64, requires_grad=True)
    boxes = [torch.tensor([[start, 0, start + length, 1]], dtype=F64)]
    roi_align(x, boxes, (1, 1), 1.0, number, aligned=True).sum().backward()
    assert (x.grad != 0).sum() <= 2 * number
    weights = matrix(points(start, length, 1, 1, number), 100)
    torch.testing.assert_close(x.grad[0, 0], weights)


def test_the_chapters_answers():
    assert points(40, 64, 16, 2, 1) == [[3.0], [5.0]]
    assert (math.floor(40 / 16 + 0.5), math.floor(104 / 16 + 0.5)) == (3, 7)
    x = torch.full((1, 1, 5, 5), 5.0)
    inside, outside = torch.tensor([[8.0, 8, 30, 30]]), torch.tensor([[200.0, 200, 240, 240]])
    assert roi_align(x, [inside], 2, 1 / 8, 2, aligned=True).unique().tolist() == [5]
    assert roi_align(x, [outside], 2, 1 / 8, 2, aligned=True).unique().tolist() == [0]
    y = some_map(1)
    box = torch.tensor([[9.0, 11, 40, 37]], dtype=F64)
    moved = roi_align(y, [box + 4], 3, 1 / 8, 2, aligned=True)
    torch.testing.assert_close(moved, roi_align(y, [box], 3, 1 / 8, 2, aligned=False))
