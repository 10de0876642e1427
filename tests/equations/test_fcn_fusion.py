"""The equations of book/math/fcn.md, second half: scores of several depths."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.models import FCN
from course_lib.ops.upsampling import bilinear_weight

F64 = torch.float64


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.equation("eq-scores-commute")
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(6, 8), (7, 11)])
def test_scoring_and_upsampling_commute(size, align_corners):
    f, score = normal(2, 5, 3, 4), torch.nn.Conv2d(5, 3, 1).double()

    def up(x):
        return F.interpolate(x, size, mode="bilinear", align_corners=align_corners)

    linear = F.conv2d(up(f), score.weight)  # S U(f)
    wanted = linear + score.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(up(score(f)), wanted)


def doubled(y, weight, like):
    y = F.conv_transpose2d(y, weight, stride=2, padding=1)
    return y[..., : like.shape[-2], : like.shape[-1]]


@pytest.mark.equation("eq-fcn-fusion")
@pytest.mark.parametrize("size", [(64, 96), (50, 75)])
@pytest.mark.parametrize("stride", [32, 16, 8])
def test_fusion_of_scores(size, stride):
    torch.manual_seed(0)
    model = FCN(num_classes=3, stride=stride).double().eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    x = normal(1, 3, *size)
    f = dict(zip((2, 4, 8, 16, 32), model.backbone(x), strict=True))
    g = {
        s: torch.einsum("kc,bchw->bkhw", score.weight[:, :, 0, 0], f[s])
        + score.bias.view(1, -1, 1, 1)
        for s, score in zip((32, 16, 8), model.scores, strict=False)
    }
    y = g[32]
    if stride <= 16:
        y = g[16] + doubled(y, model.ups[0].weight, g[16])
    if stride == 8:
        y = g[8] + doubled(y, model.ups[1].weight, g[8])
    z = F.interpolate(y, scale_factor=stride, mode="bilinear")[..., : size[0], : size[1]]
    torch.testing.assert_close(model(x), z)


def test_fusion_in_numbers():
    coarse = torch.tensor([[[2.0, -2]]], dtype=F64)
    up = F.interpolate(coarse, 4, mode="linear")
    assert up.flatten().tolist() == [2, 1, -1, -2]
    fused = up.flatten() + torch.tensor([0.0, -3, 0, 3], dtype=F64)
    assert fused.tolist() == [2, -2, -1, 1]
    assert fused.sign().diff().tolist() == [-2, 0, 2]  # two borders, one pixel from each end


@pytest.mark.equation("eq-fusion-product")
@given(st.integers(0, 10**6), st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_adding_scores_multiplies_probabilities(seed, classes):
    g, h = normal(classes, seed=seed), normal(classes, seed=seed + 1)
    p, q = g.softmax(0), h.softmax(0)
    torch.testing.assert_close((g + h).softmax(0), p * q / (p * q).sum())


def test_the_product_in_numbers():
    p, q = torch.tensor([0.8, 0.2], dtype=F64), torch.tensor([0.1, 0.9], dtype=F64)
    product = (p.log() + q.log()).softmax(0)
    assert product.tolist() == pytest.approx([0.08 / 0.26, 0.18 / 0.26])
    assert [round(x, 2) for x in product.tolist()] == [0.31, 0.69]
    assert ((p + q) / 2).tolist() == pytest.approx([0.45, 0.55])


@pytest.mark.equation("eq-fusion-concatenation")
def test_adding_scores_is_one_classifier_on_both_maps():
    fine, coarse = normal(1, 4, 6, 8), normal(1, 5, 3, 4, seed=1)
    s16, s32 = torch.nn.Conv2d(4, 3, 1).double(), torch.nn.Conv2d(5, 3, 1).double()

    def up(x):
        return F.interpolate(x, scale_factor=2, mode="bilinear")

    both = torch.cat([fine, up(coarse)], dim=1)
    weight = torch.cat([s16.weight, s32.weight], dim=1)
    one = F.conv2d(both, weight, s16.bias + s32.bias)
    torch.testing.assert_close(s16(fine) + up(s32(coarse)), one)


def test_with_a_transposed_convolution_it_holds_without_the_coarse_bias():
    fine, coarse = normal(1, 4, 6, 8), normal(1, 5, 3, 4, seed=1)
    s16, s32 = torch.nn.Conv2d(4, 3, 1).double(), torch.nn.Conv2d(5, 3, 1).double()

    def up(x):
        kernels = bilinear_weight(x.shape[1], 2).double()
        return F.conv_transpose2d(x, kernels, stride=2, padding=1)

    weight = torch.cat([s16.weight, s32.weight], dim=1)
    one = F.conv2d(torch.cat([fine, up(coarse)], dim=1), weight, s16.bias + s32.bias)
    summed = s16(fine) + up(s32(coarse))
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(summed[inside], one[inside])
    assert not torch.allclose(summed, one)  # at the rim the bias fades
    bias, s32.bias = s32.bias, None
    torch.testing.assert_close(s16(fine) + up(s32(coarse)), one - bias[:, None, None])


def test_parameters_after_the_backbone():
    model, k = FCN(num_classes=10), 10
    after = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("backbone"))
    assert after == k * (64 + 128 + 160) + 3 * k + 32 * k * k == 6_750
    assert after < 0.01 * sum(p.numel() for p in model.parameters())


def test_halved_scores_keep_the_labels():
    """Question 4."""
    z = normal(2, 5, 6, 7)
    assert torch.equal(z.argmax(1), (z / 2).argmax(1))
    assert (z / 2).softmax(1).amax(1).max() < z.softmax(1).amax(1).max()


def test_question_1_the_convolutions_of_a_large_classifier():
    h = torch.zeros(1, 8, 20, 15)  # 8 channels stand for 256
    x = F.conv2d(F.conv2d(h, torch.zeros(4, 8, 6, 6)), torch.zeros(21, 4, 1, 1))
    assert x.shape == (1, 21, 15, 10)
