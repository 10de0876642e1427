"""The equations of book/math/fcn.md, first half: linear layers and strides."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from course_lib.models import FCN, SimpleCNN
from course_lib.ops.convolution import Window, receptive_field

F64 = torch.float64


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.equation("eq-dense-labels")
def test_weights_of_a_connected_layer_for_every_pixel():
    c, h, w, k, height, width = 3, 2, 4, 5, 8, 6
    connected = torch.nn.Linear(c * h * w, k * height * width)
    assert connected.weight.numel() == c * h * w * k * height * width
    assert torch.nn.Conv2d(c, k, 1).weight.numel() == c * k
    features = FCN(num_classes=10).eval().backbone(torch.zeros(1, 3, 96, 128))[-1]
    assert features.shape == (1, 160, 3, 4)  # the chapter's numbers
    assert 160 * 3 * 4 * 10 * 96 * 128 == 235_929_600 and 160 * 10 == 1_600


@pytest.mark.equation("eq-linear-as-convolution")
@pytest.mark.parametrize(("k", "l"), [(3, 3), (2, 5), (1, 1)])
def test_a_linear_layer_is_a_sum_over_channels_and_places(k, l):  # noqa: E741
    m, channels = 4, 3
    v, c, h = normal(m, channels * k * l), normal(m, seed=1), normal(channels, k, l, seed=2)
    z = torch.empty(m, dtype=F64)
    w = torch.empty(m, channels, k, l, dtype=F64)
    for row in range(m):
        z[row] = c[row]
        for a in range(channels):
            for u in range(k):
                for x in range(l):
                    w[row, a, u, x] = v[row, (a * k + u) * l + x]
                    z[row] += w[row, a, u, x] * h[a, u, x]
    torch.testing.assert_close(z, F.linear(h.flatten(), v, c))
    assert torch.equal(w, v.view(m, channels, k, l))
    torch.testing.assert_close(F.conv2d(h[None], w, c), z.view(1, m, 1, 1))


@pytest.mark.equation("eq-heat-map")
@pytest.mark.parametrize("size", [(5, 9), (8, 3), (3, 3)])
def test_a_heat_map_is_the_linear_layer_at_every_window(size):
    k = 3
    linear = torch.nn.Linear(2 * k * k, 4).double()
    h = normal(2, *size)
    w, c = linear.weight.view(4, 2, k, k), linear.bias
    z = F.conv2d(h[None], w, c)[0]
    assert z.shape == (4, size[0] - k + 1, size[1] - k + 1)
    for i in range(z.shape[1]):
        for j in range(z.shape[2]):
            by_sum = c + (w * h[:, i : i + k, j : j + k]).sum(dim=(1, 2, 3))
            torch.testing.assert_close(z[:, i, j], by_sum)
            torch.testing.assert_close(linear(h[:, i : i + k, j : j + k].flatten()), by_sum)


def test_the_worked_heat_map_is_the_worked_convolution():
    h = torch.tensor([[1.0, 2, 0, 1], [0, 1, 3, 1], [2, 0, 1, 0]], dtype=F64)
    v, c = torch.tensor([[1.0, 0, -1, 2]], dtype=F64), torch.tensor([1.0], dtype=F64)
    z = F.conv2d(h[None, None], v.view(1, 1, 2, 2), c)[0, 0]
    assert z.tolist() == [[4, 8, 0], [-1, 4, 3]]
    assert F.linear(h[:2, :2].flatten(), v, c).item() == 4


def multiply_adds(function) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        function()
    return counter.get_total_flops() // 2


@pytest.mark.equation("eq-heat-map-work")
@pytest.mark.parametrize("size", [(32, 32), (96, 160), (40, 64)])
def test_work_of_windows_and_of_a_heat_map(size):
    model = SimpleCNN().eval()

    def at_once():
        x = F.max_pool2d(model.conv1(torch.zeros(1, 3, *size)), 2)
        x = F.max_pool2d(model.conv2(x), 2)
        x = F.conv2d(x, model.fc1.weight.view(-1, 64, 8, 8))
        F.conv2d(x, model.fc2.weight[:, :, None, None])

    n = (size[0] // 4 - 7) * (size[1] // 4 - 7)
    features, linear, area = 5_603_328, 525_568, size[0] * size[1]
    assert multiply_adds(lambda: model(torch.zeros(1, 3, 32, 32))) == features + linear
    assert multiply_adds(at_once) * 1024 == area * features + 1024 * n * linear
    if size == (96, 160):
        assert n == 561
        assert round(n * (features + linear) / multiply_adds(at_once), 1) == 9.1


def strided(windows, x):
    for window in windows:
        ones = torch.ones(1, 1, window.kernel, dtype=F64)
        x = F.conv1d(x, ones, stride=window.stride, padding=window.padding)
    return x


@pytest.mark.equation("eq-cell-centre")
@pytest.mark.parametrize(
    "windows",
    [
        [Window(3, 1, 1), Window(2, 2), Window(3, 1, 1), Window(2, 2)],  # SimpleCNN's
        [Window(3, 2, 1)] * 5,
        [Window(7, 2, 3), Window(3, 2, 1), Window(3, 2, 1)],
        [Window(4, 3, 0), Window(2, 1, 0)],
    ],
)
def test_the_centre_of_what_a_cell_sees(windows):
    """Measured: the middle of the pixels to which the cell's gradient is not 0."""
    size, jump, start = receptive_field(windows)[-1]
    x = torch.ones(1, 1, 8 * size, dtype=F64, requires_grad=True)
    y = strided(windows, x)
    for i in (y.shape[-1] // 2, y.shape[-1] // 2 - 1):
        (gradient,) = torch.autograd.grad(y[0, 0, i], x, retain_graph=True)
        seen = gradient[0, 0].nonzero().flatten().double()
        assert (seen[0] + seen[-1]).item() / 2 == jump * i + start + (size - 1) / 2


def test_the_centres_that_the_chapter_names():
    for windows, stride, offset in (
        ([Window(3, 1, 1), Window(2, 2)] * 2, 4, 1.5),
        ([Window(3, 2, 1)], 2, 0),
        ([Window(3, 2, 1)] * 5, 32, 0),
    ):
        size, jump, start = receptive_field(windows)[-1]
        assert (jump, start + (size - 1) / 2) == (stride, offset)
    assert 31 / 2 - 0 == 15.5  # the middle of the 32 pixels 0 to 31


@pytest.mark.equation("eq-cell-ceiling")
def test_no_cell_wise_labelling_beats_the_ceiling():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (8, 12), generator=generator)
    cells = labels.unfold(0, 4, 4).unfold(1, 4, 4).reshape(2, 3, 16)  # (rows, columns, pixels)
    n = torch.stack([(cells == k).sum(-1) for k in range(3)], dim=-1)  # (2, 3, classes)
    ceiling = n.amax(-1).sum() / n.sum()
    scores = []
    for code in range(3**6):  # every labelling of the six cells
        answer = torch.tensor([code // 3**q % 3 for q in range(6)]).view(2, 3)
        painted = answer.repeat_interleave(4, 0).repeat_interleave(4, 1)
        scores.append((painted == labels).double().mean().item())
    assert max(scores) == pytest.approx(ceiling.item())
    row = torch.tensor([0, 0, 0, 1, 0, 0, 1, 1]).view(2, 4)
    assert sum(max((part == k).sum().item() for k in (0, 1)) for part in row) == 5


@pytest.mark.equation("eq-one-interval")
@given(data=st.data(), classes=st.integers(2, 6))
@settings(max_examples=100, deadline=None)
def test_each_class_wins_at_most_one_run_between_two_centres(data, classes):
    number = st.integers(-9, 9)
    p, q = (data.draw(st.lists(number, min_size=classes, max_size=classes)) for _ in "pq")
    steps = 64
    for k in range(classes):
        wins = []
        for i in range(steps + 1):  # exact: integers, t = i / steps
            z = [a * steps + b * i for a, b in zip(p, q, strict=True)]
            wins.append(z[k] == max(z))
        changes = sum(a != b for a, b in zip([False, *wins], [*wins, False], strict=True))
        assert changes in (0, 2)  # never, or on once and off once


def test_a_third_class_can_win_in_the_middle_and_runs_are_limited():
    ends = torch.tensor([[3.0, 2, 0], [0, 2, 3]], dtype=F64)
    row = torch.stack([ends[i % 2] for i in range(4)]).T[None, :, None]  # (1, 3, 1, 4)
    z = F.interpolate(row, (1, 128), mode="bilinear")[0, :, 0]
    middle = (ends[0] + ends[1]) / 2
    assert middle.tolist() == [1.5, 2, 1.5]
    wins = (z.argmax(0) == 1).int()
    assert (wins.diff() == 1).sum() == 3  # question 3: as many runs as there are gaps


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_at_most_one_run_per_gap_in_two_dimensions(seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(1, 4, 3, 4, generator=generator, dtype=F64)
    labels = F.interpolate(scores, (48, 64), mode="bilinear").argmax(1)[0]
    for gap in range(3):
        for row in labels[:, 8 + 16 * gap : 24 + 16 * gap]:
            for k in range(4):
                wins = (row == k).int()
                assert (F.pad(wins, (1, 1)).diff() == 1).sum() <= 1
