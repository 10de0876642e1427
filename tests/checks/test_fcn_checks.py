"""The checks of the FCN lab: references equal torch's, each known mistake is named."""

import importlib

import pytest
import torch
import torch.nn.functional as F
from torch import nn

CHECKS = {
    name: importlib.import_module(f"course_lib.checks.{name}")
    for name in ("heat_map", "scatter", "bilinear_weight")
}


def heat_map_by_windows(features, weight, bias, size):
    """Another right answer: the linear layer at each window, one after the other."""
    layer = nn.Linear(weight.shape[1], len(weight))
    layer.load_state_dict({"weight": weight, "bias": bias})
    k, l = size  # noqa: E741
    rows = [
        torch.stack(
            [
                layer(features[:, :, i : i + k, j : j + l].flatten(1))
                for j in range(features.shape[3] - l + 1)
            ],
            dim=-1,
        )
        for i in range(features.shape[2] - k + 1)
    ]
    return torch.stack(rows, dim=-2).detach()


def scatter_by_torch(v, kernel, stride, padding):
    return F.conv_transpose1d(v[None, None], kernel[None, None], None, stride, padding)[0, 0]


def weight_by_interpolating(channels, stride):
    """What an image with one bright pixel becomes, cut to where it is not 0."""
    point = torch.zeros(1, 1, 5, 5)
    point[..., 2, 2] = 1
    spot = F.interpolate(point, scale_factor=stride, mode="bilinear")[0, 0]
    inside = spot[2 * stride + stride // 2].nonzero().flatten()
    kernel = spot[inside[0] : inside[-1] + 1, inside[0] : inside[-1] + 1]
    return torch.eye(channels)[:, :, None, None] * kernel


OTHERS = {
    "heat_map": heat_map_by_windows,
    "scatter": scatter_by_torch,
    "bilinear_weight": weight_by_interpolating,
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_get_all_points(name, seed):
    module = CHECKS[name]
    for right in (module.reference, OTHERS[name]):
        report = getattr(module, name)(right, seed=seed)
        assert (report.points, report.total, report.hint) == (5, 5, None), str(report)


MISTAKES = [(name, m) for name, module in CHECKS.items() for m in module.MISTAKES]


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=lambda v: getattr(v, "name", v))
@pytest.mark.parametrize("seed", range(4))
def test_each_known_mistake_is_recognised(name, mistake, seed):
    report = getattr(CHECKS[name], name)(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert (report.mistake, report.hint) == (mistake.name, mistake.hint), str(report)


@pytest.mark.parametrize(
    ("name", "mistake", "points"),
    [
        ("heat_map", "kernel turned", 1),
        ("heat_map", "rows and columns swapped", 3),
        ("heat_map", "zeros around the map", 0),
        ("scatter", "padding not cut", 3),
        ("scatter", "everything cut at the end", 4),
        ("scatter", "overlaps overwritten", 2),
        ("bilinear_weight", "even size for an odd stride", 4),
        ("bilinear_weight", "all pairs of channels", 1),
        ("bilinear_weight", "a pyramid", 2),
    ],
)
def test_points_come_per_property(name, mistake, points):
    mutant = {m.name: m.mutant for m in CHECKS[name].MISTAKES}[mistake]
    for seed in range(3):
        assert getattr(CHECKS[name], name)(mutant, seed=seed).points == points


@pytest.mark.parity
@pytest.mark.parametrize("stride", [2, 3, 4, 7])
def test_the_reference_is_what_the_package_has(stride):
    from course_lib.ops.upsampling import bilinear_weight

    reference = CHECKS["bilinear_weight"].reference
    torch.testing.assert_close(reference(3, stride), bilinear_weight(3, stride))
