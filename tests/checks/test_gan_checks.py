"""The checks of the GAN labs: references equal torch's, each known mistake is named."""

import importlib

import pytest
import torch
import torch.nn.functional as F

from course_lib.losses import generator_loss

CHECKS = {
    name: importlib.import_module(f"course_lib.checks.{name}")
    for name in ("generator_step", "up_padding", "latent_walk", "batch_norm")
}


def generator_by_the_package(discriminator, fake):
    """With a copy of the parameters that requires no gradient; buffers are still updated."""
    values = {k: p.detach() for k, p in discriminator.named_parameters()}
    return generator_loss(torch.func.functional_call(discriminator, values, (fake,)))


def generator_parameter_by_parameter(discriminator, fake):
    for parameter in discriminator.parameters():
        parameter.requires_grad = False
    try:
        logits = discriminator(fake)
        return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    finally:
        for parameter in discriminator.parameters():
            parameter.requires_grad = True


def padding_by_trying(kernel, stride):
    """Try all paddings, the smallest output_padding first."""
    for extra in range(stride):
        for padding in range(kernel + 1):
            if 4 * stride - 2 * padding + kernel + extra == 5 * stride and kernel >= stride:
                return padding, extra
    raise ValueError("no padding")


def walk_by_rotating(start, end, steps):
    """By an orthonormal basis of the plane of both: the unit vectors rotate, lengths are weights.

    The formula's point is a |start| + b |end| in that basis, a and b by the sine rule.
    """
    unit = start / start.norm()
    along = end @ unit
    across = end - along * unit
    if across.norm() < 1e-3 * end.norm():
        return torch.stack([torch.lerp(start, end, i / (steps - 1)) for i in range(steps)])
    other = across / across.norm()
    angle = torch.atan2(across.norm(), along)
    rows = []
    for i in range(steps):
        turned = angle * i / (steps - 1)
        weight_end = turned.sin() / angle.sin()
        weight_start = turned.cos() - weight_end * angle.cos()  # so that b=(sin) across fits
        first = weight_start * start.norm() + weight_end * along
        rows.append(first * unit + weight_end * across.norm() * other)
    return torch.stack(rows)


def batch_norm_by_torch(x, mean, var, training, momentum=0.1, eps=1e-5):
    mean, var = mean.clone(), var.clone()
    y = F.batch_norm(x, mean, var, training=training, momentum=momentum, eps=eps)
    return y, mean, var


OTHERS = {
    "generator_step": [generator_by_the_package, generator_parameter_by_parameter],
    "up_padding": [padding_by_trying],
    "latent_walk": [walk_by_rotating],
    "batch_norm": [batch_norm_by_torch],
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_get_all_points(name, seed):
    module = CHECKS[name]
    for right in (module.reference, *OTHERS[name]):
        report = getattr(module, name)(right, seed=seed)
        assert (report.points, report.total, report.hint) == (4, 4, None), report


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        pytest.param(n, m, id=f"{n}-{m.name}")
        for n, module in CHECKS.items()
        for m in module.MISTAKES
    ],
)
@pytest.mark.parametrize("seed", range(5, 10))
def test_each_known_mistake_is_recognised(name, mistake, seed):
    report = getattr(CHECKS[name], name)(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert (report.mistake, report.hint) == (mistake.name, mistake.hint)


def points(name, mistake, seed=0):
    module = CHECKS[name]
    mutant = {m.name: m.mutant for m in module.MISTAKES}[mistake]
    return getattr(module, name)(mutant, seed=seed).points


def test_points_come_per_property():
    assert points("generator_step", "the discriminator collects a gradient") == 3
    assert points("generator_step", "detached") == 1
    assert points("up_padding", "a kernel smaller than the stride") == 3
    assert points("latent_walk", "divided by zero where both point the same way") == 3
    assert points("batch_norm", "stored by n") == 3
    assert points("batch_norm", "never updated") == 3


def test_what_leaves_a_trace_is_told():
    module = CHECKS["generator_step"]
    text = str(module.generator_step(module._not_frozen, seed=1))
    assert "left a gradient in the discriminator's parameters" in text
    assert "requires_grad=False" in str(module.generator_step(module._never_thawed, seed=1))


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("answer", [None, 3, "text", (1,), torch.zeros(2)])
def test_nonsense_is_reported_and_never_raised(name, answer):
    report = getattr(CHECKS[name], name)(lambda *args, **options: answer)
    assert report.points == 0
    assert report.hint is None
