"""The equations of book/math/fcn.md, second half: transposed convolution, checkerboards, fusion."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.models import FCN
from course_lib.ops.upsampling import bilinear_weight

F64 = torch.float64
SETTINGS = [(3, 2, 0), (4, 2, 1), (3, 2, 1), (2, 2, 0), (5, 3, 2), (2, 3, 0), (3, 1, 1)]  # k, s, p


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.equation("eq-transposed-convolution-2d")
@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
def test_transposed_convolution_number_by_number(k, s, p):
    v, w = normal(2, 3, 4), normal(2, 3, k, k, seed=1)  # two channels in, three out
    theirs = F.conv_transpose2d(v[None], w, stride=s, padding=p)[0]
    u = torch.zeros_like(theirs)
    for o in range(3):
        for i in range(u.shape[1]):
            for j in range(u.shape[2]):
                for a in range(2):
                    for i0 in range(3):
                        for j0 in range(4):
                            x, y = i - s * i0 + p, j - s * j0 + p
                            if 0 <= x < k and 0 <= y < k:
                                u[o, i, j] += w[a, o, x, y] * v[a, i0, j0]
    torch.testing.assert_close(u, theirs)


@pytest.mark.equation("eq-adjoint-2d")
@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
def test_adjoint_and_gradient(k, s, p):
    x, w = normal(1, 2, 7, 9).requires_grad_(), normal(3, 2, k, k, seed=1)
    y = F.conv2d(x, w, stride=s, padding=p)
    v = normal(*y.shape, seed=2)
    extra = [(n + 2 * p - k) % s for n in (7, 9)]
    back = F.conv_transpose2d(v, w, stride=s, padding=p, output_padding=extra)
    torch.testing.assert_close((y * v).sum(), (x * back).sum())
    (gradient,) = torch.autograd.grad((y * v).sum(), x)
    torch.testing.assert_close(gradient, back)


@pytest.mark.equation("eq-zero-insertion")
@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
def test_transposed_as_an_ordinary_convolution(k, s, p):
    v, w = normal(1, 2, 3, 5), normal(2, 3, k, k, seed=1)
    wide = torch.zeros(1, 2, s * (3 - 1) + 1, s * (5 - 1) + 1, dtype=F64)
    wide[..., ::s, ::s] = v
    turned = w.flip(-2, -1).transpose(0, 1)
    got = F.conv2d(wide, turned, padding=k - 1 - p)
    torch.testing.assert_close(got, F.conv_transpose2d(v, w, stride=s, padding=p))


@pytest.mark.equation("eq-phases")
@pytest.mark.parametrize(("k", "s"), [(3, 2), (4, 2), (5, 3), (2, 3), (7, 4), (1, 2)])
def test_a_transposed_convolution_is_interleaved_convolutions(k, s):
    v, w = normal(6), normal(k, seed=1)
    u = F.conv_transpose1d(v[None, None], w[None, None], stride=s)[0, 0]
    for j in range(len(u)):
        q, phase = divmod(j, s)
        terms = [b for b in range(k) if s * b + phase < k and 0 <= q - b < len(v)]
        total = sum((w[s * b + phase] * v[q - b] for b in terms), torch.zeros((), dtype=F64))
        torch.testing.assert_close(u[j], total)
    for phase in range(min(s, k)):  # each comb is an ordinary convolution with a kernel of its own
        kernel = w[phase::s].flip(0)
        comb = F.conv1d(v[None, None], kernel[None, None], padding=len(kernel) - 1)[0, 0]
        torch.testing.assert_close(u[phase::s][: len(comb)], comb)


@pytest.mark.equation("eq-phase-sums")
@pytest.mark.parametrize(("k", "s"), [(3, 2), (4, 2), (5, 3), (2, 3), (8, 4)])
def test_a_constant_map_shows_the_phase_sums(k, s):
    w = normal(k)
    u = F.conv_transpose1d(torch.ones(1, 1, 12, dtype=F64), w[None, None], stride=s)[0, 0]
    sums = [sum(w[s * b + r] for b in range(k) if s * b + r < k) for r in range(s)]
    inner = range(3 * s, 9 * s)
    for j in inner:
        torch.testing.assert_close(u[j], torch.as_tensor(sums[j % s], dtype=F64))


def phases(kernel, s):
    return [sum(kernel[r::s]) for r in range(s)]


def test_counting_copies_decides_nothing_about_one_kernel():
    assert phases([1, 2, 3, 4], 2) == [4, 6]  # two copies everywhere, and a pattern
    assert phases([0.5, 1, 0.5], 2) == [1, 1]  # one or two copies, and none
    assert phases([1, 3, 2, 0, 1], 2) == [4, 3]  # question 2
    assert phases([1, 3, 2, 0, 1], 5) == [1, 3, 2, 0, 1]


def test_variance_of_phase_sums_before_training():
    w = normal(20_000, 3)
    sums = torch.stack([w[:, 0::2].sum(1), w[:, 1::2].sum(1)])
    assert sums.var(dim=1).tolist() == pytest.approx([2, 1], rel=0.05)


@pytest.mark.parametrize(("k", "s", "even"), [(3, 2, False), (4, 2, True), (5, 3, False)])
def test_gradients_of_strided_convolutions_have_the_pattern_too(k, s, even):
    x = torch.ones(1, 1, 60, dtype=F64, requires_grad=True)
    F.conv1d(x, torch.ones(1, 1, k, dtype=F64), stride=s).sum().backward()
    inner = x.grad[0, 0, 2 * k : 2 * k + 6 * s]
    assert (inner.unique().numel() == 1) is even


@pytest.mark.equation("eq-bilinear-kernel")
@pytest.mark.parametrize("s", [1, 2, 3, 4, 5, 8])
def test_the_triangle_interpolates_inside(s):
    k = 2 * s - s % 2
    w = torch.tensor([1 - abs(a - (k - 1) / 2) / s for a in range(k)], dtype=F64)
    v = normal(1, 1, 9)
    u = F.conv_transpose1d(v, w[None, None], stride=s, padding=s // 2)
    wanted = F.interpolate(v, scale_factor=s, mode="linear", align_corners=False)
    assert u.shape == wanted.shape == (1, 1, 9 * s)
    torch.testing.assert_close(u[..., s:-s], wanted[..., s:-s])
    assert phases(w.tolist(), s) == pytest.approx([1] * s)
    if s > 1:
        assert not torch.allclose(u[..., 0], wanted[..., 0])  # it fades at the border
    known = {2: [1 / 4, 3 / 4, 3 / 4, 1 / 4], 3: [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]}
    assert w.tolist() == pytest.approx(known.get(s, w.tolist()))


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
