"""The equations of book/math/deeplab.md, each against an independent computation."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.backbones import backbone
from course_lib.models.deeplab import ASPP, PAPER_RATES, SMALL_RATES, DeepLabV3Plus, SeparableConv
from course_lib.ops.atrous import (
    atrous_conv2d,
    has_holes,
    measured_field,
    paths,
    separable_cost,
    taps_inside,
)

F64 = torch.float64


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def atrous_1d(x: Tensor, w: Tensor, *, rate: int, stride: int = 1, padding: int = 0) -> Tensor:
    """The chapter's definition in one dimension, number by number."""
    count = (len(x) + 2 * padding - (rate * (len(w) - 1) + 1)) // stride + 1
    y = torch.zeros(count, dtype=x.dtype)
    for i in range(count):
        for a in range(len(w)):
            place = stride * i + rate * a - padding
            if 0 <= place < len(x):
                y[i] += w[a] * x[place]
    return y


@pytest.mark.equation("eq-atrous-convolution")
@pytest.mark.parametrize(("rate", "stride", "padding"), [(2, 1, 2), (3, 2, 1), (1, 1, 0)])
def test_the_definition_number_by_number(rate, stride, padding, generator):
    x = torch.randn(2, 8, 9, dtype=F64, generator=generator)
    w = torch.randn(3, 2, 3, 3, dtype=F64, generator=generator)
    bias = torch.randn(3, dtype=F64, generator=generator)
    expected = F.conv2d(x[None], w, bias, stride=stride, padding=padding, dilation=rate)[0]
    y = torch.empty_like(expected)
    for o, i, j in torch.cartesian_prod(*map(torch.arange, y.shape)).tolist():
        y[o, i, j] = bias[o]
        for c, a, b in torch.cartesian_prod(*map(torch.arange, w.shape[1:])).tolist():
            row, column = stride * i + rate * a - padding, stride * j + rate * b - padding
            if 0 <= row < 8 and 0 <= column < 9:
                y[o, i, j] += w[o, c, a, b] * x[c, row, column]
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    ours = atrous_conv2d(x[None], w, bias, rate=rate, stride=stride, padding=padding)
    torch.testing.assert_close(ours[0], y, rtol=1e-12, atol=1e-12)


@pytest.mark.equation("eq-effective-kernel")
def test_the_effective_kernel_is_the_smallest_image_that_fits():
    for k in (1, 2, 3, 5):
        for r in (1, 2, 3, 12):
            spans = k + (k - 1) * (r - 1)
            w = torch.ones(1, 1, k)
            assert F.conv1d(torch.zeros(1, 1, spans), w, dilation=r).shape[-1] == 1
            if spans > 1:
                with pytest.raises(RuntimeError):
                    F.conv1d(torch.zeros(1, 1, spans - 1), w, dilation=r)
    assert 3 + 2 * 1 == 5 and 3 + 2 * 11 == 25  # the chapter's examples
    same = F.conv1d(torch.zeros(1, 1, 17), torch.ones(1, 1, 5), dilation=3, padding=6)
    assert same.shape[-1] == 17  # p = r (k - 1) / 2


def test_the_worked_example():
    x = torch.tensor([1.0, 0, 2, 3, 0, 1, 4])
    w = torch.tensor([1.0, 2, -1])
    y = atrous_1d(x, w, rate=2, padding=2)
    assert y.tolist() == [0, -3, 5, 5, -2, 5, 8]
    assert atrous_1d(x[::2], w, rate=1, padding=1).tolist() == y[::2].tolist() == [0, 5, -2, 8]
    assert atrous_1d(x[1::2], w, rate=1, padding=1).tolist() == y[1::2].tolist() == [-3, 5, 5]


@pytest.mark.equation("eq-atrous-phases")
@pytest.mark.parametrize(("k", "rate", "length"), [(3, 2, 11), (5, 3, 14), (3, 4, 9)])
def test_the_phases_are_convolved_one_by_one(k, rate, length, generator):
    x = torch.randn(length, dtype=F64, generator=generator)
    w = torch.randn(k, dtype=F64, generator=generator)
    y = F.conv1d(x[None, None], w[None, None], dilation=rate, padding=rate * (k - 1) // 2)[0, 0]
    for m in range(rate):
        phase = atrous_1d(x[m::rate], w, rate=1, padding=(k - 1) // 2)
        torch.testing.assert_close(y[m::rate], phase, rtol=1e-12, atol=1e-12)


@pytest.mark.equation("eq-stride-to-dilation")
@pytest.mark.parametrize(("stride", "rate"), [(2, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("length", [20, 21, 24])
def test_a_stride_becomes_a_rate(stride, rate, length, generator):
    x = torch.randn(length, dtype=F64, generator=generator)
    v, w = (torch.randn(3, dtype=F64, generator=generator) for _ in range(2))
    u = atrous_1d(x, v, rate=1, stride=stride, padding=1)
    z = atrous_1d(u, w, rate=rate, padding=rate)
    u_hat = atrous_1d(x, v, rate=1, padding=1)
    z_hat = atrous_1d(u_hat, w, rate=stride * rate, padding=stride * rate)
    torch.testing.assert_close(z_hat[::stride], z, rtol=1e-12, atol=1e-12)
    wrong = atrous_1d(u_hat, w, rate=rate, padding=rate)  # the rate left as it was
    assert not torch.allclose(wrong[::stride], z)


@pytest.mark.equation("eq-dilated-field")
@pytest.mark.parametrize(
    "layers",  # kernel, stride, rate
    [[(3, 1, 1)] * 4, [(3, 1, 2**i) for i in range(4)], [(3, 2, 1), (5, 1, 3), (2, 2, 2)]],
)
def test_the_field_by_gradients(layers):
    field, jump = 1, 1
    net = nn.Sequential()
    for k, s, r in layers:
        field, jump = field + r * (k - 1) * jump, jump * s
        net.append(nn.Conv2d(1, 1, (1, k), (1, s), dilation=(1, r), bias=False))
        nn.init.ones_(net[-1].weight)
    seen = measured_field(net, torch.zeros(1, 1, 1, field + 5 * jump), at=(0, 1))[0]
    places = seen.nonzero().flatten()
    assert int(places.max() - places.min()) + 1 == field
    assert int(places.min()) == jump  # the second output begins one jump further


def test_the_fields_of_the_text():
    assert 1 + 2 * (1 + 2 + 4 + 8) == 31
    layers = [(3, 2)] + [(3, 1)] * 2 + [(3, 2), (3, 1)] * 4
    for output_stride in (32, 16, 8):
        field, jump, rate, stride = 1, 1, 1, 1
        for k, s in layers:
            field += rate * (k - 1) * jump
            taken_out = s > 1 and stride == output_stride
            rate, jump = (rate * s, jump) if taken_out else (rate, jump * s)
            stride = stride if taken_out else stride * s
        assert field == 191, output_stride
        net = backbone(output_stride=output_stride).double().eval()
        for parameter in net.parameters():
            nn.init.constant_(parameter, 0.1)
        last = nn.Sequential(net, Last())
        places = measured_field(last, torch.ones(1, 3, 256, 32, dtype=F64))[:, 16].nonzero()
        assert int(places.max() - places.min()) + 1 == 191, output_stride


class Last(nn.Module):
    """Takes the last of a backbone's maps."""

    def forward(self, features: list[Tensor]) -> Tensor:
        return features[-1]


@pytest.mark.equation("eq-measured-field")
def test_the_measured_field_by_small_steps(generator):
    net = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 2, 3, padding=1))
    net.double()
    x = torch.randn(3, 2, 6, 7, dtype=F64, generator=generator)
    squares = torch.zeros(6, 7, dtype=F64)
    step = 1e-5
    with torch.no_grad():
        for n, c, u, v in torch.cartesian_prod(*map(torch.arange, x.shape)).tolist():
            up, down = x.clone(), x.clone()
            up[n, c, u, v] += step
            down[n, c, u, v] -= step
            change = net(up)[n, :, 3, 3].sum() - net(down)[n, :, 3, 3].sum()
            squares[u, v] += (change / (2 * step)) ** 2
    expected = (squares / 3).sqrt()
    torch.testing.assert_close(measured_field(net, x), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.equation("eq-paths")
@pytest.mark.parametrize("rates", [(1, 1, 1), (2, 2, 2), (1, 2, 3), (3, 1)])
def test_paths_are_counted_one_by_one(rates):
    reach = sum(rates)
    counted = [0] * (2 * reach + 1)
    for offsets in torch.cartesian_prod(*(torch.tensor([-r, 0, r]) for r in rates)).tolist():
        counted[reach + sum(offsets)] += 1
    assert paths(rates).tolist() == counted
    recursion = {0: 1}  # the equation itself, k = 3
    for r in rates:
        recursion = {
            u: sum(recursion.get(u - r * (a - 1), 0) for a in range(3))
            for u in range(-reach, reach + 1)
        }
    assert [recursion[u] for u in range(-reach, reach + 1)] == counted
    assert paths((2, 2, 2)).tolist() == [1, 0, 3, 0, 6, 0, 7, 0, 6, 0, 3, 0, 1]


@pytest.mark.equation("eq-path-variance")
def test_the_variance_of_the_gradient_is_the_number_of_paths(generator):
    rates, sigmas, draws = (1, 2, 1), (0.5, 2.0, 1.5), 40_000
    reach = sum(rates)
    h = torch.ones(draws, 1, dtype=F64)  # d y_0 / d x_u, for each draw of the weights
    for r, sigma in zip(rates, sigmas, strict=True):
        w = sigma * torch.randn(draws, 3, dtype=F64, generator=generator)
        longer = torch.zeros(draws, h.shape[1] + 2 * r, dtype=F64)
        for a in range(3):
            longer[:, a * r : a * r + h.shape[1]] += w[:, a : a + 1] * h
        h = longer
    expected = paths(rates).to(F64) * math.prod(s**2 for s in sigmas)
    assert h.shape[1] == 2 * reach + 1
    assert torch.allclose(h.square().mean(0), expected, rtol=0.12)
    two = measured_field(nn.Sequential(*_unit_layers(rates)), torch.zeros(1, 1, 13, 13))
    assert torch.allclose(two[2:-2, 2:-2], torch.outer(paths(rates), paths(rates)).float())


def _unit_layers(rates: tuple[int, ...]) -> list[nn.Module]:
    layers = [nn.Conv2d(1, 1, 3, padding=r, dilation=r, bias=False) for r in rates]
    for layer in layers:
        nn.init.ones_(layer.weight)
    return layers


@pytest.mark.equation("eq-field-width")
@pytest.mark.parametrize(("k", "rates"), [(3, (1,) * 20), (3, (1, 2, 4, 8)), (5, (2, 3))])
def test_the_width_of_the_field(k, rates):
    ways = paths(rates, kernel=k).to(F64)
    u = torch.arange(len(ways)) - len(ways) // 2
    measured = ((ways * u**2).sum() / ways.sum()).sqrt()
    expected = math.sqrt((k**2 - 1) / 12 * sum(r**2 for r in rates))
    assert measured.item() == pytest.approx(expected)
    if len(rates) == 20:
        assert len(ways) == 41 and round(expected, 1) == 3.7


@pytest.mark.equation("eq-neighbour-correlation")
def test_the_correlation_of_neighbours(generator):
    def rho(rates: tuple[int, ...], delta: int) -> float:
        h = paths(rates).to(F64)
        return float((h[: len(h) - delta] * h[delta:]).sum() / (h * h).sum())

    assert rho((2, 2, 2), 1) == 0
    assert rho((2, 2, 2), 2) == pytest.approx(126 / 141) == pytest.approx(0.89, abs=0.005)
    noise = torch.randn(1, 1, 400_000, dtype=F64, generator=generator)
    for rates in ((2, 2, 2), (1, 2, 3)):
        y = noise
        for r in rates:
            y = F.conv1d(y, torch.ones(1, 1, 3, dtype=F64), dilation=r)
        y = y.flatten()
        for delta in (1, 2, 3):
            measured = (y[:-delta] * y[delta:]).mean() / (y * y).mean()
            assert float(measured) == pytest.approx(rho(rates, delta), abs=0.02)


@pytest.mark.equation("eq-no-holes")
def test_the_rule_about_holes_by_trying_all():
    for a in range(1, 9):
        for b in range(a, 14):
            for c in range(b, 30):
                rule = a <= 1 and b <= 1 + 2 * a and c <= 1 + 2 * (a + b)
                offsets = torch.cartesian_prod(*[torch.tensor([-1, 0, 1])] * 3)
                reached = set((offsets @ torch.tensor([a, b, c])).tolist())
                assert rule == (len(reached) == max(reached) - min(reached) + 1)
                assert rule is not has_holes((c, a, b))
    assert not has_holes((1, 3, 9)) and len(paths((1, 3, 9))) == 27 == 3**3
    assert has_holes((1, 2, 9)) and not has_holes((1, 2, 3))
    assert not has_holes((1, 3, 8)) and not has_holes((1, 3, 9)) and has_holes((1, 3, 10))


@pytest.mark.equation("eq-aspp")
@torch.no_grad()
def test_the_pyramid_composed_of_functions():
    torch.manual_seed(0)
    layer = ASPP(4, 6, rates=(1, 2, 3)).double()
    x = torch.randn(3, 4, 7, 9, dtype=F64)
    layer(x)  # moves the running statistics
    layer.eval()
    state = layer.state_dict()

    def branch(y: Tensor, key: str, rate: int = 1) -> Tensor:
        w = state[f"{key}.0.weight"]
        y = F.conv2d(y, w, padding=rate * (w.shape[-1] // 2), dilation=rate)
        mean, var, scale, shift = (
            state[f"{key}.1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(y, mean, var, scale, shift).relu()

    parts = [branch(x, f"branches.{i}", rate) for i, rate in enumerate((1, 1, 2, 3))]
    pooled = branch(x.mean(dim=(2, 3), keepdim=True), "pooled")
    parts.append(pooled + torch.zeros(1, 1, 7, 9, dtype=F64))
    expected = branch(torch.cat(parts, dim=1), "project.0")
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.equation("eq-taps-inside")
def test_the_taps_inside_by_convolving_ones():
    for height, width in ((6, 8), (33, 33), (5, 12)):
        for rate in (1, 3, 6, 12, 18):
            ones = torch.ones(1, 1, height, width)
            inside = F.conv2d(ones, torch.ones(1, 1, 3, 3), padding=rate, dilation=rate)
            share = float(inside.mean()) / 9
            assert taps_inside(height, rate) * taps_inside(width, rate) == pytest.approx(share)
    table = {(33, 33): {6: 77, 12: 57, 18: 40}, (6, 8): {1: 81, 3: 50, 6: 17, 12: 11, 18: 11}}
    for (height, width), row in table.items():
        for rate, percent in row.items():
            share = 100 * taps_inside(height, rate) * taps_inside(width, rate)
            assert abs(share - percent) <= 0.51
    assert taps_inside(30, 18) == pytest.approx(0.6) and taps_inside(40, 18) == pytest.approx(0.7)
    assert PAPER_RATES[16] == (6, 12, 18) and SMALL_RATES == {16: (1, 2, 3), 8: (2, 4, 6)}


@pytest.mark.equation("eq-separable")
@torch.no_grad()
def test_the_separable_convolution_written_out(generator):
    layer = SeparableConv(3, 4, rate=2).double()
    w, v = layer[0].weight[:, 0], layer[1].weight[:, :, 0, 0]  # (C, 3, 3), (O, C)
    x = torch.randn(1, 3, 8, 9, dtype=F64, generator=generator)
    kernel = torch.einsum("oc,cab->ocab", v, w)
    expected = atrous_conv2d(x, kernel, rate=2, padding=2)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.equation("eq-separable-cost")
def test_the_share_of_a_separable_convolution():
    for c, o, k in ((160, 128, 3), (7, 5, 5)):
        separable = SeparableConv(c, o) if k == 3 else None
        count = separable_cost(c, o, k, (4, 4)).parameters
        if separable:
            assert count == sum(p.numel() for p in separable.parameters())
        assert count / (k * k * c * o) == pytest.approx(1 / o + 1 / k**2)
    assert separable_cost(160, 128, 3, (1, 1)).parameters == 21_920
    assert 9 * 160 * 128 == 184_320 and round(1 / 128 + 1 / 9, 3) == 0.119


@pytest.mark.equation("eq-deeplab-decoder")
@torch.no_grad()
def test_the_decoder_step_by_step():
    torch.manual_seed(0)
    model = DeepLabV3Plus(num_classes=3, width=8).double().eval()
    x = torch.randn(2, 3, 37, 50, dtype=F64)
    e = model.backbone(x)
    fine = model.reduce(e[1])
    up = F.interpolate(model.mix(model.aspp(e[4])), fine.shape[-2:], mode="bilinear")
    d = model.decode(torch.cat([up, fine], dim=1))
    scores = torch.einsum("kc,bchw->bkhw", model.head.weight[:, :, 0, 0], d)
    scores = scores + model.head.bias[:, None, None]
    z = F.interpolate(scores, (37, 50), mode="bilinear")
    torch.testing.assert_close(model(x), z, rtol=1e-11, atol=1e-11)


@pytest.mark.equation("eq-feature-position")
def test_where_a_feature_sits():
    net = nn.Sequential(*(nn.Conv2d(1, 1, 3, 2, padding=1, bias=False) for _ in range(4)))
    for layer in net:
        nn.init.ones_(layer.weight)
    jump = 16
    field = measured_field(net, torch.zeros(1, 1, 16, 200), at=(0, 6)).sum(0)
    centre = (field * torch.arange(200)).sum() / field.sum()
    assert float(centre) == pytest.approx(jump * 6)
    for height in (96, 97):  # a map that holds its own index tells where each place is read
        h = -(-height // jump)
        index = torch.arange(float(h)).view(1, 1, h, 1)
        areas = F.interpolate(index, (jump * h, 1), mode="bilinear").flatten()
        corners = F.interpolate(index, (height, 1), mode="bilinear", align_corners=True).flatten()
        for i in range(1, h - 1):
            place = jump * (i + 0.5) - 0.5  # between two pixels
            assert float(areas[math.floor(place)] + areas[math.ceil(place)]) / 2 == i
            place = i * (height - 1) / (h - 1)
            low = math.floor(place)
            read = corners[low] + (place - low) * (corners[low + 1] - corners[low])
            assert float(read) == pytest.approx(i, abs=1e-4)
    assert (jump - 1) / 2 == 7.5 and 96 - 1 - jump * (6 - 1) == 15 and 513 == 16 * 32 + 1
