"""FCN and DilatedFCN: start, errors; each against a reference composed by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models import FCN, DilatedFCN
from course_lib.models import fcn as module
from course_lib.ops.upsampling import bilinear_weight
from tests.models.peers import count, shuffled

SIZES = [(64, 64), (96, 128), (37, 70), (65, 33), (32, 95)]  # square, not square, odd, smallest
MODELS = {
    "fcn-32s": lambda **k: FCN(stride=32, **k),
    "fcn-16s": lambda **k: FCN(stride=16, **k),
    "fcn-8s": lambda **k: FCN(**k),
    "dilated": lambda **k: DilatedFCN(**k),
}


def reference_fcn(state: dict[str, Tensor], features: list[Tensor], size: tuple, stride: int):
    """FCN written out with functions, for the features at strides 8, 16 and 32."""
    f8, f16, f32 = features
    z = F.conv2d(f32, state["scores.0.weight"], state["scores.0.bias"])
    if stride <= 16:
        z = F.conv_transpose2d(z, state["ups.0.weight"], stride=2, padding=1)
        z = z[:, :, : f16.shape[2], : f16.shape[3]]
        z = z + F.conv2d(f16, state["scores.1.weight"], state["scores.1.bias"])
    if stride <= 8:
        z = F.conv_transpose2d(z, state["ups.1.weight"], stride=2, padding=1)
        z = z[:, :, : f8.shape[2], : f8.shape[3]]
        z = z + F.conv2d(f8, state["scores.2.weight"], state["scores.2.bias"])
    z = F.interpolate(z, scale_factor=stride, mode="bilinear", align_corners=False)
    return z[:, :, : size[0], : size[1]]


def reference_small(state: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """The backbone "small" in eval mode, written out with functions; strides 8, 16 and 32."""

    def norm(x: Tensor, at: str) -> Tensor:
        scale = state[f"{at}.weight"] / (state[f"{at}.running_var"] + 1e-5).sqrt()
        shift = state[f"{at}.bias"] - state[f"{at}.running_mean"] * scale
        return x * scale[:, None, None] + shift[:, None, None]

    def block(x: Tensor, at: str, stride: int) -> Tensor:
        y = F.conv2d(x, state[f"{at}.conv1.weight"], stride=stride, padding=1)
        y = norm(y, f"{at}.norm1").clamp(min=0)
        y = norm(F.conv2d(y, state[f"{at}.conv2.weight"], padding=1), f"{at}.norm2")
        if stride > 1:
            x = F.conv2d(x, state[f"{at}.shortcut.0.weight"], stride=stride)
            x = norm(x, f"{at}.shortcut.1")
        return (y + x).clamp(min=0)

    at = "backbone.stages"
    x = F.conv2d(x, state[f"{at}.0.0.weight"], stride=2, padding=1)
    x = block(norm(x, f"{at}.0.1").clamp(min=0), f"{at}.0.3", 1)
    features = []
    for stage in range(1, 5):
        x = block(x, f"{at}.{stage}", 2)
        features.append(x)
    return features[1:]


@pytest.mark.parity
@pytest.mark.parametrize("stride", [32, 16, 8])
@pytest.mark.parametrize("size", SIZES)
def test_fcn_equals_the_same_network_composed_of_functions(size: tuple, stride: int) -> None:
    model = shuffled(FCN(num_classes=4, stride=stride))
    state = model.state_dict()
    x = torch.randn(2, 3, *size)
    wanted = reference_fcn(state, reference_small(state, x), size, stride)
    got = model(x)
    assert got.shape == (2, 4, *size)
    assert (got - wanted).norm() <= 1e-5 * wanted.norm()
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))


@pytest.fixture(scope="module")
def pair() -> tuple[nn.Module, nn.Module]:
    """Ours and torchvision's network with the same weights."""
    from torchvision.models.segmentation import fcn_resnet50

    theirs = shuffled(fcn_resnet50(weights=None, weights_backbone=None, num_classes=21))
    ours = DilatedFCN(num_classes=21, backbone="resnet50").eval()
    weights = theirs.state_dict()
    names = [k for k in ours.state_dict() if k.split(".")[-1] not in ("mean", "std")]
    assert len(names) == len(weights)  # in both, the order is that of the network's layers
    ours.load_state_dict(dict(zip(names, weights.values(), strict=True)), strict=False)
    return ours, theirs


@pytest.mark.parity
@pytest.mark.parametrize("size", [(64, 64), (40, 56), (57, 43)])
def test_dilated_fcn_is_torchvisions_fcn_resnet50(pair: tuple, size: tuple[int, int]) -> None:
    ours, theirs = pair
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        got, wanted = ours(x), theirs(x)["out"]
    assert got.shape == wanted.shape == (1, 21, *size)
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))
    assert count(ours) == count(theirs)
    assert f"{count(ours):,}" in (module.__doc__ or "")


def test_training_starts_from_the_coarsest_scores() -> None:
    """The finer scores start at zero, so FCN-8s begins by answering from stride 32 alone."""
    model = FCN(num_classes=3).eval()
    x = torch.randn(1, 3, 64, 96)
    coarse = model.scores[0](model.backbone(x)[-1])
    for _ in range(2):
        coarse = F.conv_transpose2d(coarse, bilinear_weight(3, 2), stride=2, padding=1)
    wanted = F.interpolate(coarse, (64, 96), mode="bilinear")
    torch.testing.assert_close(model(x), wanted)


def test_doubling_starts_as_bilinear_interpolation_and_learns() -> None:
    up = module.doubling(3)
    x = torch.randn(1, 3, 5, 7)
    wanted = F.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(up(x)[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])
    assert up.weight.requires_grad


def test_finer_scores_change_what_32s_cannot_say() -> None:
    """Silence the coarsest score: 32s then says nothing, 8s still tells cells apart."""
    for stride, cells in ((32, 32), (16, 16), (8, 8)):
        model = shuffled(FCN(num_classes=2, stride=stride))
        nn.init.zeros_(model.scores[0].weight)
        nn.init.zeros_(model.scores[0].bias)
        z = model(torch.randn(1, 3, 128, 128))[..., cells // 2 :: cells, cells // 2 :: cells]
        assert bool(z.std() > 1e-6) is (stride < 32)


def test_parameter_counts_are_those_of_the_docstring() -> None:
    assert f"{count(FCN()):,}" in (module.__doc__ or "")
    assert f"{count(DilatedFCN()):,}" in (module.__doc__ or "")


@pytest.mark.parametrize("name", ["fcn-32s", "fcn-8s", "dilated"])
def test_one_batch_can_be_learnt_by_heart(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name](num_classes=2)
    images = torch.zeros(4, 3, 64, 64)
    target = torch.zeros(4, 64, 64, dtype=torch.long)
    for n, (top, left) in enumerate(((0, 0), (0, 32), (32, 0), (32, 32))):
        images[n, :, top : top + 32, left : left + 32] = 1
        target[n, top : top + 32, left : left + 32] = 1
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(25):
        loss = F.cross_entropy(model(images), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 < losses[0]


@pytest.mark.parametrize("name", MODELS)
def test_a_class_that_never_occurs_and_ignored_pixels_do_no_harm(name: str) -> None:
    model = MODELS[name](num_classes=4)
    target = torch.randint(0, 3, (2, 64, 48))  # class 3 never occurs
    target[:, :10] = 255
    loss = F.cross_entropy(model(torch.randn(2, 3, 64, 48)), target, ignore_index=255)
    loss.backward()
    assert loss.isfinite()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FCN(stride=4), "choose 32, 16 or 8"),
        (lambda: FCN(backbone="vgg"), "choose one of"),
        (lambda: FCN(weights="imagenet"), "weights=None"),
        (lambda: DilatedFCN(weights="imagenet"), "weights=None"),
        (lambda: FCN()(torch.zeros(1, 3, 31, 64)), "32x32"),
        (lambda: DilatedFCN()(torch.zeros(1, 3, 64, 7)), "8x8"),
        (lambda: FCN().train()(torch.zeros(1, 3, 32, 32)), "batch of one"),
        (lambda: DilatedFCN().train()(torch.zeros(1, 3, 8, 8)), "batch of one"),
    ],
)
def test_bad_arguments_are_named_with_their_cure(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_a_batch_of_one_is_fine_where_statistics_can_be_taken() -> None:
    assert FCN().eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 2, 32, 32)
    assert FCN().train()(torch.zeros(2, 3, 32, 32)).shape == (2, 2, 32, 32)
    assert FCN().train()(torch.zeros(1, 3, 33, 32)).shape == (1, 2, 33, 32)


def test_dropout_drops_values_of_the_deepest_map_in_training_only() -> None:
    torch.manual_seed(0)
    model, images = FCN(dropout=0.5), torch.randn(2, 3, 64, 64)
    plain = FCN()
    plain.load_state_dict(model.state_dict())  # no parameter of its own
    assert torch.equal(model.eval()(images), plain.eval()(images))
    seen: list[float] = []
    model.scores[0].register_forward_pre_hook(
        lambda _, args: seen.append((args[0] == 0).float().mean().item())
    )
    model(images)
    model.train()(images)
    assert seen[1] > seen[0] + 0.15
