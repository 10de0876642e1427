"""Answers to the exercises of the lab `stylegan`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from course_lib.checks.stylegan import minibatch_std as deviation
from course_lib.checks.stylegan import modulate as modulated
from course_lib.checks.stylegan import truncate as truncated
from course_lib.models import StyleGANGenerator
from course_lib.models.equalised import minibatch_std as package_std
from course_lib.ops.modulated import modulated_conv2d


def by_scales(x, weight, style):
    factor = (style.square() @ weight.square().sum((2, 3)).T + 1e-8).rsqrt()
    y = F.conv2d(x * style[:, :, None, None], weight, padding=1)
    return y * factor[:, :, None, None]


def by_the_package(x, weight, style):
    return modulated_conv2d(x, weight, style, padding=1)


def by_groups(x, weight, style):
    own = style[:, None, :, None, None] * weight
    own = own / torch.sqrt(torch.sum(own * own, dim=(2, 3, 4), keepdim=True) + 1e-8)
    images = len(x)
    y = F.conv2d(x.flatten(0, 1)[None], own.flatten(0, 1), padding=1, groups=images)
    return y.reshape(images, -1, *x.shape[2:])


def styled_twice(x, weight, style):
    return modulated.reference(x * style[:, :, None, None], weight, style)


def unit_style(x, weight, style):
    """Normalises the style in place of the weights."""
    style = style / (style.norm(dim=1, keepdim=True) + 1e-8)
    return F.conv2d(x * style[:, :, None, None], weight, padding=1)


def divided_by_measured_deviation(x, weight, style):
    y = F.conv2d(x * style[:, :, None, None], weight, padding=1)
    return y / (y.std((2, 3), keepdim=True) + 1e-8)


def reflected(x, weight, style):
    return modulated.reference(F.pad(x, (1, 1, 1, 1), "reflect"), weight, style)[..., 1:-1, 1:-1]


def groups_mixed_up(x, weight, style):
    own = style[:, None, :, None, None] * weight
    own = own / (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    y = F.conv2d(x.flatten(0, 1)[None], own.flatten(0, 1), padding=1, groups=len(x))
    return y.reshape(-1, len(x), *x.shape[2:]).transpose(0, 1)


def x_scaled_in_place(x, weight, style):
    x *= style[:, :, None, None]
    factor = (style.square() @ weight.square().sum((2, 3)).T + 1e-8).rsqrt()
    return F.conv2d(x, weight, padding=1) * factor[:, :, None, None]


def with_style(change):
    return lambda x, weight, style: modulated.reference(x, weight, change(style))


def deviation_by_loops(h):
    images, values = len(h), []
    for column in h.reshape(images, -1).T:
        mean = column.sum() / images
        values.append((((column - mean) ** 2).sum() / images + 1e-8) ** 0.5)
    extra = torch.stack(values).mean() * torch.ones_like(h[:, :1])
    return torch.cat((h, extra), 1)


def deviation_by_the_package(h):
    return torch.cat([h, package_std(h, group_size=len(h))], dim=1)


def by_moments(h):
    variance = torch.stack([(x - h.mean(0)) ** 2 for x in h]).sum(0) / h.size(0)
    return F.pad(h, (0, 0, 0, 0, 0, 1)) + torch.sqrt(variance + 1e-8).mean() * F.pad(
        torch.zeros_like(h), (0, 0, 0, 0, 0, 1), value=1.0
    )


def with_number(change):
    """The right number, then something done to it."""
    return lambda h: deviation._joined(lambda h: change(deviation._deviation(h)))(h)


def by_numpy(h):
    number = ((h.numpy().var(0) + 1e-8) ** 0.5).mean()
    return torch.cat([h, torch.full_like(h[:, :1], float(number))], 1)


def centred_in_place(h):
    h -= h.mean(0)
    return deviation.reference(h)


def in_groups_of_two(h):
    return torch.cat([deviation.reference(part) for part in h.split(2)])


def features_cut(h):
    return torch.cat([h.detach(), deviation.reference(h)[:, -1:]], 1)


def last_channel_replaced(h):
    return deviation.reference(h[:, :-1])


def added_to_the_features(h):
    return h + deviation._deviation(h).mean()


def number_of_each_image(h):
    distance = (h - h.mean(0)).square().mean((1, 2, 3), keepdim=True)
    return torch.cat([h, (distance + 1e-8).sqrt().expand(-1, 1, *h.shape[2:])], 1)


def truncated_by_lerp(w, mean, psi):
    return torch.lerp(mean.expand_as(w), w, psi)


def truncated_by_the_generator(w, mean, psi):
    net = StyleGANGenerator(style_dim=w.shape[1], size=8, channels=2)
    net.style_mean.copy_(mean)
    return net.truncate(w, psi)


def truncated_row_by_row(w, mean, psi):
    return torch.stack([psi * row + (1 - psi) * mean for row in w])


def truncated_in_place(w, mean, psi):
    return w.sub_(mean).mul_(psi).add_(mean)


def everything_zero(w, mean, psi):
    w.zero_()
    mean.zero_()
    return w


def with_psi(change):
    return lambda w, mean, psi: truncated.reference(w, mean, change(psi))


RIGHT_ANSWERS = {
    "modulate": [by_scales, by_the_package, by_groups],
    "minibatch_std": [deviation_by_loops, deviation_by_the_package, by_moments],
    "truncate": [truncated_by_lerp, truncated_by_the_generator, truncated_row_by_row],
}

WRONG_ANSWERS = {
    "modulate": [
        (styled_twice, ""),
        (unit_style, ""),
        (divided_by_measured_deviation, ""),
        (reflected, ""),
        (groups_mixed_up, "the output for three images"),
        (x_scaled_in_place, "you changed your input `x`"),
        (with_style(torch.abs), ""),
        (with_style(torch.sigmoid), ""),
        (with_style(lambda style: style + 1), "a style of zeros"),
        (with_style(lambda style: style.mean(0, keepdim=True).expand_as(style)), "three images"),
        (lambda x, w, s: modulated._modulate(x, w, s, eps=1e-3), "a hundredth"),
        (lambda x, w, s: modulated._modulate(x, w, s, cut=True), "cut the divisor"),
        (lambda x, w, s: modulated._modulate(x, w, s, mean=True), "mean* square"),
        (lambda x, w, s: modulated._modulate(x, w, s).detach(), "no gradient"),
        (lambda x, w, s: modulated._modulate(x, w, s).mean(0), "shape"),
    ],
    "minibatch_std": [
        (with_number(lambda d: d.mean().detach()), "lost its graph"),
        (with_number(lambda d: torch.tensor(d.mean().item())), "lost its graph"),
        (with_number(lambda d: torch.full((1, 1, 1), float(d.mean()))), "lost its graph"),
        (by_numpy, "numpy"),
        (centred_in_place, "you changed your input `h`"),
        (features_cut, "gradient at the features"),
        (in_groups_of_two, ""),
        (last_channel_replaced, "shape"),
        (added_to_the_features, "shape"),
        (number_of_each_image, ""),
        (with_number(torch.median), ""),
        (with_number(torch.max), ""),
        (with_number(torch.sum), ""),
        (lambda h: torch.cat([h, deviation._deviation(h).mean().expand_as(h)], 1), "shape"),
        (deviation._joined(lambda h: h.std(0, correction=0).mean() + 1e-8), "for equal images"),
        (deviation._joined(lambda h: h.std(0).mean()), ""),
        (lambda h: deviation.reference(h)[:, -1:], "shape"),
    ],
    "truncate": [
        (truncated_in_place, "you changed your input `w`"),
        (everything_zero, "you changed your input `mean`"),
        (with_psi(lambda psi: psi**2), ""),
        (with_psi(lambda psi: psi**0.5), ""),
        (with_psi(lambda psi: 1 - psi), "At psi = 1 your answer is the mean"),
        (with_psi(round), ""),
        (lambda w, mean, psi: truncated.reference(w, mean.mean(), psi), ""),
        (lambda w, mean, psi: truncated.reference(w, mean, psi)[0], "shape"),
        (lambda w, mean, psi: truncated.reference(w, mean, psi).numpy(), "wanted a torch.Tensor"),
        (lambda w, mean, psi: mean - psi * (w - mean), "on the other side"),
        (lambda w, mean, psi: mean + psi * F.normalize(w - mean), "the same length"),
        (lambda w, mean, psi: mean + psi * (w - mean).clamp(-2, 2), ""),
        (lambda w, mean, psi: psi * (w + mean), ""),
        (lambda w, mean, psi: w.where((w - mean).abs() <= psi, mean), ""),
    ],
}

POINTS = {
    "modulate": {"the first image's style for all": 4, "0 divided by 0": 5},
    "minibatch_std": {"no epsilon": 3, "the number without its graph": 3},
}
