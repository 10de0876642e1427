"""The checks of the StyleGAN lab: right answers in any style get all points, mistakes a name."""

import importlib

import pytest
import torch
import torch.nn.functional as F

from course_lib.models import StyleGANGenerator
from course_lib.models.equalised import minibatch_std as package_std
from course_lib.ops.modulated import modulated_conv2d

modulate = importlib.import_module("course_lib.checks.modulate")
deviation = importlib.import_module("course_lib.checks.minibatch_std")
truncate = importlib.import_module("course_lib.checks.truncate")
CHECKS = {
    "modulate": (modulate, modulate.modulate),
    "minibatch_std": (deviation, deviation.minibatch_std),
    "truncate": (truncate, truncate.truncate),
}


def by_scales(x, weight, style):
    factor = (style.square() @ weight.square().sum((2, 3)).T + 1e-8).rsqrt()
    y = F.conv2d(x * style[:, :, None, None], weight, padding=1)
    return y * factor[:, :, None, None]


def by_the_package(x, weight, style):
    return modulated_conv2d(x, weight, style, padding=1)


def by_loops(h):
    images, values = len(h), []
    for column in h.reshape(images, -1).T:
        mean = column.sum() / images
        values.append((((column - mean) ** 2).sum() / images + 1e-8) ** 0.5)
    extra = torch.stack(values).mean() * torch.ones_like(h[:, :1])
    return torch.cat((h, extra), 1)


def by_the_packages_std(h):
    return torch.cat([h, package_std(h, group_size=len(h))], dim=1)


def by_lerp(w, mean, psi):
    return torch.lerp(mean.expand_as(w), w, psi)


def by_the_generator(w, mean, psi):
    net = StyleGANGenerator(style_dim=w.shape[1], size=8, channels=2)
    net.style_mean.copy_(mean)
    return net.truncate(w, psi)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("modulate", modulate.reference),
        ("modulate", by_scales),
        ("modulate", by_the_package),
        ("minibatch_std", deviation.reference),
        ("minibatch_std", by_loops),
        ("minibatch_std", by_the_packages_std),
        ("truncate", truncate.reference),
        ("truncate", by_lerp),
        ("truncate", by_the_generator),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_get_all_points(name, right, seed):
    report = CHECKS[name][1](right, seed=seed)
    assert report.passed and report.hint is None, report


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        pytest.param(name, mistake, id=f"{name}-{mistake.name}")
        for name, (check, _) in CHECKS.items()
        for mistake in check.MISTAKES
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_each_known_mistake_is_recognised(name, mistake, seed):
    report = CHECKS[name][1](mistake.mutant, seed=seed)
    assert report.points < report.total
    assert (report.mistake, report.hint) == (mistake.name, mistake.hint)


def test_points_come_per_property():
    by_name = {
        name: {m.name: m.mutant for m in check.MISTAKES} for name, (check, _) in CHECKS.items()
    }
    for seed in range(3):
        found = modulate.modulate(by_name["modulate"]["the first image's style for all"], seed=seed)
        assert found.points == 4
        assert modulate.modulate(by_name["modulate"]["0 divided by 0"], seed=seed).points == 5
        found = deviation.minibatch_std(by_name["minibatch_std"]["no epsilon"], seed=seed)
        assert found.points == 3 and "not finite" in str(found)
