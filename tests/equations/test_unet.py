"""The equations of book/math/unet.md, each checked numerically in float64, at odd sizes too."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.models import UNet

F64 = torch.float64


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.equation("eq-max-pool")
@pytest.mark.parametrize("size", [(5, 8), (6, 7), (3, 3)])
def test_pooling_takes_the_largest_and_drops_what_is_left_over(size, generator):
    x = torch.randn(1, 1, *size, dtype=F64, generator=generator)
    y = F.max_pool2d(x, 2)[0, 0]
    assert y.shape == (size[0] // 2, size[1] // 2)
    for i in range(size[0] // 2):
        for j in range(size[1] // 2):
            square = [x[0, 0, 2 * i + a, 2 * j + b] for a in (0, 1) for b in (0, 1)]
            assert y[i, j] == max(square)


def test_pooling_has_no_inverse():
    """Images that differ are pooled to one; book/documents.md says the same of Document 2."""
    corner = torch.zeros(4, 1, 2, 2, dtype=F64)
    corner.view(4, 4)[range(4), range(4)] = 1  # a bright pixel in each of the four corners
    assert torch.equal(F.max_pool2d(corner, 2), torch.ones(4, 1, 1, 1, dtype=F64))


def test_the_documents_definitions_form_a_cycle():
    """What is needed to compute each of the five symbols of Document 2 (book/documents.md)."""
    needs = {"out": {"in", "up", "down"}, "in": {"down"}, "down": {"in"}, "up": {"down"}}

    def circular(name, path=()):
        return name in path or any(circular(n, (*path, name)) for n in needs.get(name, ()))

    assert circular("out")
    ours = {"z": {"d0"}, "d0": {"e0", "d1"}, "d1": {"e1"}, "e1": {"e0"}, "e0": {"x"}}
    needs = ours
    assert not circular("z")


@pytest.mark.equation("eq-level-size")
@given(height=st.integers(16, 200), width=st.integers(16, 200))
@settings(max_examples=25, deadline=None)
def test_rounding_down_again_and_again_is_rounding_down_once(height, width):
    x = torch.zeros(1, 1, height, width)
    for level in range(1, 5):
        x = F.max_pool2d(x, 2)
        assert x.shape[2:] == (height // 2**level, width // 2**level)


def small_unet(**options) -> UNet:
    torch.manual_seed(0)
    return UNet(num_classes=3, widths=(4, 6, 8), norm="none", **options).to(F64).eval()


def encode(model: UNet, x: torch.Tensor) -> list[torch.Tensor]:
    maps = [model.stem(x)]
    for block in model.encoder:
        maps.append(block(F.max_pool2d(maps[-1], 2)))
    return maps


@pytest.mark.equation("eq-unet-encoder")
def test_encoder_recursion(generator):
    model = small_unet()
    x = torch.randn(1, 3, 12, 20, dtype=F64, generator=generator)
    seen = []
    for block in [model.stem, *model.encoder]:
        block.register_forward_hook(lambda _, __, output: seen.append(output))
    model(x)
    theirs_by_level = list(seen)  # `encode` runs the same blocks again
    for level, (ours, theirs) in enumerate(zip(encode(model, x), theirs_by_level, strict=True)):
        assert torch.equal(ours, theirs)
        assert ours.shape == (1, (4, 6, 8)[level], 12 // 2**level, 20 // 2**level)


@pytest.mark.equation("eq-unet-decoder")
@pytest.mark.parametrize("size", [(12, 20), (13, 22), (15, 9)])
def test_decoder_recursion(size, generator):
    model = small_unet()
    x = torch.randn(2, 3, *size, dtype=F64, generator=generator)
    e = encode(model, x)
    d = e[-1]  # d_L = e_L
    for level in (1, 0):
        step = model.decoder[1 - level]
        up = step.up(d)
        rows, columns = (a - b for a, b in zip(e[level].shape[2:], up.shape[2:], strict=True))
        up = torch.cat([up, up[:, :, -1:]][: 1 + rows], dim=2)
        up = torch.cat([up, up[..., -1:]][: 1 + columns], dim=3)
        d = step.mix(torch.cat([e[level], up], dim=1))
        assert d.shape == e[level].shape
    assert torch.allclose(model.head(d), model(x), atol=1e-12)


@pytest.mark.equation("eq-unet-head")
def test_head_is_one_linear_classifier_at_every_pixel(generator):
    model = small_unet()
    d = torch.randn(1, 4, 5, 7, dtype=F64, generator=generator)
    v, b = model.head.weight[:, :, 0, 0], model.head.bias
    z = torch.empty(3, 5, 7, dtype=F64)
    for k in range(3):
        for i in range(5):
            for j in range(7):
                z[k, i, j] = b[k] + sum(v[k, c] * d[0, c, i, j] for c in range(4))
    assert torch.allclose(z, model.head(d)[0], atol=1e-13)


def test_the_worked_example_of_the_skip():
    e0 = torch.tensor([[[2.0, 0, 0, 6]]], dtype=F64)
    up = F.interpolate(F.max_pool1d(e0, 2), scale_factor=2)
    assert up.flatten().tolist() == [2, 2, 6, 6]
    assert (e0 - up + 1).flatten().tolist() == [1, -1, -5, 1]
    assert len({tuple(pair) for pair in torch.cat([e0, up], dim=1)[0].T.tolist()}) == 4


@pytest.mark.equation("eq-pad-to-multiple")
@given(height=st.integers(8, 70), width=st.integers(8, 70), levels=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_padding_to_the_next_size_that_fits(height, width, levels):
    f = 2**levels
    rows, columns = (f * math.ceil(side / f) - side for side in (height, width))
    assert 0 <= rows < f and 0 <= columns < f
    x = F.pad(torch.zeros(1, 1, height, width), [0, columns, 0, rows])
    for _ in range(levels):
        assert x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0
        x = F.max_pool2d(x, 2)


@pytest.mark.parametrize("size", [(50, 75), (37, 53)])
def test_never_more_than_one_row_is_missing(size):
    for side in size:
        for level in range(5):
            assert side // 2**level - 2 * (side // 2 ** (level + 1)) in (0, 1)


def conv_layers(model):
    return [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)]


@pytest.mark.equation("eq-unet-work")
@pytest.mark.parametrize(
    ("base", "levels", "classes", "size"), [(4, 1, 2, (6, 10)), (6, 3, 5, (24, 40))]
)
def test_multiply_adds(base, levels, classes, size):
    from torch.utils.flop_counter import FlopCounterMode

    model = UNet(num_classes=classes, widths=[base * 2**i for i in range(levels + 1)]).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, *size))
    q = size[0] * size[1]
    expected = q * ((85 / 2 * levels + 9) * base**2 + (9 * 3 + classes) * base)
    assert counter.get_total_flops() == 2 * expected  # it counts multiplications and additions


@pytest.mark.equation("eq-unet-weights")
@pytest.mark.parametrize(
    ("base", "levels", "classes"), [(4, 1, 2), (6, 3, 5), (32, 3, 2), (8, 4, 9)]
)
def test_number_of_weights(base, levels, classes):
    model = UNet(num_classes=classes, widths=[base * 2**i for i in range(levels + 1)])
    weights = sum(layer.weight.numel() for layer in conv_layers(model))
    assert 3 * weights == (89 * 4**levels - 62) * base**2 + 3 * (9 * 3 + classes) * base


def test_the_numbers_of_the_default_model():
    model = UNet()
    weights = sum(layer.weight.numel() for layer in conv_layers(model))
    assert weights == 1878 * 1024 + 29 * 32 == 1_924_000
    assert sum(p.numel() for p in model.parameters()) - weights == 3_042
    assert (89 * 4**2 - 62) // 3 == 454  # the answer to question 1


def test_where_the_weights_are():
    model = UNet()
    total = sum(layer.weight.numel() for layer in conv_layers(model))
    levels = [[model.encoder[-1], model.decoder[0].up]]  # the lowest, and the one above it
    levels.append([model.encoder[-2], model.decoder[0].mix, model.decoder[1].up])
    held = [sum(x.weight.numel() for part in level for x in conv_layers(part)) for level in levels]
    assert 0.45 < held[0] / total < 0.55 and 0.87 < sum(held) / total < 0.9


def interval(i: int, levels: int) -> tuple[int, int]:
    a = b = i
    for _ in range(levels):
        a, b = (a - 2) // 2, (b + 2) // 2
    for _ in range(levels):
        a, b = 2 * (a - 2), 2 * (b + 2) + 1
    return a - 2, b + 2


@pytest.mark.equation("eq-unet-interval")
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_what_a_pixel_sees(levels, monkeypatch):
    """All weights 1 and mean instead of maximum: a gradient reaches whatever can have an effect."""
    monkeypatch.setattr(F, "max_pool2d", F.avg_pool2d)
    model = UNet(in_channels=1, num_classes=1, widths=[1] * (levels + 1), norm="none").to(F64)
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, 0.3)
    width = 128
    for i in (0, 57, 60, 62, 63, 127):
        x = torch.ones(1, 1, 2**levels, width, dtype=F64, requires_grad=True)
        model(x)[0, 0, 0, i].backward()
        seen = x.grad[0, 0].sum(0).nonzero().flatten()
        low, high = interval(i, levels)
        assert (int(seen.min()), int(seen.max())) == (max(low, 0), min(high, width - 1))


def test_the_table_of_what_a_pixel_sees():
    widths = {
        levels: {high - low + 1 for low, high in (interval(i, levels) for i in range(2**levels))}
        for levels in range(5)
    }
    assert widths[0] == {5} and widths[1] == {18} and widths[2] == {44} and widths[3] == {92, 100}
    assert min(widths[4]) == 188 and max(widths[4]) == 204
